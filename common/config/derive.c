/* derive: built-in values that depend on other keys. */
#include "internal.h"
#include "schema_rows.h"

#include <stdio.h>
#include <string.h>

static bool with_simulator(const struct config *config)
{
    return strcmp(config_text(config, "harvest.venue"), "simulator") == 0;
}

static bool give_text(struct config_value *out, const char *text)
{
    *out = (struct config_value){.type = CONFIG_TEXT, .text = text};
    return true;
}

static bool give_i64(struct config_value *out, int64_t integer)
{
    *out = (struct config_value){.type = CONFIG_I64, .integer = integer};
    return true;
}

static bool give_f64(struct config_value *out, double number)
{
    *out = (struct config_value){.type = CONFIG_F64, .number = number == 0 ? 0 : number};
    return true;
}

bool derive_replay_mode(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_i64(out, strcmp(config_text(config, "run.input_mode"), "preview") == 0);
}

bool derive_simulator_speed(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_f64(out, config_f64(config, "run.time_scale"));
}

bool derive_url_mode(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_text(out, with_simulator(config) ? "combined" : "routed");
}

bool derive_on_full(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_text(out, with_simulator(config) ? "wait" : "drop");
}

bool derive_clock_skew(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_i64(out, with_simulator(config) ? 0 : 60000);
}

/* Binance's addresses per market (data.md §1.1). Only USD-M futures split books from trades. */
enum address { ADDRESS_PUBLIC, ADDRESS_MARKET, ADDRESS_COMBINED, ADDRESS_REST, ADDRESS_COUNT };

static bool give_address(const struct config *config, enum address address, struct config_value *out)
{
    static const struct {
        const char *market;
        const char *urls[ADDRESS_COUNT];
    } VENUES[] = {
        {"usdm",
         {"wss://fstream.binance.com/public", "wss://fstream.binance.com/market", "wss://fstream.binance.com",
          "https://fapi.binance.com"}},
        {"coinm",
         {"wss://dstream.binance.com", "wss://dstream.binance.com", "wss://dstream.binance.com",
          "https://dapi.binance.com"}},
        {"spot",
         {"wss://stream.binance.com:9443", "wss://stream.binance.com:9443", "wss://stream.binance.com:9443",
          "https://api.binance.com"}},
    };
    if (with_simulator(config))
        return give_text(out, "");
    const char *market = config_text(config, "harvest.market");
    for (size_t i = 0; i < sizeof VENUES / sizeof *VENUES; i++)
        if (strcmp(VENUES[i].market, market) == 0)
            return give_text(out, VENUES[i].urls[address]);
    return false;
}

bool derive_public_url(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_address(config, ADDRESS_PUBLIC, out);
}

bool derive_market_url(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_address(config, ADDRESS_MARKET, out);
}

bool derive_combined_url(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_address(config, ADDRESS_COMBINED, out);
}

bool derive_rest_url(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_address(config, ADDRESS_REST, out);
}

bool derive_half_life_fast(const struct config *config, const char *symbol, struct config_value *out)
{
    return give_f64(out, config_symbol_f64(config, symbol, "cvd.half_life_sec") / 10);
}

bool derive_fuse_sell(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_f64(out, -config_f64(config, "fusion.fuse_buy"));
}

bool derive_fuse_strong_sell(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_f64(out, -config_f64(config, "fusion.fuse_strong_buy"));
}

bool derive_bus_dir(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_text(out, config->bus_dir);
}

bool derive_curve_dir(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    return give_text(out, config->curve_dir);
}

bool derive_export_enabled(const struct config *config, const char *symbol, struct config_value *out)
{
    (void)symbol;
    bool influx = strncmp(config_text(config, "export.type"), "influxdb", 8) == 0;
    bool none = strcmp(config_text(config, "export.type"), "none") == 0;
    bool url = *config_text(config, "export.url") || (influx && *config_text(config, "export.influx_url"));
    *out = (struct config_value){.type = CONFIG_BOOL, .boolean = !none && url};
    return true;
}

void config_settle(struct config *config)
{
    snprintf(config->bus_dir, sizeof config->bus_dir, "%s/bus", config_text(config, "run.output_dir"));
    snprintf(config->curve_dir, sizeof config->curve_dir, "%s/keys", config_text(config, "run.state_dir"));
}
