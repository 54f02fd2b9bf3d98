/* jsonl_index: the rows of one run in the files of the JSONL sink, in the order of (ts_ms, symbol).
 *
 * 40 bytes for each row; the lines stay in their files and are read again when asked for. */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "base/status.h"
#include "proto/kind.h"
#include "signal_files.h"

#include <stddef.h>
#include <stdint.h>

/* jsonl_entry: where a row lies, and what counting needs of it. */
struct jsonl_entry {
    int64_t ts_ms;
    int64_t offset;
    uint32_t length; /* bytes of the line */
    uint32_t file;
    uint32_t symbol;
    int8_t confirm;
    int8_t strong; /* strong_buy or strong_sell */
};

/* jsonl_reading: a file held open. The rows of several symbols take turns, so each symbol has its own. */
enum { JSONL_READINGS = 64 };
struct jsonl_reading {
    uint32_t file;
    int descriptor; /* -1: none */
};

struct jsonl_index {
    const char *run_id;
    struct signal_files files;
    uint32_t indexing; /* number of the file being indexed */
    struct jsonl_entry *entries;
    size_t count, capacity;
    int64_t bad_lines;
    struct map symbol_numbers;
    char (*symbols)[SYMBOL_BYTES];
    size_t symbol_count, symbol_capacity;
    struct jsonl_reading readings[JSONL_READINGS];
};

void jsonl_index_init(struct jsonl_index *index);
void jsonl_index_finish(struct jsonl_index *index);

/* jsonl_index_build: reads all files of the run; once. */
enum status jsonl_index_build(struct jsonl_index *index, const char *output_dir, const char *run_id,
                              struct error *error) MUST_USE;

const char *jsonl_index_symbol(const struct jsonl_index *index, const struct jsonl_entry *entry);

/* jsonl_index_line: the line as it was written, in place of what `out` held. */
enum status jsonl_index_line(struct jsonl_index *index, const struct jsonl_entry *entry, struct buffer *out,
                             struct error *error) MUST_USE;
