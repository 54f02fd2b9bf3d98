/* parts: names and places of the archive's files, and the list of those that may still be merged.
 *
 *   <root>/date=YYYY-MM-DD/symbol=<SYM>/kind=<kind>/part-<first_ts>-<last_ts>-<rows>-<writer>-<n>.parquet
 *                                                   the same ending in -<n>-h.parquet: an hour, merged
 *
 * writer: the first 8 hex digits of SHA-256(run_id). Files of other writers are never touched. */
#pragma once

#include "kinds.h"

#include "base/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WRITER_HEX_BYTES = 9, HOUR_MS = 3600 * 1000 };

struct part {
    char symbol[SYMBOL_BYTES];
    enum data_kind kind;
    int64_t first_ts_ms, last_ts_ms, rows;
    int64_t number; /* n */
    bool is_hour;
};

struct parts {
    char root[PATH_BYTES]; /* "<data_root>/ofi_cvd" */
    char writer[WRITER_HEX_BYTES];
    bool sync; /* journal.durability: power: what is removed stays removed */
    struct part *items;
    size_t count, capacity;
};

void parts_init(struct parts *parts, const char *root, const char *run_id, bool sync);
void parts_finish(struct parts *parts);

void part_path(const struct parts *parts, const struct part *part, char out_path[PATH_BYTES]);

/* part_parse: a path below the root back into a part; false when it is not a file of this writer. */
bool part_parse(const struct parts *parts, const char *path, struct part *out_part);

/* parts_scan: lists this writer's files; removes its unfinished ones (.tmp) and, from number `next_file` on,
 * those the checkpoint does not name. *out_removed counts the latter. STATUS_IO. */
enum status parts_scan(struct parts *parts, int64_t next_file, size_t *out_removed,
                       struct error *error) MUST_USE;

void parts_add(struct parts *parts, const struct part *part);
void parts_remove(struct parts *parts, int64_t number);

/* parts_hour: the oldest hour before `below_ms` in which this symbol and kind has something to merge: a part
 * that is not an hour file. False: none. */
bool parts_hour(const struct parts *parts, const char *symbol, enum data_kind kind, int64_t below_ms,
                int64_t *out_hour_ms);

/* parts_of_hour: everything to be merged then, earlier hour files first, then by number; release with free(). */
struct part *parts_of_hour(const struct parts *parts, const char *symbol, enum data_kind kind,
                           int64_t hour_ms, size_t *out_count);
