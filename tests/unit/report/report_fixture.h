/* report_fixture: a folder with sinks made by hand, for the tests of report. Header only: each test is one
 * source. */
#pragma once

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "proto/signal.h"
#include "store/database.h"
#include "store/sqlite_table.h"

#include "tests/support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE __attribute__((unused)) static

enum {
    FIXTURE_START_MS = 1723161240000,
    FIXTURE_MINUTE = FIXTURE_START_MS / 60000
}; /* 2024-08-08 23:54 UTC */

struct fixture {
    char folder[PATH_BYTES];
};

FIXTURE void fixture_open(struct fixture *fixture)
{
    check_folder(fixture->folder);
}

FIXTURE void fixture_close(struct fixture *fixture)
{
    check_folder_remove(fixture->folder);
}

/* fixture_row: a neutral, gated row; what a test is about is set behind it. */
FIXTURE struct signal_row fixture_row(const char *symbol, int64_t ts_ms, int64_t seq)
{
    struct signal_row row = {
        .run_id = "run-1",
        .seq = seq,
        .ts_ms = ts_ms,
        .score = 0.1 * (double)(seq % 7) - 0.3,
        .z_ofi = 1.0 / 3.0,
        .z_cvd = NAN,
        .consistency = 0.5,
        .regime = REGIME_NORMAL,
        .div_type = FIELD_NULL_ENUM,
        .gating = 1,
        .signal_type = SIGNAL_NEUTRAL,
        .guard_reason = "weak_signal",
        .best_bid = 61659.7,
        .best_ask = 61659.8,
        .schema_version = 1,
    };
    snprintf(row.symbol, sizeof row.symbol, "%s", symbol);
    time_iso_ms(ts_ms, row.created_at);
    return row;
}

FIXTURE struct signal_row fixture_confirmed(const char *symbol, int64_t ts_ms, int64_t seq, int type)
{
    struct signal_row row = fixture_row(symbol, ts_ms, seq);
    row.confirm = 1;
    row.gating = 0;
    row.signal_type = (int8_t)type;
    row.guard_reason[0] = 0;
    return row;
}

FIXTURE void fixture_append(const char *path, const char *text, size_t bytes)
{
    assert_int_equal(folder_make_for(path), STATUS_OK);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

FIXTURE void fixture_shard(const struct fixture *fixture, const char *symbol, int64_t ts_ms, bool open,
                           char out_path[PATH_BYTES])
{
    char stamp[TIME_TEXT_BYTES];
    time_stamp(ts_ms, "%Y%m%d_%H%M", stamp);
    path_join(out_path, fixture->folder, "%s/signal/%s/signals_%s_run-1.%s", open ? "spool" : "ready", symbol,
              stamp, open ? "part" : "jsonl");
}

/* fixture_jsonl: appends the row to the closed (or open) file of its symbol and minute. */
FIXTURE void fixture_jsonl(const struct fixture *fixture, const struct signal_row *row, bool open)
{
    char path[PATH_BYTES];
    struct buffer line;
    struct json json;
    buffer_init(&line, 0);
    json_init(&json, &line);
    message_json(&json, &signal_message, signal_message.field_count, row, false);
    buffer_append_byte(&line, '\n');
    fixture_shard(fixture, row->symbol, row->ts_ms, open, path);
    fixture_append(path, (const char *)line.data, line.length);
    buffer_finish(&line);
}

FIXTURE void fixture_sqlite(const struct fixture *fixture, const struct signal_row *rows, size_t count)
{
    static const char *const KEY[] = {"run_id", "ts_ms", "symbol", NULL};
    const struct sqlite_table_config config = {
        .name = "signals",
        .message = &signal_message,
        .field_count = signal_message.field_count,
        .key = KEY,
        .index = "symbol, ts_ms",
    };
    char path[PATH_BYTES];
    struct database *database;
    struct sqlite_table *table;
    struct error error;
    path_join(path, fixture->folder, "signals.db");
    assert_int_equal(database_open(path, DATABASE_WRITE, &database, &error), STATUS_OK);
    assert_int_equal(sqlite_table_open(database, &config, &table, &error), STATUS_OK);
    assert_int_equal(database_begin(database, &error), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        enum sqlite_insert result;
        assert_int_equal(sqlite_table_insert(table, NULL, &rows[i], &result, &error), STATUS_OK);
    }
    assert_int_equal(database_commit(database, &error), STATUS_OK);
    sqlite_table_close(table);
    database_close(database);
}

/* fixture_both: the same rows into both sinks. */
FIXTURE void fixture_both(const struct fixture *fixture, const struct signal_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fixture_jsonl(fixture, &rows[i], false);
    fixture_sqlite(fixture, rows, count);
}

FIXTURE char *fixture_read(const char *path)
{
    struct buffer text;
    buffer_init(&text, 0);
    if (file_read(path, &text) != STATUS_OK)
        fail_msg("%s cannot be read", path);
    char *copy = memory_copy_text(buffer_text(&text));
    buffer_finish(&text);
    return copy;
}
