/* rollback: state/rollback.json, how far the newest rollback of this folder has got (operations.md §14.3).
 *
 *     draining ──the old run has ended──▶ starting ──every heartbeat tells the target──▶ done
 *         └──────────────────────────────────┴──limit_ms are over, or the new run could not begin──▶ failed
 *
 * The orchestrator alone writes it, before it does what it says; whoever waits for the rollback reads it. */
#pragma once

#include "fingerprints.h"
#include "incidents.h"

enum { ROLLBACK_RUN_BYTES = 68, ROLLBACK_REASON_BYTES = 256 };

enum rollback_state { ROLLBACK_DRAINING, ROLLBACK_STARTING, ROLLBACK_DONE, ROLLBACK_FAILED };
extern const char *const ROLLBACK_STATE_NAMES[]; /* NULL-terminated */

struct rollback {
    enum rollback_state state;
    char incident[INCIDENT_ID_BYTES];
    char from_run[ROLLBACK_RUN_BYTES], to_run[ROLLBACK_RUN_BYTES];
    char from[SHA256_HEX_BYTES], to[SHA256_HEX_BYTES];
    char config_tag[FINGERPRINT_TAG_BYTES], run_tag[FINGERPRINT_TAG_BYTES]; /* labels of the target */
    int64_t begun_ms, ended_ms;                                             /* wall; ended_ms 0: not yet */
    int64_t limit_ms;    /* from begun_ms on: canary.rollback_timeout_s */
    double minutes_left; /* of the planned ones; 0: until signalled */
    int64_t exit_code;   /* the worst of the runs before this one, as far as they are concluded */
    char reason[ROLLBACK_REASON_BYTES]; /* failed: who is deaf, or what went wrong */
    char
        conclusion[ROLLBACK_REASON_BYTES]; /* how the run that ended was concluded; "": it has not been yet */
};

void rollback_path(const char *state_dir, char out_path[PATH_BYTES]);
enum status rollback_read(const char *path, struct rollback *out_rollback, struct error *error) MUST_USE;
enum status rollback_write(const char *path, const struct rollback *rollback, struct error *error) MUST_USE;

/* rollback_run_name: of the run that follows one: R becomes R-r2, R-r2 becomes R-r3, …; what is too long is cut in front of it. */
void rollback_run_name(const char *run_id, char out_name[ROLLBACK_RUN_BYTES]);

/* rollback_follows: whether a run's name is that of one which follows `run_id`, however many rollbacks later. */
bool rollback_follows(const char *run_id, const char *name);

/* rollback_worse_code: of two runs' exit codes (operations.md §20): 1 and 2 win over 4, 4 over 3. */
int rollback_worse_code(int one, int other);
