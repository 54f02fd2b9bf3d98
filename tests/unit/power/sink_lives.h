/* sink_lives: whole lives of the sinks with the journal they read, and what must be there at their end. */
#pragma once

#include "power.h"

#include "store/database.h"
#include "store/jsonl_sink.h"
#include "store/line_sink.h"
#include "store/sqlite_sink.h"
#include "tests/unit/store/sink_driver.h"

/* troubles: what the disk refused in the lives so far; lives go on in spite of it. */
static int troubles;
static bool lives_synced = true; /* journal.durability: power */

static enum status open_journal(const char *folder, struct journal **out_journal, struct error *error)
{
    char path[PATH_BYTES];
    enum journal_beginning beginning;
    path_join(path, folder, "state/journal/signal");
    struct journal_config config = {.folder = path,
                                    .run_id = DRIVER_RUN,
                                    .config_fingerprint = "f",
                                    .max_bytes = (size_t)32 << 20,
                                    .sync = lives_synced};
    return journal_open(&config, out_journal, &beginning, error);
}

static void append_rows(struct journal *journal, size_t symbol, size_t from, size_t to)
{
    struct buffer rows;
    size_t stream = journal_stream(journal, DRIVER_NAMES[symbol]);
    buffer_init(&rows, 0);
    for (size_t i = from; i < to; i++) {
        struct signal_row row = driver_row(symbol, i);
        row_encode(&rows, &signal_message, signal_message.field_count, &row);
    }
    if (to > from)
        journal_append(journal, stream, (int64_t)from + 1, to - from, rows.data, rows.length);
    if (to == DRIVER_ROWS) {
        struct control_row control = {.ts_ms = DRIVER_BEGIN_MS, .action = CONTROL_END_OF_STREAM};
        buffer_clear(&rows);
        row_encode(&rows, &control_message, control_message.field_count, &control);
        journal_append(journal, stream, DRIVER_ROWS + 1, 1, rows.data, rows.length);
    }
    buffer_finish(&rows);
}

/* produce: a few more rows of each stream, published when they are journaled. *out_more: some are left. */
static enum status produce(struct journal *journal, struct random *random, bool *out_more,
                           struct error *error)
{
    enum status status = journal_begin(journal, error);
    *out_more = false;
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        size_t from = (size_t)journal_last(journal, journal_stream(journal, DRIVER_NAMES[i]));
        size_t to = from + random_below(random, 90);
        to = to < DRIVER_ROWS ? to : DRIVER_ROWS;
        if (from <= DRIVER_ROWS)
            append_rows(journal, i, from, to);
        *out_more |= to < DRIVER_ROWS;
    }
    status = journal_commit(journal, error);
    for (size_t i = 0; status == STATUS_OK && i < DRIVER_STREAMS; i++)
        power_promise(DRIVER_NAMES[i], journal_last(journal, journal_stream(journal, DRIVER_NAMES[i])));
    return status;
}

static void expect_promises(struct sink *sink, struct journal *journal)
{
    char promise[96];
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        snprintf(promise, sizeof promise, "sink of %s", DRIVER_NAMES[i]);
        assert_true(journal_last(journal, journal_stream(journal, DRIVER_NAMES[i])) >=
                    power_promised(DRIVER_NAMES[i]));
        assert_true(sink->position(sink->context, DRIVER_NAMES[i]) >= power_promised(promise));
    }
}

static void promise_positions(struct sink *sink)
{
    char promise[96];
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        snprintf(promise, sizeof promise, "sink of %s", DRIVER_NAMES[i]);
        power_promise(promise, sink->position(sink->context, DRIVER_NAMES[i]));
    }
}

/* live_once: the stage's loop and its sink thread, in turns. A position promised lets the journal's producer forget. A write that
 * failed is tried again, and so is a commit of the journal that the disk did not take, with nothing published meanwhile; a journal
 * that is broken ends the process, which its supervisor starts again. */
static enum status live_once(struct sink *sink, const char *folder, struct random *random,
                             struct error *error)
{
    struct journal *journal;
    bool more = true, left = true, opened = false;
    enum status status = open_journal(folder, &journal, error);
    if (status != STATUS_OK)
        return status;
    status = driver_start(sink, journal, error);
    opened = status == STATUS_OK;
    if (opened)
        expect_promises(sink, journal);
    for (int refusals = 0; status == STATUS_OK && (more || left) && refusals < 5;) {
        status = produce(journal, random, &more, error);
        bool refused = status == STATUS_IO;
        if (refused)
            more = true, status = STATUS_OK;
        refused =
            (status == STATUS_OK && driver_batch(sink, journal, 97, &left, error) != STATUS_OK) || refused;
        troubles += refused;
        refusals = refused ? refusals + 1 : 0;
        if (status == STATUS_OK)
            promise_positions(sink);
    }
    if (opened)
        sink->close(sink->context);
    journal_close(journal);
    return status == STATUS_OK && (more || left) ? STATUS_IO : status;
}

static void live(struct sink *sink, const char *folder, uint64_t seed)
{
    struct random random;
    struct error error = {{0}};
    random_seed(&random, seed);
    for (int lives = 0; live_once(sink, folder, &random, &error) != STATUS_OK; lives++, troubles++)
        if (lives == 20)
            fail_msg("%s", error.text);
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
                                       .sync = lives_synced,
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

/* --- one file of lines, as mock_orders.jsonl --- */

static void live_lines(const char *folder, uint64_t seed)
{
    char path[PATH_BYTES];
    path_join(path, folder, "runtime/mock_orders.jsonl");
    struct line_sink_config config = {.name = "lines",
                                      .path = path,
                                      .run_id = DRIVER_RUN,
                                      .message = &signal_message,
                                      .sync = lives_synced,
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
                                        .sync = lives_synced};
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
    assert_ok(statement_prepare(database, "SELECT symbol, seq, ts_ms FROM signals ORDER BY symbol, seq",
                                &statement, &error));
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

static const struct sink_life {
    const char *name;
    struct power_subject subject;
} SINK_LIVES[] = {
    {"jsonl", {live_jsonl, check_jsonl}},
    {"orders", {live_lines, check_lines}},
    {"sqlite", {live_sqlite, check_sqlite}},
};
enum { SINK_LIFE_COUNT = sizeof SINK_LIVES / sizeof SINK_LIVES[0] };
