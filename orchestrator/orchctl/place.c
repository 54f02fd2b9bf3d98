#include "place.h"

#include "base/file.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

enum status place_config(struct config **out_config, struct error *error)
{
    static const char PATH[] = "runtime/effective_config.json";
    struct config *config = config_create();
    struct config_errors errors;
    enum status status = STATUS_OK;
    config_errors_init(&errors);
    if (file_exists(PATH))
        status = config_load_file(config, PATH, &errors);
    if (status != STATUS_OK)
        status = error_set(error, STATUS_MALFORMED, "%s cannot be used: %s", PATH,
                           errors.count ? errors.items[0].reason : status_name(status));
    config_errors_finish(&errors);
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

bool place_daemons_live(void)
{
    glob_t found = {0};
    bool any = false;
    if (glob("runtime/bus/*.lock", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && !any; i++)
            any = file_lock_held(found.gl_pathv[i]);
    globfree(&found);
    return any;
}

enum { RUN_ID_MAX = 64 };

static bool is_run_id(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return length > 0 && length <= RUN_ID_MAX && !text[length];
}

static enum status find_run(const struct config *config, const char *run_id, char out_id[RUN_ID_BYTES],
                            struct error *error)
{
    const char *newest = config_text(config, "run.run_id");
    char path[PATH_BYTES];
    if (!run_id && !*newest)
        return error_set(error, STATUS_NOT_FOUND,
                         "no run has been started in this folder (use --dir DIR for another)");
    if (run_id && !is_run_id(run_id))
        return error_set(error, STATUS_INVALID,
                         "'%.80s' is not a run id: letters, digits, _ and -, at most %d", run_id, RUN_ID_MAX);
    path_join(path, config_text(config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              run_id ? run_id : newest);
    if (run_id && strcmp(run_id, newest) != 0 && !file_exists(path))
        return error_set(error, STATUS_NOT_FOUND, "there is no run %s here: %s does not exist%s%s", run_id,
                         path, *newest ? "; the newest run is " : "", newest);
    snprintf(out_id, RUN_ID_BYTES, "%s", run_id ? run_id : newest);
    return STATUS_OK;
}

enum status place_run(const char *run_id, char out_id[RUN_ID_BYTES], struct error *error)
{
    struct config *config;
    enum status status = place_config(&config, error);
    if (status != STATUS_OK)
        return status;
    status = find_run(config, run_id, out_id, error);
    config_destroy(config);
    return status;
}

bool place_run_goes_on(const struct config *config, const char *run_id)
{
    return place_orchestrator_lives() && strcmp(run_id, config_text(config, "run.run_id")) == 0;
}
