#include "behind.h"

#include "base/crash_point.h"
#include "conclude.h"
#include "manifest.h"
#include "orchestrator/export/exporter.h"
#include "orchestrator/interventions/canary_files.h"
#include "orchestrator/plan/resolve.h"
#include "orchestrator/supervision/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

void behind_folder(const struct run *run, const char *run_id, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.state_dir"), BEHIND_FOLDER "/%s", run_id);
}

void behind_effective_path(const struct run *run, char out_path[PATH_BYTES])
{
    if (*run->behind)
        path_join(out_path, run->behind, "programs.json");
    else
        snprintf(out_path, PATH_BYTES, "%s", RUN_EFFECTIVE_PATH);
}

void behind_given_path(const struct run *run, char out_path[PATH_BYTES])
{
    if (*run->behind)
        path_join(out_path, run->behind, "summary_given.json");
    else
        snprintf(out_path, PATH_BYTES, "%s", RUN_GIVEN_PATH);
}

/* --- leaving --- */

static bool is_durable(const struct run *run)
{
    return strcmp(config_text(run->config, "journal.durability"), "power") == 0;
}

/* copy: a file of the folder of states; there may be none. */
static enum status copy(const struct run *run, const char *folder, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct buffer text;
    path_join(from, config_text(run->config, "run.state_dir"), "%s", name);
    path_join(to, folder, "%s", name);
    buffer_init(&text, 0);
    enum status status = file_read(from, &text);
    if (status == STATUS_OK)
        status = file_replace(to, text.data, text.length, is_durable(run));
    buffer_finish(&text);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* move_database: report's, with what SQLite keeps beside it: that first, so that whoever dies in between has lost nothing. */
static enum status move_database(const struct run *run, const char *folder)
{
    static const char *const ENDINGS[] = {"-shm", "-wal", ""};
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        char from[PATH_BYTES], to[PATH_BYTES];
        path_join(from, config_text(run->config, "run.state_dir"), "report.db%s", ENDINGS[i]);
        path_join(to, folder, "report.db%s", ENDINGS[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return STATUS_IO;
        crash_point("leaving");
    }
    return STATUS_OK;
}

static enum status limit_write(const struct run *run, const char *folder)
{
    char path[PATH_BYTES];
    struct buffer text;
    path_join(path, folder, "limit.json");
    buffer_init(&text, 0);
    buffer_format(&text, "{\"conclude_limit_ms\":%lld}\n", (long long)conclude_limit_ms(run));
    enum status status = file_replace(path, text.data, text.length, is_durable(run));
    buffer_finish(&text);
    return status;
}

int64_t behind_limit_ms(const char *folder)
{
    char path[PATH_BYTES];
    path_join(path, folder, "limit.json");
    yyjson_doc *document = yyjson_read_file(path, 0, NULL, NULL);
    int64_t limit_ms = yyjson_get_sint(yyjson_obj_get(yyjson_doc_get_root(document), "conclude_limit_ms"));
    yyjson_doc_free(document);
    return limit_ms;
}

static enum status fill(const struct run *run, const char *folder, struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, folder, "effective_config.json");
    enum status status = folder_make_for(path);
    status = status == STATUS_OK ? resolve_write(run->config, path, error) : status;
    crash_point("leaving");
    path_join(path, folder, "plan.json");
    if (status == STATUS_OK && run->plan)
        status = plan_write(run->plan, path, is_durable(run), error);
    status = status == STATUS_OK ? limit_write(run, folder) : status;
    status = status == STATUS_OK ? copy(run, folder, "checkpoint.json") : status;
    status = status == STATUS_OK ? canary_files_leave(run) : status;
    path_join(path, folder, "orchestrator.state");
    status = status == STATUS_OK ? record_copy(run, path) : status;
    crash_point("leaving");
    if (status == STATUS_OK && ((run->choice.enabled | run->choice.implied) & module_bit(MODULE_REPORT)))
        status = move_database(run, folder);
    return status;
}

/* undo: it is concluded in its place after all: its database goes back there. */
static void undo(const struct run *run, const char *making)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    static const char *const ENDINGS[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        path_join(from, making, "report.db%s", ENDINGS[i]);
        path_join(to, config_text(run->config, "run.state_dir"), "report.db%s", ENDINGS[i]);
        if (rename(from, to) != 0 && errno != ENOENT && errno != ENOTDIR)
            return; /* the folder is all that has it */
    }
    if (folder_remove(making) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", making);
}

enum status behind_leave(struct run *run, struct error *error)
{
    char folder[PATH_BYTES], making[PATH_BYTES], name[RUN_ID_BYTES + 8], path[PATH_BYTES];
    behind_folder(run, run->run_id, folder);
    snprintf(name, sizeof name, ".%s.new", run->run_id);
    behind_folder(run, name, making);
    manifest_status_path(run, path);
    struct exporter_totals exports = exporter_totals(run->exporter);
    run->left_behind = true;
    canary_watch_end(run);      /* its tables are complete as far as its progress says */
    if (!file_exists(folder)) { /* else they were counted before an orchestrator died, and are gone */
        run->exports_ok = exports.ok;
        run->exports_failed = exports.failed;
    }
    enum status status = file_exists(folder) ? STATUS_EXISTS : status_write(run, path);
    status = status == STATUS_OK ? manifest_write(run, NULL, error) : status;
    status = status == STATUS_OK ? fill(run, making, error) : status;
    crash_point("leaving");
    if (status == STATUS_OK && rename(making, folder) != 0)
        status = STATUS_IO;
    else if (status == STATUS_OK && is_durable(run) && folder_sync_of(folder) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", folder); /* it is left all the same */
    crash_point("leaving");
    if (status == STATUS_OK || status == STATUS_EXISTS)
        return STATUS_OK;
    if (!*error->text)
        status = error_set(error, status, "%s cannot be made: %m", folder);
    run->left_behind = false;
    undo(run, making);
    return status;
}
