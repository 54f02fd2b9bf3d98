#include "event_times.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void event_times_init(struct event_times *times, const char *symbol)
{
    *times = (struct event_times){.known_ms = FIELD_NULL_I64};
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

const struct event_times *event_times_find(const struct event_times *times, size_t count, const char *symbol)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(times[i].symbol, symbol) == 0)
            return &times[i];
    return NULL;
}

size_t event_times_until(const struct event_times *times, int event_type, int64_t ts_ms)
{
    size_t low = 0, high = times ? times->count[event_type] : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times->ts_ms[event_type][middle] <= ts_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool event_times_recent(const struct event_times *times, int event_type, size_t *cursor, int64_t ts_ms)
{
    const int64_t *events = times->ts_ms[event_type];
    size_t count = times->count[event_type];
    while (*cursor < count && events[*cursor] <= ts_ms)
        ++*cursor;
    while (*cursor > 0 && events[*cursor - 1] > ts_ms)
        --*cursor;
    return *cursor > 0 && events[*cursor - 1] >= ts_ms - EVENT_WINDOW_MS;
}
