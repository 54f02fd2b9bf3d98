/* canary_files: what a canary's folder tells of the run itself (data.md §7). */
#pragma once

struct run;

/* canary_files_begin_line: the first line of a run's log: what its rows depend on most. */
void canary_files_begin_line(const struct run *run);

/* canary_files_tag: artifacts/runtime/run_tag.txt, key=value lines, once the configuration is complete: of a canary, and of a run with --run-tag. */
void canary_files_tag(const struct run *run);

/* canary_files_processes: artifacts/runtime/canary_report/process_info.json, of a canary. */
void canary_files_processes(const struct run *run);
