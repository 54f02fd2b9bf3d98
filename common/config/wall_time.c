#include "config/config.h"

#include <math.h>

int64_t config_wall_ms(const struct config *config, double span_ms)
{
    double scaled = floor(span_ms / config_f64(config, "run.time_scale"));
    return scaled < 1 ? 1 : (int64_t)scaled;
}
