#include "evaluate/probability.h"

#include <math.h>

static int bin_of(double probability)
{
    int bin = (int)ceil(PROBABILITY_BINS * probability) - 1;
    if (bin < 0)
        return 0;
    return bin < PROBABILITY_BINS ? bin : PROBABILITY_BINS - 1;
}

double expected_calibration_error_of_any(const double *probabilities, const uint8_t *labels, size_t n)
{
    double said[PROBABILITY_BINS] = {0}, came[PROBABILITY_BINS] = {0}, rows[PROBABILITY_BINS] = {0};
    for (size_t i = 0; i < n; i++) {
        int bin = bin_of(probabilities[i]);
        said[bin] += probabilities[i];
        came[bin] += labels[i] != 0;
        rows[bin]++;
    }
    double sum = 0;
    for (int bin = 0; bin < PROBABILITY_BINS; bin++)
        if (rows[bin] > 0)
            sum += rows[bin] / (double)n * fabs(said[bin] / rows[bin] - came[bin] / rows[bin]);
    return n ? sum : NAN;
}

double expected_calibration_error(const double *probabilities, const uint8_t *labels, size_t n)
{
    return n < PROBABILITY_ROWS_MIN ? NAN : expected_calibration_error_of_any(probabilities, labels, n);
}

struct brier brier_of_any(const double *probabilities, const uint8_t *labels, size_t n, double training_share)
{
    double error = 0, baseline = 0;
    for (size_t i = 0; i < n; i++) {
        double came = labels[i] != 0;
        error += (probabilities[i] - came) * (probabilities[i] - came);
        baseline += (training_share - came) * (training_share - came);
    }
    struct brier brier = {.value = error / (double)n, .baseline = baseline / (double)n};
    brier.improvement_pct = brier.baseline > 0 ? 100 * (1 - brier.value / brier.baseline) : NAN;
    return brier;
}

struct brier brier_measure(const double *probabilities, const uint8_t *labels, size_t n,
                           double training_share)
{
    if (n < PROBABILITY_ROWS_MIN)
        return (struct brier){.value = NAN, .baseline = NAN, .improvement_pct = NAN};
    return brier_of_any(probabilities, labels, n, training_share);
}
