/* What the run manifest says: the end of the run, health, memory, export, alerts, harvest, faults. */
#include "config/plan.h"
#include "evidence_private.h"
#include "gates.h"
#include "orchestrator/faults/fault.h"

#include <math.h>
#include <string.h>

struct reading {
    const struct evidence_places *places;
    struct evidence *evidence;
    yyjson_val *root;
};

static void add(const struct reading *reading, const char *name, double value, const char *field)
{
    evidence_add(reading->evidence, name, value, reading->places->manifest_path, field);
}

/* number: a member of a member, taken over when it is a number or a bool. */
static void number(const struct reading *reading, const char *name, const char *object, const char *member,
                   const char *field)
{
    yyjson_val *holder = object ? yyjson_obj_get(reading->root, object) : reading->root;
    yyjson_val *value = yyjson_obj_get(holder, member);
    if (yyjson_is_num(value))
        add(reading, name, yyjson_get_num(value), field);
    else if (yyjson_is_bool(value))
        add(reading, name, yyjson_get_bool(value), field);
}

/* --- the end --- */

/* number_at: which instance of a module stands at a place of the list, 0: none. */
static size_t number_at(yyjson_val *order, size_t place, size_t module)
{
    const char *name = yyjson_get_str(yyjson_arr_get(order, place));
    return name ? plan_instance_number(module_at(module)->name, name) : 0;
}

/* order_mistakes: names of shutdown_order that are not where the reverse start order has them; of a module with several
 * instances at least one has to be there. */
static int64_t order_mistakes(yyjson_val *order, module_set modules)
{
    int64_t mistakes = 0;
    size_t place = 0;
    for (size_t i = MODULE_COUNT; i > 0; i--) {
        if (!(modules & module_bit(i - 1)))
            continue;
        size_t number = number_at(order, place++, i - 1);
        mistakes += !number;
        for (size_t next; number > 1 && (next = number_at(order, place, i - 1)) && next < number; place++)
            number = next;
    }
    return mistakes + (yyjson_arr_size(order) > place);
}

static int64_t stop_kills(yyjson_val *processes)
{
    size_t index, count;
    yyjson_val *name, *process;
    int64_t kills = 0;
    yyjson_obj_foreach(processes, index, count, name, process)
    {
        kills += yyjson_is_true(yyjson_obj_get(process, "killed_on_stop"));
    }
    return kills;
}

static void shutdown(const struct reading *reading)
{
    module_set modules = reading->places->modules;
    add(reading, "shutdown_mistakes",
        (double)order_mistakes(yyjson_obj_get(reading->root, "shutdown_order"), modules), "shutdown_order");
    add(reading, "shutdown_kills", (double)stop_kills(yyjson_obj_get(reading->root, "processes")),
        "processes.*.killed_on_stop");
}

/* --- health --- */

struct health_figures {
    int64_t looked_at, unhealthy;
    double share;  /* the least */
    int64_t looks; /* the most at any process of the module at hand */
};

/* health_take: one process. False when it was never looked at. */
static bool health_take(yyjson_val *process, struct health_figures *figures)
{
    yyjson_val *checks = yyjson_obj_get(process, "health_checks"),
               *healthy = yyjson_obj_get(process, "healthy_checks");
    if (!yyjson_is_int(checks) || !yyjson_is_int(healthy) || yyjson_get_sint(checks) < 1)
        return false;
    double own = (double)yyjson_get_sint(healthy) / (double)yyjson_get_sint(checks);
    figures->looked_at++;
    figures->share = own < figures->share ? own : figures->share;
    figures->looks = yyjson_get_sint(checks) > figures->looks ? yyjson_get_sint(checks) : figures->looks;
    figures->unhealthy += !yyjson_equals_str(yyjson_obj_get(process, "health_status"), "healthy");
    return true;
}

/* excused_looks: those of the contract that fall into the recovery times of faults, which are not counted (operations.md §13). */
static double excused_looks(const struct reading *reading)
{
    yyjson_val *fault, *scale = yyjson_obj_get(yyjson_obj_get(reading->root, "conditions"), "time_scale");
    double excused_s = 0;
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(reading->root, "fault_injection"), index, count, fault)
    {
        yyjson_val *recovery_ms = yyjson_obj_get(fault, "recovery_ms");
        double took_ms = yyjson_is_num(recovery_ms) ? yyjson_get_num(recovery_ms) : FAULT_RECOVERY_MAX_MS;
        excused_s +=
            (fmin(took_ms, FAULT_RECOVERY_MAX_MS) + yyjson_get_num(yyjson_obj_get(fault, "lasted_ms"))) /
            1000;
    }
    return floor(excused_s * (yyjson_is_num(scale) ? yyjson_get_num(scale) : 1) / GATES_SOAK_HEALTH_S);
}

/* health: of every module at least one process must have been looked at, and every process that there is; else both figures
 * are unknown. */
static void health(const struct reading *reading)
{
    struct health_figures figures = {.share = 1};
    int64_t looks = INT64_MAX;
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        size_t index, count;
        yyjson_val *name, *process;
        int64_t before = figures.looked_at;
        figures.looks = 0;
        if (!(reading->places->modules & module_bit(i)))
            continue;
        yyjson_obj_foreach(yyjson_obj_get(reading->root, "processes"), index, count, name, process)
        {
            if (plan_instance_number(module_at(i)->name, yyjson_get_str(name)) &&
                !health_take(process, &figures))
                return;
        }
        if (figures.looked_at == before)
            return;
        looks = figures.looks < looks ? figures.looks : looks;
    }
    add(reading, "unhealthy_at_end", (double)figures.unhealthy, "processes.*.health_status");
    add(reading, "health_looks", (double)looks + excused_looks(reading),
        "least of processes.*.health_checks by module, and what fault_injection[] excuses");
    add(reading, "healthy_share", figures.share, "least of processes.*.healthy_checks / health_checks");
}

/* --- alerts --- */

/* alerts: what is said to be open, or, if more, what was triggered and has not recovered. */
static void alerts(const struct reading *reading)
{
    yyjson_val *alerts = yyjson_obj_get(reading->root, "alerts");
    yyjson_val *active = yyjson_obj_get(alerts, "active_count"), *list = yyjson_obj_get(alerts, "triggered"),
               *recovered = yyjson_obj_get(alerts, "recovered");
    if (!yyjson_is_int(active) || !yyjson_is_arr(list) || !yyjson_is_arr(recovered))
        return;
    double open = (double)yyjson_arr_size(list) - (double)yyjson_arr_size(recovered);
    double said = (double)yyjson_get_sint(active);
    number(reading, "alert_evaluations", "alerts", "evaluations", "alerts.evaluations");
    add(reading, "alerts_active", said > open ? said : open, "alerts.active_count, triggered, recovered");
}

/* --- faults --- */

static bool is_zero(yyjson_val *fault, const char *member)
{
    yyjson_val *value = yyjson_obj_get(fault, member);
    return yyjson_is_int(value) && yyjson_get_sint(value) == 0;
}

/* steps_in_order: kill, exit, restart, ready, healthy, and no other. */
static bool steps_in_order(yyjson_val *sequence)
{
    static const char *const STEPS[] = {"kill", "exit", "restart", "ready", "healthy"};
    enum { STEP_COUNT = sizeof STEPS / sizeof *STEPS };
    const char *before = "";
    for (size_t i = 0; i < STEP_COUNT; i++) {
        yyjson_val *step = yyjson_arr_get(sequence, i);
        const char *at = yyjson_get_str(yyjson_obj_get(step, "at"));
        if (!yyjson_equals_str(yyjson_obj_get(step, "event"), STEPS[i]) || !at || strcmp(at, before) < 0)
            return false;
        before = at;
    }
    return yyjson_arr_size(sequence) == STEP_COUNT;
}

/* recovered: of a killed process, once more from the figures (operations.md §8). */
static bool recovered(yyjson_val *fault)
{
    yyjson_val *recovery_ms = yyjson_obj_get(fault, "recovery_ms"),
               *before = yyjson_obj_get(fault, "restart_count_before"),
               *after = yyjson_obj_get(fault, "restart_count_after");
    return yyjson_is_num(recovery_ms) && yyjson_get_num(recovery_ms) <= FAULT_RECOVERY_MAX_MS &&
           yyjson_is_int(before) && yyjson_is_int(after) &&
           yyjson_get_sint(after) == yyjson_get_sint(before) + 1 &&
           steps_in_order(yyjson_obj_get(fault, "event_sequence"));
}

static bool is_kill(yyjson_val *fault)
{
    return yyjson_equals_str(yyjson_obj_get(fault, "kind"), "kill");
}

/* lease_kept: it touched something, was undone in time (or ended with its process), and was recovered from. */
static bool lease_kept(yyjson_val *fault)
{
    yyjson_val *late_ms = yyjson_obj_get(fault, "late_ms"), *end = yyjson_obj_get(fault, "end");
    bool ended = yyjson_equals_str(end, "ended") || yyjson_equals_str(end, "cleared");
    bool in_time = yyjson_is_int(late_ms) && yyjson_get_sint(late_ms) <= INJURY_LATE_MS_MAX;
    yyjson_val *recovery_ms = yyjson_obj_get(fault, "recovery_ms");
    return yyjson_get_sint(yyjson_obj_get(fault, "touched")) > 0 && (ended || in_time) &&
           yyjson_is_num(recovery_ms) && yyjson_get_num(recovery_ms) <= FAULT_RECOVERY_MAX_MS;
}

static bool fault_passed(const struct reading *reading, yyjson_val *fault)
{
    const char *sink = reading->places->sink;
    if (!yyjson_equals_str(yyjson_obj_get(fault, "verdict"), "PASS"))
        return false;
    if (!is_zero(fault, "rows_lost") || !is_zero(fault, "rows_duplicated"))
        return false;
    if (evidence_rows_lost(reading->evidence, sink) > 0 ||
        evidence_rows_repeated(reading->evidence, sink) > 0)
        return false; /* whatever the manifest says */
    if (strcmp(sink, "dual") == 0 && !yyjson_equals_str(yyjson_obj_get(fault, "parity_verdict"), "PASS"))
        return false;
    return is_kill(fault) ? recovered(fault) : lease_kept(fault);
}

static void faults(const struct reading *reading)
{
    yyjson_val *list = yyjson_obj_get(reading->root, "fault_injection"), *fault;
    size_t index, count;
    int64_t on_signal = 0, not_passed = 0;
    if (!yyjson_is_arr(list))
        return;
    yyjson_arr_foreach(list, index, count, fault)
    {
        const char *process = yyjson_get_str(yyjson_obj_get(fault, "process"));
        on_signal += process && plan_instance_number("signal", process) && is_kill(fault);
        not_passed += !fault_passed(reading, fault);
    }
    add(reading, "faults_on_signal", (double)on_signal, "fault_injection[].process");
    if (count)
        add(reading, "faults_not_passed", (double)not_passed, "fault_injection[]");
}

/* --- all --- */

static void say(const struct reading *reading)
{
    shutdown(reading);
    health(reading);
    number(reading, "duration_s", NULL, "duration_s", "duration_s");
    number(reading, "max_rss_mb", "resource_usage", "max_rss_mb", "resource_usage.max_rss_mb");
    number(reading, "max_open_files", "resource_usage", "max_open_files", "resource_usage.max_open_files");
    number(reading, "export_count", "timeseries_export", "export_count", "timeseries_export.export_count");
    number(reading, "export_errors", "timeseries_export", "error_count", "timeseries_export.error_count");
    number(reading, "harvester_dropped", "harvester_metrics", "queue_dropped",
           "harvester_metrics.queue_dropped");
    number(reading, "harvester_reconnects", "harvester_metrics", "reconnect_count",
           "harvester_metrics.reconnect_count");
    number(reading, "harvester_timeouts", "harvester_metrics", "substream_timeout_detected",
           "harvester_metrics.substream_timeout_detected");
    alerts(reading);
    faults(reading);
}

void evidence_from_manifest(const struct evidence_places *places, struct evidence *evidence)
{
    yyjson_doc *document = evidence_json(places->manifest_path);
    struct reading reading = {places, evidence, yyjson_doc_get_root(document)};
    bool ours = evidence_is_of(places, reading.root);
    evidence_add(evidence, "manifests", ours, places->manifest_path, "run_id");
    if (ours)
        say(&reading);
    yyjson_doc_free(document);
}
