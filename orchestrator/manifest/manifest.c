#include "manifest.h"

#include "accounting.h"
#include "base/hash.h"
#include "conditions.h"
#include "config/schema.h"
#include "journal/capture_files.h"
#include "orchestrator/alerts/alerting.h"
#include "orchestrator/export/exporter.h"
#include "orchestrator/plan/resolve.h"
#include "usage_maxima.h"
#include "versions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { SUMMARY_BYTES_MAX = 16 * 1024 * 1024, LEDGER_BYTES_MAX = 64 * 1024 * 1024 };

void manifest_path(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              run->run_id);
}

void manifest_status_path(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "run_logs/status_%s.json",
              run->run_id);
}

static void key_time(struct json *json, const char *key, int64_t wall_ms)
{
    char text[TIME_TEXT_BYTES];
    if (wall_ms)
        time_iso_ms(wall_ms, text);
    json_key_text(json, key, wall_ms ? text : NULL);
}

static void key_measured(struct json *json, const char *key, int64_t value)
{
    if (value < 0)
        json_key_null(json, key);
    else
        json_key_i64(json, key, value);
}

static void key_modules(struct json *json, const char *key, module_set set)
{
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (set & module_bit(i))
            json_text(json, module_at(i)->name);
    json_array_end(json);
}

static void key_symbols(struct json *json, const struct run *run)
{
    struct config_list symbols = config_list(run->config, "run.symbols");
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < symbols.count; i++)
        json_text(json, symbols.texts[i]);
    json_array_end(json);
}

/* --- what was asked for --- */

static void write_environment(struct json *json)
{
    const struct config_environment_variable *variables;
    size_t count = config_environment_variables(&variables);
    json_key(json, "env_overrides");
    json_object_begin(json);
    for (size_t i = 0; i < count; i++) {
        const char *value = getenv(variables[i].name);
        const struct config_key *key = config_key_find(variables[i].key);
        if (value)
            json_key_text(json, variables[i].name, key && (key->flags & CONFIG_SECRET) ? "set" : value);
    }
    json_object_end(json);
}

static void write_config(struct json *json, const struct run *run)
{
    char hex[SHA256_HEX_BYTES] = "";
    const char *path = resolve_config_path(run->options);
    if (path && file_sha256(path, hex) != STATUS_OK)
        hex[0] = 0;
    json_key_text(json, "config_path", path);
    json_key_text(json, "config_fingerprint", run->fingerprint);
    json_key_text(json, "config_sha256", *hex ? hex : NULL);
    json_key_text(json, "sink", config_text(run->config, "run.sink"));
    key_modules(json, "enabled_modules", run->choice.enabled);
    key_modules(json, "implied_modules", run->choice.implied);
    key_symbols(json, run);
    json_key_text(json, "input_mode", config_text(run->config, "run.input_mode"));
    json_key_i64(json, "replay_mode", config_i64(run->config, "run.replay_mode"));
    json_key_text(json, "run_tag", run->run_tag);
    json_key(json, "run_tags");
    alerting_tags(run, json);
    versions_write(run, json);
    write_environment(json);
}

/* --- what the verdict needs to know --- */

/* sizes_have_tail: whether what bounds outliers has any to bound: only a synthetic market can be made without them. */
static bool sizes_have_tail(const struct config *config)
{
    bool synthetic = strcmp(config_text(config, "harvest.venue"), "simulator") == 0 &&
                     strcmp(config_text(config, "run.input_mode"), "preview") != 0 &&
                     config_list(config, "simulator.captures").count == 0;
    return !synthetic || config_f64(config, "simulator.size_sigma") > 0;
}

static void write_conditions(struct json *json, const struct run *run)
{
    const struct config *config = run->config;
    double scale = config_f64(config, "run.time_scale");
    int64_t fed_until_ms =
        run->phase == PHASE_FEEDING ? clock_wall_ms(&run->clock) : run->fed_until_wall_ms; /* still is */
    struct gate_conditions conditions = {
        .set = run->gates,
        .minutes =
            run->go_wall_ms && fed_until_ms ? scale * (double)(fed_until_ms - run->go_wall_ms) / 60000.0 : 0,
        .planned_minutes = run->end_due_ms == NEVER_MS ? 0 : config_f64(config, "run.minutes"),
        .time_scale = scale,
        .max_rss_mb = (double)config_i64(config, "limits.max_rss_mb"),
        .max_open_files = (double)config_i64(config, "limits.max_open_files"),
    };
    json_key(json, "conditions");
    conditions_json(&conditions, resolve_event_clock(config), sizes_have_tail(config), json);
}

static void write_folders(struct json *json, const struct run *run)
{
    static const char *const NAMES[] = {"output_dir", "data_root", "artifacts_dir", "logs_dir", "state_dir"};
    char key[64];
    json_key(json, "folders");
    json_object_begin(json);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        snprintf(key, sizeof key, "run.%s", NAMES[i]);
        json_key_text(json, NAMES[i], config_text(run->config, key));
    }
    json_object_end(json);
}

/* --- processes --- */

static void write_restarts(struct json *json, const struct process *process)
{
    json_key(json, "restarts");
    json_array_begin(json);
    for (size_t i = 0; i < process->restart_count; i++) {
        const struct restart_record *record = &process->restarts[i];
        json_object_begin(json);
        key_time(json, "at", record->at_wall_ms);
        json_key_i64(json, "pid", record->pid);
        key_measured(json, "exit_code", record->exit_code);
        json_key_i64(json, "exit_signal", record->exit_signal);
        key_measured(json, "delay_ms", record->delay_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_process(struct json *json, const struct process *process)
{
    const struct supervisor *supervisor = &process->supervisor;
    json_key(json, process->name);
    json_object_begin(json);
    key_measured(json, "pid", process->last_pid ? process->last_pid : -1);
    key_time(json, "started_at", process->started_wall_ms);
    key_time(json, "ready_at", process->ready_wall_ms);
    key_time(json, "stopped_at", process->stopped_wall_ms);
    key_measured(json, "exit_code", process->exited ? process->last_exit.code : -1);
    json_key_i64(json, "exit_signal", process->exited ? process->last_exit.signal : 0);
    json_key_i64(json, "restart_count", supervisor->restart_count);
    write_restarts(json, process);
    json_key_text(json, "health_status", health_status_name(process->health.status));
    json_key_i64(json, "health_checks", process->health.checks);
    json_key_i64(json, "healthy_checks", process->health.healthy_checks);
    json_key_f64(json, "max_rss_mb", process->max_rss_mb > 0 ? process->max_rss_mb : NAN);
    key_measured(json, "max_open_files", process->max_open_files > 0 ? process->max_open_files : -1);
    json_key_text(json, "state", process_state_name(supervisor->state));
    json_key_bool(json, "gave_up", supervisor->gave_up);
    json_key_bool(json, "killed_on_stop", process->kill_on_stop);
    json_key_i64(json, "untold_losses", process->untold_losses);
    json_key_i64(json, "generations", supervisor->generation);
    json_key_i64(json, "stale_events", supervisor->stale_events);
    json_object_end(json);
}

static void write_processes(struct json *json, const struct run *run)
{
    json_key(json, "processes");
    json_object_begin(json);
    for (size_t i = 0; i < run->process_count; i++)
        write_process(json, &run->processes[i]);
    json_object_end(json);
    json_key(json, "restart_backoff_pattern");
    json_object_begin(json);
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        json_key(json, process->name);
        json_array_begin(json);
        for (size_t j = 0; j < process->restart_count; j++)
            if (process->restarts[j].delay_ms >= 0)
                json_i64(json, process->restarts[j].delay_ms);
        json_array_end(json);
    }
    json_object_end(json);
}

/* --- figures --- */

static void write_counter(struct json *json, const struct run *run, size_t module, const char *counter)
{
    int64_t value = -1;
    if (!run_counter(run, module, counter, &value))
        value = -1;
    key_measured(json, counter, value);
}

static void write_harvester(struct json *json, const struct run *run)
{
    static const char *const HARVEST[] = {
        "queue_dropped",      "reconnect_count",     "planned_reconnect_count", "dedup_hits_total",
        "late_event_dropped", "trade_gap_ids_total", "book_seq_gap_total",      "parse_errors"};
    int64_t timeouts = -1;
    json_key(json, "harvester_metrics");
    json_object_begin(json);
    for (size_t i = 0; i < sizeof HARVEST / sizeof *HARVEST; i++)
        write_counter(json, run, MODULE_HARVEST, HARVEST[i]);
    if (!run_counter(run, MODULE_HARVEST, "substream_timeout_detected", &timeouts))
        timeouts = -1;
    json_key(json, "substream_timeout_detected");
    if (timeouts < 0)
        json_null(json);
    else
        json_bool(json, timeouts > 0);
    write_counter(json, run, MODULE_ARCHIVE, "deadletter_rows");
    write_counter(json, run, MODULE_ARCHIVE, "write_errors_total");
    json_object_end(json);
}

static void write_sinks(struct json *json, const struct run *run)
{
    json_key(json, "sink_metrics");
    json_array_begin(json);
    for (size_t i = 0; i < run->process_count; i++) {
        const struct telemetry *telemetry = &run->processes[i].telemetry;
        for (size_t j = 0; j < telemetry_count(telemetry, PART_SINKS); j++)
            message_json(json, &sink_status_message, sink_status_message.field_count,
                         &telemetry_sinks(telemetry)[j], true);
    }
    json_array_end(json);
}

static void write_maxima(struct json *json, struct usage_maxima maxima)
{
    json_key_f64(json, "max_rss_mb", maxima.rss_mb);
    json_key_f64(json, "max_open_files", maxima.open_files);
}

static void write_usage(struct json *json, const struct run *run)
{
    json_key(json, "resource_usage");
    json_object_begin(json);
    write_maxima(json, usage_maxima_of_run(run));
    json_key(json, "per_process");
    json_object_begin(json);
    for (size_t i = 0; i <= run->process_count; i++) {
        bool own = i == run->process_count;
        json_key(json, own ? "orchestrator" : run->processes[i].name);
        json_object_begin(json);
        write_maxima(json,
                     own ? usage_maxima_of(run->own_max_rss_mb, run->own_max_open_files)
                         : usage_maxima_of(run->processes[i].max_rss_mb, run->processes[i].max_open_files));
        json_object_end(json);
    }
    json_object_end(json);
    json_object_end(json);
}

/* --- files of the run --- */

struct summary_walk {
    const struct run *run;
    struct json *json;
    bool is_final;
};

/* summary_visit: the final summary of this run, under its sink's name. */
static enum status summary_visit(void *context, const char *path)
{
    struct summary_walk *walk = context;
    const char *name = strrchr(path, '/');
    size_t length = strlen(path);
    if (!name || strncmp(name, "/summary_", 9) != 0 || length < 5 || strcmp(path + length - 5, ".json") != 0)
        return STATUS_OK;
    struct buffer text;
    buffer_init(&text, SUMMARY_BYTES_MAX);
    yyjson_doc *document =
        file_read(path, &text) == STATUS_OK ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *sink = yyjson_get_str(yyjson_obj_get(root, "sink"));
    if (sink && yyjson_equals_str(yyjson_obj_get(root, "run_id"), walk->run->run_id)) {
        while (text.length && (text.data[text.length - 1] == '\n' || text.data[text.length - 1] == ' '))
            text.length--;
        json_key(walk->json, sink);
        json_raw(walk->json, (const char *)text.data, text.length);
    }
    yyjson_doc_free(document);
    buffer_finish(&text);
    return STATUS_OK;
}

static void write_summaries(struct json *json, const struct run *run)
{
    struct summary_walk walk = {run, json, true};
    char folder[PATH_BYTES];
    path_join(folder, config_text(run->config, "run.logs_dir"), "report");
    json_key(json, "report");
    json_object_begin(json);
    enum status status = folder_walk(folder, summary_visit, &walk);
    json_object_end(json);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        log_event(LOG_WARNING, "read_error", "folder=%s", folder);
}

/* write_file: its hash only with the verdict: before that files still grow, and reading them all takes long. */
static void write_file(struct json *json, const char *path, bool is_final)
{
    char hex[SHA256_HEX_BYTES];
    int64_t bytes = file_bytes(path);
    if (bytes < 0)
        return;
    bool hashed = is_final && file_sha256(path, hex) == STATUS_OK;
    json_object_begin(json);
    json_key_text(json, "path", path);
    json_key_i64(json, "bytes", bytes);
    json_key_text(json, "sha256", hashed ? hex : NULL);
    json_object_end(json);
}

static enum status raw_visit(void *context, const char *path)
{
    struct summary_walk *walk = context;
    if (capture_file_number(path, walk->run->run_id))
        write_file(walk->json, path, walk->is_final);
    return STATUS_OK;
}

static void write_files(struct json *json, const struct run *run, bool is_final)
{
    struct summary_walk walk = {run, json, is_final};
    char path[PATH_BYTES];
    json_key(json, "raw_files");
    json_array_begin(json);
    for (size_t i = 0; i < run->process_count; i++) {
        if (run->processes[i].module_index != MODULE_HARVEST)
            continue;
        run_capture_folder(run, &run->processes[i], path);
        enum status status = folder_walk(path, raw_visit, &walk);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND)
            log_event(LOG_WARNING, "read_error", "folder=%s", path);
    }
    json_array_end(json);
    json_key(json, "evidence");
    json_array_begin(json);
    manifest_status_path(run, path);
    write_file(json, path, is_final);
    manifest_source_path(run, path);
    write_file(json, path, is_final);
    path_join(path, config_text(run->config, "run.artifacts_dir"), "parity_diff_%s.json", run->run_id);
    write_file(json, path, is_final);
    accounting_path(run, path);
    write_file(json, path, is_final);
    path_join(path, config_text(run->config, "run.artifacts_dir"), "run_logs/export_%s.jsonl", run->run_id);
    write_file(json, path, is_final);
    path_join(path, config_text(run->config, "run.artifacts_dir"), "run_logs/alerts_%s.json", run->run_id);
    write_file(json, path, is_final);
    json_array_end(json);
}

/* write_ledger: the loss ledger as its program wrote it; null while the run goes on. */
static void write_ledger(struct json *json, const struct run *run)
{
    char path[PATH_BYTES];
    struct buffer text;
    accounting_path(run, path);
    buffer_init(&text, LEDGER_BYTES_MAX);
    yyjson_doc *document =
        file_read(path, &text) == STATUS_OK ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
    json_key(json, "ledger");
    while (document && text.length && text.data[text.length - 1] == '\n')
        text.length--;
    if (document)
        json_raw(json, (const char *)text.data, text.length);
    else
        json_null(json);
    yyjson_doc_free(document);
    buffer_finish(&text);
}

/* --- the whole --- */

static void write_fault_list(struct json *json, const char *key, const struct run *run,
                             const struct fault_loss *losses, bool refused)
{
    static const struct fault_loss UNMEASURED = {-1, -1, -1, NULL};
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < run->fault_count; i++)
        if (fault_is_refused(&run->faults[i]) == refused)
            fault_json(json, &run->faults[i], losses ? &losses[i] : &UNMEASURED);
    json_array_end(json);
}

/* write_faults: what a victim refused was never injected, and stands by itself. */
static void write_faults(struct json *json, const struct run *run, const struct fault_loss *losses)
{
    write_fault_list(json, "fault_injection", run, losses, false);
    write_fault_list(json, "faults_refused", run, losses, true);
}

static void write_end(struct json *json, const struct run *run, const struct manifest_conclusion *conclusion)
{
    json_key(json, "shutdown_order");
    json_array_begin(json);
    for (size_t i = 0; i < run->shutdown_count; i++)
        json_text(json, run->processes[run->shutdown_order[i]].name);
    json_array_end(json);
    json_key_text(json, "end_reason", run->end_reason);
    bool judged = conclusion && conclusion->gates;
    write_files(json, run, judged);
    json_key(json, "gates");
    if (judged)
        gates_json(conclusion->gates, json);
    else
        json_null(json);
    json_key_text(json, "overall_verdict", judged ? gate_verdict_name(conclusion->overall) : NULL);
    key_measured(json, "exit_code", judged ? conclusion->exit_code : -1);
}

static const char *state_of(const struct run *run, const struct manifest_conclusion *conclusion)
{
    if (run->left_behind && !run->unconcluded && !(conclusion && conclusion->gates))
        return "concluding";
    if (!conclusion)
        return "running";
    return run->failed_start || run->skipped_drain || run->unconcluded ? "aborted" : "finished";
}

static void write_manifest(struct json *json, const struct run *run,
                           const struct manifest_conclusion *conclusion)
{
    int64_t until_ms = run->ended_wall_ms ? run->ended_wall_ms : clock_wall_ms(&run->clock);
    json_object_begin(json);
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "run_id", run->run_id);
    json_key_text(json, "state", state_of(run, conclusion));
    json_key_bool(json, "final", conclusion && conclusion->gates);
    key_time(json, "written_at", clock_wall_ms(&run->clock));
    key_time(json, "started_at", run->started_wall_ms);
    key_time(json, "ended_at", run->ended_wall_ms);
    json_key_f64(json, "duration_s", (double)(until_ms - run->started_wall_ms) / 1000.0);
    write_config(json, run);
    write_conditions(json, run);
    write_folders(json, run);
    write_processes(json, run);
    write_summaries(json, run);
    json_key(json, "timeseries_export");
    exporter_json(run->exporter, json);
    json_key(json, "alerts");
    alerts_json(&run->alerting->alerts, json, false);
    write_harvester(json, run);
    write_sinks(json, run);
    write_ledger(json, run);
    write_usage(json, run);
    write_faults(json, run, conclusion ? conclusion->losses : NULL);
    write_end(json, run, conclusion);
    json_object_end(json);
}

void manifest_make(const struct run *run, const struct manifest_conclusion *conclusion,
                   struct buffer *out_text)
{
    struct json json;
    json_init(&json, out_text);
    write_manifest(&json, run, conclusion);
    buffer_append_byte(out_text, '\n');
}

enum status manifest_store(const struct run *run, const struct buffer *text, struct error *error)
{
    char path[PATH_BYTES];
    manifest_path(run, path);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text->data, text->length,
                              strcmp(config_text(run->config, "journal.durability"), "power") == 0);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}

enum status manifest_write(const struct run *run, const struct manifest_conclusion *conclusion,
                           struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    manifest_make(run, conclusion, &text);
    enum status status = manifest_store(run, &text, error);
    buffer_finish(&text);
    return status;
}
