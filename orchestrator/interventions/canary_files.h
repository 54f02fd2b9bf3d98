/* canary_files: what a canary's folder tells of the run itself (data.md §7). */
#pragma once

#include "base/file.h"

struct run;

/* canary_files_begin_line: the first line of a run's log: what its rows depend on most. */
void canary_files_begin_line(const struct run *run);

/* canary_files_tag: artifacts/runtime/run_tag.txt, key=value lines, once the configuration is complete: of a canary, and of a run with --run-tag. */
void canary_files_tag(const struct run *run);

/* canary_files_processes: artifacts/runtime/canary_report/process_info.json, of a canary. */
void canary_files_processes(const struct run *run);

/* canary_files_leave: the newest evaluation of a run that is left, to a folder of its own below canary_report: the next canary's first one writes
 * where it lies, and its last one goes on from it. Nothing, of another run. canary_files_left_folder: that folder. */
enum status canary_files_leave(const struct run *run) MUST_USE;
void canary_files_left_folder(const struct run *run, char out_path[PATH_BYTES]);
