/* window: the newest `limit` values of a series, oldest first and, if asked for, in ascending order as well. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum { WINDOW_LIMIT_MAX = 1 << 20 };

/* value_window: `values` points at `count` values in order of arrival, `sorted` (NULL unless kept) at the same ones
 * ascending. Pushing costs one copy of at most `limit` values every `limit` pushes, and for `sorted` two binary
 * searches and one move. Pointers are good until the next push. */
struct value_window {
    const double *values;
    double *sorted;
    size_t count;
    size_t limit;
    double *storage; /* 2·limit values; `values` slides through it */
};

struct value_window *value_window_create(size_t limit, bool keep_sorted);
void value_window_destroy(struct value_window *window);
void value_window_clear(struct value_window *window);

/* value_window_push: appends a finite value; the oldest leaves when the window is full. */
void value_window_push(struct value_window *window, double value);

/* value_window_save, value_window_load: the values; loading what is not at most `limit` finite numbers sets
 * in->failed and leaves the window empty. */
void value_window_save(const struct value_window *window, struct buffer *out);
void value_window_load(struct value_window *window, struct reader *in);
