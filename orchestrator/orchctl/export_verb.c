/* export test: one export to the configured target, by the code that exports in a run. Nothing of a run is touched: the
 * figure has a name of its own, run id `export-test`, and a Pushgateway is told to forget it again. */
#include "orchestrator/export/exporter.h"
#include "verb.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

static const char TEST_RUN[] = "export-test", TEST_FIGURE[] = "orderflow_export_test";

/* outcome: what the exporter told. */
struct outcome {
    bool reachable, checked, ok;
    char check[512], error[512];
    struct export_tick tick;
};

static void gather(void *context, struct export_figures *out_figures)
{
    (void)context;
    export_level(out_figures, TEST_FIGURE, NULL, NULL, 1);
}

static void told(void *context, const struct export_tick *tick, const char *error)
{
    struct outcome *outcome = context;
    outcome->ok = tick->ok;
    outcome->tick = *tick;
    snprintf(outcome->error, sizeof outcome->error, "%s", error ? error : "");
}

static void checked(void *context, bool reachable, const char *detail)
{
    struct outcome *outcome = context;
    outcome->checked = true;
    outcome->reachable = reachable;
    snprintf(outcome->check, sizeof outcome->check, "%s", detail);
}

static void wait_until(const struct exporter *exporter, const struct clock *clock)
{
    int64_t left_ms = exporter_due_ms(exporter) - clock_monotonic_ms(clock);
    if (left_ms > 0)
        poll(NULL, 0, left_ms > EXPORT_POLL_MS ? EXPORT_POLL_MS : (int)left_ms);
}

static enum status export_once(struct exporter_config *settings, struct outcome *outcome, struct error *error)
{
    struct exporter *exporter;
    settings->ticks_path[0] = 0; /* no tick of any run */
    settings->group = EXPORT_GROUP_END;
    settings->gather = gather;
    settings->told = told;
    settings->checked = checked;
    settings->context = outcome;
    enum status status = exporter_create(settings, &exporter, error);
    if (status != STATUS_OK)
        return status;
    exporter_end(exporter);
    while (!exporter_ended(exporter)) {
        exporter_step(exporter);
        wait_until(exporter, &settings->clock);
    }
    exporter_destroy(exporter);
    return STATUS_OK;
}

static void print(const struct target *target, const struct outcome *outcome)
{
    printf("target     %s %s %s\n", export_type_name(target->type), target_method(target), target->write_url);
    printf("reachable  %s%s%s\n", outcome->reachable ? "yes" : "no", outcome->reachable ? "" : ": ",
           outcome->reachable ? "" : outcome->check);
    if (outcome->ok)
        printf("exported   after %d attempt%s, HTTP status %ld\n", outcome->tick.attempts,
               outcome->tick.attempts == 1 ? "" : "s", outcome->tick.http_status);
    else
        printf("failed     after %d attempt%s, HTTP status %ld: %s\n", outcome->tick.attempts,
               outcome->tick.attempts == 1 ? "" : "s", outcome->tick.http_status, outcome->error);
}

/* print_json: `outcome` NULL: nothing was tried, `error` says why; a target that is none has no url. */
static void print_json(const struct target *target, const struct outcome *outcome, const char *error)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "type", target ? export_type_name(target->type) : NULL);
    json_key_text(&json, "url", target && *target->write_url ? target->write_url : NULL);
    json_key_bool(&json, "reachable", outcome && outcome->reachable);
    json_key_bool(&json, "ok", outcome && outcome->ok);
    json_key_i64(&json, "attempts", outcome ? outcome->tick.attempts : 0);
    json_key_i64(&json, "http_status", outcome ? outcome->tick.http_status : 0);
    json_key_text(&json, "error", error);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int untried(const struct target *target, bool as_json, const char *error)
{
    if (as_json)
        print_json(target, NULL, error);
    return complain(EXIT_NOT_EVEN, "%s", error);
}

static int perform(const struct config *config, bool as_json)
{
    struct exporter_config settings = {.target = {.type = EXPORT_NONE}};
    struct outcome outcome = {.ok = false};
    struct error error;
    const char *token = config_text(config, "export.influx_token");
    token = *token ? token : config_environment_process(NULL, "INFLUX_TOKEN");
    enum status status = exporter_config_read(config, TEST_RUN, token, &settings, &error);
    if (status == STATUS_OK && settings.target.type == EXPORT_NONE)
        return untried(&settings.target, as_json,
                       "export is off: set export.type and its URL (TIMESERIES_TYPE, TIMESERIES_URL)");
    bool known = status == STATUS_OK;
    if (status == STATUS_OK)
        status = export_once(&settings, &outcome, &error);
    if (status != STATUS_OK)
        return untried(known ? &settings.target : NULL, as_json, error.text);
    if (as_json)
        print_json(&settings.target, &outcome, outcome.ok ? NULL : outcome.error);
    else
        print(&settings.target, &outcome);
    return outcome.ok ? EXIT_FINE : EXIT_NOT_EVEN;
}

int verb_export(const struct invocation *invocation)
{
    if (strcmp(invocation->words[0], "test") != 0)
        return complain(EXIT_WRONG_USE, "export %s: must be test", invocation->words[0]);
    struct config *config = config_verbs_load(invocation->words[1]);
    if (!config)
        return complain(EXIT_WRONG_USE, "export test: the mistakes are listed above");
    int code = perform(config, invocation->json);
    config_destroy(config);
    return code;
}
