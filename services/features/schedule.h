/* schedule: is a moment inside the trading windows of local time (algorithms.md §7 step 3)? */
#pragma once

#include "base/status.h"
#include "zone.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCHEDULE_WINDOWS_MAX = 100, SCHEDULE_HOLIDAYS_MAX = 1000 };

/* schedule_window: minutes of the local day, start inclusive, end exclusive (1440 = midnight). start > end wraps
 * midnight and belongs to the start day's weekday and holiday. */
struct schedule_window {
    int start_minute;
    int end_minute;
};

/* schedule_config: the keys strategy_mode.schedule.*; `zone` is what `timezone` was loaded into (zone_load), borrowed,
 * and must outlive every engine that uses it; NULL means UTC. */
struct schedule_config {
    char timezone[ZONE_NAME_BYTES];
    const struct zone *zone;
    unsigned weekdays; /* bit 0 Monday … bit 6 Sunday; 0 = every day */
    int holiday_count;
    int64_t holidays[SCHEDULE_HOLIDAYS_MAX]; /* civil_days of local dates, never active */
    int window_count;
    struct schedule_window windows[SCHEDULE_WINDOWS_MAX];
};

/* schedule_config_default: Asia/Tokyo, every day, no window. `zone` is still NULL. */
struct schedule_config schedule_config_default(void);

/* schedule_add_window: "HH:MM-HH:MM"; the end may be 24:00. schedule_add_holiday: "YYYY-MM-DD". schedule_add_weekday:
 * "mon" … "sun". STATUS_INVALID with a sentence, or STATUS_LIMIT when there are too many. */
enum status schedule_add_window(struct schedule_config *config, const char *text,
                                struct error *error) MUST_USE;
enum status schedule_add_holiday(struct schedule_config *config, const char *text,
                                 struct error *error) MUST_USE;
enum status schedule_add_weekday(struct schedule_config *config, const char *text,
                                 struct error *error) MUST_USE;

/* schedule_is_active: false without windows. */
bool schedule_is_active(const struct schedule_config *config, int64_t ts_ms);
