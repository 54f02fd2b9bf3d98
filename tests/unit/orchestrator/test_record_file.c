// What the orchestrator keeps of itself: the newest whole record, however its writer ended.
// links: orchestrator base
#include "base/file.h"
#include "orchestrator/supervision/record_file.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_BYTES], path[PATH_BYTES];

static int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(path, folder, "state");
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}

static void expect(const char *text)
{
    struct buffer found;
    buffer_init(&found, 0);
    assert_ok(record_file_read(path, &found));
    assert_string_equal(buffer_text(&found), text);
    buffer_finish(&found);
}

static void write_text(struct record_file *file, const char *text)
{
    assert_ok(record_file_write(file, path, text, strlen(text)));
}

static void the_newest_record_is_read(void **unused)
{
    (void)unused;
    struct record_file file = {0};
    char text[32];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "record %d", i);
        write_text(&file, text);
        expect(text);
    }
    record_file_finish(&file);
}

/* A full disk gives no room for a new file: a folder in the place of the one that would be renamed refuses as it does. */
static void another_writer_takes_the_room_that_is_there_and_damages_nothing(void **unused)
{
    (void)unused;
    struct record_file first = {0}, second = {0}, third = {0};
    char blocked[PATH_BYTES], longer[3 * 4096];
    path_join(blocked, folder, ".state.tmp");
    write_text(&first, "one");
    write_text(&first, "two");
    assert_ok(folder_make(blocked, 0755));
    write_text(&second, "three");
    expect("three");
    write_text(&second, "four");
    expect("four");
    write_text(&third, "five");
    expect("five");
    memset(longer, 'x', sizeof longer);
    assert_int_equal(record_file_write(&third, path, longer, sizeof longer), STATUS_IO);
    expect("five");
    assert_ok(folder_remove(blocked));
    assert_ok(record_file_write(&third, path, longer, sizeof longer));
    record_file_finish(&first);
    record_file_finish(&second);
    record_file_finish(&third);
}

/* Every byte of the newest record is lost in turn, as if its writer had been killed before it. */
static void a_record_that_was_cut_off_is_as_if_it_had_not_been_written(void **unused)
{
    (void)unused;
    struct record_file file = {0};
    char text[32];
    enum { WRITTEN = 16 + 9 + 4 }; /* turn and length, the text, its checksum */
    for (int round = 0; round < 2 * WRITTEN; round++) {
        struct buffer before, after;
        snprintf(text, sizeof text, "older %03d", round);
        write_text(&file, text);
        buffer_init(&before, 0);
        buffer_init(&after, 0);
        assert_ok(file_read(path, &before));
        write_text(&file, "newer ###");
        assert_ok(file_read(path, &after));
        size_t cut = 0;
        while (before.data[cut] == after.data[cut])
            cut++;
        cut = cut / (after.length / 2) * (after.length / 2) +
              (size_t)round / 2; /* so many bytes have arrived */
        memcpy(after.data + cut, before.data + cut, WRITTEN - (size_t)round / 2);
        assert_ok(file_replace(path, after.data, after.length, false));
        expect(text);
        buffer_finish(&before);
        buffer_finish(&after);
    }
    record_file_finish(&file);
}

static void a_record_that_outgrows_its_place_gets_a_larger_one(void **unused)
{
    (void)unused;
    struct record_file file = {0};
    enum { GREAT_BYTES = 300000 };
    char *great = malloc(GREAT_BYTES + 1);
    memset(great, 'g', GREAT_BYTES);
    great[GREAT_BYTES] = 0;
    write_text(&file, "small");
    write_text(&file, great);
    expect(great);
    int64_t bytes = file_bytes(path);
    write_text(&file, "small again");
    expect("small again");
    assert_int_equal(file_bytes(path), bytes); /* in place */
    free(great);
    record_file_finish(&file);
}

static void another_writer_goes_on_and_a_file_that_is_gone_is_made_anew(void **unused)
{
    (void)unused;
    struct record_file first = {0}, second = {0};
    struct buffer nothing;
    buffer_init(&nothing, 0);
    write_text(&first, "one");
    write_text(&first, "two");
    write_text(&second, "three");
    expect("three");
    unlink(path);
    assert_int_equal(record_file_read(path, &nothing), STATUS_NOT_FOUND);
    write_text(&second, "four");
    expect("four");
    assert_ok(file_replace(path, "rubbish", 7, false));
    assert_int_equal(record_file_read(path, &nothing), STATUS_MALFORMED);
    assert_ok(file_replace(path, "", 0, false));
    assert_int_equal(record_file_read(path, &nothing), STATUS_MALFORMED);
    record_file_finish(&first);
    record_file_finish(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_record_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_writer_takes_the_room_that_is_there_and_damages_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_was_cut_off_is_as_if_it_had_not_been_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_outgrows_its_place_gets_a_larger_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_writer_goes_on_and_a_file_that_is_gone_is_made_anew, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
