// A power cut anywhere: what the journal has committed and the capture has flushed is there, whole and in order.
// links: test_disk journal proto base
// timeout: 120
#include "power.h"

#include "journal/capture.h"
#include "journal/journal.h"
#include "proto/cvd.h"
#include "proto/frame.h"

#include <unistd.h>

enum { ROWS = 700, RECORDS = 600, CUTS = 300 };

static const char *const STREAMS[] = {"harvest/BTCUSDT", "harvest/ETHUSDT"};
enum { STREAM_COUNT = 2 };

/* --- journal --- */

static void encode(struct buffer *out, size_t stream, int64_t from, int64_t count)
{
    for (int64_t i = from; i < from + count; i++) {
        struct cvd_row row;
        message_clear(&cvd_message, &row);
        row.ts_ms = 1700000000000 + i;
        row.agg_trade_id = i * 10 + (int64_t)stream;
        row.cvd = (double)i / 3;
        row_encode(out, &cvd_message, cvd_message.field_count, &row);
    }
}

static struct journal *open_synced(const char *folder)
{
    char path[PATH_BYTES];
    struct journal *journal;
    enum journal_beginning beginning;
    struct error error = {{0}};
    path_join(path, folder, "state/journal/harvest");
    struct journal_config config = {.folder = path,
                                    .run_id = "run-1",
                                    .config_fingerprint = "f",
                                    .max_bytes = (size_t)32 << 20,
                                    .sync = true};
    if (journal_open(&config, &journal, &beginning, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return journal;
}

/* expect_rows: everything from the oldest to the newest row is what was appended. */
static void expect_rows(const struct journal *journal, size_t stream, size_t number)
{
    struct buffer found, wanted;
    int64_t first = journal_first(journal, number), last = journal_last(journal, number);
    buffer_init(&found, 0);
    buffer_init(&wanted, 0);
    for (int64_t next = first; last && next <= last;) {
        size_t count;
        struct error error = {{0}};
        if (journal_read(journal, number, next, 1 << 20, SIZE_MAX, &found, &count, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        next += (int64_t)count;
    }
    if (last)
        encode(&wanted, stream, first, last - first + 1);
    assert_int_equal(found.length, wanted.length);
    assert_memory_equal(found.data, wanted.data, wanted.length);
    buffer_finish(&found);
    buffer_finish(&wanted);
}

/* take_stock: rows and the record that went with them are of one moment, and not before what was promised. */
static void take_stock(const struct journal *journal, const size_t numbers[])
{
    struct buffer record;
    struct reader in;
    buffer_init(&record, 0);
    enum status status = journal_get(journal, "state", &record);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    reader_init(&in, record.data, record.length);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        int64_t last = journal_last(journal, numbers[i]);
        assert_true(last >= power_promised(STREAMS[i]));
        assert_int_equal(status == STATUS_OK ? reader_i64(&in) : 0, last);
        expect_rows(journal, i, numbers[i]);
    }
    buffer_clear(&record);
    status = journal_get(journal, "sink", &record);
    reader_init(&in, record.data, record.length);
    assert_true((status == STATUS_OK ? reader_i64(&in) : 0) >= power_promised("sink"));
    buffer_finish(&record);
}

static bool append_turn(struct journal *journal, const size_t numbers[], struct random *random)
{
    struct buffer rows, record;
    bool more = false;
    buffer_init(&rows, 0);
    buffer_init(&record, 0);
    assert_ok(journal_begin(journal, NULL));
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        int64_t last = journal_last(journal, numbers[i]), left = ROWS - last;
        int64_t count = (int64_t)random_below(random, 60);
        count = count < left ? count : left;
        buffer_clear(&rows);
        encode(&rows, i, last + 1, count);
        if (count)
            journal_append(journal, numbers[i], last + 1, (size_t)count, rows.data, rows.length);
        buffer_append_i64(&record, last + count);
        if (random_below(random, 4) == 0)
            journal_trim(journal, numbers[i], last - 100);
        more |= last + count < ROWS;
    }
    journal_put(journal, "state", record.data, record.length);
    assert_ok(journal_commit(journal, NULL));
    for (size_t i = 0; i < STREAM_COUNT; i++)
        power_promise(STREAMS[i], journal_last(journal, numbers[i]));
    buffer_finish(&rows);
    buffer_finish(&record);
    return more;
}

static void live_journal(const char *folder, uint64_t seed)
{
    struct random random;
    size_t numbers[STREAM_COUNT];
    struct journal *journal = open_synced(folder);
    random_seed(&random, seed);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        numbers[i] = journal_stream(journal, STREAMS[i]);
    take_stock(journal, numbers);
    for (int64_t turn = power_promised("sink") + 1; append_turn(journal, numbers, &random); turn++) {
        struct buffer record;
        buffer_init(&record, 0);
        buffer_append_i64(&record, turn);
        assert_ok(journal_put_now(journal, "sink", record.data, record.length, NULL));
        power_promise("sink", turn);
        buffer_finish(&record);
    }
    journal_close(journal);
}

static void check_journal(const char *folder)
{
    size_t numbers[STREAM_COUNT];
    struct journal *journal = open_synced(folder);
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        numbers[i] = journal_stream(journal, STREAMS[i]);
        assert_int_equal(journal_last(journal, numbers[i]), ROWS);
    }
    take_stock(journal, numbers);
    journal_close(journal);
}

static void a_cut_takes_nothing_committed_from_the_journal(void **state)
{
    static const struct power_subject SUBJECT = {live_journal, check_journal};
    (void)state;
    power_try(&SUBJECT, CUTS);
}

/* --- capture --- */

static size_t payload_of(uint64_t number, char out_text[600])
{
    size_t bytes = (size_t)(number * 37 % 500) + 8;
    memset(out_text, (int)('a' + number % 26), bytes);
    snprintf(out_text, 600, "%07llu", (unsigned long long)number);
    out_text[7] = '.';
    return bytes;
}

/* count_messages: reads what is there; every message is the one after the last. */
static uint64_t count_messages(const char *folder, uint64_t *out_last_seq)
{
    struct capture_reader *reader;
    struct capture_record record;
    struct error error = {{0}};
    uint64_t messages = 0;
    *out_last_seq = 0;
    enum status status = capture_reader_open(folder, "run-1", NULL, &reader, &error);
    if (status == STATUS_NOT_FOUND)
        return 0;
    assert_ok(status);
    while ((status = capture_next(reader, &record, &error)) == STATUS_OK) {
        char wanted[600];
        assert_int_equal(record.seq, ++*out_last_seq);
        if (record.kind != CAPTURE_MESSAGE)
            continue;
        size_t bytes = payload_of(++messages, wanted);
        assert_int_equal(record.payload_bytes, bytes);
        assert_memory_equal(record.payload, wanted, bytes);
    }
    if (status != STATUS_END)
        fail_msg("%s", error.text);
    capture_reader_close(reader);
    return messages;
}

static void live_capture(const char *folder, uint64_t seed)
{
    static struct clock_manual manual = {.wall_ns = 1723161255030314667, .monotonic_ns = 5000000000};
    char path[PATH_BYTES];
    struct random random;
    struct capture_writer *writer;
    struct error error = {{0}};
    uint64_t last;
    path_join(path, folder, "data/raw");
    random_seed(&random, seed);
    struct capture_writer_config config = {.folder = path,
                                           .run_id = "run-1",
                                           .metadata_json = "{\"run_id\":\"run-1\"}",
                                           .rotate_bytes = 40000,
                                           .sync = true,
                                           .clock = clock_from_manual(&manual)};
    if (capture_writer_open(&config, &writer, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    uint64_t messages = count_messages(path, &last);
    assert_true((int64_t)last >= power_promised("flushed"));
    assert_int_equal(last, capture_flushed_seq(writer));
    while (messages < RECORDS) {
        char payload[600];
        size_t bytes = payload_of(++messages, payload);
        manual.wall_ns += 1000000;
        assert_ok(capture_append(writer, CAPTURE_MESSAGE, 1, manual.wall_ns, 0, payload, bytes, NULL));
        if (random_below(&random, 10) == 0) {
            assert_ok(capture_flush(writer));
            power_promise("flushed", (int64_t)capture_flushed_seq(writer));
        }
    }
    capture_writer_close(writer);
}

static void check_capture(const char *folder)
{
    char path[PATH_BYTES];
    uint64_t last;
    path_join(path, folder, "data/raw");
    assert_int_equal(count_messages(path, &last), RECORDS);
}

static void a_cut_takes_nothing_flushed_from_the_capture(void **state)
{
    static const struct power_subject SUBJECT = {live_capture, check_capture};
    (void)state;
    power_try(&SUBJECT, CUTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_takes_nothing_committed_from_the_journal),
        cmocka_unit_test(a_cut_takes_nothing_flushed_from_the_capture),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
