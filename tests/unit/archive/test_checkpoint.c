// Checkpoint: comes back as written, refuses the rest; its rule says what is durable. Names of parts likewise.
// links: archive proto base
#include "services/archive/checkpoint.h"
#include "services/archive/parts.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fill(struct checkpoint *checkpoint)
{
    checkpoint_init(checkpoint, "run-1", "fingerprint");
    checkpoint->updated_ts_ms = 1723161255030;
    checkpoint->next_file = 42;
    checkpoint->counts = (struct checkpoint_counts){1, 2, 3, 4, 5};
    struct checkpoint_stream *stream = checkpoint_stream(checkpoint, "harvest/BTCUSDT");
    stream->resume = 7;
    stream->through = 90;
    stream->below_ms = 1723161240000;
    stream->whole[KIND_PRICES] = 50;
    stream = checkpoint_stream(checkpoint, "features/BTCUSDT");
    stream->below_ms = INT64_MAX;
    stream->ended = true;
    struct checkpoint_set *set = checkpoint_set(checkpoint, "BTCUSDT", KIND_PRICES);
    set->last_ts_ms = 1723161239999;
    set->last_agg_trade_id = 123;
    set->rows = 1000;
    snprintf(set->last_file, sizeof set->last_file, "part-1-2-3-abcdef01-4.parquet");
    checkpoint_set(checkpoint, "BTCUSDT", KIND_EVENTS);
    checkpoint_deleting(checkpoint, "/a/\"quoted\" path");
}

static void what_was_written_is_read_back(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES], again[PATH_BYTES];
    struct checkpoint written, read;
    struct error error = {{0}};
    struct buffer first, second;
    (void)state;
    check_folder(folder);
    path_join(path, folder, "state/checkpoint.json");
    path_join(again, folder, "state/again.json");
    fill(&written);
    assert_ok(checkpoint_write(&written, path, false));
    if (checkpoint_read(&read, path, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_ok(checkpoint_write(&read, again, true));
    buffer_init(&first, 0);
    buffer_init(&second, 0);
    assert_ok(file_read(path, &first));
    assert_ok(file_read(again, &second));
    assert_string_equal(buffer_text(&first), buffer_text(&second));
    assert_non_null(strstr(buffer_text(&first), "\"BTCUSDT/prices\":{\"last_ts_ms\":1723161239999,"
                                                "\"last_agg_trade_id\":123,\"last_update_id\":null,"));
    assert_int_equal(read.streams[0].below_ms, 1723161240000);
    assert_int_equal(read.streams[1].below_ms, INT64_MAX);
    assert_int_equal(read.sets[1].last_update_id, FIELD_NULL_I64);
    checkpoint_finish(&written);
    checkpoint_finish(&read);
    buffer_finish(&first);
    buffer_finish(&second);
    check_folder_remove(folder);
}

static void every_cut_of_it_is_refused(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct checkpoint checkpoint;
    struct error error = {{0}};
    struct buffer text;
    (void)state;
    check_folder(folder);
    path_join(path, folder, "checkpoint.json");
    assert_int_equal(checkpoint_read(&checkpoint, path, &error), STATUS_NOT_FOUND);
    fill(&checkpoint);
    assert_ok(checkpoint_write(&checkpoint, path, false));
    checkpoint_finish(&checkpoint);
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    for (size_t bytes = 0; bytes + 1 < text.length; bytes += 3) {
        assert_ok(file_replace(path, text.data, bytes, false));
        assert_int_equal(checkpoint_read(&checkpoint, path, &error), STATUS_MALFORMED);
        assert_non_null(strstr(error.text, path));
    }
    buffer_finish(&text);
    check_folder_remove(folder);
}

static void every_flipped_bit_of_it_is_refused(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct checkpoint checkpoint;
    struct error error = {{0}};
    struct buffer text;
    (void)state;
    check_folder(folder);
    path_join(path, folder, "checkpoint.json");
    fill(&checkpoint);
    assert_ok(checkpoint_write(&checkpoint, path, false));
    checkpoint_finish(&checkpoint);
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    for (size_t bit = 0; bit < 8 * text.length; bit++) {
        text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_ok(file_replace(path, text.data, text.length, false));
        assert_int_equal(checkpoint_read(&checkpoint, path, &error), STATUS_MALFORMED);
        assert_non_null(strstr(error.text, path));
        text.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buffer_finish(&text);
    check_folder_remove(folder);
}

static void the_rule_says_which_rows_are_durable(void **state)
{
    struct checkpoint_stream stream = {.through = 100, .below_ms = 60000, .whole[KIND_OFI] = 40};
    (void)state;
    assert_true(checkpoint_is_durable(&stream, KIND_CVD, 100, 59999));
    assert_false(checkpoint_is_durable(&stream, KIND_CVD, 100, 60000)); /* its window is still open */
    assert_false(checkpoint_is_durable(&stream, KIND_CVD, 101, 59999)); /* a late row */
    assert_true(checkpoint_is_durable(&stream, KIND_OFI, 40, 60000));   /* written whole */
    assert_false(checkpoint_is_durable(&stream, KIND_OFI, 41, 60000));
    assert_true(checkpoint_is_durable(&stream, KIND_NONE, 5, INT64_MIN));
    stream = (struct checkpoint_stream){.below_ms = INT64_MIN};
    assert_false(checkpoint_is_durable(&stream, KIND_CVD, 1, INT64_MIN));
}

static void names_of_parts_come_back(void **state)
{
    struct parts parts;
    char path[PATH_BYTES];
    (void)state;
    parts_init(&parts, "/data/ofi_cvd", "run-1", false);
    struct part part = {.symbol = "BTCUSDT",
                        .kind = KIND_ORDERBOOK,
                        .first_ts_ms = 1723161255030,
                        .last_ts_ms = 1723161259999,
                        .rows = 17,
                        .number = 5};
    for (int hour = 0; hour < 2; hour++) {
        struct part back;
        part.is_hour = hour;
        part_path(&parts, &part, path);
        assert_string_equal(path, hour ? "/data/ofi_cvd/date=2024-08-08/symbol=BTCUSDT/kind=orderbook/"
                                         "part-1723161255030-1723161259999-17-4e65d3fb-5-h.parquet"
                                       : "/data/ofi_cvd/date=2024-08-08/symbol=BTCUSDT/kind=orderbook/"
                                         "part-1723161255030-1723161259999-17-4e65d3fb-5.parquet");
        assert_true(part_parse(&parts, path, &back));
        assert_int_equal(back.is_hour, hour);
        assert_int_equal(back.number, 5);
        assert_int_equal(back.kind, KIND_ORDERBOOK);
        assert_string_equal(back.symbol, "BTCUSDT");
    }
    parts_finish(&parts);
}

static void foreign_names_are_not_ours(void **state)
{
    static const char *const NAMES[] = {
        "date=2024-08-08/symbol=BTCUSDT/kind=orderbook/"
        "part-1723161255030-1723161259999-17-00000000-5.parquet",
        "date=2024-08-09/symbol=BTCUSDT/kind=orderbook/"
        "part-1723161255030-1723161259999-17-4e65d3fb-5.parquet",
        "date=2024-08-08/symbol=BTCUSDT/kind=trades/part-1723161255030-1723161259999-17-4e65d3fb-5.parquet",
        "date=2024-08-08/symbol=BTCUSDT/kind=orderbook/"
        "part-1723161255030-1723161259999-17-4e65d3fb-5-x.parquet",
        "date=2024-08-08/symbol=BTCUSDT/kind=orderbook/"
        "part-01723161255030-1723161259999-17-4e65d3fb-5.parquet",
        "date=2024-08-08/symbol=BTCUSDT/kind=orderbook/notes.txt",
    };
    struct parts parts;
    struct part part;
    char path[PATH_BYTES];
    (void)state;
    parts_init(&parts, "/data/ofi_cvd", "run-1", false);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        path_join(path, parts.root, "%s", NAMES[i]);
        assert_false(part_parse(&parts, path, &part));
    }
    assert_false(part_parse(&parts, "/other", &part));
    parts_finish(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(every_cut_of_it_is_refused),
        cmocka_unit_test(every_flipped_bit_of_it_is_refused),
        cmocka_unit_test(the_rule_says_which_rows_are_durable),
        cmocka_unit_test(names_of_parts_come_back),
        cmocka_unit_test(foreign_names_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
