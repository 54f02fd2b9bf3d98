/* calibration_summary.csv: a row per test window, when all its labels have matured: what the scores said (before: sigmoid of the raw score) and
 * what the calibration of that window made of them (after). */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "canary_report.h"
#include "evaluate/probability.h"

#include <math.h>
#include <stdlib.h>

struct quality_of {
    double ece;
    struct brier brier;
};

static struct quality_of quality(const double *probabilities, const uint8_t *labels, size_t n, double share)
{
    return (struct quality_of){expected_calibration_error(probabilities, labels, n),
                               brier_measure(probabilities, labels, n, share)};
}

/* scored: labelled rows of the test window. */
struct scored {
    double *before, *after;
    uint8_t *labels;
    size_t n;
};

static struct scored scored_make(const struct series *series, size_t horizon, const struct fit *fit,
                                 int64_t end_ms)
{
    size_t first = series_at(series, fit->begin_ms), end = series_at(series, end_ms);
    struct scored scored = {.before = memory_allocate((end - first + 1) * sizeof(double)),
                            .after = memory_allocate((end - first + 1) * sizeof(double)),
                            .labels = memory_allocate(end - first + 1)};
    for (size_t i = first; i < end; i++) {
        uint8_t label = series->labels[horizon][i];
        if (label != LABEL_UP && label != LABEL_DOWN)
            continue;
        scored.before[scored.n] = platt_probability(-1, 0, series->scores[i]);
        scored.after[scored.n] = platt_probability(fit->platt.a, fit->platt.b, series->scores[i]);
        scored.labels[scored.n++] = label;
    }
    return scored;
}

static void scored_finish(struct scored *scored)
{
    free(scored->before);
    free(scored->after);
    free(scored->labels);
}

static uint8_t state_at(const struct series *series, int64_t end_ms)
{
    size_t end = measure_second(series, end_ms);
    return end ? series->states[end - 1] : SERIES_UNKNOWN;
}

static void row_add(const struct series *series, const struct series_settings *settings, int64_t begin_ms,
                    struct buffer *out)
{
    size_t horizon = series_primary(settings);
    int64_t end_ms = begin_ms + settings->test_ms;
    struct fit fit = fit_make(series, settings, horizon, begin_ms);
    struct scored scored = scored_make(series, horizon, &fit, end_ms);
    bool is_active = fit.platt.state == CALIBRATION_ACTIVE;
    double share = fit.n ? (double)fit.ones / (double)fit.n : NAN;
    struct quality_of before = quality(scored.before, scored.labels, scored.n, share),
                      after = {NAN, {NAN, NAN, NAN}};
    if (is_active)
        after = quality(scored.after, scored.labels, scored.n, share);
    uint8_t state = state_at(series, end_ms);
    const double figures[] = {before.ece,
                              after.ece,
                              before.brier.value,
                              after.brier.value,
                              before.brier.baseline,
                              after.brier.improvement_pct};
    buffer_format(out, "%lld,%lld,platt", (long long)begin_ms, (long long)end_ms);
    csv_number(out, is_active ? fit.platt.a : NAN);
    csv_number(out, is_active ? fit.platt.b : NAN);
    buffer_format(out, ",%lld,%zu", (long long)fit.n, scored.n);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        csv_number(out, figures[i]);
    buffer_format(out, ",%s,%s\n", state == SERIES_UNKNOWN ? "" : CALIBRATION_STATE_NAMES[state],
                  series->symbol);
    scored_finish(&scored);
}

void calibrations_add(struct canary_report *report, struct symbol_report *symbol, const struct series *series,
                      const struct series_settings *settings, int64_t end_ms)
{
    if (!symbol->next_fit_ms) /* the first boundary that the run's own calibration comes to */
        symbol->next_fit_ms = floor_multiple(symbol->first_ms, settings->test_ms) + settings->test_ms;
    for (; symbol->next_fit_ms + settings->test_ms + settings->primary_ms + settings->tol_ms <= end_ms;
         symbol->next_fit_ms += settings->test_ms)
        row_add(series, settings, symbol->next_fit_ms, &report->calibrations.rows);
}
