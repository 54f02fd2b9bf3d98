/* event_times: when events of one symbol happened, and how far that is known. Pure. */
#pragma once

#include "proto/field.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVENT_WINDOW_MS = 30000, EVENT_TYPE_COUNT = EVENT_INCIDENT + 1 };

struct event_times {
    char symbol[SYMBOL_BYTES];
    int64_t
        known_ms; /* how far in event time the symbol's streams have been read; FIELD_NULL_I64: not at all */
    int64_t *ts_ms[EVENT_TYPE_COUNT]; /* rising */
    size_t count[EVENT_TYPE_COUNT];
    size_t capacity[EVENT_TYPE_COUNT];
};

void event_times_init(struct event_times *times, const char *symbol);
void event_times_finish(struct event_times *times);
void event_times_add(struct event_times *times, int event_type, int64_t ts_ms); /* in rising order of ts_ms */

/* event_times_find: the one of this symbol; NULL: there is none. */
const struct event_times *event_times_find(const struct event_times *times, size_t count, const char *symbol);

/* event_times_until: how many events of a type are not after ts_ms; `times` NULL: 0. */
size_t event_times_until(const struct event_times *times, int event_type, int64_t ts_ms);

/* event_times_recent: whether an event lies in [ts_ms - EVENT_WINDOW_MS, ts_ms]. `cursor` (at first 0) is how
 * many are not after it: rows come almost always in rising order, so it mostly moves by nothing or one. */
bool event_times_recent(const struct event_times *times, int event_type, size_t *cursor, int64_t ts_ms);
