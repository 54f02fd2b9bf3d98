/* request: what is asked of this program, checked; and its exit codes. */
#pragma once

#include "base/exits.h"
#include "base/status.h"
#include "journal/capture_chain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The codes of all who are asked, in the words of this program. */
enum { EXIT_SAME = EXIT_FINE, EXIT_UNKNOWN = EXIT_REFUSED, EXIT_DIFFERENT = EXIT_NOT_EVEN };

enum { REQUEST_FILES_MAX = 1000 };

struct request {
    const char *raw_folders[CAPTURE_CHAIN_MAX]; /* data/raw, and those of further instances of harvest */
    size_t raw_folder_count;
    const char *run_id;        /* whose sinks are compared */
    const char *manifest_path; /* the run manifest; NULL: the default's place. See request_manifest */
    char manifest_default[256];
    const char *files[REQUEST_FILES_MAX + 1];
    size_t file_count; /* captures to take instead of the run's own */
    const char *symbol;
    int64_t ts_ms;
    bool all;
    bool part; /* the capture is of some of the run's symbols: others are no strangers */
    bool json;
};

/* request_take: from a command line. False: it is done with already (help, mistakes), and *out_code the exit code. */
bool request_take(struct request *request, const char *program, int argc, char **argv, int *out_code);

/* request_manifest: path of the run manifest; it need not exist. */
const char *request_manifest(const struct request *request);

/* companion: compares more than signals and orders in the same walk through the capture. */
struct recording;
struct chain;
struct chain_row;
struct companion {
    void *context;
    /* `running`: what is not stored yet is not missing. */
    enum status (*open)(void *context, const struct request *request, const struct recording *recording,
                        const struct chain *chain, bool running, struct error *error);
    void (*row)(void *context, const struct chain_row *row);
    int (*conclude)(
        void *context); /* prints, and returns an exit code; called when the chain ran to its end */
};

/* why_one, why_all: do it, print it, return the exit code. `companion` may be NULL. */
int why_one(const struct request *request);
int why_all(const struct request *request, const struct companion *companion);

/* complain: "recompute: <sentence>" on stderr; returns `code`. */
int complain(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/* code_of: 1 for what is not there, 3 for what is there and wrong, or cannot be compared. */
int code_of(enum status status);
