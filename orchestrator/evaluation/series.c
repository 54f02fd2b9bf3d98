#include "series.h"

#include "base/clock.h"
#include "base/memory.h"
#include "store/sql_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60000, SECOND = 1000 };

void series_settings_take(const struct config *config, const char *symbol, struct series_settings *out)
{
    struct config_list horizons = config_list(config, "eval.horizons_s");
    *out = (struct series_settings){
        .primary_ms = SECOND * config_i64(config, "eval.primary_horizon_s"),
        .tol_ms = config_i64(config, "eval.tol_ms"),
        .step_ms = config_i64(config, "eval.step_ms"),
        .merge_tol_ms = config_i64(config, "eval.merge_tol_ms"),
        .gate_window_ms = SECOND * config_i64(config, "eval.gate_window_s"),
        .display_window_ms = SECOND * config_i64(config, "eval.display_window_s"),
        .train_ms = SECOND * config_i64(config, "eval.train_s"),
        .test_ms = SECOND * config_i64(config, "eval.test_s"),
        .winsor_limit = config_symbol_f64(config, symbol, "cvd.winsor_limit"),
    };
    for (size_t i = 0; i < horizons.count && i < SERIES_HORIZONS_MAX; i++)
        out->horizons_ms[out->horizon_count++] = SECOND * horizons.integers[i];
}

/* A minute reads its gate window, and the fits of every test window that a row of its display window, or the newest test window whose
 * labels have matured, lies in. */
int64_t series_look_back_ms(const struct series_settings *settings)
{
    int64_t matured_ms = settings->primary_ms + settings->tol_ms + MINUTE;
    int64_t shown_ms = settings->display_window_ms > matured_ms ? settings->display_window_ms : matured_ms;
    int64_t fitted_ms = settings->train_ms + settings->test_ms + shown_ms;
    int64_t gated_ms = settings->gate_window_ms + settings->train_ms + settings->test_ms;
    return (fitted_ms > gated_ms ? fitted_ms : gated_ms) + MINUTE;
}

size_t series_at(const struct series *series, int64_t at_ms)
{
    size_t low = 0, high = series->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (series->t_ms[middle] < at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- rows --- */

struct loading {
    struct series *series;
    const struct series_settings *settings;
    int64_t from_ms;
};

/* from_clause: what is asked of one symbol, from a time on. */
static void from_clause(struct buffer *sql, const char *prefix, const struct loading *loading)
{
    buffer_format(sql, " WHERE %ssymbol = ", prefix);
    sql_literal(sql, loading->series->symbol);
    if (loading->from_ms != INT64_MIN)
        buffer_format(sql, " AND %sts_ms >= %lld", prefix, (long long)loading->from_ms);
}

static uint8_t named(const char *const names[], const char *text)
{
    for (uint8_t i = 0; text && names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return SERIES_UNKNOWN;
}

static void row_add(struct series *series, const struct feature_row *row, double probability, bool suspended)
{
    size_t count = series->count + 1;
    if (count > series->capacity) { /* six arrays of one length */
        size_t capacity = series->capacity ? 2 * series->capacity : 4096;
        series->t_ms = memory_resize(series->t_ms, capacity * sizeof *series->t_ms);
        series->mids = memory_resize(series->mids, capacity * sizeof *series->mids);
        series->scores = memory_resize(series->scores, capacity * sizeof *series->scores);
        series->probabilities =
            memory_resize(series->probabilities, capacity * sizeof *series->probabilities);
        series->regimes = memory_resize(series->regimes, capacity);
        series->suspended = memory_resize(series->suspended, capacity * sizeof *series->suspended);
        series->capacity = capacity;
    }
    series->t_ms[series->count] = row->ts_ms;
    series->mids[series->count] = row->mid;
    series->scores[series->count] = row->fusion_score;
    series->probabilities[series->count] = probability;
    series->regimes[series->count] = (uint8_t)row->regime;
    series->suspended[series->count] = suspended;
    series->count = count;
}

static void second_add(struct series *series, const struct feature_row *row, uint8_t direction, uint8_t state)
{
    if (series->merge_count == series->merge_capacity) {
        size_t capacity = series->merge_capacity ? 2 * series->merge_capacity : 4096;
        series->merges = memory_resize(series->merges, capacity * sizeof *series->merges);
        series->directions = memory_resize(series->directions, capacity);
        series->states = memory_resize(series->states, capacity);
        series->merge_capacity = capacity;
    }
    series->merges[series->merge_count] = (struct merge_row){row->ts_ms, row->age_ofi_ms, row->age_cvd_ms};
    series->directions[series->merge_count] = direction;
    series->states[series->merge_count++] = state;
}

static void row_take(void *context, const struct query_cell *cells, size_t count)
{
    struct loading *loading = context;
    struct feature_row row = {.ts_ms = (int64_t)cells[0].number,
                              .mid = cells[1].number,
                              .fusion_score = cells[2].number,
                              .regime = (int8_t)named(REGIME_NAMES, cells[3].text),
                              .age_ofi_ms = (int64_t)cells[4].number,
                              .age_cvd_ms = (int64_t)cells[5].number,
                              .warmup = cells[6].number != 0};
    (void)count;
    snprintf(row.reason_codes, sizeof row.reason_codes, "%s", cells[7].text ? cells[7].text : "");
    uint8_t state = named(CALIBRATION_STATE_NAMES, cells[9].text);
    if (label_is_evaluation_row(&row, loading->settings->step_ms, loading->settings->tol_ms))
        row_add(loading->series, &row, cells[8].is_null ? NAN : cells[8].number,
                state == CALIBRATION_SUSPENDED);
    if (row.ts_ms % SECOND == 0)
        second_add(loading->series, &row, named(CVD_DIRECTION_NAMES, cells[10].text), state);
}

static bool rows_load(struct quality *quality, struct loading *loading)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(
        &sql, "SELECT f.ts_ms, f.mid, f.fusion_score, f.regime, f.age_ofi_ms, f.age_cvd_ms, f.warmup, "
              "f.reason_codes, u.proba, u.calibration_state, u.cvd_direction FROM features f LEFT "
              "JOIN fusion u ON u.symbol = f.symbol AND u.ts_ms = f.ts_ms");
    if (loading->from_ms != INT64_MIN)
        buffer_format(&sql, " AND u.ts_ms >= %lld", (long long)loading->from_ms);
    from_clause(&sql, "f.", loading);
    buffer_format(&sql, " AND (f.ts_ms %% %lld = 0 OR f.ts_ms %% %d = 0) ORDER BY f.ts_ms",
                  (long long)loading->settings->step_ms, SECOND);
    bool good = quality_each(quality, SET_FEATURES, buffer_text(&sql), row_take, loading);
    buffer_finish(&sql);
    return good;
}

/* --- labels --- */

struct snapshots {
    struct label_snapshot *items;
    size_t count, capacity;
};

static void snapshot_take(void *context, const struct query_cell *cells, size_t count)
{
    struct snapshots *snapshots = context;
    (void)count;
    snapshots->items =
        memory_grow(snapshots->items, &snapshots->capacity, snapshots->count + 1, sizeof *snapshots->items);
    snapshots->items[snapshots->count++] = (struct label_snapshot){(int64_t)cells[0].number, cells[1].number};
}

static bool labels_make(struct quality *quality, const struct loading *loading)
{
    const struct series_settings *settings = loading->settings;
    struct series *series = loading->series;
    struct snapshots snapshots = {NULL, 0, 0};
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT ts_ms, mid FROM orderbook");
    from_clause(&sql, "", loading);
    buffer_append_text(&sql, " ORDER BY ts_ms, last_id");
    bool good = quality_each(quality, SET_ORDERBOOK, buffer_text(&sql), snapshot_take, &snapshots);
    buffer_finish(&sql);
    for (size_t h = 0; h < settings->horizon_count; h++) {
        const struct label_rule rule = {settings->horizons_ms[h], settings->tol_ms};
        series->labels[h] = memory_allocate(series->count + 1);
        series->returns[h] = memory_allocate((series->count + 1) * sizeof(double));
        label_all(&rule, series->t_ms, series->mids, series->count, snapshots.items, snapshots.count,
                  series->labels[h], series->returns[h]);
    }
    free(snapshots.items);
    return good;
}

/* --- rates, and the range --- */

static void rate_take(void *context, const struct query_cell *cells, size_t count)
{
    struct series *series = context;
    int64_t minute = (int64_t)cells[0].number;
    (void)count;
    if (!series->rates)
        series->rates_first = minute;
    size_t place = (size_t)(minute - series->rates_first);
    size_t capacity = series->rates_count;
    if (place >= series->rates_count) { /* a minute without rows has none of anything */
        series->rates = memory_resize(series->rates, (place + 1) * sizeof *series->rates);
        memset(series->rates + capacity, 0, (place + 1 - capacity) * sizeof *series->rates);
        series->rates_count = place + 1;
    }
    series->rates[place] = // NOLINT: there are rates where there is a count
        (struct rates){(int64_t)cells[1].number, (int64_t)cells[2].number, (int64_t)cells[3].number};
}

static bool rates_load(struct quality *quality, const struct loading *loading)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_format(&sql,
                  "SELECT ts_ms // %d, count(z_raw), count(*) FILTER (z_raw IS NOT NULL AND floor_used), "
                  "count(*) FILTER "
                  "(abs(z_raw) > %.17g) FROM cvd",
                  MINUTE, loading->settings->winsor_limit);
    from_clause(&sql, "", loading);
    buffer_append_text(&sql, " GROUP BY 1 ORDER BY 1");
    bool good = quality_each(quality, SET_CVD, buffer_text(&sql), rate_take, loading->series);
    buffer_finish(&sql);
    return good;
}

static void range_take(void *context, const struct query_cell *cells, size_t count)
{
    struct series *series = context;
    (void)count;
    if (cells[0].is_null)
        return;
    if ((int64_t)cells[0].number < series->first_ms)
        series->first_ms = (int64_t)cells[0].number;
    if ((int64_t)cells[1].number > series->last_ms)
        series->last_ms = (int64_t)cells[1].number;
}

static bool range_load(struct quality *quality, enum data_set set, const struct loading *loading)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_format(&sql, "SELECT min(ts_ms), max(ts_ms) FROM %s", DATA_SETS_INFO[set].name);
    from_clause(&sql, "", loading);
    bool good = quality_each(quality, set, buffer_text(&sql), range_take, loading->series);
    buffer_finish(&sql);
    return good;
}

bool series_load(struct quality *quality, const struct series_settings *settings, const char *symbol,
                 int64_t from_ms, struct series *out_series)
{
    *out_series = (struct series){.symbol = symbol, .first_ms = INT64_MAX, .last_ms = INT64_MIN};
    struct loading loading = {out_series, settings, from_ms};
    bool good = range_load(quality, SET_ORDERBOOK, &loading);
    good = range_load(quality, SET_PRICES, &loading) && good;
    good = rows_load(quality, &loading) && good;
    good = labels_make(quality, &loading) && good;
    return rates_load(quality, &loading) && good;
}

void series_finish(struct series *series)
{
    free(series->t_ms);
    free(series->mids);
    free(series->scores);
    free(series->probabilities);
    free(series->regimes);
    free(series->suspended);
    for (size_t h = 0; h < SERIES_HORIZONS_MAX; h++) {
        free(series->labels[h]);
        free(series->returns[h]);
    }
    free(series->merges);
    free(series->directions);
    free(series->states);
    free(series->rates);
    *series = (struct series){0};
}
