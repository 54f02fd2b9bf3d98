/* posix: what the daemons' objects ask of the kernel and of the C library, answered by the simulation.
 *
 * The linker sends the calls here (--wrap, see CMakeLists.txt): threads, locks and conditions become fibers, the clocks show
 * simulated time, eventfd and signalfd are numbers of ours, and whatever changes a file passes a fault point before and
 * after. Files are real. Called outside a daemon's fiber everything is the real thing. */
#pragma once

#include "tests/simulation/process.h"

/* posix_close_all: descriptors of a process that is gone. */
void posix_close_all(const struct process *process);

/* posix_is_readable: an eventfd that was written to, a signalfd with TERM pending. */
bool posix_is_readable(int descriptor);

/* posix_refuses: the running daemon's disk takes nothing just now; errno says so. */
bool posix_refuses(void);

/* posix_set_wall: what the wall clock shows when the simulated monotonic clock shows 0. */
void posix_set_wall(int64_t start_ns);
