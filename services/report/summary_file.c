#include "summary_file.h"

#include "base/clock.h"
#include "base/json.h"
#include "sink_reader.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { SUMMARY_BYTES_MAX = 64 * 1024 * 1024, NUMBERS_MAX = 10000 };

void summary_file_path(const struct summary_names *names, const char *sink, const char *ending,
                       char out_path[PATH_BYTES])
{
    char stamp[TIME_TEXT_BYTES], number[32] = "";
    time_stamp(names->started_ms, "%Y%m%d_%H%M", stamp);
    if (names->number > 1)
        snprintf(number, sizeof number, "_%lld", (long long)names->number);
    path_join(out_path, names->logs_dir, "report/summary_%s%s%s%s.%s", stamp, names->dual ? "_" : "",
              names->dual ? sink : "", number, ending);
}

/* is_taken: there is such a file and it does not say that it is this run's. */
static bool is_taken(const char *path, const char *run_id)
{
    struct buffer text;
    buffer_init(&text, SUMMARY_BYTES_MAX);
    enum status status = file_read(path, &text);
    yyjson_doc *document = status == STATUS_OK ? yyjson_read(buffer_text(&text), text.length, 0) : NULL;
    const char *owner = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "run_id"));
    bool taken = status != STATUS_NOT_FOUND && (!owner || strcmp(owner, run_id) != 0);
    yyjson_doc_free(document);
    buffer_finish(&text);
    return taken;
}

static bool is_free(const struct summary_names *names)
{
    for (int i = 0; SINK_KIND_NAMES[i]; i++) {
        char path[PATH_BYTES];
        summary_file_path(names, SINK_KIND_NAMES[i], "json", path);
        if (is_taken(path, names->run_id))
            return false;
    }
    return true;
}

int64_t summary_file_number(const struct summary_names *names)
{
    struct summary_names tried = *names;
    for (tried.number = 1; tried.number < NUMBERS_MAX && !is_free(&tried); tried.number++)
        ;
    return tried.number;
}

enum status summary_file_reserve(const struct summary_names *names)
{
    enum status status = STATUS_OK;
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "run_id", names->run_id);
    json_object_end(&json);
    for (int i = 0; status == STATUS_OK && SINK_KIND_NAMES[i]; i++) {
        char path[PATH_BYTES];
        summary_file_path(names, SINK_KIND_NAMES[i], "json", path);
        if (file_exists(
                path)) /* a running one, or the other sink's, which has the same name when there is only one */
            continue;
        status = folder_make_for(path);
        status = status == STATUS_OK ? file_replace(path, text.data, text.length, false) : status;
    }
    buffer_finish(&text);
    return status;
}
