// Raw capture: what was appended is read back, in any cutting, across files, while the writer goes on, and after
// every kind of tear.
// links: test_disk journal proto base
#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "journal/capture.h"
#include "tests/support/disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/orderflow-capture-XXXXXX";
static struct clock_manual manual = {.wall_ns = 1723161255030314667, .monotonic_ns = 5000000000};

static struct capture_writer *open_writer_that(bool sync, const char *run_id, int64_t rotate_bytes)
{
    struct capture_writer_config config = {
        .sync = sync,
        .folder = folder,
        .run_id = run_id,
        .metadata_json = "{\"run_id\":\"r\"}",
        .rotate_bytes = rotate_bytes,
        .clock = clock_from_manual(&manual),
    };
    struct capture_writer *writer = NULL;
    struct error error = {""};
    if (capture_writer_open(&config, &writer, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return writer;
}

static struct capture_writer *open_writer(const char *run_id, int64_t rotate_bytes)
{
    return open_writer_that(false, run_id, rotate_bytes);
}

static struct capture_reader *open_reader(const char *run_id, const struct capture_writer *writer)
{
    struct capture_reader *reader = NULL;
    struct error error = {""};
    if (capture_reader_open(folder, run_id, writer, &reader, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return reader;
}

/* fill_payload: bytes that follow from the number alone. */
static size_t fill_payload(uint64_t number, char out_text[600])
{
    size_t bytes = (size_t)(number * 37 % 500);
    for (size_t i = 0; i < bytes; i++)
        out_text[i] = (char)(number * 31 + i);
    return bytes;
}

static void append_numbered(struct capture_writer *writer, uint64_t number)
{
    char payload[600];
    size_t bytes = fill_payload(number, payload);
    uint64_t seq;
    assert_int_equal(capture_append(writer, CAPTURE_MESSAGE, 3, (int64_t)number * 7, (int64_t)number * 5,
                                    payload, bytes, &seq),
                     STATUS_OK);
}

static void expect_numbered(const struct capture_record *record, uint64_t number)
{
    char payload[600];
    size_t bytes = fill_payload(number, payload);
    assert_int_equal(record->kind, CAPTURE_MESSAGE);
    assert_int_equal(record->conn_id, 3);
    assert_int_equal(record->recv_ns, (int64_t)number * 7);
    assert_int_equal(record->mono_ns, (int64_t)number * 5);
    assert_int_equal(record->payload_bytes, bytes);
    assert_memory_equal(record->payload, payload, bytes);
}

/* next_message: passes over metadata records, checking that seq has no hole. */
static enum status next_message(struct capture_reader *reader, struct capture_record *out_record,
                                uint64_t *io_seq)
{
    enum status status;
    do {
        status = capture_next(reader, out_record, NULL);
        if (status == STATUS_OK) {
            assert_int_equal(out_record->seq, *io_seq + 1);
            *io_seq = out_record->seq;
        }
    } while (status == STATUS_OK && out_record->kind == CAPTURE_METADATA);
    return status;
}

static void test_layout_is_the_one_of_the_specification(void **state)
{
    (void)state;
    struct capture_writer *writer = open_writer("layout", 0);
    assert_int_equal(capture_append(writer, CAPTURE_OPENED, 513, 0x1122334455667788, 9, "wss://x", 7, NULL),
                     STATUS_OK);
    capture_writer_close(writer);
    struct capture_reader *reader = open_reader("layout", NULL);
    const char *path = capture_file_path(reader, 0);
    assert_non_null(strstr(path, "/date=2024-08-08/raw-layout-1723161255030-000001.ofr"));
    struct buffer content;
    buffer_init(&content, 0);
    assert_int_equal(file_read(path, &content), STATUS_OK);
    static const uint8_t HEADER[32] = {'O',  'F',  'R',  'A',  'W',  '1', '\n', 0, 1, 0, 0, 0, 32, 0, 0, 0,
                                       0xf6, 0xc5, 0x82, 0x34, 0x91, 1,   0,    0, 0, 0, 0, 0, 0,  0, 0, 0};
    assert_memory_equal(content.data, HEADER, 16);
    uint64_t open_ms;
    memcpy(&open_ms, content.data + 16, 8);
    assert_int_equal(open_ms, 1723161255030);
    size_t metadata = 32 + 40 + strlen("{\"run_id\":\"r\"}");
    const uint8_t *record = content.data + metadata;
    static const uint8_t EXPECTED[32] = {2,    0,    0,    0,    0,    0, 0, 0, 0x88, 0x77, 0x66,
                                         0x55, 0x44, 0x33, 0x22, 0x11, 9, 0, 0, 0,    0,    0,
                                         0,    0,    2,    0,    1,    2, 0, 0, 0,    0};
    assert_int_equal(record[0], 7);
    assert_memory_equal(record + 8, EXPECTED, 32);
    uint32_t crc;
    memcpy(&crc, record + 4, 4);
    assert_int_equal(crc, crc32c(0, record + 8, 39));
    assert_int_equal(content.length, metadata + 47);
    buffer_finish(&content);
    capture_reader_close(reader);
}

static void test_records_come_back_across_files(void **state)
{
    (void)state;
    struct capture_writer *writer = open_writer("files", 200000);
    for (uint64_t i = 0; i < 5000; i++)
        append_numbered(writer, i);
    capture_writer_close(writer);
    struct capture_reader *reader = open_reader("files", NULL);
    assert_true(capture_file_count(reader) > 5);
    struct capture_record record;
    uint64_t seq = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(next_message(reader, &record, &seq), STATUS_OK);
        expect_numbered(&record, i);
    }
    assert_int_equal(next_message(reader, &record, &seq), STATUS_END);
    assert_int_equal(capture_torn_offset(reader), 0);
    capture_reader_close(reader);
}

static void test_an_hour_rotates(void **state)
{
    (void)state;
    struct capture_writer *writer = open_writer("hours", 0);
    append_numbered(writer, 0);
    clock_manual_advance(&manual, (int64_t)CAPTURE_ROTATE_MS * 1000000);
    append_numbered(writer, 1);
    assert_int_equal(capture_flush(writer), STATUS_OK);
    struct capture_reader *reader = open_reader("hours", writer);
    assert_int_equal(capture_file_count(reader), 2);
    capture_reader_close(reader);
    capture_writer_close(writer);
}

static void test_seeking_finds_every_number_with_and_without_a_hint(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    struct capture_reader *reader = open_reader("files", NULL);
    struct capture_record record;
    uint64_t offsets[6000] = {0}, last = 0, seq;
    for (;;) {
        capture_place(reader, &seq, &offsets[last + 1]);
        assert_int_equal(seq, last + 1);
        if (capture_next(reader, &record, NULL) != STATUS_OK)
            break;
        last = record.seq;
    }
    for (int i = 0; i < 300; i++) {
        uint64_t wanted = 1 + random_below(&random, last);
        uint64_t hint = i % 3 == 0 ? 0 : i % 3 == 1 ? offsets[wanted] : random_below(&random, 300000);
        assert_int_equal(capture_seek(reader, wanted, hint, NULL), STATUS_OK);
        assert_int_equal(capture_next(reader, &record, NULL), STATUS_OK);
        assert_int_equal(record.seq, wanted);
    }
    assert_int_equal(capture_seek(reader, last + 1, 0, NULL), STATUS_OK);
    assert_int_equal(capture_next(reader, &record, NULL), STATUS_END);
    struct error error = {""};
    assert_int_equal(capture_seek(reader, last + 2, 0, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "is not there"));
    capture_reader_close(reader);
}

struct race {
    struct capture_writer *writer;
    uint64_t count;
};

static void *append_all(void *context)
{
    struct race *race = context;
    for (uint64_t i = 0; i < race->count; i++) {
        append_numbered(race->writer, i);
        if (i % 50 == 49)
            assert_int_equal(capture_flush(race->writer), STATUS_OK);
    }
    assert_int_equal(capture_flush(race->writer), STATUS_OK);
    return NULL;
}

static void test_a_reader_follows_a_writing_thread(void **state)
{
    (void)state;
    struct race race = {open_writer("race", 300000), 20000};
    struct capture_reader *reader = open_reader("race", race.writer);
    struct capture_record record;
    uint64_t seq = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, append_all, &race), 0);
    for (uint64_t i = 0; i < race.count;) {
        enum status status = next_message(reader, &record, &seq);
        if (status == STATUS_AGAIN)
            continue;
        assert_int_equal(status, STATUS_OK);
        expect_numbered(&record, i++);
    }
    pthread_join(thread, NULL);
    assert_int_equal(next_message(reader, &record, &seq), STATUS_AGAIN);
    assert_int_equal(capture_flushed_seq(race.writer), seq);
    assert_true(capture_file_count(reader) > 5);
    capture_reader_close(reader);
    capture_writer_close(race.writer);
}

static void test_two_threads_append_without_a_hole(void **state)
{
    (void)state;
    struct race race = {open_writer("two", 300000), 3000};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_all, &race), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    capture_writer_close(race.writer);
    struct capture_reader *reader = open_reader("two", NULL);
    struct capture_record record;
    uint64_t seq = 0, messages = 0;
    while (next_message(reader, &record, &seq) == STATUS_OK)
        messages++;
    assert_int_equal(messages, 6000);
    capture_reader_close(reader);
}

/* write_run: `count` messages in one file; returns its path (static). */
static const char *write_run(const char *run_id, uint64_t count)
{
    static char path[1024];
    struct capture_writer *writer = open_writer(run_id, 0);
    for (uint64_t i = 0; i < count; i++)
        append_numbered(writer, i);
    capture_writer_close(writer);
    struct capture_reader *reader = open_reader(run_id, NULL);
    snprintf(path, sizeof path, "%s", capture_file_path(reader, 0));
    capture_reader_close(reader);
    return path;
}

static void test_a_torn_end_is_an_end_and_the_writer_goes_on_behind_it(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    for (int cut = 1; cut <= 120; cut++) {
        char run_id[32];
        snprintf(run_id, sizeof run_id, "torn%d", cut);
        const char *path = write_run(run_id, COUNT);
        assert_int_equal(truncate(path, file_bytes(path) - cut), 0);
        struct capture_reader *reader = open_reader(run_id, NULL);
        struct capture_record record;
        uint64_t seq = 0, kept = 0;
        while (next_message(reader, &record, &seq) == STATUS_OK)
            expect_numbered(&record, kept++);
        assert_true(kept < COUNT && kept > COUNT - 5);
        capture_reader_close(reader);

        struct capture_writer *writer = open_writer(run_id, 0);
        assert_true(capture_continued(writer));
        append_numbered(writer, kept);
        capture_writer_close(writer);
        reader = open_reader(run_id, NULL);
        seq = 0;
        for (uint64_t i = 0; i <= kept; i++) {
            assert_int_equal(next_message(reader, &record, &seq), STATUS_OK);
            expect_numbered(&record, i);
        }
        assert_int_equal(next_message(reader, &record, &seq), STATUS_END);
        assert_int_equal(capture_torn_offset(reader), 0);
        capture_reader_close(reader);
    }
}

static void flip(const char *path, int64_t offset)
{
    int file = open(path, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    close(file);
}

static void test_one_wrong_bit_stops_the_reader_at_its_record(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    random_seed(&random, seed);
    for (int i = 0; i < 60; i++) {
        char run_id[32];
        snprintf(run_id, sizeof run_id, "flip%d", i);
        const char *path = write_run(run_id, 30);
        int64_t offset = 32 + (int64_t)random_below(&random, (uint64_t)(file_bytes(path) / 2));
        flip(path, offset);
        struct capture_reader *reader = open_reader(run_id, NULL);
        struct capture_record record;
        struct error error = {""};
        uint64_t place, messages = 0;
        enum status status;
        while ((status = capture_next(reader, &record, &error)) == STATUS_OK)
            messages++;
        assert_true(messages < 30);
        capture_place(reader, &(uint64_t){0}, &place);
        assert_true((int64_t)place <= offset);
        if (status == STATUS_MALFORMED)
            assert_non_null(strstr(error.text, "at offset"));
        else /* a longer length reaches behind the end: it looks torn */
            assert_true(capture_torn_offset(reader) > 0);
        capture_reader_close(reader);
    }
}

static void test_damage_before_the_last_file_is_an_error(void **state)
{
    (void)state;
    struct capture_writer *writer = open_writer("middle", 100000);
    for (uint64_t i = 0; i < 1000; i++)
        append_numbered(writer, i);
    capture_writer_close(writer);
    struct capture_reader *reader = open_reader("middle", NULL);
    assert_int_equal(truncate(capture_file_path(reader, 0), file_bytes(capture_file_path(reader, 0)) - 1), 0);
    struct capture_record record;
    struct error error = {""};
    enum status status;
    while ((status = capture_next(reader, &record, &error)) == STATUS_OK)
        continue;
    assert_int_equal(status, STATUS_MALFORMED);
    assert_non_null(strstr(error.text, "incomplete record"));
    capture_reader_close(reader);
}

/* A clock that was set back gives a later file the earlier name: a list of names in their order has it first. */
static void test_named_files_are_read_in_the_order_of_their_records(void **state)
{
    (void)state;
    enum { FILES_MAX = 16, MESSAGES = 1000 };
    struct capture_writer *writer = open_writer("named", 100000);
    for (uint64_t i = 0; i < MESSAGES; i++)
        append_numbered(writer, i);
    capture_writer_close(writer);
    struct capture_reader *whole = open_reader("named", NULL), *named = NULL;
    const char *paths[FILES_MAX];
    size_t count = capture_file_count(whole);
    assert_in_range(count, 2, FILES_MAX);
    for (size_t i = 0; i < count; i++)
        paths[i] = capture_file_path(whole, count - 1 - i);
    struct capture_record record;
    uint64_t seq = 0;
    struct error error = {""};
    assert_int_equal(capture_reader_open_files(paths, count, &named, &error), STATUS_OK);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(next_message(named, &record, &seq), STATUS_OK);
        expect_numbered(&record, i);
    }
    capture_reader_close(named);
    capture_reader_close(whole);
}

static void test_files_that_are_no_capture_are_refused(void **state)
{
    (void)state;
    char path[256];
    const char *paths[1] = {path};
    struct capture_reader *reader = NULL;
    struct error error = {""};
    snprintf(path, sizeof path, "%s/nothing.ofr", folder);
    assert_int_equal(capture_reader_open_files(paths, 1, &reader, &error), STATUS_IO);
    assert_int_equal(file_replace(path, "{\"json\":true}...................", 32, false), STATUS_OK);
    assert_int_equal(capture_reader_open_files(paths, 1, &reader, &error), STATUS_MALFORMED);
    assert_int_equal(
        file_replace(path, "OFRAW1\n\0\x09\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32, false),
        STATUS_OK);
    assert_int_equal(capture_reader_open_files(paths, 1, &reader, &error), STATUS_UNSUPPORTED);
    assert_int_equal(capture_reader_open_files(paths, 0, &reader, &error), STATUS_INVALID);
    assert_null(reader);
}

/* A write that stops half-way, and a cut that fails as well, 0, 1 or 2 times: what comes behind is whole. The file is followed by
 * another one, so that a torn record in it would be damage and not an end. */
static void test_what_cannot_be_taken_back_is_not_written_behind(void **state)
{
    (void)state;
    for (long cuts = 0; cuts < 3; cuts++) {
        char run_id[] = "torn-0";
        run_id[5] = (char)('0' + cuts);
        disk_fault_begin(folder, 1000000, 0, DISK_FAIL_SHORT, ENOSPC); /* so that the file's calls are seen */
        struct capture_writer *writer = open_writer(run_id, 0);
        uint64_t number = 0, seq = 0;
        while (number < 20)
            append_numbered(writer, number++);
        disk_fault_begin(folder, 1, 2 + cuts, DISK_FAIL_SHORT,
                         ENOSPC); /* half a write, the rest, its cut, … */
        for (long failures = 0; failures < (cuts > 1 ? cuts : 1); failures++) {
            assert_int_equal(capture_flush(writer), STATUS_IO);
            assert_int_equal(capture_flushed_seq(writer), 1);
            append_numbered(writer, number++);
        }
        assert_int_equal(capture_flush(writer), STATUS_OK);
        assert_true(disk_fault_end() > 2 + cuts);
        capture_writer_close(writer);
        capture_writer_close(open_writer(run_id, 0));
        struct capture_reader *reader = open_reader(run_id, NULL);
        struct capture_record record;
        for (uint64_t i = 0; i < number; i++) {
            assert_int_equal(next_message(reader, &record, &seq), STATUS_OK);
            expect_numbered(&record, i);
        }
        assert_int_equal(next_message(reader, &record, &seq), STATUS_END);
        assert_int_equal(capture_file_count(reader), 2);
        capture_reader_close(reader);
    }
}

static void keep_lost(void *context, enum capture_kind kind, const void *payload, size_t bytes)
{
    assert_int_equal(kind, CAPTURE_MESSAGE);
    buffer_append(context, payload, bytes);
}

/* expect_lost: the payloads told as lost are those of the newest so many records, in order. */
static void expect_lost(const struct buffer *told, uint64_t records, uint64_t lost)
{
    char payload[600];
    size_t at = 0;
    for (uint64_t number = records - lost; number < records; number++) {
        size_t bytes = fill_payload(number, payload);
        assert_true(at + bytes <= told->length);
        assert_memory_equal(told->data + at, payload, bytes);
        at += bytes;
    }
    assert_int_equal(at, told->length);
}

/* A batch is given up while the disk neither confirms nor takes back: what the next life finds of it, and what was said to be lost, are
 * all of it, and no record is both. */
static void test_what_is_given_up_is_lost_or_in_the_file_and_never_both(void **state)
{
    (void)state;
    enum { RECORDS = 20 };
    static const struct {
        const char *run_id;
        bool sync;
        long first, count; /* calls that fail, from the flush on */
        enum disk_fault fault;
        int64_t found_min, found_max;
    } CASES[] = {
        {"half-written", false, 1, 1000, DISK_FAIL_SHORT, 1, RECORDS - 1},
        {"unconfirmed", true, 2, 1000, DISK_FAIL, RECORDS, RECORDS},
        {"taken-back-late", true, 2, 2, DISK_FAIL, 0, 0}, /* fdatasync, its cut */
        {"not-begun", false, 1, 1000, DISK_FAIL, 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        disk_fault_begin(folder, 1000000, 0, DISK_FAIL, ENOSPC); /* so that the file's calls are seen */
        struct capture_writer *writer = open_writer_that(CASES[i].sync, CASES[i].run_id, 0);
        for (uint64_t number = 0; number < RECORDS; number++)
            append_numbered(writer, number);
        disk_fault_begin(folder, CASES[i].first, CASES[i].count, CASES[i].fault, ENOSPC);
        assert_int_equal(capture_flush(writer), STATUS_IO);
        struct buffer told;
        buffer_init(&told, 0);
        int64_t lost = capture_discard(writer, keep_lost, &told), found = 0;
        expect_lost(&told, RECORDS, (uint64_t)lost);
        buffer_finish(&told);
        assert_int_equal(capture_appended_seq(writer), capture_flushed_seq(writer));
        capture_writer_close(writer);
        disk_fault_end();
        capture_writer_close(open_writer_that(CASES[i].sync, CASES[i].run_id, 0));
        struct capture_reader *reader = open_reader(CASES[i].run_id, NULL);
        struct capture_record record;
        uint64_t seq = 0;
        while (next_message(reader, &record, &seq) == STATUS_OK)
            expect_numbered(&record, (uint64_t)found++);
        capture_reader_close(reader);
        assert_in_range(found, CASES[i].found_min, CASES[i].found_max);
        assert_int_equal(found + lost, RECORDS);
    }
}

static void test_a_payload_has_a_limit(void **state)
{
    (void)state;
    struct capture_writer *writer = open_writer("large", 0);
    char *large = calloc(1, CAPTURE_PAYLOAD_BYTES_MAX + 1);
    assert_int_equal(
        capture_append(writer, CAPTURE_MESSAGE, 0, 0, 0, large, CAPTURE_PAYLOAD_BYTES_MAX + 1, NULL),
        STATUS_LIMIT);
    assert_int_equal(capture_append(writer, CAPTURE_MESSAGE, 0, 0, 0, large, CAPTURE_PAYLOAD_BYTES_MAX, NULL),
                     STATUS_OK);
    capture_writer_close(writer);
    struct capture_reader *reader = open_reader("large", NULL);
    struct capture_record record;
    uint64_t seq = 0;
    assert_int_equal(next_message(reader, &record, &seq), STATUS_OK);
    assert_int_equal(record.payload_bytes, CAPTURE_PAYLOAD_BYTES_MAX);
    assert_int_equal(next_message(reader, &record, &seq), STATUS_END);
    capture_reader_close(reader);
    free(large);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder) == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_is_the_one_of_the_specification),
        cmocka_unit_test(test_records_come_back_across_files),
        cmocka_unit_test(test_an_hour_rotates),
        cmocka_unit_test(test_seeking_finds_every_number_with_and_without_a_hint),
        cmocka_unit_test(test_a_reader_follows_a_writing_thread),
        cmocka_unit_test(test_two_threads_append_without_a_hole),
        cmocka_unit_test(test_a_torn_end_is_an_end_and_the_writer_goes_on_behind_it),
        cmocka_unit_test(test_one_wrong_bit_stops_the_reader_at_its_record),
        cmocka_unit_test(test_damage_before_the_last_file_is_an_error),
        cmocka_unit_test(test_named_files_are_read_in_the_order_of_their_records),
        cmocka_unit_test(test_files_that_are_no_capture_are_refused),
        cmocka_unit_test(test_what_cannot_be_taken_back_is_not_written_behind),
        cmocka_unit_test(test_what_is_given_up_is_lost_or_in_the_file_and_never_both),
        cmocka_unit_test(test_a_payload_has_a_limit),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
