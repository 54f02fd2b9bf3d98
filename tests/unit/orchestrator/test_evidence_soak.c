// Figures of the soak gates: each is read from the document that says it, changes when the document does, and is absent when the
// document no longer says it.
// links: orchestrator store config proto base
#include "evidence_run.h"
#include "orchestrator/manifest/conditions.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST "artifacts/run_logs/run_manifest_" RUN ".json"
#define SOURCE   "artifacts/source_manifest_" RUN ".json"
#define QUALITY  "artifacts/dq_reports/dq_20240808.json"
#define LEFT     "logs/report/summary_20240808_0000_jsonl.json"
#define RIGHT    "logs/report/summary_20240808_0000_sqlite.json"

static int set_up(void **unused)
{
    (void)unused;
    evidence_run_begin(module_bit(MODULE_HARVEST) | module_bit(MODULE_SIGNAL) | module_bit(MODULE_REPORT));
    return 0;
}

/* replaced: the text with the first occurrence of `from` replaced; release with free(). */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("'%s' does not occur", from);
    char *made = malloc(strlen(text) + strlen(to) + 1);
    sprintf(made, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return made;
}

/* change: of a document, and what becomes of a figure; ABSENT: it is no longer known. */
#define ABSENT (-12345.0)
struct change {
    const char *from, *to;
    const char *fact;
    double before, after;
};

static double value_of(const struct evidence *evidence, const char *name)
{
    const struct evidence_fact *fact = evidence_find(evidence, name);
    return fact ? fact->value : ABSENT;
}

static void check_changes(const char *file, const char *text, const struct change *changes, size_t count)
{
    struct evidence evidence;
    for (size_t i = 0; i < count; i++) {
        const struct change *change = &changes[i];
        put(file, text);
        evidence_gather(&places, &evidence);
        if (value_of(&evidence, change->fact) != change->before)
            fail_msg("%s is %g, not %g", change->fact, value_of(&evidence, change->fact), change->before);
        char *changed = replaced(text, change->from, change->to);
        put(file, changed);
        evidence_gather(&places, &evidence);
        if (value_of(&evidence, change->fact) != change->after)
            fail_msg("%s is %g, not %g, after %s became %s", change->fact, value_of(&evidence, change->fact),
                     change->after, change->from, change->to);
        free(changed);
    }
}

static const char GOOD_MANIFEST[] =
    "{\"run_id\":\"" RUN
    "\",\"duration_s\":3601.5,\"sink\":\"dual\",\"enabled_modules\":[\"harvest\",\"signal\"],"
    "\"implied_modules\":[\"report\"],\"conditions\":{\"gates\":\"soak\",\"minutes_fed\":60,\"minutes_"
    "planned\":60,"
    "\"time_scale\":1,\"max_rss_mb\":600,\"max_open_files\":256,\"event_clock\":\"wall\"},"
    "\"processes\":{\"harvest\":{\"health_status\":\"healthy\",\"health_checks\":100,\"healthy_checks\":100},"
    "\"signal\":{\"health_status\":\"healthy\",\"health_checks\":50,\"healthy_checks\":49},"
    "\"report\":{\"health_status\":\"healthy\",\"health_checks\":10,\"healthy_checks\":10}},"
    "\"timeseries_export\":{\"export_count\":61,\"error_count\":0},"
    "\"alerts\":{\"triggered\":[{}],\"recovered\":[{}],\"active_count\":0,\"evaluations\":59},"
    "\"harvester_metrics\":{\"queue_dropped\":0,\"reconnect_count\":2,\"substream_timeout_detected\":false},"
    "\"fault_injection\":[{\"kind\":\"kill\",\"process\":\"signal\",\"recovery_ms\":80,"
    "\"restart_count_before\":0,\"restart_count_after\":1,\"event_sequence\":["
    "{\"at\":\"t1\",\"event\":\"kill\"},{\"at\":\"t2\",\"event\":\"exit\"},{\"at\":\"t3\",\"event\":"
    "\"restart\"},"
    "{\"at\":\"t4\",\"event\":\"ready\"},{\"at\":\"t5\",\"event\":\"healthy\"}],"
    "\"rows_lost\":0,\"rows_duplicated\":0,\"parity_verdict\":\"PASS\",\"verdict\":\"PASS\"}]}";

static void every_figure_of_the_manifest_follows_it(void **unused)
{
    (void)unused;
    static const struct change CHANGES[] = {
        {"3601.5", "3599", "duration_s", 3601.5, 3599},
        {"\"duration_s\":3601.5", "\"duration_s\":null", "duration_s", 3601.5, ABSENT},
        {"\"health_status\":\"healthy\"", "\"health_status\":\"unhealthy\"", "unhealthy_at_end", 0, 1},
        {"\"healthy_checks\":49", "\"healthy_checks\":25", "healthy_share", 0.98, 0.5},
        {"\"health_checks\":50", "\"health_checks\":0", "healthy_share", 0.98, ABSENT},
        {"\"signal\":{\"health", "\"else\":{\"health", "unhealthy_at_end", 0, ABSENT},
        {"\"health_checks\":10,", "\"health_checks\":9,", "health_looks", 10,
         9}, /* a fault of 80 ms excuses none */
        {"\"recovery_ms\":80", "\"recovery_ms\":80000", "health_looks", 10, 11}, /* 12 s at most */
        {"\"recovery_ms\":80", "\"lasted_ms\":35000,\"recovery_ms\":null", "health_looks", 10, 14},
        {"\"evaluations\":59", "\"evaluations\":0", "alert_evaluations", 59, 0},
        {",\"evaluations\":59", "", "alert_evaluations", 59, ABSENT},
        {"\"export_count\":61", "\"export_count\":12", "export_count", 61, 12},
        {"\"export_count\":61,", "", "export_count", 61, ABSENT},
        {"\"error_count\":0", "\"error_count\":1", "export_errors", 0, 1},
        {"\"error_count\":0", "\"error_count\":null", "export_errors", 0, ABSENT},
        {"\"active_count\":0", "\"active_count\":2", "alerts_active", 0, 2},
        {"\"recovered\":[{}]", "\"recovered\":[]", "alerts_active", 0, 1},
        {"\"triggered\":[{}],", "", "alerts_active", 0, ABSENT},
        {"\"active_count\":0", "\"active_count\":null", "alerts_active", 0, ABSENT},
        {"\"queue_dropped\":0", "\"queue_dropped\":3", "harvester_dropped", 0, 3},
        {"\"queue_dropped\":0", "\"queue_dropped\":null", "harvester_dropped", 0, ABSENT},
        {"\"reconnect_count\":2", "\"reconnect_count\":4", "harvester_reconnects", 2, 4},
        {"\"reconnect_count\":2", "\"reconnect_count\":null", "harvester_reconnects", 2, ABSENT},
        {"_detected\":false", "_detected\":true", "harvester_timeouts", 0, 1},
        {"_detected\":false", "_detected\":null", "harvester_timeouts", 0, ABSENT},
        {"\"process\":\"signal\"", "\"process\":\"broker\"", "faults_on_signal", 1, 0},
        {"\"fault_injection\"", "\"faults\"", "faults_on_signal", 1, ABSENT},
        {"\"recovery_ms\":80", "\"recovery_ms\":12001", "faults_not_passed", 0, 1},
        {"\"recovery_ms\":80", "\"recovery_ms\":null", "faults_not_passed", 0, 1},
        {"\"restart_count_after\":1", "\"restart_count_after\":2", "faults_not_passed", 0, 1},
        {"\"at\":\"t2\"", "\"at\":\"t0\"", "faults_not_passed", 0, 1},
        {"{\"at\":\"t4\",\"event\":\"ready\"},", "", "faults_not_passed", 0, 1},
        {"\"rows_lost\":0", "\"rows_lost\":1", "faults_not_passed", 0, 1},
        {"\"rows_lost\":0", "\"rows_lost\":null", "faults_not_passed", 0, 1},
        {"\"rows_duplicated\":0", "\"rows_duplicated\":1", "faults_not_passed", 0, 1},
        {"\"parity_verdict\":\"PASS\"", "\"parity_verdict\":null", "faults_not_passed", 0, 1},
        {"\"verdict\":\"PASS\"}", "\"verdict\":\"UNKNOWN\"}", "faults_not_passed", 0, 1},
        {RUN, "run-2", "faults_on_signal", 1, ABSENT},
        {RUN, "run-2", "duration_s", 3601.5, ABSENT},
    };
    check_changes(MANIFEST, GOOD_MANIFEST, CHANGES, sizeof CHANGES / sizeof *CHANGES);
}

static void a_run_without_faults_has_none_that_passed(void **unused)
{
    (void)unused;
    struct evidence evidence;
    put(MANIFEST, "{\"run_id\":\"" RUN "\",\"fault_injection\":[]}");
    evidence_gather(&places, &evidence);
    assert_true(value_of(&evidence, "faults_on_signal") == 0);
    assert_true(value_of(&evidence, "faults_not_passed") == ABSENT);
}

static const char GOOD_SOURCE[] =
    "{\"run_id\":\"" RUN "\",\"session_start\":\"a\",\"session_end\":\"b\",\"session_start_event_ms\":1,"
    "\"session_end_event_ms\":2,\"symbols\":[\"A\"],\"ws_endpoints\":[{\"url\":\"ws://"
    "x\",\"streams\":[\"a@trade\"],"
    "\"opened_at\":\"a\",\"closed_at\":null,\"messages\":5}],\"ws_region\":\"default\",\"rest_base\":\"http:/"
    "/x\","
    "\"input_mode\":\"raw\",\"replay_mode\":0,\"watch_enabled\":true,\"features_dir\":\"d\",\"data_root\":"
    "\"d\","
    "\"capture_dir\":\"d\",\"config_snapshot\":{},\"config_fingerprint\":\"f\"}";

static void what_the_source_manifest_lacks_is_counted(void **unused)
{
    (void)unused;
    static const struct change CHANGES[] = {
        {"\"session_start_event_ms\":1,", "", "source_incomplete", 0, 1},
        {"\"session_end_event_ms\":2", "\"session_end_event_ms\":null", "source_incomplete", 0, 1},
        {"[\"A\"]", "[]", "source_incomplete", 0, 1},
        {"\"opened_at\":\"a\"", "\"opened_at\":null", "source_incomplete", 0, 1},
        {"[\"a@trade\"]", "[]", "source_incomplete", 0, 1},
        {"\"config_snapshot\":{},", "", "source_incomplete", 0, 1},
        {RUN, "run-2", "source_incomplete", 0, ABSENT},
    };
    check_changes(SOURCE, GOOD_SOURCE, CHANGES, sizeof CHANGES / sizeof *CHANGES);
}

#define CHECK(id, measured, op, threshold)                                           \
    "{\"id\":\"" id "\",\"verdict\":\"PASS\",\"measured\":" measured ",\"op\":\"" op \
    "\",\"threshold\":" threshold "}"
static const char GOOD_QUALITY[] =
    "{\"run_id\":\"" RUN
    "\",\"final\":true,\"checks\":[" CHECK("completeness", "0", "<", "0.001") "," CHECK("rotation", "0", "==", "0") "," CHECK(
        "deduplication", "0", "<",
        "0.005") "," CHECK("latency", "100", "<",
                           "120") "," CHECK("latency_p"
                                            "50",
                                            "9", "<",
                                            "60") "," CHECK("clock", "100", "<",
                                                            "120") "," CHECK("signals", "20", ">=",
                                                                             "14") "," CHECK("consistency",
                                                                                             "0", "==",
                                                                                             "0") "," CHECK("conservation",
                                                                                                            "0",
                                                                                                            "==",
                                                                                                            "0") "," CHECK("trade_gaps",
                                                                                                                           "0",
                                                                                                                           "<",
                                                                                                                           "0.001") "," CHECK("schema",
                                                                                                                                              "0",
                                                                                                                                              "==",
                                                                                                                                              "0") "]}";

static void checks_of_the_quality_report_are_judged_once_more(void **unused)
{
    (void)unused;
    static const struct change CHANGES[] = {
        {"\"measured\":100", "\"measured\":121", "dq_not_passed", 0, 1}, /* whatever its verdict says */
        {"\"measured\":100", "\"measured\":null", "dq_not_passed", 0, 1},
        {"\"verdict\":\"PASS\"", "\"verdict\":\"FAIL\"", "dq_not_passed", 0, 1},
        {"\"verdict\":\"PASS\"", "\"verdict\":\"NOT_APPLICABLE\"", "dq_not_passed", 0,
         1}, /* completeness applies */
        {"\"id\":\"latency\",\"verdict\":\"PASS\"", "\"id\":\"latency\",\"verdict\":\"NOT_APPLICABLE\"",
         "dq_not_passed", 0, 0},
        {"\"id\":\"schema\"", "\"id\":\"scheme\"", "dq_not_passed", 0, 1},
        {"\"final\":true", "\"final\":false", "dq_not_passed", 0, ABSENT},
        {RUN, "run-2", "dq_not_passed", 0, ABSENT},
    };
    check_changes(QUALITY, GOOD_QUALITY, CHANGES, sizeof CHANGES / sizeof *CHANGES);
}

static const char GOOD_SUMMARY[] =
    "{\"run_id\":\"" RUN "\",\"sink\":\"sqlite\",\"files_read\":1,\"timestamp\":\"b\","
    "\"total\":9,\"confirmed\":3,\"orders\":{\"total\":2}}";

static void summaries_are_two_pairs_and_equal(void **unused)
{
    (void)unused;
    static const struct change CHANGES[] = {
        {"\"total\":9", "\"total\":8", "summary_differences", 0, 2},
        {"{\"total\":2}", "{\"total\":3}", "summary_differences", 0, 2},
        {"\"sink\":\"sqlite\"", "\"sink\":\"jsonl\"", "summary_differences", 0, 1},
        {"\"total\":9", "\"total\":0", "signals_total", 9, 0},
        {"\"total\":9", "\"total\":null", "signals_total", 9, ABSENT},
        {"\"confirmed\":3", "\"confirmed\":0", "signals_confirmed", 3, 0},
        {"\"confirmed\":3,", "", "signals_confirmed", 3, ABSENT},
        {RUN, "run-2", "summaries", 2, 1},
        {RUN, "run-2", "summaries_markdown", 2, 1},
        {RUN, "run-2", "summary_differences", 0, ABSENT},
    };
    char *left = replaced(GOOD_SUMMARY, "\"sink\":\"sqlite\",\"files_read\":1,\"timestamp\":\"b\"",
                          "\"sink\":\"jsonl\",\"files_read\":60,\"timestamp\":\"a\"");
    put(LEFT, left);
    free(left);
    put("logs/report/summary_20240808_0000_jsonl.md", "x");
    put("logs/report/summary_20240808_0000_sqlite.md", "x");
    check_changes(RIGHT, GOOD_SUMMARY, CHANGES, sizeof CHANGES / sizeof *CHANGES);
}

static const char GOOD_MARKDOWN[] = "# Run run-1\n\n| input, sink | raw, sqlite |\n| started, written | "
                                    "2026-11-29T00:13:49.974Z, 2026-11-29T00:27:27.001Z |\n"
                                    "| 4,795 | 1,100 | 22.94 % |\n"
                                    "- Signals, gating, ratios: 4795 rows of this run read back from 1 file "
                                    "of the sqlite sink; the signal stream had 4795 rows.\n";

static void the_markdown_of_both_sinks_is_equal_but_for_what_names_the_sink(void **unused)
{
    (void)unused;
    static const struct change CHANGES[] = {
        {"22.94", "22.95", "summary_differences", 0, 1},
        {"raw, ", "preview, ", "summary_differences", 0, 1},
        {"00:13", "00:14", "summary_differences", 0, 1},
        {"00:27", "00:28", "summary_differences", 0, 0},
        {"ratios: 4795", "ratios: 4794", "summary_differences", 0, 1},
        {"had 4795", "had 4794", "summary_differences", 0, 1},
        {"| 4,795 | 1,100 | 22.94 % |\n", "", "summary_differences", 0,
         2}, /* a line less: two are not where they were */
        {"had 4795 rows.\n", "had 4795 rows.\nmore\n", "summary_differences", 0, 1},
    };
    char *jsonl = replaced(GOOD_SUMMARY, "\"sink\":\"sqlite\"", "\"sink\":\"jsonl\"");
    put(LEFT, jsonl);
    put(RIGHT, GOOD_SUMMARY);
    free(jsonl);
    char *named = replaced(GOOD_MARKDOWN, "raw, sqlite", "raw, jsonl");
    char *left = replaced(named, "1 file of the sqlite", "12 files of the jsonl");
    put("logs/report/summary_20240808_0000_jsonl.md", left);
    free(left);
    free(named);
    check_changes("logs/report/summary_20240808_0000_sqlite.md", GOOD_MARKDOWN, CHANGES,
                  sizeof CHANGES / sizeof *CHANGES);
    put("logs/report/summary_20240808_0000_sqlite.md", "");
    struct evidence evidence;
    evidence_gather(&places, &evidence);
    assert_null(evidence_find(&evidence, "summary_differences"));
}

static void conditions_are_read_back_and_none_may_be_missing(void **unused)
{
    (void)unused;
    static const char *const CUTS[][2] = {{"\"gates\":\"soak\",", ""},
                                          {"\"gates\":\"soak\"", "\"gates\":\"tough\""},
                                          {"\"minutes_fed\":60,", ""},
                                          {"\"minutes_planned\":60,", ""},
                                          {"\"time_scale\":1,", ""},
                                          {"\"time_scale\":1,", "\"time_scale\":0,"},
                                          {"\"max_rss_mb\":600,", ""},
                                          {"\"sink\":\"dual\",", ""},
                                          {"[\"harvest\",\"signal\"]", "[\"harvest\",\"reaper\"]"},
                                          {"\"implied_modules\":[\"report\"],", ""},
                                          {RUN, "run-2"}};
    struct gate_conditions conditions;
    struct error error;
    put(MANIFEST, GOOD_MANIFEST);
    assert_ok(conditions_read(places.manifest_path, RUN, &conditions, &error));
    assert_int_equal(conditions.set, GATES_SOAK);
    assert_int_equal(conditions.modules, places.modules);
    assert_string_equal(conditions.sink, "dual");
    assert_true(conditions.minutes == 60 && conditions.planned_minutes == 60 && conditions.time_scale == 1 &&
                conditions.max_rss_mb == 600 && conditions.max_open_files == 256);
    for (size_t i = 0; i < sizeof CUTS / sizeof *CUTS; i++) {
        char *cut = replaced(GOOD_MANIFEST, CUTS[i][0], CUTS[i][1]);
        put(MANIFEST, cut);
        if (conditions_read(places.manifest_path, RUN, &conditions, &error) != STATUS_MALFORMED)
            fail_msg("read although %s is %s", CUTS[i][0], CUTS[i][1]);
        free(cut);
    }
}

static void what_is_written_of_conditions_is_what_is_read(void **unused)
{
    (void)unused;
    struct gate_conditions written = {.set = GATES_SOAK,
                                      .minutes = 59.987,
                                      .planned_minutes = 60,
                                      .time_scale = 12.5,
                                      .max_rss_mb = 123,
                                      .max_open_files = 45},
                           read;
    struct buffer text;
    struct json json;
    struct error error;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "run_id", RUN);
    json_key_text(&json, "sink", "sqlite");
    json_key(&json, "enabled_modules");
    json_raw(&json, "[]", 2);
    json_key(&json, "implied_modules");
    json_raw(&json, "[]", 2);
    json_key(&json, "conditions");
    conditions_json(&written, "scaled", true, &json);
    json_object_end(&json);
    put(MANIFEST, buffer_text(&text));
    buffer_finish(&text);
    assert_ok(conditions_read(places.manifest_path, RUN, &read, &error));
    assert_true(read.minutes == written.minutes && read.planned_minutes == written.planned_minutes &&
                read.time_scale == written.time_scale && read.max_rss_mb == written.max_rss_mb &&
                read.max_open_files == written.max_open_files && read.set == written.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_figure_of_the_manifest_follows_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_without_faults_has_none_that_passed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_source_manifest_lacks_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_of_the_quality_report_are_judged_once_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_markdown_of_both_sinks_is_equal_but_for_what_names_the_sink,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(summaries_are_two_pairs_and_equal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conditions_are_read_back_and_none_may_be_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_of_conditions_is_what_is_read, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
