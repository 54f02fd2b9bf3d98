#include "events.h"

#include "base/json.h"
#include "market/state.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { STATE_TAG = 0x53545645 };

struct events_config events_config_default(void)
{
    return (struct events_config){
        .anomaly_z_ofi = 3.0,
        .anomaly_z_cvd = 2.5,
        .price_jump = 0.05,
        .rearm_ms = 10000,
    };
}

enum status events_config_check(const struct events_config *config, struct error *error)
{
    if (!(config->anomaly_z_ofi >= 0 && config->anomaly_z_ofi < 1e9))
        return error_set(error, STATUS_INVALID, "events.anomaly_z_ofi: must not be negative");
    if (!(config->anomaly_z_cvd >= 0 && config->anomaly_z_cvd < 1e9))
        return error_set(error, STATUS_INVALID, "events.anomaly_z_cvd: must not be negative");
    if (!(config->price_jump > 0 && config->price_jump < 1e9))
        return error_set(error, STATUS_INVALID, "events.price_jump: must be positive");
    if (config->rearm_ms < 0 || config->rearm_ms > EVENT_TIME_MAX_MS)
        return error_set(error, STATUS_INVALID, "events.rearm_ms: must not be negative");
    return STATUS_OK;
}

void events_init(struct events_engine *engine, const struct events_config *config)
{
    *engine = (struct events_engine){.config = *config};
}

/* pair: one key of a meta_json and its number, NaN for null. */
struct pair {
    const char *key;
    double value;
};

/* `pairs` are in bytewise order of their keys: canonical JSON. */
static void write_event(int64_t ts_ms, int type, int channel, int64_t ordinal, const struct pair *pairs,
                        size_t count, struct event_row *out_row)
{
    struct buffer text;
    struct json json;
    *out_row = (struct event_row){
        .ts_ms = ts_ms,
        .event_type = (int8_t)type,
        .detected_ts_ms = ts_ms,
        .pivot_ts_ms = FIELD_NULL_I64,
        .channel = (int8_t)channel,
        .direction = DIRECTION_NEUTRAL,
        .event_score = FIELD_NULL_F64,
        .strength = FIELD_NULL_ENUM,
        .ordinal = (int32_t)ordinal,
    };
    buffer_init(&text, META_BYTES - 1);
    json_init(&json, &text);
    json_object_begin(&json);
    for (size_t i = 0; i < count; i++)
        json_key_f64(&json, pairs[i].key, pairs[i].value);
    json_object_end(&json);
    assert(!text.overflowed);
    memcpy(out_row->meta_json, text.data, text.length);
    buffer_finish(&text);
}

bool events_grid_row(struct events_engine *engine, int64_t ts_ms, double ofi_z_raw, double z_raw,
                     struct event_row *out_row)
{
    const struct events_config *config = &engine->config;
    bool ofi = fabs(ofi_z_raw) > config->anomaly_z_ofi; /* false for null */
    bool cvd = fabs(z_raw) > config->anomaly_z_cvd;
    bool rising = (ofi || cvd) && !engine->anomaly;
    engine->anomaly = ofi || cvd;
    bool armed = engine->anomaly_emitted_ms == 0 || ts_ms - engine->anomaly_emitted_ms >= config->rearm_ms;
    if (!rising || !armed)
        return false;
    const struct pair pairs[] = {{"ofi_z_raw", ofi_z_raw}, {"z_raw", z_raw}};
    write_event(ts_ms, EVENT_ANOMALY_Z, ofi ? CHANNEL_OFI : CHANNEL_CVD, 1, pairs, 2, out_row);
    engine->anomaly_emitted_ms = ts_ms;
    return true;
}

/* n of the row_id: which price anomaly of that millisecond this is, from 1. */
static int64_t next_ordinal(struct events_engine *engine, int64_t ts_ms)
{
    for (size_t i = 0; i < EVENTS_RECENT; i++)
        if (engine->recent[i].ts_ms == ts_ms)
            return ++engine->recent[i].count;
    engine->recent[engine->recent_next] = (struct events_recent){.ts_ms = ts_ms, .count = 1};
    engine->recent_next = (engine->recent_next + 1) % EVENTS_RECENT;
    return 1;
}

bool events_trade(struct events_engine *engine, int64_t ts_ms, double price, struct event_row *out_row)
{
    double previous = engine->previous_price;
    engine->previous_price = price;
    if (previous <= 0)
        return false;
    double change = price / previous - 1;
    if (!(fabs(change) > engine->config.price_jump))
        return false;
    const struct pair pairs[] = {{"change", change}, {"price", price}, {"price_prev", previous}};
    write_event(ts_ms, EVENT_PRICE_ANOMALY, CHANNEL_TRADE, next_ordinal(engine, ts_ms), pairs, 3, out_row);
    return true;
}

void events_save(const struct events_engine *engine, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, engine->anomaly);
    buffer_append_i64(out, engine->anomaly_emitted_ms);
    buffer_append_f64(out, engine->previous_price);
    for (size_t i = 0; i < EVENTS_RECENT; i++) {
        buffer_append_i64(out, engine->recent[i].ts_ms);
        buffer_append_i64(out, engine->recent[i].count);
    }
    buffer_append_i64(out, engine->recent_next);
}

void events_load(struct events_engine *engine, struct reader *in)
{
    state_expect(in, STATE_TAG);
    engine->anomaly = state_take_flag(in);
    engine->anomaly_emitted_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    engine->previous_price = state_take_number(in);
    for (size_t i = 0; i < EVENTS_RECENT; i++) {
        engine->recent[i].ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
        engine->recent[i].count = state_take_between(in, 0, INT32_MAX);
    }
    engine->recent_next = state_take_between(in, 0, EVENTS_RECENT - 1);
    if (engine->previous_price != 0 && !(engine->previous_price > 1e-60))
        in->failed = true;
    struct events_config config = engine->config;
    if (in->failed)
        events_init(engine, &config);
}
