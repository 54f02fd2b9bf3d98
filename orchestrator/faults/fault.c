#include "fault.h"

#include "base/clock.h"
#include "orchestrator/supervision/signal_name.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const STEP_NAMES[FAULT_STEP_COUNT] = {"kill", "exit", "restart", "ready", "healthy"};

void fault_begin(struct fault *fault, const char *process, const struct injury_order *order, int signal,
                 int64_t generation, int64_t pid)
{
    *fault = (struct fault){.id = order->id,
                            .order = *order,
                            .signal = signal,
                            .requested_at_s = NAN,
                            .generation_before = generation,
                            .pid_before = pid,
                            .backoff_ms = -1,
                            .exit_code = -1,
                            .features_at_kill = -1,
                            .features_at_healthy = -1,
                            .frames_replayed = -1,
                            .late_ms = -1};
    snprintf(fault->process, sizeof fault->process, "%s", process);
}

bool fault_is_lease(const struct fault *fault)
{
    return fault->order.kind != INJURY_KILL;
}

bool fault_is_refused(const struct fault *fault)
{
    return fault->end == FAULT_REFUSED;
}

bool fault_never_began(const struct fault *fault)
{
    return fault_is_refused(fault) || fault->end == FAULT_UNANSWERED;
}

static bool has(const struct fault *fault, enum fault_step step)
{
    return fault->moments[step].wall_ms != 0;
}

enum fault_step fault_waiting(const struct fault *fault)
{
    enum fault_step step = FAULT_KILL;
    while (step < FAULT_STEP_COUNT && has(fault, step))
        step++;
    if (step == FAULT_EXIT && fault_is_lease(fault)) /* it need not end */
        return has(fault, FAULT_HEALTHY) ? FAULT_STEP_COUNT : FAULT_HEALTHY;
    return step;
}

static bool follows(const struct fault *fault, enum fault_step step)
{
    if (fault_never_began(fault))
        return false;
    if (step == FAULT_EXIT && fault_is_lease(fault))
        return has(fault, FAULT_KILL) && !has(fault, FAULT_EXIT) && !has(fault, FAULT_HEALTHY);
    bool in_time = step != FAULT_HEALTHY || !fault_is_lease(fault) || fault->over.wall_ms;
    return in_time && fault_waiting(fault) == step;
}

bool fault_note(struct fault *fault, enum fault_step step, struct fault_moment moment)
{
    if (!follows(fault, step))
        return false;
    fault->moments[step] = moment;
    return true;
}

bool fault_over(struct fault *fault, enum fault_end end, struct fault_moment moment)
{
    if (!fault_is_lease(fault) || fault->over.wall_ms || fault_never_began(fault) || !has(fault, FAULT_KILL))
        return false;
    fault->end = end;
    fault->over = moment;
    return true;
}

static double between_ms(const struct fault_moment *from, const struct fault_moment *to)
{
    return from->wall_ms && to->wall_ms ? (double)(to->monotonic_ns - from->monotonic_ns) / 1e6 : NAN;
}

double fault_elapsed_ms(const struct fault *fault, enum fault_step step)
{
    return between_ms(&fault->moments[FAULT_KILL], &fault->moments[step]);
}

int64_t fault_moment_from(const struct fault *fault, int64_t now_ns)
{
    if (fault_is_lease(fault) && fault->end != FAULT_ENDED)
        return fault->over.wall_ms ? fault->over.monotonic_ns : now_ns;
    return fault->moments[FAULT_KILL].monotonic_ns;
}

double fault_recovery_ms(const struct fault *fault)
{
    bool undone = fault->end == FAULT_EXPIRED || fault->end == FAULT_CLEARED;
    return between_ms(undone ? &fault->over : &fault->moments[FAULT_KILL], &fault->moments[FAULT_HEALTHY]);
}

/* lease_good: it did something, and was undone in time. */
static bool lease_good(const struct fault *fault)
{
    bool in_time =
        fault->end == FAULT_ENDED || fault->end == FAULT_CLEARED ||
        (fault->end == FAULT_EXPIRED && fault->late_ms >= 0 && fault->late_ms <= INJURY_LATE_MS_MAX);
    return fault->touched > 0 && in_time;
}

static bool recovered(const struct fault *fault)
{
    int64_t restarts = fault->restart_count_after - fault->restart_count_before;
    int64_t ended = has(fault, FAULT_EXIT);
    bool expected = ended <= injury_row(fault->order.kind)->restarts_max;
    return fault_waiting(fault) == FAULT_STEP_COUNT && fault_recovery_ms(fault) <= FAULT_RECOVERY_MAX_MS &&
           restarts == ended && expected && (!fault_is_lease(fault) || lease_good(fault));
}

const char *fault_verdict(const struct fault *fault, const struct fault_loss *loss)
{
    if (fault_is_refused(fault))
        return "REFUSED";
    if (!recovered(fault) || loss->rows_lost > 0 || loss->rows_duplicated > 0)
        return "FAIL";
    if (loss->parity_verdict && strcmp(loss->parity_verdict, "FAIL") == 0)
        return "FAIL";
    bool parity_known = !loss->parity_verdict || strcmp(loss->parity_verdict, "PASS") == 0;
    return loss->rows_lost == 0 && loss->rows_duplicated == 0 && parity_known ? "PASS" : "UNKNOWN";
}

static void moment_json(struct json *json, const char *key, const struct fault_moment *moment)
{
    char text[TIME_TEXT_BYTES];
    if (moment->wall_ms)
        time_iso_ms(moment->wall_ms, text);
    json_key_text(json, key, moment->wall_ms ? text : NULL);
}

static void measured_json(struct json *json, const char *key, int64_t value)
{
    if (value < 0)
        json_key_null(json, key);
    else
        json_key_i64(json, key, value);
}

static void event_json(struct json *json, const struct fault_moment *moment, const char *name)
{
    if (!moment->wall_ms)
        return;
    json_object_begin(json);
    moment_json(json, "at", moment);
    json_key_text(json, "event", name);
    json_object_end(json);
}

static const char *end_name(const struct fault *fault)
{
    static const char *const NAMES[] = {"lasts", "expired", "cleared", "ended", "refused", "unanswered"};
    return NAMES[fault->end];
}

/* sequence_json: in the order of time; the end of a lease lies where it came. */
static void sequence_json(struct json *json, const struct fault *fault)
{
    bool told = false;
    json_key(json, "event_sequence");
    json_array_begin(json);
    for (enum fault_step step = FAULT_KILL; step < FAULT_STEP_COUNT; step++) {
        const struct fault_moment *moment = &fault->moments[step];
        if (!told && moment->wall_ms && moment->monotonic_ns >= fault->over.monotonic_ns &&
            step != FAULT_KILL && fault->end != FAULT_ENDED) {
            event_json(json, &fault->over, end_name(fault));
            told = true;
        }
        event_json(json, moment, step == FAULT_KILL && fault_is_lease(fault) ? "fault" : STEP_NAMES[step]);
    }
    if (!told && fault->end != FAULT_ENDED)
        event_json(json, &fault->over, end_name(fault));
    json_array_end(json);
}

static void moments_json(struct json *json, const struct fault *fault)
{
    double ready_ms = fault_elapsed_ms(fault, FAULT_READY),
           healthy_ms = fault_elapsed_ms(fault, FAULT_HEALTHY);
    moment_json(json, "killed_at", &fault->moments[FAULT_KILL]);
    moment_json(json, "over_at", &fault->over);
    moment_json(json, "exit_detected_at", &fault->moments[FAULT_EXIT]);
    moment_json(json, "restarted_at", &fault->moments[FAULT_RESTART]);
    moment_json(json, "ready_at", &fault->moments[FAULT_READY]);
    moment_json(json, "healthy_at", &fault->moments[FAULT_HEALTHY]);
    moment_json(json, "caught_up_at", &fault->moments[FAULT_HEALTHY]);
    json_key_f64(json, "detect_ms", fault_elapsed_ms(fault, FAULT_EXIT));
    json_key_f64(json, "restart_ms", fault_elapsed_ms(fault, FAULT_RESTART));
    json_key_f64(json, "ready_ms", ready_ms);
    json_key_f64(json, "lasted_ms", between_ms(&fault->moments[FAULT_KILL], &fault->over));
    json_key_f64(json, "recovery_ms", fault_recovery_ms(fault));
    json_key_f64(json, "catchup_ms", isnan(ready_ms) ? fault_recovery_ms(fault) : healthy_ms - ready_ms);
}

/* order_json: what was asked for; of what a kind does not take, null. */
static void order_json(struct json *json, const struct fault *fault)
{
    const struct injury_row *row = injury_row(fault->order.kind);
    json_key_i64(json, "id", fault->id);
    json_key_text(json, "kind", row->name);
    json_key_text(json, "process", fault->process);
    json_key_text(json, "signal_sent", fault->signal ? signal_name_of(fault->signal) : NULL);
    json_key_text(json, "link", row->place == INJURY_ON_LINK ? fault->order.link : NULL);
    json_key_f64(json, "share", row->share_default > 0 ? fault->order.share : NAN);
    measured_json(json, "count", fault->order.count ? fault->order.count : -1);
    json_key_text(json, "amount_of", row->amount_name);
    json_key(json, "amount");
    if (row->amount_name)
        json_i64(json, fault->order.amount);
    else
        json_null(json);
    json_key_i64(json, "seed", fault->order.seed);
    measured_json(json, "ttl_ms", fault_is_lease(fault) ? fault->order.ttl_ms : -1);
    json_key_f64(json, "requested_at_s", fault->requested_at_s);
}

void fault_json(struct json *json, const struct fault *fault, const struct fault_loss *loss)
{
    json_object_begin(json);
    order_json(json, fault);
    json_key_i64(json, "pid_before", fault->pid_before);
    measured_json(json, "pid_after", fault->pid_after ? fault->pid_after : -1);
    moments_json(json, fault);
    json_key_text(json, "end", fault_is_lease(fault) ? end_name(fault) : NULL);
    measured_json(json, "late_ms", fault->late_ms);
    json_key_i64(json, "touched", fault->touched);
    json_key_text(json, "touched_what", injury_row(fault->order.kind)->touched);
    json_key_text(json, "reason", *fault->reason ? fault->reason : NULL);
    json_key_i64(json, "restart_count_before", fault->restart_count_before);
    json_key_i64(json, "restart_count_after", fault->restart_count_after);
    measured_json(json, "backoff_ms", fault->backoff_ms);
    measured_json(json, "exit_code", fault->exit_code);
    json_key_text(json, "exit_signal", fault->exit_signal ? signal_name_of(fault->exit_signal) : NULL);
    sequence_json(json, fault);
    json_key(json, "sequence_before");
    json_i64(json, fault->rows_at_kill);
    json_key(json, "sequence_after");
    json_i64(json, fault->rows_at_healthy);
    measured_json(json, "frames_replayed", fault->frames_replayed);
    measured_json(json, "rows_expected", loss->rows_expected);
    measured_json(json, "rows_lost", loss->rows_lost);
    measured_json(json, "rows_duplicated", loss->rows_duplicated);
    json_key_text(json, "parity_verdict", loss->parity_verdict);
    json_key_text(json, "verdict", fault_verdict(fault, loss));
    json_object_end(json);
}
