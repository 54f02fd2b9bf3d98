#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const STORY_MESSAGE_NAMES[] = {"diff", "trade", "due", "snapshot", NULL};

static void keep(struct story_raw *raw, const struct capture_chain *captures,
                 const struct capture_record *record)
{
    const char *path;
    raw->record = record->seq;
    raw->recv_ns = record->recv_ns;
    raw->bytes = record->payload_bytes;
    capture_chain_record_place(captures, record, &path, &raw->offset);
    snprintf(raw->path, sizeof raw->path, "%s", path);
    raw->text_bytes = record->payload_bytes < STORY_TEXT_BYTES ? record->payload_bytes : STORY_TEXT_BYTES;
    memcpy(raw->text, record->payload, raw->text_bytes);
}

static void look_at(struct story *story, const struct capture_chain *captures,
                    const struct capture_record *record)
{
    const struct trace *trace = story->trace;
    struct story_raw *messages = story->messages;
    if (record->seq == trace->due.place.record)
        keep(&messages[STORY_DUE], captures, record);
    if (record->seq == trace->book.snapshot_record)
        keep(&messages[STORY_SNAPSHOT], captures, record);
    if (!messages[STORY_DIFF].record && trace_carries_book(trace, record))
        keep(&messages[STORY_DIFF], captures, record);
    if (!messages[STORY_TRADE].record && trace_carries_trade(trace, record))
        keep(&messages[STORY_TRADE], captures, record);
}

enum status story_collect(struct story *story, struct capture_chain *captures, struct error *error)
{
    struct capture_record record = {0};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && record.seq != story->trace->due.place.record) {
        status = capture_chain_next(captures, &record, error);
        if (status == STATUS_OK)
            look_at(story, captures, &record);
    }
    if (status != STATUS_OK && status != STATUS_END)
        return status;
    if (!story->messages[STORY_DIFF].record || !story->messages[STORY_TRADE].record)
        return error_set(error, STATUS_CONFLICT,
                         "the message of the last %s is not to be found in the capture",
                         story->messages[STORY_DIFF].record ? "trade" : "book");
    return STATUS_OK;
}

static void tell_field(const struct field *field, const struct finding_row *found, const void *recomputed,
                       struct buffer *out)
{
    buffer_format(out, "  %s: recomputed ", field->name);
    difference_value(field, recomputed, out);
    buffer_append_text(out, ", stored ");
    difference_value(field, &found->stored, out);
    buffer_append_text(out, "\n");
}

void story_differences(const struct story *story, struct buffer *out)
{
    for (enum stored_sink sink = 0; sink < STORED_SINKS; sink++) {
        const struct finding_row *found = &story->sinks[sink];
        const void *recomputed =
            sink == STORED_ORDERS ? (const void *)&story->trace->order : (const void *)&story->trace->signal;
        if (!finding_is_bad(found->finding))
            continue;
        buffer_format(out, "%s, %s/%s/%" PRId64 ": %s%s%s\n", STORED_SINK_NAMES[sink], story->run_id,
                      story->symbol, story->ts_ms, FINDING_NAMES[found->finding],
                      found->why.text[0] ? ": " : "", found->why.text);
        for (size_t i = 0; found->finding == FINDING_DIFFERENT && i < found->difference.count; i++)
            tell_field(found->difference.fields[i], found, recomputed, out);
    }
}
