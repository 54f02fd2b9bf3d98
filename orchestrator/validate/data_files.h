/* data_files: which Parquet files are looked at, by kind of data set.
 *
 *   <root>/date=…/symbol=<SYM>/kind=<kind>/part-<first>-<last>-<rows>-<writer>-<n>.parquet, or …-h.parquet
 */
#pragma once

#include "base/buffer.h"
#include "base/file.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stddef.h>

enum data_set {
    SET_PRICES,
    SET_ORDERBOOK,
    SET_OFI,
    SET_CVD,
    SET_FUSION,
    SET_EVENTS,
    SET_FEATURES,
    SET_COUNT
};

struct data_set_info {
    const char *name;
    const struct message *message;
    const char *id; /* what must be unique */
};

extern const struct data_set_info DATA_SETS_INFO[SET_COUNT];

/* data_file_wanted: whether a file is looked at: the newest event time in it, and its number. */
typedef bool data_file_wanted(const void *context, int64_t last_ms, int64_t number);

/* data_filter: NULL and no symbols: everything. */
struct data_filter {
    const char *run_id; /* only files of this run's writer */
    const char *const *symbols;
    size_t symbol_count;
    data_file_wanted *wanted;
    const void *wanted_context;
};

struct data_files {
    struct buffer quoted[SET_COUNT]; /* 'path','path' as SQL takes them */
    char **paths[SET_COUNT];
    size_t counts[SET_COUNT], capacities[SET_COUNT];
};

/* data_files_find: STATUS_OK also when the folder is not there: then there are none. */
enum status data_files_find(const char *root, const struct data_filter *filter, struct data_files *out_files,
                            struct error *error) MUST_USE;
void data_files_finish(struct data_files *files);
