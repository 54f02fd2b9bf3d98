// Archive: what a merge needed goes back when it is done, so that memory is the same after the first hour and after the last.
// links: archive store proto base duckdb
// timeout: 120
#include "archive_driver.h"

#include "base/log.h"

#include <malloc.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { ROWS = 20000, STEP_MS = 1000, MORE_MB_MAX = 12 };

static double own_mb(void)
{
    char line[256];
    double kilobytes = -1;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (kilobytes < 0 && fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %lf", &kilobytes);
    fclose(file);
    assert_true(kilobytes >= 0);
    return kilobytes / 1024;
}

static void what_a_merge_needed_goes_back(void **state)
{
    char folder[PATH_BYTES];
    struct archive archive;
    struct writer_figures figures;
    (void)state;
#ifdef SANITIZED
    skip(); /* its allocator keeps what is freed */
#endif
    log_configure("test", RUN, LOG_ERROR);
    feed_make(&feed, 1, ROWS, STEP_MS);
    check_folder(folder);
    malloc_trim(0);
    const double before = own_mb();
    archive_open(&archive, folder, 50000);
    while (archive_feed(&archive, 1000))
        while (writer_full(archive.writer))
            sched_yield();
    wait_until_idle(&archive);
    const double behind = own_mb();
    writer_figures(archive.writer, &figures);
    print_message("own memory: %.1f MB before, %.1f MB behind %lld merges\n", before, behind,
                  (long long)figures.counts.compactions);
    assert_true(figures.counts.compactions > 20);
    assert_true(behind - before < MORE_MB_MAX);
    archive_close(&archive);
    check_folder_remove(folder);
    feed_finish(&feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_merge_needed_goes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
