/* disk_cut --show LOG: the records as text.
 * disk_cut LOG ROOT OUT SEED [CUT]: what a power cut behind record CUT (default: chosen by the seed among all) could have left of ROOT,
 * into OUT. Says the cut and how many records there are. */
#include "tests/support/disk/disk_rebuild.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(const char *path)
{
    static const char *const KINDS[] = {"",         "create",     "open",     "write", "write_sync",
                                        "truncate", "sync_begin", "sync_end", "mkdir", "rename",
                                        "unlink",   "rmdir",      "note"};
    struct disk_log *log = disk_log_read(path);
    for (size_t i = 0; i < disk_log_count(log); i++) {
        const char *name;
        const struct disk_record *record = disk_log_at(log, i, &name);
        printf("%zu %u %s inode=%llu offset=%llu bytes=%u %s\n", i, record->pid, KINDS[record->kind],
               (unsigned long long)record->inode, (unsigned long long)record->offset, record->data_bytes,
               name);
    }
    disk_log_close(log);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--show") == 0)
        return show(argv[2]);
    if (argc < 5) {
        fprintf(stderr, "usage: disk_cut LOG ROOT OUT SEED [CUT]\n");
        return 2;
    }
    struct disk_log *log = disk_log_read(argv[1]);
    struct random random;
    uint64_t seed = strtoull(argv[4], NULL, 10);
    random_seed(&random, seed);
    size_t count = disk_log_count(log);
    size_t cut = argc > 5 ? strtoull(argv[5], NULL, 10) : random_below(&random, count + 1);
    disk_rebuild(log, cut < count ? cut : count, seed, argv[2], NULL, argv[3]);
    printf("cut=%zu records=%zu\n", cut, count);
    disk_log_close(log);
    return 0;
}
