/* Silence of a process: looked into, and when it hangs, told, with what /proc knows about it, and ended. */
#include "base/file.h"
#include "orchestrator/run.h"

#include <stdio.h>
#include <unistd.h>

enum { HANG_EVIDENCE_BYTES = 64 * 1024 };

static void evidence_add(struct buffer *out, pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    buffer_format(out, "== %s\n", path);
    if (file_read(path, out) != STATUS_OK)
        buffer_append_text(out, "(not readable)");
    buffer_append_text(out, "\n");
}

/* hang_evidence: what /proc knows about a process that is about to be killed. */
static void hang_evidence(const struct run *run, const struct process *process)
{
    static const char *const FILES[] = {"status", "stat", "wchan", "syscall", "schedstat", "stack"};
    char path[PATH_BYTES];
    struct buffer text;
    buffer_init(&text, HANG_EVIDENCE_BYTES);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        evidence_add(&text, process->child.pid, FILES[i]);
    path_join(path, config_text(run->config, "run.logs_dir"), "%s/%s_hang_%lld.txt", process->name,
              run->run_id, (long long)process->supervisor.generation);
    if (file_replace(path, text.data, text.length, false) != STATUS_OK)
        log_event(LOG_WARNING, "write_error", "file=%s", path);
    buffer_finish(&text);
}

/* heard: one that is heard of at all, and whose silence means something. */
static bool heard(const struct process *process)
{
    return process_state_up(process->supervisor.state) && !process->paused && process->module->beats;
}

static int64_t timeout_ms(const struct run *run)
{
    return config_i64(run->config, "health.heartbeat_timeout_ms");
}

int64_t hang_due_ms(const struct run *run, const struct process *process)
{
    if (heard(process) && !run->driver->shows_pids)
        return process->telemetry.received_ms + timeout_ms(run);
    return heard(process)
               ? suspicion_due_ms(&process->suspicion, process->telemetry.received_ms, timeout_ms(run))
               : NEVER_MS;
}

/* is_suspect: of one whose pid means nothing here (another container, another machine) silence is all there is to see. */
static bool is_suspect(const struct run *run, struct process *process, int64_t now_ms)
{
    char run_state = 0;
    if (now_ms < hang_due_ms(run, process))
        return false;
    if (!run->driver->shows_pids)
        return true;
    if (!(run_state = driver_run_state(process->child.pid)))
        return false;
    struct driver_threads its = driver_threads_read(process->child.pid);
    struct suspicion_look look = {.now_ms = now_ms,
                                  .heard_ms = process->telemetry.received_ms,
                                  .timeout_ms = timeout_ms(run),
                                  .starved_ns = its.starved_ns + driver_threads_read(getpid()).starved_ns,
                                  .known_ns = its.ran_ns + its.starved_ns,
                                  .runnable = its.runnable,
                                  .waits_for_disk = run_state == 'D'};
    return suspicion_step(&process->suspicion, &look);
}

bool hang_check(struct run *run, struct process *process)
{
    int64_t now_ms = run_now_ms(run);
    if (!is_suspect(run, process, now_ms))
        return false;
    int64_t silent_ms = now_ms - process->telemetry.received_ms;
    feed_emit(&run->feed, LOG_ERROR, "Hung", process->name,
              FEED_FIELDS(NUMBER("pid", process->child.pid), NUMBER("silent_ms", silent_ms)));
    console_say(&run->console, "%s hangs: no heartbeat for %lld ms; killed", process->name,
                (long long)silent_ms);
    if (run->driver->shows_pids)
        hang_evidence(run, process);
    return true;
}
