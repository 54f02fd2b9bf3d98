/* fault_client: what verbs about faults have in common: asking for one, waiting for what becomes of it, and the figures of the run
 * that show whether anything was lost. */
#pragma once

#include "client.h"

#include <stdbool.h>

enum { FAULT_TEXT_BYTES = 64, FAULT_STEADY_MS = 20000 };

/* fault_asked: the words for one; NULL: not given. */
struct fault_asked {
    const char *kind, *target;
    const char *lasts; /* "2s" */
    const char *link, *share, *count, *seed, *amount, *signal;
    const char *steady; /* "20s": how long to wait for the steady state */
    bool force;
};

/* fault_group: what one wish began: a fault for every instance of a service. Their numbers follow one another. */
struct fault_group {
    int64_t first;
    size_t count;
};

/* fault_seen: what its evidence says, and what of the run's files and counters can be measured while it runs. */
struct fault_seen {
    int64_t id;
    char kind[FAULT_TEXT_BYTES], process[FAULT_TEXT_BYTES], end[FAULT_TEXT_BYTES], reason[256];
    int64_t touched, late_ms, restarts;
    double recovery_ms; /* NaN: not recovered */
    bool refused, recovered;
    bool failed; /* the evidence alone says FAIL */
};

/* fault_seen_touched: the words behind the number of what was touched. */
const char *fault_seen_touched(const struct fault_seen *seen);

/* fault_losses: of the whole run so far; -1: not known. */
struct fault_losses {
    int64_t lost, doubled, restarts;
};

/* duration_read: "2s", "500ms", "1m", "2" (seconds) → ms. STATUS_INVALID. */
enum status duration_read(const char *text, int64_t *out_ms, struct error *error) MUST_USE;

/* fault_check: what can be said of the words without anybody's help: kind, signal, numbers and their ranges. STATUS_INVALID. */
enum status fault_check(const struct fault_asked *asked, struct error *error) MUST_USE;

/* fault_ask: asks for it; unless forced, waits until the pipeline is steady, at most FAULT_STEADY_MS. */
enum status fault_ask(struct client *client, const struct fault_asked *asked, struct fault_group *out_group,
                      struct error *error) MUST_USE;

/* fault_look: as it stands now; of several: what they touched together, the longest recovery, one that failed or has not recovered.
 * fault_wait: until it was refused or has recovered, or wait_ms have passed. */
enum status fault_look(struct client *client, struct fault_group group, struct fault_seen *out_seen,
                       struct error *error) MUST_USE;
enum status fault_wait(struct client *client, struct fault_group group, int64_t wait_ms,
                       struct fault_seen *out_seen, struct error *error) MUST_USE;
/* fault_wait_ms: how long one may take: its time, and the longest recovery behind it. */
int64_t fault_wait_ms(const struct fault_asked *asked);

/* fault_measure: rows lost and doubled in the sinks and by the daemons' counters; restarts of all processes. */
enum status fault_measure(struct client *client, struct fault_losses *out_losses,
                          struct error *error) MUST_USE;

/* fault_verdict_now: PASS, FAIL, or UNKNOWN when something could not be measured. */
const char *fault_verdict_now(const struct fault_seen *seen, const struct fault_losses *losses);
