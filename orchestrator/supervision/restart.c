#include "restart.h"

#include <string.h>

/* window_trim: keeps the times younger than the window, in order. */
static size_t window_trim(int64_t *times_ms, size_t count, int64_t now_ms, int64_t window_ms)
{
    size_t old = 0;
    while (old < count && times_ms[old] <= now_ms - window_ms)
        old++;
    memmove(times_ms, times_ms + old, (count - old) * sizeof *times_ms);
    return count - old;
}

static int64_t delay_before(const struct restart_policy *policy, size_t attempt, double chance)
{
    double delay_ms = (double)policy->delay_first_ms, cap_ms = (double)policy->delay_cap_ms;
    for (size_t i = 0; i < attempt && delay_ms < cap_ms; i++)
        delay_ms *= policy->delay_factor;
    delay_ms = delay_ms < cap_ms ? delay_ms : cap_ms;
    return (int64_t)(delay_ms * (1.0 + policy->jitter * (2.0 * chance - 1.0)));
}

static struct restart_decision give_up(const struct restart_policy *policy, struct restart_history *history)
{
    history->exhausted = true;
    return (struct restart_decision){.degraded = true, .delay_ms = policy->probe_ms ? policy->probe_ms : -1};
}

struct restart_decision restart_after_exit(const struct restart_policy *policy,
                                           struct restart_history *history, int64_t now_ms, bool progressed,
                                           int64_t ready_for_ms, double chance)
{
    if (policy->refill_ms && ready_for_ms >= policy->refill_ms)
        restart_forget(history);
    size_t bursts = window_trim(history->bursts_ms, history->burst_count, now_ms, policy->burst_window_ms);
    size_t delayed =
        window_trim(history->delayed_ms, history->delayed_count, now_ms, policy->budget_window_ms);
    history->burst_count = bursts;
    history->delayed_count = delayed;
    if (progressed && bursts < policy->burst_count && bursts < RESTART_BURST_MAX) {
        history->bursts_ms[history->burst_count++] = now_ms;
        return (struct restart_decision){.delay_ms = 0};
    }
    if (history->exhausted || delayed >= policy->budget_count || delayed >= RESTART_BUDGET_MAX)
        return give_up(policy, history);
    history->delayed_ms[history->delayed_count++] = now_ms;
    return (struct restart_decision){.delay_ms = delay_before(policy, delayed, chance)};
}

struct restart_decision restart_after_not_ready(const struct restart_policy *policy,
                                                struct restart_history *history)
{
    if (history->exhausted || history->not_ready_count >= policy->ready_delay_count)
        return give_up(policy, history);
    return (struct restart_decision){.delay_ms = policy->ready_delays_ms[history->not_ready_count++]};
}

void restart_forget(struct restart_history *history)
{
    *history = (struct restart_history){0};
}
