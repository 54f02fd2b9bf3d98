/* ofi: order-flow imbalance of one symbol, one value per accepted book snapshot (algorithms.md §2).
 *
 * After Cont, Kukanov and Stoikov, "The price impact of order book events" (2014), for the best level, and Xu, Gould
 * and Howison, "Multi-level order-flow imbalance" (2019), for the others. Prices are compared as integers. */
#pragma once

#include "base/buffer.h"
#include "proto/book.h"
#include "proto/ofi.h"

#include <stdbool.h>
#include <stdint.h>

/* ofi_config: the keys ofi.*; mode is enum ofi_mode. */
struct ofi_config {
    int mode;
    int levels; /* K, 1…BOOK_LEVELS_MAX */
    double weights[BOOK_LEVELS_MAX];
    int weight_count; /* weights given; the rest count as 0 */
    int z_window;     /* snapshots */
    double ema_alpha;
    double z_clip; /* σ; 0 = off */
    int64_t gap_reset_ms;
    bool reset_on_day_change; /* UTC day of T */
    double std_floor;         /* base units */
    double soft_clip_k;       /* 0 = off, else k on 1.4826·MAD */
};

struct ofi_config ofi_config_default(void);

/* ofi_config_check: STATUS_INVALID with a sentence that names the key. */
enum status ofi_config_check(const struct ofi_config *config, struct error *error) MUST_USE;

/* What became of a snapshot. The last three are rejects: the state is as before, the snapshot does not exist. */
enum ofi_outcome {
    OFI_ROW,    /* a row was written */
    OFI_PRIMED, /* stored as the previous book; no row */
    OFI_BOOK_CROSSED,
    OFI_BOOK_EMPTY,
    OFI_BOOK_DUPLICATE_PRICE,
    OFI_OUTCOME_COUNT,
};

/* ofi_tail: how often |ofi_z_raw| of the rows since the last reset was above 2 and above 3. */
struct ofi_tail {
    int64_t total_cnt;
    int64_t p_gt2_cnt;
    int64_t p_gt3_cnt;
};

struct ofi_engine;

/* ofi_engine_create: the config must have passed ofi_config_check. */
struct ofi_engine *ofi_engine_create(const struct ofi_config *config);
void ofi_engine_destroy(struct ofi_engine *engine);

/* ofi_engine_feed: one snapshot. With OFI_ROW every field of *out_row is written but source and regime, which are the
 * caller's; otherwise it is untouched. */
enum ofi_outcome ofi_engine_feed(struct ofi_engine *engine, const struct book_row *book,
                                 struct ofi_row *out_row);

struct ofi_tail ofi_engine_tail(const struct ofi_engine *engine);

/* ofi_engine_save, ofi_engine_load: the whole state. A load that fails (in->failed) leaves the engine as created. */
void ofi_engine_save(const struct ofi_engine *engine, struct buffer *out);
void ofi_engine_load(struct ofi_engine *engine, struct reader *in);
