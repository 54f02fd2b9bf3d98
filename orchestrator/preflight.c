#include "preflight.h"

#include "base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BUS_FOLDER_BYTES_MAX = 80 };

static void add(struct preflight *preflight, const char *name, enum preflight_verdict verdict,
                const char *format, ...) PRINTF_LIKE(4, 5);

static void add(struct preflight *preflight, const char *name, enum preflight_verdict verdict,
                const char *format, ...)
{
    struct preflight_check *check = &preflight->checks[preflight->count++];
    check->name = name;
    check->verdict = verdict;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->detail, sizeof check->detail, format, arguments);
    va_end(arguments);
}

static const char *const FOLDER_KEYS[] = {"run.output_dir", "run.data_root", "run.artifacts_dir",
                                          "run.logs_dir", "run.state_dir"};

/* folder_problem: "" when files can be made visible there by rename. */
static void folder_problem(const char *folder, char *out_text, size_t size)
{
    char path[PATH_BYTES];
    path_join(path, folder, "preflight-%d", (int)getpid());
    out_text[0] = 0;
    if (folder_make(folder, 0755) != STATUS_OK)
        snprintf(out_text, size, "%.200s cannot be created: %s", folder, strerror(errno));
    else if (file_replace(path, "x", 1, false) != STATUS_OK)
        snprintf(out_text, size, "%.200s is not writable: %s; give another folder or change its owner",
                 folder, strerror(errno));
    else if (unlink(path) != 0)
        snprintf(out_text, size, "%.200s: files cannot be removed: %s", folder, strerror(errno));
}

static void check_folders(const struct config *config, struct preflight *preflight)
{
    for (size_t i = 0; i < sizeof FOLDER_KEYS / sizeof *FOLDER_KEYS; i++) {
        char problem[PREFLIGHT_DETAIL_BYTES];
        folder_problem(config_text(config, FOLDER_KEYS[i]), problem, sizeof problem);
        if (*problem) {
            add(preflight, "directories", PREFLIGHT_FAILED, "%s: %.400s", FOLDER_KEYS[i], problem);
            return;
        }
    }
    add(preflight, "directories", PREFLIGHT_OK, "%zu folders writable",
        sizeof FOLDER_KEYS / sizeof *FOLDER_KEYS);
}

static void check_disk(const struct config *config, struct preflight *preflight)
{
    struct statvfs space;
    const char *root = config_text(config, "run.data_root");
    if (statvfs(root, &space) != 0) {
        add(preflight, "disk", PREFLIGHT_WARNING, "free space of %.200s is unknown: %s", root,
            strerror(errno));
        return;
    }
    double free_gb = (double)space.f_bavail * (double)space.f_frsize / 1e9;
    bool enough = free_gb >= PREFLIGHT_DISK_FREE_GB;
    add(preflight, "disk", enough ? PREFLIGHT_OK : PREFLIGHT_WARNING, "%.1f GB free%s", free_gb,
        enough ? "" : ", 10 GB are advised: a long run may fill the disk");
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
    add(preflight, "limits", enough ? PREFLIGHT_OK : PREFLIGHT_FAILED, "open files: %llu%s",
        (unsigned long long)limit.rlim_cur,
        enough ? "" : ", 1024 are needed: raise them with `ulimit -n 1024`");
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
        add(preflight, "sockets", PREFLIGHT_FAILED,
            "bus.dir: longer than %d bytes, socket names would not fit: %.300s", BUS_FOLDER_BYTES_MAX,
            folder);
        return;
    }
    if (lstat(folder, &found) == 0 && !S_ISDIR(found.st_mode)) {
        add(preflight, "sockets", PREFLIGHT_FAILED,
            "bus.dir: %.300s must be a folder (a link is not accepted)", folder);
        return;
    }
    for (; *instances; instances++)
        if (holder_alive(folder, *instances)) {
            add(preflight, "sockets", PREFLIGHT_FAILED,
                "a %s of an earlier run is still alive in this folder; its pid is in runtime/status/%s.json: "
                "end it "
                "first",
                *instances, *instances);
            return;
        }
    add(preflight, "sockets", PREFLIGHT_OK, "%.300s", folder);
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
