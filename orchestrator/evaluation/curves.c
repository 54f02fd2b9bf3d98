#include "curves.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

struct scored {
    double score;
    uint8_t label;
};

static int by_score_down(const void *left, const void *right)
{
    double one = ((const struct scored *)left)->score, other = ((const struct scored *)right)->score;
    return one > other ? -1 : one < other;
}

/* corners: rises and falls at or above each distinct score, highest first; returns how many. */
struct corner {
    int64_t rises, falls;
};

static size_t corners_make(const double *scores, const uint8_t *labels, size_t n, struct corner **out_corners)
{
    struct scored *rows = memory_allocate((n + 1) * sizeof *rows);
    struct corner *corners =
        memory_allocate((n + 1) * sizeof *corners); /* the first is where nothing is taken */
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct scored){scores[i], labels[i]};
    if (n)
        qsort(rows, n, sizeof *rows, by_score_down);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || rows[i].score < rows[i - 1].score) {
            corners[count + 1] = corners[count];
            count++;
        }
        corners[count].rises += rows[i].label;
        corners[count].falls += !rows[i].label;
    }
    free(rows);
    *out_corners = corners;
    return count + 1;
}

/* Shares are compared as whole numbers: k/20 of the falls may lie exactly at a corner. */

void curve_roc(const double *scores, const uint8_t *labels, size_t n, struct curve_point out[CURVE_POINTS])
{
    struct corner *corners;
    size_t count = corners_make(scores, labels, n, &corners), at = 0;
    int64_t rises = corners[count - 1].rises, falls = corners[count - 1].falls;
    for (int64_t k = 1; k <= CURVE_POINTS; k++) {
        out[k - 1] = (struct curve_point){(double)k / CURVE_POINTS, NAN};
        if (rises == 0 || falls == 0)
            continue;
        while (at + 1 < count && corners[at + 1].falls * CURVE_POINTS <= k * falls)
            at++;
        double found = (double)corners[at].rises;
        if (at + 1 < count) {
            double width = (double)(corners[at + 1].falls - corners[at].falls) * CURVE_POINTS;
            double part = (double)(k * falls - corners[at].falls * CURVE_POINTS) / width;
            found += (double)(corners[at + 1].rises - corners[at].rises) * part;
        }
        out[k - 1].y = found / (double)rises;
    }
    free(corners);
}

void curve_precision(const double *scores, const uint8_t *labels, size_t n,
                     struct curve_point out[CURVE_POINTS])
{
    struct corner *corners;
    size_t count = corners_make(scores, labels, n, &corners), at = 0;
    int64_t rises = corners[count - 1].rises;
    for (int64_t k = 1; k <= CURVE_POINTS; k++) {
        out[k - 1] = (struct curve_point){(double)k / CURVE_POINTS, NAN};
        if (rises == 0)
            continue;
        while (at + 1 < count && corners[at].rises * CURVE_POINTS < k * rises)
            at++;
        out[k - 1].y = (double)corners[at].rises / (double)(corners[at].rises + corners[at].falls);
    }
    free(corners);
}

void curve_reliability(const double *probabilities, const uint8_t *labels, size_t n,
                       struct reliability_bin out[RELIABILITY_BINS])
{
    for (size_t bin = 0; bin < RELIABILITY_BINS; bin++)
        out[bin] = (struct reliability_bin){0};
    for (size_t i = 0; i < n; i++) {
        int bin = (int)ceil(RELIABILITY_BINS * probabilities[i]) - 1;
        struct reliability_bin *its = &out[bin < 0 ? 0 : bin];
        its->n++;
        its->mean_p += probabilities[i];
        its->mean_y += labels[i];
    }
    for (size_t bin = 0; bin < RELIABILITY_BINS; bin++) {
        out[bin].mean_p = out[bin].n ? out[bin].mean_p / (double)out[bin].n : NAN;
        out[bin].mean_y = out[bin].n ? out[bin].mean_y / (double)out[bin].n : NAN;
    }
}
