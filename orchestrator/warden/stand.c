/* A child that stands still on purpose: the warden holds the lease, since it outlives the orchestrator and, unlike the child, runs.
 * Whether the child really stands it hears from the kernel. */
#include "warden.h"

#include <signal.h>
#include <sys/wait.h>

void warden_suspend(struct warden *warden, const struct warden_order *order)
{
    if (order->lease == warden->report.lease)
        return; /* said again, because our report of it was on its way */
    warden->report.lease = order->lease;
    warden->report.late_ms = -1;
    warden->continue_due_ms =
        order->lease_ms > 0 ? clock_monotonic_ms(&warden->clock) + order->lease_ms : 0;
    kill(warden->child, order->lease_ms > 0 ? SIGSTOP : SIGCONT);
}

void warden_go_on(struct warden *warden)
{
    warden->continue_due_ms = 0;
    if (warden->child)
        kill(warden->child, SIGCONT);
}

int64_t warden_suspend_due_ms(const struct warden *warden, int64_t due_ms)
{
    int64_t ends_ms = warden->continue_due_ms;
    return ends_ms && ends_ms < due_ms ? ends_ms : due_ms;
}

void warden_suspend_look(struct warden *warden)
{
    int64_t due_ms = warden->continue_due_ms;
    if (!due_ms || clock_monotonic_ms(&warden->clock) < due_ms)
        return;
    warden_go_on(warden);
    warden->report.late_ms = clock_monotonic_ms(&warden->clock) - due_ms;
}

bool warden_take_stand(struct warden *warden, int status)
{
    if (!WIFSTOPPED(status) && !WIFCONTINUED(status))
        return false;
    warden->report.stands = WIFSTOPPED(status);
    return true;
}
