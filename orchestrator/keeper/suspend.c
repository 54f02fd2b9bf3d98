/* A child that stands still on purpose: the keeper holds the lease, since it outlives the orchestrator and, unlike the child, runs. */
#include "keeper.h"

#include <signal.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void keeper_suspend(struct keeper *keeper, int64_t lease_ms)
{
    if (keeper->child.child != KEEPER_CHILD_LIVES)
        return;
    keeper->continue_due_ms = lease_ms > 0 ? now_ms() + lease_ms : 0;
    if (lease_ms > 0)
        keeper->child.lease_late_ms = -1;
    kill((pid_t)keeper->child.pid, lease_ms > 0 ? SIGSTOP : SIGCONT);
}

int keeper_suspend_timeout(const struct keeper *keeper, int timeout_ms)
{
    if (!keeper->continue_due_ms)
        return timeout_ms;
    int64_t left_ms = keeper->continue_due_ms - now_ms();
    left_ms = left_ms < 0 ? 0 : left_ms;
    return timeout_ms >= 0 && timeout_ms < left_ms ? timeout_ms : (int)left_ms;
}

bool keeper_suspend_look(struct keeper *keeper)
{
    int64_t due_ms = keeper->continue_due_ms;
    if (!due_ms || now_ms() < due_ms)
        return false;
    keeper_suspend(keeper, 0);
    keeper->child.lease_late_ms = now_ms() - due_ms;
    return true;
}
