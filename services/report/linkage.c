#include "linkage.h"

#include "evaluate/interval.h"

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
