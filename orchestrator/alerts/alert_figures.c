/* The figures of alerts.c's table, from heartbeats, from what the orchestrator knows itself, and from the disk.
 *
 * Of recorded input and of a simulated time of day some say nothing (operations.md §13): those are left out, and their
 * rules are not evaluated. */
#include "alerting.h"

#include "heard.h"
#include "orchestrator/export/exporter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int64_t counter_or_unknown(const struct run *run, const char *service, const char *name)
{
    int64_t value;
    return heard_counter(run, service, name, &value) ? value : -1;
}

void alert_sample_take(const struct run *run, struct alert_sample *out_sample)
{
    int64_t errors;
    *out_sample = (struct alert_sample){
        .at_ms = alerting_now_ms(run),
        .reconnects = counter_or_unknown(run, "harvest", "reconnect_count"),
        .write_errors = heard_write_errors(run, &errors) ? errors : -1,
        .signals = counter_or_unknown(run, "signal", "signals"),
        .rotations = counter_or_unknown(run, "signal", "jsonl_rotations"),
    };
}

static void add(struct alert_figures *figures, const char *name, double value)
{
    alert_figure_add(figures, name, "", value);
}

static void add_counter(const struct run *run, struct alert_figures *figures, const char *name,
                        const char *service, const char *counter)
{
    int64_t value = counter_or_unknown(run, service, counter);
    add(figures, name, value < 0 ? NAN : (double)value);
}

/* --- of the market's flow: only while it is fed, and not from a recording --- */

/* time_is_real: the market's time is the time of day. */
static bool time_is_real(const struct run *run)
{
    const struct config *config = run->config;
    return strcmp(config_text(config, "harvest.venue"), "simulator") != 0 ||
           (strcmp(config_text(config, "simulator.start"), "now") == 0 &&
            config_f64(config, "simulator.speed") == 1);
}

static void add_flow(const struct run *run, const struct alert_history *history,
                     struct alert_figures *figures)
{
    double silent = heard_gauge(run, "report", "signal_silent_in_a_row");
    if (run->recorded || run->phase != PHASE_FEEDING)
        return;
    /* Who is only behind is not silent. */
    add(figures, "signal_silent_in_a_row", alert_history_signals_moved(history) ? fmin(silent, 0) : silent);
    add(figures, "rotation_age_s",
        alert_history_rotation_age_s(history, config_f64(run->config, "run.time_scale")));
    add(figures, "recv_rate_tps", heard_gauge_sum(run, "harvest", "recv_rate_tps"));
    if (!time_is_real(run))
        return;
    add(figures, "latency_ms_p99", heard_gauge(run, "harvest", "latency_ms_p99"));
    add(figures, "clock_offset_ms", heard_gauge(run, "harvest", "clock_offset_ms"));
}

/* --- of rows and files --- */

static void add_empty_share(void *context, const char *symbol, double share)
{
    alert_figure_add(context, "empty_minute_share", symbol, share);
}

static void add_floor_hit_rate(void *context, const char *symbol, double share)
{
    alert_figure_add(context, "cvd_floor_hit_rate", symbol, share);
}

static void add_rows(const struct run *run, const struct alert_history *history,
                     struct alert_figures *figures)
{
    int64_t dropped;
    add(figures, "low_consistency_least", heard_gauge(run, "report", "low_consistency_least"));
    add(figures, "strong_ratio_deviation", heard_gauge(run, "report", "strong_ratio_deviation"));
    add(figures, "dropped_rows", heard_dropped(run, &dropped) ? (double)dropped : NAN);
    add(figures, "reconnects_hour", alert_history_reconnects_hour(history));
    heard_about(run, "features", true, "cvd_floor_hit_rate/features/", add_floor_hit_rate, figures);
    heard_about(run, "report", true, "empty_minute_share/harvest/", add_empty_share, figures);
    add(figures, "write_errors_rise", alert_history_write_errors(history));
    add_counter(run, figures, "deadletter_rows", "archive", "deadletter_rows");
}

static void add_disk(const struct run *run, struct alert_figures *figures)
{
    struct statvfs space;
    int64_t largest = counter_or_unknown(run, "signal", "jsonl_largest_bytes");
    bool known = statvfs(config_text(run->config, "run.data_root"), &space) == 0;
    alert_figure_add(figures, "disk_free_gb", "disk",
                     known ? (double)space.f_bavail * (double)space.f_frsize / 1e9 : NAN);
    int64_t files = counter_or_unknown(run, "signal", "jsonl_ready_files");
    alert_figure_add(figures, "ready_files", "shards", files < 0 ? NAN : (double)files);
    alert_figure_add(figures, "largest_file_mb", "file",
                     largest < 0 ? NAN : (double)largest / (1024.0 * 1024.0));
}

/* --- of processes --- */

static void add_share(const struct run *run, struct alert_figures *figures, const char *name, double rss_mb,
                      int64_t open_files)
{
    double memory = rss_mb / (double)config_i64(run->config, "limits.max_rss_mb");
    double limit = (double)config_i64(run->config, "limits.max_open_files");
    double files = open_files == FIELD_NULL_I64 ? NAN : (double)open_files / limit;
    alert_figure_add(figures, "resource_share", name, fmax(memory, files));
}

/* add_process: degraded is also who was so between two evaluations: a disk that was full for half a minute is told of. */
static void add_process(const struct run *run, struct alert_figures *figures, struct process *process)
{
    bool beats = process->module->beats; /* its own word, which also comes from another host */
    bool up = process_state_up(process->supervisor.state);
    bool degraded = process_degraded(process) || process->health.was_degraded;
    process->health.was_degraded = false;
    alert_figure_add_told(figures, "process_degraded", process->name, degraded, process->health.failed);
    bool judged = process->health.status != HEALTH_UNKNOWN && run->phase == PHASE_FEEDING;
    alert_figure_add_told(figures, "process_unhealthy", process->name,
                          judged ? up && process->health.status == HEALTH_UNHEALTHY : NAN,
                          process->health.failed);
    if (up)
        add_share(run, figures, process->name, beats ? process->telemetry.beat.rss_mb : process->usage.rss_mb,
                  beats ? process->telemetry.beat.open_files : process->usage.open_files);
}

void alert_figures_gather(struct run *run, const struct alert_history *history,
                          struct alert_figures *out_figures)
{
    struct driver_resources own;
    struct exporter_totals export = exporter_totals(run->exporter);
    add_flow(run, history, out_figures);
    add_rows(run, history, out_figures);
    add_disk(run, out_figures);
    canary_watch_alert_figures(run, out_figures);
    add(out_figures, "export_failed_in_a_row", (double)export.failed_in_a_row);
    for (size_t i = 0; i < run->process_count; i++)
        if (!run->processes[i].retired)
            add_process(run, out_figures, &run->processes[i]);
    if (driver_resources_read(getpid(), &own) == STATUS_OK)
        add_share(run, out_figures, "orchestrator", own.rss_mb, own.open_files);
}
