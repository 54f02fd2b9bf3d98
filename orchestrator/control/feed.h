/* feed: the one history of a run. Every event gets a serial number and goes three ways: a line in the log, a
 * JSON object on the status feed (topic "event" of the orchestrator's PUB socket), and a ring that answers
 * `events`.
 *
 *   {"serial":12,"at":"…Z","event":"Ready","name":"signal","pid":4711,…} */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>

struct bus;

enum { FEED_EVENTS_KEPT = 512, FEED_FIELDS_MAX = 12 };

struct feed {
    struct bus *bus; /* NULL: not published */
    struct clock clock;
    int64_t serial; /* of the newest event */
    char *kept[FEED_EVENTS_KEPT];
};

/* feed_field: one "key": value; a text when `text` is set, an integer otherwise. */
struct feed_field {
    const char *key;
    const char *text;
    int64_t integer;
};

void feed_init(struct feed *feed, const struct clock *clock);
void feed_finish(struct feed *feed);

/* feed_emit: `event` is a constant word of operations.md §18; `name` the process, "" for the run. Fields end
 * with one without key. */
void feed_emit(struct feed *feed, enum log_level level, const char *event, const char *name,
               const struct feed_field *fields);

/* feed_since: JSON array of the events kept with a serial above `serial`; *out_first is the oldest serial
 * kept. */
void feed_since(const struct feed *feed, int64_t serial, struct buffer *out_json, int64_t *out_first);

#define FEED_FIELDS(...) ((const struct feed_field[]){__VA_ARGS__, {0}})
#define NUMBER(name, value)                      \
    {                                            \
        .key = name, .integer = (int64_t)(value) \
    }
#define TEXT(name, value)            \
    {                                \
        .key = name, .text = (value) \
    }
