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
    out->backfill = config_bool(config, "harvest.backfill");
    out->use_nq = is(config, "harvest.qty_field", "nq");
    out->crossed_books = is(config, "ofi.mode", "legacy");
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

/* time_is_real: the venue's time is the time of day: only then its distance from this machine's says anything. */
static bool time_is_real(const struct config *config)
{
    return !is(config, "harvest.venue", "simulator") ||
           (is(config, "simulator.start", "now") && config_f64(config, "simulator.speed") == 1);
}

void receiver_settings(const struct config *config, const struct feed_config *feed,
                       struct receiver_config *out)
{
    *out = (struct receiver_config){
        .market = feed->market,
        .symbols = feed->symbols,
        .symbol_count = feed->symbol_count,
        .raw_trades = feed->raw_trades,
        .partial_books = feed->book_source == BOOK_SOURCE_PARTIAL,
        .backfill = feed->backfill,
        .is_simulator = is(config, "harvest.venue", "simulator"),
        .measures_clock = time_is_real(config),
        .is_routed = is(config, "harvest.url_mode", "routed"),
        .public_url = config_text(config, "harvest.public_url"),
        .market_url = config_text(config, "harvest.market_url"),
        .combined_url = config_text(config, "harvest.combined_url"),
        .rest_url = config_text(config, "harvest.rest_url"),
        .depth_stream = config_text(config, "harvest.depth_stream"),
        .waits_when_full = is(config, "harvest.on_full", "wait"),
        .ping_interval_s = (int)config_f64(config, "harvest.ping_interval_s"),
        .pong_timeout_s = (int)config_f64(config, "harvest.pong_timeout_s"),
        .backoff_initial_ms = config_i64(config, "harvest.backoff_initial_ms"),
        .backoff_factor = config_f64(config, "harvest.backoff_factor"),
        .backoff_cap_ms = config_i64(config, "harvest.backoff_cap_ms"),
        .backoff_jitter = config_f64(config, "harvest.backoff_jitter"),
        .backoff_reset_s = (int64_t)config_f64(config, "harvest.backoff_reset_s"),
        .trade_idle_ms = (int64_t)(1000 * config_f64(config, "harvest.trade_idle_s")),
        .book_idle_ms = (int64_t)(1000 * config_f64(config, "harvest.book_idle_s")),
        .max_connection_ms = (int64_t)(3600000 * config_f64(config, "harvest.max_connection_h")),
    };
}

void feed_metadata(const struct config *config, const char *run_id, const char *fingerprint,
                   const char *const *symbols, size_t symbol_count, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "run_id", run_id);
    json_key_text(&json, "config_fingerprint", fingerprint);
    json_key(&json, "symbols");
    json_array_begin(&json);
    for (size_t i = 0; i < symbol_count; i++)
        json_text(&json, symbols[i]);
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
