#include "order_book.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NO_ORDER UINT32_MAX

struct order {
    int64_t price_ticks;
    int64_t quantity_lots;
    uint32_t older, newer; /* neighbours in the level's queue */
    uint32_t live_index;
    enum book_side_name side;
};

void order_book_init(struct order_book *book)
{
    *book = (struct order_book){
        .orders = memory_allocate(ORDERS_MAX * sizeof *book->orders),
        .live = memory_allocate(ORDERS_MAX * sizeof *book->live),
        .free_orders = memory_allocate(ORDERS_MAX * sizeof *book->free_orders),
    };
}

void order_book_finish(struct order_book *book)
{
    free(book->orders);
    free(book->live);
    free(book->free_orders);
    free(book->changes);
    free(book->sides[SIDE_BID].levels);
    free(book->sides[SIDE_ASK].levels);
    *book = (struct order_book){0};
}

bool order_book_full(const struct order_book *book)
{
    return book->order_count == ORDERS_MAX;
}

const struct price_level *order_book_level(const struct order_book *book, enum book_side_name side,
                                           size_t index)
{
    const struct price_ladder *ladder = &book->sides[side];
    return index < ladder->count ? &ladder->levels[ladder->count - 1 - index] : NULL;
}

const struct price_level *order_book_best(const struct order_book *book, enum book_side_name side)
{
    return order_book_level(book, side, 0);
}

/* better: whether a price stands nearer to the touch. */
static bool better(enum book_side_name side, int64_t price, int64_t other)
{
    return side == SIDE_BID ? price > other : price < other;
}

/* find_place: the index of the price, or where it belongs (levels run from worst to best). */
static size_t find_place(const struct price_ladder *ladder, enum book_side_name side, int64_t price)
{
    size_t low = 0, high = ladder->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (better(side, price, ladder->levels[middle].price_ticks))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct price_level *find_level(const struct order_book *book, enum book_side_name side, int64_t price)
{
    const struct price_ladder *ladder = &book->sides[side];
    size_t place = find_place(ladder, side, price);
    bool there = place < ladder->count && ladder->levels[place].price_ticks == price;
    return there ? &ladder->levels[place] : NULL;
}

int64_t order_book_quantity(const struct order_book *book, enum book_side_name side, int64_t price_ticks)
{
    const struct price_level *level = find_level(book, side, price_ticks);
    return level ? level->quantity_lots : 0;
}

static void note_change(struct order_book *book, enum book_side_name side, int64_t price)
{
    book->change_total++;
    if (book->change_count) {
        const struct level_change *last = &book->changes[book->change_count - 1];
        if (last->side == side && last->price_ticks == price)
            return;
    }
    book->changes =
        memory_grow(book->changes, &book->change_capacity, book->change_count + 1, sizeof *book->changes);
    book->changes[book->change_count++] = (struct level_change){side, price};
}

static struct price_level *make_level(struct order_book *book, enum book_side_name side, int64_t price)
{
    struct price_ladder *ladder = &book->sides[side];
    size_t place = find_place(ladder, side, price);
    if (place < ladder->count && ladder->levels[place].price_ticks == price)
        return &ladder->levels[place];
    ladder->levels =
        memory_grow(ladder->levels, &ladder->capacity, ladder->count + 1, sizeof *ladder->levels);
    memmove(ladder->levels + place + 1, ladder->levels + place,
            (ladder->count - place) * sizeof *ladder->levels);
    ladder->count++;
    ladder->levels[place] =
        (struct price_level){.price_ticks = price, .oldest = NO_ORDER, .newest = NO_ORDER};
    return &ladder->levels[place];
}

static void drop_level(struct order_book *book, enum book_side_name side, struct price_level *level)
{
    struct price_ladder *ladder = &book->sides[side];
    size_t behind = (size_t)(ladder->levels + ladder->count - (level + 1));
    memmove(level, level + 1, behind * sizeof *level);
    ladder->count--;
}

void order_book_add(struct order_book *book, enum book_side_name side, int64_t price_ticks,
                    int64_t quantity_lots)
{
    assert(!order_book_full(book) && quantity_lots > 0);
    uint32_t index = book->free_count ? book->free_orders[--book->free_count] : book->pool_used++;
    struct price_level *level = make_level(book, side, price_ticks);
    book->orders[index] = (struct order){.price_ticks = price_ticks,
                                         .quantity_lots = quantity_lots,
                                         .older = level->newest,
                                         .newer = NO_ORDER,
                                         .live_index = book->order_count,
                                         .side = side};
    if (level->newest == NO_ORDER)
        level->oldest = index;
    else
        book->orders[level->newest].newer = index;
    level->newest = index;
    level->orders++;
    level->quantity_lots += quantity_lots;
    book->live[book->order_count++] = index;
    note_change(book, side, price_ticks);
}

/* unlink_order: out of its level's queue and of `live`; the level may then be empty. */
static void unlink_order(struct order_book *book, struct price_level *level, uint32_t index)
{
    struct order *order = &book->orders[index];
    if (order->older == NO_ORDER)
        level->oldest = order->newer;
    else
        book->orders[order->older].newer = order->newer;
    if (order->newer == NO_ORDER)
        level->newest = order->older;
    else
        book->orders[order->newer].older = order->older;
    level->orders--;
    level->quantity_lots -= order->quantity_lots;
    uint32_t moved = book->live[--book->order_count];
    book->live[order->live_index] = moved;
    book->orders[moved].live_index = order->live_index;
    book->free_orders[book->free_count++] = index;
}

void order_book_cancel(struct order_book *book, uint32_t live_index)
{
    uint32_t index = book->live[live_index];
    enum book_side_name side = book->orders[index].side;
    int64_t price = book->orders[index].price_ticks;
    struct price_level *level = find_level(book, side, price);
    unlink_order(book, level, index);
    if (!level->orders)
        drop_level(book, side, level);
    note_change(book, side, price);
}

void order_book_order(const struct order_book *book, uint32_t live_index, enum book_side_name *out_side,
                      int64_t *out_price_ticks)
{
    const struct order *order = &book->orders[book->live[live_index]];
    *out_side = order->side;
    *out_price_ticks = order->price_ticks;
}

/* take_from_level: executes against the queue, oldest first. */
static struct fill take_from_level(struct order_book *book, struct price_level *level, int64_t wanted)
{
    struct fill fill = {.price_ticks = level->price_ticks};
    while (wanted > 0 && level->orders) {
        uint32_t index = level->oldest;
        struct order *order = &book->orders[index];
        int64_t taken = order->quantity_lots < wanted ? order->quantity_lots : wanted;
        wanted -= taken;
        fill.quantity_lots += taken;
        fill.orders++;
        if (taken == order->quantity_lots) {
            unlink_order(book, level, index);
        } else {
            order->quantity_lots -= taken;
            level->quantity_lots -= taken;
        }
    }
    return fill;
}

size_t order_book_execute(struct order_book *book, enum book_side_name side, int64_t quantity_lots,
                          struct fill *out_fills, size_t fills_max)
{
    struct price_ladder *ladder = &book->sides[side];
    size_t count = 0;
    while (quantity_lots > 0 && ladder->count && count < fills_max) {
        struct price_level *level = &ladder->levels[ladder->count - 1];
        struct fill fill = take_from_level(book, level, quantity_lots);
        quantity_lots -= fill.quantity_lots;
        if (!level->orders)
            drop_level(book, side, level);
        note_change(book, side, fill.price_ticks);
        out_fills[count++] = fill;
    }
    return count;
}

static int compare_changes(const void *left, const void *right)
{
    const struct level_change *a = left, *b = right;
    if (a->side != b->side)
        return a->side == SIDE_BID ? -1 : 1;
    if (a->price_ticks == b->price_ticks)
        return 0;
    return better(a->side, a->price_ticks, b->price_ticks) ? -1 : 1;
}

const struct level_change *order_book_take_changes(struct order_book *book, size_t *out_count)
{
    if (book->change_count)
        qsort(book->changes, book->change_count, sizeof *book->changes, compare_changes);
    size_t kept = 0;
    for (size_t i = 0; i < book->change_count; i++)
        if (!kept || compare_changes(&book->changes[kept - 1], &book->changes[i]) != 0)
            book->changes[kept++] = book->changes[i];
    book->change_count = 0;
    *out_count = kept;
    return book->changes;
}
