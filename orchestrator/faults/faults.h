/* faults: injuries of a run, from the wish to the evidence. What is done is a lease of the victim (common/injury) or of its keeper;
 * here it is ordered, watched and written down. Nothing here undoes anything: that happens without us, too. */
#pragma once

#include "base/status.h"
#include "injury/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command_answer_row;
struct json;
struct process;
struct run;

/* The orchestrator can be its own victim. */
#define FAULT_OWN_NAME "orchestrator"

/* fault_wish: order.id is given by faults_inject; a seed below 0: the id. */
struct fault_wish {
    const char *target;
    struct injury_order order;
    int signal;  /* of kind kill */
    bool forced; /* although the pipeline is not steady */
};

/* faults_inject: begins it, for every instance when target is a service; their numbers follow one another. STATUS_NOT_FOUND, STATUS_INVALID: no such victim, or not for this kind; STATUS_CONFLICT: the pipeline is
 * not in its steady state. A victim may still refuse: that is told by the event fault_refused. */
enum status faults_inject(struct run *run, const struct fault_wish *wish, int64_t *out_first,
                          size_t *out_count, struct error *error) MUST_USE;

/* faults_lasting: leases that faults_clear of the same id would end. */
size_t faults_lasting(const struct run *run, int64_t id);

/* faults_clear: ends one, or with id 0 all that last. STATUS_NOT_FOUND: there is no such fault. */
enum status faults_clear(struct run *run, int64_t id, struct error *error) MUST_USE;

/* faults_steady: everybody is up, healthy, heard, and has been caught up a moment ago; no fault is open. The sentence names what is
 * not so. */
bool faults_steady(struct run *run, struct error *error);

void faults_step(struct run *run); /* once a turn of the loop */
int64_t faults_due_ms(const struct run *run);
void faults_take_beat(struct run *run, struct process *process);
void faults_take_exit(struct run *run, const struct process *process);
/* faults_take_answer: true when it is the answer to a command of ours. */
bool faults_take_answer(struct run *run, struct process *process, const struct command_answer_row *row);
void faults_adopt(struct run *run); /* what the orchestrator that died did to itself is over */

/* faults_replayed: rows that this life of a process has fetched from producers' journals or read again. */
int64_t faults_replayed(const struct process *process);
/* faults_features: feature rows published so far, as features says it; -1: not known. */
int64_t faults_features(const struct run *run);

/* faults_list: the member "faults" of an object: all or one; rows_lost and the like are not known before the files are read. */
void faults_list(const struct run *run, int64_t id, struct json *json);
