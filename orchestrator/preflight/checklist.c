#include "checklist.h"

#include "orchestrator/alerts/alerting.h"
#include "orchestrator/alerts/heard.h"
#include "orchestrator/export/exporter.h"
#include "orchestrator/manifest/gates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHECKLIST_STATUS_PATH "runtime/checklist_status.json"

static struct gate_conditions conditions_now(const struct run *run)
{
    double scale = config_f64(run->config, "run.time_scale");
    struct gate_conditions conditions = {
        .set = run->gates,
        .modules = run->choice.enabled | run->choice.implied,
        .minutes = run->go_ms ? (double)(run_now_ms(run) - run->go_ms) / 60000.0 * scale : 0,
        .planned_minutes = config_f64(run->config, "run.minutes"),
        .time_scale = scale,
        .max_rss_mb = (double)config_i64(run->config, "limits.max_rss_mb"),
        .max_open_files = (double)config_i64(run->config, "limits.max_open_files"),
        .before_stop = true,
    };
    snprintf(conditions.sink, sizeof conditions.sink, "%s", config_text(run->config, "run.sink"));
    return conditions;
}

static void know(struct evidence *evidence, const char *name, double value, const char *field)
{
    if (!isnan(value))
        evidence_add(evidence, name, value, CHECKLIST_STATUS_PATH, field);
}

/* know_counter: of what the files will tell at the end, and a counter of the heartbeats tells now. */
static void know_counter(const struct run *run, struct evidence *evidence, const char *name,
                         const char *service, const char *counter)
{
    int64_t value;
    char field[EVIDENCE_SOURCE_BYTES];
    snprintf(field, sizeof field, "processes.%s.counters.%s", service, counter);
    know(evidence, name, heard_counter(run, service, counter, &value) ? (double)value : NAN, field);
}

/* know_sinks: rows that a kind of sink holds. */
static void know_sinks(const struct run *run, struct evidence *evidence, const char *name, const char *sink)
{
    double rows = NAN;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct telemetry *telemetry = &run->processes[i].telemetry;
        for (size_t k = 0; k < telemetry_count(telemetry, PART_SINKS); k++)
            if (strcmp(telemetry_sinks(telemetry)[k].sink, sink) == 0)
                rows = (isnan(rows) ? 0 : rows) + (double)telemetry_sinks(telemetry)[k].written;
    }
    know(evidence, name, rows, "processes.signal.sinks.written");
}

static void know_processes(const struct run *run, struct evidence *evidence)
{
    double memory_mb = run->own_max_rss_mb, files = (double)run->own_max_open_files, healthy = NAN;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        memory_mb = fmax(memory_mb, process->max_rss_mb);
        files = fmax(files, (double)process->max_open_files);
        if (process->health.checks)
            healthy = fmin(healthy, (double)process->health.healthy_checks / (double)process->health.checks);
    }
    know(evidence, "max_rss_mb", memory_mb > 0 ? memory_mb : NAN, "processes.*.max_rss_mb");
    know(evidence, "max_open_files", files > 0 ? files : NAN, "processes.*.max_open_files");
    know(evidence, "healthy_share", healthy, "least of processes.*.healthy_checks / health_checks");
}

/* know_now: what the screen above the checklist knows too: the rest is told by files, at the end. */
static void know_now(const struct run *run, struct evidence *evidence)
{
    struct exporter_totals totals = exporter_totals(run->exporter);
    know_counter(run, evidence, "orders", "broker", "orders");
    know_counter(run, evidence, "signals_total", "report", "signal_total");
    know_counter(run, evidence, "signals_confirmed", "report", "signal_confirmed_total");
    know_counter(run, evidence, "jsonl_shards", "signal", "jsonl_rotations");
    know_counter(run, evidence, "harvester_dropped", "harvest", "queue_dropped");
    know_counter(run, evidence, "harvester_reconnects", "harvest", "reconnect_count");
    know_counter(run, evidence, "harvester_timeouts", "harvest", "substream_timeout_detected");
    know_sinks(run, evidence, "jsonl_rows", "jsonl");
    know_sinks(run, evidence, "sqlite_rows", "sqlite");
    know_processes(run, evidence);
    know(evidence, "alerts_active", (double)alerts_active(&run->alerting->alerts), "alerts.active_count");
    know(evidence, "export_errors", (double)totals.failed, "timeseries_export.error_count");
}

void checklist_json(struct run *run, struct json *json)
{
    struct evidence evidence = {0};
    struct gate_results results;
    struct gate_conditions conditions = conditions_now(run);
    struct evidence_places places = {
        .run_id = run->run_id, .sink = conditions.sink, .modules = conditions.modules};
    snprintf(places.status_path, sizeof places.status_path, "%s", CHECKLIST_STATUS_PATH);
    json_object_begin(json);
    if (status_write(run, CHECKLIST_STATUS_PATH) == STATUS_OK) {
        evidence_from_status(&places, &evidence);
        know_now(run, &evidence);
        gates_judge(&conditions, &evidence, &results);
        json_key_text(json, "set", gate_set_name(run->gates));
        json_key(json, "gates");
        gates_json(&results, json);
    }
    json_object_end(json);
}
