#include "conclusions.h"

#include "behind.h"
#include "orchestrator/drivers/spawn.h"
#include "orchestrator/supervision/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS_MAX = 60000 };

extern char **environ;

static const char *present(const struct run *run)
{
    return run->conclusions.runs[run->conclusions.done];
}

/* --- which there are --- */

static int by_name(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void add(struct conclusions *all, const char *name)
{
    bool fits = all->count < CONCLUSIONS_MAX && strlen(name) < ROLLBACK_RUN_BYTES;
    for (size_t i = 0; fits && i < all->count; i++)
        fits = strcmp(all->runs[i], name) != 0;
    if (fits)
        snprintf(all->runs[all->count++], ROLLBACK_RUN_BYTES, "%s", name);
}

/* take_untold: those that whoever was here before had not told of the end of; they may have come to it meanwhile. Who is at one of them is a
 * child of ours when that was the run before this one: then it was this very process. */
static void take_untold(struct run *run)
{
    struct conclusions before;
    int status;
    if (!record_conclusions(&run->left, &before))
        return;
    for (size_t i = before.done; i < before.count; i++)
        if (strcmp(before.runs[i], run->run_id) != 0)
            add(&run->conclusions, before.runs[i]);
    pid_t got = before.pid > 0 ? waitpid(before.pid, &status, WNOHANG) : -1;
    if (got >= 0) /* also of a dead one: what it has left may be ours to ask for */
        concluder_began(&run->conclusions.concluder, before.pid);
    if (got == 0)
        run->conclusions.pid = before.pid;
}

/* forget: one of this run's own name: that begins anew, and what was left of it with it. */
static void forget(struct run *run, const char *folder)
{
    enum status status = folder_remove(folder);
    feed_emit(
        &run->feed, LOG_WARNING, "conclusion_dropped", "",
        FEED_FIELDS(TEXT("run", run->run_id), TEXT("reason", status == STATUS_OK ? "" : "write_error")));
    console_say(&run->console,
                "an earlier run %s was never concluded, and is not any more: this run has its name",
                run->run_id);
}

void conclusions_open(struct run *run)
{
    struct conclusions *all = &run->conclusions;
    char path[PATH_BYTES];
    *all = (struct conclusions){0};
    behind_folder(run, run->run_id, path);
    if (!run->adopted &&
        file_exists(path)) /* of one that goes on it is its own, and all there is of its report */
        forget(run, path);
    take_untold(run);
    path_join(path, config_text(run->config, "run.state_dir"), BEHIND_FOLDER);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, run->run_id) != 0)
            add(all, entry->d_name);
    if (folder)
        closedir(folder);
    qsort(all->runs, all->count, sizeof all->runs[0], by_name);
}

enum status conclusions_name_free(const struct run *run, struct error *error)
{
    char folder[PATH_BYTES], lock[PATH_BYTES];
    behind_folder(run, run->run_id, folder);
    path_join(lock, folder, "lock");
    if (!file_lock_held(lock))
        return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "run %s is still being concluded: wait until %s is gone, or use another --run-id",
                     run->run_id, folder);
}

bool conclusions_pending(const struct run *run)
{
    return run->conclusions.done < run->conclusions.count;
}

/* --- one --- */

static int spawn(const struct run *run, const char *folder, pid_t *out_pid)
{
    char own[PATH_BYTES], program[PATH_BYTES], log_path[PATH_BYTES];
    posix_spawn_file_actions_t files;
    process_folder(own);
    path_join(program, own, "orchestrator");
    path_join(log_path, config_text(run->config, "run.logs_dir"), "orchestrator/%s_conclusion.log",
              present(run));
    const char *words[] = {program, "--conclude", folder, NULL};
    posix_spawn_file_actions_init(&files);
    int code = folder_make_for(log_path) == STATUS_OK ? 0 : errno;
    code = code ? code : posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code
                : posix_spawn_file_actions_addopen(&files, 1, log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    code = code ? code : posix_spawn_file_actions_adddup2(&files, 1, 2);
    code = code ? code : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    /* A session of its own: what a terminal says to us is not meant for it. */
    return spawn_program(words, (const char *const *)environ, &files, code, POSIX_SPAWN_SETSID, out_pid);
}

static void begin(struct run *run, const char *folder)
{
    struct conclusions *all = &run->conclusions;
    int code = spawn(run, folder, &all->pid);
    all->attempts++;
    all->began_ms = all->due_ms = run_now_ms(run); /* to be watched from now on */
    all->pid = code ? 0 : all->pid;
    concluder_began(&all->concluder, all->pid);
    feed_emit(&run->feed, code ? LOG_ERROR : LOG_INFO, "concluding", "",
              FEED_FIELDS(TEXT("run", present(run)), NUMBER("attempt", all->attempts),
                          TEXT("reason", code ? strerror(code) : "")));
}

/* tell: that it is over, and how; `given_up`: why it is not tried again, NULL: it is concluded, or has no verdict. */
static void tell(struct run *run, const char *given_up)
{
    struct behind_verdict verdict;
    char text[ERROR_TEXT_BYTES];
    bool is_final = behind_verdict_read(run, present(run), &verdict);
    if (is_final)
        snprintf(text, sizeof text, "verdict %s, exit code %d%s%.256s", verdict.overall, verdict.exit_code,
                 *verdict.reason ? ": " : "", verdict.reason);
    else
        snprintf(text, sizeof text, "%s%.700s%s", given_up ? "not concluded: " : "",
                 given_up ? given_up : verdict.reason, given_up ? "; the next start tries again" : "");
    feed_emit(&run->feed, is_final ? LOG_INFO : LOG_ERROR, "concluded", "",
              FEED_FIELDS(TEXT("run", present(run)), TEXT("verdict", verdict.overall),
                          NUMBER("exit_code", verdict.exit_code),
                          TEXT("reason", is_final ? verdict.reason : text)));
    console_say(&run->console, "run %s, before this one, is concluded: %s", present(run), text);
    rolling_back_concluded(run, present(run), text, verdict.exit_code);
}

static void next(struct run *run, const char *given_up)
{
    struct conclusions *all = &run->conclusions;
    tell(run, given_up);
    concluder_forget(&all->concluder);
    all->pid = 0;
    all->done++;
    all->attempts = 0;
    all->due_ms = run_now_ms(run);
}

/* rested_ms: what went wrong, a full disk say, is given time to pass; but nobody who ends waits for that. */
static int64_t rested_ms(const struct run *run)
{
    static const int64_t REST_MS[CONCLUSION_ATTEMPTS] = {0, 500, 30000};
    const struct conclusions *all = &run->conclusions;
    return run->phase == PHASE_FEEDING ? all->began_ms + REST_MS[all->attempts] : all->began_ms;
}

/* look_at_worker: somebody is at it; when to look again. */
static void look_at_worker(struct run *run)
{
    struct conclusions *all = &run->conclusions;
    all->pid = all->concluder.pid;
    if (concluder_press(run, &all->concluder, present(run)) == CONCLUDER_STUCK)
        next(run, "whoever is at it cannot be ended");
    else
        all->due_ms = concluder_due_ms(run, &all->concluder);
}

static void look(struct run *run)
{
    struct conclusions *all = &run->conclusions;
    char folder[PATH_BYTES];
    behind_folder(run, present(run), folder);
    if (concluder_works(run, &all->concluder, folder)) {
        look_at_worker(run);
        return;
    }
    all->pid = 0;
    if (!file_exists(folder))
        next(run, NULL);
    else if (all->attempts >= CONCLUSION_ATTEMPTS)
        next(run, "it was tried three times, see its conclusion.log");
    else if (run_now_ms(run) < rested_ms(run))
        all->due_ms = rested_ms(run);
    else
        begin(run, folder);
}

/* --- time --- */

/* may_begin: what the new run needs to come up is not taken from it. */
static bool may_begin(const struct run *run)
{
    return conclusions_pending(run) && (run->phase >= PHASE_FEEDING || run->conclusions.pid);
}

void conclusions_step(struct run *run)
{
    while (may_begin(run) && run_now_ms(run) >= run->conclusions.due_ms)
        look(run);
}

int64_t conclusions_due_ms(const struct run *run)
{
    return may_begin(run) ? run->conclusions.due_ms : NEVER_MS;
}

void conclusions_wake(struct run *run)
{
    run->conclusions.due_ms = run_now_ms(run);
}

void conclusions_close(struct run *run)
{
    concluder_close(&run->conclusions.concluder);
}

/* wait_for_news: of whoever is at it, or until it is time to look. */
static void wait_for_news(struct run *run)
{
    const struct conclusions *all = &run->conclusions;
    struct pollfd ended = {.fd = all->concluder.is_open ? all->concluder.epoll_descriptor : -1,
                           .events = POLLIN};
    int64_t left_ms = all->due_ms - run_now_ms(run);
    left_ms = left_ms < 0 ? 0 : left_ms > WAIT_MS_MAX ? WAIT_MS_MAX : left_ms;
    if (poll(&ended, 1, (int)left_ms) > 0)
        conclusions_wake(run);
}

void conclusions_finish(struct run *run)
{
    while (conclusions_pending(run)) {
        if (run_now_ms(run) >= run->conclusions.due_ms)
            look(run);
        else
            wait_for_news(run);
    }
}

void conclusions_json(const struct run *run, struct json *json)
{
    json_array_begin(json);
    for (size_t i = run->conclusions.done; i < run->conclusions.count; i++)
        json_text(json, run->conclusions.runs[i]);
    json_array_end(json);
}
