// Export: the bodies byte for byte, the targets, and when what is sent, against a server that counts and a clock that is moved.
// links: export net config base yyjson
#include "net/server.h"
#include "orchestrator/export/exporter.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

enum { TURNS_MAX = 20000, MINUTE_MS = 60000, SHY_MS = 2 * EXPORT_POLL_MS };

/* ---- bodies ---- */

static void figures_make(struct export_figures *figures)
{
    export_count(figures, "signal_total", NULL, NULL, 12);
    export_count(figures, "signal_gating_breakdown", "reason", "weak_signal", 3);
    export_add(figures, "signal_strong_ratio", NULL, NULL, 0.25);
    export_add(figures, "latency_ms_p50", NULL, NULL, NAN); /* not known: not said */
    export_count(figures, "signal_gating_breakdown", "reason", "a \"b\" \\ c\nd,e=f", 1);
    export_level(figures, "process_up", "process", "signal", 1);
    export_sort(figures);
}

static void a_push_has_one_type_line_per_metric_escapes_labels_and_ends_with_a_newline(void **state)
{
    struct export_figures figures = {0};
    struct buffer body;
    (void)state;
    buffer_init(&body, 0);
    figures_make(&figures);
    body_pushgateway(&figures, &body);
    assert_string_equal(buffer_text(&body),
                        "# TYPE process_up gauge\n"
                        "process_up{process=\"signal\"} 1\n"
                        "# TYPE signal_gating_breakdown counter\n"
                        "signal_gating_breakdown{reason=\"a \\\"b\\\" \\\\ c\\nd,e=f\"} 1\n"
                        "signal_gating_breakdown{reason=\"weak_signal\"} 3\n"
                        "# TYPE signal_strong_ratio gauge\n"
                        "signal_strong_ratio 0.25\n"
                        "# TYPE signal_total counter\n"
                        "signal_total 12\n");
    buffer_finish(&body);
    export_figures_finish(&figures);
}

static void lines_have_tags_integers_with_i_and_the_tick_s_time(void **state)
{
    struct export_figures figures = {0};
    struct body_tags tags = {.run_id = "run-1", .sink = "dual", .now_ns = 1700000000123000000};
    struct buffer body;
    (void)state;
    buffer_init(&body, 0);
    figures_make(&figures);
    body_influx(&figures, &tags, &body);
    assert_string_equal(
        buffer_text(&body),
        "process_up,run_id=run-1,sink=dual,process=signal value=1i 1700000000123000000\n"
        "signal_gating_breakdown,run_id=run-1,sink=dual,reason=a\\ \"b\"\\ \\\\ c\\ d\\,e\\=f value=1i "
        "1700000000123000000\n"
        "signal_gating_breakdown,run_id=run-1,sink=dual,reason=weak_signal value=3i 1700000000123000000\n"
        "signal_strong_ratio,run_id=run-1,sink=dual value=0.25 1700000000123000000\n"
        "signal_total,run_id=run-1,sink=dual value=12i 1700000000123000000\n");
    buffer_finish(&body);
    export_figures_finish(&figures);
}

/* ---- targets ---- */

static struct config *configured(const char *const *pairs)
{
    struct config *config = config_create();
    struct error error;
    for (; *pairs; pairs += 2)
        if (config_set(config, pairs[0], pairs[1], ORIGIN_CLI, &error) != STATUS_OK)
            fail_msg("%s", error.text);
    return config;
}

static struct target target_of(const char *const *pairs, const char *token)
{
    struct target target;
    struct error error;
    struct config *config = configured(pairs);
    assert_ok(target_init(config, "run_1-a", token, &target, &error));
    config_destroy(config);
    return target;
}

static void a_target_is_what_the_configuration_names(void **state)
{
    static const char *const NONE[] = {NULL};
    static const char *const PUSH[] = {"export.type", "prometheus", "export.url", "http://gate:9091/", NULL};
    static const char *const TWO[] = {"export.type",
                                      "influxdb",
                                      "export.url",
                                      "http://wrong",
                                      "export.influx_url",
                                      "http://db:8086",
                                      "export.influx_bucket",
                                      "a/b",
                                      "export.influx_org",
                                      "my org",
                                      NULL};
    static const char *const ONE[] = {"export.type",      "influxdb1", "export.url", "http://db:8086",
                                      "export.influx_db", "day&night", NULL};
    (void)state;
    assert_int_equal(target_of(NONE, NULL).type, EXPORT_NONE);
    struct target target = target_of(PUSH, "ignored");
    assert_string_equal(target.write_url, "http://gate:9091/metrics/job/signal_reporter/run_id/run_1-a");
    assert_string_equal(target.check_url, "http://gate:9091/-/ready");
    assert_string_equal(target.content_type, "Content-Type: text/plain; version=0.0.4");
    assert_string_equal(target.authorization, "");
    assert_string_equal(target_method(&target), "PUT");
    target = target_of(TWO, "s3cret==");
    assert_string_equal(target.write_url,
                        "http://db:8086/api/v2/write?org=my%20org&bucket=a%2Fb&precision=ns");
    assert_string_equal(target.check_url, "http://db:8086/health");
    assert_string_equal(target.authorization, "Authorization: Token s3cret==");
    assert_string_equal(target_method(&target), "POST");
    target = target_of(ONE, "user:pass");
    assert_string_equal(target.write_url, "http://db:8086/write?db=day%26night&precision=ns");
    assert_string_equal(target.check_url, "http://db:8086/ping");
    assert_string_equal(target.authorization, "Authorization: Basic dXNlcjpwYXNz");
    assert_string_equal(target_of(ONE, "").authorization, "");
}

static void a_token_that_would_break_the_header_is_refused(void **state)
{
    static const char *const ONE[] = {"export.type",      "influxdb1", "export.url", "http://db:8086",
                                      "export.influx_db", "x",         NULL};
    static const char *const TWO[] = {
        "export.type",          "influxdb", "export.url", "http://db", "export.influx_org", "o",
        "export.influx_bucket", "b",        NULL};
    struct config *config = configured(TWO);
    struct target target;
    struct error error;
    (void)state;
    assert_int_equal(target_init(config, "r", "a\r\nX-Evil: 1", &target, &error), STATUS_LIMIT);
    config_destroy(config);
    assert_string_equal(target_of(ONE, "a\nb").authorization, "Authorization: Basic YQpi");
}

/* ---- schedule and attempts ---- */

struct bench {
    char folder[PATH_BYTES];
    struct clock_manual time;
    struct server *server;
    struct exporter *exporter;
    struct exporter_config config;
    int port;
    int answer; /* HTTP status; 0: none yet, the request stays open */
    int writes, checks, deletes;
    char deleted[TARGET_URL_BYTES];
    int told, failed;
    int64_t last_number;
};

static void on_request(void *context, struct server_request *request)
{
    struct bench *bench = context;
    const char *method = server_request_method(request), *path = server_request_target(request)->path;
    bool check = strcmp(path, "/-/ready") == 0, delete = strcmp(method, "DELETE") == 0;
    bench->checks += check;
    bench->deletes += delete;
    bench->writes += !check && !delete;
    if (delete)
        snprintf(bench->deleted, sizeof bench->deleted, "%s", path);
    unsigned status = check ? 200 : delete ? 202 : (unsigned)bench->answer;
    server_answer(request, &(struct server_answer){.status = status, .content_type = "text/plain"});
}

static void gather(void *context, struct export_figures *figures)
{
    struct bench *bench = context;
    export_count(figures, "signal_total", NULL, NULL, bench->told);
}

static void told(void *context, const struct export_tick *tick, const char *error)
{
    struct bench *bench = context;
    bench->told++;
    bench->failed += !tick->ok;
    bench->last_number = tick->number;
    assert_true(tick->ok == !error);
}

static void checked(void *context, bool reachable, const char *detail)
{
    (void)context, (void)detail;
    assert_true(reachable);
}

static void exporter_open(struct bench *bench, const char *run_id)
{
    struct error error;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", bench->port);
    const char *const pairs[] = {"export.type", "prometheus", "export.url", url, NULL};
    struct config *config = configured(pairs);
    assert_ok(exporter_config_read(config, run_id, NULL, &bench->config, &error));
    bench->config.clock = clock_from_manual(&bench->time);
    bench->config.gather = gather;
    bench->config.told = told;
    bench->config.checked = checked;
    bench->config.context = bench;
    bench->config.sink = "jsonl";
    path_join(bench->config.ticks_path, bench->folder, "export_%s.jsonl", run_id);
    path_join(bench->config.group_path, bench->folder, "group");
    assert_ok(exporter_create(&bench->config, &bench->exporter, &error));
    config_destroy(config);
}

static void bench_open(struct bench *bench)
{
    struct error error;
    *bench = (struct bench){.time = {.wall_ns = 1700000000 * 1000000000LL, .monotonic_ns = 1000000000},
                            .answer = 202};
    check_folder(bench->folder);
    struct server_config server = {
        .host = "127.0.0.1", .connections_max = 4, .handlers = {.request = on_request}, .context = bench};
    assert_ok(server_create(&server, &bench->server, &error));
    bench->port = server_port(bench->server);
    exporter_open(bench, "run-1");
}

static void bench_close(struct bench *bench)
{
    exporter_destroy(bench->exporter);
    server_destroy(bench->server);
    check_folder_remove(bench->folder);
}

/* settle: turns until nothing is under way; attempts that wait for their time stay so. */
static void settle(struct bench *bench)
{
    int turns = 0;
    exporter_step(bench->exporter);
    while (exporter_due_ms(bench->exporter) <= bench->time.monotonic_ns / 1000000 + EXPORT_POLL_MS) {
        assert_true(++turns < TURNS_MAX);
        assert_ok(server_run_once(bench->server, 1));
        exporter_step(bench->exporter);
    }
}

static void pass_ms(struct bench *bench, int64_t ms)
{
    clock_manual_advance(&bench->time, ms * 1000000);
    settle(bench);
}

static int64_t now_ms(const struct bench *bench)
{
    return bench->time.monotonic_ns / 1000000;
}

static void ticks_come_at_0_60_120_and_once_at_the_end(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    settle(&bench);
    assert_int_equal(bench.checks, 1);
    assert_int_equal(bench.writes, 0);
    exporter_begin(bench.exporter, now_ms(&bench));
    settle(&bench);
    assert_int_equal(bench.writes, 1);
    pass_ms(&bench, MINUTE_MS - SHY_MS);
    assert_int_equal(bench.writes, 1);
    pass_ms(&bench, SHY_MS);
    assert_int_equal(bench.writes, 2);
    pass_ms(&bench, MINUTE_MS + 300);
    assert_int_equal(bench.writes, 3);
    pass_ms(&bench, MINUTE_MS - 300); /* one that was late moves no later one */
    assert_int_equal(bench.writes, 4);
    exporter_end(bench.exporter);
    assert_false(exporter_ended(bench.exporter));
    settle(&bench);
    assert_true(exporter_ended(bench.exporter));
    assert_int_equal(bench.last_number, EXPORT_FINAL_TICK);
    pass_ms(&bench, 5 * MINUTE_MS);
    struct exporter_totals totals = exporter_totals(bench.exporter);
    assert_int_equal(totals.ok, 5);
    assert_int_equal(totals.failed, 0);
    assert_int_equal(totals.retries, 0);
    assert_int_equal(bench.writes, 5);
    assert_int_equal(bench.deletes, 0);
    bench_close(&bench);
}

static void a_failed_attempt_is_repeated_after_a_half_and_one_second_then_the_tick_has_failed(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    bench.answer = 500;
    exporter_begin(bench.exporter, now_ms(&bench));
    settle(&bench);
    assert_int_equal(bench.writes, 1);
    pass_ms(&bench, 500 - SHY_MS);
    assert_int_equal(bench.writes, 1);
    pass_ms(&bench, SHY_MS);
    assert_int_equal(bench.writes, 2);
    pass_ms(&bench, 1000 - SHY_MS);
    assert_int_equal(bench.writes, 2);
    pass_ms(&bench, SHY_MS);
    assert_int_equal(bench.writes, 3);
    assert_int_equal(bench.failed, 1);
    struct exporter_totals totals = exporter_totals(bench.exporter);
    assert_int_equal(totals.failed, 1);
    assert_int_equal(totals.retries, 2);
    pass_ms(&bench, MINUTE_MS - 1500); /* the next one fails once, then succeeds */
    assert_int_equal(bench.writes, 4);
    bench.answer = 200;
    pass_ms(&bench, 500);
    totals = exporter_totals(bench.exporter);
    assert_int_equal(totals.ok, 1);
    assert_int_equal(totals.failed, 1);
    assert_int_equal(totals.retries, 3);
    assert_int_equal(totals.failed_in_a_row, 0);
    bench_close(&bench);
}

static void ticks_whose_time_is_over_are_failures_and_never_made_up(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    exporter_begin(bench.exporter, now_ms(&bench));
    settle(&bench);
    pass_ms(&bench, 4 * MINUTE_MS + 10); /* the machine slept over the ticks of 60, 120 and 180 s */
    struct exporter_totals totals = exporter_totals(bench.exporter);
    assert_int_equal(totals.ok, 2);
    assert_int_equal(totals.failed, 3);
    assert_int_equal(bench.writes, 2);
    bench_close(&bench);
}

static void nobody_there_is_a_failure_without_a_status(void **state)
{
    struct bench bench;
    struct buffer text;
    struct json json;
    (void)state;
    bench_open(&bench);
    settle(&bench);
    server_destroy(bench.server);
    bench.server = NULL;
    exporter_begin(bench.exporter, now_ms(&bench));
    for (int turns = 0; !bench.told; turns++) {
        assert_true(turns < TURNS_MAX);
        exporter_step(bench.exporter);
        clock_manual_advance(&bench.time, 100 * 1000000);
    }
    buffer_init(&text, 0);
    json_init(&json, &text);
    exporter_json(bench.exporter, &json);
    yyjson_doc *document = yyjson_read(buffer_text(&text), text.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document),
               *tick = yyjson_arr_get_first(yyjson_obj_get(root, "ticks"));
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "type")), "prometheus");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "start_check")), "reachable");
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "error_count")), 1);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "export_count")), 0);
    assert_true(yyjson_is_false(yyjson_obj_get(tick, "ok")));
    assert_int_equal(yyjson_get_int(yyjson_obj_get(tick, "attempts")), 3);
    assert_true(yyjson_is_null(yyjson_obj_get(tick, "http_status")));
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "first_at")),
                        yyjson_get_str(yyjson_obj_get(tick, "at")));
    yyjson_doc_free(document);
    buffer_finish(&text);
    bench_close(&bench);
}

static void a_later_orchestrator_goes_on_counting_also_behind_a_torn_line(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    int64_t begun_ms = now_ms(&bench);
    exporter_begin(bench.exporter, begun_ms);
    settle(&bench);
    pass_ms(&bench, MINUTE_MS);
    exporter_destroy(bench.exporter);
    FILE *file = fopen(bench.config.ticks_path, "a");
    assert_non_null(file);
    fputs("{\"number\":2,\"at_m", file);
    assert_int_equal(fclose(file), 0);
    exporter_open(&bench, "run-1");
    assert_int_equal(exporter_totals(bench.exporter).ok, 2);
    exporter_begin(bench.exporter, begun_ms);
    settle(&bench);
    assert_int_equal(bench.writes, 2); /* that minute has had its tick */
    pass_ms(&bench, MINUTE_MS);
    exporter_destroy(bench.exporter);
    exporter_open(&bench, "run-1");
    assert_int_equal(exporter_totals(bench.exporter).ok, 3);
    bench_close(&bench);
}

static void the_group_of_the_run_before_goes_with_the_first_export_of_the_next(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench);
    exporter_begin(bench.exporter, now_ms(&bench));
    settle(&bench);
    exporter_end(bench.exporter);
    settle(&bench);
    assert_int_equal(bench.deletes, 0);
    exporter_destroy(bench.exporter);
    exporter_open(&bench, "run-2");
    settle(&bench);
    assert_int_equal(bench.deletes, 0);
    exporter_begin(bench.exporter, now_ms(&bench));
    settle(&bench);
    assert_int_equal(bench.deletes, 1);
    assert_string_equal(bench.deleted, "/metrics/job/signal_reporter/run_id/run-1");
    pass_ms(&bench, MINUTE_MS);
    assert_int_equal(bench.deletes, 1);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_has_one_type_line_per_metric_escapes_labels_and_ends_with_a_newline),
        cmocka_unit_test(lines_have_tags_integers_with_i_and_the_tick_s_time),
        cmocka_unit_test(a_target_is_what_the_configuration_names),
        cmocka_unit_test(a_token_that_would_break_the_header_is_refused),
        cmocka_unit_test(ticks_come_at_0_60_120_and_once_at_the_end),
        cmocka_unit_test(a_failed_attempt_is_repeated_after_a_half_and_one_second_then_the_tick_has_failed),
        cmocka_unit_test(ticks_whose_time_is_over_are_failures_and_never_made_up),
        cmocka_unit_test(nobody_there_is_a_failure_without_a_status),
        cmocka_unit_test(a_later_orchestrator_goes_on_counting_also_behind_a_torn_line),
        cmocka_unit_test(the_group_of_the_run_before_goes_with_the_first_export_of_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
