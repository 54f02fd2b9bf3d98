/* incidents: artifacts/runtime/canary_report/incidents.json (data.md §7): what people, gates or an engine changed in a running
 * system, why, and what it did. One array, replaced whole, by one at a time: the orchestrator, whoever concludes the run
 * before its own, or orchctl. An incident without closed_at is open. */
#pragma once

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INCIDENT_CAUSE_BYTES = 64,
    INCIDENTS_MAX = 2000, /* beyond it the oldest closed one goes; when all are open a new one is refused */
    INCIDENT_ID_BYTES = 32,
    INCIDENT_WORD_BYTES = 64,
    INCIDENT_TEXT_BYTES = 512,
    INCIDENT_REASON_BYTES = 128,
    INCIDENT_METRICS_MAX = 24,
};

/* incident_metric: NaN: not measured; `reason` says why it cannot be in this run, "": nobody has, or it was. */
struct incident_metric {
    char name[INCIDENT_WORD_BYTES];
    double before, after;
    char reason[INCIDENT_REASON_BYTES];
};

struct incident {
    char id[INCIDENT_ID_BYTES]; /* given by incidents_open */
    char severity[4];           /* P1, P2, P3 */
    char rule[INCIDENT_WORD_BYTES];
    int64_t opened_ms, closed_ms; /* wall; closed_ms 0: open */
    int64_t event_ms;             /* newest event time then; INT64_MIN: unknown */
    char who[INCIDENT_WORD_BYTES];
    char why[INCIDENT_TEXT_BYTES];
    struct incident_metric metrics[INCIDENT_METRICS_MAX];
    size_t metric_count;
    char action[INCIDENT_WORD_BYTES];
    char closed_by[INCIDENT_WORD_BYTES]; /* of a person; "": by itself, or open */
    char closed_why
        [INCIDENT_TEXT_BYTES]; /* his reason; of a rollback: which run is live, and how the one before it ended; "": none */
    char cause[INCIDENT_CAUSE_BYTES]; /* a gate's decision, so that it is opened once; "": none */
    char fingerprint_from[SHA256_HEX_BYTES], fingerprint_to[SHA256_HEX_BYTES]; /* "": none */
};

struct incidents {
    struct incident *items;
    size_t count, capacity;
};

/* incidents_path: below the folder of artefacts. */
void incidents_path(const char *artifacts_dir, char out_path[PATH_BYTES]);

/* incidents_read: no file is none. STATUS_MALFORMED: the file is not ours; nothing is written over it. */
enum status incidents_read(const char *path, struct incidents *out_incidents, struct error *error) MUST_USE;
enum status incidents_write(const char *path, const struct incidents *incidents,
                            struct error *error) MUST_USE;
void incidents_finish(struct incidents *incidents);

/* incident_find: NULL when there is none. */
struct incident *incident_find(struct incidents *incidents, const char *id);
struct incident *incident_of_cause(struct incidents *incidents, const char *cause);

/* incidents_open: adds one to the file, and gives it its id. STATUS_LIMIT: too many are open. */
enum status incidents_open(const char *path, struct incident *incident, struct error *error) MUST_USE;

/* incidents_change: changes one in the file; an unknown id is STATUS_NOT_FOUND. */
typedef void incident_change(struct incident *incident, const void *context);
enum status incidents_change(const char *path, const char *id, incident_change *change, const void *context,
                             struct error *error) MUST_USE;

/* incidents_change_all: those that `change` returns true of have been changed. */
typedef bool incident_change_some(struct incident *incident, const void *context);
enum status incidents_change_all(const char *path, incident_change_some *change, const void *context,
                                 struct error *error) MUST_USE;

/* incidents_resolve: a person closes one. STATUS_NOT_FOUND, STATUS_CONFLICT (it is closed) with a sentence; nothing is written then.
 * *out_incident: as it stands now. */
struct incident_resolution {
    const char *who, *why;
    int64_t wall_ms;
};
enum status incidents_resolve(const char *path, const char *id, const struct incident_resolution *resolution,
                              struct incident *out_incident, struct error *error) MUST_USE;

/* incidents_close: at that wall time; one that is closed stays as it is. */
enum status incidents_close(const char *path, const char *id, int64_t wall_ms, struct error *error) MUST_USE;
