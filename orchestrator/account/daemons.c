/* What the services' counters say: artifacts/run_logs/ledger_<run>/<instance>.json (common/stage/ledger.c). */
#include "run_files.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { LEDGER_BYTES_MAX = 64 * 1024 * 1024 };

static void take_counts(struct run_files *run, const char *service, const char *symbol, yyjson_val *counts)
{
    size_t index, count;
    yyjson_val *key, *value;
    char name[FIGURE_KEY_BYTES];
    yyjson_obj_foreach(counts, index, count, key, value)
    {
        if (!yyjson_is_int(value))
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

void read_daemon(struct run_files *run, const char *name)
{
    char path[PATH_BYTES];
    path_join(path, config_text(run->config, "run.artifacts_dir"), "run_logs/ledger_%s/%s.json", run->run_id,
              name);
    read_ledger(run, path);
}

void read_daemons(struct run_files *run)
{
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if ((run->conditions.modules & module_bit(i)) && module_at(i)->beats)
            read_daemon(run, module_at(i)->name);
}
