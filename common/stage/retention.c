#include "base/log.h"
#include "base/memory.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the journal may give back: rows that every registered consumer and every own sink holds durably, when they are
 * older than journal.max_age_s or the journal is more than half full. Consumers are journaled, so that a restarted stage knows
 * them before they speak again. What holds up more than three quarters of the limit, or rows older than the greatest age, is told
 * by name before anything else happens. At nine tenths the stage stops consuming until there is room; only a harvest that may not
 * keep its venue waiting (harvest.on_full: drop) lets go of rows that are still needed: only after the alert has left in a
 * heartbeat, and counted in the same transaction that takes them. */

static const char CONSUMERS_KEY[] = "consumers", LOSSES_KEY[] = "retention";

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
    stage->consumers_dirty = stage->consumer_added = true;
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

void stage_consumers_drop(struct stage *stage, size_t output)
{
    size_t kept = 0;
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output != output)
            stage->consumers[kept++] = stage->consumers[i];
    stage->consumers_dirty = stage->consumers_dirty || kept != stage->consumer_count;
    stage->consumer_count = kept;
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
    stage->consumers_dirty = stage->consumer_added = false;
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

/* dropped_of: of one stream, with what the open transaction drops. */
static int64_t dropped_of(const struct output *output)
{
    return output->dropped + (output->dropped_from ? output->first - output->dropped_from : 0);
}

static void losses_save(struct stage *stage)
{
    struct buffer record;
    uint64_t count = 0;
    for (size_t i = 0; i < stage->symbol_count; i++)
        count += dropped_of(&stage->outputs[i]) > 0;
    buffer_init(&record, 0);
    buffer_append_i64(&record, stage->counts.retention_dropped);
    buffer_append_i64(&record, stage->counts.retention_unread);
    buffer_append_u64(&record, count);
    for (size_t i = 0; i < stage->symbol_count; i++) {
        if (dropped_of(&stage->outputs[i]) == 0)
            continue;
        buffer_append(&record, stage->outputs[i].stream, STREAM_BYTES);
        buffer_append_i64(&record, dropped_of(&stage->outputs[i]));
    }
    journal_put(stage->journal, LOSSES_KEY, record.data, record.length);
    buffer_finish(&record);
}

static enum status losses_read(struct stage *stage, struct reader *in)
{
    stage->counts.retention_dropped = reader_i64(in);
    stage->counts.retention_unread = reader_i64(in);
    size_t count = reader_count(in, STREAM_BYTES + sizeof(int64_t));
    for (size_t i = 0; i < count; i++) {
        char stream[STREAM_BYTES];
        reader_take(in, stream, sizeof stream);
        stream[sizeof stream - 1] = 0;
        size_t output = output_index(stage, stream);
        int64_t dropped = reader_i64(in);
        if (output != SIZE_MAX)
            stage->outputs[output].dropped = dropped;
    }
    return reader_done(in);
}

enum status stage_retention_load(struct stage *stage, struct error *error)
{
    enum status status = stage_record_read(stage, CONSUMERS_KEY, consumers_read);
    stage->consumers_dirty = stage->consumer_added = false;
    if (status == STATUS_OK)
        status = stage_record_read(stage, LOSSES_KEY, losses_read);
    if (status == STATUS_OK)
        return status;
    return error_set(error, status,
                     "what the journal of %s says of its consumers cannot be read; remove it to begin anew",
                     stage->instance);
}

/* --- what may go --- */

/* is_awaited: its next owner has not fetched it yet; no row of it may go, lest his package cannot be made any more. */
static bool is_awaited(const struct stage *stage, size_t output)
{
    return !stage_owns(stage, output) && stage->hand_overs[output].leaving.step == LEAVING_RELEASED;
}

static bool anybody_reads(const struct stage *stage, size_t output)
{
    if (!stage_owns(stage, output))
        return false; /* what is left of it here is another instance's by now */
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == output)
            return true;
    return stage->sink_count > 0;
}

/* held_by_all: the newest row that every consumer and sink of an output holds durably, 0 when nobody is known. *out_name (may be
 * NULL): who holds least. */
static int64_t held_by_all(struct stage *stage, size_t output, const char **out_name)
{
    int64_t held = INT64_MAX;
    const char *name = "nobody";
    for (size_t i = 0; i < stage->sink_count; i++) {
        const struct sink *sink = stage->sinks[i].sink;
        int64_t position = sink->position(sink->context, stage->outputs[output].stream);
        if (position < held) {
            held = position;
            name = sink->name;
        }
    }
    for (size_t i = 0; i < stage->consumer_count; i++)
        if (stage->consumers[i].output == output && stage->consumers[i].durable_sequence < held) {
            held = stage->consumers[i].durable_sequence;
            name = stage->consumers[i].name;
        }
    if (out_name)
        *out_name = name;
    return held == INT64_MAX ? 0 : held;
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

/* trim: drops chunks before a row; `first` of the output goes along. */
static int64_t trim(struct stage *stage, struct output *output, int64_t before)
{
    int64_t dropped = journal_trim(stage->journal, output->journal_stream, before);
    output->first += dropped;
    return dropped;
}

static void give_back(struct stage *stage, bool short_of_room)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct output *output = &stage->outputs[i];
        int64_t held = held_by_all(stage, i, NULL);
        bool gone = !stage_owns(stage, i) && stage->hand_overs[i].leaving.step == LEAVING_NOT;
        output->first = journal_first(stage->journal, output->journal_stream);
        if (is_awaited(stage, i))
            continue;
        if (!short_of_room && output->age_marks[0] < held)
            held = output->age_marks[0];
        if (gone) /* another instance's by now */
            held = journal_last(stage->journal, output->journal_stream);
        if (held > 0)
            trim(stage, output, held + 1);
    }
}

/* --- telling --- */

static size_t limit_of(const struct stage *stage)
{
    return (size_t)config_i64(stage->config, "journal.max_mb") * 1024 * 1024;
}

double stage_journal_fill(const struct stage *stage)
{
    return (double)journal_bytes_used(stage->journal) / (double)limit_of(stage);
}

/* overdue: somebody needs rows of this stream that are older than the greatest age. */
static bool overdue(struct stage *stage, size_t output)
{
    return anybody_reads(stage, output) &&
           stage->outputs[output].age_marks[0] > held_by_all(stage, output, NULL);
}

static void tell_who_waits(struct stage *stage, size_t used)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        const struct output *output = &stage->outputs[i];
        const char *name;
        if (!stage_owns(stage, i) && !is_awaited(stage, i))
            continue;
        int64_t held = held_by_all(stage, i, &name),
                last = journal_last(stage->journal, output->journal_stream);
        if (is_awaited(stage, i)) {
            name = "hand-over";
            held = journal_first(stage->journal, output->journal_stream) - 1;
        }
        if (held < last)
            log_event(LOG_WARNING, "journal_pressure",
                      "stream=%s held_up_by=%s position=%lld rows=%lld used_kb=%zu limit_kb=%zu reason=%s",
                      output->stream, name, (long long)held, (long long)(last - held), used >> 10,
                      limit_of(stage) >> 10, overdue(stage, i) ? "age" : "size");
    }
}

/* raise_alert: once until it is over; a heartbeat takes it along at once. */
static void raise_alert(struct stage *stage, size_t used)
{
    bool pressed = used > limit_of(stage) / 4 * 3;
    for (size_t i = 0; i < stage->symbol_count; i++)
        pressed = pressed || overdue(stage, i);
    if (pressed && !stage->alert_told) {
        stage->alert_told = true;
        stage->counts.retention_alerts++;
        stage->beat_due_ms = 0;
        tell_who_waits(stage, used);
    } else if (!pressed && stage->alert_told && used <= limit_of(stage) / 2) {
        stage->alert_told = stage->alert_sent = false;
        log_event(LOG_INFO, "journal_relieved", "used_kb=%zu limit_kb=%zu", used >> 10,
                  limit_of(stage) >> 10);
    }
}

/* --- what must go --- */

static bool may_drop(const struct stage *stage)
{
    return stage->service->cannot_wait && strcmp(config_text(stage->config, "harvest.on_full"), "drop") == 0;
}

/* drop_oldest: an eighth of a stream, or as much more as it takes to drop anything: rows lie in chunks. */
static int64_t drop_oldest(struct stage *stage, struct output *output)
{
    int64_t first = output->first, last = journal_last(stage->journal, output->journal_stream), dropped = 0;
    for (int64_t share = 8; share >= 1 && !dropped; share /= 2)
        dropped = trim(stage, output, first + (last - first) / share + 1);
    return dropped;
}

/* drop_needed: counts what somebody did not hold yet, not what went with it in the same chunk. */
static void drop_needed(struct stage *stage, size_t index)
{
    struct output *output = &stage->outputs[index];
    const char *name;
    int64_t held = held_by_all(stage, index, &name), first = output->first;
    int64_t from = held >= first ? held + 1 : first;
    if (!drop_oldest(stage, output) || output->first <= from)
        return;
    stage->counts.retention_dropped += output->first - from;
    output->dropped_from = from;
    snprintf(output->needed_by, sizeof output->needed_by, "%s", name);
}

/* relieve: at nine tenths. Streams nobody has asked for give up their oldest rows; streams that are read only where the
 * venue cannot wait, and not before the alert is out; streams that are being handed over none. True when consuming must stop. */
static bool relieve(struct stage *stage)
{
    bool waits = false;
    for (size_t i = 0; i < stage->symbol_count; i++) {
        if (is_awaited(stage, i))
            waits = true;
        else if (!anybody_reads(stage, i))
            stage->counts.retention_unread += drop_oldest(stage, &stage->outputs[i]);
        else if (may_drop(stage) && stage->alert_sent)
            drop_needed(stage, i);
        else
            waits = true;
    }
    losses_save(stage);
    return waits;
}

int64_t stage_retention_due_ms(const struct stage *stage)
{
    bool at_once = stage->appended_bytes >= limit_of(stage) / STAGE_RETENTION_PARTS ||
                   (stage->full && stage->alert_sent && may_drop(stage));
    return at_once ? 0 : stage->retention_due_ms;
}

static bool retention_due(const struct stage *stage)
{
    return clock_monotonic_ms(&stage->clock) >= stage_retention_due_ms(stage);
}

bool stage_retention_urgent(struct stage *stage)
{
    if (!retention_due(stage))
        return false;
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    if (stage->full || stage->alert_told || now_ms >= stage->age_mark_due_ms ||
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
    note_age(stage, now_ms);
    give_back(stage, journal_bytes_used(stage->journal) > limit / 2);
    size_t used = journal_bytes_used(stage->journal); /* without what has just been given back */
    raise_alert(stage, used);
    stage->full = used > limit / 10 * 9 && relieve(stage);
}

void stage_retention_undone(struct stage *stage)
{
    for (size_t i = 0; stage->outputs && i < stage->symbol_count; i++)
        stage->outputs[i].dropped_from = 0;
}

void stage_retention_committed(struct stage *stage, bool was_full)
{
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct output *output = &stage->outputs[i];
        output->dropped = dropped_of(output);
        if (output->dropped_from)
            log_event(LOG_ERROR, "data_dropped",
                      "stream=%s from=%lld to=%lld rows=%lld needed_by=%s reason=journal_full",
                      output->stream, (long long)output->dropped_from, (long long)output->first - 1,
                      (long long)(output->first - output->dropped_from), output->needed_by);
    }
    stage_retention_undone(stage);
    if (stage->full != was_full)
        log_event(LOG_WARNING, stage->full ? "journal_full" : "journal_has_room", "used_kb=%zu limit_kb=%zu",
                  journal_bytes_used(stage->journal) >> 10, limit_of(stage) >> 10);
}
