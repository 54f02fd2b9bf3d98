/* parity: whether the two sinks of a run hold the same signal rows (data.md §6.3).
 *
 * Purely from files. Rows are joined by (run_id, ts_ms, symbol) and compared as the JSON lines of data.md
 * §5.1: every field, exactly. Memory: 40 bytes for each JSONL row; the rows themselves are streamed. */
#pragma once

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "proto/kind.h"

#include <stdint.h>

enum { PARITY_EXAMPLES_MAX = 10, PARITY_TOP_MINUTES = 10 };

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_UNKNOWN };
extern const char *const VERDICT_NAMES[]; /* "PASS", "FAIL", "UNKNOWN", NULL */

struct parity_stats {
    int64_t total;
    int64_t confirmed;
    int64_t strong;                      /* confirmed strong_buy and strong_sell */
    double strong_ratio;                 /* NaN when nothing is confirmed */
    char content_hash[SHA256_HEX_BYTES]; /* over the lines sorted by (ts_ms, symbol), each with its newline */
};

enum parity_difference { PARITY_CONTENT, PARITY_ONLY_JSONL, PARITY_ONLY_SQLITE, PARITY_DUPLICATE };
extern const char *const PARITY_DIFFERENCE_NAMES[];

struct parity_example {
    enum parity_difference kind;
    int64_t ts_ms;
    char symbol[SYMBOL_BYTES];
    char *jsonl;  /* the line, NULL when there is none */
    char *sqlite; /* likewise */
};

struct parity_minute {
    int64_t minute;
    int64_t jsonl, sqlite; /* rows */
};

struct parity {
    char run_id[RUN_ID_BYTES];
    struct parity_stats jsonl, sqlite;
    int64_t only_jsonl, only_sqlite, content_mismatch;
    int64_t duplicates_jsonl;      /* lines whose key an earlier line has */
    int64_t key_conflict;          /* those of them that differ from it */
    int64_t bad_jsonl, bad_sqlite; /* lines and rows that are no signal row */
    struct parity_example examples[PARITY_EXAMPLES_MAX];
    size_t example_count;
    struct parity_minute *minutes; /* of either sink, rising */
    size_t minute_count, minute_capacity;
    enum verdict verdict;
};

/* parity_compare: finish the result with parity_finish. A missing sink counts as an empty one. */
enum status parity_compare(const char *output_dir, const char *run_id, struct parity *out_parity,
                           struct error *error) MUST_USE;
void parity_finish(struct parity *parity);

/* parity_json: one object, the fields of data.md §6.3 and behind them jsonl_bad_lines, sqlite_bad_rows. */
void parity_json(const struct parity *parity, struct json *json);

/* parity_write: parity_json as <artifacts_dir>/parity_diff_<run_id>.json, replaced atomically. */
enum status parity_write(const struct parity *parity, const char *artifacts_dir, bool sync,
                         struct error *error) MUST_USE;
