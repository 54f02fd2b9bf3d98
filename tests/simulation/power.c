#include "tests/simulation/power.h"

#include "base/file.h"
#include "base/memory.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/storage.h"
#include "tests/simulation/trace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char POWER_BOOT_PATH[] = "boot_id";

enum { OWN_DESCRIPTORS_MIN = 1000 };

/* unsynced: a file of which a part may be gone; known until the run ends, whatever becomes of its name. */
struct unsynced {
    ino_t inode;
    int descriptor; /* of our own */
    off_t synced;
};

struct renamed {
    char from[PATH_BYTES], to[PATH_BYTES];
    int replaced; /* number under which what it replaced is kept, 0: nothing */
    ino_t folder;
};

static struct {
    bool matters, was_cut;
    int boots;
    struct unsynced *files;
    size_t file_count, file_capacity;
    int kept, kept_last; /* numbers of replaced files */
    struct renamed *renames;
    size_t rename_count, rename_capacity;
} world;

static void boot(void)
{
    char text[64];
    int length = snprintf(text, sizeof text, "00000000-0000-4000-8000-%012d\n", ++world.boots);
    if (file_replace(POWER_BOOT_PATH, text, (size_t)length, false) != STATUS_OK)
        trace_complain("%s cannot be written", POWER_BOOT_PATH);
}

void power_begin(bool matters)
{
    for (size_t i = 0; i < world.file_count; i++)
        close(world.files[i].descriptor);
    world.matters = matters;
    world.was_cut = false;
    world.boots = 0;
    world.file_count = world.rename_count = 0;
    world.kept = 0;
    if (!matters)
        return;
    boot();
    if (folder_make("replaced", 0755) != STATUS_OK)
        trace_complain("a folder for what is replaced cannot be made");
}

bool power_matters(void)
{
    return world.matters;
}

bool power_was_cut(void)
{
    return world.was_cut;
}

static struct unsynced *file_of(int descriptor, bool add)
{
    struct stat found;
    if (!world.matters || fstat(descriptor, &found) != 0 || !S_ISREG(found.st_mode))
        return NULL;
    for (size_t i = 0; i < world.file_count; i++)
        if (world.files[i].inode == found.st_ino)
            return &world.files[i];
    if (!add)
        return NULL;
    world.files = memory_grow(world.files, &world.file_capacity, world.file_count + 1, sizeof *world.files);
    struct unsynced *file = &world.files[world.file_count++];
    *file = (struct unsynced){.inode = found.st_ino,
                              .descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, OWN_DESCRIPTORS_MIN)};
    return file;
}

void power_note_change(int descriptor)
{
    struct stat found;
    struct unsynced *file = file_of(descriptor, true);
    if (file && fstat(descriptor, &found) == 0 && found.st_size < file->synced)
        file->synced = found.st_size;
}

void power_note_sync(int descriptor)
{
    struct stat found;
    struct unsynced *file = file_of(descriptor, false);
    if (!world.matters || fstat(descriptor, &found) != 0)
        return;
    if (file)
        file->synced = found.st_size;
    if (!S_ISDIR(found.st_mode))
        return;
    size_t kept = 0;
    for (size_t i = 0; i < world.rename_count; i++)
        if (world.renames[i].folder != found.st_ino)
            world.renames[kept++] = world.renames[i];
    world.rename_count = kept;
}

static void kept_path(int number, char out_path[PATH_BYTES])
{
    path_join(out_path, "replaced", "%d", number);
}

/* A second name keeps what a rename replaces; no other daemon comes between this, the rename and its note. */
void power_will_rename(const char *to)
{
    char path[PATH_BYTES];
    if (!world.matters || !fiber_process())
        return;
    kept_path(++world.kept, path);
    world.kept_last = link(to, path) == 0 ? world.kept : 0;
}

void power_note_rename(const char *from, const char *to)
{
    struct stat found;
    char folder[PATH_BYTES];
    if (!world.matters)
        return;
    snprintf(folder, sizeof folder, "%s", to);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    if (stat(slash ? folder : ".", &found) != 0)
        return;
    world.renames =
        memory_grow(world.renames, &world.rename_capacity, world.rename_count + 1, sizeof *world.renames);
    struct renamed *renamed = &world.renames[world.rename_count++];
    snprintf(renamed->from, sizeof renamed->from, "%s", from);
    snprintf(renamed->to, sizeof renamed->to, "%s", to);
    renamed->folder = found.st_ino;
    renamed->replaced = world.kept_last;
}

/* --- the cut --- */

/* lose_bytes: what is left is on the disk from now on. */
static void lose_bytes(struct unsynced *file)
{
    struct stat found;
    if (fstat(file->descriptor, &found) != 0 || found.st_size <= file->synced)
        return;
    off_t left = file->synced + fault_below(found.st_size - file->synced + 1);
    if (ftruncate(file->descriptor, left) == 0)
        trace_event("lost", "bytes=%lld of=%lld", (long long)(found.st_size - left),
                    (long long)found.st_size);
    file->synced = left;
}

/* lose_renames: from some moment on none of them has reached the disk. */
static void lose_renames(void)
{
    char path[PATH_BYTES];
    int64_t lost = fault_below((int64_t)world.rename_count + 1);
    for (; lost > 0; lost--) {
        const struct renamed *renamed = &world.renames[--world.rename_count];
        if (file_exists(renamed->from) || rename(renamed->to, renamed->from) != 0)
            continue;
        trace_event("lost", "rename=%s", renamed->to);
        kept_path(renamed->replaced, path);
        if (renamed->replaced && rename(path, renamed->to) != 0)
            trace_complain("%s cannot be brought back", renamed->to);
    }
    world.rename_count = 0;
}

/* lose_log: of a SQLite data base; its memory of the log is gone as well. */
static void lose_log(const char *path)
{
    char log[PATH_BYTES], index[PATH_BYTES];
    snprintf(log, sizeof log, "%.900s-wal", path);
    snprintf(index, sizeof index, "%.900s-shm", path);
    int64_t bytes = file_bytes(log);
    if (bytes > 0 && truncate(log, fault_below(bytes + 1)) == 0)
        trace_event("lost", "log=%s bytes=%lld of=%lld", log, (long long)(bytes - file_bytes(log)),
                    (long long)bytes);
    unlink(index);
}

void power_cut(void)
{
    trace_event("power_cut", "files=%zu renames=%zu", world.file_count, world.rename_count);
    world.was_cut = true;
    for (size_t i = 0; i < world.file_count; i++)
        lose_bytes(&world.files[i]);
    lose_renames();
    if (!storage_logs_are_synced()) {
        lose_log("runtime/signals.db");
        lose_log("state/report.db");
    }
    boot();
}
