/* behind: a run that is concluded while the next one goes on. A rollback ends a run so that another configuration works again at once; what
 * concluding takes, reading all rows once or twice, takes as long as there are rows. So the run leaves behind, in a folder of its own below
 * the folder of states, whatever of its conclusion the next run would write over, and a process of its own, `orchestrator --conclude
 * FOLDER`, makes summaries, manifests, ledger and verdict from that and from the run's files:
 *
 *     state/concluding/<run>/orchestrator.state     the run as it ended (supervision/record.h)
 *                           /effective_config.json, plan.json, report.db, checkpoint.json
 *                           /programs.json          its configuration for the programs that read those
 *                           /limit.json             how long concluding it may take
 *                           /lock                   of whoever works on it, and of what he has started
 *
 * The folder appears whole and goes whole, when the manifest is final: it is there exactly as long as the run is not concluded. */
#pragma once

#include "orchestrator/run.h"

#define BEHIND_FOLDER "concluding"

/* behind_folder: of a run of that name. */
void behind_folder(const struct run *run, const char *run_id, char out_path[PATH_BYTES]);

/* behind_leave: behind the last exit: what the conclusion needs, and a manifest that says it is not final. Nothing happens when it has been
 * done already. */
enum status behind_leave(struct run *run, struct error *error) MUST_USE;

/* behind_limit_ms: how long concluding may take, as whoever left it knew; 0: it does not say. */
int64_t behind_limit_ms(const char *folder);

/* behind_conclude: the whole of `--conclude FOLDER`, to the run's exit code. EXIT_REFUSED: not concluded, or without a verdict. */
int behind_conclude(const struct options *options);

/* behind_verdict_read: how a run was concluded, as its manifest says; false: it is not final. */
struct behind_verdict {
    char overall[16]; /* PASS, FAIL, UNKNOWN; "": none, and why */
    char reason
        [ERROR_TEXT_BYTES]; /* of a verdict: the gates and processes that speak against the run, "": none does */
    int exit_code;
};
bool behind_verdict_read(const struct run *run, const char *run_id, struct behind_verdict *out_verdict);

/* Where what the next run would write over is read from: the run's own place, or what it has left behind. */
void behind_effective_path(const struct run *run, char out_path[PATH_BYTES]); /* for programs */
void behind_given_path(const struct run *run, char out_path[PATH_BYTES]);
