/* Role: the fields of a message, each checked; what a kind of message must have. */
#include "venue_private.h"

#include "base/memory.h"

#include <string.h>

/* --- failures
 * --------------------------------------------------------------------------------------------------- */

enum status venue_refuse(struct parse *parse, enum venue_reason reason, const char *what)
{
    parse->reason = reason;
    enum status status = reason < VENUE_MALFORMED_END ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    return error_set(parse->error, status, "venue message: %s: %s", venue_reason_name(reason), what);
}

enum status venue_refuse_key(struct parse *parse, enum venue_reason reason, const char *key)
{
    parse->reason = reason;
    return error_set(parse->error, STATUS_MALFORMED,
                     "venue message: %s: key \"%s\" is missing or cannot be that", venue_reason_name(reason),
                     key);
}

/* --- fields
 * ----------------------------------------------------------------------------------------------------- */

void venue_collect_keys(struct parse *parse, yyjson_val *object)
{
    memset(parse->keys, 0, sizeof parse->keys);
    parse->previous = parse->net_quantity = NULL;
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        const char *name = yyjson_get_str(key);
        size_t length = yyjson_get_len(key);
        if (length == 1 && (unsigned char)name[0] < VENUE_KEY_SLOTS)
            parse->keys[(unsigned char)name[0]] = value;
        else if (length == 2 && memcmp(name, "pu", 2) == 0)
            parse->previous = value;
        else if (length == 2 && memcmp(name, "nq", 2) == 0)
            parse->net_quantity = value;
    }
}

bool venue_take_whole(yyjson_val *value, int64_t least, int64_t most, int64_t *out_number)
{
    if (!value || !yyjson_is_int(value))
        return false;
    if (yyjson_is_uint(value) && yyjson_get_uint(value) > (uint64_t)INT64_MAX)
        return false;
    int64_t number = yyjson_get_sint(value);
    if (number < least || number > most)
        return false;
    *out_number = number;
    return true;
}

bool venue_take_id(yyjson_val *value, int64_t *out_id)
{
    return venue_take_whole(value, 0, VENUE_ID_MAX, out_id);
}

static bool venue_take_time(yyjson_val *value, int64_t *out_ms)
{
    return venue_take_whole(value, 1, VENUE_TIME_MS_MAX, out_ms);
}

static bool venue_take_decimal(yyjson_val *value, int32_t exponent, int64_t least_units, int64_t *out_units)
{
    int64_t units;
    if (!value || !yyjson_is_str(value) ||
        decimal_parse(yyjson_get_str(value), yyjson_get_len(value), exponent, &units) != STATUS_OK ||
        units < least_units)
        return false;
    *out_units = units;
    return true;
}

/* take_levels: [["price","quantity"], …] appended at `at` of the parser's level memory. */
static bool take_levels(struct parse *parse, yyjson_val *array, const struct venue_instrument *scale,
                        size_t at, size_t *out_count)
{
    struct venue *venue = parse->venue;
    if (!array || !yyjson_is_arr(array))
        return false;
    size_t needed = at + yyjson_arr_size(array) + 1; /* never none: an empty side points somewhere too */
    venue->levels = memory_grow(venue->levels, &venue->level_capacity, needed, sizeof *venue->levels);
    struct book_level *level = venue->levels + at;
    size_t index, count;
    yyjson_val *pair;
    yyjson_arr_foreach(array, index, count, pair)
    {
        if (!yyjson_is_arr(pair) || yyjson_arr_size(pair) < 2)
            return false;
        yyjson_val *price = yyjson_arr_get_first(pair);
        if (!venue_take_decimal(price, scale->price_exponent, 1, &level->price_units) ||
            !venue_take_decimal(unsafe_yyjson_get_next(price), scale->qty_exponent, 0, &level->qty_units))
            return false;
        level++;
    }
    *out_count = yyjson_arr_size(array);
    return true;
}

bool venue_take_sides(struct parse *parse, yyjson_val *bids, yyjson_val *asks)
{
    struct venue_depth *depth = &parse->out->depth;
    const struct venue_instrument *scale = &parse->venue->instruments[parse->out->symbol];
    size_t bid_count, ask_count;
    if (!take_levels(parse, bids, scale, 0, &bid_count) ||
        !take_levels(parse, asks, scale, bid_count, &ask_count))
        return false;
    depth->bid_count = bid_count;
    depth->ask_count = ask_count;
    parse->out->bids = parse->venue->levels;
    parse->out->asks = parse->venue->levels + bid_count;
    return true;
}

/* --- the message kinds
 * ------------------------------------------------------------------------------------------ */

/* take_order_type: X of a raw trade; anything but MARKET is a print of the venue's own (algorithms.md §1 rule
 * 9). */
static void take_order_type(struct parse *parse, struct venue_trade *trade)
{
    static const char *const KNOWN[] = {"MARKET", "INSURANCE_FUND", "ADL", "NA", NULL};
    yyjson_val *type = parse->keys['X'];
    trade->is_market = 1;
    if (!type || yyjson_is_null(type))
        return;
    int known = yyjson_is_str(type) ? enum_from_name(KNOWN, yyjson_get_str(type), yyjson_get_len(type)) : -1;
    trade->is_market = known == 0;
    parse->out->unknown_values += known < 0;
}

enum status venue_take_trade_fields(struct parse *parse, bool raw, struct venue_trade *out_trade)
{
    yyjson_val **keys = parse->keys;
    struct venue_trade trade = {0};
    const struct venue_instrument *scale = &parse->venue->instruments[parse->out->symbol];
    if (!venue_take_id(raw ? keys['t'] : keys['a'], &trade.id))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, raw ? "t" : "a");
    trade.first_id = trade.last_id = trade.id;
    if (!raw && (!venue_take_id(keys['f'], &trade.first_id) || !venue_take_id(keys['l'], &trade.last_id)))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "f, l");
    if (!venue_take_time(keys['T'], &trade.transaction_ms))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "T");
    if (!keys['m'] || !yyjson_is_bool(keys['m']))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "m");
    trade.is_buyer_maker = yyjson_get_bool(keys['m']);
    take_order_type(parse, &trade);
    yyjson_val *qty = parse->venue->use_nq && parse->net_quantity ? parse->net_quantity : keys['q'];
    /* A market trade has a price and a quantity above 0, or nothing of it is believed, its id neither; an nq may be 0. */
    if (!venue_take_decimal(keys['p'], scale->price_exponent, trade.is_market, &trade.price_units))
        return venue_refuse_key(parse, VENUE_BAD_NUMBER, "p");
    if (!venue_take_decimal(keys['q'], scale->qty_exponent, trade.is_market, &trade.qty_units))
        return venue_refuse_key(parse, VENUE_BAD_NUMBER, "q");
    if (qty != keys['q'] && !venue_take_decimal(qty, scale->qty_exponent, 0, &trade.qty_units))
        return venue_refuse_key(parse, VENUE_BAD_NUMBER, "nq");
    *out_trade = trade;
    return STATUS_OK;
}

enum status venue_take_trade(struct parse *parse)
{
    struct venue_message *out = parse->out;
    enum status status = venue_take_trade_fields(parse, parse->venue->raw_trades, &out->trade);
    if (status != STATUS_OK)
        return status;
    if (!venue_take_time(parse->keys['E'], &out->event_ms))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "E");
    out->transaction_ms = out->trade.transaction_ms;
    out->trade.event_ms = out->event_ms;
    return STATUS_OK;
}

enum status venue_take_depth(struct parse *parse)
{
    yyjson_val **keys = parse->keys;
    struct venue_message *out = parse->out;
    struct venue_depth *depth = &out->depth;
    bool spot = parse->venue->market == VENUE_SPOT;
    if (!venue_take_time(keys['E'], &out->event_ms))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "E");
    out->transaction_ms = out->event_ms;
    if (!(spot && !keys['T']) && !venue_take_time(keys['T'], &out->transaction_ms))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "T");
    if (!venue_take_id(keys['U'], &depth->first_id) || !venue_take_id(keys['u'], &depth->last_id) ||
        depth->first_id > depth->last_id)
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "U, u");
    depth->prev_last_id = FIELD_NULL_I64;
    if (!spot && !venue_take_whole(parse->previous, -1, VENUE_ID_MAX, &depth->prev_last_id))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "pu");
    if (!venue_take_sides(parse, keys['b'], keys['a']))
        return venue_refuse_key(parse, VENUE_BAD_NUMBER, "b, a");
    return STATUS_OK;
}

enum status venue_take_ticker(struct parse *parse)
{
    yyjson_val **keys = parse->keys;
    struct venue_ticker *ticker = &parse->out->ticker;
    const struct venue_instrument *scale = &parse->venue->instruments[parse->out->symbol];
    if (!venue_take_id(keys['u'], &ticker->update_id))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "u");
    if (!venue_take_decimal(keys['b'], scale->price_exponent, 0, &ticker->bid_price_units) ||
        !venue_take_decimal(keys['B'], scale->qty_exponent, 0, &ticker->bid_qty_units) ||
        !venue_take_decimal(keys['a'], scale->price_exponent, 0, &ticker->ask_price_units) ||
        !venue_take_decimal(keys['A'], scale->qty_exponent, 0, &ticker->ask_qty_units))
        return venue_refuse_key(parse, VENUE_BAD_NUMBER, "b, B, a, A");
    if (!venue_take_time(keys['T'], &parse->out->transaction_ms))
        parse->out->transaction_ms = 0;
    if (!venue_take_time(keys['E'], &parse->out->event_ms))
        parse->out->event_ms = 0;
    return STATUS_OK;
}
