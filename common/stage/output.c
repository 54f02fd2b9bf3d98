#include "base/crash_point.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "proto/control.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The map is larger than what the stage lets the rows grow to: copied pages, the turn that finds it full, and of every symbol the
 * largest table that the configuration allows, what is packed of it to be handed over, and a copy fit. It costs addresses only. */
enum { MAP_RESERVE_BYTES = 64 * 1024 * 1024, MAP_SYMBOL_BYTES = 8 * 1024 * 1024 };

enum status stage_outputs_open(struct stage *stage, struct error *error)
{
    if (!stage->service->publishes)
        return STATUS_OK;
    char folder[PATH_BYTES];
    path_join(folder, config_text(stage->config, "run.state_dir"), "journal/%s", stage->instance);
    struct journal_config config = {
        .folder = folder,
        .run_id = stage->run_id,
        .config_fingerprint = stage->fingerprint,
        .max_bytes = (size_t)config_i64(stage->config, "journal.max_mb") * 1024 * 1024 / 4 * 5 +
                     MAP_RESERVE_BYTES + stage->symbol_count * MAP_SYMBOL_BYTES,
        .sync = strcmp(config_text(stage->config, "journal.durability"), "power") == 0,
    };
    enum journal_beginning beginning;
    enum status status = journal_open(&config, &stage->journal, &beginning, error);
    if (status != STATUS_OK)
        return status;
    if (beginning == JOURNAL_SET_ASIDE)
        log_event(LOG_WARNING, "journal_set_aside",
                  "folder=%s.aside reason=\"another run, configuration or boot\"", folder);
    stage->outputs = memory_allocate(stage->symbol_count * sizeof *stage->outputs);
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct output *output = &stage->outputs[i];
        snprintf(output->stream, sizeof output->stream, "%s/%s", stage->service->name, stage->symbols[i]);
        output->journal_stream = journal_stream(stage->journal, output->stream);
        buffer_init(&output->rows, 0);
    }
    return STATUS_OK;
}

/* --- emit --- */

/* note_emitted: what heartbeats tell of the newest row. */
static void note_emitted(struct stage *stage, struct output *output, const struct message *message,
                         const void *row)
{
    const struct field *time = stage->time_fields[message->kind];
    int64_t ts_ms = time ? field_as_i64(time, row) : FIELD_NULL_I64;
    if (ts_ms > stage->event_ts_ms)
        stage->event_ts_ms = ts_ms;
    if (message->kind == ROW_CONTROL && ((const struct control_row *)row)->action == CONTROL_END_OF_STREAM)
        output->end_emitted = true;
    if (stage->service->pull)
        stage->progress++;
}

void stage_emit(struct stage *stage, size_t symbol_index, const struct message *message, const void *row)
{
    struct output *output = &stage->outputs[symbol_index];
    struct output_chunk *chunk = output->chunk_count ? &output->chunks[output->chunk_count - 1] : NULL;
    if (!chunk || chunk->bytes >= STAGE_CHUNK_BYTES) {
        output->chunks = memory_grow(output->chunks, &output->chunk_capacity, output->chunk_count + 1,
                                     sizeof *output->chunks);
        chunk = &output->chunks[output->chunk_count++];
        *chunk = (struct output_chunk){.first_sequence = output->emitted + 1, .offset = output->rows.length};
    }
    size_t before = output->rows.length;
    row_encode(&output->rows, message, message_fields_in_use(message, stage->levels), row);
    chunk->bytes += output->rows.length - before;
    chunk->row_count++;
    output->emitted++;
    output->kinds[message->kind]++;
    stage->pending_bytes += output->rows.length - before;
    stage->counts.rows_emitted++;
    note_emitted(stage, output, message, row);
    if (stage->options.print_rows)
        stage_replay_print(stage, symbol_index, message, row);
}

int64_t stage_emitted(const struct stage *stage, size_t symbol_index)
{
    return stage->outputs[symbol_index].emitted;
}

/* --- compare: rows that were journaled before the crash must come out again byte for byte --- */

static void show_row(const char *which, const struct row_view *view)
{
    const struct message *message = message_of_kind(view->kind);
    struct buffer text;
    struct json json;
    buffer_init(&text, 65536);
    json_init(&json, &text);
    void *row = message ? memory_allocate(message->row_bytes) : NULL;
    if (message && row_decode(view, message, row, NULL) == STATUS_OK)
        message_json(&json, message, message->field_count, row, true);
    log_event(LOG_ERROR, "row_differs", "which=%s kind=%d row=%s", which, view->kind, buffer_text(&text));
    free(row);
    buffer_finish(&text);
}

static enum status differs(struct stage *stage, const struct output *output, int64_t sequence,
                           const struct row_view *journaled, const struct row_view *again,
                           struct error *error)
{
    show_row("journaled", journaled);
    show_row("again", again);
    return error_set(
        error, STATUS_CONFLICT,
        "stream %s: row %lld came out differently after a restart; both are in the log. This is a bug: "
        "keep %s and its capture",
        output->stream, (long long)sequence, stage->instance);
}

/* compare_rows: `count` journaled rows from the chunk's first on against the chunk. */
static enum status compare_rows(struct stage *stage, const struct output *output,
                                const struct output_chunk *chunk, size_t count, struct error *error)
{
    int64_t held = journal_first(stage->journal, output->journal_stream);
    size_t done = 0, offset = 0, got;
    const uint8_t *rows = output->rows.data + chunk->offset;
    struct row_view again = {0}, journaled = {0};
    while (done < count) {
        int64_t sequence = chunk->first_sequence + (int64_t)done;
        if (sequence < held) { /* retention took it: nothing to compare with */
            if (rows_next(rows, chunk->bytes, &offset, &again) != STATUS_OK)
                return error_set(error, STATUS_MALFORMED, "own rows are damaged");
            done++;
            continue;
        }
        buffer_clear(&stage->scratch);
        enum status status = journal_read(stage->journal, output->journal_stream, sequence, STAGE_CHUNK_BYTES,
                                          count - done, &stage->scratch, &got, error);
        if (status != STATUS_OK || !got)
            return status != STATUS_OK ? status
                                       : error_set(error, STATUS_MALFORMED, "journal lacks row %lld of %s",
                                                   (long long)sequence, output->stream);
        for (size_t i = 0, at = 0; i < got; i++, done++) {
            if (rows_next(rows, chunk->bytes, &offset, &again) != STATUS_OK ||
                rows_next(stage->scratch.data, stage->scratch.length, &at, &journaled) != STATUS_OK)
                return error_set(error, STATUS_MALFORMED, "rows of %s are damaged", output->stream);
            if (again.bytes != journaled.bytes || memcmp(again.data, journaled.data, again.bytes) != 0)
                return differs(stage, output, chunk->first_sequence + (int64_t)done, &journaled, &again,
                               error);
            stage->counts.rows_compared++;
        }
    }
    return STATUS_OK;
}

/* chunk_skip: takes the first `count` rows off a chunk. */
static void chunk_skip(const struct output *output, struct output_chunk *chunk, size_t count)
{
    size_t offset = 0;
    struct row_view row;
    for (size_t i = 0; i < count; i++)
        if (rows_next(output->rows.data + chunk->offset, chunk->bytes, &offset, &row) != STATUS_OK)
            return;
    chunk->first_sequence += (int64_t)count;
    chunk->row_count -= count;
    chunk->offset += offset;
    chunk->bytes -= offset;
}

static enum status compare_output(struct stage *stage, struct output *output, struct error *error)
{
    int64_t journaled = journal_last(stage->journal, output->journal_stream);
    for (size_t i = 0; i < output->chunk_count; i++) {
        struct output_chunk *chunk = &output->chunks[i];
        if (chunk->first_sequence > journaled)
            break;
        int64_t known = journaled - chunk->first_sequence + 1;
        size_t count = (size_t)known < chunk->row_count ? (size_t)known : chunk->row_count;
        enum status status = compare_rows(stage, output, chunk, count, error);
        if (status != STATUS_OK)
            return status;
        chunk_skip(output, chunk, count);
    }
    return STATUS_OK;
}

/* --- commit and publish --- */

static void note_rereading(struct stage *stage)
{
    if (!stage->rereading || stage_state_is_behind(stage))
        return;
    stage->rereading = false;
    log_event(LOG_INFO, "reread", "input_rows=%lld compared=%lld", (long long)stage->counts.rows_reread,
              (long long)stage->counts.rows_compared);
}

static void publish_rows(struct stage *stage, const struct output *output, int64_t first_sequence,
                         size_t row_count, const uint8_t *rows, size_t bytes)
{
    struct frame_header header = {
        .generation = stage->options.generation,
        .first_sequence = first_sequence,
        .publish_ns = clock_wall_ns(&stage->clock),
        .row_count = row_count,
    };
    memcpy(header.run_id, stage->run_id, sizeof header.run_id);
    memcpy(header.instance, stage->instance, sizeof header.instance);
    buffer_clear(&stage->frame_scratch);
    frame_encode(&stage->frame_scratch, &header, rows, bytes);
    bus_publish(stage->bus, output->stream, stage->frame_scratch.data, stage->frame_scratch.length);
}

/* publish_recut: a test's way to show that frame boundaries mean nothing: the rows leave in pieces of random size. */
static void publish_recut(struct stage *stage, const struct output *output, const struct output_chunk *chunk,
                          int64_t seed)
{
    struct random random;
    random_seed(&random, (uint64_t)seed ^ (uint64_t)chunk->first_sequence);
    const uint8_t *rows = output->rows.data + chunk->offset;
    size_t offset = 0, begin = 0, from = 0;
    for (size_t i = 0; i < chunk->row_count; i++) {
        struct row_view row;
        if (rows_next(rows, chunk->bytes, &offset, &row) != STATUS_OK)
            return;
        if (i + 1 == chunk->row_count || random_below(&random, 3) == 0) {
            publish_rows(stage, output, chunk->first_sequence + (int64_t)from, i + 1 - from, rows + begin,
                         offset - begin);
            begin = offset;
            from = i + 1;
        }
    }
}

static void publish_output(struct stage *stage, struct output *output)
{
    int64_t recut_seed = config_i64(stage->config, "bus.recut_seed");
    for (size_t i = 0; i < output->chunk_count; i++) {
        const struct output_chunk *chunk = &output->chunks[i];
        if (chunk->row_count && recut_seed)
            publish_recut(stage, output, chunk, recut_seed);
        else if (chunk->row_count)
            publish_rows(stage, output, chunk->first_sequence, chunk->row_count,
                         output->rows.data + chunk->offset, chunk->bytes);
    }
    buffer_clear(&output->rows);
    output->chunk_count = 0;
}

int64_t stage_state_due_ms(const struct stage *stage)
{
    bool changed = stage->state_dirty || stage->pending_bytes || stage->consumers_dirty;
    return changed ? stage->state_saved_ms + config_i64(stage->config, "journal.state_interval_ms")
                   : INT64_MAX;
}

static bool state_due(const struct stage *stage, bool force)
{
    int64_t due_ms = stage_state_due_ms(stage);
    return due_ms != INT64_MAX && (force || clock_monotonic_ms(&stage->clock) >= due_ms);
}

static void state_saved(struct stage *stage)
{
    stage->state_saved_ms = clock_monotonic_ms(&stage->clock);
    stage->state_dirty = stage->loss_unsaved = false;
    for (size_t i = 0; i < stage->input_count; i++)
        stage->inputs[i].state_position = stage->inputs[i].public.position;
}

/* note_committed: everything consumed so far has its rows in the journal; only now may that be told. */
static void note_committed(struct stage *stage)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct output *output = &stage->outputs[i];
        int64_t consumed = stage_source_consumed(stage, i);
        output->source =
            consumed == INT64_MAX ? output->emitted : consumed; /* harvest is the source of all */
        output->ended = stage->own_end || output->end_emitted;
    }
}

static void append_outputs(struct stage *stage)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        const struct output *output = &stage->outputs[i];
        for (size_t k = 0; k < output->chunk_count; k++) {
            const struct output_chunk *chunk = &output->chunks[k];
            if (chunk->row_count)
                journal_append(stage->journal, output->journal_stream, chunk->first_sequence,
                               chunk->row_count, output->rows.data + chunk->offset, chunk->bytes);
        }
    }
}

/* commit_turn: rows, state and what retention gives back, in one transaction. */
static enum status commit_turn(struct stage *stage, bool save, struct error *error)
{
    struct stage_turn before = stage_turn_begin(stage);
    enum status status = journal_begin(stage->journal, error);
    if (status != STATUS_OK)
        return stage_commit_refused(stage, &before, status, error);
    append_outputs(stage);
    if (save) {
        stage_state_put(stage);
        stage_consumers_save(stage);
    }
    stage_retain(stage);
    crash_point("before_commit");
    status = journal_commit(stage->journal, error);
    if (status != STATUS_OK)
        return stage_commit_refused(stage, &before, status, error);
    crash_point("after_commit");
    stage->unwritten = false;
    stage_retention_committed(stage, before.full);
    if (save) {
        state_saved(stage);
        stage_tables_settle(stage);
    }
    stage->counts.commits++;
    note_rereading(stage);
    return STATUS_OK;
}

enum status stage_commit(struct stage *stage, bool force_state, struct error *error)
{
    enum status status = STATUS_OK;
    if (!stage->journal || stage_commit_waits(stage))
        return STATUS_OK;
    bool save = state_due(stage, force_state || stage->consumer_added);
    if (save || stage->unwritten || stage->pending_bytes || stage_retention_urgent(stage)) {
        for (size_t i = 0; status == STATUS_OK && i < stage->symbol_count; i++)
            if (stage->outputs[i].chunk_count)
                status = compare_output(stage, &stage->outputs[i], error);
        if (status == STATUS_OK)
            status = commit_turn(stage, save, error);
        if (status == STATUS_AGAIN)
            return STATUS_OK;
        if (status != STATUS_OK)
            return status;
        stage->appended_bytes += stage->pending_bytes;
        stage->pending_bytes = 0;
        for (size_t i = 0; i < stage->symbol_count; i++)
            if (stage->outputs[i].chunk_count)
                publish_output(stage, &stage->outputs[i]);
        stage_sinks_notify(stage);
    }
    note_committed(stage);
    return STATUS_OK;
}
