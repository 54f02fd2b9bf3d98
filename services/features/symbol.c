#include "symbol.h"

#include "base/clock.h"
#include "base/memory.h"
#include "evaluation.h"
#include "market/state.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/trade.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATE_TAG = 0x334d5953,
    NOT_DUE = 0,
    /* Without StrategyMode the rate of a late item's own minute is asked for: kept for items up to 2 minutes late. */
    TPS_REACH_MS = 3 * 60000,
};

/* A contract's value beyond this is no value. */
static const double CONTRACT_SIZE_MAX = 1e15;

struct features_symbol {
    struct features_config config;
    struct ofi_engine *ofi;
    struct cvd_engine *cvd;
    struct fusion_engine *fusion;
    struct strategy_mode_engine *strategy;
    struct events_engine events;
    struct evaluation evaluation;
    struct grid grid;
    int64_t first_item_ms;    /* T of the first item fed; 0 = none yet */
    int64_t next_boundary_ms; /* NOT_DUE before the first item and while StrategyMode is off */
    struct features_counters counters;
};

/* feeding: one call of features_symbol_feed. */
struct feeding {
    struct features_symbol *symbol;
    const struct features_sink *sink;
    int64_t source;
};

static struct grid_config grid_config_of(const struct features_config *config)
{
    bool by_tps = !config->strategy_mode.enabled;
    return (struct grid_config){
        .grid_ms = config->grid_ms,
        .max_age_ms = config->max_age_ms,
        .lookback_ms = by_tps ? TPS_REACH_MS : config->strategy_mode.lookback_ms,
    };
}

static void open_engines(struct features_symbol *symbol)
{
    struct grid_config grid = grid_config_of(&symbol->config);
    symbol->ofi = ofi_engine_create(&symbol->config.ofi);
    symbol->cvd = cvd_engine_create(&symbol->config.cvd);
    symbol->fusion = fusion_engine_create(&symbol->config.fusion);
    symbol->strategy = strategy_mode_engine_create(&symbol->config.strategy_mode);
    events_init(&symbol->events, &symbol->config.events);
    evaluation_init(&symbol->evaluation, &symbol->config.calibration, symbol->config.auto_flip);
    grid_init(&symbol->grid, &grid);
    symbol->first_item_ms = 0;
    symbol->next_boundary_ms = NOT_DUE;
    symbol->counters = (struct features_counters){0};
}

static void close_engines(struct features_symbol *symbol)
{
    ofi_engine_destroy(symbol->ofi);
    cvd_engine_destroy(symbol->cvd);
    fusion_engine_destroy(symbol->fusion);
    strategy_mode_engine_destroy(symbol->strategy);
    evaluation_finish(&symbol->evaluation);
    grid_finish(&symbol->grid);
}

struct features_symbol *features_symbol_create(const struct features_config *config)
{
    struct features_symbol *symbol = memory_allocate(sizeof *symbol);
    symbol->config = *config;
    open_engines(symbol);
    return symbol;
}

void features_symbol_destroy(struct features_symbol *symbol)
{
    if (!symbol)
        return;
    close_engines(symbol);
    free(symbol);
}

static void emit(const struct feeding *feeding, const struct message *message, const void *row)
{
    feeding->symbol->counters.rows++;
    feeding->sink->emit(feeding->sink->context, message, row);
}

/* --- what becomes due --- */

static int regime_of_tps(const struct features_config *config, double tps)
{
    if (tps >= config->active_min_tps)
        return REGIME_ACTIVE;
    return tps >= config->normal_min_tps ? REGIME_NORMAL : REGIME_QUIET;
}

/* The mode in force; while StrategyMode is off, by the trade rate at the row's own time. */
static int regime_at(const struct features_symbol *symbol, int64_t ts_ms)
{
    if (!symbol->config.strategy_mode.enabled)
        return regime_of_tps(&symbol->config, grid_tps(&symbol->grid, ts_ms));
    return strategy_mode_engine_mode(symbol->strategy) == MODE_ACTIVE ? REGIME_ACTIVE : REGIME_QUIET;
}

static void close_window(const struct feeding *feeding)
{
    struct features_symbol *symbol = feeding->symbol;
    int64_t boundary_ms = symbol->next_boundary_ms;
    struct strategy_inputs inputs;
    struct strategy_state_row row;
    struct mode_change change;
    grid_strategy_inputs(&symbol->grid, boundary_ms, &inputs);
    inputs.young = boundary_ms - symbol->first_item_ms < symbol->config.strategy_mode.lookback_ms;
    bool changed = strategy_mode_engine_boundary(symbol->strategy, boundary_ms, &inputs, &row, &change);
    row.source = feeding->source;
    symbol->next_boundary_ms += symbol->config.strategy_mode.step_ms;
    symbol->counters.boundaries++;
    emit(feeding, &strategy_state_message, &row);
    if (changed && feeding->sink->mode_changed)
        feeding->sink->mode_changed(feeding->sink->context, &change);
}

static void raise_anomaly(const struct feeding *feeding, const struct feature_row *row)
{
    struct event_row event;
    if (!events_grid_row(&feeding->symbol->events, row->ts_ms, row->ofi_z_raw, row->z_raw, &event))
        return;
    event.source = feeding->source;
    feeding->symbol->counters.events_anomaly_z++;
    emit(feeding, &event_message, &event);
}

static void take_incident(void *context, struct event_row *event)
{
    const struct feeding *feeding = context;
    event->source = feeding->source;
    emit(feeding, &event_message, event);
}

static void take_training(void *context, const struct calibration_training *training)
{
    const struct features_sink *sink = ((const struct feeding *)context)->sink;
    if (sink->calibrated)
        sink->calibrated(sink->context, training);
}

static struct evaluation_sink evaluation_sink_of(struct feeding *feeding)
{
    return (struct evaluation_sink){
        .context = feeding, .incident = take_incident, .calibrated = take_training};
}

/* The row waits for its label; with a watermark longer than the horizon that may be known already. */
static void keep_for_evaluation(struct features_symbol *symbol, const struct feature_row *row)
{
    struct label_snapshot first;
    int64_t since_ms = row->ts_ms + symbol->config.calibration.rule.horizon_ms;
    bool known = history_first_since(&symbol->grid.history, since_ms, &first.ts_ms, &first.mid);
    calibration_feed_row(symbol->evaluation.calibration, row, known ? &first : NULL);
}

static void make_grid_row(struct feeding *feeding, int64_t grid_time_ms)
{
    struct features_symbol *symbol = feeding->symbol;
    struct feature_row row;
    struct fusion_row fused;
    struct grid_quality quality;
    struct evaluation_sink sink = evaluation_sink_of(feeding);
    grid_row(&symbol->grid, grid_time_ms, &row, &quality);
    row.regime = (int8_t)regime_at(symbol, grid_time_ms);
    row.source = feeding->source;
    evaluation_advance(&symbol->evaluation, grid_time_ms, &sink);

    struct fusion_input input = {
        .ts_ms = grid_time_ms,
        .z_ofi = row.z_ofi,
        .z_cvd = row.z_cvd,
        .direction = symbol->evaluation.direction.direction,
        .lag_ms = row.lag_ms,
        .regime = row.regime,
    };
    bool lag_exceeded = fusion_engine_update(symbol->fusion, &input, &fused);
    fused.source = feeding->source;
    fused.calibration_state = (int8_t)calibration_state(symbol->evaluation.calibration);
    fused.proba = calibration_probability(symbol->evaluation.calibration, fused.score);
    row.fusion_score = fused.score;
    row.consistency = fused.consistency;
    row.score_z = fused.score_z;
    grid_complete(&quality, fused.warmup == 1, lag_exceeded, &row);

    emit(feeding, &fusion_message, &fused);
    raise_anomaly(feeding, &row);
    symbol->counters.feature_rows++;
    emit(feeding, &feature_message, &row);
    keep_for_evaluation(symbol, &row);
}

/* After a silence longer than BOUNDARIES_MAX boundaries only the newest ones are worth their rows. */
static void limit_boundaries(struct features_symbol *symbol, int64_t until_ms)
{
    int64_t step_ms = symbol->config.strategy_mode.step_ms;
    int64_t surplus = (until_ms - symbol->next_boundary_ms) / step_ms + 1 - BOUNDARIES_MAX;
    if (symbol->next_boundary_ms == NOT_DUE || surplus <= 0)
        return;
    symbol->next_boundary_ms += surplus * step_ms;
    symbol->counters.boundaries_skipped += surplus;
}

static bool boundary_is_due(const struct features_symbol *symbol, int64_t until_ms)
{
    return symbol->next_boundary_ms != NOT_DUE && symbol->next_boundary_ms <= until_ms;
}

/* Everything due up to that time, ascending; a boundary before the grid row of the same time. */
static void advance(struct feeding *feeding, int64_t until_ms)
{
    struct features_symbol *symbol = feeding->symbol;
    if (until_ms > EVENT_TIME_MAX_MS)
        until_ms = EVENT_TIME_MAX_MS;
    if (until_ms < symbol->grid.next_ms && !boundary_is_due(symbol, until_ms))
        return;
    limit_boundaries(symbol, until_ms);
    for (;;) {
        int64_t grid_time_ms = grid_next(&symbol->grid, until_ms);
        if (boundary_is_due(symbol, until_ms) && symbol->next_boundary_ms <= grid_time_ms)
            close_window(feeding);
        else if (grid_time_ms != NO_GRID_TIME)
            make_grid_row(feeding, grid_time_ms);
        else
            break;
    }
    grid_trim(&symbol->grid, until_ms);
}

/* --- what is fed --- */

/* The first boundary is the first c ≥ T of the first item. */
static void note_item(struct features_symbol *symbol, int64_t ts_ms)
{
    const struct strategy_mode_config *config = &symbol->config.strategy_mode;
    if (symbol->first_item_ms)
        return;
    symbol->first_item_ms = ts_ms;
    if (config->enabled)
        symbol->next_boundary_ms = floor_multiple(ts_ms + config->step_ms - 1, config->step_ms);
}

static void count_book_reject(struct features_counters *counters, enum ofi_outcome outcome)
{
    counters->book_crossed += outcome == OFI_BOOK_CROSSED;
    counters->book_empty += outcome == OFI_BOOK_EMPTY;
    counters->book_duplicate_price += outcome == OFI_BOOK_DUPLICATE_PRICE;
}

static bool mid_is_usable(const struct book_row *book)
{
    return !decimal_is_null(book->best_bid) && !decimal_is_null(book->best_ask) && isfinite(book->mid) &&
           book->mid > 1e-60 && isfinite(book->spread_bps);
}

static void feed_book(const struct feeding *feeding, const struct book_row *book)
{
    struct features_symbol *symbol = feeding->symbol;
    struct ofi_row row;
    enum ofi_outcome outcome =
        mid_is_usable(book) ? ofi_engine_feed(symbol->ofi, book, &row) : OFI_BOOK_EMPTY;
    if (outcome != OFI_ROW && outcome != OFI_PRIMED) {
        count_book_reject(&symbol->counters, outcome);
        return;
    }
    struct grid_book item = {
        .ts_ms = book->ts_ms,
        .best_bid = decimal_double(book->best_bid),
        .best_ask = decimal_double(book->best_ask),
        .mid = book->mid,
        .spread_bps = book->spread_bps,
        .z_ofi = FIELD_NULL_F64,
        .ofi_z_raw = FIELD_NULL_F64,
        .ofi_value = FIELD_NULL_F64,
        .ema_ofi = FIELD_NULL_F64,
        .warmup = 1,
    };
    if (outcome == OFI_ROW) {
        item.z_ofi = row.ofi_z;
        item.ofi_z_raw = row.ofi_z_raw;
        item.ofi_value = row.ofi_value;
        item.ema_ofi = row.ema_ofi;
        item.warmup = row.warmup;
    }
    note_item(symbol, book->ts_ms);
    grid_feed_book(&symbol->grid, &item);
    calibration_feed_book(symbol->evaluation.calibration, book->ts_ms, book->mid);
    symbol->counters.books++;
    symbol->counters.books_primed += outcome == OFI_PRIMED;
    if (outcome == OFI_PRIMED)
        return;
    row.source = feeding->source;
    row.regime = (int8_t)regime_at(symbol, row.ts_ms);
    emit(feeding, &ofi_message, &row);
}

static void count_trade_reject(struct features_counters *counters, enum cvd_outcome outcome)
{
    counters->invalid_qty += outcome == CVD_INVALID_QTY;
    counters->invalid_price += outcome == CVD_INVALID_PRICE;
    counters->side_unknown += outcome == CVD_SIDE_UNKNOWN;
}

/* USD of a trade: COIN-M quantities are contracts of a fixed value. */
static double trade_value_usd(const struct trade_row *trade)
{
    double size = trade->contract_size;
    double quantity = decimal_double(trade->qty);
    return size >= 0 && size <= CONTRACT_SIZE_MAX ? quantity * size : decimal_double(trade->price) * quantity;
}

static void raise_price_anomaly(const struct feeding *feeding, int64_t ts_ms, double price)
{
    struct event_row event;
    if (!events_trade(&feeding->symbol->events, ts_ms, price, &event))
        return;
    event.source = feeding->source;
    feeding->symbol->counters.events_price_anomaly++;
    emit(feeding, &event_message, &event);
}

static void feed_trade(const struct feeding *feeding, const struct trade_row *trade)
{
    struct features_symbol *symbol = feeding->symbol;
    struct cvd_row row;
    enum cvd_outcome outcome = cvd_engine_feed(symbol->cvd, trade, &row);
    if (outcome != CVD_ROW) {
        count_trade_reject(&symbol->counters, outcome);
        return;
    }
    struct grid_trade item = {
        .ts_ms = trade->ts_ms,
        .price = decimal_double(trade->price),
        .z_cvd = row.z_cvd,
        .z_raw = row.z_raw,
        .cvd = row.cvd,
        .floor_used = row.floor_used == FIELD_NULL_BOOL ? FIELD_NULL_F64 : row.floor_used,
        .warmup = row.warmup,
        .frozen = row.frozen,
    };
    note_item(symbol, trade->ts_ms);
    grid_feed_trade(&symbol->grid, &item, trade_value_usd(trade));
    symbol->counters.trades++;
    row.source = feeding->source;
    row.regime = (int8_t)regime_at(symbol, row.ts_ms);
    emit(feeding, &cvd_message, &row);
    raise_price_anomaly(feeding, trade->ts_ms, item.price);
}

static void take_book(struct feeding *feeding, const struct book_row *book)
{
    advance(feeding, book->watermark_ms);
    if (event_time_valid(book->ts_ms))
        feed_book(feeding, book);
    else
        feeding->symbol->counters.invalid_time_books++;
}

static void take_trade(struct feeding *feeding, const struct trade_row *trade)
{
    advance(feeding, trade->watermark_ms);
    if (!event_time_valid(trade->ts_ms))
        feeding->symbol->counters.invalid_time_trades++;
    else if (trade->is_market == 0)
        feeding->symbol->counters.non_market_trades++;
    else
        feed_trade(feeding, trade);
    advance(feeding, trade->watermark_after_ms);
}

/* At the end of a stream every time up to C is due; then the row itself goes on. */
static void take_control(struct feeding *feeding, const struct control_row *control)
{
    struct control_row passed = *control;
    struct evaluation_sink sink = evaluation_sink_of(feeding);
    if (control->action == CONTROL_END_OF_STREAM)
        advance(feeding, control->ts_ms);
    evaluation_control(&feeding->symbol->evaluation, control, &sink);
    passed.source = feeding->source;
    emit(feeding, &control_message, &passed);
}

void features_symbol_feed(struct features_symbol *symbol, int kind, const void *row, int64_t sequence,
                          const struct features_sink *sink)
{
    struct feeding feeding = {.symbol = symbol, .sink = sink, .source = sequence};
    switch (kind) {
    case ROW_BOOK: take_book(&feeding, row); break;
    case ROW_TRADE: take_trade(&feeding, row); break;
    case ROW_CONTROL: take_control(&feeding, row); break;
    default: break;
    }
}

/* --- counters, gauges, state --- */

#define COUNTER(member)                                     \
    {                                                       \
#member, offsetof(struct features_counters, member) \
    }
static const struct {
    const char *name;
    size_t offset;
} COUNTERS[] = {
    COUNTER(rows),
    COUNTER(feature_rows),
    COUNTER(trades),
    COUNTER(books),
    COUNTER(non_market_trades),
    COUNTER(books_primed),
    COUNTER(invalid_time_trades),
    COUNTER(invalid_time_books),
    COUNTER(invalid_qty),
    COUNTER(invalid_price),
    COUNTER(side_unknown),
    COUNTER(book_crossed),
    COUNTER(book_empty),
    COUNTER(book_duplicate_price),
    COUNTER(boundaries),
    COUNTER(boundaries_skipped),
    COUNTER(events_anomaly_z),
    COUNTER(events_price_anomaly),
};
enum { COUNTER_COUNT = sizeof COUNTERS / sizeof COUNTERS[0] };

/* Those that the parts keep themselves. */
static bool part_counter(const struct features_symbol *symbol, size_t index, const char **out_name,
                         int64_t *out_value)
{
    struct fusion_counters fusion = fusion_engine_counters(symbol->fusion);
    struct calibration_counters calibration = calibration_counters(symbol->evaluation.calibration);
    const struct {
        const char *name;
        int64_t value;
    } counters[] = {
        {"late_for_grid", symbol->grid.late_for_grid},
        {"grid_rows_skipped", grid_rows_skipped(&symbol->grid)},
        {"market_unknown", strategy_mode_engine_market_unknown(symbol->strategy)},
        {"window_overflowed", grid_window_overflowed(&symbol->grid)},
        {"total_updates", fusion.total_updates},
        {"warmup_returns", fusion.warmup_returns},
        {"invalid_inputs", fusion.invalid_inputs},
        {"lag_exceeded", fusion.lag_exceeded},
        {"downgrades", fusion.downgrades},
        {"cooldown_blocks", fusion.cooldown_blocks},
        {"min_duration_blocks", fusion.min_duration_blocks},
        {"flip_rearm", fusion.flip_rearm},
        {"adaptive_cooldown_used", fusion.adaptive_cooldown_used},
        {"evaluation_rows", calibration.rows},
        {"evaluation_labeled", calibration.labeled},
        {"evaluation_ties", calibration.ties},
        {"evaluation_unlabeled", calibration.unlabeled},
        {"calibration_boundaries", calibration.boundaries},
        {"direction_flips", symbol->evaluation.direction.flips},
        {"incidents", symbol->evaluation.incidents.count},
    };
    if (index >= sizeof counters / sizeof counters[0])
        return false;
    *out_name = counters[index].name;
    *out_value = counters[index].value;
    return true;
}

bool features_symbol_counter(const struct features_symbol *symbol, size_t index, const char **out_name,
                             int64_t *out_value)
{
    if (index >= COUNTER_COUNT)
        return part_counter(symbol, index - COUNTER_COUNT, out_name, out_value);
    *out_name = COUNTERS[index].name;
    memcpy(out_value, (const char *)&symbol->counters + COUNTERS[index].offset, sizeof *out_value);
    return true;
}

void features_symbol_gauges(const struct features_symbol *symbol, struct features_gauges *out)
{
    cvd_engine_diagnostics(symbol->cvd, &out->cvd);
    out->ofi_tail = ofi_engine_tail(symbol->ofi);
}

void features_symbol_save(const struct features_symbol *symbol, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, symbol->first_item_ms);
    buffer_append_i64(out, symbol->next_boundary_ms);
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        buffer_append(out, (const char *)&symbol->counters + COUNTERS[i].offset, sizeof(int64_t));
    ofi_engine_save(symbol->ofi, out);
    cvd_engine_save(symbol->cvd, out);
    fusion_engine_save(symbol->fusion, out);
    strategy_mode_engine_save(symbol->strategy, out);
    events_save(&symbol->events, out);
    evaluation_save(&symbol->evaluation, out);
    grid_save(&symbol->grid, out);
}

void *features_symbol_table(struct features_symbol *symbol, size_t *out_bytes)
{
    return calibration_table(symbol->evaluation.calibration, out_bytes);
}

static void load_own(struct features_symbol *symbol, struct reader *in)
{
    int64_t step_ms = symbol->config.strategy_mode.step_ms;
    state_expect(in, STATE_TAG);
    symbol->first_item_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    symbol->next_boundary_ms = state_take_between(in, NOT_DUE, EVENT_TIME_MAX_MS + step_ms);
    if (symbol->next_boundary_ms % step_ms != 0 ||
        (symbol->next_boundary_ms != NOT_DUE && !symbol->config.strategy_mode.enabled))
        in->failed = true;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        int64_t value = state_take_count(in);
        memcpy((char *)&symbol->counters + COUNTERS[i].offset, &value, sizeof value);
    }
}

enum status features_symbol_load(struct features_symbol *symbol, struct reader *in)
{
    load_own(symbol, in);
    ofi_engine_load(symbol->ofi, in);
    cvd_engine_load(symbol->cvd, in);
    fusion_engine_load(symbol->fusion, in);
    strategy_mode_engine_load(symbol->strategy, in);
    events_load(&symbol->events, in);
    evaluation_load(&symbol->evaluation, in);
    grid_load(&symbol->grid, in);
    if (!in->failed)
        return STATUS_OK;
    close_engines(symbol);
    open_engines(symbol);
    return STATUS_MALFORMED;
}
