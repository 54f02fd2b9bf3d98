// Gates: every one has a case in which it passes, one in which it fails, and one in which its figure is
// missing.
// links: orchestrator config proto base
#include "orchestrator/manifest/gates.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>

enum { ALL = (1 << MODULE_COUNT) - 1 };

static struct gate_conditions conditions_for(enum gate_set set)
{
    return (struct gate_conditions){.set = set,
                                    .modules = ALL,
                                    .sink = "dual",
                                    .minutes = 30,
                                    .time_scale = 1,
                                    .max_rss_mb = 600,
                                    .max_open_files = 256};
}

/* figure: a gate, its figure, and a value on either side of its threshold. */
struct figure {
    enum gate_set set;
    const char *gate;
    const char *fact;
    double good, bad;
};

static const struct figure FIGURES[] = {
    {GATES_REPLAY, "accounted_messages", "messages_unaccounted", 0, 1},
    {GATES_REPLAY, "accounted_kinds", "parsed_unaccounted", 0, -1},
    {GATES_REPLAY, "accounted_trades", "trades_unaccounted", 0, 1},
    {GATES_REPLAY, "accounted_books", "books_unaccounted", 0, -3},
    {GATES_REPLAY, "accounted_drained", "rows_undrained", 0, 1},
    {GATES_REPLAY, "ledger", "ledger_unbalanced", 0, 1},
    {GATES_SMOKE, "ledger", "ledger_unbalanced", 0, 2},
    {GATES_REPLAY, "accounted_ended", "streams_open", 0, 1},
    {GATES_REPLAY, "sink_jsonl", "jsonl_rows", 1, 0},
    {GATES_REPLAY, "sink_sqlite", "sqlite_rows", 1, 0},
    {GATES_REPLAY, "sinks_equal", "sink_differences", 0, 1},
    {GATES_REPLAY, "kind_prices", "rows_prices", 1, 0},
    {GATES_REPLAY, "kind_orderbook", "rows_orderbook", 1, 0},
    {GATES_REPLAY, "kind_ofi", "rows_ofi", 1, 0},
    {GATES_REPLAY, "kind_cvd", "rows_cvd", 1, 0},
    {GATES_REPLAY, "kind_fusion", "rows_fusion", 1, 0},
    {GATES_REPLAY, "kind_features", "rows_features", 1, 0},
    {GATES_REPLAY, "kind_events", "rows_events", 1, 0},
    {GATES_SMOKE, "jsonl_shards", "jsonl_shards", 20, 19},
    {GATES_SMOKE, "jsonl_rotation", "jsonl_rotation_minutes", 1, 2},
    {GATES_SMOKE, "sqlite_rows", "sqlite_rows", 10000, 9999},
    {GATES_SMOKE, "orders", "orders", 100, 99},
    {GATES_SMOKE, "orders_sides", "orders_sides", 2, 1},
    {GATES_SMOKE, "contract_jsonl", "jsonl_violations", 0, 1},
    {GATES_SMOKE, "contract_sqlite", "sqlite_violations", 0, 1},
    {GATES_CANARY, "canary", "canary_not_passed", 0, 1},
    {GATES_SMOKE, "deadletter", "deadletter_rows", 0, 1},
    {GATES_REPLAY, "dropped", "dropped", 0, 1},
    {GATES_REPLAY, "lost_rows", "rows_lost", 0, 1},
    {GATES_REPLAY, "lost_jsonl", "jsonl_missing", 0, 1},
    {GATES_REPLAY, "lost_sqlite", "sqlite_missing", 0, 1},
    {GATES_REPLAY, "doubled_jsonl", "jsonl_repeated", 0, 1},
    {GATES_REPLAY, "doubled_sqlite", "sqlite_repeated", 0, 1},
    {GATES_REPLAY, "doubled_orders", "orders_repeated", 0, 1},
    {GATES_REPLAY, "key_conflicts", "key_conflicts", 0, 1},
    {GATES_REPLAY, "books_applied", "diffs_never_applied", 0, 1},
    {GATES_REPLAY, "forks", "forks", 0, 1},
    {GATES_REPLAY, "summary", "summary_fields_missing", 0, 1},
    {GATES_REPLAY, "gaps_named", "gap_ids_unnamed", 0, 7},
    {GATES_REPLAY, "manifest", "manifests", 1, 0},
    {GATES_SMOKE, "log_events", "log_events_missing", 0, 1},
    {GATES_REPLAY, "shutdown_order", "shutdown_mistakes", 0, 1},
    {GATES_REPLAY, "shutdown_kills", "shutdown_kills", 0, 1},
    {GATES_REPLAY, "resources_rss", "max_rss_mb", 599.9, 600},
    {GATES_REPLAY, "resources_files", "max_open_files", 255, 256},
    {GATES_SOAK, "duration", "duration_s", 3600, 3599.9},
    {GATES_SOAK, "health_at_end", "unhealthy_at_end", 0, 1},
    {GATES_SOAK, "health_checks", "healthy_share", 0.98, 0.979},
    {GATES_SOAK, "health_looked", "health_looks", 170, 169},
    {GATES_SOAK, "signals", "signals_total", 1, 0},
    {GATES_SOAK, "signals_confirmed", "signals_confirmed", 1, 0},
    {GATES_SOAK, "export", "export_count", 30, 29},
    {GATES_SOAK, "export_errors", "export_errors", 0, 1},
    {GATES_SOAK, "alerts", "alerts_active", 0, 1},
    {GATES_SOAK, "alerts_evaluated", "alert_evaluations", 29, 28},
    {GATES_SOAK, "harvester_dropped", "harvester_dropped", 0, 1},
    {GATES_SOAK, "harvester_reconnects", "harvester_reconnects", 3, 4},
    {GATES_SOAK, "harvester_timeouts", "harvester_timeouts", 0, 1},
    {GATES_SOAK, "source", "source_incomplete", 0, 1},
    {GATES_SOAK, "parity_rows", "parity_rows", 1, 0},
    {GATES_SOAK, "parity", "sink_differences", 0, 1},
    {GATES_SOAK, "reports", "summaries", 2, 1},
    {GATES_SOAK, "reports_markdown", "summaries_markdown", 2, 1},
    {GATES_SOAK, "reports_equal", "summary_differences", 0, 1},
    {GATES_SOAK, "fault", "faults_on_signal", 1, 0},
    {GATES_SOAK, "faults_passed", "faults_not_passed", 0, 1},
    {GATES_SOAK, "dq", "dq_not_passed", 0, 1},
    {GATES_SOAK, "resources_rss", "max_rss_mb", 599.9, 600},
    {GATES_SOAK, "resources_files", "max_open_files", 255, 256},
    {GATES_SOAK, "deadletter", "deadletter_rows", 0, 1},
    {GATES_SOAK, "dropped", "dropped", 0, 1},
    {GATES_SOAK, "shutdown_order", "shutdown_mistakes", 0, 1},
    {GATES_SOAK, "shutdown_kills", "shutdown_kills", 0, 1},
};

enum { FIGURE_COUNT = sizeof FIGURES / sizeof *FIGURES };

static void add_all_good(struct evidence *evidence, const char *without)
{
    *evidence = (struct evidence){.count = 0};
    for (size_t i = 0; i < FIGURE_COUNT; i++)
        if (strcmp(FIGURES[i].fact, without) != 0 && !evidence_find(evidence, FIGURES[i].fact)) {
            double good = strcmp(FIGURES[i].fact, "sqlite_rows") == 0 ? 10000 : FIGURES[i].good;
            evidence_add(evidence, FIGURES[i].fact, good, "file", "field");
        }
}

static const struct gate_result *result_of(const struct gate_results *results, const char *id)
{
    for (size_t i = 0; i < results->count; i++)
        if (strcmp(results->items[i].id, id) == 0)
            return &results->items[i];
    return NULL;
}

static enum gate_verdict judge_one(const struct figure *figure, const double *value)
{
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(figure->set);
    add_all_good(&evidence, figure->fact);
    if (value)
        evidence_add(&evidence, figure->fact, *value, "file", "field");
    gates_judge(&conditions, &evidence, &results);
    const struct gate_result *result = result_of(&results, figure->gate);
    if (!result)
        fail_msg("gate %s is not judged at all", figure->gate);
    if (gates_overall(&results) != result->verdict)
        fail_msg("gate %s is %s, the whole %s", figure->gate, gate_verdict_name(result->verdict),
                 gate_verdict_name(gates_overall(&results)));
    return result->verdict;
}

static void every_gate_passes_fails_and_is_unknown_without_its_figure(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        if (judge_one(&FIGURES[i], &FIGURES[i].good) != GATE_PASS)
            fail_msg("gate %s does not pass at %g", FIGURES[i].gate, FIGURES[i].good);
        if (judge_one(&FIGURES[i], &FIGURES[i].bad) != GATE_FAIL)
            fail_msg("gate %s does not fail at %g", FIGURES[i].gate, FIGURES[i].bad);
        if (judge_one(&FIGURES[i], NULL) != GATE_UNKNOWN)
            fail_msg("gate %s has a verdict without a figure", FIGURES[i].gate);
    }
}

static void every_gate_has_its_case_here(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct gate_results results;
    add_all_good(&evidence, "");
    for (enum gate_set set = GATES_REPLAY; set <= GATES_CANARY; set++) {
        struct gate_conditions conditions = conditions_for(set);
        gates_judge(&conditions, &evidence, &results);
        assert_true(results.count > 15);
        for (size_t i = 0; i < results.count; i++) {
            bool known = false;
            for (size_t j = 0; j < FIGURE_COUNT; j++)
                known = known || strcmp(FIGURES[j].gate, results.items[i].id) == 0;
            if (!known)
                fail_msg("gate %s has no case in this test", results.items[i].id);
        }
    }
}

static void thresholds_shrink_with_shorter_runs_and_are_rounded_up(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(GATES_SMOKE);
    conditions.minutes = 1.5;
    add_all_good(&evidence, "");
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "jsonl_shards")->threshold == 1);
    assert_true(result_of(&results, "sqlite_rows")->threshold == 500);
    assert_true(result_of(&results, "orders")->threshold == 5);
    assert_true(result_of(&results, "orders_sides")->threshold == 1);
    conditions.minutes = 15.1;
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "orders_sides")->threshold == 2);
    conditions.minutes = 1.6;
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "jsonl_shards")->threshold == 2);
    conditions.minutes = 90;
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "jsonl_shards")->threshold == 20);
    conditions.minutes = 0; /* interrupted before the first event: nothing has been shown */
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "sqlite_rows")->threshold == 1);
}

static void wall_time_is_divided_by_the_time_scale(void **unused)
{
    (void)unused;
    static const struct {
        double planned_minutes, time_scale, seconds;
    } CASES[] = {{0, 1, 3600}, {60, 1, 3600}, {90, 1, 3600}, {10, 1, 600}, {60, 60, 60}, {10, 20, 30}};
    struct evidence evidence;
    struct gate_results results;
    add_all_good(&evidence, "");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct gate_conditions conditions = conditions_for(GATES_SOAK);
        conditions.planned_minutes = CASES[i].planned_minutes;
        conditions.time_scale = CASES[i].time_scale;
        conditions.minutes = 9.99;
        gates_judge(&conditions, &evidence, &results);
        if (result_of(&results, "duration")->threshold != CASES[i].seconds)
            fail_msg("case %zu: %g s", i, result_of(&results, "duration")->threshold);
        assert_true(result_of(&results, "export")->threshold == 10);
    }
}

enum { NOT_JUDGED = 99 };

static int verdict_of_playing(const char *gate, const char *fact, double value)
{
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(GATES_REPLAY);
    conditions.modules = module_bit(MODULE_FEATURES) | module_bit(MODULE_SIGNAL) | module_bit(MODULE_BROKER) |
                         module_bit(MODULE_REPORT);
    add_all_good(&evidence, fact);
    if (!isnan(value))
        evidence_add(&evidence, fact, value, "file", "field");
    gates_judge(&conditions, &evidence, &results);
    const struct gate_result *result = result_of(&results, gate);
    return result ? (int)result->verdict : NOT_JUDGED;
}

static void a_run_that_plays_rows_is_judged_by_what_there_is(void **unused)
{
    (void)unused;
    static const struct figure PLAYING[] = {
        {GATES_REPLAY, "accounted_played", "rows_unplayed", 0, 1},
        {GATES_REPLAY, "played", "input_features", 3, 0},
        {GATES_REPLAY, "accounted_drained", "rows_undrained", 0, 1},
        {GATES_REPLAY, "accounted_ended", "streams_open", 0, 1},
        {GATES_REPLAY, "ledger", "ledger_unbalanced", 0, 1},
        {GATES_REPLAY, "dropped", "dropped", 0, 1},
        {GATES_REPLAY, "lost_rows", "rows_lost", 0, 1},
        {GATES_REPLAY, "forks", "forks", 0, 1},
    };
    static const char *const LEFT_OUT[] = {
        "accounted_messages", "accounted_kinds", "accounted_trades", "accounted_books", "books_applied",
        "gaps_named",         "kind_prices",     "kind_orderbook",   "kind_ofi",        "kind_cvd",
        "kind_fusion",        "kind_features",   "kind_events"};
    for (size_t i = 0; i < sizeof PLAYING / sizeof *PLAYING; i++) {
        const struct figure *figure = &PLAYING[i];
        assert_int_equal(verdict_of_playing(figure->gate, figure->fact, figure->good), GATE_PASS);
        assert_int_equal(verdict_of_playing(figure->gate, figure->fact, figure->bad), GATE_FAIL);
        assert_int_equal(verdict_of_playing(figure->gate, figure->fact, NAN), GATE_UNKNOWN);
    }
    for (size_t i = 0; i < sizeof LEFT_OUT / sizeof *LEFT_OUT; i++)
        assert_int_equal(verdict_of_playing(LEFT_OUT[i], "none", NAN), NOT_JUDGED);
}

static void a_soak_asks_what_the_contract_asks_whatever_is_configured(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(GATES_SOAK);
    add_all_good(&evidence, "");
    conditions.max_rss_mb = 100000;
    conditions.max_open_files = 100000;
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "resources_rss")->threshold == 600);
    assert_true(result_of(&results, "resources_files")->threshold == 256);
    conditions.max_rss_mb = 50; /* stricter is one's own affair */
    conditions.max_open_files = 20;
    gates_judge(&conditions, &evidence, &results);
    assert_int_equal(result_of(&results, "resources_rss")->verdict, GATE_FAIL);
    assert_int_equal(result_of(&results, "resources_files")->verdict, GATE_FAIL);
    conditions = conditions_for(GATES_SMOKE);
    conditions.max_rss_mb = 1000;
    gates_judge(&conditions, &evidence, &results);
    assert_true(result_of(&results, "resources_rss")->threshold == 1000);
}

static void looks_and_evaluations_grow_with_the_minutes(void **unused)
{
    (void)unused;
    static const struct {
        double minutes, time_scale, alerts, looks;
    } CASES[] = {{60, 1, 59, 341}, {10, 1, 9, 56}, {10, 20, 4, 29}, {60, 60, 29, 179}, {0.5, 1, 1, 1}};
    struct evidence evidence;
    struct gate_results results;
    add_all_good(&evidence, "");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct gate_conditions conditions = conditions_for(GATES_SOAK);
        conditions.minutes = CASES[i].minutes;
        conditions.time_scale = CASES[i].time_scale;
        gates_judge(&conditions, &evidence, &results);
        double alerts = result_of(&results, "alerts_evaluated")->threshold,
               looks = result_of(&results, "health_looked")->threshold;
        if (alerts != CASES[i].alerts || looks != CASES[i].looks)
            fail_msg("case %zu: %g, %g", i, alerts, looks);
    }
}

static void gates_of_what_is_not_part_of_the_run_are_left_out(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(GATES_REPLAY);
    add_all_good(&evidence, "");
    strcpy(conditions.sink, "sqlite");
    gates_judge(&conditions, &evidence, &results);
    assert_null(result_of(&results, "sink_jsonl"));
    assert_null(result_of(&results, "sinks_equal"));
    assert_non_null(result_of(&results, "sink_sqlite"));
    conditions.modules =
        module_bit(MODULE_SIMULATOR) | module_bit(MODULE_HARVEST) | module_bit(MODULE_ARCHIVE);
    gates_judge(&conditions, &evidence, &results);
    assert_null(result_of(&results, "sink_sqlite"));
    assert_null(result_of(&results, "kind_ofi"));
    assert_null(result_of(&results, "summary"));
    assert_non_null(result_of(&results, "kind_prices"));
    assert_non_null(result_of(&results, "manifest"));
    conditions.before_stop = true;
    gates_judge(&conditions, &evidence, &results);
    assert_null(result_of(&results, "shutdown_order"));
    conditions.set = GATES_NONE;
    gates_judge(&conditions, &evidence, &results);
    assert_int_equal(results.count, 0);
    assert_int_equal(gates_overall(&results), GATE_PASS);
}

static void a_kind_without_input_needs_no_rows_but_an_unknown_input_is_no_excuse(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(GATES_REPLAY);
    add_all_good(&evidence, "rows_events");
    gates_judge(&conditions, &evidence, &results);
    assert_int_equal(result_of(&results, "kind_events")->verdict, GATE_UNKNOWN);
    evidence_add(&evidence, "input_events", 0, "file", "field");
    gates_judge(&conditions, &evidence, &results);
    assert_null(result_of(&results, "kind_events"));
}

static void a_result_says_where_its_figure_comes_from(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct gate_results results;
    struct gate_conditions conditions = conditions_for(GATES_REPLAY);
    struct buffer text;
    struct json json;
    add_all_good(&evidence, "forks");
    gates_judge(&conditions, &evidence, &results);
    buffer_init(&text, 0);
    json_init(&json, &text);
    gates_json(&results, &json);
    assert_non_null(
        strstr(buffer_text(&text),
               "{\"id\":\"dropped\",\"measured\":0,\"unit\":\"rows\",\"op\":\"==\",\"threshold\":0,"
               "\"source_file\":\"file\",\"source_field\":\"field\",\"verdict\":\"PASS\"}"));
    assert_non_null(
        strstr(buffer_text(&text),
               "{\"id\":\"forks\",\"measured\":null,\"unit\":\"streams\",\"op\":\"==\",\"threshold\":0,"
               "\"source_file\":null,\"source_field\":null,\"verdict\":\"UNKNOWN\"}"));
    buffer_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gate_passes_fails_and_is_unknown_without_its_figure),
        cmocka_unit_test(every_gate_has_its_case_here),
        cmocka_unit_test(thresholds_shrink_with_shorter_runs_and_are_rounded_up),
        cmocka_unit_test(wall_time_is_divided_by_the_time_scale),
        cmocka_unit_test(a_run_that_plays_rows_is_judged_by_what_there_is),
        cmocka_unit_test(a_soak_asks_what_the_contract_asks_whatever_is_configured),
        cmocka_unit_test(looks_and_evaluations_grow_with_the_minutes),
        cmocka_unit_test(gates_of_what_is_not_part_of_the_run_are_left_out),
        cmocka_unit_test(a_kind_without_input_needs_no_rows_but_an_unknown_input_is_no_excuse),
        cmocka_unit_test(a_result_says_where_its_figure_comes_from),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
