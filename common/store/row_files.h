/* row_files: rows of a data set read back from its Parquet files, each once and in order (data.md §3).
 *
 * Files are added one by one, and looked at at once: whether their columns are those of the message, whose rows they hold and of
 * which time. Then row_stream gives a symbol's rows in ascending ts_ms. They are read in batches of a bounded size, and of each
 * batch only the files whose time it is, so memory does not grow with the data.
 *
 * A row that stands in several places (a part and the hour it was merged into, a folder copied twice) is one row. Two different
 * rows of one time are an error that names both files: nobody could say which one was meant. A row that the data quality gate
 * (data.md §4.2) would not have let in is passed over and counted by its reason.
 *
 * By DuckDB; one thread at a time, streams included. */
#pragma once

#include "proto/field.h"
#include "store/query_session.h"

struct row_files;

struct row_files_config {
    const struct message *message; /* its ts_ms identifies a row of a symbol */
    int64_t time_max_ms;           /* of valid rows; the least is 1 */
    struct query_limits limits;
    size_t batch_rows; /* rows of a symbol held in memory */
};

enum row_reject {
    ROW_MISSING_REQUIRED, /* no value where there has to be one */
    ROW_INVALID_TIME,
    ROW_NON_FINITE,
    ROW_PARSE_ERROR, /* a name that nobody knows, a text that does not fit */
    ROW_REJECTS,
};

/* row_reject_name: "missing_required" …, as dead letters say it. */
const char *row_reject_name(enum row_reject reject);

/* row_files_symbol: what the files hold of one symbol; the times are those of its valid rows, 0: it has none. */
struct row_files_symbol {
    char *name;
    size_t files;
    int64_t rows; /* all of them, wherever they stand */
    int64_t invalid_time;
    int64_t first_ts_ms, last_ts_ms;
};

/* row_files_open: the message is borrowed. */
enum status row_files_open(const struct row_files_config *config, struct row_files **out_files,
                           struct error *error) MUST_USE;
void row_files_close(struct row_files *files); /* accepts NULL; all streams must have been destroyed */

/* row_files_add: STATUS_INVALID with a sentence that names the file: it cannot be read, a column is missing or has another type, a
 * row has no symbol, one that is no text, or no time. */
enum status row_files_add(struct row_files *files, const char *path, struct error *error) MUST_USE;

size_t row_files_count(const struct row_files *files);
size_t row_files_symbol_count(const struct row_files *files);
const struct row_files_symbol *row_files_symbol(const struct row_files *files, size_t index);

/* row_files_find: NULL: no file holds a row of that symbol. */
const struct row_files_symbol *row_files_find(const struct row_files *files, const char *symbol);

/* row_stream: the rows of one symbol behind a time. Its files must have been added before. */
struct row_stream;
struct row_stream *row_stream_create(struct row_files *files, const char *symbol, int64_t behind_ts_ms);
void row_stream_destroy(struct row_stream *stream); /* accepts NULL */

/* row_step: all there is of one time; `row` (of the message's struct) is good until the next call. Fields that a data set does not
 * hold (FIELD_WIRE) are cleared. */
struct row_step {
    int64_t ts_ms;
    const void *row;               /* NULL: nothing of it was fit to be one */
    int64_t repeated;              /* further places where the same row stands */
    int64_t rejected[ROW_REJECTS]; /* invalid times have no step: row_files_symbol counts them */
};

/* row_stream_next: STATUS_END behind the last. STATUS_CONFLICT: two different rows; STATUS_INVALID: a file is damaged or gone. */
enum status row_stream_next(struct row_stream *stream, struct row_step *out_step,
                            struct error *error) MUST_USE;
