#include "canary_files.h"

#include "base/json.h"
#include "orchestrator/run.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A run begins with it; features may turn it later, with eval.auto_flip. */
static const char DIRECTION_AT_FIRST[] = "as_is";

static void number_of(const struct run *run, const char *key, char out[F64_TEXT_BYTES])
{
    f64_text(config_f64(run->config, key), out);
}

void canary_files_begin_line(const struct run *run)
{
    char ofi[F64_TEXT_BYTES], cvd[F64_TEXT_BYTES], gate[F64_TEXT_BYTES];
    number_of(run, "fusion.w_ofi", ofi);
    number_of(run, "fusion.w_cvd", cvd);
    number_of(run, "fusion.gate", gate);
    log_event(LOG_INFO, "begin",
              "config_fingerprint=%s cvd_direction=%s merge_tol_ms=%lld fusion_w_ofi=%s fusion_w_cvd=%s "
              "fusion_gate=%s",
              run->fingerprint, DIRECTION_AT_FIRST, (long long)config_i64(run->config, "eval.merge_tol_ms"),
              ofi, cvd, gate);
}

static void put(const struct run *run, const char *name, const struct buffer *text)
{
    char path[PATH_BYTES];
    path_join(path, config_text(run->config, "run.artifacts_dir"), "runtime/%s", name);
    if (folder_make_for(path) != STATUS_OK ||
        file_replace(path, text->data, text->length, false) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", path);
}

/* line: a label from the command line stays on its line. */
static void line(struct buffer *text, const char *key, const char *value)
{
    buffer_format(text, "%s=", key);
    for (; *value; value++)
        buffer_append_byte(text, *value == '\n' || *value == '\r' ? ' ' : (uint8_t)*value);
    buffer_append_byte(text, '\n');
}

static void line_f64(struct buffer *text, const char *key, const struct run *run, const char *config_key)
{
    char value[F64_TEXT_BYTES];
    number_of(run, config_key, value);
    line(text, key, value);
}

static void line_i64(struct buffer *text, const char *key, const struct run *run, const char *config_key)
{
    buffer_format(text, "%s=%lld\n", key, (long long)config_i64(run->config, config_key));
}

static void line_symbols(struct buffer *text, const struct run *run)
{
    struct config_list symbols = config_list(run->config, "run.symbols");
    buffer_append_text(text, "symbols=");
    for (size_t i = 0; i < symbols.count; i++)
        buffer_format(text, "%s%s", i ? "," : "", symbols.texts[i]);
    buffer_append_byte(text, '\n');
}

/* line_labels: what a row is measured against: the price, and how many seconds later. */
static void line_labels(struct buffer *text, const struct run *run)
{
    struct config_list horizons = config_list(run->config, "eval.horizons_s");
    buffer_format(text, "labels=%s", config_text(run->config, "eval.price"));
    for (size_t i = 0; i < horizons.count; i++)
        buffer_format(text, "%s%lld", i ? "," : " ", (long long)horizons.integers[i]);
    buffer_append_byte(text, '\n');
}

/* speaks_for_another: what is there is of the run that a rollback has left. */
static bool speaks_for_another(const struct run *run)
{
    char path[PATH_BYTES];
    path_join(path, config_text(run->config, "run.artifacts_dir"), "runtime/run_tag.txt");
    return run->options->rolls_back && file_exists(path);
}

void canary_files_tag(const struct run *run)
{
    char started_at[TIME_TEXT_BYTES];
    struct buffer text;
    if (run->gates != GATES_CANARY && !*run->run_tag && !speaks_for_another(run))
        return;
    time_iso_ms(run->started_wall_ms, started_at);
    buffer_init(&text, 0);
    line(&text, "run_tag", run->run_tag);
    line(&text, "config_tag", config_text(run->config, "config_tag"));
    line(&text, "config_fingerprint", run->fingerprint);
    line(&text, "cvd_direction", DIRECTION_AT_FIRST);
    line_i64(&text, "merge_tol_ms", run, "eval.merge_tol_ms");
    line_f64(&text, "fusion_w_ofi", run, "fusion.w_ofi");
    line_f64(&text, "fusion_w_cvd", run, "fusion.w_cvd");
    line_f64(&text, "fusion_gate", run, "fusion.gate");
    line_labels(&text, run);
    line_i64(&text, "tol_ms", run, "eval.tol_ms");
    line(&text, "calibration", "platt");
    line_i64(&text, "train_s", run, "eval.train_s");
    line_i64(&text, "test_s", run, "eval.test_s");
    line_symbols(&text, run);
    line(&text, "started_at", started_at);
    put(run, "run_tag.txt", &text);
    buffer_finish(&text);
}

static void process_json(const struct process *process, struct json *json)
{
    char started_at[TIME_TEXT_BYTES];
    if (process->started_wall_ms)
        time_iso_ms(process->started_wall_ms, started_at);
    json_key(json, process->name);
    json_object_begin(json);
    json_key_i64(json, "pid", process->last_pid);
    json_key_text(json, "started_at", process->started_wall_ms ? started_at : NULL);
    json_key_text(json, "log_file", process->stderr_path);
    json_key_text(json, "state", process_state_name(process->supervisor.state));
    json_object_end(json);
}

void canary_files_processes(const struct run *run)
{
    struct buffer text;
    struct json json;
    if (run->gates != GATES_CANARY)
        return;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    for (size_t i = 0; i < run->process_count; i++)
        if (!run->processes[i].retired)
            process_json(&run->processes[i], &json);
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    put(run, "canary_report/process_info.json", &text);
    buffer_finish(&text);
}

/* --- of a run that is left --- */

void canary_files_left_folder(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "runtime/canary_report/%s",
              run->run_id);
}

/* is_report: of this run's evaluations; the others are of the folder. */
static bool is_report(const char *name)
{
    static const char *const OTHERS[] = {"incidents.json", "process_info.json", "rollback_drill.json"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strcmp(name, OTHERS[i]) == 0)
            return false;
    return name[0] != '.' && strchr(name, '.'); /* a run's folder has no dot in its name */
}

static enum status report_copy(const char *from_folder, const char *to_folder, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct buffer text;
    path_join(from, from_folder, "%s", name);
    path_join(to, to_folder, "%s", name);
    buffer_init(&text, 0);
    enum status status = file_read(from, &text);
    status = status == STATUS_OK ? folder_make_for(to) : status;
    status = status == STATUS_OK ? file_replace(to, text.data, text.length, false) : status;
    buffer_finish(&text);
    return status;
}

enum status canary_files_leave(const struct run *run)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    enum status status = STATUS_OK;
    if (run->gates != GATES_CANARY)
        return STATUS_OK;
    path_join(from, config_text(run->config, "run.artifacts_dir"), "runtime/canary_report");
    canary_files_left_folder(run, to);
    DIR *folder = opendir(from);
    for (struct dirent *entry; folder && status == STATUS_OK && (entry = readdir(folder));)
        if (is_report(entry->d_name))
            status = report_copy(from, to, entry->d_name);
    int reason = errno;
    if (folder)
        closedir(folder);
    errno = reason;
    return status;
}
