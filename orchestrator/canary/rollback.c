#include "rollback.h"

#include "base/json.h"
#include "document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ROLLBACK_STATE_NAMES[] = {"draining", "starting", "done", "failed", NULL};

enum { RUN_NAME_CHARACTERS_MAX = 64 };

void rollback_path(const char *state_dir, char out_path[PATH_BYTES])
{
    path_join(out_path, state_dir, "rollback.json");
}

static bool take_state(yyjson_val *value, enum rollback_state *out_state)
{
    for (size_t i = 0; ROLLBACK_STATE_NAMES[i]; i++)
        if (yyjson_equals_str(value, ROLLBACK_STATE_NAMES[i])) {
            *out_state = (enum rollback_state)i;
            return true;
        }
    return false;
}

/* take_text: a member that a file of an earlier version does not have, and that may be null. */
static bool take_text(yyjson_val *root, const char *name, char *out_text, size_t bytes)
{
    return !yyjson_obj_get(root, name) || document_text_or_null(root, name, out_text, bytes);
}

static bool take_all(yyjson_val *root, struct rollback *out)
{
    out->begun_ms = yyjson_get_sint(yyjson_obj_get(root, "begun_ms"));
    out->ended_ms = yyjson_get_sint(yyjson_obj_get(root, "ended_ms"));
    out->limit_ms = yyjson_get_sint(yyjson_obj_get(root, "limit_ms"));
    out->minutes_left = yyjson_get_num(yyjson_obj_get(root, "minutes_left"));
    out->exit_code = yyjson_get_sint(yyjson_obj_get(root, "exit_code"));
    return take_state(yyjson_obj_get(root, "state"), &out->state) &&
           document_text(root, "incident", out->incident, sizeof out->incident) &&
           document_text(root, "from_run", out->from_run, sizeof out->from_run) &&
           document_text(root, "to_run", out->to_run, sizeof out->to_run) &&
           document_text(root, "from", out->from, sizeof out->from) &&
           document_text(root, "to", out->to, sizeof out->to) &&
           document_text(root, "reason", out->reason, sizeof out->reason) &&
           take_text(root, "config_tag", out->config_tag, sizeof out->config_tag) &&
           take_text(root, "run_tag", out->run_tag, sizeof out->run_tag) &&
           take_text(root, "conclusion", out->conclusion, sizeof out->conclusion) && out->begun_ms > 0;
}

enum status rollback_read(const char *path, struct rollback *out_rollback, struct error *error)
{
    struct rollback rollback = {0};
    yyjson_doc *document = NULL;
    enum status status = document_read(path, &document, error);
    if (status == STATUS_OK && !take_all(yyjson_doc_get_root(document), &rollback))
        status = error_set(error, STATUS_MALFORMED, "%s tells of no rollback; move it away", path);
    yyjson_doc_free(document);
    if (status == STATUS_OK)
        *out_rollback = rollback;
    return status;
}

enum status rollback_write(const char *path, const struct rollback *rollback, struct error *error)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "state", ROLLBACK_STATE_NAMES[rollback->state]);
    json_key_text(&json, "incident", rollback->incident);
    json_key_text(&json, "from_run", rollback->from_run);
    json_key_text(&json, "to_run", rollback->to_run);
    json_key_text(&json, "from", rollback->from);
    json_key_text(&json, "to", rollback->to);
    json_key_text(&json, "config_tag", rollback->config_tag);
    json_key_text(&json, "run_tag", rollback->run_tag);
    json_key_i64(&json, "begun_ms", rollback->begun_ms);
    json_key_i64(&json, "ended_ms", rollback->ended_ms);
    json_key_i64(&json, "limit_ms", rollback->limit_ms);
    json_key_f64(&json, "minutes_left", rollback->minutes_left);
    json_key_i64(&json, "exit_code", rollback->exit_code);
    json_key_text(&json, "reason", rollback->reason);
    json_key_text(&json, "conclusion", *rollback->conclusion ? rollback->conclusion : NULL);
    json_object_end(&json);
    enum status status = document_write(path, &text, error);
    buffer_finish(&text);
    return status;
}

/* stem_bytes: of a name without "-rN"; *out_number: N, 1 without. */
static size_t stem_bytes(const char *name, long *out_number)
{
    const char *dash = strrchr(name, '-');
    char *end = NULL;
    long number = dash && dash[1] == 'r' && dash[2] >= '1' && dash[2] <= '9' ? strtol(dash + 2, &end, 10) : 0;
    bool follows = number >= 2 && number < 1000000 && end && !*end;
    *out_number = follows ? number : 1;
    return follows ? (size_t)(dash - name) : strlen(name);
}

void rollback_run_name(const char *run_id, char out_name[ROLLBACK_RUN_BYTES])
{
    char suffix[24];
    long number;
    size_t length = stem_bytes(run_id, &number);
    snprintf(suffix, sizeof suffix, "-r%ld", number + 1);
    size_t room = RUN_NAME_CHARACTERS_MAX - strlen(suffix);
    snprintf(out_name, ROLLBACK_RUN_BYTES, "%.*s%s", (int)(length < room ? length : room), run_id, suffix);
}

bool rollback_follows(const char *run_id, const char *name)
{
    long earlier, later;
    size_t stem = stem_bytes(run_id, &earlier), length = stem_bytes(name, &later);
    bool cut = strlen(name) == RUN_NAME_CHARACTERS_MAX && length < stem;
    return later > earlier && (length == stem || cut) && strncmp(run_id, name, length) == 0;
}

int rollback_worse_code(int one, int other)
{
    static const int BY_WEIGHT[] = {1, 2, 4, 3};
    for (size_t i = 0; i < sizeof BY_WEIGHT / sizeof *BY_WEIGHT; i++)
        if (one == BY_WEIGHT[i] || other == BY_WEIGHT[i])
            return BY_WEIGHT[i];
    return 0;
}
