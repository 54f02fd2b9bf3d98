#include "base/log.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <string.h>

/* The saved state: which symbols are ours, then symbol by symbol what they need to go on, then what belongs to none.
 *
 *     version | event time, own end | count | count × name | count × symbol record | the service's own
 *     symbol record: rows emitted, by kind | count × input: stream, position, counts | the service's symbol
 *
 * Its table, if the service has such, lies beside it in pages (table.c). A symbol's record, with the table before it, is also
 * what is handed over. */

enum { STATE_VERSION = 4 };
static const char STATE_KEY[] = "state";

static bool take_flag(struct reader *in)
{
    uint8_t flag = 0;
    reader_take(in, &flag, sizeof flag);
    return flag != 0;
}

/* --- one symbol --- */

static bool is_of(const struct input *input, size_t symbol)
{
    return input->public.symbol_index == symbol;
}

static void symbol_write(struct stage *stage, size_t symbol, struct buffer *out)
{
    const struct output *output = &stage->outputs[symbol];
    size_t count = 0;
    buffer_append_i64(out, output->emitted);
    buffer_append_byte(out, output->end_emitted);
    buffer_append(out, output->kinds, sizeof output->kinds);
    for (size_t i = 0; i < stage->input_count; i++)
        count += is_of(&stage->inputs[i], symbol);
    buffer_append_u64(out, count);
    for (size_t i = 0; i < stage->input_count; i++) {
        const struct input *input = &stage->inputs[i];
        if (!is_of(input, symbol))
            continue;
        buffer_append(out, input->stream, sizeof input->stream);
        buffer_append_i64(out, input->public.position);
        buffer_append_byte(out, input->public.ended);
        buffer_append_i64(out, input->consumed);
        buffer_append_i64(out, input->malformed);
        buffer_append_i64(out, input->lost);
    }
    if (stage->service->symbol_save)
        stage->service->symbol_save(stage->state, symbol, out);
}

void stage_symbol_save(struct stage *stage, size_t symbol, struct buffer *out)
{
    stage_table_save(stage, symbol, out);
    symbol_write(stage, symbol, out);
}

/* input_read: the heartbeat's sums go on from its counts. */
static void input_read(struct stage *stage, struct input *input, struct reader *in)
{
    char stream[STREAM_BYTES];
    reader_take(in, stream, sizeof stream);
    in->failed = in->failed || memcmp(stream, input->stream, sizeof stream) != 0;
    input->public.position = input->state_position = reader_i64(in);
    input->public.ended = take_flag(in);
    input->consumed = reader_i64(in);
    input->malformed = reader_i64(in);
    input->lost = reader_i64(in);
    stage->counts.malformed_rows += input->malformed;
    stage->counts.rows_lost += input->lost;
}

static enum status symbol_read(struct stage *stage, size_t symbol, struct reader *in)
{
    struct output *output = &stage->outputs[symbol];
    output->emitted = reader_i64(in);
    output->end_emitted = take_flag(in);
    reader_take(in, output->kinds, sizeof output->kinds);
    uint64_t count = reader_u64(in);
    for (size_t i = 0; i < stage->input_count; i++)
        if (is_of(&stage->inputs[i], symbol)) {
            input_read(stage, &stage->inputs[i], in);
            count--;
        }
    if (count || in->failed)
        return STATUS_MALFORMED;
    return stage->service->symbol_load ? stage->service->symbol_load(stage->state, symbol, in) : STATUS_OK;
}

enum status stage_symbol_load(struct stage *stage, size_t symbol, struct reader *in)
{
    stage_table_load(stage, symbol, in);
    return in->failed ? STATUS_MALFORMED : symbol_read(stage, symbol, in);
}

/* --- the whole --- */

static void head_write(const struct stage *stage, struct buffer *out)
{
    char name[SYMBOL_BYTES] = "";
    size_t count = 0;
    buffer_append_u32(out, STATE_VERSION);
    buffer_append_i64(out, stage->event_ts_ms);
    buffer_append_byte(out, stage->own_end);
    for (size_t i = 0; i < stage->symbol_count; i++)
        count += stage_owns(stage, i);
    buffer_append_u64(out, count);
    for (size_t i = 0; i < stage->symbol_count; i++) {
        if (!stage_owns(stage, i))
            continue;
        snprintf(name, sizeof name, "%s", stage->symbols[i]);
        buffer_append(out, name, sizeof name);
    }
}

void stage_state_put(struct stage *stage)
{
    struct buffer *out = &stage->scratch;
    buffer_clear(out);
    head_write(stage, out);
    for (size_t i = 0; i < stage->symbol_count; i++)
        if (stage_owns(stage, i))
            symbol_write(stage, i, out);
    if (stage->service->save)
        stage->service->save(stage->state, out);
    journal_put(stage->journal, STATE_KEY, out->data, out->length);
    stage_tables_put(stage);
}

/* head_read: marks the symbols it names as owned. */
static enum status head_read(struct stage *stage, struct reader *in)
{
    char name[SYMBOL_BYTES];
    if (reader_u32(in) != STATE_VERSION)
        return STATUS_MALFORMED;
    stage->event_ts_ms = reader_i64(in);
    stage->own_end = take_flag(in);
    size_t count = reader_count(in, sizeof name);
    for (size_t i = 0; i < stage->symbol_count; i++)
        atomic_store(&stage->owned[i], false);
    for (size_t i = 0; i < count && !in->failed; i++) {
        reader_take(in, name, sizeof name);
        name[sizeof name - 1] = 0;
        size_t symbol = stage_symbol_index(stage, name);
        if (symbol == SIZE_MAX)
            return STATUS_MALFORMED;
        atomic_store(&stage->owned[symbol], true);
    }
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}

static enum status state_read(struct stage *stage, struct reader *in)
{
    enum status status = head_read(stage, in);
    for (size_t i = 0; status == STATUS_OK && i < stage->symbol_count; i++)
        if (stage_owns(stage, i)) {
            status = stage_table_read(stage, i);
            if (status == STATUS_OK)
                status = symbol_read(stage, i, in);
        }
    if (status == STATUS_OK && stage->service->load)
        status = stage->service->load(stage->state, in);
    return status;
}

enum status stage_record_read(struct stage *stage, const char *key, stage_record_reader *read)
{
    struct buffer bytes;
    struct reader reader;
    buffer_init(&bytes, 0);
    enum status status = journal_get(stage->journal, key, &bytes);
    if (status == STATUS_OK) {
        reader_init(&reader, bytes.data, bytes.length);
        status = read(stage, &reader);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    buffer_finish(&bytes);
    return status;
}

/* with_state: what the journal holds, read by a function; STATUS_OK also when it died before its first state: from the beginning. */
static enum status with_state(struct stage *stage, stage_record_reader *read, struct error *error)
{
    enum status status = stage_record_read(stage, STATE_KEY, read);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status,
                           "the saved state of %s cannot be read; remove its journal to begin anew",
                           stage->instance);
}

enum status stage_state_owned(struct stage *stage, struct error *error)
{
    return stage->journal ? with_state(stage, head_read, error) : STATUS_OK;
}

bool stage_state_is_behind(const struct stage *stage)
{
    for (size_t i = 0; i < stage->symbol_count; i++)
        if (stage_owns(stage, i) &&
            stage->outputs[i].emitted < journal_last(stage->journal, stage->outputs[i].journal_stream))
            return true;
    return false;
}

/* check_not_ahead: rows between the journal's end and the state would never be made again. */
static enum status check_not_ahead(const struct stage *stage, struct error *error)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        const struct output *output = &stage->outputs[i];
        int64_t journaled = journal_last(stage->journal, output->journal_stream);
        if (stage_owns(stage, i) && output->emitted > journaled)
            return error_set(
                error, STATUS_MALFORMED,
                "the saved state of %s is at row %lld of %s, but its journal ends at %lld; remove its "
                "journal to begin anew",
                stage->instance, (long long)output->emitted, output->stream, (long long)journaled);
    }
    return STATUS_OK;
}

enum status stage_state_load(struct stage *stage, bool warm, struct error *error)
{
    if (!stage->journal)
        return STATUS_OK;
    enum status status = with_state(stage, state_read, error);
    if (status == STATUS_OK)
        status = check_not_ahead(stage, error);
    if (status == STATUS_OK)
        status = stage_retention_load(stage, error);
    stage->rereading = status == STATUS_OK && stage_state_is_behind(stage);
    for (size_t i = 0; status == STATUS_OK && i < stage->symbol_count; i++)
        if (stage_owns(stage, i))
            log_event(LOG_INFO, "recovered", "stream=%s warm=%d state_at=%lld journaled=%lld",
                      stage->outputs[i].stream, warm, (long long)stage->outputs[i].emitted,
                      (long long)journal_last(stage->journal, stage->outputs[i].journal_stream));
    return status;
}
