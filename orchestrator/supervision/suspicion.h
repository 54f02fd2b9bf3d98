/* suspicion: whether a process that says nothing hangs, or had no chance to speak. Pure: what is seen of it comes in.
 *
 *   last heartbeat ───── half the timeout ───── timeout ──▶
 *                        looked at once          hung, unless …
 *
 * … in the second half it waited for a processor, or the orchestrator did, whose business it is to hear it: such time is not held
 * against it, nor time in which it waited for a disk. So one that hangs is found when the timeout is over, and one that is kept
 * waiting is given as long again as it waited. A wait for a processor that is not over yet is in no figure of the kernel's: it shows
 * in a thread that is ready to run while the process has hardly run since it was first looked at. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct suspicion {
    int64_t since_ms;             /* 0: none */
    int64_t starved_ns, known_ns; /* as they were then */
    int64_t due_ms;               /* when to look again */
};

/* suspicion_look: what is seen now. starved_ns: how long threads of both have waited for a processor in all; known_ns: how long its own
 * have had one, or have waited for one and are told to have; runnable: one of its own wants one now. */
struct suspicion_look {
    int64_t now_ms, heard_ms, timeout_ms;
    int64_t starved_ns, known_ns;
    bool runnable, waits_for_disk;
};

/* suspicion_step: true when it hangs. To be asked when suspicion_due_ms has come, and every unread heartbeat has been read. */
bool suspicion_step(struct suspicion *suspicion, const struct suspicion_look *look);

/* suspicion_due_ms: `heard_ms`: its last heartbeat. */
int64_t suspicion_due_ms(const struct suspicion *suspicion, int64_t heard_ms, int64_t timeout_ms);
