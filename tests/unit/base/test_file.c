// links: base
/* Files appear complete under their final name, or not at all. */
#include "tests/support/in_folder.h"

#include "base/hash.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *inside(const char *name)
{
    static char path[PATH_BYTES];
    path_join(path, folder, "%s", name);
    return path;
}

static void replace_is_all_or_nothing(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    struct buffer content;
    path_join(path, folder, "status.json");
    buffer_init(&content, 0);
    assert_ok(file_replace(path, "first", 5, true));
    assert_ok(file_replace(path, "second!", 7, false));
    assert_ok(file_read(path, &content));
    assert_string_equal(buffer_text(&content), "second!");
    assert_int_equal(file_bytes(path), 7);
    assert_false(file_exists(inside(".status.json.tmp")));
    /* A target that cannot be replaced keeps what it has, and no temporary file stays. */
    assert_ok(folder_make(inside("taken/full"), 0755));
    assert_int_equal(file_replace(inside("taken"), "x", 1, false), STATUS_IO);
    assert_false(file_exists(inside(".taken.tmp")));
    assert_int_equal(file_replace(inside("no/such/folder"), "x", 1, false), STATUS_IO);
    assert_ok(file_replace(inside("empty"), NULL, 0, false));
    assert_int_equal(file_bytes(inside("empty")), 0);
    buffer_finish(&content);
}

static void read_keeps_the_limit_and_its_output(void **state)
{
    (void)state;
    struct buffer out;
    assert_ok(file_replace(inside("ten"), "0123456789", 10, false));
    buffer_init(&out, 12);
    buffer_append_text(&out, "ab");
    assert_ok(file_read(inside("ten"), &out)); /* exactly full */
    assert_string_equal(buffer_text(&out), "ab0123456789");
    buffer_clear(&out);
    buffer_append_text(&out, "abc");
    assert_int_equal(file_read(inside("ten"), &out), STATUS_LIMIT);
    assert_string_equal(buffer_text(&out), "abc");
    assert_false(out.overflowed);
    assert_int_equal(file_read(inside("none"), &out), STATUS_NOT_FOUND);
    assert_int_equal(file_read(folder, &out), STATUS_IO);
    buffer_finish(&out);
    assert_int_equal(file_bytes(inside("none")), -1);
    assert_false(file_exists(inside("none")));
}

static void a_large_file_reads_and_hashes_whole(void **state)
{
    (void)state;
    struct random random = check_random();
    size_t bytes = 200001;
    uint8_t *data = malloc(bytes);
    struct buffer out;
    char digest[SHA256_HEX_BYTES], expected[SHA256_HEX_BYTES];
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)random_u64(&random);
    buffer_init(&out, 0);
    assert_ok(file_replace(inside("large"), data, bytes, false));
    assert_ok(file_read(inside("large"), &out));
    assert_int_equal(out.length, bytes);
    assert_memory_equal(out.data, data, bytes);
    assert_ok(file_sha256(inside("large"), digest));
    sha256_hex(data, bytes, expected);
    assert_string_equal(digest, expected);
    assert_int_equal(file_sha256(inside("none"), digest), STATUS_NOT_FOUND);
    buffer_finish(&out);
    free(data);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct stat found;
    assert_ok(folder_make(inside("a/b/c"), 0700));
    assert_ok(folder_make(inside("a/b/c/"), 0700));
    assert_int_equal(stat(inside("a/b/c"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    assert_ok(folder_make_for(inside("x/y/file")));
    assert_true(file_exists(inside("x/y")));
    assert_false(file_exists(inside("x/y/file")));
    assert_ok(file_replace(inside("plain"), "", 0, false));
    assert_int_equal(folder_make(inside("plain"), 0755), STATUS_IO);
    assert_int_equal(folder_make(inside("plain/below"), 0755), STATUS_IO);
    assert_int_equal(folder_make("", 0755), STATUS_INVALID);
    char endless[2 * PATH_BYTES];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_int_equal(folder_make(endless, 0755), STATUS_INVALID);
    assert_ok(folder_make_for("no_folder_part"));
}

static enum status note_path(void *context, const char *path)
{
    buffer_append_text(context, path + strlen(folder));
    buffer_append_byte(context, '\n');
    return STATUS_OK;
}

static enum status stop_at_second(void *context, const char *path)
{
    (void)path;
    return ++*(int *)context == 2 ? STATUS_END : STATUS_OK;
}

static void walk_visits_finished_files_in_byte_order(void **state)
{
    (void)state;
    static const char *const FILES[] = {"b/2", "b/10", "a", "C", "b/.hidden.tmp", ".dotted/x", "z/deep/er/f"};
    struct buffer seen;
    int count = 0;
    buffer_init(&seen, 0);
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        assert_ok(folder_make_for(inside(FILES[i])));
        assert_ok(file_replace(inside(FILES[i]), "", 0, false));
    }
    assert_int_equal(symlink("a", inside("link")), 0);
    assert_ok(folder_walk(folder, note_path, &seen));
    assert_string_equal(buffer_text(&seen), "/C\n/a\n/b/10\n/b/2\n/z/deep/er/f\n");
    assert_int_equal(folder_walk(folder, stop_at_second, &count), STATUS_END);
    assert_int_equal(count, 2);
    assert_int_equal(folder_walk(inside("none"), note_path, &seen), STATUS_NOT_FOUND);
    buffer_finish(&seen);
}

static void remove_follows_no_links(void **state)
{
    (void)state;
    assert_ok(folder_make(inside("keep"), 0755));
    assert_ok(file_replace(inside("keep/file"), "x", 1, false));
    assert_ok(folder_make(inside("drop/sub"), 0755));
    assert_ok(file_replace(inside("drop/sub/file"), "x", 1, false));
    assert_int_equal(symlink("../keep", inside("drop/link")), 0);
    assert_int_equal(symlink("keep", inside("top_link")), 0);
    assert_ok(folder_remove(inside("drop")));
    assert_false(file_exists(inside("drop")));
    assert_ok(folder_remove(inside("top_link"))); /* only the link goes */
    assert_true(file_exists(inside("keep/file")));
    assert_ok(folder_remove(inside("drop"))); /* missing is fine */
}

static void paths_are_cut_not_overrun(void **state)
{
    (void)state;
    char path[PATH_BYTES], endless[3 * PATH_BYTES];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    path_join(path, endless, "%s", endless);
    assert_int_equal(strlen(path), PATH_BYTES - 1);
    path_join(path, "one", "two");
    path_join(path, path, "three"); /* the output may be the folder */
    assert_string_equal(path, "one/two/three");
}

static void write_all_says_when_it_cannot(void **state)
{
    (void)state;
    int descriptor = open(inside("ten"), O_RDONLY | O_CREAT, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(file_write_all(descriptor, "x", 1), STATUS_IO);
    close(descriptor);
    int full = open("/dev/full", O_WRONLY);
    if (full >= 0) {
        assert_int_equal(file_write_all(full, "x", 1), STATUS_IO);
        close(full);
    }
}

static void a_lock_is_seen_by_others_and_asking_takes_nothing(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", inside("lock"));
    assert_false(file_lock_held(path));
    int holder = open(path, O_RDWR | O_CREAT, 0600), other = open(path, O_RDWR);
    assert_false(file_lock_held(path));
    assert_int_equal(file_lock(holder), STATUS_OK);
    assert_int_equal(file_lock(other), STATUS_EXISTS);
    assert_true(file_lock_held(path));
    close(other); /* of the same process: its close must not give away the holder's lock */
    assert_true(file_lock_held(path));
    close(holder);
    assert_false(file_lock_held(path));
    int reading = open(path, O_RDONLY);
    assert_int_equal(file_lock(reading), STATUS_IO);
    close(reading);
}

static void the_own_folder_is_known(void **state)
{
    (void)state;
    char own[PATH_BYTES];
    process_folder(own);
    path_join(own, own, "test_base_file");
    assert_true(file_exists(own));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(replace_is_all_or_nothing),
        IN_FOLDER(read_keeps_the_limit_and_its_output),
        IN_FOLDER(a_large_file_reads_and_hashes_whole),
        IN_FOLDER(folders_are_made_with_their_parents),
        IN_FOLDER(walk_visits_finished_files_in_byte_order),
        IN_FOLDER(remove_follows_no_links),
        IN_FOLDER(write_all_says_when_it_cannot),
        IN_FOLDER(a_lock_is_seen_by_others_and_asking_takes_nothing),
        cmocka_unit_test(paths_are_cut_not_overrun),
        cmocka_unit_test(the_own_folder_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
