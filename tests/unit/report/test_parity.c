// links: report store base proto yyjson

#include "report_fixture.h"
#include "services/report/parity.h"

#include <yyjson.h>

enum { COUNT = 240 };

/* rows_of_two_symbols: both at the same times, over five minutes. */
static void rows_of_two_symbols(struct signal_row rows[COUNT])
{
    for (int i = 0; i < COUNT; i++) {
        int64_t ts_ms = FIXTURE_START_MS + i / 2 * 2500, seq = i / 2 + 1;
        const char *symbol = i % 2 ? "ETHUSDT" : "BTCUSDT";
        rows[i] = i % 5 == 0   ? fixture_confirmed(symbol, ts_ms, seq, SIGNAL_STRONG_BUY)
                  : i % 5 == 1 ? fixture_confirmed(symbol, ts_ms, seq, SIGNAL_SELL)
                               : fixture_row(symbol, ts_ms, seq);
    }
}

/* compare: the result, also as the parsed file that is written. */
static yyjson_doc *compare(const struct fixture *fixture, struct parity *out_parity)
{
    char path[PATH_BYTES];
    struct error error = {{0}};
    if (parity_compare(fixture->folder, "run-1", out_parity, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_ok(parity_write(out_parity, fixture->folder, false, &error));
    path_join(path, fixture->folder, "parity_diff_run-1.json");
    char *text = fixture_read(path);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    assert_non_null(document);
    free(text);
    return document;
}

static yyjson_val *at(yyjson_doc *document, const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);
    if (!value)
        fail_msg("%s is missing", pointer);
    return value;
}

static void two_symbols_at_one_time_are_equal_in_both_sinks(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row rows[COUNT];
    struct parity parity;
    fixture_open(&fixture);
    rows_of_two_symbols(rows);
    fixture_both(&fixture, rows, COUNT);
    yyjson_doc *document = compare(&fixture, &parity);
    assert_int_equal(parity.verdict, VERDICT_PASS);
    assert_int_equal(parity.jsonl.total, COUNT);
    assert_int_equal(parity.sqlite.total, COUNT);
    assert_int_equal(parity.jsonl.confirmed, 96);
    assert_int_equal(parity.jsonl.strong, 48);
    assert_true(parity.sqlite.strong_ratio == 0.5);
    assert_string_equal(parity.jsonl.content_hash, parity.sqlite.content_hash);
    assert_int_equal(parity.only_jsonl + parity.only_sqlite + parity.content_mismatch, 0);
    assert_string_equal(yyjson_get_str(at(document, "/verdict")), "PASS");
    assert_string_equal(yyjson_get_str(at(document, "/window_alignment/status")), "full_overlap");
    assert_int_equal(yyjson_get_sint(at(document, "/window_alignment/overlap_minutes")), 5);
    assert_int_equal(yyjson_get_sint(at(document, "/window_alignment/first_minute")), FIXTURE_MINUTE);
    assert_int_equal(yyjson_arr_size(at(document, "/top_minute_diffs")), 0);
    assert_int_equal(yyjson_arr_size(at(document, "/mismatch_examples")), 0);
    yyjson_doc_free(document);
    parity_finish(&parity);
    fixture_close(&fixture);
}

/* The hash is that of the lines as data.md says, not of something of our own. */
static void the_content_hash_is_of_the_lines_sorted_by_time_and_symbol(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row rows[] = {fixture_row("ETHUSDT", FIXTURE_START_MS, 1),
                                fixture_row("BTCUSDT", FIXTURE_START_MS, 1)};
    struct parity parity;
    char path[PATH_BYTES], hex[SHA256_HEX_BYTES];
    fixture_open(&fixture);
    fixture_both(&fixture, rows, 2);
    yyjson_doc_free(compare(&fixture, &parity));
    fixture_shard(&fixture, "BTCUSDT", FIXTURE_START_MS, false, path);
    char *first = fixture_read(path);
    fixture_shard(&fixture, "ETHUSDT", FIXTURE_START_MS, false, path);
    char *second = fixture_read(path);
    struct buffer lines;
    buffer_init(&lines, 0);
    buffer_append_text(&lines, first);
    buffer_append_text(&lines, second);
    sha256_hex(lines.data, lines.length, hex);
    assert_string_equal(parity.jsonl.content_hash, hex);
    buffer_finish(&lines);
    free(first);
    free(second);
    parity_finish(&parity);
    fixture_close(&fixture);
}

static void every_kind_of_mismatch_is_found_and_shown(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row rows[COUNT];
    struct parity parity;
    fixture_open(&fixture);
    rows_of_two_symbols(rows);
    fixture_sqlite(&fixture, rows + 1, COUNT - 1); /* row 0 only in JSONL */
    rows[10].score = nextafter(rows[10].score, 1); /* the last bit of one score */
    for (int i = 0; i < COUNT; i++)
        if (i != 100) /* row 100 only in SQLite */
            fixture_jsonl(&fixture, &rows[i], false);
    fixture_jsonl(&fixture, &rows[200], false); /* the same line again */
    rows[201].z_cvd = 1;
    fixture_jsonl(&fixture, &rows[201], false); /* another line under its key */
    yyjson_doc *document = compare(&fixture, &parity);
    assert_int_equal(parity.verdict, VERDICT_FAIL);
    assert_int_equal(parity.only_jsonl, 1);
    assert_int_equal(parity.only_sqlite, 1);
    assert_int_equal(parity.content_mismatch, 1);
    assert_int_equal(parity.duplicates_jsonl, 2);
    assert_int_equal(parity.key_conflict, 1);
    assert_string_not_equal(parity.jsonl.content_hash, parity.sqlite.content_hash);
    assert_int_equal(yyjson_arr_size(at(document, "/mismatch_examples")), 5);
    assert_string_equal(yyjson_get_str(at(document, "/mismatch_examples/0/kind")), "only_jsonl");
    assert_true(yyjson_is_null(at(document, "/mismatch_examples/0/sqlite")));
    assert_int_equal(yyjson_get_sint(at(document, "/mismatch_examples/0/jsonl/ts_ms")), FIXTURE_START_MS);
    assert_string_equal(yyjson_get_str(at(document, "/mismatch_examples/1/kind")), "content");
    assert_true(yyjson_get_real(at(document, "/mismatch_examples/1/jsonl/score")) == rows[10].score);
    assert_true(yyjson_get_real(at(document, "/mismatch_examples/1/sqlite/score")) != rows[10].score);
    assert_string_equal(yyjson_get_str(at(document, "/mismatch_examples/2/kind")), "only_sqlite");
    assert_string_equal(yyjson_get_str(at(document, "/mismatch_examples/3/kind")), "duplicate_jsonl");
    assert_int_equal(yyjson_arr_size(at(document, "/threshold_exceeded_minutes")), 3);
    assert_int_equal(yyjson_get_sint(at(document, "/top_minute_diffs/0/minute")), FIXTURE_MINUTE + 4);
    assert_int_equal(yyjson_get_sint(at(document, "/top_minute_diffs/0/diff")), 2);
    yyjson_doc_free(document);
    parity_finish(&parity);
    fixture_close(&fixture);
}

static void examples_are_at_most_ten(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row rows[COUNT];
    struct parity parity;
    fixture_open(&fixture);
    rows_of_two_symbols(rows);
    fixture_sqlite(&fixture, rows, COUNT);
    fixture_jsonl(&fixture, &rows[0], false);
    yyjson_doc *document = compare(&fixture, &parity);
    assert_int_equal(parity.only_sqlite, COUNT - 1);
    assert_int_equal(yyjson_arr_size(at(document, "/mismatch_examples")), 10);
    assert_string_equal(yyjson_get_str(at(document, "/window_alignment/status")), "partial_overlap");
    assert_int_equal(yyjson_get_sint(at(document, "/window_alignment/sqlite_only_minutes")), 4);
    yyjson_doc_free(document);
    parity_finish(&parity);
    fixture_close(&fixture);
}

static void two_empty_sinks_are_unknown_and_one_empty_sink_fails(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    struct parity parity;
    fixture_open(&fixture);
    yyjson_doc *document = compare(&fixture, &parity);
    assert_int_equal(parity.verdict, VERDICT_UNKNOWN);
    assert_string_equal(yyjson_get_str(at(document, "/verdict")), "UNKNOWN");
    assert_string_equal(yyjson_get_str(at(document, "/window_alignment/status")), "empty");
    assert_true(yyjson_is_null(at(document, "/jsonl_stats/strong_ratio")));
    assert_true(yyjson_is_null(at(document, "/window_alignment/first_minute")));
    yyjson_doc_free(document);
    parity_finish(&parity);

    fixture_sqlite(&fixture, &row, 0); /* a table without rows is empty too */
    yyjson_doc_free(compare(&fixture, &parity));
    assert_int_equal(parity.verdict, VERDICT_UNKNOWN);
    parity_finish(&parity);

    fixture_jsonl(&fixture, &row, false);
    yyjson_doc_free(compare(&fixture, &parity));
    assert_int_equal(parity.verdict, VERDICT_FAIL);
    assert_int_equal(parity.only_jsonl, 1);
    parity_finish(&parity);
    fixture_close(&fixture);
}

static void rows_of_other_runs_do_not_matter(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row rows[] = {fixture_row("BTCUSDT", FIXTURE_START_MS, 1),
                                fixture_row("BTCUSDT", FIXTURE_START_MS, 1)};
    struct parity parity;
    char path[PATH_BYTES];
    fixture_open(&fixture);
    snprintf(rows[1].run_id, sizeof rows[1].run_id, "run-0");
    fixture_sqlite(&fixture, rows, 2);
    fixture_jsonl(&fixture, &rows[0], false);
    path_join(path, fixture.folder, "ready/signal/BTCUSDT/signals_20240808_2354_run-0.jsonl");
    fixture_append(path, "not even JSON\n", 14);
    yyjson_doc_free(compare(&fixture, &parity));
    assert_int_equal(parity.verdict, VERDICT_PASS);
    parity_finish(&parity);
    fixture_close(&fixture);
}

static void a_line_that_is_no_row_fails_the_parity(void **state)
{
    (void)state;
    struct fixture fixture;
    struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    struct parity parity;
    char path[PATH_BYTES];
    fixture_open(&fixture);
    fixture_both(&fixture, &row, 1);
    fixture_shard(&fixture, "BTCUSDT", FIXTURE_START_MS, false, path);
    fixture_append(path, "{\"run_id\":\"run-1\"", 17); /* torn */
    yyjson_doc_free(compare(&fixture, &parity));
    assert_int_equal(parity.bad_jsonl, 1);
    assert_int_equal(parity.verdict, VERDICT_FAIL);
    parity_finish(&parity);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_symbols_at_one_time_are_equal_in_both_sinks),
        cmocka_unit_test(the_content_hash_is_of_the_lines_sorted_by_time_and_symbol),
        cmocka_unit_test(every_kind_of_mismatch_is_found_and_shown),
        cmocka_unit_test(examples_are_at_most_ten),
        cmocka_unit_test(two_empty_sinks_are_unknown_and_one_empty_sink_fails),
        cmocka_unit_test(rows_of_other_runs_do_not_matter),
        cmocka_unit_test(a_line_that_is_no_row_fails_the_parity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
