/* journal_fixture: a journal in a folder of its own, rows that follow from their number, and what is read back of them. Header only: each
 * test is one source. */
#pragma once

#include "tests/support/check.h"

#include "base/file.h"
#include "journal/journal.h"
#include "proto/control.h"
#include "proto/frame.h"

#include <string.h>

#define FIXTURE __attribute__((unused)) static

FIXTURE char folder[PATH_BYTES];
FIXTURE char place[PATH_BYTES]; /* of the journal */

FIXTURE int begin(void **state)
{
    (void)state;
    check_folder(folder);
    path_join(place, folder, "journal/harvest");
    return 0;
}

FIXTURE int end(void **state)
{
    (void)state;
    check_folder_remove(folder);
    return 0;
}

FIXTURE struct journal_config config_of(const char *run_id, const char *fingerprint)
{
    return (struct journal_config){
        .folder = place, .run_id = run_id, .config_fingerprint = fingerprint, .max_bytes = 16 << 20};
}

FIXTURE struct journal *open_expecting(const struct journal_config *config, enum journal_beginning expected)
{
    struct journal *journal = NULL;
    struct error error = {{0}};
    enum journal_beginning beginning;
    if (journal_open(config, &journal, &beginning, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(beginning, expected);
    return journal;
}

FIXTURE struct journal *open_warm(void)
{
    struct journal_config config = config_of("run-1", "f1");
    return open_expecting(&config, JOURNAL_WARM);
}

FIXTURE struct journal *open_cold(void)
{
    struct journal_config config = config_of("run-1", "f1");
    return open_expecting(&config, JOURNAL_COLD);
}

/* rows_make: `count` rows that say their own sequence; `padding` makes them longer. */
FIXTURE void rows_make(struct buffer *out, int64_t first, size_t count, size_t padding)
{
    struct control_row row;
    message_clear(&control_message, &row);
    row.value_json[0] = '"';
    memset(row.value_json + 1, 'x', padding);
    memcpy(row.value_json + 1 + padding, "\"", 2);
    buffer_clear(out);
    for (size_t i = 0; i < count; i++) {
        row.ts_ms = first + (int64_t)i;
        row_encode(out, &control_message, control_message.field_count, &row);
    }
}

FIXTURE void append(struct journal *journal, size_t stream, int64_t first, size_t count, size_t padding)
{
    struct buffer rows;
    buffer_init(&rows, 0);
    rows_make(&rows, first, count, padding);
    journal_append(journal, stream, first, count, rows.data, rows.length);
    buffer_finish(&rows);
}

FIXTURE void commit(struct journal *journal)
{
    struct error error = {{0}};
    if (journal_commit(journal, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

FIXTURE void append_committed(struct journal *journal, size_t stream, int64_t first, size_t count,
                              size_t padding)
{
    assert_ok(journal_begin(journal, NULL));
    append(journal, stream, first, count, padding);
    commit(journal);
}

/* expect_rows: these bytes are exactly the rows first … first + count - 1. */
FIXTURE void expect_rows(const struct buffer *rows, int64_t first, size_t count)
{
    struct row_view view;
    struct control_row row;
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        assert_ok(rows_next(rows->data, rows->length, &offset, &view));
        assert_ok(row_decode(&view, &control_message, &row, NULL));
        assert_int_equal(row.ts_ms, first + (int64_t)i);
    }
    assert_int_equal(offset, rows->length);
}

FIXTURE size_t read_rows(const struct journal *journal, size_t stream, int64_t from, size_t bytes_max,
                         size_t rows_max)
{
    struct buffer rows;
    size_t count = SIZE_MAX;
    buffer_init(&rows, 0);
    assert_ok(journal_read(journal, stream, from, bytes_max, rows_max, &rows, &count, NULL));
    expect_rows(&rows, from, count);
    buffer_finish(&rows);
    return count;
}

/* expect_all: reading in pieces of any size gives all rows from `from` on. */
FIXTURE void expect_all(const struct journal *journal, size_t stream, int64_t from, size_t bytes_max)
{
    int64_t last = journal_last(journal, stream);
    while (from <= last) {
        size_t got = read_rows(journal, stream, from, bytes_max, SIZE_MAX);
        assert_true(got > 0);
        from += (int64_t)got;
    }
    assert_int_equal(from, last + 1);
    assert_int_equal(read_rows(journal, stream, from, bytes_max, SIZE_MAX), 0);
}
