// Every alert rule opens and closes: a figure that passes and one that does not, for each.
// links: orchestrator export net config proto base yyjson
#include "orchestrator/alerts/alert_history.h"
#include "orchestrator/alerts/alerts.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

enum { MINUTE_MS = 60000, WALL_MS = 1700000000 };

/* fixture: `clear` is the nearest value at which the rule does not hold, `bad` one at which it does; from operations.md
 * §10, not from the table of the program. */
static const struct fixture {
    const char *rule, *figure, *subject;
    enum alert_level level;
    double clear, bad;
    int minutes; /* for how long */
    bool ends_run;
} FIXTURES[] = {
    {"total_zero_2min", "signal_silent_in_a_row", "", ALERT_CRITICAL, 1, 2, 0, false},
    {"low_consistency_high", "low_consistency_least", "", ALERT_WARNING, 0.8, 0.81, 0, false},
    {"strong_ratio_collapse", "strong_ratio_deviation", "", ALERT_WARNING, 3, 3.01, 0, false},
    {"timeseries_export_failure", "export_failed_in_a_row", "", ALERT_WARNING, 2, 3, 0, false},
    {"data_dropped", "dropped_rows", "", ALERT_CRITICAL, 0, 1, 0, true},
    {"rotation_stalled", "rotation_age_s", "", ALERT_CRITICAL, 179, 180, 0, true},
    {"latency_p99_high", "latency_ms_p99", "", ALERT_WARNING, 120, 121, 10, false},
    {"latency_p99_critical", "latency_ms_p99", "", ALERT_CRITICAL, 300, 301, 5, false},
    {"ws_reconnects_high", "reconnects_hour", "", ALERT_WARNING, 10, 11, 0, false},
    {"cvd_floor_hit_high", "cvd_floor_hit_rate", "BTCUSDT", ALERT_WARNING, 0.60, 0.61, 15, false},
    {"empty_bucket_high", "empty_minute_share", "BTCUSDT", ALERT_WARNING, 0, 1.0 / 60, 0, false},
    {"recv_rate_low", "recv_rate_tps", "", ALERT_WARNING, 0.1, 0.09, 10, false},
    {"write_errors", "write_errors_rise", "", ALERT_CRITICAL, 0, 1, 0, false},
    {"deadletter_nonempty", "deadletter_rows", "", ALERT_WARNING, 0, 1, 0, false},
    {"clock_drift", "clock_offset_ms", "", ALERT_WARNING, 200, 201, 0, false},
    {"clock_drift", "clock_offset_ms", "", ALERT_WARNING, -200, -201, 0, false},
    {"resource_limit", "resource_share", "features", ALERT_WARNING, 0.9, 0.91, 0, false},
    {"disk_pressure", "disk_free_gb", "disk", ALERT_WARNING, 5, 4.9, 0, false},
    {"disk_pressure", "ready_files", "shards", ALERT_WARNING, 5000, 5001, 0, false},
    {"disk_pressure", "largest_file_mb", "file", ALERT_WARNING, 200, 201, 0, false},
    {"process_degraded", "process_degraded", "archive", ALERT_CRITICAL, 0, 1, 0, false},
    {"process_unhealthy", "process_unhealthy", "signal", ALERT_WARNING, 0, 1, 1, false},
    {"canary_auc", "canary_auc", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
    {"canary_ece", "canary_ece", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
    {"canary_platt", "canary_platt", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
    {"canary_brier", "canary_brier", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
    {"canary_merge", "canary_merge", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
    {"canary_match", "canary_match", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
    {"canary_direction", "canary_direction", "BTCUSDT", ALERT_CRITICAL, 0, 1, 0, false},
};
enum { FIXTURE_COUNT = sizeof FIXTURES / sizeof *FIXTURES };

static size_t rule_of(const struct fixture *fixture)
{
    size_t count;
    const struct alert_rule *rules = alert_rules(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].name, fixture->rule) == 0 && strcmp(rules[i].figure, fixture->figure) == 0)
            return i;
    fail_msg("there is no rule %s on %s", fixture->rule, fixture->figure);
    return 0;
}

/* bench: alerts over time, one evaluation a minute. */
struct bench {
    struct alerts alerts;
    int64_t minute;
    int opened, closed;
    size_t watched; /* the rule whose changes are counted */
};

static void changed(void *context, const struct alert *alert, bool opened)
{
    struct bench *bench = context;
    if (alert->rule != bench->watched)
        return;
    bench->opened += opened;
    bench->closed += !opened;
}

/* minute: one evaluation with one figure; NULL: with none. */
static void minute(struct bench *bench, const char *figure, const char *subject, double value)
{
    struct alert_figures figures = {0};
    struct alert_moment moment = {.now_ms = ++bench->minute * MINUTE_MS};
    moment.wall_ms = WALL_MS + moment.now_ms;
    moment.event_ms = moment.now_ms - 5;
    if (figure)
        alert_figure_add(&figures, figure, subject, value);
    alerts_evaluate(&bench->alerts, &figures, &moment, changed, bench);
    alert_figures_finish(&figures);
}

static void every_rule_has_a_fixture_that_says_what_the_table_says(void **state)
{
    size_t count;
    const struct alert_rule *rules = alert_rules(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        bool covered = false;
        for (size_t k = 0; k < FIXTURE_COUNT; k++)
            covered = covered || rule_of(&FIXTURES[k]) == i;
        if (!covered)
            fail_msg("%s on %s has no fixture", rules[i].name, rules[i].figure);
    }
    for (size_t k = 0; k < FIXTURE_COUNT; k++) {
        const struct alert_rule *rule = &rules[rule_of(&FIXTURES[k])];
        assert_int_equal(rule->level, FIXTURES[k].level);
        assert_int_equal(rule->ends_run, FIXTURES[k].ends_run);
        assert_int_equal(rule->for_s, FIXTURES[k].minutes * 60);
    }
}

static void every_rule_stays_closed_opens_in_time_and_closes_after_two_clear_minutes(void **state)
{
    (void)state;
    for (size_t k = 0; k < FIXTURE_COUNT; k++) {
        const struct fixture *fixture = &FIXTURES[k];
        struct bench bench = {.watched = rule_of(fixture)};
        for (int i = 0; i < 20; i++)
            minute(&bench, fixture->figure, fixture->subject, fixture->clear);
        if (bench.opened)
            fail_msg("%s opened at %g", fixture->rule, fixture->clear);
        for (int i = 0; i < fixture->minutes; i++)
            minute(&bench, fixture->figure, fixture->subject, fixture->bad);
        if (bench.opened)
            fail_msg("%s opened before its %d minutes", fixture->rule, fixture->minutes);
        minute(&bench, fixture->figure, fixture->subject, fixture->bad);
        minute(&bench, fixture->figure, fixture->subject, fixture->bad);
        if (bench.opened != 1)
            fail_msg("%s opened %d times at %g", fixture->rule, bench.opened, fixture->bad);
        minute(&bench, fixture->figure, fixture->subject, fixture->clear);
        assert_int_equal(bench.closed, 0);
        minute(&bench, fixture->figure, fixture->subject, fixture->bad); /* not twice in a row */
        minute(&bench, fixture->figure, fixture->subject, fixture->clear);
        minute(&bench, fixture->figure, fixture->subject, NAN); /* says neither */
        minute(&bench, NULL, NULL, 0);
        assert_int_equal(bench.closed, 0);
        minute(&bench, fixture->figure, fixture->subject, fixture->clear);
        assert_int_equal(bench.closed, 1);
        assert_int_equal(bench.opened, 1);
        alerts_finish(&bench.alerts);
    }
}

static void a_period_begins_anew_when_the_figure_was_clear_or_unknown_in_between(void **state)
{
    static const double BETWEEN[] = {100, NAN};
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct bench bench = {.watched = rule_of(&FIXTURES[7])}; /* five minutes above 300 */
        for (int i = 0; i < 5; i++)
            minute(&bench, "latency_ms_p99", "", 400);
        if (k < 2)
            minute(&bench, "latency_ms_p99", "", BETWEEN[k]);
        else
            minute(&bench, NULL, NULL, 0);
        for (int i = 0; i < 5; i++)
            minute(&bench, "latency_ms_p99", "", 400);
        assert_int_equal(bench.opened, 0);
        minute(&bench, "latency_ms_p99", "", 400);
        assert_int_equal(bench.opened, 1);
        alerts_finish(&bench.alerts);
    }
}

static void each_subject_has_one_alert_of_its_own(void **state)
{
    struct bench bench = {.watched = rule_of(&FIXTURES[20])};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct alert_figures figures = {0};
        struct alert_moment moment = {.now_ms = (i + 1) * MINUTE_MS, .wall_ms = 1, .event_ms = INT64_MIN};
        alert_figure_add_told(&figures, "process_degraded", "archive", 1, "degraded,no_progress");
        alert_figure_add(&figures, "process_degraded", "broker", 1);
        alert_figure_add(&figures, "process_degraded", "signal", 0);
        alerts_evaluate(&bench.alerts, &figures, &moment, changed, &bench);
        alert_figures_finish(&figures);
    }
    assert_int_equal(bench.opened, 2);
    assert_int_equal(alerts_active(&bench.alerts), 2);
    assert_string_equal(bench.alerts.items[1].subject, "broker");
    assert_non_null(strstr(bench.alerts.items[0].message, "(degraded,no_progress)"));
    assert_int_equal(bench.alerts.items[1].triggered_event_ms, INT64_MIN);
    alerts_finish(&bench.alerts);
}

static yyjson_doc *document_of(const struct alerts *alerts, bool with_state, struct buffer *text)
{
    struct json json;
    buffer_init(text, 0);
    json_init(&json, text);
    alerts_json(alerts, &json, with_state);
    yyjson_doc *document = yyjson_read(buffer_text(text), text->length, 0);
    assert_non_null(document);
    return document;
}

/* subjects: one evaluation with a figure of each subject from..to; those are bad. */
static void subjects(struct bench *bench, int from, int to, double value)
{
    struct alert_figures figures = {0};
    struct alert_moment moment = {.now_ms = ++bench->minute * MINUTE_MS, .wall_ms = WALL_MS + bench->minute};
    for (int i = from; i < to; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "S%d", i);
        alert_figure_add(&figures, "empty_minute_share", subject, value);
    }
    alerts_evaluate(&bench->alerts, &figures, &moment, changed, bench);
    alert_figures_finish(&figures);
}

static void what_is_open_is_kept_however_many_there_were(void **state)
{
    struct bench bench = {.watched = rule_of(&FIXTURES[10])}, later = {0};
    struct buffer text;
    struct error error;
    (void)state;
    minute(&bench, "deadletter_rows", "", 1); /* it ends, and is the first to make room */
    minute(&bench, "deadletter_rows", "", 0);
    minute(&bench, "deadletter_rows", "", 0);
    subjects(&bench, 0, ALERTS_KEPT, 1);
    for (int i = 0; i < 2; i++)
        subjects(&bench, 10, ALERTS_KEPT, 0); /* S0 … S9 stay open */
    subjects(&bench, 2000, 2020, 1);
    assert_int_equal(bench.alerts.count, ALERTS_KEPT);
    assert_int_equal(bench.alerts.triggered, 1 + ALERTS_KEPT + 20);
    assert_int_equal(alerts_active(&bench.alerts), 30);
    size_t open = 0;
    for (size_t i = 0; i < bench.alerts.count; i++)
        open += !bench.alerts.items[i].recovered_ms;
    assert_int_equal(open, 30);
    assert_string_equal(bench.alerts.items[0].subject, "S0"); /* the one before was over */
    assert_string_equal(bench.alerts.items[ALERTS_KEPT - 1].subject, "S2019");
    for (int i = 0; i < 2; i++)
        subjects(&bench, 2019, 2020, 0); /* its place has moved along */
    assert_true(bench.alerts.items[ALERTS_KEPT - 1].recovered_ms > 0);
    assert_true(alerts_raised(&bench.alerts, rule_of(&FIXTURES[13]))); /* a tag of the run all the same */
    yyjson_doc_free(document_of(&bench.alerts, true, &text));
    assert_ok(alerts_load(&later.alerts, buffer_text(&text), text.length, &error));
    assert_true(alerts_raised(&later.alerts, rule_of(&FIXTURES[13])));
    assert_int_equal(alerts_active(&later.alerts), 29);
    subjects(&bench, 3000, 3000 + 2 * ALERTS_KEPT, 1);
    assert_int_equal(bench.alerts.count, alerts_active(&bench.alerts)); /* more than are kept, all open */
    buffer_finish(&text);
    alerts_finish(&bench.alerts);
    alerts_finish(&later.alerts);
}

static void the_manifest_has_what_was_raised_and_what_is_over(void **state)
{
    struct bench bench = {.watched = rule_of(&FIXTURES[13])};
    struct buffer text;
    (void)state;
    minute(&bench, "deadletter_rows", "", 7);
    minute(&bench, "deadletter_rows", "", 0);
    minute(&bench, "deadletter_rows", "", 0);
    minute(&bench, "dropped_rows", "", 2);
    yyjson_doc *document = document_of(&bench.alerts, false, &text);
    yyjson_val *root = yyjson_doc_get_root(document), *triggered = yyjson_obj_get(root, "triggered"),
               *first = yyjson_arr_get(triggered, 0), *second = yyjson_arr_get(triggered, 1);
    assert_int_equal(yyjson_arr_size(triggered), 2);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "recovered")), 1);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "total_triggered")), 2);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "total_recovered")), 1);
    assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "active_count")), 1);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(first, "level")), "warning");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(first, "triggered_at")), "1970-01-20T16:14:20.000Z");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(first, "recovered_at")), "1970-01-20T16:16:20.000Z");
    assert_int_equal(yyjson_get_sint(yyjson_obj_get(first, "triggered_event_ms")), MINUTE_MS - 5);
    assert_int_equal(yyjson_get_sint(yyjson_obj_get(first, "recovered_event_ms")), 3 * MINUTE_MS - 5);
    assert_true(yyjson_get_num(yyjson_obj_get(yyjson_obj_get(first, "details"), "value")) == 7);
    assert_non_null(
        strstr(yyjson_get_str(yyjson_obj_get(first, "message")), "deadletter_rows is 7, above 0"));
    assert_string_equal(yyjson_get_str(yyjson_obj_get(second, "level")), "critical");
    assert_null(yyjson_obj_get(second, "recovered_at"));
    yyjson_doc_free(document);
    buffer_finish(&text);
    alerts_finish(&bench.alerts);
}

static void a_later_orchestrator_goes_on_with_open_alerts_and_running_periods(void **state)
{
    struct bench bench = {.watched = rule_of(&FIXTURES[7])}, later = {.watched = rule_of(&FIXTURES[7])};
    struct buffer text;
    struct error error;
    (void)state;
    minute(&bench, "dropped_rows", "", 2);
    for (int i = 0; i < 3; i++)
        minute(&bench, "latency_ms_p99", "", 400);
    yyjson_doc_free(document_of(&bench.alerts, true, &text));
    assert_ok(alerts_load(&later.alerts, buffer_text(&text), text.length, &error));
    later.minute = bench.minute;
    assert_int_equal(alerts_active(&later.alerts), 1);
    assert_int_equal(later.alerts.evaluations, 4);
    minute(&later, "latency_ms_p99", "", 400);
    minute(&later, "latency_ms_p99", "", 400);
    assert_int_equal(later.opened, 0);
    minute(&later, "latency_ms_p99", "", 400); /* five minutes behind the first */
    assert_int_equal(later.opened, 1);
    minute(&later, "dropped_rows", "", 0);
    minute(&later, "dropped_rows", "", 0);
    assert_int_equal(later.alerts.recovered, 1);
    static const char OF_ANOTHER[] = "{\"items\":[{\"rule\":\"x\"}],\"watches\":[]}";
    assert_int_equal(alerts_load(&later.alerts, OF_ANOTHER, sizeof OF_ANOTHER - 1, &error), STATUS_MALFORMED);
    assert_int_equal(later.alerts.recovered, 1); /* nothing was taken */
    buffer_finish(&text);
    alerts_finish(&bench.alerts);
    alerts_finish(&later.alerts);
}

/* ---- history ---- */

static void sample(struct alert_history *history, int64_t at_s, int64_t reconnects, int64_t write_errors,
                   int64_t signals, int64_t rotations)
{
    struct alert_sample one = {at_s * 1000, reconnects, write_errors, signals, rotations};
    alert_history_add(history, &one);
}

static void rises_are_those_since_the_last_evaluation_and_of_the_last_hour(void **state)
{
    struct alert_history history;
    (void)state;
    alert_history_begin(&history, 0);
    assert_true(isnan(alert_history_write_errors(&history)));
    sample(&history, 60, 2, 1, 0, 0);
    assert_float_equal(alert_history_write_errors(&history), 1, 0);
    assert_float_equal(alert_history_reconnects_hour(&history), 2, 0);
    sample(&history, 120, 5, 1, 0, 0);
    assert_float_equal(alert_history_write_errors(&history), 0, 0);
    assert_float_equal(alert_history_reconnects_hour(&history), 5, 0);
    sample(&history, 180, 1, 3, 0, 0); /* restarted: counts anew */
    assert_float_equal(alert_history_write_errors(&history), 2, 0);
    assert_float_equal(alert_history_reconnects_hour(&history), 6, 0);
    for (int64_t at_s = 240; at_s <= 3720; at_s += 60)
        sample(&history, at_s, 1, 3, 0, 0);
    assert_float_equal(alert_history_reconnects_hour(&history), 1,
                       0); /* those of 120 s and before are over */
    sample(&history, 3780, -1, -1, 0, 0);
    assert_true(isnan(alert_history_write_errors(&history)));
}

static void a_rotation_ages_only_while_signal_rows_come(void **state)
{
    struct alert_history history;
    (void)state;
    alert_history_begin(&history, 1000);
    sample(&history, 61, 0, 0, 100, 1);
    assert_float_equal(alert_history_rotation_age_s(&history, 1), 0, 0);
    assert_true(alert_history_signals_moved(&history));
    sample(&history, 121, 0, 0, 200, 1);
    sample(&history, 181, 0, 0, 200, 1); /* nothing came: nothing could be finished */
    assert_false(alert_history_signals_moved(&history));
    sample(&history, 242, 0, 0, 300, 1);
    assert_float_equal(alert_history_rotation_age_s(&history, 1), 121, 0);
    sample(&history, 301, 0, 0, 400, 1);
    assert_float_equal(alert_history_rotation_age_s(&history, 1), 180, 0);
    sample(&history, 361, 0, 0, 500, 2);
    assert_float_equal(alert_history_rotation_age_s(&history, 1), 0, 0);
    sample(&history, 421, 0, 0, 600, -1); /* no such sink */
    assert_true(isnan(alert_history_rotation_age_s(&history, 1)));
}

/* Of a run at a thousandfold speed 180 s are 0.18 s of wall time, which any busy machine takes now and then. */
static void a_rotation_has_ten_seconds_of_wall_time_however_fast_the_market_runs(void **state)
{
    struct alert_history history;
    (void)state;
    alert_history_begin(&history, 0);
    sample(&history, 60, 0, 0, 100, 1);
    sample(&history, 1060, 0, 0, 200, 1); /* a second of wall time */
    assert_float_equal(alert_history_rotation_age_s(&history, 1000), 18, 1e-9);
    sample(&history, 10070, 0, 0, 300, 1);
    assert_true(alert_history_rotation_age_s(&history, 1000) >= ALERT_ROTATION_STALLED_S);
    assert_float_equal(alert_history_rotation_age_s(&history, 10), 10010, 1e-9); /* these have a thousand */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_a_fixture_that_says_what_the_table_says),
        cmocka_unit_test(every_rule_stays_closed_opens_in_time_and_closes_after_two_clear_minutes),
        cmocka_unit_test(a_period_begins_anew_when_the_figure_was_clear_or_unknown_in_between),
        cmocka_unit_test(each_subject_has_one_alert_of_its_own),
        cmocka_unit_test(what_is_open_is_kept_however_many_there_were),
        cmocka_unit_test(the_manifest_has_what_was_raised_and_what_is_over),
        cmocka_unit_test(a_later_orchestrator_goes_on_with_open_alerts_and_running_periods),
        cmocka_unit_test(rises_are_those_since_the_last_evaluation_and_of_the_last_hour),
        cmocka_unit_test(a_rotation_ages_only_while_signal_rows_come),
        cmocka_unit_test(a_rotation_has_ten_seconds_of_wall_time_however_fast_the_market_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
