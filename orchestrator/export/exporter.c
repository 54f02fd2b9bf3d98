#include "exporter.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/rest_client.h"
#include "ticks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum purpose { PURPOSE_WRITE, PURPOSE_CHECK, PURPOSE_FORGET };

struct exporter {
    struct exporter_config config;
    struct rest_client *rest;
    struct ticks ticks;
    enum export_check check;
    bool begun, ending, tidied; /* tidied: what is to be forgotten at the end has been told */
    int64_t begun_ms;
    bool busy; /* a tick is under way */
    struct export_tick tick;
    struct buffer body;
    int64_t retry_due_ms; /* INT64_MAX: no attempt is waited for */
};

static int64_t now_ms(const struct exporter *exporter)
{
    return clock_monotonic_ms(&exporter->config.clock);
}

/* ---- configuration, life ---- */

static enum export_group group_of(const struct config *config)
{
    const char *name = config_text(config, "export.delete_group");
    return strcmp(name, "end") == 0     ? EXPORT_GROUP_END
           : strcmp(name, "never") == 0 ? EXPORT_GROUP_NEVER
                                        : EXPORT_GROUP_NEXT;
}

enum status exporter_config_read(const struct config *config, const char *run_id, const char *token,
                                 struct exporter_config *out_config, struct error *error)
{
    struct target target;
    enum status status = target_init(config, run_id, token, &target, error);
    if (status != STATUS_OK)
        return status;
    *out_config = (struct exporter_config){
        .target = target,
        .clock = clock_system(),
        .interval_ms = config_wall_ms(config, (double)config_i64(config, "export.interval_s") * 1000),
        .timeout_ms = (int)(config_f64(config, "export.timeout_s") * 1000.0),
        .attempts = (int)config_i64(config, "export.attempts"),
        .run_id = run_id,
        .sink = config_text(config, "run.sink"),
        .group = group_of(config),
    };
    path_join(out_config->ticks_path, config_text(config, "run.artifacts_dir"), "run_logs/export_%s.jsonl",
              run_id);
    path_join(out_config->group_path, config_text(config, "run.state_dir"), "pushgateway_group");
    return STATUS_OK;
}

static bool is_on(const struct exporter *exporter)
{
    return exporter->config.target.type != EXPORT_NONE;
}

/* request: one attempt; false: it could not even be begun. */
static bool request(struct exporter *exporter, enum purpose purpose, const char *method, const char *url,
                    const struct buffer *body)
{
    const struct target *target = &exporter->config.target;
    struct rest_request wanted = {.url = url,
                                  .method = method,
                                  .body = body ? body->data : NULL,
                                  .body_bytes = body ? body->length : 0,
                                  .timeout_ms = exporter->config.timeout_ms,
                                  .attempts = 1,
                                  .data = (void *)(uintptr_t)purpose};
    size_t headers = 0;
    if (body)
        wanted.headers[headers++] = target->content_type;
    if (*target->authorization)
        wanted.headers[headers++] = target->authorization;
    return rest_request_start(exporter->rest, &wanted) == STATUS_OK;
}

static void answered(void *context, void *data, const struct rest_answer *answer);

static enum status create_client(struct exporter *exporter, struct error *error)
{
    struct rest_client_config rest = {.user_agent = "orderflow-orchestrator",
                                      .close_connections = true,
                                      .clock = exporter->config.clock,
                                      .done = answered,
                                      .context = exporter};
    enum status status = rest_client_create(&rest, &exporter->rest, error);
    if (status == STATUS_OK && is_on(exporter) &&
        !request(exporter, PURPOSE_CHECK, NULL, exporter->config.target.check_url, NULL))
        exporter->check = EXPORT_UNREACHABLE;
    return status;
}

enum status exporter_create(const struct exporter_config *config, struct exporter **out_exporter,
                            struct error *error)
{
    struct exporter *exporter = memory_allocate(sizeof *exporter);
    exporter->config = *config;
    exporter->retry_due_ms = INT64_MAX;
    buffer_init(&exporter->body, 0);
    enum status status = ticks_load(&exporter->ticks, config->ticks_path, error);
    if (status == STATUS_OK)
        status = create_client(exporter, error);
    if (status == STATUS_OK)
        *out_exporter = exporter;
    else
        exporter_destroy(exporter);
    return status;
}

void exporter_destroy(struct exporter *exporter)
{
    if (!exporter)
        return;
    rest_client_destroy(exporter->rest);
    ticks_finish(&exporter->ticks);
    buffer_finish(&exporter->body);
    free(exporter);
}

void exporter_begin(struct exporter *exporter, int64_t begun_ms)
{
    exporter->begun = true;
    exporter->begun_ms = begun_ms;
}

/* ---- groups of the Pushgateway ---- */

/* forget: tells it to drop a group, and does not insist. */
static void forget(struct exporter *exporter, const char *url)
{
    if (!request(exporter, PURPOSE_FORGET, "DELETE", url, NULL))
        log_event(LOG_WARNING, "export_group", "url=%.200s reason=\"cannot be asked to be dropped\"", url);
}

/* remember_group: the folder's run before this one has been visible long enough. */
static void remember_group(struct exporter *exporter)
{
    const struct exporter_config *config = &exporter->config;
    struct buffer before;
    if (config->target.type != EXPORT_PROMETHEUS || config->group != EXPORT_GROUP_NEXT)
        return;
    buffer_init(&before, TARGET_URL_BYTES);
    if (file_read(config->group_path, &before) != STATUS_OK)
        buffer_clear(&before);
    bool same = strcmp(buffer_text(&before), config->target.write_url) == 0;
    if (!same && strncmp(buffer_text(&before), "http", 4) == 0)
        forget(exporter, buffer_text(&before));
    if (!same && (folder_make_for(config->group_path) != STATUS_OK ||
                  file_replace(config->group_path, config->target.write_url, strlen(config->target.write_url),
                               false) != STATUS_OK))
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", config->group_path);
    buffer_finish(&before);
}

/* ---- one tick ---- */

static void tick_end(struct exporter *exporter, bool ok, const char *error)
{
    exporter->busy = false;
    exporter->retry_due_ms = INT64_MAX;
    exporter->tick.ok = ok;
    ticks_add(&exporter->ticks, exporter->config.ticks_path, &exporter->tick);
    exporter->config.told(exporter->config.context, &exporter->tick, error);
    if (ok)
        remember_group(exporter);
}

/* attempt_failed: the delays are 0.5 s, 1 s, 2 s, … */
static void attempt_failed(struct exporter *exporter, const char *error)
{
    if (exporter->tick.attempts >= exporter->config.attempts) {
        tick_end(exporter, false, error);
        return;
    }
    int64_t delay_ms = EXPORT_RETRY_FIRST_MS;
    for (int i = 1; i < exporter->tick.attempts && delay_ms < exporter->config.interval_ms; i++)
        delay_ms *= 2;
    exporter->retry_due_ms = now_ms(exporter) + delay_ms;
}

static void attempt(struct exporter *exporter)
{
    exporter->retry_due_ms = INT64_MAX;
    exporter->tick.attempts++;
    exporter->tick.http_status = 0;
    const struct target *target = &exporter->config.target;
    if (!request(exporter, PURPOSE_WRITE, target_method(target), target->write_url, &exporter->body))
        attempt_failed(exporter, "the request cannot be made: is the URL right?");
}

static void tick_begin(struct exporter *exporter, int64_t number)
{
    const struct exporter_config *config = &exporter->config;
    struct export_figures figures = {0};
    exporter->busy = true;
    exporter->tick =
        (struct export_tick){.number = number, .at_wall_ms = clock_wall_ms(&exporter->config.clock)};
    config->gather(config->context, &figures);
    export_sort(&figures);
    struct body_tags tags = {
        .run_id = config->run_id, .sink = config->sink, .now_ns = exporter->tick.at_wall_ms * 1000000};
    buffer_clear(&exporter->body);
    target_body(&config->target, &figures, &tags, &exporter->body);
    export_figures_finish(&figures);
    attempt(exporter);
}

static void tick_missed(struct exporter *exporter)
{
    exporter->tick = (struct export_tick){.number = exporter->ticks.next_number,
                                          .at_wall_ms = clock_wall_ms(&exporter->config.clock)};
    tick_end(exporter, false, "its time was over before it could begin");
}

/* ---- answers ---- */

static void check_answered(struct exporter *exporter, const struct rest_answer *answer)
{
    bool reachable = answer->http_status >= 200 && answer->http_status < 300;
    char detail[256];
    if (answer->http_status)
        snprintf(detail, sizeof detail, "%.180s answered with HTTP status %ld", answer->url,
                 answer->http_status);
    else
        snprintf(detail, sizeof detail, "%.120s does not answer: %.100s", answer->url, answer->error);
    exporter->check = reachable ? EXPORT_REACHABLE : EXPORT_UNREACHABLE;
    exporter->config.checked(exporter->config.context, reachable, detail);
}

static void write_answered(struct exporter *exporter, const struct rest_answer *answer)
{
    char error[256];
    exporter->tick.http_status = answer->http_status;
    if (answer->http_status >= 200 && answer->http_status < 300) {
        tick_end(exporter, true, NULL);
        return;
    }
    snprintf(error, sizeof error, "%.250s", answer->http_status ? answer->body : answer->error);
    for (char *at = error; *at; at++) /* it becomes part of one line */
        if (*at == '\n' || *at == '\r' || *at == '"')
            *at = ' ';
    attempt_failed(exporter, error);
}

static void answered(void *context, void *data, const struct rest_answer *answer)
{
    struct exporter *exporter = context;
    switch ((enum purpose)(uintptr_t)data) {
    case PURPOSE_CHECK: check_answered(exporter, answer); break;
    case PURPOSE_WRITE: write_answered(exporter, answer); break;
    case PURPOSE_FORGET:
        log_event(answer->http_status == 202 ? LOG_INFO : LOG_WARNING, "export_group",
                  "url=%.200s dropped=%d status=%ld", answer->url, answer->http_status == 202,
                  answer->http_status);
        break;
    }
}

/* ---- the schedule ---- */

static int64_t tick_due_ms(const struct exporter *exporter)
{
    return exporter->begun_ms + exporter->ticks.next_number * exporter->config.interval_ms;
}

void exporter_end(struct exporter *exporter)
{
    exporter->ending = true;
}

bool exporter_ended(const struct exporter *exporter)
{
    if (!is_on(exporter))
        return true;
    return exporter->ending && exporter->ticks.final_made && exporter->tidied &&
           !rest_client_pending(exporter->rest);
}

static void tidy(struct exporter *exporter)
{
    exporter->tidied = true;
    if (exporter->config.target.type == EXPORT_PROMETHEUS && exporter->config.group == EXPORT_GROUP_END)
        forget(exporter, exporter->config.target.write_url);
}

static void step_schedule(struct exporter *exporter)
{
    int64_t now = now_ms(exporter);
    if (exporter->busy) {
        if (now >= exporter->retry_due_ms)
            attempt(exporter);
    } else if (exporter->ending) {
        if (!exporter->ticks.final_made)
            tick_begin(exporter, EXPORT_FINAL_TICK);
        else if (!exporter->tidied)
            tidy(exporter);
    } else if (exporter->begun) {
        while (now >= tick_due_ms(exporter) + exporter->config.interval_ms)
            tick_missed(exporter);
        if (now >= tick_due_ms(exporter))
            tick_begin(exporter, exporter->ticks.next_number);
    }
}

void exporter_step(struct exporter *exporter)
{
    if (!is_on(exporter))
        return;
    if (rest_client_pending(exporter->rest))
        rest_client_run(exporter->rest, 0);
    step_schedule(exporter);
}

int64_t exporter_due_ms(const struct exporter *exporter)
{
    if (!is_on(exporter))
        return INT64_MAX;
    if (rest_client_pending(exporter->rest))
        return now_ms(exporter) + EXPORT_POLL_MS;
    if (exporter->busy)
        return exporter->retry_due_ms;
    if (exporter->ending)
        return exporter->tidied ? INT64_MAX : now_ms(exporter);
    return exporter->begun ? tick_due_ms(exporter) : INT64_MAX;
}

/* ---- what there was ---- */

struct exporter_totals exporter_totals(const struct exporter *exporter)
{
    const struct ticks *ticks = &exporter->ticks;
    return (struct exporter_totals){.ok = ticks->ok,
                                    .failed = ticks->failed,
                                    .retries = ticks->retries,
                                    .failed_in_a_row = ticks->failed_in_a_row,
                                    .check = exporter->check};
}

static void key_time(struct json *json, const char *key, const struct export_tick *tick)
{
    char at[TIME_TEXT_BYTES];
    if (tick)
        time_iso_ms(tick->at_wall_ms, at);
    json_key_text(json, key, tick ? at : NULL);
}

void exporter_json(const struct exporter *exporter, struct json *json)
{
    static const char *const CHECKS[] = {NULL, "reachable", "unreachable"};
    const struct ticks *ticks = &exporter->ticks;
    json_object_begin(json);
    json_key_text(json, "type", export_type_name(exporter->config.target.type));
    json_key_text(json, "start_check", CHECKS[exporter->check]);
    json_key_i64(json, "export_count", ticks->ok);
    json_key_i64(json, "error_count", ticks->failed);
    json_key_i64(json, "retry_count", ticks->retries);
    key_time(json, "first_at", ticks->count ? &ticks->items[0] : NULL);
    key_time(json, "last_at", ticks->count ? &ticks->items[ticks->count - 1] : NULL);
    json_key(json, "ticks");
    ticks_json(ticks, json);
    json_object_end(json);
}
