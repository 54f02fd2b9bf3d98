// A power cut anywhere: Parquet parts, merged hours, dead letters and checkpoint agree, every row is stored once.
// links: test_disk archive store proto base duckdb
// timeout: 240
#include "base/log.h"
#include "power.h"
#include "tests/unit/archive/archive_driver.h"

enum { CUTS = 30 };

static void promise_name(size_t stream, char out_name[96])
{
    snprintf(out_name, 96, "durable %s", NAMES[stream]);
}

/* live: what has been told to be durable is what producers may forget. */
static void live(const char *folder, uint64_t seed)
{
    struct archive archive;
    struct random random;
    char name[96];
    bool more = true;
    random_seed(&random, seed);
    archive_open(&archive, folder, random_below(&random, 2) ? 50000 : 20);
    for (size_t i = 0; i < FEED_STREAMS; i++) {
        promise_name(i, name);
        assert_true(collector_resume(archive.collector, NAMES[i]) >= power_promised(name));
    }
    while (more) {
        more = archive_feed(&archive, 1 + random_below(&random, 60));
        if (random_below(&random, 2) == 0)
            wait_until_idle(&archive);
        for (size_t i = 0; i < FEED_STREAMS; i++) {
            promise_name(i, name);
            power_promise(name, collector_resume(archive.collector, NAMES[i]));
        }
    }
    archive_close(&archive);
}

static void a_cut_costs_the_archive_no_row_and_doubles_none(void **state)
{
    static const struct power_subject SUBJECT = {live, check};
    (void)state;
    log_configure("test", RUN, LOG_ERROR);
    archive_sync = true;
    feed_make(&feed, 1, 120, 40000);
    power_try(&SUBJECT, CUTS);
    feed_finish(&feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_cut_costs_the_archive_no_row_and_doubles_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
