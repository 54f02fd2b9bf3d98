#include "input.h"

#include "base/file.h"
#include "base/text.h"
#include "market/state.h"
#include "proto/feature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rows held in memory, over all symbols, and the least of each. */
enum { BATCH_ROWS = 32768, BATCH_ROWS_LEAST = 512 };

struct walk {
    input_visit *visit;
    void *context;
    char own[PATH_BYTES];
};

/* adding: to the files that are to be read. */
struct adding {
    struct row_files *files;
    struct error *error;
};

/* is_features: the folder kind=… says what the files in it are; copied out of it, their columns do (row_files_add). */
static bool is_features(const char *path)
{
    const char *kind = NULL;
    for (const char *at = path; (at = strstr(at, "kind=")); at++)
        if (at == path || at[-1] == '/')
            kind = at + strlen("kind=");
    return !kind || strncmp(kind, "features/", strlen("features/")) == 0;
}

static enum status visit(void *context, const char *path)
{
    struct walk *walk = context;
    if (!text_ends_in(path, ".parquet") || !is_features(path) || path_is_below(path, walk->own))
        return STATUS_OK;
    return walk->visit(walk->context, path);
}

enum status input_walk(const struct input_config *config, input_visit *wanted, void *context,
                       struct error *error)
{
    struct walk walk = {.visit = wanted, .context = context};
    struct stat found;
    const char *folder = config->folder;
    if (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode))
        return error_set(error, STATUS_NOT_FOUND, "%s: there is no such folder", folder);
    char *own = realpath(config->own_root, NULL);
    snprintf(walk.own, sizeof walk.own, "%s", own ? own : "");
    free(own);
    enum status status = folder_walk(folder, visit, &walk);
    return status == STATUS_IO ? error_set(error, status, "%s cannot be read: %m", folder) : status;
}

static enum status add(void *context, const char *path)
{
    struct adding *adding = context;
    return row_files_add(adding->files, path, adding->error);
}

static enum status add_all(const struct input_config *config, struct adding *adding)
{
    enum status status = input_walk(config, add, adding, adding->error);
    if (status == STATUS_OK && !row_files_symbol_count(adding->files))
        status = error_set(adding->error, STATUS_NOT_FOUND,
                           "%s holds nothing to play: no capture (*.ofr) and no rows of kind=features",
                           config->folder);
    return status;
}

enum status input_open(const struct input_config *config, struct row_files **out_files, struct error *error)
{
    struct adding adding = {.error = error};
    size_t share = BATCH_ROWS / (config->symbol_count ? config->symbol_count : 1);
    const struct row_files_config settings = {
        .message = &feature_message,
        .time_max_ms = EVENT_TIME_MAX_MS,
        .limits = config->limits,
        .batch_rows = share < BATCH_ROWS_LEAST ? BATCH_ROWS_LEAST : share,
    };
    enum status status = row_files_open(&settings, &adding.files, error);
    if (status == STATUS_OK)
        status = add_all(config, &adding);
    if (status == STATUS_OK)
        *out_files = adding.files;
    else
        row_files_close(adding.files);
    return status;
}
