#include "hold.h"

#include "state.h"

#include <string.h>

/* Each item: this header, levels of bids and asks, text; padded to 8 bytes. */
struct item {
    uint64_t bytes; /* whole item */
    uint64_t is_dead;
    struct venue_message message; /* its pointers are zero here, so that equal content gives equal bytes */
};

void hold_init(struct hold *hold)
{
    *hold = (struct hold){0};
    buffer_init(&hold->items, HOLD_BYTES_MAX);
}

void hold_finish(struct hold *hold)
{
    buffer_finish(&hold->items);
    hold_init(hold);
}

void hold_clear(struct hold *hold)
{
    buffer_clear(&hold->items);
    hold->dead_bytes = hold->diffs_from = hold->diff_count = hold->count = 0;
}

void hold_swap(struct hold *left, struct hold *right)
{
    struct hold other = *left;
    *left = *right;
    *right = other;
}

static bool has_levels(const struct venue_message *message)
{
    return message->kind == VENUE_DIFF || message->kind == VENUE_PARTIAL;
}

static uint64_t padded(uint64_t bytes)
{
    return (bytes + 7) & ~(uint64_t)7;
}

/* content_bytes: what follows the item's header, before padding. */
static uint64_t content_bytes(const struct venue_message *message)
{
    if (has_levels(message))
        return (message->depth.bid_count + message->depth.ask_count) * sizeof(struct book_level);
    return message->text_bytes;
}

enum status hold_push(struct hold *hold, const struct venue_message *message)
{
    uint64_t content = content_bytes(message);
    struct item item;
    memset(&item, 0, sizeof item);
    memcpy(&item.message, message, sizeof item.message);
    item.message.bids = item.message.asks = NULL;
    item.message.trades = NULL;
    item.message.text = NULL;
    item.bytes = padded(sizeof item + content);
    uint8_t *room = buffer_reserve(&hold->items, item.bytes);
    if (!room) {
        hold->items.overflowed = false;
        return STATUS_LIMIT;
    }
    memset(room, 0, item.bytes);
    memcpy(room, &item, sizeof item);
    if (has_levels(message)) {
        size_t bid_bytes = message->depth.bid_count * sizeof *message->bids;
        if (bid_bytes)
            memcpy(room + sizeof item, message->bids, bid_bytes);
        if (content > bid_bytes)
            memcpy(room + sizeof item + bid_bytes, message->asks, content - bid_bytes);
    } else if (content) {
        memcpy(room + sizeof item, message->text, content);
    }
    hold->items.length += item.bytes;
    hold->count++;
    hold->diff_count += message->kind == VENUE_DIFF;
    return STATUS_OK;
}

/* compact: closes the holes when they are more than half of it all. */
static void compact(struct hold *hold)
{
    if (2 * hold->dead_bytes <= hold->items.length)
        return;
    size_t to = 0;
    for (size_t from = 0; from < hold->items.length;) {
        struct item *item = (struct item *)(void *)(hold->items.data + from);
        size_t bytes = item->bytes;
        if (!item->is_dead) {
            memmove(hold->items.data + to, hold->items.data + from, bytes);
            to += bytes;
        }
        from += bytes;
    }
    hold->items.length = to;
    hold->dead_bytes = 0;
    hold->diffs_from = 0;
}

void hold_drop_oldest_diff(struct hold *hold)
{
    for (size_t at = hold->diffs_from; at < hold->items.length;) {
        struct item *item = (struct item *)(void *)(hold->items.data + at);
        if (!item->is_dead && item->message.kind == VENUE_DIFF) {
            hold->diffs_from = at;
            item->is_dead = 1;
            hold->dead_bytes += item->bytes;
            hold->count--;
            hold->diff_count--;
            compact(hold);
            return;
        }
        at += item->bytes;
    }
}

bool hold_next(const struct hold *hold, size_t *offset, struct venue_message *out_message)
{
    while (*offset < hold->items.length) {
        const struct item *item = (const struct item *)(const void *)(hold->items.data + *offset);
        *offset += item->bytes;
        if (item->is_dead)
            continue;
        *out_message = item->message;
        const uint8_t *content = (const uint8_t *)(item + 1);
        if (has_levels(out_message)) {
            out_message->bids = (const struct book_level *)(const void *)content;
            out_message->asks = out_message->bids + out_message->depth.bid_count;
        } else if (out_message->text_bytes) {
            out_message->text = (const char *)content;
        }
        return true;
    }
    return false;
}

void hold_save(const struct hold *hold, struct buffer *out)
{
    buffer_append_u64(out, hold->items.length);
    buffer_append(out, hold->items.data, hold->items.length);
}

static bool levels_are_sound(const struct item *item)
{
    const struct book_level *levels = (const struct book_level *)(const void *)(item + 1);
    for (uint64_t i = 0; i < item->message.depth.bid_count + item->message.depth.ask_count; i++)
        if (!state_is_level(&levels[i]))
            return false;
    return true;
}

static bool numbers_are_sound(const struct item *item)
{
    const struct venue_message *message = &item->message;
    if (!state_is_time(message->transaction_ms) || !state_is_time(message->event_ms) ||
        !state_is_time(message->recv_ms) || !state_is_count(message->connection) ||
        !state_is_count(message->from_buffer))
        return false;
    if (message->kind == VENUE_TRADE)
        return state_is_trade(&message->trade) && message->transaction_ms == message->trade.transaction_ms;
    if (has_levels(message))
        return state_is_depth(&message->depth) && levels_are_sound(item);
    return message->kind != VENUE_TICKER || state_is_id(message->ticker.update_id);
}

/* item_is_sound: what the walkers above rely on. */
static bool item_is_sound(const struct item *item, size_t rest, int32_t symbol)
{
    if (rest < sizeof *item || item->bytes > rest || item->bytes < sizeof *item || item->bytes % 8)
        return false;
    const struct venue_message *message = &item->message;
    uint64_t room = item->bytes - sizeof *item;
    uint64_t levels_max = room / sizeof(struct book_level);
    bool fits = message->text_bytes <= room;
    if (has_levels(message))
        fits = message->depth.bid_count <= levels_max && message->depth.ask_count <= levels_max &&
               message->depth.bid_count + message->depth.ask_count <= levels_max;
    bool known = message->kind == VENUE_TRADE || message->kind == VENUE_DIFF ||
                 message->kind == VENUE_PARTIAL || message->kind == VENUE_TICKER ||
                 message->kind == VENUE_REOPENED || message->kind == VENUE_RAW ||
                 message->kind == VENUE_RAW_REST || message->kind == VENUE_LEFT;
    return fits && known && item->is_dead <= 1 && message->symbol == symbol && numbers_are_sound(item);
}

enum status hold_load(struct hold *hold, int32_t symbol, struct reader *in)
{
    hold_clear(hold);
    size_t bytes = reader_count(in, 1);
    const void *data = reader_borrow(in, bytes);
    if (!data || bytes > HOLD_BYTES_MAX || bytes % 8) {
        in->failed = true;
        return STATUS_MALFORMED;
    }
    buffer_append(&hold->items, data, bytes);
    for (size_t at = 0; at < bytes;) {
        const struct item *item = (const struct item *)(const void *)(hold->items.data + at);
        if (!item_is_sound(item, bytes - at, symbol)) {
            in->failed = true;
            hold_clear(hold);
            return STATUS_MALFORMED;
        }
        if (item->is_dead) {
            hold->dead_bytes += item->bytes;
        } else {
            hold->count++;
            hold->diff_count += item->message.kind == VENUE_DIFF;
        }
        at += item->bytes;
    }
    return STATUS_OK;
}
