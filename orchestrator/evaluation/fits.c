#include "fits.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

size_t series_primary(const struct series_settings *settings)
{
    for (size_t h = 0; h < settings->horizon_count; h++)
        if (settings->horizons_ms[h] == settings->primary_ms)
            return h;
    return 0;
}

struct fit fit_make(const struct series *series, const struct series_settings *settings, size_t horizon,
                    int64_t begin_ms)
{
    const struct label_rule rule = {settings->horizons_ms[horizon], settings->tol_ms};
    int64_t from_ms = begin_ms - settings->train_ms;
    size_t first = series_at(series, from_ms), end = series_at(series, begin_ms);
    struct fit fit = {.begin_ms = begin_ms};
    double *scores = memory_allocate((end - first + 1) * sizeof *scores);
    uint8_t *labels = memory_allocate(end - first + 1);
    for (size_t i = first; i < end; i++) {
        uint8_t label = series->labels[horizon][i];
        if ((label != LABEL_UP && label != LABEL_DOWN) ||
            !label_in_window(&rule, series->t_ms[i], from_ms, begin_ms))
            continue;
        scores[fit.n] = series->scores[i];
        labels[fit.n++] = label;
        fit.ones += label == LABEL_UP;
    }
    fit.platt = platt_train(scores, labels, (size_t)fit.n);
    free(scores);
    free(labels);
    return fit;
}

void fits_fill(struct series *series, const struct series_settings *settings, size_t horizon, int64_t from_ms)
{
    struct fit fit = {.begin_ms = INT64_MIN};
    for (size_t i = series_at(series, from_ms); i < series->count; i++) {
        if (!series->suspended[i])
            continue;
        int64_t begin_ms = floor_multiple(series->t_ms[i], settings->test_ms);
        if (begin_ms != fit.begin_ms)
            fit = fit_make(series, settings, horizon, begin_ms);
        if (fit.platt.state == CALIBRATION_ACTIVE)
            series->probabilities[i] = platt_probability(fit.platt.a, fit.platt.b, series->scores[i]);
    }
}
