/* event: something worth a row of its own (algorithms.md §6.4); its data set is kind=events. */
#pragma once

#include "proto/kind.h"

/* event_row: row_id is SYM|events|<event_type>|<channel>|<ts_ms>|<ordinal>. */
struct event_row {
    int64_t ts_ms;
    int64_t source;
    int8_t event_type; /* enum event_type */
    int64_t detected_ts_ms;
    int64_t pivot_ts_ms;
    int8_t channel; /* enum event_channel */
    int8_t direction; /* enum event_direction */
    double event_score;
    int8_t strength; /* enum event_strength */
    char meta_json[META_BYTES];
    int32_t ordinal;
};
extern const struct message event_message;
