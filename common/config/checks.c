/* checks: shapes of texts that a range or a list of choices cannot express. NULL means good. */
#include "internal.h"
#include "recorded.h"
#include "schema_rows.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* each_text: the first complaint about any text of the value. */
static const char *each_text(const struct config_value *value, const char *(*check)(const char *text))
{
    if (value->type == CONFIG_TEXT)
        return check(value->text);
    for (size_t i = 0; i < value->list.count; i++) {
        const char *reason = check(value->list.texts[i]);
        if (reason)
            return reason;
    }
    return NULL;
}

static const char *not_empty(const char *text)
{
    return *text ? NULL : "must not be empty";
}

const char *check_not_empty(const struct config_value *value)
{
    return each_text(value, not_empty);
}

static const char *symbol_shape(const char *text)
{
    return symbol_is_valid(text)
               ? NULL
               : "must be symbols in upper case, A-Z 0-9 _ -, at most 31 characters, as BTCUSDT";
}

const char *check_symbols(const struct config_value *value)
{
    return each_text(value, symbol_shape);
}

static bool only(const char *text, const char *extra, size_t longest)
{
    size_t length = strlen(text);
    if (length > longest)
        return false;
    for (const char *at = text; *at; at++) {
        bool word = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!word && !strchr(extra, *at))
            return false;
    }
    return true;
}

const char *check_run_id(const struct config_value *value)
{
    return !*value->text || run_id_valid(value->text) ? NULL : "must be at most 64 of A-Z a-z 0-9 _ -";
}

const char *check_label(const struct config_value *value)
{
    return *value->text && only(value->text, "_.-", 64) ? NULL : "must be 1 to 64 of A-Z a-z 0-9 _ . -";
}

/* url_after: what follows the scheme, NULL when it is another one. */
static const char *url_after(const char *url, const char *plain, const char *secure)
{
    size_t length = strlen(plain);
    if (strncmp(url, plain, length) == 0)
        return url + length;
    length = strlen(secure);
    return strncmp(url, secure, length) == 0 ? url + length : NULL;
}

static bool host_is_there(const char *rest)
{
    return rest && *rest && *rest != '/' && *rest != ':' && !strpbrk(rest, " \t\"<>\\^`{|}?#");
}

const char *check_socket_url(const struct config_value *value)
{
    if (!*value->text || host_is_there(url_after(value->text, "ws://", "wss://")))
        return NULL;
    return "must be a ws:// or wss:// address without the part from ? on";
}

const char *check_rest_url(const struct config_value *value)
{
    if (!*value->text || host_is_there(url_after(value->text, "http://", "https://")))
        return NULL;
    return "must be an http:// or https:// address without the part from ? on";
}

const char *check_simulator_start(const struct config_value *value)
{
    const char *text = value->text;
    size_t length = strlen(text);
    if (strcmp(text, "recorded") == 0 || strcmp(text, "now") == 0)
        return NULL;
    bool digits = length > 0 && length <= 15 && strspn(text, "0123456789") == length;
    return digits ? NULL : "must be recorded, now, or milliseconds since 1970";
}

const char *check_http_address(const struct config_value *value)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool good =
        inet_pton(AF_INET, value->text, address) == 1 || inet_pton(AF_INET6, value->text, address) == 1;
    return good ? NULL : "must be an IPv4 or IPv6 address, as 127.0.0.1";
}

/* host_shape: NAME=HOST[:PORT]; a port leaves room for the next one. */
static const char *host_shape(const char *text)
{
    static const char WRONG[] = "must be NAME=HOST or NAME=HOST:PORT, as signal=10.0.0.7:5670";
    char part[256];
    const char *equals = strchr(text, '='), *colon = strrchr(text, ':'), *end = text + strlen(text);
    if (!equals || equals == text || equals - text > 63 || end - equals > 250)
        return WRONG;
    snprintf(part, sizeof part, "%.*s", (int)(equals - text), text);
    if (!only(part, "_.-", 63))
        return WRONG;
    const char *host_end = colon && colon > equals ? colon : end;
    snprintf(part, sizeof part, "%.*s", (int)(host_end - equals - 1), equals + 1);
    if (!*part || !only(part, "_.-", 250))
        return WRONG;
    if (host_end == end)
        return NULL;
    size_t digits = strspn(colon + 1, "0123456789");
    long port = digits && digits < 6 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : 0;
    return port >= 1 && port <= 65534 ? NULL : WRONG;
}

const char *check_host(const struct config_value *value)
{
    return *value->text && only(value->text, "_.-", 250) ? NULL
                                                         : "must be an address or a name, as 127.0.0.1";
}

const char *check_bus_hosts(const struct config_value *value)
{
    return each_text(value, host_shape);
}

const char *check_time_zone_name(const struct config_value *value)
{
    const char *text = value->text;
    bool good = *text && *text != '/' && only(text, "_+-/", 64) && !strstr(text, "//");
    return good ? NULL : "must be an IANA time zone name, as Asia/Tokyo";
}

static bool two_digits(const char *text, int *out)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *out = (text[0] - '0') * 10 + text[1] - '0';
    return true;
}

static bool clock_time(const char *text, int *out_minute)
{
    int hour, minute;
    if (!two_digits(text, &hour) || text[2] != ':' || !two_digits(text + 3, &minute) || minute > 59 ||
        hour * 60 + minute > 1440)
        return false;
    *out_minute = hour * 60 + minute;
    return true;
}

bool config_window_parse(const char *text, int *out_start_minute, int *out_end_minute)
{
    int start, end;
    if (strlen(text) != 11 || !clock_time(text, &start) || text[5] != '-' || !clock_time(text + 6, &end) ||
        start == 1440 || start == end)
        return false;
    *out_start_minute = start;
    *out_end_minute = end;
    return true;
}

static const char *window_shape(const char *text)
{
    int start, end;
    return config_window_parse(text, &start, &end)
               ? NULL
               : "must be times \"HH:MM-HH:MM\" that differ, end up to 24:00";
}

const char *check_windows(const struct config_value *value)
{
    return each_text(value, window_shape);
}

/* days_from_civil: days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t days_from_civil(int year, int month, int day)
{
    static const int BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = year - 1;
    int64_t days = past * 365 + past / 4 - past / 100 + past / 400 + BEFORE[month - 1] + day - 1;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days + (leap && month > 2) - 719162;
}

bool config_date_parse(const char *text, int64_t *out_days)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century, year, month, day;
    if (strlen(text) != 10 || !two_digits(text, &century) || !two_digits(text + 2, &year) || text[4] != '-' ||
        !two_digits(text + 5, &month) || text[7] != '-' || !two_digits(text + 8, &day))
        return false;
    year += century * 100;
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > DAYS[month - 1] + (leap && month == 2))
        return false;
    *out_days = days_from_civil(year, month, day);
    return true;
}

static const char *date_shape(const char *text)
{
    int64_t days;
    return config_date_parse(text, &days) ? NULL : "must be dates YYYY-MM-DD that exist, from 1970 on";
}

const char *check_dates(const struct config_value *value)
{
    return each_text(value, date_shape);
}

const char *check_flush_ms(const struct config_value *value)
{
    return value->integer == 0 || value->integer >= 50 ? NULL : "must be 0 (every row) or 50 to 5000";
}

const char *check_horizons(const struct config_value *value)
{
    static const int64_t ALLOWED[] = {5, 10, 30, 60, 180, 300, 900};
    for (size_t i = 0; i < value->list.count; i++) {
        size_t at = 0;
        while (at < sizeof ALLOWED / sizeof *ALLOWED && ALLOWED[at] != value->list.integers[i])
            at++;
        if (at == sizeof ALLOWED / sizeof *ALLOWED)
            return "must be of 5, 10, 30, 60, 180, 300, 900";
    }
    return NULL;
}

const char *check_divides_second(const struct config_value *value)
{
    return 1000 % value->integer == 0 ? NULL : "must divide 1000";
}

const char *check_divides_hour(const struct config_value *value)
{
    return 3600 % value->integer == 0 ? NULL : "must divide 3600";
}
