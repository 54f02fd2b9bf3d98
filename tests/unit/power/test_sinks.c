// A power cut anywhere: sinks go on where journal and files agree, and no row is missing or there twice.
// links: test_disk store journal proto base
// timeout: 240
#include "power.h"

#include "store/database.h"
#include "store/jsonl_sink.h"
#include "store/line_sink.h"
#include "store/sqlite_sink.h"
#include "tests/unit/store/sink_driver.h"

enum { CUTS = 200, LIFE_ROWS = 29 };

static struct journal *open_synced(const char *folder)
{
    char path[PATH_BYTES];
    struct journal *journal;
    enum journal_beginning beginning;
    struct error error = {{0}};
    path_join(path, folder, "state/journal/signal");
    struct journal_config config = {.folder = path,
                                    .run_id = DRIVER_RUN,
                                    .config_fingerprint = "f",
                                    .max_bytes = (size_t)32 << 20,
                                    .sync = true};
    if (journal_open(&config, &journal, &beginning, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return journal;
}

/* produce: a few more rows of each stream, published when they are journaled; false when all are. */
static bool produce(struct journal *journal, struct random *random)
{
    bool more = false;
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        size_t stream = journal_stream(journal, DRIVER_NAMES[i]);
        size_t from = (size_t)journal_last(journal, stream), to = from + random_below(random, 50);
        if (from > DRIVER_ROWS)
            continue;
        to = to < DRIVER_ROWS ? to : DRIVER_ROWS;
        driver_append(journal, i, from, to, to == DRIVER_ROWS);
        power_promise(DRIVER_NAMES[i], journal_last(journal, stream));
        more |= to < DRIVER_ROWS;
    }
    return more;
}

/* live: the stage's loop and its sink thread, in turns. A position promised lets the journal's producer forget. */
static void live(struct sink *sink, const char *folder, uint64_t seed)
{
    struct random random;
    struct error error = {{0}};
    char promise[96];
    bool more = true, left = true;
    struct journal *journal = open_synced(folder);
    random_seed(&random, seed);
    if (sink->open(sink->context, journal, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        snprintf(promise, sizeof promise, "sink of %s", DRIVER_NAMES[i]);
        assert_true(journal_last(journal, journal_stream(journal, DRIVER_NAMES[i])) >= power_promised(DRIVER_NAMES[i]));
        assert_true(sink->position(sink->context, DRIVER_NAMES[i]) >= power_promised(promise));
    }
    while (more || left) {
        more = produce(journal, &random);
        if (driver_batch(sink, journal, LIFE_ROWS, &left, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        for (size_t i = 0; i < DRIVER_STREAMS; i++) {
            snprintf(promise, sizeof promise, "sink of %s", DRIVER_NAMES[i]);
            power_promise(promise, sink->position(sink->context, DRIVER_NAMES[i]));
        }
    }
    sink->close(sink->context);
    journal_close(journal);
}

/* --- JSONL --- */

static void live_jsonl(const char *folder, uint64_t seed)
{
    char output[PATH_BYTES];
    path_join(output, folder, "runtime");
    struct jsonl_sink_config config = {.output_dir = output,
                                       .service = "signal",
                                       .prefix = "signals",
                                       .run_id = DRIVER_RUN,
                                       .message = &signal_message,
                                       .sync = true,
                                       .max_shards = 5000,
                                       .max_file_bytes = 200 << 20,
                                       .batch_rows = 50,
                                       .flush_ms = 200};
    struct sink *sink = jsonl_sink_create(&config);
    live(sink, folder, seed);
    jsonl_sink_destroy(sink);
}

static enum status append_file(void *context, const char *path)
{
    return file_read(path, context);
}

static enum status refuse_file(void *context, const char *path)
{
    (void)context;
    fail_msg("left behind: %s", path);
    return STATUS_OK;
}

static void check_jsonl(const char *folder)
{
    for (size_t symbol = 0; symbol < DRIVER_STREAMS; symbol++) {
        char path[PATH_BYTES];
        struct buffer found, wanted;
        buffer_init(&found, 0);
        buffer_init(&wanted, 0);
        path_join(path, folder, "runtime/ready/signal/%s", DRIVER_SYMBOLS[symbol]);
        assert_ok(folder_walk(path, append_file, &found));
        driver_append_lines(&wanted, symbol, 0, DRIVER_ROWS);
        assert_int_equal(found.length, wanted.length);
        assert_memory_equal(found.data, wanted.data, wanted.length);
        path_join(path, folder, "runtime/spool");
        assert_ok(folder_walk(path, refuse_file, NULL));
        buffer_finish(&found);
        buffer_finish(&wanted);
    }
}

static void a_cut_costs_jsonl_no_row_and_doubles_none(void **state)
{
    static const struct power_subject SUBJECT = {live_jsonl, check_jsonl};
    (void)state;
    power_try(&SUBJECT, CUTS);
}

/* --- one file of lines, as mock_orders.jsonl --- */

static void live_lines(const char *folder, uint64_t seed)
{
    char path[PATH_BYTES];
    path_join(path, folder, "runtime/mock_orders.jsonl");
    struct line_sink_config config = {.name = "lines",
                                      .path = path,
                                      .run_id = DRIVER_RUN,
                                      .message = &signal_message,
                                      .sync = true,
                                      .batch_rows = 50};
    struct sink *sink = line_sink_create(&config);
    live(sink, folder, seed);
    line_sink_destroy(sink);
}

static void check_lines(const char *folder)
{
    char path[PATH_BYTES];
    struct buffer found, wanted;
    size_t next[DRIVER_STREAMS] = {0};
    path_join(path, folder, "runtime/mock_orders.jsonl");
    buffer_init(&found, 0);
    buffer_init(&wanted, 0);
    assert_ok(file_read(path, &found));
    for (const char *text = buffer_text(&found); *text; text += wanted.length) {
        size_t symbol = strstr(text, "BTCUSDT") == strstr(text, "\"symbol\":\"") + 10 ? 0 : 1;
        buffer_clear(&wanted);
        driver_append_lines(&wanted, symbol, next[symbol], next[symbol] + 1);
        next[symbol]++;
        assert_true(strncmp(text, buffer_text(&wanted), wanted.length) == 0);
    }
    for (size_t i = 0; i < DRIVER_STREAMS; i++)
        assert_int_equal(next[i], DRIVER_ROWS);
    buffer_finish(&found);
    buffer_finish(&wanted);
}

static void a_cut_costs_the_order_file_no_line_and_doubles_none(void **state)
{
    static const struct power_subject SUBJECT = {live_lines, check_lines};
    (void)state;
    power_try(&SUBJECT, CUTS);
}

/* --- SQLite --- */

static void live_sqlite(const char *folder, uint64_t seed)
{
    static const char *const KEY[] = {"run_id", "ts_ms", "symbol", NULL};
    char path[PATH_BYTES];
    path_join(path, folder, "runtime/signals.db");
    struct sqlite_sink_config config = {.path = path,
                                        .run_id = DRIVER_RUN,
                                        .table = "signals",
                                        .message = &signal_message,
                                        .key = KEY,
                                        .batch_rows = 500,
                                        .flush_ms = 500,
                                        .sync = true};
    struct sink *sink = sqlite_sink_create(&config);
    struct sink_status_row figures = {0};
    live(sink, folder, seed);
    sink->figures(sink->context, &figures);
    assert_int_equal(figures.dedup, 0); /* position and rows are of one moment: nothing comes twice */
    sqlite_sink_destroy(sink);
}

static void check_sqlite(const char *folder)
{
    char path[PATH_BYTES];
    struct database *database;
    struct statement *statement;
    struct error error = {{0}};
    path_join(path, folder, "runtime/signals.db");
    if (database_open(path, DATABASE_READ, &database, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_ok(statement_prepare(database, "SELECT symbol, seq, ts_ms FROM signals ORDER BY symbol, seq", &statement,
                                &error));
    for (size_t symbol = 0; symbol < DRIVER_STREAMS; symbol++)
        for (size_t i = 0; i < DRIVER_ROWS; i++) {
            struct signal_row row = driver_row(symbol, i);
            assert_ok(statement_step(statement, &error));
            assert_string_equal(statement_text(statement, 0), row.symbol);
            assert_int_equal(statement_i64(statement, 1), row.seq);
            assert_int_equal(statement_i64(statement, 2), row.ts_ms);
        }
    assert_int_equal(statement_step(statement, &error), STATUS_END);
    statement_finish(statement);
    database_close(database);
}

static void a_cut_costs_sqlite_no_row_and_doubles_none(void **state)
{
    static const struct power_subject SUBJECT = {live_sqlite, check_sqlite};
    (void)state;
    power_try(&SUBJECT, CUTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_costs_jsonl_no_row_and_doubles_none),
        cmocka_unit_test(a_cut_costs_the_order_file_no_line_and_doubles_none),
        cmocka_unit_test(a_cut_costs_sqlite_no_row_and_doubles_none),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
