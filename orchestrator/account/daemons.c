/* What the services' counters say: artifacts/run_logs/ledger_<run>/<instance>.json (common/stage/ledger.c). */
#include "run_files.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { LEDGER_BYTES_MAX = 64 * 1024 * 1024 };
#define FIRST_RECORD "socket_first_record"

/* take_first_record: where an instance's newest life begins in its own capture: no sum of them means anything. */
static void take_first_record(struct run_files *run, yyjson_val *root)
{
    char name[FIGURE_KEY_BYTES];
    const char *instance = yyjson_get_str(yyjson_obj_get(root, "instance"));
    yyjson_val *first = yyjson_obj_get(yyjson_obj_get(root, "run"), FIRST_RECORD);
    if (!instance || !yyjson_is_int(first))
        return;
    snprintf(name, sizeof name, "%.60s:" FIRST_RECORD, instance);
    figures_add(&run->figures, "", name, yyjson_get_sint(first));
}

static void take_counts(struct run_files *run, const char *service, const char *symbol, yyjson_val *counts)
{
    size_t index, count;
    yyjson_val *key, *value;
    char name[FIGURE_KEY_BYTES];
    yyjson_obj_foreach(counts, index, count, key, value)
    {
        if (!yyjson_is_int(value) || yyjson_equals_str(key, FIRST_RECORD))
            continue;
        snprintf(name, sizeof name, "%s:%s", service, yyjson_get_str(key));
        figures_add(&run->figures, symbol, name, yyjson_get_sint(value));
    }
}

static bool take_ledger(struct run_files *run, yyjson_val *root)
{
    size_t index, count;
    yyjson_val *key, *value;
    const char *service = yyjson_get_str(yyjson_obj_get(root, "service"));
    yyjson_val *symbols = yyjson_obj_get(root, "symbols");
    if (!service || !yyjson_is_obj(symbols) ||
        !yyjson_equals_str(yyjson_obj_get(root, "run_id"), run->run_id))
        return false;
    take_first_record(run, root);
    take_counts(run, service, "", yyjson_obj_get(root, "run"));
    yyjson_obj_foreach(symbols, index, count, key, value)
        take_counts(run, service, yyjson_get_str(key), value);
    return true;
}

static void read_ledger(struct run_files *run, const char *path)
{
    struct buffer text;
    buffer_init(&text, LEDGER_BYTES_MAX);
    enum status status = file_read(path, &text);
    yyjson_doc *document = status == STATUS_OK ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
    if (status != STATUS_OK)
        run_files_problem(run, "%s cannot be read (%s): its service has not said what it counted", path,
                          status_name(status));
    else if (!take_ledger(run, yyjson_doc_get_root(document)))
        run_files_problem(run, "%s does not hold the counters of run %s", path, run->run_id);
    yyjson_doc_free(document);
    buffer_finish(&text);
}

static void ledger_path(const struct run_files *run, const char *name, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "run_logs/ledger_%s/%s.json",
              run->run_id, name);
}

void read_daemon(struct run_files *run, const char *name)
{
    char path[PATH_BYTES];
    ledger_path(run, name, path);
    read_ledger(run, path);
}

void read_departed(struct run_files *run, const struct plan_service *service)
{
    for (size_t number = 1; number <= PLAN_INSTANCES_MAX; number++) {
        char name[PLAN_NAME_BYTES], path[PATH_BYTES];
        plan_instance_name(service->name, number, name);
        ledger_path(run, name, path);
        if (plan_instance(service, name) == SIZE_MAX && file_exists(path))
            read_ledger(run, path);
    }
}

/* read_instances: the first one must have said something; further ones that the run had have their files. */
static void read_instances(struct run_files *run, size_t module)
{
    for (size_t number = 1; number <= (module_at(module)->scales ? PLAN_INSTANCES_MAX : 1); number++) {
        char name[PLAN_NAME_BYTES], path[PATH_BYTES];
        plan_instance_name(module_at(module)->name, number, name);
        ledger_path(run, name, path);
        if (number == 1 || file_exists(path))
            read_ledger(run, path);
    }
}

void read_daemons(struct run_files *run)
{
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if ((run->conditions.modules & module_bit(i)) && module_at(i)->beats)
            read_instances(run, i);
}
