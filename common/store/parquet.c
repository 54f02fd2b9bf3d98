#include "store/parquet.h"

#include "base/crash_point.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/append_file.h"
#include "store/parquet_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parquet {
    struct parquet_config config;
    struct parquet_content *content;
};

enum status parquet_open(const struct parquet_config *config, struct parquet **out_parquet,
                         struct error *error)
{
    struct parquet *parquet = memory_allocate(sizeof *parquet);
    parquet->config = *config;
    enum status status = parquet_content_open(&parquet->config, &parquet->content, error);
    if (status == STATUS_OK)
        *out_parquet = parquet;
    else
        free(parquet);
    return status;
}

void parquet_close(struct parquet *parquet)
{
    if (!parquet)
        return;
    parquet_content_close(parquet->content);
    free(parquet);
}

static void temporary_path(const char *path, char out_path[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    snprintf(out_path, PATH_BYTES, "%.*s.%s.tmp", folder, path, path + folder);
}

static bool sync_file(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    bool done = descriptor >= 0 && fsync(descriptor) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return done;
}

/* make_visible: the complete temporary file gets its name. */
static enum status make_visible(struct parquet *parquet, const char *temporary, const char *path,
                                struct error *error)
{
    bool repeated;
    if (parquet->config.sync && !sync_file(temporary))
        return error_set(error, STATUS_IO, "%s cannot be synchronised: %m", temporary);
    crash_point("after_write");
    enum status status = file_rename_once(temporary, path, &repeated, error);
    crash_point("after_rename");
    if (status == STATUS_OK && parquet->config.sync && folder_sync_of(path) != STATUS_OK)
        status = error_set(error, STATUS_IO, "the folder of %s cannot be synchronised: %m", path);
    return status;
}

/* begin_file: the temporary name of a file whose folder is there. */
static enum status begin_file(const char *path, char out_temporary[PATH_BYTES], struct error *error)
{
    temporary_path(path, out_temporary);
    if (folder_make_for(path) != STATUS_OK)
        return error_set(error, STATUS_IO, "the folder of %s cannot be made: %m", path);
    return STATUS_OK;
}

/* end_file: with its content written, or not. */
static enum status end_file(struct parquet *parquet, enum status status, const char *temporary,
                            const char *path, struct error *error)
{
    if (status == STATUS_OK)
        status = make_visible(parquet, temporary, path, error);
    if (status != STATUS_OK)
        unlink(temporary);
    return status;
}

enum status parquet_write(struct parquet *parquet, const struct columns *columns, const char *path,
                          struct error *error)
{
    char temporary[PATH_BYTES];
    enum status status = begin_file(path, temporary, error);
    if (status != STATUS_OK)
        return status;
    uint32_t *numbers = columns_sorted(columns);
    status = parquet_content_write(parquet->content, columns, numbers, temporary, path, error);
    free(numbers);
    return end_file(parquet, status, temporary, path, error);
}

enum status parquet_merge(struct parquet *parquet, const char *const *paths, size_t count,
                          const char *id_column, const char *path, struct error *error)
{
    char temporary[PATH_BYTES];
    enum status status = begin_file(path, temporary, error);
    if (status != STATUS_OK)
        return status;
    status = parquet_content_merge(parquet->content, paths, count, id_column, temporary, path, error);
    return end_file(parquet, status, temporary, path, error);
}
