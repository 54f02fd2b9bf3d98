/* conclusions: of the runs before this one that were left to be concluded behind it (behind.h). One after the other, each by a process of its
 * own, from when this run is fed on; whoever began one and died is no reason to begin it again as long as it goes on. */
#pragma once

#include "concluder.h"
#include "orchestrator/canary/rollback.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct json;
struct run;

enum { CONCLUSIONS_MAX = 16, CONCLUSION_ATTEMPTS = 3 };

/* conclusions: part of the run; zeroed is "none". Which there are, and who is at it, is in the run's record. */
struct conclusions {
    char runs[CONCLUSIONS_MAX][ROLLBACK_RUN_BYTES]; /* by name */
    size_t count, done;                             /* runs[done] is being concluded */
    int attempts;                                   /* at that one */
    pid_t pid;                  /* of ours, as the record has it; 0: nobody of ours is at it */
    int64_t due_ms, began_ms;   /* began_ms: the last attempt */
    struct concluder concluder; /* who is at it */
};

/* conclusions_name_free: STATUS_INVALID and a sentence while a run of this run's name is being concluded. */
enum status conclusions_name_free(const struct run *run, struct error *error) MUST_USE;

/* conclusions_open: looks which there are, and which had not been told of. */
void conclusions_open(struct run *run);
bool conclusions_pending(const struct run *run);
void conclusions_step(struct run *run);
void conclusions_wake(struct run *run); /* somebody who was at one has ended */
void conclusions_close(struct run *run);
int64_t conclusions_due_ms(const struct run *run);

/* conclusions_finish: to the end of all of them, waiting; for a run that has not come to its loop. */
void conclusions_finish(struct run *run);

/* conclusions_json: their names. */
void conclusions_json(const struct run *run, struct json *json);
