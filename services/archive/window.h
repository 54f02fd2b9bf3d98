/* window: the rows of one kind and one span of event time that are not written yet. */
#pragma once

#include "key_set.h"
#include "quality.h"
#include "writer.h"

#include "proto/frame.h"

/* WINDOW_OF_NO_TIME: rows that could not be decoded. */
#define WINDOW_OF_NO_TIME INT64_MIN

struct window {
    int64_t start_ms;
    int64_t first_sequence; /* smallest of its rows, good or bad */
    struct columns *columns;
    struct key_set keys;
    struct buffer rejects;
    int64_t reject_count, reject_ts_ms;
    int64_t duplicates;
    size_t bytes; /* noted last */
};

/* windows: those of one stream and kind, few at a time. */
struct windows {
    struct window *items;
    size_t count, capacity;
};

void windows_finish(struct windows *windows);

/* windows_find: the window that begins there, a new one if there is none; valid until the next is added. */
struct window *windows_find(struct windows *windows, int64_t start_ms, int64_t sequence);

/* windows_take: moves windows that begin before `below_ms` out, as items of a flush; *out_bytes += their noted
 * bytes. */
void windows_take(struct windows *windows, enum data_kind kind, int64_t below_ms, struct flush *flush,
                  size_t *out_bytes);

/* windows_first_sequence: the smallest sequence that waits, INT64_MAX when none does. */
int64_t windows_first_sequence(const struct windows *windows);

/* window_reject: adds a dead letter {reason, kind, symbol, ts_ms?, recv_ts_ms?, raw}; `row` is NULL when it
 * could not be decoded: then raw is the bytes in hex. */
void window_reject(struct window *window, enum data_kind kind, enum quality reason, const char *symbol,
                   int64_t day_ts_ms, const struct row_view *view, const void *row);
