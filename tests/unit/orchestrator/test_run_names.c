// Whose a file is that runs leave.
// links: orchctl orchestrator store base
#include "orchestrator/orchctl/run_names.h"
#include "tests/support/check.h"

static void every_name_that_carries_a_run_is_known(void **unused)
{
    (void)unused;
    static const char *const PATHS[] = {
        "run_logs/run_manifest_a.json",
        "run_logs/status_a.json",
        "run_logs/ledger_a.json",
        "run_logs/ledger_a/signal.2.json",
        "run_logs/alerts_a.json",
        "run_logs/canary_a.json",
        "run_logs/export_a.jsonl",
        "source_manifest_a.json",
        "parity_diff_a.json",
        "evidence/a/index.json",
        "evidence/.a.tmp/index.json",
        "deadletter/date=2026-01-01/symbol=BTCUSDT/kind=trade/bad-a-17.ndjson",
        "signal/a_stdout.log",
        "signal.2/a_stderr.log.12",
        "orchestrator/a_conclusion.log",
        "signal/a_hang_3.txt",
        "ready/signal/BTCUSDT/signals_20260101_0000_a.jsonl",
        "20260101/spool/signal/BTCUSDT/signals_20260101_0000_a.part",
    };
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
        if (!run_names_file(PATHS[i], "a"))
            fail_msg("%s is of run a", PATHS[i]);
        if (run_names_file(PATHS[i], "b") || run_names_file(PATHS[i], "a-r2") || run_names_file(PATHS[i], ""))
            fail_msg("%s is of nobody but run a", PATHS[i]);
    }
}

static void a_run_that_is_called_like_a_part_of_a_path_has_no_file_by_that(void **unused)
{
    (void)unused;
    static const char *const PATHS[] = {
        "signals.db",
        "mock_orders.jsonl",
        "status/signal.json",
        "effective_config.json",
        "signal/later_stdout.log",
        "evidence/later/run_manifest_later.json",
        "evidence/later/run",
        "ready/signal/BTCUSDT/signals_20260101_0000_later.jsonl",
        "ready/signal/BTCUSDT/signals_20260101_0000_run-r2.jsonl",
        "run_logs/run_manifest_later.json",
        "run_logs/ledger_later/signal.json",
        "deadletter/date=2026-01-01/symbol=run/kind=a/bad-later-17.ndjson",
        "deadletter/date=2026-01-01/symbol=run/kind=a/bad-a-r2-17.ndjson",
        "orchestrator/orchestrator.log",
        "source_manifest_a10.json",
    };
    static const char *const RUNS[] = {"run",      "signal",   "a",        "a1",
                                       "later-r2", "20260101", "evidence", "status"};
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
        for (size_t j = 0; j < sizeof RUNS / sizeof *RUNS; j++)
            if (run_names_file(PATHS[i], RUNS[j]))
                fail_msg("%s is not of run %s", PATHS[i], RUNS[j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_that_carries_a_run_is_known),
        cmocka_unit_test(a_run_that_is_called_like_a_part_of_a_path_has_no_file_by_that),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
