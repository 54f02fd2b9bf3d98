#include "run_files.h"

#include "base/memory.h"
#include "config/recorded.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { MANIFEST_BYTES_MAX = 256 * 1024 * 1024, PROBLEM_BYTES_MAX = 64 * 1024, PROBLEM_BYTES = 1024 };

void run_files_problem(struct run_files *run, const char *format, ...)
{
    char text[PROBLEM_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    buffer_append_text(&run->problems, text);
    buffer_append_byte(&run->problems, '\n');
}

bool run_files_symbol(const struct run_files *run, const char *symbol)
{
    for (size_t i = 0; i < run->symbol_count; i++)
        if (strcmp(run->symbols[i], symbol) == 0)
            return true;
    return false;
}

void run_files_known(struct run_files *run, const char *name)
{
    for (size_t i = 0; i < run->symbol_count; i++)
        figures_add(&run->figures, run->symbols[i], name, 0);
}

static enum status load_config(struct run_files *run, const char *path, struct error *error)
{
    run->config = config_create();
    return file_exists(path) ? recorded_config(run->config, path, error) : recorded_none(error);
}

static void take_modules(struct run_files *run, yyjson_val *names)
{
    size_t index, count;
    yyjson_val *name;
    yyjson_arr_foreach(names, index, count, name)
    {
        const char *text = yyjson_get_str(name);
        size_t module = text ? module_index(text) : MODULE_COUNT;
        if (module < MODULE_COUNT)
            run->conditions.modules |= module_bit(module);
    }
}

static bool take_symbols(struct run_files *run, yyjson_val *names)
{
    size_t index, count;
    yyjson_val *name;
    run->symbols = memory_allocate((yyjson_arr_size(names) + 1) * sizeof *run->symbols);
    yyjson_arr_foreach(names, index, count, name)
    {
        if (!yyjson_is_str(name) || yyjson_get_len(name) >= SYMBOL_BYTES || strchr(yyjson_get_str(name), '|'))
            return false;
        snprintf(run->symbols[run->symbol_count++], SYMBOL_BYTES, "%s", yyjson_get_str(name));
    }
    return run->symbol_count > 0;
}

static bool take_manifest(struct run_files *run, yyjson_val *root)
{
    const char *sink = yyjson_get_str(yyjson_obj_get(root, "sink"));
    const char *state = yyjson_get_str(yyjson_obj_get(root, "state"));
    if (!yyjson_equals_str(yyjson_obj_get(root, "run_id"), run->run_id) || !sink || !state)
        return false;
    snprintf(run->sink, sizeof run->sink, "%s", sink);
    snprintf(run->state, sizeof run->state, "%s", state);
    run->conditions.sink = run->sink;
    take_modules(run, yyjson_obj_get(root, "enabled_modules"));
    take_modules(run, yyjson_obj_get(root, "implied_modules"));
    return take_symbols(run, yyjson_obj_get(root, "symbols"));
}

static enum status load_manifest(struct run_files *run, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    path_join(path, config_text(run->config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              run->run_id);
    buffer_init(&text, MANIFEST_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status != STATUS_OK) {
        buffer_finish(&text);
        return error_set(error, status, "%s cannot be read (%s): there is no run %s here", path,
                         status_name(status), run->run_id);
    }
    yyjson_doc *document = yyjson_read((const char *)text.data, text.length, 0);
    if (!take_manifest(run, yyjson_doc_get_root(document)))
        status = error_set(error, STATUS_MALFORMED, "%s is not the manifest of run %s", path, run->run_id);
    yyjson_doc_free(document);
    buffer_finish(&text);
    return status;
}

enum status run_files_open(struct run_files *run, const char *effective_path, const char *run_id,
                           struct error *error)
{
    *run = (struct run_files){.config = NULL};
    figures_init(&run->figures);
    buffer_init(&run->problems, PROBLEM_BYTES_MAX);
    enum status status = load_config(run, effective_path, error);
    if (status != STATUS_OK)
        return status;
    if (!run_id)
        run_id = config_text(run->config, "run.run_id");
    status = run_id_check(run_id, error);
    if (status != STATUS_OK)
        return status;
    snprintf(run->run_id, sizeof run->run_id, "%s", run_id);
    return load_manifest(run, error);
}

void run_files_close(struct run_files *run)
{
    config_destroy(run->config);
    free(run->symbols);
    figures_finish(&run->figures);
    buffer_finish(&run->problems);
}
