/* capture_lines: the two text formats.
 *
 *   hft         <receive time: 13, 16 or 19 digits> <JSON>
 *   cryptofeed  <seconds.fraction>: <JSON>
 *               <url> -> <seconds.fraction>: <JSON>
 *               wss://… <-> <seconds>      configuration: …       (nothing to serve) */
#include "recording_internal.h"

#include <string.h>

/* take_digits: moves over digits and adds them to `value`; returns how many. */
static size_t take_digits(struct span *text, int64_t *value)
{
    size_t count = 0;
    while (text->bytes && *text->text >= '0' && *text->text <= '9' && count < 19) {
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, *text->text - '0', value)) {
            *value = 0;
            return 0;
        }
        text->text++;
        text->bytes--;
        count++;
    }
    return count;
}

static bool take_text(struct span *text, const char *expected)
{
    size_t length = strlen(expected);
    if (text->bytes < length || memcmp(text->text, expected, length) != 0)
        return false;
    text->text += length;
    text->bytes -= length;
    return true;
}

/* take_seconds: "1617566592.1065369" to nanoseconds, exactly. */
static bool take_seconds(struct span *text, int64_t *out_ns)
{
    int64_t seconds = 0, fraction = 0;
    size_t digits = take_digits(text, &seconds);
    if (digits == 0 || digits > 10)
        return false;
    size_t decimals = take_text(text, ".") ? take_digits(text, &fraction) : 0;
    for (; decimals < 9; decimals++)
        fraction *= 10;
    for (; decimals > 9; decimals--)
        fraction /= 10;
    return !__builtin_mul_overflow(seconds, 1000000000, out_ns) &&
           !__builtin_add_overflow(*out_ns, fraction, out_ns);
}

/* take_time: an integer receive time whose digits tell its unit. */
static bool take_time(struct span *text, int64_t *out_ns)
{
    int64_t value = 0;
    size_t digits = take_digits(text, &value);
    if (digits != 13 && digits != 16 && digits != 19)
        return false;
    return !__builtin_mul_overflow(value, digits == 13 ? 1000000 : digits == 16 ? 1000 : 1, out_ns);
}

static const char *read_message(struct capture *capture, int64_t recv_ns, struct span json)
{
    if (!span_is_object(json))
        return "no complete JSON object behind the time";
    if (!capture_message(capture, recv_ns, json) &&
        !capture_rest(capture, recv_ns, (struct span){"", 0}, json))
        capture->recording->other++;
    return NULL;
}

static const char *read_timed(struct capture *capture, struct span line)
{
    int64_t recv_ns;
    struct span rest = line;
    if (take_time(&rest, &recv_ns) && take_text(&rest, " "))
        return read_message(capture, recv_ns, span_trim(rest));
    rest = line;
    if (take_seconds(&rest, &recv_ns) && take_text(&rest, ": "))
        return read_message(capture, recv_ns, span_trim(rest));
    return "no receive time of 13, 16 or 19 digits and no seconds with a colon";
}

static const char *read_answer(struct capture *capture, struct span line)
{
    static const char ARROW[] = " -> ";
    const char *arrow = memmem(line.text, line.bytes, ARROW, strlen(ARROW));
    if (!arrow)
        return "a REST line without ' -> '";
    struct span url = {line.text, (size_t)(arrow - line.text)};
    struct span rest = {arrow + strlen(ARROW), line.bytes - url.bytes - strlen(ARROW)};
    int64_t recv_ns;
    if (!take_seconds(&rest, &recv_ns) || !take_text(&rest, ": "))
        return "a REST line without a time";
    if (!capture_rest(capture, recv_ns, url, span_trim(rest)))
        capture->recording->other++;
    return NULL;
}

static const char *read_line(struct capture *capture, struct span line)
{
    struct span rest = line;
    if (*line.text >= '0' && *line.text <= '9')
        return read_timed(capture, line);
    if (take_text(&rest, "http"))
        return read_answer(capture, line);
    if (take_text(&rest, "ws") || take_text(&rest, "configuration:")) {
        capture->recording->other++;
        return NULL;
    }
    return "neither a message nor a REST answer";
}

void capture_read_lines(struct capture *capture, struct span content)
{
    const char *at = content.text, *end = content.text + content.bytes;
    for (uint64_t number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *behind = newline ? newline : end;
        struct span line = span_trim((struct span){at, (size_t)(behind - at)});
        const char *reason = line.bytes ? read_line(capture, line) : NULL;
        if (reason)
            capture_skip(capture, number, reason);
        at = newline ? newline + 1 : end;
    }
}
