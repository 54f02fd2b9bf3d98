// links: journal proto base lmdb
// timeout: 120
/* The journal: what was committed is there, whole and in order; what was not is not. */
#include "journal_fixture.h"

#include "tests/support/check.h"

#include "base/file.h"
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- rows --- */

static void rows_read_back_across_chunks(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    struct random random = check_random();
    size_t one = journal_stream(journal, "harvest/AAA"), two = journal_stream(journal, "harvest/BBB");
    assert_int_equal(journal_stream(journal, "harvest/AAA"), one);
    assert_int_equal(journal_first(journal, one), 0);
    assert_int_equal(journal_last(journal, one), 0);
    assert_int_equal(read_rows(journal, one, 1, 1000, 10), 0);
    int64_t next[2] = {1, 1};
    for (int turn = 0; turn < 100; turn++) {
        assert_ok(journal_begin(journal, NULL));
        for (int i = 0; i < 2; i++)
            for (size_t chunks = random_below(&random, 3); chunks; chunks--) {
                size_t count = 1 + random_below(&random, 20);
                append(journal, i ? two : one, next[i], count, random_below(&random, 60));
                next[i] += (int64_t)count;
            }
        commit(journal);
    }
    for (int i = 0; i < 2; i++) {
        size_t stream = i ? two : one;
        assert_int_equal(journal_first(journal, stream), 1);
        assert_int_equal(journal_last(journal, stream), next[i] - 1);
        expect_all(journal, stream, 1, 1);
        expect_all(journal, stream, 1, 1000);
        expect_all(journal, stream, 1, SIZE_MAX / 2);
        for (int64_t from = 1; from < next[i]; from += 7)
            assert_int_equal(read_rows(journal, stream, from, SIZE_MAX / 2, 3),
                             from + 2 < next[i] ? 3 : next[i] - from);
        assert_int_equal(read_rows(journal, stream, next[i] + 5, 1000, 10), 0);
    }
    journal_close(journal);
}

static void limits_of_a_read_hold(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s");
    struct buffer rows;
    size_t count;
    append_committed(journal, stream, 1, 50, 100);
    append_committed(journal, stream, 51, 50, 100);
    buffer_init(&rows, 0);
    buffer_append_text(&rows, "before"); /* reading appends */
    assert_ok(journal_read(journal, stream, 40, 2500, SIZE_MAX, &rows, &count, NULL));
    assert_in_range(rows.length, 6 + 2500 - 130, 6 + 2500);
    assert_memory_equal(rows.data, "before", 6);
    assert_int_equal(read_rows(journal, stream, 40, 1, SIZE_MAX), 1); /* at least one row, however long */
    assert_int_equal(read_rows(journal, stream, 40, 100000, 20), 20);
    buffer_finish(&rows);
    buffer_init(&rows, 1000); /* a buffer that is too small is told, not cut */
    assert_int_equal(journal_read(journal, stream, 1, 100000, SIZE_MAX, &rows, &count, NULL), STATUS_LIMIT);
    assert_int_equal(rows.length, 0);
    buffer_finish(&rows);
    journal_close(journal);
}

static void a_hole_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s");
    struct error error = {{0}};
    append_committed(journal, stream, 1, 3, 0);
    static const int64_t WRONG[] = {3, 5, 1};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        assert_ok(journal_begin(journal, NULL));
        journal_put(journal, "state", "new", 3);
        append(journal, stream, WRONG[i], 1, 0);
        append(journal, stream, 4, 1, 0);
        assert_int_equal(journal_commit(journal, &error), STATUS_CONFLICT);
        assert_non_null(strstr(error.text, "stream s continues at 4"));
        assert_int_equal(journal_last(journal, stream), 3);
    }
    struct buffer none;
    buffer_init(&none, 0);
    assert_int_equal(journal_get(journal, "state", &none), STATUS_NOT_FOUND);
    append_committed(journal, stream, 4, 1, 0);
    expect_all(journal, stream, 1, 100);
    buffer_finish(&none);
    journal_close(journal);
}

static void an_aborted_turn_leaves_nothing(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s");
    assert_ok(journal_begin(journal, NULL));
    append(journal, stream, 1, 3, 0);
    journal_abort(journal);
    assert_int_equal(journal_last(journal, stream), 0);
    append_committed(journal, stream, 1, 2, 0);
    assert_int_equal(journal_last(journal, stream), 2);
    journal_close(journal);
}

/* --- records --- */

static void records_are_replaced_and_appended_to_the_output(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    struct buffer out;
    char large[10000];
    memset(large, 'y', sizeof large);
    buffer_init(&out, 0);
    assert_ok(journal_begin(journal, NULL));
    journal_put(journal, "state", large, sizeof large);
    journal_put(journal, "empty", NULL, 0);
    commit(journal);
    assert_ok(journal_put_now(journal, "state", "small", 5, NULL));
    buffer_append_text(&out, "> ");
    assert_ok(journal_get(journal, "state", &out));
    assert_ok(journal_get(journal, "empty", &out));
    assert_string_equal(buffer_text(&out), "> small");
    assert_int_equal(journal_get(journal, "other", &out), STATUS_NOT_FOUND);
    journal_close(journal);
    journal = open_warm();
    buffer_clear(&out);
    assert_ok(journal_get(journal, "state", &out));
    assert_string_equal(buffer_text(&out), "small");
    buffer_finish(&out);
    journal_close(journal);
}

/* --- trimming --- */

static void trimming_takes_whole_chunks_and_never_the_newest(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s"), other = journal_stream(journal, "t");
    struct buffer rows;
    struct error error = {{0}};
    size_t count;
    buffer_init(&rows, 0);
    for (int64_t first = 1; first <= 91; first += 10)
        append_committed(journal, stream, first, 10, 0);
    append_committed(journal, other, 1, 10, 0);
    assert_ok(journal_begin(journal, NULL));
    assert_int_equal(journal_trim(journal, stream, 35), 30);
    commit(journal);
    assert_int_equal(journal_first(journal, stream), 31);
    assert_int_equal(journal_first(journal, other), 1);
    assert_int_equal(journal_read(journal, stream, 30, 1000, 10, &rows, &count, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "row 30"));
    expect_all(journal, stream, 31, 100);
    assert_ok(journal_begin(journal, NULL));
    assert_int_equal(journal_trim(journal, stream, INT64_MAX), 60);
    assert_int_equal(journal_trim(journal, other, INT64_MAX), 0);
    commit(journal);
    journal_close(journal);
    journal = open_warm();
    stream = journal_stream(journal, "s");
    assert_int_equal(journal_first(journal, stream), 91);
    assert_int_equal(journal_last(journal, stream), 100);
    append_committed(journal, stream, 101, 1, 0);
    /* Within one turn: rows appended and trimmed at once, then given up. */
    assert_ok(journal_begin(journal, NULL));
    append(journal, stream, 102, 1, 0);
    assert_int_equal(journal_trim(journal, stream, 102), 11);
    journal_abort(journal);
    assert_int_equal(journal_first(journal, stream), 91);
    buffer_finish(&rows);
    journal_close(journal);
}

static void a_forgotten_stream_begins_anew_anywhere(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s"), other = journal_stream(journal, "o");
    append_committed(journal, stream, 1, 10, 0);
    append_committed(journal, other, 1, 10, 0);
    assert_ok(journal_begin(journal, NULL)); /* given up: it is as it was */
    journal_forget(journal, stream);
    journal_abort(journal);
    expect_all(journal, stream, 1, 100);
    assert_ok(journal_begin(journal, NULL)); /* in one turn with rows of another place */
    journal_forget(journal, stream);
    append(journal, stream, 501, 5, 0);
    append(journal, stream, 506, 5, 0);
    commit(journal);
    assert_int_equal(journal_first(journal, stream), 501);
    assert_int_equal(journal_last(journal, stream), 510);
    expect_all(journal, stream, 501, 100);
    assert_ok(journal_begin(journal, NULL));
    journal_forget(journal, stream);
    commit(journal);
    assert_int_equal(journal_first(journal, stream), 0);
    assert_int_equal(journal_last(journal, stream), 0);
    expect_all(journal, other, 1, 100);
    journal_close(journal);
    journal = open_warm();
    stream = journal_stream(journal, "s");
    assert_int_equal(journal_last(journal, stream), 0);
    append_committed(journal, stream, 9001, 2, 0);
    expect_all(journal, stream, 9001, 100);
    journal_close(journal);
}

static void a_full_map_is_a_limit_and_goes_on_after_trimming(void **state)
{
    (void)state;
    struct journal_config config = config_of("run-1", "f1");
    config.max_bytes = 1 << 20;
    struct journal *journal = open_expecting(&config, JOURNAL_COLD);
    size_t stream = journal_stream(journal, "s");
    struct error error = {{0}};
    enum status status = STATUS_OK;
    int64_t next = 1;
    for (int round = 0; round < 5; round++) {
        while (status == STATUS_OK) {
            assert_ok(journal_begin(journal, NULL));
            append(journal, stream, next, 100, 200);
            append(journal, stream, next + 100, 100, 200);
            journal_put(journal, "state", &next, sizeof next);
            (void)journal_trim(journal, stream, 1); /* whatever failed before: these must not crash */
            status = journal_commit(journal, &error);
            next += status == STATUS_OK ? 200 : 0;
        }
        assert_int_equal(status, STATUS_LIMIT);
        assert_non_null(strstr(error.text, "journal"));
        assert_int_equal(journal_last(journal, stream), next - 1);
        assert_in_range(journal_bytes_used(journal), 500000, 1 << 20);
        expect_all(journal, stream, journal_first(journal, stream), 50000);
        assert_ok(journal_begin(journal, NULL));
        assert_true(journal_trim(journal, stream, next - 600) > 0);
        commit(journal);
        assert_in_range(journal_bytes_used(journal), 1, 600000);
        assert_ok(journal_put_now(journal, "turn", &round, sizeof round, NULL)); /* the second commit */
        status = STATUS_OK;
    }
    assert_true(next > 10000); /* what was trimmed has been used again */
    journal_close(journal);
}

/* --- life --- */

static void reopening_continues(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t streams[40];
    char name[16];
    for (size_t i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "stream-%zu", i);
        streams[i] = journal_stream(journal, name);
        append_committed(journal, streams[i], 1, i + 1, 10);
    }
    journal_close(journal);
    for (int round = 0; round < 3; round++) {
        journal = open_warm();
        for (size_t i = 0; i < 40; i++) {
            snprintf(name, sizeof name, "stream-%zu", i);
            assert_int_equal(journal_stream(journal, name), streams[i]);
            assert_int_equal(journal_last(journal, streams[i]), (int64_t)i + 1 + round);
            expect_all(journal, streams[i], 1, 1000);
            append_committed(journal, streams[i], (int64_t)i + 2 + round, 1, 10);
        }
        journal_close(journal);
    }
}

static void what_belongs_to_another_run_is_set_aside(void **state)
{
    (void)state;
    struct journal_config first = config_of("run-1", "f1"), second = config_of("run-2", "f1"),
                          third = config_of("run-2", "f2");
    char path[PATH_BYTES];
    struct journal *journal = open_expecting(&first, JOURNAL_COLD);
    append_committed(journal, journal_stream(journal, "s"), 1, 5, 0);
    journal_close(journal);
    journal = open_expecting(&second, JOURNAL_SET_ASIDE);
    assert_int_equal(journal_last(journal, journal_stream(journal, "s")), 0);
    append_committed(journal, journal_stream(journal, "s"), 1, 2, 0);
    journal_close(journal);
    path_join(path, folder, "journal/harvest.aside/data.mdb");
    assert_true(file_exists(path));
    journal_close(open_expecting(&second, JOURNAL_WARM));
    journal_close(open_expecting(&third, JOURNAL_SET_ASIDE)); /* replaces what was set aside before */
    journal_close(open_expecting(&third, JOURNAL_WARM));
    /* a journal whose identity is lost or of another boot is not trusted either */
    path_join(path, place, "identity");
    assert_ok(file_replace(path, "orderflow journal 1\nrun_id run-2\nfingerprint f2\nboot 0\n", 55, false));
    journal_close(open_expecting(&third, JOURNAL_SET_ASIDE));
    assert_int_equal(unlink(path), 0);
    journal_close(open_expecting(&third, JOURNAL_SET_ASIDE));
}

static void a_synchronous_journal_outlives_the_boot(void **state)
{
    (void)state;
    struct journal_config config = config_of("run-1", "f1");
    struct buffer identity;
    char path[PATH_BYTES];
    config.sync = true;
    struct journal *journal = open_expecting(&config, JOURNAL_COLD);
    append_committed(journal, journal_stream(journal, "s"), 1, 5, 0);
    journal_close(journal);
    buffer_init(&identity, 0);
    path_join(path, place, "identity");
    assert_ok(file_read(path, &identity));
    assert_null(strstr(buffer_text(&identity), "boot"));
    buffer_finish(&identity);
    journal_close(open_expecting(&config, JOURNAL_WARM));
    config.sync = false; /* a journal that was flushed and one that was not are not the same thing */
    journal_close(open_expecting(&config, JOURNAL_SET_ASIDE));
}

static void a_folder_that_cannot_be_used_is_a_sentence(void **state)
{
    (void)state;
    struct journal_config config = config_of("run-1", "f1");
    struct journal *journal;
    struct error error = {{0}};
    enum journal_beginning beginning;
    char path[PATH_BYTES];
    path_join(path, folder, "journal");
    assert_ok(file_replace(path, "in the way", 10, false));
    assert_int_equal(journal_open(&config, &journal, &beginning, &error), STATUS_IO);
    assert_non_null(strstr(error.text, place));
}

/* --- damage --- */

/* file_pages_kb: memory of this process that is pages of files. */
static long file_pages_kb(void)
{
    struct buffer text;
    buffer_init(&text, 0);
    assert_ok(file_read("/proc/self/status", &text));
    const char *at = strstr(buffer_text(&text), "RssFile:");
    assert_non_null(at);
    long kb = strtol(at + 8, NULL, 10);
    buffer_finish(&text);
    return kb;
}

static void what_was_read_all_day_does_not_count_as_memory_for_ever(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s");
    for (int64_t first = 1; first <= 8000; first += 100)
        append_committed(journal, stream, first, 100, 900);
    long before_kb = file_pages_kb();
    expect_all(journal, stream, 1, 100000);
    long read_kb = file_pages_kb();
    journal_relax(journal);
    long relaxed_kb = file_pages_kb();
    assert_true(read_kb > before_kb + 2000);
    assert_true(relaxed_kb < read_kb - 2000);
    expect_all(journal, stream, 1, 100000); /* nothing of it was lost */
    append_committed(journal, stream, 8001, 100, 900);
    journal_close(journal);
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(rows_read_back_across_chunks),
        IN_A_FOLDER(limits_of_a_read_hold),
        IN_A_FOLDER(a_hole_is_refused_and_changes_nothing),
        IN_A_FOLDER(an_aborted_turn_leaves_nothing),
        IN_A_FOLDER(records_are_replaced_and_appended_to_the_output),
        IN_A_FOLDER(trimming_takes_whole_chunks_and_never_the_newest),
        IN_A_FOLDER(a_forgotten_stream_begins_anew_anywhere),
        IN_A_FOLDER(a_full_map_is_a_limit_and_goes_on_after_trimming),
        IN_A_FOLDER(reopening_continues),
        IN_A_FOLDER(what_belongs_to_another_run_is_set_aside),
        IN_A_FOLDER(a_synchronous_journal_outlives_the_boot),
        IN_A_FOLDER(a_folder_that_cannot_be_used_is_a_sentence),
        IN_A_FOLDER(what_was_read_all_day_does_not_count_as_memory_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
