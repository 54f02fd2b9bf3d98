// Parquet: what columns hold is what the file says, for every message; order, types, metadata, merging, failures.
// links: store proto base duckdb
// timeout: 120
#include "duck.h"
#include "proto/book.h"
#include "proto/cvd.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/ofi.h"
#include "proto/trade.h"
#include "store/parquet.h"
#include "tests/support/rows.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static const struct message *const MESSAGES[] = {&trade_message,  &book_message,   &ofi_message,
                                                 &cvd_message,    &fusion_message, &event_message,
                                                 &feature_message};

struct fixture {
    char folder[PATH_BYTES];
    char temp[PATH_BYTES];
    struct parquet *parquet;
    struct duck duck;
    struct random random;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error error = {{0}};
    check_folder(fixture->folder);
    path_join(fixture->temp, fixture->folder, "spill");
    struct parquet_config config = {
        .memory_mb = 64, .threads = 2, .temp_folder = fixture->temp, .config_fingerprint = "it's one"};
    if (parquet_open(&config, &fixture->parquet, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    duck_open(&fixture->duck);
    fixture->random = check_random();
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

static void write_part(struct fixture *fixture, const struct columns *columns, const char *path)
{
    struct error error = {{0}};
    if (parquet_write(fixture->parquet, columns, path, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

/* query: SQL with the path in place of %s. */
static const char *query(const char *format, const char *path)
{
    static char sql[4 * PATH_BYTES];
    const char *at = strstr(format, "%s");
    snprintf(sql, sizeof sql, "%.*s%s%s", (int)(at - format), format, path, at + 2);
    return sql;
}

static const char *sql_type(const struct field *field)
{
    switch (field->type) {
    case FIELD_I64: return "BIGINT";
    case FIELD_I32: return "INTEGER";
    case FIELD_F64:
    case FIELD_DECIMAL: return "DOUBLE";
    case FIELD_BOOL: return "BOOLEAN";
    default: return "VARCHAR";
    }
}

/* --- every message, every field --- */

static void check_value(struct fixture *fixture, const struct field *field, const void *row, idx_t column,
                        idx_t at)
{
    duckdb_result *result = &fixture->duck.result;
    assert_string_equal(duckdb_column_name(result, column), field->name);
    assert_int_equal(duckdb_value_is_null(result, column, at), field_is_null(field, row));
    if (field_is_null(field, row))
        return;
    if (field->type == FIELD_F64 || field->type == FIELD_DECIMAL) {
        double value = duckdb_value_double(result, column, at);
        assert_true(value == field_as_f64(field, row));
        assert_false(value == 0 && signbit(value)); /* -0 becomes 0 before any sink */
    } else if (field_as_text(field, row)) {
        char *text = duckdb_value_varchar(result, column, at);
        assert_string_equal(text, field_as_text(field, row));
        duckdb_free(text);
    } else {
        assert_int_equal(duckdb_value_int64(result, column, at), field_as_i64(field, row));
    }
}

static void check_rows(struct fixture *fixture, const struct message *message, size_t field_count,
                       const char *rows, size_t count, const char *path)
{
    assert_int_equal(
        duck_ask(&fixture->duck, query("FROM read_parquet('%s', hive_partitioning = false)", path)), count);
    for (size_t at = 0; at < count; at++) {
        const char *row = rows + at * message->row_bytes;
        idx_t column = 3; /* behind ts_ms, symbol, row_id */
        check_value(fixture, message_field(message, "ts_ms"), row, 0, at);
        for (size_t i = 0; i < field_count; i++)
            if (!(message->fields[i].flags & FIELD_WIRE) && strcmp(message->fields[i].name, "ts_ms") != 0)
                check_value(fixture, &message->fields[i], row, column++, at);
        assert_int_equal(column, duckdb_column_count(&fixture->duck.result));
    }
}

static void check_types(struct fixture *fixture, const struct message *message, const char *path)
{
    size_t columns =
        duck_ask(&fixture->duck, query("DESCRIBE FROM read_parquet('%s', hive_partitioning = false)", path));
    static const char *const COMMON[][2] = {
        {"ts_ms", "BIGINT"}, {"symbol", "VARCHAR"}, {"row_id", "VARCHAR"}};
    for (idx_t i = 0; i < columns; i++) {
        char *name = duckdb_value_varchar(&fixture->duck.result, 0, i);
        char *type = duckdb_value_varchar(&fixture->duck.result, 1, i);
        assert_string_equal(type, i < 3 ? COMMON[i][1] : sql_type(message_field(message, name)));
        if (i < 3)
            assert_string_equal(name, COMMON[i][0]);
        duckdb_free(name);
        duckdb_free(type);
    }
}

/* ROWS: more than one vector of DuckDB (2048). */
enum { ROWS = 2500 };

static void random_part(struct fixture *fixture, const struct message *message, int levels)
{
    char path[PATH_BYTES], row_id[32];
    size_t field_count = message_fields_in_use(message, levels);
    char *rows = calloc(ROWS, message->row_bytes);
    struct columns *columns = columns_create(message, field_count, "BTCUSDT");
    for (size_t i = 0; i < ROWS; i++) {
        char *row = rows + i * message->row_bytes;
        row_random(message, field_count, &fixture->random, row);
        *(int64_t *)(row + message_field(message, "ts_ms")->offset) = (int64_t)i / 3;
        snprintf(row_id, sizeof row_id, "id-%zu", i);
        columns_append(columns, row_id, (struct column_order){.sequence = (int64_t)i + 1}, row);
    }
    path_join(path, fixture->folder, "date=2024-08-08/kind=%s/part-%d.parquet", message->name, levels);
    write_part(fixture, columns, path);
    check_rows(fixture, message, field_count, rows, ROWS, path);
    check_types(fixture, message, path);
    columns_destroy(columns);
    free(rows);
}

static void every_field_of_every_data_set_comes_back(void **state)
{
    for (size_t i = 0; i < sizeof MESSAGES / sizeof MESSAGES[0]; i++)
        random_part(*state, MESSAGES[i], BOOK_LEVELS_DEFAULT);
    random_part(*state, &book_message, 12);
    random_part(*state, &ofi_message, BOOK_LEVELS_MAX);
}

/* --- files --- */

static struct columns *trades(const int64_t (*times_ids)[2], size_t count)
{
    struct columns *columns = columns_create(&trade_message, trade_message.field_count, "BTCUSDT");
    for (size_t i = 0; i < count; i++) {
        struct trade_row row;
        char row_id[64];
        message_clear(&trade_message, &row);
        row.ts_ms = times_ids[i][0];
        row.agg_trade_id = times_ids[i][1];
        row.price = (struct decimal){6165970, 2};
        row.qty = (struct decimal){2, 3};
        snprintf(row_id, sizeof row_id, "BTCUSDT|prices|%lld", (long long)row.agg_trade_id);
        columns_append(columns, row_id, (struct column_order){.id = row.agg_trade_id, .sequence = (int64_t)i},
                       &row);
    }
    return columns;
}

static void rows_ascend_by_time_then_id(void **state)
{
    static const int64_t TIMES[][2] = {{30, 4}, {10, 2}, {30, 3}, {10, 1}, {20, 9}};
    struct fixture *fixture = *state;
    char path[PATH_BYTES];
    struct columns *columns = trades(TIMES, 5);
    path_join(path, fixture->folder, "sorted.parquet");
    write_part(fixture, columns, path);
    columns_destroy(columns);
    duck_assert_text(&fixture->duck, query("SELECT string_agg(agg_trade_id, ' ') FROM '%s'", path),
                     "1 2 9 3 4");
    duck_assert_text(&fixture->duck, query("SELECT string_agg(row_id, ' ') FROM '%s' WHERE ts_ms = 20", path),
                     "BTCUSDT|prices|9");
    assert_int_equal(
        duck_number(&fixture->duck, query("SELECT count(*) FROM '%s' WHERE price = 61659.7", path)), 5);
}

static void file_is_snappy_and_carries_its_metadata(void **state)
{
    static const int64_t TIMES[][2] = {{1, 1}};
    struct fixture *fixture = *state;
    char path[PATH_BYTES];
    struct columns *columns = trades(TIMES, 1);
    path_join(path, fixture->folder, "it's a name.parquet");
    write_part(fixture, columns, path);
    columns_destroy(columns);
    path_join(path, fixture->folder, "it''s a name.parquet");
    duck_assert_text(&fixture->duck, query("SELECT DISTINCT compression FROM parquet_metadata('%s')", path),
                     "SNAPPY");
    duck_assert_text(&fixture->duck,
                     query("SELECT string_agg(decode(key) || '=' || decode(value), ' ' ORDER BY key) FROM "
                           "parquet_kv_metadata('%s')",
                           path),
                     "config_fingerprint=it's one orderflow_schema=1");
}

static void merging_keeps_every_row_in_order_and_lists_the_parts(void **state)
{
    static const int64_t FIRST[][2] = {{10, 1}, {40, 5}, {40, 7}}, SECOND[][2] = {{20, 2}, {40, 6}},
                         LATE[][2] = {{15, 9}};
    struct fixture *fixture = *state;
    char paths[3][PATH_BYTES], merged[PATH_BYTES];
    struct error error = {{0}};
    struct columns *parts[] = {trades(FIRST, 3), trades(SECOND, 2), trades(LATE, 1)};
    for (int i = 0; i < 3; i++) {
        path_join(paths[i], fixture->folder, "date=2024-08-08/symbol=OTHER/kind=none/part-%d.parquet", i);
        write_part(fixture, parts[i], paths[i]);
        columns_destroy(parts[i]);
    }
    const char *const list[] = {paths[0], paths[1], paths[2]};
    path_join(merged, fixture->folder, "merged-h.parquet");
    assert_ok(parquet_merge(fixture->parquet, list, 3, "agg_trade_id", merged, &error));
    duck_assert_text(&fixture->duck, query("SELECT string_agg(agg_trade_id, ' ') FROM '%s'", merged),
                     "1 9 2 5 6 7");
    duck_assert_text(&fixture->duck, query("SELECT DISTINCT symbol FROM '%s'", merged), "BTCUSDT");
    duck_assert_text(
        &fixture->duck,
        query("SELECT decode(value) FROM parquet_kv_metadata('%s') WHERE decode(key) = 'merged_parts'",
              merged),
        "part-0.parquet,part-1.parquet,part-2.parquet");
    assert_int_equal(
        duck_number(&fixture->duck, query("SELECT count(*) FROM (DESCRIBE FROM '%s')", merged)),
        duck_number(
            &fixture->duck,
            query("SELECT count(*) FROM (DESCRIBE FROM read_parquet('%s', hive_partitioning = false))",
                  paths[0])));
}

static void rows_of_equal_time_without_id_keep_the_order_of_the_parts(void **state)
{
    struct fixture *fixture = *state;
    char paths[2][PATH_BYTES], merged[PATH_BYTES];
    struct error error = {{0}};
    for (int part = 0; part < 2; part++) {
        struct columns *columns = columns_create(&event_message, event_message.field_count, "BTCUSDT");
        for (int i = 0; i < 40; i++) {
            struct event_row row;
            char row_id[32];
            message_clear(&event_message, &row);
            row.ts_ms = 7;
            snprintf(row.meta_json, sizeof row.meta_json, "{}");
            snprintf(row_id, sizeof row_id, "%02d", part * 40 + i);
            columns_append(columns, row_id, (struct column_order){.sequence = i}, &row);
        }
        path_join(paths[part], fixture->folder, "%d.parquet", 1 - part); /* names do not decide */
        write_part(fixture, columns, paths[part]);
        columns_destroy(columns);
    }
    const char *const list[] = {paths[0], paths[1]};
    path_join(merged, fixture->folder, "merged-h.parquet");
    assert_ok(parquet_merge(fixture->parquet, list, 2, NULL, merged, &error));
    assert_int_equal(
        duck_number(&fixture->duck, query("SELECT count(*) FROM (SELECT row_id, lead(row_id) OVER () AS "
                                          "following FROM '%s') WHERE following < row_id",
                                          merged)),
        0);
}

/* --- failures --- */

static int entries_of(const char *folder)
{
    char command[PATH_BYTES + 64];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *answer = popen(command, "r");
    int count = -1;
    assert_non_null(answer);
    assert_int_equal(fscanf(answer, "%d", &count), 1);
    pclose(answer);
    return count;
}

static void full_disk_leaves_nothing_behind_and_can_be_repeated(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_BYTES], folder[PATH_BYTES];
    struct error error = {{0}};
    struct rlimit limit;
    struct columns *columns = columns_create(&trade_message, trade_message.field_count, "BTCUSDT");
    for (int i = 0; i < 20000; i++) {
        struct trade_row row;
        row_random(&trade_message, trade_message.field_count, &fixture->random, &row);
        columns_append(columns, "id", (struct column_order){.sequence = i}, &row);
    }
    path_join(folder, fixture->folder, "full");
    path_join(path, folder, "part.parquet");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(parquet_write(fixture->parquet, columns, path, &error), STATUS_IO);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(entries_of(folder), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    parquet_close(fixture->parquet);
    struct parquet_config config = {
        .memory_mb = 64, .threads = 1, .temp_folder = fixture->temp, .config_fingerprint = "", .sync = true};
    assert_ok(parquet_open(&config, &fixture->parquet, &error));
    write_part(fixture, columns, path);
    assert_int_equal(duck_number(&fixture->duck, query("SELECT count(*) FROM '%s'", path)), 20000);
    assert_int_equal(entries_of(folder), 1);
    columns_destroy(columns);
}

static void a_file_is_never_overwritten(void **state)
{
    static const int64_t ONE[][2] = {{1, 1}}, TWO[][2] = {{1, 1}, {2, 2}};
    struct fixture *fixture = *state;
    char path[PATH_BYTES];
    struct error error = {{0}};
    struct columns *one = trades(ONE, 1), *two = trades(TWO, 2);
    path_join(path, fixture->folder, "part.parquet");
    write_part(fixture, one, path);
    assert_int_equal(parquet_write(fixture->parquet, two, path, &error), STATUS_CONFLICT);
    assert_int_equal(duck_number(&fixture->duck, query("SELECT count(*) FROM '%s'", path)), 1);
    columns_destroy(one);
    columns_destroy(two);
}

static void merging_a_missing_part_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_BYTES];
    struct error error = {{0}};
    const char *const list[] = {"/nowhere/part.parquet"};
    path_join(path, fixture->folder, "merged/h.parquet");
    assert_int_equal(parquet_merge(fixture->parquet, list, 1, NULL, path, &error), STATUS_IO);
    assert_false(file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_field_of_every_data_set_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_ascend_by_time_then_id, setup, teardown),
        cmocka_unit_test_setup_teardown(file_is_snappy_and_carries_its_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(merging_keeps_every_row_in_order_and_lists_the_parts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rows_of_equal_time_without_id_keep_the_order_of_the_parts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(full_disk_leaves_nothing_behind_and_can_be_repeated, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_never_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(merging_a_missing_part_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
