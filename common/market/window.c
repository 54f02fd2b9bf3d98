#include "market/window.h"

#include "base/memory.h"
#include "market/state.h"
#include "market/statistics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct value_window *value_window_create(size_t limit, bool keep_sorted)
{
    assert(limit > 0 && limit <= WINDOW_LIMIT_MAX);
    struct value_window *window = memory_allocate(sizeof *window);
    window->limit = limit;
    window->storage = memory_allocate(2 * limit * sizeof *window->storage);
    window->values = window->storage;
    if (keep_sorted)
        window->sorted = memory_allocate(limit * sizeof *window->sorted);
    return window;
}

void value_window_destroy(struct value_window *window)
{
    if (!window)
        return;
    free(window->storage);
    free(window->sorted);
    free(window);
}

void value_window_clear(struct value_window *window)
{
    window->count = 0;
    window->values = window->storage;
}

/* The first index whose value is not below `value`. */
static size_t sorted_place(const struct value_window *window, double value)
{
    size_t low = 0, high = window->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (window->sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One move: the values between the place of the one that leaves and the place of the one that comes. */
static void sorted_replace(struct value_window *window, double leaving, double coming)
{
    double *sorted = window->sorted;
    size_t from = sorted_place(window, leaving), to = sorted_place(window, coming);
    if (to > from) {
        to--;
        memmove(&sorted[from], &sorted[from + 1], (to - from) * sizeof *sorted);
    } else {
        memmove(&sorted[to + 1], &sorted[to], (from - to) * sizeof *sorted);
    }
    sorted[to] = coming;
}

static void sorted_insert(struct value_window *window, double coming)
{
    size_t to = sorted_place(window, coming);
    memmove(&window->sorted[to + 1], &window->sorted[to], (window->count - to) * sizeof *window->sorted);
    window->sorted[to] = coming;
}

void value_window_push(struct value_window *window, double value)
{
    assert(isfinite(value));
    value += 0.0; /* -0 and 0 are one value */
    size_t offset = (size_t)(window->values - window->storage);
    if (window->count == window->limit) {
        if (window->sorted)
            sorted_replace(window, window->values[0], value);
        offset++;
        window->count--;
    } else if (window->sorted) {
        sorted_insert(window, value);
    }
    if (offset + window->count == 2 * window->limit) {
        memmove(window->storage, window->storage + offset, window->count * sizeof *window->storage);
        offset = 0;
    }
    window->storage[offset + window->count++] = value;
    window->values = window->storage + offset;
}

void value_window_save(const struct value_window *window, struct buffer *out)
{
    buffer_append_u64(out, window->count);
    buffer_append(out, window->values, window->count * sizeof *window->values);
}

void value_window_load(struct value_window *window, struct reader *in)
{
    value_window_clear(window);
    size_t count = reader_count(in, sizeof(double));
    if (count > window->limit)
        in->failed = true;
    for (size_t i = 0; i < count && !in->failed; i++) {
        double value = state_take_number(in);
        if (!in->failed)
            value_window_push(window, value);
    }
    if (in->failed)
        value_window_clear(window);
}
