#include "intervention_verbs.h"

#include "orchestrator/run.h"

#include <math.h>
#include <string.h>

static const char *given_or(const struct control_values *values, size_t index, const char *otherwise)
{
    return values->given[index] && *values->texts[index] ? values->texts[index] : otherwise;
}

/* perform_rollback: a refused target is an answer, not a failure of the request: it has an incident. */
enum status perform_rollback(void *context, const struct control_values *values, struct json *result,
                             struct error *error)
{
    struct run *run = context;
    struct rollback record = {0};
    struct error reason = {{0}};
    enum status status = rolling_back_begin(run, given_or(values, 0, NULL), given_or(values, 1, "orchctl"),
                                            given_or(values, 2, "asked for"), "P2", &record, &reason);
    bool refused = status == STATUS_INVALID && *record.incident;
    if (status != STATUS_OK && !refused)
        return error_set(error, status, "%s", reason.text);
    json_object_begin(result);
    json_key_text(result, "state", refused ? "refused" : ROLLBACK_STATE_NAMES[record.state]);
    json_key_text(result, "incident", record.incident);
    json_key_text(result, "from", run->fingerprint);
    json_key_text(result, "to", refused ? NULL : record.to);
    json_key_text(result, "to_run", refused ? NULL : record.to_run);
    json_key_text(result, "state_dir", config_text(run->config, "run.state_dir"));
    json_key_text(result, "reason", refused ? reason.text : NULL);
    json_object_end(result);
    return STATUS_OK;
}

enum status perform_direction(void *context, const struct control_values *values, struct json *result,
                              struct error *error)
{
    struct run *run = context;
    const char *action = values->texts[0], *id = NULL;
    bool lock = strcmp(action, "lock") == 0;
    if (!lock && strcmp(action, "unlock") != 0)
        return error_set(error, STATUS_INVALID, "action must be lock or unlock, not '%.40s'", action);
    const struct control_wish wish = {
        .decision = lock ? "lock_direction" : "unlock_direction",
        .symbol = given_or(values, 1, NULL),
        .value = NAN,
        .who = given_or(values, 2, "orchctl"),
        .why = given_or(values, 3, "asked for"),
        .is_incident = true,
    };
    enum status status = control_inputs_add(run, &wish, &id, error);
    if (status != STATUS_OK)
        return status;
    json_object_begin(result);
    json_key_text(result, "id", id);
    json_key_text(result, "decision", wish.decision);
    json_object_end(result);
    return STATUS_OK;
}

/* perform_resolve: a step that the gate has taken stays in force until the gate itself takes it back; what ends is the incident, and with
 * it what an open P1 would have led to. */
enum status perform_resolve(void *context, const struct control_values *values, struct json *result,
                            struct error *error)
{
    struct run *run = context;
    struct incident incident;
    const struct incident_resolution resolution = {.who = given_or(values, 2, "orchctl"),
                                                   .why = values->texts[1],
                                                   .wall_ms = clock_wall_ms(&run->clock)};
    char path[PATH_BYTES], at[TIME_TEXT_BYTES];
    if (!*resolution.why)
        return error_set(error, STATUS_INVALID, "why: a reason is needed");
    incidents_path(config_text(run->config, "run.artifacts_dir"), path);
    enum status status = incidents_resolve(path, values->texts[0], &resolution, &incident, error);
    if (status != STATUS_OK)
        return status;
    run->canary.p1_known = false;
    feed_emit(&run->feed, LOG_INFO, "incident_resolved", "",
              FEED_FIELDS(TEXT("id", incident.id), TEXT("rule", incident.rule),
                          TEXT("severity", incident.severity), TEXT("who", incident.closed_by),
                          TEXT("reason", incident.closed_why)));
    console_say(&run->console, "%s (%s) resolved by %s: %s", incident.id, incident.rule, incident.closed_by,
                incident.closed_why);
    time_iso_ms(incident.closed_ms, at);
    json_object_begin(result);
    json_key_text(result, "incident", incident.id);
    json_key_text(result, "rule", incident.rule);
    json_key_text(result, "closed_at", at);
    json_object_end(result);
    return STATUS_OK;
}
