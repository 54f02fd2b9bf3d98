#include "report_service.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

struct report_service {
    struct report_config config;
    struct figures figures;
    struct report_store *store;
    struct worker *worker;
    struct given given;
    uint64_t version; /* moves with every row taken and everything given: what a summary must cover */
    bool drain_asked;
    bool summary_asked;
    bool later;             /* the final summary is not ours to write */
    uint64_t kept_version;  /* then: as far as everything is stored */
    int64_t commit_due_ms;  /* monotonic */
    int64_t summary_due_ms; /* monotonic */
    struct report_service_figures counts;
};

static int64_t now_ms(const struct report_service *service)
{
    return clock_monotonic_ms(&service->config.clock);
}

/* ---- open, close ---- */

static enum status choose_names(struct report_service *service, struct error *error)
{
    struct summary_names *names = &service->config.reporter.names;
    char number[32], kept[32];
    names->started_ms = report_store_started_ms(service->store);
    snprintf(number, sizeof number, "%" PRId64, summary_file_number(names));
    enum status status =
        report_store_text(service->store, "summary_number", number, kept, sizeof kept, error);
    names->number = strtoll(kept, NULL, 10);
    return status;
}

static enum status open_store(struct report_service *service, struct error *error)
{
    struct report_store_config config = {
        .path = service->config.reporter.store_path,
        .run_id = service->config.reporter.run_id,
        .fingerprint = service->config.fingerprint,
        .now_ms = clock_wall_ms(&service->config.clock),
        .sync = service->config.reporter.sync,
    };
    enum status status = report_store_open(&config, &service->store, error);
    if (status == STATUS_OK)
        status = report_store_load(service->store, &service->figures, error);
    if (status == STATUS_OK)
        status = choose_names(service, error);
    return status;
}

static enum status open_worker(struct report_service *service, struct error *error)
{
    struct reporter *reporter = reporter_create(&service->config.reporter);
    enum status status = worker_create(reporter, &service->config.clock, service->config.wake,
                                       service->config.wake_context, &service->worker, error);
    if (status != STATUS_OK)
        reporter_destroy(reporter);
    return status;
}

enum status report_service_open(const struct report_config *config, struct report_service **out_service,
                                struct error *error)
{
    struct report_service *service = memory_allocate(sizeof *service);
    service->config = *config;
    service->version = 1;
    figures_init(&service->figures);
    given_init(&service->given);
    service->summary_due_ms = now_ms(service) + config->interval_ms;
    enum status status = open_store(service, error);
    if (status == STATUS_OK)
        status = open_worker(service, error);
    if (status == STATUS_OK)
        *out_service = service;
    else
        report_service_close(service);
    return status;
}

static bool commit(struct report_service *service, bool beats)
{
    struct error error = {{0}};
    enum status status = report_store_commit(service->store, &service->figures, beats, &error);
    bool stored = status == STATUS_OK;
    service->counts.commits += stored;
    service->counts.commit_failures += !stored;
    service->commit_due_ms = now_ms(service) + (stored ? REPORT_COMMIT_MS : REPORT_COMMIT_RETRY_MS);
    if (!stored)
        log_event(LOG_ERROR, "write_error", "reason=\"%s\"", error.text);
    return stored;
}

void report_service_close(struct report_service *service)
{
    if (!service)
        return;
    worker_destroy(service->worker);
    if (service->store && service->figures.dirty)
        commit(service, true);
    report_store_close(service->store);
    figures_finish(&service->figures);
    given_finish(&service->given);
    free(service);
}

/* ---- rows, heartbeats, commands ---- */

enum status report_service_row(struct report_service *service, const char *stream_service, const char *symbol,
                               const struct row_view *row, struct error *error)
{
    enum status status = figures_row(&service->figures, stream_service, symbol, row, error);
    service->version += service->figures.dirty;
    service->counts.rows++;
    service->counts.malformed_rows += status != STATUS_OK;
    return status;
}

void report_service_beat(struct report_service *service, const struct heartbeat_row *beat, struct frame *rest)
{
    figures_beat(&service->figures, beat, rest);
}

static bool is_later(const char *arguments_json)
{
    yyjson_doc *document = arguments_json ? yyjson_read(arguments_json, strlen(arguments_json), 0) : NULL;
    bool later = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "summary"), "later");
    yyjson_doc_free(document);
    return later;
}

enum status report_service_command(struct report_service *service, const char *verb,
                                   const char *arguments_json, struct error *error)
{
    bool drain = strcmp(verb, "drain") == 0, summary = strcmp(verb, "summary") == 0;
    if (strcmp(verb, "go") == 0 || strcmp(verb, "stop_intake") == 0)
        return STATUS_OK;
    if (!drain && !summary)
        return STATUS_UNSUPPORTED;
    enum status status = given_take(&service->given, arguments_json, error);
    if (status != STATUS_OK)
        return status;
    service->drain_asked = service->drain_asked || drain;
    service->later = service->later || (drain && is_later(arguments_json));
    service->summary_asked = service->summary_asked || summary;
    service->version += summary || (arguments_json && *arguments_json);
    return STATUS_OK;
}

/* ---- summaries ---- */

static bool all_ended(const struct figures *figures)
{
    for (size_t i = 0; i < figures->stream_count; i++)
        if (!figures->streams[i].ended)
            return false;
    return figures->stream_count > 0;
}

/* ask: a summary of everything up to now, which must be stored first: the worker reads the database. */
static bool ask(struct report_service *service, bool final)
{
    if (worker_figures(service->worker).busy || !commit(service, true))
        return false;
    return worker_request(service->worker, final, service->version, &service->given);
}

static enum status commit_when_due(struct report_service *service, struct error *error)
{
    if (service->figures.dirty && now_ms(service) >= service->commit_due_ms)
        commit(service, false);
    if (service->figures.kept_count <= REPORT_UNSTORED_ROWS_MAX)
        return STATUS_OK;
    return error_set(error, STATUS_LIMIT,
                     "%s cannot be written and %zu rows wait: free space or mend it, then restart",
                     service->config.reporter.store_path, service->figures.kept_count);
}

int64_t report_service_due_ms(struct report_service *service)
{
    bool commits_first = service->figures.dirty && service->commit_due_ms < service->summary_due_ms;
    return commits_first ? service->commit_due_ms : service->summary_due_ms;
}

enum status report_service_turn(struct report_service *service, struct error *error)
{
    enum status status = commit_when_due(service, error);
    bool due = !service->later && (service->summary_asked || now_ms(service) >= service->summary_due_ms);
    /* Once the final one is written, later ones (the gates came) are final too; the first is asked for by
     * idle. */
    struct worker_figures worker = worker_figures(service->worker);
    bool covered = worker.done_final && worker.done_version == service->version;
    if (status == STATUS_OK && due && (covered || ask(service, worker.done_final))) {
        service->summary_asked = false;
        service->summary_due_ms = now_ms(service) + service->config.interval_ms;
    }
    return status;
}

/* kept: everything is stored, so that whoever writes the final summary finds it in the files, and under its name nobody else's. */
static bool kept(struct report_service *service)
{
    bool stored = service->kept_version == service->version && !service->figures.dirty;
    if (!stored && commit(service, true)) {
        service->kept_version = service->version;
        if (summary_file_reserve(&service->config.reporter.names) != STATUS_OK)
            log_event(LOG_ERROR, "write_error", "reason=\"the summaries' names cannot be reserved: %m\"");
    }
    return service->kept_version == service->version && !service->figures.dirty;
}

bool report_service_idle(struct report_service *service, bool stopping)
{
    bool final = service->drain_asked || all_ended(&service->figures);
    struct worker_figures worker = worker_figures(service->worker);
    if (worker.busy || !stopping)
        return !worker.busy && !service->figures.dirty && !service->summary_asked;
    if (service->later)
        return kept(service);
    bool covered = worker.done_version == service->version && (worker.done_final || !final);
    if (!covered)
        ask(service, final);
    return covered && !service->figures.dirty;
}

/* ---- positions, figures ---- */

int64_t report_service_position(const struct report_service *service, const char *stream)
{
    const struct stream_figures *found = figures_find_stream(&service->figures, stream);
    if (!found)
        return 0;
    bool at_end = found->ended && found->durable == found->position;
    return found->durable - at_end;
}

const struct symbol_figures *report_service_symbol(struct report_service *service, const char *symbol)
{
    return figures_symbol(&service->figures, symbol);
}

const struct figures *report_service_taken(const struct report_service *service)
{
    return &service->figures;
}

struct report_service_figures report_service_figures(struct report_service *service)
{
    struct report_service_figures figures = service->counts;
    figures.worker = worker_figures(service->worker);
    int64_t age_ms = now_ms(service) - figures.worker.last_written_ms;
    figures.summary_age_s = figures.worker.written ? (double)age_ms / 1000.0 : NAN;
    return figures;
}
