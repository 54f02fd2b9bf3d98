#include "linkage.h"

#include <math.h>

static const double Z_95 = 1.959963984540054;

void wilson_interval(int64_t k, int64_t n, double *out_low, double *out_high)
{
    *out_low = *out_high = NAN;
    if (n <= 0)
        return;
    double count = (double)n, hits = (double)k, square = Z_95 * Z_95;
    double scale = 1 + square / count;
    double centre = (hits / count + square / (2 * count)) / scale;
    double variance = hits * (count - hits) / (count * count * count) + square / (4 * count * count);
    double half = Z_95 * sqrt(variance) / scale;
    /* At k = 0 and k = n the ends are 0 and 1 but for rounding. */
    *out_low = fmax(0, centre - half);
    *out_high = fmin(1, centre + half);
}

static int64_t events_of_type(const struct event_knowledge *knowledge, int type)
{
    int64_t events = 0;
    for (size_t i = 0; i < knowledge->count; i++)
        events += (int64_t)knowledge->times[i].count[type];
    return events;
}

void linkage_compute(const struct tally *tally, const struct tracks *tracks,
                     const struct event_knowledge *knowledge, struct linkage *out_linkage)
{
    struct track_share shares[EVENT_TYPE_COUNT];
    tracks_count(tracks, knowledge, shares);
    *out_linkage = (struct linkage){0};
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        struct linkage_share *share = &out_linkage->types[type];
        share->event_count = events_of_type(knowledge, type);
        share->n = shares[type].rows;
        share->confirmed = shares[type].confirmed;
        share->p = ratio(share->confirmed, share->n);
        wilson_interval(share->confirmed, share->n, &share->lo95, &share->hi95);
    }
    struct linkage_share *baseline = &out_linkage->baseline;
    baseline->n = tally->total;
    baseline->confirmed = tally->confirmed;
    baseline->p = ratio(tally->confirmed, tally->total);
    wilson_interval(baseline->confirmed, baseline->n, &baseline->lo95, &baseline->hi95);
}
