#include "summary.h"

#include "base/clock.h"
#include "base/text.h"
#include "markdown.h"
#include "summary_given.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void heading(struct buffer *out, const char *title)
{
    buffer_format(out, "\n## %s\n\n", title);
}

/* ---- header ---- */

static void write_symbols(struct buffer *out, const struct figures *figures)
{
    buffer_append_text(out, "| symbols |");
    if (!figures->symbol_count)
        buffer_append_text(out, " –");
    for (size_t i = 0; i < figures->symbol_count; i++)
        buffer_format(out, "%s%s", i ? ", " : " ", figures->symbols[i].symbol);
    buffer_append_text(out, " |\n");
}

static void write_market_time(struct buffer *out, const struct figures *figures)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        if (symbol->first_ts_ms == FIELD_NULL_I64)
            continue;
        first = symbol->first_ts_ms < first ? symbol->first_ts_ms : first;
        last = symbol->last_ts_ms > last ? symbol->last_ts_ms : last;
    }
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    if (last == INT64_MIN) {
        buffer_append_text(out, "| market time | – |\n");
        return;
    }
    time_iso_ms(first, from);
    time_iso_ms(last, to);
    buffer_format(out, "| market time | %s … %s (%.1f s) |\n", from, to, (double)(last - first) / 1000.0);
}

static void write_warning_line(struct buffer *out, const struct summary *summary)
{
    buffer_append_text(out, "| warnings |");
    if (!summary->warning_count)
        buffer_append_text(out, " none");
    for (size_t i = 0; i < summary->warning_count; i++)
        buffer_format(out, " `%s`", summary->warnings[i]);
    buffer_append_text(out, " |\n");
}

static void write_header(struct buffer *out, const struct summary *summary)
{
    const struct summary_input *input = summary->input;
    char started[TIME_TEXT_BYTES], now[TIME_TEXT_BYTES];
    time_iso_ms(input->started_ms, started);
    time_iso_ms(input->now_ms, now);
    buffer_format(out, "# Run %s\n\n", input->run_id);
    summary_given_verdict(out, input->given);
    buffer_append_text(out, "|---|---|\n");
    buffer_format(out, "| state | %s |\n",
                  input->final ? "over: these are the final figures" : "running: figures as of now");
    buffer_format(out, "| input, sink | %s, %s |\n", input->input_mode, input->sink);
    write_symbols(out, &input->stored->figures);
    write_market_time(out, &input->stored->figures);
    buffer_format(out, "| started, written | %s, %s |\n", started, now);
    if (input->parity_known)
        buffer_format(out, "| parity of the sinks | **%s** (`%s`) |\n", VERDICT_NAMES[input->parity],
                      input->parity_file);
    write_warning_line(out, summary);
    if (strcmp(input->input_mode, "preview") == 0)
        buffer_append_text(out, "\nThe input is recorded (preview). That excuses no missing number.\n");
}

/* ---- signals ---- */

static void write_totals(struct buffer *out, const struct summary *summary)
{
    const struct tally *tally = summary->input->tally;
    heading(out, "Signals");
    markdown_head(out, "rrrrrrrrrr",
                  TITLES("rows", "confirmed", "share", "buy", "sell", "strong buy", "strong sell",
                         "buy : sell", "strong ratio", "strong : normal"));
    markdown_row_begin(out);
    markdown_count(out, tally->total);
    markdown_count(out, tally->confirmed);
    markdown_percent(out, ratio(tally->confirmed, tally->total), 2);
    markdown_count(out, tally->buy);
    markdown_count(out, tally->sell);
    markdown_count(out, tally->strong_buy);
    markdown_count(out, tally->strong_sell);
    markdown_number(out, ratio(tally->buy, tally->sell), 3);
    markdown_percent(out, summary->strong_ratio, 2);
    markdown_number(out, summary->strong_to_normal_ratio, 3);
    markdown_row_end(out);
}

static void write_minutes(struct buffer *out, const struct summary *summary)
{
    const struct summary_input *input = summary->input;
    const struct tally *tally = input->tally;
    buffer_format(out, "\n### Last five minutes (%s)\n\n", input->report_tz);
    if (!tally->total) {
        buffer_append_text(out, "No signal row yet.\n");
        return;
    }
    markdown_head(out, "lrrrr", TITLES("minute", "rows", "confirmed", "share", "orders"));
    for (int i = 0; i < TALLY_MINUTES; i++) {
        char human[32];
        const struct tally_minute *minute = &tally->minutes[i];
        summary_minute_text(minute->minute, human);
        markdown_row_begin(out);
        markdown_text(out, human);
        markdown_count(out, minute->count);
        markdown_count(out, minute->confirmed);
        markdown_percent(out, ratio(minute->confirmed, minute->count), 2);
        markdown_count(out, summary->minute_orders[i]);
        markdown_row_end(out);
    }
}

static void write_gating(struct buffer *out, const struct tally *tally)
{
    heading(out, "Why rows were not confirmed");
    if (!tally->reason_count) {
        buffer_append_text(out, "No reason was given.\n");
        return;
    }
    buffer_append_text(out, "A row counts once for each of its reasons. Minutes as above, newest last.\n\n");
    markdown_head(out, "lrrrrrrrrrr",
                  TITLES("reason", "rows", "of all", REGIME_NAMES[0], REGIME_NAMES[1], REGIME_NAMES[2],
                         "-4 min", "-3 min", "-2 min", "-1 min", "newest"));
    size_t order[TALLY_REASONS_MAX];
    tally_reason_order(tally, tally->reasons, order);
    for (size_t i = 0; i < tally->reason_count; i++) {
        size_t reason = order[i];
        markdown_row_begin(out);
        markdown_text(out, tally->reason_names[reason]);
        markdown_count(out, tally->reasons[reason]);
        markdown_percent(out, ratio(tally->reasons[reason], tally->total), 1);
        for (int regime = 0; regime < TALLY_REGIMES; regime++)
            markdown_count(out, tally->reasons_by_regime[regime][reason]);
        for (int minute = 0; minute < TALLY_MINUTES; minute++)
            markdown_count(out, tally->minutes[minute].reasons[reason]);
        markdown_row_end(out);
    }
}

static void write_orders(struct buffer *out, const struct summary *summary)
{
    const struct order_summary *orders = &summary->orders;
    heading(out, "Paper orders");
    markdown_head(out, "rrrrrrr",
                  TITLES("orders", "buy", "sell", "strong", "normal", "rejected", "sample rate"));
    markdown_row_begin(out);
    markdown_count(out, orders->total);
    markdown_count(out, orders->buy);
    markdown_count(out, orders->sell);
    markdown_count(out, orders->strong);
    markdown_count(out, orders->normal);
    markdown_count(out, orders->rejected);
    markdown_percent(out, summary->input->broker_sample_rate, 0);
    markdown_row_end(out);
}

/* ---- the market ---- */

static void sum_cell(struct buffer *out, const struct decimal_sum *sum)
{
    char text[DECIMAL_TEXT_BYTES];
    decimal_sum_text(sum, text);
    markdown_text(out, text);
}

static void decimal_cell(struct buffer *out, struct decimal value)
{
    char text[DECIMAL_TEXT_BYTES];
    decimal_text(value, text);
    markdown_text(out, decimal_is_null(value) ? NULL : text);
}

static void write_tape(struct buffer *out, const struct figures *figures)
{
    buffer_append_text(out, "Volumes are exact sums of all prints in base units (contracts for COIN-M).\n\n");
    markdown_head(out, "lrrrrrrr",
                  TITLES("symbol", "trades", "taker buy", "taker sell", "total", "buy share",
                         "venue-internal", "missing ids"));
    for (size_t i = 0; i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        char buy[DECIMAL_TEXT_BYTES], total[DECIMAL_TEXT_BYTES];
        decimal_sum_text(&symbol->taker_buy, buy);
        decimal_sum_text(&symbol->total, total);
        markdown_row_begin(out);
        markdown_text(out, symbol->symbol);
        markdown_count(out, symbol->trades);
        markdown_text(out, buy);
        sum_cell(out, &symbol->taker_sell);
        markdown_text(out, total);
        markdown_percent(out, symbol->total.units ? strtod(buy, NULL) / strtod(total, NULL) : NAN, 2);
        markdown_count(out, symbol->internal_trades);
        markdown_count(out, symbol->missing_trade_ids);
        markdown_row_end(out);
    }
}

static void write_books(struct buffer *out, const struct figures *figures)
{
    buffer_append_text(
        out,
        "\nThe own book's best bid and ask against the venue's bookTicker, price and quantity, after each "
        "diff that has one to compare with:\n\n");
    markdown_head(out, "lrrrrrr",
                  TITLES("symbol", "diffs applied", "comparable", "equal", "different", "resets", "gaps"));
    for (size_t i = 0; i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        markdown_row_begin(out);
        markdown_text(out, symbol->symbol);
        markdown_count(out, symbol->diffs_applied);
        markdown_count(out, symbol->audit_equal + symbol->audit_different);
        markdown_count(out, symbol->audit_equal);
        markdown_count(out, symbol->audit_different);
        markdown_count(out, symbol->book_resets);
        markdown_count(out, symbol->gaps);
        markdown_row_end(out);
    }
}

static void write_top(struct buffer *out, const struct symbol_figures *symbol)
{
    if (decimal_is_null(symbol->bids[0].price) && decimal_is_null(symbol->asks[0].price))
        return;
    buffer_format(out, "\nTop of %s at the end:\n\n", symbol->symbol);
    markdown_head(out, "rrrr", TITLES("bid quantity", "bid", "ask", "ask quantity"));
    for (int i = 0; i < FIGURES_TOP_LEVELS; i++) {
        markdown_row_begin(out);
        decimal_cell(out, symbol->bids[i].qty);
        decimal_cell(out, symbol->bids[i].price);
        decimal_cell(out, symbol->asks[i].price);
        decimal_cell(out, symbol->asks[i].qty);
        markdown_row_end(out);
    }
}

static void write_market(struct buffer *out, const struct figures *figures)
{
    heading(out, "Market as received");
    if (!figures->symbol_count) {
        buffer_append_text(out, "Nothing was received.\n");
        return;
    }
    write_tape(out, figures);
    write_books(out, figures);
    for (size_t i = 0; i < figures->symbol_count; i++)
        write_top(out, &figures->symbols[i]);
}

static void write_states(struct buffer *out, const struct summary *summary)
{
    const struct state_summary *states = &summary->states;
    heading(out, "Runtime state");
    if (!states->snapshots) {
        buffer_append_text(out, "No strategy_state was received.\n");
        return;
    }
    markdown_head(out, "rrrrrrr",
                  TITLES("snapshots", "symbols", "active", "transitions", "trades/min avg (min … max)",
                         "spread bps avg (min … max)", "quotes/s avg"));
    char trades[96] = "–", spreads[96] = "–";
    if (isfinite(states->avg_trades_per_min))
        snprintf(trades, sizeof trades, "%.1f (%.1f … %.1f)", states->avg_trades_per_min,
                 states->min_trades_per_min, states->max_trades_per_min);
    if (isfinite(states->avg_spread_bps))
        snprintf(spreads, sizeof spreads, "%.3f (%.3f … %.3f)", states->avg_spread_bps,
                 states->min_spread_bps, states->max_spread_bps);
    markdown_row_begin(out);
    markdown_count(out, states->snapshots);
    markdown_count(out, states->symbols);
    markdown_percent(out, states->active_share, 1);
    markdown_count(out, states->transitions);
    markdown_text(out, trades);
    markdown_text(out, spreads);
    markdown_number(out, states->avg_quotes_per_sec, 1);
    markdown_row_end(out);
}

static void write_share(struct buffer *out, const char *name, const struct linkage_share *share,
                        bool is_baseline)
{
    markdown_row_begin(out);
    markdown_text(out, name);
    markdown_count(out, is_baseline ? FIELD_NULL_I64 : share->event_count);
    markdown_count(out, share->n);
    markdown_count(out, share->confirmed);
    markdown_percent(out, share->p, 2);
    markdown_percent(out, share->lo95, 2);
    markdown_percent(out, share->hi95, 2);
    markdown_row_end(out);
}

static void write_linkage(struct buffer *out, const struct linkage *linkage)
{
    heading(out, "Confirmation after events");
    buffer_format(
        out, "Signal rows with such an event of their symbol in the %d s before (Wilson 95 %% interval).\n\n",
        EVENT_WINDOW_MS / 1000);
    markdown_head(out, "lrrrrrr", TITLES("event", "events", "rows", "confirmed", "share", "from", "to"));
    write_share(out, "all rows", &linkage->baseline, true);
    for (int i = 0; i < EVENT_TYPE_COUNT; i++)
        if (linkage->types[i].event_count)
            write_share(out, EVENT_TYPE_NAMES[i], &linkage->types[i], false);
}

/* ---- the end ---- */

static void write_warnings(struct buffer *out, const struct summary *summary)
{
    heading(out, "Warnings");
    if (!summary->warning_count)
        buffer_append_text(out, "None.\n");
    for (size_t i = 0; i < summary->warning_count; i++)
        buffer_format(out, "- `%s`\n", summary->warnings[i]);
}

static void write_sources(struct buffer *out, const struct summary *summary)
{
    const struct summary_input *input = summary->input;
    heading(out, "Where these numbers come from");
    buffer_format(out,
                  "- Signals, gating, ratios: %" PRId64 " %s of this run read back from %" PRId64
                  " %s of the %s sink; the signal stream had %" PRId64 " %s.\n",
                  input->sink_figures.rows, plural(input->sink_figures.rows, "row", "rows"),
                  input->sink_figures.files_read, plural(input->sink_figures.files_read, "file", "files"),
                  input->sink, summary->signals_published, plural(summary->signals_published, "row", "rows"));
    buffer_append_text(
        out, "- Market, events, runtime state, orders: rows of the streams of harvest, features and "
             "broker, each counted once (`report.db`).\n"
             "- Harvester and sinks: counters of the last heartbeats. “–” was not measured.\n");
}

void summary_markdown(const struct summary *summary, struct buffer *out)
{
    const struct summary_input *input = summary->input;
    write_header(out, summary);
    write_totals(out, summary);
    write_minutes(out, summary);
    write_gating(out, input->tally);
    write_orders(out, summary);
    write_market(out, &input->stored->figures);
    write_states(out, summary);
    summary_given_section(out, SECTION_COUNTS, &summary->counts, input->given);
    write_linkage(out, &summary->linkage);
    for (int section = SECTION_EXPORT; section <= SECTION_ALERTS; section++)
        summary_given_section(out, section, &summary->counts, input->given);
    write_warnings(out, summary);
    summary_given_section(out, SECTION_GATES, &summary->counts, input->given);
    write_sources(out, summary);
}
