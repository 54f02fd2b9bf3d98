// links: base
/* The log: one line per event, a share per second, no foreign control characters. */
#include "tests/support/check.h"

#include "base/log.h"
#include "base/status.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_BYTES];
static char path[PATH_BYTES];
static int descriptor;

static int begin(void **state)
{
    (void)state;
    check_folder(folder);
    path_join(path, folder, "log");
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_redirect(descriptor);
    log_configure("tester", "run-1", LOG_INFO);
    return descriptor < 0;
}

static int end(void **state)
{
    (void)state;
    log_redirect(2);
    close(descriptor);
    check_folder_remove(folder);
    return 0;
}

static size_t lines_of(struct buffer *out)
{
    size_t count = 0;
    buffer_init(out, 0);
    assert_ok(file_read(path, out));
    for (const char *at = buffer_text(out); (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static void a_line_has_its_parts_in_order(void **state)
{
    (void)state;
    struct buffer text;
    log_event(LOG_WARNING, "journal_full", "used_mb=%d limit_mb=%d", 5, 6);
    log_event(LOG_DEBUG, "too_fine", "x=%d", 1);
    assert_int_equal(lines_of(&text), 1);
    const char *line = buffer_text(&text);
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24, " WARNING tester journal_full run_id=run-1 used_mb=5 limit_mb=6\n");
    buffer_finish(&text);
}

static void what_the_world_sent_stays_on_its_line(void **state)
{
    (void)state;
    struct buffer text;
    log_event(LOG_INFO, "odd", "reason=\"%s\"", "a\nb\x1b[2Jc\rd\x7f");
    assert_int_equal(lines_of(&text), 1);
    assert_non_null(strstr(buffer_text(&text), "reason=\"a b [2Jc d \"\n"));
    buffer_finish(&text);
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    struct buffer text;
    char *endless = malloc(100000);
    memset(endless, 'x', 99999);
    endless[99999] = 0;
    log_event(LOG_INFO, "long", "reason=%s", endless);
    assert_int_equal(lines_of(&text), 1);
    assert_in_range(text.length, 1000, 2048);
    buffer_finish(&text);
    free(endless);
}

static void a_flood_is_held_back_and_told(void **state)
{
    (void)state;
    struct buffer text;
    for (int i = 0; i < 100000; i++)
        log_event(LOG_INFO, "flood", "i=%d", i);
    log_event(LOG_INFO, "other", "still=1"); /* another event has its own share */
    size_t lines = lines_of(&text);
    /* The loop may straddle a few seconds. */
    assert_in_range(lines, LOG_EVENTS_PER_SECOND + 1, 20 * LOG_EVENTS_PER_SECOND);
    assert_non_null(strstr(buffer_text(&text), "other run_id=run-1 still=1\n"));
    if (lines > 2 * LOG_EVENTS_PER_SECOND)
        assert_non_null(strstr(buffer_text(&text), "suppressed="));
    buffer_finish(&text);
}

static void more_events_than_slots_do_no_harm(void **state)
{
    (void)state;
    struct buffer text;
    static char names[200][16];
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "event_%d", i);
        log_event(LOG_INFO, names[i], "i=%d", i);
    }
    assert_int_equal(lines_of(&text), 200);
    buffer_finish(&text);
}

static void statuses_have_names_and_sentences_are_cut(void **state)
{
    (void)state;
    struct error error;
    char endless[3000];
    memset(endless, 'y', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_int_equal(error_set(&error, STATUS_LIMIT, "%s", endless), STATUS_LIMIT);
    assert_int_equal(strlen(error.text), ERROR_TEXT_BYTES - 1);
    assert_int_equal(error_set(NULL, STATUS_END, "nobody listens"), STATUS_END);
    assert_string_equal(status_name(STATUS_MALFORMED), "malformed");
    assert_string_equal(status_name(STATUS_CLOSED), "closed");
    assert_string_equal(status_name(STATUS_COUNT), "unknown");
    for (int i = 0; i < STATUS_COUNT; i++)
        assert_non_null(status_name((enum status)i));
}

int main(void)
{
#define LOGGED(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        LOGGED(a_line_has_its_parts_in_order),
        LOGGED(what_the_world_sent_stays_on_its_line),
        LOGGED(a_long_line_is_cut),
        LOGGED(a_flood_is_held_back_and_told),
        LOGGED(more_events_than_slots_do_no_harm),
        cmocka_unit_test(statuses_have_names_and_sentences_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
