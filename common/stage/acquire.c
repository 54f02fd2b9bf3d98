#include "base/crash_point.h"
#include "base/hash.h"
#include "base/log.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <string.h>

/* The new owner's side of a hand-over (hand_over.c): fetches the package (release.c), has the sinks take their part, and
 * makes the symbol its own in one transaction. */

/* package: what release.c made, taken apart; everything borrowed from its bytes. */
struct package {
    int64_t version, stopped_ns, first, last;
    struct reader state;
    struct buffer blobs; /* borrowed: never finished */
    struct reader consumers;
    const uint8_t *rows;
    size_t row_bytes;
};

static enum status package_open(const struct buffer *bytes, struct package *out)
{
    struct reader in, record;
    uint32_t crc;
    if (bytes->length < sizeof crc)
        return STATUS_MALFORMED;
    size_t length = bytes->length - sizeof crc;
    memcpy(&crc, bytes->data + length, sizeof crc);
    reader_init(&in, bytes->data, length);
    uint32_t record_bytes = reader_u32(&in);
    const void *record_data = reader_borrow(&in, record_bytes);
    if (!record_data || crc32c(0, bytes->data, length) != crc)
        return STATUS_MALFORMED;
    reader_init(&record, record_data, record_bytes);
    *out = (struct package){
        .version = reader_i64(&record), .rows = bytes->data + in.offset, .row_bytes = length - in.offset};
    out->stopped_ns = reader_i64(&record);
    out->first = reader_i64(&record);
    out->last = reader_i64(&record);
    uint64_t state_bytes = reader_u64(&record);
    reader_init(&out->state, reader_borrow(&record, state_bytes), state_bytes);
    uint64_t blob_bytes = reader_u64(&record);
    out->blobs.data = (uint8_t *)(uintptr_t)reader_borrow(&record, blob_bytes);
    out->blobs.length = blob_bytes;
    out->consumers = record;
    return record.failed ? STATUS_MALFORMED : STATUS_OK;
}

/* --- fetching --- */

static void hear(struct stage *stage, size_t symbol, char out_heard[HEARD_BYTES])
{
    out_heard[0] = 0;
    if (stage->service->symbol_heard)
        stage->service->symbol_heard(stage->state, symbol, out_heard);
}

/* has_heard_more: than the owner was told. */
static bool has_heard_more(struct stage *stage, size_t symbol)
{
    char heard[HEARD_BYTES];
    hear(stage, symbol, heard);
    return strcmp(heard, stage->hand_overs[symbol].arriving.heard) != 0;
}

static enum status expect(struct stage *stage, size_t symbol, int64_t version, struct error *error)
{
    return stage->service->symbol_expect ? stage->service->symbol_expect(stage->state, symbol, version, error)
                                         : STATUS_OK;
}

static void ask(struct stage *stage, size_t symbol)
{
    struct arriving *arriving = &stage->hand_overs[symbol].arriving;
    struct catch_up_request_row request = {.from = (int64_t)arriving->package.length + 1,
                                           .question = arriving->question};
    stage_package_stream(stage, symbol, request.stream);
    hear(stage, symbol, arriving->heard);
    memcpy(request.heard, arriving->heard, sizeof request.heard);
    stage_input_request(stage, stage->upstreams[arriving->upstream].connection, &request);
    arriving->asked_ms = clock_monotonic_ms(&stage->clock);
}

enum status stage_acquire(struct stage *stage, const struct plan_move *move, struct error *error)
{
    size_t symbol = stage_symbol_index(stage, move->symbol);
    if (!stage->plan || symbol == SIZE_MAX || strcmp(move->service, stage->service->name) != 0 ||
        strcmp(move->to, stage->instance) != 0 || !stage->service->symbol_load)
        return error_set(error, STATUS_INVALID, "%s/%s cannot become %s's", move->service, move->symbol,
                         stage->instance);
    struct arriving *arriving = &stage->hand_overs[symbol].arriving;
    if (stage_owns(stage, symbol) && move->version > stage->acquired_version)
        stage->acquired_version = move->version; /* in an earlier life */
    if (stage_owns(stage, symbol))
        return STATUS_OK;               /* said before */
    bool was_active = arriving->active; /* a newer move: the one before it is forgotten (release_redirect) */
    if (was_active && (arriving->complete || move->version <= arriving->version))
        return expect(stage, symbol, move->version, error);
    if (move->version <= stage->plan->version)
        return error_set(error, STATUS_CONFLICT, "version %lld of the plan is past",
                         (long long)move->version);
    enum status status =
        stage_upstream_open(stage, stage->service->name, move->from, &arriving->upstream, error);
    if (status == STATUS_OK)
        status = expect(stage, symbol, move->version, error);
    if (status != STATUS_OK)
        return status;
    arriving->active = true;
    arriving->version = move->version;
    arriving->question = 0;
    stage->moving += !was_active;
    buffer_finish(&arriving->package);
    buffer_init(&arriving->package, PACKAGE_BYTES_MAX);
    ask(stage, symbol);
    return STATUS_OK;
}

/* stage_arriving_forget: the plan gets a move's version when the symbol is here, so one that is not does not come by that move: its orchestrator died
 * without a record of it, or gave it up. A newer move that is under way stays. */
void stage_arriving_forget(struct stage *stage)
{
    int64_t version = stage->plan->version;
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct arriving *arriving = &stage->hand_overs[i].arriving;
        if (stage_owns(stage, i) || arriving->taken || (arriving->active && arriving->version > version))
            continue;
        if (arriving->active) {
            arriving->active = arriving->complete = false;
            buffer_finish(&arriving->package);
            stage->moving--;
        }
        if (stage->service->symbol_forget)
            stage->service->symbol_forget(stage->state, i, version);
    }
    stage->forgets = false;
}

static void begin_anew(struct stage *stage, size_t symbol, const char *reason)
{
    struct arriving *arriving = &stage->hand_overs[symbol].arriving;
    log_event(LOG_ERROR, "hand_over_refused", "symbol=%s reason=\"%s\"", stage->symbols[symbol], reason);
    buffer_clear(&arriving->package);
    arriving->complete = false; /* asked for again when the request is overdue */
}

void stage_package_answered(struct stage *stage, const struct catch_up_answer_row *answer, const void *body,
                            size_t bytes)
{
    size_t symbol = stage_symbol_index(stage, strrchr(answer->stream, '/') + 1);
    struct arriving *arriving = symbol == SIZE_MAX ? NULL : &stage->hand_overs[symbol].arriving;
    if (!arriving || !arriving->active || arriving->complete ||
        answer->from != (int64_t)arriving->package.length + 1)
        return;             /* to an earlier, repeated request */
    if (answer->question) { /* of an owner who would let go, if we hear the symbol still */
        arriving->question = answer->question;
        ask(stage, symbol);
        return;
    }
    if (*answer->error) {
        log_event(LOG_WARNING, "hand_over_waits", "symbol=%s reason=\"%s\"", stage->symbols[symbol],
                  answer->error);
        return;
    }
    if (bytes != (size_t)answer->row_count)
        return;
    buffer_append(&arriving->package, body, bytes);
    arriving->complete = (int64_t)arriving->package.length >= answer->last;
    if (arriving->package.overflowed)
        begin_anew(stage, symbol, "more bytes than a package may have");
    else if (!arriving->complete)
        ask(stage, symbol);
}

/* --- making it our own --- */

static void rows_append(struct stage *stage, size_t symbol, const struct package *package,
                        struct error *error)
{
    struct row_view row;
    size_t offset = 0, begin = 0;
    int64_t first = package->first, next = first;
    (void)error;
    while (rows_next(package->rows, package->row_bytes, &offset, &row) == STATUS_OK) {
        next++;
        if (offset - begin < STAGE_CHUNK_BYTES && next <= package->last)
            continue;
        journal_append(stage->journal, stage->outputs[symbol].journal_stream, first, (size_t)(next - first),
                       package->rows + begin, offset - begin);
        begin = offset;
        first = next;
    }
}

static bool rows_are_whole(const struct package *package)
{
    struct row_view row;
    size_t offset = 0;
    int64_t count = 0, wanted = package->last ? package->last - package->first + 1 : 0;
    while (rows_next(package->rows, package->row_bytes, &offset, &row) == STATUS_OK)
        count++;
    return count == wanted && offset == package->row_bytes;
}

static enum status consumers_take(struct stage *stage, size_t symbol, struct reader in)
{
    struct register_row entry;
    size_t count = reader_count(&in, sizeof entry.consumer + sizeof entry.durable_sequence);
    memcpy(entry.stream, stage->outputs[symbol].stream, sizeof entry.stream);
    stage_consumers_drop(stage, symbol);
    for (size_t i = 0; i < count; i++) {
        reader_take(&in, entry.consumer, sizeof entry.consumer);
        entry.consumer[sizeof entry.consumer - 1] = 0;
        entry.durable_sequence = reader_i64(&in);
        stage_consumer_note(stage, &entry);
    }
    return reader_done(&in);
}

/* symbol_take: into memory, once: what comes with it adds to our counts. */
static enum status symbol_take(struct stage *stage, size_t symbol, struct package *package,
                               struct error *error)
{
    if (stage_symbol_load(stage, symbol, &package->state) != STATUS_OK ||
        reader_done(&package->state) != STATUS_OK ||
        consumers_take(stage, symbol, package->consumers) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "what was handed over of %s cannot be read",
                         stage->symbols[symbol]);
    stage->hand_overs[symbol].arriving.taken = true;
    return STATUS_OK;
}

/* acquire_write: rows, state and what the sinks were given move in one transaction. */
static enum status acquire_write(struct stage *stage, size_t symbol, const struct package *package,
                                 struct error *error)
{
    char given[STREAM_BYTES], released[STREAM_BYTES];
    stage_record_key("given", stage->symbols[symbol], given);
    stage_record_key("released", stage->symbols[symbol], released);
    enum status status = journal_begin(stage->journal, error);
    if (status != STATUS_OK)
        return status;
    journal_forget(stage->journal, stage->outputs[symbol].journal_stream);
    rows_append(stage, symbol, package, error);
    journal_put(stage->journal, given, package->blobs.data, package->blobs.length);
    journal_put(stage->journal, released, "", 0);
    stage_state_put(stage);
    stage_consumers_save(stage);
    crash_point("before_acquire");
    status = journal_commit(stage->journal, error);
    if (status == STATUS_OK)
        stage_tables_settle(stage);
    crash_point("after_acquire");
    return status;
}

/* acquire_commit: STATUS_AGAIN: the disk did not take it; the symbol is not ours, and it is tried again with the next commit. Until
 * then no state may hold it, whose rows are not in the journal. */
static enum status acquire_commit(struct stage *stage, size_t symbol, const struct package *package,
                                  struct error *error)
{
    struct stage_turn before = stage_turn_begin(stage);
    atomic_store(&stage->owned[symbol], true);
    enum status status = acquire_write(stage, symbol, package, error);
    if (status == STATUS_OK)
        return status;
    atomic_store(&stage->owned[symbol], false);
    return stage_commit_refused(stage, &before, status, error);
}

static enum status acquire_finish(struct stage *stage, size_t symbol, const struct package *package,
                                  struct error *error)
{
    struct arriving *arriving = &stage->hand_overs[symbol].arriving;
    struct output *output = &stage->outputs[symbol];
    enum status status = STATUS_OK;
    memset(output->age_marks, 0, sizeof output->age_marks);
    stage->hand_overs[symbol].leaving.step = LEAVING_NOT;
    stage->acquired_version = package->version;
    for (size_t i = 0; status == STATUS_OK && i < stage->input_count; i++) {
        if (stage->inputs[i].public.symbol_index != symbol)
            continue;
        status = stage_input_attach(stage, &stage->inputs[i], error);
        if (status == STATUS_OK)
            stage_input_join(stage, &stage->inputs[i]);
    }
    log_event(LOG_INFO, "acquired", "symbol=%s version=%lld sequence=%lld rows=%lld pause_ms=%.1f",
              stage->symbols[symbol], (long long)package->version, (long long)package->last,
              (long long)package->last - package->first + 1,
              (double)(clock_wall_ns(&stage->clock) - package->stopped_ns) / 1e6);
    arriving->active = arriving->complete = arriving->taken = false;
    buffer_finish(&arriving->package);
    stage->moving--;
    stage_sinks_notify(stage);
    stage_beat(stage, true);
    return status;
}

enum status stage_acquire_turn(struct stage *stage, size_t symbol, struct error *error)
{
    struct arriving *arriving = &stage->hand_overs[symbol].arriving;
    struct package package;
    enum status status = STATUS_OK;
    if (!arriving->active)
        return STATUS_OK;
    if (!arriving->complete) {
        if (clock_monotonic_ms(&stage->clock) - arriving->asked_ms > STAGE_REQUEST_TIMEOUT_MS ||
            has_heard_more(stage, symbol))
            ask(stage, symbol);
        return STATUS_OK;
    }
    if (package_open(&arriving->package, &package) != STATUS_OK || !rows_are_whole(&package)) {
        begin_anew(stage, symbol, "damaged on its way");
        return STATUS_OK;
    }
    if (package.version <= stage->plan->version) {
        begin_anew(stage, symbol, "it is of an earlier move");
        return STATUS_OK;
    }
    if (!arriving->taken) {
        if (!stage_sinks_ask(stage, SINK_TAKE, symbol, &package.blobs, &status, error))
            return STATUS_OK;
        if (status == STATUS_OK)
            status = symbol_take(stage, symbol, &package, error);
    }
    if (status == STATUS_OK)
        status = acquire_commit(stage, symbol, &package, error);
    if (status == STATUS_AGAIN)
        return STATUS_OK;
    return status == STATUS_OK ? acquire_finish(stage, symbol, &package, error) : status;
}
