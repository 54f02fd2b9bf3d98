/* Invariants: waiting ids are ascending, distinct and > last_id; runs are ascending and disjoint; no release
 * is pending between two calls. */
#include "ordering.h"

#include "base/clock.h"
#include "base/memory.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>

void ordering_init(struct ordering *ordering, const struct ordering_config *config, ordering_visit *visit,
                   void *context)
{
    *ordering = (struct ordering){.config = *config, .visit = visit, .context = context};
}

void ordering_finish(struct ordering *ordering)
{
    free(ordering->waiting);
    free(ordering->runs);
    *ordering =
        (struct ordering){.config = ordering->config, .visit = ordering->visit, .context = ordering->context};
}

/* --- remembered ids
 * --------------------------------------------------------------------------------------------- */

/* queue_room: room for one more behind a queue that lives in array[first, first + count). */
static void *queue_room(void *array, size_t *first, size_t count, size_t *capacity, size_t element_bytes)
{
    if (*first + count < *capacity)
        return array;
    if (*first > 0 && *first >= count) {
        // NOLINTNEXTLINE: there is an array where something was
        memmove(array, (char *)array + *first * element_bytes, count * element_bytes);
        *first = 0;
        return array;
    }
    return memory_grow(array, capacity, *first + count + 1, element_bytes);
}

static void remember(struct ordering *ordering, int64_t id)
{
    struct ordering_run *last =
        ordering->run_count ? &ordering->runs[ordering->run_first + ordering->run_count - 1] : NULL;
    if (last && last->first + last->count == id) {
        last->count++;
    } else {
        ordering->runs = queue_room(ordering->runs, &ordering->run_first, ordering->run_count,
                                    &ordering->run_capacity, sizeof *ordering->runs);
        ordering->runs[ordering->run_first + ordering->run_count++] =
            (struct ordering_run){.first = id, .count = 1};
    }
    ordering->remembered++;
    while (ordering->remembered > ordering->config.dedup_lru) {
        struct ordering_run *oldest = &ordering->runs[ordering->run_first];
        oldest->first++;
        ordering->remembered--;
        if (--oldest->count == 0) {
            ordering->run_first++;
            ordering->run_count--;
        }
    }
}

static bool is_remembered(const struct ordering *ordering, int64_t id)
{
    size_t low = 0, high = ordering->run_count;
    if (high == 0)
        return false;
    const struct ordering_run *runs = ordering->runs + ordering->run_first;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (runs[middle].first + runs[middle].count <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ordering->run_count && runs[low].first <= id;
}

/* --- waiting trades
 * --------------------------------------------------------------------------------------------- */

/* waiting_place: index (from waiting_first) of the first waiting id ≥ id. New ids are mostly the largest. */
static size_t waiting_place(const struct ordering *ordering, int64_t id)
{
    size_t low = 0, high = ordering->waiting_count;
    if (high == 0)
        return 0;
    const struct venue_trade *waiting = ordering->waiting + ordering->waiting_first;
    if (waiting[high - 1].id < id)
        return high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (waiting[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_waiting(const struct ordering *ordering, size_t place, int64_t id)
{
    return place < ordering->waiting_count && ordering->waiting[ordering->waiting_first + place].id == id;
}

static void waiting_insert(struct ordering *ordering, size_t place, const struct venue_trade *trade)
{
    ordering->waiting = queue_room(ordering->waiting, &ordering->waiting_first, ordering->waiting_count,
                                   &ordering->waiting_capacity, sizeof *ordering->waiting);
    struct venue_trade *at = ordering->waiting + ordering->waiting_first + place;
    memmove(at + 1, at, (ordering->waiting_count - place) * sizeof *at);
    *at = *trade;
    ordering->waiting_count++;
}

static const struct venue_trade *waiting_smallest(const struct ordering *ordering)
{
    return ordering->waiting_count ? &ordering->waiting[ordering->waiting_first] : NULL;
}

/* waiting_earliest: the smallest T among the waiting; there is at least one. */
static int64_t waiting_earliest(const struct ordering *ordering)
{
    const struct venue_trade *waiting = ordering->waiting + ordering->waiting_first;
    int64_t earliest = waiting[0].transaction_ms; // NOLINT: there is one
    for (size_t i = 1; i < ordering->waiting_count; i++)
        if (waiting[i].transaction_ms < earliest)
            earliest = waiting[i].transaction_ms;
    return earliest;
}

/* --- releases
 * --------------------------------------------------------------------------------------------------- */

static void pending_flush(struct ordering *ordering)
{
    if (!ordering->has_pending)
        return;
    ordering->has_pending = false;
    ordering->pending_release.trade = &ordering->pending;
    ordering->visit(ordering->context, &ordering->pending_release);
}

/* release_smallest: `watermark_ms`: the rows up to it precede. It is handed out by the next release or at the
 * end of the arrival, when it is known whether it is the last. */
static void release_smallest(struct ordering *ordering, int64_t watermark_ms)
{
    pending_flush(ordering);
    ordering->pending = ordering->waiting[ordering->waiting_first++];
    ordering->waiting_count--;
    int64_t id = ordering->pending.id;
    struct ordering_release release = {
        .previous_id = ordering->has_id ? ordering->last_id : FIELD_NULL_I64,
        .gap_before = ordering->has_id ? id - ordering->last_id - 1 : 0,
        .watermark_ms = watermark_ms,
        .watermark_after_ms = watermark_ms,
    };
    ordering->missing_ids += release.gap_before;
    ordering->last_id = id;
    ordering->has_id = true;
    remember(ordering, id);
    ordering->pending_release = release;
    ordering->has_pending = true;
}

static bool smallest_follows(const struct ordering *ordering)
{
    const struct venue_trade *smallest = waiting_smallest(ordering);
    return smallest && ordering->has_id && smallest->id == ordering->last_id + 1;
}

static void release_consecutive(struct ordering *ordering, int64_t watermark_ms)
{
    while (smallest_follows(ordering))
        release_smallest(ordering, watermark_ms);
}

static int64_t ceil_multiple(int64_t value, int64_t step)
{
    return -floor_multiple(-value, step);
}

/* due_at: the first grid or boundary time ≥ `from_ms`. */
static int64_t due_at(const struct ordering *ordering, int64_t from_ms)
{
    int64_t grid = ceil_multiple(from_ms, ordering->config.grid_ms);
    int64_t step = ceil_multiple(from_ms, ordering->config.step_ms);
    return grid < step ? grid : step;
}

/* release_forced: rule 12: before the row of a due g no trade with T ≤ g may wait. The rows before g come
 * first. */
static void release_forced(struct ordering *ordering, int64_t old_watermark_ms, int64_t new_watermark_ms)
{
    while (ordering->waiting_count) {
        int64_t from = waiting_earliest(ordering);
        if (from <= old_watermark_ms)
            from = old_watermark_ms + 1;
        int64_t due_ms = due_at(ordering, from);
        if (due_ms > new_watermark_ms)
            return;
        while (ordering->waiting_count && waiting_earliest(ordering) <= due_ms) {
            release_smallest(ordering, due_ms - 1);
            release_consecutive(ordering, due_ms - 1);
        }
    }
}

/* time_moves: C := max(C, T), the releases that follow from it, and the word about the rows now due. */
static void time_moves(struct ordering *ordering, int64_t transaction_ms)
{
    int64_t old_ms = ordering->watermark_ms;
    int64_t new_ms = transaction_ms - ordering->config.watermark_ms;
    if (!ordering->has_time || transaction_ms > ordering->newest_ms)
        ordering->newest_ms = transaction_ms;
    if (!ordering->has_time)
        old_ms = new_ms - 1; /* no row before the first W was ever due */
    ordering->has_time = true;
    ordering->watermark_ms = new_ms > old_ms ? new_ms : old_ms;
    new_ms = ordering->watermark_ms;
    const struct venue_trade *smallest;
    while ((smallest = waiting_smallest(ordering)) &&
           (smallest->transaction_ms <= new_ms || smallest_follows(ordering)))
        release_smallest(ordering, old_ms);
    release_forced(ordering, old_ms, new_ms);
    if (ordering->has_pending)
        ordering->pending_release.watermark_after_ms = new_ms;
    pending_flush(ordering);
}

static void trade_enter(struct ordering *ordering, size_t place, const struct venue_trade *trade)
{
    waiting_insert(ordering, place, trade);
    int64_t watermark_ms = ordering->has_time ? ordering->watermark_ms
                                              : trade->transaction_ms - ordering->config.watermark_ms - 1;
    release_consecutive(ordering, watermark_ms);
    if (ordering->waiting_count > ORDERING_BUFFER_MAX) {
        ordering->early_releases++;
        release_smallest(ordering, watermark_ms);
        release_consecutive(ordering, watermark_ms);
    }
    if (venue_trade_is_sound(trade))
        time_moves(ordering, trade->transaction_ms);
    else if (ordering->has_time)
        time_moves(ordering, ordering->newest_ms); /* C stays; the trade may be due all the same */
    pending_flush(ordering);
}

void ordering_trade(struct ordering *ordering, const struct venue_trade *trade)
{
    if (ordering->has_id && trade->id <= ordering->last_id) {
        if (is_remembered(ordering, trade->id))
            ordering->duplicates++;
        else
            ordering->late++;
        return;
    }
    size_t place = waiting_place(ordering, trade->id);
    if (is_waiting(ordering, place, trade->id)) {
        ordering->duplicates++;
        return;
    }
    trade_enter(ordering, place, trade);
}

bool ordering_backfill(struct ordering *ordering, const struct venue_trade *trade)
{
    size_t place = waiting_place(ordering, trade->id);
    if ((ordering->has_id && trade->id <= ordering->last_id) || is_waiting(ordering, place, trade->id))
        return false;
    trade_enter(ordering, place, trade);
    return true;
}

void ordering_book(struct ordering *ordering, int64_t transaction_ms)
{
    time_moves(ordering, transaction_ms);
}

void ordering_end(struct ordering *ordering)
{
    while (ordering->waiting_count)
        release_smallest(ordering, ordering->has_time ? ordering->watermark_ms : 0);
    pending_flush(ordering);
}

bool ordering_hole(const struct ordering *ordering, int64_t *out_first_id, int64_t *out_last_id)
{
    const struct venue_trade *smallest = waiting_smallest(ordering);
    if (!smallest || !ordering->has_id || smallest->id <= ordering->last_id + 1)
        return false;
    *out_first_id = ordering->last_id + 1;
    *out_last_id = smallest->id - 1;
    return true;
}

bool ordering_knows(const struct ordering *ordering, int64_t id)
{
    if (ordering->has_id && id <= ordering->last_id)
        return is_remembered(ordering, id);
    return is_waiting(ordering, waiting_place(ordering, id), id);
}

bool ordering_next(const struct ordering *ordering, int64_t *out_id)
{
    const struct venue_trade *smallest = waiting_smallest(ordering);
    if (!ordering->has_id && !smallest)
        return false;
    int64_t id = ordering->has_id ? ordering->last_id + 1 : smallest->id;
    for (size_t i = 0; i < ordering->waiting_count && smallest[i].id == id; i++)
        id++;
    *out_id = id;
    return true;
}

/* --- state
 * ------------------------------------------------------------------------------------------------------ */

void ordering_save(const struct ordering *ordering, struct buffer *out)
{
    buffer_append_byte(out, ordering->has_time);
    buffer_append_i64(out, ordering->newest_ms);
    buffer_append_i64(out, ordering->watermark_ms);
    buffer_append_byte(out, ordering->has_id);
    buffer_append_i64(out, ordering->last_id);
    buffer_append_i64(out, ordering->duplicates);
    buffer_append_i64(out, ordering->late);
    buffer_append_i64(out, ordering->missing_ids);
    buffer_append_i64(out, ordering->early_releases);
    buffer_append_u64(out, ordering->waiting_count);
    if (ordering->waiting_count)
        buffer_append(out, ordering->waiting + ordering->waiting_first,
                      ordering->waiting_count * sizeof *ordering->waiting);
    buffer_append_u64(out, ordering->run_count);
    if (ordering->run_count)
        buffer_append(out, ordering->runs + ordering->run_first,
                      ordering->run_count * sizeof *ordering->runs);
}

static bool waiting_is_sound(const struct ordering *ordering)
{
    for (size_t i = 0; i < ordering->waiting_count; i++) {
        const struct venue_trade *trade = &ordering->waiting[i];
        if (!state_is_trade(trade) || (i && trade->id <= ordering->waiting[i - 1].id) ||
            (ordering->has_id && trade->id <= ordering->last_id))
            return false;
    }
    return true;
}

static bool runs_are_sound(struct ordering *ordering)
{
    ordering->remembered = 0;
    for (size_t i = 0; i < ordering->run_count; i++) {
        const struct ordering_run *run = &ordering->runs[i];
        bool fits =
            run->first >= 0 && run->first <= VENUE_ID_MAX && run->count > 0 && run->count <= VENUE_ID_MAX;
        if (!fits || (i && run->first < run[-1].first + run[-1].count))
            return false;
        ordering->remembered += run->count;
        if (ordering->remembered > ordering->config.dedup_lru)
            return false;
    }
    return true;
}

enum status ordering_load(struct ordering *ordering, struct reader *in)
{
    ordering->has_time = state_flag(in);
    ordering->newest_ms = state_time(in);
    ordering->watermark_ms = state_time(in);
    ordering->has_id = state_flag(in);
    ordering->last_id = state_id(in);
    ordering->duplicates = state_count(in);
    ordering->late = state_count(in);
    ordering->missing_ids = state_count(in);
    ordering->early_releases = state_count(in);
    ordering->has_pending = false;
    ordering->waiting_first = ordering->run_first = 0;
    ordering->waiting_count = reader_count(in, sizeof *ordering->waiting);
    ordering->waiting = memory_grow(ordering->waiting, &ordering->waiting_capacity, ordering->waiting_count,
                                    sizeof *ordering->waiting);
    reader_take(in, ordering->waiting, ordering->waiting_count * sizeof *ordering->waiting);
    ordering->run_count = reader_count(in, sizeof *ordering->runs);
    ordering->runs =
        memory_grow(ordering->runs, &ordering->run_capacity, ordering->run_count, sizeof *ordering->runs);
    reader_take(in, ordering->runs, ordering->run_count * sizeof *ordering->runs);
    if (!waiting_is_sound(ordering) || !runs_are_sound(ordering))
        in->failed = true;
    if (in->failed)
        ordering->waiting_count = ordering->run_count = 0, ordering->remembered = 0;
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
