/* report_service: the daemon without its stage: rows and heartbeats in, commits to report.db, requests to
 * the worker.
 *
 * Commits: one transaction for all that came, at most every REPORT_COMMIT_MS. Summaries: every interval,
 * when told, and at the end. Called from the loop's thread only. */
#pragma once

#include "base/clock.h"
#include "figures.h"
#include "given.h"
#include "report_store.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REPORT_COMMIT_MS = 100,
    REPORT_COMMIT_RETRY_MS = 1000,
    REPORT_UNSTORED_ROWS_MAX =
        1000000, /* events and states held while the database cannot be written: more is fatal */
};

struct report_config {
    struct reporter_config reporter; /* its names.started_ms and names.number are filled in */
    const char *fingerprint;
    int64_t interval_ms;
    struct clock clock;
    void (*wake)(void *context); /* from the worker's thread; may be NULL */
    void *wake_context;
};

struct report_service;

/* report_service_open: opens report.db, goes on where it stands, starts the worker. Texts of the config
 * are borrowed as long as the service lives. */
enum status report_service_open(const struct report_config *config, struct report_service **out_service,
                                struct error *error) MUST_USE;

/* report_service_close: commits, waits for a running summary. Accepts NULL. */
void report_service_close(struct report_service *service);

enum status report_service_row(struct report_service *service, const char *stream_service, const char *symbol,
                               const struct row_view *row, struct error *error) MUST_USE;
void report_service_beat(struct report_service *service, const struct heartbeat_row *beat,
                         struct frame *rest);

/* report_service_due_ms: when a turn has something to do next, by the clock; what the worker has done wakes. */
int64_t report_service_due_ms(struct report_service *service);

/* report_service_turn: commits when due, asks for a summary when due. Fails only when nothing could be
 * stored for so long that REPORT_UNSTORED_ROWS_MAX is passed. */
enum status report_service_turn(struct report_service *service, struct error *error) MUST_USE;

/* report_service_command: drain, summary (both may carry struct given's members), go and stop_intake. With {"summary": "later"} a drain only
 * stores what was taken: somebody else writes the final summary, from the files (report_again). */
enum status report_service_command(struct report_service *service, const char *verb,
                                   const char *arguments_json, struct error *error) MUST_USE;

/* report_service_idle: whether nothing is left to do. While the service runs on: everything taken is
 * stored. When it is `stopping`: it is in a summary too: the final one when a drain was asked for or every
 * stream has ended, else one as of now; asks for what is missing. */
bool report_service_idle(struct report_service *service, bool stopping);

/* report_service_position: newest row of a stream held durably. An ended stream gives one less, so that
 * its end is read again after a restart and the stage knows of it. */
int64_t report_service_position(const struct report_service *service, const char *stream);

/* report_service_symbol: what has been counted of a symbol; valid until the next row. */
const struct symbol_figures *report_service_symbol(struct report_service *service, const char *symbol);

/* report_service_taken: everything that has been counted; valid until the next row. */
const struct figures *report_service_taken(const struct report_service *service);

struct report_service_figures {
    int64_t rows, malformed_rows, commits, commit_failures;
    struct worker_figures worker;
    double summary_age_s; /* NaN: none yet */
};
struct report_service_figures report_service_figures(struct report_service *service);
