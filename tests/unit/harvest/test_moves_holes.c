// Around the move of a symbol (docs/decisions/0030): holes and breaks are told once and by the right one, when it may go, what could not be
// kept for it.
// links: service_harvest market journal proto base yyjson
#include "moving_side.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/trade.h"

#include <inttypes.h>
#include <stdlib.h>

struct words {
    struct buffer said;
};

static void note(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct words *words = context;
    if (message == &trade_message)
        buffer_format(&words->said, "t%" PRId64 " ", ((const struct trade_row *)row)->agg_trade_id);
    else if (message == &event_message)
        buffer_format(&words->said, "%s ", EVENT_TYPE_NAMES[((const struct event_row *)row)->event_type]);
    else if (message == &control_message && ((const struct control_row *)row)->action == CONTROL_INPUT)
        buffer_format(&words->said, "decision%zu ", symbol);
}

static void words_open_with(struct side *side, struct words *words, const struct feed_config *config)
{
    *side = (struct side){0};
    buffer_init(&words->said, 0);
    side->feed = feed_create(config, note, words, NULL);
}

static void words_close(struct side *side, struct words *words)
{
    feed_destroy(side->feed);
    buffer_finish(&words->said);
}

static void words_open_of(struct side *side, struct words *words, const int16_t *owners)
{
    struct feed_config config = side_config(owners);
    config.book_source = BOOK_SOURCE_PARTIAL;
    words_open_with(side, words, &config);
}

static void words_open(struct side *side, struct words *words)
{
    static const int16_t OWNERS[] = {0, 0};
    words_open_of(side, words, OWNERS);
}

static void give_trade(struct side *side, uint16_t source, int64_t id)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"t\":%" PRId64
             ",\"p\":\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}",
             1000 + 100 * id, 1000 + 100 * id, id);
    give(side, source, CAPTURE_MESSAGE, text);
}

static void test_a_hole_of_the_next_owner_is_told_only_where_the_last_one_had_it_too(void **unused)
{
    (void)unused;
    for (int covered = 0; covered < 2; covered++) {
        struct side side;
        struct words words;
        words_open(&side, &words);
        give(&side, 0, CAPTURE_OPENED, URL);
        give_trade(&side, 0, 0);
        give_trade(&side, 0, 1);
        give_move(&side, 1, "expect");
        give(&side, 1, CAPTURE_OPENED, URL);
        give_trade(&side, 1, 2);
        give(&side, 1, CAPTURE_CLOSED, "1006 the connection broke");
        give(&side, 1, CAPTURE_OPENED, URL);
        give_trade(&side, 1, 4);
        give_trade(&side, 1, 5);
        for (int64_t id = 2; id <= (covered ? 4 : 2); id++)
            give_trade(&side, 0, id);
        give_move(&side, 0, "leave");
        give_trade(&side, 1, 6);
        feed_end(side.feed);
        assert_string_equal(buffer_text(&words.said),
                            covered ? "t0 t1 t2 t3 t4 t5 t6 " : "t0 t1 t2 reconnect gap t4 t5 t6 ");
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_RECONNECTS), 1);
        balance(&side);
        words_close(&side, &words);
    }
}

/* An instance that was not there when another one came to the recording's end comes to it later. */
static void test_the_end_of_one_capture_is_the_end_of_its_symbols_only(void **unused)
{
    (void)unused;
    static const int16_t APART[] = {0, 1};
    static const char OTHER_URL[] = "ws://h/stream?streams=ethusdt@trade";
    static const char DECISION[] = "{\"decision\":\"lock_direction\"}";
    struct side side;
    struct words words;
    words_open_of(&side, &words, APART);
    give(&side, 0, CAPTURE_OPENED, OTHER_URL);
    give(&side, 1, CAPTURE_OPENED, URL);
    give_trade(&side, 1, 0);
    give_trade(&side, 1, 1);
    give(&side, 1, CAPTURE_CLOSED, "1006 the connection broke");
    give(&side, 0, CAPTURE_CLOSED, "1000 end of recording");
    assert_false(feed_ended(side.feed));
    give(&side, 0, CAPTURE_CONTROL, DECISION); /* it came too late there, whatever others still hear */
    give(&side, 1, CAPTURE_CONTROL, DECISION);
    give(&side, 1, CAPTURE_OPENED, URL);
    give_trade(&side, 1, 2);
    give(&side, 1, CAPTURE_CLOSED, "1000 end of recording");
    assert_true(feed_ended(side.feed));
    assert_string_equal(buffer_text(&words.said), "t0 t1 decision1 reconnect t2 ");
    balance(&side);
    words_close(&side, &words);
}

static void test_a_connection_whose_streams_change_is_still_missed_when_it_breaks(void **unused)
{
    (void)unused;
    struct side side;
    struct words words;
    words_open(&side, &words);
    give(&side, 0, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@trade/ethusdt@trade");
    give_trade(&side, 0, 0);
    give_trade(&side, 0, 1);
    give(&side, 0, CAPTURE_CLOSED, "1006 the connection broke");
    give(&side, 0, CAPTURE_OPENED, "ws://h/stream?streams=btcusdt@trade"); /* the other has moved meanwhile */
    give_trade(&side, 0, 2);
    assert_string_equal(buffer_text(&words.said), "t0 t1 reconnect t2 ");
    words_close(&side, &words);
}

/* A venue that routes has a socket for trades and one for books: which of them speaks first behind a move says nothing of the other. */
static void test_a_break_of_the_venue_behind_a_move_is_counted_whichever_socket_spoke_first(void **unused)
{
    (void)unused;
    static const char TRADES[] = "ws://h/stream?streams=btcusdt@trade";
    static const char BOOKS[] = "ws://h/stream?streams=btcusdt@depth";
    static const char DIFF[] =
        "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":1000,\"T\":1000,\"U\":11,\"u\":12,"
        "\"pu\":10,\"b\":[[\"100\",\"2\"]],\"a\":[]}}";
    static const char TRADE[] = "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":1001,\"T\":1001,\"t\":1,\"p\":"
                                "\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}";
    static const char BREAK[] =
        "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":1002,\"T\":1002,\"U\":21,\"u\":22,"
        "\"pu\":20,\"b\":[[\"100\",\"3\"]],\"a\":[]}}";
    static const int16_t OWNERS[] = {0, 0};
    for (uint16_t source = 0; source < 2; source++) { /* 0: it does not move */
        struct side side;
        struct buffer rows;
        buffer_init(&rows, 0);
        side_open(&side, &rows, OWNERS);
        give_on(&side, 0, 1, CAPTURE_OPENED, TRADES);
        give_on(&side, 0, 2, CAPTURE_OPENED, BOOKS);
        give_on(&side, 0, 0, CAPTURE_REST, SNAPSHOT);
        give_on(&side, 0, 2, CAPTURE_MESSAGE, DIFF);
        if (source) {
            give_move(&side, 1, "expect");
            give_on(&side, 1, 1, CAPTURE_OPENED, TRADES);
            give_on(&side, 1, 2, CAPTURE_OPENED, BOOKS);
            give_move(&side, 0, "leave");
        }
        give_on(&side, source, 1, CAPTURE_MESSAGE, TRADE);
        give_on(&side, source, 2, CAPTURE_MESSAGE, BREAK);
        assert_int_equal(feed_count(side.feed, 1, FEED_BOOK_RESYNC), 1);
        assert_int_equal(feed_count(side.feed, 1, FEED_BOOK_SEQ_GAP), 1);
        feed_destroy(side.feed);
        buffer_finish(&rows);
    }
}

/* give_aggregate: as give_trade, of a feed that catches up by REST. */
static void give_aggregate(struct side *side, uint16_t source, int64_t id)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64 ",\"a\":%" PRId64
             ",\"p\":\"100.5\",\"q\":\"2\",\"f\":1,\"l\":1,\"m\":true}}",
             1000 + 100 * id, 1000 + 100 * id, id);
    give(side, source, CAPTURE_MESSAGE, text);
}

/* Where the venue's answer is no longer waited for: the hole goes with the symbol, and is asked for where that has gone to. */
static void test_a_symbol_that_leaves_while_it_catches_up_is_filled_where_it_goes(void **unused)
{
    (void)unused;
    static const char AGGREGATES[] = "ws://h/stream?streams=btcusdt@aggTrade/btcusdt@depth";
    static const char PAGE[] = "http://h/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=2&limit=1000\n["
                               "{\"a\":2,\"p\":\"100.5\",\"q\":\"2\",\"f\":1,\"l\":1,\"T\":1200,\"m\":true},"
                               "{\"a\":3,\"p\":\"100.5\",\"q\":\"2\",\"f\":1,\"l\":1,\"T\":1300,\"m\":true}]";
    for (int moves = 0; moves < 2; moves++) {
        struct side side;
        struct words words;
        struct feed_config config = side_config(NULL);
        uint16_t owner = (uint16_t)moves;
        int64_t first, last, ticket;
        config.book_source = BOOK_SOURCE_PARTIAL;
        config.raw_trades = false;
        words_open_with(&side, &words, &config);
        give(&side, 0, CAPTURE_OPENED, AGGREGATES);
        give_aggregate(&side, 0, 0);
        give_aggregate(&side, 0, 1);
        give(&side, 0, CAPTURE_CLOSED, "1006 the connection broke");
        give(&side, 0, CAPTURE_OPENED, AGGREGATES);
        give_aggregate(&side, 0, 4);
        assert_true(feed_is_owed(side.feed, 1));
        if (moves) {
            give_move(&side, 1, "expect");
            give(&side, 1, CAPTURE_OPENED, AGGREGATES);
            give_aggregate(&side, 1, 4);
            give_move(&side, 0, "leave");
            give(&side, 0, CAPTURE_REST, PAGE); /* too late */
        }
        assert_true(feed_wants_trades(side.feed, 1, &first, &last, &ticket));
        assert_true(first == 2 && last == 3);
        give(&side, owner, CAPTURE_REST, PAGE);
        give_aggregate(&side, owner, 5);
        feed_end(side.feed);
        assert_string_equal(buffer_text(&words.said), "t0 t1 t2 t3 reconnect t4 t5 ");
        balance(&side);
        words_close(&side, &words);
    }
}

/* --- when it may go --- */

static enum status may_leave(const struct side *side, const char *heard, struct error *error)
{
    enum status status = feed_may_leave(side->feed, 1, error);
    if (status == STATUS_OK && feed_is_owed(side->feed, 1))
        return error_set(error, STATUS_AGAIN, "something is owed");
    return status == STATUS_OK ? feed_overlaps(side->feed, 1, heard, error) : status;
}

static void test_a_symbol_leaves_when_its_next_owner_hears_what_was_fed(void **unused)
{
    (void)unused;
    struct side side;
    struct words words;
    struct error error;
    words_open(&side, &words);
    give(&side, 0, CAPTURE_OPENED, URL);
    give_trade(&side, 0, 6);
    give_trade(&side, 0, 7);
    assert_int_equal(may_leave(&side, "", &error), STATUS_AGAIN);
    assert_string_equal(error.text, "its next owner hears nothing of it yet");
    assert_int_equal(may_leave(&side, "trade=8", &error), STATUS_AGAIN);
    assert_string_equal(error.text, "the trade 8 that its next owner hears has not come");
    assert_int_equal(may_leave(&side, "trade=7 book=3", &error), STATUS_AGAIN);
    assert_ok(may_leave(&side, "trade=7", &error));
    give_trade(&side, 0, 9); /* a hole: it may be filled */
    assert_int_equal(may_leave(&side, "trade=7", &error), STATUS_AGAIN);
    feed_end(side.feed);
    assert_int_equal(may_leave(&side, "trade=7", &error), STATUS_AGAIN);
    assert_string_equal(error.text, "the recording is at its end");
    words_close(&side, &words);
}

/* Nothing newer comes of a quiet symbol, and nothing will remember a trade whose time was absurd. */
static void test_a_quiet_symbol_does_not_wait_for_a_trade_that_was_refused(void **unused)
{
    (void)unused;
    static const char ABSURD[] =
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":1,\"T\":4000000000000,\"t\":7,\"p\":"
        "\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}";
    struct side side;
    struct words words;
    struct error error;
    words_open(&side, &words);
    give(&side, 0, CAPTURE_OPENED, URL);
    give_trade(&side, 0, 6);
    give(&side, 0, CAPTURE_MESSAGE, ABSURD);
    assert_int_equal(feed_count(side.feed, 1, FEED_INVALID_TIME_TRADES), 1);
    assert_ok(may_leave(&side, "trade=7", &error));
    assert_int_equal(may_leave(&side, "trade=8", &error), STATUS_AGAIN);
    give_trade(&side, 0, 8);
    assert_int_equal(may_leave(&side, "trade=7", &error), STATUS_AGAIN); /* a hole: it may be filled */
    give_trade(&side, 0, 9);
    give_trade(&side, 0, 10);
    assert_ok(may_leave(&side, "trade=7", &error));
    assert_int_equal(may_leave(&side, "trade=11", &error), STATUS_AGAIN);
    words_close(&side, &words);
}

/* --- what counts as heard --- */

static void expect_heard(const struct side *side, const char *expected)
{
    char heard[FEED_HEARD_BYTES];
    feed_heard(side->feed, 1, heard);
    assert_string_equal(heard, expected);
}

/* The capture is read again from the newest state on: what stands there was heard by the life that wrote it. */
static void test_what_a_dead_life_heard_is_kept_and_counts_no_more(void **unused)
{
    (void)unused;
    struct side side;
    struct words words;
    words_open(&side, &words);
    give_move(&side, 1, "expect");
    give(&side, 1, CAPTURE_OPENED, URL);
    feed_hear_from(side.feed, side.seq + 2);
    give_trade(&side, 1, 3);
    give_trade(&side, 1, 4);
    expect_heard(&side, "");
    assert_int_equal(feed_count(side.feed, 1, FEED_ARRIVED), 2);
    give_trade(&side, 1, 5);
    give_trade(&side, 1, 6);
    expect_heard(&side, "trade=5");
    words_close(&side, &words);
}

static void test_what_was_heard_counts_no_more_when_its_connection_is_lost(void **unused)
{
    (void)unused;
    struct side side;
    struct words words;
    words_open(&side, &words);
    give_move(&side, 1, "expect");
    give_on(&side, 1, 2, CAPTURE_OPENED, "ws://h/stream?streams=ethusdt@trade");
    give(&side, 1, CAPTURE_OPENED, URL);
    give_trade(&side, 1, 3);
    give_on(&side, 1, 2, CAPTURE_CLOSED, "1006 the connection broke"); /* another symbol's */
    expect_heard(&side, "trade=3");
    give(&side, 1, CAPTURE_CLOSED, "1006 the connection broke");
    expect_heard(&side, "");
    give(&side, 1, CAPTURE_OPENED, URL);
    give_trade(&side, 1, 8);
    expect_heard(&side, "trade=8");
    words_close(&side, &words);
}

/* It stands in the record, so it is counted as often as the record: once, whoever reads it, and however often it is said. */
static void test_a_symbol_that_left_unmet_is_counted_by_its_record(void **unused)
{
    (void)unused;
    static const char UNMET[] = "{\"move\":\"leave\",\"symbol\":\"BTCUSDT\",\"version\":2,\"unmet\":true}";
    static const int16_t HERE[] = {0, 0};
    for (int is_unmet = 0; is_unmet < 2; is_unmet++) {
        struct side side, next;
        struct words words, others;
        struct buffer state;
        struct reader in;
        struct error error;
        words_open(&side, &words);
        give(&side, 0, CAPTURE_OPENED, URL);
        give_trade(&side, 0, 1);
        for (int i = 0; i < 2; i++)
            if (is_unmet)
                give(&side, 0, CAPTURE_MOVE, UNMET);
            else
                give_move(&side, 0, "leave");
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_MOVES_UNMET), is_unmet);
        buffer_init(&state, 0);
        feed_save_rest(side.feed, &state);
        words_open_of(&next, &others, HERE);
        reader_init(&in, state.data, state.length);
        assert_ok(feed_load_rest(next.feed, &in, &error));
        assert_int_equal(feed_count(next.feed, FEED_ALL, FEED_MOVES_UNMET), is_unmet);
        feed_destroy(side.feed);
        feed_destroy(next.feed);
        buffer_finish(&state);
        buffer_finish(&words.said);
        buffer_finish(&others.said);
    }
}

static void test_all_are_heard_when_every_stream_that_there_is_has_spoken(void **unused)
{
    (void)unused;
    struct side diffs, whole;
    struct words words;
    struct buffer rows;
    buffer_init(&rows, 0);
    words_open(&whole, &words);
    side_open(&diffs, &rows, NULL);
    assert_false(feed_all_heard(whole.feed, "open trade=1"));
    assert_true(feed_all_heard(whole.feed, "open trade=1 book=2"));
    assert_false(feed_all_heard(diffs.feed, "open trade=1 book=2"));
    assert_true(feed_all_heard(diffs.feed, "trade=1 book=2 ticker=3"));
    feed_destroy(whole.feed);
    feed_destroy(diffs.feed);
    buffer_finish(&words.said);
    buffer_finish(&rows);
}

/* --- more than may be kept --- */

/* give_large: a trade in a message of a megabyte. */
static void give_large(struct side *side, uint16_t source, int64_t id)
{
    enum { LARGE = 1 << 20 };
    char *text = memory_allocate(LARGE + TEXT_BYTES);
    int length = snprintf(text, TEXT_BYTES,
                          "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64
                          ",\"t\":%" PRId64 ",\"p\":\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}",
                          1000 + 100 * id, 1000 + 100 * id, id);
    memset(text + length, ' ', LARGE);
    give(side, source, CAPTURE_MESSAGE, text);
    free(text);
}

static void test_what_could_not_be_kept_is_lost_only_where_nobody_has_fed_it(void **unused)
{
    (void)unused;
    enum { FIRST = 3, COUNT = 70 }; /* HOLD_BYTES_MAX is 64 of them */
    for (int is_fed = 0; is_fed < 2; is_fed++) {
        struct side side;
        struct words words;
        char heard[FEED_HEARD_BYTES];
        words_open(&side, &words);
        give(&side, 0, CAPTURE_OPENED, URL);
        give_trade(&side, 0, 1);
        give_trade(&side, 0, 2);
        give_move(&side, 1, "expect");
        give(&side, 1, CAPTURE_OPENED, URL);
        for (int64_t id = FIRST; id < FIRST + COUNT; id++) {
            if (is_fed)
                give_trade(&side, 0, id);
            give_large(&side, 1, id);
        }
        feed_heard(side.feed, 1, heard);
        assert_string_not_equal(heard, "trade=3"); /* it has begun anew */
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_ARRIVED), COUNT);
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_MOVED), 0);
        balance(&side);
        give_move(&side, 0, "leave");
        int64_t lost = feed_count(side.feed, FEED_ALL, FEED_ARRIVED_LOST);
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_ARRIVED), 0);
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_MOVED), is_fed ? COUNT : 0);
        assert_true(is_fed ? lost == 0 : lost >= 60 && lost < COUNT);
        assert_int_equal(feed_count(side.feed, 1, FEED_RECEIVED_TRADES),
                         is_fed ? 2 + COUNT : 2 + COUNT - lost);
        feed_end(side.feed);
        assert_int_equal(feed_count(side.feed, 1, FEED_TRADE_GAP_IDS), lost); /* and told */
        balance(&side);
        words_close(&side, &words);
    }
}

/* Where it begins anew stands in the capture: a replay, which may have read less of it before the symbol left, drops the same. */
static void test_what_begins_anew_drops_what_came_before_wherever_the_symbol_leaves(void **unused)
{
    (void)unused;
    for (int is_late = 0; is_late < 2; is_late++) {
        struct side side;
        struct words words;
        words_open(&side, &words);
        give(&side, 0, CAPTURE_OPENED, URL);
        give_trade(&side, 0, 1);
        give_move(&side, 1, "expect");
        give(&side, 1, CAPTURE_OPENED, URL);
        give_trade(&side, 1, 2);
        give_trade(&side, 1, 3);
        if (is_late)
            give_trade(&side, 0, 2);
        give(&side, 1, CAPTURE_MOVE,
             "{\"move\":\"expect\",\"symbol\":\"BTCUSDT\",\"version\":2,\"anew\":true}");
        give_trade(&side, 1, 4);
        if (!is_late)
            give_trade(&side, 0, 2);
        give_move(&side, 0, "leave");
        assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_ARRIVED_LOST), 2);
        assert_int_equal(feed_count(side.feed, 1, FEED_RECEIVED_TRADES), 3);
        feed_end(side.feed);
        assert_int_equal(feed_count(side.feed, 1, FEED_TRADE_GAP_IDS), 1); /* the third, and told */
        balance(&side);
        feed_destroy(side.feed);
        buffer_finish(&words.said);
    }
}

/* --- in vain --- */

static void test_what_was_expected_in_vain_is_the_others_and_may_be_expected_again(void **unused)
{
    (void)unused;
    struct side side;
    struct words words;
    words_open(&side, &words);
    give(&side, 0, CAPTURE_OPENED, URL);
    give_trade(&side, 0, 1);
    give_move(&side, 1, "expect");
    assert_int_equal(feed_expected_version(side.feed, 1), 2);
    give(&side, 1, CAPTURE_OPENED, URL);
    give_trade(&side, 1, 2);
    give_move(&side, 1, "forget");
    assert_false(feed_expects(side.feed, 1));
    assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_ARRIVED), 0);
    assert_int_equal(feed_count(side.feed, FEED_ALL, FEED_MOVED), 1);
    give_trade(&side, 1, 3); /* on its way still */
    give_trade(&side, 0, 2);
    give_trade(&side, 0, 3);
    give_move(&side, 0, "forget"); /* it has it */
    assert_true(feed_has(side.feed, 1));
    give_move(&side, 1, "expect");
    give_trade(&side, 1, 4);
    give_move(&side, 0, "leave");
    give_trade(&side, 1, 5);
    assert_int_equal(feed_count(side.feed, 1, FEED_RECEIVED_TRADES), 5);
    feed_end(side.feed);
    assert_int_equal(feed_count(side.feed, 1, FEED_TRADE_GAP_IDS), 0);
    balance(&side);
    feed_destroy(side.feed);
    buffer_finish(&words.said);
}

/* What another capture brings of a symbol does not settle its exponents, whichever of the two is read first. */
static void test_exponents_are_those_that_the_owners_capture_brings(void **unused)
{
    (void)unused;
    static const char INFO[] =
        "/fapi/v1/exchangeInfo\n{\"symbols\":[{\"symbol\":\"BTCUSDT\",\"pricePrecision\":1,"
        "\"quantityPrecision\":3}]}";
    struct side side;
    struct words words;
    words_open(&side, &words);
    give_move(&side, 1, "expect");
    give(&side, 1, CAPTURE_OPENED, URL);
    give_trade(&side, 1, 2);
    give(&side, 0, CAPTURE_REST, INFO);
    assert_int_equal(feed_instrument(side.feed, 1)->price_exponent, 1);
    give(&side, 0, CAPTURE_OPENED, URL);
    give_trade(&side, 0, 1);
    give(&side, 0, CAPTURE_REST,
         "/fapi/v1/exchangeInfo\n{\"symbols\":[{\"symbol\":\"BTCUSDT\",\"pricePrecision\":4}]}");
    assert_int_equal(feed_instrument(side.feed, 1)->price_exponent, 1); /* it stands */
    feed_destroy(side.feed);
    buffer_finish(&words.said);
}

static void test_records_of_moves_that_are_none_change_nothing(void **unused)
{
    (void)unused;
    static const char *const TEXTS[] = {"",
                                        "{",
                                        "{}",
                                        "{\"move\":\"leave\",\"version\":2}",
                                        "{\"move\":\"stay\",\"symbol\":\"BTCUSDT\",\"version\":2}",
                                        "{\"move\":\"leave\",\"symbol\":\"NONEUSDT\",\"version\":2}",
                                        "{\"move\":\"leave\",\"symbol\":\"BTCUSDT\",\"version\":0}"};
    struct side side;
    struct words words;
    words_open(&side, &words);
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct capture_record record = {
            .seq = i + 1, .kind = CAPTURE_MOVE, .payload = TEXTS[i], .payload_bytes = strlen(TEXTS[i])};
        assert_int_not_equal(feed_record(side.feed, &record, NULL), STATUS_OK);
    }
    assert_true(feed_has(side.feed, 1));
    assert_false(feed_expects(side.feed, 1));
    words_close(&side, &words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hole_of_the_next_owner_is_told_only_where_the_last_one_had_it_too),
        cmocka_unit_test(test_the_end_of_one_capture_is_the_end_of_its_symbols_only),
        cmocka_unit_test(test_a_connection_whose_streams_change_is_still_missed_when_it_breaks),
        cmocka_unit_test(test_a_break_of_the_venue_behind_a_move_is_counted_whichever_socket_spoke_first),
        cmocka_unit_test(test_a_symbol_leaves_when_its_next_owner_hears_what_was_fed),
        cmocka_unit_test(test_a_quiet_symbol_does_not_wait_for_a_trade_that_was_refused),
        cmocka_unit_test(test_what_a_dead_life_heard_is_kept_and_counts_no_more),
        cmocka_unit_test(test_what_was_heard_counts_no_more_when_its_connection_is_lost),
        cmocka_unit_test(test_a_symbol_that_left_unmet_is_counted_by_its_record),
        cmocka_unit_test(test_a_symbol_that_leaves_while_it_catches_up_is_filled_where_it_goes),
        cmocka_unit_test(test_all_are_heard_when_every_stream_that_there_is_has_spoken),
        cmocka_unit_test(test_what_could_not_be_kept_is_lost_only_where_nobody_has_fed_it),
        cmocka_unit_test(test_what_begins_anew_drops_what_came_before_wherever_the_symbol_leaves),
        cmocka_unit_test(test_what_was_expected_in_vain_is_the_others_and_may_be_expected_again),
        cmocka_unit_test(test_exponents_are_those_that_the_owners_capture_brings),
        cmocka_unit_test(test_records_of_moves_that_are_none_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
