/* request: what is asked of this program, checked; and its exit codes. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXIT_SAME = 0, EXIT_UNKNOWN = 1, EXIT_WRONG_USE = 2, EXIT_DIFFERENT = 3 };

enum { REQUEST_FILES_MAX = 1000 };

struct request {
    const char *raw_folder;    /* data/raw */
    const char *run_id;        /* whose sinks are compared */
    const char *manifest_path; /* the run manifest; it need not exist */
    const char *files[REQUEST_FILES_MAX + 1];
    size_t file_count; /* captures to take instead of the run's own */
    const char *symbol;
    int64_t ts_ms;
    bool all;
    bool going; /* the run has not ended: what is not stored yet is not missing */
    bool json;
};

/* why_one, why_all: do it, print it, return the exit code. */
int why_one(const struct request *request);
int why_all(const struct request *request);

/* complain: "recompute: <sentence>" on stderr; returns `code`. */
int complain(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/* code_of: 1 for what is not there, 3 for what is there and wrong, or cannot be compared. */
int code_of(enum status status);
