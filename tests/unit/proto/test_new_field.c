// links: store proto base duckdb
/* One line in a table is all a new field needs: it is then in the frame, the JSON line, the SQLite table, the Parquet file,
 * the dump and the documentation; elder programs read on without it. */
#include "tests/support/check.h"
#include "tests/support/rows.h"
#include "tests/unit/store/duck.h"

#include "proto/describe.h"
#include "proto/frame.h"
#include "proto/trade.h"
#include "store/parquet.h"
#include "store/sqlite_table.h"

#include <string.h>

/* The message of tomorrow: today's struct with one member more … */
struct wider_row {
    struct trade_row trade;
    double jitter_ms;
};

/* … and today's table with this line behind its last. */
static const struct field NEW_LINE =
    FIELD_OF(struct wider_row, jitter_ms, FIELD_F64, FIELD_NULLABLE, "ms", "how late against its neighbours");

enum { FIELDS_MAX = 64 };
static struct field fields[FIELDS_MAX];
static struct message wider_message;

static int begin(void **state)
{
    (void)state;
    size_t count = trade_message.field_count;
    assert_true(count < FIELDS_MAX);
    memcpy(fields, trade_message.fields, count * sizeof fields[0]);
    fields[count] = NEW_LINE;
    wider_message = trade_message;
    wider_message.row_bytes = sizeof(struct wider_row);
    wider_message.fields = fields;
    wider_message.field_count = wider_message.field_count_default = count + 1;
    return 0;
}

static struct wider_row example(void)
{
    struct random random = check_random();
    struct wider_row row;
    row_random(&wider_message, wider_message.field_count, &random, &row);
    row.trade.ts_ms = 1723161255030;
    row.trade.agg_trade_id = 7;
    row.jitter_ms = 12.5;
    return row;
}

static struct row_view encoded(struct buffer *out, const struct message *message, const void *row)
{
    struct row_view view = {0};
    size_t offset = 0;
    buffer_init(out, 0);
    row_encode(out, message, message_fields_in_use(message, 5), row);
    assert_ok(rows_next(out->data, out->length, &offset, &view));
    return view;
}

static void it_travels_in_the_frame(void **state)
{
    (void)state;
    struct wider_row row = example(), back;
    struct trade_row elder;
    struct buffer bytes, old;
    struct row_view view = encoded(&bytes, &wider_message, &row);
    assert_ok(row_decode(&view, &wider_message, &back, NULL));
    assert_null(row_difference(&wider_message, &row, &back));
    /* Today's program reads tomorrow's row without it … */
    assert_ok(row_decode(&view, &trade_message, &elder, NULL));
    assert_null(row_difference(&trade_message, &row, &elder));
    /* … and tomorrow's reads today's with no value there. */
    view = encoded(&old, &trade_message, &row.trade);
    assert_ok(row_decode(&view, &wider_message, &back, NULL));
    assert_true(isnan(back.jitter_ms));
    buffer_finish(&bytes);
    buffer_finish(&old);
}

static void it_stands_in_json_and_dump(void **state)
{
    (void)state;
    struct wider_row row = example();
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    message_json(&json, &wider_message, message_fields_in_use(&wider_message, 5), &row, false);
    assert_string_equal(buffer_text(&text) + text.length - strlen(",\"jitter_ms\":12.5}"),
                        ",\"jitter_ms\":12.5}");
    buffer_finish(&text);
}

static void it_stands_in_the_documentation(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 0);
    describe_fields(&text, &wider_message);
    assert_non_null(strstr(buffer_text(&text),
                           "| 18 | `jitter_ms` | f64? | ms | 1 | how late against its neighbours |\n"));
    buffer_finish(&text);
}

static void it_is_a_column_of_the_sqlite_table(void **state)
{
    (void)state;
    static const char *const KEY[] = {"agg_trade_id", NULL};
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct database *database;
    struct sqlite_table *table;
    struct statement *statement;
    struct error error = {{0}};
    enum sqlite_insert result;
    struct wider_row row = example(), found = row;
    struct sqlite_table_config config = {
        .name = "trades", .message = &trade_message, .field_count = trade_message.field_count, .key = KEY};
    check_folder(folder);
    path_join(path, folder, "rows.db");
    assert_ok(database_open(path, DATABASE_WRITE, &database, &error));
    /* A table that was made before the field was is given the column. */
    assert_ok(sqlite_table_open(database, &config, &table, &error));
    sqlite_table_close(table);
    config.message = &wider_message;
    config.field_count = wider_message.field_count;
    if (sqlite_table_open(database, &config, &table, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_ok(sqlite_table_insert(table, NULL, &row, &result, &error));
    assert_int_equal(result, SQLITE_INSERTED);
    assert_ok(statement_prepare(database, "SELECT jitter_ms FROM trades", &statement, &error));
    assert_ok(statement_step(statement, &error));
    assert_true(statement_f64(statement, 0) == found.jitter_ms);
    statement_finish(statement);
    sqlite_table_close(table);
    database_close(database);
    check_folder_remove(folder);
}

static void it_is_a_column_of_the_parquet_file(void **state)
{
    (void)state;
    char folder[PATH_BYTES], path[PATH_BYTES], sql[2 * PATH_BYTES];
    struct parquet *parquet;
    struct duck duck;
    struct error error = {{0}};
    struct wider_row row = example();
    check_folder(folder);
    path_join(path, folder, "part.parquet");
    struct parquet_config config = {
        .memory_mb = 64, .threads = 1, .temp_folder = folder, .config_fingerprint = "f"};
    assert_ok(parquet_open(&config, &parquet, &error));
    struct columns *columns = columns_create(&wider_message, wider_message.field_count, "BTCUSDT");
    columns_append(columns, "BTCUSDT|prices|7", (struct column_order){.id = 7, .sequence = 1}, &row);
    if (parquet_write(parquet, columns, path, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    columns_destroy(columns);
    parquet_close(parquet);
    duck_open(&duck);
    snprintf(sql, sizeof sql, "SELECT typeof(jitter_ms) || ' ' || jitter_ms FROM '%s'", path);
    duck_assert_text(&duck, sql, "DOUBLE 12.5");
    duck_close(&duck);
    check_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_travels_in_the_frame),
        cmocka_unit_test(it_stands_in_json_and_dump),
        cmocka_unit_test(it_stands_in_the_documentation),
        cmocka_unit_test(it_is_a_column_of_the_sqlite_table),
        cmocka_unit_test(it_is_a_column_of_the_parquet_file),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
