/* checkpoint: what the archive holds durably (data.md §4.1), in memory and as state/checkpoint.json.
 *
 * Streams. Of every stream it says which rows need not be written again:
 *
 *      a row of kind K with sequence q and time t is durable when
 *              q ≤ whole[K]                       (K was written whole up to there)
 *          or  q ≤ through and t < below_ms       (all windows before below_ms were written, read up to there)
 *
 * and `resume`, up to which every row is durable: reading begins behind it, and rows read again are judged by
 * the rule.
 *
 * Files. Every file of this run carries a number; files numbered next_file and above are not named by the
 * checkpoint: they were renamed by a life that died before it could say so, and are deleted at start.
 * `deleting` names parts that have been merged into a file the checkpoint knows and are to be deleted. */
#pragma once

#include "kinds.h"

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_stream {
    char name[STREAM_BYTES]; /* "harvest/BTCUSDT" */
    int64_t resume;
    int64_t through;
    int64_t below_ms; /* INT64_MIN: nothing written yet; INT64_MAX: the stream ended */
    int64_t whole[KIND_COUNT];
    bool ended;
};

/* checkpoint_set: the figures of one symbol and kind. */
struct checkpoint_set {
    char symbol[SYMBOL_BYTES];
    enum data_kind kind;
    int64_t last_ts_ms;
    int64_t last_agg_trade_id; /* FIELD_NULL_I64 where the kind has none */
    int64_t last_update_id;
    char last_file[192];
    int64_t rows;
    int64_t duplicates; /* rows left out for a row_id met before */
};

struct checkpoint_counts {
    int64_t files_written;
    int64_t compactions;
    int64_t deadletter_rows;
    int64_t duplicate_row_ids;
    int64_t write_errors_total;
};

struct checkpoint {
    char run_id[RUN_ID_BYTES];
    char config_fingerprint[68];
    int64_t updated_ts_ms;
    int64_t next_file;
    struct checkpoint_counts counts;
    struct checkpoint_stream *streams;
    size_t stream_count;
    struct checkpoint_set *sets;
    size_t set_count;
    char **deleting;
    size_t deleting_count;
};

void checkpoint_init(struct checkpoint *checkpoint, const char *run_id, const char *config_fingerprint);
void checkpoint_finish(struct checkpoint *checkpoint);

/* checkpoint_stream, checkpoint_set: what is known of a stream, of a symbol and kind; added when new. Valid
 * until the next is added. */
struct checkpoint_stream *checkpoint_stream(struct checkpoint *checkpoint, const char *name);
struct checkpoint_set *checkpoint_set(struct checkpoint *checkpoint, const char *symbol, enum data_kind kind);
void checkpoint_deleting(struct checkpoint *checkpoint, const char *path);
void checkpoint_deleted(struct checkpoint *checkpoint); /* none is left to delete */

/* checkpoint_is_durable: the rule above. */
bool checkpoint_is_durable(const struct checkpoint_stream *stream, enum data_kind kind, int64_t sequence,
                           int64_t ts_ms);

/* checkpoint_write: replaces the file atomically. STATUS_IO. */
enum status checkpoint_write(const struct checkpoint *checkpoint, const char *path, bool sync) MUST_USE;

/* checkpoint_read: into a fresh checkpoint. STATUS_NOT_FOUND; STATUS_MALFORMED with the place. */
enum status checkpoint_read(struct checkpoint *checkpoint, const char *path, struct error *error) MUST_USE;
