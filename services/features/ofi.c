#include "ofi.h"

#include "base/clock.h"
#include "base/memory.h"
#include "market/state.h"
#include "market/statistics.h"
#include "market/window.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_TAG = 0x3149464f, DAY_MS = 86400000, Z_HISTORY_MIN = 5, SOFT_CLIP_HISTORY = 10 };

/* book_side: up to K levels, best first; a level that is missing has a null price and quantity 0. */
struct book_side {
    struct decimal price[BOOK_LEVELS_MAX];
    double quantity[BOOK_LEVELS_MAX];
};

struct snapshot {
    struct book_side bid;
    struct book_side ask;
};

struct ofi_engine {
    struct ofi_config config;
    double weights[BOOK_LEVELS_MAX]; /* normalised */
    struct value_window *history;    /* unclipped ofi_value */
    struct snapshot previous;
    bool has_previous;
    bool has_ema;
    bool reset_pending; /* the next row says session_reset */
    double ema;
    int64_t last_ts_ms; /* 0 = none */
    int64_t bad_points;
    struct ofi_tail tail;
};

struct ofi_config ofi_config_default(void)
{
    return (struct ofi_config){
        .mode = OFI_CKS,
        .levels = 5,
        .weights = {0.4, 0.25, 0.2, 0.1, 0.05},
        .weight_count = 5,
        .z_window = 100,
        .ema_alpha = 0.30,
        .z_clip = 3.0,
        .gap_reset_ms = 2000,
        .reset_on_day_change = true,
        .std_floor = 1e-4,
        .soft_clip_k = 0,
    };
}

/* Negative weights count as 0; returns the sum of the first `levels`. */
static double weights_sum(const struct ofi_config *config)
{
    double sum = 0;
    for (int i = 0; i < config->levels && i < config->weight_count; i++)
        sum += config->weights[i] > 0 ? config->weights[i] : 0;
    return sum;
}

enum status ofi_config_check(const struct ofi_config *config, struct error *error)
{
    if (config->mode < OFI_CKS || config->mode > OFI_LEGACY)
        return error_set(error, STATUS_INVALID, "ofi.mode: must be cks, mlofi or legacy");
    if (config->levels < 1 || config->levels > BOOK_LEVELS_MAX)
        return error_set(error, STATUS_INVALID, "ofi.levels: must be 1 to %d", BOOK_LEVELS_MAX);
    if (config->weight_count < 1 || config->weight_count > BOOK_LEVELS_MAX)
        return error_set(error, STATUS_INVALID, "ofi.weights: give 1 to %d weights", BOOK_LEVELS_MAX);
    if (!(weights_sum(config) > 0) || !(weights_sum(config) < STATE_NUMBER_MAX))
        return error_set(error, STATUS_INVALID,
                         "ofi.weights: the first %d must have a positive sum (negative ones count as 0)",
                         config->levels);
    if (config->z_window < 2 || config->z_window > WINDOW_LIMIT_MAX)
        return error_set(error, STATUS_INVALID, "ofi.z_window: must be 2 to %d snapshots", WINDOW_LIMIT_MAX);
    if (!(config->ema_alpha > 0 && config->ema_alpha <= 1))
        return error_set(error, STATUS_INVALID, "ofi.ema_alpha: must be above 0 and at most 1");
    if (!(config->z_clip >= 0 && config->z_clip < STATE_NUMBER_MAX))
        return error_set(error, STATUS_INVALID, "ofi.z_clip: must be 0 (off) or positive");
    if (config->gap_reset_ms < 0 || config->gap_reset_ms > EVENT_TIME_MAX_MS)
        return error_set(error, STATUS_INVALID, "ofi.gap_reset_ms: must not be negative");
    if (!(config->std_floor > 0 && config->std_floor < STATE_NUMBER_MAX))
        return error_set(error, STATUS_INVALID, "ofi.std_floor: must be positive");
    if (!(config->soft_clip_k >= 0 && config->soft_clip_k < STATE_NUMBER_MAX))
        return error_set(error, STATUS_INVALID, "ofi.soft_clip_k: must be 0 (off) or positive");
    return STATUS_OK;
}

static void clear_session(struct ofi_engine *engine)
{
    value_window_clear(engine->history);
    engine->has_ema = false;
    engine->ema = 0;
    engine->bad_points = 0;
    engine->tail = (struct ofi_tail){0};
}

static void set_cold(struct ofi_engine *engine)
{
    clear_session(engine);
    memset(&engine->previous, 0, sizeof engine->previous);
    engine->has_previous = engine->config.mode == OFI_LEGACY; /* starts from an all-zero book */
    engine->reset_pending = false;
    engine->last_ts_ms = 0;
}

struct ofi_engine *ofi_engine_create(const struct ofi_config *config)
{
    struct ofi_engine *engine = memory_allocate(sizeof *engine);
    engine->config = *config;
    double sum = weights_sum(config);
    for (int i = 0; i < config->levels && i < config->weight_count; i++)
        engine->weights[i] = config->weights[i] > 0 ? config->weights[i] / sum : 0;
    engine->history = value_window_create((size_t)config->z_window, config->soft_clip_k > 0);
    set_cold(engine);
    return engine;
}

void ofi_engine_destroy(struct ofi_engine *engine)
{
    if (!engine)
        return;
    value_window_destroy(engine->history);
    free(engine);
}

static int compare_prices(struct decimal left, struct decimal right)
{
    if (left.exponent == right.exponent)
        return (left.units > right.units) - (left.units < right.units);
    return decimal_compare(left, right);
}

/* >0: `left` is the better price of the side, 0: the same or both missing. A missing price is the worst. */
static int compare_on_side(struct decimal left, struct decimal right, bool is_bid)
{
    if (decimal_is_null(left) || decimal_is_null(right))
        return decimal_is_null(right) - decimal_is_null(left);
    int order = compare_prices(left, right);
    return is_bid ? order : -order;
}

static void insert_level(struct book_side *side, int count, struct decimal price, double quantity,
                         bool is_bid)
{
    int at = count;
    for (; at > 0 && compare_on_side(side->price[at - 1], price, is_bid) < 0; at--) {
        side->price[at] = side->price[at - 1];
        side->quantity[at] = side->quantity[at - 1];
    }
    side->price[at] = price;
    side->quantity[at] = quantity;
}

/* Levels that are there, sorted stably, best first, the missing ones behind. Returns true if something had to be
 * repaired: a quantity that is none, or one without a price. */
static bool read_side(struct book_side *side, const struct decimal *prices, const struct decimal *quantities,
                      int levels, bool is_bid)
{
    bool repaired = false;
    int count = 0;
    for (int i = 0; i < levels; i++) {
        bool has_quantity = !decimal_is_null(quantities[i]);
        if (decimal_is_null(prices[i])) {
            repaired |= has_quantity;
            continue;
        }
        bool usable = has_quantity && quantities[i].units >= 0;
        repaired |= !usable;
        insert_level(side, count++, prices[i], usable ? decimal_double(quantities[i]) : 0, is_bid);
    }
    for (; count < levels; count++) {
        side->price[count] = decimal_null();
        side->quantity[count] = 0;
    }
    return repaired;
}

static bool side_has_equal_prices(const struct book_side *side, int levels)
{
    for (int i = 1; i < levels && !decimal_is_null(side->price[i]); i++)
        if (compare_prices(side->price[i - 1], side->price[i]) == 0)
            return true;
    return false;
}

static bool price_is_positive(struct decimal price)
{
    return !decimal_is_null(price) && price.units > 0;
}

/* OFI_ROW for an acceptable snapshot. */
static enum ofi_outcome inspect(const struct snapshot *book, int levels)
{
    if (!price_is_positive(book->bid.price[0]) || !price_is_positive(book->ask.price[0]))
        return OFI_BOOK_EMPTY;
    if (compare_prices(book->bid.price[0], book->ask.price[0]) >= 0)
        return OFI_BOOK_CROSSED;
    if (side_has_equal_prices(&book->bid, levels) || side_has_equal_prices(&book->ask, levels))
        return OFI_BOOK_DUPLICATE_PRICE;
    return OFI_ROW;
}

static void reset_if_due(struct ofi_engine *engine, const struct book_row *book)
{
    const struct ofi_config *config = &engine->config;
    int64_t last_ms = engine->last_ts_ms;
    bool gap = last_ms > 0 && book->ts_ms - last_ms > config->gap_reset_ms;
    bool new_day = last_ms > 0 && config->reset_on_day_change &&
                   floor_div(book->ts_ms, DAY_MS) != floor_div(last_ms, DAY_MS);
    if (!gap && !new_day && book->book_reset != 1)
        return;
    clear_session(engine);
    engine->has_previous = config->mode == OFI_LEGACY && engine->has_previous;
    engine->reset_pending = true;
}

static double plain_change(const struct book_side *now, const struct book_side *before, int level)
{
    return now->quantity[level] - before->quantity[level];
}

static double price_aware_change(const struct book_side *now, const struct book_side *before, int level,
                                 bool is_bid)
{
    int better = compare_on_side(now->price[level], before->price[level], is_bid);
    if (better > 0)
        return now->quantity[level];
    if (better < 0)
        return -before->quantity[level];
    return plain_change(now, before, level);
}

static double contribution(const struct ofi_engine *engine, const struct snapshot *book, int level)
{
    const struct snapshot *previous = &engine->previous;
    int mode = engine->config.mode;
    bool price_aware = mode == OFI_MLOFI || (mode == OFI_CKS && level == 0);
    double bid, ask;
    if (price_aware) {
        bid = price_aware_change(&book->bid, &previous->bid, level, true);
        ask = price_aware_change(&book->ask, &previous->ask, level, false);
    } else {
        bid = plain_change(&book->bid, &previous->bid, level);
        ask = plain_change(&book->ask, &previous->ask, level);
    }
    return engine->weights[level] * (bid - ask) + 0.0; /* never -0 */
}

static double soft_clipped(const struct ofi_engine *engine, double value)
{
    const struct value_window *history = engine->history;
    double k = engine->config.soft_clip_k;
    if (k <= 0 || history->count <= SOFT_CLIP_HISTORY)
        return value;
    double mad = statistics_mad_sorted(history->sorted, history->count);
    if (mad <= 0)
        return value;
    double median = statistics_median_sorted(history->sorted, history->count);
    return statistics_clamp(value, median - k * MAD_TO_SIGMA * mad, median + k * MAD_TO_SIGMA * mad);
}

static void standardise(struct ofi_engine *engine, struct ofi_row *row)
{
    const struct ofi_config *config = &engine->config;
    const struct value_window *history = engine->history;
    size_t needed = (size_t)(config->z_window / 5);
    if (needed < Z_HISTORY_MIN)
        needed = Z_HISTORY_MIN;
    if (history->count < needed) {
        row->warmup = 1;
        return;
    }
    double mean = statistics_mean(history->values, history->count);
    double sigma = statistics_sigma(history->values, history->count, mean);
    if (!(sigma >= config->std_floor)) {
        sigma = config->std_floor;
        row->std_zero = 1;
    }
    double z = (soft_clipped(engine, row->ofi_value) - mean) / sigma;
    row->scale = sigma;
    row->ofi_z_raw = (row->ofi_value - mean) / sigma;
    row->ofi_z = config->z_clip > 0 ? statistics_clamp(z, -config->z_clip, config->z_clip) : z;
    engine->tail.total_cnt++;
    engine->tail.p_gt2_cnt += fabs(row->ofi_z_raw) > 2;
    engine->tail.p_gt3_cnt += fabs(row->ofi_z_raw) > 3;
}

static void measure(struct ofi_engine *engine, const struct book_row *book, const struct snapshot *now,
                    struct ofi_row *row)
{
    const struct ofi_config *config = &engine->config;
    *row = (struct ofi_row){
        .ts_ms = book->ts_ms,
        .last_id = book->last_id,
        .ofi_z = FIELD_NULL_F64,
        .ofi_z_raw = FIELD_NULL_F64,
        .scale = FIELD_NULL_F64,
        .session_reset = engine->reset_pending,
        .bad_points = engine->bad_points,
        .ofi_mode = (int8_t)config->mode,
    };
    for (int level = 0; level < config->levels; level++) {
        row->components[level] = contribution(engine, now, level);
        row->ofi_value += row->components[level];
    }
    standardise(engine, row);
    double alpha = config->ema_alpha;
    engine->ema = engine->has_ema ? alpha * row->ofi_value + (1 - alpha) * engine->ema : row->ofi_value;
    engine->has_ema = true;
    row->ema_ofi = engine->ema;
    value_window_push(engine->history, row->ofi_value);
    engine->reset_pending = false;
}

enum ofi_outcome ofi_engine_feed(struct ofi_engine *engine, const struct book_row *book,
                                 struct ofi_row *out_row)
{
    const struct ofi_config *config = &engine->config;
    struct snapshot now;
    assert(config->levels >= 1 && config->levels <= BOOK_LEVELS_MAX);
    bool bid_repaired = read_side(&now.bid, book->bid_price, book->bid_qty, config->levels, true);
    bool ask_repaired = read_side(&now.ask, book->ask_price, book->ask_qty, config->levels, false);
    enum ofi_outcome outcome = config->mode == OFI_LEGACY ? OFI_ROW : inspect(&now, config->levels);
    if (outcome != OFI_ROW)
        return outcome;

    reset_if_due(engine, book);
    engine->bad_points += bid_repaired + ask_repaired;
    engine->last_ts_ms = book->ts_ms;
    if (engine->has_previous)
        measure(engine, book, &now, out_row);
    else
        outcome = OFI_PRIMED;
    engine->previous = now;
    engine->has_previous = true;
    return outcome;
}

struct ofi_tail ofi_engine_tail(const struct ofi_engine *engine)
{
    return engine->tail;
}

static void save_side(const struct book_side *side, int levels, struct buffer *out)
{
    for (int i = 0; i < levels; i++) {
        buffer_append_i64(out, side->price[i].units);
        buffer_append_i64(out, side->price[i].exponent);
        buffer_append_f64(out, side->quantity[i]);
    }
}

static void load_side(struct book_side *side, int levels, struct reader *in)
{
    for (int i = 0; i < levels; i++) {
        side->price[i].units = reader_i64(in);
        side->price[i].exponent = (int32_t)state_take_between(in, 0, DECIMAL_EXPONENT_MAX);
        side->quantity[i] = state_take_number(in);
    }
}

void ofi_engine_save(const struct ofi_engine *engine, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    value_window_save(engine->history, out);
    save_side(&engine->previous.bid, engine->config.levels, out);
    save_side(&engine->previous.ask, engine->config.levels, out);
    buffer_append_i64(out, engine->has_previous);
    buffer_append_i64(out, engine->has_ema);
    buffer_append_i64(out, engine->reset_pending);
    buffer_append_f64(out, engine->ema);
    buffer_append_i64(out, engine->last_ts_ms);
    buffer_append_i64(out, engine->bad_points);
    buffer_append_i64(out, engine->tail.total_cnt);
    buffer_append_i64(out, engine->tail.p_gt2_cnt);
    buffer_append_i64(out, engine->tail.p_gt3_cnt);
}

void ofi_engine_load(struct ofi_engine *engine, struct reader *in)
{
    state_expect(in, STATE_TAG);
    value_window_load(engine->history, in);
    load_side(&engine->previous.bid, engine->config.levels, in);
    load_side(&engine->previous.ask, engine->config.levels, in);
    engine->has_previous = state_take_flag(in);
    engine->has_ema = state_take_flag(in);
    engine->reset_pending = state_take_flag(in);
    engine->ema = state_take_number(in);
    engine->last_ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    engine->bad_points = state_take_count(in);
    engine->tail.total_cnt = state_take_count(in);
    engine->tail.p_gt2_cnt = state_take_count(in);
    engine->tail.p_gt3_cnt = state_take_count(in);
    if (in->failed)
        set_cold(engine);
}
