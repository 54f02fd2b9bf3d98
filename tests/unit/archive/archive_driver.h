/* archive_driver: the archive's collector and writer on a feed, and what must be on disk afterwards. */
#pragma once

#include "feed.h"
#include "services/archive/collector.h"
#include "services/archive/parts.h"
#include "tests/unit/store/duck.h"

#include <sched.h>
#include <stdlib.h>

static const char RUN[] = "run-1", FINGERPRINT[] = "0123456789abcdef";
static struct feed feed;  /* the same for all lives of a test */
static bool archive_sync; /* journal.durability: power */

struct archive {
    char root[PATH_BYTES], deadletter[PATH_BYTES], checkpoint[PATH_BYTES], temp[PATH_BYTES];
    struct writer *writer;
    struct collector *collector;
    size_t streams[FEED_STREAMS];
    int64_t positions[FEED_STREAMS];
};

static const char *const NAMES[FEED_STREAMS] = {"harvest/BTCUSDT", "features/BTCUSDT"};

static inline enum status open_writer(struct archive *archive, const char *folder, const char *fingerprint,
                                      struct error *error)
{
    path_join(archive->root, folder, "data/ofi_cvd");
    path_join(archive->deadletter, folder, "artifacts/deadletter");
    path_join(archive->checkpoint, folder, "state/checkpoint.json");
    path_join(archive->temp, folder, "state/duckdb");
    struct writer_config config = {
        .root = archive->root,
        .deadletter_root = archive->deadletter,
        .checkpoint_path = archive->checkpoint,
        .run_id = RUN,
        .parquet = {.memory_mb = 64,
                    .threads = 1,
                    .temp_folder = archive->temp,
                    .sync = archive_sync,
                    .config_fingerprint = fingerprint},
    };
    return writer_open(&config, &archive->writer, error);
}

static inline enum status archive_try_open(struct archive *archive, const char *folder, size_t max_rows,
                                           struct error *error)
{
    struct collector_config config = {
        .levels = BOOK_LEVELS_DEFAULT, .rotate_s = 300, .max_rows = max_rows, .merge_hours = true};
    enum status status = open_writer(archive, folder, FINGERPRINT, error);
    if (status != STATUS_OK)
        return status;
    archive->collector = collector_create(&config, archive->writer);
    archive->streams[FEED_HARVEST] = collector_stream(archive->collector, "harvest", "BTCUSDT");
    archive->streams[FEED_FEATURES] = collector_stream(archive->collector, "features", "BTCUSDT");
    for (size_t i = 0; i < FEED_STREAMS; i++)
        archive->positions[i] = collector_resume(archive->collector, NAMES[i]);
    return STATUS_OK;
}

static inline void archive_open(struct archive *archive, const char *folder, size_t max_rows)
{
    struct error error = {{0}};
    if (archive_try_open(archive, folder, max_rows, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static inline void archive_close(struct archive *archive)
{
    writer_close(archive->writer);
    collector_destroy(archive->collector);
}

/* archive_feed: up to `rows` more of both streams, features lagging behind; false when both are at their end. */
static inline bool archive_feed(struct archive *archive, size_t rows)
{
    bool more = false;
    for (size_t i = 0; i < FEED_STREAMS; i++) {
        int64_t end = (int64_t)feed.streams[i].count;
        for (size_t k = 0; k < rows / (i + 1) && archive->positions[i] < end; k++) {
            struct row_view view = feed_view(&feed, i, ++archive->positions[i]);
            collector_row(archive->collector, archive->streams[i], &view);
        }
        more |= archive->positions[i] < end;
    }
    return more;
}

static inline void wait_until_idle(struct archive *archive)
{
    while (!writer_idle(archive->writer))
        sched_yield();
}

/* --- what must be there --- */

static inline int compare_texts(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static inline void check_kind(struct duck *duck, const char *folder, enum data_kind kind)
{
    char sql[2 * PATH_BYTES];
    struct feed_expected *expected = &feed.expected[kind];
    qsort(expected->row_ids, expected->count, sizeof *expected->row_ids, compare_texts);
    snprintf(sql, sizeof sql,
             "SELECT row_id FROM read_parquet('%s/data/ofi_cvd/*/symbol=BTCUSDT/kind=%s/*.parquet', "
             "hive_partitioning = false) ORDER BY row_id",
             folder, KINDS[kind].name);
    size_t rows = duck_ask(duck, sql);
    assert_int_equal(rows, expected->count);
    for (size_t i = 0; i < rows; i++) {
        char *row_id = duckdb_value_varchar(&duck->result, 0, i);
        assert_string_equal(row_id, expected->row_ids[i]);
        duckdb_free(row_id);
    }
}

static inline enum status count_lines(void *context, const char *path)
{
    struct buffer text;
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    for (size_t i = 0; i < text.length; i++)
        *(int64_t *)context += text.data[i] == '\n';
    buffer_finish(&text);
    return STATUS_OK;
}

static inline void check_dead_letters(const char *folder)
{
    char path[PATH_BYTES];
    int64_t lines = 0;
    path_join(path, folder, "artifacts/deadletter");
    assert_ok(folder_walk(path, count_lines, &lines));
    assert_int_equal(lines, feed.bad_rows);
}

/* check_files: only hour files are left, each within its hour and named for what it holds. */
static inline void check_files(struct duck *duck, const char *folder)
{
    char sql[4 * PATH_BYTES], pattern[2 * PATH_BYTES];
    snprintf(pattern, sizeof pattern, "%s/data/ofi_cvd/*/*/*/*.parquet", folder);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM glob('%s') WHERE NOT ends_with(file, '-h.parquet')",
             pattern);
    assert_int_equal(duck_number(duck, sql), 0);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT filename, min(ts_ms) AS lo, max(ts_ms) AS hi, count(*) AS n FROM "
             "read_parquet('%s', hive_partitioning = false, filename = true, union_by_name = true) GROUP BY "
             "filename) "
             "WHERE lo // 3600000 <> hi // 3600000 OR NOT contains(filename, format('/part-{}-{}-{}-', lo, "
             "hi, n)) OR "
             "NOT contains(filename, 'date=' || strftime(make_timestamp(lo * 1000), '%%Y-%%m-%%d') || '/')",
             pattern);
    assert_int_equal(duck_number(duck, sql), 0);
}

static inline enum status find_unfinished(void *context, const char *path)
{
    (void)context;
    fail_msg("left behind: %s", path);
    return STATUS_OK;
}

static inline void check_counters(const char *folder)
{
    struct archive archive;
    struct writer_figures figures;
    archive_open(&archive, folder, 50000);
    writer_figures(archive.writer, &figures);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        assert_int_equal(figures.rows[kind], feed.expected[kind].count);
    assert_int_equal(figures.counts.deadletter_rows, feed.bad_rows);
    for (size_t i = 0; i < FEED_STREAMS; i++) {
        assert_int_equal(collector_durable(archive.collector, NAMES[i]), feed.streams[i].count);
        assert_int_equal(collector_resume(archive.collector, NAMES[i]), feed.streams[i].count - 1);
    }
    archive_close(&archive);
}

static inline void check(const char *folder)
{
    struct duck duck;
    char temp[PATH_BYTES];
    duck_open(&duck);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        check_kind(&duck, folder, kind);
    check_files(&duck, folder);
    check_dead_letters(folder);
    check_counters(folder);
    path_join(temp, folder, "state/duckdb");
    enum status status = folder_walk(temp, find_unfinished, NULL);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    duck_close(&duck);
}
