#include "full_book.h"

#include "base/decimal.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct book_level {
    int64_t price; /* at DECIMAL_EXPONENT_DEFAULT, for order and identity */
    struct span price_text, quantity_text;
};

void full_book_init(struct full_book *book)
{
    *book = (struct full_book){0};
}

void full_book_finish(struct full_book *book)
{
    free(book->bids.levels);
    free(book->asks.levels);
    full_book_init(book);
}

/* find_level: where the price is or belongs; bids descend, asks ascend. */
static size_t find_level(const struct book_side *side, int64_t price, bool descending)
{
    size_t low = 0, high = side->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int64_t there = side->levels[middle].price;
        if (descending ? there > price : there < price)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_zero(struct span quantity)
{
    for (size_t i = 0; i < quantity.bytes; i++)
        if (quantity.text[i] != '0' && quantity.text[i] != '.')
            return false;
    return true;
}

static void set_level(struct book_side *side, bool descending, const struct book_level *level)
{
    size_t at = find_level(side, level->price, descending);
    bool known = at < side->count && side->levels[at].price == level->price;
    bool removed = is_zero(level->quantity_text);
    if (removed && !known)
        return;
    size_t behind = side->count - at;
    if (removed) {
        memmove(side->levels + at, side->levels + at + 1, (behind - 1) * sizeof *level);
        side->count--;
        return;
    }
    if (!known) {
        side->levels = memory_grow(side->levels, &side->capacity, side->count + 1, sizeof *level);
        memmove(side->levels + at + 1, side->levels + at, behind * sizeof *level);
        side->count++;
    }
    side->levels[at] = *level;
}

static bool read_level(struct span pair, struct book_level *out_level)
{
    struct span_walk walk;
    struct span price, quantity;
    struct book_level level;
    if (!span_walk_begin(pair, '[', &walk) || !span_next_element(&walk, &price) ||
        !span_next_element(&walk, &quantity) || !span_text(price, &level.price_text) ||
        !span_text(quantity, &level.quantity_text))
        return false;
    if (decimal_parse(level.price_text.text, level.price_text.bytes, DECIMAL_EXPONENT_DEFAULT,
                      &level.price) != STATUS_OK)
        return false;
    *out_level = level;
    return true;
}

static void set_levels(struct full_book *book, struct book_side *side, bool descending, struct span pairs)
{
    struct span_walk walk;
    struct span pair;
    if (!span_walk_begin(pairs, '[', &walk))
        return;
    while (span_next_element(&walk, &pair)) {
        struct book_level level;
        if (read_level(pair, &level))
            set_level(side, descending, &level);
        else
            book->unreadable_levels++;
    }
}

/* members: the parts of a depth answer or update that matter here. */
struct members {
    struct span last_id, bids, asks, event_time, transaction_time;
};

static struct members read_members(struct span object, const char *id, const char *bids, const char *asks)
{
    struct members members = {0};
    struct span_walk walk;
    struct span key, value;
    if (!span_walk_begin(object, '{', &walk))
        return members;
    while (span_next_member(&walk, &key, &value)) {
        if (span_equals(key, id))
            members.last_id = value;
        else if (span_equals(key, bids))
            members.bids = value;
        else if (span_equals(key, asks))
            members.asks = value;
        else if (span_equals(key, "E"))
            members.event_time = value;
        else if (span_equals(key, "T"))
            members.transaction_time = value;
    }
    return members;
}

static void take(struct full_book *book, const struct members *members, int64_t last_id)
{
    book->last_update_id = last_id;
    book->event_time = members->event_time;
    book->transaction_time = members->transaction_time;
    set_levels(book, &book->bids, true, members->bids);
    set_levels(book, &book->asks, false, members->asks);
}

enum status full_book_load(struct full_book *book, struct span body)
{
    struct members members = read_members(body, "lastUpdateId", "bids", "asks");
    int64_t last_id;
    if (!span_integer(members.last_id, &last_id) || !members.bids.bytes || !members.asks.bytes)
        return STATUS_MALFORMED;
    book->bids.count = 0;
    book->asks.count = 0;
    take(book, &members, last_id);
    return STATUS_OK;
}

enum status full_book_apply(struct full_book *book, struct span data)
{
    struct members members = read_members(data, "u", "b", "a");
    int64_t last_id;
    if (!span_integer(members.last_id, &last_id))
        return STATUS_MALFORMED;
    if (last_id < book->last_update_id)
        return STATUS_EXISTS;
    take(book, &members, last_id);
    return STATUS_OK;
}

static void write_side(const struct book_side *side, size_t limit, struct buffer *out)
{
    for (size_t i = 0; i < side->count && i < limit; i++) {
        const struct book_level *level = &side->levels[i];
        buffer_format(out, "%s[\"%.*s\",\"%.*s\"]", i ? "," : "", (int)level->price_text.bytes,
                      level->price_text.text, (int)level->quantity_text.bytes, level->quantity_text.text);
    }
}

static void write_times(const struct full_book *book, struct buffer *out)
{
    struct span event = book->event_time.bytes ? book->event_time : book->transaction_time;
    struct span transaction = book->transaction_time.bytes ? book->transaction_time : event;
    if (event.bytes)
        buffer_format(out, ",\"E\":%.*s,\"T\":%.*s", (int)event.bytes, event.text, (int)transaction.bytes,
                      transaction.text);
}

void full_book_answer(const struct full_book *book, enum market_kind market, const char *symbol, size_t limit,
                      struct buffer *out)
{
    buffer_format(out, "{\"lastUpdateId\":%lld", (long long)book->last_update_id);
    if (market != MARKET_SPOT)
        write_times(book, out);
    if (market == MARKET_COINM)
        buffer_format(out, ",\"symbol\":\"%s\",\"pair\":\"%.*s\"", symbol, (int)strcspn(symbol, "_"), symbol);
    buffer_append_text(out, ",\"bids\":[");
    write_side(&book->bids, limit, out);
    buffer_append_text(out, "],\"asks\":[");
    write_side(&book->asks, limit, out);
    buffer_append_text(out, "]}");
}
