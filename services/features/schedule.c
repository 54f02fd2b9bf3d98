#include "schedule.h"

#include "base/clock.h"

#include <ctype.h>
#include <string.h>

enum { DAY_MS = 86400000, MINUTE_MS = 60000, DAY_MINUTES = 1440 };

static const char *const WEEKDAY_NAMES[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

struct schedule_config schedule_config_default(void)
{
    return (struct schedule_config){.timezone = "Asia/Tokyo"};
}

/* Whether text has the shape of the pattern, in which '9' stands for a digit. */
static bool has_shape(const char *text, const char *pattern)
{
    if (strlen(text) != strlen(pattern))
        return false;
    for (; *pattern; pattern++, text++)
        if (*pattern == '9' ? !isdigit((unsigned char)*text) : *text != *pattern)
            return false;
    return true;
}

static int digits_at(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

/* Minutes of "HH:MM", -1 when it is no time of day; 24:00 only as an end. */
static int minutes_of(const char *text, bool is_end)
{
    int hours = digits_at(text, 2), minutes = digits_at(text + 3, 2);
    int total = hours * 60 + minutes;
    return minutes < 60 && total <= DAY_MINUTES - !is_end ? total : -1;
}

enum status schedule_add_window(struct schedule_config *config, const char *text, struct error *error)
{
    bool shaped = has_shape(text, "99:99-99:99");
    int start = shaped ? minutes_of(text, false) : -1;
    int end = shaped ? minutes_of(text + 6, true) : -1;
    if (start < 0 || end < 0)
        return error_set(error, STATUS_INVALID, "strategy_mode.schedule.windows: %s is not HH:MM-HH:MM",
                         text);
    if (start == end)
        return error_set(error, STATUS_INVALID,
                         "strategy_mode.schedule.windows: %s is empty; the whole day is 00:00-24:00", text);
    if (config->window_count == SCHEDULE_WINDOWS_MAX)
        return error_set(error, STATUS_LIMIT, "strategy_mode.schedule.windows: more than %d windows",
                         SCHEDULE_WINDOWS_MAX);
    config->windows[config->window_count++] = (struct schedule_window){start, end};
    return STATUS_OK;
}

enum status schedule_add_holiday(struct schedule_config *config, const char *text, struct error *error)
{
    int64_t days = 0;
    bool valid = has_shape(text, "9999-99-99");
    if (valid) {
        int year = digits_at(text, 4), month = digits_at(text + 5, 2), day = digits_at(text + 8, 2);
        valid = month >= 1 && month <= 12 && day >= 1 && day <= 31;
        if (valid) {
            days = civil_days(year, month, day);
            int64_t next_month = month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, month + 1, 1);
            valid = days < next_month;
        }
    }
    if (!valid)
        return error_set(error, STATUS_INVALID,
                         "strategy_mode.schedule.holidays: %s is not a date YYYY-MM-DD", text);
    if (config->holiday_count == SCHEDULE_HOLIDAYS_MAX)
        return error_set(error, STATUS_LIMIT, "strategy_mode.schedule.holidays: more than %d dates",
                         SCHEDULE_HOLIDAYS_MAX);
    config->holidays[config->holiday_count++] = days;
    return STATUS_OK;
}

enum status schedule_add_weekday(struct schedule_config *config, const char *text, struct error *error)
{
    for (unsigned i = 0; i < 7; i++) {
        if (strcmp(text, WEEKDAY_NAMES[i]) == 0) {
            config->weekdays |= 1u << i;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_INVALID, "strategy_mode.schedule.weekdays: %s is not one of mon … sun",
                     text);
}

static bool day_is_allowed(const struct schedule_config *config, int64_t days)
{
    int64_t weekday = days + 3 - floor_multiple(days + 3, 7); /* 1970-01-01 was a Thursday */
    if (config->weekdays && !(config->weekdays >> weekday & 1))
        return false;
    for (int i = 0; i < config->holiday_count; i++)
        if (config->holidays[i] == days)
            return false;
    return true;
}

static bool window_holds(const struct schedule_config *config, const struct schedule_window *window,
                         int64_t days, int64_t ms_of_day)
{
    bool begun = ms_of_day >= (int64_t)window->start_minute * MINUTE_MS;
    bool over = ms_of_day >= (int64_t)window->end_minute * MINUTE_MS;
    if (window->start_minute < window->end_minute)
        return begun && !over && day_is_allowed(config, days);
    return (begun && day_is_allowed(config, days)) || (!over && day_is_allowed(config, days - 1));
}

bool schedule_is_active(const struct schedule_config *config, int64_t ts_ms)
{
    int64_t offset_sec = config->zone ? zone_offset_sec(config->zone, floor_div(ts_ms, 1000)) : 0;
    int64_t local_ms = ts_ms + offset_sec * 1000;
    int64_t days = floor_div(local_ms, DAY_MS);
    for (int i = 0; i < config->window_count; i++)
        if (window_holds(config, &config->windows[i], days, local_ms - days * DAY_MS))
            return true;
    return false;
}
