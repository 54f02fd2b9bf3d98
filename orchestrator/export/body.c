#include "body.h"

#include "base/json.h"

#include <inttypes.h>
#include <string.h>

static void append_value(struct buffer *out, const struct export_figure *figure)
{
    char text[F64_TEXT_BYTES];
    if (figure->whole) {
        buffer_format(out, "%" PRId64, (int64_t)figure->value);
        return;
    }
    f64_text(figure->value, text);
    buffer_append_text(out, text);
}

/* append_escaped: every character of `special` gets a backslash before it; a newline becomes `newline`. */
static void append_escaped(struct buffer *out, const char *text, const char *special, const char *newline)
{
    for (; *text; text++) {
        if (*text == '\n') {
            buffer_append_text(out, newline);
            continue;
        }
        if (strchr(special, *text))
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, (uint8_t)*text);
    }
}

/* ---- Pushgateway ---- */

void body_pushgateway(const struct export_figures *figures, struct buffer *out)
{
    const char *before = "";
    for (size_t i = 0; i < figures->count; i++) {
        const struct export_figure *figure = &figures->items[i];
        if (strcmp(before, figure->name) != 0)
            buffer_format(out, "# TYPE %s %s\n", figure->name, figure->counter ? "counter" : "gauge");
        before = figure->name;
        buffer_append_text(out, figure->name);
        if (figure->label) {
            buffer_format(out, "{%s=\"", figure->label);
            append_escaped(out, figure->label_value, "\\\"", "\\n");
            buffer_append_text(out, "\"}");
        }
        buffer_append_byte(out, ' ');
        append_value(out, figure);
        buffer_append_byte(out, '\n');
    }
}

/* ---- InfluxDB ---- */

/* A tag may not hold a newline at all, nor end with a backslash: it would escape what follows. */
static void append_tag(struct buffer *out, const char *name, const char *value)
{
    size_t length = strlen(value);
    if (!length)
        return; /* a tag without a value is refused */
    buffer_format(out, ",%s=", name);
    append_escaped(out, value, ", =", "\\ ");
    if (value[length - 1] == '\\')
        buffer_append_byte(out, '_');
}

void body_influx(const struct export_figures *figures, const struct body_tags *tags, struct buffer *out)
{
    for (size_t i = 0; i < figures->count; i++) {
        const struct export_figure *figure = &figures->items[i];
        append_escaped(out, figure->name, ", ", "\\ ");
        append_tag(out, "run_id", tags->run_id);
        append_tag(out, "sink", tags->sink);
        if (figure->label)
            append_tag(out, figure->label, figure->label_value);
        buffer_append_text(out, " value=");
        append_value(out, figure);
        buffer_format(out, "%s %" PRId64 "\n", figure->whole ? "i" : "", tags->now_ns);
    }
}

/* ---- URL and header ---- */

void body_percent(const char *text, struct buffer *out)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text; text++)
        if (strchr(PLAIN, *text))
            buffer_append_byte(out, (uint8_t)*text);
        else
            buffer_format(out, "%%%02X", (unsigned char)*text);
}

void body_base64(const char *text, struct buffer *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(text);
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)(left > 1 ? bytes[i + 1] : 0) << 8 |
                         (uint32_t)(left > 2 ? bytes[i + 2] : 0);
        buffer_append_byte(out, (uint8_t)DIGITS[group >> 18]);
        buffer_append_byte(out, (uint8_t)DIGITS[group >> 12 & 63]);
        buffer_append_byte(out, (uint8_t)(left > 1 ? DIGITS[group >> 6 & 63] : '='));
        buffer_append_byte(out, (uint8_t)(left > 2 ? DIGITS[group & 63] : '='));
    }
}
