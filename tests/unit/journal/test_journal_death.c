// links: journal proto base lmdb
// timeout: 180
/* The journal when its writer is killed at any moment, and while several threads use it. */
#include "journal_fixture.h"

#include "tests/support/check.h"

#include "base/clock.h"
#include "journal/journal.h"
#include "proto/control.h"
#include "proto/frame.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
    struct journal_config config = config_of("run-1", "f1");
    config.max_bytes =
        1 << 30; /* a reader that gets no processor in the middle of its transaction keeps every page since */
    struct shared shared = {.journal = open_expecting(&config, JOURNAL_COLD)};
    shared.stream = journal_stream(shared.journal, "s");
    pthread_t readers[3], recorder;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader_thread, &shared), 0);
    assert_int_equal(pthread_create(&recorder, NULL, record_thread, &shared), 0);
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + 100000;
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

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_kill_at_any_moment_leaves_whole_turns),
        IN_A_FOLDER(threads_read_and_put_while_the_loop_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
