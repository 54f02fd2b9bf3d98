#include "place.h"

#include "base/file.h"
#include "config/recorded.h"
#include "orchestrator/manifest/behind.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

static const char EFFECTIVE[] = "runtime/effective_config.json";

bool place_has_config(void)
{
    return file_exists(EFFECTIVE);
}

enum status place_config(struct config **out_config, struct error *error)
{
    struct config *config = config_create();
    enum status status = recorded_config(config, EFFECTIVE, error);
    if (status == STATUS_OK)
        *out_config = config;
    else
        config_destroy(config);
    return status;
}

bool place_orchestrator_lives(void)
{
    return file_lock_held("runtime/orchestrator.lock");
}

static enum status lock_visit(void *context, const char *path)
{
    bool *held = context;
    size_t length = strlen(path);
    *held = *held || (length > 5 && strcmp(path + length - 5, ".lock") == 0 && file_lock_held(path));
    return STATUS_OK;
}

bool place_daemons_of(const struct config *config)
{
    bool held = false;
    (void)!folder_walk(config_text(config, "bus.dir"), lock_visit, &held);
    return held;
}

bool place_daemons_live(void)
{
    struct config *config;
    struct error unread;
    if (place_config(&config, &unread) != STATUS_OK)
        return false;
    bool live = place_daemons_of(config);
    config_destroy(config);
    return live;
}

static enum status find_run(const struct config *config, const char *run_id, char out_id[RUN_ID_BYTES],
                            struct error *error)
{
    const char *newest = config_text(config, "run.run_id");
    char path[PATH_BYTES];
    if (!run_id && !*newest)
        return recorded_none(error);
    enum status status = run_id ? run_id_check(run_id, error) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    path_join(path, config_text(config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              run_id ? run_id : newest);
    if (run_id && strcmp(run_id, newest) != 0 && !file_exists(path))
        return error_set(error, STATUS_NOT_FOUND, "there is no run %s here: %s does not exist%s%s", run_id,
                         path, *newest ? "; the newest run is " : "", newest);
    snprintf(out_id, RUN_ID_BYTES, "%s", run_id ? run_id : newest);
    return STATUS_OK;
}

enum status place_run(const char *run_id, char out_id[RUN_ID_BYTES], struct config **out_config,
                      struct error *error)
{
    struct config *config;
    enum status status = place_config(&config, error);
    if (status != STATUS_OK)
        return status;
    status = find_run(config, run_id, out_id, error);
    if (status == STATUS_OK && out_config)
        *out_config = config;
    else
        config_destroy(config);
    return status;
}

bool place_run_goes_on(const struct config *config, const char *run_id)
{
    return strcmp(run_id, config_text(config, "run.run_id")) == 0 &&
           (place_orchestrator_lives() || place_daemons_of(config));
}

enum status place_market(const struct config *config, const char *run_id, const char *lacking,
                         struct error *error)
{
    if (strcmp(run_id, config_text(config, "run.run_id")) != 0 || !recorded_plays_rows(config))
        return STATUS_OK;
    return error_set(
        error, STATUS_NOT_FOUND,
        "run %s played rows that lie in %s and has no %s: ask in the folder of the run that wrote them",
        run_id, config_text(config, "run.input_dir"), lacking);
}

bool place_concluding(const char *state_dir, const char *run_id)
{
    char path[PATH_BYTES];
    path_join(path, state_dir, BEHIND_FOLDER "/%s", run_id);
    return file_exists(path);
}

void place_say_concluding(const char *run_id)
{
    fprintf(
        stderr,
        "orchctl: run %s has ended and is still being concluded: its rows are all there, its summaries and "
        "its verdict "
        "are not yet; %s\n",
        run_id,
        place_orchestrator_lives()
            ? "wait until `orchctl status` names it no more under `concluding`, or for the event `concluded`"
            : "an orchestrator started here goes on with that");
}

bool place_left_effective(const struct config *config, const char *run_id, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(config, "run.state_dir"), "concluding/%s/programs.json", run_id);
    return file_exists(out_path);
}

bool place_any_concluding(const char *state_dir, char out_run_id[RUN_ID_BYTES])
{
    char path[PATH_BYTES];
    glob_t found = {0};
    path_join(path, state_dir, BEHIND_FOLDER "/*");
    bool any = glob(path, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (any)
        snprintf(out_run_id, RUN_ID_BYTES, "%s", strrchr(found.gl_pathv[0], '/') + 1);
    globfree(&found);
    return any;
}
