/* events: the event types that features itself raises and that need no pivots (algorithms.md §6.4): anomaly_z on grid
 * rows, price_anomaly on trades. */
#pragma once

#include "base/buffer.h"
#include "proto/event.h"

#include <stdbool.h>
#include <stdint.h>

/* events_config: the keys events.* */
struct events_config {
    double anomaly_z_ofi; /* |ofi_z_raw| above it */
    double anomaly_z_cvd; /* |z_raw| above it */
    double price_jump;    /* |p/p_prev - 1| above it */
    int64_t rearm_ms;
};

struct events_config events_config_default(void);

/* events_config_check: STATUS_INVALID with a sentence that names the key. */
enum status events_config_check(const struct events_config *config, struct error *error) MUST_USE;

enum {
    /* EVENTS_RECENT: event times whose ordinals are remembered, for jumps of several trades in one millisecond. */
    EVENTS_RECENT = 64,
};

/* events_recent: how many price anomalies that millisecond has had. */
struct events_recent {
    int64_t ts_ms;
    int64_t count;
};

struct events_engine {
    struct events_config config;
    bool anomaly;               /* condition at the previous grid row */
    int64_t anomaly_emitted_ms; /* 0 = never */
    double previous_price;      /* 0 = none */
    struct events_recent recent[EVENTS_RECENT];
    int64_t recent_next; /* the slot that is overwritten next */
};

void events_init(struct events_engine *engine, const struct events_config *config);

/* events_grid_row: one evaluation of anomaly_z, NaN for null. True when a row was written (all but source). */
bool events_grid_row(struct events_engine *engine, int64_t ts_ms, double ofi_z_raw, double z_raw,
                     struct event_row *out_row);

/* events_trade: one accepted trade, price > 0. True when a row was written (all but source). */
bool events_trade(struct events_engine *engine, int64_t ts_ms, double price, struct event_row *out_row);

/* events_save, events_load: a load that fails (in->failed) leaves the engine as after events_init. */
void events_save(const struct events_engine *engine, struct buffer *out);
void events_load(struct events_engine *engine, struct reader *in);
