/* rolling_back: the way back to a configuration that has proved itself (operations.md §14.3, docs/canary.md).
 *
 * A run has one configuration: its capture, journals, rows and manifest all belong to one fingerprint. So a rollback ends the run in
 * good order, and this very process begins the next one, with what can change a row as the target has it and everything
 * operational as it was; it is done when every heartbeat tells the target's fingerprint. What has been decided stands in
 * state/rollback.json before it is done (canary/rollback.h). */
#pragma once

#include "config/config.h"
#include "orchestrator/canary/rollback.h"

struct run;

/* rolling_back: part of the run; zeroed is "no rollback concerns this run". */
struct rolling_back {
    bool confirming;    /* this run is where it leads to, and it is not confirmed yet */
    int64_t measure_ms; /* monotonic: when metrics are measured again; 0: not to be */
    bool measured;      /* they have been */
    bool unwritten;     /* the disk has not taken `record`: what the file says is behind it */
    int64_t retry_ms;   /* monotonic: when it is tried again; unwritten */
    struct rollback record;
};

/* rolling_back_begin: ends the run for a target: `asked` as fingerprints_target has it. STATUS_INVALID with a sentence: there is no
 * such target: recorded as an incident, whose id is in *out_record, and nothing else happens. STATUS_CONFLICT: the run is not at a
 * point where it could be rolled back. */
enum status rolling_back_begin(struct run *run, const char *asked, const char *who, const char *why,
                               const char *severity, struct rollback *out_record,
                               struct error *error) MUST_USE;

/* rolling_back_config: of a run started with --roll-back: its name, its minutes, all that can change a row, and how that is called. */
enum status rolling_back_config(struct config *config, char out_run_tag[FINGERPRINT_TAG_BYTES],
                                struct error *error) MUST_USE;

/* rolling_back_follow: reads the record of the run this one follows; also of a run that is adopted. */
void rolling_back_follow(struct run *run);

void rolling_back_step(struct run *run); /* also behind the run's last exit */
int64_t rolling_back_due_ms(const struct run *run);

/* rolling_back_leads_on: the run has ended for another one. rolling_back_lead_on: it begins, while this one is left to be concluded. */
bool rolling_back_leads_on(const struct run *run);
void rolling_back_lead_on(struct run *run);

/* rolling_back_concluded: a run before this one has been concluded (manifest/conclusions.h): its exit code counts, the incident says so. */
void rolling_back_concluded(struct run *run, const char *run_id, const char *conclusion, int exit_code);

/* rolling_back_end: the run is over. True: another one is to begin. *code becomes the worse of this run's and the one before. */
bool rolling_back_end(struct run *run, int *code);

/* rolling_back_execute: becomes the orchestrator of the next run, with the same command line. Returns only on failure. */
void rolling_back_execute(int argument_count, char **arguments);
