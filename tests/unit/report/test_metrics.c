// The text of /metrics: names by a rule, values in base units, of this run only.
// links: report base
#include "services/report/metric_name.h"
#include "services/report/metrics.h"
#include "tests/support/check.h"

#include <string.h>

enum { NOW_MS = 1700000000 };

static void a_figure_gets_its_name_unit_and_type_by_rule(void **state)
{
    static const struct {
        const char *figure;
        bool counter;
        const char *name, *stream;
        double factor;
        bool is_counter;
    } CASES[] = {
        {"received_trades", true, "orderflow_received_trades_total", "", 1, true},
        {"dedup_hits_total", true, "orderflow_dedup_hits_total", "", 1, true},
        {"capture_bytes", true, "orderflow_capture_bytes_total", "", 1, true},
        {"capture_backlog", true, "orderflow_capture_backlog", "", 1, false},
        {"signal_gating/reason:lag_exceeded", true, "orderflow_signal_gating_reason_lag_exceeded_total", "",
         1, true},
        {"latency_ms_p99", false, "orderflow_latency_p99_seconds", "", 1e-3, false},
        {"clock_offset_ms", false, "orderflow_clock_offset_seconds", "", 1e-3, false},
        {"parquet_flush_sec", false, "orderflow_parquet_flush_seconds", "", 1, false},
        {"summary_age_s", false, "orderflow_day_report_age_seconds", "", 1, false},
        {"max_rss_mb", false, "orderflow_max_rss_bytes", "", 1048576, false},
        {"disk_free_gb", false, "orderflow_disk_free_bytes", "", 1e9, false},
        {"recv_rate_tps/harvest/BTCUSDT", false, "orderflow_recv_rate_trades_per_second", "harvest/BTCUSDT",
         1, false},
        {"p_abs_z_gt2", false, "orderflow_p_abs_z_gt2", "", 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct metric_name name;
        metric_name_of(CASES[i].figure, CASES[i].counter, &name);
        assert_string_equal(name.name, CASES[i].name);
        assert_string_equal(name.stream, CASES[i].stream);
        assert_float_equal(name.factor, CASES[i].factor, 0);
        assert_int_equal(name.counter, CASES[i].is_counter);
    }
}

static void a_name_of_any_length_stays_a_name(void **state)
{
    struct metric_name name;
    char figure[1000];
    (void)state;
    memset(figure, 'x', sizeof figure - 1);
    figure[sizeof figure - 1] = 0;
    metric_name_of(figure, true, &name);
    assert_true(strlen(name.name) < METRIC_NAME_BYTES);
    memset(figure, '/', sizeof figure - 1);
    metric_name_of(figure, false, &name);
    assert_true(strlen(name.stream) < METRIC_STREAM_BYTES);
    metric_name_of("", true, &name);
    assert_string_equal(name.name, "orderflow_total");
}

static const char SIGNAL[] =
    "{\"run_id\":\"r\",\"name\":\"signal.1\",\"wall_ms\":1699998800,\"event_ts_ms\":1500,\"rss_mb\":2,\"open_"
    "files\":9,"
    "\"queue_len\":0,\"caught_up\":true,\"restart_count\":3,\"counters\":{\"restart_count\":3,\"confirmed\":"
    "7},"
    "\"gauges\":{\"stage_journal_fill\":null,\"latency_ms_p50\":-250},"
    "\"sinks\":[{\"sink\":\"jsonl\",\"written\":5,\"lag_rows\":1}],"
    "\"streams\":[{\"stream\":\"signal/A\\\"B\",\"published\":true,\"last_sequence\":12},"
    "{\"stream\":\"features/X\",\"published\":false,\"last_sequence\":11,\"durable_sequence\":10}]}";
static const char BROKER[] =
    "{\"run_id\":\"r\",\"name\":\"broker\",\"wall_ms\":1699000000,\"counters\":{\"confirmed\":8}}";
static const char ORCHESTRATOR[] =
    "{\"run_id\":\"r\",\"name\":\"orchestrator\",\"wall_ms\":1700000000,\"version\":\"1.2\",\"processes\":["
    "{\"name\":\"signal.1\",\"up\":true,\"degraded\":true,\"gave_up\":false,\"healthy\":true,\"restart_"
    "count\":3},"
    "{\"name\":\"simulator\",\"up\":false,\"degraded\":true,\"gave_up\":true,\"healthy\":false,\"restart_"
    "count\":5}],"
    "\"recoveries_ms\":[2,40,40000]}";
static const char FOREIGN[] = "{\"run_id\":\"other\",\"name\":\"harvest\",\"counters\":{\"x\":1}}";

static char *text_of(const char *const *texts, size_t count, size_t *out_unusable)
{
    static char copy[65536];
    struct metrics_file files[8];
    struct buffer text;
    for (size_t i = 0; i < count; i++)
        files[i] = (struct metrics_file){texts[i], strlen(texts[i])};
    buffer_init(&text, 0);
    metrics_text(files, count, "r", NOW_MS, &text, out_unusable);
    assert_true(text.length < sizeof copy);
    snprintf(copy, sizeof copy, "%s", buffer_text(&text));
    buffer_finish(&text);
    return copy;
}

static void assert_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("no line `%s` in\n%s", line, text);
}

static void every_daemon_says_what_its_file_says_in_base_units(void **state)
{
    static const char *const FILES[] = {SIGNAL, ORCHESTRATOR};
    size_t unusable;
    (void)state;
    const char *text = text_of(FILES, 2, &unusable);
    assert_int_equal(unusable, 0);
    assert_line(text, "orderflow_run_info{run_id=\"r\",version=\"1.2\"} 1");
    assert_line(text, "orderflow_confirmed_total{service=\"signal\",instance=\"signal.1\"} 7");
    assert_line(text, "orderflow_latency_p50_seconds{service=\"signal\",instance=\"signal.1\"} -0.25");
    assert_line(text, "orderflow_stage_journal_fill{service=\"signal\",instance=\"signal.1\"} NaN");
    assert_line(text, "orderflow_resident_memory_bytes{service=\"signal\",instance=\"signal.1\"} 2097152");
    assert_line(text, "orderflow_heartbeat_age_seconds{service=\"signal\",instance=\"signal.1\"} 1.2");
    assert_line(text, "orderflow_event_time_seconds{service=\"signal\",instance=\"signal.1\"} 1.5");
    assert_line(text, "orderflow_restarts_total{service=\"signal\",instance=\"signal.1\"} 3");
    assert_line(text, "orderflow_sink_jsonl_written_rows_total{service=\"signal\",instance=\"signal.1\"} 5");
    assert_line(
        text,
        "orderflow_stream_rows_total{service=\"signal\",instance=\"signal.1\",stream=\"signal/A\\\"B\"} 12");
    assert_line(text, "orderflow_stream_durable_rows_total{service=\"signal\",instance=\"signal.1\",stream="
                      "\"features/X\"} 10");
    assert_line(text, "# TYPE orderflow_confirmed_total counter");
    assert_line(text, "# TYPE orderflow_latency_p50_seconds gauge");
}

static void what_has_no_file_is_known_from_the_orchestrator(void **state)
{
    static const char *const FILES[] = {SIGNAL, ORCHESTRATOR};
    size_t unusable;
    (void)state;
    const char *text = text_of(FILES, 2, &unusable);
    assert_line(text, "orderflow_up{service=\"signal\",instance=\"signal.1\"} 1");
    assert_line(text, "orderflow_up{service=\"simulator\",instance=\"simulator\"} 0");
    assert_line(text, "orderflow_restarts_total{service=\"simulator\",instance=\"simulator\"} 5");
    assert_line(
        text,
        "orderflow_process_degraded{service=\"signal\",instance=\"signal.1\"} 1"); /* a full disk, say */
    assert_line(text, "orderflow_process_degraded{service=\"simulator\",instance=\"simulator\"} 1");
    assert_line(text, "orderflow_recovery_seconds_bucket{le=\"0.001\"} 0");
    assert_line(text, "orderflow_recovery_seconds_bucket{le=\"0.0025\"} 1");
    assert_line(text, "orderflow_recovery_seconds_bucket{le=\"30\"} 2");
    assert_line(text, "orderflow_recovery_seconds_bucket{le=\"+Inf\"} 3");
    assert_line(text, "orderflow_recovery_seconds_count 3");
    assert_line(text, "orderflow_recovery_seconds_sum 40.042");
}

static void a_stale_file_is_nobodys_heartbeat(void **state)
{
    static const char *const FILES[] = {BROKER};
    size_t unusable;
    (void)state;
    assert_line(text_of(FILES, 1, &unusable), "orderflow_up{service=\"broker\",instance=\"broker\"} 0");
}

static void files_of_other_runs_and_broken_ones_are_counted_and_left_out(void **state)
{
    static const char *const FILES[] = {FOREIGN, "{\"run_id\":\"r\",\"name\"", "[]", "",
                                        BROKER,  "{\"run_id\":\"r\"}"};
    size_t unusable;
    (void)state;
    const char *text = text_of(FILES, 6, &unusable);
    assert_int_equal(unusable, 5);
    assert_null(strstr(text, "harvest"));
    assert_line(text, "orderflow_confirmed_total{service=\"broker\",instance=\"broker\"} 8");
}

static void each_metric_has_one_help_and_one_type_line_and_its_samples_together(void **state)
{
    static const char *const FILES[] = {SIGNAL, BROKER, ORCHESTRATOR};
    size_t unusable, headers = 0;
    char seen[256][METRIC_NAME_BYTES], current[METRIC_NAME_BYTES] = "";
    (void)state;
    char *text = text_of(FILES, 3, &unusable);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            snprintf(current, sizeof current, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            for (size_t i = 0; i < headers; i++)
                assert_string_not_equal(seen[i], current);
            memcpy(seen[headers++], current, sizeof current);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, current, strlen(current)), 0);
        } else {
            assert_int_equal(strncmp(line, current, strlen(current)), 0);
        }
    }
    assert_true(headers > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_figure_gets_its_name_unit_and_type_by_rule),
        cmocka_unit_test(a_name_of_any_length_stays_a_name),
        cmocka_unit_test(every_daemon_says_what_its_file_says_in_base_units),
        cmocka_unit_test(what_has_no_file_is_known_from_the_orchestrator),
        cmocka_unit_test(a_stale_file_is_nobodys_heartbeat),
        cmocka_unit_test(files_of_other_runs_and_broken_ones_are_counted_and_left_out),
        cmocka_unit_test(each_metric_has_one_help_and_one_type_line_and_its_samples_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
