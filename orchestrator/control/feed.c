#include "feed.h"

#include "base/json.h"
#include "base/memory.h"
#include "bus/bus.h"

#include <stdlib.h>

void feed_init(struct feed *feed, const struct clock *clock)
{
    *feed = (struct feed){.clock = *clock};
}

void feed_finish(struct feed *feed)
{
    for (size_t i = 0; i < FEED_EVENTS_KEPT; i++)
        free(feed->kept[i]);
    *feed = (struct feed){0};
}

static void line_text(struct buffer *out, const char *name, const struct feed_field *fields)
{
    if (*name)
        buffer_format(out, "name=%s ", name);
    for (; fields && fields->key; fields++)
        if (fields->text)
            buffer_format(out, "%s=\"%s\" ", fields->key, fields->text);
        else
            buffer_format(out, "%s=%lld ", fields->key, (long long)fields->integer);
}

static void event_json(struct buffer *out, const struct feed *feed, const char *event, const char *name,
                       const struct feed_field *fields)
{
    struct json json;
    char at[TIME_TEXT_BYTES];
    time_iso_ms(clock_wall_ms(&feed->clock), at);
    json_init(&json, out);
    json_object_begin(&json);
    json_key_i64(&json, "serial", feed->serial);
    json_key_text(&json, "at", at);
    json_key_text(&json, "event", event);
    json_key_text(&json, "name", name);
    for (; fields && fields->key; fields++)
        if (fields->text)
            json_key_text(&json, fields->key, fields->text);
        else
            json_key_i64(&json, fields->key, fields->integer);
    json_object_end(&json);
}

void feed_emit(struct feed *feed, enum log_level level, const char *event, const char *name,
               const struct feed_field *fields)
{
    struct buffer line, object;
    buffer_init(&line, 1024);
    buffer_init(&object, 0);
    feed->serial++;
    line_text(&line, name, fields);
    event_json(&object, feed, event, name, fields);
    log_history(level, event, "%s", buffer_text(&line));
    if (feed->bus)
        bus_publish(feed->bus, "event", object.data, object.length);
    char **slot = &feed->kept[feed->serial % FEED_EVENTS_KEPT];
    free(*slot);
    *slot = memory_copy_text(buffer_text(&object));
    buffer_finish(&line);
    buffer_finish(&object);
}

void feed_since(const struct feed *feed, int64_t serial, struct buffer *out_json, int64_t *out_first)
{
    int64_t oldest = feed->serial > FEED_EVENTS_KEPT ? feed->serial - FEED_EVENTS_KEPT + 1 : 1;
    buffer_append_byte(out_json, '[');
    for (int64_t at = serial + 1 > oldest ? serial + 1 : oldest; at <= feed->serial; at++) {
        if (out_json->data[out_json->length - 1] != '[')
            buffer_append_byte(out_json, ',');
        buffer_append_text(out_json, feed->kept[at % FEED_EVENTS_KEPT]);
    }
    buffer_append_byte(out_json, ']');
    *out_first = oldest;
}
