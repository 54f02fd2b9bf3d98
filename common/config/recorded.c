#include "config/recorded.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum { RUN_ID_LENGTH_MAX = 64 };

bool run_id_valid(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return length > 0 && length <= RUN_ID_LENGTH_MAX && !text[length];
}

enum status run_id_check(const char *text, struct error *error)
{
    return run_id_valid(text) ? STATUS_OK
                              : error_set(error, STATUS_INVALID,
                                          "'%.80s' is not a run id: letters, digits, _ and -, at most %d",
                                          text, RUN_ID_LENGTH_MAX);
}

bool recorded_plays_rows(const struct config *config)
{
    return strcmp(config_text(config, "run.input_mode"), "preview") == 0 &&
           !config_list(config, "simulator.captures").count;
}

enum status recorded_none(struct error *error)
{
    return error_set(error, STATUS_NOT_FOUND,
                     "no run is recorded in this folder: none was started here, or all were cleaned away; "
                     "`orchestrator` starts one (--dir DIR asks another folder)");
}

/* say_wrong: the first mistake, and how many more there are. */
static enum status say_wrong(const char *path, enum status status, const struct config_errors *errors,
                             struct error *error)
{
    char more[48] = "";
    const struct config_error *first = errors->count ? &errors->items[0] : NULL;
    bool of_key = first && *first->key;
    if (errors->count > 1)
        snprintf(more, sizeof more, " (and %zu more)", errors->count - 1 + errors->not_kept);
    return error_set(
        error, STATUS_MALFORMED, "%s cannot be used: %s%s%s%s; %s", first ? first->place : path,
        of_key ? first->key : "", of_key ? " " : "", first ? first->reason : status_name(status), more,
        of_key ? "another build wrote it, or somebody's hand: ask with the build of that run, or "
                 "start a new run here, which writes it anew"
               : "a new run started here writes it anew");
}

enum status recorded_config(struct config *config, const char *path, struct error *error)
{
    struct config_errors errors;
    enum status status = STATUS_OK;
    config_errors_init(&errors);
    if (file_exists(path))
        status = config_load_file(config, path, &errors);
    if (status != STATUS_OK)
        status = say_wrong(path, status, &errors, error);
    config_errors_finish(&errors);
    return status;
}
