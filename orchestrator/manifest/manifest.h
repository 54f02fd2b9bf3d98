/* manifest: what a run leaves behind for people and programs: the run manifest (data.md §6.1) and the source
 * manifest (§6.2). Written at the start, replaced atomically at the end. */
#pragma once

#include "gates.h"
#include "orchestrator/faults/fault.h"
#include "orchestrator/run.h"

/* manifest_conclusion: what is known only at the end; NULL while the run goes on. */
struct manifest_conclusion {
    const struct gate_results *gates; /* NULL: not judged yet */
    enum gate_verdict overall;
    int exit_code;
    const struct fault_loss *losses; /* one per fault of the run */
};

void manifest_path(const struct run *run, char out_path[PATH_BYTES]);
void manifest_status_path(const struct run *run, char out_path[PATH_BYTES]);
void manifest_source_path(const struct run *run, char out_path[PATH_BYTES]);

/* manifest_make: its text; with the verdict it reads whatever it names, for the hashes. manifest_store: puts it in its place. manifest_write:
 * both. */
void manifest_make(const struct run *run, const struct manifest_conclusion *conclusion,
                   struct buffer *out_text);
enum status manifest_store(const struct run *run, const struct buffer *text, struct error *error) MUST_USE;
enum status manifest_write(const struct run *run, const struct manifest_conclusion *conclusion,
                           struct error *error) MUST_USE;
enum status manifest_write_source(const struct run *run, struct error *error) MUST_USE;
