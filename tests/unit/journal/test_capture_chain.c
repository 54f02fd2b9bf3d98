// Captures of several instances read as one: by receive time, each in its own order, all of it; moves by their numbers.
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

/* --- moves --- */

/* writing: the captures of instances whose clocks differ, and may be set while they write. */
struct writing {
    struct capture_writer *writers[INSTANCES];
    int64_t ahead_ns[INSTANCES];
    int64_t now_ns;
};

static void write_open(struct writing *writing)
{
    static struct clock_manual manual;
    struct error error = {{0}};
    *writing = (struct writing){.now_ns = 1000000};
    for (size_t i = 0; i < INSTANCES; i++) {
        char folder[PATH_BYTES];
        folder_of(i, folder);
        struct capture_writer_config config = {
            .folder = folder, .run_id = "r", .metadata_json = "{}", .clock = clock_from_manual(&manual)};
        if (capture_writer_open(&config, &writing->writers[i], &error) != STATUS_OK)
            fail_msg("%s", error.text);
    }
}

static void write_record(struct writing *writing, size_t source, enum capture_kind kind, const char *text)
{
    int64_t time_ns = ++writing->now_ns + writing->ahead_ns[source];
    assert_ok(capture_append(writing->writers[source], kind, 1, time_ns, time_ns, text, strlen(text), NULL));
}

static void write_move(struct writing *writing, size_t source, const char *move, int64_t version,
                       const char *more)
{
    char text[120];
    snprintf(text, sizeof text, "{\"move\":\"%s\",\"symbol\":\"AAA\",\"version\":%d%s}", move, (int)version,
             more);
    write_record(writing, source, CAPTURE_MOVE, text);
}

static void write_some(struct writing *writing, struct random *random)
{
    for (uint64_t n = random_below(random, 6); n > 0; n--) {
        size_t source = (size_t)random_below(random, INSTANCES);
        if (random_below(random, 10) == 0)
            writing->ahead_ns[source] = (int64_t)random_below(random, 400) - 200;
        write_record(writing, source, CAPTURE_MESSAGE, "{}");
    }
}

/* write_moves: a symbol goes round, there and back in any order; some moves are given up, and lives say again what they expect. */
static void write_moves(struct writing *writing, struct random *random, int64_t count)
{
    size_t owner = 0;
    for (int64_t version = 2; version < 2 + count; version++) {
        size_t to = (owner + 1 + (size_t)random_below(random, INSTANCES - 1)) % INSTANCES;
        bool is_vain = random_below(random, 4) == 0;
        write_some(writing, random);
        write_move(writing, to, "expect", version, "");
        write_some(writing, random);
        if (random_below(random, 3) == 0)
            write_move(writing, to, "expect", version, is_vain ? "" : ",\"anew\":true");
        write_some(writing, random);
        if (is_vain) {
            write_move(writing, to, "forget", version, "");
            continue;
        }
        write_move(writing, owner, "leave", version, "");
        owner = to;
    }
    write_some(writing, random);
}

/* read_moves: of those that were made the numbers only grow, and each has its two records one behind the other. */
static void read_moves(struct capture_chain *chain, uint64_t seed)
{
    struct capture_record record;
    struct error error;
    char before[120] = "";
    uint16_t source_before = 0;
    int newest = 0, version;
    while (capture_chain_next(chain, &record, &error) == STATUS_OK) {
        char text[120];
        snprintf(text, sizeof text, "%.*s", (int)record.payload_bytes, (const char *)record.payload);
        if (sscanf(text, "{\"move\":\"leave\",\"symbol\":\"AAA\",\"version\":%d", &version) == 1) {
            char expect[80];
            snprintf(expect, sizeof expect, "{\"move\":\"expect\",\"symbol\":\"AAA\",\"version\":%d",
                     version);
            if (version <= newest || strncmp(before, expect, strlen(expect)) != 0 ||
                source_before == record.source)
                fail_msg("seed %llu: %s of capture %d comes behind move %d and %s of capture %d",
                         (unsigned long long)seed, text, record.source, newest, before, source_before);
            newest = version;
        }
        memcpy(before, text, sizeof before);
        source_before = record.source;
    }
}

static void test_moves_come_in_their_order_whatever_the_clocks_said(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random;
        struct writing writing;
        char paths[INSTANCES][PATH_BYTES];
        const char *folders[INSTANCES];
        struct capture_chain *chain;
        struct error error;
        random_seed(&random, seed);
        write_open(&writing);
        write_moves(&writing, &random, 12);
        for (size_t i = 0; i < INSTANCES; i++) {
            capture_writer_close(writing.writers[i]);
            folder_of(i, paths[i]);
            folders[i] = paths[i];
        }
        assert_ok(capture_chain_open(folders, INSTANCES, "r", &chain, &error));
        read_moves(chain, seed);
        capture_chain_close(chain);
        for (size_t i = 0; i < INSTANCES; i++)
            assert_ok(folder_remove(paths[i]));
    }
}

/* What says of moves cannot all be true: every record is given all the same. */
static void test_captures_that_contradict_each_other_are_read_to_their_ends(void **unused)
{
    (void)unused;
    struct writing writing;
    char paths[INSTANCES][PATH_BYTES];
    const char *folders[INSTANCES];
    struct capture_chain *chain;
    struct capture_record record;
    struct error error;
    size_t count = 0;
    write_open(&writing);
    write_move(&writing, 0, "expect", 3, "");
    write_move(&writing, 0, "leave", 2, "");
    write_move(&writing, 1, "expect", 2, "");
    write_move(&writing, 1, "leave", 3, "");
    write_move(&writing, 2, "leave", 9, "");
    write_record(&writing, 2, CAPTURE_MOVE, "{");
    for (size_t i = 0; i < INSTANCES; i++) {
        capture_writer_close(writing.writers[i]);
        folder_of(i, paths[i]);
        folders[i] = paths[i];
    }
    assert_ok(capture_chain_open(folders, INSTANCES, "r", &chain, &error));
    while (capture_chain_next(chain, &record, &error) == STATUS_OK)
        count++;
    assert_int_equal(count, 6 + INSTANCES); /* and the metadata of each */
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
        cmocka_unit_test_setup_teardown(test_moves_come_in_their_order_whatever_the_clocks_said, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(test_captures_that_contradict_each_other_are_read_to_their_ends,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_a_folder_without_a_capture_is_left_out_and_none_at_all_is_told,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_a_torn_end_is_told_with_its_file, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
