// JSONL sink: one file per symbol and minute, every row exactly once, whatever kills or fills the disk.
// links: store journal proto base
// timeout: 120
#include "sink_driver.h"
#include "store/jsonl_sink.h"

static struct jsonl_sink_config settings(const char *output_dir)
{
    return (struct jsonl_sink_config){.output_dir = output_dir,
                                      .service = "signal",
                                      .prefix = "signals",
                                      .run_id = DRIVER_RUN,
                                      .message = &signal_message,
                                      .max_shards = 5000,
                                      .max_file_bytes = 200 << 20,
                                      .batch_rows = 50,
                                      .flush_ms = 200};
}

static void run_with(const char *folder, bool sync, size_t rows_max)
{
    char output[PATH_BYTES];
    path_join(output, folder, "runtime");
    struct jsonl_sink_config config = settings(output);
    config.sync = sync;
    struct sink *sink = jsonl_sink_create(&config);
    driver_run(sink, folder, rows_max);
    jsonl_sink_destroy(sink);
}

static void run_small_batches(const char *folder)
{
    run_with(folder, false, 29);
}

/* run_large_batches: several minutes end within one batch. */
static void run_large_batches(const char *folder)
{
    run_with(folder, false, 250);
}

static void run_synced(const char *folder)
{
    run_with(folder, true, 97);
}

/* --- what must be there --- */

static void shard_path(char path[PATH_BYTES], const char *folder, const char *place, size_t symbol,
                       int64_t minute, const char *suffix)
{
    char stamp[TIME_TEXT_BYTES];
    time_stamp(minute * 60000, "%Y%m%d_%H%M", stamp);
    path_join(path, folder, "runtime/%s/signal/%s/signals_%s_%s%s", place, DRIVER_SYMBOLS[symbol], stamp,
              DRIVER_RUN, suffix);
}

static void assert_file_is(const char *path, const struct buffer *wanted)
{
    struct buffer found;
    buffer_init(&found, 0);
    if (file_read(path, &found) != STATUS_OK)
        fail_msg("%s is missing", path);
    assert_int_equal(found.length, wanted->length);
    assert_memory_equal(found.data, wanted->data, wanted->length);
    buffer_finish(&found);
}

/* check_minutes: one ready file for each symbol and minute, with the rows of that minute; returns how many. */
static int check_minutes(const char *folder, const char *last_place, const char *last_suffix)
{
    int files = 0;
    for (size_t symbol = 0; symbol < DRIVER_STREAMS; symbol++)
        for (size_t from = 0, to; from < DRIVER_ROWS; from = to, files++) {
            char path[PATH_BYTES];
            struct buffer wanted;
            int64_t minute = driver_row(symbol, from).ts_ms / 60000;
            for (to = from; to < DRIVER_ROWS && driver_row(symbol, to).ts_ms / 60000 == minute;)
                to++;
            buffer_init(&wanted, 0);
            driver_append_lines(&wanted, symbol, from, to);
            if (to < DRIVER_ROWS)
                shard_path(path, folder, "ready", symbol, minute, ".jsonl");
            else
                shard_path(path, folder, last_place, symbol, minute, last_suffix);
            assert_file_is(path, &wanted);
            buffer_finish(&wanted);
        }
    return files;
}

static enum status count(void *context, const char *path)
{
    (void)path;
    ++*(int *)context;
    return STATUS_OK;
}

static int files_below(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    int files = 0;
    path_join(path, folder, "%s", name);
    enum status status = folder_walk(path, count, &files);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    return files;
}

/* finished_files: how many a next life says were finished, by whichever life. */
static int64_t finished_files(const char *folder)
{
    char output[PATH_BYTES];
    struct error error = {{0}};
    path_join(output, folder, "runtime");
    struct jsonl_sink_config config = settings(output);
    struct sink *sink = jsonl_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(sink, journal, &error));
    int64_t files = jsonl_sink_figures(sink).rotations;
    sink->close(sink->context);
    jsonl_sink_destroy(sink);
    journal_close(journal);
    return files;
}

static void check_complete(const char *folder)
{
    int files = check_minutes(folder, "ready", ".jsonl");
    assert_int_equal(files_below(folder, "runtime"), files);
    assert_int_equal(finished_files(folder), files);
}

/* --- tests --- */

static void one_file_per_symbol_and_minute(void **state)
{
    char folder[PATH_BYTES];
    (void)state;
    check_folder(folder);
    driver_fill(folder, true);
    run_small_batches(folder);
    check_complete(folder);
    check_folder_remove(folder);
}

static void planned_stop_leaves_the_part_and_goes_on_in_it(void **state)
{
    char folder[PATH_BYTES];
    (void)state;
    check_folder(folder);
    driver_fill(folder, false);
    run_small_batches(folder);
    check_minutes(folder, "spool", ".part");
    assert_int_equal(files_below(folder, "runtime/spool"), DRIVER_STREAMS);
    run_small_batches(folder); /* nothing new: nothing changes */
    check_minutes(folder, "spool", ".part");
    struct journal *journal = driver_open(folder);
    for (size_t i = 0; i < DRIVER_STREAMS; i++)
        driver_append(journal, i, DRIVER_ROWS, DRIVER_ROWS, true);
    journal_close(journal);
    run_small_batches(folder);
    check_complete(folder);
    check_folder_remove(folder);
}

static void killed_anywhere_every_row_is_there_once(void **state)
{
    (void)state;
    driver_body *const bodies[] = {run_small_batches, run_large_batches, run_synced};
    for (size_t i = 0; i < 3; i++) {
        assert_true(driver_kill_everywhere(bodies[i], "after_write", check_complete) > 1);
        assert_true(driver_kill_everywhere(bodies[i], "after_rename", check_complete) > 5);
        assert_true(driver_kill_again_and_again(bodies[i], "after_write", check_complete) > 0);
        assert_true(driver_kill_again_and_again(bodies[i], "after_rename", check_complete) > 0);
    }
}

static void full_disk_is_an_error_and_costs_no_row(void **state)
{
    char folder[PATH_BYTES], output[PATH_BYTES];
    struct error error = {{0}};
    bool left;
    (void)state;
    check_folder(folder);
    path_join(output, folder, "runtime");
    driver_fill(folder, true);
    struct jsonl_sink_config config = settings(output);
    struct sink *sink = jsonl_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(sink, journal, &error));
    assert_ok(driver_batch(sink, journal, 20, &left, &error));
    driver_limit_files(10000); /* in the middle of a line of the open minute */
    assert_int_equal(driver_batch(sink, journal, 100, &left, &error), STATUS_IO);
    assert_int_equal(driver_batch(sink, journal, 100, &left, &error), STATUS_IO);
    driver_limit_files(0);
    assert_non_null(strstr(error.text, "signals_2024"));
    assert_int_equal(sink->position(sink->context, DRIVER_NAMES[0]), 20);
    do
        assert_ok(driver_batch(sink, journal, 100, &left, &error));
    while (left);
    sink->close(sink->context);
    journal_close(journal);
    jsonl_sink_destroy(sink);
    check_complete(folder);
    check_folder_remove(folder);
}

static void a_rename_that_fails_is_unfinished_work_until_it_succeeds(void **state)
{
    char folder[PATH_BYTES], output[PATH_BYTES], in_the_way[PATH_BYTES];
    struct error error = {{0}};
    bool left;
    (void)state;
    check_folder(folder);
    path_join(output, folder, "runtime");
    path_join(in_the_way, output, "ready"); /* a file where a folder should be */
    driver_fill(folder, true);
    assert_ok(folder_make(output, 0755));
    assert_ok(file_replace(in_the_way, "", 0, false));
    struct jsonl_sink_config config = settings(output);
    struct sink *sink = jsonl_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(sink, journal, &error));
    assert_false(sink->unfinished(sink->context));
    assert_int_equal(driver_batch(sink, journal, DRIVER_ROWS + 1, &left, &error), STATUS_IO);
    assert_int_equal(sink->position(sink->context, DRIVER_NAMES[0]),
                     DRIVER_ROWS + 1);            /* the rows are safe … */
    assert_true(sink->unfinished(sink->context)); /* … but not visible */
    assert_int_equal(driver_batch(sink, journal, 1, &left, &error), STATUS_IO);
    assert_true(sink->unfinished(sink->context));
    assert_int_equal(unlink(in_the_way), 0);
    assert_ok(driver_batch(sink, journal, 1, &left, &error)); /* nothing new: the names alone */
    assert_false(sink->unfinished(sink->context));
    sink->close(sink->context);
    journal_close(journal);
    jsonl_sink_destroy(sink);
    check_complete(folder);
    check_folder_remove(folder);
}

static void a_journal_begun_anew_writes_the_same_files_again(void **state)
{
    char folder[PATH_BYTES], journal[PATH_BYTES];
    (void)state;
    check_folder(folder);
    path_join(journal, folder, "journal");
    driver_fill(folder, false);
    run_small_batches(folder);
    assert_ok(folder_remove(journal));
    driver_fill(folder, true);
    run_small_batches(folder);
    check_complete(folder);
    check_folder_remove(folder);
}

static void ready_file_with_another_content_is_not_overwritten(void **state)
{
    char folder[PATH_BYTES], output[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    bool left;
    (void)state;
    check_folder(folder);
    path_join(output, folder, "runtime");
    driver_fill(folder, true);
    shard_path(path, folder, "ready", 0, DRIVER_BEGIN_MS / 60000, ".jsonl");
    assert_ok(folder_make_for(path));
    assert_ok(file_replace(path, "mine\n", 5, false));
    struct jsonl_sink_config config = settings(output);
    struct sink *sink = jsonl_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(sink, journal, &error));
    assert_int_equal(driver_batch(sink, journal, 500, &left, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(file_bytes(path), 5);
    sink->close(sink->context);
    journal_close(journal);
    jsonl_sink_destroy(sink);
    check_folder_remove(folder);
}

static void part_shorter_than_recorded_is_refused(void **state)
{
    char folder[PATH_BYTES], output[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    (void)state;
    check_folder(folder);
    path_join(output, folder, "runtime");
    driver_fill(folder, false);
    run_small_batches(folder);
    shard_path(path, folder, "spool", 1, driver_row(1, DRIVER_ROWS - 1).ts_ms / 60000, ".part");
    assert_int_equal(truncate(path, 10), 0);
    struct jsonl_sink_config config = settings(output);
    struct sink *sink = jsonl_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_int_equal(driver_start(sink, journal, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, path));
    journal_close(journal);
    jsonl_sink_destroy(sink);
    check_folder_remove(folder);
}

static void too_many_files_move_to_a_folder_per_day(void **state)
{
    char folder[PATH_BYTES], output[PATH_BYTES];
    (void)state;
    check_folder(folder);
    path_join(output, folder, "runtime");
    driver_fill(folder, true);
    struct jsonl_sink_config config = settings(output);
    config.max_shards = 3;
    struct sink *sink = jsonl_sink_create(&config);
    driver_run(sink, folder, 29);
    jsonl_sink_destroy(sink);
    int undated = files_below(folder, "runtime/ready/signal");
    int all = files_below(folder, "runtime");
    assert_in_range(undated, 3, 6); /* a batch may end two at once, and two were open */
    assert_int_equal(files_below(folder, "runtime/20240808/ready/signal") +
                         files_below(folder, "runtime/20240809/ready/signal"),
                     all - undated);
    assert_true(all > undated);
    check_folder_remove(folder);
}

static void damaged_record_is_refused(void **state)
{
    char folder[PATH_BYTES], output[PATH_BYTES];
    struct error error = {{0}};
    struct buffer record;
    (void)state;
    check_folder(folder);
    path_join(output, folder, "runtime");
    driver_fill(folder, false);
    run_small_batches(folder);
    struct journal *journal = driver_open(folder);
    buffer_init(&record, 0);
    assert_ok(journal_get(journal, "sink/jsonl", &record));
    struct jsonl_sink_config config = settings(output);
    struct sink *sink = jsonl_sink_create(&config);
    for (size_t bytes = 0; bytes < record.length; bytes++) {
        assert_ok(journal_put_now(journal, "sink/jsonl", record.data, bytes, &error));
        assert_int_equal(driver_start(sink, journal, &error), STATUS_MALFORMED);
    }
    jsonl_sink_destroy(sink);
    journal_close(journal);
    buffer_finish(&record);
    check_folder_remove(folder);
}

/* --- hand-over --- */

static bool owns_nothing(const void *owner, const char *stream)
{
    (void)owner, (void)stream;
    return false;
}

static void write_all(struct sink *sink, struct journal *journal)
{
    struct error error = {{0}};
    for (bool left = true; left;)
        if (driver_batch(sink, journal, 23, &left, &error) != STATUS_OK)
            fail_msg("%s", error.text);
}

/* Half the rows by one sink, the rest by another with a journal of its own; the first comes back in between, with a record that
 * still names the open files, and must not touch them. */
static void another_instance_goes_on_in_the_same_file(void **state)
{
    (void)state;
    char folder[PATH_BYTES], other[PATH_BYTES], output[PATH_BYTES];
    struct error error = {{0}};
    struct buffer given[DRIVER_STREAMS];
    check_folder(folder);
    path_join(other, folder, "other");
    path_join(output, folder, "runtime");
    struct jsonl_sink_config config = settings(output);
    struct sink *first = jsonl_sink_create(&config), *second = jsonl_sink_create(&config);
    struct journal *of_first = driver_open(folder), *of_second = driver_open(other);
    assert_ok(driver_start(first, of_first, &error));
    assert_ok(driver_start(second, of_second, &error));
    for (size_t i = 0; i < DRIVER_STREAMS; i++)
        driver_append(of_first, i, 0, DRIVER_ROWS / 2, false);
    write_all(first, of_first);
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        struct reader in;
        buffer_init(&given[i], 0);
        first->give(first->context, DRIVER_NAMES[i], &given[i]);
        reader_init(&in, given[i].data, given[i].length);
        assert_ok(second->take(second->context, DRIVER_NAMES[i], &in, &error));
        assert_int_equal(second->position(second->context, DRIVER_NAMES[i]), DRIVER_ROWS / 2);
        reader_init(&in, given[i].data, given[i].length - 1);
        assert_int_equal(second->take(second->context, DRIVER_NAMES[i], &in, &error), STATUS_MALFORMED);
        driver_append(of_second, i, DRIVER_ROWS / 2, DRIVER_ROWS * 3 / 4, false);
    }
    write_all(second, of_second);
    first->close(first->context); /* died before it could forget */
    first->owns = owns_nothing;
    assert_ok(driver_start(first, of_first, &error));
    assert_int_equal(first->position(first->context, DRIVER_NAMES[0]), 0);
    first->close(first->context);
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        struct reader in; /* said again, as after a restart: the sink has got further */
        reader_init(&in, given[i].data, given[i].length);
        assert_ok(second->take(second->context, DRIVER_NAMES[i], &in, &error));
        driver_append(of_second, i, DRIVER_ROWS * 3 / 4, DRIVER_ROWS, true);
        buffer_finish(&given[i]);
    }
    write_all(second, of_second);
    second->close(second->context);
    jsonl_sink_destroy(first);
    jsonl_sink_destroy(second);
    journal_close(of_first);
    journal_close(of_second);
    check_minutes(folder, "ready", ".jsonl");
}

/* A symbol may move before its first row has come to the sink: then there is nothing to go on with, and everything is new. */
static void a_stream_without_a_row_can_be_given(void **state)
{
    (void)state;
    char folder[PATH_BYTES], output[PATH_BYTES], name[STREAM_BYTES];
    struct error error = {{0}};
    check_folder(folder);
    path_join(output, folder, "runtime");
    struct jsonl_sink_config config = settings(output);
    struct sink *first = jsonl_sink_create(&config), *second = jsonl_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(first, journal, &error));
    assert_ok(driver_start(second, journal, &error));
    for (int i = 0; i < 100; i++) { /* each one grows what the sink knows */
        struct buffer given;
        struct reader in;
        snprintf(name, sizeof name, "signal/NEW%d", i);
        buffer_init(&given, 0);
        first->give(first->context, name, &given);
        reader_init(&in, given.data, given.length);
        assert_ok(second->take(second->context, name, &in, &error));
        assert_int_equal(second->position(second->context, name), 0);
        buffer_finish(&given);
    }
    first->close(first->context);
    second->close(second->context);
    jsonl_sink_destroy(first);
    jsonl_sink_destroy(second);
    journal_close(journal);
    check_folder_remove(folder);
}

/* take_all: what the other owner knew, as the stage restores it between open and resume. */
static void take_all(struct sink *to, const struct buffer given[DRIVER_STREAMS])
{
    struct error error = {{0}};
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        struct reader in;
        reader_init(&in, given[i].data, given[i].length);
        if (to->take(to->context, DRIVER_NAMES[i], &in, &error) != STATUS_OK)
            fail_msg("%s", error.text);
    }
}

static void give_all(struct sink *from, struct buffer given[DRIVER_STREAMS])
{
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        buffer_init(&given[i], 0);
        from->give(from->context, DRIVER_NAMES[i], &given[i]);
    }
}

/* forget_rows: the journal's rows of streams that were somebody else's; they go on behind theirs. */
static void forget_rows(struct journal *journal)
{
    assert_ok(journal_begin(journal, NULL));
    for (size_t i = 0; i < DRIVER_STREAMS; i++)
        journal_forget(journal, journal_stream(journal, DRIVER_NAMES[i]));
    assert_ok(journal_commit(journal, NULL));
}

/* tear_parts: what a life wrote that was killed before it could record it. Returns how long the files were before. */
static void tear_parts(const char *folder, size_t rows, int64_t out_bytes[DRIVER_STREAMS])
{
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        char path[PATH_BYTES];
        shard_path(path, folder, "spool", i, driver_row(i, rows - 1).ts_ms / 60000, ".part");
        out_bytes[i] = file_bytes(path);
        FILE *part = fopen(path, "ae");
        assert_non_null(part);
        assert_true(fputs("{\"torn\":", part) > 0);
        assert_int_equal(fclose(part), 0);
    }
}

static void expect_part_bytes(const char *folder, size_t rows, const int64_t bytes[DRIVER_STREAMS])
{
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        char path[PATH_BYTES];
        shard_path(path, folder, "spool", i, driver_row(i, rows - 1).ts_ms / 60000, ".part");
        assert_int_equal(file_bytes(path), bytes[i]);
    }
}

/* come_back: the other owner writes up to `rows` and gives all back; the first is killed between the commit that makes it the
 * owner again and its sink's first batch: its record is of the file that was open when it gave. */
static void come_back(size_t rows)
{
    char folder[PATH_BYTES], other[PATH_BYTES], output[PATH_BYTES];
    struct error error = {{0}};
    struct buffer given[DRIVER_STREAMS], returned[DRIVER_STREAMS];
    int64_t bytes[DRIVER_STREAMS];
    check_folder(folder);
    path_join(other, folder, "other");
    path_join(output, folder, "runtime");
    struct jsonl_sink_config config = settings(output);
    struct sink *first = jsonl_sink_create(&config), *second = jsonl_sink_create(&config);
    struct journal *of_first = driver_open(folder), *of_second = driver_open(other);
    assert_ok(driver_start(first, of_first, &error));
    assert_ok(driver_start(second, of_second, &error));
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        driver_append(of_first, i, 0, DRIVER_ROWS / 2, false);
        driver_append(of_second, i, DRIVER_ROWS / 2, rows, false);
    }
    write_all(first, of_first);
    give_all(first, given);
    take_all(second, given);
    write_all(second, of_second);
    give_all(second, returned);
    first->close(first->context);
    second->close(second->context);
    tear_parts(folder, rows, bytes);
    forget_rows(of_first);
    if (first->open(first->context, of_first, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    take_all(first, returned);
    if (first->resume(first->context, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    expect_part_bytes(folder, rows, bytes);
    for (size_t i = 0; i < DRIVER_STREAMS; i++) {
        assert_int_equal(first->position(first->context, DRIVER_NAMES[i]), rows);
        driver_append(of_first, i, rows, DRIVER_ROWS, true);
        buffer_finish(&given[i]);
        buffer_finish(&returned[i]);
    }
    write_all(first, of_first);
    first->close(first->context);
    jsonl_sink_destroy(first);
    jsonl_sink_destroy(second);
    journal_close(of_first);
    journal_close(of_second);
    int files = check_minutes(folder, "ready", ".jsonl");
    assert_int_equal(files_below(folder, "runtime"), files);
    check_folder_remove(folder);
}

static void a_stream_that_comes_back_goes_on_behind_its_other_owner(void **state)
{
    (void)state;
    come_back(DRIVER_ROWS / 2);      /* nothing came in between */
    come_back(DRIVER_ROWS / 2 + 20); /* the file the record names is still open, and longer */
    come_back(DRIVER_ROWS * 3 / 4);  /* that file is finished, another one open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_per_symbol_and_minute),
        cmocka_unit_test(planned_stop_leaves_the_part_and_goes_on_in_it),
        cmocka_unit_test(killed_anywhere_every_row_is_there_once),
        cmocka_unit_test(full_disk_is_an_error_and_costs_no_row),
        cmocka_unit_test(a_rename_that_fails_is_unfinished_work_until_it_succeeds),
        cmocka_unit_test(a_journal_begun_anew_writes_the_same_files_again),
        cmocka_unit_test(ready_file_with_another_content_is_not_overwritten),
        cmocka_unit_test(part_shorter_than_recorded_is_refused),
        cmocka_unit_test(too_many_files_move_to_a_folder_per_day),
        cmocka_unit_test(another_instance_goes_on_in_the_same_file),
        cmocka_unit_test(a_stream_without_a_row_can_be_given),
        cmocka_unit_test(a_stream_that_comes_back_goes_on_behind_its_other_owner),
        cmocka_unit_test(damaged_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
