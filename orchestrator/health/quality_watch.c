#include "quality_watch.h"

#include "orchestrator/manifest/accounting.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { MINUTE_MS = 60000, REAP_MS = 1000 };

static int64_t interval_ms(const struct run *run)
{
    return config_wall_ms(run->config, (double)config_i64(run->config, "archive.quality_interval_s") * 1000);
}

/* watches: there is a market whose data are being written. A recording is judged as a whole. */
static bool watches(const struct run *run)
{
    return run->phase == PHASE_FEEDING && !run->recorded &&
           !conclusions_pending(run) && /* a day's report has no run in its name */
           config_i64(run->config, "archive.quality_interval_s") &&
           ((run->choice.enabled | run->choice.implied) & module_bit(MODULE_ARCHIVE));
}

/* begin: up to the last minute that archive has surely written. */
static void begin(struct run *run, int64_t now_ms)
{
    char from[24], to[24];
    int64_t event_ms = run_fed_event_ms(run);
    run->quality.due_ms = now_ms + interval_ms(run);
    if (event_ms <=
        run->quality.first_event_ms + 2 * (int64_t)MINUTE_MS) /* also when nobody tells one at present */
        return;
    snprintf(from, sizeof from, "%lld", (long long)run->quality.first_event_ms);
    snprintf(to, sizeof to, "%lld", (long long)(event_ms - 2 * (int64_t)MINUTE_MS));
    const char *words[] = {
        "validate", "--effective", RUN_EFFECTIVE_PATH, "--run-id", run->run_id, "--from", from, "--to",
        to,         NULL};
    run->quality.pid = accounting_start(run, "quality", words);
}

static void reap(struct run *run)
{
    int status = 0;
    pid_t got = waitpid(run->quality.pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    run->quality.pid = 0;
    int code = got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    feed_emit(&run->feed, code == 0 ? LOG_INFO : LOG_WARNING, "quality", "archive",
              FEED_FIELDS(NUMBER("exit_code", code)));
}

void quality_watch_step(struct run *run)
{
    struct quality_watch *watch = &run->quality;
    int64_t now_ms = run_now_ms(run);
    if (watch->pid)
        reap(run);
    if (!watches(run))
        return;
    if (!watch->first_event_ms && run_fed_event_ms(run) != FIELD_NULL_I64)
        watch->first_event_ms = run_fed_event_ms(run);
    if (!watch->due_ms)
        watch->due_ms = now_ms + interval_ms(run);
    if (watch->first_event_ms && !watch->pid && now_ms >= watch->due_ms)
        begin(run, now_ms);
}

int64_t quality_watch_due_ms(const struct run *run)
{
    if (run->quality.pid)
        return run_now_ms(run) + REAP_MS;
    return watches(run) && run->quality.due_ms ? run->quality.due_ms : NEVER_MS;
}

void quality_watch_end(struct run *run)
{
    if (!run->quality.pid)
        return;
    kill(run->quality.pid, SIGKILL);
    while (waitpid(run->quality.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    run->quality.pid = 0;
}
