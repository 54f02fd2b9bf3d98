/* report_life: the report daemon without its stage, on a folder with sinks made by hand. Header only: each test is one source. */
#pragma once

#include "proto/control.h"
#include "proto/event.h"
#include "proto/heartbeat.h"
#include "proto/trade.h"
#include "report_fixture.h"
#include "services/report/report_service.h"

#include <pthread.h>
#include <yyjson.h>

/* life: a service on the fixture's folder, woken by its worker. */
struct life {
    struct fixture fixture;
    char store_path[PATH_BYTES];
    struct report_service *service;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    int wakes;
    bool is_hasty;
    int64_t hasty_ns;
};

FIXTURE void wake(void *context)
{
    struct life *life = context;
    pthread_mutex_lock(&life->mutex);
    life->wakes++;
    pthread_cond_broadcast(&life->woken);
    pthread_mutex_unlock(&life->mutex);
}

/* clock_hasty: a second passes between any two looks at it. */
FIXTURE int64_t hasty_monotonic_ns(void *context)
{
    return __atomic_add_fetch((int64_t *)context, 1000000000, __ATOMIC_RELAXED);
}

FIXTURE int64_t still_wall_ns(void *context)
{
    (void)context;
    return FIXTURE_START_MS * 1000000LL;
}

FIXTURE enum status life_try_open(struct life *life, struct error *error)
{
    const struct clock hasty = {
        .wall_ns = still_wall_ns, .monotonic_ns = hasty_monotonic_ns, .context = &life->hasty_ns};
    const struct report_config config = {
        .fingerprint = "f",
        .interval_ms = 3600000,
        .clock = life->is_hasty ? hasty : clock_system(),
        .wake = wake,
        .wake_context = life,
        .reporter =
            {
                .run_id = "run-1",
                .sink = "dual",
                .input_mode = "raw",
                .report_tz = "UTC",
                .store_path = life->store_path,
                .output_dir = life->fixture.folder,
                .artifacts_dir = life->fixture.folder,
                .names = {.logs_dir = life->fixture.folder, .run_id = "run-1", .dual = true},
                .broker_sample_rate = 0.2,
            },
    };
    return report_service_open(&config, &life->service, error);
}

FIXTURE void life_open(struct life *life)
{
    struct error error = {{0}};
    if (life_try_open(life, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

/* life_prepare: what a life needs beside its folder. */
FIXTURE void life_prepare(struct life *life)
{
    pthread_mutex_init(&life->mutex, NULL);
    pthread_cond_init(&life->woken, NULL);
    path_join(life->store_path, life->fixture.folder, "report.db");
}

FIXTURE void life_begin_with(struct life *life, bool is_hasty)
{
    *life = (struct life){.is_hasty = is_hasty};
    fixture_open(&life->fixture);
    life_prepare(life);
    life_open(life);
}

FIXTURE void life_begin(struct life *life)
{
    life_begin_with(life, false);
}

FIXTURE void life_end(struct life *life)
{
    report_service_close(life->service);
    fixture_close(&life->fixture);
    pthread_cond_destroy(&life->woken);
    pthread_mutex_destroy(&life->mutex);
}

FIXTURE void feed(struct life *life, const char *service, int64_t sequence, const struct message *message,
                  const void *row)
{
    struct buffer encoded;
    struct row_view view;
    struct error error = {{0}};
    size_t offset = 0;
    buffer_init(&encoded, 0);
    row_encode(&encoded, message, message->field_count_default, row);
    assert_ok(rows_next(encoded.data, encoded.length, &offset, &view));
    view.sequence = sequence;
    assert_ok(report_service_row(life->service, service, "BTCUSDT", &view, &error));
    buffer_finish(&encoded);
}

FIXTURE void feed_end(struct life *life, const char *service, int64_t sequence)
{
    struct control_row end = {.ts_ms = FIXTURE_START_MS, .action = CONTROL_END_OF_STREAM};
    feed(life, service, sequence, &control_message, &end);
}

FIXTURE void feed_trade(struct life *life, int64_t sequence)
{
    struct trade_row row = {
        .ts_ms = FIXTURE_START_MS, .price = {1, 0}, .qty = {1, 1}, .is_market = 1, .contract_size = NAN};
    feed(life, "harvest", sequence, &trade_message, &row);
}

/* beat: a heartbeat of signal with one counter and one sink. */
FIXTURE void beat(struct life *life, int64_t deduplicated, int64_t dropped)
{
    struct heartbeat_row row = {.name = "signal", .state = "running", .event_ts_ms = FIELD_NULL_I64};
    struct counter_row counter = {.name = "deduplicated", .value = deduplicated};
    struct sink_status_row sink = {.sink = "jsonl", .dropped = dropped, .last_write_ms = FIELD_NULL_I64};
    struct frame_header header = {
        .version = FRAME_VERSION, .run_id = "run-1", .instance = "signal", .row_count = 2};
    struct buffer rows, bytes;
    struct frame frame;
    struct error error;
    buffer_init(&rows, 0);
    buffer_init(&bytes, 0);
    row_encode(&rows, &counter_message, counter_message.field_count, &counter);
    row_encode(&rows, &sink_status_message, sink_status_message.field_count, &sink);
    frame_encode(&bytes, &header, rows.data, rows.length);
    assert_ok(frame_open(&frame, bytes.data, bytes.length, &error));
    report_service_beat(life->service, &row, &frame);
    buffer_finish(&rows);
    buffer_finish(&bytes);
}

/* until_idle: turns as the stage does; between them it waits for the worker. */
FIXTURE void until_idle(struct life *life)
{
    struct error error = {{0}};
    while (!report_service_idle(life->service, true)) {
        pthread_mutex_lock(&life->mutex);
        while (report_service_figures(life->service).worker.busy && life->wakes == 0)
            pthread_cond_wait(&life->woken, &life->mutex);
        life->wakes = 0;
        pthread_mutex_unlock(&life->mutex);
        assert_ok(report_service_turn(life->service, &error));
    }
}

FIXTURE yyjson_doc *read_json(const struct life *life, const char *name)
{
    char path[PATH_BYTES];
    path_join(path, life->fixture.folder, "%s", name);
    char *text = fixture_read(path);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    assert_non_null(document);
    free(text);
    return document;
}

/* summary: the JSON of the JSONL side, found through the index. */
FIXTURE yyjson_doc *summary(const struct life *life)
{
    yyjson_doc *index = read_json(life, "report.json");
    const char *path = yyjson_get_str(yyjson_doc_ptr_get(index, "/summaries/0/json"));
    assert_non_null(path);
    char *text = fixture_read(path);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    assert_non_null(document);
    free(text);
    yyjson_doc_free(index);
    return document;
}

FIXTURE int64_t integer(yyjson_doc *document, const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);
    if (!yyjson_is_int(value))
        fail_msg("%s is no integer", pointer);
    return yyjson_get_sint(value);
}

FIXTURE bool is_final(const struct life *life)
{
    yyjson_doc *index = read_json(life, "report.json");
    bool final = yyjson_get_bool(yyjson_doc_ptr_get(index, "/final"));
    yyjson_doc_free(index);
    return final;
}
