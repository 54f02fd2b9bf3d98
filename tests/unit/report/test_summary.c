// links: report store base proto yyjson

#include "report_fixture.h"
#include "services/report/reporter.h"
#include "services/report/summary_given.h"

#include <unistd.h>
#include <yyjson.h>

/* The fields of data.md §6.4 in their order, and what is added behind them. */
static const char *const FIELDS[] = {
    "schema_version",
    "run_id",
    "timestamp",
    "sink",
    "input_mode",
    "report_tz",
    "total",
    "confirmed",
    "buy_count",
    "sell_count",
    "strong_buy_count",
    "strong_sell_count",
    "buy_ratio",
    "sell_ratio",
    "strong_ratio",
    "strong_to_normal_ratio",
    "per_minute",
    "gating_breakdown",
    "gating_breakdown_by_regime",
    "gating_breakdown_by_minute",
    "dropped",
    "dedup",
    "write_errors",
    "deduplicated",
    "rows_processed",
    "files_read",
    "first_minute",
    "last_minute",
    "dropped_bad_json",
    "orders",
    "runtime_state",
    "harvester_metrics",
    "event_signal_linkage",
    "timeseries_export",
    "fault_injection",
    "alerts",
    "warnings",
    "gates",
    "overall_verdict",
    "book_audit",
    "volumes",
    "top5",
    "signals_published",
    "streams_ended",
};

struct setting {
    struct fixture fixture;
    char store_path[PATH_BYTES];
    struct reporter_config config;
    struct reporter *reporter;
    struct given given;
};

static void setting_open(struct setting *setting, const char *sink)
{
    fixture_open(&setting->fixture);
    path_join(setting->store_path, setting->fixture.folder, "report.db");
    setting->config = (struct reporter_config){
        .run_id = "run-1",
        .sink = sink,
        .input_mode = "preview",
        .report_tz = "UTC",
        .store_path = setting->store_path,
        .output_dir = setting->fixture.folder,
        .artifacts_dir = setting->fixture.folder,
        .names = {.logs_dir = setting->fixture.folder,
                  .run_id = "run-1",
                  .started_ms = FIXTURE_START_MS,
                  .dual = strcmp(sink, "dual") == 0,
                  .number = 1},
        .broker_sample_rate = 0.2,
    };
    setting->reporter = reporter_create(&setting->config);
    given_init(&setting->given);
}

static void setting_close(struct setting *setting)
{
    reporter_destroy(setting->reporter);
    given_finish(&setting->given);
    fixture_close(&setting->fixture);
}

static void write_summary(struct setting *setting, bool final)
{
    struct error error = {{0}};
    struct reporter_job job = {.now_ms = FIXTURE_START_MS + 60000, .final = final, .given = &setting->given};
    if (reporter_write(setting->reporter, &job, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static char *summary_text(const struct setting *setting, const char *sink, const char *ending)
{
    char path[PATH_BYTES];
    summary_file_path(&setting->config.names, sink, ending, path);
    return fixture_read(path);
}

static yyjson_doc *summary_of(const struct setting *setting, const char *sink)
{
    char *text = summary_text(setting, sink, "json");
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    assert_non_null(document);
    free(text);
    return document;
}

static yyjson_val *at(yyjson_doc *document, const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(document, pointer);
    if (!value)
        fail_msg("%s is missing", pointer);
    return value;
}

static int64_t integer(yyjson_doc *document, const char *pointer)
{
    assert_true(yyjson_is_int(at(document, pointer)));
    return yyjson_get_sint(at(document, pointer));
}

static bool is_null(yyjson_doc *document, const char *pointer)
{
    return yyjson_is_null(at(document, pointer));
}

static bool warns(yyjson_doc *document, const char *warning)
{
    yyjson_val *item;
    size_t index, count;
    yyjson_arr_foreach(at(document, "/warnings"), index, count,
                       item) if (yyjson_equals_str(item, warning)) return true;
    return false;
}

/* six_rows: two symbols at the same times in two minutes: strong buy, sell, gated. */
static void six_rows(struct signal_row rows[6])
{
    const int64_t first = FIXTURE_START_MS + 100, second = FIXTURE_START_MS + 60100;
    rows[0] = fixture_confirmed("BTCUSDT", first, 1, SIGNAL_STRONG_BUY);
    rows[1] = fixture_confirmed("ETHUSDT", first, 1, SIGNAL_SELL);
    rows[2] = fixture_row("BTCUSDT", second, 2);
    rows[3] = fixture_row("ETHUSDT", second, 2);
    rows[4] = fixture_confirmed("BTCUSDT", second + 100, 3, SIGNAL_BUY);
    rows[5] = fixture_row("ETHUSDT", second + 100, 3);
    rows[5].signal_type = SIGNAL_PENDING;
    snprintf(rows[5].guard_reason, sizeof rows[5].guard_reason, "spread,weak_signal");
}

static void fields_are_all_there_in_their_order(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, "jsonl");
    write_summary(&setting, true);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    yyjson_obj_iter keys;
    yyjson_obj_iter_init(yyjson_doc_get_root(document), &keys);
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        assert_string_equal(yyjson_get_str(yyjson_obj_iter_next(&keys)), FIELDS[i]);
    assert_null(yyjson_obj_iter_next(&keys));
    yyjson_doc_free(document);
    setting_close(&setting);
}

static void figures_of_two_symbols_at_the_same_time(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    setting_open(&setting, "sqlite");
    six_rows(rows);
    fixture_sqlite(&setting.fixture, rows, 6);
    write_summary(&setting, true);
    yyjson_doc *document = summary_of(&setting, "sqlite");
    assert_int_equal(integer(document, "/total"), 6);
    assert_int_equal(integer(document, "/confirmed"), 3);
    assert_int_equal(integer(document, "/buy_count"), 2);
    assert_int_equal(integer(document, "/sell_count"), 1);
    assert_int_equal(integer(document, "/strong_buy_count"), 1);
    assert_true(yyjson_get_num(at(document, "/buy_ratio")) == 2.0 / 3.0);
    assert_true(yyjson_get_num(at(document, "/strong_ratio")) == 1.0 / 3.0);
    assert_true(yyjson_get_num(at(document, "/strong_to_normal_ratio")) == 0.5);
    assert_int_equal(yyjson_arr_size(at(document, "/per_minute")), 5);
    assert_int_equal(integer(document, "/per_minute/4/minute"), FIXTURE_MINUTE + 1);
    assert_int_equal(integer(document, "/per_minute/4/count"), 4);
    assert_int_equal(integer(document, "/per_minute/3/count"), 2);
    assert_int_equal(integer(document, "/per_minute/0/count"), 0);
    assert_string_equal(yyjson_get_str(at(document, "/per_minute/3/minute_human")), "2024-08-08 23:54");
    assert_int_equal(integer(document, "/gating_breakdown/weak_signal"), 3);
    assert_int_equal(integer(document, "/gating_breakdown/spread"), 1);
    assert_int_equal(integer(document, "/gating_breakdown_by_regime/normal/weak_signal"), 3);
    assert_int_equal(integer(document, "/gating_breakdown_by_minute/4/weak_signal"), 3);
    assert_int_equal(yyjson_obj_size(at(document, "/gating_breakdown_by_minute/3")), 0);
    assert_int_equal(integer(document, "/first_minute"), FIXTURE_MINUTE);
    assert_int_equal(integer(document, "/last_minute"), FIXTURE_MINUTE + 1);
    assert_int_equal(integer(document, "/event_signal_linkage/baseline/n"), 6);
    /* Nothing was heard of these: null, never 0. */
    assert_true(is_null(document, "/dropped") && is_null(document, "/deduplicated"));
    assert_true(is_null(document, "/orders/total") && is_null(document, "/orders/order_rhythm/4/count"));
    assert_true(is_null(document, "/harvester_metrics/queue_dropped"));
    assert_true(is_null(document, "/harvester_metrics/substream_timeout_detected"));
    assert_true(is_null(document, "/timeseries_export/export_count"));
    assert_true(is_null(document, "/runtime_state/summary/active_share"));
    assert_string_equal(yyjson_get_str(at(document, "/overall_verdict")), "UNKNOWN");
    assert_true(warns(document, "STATE_MISSING"));
    assert_false(warns(document, "NO_CONFIRMED_SIGNALS"));
    yyjson_doc_free(document);
    setting_close(&setting);
}

static void both_sinks_give_equal_summaries(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    setting_open(&setting, "dual");
    six_rows(rows);
    fixture_both(&setting.fixture, rows, 6);
    write_summary(&setting, true);
    yyjson_doc *jsonl = summary_of(&setting, "jsonl"), *sqlite = summary_of(&setting, "sqlite");
    assert_string_equal(yyjson_get_str(at(jsonl, "/sink")), "jsonl");
    assert_string_equal(yyjson_get_str(at(sqlite, "/sink")), "sqlite");
    assert_int_equal(integer(jsonl, "/files_read"), 4);
    assert_int_equal(integer(sqlite, "/files_read"), 1);
    yyjson_val *key;
    yyjson_obj_iter keys;
    yyjson_obj_iter_init(yyjson_doc_get_root(jsonl), &keys);
    while ((key = yyjson_obj_iter_next(&keys))) {
        const char *name = yyjson_get_str(key);
        if (strcmp(name, "sink") == 0 || strcmp(name, "files_read") == 0)
            continue;
        if (!yyjson_equals(yyjson_obj_iter_get_val(key), yyjson_obj_get(yyjson_doc_get_root(sqlite), name)))
            fail_msg("%s differs", name);
    }
    yyjson_doc_free(jsonl);
    yyjson_doc_free(sqlite);

    char path[PATH_BYTES];
    path_join(path, setting.fixture.folder, "parity_diff_run-1.json");
    char *parity = fixture_read(path);
    assert_non_null(strstr(parity, "\"verdict\":\"PASS\""));
    free(parity);
    char *markdown = summary_text(&setting, "sqlite", "md");
    assert_non_null(strstr(markdown, "| parity of the sinks | **PASS**"));
    assert_non_null(strstr(markdown, "The input is recorded"));
    free(markdown);
    setting_close(&setting);
}

static void an_empty_run_is_unknown_and_says_why(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, "dual");
    write_summary(&setting, true);
    static const char *const SINKS[] = {"jsonl", "sqlite"};
    for (int i = 0; i < 2; i++) {
        yyjson_doc *document = summary_of(&setting, SINKS[i]);
        assert_int_equal(integer(document, "/total"), 0);
        assert_true(is_null(document, "/buy_ratio") && is_null(document, "/first_minute"));
        assert_true(is_null(document, "/event_signal_linkage/baseline/p"));
        assert_int_equal(yyjson_arr_size(at(document, "/per_minute")), 0);
        assert_true(warns(document, "NO_INPUT_FILES") && warns(document, "QUIET_RUN"));
        assert_true(warns(document, "NO_CONFIRMED_SIGNALS") && warns(document, "STATE_MISSING"));
        assert_string_equal(yyjson_get_str(at(document, "/overall_verdict")), "UNKNOWN");
        yyjson_doc_free(document);
    }
    char path[PATH_BYTES];
    path_join(path, setting.fixture.folder, "parity_diff_run-1.json");
    char *parity = fixture_read(path);
    assert_non_null(strstr(parity, "\"verdict\":\"UNKNOWN\""));
    free(parity);
    setting_close(&setting);
}

static void every_candidate_gated_is_said(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    row.signal_type = SIGNAL_PENDING;
    setting_open(&setting, "jsonl");
    fixture_jsonl(&setting.fixture, &row, false);
    write_summary(&setting, false);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    assert_true(warns(document, "ALL_GATED") && warns(document, "NO_CONFIRMED_SIGNALS"));
    assert_false(warns(document, "QUIET_RUN")); /* not at the end, and there is a row */
    yyjson_doc_free(document);
    setting_close(&setting);
}

static void bad_lines_are_counted_and_rows_of_other_runs_left_out(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "garbage\n", "{}\n", "[1,2]\n", "\n", "{\"run_id\":\"run-1\",\"seq\":\"1\"}\n",
    };
    struct setting setting;
    struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    char path[PATH_BYTES];
    setting_open(&setting, "jsonl");
    fixture_shard(&setting.fixture, "BTCUSDT", FIXTURE_START_MS, false, path);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        fixture_append(path, BAD[i], strlen(BAD[i]));
    fixture_jsonl(&setting.fixture, &row, false);
    char *huge = memory_allocate(100000);
    memset(huge, 'x', 99999);
    huge[99999] = '\n';
    fixture_append(path, huge, 100000);
    free(huge);
    row.ts_ms = -1; /* no time */
    fixture_jsonl(&setting.fixture, &row, false);
    row.ts_ms = FIXTURE_START_MS;
    snprintf(row.run_id, sizeof row.run_id, "run-0");
    fixture_jsonl(&setting.fixture, &row, false);
    write_summary(&setting, true);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    assert_int_equal(integer(document, "/total"), 1);
    assert_int_equal(integer(document, "/rows_processed"), 1);
    assert_int_equal(integer(document, "/dropped_bad_json"), 7);
    assert_true(warns(document, "BAD_JSON_LINES=7") && warns(document, "RUN_ID_MISMATCH=1"));
    yyjson_doc_free(document);
    setting_close(&setting);
}

static void only_rows_of_other_runs_are_pointed_at_in_both_sinks(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    setting_open(&setting, "dual");
    six_rows(rows);
    for (int i = 0; i < 6; i++)
        snprintf(rows[i].run_id, sizeof rows[i].run_id, "run-0");
    fixture_both(&setting.fixture, rows, 6);
    write_summary(&setting, true);
    yyjson_doc *jsonl = summary_of(&setting, "jsonl"), *sqlite = summary_of(&setting, "sqlite");
    assert_true(warns(jsonl, "RUN_ID_MISMATCH=6") && warns(sqlite, "RUN_ID_MISMATCH=6"));
    yyjson_doc_free(jsonl);
    yyjson_doc_free(sqlite);
    setting_close(&setting);
}

/* An open file grows, is torn, is cut back and written again, is renamed: every row is read once. */
static void reading_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    char part[PATH_BYTES], ready[PATH_BYTES];
    setting_open(&setting, "jsonl");
    six_rows(rows);
    fixture_shard(&setting.fixture, "BTCUSDT", rows[2].ts_ms, true, part);
    fixture_shard(&setting.fixture, "BTCUSDT", rows[2].ts_ms, false, ready);

    fixture_jsonl(&setting.fixture, &rows[2], true);
    int64_t whole = file_bytes(part);
    fixture_append(part, "{\"run_id\":\"run-1\",\"se", 21); /* the writer is in the middle of a line */
    write_summary(&setting, false);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    assert_int_equal(integer(document, "/total"), 1);
    assert_int_equal(integer(document, "/dropped_bad_json"), 0);
    yyjson_doc_free(document);

    assert_int_equal(truncate(part, whole / 2), 0); /* killed, cut back behind our offset */
    write_summary(&setting, false);
    assert_int_equal(truncate(part, 0), 0);
    fixture_jsonl(&setting.fixture, &rows[2], true);
    fixture_jsonl(&setting.fixture, &rows[4], true);
    assert_ok(folder_make_for(ready));
    assert_int_equal(rename(part, ready), 0);
    write_summary(&setting, false);
    write_summary(&setting, false);
    document = summary_of(&setting, "jsonl");
    assert_int_equal(integer(document, "/total"), 2);
    assert_int_equal(integer(document, "/confirmed"), 1);
    assert_int_equal(integer(document, "/files_read"), 1);
    yyjson_doc_free(document);

    fixture_sqlite(&setting.fixture, rows, 6);
    setting_close(&setting);
}

/* final_is: what one more final summary says, and how often the sinks have been read for one. */
static void final_is(struct setting *setting, int64_t total, const char *parity, int64_t readings)
{
    char line[64];
    write_summary(setting, true);
    yyjson_doc *document = summary_of(setting, "jsonl");
    assert_int_equal(integer(document, "/total"), total);
    yyjson_doc_free(document);
    snprintf(line, sizeof line, "| parity of the sinks | **%s**", parity);
    char *markdown = summary_text(setting, "jsonl", "md");
    assert_non_null(strstr(markdown, line));
    free(markdown);
    assert_int_equal(reporter_readings(setting->reporter), readings);
}

/* The gates come behind the first final summary: what they are written into is not read once more. */
static void a_final_summary_is_read_again_only_when_a_file_has_changed(void **state)
{
    static const char GIVEN[] = "{\"overall_verdict\":\"PASS\"}";
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    struct error error;
    char shard[PATH_BYTES], path[PATH_BYTES];
    setting_open(&setting, "dual");
    six_rows(rows);
    fixture_both(&setting.fixture, rows, 5);
    write_summary(&setting, false); /* while it goes on nothing is read to the end */
    assert_int_equal(reporter_readings(setting.reporter), 0);
    final_is(&setting, 5, "PASS", 1);
    assert_ok(given_take(&setting.given, GIVEN, &error));
    path_join(path, setting.fixture.folder, "parity_diff_run-1.json");
    assert_int_equal(unlink(path), 0);
    final_is(&setting, 5, "PASS", 1);
    free(fixture_read(path)); /* it is there again */
    yyjson_doc *document = summary_of(&setting, "sqlite");
    assert_string_equal(yyjson_get_str(at(document, "/overall_verdict")), "PASS");
    yyjson_doc_free(document);

    fixture_jsonl(&setting.fixture, &rows[5], false);
    final_is(&setting, 6, "FAIL", 2);
    fixture_sqlite(&setting.fixture, &rows[5], 1);
    final_is(&setting, 6, "PASS", 3);
    fixture_shard(&setting.fixture, "BTCUSDT", rows[0].ts_ms, false, shard);
    char *text = fixture_read(shard); /* another byte in its place, of the same size */
    *strstr(text, "strong_buy") = 'S';
    assert_ok(file_replace(shard, text, strlen(text), false));
    free(text);
    final_is(&setting, 5, "FAIL", 4);
    final_is(&setting, 5, "FAIL", 4);
    setting_close(&setting);
}

static void reading_a_growing_table_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    setting_open(&setting, "sqlite");
    six_rows(rows);
    fixture_sqlite(&setting.fixture, &rows[0], 1);
    write_summary(&setting, false);
    fixture_sqlite(&setting.fixture, &rows[1], 5); /* ETHUSDT begins before BTCUSDT's last */
    write_summary(&setting, false);
    yyjson_doc *document = summary_of(&setting, "sqlite");
    assert_int_equal(integer(document, "/total"), 6);
    yyjson_doc_free(document);
    setting_close(&setting);
}

static void day_folders_of_a_full_sink_are_read_too(void **state)
{
    (void)state;
    struct setting setting;
    struct signal_row rows[6];
    char from[PATH_BYTES], to[PATH_BYTES];
    setting_open(&setting, "jsonl");
    six_rows(rows);
    for (int i = 0; i < 6; i++)
        fixture_jsonl(&setting.fixture, &rows[i], false);
    path_join(from, setting.fixture.folder, "ready/signal/ETHUSDT");
    path_join(to, setting.fixture.folder, "20240808/ready/signal/ETHUSDT");
    assert_ok(folder_make_for(to));
    assert_int_equal(rename(from, to), 0);
    write_summary(&setting, true);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    assert_int_equal(integer(document, "/total"), 6);
    yyjson_doc_free(document);
    setting_close(&setting);
}

static void a_name_taken_by_another_run_gets_a_number(void **state)
{
    (void)state;
    struct setting setting;
    char path[PATH_BYTES];
    setting_open(&setting, "dual");
    struct summary_names names = setting.config.names;
    assert_int_equal(summary_file_number(&names), 1);
    summary_file_path(&names, "sqlite", "json", path);
    assert_non_null(strstr(path, "/report/summary_20240808_2354_sqlite.json"));
    fixture_append(path, "{\"run_id\":\"run-0\"}", 18);
    assert_int_equal(summary_file_number(&names), 2);
    names.number = 2;
    summary_file_path(&names, "jsonl", "md", path);
    assert_non_null(strstr(path, "/report/summary_20240808_2354_jsonl_2.md"));
    summary_file_path(&names, "jsonl", "json", path);
    fixture_append(path, "{\"run_id\":\"run-1\"}", 18); /* our own */
    assert_int_equal(summary_file_number(&names), 2);
    names.dual = false;
    names.number = 1;
    summary_file_path(&names, "jsonl", "json", path);
    assert_non_null(strstr(path, "/report/summary_20240808_2354.json"));
    fixture_append(path, "unreadable", 10);
    assert_int_equal(summary_file_number(&names), 2);
    setting_close(&setting);
}

static void what_the_orchestrator_gives_is_in_json_and_markdown(void **state)
{
    (void)state;
    struct setting setting;
    struct error error = {{0}};
    char path[PATH_BYTES], arguments[PATH_BYTES + 64];
    setting_open(&setting, "jsonl");
    path_join(path, setting.fixture.folder, "given.json");
    const char *gates = "{\"gates\":[{\"id\":\"signals\",\"measured\":0,\"unit\":\"rows\",\"op\":\">\","
                        "\"threshold\":0,\"verdict\":\"FAIL\"}],\"timeseries_export\":{\"export_count\":3}}";
    fixture_append(path, gates, strlen(gates));
    snprintf(arguments, sizeof arguments, "{\"overall_verdict\":\"FAIL\",\"file\":\"%s\"}", path);
    assert_ok(given_take(&setting.given, arguments, &error));
    write_summary(&setting, true);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    assert_string_equal(yyjson_get_str(at(document, "/overall_verdict")), "FAIL");
    assert_string_equal(yyjson_get_str(at(document, "/gates/0/id")), "signals");
    assert_int_equal(integer(document, "/timeseries_export/export_count"), 3);
    yyjson_doc_free(document);
    char *markdown = summary_text(&setting, "jsonl", "md");
    assert_non_null(strstr(markdown, "| verdict | **FAIL** |"));
    assert_non_null(strstr(markdown, "| signals | 0 | rows | > | 0 | – | FAIL |"));
    free(markdown);
    setting_close(&setting);
}

/* assert_rest_equal: the row of the verdict and the sections that are written anew may differ; of what is left nothing. */
static void assert_rest_equal(const char *left, const char *right)
{
    static const char *const PARTS[] = {"| verdict |",
                                        "\n## Harvester and sinks\n",
                                        "\n## Export\n",
                                        "\n## Fault injection\n",
                                        "\n## Alerts\n",
                                        "\n## Gates\n",
                                        NULL};
    const char *texts[2] = {left, right};
    for (size_t part = 0; part == 0 || PARTS[part - 1]; part++) {
        size_t lengths[2];
        const char *rests[2];
        for (size_t i = 0; i < 2; i++) {
            const char *end = PARTS[part] ? strstr(texts[i], PARTS[part]) : texts[i] + strlen(texts[i]);
            assert_non_null(end);
            lengths[i] = (size_t)(end - texts[i]);
            rests[i] = part == 0 ? strchr(end, '\n') : PARTS[part] ? strstr(end + 1, "\n## ") : end;
        }
        assert_int_equal(lengths[0], lengths[1]);
        assert_memory_equal(texts[0], texts[1], lengths[0]);
        memcpy(texts, rests, sizeof texts);
        assert_true(texts[0] && texts[1]);
    }
}

/* assert_members_equal: the same members in the same order, and of the same text but for those that are written anew. */
static void assert_members_equal(const char *left, const char *right)
{
    static const char *const ANEW[] = {
        "dropped",           "dedup",           "write_errors", "deduplicated", "harvester_metrics",
        "timeseries_export", "fault_injection", "alerts",       "gates",        "overall_verdict"};
    yyjson_doc *documents[2] = {yyjson_read(left, strlen(left), YYJSON_READ_NUMBER_AS_RAW),
                                yyjson_read(right, strlen(right), YYJSON_READ_NUMBER_AS_RAW)};
    yyjson_obj_iter iters[2];
    yyjson_val *keys[2];
    for (size_t i = 0; i < 2; i++)
        iters[i] = yyjson_obj_iter_with(yyjson_doc_get_root(documents[i]));
    do {
        for (size_t i = 0; i < 2; i++)
            keys[i] = yyjson_obj_iter_next(&iters[i]);
        assert_true(!keys[0] == !keys[1]);
        bool is_anew = !keys[0];
        for (size_t i = 0; i < sizeof ANEW / sizeof *ANEW; i++)
            is_anew = is_anew || yyjson_equals_str(keys[0], ANEW[i]);
        assert_true(yyjson_equals(keys[0], keys[1]) || !keys[0]);
        assert_true(is_anew ||
                    yyjson_equals(yyjson_obj_iter_get_val(keys[0]), yyjson_obj_iter_get_val(keys[1])));
    } while (keys[0]);
    yyjson_doc_free(documents[0]), yyjson_doc_free(documents[1]);
}

static void summary_paths(const struct setting *setting, char json_path[PATH_BYTES], char md_path[PATH_BYTES])
{
    summary_file_path(&setting->config.names, "jsonl", "json", json_path);
    summary_file_path(&setting->config.names, "jsonl", "md", md_path);
}

static void what_is_known_at_the_end_takes_its_place_and_nothing_else_changes(void **state)
{
    (void)state;
    struct setting setting;
    struct error error = {{0}};
    struct given given;
    struct figures figures;
    struct summary_counts counts;
    char json_path[PATH_BYTES], md_path[PATH_BYTES];
    setting_open(&setting, "jsonl");
    write_summary(&setting, true);
    summary_paths(&setting, json_path, md_path);
    char *json_before = summary_text(&setting, "jsonl", "json"),
         *before = summary_text(&setting, "jsonl", "md");
    given_init(&given);
    assert_ok(given_take(
        &given,
        "{\"overall_verdict\":\"FAIL\",\"gates\":[{\"id\":\"ledger\",\"measured\":2,\"unit\":"
        "\"lines\",\"op\":\"==\",\"threshold\":0,\"verdict\":\"FAIL\"}],\"alerts\":[{\"rule\":\"data_"
        "dropped\"}],"
        "\"fault_injection\":[{\"kind\":\"kill\"}],\"timeseries_export\":{\"export_count\":7},\"processes\":["
        "{\"name\":\"harvest\",\"counters\":{\"queue_dropped\":31,\"stage_retention_dropped\":2714}},"
        "{\"name\":\"signal\",\"counters\":{\"deduplicated\":9},"
        "\"sinks\":[{\"sink\":\"jsonl\",\"dropped\":5,\"dedup\":1,\"write_errors\":4}]}]}",
        &error));
    figures_init(&figures);
    given_counts(&given, &figures);
    summary_counts_compute(&figures, &counts);
    figures_finish(&figures);
    assert_ok(summary_given_replace(json_path, md_path, &counts, &given, false, &error));
    char *json_after = summary_text(&setting, "jsonl", "json"),
         *after = summary_text(&setting, "jsonl", "md");
    static const char *const THERE[] = {"| verdict | **FAIL** |\n",
                                        "| ledger | 2 | lines | == | 0 | – | FAIL |",
                                        "| queue_dropped | 31 |",
                                        "| sinks: dropped | 2,719 |",
                                        "| signal: deduplicated | 9 |",
                                        "`{\"export_count\":7}`",
                                        "| kill |",
                                        "| data_dropped |"};
    for (size_t i = 0; i < sizeof THERE / sizeof *THERE; i++)
        assert_non_null(strstr(after, THERE[i]));
    assert_rest_equal(before, after);
    assert_members_equal(json_before, json_after);
    yyjson_doc *document = summary_of(&setting, "jsonl");
    assert_int_equal(integer(document, "/dropped"), 2714 + 5);
    assert_int_equal(integer(document, "/dedup"), 1);
    assert_int_equal(integer(document, "/write_errors"), 4);
    assert_int_equal(integer(document, "/deduplicated"), 9);
    assert_int_equal(integer(document, "/harvester_metrics/queue_dropped"), 31);
    assert_int_equal(integer(document, "/timeseries_export/export_count"), 7);
    assert_string_equal(yyjson_get_str(at(document, "/gates/0/id")), "ledger");
    assert_string_equal(yyjson_get_str(at(document, "/alerts/0/rule")), "data_dropped");
    assert_string_equal(yyjson_get_str(at(document, "/fault_injection/0/kind")), "kill");
    yyjson_doc_free(document);
    free(before), free(after), free(json_before), free(json_after);
    given_finish(&given);
    setting_close(&setting);
}

static void gates_of_section(const char *given_text, const char *expected)
{
    struct given given;
    struct error error;
    struct buffer text;
    given_init(&given);
    buffer_init(&text, 0);
    assert_ok(given_take(&given, given_text, &error));
    summary_given_section(&text, SECTION_GATES, &(struct summary_counts){.dropped = 0}, &given);
    assert_string_equal(buffer_text(&text), expected);
    buffer_finish(&text);
    given_finish(&given);
}

/* Of a run with `--gates none` the verdict is known. */
static void a_run_without_gates_is_not_one_whose_gates_are_unknown(void **state)
{
    (void)state;
    gates_of_section("{}", "\n## Gates\n\nNot evaluated: without gates the verdict is UNKNOWN.\n");
    gates_of_section("{\"gates\":[],\"overall_verdict\":\"PASS\"}", "\n## Gates\n\nThe run has none.\n");
}

static void what_is_no_summary_is_left_as_it_is_and_so_is_the_other_file(void **state)
{
    (void)state;
    struct setting setting;
    struct error error = {{0}};
    struct given given;
    const struct summary_counts counts = {.dropped = 1};
    char json_path[PATH_BYTES], md_path[PATH_BYTES];
    setting_open(&setting, "jsonl");
    write_summary(&setting, true);
    summary_paths(&setting, json_path, md_path);
    char *json_before = summary_text(&setting, "jsonl", "json");
    given_init(&given);
    assert_int_equal(unlink(md_path), 0);
    assert_int_equal(summary_given_replace(json_path, md_path, &counts, &given, false, &error),
                     STATUS_NOT_FOUND);
    fixture_append(md_path, "# not ours\n", 11);
    assert_int_equal(summary_given_replace(json_path, md_path, &counts, &given, false, &error),
                     STATUS_MALFORMED);
    assert_non_null(strstr(error.text, ".md: is no summary"));
    char *json_after = summary_text(&setting, "jsonl", "json");
    assert_string_equal(json_before, json_after);
    free(json_before), free(json_after);
    setting_close(&setting);
}

static void malformed_arguments_change_nothing(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "{",
        "[]",
        "3",
        "{\"gates\":{}}",
        "{\"overall_verdict\":\"GOOD\"}",
        "{\"overall_verdict\":1}",
        "{\"file\":\"/nonexistent/given.json\"}",
        "{\"alerts\":\"none\"}",
        "{\"processes\":{}}",
    };
    struct given given;
    struct error error = {{0}};
    given_init(&given);
    assert_ok(given_take(&given, "{\"overall_verdict\":\"PASS\"}", &error));
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        error.text[0] = 0;
        assert_int_not_equal(given_take(&given, BAD[i], &error), STATUS_OK);
        assert_true(error.text[0]);
    }
    assert_string_equal(given.overall_verdict, "PASS");
    assert_null(given.gates);
    assert_ok(given_take(&given, "", &error));
    given_finish(&given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_all_there_in_their_order),
        cmocka_unit_test(figures_of_two_symbols_at_the_same_time),
        cmocka_unit_test(both_sinks_give_equal_summaries),
        cmocka_unit_test(an_empty_run_is_unknown_and_says_why),
        cmocka_unit_test(every_candidate_gated_is_said),
        cmocka_unit_test(bad_lines_are_counted_and_rows_of_other_runs_left_out),
        cmocka_unit_test(only_rows_of_other_runs_are_pointed_at_in_both_sinks),
        cmocka_unit_test(reading_goes_on_where_it_stopped),
        cmocka_unit_test(a_final_summary_is_read_again_only_when_a_file_has_changed),
        cmocka_unit_test(reading_a_growing_table_goes_on_where_it_stopped),
        cmocka_unit_test(day_folders_of_a_full_sink_are_read_too),
        cmocka_unit_test(a_name_taken_by_another_run_gets_a_number),
        cmocka_unit_test(what_the_orchestrator_gives_is_in_json_and_markdown),
        cmocka_unit_test(what_is_known_at_the_end_takes_its_place_and_nothing_else_changes),
        cmocka_unit_test(a_run_without_gates_is_not_one_whose_gates_are_unknown),
        cmocka_unit_test(what_is_no_summary_is_left_as_it_is_and_so_is_the_other_file),
        cmocka_unit_test(malformed_arguments_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
