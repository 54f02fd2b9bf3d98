/* What /proc says about a process. */
#include "driver.h"

#include "base/buffer.h"
#include "base/file.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROC_BYTES_MAX = 8192, RUN_STATE_FIELD = 3, USER_TICKS_FIELD = 14, RSS_PAGES_FIELD = 24 };

/* proc_text: the text of /proc/<pid>/<name>, "" when it cannot be read. */
static void proc_text(pid_t pid, const char *name, char *out_text, size_t size)
{
    char path[NAME_MAX + 64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    struct buffer text;
    buffer_init(&text, PROC_BYTES_MAX);
    out_text[0] = 0;
    enum status status = file_read(path, &text);
    if (status == STATUS_OK || status == STATUS_LIMIT)
        snprintf(out_text, size, "%s", buffer_text(&text));
    buffer_finish(&text);
}

/* stat_field: the n-th field of /proc/<pid>/stat, counted as proc(5) does; the name in field 2 may hold
 * blanks. */
static const char *stat_field(const char *stat_text, int number)
{
    const char *at = strrchr(stat_text, ')');
    for (int field = 2; at && field < number; field++) {
        at = strchr(at, ' ');
        if (at)
            at++;
    }
    return at ? at : "";
}

static int64_t open_files_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int64_t count = -2; /* "." and ".." */
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* peak_mb: VmHWM of /proc/<pid>/status, 0 for one without memory. */
static double peak_mb(pid_t pid)
{
    char text[2048];
    proc_text(pid, "status", text, sizeof text);
    const char *at = strstr(text, "VmHWM:");
    return at ? (double)strtoll(at + 6, NULL, 10) / 1024.0 : 0;
}

static int64_t cpu_ms(const char *stat_text)
{
    char *end;
    int64_t user = strtoll(stat_field(stat_text, USER_TICKS_FIELD), &end, 10),
            system = strtoll(end, NULL, 10);
    return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

enum status driver_resources_read(pid_t pid, struct driver_resources *out_resources)
{
    char text[1024];
    proc_text(pid, "stat", text, sizeof text);
    const char *state = stat_field(text, RUN_STATE_FIELD);
    if (!*state)
        return STATUS_CLOSED;
    double page_mb = (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0);
    struct driver_resources resources = {
        .run_state = *state,
        .rss_mb = (double)strtoll(stat_field(text, RSS_PAGES_FIELD), NULL, 10) * page_mb,
        .rss_peak_mb = peak_mb(pid),
        .open_files = open_files_of(pid),
        .cpu_ms = cpu_ms(text)};
    *out_resources = resources;
    return STATUS_OK;
}

char driver_run_state(pid_t pid)
{
    char text[1024];
    proc_text(pid, "stat", text, sizeof text);
    return *stat_field(text, RUN_STATE_FIELD);
}

/* threads_add: one thread of a process. Its schedstat: time on a processor, time waiting for one (told when the wait is over). */
static void threads_add(struct driver_threads *threads, pid_t pid, const char *thread)
{
    char name[NAME_MAX + 32], text[1024];
    snprintf(name, sizeof name, "task/%s/schedstat", thread);
    proc_text(pid, name, text, sizeof text);
    char *rest = text;
    threads->ran_ns += strtoll(rest, &rest, 10);
    threads->starved_ns += strtoll(rest, &rest, 10);
    snprintf(name, sizeof name, "task/%s/stat", thread);
    proc_text(pid, name, text, sizeof text);
    threads->runnable = threads->runnable || *stat_field(text, RUN_STATE_FIELD) == 'R';
}

struct driver_threads driver_threads_read(pid_t pid)
{
    char path[64];
    struct driver_threads threads = {0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            threads_add(&threads, pid, entry->d_name);
    if (folder)
        closedir(folder);
    return threads;
}
