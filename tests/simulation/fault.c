#include "tests/simulation/fault.h"

#include "tests/simulation/power.h"
#include "tests/simulation/trace.h"

#include <inttypes.h>
#include <stdio.h>

enum { MS = 1000000, SCALED_ONE_IN = 3, READ_MESSAGES = 15, READ_MESSAGES_SCALED = 3 };

static struct {
    struct fault_plan *plan;
    struct random *random;
    bool power_is_cut; /* all are killed, the files are still as they were */
} world;

/* --- drawing --- */

void fault_plan_quiet(struct fault_plan *plan)
{
    *plan = (struct fault_plan){
        .delay_ns_max = 200000,
        .read_messages = READ_MESSAGES,
        .state_interval_ms = 200,
        .high_water_mark = 20000,
        .sink_rows = 50,
        .sink_ms = 50,
        .part_rows = 50000,
        .heartbeat_ms = 200,
        .journal_mb = 64,
        .journal_age_s = 86400,
    };
}

static int64_t below(struct random *random, int64_t bound)
{
    return (int64_t)random_below(random, (uint64_t)(bound > 0 ? bound : 1));
}

#define ONE_OF(random, array) ((array)[random_below((random), sizeof(array) / sizeof(array)[0])])

static void draw_manners(struct fault_plan *plan, struct random *random)
{
    static const int LOSS[] = {0, 0, 10, 100, 400}, REQUEST_LOSS[] = {0, 0, 50, 200}, YIELD[] = {0, 2, 8, 50};
    static const int64_t DELAY_MS[] = {0, 1, 5, 30}, RESTART_MS[] = {1, 20, 200, 1500},
                         STATE_MS[] = {1, 50, 200, 1000}, MARK[] = {1, 5, 100, 20000},
                         SINK_ROWS[] = {1, 5, 50, 500}, SINK_MS[] = {50, 100, 500},
                         PART_ROWS[] = {40, 300, 50000, 50000}, BEAT_MS[] = {50, 100, 200, 200},
                         JOURNAL_MB[] = {1, 64}, AGE_S[] = {1, 86400};
    plan->loss_permille = ONE_OF(random, LOSS);
    plan->request_loss_permille = ONE_OF(random, REQUEST_LOSS);
    plan->yield_one_in = ONE_OF(random, YIELD);
    plan->delay_ns_max = ONE_OF(random, DELAY_MS) * MS + 100000;
    plan->restart_ns_max = ONE_OF(random, RESTART_MS) * MS;
    plan->state_interval_ms = ONE_OF(random, STATE_MS);
    plan->high_water_mark = ONE_OF(random, MARK);
    plan->recut_seed = below(random, 2) * below(random, 1000);
    plan->sink_rows = ONE_OF(random, SINK_ROWS);
    plan->sink_ms = ONE_OF(random, SINK_MS);
    plan->part_rows = ONE_OF(random, PART_ROWS);
    plan->heartbeat_ms = ONE_OF(random, BEAT_MS);
    plan->power = below(random, 10) == 0;
    plan->journal_mb = ONE_OF(random, JOURNAL_MB);
    plan->journal_age_s = ONE_OF(random, AGE_S);
}

/* draw_process: harvest less often than the others: a run in which it dies needs a second one to be compared with. */
static int draw_process(const struct fault_plan *plan, struct random *random)
{
    static const int ALONE[] = {PROCESS_FEATURES, PROCESS_SIGNAL, PROCESS_BROKER, PROCESS_ARCHIVE,
                                PROCESS_REPORT},
                     SCALED[] = {PROCESS_FEATURES, PROCESS_FEATURES_2, PROCESS_SIGNAL, PROCESS_SIGNAL_2,
                                 PROCESS_BROKER,   PROCESS_ARCHIVE,    PROCESS_REPORT};
    if (below(random, 32) == 0)
        return PROCESS_HARVEST + (plan->scaled && below(random, 2));
    return plan->scaled ? ONE_OF(random, SCALED) : ONE_OF(random, ALONE);
}

static bool is_second(int process)
{
    return process == PROCESS_HARVEST_2 || process == PROCESS_FEATURES_2 || process == PROCESS_SIGNAL_2;
}

/* draw_moves: one after the other; each takes a symbol to the instance that does not have it. */
static void draw_moves(struct fault_plan *plan, struct random *random, int64_t length_ns)
{
    static const int FIRST[FAULT_SERVICES] = {PROCESS_HARVEST, PROCESS_FEATURES, PROCESS_SIGNAL};
    bool second[FAULT_SERVICES][FAULT_SYMBOLS];
    int64_t at_ns = 1000 * (int64_t)MS;
    for (size_t i = 0; i < FAULT_SERVICES; i++)
        for (size_t k = 0; k < FAULT_SYMBOLS; k++)
            second[i][k] = plan->second_owns[i][k] = below(random, 2);
    plan->read_messages =
        READ_MESSAGES_SCALED; /* slowly, so that the market goes on while harvest's symbols move */
    plan->move_count = 1 + (size_t)below(random, PROCESS_MOVES_MAX);
    for (size_t i = 0; i < plan->move_count; i++) {
        size_t service = (size_t)below(random, FAULT_SERVICES), symbol = (size_t)below(random, FAULT_SYMBOLS);
        int first = FIRST[service];
        bool back = second[service][symbol];
        at_ns += below(random, 2 * length_ns / (int64_t)plan->move_count);
        plan->moves[i] = (struct planned_move){
            .from = first + back, .to = first + !back, .symbol = symbol, .at_ns = at_ns};
        second[service][symbol] = !back;
    }
}

/* draw_move_kill: half of the faults of a run with moves. */
static void draw_move_kill(const struct fault_plan *plan, struct random *random, struct fault *fault)
{
    if (!plan->scaled || below(random, 2))
        return;
    fault->kind = FAULT_KILL_IN_MOVE;
    fault->move = (size_t)below(random, (int64_t)plan->move_count);
    fault->process = below(random, 2) ? plan->moves[fault->move].from : plan->moves[fault->move].to;
    fault->point = 1 + below(random, below(random, 4) ? 12 : 60);
}

static enum fault_kind draw_kind(struct random *random)
{
    static const enum fault_kind KINDS[] = {
        FAULT_KILL_AT_POINT,    FAULT_KILL_AT_POINT,    FAULT_KILL_AT_POINT, FAULT_KILL_AT_POINT,
        FAULT_KILL_AT_TIME,     FAULT_KILL_AT_TIME,     FAULT_STOP,          FAULT_TERM,
        FAULT_KILL_AT_END,      FAULT_KILL_IN_RECOVERY, FAULT_DISK_FULL,     FAULT_DISCONNECT,
        FAULT_KILL_IN_RECOVERY, FAULT_KILL_ALL,
    };
    enum fault_kind kind = ONE_OF(random, KINDS);
    bool disturbs_harvest = kind == FAULT_DISCONNECT || kind == FAULT_KILL_ALL;
    return disturbs_harvest && below(random, 3) ? FAULT_KILL_AT_POINT : kind;
}

/* draw_clocks_and_vain_moves: from a chance of its own, so that what else a seed draws stays what it was. */
static void draw_clocks_and_vain_moves(struct fault_plan *plan, int64_t length_ns)
{
    static const int64_t SKEW_MS[] = {-30000, -10000, -2000, -300, 0, 300, 2000, 10000, 30000};
    struct random random;
    random_seed(&random, (uint64_t)plan->moves[0].at_ns);
    for (size_t i = 0; i < plan->move_count; i++)
        plan->moves[i].in_vain = below(&random, 4) == 0 && plan->moves[i].from <= PROCESS_HARVEST_2;
    if (below(&random, 2))
        return;
    for (size_t i = 0; i < 2; i++)
        plan->skew_ns[i] = ONE_OF(&random, SKEW_MS) * MS;
    plan->skew_from_ns = below(&random, 4) ? 0 : below(&random, length_ns);
}

void fault_plan_draw(struct fault_plan *plan, struct random *random, const int64_t points[PROCESS_COUNT],
                     int64_t length_ns)
{
    fault_plan_quiet(plan);
    draw_manners(plan, random);
    plan->scaled = below(random, SCALED_ONE_IN) == 0;
    if (plan->scaled)
        draw_moves(plan, random, length_ns);
    plan->count = (size_t)below(random, 4) + (size_t)below(random, 4);
    if (plan->scaled)
        draw_clocks_and_vain_moves(plan, length_ns);
    for (size_t i = 0; i < plan->count; i++) {
        struct fault *fault = &plan->faults[i];
        *fault = (struct fault){.kind = draw_kind(random), .process = draw_process(plan, random)};
        fault->point = fault->kind == FAULT_KILL_IN_RECOVERY
                           ? 1 + below(random, 40)
                           : 1 + below(random, points[fault->process - is_second(fault->process)]);
        fault->at_ns = 1000 * (int64_t)MS + below(random, length_ns);
        fault->length_ns = (1 + below(random, 3)) * (1 + below(random, 1000)) * MS;
        fault->torn = below(random, 2);
        if (fault->kind == FAULT_DISCONNECT || fault->kind == FAULT_KILL_ALL)
            fault->process = PROCESS_HARVEST;
        draw_move_kill(plan, random, fault);
        if (plan->power && below(random, 3) == 0) {
            fault->kind = FAULT_POWER_CUT;
            fault->process = PROCESS_HARVEST;
        }
        if (i && below(random, 4) == 0) /* two at once */
            fault->at_ns = fault[-1].at_ns;
    }
}

static void print_moves(const struct fault_plan *plan, FILE *out)
{
    for (size_t i = 0; i < plan->move_count; i++)
        fprintf(out, "    move %zu: symbol %zu from %s to %s %.3f s%s\n", i, plan->moves[i].symbol,
                processes[plan->moves[i].from].name, processes[plan->moves[i].to].name,
                (double)plan->moves[i].at_ns / 1e9, plan->moves[i].in_vain ? ", once in vain" : "");
    if (fault_skews(plan))
        fprintf(out, "    clocks ahead by %" PRId64 " and %" PRId64 " ms from %.3f s\n",
                plan->skew_ns[0] / MS, plan->skew_ns[1] / MS, (double)plan->skew_from_ns / 1e9);
}

void fault_plan_print(const struct fault_plan *plan, FILE *out)
{
    static const char *const KINDS[] = {"kill at point",
                                        "kill at",
                                        "kill in recovery at point",
                                        "kill in move at point",
                                        "kill at the end",
                                        "stop",
                                        "term",
                                        "disk full",
                                        "disconnect",
                                        "and all others killed at",
                                        "power cut"};
    fprintf(out,
            "    %sloss %d‰, requests %d‰, delay ≤ %" PRId64 " µs, interleaving 1/%d, restart ≤ %" PRId64
            " ms, state %" PRId64 " ms, mark %" PRId64 ", recut %" PRId64 ", sinks %" PRId64 " rows %" PRId64
            " ms, parts %" PRId64 " rows, beats %" PRId64 " ms, journals %" PRId64 " MB %" PRId64 " s\n",
            plan->power ? "durability power, " : "", plan->loss_permille, plan->request_loss_permille,
            plan->delay_ns_max / 1000, plan->yield_one_in, plan->restart_ns_max / MS, plan->state_interval_ms,
            plan->high_water_mark, plan->recut_seed, plan->sink_rows, plan->sink_ms, plan->part_rows,
            plan->heartbeat_ms, plan->journal_mb, plan->journal_age_s);
    print_moves(plan, out);
    for (size_t i = 0; i < plan->count; i++) {
        const struct fault *fault = &plan->faults[i];
        bool by_point = fault->kind == FAULT_KILL_AT_POINT || fault->kind == FAULT_KILL_IN_RECOVERY ||
                        fault->kind == FAULT_KILL_IN_MOVE;
        fprintf(out, "    %s %s", processes[fault->process].name ? processes[fault->process].name : "?",
                KINDS[fault->kind]);
        if (fault->kind == FAULT_KILL_IN_MOVE)
            fprintf(out, " (move %zu)", fault->move);
        if (by_point)
            fprintf(out, " %" PRId64 "%s", fault->point, fault->torn ? ", torn" : "");
        else if (fault->kind != FAULT_KILL_AT_END)
            fprintf(out, " %.3f s", (double)fault->at_ns / 1e9);
        if (fault->kind == FAULT_STOP || fault->kind == FAULT_DISK_FULL)
            fprintf(out, " for %" PRId64 " ms", fault->length_ns / MS);
        fprintf(out, "%s\n", fault->done ? "" : " (did not come to it)");
    }
}

/* --- during the run --- */

void faults_begin(struct fault_plan *plan, struct random *random)
{
    world.plan = plan;
    world.random = random;
    world.power_is_cut = false;
}

const struct fault_plan *faults_plan(void)
{
    return world.plan;
}

int64_t fault_below(int64_t bound)
{
    return below(world.random, bound);
}

bool fault_chance_permille(int permille)
{
    return permille && below(world.random, 1000) < permille;
}

int64_t fault_delay_ns(void)
{
    return 20000 + below(world.random, world.plan->delay_ns_max);
}

void fault_interleave(void)
{
    if (fiber_process() && world.plan->yield_one_in && below(world.random, world.plan->yield_one_in) == 0)
        fiber_yield();
}

/* is_hit: a kill that stands at the point just passed. */
static struct fault *is_hit(const struct process *process)
{
    for (size_t i = 0; i < world.plan->count; i++) {
        struct fault *fault = &world.plan->faults[i];
        bool of_point = fault->kind == FAULT_KILL_AT_POINT && fault->point <= process->points;
        bool of_recovery = fault->kind == FAULT_KILL_IN_RECOVERY && process->kills &&
                           process->points_of_life >= fault->point;
        bool of_move = fault->kind == FAULT_KILL_IN_MOVE && process->points_at_move[fault->move] >= 0 &&
                       process->points - process->points_at_move[fault->move] >= fault->point;
        if (!fault->done && &processes[fault->process] == process && (of_point || of_recovery || of_move)) {
            fault->done = true;
            return fault;
        }
    }
    return NULL;
}

static struct fault *pass(void)
{
    struct process *process = fiber_process();
    process->points++;
    process->points_of_life++;
    return is_hit(process);
}

void fault_point(const char *name)
{
    if (!fiber_process())
        return;
    if (pass())
        process_kill(fiber_process(), name);
    fault_interleave();
}

size_t fault_write(const char *name, size_t bytes)
{
    const struct fault *hit = fiber_process() ? pass() : NULL;
    if (!hit)
        return bytes;
    if (hit->torn && bytes > 1)
        return (size_t)below(world.random, (int64_t)bytes);
    process_kill(fiber_process(), name);
    return bytes;
}

static void carry_out(struct fault *fault)
{
    struct process *process = &processes[fault->process];
    fault->done = true;
    if (fault->kind == FAULT_KILL_AT_TIME) {
        process_kill(process, "its time");
    } else if (fault->kind == FAULT_KILL_ALL || fault->kind == FAULT_POWER_CUT) {
        world.power_is_cut = fault->kind == FAULT_POWER_CUT;
        for (size_t i = 0; i < PROCESS_COUNT; i++)
            process_kill(&processes[i], "all at once");
    } else if (fault->kind == FAULT_TERM) {
        process_term(process);
    } else if (fault->kind == FAULT_STOP) {
        process_stop(process, fiber_now_ns() + fault->length_ns);
    } else {
        trace_event("disk_full", "process=%s for_ms=%" PRId64, process->name, fault->length_ns / MS);
        trace_expect_write_errors();
        process->refuses_writes_until_ns = fiber_now_ns() + fault->length_ns;
    }
}

static bool any_inside_library(void)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        if (processes[i].inside_library)
            return true;
    return false;
}

void faults_cut_power(void)
{
    if (world.power_is_cut)
        power_cut();
    world.power_is_cut = false;
}

static bool is_timed(enum fault_kind kind)
{
    return kind == FAULT_KILL_AT_TIME || kind == FAULT_TERM || kind == FAULT_STOP ||
           kind == FAULT_DISK_FULL || kind == FAULT_KILL_ALL ||
           (kind == FAULT_POWER_CUT && !any_inside_library());
}

void faults_due(void)
{
    for (size_t i = 0; i < world.plan->count; i++) {
        struct fault *fault = &world.plan->faults[i];
        const struct process *process = &processes[fault->process];
        if (!fault->done && is_timed(fault->kind) && fiber_now_ns() >= fault->at_ns && process->alive &&
            !process->term_pending)
            carry_out(fault);
    }
}

int64_t fault_skew_ns(const struct process *process)
{
    return fiber_now_ns() < world.plan->skew_from_ns ? 0 : world.plan->skew_ns[process - processes];
}

bool fault_skews(const struct fault_plan *plan)
{
    return plan->skew_ns[0] || plan->skew_ns[1];
}

bool fault_disconnect_due(void)
{
    for (size_t i = 0; i < world.plan->count; i++) {
        struct fault *fault = &world.plan->faults[i];
        if (fault->kind == FAULT_DISCONNECT && !fault->done && fiber_now_ns() >= fault->at_ns)
            return fault->done = true;
    }
    return false;
}

void fault_kill_at_end(struct process *process)
{
    for (size_t i = 0; i < world.plan->count; i++) {
        struct fault *fault = &world.plan->faults[i];
        if (fault->kind != FAULT_KILL_AT_END || fault->done || &processes[fault->process] != process)
            continue;
        fault->done = true;
        process_kill(process, "its streams have ended");
        return;
    }
}
