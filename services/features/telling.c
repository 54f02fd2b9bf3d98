#include "telling.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

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

/* telling_direction: of an incident by rule direction_changed; its meta is canonical JSON of ours (incident.c). */
static void telling_direction(const char *symbol, const struct event_row *event)
{
    static const char DIRECTION[] = "\"cvd_direction\":\"flipped\"", EFFECTIVE[] = "\"effective_ts_ms\":";
    const char *effective = strstr(event->meta_json, EFFECTIVE);
    bool flipped = strstr(event->meta_json, DIRECTION) != NULL;
    log_event(LOG_WARNING, "direction_changed",
              "symbol=%s old=%s new=%s effective_ts_ms=%lld incident=%s|events|incident|cvd|%lld|%d", symbol,
              flipped ? "as_is" : "flipped", flipped ? "flipped" : "as_is",
              effective ? strtoll(effective + sizeof EFFECTIVE - 1, NULL, 10) : (long long)event->ts_ms,
              symbol, (long long)event->ts_ms, (int)event->ordinal);
}

void telling_row(const char *symbol, const struct message *message, const void *row)
{
    const struct event_row *event = row;
    if (message != &event_message || event->event_type != EVENT_INCIDENT)
        return;
    if (strstr(event->meta_json, "\"rule\":\"direction_changed\""))
        telling_direction(symbol, event);
    else
        log_event(LOG_WARNING, "incident", "symbol=%s ts_ms=%lld meta=%s", symbol, (long long)event->ts_ms,
                  event->meta_json);
}
