#include "figures.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/websocket_client.h"
#include "proto/event.h"
#include "proto/trade.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 128 }; /* a heartbeat takes 63 of them; ours are shorter */

void row_figures_init(struct row_figures *figures, size_t symbol_count)
{
    latency_init(&figures->latency);
    figures->symbol_count = symbol_count;
    figures->of_symbols = memory_allocate(symbol_count * sizeof *figures->of_symbols);
    for (size_t i = 0; i < figures->symbol_count; i++)
        latency_init(&figures->of_symbols[i]);
    figures->rates_tps = memory_allocate(symbol_count * sizeof *figures->rates_tps);
    for (size_t i = 0; i < symbol_count; i++)
        figures->rates_tps[i] = NAN;
    silence_init(&figures->silence, symbol_count);
}

void row_figures_finish(struct row_figures *figures)
{
    latency_finish(&figures->latency);
    for (size_t i = 0; i < figures->symbol_count; i++)
        latency_finish(&figures->of_symbols[i]);
    free(figures->of_symbols);
    free(figures->rates_tps);
    silence_finish(&figures->silence);
}

/* tell_gap: also of a book that has to be made anew: every break of its sequence makes it so. */
static void tell_gap(const char *symbol, const struct event_row *event)
{
    bool is_break = strstr(event->meta_json, "\"gap_kind\":\"book_seq\"") != NULL;
    if (event->event_type != EVENT_GAP)
        return;
    log_event(LOG_WARNING, "gap", "symbol=%s socket=%s ts_ms=%lld detail=%s", symbol,
              event->channel == CHANNEL_BOOK ? "book" : "trade", (long long)event->ts_ms, event->meta_json);
    if (is_break)
        log_event(LOG_WARNING, "resync", "symbol=%s socket=book ts_ms=%lld detail=%s", symbol,
                  (long long)event->ts_ms, event->meta_json);
}

void row_figures_add(struct row_figures *figures, size_t symbol, const char *name,
                     const struct message *message, const void *row)
{
    const struct trade_row *trade = row;
    if (message == &event_message)
        tell_gap(name, row);
    silence_add(&figures->silence, symbol, message, row);
    if (message != &trade_message)
        return;
    if (!trade->backfilled) { /* a fetched trade's is the length of the outage */
        latency_add(&figures->latency, trade->recv_ts_ms, trade->latency_ms);
        latency_add(&figures->of_symbols[symbol], trade->recv_ts_ms, trade->latency_ms);
    }
    figures->rates_tps[symbol] = trade->recv_rate_tps;
}

void row_figures_elsewhere(struct row_figures *figures, size_t symbol, bool is_elsewhere)
{
    if (is_elsewhere)
        figures->rates_tps[symbol] = NAN;
    silence_elsewhere(&figures->silence, symbol, is_elsewhere);
}

static void report_rows(const struct row_figures *rows, struct stage_report *report)
{
    double rate_tps = NAN; /* of all symbols together */
    for (size_t i = 0; i < rows->symbol_count; i++)
        if (!isnan(rows->rates_tps[i]))
            rate_tps = (isnan(rate_tps) ? 0 : rate_tps) + rows->rates_tps[i];
    stage_report_gauge(report, "latency_ms_p50", latency_quantile(&rows->latency, 0.5));
    stage_report_gauge(report, "latency_ms_p90", latency_quantile(&rows->latency, 0.9));
    stage_report_gauge(report, "latency_ms_p99", latency_quantile(&rows->latency, 0.99));
    stage_report_gauge(report, "recv_rate_tps", rate_tps);
    stage_report_counter(report, "symbols_without_trades", silence_trades(&rows->silence));
    stage_report_counter(report, "symbols_without_books", silence_books(&rows->silence));
}

static void report_receiver(const struct intake *intake, struct stage_report *report)
{
    struct receiver_figures figures = receiver_figures(intake->receiver);
    int64_t losses[INTAKE_LOSSES];
    intake_losses_now(intake, losses); /* behind those of each symbol */
    const struct {
        const char *name;
        int64_t value;
    } counters[] = {
        {"socket_messages", figures.messages}, /* of this life; received_messages are those of the run */
        {"received_bytes", figures.message_bytes},      {"connections_open", figures.connections_open},
        {"connections_opened", figures.openings},       {"refused_attempts", figures.refused_attempts},
        {"rest_requests", figures.rest_requests},       {"rest_failures", figures.rest_failures},
        {"snapshots_asked", figures.snapshots_asked},   {"receiver_pauses", figures.pauses},
        {"capture_backlog", figures.backlog},           {"venue_time_failures", figures.clock_failures},
        {"requests_refused", figures.requests_refused}, {"requests_unsaid", figures.requests_unsaid},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        stage_report_counter(report, counters[i].name, counters[i].value);
    for (enum intake_loss loss = 0; loss < INTAKE_LOSSES; loss++)
        stage_report_counter(report, intake_loss_name(loss), losses[loss]);
    stage_report_gauge(report, "clock_offset_ms", figures.clock_offset_ms);
}

static void report_symbol(const struct stage *stage, const struct feed *feed, size_t symbol,
                          const struct latency *latency, struct stage_report *report)
{
    static const enum feed_counter COUNTERS[] = {FEED_TRADE_GAP_IDS, FEED_BOOK_SEQ_GAP, FEED_BOOK_RESYNC,
                                                 FEED_DEDUP_HITS, FEED_RECONNECTS};
    static const struct {
        const char *name;
        double q;
    } QUANTILES[] = {{"latency_ms_p50", 0.5}, {"latency_ms_p90", 0.9}, {"latency_ms_p99", 0.99}};
    char name[NAME_BYTES];
    for (size_t i = 0; i < sizeof COUNTERS / sizeof *COUNTERS; i++) {
        snprintf(name, sizeof name, "%s/harvest/%s", feed_counter_name(COUNTERS[i]),
                 stage_symbol(stage, symbol));
        stage_report_counter(report, name, feed_count(feed, symbol, COUNTERS[i]));
    }
    for (size_t i = 0; i < sizeof QUANTILES / sizeof *QUANTILES; i++) {
        snprintf(name, sizeof name, "%s/harvest/%s", QUANTILES[i].name, stage_symbol(stage, symbol));
        stage_report_gauge(report, name, latency_quantile(latency, QUANTILES[i].q));
    }
}

/* report_dropped: where a symbol is ours, or where some of it was lost before it left: over all instances they add up. */
static void report_dropped(const struct stage *stage, const struct intake *intake, size_t symbol,
                           struct stage_report *report)
{
    char name[NAME_BYTES];
    int64_t dropped = intake_dropped(intake, symbol);
    if (!intake->receiver || (!stage_owns(stage, symbol) && !dropped))
        return;
    snprintf(name, sizeof name, "%s/harvest/%s", intake_loss_name(INTAKE_QUEUE_DROPPED),
             stage_symbol(stage, symbol));
    stage_report_counter(report, name, dropped);
}

void figures_report(const struct stage *stage, const struct feed *feed, const struct intake *intake,
                    const struct row_figures *rows, struct stage_report *report)
{
    report_rows(rows, report);
    for (size_t i = 0; !stage_report_is_brief(report) && i < rows->symbol_count; i++) {
        if (stage_owns(stage, i))
            report_symbol(stage, feed, i, &rows->of_symbols[i], report);
        report_dropped(stage, intake, i, report);
    }
    for (enum feed_counter counter = 0; counter < FEED_COUNTER_COUNT; counter++)
        stage_report_counter(report, feed_counter_name(counter), feed_count(feed, FEED_ALL, counter));
    if (intake->receiver)
        report_receiver(intake, report);
    if (intake->writer)
        stage_report_counter(report, "capture_bytes", capture_written_bytes(intake->writer));
    stage_report_library(report, "libwebsockets", websocket_library_version());
}

static void count_symbol(const struct feed *feed, size_t symbol, struct stage_ledger *ledger)
{
    for (enum feed_counter counter = 0; counter < FEED_COUNTER_COUNT; counter++)
        stage_ledger_count(ledger, symbol, feed_counter_name(counter), feed_count(feed, symbol, counter));
    stage_ledger_count(ledger, symbol, "trades_held", feed_held_trades(feed, symbol));
    stage_ledger_count(ledger, symbol, "trades_waiting", feed_waiting(feed, symbol));
    stage_ledger_count(ledger, symbol, "books_held", feed_held_books(feed, symbol));
}

void figures_ledger(const struct stage *stage, const struct feed *feed, const struct intake *intake,
                    struct stage_ledger *ledger)
{
    for (enum feed_counter counter = 0; counter < FEED_COUNTER_COUNT; counter++)
        stage_ledger_count(ledger, STAGE_NO_SYMBOL, feed_counter_name(counter),
                           feed_count(feed, FEED_ALL, counter));
    stage_ledger_count(ledger, STAGE_NO_SYMBOL, "books_are_whole", feed_books_are_whole(feed));
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        if (stage_owns(stage, i))
            count_symbol(feed, i, ledger);
    if (!intake->receiver)
        return;
    struct receiver_figures figures = receiver_figures(intake->receiver);
    stage_ledger_count(ledger, STAGE_NO_SYMBOL, "socket_messages", figures.messages);
    stage_ledger_count(ledger, STAGE_NO_SYMBOL, "socket_first_record", (int64_t)intake->first_record);
    for (enum intake_loss loss = 0; loss < INTAKE_LOSSES; loss++)
        stage_ledger_count(ledger, STAGE_NO_SYMBOL, intake_loss_name(loss), intake->losses[loss]);
}
