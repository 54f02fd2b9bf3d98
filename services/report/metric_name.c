#include "metric_name.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Among the counters of the heartbeats, but no counters: they also fall. */
static const char *const LEVELS[] = {"connections_open", "capture_backlog", "final_summary_written",
                                     "jsonl_ready_files", "jsonl_largest_bytes"};

/* What has no stream behind its slash, but a word of its own. */
static const char GATING[] = "signal_gating/";

static const struct unit {
    const char *token, *unit; /* the unit goes to the end … */
    const char *instead;      /* … or this comes in the token's place */
    double factor;
} UNITS[] = {
    {"ms", "seconds", NULL, 1e-3},      {"sec", "seconds", NULL, 1},
    {"s", "seconds", NULL, 1},          {"mb", "bytes", NULL, 1024.0 * 1024.0},
    {"gb", "bytes", NULL, 1e9},         {"tps", NULL, "trades_per_second", 1},
    {"summary", NULL, "day_report", 1}, /* a type of Prometheus: no name may contain it */
};

static const struct {
    const char *name, *help;
} HELPS[] = {
    {"orderflow_up", "1: the process has announced itself and its heartbeat is fresh."},
    {"orderflow_run_info", "The run: its id and the program's version, as labels."},
    {"orderflow_heartbeat_age_seconds", "Age of the newest status file of the process."},
    {"orderflow_event_time_seconds", "Newest event time the process has seen, since 1970."},
    {"orderflow_restarts_total", "Starts that followed an end nobody asked for."},
    {"orderflow_resident_memory_bytes", "Resident memory of the process."},
    {"orderflow_open_files", "Open descriptors of the process."},
    {"orderflow_queue_rows", "Input rows that the process knows of and has not consumed."},
    {"orderflow_caught_up", "1: every input position has reached its producer."},
    {"orderflow_stream_rows_total", "Rows the process has put into its stream."},
    {"orderflow_stream_position_rows_total", "Rows of the stream the process has consumed."},
    {"orderflow_stream_durable_rows_total", "Rows of the stream the process holds durably."},
    {"orderflow_process_degraded", "1: the process lacks what it needs, or is not started any more."},
    {"orderflow_process_healthy", "1: every health condition holds."},
    {"orderflow_recovery_seconds", "From the injury of a process until it had caught up."},
    {"orderflow_signal_total", "Rows of the signal stream."},
    {"orderflow_signal_confirmed_total", "Confirmed signals."},
    {"orderflow_signal_strong_ratio", "Strong signals as a share of the confirmed ones."},
    {"orderflow_latency_p99_seconds", "Receive latency, 99th percentile of ten minutes."},
    {"orderflow_recv_rate_trades_per_second", "Accepted trades of the minute before the newest trade."},
    {"orderflow_empty_minute_share", "Minutes of the last hour without a trade."},
    {"orderflow_regime_active", "1: the newest signal row was decided in the active regime."},
    {"orderflow_regime_quiet", "1: the newest signal row was decided in the quiet regime."},
    {"orderflow_clock_offset_seconds", "The venue's time less this machine's."},
    {"orderflow_alerts_active", "Open alerts of the orchestrator."},
};

const char *metric_help(const char *name)
{
    for (size_t i = 0; i < sizeof HELPS / sizeof *HELPS; i++)
        if (strcmp(HELPS[i].name, name) == 0)
            return HELPS[i].help;
    return "A figure of the heartbeat, under the name it has there.";
}

static bool is_level(const char *figure)
{
    for (size_t i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
        if (strcmp(LEVELS[i], figure) == 0)
            return true;
    return false;
}

static void append(char *name, const char *text, size_t length)
{
    size_t at = strlen(name);
    if (at + length + 2 > METRIC_NAME_BYTES)
        return;
    name[at++] = '_';
    for (size_t i = 0; i < length; i++)
        name[at + i] = isalnum((unsigned char)text[i]) ? text[i] : '_';
    name[at + length] = 0;
}

static const struct unit *unit_of(const char *token, size_t length)
{
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (strlen(UNITS[i].token) == length && memcmp(UNITS[i].token, token, length) == 0)
            return &UNITS[i];
    return NULL;
}

/* append_tokens: the words of a figure; its unit goes behind them. */
static void append_tokens(struct metric_name *out, const char *figure, size_t length)
{
    const char *unit_text = NULL;
    for (size_t at = 0, word; at < length; at += word + 1) {
        word = strcspn(figure + at, "_/");
        word = word < length - at ? word : length - at;
        const struct unit *unit = unit_of(figure + at, word);
        bool total = word == 5 && memcmp(figure + at, "total", 5) == 0 && at + word == length;
        if (unit) {
            out->factor *= unit->factor;
            unit_text = unit->unit ? unit->unit : unit_text;
            if (unit->instead)
                append(out->name, unit->instead, strlen(unit->instead));
        } else if (word && !total) {
            append(out->name, figure + at, word);
        }
    }
    if (unit_text)
        append(out->name, unit_text, strlen(unit_text));
}

void metric_name_of(const char *figure, bool counter, struct metric_name *out_name)
{
    const char *slash = strchr(figure, '/');
    *out_name = (struct metric_name){.factor = 1, .counter = counter && !is_level(figure)};
    snprintf(out_name->name, sizeof out_name->name, "orderflow");
    bool about_stream = slash && strncmp(figure, GATING, sizeof GATING - 1) != 0;
    if (about_stream)
        snprintf(out_name->stream, sizeof out_name->stream, "%s", slash + 1);
    append_tokens(out_name, figure, about_stream ? (size_t)(slash - figure) : strlen(figure));
    if (out_name->counter)
        append(out_name->name, "total", 5);
}
