#include "measure.h"

#include "base/clock.h"
#include "base/memory.h"
#include "evaluate/probability.h"
#include "evaluate/top_k.h"

#include <math.h>
#include <stdlib.h>

enum { MINUTE_LENGTH_MS = 60000, MERGE_WINDOW_MS = 300000, RATE_MINUTES = 10 };

void measure_scratch_make(const struct series *series, struct measure_scratch *out)
{
    size_t most = (series->count > series->merge_count ? series->count : series->merge_count) + 1;
    *out = (struct measure_scratch){
        .scores = memory_allocate(most * sizeof(double)),
        .returns = memory_allocate(most * sizeof(double)),
        .probabilities = memory_allocate(most * sizeof(double)),
        .work = memory_allocate(most * sizeof(double)),
        .labels = memory_allocate(most),
        .t_ms = memory_allocate(most * sizeof(int64_t)),
    };
}

void measure_scratch_finish(struct measure_scratch *scratch)
{
    free(scratch->scores);
    free(scratch->returns);
    free(scratch->probabilities);
    free(scratch->work);
    free(scratch->labels);
    free(scratch->t_ms);
    *scratch = (struct measure_scratch){0};
}

struct gathered measure_gather(const struct asking *asking, struct measure_scratch *out)
{
    const struct series *series = asking->series;
    struct gathered gathered = {0};
    for (size_t i = series_at(series, asking->from_ms); i < series->count && series->t_ms[i] < asking->to_ms;
         i++) {
        uint8_t label = series->labels[asking->horizon][i];
        if ((asking->slice != ANY_SLICE &&
             !slice_has((enum slice)asking->slice, series->t_ms[i], series->regimes[i])) ||
            (asking->calibrated && isnan(series->probabilities[i])))
            continue;
        gathered.ties += label == LABEL_TIE;
        gathered.unlabeled += label == LABEL_UNKNOWN;
        if (label != LABEL_UP && label != LABEL_DOWN)
            continue;
        out->scores[gathered.n] = series->scores[i];
        out->returns[gathered.n] = series->returns[asking->horizon][i];
        out->probabilities[gathered.n] = series->probabilities[i];
        out->labels[gathered.n] = label;
        out->t_ms[gathered.n++] = series->t_ms[i];
        gathered.ones += label == LABEL_UP;
    }
    return gathered;
}

struct asking measure_matured(const struct series *series, const struct series_settings *settings,
                              size_t horizon, int64_t end_ms, int64_t window_ms)
{
    return (struct asking){.series = series,
                           .horizon = horizon,
                           .from_ms = end_ms - window_ms,
                           .to_ms = end_ms - settings->horizons_ms[horizon] - settings->tol_ms + 1,
                           .slice = ANY_SLICE};
}

static struct auc auc_of(const struct asking *asking, int64_t horizon_ms, struct measure_scratch *scratch)
{
    struct gathered rows = measure_gather(asking, scratch);
    int64_t n_eff = label_outcomes(scratch->t_ms, rows.n, horizon_ms);
    return auc_measure(scratch->scores, scratch->labels, rows.n, n_eff, scratch->work);
}

static double ece_of(struct asking asking, struct measure_scratch *scratch)
{
    asking.calibrated = true;
    struct gathered rows = measure_gather(&asking, scratch);
    return expected_calibration_error(scratch->probabilities, scratch->labels, rows.n);
}

static void measure_aucs(const struct series *series, const struct series_settings *settings, size_t horizon,
                         struct measure_scratch *scratch, struct measures *out)
{
    int64_t horizon_ms = settings->horizons_ms[horizon];
    struct asking asking = measure_matured(series, settings, horizon, out->end_ms, settings->gate_window_ms);
    struct gathered rows = measure_gather(&asking, scratch);
    double priced = (double)rows.n + (double)rows.ties;
    out->n = (int64_t)rows.n;
    out->n_eff = label_outcomes(scratch->t_ms, rows.n, horizon_ms);
    out->tie_share = priced > 0 ? (double)rows.ties / priced : NAN;
    out->unlabeled = rows.unlabeled;
    out->all = auc_measure(scratch->scores, scratch->labels, rows.n, out->n_eff, scratch->work).value;
    for (enum slice slice = 0; slice < SLICE_COUNT; slice++) {
        asking.slice = (int)slice;
        out->slices[slice] = auc_of(&asking, horizon_ms, scratch);
        out->slice_ece[slice] = horizon_ms == settings->primary_ms ? ece_of(asking, scratch) : NAN;
    }
    asking = measure_matured(series, settings, horizon, out->end_ms, settings->display_window_ms);
    asking.slice = SLICE_ACTIVE;
    rows = measure_gather(&asking, scratch);
    out->active_display = auc_value(scratch->scores, scratch->labels, rows.n, scratch->work);
    asking.slice = ANY_SLICE;
    rows = measure_gather(&asking, scratch);
    out->top_k = top_k_hit_rate_5p(scratch->scores, scratch->returns, rows.n, scratch->work);
}

/* measure_calibration: of the primary horizon. The baseline is the share of ones in the training window of the test window that
 * the minute's last millisecond lies in. */
static void measure_calibration(const struct series *series, const struct series_settings *settings,
                                size_t horizon, struct measure_scratch *scratch, struct measures *out)
{
    out->ece = out->brier = out->brier_baseline = out->brier_improvement_pct = NAN;
    out->platt_train = out->platt_test = NAN;
    if (settings->horizons_ms[horizon] != settings->primary_ms)
        return;
    int64_t begin_ms = floor_multiple(out->end_ms - 1, settings->test_ms);
    struct asking asking = {.series = series,
                            .horizon = horizon,
                            .from_ms = begin_ms - settings->train_ms,
                            .to_ms = begin_ms - settings->primary_ms - settings->tol_ms,
                            .slice = ANY_SLICE};
    struct gathered train = measure_gather(&asking, scratch);
    out->platt_train = (double)train.n;
    asking = measure_matured(series, settings, horizon, out->end_ms, out->end_ms - begin_ms);
    asking.calibrated = true;
    out->platt_test = (double)measure_gather(&asking, scratch).n;
    asking = measure_matured(series, settings, horizon, out->end_ms, settings->display_window_ms);
    asking.calibrated = true;
    struct gathered rows = measure_gather(&asking, scratch);
    out->ece = expected_calibration_error(scratch->probabilities, scratch->labels, rows.n);
    struct brier brier = brier_measure(scratch->probabilities, scratch->labels, rows.n,
                                       train.n ? (double)train.ones / (double)train.n : NAN);
    out->brier = brier.value;
    out->brier_baseline = brier.baseline;
    out->brier_improvement_pct = brier.improvement_pct;
}

size_t measure_second(const struct series *series, int64_t at_ms)
{
    size_t low = 0, high = series->merge_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (series->merges[middle].ts_ms < at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct merge merge_of(const struct series *series, enum merge_signal signal, int64_t tol_ms,
                             int64_t from_ms, int64_t to_ms, struct measure_scratch *scratch)
{
    size_t first = measure_second(series, from_ms), end = measure_second(series, to_ms + 1);
    return merge_measure(series->merges + first, end > first ? end - first : 0, signal, tol_ms, from_ms,
                         to_ms, scratch->work);
}

struct merge measure_merge(const struct series *series, enum merge_signal signal,
                           const struct tolerance *tolerance, int64_t end_ms, struct measure_scratch *scratch)
{
    int64_t from_ms = end_ms - MERGE_WINDOW_MS, to_ms = end_ms - 1;
    from_ms = from_ms > series->first_ms ? from_ms : series->first_ms;
    to_ms = to_ms < series->last_ms ? to_ms : series->last_ms;
    int64_t since_ms = tolerance->since_ms > from_ms ? tolerance->since_ms : from_ms;
    since_ms = since_ms < to_ms + 1 ? since_ms : to_ms + 1;
    struct merge before = {0}, now = {0};
    if (since_ms > from_ms)
        before = merge_of(series, signal, tolerance->before_ms, from_ms, since_ms - 1, scratch);
    if (since_ms <= to_ms)
        now = merge_of(series, signal, tolerance->now_ms, since_ms, to_ms, scratch);
    struct merge merge = merge_of(series, signal, tolerance->now_ms, from_ms, to_ms, scratch);
    merge.n_matched = before.n_matched + now.n_matched;
    merge.match_rate = merge.n_total ? (double)merge.n_matched / (double)merge.n_total : NAN;
    return merge;
}

static void measure_rates(const struct series *series, struct measures *out)
{
    struct rates sum = {0};
    int64_t end = out->end_ms / MINUTE_LENGTH_MS - series->rates_first;
    for (int64_t minute = end - RATE_MINUTES; minute < end; minute++)
        if (minute >= 0 && minute < (int64_t)series->rates_count) {
            sum.n += series->rates[minute].n;
            sum.floor_used += series->rates[minute].floor_used;
            sum.winsorised += series->rates[minute].winsorised;
        }
    out->floor_rate = rates_floor_hit(&sum);
    out->winsor_rate = rates_winsor_hit(&sum);
}

static void measure_state(const struct series *series, struct measures *out)
{
    size_t end = measure_second(series, out->end_ms);
    out->direction = end ? series->directions[end - 1] : SERIES_UNKNOWN;
    out->state = end ? series->states[end - 1] : SERIES_UNKNOWN;
}

void measure_minute(const struct series *series, const struct series_settings *settings, size_t horizon,
                    const struct tolerance *tolerance, int64_t end_ms, struct measure_scratch *scratch,
                    struct measures *out)
{
    *out = (struct measures){.end_ms = end_ms};
    measure_aucs(series, settings, horizon, scratch, out);
    measure_calibration(series, settings, horizon, scratch, out);
    out->merge = measure_merge(series, MERGE_FUSION, tolerance, end_ms, scratch);
    measure_rates(series, out);
    measure_state(series, out);
}
