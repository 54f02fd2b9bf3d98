#include "evaluation.h"

#include "market/state.h"

void evaluation_init(struct evaluation *evaluation, const struct calibration_config *config, bool auto_flip)
{
    *evaluation = (struct evaluation){.calibration = calibration_create(config)};
    direction_init(&evaluation->direction, auto_flip);
}

void evaluation_finish(struct evaluation *evaluation)
{
    calibration_destroy(evaluation->calibration);
    evaluation->calibration = NULL;
}

static void raise(struct evaluation *evaluation, const struct incident *incident,
                  const struct evaluation_sink *sink)
{
    struct event_row event;
    incidents_write(&evaluation->incidents, incident, &event);
    sink->incident(sink->context, &event);
}

static void tell(struct evaluation *evaluation, const struct direction_change *change,
                 struct incident incident, const struct evaluation_sink *sink)
{
    const struct direction_engine *direction = &evaluation->direction;
    incident.direction = direction->direction;
    if (change->flipped) {
        incident.rule = INCIDENT_DIRECTION_CHANGED;
        raise(evaluation, &incident, sink);
    }
    if (change->locked_changed) {
        incident.rule = direction->locked ? INCIDENT_DIRECTION_LOCKED : INCIDENT_DIRECTION_UNLOCKED;
        raise(evaluation, &incident, sink);
    }
}

void evaluation_advance(struct evaluation *evaluation, int64_t grid_time_ms,
                        const struct evaluation_sink *sink)
{
    struct calibration_training training;
    while (calibration_advance(evaluation->calibration, grid_time_ms, &training)) {
        struct direction_change change = direction_boundary(&evaluation->direction, &training);
        if (sink->calibrated)
            sink->calibrated(sink->context, &training);
        tell(evaluation, &change,
             (struct incident){
                 .ts_ms = grid_time_ms, .effective_ms = training.boundary_ms, .origin = INCIDENT_BY_RULE},
             sink);
    }
}

static void lock(struct evaluation *evaluation, int64_t ts_ms, bool locked,
                 const struct evaluation_sink *sink)
{
    struct direction_change change = direction_lock(&evaluation->direction, locked);
    if (event_time_valid(ts_ms))
        tell(evaluation, &change,
             (struct incident){.ts_ms = ts_ms, .effective_ms = ts_ms, .origin = INCIDENT_BY_CONTROL}, sink);
}

void evaluation_control(struct evaluation *evaluation, const struct control_row *control,
                        const struct evaluation_sink *sink)
{
    switch (control->decision) {
    case DECISION_SUSPEND_CALIBRATION: calibration_suspend(evaluation->calibration, true); break;
    case DECISION_RESUME_CALIBRATION: calibration_suspend(evaluation->calibration, false); break;
    case DECISION_LOCK_DIRECTION: lock(evaluation, control->ts_ms, true, sink); break;
    case DECISION_UNLOCK_DIRECTION: lock(evaluation, control->ts_ms, false, sink); break;
    default: break; /* none, or for another service */
    }
}

void evaluation_save(const struct evaluation *evaluation, struct buffer *out)
{
    calibration_save(evaluation->calibration, out);
    direction_save(&evaluation->direction, out);
    incidents_save(&evaluation->incidents, out);
}

void evaluation_load(struct evaluation *evaluation, struct reader *in)
{
    calibration_load(evaluation->calibration, in);
    direction_load(&evaluation->direction, in);
    incidents_load(&evaluation->incidents, in);
}
