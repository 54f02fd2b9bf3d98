/* Minute by minute: figures into the time series, figures against the gates. */
#include "base/clock.h"
#include "base/json.h"
#include "canary_report.h"
#include "evaluate/merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MINUTE_LENGTH_MS = 60000 };

static const char TIMESERIES_HEADER[] =
    "ts_ms,symbol,horizon_s,n,n_eff,tie_share,unlabeled,fusion_auc_active,fusion_auc_active_lo95,"
    "fusion_auc_active_hi95,fusion_auc_active_10m,auc_all,slice_auc_tokyo,slice_auc_london,slice_auc_ny,ece,"
    "brier,"
    "brier_baseline,brier_improvement_pct,platt_train_samples,platt_test_samples,merge_time_diff_ms_p50,"
    "merge_time_diff_ms_p90,merge_time_diff_ms_p99,match_rate,topk_hit_rate_5p,sigma_floor_hit_rate,winsor_"
    "hit_rate,"
    "cvd_direction,calibration_state,slice_weight_active,slo_state\n";

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

/* slice_weight_active is empty: it is a decision, and no stored row tells of it. */
static void timeseries_row(const struct measures *m, const char *symbol, int64_t horizon_ms,
                           enum canary_verdict state, struct buffer *out)
{
    const struct auc *active = &m->slices[SLICE_ACTIVE];
    const double figures[] = {active->value,
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
    buffer_format(out, "%lld,%s,%lld,%lld,%lld", (long long)m->end_ms, symbol, (long long)(horizon_ms / 1000),
                  (long long)m->n, (long long)m->n_eff);
    csv_number(out, m->tie_share);
    buffer_format(out, ",%lld", (long long)m->unlabeled);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        csv_number(out, figures[i]);
    csv_name(out, CVD_DIRECTION_NAMES, m->direction);
    csv_name(out, CALIBRATION_STATE_NAMES, m->state);
    buffer_format(out, ",,%s\n", CANARY_VERDICT_NAMES[state]);
}

static void merge_rows(const struct series *series, const struct series_settings *settings, int64_t end_ms,
                       struct measure_scratch *scratch, struct buffer *out)
{
    int64_t from_ms = end_ms - 300000 > series->first_ms ? end_ms - 300000 : series->first_ms;
    int64_t to_ms = end_ms - 1 < series->last_ms ? end_ms - 1 : series->last_ms;
    for (enum merge_signal signal = 0; signal < MERGE_SIGNALS; signal++) {
        struct merge merge = merge_measure(series->merges, series->merge_count, signal,
                                           settings->merge_tol_ms, from_ms, to_ms, scratch->work);
        buffer_format(out, "%lld,%s,%s,%lld,%lld", (long long)end_ms, series->symbol,
                      MERGE_SIGNAL_NAMES[signal], (long long)merge.n_total, (long long)merge.n_matched);
        csv_number(out, merge.match_rate);
        csv_number(out, merge.p50);
        csv_number(out, merge.p90);
        csv_number(out, merge.p99);
        buffer_format(out, ",%lld\n", (long long)settings->merge_tol_ms);
    }
}

/* --- judging --- */

/* best_auc: the gate passes with one horizon. */
static void best_auc(const struct canary_report *report, const struct measures *by_horizon,
                     struct judged *out)
{
    out->measured = NAN;
    out->n = 0;
    for (size_t h = 0; h < report->horizon_count; h++) {
        const struct auc *active = &by_horizon[h].slices[SLICE_ACTIVE];
        if (isnan(active->value) || active->value <= out->measured)
            continue;
        out->measured = active->value;
        out->n = active->n;
    }
}

static void figures_take(const struct canary_report *report, const struct measures *by_horizon,
                         const struct measures *primary, struct judged gates[CANARY_GATES])
{
    const struct config *config = report->config;
    best_auc(report, by_horizon, &gates[CANARY_AUC]);
    gates[CANARY_ECE].measured = primary->ece;
    gates[CANARY_PLATT].measured = primary->platt_test;
    gates[CANARY_BRIER].measured = primary->brier_improvement_pct;
    gates[CANARY_MERGE].measured = primary->merge.p99;
    gates[CANARY_MATCH].measured = primary->merge.match_rate;
    gates[CANARY_DIRECTION].measured =
        primary->direction == SERIES_UNKNOWN ? NAN : (double)primary->flips_24h;
    for (enum canary_gate gate = CANARY_ECE; gate <= CANARY_BRIER; gate++)
        gates[gate].n = isnan(primary->platt_test) ? 0 : (int64_t)primary->platt_test;
    gates[CANARY_MERGE].n = primary->merge.n_rows;
    gates[CANARY_MATCH].n = gates[CANARY_DIRECTION].n = primary->merge.n_total;
    gates[CANARY_AUC].threshold = config_f64(config, "canary.auc_min");
    gates[CANARY_ECE].threshold = config_f64(config, "canary.ece_max");
    gates[CANARY_PLATT].threshold = 0;
    gates[CANARY_BRIER].threshold = config_f64(config, "canary.brier_min_pct");
    gates[CANARY_MERGE].threshold = (double)config_i64(config, "canary.merge_p99_max_ms");
    gates[CANARY_MATCH].threshold = config_f64(config, "canary.match_min");
    gates[CANARY_DIRECTION].threshold = 2;
}

/* judge: all gates of a minute; their worst. */
static enum canary_verdict judge(const struct canary_report *report, const struct measures *by_horizon,
                                 size_t primary, bool is_matured, struct judged gates[CANARY_GATES])
{
    enum canary_verdict worst = CANARY_PASS;
    figures_take(report, by_horizon, &by_horizon[primary], gates);
    if (!is_matured && gates[CANARY_PLATT].measured == 0)
        gates[CANARY_PLATT].measured = NAN; /* nothing to calibrate with yet is no calibration that failed */
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++) {
        const struct canary_gate_rule *rule = canary_gate_rule(gate);
        enum canary_verdict verdict = canary_compare(rule->op, gates[gate].measured, gates[gate].threshold);
        enum canary_event event = canary_gate_evaluate(rule, &gates[gate].state, verdict, is_matured);
        gates[gate].fired += event == CANARY_FIRED;
        gates[gate].recovered += event == CANARY_RECOVERED;
        worst = canary_worse(worst, verdict);
    }
    return worst;
}

static void slices_write(const struct canary_report *report, const struct symbol_report *symbol,
                         struct buffer *out)
{
    for (size_t h = 0; h < report->horizon_count; h++) {
        const struct measures *m = &symbol->newest[h];
        for (enum slice slice = 0; slice < SLICE_COUNT; slice++) {
            bool active = slice == SLICE_ACTIVE;
            const struct auc *auc = &m->slices[slice];
            buffer_format(out, "%s,%s,%lld,%lld,%lld,%lld", SLICE_NAMES[slice], symbol->symbol,
                          (long long)(report->horizons_ms[h] / 1000), (long long)auc->n, (long long)auc->ones,
                          (long long)auc->n_eff);
            csv_number(out, auc->value);
            csv_number(out, auc->lo95);
            csv_number(out, auc->hi95);
            csv_number(out, auc->value - m->all);
            csv_number(out, NAN); /* of probabilities of one slice: too few to be measured apart */
            const struct canary_gate_state *state = &symbol->gates[CANARY_AUC].state;
            double threshold = symbol->gates[CANARY_AUC].threshold;
            buffer_format(out, ",%s,%s\n",
                          active && state->step ? canary_gate_rule(CANARY_AUC)->actions[state->step - 1] : "",
                          CANARY_VERDICT_NAMES[canary_compare(">=", auc->value, threshold)]);
        }
    }
}

static size_t primary_of(const struct series_settings *settings)
{
    for (size_t h = 0; h < settings->horizon_count; h++)
        if (settings->horizons_ms[h] == settings->primary_ms)
            return h;
    return 0;
}

void canary_report_symbol(struct canary_report *report, const struct series *series,
                          const struct series_settings *settings)
{
    struct symbol_report *symbol = &report->symbols[report->symbol_count++];
    struct measure_scratch scratch;
    *symbol = (struct symbol_report){.symbol = series->symbol};
    report->horizon_count = settings->horizon_count;
    memcpy(report->horizons_ms, settings->horizons_ms, sizeof report->horizons_ms);
    for (enum canary_gate gate = 0; gate < CANARY_GATES; gate++)
        symbol->gates[gate].measured = NAN;
    if (series->first_ms > series->last_ms)
        return;
    measure_scratch_make(series, &scratch);
    for (int64_t end_ms = floor_multiple(series->first_ms, MINUTE_LENGTH_MS) + MINUTE_LENGTH_MS;
         end_ms <= series->last_ms; end_ms += MINUTE_LENGTH_MS) {
        for (size_t h = 0; h < settings->horizon_count; h++)
            measure_minute(series, settings, h, end_ms, &scratch, &symbol->newest[h]);
        bool is_matured =
            end_ms - series->first_ms >= settings->gate_window_ms + settings->primary_ms + settings->tol_ms;
        enum canary_verdict verdict =
            judge(report, symbol->newest, primary_of(settings), is_matured, symbol->gates);
        for (size_t h = 0; h < settings->horizon_count; h++)
            timeseries_row(&symbol->newest[h], series->symbol, settings->horizons_ms[h], verdict,
                           &report->timeseries);
        merge_rows(series, settings, end_ms, &scratch, &report->merges);
        symbol->first_end_ms = symbol->minutes ? symbol->first_end_ms : end_ms;
        symbol->last_end_ms = end_ms;
        symbol->minutes++;
    }
    if (symbol->minutes)
        slices_write(report, symbol, &report->slices);
    measure_scratch_finish(&scratch);
}

void canary_report_begin(struct canary_report *report)
{
    buffer_init(&report->timeseries, 0);
    buffer_init(&report->merges, 0);
    buffer_init(&report->slices, 0);
    buffer_append_text(&report->timeseries, TIMESERIES_HEADER);
    buffer_append_text(&report->merges,
                       "window_end_ms,symbol,signal,n_total,n_matched,match_rate,p50,p90,p99,merge_tol_ms\n");
    buffer_append_text(
        &report->slices,
        "slice,symbol,horizon_s,n,n_pos,n_eff,auc,auc_lo95,auc_hi95,delta_auc,ece,action,verdict\n");
}

void canary_report_finish(struct canary_report *report)
{
    buffer_finish(&report->timeseries);
    buffer_finish(&report->merges);
    buffer_finish(&report->slices);
}
