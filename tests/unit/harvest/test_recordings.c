// The whole feed on real recordings, against the facts computed independently from the same bytes.
// Looks in $ORDERFLOW_RECORDINGS, else ../shared/data from the repository; skipped with a message when absent.
// links: service_harvest market journal proto base yyjson zlib
// timeout: 300
#include "base/hash.h"
#include "base/random.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/frame.h"
#include "proto/quote_audit.h"
#include "proto/trade.h"
#include "recording.h"
#include "services/harvest/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <yyjson.h>

#include <cmocka.h>

enum { SYMBOLS_MAX = 8 };

/* outcome: what a run of the feed wrote, per symbol, taken from its rows alone. */
struct outcome {
    struct symbol_outcome {
        int64_t trades, books, resets, agree, disagree, events, ends;
        struct decimal_sum buys, sells;
        struct book_row last_book;
        uint64_t hash; /* of all encoded rows in order */
    } symbols[SYMBOLS_MAX];
    struct buffer scratch;
};

static char recordings_folder[512];
static yyjson_doc *facts;

static void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct outcome *outcome = context;
    struct symbol_outcome *out = &outcome->symbols[symbol];
    buffer_clear(&outcome->scratch);
    row_encode(&outcome->scratch, message, message_fields_in_use(message, 5), row);
    uint64_t pair[2] = {out->hash, hash_fnv1a(outcome->scratch.data, outcome->scratch.length)};
    out->hash = hash_fnv1a(pair, sizeof pair);
    if (message == &trade_message) {
        const struct trade_row *trade = row;
        assert_true(trade->watermark_after_ms >= trade->watermark_ms);
        decimal_sum_add(trade->is_buyer_maker ? &out->sells : &out->buys, trade->qty);
        out->trades++;
    } else if (message == &book_message) {
        out->last_book = *(const struct book_row *)row;
        out->resets += out->last_book.book_reset;
        out->books++;
    } else if (message == &quote_audit_message) {
        int agrees = ((const struct quote_audit_row *)row)->agrees;
        out->agree += agrees;
        out->disagree += !agrees;
    } else if (message == &control_message) {
        out->ends += ((const struct control_row *)row)->action == CONTROL_END_OF_STREAM;
    } else {
        out->events++;
    }
}

/* subject: one recording of facts.json with its records and the configuration for it. */
struct subject {
    yyjson_val *facts;
    struct recording recording;
    struct feed_config config;
    const char *symbols[SYMBOLS_MAX];
    char names[SYMBOLS_MAX][SYMBOL_BYTES];
};

static void subject_load(struct subject *subject, yyjson_val *recording)
{
    memset(subject, 0, sizeof *subject);
    subject->facts = recording;
    feed_config_defaults(&subject->config);
    subject->config.market =
        (enum venue_market)venue_market_from_name(yyjson_get_str(yyjson_obj_get(recording, "market")));
    subject->config.max_clock_skew_ms = 0;
    subject->config.symbols = subject->symbols;
    size_t index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(yyjson_obj_get(recording, "books"), index, count, name, value)
    {
        snprintf(subject->names[index], SYMBOL_BYTES, "%s", yyjson_get_str(name));
        subject->symbols[index] = subject->names[index];
        subject->config.symbol_count++;
    }
    bool is_cryptofeed = yyjson_equals_str(yyjson_obj_get(recording, "format"), "cryptofeed");
    yyjson_arr_foreach(yyjson_obj_get(recording, "paths"), index, count, value)
    {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", recordings_folder, yyjson_get_str(value));
        assert_true(recording_read(&subject->recording, path, is_cryptofeed, subject->names[0]));
    }
    subject->config.raw_trades = !subject->recording.has_aggregate_trades;
}

static void outcome_init(struct outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    buffer_init(&outcome->scratch, 0);
}

static struct feed *run_records(const struct subject *subject, const struct capture_record *records,
                                size_t count, struct outcome *outcome)
{
    struct error error = {""};
    outcome_init(outcome);
    struct feed *feed = feed_create(&subject->config, collect, outcome, &error);
    assert_non_null(feed);
    for (size_t i = 0; i < count; i++)
        feed_record(feed, &records[i], NULL);
    feed_end(feed);
    if (feed_imbalance(feed, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    buffer_finish(&outcome->scratch);
    return feed;
}

static int64_t fact(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value)
        fail_msg("facts.json has no \"%s\" there", key);
    return yyjson_get_sint(value);
}

static void expect_levels(yyjson_val *levels, const struct decimal *prices, const struct decimal *quantities)
{
    size_t index, count;
    yyjson_val *level;
    char text[DECIMAL_TEXT_BYTES];
    assert_int_equal(yyjson_arr_size(levels), 5);
    yyjson_arr_foreach(levels, index, count, level)
    {
        decimal_text(prices[index], text);
        assert_string_equal(text, yyjson_get_str(yyjson_arr_get(level, 0)));
        decimal_text(quantities[index], text);
        assert_string_equal(text, yyjson_get_str(yyjson_arr_get(level, 1)));
    }
}

static void expect_trades(const struct subject *subject, size_t symbol, const struct symbol_outcome *out)
{
    size_t index, count;
    yyjson_val *stream;
    yyjson_arr_foreach(yyjson_obj_get(subject->facts, "streams"), index, count, stream)
    {
        const char *event = yyjson_get_str(yyjson_obj_get(stream, "event"));
        if (!event || (strcmp(event, "trade") != 0 && strcmp(event, "aggTrade") != 0) ||
            !yyjson_equals_str(yyjson_obj_get(stream, "symbol"), subject->symbols[symbol]))
            continue;
        char text[DECIMAL_TEXT_BYTES];
        assert_int_equal(out->trades, fact(stream, "n"));
        decimal_sum_text(&out->buys, text);
        assert_string_equal(text, yyjson_get_str(yyjson_obj_get(stream, "taker_buy_volume")));
        decimal_sum_text(&out->sells, text);
        assert_string_equal(text, yyjson_get_str(yyjson_obj_get(stream, "taker_sell_volume")));
        return;
    }
    fail_msg("facts.json has no trades of %s", subject->symbols[symbol]);
}

static void expect_symbol(const struct subject *subject, size_t symbol, const struct feed *feed,
                          const struct symbol_outcome *out)
{
    yyjson_val *book = yyjson_obj_get(yyjson_obj_get(subject->facts, "books"), subject->symbols[symbol]);
    yyjson_val *final_book = yyjson_obj_get(book, "final_book");
    expect_trades(subject, symbol, out);
    assert_int_equal(out->ends, 1);
    assert_int_equal(feed_count(feed, symbol, FEED_TRADE_GAP_IDS), 0);
    assert_int_equal(feed_count(feed, symbol, FEED_BOOK_SEQ_GAP), 0);
    if (!final_book) { /* a recording without a snapshot: no book, but the trades */
        assert_int_equal(out->books, 0);
        assert_int_equal(feed_count(feed, symbol, FEED_DIFFS_DROPPED), fact(book, "buffered_diffs"));
        return;
    }
    assert_int_equal(out->books, fact(book, "diffs_applied"));
    assert_int_equal(feed_count(feed, symbol, FEED_DIFFS_APPLIED), fact(book, "diffs_applied"));
    assert_int_equal(feed_count(feed, symbol, FEED_DIFFS_BEFORE_SNAPSHOT),
                     fact(book, "diffs_dropped_before_snapshot"));
    assert_int_equal(feed_count(feed, symbol, FEED_UNKNOWN_DELETES), fact(book, "deletes_of_unknown_levels"));
    assert_int_equal(out->resets, 1);
    assert_int_equal(out->last_book.last_id, fact(final_book, "last_u"));
    expect_levels(yyjson_obj_get(final_book, "bids"), out->last_book.bid_price, out->last_book.bid_qty);
    expect_levels(yyjson_obj_get(final_book, "asks"), out->last_book.ask_price, out->last_book.ask_qty);
    assert_int_equal(feed_book(feed, symbol)->bids.count, fact(final_book, "n_bid_levels"));
    assert_int_equal(feed_book(feed, symbol)->asks.count, fact(final_book, "n_ask_levels"));

    /* The facts leave out the diffs that had come before the snapshot; data.md §1.2a audits them too. */
    yyjson_val *audit = yyjson_obj_get(book, "bbo_check");
    int64_t agree_live = out->agree - feed_count(feed, symbol, FEED_AUDIT_AGREE_FROM_BUFFER);
    int64_t disagree_live = out->disagree - feed_count(feed, symbol, FEED_AUDIT_DISAGREE_FROM_BUFFER);
    assert_int_equal(agree_live, audit ? fact(audit, "equal") : 0);
    assert_int_equal(disagree_live, audit ? fact(audit, "different") : 0);
    assert_int_equal(out->agree, feed_count(feed, symbol, FEED_AUDIT_AGREE));
    assert_int_equal(out->disagree, feed_count(feed, symbol, FEED_AUDIT_DISAGREE));
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_every_recording_gives_the_facts(void **state)
{
    (void)state;
    size_t index, count;
    yyjson_val *recording;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(facts), "recordings"), index, count, recording)
    {
        struct subject subject;
        struct outcome outcome;
        subject_load(&subject, recording);
        double begin = seconds_now();
        struct feed *feed =
            run_records(&subject, subject.recording.records, subject.recording.count, &outcome);
        double took = seconds_now() - begin;
        print_message("%s: %zu records, %.2f us each\n",
                      yyjson_get_str(yyjson_obj_get(recording, "recording")), subject.recording.count,
                      1e6 * took / (double)subject.recording.count);
        for (size_t i = 0; i < subject.config.symbol_count; i++)
            expect_symbol(&subject, i, feed, &outcome.symbols[i]);
        feed_destroy(feed);
        recording_finish(&subject.recording);
    }
}

/* load_named: a recording of facts.json by its name. */
static void load_named(struct subject *subject, const char *name)
{
    size_t index, count;
    yyjson_val *recording;
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(facts), "recordings"), index, count, recording)
    {
        if (yyjson_equals_str(yyjson_obj_get(recording, "recording"), name)) {
            subject_load(subject, recording);
            return;
        }
    }
    fail_msg("facts.json has no recording %s", name);
}

static size_t first_rest(const struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++)
        if (recording->records[i].kind == CAPTURE_REST)
            return i;
    fail_msg("no REST answer in the recording");
    return 0;
}

/* record_move: takes a record out and puts it in before the one that then has index `to`. */
static void record_move(struct recording *recording, size_t from, size_t to)
{
    struct capture_record *records = recording->records;
    struct capture_record moved = records[from];
    if (to > from)
        memmove(records + from, records + from + 1, (to - from) * sizeof *records);
    else
        memmove(records + to + 1, records + to, (from - to) * sizeof *records);
    records[to] = moved;
}

static void test_the_moment_of_the_snapshot_changes_no_row(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"usdm-btcusdt-2024-08", "spot-btcusdt-2024-08",
                                        "coinm-ethusd_perp-2024-08"};
    for (size_t n = 0; n < sizeof NAMES / sizeof NAMES[0]; n++) {
        struct subject subject;
        struct outcome reference, moved;
        load_named(&subject, NAMES[n]);
        feed_destroy(run_records(&subject, subject.recording.records, 30000, &reference));
        assert_true(reference.symbols[0].books > 1000);
        size_t at = first_rest(&subject.recording);
        const size_t places[] = {0, 5, at + 1, at + 2, at + 100, at + 3000};
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            record_move(&subject.recording, at, places[i]);
            feed_destroy(run_records(&subject, subject.recording.records, 30000, &moved));
            assert_int_equal(moved.symbols[0].hash, reference.symbols[0].hash);
            record_move(&subject.recording, places[i], at);
        }
        recording_finish(&subject.recording);
    }
}

/* run_resumed: as run_records, but behind the records at `cuts` the feed is saved, destroyed and loaded again. */
static void run_resumed(const struct subject *subject, size_t count, const size_t *cuts, size_t cut_count,
                        struct outcome *outcome)
{
    struct buffer saved, again;
    buffer_init(&saved, 0);
    buffer_init(&again, 0);
    outcome_init(outcome);
    struct feed *feed = feed_create(&subject->config, collect, outcome, NULL);
    for (size_t i = 0; i < count; i++) {
        feed_record(feed, &subject->recording.records[i], NULL);
        for (size_t c = 0; c < cut_count; c++) {
            if (cuts[c] != i)
                continue;
            buffer_clear(&saved);
            buffer_clear(&again);
            feed_save(feed, &saved);
            feed_destroy(feed);
            feed = feed_create(&subject->config, collect, outcome, NULL);
            struct reader reader;
            struct error error = {""};
            reader_init(&reader, saved.data, saved.length);
            if (feed_load(feed, &reader, &error) != STATUS_OK)
                fail_msg("%s", error.text);
            assert_int_equal(reader_done(&reader), STATUS_OK);
            feed_save(feed, &again);
            assert_int_equal(again.length, saved.length);
            assert_memory_equal(again.data, saved.data, saved.length);
        }
    }
    feed_end(feed);
    feed_destroy(feed);
    buffer_finish(&saved);
    buffer_finish(&again);
    buffer_finish(&outcome->scratch);
}

static void test_a_saved_state_continues_to_the_same_rows(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    static const char *const NAMES[] = {"usdm-btcusdt-2024-08", "cryptofeed-usdm-2021-04-05",
                                        "spot-btcusdt-2023-04"};
    for (size_t n = 0; n < sizeof NAMES / sizeof NAMES[0]; n++) {
        struct subject subject;
        struct outcome reference, resumed;
        load_named(&subject, NAMES[n]);
        size_t count = subject.recording.count < 20000 ? subject.recording.count : 20000;
        feed_destroy(run_records(&subject, subject.recording.records, count, &reference));
        size_t cuts[12] = {0, 20, 54, 60};
        for (size_t i = 4; i < 12; i++)
            cuts[i] = random_below(&random, count);
        run_resumed(&subject, count, cuts, 12, &resumed);
        for (size_t i = 0; i < subject.config.symbol_count; i++)
            assert_int_equal(resumed.symbols[i].hash, reference.symbols[i].hash);
        recording_finish(&subject.recording);
    }
}

/* find_message: index of the n-th message from `from` on whose text holds `part`. */
static size_t find_message(const struct recording *recording, size_t from, const char *part)
{
    for (size_t i = from; i < recording->count; i++)
        if (recording->records[i].kind == CAPTURE_MESSAGE && strstr(recording->records[i].payload, part))
            return i;
    fail_msg("no message with %s", part);
    return 0;
}

static void test_dropped_repeated_and_swapped_lines_behave_as_specified(void **state)
{
    (void)state;
    struct subject subject;
    struct outcome reference, disturbed;
    enum { COUNT = 20000 };
    load_named(&subject, "usdm-btcusdt-2024-08");
    struct capture_record *records = subject.recording.records;
    feed_destroy(run_records(&subject, records, COUNT, &reference));

    /* A repeated trade, diff or ticker changes no row. */
    struct capture_record *doubled = malloc(2 * COUNT * sizeof *doubled);
    for (size_t i = 0; i < COUNT; i++)
        doubled[2 * i] = doubled[2 * i + 1] = records[i];
    struct feed *feed = run_records(&subject, doubled, 2 * COUNT, &disturbed);
    assert_int_equal(disturbed.symbols[0].hash, reference.symbols[0].hash);
    assert_int_equal(feed_count(feed, 0, FEED_DEDUP_HITS), reference.symbols[0].trades);
    assert_true(feed_count(feed, 0, FEED_BOOK_BACKWARD) > 1000);
    feed_destroy(feed);

    /* A missing trade is a gap of one id. */
    size_t at = find_message(&subject.recording, 5000, "@trade");
    memcpy(doubled, records, at * sizeof *records);
    memcpy(doubled + at, records + at + 1, (COUNT - at - 1) * sizeof *records);
    feed = run_records(&subject, doubled, COUNT - 1, &disturbed);
    assert_int_equal(feed_count(feed, 0, FEED_TRADE_GAP_IDS), 1);
    assert_int_equal(disturbed.symbols[0].trades, reference.symbols[0].trades - 1);
    assert_int_equal(disturbed.symbols[0].events, 1);
    assert_int_equal(disturbed.symbols[0].books, reference.symbols[0].books);
    feed_destroy(feed);

    /* A missing diff makes the book invalid: no more books until a snapshot; trades go on. */
    at = find_message(&subject.recording, 5000, "@depth");
    memcpy(doubled, records, at * sizeof *records);
    memcpy(doubled + at, records + at + 1, (COUNT - at - 1) * sizeof *records);
    feed = run_records(&subject, doubled, COUNT - 1, &disturbed);
    assert_int_equal(feed_count(feed, 0, FEED_BOOK_SEQ_GAP), 1);
    assert_int_equal(feed_count(feed, 0, FEED_BOOK_RESYNC), 1);
    assert_int_equal(disturbed.symbols[0].trades, reference.symbols[0].trades);
    assert_true(disturbed.symbols[0].books < reference.symbols[0].books);
    feed_destroy(feed);

    /* Swapped neighbouring trades come out in the order of their ids, when the gap is shorter than the
     * watermark. */
    size_t first = find_message(&subject.recording, 6000, "@trade"), second = first + 1;
    while (!strstr(records[second].payload, "@trade") ||
           records[second].recv_ns - records[first].recv_ns > 20000000) {
        first = find_message(&subject.recording, first + 1, "@trade");
        second = first + 1;
    }
    memcpy(doubled, records, COUNT * sizeof *records);
    doubled[first] = records[second];
    doubled[second] = records[first];
    feed = run_records(&subject, doubled, COUNT, &disturbed);
    assert_int_equal(feed_count(feed, 0, FEED_TRADE_GAP_IDS), 0);
    assert_int_equal(feed_count(feed, 0, FEED_LATE_EVENTS), 0);
    assert_int_equal(disturbed.symbols[0].trades, reference.symbols[0].trades);
    assert_int_equal(disturbed.symbols[0].events, 0);
    feed_destroy(feed);
    free(doubled);
    recording_finish(&subject.recording);
}

int main(void)
{
    const char *folder = getenv("ORDERFLOW_RECORDINGS"), *root = getenv("ORDERFLOW_ROOT");
    snprintf(recordings_folder, sizeof recordings_folder, folder ? "%s" : "%s/../shared/data",
             folder ? folder
             : root ? root
                    : ".");
    char path[600];
    snprintf(path, sizeof path, "%s/facts.json", recordings_folder);
    facts = yyjson_read_file(path, 0, NULL, NULL);
    if (!facts) {
        print_message("skipped: no recordings at %s (set ORDERFLOW_RECORDINGS)\n", recordings_folder);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_recording_gives_the_facts),
        cmocka_unit_test(test_the_moment_of_the_snapshot_changes_no_row),
        cmocka_unit_test(test_a_saved_state_continues_to_the_same_rows),
        cmocka_unit_test(test_dropped_repeated_and_swapped_lines_behave_as_specified),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    yyjson_doc_free(facts);
    return failed;
}
