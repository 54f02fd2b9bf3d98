// Archive: every row is stored exactly once, in its window, wherever a life ends and whatever the disk does.
// links: archive store proto base duckdb
// timeout: 1200
#include "archive_driver.h"
#include "base/log.h"
#include "store/origin.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- lives --- */

typedef void life(const char *folder);

/* whole_life: everything as fast as it goes: many jobs between two checkpoints. */
static void whole_life(const char *folder)
{
    struct archive archive;
    archive_open(&archive, folder, 50000);
    while (archive_feed(&archive, 100))
        continue;
    archive_close(&archive);
}

/* slow_life: the writer keeps up: a checkpoint after every job; parts close early, too. */
static void slow_life(const char *folder)
{
    struct archive archive;
    archive_open(&archive, folder, 9);
    while (archive_feed(&archive, 8))
        wait_until_idle(&archive);
    archive_close(&archive);
}

/* short_life: a planned stop in the middle of everything. */
static void short_life(const char *folder)
{
    struct archive archive;
    archive_open(&archive, folder, 50000);
    archive_feed(&archive, 173);
    archive_close(&archive);
}

static bool died(life *body, const char *folder, const char *crash_point)
{
    bool was_killed;
    if (check_begin_life(&was_killed)) {
        if (crash_point)
            setenv("ORDERFLOW_CRASH_POINT", crash_point, 1);
        body(folder);
        _exit(0);
    }
    return was_killed;
}

/* kill_at: false when the life ended by itself before that point. */
static bool kill_at(life *body, const char *crash_point)
{
    char folder[PATH_BYTES];
    check_folder(folder);
    bool killed = died(body, folder, crash_point);
    if (killed)
        assert_false(died(body, folder, NULL));
    check(folder);
    check_folder_remove(folder);
    return killed;
}

/* --- tests --- */

static int make_feed(void **state)
{
    (void)state;
    log_configure("test", RUN, LOG_ERROR);
    /* A fixed stream unless told otherwise: where windows close decides which repeats still meet an open part. */
    feed_make(&feed, getenv("ORDERFLOW_TEST_SEED") ? check_seed() : 1, 300, 24000);
    return 0;
}

static int drop_feed(void **state)
{
    (void)state;
    feed_finish(&feed);
    return 0;
}

static void every_row_is_stored_once(void **state)
{
    char folder[PATH_BYTES];
    (void)state;
    check_folder(folder);
    whole_life(folder);
    check(folder);
    check_folder_remove(folder);
    check_folder(folder);
    slow_life(folder);
    check(folder);
    check_folder_remove(folder);
}

static void reading_again_changes_nothing(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    (void)state;
    check_folder(folder);
    whole_life(folder);
    archive_open(&archive, folder, 50000);
    archive.positions[0] = archive.positions[1] = 0; /* as if nothing had been kept */
    while (archive_feed(&archive, 100))
        continue;
    archive_close(&archive);
    check(folder);
    check_folder_remove(folder);
}

static void planned_stops_leave_no_trace(void **state)
{
    char folder[PATH_BYTES];
    (void)state;
    check_folder(folder);
    for (int i = 0; i < 5; i++)
        short_life(folder);
    whole_life(folder);
    check(folder);
    check_folder_remove(folder);
}

static void killed_anywhere_every_row_is_stored_once(void **state)
{
    static const char *const POINTS[] = {"after_write",  "after_rename",  "before_commit",
                                         "after_commit", "before_remove", "before_replace"};
    life *const bodies[] = {whole_life, slow_life};
    struct random random = check_random();
    (void)state;
    for (size_t body = 0; body < 2; body++)
        for (size_t point = 0; point < sizeof POINTS / sizeof POINTS[0]; point++) {
            char text[64];
            int n = 1, deaths = -1;
            do {
                snprintf(text, sizeof text, "%s:%d", POINTS[point], n);
                n += 1 + n / 2 + (int)random_below(&random, (uint64_t)n);
                deaths++;
            } while (kill_at(bodies[body], text));
            assert_true(deaths > 2);
        }
}

static void killed_again_and_again_it_still_gets_there(void **state)
{
    char folder[PATH_BYTES];
    int deaths = 0;
    (void)state;
    check_folder(folder);
    while (died(slow_life, folder, "after_rename:25"))
        deaths++;
    assert_true(deaths > 1);
    check(folder);
    check_folder_remove(folder);
}

static void repeated_row_ids_are_stored_once_and_counted(void **state)
{
    char folder[PATH_BYTES], sql[2 * PATH_BYTES];
    struct archive archive;
    struct writer_figures figures;
    struct duck duck;
    (void)state;
    check_folder(folder);
    archive_open(&archive, folder, 50000);
    for (int i = 0; i < 3; i++) {
        struct row_view view = feed_view(&feed, FEED_HARVEST, 1); /* a trade */
        view.sequence = i + 1;
        collector_row(archive.collector, archive.streams[FEED_HARVEST], &view);
    }
    struct row_view end = feed_view(&feed, FEED_HARVEST, (int64_t)feed.streams[FEED_HARVEST].count);
    end.sequence = 4;
    collector_row(archive.collector, archive.streams[FEED_HARVEST], &end);
    wait_until_idle(&archive);
    writer_figures(archive.writer, &figures);
    assert_int_equal(figures.rows[KIND_PRICES], 1);
    assert_int_equal(figures.counts.duplicate_row_ids, 2);
    assert_int_equal(figures.counts.deadletter_rows, 0);
    archive_close(&archive);
    duck_open(&duck);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM '%s/data/ofi_cvd/*/*/kind=prices/*.parquet'", folder);
    assert_int_equal(duck_number(&duck, sql), 1);
    duck_close(&duck);
    check_folder_remove(folder);
}

/* --- the disk --- */

static void limit_files(size_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int64_t write_errors(struct archive *archive)
{
    struct writer_figures figures;
    writer_figures(archive->writer, &figures);
    return figures.counts.write_errors_total;
}

static void full_disk_is_counted_and_costs_no_row(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    (void)state;
    check_folder(folder);
    archive_open(&archive, folder, 50000);
    archive_feed(&archive, 300);
    wait_until_idle(&archive);
    int64_t durable = collector_durable(archive.collector, NAMES[0]);
    limit_files(100);
    archive_feed(&archive, 300);
    while (write_errors(&archive) < 3)
        sched_yield();
    assert_false(writer_idle(archive.writer));
    assert_int_equal(collector_durable(archive.collector, NAMES[0]), durable);
    limit_files(0);
    while (archive_feed(&archive, 100))
        continue;
    wait_until_idle(&archive);
    archive_close(&archive);
    check(folder);
    check_folder_remove(folder);
}

static void stopped_on_a_full_disk_the_next_life_finishes(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    (void)state;
    check_folder(folder);
    archive_open(&archive, folder, 50000);
    archive_feed(&archive, 300);
    wait_until_idle(&archive);
    limit_files(100);
    archive_feed(&archive, 300);
    archive_close(&archive); /* returns at once, without what cannot be written */
    limit_files(0);
    whole_life(folder);
    check(folder);
    check_folder_remove(folder);
}

static void a_writer_that_is_behind_says_so(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    (void)state;
    check_folder(folder);
    archive_open(&archive, folder, 1); /* a job for every row */
    limit_files(100);
    assert_false(writer_full(archive.writer));
    archive_feed(&archive, WRITER_JOBS_MAX + 100);
    assert_true(writer_full(archive.writer));
    archive_close(&archive);
    limit_files(0);
    check_folder_remove(folder);
}

/* --- whose files --- */

static void missing_checkpoint_is_not_guessed(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    struct error error = {{0}};
    (void)state;
    check_folder(folder);
    whole_life(folder);
    path_join(archive.checkpoint, folder, "state/checkpoint.json");
    assert_int_equal(unlink(archive.checkpoint), 0);
    assert_int_equal(open_writer(&archive, folder, FINGERPRINT, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "run-1"));
    assert_ok(file_replace(archive.checkpoint, "{}", 2, false));
    assert_int_equal(open_writer(&archive, folder, FINGERPRINT, &error), STATUS_INVALID);
    check_folder_remove(folder);
}

static void another_configuration_begins_anew_and_keeps_the_files(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    struct error error = {{0}};
    (void)state;
    check_folder(folder);
    whole_life(folder);
    assert_ok(open_writer(&archive, folder, "fedcba9876543210", &error));
    assert_int_equal(writer_stream(archive.writer, NAMES[0]).resume, 0);
    writer_close(archive.writer);
    struct duck duck;
    duck_open(&duck);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        check_kind(&duck, folder, kind);
    duck_close(&duck);
    check_folder_remove(folder);
}

static void files_of_other_runs_are_left_alone(void **state)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    (void)state;
    check_folder(folder);
    path_join(path, folder,
              "data/ofi_cvd/date=2024-08-08/symbol=BTCUSDT/kind=prices/part-1-2-3-00000000-99.parquet.txt");
    assert_ok(folder_make_for(path));
    assert_ok(file_replace(path, "x", 1, false));
    whole_life(folder);
    whole_life(folder);
    assert_int_equal(file_bytes(path), 1);
    check_folder_remove(folder);
}

static void replays_keep_out_of_live_data(void **state)
{
    char folder[PATH_BYTES], live[PATH_BYTES], old[PATH_BYTES], replay[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    (void)state;
    check_folder(folder);
    path_join(live, folder, "live");
    path_join(old, folder, "old");
    path_join(replay, folder, "replay");
    assert_ok(origin_claim(live, false, &error));
    assert_ok(origin_claim(live, false, &error));
    assert_int_equal(origin_claim(live, true, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, live));
    assert_ok(origin_claim(replay, true, &error));
    assert_ok(origin_claim(replay, true, &error));
    path_join(path, old, "date=2024-08-08/x"); /* data from before there were notes */
    assert_ok(folder_make_for(path));
    assert_int_equal(origin_claim(old, true, &error), STATUS_INVALID);
    check_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_stored_once),
        cmocka_unit_test(reading_again_changes_nothing),
        cmocka_unit_test(planned_stops_leave_no_trace),
        cmocka_unit_test(killed_anywhere_every_row_is_stored_once),
        cmocka_unit_test(killed_again_and_again_it_still_gets_there),
        cmocka_unit_test(repeated_row_ids_are_stored_once_and_counted),
        cmocka_unit_test(full_disk_is_counted_and_costs_no_row),
        cmocka_unit_test(stopped_on_a_full_disk_the_next_life_finishes),
        cmocka_unit_test(a_writer_that_is_behind_says_so),
        cmocka_unit_test(missing_checkpoint_is_not_guessed),
        cmocka_unit_test(another_configuration_begins_anew_and_keeps_the_files),
        cmocka_unit_test(files_of_other_runs_are_left_alone),
        cmocka_unit_test(replays_keep_out_of_live_data),
    };
    return cmocka_run_group_tests(tests, make_feed, drop_feed);
}
