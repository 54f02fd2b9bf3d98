#include "injury/effect.h"

#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PROBE_MS = 20, PERIOD_MS_MIN = 4, PERIOD_MS_MAX = 40 };

/* --- writes: RLIMIT_FSIZE 0 refuses every write to a file, in the kernel, whoever asks: LMDB, SQLite, DuckDB, our own. The kernel
 * sends SIGXFSZ to the thread it refuses, which is how they are counted; a handler has no context, so the figure is the
 * process's. --- */

static atomic_llong writes_refused;

static void count_refused(int number)
{
    (void)number;
    atomic_fetch_add_explicit(&writes_refused, 1, memory_order_relaxed);
}

static void bytes_limit(struct effects *effects, bool limited)
{
    struct rlimit limit = effects->bytes;
    if (limited)
        limit.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &limit);
    effects->bytes_limited = limited;
}

static enum status disk_begin(struct effects *effects, struct injury_lease *lease, struct error *error)
{
    struct sigaction action = {.sa_handler = count_refused, .sa_flags = SA_RESTART};
    if (getrlimit(RLIMIT_FSIZE, &effects->bytes) != 0 || sigaction(SIGXFSZ, &action, NULL) != 0)
        return error_set(error, STATUS_IO, "the size of files cannot be limited: %m");
    effects->refused_before = atomic_load(&writes_refused);
    effects->chance = (uint64_t)lease->order.seed;
    if (lease->order.kind == INJURY_DISK_FULL)
        bytes_limit(effects, true);
    return STATUS_OK;
}

static void disk_count(const struct effects *effects, struct injury_lease *lease)
{
    atomic_store(&lease->touched, atomic_load(&writes_refused) - effects->refused_before);
}

/* write_error_tick: periods in which all writes fail, and periods in which none does, of random length; the share of the failing
 * ones is the order's. */
static int64_t write_error_tick(struct effects *effects, struct injury_lease *lease)
{
    struct random random;
    disk_count(effects, lease);
    random_seed(&random, effects->chance);
    effects->chance = random_u64(&random);
    bytes_limit(effects, random_unit(&random) < lease->order.share &&
                             (!lease->order.count || atomic_load(&lease->touched) < lease->order.count));
    return PERIOD_MS_MIN + (int64_t)random_below(&random, PERIOD_MS_MAX - PERIOD_MS_MIN);
}

static void disk_end(struct effects *effects, struct injury_lease *lease)
{
    bytes_limit(effects, false);
    disk_count(effects, lease);
}

/* --- descriptors --- */

/* descriptor_highest: in use; -1: not known. */
static int descriptor_highest(void)
{
    int highest = -1;
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (atoi(entry->d_name) > highest)
            highest = atoi(entry->d_name);
    if (folder)
        closedir(folder);
    return highest;
}

static void hogs_close(struct effects *effects, size_t count)
{
    while (effects->hog_count && count--)
        close(effects->hogs[--effects->hog_count]);
}

/* files_begin: the table ends behind its highest descriptor, and its holes are filled: one that is closed is one that can be had. */
static enum status files_begin(struct effects *effects, struct injury_lease *lease, struct error *error)
{
    int highest = descriptor_highest(), taken = 0;
    if (highest < 0 || getrlimit(RLIMIT_NOFILE, &effects->files) != 0)
        return error_set(error, STATUS_IO, "descriptors cannot be limited: %m");
    struct rlimit limit = effects->files;
    limit.rlim_cur = (rlim_t)highest + 1 < limit.rlim_cur ? (rlim_t)highest + 1 : limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return error_set(error, STATUS_IO, "descriptors cannot be limited: %m");
    while (effects->hog_count < EFFECT_HOGS_MAX && (taken = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
        effects->hogs[effects->hog_count++] = taken;
    if (taken >= 0) {
        hogs_close(effects, SIZE_MAX);
        setrlimit(RLIMIT_NOFILE, &effects->files);
        return error_set(error, STATUS_LIMIT, "descriptors: more than %d would have to be taken",
                         EFFECT_HOGS_MAX);
    }
    hogs_close(effects, (size_t)lease->order.amount);
    return STATUS_OK;
}

static void files_end(struct effects *effects)
{
    setrlimit(RLIMIT_NOFILE, &effects->files);
    hogs_close(effects, SIZE_MAX);
}

/* files_tick: asks for one itself: what others are refused nobody tells us. */
static int64_t files_tick(struct injury_lease *lease)
{
    int got = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (got >= 0)
        close(got);
    else if (errno == EMFILE)
        atomic_fetch_add(&lease->touched, 1);
    return PROBE_MS;
}

/* --- memory --- */

static int64_t memory_available_mb(void)
{
    char line[128];
    long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lld", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes / 1024;
}

static enum status memory_begin(struct effects *effects, struct injury_lease *lease, struct error *error)
{
    int64_t available_mb = memory_available_mb();
    if (lease->order.amount > available_mb / 2)
        return error_set(error, STATUS_LIMIT,
                         "memory: this machine has %lld MB to spare, half of that is the limit",
                         (long long)available_mb);
    size_t bytes = (size_t)lease->order.amount << 20;
    void *ballast = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ballast == MAP_FAILED)
        return error_set(error, STATUS_IO, "memory: %lld MB cannot be had: %m",
                         (long long)lease->order.amount);
    memset(ballast, 0x5a, bytes); /* touched, hence really taken */
    effects->ballast = ballast;
    effects->ballast_bytes = bytes;
    atomic_store(&lease->touched, lease->order.amount);
    return STATUS_OK;
}

/* --- processor --- */

static void *burn(void *context)
{
    struct injury_lease *lease = context;
    int64_t counted_ms = 0;
    while (atomic_load_explicit(&lease->active, memory_order_relaxed)) {
        struct timespec used;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        int64_t used_ms = (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
        atomic_fetch_add(&lease->touched, used_ms - counted_ms);
        counted_ms = used_ms;
    }
    return NULL;
}

static void burners_join(struct effects *effects)
{
    while (effects->burner_count)
        pthread_join(effects->burners[--effects->burner_count], NULL);
}

static enum status burn_begin(struct effects *effects, struct injury_lease *lease, struct error *error)
{
    while (effects->burner_count < (size_t)lease->order.amount) {
        int code = pthread_create(&effects->burners[effects->burner_count], NULL, burn, lease);
        if (code) {
            atomic_store(&lease->active, false);
            burners_join(effects);
            return error_set(error, STATUS_IO, "cpu: no thread: %s", strerror(code));
        }
        effects->burner_count++;
    }
    return STATUS_OK;
}

/* --- all --- */

bool effect_conflicts(enum injury_kind one, enum injury_kind other)
{
    bool disks = (one == INJURY_DISK_FULL || one == INJURY_WRITE_ERROR) &&
                 (other == INJURY_DISK_FULL || other == INJURY_WRITE_ERROR);
    return disks || (one == other && injury_row(one)->place != INJURY_ON_LINK);
}

enum status effect_begin(struct effects *effects, struct injury_lease *lease, struct error *error)
{
    switch (lease->order.kind) {
    case INJURY_CPU: return burn_begin(effects, lease, error);
    case INJURY_DISK_FULL:
    case INJURY_WRITE_ERROR: return disk_begin(effects, lease, error);
    case INJURY_DESCRIPTORS: return files_begin(effects, lease, error);
    case INJURY_MEMORY: return memory_begin(effects, lease, error);
    case INJURY_CLOCK:
        atomic_store(&effects->skewed, lease);
        atomic_store(&effects->skew_ns, lease->order.amount * 1000000);
        return STATUS_OK;
    default: return STATUS_OK;
    }
}

int64_t effect_tick(struct effects *effects, struct injury_lease *lease)
{
    switch (lease->order.kind) {
    case INJURY_DISK_FULL: disk_count(effects, lease); return PROBE_MS;
    case INJURY_WRITE_ERROR: return write_error_tick(effects, lease);
    case INJURY_DESCRIPTORS: return files_tick(lease);
    default: return -1;
    }
}

void effect_end(struct effects *effects, struct injury_lease *lease)
{
    switch (lease->order.kind) {
    case INJURY_CPU: burners_join(effects); break;
    case INJURY_DISK_FULL:
    case INJURY_WRITE_ERROR: disk_end(effects, lease); break;
    case INJURY_DESCRIPTORS: files_end(effects); break;
    case INJURY_MEMORY: munmap(effects->ballast, effects->ballast_bytes); break;
    case INJURY_CLOCK: atomic_store(&effects->skew_ns, 0); break;
    default: break;
    }
}
