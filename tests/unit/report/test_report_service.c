// links: report store base proto yyjson

#include "proto/control.h"
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

static void wake(void *context)
{
    struct life *life = context;
    pthread_mutex_lock(&life->mutex);
    life->wakes++;
    pthread_cond_broadcast(&life->woken);
    pthread_mutex_unlock(&life->mutex);
}

/* clock_hasty: a second passes between any two looks at it. */
static int64_t hasty_monotonic_ns(void *context)
{
    return __atomic_add_fetch((int64_t *)context, 1000000000, __ATOMIC_RELAXED);
}

static int64_t still_wall_ns(void *context)
{
    (void)context;
    return FIXTURE_START_MS * 1000000LL;
}

static void life_open(struct life *life)
{
    const struct clock hasty = {
        .wall_ns = still_wall_ns, .monotonic_ns = hasty_monotonic_ns, .context = &life->hasty_ns};
    struct error error = {{0}};
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
    if (report_service_open(&config, &life->service, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static void life_begin_with(struct life *life, bool is_hasty)
{
    *life = (struct life){.is_hasty = is_hasty};
    fixture_open(&life->fixture);
    pthread_mutex_init(&life->mutex, NULL);
    pthread_cond_init(&life->woken, NULL);
    path_join(life->store_path, life->fixture.folder, "report.db");
    life_open(life);
}

static void life_begin(struct life *life)
{
    life_begin_with(life, false);
}

static void life_end(struct life *life)
{
    report_service_close(life->service);
    fixture_close(&life->fixture);
    pthread_cond_destroy(&life->woken);
    pthread_mutex_destroy(&life->mutex);
}

static void feed(struct life *life, const char *service, int64_t sequence, const struct message *message,
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

static void feed_end(struct life *life, const char *service, int64_t sequence)
{
    struct control_row end = {.ts_ms = FIXTURE_START_MS, .action = CONTROL_END_OF_STREAM};
    feed(life, service, sequence, &control_message, &end);
}

static void feed_trade(struct life *life, int64_t sequence)
{
    struct trade_row row = {
        .ts_ms = FIXTURE_START_MS, .price = {1, 0}, .qty = {1, 1}, .is_market = 1, .contract_size = NAN};
    feed(life, "harvest", sequence, &trade_message, &row);
}

/* beat: a heartbeat of signal with one counter and one sink. */
static void beat(struct life *life, int64_t deduplicated, int64_t dropped)
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
static void until_idle(struct life *life)
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

static yyjson_doc *read_json(const struct life *life, const char *name)
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
static yyjson_doc *summary(const struct life *life)
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

static int64_t integer(yyjson_doc *document, const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);
    if (!yyjson_is_int(value))
        fail_msg("%s is no integer", pointer);
    return yyjson_get_sint(value);
}

static bool is_final(const struct life *life)
{
    yyjson_doc *index = read_json(life, "report.json");
    bool final = yyjson_get_bool(yyjson_doc_ptr_get(index, "/final"));
    yyjson_doc_free(index);
    return final;
}

static void a_stop_in_the_middle_writes_the_figures_as_of_now(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    feed_trade(&life, 1);
    assert_false(report_service_idle(life.service, false)); /* not stored yet */
    until_idle(&life);
    assert_false(is_final(&life));
    assert_int_equal(report_service_figures(life.service).worker.written, 1);
    feed_trade(&life, 2);
    struct error error;
    while (!report_service_idle(life.service,
                                false)) /* running on: it is stored, and nobody asked for a summary */
        assert_ok(report_service_turn(life.service, &error));
    assert_int_equal(report_service_figures(life.service).worker.written, 1);
    until_idle(&life);
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/volumes/BTCUSDT/trades"), 2);
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/volumes/BTCUSDT/taker_buy")), "0.2");
    yyjson_doc_free(document);
    life_end(&life);
}

static void the_end_of_every_stream_brings_the_final_summary_and_parity(void **state)
{
    (void)state;
    struct life life;
    struct signal_row row = fixture_confirmed("BTCUSDT", FIXTURE_START_MS, 1, SIGNAL_BUY);
    life_begin(&life);
    fixture_both(&life.fixture, &row, 1);
    beat(&life, 5, 0);
    beat(&life, 6, 2);
    feed_trade(&life, 1);
    feed(&life, "signal", 1, &signal_message, &row);
    feed_end(&life, "harvest", 2);
    feed_end(&life, "signal", 2);
    until_idle(&life);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/total"), 1);
    assert_int_equal(integer(document, "/deduplicated"), 6);
    assert_int_equal(integer(document, "/dropped"), 2);
    assert_int_equal(integer(document, "/signals_published"), 1);
    assert_true(yyjson_get_bool(yyjson_doc_ptr_get(document, "/streams_ended")));
    yyjson_doc_free(document);
    document = read_json(&life, "parity_diff_run-1.json");
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/verdict")), "PASS");
    yyjson_doc_free(document);
    int64_t written = report_service_figures(life.service).worker.written;
    until_idle(&life); /* asked again: nothing new, nothing written */
    assert_int_equal(report_service_figures(life.service).worker.written, written);
    life_end(&life);
}

static void a_sink_that_lacks_published_rows_is_told(void **state)
{
    (void)state;
    struct life life;
    struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    life_begin_with(&life, true);
    fixture_jsonl(&life.fixture, &row, false);
    feed(&life, "signal", 1, &signal_message, &row);
    row.ts_ms += 100;
    feed(&life, "signal", 2, &signal_message, &row);
    feed_end(&life, "signal", 3);
    until_idle(&life); /* waits WORKER_PATIENCE_MS of the clock for the second row */
    yyjson_doc *document = summary(&life);
    char *text = yyjson_val_write(yyjson_doc_ptr_get(document, "/warnings"), 0, NULL);
    assert_non_null(strstr(text, "\"ROWS_MISSING=1\""));
    free(text);
    yyjson_doc_free(document);
    life_end(&life);
}

static void after_the_end_the_position_stays_one_before_it(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    feed_trade(&life, 1);
    assert_int_equal(report_service_position(life.service, "harvest/BTCUSDT"), 0); /* nothing stored yet */
    feed_trade(&life, 2);
    feed_end(&life, "harvest", 3);
    until_idle(&life);
    assert_int_equal(report_service_position(life.service, "harvest/BTCUSDT"), 2);
    assert_int_equal(report_service_position(life.service, "signal/BTCUSDT"), 0);

    report_service_close(life.service); /* the next life reads the end again, and counts nothing twice */
    life_open(&life);
    assert_int_equal(report_service_position(life.service, "harvest/BTCUSDT"), 2);
    feed_end(&life, "harvest", 3);
    until_idle(&life);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/volumes/BTCUSDT/trades"), 2);
    yyjson_doc_free(document);
    life_end(&life);
}

static void gates_given_later_are_written_into_the_final_summary(void **state)
{
    (void)state;
    struct life life;
    struct error error = {{0}};
    life_begin(&life);
    feed_end(&life, "harvest", 1);
    assert_ok(report_service_command(life.service, "drain", "", &error));
    until_idle(&life);
    assert_ok(report_service_command(life.service, "summary", "{\"overall_verdict\":\"FAIL\",\"gates\":[]}",
                                     &error));
    assert_false(report_service_idle(life.service, true));
    until_idle(&life);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/overall_verdict")), "FAIL");
    yyjson_doc_free(document);
    life_end(&life);
}

static void unknown_verbs_and_bad_arguments_are_refused(void **state)
{
    (void)state;
    struct life life;
    struct error error = {{0}};
    life_begin(&life);
    assert_ok(report_service_command(life.service, "go", "", &error));
    assert_int_equal(report_service_command(life.service, "dance", "", &error), STATUS_UNSUPPORTED);
    assert_int_equal(report_service_command(life.service, "drain", "{", &error), STATUS_MALFORMED);
    assert_true(error.text[0]);
    life_end(&life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_in_the_middle_writes_the_figures_as_of_now),
        cmocka_unit_test(the_end_of_every_stream_brings_the_final_summary_and_parity),
        cmocka_unit_test(a_sink_that_lacks_published_rows_is_told),
        cmocka_unit_test(after_the_end_the_position_stays_one_before_it),
        cmocka_unit_test(gates_given_later_are_written_into_the_final_summary),
        cmocka_unit_test(unknown_verbs_and_bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
