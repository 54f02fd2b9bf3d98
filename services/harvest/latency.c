#include "latency.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

void latency_init(struct latency *latency)
{
    *latency = (struct latency){.newest_minute = INT64_MIN,
                                .counts = memory_allocate(LATENCY_BINS * sizeof(int64_t))};
    for (size_t i = 0; i < LATENCY_WINDOW_MINUTES; i++)
        latency->minutes[i] = (struct latency_minute){
            .minute = INT64_MIN, .counts = memory_allocate(LATENCY_BINS * sizeof(uint32_t))};
}

void latency_finish(struct latency *latency)
{
    for (size_t i = 0; i < LATENCY_WINDOW_MINUTES; i++)
        free(latency->minutes[i].counts);
    free(latency->counts);
}

static void minute_forget(struct latency *latency, struct latency_minute *slot)
{
    for (size_t bin = 0; bin < LATENCY_BINS; bin++) {
        latency->counts[bin] -= slot->counts[bin];
        latency->total -= slot->counts[bin];
    }
    memset(slot->counts, 0, LATENCY_BINS * sizeof *slot->counts);
    slot->minute = INT64_MIN;
}

static bool in_window(const struct latency *latency, int64_t minute)
{
    return minute > latency->newest_minute - LATENCY_WINDOW_MINUTES;
}

static void advance(struct latency *latency, int64_t minute)
{
    latency->newest_minute = minute;
    for (size_t i = 0; i < LATENCY_WINDOW_MINUTES; i++)
        if (latency->minutes[i].minute != INT64_MIN && !in_window(latency, latency->minutes[i].minute))
            minute_forget(latency, &latency->minutes[i]);
}

static int64_t limited(int64_t latency_ms)
{
    return latency_ms < -LATENCY_LIMIT_MS  ? -LATENCY_LIMIT_MS
           : latency_ms > LATENCY_LIMIT_MS ? LATENCY_LIMIT_MS
                                           : latency_ms;
}

void latency_add(struct latency *latency, int64_t recv_ms, int64_t latency_ms)
{
    int64_t minute = floor_div(recv_ms, MINUTE_MS);
    if (minute > latency->newest_minute)
        advance(latency, minute);
    if (!in_window(latency, minute))
        return;
    struct latency_minute *slot = &latency->minutes[minute - floor_multiple(minute, LATENCY_WINDOW_MINUTES)];
    size_t bin = (size_t)(limited(latency_ms) + LATENCY_LIMIT_MS);
    slot->minute = minute;
    slot->counts[bin]++;
    latency->counts[bin]++;
    latency->total++;
}

/* value_at: the index-th smallest, counted from 0. */
static double value_at(const struct latency *latency, int64_t index)
{
    size_t bin = 0;
    for (int64_t before = latency->counts[0]; before <= index; before += latency->counts[bin])
        bin++;
    return (double)bin - LATENCY_LIMIT_MS;
}

double latency_quantile(const struct latency *latency, double q)
{
    if (!latency->total)
        return NAN;
    double place = (double)(latency->total - 1) * q;
    int64_t index = (int64_t)floor(place);
    double low = value_at(latency, index);
    double high = index + 1 < latency->total ? value_at(latency, index + 1) : low;
    return low + (place - (double)index) * (high - low);
}
