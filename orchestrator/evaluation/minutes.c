/* Minute by minute: figures into the time series, figures against the gates. */
#include "base/clock.h"
#include "base/json.h"
#include "canary_report.h"
#include "evaluate/merge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE_LENGTH_MS = 60000, DAY_LENGTH_MS = 86400000 };

static const char TIMESERIES_HEADER[] =
    "ts_ms,symbol,horizon_s,n,n_eff,tie_share,unlabeled,fusion_auc_active,fusion_auc_active_lo95,"
    "fusion_auc_active_hi95,fusion_auc_active_10m,auc_all,slice_auc_tokyo,slice_auc_london,slice_auc_ny,ece,"
    "brier,"
    "brier_baseline,brier_improvement_pct,platt_train_samples,platt_test_samples,merge_time_diff_ms_p50,"
    "merge_time_diff_ms_p90,merge_time_diff_ms_p99,match_rate,topk_hit_rate_5p,sigma_floor_hit_rate,winsor_"
    "hit_rate,"
    "cvd_direction,calibration_state,slice_weight_active,slo_state\n";
static const char MERGES_HEADER[] =
    "window_end_ms,symbol,signal,n_total,n_matched,match_rate,p50,p90,p99,merge_tol_ms\n";
static const char CALIBRATIONS_HEADER[] =
    "window_start_ms,window_end_ms,method,a,b,train_n,test_n,ece_before,ece_after,brier_before,brier_after,"
    "brier_baseline,brier_improvement_pct,calibration_state,symbol\n";
static const char SLICES_HEADER[] =
    "slice,symbol,horizon_s,n,n_pos,n_eff,auc,auc_lo95,auc_hi95,delta_auc,ece,action,verdict\n";
enum { TIMESERIES_SYMBOL = 1, MERGES_SYMBOL = 1, CALIBRATIONS_SYMBOL = 14 }; /* columns */

void csv_number(struct buffer *row, double value)
{
    char text[F64_TEXT_BYTES];
    buffer_append_byte(row, ',');
    if (isnan(value))
        return;
    f64_text(value, text);
    buffer_append_text(row, text);
}

static void csv_name(struct buffer *row, const char *const names[], uint8_t index)
{
    buffer_format(row, ",%s", index == SERIES_UNKNOWN ? "" : names[index]);
}

const char *const FIGURE_NAMES[FIGURES] = {"fusion_auc_active",
                                           "fusion_auc_active_lo95",
                                           "fusion_auc_active_hi95",
                                           "fusion_auc_active_10m",
                                           "auc_all",
                                           "slice_auc_tokyo",
                                           "slice_auc_london",
                                           "slice_auc_ny",
                                           "ece",
                                           "brier",
                                           "brier_baseline",
                                           "brier_improvement_pct",
                                           "platt_train_samples",
                                           "platt_test_samples",
                                           "merge_time_diff_ms_p50",
                                           "merge_time_diff_ms_p90",
                                           "merge_time_diff_ms_p99",
                                           "match_rate",
                                           "topk_hit_rate_5p",
                                           "sigma_floor_hit_rate",
                                           "winsor_hit_rate"};

void figures_of(const struct measures *m, double out[FIGURES])
{
    const struct auc *active = &m->slices[SLICE_ACTIVE];
    const double figures[FIGURES] = {active->value,
                                     active->lo95,
                                     active->hi95,
                                     m->active_display,
                                     m->all,
                                     m->slices[SLICE_TOKYO].value,
                                     m->slices[SLICE_LONDON].value,
                                     m->slices[SLICE_NY].value,
                                     m->ece,
                                     m->brier,
                                     m->brier_baseline,
                                     m->brier_improvement_pct,
                                     m->platt_train,
                                     m->platt_test,
                                     m->merge.p50,
                                     m->merge.p90,
                                     m->merge.p99,
                                     m->merge.match_rate,
                                     m->top_k,
                                     m->floor_rate,
                                     m->winsor_rate};
    memcpy(out, figures, sizeof figures);
}

/* timeseries_row: the weight is that of the rows from this minute's end on. */
static void timeseries_row(const struct symbol_report *symbol, const struct measures *m, int64_t horizon_ms,
                           struct buffer *out)
{
    double figures[FIGURES];
    figures_of(m, figures);
    buffer_format(out, "%lld,%s,%lld,%lld,%lld", (long long)m->end_ms, symbol->symbol,
                  (long long)(horizon_ms / 1000), (long long)m->n, (long long)m->n_eff);
    csv_number(out, m->tie_share);
    buffer_format(out, ",%lld", (long long)m->unlabeled);
    for (size_t i = 0; i < FIGURES; i++)
        csv_number(out, figures[i]);
    csv_name(out, CVD_DIRECTION_NAMES, m->direction);
    csv_name(out, CALIBRATION_STATE_NAMES, m->state);
    csv_number(out, judge_weight(symbol));
    buffer_format(out, ",%s\n", CANARY_VERDICT_NAMES[symbol->slo]);
}

static void merge_rows(const struct series *series, const struct tolerance *tolerance, int64_t end_ms,
                       struct measure_scratch *scratch, struct buffer *out)
{
    for (enum merge_signal signal = 0; signal < MERGE_SIGNALS; signal++) {
        struct merge merge = measure_merge(series, signal, tolerance, end_ms, scratch);
        buffer_format(out, "%lld,%s,%s,%lld,%lld", (long long)end_ms, series->symbol,
                      MERGE_SIGNAL_NAMES[signal], (long long)merge.n_total, (long long)merge.n_matched);
        csv_number(out, merge.match_rate);
        csv_number(out, merge.p50);
        csv_number(out, merge.p90);
        csv_number(out, merge.p99);
        buffer_format(out, ",%lld\n", (long long)tolerance->now_ms);
    }
}

static void slices_write(const struct canary_report *report, const struct symbol_report *symbol,
                         struct buffer *out)
{
    const struct judged *judged = &symbol->gates[CANARY_AUC];
    for (size_t h = 0; h < report->horizon_count; h++) {
        const struct measures *m = &symbol->newest[h];
        for (enum slice slice = 0; slice < SLICE_COUNT; slice++) {
            bool acts = slice == SLICE_ACTIVE && judged->state.step;
            const struct auc *auc = &m->slices[slice];
            buffer_format(out, "%s,%s,%lld,%lld,%lld,%lld", SLICE_NAMES[slice], symbol->symbol,
                          (long long)(report->horizons_ms[h] / 1000), (long long)auc->n, (long long)auc->ones,
                          (long long)auc->n_eff);
            csv_number(out, auc->value);
            csv_number(out, auc->lo95);
            csv_number(out, auc->hi95);
            csv_number(out, auc->value - m->all);
            csv_number(out, m->slice_ece[slice]);
            buffer_format(out, ",%s,%s\n",
                          acts ? canary_gate_rule(CANARY_AUC)->actions[judged->state.step - 1] : "",
                          CANARY_VERDICT_NAMES[canary_compare(">=", auc->value, judged->threshold)]);
        }
    }
}

/* --- one symbol --- */

void symbol_report_init(struct symbol_report *symbol, const char *name, const struct config *config,
                        const struct series_settings *settings)
{
    *symbol =
        (struct symbol_report){.first_ms = INT64_MAX, .direction = SERIES_UNKNOWN, .slo = CANARY_UNKNOWN};
    snprintf(symbol->symbol, sizeof symbol->symbol, "%s", name);
    symbol->tolerance = (struct tolerance){settings->merge_tol_ms, settings->merge_tol_ms, INT64_MIN};
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++)
        symbol->gates[gate].measured = NAN;
    judge_thresholds(config, symbol->gates);
}

int64_t canary_report_from_ms(const struct symbol_report *symbol, const struct series_settings *settings,
                              int64_t below_ms)
{
    if (!symbol->minutes)
        return INT64_MIN;
    int64_t from_ms = symbol->last_end_ms - series_look_back_ms(settings);
    int64_t check_ms = checks_from_ms(symbol, settings);
    return checks_due_ms(symbol, settings) < below_ms && check_ms < from_ms ? check_ms : from_ms;
}

/* turns_take: changes of direction of the minute's rows; those a day old are forgotten. */
static void turns_take(struct symbol_report *symbol, const struct series *series, int64_t end_ms)
{
    size_t kept = 0;
    for (size_t i = measure_second(series, end_ms - MINUTE_LENGTH_MS), end = measure_second(series, end_ms);
         i < end; i++) {
        uint8_t direction = series->directions[i];
        bool turned = direction != SERIES_UNKNOWN && symbol->direction != SERIES_UNKNOWN &&
                      direction != symbol->direction;
        if (turned && symbol->flip_count < FLIPS_MAX)
            symbol->flips_ms[symbol->flip_count++] = series->merges[i].ts_ms;
        symbol->direction = direction == SERIES_UNKNOWN ? symbol->direction : direction;
    }
    for (size_t i = 0; i < symbol->flip_count; i++)
        if (symbol->flips_ms[i] > end_ms - DAY_LENGTH_MS)
            symbol->flips_ms[kept++] = symbol->flips_ms[i];
    symbol->flip_count = kept;
}

static void measure_all(struct symbol_report *symbol, const struct series *series,
                        const struct series_settings *settings, const struct tolerance *tolerance,
                        int64_t end_ms, struct measure_scratch *scratch)
{
    for (size_t h = 0; h < settings->horizon_count; h++)
        measure_minute(series, settings, h, tolerance, end_ms, scratch, &symbol->newest[h]);
}

static void minute(struct canary_report *report, struct symbol_report *symbol, const struct series *series,
                   const struct series_settings *settings, int64_t end_ms, struct measure_scratch *scratch)
{
    int64_t matured_ms = settings->gate_window_ms + settings->primary_ms + settings->tol_ms;
    struct tolerance tolerance = symbol->tolerance; /* what the gates decide now is of later seconds */
    turns_take(symbol, series, end_ms);
    measure_all(symbol, series, settings, &tolerance, end_ms, scratch);
    symbol->slo = judge_minute(report, symbol, settings, end_ms - symbol->first_ms >= matured_ms);
    for (size_t h = 0; h < settings->horizon_count; h++)
        timeseries_row(symbol, &symbol->newest[h], settings->horizons_ms[h], &report->timeseries.rows);
    merge_rows(series, &tolerance, end_ms, scratch, &report->merges.rows);
    symbol->first_end_ms = symbol->minutes ? symbol->first_end_ms : end_ms;
    symbol->last_end_ms = end_ms;
    symbol->minutes++;
    calibrations_add(report, symbol, series, settings, end_ms);
    checks_add(report, symbol, series, settings, end_ms, scratch);
}

void canary_report_symbol(struct canary_report *report, struct symbol_report *symbol, struct series *series,
                          const struct series_settings *settings)
{
    struct measure_scratch scratch;
    int64_t below_ms = archived_below_ms(&report->archived, symbol->symbol);
    if (series->first_ms > series->last_ms)
        return;
    if (!symbol->minutes)
        symbol->first_ms = series->first_ms;
    series->first_ms = symbol->first_ms;
    fits_fill(series, settings, series_primary(settings), canary_report_from_ms(symbol, settings, below_ms));
    measure_scratch_make(series, &scratch);
    int64_t begun_ms =
        symbol->minutes ? symbol->last_end_ms : floor_multiple(symbol->first_ms, MINUTE_LENGTH_MS);
    if (symbol->minutes) /* should no minute follow, the report still tells of the newest */
        measure_all(symbol, series, settings, &symbol->tolerance, symbol->last_end_ms, &scratch);
    for (int64_t end_ms = begun_ms + MINUTE_LENGTH_MS; end_ms <= series->last_ms && end_ms < below_ms;
         end_ms += MINUTE_LENGTH_MS)
        minute(report, symbol, series, settings, end_ms, &scratch);
    if (symbol->minutes)
        slices_write(report, symbol, &report->slices);
    measure_scratch_finish(&scratch);
}

void canary_report_begin(struct canary_report *report)
{
    table_init(&report->timeseries, TIMESERIES_HEADER, TIMESERIES_SYMBOL);
    table_init(&report->merges, MERGES_HEADER, MERGES_SYMBOL);
    table_init(&report->calibrations, CALIBRATIONS_HEADER, CALIBRATIONS_SYMBOL);
    buffer_init(&report->slices, 0);
    buffer_append_text(&report->slices, SLICES_HEADER);
}

void canary_report_finish(struct canary_report *report)
{
    table_finish(&report->timeseries);
    table_finish(&report->merges);
    table_finish(&report->calibrations);
    buffer_finish(&report->slices);
    for (size_t i = 0; i < report->symbol_count; i++)
        free(report->symbols[i].decisions);
    for (size_t i = 0; i < report->check_count; i++)
        buffer_finish(&report->checks[i].json);
    free(report->checks);
    archived_finish(&report->archived);
}
