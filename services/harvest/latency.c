#include "latency.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MINUTE_MS = 60000 };

void latency_init(struct latency *latency)
{
    *latency = (struct latency){.newest_minute = INT64_MIN};
    for (size_t i = 0; i < LATENCY_WINDOW_MINUTES; i++)
        latency->minutes[i].minute = INT64_MIN;
}

static void counts_clear(struct latency_counts *counts)
{
    for (size_t page = 0; page < LATENCY_PAGES; page++)
        free(counts->pages[page]);
    *counts = (struct latency_counts){0};
}

void latency_finish(struct latency *latency)
{
    for (size_t i = 0; i < LATENCY_WINDOW_MINUTES; i++)
        counts_clear(&latency->minutes[i].counts);
    counts_clear(&latency->all);
}

static void counts_add(struct latency_counts *counts, size_t bin)
{
    uint32_t **page = &counts->pages[bin / LATENCY_PAGE_BINS];
    if (!*page)
        *page = memory_allocate(LATENCY_PAGE_BINS * sizeof **page);
    (*page)[bin % LATENCY_PAGE_BINS]++;
}

/* page_take_away: a page of a minute from that of all; how many are left on it. */
static int64_t page_take_away(uint32_t *all, const uint32_t *gone, int64_t *total)
{
    int64_t left = 0;
    for (size_t i = 0; i < LATENCY_PAGE_BINS; i++) {
        all[i] -= gone[i];
        *total -= gone[i];
        left += all[i];
    }
    return left;
}

static void minute_forget(struct latency *latency, struct latency_minute *slot)
{
    for (size_t page = 0; page < LATENCY_PAGES; page++) {
        uint32_t **all = &latency->all.pages[page];
        if (!slot->counts.pages[page] || page_take_away(*all, slot->counts.pages[page], &latency->total) > 0)
            continue;
        free(*all);
        *all = NULL;
    }
    counts_clear(&slot->counts);
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
    counts_add(&slot->counts, bin);
    counts_add(&latency->all, bin);
    latency->total++;
}

/* value_at: the index-th smallest, counted from 0; there are more. */
static double value_at(const struct latency *latency, int64_t index)
{
    int64_t before = 0;
    for (size_t page = 0; page < LATENCY_PAGES; page++) {
        const uint32_t *counts = latency->all.pages[page];
        for (size_t i = 0; counts && i < LATENCY_PAGE_BINS; i++) {
            before += counts[i];
            if (before > index)
                return (double)(page * LATENCY_PAGE_BINS + i) - LATENCY_LIMIT_MS;
        }
    }
    return NAN;
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
