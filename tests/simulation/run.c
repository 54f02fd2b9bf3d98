#include "tests/simulation/run.h"

#include "base/file.h"
#include "base/memory.h"
#include "tests/simulation/hearing.h"
#include "tests/simulation/moves.h"
#include "tests/simulation/network.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/posix.h"
#include "tests/simulation/power.h"
#include "tests/simulation/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SETTINGS: so that two minutes of a thin market bring every kind of row, and signals of every kind. */
static const char *const SETTINGS[] = {
    "run.sink=dual",
    "report.http_port=-1", /* the network is simulated, and its server is not */
    "run.enable=harvest,features,signal,broker,archive,report",
    "harvest.combined_url=ws://127.0.0.1:9",
    "harvest.rest_url=http://127.0.0.1:9",
    "harvest.backoff_initial_ms=50",
    "features.grid_ms=1000",
    "ofi.z_window=10",
    "ofi.gap_reset_ms=60000",
    "cvd.freeze_min=3",
    "cvd.soft_freeze_ms=60000",
    "cvd.hard_freeze_ms=90000",
    "fusion.min_warmup_samples=3",
    "fusion.fuse_buy=0.3",
    "fusion.fuse_strong_buy=0.8",
    "fusion.min_consistency=0",
    "fusion.max_lag_ms=60000",
    "divergence.swing_l=2",
    "divergence.min_separation=2",
    "divergence.warmup_min=5",
    "divergence.strength.weak=5",
    "divergence.step_ms=1000",
    "events.rearm_ms=5000",
    "events.anomaly_z_ofi=1.5",
    "strategy_mode.min_dwell_ms=10000",
    "strategy_mode.lookback_ms=20000",
    "strategy_mode.market.min_trades_per_min=10",
    "strategy_mode.market.min_quotes_per_sec=0.5",
    "strategy_mode.market.min_volume_usd=100",
    "strategy_mode.market.min_volatility_bps=0.1",
    "signal.thresholds.normal.buy=0.2",
    "signal.thresholds.active.buy=0.2",
    "signal.thresholds.quiet.buy=0.2",
    "signal.consistency_min.normal=0",
    "signal.consistency_min.active=0",
    "signal.consistency_min.quiet=0",
    "signal.lag_cap_sec=60",
    "broker.sample_rate=0.5",
    "archive.duckdb_threads=1",
    "archive.duckdb_memory_mb=64",
};

/* --- command lines --- */

static void argue(struct process *process, const char *format, ...) PRINTF_LIKE(2, 3);
static void argue(struct process *process, const char *format, ...)
{
    char text[PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (process->argument_count + 1 >= PROCESS_ARGUMENTS_MAX)
        abort();
    process->arguments[process->argument_count++] = memory_copy_text(text);
    process->arguments[process->argument_count] = NULL;
}

static void set(struct process *process, const char *key, int64_t value)
{
    argue(process, "--set=%s=%" PRId64, key, value);
}

static void argue_all(const struct fault_plan *plan)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        struct process *process = &processes[i];
        argue(process, "%s", process->name);
        argue(process, "--run-id=%s", OPERATOR_RUN_ID);
        for (size_t k = 0; k < sizeof SETTINGS / sizeof SETTINGS[0]; k++)
            argue(process, "--set=%s", SETTINGS[k]);
        set(process, "journal.state_interval_ms", plan->state_interval_ms);
        set(process, "bus.high_water_mark", plan->high_water_mark);
        set(process, "bus.recut_seed", plan->recut_seed);
        set(process, "sink.fsync_every_n", plan->sink_rows);
        set(process, "sink.sqlite_batch_n", plan->sink_rows);
        set(process, "sink.fsync_interval_ms", plan->sink_ms);
        set(process, "sink.sqlite_flush_ms", plan->sink_ms);
        set(process, "archive.max_rows", plan->part_rows);
        set(process, "health.heartbeat_ms", plan->heartbeat_ms);
        set(process, "journal.max_mb", plan->journal_mb);
        set(process, "journal.max_age_s", plan->journal_age_s);
        argue(process, "--set=journal.durability=%s", plan->power ? "power" : "process");
        if (plan->scaled) {
            argue(process, "--plan=" MOVES_PLAN_PATH);
            argue(process, "--instance=%s", process->name);
        }
        process->generation_argument = process->argument_count;
        argue(process, "--generation=%010d", 0); /* as long as any */
    }
}

static enum status argue_capture(void *context, const char *path)
{
    argue(context, "--replay=%s", path);
    return STATUS_OK;
}

/* --- one run --- */

static void play(struct fault_plan *plan, struct random *random, struct run_figures *out)
{
    faults_begin(plan, random);
    power_begin(plan->power);
    fibers_begin(random);
    moves_begin(plan);
    operator_start();
    if (!fibers_run(processes_reap))
        trace_complain("nothing can go on: every thread waits for another");
    *out = (struct run_figures){.messages = venue_messages(),
                                .moves = moves_made(),
                                .harvest_moves = moves_made_of_harvest(),
                                .moves_to_deaf = hearing_deaf_count(),
                                .switches = fiber_switches(),
                                .length_ns = operator_ended_ns()};
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        out->points[i] = processes[i].points;
        out->kills += processes[i].kills;
        out->restarts += processes[i].present ? processes[i].generation - 1 : 0;
        process_bury(&processes[i]);
        for (int k = 0; k < processes[i].argument_count; k++)
            free(processes[i].arguments[k]);
    }
    fibers_end();
    network_end();
}

void run_market(struct venue_market *market, struct fault_plan *plan, struct random *random,
                struct run_figures *out_figures)
{
    bool rough = market->rough;
    venue_begin(market);
    posix_set_wall(market->start_ms * 1000000);
    processes_begin(plan->scaled);
    argue_all(plan);
    play(plan, random, out_figures);
    out_figures->harvest_disturbed = rough || fault_skews(plan) ||
                                     processes[PROCESS_HARVEST].generation > 1 ||
                                     processes[PROCESS_HARVEST_2].generation > 1;
    for (size_t i = 0; i < plan->count; i++)
        out_figures->harvest_disturbed |= plan->faults[i].done && plan->faults[i].kind == FAULT_DISCONNECT;
}

void run_replay(const char *folder, struct random *random, struct run_figures *out_figures)
{
    static const char *const CAPTURES[] = {"raw", "raw-harvest.2"};
    bool any = false;
    struct fault_plan plan;
    fault_plan_quiet(&plan);
    venue_begin(NULL);
    posix_set_wall(venue_begin_ns());
    processes_begin(false);
    argue_all(&plan);
    argue(&processes[PROCESS_HARVEST], "--replay-link");
    for (size_t i = 0; i < sizeof CAPTURES / sizeof CAPTURES[0]; i++) {
        char path[PATH_BYTES];
        path_join(path, folder, "%s", CAPTURES[i]);
        any = (file_exists(path) &&
               folder_walk(path, argue_capture, &processes[PROCESS_HARVEST]) == STATUS_OK) ||
              any;
    }
    if (!any)
        trace_complain("there is no capture below %s", folder);
    play(&plan, random, out_figures);
}
