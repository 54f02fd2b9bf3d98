#include "rate.h"

#include "base/memory.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>

void rate_init(struct rate *rate)
{
    *rate = (struct rate){0};
}

void rate_finish(struct rate *rate)
{
    free(rate->slots);
    rate_init(rate);
}

/* place_of: index from `first` of the first slot with a time ≥ time_ms. */
static size_t place_of(const struct rate *rate, int64_t time_ms)
{
    size_t low = 0, high = rate->used;
    if (high == 0)
        return 0;
    const struct rate_slot *slots = rate->slots + rate->first;
    if (slots[high - 1].time_ms < time_ms)
        return high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slots[middle].time_ms < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget_old(struct rate *rate)
{
    int64_t newest_ms = rate->slots[rate->first + rate->used - 1].time_ms;
    while (rate->slots[rate->first].time_ms <= newest_ms - RATE_KEEP_MS) {
        int64_t count = rate->slots[rate->first].count;
        rate->total -= count;
        if (rate->cursor) {
            rate->cursor--;
            rate->older -= count;
        }
        rate->first++;
        rate->used--;
    }
    if (rate->first > 1024 && rate->first >= rate->used) {
        memmove(rate->slots, rate->slots + rate->first, rate->used * sizeof *rate->slots);
        rate->first = 0;
    }
}

void rate_add(struct rate *rate, int64_t time_ms)
{
    size_t place = place_of(rate, time_ms);
    if (place == rate->used || rate->slots[rate->first + place].time_ms != time_ms) {
        rate->slots =
            memory_grow(rate->slots, &rate->capacity, rate->first + rate->used + 1, sizeof *rate->slots);
        struct rate_slot *at = rate->slots + rate->first + place;
        memmove(at + 1, at, (rate->used - place) * sizeof *at);
        *at = (struct rate_slot){.time_ms = time_ms};
        rate->used++;
        rate->cursor += place < rate->cursor;
    }
    rate->older += place < rate->cursor;
    rate->slots[rate->first + place].count++;
    rate->total++;
    forget_old(rate);
}

int64_t rate_since(struct rate *rate, int64_t time_ms)
{
    if (rate->used == 0)
        return 0;
    const struct rate_slot *slots = rate->slots + rate->first;
    int64_t edge_ms = time_ms - RATE_WINDOW_MS;
    while (rate->cursor < rate->used && slots[rate->cursor].time_ms <= edge_ms)
        rate->older += slots[rate->cursor++].count;
    while (rate->cursor > 0 && slots[rate->cursor - 1].time_ms > edge_ms)
        rate->older -= slots[--rate->cursor].count;
    return rate->total - rate->older;
}

void rate_save(const struct rate *rate, struct buffer *out)
{
    buffer_append_u64(out, rate->used);
    if (rate->used)
        buffer_append(out, rate->slots + rate->first, rate->used * sizeof *rate->slots);
}

enum status rate_load(struct rate *rate, struct reader *in)
{
    size_t used = reader_count(in, sizeof *rate->slots);
    rate->slots = memory_grow(rate->slots, &rate->capacity, used, sizeof *rate->slots);
    reader_take(in, rate->slots, used * sizeof *rate->slots);
    rate->first = 0;
    rate->used = used;
    rate->total = 0;
    rate->cursor = 0;
    rate->older = 0;
    for (size_t i = 0; i < used && !in->failed; i++) {
        const struct rate_slot *slot = &rate->slots[i];
        if (slot->count <= 0 || slot->count > INT32_MAX || !state_is_time(slot->time_ms) ||
            (i && slot->time_ms <= slot[-1].time_ms))
            in->failed = true;
        else
            rate->total += slot->count;
    }
    if (in->failed)
        rate->used = 0, rate->total = 0;
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
