// links: journal proto base lmdb
// timeout: 120
/* The journal: what was committed is there, whole and in order, after any death; what was not is not. */
#include "tests/support/check.h"

#include "base/clock.h"
#include "base/file.h"
#include "journal/journal.h"
#include "proto/control.h"
#include "proto/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[PATH_BYTES];
static char place[PATH_BYTES]; /* of the journal */

static int begin(void **state)
{
    (void)state;
    check_folder(folder);
    path_join(place, folder, "journal/harvest");
    return 0;
}

static int end(void **state)
{
    (void)state;
    check_folder_remove(folder);
    return 0;
}

static struct journal_config config_of(const char *run_id, const char *fingerprint)
{
    return (struct journal_config){
        .folder = place, .run_id = run_id, .config_fingerprint = fingerprint, .max_bytes = 16 << 20};
}

static struct journal *open_expecting(const struct journal_config *config, enum journal_beginning expected)
{
    struct journal *journal = NULL;
    struct error error = {{0}};
    enum journal_beginning beginning;
    if (journal_open(config, &journal, &beginning, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(beginning, expected);
    return journal;
}

static struct journal *open_warm(void)
{
    struct journal_config config = config_of("run-1", "f1");
    return open_expecting(&config, JOURNAL_WARM);
}

static struct journal *open_cold(void)
{
    struct journal_config config = config_of("run-1", "f1");
    return open_expecting(&config, JOURNAL_COLD);
}

/* rows_make: `count` rows that say their own sequence; `padding` makes them longer. */
static void rows_make(struct buffer *out, int64_t first, size_t count, size_t padding)
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

static void append(struct journal *journal, size_t stream, int64_t first, size_t count, size_t padding)
{
    struct buffer rows;
    buffer_init(&rows, 0);
    rows_make(&rows, first, count, padding);
    journal_append(journal, stream, first, count, rows.data, rows.length);
    buffer_finish(&rows);
}

static void commit(struct journal *journal)
{
    struct error error = {{0}};
    if (journal_commit(journal, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static void append_committed(struct journal *journal, size_t stream, int64_t first, size_t count,
                             size_t padding)
{
    assert_ok(journal_begin(journal, NULL));
    append(journal, stream, first, count, padding);
    commit(journal);
}

/* expect_rows: these bytes are exactly the rows first … first + count - 1. */
static void expect_rows(const struct buffer *rows, int64_t first, size_t count)
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

static size_t read_rows(const struct journal *journal, size_t stream, int64_t from, size_t bytes_max,
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
static void expect_all(const struct journal *journal, size_t stream, int64_t from, size_t bytes_max)
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

/* --- death --- */

/* writer: what a stage does, turn for turn, until it is killed: rows and a record that says how far they go. */
static void writer(int ready)
{
    struct journal *journal = open_warm();
    size_t stream = journal_stream(journal, "s");
    for (int64_t next = journal_last(journal, stream) + 1;; next += 3) {
        int64_t last = next + 2;
        if (journal_begin(journal, NULL) != STATUS_OK)
            _exit(1);
        append(journal, stream, next, 1, 300);
        append(journal, stream, next + 1, 2, 300);
        journal_put(journal, "state", &last, sizeof last);
        if (next > 6000)
            (void)journal_trim(journal, stream, next - 3000);
        if (journal_commit(journal, NULL) != STATUS_OK)
            _exit(2);
        if (write(ready, "x", 1) != 1)
            _exit(3);
    }
}

static void a_kill_at_any_moment_leaves_whole_turns(void **state)
{
    (void)state;
    struct random random = check_random();
    struct buffer record;
    int64_t reached = 0;
    buffer_init(&record, 0);
    journal_close(open_cold());
    for (int round = 0; round < 15; round++) {
        int channel[2];
        assert_int_equal(pipe(channel), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(channel[0]);
            writer(channel[1]);
        }
        close(channel[1]);
        /* After so many turns, and somewhere within the next one. */
        char turn;
        for (size_t turns = 1 + random_below(&random, 200); turns; turns--)
            assert_int_equal(read(channel[0], &turn, 1), 1);
        for (volatile uint64_t delay = random_below(&random, 20000); delay; delay--)
            ;
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        close(channel[0]);

        struct journal *journal = open_warm();
        size_t stream = journal_stream(journal, "s");
        int64_t last = journal_last(journal, stream), told;
        assert_true(last > reached && last % 3 == 0);
        reached = last;
        buffer_clear(&record);
        assert_ok(journal_get(journal, "state", &record));
        assert_int_equal(record.length, sizeof told);
        memcpy(&told, record.data, sizeof told);
        assert_int_equal(told, last);
        expect_all(journal, stream, journal_first(journal, stream), 100000);
        journal_close(journal);
    }
    buffer_finish(&record);
}

/* --- several threads --- */

struct shared {
    struct journal *journal;
    size_t stream;
    atomic_bool stop;
    atomic_int failures, records;
    atomic_long rows;
};

static void *reader_thread(void *context)
{
    struct shared *shared = context;
    struct buffer rows;
    int64_t next = 1;
    buffer_init(&rows, 0);
    while (!atomic_load(&shared->stop) || next <= journal_last(shared->journal, shared->stream)) {
        size_t count = 0;
        struct error error = {{0}};
        buffer_clear(&rows);
        enum status status =
            journal_read(shared->journal, shared->stream, next, 3000, SIZE_MAX, &rows, &count, &error);
        if (status == STATUS_NOT_FOUND) { /* trimmed under our feet: what is there now is newer */
            int64_t first = journal_first(shared->journal, shared->stream);
            if (first <= next)
                atomic_fetch_add(&shared->failures, 1);
            next = first;
            continue;
        }
        struct row_view view;
        size_t offset = 0;
        for (size_t i = 0; i < count; i++, next++) {
            struct control_row row;
            if (rows_next(rows.data, rows.length, &offset, &view) != STATUS_OK ||
                row_decode(&view, &control_message, &row, NULL) != STATUS_OK || row.ts_ms != next)
                atomic_fetch_add(&shared->failures, 1);
        }
        if (status != STATUS_OK)
            atomic_fetch_add(&shared->failures, 1);
        atomic_fetch_add(&shared->rows, (long)count);
    }
    buffer_finish(&rows);
    return NULL;
}

static void *record_thread(void *context)
{
    struct shared *shared = context;
    for (int64_t i = 1; !atomic_load(&shared->stop); i++) {
        if (journal_put_now(shared->journal, "sink", &i, sizeof i, NULL) != STATUS_OK)
            atomic_fetch_add(&shared->failures, 1);
        atomic_fetch_add(&shared->records, 1);
    }
    return NULL;
}

static void threads_read_and_put_while_the_loop_writes(void **state)
{
    (void)state;
    struct shared shared = {.journal = open_cold()};
    shared.stream = journal_stream(shared.journal, "s");
    pthread_t readers[3], recorder;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader_thread, &shared), 0);
    assert_int_equal(pthread_create(&recorder, NULL, record_thread, &shared), 0);
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + 20000;
    for (int64_t next = 1; next <= 12000 || !atomic_load(&shared.rows) || !atomic_load(&shared.records);
         next += 6) {
        assert_true(clock_monotonic_ms(&clock) < until_ms);
        assert_ok(journal_begin(shared.journal, NULL));
        append(shared.journal, shared.stream, next, 4, 50);
        append(shared.journal, shared.stream, next + 4, 2, 50);
        if (next > 6000)
            (void)journal_trim(shared.journal, shared.stream, next - 3000);
        commit(shared.journal);
    }
    atomic_store(&shared.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    pthread_join(recorder, NULL);
    assert_int_equal(atomic_load(&shared.failures), 0);
    journal_close(shared.journal);
}

/* --- damage --- */

static void data_file(char out_path[PATH_BYTES])
{
    path_join(out_path, place, "data.mdb");
}

/* damage: one byte of the data file is changed where `pattern` stands first behind `from`. Returns the place. */
static size_t damage_at_pattern(const char *pattern, size_t from)
{
    char path[PATH_BYTES];
    struct buffer data;
    buffer_init(&data, 0);
    data_file(path);
    assert_ok(file_read(path, &data));
    uint8_t *found = memmem(data.data + from, data.length - from, pattern, strlen(pattern));
    assert_non_null(found);
    size_t offset = (size_t)(found - data.data);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    uint8_t changed = *found ^ 1;
    assert_int_equal(pwrite(descriptor, &changed, 1, (off_t)offset), 1);
    close(descriptor);
    buffer_finish(&data);
    return offset;
}

static void changed_rows_and_records_are_refused(void **state)
{
    (void)state;
    struct journal *journal = open_cold();
    size_t stream = journal_stream(journal, "s");
    struct buffer out;
    struct error error = {{0}};
    size_t count = 42;
    buffer_init(&out, 0);
    append_committed(journal, stream, 1, 1, 20); /* small chunks share a page */
    append_committed(journal, stream, 2, 1, 100);
    append_committed(journal, stream, 3, 1, 20);
    assert_ok(journal_put_now(journal, "state", "the state of things", 19, NULL));
    journal_close(journal);
    /* Copy-on-write leaves older versions of a page behind: change every one. */
    char long_run[81];
    memset(long_run, 'x', 80);
    long_run[80] = 0;
    char path[PATH_BYTES];
    data_file(path);
    for (size_t at = 0, bytes = (size_t)file_bytes(path); at < bytes;) {
        struct buffer data;
        buffer_init(&data, 0);
        assert_ok(file_read(path, &data));
        bool more = memmem(data.data + at, data.length - at, long_run, 80) != NULL;
        buffer_finish(&data);
        if (!more)
            break;
        at = damage_at_pattern(long_run, at) + 1;
    }
    journal = open_warm();
    assert_int_equal(read_rows(journal, stream, 1, 1, 1), 1);
    assert_int_equal(journal_read(journal, stream, 2, 1000, 1, &out, &count, &error), STATUS_MALFORMED);
    assert_non_null(strstr(error.text, "rows at 2 are damaged"));
    assert_int_equal(count, 42);
    assert_int_equal(out.length, 0);
    assert_int_equal(read_rows(journal, stream, 3, 1, 1), 1);
    assert_ok(journal_get(journal, "state", &out));
    journal_close(journal);
    for (size_t at = 0;;) {
        struct buffer data;
        buffer_init(&data, 0);
        assert_ok(file_read(path, &data));
        bool more = memmem(data.data + at, data.length - at, "state of things", 15) != NULL;
        buffer_finish(&data);
        if (!more)
            break;
        at = damage_at_pattern("state of things", at) + 1;
    }
    journal = open_warm();
    buffer_clear(&out);
    assert_int_equal(journal_get(journal, "state", &out), STATUS_MALFORMED);
    assert_int_equal(out.length, 0);
    journal_close(journal);
    buffer_finish(&out);
}

static void expect_refused(const char *what)
{
    struct journal_config config = config_of("run-1", "f1");
    struct journal *journal = NULL;
    struct error error = {{0}};
    enum journal_beginning beginning;
    if (journal_open(&config, &journal, &beginning, &error) == STATUS_OK)
        fail_msg("opened: %s", what);
    assert_null(journal);
    assert_non_null(strstr(error.text, place));
    assert_non_null(strstr(error.text, "remove the folder to begin anew"));
}

static void a_file_that_is_no_journal_is_refused(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    struct random random = check_random();
    struct journal *journal = open_cold();
    for (int64_t i = 1; i < 200; i++)
        append_committed(journal, journal_stream(journal, "s"), i, 1, 900);
    journal_close(journal);
    data_file(path);
    struct buffer whole;
    buffer_init(&whole, 0);
    assert_ok(file_read(path, &whole));
    /* cut off: LMDB would take the missing pages for granted */
    for (size_t keep = 1; keep < whole.length; keep = 2 * keep + 511) {
        assert_ok(file_replace(path, whole.data, keep, false));
        expect_refused("a file cut off");
    }
    uint8_t *noise = malloc(whole.length);
    for (size_t i = 0; i < whole.length; i++)
        noise[i] = (uint8_t)random_u64(&random);
    assert_ok(file_replace(path, noise, whole.length, false));
    expect_refused("noise");
    memset(noise, 0, whole.length);
    assert_ok(file_replace(path, noise, whole.length, false));
    expect_refused("zeros");
    assert_ok(file_replace(path, whole.data, whole.length, false));
    journal = open_warm();
    expect_all(journal, journal_stream(journal, "s"), 1, 10000);
    journal_close(journal);
    free(noise);
    buffer_finish(&whole);
}

/* is_short: the newer of the two meta pages names a page that the file does not have. */
static bool is_short(const struct buffer *file)
{
    uint64_t fields[2][2]; /* last page, transaction */
    for (size_t i = 0; file->length && i < 2; i++)
        memcpy(fields[i], file->data + i * 4096 + 136, sizeof fields[i]);
    return file->length && fields[fields[1][1] > fields[0][1]][0] >= file->length / 4096;
}

struct short_files {
    size_t found;           /* that LMDB had left short */
    size_t opened, refused; /* at some length */
};

/* cut_further: whatever is cut off the file: all rows are there, or it is refused. */
static void cut_further(struct short_files *counts)
{
    char path[PATH_BYTES];
    struct buffer whole;
    struct journal_config config = config_of("run-1", "f1");
    struct journal *journal = open_warm();
    size_t streams = journal_stream(journal, "next"); /* numbers go up from 0 */
    int64_t first[8], last[8];
    for (size_t i = 0; i < streams; i++) {
        first[i] = journal_first(journal, i);
        last[i] = journal_last(journal, i);
    }
    journal_close(journal);
    data_file(path);
    buffer_init(&whole, 0);
    assert_ok(file_read(path, &whole));
    counts->found += is_short(&whole);
    uint64_t pages = whole.length / 4096;
    for (uint64_t cut = 0; cut < pages; cut += 1 + cut / 20) {
        struct error error = {{0}};
        enum journal_beginning beginning;
        assert_int_equal(truncate(path, (off_t)(pages - cut) * 4096), 0);
        if (journal_open(&config, &journal, &beginning, &error) != STATUS_OK) {
            counts->refused++;
            continue;
        }
        counts->opened++;
        for (size_t i = 0; i < streams; i++) {
            assert_int_equal(journal_first(journal, i), first[i]);
            assert_int_equal(journal_last(journal, i), last[i]);
            expect_all(journal, i, first[i], 10000);
        }
        journal_close(journal);
    }
    assert_ok(file_replace(path, whole.data, whole.length, false));
    buffer_finish(&whole);
}

static void turn(const char *stream, int64_t chunks, int64_t rows, int64_t kept_rows)
{
    struct journal *journal = open_warm();
    size_t number = journal_stream(journal, stream);
    int64_t next = journal_last(journal, number) + 1;
    assert_ok(journal_begin(journal, NULL));
    for (int64_t i = 0; i < chunks; i++, next += rows)
        append(journal, number, next, (size_t)rows, 700);
    journal_trim(journal, number, next - kept_rows);
    commit(journal);
    journal_close(journal);
}

/* Pages that LMDB takes and gives back within one transaction are never written: the file may end before its last page. */
static void a_file_without_pages_that_nobody_uses_is_whole(void **state)
{
    (void)state;
    struct short_files counts = {0};
    journal_close(open_cold());
    for (int64_t i = 0; i < 40; i++) {
        turn("s", 5 + i, 1, i / 2);
        cut_further(&counts);
    }
    assert_true(counts.found > 10 && counts.refused > 0);
}

static void a_damaged_list_of_free_pages_crashes_nothing(void **state)
{
    enum { TRIES = 2000, FREE_ROOT_AT = 80 };
    (void)state;
    char path[PATH_BYTES];
    struct random random = check_random();
    struct journal_config config = config_of("run-1", "f1");
    struct buffer whole;
    uint8_t damaged[4096];
    size_t refused = 0;
    data_file(path);
    buffer_init(&whole, 0);
    journal_close(open_cold());
    for (int64_t i = 0; !is_short(&whole); i++) {
        assert_true(i < 40);
        turn("s", 5 + i, 1, i / 2);
        buffer_clear(&whole);
        assert_ok(file_read(path, &whole));
    }
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < TRIES; i++) {
        struct journal *journal;
        struct error error = {{0}};
        enum journal_beginning beginning;
        uint64_t root;
        memcpy(&root, whole.data + i % 2 * 4096 + FREE_ROOT_AT, sizeof root);
        if (root >= whole.length / 4096)
            continue;
        memcpy(damaged, whole.data + root * 4096, sizeof damaged);
        for (size_t bits = 1 + random_below(&random, 4); bits--;) {
            size_t at = random_below(&random, 300); /* heads and places are in front, nodes at the end */
            damaged[at < 50 ? at : 4096 + 50 - 1 - at] ^= (uint8_t)(1 << random_below(&random, 8));
        }
        assert_int_equal(pwrite(descriptor, damaged, 4096, (off_t)root * 4096), 4096);
        if (journal_open(&config, &journal, &beginning, &error) == STATUS_OK)
            journal_close(journal);
        else
            refused++;
        assert_int_equal(pwrite(descriptor, whole.data + root * 4096, 4096, (off_t)root * 4096), 4096);
    }
    close(descriptor);
    assert_true(refused > 0);
    buffer_finish(&whole);
}

/* hold: another process that reads one version of the journal for ever, so that no page is used again. */
static pid_t hold(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        MDB_env *environment;
        MDB_txn *transaction;
        if (mdb_env_create(&environment) || mdb_env_open(environment, place, MDB_RDONLY, 0600) ||
            mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction) || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

/* The same when the list of what is free is long: it has branches, and what one turn frees has pages of its own. */
static void a_long_list_of_free_pages_is_read_to_its_end(void **state)
{
    (void)state;
    struct short_files counts = {0};
    journal_close(open_cold());
    pid_t child = hold();
    turn("s", 300, 8, INT64_MAX / 2);
    turn("s", 1, 1, 0);
    for (int i = 0; i < 100; i++)
        turn("s", 20, 1, 10);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    /* What was written last goes where there is room now: the end of the file is free. */
    for (int i = 0; i < 5; i++)
        turn("s", 20, 1, 10);
    cut_further(&counts);
    assert_true(counts.opened > 1 && counts.refused > 1);
}

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
        IN_A_FOLDER(a_kill_at_any_moment_leaves_whole_turns),
        IN_A_FOLDER(threads_read_and_put_while_the_loop_writes),
        IN_A_FOLDER(what_was_read_all_day_does_not_count_as_memory_for_ever),
        IN_A_FOLDER(changed_rows_and_records_are_refused),
        IN_A_FOLDER(a_file_that_is_no_journal_is_refused),
        IN_A_FOLDER(a_file_without_pages_that_nobody_uses_is_whole),
        IN_A_FOLDER(a_damaged_list_of_free_pages_crashes_nothing),
        IN_A_FOLDER(a_long_list_of_free_pages_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
