#include "linkage.h"

#include "base/memory.h"
#include "evaluate/interval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void event_times_init(struct event_times *times, const char *symbol)
{
    *times = (struct event_times){0};
    memcpy(times->symbol, symbol, strnlen(symbol, SYMBOL_BYTES - 1));
}

void event_times_finish(struct event_times *times)
{
    for (int type = 0; type < EVENT_TYPE_COUNT; type++)
        free(times->ts_ms[type]);
    *times = (struct event_times){0};
}

void event_times_add(struct event_times *times, int event_type, int64_t ts_ms)
{
    size_t count = times->count[event_type];
    times->ts_ms[event_type] = memory_grow(times->ts_ms[event_type], &times->capacity[event_type], count + 1,
                                           sizeof *times->ts_ms[event_type]);
    times->ts_ms[event_type][count] = ts_ms;
    times->count[event_type]++;
}

/* recent: whether an event lies in [t - window, t]. `cursor` is the number of events not after t: rows
 * come almost always in rising order, so it mostly moves by nothing or one. */
static bool recent(const int64_t *events, size_t count, size_t *cursor, int64_t ts_ms)
{
    while (*cursor < count && events[*cursor] <= ts_ms)
        ++*cursor;
    while (*cursor > 0 && events[*cursor - 1] > ts_ms)
        --*cursor;
    return *cursor > 0 && events[*cursor - 1] >= ts_ms - LINKAGE_WINDOW_MS;
}

static const struct event_times *times_of(const struct event_times *times, size_t count, const char *symbol)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(times[i].symbol, symbol) == 0)
            return &times[i];
    return NULL;
}

static void link_track(const struct tally_track *track, const struct event_times *times,
                       struct linkage *linkage)
{
    size_t cursors[EVENT_TYPE_COUNT] = {0};
    struct tally_track_reader reader;
    int64_t ts_ms;
    bool confirm;
    tally_track_begin(&reader, track);
    while (tally_track_next(&reader, &ts_ms, &confirm)) {
        for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
            if (!recent(times->ts_ms[type], times->count[type], &cursors[type], ts_ms))
                continue;
            linkage->types[type].n++;
            linkage->types[type].confirmed += confirm;
        }
    }
}

void linkage_compute(const struct tally *tally, const struct event_times *times, size_t times_count,
                     struct linkage *out_linkage)
{
    *out_linkage = (struct linkage){0};
    for (size_t i = 0; i < tally->track_count; i++) {
        const struct event_times *own = times_of(times, times_count, tally->tracks[i].symbol);
        if (own)
            link_track(&tally->tracks[i], own, out_linkage);
    }
    for (size_t i = 0; i < times_count; i++)
        for (int type = 0; type < EVENT_TYPE_COUNT; type++)
            out_linkage->types[type].event_count += (int64_t)times[i].count[type];
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        struct linkage_share *share = &out_linkage->types[type];
        share->p = ratio(share->confirmed, share->n);
        wilson_interval(share->confirmed, share->n, &share->lo95, &share->hi95);
    }
    struct linkage_share *baseline = &out_linkage->baseline;
    baseline->n = tally->total;
    baseline->confirmed = tally->confirmed;
    baseline->p = ratio(tally->confirmed, tally->total);
    wilson_interval(baseline->confirmed, baseline->n, &baseline->lo95, &baseline->hi95);
}
