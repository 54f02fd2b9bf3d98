#include "exporting.h"

#include "alerts/heard.h"
#include "base/map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Heartbeats come five times a second; who is silent for so long is not waited for. */
enum { EXPORTING_HEAR_MS = 1500 };

/* --- figures --- */

static void add_count(const struct run *run, struct export_figures *figures, const char *name,
                      const char *service, const char *counter)
{
    int64_t value;
    if (heard_counter(run, service, counter, &value))
        export_count(figures, name, NULL, NULL, value);
}

/* add_signals: as report counts them, from the rows; without report as signal itself does. */
static void add_signals(const struct run *run, struct export_figures *figures)
{
    int64_t ignored;
    bool report = heard_counter(run, "report", "signal_total", &ignored);
    const char *service = report ? "report" : "signal";
    add_count(run, figures, "signal_total", service, report ? "signal_total" : "signals");
    add_count(run, figures, "signal_confirmed_total", service,
              report ? "signal_confirmed_total" : "confirmed");
    export_add(figures, "signal_strong_ratio", NULL, NULL, heard_gauge(run, "report", "signal_strong_ratio"));
    double per_minute = heard_gauge(run, "report", "signal_per_minute");
    if (!isnan(per_minute))
        export_level(figures, "signal_per_minute_total", NULL, NULL, (int64_t)per_minute);
}

static void add_reason(void *context, const char *reason, double rows)
{
    export_count(context, "signal_gating_breakdown", "reason", reason, (int64_t)rows);
}

static void add_processes(const struct run *run, struct export_figures *figures)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (!run->processes[i].retired)
            export_level(figures, "process_up", "process", run->processes[i].name,
                         process_state_up(run->processes[i].supervisor.state));
}

/* symbol_figure: one that a service tells of each symbol as "figure/service/SYMBOL". */
struct symbol_figure {
    const char *name; /* as exported */
    const char *teller, *figure, *service;
    bool counts;  /* a counter */
    bool adds_up; /* each instance has a part of its own; else the last one that tells it is right */
};

/* symbol_series: each symbol is in it once: a target refuses one that is there twice, and of a symbol that has just moved two instances
 * have told. */
struct symbol_series {
    const struct symbol_figure *of;
    struct export_figures *figures;
    struct map index; /* symbol → figures */
    bool any;
};

static void add_symbol(void *context, const char *symbol, double value)
{
    struct symbol_series *series = context;
    struct export_figures *figures = series->figures;
    size_t at = map_get(&series->index, symbol);
    series->any = true;
    if (isnan(value))
        return;
    if (at != MAP_ABSENT) {
        figures->items[at].value = series->of->adds_up ? figures->items[at].value + value : value;
        return;
    }
    map_put(&series->index, symbol, figures->count);
    if (series->of->counts)
        export_count(figures, series->of->name, "symbol", symbol, (int64_t)value);
    else
        export_add(figures, series->of->name, "symbol", symbol, value);
}

/* add_symbols: false when nobody tells of any. */
static bool add_symbols(const struct run *run, struct export_figures *figures,
                        const struct symbol_figure *figure)
{
    char prefix[HEALTH_NAME_BYTES];
    struct symbol_series series = {.of = figure, .figures = figures};
    map_init(&series.index);
    snprintf(prefix, sizeof prefix, "%s/%s/", figure->figure, figure->service);
    heard_about(run, figure->teller, !figure->counts, prefix, add_symbol, &series);
    map_finish(&series.index);
    return series.any;
}

/* add_each_symbol: those of harvest stand beside one of all symbols, which has no label: a socket that is opened again carries many symbols,
 * and a quantile is no sum. */
static void add_each_symbol(const struct run *run, struct export_figures *figures)
{
    static const struct symbol_figure OF_SYMBOLS[] = {
        {"queue_dropped", "harvest", "queue_dropped", "harvest", true, true},
        {"ws_reconnects_total", "harvest", "reconnect_count", "harvest", true, false},
        {"dedup_hits_total", "harvest", "dedup_hits_total", "harvest", true, false},
        {"latency_ms_p50", "harvest", "latency_ms_p50", "harvest", false, false},
        {"latency_ms_p90", "harvest", "latency_ms_p90", "harvest", false, false},
        {"latency_ms_p99", "harvest", "latency_ms_p99", "harvest", false, false},
        {"cvd_scale_median", "features", "cvd_scale_median", "features", false, false},
        {"cvd_floor_hit_rate", "features", "cvd_floor_hit_rate", "features", false, false},
        {"p_abs_z_gt2", "features", "p_abs_z_gt2", "features", false, false},
        {"p_abs_z_gt3", "features", "p_abs_z_gt3", "features", false, false},
    };
    static const struct symbol_figure RATE = {"recv_rate_tps", "report", "recv_rate_tps",
                                              "harvest",       false,    false};
    for (size_t i = 0; i < sizeof OF_SYMBOLS / sizeof *OF_SYMBOLS; i++)
        add_symbols(run, figures, &OF_SYMBOLS[i]);
    if (!add_symbols(run, figures, &RATE))
        export_add(figures, "recv_rate_tps", NULL, NULL, heard_gauge_sum(run, "harvest", "recv_rate_tps"));
}

/* The mission's names: counters, gauges of the run, gauges of each symbol. recv_rate_tps of each symbol is report's to tell. */
static void add_market(const struct run *run, struct export_figures *figures)
{
    static const struct {
        const char *name, *service, *counter;
    } COUNTERS[] = {{"queue_dropped", "harvest", "queue_dropped"},
                    {"ws_reconnects_total", "harvest", "reconnect_count"},
                    {"dedup_hits_total", "harvest", "dedup_hits_total"}};
    static const struct {
        const char *name, *service;
    } GAUGES[] = {{"latency_ms_p50", "harvest"},
                  {"latency_ms_p90", "harvest"},
                  {"latency_ms_p99", "harvest"},
                  {"parquet_flush_sec", "archive"}};
    int64_t errors;
    for (size_t i = 0; i < sizeof COUNTERS / sizeof *COUNTERS; i++)
        add_count(run, figures, COUNTERS[i].name, COUNTERS[i].service, COUNTERS[i].counter);
    for (size_t i = 0; i < sizeof GAUGES / sizeof *GAUGES; i++)
        export_add(figures, GAUGES[i].name, NULL, NULL, heard_gauge(run, GAUGES[i].service, GAUGES[i].name));
    add_each_symbol(run, figures);
    if (heard_write_errors(run, &errors))
        export_count(figures, "write_errors_total", NULL, NULL, errors);
}

void exporting_figures(const struct run *run, struct export_figures *out_figures)
{
    add_signals(run, out_figures);
    heard_about(run, "report", false, "signal_gating/", add_reason, out_figures);
    add_market(run, out_figures);
    add_processes(run, out_figures);
    canary_watch_export_figures(run, out_figures);
}

/* --- what the exporter asks and tells --- */

static void gather(void *context, struct export_figures *out_figures)
{
    exporting_figures(context, out_figures);
}

static void told(void *context, const struct export_tick *tick, const char *error)
{
    struct run *run = context;
    feed_emit(&run->feed, tick->ok ? LOG_INFO : LOG_WARNING, "export", "",
              FEED_FIELDS(NUMBER("ok", tick->ok), NUMBER("attempts", tick->attempts),
                          NUMBER("status", tick->http_status), TEXT("reason", error ? error : "")));
    struct exporter_totals totals = exporter_totals(run->exporter);
    if (!tick->ok && totals.failed_in_a_row == 1)
        console_say(&run->console, "export failed: %s", error);
    if (tick->ok && totals.ok == 1)
        console_say(&run->console, "exporting figures to %s", config_text(run->config, "export.type"));
}

static void checked(void *context, bool reachable, const char *detail)
{
    struct run *run = context;
    feed_emit(&run->feed, reachable ? LOG_INFO : LOG_WARNING, "export_check", "",
              FEED_FIELDS(NUMBER("reachable", reachable), TEXT("detail", detail)));
    if (!reachable)
        console_say(&run->console, "export: %s; figures will be tried all the same", detail);
}

/* --- life --- */

/* token_of: secrets are in no file, so a run that is gone on with has it from its own environment. */
static const char *token_of(const struct run *run)
{
    const char *token = config_text(run->config, "export.influx_token");
    return *token ? token : config_environment_process(NULL, "INFLUX_TOKEN");
}

enum status exporting_open(struct run *run, struct error *error)
{
    struct exporter_config config;
    enum status status = exporter_config_read(run->config, run->run_id, token_of(run), &config, error);
    if (status != STATUS_OK)
        return status;
    config.clock = run->clock;
    config.gather = gather;
    config.told = told;
    config.checked = checked;
    config.context = run;
    return exporter_create(&config, &run->exporter, error);
}

void exporting_close(struct run *run)
{
    exporter_destroy(run->exporter);
    run->exporter = NULL;
}

/* hears: of a run that is gone on with: somebody who is at work has not been heard yet; his part would be missing in a sum, or old. */
static bool hears(const struct run *run)
{
    if (!run->adopted_ms || run_now_ms(run) >= run->adopted_ms + EXPORTING_HEAR_MS)
        return false;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        if (!process->retired && process->module->beats && process_state_up(process->supervisor.state) &&
            !process->telemetry.seen)
            return true;
    }
    return false;
}

void exporting_step(struct run *run)
{
    if (hears(run))
        return;
    if (run->go_ms)
        exporter_begin(run->exporter, run->go_ms);
    exporter_step(run->exporter);
}

int64_t exporting_due_ms(const struct run *run)
{
    return hears(run) ? run->adopted_ms + EXPORTING_HEAR_MS : exporter_due_ms(run->exporter);
}
