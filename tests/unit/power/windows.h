/* windows: a life that is killed before, in or after every call that changes the disk, or whose calls fail; what comes after it ends
 * with what an undisturbed one leaves. */
#pragma once

#include "power.h"

/* window_subject: `prepare` (may be NULL) makes, undisturbed, what the life finds. Each pass tries one call in `every`, beginning at
 * another one by the seed; $ORDERFLOW_TEST_EVERY=1 tries them all. */
struct window_subject {
    struct power_subject life;
    void (*prepare)(const char *folder);
    long every;
};

static long windows_every(const struct window_subject *subject)
{
    const char *given = getenv("ORDERFLOW_TEST_EVERY");
    return given ? strtol(given, NULL, 10) : subject->every;
}

static long windows_first_call(const struct window_subject *subject)
{
    static struct random random;
    static bool seeded;
    if (!seeded)
        random = check_random();
    seeded = true;
    return 1 + (long)random_below(&random, (uint64_t)windows_every(subject));
}

static void windows_folder(const struct window_subject *subject, char out_path[PATH_BYTES])
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    check_folder(out_path);
    if (subject->prepare)
        subject->prepare(out_path);
}

/* windows_killed: a life of its own that dies at the n-th call; false when it had fewer. */
static bool windows_killed(const struct window_subject *subject, const char *folder, long n,
                           enum disk_fault fault)
{
    bool was_killed;
    if (check_begin_life(&was_killed)) {
        disk_fault_begin(folder, n, 1, fault, 0);
        subject->life.live(folder, 1);
        _exit(0);
    }
    return was_killed;
}

/* windows_kill_everywhere: returns the number of deaths. */
static int windows_kill_everywhere(const struct window_subject *subject, enum disk_fault fault)
{
    int deaths = 0;
    for (long n = windows_first_call(subject);; n += windows_every(subject)) {
        char folder[PATH_BYTES];
        windows_folder(subject, folder);
        bool died = windows_killed(subject, folder, n, fault);
        if (died)
            subject->life.live(folder, 2);
        subject->life.check(folder);
        check_folder_remove(folder);
        deaths += died;
        if (!died)
            return deaths;
    }
}

/* windows_fail_everywhere: the calls from the n-th on fail, `count` of them, until there is no n-th. Returns the last n. */
static long windows_fail_everywhere(const struct window_subject *subject, enum disk_fault fault, long count,
                                    int error)
{
    for (long n = windows_first_call(subject);; n += windows_every(subject)) {
        char folder[PATH_BYTES];
        windows_folder(subject, folder);
        disk_fault_begin(folder, n, count, fault, error);
        subject->life.live(folder, 1);
        long calls = disk_fault_end();
        subject->life.check(folder);
        check_folder_remove(folder);
        if (calls < n)
            return n - 1;
    }
}
