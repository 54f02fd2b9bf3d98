// What was missed while no socket was open (data.md §1.5, docs/decisions/0014): fetched page by page, put before what came
// since, told as a gap where REST has it not. Rows are noted as short words, in order; fetched trades as "filled".
// links: service_harvest market journal proto base yyjson
#include "base/random.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/trade.h"
#include "services/harvest/feed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct harness {
    struct feed_config config;
    struct feed *feed;
    struct buffer said;
    struct event_row last_gap;
    uint64_t seq;
    int64_t recv_ms;
    uint16_t conn_id;
};

static const char *const SYMBOLS[] = {"BTCUSDT"};
static const char URL[] = "ws://h/stream?streams=btcusdt@depth/btcusdt@aggTrade";

static void say(struct harness *harness, const char *word, int64_t number)
{
    buffer_format(&harness->said, "%s%s %" PRId64, harness->said.length ? ", " : "", word, number);
}

static void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harness *harness = context;
    assert_int_equal(symbol, 0);
    if (message == &trade_message) {
        const struct trade_row *trade = row;
        say(harness, trade->backfilled ? "filled" : "trade", trade->agg_trade_id);
    } else if (message == &book_message) {
        const struct book_row *book = row;
        say(harness, book->book_reset ? "reset" : "book", book->last_id);
    } else if (message == &event_message) {
        const struct event_row *event = row;
        if (event->event_type == EVENT_GAP)
            harness->last_gap = *event;
        say(harness, EVENT_TYPE_NAMES[event->event_type], event->ts_ms);
    } else if (message == &control_message) {
        say(harness, "end", 0);
    }
}

static void begin(struct harness *harness, bool raw_trades)
{
    memset(harness, 0, sizeof *harness);
    buffer_init(&harness->said, 0);
    feed_config_defaults(&harness->config);
    harness->config.symbols = SYMBOLS;
    harness->config.symbol_count = 1;
    harness->config.raw_trades = raw_trades;
    harness->config.max_clock_skew_ms = 0;
    harness->conn_id = 1;
    harness->feed = feed_create(&harness->config, collect, harness, NULL);
    assert_non_null(harness->feed);
}

static void finish(struct harness *harness)
{
    struct error error = {""};
    if (feed_imbalance(harness->feed, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    feed_destroy(harness->feed);
    buffer_finish(&harness->said);
}

static void expect(struct harness *harness, const char *text)
{
    assert_string_equal(buffer_text(&harness->said), text);
    buffer_clear(&harness->said);
}

static enum status record(struct harness *harness, enum capture_kind kind, const char *payload)
{
    struct capture_record item = {
        .seq = ++harness->seq,
        .recv_ns = harness->recv_ms * 1000000,
        .kind = (uint16_t)kind,
        .conn_id = harness->conn_id,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
    return feed_record(harness->feed, &item, NULL);
}

static void trade(struct harness *harness, int64_t time_ms, int64_t id)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@%s\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"%s\":%" PRId64
             ",\"p\":\"100.5\",\"q\":\"2\",\"f\":1,\"l\":2,\"m\":true}}",
             harness->config.raw_trades ? "trade" : "aggTrade", time_ms, time_ms,
             harness->config.raw_trades ? "t" : "a", id);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static void diff(struct harness *harness, int64_t time_ms, int64_t first, int64_t last, int64_t previous)
{
    char text[400];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"U\":%" PRId64
             ",\"u\":%" PRId64 ",\"pu\":%" PRId64 ",\"b\":[[\"100\",\"%" PRId64 "\"]],\"a\":[]}}",
             time_ms, time_ms, first, last, previous, last % 1000 + 1);
    assert_int_equal(record(harness, CAPTURE_MESSAGE, text), STATUS_OK);
}

static void snapshot(struct harness *harness, int64_t last_id)
{
    char text[300];
    snprintf(text, sizeof text,
             "http://h/depth?symbol=BTCUSDT\n{\"lastUpdateId\":%" PRId64
             ",\"bids\":[[\"100\",\"1\"]],\"asks\":[[\"101\",\"7\"]]}",
             last_id);
    assert_int_equal(record(harness, CAPTURE_REST, text), STATUS_OK);
}

/* page: an answer to fromId and limit that holds the ids from..to, T = `time_ms` each. */
static void page(struct harness *harness, int64_t from_id, int64_t limit, int64_t from, int64_t to,
                 int64_t time_ms)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_format(&text, "http://h/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=%" PRId64 "&limit=%" PRId64 "\n[",
                  from_id, limit);
    for (int64_t id = from; id <= to; id++)
        buffer_format(&text,
                      "%s{\"a\":%" PRId64 ",\"p\":\"1\",\"q\":\"1\",\"f\":1,\"l\":1,\"T\":%" PRId64
                      ",\"m\":true}",
                      id > from ? "," : "", id, time_ms);
    buffer_append_text(&text, "]");
    assert_int_equal(record(harness, CAPTURE_REST, buffer_text(&text)), STATUS_OK);
    buffer_finish(&text);
}

static int64_t counted(const struct harness *harness, enum feed_counter counter)
{
    return feed_count(harness->feed, FEED_ALL, counter);
}

/* wanted: "first-last/ticket", or "nothing". */
static const char *wanted(const struct harness *harness)
{
    static char text[80];
    int64_t first, last, ticket;
    if (!feed_wants_trades(harness->feed, 0, &first, &last, &ticket))
        return "nothing";
    snprintf(text, sizeof text, "%" PRId64 "-%" PRId64 "/%" PRId64, first, last, ticket);
    return text;
}

static void reopen(struct harness *harness)
{
    record(harness, CAPTURE_CLOSED, "1006 gone");
    harness->conn_id++;
    harness->recv_ms += 1500;
    record(harness, CAPTURE_OPENED, URL);
}

/* live: a synchronised book and one trade, 5, at T = 1000. */
static void begin_live(struct harness *harness, bool raw_trades)
{
    begin(harness, raw_trades);
    record(harness, CAPTURE_OPENED, URL);
    snapshot(harness, 10);
    diff(harness, 1000, 9, 12, 8);
    trade(harness, 940, 5);
    expect(harness, "reset 12, trade 5");
}

static void test_what_was_missed_comes_before_what_came_since(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, false);
    reopen(&harness);
    assert_string_equal(wanted(&harness), "6-1005/1"); /* nobody knows yet how many */
    diff(&harness, 3000, 31, 34, 30);
    trade(&harness, 3010, 9);
    trade(&harness, 3020, 10);
    assert_string_equal(wanted(&harness), "6-8/1");
    expect(&harness, "");
    page(&harness, 6, 1000, 6, 9, 2000);
    expect(&harness, "filled 6, filled 7, filled 8, reconnect 3000, gap 3000, trade 9, trade 10");
    assert_string_equal(harness.last_gap.meta_json,
                        "{\"from\":12,\"gap_kind\":\"book_seq\",\"missing\":null,\"to\":30}");
    assert_string_equal(wanted(&harness), "nothing");
    assert_int_equal(counted(&harness, FEED_TRADE_GAP_IDS), 0);
    assert_int_equal(counted(&harness, FEED_BOOK_SEQ_GAP), 0); /* the venue skipped nothing */
    assert_int_equal(counted(&harness, FEED_BOOK_RESYNC), 1);
    assert_int_equal(counted(&harness, FEED_DEDUP_HITS), 0);
    assert_int_equal(counted(&harness, FEED_BACKFILLED_TRADES), 3);
    assert_int_equal(counted(&harness, FEED_BACKFILLS), 1);
    assert_int_equal(counted(&harness, FEED_BACKFILLS_GIVEN_UP), 0);
    snapshot(&harness, 33);
    expect(&harness, "reset 34");
    finish(&harness);
}

static void test_a_full_page_is_followed_by_the_next(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, false);
    reopen(&harness);
    page(&harness, 6, 1000, 6, 1005, 2000);
    assert_string_equal(wanted(&harness), "1006-2005/2");
    trade(&harness, 3000, 1010);
    assert_string_equal(wanted(&harness), "1006-1009/2");
    assert_int_equal(feed_held(harness.feed, 0), 1);
    page(&harness, 1006, 4, 1006, 1009, 2000);
    assert_int_equal(feed_held(harness.feed, 0), 0);
    assert_int_equal(counted(&harness, FEED_EMITTED_TRADES), 1006);
    assert_int_equal(counted(&harness, FEED_TRADE_GAP_IDS), 0);
    finish(&harness);
}

static void test_where_nothing_was_missed_nobody_waits(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, false);
    reopen(&harness);
    diff(&harness, 1010, 13, 14, 12);
    expect(&harness, "");
    trade(&harness, 1020, 6); /* the first trade follows */
    expect(&harness, "reconnect 1010, book 14, trade 6");
    page(&harness, 6, 1000, 6, 6, 1020); /* its answer was on the way */
    expect(&harness, "");
    reopen(&harness);
    diff(&harness, 1030, 15, 16, 14);
    page(&harness, 7, 1000, 7, 6, 0); /* or REST has nothing */
    expect(&harness, "reconnect 1030, book 16");
    assert_int_equal(counted(&harness, FEED_BACKFILLED_TRADES), 0);
    finish(&harness);
}

static void test_what_rest_has_not_is_one_gap(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, false);
    reopen(&harness);
    for (int64_t i = 0; i < 30; i++)
        trade(&harness, 3000 + i, 20 + i);
    page(&harness, 6, 14, 6, 9, 2000);
    assert_string_equal(wanted(&harness), "10-19/2");
    record(&harness, CAPTURE_REST, "http://h/aggTrades?symbol=BTCUSDT&fromId=10&limit=10\n{\"code\":-1}");
    record(&harness, CAPTURE_REST, "http://h/aggTrades?symbol=BTCUSDT&fromId=10&limit=10\n"); /* no answer */
    record(&harness, CAPTURE_REST, "http://h/aggTrades?symbol=BTCUSDT&fromId=10&limit=10\n[{");
    page(&harness, 3, 10, 3, 9, 2000); /* to another question: it is none of the tries */
    page(&harness, 10, 10, 10, 9, 0);
    assert_string_equal(wanted(&harness), "10-19/6");
    expect(&harness, "filled 6, filled 7, filled 8, filled 9");
    page(&harness, 10, 10, 10, 9, 0); /* the fifth that brings nothing */
    diff(&harness, 3080, 31, 34, 30);
    const char *said = buffer_text(&harness.said);
    assert_true(strncmp(said, "reconnect 3000, gap 3000, trade 20, trade 21", 44) == 0);
    assert_int_equal(counted(&harness, FEED_TRADE_GAP_IDS), 10);
    assert_int_equal(counted(&harness, FEED_EMITTED_EVENTS), 3); /* with the book's */
    assert_int_equal(counted(&harness, FEED_BACKFILLS_GIVEN_UP), 1);
    assert_int_equal(counted(&harness, FEED_REST_ERRORS), 2);
    finish(&harness);
}

static void test_a_hole_in_raw_trades_is_one_gap_with_its_ids(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, true);
    reopen(&harness);
    assert_string_equal(wanted(&harness), "nothing");
    for (int64_t i = 0; i < 3; i++)
        trade(&harness, 3000 + 60 * i, 20 + i);
    expect(&harness, "reconnect 3000, gap 3000, trade 20, trade 21, trade 22");
    assert_string_equal(harness.last_gap.meta_json,
                        "{\"from\":5,\"gap_kind\":\"trade_id\",\"missing\":14,\"to\":20}");
    finish(&harness);
}

static void test_a_second_re_opening_waits_for_the_first(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, false);
    reopen(&harness);
    trade(&harness, 3000, 8);
    reopen(&harness);
    trade(&harness, 5000, 12);
    page(&harness, 6, 2, 6, 7, 2000);
    expect(&harness, "filled 6, filled 7, reconnect 3000, trade 8");
    assert_string_equal(wanted(&harness), "9-11/3");
    page(&harness, 9, 3, 9, 11, 4000);
    expect(&harness, "filled 9, filled 10, filled 11, reconnect 5000, trade 12");
    finish(&harness);
}

static void test_a_re_opening_before_the_first_synchronisation_catches_up_behind_it(void **state)
{
    (void)state;
    struct harness harness;
    begin(&harness, false);
    record(&harness, CAPTURE_OPENED, URL);
    trade(&harness, 1000, 5);
    reopen(&harness);
    trade(&harness, 3000, 8);
    diff(&harness, 3010, 9, 12, 8);
    assert_string_equal(wanted(&harness), "nothing");
    snapshot(&harness, 10);
    assert_string_equal(wanted(&harness), "6-7/1"); /* trade 5 waits for W */
    page(&harness, 6, 2, 6, 7, 2000);
    expect(&harness, "trade 5, filled 6, filled 7, reconnect 3000, trade 8, reset 12");
    finish(&harness);
}

static void test_the_end_and_a_full_hold_give_up(void **state)
{
    (void)state;
    struct harness harness;
    begin_live(&harness, false);
    reopen(&harness);
    trade(&harness, 3000, 8);
    record(&harness, CAPTURE_CLOSED, "1000 end of recording");
    expect(&harness, "reconnect 3000, gap 3000, trade 8, end 0");
    assert_int_equal(counted(&harness, FEED_BACKFILLS_GIVEN_UP), 1);
    assert_string_equal(wanted(&harness), "nothing");
    finish(&harness);

    begin_live(&harness, false);
    reopen(&harness); /* nothing comes any more */
    page(&harness, 6, 1000, 6, 7, 2000);
    record(&harness, CAPTURE_CLOSED, "1000 end of recording");
    expect(&harness, "filled 6, filled 7, reconnect 2000, end 0");
    finish(&harness);

    begin_live(&harness, false);
    reopen(&harness);
    for (int64_t i = 0; i < 10001; i++)
        diff(&harness, 3000 + i, 13 + i, 13 + i, 12 + i);
    assert_string_equal(wanted(&harness), "nothing");
    assert_int_equal(counted(&harness, FEED_EMITTED_BOOKS), 1 + 10001);
    assert_int_equal(counted(&harness, FEED_BACKFILLS_GIVEN_UP), 1);
    finish(&harness);
}

/* --- at random: whatever breaks off, and whenever REST answers
 * ------------------------------------------------------------------------------------------------------- */

enum { TRADES = 120, ROUNDS = 300 };

struct story {
    struct random random;  /* of the market and its breaks */
    struct random answers; /* when REST answers, and how often not */
    int64_t answered_ticket;
    int failures; /* in a row; fewer than make the feed give up */
    bool reloads;
};

/* reload: saved and loaded, as after a crash. */
static void reload(struct harness *harness)
{
    struct buffer saved;
    struct reader reader;
    buffer_init(&saved, 0);
    feed_save(harness->feed, &saved);
    feed_destroy(harness->feed);
    harness->feed = feed_create(&harness->config, collect, harness, NULL);
    reader_init(&reader, saved.data, saved.length);
    assert_int_equal(feed_load(harness->feed, &reader, NULL), STATUS_OK);
    assert_int_equal(reader_done(&reader), STATUS_OK);
    buffer_finish(&saved);
}

/* answer: what a venue that has all trades up to `newest` says. */
static void answer(struct harness *harness, struct story *story, int64_t newest)
{
    int64_t first, last, ticket;
    if (!feed_wants_trades(harness->feed, 0, &first, &last, &ticket) || ticket == story->answered_ticket)
        return;
    int64_t limit = last - first + 1;
    if (random_below(&story->answers, 4) == 0 && ++story->failures < FEED_PAGE_TRIES_MAX) {
        page(harness, first, limit, first, first - 1, 0);
    } else {
        last = last < newest ? last : newest;
        page(harness, first, limit, first, last, 1000 + 10 * first);
        story->answered_ticket = ticket;
        story->failures = 0;
    }
}

static void tell(struct harness *harness, struct story *story)
{
    bool is_open = true;
    int64_t first, last, ticket;
    for (int64_t id = 6; id < TRADES; id++) {
        bool breaks = random_below(&story->random, 12) == 0;
        if (is_open && breaks)
            is_open = false;
        else if (!is_open && random_below(&story->random, 3) == 0) {
            reopen(harness);
            is_open = true;
        }
        if (is_open)
            trade(harness, 1000 + 10 * id, id);
        if (story->reloads)
            reload(harness);
        if (is_open && random_below(&story->answers, 3) == 0)
            answer(harness, story, id);
    }
    if (!is_open)
        reopen(harness);
    trade(harness, 1000 + 10 * TRADES, TRADES);
    while (feed_wants_trades(harness->feed, 0, &first, &last, &ticket)) {
        story->answered_ticket = 0;
        page(harness, first, last - first + 1, first, last < TRADES ? last : TRADES, 1000 + 10 * first);
    }
    record(harness, CAPTURE_CLOSED, "1000 end of recording");
}

static void test_whatever_breaks_off_no_id_is_missing_and_none_is_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct harness harness;
        struct story story = {.reloads = seed % 3 == 0};
        random_seed(&story.random, seed);
        random_seed(&story.answers, seed * 7919);
        begin_live(&harness, false);
        tell(&harness, &story);
        int64_t next_id = 6;
        for (const char *at = buffer_text(&harness.said); (at = strpbrk(at, "tf")) != NULL; at++) {
            int64_t id;
            if (sscanf(at, "trade %" SCNd64, &id) != 1 && sscanf(at, "filled %" SCNd64, &id) != 1)
                continue;
            if (id != next_id++)
                fail_msg("seed %" PRIu64 ": trade %" PRId64 " where %" PRId64 " should be", seed, id,
                         next_id - 1);
        }
        assert_int_equal(next_id, TRADES + 1);
        assert_int_equal(counted(&harness, FEED_TRADE_GAP_IDS), 0);
        assert_int_equal(counted(&harness, FEED_BACKFILLS_GIVEN_UP), 0);
        finish(&harness);
    }
}

/* without_fills: which of the trades were fetched depends on when REST answered; what rows there are does not. */
static void without_fills(char *text)
{
    for (char *at = text; (at = strstr(at, "filled")) != NULL;)
        memcpy(at, " trade", 6);
}

static void test_when_the_answers_come_changes_no_row(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        char *said[2];
        for (int i = 0; i < 2; i++) {
            struct harness harness;
            struct story story = {.reloads = false};
            random_seed(&story.random, seed);
            random_seed(&story.answers, seed * 104729 + (uint64_t)i);
            begin_live(&harness, false);
            tell(&harness, &story);
            said[i] = strdup(buffer_text(&harness.said));
            without_fills(said[i]);
            for (char *at = said[i]; (at = strstr(at, "  trade")) != NULL;)
                memmove(at, at + 1, strlen(at));
            finish(&harness);
        }
        if (strcmp(said[0], said[1]) != 0)
            fail_msg("seed %" PRIu64 ":\n%s\n%s", seed, said[0], said[1]);
        free(said[0]);
        free(said[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_missed_comes_before_what_came_since),
        cmocka_unit_test(test_a_full_page_is_followed_by_the_next),
        cmocka_unit_test(test_where_nothing_was_missed_nobody_waits),
        cmocka_unit_test(test_what_rest_has_not_is_one_gap),
        cmocka_unit_test(test_a_hole_in_raw_trades_is_one_gap_with_its_ids),
        cmocka_unit_test(test_a_second_re_opening_waits_for_the_first),
        cmocka_unit_test(test_a_re_opening_before_the_first_synchronisation_catches_up_behind_it),
        cmocka_unit_test(test_the_end_and_a_full_hold_give_up),
        cmocka_unit_test(test_whatever_breaks_off_no_id_is_missing_and_none_is_twice),
        cmocka_unit_test(test_when_the_answers_come_changes_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
