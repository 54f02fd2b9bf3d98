#include "accounting.h"

#include "behind.h"
#include "conclude.h"
#include "orchestrator/drivers/spawn.h"
#include "orchestrator/interventions/canary_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void accounting_path(const struct run *run, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(run->config, "run.artifacts_dir"), "run_logs/ledger_%s.json",
              run->run_id);
}

/* spawn: nothing of ours is inherited but what it writes to, and the lock of the run that is concluded behind the next one: whoever is at it
 * after we have died waits for what we had started. */
static int spawn(const char *const *arguments, const char *log_path, int lock, pid_t *out_pid)
{
    static const char *const environment[] = {"LANG=C", "TZ=UTC", NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    int code = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code
                : posix_spawn_file_actions_addopen(&files, 1, log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    code = code ? code : posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (lock >= 0)
        code = code ? code : posix_spawn_file_actions_adddup2(&files, lock, 3);
    code = code ? code : posix_spawn_file_actions_addclosefrom_np(&files, lock >= 0 ? 4 : 3);
    return spawn_program(arguments, environment, &files, code, 0, out_pid);
}

/* start: `words` are the program's name and its arguments, NULL-terminated. */
static enum status start(const struct run *run, const char **words, pid_t *out_pid, struct error *error)
{
    char program[PATH_BYTES], log_path[PATH_BYTES];
    path_join(program, run->program_folder, "%s", words[0]);
    path_join(log_path, config_text(run->config, "run.logs_dir"), "%s/%s_stderr.log", words[0], run->run_id);
    if (folder_make_for(log_path) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s: its folder cannot be made: %m", log_path);
    const char *name = words[0];
    words[0] = program;
    int code = spawn(words, log_path, *run->behind ? run->lock.descriptor : -1, out_pid);
    words[0] = name;
    return code ? error_set(error, STATUS_IO, "%s cannot be started: %s", program, strerror(code))
                : STATUS_OK;
}

/* wait_for: its exit code, -1 when it was killed, by us when it took too long. */
static int wait_for(pid_t pid, int64_t limit_ms)
{
    int status = 0;
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0u);
    struct pollfd ended = {.fd = descriptor, .events = POLLIN};
    if (descriptor < 0 || poll(&ended, 1, (int)limit_ms) <= 0)
        kill(pid, SIGKILL); /* not reaped yet, so the number is still this child's */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (descriptor >= 0)
        close(descriptor);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

pid_t accounting_start(const struct run *run, const char *event, const char **words)
{
    pid_t pid;
    struct error error;
    if (start(run, words, &pid, &error) == STATUS_OK)
        return pid;
    log_event(LOG_ERROR, event, "reason=\"%s\"", error.text);
    return 0;
}

/* perform: runs a program to its end; says how it ended. */
static void perform(const struct run *run, const char *event, const char **words)
{
    pid_t pid = accounting_start(run, event, words);
    if (!pid)
        return;
    int64_t limit_ms = conclude_limit_ms(run) / ACCOUNTING_SHARE; /* none of them outlives the conclusion */
    int code = wait_for(pid, limit_ms < ACCOUNTING_LIMIT_MS ? limit_ms : ACCOUNTING_LIMIT_MS);
    log_event(code == 0 ? LOG_INFO : LOG_ERROR, event, "exit_code=%d", code);
}

void accounting_make(const struct run *run)
{
    char path[PATH_BYTES], effective[PATH_BYTES];
    accounting_path(run, path);
    behind_effective_path(run, effective);
    unlink(path);
    const char *words[] = {"account", "--effective", effective, "--run-id", run->run_id, "--out", path, NULL};
    perform(run, "ledger", words);
}

void accounting_quality(const struct run *run)
{
    char effective[PATH_BYTES];
    behind_effective_path(run, effective);
    const char *words[] = {"validate", "--effective", effective, "--run-id", run->run_id, "--final", NULL};
    perform(run, "quality", words);
}

void accounting_canary(const struct run *run)
{
    char effective[PATH_BYTES], folder[PATH_BYTES];
    behind_effective_path(run, effective);
    canary_files_left_folder(run, folder);
    const char *words[] = {"evaluation",
                           "--live",
                           "--effective",
                           effective,
                           "--run-id",
                           run->run_id,
                           *run->behind ? "--out" : NULL, /* the folder of reports is the next run's */
                           folder,
                           NULL};
    perform(run, "canary", words);
}

/* report_again: `unlisted`: runtime/report.json is another run's already. */
static void report_again(const struct run *run, const char *what, bool unlisted)
{
    char effective[PATH_BYTES], given[PATH_BYTES];
    behind_effective_path(run, effective);
    behind_given_path(run, given);
    const char *words[] = {"report_again",
                           what,
                           "--effective",
                           effective,
                           "--run-id",
                           run->run_id,
                           "--given",
                           given,
                           "--quiet",
                           unlisted ? "--unlisted" : NULL,
                           NULL};
    perform(run, what, words);
}

void accounting_summary(const struct run *run)
{
    report_again(run, "summary", *run->behind);
}

void accounting_given(const struct run *run)
{
    report_again(run, "given", false);
}
