#include "own_status.h"

#include "base/file.h"
#include "orchestrator/alerts/alerting.h"
#include "orchestrator/export/exporter.h"

#include <math.h>
#include <orderflow_version.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void head(const struct run *run, struct json *json)
{
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "run_id", run->run_id);
    json_key_text(json, "name", "orchestrator");
    json_key_i64(json, "pid", getpid());
    json_key_text(json, "state", run_phase_name(run->phase));
    json_key_i64(json, "wall_ms", clock_wall_ms(&run->clock));
    json_key_text(json, "config_fingerprint", run->fingerprint);
    json_key_text(json, "version", ORDERFLOW_VERSION);
    json_key_i64(json, "restart_count", run->adoptions);
    json_key_f64(json, "rss_mb", run->own_max_rss_mb);
    json_key_i64(json, "open_files", run->own_max_open_files);
}

static void counters(const struct run *run, struct json *json)
{
    struct exporter_totals totals = exporter_totals(run->exporter);
    const struct alerts *alerts = &run->alerting->alerts;
    json_key(json, "counters");
    json_object_begin(json);
    json_key_i64(json, "exports_total", totals.ok);
    json_key_i64(json, "export_failures_total", totals.failed);
    json_key_i64(json, "export_retries_total", totals.retries);
    json_key_i64(json, "alerts_total", alerts->triggered);
    json_key_i64(json, "alert_evaluations_total", alerts->evaluations);
    json_key_i64(json, "faults_total", (int64_t)run->fault_count);
    json_object_end(json);
}

static void gauges(const struct run *run, struct json *json)
{
    struct exporter_totals totals = exporter_totals(run->exporter);
    struct statvfs space;
    json_key(json, "gauges");
    json_object_begin(json);
    json_key_f64(json, "alerts_active", (double)alerts_active(&run->alerting->alerts));
    json_key_f64(json, "export_failed_in_a_row", (double)totals.failed_in_a_row);
    canary_watch_gauges(run, json);
    json_key_f64(json, "disk_free_gb",
                 statvfs(config_text(run->config, "run.data_root"), &space) == 0
                     ? (double)space.f_bavail * (double)space.f_frsize / 1e9
                     : NAN);
    json_key_f64(json, "max_rss_mb", (double)config_i64(run->config, "limits.max_rss_mb"));
    json_key_f64(json, "max_open_files", (double)config_i64(run->config, "limits.max_open_files"));
    json_object_end(json);
}

static void processes(const struct run *run, struct json *json)
{
    json_key(json, "processes");
    json_array_begin(json);
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        if (process->retired)
            continue;
        json_object_begin(json);
        json_key_text(json, "name", process->name);
        json_key_text(json, "service", process->module->name);
        json_key_text(json, "state", process_state_name(process->supervisor.state));
        json_key_bool(json, "up", process_state_up(process->supervisor.state));
        json_key_bool(json, "gave_up", process->supervisor.gave_up);
        json_key_bool(json, "degraded", process_degraded(process));
        json_key_bool(json, "healthy", process->health.status == HEALTH_HEALTHY);
        json_key_i64(json, "restart_count", process->supervisor.restart_count);
        json_object_end(json);
    }
    json_array_end(json);
}

/* recoveries: from the kill to caught up, of every fault that has got there. */
static void recoveries(const struct run *run, struct json *json)
{
    json_key(json, "recoveries_ms");
    json_array_begin(json);
    for (size_t i = 0; i < run->fault_count; i++)
        if (fault_waiting(&run->faults[i]) == FAULT_STEP_COUNT)
            json_f64(json, fault_elapsed_ms(&run->faults[i], FAULT_HEALTHY));
    json_array_end(json);
}

static void write_file(struct run *run)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    path_join(path, config_text(run->config, "run.output_dir"), "status/orchestrator.json");
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    head(run, &json);
    counters(run, &json);
    gauges(run, &json);
    processes(run, &json);
    recoveries(run, &json);
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    if (folder_make_for(path) != STATUS_OK || file_replace(path, text.data, text.length, false) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", path);
    buffer_finish(&text);
}

void own_status_step(struct run *run)
{
    if (run_now_ms(run) < run->own_status_due_ms)
        return;
    run->own_status_due_ms = run_now_ms(run) + OWN_STATUS_MS;
    write_file(run);
}
