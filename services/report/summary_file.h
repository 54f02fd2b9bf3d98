/* summary_file: how summaries are called (data.md §6.4).
 *
 *   <logs_dir>/report/summary_<YYYYMMDD_HHMM>[_jsonl|_sqlite][_<n>].json and .md
 *
 * The time is the UTC minute in which the run started. When another run has taken a name of that minute, n
 * = 2, 3, … is appended, the same for all files of the run. */
#pragma once

#include "base/file.h"

#include <stdbool.h>
#include <stdint.h>

struct summary_names {
    const char *logs_dir;
    const char *run_id;
    int64_t started_ms;
    bool dual;      /* one pair of files per sink */
    int64_t number; /* 1: no suffix */
};

/* summary_file_path: `ending` is "json" or "md"; `sink` matters when dual. */
void summary_file_path(const struct summary_names *names, const char *sink, const char *ending,
                       char out_path[PATH_BYTES]);

/* summary_file_number: the smallest number under which no file belongs to another run. */
int64_t summary_file_number(const struct summary_names *names);

/* summary_file_reserve: the names are this run's, though the summaries are somebody else's to write, later: until then no other run may find
 * them free. */
enum status summary_file_reserve(const struct summary_names *names) MUST_USE;
