#include "base/crash_point.h"
#include "base/hash.h"
#include "base/log.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <string.h>

/* The old owner's side of a hand-over (hand_over.c). What it leaves for the next one:
 *
 *     record    version | stopped (wall ns) | first, last row of `rows` | state of the symbol | what its sinks say | consumers
 *     package   u32 record bytes | record | rows | CRC-32C of all before
 *
 * The record is journaled in the transaction that gives the symbol up; the package is made of it and of the journal's rows,
 * as often as it is asked for, so that a death behind the commit changes nothing.
 *
 * A service whose next owner must hear the symbol first lets it go on the words of a life that is known to have lived just then
 * (docs/decisions/0035):
 *
 *     next owner, life 7                           old owner
 *     request: heard "open trade=5"           ──▶  it may leave: question 41
 *     request: heard "open trade=5", 41       ◀──
 *                                             ──▶  said behind the question, by the life that it was put to: it leaves */

enum {
    RELEASE_ROWS_MAX = 200000, /* rows its consumers still need: with more the hand-over waits */
    RELEASE_HEARD_MS =
        4 * STAGE_REQUEST_TIMEOUT_MS, /* a next owner that has been silent for longer is not there */
    RELEASE_QUESTION_MS =
        4 * STAGE_REQUEST_TIMEOUT_MS, /* what it said behind an older question may not be so any more */
    RELEASE_TELLS_MS = 2000, /* a service that takes longer to come to its end: what it waits for is told */
};

/* --- giving it up --- */

static int64_t last_row(const struct stage *stage, size_t symbol)
{
    return journal_last(stage->journal, stage->outputs[symbol].journal_stream);
}

/* first_needed: the oldest row that some consumer may ask for again; at least the newest row goes along, so that the stream
 * remembers how far it is. */
static int64_t first_needed(const struct stage *stage, size_t symbol)
{
    int64_t last = last_row(stage, symbol), needed = last;
    int64_t held = journal_first(stage->journal, stage->outputs[symbol].journal_stream);
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == symbol && stage->consumers[i].durable_sequence + 1 < needed)
            needed = stage->consumers[i].durable_sequence + 1;
    return needed > held ? needed : held;
}

static bool is_registered(const struct stage *stage, size_t symbol, const char *name)
{
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == symbol && strcmp(stage->consumers[i].name, name) == 0)
            return true;
    return false;
}

/* all_registered: of a reader that has not said yet how far it is nobody knows which rows it may ask for again. */
static enum status all_registered(const struct stage *stage, size_t symbol, const struct plan_move *move,
                                  struct error *error)
{
    char names[PLAN_READERS_BYTES], *rest = names;
    const char *name;
    memcpy(names, move->readers, sizeof names);
    while ((name = strsep(&rest, ",")))
        if (*name && !is_registered(stage, symbol, name))
            return error_set(error, STATUS_AGAIN, "%s has not said yet how far it is with %s", name,
                             stage->outputs[symbol].stream);
    return STATUS_OK;
}

/* release_stop: nothing of it is consumed any more. */
static void release_stop(struct stage *stage, size_t symbol)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    leaving->step = LEAVING_STOPPED;
    leaving->stopped_ns = clock_wall_ns(&stage->clock);
    for (size_t i = 0; i < stage->input_count; i++)
        if (stage->inputs[i].public.symbol_index == symbol)
            stage_input_detach(stage, &stage->inputs[i]);
    stage_sinks_hurry(stage, true);
}

static void next_is(struct next_owner *next, const char *instance)
{
    *next =
        (struct next_owner){.generation = 0}; /* what was said of an earlier move says nothing of this one */
    snprintf(next->instance, sizeof next->instance, "%.63s", instance);
}

static enum status release_begin(struct stage *stage, size_t symbol, const struct plan_move *move,
                                 struct error *error)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    int64_t needed = last_row(stage, symbol) - first_needed(stage, symbol);
    if (!stage->service->symbol_save || !stage_sinks_can_move(stage))
        return error_set(error, STATUS_UNSUPPORTED, "instances of %s cannot hand symbols over",
                         stage->service->name);
    if (stage->outputs[symbol].emitted < last_row(stage, symbol))
        return error_set(error, STATUS_AGAIN, "%s is still reading its input again", stage->instance);
    if (needed > RELEASE_ROWS_MAX)
        return error_set(error, STATUS_AGAIN,
                         "%lld rows of %s are still needed by its readers; at most %d can be handed over",
                         (long long)needed, stage->outputs[symbol].stream, RELEASE_ROWS_MAX);
    enum status status = all_registered(stage, symbol, move, error);
    if (status != STATUS_OK)
        return status;
    leaving->version = move->version;
    stage->moving++;
    leaving->asked_ms = clock_monotonic_ms(&stage->clock);
    leaving->waits_for = (struct error){{0}};
    next_is(&leaving->next, move->to);
    leaving->step = LEAVING_ASKED;
    if (!stage->service->symbol_leave)
        release_stop(stage, symbol);
    return STATUS_OK;
}

/* --- what the next owner hears --- */

/* next_speaks: a request of the next owner. What a dead life said and what is still on its way of it counts no more as soon as another one
 * has spoken. */
static void next_speaks(struct stage *stage, struct next_owner *next, const struct frame_header *header,
                        const struct catch_up_request_row *request)
{
    if (header->generation > next->generation)
        next->question = 0; /* put to a life that is over */
    next->generation = header->generation;
    memcpy(next->heard, request->heard, sizeof next->heard);
    next->heard_ms = clock_monotonic_ms(&stage->clock);
    next->has_answered = next->question && request->question == next->question;
    next->waits = true;
}

/* next_is_sure: it was alive, and heard what it said, less than RELEASE_QUESTION_MS ago, by our own clock: however long its words were on
 * their way. */
static bool next_is_sure(const struct stage *stage, const struct next_owner *next)
{
    return next->has_answered && clock_monotonic_ms(&stage->clock) - next->question_ms < RELEASE_QUESTION_MS;
}

/* next_ask: the question, again with each request that came before it. Its number is no earlier life's of ours. One that does not know
 * questions logs the sentence. */
static void next_ask(struct stage *stage, size_t symbol)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    struct next_owner *next = &leaving->next;
    int64_t now_ms = clock_monotonic_ms(&stage->clock), now_ns = clock_monotonic_ns(&stage->clock);
    if (!next->waits)
        return;
    if (!next->question || now_ms - next->question_ms >= RELEASE_QUESTION_MS) {
        next->question = now_ns > next->question ? now_ns : next->question + 1;
        next->question_ms = now_ms;
    }
    next->waits = next->has_answered = false;
    struct catch_up_answer_row answer = {
        .from = leaving->from, .oldest = 1, .error = "is it still heard?", .question = next->question};
    stage_package_stream(stage, symbol, answer.stream);
    stage_answer(stage, &leaving->peer, &catch_up_answer_message, &answer, NULL);
}

/* release_ask: of a service that has to come to its end by itself. */
static enum status release_ask(struct stage *stage, size_t symbol)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    const struct next_owner *next = &leaving->next;
    bool is_there = clock_monotonic_ms(&stage->clock) - next->heard_ms < RELEASE_HEARD_MS;
    enum status status = stage->service->symbol_may_leave(stage->state, symbol, is_there ? next->heard : "",
                                                          &leaving->waits_for);
    if (status == STATUS_OK && !next_is_sure(stage, next)) {
        error_set(&leaving->waits_for, STATUS_AGAIN, "%.63s has not said yet whether it hears it still",
                  next->instance);
        next_ask(stage, symbol);
        return STATUS_OK;
    }
    if (status == STATUS_OK || status == STATUS_END)
        status = stage->service->symbol_leave(stage->state, symbol, leaving->version, &leaving->waits_for);
    if (status == STATUS_OK)
        release_stop(stage, symbol);
    return status == STATUS_AGAIN ? STATUS_OK : status;
}

/* release_patience: what a move waits for that takes unusually long. */
static enum status release_patience(const struct stage *stage, const struct leaving *leaving,
                                    struct error *error)
{
    if (leaving->step != LEAVING_ASKED || !leaving->waits_for.text[0] ||
        clock_monotonic_ms(&stage->clock) - leaving->asked_ms < RELEASE_TELLS_MS)
        return STATUS_OK;
    return error_set(error, STATUS_AGAIN, "%.200s", leaving->waits_for.text);
}

/* release_redirect: it was asked for, or given up, for a move that nobody remembers: an orchestrator died that could write no record of
 * it. The next one counts on from the plan that it knows, and may want another instance; also the same one may have stopped listening
 * meanwhile (stage_arriving_forget). */
static void release_redirect(struct leaving *leaving, const struct plan_move *move)
{
    bool is_under_way = leaving->step == LEAVING_ASKED || leaving->step == LEAVING_RELEASED;
    if (!is_under_way || move->version < leaving->version)
        return;
    if (strcmp(leaving->next.instance, move->to) != 0 || move->version > leaving->version)
        next_is(&leaving->next, move->to);
    if (leaving->step == LEAVING_RELEASED && move->version > leaving->version) {
        memcpy(leaving->record.data, &move->version, sizeof move->version); /* its first field */
        buffer_finish(&leaving->package);
    }
    leaving->version = move->version;
}

enum status stage_release(struct stage *stage, const struct plan_move *move, struct error *error)
{
    size_t symbol = stage_symbol_index(stage, move->symbol);
    if (!stage->plan || symbol == SIZE_MAX || strcmp(move->service, stage->service->name) != 0 ||
        strcmp(move->from, stage->instance) != 0)
        return error_set(error, STATUS_INVALID, "%s/%s is not %s's to give", move->service, move->symbol,
                         stage->instance);
    release_redirect(&stage->hand_overs[symbol].leaving, move);
    if (move->version <= stage->plan->version || !stage_owns(stage, symbol) ||
        stage->hand_overs[symbol].leaving.step != LEAVING_NOT)
        return release_patience(stage, &stage->hand_overs[symbol].leaving, error); /* said before */
    return release_begin(stage, symbol, move, error);
}

/* has_stopped: everything consumed of it is journaled, and in the sinks. */
static bool has_stopped(struct stage *stage, size_t symbol)
{
    const struct output *output = &stage->outputs[symbol];
    if (output->chunk_count)
        return false;
    for (size_t i = 0; i < stage->sink_count; i++) {
        struct sink *sink = stage->sinks[i].sink;
        if (sink->position(sink->context, output->stream) < last_row(stage, symbol) ||
            (sink->unfinished && sink->unfinished(sink->context)))
            return false;
    }
    return true;
}

static void record_make(struct stage *stage, size_t symbol, const struct buffer *blobs, struct buffer *out)
{
    const struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    struct buffer state;
    size_t count = 0;
    buffer_init(&state, 0);
    stage_symbol_save(stage, symbol, &state);
    buffer_append_i64(out, leaving->version);
    buffer_append_i64(out, leaving->stopped_ns);
    buffer_append_i64(out, first_needed(stage, symbol));
    buffer_append_i64(out, last_row(stage, symbol));
    buffer_append_u64(out, state.length);
    buffer_append(out, state.data, state.length);
    buffer_append_u64(out, blobs->length);
    buffer_append(out, blobs->data, blobs->length);
    for (size_t i = 0; i < stage->consumer_count; i++)
        count += stage->consumers[i].output == symbol;
    buffer_append_u64(out, count);
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == symbol) {
            buffer_append(out, stage->consumers[i].name, sizeof stage->consumers[i].name);
            buffer_append_i64(out, stage->consumers[i].durable_sequence);
        }
    buffer_finish(&state);
}

/* counts_leave: the heartbeat's sums are of what is ours. */
static void counts_leave(struct stage *stage, size_t symbol)
{
    for (size_t i = 0; i < stage->input_count; i++)
        if (stage->inputs[i].public.symbol_index == symbol) {
            stage->counts.malformed_rows -= stage->inputs[i].malformed;
            stage->counts.rows_lost -= stage->inputs[i].lost;
        }
}

/* release_write: one transaction: the state without the symbol, and the record. */
static enum status release_write(struct stage *stage, size_t symbol, struct error *error)
{
    const struct buffer *record = &stage->hand_overs[symbol].leaving.record;
    char key[STREAM_BYTES];
    stage_record_key("released", stage->symbols[symbol], key);
    enum status status = journal_begin(stage->journal, error);
    if (status != STATUS_OK)
        return status;
    stage_state_put(stage);
    journal_put(stage->journal, key, record->data, record->length);
    crash_point("before_release");
    status = journal_commit(stage->journal, error);
    if (status == STATUS_OK)
        stage_tables_settle(stage);
    crash_point("after_release");
    return status;
}

/* release_commit: STATUS_AGAIN: the disk did not take it; everything is as before, and tried again with the next commit. */
static enum status release_commit(struct stage *stage, size_t symbol, const struct buffer *blobs,
                                  struct error *error)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    struct stage_turn before = stage_turn_begin(stage);
    buffer_clear(&leaving->record);
    buffer_finish(&leaving->package); /* of an earlier time that the symbol went */
    record_make(stage, symbol, blobs, &leaving->record);
    atomic_store(&stage->owned[symbol], false);
    enum status status = release_write(stage, symbol, error);
    if (status != STATUS_OK) {
        atomic_store(&stage->owned[symbol], true);
        return stage_commit_refused(stage, &before, status, error);
    }
    counts_leave(stage, symbol);
    if (stage->service->symbol_left)
        stage->service->symbol_left(stage->state, symbol);
    leaving->step = LEAVING_RELEASED;
    leaving->forget_sinks = true;
    log_event(LOG_INFO, "released", "symbol=%s version=%lld sequence=%lld", stage->symbols[symbol],
              (long long)leaving->version, (long long)last_row(stage, symbol));
    return STATUS_OK;
}

/* --- the package --- */

static enum status package_make(struct stage *stage, size_t symbol, struct error *error)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    struct reader in;
    enum status status = STATUS_OK;
    size_t stream = stage->outputs[symbol].journal_stream, count = 0;
    reader_init(&in, leaving->record.data, leaving->record.length);
    (void)reader_i64(&in), (void)reader_i64(&in);
    int64_t next = reader_i64(&in), last = reader_i64(&in);
    buffer_init(&leaving->package, PACKAGE_BYTES_MAX);
    buffer_append_u32(&leaving->package, (uint32_t)leaving->record.length);
    buffer_append(&leaving->package, leaving->record.data, leaving->record.length);
    for (; status == STATUS_OK && next > 0 && next <= last; next += (int64_t)count)
        status = journal_read(stage->journal, stream, next, STAGE_CHUNK_BYTES, (size_t)(last - next + 1),
                              &leaving->package, &count, error);
    if (status == STATUS_OK && leaving->package.overflowed)
        status = error_set(error, STATUS_LIMIT, "%s: more than %d bytes to hand over", stage->symbols[symbol],
                           PACKAGE_BYTES_MAX);
    buffer_append_u32(&leaving->package, crc32c(0, leaving->package.data, leaving->package.length));
    if (status != STATUS_OK)
        buffer_finish(&leaving->package);
    return status;
}

static void package_answer(struct stage *stage, size_t symbol)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    struct catch_up_answer_row answer = {.from = leaving->from, .oldest = 1};
    struct error error = {{0}};
    struct buffer piece;
    buffer_init(&piece, 0);
    stage_package_stream(stage, symbol, answer.stream);
    if (!leaving->package.length && package_make(stage, symbol, &error) != STATUS_OK)
        snprintf(answer.error, sizeof answer.error, "%.127s", error.text);
    int64_t left = (int64_t)leaving->package.length - (leaving->from - 1);
    answer.last = (int64_t)leaving->package.length;
    answer.row_count = left < 0 ? 0 : left < CATCH_UP_BYTES_MAX ? left : CATCH_UP_BYTES_MAX;
    if (answer.row_count)
        buffer_append(&piece, leaving->package.data + leaving->from - 1, (size_t)answer.row_count);
    leaving->asked = false;
    stage_answer(stage, &leaving->peer, &catch_up_answer_message, &answer, answer.row_count ? &piece : NULL);
    buffer_finish(&piece);
}

/* is_for_another: of one that was told of a forgotten move, and was never told that it is over: two would have the symbol. Behind a
 * restart nobody knows until the orchestrator says so again. */
static bool is_for_another(const struct leaving *leaving, const struct catch_up_request_row *request)
{
    return leaving->step != LEAVING_NOT && leaving->next.instance[0] &&
           strcmp(leaving->next.instance, request->consumer) != 0;
}

void stage_package_asked(struct stage *stage, const struct bus_peer_id *peer,
                         const struct frame_header *header, const struct catch_up_request_row *request)
{
    const char *slash = strrchr(request->stream, '/');
    size_t symbol = stage->hand_overs && stage->journal ? stage_symbol_index(stage, slash + 1) : SIZE_MAX;
    char stream[STREAM_BYTES] = "";
    struct catch_up_answer_row answer = {.from = request->from};
    if (symbol != SIZE_MAX)
        stage_package_stream(stage, symbol, stream);
    struct leaving *leaving = symbol != SIZE_MAX ? &stage->hand_overs[symbol].leaving : NULL;
    bool is_here = leaving && strcmp(stream, request->stream) == 0 &&
                   (leaving->step != LEAVING_NOT || stage_owns(stage, symbol));
    if (!is_here || is_for_another(leaving, request)) {
        memcpy(answer.stream, request->stream, sizeof answer.stream);
        snprintf(answer.error, sizeof answer.error, "%.60s is not being handed over from here%s",
                 request->stream, is_here ? " to you" : "");
        stage_answer(stage, peer, &catch_up_answer_message, &answer, NULL);
        return;
    }
    bool of_next = leaving->step == LEAVING_ASKED;
    if (of_next && header->generation < leaving->next.generation)
        return;            /* of a life that another one has followed */
    leaving->asked = true; /* answered as soon as it is ready */
    leaving->peer = *peer;
    leaving->from = request->from;
    if (of_next)
        next_speaks(stage, &leaving->next, header, request);
    if (leaving->step == LEAVING_RELEASED)
        package_answer(stage, symbol);
}

enum status stage_release_turn(struct stage *stage, size_t symbol, struct error *error)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    enum status status = STATUS_OK, of_sinks = STATUS_OK;
    struct buffer blobs;
    buffer_init(&blobs, 0);
    if (leaving->step == LEAVING_ASKED)
        status = release_ask(stage, symbol);
    if (status == STATUS_OK && leaving->step == LEAVING_STOPPED && has_stopped(stage, symbol) &&
        stage_sinks_ask(stage, SINK_GIVE, symbol, &blobs, &of_sinks, error)) {
        status = of_sinks == STATUS_OK ? release_commit(stage, symbol, &blobs, error) : of_sinks;
        if (status != STATUS_AGAIN)
            stage_sinks_hurry(stage, false);
        if (status == STATUS_OK && leaving->asked)
            package_answer(stage, symbol);
        if (status == STATUS_OK)
            stage_beat(stage, true);
    }
    if (status == STATUS_OK && leaving->forget_sinks &&
        stage_sinks_ask(stage, SINK_FORGET, symbol, &blobs, &status, error)) {
        leaving->forget_sinks = false;
        stage->moving--;
    }
    buffer_finish(&blobs);
    return status == STATUS_AGAIN ? STATUS_OK : status;
}
