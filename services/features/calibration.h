/* calibration: from fusion scores to probabilities, fitted anew at every boundary on the rows before it (algorithms.md §9,
 * §10.4).
 *
 * Boundaries b are multiples of test_ms of event time. What holds for g in [b, b + test_ms) is fitted on the evaluation
 * rows of [b - train_ms, b) whose labels were decided before b, so no row is scored by a fit that has seen it. Rows wait
 * for their label in `pending` and then move into a table, one slot per step of time, which is saved apart from the rest
 * (stage.h, symbol_table): it is hours long, and a step changes 24 bytes of it. */
#pragma once

#include "base/buffer.h"
#include "evaluate/auc.h"
#include "evaluate/label.h"
#include "evaluate/platt.h"
#include "proto/feature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CALIBRATION_ROWS_MAX = 100000 }; /* of a training window; configurations with more are refused */

/* calibration_config: of the keys eval.*: rule is the primary horizon with tol_ms. */
struct calibration_config {
    int64_t step_ms;
    int64_t train_ms;
    int64_t test_ms;
    struct label_rule rule;
    bool wants_auc; /* of z_cvd, for the direction */
};

struct calibration_config calibration_config_default(void);

/* calibration_config_check: STATUS_INVALID with a sentence that names the key. */
enum status calibration_config_check(const struct calibration_config *config, int64_t grid_ms,
                                     struct error *error) MUST_USE;

/* calibration_counters: evaluation rows since the cold start, and what became of them; boundaries fitted at. */
struct calibration_counters {
    int64_t rows;
    int64_t labeled;
    int64_t ties;
    int64_t unlabeled;
    int64_t boundaries;
};

/* calibration_training: what a boundary found; cvd is of z_cvd (its value NaN when unknown or not wanted). */
struct calibration_training {
    int64_t boundary_ms;
    int64_t n;
    struct platt before, fit; /* what held until then, and holds from there */
    struct auc cvd;
};

struct calibration;

struct calibration *calibration_create(const struct calibration_config *config); /* a checked one */
void calibration_destroy(struct calibration *calibration);

/* calibration_feed_book: an accepted snapshot; T never falls. */
void calibration_feed_book(struct calibration *calibration, int64_t ts_ms, double mid);

/* calibration_feed_row: a complete feature row; `first` is the first snapshot accepted already with T ≥ t + horizon, NULL
 * when there is none yet. */
void calibration_feed_row(struct calibration *calibration, const struct feature_row *row,
                          const struct label_snapshot *first);

/* calibration_advance: to the next boundary not after the grid time; false when there is none. The first row's time sets
 * the first boundary, behind it. Call it until false before a row's fusion is completed. */
bool calibration_advance(struct calibration *calibration, int64_t grid_time_ms,
                         struct calibration_training *out_training);

/* calibration_suspend: until it is taken back no probabilities are given; fits go on. */
void calibration_suspend(struct calibration *calibration, bool suspended);

/* calibration_state: enum calibration_state as rows show it. calibration_probability: NaN unless that is active. */
int calibration_state(const struct calibration *calibration);
double calibration_probability(const struct calibration *calibration, double score);

struct calibration_counters calibration_counters(const struct calibration *calibration);

/* calibration_table: the part of the state that is saved as it lies; of one size for one configuration.
 * calibration_save, calibration_load: the rest of it. A load that fails (in->failed) leaves it as created. The table
 * must be in place before. */
void *calibration_table(struct calibration *calibration, size_t *out_bytes);
void calibration_save(const struct calibration *calibration, struct buffer *out);
void calibration_load(struct calibration *calibration, struct reader *in);
