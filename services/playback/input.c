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
    struct row_files *files;
    char own[PATH_BYTES];
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
    return row_files_add(walk->files, path, walk->error);
}

static enum status add_all(const char *folder, struct walk *walk)
{
    struct stat found;
    if (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode))
        return error_set(walk->error, STATUS_NOT_FOUND, "%s: there is no such folder", folder);
    enum status status = folder_walk(folder, visit, walk);
    if (status == STATUS_IO)
        return error_set(walk->error, status, "%s cannot be read: %m", folder);
    if (status == STATUS_OK && !row_files_symbol_count(walk->files))
        status =
            error_set(walk->error, STATUS_NOT_FOUND,
                      "%s holds nothing to play: no capture (*.ofr) and no rows of kind=features", folder);
    return status;
}

enum status input_open(const struct input_config *config, struct row_files **out_files, struct error *error)
{
    struct walk walk = {.error = error};
    size_t share = BATCH_ROWS / (config->symbol_count ? config->symbol_count : 1);
    const struct row_files_config settings = {
        .message = &feature_message,
        .time_max_ms = EVENT_TIME_MAX_MS,
        .limits = config->limits,
        .batch_rows = share < BATCH_ROWS_LEAST ? BATCH_ROWS_LEAST : share,
    };
    char *own = realpath(config->own_root, NULL);
    snprintf(walk.own, sizeof walk.own, "%s", own ? own : "");
    free(own);
    enum status status = row_files_open(&settings, &walk.files, error);
    if (status == STATUS_OK)
        status = add_all(config->folder, &walk);
    if (status == STATUS_OK)
        *out_files = walk.files;
    else
        row_files_close(walk.files);
    return status;
}
