/* rates: how often CVD's scale stands on its floor and its z on its clip (algorithms.md §10.8), over the cvd rows that
 * have a z_raw. */
#pragma once

#include "proto/cvd.h"

#include <stdint.h>

struct rates {
    int64_t n; /* rows with z_raw */
    int64_t floor_used;
    int64_t winsorised; /* |z_raw| > winsor_limit */
};

/* rates_add: one cvd row; winsor_limit is the cvd.winsor_limit of its symbol. */
void rates_add(struct rates *rates, const struct cvd_row *row, double winsor_limit);

/* rates_floor_hit, rates_winsor_hit: sigma_floor_hit_rate and winsor_hit_rate; NaN (UNKNOWN) without rows. */
double rates_floor_hit(const struct rates *rates);
double rates_winsor_hit(const struct rates *rates);
