#include "tally.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

void tally_init(struct tally *tally)
{
    *tally = (struct tally){.first_minute = FIELD_NULL_I64, .last_minute = FIELD_NULL_I64};
    map_init(&tally->reason_index);
    map_init(&tally->track_index);
}

void tally_finish(struct tally *tally)
{
    for (size_t i = 0; i < tally->track_count; i++)
        buffer_finish(&tally->tracks[i].packed);
    free(tally->tracks);
    map_finish(&tally->track_index);
    map_finish(&tally->reason_index);
    tally_init(tally);
}

int64_t tally_strong(const struct tally *tally)
{
    return tally->strong_buy + tally->strong_sell;
}

/* Tracks: a row is its confirm as one byte and its zigzag difference to the time before, seven bits a
 * byte, lowest first. */

static void pack(struct buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buffer_append_byte(out, (uint8_t)(value | 0x80));
    buffer_append_byte(out, (uint8_t)value);
}

static struct tally_track *track_of(struct tally *tally, const char *symbol)
{
    size_t index = map_get(&tally->track_index, symbol);
    if (index != MAP_ABSENT)
        return &tally->tracks[index];
    tally->tracks =
        memory_grow(tally->tracks, &tally->track_capacity, tally->track_count + 1, sizeof *tally->tracks);
    struct tally_track *track = &tally->tracks[tally->track_count];
    *track = (struct tally_track){0};
    memcpy(track->symbol, symbol, strnlen(symbol, SYMBOL_BYTES - 1));
    buffer_init(&track->packed, 0);
    map_put(&tally->track_index, symbol, tally->track_count++);
    return track;
}

static void track_add(struct tally_track *track, int64_t ts_ms, bool confirm)
{
    /* Wrapping is undone by the reader: any two times can follow each other. */
    int64_t difference = (int64_t)((uint64_t)ts_ms - (uint64_t)track->last_ts_ms);
    uint64_t zigzag = ((uint64_t)difference << 1) ^ (uint64_t)(difference >> 63);
    buffer_append_byte(&track->packed, confirm);
    pack(&track->packed, zigzag);
    track->last_ts_ms = ts_ms;
    track->rows++;
}

void tally_track_begin(struct tally_track_reader *reader, const struct tally_track *track)
{
    *reader = (struct tally_track_reader){.track = track};
}

bool tally_track_next(struct tally_track_reader *reader, int64_t *out_ts_ms, bool *out_confirm)
{
    const struct buffer *packed = &reader->track->packed;
    if (reader->offset >= packed->length)
        return false;
    *out_confirm = packed->data[reader->offset++];
    uint64_t zigzag = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = packed->data[reader->offset++];
        zigzag |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    uint64_t difference = (zigzag >> 1) ^ (0 - (zigzag & 1));
    reader->ts_ms = (int64_t)((uint64_t)reader->ts_ms + difference);
    *out_ts_ms = reader->ts_ms;
    return true;
}

static size_t reason_number(struct tally *tally, const char *name, size_t length)
{
    char text[TALLY_REASON_BYTES] = {0};
    memcpy(text, name, length < sizeof text ? length : sizeof text - 1);
    size_t number = map_get(&tally->reason_index, text);
    if (number != MAP_ABSENT)
        return number;
    if (tally->reason_count == TALLY_REASONS_MAX)
        return TALLY_REASONS_MAX - 1;
    if (tally->reason_count == TALLY_REASONS_MAX - 1)
        memcpy(text, TALLY_REASON_OTHER, sizeof TALLY_REASON_OTHER);
    number = tally->reason_count++;
    memcpy(tally->reason_names[number], text, sizeof text);
    map_put(&tally->reason_index, text, number);
    return number;
}

/* reasons_of: the row's reasons as bits, so that one listed twice counts once. */
static uint64_t reasons_of(struct tally *tally, const char *list)
{
    uint64_t bits = 0;
    while (*list) {
        size_t length = strcspn(list, ",");
        if (length)
            bits |= 1ULL << reason_number(tally, list, length);
        list += length + (list[length] == ',');
    }
    return bits;
}

/* minute_slot: the slot of a minute among the newest five, moving them on when it is newer; NULL when it
 * is older. */
static struct tally_minute *minute_slot(struct tally *tally, int64_t minute)
{
    struct tally_minute *minutes = tally->minutes;
    int64_t newest = tally->last_minute;
    if (newest == FIELD_NULL_I64 || minute > newest) {
        int64_t step =
            newest == FIELD_NULL_I64 || minute - newest > TALLY_MINUTES ? TALLY_MINUTES : minute - newest;
        memmove(minutes, minutes + step, (size_t)(TALLY_MINUTES - step) * sizeof *minutes);
        memset(minutes + TALLY_MINUTES - step, 0, (size_t)step * sizeof *minutes);
        for (int i = 0; i < TALLY_MINUTES; i++)
            minutes[i].minute = minute - TALLY_MINUTES + 1 + i;
        tally->last_minute = newest = minute;
    }
    int64_t back = newest - minute;
    return back < TALLY_MINUTES ? &minutes[TALLY_MINUTES - 1 - back] : NULL;
}

static void count_minute(struct tally *tally, const struct signal_row *row, uint64_t reasons)
{
    int64_t minute = floor_div(row->ts_ms, MINUTE_MS);
    struct tally_minute *slot = minute_slot(tally, minute);
    if (tally->first_minute == FIELD_NULL_I64 || minute < tally->first_minute)
        tally->first_minute = minute;
    if (!slot)
        return;
    slot->count++;
    slot->confirmed += row->confirm;
    for (size_t i = 0; i < tally->reason_count; i++)
        slot->reasons[i] += reasons >> i & 1;
}

static void count_side(struct tally *tally, const struct signal_row *row)
{
    int type = row->signal_type;
    tally->pending += type == SIGNAL_PENDING;
    if (!row->confirm)
        return;
    tally->confirmed++;
    tally->strong_buy += type == SIGNAL_STRONG_BUY;
    tally->strong_sell += type == SIGNAL_STRONG_SELL;
    tally->buy += type == SIGNAL_BUY || type == SIGNAL_STRONG_BUY;
    tally->sell += type == SIGNAL_SELL || type == SIGNAL_STRONG_SELL;
}

void tally_add(struct tally *tally, const struct signal_row *row)
{
    uint64_t reasons = reasons_of(tally, row->guard_reason);
    tally->total++;
    count_side(tally, row);
    count_minute(tally, row, reasons);
    for (size_t i = 0; i < tally->reason_count; i++) {
        tally->reasons[i] += reasons >> i & 1;
        tally->reasons_by_regime[row->regime][i] += reasons >> i & 1;
    }
    track_add(track_of(tally, row->symbol), row->ts_ms, row->confirm);
}

struct ordering {
    const struct tally *tally;
    const int64_t *counts;
};

static int compare_reasons(const void *left, const void *right, void *context)
{
    const struct ordering *ordering = context;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    if (ordering->counts[a] != ordering->counts[b])
        return ordering->counts[a] < ordering->counts[b] ? 1 : -1;
    return strcmp(ordering->tally->reason_names[a], ordering->tally->reason_names[b]);
}

void tally_reason_order(const struct tally *tally, const int64_t *counts, size_t out_order[TALLY_REASONS_MAX])
{
    struct ordering ordering = {.tally = tally, .counts = counts};
    for (size_t i = 0; i < tally->reason_count; i++)
        out_order[i] = i;
    qsort_r(out_order, tally->reason_count, sizeof *out_order, compare_reasons, &ordering);
}
