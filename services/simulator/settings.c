#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* start_ms: where the market begins, and whether a recording has to be moved there. */
static int64_t start_ms(const struct config *config, bool *out_moved)
{
    const char *start = config_text(config, "simulator.start");
    struct clock clock = clock_system();
    *out_moved = strcmp(start, "recorded") != 0;
    if (!*out_moved)
        return SYNTHETIC_START_MS;
    return strcmp(start, "now") == 0 ? clock_wall_ms(&clock) : strtoll(start, NULL, 10);
}

/* symbols: the chosen ones; run.symbols only for the synthetic market, which needs some. */
static struct config_list symbols(const struct config *config, bool recorded)
{
    struct config_list own = config_list(config, "simulator.symbols");
    return own.count || recorded ? own : config_list(config, "run.symbols");
}

static void describe_market(const struct config *config, bool recorded, struct venue_config *venue)
{
    struct config_list chosen = symbols(config, recorded);
    venue->synthetic = (struct synthetic_config){
        .seed = (uint64_t)config_i64(config, "simulator.seed"),
        .symbols = chosen.texts,
        .symbol_count = chosen.count,
        .market = MARKET_USDM,
        .rate_per_s = config_f64(config, "simulator.rate"),
        .flow_strength = config_f64(config, "simulator.flow_strength"),
        .size_sigma = config_f64(config, "simulator.size_sigma"),
        .start_ms = start_ms(config, &venue->shift),
        .length_ms = (int64_t)ceil(config_f64(config, "simulator.minutes") * 60000),
    };
    /* The schema knows the same three names; anything else would be its mistake. */
    if (!market_parse(config_text(config, "harvest.market"), &venue->synthetic.market))
        abort();
}

void simulator_settings(const struct config *config, struct simulator_config *out)
{
    struct config_list captures = config_list(config, "simulator.captures");
    const char *inject = config_text(config, "simulator.inject");
    *out = (struct simulator_config){
        .host = config_text(config, "simulator.host"),
        .port = (int)config_i64(config, "simulator.port"),
        .tls = config_bool(config, "simulator.tls"),
        .state_dir = config_text(config, "run.state_dir"),
        .speed = config_f64(config, "simulator.speed"),
        .venue = {.captures = captures.texts, .capture_count = captures.count},
        .inject_path = *inject ? inject : NULL,
        .rest_delay_ms = config_i64(config, "simulator.rest_delay_ms"),
        .clock = clock_system(),
    };
    out->follows_wall = out->speed == 1 && strcmp(config_text(config, "simulator.start"), "now") == 0;
    describe_market(config, captures.count > 0, &out->venue);
    struct config_list all = config_list(config, "run.symbols");
    bool several = config_i64(config, "scale.harvest") > 1;
    out->first_all = several && captures.count && !config_is_chosen(config, "run.symbols");
    if (several && !out->first_all) {
        out->first_symbols = all.texts;
        out->first_symbol_count = all.count;
    }
}
