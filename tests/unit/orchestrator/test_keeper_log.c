// A child's log in its keeper's hands: turned over between two lines, never more than was agreed on disk, what is dropped told.
// links: keeper base
#include "orchestrator/keeper/log.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_BYTES], path[PATH_BYTES];

static int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(path, folder, "err");
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}

static void write_all(int sink, const char *text, size_t bytes)
{
    assert_int_equal(write(sink, text, bytes), bytes);
}

/* text_of: the n-th older file, "" when there is none. */
static char *text_of(int number)
{
    char name[PATH_BYTES + 16];
    struct buffer text;
    snprintf(name, sizeof name, number ? "%s.%d" : "%s", path, number);
    buffer_init(&text, 0);
    if (file_read(name, &text) != STATUS_OK)
        buffer_clear(&text);
    char *copy = strdup(buffer_text(&text));
    buffer_finish(&text);
    return copy;
}

static void lines_come_whole_and_in_order_through_as_many_files_as_agreed(void **unused)
{
    (void)unused;
    const struct log_policy policy = {.bytes_max = 100, .files = 3};
    struct log log;
    int sink, number = 0;
    struct random random = check_random();
    log_init(&log, -1);
    assert_int_equal(log_open(&log, path, &sink), 0);
    while (number < 200) {
        char some[512];
        size_t bytes = 0;
        for (uint64_t lines = random_below(&random, 6); lines > 0; lines--)
            bytes += (size_t)snprintf(some + bytes, sizeof some - bytes, "line %04d\n", number++);
        write_all(sink, some, bytes);
        log_take(&log, &policy, 1000);
    }
    close(sink);
    log_close(&log, &policy, 1000);
    int next = -1;
    for (int file = 3; file >= 0; file--) {
        char *text = text_of(file);
        assert_in_range(strlen(text), file ? 100 : 0, 109); /* full is who holds the line that fills it */
        for (char *line = text; *line; line += 10) {
            int value = atoi(line + 5);
            assert_true(next < 0 || value == next);
            assert_int_equal(line[9], '\n');
            next = value + 1;
        }
        free(text);
    }
    assert_int_equal(next, number);
    char *older = text_of(4);
    assert_string_equal(older, "");
    free(older);
}

static void a_line_without_an_end_does_not_fill_the_disk(void **unused)
{
    (void)unused;
    const struct log_policy policy = {.bytes_max = 1000, .files = 1};
    struct log log;
    struct stat found;
    int sink;
    char block[4000];
    memset(block, 'x', sizeof block);
    log_init(&log, -1);
    assert_int_equal(log_open(&log, path, &sink), 0);
    for (int i = 0; i < 50; i++) {
        write_all(sink, block, sizeof block);
        log_take(&log, &policy, 1000);
    }
    close(sink);
    log_close(&log, &policy, 1000);
    assert_int_equal(stat(path, &found), 0);
    assert_in_range(found.st_size, 0, 2 * 1000 + sizeof block);
}

static void a_flood_is_cut_at_its_share_of_a_second_and_what_was_dropped_is_told(void **unused)
{
    (void)unused;
    const struct log_policy policy = {.bytes_per_s = 1000};
    struct log log;
    int sink;
    int64_t said = 0;
    log_init(&log, -1);
    assert_int_equal(log_open(&log, path, &sink), 0);
    for (int i = 0; i < 500; i++) {
        write_all(sink, "twenty bytes a line\n", 20);
        said += 20;
        log_take(&log, &policy, 5000);
    }
    assert_int_equal(log_owes(&log), 6000);
    log_tell(&log, 5999);
    assert_true(log.dropped == said - 1000);
    log_tell(&log, 6000);
    assert_int_equal(log_owes(&log), -1);
    write_all(sink, "after\n", 6);
    close(sink);
    log_close(&log, &policy, 6001);
    char *text = text_of(0), wanted[64];
    snprintf(wanted, sizeof wanted, "WARNING keeper log_dropped bytes=%lld\n", (long long)(said - 1000));
    assert_int_equal(strncmp(text + 980, "twenty bytes a line\n", 20), 0);
    assert_non_null(strstr(text + 1000, wanted));
    assert_string_equal(strrchr(text, '=') + strlen(strrchr(wanted, '=')), "after\n");
    free(text);
}

static void of_a_line_whose_beginning_was_dropped_the_rest_is_dropped_too(void **unused)
{
    (void)unused;
    const struct log_policy policy = {.bytes_per_s = 10};
    struct log log;
    int sink;
    log_init(&log, -1);
    assert_int_equal(log_open(&log, path, &sink), 0);
    write_all(sink, "0123456789 far too long, and", 28); /* without its end */
    log_take(&log, &policy, 1000);
    write_all(sink, " its end\nnext\n", 14);
    log_take(&log, &policy, 2000);
    close(sink);
    log_close(&log, &policy, 2000);
    char *text = text_of(0);
    assert_null(strstr(text, "its end"));
    assert_non_null(strstr(text, "log_dropped bytes=28\n"));
    assert_non_null(strstr(text, "\nnext\n"));
    assert_non_null(strstr(text, "log_dropped bytes=9\n"));
    free(text);
}

static void where_nothing_can_be_written_the_child_does_not_wait(void **unused)
{
    (void)unused;
    const struct log_policy policy = {0};
    struct log log;
    int sink;
    log_init(&log, -1);
    assert_int_equal(log_open(&log, path, &sink), 0);
    close(log.file);
    log.file = open("/dev/full", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 1000; i++) {
        write_all(sink, "twenty bytes a line\n", 20);
        log_take(&log, &policy, 1000);
    }
    assert_int_equal(log.dropped, 20000);
    close(log.file);
    log.file = -1; /* there is room again */
    log_tell(&log, 2000);
    close(sink);
    log_close(&log, &policy, 2000);
    char *text = text_of(0);
    assert_non_null(strstr(text, "log_dropped bytes=20000\n"));
    free(text);
}

static void a_log_is_appended_to_and_counts_what_is_there(void **unused)
{
    (void)unused;
    const struct log_policy policy = {.bytes_max = 10, .files = 1};
    for (int life = 0; life < 3; life++) {
        struct log log;
        int sink;
        log_init(&log, -1);
        assert_int_equal(log_open(&log, path, &sink), 0);
        write_all(sink, "seven.\n", 7);
        close(sink);
        log_close(&log, &policy, 1000);
    }
    char *newest = text_of(0), *older = text_of(1);
    assert_string_equal(newest, "seven.\n");
    assert_string_equal(older, "seven.\nseven.\n");
    free(newest);
    free(older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_come_whole_and_in_order_through_as_many_files_as_agreed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_line_without_an_end_does_not_fill_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_is_cut_at_its_share_of_a_second_and_what_was_dropped_is_told,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_line_whose_beginning_was_dropped_the_rest_is_dropped_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_nothing_can_be_written_the_child_does_not_wait, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_log_is_appended_to_and_counts_what_is_there, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
