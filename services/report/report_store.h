/* report_store: state/report.db: what report has read and will need again, and how far it has read.
 *
 * Figures and stream positions change in one transaction, so that report can be killed anywhere: it goes
 * on behind the last commit and every row counts once. The writer belongs to the loop's thread; readers
 * (report_store_read) open the file for themselves and see the last commit. */
#pragma once

#include "base/status.h"
#include "figures.h"
#include "tracks.h"

#include <stdint.h>

struct report_store;

struct report_store_config {
    const char *path;
    const char *run_id;
    const char *fingerprint; /* of the configuration */
    int64_t now_ms;          /* wall time: the start of the run, if it is new */
    bool sync;               /* journal.durability: power */
};

/* report_store_open: opens or begins. A database of another run, another configuration or another boot of
 * the machine is set aside as <path>.aside (the journals it belongs to are set aside likewise); the start
 * time of the same run is carried over. With `sync` it outlives a boot, as they do. */
enum status report_store_open(const struct report_store_config *config, struct report_store **out_store,
                              struct error *error) MUST_USE;
void report_store_close(struct report_store *store); /* accepts NULL */

/* report_store_load: figures as of the last commit, into freshly initialised ones. */
enum status report_store_load(struct report_store *store, struct figures *figures,
                              struct error *error) MUST_USE;

/* report_store_commit: everything dirty in one transaction; heartbeats only when `beats`. On success the
 * figures are clean and their durable positions are their positions; on failure nothing has changed on
 * either side. */
enum status report_store_commit(struct report_store *store, struct figures *figures, bool beats,
                                struct error *error) MUST_USE;

/* report_store_text: a named text of the run (the summary's name), set once: `value` becomes it unless
 * there is one. Its present value is copied to out_value. */
enum status report_store_text(struct report_store *store, const char *key, const char *value, char *out_value,
                              size_t size, struct error *error) MUST_USE;

/* report_store_database: the writer's own connection. */
struct database *report_store_database(struct report_store *store);

/* report_store_started_ms: wall time when the run was first seen. */
int64_t report_store_started_ms(const struct report_store *store);

/* state_snapshot: one strategy_state row and its symbol. */
struct state_snapshot {
    char symbol[SYMBOL_BYTES];
    struct strategy_state_row row;
};

/* stored: one consistent reading of the database, for a summary. */
struct stored {
    struct figures figures;
    struct event_times *events; /* one a symbol */
    size_t event_symbol_count, event_symbol_capacity;
    struct state_snapshot *states; /* by (ts_ms, symbol) */
    size_t state_count, state_capacity;
};

/* report_store_read: finish with stored_finish. A missing file is an empty reading. */
enum status report_store_read(const char *path, struct stored *out_stored, struct error *error) MUST_USE;
void stored_finish(struct stored *stored);

/* report_store_figures: of a database that nobody writes any more, the figures alone, into freshly initialised ones. A missing file has
 * none. */
enum status report_store_figures(const char *path, struct figures *figures, struct error *error) MUST_USE;

/* stored_knowledge: its events; `is_complete`: nothing will follow. */
struct event_knowledge stored_knowledge(const struct stored *stored, bool is_complete);
