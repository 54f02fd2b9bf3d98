/* logs: of a process or of the orchestrator, also after the run. A log is several files: <name> is the newest, <name>.1 the one
 * before it, and so on (keeper/log.h); they are printed as one, oldest first, and followed from one to the next. */
#include "base/file.h"
#include "base/memory.h"
#include "config/plan.h"
#include "log_line.h"
#include "place.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
    const char *name;    /* whose log this is; NULL: there is only one */
    const char **told;   /* whose was printed last, of several */
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
    if (!printer->as_json && printer->name && *printer->told != printer->name) {
        printf("%s==> %s <==\n", *printer->told ? "\n" : "", printer->name);
        fflush(stdout);
        *printer->told = printer->name;
    }
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

/* source: the log of one process. */
struct source {
    char name[PLAN_NAME_BYTES], path[PATH_BYTES];
    struct printer printer;
    int file;
};

struct sources {
    struct source *items;
    size_t count;
    const char *told;
};

/* sources_find: the logs of those that a name means: of one instance, or of all instances of a service. */
static void sources_find(struct sources *sources, const struct config *config,
                         const struct invocation *invocation)
{
    const char *name = invocation->words[0], *dot = strchr(name, '.');
    char service[PLAN_NAME_BYTES];
    snprintf(service, sizeof service, "%.*s", (int)(dot ? dot - name : (ptrdiff_t)strlen(name)), name);
    sources->items = memory_allocate(PLAN_INSTANCES_MAX * sizeof *sources->items);
    for (size_t number = 1; number <= PLAN_INSTANCES_MAX; number++) {
        struct source *source = &sources->items[sources->count];
        if (dot && plan_instance_number(service, name) != number)
            continue;
        *source = (struct source){.file = -1, .printer = {.as_json = invocation->json}};
        plan_instance_name(service, number, source->name);
        log_path(config, source->name, invocation_value(invocation, "--stdout") != NULL, source->path);
        sources->count += file_exists(source->path);
    }
    for (size_t i = 0; sources->count > 1 && i < sources->count; i++) {
        sources->items[i].printer.name = sources->items[i].name;
        sources->items[i].printer.told = &sources->told;
    }
}

static void sources_finish(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        print_rest(&sources->items[i].printer);
        if (sources->items[i].file >= 0)
            close(sources->items[i].file);
    }
    free(sources->items);
}

/* watch: -1: it cannot be followed; errno says why. */
static int watch(struct source *source, int notify)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(source->path, '/') - source->path), source->path);
    source->file = open(source->path, O_RDONLY | O_CLOEXEC);
    if (source->file < 0)
        return -1;
    return inotify_add_watch(notify, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
}

static bool go_on_all(struct sources *sources)
{
    bool listened_to = true;
    for (size_t i = 0; listened_to && i < sources->count; i++)
        listened_to = go_on(&sources->items[i].file, sources->items[i].path, &sources->items[i].printer);
    return listened_to;
}

/* follow: the kernel says when something in the folders has changed. */
static int follow(struct sources *sources)
{
    char events[4096];
    int notify = inotify_init1(IN_CLOEXEC), code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < sources->count; i++)
        if (watch(&sources->items[i], notify) < 0)
            code =
                complain(EXIT_REFUSED, "%s cannot be followed: %s", sources->items[i].path, strerror(errno));
    while (code == EXIT_FINE && go_on_all(sources) && read(notify, events, sizeof events) > 0)
        ;
    if (notify >= 0)
        close(notify);
    return code;
}

static int print(struct source *source)
{
    source->file = open(source->path, O_RDONLY | O_CLOEXEC);
    if (source->file < 0)
        return complain(EXIT_REFUSED, "%s cannot be read: %s", source->path, strerror(errno));
    copy_new(source->file, &source->printer);
    return EXIT_FINE;
}

static int print_all(struct sources *sources, bool follows)
{
    int code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < sources->count; i++) {
        struct source *source = &sources->items[i];
        if (!print_older(source->path, &source->printer))
            return EXIT_FINE;
        code = follows ? EXIT_FINE : print(source);
    }
    return code == EXIT_FINE && follows ? follow(sources) : code;
}

int verb_logs(const struct invocation *invocation)
{
    struct config *config;
    struct error error;
    struct sources sources = {0};
    char path[PATH_BYTES], run_id[RUN_ID_BYTES];
    const char *name = invocation->words[0];
    if (strchr(name, '/'))
        return complain(EXIT_WRONG_USE, "logs: '%s' is not the name of a process", name);
    if (place_run(NULL, run_id, &config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    sources_find(&sources, config, invocation);
    log_path(config, name, invocation_value(invocation, "--stdout") != NULL, path);
    config_destroy(config);
    int code = sources.count ? print_all(&sources, invocation_value(invocation, "-f") != NULL)
                             : complain(EXIT_REFUSED, "%s has no log here: %s does not exist", name, path);
    sources_finish(&sources);
    return code;
}
