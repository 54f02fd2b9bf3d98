/* label: what a score is measured against (algorithms.md §9): did the mid price rise within the horizon?
 *
 * Row time t and horizon h: p(t) is the mid of the row, p(t+h) that of the first accepted snapshot with
 * t+h ≤ T ≤ t+h+tol (forward as-of), so the label of t reads nothing later than t+h+tol. Times are event time in ms,
 * snapshots come in the order accepted, in which T never falls. Pure: no clock, nothing allocated. */
#pragma once

#include "proto/feature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* label_rule: one horizon; tol_ms is eval.tol_ms. */
struct label_rule {
    int64_t horizon_ms;
    int64_t tol_ms;
};

/* label: only LABEL_DOWN and LABEL_UP are values of an outcome; ties are dropped, rows without a price counted. */
enum label {
    LABEL_DOWN = 0,
    LABEL_UP = 1,
    LABEL_TIE,     /* both prices are the same double */
    LABEL_UNKNOWN, /* no snapshot in [t+h, t+h+tol] */
};

/* label_snapshot: an accepted snapshot; mid > 0. */
struct label_snapshot {
    int64_t ts_ms;
    double mid;
};

/* label_is_evaluation_row: whether a feature row is evaluated: on the step, warmed up, both inputs fresh and valid, and
 * its own mid not older than tol_ms. */
bool label_is_evaluation_row(const struct feature_row *row, int64_t step_ms, int64_t tol_ms);

/* label_of: of two prices. */
enum label label_of(double price, double price_later);

/* label_from_first: from the first snapshot with T ≥ t+h, wherever it lies; *out_return (may be NULL) is
 * p(t+h)/p(t) - 1, NaN when the label is unknown. */
enum label label_from_first(const struct label_rule *rule, int64_t t_ms, double price,
                            const struct label_snapshot *first, double *out_return);

/* label_all: labels of `count` rows ascending in time, against snapshots ascending in time. out_returns may be NULL. */
void label_all(const struct label_rule *rule, const int64_t *t_ms, const double *prices, size_t count,
               const struct label_snapshot *snapshots, size_t snapshot_count, uint8_t *out_labels,
               double *out_returns);

/* label_in_window: the embargo: a row belongs to the training window [begin, end) only if all its label may read lies
 * before the end. */
bool label_in_window(const struct label_rule *rule, int64_t t_ms, int64_t begin_ms, int64_t end_ms);

/* label_outcomes: n_eff, the number of distinct floor(t/h) among rows ascending in time: about so many of their outcomes do
 * not overlap. */
int64_t label_outcomes(const int64_t *t_ms, size_t count, int64_t horizon_ms);
