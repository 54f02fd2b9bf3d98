/* For people: top down, from the messages to what is stored. Values are written as the sinks write them. */
#include "story.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

enum { TITLE_BYTES = 10, TEXT_SHOWN_BYTES = 150, TOP_LEVELS = 5 };

static void title(struct buffer *out, const char *text)
{
    buffer_format(out, "%-*s", TITLE_BYTES, text);
}

/* say_fields: "name value  name value", a line; of the fields that the message has. */
static void say_fields(struct buffer *out, const char *head, const struct message *message, const void *row,
                       const char *const *names)
{
    struct json json;
    title(out, head);
    for (; *names; names++) {
        const struct field *field = message_field(message, *names);
        if (!field)
            continue;
        buffer_format(out, "%s ", *names);
        json_init(&json, out);
        field_json(&json, field, row);
        buffer_append_text(out, names[1] ? "  " : "");
    }
    buffer_append_text(out, "\n");
}

static void say_place(struct buffer *out, const char *head, const struct story *story, const char *service,
                      const struct trace_place *place)
{
    title(out, head);
    buffer_format(out, "%s/%s #%" PRId64 ", made at record %" PRIu64 "\n", service, story->symbol,
                  place->sequence, place->record % CAPTURE_CHAIN_STEP);
}

/* --- messages --- */

static void say_text(struct buffer *out, const struct story_raw *raw)
{
    size_t shown = raw->text_bytes < TEXT_SHOWN_BYTES ? raw->text_bytes : TEXT_SHOWN_BYTES;
    title(out, "");
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)raw->text[i];
        buffer_append_byte(out, byte < 0x20 || byte >= 0x7f ? ' ' : byte);
    }
    if (shown < raw->bytes)
        buffer_format(out, " … %zu %s more", raw->bytes - shown,
                      plural((int64_t)(raw->bytes - shown), "byte", "bytes"));
    buffer_append_text(out, "\n");
}

static void say_message(struct buffer *out, const char *head, const struct story_raw *raw)
{
    char time[TIME_TEXT_BYTES];
    title(out, head);
    if (!raw->record) {
        buffer_append_text(out, "none\n");
        return;
    }
    time_iso_ms(raw->recv_ns / 1000000, time);
    buffer_format(out, "record %" PRIu64 ", received %s, %s at offset %" PRIu64 "\n",
                  raw->record % CAPTURE_CHAIN_STEP, time, raw->path, raw->offset);
    say_text(out, raw);
}

static void say_messages(struct buffer *out, const struct story *story)
{
    const struct trace *trace = story->trace;
    say_message(out, "diff", &story->messages[STORY_DIFF]);
    say_message(out, "trade", &story->messages[STORY_TRADE]);
    say_message(out, "due", &story->messages[STORY_DUE]);
    title(out, "");
    buffer_format(out, "made due by harvest/%s #%" PRId64 " (%s)\n", story->symbol, trace->due.place.sequence,
                  trace->due.message->name);
    say_message(out, "snapshot", &story->messages[STORY_SNAPSHOT]);
    if (!trace->book.snapshot_record)
        return;
    title(out, "");
    buffer_format(out,
                  "the local book descends from it: lastUpdateId %" PRId64 ", synchronisation %" PRId64 "\n",
                  trace->book.snapshot_id, trace->book.synchronisation);
}

/* --- rows --- */

static void say_side(struct buffer *out, const struct decimal *price, const struct decimal *qty)
{
    char text[DECIMAL_TEXT_BYTES];
    decimal_text(*qty, text);
    buffer_format(out, "  %16s", decimal_is_null(*qty) ? "-" : text);
    decimal_text(*price, text);
    buffer_format(out, " %14s", decimal_is_null(*price) ? "-" : text);
}

static void say_book(struct buffer *out, const struct story *story)
{
    static const char *const NAMES[] = {
        "ts_ms", "first_id", "last_id", "prev_last_id", "source", "book_reset", "mid", "spread_bps", NULL};
    const struct trace_book *book = &story->trace->book;
    say_place(out, "book", story, "harvest", &book->place);
    say_fields(out, "", &book_message, &book->row, NAMES);
    title(out, "");
    buffer_format(out, "  %16s %14s  %16s %14s\n", "bid qty", "bid price", "ask qty", "ask price");
    for (int i = 0; i < TOP_LEVELS; i++) {
        title(out, "");
        say_side(out, &book->row.bid_price[i], &book->row.bid_qty[i]);
        say_side(out, &book->row.ask_price[i], &book->row.ask_qty[i]);
        buffer_append_text(out, "\n");
    }
}

static void say_ofi(struct buffer *out, const struct story *story)
{
    static const char *const VALUES[] = {"ofi_value", "ema_ofi", "ofi_z", "ofi_z_raw",
                                         "scale",     "regime",  NULL};
    static const char *const STATE[] = {"warmup",     "std_zero", "session_reset",
                                        "bad_points", "ofi_mode", NULL};
    const struct trace_book *book = &story->trace->book;
    struct json json;
    if (!book->ofi_place.sequence) {
        title(out, "OFI");
        buffer_append_text(out, "no row: the book primes the engine\n");
        return;
    }
    say_place(out, "OFI", story, "features", &book->ofi_place);
    say_fields(out, "", &ofi_message, &book->ofi, VALUES);
    title(out, "");
    for (int i = 0; i < story->levels; i++) {
        buffer_format(out, "k%d ", i);
        json_init(&json, out);
        json_f64(&json, book->ofi.components[i]);
        buffer_append_text(out, i + 1 < story->levels ? "  " : "\n");
    }
    say_fields(out, "", &ofi_message, &book->ofi, STATE);
}

static void say_cvd(struct buffer *out, const struct story *story)
{
    static const char *const TRADE[] = {"ts_ms",          "agg_trade_id", "price",      "qty",
                                        "is_buyer_maker", "gap_before",   "backfilled", NULL};
    static const char *const VALUES[] = {"delta", "cvd", "ema_cvd", "z_raw", "z_cvd", "regime", NULL};
    static const char *const SCALE[] = {"scale",    "sigma_floor", "floor_used", "ewma_fast", "ewma_slow",
                                        "ewma_mix", "boost",       "tps",        NULL};
    static const char *const STATE[] = {"warmup", "frozen", "std_zero", "side_source", NULL};
    const struct trace_trade *trade = &story->trace->trade;
    say_place(out, "trade", story, "harvest", &trade->place);
    say_fields(out, "", &trade_message, &trade->row, TRADE);
    say_place(out, "CVD", story, "features", &trade->cvd_place);
    say_fields(out, "", &cvd_message, &trade->cvd, VALUES);
    say_fields(out, "", &cvd_message, &trade->cvd, SCALE);
    say_fields(out, "", &cvd_message, &trade->cvd, STATE);
}

static void say_grid(struct buffer *out, const struct story *story)
{
    static const char *const SCORE[] = {"score",  "score_z",    "consistency", "signal",
                                        "regime", "dispersion", "sign_agree",  NULL};
    static const char *const PARTS[] = {
        "comp_ofi",          "w_ofi",         "comp_cvd", "w_cvd",        "lag_ms", "proba",
        "calibration_state", "cvd_direction", "warmup",   "reason_codes", NULL};
    static const char *const INPUTS[] = {"z_ofi",    "age_ofi_ms", "z_cvd",  "age_cvd_ms",   "price", "mid",
                                         "best_bid", "best_ask",   "warmup", "reason_codes", NULL};
    static const char *const RATES[] = {
        "tps", "trade_rate", "quote_rate", "volume_usd", "realized_vol_bps", "return_1s", "div_type", NULL};
    const struct trace *trace = story->trace;
    say_place(out, "fusion", story, "features", &trace->fusion_place);
    say_fields(out, "", &fusion_message, &trace->fusion, SCORE);
    say_fields(out, "", &fusion_message, &trace->fusion, PARTS);
    say_place(out, "feature", story, "features", &trace->feature_place);
    say_fields(out, "", &feature_message, &trace->feature, INPUTS);
    say_fields(out, "", &feature_message, &trace->feature, RATES);
}

static void say_gates(struct buffer *out, const struct trace *trace)
{
    struct json json;
    for (size_t i = 0; i < SIGNAL_GATES; i++) {
        const struct signal_gate *gate = &trace->gates[i];
        title(out, i ? "" : "gates");
        buffer_format(out, "%-16s %-6s value ", gate->name, gate->closed ? "closed" : "open");
        json_init(&json, out);
        json_f64(&json, gate->value);
        buffer_format(out, ", closed when %s ", gate->relation);
        json_init(&json, out);
        json_f64(&json, gate->limit);
        buffer_append_text(out, "\n");
    }
    title(out, "");
    buffer_format(out, "%-16s ", "threshold");
    json_init(&json, out);
    json_f64(&json, trace->signal.score);
    buffer_append_text(out, " against buy ±");
    json_init(&json, out);
    json_f64(&json, trace->thresholds.buy);
    buffer_append_text(out, ", strong ±");
    json_init(&json, out);
    json_f64(&json, trace->thresholds.strong);
    buffer_append_text(out, "\n");
}

static void say_decision(struct buffer *out, const struct story *story)
{
    static const char *const SIGNAL[] = {"seq",          "signal_type", "confirm", "gating",
                                         "guard_reason", "score",       "regime",  NULL};
    static const char *const ORDER[] = {"order_id", "side", "strength", "status", "reject_reason", NULL};
    static const char *const FILL[] = {"filled_qty",   "filled_price", "mid", "notional",
                                       "slippage_bps", "fee_bps",      "fee", NULL};
    static const char *const POSITION[] = {"qty", "cash", "fees", "orders", NULL};
    const struct trace *trace = story->trace;
    say_place(out, "signal", story, "signal", &trace->signal_place);
    say_fields(out, "", &signal_message, &trace->signal, SIGNAL);
    if (!trace->order_place.sequence) {
        title(out, "order");
        buffer_append_text(out, trace->signal.confirm == 1 ? "none: the broker's sample left it out\n"
                                                           : "none: the signal is not confirmed\n");
        return;
    }
    say_place(out, "order", story, "broker", &trace->order_place);
    say_fields(out, "", &order_message, &trace->order, ORDER);
    say_fields(out, "", &order_message, &trace->order, FILL);
    if (trace->position_place.sequence)
        say_fields(out, "position", &position_message, &trace->position, POSITION);
}

static void say_sinks(struct buffer *out, const struct story *story)
{
    for (enum stored_sink sink = 0; sink < STORED_SINKS; sink++) {
        const struct finding_row *found = &story->sinks[sink];
        title(out, sink ? "" : "stored");
        buffer_format(out, "%-8s %s", STORED_SINK_NAMES[sink], FINDING_NAMES[found->finding]);
        if (found->difference.compared)
            buffer_format(out, " (%zu %s compared, %zu %s)", found->difference.compared,
                          plural((int64_t)found->difference.compared, "field", "fields"),
                          found->difference.count,
                          plural((int64_t)found->difference.count, "differs", "differ"));
        buffer_append_text(out, "\n");
    }
}

void story_text(const struct story *story, struct buffer *out)
{
    char time[TIME_TEXT_BYTES];
    const struct recording *recording = story->recording;
    time_iso_ms(story->ts_ms, time);
    title(out, "key");
    buffer_format(out, "%s/%s/%" PRId64 " (%s)\n", story->run_id, story->symbol, story->ts_ms, time);
    title(out, "capture");
    buffer_format(out, "%" PRIu64 " %s read, from %s on; configuration %.16s\n", recording->records,
                  plural((int64_t)recording->records, "record", "records"),
                  capture_chain_file_path(recording->captures, 0), recording->fingerprint);
    say_messages(out, story);
    say_book(out, story);
    say_ofi(out, story);
    say_cvd(out, story);
    say_grid(out, story);
    say_gates(out, story->trace);
    say_decision(out, story);
    say_sinks(out, story);
    title(out, "verdict");
    buffer_append_text(out, story->is_same ? "same bits\n" : "DIFFERENT\n");
}
