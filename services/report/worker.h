/* worker: the thread that writes summaries, so that reading sinks never holds up the loop.
 *
 * One request at a time; `version` is the caller's mark for what the request covers. */
#pragma once

#include "base/clock.h"
#include "reporter.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WORKER_PATIENCE_MS = 5000,   /* how long a final summary waits for sinks that lack published rows */
    WORKER_RETRY_FIRST_MS = 100, /* after a failed final summary, doubling to … */
    WORKER_RETRY_LAST_MS = 5000,
};

struct worker;

/* worker_figures: of all requests so far. */
struct worker_figures {
    bool busy;
    int64_t written;         /* summaries */
    int64_t failures;        /* attempts that failed */
    int64_t last_written_ms; /* monotonic; 0: none */
    uint64_t done_version;   /* of the newest finished request, successful or not */
    bool done_final;
};

/* worker_create: takes over the reporter. `wake` is called from the thread when a request has finished. */
enum status worker_create(struct reporter *reporter, const struct clock *clock, void (*wake)(void *context),
                          void *context, struct worker **out_worker, struct error *error) MUST_USE;

/* worker_destroy: lets a running summary finish (it is not retried any more), then ends the thread.
 * Accepts NULL. */
void worker_destroy(struct worker *worker);

/* worker_request: false while busy. A final request is retried until it succeeds or the worker is
 * destroyed; another one that fails is logged and counts as done. */
bool worker_request(struct worker *worker, bool final, uint64_t version, const struct given *given);

struct worker_figures worker_figures(struct worker *worker);
