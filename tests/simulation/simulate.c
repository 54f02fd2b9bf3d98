/* simulate: runs the whole system, seed after seed, and looks for a run that is not what it would have been undisturbed.
 *
 *     simulate --seeds 1000            seeds 1 to 1000, on both cores
 *     simulate --seed 4711 --verbose   one seed, with everything that happens
 *
 * Every seed runs in a process of its own, so that one that crashes is a finding like any other. */
#include "base/file.h"
#include "base/memory.h"
#include "tests/simulation/outcome.h"
#include "tests/simulation/parts.h"
#include "tests/simulation/run.h"
#include "tests/simulation/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MARKETS = 24,
    WORKERS_MAX = 64,
    CPU_SECONDS_MAX = 60,
    FAILURES_SHOWN = 5,
    SEEDS_TOLD = 1000,
    SEEDS_WITHOUT_FAULTS = 50
};

struct options {
    uint64_t first, count, seconds;
    time_t until_s; /* monotonic; with seconds */
    size_t workers;
    bool verbose, keep, expect_failure, twice;
};

/* tally: what all processes have found, in memory they share. */
struct tally {
    _Atomic int64_t seeds, broken, kills, restarts, moves, harvest_moves, moves_to_deaf, messages, replays,
        switches, simulated_ms;
    int64_t digests[MARKETS]; /* sums of the traces' digests */
    struct run_figures reference[MARKETS];
};

static char root[PATH_BYTES];
static FILE *said; /* where this program speaks: what the daemons say on stderr goes to a file */
static struct tally *tally;

static void enter_folder(const char *name)
{
    char path[PATH_BYTES];
    path_join(path, root, "%s", name);
    if (folder_remove(path) != STATUS_OK || folder_make(path, 0755) != STATUS_OK || chdir(path) != 0) {
        fprintf(said, "simulate: %s cannot be made: %s\n", path, strerror(errno));
        exit(2);
    }
}

static void leave_folder(const char *name, bool keep)
{
    char path[PATH_BYTES];
    path_join(path, root, "%s", name);
    if (chdir(root) == 0 && !keep && folder_remove(path) != STATUS_OK)
        fprintf(said, "simulate: %s cannot be removed\n", path);
}

/* replay_equals: the run just ended, compared with a run of its own capture that nothing disturbs. */
static void replay_equals(const char *name, const struct outcome *found, uint64_t seed)
{
    char folder[PATH_BYTES], again[PATH_BYTES];
    struct random random;
    struct run_figures ignored;
    struct outcome expected;
    path_join(folder, root, "%s/data", name);
    snprintf(again, sizeof again, "%.900s-replay", name);
    enter_folder(again);
    random_seed(&random, seed);
    trace_event("replay", "folder=%s", "data");
    run_replay(folder, &random, &ignored);
    if (!trace_complaint()) {
        outcome_read(&expected);
        if (!trace_complaint())
            outcome_compare(&expected, found);
        outcome_finish(&expected);
    }
    tally->replays++;
    leave_folder(again, false);
}

/* --- in a process of its own --- */

static int conclude(const struct options *options, const char *what, uint64_t number,
                    const struct fault_plan *plan)
{
    if (options->verbose)
        fprintf(said, "%s %" PRIu64 ": trace digest %016" PRIx64 "\n", what, number, trace_digest());
    if (!trace_complaint())
        return 0;
    fprintf(said, "%s %" PRIu64 ": %s\n", what, number, trace_complaint());
    fault_plan_print(plan, said);
    if (!options->verbose)
        trace_print_tail();
    return 1;
}

/* make_reference: the undisturbed run of a market, and the replay of what it captured. */
static int make_reference(const struct options *options, struct venue_market *market)
{
    char name[64], path[PATH_BYTES];
    struct fault_plan plan;
    struct random random;
    struct outcome outcome;
    struct run_figures *figures = &tally->reference[market->number];
    snprintf(name, sizeof name, "market-%" PRIu64, market->number);
    path_join(path, root, "reference-%" PRIu64, market->number);
    enter_folder(name);
    fault_plan_quiet(&plan);
    random_seed(&random, market->number);
    trace_begin(said, options->verbose);
    run_market(market, &plan, &random, figures);
    if (!trace_complaint())
        outcome_read(&outcome);
    if (!trace_complaint() && outcome_save(&outcome, path) != STATUS_OK)
        trace_complain("%s cannot be written", path);
    if (!trace_complaint())
        replay_equals(name, &outcome, market->number);
    leave_folder(name, options->keep);
    return conclude(options, "market", market->number, &plan);
}

static int run_seed(const struct options *options, struct venue_market *market,
                    const struct outcome *reference, uint64_t seed)
{
    char name[64];
    struct fault_plan plan;
    struct random random;
    struct outcome outcome;
    struct run_figures figures;
    const struct run_figures *undisturbed = &tally->reference[market->number];
    snprintf(name, sizeof name, "seed-%" PRIu64, seed);
    enter_folder(name);
    random_seed(&random, seed);
    fault_plan_draw(&plan, &random, undisturbed->points, undisturbed->length_ns);
    trace_begin(said, options->verbose);
    run_market(market, &plan, &random, &figures);
    if (!trace_complaint()) {
        outcome_read(&outcome);
        if (!trace_complaint() && figures.harvest_disturbed)
            replay_equals(name, &outcome, seed);
        else if (!trace_complaint())
            outcome_compare(reference, &outcome);
    }
    tally->kills += figures.kills;
    tally->restarts += figures.restarts;
    tally->moves += figures.moves;
    tally->harvest_moves += figures.harvest_moves;
    tally->moves_to_deaf += figures.moves_to_deaf;
    tally->messages += figures.messages;
    tally->switches += figures.switches;
    tally->simulated_ms += figures.length_ns / 1000000;
    tally->digests[market->number] += (int64_t)(trace_digest() >> 8);
    if (options->verbose)
        fault_plan_print(&plan, said);
    leave_folder(name, options->keep);
    return conclude(options, "seed", seed, &plan);
}

/* --- children --- */

/* begin_child: a world of its own: no environment, no descriptor that a daemon could take for its parent's pipe. */
static void begin_child(void)
{
    const struct rlimit limit = {CPU_SECONDS_MAX, CPU_SECONDS_MAX};
    int nothing = open("/dev/null", O_RDONLY);
    char path[PATH_BYTES];
    path_join(path, root, "stderr-%d", (int)getppid());
    int daemons = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    said = fdopen(fcntl(2, F_DUPFD_CLOEXEC, 100), "w");
    setvbuf(said, NULL, _IOLBF, 0);
    clearenv();
    dup2(daemons, 2);
    close(daemons);
    for (int i = 3; i < 10; i++)
        if (i != nothing)
            dup2(nothing, i);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CPU, &limit);
}

/* print_stderr: what a child that crashed has said. */
static void print_stderr(void)
{
    char path[PATH_BYTES];
    struct buffer text;
    path_join(path, root, "stderr-%d", (int)getpid());
    buffer_init(&text, 0);
    if (file_read(path, &text) == STATUS_OK)
        fprintf(said, "%s", buffer_text(&text));
    buffer_finish(&text);
}

/* end_child: 0 when the child found nothing; a crash is a finding. */
static int end_child(pid_t child, const char *what, uint64_t number)
{
    int how;
    while (waitpid(child, &how, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(how)) {
        print_stderr();
        fprintf(said, "%s %" PRIu64 ": the process ended with signal %d (%s)\n", what, number, WTERMSIG(how),
                strsignal(WTERMSIG(how)));
    }
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? 0 : 1;
}

static int reference_of(const struct options *options, struct venue_market *market,
                        struct outcome *out_outcome)
{
    char path[PATH_BYTES];
    pid_t child = fork();
    if (child == 0) {
        begin_child();
        _exit(make_reference(options, market));
    }
    if (end_child(child, "market", market->number) != 0)
        return 1;
    path_join(path, root, "reference-%" PRIu64, market->number);
    return outcome_load(out_outcome, path) == STATUS_OK ? 0 : 1;
}

/* seed_of: one seed in a process of its own; the digest of its trace. */
static int64_t seed_of(const struct options *options, struct venue_market *market,
                       const struct outcome *reference, uint64_t seed)
{
    int64_t before = tally->digests[market->number];
    pid_t child = fork();
    if (child == 0) {
        begin_child();
        _exit(run_seed(options, market, reference, seed));
    }
    tally->broken += end_child(child, "seed", seed);
    return tally->digests[market->number] - before;
}

/* known: a market with what its undisturbed run has left. */
struct known {
    bool is_known;
    struct venue_market market;
    struct outcome reference;
};

static bool get_known(const struct options *options, uint64_t number, struct known *known)
{
    if (known->is_known)
        return true;
    venue_market_open(&known->market, number);
    known->is_known = reference_of(options, &known->market, &known->reference) == 0;
    tally->broken += !known->is_known;
    return known->is_known;
}

static bool is_over(const struct options *options)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return tally->broken >= FAILURES_SHOWN || (options->expect_failure && tally->broken) ||
           (options->seconds && now.tv_sec >= options->until_s);
}

static void try_seed(const struct options *options, struct known *known, uint64_t seed)
{
    int64_t digest = seed_of(options, &known->market, &known->reference, seed);
    if (options->twice && seed_of(options, &known->market, &known->reference, seed) != digest) {
        fprintf(said, "seed %" PRIu64 ": two runs of it are not the same\n", seed);
        tally->broken++;
    }
    if (++tally->seeds % SEEDS_TOLD == 0)
        fprintf(said, "%" PRId64 " seeds, %" PRId64 " broken\n", tally->seeds, tally->broken);
}

/* work: the seeds of every market whose number is this worker's; in their order. */
static void work(const struct options *options, size_t worker)
{
    static struct known known[MARKETS];
    for (uint64_t seed = options->first; seed < options->first + options->count && !is_over(options);
         seed++) {
        uint64_t number = seed % MARKETS;
        if (number % options->workers == worker && get_known(options, number, &known[number]))
            try_seed(options, &known[number], seed);
    }
}

/* --- command line --- */

static void usage(void)
{
    printf("usage: simulate [options]\n\nRuns the daemons' own objects in one process, over an in-memory bus "
           "and a clock of its own, with\n"
           "faults drawn from each seed, and compares what they leave with an undisturbed run.\n\n"
           "  --seeds N       so many seeds (default 1000)\n"
           "  --first N       from this one on (default 1)\n"
           "  --seed N        only this one\n"
           "  --seconds N     no new seed after so long\n"
           "  --workers N     processes at a time (default 2)\n"
           "  --folder DIR    where runs live (default /dev/shm)\n"
           "  --verbose, -v   everything that happens, as it happens\n"
           "  --keep          leaves the run's files where they are\n"
           "  --twice         every seed twice: both runs must be the same, event for event\n"
           "  --expect-failure  stops at the first broken seed, and succeeds only then\n\n"
           "exit codes: 0 nothing broken, 1 a broken invariant, 2 usage\n");
}

static bool take_number(int argc, char **argv, int *index, uint64_t *out)
{
    char *end = "x";
    const char *text = *index + 1 < argc ? argv[++*index] : "";
    if (*text)
        *out = strtoull(text, &end, 10);
    return !*end;
}

static bool parse(int argc, char **argv, struct options *out, const char **out_folder)
{
    uint64_t workers = 2;
    *out = (struct options){.first = 1, .count = 1000};
    for (int i = 1; i < argc; i++) {
        bool good = true;
        if (strcmp(argv[i], "--seeds") == 0)
            good = take_number(argc, argv, &i, &out->count);
        else if (strcmp(argv[i], "--first") == 0)
            good = take_number(argc, argv, &i, &out->first);
        else if (strcmp(argv[i], "--seconds") == 0)
            good = take_number(argc, argv, &i, &out->seconds);
        else if (strcmp(argv[i], "--workers") == 0)
            good = take_number(argc, argv, &i, &workers) && workers > 0 && workers <= WORKERS_MAX;
        else if (strcmp(argv[i], "--folder") == 0 && i + 1 < argc)
            *out_folder = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0) {
            good = take_number(argc, argv, &i, &out->first);
            out->count = workers = 1;
        } else if (strcmp(argv[i], "--verbose") == 0 || strcmp(argv[i], "-v") == 0)
            out->verbose = true;
        else if (strcmp(argv[i], "--keep") == 0)
            out->keep = true;
        else if (strcmp(argv[i], "--twice") == 0)
            out->twice = true;
        else if (strcmp(argv[i], "--expect-failure") == 0)
            out->expect_failure = true;
        else
            good = false;
        if (!good) {
            fprintf(said, "simulate: %s: not understood; see --help\n", argv[i]);
            return false;
        }
    }
    out->workers = workers;
    return true;
}

static void start_workers(const struct options *options)
{
    pid_t workers[WORKERS_MAX];
    for (size_t i = 0; i < options->workers; i++)
        if ((workers[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody goes on alone */
            work(options, i);
            _exit(0);
        }
    for (size_t i = 0; i < options->workers; i++)
        tally->broken += end_child(workers[i], "worker", i);
}

static uint64_t digest_of_all(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < MARKETS; i++)
        sum += (uint64_t)tally->digests[i];
    return sum;
}

static int report(const struct options *options, const struct timespec *begun)
{
    struct timespec now;
    struct rusage used;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_CHILDREN, &used);
    double seconds = (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
    printf("%" PRId64 " seeds (parts are %s), %" PRId64 " broken; %" PRId64 " kills, %" PRId64
           " restarts, %" PRId64 " moves (%" PRId64 " of harvest, %" PRId64
           " to one who lost it behind its answer), %" PRId64 " messages, %" PRId64 " replays, %" PRId64
           " s simulated\n%.1f s, %.0f seeds a minute on %zu workers, %.1f s of "
           "processor time, digest %016" PRIx64 "\n",
           tally->seeds, PARTS_ARE, tally->broken, tally->kills, tally->restarts, tally->moves,
           tally->harvest_moves, tally->moves_to_deaf, tally->messages, tally->replays,
           tally->simulated_ms / 1000, seconds, (double)tally->seeds * 60 / seconds, options->workers,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           digest_of_all());
    bool broken = tally->broken > 0;
    if (tally->seeds >= SEEDS_WITHOUT_FAULTS && !(tally->kills && tally->moves && tally->harvest_moves) &&
        !broken) {
        printf("not one daemon was killed, or not one symbol moved: nothing was tried\n");
        return 1;
    }
    return broken == options->expect_failure && tally->seeds ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    struct timespec begun;
    said = stderr;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage();
        return 0;
    }
    if (!parse(argc, argv, &options, &folder))
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    options.until_s = begun.tv_sec + (time_t)options.seconds;
    path_join(root, folder, "orderflow-simulation-%d", (int)getpid());
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED || folder_make(root, 0700) != STATUS_OK) {
        fprintf(said, "simulate: %s: %s\n", root, strerror(errno));
        return 2;
    }
    start_workers(&options);
    int code = report(&options, &begun);
    if (options.keep)
        printf("files: %s\n", root);
    else if (folder_remove(root) != STATUS_OK)
        fprintf(said, "simulate: %s cannot be removed\n", root);
    return code;
}
