/* exporter: figures to a time-series store, every interval from second 0 and once at the end (operations.md §11).
 *
 *   tick k is due k·interval after begin; its figures are gathered when it is made and stay the same for its attempts
 *   attempt ─▶ 2xx: done │ anything else: next attempt after 0.5 s, 1 s, … until there have been enough: failed
 *
 * Nothing here waits: step does what there is to do, due_ms says when it wants to be called again. One tick is under way at
 * a time; one whose time is over before it could begin is recorded as failed without an attempt. Every tick is a line of a
 * file, from which the next orchestrator goes on when this one dies. */
#pragma once

#include "target.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

enum { EXPORT_RETRY_FIRST_MS = 500, EXPORT_POLL_MS = 10, EXPORT_FINAL_TICK = -1 };

struct export_tick {
    int64_t number; /* EXPORT_FINAL_TICK: the one at the end */
    int64_t at_wall_ms;
    bool ok;
    int attempts;
    long http_status; /* of the last attempt; 0: no answer */
};

enum export_check { EXPORT_UNCHECKED, EXPORT_REACHABLE, EXPORT_UNREACHABLE };

/* export_group: when the Pushgateway is told to forget this run. */
enum export_group { EXPORT_GROUP_NEXT, EXPORT_GROUP_END, EXPORT_GROUP_NEVER };

struct exporter_config { /* texts and callbacks are borrowed as long as the exporter lives */
    struct target target;
    struct clock clock;
    int64_t interval_ms;
    int timeout_ms;
    int attempts;
    const char *run_id, *sink;
    char ticks_path[PATH_BYTES];
    enum export_group group;
    char group_path[PATH_BYTES]; /* remembers the Pushgateway's group between the runs of a folder */
    void (*gather)(void *context, struct export_figures *out_figures);
    void (*told)(void *context, const struct export_tick *tick, const char *error); /* a tick has ended */
    void (*checked)(void *context, bool reachable, const char *detail);
    void *context;
};

/* exporter_config_read: what the configuration says; target and paths included, callbacks not. */
enum status exporter_config_read(const struct config *config, const char *run_id, const char *token,
                                 struct exporter_config *out_config, struct error *error) MUST_USE;

struct exporter;

/* exporter_create: reads the ticks that an earlier orchestrator of this run has made; asks whether the target is there. With
 * an EXPORT_NONE target nothing is ever sent. */
enum status exporter_create(const struct exporter_config *config, struct exporter **out_exporter,
                            struct error *error) MUST_USE;
void exporter_destroy(struct exporter *exporter); /* accepts NULL */

/* exporter_begin: second 0 was at this monotonic time. */
void exporter_begin(struct exporter *exporter, int64_t begun_ms);

/* exporter_end: no more ticks but the last. exporter_ended: it has been made, or there is none to make. */
void exporter_end(struct exporter *exporter);
bool exporter_ended(const struct exporter *exporter);

void exporter_step(struct exporter *exporter);
int64_t
exporter_due_ms(const struct exporter *exporter); /* monotonic; INT64_MAX: not before something happens */

struct exporter_totals {
    int64_t ok, failed, retries;
    int64_t failed_in_a_row;
    enum export_check check;
};
struct exporter_totals exporter_totals(const struct exporter *exporter);

/* exporter_json: the object `timeseries_export` of data.md §6.1. */
void exporter_json(const struct exporter *exporter, struct json *json);
