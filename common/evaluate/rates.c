#include "evaluate/rates.h"

#include <math.h>

void rates_add(struct rates *rates, const struct cvd_row *row, double winsor_limit)
{
    if (isnan(row->z_raw))
        return;
    rates->n++;
    rates->floor_used += row->floor_used == 1;
    rates->winsorised += fabs(row->z_raw) > winsor_limit;
}

static double share(int64_t count, int64_t n)
{
    return n ? (double)count / (double)n : NAN;
}

double rates_floor_hit(const struct rates *rates)
{
    return share(rates->floor_used, rates->n);
}

double rates_winsor_hit(const struct rates *rates)
{
    return share(rates->winsorised, rates->n);
}
