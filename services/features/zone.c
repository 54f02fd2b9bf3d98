#include "zone.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_FOLDER "/usr/share/zoneinfo"

enum {
    DAY_SEC = 86400,
    HEADER_BYTES = 44,
    OFFSET_MAX_SEC = 26 * 3600, /* larger ones are not zones */
    RULE_HOURS_MAX = 167,
    TYPE_BYTES = 6,
};

int64_t civil_days(int64_t year, int month, int day)
{
    /* Years that begin in March, so that the leap day is a year's last. */
    int64_t shifted = month > 2 ? year : year - 1;
    int64_t era = floor_div(shifted, 400);
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

int64_t civil_year(int64_t days)
{
    int64_t year = 1970 + floor_div(days * 400, 146097);
    while (civil_days(year, 1, 1) > days)
        year--;
    while (civil_days(year + 1, 1, 1) <= days)
        year++;
    return year;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int64_t year, int month)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return DAYS[month - 1] + (month == 2 && is_leap(year));
}

/* The last of the five `day`s of the month stands for week 5 even where there are four. */
static int64_t month_rule_days(const struct zone_date_rule *rule, int64_t year)
{
    int64_t first = civil_days(year, rule->month, 1);
    int64_t weekday = floor_div(first + 4, 7) * -7 + first + 4; /* 0 = Sunday */
    int64_t day = (rule->day - weekday + 7) % 7 + (int64_t)(rule->week - 1) * 7;
    while (day >= days_of_month(year, rule->month))
        day -= 7;
    return first + day;
}

/* The local second, counted from 1970, at which the rule strikes in that year. */
static int64_t rule_sec(const struct zone_date_rule *rule, int64_t year)
{
    int64_t days;
    if (rule->form == 'M')
        days = month_rule_days(rule, year);
    else if (rule->form == 'J')
        days = civil_days(year, 1, 1) + rule->day - 1 + (is_leap(year) && rule->day > 59);
    else
        days = civil_days(year, 1, 1) + rule->day;
    return days * DAY_SEC + rule->second;
}

static int32_t footer_offset_sec(const struct zone_footer *footer, int64_t epoch_sec)
{
    if (!footer->has_summer)
        return footer->standard_sec;
    int64_t year = civil_year(floor_div(epoch_sec + footer->standard_sec, DAY_SEC));
    int64_t begins = rule_sec(&footer->summer_begins, year) - footer->standard_sec;
    int64_t ends = rule_sec(&footer->summer_ends, year) - footer->summer_sec;
    bool summer =
        begins < ends ? epoch_sec >= begins && epoch_sec < ends : !(epoch_sec >= ends && epoch_sec < begins);
    return summer ? footer->summer_sec : footer->standard_sec;
}

int32_t zone_offset_sec(const struct zone *zone, int64_t epoch_sec)
{
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->times_sec[middle] <= epoch_sec)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->footer.present)
        return footer_offset_sec(&zone->footer, epoch_sec);
    return low == 0 ? zone->first_sec : zone->offsets_sec[low - 1];
}

void zone_init_utc(struct zone *zone)
{
    *zone = (struct zone){.name = "UTC"};
}

void zone_finish(struct zone *zone)
{
    free(zone->times_sec);
    free(zone->offsets_sec);
    zone_init_utc(zone);
}

/* --- the footer: a POSIX TZ string --- */

/* text: a cursor over the string; every take_… moves it on and returns false where it does not fit. */
static bool take_char(const char **text, char expected)
{
    if (**text != expected)
        return false;
    ++*text;
    return true;
}

static bool take_number(const char **text, int max, int *out)
{
    int value = 0, digits = 0;
    for (; isdigit((unsigned char)**text) && digits < 4; ++*text, digits++)
        value = value * 10 + (**text - '0');
    if (digits == 0 || value > max)
        return false;
    *out = value;
    return true;
}

static bool take_name(const char **text)
{
    const char *begin = *text;
    if (take_char(text, '<')) {
        while (**text && **text != '>')
            ++*text;
        return take_char(text, '>');
    }
    while (isalpha((unsigned char)**text))
        ++*text;
    return *text - begin >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **text, int hours_max, int32_t *out_sec)
{
    int sign = take_char(text, '-') ? -1 : 1;
    if (sign > 0)
        take_char(text, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(text, hours_max, &hours))
        return false;
    if (take_char(text, ':')) {
        if (!take_number(text, 59, &minutes))
            return false;
        if (take_char(text, ':') && !take_number(text, 59, &seconds))
            return false;
    }
    *out_sec = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool take_month_rule(const char **text, struct zone_date_rule *out)
{
    out->form = 'M';
    return take_number(text, 12, &out->month) && take_char(text, '.') && take_number(text, 5, &out->week) &&
           take_char(text, '.') && take_number(text, 6, &out->day) && out->month > 0 && out->week > 0;
}

static bool take_rule(const char **text, struct zone_date_rule *out)
{
    *out = (struct zone_date_rule){.second = 2 * 3600};
    if (!take_char(text, ','))
        return false;
    if (take_char(text, 'M')) {
        if (!take_month_rule(text, out))
            return false;
    } else {
        out->form = take_char(text, 'J') ? 'J' : 'N';
        if (!take_number(text, 365, &out->day) || (out->form == 'J' && out->day == 0))
            return false;
    }
    return !take_char(text, '/') || take_time(text, RULE_HOURS_MAX, &out->second);
}

static bool parse_footer(const char *text, struct zone_footer *out)
{
    *out = (struct zone_footer){.present = true};
    if (!take_name(&text) || !take_time(&text, 24, &out->standard_sec))
        return false;
    out->standard_sec = -out->standard_sec; /* POSIX counts west of UTC */
    if (*text == 0)
        return true;
    out->has_summer = true;
    out->summer_sec = out->standard_sec + 3600;
    if (!take_name(&text))
        return false;
    if (*text != ',') {
        if (!take_time(&text, 24, &out->summer_sec))
            return false;
        out->summer_sec = -out->summer_sec;
    }
    return take_rule(&text, &out->summer_begins) && take_rule(&text, &out->summer_ends) && *text == 0;
}

/* --- the file --- */

struct tzif_header {
    char version;
    uint32_t isutc, isstd, leap, time, type, chars;
};

static uint32_t take_u32(struct reader *in)
{
    unsigned char bytes[4];
    reader_take(in, bytes, sizeof bytes);
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t take_time_value(struct reader *in, size_t time_bytes)
{
    if (time_bytes == 4)
        return (int32_t)take_u32(in);
    uint64_t high = take_u32(in);
    return (int64_t)(high << 32 | take_u32(in));
}

static bool take_header(struct reader *in, struct tzif_header *out)
{
    char magic[5] = {0};
    reader_take(in, magic, 4);
    reader_take(in, &out->version, 1);
    reader_borrow(in, 15);
    out->isutc = take_u32(in);
    out->isstd = take_u32(in);
    out->leap = take_u32(in);
    out->time = take_u32(in);
    out->type = take_u32(in);
    out->chars = take_u32(in);
    return !in->failed && memcmp(magic, "TZif", 4) == 0 && out->time <= ZONE_TRANSITIONS_MAX &&
           out->type > 0 && out->type <= 256 && out->chars <= 65536 && out->leap <= 65536 &&
           out->isstd <= 256 && out->isutc <= 256;
}

static size_t block_bytes(const struct tzif_header *header, size_t time_bytes)
{
    return header->time * (time_bytes + 1) + (size_t)header->type * TYPE_BYTES + header->chars +
           header->leap * (time_bytes + 4) + header->isstd + header->isutc;
}

/* Transition times, their types, and the types' offsets; the rest of the block is passed over. */
static bool take_block(struct reader *in, const struct tzif_header *header, size_t time_bytes,
                       struct zone *zone)
{
    size_t end = in->offset + block_bytes(header, time_bytes);
    if (end > in->length)
        return false;
    zone->count = header->time;
    zone->times_sec = memory_allocate(header->time * sizeof *zone->times_sec);
    zone->offsets_sec = memory_allocate(header->time * sizeof *zone->offsets_sec);
    for (size_t i = 0; i < header->time; i++) {
        zone->times_sec[i] = take_time_value(in, time_bytes);
        if (i > 0 && zone->times_sec[i] <= zone->times_sec[i - 1])
            return false;
    }
    const unsigned char *kinds = reader_borrow(in, header->time);
    int32_t offsets[256];
    for (size_t i = 0; i < header->type; i++) {
        offsets[i] = (int32_t)take_u32(in);
        reader_borrow(in, TYPE_BYTES - 4);
        if (offsets[i] > OFFSET_MAX_SEC || offsets[i] < -OFFSET_MAX_SEC)
            return false;
    }
    zone->first_sec = offsets[0];
    for (size_t i = 0; i < header->time; i++) {
        if (kinds[i] >= header->type)
            return false;
        zone->offsets_sec[i] = offsets[kinds[i]];
    }
    in->offset = end;
    return true;
}

static bool take_footer(struct reader *in, struct zone_footer *out)
{
    size_t rest = in->length - in->offset;
    const char *text = reader_borrow(in, rest);
    if (!text || rest < 2 || text[0] != '\n' || text[rest - 1] != '\n')
        return false;
    char footer[128];
    if (rest - 2 >= sizeof footer)
        return false;
    memcpy(footer, text + 1, rest - 2);
    footer[rest - 2] = 0;
    return footer[0] == 0 || parse_footer(footer, out);
}

static bool take_file(struct reader *in, struct zone *zone)
{
    struct tzif_header header;
    if (!take_header(in, &header))
        return false;
    if (header.version == 0)
        return take_block(in, &header, 4, zone);
    /* The first block, with its 32-bit times, is for readers of 1990. */
    reader_borrow(in, block_bytes(&header, 4));
    return take_header(in, &header) && take_block(in, &header, 8, zone) && take_footer(in, &zone->footer);
}

enum status zone_parse(const void *data, size_t bytes, const char *name, struct zone *out_zone)
{
    struct reader in;
    struct zone zone;
    zone_init_utc(&zone);
    reader_init(&in, data, bytes);
    if (!take_file(&in, &zone) || strlen(name) >= sizeof zone.name) {
        zone_finish(&zone);
        return STATUS_MALFORMED;
    }
    memcpy(zone.name, name, strlen(name) + 1);
    *out_zone = zone;
    return STATUS_OK;
}

/* Letters, digits, '_', '+', '-' and single inner slashes: nothing that could leave the folder. */
static bool is_zone_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length >= ZONE_NAME_BYTES || name[0] == '/' || name[length - 1] == '/')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("_+-/", name[i]))
            return false;
    return strstr(name, "//") == NULL;
}

enum status zone_load(const char *name, struct zone *out_zone, struct error *error)
{
    if (strcmp(name, "UTC") == 0) {
        zone_init_utc(out_zone);
        return STATUS_OK;
    }
    if (!is_zone_name(name))
        return error_set(error, STATUS_INVALID,
                         "strategy_mode.schedule.timezone: %s is not an IANA name such as Asia/Tokyo", name);
    char path[PATH_BYTES];
    path_join(path, ZONE_FOLDER, "%s", name);
    struct buffer content;
    buffer_init(&content, ZONE_FILE_BYTES_MAX);
    enum status status = file_read(path, &content);
    if (status == STATUS_OK)
        status = zone_parse(content.data, content.length, name, out_zone);
    buffer_finish(&content);
    if (status != STATUS_OK)
        return error_set(
            error, STATUS_INVALID,
            "strategy_mode.schedule.timezone: unknown zone %s (no such zone file below %s; is the package "
            "tzdata installed?)",
            name, ZONE_FOLDER);
    return STATUS_OK;
}
