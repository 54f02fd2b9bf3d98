/* The process that concludes a run which was left behind: the run is made once more from what it left, and concluded like any other. */
#include "behind.h"
#include "conclude.h"

#include "base/crash_point.h"
#include "base/exits.h"
#include "orchestrator/plan/resolve.h"
#include "orchestrator/supervision/adopt.h"
#include "orchestrator/supervision/record.h"
#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { YIELDS = 10, LOOK_MS = 1000 };

/* write_for_programs: they find what the run kept in the folder of states where it lies now. */
static enum status write_for_programs(const struct run *run, const char *from, struct error *error)
{
    char path[PATH_BYTES];
    struct config *config = adopt_config(from);
    enum status status = config ? config_set(config, "run.state_dir", run->behind, ORIGIN_CLI, error)
                                : error_set(error, STATUS_MALFORMED, "%s cannot be used", from);
    behind_effective_path(run, path);
    status = status == STATUS_OK ? resolve_write(config, path, error) : status;
    config_destroy(config);
    return status;
}

/* take_options: configuration and command line, as they were. */
static enum status take_options(struct run *run, struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, run->behind, "orchestrator.state");
    enum status status = record_read(path, &run->left);
    if (status != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "%s cannot be read: damaged, or of another build", path);
    path_join(path, run->behind, "effective_config.json");
    struct config *config = adopt_config(path);
    if (!config)
        return error_set(error, STATUS_MALFORMED, "%s cannot be used", path);
    status = adopt_options(run, config, error);
    return status == STATUS_OK ? write_for_programs(run, path, error) : status;
}

static enum status take_plan(struct run *run, struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, run->behind, "plan.json");
    return run->venue_resolved ? plan_read(path, &run->plan, error) : STATUS_OK;
}

static enum status restore(struct run *run, struct error *error)
{
    enum status status = take_options(run, error);
    if (status != STATUS_OK)
        return status;
    run_take_config(run);
    status = resolve_modules(run->config, &run->choice, error);
    if (status != STATUS_OK)
        return status;
    run_processes_make(run);
    log_configure("orchestrator", run->run_id, LOG_INFO);
    status = own_log_open(&run->own_log, run->config, error);
    if (status == STATUS_OK && record_restore(&run->left, run) != STATUS_OK)
        status = error_set(error, STATUS_MALFORMED, "%s does not belong together", run->behind);
    status = status == STATUS_OK ? take_plan(run, error) : status;
    status = status == STATUS_OK ? run_watch_open(run, error) : status;
    if (status == STATUS_OK)
        canary_watch_open(run);
    return status;
}

/* make_whole: a report that was killed has left what it wrote last in SQLite's log beside the database; whoever only reads leaves it there. */
static void make_whole(const char *path)
{
    struct database *database = NULL;
    struct error error = {{0}};
    if (database_open(path, DATABASE_WRITE, &database, &error) != STATUS_OK)
        log_event(LOG_WARNING, "read_error", "reason=\"%s\"", error.text); /* then the log goes with it */
    database_close(database);
}

/* move_aside: the database goes where it would be had report found that it is another run's; a log that is still there first, as a database
 * with somebody else's is damaged. */
static void move_aside(const struct run *run)
{
    static const char *const ENDINGS[] = {"-shm", "-wal", ""};
    char from[PATH_BYTES], to[PATH_BYTES];
    path_join(from, run->behind, "report.db");
    if (!file_exists(from))
        return; /* a run without report, or one whose last attempt came as far as this */
    make_whole(from);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        path_join(from, run->behind, "report.db%s", ENDINGS[i]);
        path_join(to, config_text(run->config, "run.state_dir"), "report.db.aside%s", ENDINGS[i]);
        if (rename(from, to) != 0 && errno == ENOENT)
            unlink(to);
    }
}

/* take_away: the run is concluded. */
static void take_away(const struct run *run)
{
    char to[PATH_BYTES];
    move_aside(run);
    crash_point("taking_away");
    path_join(to, config_text(run->config, "run.state_dir"), BEHIND_FOLDER "/.%s.old", run->run_id);
    enum status status = folder_remove(to);
    if (status == STATUS_OK && rename(run->behind, to) == 0)
        status = folder_remove(to);
    if (status != STATUS_OK || file_exists(run->behind))
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", run->behind);
}

static int conclude(struct run *run)
{
    struct concluding *concluding = conclude_start(run);
    struct epoll_event event;
    while (!conclude_done(run, concluding))
        if (epoll_wait(run->epoll_descriptor, &event, 1, LOOK_MS) < 0)
            continue;
    return conclude_finish(run, concluding);
}

static int conclude_restored(struct run *run)
{
    struct behind_verdict verdict = {.exit_code = EXIT_REFUSED};
    int code = EXIT_REFUSED;
    if (behind_verdict_read(run, run->run_id, &verdict)) {
        code = verdict.exit_code; /* whoever was at it before has died behind it */
    } else {
        run->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
        code = conclude(run);
        crash_point("concluded");
    }
    if (code != EXIT_REFUSED || run->unconcluded)
        take_away(run);
    return code;
}

int behind_conclude(const struct options *options)
{
    struct run *run = run_create(options);
    struct error error = {{0}};
    char path[PATH_BYTES];
    snprintf(run->behind, sizeof run->behind, "%s", options->conclude);
    path_join(path, run->behind, "lock");
    setpriority(PRIO_PROCESS, 0, YIELDS); /* the run that goes on comes first */
    enum status status = file_exists(run->behind)
                             ? lock_take(path, &run->lock, &error)
                             : error_set(&error, STATUS_NOT_FOUND, "%s is not there", run->behind);
    if (status == STATUS_OK)
        status = lock_name(&run->lock, options->conclude, run->started_wall_ms, &error);
    status = status == STATUS_OK ? restore(run, &error) : status;
    if (status != STATUS_OK)
        fprintf(stderr, "orchestrator: %s\n", error.text);
    int code = status == STATUS_OK ? conclude_restored(run) : EXIT_REFUSED;
    fflush(NULL);
    _exit(code); /* what has been left to a thread must not be taken from it */
}
