/* Which files a run has, by their names. */
#include "journal/capture_files.h"

#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct find {
    struct capture_files *files;
    const char *run_id;
};

uint32_t capture_file_number(const char *path, const char *run_id)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t run_bytes = strlen(run_id);
    uint32_t number = 0;
    int used = 0;
    if (strncmp(name, "raw-", 4) != 0 || strncmp(name + 4, run_id, run_bytes) != 0 ||
        name[4 + run_bytes] != '-')
        return 0;
    const char *rest = name + 5 + run_bytes;
    size_t digits = strspn(rest, "0123456789");
    if (digits == 0 || rest[digits] != '-')
        return 0;
    if (sscanf(rest + digits + 1, "%9" SCNu32 ".ofr%n", &number, &used) != 1 || used == 0 ||
        rest[digits + 1 + (size_t)used] != 0)
        return 0;
    return number;
}

void capture_files_add(struct capture_files *files, const char *path, uint32_t number)
{
    files->items = memory_grow(files->items, &files->capacity, files->count + 1, sizeof *files->items);
    struct capture_file *file = &files->items[files->count++];
    *file = (struct capture_file){.number = number};
    snprintf(file->path, sizeof file->path, "%s", path);
}

static enum status find_visit(void *context, const char *path)
{
    struct find *find = context;
    uint32_t number = capture_file_number(path, find->run_id);
    if (number)
        capture_files_add(find->files, path, number);
    return STATUS_OK;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = ((const struct capture_file *)left)->number,
             b = ((const struct capture_file *)right)->number;
    return (a > b) - (a < b);
}

enum status capture_files_find(struct capture_files *files, const char *folder, const char *run_id,
                               struct error *error)
{
    *files = (struct capture_files){0};
    struct find find = {files, run_id};
    enum status status = folder_walk(folder, find_visit, &find);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return error_set(error, status, "capture: cannot list %s: %s", folder, strerror(errno));
    if (files->count > 1)
        qsort(files->items, files->count, sizeof *files->items, by_number);
    return STATUS_OK;
}

void capture_files_finish(struct capture_files *files)
{
    free(files->items);
    *files = (struct capture_files){0};
}
