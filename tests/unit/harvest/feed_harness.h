/* feed_harness: a feed of two symbols on small made-up streams. Rows are noted as short words, in order. */
#pragma once

#include "proto/book.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/quote_audit.h"
#include "proto/trade.h"
#include "services/harvest/feed.h"
#include "tests/support/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* harness: a feed of one market, what it wrote, and the records it was given. */
struct harness {
    struct feed_config config;
    struct feed *feed;
    struct buffer said; /* "trade 5, book 12, gap …" of symbol 0 */
    struct trade_row last_trade;
    struct book_row last_book;
    struct event_row last_event;
    struct quote_audit_row last_audit;
    struct control_row last_control;
    int64_t sequence;
    uint64_t seq;
    int64_t recv_ms;
    uint16_t conn_id;
    const char *wire; /* stream prefix of symbol 0 */
};

static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSDT"};

static inline void say(struct harness *harness, const char *word, int64_t number)
{
    buffer_format(&harness->said, "%s%s %" PRId64, harness->said.length ? ", " : "", word, number);
}

static inline void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harness *harness = context;
    if (symbol != 0)
        return;
    harness->sequence++;
    if (message == &trade_message) {
        harness->last_trade = *(const struct trade_row *)row;
        say(harness, "trade", harness->last_trade.agg_trade_id);
    } else if (message == &book_message) {
        harness->last_book = *(const struct book_row *)row;
        say(harness, harness->last_book.book_reset ? "reset" : "book", harness->last_book.last_id);
    } else if (message == &event_message) {
        harness->last_event = *(const struct event_row *)row;
        assert_int_equal(harness->last_event.source, harness->sequence);
        say(harness, EVENT_TYPE_NAMES[harness->last_event.event_type], harness->last_event.ts_ms);
    } else if (message == &quote_audit_message) {
        harness->last_audit = *(const struct quote_audit_row *)row;
        say(harness, harness->last_audit.agrees ? "agree" : "disagree", harness->last_audit.last_id);
    } else {
        harness->last_control = *(const struct control_row *)row;
        assert_int_equal(harness->last_control.source, harness->sequence);
        say(harness, CONTROL_ACTION_NAMES[harness->last_control.action], harness->last_control.ts_ms);
    }
}

static inline void begin(struct harness *harness, enum venue_market market)
{
    memset(harness, 0, sizeof *harness);
    buffer_init(&harness->said, 0);
    feed_config_defaults(&harness->config);
    harness->config.market = market;
    harness->config.symbols = SYMBOLS;
    harness->config.symbol_count = 2;
    harness->config.raw_trades = true;
    harness->config.max_clock_skew_ms = 0;
    harness->conn_id = 1;
    harness->feed = feed_create(&harness->config, collect, harness, NULL);
    assert_non_null(harness->feed);
}

static inline void finish(struct harness *harness)
{
    struct error error = {""};
    if (feed_imbalance(harness->feed, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    feed_destroy(harness->feed);
    buffer_finish(&harness->said);
}

/* expect: what was said since the last expectation. */
static inline void expect(struct harness *harness, const char *text)
{
    assert_string_equal(buffer_text(&harness->said), text);
    buffer_clear(&harness->said);
}

static inline enum status record(struct harness *harness, enum capture_kind kind, const char *payload)
{
    struct capture_record item = {
        .seq = ++harness->seq,
        .recv_ns = harness->recv_ms * 1000000,
        .kind = (uint16_t)kind,
        .conn_id = harness->conn_id,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
    enum status status = feed_record(harness->feed, &item, NULL);
    assert_int_equal(feed_position(harness->feed), harness->seq);
    return status;
}

static inline void trade(struct harness *harness, int64_t time_ms, int64_t id)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"t\":%" PRId64
             ",\"p\":\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}",
             time_ms, time_ms, id);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static inline void diff_levels(struct harness *harness, int64_t time_ms, int64_t first, int64_t last,
                               int64_t previous, const char *bids, const char *asks)
{
    char text[600];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"U\":%" PRId64
             ",\"u\":%" PRId64 ",\"pu\":%" PRId64 ",\"b\":%s,\"a\":%s}}",
             time_ms, time_ms, first, last, previous, bids, asks);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

/* diff: sets the bid at 100 to the quantity u, so that states differ. */
static inline void diff(struct harness *harness, int64_t time_ms, int64_t first, int64_t last,
                        int64_t previous)
{
    char bids[64];
    snprintf(bids, sizeof bids, "[[\"100\",\"%" PRId64 "\"]]", last % 100000);
    diff_levels(harness, time_ms, first, last, previous, bids, "[]");
}

static inline void ticker(struct harness *harness, int64_t id, int64_t bid_qty)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%" PRId64
             ",\"b\":\"100.00\",\"B\":\"%" PRId64 "\",\"a\":\"101.00\",\"A\":\"7\"}}",
             id, bid_qty);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static inline enum status snapshot(struct harness *harness, int64_t last_id)
{
    char text[400];
    snprintf(text, sizeof text,
             "http://h/depth?symbol=BTCUSDT\n{\"lastUpdateId\":%" PRId64
             ",\"bids\":[[\"100\",\"1\"],[\"99\",\"1\"]],\"asks\":[[\"101\",\"7\"],[\"102\",\"1\"]]}",
             last_id);
    return record(harness, CAPTURE_REST, text);
}

static inline int64_t counted(const struct harness *harness, enum feed_counter counter)
{
    return feed_count(harness->feed, FEED_ALL, counter);
}

/* live: a synchronised book, last u 10, at T = 1000. */
static inline void begin_live(struct harness *harness, enum venue_market market)
{
    begin(harness, market);
    snapshot(harness, 10);
    diff(harness, 1000, market == VENUE_SPOT ? 11 : 9, 12, 8);
    expect(harness, "reset 12");
}
