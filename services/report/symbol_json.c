#include "symbol_json.h"

#include <stddef.h>
#include <string.h>
#include <yyjson.h>

struct member {
    const char *name;
    size_t offset;
};

#define MEMBER(name)                                 \
    {                                                \
#name, offsetof(struct symbol_figures, name) \
    }

static const struct member COUNTS[] = {
    MEMBER(diffs_applied),
    MEMBER(book_resets),
    MEMBER(trades),
    MEMBER(internal_trades),
    MEMBER(gaps),
    MEMBER(missing_trade_ids),
    MEMBER(audit_equal),
    MEMBER(audit_different),
    MEMBER(signals),
    MEMBER(orders),
    MEMBER(first_ts_ms),
    MEMBER(last_ts_ms),
    MEMBER(confirmed_signals),
    MEMBER(strong_signals),
    MEMBER(trade_minutes.newest),
    MEMBER(trade_minutes.bits),
};
static const struct member SUMS[] = {MEMBER(taker_buy), MEMBER(taker_sell), MEMBER(total)};
static const struct member SIDES[] = {MEMBER(bids), MEMBER(asks)};

enum {
    COUNT_COUNT = sizeof COUNTS / sizeof COUNTS[0],
    SUM_COUNT = sizeof SUMS / sizeof SUMS[0],
    SIDE_COUNT = sizeof SIDES / sizeof SIDES[0],
};

static void decimal_json(struct json *json, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];
    json_text_bytes(json, text, decimal_text(value, text));
}

void levels_json(struct json *json, const struct book_level levels[FIGURES_TOP_LEVELS])
{
    json_array_begin(json);
    for (int i = 0; i < FIGURES_TOP_LEVELS && !decimal_is_null(levels[i].price); i++) {
        json_array_begin(json);
        decimal_json(json, levels[i].price);
        decimal_json(json, levels[i].qty);
        json_array_end(json);
    }
    json_array_end(json);
}

void symbol_to_json(const struct symbol_figures *symbol, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    for (int i = 0; i < COUNT_COUNT; i++)
        json_key_i64(&json, COUNTS[i].name, *(const int64_t *)((const char *)symbol + COUNTS[i].offset));
    for (int i = 0; i < SUM_COUNT; i++) {
        char text[DECIMAL_TEXT_BYTES];
        decimal_sum_text((const struct decimal_sum *)((const char *)symbol + SUMS[i].offset), text);
        json_key_text(&json, SUMS[i].name, text);
    }
    for (int i = 0; i < SIDE_COUNT; i++) {
        json_key(&json, SIDES[i].name);
        levels_json(&json, (const struct book_level *)((const char *)symbol + SIDES[i].offset));
    }
    json_object_end(&json);
}

static bool read_decimal(yyjson_val *value, struct decimal *out)
{
    const char *text = yyjson_get_str(value);
    if (!text)
        return false;
    const char *point = strchr(text, '.');
    size_t decimals = point ? strlen(point + 1) : 0;
    *out = (struct decimal){.exponent = (int32_t)decimals};
    return decimals <= DECIMAL_EXPONENT_MAX &&
           decimal_parse(text, strlen(text), out->exponent, &out->units) == STATUS_OK;
}

static bool read_levels(yyjson_val *array, struct book_level levels[FIGURES_TOP_LEVELS])
{
    size_t count = yyjson_arr_size(array);
    bool fits = yyjson_is_arr(array) && count <= FIGURES_TOP_LEVELS;
    for (size_t i = 0; fits && i < count; i++) {
        yyjson_val *level = yyjson_arr_get(array, i);
        fits = read_decimal(yyjson_arr_get(level, 0), &levels[i].price) &&
               read_decimal(yyjson_arr_get(level, 1), &levels[i].qty);
    }
    return fits;
}

static bool read_members(yyjson_val *root, struct symbol_figures *symbol)
{
    char *base = (char *)symbol;
    bool fits = yyjson_is_obj(root);
    for (int i = 0; fits && i < COUNT_COUNT; i++) {
        yyjson_val *value = yyjson_obj_get(root, COUNTS[i].name);
        fits = yyjson_is_int(value);
        *(int64_t *)(base + COUNTS[i].offset) = yyjson_get_sint(value);
    }
    for (int i = 0; fits && i < SUM_COUNT; i++) {
        const char *text = yyjson_get_str(yyjson_obj_get(root, SUMS[i].name));
        fits = text && sum_parse(text, (struct decimal_sum *)(base + SUMS[i].offset)) == STATUS_OK;
    }
    for (int i = 0; fits && i < SIDE_COUNT; i++)
        fits =
            read_levels(yyjson_obj_get(root, SIDES[i].name), (struct book_level *)(base + SIDES[i].offset));
    return fits;
}

enum status symbol_from_json(const char *text, struct symbol_figures *symbol)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    bool fits = read_members(yyjson_doc_get_root(document), symbol);
    yyjson_doc_free(document);
    return fits ? STATUS_OK : STATUS_MALFORMED;
}
