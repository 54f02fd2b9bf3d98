/* timeline: items of one kind in ascending event time, the old ones leaving at the front.
 *
 * An item is a struct of 64-bit members (so that it has no padding and can be saved as it is) whose first member is
 * int64_t ts_ms. Items of one time keep the order in which they were fed. The memory is one block through which the
 * items slide. */
#pragma once

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TIMELINE_ITEM_WORDS_MAX = 16,
    /* TIMELINE_LIMIT: items held at most; then the oldest leaves, counted in `overflowed`. A minute of 17,000
     * items a second. */
    TIMELINE_LIMIT = 1 << 20,
};

struct timeline {
    unsigned char *block;
    size_t item_words;
    size_t first; /* index in the block of the oldest item */
    size_t count;
    size_t capacity;
    int64_t overflowed;
};

void timeline_init(struct timeline *timeline, size_t item_words);
void timeline_finish(struct timeline *timeline);
void timeline_clear(struct timeline *timeline);

/* timeline_insert: behind all items of the same or an earlier time; returns the index it got. */
size_t timeline_insert(struct timeline *timeline, const void *item);

/* timeline_supersede: removes every item of the same or a later time, then appends. What remains are exactly the
 * items that can be "the last one fed with T ≤ t" for some t (algorithms.md §1 rule 12), so timeline_until finds
 * that one for every t. */
void timeline_supersede(struct timeline *timeline, const void *item);

/* timeline_until: how many items have ts_ms ≤ t_ms. */
size_t timeline_until(const struct timeline *timeline, int64_t t_ms);

/* timeline_drop: removes the `count` oldest. */
void timeline_drop(struct timeline *timeline, size_t count);

/* timeline_drop_until: removes every item with ts_ms ≤ t_ms. timeline_keep_last_until keeps the last of them. */
void timeline_drop_until(struct timeline *timeline, int64_t t_ms);
void timeline_keep_last_until(struct timeline *timeline, int64_t t_ms);

/* timeline_at: the i-th oldest; NULL behind the last. Good until the next change. */
static inline const void *timeline_at(const struct timeline *timeline, size_t index)
{
    if (index >= timeline->count)
        return NULL;
    return timeline->block + (timeline->first + index) * timeline->item_words * sizeof(uint64_t);
}

static inline int64_t timeline_ts_ms(const struct timeline *timeline, size_t index)
{
    return *(const int64_t *)timeline_at(timeline, index);
}

/* timeline_save, timeline_load: items as they are. Loading sets in->failed, and leaves the timeline empty, when times
 * are invalid or fall, or when another member, read as a double, is an infinity or absurdly large; members that are
 * integers must therefore be small non-negative numbers. */
void timeline_save(const struct timeline *timeline, struct buffer *out);
void timeline_load(struct timeline *timeline, struct reader *in);
