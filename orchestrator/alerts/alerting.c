#include "alerting.h"

#include "base/crash_point.h"
#include "base/memory.h"
#include "heard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_BYTES_MAX = 16 * 1024 * 1024 };

/* --- kept for whoever goes on with the run --- */

static void save(struct run *run)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    alerts_json(&run->alerting->alerts, &json, true);
    buffer_append_byte(&text, '\n');
    if (folder_make_for(run->alerting->path) != STATUS_OK ||
        file_replace(run->alerting->path, text.data, text.length, false) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", run->alerting->path);
    buffer_finish(&text);
}

static enum status load(struct alerting *alerting, struct error *error)
{
    struct buffer text;
    buffer_init(&text, STATE_BYTES_MAX);
    enum status status = file_read(alerting->path, &text);
    if (status == STATUS_OK)
        status = alerts_load(&alerting->alerts, buffer_text(&text), text.length, error);
    buffer_finish(&text);
    if (status == STATUS_MALFORMED) {
        log_event(LOG_WARNING, "read_error", "file=%s reason=\"%s\"", alerting->path, error->text);
        status = STATUS_OK; /* the run does not depend on it */
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status alerting_open(struct run *run, struct error *error)
{
    struct alerting *alerting = memory_allocate(sizeof *alerting);
    *alerting = (struct alerting){.due_ms = 0};
    path_join(alerting->path, config_text(run->config, "run.artifacts_dir"), "run_logs/alerts_%s.json",
              run->run_id);
    run->alerting = alerting;
    if (run->adopted)
        return load(alerting, error);
    /* An earlier run's of this name: its alerts are neither ours nor our successor's. */
    unlink(alerting->path);
    return STATUS_OK;
}

void alerting_close(struct run *run)
{
    if (run->alerting)
        alerts_finish(&run->alerting->alerts);
    free(run->alerting);
    run->alerting = NULL;
}

/* --- telling --- */

static void tell(struct run *run, const struct alert *alert, const struct alert_rule *rule, bool opened)
{
    const char *level = rule->level == ALERT_CRITICAL ? "critical" : "warning";
    feed_emit(&run->feed,
              !opened                         ? LOG_INFO
              : rule->level == ALERT_CRITICAL ? LOG_ERROR
                                              : LOG_WARNING,
              opened ? "alert_open" : "alert_close", "",
              FEED_FIELDS(TEXT("rule", rule->name), TEXT("level", level), TEXT("subject", alert->subject),
                          TEXT("details", alert->message)));
    console_say(&run->console, "alert %s %s%s%s%s%s", rule->name, opened ? level : "is over",
                *alert->subject ? " (" : "", alert->subject, *alert->subject ? ")" : "", opened ? "" : ".");
    if (opened)
        console_say(&run->console, "  %s", alert->message);
}

/* end_run: of a run that must not go on with such an alert. */
static void end_run(struct run *run, const struct alert_rule *rule)
{
    char reason[ERROR_TEXT_BYTES];
    if (!rule->ends_run || run->phase != PHASE_FEEDING)
        return;
    snprintf(reason, sizeof reason, "critical alert %s", rule->name);
    run->ended_by_alert = true;
    lifecycle_end(run, reason);
}

static void changed(void *context, const struct alert *alert, bool opened)
{
    struct run *run = context;
    size_t count;
    const struct alert_rule *rule = &alert_rules(&count)[alert->rule];
    save(run); /* before anybody hears of it: told at most once, whoever dies */
    tell(run, alert, rule, opened);
    crash_point("alert_told");
    if (opened)
        end_run(run, rule);
}

/* take_up: what an orchestrator that died had told of, and had not done. */
static void take_up(struct run *run)
{
    size_t count;
    const struct alert_rule *rules = alert_rules(&count);
    const struct alerts *alerts = &run->alerting->alerts;
    for (size_t i = 0; i < alerts->watch_count; i++)
        if (alerts->watches[i].open)
            end_run(run, &rules[alerts->watches[i].rule]);
}

void alerting_tags(const struct run *run, struct json *json)
{
    size_t count;
    const struct alert_rule *rules = alert_rules(&count);
    const struct alerts *alerts = &run->alerting->alerts;
    json_array_begin(json);
    for (size_t rule = 0; rule < count; rule++) {
        bool again = rule > 0 && strcmp(rules[rule - 1].name, rules[rule].name) == 0, raised = false;
        for (size_t like = rule; like < count && strcmp(rules[like].name, rules[rule].name) == 0; like++)
            raised = raised || alerts_raised(alerts, like);
        if (raised && !again)
            json_text(json, rules[rule].name);
    }
    json_array_end(json);
}

/* --- time --- */

int64_t alerting_now_ms(const struct run *run)
{
    return (int64_t)((double)run_now_ms(run) * config_f64(run->config, "run.time_scale"));
}

static void evaluate(struct run *run)
{
    struct alerting *alerting = run->alerting;
    int64_t event_ms = heard_event_ms(run);
    struct alert_sample sample;
    struct alert_figures figures = {0};
    struct alert_moment moment = {
        .now_ms = alerting_now_ms(run), .wall_ms = clock_wall_ms(&run->clock), .event_ms = event_ms};
    alert_sample_take(run, &sample);
    alert_history_add(&alerting->history, &sample);
    alert_figures_gather(run, &alerting->history, &figures);
    alerts_evaluate(&alerting->alerts, &figures, &moment, changed, run);
    alert_figures_finish(&figures);
    save(run);
}

/* schedule: the next whole interval behind go; what came late is not made up for. */
static void schedule(struct run *run)
{
    int64_t interval_ms =
        config_wall_ms(run->config, config_f64(run->config, "health.alert_interval_s") * 1000.0);
    int64_t passed_ms = run_now_ms(run) - run->go_ms;
    run->alerting->due_ms = run->go_ms + (passed_ms / interval_ms + 1) * interval_ms;
}

static void begin(struct run *run)
{
    if (run->adopted) /* it is not known what there was at go */
        take_up(run);
    else
        alert_history_begin(&run->alerting->history,
                            (int64_t)((double)run->go_ms * config_f64(run->config, "run.time_scale")));
    schedule(run);
}

void alerting_step(struct run *run)
{
    struct alerting *alerting = run->alerting;
    if (!run->go_ms || run->phase >= PHASE_STOPPING)
        return;
    if (!alerting->due_ms)
        begin(run);
    if (run_now_ms(run) < alerting->due_ms)
        return;
    evaluate(run);
    schedule(run);
}

int64_t alerting_due_ms(const struct run *run)
{
    bool runs = run->alerting->due_ms && run->phase < PHASE_STOPPING;
    return runs ? run->alerting->due_ms : NEVER_MS;
}
