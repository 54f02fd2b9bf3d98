// Append file: what lies behind the recorded bytes never counts; a complete file gets its name once.
// links: store journal proto base
#include "store/append_file.h"
#include "store/positions.h"
#include "tests/support/check.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

struct fixture {
    char folder[PATH_BYTES], path[PATH_BYTES], other[PATH_BYTES];
    struct append_file file;
    struct error error;
};

static int setup(void **state)
{
    static struct fixture fixture;
    check_folder(fixture.folder);
    path_join(fixture.path, fixture.folder, "a/b/file");
    path_join(fixture.other, fixture.folder, "c/other");
    append_file_init(&fixture.file);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    append_file_close(&fixture->file);
    check_folder_remove(fixture->folder);
    return 0;
}

static void assert_holds(const char *path, const char *wanted)
{
    struct buffer found;
    buffer_init(&found, 0);
    assert_ok(file_read(path, &found));
    assert_string_equal(buffer_text(&found), wanted);
    buffer_finish(&found);
}

static void put(struct fixture *fixture, const char *text)
{
    assert_ok(append_file_write(&fixture->file, text, strlen(text)));
}

static void taking_up_cuts_what_was_not_recorded(void **state)
{
    struct fixture *fixture = *state;
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    put(fixture, "one\n");
    put(fixture, "two, longer than what follows\n");
    append_file_close(&fixture->file);
    assert_ok(append_file_resume(&fixture->file, fixture->path, 4, &fixture->error));
    assert_holds(fixture->path, "one\n");
    put(fixture, "2\n");
    assert_int_equal(fixture->file.bytes, 6);
    assert_holds(fixture->path, "one\n2\n");
}

static void creating_empties_what_was_there(void **state)
{
    struct fixture *fixture = *state;
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    put(fixture, "one\n");
    append_file_close(&fixture->file);
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    assert_holds(fixture->path, "");
}

static void a_missing_or_shorter_file_is_told(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(append_file_resume(&fixture->file, fixture->path, 0, &fixture->error), STATUS_NOT_FOUND);
    assert_non_null(strstr(fixture->error.text, fixture->path));
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    append_file_close(&fixture->file);
    assert_int_equal(append_file_resume(&fixture->file, fixture->path, 1, &fixture->error), STATUS_CONFLICT);
    assert_int_equal(fixture->file.descriptor, -1);
}

static void a_write_that_fails_half_way_counts_for_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit limit;
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    put(fixture, "12345678");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(append_file_write(&fixture->file, "abcdefgh", 8), STATUS_IO);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(fixture->file.bytes, 8);
    assert_holds(fixture->path, "12345678ab"); /* torn, and behind the bytes that count */
    put(fixture, "ABC");
    assert_holds(fixture->path, "12345678ABC");
}

static void renaming_makes_folders_and_overwrites_nothing(void **state)
{
    struct fixture *fixture = *state;
    bool repeated;
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    put(fixture, "one\n");
    assert_ok(file_rename_once(fixture->path, fixture->other, &repeated, &fixture->error));
    assert_false(repeated);
    assert_false(file_exists(fixture->path));
    append_file_close(&fixture->file);
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    put(fixture, "two\n");
    assert_int_equal(file_rename_once(fixture->path, fixture->other, &repeated, &fixture->error),
                     STATUS_CONFLICT);
    assert_holds(fixture->other, "one\n");
    assert_holds(fixture->path, "two\n");
    append_file_close(&fixture->file);
    assert_ok(append_file_create(&fixture->file, fixture->path, &fixture->error));
    put(fixture, "one\n");
    assert_ok(file_rename_once(fixture->path, fixture->other, &repeated, &fixture->error));
    assert_true(repeated); /* the same content: done before */
    assert_false(file_exists(fixture->path));
    assert_holds(fixture->other, "one\n");
    assert_int_equal(file_rename_once(fixture->path, fixture->other, &repeated, &fixture->error), STATUS_IO);
}

static void positions_are_durable_when_committed(void **state)
{
    struct positions positions;
    (void)state;
    positions_init(&positions);
    assert_int_equal(positions_durable(&positions, "signal/BTCUSDT"), 0);
    size_t slot = positions_find(&positions, "signal/BTCUSDT");
    positions_set(&positions, slot, 7);
    assert_int_equal(positions_durable(&positions, "signal/BTCUSDT"), 0);
    positions_commit(&positions);
    positions_set(&positions, slot, 9);
    positions_set(&positions, positions_find(&positions, "signal/ETHUSDT"), 3);
    positions_rollback(&positions);
    positions_commit(&positions);
    assert_int_equal(positions_durable(&positions, "signal/BTCUSDT"), 7);
    assert_int_equal(positions_durable(&positions, "signal/ETHUSDT"), 0);
    positions_finish(&positions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(taking_up_cuts_what_was_not_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(creating_empties_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_or_shorter_file_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_fails_half_way_counts_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(renaming_makes_folders_and_overwrites_nothing, setup, teardown),
        cmocka_unit_test(positions_are_durable_when_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
