#include "checklist.h"

#include "gates.h"

#define CHECKLIST_STATUS_PATH "runtime/checklist_status.json"

static struct gate_conditions conditions_now(const struct run *run)
{
    return (struct gate_conditions){
        .set = run->gates,
        .modules = run->choice.enabled | run->choice.implied,
        .sink = config_text(run->config, "run.sink"),
        .minutes = run->go_ms ? (double)(run_now_ms(run) - run->go_ms) / 60000.0 : 0,
        .max_rss_mb = (double)config_i64(run->config, "limits.max_rss_mb"),
        .max_open_files = (double)config_i64(run->config, "limits.max_open_files"),
        .before_stop = true,
    };
}

void checklist_json(struct run *run, struct json *json)
{
    struct evidence evidence = {0};
    struct gate_results results;
    struct gate_conditions conditions = conditions_now(run);
    struct evidence_places places = {.run_id = run->run_id,
                                     .status_path = CHECKLIST_STATUS_PATH,
                                     .sink = conditions.sink,
                                     .modules = conditions.modules};
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
