/* summary: everything a day report says (data.md §6.4), computed from what the files hold, in one struct
 * that the JSON and the Markdown writer share. Pure: no file, no clock.
 *
 * "Not measured" is NaN or FIELD_NULL_I64 and is written as null (Markdown: "–"), never as 0. */
#pragma once

#include "base/buffer.h"
#include "given.h"
#include "linkage.h"
#include "parity.h"
#include "report_store.h"
#include "sink_reader.h"
#include "summary_counts.h"
#include "tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUMMARY_STATES_MAX = 20, SUMMARY_QUIET_MS = 120000, SUMMARY_WARNINGS = 8 };

/* summary_input: borrowed as long as the summary lives. */
struct summary_input {
    const char *run_id;
    const char *sink; /* "jsonl", "sqlite": whose rows were read */
    const char *input_mode;
    const char *report_tz;
    double broker_sample_rate;
    int64_t started_ms, now_ms; /* wall time: of the run's start, of this summary */
    bool final;                 /* the run is over: nothing will follow */
    const struct tally *tally;
    const struct tracks *tracks;
    struct sink_reader_figures sink_figures;
    const struct stored *stored;
    const struct given *given;
    enum verdict parity; /* of the run, when parity_known */
    bool parity_known;
    const char *parity_file;
};

/* state_summary: over all strategy_state rows; values over those rows that have them. */
struct state_summary {
    int64_t snapshots;
    int64_t symbols;
    int64_t transitions; /* a row whose mode differs from the symbol's row before */
    double active_share;
    double avg_trades_per_min, min_trades_per_min, max_trades_per_min;
    double avg_spread_bps, min_spread_bps, max_spread_bps;
    double avg_quotes_per_sec;
};

struct order_summary {
    int64_t total, buy, sell, strong, normal, rejected; /* null when nothing of a broker was heard */
};

struct summary {
    const struct summary_input *input;
    double buy_ratio, sell_ratio, strong_ratio, strong_to_normal_ratio;
    struct summary_counts counts;
    int64_t minute_orders[TALLY_MINUTES];
    struct order_summary orders;
    struct state_summary states;
    int64_t signals_published; /* rows of the signal stream, to be held against the rows of the sink */
    struct linkage linkage;
    char warnings[SUMMARY_WARNINGS][64];
    size_t warning_count;
};

void summary_compute(const struct summary_input *input, struct summary *out_summary);

/* summary_json: one object, fields in the order of data.md §6.4; behind them book_audit, volumes, top5,
 * signals_published, streams_ended. Ends with a newline. */
void summary_json(const struct summary *summary, struct buffer *out);

/* summary_markdown: the same for people. */
void summary_markdown(const struct summary *summary, struct buffer *out);

/* summary_minute_text: a minute number in the report's time zone, "2024-08-08 23:54". Uses the process's
 * time zone (TZ), which main sets to report.tz. */
void summary_minute_text(int64_t minute, char out_text[32]);
