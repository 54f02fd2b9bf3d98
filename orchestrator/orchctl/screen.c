#include "screen.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "client.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum {
    GATING_SHOWN = 3,
    MINUTES_SHOWN = 5,
    SYMBOLS_SHOWN = 20,
    ALERTS_SHOWN = 20,
    FINGERPRINT_SHOWN = 12,
    INDENT = 4
};

size_t screen_columns(void)
{
    struct winsize size = {0};
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static double number_of(yyjson_val *value)
{
    return yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
}

static const char *text_of(yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    return text ? text : "-";
}

static double member_number(yyjson_val *object, const char *member)
{
    return number_of(yyjson_obj_get(object, member));
}

/* put: a number right-aligned in its column, "-" when it is not known. */
static void put(struct buffer *out, double value, int width, int decimals)
{
    if (isnan(value))
        buffer_format(out, " %*s", width, "-");
    else
        buffer_format(out, " %*.*f", width, decimals, value);
}

/* is_of: an instance of a service. */
static bool is_of(yyjson_val *process, const char *service)
{
    const char *name = yyjson_get_str(yyjson_obj_get(process, "name"));
    size_t length = strlen(service);
    return name && strncmp(name, service, length) == 0 && (name[length] == 0 || name[length] == '.');
}

static yyjson_val *process_of(const struct screen_answers *answers, const char *service)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(answers->status, "processes"), index, count, process)
    {
        if (is_of(process, service))
            return process;
    }
    return NULL;
}

/* sum_of: a counter over all instances of a service; NaN when none reports it. most_of: the largest of a gauge. */
static double sum_of(const struct screen_answers *answers, const char *service, const char *counter)
{
    size_t index, count;
    double sum = NAN;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(answers->status, "processes"), index, count, process)
    {
        double value = member_number(yyjson_obj_get(process, "counters"), counter);
        if (is_of(process, service) && !isnan(value))
            sum = (isnan(sum) ? 0 : sum) + value;
    }
    return sum;
}

static double most_of(const struct screen_answers *answers, const char *service, const char *gauge)
{
    size_t index, count;
    double most = NAN;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(answers->status, "processes"), index, count,
                       process) if (is_of(process, service)) most =
        fmax(most, member_number(yyjson_obj_get(process, "gauges"), gauge));
    return most;
}

/* --- head --- */

/* put_minutes: both as the run counts them: its minutes are `time_scale` times as short as those of the wall. */
static void put_minutes(struct buffer *out, yyjson_val *status)
{
    double scale = member_number(status, "time_scale"),
           planned_minutes = member_number(status, "planned_minutes");
    double elapsed_s = member_number(status, "elapsed_s") * (isnan(scale) ? 1 : scale);
    if (isnan(elapsed_s))
        buffer_append_text(out, "not begun");
    else
        buffer_format(out, "%d:%02d", (int)elapsed_s / 60, (int)elapsed_s % 60);
    if (planned_minutes > 0)
        buffer_format(out, " of %g min", planned_minutes);
    if (scale > 1)
        buffer_format(out, " (%g times as fast)", scale);
}

/* is_wall_time: else how long ago an event was, and how late its message came, says when it was recorded, and nothing of this run. */
static bool is_wall_time(yyjson_val *status)
{
    const char *clock = yyjson_get_str(yyjson_obj_get(status, "event_clock"));
    return !clock || strcmp(clock, "wall") == 0;
}

static bool is_stopped(yyjson_val *process)
{
    return yyjson_equals_str(yyjson_obj_get(process, "state"), "stopped");
}

/* put_last: who is furthest behind, in event time: that means the same on any clock. Who is stopped, or has no symbol (any more),
 * reads nothing. */
static void put_last(struct buffer *out, yyjson_val *status, double newest_ms)
{
    size_t index, count;
    yyjson_val *process, *last = NULL;
    double last_ms = newest_ms;
    yyjson_arr_foreach(yyjson_obj_get(status, "processes"), index, count, process)
    {
        double event_ms = member_number(yyjson_obj_get(process, "heartbeat"), "event_ts_ms");
        bool reads = !is_stopped(process) && !yyjson_is_true(yyjson_obj_get(process, "idle"));
        if (reads && !isnan(event_ms) && event_ms < last_ms) {
            last_ms = event_ms;
            last = process;
        }
    }
    if (last)
        buffer_format(out, "  last %s, %.1f s behind", member_text(last, "name"),
                      (newest_ms - last_ms) / 1000.0);
}

static void put_event_time(struct buffer *out, yyjson_val *status)
{
    char text[TIME_TEXT_BYTES];
    double event_ms = member_number(status, "event_ts_ms");
    if (isnan(event_ms)) {
        buffer_append_text(out, "event time -");
        return;
    }
    time_iso_ms((int64_t)event_ms, text);
    buffer_format(out, "event time %s", text);
    double age_ms = member_number(status, "wall_ms") - event_ms;
    if (is_wall_time(status) && age_ms >= 0)
        buffer_format(out, ", age %.1f s", age_ms / 1000.0);
    if (!is_wall_time(status))
        buffer_format(out, " (%s)", member_text(status, "event_clock"));
    put_last(out, status, event_ms);
}

static void put_symbols(struct buffer *out, yyjson_val *symbols)
{
    size_t index, count;
    yyjson_val *symbol;
    buffer_append_text(out, "symbols");
    yyjson_arr_foreach(symbols, index, count, symbol)
    {
        if (index == SYMBOLS_SHOWN) {
            buffer_format(out, " and %zu more", count - index);
            break;
        }
        buffer_format(out, " %s", text_of(symbol));
    }
    buffer_append_byte(out, '\n');
}

void screen_concluding(struct buffer *out, yyjson_val *status)
{
    size_t index, count;
    yyjson_val *run;
    yyjson_arr_foreach(yyjson_obj_get(status, "concluding"), index, count, run)
        buffer_format(out, "run %s, before this one, is still being concluded\n", text_of(run));
}

void screen_head(struct buffer *out, const struct screen_answers *answers)
{
    yyjson_val *status = answers->status, *itself = yyjson_obj_get(status, "orchestrator");
    buffer_format(out, "run %s  %s  input %s  sink %s  config %.*s\n", member_text(status, "run_id"),
                  member_text(status, "phase"), member_text(status, "input_mode"),
                  member_text(status, "sink"), FINGERPRINT_SHOWN, member_text(status, "config_fingerprint"));
    screen_concluding(out, status);
    put_minutes(out, status);
    buffer_append_text(out, "  ");
    put_event_time(out, status);
    buffer_append_byte(out, '\n');
    put_symbols(out, yyjson_obj_get(status, "symbols"));
    buffer_format(out, "orchestrator %s  %.1f MB  %.0f of %.0f files  longest turn %.1f ms\n",
                  member_text(itself, "state"), member_number(itself, "rss_mb"),
                  member_number(itself, "open_files"), member_number(itself, "open_files_limit"),
                  member_number(itself, "loop_ms_max"));
}

/* --- processes --- */

/* column: of the table of processes. rank: who is left out last when the terminal is narrow; the first two never are. */
struct column {
    const char *title, *member;
    int width, decimals; /* decimals: TEXT: a text, left-aligned */
    int rank;
    bool of_heartbeat;
};

enum { TEXT = -1, NEVER_LEFT_OUT = 1 };

static const struct column COLUMNS[] = {
    {"process", "name", 12, TEXT, 0, false},
    {"pid", "pid", 7, 0, 8, false},
    {"state", "state", 10, TEXT, NEVER_LEFT_OUT, false},
    {"health", "health", 9, TEXT, 2, false},
    {"restarts", "restart_count", 8, 0, 4, false},
    {"rss MB", "rss_mb", 7, 1, 7, true},
    {"files", "open_files", 5, 0, 10, true},
    {"cpu %", "cpu_percent", 5, 1, 6, false},
    {"lag rows", "lag_rows", 8, 0, 5, false},
    {"rows/s", "rows_per_s", 9, 1, 3, false},
    {"beat ms", "heartbeat_age_ms", 7, 0, 9, false},
};

enum { COLUMN_COUNT = sizeof COLUMNS / sizeof *COLUMNS };

/* ranks_fitting: the highest rank up to which all columns fit side by side. */
static int ranks_fitting(size_t columns)
{
    int rank = COLUMN_COUNT;
    size_t width;
    do {
        width = 0;
        for (size_t i = 0; i < COLUMN_COUNT; i++)
            width += COLUMNS[i].rank <= rank ? (size_t)COLUMNS[i].width + 1 : 0;
    } while (columns && width > columns + 1 && --rank > NEVER_LEFT_OUT);
    return rank;
}

/* is_shown: with `others` those that found no room, beside the name. */
static bool is_shown(const struct column *column, int rank, bool others)
{
    return column == COLUMNS || (column->rank <= rank) != others;
}

/* put_cell: what a heartbeat told of a process that is stopped is no figure of now. */
static void put_cell(struct buffer *out, const struct column *column, yyjson_val *process)
{
    yyjson_val *object = column->of_heartbeat ? yyjson_obj_get(process, "heartbeat") : process;
    if (column != COLUMNS && column->decimals == TEXT)
        buffer_append_byte(out, ' ');
    if (column->decimals == TEXT)
        buffer_format(out, "%-*s", column->width, member_text(object, column->member));
    else
        put(out, column->of_heartbeat && is_stopped(process) ? NAN : member_number(object, column->member),
            column->width, column->decimals);
}

/* put_condition: what is wrong with a process, and how it last ended. */
static void put_condition(struct buffer *out, yyjson_val *process)
{
    const char *failed = yyjson_get_str(yyjson_obj_get(process, "failed_conditions")),
               *end = yyjson_get_str(yyjson_obj_get(process, "last_exit"));
    if (failed && *failed)
        buffer_format(out, "  %s", failed);
    if (end)
        buffer_format(out, "  last end: %s", end);
    buffer_append_byte(out, '\n');
}

size_t screen_processes(struct buffer *out, const struct screen_answers *answers, size_t columns, bool others)
{
    size_t index, count, hidden = 0;
    int rank = ranks_fitting(columns);
    yyjson_val *process;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const struct column *column = &COLUMNS[i];
        hidden += column->rank > rank;
        if (is_shown(column, rank, others))
            buffer_format(out, column->decimals == TEXT ? "%s%-*s" : "%s%*s", i ? " " : "", column->width,
                          column->title);
    }
    buffer_append_byte(out, '\n');
    yyjson_arr_foreach(yyjson_obj_get(answers->status, "processes"), index, count, process)
    {
        for (size_t i = 0; i < COLUMN_COUNT; i++)
            if (is_shown(&COLUMNS[i], rank, others))
                put_cell(out, &COLUMNS[i], process);
        put_condition(out, process);
    }
    return hidden;
}

/* --- harvest --- */

/* symbol_figures: figures "name/harvest/SYMBOL", by that name, whichever instance told them. There may be a thousand symbols. */
struct symbol_figures {
    struct map index; /* → values */
    double *values;
    size_t count, capacity;
};

/* is_lost_there: what an instance has lost stays its figure when the symbol goes to another one: these add up. */
static bool is_lost_there(const char *name)
{
    return strncmp(name, "queue_dropped/", 14) == 0 || strncmp(name, "stage_retention_dropped/", 24) == 0;
}

static void take_figure(struct symbol_figures *figures, const char *name, double value)
{
    size_t at = map_get(&figures->index, name);
    if (at != MAP_ABSENT) {
        figures->values[at] = is_lost_there(name) ? figures->values[at] + value : value;
        return;
    }
    figures->values =
        memory_grow(figures->values, &figures->capacity, figures->count + 1, sizeof *figures->values);
    map_put(&figures->index, name, figures->count);
    figures->values[figures->count++] = value;
}

static void take_figures(struct symbol_figures *figures, yyjson_val *told)
{
    size_t index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(told, index, count, name, value)
    {
        if (strstr(text_of(name), "/harvest/") && yyjson_is_num(value))
            take_figure(figures, text_of(name), yyjson_get_num(value));
    }
}

/* take_all: harvest's own, and what report tells of its streams. */
static void take_all(struct symbol_figures *figures, const struct screen_answers *answers)
{
    size_t index, count;
    yyjson_val *process;
    *figures = (struct symbol_figures){0};
    map_init(&figures->index);
    yyjson_arr_foreach(yyjson_obj_get(answers->status, "processes"), index, count, process)
    {
        if (!is_of(process, "harvest") && !is_of(process, "report"))
            continue;
        take_figures(figures, yyjson_obj_get(process, "counters"));
        take_figures(figures, yyjson_obj_get(process, "gauges"));
    }
}

static void symbol_figures_finish(struct symbol_figures *figures)
{
    map_finish(&figures->index);
    free(figures->values);
}

/* about: NaN: nobody tells it. */
static double about(const struct symbol_figures *figures, const char *name, const char *symbol)
{
    char text[160];
    snprintf(text, sizeof text, "%s/harvest/%s", name, symbol);
    size_t at = map_get(&figures->index, text);
    return at == MAP_ABSENT ? NAN : figures->values[at];
}

/* both: two figures together; who has lost no row of the journal does not tell the second one. */
static double both(double first, double second)
{
    return isnan(second) ? first : isnan(first) ? second : first + second;
}

static void put_symbol(struct buffer *out, const struct symbol_figures *figures, const char *symbol,
                       bool timely)
{
    static const char *const COUNTERS[][2] = {{"gap ids", "trade_gap_ids_total"},
                                              {"book gaps", "book_seq_gap_total"},
                                              {"duplicates", "dedup_hits_total"}};
    buffer_format(out, "  %-12s trades/s", symbol);
    put(out, about(figures, "recv_rate_tps", symbol), 1, 1);
    buffer_append_text(out, "  latency ms p50");
    put(out, timely ? about(figures, "latency_ms_p50", symbol) : NAN, 1, 0);
    buffer_append_text(out, " p99");
    put(out, timely ? about(figures, "latency_ms_p99", symbol) : NAN, 1, 0);
    buffer_append_text(out, "  reconnects");
    put(out, about(figures, "reconnect_count", symbol), 1, 0);
    buffer_append_text(out, "  dropped");
    put(out, both(about(figures, "queue_dropped", symbol), about(figures, "stage_retention_dropped", symbol)),
        1, 0);
    for (size_t i = 0; i < sizeof COUNTERS / sizeof *COUNTERS; i++) {
        buffer_format(out, "  %s", COUNTERS[i][0]);
        put(out, about(figures, COUNTERS[i][1], symbol), 1, 0);
    }
    buffer_append_byte(out, '\n');
}

static void put_each_symbol(struct buffer *out, const struct screen_answers *answers)
{
    struct symbol_figures figures;
    yyjson_val *symbol;
    size_t index, count;
    bool timely = is_wall_time(answers->status);
    take_all(&figures, answers);
    yyjson_arr_foreach(yyjson_obj_get(answers->status, "symbols"), index, count, symbol)
        put_symbol(out, &figures, text_of(symbol), timely);
    symbol_figures_finish(&figures);
}

/* are_many: so many that what else there is to see would be out of sight behind them. */
static bool are_many(const struct screen_answers *answers)
{
    return yyjson_arr_size(yyjson_obj_get(answers->status, "symbols")) > SYMBOLS_SHOWN;
}

void screen_harvest(struct buffer *out, const struct screen_answers *answers)
{
    bool timely = is_wall_time(answers->status);
    buffer_append_text(out, "harvest  latency ms p50");
    put(out, timely ? most_of(answers, "harvest", "latency_ms_p50") : NAN, 1, 0);
    buffer_append_text(out, " p99");
    put(out, timely ? most_of(answers, "harvest", "latency_ms_p99") : NAN, 1, 0);
    buffer_append_text(out, "  reconnects");
    put(out, sum_of(answers, "harvest", "reconnect_count"), 1, 0);
    buffer_append_text(out, "  dropped");
    put(out,
        both(sum_of(answers, "harvest", "queue_dropped"),
             sum_of(answers, "harvest", "stage_retention_dropped")),
        1, 0);
    buffer_append_byte(out, '\n');
    if (!are_many(answers))
        put_each_symbol(out, answers);
}

void screen_symbols(struct buffer *out, const struct screen_answers *answers)
{
    if (!are_many(answers))
        return;
    buffer_append_text(out, "\nharvest, each symbol\n");
    put_each_symbol(out, answers);
}

/* --- report --- */

/* put_gating: the reasons that held back most rows. */
static void put_gating(struct buffer *out, yyjson_val *counters)
{
    static const char PREFIX[] = "signal_gating/";
    double below = INFINITY;
    buffer_append_text(out, "  gating");
    for (int shown = 0; shown < GATING_SHOWN; shown++) {
        size_t index, count;
        yyjson_val *key, *value, *most = NULL;
        yyjson_obj_foreach(counters, index, count, key, value)
        {
            bool gating = strncmp(text_of(key), PREFIX, sizeof PREFIX - 1) == 0;
            double rows = number_of(value);
            if (gating && rows > 0 && rows < below &&
                (!most || rows > member_number(counters, text_of(most))))
                most = key;
        }
        if (!most)
            break;
        below = member_number(counters, text_of(most));
        buffer_format(out, "  %s %.0f", text_of(most) + sizeof PREFIX - 1, below);
    }
    buffer_append_byte(out, '\n');
}

static void put_minute_rows(struct buffer *out, yyjson_val *minutes)
{
    size_t index, count;
    yyjson_val *minute;
    if (!yyjson_arr_size(minutes))
        return;
    buffer_append_text(out, "  last minutes");
    yyjson_arr_foreach(minutes, index, count, minute) if (index + MINUTES_SHOWN >= count)
        buffer_format(out, "  %s %.0f", member_text(minute, "minute_human"), member_number(minute, "count"));
    buffer_append_byte(out, '\n');
}

void screen_report(struct buffer *out, const struct screen_answers *answers)
{
    yyjson_val *report = process_of(answers, "report"), *counters = yyjson_obj_get(report, "counters");
    buffer_append_text(out, "report  signals");
    put(out, member_number(counters, "signal_total"), 1, 0);
    buffer_append_text(out, "  confirmed");
    put(out, member_number(counters, "signal_confirmed_total"), 1, 0);
    buffer_append_text(out, "  strong ratio");
    put(out, member_number(yyjson_obj_get(report, "gauges"), "signal_strong_ratio"), 1, 3);
    buffer_append_text(out, "  last minute");
    put(out, member_number(yyjson_obj_get(report, "gauges"), "signal_per_minute"), 1, 0);
    buffer_append_text(out, "  orders");
    put(out, sum_of(answers, "broker", "orders"), 1, 0);
    buffer_append_byte(out, '\n');
    put_minute_rows(out, yyjson_obj_get(answers->summary, "per_minute"));
    put_gating(out, counters);
}

/* --- export, alerts, faults, canary --- */

/* put_alerts: those that are open; what is over is only counted. */
static void put_alerts(struct buffer *out, yyjson_val *alerts)
{
    size_t index, count, shown = 0;
    yyjson_val *alert;
    buffer_append_text(out, "alerts  open");
    put(out, member_number(alerts, "active_count"), 1, 0);
    buffer_append_text(out, "  so far");
    put(out, member_number(alerts, "total_triggered"), 1, 0);
    buffer_append_byte(out, '\n');
    yyjson_arr_foreach(yyjson_obj_get(alerts, "triggered"), index, count, alert)
    {
        bool open = !yyjson_obj_get(alert, "recovered_at");
        if (open && ++shown <= ALERTS_SHOWN)
            buffer_format(out, "  %s %s since %s: %s\n", member_text(alert, "level"),
                          member_text(alert, "rule"), member_text(alert, "triggered_at"),
                          member_text(alert, "message"));
    }
    if (shown > ALERTS_SHOWN)
        buffer_format(out, "  and %zu more open ones: `orchctl status` has all\n", shown - ALERTS_SHOWN);
}

/* put_canary: a line per gate and symbol (operations.md §17); "-" of a run without --gates canary. */
static void put_canary(struct buffer *out, yyjson_val *canary)
{
    yyjson_val *gates = yyjson_obj_get(canary, "gates"), *gate;
    size_t index, count, passed = 0;
    if (!yyjson_is_obj(canary)) {
        buffer_append_text(out, "canary  -\n");
        return;
    }
    yyjson_arr_foreach(gates, index, count, gate) passed += strcmp(member_text(gate, "verdict"), "PASS") == 0;
    buffer_format(out, "canary  %s  %s  PASS %zu of %zu\n", member_text(canary, "state"),
                  member_text(canary, "verdict"), passed, yyjson_arr_size(gates));
    yyjson_arr_foreach(gates, index, count, gate)
    {
        buffer_format(out, "  %-8s %-17s %-12s", member_text(gate, "verdict"), member_text(gate, "id"),
                      member_text(gate, "symbol"));
        put(out, member_number(gate, "measured"), 12, 4);
        buffer_format(out, " %-2s %.6g", member_text(gate, "op"), member_number(gate, "threshold"));
        if (member_number(gate, "step") > 0)
            buffer_format(out, "  step %.0f in force", member_number(gate, "step"));
        buffer_append_byte(out, '\n');
    }
}

void screen_rest(struct buffer *out, const struct screen_answers *answers)
{
    yyjson_val *export = yyjson_obj_get(answers->status, "timeseries_export"),
               *faults = yyjson_obj_get(answers->status, "faults"),
               *canary = yyjson_obj_get(answers->status, "canary");
    buffer_append_text(out, "export  ok");
    put(out, member_number(export, "export_count"), 1, 0);
    buffer_append_text(out, "  failed");
    put(out, member_number(export, "error_count"), 1, 0);
    buffer_append_text(out, "  faults");
    put(out, member_number(faults, "count"), 1, 0);
    buffer_append_text(out, ", not recovered");
    put(out, member_number(faults, "open"), 1, 0);
    buffer_append_byte(out, '\n');
    put_canary(out, canary);
    put_alerts(out, yyjson_obj_get(answers->status, "alerts"));
}

/* --- gates --- */

static void put_gate(struct buffer *out, yyjson_val *gate)
{
    buffer_format(out, "  %-8s %-20s", member_text(gate, "verdict"), member_text(gate, "id"));
    double threshold = member_number(gate, "threshold");
    int decimals = threshold == floor(threshold) ? 0 : 4; /* a share is not rounded to one */
    put(out, member_number(gate, "measured"), 12, decimals);
    buffer_format(out, " %-2s %.*f %s\n", member_text(gate, "op"), decimals, threshold,
                  member_text(gate, "unit"));
}

void screen_gates(struct buffer *out, const struct screen_answers *answers)
{
    static const char *const VERDICTS[] = {"FAIL", "UNKNOWN", "PASS"};
    yyjson_val *gates = yyjson_obj_get(answers->gates, "gates"), *gate;
    size_t index, count, totals[3] = {0};
    yyjson_arr_foreach(gates, index, count, gate) for (size_t i = 0; i < 3; i++) totals[i] +=
        strcmp(member_text(gate, "verdict"), VERDICTS[i]) == 0;
    buffer_format(out, "gates %s  PASS %zu  FAIL %zu  UNKNOWN %zu (so far)\n",
                  member_text(answers->gates, "set"), totals[2], totals[0], totals[1]);
    for (size_t i = 0; i < 3; i++)
        yyjson_arr_foreach(gates, index, count, gate) if (strcmp(member_text(gate, "verdict"), VERDICTS[i]) ==
                                                          0) put_gate(out, gate);
}

/* --- fitting --- */

/* width_of: columns of one character, as libc's table of the locale in force has it; what it does not know takes one. */
static size_t width_of(const char *character, size_t bytes)
{
    mbstate_t state = {0};
    wchar_t wide;
    bool decoded = bytes > 1 && mbrtowc(&wide, character, bytes, &state) == bytes;
    int width = decoded ? wcwidth(wide) : 1;
    return width < 0 ? 1 : (size_t)width;
}

/* fitting: bytes of a line that take at most so many columns; never a part of a character, and one at least. */
static size_t fitting(const char *line, size_t length, size_t columns)
{
    size_t bytes = 0, used = 0;
    while (bytes < length) {
        size_t whole = utf8_length(line + bytes, length - bytes);
        whole = whole ? whole : 1;
        used += width_of(line + bytes, whole);
        if (used > columns && bytes)
            break;
        bytes += whole;
    }
    return bytes;
}

/* break_at: where a line of so many columns ends: between two fields, else between two words, else wherever it is full. */
static size_t break_at(const char *line, size_t length, size_t columns)
{
    size_t indent = strspn(line, " "), word = 0, full = fitting(line, length, columns);
    if (full == length)
        return length;
    for (size_t i = full; i > indent; i--) {
        if (line[i] == ' ' && line[i - 1] != ' ' && line[i + 1] == ' ')
            return i;
        word = !word && line[i] == ' ' && line[i - 1] != ' ' ? i : word;
    }
    return word ? word : full;
}

/* put_wrapped: one line as several; *number counts them, only those from `first` to before `last` are put. */
static void put_wrapped(struct buffer *out, const char *line, size_t length, size_t columns, size_t first,
                        size_t last, size_t *number)
{
    size_t indent = 0;
    do {
        size_t room = columns ? columns - indent : length, shown = break_at(line, length, room);
        if (*number >= first && *number < last)
            buffer_format(out, "%*s%.*s\n", (int)indent, "", (int)shown, line);
        ++*number;
        line += shown;
        length -= shown;
        size_t blanks = strspn(line, " ");
        blanks = blanks < length ? blanks : length;
        line += blanks;
        length -= blanks;
        indent = columns > (size_t)INDENT * 4 ? INDENT : 0;
    } while (length);
}

size_t screen_fit(struct buffer *out, struct buffer *text, size_t columns, size_t lines, size_t first)
{
    size_t number = 0, last = lines ? first + lines : SIZE_MAX;
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    for (const char *at = buffer_text(text); *at;) {
        size_t length = strcspn(at, "\n");
        put_wrapped(out, at, length, columns, first, last, &number);
        at += length + (at[length] == '\n');
    }
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return number;
}
