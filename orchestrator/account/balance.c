#include "balance.h"

#include <string.h>

#define HARVEST_PUBLISHES(what)  "harvest:rows." what
#define FEATURES_PUBLISHES(what) "features:rows." what

/* A stream ends where its rows end, and everybody has taken all of it. */
#define PUBLISHED(service)                                                                     \
    {                                                                                          \
        service "_rows", "rows of " service "'s streams by kind, against their last sequence", \
            BALANCE_SYMBOL, 0, {service ":last_sequence"},                                     \
        {                                                                                      \
            service ":rows.*"                                                                  \
        }                                                                                      \
    }
#define CONSUMED(service, reader)                                                                  \
    {                                                                                              \
        reader "_reads_" service, "rows of " service " that " reader " has taken", BALANCE_SYMBOL, \
            BALANCE_LAGS, {service ":last_sequence"},                                              \
        {                                                                                          \
            reader ":consumed." service                                                            \
        }                                                                                          \
    }
/* A row is in a part, in a dead letter, or was left out as a repetition. */
#define STORED(kind, ...)                                                                         \
    {                                                                                             \
        "parquet_" kind, "rows in the Parquet files of kind " kind, BALANCE_SYMBOL, BALANCE_LAGS, \
            {__VA_ARGS__},                                                                        \
        {                                                                                         \
            "parquet:distinct." kind, "deadletter:" kind, "archive:duplicates." kind              \
        }                                                                                         \
    }
#define ONCE(store)                                                                                       \
    {                                                                                                     \
        store "_once", "no row stands twice in " store, BALANCE_SYMBOL, BALANCE_ENDED, {store ":rows.*"}, \
        {                                                                                                 \
            store ":distinct.*"                                                                           \
        }                                                                                                 \
    }

static const struct balance_line LINES[] = {
    /* venue → capture → harvest */
    {"socket",
     "messages the sockets of harvest's last life gave, against its capture",
     BALANCE_RUN,
     BALANCE_ENDED,
     {"harvest:socket_messages"},
     {"capture:socket_messages"}},
    {"capture_messages",
     "messages in the capture files that harvest has taken",
     BALANCE_RUN,
     BALANCE_LAGS,
     {"capture:messages"},
     {"harvest:received_messages"}},
    {"capture_rest",
     "REST answers in the capture files that harvest has taken",
     BALANCE_RUN,
     BALANCE_LAGS,
     {"capture:rest_answers"},
     {"harvest:received_rest_answers"}},
    {"capture_controls",
     "control inputs in the capture files that harvest has taken",
     BALANCE_RUN,
     BALANCE_LAGS,
     {"capture:controls"},
     {"harvest:received_controls"}},
    {"capture_other",
     "openings, closings, metadata and unknown records in the capture files",
     BALANCE_RUN,
     BALANCE_LAGS,
     {"capture:other"},
     {"harvest:other_records", "harvest:unknown_records"}},
    {"messages",
     "every message is parsed, malformed, or filtered by reason",
     BALANCE_RUN,
     0,
     {"harvest:received_messages"},
     {"harvest:parsed_messages", "harvest:malformed_json", "harvest:malformed_envelope",
      "harvest:malformed_field", "harvest:malformed_number", "harvest:malformed_size",
      "harvest:filtered_unknown_stream", "harvest:filtered_other_stream", "harvest:filtered_other_symbol",
      "harvest:filtered_unused_trades", "harvest:filtered_unused_books", "harvest:filtered_notice",
      "harvest:filtered_after_end"}},
    {"parsed",
     "every parsed message is a trade, a book message or a ticker of some symbol, was fed by the instance "
     "the "
     "symbol moved from or to, or has come for a symbol on its way",
     BALANCE_RUN,
     0,
     {"harvest:parsed_messages"},
     {"harvest:received_trades", "harvest:received_books", "harvest:received_tickers",
      "harvest:fed_elsewhere", "harvest:arrived", "harvest:arrived_lost"}},
    /* harvest, by symbol */
    {"trades",
     "every trade is published, a duplicate, late, of an invalid time or quantity, held back, or "
     "waits behind a hole",
     BALANCE_SYMBOL,
     0,
     {"harvest:received_trades", "harvest:backfilled_trades"},
     {HARVEST_PUBLISHES("trade"), "harvest:dedup_hits_total", "harvest:late_event_dropped",
      "harvest:invalid_time_trades", "harvest:invalid_qty", "harvest:trades_held", "harvest:trades_waiting"}},
    {"diffs",
     "every diff is applied, backward, older than its snapshot, dropped, or held back",
     BALANCE_SYMBOL,
     BALANCE_DIFFS,
     {"harvest:received_books"},
     {"harvest:diffs_applied", "harvest:book_backward", "harvest:diffs_before_snapshot",
      "harvest:diffs_dropped", "harvest:books_held"}},
    {"books",
     "every applied diff is published, or its book or time is not fit to be",
     BALANCE_SYMBOL,
     BALANCE_DIFFS,
     {"harvest:diffs_applied"},
     {HARVEST_PUBLISHES("book"), "harvest:book_time_backward", "harvest:book_crossed", "harvest:book_empty",
      "harvest:book_untimely"}},
    {"whole_books",
     "every book is published, or it or its time is not fit to be",
     BALANCE_SYMBOL,
     BALANCE_WHOLE_BOOKS,
     {"harvest:received_books"},
     {HARVEST_PUBLISHES("book"), "harvest:book_backward", "harvest:book_time_backward",
      "harvest:book_crossed", "harvest:book_empty", "harvest:book_duplicate_price",
      "harvest:invalid_time_books", "harvest:books_held"}},
    PUBLISHED("harvest"),
    CONSUMED("harvest", "features"),
    CONSUMED("harvest", "archive"),
    CONSUMED("harvest", "report"),
    /* features */
    {"features_trades",
     "every trade row is a cvd row, no trade of the market, or not fit to be one",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {HARVEST_PUBLISHES("trade")},
     {FEATURES_PUBLISHES("cvd"), "features:non_market_trades", "features:invalid_time_trades",
      "features:invalid_qty", "features:invalid_price", "features:side_unknown"}},
    {"features_books",
     "every book row is an ofi row, a priming one, or not fit to be one",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {HARVEST_PUBLISHES("book")},
     {FEATURES_PUBLISHES("ofi"), "features:books_primed", "features:book_crossed", "features:book_empty",
      "features:book_duplicate_price", "features:invalid_time_books"}},
    {"features_grid",
     "every fusion row has its feature row",
     BALANCE_SYMBOL,
     BALANCE_COMPUTED,
     {FEATURES_PUBLISHES("fusion")},
     {FEATURES_PUBLISHES("feature")}},
    {"features_played",
     "every row of the input is a feature row, a repetition of one, was rejected, or left where it was "
     "stopped",
     BALANCE_SYMBOL,
     BALANCE_PLAYED | BALANCE_LAGS,
     {"features:rows_found"},
     {FEATURES_PUBLISHES("feature"), "features:rows_repeated", "features:rows_rejected",
      "features:rows_left"}},
    PUBLISHED("features"),
    CONSUMED("features", "signal"),
    CONSUMED("features", "archive"),
    CONSUMED("features", "report"),
    /* signal, broker */
    {"signal_decisions",
     "every feature row is a signal, within dedupe_ms of one, late, or incomplete",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {FEATURES_PUBLISHES("feature")},
     {"signal:rows.signal", "signal:deduplicated", "signal:late_feature_row", "signal:bad_feature_row"}},
    PUBLISHED("signal"),
    CONSUMED("signal", "broker"),
    CONSUMED("signal", "report"),
    {"confirmed",
     "confirmed signals that the broker has seen",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {"signal:confirmed"},
     {"broker:confirmed_signals"}},
    {"orders",
     "every confirmed signal is an order, not in the sample, or a repetition",
     BALANCE_SYMBOL,
     0,
     {"broker:confirmed_signals"},
     {"broker:rows.order", "broker:not_sampled", "broker:repeated"}},
    {"fills",
     "every order is filled or rejected",
     BALANCE_SYMBOL,
     0,
     {"broker:rows.order"},
     {"broker:rows.fill", "broker:rejected"}},
    {"positions",
     "every fill moves the position",
     BALANCE_SYMBOL,
     0,
     {"broker:rows.fill"},
     {"broker:rows.position"}},
    PUBLISHED("broker"),
    CONSUMED("broker", "report"),
    /* what report has counted row by row */
    {"report_trades",
     "trade rows that report has counted",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {HARVEST_PUBLISHES("trade")},
     {"report:trades"}},
    {"report_books",
     "book rows that report has counted",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {HARVEST_PUBLISHES("book")},
     {"report:books"}},
    {"report_audits",
     "quote audits that report has counted",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {HARVEST_PUBLISHES("quote_audit")},
     {"report:audits"}},
    {"report_signals",
     "signals that report has counted",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {"signal:rows.signal"},
     {"report:signals"}},
    {"report_orders",
     "orders that report has counted",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {"broker:rows.order"},
     {"report:orders"}},
    /* stored: counted in the stores themselves */
    {"jsonl",
     "signals in the JSONL files of this run",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {"signal:rows.signal"},
     {"jsonl:distinct.signals"}},
    {"sqlite",
     "signals in signals.db of this run",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {"signal:rows.signal"},
     {"sqlite:distinct.signals"}},
    {"mock_orders",
     "orders in mock_orders.jsonl of this run",
     BALANCE_SYMBOL,
     BALANCE_LAGS,
     {"broker:rows.order"},
     {"orders:distinct.orders"}},
    STORED("prices", HARVEST_PUBLISHES("trade")),
    STORED("orderbook", HARVEST_PUBLISHES("book")),
    STORED("ofi", FEATURES_PUBLISHES("ofi")),
    STORED("cvd", FEATURES_PUBLISHES("cvd")),
    STORED("fusion", FEATURES_PUBLISHES("fusion")),
    STORED("events", HARVEST_PUBLISHES("event"), "?" FEATURES_PUBLISHES("event")),
    STORED("features", FEATURES_PUBLISHES("feature")),
    ONCE("jsonl"),
    ONCE("sqlite"),
    ONCE("orders"),
    ONCE("parquet"),
};

#define LOST(service, reader)                                                                          \
    {                                                                                                  \
        reader "_lost_" service, "rows of " service " that retention took before " reader " had them", \
            BALANCE_SYMBOL, reader ":lost." service                                                    \
    }
#define UNREADABLE(service, reader)                                                                          \
    {                                                                                                        \
        reader "_unreadable_" service, "rows of " service " that " reader " could not read", BALANCE_SYMBOL, \
            reader ":malformed." service                                                                     \
    }

static const struct balance_loss LOSSES[] = {
    {"trade_ids_missing", "trade ids the venue never sent (gap events)", BALANCE_SYMBOL,
     "harvest:trade_gap_ids_total"},
    {"book_resyncs", "breaks in the book's sequence, bridged by a new snapshot", BALANCE_SYMBOL,
     "harvest:book_resync_total"},
    {"book_gaps", "breaks in the book's sequence (gap events)", BALANCE_SYMBOL, "harvest:book_seq_gap_total"},
    {"silences", "pauses of the venue longer than the idle limits (gap events)", BALANCE_SYMBOL,
     "harvest:silences"},
    {"diffs_never_applied", "diffs whose book was never synchronised, or beyond the bound", BALANCE_SYMBOL,
     "harvest:diffs_dropped"},
    {"reconnects", "connections opened again (reconnect events)", BALANCE_RUN, "harvest:reconnect_count"},
    {"messages_too_large", "messages above 8 MiB, skipped", BALANCE_RUN, "harvest:messages_too_large"},
    {"queue_dropped", "records the capture could not take", BALANCE_RUN, "harvest:queue_dropped"},
    {"capture_torn", "torn record at the end of the capture", BALANCE_RUN, "capture:torn"},
    LOST("harvest", "features"),
    LOST("features", "signal"),
    LOST("signal", "broker"),
    LOST("harvest", "archive"),
    LOST("features", "archive"),
    LOST("harvest", "report"),
    LOST("features", "report"),
    LOST("signal", "report"),
    LOST("broker", "report"),
    UNREADABLE("harvest", "features"),
    UNREADABLE("features", "signal"),
    UNREADABLE("signal", "broker"),
    UNREADABLE("harvest", "archive"),
    UNREADABLE("features", "archive"),
    UNREADABLE("harvest", "report"),
    UNREADABLE("features", "report"),
    UNREADABLE("signal", "report"),
    UNREADABLE("broker", "report"),
    {"dead_letters", "rows that broke a rule of quality", BALANCE_SYMBOL, "deadletter:*"},
    {"duplicates", "rows left out of Parquet for a row_id met before", BALANCE_SYMBOL,
     "archive:duplicates.*"},
};

const struct balance_line *balance_line_at(size_t index)
{
    return index < sizeof LINES / sizeof *LINES ? &LINES[index] : NULL;
}

const struct balance_loss *balance_loss_at(size_t index)
{
    return index < sizeof LOSSES / sizeof *LOSSES ? &LOSSES[index] : NULL;
}

const char *balance_verdict_name(enum balance_verdict verdict)
{
    static const char *const NAMES[] = {"BALANCED", "OUTSTANDING", "UNBALANCED", "UNKNOWN"};
    return NAMES[verdict];
}

/* --- who counts --- */

/* counter: who stands before the colon of a term, and when it is part of a run. */
struct counter {
    const char *name;
    enum module_id module;
    const char *sink; /* NULL: whatever the sink */
};

static const struct counter COUNTERS[] = {
    {"harvest", MODULE_HARVEST, NULL},    {"capture", MODULE_HARVEST, NULL},
    {"features", MODULE_FEATURES, NULL},  {"signal", MODULE_SIGNAL, NULL},
    {"jsonl", MODULE_SIGNAL, "jsonl"},    {"sqlite", MODULE_SIGNAL, "sqlite"},
    {"broker", MODULE_BROKER, NULL},      {"orders", MODULE_BROKER, NULL},
    {"archive", MODULE_ARCHIVE, NULL},    {"parquet", MODULE_ARCHIVE, NULL},
    {"deadletter", MODULE_ARCHIVE, NULL}, {"report", MODULE_REPORT, NULL},
};

static bool counts_in(const char *term, const struct balance_conditions *conditions)
{
    size_t length = strcspn(term, ":");
    for (size_t i = 0; i < sizeof COUNTERS / sizeof *COUNTERS; i++) {
        const struct counter *counter = &COUNTERS[i];
        if (strlen(counter->name) == length && memcmp(counter->name, term, length) == 0)
            return (conditions->modules & module_bit(counter->module)) &&
                   (!counter->sink || strcmp(conditions->sink, "dual") == 0 ||
                    strcmp(conditions->sink, counter->sink) == 0);
    }
    return false;
}

static bool all_count(const char *const *terms, const struct balance_conditions *conditions)
{
    for (; *terms; terms++)
        if (**terms != '?' && !counts_in(*terms, conditions))
            return false;
    return true;
}

/* books_fit: of the two lines about books one concerns a run; both do (and are UNKNOWN) when nobody says which. */
static bool books_fit(const struct balance_line *line, const struct figures *figures)
{
    int64_t whole;
    if (!(line->flags & (BALANCE_WHOLE_BOOKS | BALANCE_DIFFS)) ||
        !figures_get(figures, "", "harvest:books_are_whole", &whole))
        return true;
    return (line->flags & BALANCE_WHOLE_BOOKS) ? whole != 0 : whole == 0;
}

/* source_fits: likewise of lines about what features does. */
static bool source_fits(const struct balance_line *line, const struct balance_conditions *conditions)
{
    bool harvests = conditions->modules & module_bit(MODULE_HARVEST);
    return !((line->flags & BALANCE_COMPUTED) && !harvests) && !((line->flags & BALANCE_PLAYED) && harvests);
}

bool balance_concerns(const struct balance_line *line, const struct balance_conditions *conditions,
                      const struct figures *figures)
{
    return !(conditions->live && (line->flags & BALANCE_ENDED)) && all_count(line->in, conditions) &&
           all_count(line->out, conditions) && source_fits(line, conditions) && books_fit(line, figures);
}

bool balance_loss_concerns(const struct balance_loss *loss, const struct balance_conditions *conditions)
{
    return counts_in(loss->term, conditions);
}

/* --- judging --- */

bool balance_term(const struct balance_conditions *conditions, const struct figures *figures,
                  const char *symbol, const char *term, int64_t *out_value)
{
    bool optional = *term == '?';
    *out_value = 0;
    if (optional && !counts_in(term + 1, conditions))
        return true;
    return figures_get(figures, symbol, term + optional, out_value);
}

/* sum: of what is known; *missing names the first term that is not. */
static int64_t sum(const char *const *terms, const struct balance_conditions *conditions,
                   const struct figures *figures, const char *symbol, const char **missing)
{
    int64_t total = 0, value;
    for (; *terms; terms++) {
        if (!balance_term(conditions, figures, symbol, *terms, &value) && !*missing)
            *missing = *terms;
        total += value;
    }
    return total;
}

struct balance balance_judge(const struct balance_line *line, const struct balance_conditions *conditions,
                             const struct figures *figures, const char *symbol)
{
    struct balance balance = {.missing = NULL};
    balance.in = sum(line->in, conditions, figures, symbol, &balance.missing);
    balance.out = sum(line->out, conditions, figures, symbol, &balance.missing);
    bool may_lag = conditions->live && (line->flags & BALANCE_LAGS);
    if (balance.missing)
        balance.verdict = BALANCE_UNKNOWN;
    else if (balance.in == balance.out)
        balance.verdict = BALANCE_EVEN;
    else
        balance.verdict = may_lag && balance.in > balance.out ? BALANCE_OUTSTANDING : BALANCE_UNEVEN;
    return balance;
}
