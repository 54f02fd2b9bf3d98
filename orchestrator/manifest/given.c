#include "given.h"

#include "behind.h"
#include "orchestrator/alerts/alerting.h"
#include "orchestrator/export/exporter.h"

void given_counts_json(const struct run *run, struct json *json)
{
    json_array_begin(json);
    for (size_t i = 0; i < run->process_count; i++) {
        if (!telemetry_count(&run->processes[i].telemetry, PART_COUNTERS))
            continue; /* was never heard */
        json_object_begin(json);
        json_key_text(json, "name", run->processes[i].name);
        telemetry_counts_json(json, &run->processes[i].telemetry);
        json_object_end(json);
    }
    json_array_end(json);
}

static void export_json(const struct run *run, struct json *json)
{
    struct exporter_totals totals = exporter_totals(run->exporter);
    json_object_begin(json);
    json_key_i64(json, "export_count", *run->behind ? run->exports_ok : totals.ok);
    json_key_i64(json, "error_count", *run->behind ? run->exports_failed : totals.failed);
    json_object_end(json);
}

static void faults_json(const struct run *run, const struct fault_loss *losses, struct json *json)
{
    json_array_begin(json);
    for (size_t i = 0; i < run->fault_count; i++)
        if (!fault_is_refused(&run->faults[i]))
            fault_json(json, &run->faults[i], &losses[i]);
    json_array_end(json);
}

static void given_json(const struct run *run, const struct gate_results *gates, const struct buffer *counts,
                       const struct fault_loss *losses, struct json *json)
{
    json_object_begin(json);
    if (gates) {
        json_key(json, "gates");
        gates_json(gates, json);
        json_key_text(json, "overall_verdict", gate_verdict_name(gates_overall(gates)));
    }
    json_key(json, "timeseries_export");
    export_json(run, json);
    json_key(json, "processes");
    if (counts)
        json_raw(json, (const char *)counts->data, counts->length);
    else
        given_counts_json(run, json);
    json_key(json, "alerts");
    alerts_list_json(&run->alerting->alerts, json);
    json_key(json, "fault_injection");
    faults_json(run, losses, json);
    json_object_end(json);
}

void given_write(const struct run *run, const struct gate_results *gates, const struct buffer *counts,
                 const struct fault_loss *losses)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    behind_given_path(run, path);
    buffer_init(&text, 0);
    json_init(&json, &text);
    given_json(run, gates, counts, losses, &json);
    if (file_replace(path, text.data, text.length, false) != STATUS_OK)
        log_event(LOG_ERROR, "write_error", "file=%s", path);
    buffer_finish(&text);
}
