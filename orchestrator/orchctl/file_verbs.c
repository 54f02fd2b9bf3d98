/* manifest and logs: files of the run, also after it. */
#include "base/file.h"
#include "place.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static int print_file(const char *path)
{
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK)
        fwrite(text.data, 1, text.length, stdout);
    buffer_finish(&text);
    return status == STATUS_OK ? EXIT_FINE
                               : complain(EXIT_REFUSED, "%s cannot be read (%s)", path, status_name(status));
}

int verb_manifest(const struct invocation *invocation)
{
    (void)invocation;
    struct config *config;
    struct error error;
    char path[PATH_BYTES];
    if (place_config(&config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    path_join(path, config_text(config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              config_text(config, "run.run_id"));
    bool run_known = *config_text(config, "run.run_id");
    config_destroy(config);
    return run_known ? print_file(path) : complain(EXIT_REFUSED, "no run has been started in this folder");
}

static void log_path(const struct config *config, const char *name, bool standard_output,
                     char out_path[PATH_BYTES])
{
    const char *folder = config_text(config, "run.logs_dir");
    if (strcmp(name, "orchestrator") == 0)
        path_join(out_path, folder, "orchestrator/orchestrator.log");
    else
        path_join(out_path, folder, "%s/%s_%s.log", name, config_text(config, "run.run_id"),
                  standard_output ? "stdout" : "stderr");
}

/* copy_new: what has been appended since; false when standard output is gone. */
static bool copy_new(int descriptor)
{
    char block[16384];
    ssize_t got;
    while ((got = read(descriptor, block, sizeof block)) > 0)
        if (file_write_all(1, block, (size_t)got) != STATUS_OK)
            return false;
    return true;
}

/* follow: the kernel says when the file has grown. */
static int follow(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC), watch = inotify_init1(IN_CLOEXEC);
    if (file < 0 || watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0) {
        int reason = errno;
        if (file >= 0)
            close(file);
        if (watch >= 0)
            close(watch);
        return complain(EXIT_REFUSED, "%s cannot be followed: %s", path, strerror(reason));
    }
    char events[4096];
    while (copy_new(file) && read(watch, events, sizeof events) > 0)
        ;
    close(file);
    close(watch);
    return EXIT_FINE;
}

int verb_logs(const struct invocation *invocation)
{
    struct config *config;
    struct error error;
    char path[PATH_BYTES];
    if (strchr(invocation->words[0], '/'))
        return complain(EXIT_WRONG_USE, "logs: '%s' is not the name of a process", invocation->words[0]);
    if (place_config(&config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    log_path(config, invocation->words[0], invocation_value(invocation, "--stdout") != NULL, path);
    config_destroy(config);
    if (!file_exists(path))
        return complain(EXIT_REFUSED, "%s has no log here: %s does not exist", invocation->words[0], path);
    return invocation_value(invocation, "-f") ? follow(path) : print_file(path);
}
