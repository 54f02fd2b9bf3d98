#include "tracks.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void tracks_init(struct tracks *tracks)
{
    *tracks = (struct tracks){0};
    map_init(&tracks->index);
}

void tracks_finish(struct tracks *tracks)
{
    for (size_t i = 0; i < tracks->count; i++)
        buffer_finish(&tracks->items[i].packed);
    free(tracks->items);
    map_finish(&tracks->index);
    tracks_init(tracks);
}

static struct track *track_of(struct tracks *tracks, const char *symbol)
{
    size_t slot = map_get(&tracks->index, symbol);
    if (slot != MAP_ABSENT)
        return &tracks->items[slot];
    tracks->items = memory_grow(tracks->items, &tracks->capacity, tracks->count + 1, sizeof *tracks->items);
    struct track *track = &tracks->items[tracks->count];
    *track = (struct track){.settle_bytes = TRACKS_SETTLE_BYTES, .settled_ms = INT64_MIN};
    memcpy(track->symbol, symbol, strnlen(symbol, SYMBOL_BYTES - 1));
    buffer_init(&track->packed, 0);
    map_put(&tracks->index, symbol, tracks->count++);
    return track;
}

/* --- packing: a row is its confirm as one byte and its zigzag difference to the time before, seven bits a byte,
 * lowest first --- */

static void pack(struct track *track, int64_t ts_ms, bool confirm)
{
    /* Wrapping is undone by the reader: any two times can follow each other. */
    int64_t difference = (int64_t)((uint64_t)ts_ms - (uint64_t)track->last_ts_ms);
    uint64_t zigzag = ((uint64_t)difference << 1) ^ (uint64_t)(difference >> 63);
    buffer_append_byte(&track->packed, confirm);
    for (; zigzag >= 0x80; zigzag >>= 7)
        buffer_append_byte(&track->packed, (uint8_t)(zigzag | 0x80));
    buffer_append_byte(&track->packed, (uint8_t)zigzag);
    track->last_ts_ms = ts_ms;
}

struct unpacking {
    size_t offset;
    int64_t ts_ms;
    bool confirm;
};

static bool unpack(const struct buffer *packed, struct unpacking *row)
{
    if (row->offset >= packed->length)
        return false;
    row->confirm = packed->data[row->offset++];
    uint64_t zigzag = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = packed->data[row->offset++];
        zigzag |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    row->ts_ms = (int64_t)((uint64_t)row->ts_ms + ((zigzag >> 1) ^ (0 - (zigzag & 1))));
    return true;
}

/* --- counting --- */

static void count_row(const struct event_times *times, size_t cursors[EVENT_TYPE_COUNT],
                      const struct unpacking *row, struct track_share shares[EVENT_TYPE_COUNT])
{
    for (int type = 0; times && type < EVENT_TYPE_COUNT; type++)
        if (event_times_recent(times, type, &cursors[type], row->ts_ms)) {
            shares[type].rows++;
            shares[type].confirmed += row->confirm;
        }
}

/* horizon: rows up to here are settled; INT64_MIN: none. */
static int64_t horizon(const struct event_times *times, bool is_complete)
{
    if (is_complete)
        return INT64_MAX;
    return times && times->known_ms != FIELD_NULL_I64 ? times->known_ms - TRACKS_MARGIN_MS : INT64_MIN;
}

static void settle(struct track *track, const struct event_knowledge *knowledge)
{
    const struct event_times *times = event_times_find(knowledge->times, knowledge->count, track->symbol);
    const int64_t until_ms = horizon(times, knowledge->is_complete);
    size_t cursors[EVENT_TYPE_COUNT] = {0};
    struct unpacking row = {0};
    struct buffer waiting = track->packed;
    buffer_init(&track->packed, 0);
    track->last_ts_ms = 0;
    while (unpack(&waiting, &row)) {
        if (row.ts_ms > until_ms) {
            pack(track, row.ts_ms, row.confirm);
            continue;
        }
        count_row(times, cursors, &row, track->settled);
        if (row.ts_ms > track->settled_ms)
            track->settled_ms = row.ts_ms;
    }
    buffer_finish(&waiting);
    for (int type = 0; type < EVENT_TYPE_COUNT; type++)
        track->events[type] = event_times_until(times, type, track->settled_ms);
    track->settle_bytes = 2 * track->packed.length + TRACKS_SETTLE_BYTES;
}

void tracks_add(struct tracks *tracks, const struct event_knowledge *knowledge, const char *symbol,
                int64_t ts_ms, bool confirm)
{
    struct track *track = track_of(tracks, symbol);
    pack(track, ts_ms, confirm);
    if (track->packed.length >= track->settle_bytes)
        settle(track, knowledge);
}

bool tracks_hold(const struct tracks *tracks, const struct event_knowledge *knowledge)
{
    for (size_t i = 0; i < tracks->count; i++) {
        const struct track *track = &tracks->items[i];
        const struct event_times *times = event_times_find(knowledge->times, knowledge->count, track->symbol);
        for (int type = 0; type < EVENT_TYPE_COUNT; type++)
            if (event_times_until(times, type, track->settled_ms) != track->events[type])
                return false;
    }
    return true;
}

void tracks_settle(struct tracks *tracks, const struct event_knowledge *knowledge)
{
    for (size_t i = 0; i < tracks->count; i++)
        settle(&tracks->items[i], knowledge);
}

void tracks_count(const struct tracks *tracks, const struct event_knowledge *knowledge,
                  struct track_share out_shares[EVENT_TYPE_COUNT])
{
    memset(out_shares, 0, EVENT_TYPE_COUNT * sizeof *out_shares);
    for (size_t i = 0; i < tracks->count; i++) {
        const struct track *track = &tracks->items[i];
        const struct event_times *times = event_times_find(knowledge->times, knowledge->count, track->symbol);
        size_t cursors[EVENT_TYPE_COUNT] = {0};
        struct unpacking row = {0};
        while (unpack(&track->packed, &row))
            count_row(times, cursors, &row, out_shares);
        for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
            out_shares[type].rows += track->settled[type].rows;
            out_shares[type].confirmed += track->settled[type].confirmed;
        }
    }
}

size_t tracks_bytes(const struct tracks *tracks)
{
    size_t bytes = 0;
    for (size_t i = 0; i < tracks->count; i++)
        bytes += tracks->items[i].packed.length;
    return bytes;
}
