/* logs: of a process or of the orchestrator, also after the run. A log is several files: <name> is the newest, <name>.1 the one
 * before it, and so on (keeper/log.h); they are printed as one, oldest first, and followed from one to the next. */
#include "base/file.h"
#include "log_line.h"
#include "place.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OLDER_MAX = 1000, LINE_BYTES_MAX = 65536 };

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

/* name_of: the n-th older file; 0 is the newest. */
static const char *name_of(const char *path, int number, char out_name[PATH_BYTES + 16])
{
    snprintf(out_name, PATH_BYTES + 16, number ? "%s.%d" : "%s", path, number);
    return out_name;
}

/* printer: what has been read goes to standard output, as it is or line by line as JSON. */
struct printer {
    bool as_json;
    struct buffer begun; /* a line whose end has not come yet */
    struct buffer out;
};

static void take_line(struct printer *printer)
{
    log_line_json(buffer_text(&printer->begun), printer->begun.length, &printer->out);
    buffer_clear(&printer->begun);
}

/* take_lines: the whole lines of a block. One that is longer than LINE_BYTES_MAX is cut. */
static void take_lines(struct printer *printer, const char *block, size_t bytes)
{
    while (bytes) {
        const char *end = memchr(block, '\n', bytes);
        size_t part = end ? (size_t)(end - block) : bytes;
        buffer_append(&printer->begun, block, part);
        if (end || printer->begun.length > LINE_BYTES_MAX)
            take_line(printer);
        part += end != NULL;
        block += part;
        bytes -= part;
    }
}

/* print_block: false when standard output is gone. */
static bool print_block(struct printer *printer, const char *block, size_t bytes)
{
    if (!printer->as_json)
        return file_write_all(STDOUT_FILENO, block, bytes) == STATUS_OK;
    buffer_clear(&printer->out);
    take_lines(printer, block, bytes);
    return file_write_all(STDOUT_FILENO, printer->out.data, printer->out.length) == STATUS_OK;
}

/* print_rest: a last line that has no end. */
static void print_rest(struct printer *printer)
{
    if (printer->begun.length)
        print_block(printer, "\n", 1);
    buffer_finish(&printer->begun);
    buffer_finish(&printer->out);
}

/* copy_new: what has been appended since; false when standard output is gone. */
static bool copy_new(int file, struct printer *printer)
{
    char block[16384];
    ssize_t got;
    while ((got = read(file, block, sizeof block)) > 0)
        if (!print_block(printer, block, (size_t)got))
            return false;
    return true;
}

/* print_older: all but the newest. */
static bool print_older(const char *path, struct printer *printer)
{
    char name[PATH_BYTES + 16];
    int count = 0;
    bool listened_to = true;
    while (count < OLDER_MAX && file_exists(name_of(path, count + 1, name)))
        count++;
    for (int number = count; listened_to && number > 0; number--) {
        int file = open(name_of(path, number, name), O_RDONLY | O_CLOEXEC);
        listened_to = file < 0 || copy_new(file, printer);
        if (file >= 0)
            close(file);
    }
    return listened_to;
}

/* place_of: which of the files this is now: 0 the newest, -1: none of them any more. */
static int place_of(int file, const char *path)
{
    char name[PATH_BYTES + 16];
    struct stat own, there;
    if (fstat(file, &own) != 0)
        return -1;
    for (int number = 0; number <= OLDER_MAX; number++) {
        bool found = stat(name_of(path, number, name), &there) == 0;
        if (found && there.st_ino == own.st_ino && there.st_dev == own.st_dev)
            return number;
        if (!found && number > 1)
            break;
    }
    return -1;
}

/* go_on: to the newest file, through all between; false when standard output is gone. A file that has been turned over is
 * complete. One that is gone was overtaken: more was written than is kept. */
static bool go_on(int *file, const char *path, struct printer *printer)
{
    char name[PATH_BYTES + 16];
    bool listened_to = copy_new(*file, printer);
    int place;
    while (listened_to && (place = place_of(*file, path)) != 0) {
        listened_to = copy_new(*file, printer);
        int next = open(name_of(path, place > 0 ? place - 1 : 0, name), O_RDONLY | O_CLOEXEC);
        if (next < 0)
            break; /* just being turned over: there will be news */
        close(*file);
        *file = next;
        listened_to = listened_to && copy_new(*file, printer);
    }
    return listened_to;
}

/* follow: the kernel says when something in the folder has changed. */
static int follow(const char *path, struct printer *printer)
{
    char folder[PATH_BYTES], events[4096];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    int file = open(path, O_RDONLY | O_CLOEXEC), watch = inotify_init1(IN_CLOEXEC);
    if (file < 0 || watch < 0 || inotify_add_watch(watch, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
        int reason = errno;
        if (file >= 0)
            close(file);
        if (watch >= 0)
            close(watch);
        return complain(EXIT_REFUSED, "%s cannot be followed: %s", path, strerror(reason));
    }
    while (go_on(&file, path, printer) && read(watch, events, sizeof events) > 0)
        ;
    close(file);
    close(watch);
    return EXIT_FINE;
}

static int print(const char *path, struct printer *printer)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return complain(EXIT_REFUSED, "%s cannot be read: %s", path, strerror(errno));
    copy_new(file, printer);
    close(file);
    return EXIT_FINE;
}

int verb_logs(const struct invocation *invocation)
{
    struct config *config;
    struct error error;
    char path[PATH_BYTES], run_id[RUN_ID_BYTES];
    if (strchr(invocation->words[0], '/'))
        return complain(EXIT_WRONG_USE, "logs: '%s' is not the name of a process", invocation->words[0]);
    if (place_run(NULL, run_id, &config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    log_path(config, invocation->words[0], invocation_value(invocation, "--stdout") != NULL, path);
    config_destroy(config);
    if (!file_exists(path))
        return complain(EXIT_REFUSED, "%s has no log here: %s does not exist", invocation->words[0], path);
    struct printer printer = {.as_json = invocation->json};
    int code = EXIT_FINE;
    if (print_older(path, &printer))
        code = invocation_value(invocation, "-f") ? follow(path, &printer) : print(path, &printer);
    print_rest(&printer);
    return code;
}
