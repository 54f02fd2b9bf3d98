// links: simulator journal base
#include "captures.h"
#include "tests/support/in_folder.h"

#include "journal/capture.h"

#include <stdlib.h>
#include <zlib.h>

static enum status load(struct recording *recording, const char *const *paths, size_t count,
                        struct error *error)
{
    recording_init(recording);
    return recording_load(recording, paths, count, NULL, 0, error);
}

static void assert_depth(struct recording *recording, uint64_t position, const char *expected)
{
    struct buffer answer;
    buffer_init(&answer, 0);
    assert_ok(recording_depth(recording, 0, position, 1000, &answer));
    assert_string_equal(buffer_text(&answer), expected);
    buffer_finish(&answer);
}

static void hft_lines_with_any_time_unit(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "abcusdt_20230405.dat",
              USDM_LINES "1700000000001000000 "
                         "{\"stream\":\"abcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":106}}\n");
    assert_int_equal(recording.market, MARKET_USDM);
    assert_int_equal(recording.tape.count, 6);
    assert_int_equal(recording.skipped, 0);
    assert_int_equal(recording.catalogue.stream_count, 3);
    assert_int_equal(tape_at(&recording.tape, 0)->recv_ns, 1700000000000000000);
    assert_int_equal(tape_at(&recording.tape, 5)->recv_ns, 1700000000001000000);
    const struct tape_entry *snapshot = tape_at(&recording.tape, 2);
    assert_int_equal(snapshot->kind, TAPE_SNAPSHOT);
    assert_string_equal(recording.catalogue.symbols[snapshot->symbol].name, "ABCUSDT");
    assert_int_equal(recording.catalogue.symbols[0].price_decimals, 2);
    assert_int_equal(recording.catalogue.symbols[0].price_significant, 2); /* 10.25 */
    assert_int_equal(recording.catalogue.symbols[0].quantity_decimals, 3);
    recording_finish(&recording);
}

static void messages_keep_their_bytes(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "abcusdt_1.dat", USDM_LINES);
    const struct tape_entry *entry = tape_at(&recording.tape, 1);
    const char *line = strstr(USDM_LINES, "{\"stream\":\"abcusdt@aggTrade\"");
    assert_int_equal(entry->bytes, strcspn(line, "\n"));
    assert_memory_equal(entry->text, line, entry->bytes);
    const char *data = strstr(line, "{\"e\":\"aggTrade\"");
    assert_int_equal(entry->data_bytes, strcspn(data, "\n") - 1);
    assert_memory_equal(entry->text + entry->data_offset, data, entry->data_bytes);
    recording_finish(&recording);
}

static void cryptofeed_lines(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "BINANCE-1.0",
              "configuration: {\"trades\":[\"X-USDT\"]}\n"
              "wss://stream.binance.com:9443/stream?streams=xusdt@aggTrade <-> 1617566590.378895\n"
              "1617566591.5: "
              "{\"stream\":\"xusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1,\"s\":\"XUSDT\",\"a\":1,"
              "\"p\":\"1.5\",\"q\":\"2\",\"f\":1,\"l\":1,\"T\":1,\"m\":true,\"M\":true}}\n"
              "https://www.binance.com/api/v1/depth?symbol=XUSDT&limit=1000 -> 1617566592.1065369: "
              "{\"lastUpdateId\":5,"
              "\"bids\":[[\"1.0\",\"1\"]],\"asks\":[]}\n");
    assert_int_equal(recording.market, MARKET_SPOT);
    assert_int_equal(recording.tape.count, 2);
    assert_int_equal(recording.other, 2);
    assert_int_equal(tape_at(&recording.tape, 0)->recv_ns, 1617566591500000000);
    assert_int_equal(tape_at(&recording.tape, 1)->recv_ns, 1617566592106536900);
    assert_int_equal(tape_at(&recording.tape, 1)->symbol, catalogue_symbol(&recording.catalogue, "xusdt"));
    recording_finish(&recording);
}

static void bad_lines_are_skipped_and_counted(void **state)
{
    (void)state;
    struct recording recording;
    load_text(
        &recording, folder, "abcusdt_1.dat",
        "1700000000000000 {\"stream\":\"abcusdt@trade\",\"data\":{\"e\":\"tra\n"
        "123 {}\n"
        "garbage\n"
        "\n"
        "https://x/depth?symbol=A 123\n"
        "9999999999999 {\"stream\":\"abcusdt@trade\"}\n" /* times behind the end of 64 bits of nanoseconds */
        "9999999999999999999 {\"stream\":\"abcusdt@trade\"}\n"
        "9999999999.5: {\"stream\":\"abcusdt@trade\"}\n"
        "1700000000000000 {\"result\":null,\"id\":1}\n" USDM_LINES "1700000000000500 {\"stream\":\"abcu");
    assert_int_equal(recording.skipped, 8);
    assert_int_equal(recording.other, 1);
    assert_int_equal(recording.tape.count, 5);
    recording_finish(&recording);
}

static void a_stream_without_a_symbol_is_served_and_has_no_book(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "abcusdt_1.dat",
              USDM_LINES "1700000000000500 {\"stream\":\"@depth\",\"data\":{\"u\":1}}\n"
                         "1700000000000600 {\"stream\":\"@aggTrade\",\"data\":{\"a\":1}}\n");
    assert_int_equal(recording.tape.count, 7);
    assert_int_equal(recording.catalogue.symbol_count, 1);
    recording_finish(&recording);
}

static void a_file_without_messages_is_an_error(void **state)
{
    (void)state;
    struct recording recording;
    struct error error;
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    write_capture(folder, "empty.dat", "", path);
    assert_int_equal(load(&recording, paths, 1, &error), STATUS_INVALID);
    recording_finish(&recording);
    write_capture(folder, "nonsense.dat", "a\nb\n", path);
    assert_int_equal(load(&recording, paths, 1, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "nonsense.dat"));
    recording_finish(&recording);
    path_join(path, folder, "missing.gz");
    assert_int_equal(load(&recording, paths, 1, &error), STATUS_NOT_FOUND);
    recording_finish(&recording);
}

static void gzip_members_and_cut_files(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    struct recording recording;
    struct error error;
    path_join(path, folder, "abcusdt_1.gz");
    gzFile file = gzopen(path, "wb");
    assert_int_equal(gzwrite(file, USDM_LINES, strlen(USDM_LINES)), strlen(USDM_LINES));
    gzclose(file);
    file = gzopen(path, "ab"); /* a second member */
    assert_int_equal(gzwrite(file, USDM_LINES, strlen(USDM_LINES)), strlen(USDM_LINES));
    gzclose(file);
    assert_ok(load(&recording, paths, 1, &error));
    assert_int_equal(recording.tape.count, 10);
    assert_int_equal(recording.skipped, 0);
    recording_finish(&recording);

    struct buffer bytes;
    buffer_init(&bytes, 0);
    assert_ok(file_read(path, &bytes));
    assert_ok(file_replace(path, bytes.data, bytes.length - 12, false));
    assert_ok(load(&recording, paths, 1, &error));
    assert_in_range(recording.tape.count, 5, 10);
    assert_in_range(recording.skipped, 1, 2); /* the cut, and the line it went through */
    recording_finish(&recording);
    buffer_finish(&bytes);
}

static void captures_merge_by_receive_time_ties_in_argument_order(void **state)
{
    (void)state;
    static const char TRADE[] = "%d000 {\"stream\":\"%s@trade\",\"data\":{\"e\":\"trade\",\"t\":%d}}\n";
    char first[512] = "", second[512] = "", line[128], paths_text[2][PATH_BYTES];
    static const int TIMES[2][4] = {{1, 3, 5, 5}, {2, 3, 5, 9}};
    for (int i = 0; i < 4; i++) {
        snprintf(line, sizeof line, TRADE, 1700000000 + TIMES[0][i], "aausdt", 10 + i);
        strcat(first, line);
        snprintf(line, sizeof line, TRADE, 1700000000 + TIMES[1][i], "bbusdt", 20 + i);
        strcat(second, line);
    }
    write_capture(folder, "a.dat", first, paths_text[0]);
    write_capture(folder, "b.dat", second, paths_text[1]);
    const char *paths[2] = {paths_text[0], paths_text[1]};
    struct recording recording;
    struct error error;
    assert_ok(load(&recording, paths, 2, &error));
    static const int EXPECTED[] = {10, 20, 11, 21, 12, 13, 22, 23};
    assert_int_equal(recording.tape.count, 8);
    for (size_t i = 0; i < 8; i++) {
        struct span value;
        int64_t id;
        const struct tape_entry *entry = tape_at(&recording.tape, i);
        assert_true(
            span_member((struct span){entry->text + entry->data_offset, entry->data_bytes}, "t", &value));
        assert_true(span_integer(value, &id));
        assert_int_equal(id, EXPECTED[i]);
    }
    recording_finish(&recording);
}

static void two_markets_are_refused(void **state)
{
    (void)state;
    char paths_text[2][PATH_BYTES];
    write_capture(folder, "abcusdt_1.dat", USDM_LINES, paths_text[0]);
    write_capture(folder, "spot.dat",
                  "1700000000000000 {\"stream\":\"xusdt@bookTicker\",\"data\":{\"u\":1,\"s\":\"XUSDT\"}}\n",
                  paths_text[1]);
    const char *paths[2] = {paths_text[0], paths_text[1]};
    struct recording recording;
    struct error error;
    assert_int_equal(load(&recording, paths, 2, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, "spot.dat is spot"));
    recording_finish(&recording);
}

static void coin_margined_is_known_by_its_symbol(void **state)
{
    (void)state;
    struct recording recording;
    load_text(
        &recording, folder, "c.dat",
        "1700000000000000 "
        "{\"stream\":\"ethusd_perp@trade\",\"data\":{\"e\":\"trade\",\"t\":1,\"p\":\"1\",\"q\":\"2\"}}\n");
    assert_int_equal(recording.market, MARKET_COINM);
    recording_finish(&recording);
    load_text(&recording, folder, "u.dat",
              "1700000000000000 "
              "{\"stream\":\"btcusdt_240329@trade\",\"data\":{\"e\":\"trade\",\"t\":1,\"ps\":\"X\"}}\n");
    assert_int_equal(recording.market, MARKET_USDM);
    recording_finish(&recording);
}

static void only_chosen_symbols_stay(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    const char *known[1] = {"bbusdt"}, *missing[1] = {"CCUSDT"};
    write_capture(folder, "two.dat",
                  "1700000000000000 {\"stream\":\"aausdt@trade\",\"data\":{\"e\":\"trade\",\"t\":1}}\n"
                  "1700000000000001 {\"stream\":\"bbusdt@trade\",\"data\":{\"e\":\"trade\",\"t\":2}}\n",
                  path);
    struct recording recording;
    struct error error;
    recording_init(&recording);
    assert_ok(recording_load(&recording, paths, 1, known, 1, &error));
    assert_int_equal(recording.tape.count, 1);
    recording_finish(&recording);
    assert_int_equal(recording_load(&recording, paths, 1, missing, 1, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "CCUSDT"));
    recording_finish(&recording);
}

static void the_book_follows_the_tape_with_exact_text(void **state)
{
    (void)state;
    struct recording recording;
    struct buffer answer;
    load_text(&recording, folder, "abcusdt_1.dat", USDM_LINES);
    buffer_init(&answer, 0);
    assert_int_equal(recording_depth(&recording, 0, 2, 10, &answer), STATUS_NOT_FOUND);
    assert_int_equal(answer.length, 0);
    assert_depth(&recording, 3,
                 "{\"lastUpdateId\":100,\"E\":1700000000003,\"T\":1700000000002,"
                 "\"bids\":[[\"10.00\",\"5\"],[\"9.50\",\"1\"]],\"asks\":[[\"10.50\",\"2\"]]}");
    assert_depth(&recording, 5,
                 "{\"lastUpdateId\":105,\"E\":1700000000005,\"T\":1700000000004,"
                 "\"bids\":[[\"9.75\",\"4.25\"],[\"9.50\",\"1\"]],\"asks\":[[\"10.25\",\"0.125\"],[\"10.50\","
                 "\"2\"]]}");
    assert_ok(recording_depth(&recording, 0, 5, 1, &answer));
    assert_non_null(
        strstr(buffer_text(&answer), "\"bids\":[[\"9.75\",\"4.25\"]],\"asks\":[[\"10.25\",\"0.125\"]]"));
    buffer_finish(&answer);
    recording_finish(&recording);
}

/* A diff that arrived before the snapshot, but is newer than it, belongs to the book (data.md §1.4). */
static void a_newer_diff_before_the_snapshot_counts(void **state)
{
    (void)state;
    struct recording recording;
    load_text(
        &recording, folder, "abcusdt_1.dat",
        "1700000000000000 "
        "{\"stream\":\"abcusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":3,\"T\":2,\"s\":\"ABCUSDT\","
        "\"U\":95,\"u\":110,\"pu\":94,\"b\":[[\"1\",\"7\"]],\"a\":[]}}\n"
        "1700000000000001 "
        "{\"lastUpdateId\":100,\"E\":1,\"T\":1,\"bids\":[[\"1\",\"5\"]],\"asks\":[[\"2\",\"5\"]]}\n");
    assert_depth(&recording, 2,
                 "{\"lastUpdateId\":110,\"E\":3,\"T\":2,\"bids\":[[\"1\",\"7\"]],\"asks\":[[\"2\",\"5\"]]}");
    recording_finish(&recording);
}

#define DIFF(time, first, last, previous)                                                                   \
    "17000000000000" time " {\"stream\":\"abcusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":1,\"T\":1," \
    "\"s\":\"ABCUSDT\",\"U\":" first ",\"u\":" last ",\"pu\":" previous ",\"b\":[],\"a\":[]}}\n"
#define SNAPSHOT(time, id)                                                                   \
    "17000000000000" time " {\"lastUpdateId\":" id ",\"E\":1,\"T\":1,\"bids\":[[\"1\",\"" id \
    "\"]],\"asks\":[]}\n"

static bool needed(const struct recording *recording, uint64_t number)
{
    assert_int_equal(tape_at(&recording->tape, number)->kind, TAPE_SNAPSHOT);
    return tape_at(&recording->tape, number)->flags & TAPE_NEEDED;
}

static void later_snapshots_are_needed_only_behind_a_break(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "abcusdt_1.dat",
              DIFF("01", "10", "20", "9") SNAPSHOT("02", "15") DIFF("03", "21", "30", "20")
                  SNAPSHOT("04", "28") DIFF("05", "40", "50", "39") SNAPSHOT("06", "45")
                      DIFF("07", "51", "60", "50"));
    assert_true(needed(&recording, 1));
    assert_false(needed(&recording, 3)); /* nothing was lost: who is in step does not ask */
    assert_true(needed(&recording, 5));  /* pu 39 is not 30 */
    assert_depth(&recording, 4,
                 "{\"lastUpdateId\":30,\"E\":1,\"T\":1,\"bids\":[[\"1\",\"15\"]],\"asks\":[]}");
    assert_depth(&recording, 7,
                 "{\"lastUpdateId\":60,\"E\":1,\"T\":1,\"bids\":[[\"1\",\"45\"]],\"asks\":[]}");
    recording_finish(&recording);
}

/* The same recording twice in a folder: what comes again breaks nothing, nobody asks again, nothing may be waited for. */
static void a_snapshot_that_comes_again_is_not_needed(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "abcusdt_1.dat",
              DIFF("01", "10", "20", "9") DIFF("02", "10", "20", "9") SNAPSHOT("03", "15")
                  SNAPSHOT("04", "15") DIFF("05", "21", "30", "20") DIFF("06", "21", "30", "20")
                      SNAPSHOT("07", "28") SNAPSHOT("08", "28") DIFF("09", "31", "40", "30"));
    assert_true(needed(&recording, 2));
    assert_false(needed(&recording, 3));
    assert_false(needed(&recording, 6));
    assert_false(needed(&recording, 7));
    recording_finish(&recording);
}

/* A snapshot older than all diffs was no use to whoever recorded it either: he asked again. */
static void a_snapshot_that_does_not_bridge_is_followed_by_a_needed_one(void **state)
{
    (void)state;
    struct recording recording;
    load_text(&recording, folder, "abcusdt_1.dat",
              DIFF("01", "10", "20", "9") SNAPSHOT("02", "5") DIFF("03", "21", "30", "20")
                  SNAPSHOT("04", "28"));
    assert_true(needed(&recording, 1));
    assert_true(needed(&recording, 3));
    recording_finish(&recording);
}

static void agg_trades_up_to_the_present(void **state)
{
    (void)state;
    struct recording recording;
    struct buffer answer;
    load_text(&recording, folder, "abcusdt_1.dat", USDM_LINES);
    buffer_init(&answer, 0);
    recording_agg_trades(&recording, 0, 0, 500, 4, &answer);
    assert_string_equal(buffer_text(&answer), "[{\"a\":7,\"p\":\"10.10\",\"q\":\"2.5\",\"f\":70,\"l\":71,"
                                              "\"T\":1700000000001,\"m\":true}]");
    buffer_clear(&answer);
    recording_agg_trades(&recording, 0, -1, 1, 5, &answer);
    assert_non_null(strstr(buffer_text(&answer), "[{\"a\":9,"));
    buffer_clear(&answer);
    recording_agg_trades(&recording, 0, 8, 500, 4, &answer);
    assert_string_equal(buffer_text(&answer), "[]");
    buffer_finish(&answer);
    recording_finish(&recording);
}

static void a_start_moves_all_times(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    struct recording recording;
    struct error error;
    write_capture(folder, "abcusdt_1.dat", USDM_LINES, path);
    assert_ok(load(&recording, paths, 1, &error));
    recording_shift(&recording, 100000000000);
    recording_index(&recording);
    assert_int_equal(tape_at(&recording.tape, 0)->recv_ns, 1800000000000000000);
    assert_non_null(strstr(tape_at(&recording.tape, 0)->text, "\"E\":1800000000001,\"T\":1800000000000,"));
    assert_depth(&recording, 3,
                 "{\"lastUpdateId\":100,\"E\":1800000000003,\"T\":1800000000002,"
                 "\"bids\":[[\"10.00\",\"5\"],[\"9.50\",\"1\"]],\"asks\":[[\"10.50\",\"2\"]]}");
    recording_finish(&recording);
}

/* ---- our own raw capture ---- */

static void append(struct capture_writer *writer, enum capture_kind kind, int64_t recv_ns, const char *text)
{
    assert_ok(capture_append(writer, kind, 1, recv_ns, 1, text, strlen(text), NULL));
}

static void write_raw(char out_path[PATH_BYTES])
{
    struct capture_writer *writer;
    struct error error;
    char raw[PATH_BYTES];
    path_join(raw, folder, "raw");
    struct capture_writer_config config = {
        .folder = raw, .run_id = "test", .metadata_json = "{}", .clock = clock_system()};
    assert_ok(capture_writer_open(&config, &writer, &error));
    append(writer, CAPTURE_OPENED, 1, "ws://127.0.0.1/stream");
    append(writer, CAPTURE_MESSAGE, 2, "{\"result\":null,\"id\":1}");
    append(writer, CAPTURE_MESSAGE, 3,
           "{\"stream\":\"abcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1,\"a\":7,\"s\":"
           "\"ABCUSDT\",\"p\":\"1\",\"q\":\"2\",\"f\":1,\"l\":1,\"T\":1,\"m\":true}}");
    append(writer, CAPTURE_MESSAGE, 4,
           "{\"stream\":\"abcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1,\"a\":9,\"s\":"
           "\"ABCUSDT\",\"p\":\"1\",\"q\":\"2\",\"f\":3,\"l\":3,\"T\":1,\"m\":true}}");
    append(writer, CAPTURE_REST, 5,
           "http://127.0.0.1/fapi/v1/aggTrades?symbol=ABCUSDT&fromId=8\n"
           "[{\"a\":8,\"p\":\"1\",\"q\":\"2\",\"f\":2,\"l\":2,\"T\":1,\"m\":true}]");
    append(writer, CAPTURE_REST, 6,
           "http://127.0.0.1/fapi/v1/depth?symbol=ABCUSDT&limit=1000\n"
           "{\"lastUpdateId\":5,\"E\":1,\"T\":1,\"bids\":[],\"asks\":[]}");
    append(writer, CAPTURE_REST, 7,
           "http://127.0.0.1/fapi/v1/depth?symbol=ABCUSDT\n{\"code\":-1003,\"msg\":\"x\"}");
    append(writer, CAPTURE_REST, 8, "http://127.0.0.1/fapi/v1/exchangeInfo\n{\"symbols\":[]}");
    capture_writer_close(writer);
    struct capture_reader *reader;
    assert_ok(capture_reader_open(raw, "test", NULL, &reader, &error));
    struct capture_record record;
    assert_ok(capture_next(reader, &record, &error));
    strcpy(out_path, capture_file_path(reader, 0));
    capture_reader_close(reader);
}

static void a_raw_capture_is_a_recording(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    struct recording recording;
    struct error error;
    write_raw(path);
    assert_ok(load(&recording, paths, 1, &error));
    recording_index(&recording);
    assert_int_equal(recording.tape.count, 3); /* two trades, one snapshot */
    assert_int_equal(tape_at(&recording.tape, 2)->recv_ns, 6);
    assert_true(needed(&recording, 2));
    assert_true(span_equals(recording.exchange_info, "{\"symbols\":[]}"));
    /* The trade fetched over REST appears with the next streamed one. */
    struct buffer answer;
    buffer_init(&answer, 0);
    recording_agg_trades(&recording, 0, 8, 1, 2, &answer);
    assert_non_null(strstr(buffer_text(&answer), "[{\"a\":8,"));
    buffer_clear(&answer);
    recording_agg_trades(&recording, 0, 8, 1, 1, &answer);
    assert_string_equal(buffer_text(&answer), "[]");
    buffer_finish(&answer);
    recording_finish(&recording);
}

static void a_damaged_raw_capture_is_refused(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    struct recording recording;
    struct error error;
    struct buffer bytes;
    write_raw(path);
    buffer_init(&bytes, 0);
    assert_ok(file_read(path, &bytes));
    bytes.data[200] ^= 1;
    assert_ok(file_replace(path, bytes.data, bytes.length, false));
    assert_int_not_equal(load(&recording, paths, 1, &error), STATUS_OK);
    recording_finish(&recording);
    buffer_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(hft_lines_with_any_time_unit),
        IN_FOLDER(messages_keep_their_bytes),
        IN_FOLDER(cryptofeed_lines),
        IN_FOLDER(bad_lines_are_skipped_and_counted),
        IN_FOLDER(a_stream_without_a_symbol_is_served_and_has_no_book),
        IN_FOLDER(a_file_without_messages_is_an_error),
        IN_FOLDER(gzip_members_and_cut_files),
        IN_FOLDER(captures_merge_by_receive_time_ties_in_argument_order),
        IN_FOLDER(two_markets_are_refused),
        IN_FOLDER(coin_margined_is_known_by_its_symbol),
        IN_FOLDER(only_chosen_symbols_stay),
        IN_FOLDER(the_book_follows_the_tape_with_exact_text),
        IN_FOLDER(a_newer_diff_before_the_snapshot_counts),
        IN_FOLDER(later_snapshots_are_needed_only_behind_a_break),
        IN_FOLDER(a_snapshot_that_comes_again_is_not_needed),
        IN_FOLDER(a_snapshot_that_does_not_bridge_is_followed_by_a_needed_one),
        IN_FOLDER(agg_trades_up_to_the_present),
        IN_FOLDER(a_start_moves_all_times),
        IN_FOLDER(a_raw_capture_is_a_recording),
        IN_FOLDER(a_damaged_raw_capture_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
