/* Which processes a run has: modules, of some of them several instances, and the plan that gives each instance its
 * symbols (config/plan.h). */
#include "bus/bus.h"
#include "config/recorded.h"
#include "orchestrator/run.h"
#include "resolve.h"

#include <stdio.h>
#include <string.h>

struct process *run_process(struct run *run, const char *name)
{
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        if (plan_instance_number(process->module->name, name) == process->number)
            return process;
    }
    return NULL;
}

bool run_meant(const struct process *process, const char *name)
{
    return strcmp(name, process->module->name) == 0 ||
           plan_instance_number(process->module->name, name) == process->number;
}

/* before: in the order of starting: by module, then by number. */
static bool before(const struct process *one, const struct process *other)
{
    return one->module_index != other->module_index ? one->module_index < other->module_index
                                                    : one->number < other->number;
}

struct process *run_process_add(struct run *run, size_t module, size_t number)
{
    size_t index = run->process_count++, place = index;
    process_init(&run->processes[index], module, number);
    if (module == MODULE_FEATURES && recorded_plays_rows(run->config))
        run->processes[index].module = module_playing();
    for (; place > 0 && before(&run->processes[index], &run->processes[run->order[place - 1]]); place--)
        run->order[place] = run->order[place - 1];
    run->order[place] = index;
    return &run->processes[index];
}

enum status run_process_connect(struct run *run, struct process *process, struct error *error)
{
    if (process->connection != SIZE_MAX)
        return STATUS_OK;
    enum status status = bus_connect(run->bus, process->name, &process->connection, error);
    if (status == STATUS_OK && process->module->beats)
        bus_subscribe(run->bus, process->connection, "heartbeat/");
    return status;
}

/* scale_of: how many instances of a module the configuration wants. */
static size_t scale_of(const struct run *run, size_t module)
{
    char key[32];
    if (!module_at(module)->scales)
        return 1;
    snprintf(key, sizeof key, "scale.%s", module_at(module)->name);
    return (size_t)config_i64(run->config, key);
}

void run_processes_make(struct run *run)
{
    module_set all = run->choice.enabled | run->choice.implied;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        for (size_t number = 1; (all & module_bit(i)) && number <= scale_of(run, i); number++)
            run_process_add(run, i, number);
}

enum status run_plan_make(struct run *run, struct error *error)
{
    struct config_list symbols = config_list(run->config, "run.symbols");
    run->plan = plan_create(run->run_id, symbols.texts, symbols.count);
    run->plan->version = 1;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (((run->choice.enabled | run->choice.implied) & module_bit(i)) && module_at(i)->beats)
            plan_add(run->plan, module_at(i)->name, scale_of(run, i));
    return plan_write(run->plan, RUN_PLAN_PATH,
                      strcmp(config_text(run->config, "journal.durability"), "power") == 0, error);
}

enum status run_plan_read(struct run *run, struct error *error)
{
    if (!run->venue_resolved)
        return STATUS_OK; /* its orchestrator died before there was one */
    enum status status = plan_read(RUN_PLAN_PATH, &run->plan, error);
    if (status == STATUS_OK && strcmp(run->plan->run_id, run->run_id) != 0)
        status = error_set(error, STATUS_MALFORMED, "%s: is of run %s, not %s", RUN_PLAN_PATH,
                           run->plan->run_id, run->run_id);
    return status;
}

size_t run_symbols_of(const struct run *run, const struct process *process)
{
    return run->plan ? plan_owned(run->plan, process->module->name, process->name) : 0;
}

void run_capture_folder(const struct run *run, const struct process *harvest, char out_path[PATH_BYTES])
{
    bool first = harvest->number == 1;
    path_join(out_path, config_text(run->config, "run.data_root"), "raw%s%s", first ? "" : "-",
              first ? "" : harvest->name);
}

bool run_counter(const struct run *run, size_t module, const char *name, int64_t *out_value)
{
    int64_t sum = 0, value;
    bool any = false;
    for (size_t i = 0; i < run->process_count; i++) {
        if (run->processes[i].module_index != module ||
            !telemetry_counter(&run->processes[i].telemetry, name, &value))
            continue;
        sum += value;
        any = true;
    }
    if (any)
        *out_value = sum;
    return any;
}

int64_t run_fed_event_ms(const struct run *run)
{
    int64_t event_ms = FIELD_NULL_I64; /* below every time */
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module->takes_feed && run->processes[i].telemetry.beat.event_ts_ms > event_ms)
            event_ms = run->processes[i].telemetry.beat.event_ts_ms;
    return event_ms;
}

int64_t run_fed_rows(const struct run *run)
{
    int64_t rows = 0;
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module->takes_feed)
            rows += telemetry_rows(&run->processes[i].telemetry, true);
    return rows;
}
