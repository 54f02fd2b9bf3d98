#include "decisions.h"

#include "base/hash.h"
#include "proto/kind.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

/* id_of: false when there is none, or a payload that is no input. */
static bool id_of(const void *payload, size_t bytes, char out_id[DECISION_ID_BYTES])
{
    yyjson_doc *document = yyjson_read(payload, bytes, 0);
    yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(document), "id");
    bool good = yyjson_is_str(id) && yyjson_get_len(id) > 0 && yyjson_get_len(id) < DECISION_ID_BYTES &&
                strlen(yyjson_get_str(id)) == yyjson_get_len(id);
    if (good)
        memcpy(out_id, yyjson_get_str(id), yyjson_get_len(id) + 1);
    yyjson_doc_free(document);
    return good;
}

static uint64_t mark_of(const char *id)
{
    return hash_fnv1a(id, strlen(id)) & ~(uint64_t)1;
}

static bool find(const struct decisions *decisions, const char *id, bool *out_accepted)
{
    uint64_t kept = decisions->taken_count < DECISIONS_KEPT ? decisions->taken_count : DECISIONS_KEPT;
    for (uint64_t i = 0; i < kept; i++)
        if ((decisions->taken[i] & ~(uint64_t)1) == mark_of(id)) {
            *out_accepted = decisions->taken[i] & 1;
            return true;
        }
    return false;
}

void decisions_note(struct decisions *decisions, const struct capture_record *record, bool accepted)
{
    char id[DECISION_ID_BYTES];
    if (record->kind != CAPTURE_CONTROL || !id_of(record->payload, record->payload_bytes, id))
        return;
    decisions->taken[decisions->taken_count++ % DECISIONS_KEPT] = mark_of(id) | accepted;
    if (strcmp(decisions->appended, id) == 0)
        decisions->appended[0] = 0;
}

static enum status append(struct decisions *decisions, struct capture_writer *writer,
                          const struct clock *clock, const char *id, const char *json, struct error *error)
{
    enum status status = capture_append(writer, CAPTURE_CONTROL, 0, clock_wall_ns(clock),
                                        clock_monotonic_ns(clock), json, strlen(json), NULL);
    if (status != STATUS_OK)
        return error_set(error, STATUS_AGAIN, "wait: the capture takes nothing just now");
    snprintf(decisions->appended, sizeof decisions->appended, "%s", id);
    if (capture_flush(writer) != STATUS_OK)
        return error_set(error, STATUS_AGAIN, "wait: the disk does not take the capture just now");
    return error_set(error, STATUS_AGAIN, "wait: it is in the capture and not processed yet");
}

enum status decisions_say(struct decisions *decisions, struct capture_writer *writer,
                          const struct clock *clock, bool ready, const char *arguments_json,
                          struct error *error)
{
    char id[DECISION_ID_BYTES];
    bool accepted = false;
    if (!id_of(arguments_json, strlen(arguments_json), id))
        return error_set(error, STATUS_INVALID,
                         "a control input is one JSON object with an \"id\" of 1 to %d characters",
                         DECISION_ID_BYTES - 1);
    if (find(decisions, id, &accepted))
        return accepted ? STATUS_OK
                        : error_set(error, STATUS_INVALID, "the feed has refused it; harvest's log says why");
    if (*decisions->appended || !ready)
        return error_set(error, STATUS_AGAIN, "wait: what is in the capture has not been processed yet");
    return append(decisions, writer, clock, id, arguments_json, error);
}

void decisions_save(const struct decisions *decisions, struct buffer *out)
{
    buffer_append_u64(out, decisions->taken_count);
    for (size_t i = 0; i < DECISIONS_KEPT && i < decisions->taken_count; i++)
        buffer_append_u64(out, decisions->taken[i]);
}

void decisions_load(struct decisions *decisions, struct reader *in)
{
    *decisions = (struct decisions){.taken_count = reader_u64(in)};
    for (size_t i = 0; i < DECISIONS_KEPT && i < decisions->taken_count && !in->failed; i++)
        decisions->taken[i] = reader_u64(in);
}
