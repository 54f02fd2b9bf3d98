/* power: a life whose disk is recorded, cut anywhere, and taken up by another life.
 *
 * A life says with power_promise what others have been told: a row is published, a position registered. Behind a cut the next life
 * must find at least that (power_promised), and finish with what an undisturbed run would have left. */
#pragma once

#include "base/memory.h"
#include "tests/support/check.h"
#include "tests/support/disk/disk_rebuild.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROMISES_MAX = 16 };

static struct {
    char what[96];
    int64_t value;
} power_promises[PROMISES_MAX];

static inline int64_t power_promised(const char *what)
{
    for (size_t i = 0; i < PROMISES_MAX; i++)
        if (strcmp(power_promises[i].what, what) == 0)
            return power_promises[i].value;
    return 0;
}

static inline void power_promise(const char *what, int64_t value)
{
    char text[128];
    snprintf(text, sizeof text, "%s %lld", what, (long long)value);
    disk_note(text);
}

/* power_collect: what a log up to a cut has promised; later words replace earlier ones. */
static inline void power_collect(const struct disk_log *log, size_t cut)
{
    for (size_t i = 0; i < cut; i++) {
        const char *text;
        if (disk_log_at(log, i, &text)->kind != DISK_NOTE)
            continue;
        const char *space = strrchr(text, ' ');
        size_t length = (size_t)(space - text), k = 0;
        while (k < PROMISES_MAX && *power_promises[k].what &&
               (strncmp(power_promises[k].what, text, length) != 0 || power_promises[k].what[length]))
            k++;
        assert_true(k < PROMISES_MAX);
        snprintf(power_promises[k].what, sizeof power_promises[k].what, "%.*s", (int)length, text);
        power_promises[k].value = strtoll(space + 1, NULL, 10);
    }
}

/* power_subject: `live` begins or takes up what is in the folder and brings it to its end; `check` looks at the result. */
struct power_subject {
    void (*live)(const char *folder, uint64_t seed);
    void (*check)(const char *folder);
};

static inline struct disk_log *power_recorded_life(const struct power_subject *subject, const char *root,
                                                   const char *log_path, uint64_t seed)
{
    disk_record_begin(root, log_path);
    subject->live(root, seed);
    disk_record_end();
    return disk_log_read(log_path);
}

/* power_cut: leaves below `root` what a cut chosen by the seed could have left; one time in four the life behind it is cut short as
 * well. */
static inline void power_cut(const struct power_subject *subject, const struct disk_log *log,
                             const char *world, const char *root, uint64_t seed)
{
    char base[PATH_BYTES], again[PATH_BYTES];
    struct random random;
    random_seed(&random, seed);
    memset(power_promises, 0, sizeof power_promises);
    size_t cut = random_below(&random, disk_log_count(log) + 1);
    power_collect(log, cut);
    assert_ok(folder_remove(root));
    disk_rebuild(log, cut, seed, root, NULL, root);
    if (random_below(&random, 4))
        return;
    path_join(base, world, "base");
    path_join(again, world, "again.log");
    disk_rebuild(log, cut, seed, root, NULL, base);
    struct disk_log *second = power_recorded_life(subject, root, again, seed);
    cut = random_below(&random, disk_log_count(second) + 1);
    power_collect(second, cut);
    assert_ok(folder_remove(root));
    disk_rebuild(second, cut, ~seed, root, base, root);
    disk_log_close(second);
    unlink(again);
    assert_ok(folder_remove(base));
}

/* power_try: one recorded life, `cuts` cuts of it. $ORDERFLOW_TEST_SEED repeats the one that failed, alone. */
static inline void power_try(const struct power_subject *subject, int cuts)
{
    char world[PATH_BYTES], root[PATH_BYTES], log_path[PATH_BYTES];
    bool alone = getenv("ORDERFLOW_TEST_SEED");
    uint64_t first = check_seed();
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); /* the disk is a model: no need to wait for a real one */
    check_folder(world);
    path_join(root, world, "disk");
    path_join(log_path, world, "disk.log");
    assert_ok(folder_make(root, 0755));
    memset(power_promises, 0, sizeof power_promises);
    struct disk_log *log = power_recorded_life(subject, root, log_path, 1);
    subject->check(root);
    for (uint64_t seed = first; seed < first + (alone ? 1 : (uint64_t)cuts); seed++) {
        fprintf(stderr, "ORDERFLOW_TEST_SEED=%llu\r", (unsigned long long)seed);
        power_cut(subject, log, world, root, seed);
        disk_record_begin(root, "/dev/null"); /* recorded disks are quick */
        subject->live(root, seed);
        disk_record_end();
        subject->check(root);
    }
    fprintf(stderr, "%d cuts among %zu records\n", cuts, disk_log_count(log));
    disk_log_close(log);
    check_folder_remove(world);
}
