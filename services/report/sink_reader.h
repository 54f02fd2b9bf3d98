/* sink_reader: signal rows of one run, read back from the files of a sink.
 *
 * Purely from files, so that a running report, a test and orchctl read alike. Each poll gives what has
 * come since the last one; nothing is read twice. A reader that is created anew reads everything again. */
#pragma once

#include "base/status.h"
#include "proto/signal.h"
#include "signal_files.h"

#include <stdbool.h>
#include <stdint.h>

enum sink_kind { SINK_JSONL, SINK_SQLITE };
extern const char *const SINK_KIND_NAMES[]; /* "jsonl", "sqlite", NULL */

struct sink_reader_config {
    enum sink_kind kind;
    const char *output_dir; /* run.output_dir: holds signals.db, spool and ready */
    const char *run_id;
};

/* sink_reader_figures: of all polls so far. */
struct sink_reader_figures {
    int64_t files_read; /* files holding rows of this run; 1 or 0 for SQLite */
    int64_t rows;       /* of this run */
    int64_t bad_rows;   /* lines that are not a signal row (SQLite: rows that do not fit) */
    int64_t
        run_id_mismatch; /* rows of another run in a file of this one; when there is no row of this run: rows of
                                all others */
};

/* signals_database_open: <output_dir>/signals.db for reading. STATUS_NOT_FOUND when it, or its table, is
 * not there. */
struct database;
enum status signals_database_open(const char *output_dir, struct database **out_database,
                                  struct error *error) MUST_USE;

typedef enum status sink_visit(void *context, const struct signal_row *row);

struct sink_reader;
struct sink_reader *sink_reader_create(const struct sink_reader_config *config);
void sink_reader_destroy(struct sink_reader *reader); /* accepts NULL */

/* sink_reader_poll: `to_end`: the writer is done, a last line without newline counts too (as what it is).
 * A sink that has no files yet is not an error. STATUS_IO and others with a sentence: some rows may have
 * been given; the reader must be created anew. */
enum status sink_reader_poll(struct sink_reader *reader, bool to_end, sink_visit *visit, void *context,
                             struct error *error) MUST_USE;

struct sink_reader_figures sink_reader_figures(const struct sink_reader *reader);

/* signal_from_line: the row of one line of a signal file; false: the line is bad. */
bool signal_from_line(enum line_kind kind, const char *text, size_t length, struct signal_row *out_row);

/* signal_time_valid: a ts_ms that can be a time (years 1970 to 9999); others are bad rows. */
bool signal_time_valid(int64_t ts_ms);
