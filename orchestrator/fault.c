#include "fault.h"

#include "base/clock.h"
#include "signal_name.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const STEP_NAMES[FAULT_STEP_COUNT] = {"kill", "exit", "restart", "ready", "healthy"};

void fault_begin(struct fault *fault, int64_t id, const char *process, int signal, int64_t generation,
                 int64_t pid)
{
    *fault = (struct fault){.id = id,
                            .signal = signal,
                            .requested_at_s = NAN,
                            .generation_before = generation,
                            .pid_before = pid,
                            .backoff_ms = -1,
                            .exit_code = -1};
    snprintf(fault->process, sizeof fault->process, "%s", process);
}

enum fault_step fault_waiting(const struct fault *fault)
{
    enum fault_step step = FAULT_KILL;
    while (step < FAULT_STEP_COUNT && fault->moments[step].wall_ms)
        step++;
    return step;
}

bool fault_note(struct fault *fault, enum fault_step step, struct fault_moment moment)
{
    if (fault_waiting(fault) != step)
        return false;
    fault->moments[step] = moment;
    return true;
}

double fault_elapsed_ms(const struct fault *fault, enum fault_step step)
{
    if (!fault->moments[FAULT_KILL].wall_ms || !fault->moments[step].wall_ms)
        return NAN;
    return (double)(fault->moments[step].monotonic_ns - fault->moments[FAULT_KILL].monotonic_ns) / 1e6;
}

const char *fault_verdict(const struct fault *fault, const struct fault_loss *loss)
{
    double recovery_ms = fault_elapsed_ms(fault, FAULT_HEALTHY);
    if (fault_waiting(fault) != FAULT_STEP_COUNT || recovery_ms > FAULT_RECOVERY_MAX_MS ||
        fault->restart_count_after != fault->restart_count_before + 1)
        return "FAIL";
    if (loss->rows_lost > 0 || loss->rows_duplicated > 0)
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

static void sequence_json(struct json *json, const struct fault *fault)
{
    json_key(json, "event_sequence");
    json_array_begin(json);
    for (enum fault_step step = FAULT_KILL; step < fault_waiting(fault); step++) {
        json_object_begin(json);
        moment_json(json, "at", &fault->moments[step]);
        json_key_text(json, "event", STEP_NAMES[step]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void moments_json(struct json *json, const struct fault *fault)
{
    moment_json(json, "killed_at", &fault->moments[FAULT_KILL]);
    moment_json(json, "exit_detected_at", &fault->moments[FAULT_EXIT]);
    moment_json(json, "restarted_at", &fault->moments[FAULT_RESTART]);
    moment_json(json, "ready_at", &fault->moments[FAULT_READY]);
    moment_json(json, "healthy_at", &fault->moments[FAULT_HEALTHY]);
    moment_json(json, "caught_up_at", &fault->moments[FAULT_HEALTHY]);
    json_key_f64(json, "detect_ms", fault_elapsed_ms(fault, FAULT_EXIT));
    json_key_f64(json, "restart_ms", fault_elapsed_ms(fault, FAULT_RESTART));
    json_key_f64(json, "ready_ms", fault_elapsed_ms(fault, FAULT_READY));
    json_key_f64(json, "recovery_ms", fault_elapsed_ms(fault, FAULT_HEALTHY));
    json_key_f64(json, "catchup_ms",
                 fault_elapsed_ms(fault, FAULT_HEALTHY) - fault_elapsed_ms(fault, FAULT_READY));
}

void fault_json(struct json *json, const struct fault *fault, const struct fault_loss *loss)
{
    json_object_begin(json);
    json_key_i64(json, "id", fault->id);
    json_key_text(json, "kind", "signal");
    json_key_text(json, "process", fault->process);
    json_key_text(json, "signal_sent", signal_name_of(fault->signal));
    json_key_f64(json, "requested_at_s", fault->requested_at_s);
    json_key_i64(json, "pid_before", fault->pid_before);
    measured_json(json, "pid_after", fault->pid_after ? fault->pid_after : -1);
    moments_json(json, fault);
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
    measured_json(json, "rows_expected", loss->rows_expected);
    measured_json(json, "rows_lost", loss->rows_lost);
    measured_json(json, "rows_duplicated", loss->rows_duplicated);
    json_key_text(json, "parity_verdict", loss->parity_verdict);
    json_key_text(json, "verdict", fault_verdict(fault, loss));
    json_object_end(json);
}
