/* The final status file: what every process said last. */
#include "base/buffer.h"
#include "base/file.h"
#include "config/plan.h"
#include "evidence.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { STATUS_BYTES_MAX = 64 * 1024 * 1024 };

struct reading {
    const struct evidence_places *places;
    struct evidence *evidence;
    yyjson_val *processes;
};

/* counter_of: over all instances of a service; false when none reports it. */
static bool counter_of(const struct reading *reading, const char *service, const char *counter, int64_t *sum)
{
    size_t index, count;
    yyjson_val *process;
    bool any = false;
    yyjson_arr_foreach(reading->processes, index, count, process)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(process, "name"));
        yyjson_val *value = yyjson_obj_get(yyjson_obj_get(process, "counters"), counter);
        if (!name || !plan_instance_number(service, name) || !yyjson_is_int(value))
            continue;
        *sum += yyjson_get_sint(value);
        any = true;
    }
    return any;
}

/* difference: Σ in − Σ out of one process's counters; absent when one of them was not reported. */
static void difference(const struct reading *reading, const char *name, const char *process,
                       const char *const *in, const char *const *out)
{
    int64_t into = 0, from = 0;
    char field[EVIDENCE_SOURCE_BYTES];
    for (; *in; in++)
        if (!counter_of(reading, process, *in, &into))
            return;
    for (; *out; out++)
        if (!counter_of(reading, process, *out, &from))
            return;
    snprintf(field, sizeof field, "processes.%s.counters", process);
    evidence_add(reading->evidence, name, (double)(into - from), reading->places->status_path, field);
}

static void ledger(const struct reading *reading)
{
    static const char *const MESSAGES[] = {"received_messages", NULL};
    static const char *const ACCOUNTED[] = {"parsed_messages",         "parse_errors",
                                            "filtered_unknown_stream", "filtered_other_stream",
                                            "filtered_other_symbol",   "filtered_unused_trades",
                                            "filtered_unused_books",   "filtered_notice",
                                            "filtered_after_end",      NULL};
    static const char *const PARSED[] = {"parsed_messages", NULL};
    static const char *const KNOWN[] = {"received_trades",
                                        "received_books",
                                        "received_tickers",
                                        "fed_elsewhere",
                                        "arrived",
                                        "arrived_lost",
                                        NULL};
    static const char *const TRADES[] = {"received_trades", "backfilled_trades", NULL};
    static const char *const TRADES_OUT[] = {"emitted_trades",      "dedup_hits_total", "late_event_dropped",
                                             "invalid_time_trades", "invalid_qty",      NULL};
    static const char *const BOOKS[] = {"received_books", NULL};
    static const char *const BOOKS_OUT[] = {"diffs_applied", "book_backward", "diffs_before_snapshot",
                                            "diffs_dropped", NULL};
    difference(reading, "messages_unaccounted", "harvest", MESSAGES, ACCOUNTED);
    difference(reading, "parsed_unaccounted", "harvest", PARSED, KNOWN);
    difference(reading, "trades_unaccounted", "harvest", TRADES, TRADES_OUT);
    difference(reading, "books_unaccounted", "harvest", BOOKS, BOOKS_OUT);
}

/* figure: one counter under a name of its own. */
static void figure(const struct reading *reading, const char *name, const char *process, const char *counter)
{
    static const char *const NOTHING[] = {NULL};
    const char *const one[] = {counter, NULL};
    difference(reading, name, process, one, NOTHING);
}

/* inputs: how much came in of what each data set is made from. */
static void inputs(const struct reading *reading)
{
    static const char *const ROWS_FOUND[] = {"rows_found", NULL};
    static const char *const ROWS_PLAYED[] = {"feature_rows", "rows_repeated", "rows_rejected", "rows_left",
                                              NULL};
    figure(reading, "input_trades", "harvest", "emitted_trades");
    figure(reading, "input_books", "harvest", "emitted_books");
    figure(reading, "diffs_never_applied", "harvest",
           "diffs_dropped");                                    /* their book was never synchronised */
    figure(reading, "input_diffs", "harvest", "diffs_applied"); /* 0 where every message is a whole book */
    figure(reading, "input_features", "features", "feature_rows");
    difference(reading, "rows_unplayed", "features", ROWS_FOUND, ROWS_PLAYED);
    figure(reading, "input_orders", "broker", "orders");
    figure(reading, "trade_gap_ids", "harvest", "trade_gap_ids_total");
    figure(reading, "deadletter_rows", "archive", "deadletter_rows");
    int64_t events = 0;
    bool known = counter_of(reading, "harvest", "emitted_events", &events) &&
                 counter_of(reading, "features", "events_anomaly_z", &events) &&
                 counter_of(reading, "features", "events_price_anomaly", &events);
    if (known)
        evidence_add(reading->evidence, "input_events", (double)events, reading->places->status_path,
                     "processes.features.counters.events_*");
}

/* sum_over: a counter over all processes that report it; absent when none does. */
static bool sum_over(const struct reading *reading, const char *counter, int64_t *sum)
{
    size_t index, count;
    yyjson_val *process;
    bool any = false;
    yyjson_arr_foreach(reading->processes, index, count, process)
    {
        yyjson_val *value = yyjson_obj_get(yyjson_obj_get(process, "counters"), counter);
        any = any || yyjson_is_int(value);
        *sum += yyjson_get_sint(value);
    }
    return any;
}

/* sinks_sum: a figure over all sinks of all processes; *out_count how many there are. */
static int64_t sinks_sum(const struct reading *reading, const char *member, size_t *out_count)
{
    size_t index, count, place, places;
    yyjson_val *process, *sink;
    int64_t sum = 0;
    *out_count = 0;
    yyjson_arr_foreach(reading->processes, index, count, process)
        yyjson_arr_foreach(yyjson_obj_get(process, "sinks"), place, places, sink)
    {
        sum += yyjson_get_sint(yyjson_obj_get(sink, member));
        ++*out_count;
    }
    return sum;
}

/* losses_told: false when a process ended with a loss that no saved state, and so no later counter, tells of. */
static bool losses_told(const struct reading *reading)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(reading->processes, index, count,
                       process) if (yyjson_get_sint(yyjson_obj_get(process, "untold_losses")) >
                                    0) return false;
    return true;
}

static void losses(const struct reading *reading)
{
    const char *path = reading->places->status_path;
    int64_t lost = 0, forks = 0, queue_dropped = 0;
    size_t sinks;
    int64_t dropped = sinks_sum(reading, "dropped", &sinks);
    bool harvests = reading->places->modules & module_bit(MODULE_HARVEST); /* without it there is no queue */
    bool queue_known = (!harvests || counter_of(reading, "harvest", "queue_dropped", &queue_dropped)) &&
                       sum_over(reading, "stage_retention_dropped", &dropped);
    bool wants_sinks = reading->places->modules & module_bit(MODULE_SIGNAL);
    if (losses_told(reading) && queue_known && (sinks || !wants_sinks))
        evidence_add(
            reading->evidence, "dropped", (double)(dropped + queue_dropped), path,
            "processes.harvest.counters.queue_dropped + *.counters.stage_retention_dropped + sinks.dropped");
    if (sum_over(reading, "stage_rows_lost", &lost))
        evidence_add(reading->evidence, "rows_lost", (double)lost, path,
                     "processes.*.counters.stage_rows_lost");
    if (sum_over(reading, "stage_forks", &forks))
        evidence_add(reading->evidence, "forks", (double)forks, path, "processes.*.counters.stage_forks");
    if (sinks)
        evidence_add(reading->evidence, "key_conflicts", (double)sinks_sum(reading, "key_conflict", &sinks),
                     path, "processes.*.sinks.key_conflict");
}

/* produced: last sequence of a stream as its producer says it; -1: no producer in this run. */
static int64_t produced(const struct reading *reading, yyjson_val *name)
{
    size_t index, count, place, places;
    yyjson_val *process, *stream;
    yyjson_arr_foreach(reading->processes, index, count, process) yyjson_arr_foreach(
        yyjson_obj_get(process, "streams"), place, places,
        stream) if (yyjson_is_true(yyjson_obj_get(stream, "published")) &&
                    yyjson_equals(yyjson_obj_get(stream, "stream"),
                                  name)) return yyjson_get_sint(yyjson_obj_get(stream, "last_sequence"));
    return -1;
}

/* drained: rows that somebody has not consumed, and streams whose end somebody has not seen. */
static void drained(const struct reading *reading)
{
    size_t index, count, place, places, sinks, consumed = 0;
    yyjson_val *process, *stream;
    int64_t behind = 0, open = 0;
    yyjson_arr_foreach(reading->processes, index, count, process)
        yyjson_arr_foreach(yyjson_obj_get(process, "streams"), place, places, stream)
    {
        int64_t last = produced(reading, yyjson_obj_get(stream, "stream"));
        if (yyjson_is_true(yyjson_obj_get(stream, "published")) || last < 0)
            continue;
        behind += last - yyjson_get_sint(yyjson_obj_get(stream, "last_sequence"));
        open += !yyjson_is_true(yyjson_obj_get(stream, "ended"));
        consumed++;
    }
    if (!consumed)
        return;
    behind += sinks_sum(reading, "lag_rows", &sinks);
    const char *path = reading->places->status_path;
    evidence_add(reading->evidence, "rows_undrained", (double)behind, path,
                 "processes.*.streams.last_sequence, processes.*.sinks.lag_rows");
    evidence_add(reading->evidence, "streams_open", (double)open, path, "processes.*.streams.ended");
}

/* unsignalled: feature rows that a sink has no signal row of, less those that signal says it decided against. Holes in the numbers
 * do not show them: a row that signal never took got no number. More rows than features made: a count is missing, nothing is known. */
static void unsignalled(const struct reading *reading, const char *sink)
{
    static const char *const DECIDED[] = {"deduplicated", "late_feature_row", "bad_feature_row"};
    char rows[EVIDENCE_NAME_BYTES], repeated[EVIDENCE_NAME_BYTES], name[EVIDENCE_NAME_BYTES];
    int64_t missing = 0, decided = 0;
    snprintf(rows, sizeof rows, "%s_rows", sink);
    snprintf(repeated, sizeof repeated, "%s_repeated", sink);
    snprintf(name, sizeof name, "%s_unsignalled", sink);
    const struct evidence_fact *there = evidence_find(reading->evidence, rows),
                               *twice = evidence_find(reading->evidence, repeated);
    bool known = there && counter_of(reading, "features", "feature_rows", &missing);
    for (size_t i = 0; known && i < sizeof DECIDED / sizeof *DECIDED; i++)
        known = counter_of(reading, "signal", DECIDED[i], &decided);
    if (!known)
        return;
    missing -= decided + (int64_t)there->value - (twice ? (int64_t)twice->value : 0);
    if (missing >= 0)
        evidence_add(reading->evidence, name, (double)missing, reading->places->status_path,
                     "processes.features.counters.feature_rows - what signal decided against - rows there");
}

void evidence_from_status(const struct evidence_places *places, struct evidence *evidence)
{
    struct buffer text;
    buffer_init(&text, STATUS_BYTES_MAX);
    yyjson_doc *document = file_read(places->status_path, &text) == STATUS_OK
                               ? yyjson_read((const char *)text.data, text.length, 0)
                               : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    if (yyjson_equals_str(yyjson_obj_get(root, "run_id"), places->run_id)) {
        struct reading reading = {places, evidence, yyjson_obj_get(root, "processes")};
        ledger(&reading);
        inputs(&reading);
        losses(&reading);
        drained(&reading);
        unsignalled(&reading, "jsonl");
        unsignalled(&reading, "sqlite");
    }
    yyjson_doc_free(document);
    buffer_finish(&text);
}
