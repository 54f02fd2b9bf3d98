// Line sink: all streams at the end of one file, every row exactly once, earlier runs untouched.
// links: store journal proto base
// timeout: 120
#include "sink_driver.h"
#include "store/line_sink.h"

static void run(const char *folder)
{
    char path[PATH_BYTES];
    path_join(path, folder, "runtime/lines.jsonl");
    struct line_sink_config config = {
        .name = "lines", .path = path, .run_id = DRIVER_RUN, .message = &signal_message, .batch_rows = 50};
    struct sink *sink = line_sink_create(&config);
    driver_run(sink, folder, 29);
    line_sink_destroy(sink);
}

/* check_from: from `offset` on the file holds every row of both symbols once, each symbol's in order. */
static void check_from(const char *folder, size_t offset)
{
    char path[PATH_BYTES];
    struct buffer found, wanted;
    size_t next[DRIVER_STREAMS] = {0};
    path_join(path, folder, "runtime/lines.jsonl");
    buffer_init(&found, 0);
    buffer_init(&wanted, 0);
    assert_ok(file_read(path, &found));
    const char *text = buffer_text(&found) + offset;
    while (*text) {
        size_t symbol = strstr(text, "BTCUSDT") == strstr(text, "\"symbol\":\"") + 10 ? 0 : 1;
        buffer_clear(&wanted);
        driver_append_lines(&wanted, symbol, next[symbol], next[symbol] + 1);
        next[symbol]++;
        assert_true(strncmp(text, buffer_text(&wanted), wanted.length) == 0);
        text += wanted.length;
    }
    for (size_t i = 0; i < DRIVER_STREAMS; i++)
        assert_int_equal(next[i], DRIVER_ROWS);
    buffer_finish(&found);
    buffer_finish(&wanted);
}

static void check(const char *folder)
{
    check_from(folder, 0);
}

static void every_row_once_in_one_file(void **state)
{
    char folder[PATH_BYTES];
    (void)state;
    check_folder(folder);
    driver_fill(folder, true);
    run(folder);
    check(folder);
    run(folder);
    check(folder);
    check_folder_remove(folder);
}

static void killed_anywhere_every_row_is_there_once(void **state)
{
    (void)state;
    assert_true(driver_kill_everywhere(run, "after_write", check) > 10);
    assert_true(driver_kill_again_and_again(run, "after_write", check) > 10);
}

static void earlier_runs_stay_and_a_torn_line_goes(void **state)
{
    static const char EARLIER[] = "{\"order_id\":\"MOCK-A-1\",\"run_id\":\"run-0\"}\n";
    static const char TORN[] = "{\"order_id\":\"MOCK-A-1\",\"ru";
    char folder[PATH_BYTES], path[PATH_BYTES], both[sizeof EARLIER + sizeof TORN];
    struct buffer found;
    (void)state;
    check_folder(folder);
    path_join(path, folder, "runtime/lines.jsonl");
    assert_ok(folder_make_for(path));
    snprintf(both, sizeof both, "%s%s", EARLIER, TORN);
    assert_ok(file_replace(path, both, strlen(both), false));
    driver_fill(folder, true);
    run(folder);
    check_from(folder, sizeof EARLIER - 1);
    buffer_init(&found, 0);
    assert_ok(file_read(path, &found));
    assert_memory_equal(found.data, EARLIER, sizeof EARLIER - 1);
    buffer_finish(&found);
    check_folder_remove(folder);
}

static void a_journal_begun_anew_replaces_this_runs_lines(void **state)
{
    char folder[PATH_BYTES], journal[PATH_BYTES];
    (void)state;
    check_folder(folder);
    path_join(journal, folder, "journal");
    driver_fill(folder, true);
    run(folder);
    assert_ok(folder_remove(journal));
    driver_fill(folder, true);
    run(folder);
    check(folder);
    check_folder_remove(folder);
}

static void append_line(const char *path, const char *line)
{
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    assert_true(fputs(line, file) > 0);
    assert_int_equal(fclose(file), 0);
}

static void a_later_runs_lines_are_not_cut_with_this_runs(void **state)
{
    static const char LATER[] = "{\"order_id\":\"MOCK-A-1\",\"run_id\":\"run-2\"}\n";
    char folder[PATH_BYTES], path[PATH_BYTES], journal_folder[PATH_BYTES];
    struct error error = {{0}};
    struct buffer before, after;
    (void)state;
    check_folder(folder);
    path_join(path, folder, "runtime/lines.jsonl");
    path_join(journal_folder, folder, "journal");
    driver_fill(folder, true);
    run(folder);
    append_line(path, LATER);
    buffer_init(&before, 0);
    assert_ok(file_read(path, &before));
    assert_ok(folder_remove(journal_folder)); /* the later run's journal took its place */
    struct line_sink_config config = {
        .name = "lines", .path = path, .run_id = DRIVER_RUN, .message = &signal_message};
    struct sink *sink = line_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_int_equal(sink->open(sink->context, journal, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, "another run's lines follow those of run run-1"));
    assert_non_null(strstr(error.text, path));
    journal_close(journal);
    line_sink_destroy(sink);
    buffer_init(&after, 0);
    assert_ok(file_read(path, &after));
    assert_int_equal(after.length, before.length);
    assert_memory_equal(after.data, before.data, before.length);
    buffer_finish(&before);
    buffer_finish(&after);
    check_folder_remove(folder);
}

static void full_disk_is_an_error_and_costs_no_row(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    bool left;
    (void)state;
    check_folder(folder);
    path_join(path, folder, "runtime/lines.jsonl");
    driver_fill(folder, true);
    struct line_sink_config config = {
        .name = "lines", .path = path, .run_id = DRIVER_RUN, .message = &signal_message};
    struct sink *sink = line_sink_create(&config);
    struct journal *journal = driver_open(folder);
    assert_ok(driver_start(sink, journal, &error));
    assert_ok(driver_batch(sink, journal, 20, &left, &error));
    driver_limit_files(20000);
    assert_int_equal(driver_batch(sink, journal, 100, &left, &error), STATUS_IO);
    assert_int_equal(driver_batch(sink, journal, 100, &left, &error), STATUS_IO);
    driver_limit_files(0);
    do
        assert_ok(driver_batch(sink, journal, 100, &left, &error));
    while (left);
    sink->close(sink->context);
    journal_close(journal);
    line_sink_destroy(sink);
    check(folder);
    check_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_once_in_one_file),
        cmocka_unit_test(killed_anywhere_every_row_is_there_once),
        cmocka_unit_test(earlier_runs_stay_and_a_torn_line_goes),
        cmocka_unit_test(a_journal_begun_anew_replaces_this_runs_lines),
        cmocka_unit_test(a_later_runs_lines_are_not_cut_with_this_runs),
        cmocka_unit_test(full_disk_is_an_error_and_costs_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
