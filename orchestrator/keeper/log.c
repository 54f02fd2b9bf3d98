#include "log.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 16 * 1024,
    HIGH_DESCRIPTOR = 6
}; /* above the child's 0 to 3 and what it needs before its exec */

void log_init(struct log *log, int standard)
{
    *log = (struct log){.source = -1, .file = -1, .standard = standard};
}

/* --- the file --- */

static void file_open(struct log *log)
{
    struct stat found;
    log->file = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    log->bytes = log->file >= 0 && fstat(log->file, &found) == 0 ? found.st_size : 0;
    if (log->file >= 0 && log->standard >= 0)
        dup2(log->file, log->standard);
}

static void file_close(struct log *log)
{
    if (log->file >= 0)
        close(log->file);
    log->file = -1;
}

void log_turn_over(const char *path, int64_t files)
{
    char from[PATH_BYTES + 24], to[PATH_BYTES + 24];
    for (int64_t i = files; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%lld", path, (long long)i);
        snprintf(from, sizeof from, i > 1 ? "%s.%lld" : "%s", path, (long long)(i - 1));
        rename(from, to);
    }
    if (files <= 0)
        unlink(path);
}

static void turn_over(struct log *log, const struct log_policy *policy)
{
    log_turn_over(log->path, policy->files);
    file_close(log);
    file_open(log);
}

/* file_write: false when not all of it could be written; then it is dropped, and counted. */
static bool file_write(struct log *log, const char *data, size_t bytes)
{
    if (log->file < 0)
        file_open(log);
    ssize_t written = log->file < 0 ? -1 : write(log->file, data, bytes);
    if (written > 0) {
        log->bytes += written;
        log->open_line = data[written - 1] != '\n';
    }
    size_t done = written > 0 ? (size_t)written : 0;
    log->dropped += (int64_t)(bytes - done);
    return done == bytes;
}

/* --- what comes --- */

static void second_begin(struct log *log, int64_t now_ms)
{
    if (now_ms / 1000 == log->second)
        return;
    log->second = now_ms / 1000;
    log->second_bytes = 0;
}

static void tell_dropped(struct log *log)
{
    char line[128], at[TIME_TEXT_BYTES];
    struct clock clock = clock_system();
    int64_t dropped = log->dropped;
    time_iso_ms(clock_wall_ms(&clock), at);
    int length = snprintf(line, sizeof line, "%s%s WARNING keeper log_dropped bytes=%lld\n",
                          log->open_line ? "\n" : "", at, (long long)dropped);
    log->dropped = 0;
    if (!file_write(log, line, (size_t)length))
        log->dropped = dropped; /* told when there is room again */
}

/* keep: lines, as far as the second has room for them; the beginning of a line is kept only if its rest can be. */
static void keep(struct log *log, const struct log_policy *policy, const char *data, size_t bytes)
{
    if (log->skipping) {
        const char *end = memchr(data, '\n', bytes);
        size_t skipped = end ? (size_t)(end - data) + 1 : bytes;
        log->dropped += (int64_t)skipped;
        log->skipping = !end;
        data += skipped;
        bytes -= skipped;
    }
    log->second_bytes += (int64_t)bytes;
    if (bytes && policy->bytes_per_s && log->second_bytes > policy->bytes_per_s) {
        log->dropped += (int64_t)bytes;
        log->skipping = data[bytes - 1] != '\n';
    } else if (bytes && !file_write(log, data, bytes)) {
        log->skipping = data[bytes - 1] != '\n';
    }
}

/* part_of: so much of a block goes into the present file: all, or up to the end of the line that fills it. */
static size_t part_of(const struct log *log, const struct log_policy *policy, const char *data, size_t bytes)
{
    if (!policy->bytes_max || log->bytes + (int64_t)bytes <= policy->bytes_max)
        return bytes;
    int64_t room = policy->bytes_max - log->bytes;
    size_t from = room > 0 ? (size_t)room - 1 : 0;
    const char *end = memchr(data + from, '\n', bytes - from);
    return end ? (size_t)(end - data) + 1 : bytes;
}

static void take_block(struct log *log, const struct log_policy *policy, const char *data, size_t bytes)
{
    while (bytes) {
        size_t part = part_of(log, policy, data, bytes);
        keep(log, policy, data, part);
        data += part;
        bytes -= part;
        bool full = policy->bytes_max && log->bytes >= policy->bytes_max;
        if (full && (!log->open_line || log->bytes >= 2 * policy->bytes_max))
            turn_over(log, policy);
    }
}

bool log_take(struct log *log, const struct log_policy *policy, int64_t now_ms)
{
    static char block[BLOCK_BYTES]; /* one program, one thread */
    ssize_t got = 0;
    int64_t taken = 0;
    second_begin(log, now_ms);
    while (log->source >= 0 && taken < LOG_PIPE_BYTES && (got = read(log->source, block, sizeof block)) > 0) {
        if (log->dropped && log->second_bytes == 0)
            tell_dropped(log);
        take_block(log, policy, block, (size_t)got);
        taken += got;
    }
    if (log->source >= 0 && got == 0 && taken < LOG_PIPE_BYTES) { /* nobody is left who could write */
        close(log->source);
        log->source = -1;
    }
    return taken > 0;
}

int64_t log_owes(const struct log *log)
{
    return log->dropped ? (log->second + 1) * 1000 : -1;
}

void log_tell(struct log *log, int64_t now_ms)
{
    if (!log->dropped || now_ms < log_owes(log))
        return;
    second_begin(log, now_ms);
    tell_dropped(log);
}

/* --- its life --- */

int log_open(struct log *log, const char *path, int *out_sink)
{
    int ends[2];
    if (strlen(path) >= sizeof log->path)
        return ENAMETOOLONG;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    int sink = fcntl(ends[1], F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR);
    int reason = errno;
    close(ends[1]);
    if (sink < 0) {
        close(ends[0]);
        return reason;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* ours only: the child waits for room as it would for a file */
    fcntl(ends[0], F_SETPIPE_SZ, LOG_PIPE_BYTES);
    snprintf(log->path, sizeof log->path, "%s", path);
    log->source = ends[0];
    file_open(log);
    reason = errno;
    if (log->file < 0) {
        close(sink);
        close(log->source);
        log->source = -1;
        return reason;
    }
    *out_sink = sink;
    return 0;
}

void log_close(struct log *log, const struct log_policy *policy, int64_t now_ms)
{
    while (log_take(log, policy, now_ms) && log->source >= 0)
        ;
    if (log->dropped)
        tell_dropped(log);
    if (log->source >= 0)
        close(log->source);
    log->source = -1;
    file_close(log);
}
