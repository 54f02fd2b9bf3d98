/* canary_watch: a run with --gates canary is measured while it goes on (operations.md §14): `evaluation --live` whenever a minute of event time has
 * passed, one at a time, beside the run. What its gates have decided is carried out (canary_actions.h), and an incident that stays open too long leads
 * back to the stable configuration.
 *
 * The evaluation knows event time only. How many minutes one covers depends on how fast they pass, and a rest behind each keeps it at a fifth of a
 * processor at most. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct run;
struct yyjson_doc;
struct json;
struct alert_figures;
struct export_figures;

enum { CANARY_ID_BYTES = 48 };

struct canary_carried {
    char symbol[32];
    int64_t number; /* of the newest decision that has been */
};

struct canary_watch {
    struct yyjson_doc
        *document;     /* what the newest evaluation has come to (evaluation/progress.c); NULL: nothing yet */
    int64_t minute_ms; /* event time when one was begun last */
    int64_t begun_ms, rest_ms;                  /* monotonic: of the newest; none before rest_ms */
    int64_t begun_wall_ms, ended_begun_wall_ms; /* the newest one's, and that of the newest that has ended */
    pid_t pid;                                  /* of the one under way; 0: none */
    struct canary_carried *carried;             /* how far each symbol's decisions have been carried out */
    size_t carried_count;
    char control[CANARY_ID_BYTES]; /* control input that is waited for; "": none */
    int64_t retry_ms;              /* monotonic */
    int64_t p1_due_ms;             /* wall: when the oldest open P1 of this run leads back; 0: none is open */
    bool p1_known;                 /* else the list has to be read */
    bool refused;                  /* there was no way back: not asked for again */
};

void canary_watch_open(struct run *run); /* an adopted run goes on where its orchestrator was */
void canary_watch_close(struct run *run);
void canary_watch_step(struct run *run);
int64_t canary_watch_due_ms(const struct run *run);

/* canary_watch_end: the feed is closed: one under way is ended, the last one follows (accounting.h). canary_watch_settle: behind that one: what can
 * be carried out no more is told. */
void canary_watch_end(struct run *run);
void canary_watch_settle(struct run *run);

/* canary_watch_json: {state, verdict, gates[] {id, symbol, measured, op, threshold, verdict, step}}, null without --gates canary. */
void canary_watch_json(const struct run *run, struct json *json);

/* Steps in force by gate and symbol, for the alerts; every figure measured last, for the export. */
void canary_watch_alert_figures(const struct run *run, struct alert_figures *out_figures);
void canary_watch_export_figures(const struct run *run, struct export_figures *out_figures);
void canary_watch_gauges(const struct run *run, struct json *json);
