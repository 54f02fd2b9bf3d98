#include "base/log.h"
#include "base/memory.h"
#include "stage/stage_private.h"

#include <stdlib.h>
#include <string.h>

/* What the journal may give back: rows that every registered consumer and every own sink holds durably, when they are
 * older than journal.max_age_s or the journal is more than half full. Consumers are journaled with the state, so that a
 * restarted stage knows them before they speak again. At nine tenths the stage stops consuming until there is room; only
 * a harvest that may not keep its venue waiting (harvest.on_full: drop) lets go of rows that are still needed, counted. */

static const char CONSUMERS_KEY[] = "consumers";

/* --- consumers --- */

static struct consumer *consumer_of(struct stage *stage, const char *name, size_t output)
{
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == output && strcmp(stage->consumers[i].name, name) == 0)
            return &stage->consumers[i];
    if (stage->consumer_count == STAGE_CONSUMERS_MAX * stage->symbol_count) {
        log_event(LOG_ERROR, "consumer_refused", "name=%s limit=%d", name, STAGE_CONSUMERS_MAX);
        return NULL;
    }
    stage->consumers = memory_grow(stage->consumers, &stage->consumer_capacity, stage->consumer_count + 1,
                                   sizeof *stage->consumers);
    struct consumer *added = &stage->consumers[stage->consumer_count++];
    *added = (struct consumer){.output = output};
    stage->consumers_dirty = true;
    memcpy(added->name, name, strlen(name) + 1);
    return added;
}

static size_t output_index(const struct stage *stage, const char *stream)
{
    size_t i = 0;
    while (stage->outputs && i < stage->symbol_count && strcmp(stage->outputs[i].stream, stream) != 0)
        i++;
    return stage->outputs && i < stage->symbol_count ? i : SIZE_MAX;
}

void stage_consumer_note(struct stage *stage, const struct register_row *entry)
{
    size_t output = output_index(stage, entry->stream);
    struct consumer *consumer = NULL;
    if (output != SIZE_MAX && entry->durable_sequence >= 0)
        consumer = consumer_of(stage, entry->consumer, output);
    if (!consumer) {
        stage->counts.malformed_requests++;
        return;
    }
    stage->consumers_dirty = stage->consumers_dirty || consumer->durable_sequence != entry->durable_sequence;
    consumer->durable_sequence = entry->durable_sequence;
}

void stage_consumers_save(struct stage *stage)
{
    if (!stage->consumers_dirty)
        return;
    struct buffer record;
    buffer_init(&record, 0);
    buffer_append_u64(&record, stage->consumer_count);
    for (size_t i = 0; i < stage->consumer_count; i++) {
        const struct consumer *consumer = &stage->consumers[i];
        buffer_append(&record, consumer->name, sizeof consumer->name);
        buffer_append(&record, stage->outputs[consumer->output].stream, STREAM_BYTES);
        buffer_append_i64(&record, consumer->durable_sequence);
    }
    journal_put(stage->journal, CONSUMERS_KEY, record.data, record.length);
    buffer_finish(&record);
    stage->consumers_dirty = false;
}

static enum status consumers_read(struct stage *stage, struct reader *in)
{
    struct register_row entry;
    size_t count =
        reader_count(in, sizeof entry.consumer + sizeof entry.stream + sizeof entry.durable_sequence);
    for (size_t i = 0; i < count; i++) {
        reader_take(in, entry.consumer, sizeof entry.consumer);
        reader_take(in, entry.stream, sizeof entry.stream);
        entry.durable_sequence = reader_i64(in);
        entry.consumer[sizeof entry.consumer - 1] = entry.stream[sizeof entry.stream - 1] = 0;
        stage_consumer_note(stage, &entry);
    }
    return reader_done(in);
}

enum status stage_consumers_load(struct stage *stage, struct error *error)
{
    struct buffer record;
    struct reader reader;
    buffer_init(&record, 0);
    enum status status = journal_get(stage->journal, CONSUMERS_KEY, &record);
    if (status == STATUS_OK) {
        reader_init(&reader, record.data, record.length);
        status = consumers_read(stage, &reader);
    }
    buffer_finish(&record);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return STATUS_OK;
    return error_set(error, status,
                     "the consumers noted in the journal of %s cannot be read; remove it to begin anew",
                     stage->instance);
}

/* --- what may go --- */

static bool anybody_reads(const struct stage *stage, size_t output)
{
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == output)
            return true;
    return stage->sink_count > 0;
}

/* held_by_all: the newest row that every consumer and sink of an output holds durably, 0 when nobody is known. */
static int64_t held_by_all(struct stage *stage, size_t output)
{
    int64_t durable = stage_sinks_durable(stage, stage->outputs[output].stream);
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == output && stage->consumers[i].durable_sequence < durable)
            durable = stage->consumers[i].durable_sequence;
    return durable == INT64_MAX ? 0 : durable;
}

/* note_age: the newest rows at points in time an eighth of the greatest age apart; the oldest note is that age old. */
static void note_age(struct stage *stage, int64_t now_ms)
{
    int64_t step_ms = config_i64(stage->config, "journal.max_age_s") * 1000 / STAGE_AGE_MARKS;
    if (now_ms < stage->age_mark_due_ms)
        return;
    stage->age_mark_due_ms = now_ms + (step_ms > STAGE_RETENTION_MS ? step_ms : STAGE_RETENTION_MS);
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct output *output = &stage->outputs[i];
        memmove(output->age_marks, output->age_marks + 1,
                sizeof output->age_marks - sizeof output->age_marks[0]);
        output->age_marks[STAGE_AGE_MARKS - 1] = journal_last(stage->journal, output->journal_stream);
    }
}

static void give_back(struct stage *stage, bool short_of_room)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        const struct output *output = &stage->outputs[i];
        int64_t held = held_by_all(stage, i);
        if (!short_of_room && output->age_marks[0] < held)
            held = output->age_marks[0];
        if (held > 0)
            journal_trim(stage->journal, output->journal_stream, held + 1);
    }
}

static bool may_drop(const struct stage *stage)
{
    return strcmp(stage->service->name, "harvest") == 0 &&
           strcmp(config_text(stage->config, "harvest.on_full"), "drop") == 0;
}

/* drop_oldest: an eighth of a stream. */
static int64_t drop_oldest(struct stage *stage, const struct output *output)
{
    int64_t first = journal_first(stage->journal, output->journal_stream);
    int64_t last = journal_last(stage->journal, output->journal_stream);
    return journal_trim(stage->journal, output->journal_stream, first + (last - first) / 8 + 1);
}

/* relieve: at nine tenths. Streams nobody has asked for give up their oldest rows; streams that are read only where the
 * venue cannot wait. True when consuming must stop. */
static bool relieve(struct stage *stage)
{
    bool waits = false;
    for (size_t i = 0; i < stage->symbol_count; i++) {
        const struct output *output = &stage->outputs[i];
        bool needed = anybody_reads(stage, i);
        if (needed && !may_drop(stage)) {
            waits = true;
            continue;
        }
        int64_t first = journal_first(stage->journal, output->journal_stream);
        int64_t dropped = drop_oldest(stage, output);
        if (!needed || !dropped)
            continue;
        stage->counts.retention_dropped += dropped;
        log_event(LOG_ERROR, "data_dropped", "stream=%s from=%lld rows=%lld reason=journal_full",
                  output->stream, (long long)first, (long long)dropped);
    }
    return waits;
}

static size_t limit_of(const struct stage *stage)
{
    return (size_t)config_i64(stage->config, "journal.max_mb") * 1024 * 1024;
}

static bool retention_due(const struct stage *stage)
{
    return stage->appended_bytes >= limit_of(stage) / STAGE_RETENTION_PARTS ||
           clock_monotonic_ms(&stage->clock) >= stage->retention_due_ms;
}

bool stage_retention_urgent(struct stage *stage)
{
    if (!retention_due(stage))
        return false;
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    if (stage->full || now_ms >= stage->age_mark_due_ms ||
        journal_bytes_used(stage->journal) > limit_of(stage) / 2)
        return true;
    stage->retention_due_ms = now_ms + STAGE_RETENTION_MS;
    return false;
}

void stage_retain(struct stage *stage)
{
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    if (!retention_due(stage))
        return;
    stage->retention_due_ms = now_ms + STAGE_RETENTION_MS;
    stage->appended_bytes = 0;
    size_t limit = limit_of(stage);
    size_t used = journal_bytes_used(stage->journal);
    bool full = used > limit / 10 * 9;
    note_age(stage, now_ms);
    give_back(stage, used > limit / 2);
    full = full && relieve(stage);
    if (full != stage->full)
        log_event(LOG_WARNING, full ? "journal_full" : "journal_has_room", "used_mb=%zu limit_mb=%zu",
                  used >> 20, limit >> 20);
    stage->full = full;
}
