// links: journal proto base lmdb
// timeout: 120
/* A damaged journal: refused with a sentence, whatever was changed in its file, and never a crash. */
#include "journal_fixture.h"

#include "tests/support/check.h"

#include "base/file.h"
#include "journal/journal.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

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

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(changed_rows_and_records_are_refused),
        IN_A_FOLDER(a_file_that_is_no_journal_is_refused),
        IN_A_FOLDER(a_file_without_pages_that_nobody_uses_is_whole),
        IN_A_FOLDER(a_damaged_list_of_free_pages_crashes_nothing),
        IN_A_FOLDER(a_long_list_of_free_pages_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
