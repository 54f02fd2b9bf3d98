#include "checklist.h"

#include "orchestrator/manifest/gates.h"

#include <stdio.h>

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
        gates_judge(&conditions, &evidence, &results);
        json_key_text(json, "set", gate_set_name(run->gates));
        json_key(json, "gates");
        gates_json(&results, json);
    }
    json_object_end(json);
}
