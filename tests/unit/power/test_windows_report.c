// Every call with which report changes the disk (its database, summaries, parity, index): the process dies before, in and after it, or
// the call fails; the final summary counts every row once and no file is half written.
// links: test_disk report store base proto yyjson
// timeout: 600
#include "base/log.h"
#include "tests/unit/report/report_life.h"
#include "windows.h"

#include <errno.h>

enum { EVERY = 17, TRADES = 30, SIGNALS = 20, REFUSALS_MAX = 20 };

static struct signal_row signal_at(int64_t sequence)
{
    return fixture_confirmed("BTCUSDT", FIXTURE_START_MS + 100 * sequence, sequence,
                             sequence % 2 ? SIGNAL_BUY : SIGNAL_SELL);
}

/* prepare: what the sinks of signal hold is not report's to write. */
static void prepare(const char *folder)
{
    struct fixture fixture;
    struct signal_row rows[SIGNALS];
    snprintf(fixture.folder, sizeof fixture.folder, "%s", folder);
    for (int64_t i = 0; i < SIGNALS; i++)
        rows[i] = signal_at(i + 1);
    fixture_both(&fixture, rows, SIGNALS);
}

static void feed_signals(struct life *life)
{
    for (int64_t i = report_service_position(life->service, "signal/BTCUSDT") + 1; i <= SIGNALS; i++) {
        struct signal_row row = signal_at(i);
        feed(life, "signal", i, &signal_message, &row);
    }
    feed_end(life, "signal", SIGNALS + 1);
}

/* feed_trades: a turn behind each, so that many commits lie between them. */
static void feed_trades(struct life *life)
{
    struct error error = {{0}};
    for (int64_t i = report_service_position(life->service, "harvest/BTCUSDT") + 1; i <= TRADES; i++) {
        feed_trade(life, i);
        assert_ok(report_service_turn(life->service, &error));
    }
    feed_end(life, "harvest", TRADES + 1);
}

static void live(const char *folder, uint64_t seed)
{
    struct life life = {.is_hasty = true};
    struct error error = {{0}};
    int refusals = 0;
    (void)seed;
    snprintf(life.fixture.folder, sizeof life.fixture.folder, "%s", folder);
    life_prepare(&life);
    while (life_try_open(&life, &error) != STATUS_OK)
        if (++refusals == REFUSALS_MAX)
            fail_msg("%s", error.text);
    feed_signals(&life);
    feed_trades(&life);
    until_idle(&life);
    report_service_close(life.service);
    pthread_cond_destroy(&life.woken);
    pthread_mutex_destroy(&life.mutex);
}

/* whole: a file under its final name. */
static enum status whole(void *context, const char *path)
{
    const char *ending = strrchr(path, '.');
    if (strcmp(ending, ".json") != 0)
        return STATUS_OK;
    char *text = fixture_read(path);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    if (!document)
        fail_msg("%s is half written", path);
    yyjson_doc_free(document);
    free(text);
    ++*(int *)context;
    return STATUS_OK;
}

static void check_side(yyjson_doc *document)
{
    assert_int_equal(integer(document, "/volumes/BTCUSDT/trades"), TRADES);
    assert_int_equal(integer(document, "/signals_published"), SIGNALS);
    assert_int_equal(integer(document, "/total"), SIGNALS);
    assert_int_equal(integer(document, "/confirmed"), SIGNALS);
    assert_true(yyjson_get_bool(yyjson_doc_ptr_get(document, "/streams_ended")));
}

static void check(const char *folder)
{
    struct life life = {0};
    int files = 0;
    snprintf(life.fixture.folder, sizeof life.fixture.folder, "%s", folder);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    check_side(document);
    yyjson_doc_free(document);
    document = read_json(&life, "parity_diff_run-1.json");
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/verdict")), "PASS");
    yyjson_doc_free(document);
    assert_ok(folder_walk(folder, whole, &files));
    assert_int_equal(files, 4); /* two summaries, parity, index: a second try makes no second file */
}

static const struct window_subject SUBJECT = {.life = {live, check}, .prepare = prepare, .every = EVERY};

static void killed_at_any_call_the_next_life_finishes(void **state)
{
    (void)state;
    assert_true(windows_kill_everywhere(&SUBJECT, DISK_KILL_BEFORE) > 3);
    assert_true(windows_kill_everywhere(&SUBJECT, DISK_KILL_TORN) > 3);
    assert_true(windows_kill_everywhere(&SUBJECT, DISK_KILL_AFTER) > 3);
}

static void whatever_call_fails_it_is_tried_again(void **state)
{
    (void)state;
    assert_true(windows_fail_everywhere(&SUBJECT, DISK_FAIL, 1, ENOSPC) > 40);
    assert_true(windows_fail_everywhere(&SUBJECT, DISK_FAIL, 3, EIO) > 40);
    assert_true(windows_fail_everywhere(&SUBJECT, DISK_FAIL_SHORT, 2, ENOSPC) > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_call_the_next_life_finishes),
        cmocka_unit_test(whatever_call_fails_it_is_tried_again),
    };
    log_configure("test", "run-1", LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
