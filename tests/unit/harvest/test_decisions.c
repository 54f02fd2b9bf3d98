// Control inputs on their way through harvest: appended once, answered when the feed has taken them, across lives.
// links: service_harvest stage market net config journal proto base yyjson
#include "services/harvest/decisions.h"
#include "tests/support/check.h"

#include <string.h>

struct fixture {
    char folder[PATH_BYTES];
    struct clock_manual time;
    struct clock clock;
    struct capture_writer *writer;
    struct capture_reader *reader;
    struct decisions decisions;
};

static void open_life(struct fixture *fixture)
{
    struct error error;
    struct capture_writer_config config = {
        .folder = fixture->folder, .run_id = "run", .metadata_json = "{}", .clock = fixture->clock};
    assert_ok(capture_writer_open(&config, &fixture->writer, &error));
    assert_ok(capture_reader_open(fixture->folder, "run", fixture->writer, &fixture->reader, &error));
}

static void close_life(struct fixture *fixture)
{
    capture_reader_close(fixture->reader);
    capture_writer_close(fixture->writer);
}

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.time = {.wall_ns = 1, .monotonic_ns = 1}};
    fixture->clock = clock_from_manual(&fixture->time);
    check_folder(fixture->folder);
    open_life(fixture);
}

static void finish(struct fixture *fixture)
{
    close_life(fixture);
    check_folder_remove(fixture->folder);
}

static enum status say(struct fixture *fixture, bool ready, const char *json, struct error *error)
{
    return decisions_say(&fixture->decisions, fixture->writer, &fixture->clock, ready, json, error);
}

/* take: the feed reads what there is; how many control inputs that were. */
static int take(struct fixture *fixture, bool accepts)
{
    struct capture_record record;
    struct error error;
    int count = 0;
    while (capture_next(fixture->reader, &record, &error) == STATUS_OK) {
        count += record.kind == CAPTURE_CONTROL;
        decisions_note(&fixture->decisions, &record, accepts);
    }
    return count;
}

static const char ONE[] = "{\"id\":\"1\",\"decision\":\"lock_direction\"}";
static const char TWO[] = "{\"id\":\"2\",\"decision\":\"unlock_direction\"}";

static void it_is_appended_once_and_answered_when_it_has_been_taken(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    begin(&fixture);
    take(&fixture, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(say(&fixture, true, ONE, &error), STATUS_AGAIN);
        assert_int_equal(strncmp(error.text, "wait: ", 6), 0);
    }
    assert_int_equal(say(&fixture, true, TWO, &error), STATUS_AGAIN); /* one after the other */
    assert_int_equal(take(&fixture, true), 1);
    assert_ok(say(&fixture, true, ONE, &error));
    assert_int_equal(say(&fixture, true, TWO, &error), STATUS_AGAIN);
    assert_int_equal(take(&fixture, true), 1);
    assert_ok(say(&fixture, true, ONE, &error));
    assert_ok(say(&fixture, true, TWO, &error));
    assert_int_equal(take(&fixture, true), 0);
    finish(&fixture);
}

static void what_the_feed_refuses_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    begin(&fixture);
    assert_int_equal(say(&fixture, true, ONE, &error), STATUS_AGAIN);
    take(&fixture, false);
    assert_int_equal(say(&fixture, true, ONE, &error), STATUS_INVALID);
    const char *const none[] = {
        "",
        "{}",
        "[1]",
        "{\"id\":7}",
        "{\"id\":\"\"}",
        "{\"id\":\"a\\u0000b\"}",
        "{\"id\":\"1\"",
        "{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(say(&fixture, true, none[i], &error), STATUS_INVALID);
    assert_int_equal(take(&fixture, true), 0);
    finish(&fixture);
}

static void a_new_life_asks_the_capture_first(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    struct buffer saved;
    struct reader reader;
    begin(&fixture);
    take(&fixture, true);
    buffer_init(&saved, 0);
    decisions_save(&fixture.decisions, &saved);
    assert_int_equal(say(&fixture, true, ONE, &error), STATUS_AGAIN); /* appended; then it dies */
    close_life(&fixture);
    open_life(&fixture);
    reader_init(&reader, saved.data, saved.length);
    decisions_load(&fixture.decisions, &reader);
    assert_false(reader.failed);
    assert_int_equal(say(&fixture, false, ONE, &error), STATUS_AGAIN); /* not read again yet */
    assert_int_equal(take(&fixture, true), 1);
    assert_ok(say(&fixture, true, ONE, &error));
    buffer_clear(&saved);
    decisions_save(&fixture.decisions, &saved);
    fixture.decisions = (struct decisions){0};
    reader_init(&reader, saved.data, saved.length);
    decisions_load(&fixture.decisions, &reader);
    assert_ok(say(&fixture, true, ONE, &error)); /* of a state behind it */
    assert_int_equal(take(&fixture, true), 0);
    buffer_finish(&saved);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_appended_once_and_answered_when_it_has_been_taken),
        cmocka_unit_test(what_the_feed_refuses_is_refused),
        cmocka_unit_test(a_new_life_asks_the_capture_first),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
