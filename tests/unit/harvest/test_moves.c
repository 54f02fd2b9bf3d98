// A symbol that moves from one capture to another (docs/decisions/0030): wherever the cut falls, however its streams lie to each other,
// and whenever the next owner dies, the rows are those of one capture that nobody cut.
// links: service_harvest market journal proto base yyjson
#include "base/memory.h"
#include "base/random.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/frame.h"
#include "proto/trade.h"
#include "services/harvest/feed.h"
#include "tests/support/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 160, TEXT_BYTES = 400, ROUNDS = 400 };

static const char *const SYMBOLS[] = {"ETHUSDT", "BTCUSDT"};
static const char SNAPSHOT[] =
    "/fapi/v1/depth?symbol=BTCUSDT&limit=1000\n{\"lastUpdateId\":10,\"bids\":[[\"100\",\"1\"]],"
    "\"asks\":[[\"101\",\"7\"]]}";
static const char URL[] = "ws://h/stream?streams=btcusdt@depth/btcusdt@trade/btcusdt@bookTicker";

/* script: what the venue says of BTCUSDT, the snapshot first. */
struct script {
    char texts[MESSAGES][TEXT_BYTES];
    size_t count;
};

/* side: one feed, and what it wrote. */
struct side {
    struct feed *feed;
    struct buffer *rows;
    uint64_t seq;
};

static void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct side *side = context;
    if (symbol == 0)
        return; /* never anything but its end */
    buffer_append_u32(side->rows, message->kind);
    row_encode(side->rows, message, message->field_count, row);
}

static void side_open(struct side *side, struct buffer *rows, const int16_t *owners)
{
    struct feed_config config;
    feed_config_defaults(&config);
    config.symbols = SYMBOLS;
    config.symbol_count = 2;
    config.raw_trades = true;
    config.max_clock_skew_ms = 0;
    config.owners = owners;
    *side = (struct side){.rows = rows};
    side->feed = feed_create(&config, collect, side, NULL);
    assert_non_null(side->feed);
}

static void give_on(struct side *side, uint16_t source, uint16_t conn_id, enum capture_kind kind,
                    const char *payload)
{
    struct capture_record record = {.seq = ++side->seq,
                                    .recv_ns = 5000 * (int64_t)1000000,
                                    .kind = (uint16_t)kind,
                                    .conn_id = conn_id,
                                    .source = source,
                                    .payload = payload,
                                    .payload_bytes = strlen(payload)};
    assert_ok(feed_record(side->feed, &record, NULL));
}

static void give(struct side *side, uint16_t source, enum capture_kind kind, const char *payload)
{
    give_on(side, source, 1, kind, payload);
}

static void give_move(struct side *side, uint16_t source, const char *move)
{
    char text[100];
    snprintf(text, sizeof text, "{\"move\":\"%s\",\"symbol\":\"BTCUSDT\",\"version\":2}", move);
    give(side, source, CAPTURE_MOVE, text);
}

static void give_message(struct side *side, uint16_t source, const struct script *script, size_t index)
{
    give(side, source, script->texts[index][0] == '/' ? CAPTURE_REST : CAPTURE_MESSAGE, script->texts[index]);
}

static void balance(const struct side *side)
{
    struct error error = {{0}};
    if (feed_imbalance(side->feed, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static const char *stream_of(const char *text)
{
    return strchr(text, '@');
}

static bool is_same_stream(const char *left, const char *right)
{
    return strncmp(stream_of(left), stream_of(right), 6) == 0;
}

/* write_script: trades, some ids missing; diffs; tickers. */
static void write_script(struct script *script, struct random *random)
{
    int64_t trade = 100, update = 11, time_ms = 1000;
    script->count = 0;
    snprintf(script->texts[script->count++], TEXT_BYTES, "%s", SNAPSHOT);
    while (script->count < MESSAGES) {
        char *text = script->texts[script->count++];
        time_ms += (int64_t)random_below(random, 40);
        switch (random_below(random, 4)) {
        case 0:
        case 1:
            snprintf(text, TEXT_BYTES,
                     "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64
                     ",\"U\":%" PRId64 ",\"u\":%" PRId64 ",\"pu\":%" PRId64 ",\"b\":[[\"100\",\"%" PRId64
                     "\"]],\"a\":[]}}",
                     time_ms, time_ms, update, update + 1, update - 1, update);
            update += 2;
            break;
        case 2:
            snprintf(text, TEXT_BYTES,
                     "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%" PRId64
                     ",\"b\":\"100\",\"B\":\"%" PRId64 "\",\"a\":\"101\",\"A\":\"7\"}}",
                     update - 1, update - 2);
            break;
        default:
            trade += 1 + (random_below(random, 12) == 0);
            snprintf(text, TEXT_BYTES,
                     "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64
                     ",\"t\":%" PRId64 ",\"p\":\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}",
                     time_ms, time_ms, trade);
        }
    }
}

/* disturb: trades are repeated, and change places. */
static void disturb(struct script *script, struct random *random)
{
    char kept[TEXT_BYTES];
    for (size_t i = 1; i + 1 < MESSAGES; i++) {
        size_t next = i + 1;
        while (next < MESSAGES && strncmp(stream_of(script->texts[next]), "@trade", 6) != 0)
            next++;
        if (next == MESSAGES || strncmp(stream_of(script->texts[i]), "@trade", 6) != 0)
            continue;
        uint64_t lot = random_below(random, 8);
        memcpy(kept, script->texts[i], TEXT_BYTES);
        if (lot == 0)
            memcpy(script->texts[i], script->texts[next], TEXT_BYTES);
        if (lot < 2)
            memcpy(script->texts[next], kept, TEXT_BYTES);
    }
}

/* shuffled: the same streams, each in its own order, that lie otherwise to each other: another connection. */
static void shuffle(struct script *script, struct random *random)
{
    for (size_t n = 0; n < MESSAGES; n++) {
        size_t i = 1 + (size_t)random_below(random, MESSAGES - 2);
        char kept[TEXT_BYTES];
        if (is_same_stream(script->texts[i], script->texts[i + 1]))
            continue;
        memcpy(kept, script->texts[i], TEXT_BYTES);
        memcpy(script->texts[i], script->texts[i + 1], TEXT_BYTES);
        memcpy(script->texts[i + 1], kept, TEXT_BYTES);
    }
}

/* uncut: one capture, one owner. */
static void uncut(const struct script *script, struct buffer *rows)
{
    struct side side;
    side_open(&side, rows, NULL);
    give(&side, 0, CAPTURE_OPENED, URL);
    for (size_t i = 0; i < script->count; i++)
        give_message(&side, 0, script, i);
    feed_end(side.feed);
    balance(&side);
    feed_destroy(side.feed);
}

static void assert_same_rows(const struct buffer *rows, const struct buffer *expected, uint64_t seed)
{
    if (rows->length != expected->length || memcmp(rows->data, expected->data, rows->length) != 0)
        fail_msg("seed %" PRIu64 ": %zu bytes of rows, %zu without the move", seed, rows->length,
                 expected->length);
}

/* draw: where the next owner begins to hear, and where the symbol leaves. */
static void draw(struct random *random, size_t *out_begin, size_t *out_cut)
{
    *out_begin = 2 + (size_t)random_below(random, MESSAGES - 40);
    *out_cut = *out_begin + 1 + (size_t)random_below(random, MESSAGES - *out_begin - 1);
}

/* --- all captures by one reader --- */

static void test_a_chain_of_two_captures_gives_the_rows_of_one(void **unused)
{
    (void)unused;
    static const int16_t OWNERS[] = {0, 0};
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct random random;
        struct script *script = memory_allocate(sizeof *script);
        struct buffer rows, expected;
        struct side side;
        size_t begin, cut;
        random_seed(&random, seed);
        write_script(script, &random);
        disturb(script, &random);
        draw(&random, &begin, &cut);
        size_t late = cut + (size_t)random_below(
                                &random, MESSAGES - cut); /* what of the new capture is read before the cut */
        buffer_init(&rows, 0);
        buffer_init(&expected, 0);
        uncut(script, &expected);
        side_open(&side, &rows, OWNERS);
        give(&side, 0, CAPTURE_OPENED, URL);
        for (size_t i = 0; i < begin; i++)
            give_message(&side, 0, script, i);
        give_move(&side, 1, "expect");
        give(&side, 1, CAPTURE_OPENED, URL);
        for (size_t i = begin; i < late; i++)
            give_message(&side, 1, script, i);
        for (size_t i = begin; i < cut; i++)
            give_message(&side, 0, script, i);
        give_move(&side, 0, "leave");
        for (size_t i = cut; i < late; i++) /* the old capture goes on for a while */
            give_message(&side, 0, script, i);
        for (size_t i = late; i < script->count; i++)
            give_message(&side, 1, script, i);
        feed_end(side.feed);
        balance(&side);
        assert_same_rows(&rows, &expected, seed);
        feed_destroy(side.feed);
        buffer_finish(&rows);
        buffer_finish(&expected);
        free(script);
    }
}

/* --- from daemon to daemon --- */

/* restart: a new life with the saved state. */
static void restart(struct side *side, const int16_t *owners, bool has_symbol)
{
    struct buffer state;
    struct reader in;
    struct error error = {{0}};
    buffer_init(&state, 0);
    if (has_symbol)
        feed_save_symbol(side->feed, 1, &state);
    feed_save_rest(side->feed, &state);
    uint64_t seq = side->seq;
    feed_destroy(side->feed);
    side_open(side, side->rows, owners);
    side->seq = seq;
    reader_init(&in, state.data, state.length);
    if (has_symbol)
        assert_ok(feed_load_symbol(side->feed, 1, &in));
    assert_ok(feed_load_rest(side->feed, &in, &error));
    assert_ok(reader_done(&in));
    buffer_finish(&state);
}

static int64_t count(const struct side *old, const struct side *new, enum feed_counter counter)
{
    return feed_count(old->feed, FEED_ALL, counter) + feed_count(new->feed, FEED_ALL, counter);
}

static void hand_over(struct side *from, struct side *to)
{
    struct buffer package;
    struct reader in;
    buffer_init(&package, 0);
    feed_save_symbol(from->feed, 1, &package);
    reader_init(&in, package.data, package.length);
    assert_ok(feed_load_symbol(to->feed, 1, &in));
    feed_forget(from->feed, 1);
    buffer_finish(&package);
}

static void test_a_hand_over_gives_the_rows_of_one_whoever_is_restarted(void **unused)
{
    (void)unused;
    static const int16_t HERE[] = {0, 0}, ELSEWHERE[] = {FEED_ELSEWHERE, FEED_ELSEWHERE};
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct random random;
        struct script *script = memory_allocate(sizeof *script);
        struct buffer rows, expected;
        struct side old, new;
        char heard[FEED_HEARD_BYTES];
        size_t begin, cut;
        random_seed(&random, seed);
        write_script(script, &random);
        disturb(script, &random);
        draw(&random, &begin, &cut);
        buffer_init(&rows, 0);
        buffer_init(&expected, 0);
        uncut(script, &expected);
        side_open(&old, &rows, HERE);
        side_open(&new, &rows, ELSEWHERE);
        give(&old, 0, CAPTURE_OPENED, URL);
        for (size_t i = 0; i < begin; i++)
            give_message(&old, 0, script, i);
        give_move(&new, 0, "expect");
        give(&new, 0, CAPTURE_OPENED, URL);
        for (size_t i = begin; i < script->count; i++) {
            if (i < cut)
                give_message(&old, 0, script, i);
            if (i == cut) {
                give_move(&old, 0, "leave");
                assert_false(feed_has(old.feed, 1));
                restart(&old, HERE, true);
                hand_over(&old, &new);
                restart(&new, ELSEWHERE, true); /* behind its commit, before it has fed anything */
                feed_settle(new.feed, 1);
                assert_true(feed_has(new.feed, 1));
            }
            give_message(&new, 0, script, i);
            if (random_below(&random, 10) == 0)
                restart(&new, ELSEWHERE, feed_has(new.feed, 1));
            feed_heard(new.feed, 1, heard);
        }
        feed_end(new.feed);
        assert_int_equal(count(&old, &new, FEED_PARSED),
                         count(&old, &new, FEED_RECEIVED_TRADES) + count(&old, &new, FEED_RECEIVED_BOOKS) +
                             count(&old, &new, FEED_RECEIVED_TICKERS) + count(&old, &new, FEED_MOVED));
        assert_same_rows(&rows, &expected, seed);
        assert_int_equal(feed_count(old.feed, FEED_ALL, FEED_RECEIVED_TRADES), 0);
        feed_destroy(old.feed);
        feed_destroy(new.feed);
        buffer_finish(&rows);
        buffer_finish(&expected);
        free(script);
    }
}

/* --- a venue's connections promise one order within a stream only --- */

struct ids {
    int64_t trades, books;
};

static void count_ids(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct ids *ids = context;
    (void)symbol, (void)row;
    ids->trades += message == &trade_message;
    ids->books += strcmp(message->name, "book") == 0;
}

static void test_streams_that_lie_otherwise_on_the_new_connection_lose_and_double_nothing(void **unused)
{
    (void)unused;
    static const int16_t OWNERS[] = {0, 0};
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct random random;
        struct script *script = memory_allocate(sizeof *script), *other = memory_allocate(sizeof *other);
        struct ids ids = {0}, wanted = {0};
        struct feed_config config;
        struct side side = {0};
        size_t begin, cut;
        random_seed(&random, seed);
        write_script(script, &random);
        *other = *script;
        shuffle(other, &random);
        draw(&random, &begin, &cut);
        for (size_t i = 1; i < script->count; i++) {
            wanted.trades += strncmp(stream_of(script->texts[i]), "@trade", 6) == 0;
            wanted.books += strncmp(stream_of(script->texts[i]), "@depth", 6) == 0;
        }
        feed_config_defaults(&config);
        config.symbols = SYMBOLS;
        config.symbol_count = 2;
        config.raw_trades = true;
        config.max_clock_skew_ms = 0;
        config.owners = OWNERS;
        side.feed = feed_create(&config, count_ids, &ids, NULL);
        give(&side, 0, CAPTURE_OPENED, URL);
        give_move(&side, 1, "expect");
        for (size_t i = 0; i < cut; i++)
            give_message(&side, 0, script, i);
        for (size_t i = 1; i < other->count; i++) /* heard from the beginning: it overlaps in every stream */
            give_message(&side, 1, other, i);
        give_move(&side, 0, "leave");
        feed_end(side.feed);
        balance(&side);
        assert_int_equal(ids.trades, wanted.trades);
        assert_int_equal(ids.books, wanted.books);
        assert_int_equal(
            feed_count(side.feed, 1, FEED_DEDUP_HITS) + feed_count(side.feed, 1, FEED_BOOK_BACKWARD), 0);
        feed_destroy(side.feed);
        free(script);
        free(other);
    }
}

/* --- holes --- */

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

static void words_open_of(struct side *side, struct words *words, const int16_t *owners)
{
    struct feed_config config;
    feed_config_defaults(&config);
    config.symbols = SYMBOLS;
    config.symbol_count = 2;
    config.book_source = BOOK_SOURCE_PARTIAL;
    config.raw_trades = true;
    config.max_clock_skew_ms = 0;
    config.owners = owners;
    *side = (struct side){0};
    buffer_init(&words->said, 0);
    side->feed = feed_create(&config, note, words, NULL);
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
        feed_destroy(side.feed);
        buffer_finish(&words.said);
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
    feed_destroy(side.feed);
    buffer_finish(&words.said);
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
    feed_destroy(side.feed);
    buffer_finish(&words.said);
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

/* --- when it may go --- */

static enum status may_leave(const struct side *side, const char *heard, struct error *error)
{
    enum status status = feed_may_leave(side->feed, 1, error);
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
    feed_destroy(side.feed);
    buffer_finish(&words.said);
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
    feed_destroy(side.feed);
    buffer_finish(&words.said);
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
        feed_destroy(side.feed);
        buffer_finish(&words.said);
    }
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
    feed_destroy(side.feed);
    buffer_finish(&words.said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_of_two_captures_gives_the_rows_of_one),
        cmocka_unit_test(test_a_hand_over_gives_the_rows_of_one_whoever_is_restarted),
        cmocka_unit_test(test_streams_that_lie_otherwise_on_the_new_connection_lose_and_double_nothing),
        cmocka_unit_test(test_a_hole_of_the_next_owner_is_told_only_where_the_last_one_had_it_too),
        cmocka_unit_test(test_the_end_of_one_capture_is_the_end_of_its_symbols_only),
        cmocka_unit_test(test_a_connection_whose_streams_change_is_still_missed_when_it_breaks),
        cmocka_unit_test(test_a_break_of_the_venue_behind_a_move_is_counted_whichever_socket_spoke_first),
        cmocka_unit_test(test_a_symbol_leaves_when_its_next_owner_hears_what_was_fed),
        cmocka_unit_test(test_a_quiet_symbol_does_not_wait_for_a_trade_that_was_refused),
        cmocka_unit_test(test_all_are_heard_when_every_stream_that_there_is_has_spoken),
        cmocka_unit_test(test_what_could_not_be_kept_is_lost_only_where_nobody_has_fed_it),
        cmocka_unit_test(test_records_of_moves_that_are_none_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
