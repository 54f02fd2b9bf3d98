// Data quality checks: each passes on good data sets, fails when one thing in them is wrong, and is UNKNOWN without them.
// links: validate orchestrator store config proto base
// timeout: 180
#include "orchestrator/validate/quality.h"
#include "store/query_session.h"
#include "tests/support/check.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two symbols, 180 s from a whole minute on, 20 trades and 10 books a second. */
enum { START_MS = 1700000040, SECONDS = 180 };

static char folder[PATH_BYTES];
static struct query_session *session;
static const char *const SYMBOLS[] = {"AAA", "BBB"};

static int set_up(void **unused)
{
    const struct query_limits limits = {.memory_mb = 256, .threads = 1};
    struct error error;
    (void)unused;
    check_folder(folder);
    assert_ok(query_session_open(&limits, &session, &error));
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    query_session_close(session);
    check_folder_remove(folder);
    return 0;
}

/* data: what is written, and how it is spoiled: SQL behind the columns of one kind. */
struct data {
    const char *prices, *cvd, *orderbook, *ofi, *events, *features;
};

static const struct data GOOD = {
    .prices = "SELECT (%lld + i // 20) * 1000 + i % 20 * 50 AS ts_ms, '%s' AS symbol, '%s|prices|' || i AS "
              "row_id, i AS "
              "agg_trade_id, i % 2 = 0 AS is_buyer_maker, true AS is_market, (20 + i % 7)::BIGINT AS "
              "latency_ms, 0::BIGINT AS "
              "gap_before, false AS backfilled FROM range(3600) t(i)",
    .cvd = "SELECT (%lld + i // 20) * 1000 + i % 20 * 50 AS ts_ms, '%s' AS symbol, '%s|cvd|' || i AS row_id, "
           "i AS "
           "agg_trade_id, (CASE WHEN i % 2 = 0 THEN -1.0 ELSE 0.0 END)::DOUBLE AS cvd, (CASE WHEN i % 2 = 0 "
           "THEN -1.0 ELSE "
           "1.0 END)::DOUBLE AS delta, (i % 12 - 2)::DOUBLE AS z_raw, least((i % 12 - 2), 8)::DOUBLE AS "
           "z_cvd, (1 + i % "
           "5)::DOUBLE AS scale, i % 2 = 0 AS floor_used, 'venue' AS side_source FROM range(3600) t(i)",
    .orderbook =
        "SELECT (%lld + i // 10) * 1000 + i % 10 * 100 AS ts_ms, '%s' AS symbol, '%s|orderbook|' || i AS "
        "row_id FROM range(1800) t(i)",
    .ofi = "SELECT (%lld + i // 10) * 1000 + i % 10 * 100 AS ts_ms, '%s' AS symbol, '%s|ofi|' || i AS row_id "
           "FROM "
           "range(1800) t(i)",
    .events = "SELECT (%lld + i) * 1000 AS ts_ms, '%s' AS symbol, '%s|events|' || i AS row_id, 'anomaly' AS "
              "event_type "
              "FROM range(3) t(i)",
    .features = "SELECT (%lld + i) * 1000 AS ts_ms, '%s' AS symbol, '%s|features|' || i AS row_id, 'active' "
                "AS regime "
                "FROM range(180) t(i)",
};

/* put: one file per symbol, with the archive's metadata. */
static void put(const char *kind, const char *columns)
{
    for (size_t i = 0; columns && i < 2; i++) {
        char select[2048], sql[4096], path[PATH_BYTES];
        struct error error = {{0}};
        path_join(path, folder, "date=2023-11-14/symbol=%s/kind=%s/part-1-2-3-0123abcd-1.parquet", SYMBOLS[i],
                  kind);
        assert_ok(folder_make_for(path));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(select, sizeof select, columns, (long long)START_MS, SYMBOLS[i], SYMBOLS[i]);
#pragma GCC diagnostic pop
        snprintf(sql, sizeof sql,
                 "COPY (%s) TO '%s' (FORMAT parquet, KV_METADATA {orderflow_schema: '1', config_fingerprint: "
                 "'f'})",
                 select, path);
        if (query_session_run(session, sql, &error) != STATUS_OK)
            fail_msg("%s", error.text);
    }
}

static void write_all(const struct data *data)
{
    char path[PATH_BYTES];
    path_join(path, folder, "date=2023-11-14");
    assert_ok(folder_remove(path));
    put("prices", data->prices);
    put("cvd", data->cvd);
    put("orderbook", data->orderbook);
    put("ofi", data->ofi);
    put("events", data->events);
    put("features", data->features);
}

static struct quality_input input_of(void)
{
    return (struct quality_input){.data_root = folder,
                                  .range_known = true,
                                  .range_source = "manifest",
                                  .from_ms = (int64_t)START_MS * 1000,
                                  .to_ms = (int64_t)(START_MS + SECONDS) * 1000 - 1,
                                  .symbols = SYMBOLS,
                                  .symbol_count = 2,
                                  .levels = 5,
                                  .dedup_hits = 1,
                                  .received_trades = 10000,
                                  .reconnects = 3};
}

static const char *verdict_in(const struct quality_input *input, bool precheck, const char *id)
{
    static struct quality quality;
    struct error error = {{0}};
    const char *verdict = NULL;
    if (quality_open(input, &quality, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    if (precheck)
        quality_judge_precheck(&quality);
    else
        quality_judge(&quality);
    for (size_t i = 0; i < quality.check_count; i++)
        if (strcmp(quality.checks[i].id, id) == 0)
            verdict = check_verdict(&quality.checks[i]);
    quality_close(&quality);
    if (!verdict)
        fail_msg("there is no check %s", id);
    return verdict;
}

/* spoil: GOOD with `from` replaced by `to` in one kind; NULL: without that kind. */
struct spoil {
    const char *check;
    bool precheck;
    size_t kind; /* offset in struct data */
    const char *from, *to;
};

#define OF(kind) offsetof(struct data, kind)
static const struct spoil SPOILS[] = {
    {"completeness", false, OF(ofi), "range(1800)", "range(1100)"}, /* the last minute is missing */
    {"completeness", false, OF(orderbook), NULL, NULL},
    {"rotation", false, OF(cvd), "range(3600)", "range(2300)"},
    {"rotation", false, OF(ofi), "range(1800)", "range(1100)"},
    {"deduplication", false, OF(prices), "i AS agg_trade_id", "i // 2 AS agg_trade_id"},
    {"deduplication", false, OF(events), "' || i AS row_id", "' || 1 AS row_id"},
    {"latency", false, OF(prices), "20 + i % 7", "20 + i % 150"},
    {"latency_p50", false, OF(prices), "20 + i % 7", "61 + i % 7"},
    {"clock", false, OF(prices), "20 + i % 7", "-150 + i % 7"},
    {"signals", false, OF(events), "range(3)", "range(0)"},
    {"consistency", false, OF(cvd), "least((i % 12 - 2), 8)",
     "least((i % 12 - 2), 8) + (i = 7)::INTEGER * 0.001"},
    {"consistency", false, OF(cvd), "i % 12 - 2)::DOUBLE AS z_raw, least((i % 12 - 2), 8)",
     "i % 9 - 2)::DOUBLE AS z_raw, (i % 9 - 2)"}, /* nothing is ever clipped */
    {"consistency", false, OF(cvd), "(1 + i % 5)::DOUBLE AS scale", "1::DOUBLE AS scale"},
    {"conservation", false, OF(cvd), "THEN -1.0 ELSE 1.0", "THEN -1.0 ELSE 1.0001"},
    {"conservation", false, OF(cvd), "i AS agg_trade_id", "i // 2 AS agg_trade_id"},
    {"trade_gaps", false, OF(prices), "0::BIGINT AS gap_before", "(i % 100 = 0)::BIGINT AS gap_before"},
    {"direction", true, OF(cvd), "THEN -1.0 ELSE 1.0", "THEN -1.0 ELSE -1.0"},
    {"files", true, OF(cvd), "range(3600)", "range(2300)"},
    {"continuity", true, OF(prices), "range(3600)", "range(2300)"},
    {"clock", true, OF(prices), "20 + i % 7", "121 + i % 7"},
};

static const char *kind_at(size_t offset)
{
    static const char *const NAMES[] = {"prices", "cvd", "orderbook", "ofi", "events", "features"};
    return NAMES[offset / sizeof(const char *)];
}

static void remove_kind(const char *kind)
{
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        path_join(path, folder, "date=2023-11-14/symbol=%s/kind=%s", SYMBOLS[i], kind);
        assert_ok(folder_remove(path));
    }
}

static void every_check_passes_on_good_data_and_fails_on_what_it_looks_for(void **unused)
{
    (void)unused;
    const struct quality_input input = input_of();
    write_all(&GOOD);
    for (size_t i = 0; i < sizeof SPOILS / sizeof *SPOILS; i++) {
        const struct spoil *spoil = &SPOILS[i];
        const char *columns = *(const char *const *)((const char *)&GOOD + spoil->kind);
        char spoiled[2048] = "";
        if (i == 0 || strcmp(spoil->check, SPOILS[i - 1].check) != 0)
            if (strcmp(verdict_in(&input, spoil->precheck, spoil->check), "PASS") != 0)
                fail_msg("%s does not pass on good data", spoil->check);
        remove_kind(kind_at(spoil->kind));
        if (spoil->from) {
            const char *at = strstr(columns, spoil->from);
            if (!at)
                fail_msg("case %zu: '%s' does not occur", i, spoil->from);
            snprintf(spoiled, sizeof spoiled, "%.*s%s%s", (int)(at - columns), columns, spoil->to,
                     at + strlen(spoil->from));
            put(kind_at(spoil->kind), spoiled);
        }
        if (strcmp(verdict_in(&input, spoil->precheck, spoil->check), "FAIL") != 0)
            fail_msg("%s does not fail when %s becomes %s", spoil->check, spoil->from, spoil->to);
        remove_kind(kind_at(spoil->kind));
        put(kind_at(spoil->kind), columns);
    }
}

static void figures_of_heartbeats_are_judged(void **unused)
{
    (void)unused;
    struct quality_input input = input_of();
    write_all(&GOOD);
    assert_string_equal(verdict_in(&input, true, "reconnects"), "PASS");
    assert_string_equal(verdict_in(&input, true, "duplicates"), "PASS");
    assert_string_equal(verdict_in(&input, false, "source_duplicates"), "REPORTED");
    input.reconnects = 4;
    input.dedup_hits = 20;
    assert_string_equal(verdict_in(&input, true, "reconnects"), "FAIL");
    assert_string_equal(verdict_in(&input, true, "duplicates"), "FAIL");
    input.reconnects = input.dedup_hits = NAN;
    assert_string_equal(verdict_in(&input, true, "reconnects"), "UNKNOWN");
    assert_string_equal(verdict_in(&input, true, "duplicates"), "UNKNOWN");
    assert_string_equal(verdict_in(&input, false, "source_duplicates"), "UNKNOWN");
}

static void on_an_empty_folder_everything_is_unknown(void **unused)
{
    (void)unused;
    static struct quality quality;
    struct quality_input input = input_of();
    struct error error = {{0}};
    input.range_known = false;
    input.symbol_count = 0;
    input.dedup_hits = input.received_trades = input.reconnects = NAN;
    for (int precheck = 0; precheck < 2; precheck++) {
        assert_ok(quality_open(&input, &quality, &error));
        if (precheck)
            quality_judge_precheck(&quality);
        else
            quality_judge(&quality);
        for (size_t i = 0; i < quality.check_count; i++)
            if (strcmp(check_verdict(&quality.checks[i]), "UNKNOWN") != 0)
                fail_msg("%s is %s", quality.checks[i].id, check_verdict(&quality.checks[i]));
            else if (!check_reason(&quality.checks[i]))
                fail_msg("%s does not say why it is not known", quality.checks[i].id);
        assert_string_equal(quality_overall(&quality), "UNKNOWN");
        quality_close(&quality);
    }
}

static void latency_is_not_judged_where_receive_times_mean_nothing(void **unused)
{
    (void)unused;
    struct quality_input input = input_of();
    struct data few = GOOD;
    write_all(&GOOD);
    input.event_clock = "wall";
    assert_string_equal(verdict_in(&input, false, "latency"), "PASS");
    input.event_clock = "scaled";
    assert_string_equal(verdict_in(&input, false, "latency"), "NOT_APPLICABLE");
    assert_string_equal(verdict_in(&input, false, "clock"), "NOT_APPLICABLE");
    assert_string_equal(verdict_in(&input, false, "completeness"), "PASS");
    input.event_clock = "wall";
    few.prices =
        "SELECT (%lld + i) * 1000 AS ts_ms, '%s' AS symbol, '%s' AS row_id, i AS agg_trade_id, true AS "
        "is_buyer_maker, true AS is_market, 1::BIGINT AS latency_ms, 0::BIGINT AS gap_before, false AS "
        "backfilled "
        "FROM range(180) t(i)";
    write_all(&few);
    assert_string_equal(verdict_in(&input, false, "latency"), "UNKNOWN"); /* fewer than a thousand */
}

static void where_sizes_have_no_tail_it_is_not_asked_that_something_was_clipped_and_all_else_is(void **unused)
{
    (void)unused;
    static const char CLIPPED[] = "i % 12 - 2)::DOUBLE AS z_raw, least((i % 12 - 2), 8)",
                      UNCLIPPED[] = "i % 9 - 2)::DOUBLE AS z_raw, (i % 9 - 2)",
                      WRONG[] = "i % 9 - 2)::DOUBLE AS z_raw, (i % 9 - 2) + (i = 7)::INTEGER * 0.001";
    static const char *const TAILS[] = {UNCLIPPED, WRONG};
    struct quality_input input = input_of();
    struct data data = GOOD;
    char columns[2048];
    const char *at = strstr(GOOD.cvd, CLIPPED);
    assert_non_null(at);
    for (size_t i = 0; i < 2; i++) {
        snprintf(columns, sizeof columns, "%.*s%s%s", (int)(at - GOOD.cvd), GOOD.cvd, TAILS[i],
                 at + strlen(CLIPPED));
        data.cvd = columns;
        remove_kind("cvd");
        write_all(&data);
        input.sizes_without_tail = false;
        assert_string_equal(verdict_in(&input, false, "consistency"), "FAIL");
        input.sizes_without_tail = true;
        assert_string_equal(verdict_in(&input, false, "consistency"), i == 0 ? "NOT_APPLICABLE" : "FAIL");
    }
    remove_kind("cvd");
    write_all(&GOOD); /* where something was clipped all the same, that is judged */
    assert_string_equal(verdict_in(&input, false, "consistency"), "PASS");
}

static void a_file_with_other_columns_or_metadata_fails_the_schema(void **unused)
{
    (void)unused;
    struct quality_input input = input_of();
    write_all(&GOOD); /* only the columns the checks need: not what the archive writes */
    assert_string_equal(verdict_in(&input, false, "schema"), "FAIL");
}

static void a_damaged_file_is_told_and_passes_nothing(void **unused)
{
    (void)unused;
    static struct quality quality;
    struct quality_input input = input_of();
    struct error error = {{0}};
    char path[PATH_BYTES];
    write_all(&GOOD);
    path_join(path, folder, "date=2023-11-14/symbol=AAA/kind=cvd/part-1-2-3-0123abcd-1.parquet");
    assert_ok(file_replace(path, "no parquet", 10, false));
    assert_string_equal(verdict_in(&input, false, "conservation"), "UNKNOWN");
    assert_string_equal(verdict_in(&input, false, "rotation"), "UNKNOWN");
    assert_string_equal(verdict_in(&input, false, "schema"), "FAIL");
    assert_ok(quality_open(&input, &quality, &error));
    assert_non_null(strstr(buffer_text(&quality.problems), "part-1-2-3-0123abcd-1.parquet"));
    quality_close(&quality);
}

/* printed: by quality_print, of one check. */
static char *printed(double measured, const char *op, double threshold)
{
    static struct quality quality;
    static char text[512];
    char path[PATH_BYTES];
    struct buffer out;
    quality.check_count = 0;
    quality_add(&quality, "one", measured, op, threshold, 1);
    path_join(path, folder, "printed");
    fflush(stdout);
    int before = dup(STDOUT_FILENO), file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(before >= 0 && file >= 0 && dup2(file, STDOUT_FILENO) >= 0);
    quality_print(&quality);
    fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    close(before);
    close(file);
    buffer_init(&out, 0);
    assert_ok(file_read(path, &out));
    snprintf(text, sizeof text, "%s", buffer_text(&out));
    buffer_finish(&out);
    buffer_finish(&quality.checks[0].detail);
    return text;
}

static void
figures_are_printed_as_people_write_them_and_never_on_the_wrong_side_of_the_threshold(void **unused)
{
    (void)unused;
    assert_non_null(strstr(printed(0.1 + 0.2, "<", 1), " 0.3  must be < 1\n"));
    assert_non_null(strstr(printed(0, "<", 0.1 + 0.7), " 0  must be < 0.8\n"));
    assert_non_null(strstr(printed(123456789, "=", 123456789), " 123456789  must be = 123456789\n"));
    assert_non_null(strstr(printed(1.0 / 3, NULL, 0), " 0.333333\n"));
    assert_non_null(strstr(printed(0.9999999999, ">=", 1), " 0.9999999999  must be >= 1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_check_passes_on_good_data_and_fails_on_what_it_looks_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(figures_of_heartbeats_are_judged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_an_empty_folder_everything_is_unknown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(latency_is_not_judged_where_receive_times_mean_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            where_sizes_have_no_tail_it_is_not_asked_that_something_was_clipped_and_all_else_is, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_file_with_other_columns_or_metadata_fails_the_schema, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_told_and_passes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            figures_are_printed_as_people_write_them_and_never_on_the_wrong_side_of_the_threshold, set_up,
            tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
