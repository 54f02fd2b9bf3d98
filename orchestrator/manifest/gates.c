#include "gates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    IN_REPLAY = 1,
    IN_SMOKE = 2,
    IN_SOAK = 4,
    IN_CANARY = 512,
    IN_LIVE = IN_SMOKE | IN_SOAK | IN_CANARY,
    IN_ALL = IN_REPLAY | IN_LIVE,
    SCALED =
        8, /* the threshold is for 30 minutes; a shorter run needs its share, rounded up, and never nothing */
    STOPPED = 16, /* known only when all processes have been stopped */
    RSS_LIMIT = 32,
    FILES_LIMIT = 64,
    SECONDS = 128,      /* the threshold is for 60 minutes of wall time; fewer planned need fewer */
    PER_MINUTE = 256,   /* one for each minute; the end of the feed is some ms off the planned one */
    FED = 1024,         /* concerns every run that is fed: by harvest, or by features where rows are played */
    PLAYED = 2048,      /* concerns runs that play rows, … */
    COMPUTED = 4096,    /* … runs that do not: harvest and archive are there */
    PER_ALERTS = 8192,  /* evaluations of the alert rules that fit into the minutes */
    PER_HEALTH = 16384, /* looks at every process that do */
};

enum sinks { ANY_SINK, HAS_JSONL, HAS_SQLITE, IS_DUAL };

/* gate: one row. `input`: the gate concerns only runs in which this figure is known to be above 0. */
struct gate {
    const char *id;
    const char *fact;
    const char *unit;
    const char *op;
    double threshold;
    unsigned flags;
    enum module_id module;
    enum sinks sinks;
    const char *input;
};

static const struct gate GATES[] = {
    {"accounted_messages", "messages_unaccounted", "messages", "==", 0, IN_REPLAY, MODULE_HARVEST, ANY_SINK,
     NULL},
    {"accounted_kinds", "parsed_unaccounted", "messages", "==", 0, IN_REPLAY, MODULE_HARVEST, ANY_SINK, NULL},
    {"accounted_trades", "trades_unaccounted", "trades", "==", 0, IN_REPLAY, MODULE_HARVEST, ANY_SINK, NULL},
    {"accounted_books", "books_unaccounted", "messages", "==", 0, IN_REPLAY, MODULE_HARVEST, ANY_SINK,
     "input_diffs"},
    {"books_applied", "diffs_never_applied", "messages", "==", 0, IN_REPLAY, MODULE_HARVEST, ANY_SINK, NULL},
    {"accounted_drained", "rows_undrained", "rows", "==", 0, IN_REPLAY | FED, MODULE_COUNT, ANY_SINK, NULL},
    {"ledger", "ledger_unbalanced", "lines", "==", 0, IN_ALL | STOPPED | FED, MODULE_COUNT, ANY_SINK, NULL},
    {"accounted_ended", "streams_open", "streams", "==", 0, IN_REPLAY | FED, MODULE_COUNT, ANY_SINK, NULL},
    {"accounted_played", "rows_unplayed", "rows", "==", 0, IN_REPLAY | PLAYED, MODULE_FEATURES, ANY_SINK,
     NULL},
    {"played", "input_features", "rows", ">=", 1, IN_REPLAY | PLAYED, MODULE_FEATURES, ANY_SINK, NULL},
    {"gaps_named", "gap_ids_unnamed", "ids", "==", 0, IN_ALL | COMPUTED, MODULE_REPORT, ANY_SINK, NULL},
    {"sink_jsonl", "jsonl_rows", "rows", ">=", 1, IN_REPLAY, MODULE_SIGNAL, HAS_JSONL, "input_features"},
    {"sink_sqlite", "sqlite_rows", "rows", ">=", 1, IN_REPLAY, MODULE_SIGNAL, HAS_SQLITE, "input_features"},
    {"sinks_equal", "sink_differences", "rows", "==", 0, IN_ALL, MODULE_REPORT, IS_DUAL, "input_features"},
    {"kind_prices", "rows_prices", "rows", ">=", 1, IN_REPLAY, MODULE_ARCHIVE, ANY_SINK, "input_trades"},
    {"kind_orderbook", "rows_orderbook", "rows", ">=", 1, IN_REPLAY, MODULE_ARCHIVE, ANY_SINK, "input_books"},
    {"kind_ofi", "rows_ofi", "rows", ">=", 1, IN_REPLAY | COMPUTED, MODULE_FEATURES, ANY_SINK,
     "input_features"},
    {"kind_cvd", "rows_cvd", "rows", ">=", 1, IN_REPLAY | COMPUTED, MODULE_FEATURES, ANY_SINK,
     "input_features"},
    {"kind_fusion", "rows_fusion", "rows", ">=", 1, IN_REPLAY | COMPUTED, MODULE_FEATURES, ANY_SINK,
     "input_features"},
    {"kind_features", "rows_features", "rows", ">=", 1, IN_REPLAY | COMPUTED, MODULE_FEATURES, ANY_SINK,
     "input_features"},
    {"kind_events", "rows_events", "rows", ">=", 1, IN_REPLAY | COMPUTED, MODULE_FEATURES, ANY_SINK,
     "input_events"},
    {"jsonl_shards", "jsonl_shards", "files", ">=", 20, IN_SMOKE | SCALED, MODULE_SIGNAL, HAS_JSONL, NULL},
    {"jsonl_rotation", "jsonl_rotation_minutes", "minutes", "<=", 1, IN_SMOKE, MODULE_SIGNAL, HAS_JSONL,
     NULL},
    {"sqlite_rows", "sqlite_rows", "rows", ">=", 10000, IN_SMOKE | SCALED, MODULE_SIGNAL, HAS_SQLITE, NULL},
    {"orders", "orders", "orders", ">=", 100, IN_SMOKE | SCALED, MODULE_BROKER, ANY_SINK, NULL},
    {"orders_sides", "orders_sides", "sides", ">=", 2, IN_SMOKE | SCALED, MODULE_BROKER, ANY_SINK, NULL},
    {"contract_jsonl", "jsonl_violations", "rows", "==", 0, IN_LIVE, MODULE_SIGNAL, HAS_JSONL,
     "input_features"},
    {"contract_sqlite", "sqlite_violations", "rows", "==", 0, IN_LIVE, MODULE_SIGNAL, HAS_SQLITE,
     "input_features"},
    {"deadletter", "deadletter_rows", "rows", "==", 0, IN_LIVE, MODULE_ARCHIVE, ANY_SINK, NULL},
    {"dropped", "dropped", "rows", "==", 0, IN_ALL | FED, MODULE_COUNT, ANY_SINK, NULL},
    {"lost_rows", "rows_lost", "rows", "==", 0, IN_ALL | FED, MODULE_COUNT, ANY_SINK, NULL},
    {"lost_jsonl", "jsonl_missing", "rows", "==", 0, IN_ALL, MODULE_SIGNAL, HAS_JSONL, "input_features"},
    {"lost_sqlite", "sqlite_missing", "rows", "==", 0, IN_ALL, MODULE_SIGNAL, HAS_SQLITE, "input_features"},
    {"doubled_jsonl", "jsonl_repeated", "rows", "==", 0, IN_ALL, MODULE_SIGNAL, HAS_JSONL, "input_features"},
    {"doubled_sqlite", "sqlite_repeated", "rows", "==", 0, IN_ALL, MODULE_SIGNAL, HAS_SQLITE,
     "input_features"},
    {"doubled_orders", "orders_repeated", "orders", "==", 0, IN_ALL, MODULE_BROKER, ANY_SINK, "input_orders"},
    {"key_conflicts", "key_conflicts", "rows", "==", 0, IN_ALL, MODULE_SIGNAL, ANY_SINK, NULL},
    {"forks", "forks", "streams", "==", 0, IN_ALL | FED, MODULE_COUNT, ANY_SINK, NULL},
    {"summary", "summary_fields_missing", "fields", "==", 0, IN_ALL, MODULE_REPORT, ANY_SINK, NULL},
    {"manifest", "manifests", "files", ">=", 1, IN_ALL, MODULE_COUNT, ANY_SINK, NULL},
    {"log_events", "log_events_missing", "events", "==", 0, IN_LIVE | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"shutdown_order", "shutdown_mistakes", "names", "==", 0, IN_ALL | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"shutdown_kills", "shutdown_kills", "processes", "==", 0, IN_ALL | STOPPED, MODULE_COUNT, ANY_SINK,
     NULL},
    {"duration", "duration_s", "s", ">=", 3600, IN_SOAK | SECONDS | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"health_at_end", "unhealthy_at_end", "processes", "==", 0, IN_SOAK | STOPPED, MODULE_COUNT, ANY_SINK,
     NULL},
    {"health_checks", "healthy_share", "share", ">=", 0.98, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"health_looked", "health_looks", "looks", ">=", 0, IN_SOAK | PER_HEALTH, MODULE_COUNT, ANY_SINK, NULL},
    {"signals", "signals_total", "rows", ">=", 1, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"signals_confirmed", "signals_confirmed", "rows", ">=", 1, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"export", "export_count", "ticks", ">=", 1, IN_SOAK | PER_MINUTE | STOPPED, MODULE_COUNT, ANY_SINK,
     NULL},
    {"export_errors", "export_errors", "ticks", "==", 0, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"alerts", "alerts_active", "alerts", "==", 0, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"alerts_evaluated", "alert_evaluations", "times", ">=", 0, IN_SOAK | PER_ALERTS, MODULE_COUNT, ANY_SINK,
     NULL},
    {"harvester_dropped", "harvester_dropped", "messages", "==", 0, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"harvester_reconnects", "harvester_reconnects", "times", "<=", 3, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"harvester_timeouts", "harvester_timeouts", "0 or 1", "==", 0, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"source", "source_incomplete", "members", "==", 0, IN_SOAK | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"parity_rows", "parity_rows", "rows", ">=", 1, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"parity", "sink_differences", "rows", "==", 0, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"reports", "summaries", "files", "==", 2, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"reports_markdown", "summaries_markdown", "files", "==", 2, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"reports_equal", "summary_differences", "members", "==", 0, IN_SOAK, MODULE_COUNT, ANY_SINK, NULL},
    {"fault", "faults_on_signal", "faults", ">=", 1, IN_SOAK | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"faults_passed", "faults_not_passed", "faults", "==", 0, IN_SOAK | STOPPED, MODULE_COUNT, ANY_SINK,
     NULL},
    {"dq", "dq_not_passed", "checks", "==", 0, IN_SOAK | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"canary", "canary_not_passed", "gates", "==", 0, IN_CANARY | STOPPED, MODULE_COUNT, ANY_SINK, NULL},
    {"resources_rss", "max_rss_mb", "MB", "<", 0, IN_ALL | RSS_LIMIT, MODULE_COUNT, ANY_SINK, NULL},
    {"resources_files", "max_open_files", "files", "<", 0, IN_ALL | FILES_LIMIT, MODULE_COUNT, ANY_SINK,
     NULL},
};

_Static_assert(sizeof GATES / sizeof *GATES <= GATES_MAX, "a result for every gate");

const char *gate_verdict_name(enum gate_verdict verdict)
{
    static const char *const NAMES[] = {"PASS", "FAIL", "UNKNOWN"};
    return NAMES[verdict];
}

static bool sink_fits(enum sinks wanted, const char *sink)
{
    bool dual = strcmp(sink, "dual") == 0;
    switch (wanted) {
    case HAS_JSONL: return dual || strcmp(sink, "jsonl") == 0;
    case HAS_SQLITE: return dual || strcmp(sink, "sqlite") == 0;
    case IS_DUAL: return dual;
    default: return true;
    }
}

/* is_in_run: whether those whom the gate is about are part of the run. */
static bool is_in_run(const struct gate *gate, module_set modules)
{
    bool harvests = modules & module_bit(MODULE_HARVEST);
    bool plays =
        !harvests && (modules & module_bit(MODULE_FEATURES)); /* what computes features needs harvest */
    if (((gate->flags & FED) && !harvests && !plays) || ((gate->flags & PLAYED) && !plays) ||
        ((gate->flags & COMPUTED) && plays))
        return false;
    return gate->module == MODULE_COUNT || (modules & module_bit(gate->module));
}

static bool concerns(const struct gate *gate, const struct gate_conditions *conditions,
                     const struct evidence *evidence)
{
    static const unsigned SETS[] = {[GATES_REPLAY] = IN_REPLAY,
                                    [GATES_SMOKE] = IN_SMOKE,
                                    [GATES_SOAK] = IN_SOAK,
                                    [GATES_CANARY] = IN_CANARY,
                                    [GATES_DEFAULT] = 0};
    if (!(gate->flags & SETS[conditions->set]) || !sink_fits(gate->sinks, conditions->sink))
        return false;
    if (!is_in_run(gate, conditions->modules))
        return false;
    if (conditions->before_stop && (gate->flags & STOPPED))
        return false;
    const struct evidence_fact *input = gate->input ? evidence_find(evidence, gate->input) : NULL;
    return !input || input->value > 0; /* an unknown input is no excuse */
}

/* seconds_wanted: wall seconds of an hour, or of what was planned if that is less, as the run counts them. */
static double seconds_wanted(const struct gate_conditions *conditions)
{
    bool shorter = conditions->planned_minutes > 0 && conditions->planned_minutes < GATES_SOAK_MINUTES;
    return 60 * (shorter ? conditions->planned_minutes : GATES_SOAK_MINUTES) / conditions->time_scale;
}

/* limit: a configured one; of a soak run never looser than the contract's. */
static double limit(const struct gate_conditions *conditions, double configured, double contract)
{
    return conditions->set == GATES_SOAK ? fmin(configured, contract) : configured;
}

/* times_wanted: how often something happens that is due every so many seconds of the run; what falls on the end need not come.
 * `share`: of it at real speed; where seconds are divided they are short for a busy machine, and half of it is enough. */
static double times_wanted(const struct gate_conditions *conditions, double every_s, double share)
{
    double wanted = 60 * conditions->minutes / every_s * (conditions->time_scale > 1 ? 0.5 : share);
    return fmax(1, floor(wanted) - 1);
}

static const double LOOKS_SHARE = 0.95; /* each comes late by what the loop did before */

static double threshold_of(const struct gate *gate, const struct gate_conditions *conditions)
{
    if (gate->flags & RSS_LIMIT)
        return limit(conditions, conditions->max_rss_mb, GATES_SOAK_RSS_MB);
    if (gate->flags & FILES_LIMIT)
        return limit(conditions, conditions->max_open_files, GATES_SOAK_OPEN_FILES);
    if (gate->flags & PER_ALERTS)
        return times_wanted(conditions, GATES_SOAK_ALERT_S, 1);
    if (gate->flags & PER_HEALTH)
        return times_wanted(conditions, GATES_SOAK_HEALTH_S, LOOKS_SHARE);
    if (gate->flags & SECONDS)
        return seconds_wanted(conditions);
    if (gate->flags & PER_MINUTE)
        return gate->threshold * fmax(1, round(conditions->minutes));
    double share = conditions->minutes / 30.0;
    return (gate->flags & SCALED) && share < 1 ? fmax(1, ceil(gate->threshold * share)) : gate->threshold;
}

enum gate_verdict gate_compare(const char *op, double measured, double threshold)
{
    if (isnan(measured))
        return GATE_UNKNOWN;
    bool pass = strcmp(op, "==") == 0   ? measured == threshold
                : strcmp(op, ">=") == 0 ? measured >= threshold
                : strcmp(op, "<=") == 0 ? measured <= threshold
                                        : measured < threshold;
    return pass ? GATE_PASS : GATE_FAIL;
}

static void judge(const struct gate *gate, const struct gate_conditions *conditions,
                  const struct evidence *evidence, struct gate_result *out_result)
{
    const struct evidence_fact *fact = evidence_find(evidence, gate->fact);
    *out_result = (struct gate_result){.id = gate->id,
                                       .measured = fact ? fact->value : NAN,
                                       .unit = gate->unit,
                                       .op = gate->op,
                                       .threshold = threshold_of(gate, conditions)};
    out_result->verdict = gate_compare(gate->op, out_result->measured, out_result->threshold);
    if (fact) {
        memcpy(out_result->source_file, fact->source_file, sizeof out_result->source_file);
        memcpy(out_result->source_field, fact->source_field, sizeof out_result->source_field);
    }
}

void gates_judge(const struct gate_conditions *conditions, const struct evidence *evidence,
                 struct gate_results *out_results)
{
    *out_results = (struct gate_results){.count = 0};
    for (size_t i = 0; i < sizeof GATES / sizeof *GATES; i++)
        if (concerns(&GATES[i], conditions, evidence))
            judge(&GATES[i], conditions, evidence, &out_results->items[out_results->count++]);
}

enum gate_verdict gates_overall(const struct gate_results *results)
{
    enum gate_verdict overall = GATE_PASS;
    for (size_t i = 0; i < results->count; i++) {
        if (results->items[i].verdict == GATE_FAIL)
            return GATE_FAIL;
        if (results->items[i].verdict == GATE_UNKNOWN)
            overall = GATE_UNKNOWN;
    }
    return overall;
}

void gates_json(const struct gate_results *results, struct json *json)
{
    json_array_begin(json);
    for (size_t i = 0; i < results->count; i++) {
        const struct gate_result *result = &results->items[i];
        json_object_begin(json);
        json_key_text(json, "id", result->id);
        json_key_f64(json, "measured", result->measured);
        json_key_text(json, "unit", result->unit);
        json_key_text(json, "op", result->op);
        json_key_f64(json, "threshold", result->threshold);
        json_key_text(json, "source_file", *result->source_file ? result->source_file : NULL);
        json_key_text(json, "source_field", *result->source_field ? result->source_field : NULL);
        json_key_text(json, "verdict", gate_verdict_name(result->verdict));
        json_object_end(json);
    }
    json_array_end(json);
}
