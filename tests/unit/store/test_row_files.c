// Rows read back from Parquet: every row once, in order and bit for bit, however they are cut into files and batches; what cannot be one
// row or no row at all is told with its file.
// links: store proto base duckdb
// timeout: 120
#include "duck.h"
#include "proto/feature.h"
#include "store/parquet.h"
#include "store/row_files.h"
#include "tests/support/rows.h"

#include <string.h>

enum { ROWS = 400, TIME_MAX = 1000000, STEP_MS = 100 };

struct fixture {
    char folder[PATH_BYTES];
    struct parquet *parquet;
    struct duck duck;
    struct random random;
    struct feature_row rows[ROWS];
    size_t files;
};

/* row_of: any row; its source is no column, and -0 is none either. */
static void row_of(struct fixture *fixture, int64_t ts_ms, struct feature_row *out_row)
{
    row_random(&feature_message, feature_message.field_count, &fixture->random, out_row);
    for (size_t i = 0; i < feature_message.field_count; i++) {
        double *value = (double *)((char *)out_row + feature_message.fields[i].offset);
        if (feature_message.fields[i].type == FIELD_F64 && *value == 0)
            *value = 0;
    }
    out_row->ts_ms = ts_ms;
    out_row->source = 0;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error error = {{0}};
    check_folder(fixture->folder);
    struct parquet_config config = {
        .memory_mb = 64, .threads = 2, .temp_folder = fixture->folder, .config_fingerprint = "one"};
    if (parquet_open(&config, &fixture->parquet, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    duck_open(&fixture->duck);
    fixture->random = check_random();
    for (size_t i = 0; i < ROWS; i++)
        row_of(fixture, (int64_t)(i + 1) * STEP_MS, &fixture->rows[i]);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    parquet_close(fixture->parquet);
    duck_close(&fixture->duck);
    check_folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

/* part: a file of some of the rows, in a folder whose name is a pattern to whoever does not look. */
static void part(struct fixture *fixture, const char *symbol, size_t first, size_t count, size_t stride,
                 char out_path[PATH_BYTES])
{
    struct error error = {{0}};
    struct columns *columns = columns_create(&feature_message, feature_message.field_count, symbol);
    for (size_t i = first; i < first + count && i < ROWS; i += stride)
        columns_append(columns, "id", (struct column_order){.sequence = (int64_t)i}, &fixture->rows[i]);
    path_join(out_path, fixture->folder, "it's [a-z]*?/part-%zu.parquet", fixture->files++);
    if (parquet_write(fixture->parquet, columns, out_path, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    columns_destroy(columns);
}

static struct row_files *open_files(size_t batch_rows)
{
    struct row_files *files;
    struct error error = {{0}};
    const struct row_files_config config = {.message = &feature_message,
                                            .time_max_ms = TIME_MAX,
                                            .limits = {.memory_mb = 64, .threads = 2},
                                            .batch_rows = batch_rows};
    if (row_files_open(&config, &files, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return files;
}

static void add(struct row_files *files, const char *path)
{
    struct error error = {{0}};
    if (row_files_add(files, path, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static void add_part(struct fixture *fixture, struct row_files *files, const char *symbol, size_t first,
                     size_t count, size_t stride)
{
    char path[PATH_BYTES];
    part(fixture, symbol, first, count, stride, path);
    add(files, path);
}

/* sum_rejected: over all reasons. */
static int64_t sum_rejected(const struct row_step *step)
{
    int64_t sum = 0;
    for (size_t i = 0; i < ROW_REJECTS; i++)
        sum += step->rejected[i];
    return sum;
}

/* expect_rows: from one on all, once; returns how many further places they stood in. */
static int64_t expect_rows(struct fixture *fixture, struct row_files *files, size_t from)
{
    struct error error = {{0}};
    struct row_stream *stream = row_stream_create(files, "BTCUSDT", (int64_t)from * STEP_MS);
    struct row_step step;
    int64_t repeated = 0;
    enum status status;
    size_t at = from;
    for (; (status = row_stream_next(stream, &step, &error)) == STATUS_OK; at++) {
        assert_true(at < ROWS);
        assert_int_equal(step.ts_ms, fixture->rows[at].ts_ms);
        assert_non_null(step.row);
        assert_same_row(&feature_message, &fixture->rows[at], step.row);
        assert_int_equal(sum_rejected(&step), 0);
        repeated += step.repeated;
    }
    if (status != STATUS_END)
        fail_msg("%s: %s", status_name(status), error.text);
    assert_int_equal(at, ROWS);
    row_stream_destroy(stream);
    return repeated;
}

static void every_row_comes_once_whatever_files_and_batches_it_is_cut_into(void **state)
{
    struct fixture *fixture = *state;
    static const size_t BATCHES[] = {5, 64, 4096};
    for (size_t k = 0; k < sizeof BATCHES / sizeof *BATCHES; k++) {
        struct row_files *files = open_files(BATCHES[k]);
        int64_t stands = 0;
        for (size_t at = 0, size; at < ROWS; at += size) {
            size = 1 + random_below(&fixture->random, 200);
            size_t more = random_below(&fixture->random, 30), end = at + size + more;
            add_part(fixture, files, "BTCUSDT", at, size + more,
                     1); /* the next part begins with some of its rows */
            stands += (int64_t)((end < ROWS ? end : ROWS) - at);
        }
        add_part(fixture, files, "ETHUSDT", 0, 50, 1);
        assert_int_equal(row_files_find(files, "BTCUSDT")->rows, stands);
        assert_int_equal(row_files_find(files, "BTCUSDT")->first_ts_ms, STEP_MS);
        assert_int_equal(row_files_find(files, "BTCUSDT")->last_ts_ms, ROWS * STEP_MS);
        assert_int_equal(expect_rows(fixture, files, 0), stands - ROWS);
        for (size_t i = 0; i < 2; i++)
            expect_rows(fixture, files, random_below(&fixture->random, ROWS));
        row_files_close(files);
    }
}

static void a_day_in_one_file_and_files_that_all_hold_the_same_hours_are_read_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct row_files *whole = open_files(16), *woven = open_files(16);
    add_part(fixture, whole, "BTCUSDT", 0, ROWS, 1);
    assert_int_equal(expect_rows(fixture, whole, 0), 0);
    add_part(fixture, whole, "BTCUSDT", 0, ROWS, 1); /* the same hour, merged and unmerged */
    assert_int_equal(expect_rows(fixture, whole, 0), ROWS);
    for (size_t i = 0; i < 5; i++)
        add_part(fixture, woven, "BTCUSDT", i, ROWS, 5);
    assert_int_equal(expect_rows(fixture, woven, 0), 0);
    row_files_close(whole);
    row_files_close(woven);
}

static void a_symbol_of_which_there_is_nothing_has_no_rows(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {{0}};
    struct row_step step;
    struct row_files *files = open_files(64);
    add_part(fixture, files, "BTCUSDT", 0, 10, 1);
    struct row_stream *stream = row_stream_create(files, "DOGEUSDT", 0);
    assert_int_equal(row_stream_next(stream, &step, &error), STATUS_END);
    assert_null(row_files_find(files, "DOGEUSDT"));
    row_stream_destroy(stream);
    row_files_close(files);
}

/* altered: a copy of a file, as SQL has it. */
static void altered(struct fixture *fixture, const char *path, const char *select, char out_path[PATH_BYTES])
{
    char sql[4 * PATH_BYTES];
    path_join(out_path, fixture->folder, "altered-%zu.parquet", fixture->files++);
    snprintf(sql, sizeof sql, "COPY (SELECT %s FROM read_parquet('%s')) TO '%s' (FORMAT parquet)", select,
             path, out_path);
    duck_ask(&fixture->duck, sql);
}

static void plain_part(struct fixture *fixture, size_t count, char out_path[PATH_BYTES])
{
    char path[PATH_BYTES];
    part(fixture, "BTCUSDT", 0, count, 1, path);
    path_join(out_path, fixture->folder, "plain-%zu.parquet", fixture->files++);
    assert_int_equal(rename(path, out_path), 0);
}

static void two_different_rows_of_one_time_are_told_with_both_files(void **state)
{
    struct fixture *fixture = *state;
    char one[PATH_BYTES], other[PATH_BYTES];
    struct error error = {{0}};
    struct row_step step;
    struct row_files *files = open_files(64);
    plain_part(fixture, 20, one);
    altered(fixture, one, "* REPLACE (CASE WHEN ts_ms = 1500 THEN 12.5 ELSE mid END AS mid)", other);
    add(files, one);
    add(files, other);
    struct row_stream *stream = row_stream_create(files, "BTCUSDT", 0);
    for (size_t i = 0; i < 14; i++)
        assert_ok(row_stream_next(stream, &step, &error));
    assert_int_equal(row_stream_next(stream, &step, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, one));
    assert_non_null(strstr(error.text, other));
    assert_non_null(strstr(error.text, "BTCUSDT at ts_ms 1500"));
    row_stream_destroy(stream);
    row_files_close(files);
}

static void a_row_that_is_not_fit_is_passed_over_and_counted_by_its_reason(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *select;
        enum row_reject reject;
    } CASES[] = {
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN NULL ELSE mid END AS mid)", ROW_MISSING_REQUIRED},
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN NULL ELSE reason_codes END AS reason_codes)",
         ROW_MISSING_REQUIRED},
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN 'nan'::DOUBLE ELSE z_ofi END AS z_ofi)", ROW_NON_FINITE},
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN '-inf'::DOUBLE ELSE price END AS price)", ROW_NON_FINITE},
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN 'frantic' ELSE regime END AS regime)", ROW_PARSE_ERROR},
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN repeat('x', 5000) ELSE reason_codes END AS reason_codes)",
         ROW_PARSE_ERROR},
    };
    char plain[PATH_BYTES], path[PATH_BYTES];
    plain_part(fixture, 5, plain);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct error error = {{0}};
        struct row_step step;
        struct row_files *files = open_files(64);
        altered(fixture, plain, CASES[i].select, path);
        add(files, path);
        struct row_stream *stream = row_stream_create(files, "BTCUSDT", 0);
        for (int64_t ts_ms = STEP_MS; ts_ms <= 5 * STEP_MS; ts_ms += STEP_MS) {
            assert_ok(row_stream_next(stream, &step, &error));
            assert_int_equal(step.ts_ms, ts_ms);
            assert_int_equal(step.row == NULL, ts_ms == 300);
            assert_int_equal(sum_rejected(&step), ts_ms == 300);
            assert_int_equal(step.rejected[CASES[i].reject], ts_ms == 300);
        }
        assert_int_equal(row_stream_next(stream, &step, &error), STATUS_END);
        row_stream_destroy(stream);
        row_files_close(files);
    }
}

static void rows_of_no_valid_time_are_counted_with_their_symbol(void **state)
{
    struct fixture *fixture = *state;
    char plain[PATH_BYTES], path[PATH_BYTES];
    struct row_files *files = open_files(64);
    plain_part(fixture, ROWS, plain);
    altered(fixture, plain,
            "* REPLACE (CASE WHEN ts_ms <= 300 THEN -ts_ms WHEN ts_ms = 400 THEN 1000001 ELSE ts_ms END AS "
            "ts_ms)",
            path);
    add(files, path);
    assert_int_equal(row_files_find(files, "BTCUSDT")->rows, ROWS);
    assert_int_equal(row_files_find(files, "BTCUSDT")->invalid_time, 4);
    assert_int_equal(row_files_find(files, "BTCUSDT")->first_ts_ms, 500);
    expect_rows(fixture, files, 4);
    row_files_close(files);
}

static void what_is_no_file_of_the_kind_is_refused_with_its_name(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *select, *told;
    } CASES[] = {
        {"* EXCLUDE (mid)", "column mid is missing"},
        {"* EXCLUDE (symbol)", "column symbol is missing"},
        {"* REPLACE (mid::VARCHAR AS mid)", "column mid is VARCHAR, not DOUBLE"},
        {"* REPLACE (ts_ms::INTEGER AS ts_ms)", "column ts_ms is INTEGER, not BIGINT"},
        {"* REPLACE (CASE WHEN ts_ms = 300 THEN NULL ELSE ts_ms END AS ts_ms)", "1 row has no ts_ms"},
        {"* REPLACE (CASE WHEN ts_ms > 300 THEN NULL ELSE symbol END AS symbol)", "2 rows have no symbol"},
        {"* REPLACE (symbol || chr(0) || 'X' AS symbol)", "a symbol holds a NUL"},
    };
    char plain[PATH_BYTES], path[PATH_BYTES];
    struct row_files *files = open_files(64);
    plain_part(fixture, 5, plain);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct error error = {{0}};
        altered(fixture, plain, CASES[i].select, path);
        assert_int_equal(row_files_add(files, path, &error), STATUS_INVALID);
        assert_memory_equal(error.text, path, strlen(path));
        if (!strstr(error.text, CASES[i].told))
            fail_msg("%s", error.text);
    }
    struct error error = {{0}};
    path_join(path, fixture->folder, "broken.parquet");
    assert_ok(file_replace(path, "PAR1 and what not PAR1", 22, false));
    assert_int_equal(row_files_add(files, path, &error), STATUS_INVALID);
    assert_memory_equal(error.text, path, strlen(path));
    assert_null(strchr(error.text, '\n')); /* not with the SQL that nobody has written */
    row_files_close(files);
}

/* More columns, and in another order, are no mistake: fields are only ever added. */
static void columns_are_found_by_name(void **state)
{
    struct fixture *fixture = *state;
    char plain[PATH_BYTES], path[PATH_BYTES];
    struct row_files *files = open_files(64);
    plain_part(fixture, ROWS, plain);
    altered(fixture, plain, "1 AS later, mid, * EXCLUDE (mid), 'x' AS filenames", path);
    add(files, path);
    expect_rows(fixture, files, 0);
    row_files_close(files);
}

static void a_file_that_goes_while_it_is_read_is_named(void **state)
{
    struct fixture *fixture = *state;
    char first[PATH_BYTES], second[PATH_BYTES];
    struct error error = {{0}};
    struct row_step step;
    struct row_files *files = open_files(8);
    part(fixture, "BTCUSDT", 0, 8, 1, first);
    part(fixture, "BTCUSDT", 8, 8, 1, second);
    add(files, first);
    add(files, second);
    struct row_stream *stream = row_stream_create(files, "BTCUSDT", 0);
    assert_ok(row_stream_next(stream, &step, &error));
    assert_int_equal(remove(second), 0);
    enum status status = STATUS_OK;
    size_t more = 0;
    while ((status = row_stream_next(stream, &step, &error)) == STATUS_OK)
        more++;
    assert_int_equal(status, STATUS_INVALID);
    assert_true(more <= 7);
    assert_non_null(strstr(error.text, second));
    row_stream_destroy(stream);
    row_files_close(files);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_row_comes_once_whatever_files_and_batches_it_is_cut_into),
        TEST(a_day_in_one_file_and_files_that_all_hold_the_same_hours_are_read_in_order),
        TEST(a_symbol_of_which_there_is_nothing_has_no_rows),
        TEST(two_different_rows_of_one_time_are_told_with_both_files),
        TEST(a_row_that_is_not_fit_is_passed_over_and_counted_by_its_reason),
        TEST(rows_of_no_valid_time_are_counted_with_their_symbol),
        TEST(what_is_no_file_of_the_kind_is_refused_with_its_name),
        TEST(columns_are_found_by_name),
        TEST(a_file_that_goes_while_it_is_read_is_named),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
