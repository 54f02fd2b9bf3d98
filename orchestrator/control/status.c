/* The answer to `status`: every process with what is known of it. Also written, at the end, as a file that
 * the gates read. */
#include "base/file.h"
#include "ending.h"
#include "orchestrator/alerts/alerting.h"
#include "orchestrator/export/exporter.h"
#include "orchestrator/plan/resolve.h"
#include "orchestrator/run.h"

#include <math.h>
#include <string.h>

/* RATE_STALE_MS: a rate is of the last two heartbeats that were a second apart; of whom none comes nobody knows it any more. */
enum { RATE_STALE_MS = 3000 };

/* rate_of: rows a second, as they flow now; NaN: nothing has been heard of late that it could be taken from. */
static double rate_of(const struct run *run, const struct process *process)
{
    if (!process->child.lives || !process_state_up(process->supervisor.state))
        return 0;
    bool silent = process->module->beats && run_now_ms(run) - process->telemetry.received_ms > RATE_STALE_MS;
    return silent || process->paused ? NAN : process->rows_per_s;
}

static void process_json(struct run *run, struct process *process, struct json *json)
{
    const struct telemetry *telemetry = &process->telemetry;
    /* Of whom nobody expects a heartbeat, none is late. */
    bool awaited = telemetry->seen && process->supervisor.state != PROCESS_STOPPED;
    int64_t age_ms = awaited ? run_now_ms(run) - telemetry->received_ms : -1;
    json_object_begin(json);
    json_key_text(json, "name", process->name);
    json_key(json, "pid");
    if (process->child.lives)
        json_i64(json, process->child.pid ? process->child.pid : process->telemetry.beat.pid);
    else
        json_null(json);
    json_key_text(json, "state", process->paused ? "paused" : process_state_name(process->supervisor.state));
    json_key_i64(json, "generation", process->supervisor.generation);
    json_key_text(json, "health", process_health_name(process));
    json_key_text(json, "failed_conditions", process->health.failed);
    json_key_i64(json, "restart_count", process->supervisor.restart_count);
    json_key_bool(json, "gave_up", process->supervisor.gave_up);
    json_key_bool(json, "retired", process->retired);
    json_key_bool(json, "idle", process_is_idle(run, process));
    json_key_f64(json, "rows_per_s", rate_of(run, process));
    json_key_i64(json, "lag_rows", run_lag_rows(run, process));
    json_key(json, "heartbeat_age_ms");
    if (age_ms >= 0)
        json_i64(json, age_ms);
    else
        json_null(json);
    json_key_i64(json, "stale_events", process->supervisor.stale_events);
    char how[ENDING_TEXT_BYTES];
    json_key_text(json, "last_exit", process->exits ? ending_text(&process->last_exit, how) : NULL);
    json_key_f64(json, "max_rss_mb", process->max_rss_mb > 0 ? process->max_rss_mb : NAN);
    json_key_f64(json, "max_open_files", process->max_open_files > 0 ? (double)process->max_open_files : NAN);
    json_key_i64(json, "untold_losses", process->untold_losses);
    usage_json(json, &process->usage);
    telemetry_json(json, telemetry);
    json_object_end(json);
}

/* event_time_json: the newest event time anybody has told of. */
static void event_time_json(const struct run *run, struct json *json)
{
    int64_t newest_ms = FIELD_NULL_I64;
    for (size_t i = 0; i < run->process_count; i++) {
        int64_t event_ms = run->processes[i].telemetry.beat.event_ts_ms;
        if (event_ms != FIELD_NULL_I64 && (newest_ms == FIELD_NULL_I64 || event_ms > newest_ms))
            newest_ms = event_ms;
    }
    json_key(json, "event_ts_ms");
    if (newest_ms == FIELD_NULL_I64)
        json_null(json);
    else
        json_i64(json, newest_ms);
}

static void faults_json(const struct run *run, struct json *json)
{
    int64_t open = 0;
    for (size_t i = 0; i < run->fault_count; i++)
        open += !fault_never_began(&run->faults[i]) && fault_waiting(&run->faults[i]) != FAULT_STEP_COUNT;
    json_key(json, "faults");
    json_object_begin(json);
    json_key_i64(json, "count", (int64_t)run->fault_count);
    json_key_i64(json, "open", open);
    json_object_end(json);
}

static void head_json(const struct run *run, struct json *json)
{
    struct config_list symbols = config_list(run->config, "run.symbols");
    int64_t now_ms = clock_wall_ms(&run->clock);
    char at[TIME_TEXT_BYTES];
    time_iso_ms(now_ms, at);
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "run_id", run->run_id);
    json_key_text(json, "at", at);
    json_key_text(json, "phase", run_phase_name(run->phase));
    json_key_f64(json, "elapsed_s", run->go_wall_ms ? (double)(now_ms - run->go_wall_ms) / 1000.0 : NAN);
    json_key_text(json, "sink", config_text(run->config, "run.sink"));
    json_key_text(json, "config_fingerprint", run->fingerprint);
    json_key_i64(json, "serial", run->feed.serial);
    json_key_i64(json, "wall_ms", now_ms);
    json_key_text(json, "input_mode", config_text(run->config, "run.input_mode"));
    json_key_text(json, "event_clock", resolve_event_clock(run->config));
    json_key_f64(json, "planned_minutes", config_f64(run->config, "run.minutes"));
    json_key_f64(json, "time_scale", config_f64(run->config, "run.time_scale"));
    event_time_json(run, json);
    faults_json(run, json);
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < symbols.count; i++)
        json_text(json, symbols.texts[i]);
    json_array_end(json);
}

/* export_json: the totals; the ticks are in the manifest. */
static void export_json(const struct run *run, struct json *json)
{
    struct exporter_totals totals = exporter_totals(run->exporter);
    json_object_begin(json);
    json_key_i64(json, "export_count", totals.ok);
    json_key_i64(json, "error_count", totals.failed);
    json_key_i64(json, "retry_count", totals.retries);
    json_key_i64(json, "failed_in_a_row", totals.failed_in_a_row);
    json_object_end(json);
}

static bool meant(const struct process *process, const char *name)
{
    return !name || run_meant(process, name);
}

void status_json(struct run *run, const char *name, struct json *json)
{
    json_object_begin(json);
    head_json(run, json);
    json_key_bool(json, "healthy", status_healthy(run, name));
    json_key(json, "orchestrator");
    self_json(run, json);
    json_key(json, "alerts");
    alerts_json(&run->alerting->alerts, json, false);
    json_key(json, "concluding");
    conclusions_json(run, json);
    json_key(json, "canary");
    canary_watch_json(run, json);
    json_key(json, "timeseries_export");
    export_json(run, json);
    json_key(json, "processes");
    json_array_begin(json);
    for (size_t i = 0; i < run->process_count; i++)
        if (meant(&run->processes[i], name))
            process_json(run, &run->processes[i], json);
    json_array_end(json);
    json_object_end(json);
}

bool status_healthy(struct run *run, const char *name)
{
    bool healthy = name || !run->self.is_short;
    for (size_t i = 0; i < run->process_count; i++)
        if (meant(&run->processes[i], name) && !run->processes[i].retired) {
            inspect_health(run, &run->processes[i]);
            healthy = healthy && run->processes[i].health.status == HEALTH_HEALTHY;
        }
    return healthy;
}

enum status status_write(struct run *run, const char *path)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    status_json(run, NULL, &json);
    buffer_append_byte(&text, '\n');
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length, false);
    buffer_finish(&text);
    return status;
}
