#include "settings.h"

#include "base/json.h"

#include <orderflow_version.h>
#include <string.h>

static bool is(const struct config *config, const char *key, const char *text)
{
    return strcmp(config_text(config, key), text) == 0;
}

void feed_settings(const struct config *config, const char *const *symbols, size_t symbol_count,
                   struct feed_config *out)
{
    feed_config_defaults(out);
    out->market = (enum venue_market)venue_market_from_name(config_text(config, "harvest.market"));
    out->symbols = symbols;
    out->symbol_count = symbol_count;
    out->raw_trades = is(config, "harvest.trade_stream", "trade");
    out->book_source = is(config, "harvest.book_source", "partial") ? BOOK_SOURCE_PARTIAL : BOOK_SOURCE_DIFF;
    out->use_nq = is(config, "harvest.qty_field", "nq");
    int64_t levels = config_i64(config, "ofi.levels");
    out->levels = (int32_t)(levels > BOOK_LEVELS_DEFAULT ? levels : BOOK_LEVELS_DEFAULT);
    out->watermark_ms = config_i64(config, "harvest.watermark_ms");
    out->dedup_lru = config_i64(config, "harvest.dedup_lru");
    out->max_clock_skew_ms = config_i64(config, "harvest.max_clock_skew_ms");
    out->grid_ms = config_i64(config, "features.grid_ms");
    out->step_ms = config_i64(config, "strategy_mode.step_ms");
    out->trade_idle_s = (int64_t)config_f64(config, "harvest.trade_idle_s");
    out->book_idle_s = (int64_t)config_f64(config, "harvest.book_idle_s");
}

void feed_metadata(const struct config *config, const char *run_id, const char *fingerprint, struct buffer *out)
{
    struct json json;
    struct config_list symbols = config_list(config, "run.symbols");
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "run_id", run_id);
    json_key_text(&json, "config_fingerprint", fingerprint);
    json_key(&json, "symbols");
    json_array_begin(&json);
    for (size_t i = 0; i < symbols.count; i++)
        json_text(&json, symbols.texts[i]);
    json_array_end(&json);
    json_key(&json, "versions");
    json_object_begin(&json);
    json_key_text(&json, "orderflow", ORDERFLOW_VERSION);
    json_key_text(&json, "git_head", ORDERFLOW_GIT_HEAD);
    json_key_text(&json, "compiler", ORDERFLOW_COMPILER);
    json_object_end(&json);
    json_key(&json, "config"); /* stays last: a replay takes everything behind this key (stage/replay.c) */
    config_json(config, out);
    json_object_end(&json);
}
