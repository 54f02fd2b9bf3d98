/* zone: an IANA time zone as a table of transitions, without any of the C library's global state.
 *
 * A TZif file (RFC 8536) is parsed once, at configuration time; afterwards zone_offset_sec is a pure function. Times
 * behind the table's last transition follow the POSIX TZ string in the file's footer. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZONE_NAME_BYTES = 64, ZONE_FILE_BYTES_MAX = 1 << 20, ZONE_TRANSITIONS_MAX = 1 << 16 };

/* zone_date_rule: one of the two yearly changes of a POSIX TZ string. */
struct zone_date_rule {
    char form; /* 'M' month.week.day, 'J' day 1…365 without 29 February, 'N' day 0…365 */
    int month;
    int week;
    int day;
    int32_t second; /* local second of that day, may be negative or above a day */
};

/* zone_footer: what holds behind the last transition. */
struct zone_footer {
    bool present;
    bool has_summer;
    int32_t standard_sec;
    int32_t summer_sec;
    struct zone_date_rule summer_begins;
    struct zone_date_rule summer_ends;
};

struct zone {
    char name[ZONE_NAME_BYTES];
    int32_t first_sec;    /* offset before the first transition */
    size_t count;         /* transitions */
    int64_t *times_sec;   /* ascending, seconds since 1970 UTC */
    int32_t *offsets_sec; /* east of UTC, from that time on */
    struct zone_footer footer;
};

/* zone_init_utc: the zone that needs no file. */
void zone_init_utc(struct zone *zone);

/* zone_parse: fills *zone from the bytes of a TZif file. STATUS_MALFORMED with *zone untouched. */
enum status zone_parse(const void *data, size_t bytes, const char *name, struct zone *out_zone) MUST_USE;

/* zone_load: reads `name` from the system's zone folder. STATUS_INVALID with a sentence for an unknown or unreadable
 * zone. The only function here that touches a file; call it while configuring. */
enum status zone_load(const char *name, struct zone *out_zone, struct error *error) MUST_USE;

void zone_finish(struct zone *zone); /* safe to call twice */

/* zone_offset_sec: local time minus UTC at that moment. */
int32_t zone_offset_sec(const struct zone *zone, int64_t epoch_sec);

/* civil_days: days since 1970-01-01 of a proleptic Gregorian date (month 1…12, day 1…31). civil_year: its inverse,
 * the year of such a day. */
int64_t civil_days(int64_t year, int month, int day);
int64_t civil_year(int64_t days);
