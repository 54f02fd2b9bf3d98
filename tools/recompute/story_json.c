#include "story.h"

#include <string.h>

static void key_place(struct json *json, const struct trace_place *place)
{
    json_key_i64(json, "sequence", place->sequence);
    json_key_i64(json, "record", (int64_t)(place->record % CAPTURE_CHAIN_STEP));
}

/* key_row: a row with its place; null when there is none. */
static void key_row(struct json *json, const struct story *story, const char *key,
                    const struct message *message, const void *row, const struct trace_place *place)
{
    json_key(json, key);
    if (!place->sequence) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    key_place(json, place);
    json_key(json, "row");
    message_json(json, message, message_fields_in_use(message, story->levels), row, true);
    json_object_end(json);
}

static void key_message(struct json *json, const char *key, const struct story_raw *raw)
{
    json_key(json, key);
    if (!raw->record) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    json_key_i64(json, "record", (int64_t)(raw->record % CAPTURE_CHAIN_STEP));
    json_key_text(json, "file", raw->path);
    json_key_i64(json, "offset", (int64_t)raw->offset);
    json_key_i64(json, "recv_ns", raw->recv_ns);
    json_key_i64(json, "bytes", (int64_t)raw->bytes);
    json_key(json, "text");
    json_text_bytes(json, raw->text, raw->text_bytes);
    json_object_end(json);
}

static void key_capture(struct json *json, const struct story *story)
{
    const struct capture_chain *captures = story->recording->captures;
    json_key(json, "capture");
    json_object_begin(json);
    json_key(json, "files");
    json_array_begin(json);
    for (size_t i = 0; i < capture_chain_file_count(captures); i++)
        json_text(json, capture_chain_file_path(captures, i));
    json_array_end(json);
    json_key_i64(json, "records_read", (int64_t)story->recording->records);
    json_key_text(json, "config_fingerprint", story->recording->fingerprint);
    json_object_end(json);
    json_key(json, "messages");
    json_object_begin(json);
    for (size_t i = 0; i < STORY_MESSAGES; i++)
        key_message(json, STORY_MESSAGE_NAMES[i], &story->messages[i]);
    json_object_end(json);
}

static void key_due(struct json *json, const struct trace *trace)
{
    json_key(json, "due");
    json_object_begin(json);
    key_place(json, &trace->due.place);
    json_key_text(json, "kind", trace->due.message->name);
    json_object_end(json);
    json_key(json, "snapshot");
    json_object_begin(json);
    json_key_i64(json, "record", (int64_t)(trace->book.snapshot_record % CAPTURE_CHAIN_STEP));
    json_key_i64(json, "last_update_id", trace->book.snapshot_id);
    json_key_i64(json, "synchronisation", trace->book.synchronisation);
    json_object_end(json);
}

static void key_gates(struct json *json, const struct trace *trace)
{
    json_key(json, "gates");
    json_array_begin(json);
    for (size_t i = 0; i < SIGNAL_GATES; i++) {
        json_object_begin(json);
        json_key_text(json, "name", trace->gates[i].name);
        json_key_f64(json, "value", trace->gates[i].value);
        json_key_text(json, "closed_when", trace->gates[i].relation);
        json_key_f64(json, "limit", trace->gates[i].limit);
        json_key_bool(json, "closed", trace->gates[i].closed);
        json_object_end(json);
    }
    json_array_end(json);
    json_key(json, "thresholds");
    json_object_begin(json);
    json_key_f64(json, "buy", trace->thresholds.buy);
    json_key_f64(json, "strong", trace->thresholds.strong);
    json_object_end(json);
}

static void key_differences(struct json *json, const struct finding_row *found, const void *recomputed)
{
    json_key(json, "differences");
    json_array_begin(json);
    for (size_t i = 0; i < found->difference.count; i++) {
        const struct field *field = found->difference.fields[i];
        json_object_begin(json);
        json_key_text(json, "field", field->name);
        json_key(json, "recomputed");
        field_json(json, field, recomputed);
        json_key(json, "stored");
        field_json(json, field, &found->stored);
        json_object_end(json);
    }
    json_array_end(json);
}

static void key_sinks(struct json *json, const struct story *story)
{
    json_key(json, "stored");
    json_object_begin(json);
    for (enum stored_sink sink = 0; sink < STORED_SINKS; sink++) {
        const struct finding_row *found = &story->sinks[sink];
        json_key(json, STORED_SINK_NAMES[sink]);
        json_object_begin(json);
        json_key_text(json, "finding", FINDING_NAMES[found->finding]);
        json_key_i64(json, "fields_compared", (int64_t)found->difference.compared);
        json_key_text(json, "why", found->why.text[0] ? found->why.text : NULL);
        key_differences(json, found,
                        sink == STORED_ORDERS ? (const void *)&story->trace->order
                                              : (const void *)&story->trace->signal);
        json_object_end(json);
    }
    json_object_end(json);
}

void story_json(const struct story *story, struct buffer *out)
{
    const struct trace *trace = story->trace;
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "run_id", story->run_id);
    json_key_text(&json, "symbol", story->symbol);
    json_key_i64(&json, "ts_ms", story->ts_ms);
    json_key_text(&json, "verdict", story->is_same ? "same" : "different");
    key_capture(&json, story);
    key_due(&json, trace);
    key_row(&json, story, "book", &book_message, &trace->book.row, &trace->book.place);
    key_row(&json, story, "ofi", &ofi_message, &trace->book.ofi, &trace->book.ofi_place);
    key_row(&json, story, "trade", &trade_message, &trace->trade.row, &trace->trade.place);
    key_row(&json, story, "cvd", &cvd_message, &trace->trade.cvd, &trace->trade.cvd_place);
    key_row(&json, story, "fusion", &fusion_message, &trace->fusion, &trace->fusion_place);
    key_row(&json, story, "feature", &feature_message, &trace->feature, &trace->feature_place);
    key_gates(&json, trace);
    key_row(&json, story, "signal", &signal_message, &trace->signal, &trace->signal_place);
    key_row(&json, story, "order", &order_message, &trace->order, &trace->order_place);
    key_row(&json, story, "fill", &fill_message, &trace->fill, &trace->fill_place);
    key_row(&json, story, "position", &position_message, &trace->position, &trace->position_place);
    key_sinks(&json, story);
    json_object_end(&json);
    buffer_append_text(out, "\n");
}
