/* Role: JSON to structs. Invariant: nothing of a message is handed out unless all of it is sound. */
#include "venue_private.h"

#include "base/memory.h"
#include "proto/control.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_NAME_BYTES_MAX = 128,
    POOL_BYTES_KEPT = 1024 * 1024, /* larger pools live for one message only */
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
static const char *const OTHER_STREAMS[] = {
    "markPrice",       "kline",        "miniTicker", "ticker",   "forceOrder", "avgPrice", "compositeIndex",
    "continuousKline", "contractInfo", "assetIndex", "rpiDepth", "indexPrice", NULL};

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
    venue->first_used = -1;
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

/* --- stream names
 * ----------------------------------------------------------------------------------------------- */

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
        return raw == venue->raw_trades
                   ? STATUS_OK
                   : venue_refuse(parse, VENUE_UNUSED_TRADES, "the other trade stream is used");
    }
    if (word_is(word, length, "bookTicker")) {
        out->kind = VENUE_TICKER;
        return STATUS_OK;
    }
    bool partial = word_is(word, length, "depth5") || word_is(word, length, "depth10") ||
                   word_is(word, length, "depth20");
    if (partial || word_is(word, length, "depth")) {
        out->kind = partial ? VENUE_PARTIAL : VENUE_DIFF;
        return partial == venue->partial_books
                   ? STATUS_OK
                   : venue_refuse(parse, VENUE_UNUSED_BOOKS, "the other kind of books is used");
    }
    if (is_other_stream(word, length))
        return venue_refuse(parse, VENUE_OTHER_STREAM, "a stream nobody here needs");
    return venue_refuse(parse, VENUE_UNKNOWN_STREAM, "a stream without a meaning here");
}

/* take_symbol: from the stream's name; `data` may repeat it but not contradict it. */
static enum status take_symbol(struct parse *parse, const char *name, size_t length)
{
    yyjson_val *given = parse->keys['s'];
    int symbol = -1;
    if (length == 0) {
        if (!given || !yyjson_is_str(given))
            return venue_refuse_key(parse, VENUE_BAD_FIELD, "s");
        symbol = venue_symbol(parse->venue, yyjson_get_str(given), yyjson_get_len(given));
    } else {
        symbol = venue_stream_symbol(parse->venue, name, length);
        if (symbol >= 0 && given &&
            (!yyjson_is_str(given) || yyjson_get_len(given) != length ||
             strncasecmp(yyjson_get_str(given), name, length) != 0))
            return venue_refuse_key(parse, VENUE_BAD_FIELD, "s");
    }
    if (symbol < 0)
        return venue_refuse(parse, VENUE_OTHER_SYMBOL, "a symbol that is not ours");
    parse->out->symbol = symbol;
    return STATUS_OK;
}

static enum status take_data(struct parse *parse)
{
    venue_use(parse->venue, parse->out->symbol);
    switch ((enum venue_kind)parse->out->kind) {
    case VENUE_TRADE: return venue_take_trade(parse);
    case VENUE_TICKER: return venue_take_ticker(parse);
    default: return venue_take_depth(parse);
    }
}

/* parse_named: the combined form {"stream": name, "data": {…}}. */
static enum status parse_named(struct parse *parse, yyjson_val *stream, yyjson_val *data)
{
    const char *name = yyjson_get_str(stream);
    size_t length = yyjson_get_len(stream);
    const char *at = memchr(name, '@', length);
    bool all_symbols = length > 0 && name[0] == '!';
    if (length >= STREAM_NAME_BYTES_MAX || at == name || (!at && !all_symbols))
        return venue_refuse(parse, VENUE_UNKNOWN_STREAM, "the stream's name has no symbol or no '@'");
    const char *word = all_symbols ? name + 1 : at + 1;
    enum status status = take_kind(parse, word, (size_t)(name + length - word));
    if (status == STATUS_OK && !yyjson_is_obj(data))
        status = venue_refuse(parse, VENUE_BAD_ENVELOPE, "\"data\" is not an object");
    if (status != STATUS_OK)
        return status;
    venue_collect_keys(parse, data);
    status = take_symbol(parse, name, all_symbols ? 0 : (size_t)(at - name));
    return status == STATUS_OK ? take_data(parse) : status;
}

/* parse_bare: the inner object alone, as single-stream sockets send it. Depth messages need the stream's name. */
static enum status parse_bare(struct parse *parse, yyjson_val *object)
{
    venue_collect_keys(parse, object);
    yyjson_val *event = parse->keys['e'];
    if (!event)
        return yyjson_obj_get(object, "result") || yyjson_obj_get(object, "error") ||
                       yyjson_obj_get(object, "code")
                   ? venue_refuse(parse, VENUE_NOTICE, "an answer to a request")
                   : venue_refuse(parse, VENUE_BAD_ENVELOPE, "neither \"stream\" nor \"e\"");
    if (!yyjson_is_str(event))
        return venue_refuse_key(parse, VENUE_BAD_FIELD, "e");
    if (yyjson_equals_str(event, "depthUpdate"))
        return venue_refuse(parse, VENUE_UNKNOWN_STREAM,
                            "a depth message without its stream's name may be either kind");
    enum status status = take_kind(parse, yyjson_get_str(event), yyjson_get_len(event));
    if (status == STATUS_OK)
        status = take_symbol(parse, NULL, 0);
    return status == STATUS_OK ? take_data(parse) : status;
}

/* --- entry
 * ------------------------------------------------------------------------------------------------------ */

yyjson_doc *venue_read_json(struct venue *venue, const char *text, size_t bytes, void **out_spare)
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
        return venue_refuse(parse, VENUE_BAD_JSON, "not JSON");
    if (!yyjson_is_obj(root))
        return venue_refuse(parse, VENUE_BAD_ENVELOPE, "not an object");
    yyjson_val *stream = yyjson_obj_get(root, "stream");
    if (!stream)
        return parse_bare(parse, root);
    yyjson_val *data = yyjson_obj_get(root, "data");
    if (!yyjson_is_str(stream) || !data)
        return venue_refuse(parse, VENUE_BAD_ENVELOPE, "\"stream\" is no text or there is no \"data\"");
    return parse_named(parse, stream, data);
}

void venue_parse_begin(struct parse *parse, struct venue *venue, struct venue_message *out,
                       struct error *error)
{
    memset(out, 0, sizeof *out);
    out->symbol = -1;
    venue->first_used = -1;
    parse->venue = venue;
    parse->out = out;
    parse->error = error;
    parse->reason = VENUE_FINE;
}

enum status venue_parse_text(struct venue *venue, const void *text, size_t bytes,
                             struct venue_message *out_message, enum venue_reason *out_reason,
                             struct error *error)
{
    struct parse parse;
    venue_parse_begin(&parse, venue, out_message, error);
    enum status status;
    if (bytes > VENUE_PAYLOAD_BYTES_MAX) {
        status = venue_refuse(&parse, VENUE_TOO_LARGE, "above 8 MiB");
    } else {
        void *spare;
        status = parse_document(&parse, venue_read_json(venue, text, bytes, &spare));
        free(spare);
    }
    *out_reason = parse.reason;
    return status;
}

/* --- control
 * ---------------------------------------------------------------------------------------------------- */

/* DECISION_NONE for a name that nobody knows. */
static int decision_of(yyjson_val *name)
{
    int decision = enum_from_name(CONTROL_DECISION_NAMES, yyjson_get_str(name) ? yyjson_get_str(name) : "",
                                  yyjson_get_len(name));
    return decision > 0 ? decision : DECISION_NONE;
}

static int control_symbol(struct venue *venue, yyjson_val *name)
{
    return venue_symbol(venue, yyjson_get_str(name) ? yyjson_get_str(name) : "", yyjson_get_len(name));
}

enum status venue_parse_control(struct venue *venue, const void *payload, size_t bytes,
                                struct venue_control *out_control, struct error *error)
{
    void *spare = NULL;
    yyjson_doc *document = bytes <= META_BYTES ? venue_read_json(venue, payload, bytes, &spare) : NULL;
    yyjson_val *root = document ? yyjson_doc_get_root(document) : NULL;
    yyjson_val *name = yyjson_obj_get(root, "symbol"), *value = yyjson_obj_get(root, "value");
    struct venue_control control = {
        .symbol = name ? control_symbol(venue, name) : -1,
        .decision = decision_of(yyjson_obj_get(root, "decision")),
        .value = yyjson_is_num(value) ? yyjson_get_num(value) : FIELD_NULL_F64,
    };
    bool is_object = yyjson_is_obj(root), is_ours = !name || control.symbol >= 0;
    bool is_value = !value || yyjson_is_num(value);
    free(spare);
    if (!is_object)
        return error_set(error, STATUS_MALFORMED, "control input: not one JSON object of at most %d bytes",
                         META_BYTES);
    if (!is_ours)
        return error_set(error, STATUS_UNSUPPORTED, "control input: it names a symbol that is not ours");
    if (control.decision == DECISION_NONE)
        return error_set(error, STATUS_UNSUPPORTED,
                         "control input: its \"decision\" must be suspend_calibration, resume_calibration, "
                         "lock_direction, unlock_direction, slice_weight or adjust_merge_tol");
    if (!is_value)
        return error_set(error, STATUS_INVALID, "control input: its \"value\" is no number");
    enum status status = control_check(control.decision, control.value, error);
    if (status == STATUS_OK)
        *out_control = control;
    return status;
}

/* --- moves
 * ---------------------------------------------------------------------------------------------------- */

/* move_kind: false: it is none. */
static bool move_kind(yyjson_val *word, enum venue_move_kind *out_kind)
{
    static const char *const WORDS[] = {
        [VENUE_MOVE_EXPECT] = "expect", [VENUE_MOVE_LEAVE] = "leave", [VENUE_MOVE_FORGET] = "forget"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (yyjson_equals_str(word, WORDS[i])) {
            *out_kind = (enum venue_move_kind)i;
            return true;
        }
    return false;
}

enum status venue_parse_move(struct venue *venue, const void *payload, size_t bytes,
                             struct venue_move *out_move, struct error *error)
{
    void *spare = NULL;
    yyjson_doc *document = bytes <= META_BYTES ? venue_read_json(venue, payload, bytes, &spare) : NULL;
    yyjson_val *root = document ? yyjson_doc_get_root(document) : NULL;
    yyjson_val *version = yyjson_obj_get(root, "version");
    struct venue_move found = {.symbol = control_symbol(venue, yyjson_obj_get(root, "symbol")),
                               .is_unmet = yyjson_is_true(yyjson_obj_get(root, "unmet")),
                               .begins_anew = yyjson_is_true(yyjson_obj_get(root, "anew")),
                               .version = yyjson_get_sint(version)};
    bool is_one = move_kind(yyjson_obj_get(root, "move"), &found.kind) && yyjson_is_int(version) &&
                  found.version > 0 && yyjson_is_str(yyjson_obj_get(root, "symbol"));
    free(spare);
    if (!is_one)
        return error_set(error, STATUS_MALFORMED,
                         "record of a move: not {\"move\":\"expect\", \"leave\" or "
                         "\"forget\",\"symbol\":…,\"version\":…}");
    if (found.symbol < 0)
        return error_set(error, STATUS_UNSUPPORTED, "record of a move: it names a symbol that is not ours");
    *out_move = found;
    return STATUS_OK;
}

/* --- state
 * ------------------------------------------------------------------------------------------------------ */

void venue_use(struct venue *venue, int symbol)
{
    venue->first_used = venue->instruments[symbol].in_use ? -1 : symbol;
    venue->instruments[symbol].in_use = 1;
}

int venue_first_used(const struct venue *venue)
{
    return venue->first_used;
}

void venue_unuse(struct venue *venue)
{
    if (venue->first_used >= 0)
        venue->instruments[venue->first_used].in_use = 0;
    venue->first_used = -1;
}

void venue_hold(struct venue *venue, size_t symbol, bool is_held)
{
    venue->instruments[symbol].is_held = is_held;
}

void venue_save_symbol(const struct venue *venue, size_t symbol, struct buffer *out)
{
    const struct venue_instrument *instrument = &venue->instruments[symbol];
    buffer_append_u32(out, (uint32_t)instrument->price_exponent);
    buffer_append_u32(out, (uint32_t)instrument->qty_exponent);
    buffer_append_f64(out, instrument->contract_size);
    buffer_append_byte(out, (uint8_t)instrument->in_use);
}

enum status venue_load_symbol(struct venue *venue, size_t symbol, struct reader *in)
{
    struct venue_instrument loaded = {.is_held = venue->instruments[symbol].is_held};
    loaded.price_exponent = (int32_t)reader_u32(in);
    loaded.qty_exponent = (int32_t)reader_u32(in);
    loaded.contract_size = reader_f64(in);
    reader_take(in, &loaded.in_use, 1);
    if ((uint32_t)loaded.price_exponent > DECIMAL_EXPONENT_MAX ||
        (uint32_t)loaded.qty_exponent > DECIMAL_EXPONENT_MAX)
        in->failed = true;
    if (!in->failed)
        venue->instruments[symbol] = loaded;
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}

void venue_save(const struct venue *venue, struct buffer *out)
{
    buffer_append_u64(out, venue->symbol_count);
    for (size_t i = 0; i < venue->symbol_count; i++)
        venue_save_symbol(venue, i, out);
}

enum status venue_load(struct venue *venue, struct reader *in)
{
    if (reader_count(in, 1) != venue->symbol_count)
        in->failed = true;
    for (size_t i = 0; i < venue->symbol_count && !in->failed; i++)
        if (venue_load_symbol(venue, i, in) != STATUS_OK)
            in->failed = true;
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
