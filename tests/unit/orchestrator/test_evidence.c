// Figures of the gates, read from the files of a run: right when they are there, absent when they are not.
// links: orchestrator store proto base
#include "evidence_run.h"
#include "store/database.h"

#include <string.h>

#define STATUS_FILE   "artifacts/run_logs/status_" RUN ".json"
#define MANIFEST_FILE "artifacts/run_logs/run_manifest_" RUN ".json"

static int set_up(void **unused)
{
    (void)unused;
    evidence_run_begin((1 << MODULE_COUNT) - 1);
    return 0;
}

static double value_of(const struct evidence *evidence, const char *name)
{
    const struct evidence_fact *fact = evidence_find(evidence, name);
    if (!fact)
        fail_msg("%s is not known", name);
    return fact->value;
}

static void check_value(const struct evidence *evidence, const char *name, double wanted)
{
    double value = value_of(evidence, name);
    if (value != wanted)
        fail_msg("%s is %g, not %g", name, value, wanted);
}

static void check_absent(const struct evidence *evidence, const char *name)
{
    if (evidence_find(evidence, name))
        fail_msg("%s is known although nothing says it", name);
}

static void nothing_is_known_of_an_empty_folder(void **unused)
{
    (void)unused;
    struct evidence evidence;
    evidence_gather(&places, &evidence);
    for (size_t i = 0; i < evidence.count; i++) {
        const char *name = evidence.facts[i].name;
        bool rows = strncmp(name, "rows_", 5) == 0, manifest = strcmp(name, "manifests") == 0;
        if ((!rows && !manifest) || evidence.facts[i].value != 0)
            fail_msg("%s is said to be %g", name, evidence.facts[i].value);
    }
}

static const char STATUS[] =
    "{\"run_id\":\"" RUN "\",\"processes\":["
    "{\"name\":\"harvest\",\"counters\":{\"received_messages\":100,\"parsed_messages\":90,\"parse_errors\":3,"
    "\"filtered_unknown_stream\":1,\"filtered_other_stream\":2,\"filtered_other_symbol\":0,"
    "\"filtered_unused_trades\":0,\"filtered_unused_books\":0,\"filtered_notice\":0,\"filtered_after_end\":0,"
    "\"received_trades\":40,\"received_books\":30,\"received_tickers\":17,\"fed_elsewhere\":2,\"arrived\":1,"
    "\"arrived_lost\":0,\"backfilled_trades\":1,"
    "\"emitted_trades\":36,\"dedup_hits_total\":2,\"late_event_dropped\":0,\"invalid_time_trades\":0,"
    "\"invalid_qty\":2,"
    "\"diffs_applied\":29,\"book_backward\":0,\"diffs_before_snapshot\":1,\"diffs_dropped\":0,"
    "\"emitted_books\":29,\"emitted_events\":4,\"queue_dropped\":1,\"stage_rows_lost\":0,\"stage_retention_"
    "dropped\":0,\"stage_forks\":0},"
    "\"sinks\":[],\"streams\":[{\"stream\":\"harvest/"
    "A\",\"published\":true,\"last_sequence\":70,\"ended\":true}]},"
    "{\"name\":\"features\",\"counters\":{\"feature_rows\":12,\"events_anomaly_z\":2,\"events_price_"
    "anomaly\":0,"
    "\"stage_rows_lost\":2,\"stage_forks\":1},\"sinks\":[],\"streams\":["
    "{\"stream\":\"features/A\",\"published\":true,\"last_sequence\":20,\"ended\":true},"
    "{\"stream\":\"harvest/A\",\"published\":false,\"last_sequence\":65,\"ended\":false},"
    "{\"stream\":\"nobody/A\",\"published\":false,\"last_sequence\":0,\"ended\":false}]},"
    "{\"name\":\"signal\",\"counters\":{},\"streams\":[],\"sinks\":["
    "{\"sink\":\"jsonl\",\"lag_rows\":3,\"dropped\":4,\"key_conflict\":0},"
    "{\"sink\":\"sqlite\",\"lag_rows\":0,\"dropped\":0,\"key_conflict\":5}]}]}";

static void ledger_and_positions_come_from_the_status_file(void **unused)
{
    (void)unused;
    struct evidence evidence;
    put(STATUS_FILE, STATUS);
    evidence_gather(&places, &evidence);
    check_value(&evidence, "messages_unaccounted", 100 - 96);
    check_value(&evidence, "parsed_unaccounted", 0);
    check_value(&evidence, "trades_unaccounted", 1);
    check_value(&evidence, "books_unaccounted", 0);
    check_value(&evidence, "rows_undrained", 5 + 3);
    check_value(&evidence, "streams_open", 1); /* nobody/A has no producer in this run */
    check_value(&evidence, "dropped", 4 + 1);
    check_value(&evidence, "rows_lost", 2);
    check_value(&evidence, "forks", 1);
    check_value(&evidence, "key_conflicts", 5);
    check_value(&evidence, "input_events", 6);
    check_value(&evidence, "input_features", 12);
    check_absent(&evidence, "deadletter_rows"); /* archive said nothing */
}

static void a_muted_counter_makes_its_figure_unknown(void **unused)
{
    (void)unused;
    struct evidence evidence;
    char muted[sizeof STATUS];
    memcpy(muted, STATUS, sizeof STATUS);
    memcpy(strstr(muted, "parse_errors"), "other_errors", 12);
    put(STATUS_FILE, muted);
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "messages_unaccounted");
    check_value(&evidence, "parsed_unaccounted", 0);
    memcpy(muted, STATUS, sizeof STATUS);
    memcpy(strstr(muted, "queue_dropped"), "queue_forgets", 13);
    put(STATUS_FILE, muted);
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "dropped");
}

static void a_loss_that_a_process_could_not_save_makes_the_dropped_unknown(void **unused)
{
    (void)unused;
    struct evidence evidence;
    char text[sizeof STATUS + 32];
    snprintf(text, sizeof text, "%.*s\"untold_losses\":%d,%s", (int)(strstr(STATUS, "\"counters\"") - STATUS),
             STATUS, 1, strstr(STATUS, "\"counters\""));
    put(STATUS_FILE, text);
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "dropped");
    check_value(&evidence, "rows_lost", 2);
    *(strstr(text, "losses\":1") + 8) = '0';
    put(STATUS_FILE, text);
    evidence_gather(&places, &evidence);
    check_value(&evidence, "dropped", 4 + 1);
}

static void the_status_of_another_run_says_nothing(void **unused)
{
    (void)unused;
    struct evidence evidence;
    char other[sizeof STATUS];
    memcpy(other, STATUS, sizeof STATUS);
    memcpy(strstr(other, RUN), "run-2", 5);
    put(STATUS_FILE, other);
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "messages_unaccounted");
    check_absent(&evidence, "rows_undrained");
}

static void line(char *out_text, size_t size, const char *run, int seq, const char *symbol,
                 const char *confirm)
{
    size_t length = strlen(out_text);
    snprintf(out_text + length, size - length,
             "{\"run_id\":\"%s\",\"seq\":%d,\"ts_ms\":%d,\"symbol\":\"%s\",\"score\":0.5,\"z_ofi\":null,\"z_"
             "cvd\":1,"
             "\"consistency\":0.1,\"regime\":\"quiet\",\"div_type\":null,\"confirm\":%s,\"gating\":false,"
             "\"signal_type\":\"neutral\",\"guard_reason\":\"lag\",\"best_bid\":1.5,\"best_ask\":2,"
             "\"created_at\":\"2024-08-08T00:00:00.000Z\",\"schema_version\":1}\n",
             run, seq, seq * 100, symbol, confirm);
}

static void jsonl_rows_are_counted_checked_and_followed_by_their_numbers(void **unused)
{
    (void)unused;
    struct evidence evidence;
    char text[8192] = "";
    line(text, sizeof text, RUN, 1, "A", "false");
    line(text, sizeof text, RUN, 2, "A", "false");
    put("runtime/ready/signal/A/signals_20240808_0000_" RUN ".jsonl", text);
    text[0] = 0;
    line(text, sizeof text, RUN, 5, "A", "false"); /* 3 and 4 are missing */
    line(text, sizeof text, RUN, 5, "A", "false"); /* again */
    line(text, sizeof text, RUN, 6, "A", "true");  /* confirmed, yet with a reason */
    put("runtime/ready/signal/A/signals_20240808_0002_" RUN ".jsonl", text);
    text[0] = 0;
    line(text, sizeof text, RUN, 1, "B", "1"); /* not a bool */
    put("runtime/20240808/ready/signal/B/signals_20240808_0000_" RUN ".jsonl", text);
    put("runtime/ready/signal/B/signals_20240808_0000_run-2.jsonl", text); /* of another run */
    put("runtime/spool/signal/B/signals_20240808_0001_" RUN ".part", text);
    evidence_gather(&places, &evidence);
    check_value(&evidence, "jsonl_shards", 3);
    check_value(&evidence, "jsonl_rotation_minutes", 2); /* 00:00 of two symbols, 00:02 */
    check_value(&evidence, "jsonl_rows", 6);
    check_value(&evidence, "jsonl_missing", 2);
    check_value(&evidence, "jsonl_repeated", 1);
    check_value(&evidence, "jsonl_violations", 2);
    check_absent(&evidence, "sqlite_rows");
}

/* published: a status file in which features says how many rows it made, and signal how many it decided against. */
static void published(int features, int deduplicated)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"run_id\":\"" RUN
             "\",\"processes\":[{\"name\":\"features\",\"counters\":{\"feature_rows\":%d}},"
             "{\"name\":\"features.2\",\"counters\":{\"feature_rows\":1}},{\"name\":\"signal\",\"counters\":{"
             "\"deduplicated\":%d,\"late_feature_row\":0,\"bad_feature_row\":0}}]}",
             features - 1, deduplicated);
    put(STATUS_FILE, text);
}

static void a_feature_row_that_signal_never_took_is_lost_although_no_number_is_missing(void **unused)
{
    (void)unused;
    struct evidence evidence;
    char text[8192] = "";
    line(text, sizeof text, RUN, 1, "A", "false");
    line(text, sizeof text, RUN, 2, "A", "false");
    line(text, sizeof text, RUN, 1, "B", "false");
    put("runtime/ready/signal/A/signals_20240808_0000_" RUN ".jsonl", text);
    published(3, 0);
    evidence_gather(&places, &evidence);
    check_value(&evidence, "jsonl_missing", 0);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), 0);
    assert_int_equal(evidence_rows_lost(&evidence, "dual"), -1); /* the other sink is not there */
    published(5, 0);
    evidence_gather(&places, &evidence);
    check_value(&evidence, "jsonl_missing", 0);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), 2);
    published(5, 2); /* signal says why */
    evidence_gather(&places, &evidence);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), 0);
    published(2, 0); /* more rows than there can be: a count is missing */
    evidence_gather(&places, &evidence);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), -1);
    line(text, sizeof text, RUN, 2, "A", "false"); /* again */
    put("runtime/ready/signal/A/signals_20240808_0000_" RUN ".jsonl", text);
    published(4, 0);
    evidence_gather(&places, &evidence);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), 1);
    assert_int_equal(evidence_rows_repeated(&evidence, "jsonl"), 1);
}

static void the_worse_of_two_sinks_counts(void **unused)
{
    (void)unused;
    struct evidence evidence = {.count = 0};
    evidence_add(&evidence, "jsonl_missing", 0, "", "");
    evidence_add(&evidence, "sqlite_missing", 0, "", "");
    evidence_add(&evidence, "jsonl_unsignalled", 0, "", "");
    assert_int_equal(evidence_rows_lost(&evidence, "dual"), -1);
    assert_int_equal(evidence_rows_lost(&evidence, "sqlite"), -1);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), 0);
    evidence_add(&evidence, "sqlite_unsignalled", 3, "", "");
    assert_int_equal(evidence_rows_lost(&evidence, "dual"), 3);
    assert_int_equal(evidence_rows_lost(&evidence, "jsonl"), 0);
}

static void execute(struct database *database, const char *sql)
{
    struct error error = {{0}};
    if (database_execute(database, sql, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static void sqlite_rows_likewise(void **unused)
{
    (void)unused;
    struct evidence evidence;
    struct database *database;
    struct error error;
    char path[PATH_BYTES];
    path_join(path, folder, "runtime/signals.db");
    assert_ok(database_open(path, DATABASE_WRITE, &database, &error));
    execute(
        database,
        "CREATE TABLE signals (run_id TEXT, seq INTEGER, ts_ms INTEGER, symbol TEXT, score REAL, z_ofi REAL, "
        "z_cvd REAL, consistency REAL, regime TEXT, div_type TEXT, confirm INTEGER, gating INTEGER, "
        "signal_type TEXT, guard_reason TEXT, best_bid REAL, best_ask REAL, created_at TEXT, "
        "schema_version INTEGER)");
    for (int seq = 1; seq <= 4; seq++) {
        char sql[512];
        snprintf(
            sql, sizeof sql,
            "INSERT INTO signals VALUES ('%s', %d, %d, 'A', 0.5, NULL, 1, 0.1, '%s', NULL, 0, 0, 'neutral', "
            "'lag', 1.5, 2, 'x', 1)",
            seq == 4 ? "run-2" : RUN, seq == 3 ? 5 : seq, seq, seq == 2 ? "lively" : "quiet");
        execute(database, sql);
    }
    database_close(database);
    evidence_gather(&places, &evidence);
    check_value(&evidence, "sqlite_rows", 3);
    check_value(&evidence, "sqlite_missing", 2);
    check_value(&evidence, "sqlite_repeated", 0);
    check_value(&evidence, "sqlite_violations", 1); /* no regime of that name */
}

static void rows_of_parquet_are_in_the_names_of_this_run_s_parts(void **unused)
{
    (void)unused;
    struct evidence evidence;
    /* The first 8 hex digits of SHA-256("run-1"). */
    put("data/ofi_cvd/date=2024-08-08/symbol=A/kind=prices/part-1-2-30-4e65d3fb-1.parquet", "");
    put("data/ofi_cvd/date=2024-08-08/symbol=A/kind=prices/part-1-2-12-4e65d3fb-2-h.parquet", "");
    put("data/ofi_cvd/date=2024-08-08/symbol=A/kind=prices/part-1-2-99-00000000-1.parquet", "");
    put("data/ofi_cvd/date=2024-08-08/symbol=B/kind=ofi/part-1-2-5-4e65d3fb-3.parquet", "");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "rows_prices", 42);
    check_value(&evidence, "rows_ofi", 5);
    check_value(&evidence, "rows_cvd", 0);
}

static void orders_summaries_and_the_comparison_of_the_sinks(void **unused)
{
    (void)unused;
    struct evidence evidence;
    put("runtime/mock_orders.jsonl",
        "{\"order_id\":\"M-1\",\"run_id\":\"" RUN "\",\"side\":\"BUY\"}\n"
        "{\"order_id\":\"M-2\",\"run_id\":\"" RUN "\",\"side\":\"SELL\"}\n"
        "{\"order_id\":\"M-2\",\"run_id\":\"" RUN "\",\"side\":\"SELL\"}\n"
        "{\"order_id\":\"M-9\",\"run_id\":\"run-2\",\"side\":\"SELL\"}\nnonsense\n");
    put("logs/report/summary_20240808_0000_jsonl.json",
        "{\"run_id\":\"" RUN "\",\"confirmed\":0,\"total\":1,\"buy_ratio\":null,\"strong_ratio\":null,"
        "\"per_minute\":[],\"dropped\":0,\"warnings\":[]}");
    put("logs/report/summary_20240808_0000_sqlite.json",
        "{\"run_id\":\"" RUN "\",\"confirmed\":2,\"total\":1,\"buy_ratio\":null,\"strong_ratio\":0.5,"
        "\"per_minute\":[],\"warnings\":[],\"volumes\":{\"A\":{\"missing_trade_ids\":4},"
        "\"B\":{\"missing_trade_ids\":3}}}");
    put(STATUS_FILE, "{\"run_id\":\"" RUN "\",\"processes\":[{\"name\":\"harvest\",\"counters\":"
                     "{\"trade_gap_ids_total\":9}}]}");
    put("artifacts/parity_diff_" RUN ".json",
        "{\"run_id\":\"" RUN
        "\",\"only_jsonl\":1,\"only_sqlite\":0,\"content_mismatch\":0,\"duplicates_jsonl\":0,"
        "\"key_conflict\":0,\"jsonl_bad_lines\":0,\"sqlite_bad_rows\":0,\"jsonl_stats\":{\"content_hash\":"
        "\"a\"},\"sqlite_stats\":{\"content_hash\":"
        "\"b\"}}");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "orders", 3);
    check_value(&evidence, "orders_sides", 2);
    check_value(&evidence, "orders_repeated", 1);
    check_value(&evidence, "summaries", 2);
    check_value(&evidence, "summary_fields_missing",
                2); /* sqlite: no dropped, and a ratio that must be there */
    check_value(&evidence, "gap_ids_unnamed", 2);
    check_value(&evidence, "sink_differences", 2);
}

static void put_ledger(const char *run_id, int unbalanced, int unknown, const char *lines)
{
    char text[256];
    snprintf(text, sizeof text, "{\"run_id\":\"%s\",\"unbalanced\":%d,\"unknown\":%d,\"lines\":%s}", run_id,
             unbalanced, unknown, lines);
    put("artifacts/run_logs/ledger_" RUN ".json", text);
}

static void the_ledger_counts_lines_that_do_not_balance(void **unused)
{
    (void)unused;
    struct evidence evidence;
    put_ledger(RUN, 0, 0, "[{}]");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "ledger_unbalanced", 0);
    put_ledger(RUN, 3, 2, "[{}]");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "ledger_unbalanced", 3);
    put_ledger(RUN, 0, 1, "[{}]"); /* a line that could not be judged */
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "ledger_unbalanced");
    put_ledger(RUN, 0, 0, "[]"); /* nothing was judged at all */
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "ledger_unbalanced");
    put_ledger("run-2", 0, 0, "[{}]");
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "ledger_unbalanced");
    put("artifacts/run_logs/ledger_" RUN ".json", "{\"run_id\":\"" RUN "\",\"unbal");
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "ledger_unbalanced");
}

static void manifest_and_log_tell_of_start_and_stop(void **unused)
{
    (void)unused;
    struct evidence evidence;
    places.modules = module_bit(MODULE_HARVEST) | module_bit(MODULE_ARCHIVE);
    put(MANIFEST_FILE,
        "{\"run_id\":\"" RUN "\",\"shutdown_order\":[\"harvest\",\"archive\"],"
        "\"processes\":{\"harvest\":{\"killed_on_stop\":true},\"archive\":{\"killed_on_stop\":false}},"
        "\"resource_usage\":{\"max_rss_mb\":12.5,\"max_open_files\":33}}");
    put("logs/orchestrator/orchestrator.log", "t INFO orchestrator Start run_id=" RUN " name=harvest pid=1\n"
                                              "t INFO orchestrator Start run_id=" RUN " name=archive pid=2\n"
                                              "t INFO orchestrator Ready run_id=" RUN " name=harvest pid=1\n"
                                              "t INFO orchestrator Ready run_id=run-2 name=archive pid=1\n"
                                              "t INFO orchestrator Health run_id=" RUN " name=harvest pid=1\n"
                                              "t INFO orchestrator Stop run_id=" RUN " name=harvest pid=1\n");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "manifests", 1);
    check_value(&evidence, "shutdown_mistakes", 2);
    check_value(&evidence, "shutdown_kills", 1);
    check_value(&evidence, "max_rss_mb", 12.5);
    check_value(&evidence, "max_open_files", 33);
    check_value(&evidence, "log_events_missing", 3); /* archive: Ready, Health, Stop */
}

static void the_log_is_read_through_the_files_that_were_turned_over(void **unused)
{
    (void)unused;
    struct evidence evidence;
    places.modules = module_bit(MODULE_HARVEST);
    put("logs/orchestrator/orchestrator.log.2",
        "t INFO orchestrator Start run_id=" RUN " name=harvest pid=1\n");
    put("logs/orchestrator/orchestrator.log.1",
        "t INFO orchestrator Ready run_id=" RUN " name=harvest pid=1\n"
        "t INFO orchestrator Health run_id=" RUN " name=harvest\n");
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "log_events_missing"); /* there is no log */
    put("logs/orchestrator/orchestrator.log", "t INFO orchestrator Stop run_id=" RUN " name=harvest pid=1\n");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "log_events_missing", 0);
    put("logs/orchestrator/orchestrator.log.1", "");
    evidence_gather(&places, &evidence);
    check_value(&evidence, "log_events_missing", 2);
}

static void damaged_files_are_no_figures(void **unused)
{
    (void)unused;
    struct evidence evidence;
    put(STATUS_FILE, "{\"run_id\":\"" RUN "\",\"processes\":[");
    put(MANIFEST_FILE, "]");
    put("artifacts/parity_diff_" RUN ".json", "{\"run_id\":\"" RUN "\",\"only_jsonl\":0}");
    put("runtime/signals.db",
        "not a database, however long this text may be; it has no header of one at all.");
    evidence_gather(&places, &evidence);
    check_absent(&evidence, "messages_unaccounted");
    check_absent(&evidence, "sink_differences");
    check_absent(&evidence, "gap_ids_unnamed");
    check_absent(&evidence, "sqlite_rows");
    check_absent(&evidence, "max_rss_mb");
    check_value(&evidence, "manifests", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_known_of_an_empty_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ledger_and_positions_come_from_the_status_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_muted_counter_makes_its_figure_unknown, set_up, tear_down),
        cmocka_unit_test(a_loss_that_a_process_could_not_save_makes_the_dropped_unknown),
        cmocka_unit_test_setup_teardown(the_status_of_another_run_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jsonl_rows_are_counted_checked_and_followed_by_their_numbers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_feature_row_that_signal_never_took_is_lost_although_no_number_is_missing, set_up, tear_down),
        cmocka_unit_test(the_worse_of_two_sinks_counts),
        cmocka_unit_test_setup_teardown(sqlite_rows_likewise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_of_parquet_are_in_the_names_of_this_run_s_parts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(orders_summaries_and_the_comparison_of_the_sinks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_ledger_counts_lines_that_do_not_balance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(manifest_and_log_tell_of_start_and_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_is_read_through_the_files_that_were_turned_over, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(damaged_files_are_no_figures, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
