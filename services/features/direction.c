#include "direction.h"

#include "market/state.h"

#include <math.h>
#include <string.h>

enum { STATE_TAG = 0x31524944, HOUR_MS = 3600000, REST_MS = 6 * HOUR_MS, DAY_MS = 24 * HOUR_MS };

static const double GAIN_MIN = 0.04;

void direction_init(struct direction_engine *engine, bool auto_flip)
{
    *engine = (struct direction_engine){.auto_flip = auto_flip, .direction = CVD_AS_IS};
}

/* AUC(d'·z) - AUC(d·z), d' the other direction; NaN when it is unknown. */
static double gain_of(const struct direction_engine *engine, double auc)
{
    double same = engine->direction == CVD_AS_IS ? auc : 1 - auc;
    return (1 - same) - same;
}

static bool may_flip(const struct direction_engine *engine, int64_t boundary_ms)
{
    int64_t last_ms = engine->flips_ms[DIRECTION_FLIPS_MAX];
    return engine->auto_flip && !engine->locked && (last_ms == 0 || boundary_ms - last_ms >= REST_MS);
}

static void flip(struct direction_engine *engine, int64_t boundary_ms)
{
    engine->direction = engine->direction == CVD_AS_IS ? CVD_FLIPPED : CVD_AS_IS;
    memmove(&engine->flips_ms[0], &engine->flips_ms[1], DIRECTION_FLIPS_MAX * sizeof engine->flips_ms[0]);
    engine->flips_ms[DIRECTION_FLIPS_MAX] = boundary_ms;
    engine->flips++;
}

struct direction_change direction_boundary(struct direction_engine *engine,
                                           const struct calibration_training *training)
{
    struct direction_change change = {0};
    if (!may_flip(engine, training->boundary_ms) || training->n < DIRECTION_ROWS_MIN ||
        !(gain_of(engine, training->cvd.value) > GAIN_MIN))
        return change;
    flip(engine, training->boundary_ms);
    change.flipped = true;
    int64_t oldest_ms = engine->flips_ms[0]; /* of one more than are allowed in 24 h */
    if (oldest_ms && training->boundary_ms - oldest_ms < DAY_MS)
        change.locked_changed = engine->locked = true;
    return change;
}

struct direction_change direction_lock(struct direction_engine *engine, bool locked)
{
    struct direction_change change = {.locked_changed = engine->locked != locked};
    engine->locked = locked;
    return change;
}

void direction_save(const struct direction_engine *engine, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, engine->direction);
    buffer_append_i64(out, engine->locked);
    buffer_append(out, engine->flips_ms, sizeof engine->flips_ms);
    buffer_append_i64(out, engine->flips);
}

void direction_load(struct direction_engine *engine, struct reader *in)
{
    int64_t previous_ms = 0;
    state_expect(in, STATE_TAG);
    engine->direction = (int)state_take_between(in, CVD_AS_IS, CVD_FLIPPED);
    engine->locked = state_take_flag(in);
    for (size_t i = 0; i <= DIRECTION_FLIPS_MAX; i++)
        previous_ms = engine->flips_ms[i] = state_take_between(in, previous_ms, EVENT_TIME_MAX_MS);
    engine->flips = state_take_count(in);
    if (in->failed)
        direction_init(engine, engine->auto_flip);
}
