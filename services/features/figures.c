#include "figures.h"

#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 128 }; /* a heartbeat takes 63 of them; ours are shorter */

void figures_init(struct figures *figures)
{
    *figures = (struct figures){
        .worst = {.scale_median = NAN, .floor_hit_rate = NAN, .abs_z_gt2 = NAN, .abs_z_gt3 = NAN}};
}

static void report_gauges(const struct cvd_diagnostics *cvd, const char *about, struct stage_report *report)
{
    const struct {
        const char *name;
        double value;
    } gauges[] = {{"cvd_scale_median", cvd->scale_median},
                  {"cvd_floor_hit_rate", cvd->floor_hit_rate},
                  {"p_abs_z_gt2", cvd->abs_z_gt2},
                  {"p_abs_z_gt3", cvd->abs_z_gt3}};
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s%s", gauges[i].name, about);
        stage_report_gauge(report, name, gauges[i].value);
    }
}

void figures_add(struct figures *figures, const struct features_symbol *engine, const char *symbol,
                 struct stage_report *report)
{
    const char *name;
    int64_t value;
    size_t count = 0;
    for (; count < FIGURES_COUNTERS_MAX && features_symbol_counter(engine, count, &name, &value); count++) {
        figures->names[count] = name;
        figures->values[count] += value;
    }
    figures->counter_count = count;
    struct features_gauges own;
    char about[NAME_BYTES / 2];
    features_symbol_gauges(engine, &own);
    snprintf(about, sizeof about, "/features/%s", symbol);
    if (!stage_report_is_brief(report))
        report_gauges(&own.cvd, about, report);
    figures->worst.scale_median = fmax(figures->worst.scale_median, own.cvd.scale_median);
    figures->worst.floor_hit_rate = fmax(figures->worst.floor_hit_rate, own.cvd.floor_hit_rate);
    figures->worst.abs_z_gt2 = fmax(figures->worst.abs_z_gt2, own.cvd.abs_z_gt2);
    figures->worst.abs_z_gt3 = fmax(figures->worst.abs_z_gt3, own.cvd.abs_z_gt3);
}

void figures_report(const struct figures *figures, struct stage_report *report)
{
    for (size_t i = 0; i < figures->counter_count; i++)
        stage_report_counter(report, figures->names[i], figures->values[i]);
    report_gauges(&figures->worst, "", report);
}

void figures_ledger(const struct features_symbol *symbol, size_t index, struct stage_ledger *ledger)
{
    const char *name;
    int64_t value;
    for (size_t i = 0; features_symbol_counter(symbol, i, &name, &value); i++)
        stage_ledger_count(ledger, index, name, value);
}
