#include "tally.h"

#include "base/clock.h"

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
}

void tally_finish(struct tally *tally)
{
    map_finish(&tally->reason_index);
    tally_init(tally);
}

int64_t tally_strong(const struct tally *tally)
{
    return tally->strong_buy + tally->strong_sell;
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
