#include "given.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { MEMBER_COUNT = 6 };

/* member: one text of struct given and the type it must have. */
struct member {
    const char *name;
    size_t offset;
    yyjson_type type;
};

static const struct member MEMBERS[MEMBER_COUNT] = {
    {"gates", offsetof(struct given, gates), YYJSON_TYPE_ARR},
    {"overall_verdict", offsetof(struct given, overall_verdict), YYJSON_TYPE_STR},
    {"alerts", offsetof(struct given, alerts), YYJSON_TYPE_ARR},
    {"fault_injection", offsetof(struct given, fault_injection), YYJSON_TYPE_ARR},
    {"timeseries_export", offsetof(struct given, timeseries_export), YYJSON_TYPE_OBJ},
    {"processes", offsetof(struct given, processes), YYJSON_TYPE_ARR},
};

static char **text_of(const struct given *given, const struct member *member)
{
    return (char **)((char *)(uintptr_t)given + member->offset);
}

void given_init(struct given *given)
{
    *given = (struct given){0};
}

void given_finish(struct given *given)
{
    for (int i = 0; i < MEMBER_COUNT; i++)
        free(*text_of(given, &MEMBERS[i]));
    given_init(given);
}

void given_copy(struct given *copy, const struct given *given)
{
    for (int i = 0; i < MEMBER_COUNT; i++) {
        const char *text = *text_of(given, &MEMBERS[i]);
        free(*text_of(copy, &MEMBERS[i]));
        *text_of(copy, &MEMBERS[i]) = text ? memory_copy_text(text) : NULL;
    }
}

static bool is_verdict(const char *text)
{
    return strcmp(text, "PASS") == 0 || strcmp(text, "FAIL") == 0 || strcmp(text, "UNKNOWN") == 0;
}

static enum status check(yyjson_val *root, struct error *error)
{
    if (!yyjson_is_obj(root))
        return error_set(error, STATUS_MALFORMED, "the arguments are not a JSON object");
    for (int i = 0; i < MEMBER_COUNT; i++) {
        yyjson_val *value = yyjson_obj_get(root, MEMBERS[i].name);
        if (value && yyjson_get_type(value) != MEMBERS[i].type)
            return error_set(error, STATUS_MALFORMED, "`%s` is of another type than expected",
                             MEMBERS[i].name);
    }
    yyjson_val *verdict = yyjson_obj_get(root, "overall_verdict");
    if (verdict && !is_verdict(yyjson_get_str(verdict)))
        return error_set(error, STATUS_MALFORMED, "`overall_verdict` must be PASS, FAIL or UNKNOWN");
    return STATUS_OK;
}

static void take(struct given *given, yyjson_val *root)
{
    for (int i = 0; i < MEMBER_COUNT; i++) {
        yyjson_val *value = yyjson_obj_get(root, MEMBERS[i].name);
        if (!value)
            continue;
        free(*text_of(given, &MEMBERS[i]));
        char *written = yyjson_is_str(value) ? NULL : yyjson_val_write(value, 0, NULL);
        *text_of(given, &MEMBERS[i]) = memory_copy_text(written ? written : yyjson_get_str(value));
        free(written);
    }
}

static enum status take_text(struct given *given, const char *text, size_t length, char *out_file,
                             struct error *error)
{
    yyjson_doc *document = yyjson_read(text, length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    enum status status = check(root, error);
    const char *file = yyjson_get_str(yyjson_obj_get(root, "file"));
    if (status == STATUS_OK && file && (!out_file || strlen(file) >= PATH_BYTES))
        status = error_set(error, STATUS_MALFORMED, "`file` is not possible here");
    if (status == STATUS_OK && file)
        memcpy(out_file, file, strlen(file) + 1);
    if (status == STATUS_OK)
        take(given, root);
    yyjson_doc_free(document);
    return status;
}

static enum status take_file(struct given *given, const char *path, struct error *error)
{
    struct buffer text;
    buffer_init(&text, GIVEN_FILE_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status != STATUS_OK)
        error_set(error, status, "%s: cannot be read (%s)", path, status_name(status));
    else
        status = take_text(given, buffer_text(&text), text.length, NULL, error);
    buffer_finish(&text);
    return status;
}

enum status given_take(struct given *given, const char *arguments_json, struct error *error)
{
    if (!arguments_json || !*arguments_json)
        return STATUS_OK;
    struct given taken;
    char file[PATH_BYTES] = "";
    given_init(&taken);
    given_copy(&taken, given);
    enum status status = take_text(&taken, arguments_json, strlen(arguments_json), file, error);
    if (status == STATUS_OK && *file)
        status = take_file(&taken, file, error);
    if (status == STATUS_OK)
        given_copy(given, &taken);
    given_finish(&taken);
    return status;
}

/* ---- counts ---- */

static void take_counters(yyjson_val *counters, struct instance_figures *instance)
{
    size_t index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(counters, index, count, name, value) if (yyjson_is_int(value))
        instance_counter(instance, yyjson_get_str(name), yyjson_get_sint(value));
}

static void take_sinks(yyjson_val *sinks, struct instance_figures *instance)
{
    size_t index, count;
    yyjson_val *sink;
    yyjson_arr_foreach(sinks, index, count, sink)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(sink, "sink"));
        struct sink_status_row *known = name ? instance_sink(instance, name) : NULL;
        if (!known)
            continue;
        known->dropped = yyjson_get_sint(yyjson_obj_get(sink, "dropped"));
        known->dedup = yyjson_get_sint(yyjson_obj_get(sink, "dedup"));
        known->write_errors = yyjson_get_sint(yyjson_obj_get(sink, "write_errors"));
    }
}

void given_counts(const struct given *given, struct figures *figures)
{
    if (!given->processes)
        return;
    yyjson_doc *document = yyjson_read(given->processes, strlen(given->processes), 0);
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_doc_get_root(document), index, count, process)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(process, "name"));
        if (!name || figures->instance_count == FIGURES_INSTANCES_MAX)
            continue;
        struct instance_figures *instance = figures_instance(figures, name);
        take_counters(yyjson_obj_get(process, "counters"), instance);
        take_sinks(yyjson_obj_get(process, "sinks"), instance);
    }
    yyjson_doc_free(document);
}
