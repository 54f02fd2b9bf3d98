#include "incident.h"

#include "base/json.h"
#include "market/state.h"

#include <assert.h>
#include <string.h>

enum { STATE_TAG = 0x31434e49 };

static const char *const RULE_NAMES[] = {"direction_changed", "direction_locked", "direction_unlocked"};
static const char *const ORIGIN_NAMES[] = {"rule", "control"};

/* Its order among those of one time. */
static int64_t next_ordinal(struct incidents *incidents, int64_t ts_ms)
{
    for (size_t i = 0; i < INCIDENTS_RECENT; i++)
        if (incidents->recent[i].ts_ms == ts_ms)
            return ++incidents->recent[i].count;
    incidents->recent[incidents->next] = (struct incidents_recent){.ts_ms = ts_ms, .count = 1};
    incidents->next = (incidents->next + 1) % INCIDENTS_RECENT;
    return 1;
}

static void write_meta(const struct incident *incident, char out_meta[META_BYTES])
{
    struct buffer text;
    struct json json;
    buffer_init(&text, META_BYTES - 1);
    json_init(&json, &text);
    json_object_begin(&json); /* keys in bytewise order: canonical JSON */
    json_key_text(&json, "by", ORIGIN_NAMES[incident->origin]);
    json_key_text(&json, "cvd_direction", CVD_DIRECTION_NAMES[incident->direction]);
    json_key_i64(&json, "effective_ts_ms", incident->effective_ms);
    json_key_text(&json, "rule", RULE_NAMES[incident->rule]);
    json_object_end(&json);
    assert(!text.overflowed);
    memcpy(out_meta, text.data, text.length);
    buffer_finish(&text);
}

void incidents_write(struct incidents *incidents, const struct incident *incident, struct event_row *out_row)
{
    *out_row = (struct event_row){
        .ts_ms = incident->ts_ms,
        .event_type = EVENT_INCIDENT,
        .detected_ts_ms = incident->ts_ms,
        .pivot_ts_ms = FIELD_NULL_I64,
        .channel = CHANNEL_CVD,
        .direction = DIRECTION_NEUTRAL,
        .event_score = FIELD_NULL_F64,
        .strength = FIELD_NULL_ENUM,
        .ordinal = (int32_t)next_ordinal(incidents, incident->ts_ms),
    };
    write_meta(incident, out_row->meta_json);
    incidents->count++;
}

void incidents_save(const struct incidents *incidents, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    for (size_t i = 0; i < INCIDENTS_RECENT; i++) {
        buffer_append_i64(out, incidents->recent[i].ts_ms);
        buffer_append_i64(out, incidents->recent[i].count);
    }
    buffer_append_i64(out, incidents->next);
    buffer_append_i64(out, incidents->count);
}

void incidents_load(struct incidents *incidents, struct reader *in)
{
    state_expect(in, STATE_TAG);
    for (size_t i = 0; i < INCIDENTS_RECENT; i++) {
        incidents->recent[i].ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
        incidents->recent[i].count = state_take_between(in, 0, INT32_MAX);
    }
    incidents->next = state_take_between(in, 0, INCIDENTS_RECENT - 1);
    incidents->count = state_take_count(in);
    if (in->failed)
        *incidents = (struct incidents){0};
}
