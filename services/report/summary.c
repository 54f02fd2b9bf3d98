#include "summary.h"

#include "base/clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void summary_minute_text(int64_t minute, char out_text[32])
{
    time_t seconds = (time_t)(minute * 60);
    struct tm local;
    if (!localtime_r(&seconds, &local) || !strftime(out_text, 32, "%Y-%m-%d %H:%M", &local))
        snprintf(out_text, 32, "minute %lld", (long long)minute);
}

static void compute_ratios(const struct tally *tally, struct summary *summary)
{
    int64_t strong = tally_strong(tally);
    summary->buy_ratio = ratio(tally->buy, tally->confirmed);
    summary->sell_ratio = ratio(tally->sell, tally->confirmed);
    summary->strong_ratio = ratio(strong, tally->confirmed);
    summary->strong_to_normal_ratio = ratio(strong, tally->confirmed - strong);
}

static void compute_orders(const struct summary_input *input, struct summary *summary)
{
    const struct figures *figures = &input->stored->figures;
    struct order_summary *orders = &summary->orders;
    if (!figures_heard(figures, "broker")) {
        *orders = (struct order_summary){FIELD_NULL_I64, FIELD_NULL_I64, FIELD_NULL_I64,
                                         FIELD_NULL_I64, FIELD_NULL_I64, FIELD_NULL_I64};
        for (int i = 0; i < TALLY_MINUTES; i++)
            summary->minute_orders[i] = FIELD_NULL_I64;
        return;
    }
    for (size_t i = 0; i < figures->minute_count; i++) {
        const struct order_minute *minute = &figures->minutes[i];
        orders->total += minute->buy + minute->sell;
        orders->buy += minute->buy;
        orders->sell += minute->sell;
        orders->strong += minute->strong;
        orders->normal += minute->normal;
        orders->rejected += minute->rejected;
        int64_t back = input->tally->last_minute - minute->minute;
        if (input->tally->total && back >= 0 && back < TALLY_MINUTES)
            summary->minute_orders[TALLY_MINUTES - 1 - back] = minute->buy + minute->sell;
    }
}

/* spread: sum, count and ends of the values that are there. */
struct spread {
    double sum, least, most;
    int64_t count;
};

static void spread_add(struct spread *spread, double value)
{
    if (isnan(value))
        return;
    spread->least = spread->count ? fmin(spread->least, value) : value;
    spread->most = spread->count ? fmax(spread->most, value) : value;
    spread->sum += value;
    spread->count++;
}

static double average(const struct spread *spread)
{
    return spread->count ? spread->sum / (double)spread->count : NAN;
}

static double end_of(const struct spread *spread, double value)
{
    return spread->count ? value : NAN;
}

/* previous_state: of the same symbol, NULL for its first. Rows lie by (ts_ms, symbol): it is close. */
static const struct state_snapshot *previous_state(const struct stored *stored, size_t at)
{
    for (size_t i = at; i > 0; i--)
        if (strcmp(stored->states[i - 1].symbol, stored->states[at].symbol) == 0)
            return &stored->states[i - 1];
    return NULL;
}

static void compute_states(const struct stored *stored, struct state_summary *states)
{
    struct spread trades = {0}, spreads = {0}, quotes = {0};
    int64_t active = 0;
    for (size_t i = 0; i < stored->state_count; i++) {
        const struct strategy_state_row *row = &stored->states[i].row;
        const struct state_snapshot *before = previous_state(stored, i);
        states->symbols += before == NULL;
        states->transitions += before && before->row.mode != row->mode;
        active += row->mode == MODE_ACTIVE;
        spread_add(&trades, row->trades_per_min);
        spread_add(&spreads, row->spread_bps);
        spread_add(&quotes, row->quotes_per_sec);
    }
    states->snapshots = (int64_t)stored->state_count;
    states->active_share = ratio(active, states->snapshots);
    states->avg_trades_per_min = average(&trades);
    states->min_trades_per_min = end_of(&trades, trades.least);
    states->max_trades_per_min = end_of(&trades, trades.most);
    states->avg_spread_bps = average(&spreads);
    states->min_spread_bps = end_of(&spreads, spreads.least);
    states->max_spread_bps = end_of(&spreads, spreads.most);
    states->avg_quotes_per_sec = average(&quotes);
}

static void PRINTF_LIKE(2, 3) warn(struct summary *summary, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(summary->warnings[summary->warning_count], sizeof summary->warnings[0], format, arguments);
    va_end(arguments);
    summary->warning_count++;
}

/* NO_INPUT_FILES means rows, not names: an empty table is no more input than a missing file, and both
 * sinks must say the same. */
static void compute_warnings(const struct summary_input *input, struct summary *summary)
{
    const struct tally *tally = input->tally;
    const struct sink_reader_figures *sink = &input->sink_figures;
    bool long_quiet = tally->total == 0 && input->now_ms - input->started_ms >= SUMMARY_QUIET_MS;
    if (sink->rows + sink->bad_rows == 0)
        warn(summary, "NO_INPUT_FILES");
    if (tally->pending > 0 && tally->confirmed == 0)
        warn(summary, "ALL_GATED");
    if (long_quiet || (input->final && tally->confirmed == 0))
        warn(summary, "QUIET_RUN");
    if (tally->confirmed == 0)
        warn(summary, "NO_CONFIRMED_SIGNALS");
    if (sink->bad_rows)
        warn(summary, "BAD_JSON_LINES=%lld", (long long)sink->bad_rows);
    if (sink->run_id_mismatch)
        warn(summary, "RUN_ID_MISMATCH=%lld", (long long)sink->run_id_mismatch);
    if (input->stored->state_count == 0)
        warn(summary, "STATE_MISSING");
    int64_t missing = summary->signals_published - sink->rows - sink->bad_rows;
    if (input->final && missing > 0)
        warn(summary, "ROWS_MISSING=%lld", (long long)missing);
}

void summary_compute(const struct summary_input *input, struct summary *out_summary)
{
    const struct figures *figures = &input->stored->figures;
    const struct event_knowledge knowledge = stored_knowledge(input->stored, input->final);
    *out_summary = (struct summary){.input = input};
    compute_ratios(input->tally, out_summary);
    summary_counts_compute(figures, &out_summary->counts);
    compute_orders(input, out_summary);
    compute_states(input->stored, &out_summary->states);
    for (size_t i = 0; i < figures->symbol_count; i++)
        out_summary->signals_published += figures->symbols[i].signals;
    linkage_compute(input->tally, input->tracks, &knowledge, &out_summary->linkage);
    compute_warnings(input, out_summary);
}
