#include "stage/stage_private.h"

#include <stdio.h>
#include <sys/statvfs.h>

/* A start for which a disk has no room left: the sentence of whoever could not write says what, this one where and what to do. */

enum { ROOM_BYTES = 1024 * 1024 }; /* less is no room: a start needs a few dozen KiB, and then grows */

static const char *const FOLDER_KEYS[] = {"run.output_dir", "run.data_root", "run.artifacts_dir",
                                          "run.logs_dir", "run.state_dir"};

void stage_room_missing(const struct stage *stage, char *out_text, size_t size)
{
    *out_text = 0;
    for (size_t i = 0; stage->config && !*out_text && i < sizeof FOLDER_KEYS / sizeof *FOLDER_KEYS; i++) {
        const char *folder = config_text(stage->config, FOLDER_KEYS[i]);
        struct statvfs space;
        if (statvfs(folder, &space) == 0 && space.f_bavail * space.f_frsize < ROOM_BYTES)
            snprintf(out_text, size,
                     " (the file system of %.200s has %llu KiB left: make room there, or name another folder "
                     "in %s)",
                     folder, (unsigned long long)(space.f_bavail * space.f_frsize / 1024), FOLDER_KEYS[i]);
    }
}
