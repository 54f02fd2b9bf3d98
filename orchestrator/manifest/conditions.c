#include "conditions.h"

#include "evidence_private.h"

#include <stdio.h>
#include <string.h>

/* number: a member of the object and where it stands in the struct. */
struct number {
    const char *name;
    size_t offset;
};

static const struct number NUMBERS[] = {
    {"minutes_fed", offsetof(struct gate_conditions, minutes)},
    {"minutes_planned", offsetof(struct gate_conditions, planned_minutes)},
    {"time_scale", offsetof(struct gate_conditions, time_scale)},
    {"max_rss_mb", offsetof(struct gate_conditions, max_rss_mb)},
    {"max_open_files", offsetof(struct gate_conditions, max_open_files)},
};

enum { NUMBER_COUNT = sizeof NUMBERS / sizeof *NUMBERS };

void conditions_json(const struct gate_conditions *conditions, const char *event_clock, bool sizes_have_tail,
                     struct json *json)
{
    json_object_begin(json);
    json_key_text(json, "gates", gate_set_name(conditions->set));
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        json_key_f64(json, NUMBERS[i].name, *(const double *)((const char *)conditions + NUMBERS[i].offset));
    json_key_text(json, "event_clock", event_clock);
    json_key_bool(json, "sizes_have_tail", sizes_have_tail);
    json_object_end(json);
}

static bool take_numbers(yyjson_val *object, struct gate_conditions *conditions)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        yyjson_val *value = yyjson_obj_get(object, NUMBERS[i].name);
        if (!yyjson_is_num(value))
            return false;
        *(double *)((char *)conditions + NUMBERS[i].offset) = yyjson_get_num(value);
    }
    return conditions->time_scale >= 1;
}

static bool take_modules(yyjson_val *names, module_set *modules)
{
    size_t index, count;
    yyjson_val *name;
    yyjson_arr_foreach(names, index, count, name)
    {
        size_t module = yyjson_is_str(name) ? module_index(yyjson_get_str(name)) : MODULE_COUNT;
        if (module == MODULE_COUNT)
            return false;
        *modules |= module_bit(module);
    }
    return yyjson_is_arr(names);
}

static bool take_all(yyjson_val *root, const char *run_id, struct gate_conditions *conditions)
{
    yyjson_val *object = yyjson_obj_get(root, "conditions");
    const char *set = yyjson_get_str(yyjson_obj_get(object, "gates"));
    const char *sink = yyjson_get_str(yyjson_obj_get(root, "sink"));
    if (!yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id) || !set || !sink)
        return false;
    conditions->set = gate_set_of(set);
    snprintf(conditions->sink, sizeof conditions->sink, "%s", sink);
    return conditions->set != GATES_DEFAULT && take_numbers(object, conditions) &&
           take_modules(yyjson_obj_get(root, "enabled_modules"), &conditions->modules) &&
           take_modules(yyjson_obj_get(root, "implied_modules"), &conditions->modules);
}

enum status conditions_read(const char *manifest_path, const char *run_id,
                            struct gate_conditions *out_conditions, struct error *error)
{
    struct gate_conditions conditions = {.set = GATES_NONE};
    yyjson_doc *document = evidence_json(manifest_path);
    if (!document)
        return error_set(error, STATUS_NOT_FOUND, "%s is not there or is no JSON", manifest_path);
    bool good = take_all(yyjson_doc_get_root(document), run_id, &conditions);
    yyjson_doc_free(document);
    if (!good)
        return error_set(error, STATUS_MALFORMED,
                         "%s is not the manifest of run %s, or does not say what the run was", manifest_path,
                         run_id);
    *out_conditions = conditions;
    return STATUS_OK;
}
