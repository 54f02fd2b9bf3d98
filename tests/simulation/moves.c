#include "tests/simulation/moves.h"

#include "base/file.h"
#include "config/plan.h"
#include "tests/simulation/hearing.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/trace.h"
#include "tests/simulation/venue.h"

#include <stdio.h>
#include <string.h>

enum { MS = 1000000, ASK_AGAIN_MS = 100, IN_VAIN_MS = 100, FORGET_MS = 200 };

static const char *const SYMBOLS[FAULT_SYMBOLS] = {"BTCUSDT", "ETHUSDT"};
static const struct {
    int first;
    const char *readers;
} SERVICES[FAULT_SERVICES] = {
    {PROCESS_HARVEST, "features,archive,report"},
    {PROCESS_FEATURES, "signal,archive,report"},
    {PROCESS_SIGNAL, "broker,report"},
};

static struct {
    const struct fault_plan *plan;
    struct plan *owners; /* as on the disk */
    bool second_owns[FAULT_SERVICES][FAULT_SYMBOLS];
    size_t move_count;
    size_t next; /* move to be made, or under way */
    bool moving;
    enum {
        VAIN_NOT_YET,
        VAIN_ASKED,
        VAIN_GIVEN_UP
    } vain; /* of a move that is given up once before it is made */
    int64_t vain_until_ns, excused_ns;
    int64_t asked_ns, told_ns;
    int generations; /* of both, when they were asked */
} world;

/* service_index: FAULT_SERVICES: of one that has a single instance. */
static size_t service_index(int first)
{
    size_t index = 0;
    while (index < FAULT_SERVICES && SERVICES[index].first != first)
        index++;
    return index;
}

int moves_owner(int first, size_t symbol)
{
    size_t index = service_index(first);
    return first + (index < FAULT_SERVICES && world.second_owns[index][symbol]);
}

const struct planned_move *moves_under_way(void)
{
    return world.moving ? &world.plan->moves[world.next] : NULL;
}

int64_t moves_made(void)
{
    return (int64_t)world.next;
}

int64_t moves_made_of_harvest(void)
{
    int64_t count = 0;
    for (size_t i = 0; i < world.next; i++)
        count += process_is_harvest(&processes[world.plan->moves[i].from]);
    return count;
}

/* write: the plan says who owns what, under the next version. */
static void write(void)
{
    struct error error = {{0}};
    world.owners->version++;
    for (size_t i = 0; i < FAULT_SERVICES; i++) {
        struct plan_service *service = plan_service(world.owners, processes[SERVICES[i].first].name);
        for (size_t k = 0; k < FAULT_SYMBOLS; k++)
            service->owners[k] = world.second_owns[i][k];
    }
    if (folder_make_for(MOVES_PLAN_PATH) != STATUS_OK ||
        plan_write(world.owners, MOVES_PLAN_PATH, world.plan->power, &error) != STATUS_OK)
        trace_complain("the plan cannot be written: %s", error.text);
}

void moves_begin(const struct fault_plan *plan)
{
    plan_destroy(world.owners);
    memset(&world, 0, sizeof world);
    hearing_begin();
    if (!plan->scaled)
        return;
    world.plan = plan;
    world.move_count = plan->move_count;
    memcpy(world.second_owns, plan->second_owns, sizeof world.second_owns);
    world.owners = plan_create(OPERATOR_RUN_ID, SYMBOLS, FAULT_SYMBOLS);
    for (size_t i = 0; i < FAULT_SERVICES; i++)
        plan_add(world.owners, processes[SERVICES[i].first].name, 2);
    write();
}

/* all_know: whoever is up has the newest plan; one that starts later reads it. Who does not is told again. */
static bool all_know(void)
{
    bool all = true, due = fiber_now_ns() - world.told_ns >= ASK_AGAIN_MS * (int64_t)MS;
    for (int i = 0; i < PROCESS_COUNT; i++) {
        const struct operator_view *view = operator_view(i);
        if (!view || view->plan_version >= world.owners->version)
            continue;
        all = false;
        if (due)
            operator_say(i, "plan", "{}");
    }
    if (due)
        world.told_ns = fiber_now_ns();
    return all;
}

/* has_arrived: the new owner tells of the symbol, because of this very move. */
static bool has_arrived(const struct planned_move *move)
{
    const struct operator_view *view = operator_view(move->to);
    return view && view->acquired_version > world.owners->version && view->published[move->symbol];
}

/* is_due: repeated, at once when one of the two is another life. */
static bool is_due(const struct planned_move *move)
{
    int generations = processes[move->from].generation + processes[move->to].generation;
    if (fiber_now_ns() - world.asked_ns < ASK_AGAIN_MS * (int64_t)MS && generations == world.generations)
        return false;
    world.asked_ns = fiber_now_ns();
    world.generations = generations;
    return true;
}

static void ask(const struct planned_move *move)
{
    struct plan_move said = {.version = world.owners->version + 1};
    struct buffer arguments;
    if (!is_due(move))
        return;
    int first = move->from < move->to ? move->from : move->to;
    snprintf(said.service, sizeof said.service, "%s", processes[first].name);
    snprintf(said.symbol, sizeof said.symbol, "%s", SYMBOLS[move->symbol]);
    snprintf(said.readers, sizeof said.readers, "%s", SERVICES[service_index(first)].readers);
    snprintf(said.from, sizeof said.from, "%s", processes[move->from].name);
    snprintf(said.to, sizeof said.to, "%s", processes[move->to].name);
    buffer_init(&arguments, 0);
    plan_move_json(&said, &arguments);
    if (world.vain != VAIN_ASKED)
        operator_say(move->from, "move_out", buffer_text(&arguments));
    operator_say(move->to, "move_in", buffer_text(&arguments));
    buffer_finish(&arguments);
}

/* ask_and_tell: one that came back just before the newest plan may not have told of itself when the move began. */
static void ask_and_tell(const struct planned_move *move)
{
    ask(move);
    (void)all_know();
}

static void begin(const struct planned_move *move)
{
    trace_event("move", "number=%zu symbol=%s from=%s to=%s", world.next, SYMBOLS[move->symbol],
                processes[move->from].name, processes[move->to].name);
    world.moving = true;
    world.asked_ns = world.generations = 0;
    processes[move->from].points_at_move[world.next] = processes[move->from].points;
    processes[move->to].points_at_move[world.next] = processes[move->to].points;
}

static void finish(const struct planned_move *move)
{
    int first = move->from < move->to ? move->from : move->to;
    trace_event("moved", "number=%zu", world.next);
    world.second_owns[service_index(first)][move->symbol] = move->to != first;
    world.moving = false;
    world.vain = VAIN_NOT_YET;
    world.next++;
    write();
}

/* has_stopped_listening: whoever knows the plan, and runs, must have within FORGET_MS. */
static bool has_stopped_listening(const struct planned_move *move)
{
    const struct process *to = &processes[move->to];
    int64_t now_ns = fiber_now_ns();
    if (venue_deaf_since_ns(to, move->symbol) != INT64_MAX)
        return true;
    if (!to->alive || now_ns < to->stopped_until_ns || now_ns < to->refuses_writes_until_ns)
        world.excused_ns = now_ns;
    if (now_ns - world.excused_ns > FORGET_MS * (int64_t)MS)
        trace_complain("%s goes on listening to symbol %zu, whose move the plan has passed", to->name,
                       move->symbol);
    return false;
}

/* try_in_vain: an orchestrator asked the next owner, died before it had asked the present one, and left no record; what the next one
 * plans is something else. Whoever was asked must stop listening by itself. True: that is over. */
static bool try_in_vain(const struct planned_move *move)
{
    if (world.vain == VAIN_NOT_YET) {
        trace_event("move_in_vain", "number=%zu to=%s", world.next, processes[move->to].name);
        world.vain = VAIN_ASKED;
        world.vain_until_ns = fiber_now_ns() + fault_below(IN_VAIN_MS * (int64_t)MS);
    } else if (world.vain == VAIN_ASKED && fiber_now_ns() < world.vain_until_ns) {
        ask(move);
    } else if (world.vain == VAIN_ASKED) {
        world.vain = VAIN_GIVEN_UP;
        write();
    }
    if (world.vain != VAIN_GIVEN_UP || !all_know())
        world.excused_ns = fiber_now_ns();
    return world.vain == VAIN_GIVEN_UP && all_know() && has_stopped_listening(move);
}

/* may_go: a symbol of harvest that its owner does not hear yet stays until he does. */
static bool may_go(const struct planned_move *move)
{
    const struct operator_view *view = operator_view(move->from);
    return !process_is_harvest(&processes[move->from]) || (view && view->connections_open > 0);
}

/* give_up: the recording was over where the symbol was: it stays there (docs/decisions/0030). */
static void give_up(void)
{
    trace_event("not_moved", "number=%zu", world.next);
    world.moving = false;
    world.move_count = world.next;
}

bool moves_step(bool ended)
{
    if (!world.plan)
        return true;
    const struct planned_move *move = world.next < world.move_count ? &world.plan->moves[world.next] : NULL;
    if (world.moving && has_arrived(move))
        finish(move);
    else if (world.moving && ended && process_is_harvest(&processes[move->from]))
        give_up();
    else if (world.moving)
        ask_and_tell(move);
    else if (!all_know())
        return false;
    else if (move && !ended && fiber_now_ns() >= move->at_ns && move->in_vain && !try_in_vain(move))
        return false;
    else if (move && !ended && fiber_now_ns() >= move->at_ns && may_go(move))
        begin(move);
    else
        return true;
    return false;
}
