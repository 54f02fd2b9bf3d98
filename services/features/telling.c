#include "telling.h"

#include "base/log.h"

void telling_mode(const char *symbol, const struct mode_change *change)
{
    log_event(LOG_INFO, "mode_changed", "symbol=%s from=%s to=%s reason=%s ts_ms=%lld", symbol,
              STRATEGY_MODE_NAMES[change->from], STRATEGY_MODE_NAMES[change->to], change->reason,
              (long long)change->ts_ms);
}

void telling_calibration(const char *symbol, const struct calibration_training *training)
{
    log_event(LOG_INFO, "calibration", "symbol=%s effective_ts_ms=%lld state=%s rows=%lld a=%.6f b=%.6f",
              symbol, (long long)training->boundary_ms, CALIBRATION_STATE_NAMES[training->fit.state],
              (long long)training->n, training->fit.a, training->fit.b);
}

void telling_row(const char *symbol, const struct message *message, const void *row)
{
    const struct event_row *event = row;
    if (message == &event_message && event->event_type == EVENT_INCIDENT)
        log_event(LOG_WARNING, "incident", "symbol=%s ts_ms=%lld meta=%s", symbol, (long long)event->ts_ms,
                  event->meta_json);
}
