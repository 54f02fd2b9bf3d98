// SQLite: rows and position in one transaction, equal rows count, different ones conflict, wrong keys are refused.
// links: store journal proto base
// timeout: 120
#include "sink_driver.h"
#include "store/database.h"
#include "store/sqlite_sink.h"
#include "store/sqlite_table.h"

static const char *const KEY[] = {"run_id", "ts_ms", "symbol", NULL};
static const char *const REQUIRED[] = {"seq", NULL};

static struct sqlite_sink_config settings(const char *path)
{
    return (struct sqlite_sink_config){.path = path,
                                       .run_id = DRIVER_RUN,
                                       .table = "signals",
                                       .message = &signal_message,
                                       .key = KEY,
                                       .required = REQUIRED,
                                       .index = "symbol, ts_ms",
                                       .batch_rows = 500,
                                       .flush_ms = 500};
}

static void database_path_of(const char *folder, char path[PATH_BYTES])
{
    path_join(path, folder, "runtime/signals.db");
}

static void run(const char *folder)
{
    char path[PATH_BYTES];
    database_path_of(folder, path);
    struct sqlite_sink_config config = settings(path);
    struct sink *sink = sqlite_sink_create(&config);
    driver_run(sink, folder, 29);
    sqlite_sink_destroy(sink);
}

static struct database *open_database(const char *folder)
{
    char path[PATH_BYTES];
    struct database *database;
    struct error error = {{0}};
    database_path_of(folder, path);
    if (database_open(path, DATABASE_WRITE, &database, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return database;
}

static int64_t ask(struct database *database, const char *sql)
{
    struct statement *statement;
    struct error error = {{0}};
    if (statement_prepare(database, sql, &statement, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_ok(statement_step(statement, &error));
    int64_t value = statement_i64(statement, 0);
    statement_finish(statement);
    return value;
}

/* check_row: column by column, found by the field's name. */
static void check_row(const struct statement *statement, const struct signal_row *row)
{
    for (int i = 0; i < statement_columns(statement); i++) {
        const struct field *field = message_field(&signal_message, statement_column_name(statement, i));
        assert_non_null(field);
        assert_int_equal(statement_is_null(statement, i), field_is_null(field, row));
        if (field_is_null(field, row))
            continue;
        if (field->type == FIELD_F64)
            assert_true(statement_f64(statement, i) == field_as_f64(field, row));
        else if (field_as_text(field, row))
            assert_string_equal(statement_text(statement, i), field_as_text(field, row));
        else
            assert_int_equal(statement_i64(statement, i), field_as_i64(field, row));
    }
}

static void check(const char *folder)
{
    struct database *database = open_database(folder);
    struct statement *statement;
    struct error error = {{0}};
    assert_ok(statement_prepare(database, "SELECT * FROM signals ORDER BY symbol, seq", &statement, &error));
    for (size_t symbol = 0; symbol < DRIVER_STREAMS; symbol++)
        for (size_t i = 0; i < DRIVER_ROWS; i++) {
            struct signal_row row = driver_row(symbol, i);
            assert_ok(statement_step(statement, &error));
            check_row(statement, &row);
        }
    assert_int_equal(statement_step(statement, &error), STATUS_END);
    statement_finish(statement);
    assert_int_equal(ask(database, "SELECT count(*) FROM positions WHERE sequence = 401"), 2);
    assert_int_equal(ask(database, "SELECT count(*) FROM signals WHERE hex(score) = '2D302E30'"),
                     0); /* no -0.0 */
    database_close(database);
}

/* --- sink --- */

static void rows_are_stored_as_the_spec_says(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    (void)state;
    check_folder(folder);
    driver_fill(folder, true);
    run(folder);
    check(folder);
    struct database *database = open_database(folder);
    assert_int_equal(ask(database, "SELECT count(*) FROM pragma_table_info('signals') WHERE type = 'REAL'"),
                     6);
    assert_int_equal(ask(database, "SELECT count(*) FROM pragma_table_info('signals') WHERE \"notnull\""), 4);
    assert_int_equal(ask(database, "SELECT count(*) FROM pragma_table_info('signals') WHERE name = 'source'"),
                     0);
    assert_int_equal(ask(database,
                         "SELECT sum(pk = 1 AND name = 'run_id') + sum(pk = 2 AND name = 'ts_ms') + "
                         "sum(pk = 3 AND name = 'symbol') FROM pragma_table_info('signals')"),
                     3);
    assert_int_equal(ask(database, "SELECT count(*) FROM pragma_index_list('signals')"), 2);
    assert_int_equal(ask(database, "SELECT 1 FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    database_close(database);
    path_join(path, folder, "runtime/signals.db-wal");
    assert_true(file_bytes(path) <= 0); /* closing leaves nothing outside the file */
    check_folder_remove(folder);
}

static void killed_anywhere_every_row_is_there_once(void **state)
{
    (void)state;
    assert_true(driver_kill_everywhere(run, "after_write", check) > 10);
    assert_true(driver_kill_again_and_again(run, "after_write", check) > 10);
}

static struct sink_status_row figures_after_run(const char *folder)
{
    char path[PATH_BYTES];
    struct sink_status_row figures;
    message_clear(&sink_status_message, &figures);
    database_path_of(folder, path);
    struct sqlite_sink_config config = settings(path);
    struct sink *sink = sqlite_sink_create(&config);
    driver_run(sink, folder, 29);
    sink->figures(sink->context, &figures);
    sqlite_sink_destroy(sink);
    return figures;
}

static void rows_met_again_count_and_different_ones_conflict(void **state)
{
    char folder[PATH_BYTES], journal[PATH_BYTES];
    (void)state;
    check_folder(folder);
    path_join(journal, folder, "journal");
    driver_fill(folder, true);
    struct sink_status_row figures = figures_after_run(folder);
    assert_int_equal(figures.dedup, 0);
    assert_ok(folder_remove(journal)); /* a journal begun anew: its positions are not ours */
    struct database *database = open_database(folder);
    assert_ok(database_execute(database, "UPDATE signals SET z_ofi = 5 WHERE symbol = 'ETHUSDT' AND seq = 7",
                               NULL));
    database_close(database);
    driver_fill(folder, true);
    figures = figures_after_run(folder);
    assert_int_equal(figures.dedup, DRIVER_STREAMS * DRIVER_ROWS - 1);
    assert_int_equal(figures.key_conflict, 1);
    check_folder_remove(folder);
}

static void full_disk_is_an_error_and_costs_no_row(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    bool left;
    (void)state;
    check_folder(folder);
    database_path_of(folder, path);
    driver_fill(folder, true);
    struct sqlite_sink_config config = settings(path);
    struct sink *sink = sqlite_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(sink, journal, &error));
    assert_ok(driver_batch(sink, journal, 20, &left, &error));
    driver_limit_files(60000);
    while (driver_batch(sink, journal, 100, &left, &error) == STATUS_OK)
        assert_true(left);
    assert_int_equal(driver_batch(sink, journal, 100, &left, &error), STATUS_IO);
    driver_limit_files(0);
    assert_non_null(strstr(error.text, "signals.db"));
    do
        assert_ok(driver_batch(sink, journal, 100, &left, &error));
    while (left);
    sink->close(sink->context);
    journal_close(journal);
    sqlite_sink_destroy(sink);
    check(folder);
    check_folder_remove(folder);
}

/* --- table --- */

static enum status open_over(const char *sql, const struct message *message, struct error *error)
{
    char folder[PATH_BYTES];
    struct sqlite_table *table = NULL;
    check_folder(folder);
    struct database *database = open_database(folder);
    assert_ok(database_execute(database, sql, NULL));
    struct sqlite_table_config config = {
        .name = "signals", .message = message, .field_count = message->field_count, .key = KEY};
    enum status status = sqlite_table_open(database, &config, &table, error);
    sqlite_table_close(table);
    database_close(database);
    check_folder_remove(folder);
    return status;
}

static void a_table_of_another_shape_is_refused(void **state)
{
    static const char *const TABLES[] = {
        "CREATE TABLE signals (run_id TEXT NOT NULL, seq INTEGER, ts_ms INTEGER NOT NULL, symbol TEXT NOT "
        "NULL, "
        "PRIMARY KEY (ts_ms, symbol))",
        "CREATE TABLE signals (run_id TEXT NOT NULL, seq INTEGER, ts_ms INTEGER NOT NULL, symbol TEXT NOT "
        "NULL, "
        "PRIMARY KEY (run_id, symbol, ts_ms))",
        "CREATE TABLE signals (run_id TEXT NOT NULL, seq INTEGER, ts_ms INTEGER NOT NULL, symbol TEXT NOT "
        "NULL, "
        "more TEXT, PRIMARY KEY (run_id, ts_ms, symbol, more))",
        "CREATE TABLE signals (run_id TEXT NOT NULL, seq INTEGER, ts_ms TEXT NOT NULL, symbol TEXT NOT NULL, "
        "PRIMARY KEY (run_id, ts_ms, symbol))",
        "CREATE TABLE signals (run_id TEXT NOT NULL, ts_ms INTEGER NOT NULL, score TEXT, symbol TEXT NOT "
        "NULL, "
        "PRIMARY KEY (run_id, ts_ms, symbol))",
        "CREATE TABLE signals (other TEXT)",
    };
    (void)state;
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0]; i++) {
        struct error error = {{0}};
        assert_int_equal(open_over(TABLES[i], &signal_message, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "PRIMARY KEY (run_id, ts_ms, symbol)"));
    }
}

static void a_table_that_lacks_a_new_column_gets_it(void **state)
{
    struct error error = {{0}};
    (void)state;
    assert_ok(open_over(
        "CREATE TABLE signals (run_id TEXT NOT NULL, seq INTEGER, ts_ms INTEGER NOT NULL, symbol TEXT "
        "NOT NULL, score REAL, PRIMARY KEY (run_id, ts_ms, symbol))",
        &signal_message, &error));
}

static void leads_come_before_the_messages_own_columns(void **state)
{
    static const struct sqlite_lead LEADS[] = {{"symbol", true}, {"sequence", false}, {NULL, false}};
    static const char *const LEAD_KEY[] = {"symbol", "sequence", NULL};
    char folder[PATH_BYTES];
    struct sqlite_table *table;
    struct error error = {{0}};
    enum sqlite_insert result;
    struct control_row control = {.ts_ms = 5, .action = CONTROL_INPUT, .value_json = "{\"a\":1}"};
    (void)state;
    check_folder(folder);
    struct database *database = open_database(folder);
    struct sqlite_table_config config = {.name = "controls",
                                         .message = &control_message,
                                         .field_count = control_message.field_count,
                                         .leads = LEADS,
                                         .key = LEAD_KEY};
    assert_ok(sqlite_table_open(database, &config, &table, &error));
    struct sqlite_value leads[] = {{.text = "BTCUSDT"}, {.integer = 17}};
    assert_ok(sqlite_table_insert(table, leads, &control, &result, &error));
    assert_int_equal(result, SQLITE_INSERTED);
    assert_ok(sqlite_table_insert(table, leads, &control, &result, &error));
    assert_int_equal(result, SQLITE_REPEATED);
    control.ts_ms = 6;
    assert_ok(sqlite_table_insert(table, leads, &control, &result, &error));
    assert_int_equal(result, SQLITE_DIFFERENT);
    assert_int_equal(ask(database,
                         "SELECT ts_ms FROM controls WHERE symbol = 'BTCUSDT' AND sequence = 17 AND action = "
                         "'input' AND value_json = '{\"a\":1}'"),
                     5);
    sqlite_table_close(table);
    database_close(database);
    check_folder_remove(folder);
}

static void what_is_not_a_database_is_malformed(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct database *database;
    struct error error = {{0}};
    (void)state;
    check_folder(folder);
    database_path_of(folder, path);
    assert_int_equal(database_open(path, DATABASE_READ, &database, &error), STATUS_NOT_FOUND);
    assert_ok(folder_make_for(path));
    assert_ok(file_replace(path, "this is not a database at all, whoever says so", 46, false));
    assert_int_equal(database_open(path, DATABASE_WRITE, &database, &error), STATUS_MALFORMED);
    assert_non_null(strstr(error.text, path));
    check_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_stored_as_the_spec_says),
        cmocka_unit_test(killed_anywhere_every_row_is_there_once),
        cmocka_unit_test(rows_met_again_count_and_different_ones_conflict),
        cmocka_unit_test(full_disk_is_an_error_and_costs_no_row),
        cmocka_unit_test(a_table_of_another_shape_is_refused),
        cmocka_unit_test(a_table_that_lacks_a_new_column_gets_it),
        cmocka_unit_test(leads_come_before_the_messages_own_columns),
        cmocka_unit_test(what_is_not_a_database_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
