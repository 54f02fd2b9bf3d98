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
    const struct platt *old = &training->before, *new = &training->fit;
    log_event(LOG_INFO, "calibration",
              "symbol=%s old=%s new=%s effective_ts_ms=%lld rows=%lld old_a=%.6f old_b=%.6f a=%.6f b=%.6f",
              symbol, CALIBRATION_STATE_NAMES[old->state], CALIBRATION_STATE_NAMES[new->state],
              (long long)training->boundary_ms, (long long)training->n, old->a, old->b, new->a, new->b);
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
