#include "grid.h"

#include "base/clock.h"
#include "fusion.h"
#include "market/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_TAG = 0x44495247, MINUTE_MS = 60000, SECOND_MS = 1000 };

enum status grid_config_check(const struct grid_config *config, struct error *error)
{
    if (config->grid_ms < 1 || config->grid_ms > SECOND_MS || SECOND_MS % config->grid_ms != 0)
        return error_set(error, STATUS_INVALID, "features.grid_ms: must divide 1000");
    if (config->max_age_ms < 0 || config->max_age_ms > EVENT_TIME_MAX_MS)
        return error_set(error, STATUS_INVALID, "features.max_age_ms: must not be negative");
    return STATUS_OK;
}

static void set_cold(struct grid *grid)
{
    timeline_clear(&grid->books);
    timeline_clear(&grid->trades);
    history_clear(&grid->history);
    grid->next_ms = grid->config.grid_ms;
    grid->first_row_ms = grid->last_row_ms = grid->rows = grid->late_for_grid = 0;
}

void grid_init(struct grid *grid, const struct grid_config *config)
{
    *grid = (struct grid){.config = *config};
    timeline_init(&grid->books, sizeof(struct grid_book) / sizeof(uint64_t));
    timeline_init(&grid->trades, sizeof(struct grid_trade) / sizeof(uint64_t));
    history_init(&grid->history, config->lookback_ms);
    set_cold(grid);
}

void grid_finish(struct grid *grid)
{
    timeline_finish(&grid->books);
    timeline_finish(&grid->trades);
    history_finish(&grid->history);
}

void grid_feed_book(struct grid *grid, const struct grid_book *book)
{
    grid->late_for_grid += book->ts_ms <= grid->last_row_ms;
    timeline_supersede(&grid->books, book);
    history_feed_book(&grid->history, book->ts_ms, book->mid, book->spread_bps);
}

void grid_feed_trade(struct grid *grid, const struct grid_trade *trade, double value_usd)
{
    grid->late_for_grid += trade->ts_ms <= grid->last_row_ms;
    timeline_supersede(&grid->trades, trade);
    history_feed_trade(&grid->history, trade->ts_ms, value_usd);
}

/* The item in force at that time; NULL before the first. */
static const void *in_force(const struct timeline *items, int64_t t_ms)
{
    size_t count = timeline_until(items, t_ms);
    return count ? timeline_at(items, count - 1) : NULL;
}

/* T of the first item after that time, NO_GRID_TIME if none. */
static int64_t following_ms(const struct timeline *items, int64_t t_ms)
{
    size_t index = timeline_until(items, t_ms);
    return index < items->count ? timeline_ts_ms(items, index) : NO_GRID_TIME;
}

static bool has_row(const struct grid *grid, int64_t g)
{
    const struct grid_book *book = in_force(&grid->books, g);
    const struct grid_trade *trade = in_force(&grid->trades, g);
    int64_t max_age_ms = grid->config.max_age_ms;
    return book && trade && (g - book->ts_ms <= max_age_ms || g - trade->ts_ms <= max_age_ms);
}

/* In silence nothing can change before the next item comes into force. */
static void pass_silence(struct grid *grid, int64_t until_ms)
{
    int64_t step = grid->config.grid_ms, g = grid->next_ms;
    int64_t book_ms = following_ms(&grid->books, g), trade_ms = following_ms(&grid->trades, g);
    int64_t item_ms = book_ms < trade_ms ? book_ms : trade_ms;
    if (item_ms > until_ms)
        grid->next_ms = floor_multiple(until_ms, step) + step;
    else
        grid->next_ms = floor_multiple(item_ms + step - 1, step);
}

int64_t grid_next(struct grid *grid, int64_t until_ms)
{
    while (grid->next_ms <= until_ms) {
        if (has_row(grid, grid->next_ms))
            return grid->next_ms;
        pass_silence(grid, until_ms);
    }
    return NO_GRID_TIME;
}

static int8_t nullable_flag(double flag)
{
    return isnan(flag) ? FIELD_NULL_BOOL : flag > 0;
}

static void fill_book(const struct grid_book *book, bool stale, struct feature_row *row)
{
    row->mid = book->mid;
    row->best_bid = book->best_bid;
    row->best_ask = book->best_ask;
    row->spread_bps = book->spread_bps;
    row->z_ofi = stale ? FIELD_NULL_F64 : book->z_ofi;
    row->ofi_z_raw = book->ofi_z_raw;
    row->ofi_value = book->ofi_value;
    row->ema_ofi = book->ema_ofi;
}

static void fill_trade(const struct grid_trade *trade, bool stale, struct feature_row *row)
{
    row->price = trade->price;
    row->z_cvd = stale || trade->frozen > 0 ? FIELD_NULL_F64 : trade->z_cvd;
    row->z_raw = trade->z_raw;
    row->cvd = trade->cvd;
    row->floor_used = nullable_flag(trade->floor_used);
}

static void fill_rates(struct grid *grid, int64_t g, struct feature_row *row)
{
    int64_t trades;
    history_minute(&grid->history, g, &trades, &row->volume_usd);
    row->trade_rate = (double)trades;
    row->tps = (double)trades / 60;
    row->quote_rate = (double)history_quotes(&grid->history, g, MINUTE_MS) / 60;
    row->realized_vol_bps = history_volatility_bps(&grid->history, g);
    row->return_1s = row->mid / history_mid(&grid->history, g - SECOND_MS) - 1;
}

void grid_row(struct grid *grid, int64_t grid_time_ms, struct feature_row *out_row,
              struct grid_quality *out_quality)
{
    const struct grid_book *book = in_force(&grid->books, grid_time_ms);
    const struct grid_trade *trade = in_force(&grid->trades, grid_time_ms);
    int64_t g = grid_time_ms, max_age_ms = grid->config.max_age_ms;
    *out_row = (struct feature_row){
        .ts_ms = g,
        .div_type = FIELD_NULL_ENUM,
        .age_ofi_ms = g - book->ts_ms,
        .age_cvd_ms = g - trade->ts_ms,
        .lag_ms = llabs(book->ts_ms - trade->ts_ms),
        .warmup = book->warmup > 0 || trade->warmup > 0,
    };
    out_row->lag_sec = (double)out_row->lag_ms / 1000.0;
    *out_quality = (struct grid_quality){
        .stale_ofi = out_row->age_ofi_ms > max_age_ms,
        .stale_cvd = out_row->age_cvd_ms > max_age_ms,
        .cvd_frozen = trade->frozen > 0,
    };
    fill_book(book, out_quality->stale_ofi, out_row);
    fill_trade(trade, out_quality->stale_cvd, out_row);
    fill_rates(grid, g, out_row);
    out_row->dispersion = fusion_dispersion(out_row->z_ofi, out_row->z_cvd);
    out_row->sign_agree = fusion_sign_agree(out_row->z_ofi, out_row->z_cvd);

    grid->next_ms = g + grid->config.grid_ms;
    grid->last_row_ms = g;
    grid->first_row_ms = grid->first_row_ms ? grid->first_row_ms : g;
    grid->rows++;
}

static size_t append_code(char *text, size_t length, const char *code)
{
    size_t bytes = strlen(code);
    if (length > 0)
        text[length++] = ',';
    memcpy(text + length, code, bytes + 1);
    return length + bytes;
}

void grid_complete(const struct grid_quality *quality, bool fusion_warmup, bool lag_exceeded,
                   struct feature_row *row)
{
    size_t length = 0;
    row->warmup |= fusion_warmup;
    if (quality->stale_ofi)
        length = append_code(row->reason_codes, length, "stale_ofi");
    if (quality->stale_cvd)
        length = append_code(row->reason_codes, length, "stale_cvd");
    if (quality->cvd_frozen)
        length = append_code(row->reason_codes, length, "cvd_frozen");
    if (length == 0 && !row->warmup && (isnan(row->z_ofi) || isnan(row->z_cvd)))
        length = append_code(row->reason_codes, length, "invalid_input");
    if (lag_exceeded)
        append_code(row->reason_codes, length, "lag_exceeded");
}

double grid_tps(const struct grid *grid, int64_t t_ms)
{
    return (double)history_trades(&grid->history, t_ms, MINUTE_MS) / 60;
}

void grid_strategy_inputs(struct grid *grid, int64_t boundary_ms, struct strategy_inputs *out_inputs)
{
    int64_t lookback_ms = grid->config.lookback_ms, trades;
    double volume_usd;
    history_over(&grid->history, boundary_ms, lookback_ms, &trades, &volume_usd);
    int64_t quotes = history_quotes(&grid->history, boundary_ms, lookback_ms);
    *out_inputs = (struct strategy_inputs){
        .trades_per_min = (double)trades * MINUTE_MS / (double)lookback_ms,
        .quotes_per_sec = (double)quotes / ((double)lookback_ms / 1000.0),
        .spread_bps = history_median_spread_bps(&grid->history, boundary_ms, lookback_ms),
        .volatility_bps = history_volatility_bps(&grid->history, boundary_ms),
        .volume_usd = volume_usd,
    };
}

void grid_trim(struct grid *grid, int64_t t_ms)
{
    timeline_keep_last_until(&grid->books, t_ms);
    timeline_keep_last_until(&grid->trades, t_ms);
    history_trim(&grid->history, t_ms);
}

int64_t grid_rows_skipped(const struct grid *grid)
{
    if (grid->rows == 0)
        return 0;
    return (grid->last_row_ms - grid->first_row_ms) / grid->config.grid_ms + 1 - grid->rows;
}

int64_t grid_window_overflowed(const struct grid *grid)
{
    return grid->books.overflowed + grid->trades.overflowed + grid->history.books.overflowed +
           grid->history.trades.overflowed;
}

void grid_save(const struct grid *grid, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    timeline_save(&grid->books, out);
    timeline_save(&grid->trades, out);
    history_save(&grid->history, out);
    buffer_append_i64(out, grid->next_ms);
    buffer_append_i64(out, grid->first_row_ms);
    buffer_append_i64(out, grid->last_row_ms);
    buffer_append_i64(out, grid->rows);
    buffer_append_i64(out, grid->late_for_grid);
}

/* What a row may not leave null must be there, and mids must be usable as divisors. */
static bool items_are_sound(const struct grid *grid)
{
    for (size_t i = 0; i < grid->books.count; i++) {
        const struct grid_book *book = timeline_at(&grid->books, i);
        if (!(book->mid > 1e-60) || isnan(book->best_bid) || isnan(book->best_ask) || isnan(book->spread_bps))
            return false;
    }
    for (size_t i = 0; i < grid->trades.count; i++) {
        const struct grid_trade *trade = timeline_at(&grid->trades, i);
        if (isnan(trade->price))
            return false;
    }
    return true;
}

void grid_load(struct grid *grid, struct reader *in)
{
    state_expect(in, STATE_TAG);
    timeline_load(&grid->books, in);
    timeline_load(&grid->trades, in);
    history_load(&grid->history, in);
    int64_t step = grid->config.grid_ms;
    grid->next_ms = state_take_between(in, 1, EVENT_TIME_MAX_MS + step);
    grid->first_row_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    grid->last_row_ms = state_take_between(in, grid->first_row_ms, EVENT_TIME_MAX_MS);
    grid->rows = state_take_count(in);
    grid->late_for_grid = state_take_count(in);
    if (grid->next_ms % step != 0 || (!in->failed && !items_are_sound(grid)))
        in->failed = true;
    if (in->failed)
        set_cold(grid);
}
