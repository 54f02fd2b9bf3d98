/* record: what must outlive the orchestrator, `runtime/orchestrator.state`: enough for another one to go on with the run
 * as if nothing had happened. The keepers hold the processes; this holds what was decided about them: states, generations,
 * restart budgets, faults, the run's phase, and the command line.
 *
 * It is written, whole and atomically (record_file.h), whenever it has changed: at the end of a loop turn, and before a process is
 * started. It is a file of this build and this boot of the machine; another's is refused. When the run is over it is
 * removed. */
#pragma once

#include "orchestrator/run.h"

#define RECORD_PATH "runtime/orchestrator.state"

/* record_boot_id: of this boot of the machine. */
void record_boot_id(char out_text[RECORD_BOOT_BYTES]);

/* record_write: nothing when it is as it was written last. A failure is logged; the next turn tries again. record_is_written: the last try did
 * not fail. */
void record_write(struct run *run);
bool record_is_written(const struct run *run);
void record_remove(void);

/* record_copy: as it stands, into another file: of a run that is concluded behind the next one (manifest/behind.h). */
enum status record_copy(const struct run *run, const char *path) MUST_USE;

/* record_read: STATUS_NOT_FOUND: there is none; STATUS_MALFORMED: damaged, or of another build. */
enum status record_read(const char *path, struct record *out_record) MUST_USE;
enum run_phase record_phase(const struct record *record);
bool record_left_behind(const struct record *record);
/* record_conclusions: those that run had not told of the end of; false: there is no record, and none of them. */
bool record_conclusions(const struct record *record, struct conclusions *out_conclusions);
void record_finish(struct record *record);

/* record_restore: the run, its processes being made already, as it was recorded. STATUS_MALFORMED: the record does not
 * belong to these processes; the run is then of no use. */
enum status record_restore(const struct record *record, struct run *run) MUST_USE;
