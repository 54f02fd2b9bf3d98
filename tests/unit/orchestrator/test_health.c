// Heartbeats as the orchestrator takes them in, and the health it sees in them.
// links: orchestrator proto base
#include "base/file.h"
#include "orchestrator/health/health.h"
#include "orchestrator/health/telemetry.h"
#include "proto/frame.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* beat: a heartbeat frame under construction. */
struct beat {
    struct buffer rows, frame;
    size_t count;
};

static void beat_begin_as(struct beat *beat, int64_t pid, int64_t seq, bool is_brief)
{
    struct heartbeat_row row;
    message_clear(&heartbeat_message, &row);
    snprintf(row.name, sizeof row.name, "signal");
    snprintf(row.state, sizeof row.state, "running");
    row.pid = pid;
    row.generation = 2;
    row.seq = seq;
    row.rss_mb = 10;
    row.open_files = 20;
    row.brief = is_brief;
    buffer_init(&beat->rows, 0);
    buffer_init(&beat->frame, 0);
    row_encode(&beat->rows, &heartbeat_message, heartbeat_message.field_count, &row);
    beat->count = 1;
}

static void beat_begin(struct beat *beat, int64_t pid, int64_t seq)
{
    beat_begin_as(beat, pid, seq, false);
}

static void beat_gauge(struct beat *beat, const char *name, double value)
{
    struct gauge_row row = {.value = value};
    snprintf(row.name, sizeof row.name, "%s", name);
    row_encode(&beat->rows, &gauge_message, gauge_message.field_count, &row);
    beat->count++;
}

static void beat_counter(struct beat *beat, const char *name, int64_t value)
{
    struct counter_row row = {.value = value};
    snprintf(row.name, sizeof row.name, "%s", name);
    row_encode(&beat->rows, &counter_message, counter_message.field_count, &row);
    beat->count++;
}

static void beat_stream(struct beat *beat, const char *stream, bool published, int64_t last, bool ended)
{
    struct stream_status_row row = {.published = published, .last_sequence = last, .ended = ended};
    snprintf(row.stream, sizeof row.stream, "%s", stream);
    row_encode(&beat->rows, &stream_status_message, stream_status_message.field_count, &row);
    beat->count++;
}

static enum status beat_take(struct beat *beat, struct telemetry *telemetry, const char *run_id,
                             int64_t generation, int64_t now_ms)
{
    struct telemetry_expected expected = {.run_id = "run", .instance = "signal", .generation = 2, .pid = 42};
    struct frame_header header = {.generation = generation, .row_count = beat->count};
    struct error error;
    snprintf(header.run_id, sizeof header.run_id, "%s", run_id);
    snprintf(header.instance, sizeof header.instance, "signal");
    frame_encode(&beat->frame, &header, beat->rows.data, beat->rows.length);
    enum status status =
        telemetry_read(telemetry, &expected, now_ms, beat->frame.data, beat->frame.length, &error);
    buffer_finish(&beat->rows);
    buffer_finish(&beat->frame);
    return status;
}

static void a_heartbeat_replaces_what_was_known(void **unused)
{
    (void)unused;
    struct telemetry telemetry;
    struct beat beat;
    int64_t value;
    telemetry_init(&telemetry);
    beat_begin(&beat, 42, 1);
    beat_counter(&beat, "processed", 7);
    beat_counter(&beat, "gone", 1);
    beat_stream(&beat, "features/A", false, 10, true);
    beat_stream(&beat, "features/B", false, 20, false);
    beat_stream(&beat, "signal/A", true, 5, false);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1000));
    assert_true(telemetry_counter(&telemetry, "processed", &value));
    assert_int_equal(value, 7);
    assert_int_equal(telemetry_rows(&telemetry, false), 30);
    assert_int_equal(telemetry_rows(&telemetry, true), 5);
    assert_false(telemetry_ended(&telemetry, false, 2));
    beat_begin(&beat, 42, 2);
    beat_counter(&beat, "processed", 8);
    beat_stream(&beat, "features/A", false, 11, true);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1200));
    assert_false(telemetry_counter(&telemetry, "gone", &value));
    assert_true(telemetry_ended(&telemetry, false, 1));
    assert_false(telemetry_ended(&telemetry, false, 2)); /* one of two is not reported at all */
    assert_int_equal(telemetry.received_ms, 1200);
    telemetry_finish(&telemetry);
}

static void put_figure(void *context, const char *rest, double value)
{
    buffer_format(context, "%s=%g ", rest, value);
}

/* of_streams: what is known of counter n and gauge g of single streams. */
static void of_streams(const struct telemetry *telemetry, const char *wanted)
{
    struct buffer text;
    buffer_init(&text, 0);
    telemetry_each(telemetry, false, "n/harvest/", put_figure, &text);
    telemetry_each(telemetry, true, "g/harvest/", put_figure, &text);
    assert_string_equal(buffer_text(&text), wanted);
    buffer_finish(&text);
}

static void a_brief_heartbeat_leaves_the_figures_of_single_streams_as_they_were(void **unused)
{
    (void)unused;
    struct telemetry telemetry;
    struct beat beat;
    struct json json;
    struct buffer text;
    int64_t value;
    telemetry_init(&telemetry);
    beat_begin(&beat, 42, 1);
    beat_counter(&beat, "n", 3);
    beat_counter(&beat, "n/harvest/A", 1);
    beat_counter(&beat, "n/harvest/B", 2);
    beat_gauge(&beat, "g/harvest/A", 0.5);
    beat_counter(&beat, "reason/x", 9);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1000));
    of_streams(&telemetry, "A=1 B=2 A=0.5 ");
    beat_begin_as(&beat, 42, 2, true);
    beat_counter(&beat, "n", 4);
    beat_counter(&beat, "n/harvest/A", 8); /* it should not be there */
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1200));
    of_streams(&telemetry, "A=1 B=2 A=0.5 ");
    assert_true(telemetry_counter(&telemetry, "n", &value) && value == 4);
    assert_false(telemetry_counter(&telemetry, "reason/x", &value)); /* of no stream: told by each, or gone */
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    telemetry_json(&json, &telemetry);
    json_object_end(&json);
    assert_non_null(strstr(buffer_text(&text), "\"counters\":{\"n\":4,\"n/harvest/A\":1,\"n/harvest/B\":2}"));
    assert_non_null(strstr(buffer_text(&text), "\"gauges\":{\"g/harvest/A\":0.5}"));
    buffer_finish(&text);
    beat_begin(&beat, 42, 3); /* A has gone to another instance */
    beat_counter(&beat, "n", 4);
    beat_counter(&beat, "n/harvest/B", 2);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1400));
    of_streams(&telemetry, "B=2 ");
    telemetry_finish(&telemetry);
}

static void heartbeats_of_others_change_nothing(void **unused)
{
    (void)unused;
    struct telemetry telemetry;
    struct beat beat;
    telemetry_init(&telemetry);
    beat_begin(&beat, 42, 1);
    assert_int_equal(beat_take(&beat, &telemetry, "other", 2, 0), STATUS_CONFLICT);
    beat_begin(&beat, 42, 1);
    assert_int_equal(beat_take(&beat, &telemetry, "run", 1, 0), STATUS_CONFLICT); /* of a dead generation */
    beat_begin(&beat, 41, 1);
    assert_int_equal(beat_take(&beat, &telemetry, "run", 2, 0), STATUS_CONFLICT); /* another process */
    assert_false(telemetry.seen);
    telemetry_finish(&telemetry);
}

static void what_an_instance_wrote_last_is_known_until_it_is_heard(void **unused)
{
    (void)unused;
    static const char TEXT[] =
        "{\"run_id\": \"run\", \"name\": \"signal\", \"event_ts_ms\": 1700000000123, \"counters\": "
        "{\"processed\": 7, \"n/harvest/A\": 2}, \"gauges\": "
        "{\"ratio\": 0.5, \"unknown\": null}, \"sinks\": [{\"sink\": \"jsonl\", \"written\": 5}]}";
    char path[PATH_BYTES];
    struct telemetry telemetry;
    struct beat beat;
    int64_t count;
    double value;
    path_join(path, "/tmp", "telemetry-%d.json", (int)getpid());
    assert_ok(file_replace(path, TEXT, strlen(TEXT), false));
    telemetry_init(&telemetry);
    telemetry_recall(&telemetry, path, "other", "signal");
    telemetry_recall(&telemetry, path, "run", "broker");
    assert_false(telemetry_counter(&telemetry, "processed", &count));
    assert_true(telemetry.beat.event_ts_ms == FIELD_NULL_I64);
    telemetry_recall(&telemetry, path, "run", "signal");
    assert_true(telemetry.beat.event_ts_ms == 1700000000123);
    assert_true(telemetry_counter(&telemetry, "processed", &count));
    assert_int_equal(count, 7);
    assert_true(telemetry_gauge(&telemetry, "ratio", &value));
    assert_float_equal(value, 0.5, 0);
    of_streams(&telemetry, "A=2 ");
    assert_true(telemetry_gauge(&telemetry, "unknown", &value) && isnan(value));
    assert_int_equal(telemetry_written(&telemetry), 5);
    assert_false(telemetry.seen);
    beat_begin(&beat, 42, 1);
    beat_counter(&beat, "processed", 8);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1000));
    telemetry_recall(&telemetry, path, "run", "signal"); /* what has been heard is newer */
    assert_true(telemetry_counter(&telemetry, "processed", &count));
    assert_int_equal(count, 8);
    telemetry_finish(&telemetry);
    assert_int_equal(unlink(path), 0);
}

static const struct telemetry_expected LAST = {
    .run_id = "run", .instance = "signal", .generation = 2, .pid = 42};

/* last_word: what an ended instance has written, in the shape of its status file. */
static bool last_word(struct telemetry *telemetry, const char *run_id, int64_t pid, int64_t generation,
                      int64_t seq)
{
    char path[PATH_BYTES], text[1024];
    path_join(path, "/tmp", "last-word-%d.json", (int)getpid());
    snprintf(text, sizeof text,
             "{\"run_id\":\"%s\",\"name\":\"signal\",\"pid\":%lld,\"generation\":%lld,\"seq\":%lld,\"state\":"
             "\"drained\","
             "\"event_ts_ms\":null,\"caught_up\":true,\"rss_mb\":12.5,\"counters\":{\"dropped\":9},"
             "\"gauges\":{},\"sinks\":[],"
             "\"streams\":[{\"stream\":\"features/"
             "BTCUSDT\",\"published\":false,\"last_sequence\":31,\"ended\":true}]}",
             run_id, (long long)pid, (long long)generation, (long long)seq);
    assert_ok(file_replace(path, text, strlen(text), false));
    bool taken = telemetry_last_word(telemetry, path, &LAST);
    assert_int_equal(unlink(path), 0);
    return taken;
}

static void what_it_wrote_last_stands_where_its_last_heartbeat_was_lost(void **unused)
{
    (void)unused;
    struct telemetry telemetry;
    struct beat beat;
    int64_t count;
    telemetry_init(&telemetry);
    assert_false(last_word(&telemetry, "run", 41, 2, 8));
    assert_true(last_word(&telemetry, "run", 42, 2, 6)); /* never heard, but its pid is known */
    assert_true(telemetry.seen && telemetry_counter(&telemetry, "dropped", &count) && count == 9);
    beat_begin(&beat, 42, 7);
    beat_counter(&beat, "dropped", 5);
    beat_stream(&beat, "features/BTCUSDT", false, 30, false);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1000));
    assert_false(last_word(&telemetry, "other", 42, 2, 8));
    assert_false(last_word(&telemetry, "run", 41, 2, 8));
    assert_false(last_word(&telemetry, "run", 42, 1, 8));
    assert_false(last_word(&telemetry, "run", 42, 2, 7)); /* it has arrived */
    assert_false(telemetry_last_word(&telemetry, "/nonexistent/signal.json", &LAST));
    assert_true(telemetry_counter(&telemetry, "dropped", &count) && count == 5);
    assert_true(last_word(&telemetry, "run", 42, 2, 8));
    assert_true(telemetry_counter(&telemetry, "dropped", &count) && count == 9);
    assert_int_equal(telemetry.beat.seq, 8);
    assert_int_equal(telemetry.beat.event_ts_ms, FIELD_NULL_I64);
    assert_float_equal(telemetry.beat.rss_mb, 12.5, 0);
    assert_string_equal(telemetry.beat.state, "drained");
    assert_int_equal(telemetry_rows(&telemetry, false), 31);
    assert_true(telemetry_ended(&telemetry, false, 1));
    beat_begin(&beat, 42, 7);
    beat_counter(&beat, "dropped", 5);
    assert_ok(beat_take(&beat, &telemetry, "run", 2, 1200)); /* one that was late */
    assert_true(telemetry_counter(&telemetry, "dropped", &count) && count == 9);
    telemetry_finish(&telemetry);
}

static void damaged_heartbeats_are_refused_whole(void **unused)
{
    (void)unused;
    struct telemetry_expected expected = {.run_id = "run", .instance = "signal", .generation = 2, .pid = 42};
    struct random random = check_random();
    struct telemetry telemetry;
    struct error error;
    int taken = 0;
    telemetry_init(&telemetry);
    for (int i = 0; i < 5000; i++) {
        struct beat beat;
        struct frame_header header = {.generation = 2, .row_count = 3};
        snprintf(header.run_id, sizeof header.run_id, "run");
        snprintf(header.instance, sizeof header.instance, "signal");
        beat_begin(&beat, 42, 1);
        beat_counter(&beat, "processed", 1);
        beat_stream(&beat, "features/A", false, 10, true);
        frame_encode(&beat.frame, &header, beat.rows.data, beat.rows.length);
        beat.frame.data[random_below(&random, beat.frame.length)] = (uint8_t)random_below(&random, 256);
        size_t bytes =
            random_below(&random, 3) ? beat.frame.length : random_below(&random, beat.frame.length);
        taken += telemetry_read(&telemetry, &expected, 0, beat.frame.data, bytes, &error) == STATUS_OK;
        buffer_finish(&beat.rows);
        buffer_finish(&beat.frame);
    }
    assert_in_range(taken, 1, 4999); /* a changed figure is still a heartbeat, a changed header is not */
    telemetry_finish(&telemetry);
}

/* bench: a signal process whose heartbeats are made by the test. */
struct bench {
    struct telemetry telemetry;
    struct health health;
    struct health_view view;
    bool quiet; /* the market; else there is something to read at every tick */
};

/* bench_at: the time of the next judgement. */
static void bench_at(struct bench *bench, int64_t now_ms)
{
    bench->view.now_ms = now_ms;
    if (!bench->quiet)
        bench->view.market_rows = now_ms;
    if (!bench->quiet && bench->view.input_rows >= 0)
        bench->view.input_rows = now_ms;
}

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){0};
    telemetry_init(&bench->telemetry);
    bench->view = (struct health_view){.process = "signal",
                                       .telemetry = &bench->telemetry,
                                       .up = true,
                                       .beats = true,
                                       .feeding = true,
                                       .heartbeat_timeout_ms = 500,
                                       .growth_window_ms = 60000,
                                       .time_scale = 1,
                                       .growth_count = 1,
                                       .max_rss_mb = 600,
                                       .max_open_files = 256,
                                       .rss_mb = 10,
                                       .open_files = 20};
}

static enum health_status bench_tick(struct bench *bench, int64_t now_ms, int64_t processed, int64_t dropped)
{
    struct beat beat;
    bench_at(bench, now_ms);
    beat_begin(&beat, 42, now_ms + 1);
    beat_counter(&beat, "processed", processed);
    if (dropped >= 0)
        beat_counter(&beat, "dropped", dropped);
    assert_ok(beat_take(&beat, &bench->telemetry, "run", 2, now_ms));
    health_judge(&bench->health, &bench->view, 0, true);
    return bench->health.status;
}

static void growth_is_asked_for_over_its_window(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    for (int64_t now_ms = 0; now_ms <= 50000; now_ms += 10000)
        assert_int_equal(bench_tick(&bench, now_ms, 5, 0), HEALTH_HEALTHY); /* the window is not over yet */
    assert_int_equal(bench_tick(&bench, 60000, 5, 0), HEALTH_UNHEALTHY);
    assert_string_equal(bench.health.failed, "no_growth:processed");
    assert_int_equal(bench_tick(&bench, 70000, 6, 0), HEALTH_HEALTHY);
    assert_int_equal(bench.health.checks, 8);
    assert_int_equal(bench.health.healthy_checks, 7);
    telemetry_finish(&bench.telemetry);
}

static void in_recorded_runs_and_before_the_feed_opens_existence_is_enough(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    bench.view.recorded = true;
    for (int64_t now_ms = 0; now_ms <= 200000; now_ms += 10000)
        assert_int_equal(bench_tick(&bench, now_ms, 5, 0), HEALTH_HEALTHY);
    assert_int_equal(bench_tick(&bench, 210000, 5, -1), HEALTH_UNHEALTHY); /* `dropped` is not reported */
    assert_string_equal(bench.health.failed, "not_reported:dropped");
    bench.view.recorded = bench.view.feeding = false;
    assert_int_equal(bench_tick(&bench, 400000, 5, 0), HEALTH_HEALTHY);
    telemetry_finish(&bench.telemetry);
}

static void each_condition_shows_by_name(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    assert_int_equal(bench_tick(&bench, 0, 5, 3), HEALTH_UNHEALTHY);
    assert_string_equal(bench.health.failed, "not_zero:dropped");
    bench.view.rss_mb = 600;
    bench.view.open_files = 256;
    assert_int_equal(bench_tick(&bench, 10, 5, 0), HEALTH_UNHEALTHY);
    assert_string_equal(bench.health.failed, "rss_mb,open_files");
    bench.view.rss_mb = 10;
    bench.view.open_files = 20;
    bench.view.now_ms = 511;
    health_judge(&bench.health, &bench.view, 0, false);
    assert_string_equal(bench.health.failed, "no_heartbeat");
    bench.view.paused = true;
    health_judge(&bench.health, &bench.view, 0, false);
    assert_string_equal(bench.health.failed, "paused");
    bench.view.up = false;
    health_judge(&bench.health, &bench.view, 0, false);
    assert_string_equal(bench.health.failed, "not_ready");
    bench.view.gave_up = true;
    health_judge(&bench.health, &bench.view, 0, false);
    assert_int_equal(bench.health.status, HEALTH_DEGRADED);
    assert_int_equal(bench.health.checks, 2); /* only ticks count */
    telemetry_finish(&bench.telemetry);
}

static void one_that_lacks_something_is_degraded_until_it_says_otherwise(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    assert_int_equal(bench_tick(&bench, 0, 5, 0), HEALTH_HEALTHY);
    snprintf(bench.telemetry.beat.state, sizeof bench.telemetry.beat.state, "degraded");
    health_judge(&bench.health, &bench.view, 0, false);
    assert_string_equal(bench.health.failed, "degraded");
    bench.view.now_ms = 511; /* late: the disk that it lacks, or a busy machine */
    health_judge(&bench.health, &bench.view, 0, false);
    assert_string_equal(bench.health.failed, "no_heartbeat,degraded");
    assert_int_equal(bench.health.status, HEALTH_DEGRADED);
    snprintf(bench.telemetry.beat.state, sizeof bench.telemetry.beat.state, "running");
    health_judge(&bench.health, &bench.view, 0, false);
    assert_string_equal(bench.health.failed, "no_heartbeat");
    assert_int_equal(bench.health.status, HEALTH_UNHEALTHY);
    telemetry_finish(&bench.telemetry);
}

/* told: what a heartbeat says beside itself. */
struct told {
    const char *counter;
    int64_t value;
};

/* judge_told: a tick of `process` with these figures; returns what failed. */
static const char *judge_told(struct bench *bench, const char *process, int64_t now_ms,
                              const struct told *told, size_t count)
{
    struct beat beat;
    bench->view.process = process;
    bench_at(bench, now_ms);
    beat_begin(&beat, 42, now_ms + 1);
    for (size_t i = 0; i < count; i++)
        beat_counter(&beat, told[i].counter, told[i].value);
    assert_ok(beat_take(&beat, &bench->telemetry, "run", 2, now_ms));
    health_judge(&bench->health, &bench->view, 0, true);
    return bench->health.failed;
}

#define JUDGE(bench, process, now_ms, ...)                                 \
    judge_told(bench, process, now_ms, (const struct told[]){__VA_ARGS__}, \
               sizeof((const struct told[]){__VA_ARGS__}) / sizeof(struct told))

/* harvest_tick: everything grows but what the arguments hold still. */
static const char *harvest_tick(struct bench *bench, int64_t now_ms, int64_t capture, int64_t silent_trades,
                                int64_t silent_books, int64_t timeouts)
{
    return JUDGE(bench, "harvest", now_ms, {"received_trades", now_ms}, {"received_books", now_ms},
                 {"queue_dropped", 0}, {"stage_retention_dropped", 0},
                 {"symbols_without_trades", silent_trades}, {"symbols_without_books", silent_books},
                 {"substream_timeout_detected", timeouts}, {"capture_bytes", capture});
}

static void harvest_needs_every_symbol_its_sockets_and_its_capture(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    bench.view.feeding_ms = 1;
    assert_string_equal(harvest_tick(&bench, 1, 1, 0, 0, 0), "");
    assert_string_equal(harvest_tick(&bench, 60001, 2, 0, 0, 0), "");
    assert_string_equal(harvest_tick(&bench, 120001, 2, 0, 0, 0), "no_growth:capture_bytes");
    assert_string_equal(harvest_tick(&bench, 130001, 3, 1, 0, 0), "not_zero:symbols_without_trades");
    assert_string_equal(harvest_tick(&bench, 140001, 4, 0, 2, 0), "not_zero:symbols_without_books");
    assert_string_equal(harvest_tick(&bench, 150001, 5, 0, 0, 1), "rises:substream_timeout_detected");
    assert_string_equal(harvest_tick(&bench, 160001, 6, 0, 0, 1), "");
    bench.view.recorded = true; /* recorded time may stand still */
    assert_string_equal(harvest_tick(&bench, 170001, 6, 1, 1, 1), "");
    telemetry_finish(&bench.telemetry);
}

static const char *archive_tick(struct bench *bench, int64_t now_ms, int64_t market, int64_t derived)
{
    return JUDGE(bench, "archive", now_ms, {"rows_prices", market}, {"rows_orderbook", 7}, {"rows_ofi", 1},
                 {"rows_cvd", 2}, {"rows_fusion", 3}, {"rows_features", derived}, {"write_errors_total", 0},
                 {"deadletter_rows", 0});
}

static void archive_writes_of_both_kinds_unless_there_is_only_one(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    bench.view.modules = module_bit(MODULE_HARVEST) | module_bit(MODULE_FEATURES);
    assert_string_equal(archive_tick(&bench, 1, 1, 1), "");
    assert_string_equal(archive_tick(&bench, 90001, 2, 2), "");
    assert_string_equal(archive_tick(&bench, 180001, 3, 2),
                        "no_growth:rows_ofi+rows_cvd+rows_fusion+rows_features");
    assert_string_equal(archive_tick(&bench, 270001, 3, 3), "no_growth:rows_prices+rows_orderbook");
    bench.view.modules = module_bit(MODULE_HARVEST);
    bench.health.sample_count = 0;
    assert_string_equal(archive_tick(&bench, 360001, 4, 3), "");
    assert_string_equal(archive_tick(&bench, 450001, 5, 3), "");
    telemetry_finish(&bench.telemetry);
}

static void signal_turns_its_files_over_where_it_has_any(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    for (int64_t now_ms = 1; now_ms <= 240001; now_ms += 60000)
        assert_string_equal(JUDGE(&bench, "signal", now_ms, {"processed", now_ms}, {"dropped", 0}), "");
    bench.health.sample_count = 0;
    for (int64_t now_ms = 300001; now_ms < 420001; now_ms += 60000)
        JUDGE(&bench, "signal", now_ms, {"processed", now_ms}, {"dropped", 0}, {"jsonl_rotations", 4});
    assert_string_equal(
        JUDGE(&bench, "signal", 420001, {"processed", 420001}, {"dropped", 0}, {"jsonl_rotations", 4}),
        "no_growth:jsonl_rotations");
    assert_string_equal(
        JUDGE(&bench, "signal", 430001, {"processed", 430001}, {"dropped", 0}, {"jsonl_rotations", 5}), "");
    telemetry_finish(&bench.telemetry);
}

static const char *signal_tick(struct bench *bench, int64_t now_ms, int64_t rotations)
{
    return JUDGE(bench, "signal", now_ms, {"processed", now_ms}, {"dropped", 0},
                 {"jsonl_rotations", rotations});
}

static void a_counter_that_a_restart_begins_anew_has_not_fallen(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    for (int64_t now_ms = 1; now_ms < 300001; now_ms += 60000)
        assert_string_equal(signal_tick(&bench, now_ms, 1 + now_ms / 60000), "");
    assert_string_equal(signal_tick(&bench, 310001, 0),
                        ""); /* killed: the new life has turned over nothing yet */
    assert_string_equal(signal_tick(&bench, 350001, 1), "");
    assert_string_equal(signal_tick(&bench, 470001, 1), "no_growth:jsonl_rotations");
    assert_string_equal(signal_tick(&bench, 480001, 2), "");
    telemetry_finish(&bench.telemetry);
}

/* beat_of: a heartbeat without counters, with what it has to do. */
static const char *judge_beat(struct bench *bench, const char *process, int64_t now_ms, int64_t progress,
                              int64_t queue_len, int64_t event_ms)
{
    bench->view.process = process;
    bench->view.now_ms = bench->telemetry.received_ms = now_ms;
    bench->telemetry.seen = true;
    bench->telemetry.beat.progress = progress;
    bench->telemetry.beat.queue_len = queue_len;
    bench->telemetry.beat.event_ts_ms = event_ms;
    health_judge(&bench->health, &bench->view, 0, true);
    return bench->health.failed;
}

static void a_heartbeat_without_progress_is_no_life_unless_there_is_nothing_to_do(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    assert_string_equal(judge_beat(&bench, "broker", 1, 10, 5, FIELD_NULL_I64), "");
    assert_string_equal(judge_beat(&bench, "broker", 5001, 10, 5, FIELD_NULL_I64), "");
    assert_string_equal(judge_beat(&bench, "broker", 5002, 10, 5, FIELD_NULL_I64), "no_progress");
    assert_string_equal(judge_beat(&bench, "broker", 5003, 11, 5, FIELD_NULL_I64), "");
    assert_string_equal(judge_beat(&bench, "broker", 9000, 11, 0, FIELD_NULL_I64), "");
    assert_string_equal(judge_beat(&bench, "broker", 99000, 11, 0, FIELD_NULL_I64), "");
    assert_string_equal(judge_beat(&bench, "broker", 99001, 11, 1, FIELD_NULL_I64), "");
    telemetry_finish(&bench.telemetry);
}

static void the_broker_is_not_far_behind_and_the_report_is_not_late(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    bench.view.newest_event_ms = 1000000;
    bench.view.summary_age_max_ms = 90000;
    bench.view.lag_rows = 3;
    assert_string_equal(judge_beat(&bench, "broker", 1, 1, 0, 820000), "");
    assert_string_equal(judge_beat(&bench, "broker", 2, 1, 0, 819999), "behind:event_time");
    bench.view.lag_rows = 0; /* nothing was said that it could have read */
    assert_string_equal(judge_beat(&bench, "broker", 3, 1, 0, 819999), "");
    assert_string_equal(judge_beat(&bench, "report", 90000, 1, 0, 1), ""); /* the first is not due yet */
    assert_string_equal(judge_beat(&bench, "report", 90001, 1, 0, 1), "late:summary");
    struct beat beat;
    for (int age_s = 90; age_s <= 91; age_s++) {
        beat_begin(&beat, 42, 1);
        struct gauge_row row = {.name = "summary_age_s", .value = age_s};
        row_encode(&beat.rows, &gauge_message, gauge_message.field_count, &row);
        beat.count++;
        assert_ok(beat_take(&beat, &bench.telemetry, "run", 2, 100000));
        bench.view.now_ms = 100000;
        health_judge(&bench.health, &bench.view, 0, true);
        assert_string_equal(bench.health.failed, age_s == 90 ? "" : "late:summary");
    }
    bench.view.ready_ms = 10000; /* a restarted one owes its first summary only as much later */
    health_judge(&bench.health, &bench.view, 0, true);
    assert_string_equal(bench.health.failed, "");
    bench.view.ready_ms = 9999;
    health_judge(&bench.health, &bench.view, 0, true);
    assert_string_equal(bench.health.failed, "late:summary");
    telemetry_finish(&bench.telemetry);
}

/* market_tick: of any process with figures that grow: all of them are `value`. */
static const char *market_tick(struct bench *bench, const char *process, int64_t now_ms, int64_t value)
{
    return JUDGE(bench, process, now_ms, {"received_trades", value}, {"received_books", value},
                 {"queue_dropped", 0}, {"stage_retention_dropped", 0}, {"symbols_without_trades", 0},
                 {"symbols_without_books", 0}, {"substream_timeout_detected", 0}, {"capture_bytes", value},
                 {"rows_prices", value}, {"rows_orderbook", 0}, {"rows_ofi", value}, {"rows_cvd", 0},
                 {"rows_fusion", 0}, {"rows_features", 0}, {"write_errors_total", 0}, {"deadletter_rows", 0},
                 {"rows", value}, {"processed", value}, {"dropped", 0}, {"jsonl_rotations", value});
}

/* GROWING: who is asked for growth, and what fails without it. */
static const struct {
    const char *process, *failed;
} GROWING[] = {
    {"harvest", "no_growth:received_trades,no_growth:received_books,no_growth:capture_bytes"},
    {"archive", "no_growth:rows_prices+rows_orderbook,no_growth:rows_ofi+rows_cvd+rows_fusion+rows_features"},
    {"features", "no_growth:rows"},
    {"signal", "no_growth:processed,no_growth:jsonl_rotations"},
};

static void a_quiet_market_makes_harvest_unhealthy_and_nobody_else(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof GROWING / sizeof *GROWING; i++) {
        struct bench bench;
        bench_init(&bench);
        bench.view.modules = module_bit(MODULE_FEATURES);
        bool is_market = strcmp(GROWING[i].process, "harvest") == 0;
        bench.view.input_rows = is_market ? -1 : 0;
        int64_t now_ms = 0, last = 0;
        for (; now_ms < 300000; now_ms += 10000)
            assert_string_equal(market_tick(&bench, GROWING[i].process, now_ms, last = now_ms), "");
        bench.quiet = true;
        for (; now_ms < 900000; now_ms += 10000)
            market_tick(&bench, GROWING[i].process, now_ms, last);
        assert_string_equal(bench.health.failed, is_market ? GROWING[i].failed : "");
        assert_true(is_market || bench.health.checks == bench.health.healthy_checks);
        bench.quiet = false; /* it goes on, and whoever reads it has time to answer */
        for (int64_t begun_ms = now_ms; now_ms <= begun_ms + 40000; now_ms += 10000)
            assert_true(is_market || !*market_tick(&bench, GROWING[i].process, now_ms, last));
        for (int64_t begun_ms = now_ms; now_ms <= begun_ms + 120000; now_ms += 10000)
            market_tick(&bench, GROWING[i].process, now_ms, last);
        assert_string_equal(bench.health.failed, GROWING[i].failed); /* fed, and without an answer */
        telemetry_finish(&bench.telemetry);
    }
}

static void who_leaves_its_input_waiting_is_not_quiet(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    for (int64_t now_ms = 1; now_ms < 200000; now_ms += 10000) {
        bench.view.input_rows = 0; /* it reads nothing, while the market moves */
        bench.quiet = true;
        bench.view.market_rows = now_ms;
        market_tick(&bench, "features", now_ms, 5);
    }
    assert_string_equal(bench.health.failed, "");
    bench.view.lag_rows = 1;
    assert_string_equal(market_tick(&bench, "features", 200001, 5), "no_growth:rows");
    telemetry_finish(&bench.telemetry);
}

static void what_falls_into_a_fault_is_looked_at_and_not_counted(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    bench.view.input_rows = -1;
    bench.view.excused = true;
    for (int64_t now_ms = 1; now_ms < 70000; now_ms += 10000)
        market_tick(&bench, "harvest", now_ms, now_ms);
    assert_string_equal(bench.health.failed, "");
    for (int64_t now_ms = 70001; now_ms < 140000; now_ms += 10000)
        market_tick(&bench, "harvest", now_ms, 60001);
    assert_string_equal(bench.health.failed,
                        GROWING[0].failed); /* compared with the silence, not with before it */
    assert_int_equal(bench.health.checks, 0);
    bench.view.excused = false;
    market_tick(&bench, "harvest", 140001, 140001);
    assert_int_equal(bench.health.checks, 1);
    assert_int_equal(bench.health.healthy_checks, 1);
    telemetry_finish(&bench.telemetry);
}

static void features_grow(void **unused)
{
    (void)unused;
    struct bench bench;
    bench_init(&bench);
    bench.view.feeding_ms = 1;
    for (int64_t now_ms = 1; now_ms < 60000; now_ms += 10000)
        assert_string_equal(JUDGE(&bench, "features", now_ms, {"rows", 7}), "");
    assert_string_equal(JUDGE(&bench, "features", 60001, {"rows", 7}), "no_growth:rows");
    assert_string_equal(JUDGE(&bench, "features", 70001, {"rows", 8}), "");
    assert_string_equal(JUDGE(&bench, "features", 80001, {"queue_dropped", 0}), "not_reported:rows");
    telemetry_finish(&bench.telemetry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_replaces_what_was_known),
        cmocka_unit_test(a_brief_heartbeat_leaves_the_figures_of_single_streams_as_they_were),
        cmocka_unit_test(heartbeats_of_others_change_nothing),
        cmocka_unit_test(what_an_instance_wrote_last_is_known_until_it_is_heard),
        cmocka_unit_test(what_it_wrote_last_stands_where_its_last_heartbeat_was_lost),
        cmocka_unit_test(damaged_heartbeats_are_refused_whole),
        cmocka_unit_test(growth_is_asked_for_over_its_window),
        cmocka_unit_test(in_recorded_runs_and_before_the_feed_opens_existence_is_enough),
        cmocka_unit_test(each_condition_shows_by_name),
        cmocka_unit_test(one_that_lacks_something_is_degraded_until_it_says_otherwise),
        cmocka_unit_test(harvest_needs_every_symbol_its_sockets_and_its_capture),
        cmocka_unit_test(archive_writes_of_both_kinds_unless_there_is_only_one),
        cmocka_unit_test(signal_turns_its_files_over_where_it_has_any),
        cmocka_unit_test(a_counter_that_a_restart_begins_anew_has_not_fallen),
        cmocka_unit_test(a_heartbeat_without_progress_is_no_life_unless_there_is_nothing_to_do),
        cmocka_unit_test(a_quiet_market_makes_harvest_unhealthy_and_nobody_else),
        cmocka_unit_test(who_leaves_its_input_waiting_is_not_quiet),
        cmocka_unit_test(what_falls_into_a_fault_is_looked_at_and_not_counted),
        cmocka_unit_test(features_grow),
        cmocka_unit_test(the_broker_is_not_far_behind_and_the_report_is_not_late),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
