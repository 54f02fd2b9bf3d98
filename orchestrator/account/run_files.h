/* run_files: where a run's files lie, what the run was, and who counts what is in them.
 *
 *   daemons.c   what the services' counters say     stores.c    JSON lines, orders, dead letters, signals.db
 *   ask.c       has running services say it anew    parquet.c   data sets           capture.c   raw capture
 *
 * Every reader adds figures under its own name (figures.h). What cannot be read stays out, so that its lines are UNKNOWN, and
 * goes into `problems` with its place. */
#pragma once

#include "balance.h"
#include "base/buffer.h"
#include "base/file.h"
#include "config/config.h"
#include "config/plan.h"
#include "proto/kind.h"

enum { RUN_SYMBOLS_MAX = 1000 };

struct run_files {
    struct config *config; /* of the folder the program was started in */
    char run_id[RUN_ID_BYTES];
    char state[16]; /* as the manifest says: running, finished, aborted */
    struct balance_conditions conditions;
    char sink[16];
    char (*symbols)[SYMBOL_BYTES];
    size_t symbol_count;
    struct figures figures;
    struct buffer problems; /* sentences, each ended by a newline */
};

/* run_files_open: `effective_path` is the folder's effective configuration; run_id NULL: the run it is of. STATUS_NOT_FOUND
 * and STATUS_MALFORMED with a sentence that names the file. */
enum status run_files_open(struct run_files *run, const char *effective_path, const char *run_id,
                           struct error *error) MUST_USE;
void run_files_close(struct run_files *run);

void run_files_problem(struct run_files *run, const char *format, ...) PRINTF_LIKE(2, 3);

/* run_files_symbol: whether it is one of the run's. */
bool run_files_symbol(const struct run_files *run, const char *symbol);

/* run_files_known: a figure that is at least 0 for every symbol, now that its store could be read. */
void run_files_known(struct run_files *run, const char *name);

void read_daemons(struct run_files *run); /* what all of them have said last */
void read_daemon(struct run_files *run, const char *name);
/* read_departed: what those left whom the plan no longer has. */
void read_departed(struct run_files *run, const struct plan_service *service);
void ask_daemons(struct run_files *run,
                 int64_t timeout_ms); /* readers before those they read; each is read at once */
void read_stores(struct run_files *run);
void read_parquet(struct run_files *run);
void read_capture(struct run_files *run);

/* The kinds of the archive's data sets, as its folders are called. */
enum { DATA_SETS = 7 };
extern const char *const DATA_SET_NAMES[DATA_SETS];
