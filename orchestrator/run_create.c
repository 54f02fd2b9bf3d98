/* A run before anything is known of it. */
#include "base/memory.h"
#include "injury/lease.h"
#include "run.h"
#include "supervision/record.h"

#include <string.h>

/* program_folder_find: beside the orchestrator (build tree), or in libexec (installed). */
static void program_folder_find(char out_folder[PATH_BYTES])
{
    char own[PATH_BYTES], beside[PATH_BYTES];
    process_folder(own);
    path_join(beside, own, "harvest");
    if (file_exists(beside))
        memcpy(out_folder, own, sizeof own);
    else
        path_join(out_folder, own, "../libexec/orderflow");
}

struct run *run_create(const struct options *options)
{
    struct run *run = memory_allocate(sizeof *run);
    run->clock = clock_system();
    run->injuries = injury_table_create();
    run->options = options;
    run->driver = &process_driver;
    run->epoll_descriptor = run->signal_descriptor = run->lock.descriptor = run->own_log.descriptor = -1;
    run->started_ms = clock_monotonic_ms(&run->clock);
    run->started_wall_ms = clock_wall_ms(&run->clock);
    run->end_due_ms = NEVER_MS;
    random_seed(&run->random, (uint64_t)clock_monotonic_ns(&run->clock));
    console_init(&run->console, &run->clock);
    feed_init(&run->feed, &run->clock);
    control_init(&run->control);
    program_folder_find(run->program_folder);
    record_boot_id(run->boot_id);
    buffer_init(&run->recorded_last, 0);
    buffer_init(&run->recording, 0);
    return run;
}
