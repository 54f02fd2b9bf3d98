/* direction: whether z_cvd speaks for or against a rise (algorithms.md §11): z_cvd' = d·z_cvd.
 *
 * At a boundary of the calibration d may be turned round by what its training rows say; people or gates may lock it. More
 * than two turns in 24 h lock it by themselves. Every turn, lock and unlock is an incident. */
#pragma once

#include "base/buffer.h"
#include "calibration.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stdint.h>

enum { DIRECTION_FLIPS_MAX = 2, DIRECTION_ROWS_MIN = 1000 };

struct direction_engine {
    bool auto_flip; /* eval.auto_flip */
    int direction;  /* enum cvd_direction */
    bool locked;
    int64_t flips_ms[DIRECTION_FLIPS_MAX + 1]; /* the newest, oldest first; 0 = none */
    int64_t flips;                             /* ever */
};

/* direction_change: what a boundary or a control did; both may be so. */
struct direction_change {
    bool flipped;
    bool locked_changed;
};

void direction_init(struct direction_engine *engine, bool auto_flip);

/* direction_boundary: what holds for grid times from training->boundary_ms on. */
struct direction_change direction_boundary(struct direction_engine *engine,
                                           const struct calibration_training *training);

/* direction_lock: by people or gates; nothing changes when it is so already. */
struct direction_change direction_lock(struct direction_engine *engine, bool locked);

/* direction_save, direction_load: a load that fails (in->failed) leaves it as after direction_init. */
void direction_save(const struct direction_engine *engine, struct buffer *out);
void direction_load(struct direction_engine *engine, struct reader *in);
