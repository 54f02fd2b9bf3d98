#include "market/timeline.h"

#include "base/memory.h"
#include "market/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void timeline_init(struct timeline *timeline, size_t item_words)
{
    assert(item_words > 0 && item_words <= TIMELINE_ITEM_WORDS_MAX);
    *timeline = (struct timeline){.item_words = item_words};
}

void timeline_finish(struct timeline *timeline)
{
    free(timeline->block);
    timeline_init(timeline, timeline->item_words);
}

void timeline_clear(struct timeline *timeline)
{
    timeline->first = 0;
    timeline->count = 0;
    timeline->overflowed = 0;
}

static size_t item_bytes(const struct timeline *timeline)
{
    return timeline->item_words * sizeof(uint64_t);
}

static unsigned char *place(const struct timeline *timeline, size_t index)
{
    return timeline->block + (timeline->first + index) * item_bytes(timeline);
}

/* Room for one more behind the last: slide to the front when half of the block is free, else grow. */
static void make_room(struct timeline *timeline)
{
    if (timeline->count == TIMELINE_LIMIT) {
        timeline_drop(timeline, 1);
        timeline->overflowed++;
    }
    if (timeline->first + timeline->count < timeline->capacity)
        return;
    if (timeline->first > timeline->count) {
        memmove(timeline->block, place(timeline, 0), timeline->count * item_bytes(timeline));
        timeline->first = 0;
        return;
    }
    timeline->block = memory_grow(timeline->block, &timeline->capacity, timeline->first + timeline->count + 1,
                                  item_bytes(timeline));
}

size_t timeline_insert(struct timeline *timeline, const void *item)
{
    int64_t ts_ms = *(const int64_t *)item;
    make_room(timeline);
    size_t at = timeline->count;
    if (at > 0 && timeline_ts_ms(timeline, at - 1) > ts_ms)
        at = timeline_until(timeline, ts_ms);
    memmove(place(timeline, at + 1), place(timeline, at), (timeline->count - at) * item_bytes(timeline));
    memcpy(place(timeline, at), item, item_bytes(timeline));
    timeline->count++;
    return at;
}

void timeline_supersede(struct timeline *timeline, const void *item)
{
    int64_t ts_ms = *(const int64_t *)item;
    while (timeline->count > 0 && timeline_ts_ms(timeline, timeline->count - 1) >= ts_ms)
        timeline->count--;
    timeline_insert(timeline, item);
}

size_t timeline_until(const struct timeline *timeline, int64_t t_ms)
{
    size_t low = 0, high = timeline->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (timeline_ts_ms(timeline, middle) <= t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void timeline_drop(struct timeline *timeline, size_t count)
{
    assert(count <= timeline->count);
    timeline->first += count;
    timeline->count -= count;
    if (timeline->count == 0)
        timeline->first = 0;
}

void timeline_drop_until(struct timeline *timeline, int64_t t_ms)
{
    size_t count = 0;
    while (count < timeline->count && timeline_ts_ms(timeline, count) <= t_ms)
        count++;
    timeline_drop(timeline, count);
}

void timeline_keep_last_until(struct timeline *timeline, int64_t t_ms)
{
    size_t count = 0;
    while (count + 1 < timeline->count && timeline_ts_ms(timeline, count + 1) <= t_ms)
        count++;
    timeline_drop(timeline, count);
}

void timeline_save(const struct timeline *timeline, struct buffer *out)
{
    buffer_append_i64(out, timeline->overflowed);
    buffer_append_u64(out, timeline->count);
    if (timeline->count)
        buffer_append(out, place(timeline, 0), timeline->count * item_bytes(timeline));
}

void timeline_load(struct timeline *timeline, struct reader *in)
{
    timeline_clear(timeline);
    int64_t overflowed = state_take_count(in);
    size_t count = reader_count(in, item_bytes(timeline));
    if (count > TIMELINE_LIMIT)
        in->failed = true;
    int64_t previous_ms = 0;
    for (size_t i = 0; i < count && !in->failed; i++) {
        uint64_t words[TIMELINE_ITEM_WORDS_MAX];
        int64_t ts_ms = state_take_between(in, previous_ms, EVENT_TIME_MAX_MS);
        memcpy(&words[0], &ts_ms, sizeof ts_ms);
        for (size_t word = 1; word < timeline->item_words; word++) {
            double value = state_take_optional(in);
            memcpy(&words[word], &value, sizeof value);
        }
        if (!in->failed)
            timeline_insert(timeline, words);
        previous_ms = ts_ms;
    }
    timeline->overflowed = overflowed;
    if (in->failed)
        timeline_clear(timeline);
}
