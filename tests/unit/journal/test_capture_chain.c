// Captures of several instances read as one: by receive time, each in its own order, all of it.
// links: journal base
#include "base/file.h"
#include "journal/capture_chain.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { RECORDS = 300, INSTANCES = 3 };

static const char *const FOLDERS[INSTANCES] = {"data/raw", "data/raw-harvest.2", "data/raw-harvest.3"};

static char root[PATH_BYTES];

static int open_folder(void **state)
{
    (void)state;
    check_folder(root);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    check_folder_remove(root);
    return 0;
}

static void folder_of(size_t instance, char out_path[PATH_BYTES])
{
    path_join(out_path, root, "%s", FOLDERS[instance]);
}

/* write_captures: records of rising times, each in a capture that chance chooses, some of them at the same time; how many in each. */
static void write_captures(struct random *random, size_t used, int64_t counts[INSTANCES])
{
    struct clock_manual manual = {.wall_ns = 0};
    struct capture_writer *writers[INSTANCES] = {NULL};
    struct error error = {{0}};
    int64_t time_ns = 1000;
    for (size_t i = 0; i < used; i++) {
        char folder[PATH_BYTES];
        folder_of(i, folder);
        struct capture_writer_config config = {.folder = folder,
                                               .run_id = "r",
                                               .metadata_json = "{}",
                                               .rotate_bytes = 2000, /* several files */
                                               .clock = clock_from_manual(&manual)};
        if (capture_writer_open(&config, &writers[i], &error) != STATUS_OK)
            fail_msg("%s", error.text);
    }
    for (int64_t n = 0; n < RECORDS; n++) {
        size_t i = (size_t)random_below(random, used);
        time_ns += (int64_t)random_below(random, 3);
        assert_ok(
            capture_append(writers[i], CAPTURE_MESSAGE, 1, time_ns, time_ns, &time_ns, sizeof time_ns, NULL));
        counts[i]++;
    }
    for (size_t i = 0; i < used; i++)
        capture_writer_close(writers[i]);
}

/* read_all: checks order and numbers; how many messages of each capture. */
static void read_all(struct capture_chain *chain, int64_t counts[INSTANCES])
{
    struct capture_record record;
    struct error error;
    enum status status;
    uint64_t seqs[INSTANCES] = {0};
    int64_t last_message_ns = 0;
    while ((status = capture_chain_next(chain, &record, &error)) == STATUS_OK) {
        const char *path;
        uint64_t offset;
        assert_in_range(record.source, 0, INSTANCES - 1);
        assert_int_equal(record.seq, ++seqs[record.source] + record.source * CAPTURE_CHAIN_STEP);
        capture_chain_record_place(chain, &record, &path, &offset);
        if (record.kind != CAPTURE_MESSAGE)
            continue; /* the metadata of a file has the time of its writing */
        assert_true(record.recv_ns >= last_message_ns);
        assert_memory_equal(record.payload, &record.recv_ns, sizeof record.recv_ns);
        last_message_ns = record.recv_ns;
        counts[record.source]++;
    }
    assert_int_equal(status, STATUS_END);
}

static void test_records_come_by_receive_time_each_capture_in_its_order(void **unused)
{
    (void)unused;
    struct random random = check_random();
    int64_t written[INSTANCES] = {0}, read[INSTANCES] = {0};
    char paths[INSTANCES][PATH_BYTES];
    const char *folders[INSTANCES];
    struct capture_chain *chain;
    struct error error;
    write_captures(&random, INSTANCES, written);
    for (size_t i = 0; i < INSTANCES; i++) {
        folder_of(i, paths[i]);
        folders[i] = paths[i];
    }
    assert_ok(capture_chain_open(folders, INSTANCES, "r", &chain, &error));
    read_all(chain, read);
    assert_memory_equal(read, written, sizeof read);
    size_t files = capture_chain_file_count(chain);
    assert_true(files > INSTANCES);
    const char *names[64]; /* captures in the other order, their files in theirs */
    size_t count = 0;
    assert_in_range(files, 1, 64);
    assert_null(capture_chain_file_path(chain, files));
    for (size_t k = INSTANCES; k-- > 0;)
        for (size_t i = 0; i < capture_file_count(capture_chain_source(chain, k)); i++)
            names[count++] = capture_file_path(capture_chain_source(chain, k), i);
    assert_int_equal(count, files);
    struct capture_chain *named;
    int64_t again[INSTANCES] = {0};
    assert_ok(capture_chain_open_files(names, files, &named, &error));
    read_all(named, again);
    for (size_t i = 0; i < INSTANCES; i++)
        assert_int_equal(again[i], written[INSTANCES - 1 - i]);
    capture_chain_close(named);
    capture_chain_close(chain);
}

static void test_a_folder_without_a_capture_is_left_out_and_none_at_all_is_told(void **unused)
{
    (void)unused;
    struct random random = check_random();
    int64_t written[INSTANCES] = {0}, read[INSTANCES] = {0};
    char paths[INSTANCES][PATH_BYTES];
    const char *folders[INSTANCES];
    struct capture_chain *chain;
    struct error error;
    for (size_t i = 0; i < INSTANCES; i++) {
        folder_of(i, paths[i]);
        folders[i] = paths[i];
    }
    assert_int_equal(capture_chain_open(folders, INSTANCES, "r", &chain, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "no file of run r"));
    assert_int_equal(capture_chain_open_files(folders, 0, &chain, &error), STATUS_INVALID);
    write_captures(&random, 1, written);
    assert_ok(capture_chain_open(folders, INSTANCES, "r", &chain, &error));
    assert_null(capture_chain_source(chain, 1));
    read_all(chain, read);
    assert_memory_equal(read, written, sizeof read);
    capture_chain_close(chain);
}

static void test_a_torn_end_is_told_with_its_file(void **unused)
{
    (void)unused;
    struct random random = check_random();
    int64_t written[INSTANCES] = {0}, read[INSTANCES] = {0};
    char paths[INSTANCES][PATH_BYTES];
    const char *folders[INSTANCES], *path;
    struct capture_chain *chain;
    struct error error;
    uint64_t offset;
    write_captures(&random, 2, written);
    for (size_t i = 0; i < INSTANCES; i++) {
        folder_of(i, paths[i]);
        folders[i] = paths[i];
    }
    assert_ok(capture_chain_open(folders, INSTANCES, "r", &chain, &error));
    read_all(chain, read);
    assert_false(capture_chain_torn(chain, &path, &offset));
    const struct capture_reader *second = capture_chain_source(chain, 1);
    char last[PATH_BYTES];
    snprintf(last, sizeof last, "%s", capture_file_path(second, capture_file_count(second) - 1));
    capture_chain_close(chain);
    FILE *file = fopen(last, "ab");
    assert_non_null(file);
    fputs("torn", file);
    fclose(file);
    memset(read, 0, sizeof read);
    assert_ok(capture_chain_open(folders, INSTANCES, "r", &chain, &error));
    read_all(chain, read);
    assert_memory_equal(read, written, sizeof read);
    assert_true(capture_chain_torn(chain, &path, &offset));
    assert_string_equal(path, last);
    capture_chain_close(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records_come_by_receive_time_each_capture_in_its_order,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_a_folder_without_a_capture_is_left_out_and_none_at_all_is_told,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_a_torn_end_is_told_with_its_file, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
