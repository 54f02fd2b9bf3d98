#include "summary.h"

#include "base/clock.h"
#include "row_text.h"
#include "summary_given.h"
#include "symbol_json.h"

#include <stdio.h>
#include <string.h>

static void key_i64(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    if (value == FIELD_NULL_I64)
        json_null(json);
    else
        json_i64(json, value);
}

static void write_header(struct json *json, const struct summary_input *input)
{
    char now[TIME_TEXT_BYTES];
    time_iso_ms(input->now_ms, now);
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "run_id", input->run_id);
    json_key_text(json, "timestamp", now);
    json_key_text(json, "sink", input->sink);
    json_key_text(json, "input_mode", input->input_mode);
    json_key_text(json, "report_tz", input->report_tz);
}

static void write_totals(struct json *json, const struct summary *summary)
{
    const struct tally *tally = summary->input->tally;
    json_key_i64(json, "total", tally->total);
    json_key_i64(json, "confirmed", tally->confirmed);
    json_key_i64(json, "buy_count", tally->buy);
    json_key_i64(json, "sell_count", tally->sell);
    json_key_i64(json, "strong_buy_count", tally->strong_buy);
    json_key_i64(json, "strong_sell_count", tally->strong_sell);
    json_key_f64(json, "buy_ratio", summary->buy_ratio);
    json_key_f64(json, "sell_ratio", summary->sell_ratio);
    json_key_f64(json, "strong_ratio", summary->strong_ratio);
    json_key_f64(json, "strong_to_normal_ratio", summary->strong_to_normal_ratio);
}

static void write_per_minute(struct json *json, const struct tally *tally)
{
    json_key(json, "per_minute");
    json_array_begin(json);
    for (int i = 0; tally->total && i < TALLY_MINUTES; i++) {
        char human[32];
        const struct tally_minute *minute = &tally->minutes[i];
        summary_minute_text(minute->minute, human);
        json_object_begin(json);
        json_key_i64(json, "minute", minute->minute);
        json_key_text(json, "minute_human", human);
        json_key_i64(json, "count", minute->count);
        json_key_i64(json, "confirmed", minute->confirmed);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_reasons(struct json *json, const struct tally *tally, const int64_t *counts)
{
    size_t order[TALLY_REASONS_MAX];
    tally_reason_order(tally, counts, order);
    json_object_begin(json);
    for (size_t i = 0; i < tally->reason_count; i++)
        if (counts[order[i]])
            json_key_i64(json, tally->reason_names[order[i]], counts[order[i]]);
    json_object_end(json);
}

static void write_gating(struct json *json, const struct tally *tally)
{
    json_key(json, "gating_breakdown");
    write_reasons(json, tally, tally->reasons);
    json_key(json, "gating_breakdown_by_regime");
    json_object_begin(json);
    for (int i = 0; i < TALLY_REGIMES; i++) {
        json_key(json, REGIME_NAMES[i]);
        write_reasons(json, tally, tally->reasons_by_regime[i]);
    }
    json_object_end(json);
    json_key(json, "gating_breakdown_by_minute");
    json_array_begin(json);
    for (int i = 0; tally->total && i < TALLY_MINUTES; i++)
        write_reasons(json, tally, tally->minutes[i].reasons);
    json_array_end(json);
}

static void write_reading(struct json *json, const struct summary *summary)
{
    const struct summary_input *input = summary->input;
    summary_counts_json(json, &summary->counts);
    json_key_i64(json, "rows_processed", input->sink_figures.rows);
    json_key_i64(json, "files_read", input->sink_figures.files_read);
    key_i64(json, "first_minute", input->tally->first_minute);
    key_i64(json, "last_minute", input->tally->last_minute);
    json_key_i64(json, "dropped_bad_json", input->sink_figures.bad_rows);
}

static void write_orders(struct json *json, const struct summary *summary)
{
    const struct order_summary *orders = &summary->orders;
    const struct tally *tally = summary->input->tally;
    json_key(json, "orders");
    json_object_begin(json);
    key_i64(json, "total", orders->total);
    key_i64(json, "buy", orders->buy);
    key_i64(json, "sell", orders->sell);
    key_i64(json, "strong", orders->strong);
    key_i64(json, "normal", orders->normal);
    key_i64(json, "rejected", orders->rejected);
    json_key_f64(json, "broker_sample_rate", summary->input->broker_sample_rate);
    json_key(json, "order_rhythm");
    json_array_begin(json);
    for (int i = 0; tally->total && i < TALLY_MINUTES; i++) {
        json_object_begin(json);
        json_key_i64(json, "minute", tally->minutes[i].minute);
        key_i64(json, "count", summary->minute_orders[i]);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

/* write_snapshot: strategy_state's own fields with the symbol behind ts_ms (data.md §3.5). */
static void write_snapshot(struct json *json, const struct state_snapshot *state)
{
    json_object_begin(json);
    for (size_t i = 0; i < strategy_state_message.field_count; i++) {
        const struct field *field = &strategy_state_message.fields[i];
        if (field->flags & FIELD_WIRE)
            continue;
        json_key(json, field->name);
        field_json(json, field, &state->row);
        if (strcmp(field->name, "ts_ms") == 0)
            json_key_text(json, "symbol", state->symbol);
    }
    json_object_end(json);
}

static void write_states(struct json *json, const struct summary *summary)
{
    const struct stored *stored = summary->input->stored;
    const struct state_summary *states = &summary->states;
    size_t first = stored->state_count > SUMMARY_STATES_MAX ? stored->state_count - SUMMARY_STATES_MAX : 0;
    json_key(json, "runtime_state");
    json_object_begin(json);
    json_key(json, "snapshots");
    json_array_begin(json);
    for (size_t i = first; i < stored->state_count; i++)
        write_snapshot(json, &stored->states[i]);
    json_array_end(json);
    json_key(json, "summary");
    json_object_begin(json);
    json_key_i64(json, "total_snapshots", states->snapshots);
    json_key_i64(json, "symbols", states->symbols);
    json_key_f64(json, "active_share", states->active_share);
    json_key_i64(json, "transitions", states->transitions);
    json_key_f64(json, "avg_trades_per_min", states->avg_trades_per_min);
    json_key_f64(json, "min_trades_per_min", states->min_trades_per_min);
    json_key_f64(json, "max_trades_per_min", states->max_trades_per_min);
    json_key_f64(json, "avg_spread_bps", states->avg_spread_bps);
    json_key_f64(json, "min_spread_bps", states->min_spread_bps);
    json_key_f64(json, "max_spread_bps", states->max_spread_bps);
    json_key_f64(json, "avg_quotes_per_sec", states->avg_quotes_per_sec);
    json_object_end(json);
    json_object_end(json);
}

static void write_linkage(struct json *json, const struct linkage *linkage)
{
    json_key(json, "event_signal_linkage");
    json_object_begin(json);
    json_key(json, "baseline");
    json_object_begin(json);
    json_key_i64(json, "n", linkage->baseline.n);
    json_key_i64(json, "confirmed", linkage->baseline.confirmed);
    json_key_f64(json, "p", linkage->baseline.p);
    json_object_end(json);
    json_key(json, "types");
    json_object_begin(json);
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        const struct linkage_share *share = &linkage->types[i];
        if (!share->event_count)
            continue;
        json_key(json, EVENT_TYPE_NAMES[i]);
        json_object_begin(json);
        json_key_i64(json, "event_count", share->event_count);
        json_key_i64(json, "n", share->n);
        json_key_i64(json, "confirmed", share->confirmed);
        json_key_f64(json, "p", share->p);
        json_key_f64(json, "lo95", share->lo95);
        json_key_f64(json, "hi95", share->hi95);
        json_object_end(json);
    }
    json_object_end(json);
    json_object_end(json);
}

static void write_warnings(struct json *json, const struct summary *summary)
{
    json_key(json, "warnings");
    json_array_begin(json);
    for (size_t i = 0; i < summary->warning_count; i++)
        json_text(json, summary->warnings[i]);
    json_array_end(json);
}

/* ---- beyond data.md §6.4: what the book and the tape were ---- */

static void write_audit(struct json *json, const struct figures *figures)
{
    json_key(json, "book_audit");
    json_object_begin(json);
    for (size_t i = 0; i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        json_key(json, symbol->symbol);
        json_object_begin(json);
        json_key_i64(json, "diffs_applied", symbol->diffs_applied);
        json_key_i64(json, "comparable", symbol->audit_equal + symbol->audit_different);
        json_key_i64(json, "equal", symbol->audit_equal);
        json_key_i64(json, "different", symbol->audit_different);
        json_key_i64(json, "book_resets", symbol->book_resets);
        json_key_i64(json, "gaps", symbol->gaps);
        json_object_end(json);
    }
    json_object_end(json);
}

static void key_sum(struct json *json, const char *key, const struct decimal_sum *sum)
{
    char text[DECIMAL_TEXT_BYTES];
    decimal_sum_text(sum, text);
    json_key_text(json, key, text);
}

static void write_volumes(struct json *json, const struct figures *figures)
{
    json_key(json, "volumes");
    json_object_begin(json);
    for (size_t i = 0; i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        json_key(json, symbol->symbol);
        json_object_begin(json);
        json_key_i64(json, "trades", symbol->trades);
        key_sum(json, "taker_buy", &symbol->taker_buy);
        key_sum(json, "taker_sell", &symbol->taker_sell);
        key_sum(json, "total", &symbol->total);
        json_key_i64(json, "internal_trades", symbol->internal_trades);
        json_key_i64(json, "missing_trade_ids", symbol->missing_trade_ids);
        key_i64(json, "first_ts_ms", symbol->first_ts_ms);
        key_i64(json, "last_ts_ms", symbol->last_ts_ms);
        json_object_end(json);
    }
    json_object_end(json);
}

static void write_top5(struct json *json, const struct figures *figures)
{
    json_key(json, "top5");
    json_object_begin(json);
    for (size_t i = 0; i < figures->symbol_count; i++) {
        json_key(json, figures->symbols[i].symbol);
        json_object_begin(json);
        json_key(json, "bids");
        levels_json(json, figures->symbols[i].bids);
        json_key(json, "asks");
        levels_json(json, figures->symbols[i].asks);
        json_object_end(json);
    }
    json_object_end(json);
}

static void write_published(struct json *json, const struct summary *summary)
{
    const struct figures *figures = &summary->input->stored->figures;
    bool ended = figures->stream_count > 0;
    for (size_t i = 0; i < figures->stream_count; i++)
        ended = ended && figures->streams[i].ended;
    json_key_i64(json, "signals_published", summary->signals_published);
    json_key_bool(json, "streams_ended", ended);
}

void summary_json(const struct summary *summary, struct buffer *out)
{
    const struct summary_input *input = summary->input;
    const struct figures *figures = &input->stored->figures;
    const struct given *given = input->given;
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    write_header(&json, input);
    write_totals(&json, summary);
    write_per_minute(&json, input->tally);
    write_gating(&json, input->tally);
    write_reading(&json, summary);
    write_orders(&json, summary);
    write_states(&json, summary);
    summary_counts_metrics_json(&json, &summary->counts);
    write_linkage(&json, &summary->linkage);
    summary_given_json(&json, given);
    write_warnings(&json, summary);
    summary_given_gates_json(&json, given);
    write_audit(&json, figures);
    write_volumes(&json, figures);
    write_top5(&json, figures);
    write_published(&json, summary);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}
