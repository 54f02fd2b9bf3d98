/* Role: REST answers. */
#include "venue_private.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* url_has_path: whether the URL's path ends with this word ("/fapi/v1/depth" with "depth"). */
static bool url_has_path(const char *url, size_t length, const char *word)
{
    const char *mark = memchr(url, '?', length);
    size_t path_length = mark ? (size_t)(mark - url) : length;
    size_t word_length = strlen(word);
    return path_length > word_length && url[path_length - word_length - 1] == '/' &&
           memcmp(url + path_length - word_length, word, word_length) == 0;
}

/* url_argument: the value behind "key=" in the query, NULL when it is not there or empty. */
static const char *url_argument(const char *url, size_t length, const char *key, size_t *out_bytes)
{
    size_t key_bytes = strlen(key);
    const char *end = url + length;
    const char *mark = memchr(url, '?', length);
    for (const char *at = mark ? mark + 1 : end; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next ? next : end;
        if ((size_t)(stop - at) > key_bytes && memcmp(at, key, key_bytes) == 0) {
            *out_bytes = (size_t)(stop - at) - key_bytes;
            return at + key_bytes;
        }
        at = stop + 1;
    }
    return NULL;
}

/* url_symbol: index of the symbol in the query, -1 when there is none of ours. */
static int url_symbol(const struct venue *venue, const char *url, size_t length)
{
    size_t bytes;
    const char *symbol = url_argument(url, length, "symbol=", &bytes);
    return symbol ? venue_symbol(venue, symbol, bytes) : -1;
}

/* url_number: FIELD_NULL_I64 when it is not there or none. */
static int64_t url_number(const char *url, size_t length, const char *key)
{
    size_t bytes;
    int64_t number = 0;
    const char *text = url_argument(url, length, key, &bytes);
    bool is_number = text && bytes <= 18;
    for (size_t i = 0; is_number && i < bytes; i++) {
        is_number = text[i] >= '0' && text[i] <= '9';
        number = 10 * number + (text[i] - '0');
    }
    return is_number ? number : FIELD_NULL_I64;
}

static enum status take_snapshot(struct parse *parse, yyjson_val *body)
{
    struct venue_message *out = parse->out;
    if (out->symbol < 0)
        return venue_refuse(parse, VENUE_OTHER_SYMBOL, "the URL names no symbol of ours");
    venue_use(parse->venue, out->symbol);
    if (!venue_take_id(yyjson_obj_get(body, "lastUpdateId"), &out->depth.last_id))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "lastUpdateId");
    out->depth.first_id = out->depth.last_id;
    out->depth.prev_last_id = FIELD_NULL_I64;
    if (!venue_take_sides(parse, yyjson_obj_get(body, "bids"), yyjson_obj_get(body, "asks")))
        return venue_refuse_key(parse, VENUE_BAD_NUMBER, "bids, asks");
    return STATUS_OK;
}

static enum status take_backfill(struct parse *parse, yyjson_val *body)
{
    struct venue *venue = parse->venue;
    if (parse->out->symbol < 0)
        return venue_refuse(parse, VENUE_OTHER_SYMBOL, "the URL names no symbol of ours");
    if (!yyjson_is_arr(body))
        return venue_refuse(parse, VENUE_BAD_ENVELOPE, "not an array of trades");
    size_t index, count, taken = 0;
    yyjson_val *item;
    venue_use(venue, parse->out->symbol);
    venue->trades =
        memory_grow(venue->trades, &venue->trade_capacity, yyjson_arr_size(body), sizeof *venue->trades);
    yyjson_arr_foreach(body, index, count, item)
    {
        if (!yyjson_is_obj(item))
            return venue_refuse(parse, VENUE_BAD_ENVELOPE, "not an array of trades");
        venue_collect_keys(parse, item);
        /* One that is none costs itself, not those beside it. */
        if (venue_take_trade_fields(parse, false, &venue->trades[taken]) != STATUS_OK) {
            parse->out->refused_trades++;
            continue;
        }
        venue->trades[taken].event_ms = venue->trades[taken].transaction_ms;
        venue->trades[taken++].is_backfilled = 1;
    }
    parse->out->trades = venue->trades;
    parse->out->trade_count = taken;
    return STATUS_OK;
}

/* decimals_of: digits behind the point of a step like "0.00100" that are not trailing zeros; -1 when it is
 * none. */
static int32_t decimals_of(yyjson_val *step)
{
    int64_t units;
    const char *text = yyjson_get_str(step);
    size_t length = yyjson_get_len(step);
    if (!text || decimal_parse(text, length, DECIMAL_EXPONENT_MAX, &units) != STATUS_OK || units <= 0)
        return -1;
    const char *point = memchr(text, '.', length);
    if (!point)
        return 0;
    while (text[length - 1] == '0')
        length--;
    return (int32_t)(text + length - point - 1);
}

/* exponent_from: the larger of the precision and what the filter's step needs; the default when neither is
 * said. */
static int32_t exponent_from(yyjson_val *symbol, const char *precision_key, const char *filter_type,
                             const char *step_key)
{
    int64_t precision = -1;
    if (!venue_take_whole(yyjson_obj_get(symbol, precision_key), 0, DECIMAL_EXPONENT_DEFAULT, &precision))
        precision = -1;
    int32_t exponent = (int32_t)precision;
    size_t index, count;
    yyjson_val *filter;
    yyjson_arr_foreach(yyjson_obj_get(symbol, "filters"), index, count, filter)
    {
        if (!yyjson_equals_str(yyjson_obj_get(filter, "filterType"), filter_type))
            continue;
        int32_t decimals = decimals_of(yyjson_obj_get(filter, step_key));
        if (decimals > exponent)
            exponent = decimals;
    }
    return exponent >= 0 && exponent <= DECIMAL_EXPONENT_DEFAULT ? exponent : DECIMAL_EXPONENT_DEFAULT;
}

static void take_instrument(struct venue *venue, struct venue_instrument *instrument, yyjson_val *symbol)
{
    if (instrument->in_use || instrument->is_held)
        return;
    bool spot = venue->market == VENUE_SPOT;
    instrument->price_exponent =
        exponent_from(symbol, spot ? "quotePrecision" : "pricePrecision", "PRICE_FILTER", "tickSize");
    instrument->qty_exponent =
        exponent_from(symbol, spot ? "baseAssetPrecision" : "quantityPrecision", "LOT_SIZE", "stepSize");
    yyjson_val *size = yyjson_obj_get(symbol, "contractSize");
    if (venue->market == VENUE_COINM && yyjson_is_num(size) && yyjson_get_num(size) > 0)
        instrument->contract_size = yyjson_get_num(size);
}

static enum status take_instruments(struct parse *parse, yyjson_val *body)
{
    yyjson_val *symbols = yyjson_obj_get(body, "symbols");
    if (!yyjson_is_arr(symbols))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "symbols");
    size_t index, count;
    yyjson_val *symbol;
    yyjson_arr_foreach(symbols, index, count, symbol)
    {
        yyjson_val *name = yyjson_obj_get(symbol, "symbol");
        if (!yyjson_is_str(name))
            continue;
        int at = venue_symbol(parse->venue, yyjson_get_str(name), yyjson_get_len(name));
        if (at >= 0)
            take_instrument(parse->venue, &parse->venue->instruments[at], symbol);
    }
    return STATUS_OK;
}

/* parse_body: an empty one is what the receiver records when all its tries got no answer. */
static enum status parse_body(struct parse *parse, yyjson_doc *document, bool is_empty)
{
    yyjson_val *body = document ? yyjson_doc_get_root(document) : NULL;
    if (is_empty)
        return venue_refuse(parse, VENUE_REST_ERROR, "the venue gave no answer");
    if (!body)
        return venue_refuse(parse, VENUE_BAD_JSON, "the body is not JSON");
    if (yyjson_is_obj(body) && yyjson_obj_get(body, "code"))
        return venue_refuse(parse, VENUE_REST_ERROR, "the venue answered with an error");
    switch ((enum venue_kind)parse->out->kind) {
    case VENUE_SNAPSHOT: return take_snapshot(parse, body);
    case VENUE_TRADES: return take_backfill(parse, body);
    case VENUE_INSTRUMENTS: return take_instruments(parse, body);
    default: return STATUS_OK;
    }
}

enum status venue_parse_rest(struct venue *venue, const void *payload, size_t bytes,
                             struct venue_message *out_message, enum venue_reason *out_reason,
                             struct error *error)
{
    struct parse parse;
    venue_parse_begin(&parse, venue, out_message, error);
    const char *url = payload;
    const char *end = bytes ? memchr(url, '\n', bytes) : NULL;
    size_t url_bytes = end ? (size_t)(end - url) : 0;
    enum status status = STATUS_OK;
    out_message->kind = VENUE_NOTE;
    if (bytes > VENUE_PAYLOAD_BYTES_MAX)
        status = venue_refuse(&parse, VENUE_TOO_LARGE, "above 8 MiB");
    else if (!end)
        status = venue_refuse(&parse, VENUE_BAD_ENVELOPE, "no URL line before the body");
    if (end && url_has_path(url, url_bytes, "depth"))
        out_message->kind = VENUE_SNAPSHOT;
    else if (end && url_has_path(url, url_bytes, "aggTrades"))
        out_message->kind = VENUE_TRADES;
    else if (end && url_has_path(url, url_bytes, "exchangeInfo"))
        out_message->kind = VENUE_INSTRUMENTS;
    if (end)
        out_message->symbol = url_symbol(venue, url, url_bytes);
    if (out_message->kind == VENUE_TRADES)
        out_message->page = (struct venue_page){.from_id = url_number(url, url_bytes, "fromId="),
                                                .limit = url_number(url, url_bytes, "limit=")};
    if (status == STATUS_OK) {
        void *spare;
        size_t body_bytes = bytes - url_bytes - 1;
        status = parse_body(&parse, venue_read_json(venue, end + 1, body_bytes, &spare), body_bytes == 0);
        free(spare);
    }
    *out_reason = parse.reason;
    return status;
}
