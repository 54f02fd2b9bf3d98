#include "figures.h"

#include <math.h>

void figures_init(struct figures *figures)
{
    *figures = (struct figures){
        .worst = {.scale_median = NAN, .floor_hit_rate = NAN, .abs_z_gt2 = NAN, .abs_z_gt3 = NAN}};
}

void figures_add(struct figures *figures, const struct features_symbol *symbol)
{
    const char *name;
    int64_t value;
    size_t count = 0;
    for (; count < FIGURES_COUNTERS_MAX && features_symbol_counter(symbol, count, &name, &value); count++) {
        figures->names[count] = name;
        figures->values[count] += value;
    }
    figures->counter_count = count;
    struct features_gauges own;
    features_symbol_gauges(symbol, &own);
    figures->worst.scale_median = fmax(figures->worst.scale_median, own.cvd.scale_median);
    figures->worst.floor_hit_rate = fmax(figures->worst.floor_hit_rate, own.cvd.floor_hit_rate);
    figures->worst.abs_z_gt2 = fmax(figures->worst.abs_z_gt2, own.cvd.abs_z_gt2);
    figures->worst.abs_z_gt3 = fmax(figures->worst.abs_z_gt3, own.cvd.abs_z_gt3);
}

void figures_report(const struct figures *figures, struct stage_report *report)
{
    for (size_t i = 0; i < figures->counter_count; i++)
        stage_report_counter(report, figures->names[i], figures->values[i]);
    stage_report_gauge(report, "cvd_scale_median", figures->worst.scale_median);
    stage_report_gauge(report, "cvd_floor_hit_rate", figures->worst.floor_hit_rate);
    stage_report_gauge(report, "p_abs_z_gt2", figures->worst.abs_z_gt2);
    stage_report_gauge(report, "p_abs_z_gt3", figures->worst.abs_z_gt3);
}

void figures_ledger(const struct features_symbol *symbol, size_t index, struct stage_ledger *ledger)
{
    const char *name;
    int64_t value;
    for (size_t i = 0; features_symbol_counter(symbol, i, &name, &value); i++)
        stage_ledger_count(ledger, index, name, value);
}
