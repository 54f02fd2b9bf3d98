/* symbol: the whole features service for one symbol as one pure engine.
 *
 * In go the rows of stream harvest/SYMBOL in order, out come the rows of features/SYMBOL in order. A row of harvest
 * first makes due what its watermark_ms allows, then is fed, and a trade then makes due what its watermark_after_ms
 * allows (algorithms.md §1 rules 5, 6, 6a). Due times ascend; at one time StrategyMode's boundary precedes the grid
 * row, which is: what a boundary of the calibration changed, fusion row, events, feature row. Every row's `source` is the sequence of the harvest row at whose
 * processing it was emitted. */
#pragma once

#include "base/buffer.h"
#include "calibration.h"
#include "cvd.h"
#include "events.h"
#include "fusion.h"
#include "grid.h"
#include "ofi.h"
#include "proto/kind.h"
#include "strategy_mode.h"

#include <stdbool.h>
#include <stdint.h>

/* features_config: all that can change a row. grid_ms and max_age_ms are the keys features.*, the tps limits are
 * signal.activity.* (used for the regime while StrategyMode is off). */
struct features_config {
    int64_t grid_ms;
    int64_t max_age_ms;
    struct ofi_config ofi;
    struct cvd_config cvd;
    struct fusion_config fusion;
    struct events_config events;
    struct strategy_mode_config strategy_mode;
    struct calibration_config calibration;
    bool auto_flip; /* eval.auto_flip */
    double active_min_tps;
    double normal_min_tps;
};

struct features_config features_config_default(void);

/* features_config_check: every part's check; STATUS_INVALID with a sentence that names the key. */
enum status features_config_check(const struct features_config *config, struct error *error) MUST_USE;

/* features_sink: takes what a fed row makes. `row` is of message->row_bytes and good during the call only. */
struct features_sink {
    void *context;
    void (*emit)(void *context, const struct message *message, const void *row);
    /* For the log event mode_changed; may be NULL. Not data: the rows say it too. */
    void (*mode_changed)(void *context, const struct mode_change *change);
    /* For the log event calibration, likewise. */
    void (*calibrated)(void *context, const struct calibration_training *training);
};

enum {
    /* BOUNDARIES_MAX: StrategyMode boundaries that one row may make due (11 days of silence at 10 s); of a longer
     * silence the oldest are left out, counted in boundaries_skipped. */
    BOUNDARIES_MAX = 100000,
};

/* features_counters: since the cold start, part of the state. */
struct features_counters {
    int64_t rows; /* emitted, of all kinds */
    int64_t feature_rows;
    int64_t trades;       /* accepted */
    int64_t books;        /* accepted */
    int64_t books_primed; /* those of them that made no ofi row: the first, and the first behind a gap */
    int64_t non_market_trades;
    int64_t invalid_time_trades; /* rows with a time outside 1970…9999 */
    int64_t invalid_time_books;
    int64_t invalid_qty;
    int64_t invalid_price;
    int64_t side_unknown;
    int64_t book_crossed;
    int64_t book_empty;
    int64_t book_duplicate_price;
    int64_t boundaries;
    int64_t boundaries_skipped;
    int64_t events_anomaly_z;
    int64_t events_price_anomaly;
};

struct features_symbol;

/* features_symbol_create: the config must have passed features_config_check; it is copied, but the zone it names is
 * borrowed. */
struct features_symbol *features_symbol_create(const struct features_config *config);
void features_symbol_destroy(struct features_symbol *symbol);

/* features_symbol_feed: one row of harvest (trade_row, book_row, control_row …) with its sequence. Kinds that mean
 * nothing here (quote_audit, event) are passed over. */
void features_symbol_feed(struct features_symbol *symbol, int kind, const void *row, int64_t sequence,
                          const struct features_sink *sink);

/* features_symbol_counter: the index-th counter of operations.md §9, in a fixed order; false behind the last. */
bool features_symbol_counter(const struct features_symbol *symbol, size_t index, const char **out_name,
                             int64_t *out_value);

/* features_gauges: figures of the last rows for the heartbeat; NaN = not measured. */
struct features_gauges {
    struct cvd_diagnostics cvd;
    struct ofi_tail ofi_tail;
};

void features_symbol_gauges(const struct features_symbol *symbol, struct features_gauges *out);

/* features_symbol_save: appends the state but the calibration's rows. features_symbol_load: STATUS_MALFORMED for bytes that
 * are not a state of an engine with this configuration; the engine is then as newly created.
 *
 * features_symbol_table: those rows, memory of a fixed size that is saved as it lies and put in place before
 * features_symbol_load, which judges it. */
void *features_symbol_table(struct features_symbol *symbol, size_t *out_bytes);
void features_symbol_save(const struct features_symbol *symbol, struct buffer *out);
enum status features_symbol_load(struct features_symbol *symbol, struct reader *in) MUST_USE;
