/* proof: what a configuration was marked stable for, kept where no later canary writes:
 *
 *     <artifacts>/runtime/stable/<fingerprint, 16 digits>-<sha256 of the final report, 16 digits>/
 *         T+0_final_report.json, .md       as they were when it was marked
 *         metrics_timeseries.csv, …        what the report names as its evidence
 *         SHA256SUMS
 *
 * The folder appears whole, and its name says what is in it: another report of the same configuration has another one. Nothing here takes one
 * away; `orchctl clean` leaves the folder of reports alone. */
#pragma once

#include "base/file.h"
#include "base/hash.h"
#include "fingerprints.h"

/* proof_report_folder: where the reports of a run lie: those of the newest run of the folder of runs in the folder of reports, where its
 * evaluations go on with them; those of another one in a folder of its own below it. */
void proof_report_folder(const char *artifacts_dir, const char *run_id, const char *newest_run_id,
                         char out_path[PATH_BYTES]);

/* proof_keep: copies the final report and its evidence from where the reports of its run lie; fills in the entry's evidence and evidence_sha256.
 * STATUS_AGAIN: it is being written anew just now. */
enum status proof_keep(const char *artifacts_dir, const char *report_folder, struct stable_fingerprint *entry,
                       struct error *error) MUST_USE;

/* proof_state: "as marked", "changed", "gone", or "not recorded" (of an earlier version). */
const char *proof_state(const struct stable_fingerprint *entry);
