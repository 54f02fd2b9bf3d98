/* report: reads what every service says about the market and its signals, reads the signals back from the
 * sinks, and writes the day report: a summary per sink as JSON and Markdown, and the comparison of both
 * sinks. */
#include "base/file.h"
#include "base/memory.h"
#include "report_service.h"
#include "settings.h"
#include "stage/stage.h"
#include "telling.h"
#include "web.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* daemon: the service and the texts its configuration borrows. */
struct daemon {
    struct stage *stage;
    struct report_service *service;
    struct web *web; /* NULL: nothing listens */
    char store_path[PATH_BYTES];
};

static void wake(void *stage)
{
    stage_wake(stage);
}

/* open_web: not for a recomputation, nor without a port. */
static enum status open_web(struct daemon *daemon, struct error *error)
{
    struct web_config web;
    web_settings(daemon->stage, &web);
    if (web.port < 0 || stage_replay_files(daemon->stage))
        return STATUS_OK;
    return web_create(&web, &daemon->web, error);
}

static void report_close(void *service)
{
    struct daemon *daemon = service;
    web_destroy(daemon->web);
    report_service_close(daemon->service);
    free(daemon);
}

static enum status report_open(struct stage *stage, void **out_service, struct error *error)
{
    const struct config *config = stage_config(stage);
    struct daemon *daemon = memory_allocate(sizeof *daemon);
    struct report_config report;
    daemon->stage = stage;
    path_join(daemon->store_path, config_text(config, "run.state_dir"), "%s.db", stage_instance(stage));
    report_settings(stage, daemon->store_path, &report);
    report.wake = wake;
    report.wake_context = stage;
    setenv("TZ", report.reporter.report_tz, 1); /* for minute_human; every other time is written in UTC */
    tzset();
    enum status status = report_service_open(&report, &daemon->service, error);
    status = status == STATUS_OK ? open_web(daemon, error) : status;
    if (status == STATUS_OK)
        *out_service = daemon;
    else
        report_close(daemon);
    return status;
}

static enum status report_row(void *service, const struct stage_input *input, const struct row_view *row,
                              struct error *error)
{
    return report_service_row(((struct daemon *)service)->service, input->service, input->symbol, row, error);
}

static void report_heartbeat(void *service, const struct heartbeat_row *beat, struct frame *rest)
{
    report_service_beat(((struct daemon *)service)->service, beat, rest);
}

static enum status report_turn(void *service, struct error *error)
{
    return report_service_turn(((struct daemon *)service)->service, error);
}

static int64_t report_due_ms(void *service)
{
    return report_service_due_ms(((struct daemon *)service)->service);
}

static enum status report_command(void *service, const char *verb, const char *arguments_json,
                                  struct error *error)
{
    return report_service_command(((struct daemon *)service)->service, verb, arguments_json, error);
}

static bool report_idle(void *service)
{
    struct daemon *daemon = service;
    bool stopping = stage_draining(daemon->stage) || stage_replay_files(daemon->stage);
    return report_service_idle(daemon->service, stopping);
}

static int64_t report_position(void *service, const char *stream)
{
    return report_service_position(((struct daemon *)service)->service, stream);
}

static void report_tell(void *service, struct stage_report *report)
{
    struct daemon *daemon = service;
    telling_report(daemon->service, report);
    telling_web(daemon->web, report);
}

static void report_ledger(void *service, struct stage_ledger *ledger)
{
    struct daemon *daemon = service;
    telling_ledger(daemon->service, daemon->stage, ledger);
}

static const char *const INPUTS[] = {"harvest", "features", "signal", "broker", NULL};

static const struct stage_service REPORT_SERVICE = {
    .name = "report",
    .summary = "Writes the day report of a run: summaries per sink and their parity.",
    .inputs = INPUTS,
    .open = report_open,
    .close = report_close,
    .row = report_row,
    .heartbeat = report_heartbeat,
    .turn = report_turn,
    .due_ms = report_due_ms,
    .resume = report_position,
    .durable = report_position,
    .report = report_tell,
    .ledger = report_ledger,
    .command = report_command,
    .idle = report_idle,
};

int main(int argc, char **argv)
{
    return stage_main(&REPORT_SERVICE, argc, argv);
}
