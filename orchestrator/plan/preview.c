#include "preview.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char DATA_ROOT[] = "./preview"; /* live data and recomputed data do not share a folder */

static const char AS_FAST_AS_READ[] = "0"; /* what --speed max says, too */

struct captures {
    char **paths;
    size_t count, capacity;
    char own[PATH_BYTES]; /* what earlier previews recorded is no input */
};

static bool ends_in(const char *path, const char *suffix)
{
    size_t length = strlen(path), tail = strlen(suffix);
    return length > tail && strcmp(path + length - tail, suffix) == 0;
}

static bool is_below(const char *path, const char *folder)
{
    char *real = realpath(path, NULL);
    size_t length = strlen(folder);
    bool below = real && length && strncmp(real, folder, length) == 0 && real[length] == '/';
    free(real);
    return below;
}

static enum status take(void *context, const char *path)
{
    struct captures *captures = context;
    if (!ends_in(path, ".ofr") || is_below(path, captures->own))
        return STATUS_OK;
    captures->paths =
        memory_grow(captures->paths, &captures->capacity, captures->count + 1, sizeof *captures->paths);
    captures->paths[captures->count++] = memory_copy_text(path);
    return STATUS_OK;
}

static void find(const struct config *config, struct captures *captures, struct config_errors *errors)
{
    const char *folder = config_text(config, "run.input_dir");
    char *own = realpath(config_text(config, "run.data_root"), NULL);
    struct stat found;
    snprintf(captures->own, sizeof captures->own, "%s", own ? own : "");
    free(own);
    const char *place = config_place(config, "run.input_dir");
    if (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode))
        config_errors_add(errors, place, "run.input_dir", "%s: there is no such folder", folder);
    else if (folder_walk(folder, take, captures) != STATUS_OK)
        config_errors_add(errors, place, "run.input_dir", "%s cannot be read: %m", folder);
    else if (!captures->count)
        config_errors_add(errors, place, "run.input_dir",
                          "%s holds no capture (*.ofr); rows of kind=features alone cannot be played yet",
                          folder);
}

static void set(struct config *config, const char *key, const char *text, struct config_errors *errors)
{
    struct error wrong = {{0}};
    if (config_set(config, key, text, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, "option --input-mode", key, "%s", wrong.text);
}

static void set_default(struct config *config, const char *key, const char *text,
                        struct config_errors *errors)
{
    if (!config_is_chosen(config, key))
        set(config, key, text, errors);
}

void preview_resolve(struct config *config, struct config_errors *errors)
{
    struct captures captures = {0};
    struct error wrong = {{0}};
    if (strcmp(config_text(config, "run.input_mode"), "preview") != 0 ||
        !*config_text(config, "run.input_dir"))
        return; /* without a folder: config_validate tells */
    if (config_list(config, "simulator.captures").count)
        config_errors_add(errors, config_place(config, "simulator.captures"), "simulator.captures",
                          "and run.input_dir exclude each other: both are the recording");
    set_default(config, "run.data_root", DATA_ROOT, errors);
    set_default(config, "simulator.speed", AS_FAST_AS_READ, errors);
    set(config, "harvest.venue", "simulator", errors);
    find(config, &captures, errors);
    if (captures.count && config_set_texts(config, "simulator.captures", (const char *const *)captures.paths,
                                           captures.count, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, config_place(config, "run.input_dir"), "run.input_dir", "%s", wrong.text);
    for (size_t i = 0; i < captures.count; i++)
        free(captures.paths[i]);
    free(captures.paths);
}
