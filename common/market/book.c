#include "market/book.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void book_init(struct book *book, size_t side_levels_max)
{
    *book = (struct book){.bids = {.is_bid = true}};
    if (side_levels_max == 0 || side_levels_max > BOOK_SIDE_LEVELS_MAX)
        side_levels_max = BOOK_SIDE_LEVELS_MAX;
    book->side_levels_max = side_levels_max;
}

void book_finish(struct book *book)
{
    free(book->bids.levels);
    free(book->asks.levels);
    free(book->spare);
    book_init(book, book->side_levels_max);
}

void book_clear(struct book *book)
{
    book->bids.count = 0;
    book->asks.count = 0;
}

/* is_worse: on a side, whether the left price stands before the right one. */
static inline bool is_worse(const struct book_side *side, int64_t left, int64_t right)
{
    return side->is_bid ? left < right : left > right;
}

/* place_of: index of the first level that is not worse than the price. The halving has no unpredictable branch. */
static size_t place_of(const struct book_side *side, int64_t price_units)
{
    const struct book_level *base = side->levels;
    size_t count = side->count;
    int64_t sign = side->is_bid ? 1 : -1;
    int64_t wanted = sign * price_units;
    while (count > 1) {
        size_t half = count / 2;
        base = sign * base[half - 1].price_units < wanted ? base + half : base;
        count -= half;
    }
    size_t at = (size_t)(base - side->levels);
    return at + (count == 1 && sign * base->price_units < wanted);
}

static void level_remove(struct book_side *side, size_t at)
{
    side->count--;
    memmove(side->levels + at, side->levels + at + 1, (side->count - at) * sizeof *side->levels);
}

static void level_insert(struct book *book, struct book_side *side, size_t at, struct book_level level)
{
    if (side->count == book->side_levels_max) {
        book->levels_dropped++;
        if (at == 0)
            return;
        level_remove(side, 0);
        at--;
    }
    side->levels = memory_grow(side->levels, &side->capacity, side->count + 1, sizeof *side->levels);
    memmove(side->levels + at + 1, side->levels + at, (side->count - at) * sizeof *side->levels);
    side->levels[at] = level;
    side->count++;
}

static void level_set(struct book *book, struct book_side *side, struct book_level level)
{
    size_t at = side->count ? place_of(side, level.price_units) : 0;
    bool known = at < side->count && side->levels[at].price_units == level.price_units;
    if (known && level.qty_units)
        side->levels[at].qty_units = level.qty_units;
    else if (known)
        level_remove(side, at);
    else if (level.qty_units)
        level_insert(book, side, at, level);
    else
        book->unknown_deletes++;
}

struct change {
    struct book_level level;
    size_t order;
};

static int bids_worst_first(const void *left, const void *right)
{
    const struct change *a = left, *b = right;
    if (a->level.price_units != b->level.price_units)
        return a->level.price_units < b->level.price_units ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static int asks_worst_first(const void *left, const void *right)
{
    const struct change *a = left, *b = right;
    if (a->level.price_units != b->level.price_units)
        return a->level.price_units > b->level.price_units ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* merge: levels and sorted changes into `out`, of which the later one of equal prices counts; returns how many. */
static size_t merge(struct book *book, const struct book_side *side, const struct change *changes,
                    size_t count, struct book_level *out)
{
    size_t at = 0, filled = 0;
    for (size_t i = 0; i < count; i++) {
        struct book_level level = changes[i].level;
        if (i + 1 < count && changes[i + 1].level.price_units == level.price_units)
            continue;
        while (at < side->count && is_worse(side, side->levels[at].price_units, level.price_units))
            out[filled++] = side->levels[at++];
        bool known = at < side->count && side->levels[at].price_units == level.price_units;
        at += known;
        if (level.qty_units)
            out[filled++] = level;
        else
            book->unknown_deletes += !known;
    }
    while (at < side->count)
        out[filled++] = side->levels[at++];
    return filled;
}

static void side_merge(struct book *book, struct book_side *side, const struct book_level *levels,
                       size_t count)
{
    struct change *changes = memory_allocate(count * sizeof *changes);
    for (size_t i = 0; i < count; i++)
        changes[i] = (struct change){levels[i], i};
    qsort(changes, count, sizeof *changes, side->is_bid ? bids_worst_first : asks_worst_first);
    book->spare = memory_grow(book->spare, &book->spare_capacity, side->count + count, sizeof *book->spare);
    size_t filled = merge(book, side, changes, count, book->spare);
    size_t surplus = filled > book->side_levels_max ? filled - book->side_levels_max : 0;
    filled -= surplus;
    book->levels_dropped += (int64_t)surplus;
    side->levels = memory_grow(side->levels, &side->capacity, filled, sizeof *side->levels);
    if (filled)
        memcpy(side->levels, book->spare + surplus, filled * sizeof *side->levels);
    side->count = filled;
    free(changes);
}

static void side_apply(struct book *book, struct book_side *side, const struct book_level *levels,
                       size_t count)
{
    if (count > BOOK_MERGE_LEVELS) {
        side_merge(book, side, levels, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        level_set(book, side, levels[i]);
}

void book_apply(struct book *book, const struct book_level *bids, size_t bid_count,
                const struct book_level *asks, size_t ask_count)
{
    side_apply(book, &book->bids, bids, bid_count);
    side_apply(book, &book->asks, asks, ask_count);
}

/* side_fill: a snapshot comes best first; laying it down from its far end makes each insertion an append. */
static void side_fill(struct book *book, struct book_side *side, const struct book_level *levels,
                      size_t count)
{
    side->count = 0;
    if (count > BOOK_MERGE_LEVELS) {
        int64_t unknown_deletes = book->unknown_deletes;
        side_merge(book, side, levels, count);
        book->unknown_deletes = unknown_deletes; /* an empty level of a snapshot removes nothing */
        return;
    }
    for (size_t i = count; i-- > 0;)
        if (levels[i].qty_units)
            level_set(book, side, levels[i]);
}

void book_replace(struct book *book, const struct book_level *bids, size_t bid_count,
                  const struct book_level *asks, size_t ask_count)
{
    side_fill(book, &book->bids, bids, bid_count);
    side_fill(book, &book->asks, asks, ask_count);
}

const struct book_level *book_best(const struct book_side *side)
{
    return side->count ? &side->levels[side->count - 1] : NULL;
}

size_t book_top(const struct book_side *side, size_t limit, struct book_level *out_levels)
{
    size_t count = side->count < limit ? side->count : limit;
    for (size_t i = 0; i < count; i++)
        out_levels[i] = side->levels[side->count - 1 - i];
    return count;
}

enum book_shape book_shape(const struct book *book)
{
    const struct book_level *bid = book_best(&book->bids), *ask = book_best(&book->asks);
    if (!bid || !ask)
        return BOOK_EMPTY;
    return bid->price_units < ask->price_units ? BOOK_PROPER : BOOK_CROSSED;
}

static void side_save(const struct book_side *side, struct buffer *out)
{
    buffer_append_u64(out, side->count);
    buffer_append(out, side->levels, side->count * sizeof *side->levels);
}

static void side_load(struct book *book, struct book_side *side, struct reader *in)
{
    size_t count = reader_count(in, sizeof *side->levels);
    if (count > book->side_levels_max) {
        in->failed = true;
        return;
    }
    side->levels = memory_grow(side->levels, &side->capacity, count, sizeof *side->levels);
    reader_take(in, side->levels, count * sizeof *side->levels);
    side->count = count;
    for (size_t i = 0; i < count; i++) {
        bool in_order =
            i == 0 || is_worse(side, side->levels[i - 1].price_units, side->levels[i].price_units);
        if (!in_order || side->levels[i].price_units <= 0 || side->levels[i].qty_units <= 0)
            in->failed = true;
    }
}

void book_save(const struct book *book, struct buffer *out)
{
    buffer_append_u64(out, book->side_levels_max);
    buffer_append_i64(out, book->levels_dropped);
    buffer_append_i64(out, book->unknown_deletes);
    side_save(&book->bids, out);
    side_save(&book->asks, out);
}

enum status book_load(struct book *book, struct reader *in)
{
    uint64_t side_levels_max = reader_u64(in);
    if (side_levels_max == 0 || side_levels_max > BOOK_SIDE_LEVELS_MAX)
        in->failed = true;
    else
        book->side_levels_max = (size_t)side_levels_max;
    book->levels_dropped = reader_i64(in);
    book->unknown_deletes = reader_i64(in);
    side_load(book, &book->bids, in);
    side_load(book, &book->asks, in);
    if (in->failed)
        book_clear(book);
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
