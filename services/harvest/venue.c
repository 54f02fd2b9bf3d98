/* Role: JSON to structs. Invariant: nothing of a message is handed out unless all of it is sound. */
#include "venue.h"

#include "base/map.h"
#include "base/memory.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum {
    STREAM_NAME_BYTES_MAX = 128,
    POOL_BYTES_KEPT = 1024 * 1024, /* larger pools live for one message only */
    KEY_SLOTS = 128,
};

static const char *const MARKET_NAMES[] = {"usdm", "coinm", "spot", NULL};

static const char *const REASON_NAMES[VENUE_REASON_COUNT] = {
    [VENUE_FINE] = "fine",
    [VENUE_BAD_JSON] = "bad_json",
    [VENUE_BAD_ENVELOPE] = "bad_envelope",
    [VENUE_BAD_FIELD] = "bad_field",
    [VENUE_BAD_NUMBER] = "bad_number",
    [VENUE_TOO_LARGE] = "too_large",
    [VENUE_UNKNOWN_STREAM] = "unknown_stream",
    [VENUE_OTHER_STREAM] = "other_stream",
    [VENUE_OTHER_SYMBOL] = "other_symbol",
    [VENUE_UNUSED_TRADES] = "unused_trades",
    [VENUE_UNUSED_BOOKS] = "unused_books",
    [VENUE_NOTICE] = "notice",
    [VENUE_REST_ERROR] = "rest_error",
};

/* Streams that exist and that nobody here needs: the part behind the '@', up to a digit, '_' or '@'. */
static const char *const OTHER_STREAMS[] = {"markPrice", "kline",    "miniTicker", "ticker",     "forceOrder",
                                            "avgPrice",  "bookTicker@arr", "compositeIndex", "continuousKline",
                                            "contractInfo", "assetIndex", "rpiDepth", "indexPrice", NULL};

struct venue {
    enum venue_market market;
    bool raw_trades;
    bool partial_books;
    bool use_nq;
    struct map upper; /* BTCUSDT -> index */
    struct map lower; /* btcusdt -> index */
    struct venue_instrument *instruments;
    size_t symbol_count;
    char *pool;
    size_t pool_bytes;
    struct book_level *levels;
    size_t level_capacity;
    struct venue_trade *trades;
    size_t trade_capacity;
};

/* parse: what the functions below share about the message at hand. */
struct parse {
    struct venue *venue;
    struct venue_message *out;
    struct error *error;
    enum venue_reason reason;
    yyjson_val *keys[KEY_SLOTS]; /* one-letter keys of `data` by letter */
    yyjson_val *previous;        /* pu */
    yyjson_val *net_quantity;    /* nq */
};

int venue_market_from_name(const char *name)
{
    return enum_from_name(MARKET_NAMES, name, strlen(name));
}

const char *venue_reason_name(enum venue_reason reason)
{
    return (unsigned)reason < VENUE_REASON_COUNT ? REASON_NAMES[reason] : "unknown";
}

static double contract_size_default(enum venue_market market, const char *symbol)
{
    if (market != VENUE_COINM)
        return NAN;
    return strncmp(symbol, "BTCUSD", 6) == 0 ? 100.0 : 10.0;
}

struct venue *venue_create(const struct venue_config *config)
{
    struct venue *venue = memory_allocate(sizeof *venue);
    venue->market = config->market;
    venue->raw_trades = config->raw_trades;
    venue->partial_books = config->partial_books;
    venue->use_nq = config->use_nq;
    venue->symbol_count = config->symbol_count;
    venue->instruments = memory_allocate(config->symbol_count * sizeof *venue->instruments);
    venue->pool_bytes = POOL_BYTES_KEPT;
    venue->pool = memory_allocate(venue->pool_bytes);
    map_init(&venue->upper);
    map_init(&venue->lower);
    for (size_t i = 0; i < config->symbol_count; i++) {
        char lower[SYMBOL_BYTES] = "";
        for (size_t at = 0; at + 1 < sizeof lower && config->symbols[i][at]; at++)
            lower[at] = (char)tolower((unsigned char)config->symbols[i][at]);
        map_put(&venue->upper, config->symbols[i], i);
        map_put(&venue->lower, lower, i);
        venue->instruments[i] = (struct venue_instrument){
            .price_exponent = DECIMAL_EXPONENT_DEFAULT,
            .qty_exponent = DECIMAL_EXPONENT_DEFAULT,
            .contract_size = contract_size_default(config->market, config->symbols[i]),
        };
    }
    return venue;
}

void venue_destroy(struct venue *venue)
{
    if (!venue)
        return;
    map_finish(&venue->upper);
    map_finish(&venue->lower);
    free(venue->instruments);
    free(venue->pool);
    free(venue->levels);
    free(venue->trades);
    free(venue);
}

int venue_symbol(const struct venue *venue, const char *symbol, size_t length)
{
    size_t index = map_get_bytes(&venue->upper, symbol, length);
    return index == MAP_ABSENT ? -1 : (int)index;
}

int venue_stream_symbol(const struct venue *venue, const char *name, size_t length)
{
    char lower[SYMBOL_BYTES];
    size_t at = 0;
    for (; at < length && name[at] != '@'; at++) {
        if (at == sizeof lower)
            return -1;
        lower[at] = (char)tolower((unsigned char)name[at]);
    }
    size_t index = map_get_bytes(&venue->lower, lower, at);
    return index == MAP_ABSENT ? -1 : (int)index;
}

const struct venue_instrument *venue_instrument(const struct venue *venue, size_t symbol)
{
    return &venue->instruments[symbol];
}

/* --- failures --------------------------------------------------------------------------------------------------- */

static enum status refuse(struct parse *parse, enum venue_reason reason, const char *what)
{
    parse->reason = reason;
    enum status status = reason < VENUE_MALFORMED_END ? STATUS_MALFORMED : STATUS_UNSUPPORTED;
    return error_set(parse->error, status, "venue message: %s: %s", venue_reason_name(reason), what);
}

static enum status refuse_key(struct parse *parse, enum venue_reason reason, const char *key)
{
    parse->reason = reason;
    return error_set(parse->error, STATUS_MALFORMED, "venue message: %s: key \"%s\" is missing or cannot be that",
                     venue_reason_name(reason), key);
}

/* --- fields ----------------------------------------------------------------------------------------------------- */

static void collect_keys(struct parse *parse, yyjson_val *object)
{
    memset(parse->keys, 0, sizeof parse->keys);
    parse->previous = parse->net_quantity = NULL;
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        const char *name = yyjson_get_str(key);
        size_t length = yyjson_get_len(key);
        if (length == 1 && (unsigned char)name[0] < KEY_SLOTS)
            parse->keys[(unsigned char)name[0]] = value;
        else if (length == 2 && memcmp(name, "pu", 2) == 0)
            parse->previous = value;
        else if (length == 2 && memcmp(name, "nq", 2) == 0)
            parse->net_quantity = value;
    }
}

static bool take_whole(yyjson_val *value, int64_t least, int64_t most, int64_t *out_number)
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

static bool take_id(yyjson_val *value, int64_t *out_id)
{
    return take_whole(value, 0, VENUE_ID_MAX, out_id);
}

static bool take_time(yyjson_val *value, int64_t *out_ms)
{
    return take_whole(value, 1, VENUE_TIME_MS_MAX, out_ms);
}

static bool take_decimal(yyjson_val *value, int32_t exponent, int64_t least_units, int64_t *out_units)
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
static bool take_levels(struct parse *parse, yyjson_val *array, const struct venue_instrument *scale, size_t at,
                        size_t *out_count)
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
        if (!take_decimal(price, scale->price_exponent, 1, &level->price_units) ||
            !take_decimal(unsafe_yyjson_get_next(price), scale->qty_exponent, 0, &level->qty_units))
            return false;
        level++;
    }
    *out_count = yyjson_arr_size(array);
    return true;
}

static bool take_sides(struct parse *parse, yyjson_val *bids, yyjson_val *asks)
{
    struct venue_depth *depth = &parse->out->depth;
    const struct venue_instrument *scale = &parse->venue->instruments[parse->out->symbol];
    size_t bid_count, ask_count;
    if (!take_levels(parse, bids, scale, 0, &bid_count) || !take_levels(parse, asks, scale, bid_count, &ask_count))
        return false;
    depth->bid_count = bid_count;
    depth->ask_count = ask_count;
    parse->out->bids = parse->venue->levels;
    parse->out->asks = parse->venue->levels + bid_count;
    return true;
}

/* --- the message kinds ------------------------------------------------------------------------------------------ */

/* take_order_type: X of a raw trade; anything but MARKET is a print of the venue's own (algorithms.md §1 rule 9). */
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

/* take_trade_fields: of an aggTrade (WebSocket or REST) or, with `raw`, of a raw trade. */
static enum status take_trade_fields(struct parse *parse, bool raw, struct venue_trade *out_trade)
{
    yyjson_val **keys = parse->keys;
    struct venue_trade trade = {0};
    const struct venue_instrument *scale = &parse->venue->instruments[parse->out->symbol];
    if (!take_id(raw ? keys['t'] : keys['a'], &trade.id))
        return refuse_key(parse, VENUE_BAD_FIELD, raw ? "t" : "a");
    trade.first_id = trade.last_id = trade.id;
    if (!raw && (!take_id(keys['f'], &trade.first_id) || !take_id(keys['l'], &trade.last_id)))
        return refuse_key(parse, VENUE_BAD_FIELD, "f, l");
    if (!take_time(keys['T'], &trade.transaction_ms))
        return refuse_key(parse, VENUE_BAD_FIELD, "T");
    if (!keys['m'] || !yyjson_is_bool(keys['m']))
        return refuse_key(parse, VENUE_BAD_FIELD, "m");
    trade.is_buyer_maker = yyjson_get_bool(keys['m']);
    take_order_type(parse, &trade);
    yyjson_val *qty = parse->venue->use_nq && parse->net_quantity ? parse->net_quantity : keys['q'];
    if (!take_decimal(keys['p'], scale->price_exponent, trade.is_market, &trade.price_units))
        return refuse_key(parse, VENUE_BAD_NUMBER, "p");
    if (!take_decimal(qty, scale->qty_exponent, trade.is_market, &trade.qty_units))
        return refuse_key(parse, VENUE_BAD_NUMBER, "q");
    *out_trade = trade;
    return STATUS_OK;
}

static enum status take_trade(struct parse *parse)
{
    struct venue_message *out = parse->out;
    enum status status = take_trade_fields(parse, parse->venue->raw_trades, &out->trade);
    if (status != STATUS_OK)
        return status;
    if (!take_time(parse->keys['E'], &out->event_ms))
        return refuse_key(parse, VENUE_BAD_FIELD, "E");
    out->transaction_ms = out->trade.transaction_ms;
    out->trade.event_ms = out->event_ms;
    return STATUS_OK;
}

static enum status take_depth(struct parse *parse)
{
    yyjson_val **keys = parse->keys;
    struct venue_message *out = parse->out;
    struct venue_depth *depth = &out->depth;
    bool spot = parse->venue->market == VENUE_SPOT;
    if (!take_time(keys['E'], &out->event_ms))
        return refuse_key(parse, VENUE_BAD_FIELD, "E");
    out->transaction_ms = out->event_ms;
    if (!(spot && !keys['T']) && !take_time(keys['T'], &out->transaction_ms))
        return refuse_key(parse, VENUE_BAD_FIELD, "T");
    if (!take_id(keys['U'], &depth->first_id) || !take_id(keys['u'], &depth->last_id) ||
        depth->first_id > depth->last_id)
        return refuse_key(parse, VENUE_BAD_FIELD, "U, u");
    depth->prev_last_id = FIELD_NULL_I64;
    if (!spot && !take_whole(parse->previous, -1, VENUE_ID_MAX, &depth->prev_last_id))
        return refuse_key(parse, VENUE_BAD_FIELD, "pu");
    if (!take_sides(parse, keys['b'], keys['a']))
        return refuse_key(parse, VENUE_BAD_NUMBER, "b, a");
    return STATUS_OK;
}

static enum status take_ticker(struct parse *parse)
{
    yyjson_val **keys = parse->keys;
    struct venue_ticker *ticker = &parse->out->ticker;
    const struct venue_instrument *scale = &parse->venue->instruments[parse->out->symbol];
    if (!take_id(keys['u'], &ticker->update_id))
        return refuse_key(parse, VENUE_BAD_FIELD, "u");
    if (!take_decimal(keys['b'], scale->price_exponent, 0, &ticker->bid_price_units) ||
        !take_decimal(keys['B'], scale->qty_exponent, 0, &ticker->bid_qty_units) ||
        !take_decimal(keys['a'], scale->price_exponent, 0, &ticker->ask_price_units) ||
        !take_decimal(keys['A'], scale->qty_exponent, 0, &ticker->ask_qty_units))
        return refuse_key(parse, VENUE_BAD_NUMBER, "b, B, a, A");
    if (!take_time(keys['T'], &parse->out->transaction_ms))
        parse->out->transaction_ms = 0;
    if (!take_time(keys['E'], &parse->out->event_ms))
        parse->out->event_ms = 0;
    return STATUS_OK;
}

/* --- stream names ----------------------------------------------------------------------------------------------- */

static bool word_is(const char *at, size_t length, const char *word)
{
    size_t word_length = strlen(word);
    return length >= word_length && memcmp(at, word, word_length) == 0 &&
           (length == word_length || at[word_length] == '@');
}

static bool is_other_stream(const char *at, size_t length)
{
    for (size_t i = 0; OTHER_STREAMS[i]; i++) {
        size_t word_length = strlen(OTHER_STREAMS[i]);
        if (length >= word_length && memcmp(at, OTHER_STREAMS[i], word_length) == 0)
            return true;
    }
    return false;
}

/* take_kind: the part of the stream's name behind the symbol's '@'. */
static enum status take_kind(struct parse *parse, const char *word, size_t length)
{
    struct venue *venue = parse->venue;
    struct venue_message *out = parse->out;
    bool raw = word_is(word, length, "trade");
    if (raw || word_is(word, length, "aggTrade")) {
        out->kind = VENUE_TRADE;
        return raw == venue->raw_trades ? STATUS_OK : refuse(parse, VENUE_UNUSED_TRADES, "the other trade stream is used");
    }
    if (word_is(word, length, "bookTicker")) {
        out->kind = VENUE_TICKER;
        return STATUS_OK;
    }
    bool partial = word_is(word, length, "depth5") || word_is(word, length, "depth10") || word_is(word, length, "depth20");
    if (partial || word_is(word, length, "depth")) {
        out->kind = partial ? VENUE_PARTIAL : VENUE_DIFF;
        return partial == venue->partial_books ? STATUS_OK
                                               : refuse(parse, VENUE_UNUSED_BOOKS, "the other kind of books is used");
    }
    if (is_other_stream(word, length))
        return refuse(parse, VENUE_OTHER_STREAM, "a stream nobody here needs");
    return refuse(parse, VENUE_UNKNOWN_STREAM, "a stream without a meaning here");
}

/* take_symbol: from the stream's name; `data` may repeat it but not contradict it. */
static enum status take_symbol(struct parse *parse, const char *name, size_t length)
{
    yyjson_val *given = parse->keys['s'];
    int symbol = -1;
    if (length == 0) {
        if (!given || !yyjson_is_str(given))
            return refuse_key(parse, VENUE_BAD_FIELD, "s");
        symbol = venue_symbol(parse->venue, yyjson_get_str(given), yyjson_get_len(given));
    } else {
        symbol = venue_stream_symbol(parse->venue, name, length);
        if (symbol >= 0 && given && (!yyjson_is_str(given) || yyjson_get_len(given) != length ||
                                     strncasecmp(yyjson_get_str(given), name, length) != 0))
            return refuse_key(parse, VENUE_BAD_FIELD, "s");
    }
    if (symbol < 0)
        return refuse(parse, VENUE_OTHER_SYMBOL, "a symbol that is not ours");
    parse->out->symbol = symbol;
    return STATUS_OK;
}

static enum status take_data(struct parse *parse)
{
    /* From here on the exponents of the symbol stand. */
    parse->venue->instruments[parse->out->symbol].in_use = 1;
    switch ((enum venue_kind)parse->out->kind) {
    case VENUE_TRADE:
        return take_trade(parse);
    case VENUE_TICKER:
        return take_ticker(parse);
    default:
        return take_depth(parse);
    }
}

/* parse_named: the combined form {"stream": name, "data": {…}}. */
static enum status parse_named(struct parse *parse, yyjson_val *stream, yyjson_val *data)
{
    const char *name = yyjson_get_str(stream);
    size_t length = yyjson_get_len(stream);
    const char *at = memchr(name, '@', length);
    bool all_symbols = length > 0 && name[0] == '!';
    if (length >= STREAM_NAME_BYTES_MAX || (!at && !all_symbols))
        return refuse(parse, VENUE_UNKNOWN_STREAM, "the stream's name has no '@'");
    const char *word = all_symbols ? name + 1 : at + 1;
    enum status status = take_kind(parse, word, (size_t)(name + length - word));
    if (status == STATUS_OK && !yyjson_is_obj(data))
        status = refuse(parse, VENUE_BAD_ENVELOPE, "\"data\" is not an object");
    if (status != STATUS_OK)
        return status;
    collect_keys(parse, data);
    status = take_symbol(parse, name, all_symbols ? 0 : (size_t)(at - name));
    return status == STATUS_OK ? take_data(parse) : status;
}

/* parse_bare: the inner object alone, as single-stream sockets send it. Depth messages need the stream's name. */
static enum status parse_bare(struct parse *parse, yyjson_val *object)
{
    collect_keys(parse, object);
    yyjson_val *event = parse->keys['e'];
    if (!event)
        return yyjson_obj_get(object, "result") || yyjson_obj_get(object, "error") || yyjson_obj_get(object, "code")
                   ? refuse(parse, VENUE_NOTICE, "an answer to a request")
                   : refuse(parse, VENUE_BAD_ENVELOPE, "neither \"stream\" nor \"e\"");
    if (!yyjson_is_str(event))
        return refuse_key(parse, VENUE_BAD_FIELD, "e");
    if (yyjson_equals_str(event, "depthUpdate"))
        return refuse(parse, VENUE_UNKNOWN_STREAM, "a depth message without its stream's name may be either kind");
    enum status status = take_kind(parse, yyjson_get_str(event), yyjson_get_len(event));
    if (status == STATUS_OK)
        status = take_symbol(parse, NULL, 0);
    return status == STATUS_OK ? take_data(parse) : status;
}

/* --- entry ------------------------------------------------------------------------------------------------------ */

/* read_json: a document in the parser's pool; *out_spare is a larger pool to free behind it, or NULL. */
static yyjson_doc *read_json(struct venue *venue, const char *text, size_t bytes, void **out_spare)
{
    size_t needed = yyjson_read_max_memory_usage(bytes, 0);
    void *pool = venue->pool;
    *out_spare = NULL;
    if (needed > venue->pool_bytes)
        pool = *out_spare = memory_allocate(needed);
    yyjson_alc allocator;
    if (!yyjson_alc_pool_init(&allocator, pool, needed > venue->pool_bytes ? needed : venue->pool_bytes))
        return NULL;
    return yyjson_read_opts((char *)(uintptr_t)text, bytes, 0, &allocator, NULL);
}

static enum status parse_document(struct parse *parse, yyjson_doc *document)
{
    yyjson_val *root = document ? yyjson_doc_get_root(document) : NULL;
    if (!root)
        return refuse(parse, VENUE_BAD_JSON, "not JSON");
    if (!yyjson_is_obj(root))
        return refuse(parse, VENUE_BAD_ENVELOPE, "not an object");
    yyjson_val *stream = yyjson_obj_get(root, "stream");
    if (!stream)
        return parse_bare(parse, root);
    yyjson_val *data = yyjson_obj_get(root, "data");
    if (!yyjson_is_str(stream) || !data)
        return refuse(parse, VENUE_BAD_ENVELOPE, "\"stream\" is no text or there is no \"data\"");
    return parse_named(parse, stream, data);
}

static void parse_begin(struct parse *parse, struct venue *venue, struct venue_message *out, struct error *error)
{
    memset(out, 0, sizeof *out);
    out->symbol = -1;
    parse->venue = venue;
    parse->out = out;
    parse->error = error;
    parse->reason = VENUE_FINE;
}

enum status venue_parse_text(struct venue *venue, const void *text, size_t bytes, struct venue_message *out_message,
                             enum venue_reason *out_reason, struct error *error)
{
    struct parse parse;
    parse_begin(&parse, venue, out_message, error);
    enum status status;
    if (bytes > VENUE_PAYLOAD_BYTES_MAX) {
        status = refuse(&parse, VENUE_TOO_LARGE, "above 8 MiB");
    } else {
        void *spare;
        status = parse_document(&parse, read_json(venue, text, bytes, &spare));
        free(spare);
    }
    *out_reason = parse.reason;
    return status;
}

/* --- REST ------------------------------------------------------------------------------------------------------- */

/* url_has_path: whether the URL's path ends with this word ("/fapi/v1/depth" with "depth"). */
static bool url_has_path(const char *url, size_t length, const char *word)
{
    const char *mark = memchr(url, '?', length);
    size_t path_length = mark ? (size_t)(mark - url) : length;
    size_t word_length = strlen(word);
    return path_length > word_length && url[path_length - word_length - 1] == '/' &&
           memcmp(url + path_length - word_length, word, word_length) == 0;
}

/* url_symbol: index of the symbol in the query, -1 when there is none of ours. */
static int url_symbol(const struct venue *venue, const char *url, size_t length)
{
    const char *end = url + length;
    const char *mark = memchr(url, '?', length);
    for (const char *at = mark ? mark + 1 : end; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next ? next : end;
        if (stop - at > 7 && memcmp(at, "symbol=", 7) == 0)
            return venue_symbol(venue, at + 7, (size_t)(stop - at - 7));
        at = stop + 1;
    }
    return -1;
}

static enum status take_snapshot(struct parse *parse, yyjson_val *body)
{
    struct venue_message *out = parse->out;
    if (out->symbol < 0)
        return refuse(parse, VENUE_OTHER_SYMBOL, "the URL names no symbol of ours");
    parse->venue->instruments[out->symbol].in_use = 1;
    if (!take_id(yyjson_obj_get(body, "lastUpdateId"), &out->depth.last_id))
        return refuse_key(parse, VENUE_BAD_FIELD, "lastUpdateId");
    out->depth.first_id = out->depth.last_id;
    out->depth.prev_last_id = FIELD_NULL_I64;
    if (!take_sides(parse, yyjson_obj_get(body, "bids"), yyjson_obj_get(body, "asks")))
        return refuse_key(parse, VENUE_BAD_NUMBER, "bids, asks");
    return STATUS_OK;
}

static enum status take_backfill(struct parse *parse, yyjson_val *body)
{
    struct venue *venue = parse->venue;
    if (parse->out->symbol < 0)
        return refuse(parse, VENUE_OTHER_SYMBOL, "the URL names no symbol of ours");
    if (!yyjson_is_arr(body))
        return refuse(parse, VENUE_BAD_ENVELOPE, "not an array of trades");
    size_t index, count;
    yyjson_val *item;
    venue->instruments[parse->out->symbol].in_use = 1;
    venue->trades = memory_grow(venue->trades, &venue->trade_capacity, yyjson_arr_size(body), sizeof *venue->trades);
    yyjson_arr_foreach(body, index, count, item)
    {
        if (!yyjson_is_obj(item))
            return refuse(parse, VENUE_BAD_ENVELOPE, "not an array of trades");
        collect_keys(parse, item);
        enum status status = take_trade_fields(parse, false, &venue->trades[index]);
        if (status != STATUS_OK)
            return status;
        venue->trades[index].event_ms = venue->trades[index].transaction_ms;
        venue->trades[index].is_backfilled = 1;
    }
    parse->out->trades = venue->trades;
    parse->out->trade_count = yyjson_arr_size(body);
    return STATUS_OK;
}

/* decimals_of: digits behind the point of a step like "0.00100" that are not trailing zeros; -1 when it is none. */
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

/* exponent_from: the larger of the precision and what the filter's step needs; the default when neither is said. */
static int32_t exponent_from(yyjson_val *symbol, const char *precision_key, const char *filter_type,
                             const char *step_key)
{
    int64_t precision = -1;
    if (!take_whole(yyjson_obj_get(symbol, precision_key), 0, DECIMAL_EXPONENT_DEFAULT, &precision))
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
    if (instrument->in_use)
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
        return refuse_key(parse, VENUE_BAD_FIELD, "symbols");
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

static enum status parse_body(struct parse *parse, yyjson_doc *document)
{
    yyjson_val *body = document ? yyjson_doc_get_root(document) : NULL;
    if (!body)
        return refuse(parse, VENUE_BAD_JSON, "the body is not JSON");
    if (yyjson_is_obj(body) && yyjson_obj_get(body, "code"))
        return refuse(parse, VENUE_REST_ERROR, "the venue answered with an error");
    switch ((enum venue_kind)parse->out->kind) {
    case VENUE_SNAPSHOT:
        return take_snapshot(parse, body);
    case VENUE_TRADES:
        return take_backfill(parse, body);
    case VENUE_INSTRUMENTS:
        return take_instruments(parse, body);
    default:
        return STATUS_OK;
    }
}

enum status venue_parse_rest(struct venue *venue, const void *payload, size_t bytes,
                             struct venue_message *out_message, enum venue_reason *out_reason, struct error *error)
{
    struct parse parse;
    parse_begin(&parse, venue, out_message, error);
    const char *url = payload;
    const char *end = bytes ? memchr(url, '\n', bytes) : NULL;
    size_t url_bytes = end ? (size_t)(end - url) : 0;
    enum status status = STATUS_OK;
    out_message->kind = VENUE_NOTE;
    if (bytes > VENUE_PAYLOAD_BYTES_MAX)
        status = refuse(&parse, VENUE_TOO_LARGE, "above 8 MiB");
    else if (!end)
        status = refuse(&parse, VENUE_BAD_ENVELOPE, "no URL line before the body");
    if (end && url_has_path(url, url_bytes, "depth"))
        out_message->kind = VENUE_SNAPSHOT;
    else if (end && url_has_path(url, url_bytes, "aggTrades"))
        out_message->kind = VENUE_TRADES;
    else if (end && url_has_path(url, url_bytes, "exchangeInfo"))
        out_message->kind = VENUE_INSTRUMENTS;
    if (end)
        out_message->symbol = url_symbol(venue, url, url_bytes);
    if (status == STATUS_OK) {
        void *spare;
        status = parse_body(&parse, read_json(venue, end + 1, bytes - url_bytes - 1, &spare));
        free(spare);
    }
    *out_reason = parse.reason;
    return status;
}

/* --- control ---------------------------------------------------------------------------------------------------- */

enum status venue_parse_control(struct venue *venue, const void *payload, size_t bytes, int *out_symbol,
                                struct error *error)
{
    void *spare = NULL;
    yyjson_doc *document = bytes <= META_BYTES ? read_json(venue, payload, bytes, &spare) : NULL;
    yyjson_val *root = document ? yyjson_doc_get_root(document) : NULL;
    yyjson_val *name = yyjson_obj_get(root, "symbol");
    int symbol = name ? venue_symbol(venue, yyjson_get_str(name) ? yyjson_get_str(name) : "", yyjson_get_len(name)) : -1;
    bool is_object = yyjson_is_obj(root);
    bool is_named = name != NULL;
    free(spare);
    if (!is_object)
        return error_set(error, STATUS_MALFORMED, "control input: not one JSON object of at most %d bytes", META_BYTES);
    if (is_named && symbol < 0)
        return error_set(error, STATUS_UNSUPPORTED, "control input: it names a symbol that is not ours");
    *out_symbol = symbol;
    return STATUS_OK;
}

/* --- state ------------------------------------------------------------------------------------------------------ */

void venue_save(const struct venue *venue, struct buffer *out)
{
    buffer_append_u64(out, venue->symbol_count);
    for (size_t i = 0; i < venue->symbol_count; i++) {
        const struct venue_instrument *instrument = &venue->instruments[i];
        buffer_append_u32(out, (uint32_t)instrument->price_exponent);
        buffer_append_u32(out, (uint32_t)instrument->qty_exponent);
        buffer_append_f64(out, instrument->contract_size);
        buffer_append_byte(out, (uint8_t)instrument->in_use);
    }
}

enum status venue_load(struct venue *venue, struct reader *in)
{
    if (reader_count(in, 1) != venue->symbol_count)
        in->failed = true;
    for (size_t i = 0; i < venue->symbol_count && !in->failed; i++) {
        struct venue_instrument loaded = {0};
        loaded.price_exponent = (int32_t)reader_u32(in);
        loaded.qty_exponent = (int32_t)reader_u32(in);
        loaded.contract_size = reader_f64(in);
        reader_take(in, &loaded.in_use, 1);
        if ((uint32_t)loaded.price_exponent > DECIMAL_EXPONENT_MAX ||
            (uint32_t)loaded.qty_exponent > DECIMAL_EXPONENT_MAX)
            in->failed = true;
        if (!in->failed)
            venue->instruments[i] = loaded;
    }
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
