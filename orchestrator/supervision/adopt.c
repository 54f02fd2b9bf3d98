#include "adopt.h"

#include "base/memory.h"
#include "config/recorded.h"
#include "orchestrator/faults/faults.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* asked_run_id: the run that the command line or the environment names, NULL: none. */
static const char *asked_run_id(const struct options *options)
{
    const char *asked = config_environment_process(NULL, "RUN_ID");
    for (size_t i = 0; i < options->override_count; i++)
        if (strcmp(options->overrides[i].key, "run.run_id") == 0)
            asked = options->overrides[i].value;
    return asked && *asked ? asked : NULL;
}

struct config *adopt_config(const char *path)
{
    struct config *config = config_create();
    struct error error;
    if (file_exists(path) && recorded_config(config, path, &error) == STATUS_OK)
        return config;
    if (file_exists(path))
        fprintf(stderr, "orchestrator: %s\n", error.text);
    config_destroy(config);
    return NULL;
}

static bool any_kept(const struct run *run, const struct config *config)
{
    for (size_t i = 0; i < MODULE_COUNT; i++)
        for (size_t number = 1; number <= (module_at(i)->scales ? PLAN_INSTANCES_MAX : 1); number++) {
            char name[PLAN_NAME_BYTES];
            plan_instance_name(module_at(i)->name, number, name);
            if (run->driver->kept(name, config_text(config, "bus.dir")))
                return true;
        }
    return false;
}

enum status adopt_options(struct run *run, struct config *config, struct error *error)
{
    run->adopted = memory_allocate(sizeof *run->adopted);
    run->config = config;
    enum status status = options_parse(run->left.argument_count, run->left.arguments, run->adopted, error);
    if (status == STATUS_OK)
        run->options = run->adopted;
    return status;
}

enum status adopt_find(struct run *run, struct error *error)
{
    if (!file_exists(RUN_LOCK_PATH))
        return STATUS_NOT_FOUND;
    enum status status = lock_take(RUN_LOCK_PATH, &run->lock, error);
    if (status != STATUS_OK)
        return status;
    status = record_read(RECORD_PATH, &run->left);
    if (status == STATUS_MALFORMED)
        fprintf(stderr,
                "orchestrator: %s cannot be read (damaged, or of another build): the run it belongs to "
                "cannot go on\n",
                RECORD_PATH);
    if (status != STATUS_OK || strcmp(run->left.boot_id, run->boot_id) != 0)
        return STATUS_NOT_FOUND;
    const char *asked = asked_run_id(run->options);
    bool other = asked && strcmp(asked, run->left.run_id) != 0 && !rollback_follows(asked, run->left.run_id);
    if (record_left_behind(&run->left))
        return other || run->options->rolls_back ? STATUS_NOT_FOUND : STATUS_AGAIN;
    struct config *config = adopt_config(RUN_EFFECTIVE_PATH);
    bool alive = config && any_kept(run, config);
    if (config && !other && (alive || record_phase(&run->left) == PHASE_ENDED))
        return adopt_options(run, config, error);
    config_destroy(config);
    if (alive)
        return error_set(error, STATUS_INVALID,
                         "run %s still lives in this folder, its orchestrator died: go on with it (without "
                         "--run-id, or with "
                         "--run-id %s), and end it with `orchctl shutdown`; or use another folder for %s",
                         run->left.run_id, run->left.run_id, asked);
    return STATUS_NOT_FOUND;
}

/* recall_all: totals go on where they were: some of what is summed up may never speak again. */
static void recall_all(struct run *run)
{
    for (size_t i = 0; i < run->process_count; i++) {
        struct process *process = &run->processes[i];
        char path[PATH_BYTES];
        path_join(path, config_text(run->config, "run.output_dir"), "status/%s.json", process->name);
        telemetry_recall(&process->telemetry, path, run->run_id, process->name);
    }
    run->adopted_ms = run_now_ms(run);
}

enum status adopt_all(struct run *run, struct error *error)
{
    if (record_restore(&run->left, run) != STATUS_OK)
        return error_set(error, STATUS_INVALID, "%s does not belong to the configuration in %s", RECORD_PATH,
                         RUN_EFFECTIVE_PATH);
    enum status status = run_plan_read(run, error);
    for (size_t i = 0; status == STATUS_OK && i < run->process_count; i++)
        status = run_process_connect(run, &run->processes[i], error);
    if (status != STATUS_OK)
        return status;
    run->adoptions++;
    record_write(run); /* before anybody can have heard of it */
    feed_emit(&run->feed, LOG_WARNING, "Adopting", "",
              FEED_FIELDS(TEXT("phase", run_phase_name(run->phase)), TEXT("previous", run->lock.previous)));
    console_say(&run->console, "run %s goes on: its orchestrator died while it was %s", run->run_id,
                run_phase_name(run->phase));
    for (size_t i = 0; i < run->process_count; i++)
        process_adopt(run, &run->processes[i]);
    recall_all(run);
    faults_adopt(run);
    return STATUS_OK;
}
