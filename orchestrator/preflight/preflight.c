#include "preflight.h"

#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUS_FOLDER_BYTES_MAX = 80 };

void preflight_add(struct preflight *preflight, const char *name, enum preflight_verdict verdict,
                   const char *remedy, const char *format, ...)
{
    assert(preflight->count < PREFLIGHT_CHECKS_MAX);
    struct preflight_check *check = &preflight->checks[preflight->count++];
    check->name = name;
    check->verdict = verdict;
    check->remedy = remedy;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->detail, sizeof check->detail, format, arguments);
    va_end(arguments);
}

static const char *const FOLDER_KEYS[] = {"run.output_dir", "run.data_root", "run.artifacts_dir",
                                          "run.logs_dir", "run.state_dir"};

const char *preflight_remedy(int reason)
{
    switch (reason) {
    case EROFS:
        return "its file system is mounted read-only: mount it writable, or name another folder in the "
               "configuration (keys run.*)";
    case ENOSPC:
    case EDQUOT:
        return "make room on its file system, or name another folder in the configuration (keys run.*)";
    case ENOTDIR: return "a part of its path is a file: move that away, or name another folder";
    default:
        return "let the user who runs this write there (owner, mode), or name another folder in the "
               "configuration (keys run.*)";
    }
}

/* folder_problem: "" when files can be made visible there by rename; else *out_reason is the error number. */
static void folder_problem(const char *folder, char *out_text, size_t size, int *out_reason)
{
    char path[PATH_BYTES];
    path_join(path, folder, "preflight-%d", (int)getpid());
    out_text[0] = 0;
    const char *what = folder_make(folder, 0755) != STATUS_OK           ? "cannot be created"
                       : file_replace(path, "x", 1, false) != STATUS_OK ? "is not writable"
                       : unlink(path) != 0                              ? "does not let files be removed"
                                                                        : NULL;
    *out_reason = errno;
    if (what)
        snprintf(out_text, size, "%.200s %s: %s", folder, what, strerror(*out_reason));
}

static void check_folders(const struct config *config, struct preflight *preflight)
{
    for (size_t i = 0; i < sizeof FOLDER_KEYS / sizeof *FOLDER_KEYS; i++) {
        char problem[PREFLIGHT_DETAIL_BYTES];
        int reason;
        folder_problem(config_text(config, FOLDER_KEYS[i]), problem, sizeof problem, &reason);
        if (*problem) {
            preflight_add(preflight, "directories", PREFLIGHT_FAILED, preflight_remedy(reason), "%s: %.400s",
                          FOLDER_KEYS[i], problem);
            return;
        }
    }
    preflight_add(preflight, "directories", PREFLIGHT_OK, NULL, "%zu folders writable",
                  sizeof FOLDER_KEYS / sizeof *FOLDER_KEYS);
}

/* full_folder: the key of a folder whose disk has no room to begin with: every daemon would be restarted until it is given up. */
static const char *full_folder(const struct config *config, double *out_free_mb)
{
    struct statvfs space;
    for (size_t i = 0; i < sizeof FOLDER_KEYS / sizeof *FOLDER_KEYS; i++) {
        if (statvfs(config_text(config, FOLDER_KEYS[i]), &space) != 0)
            continue;
        *out_free_mb = (double)space.f_bavail * (double)space.f_frsize / 1e6;
        if (*out_free_mb < PREFLIGHT_DISK_LEAST_MB)
            return FOLDER_KEYS[i];
    }
    return NULL;
}

static void check_disk(const struct config *config, struct preflight *preflight)
{
    struct statvfs space;
    const char *root = config_text(config, "run.data_root");
    double free_mb;
    const char *full = full_folder(config, &free_mb);
    if (full) {
        preflight_add(preflight, "disk", PREFLIGHT_FAILED, preflight_remedy(ENOSPC),
                      "%s: the file system of %.200s has %.1f MB left, a start needs %d", full,
                      config_text(config, full), free_mb, PREFLIGHT_DISK_LEAST_MB);
        return;
    }
    if (statvfs(root, &space) != 0) {
        preflight_add(preflight, "disk", PREFLIGHT_WARNING, "look at the file system of run.data_root",
                      "free space of %.200s is unknown: %s", root, strerror(errno));
        return;
    }
    double free_gb = (double)space.f_bavail * (double)space.f_frsize / 1e9;
    double least_gb = config_f64(config, "limits.min_disk_free_gb");
    preflight_add(preflight, "disk", free_gb >= least_gb ? PREFLIGHT_OK : PREFLIGHT_FAILED,
                  "make room, put run.data_root on another disk, or, for a short run, ask for less "
                  "(--set limits.min_disk_free_gb=1)",
                  "%.1f GB free where %.200s is, %g GB are asked for", free_gb, root, least_gb);
}

static void check_limits(struct preflight *preflight)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < PREFLIGHT_OPEN_FILES) {
        limit.rlim_cur = limit.rlim_max < PREFLIGHT_OPEN_FILES ? limit.rlim_max : PREFLIGHT_OPEN_FILES;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = 0;
    }
    bool enough = limit.rlim_cur >= PREFLIGHT_OPEN_FILES;
    preflight_add(preflight, "limits", enough ? PREFLIGHT_OK : PREFLIGHT_FAILED,
                  "1024 are needed: raise them with `ulimit -n 1024`", "open files: %llu",
                  (unsigned long long)limit.rlim_cur);
}

/* holder_alive: a living process holds the instance's lock (bus.h). */
static bool holder_alive(const char *folder, const char *instance)
{
    char path[PATH_BYTES];
    path_join(path, folder, "%s.lock", instance);
    return file_lock_held(path);
}

static void check_sockets(const struct config *config, const char *const *instances,
                          struct preflight *preflight)
{
    const char *folder = config_text(config, "bus.dir");
    struct stat found;
    if (strlen(folder) > BUS_FOLDER_BYTES_MAX) {
        preflight_add(preflight, "sockets", PREFLIGHT_FAILED, "choose a shorter bus.dir",
                      "bus.dir: longer than %d bytes, socket names would not fit: %.300s",
                      BUS_FOLDER_BYTES_MAX, folder);
        return;
    }
    if (lstat(folder, &found) == 0 && !S_ISDIR(found.st_mode)) {
        preflight_add(preflight, "sockets", PREFLIGHT_FAILED,
                      "remove what is there, or choose another bus.dir",
                      "bus.dir: %.300s must be a folder (a link is not accepted)", folder);
        return;
    }
    for (; *instances; instances++)
        if (holder_alive(folder, *instances)) {
            preflight_add(preflight, "sockets", PREFLIGHT_FAILED,
                          "`orchestrator` without --run-id goes on with that run; where it will not, end the "
                          "process: its pid is in runtime/status",
                          "a %s of an earlier run is still alive in this folder", *instances);
            return;
        }
    preflight_add(preflight, "sockets", PREFLIGHT_OK, NULL, "%.300s", folder);
}

void preflight_run(const struct config *config, const char *const *instances, struct preflight *out_preflight)
{
    *out_preflight = (struct preflight){0};
    check_folders(config, out_preflight);
    check_disk(config, out_preflight);
    check_limits(out_preflight);
    check_sockets(config, instances, out_preflight);
}

bool preflight_failed(const struct preflight *preflight)
{
    for (size_t i = 0; i < preflight->count; i++)
        if (preflight->checks[i].verdict == PREFLIGHT_FAILED)
            return true;
    return false;
}

const char *preflight_verdict_name(enum preflight_verdict verdict)
{
    static const char *const NAMES[] = {"ok", "warning", "failed"};
    return NAMES[verdict];
}
