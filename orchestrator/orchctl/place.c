#include "place.h"

#include "base/file.h"

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
        status = error_set(error, STATUS_INVALID, "%s cannot be used: %s", PATH,
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
