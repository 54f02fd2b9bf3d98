/* evaluation: what a symbol learns from its own rows, and what people or gates decide about that: the calibration of the
 * fusion score (calibration.h) and the direction of CVD (direction.h), with the incidents both give rise to. */
#pragma once

#include "calibration.h"
#include "direction.h"
#include "incident.h"
#include "proto/control.h"

struct evaluation {
    struct calibration *calibration;
    struct direction_engine direction;
    struct incidents incidents;
};

/* evaluation_sink: takes what a boundary or a control gives rise to. The event lacks its source. `calibrated` may be NULL. */
struct evaluation_sink {
    void *context;
    void (*incident)(void *context, struct event_row *event);
    void (*calibrated)(void *context, const struct calibration_training *training);
};

void evaluation_init(struct evaluation *evaluation, const struct calibration_config *config, bool auto_flip);
void evaluation_finish(struct evaluation *evaluation);

/* evaluation_advance: passes the boundaries up to a grid row, before its fusion. */
void evaluation_advance(struct evaluation *evaluation, int64_t grid_time_ms,
                        const struct evaluation_sink *sink);

/* evaluation_control: what was decided holds from here on. Before the symbol's first item there is no event time at which a
 * lock could be told: it holds, and only the control row says so. */
void evaluation_control(struct evaluation *evaluation, const struct control_row *control,
                        const struct evaluation_sink *sink);

/* evaluation_save, evaluation_load: a load that fails (in->failed) leaves it as after evaluation_init. The calibration's
 * table must be in place before. */
void evaluation_save(const struct evaluation *evaluation, struct buffer *out);
void evaluation_load(struct evaluation *evaluation, struct reader *in);
