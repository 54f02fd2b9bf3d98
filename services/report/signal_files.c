#include "signal_files.h"

#include "base/file.h"
#include "base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, STAMP_BYTES = 13 };

void signal_files_init(struct signal_files *files)
{
    *files = (struct signal_files){0};
}

static void signal_files_clear(struct signal_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
        free(files->items[i].key);
    }
    files->count = 0;
}

void signal_files_finish(struct signal_files *files)
{
    signal_files_clear(files);
    free(files->items);
    signal_files_init(files);
}

struct search {
    struct signal_files *files;
    const char *run_id;
    const char *root; /* what holds spool and ready */
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* belongs_elsewhere: `name` is signals_<stamp>_<another run>. Other names are judged by their rows. */
static bool belongs_elsewhere(const char *name, const char *run_id)
{
    static const char PREFIX[] = "signals_";
    size_t before = sizeof PREFIX - 1 + STAMP_BYTES;
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0 || strlen(name) <= before || name[before] != '_')
        return false;
    return strcmp(name + before + 1, run_id) != 0;
}

static char *key_of(const char *path, const char *root)
{
    size_t before = strlen(root);
    char *key = memory_copy_text(path);
    const char *inside = path + before + sizeof "/spool" - 1; /* "/ready" is as long */
    memmove(key + before, inside, strlen(inside) + 1);
    *strrchr(key, '.') = 0;
    return key;
}

static enum status add_file(void *context, const char *path)
{
    const struct search *search = context;
    bool open = ends_with(path, ".part");
    if (!open && !ends_with(path, ".jsonl"))
        return STATUS_OK;
    struct signal_files *files = search->files;
    files->items = memory_grow(files->items, &files->capacity, files->count + 1, sizeof *files->items);
    struct signal_file *file = &files->items[files->count++];
    *file =
        (struct signal_file){.path = memory_copy_text(path), .key = key_of(path, search->root), .open = open};
    file->other_run = belongs_elsewhere(strrchr(file->key, '/') + 1, search->run_id);
    return STATUS_OK;
}

/* find_below: open files first: one that is renamed meanwhile is then seen again as a closed one, never
 * missed. */
static enum status find_below(struct search *search, const char *folder)
{
    static const char *const PLACES[] = {"spool/signal", "ready/signal"};
    search->root = folder;
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        char path[PATH_BYTES];
        path_join(path, folder, "%s", PLACES[i]);
        enum status status = folder_walk(path, add_file, search);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND)
            return status;
    }
    return STATUS_OK;
}

static bool is_date(const char *name)
{
    size_t digits = 0;
    while (isdigit((unsigned char)name[digits]))
        digits++;
    return digits == 8 && name[digits] == 0;
}

static enum status find_in_dates(struct search *search, const char *output_dir)
{
    DIR *folder = opendir(output_dir);
    if (!folder)
        return errno == ENOENT ? STATUS_OK : STATUS_IO;
    enum status status = STATUS_OK;
    struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(folder))) {
        char path[PATH_BYTES];
        path_join(path, output_dir, "%s", entry->d_name);
        if (is_date(entry->d_name))
            status = find_below(search, path);
    }
    closedir(folder);
    return status;
}

static int compare_files(const void *left, const void *right)
{
    const struct signal_file *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    return order ? order : a->open - b->open;
}

/* drop_renamed: of an open and a closed file of one key the closed one counts. */
static void drop_renamed(struct signal_files *files)
{
    size_t kept = 0;
    for (size_t i = 0; i < files->count; i++) {
        struct signal_file *file = &files->items[i];
        if (kept > 0 && strcmp(files->items[kept - 1].key, file->key) == 0) {
            free(file->path);
            free(file->key);
        } else {
            files->items[kept++] = *file;
        }
    }
    files->count = kept;
}

enum status signal_files_find(struct signal_files *files, const char *output_dir, const char *run_id,
                              struct error *error)
{
    signal_files_clear(files);
    struct search search = {.files = files, .run_id = run_id};
    enum status status = find_below(&search, output_dir);
    if (status == STATUS_OK)
        status = find_in_dates(&search, output_dir);
    if (status != STATUS_OK)
        return error_set(error, status, "%s: its signal files cannot be listed: %s", output_dir,
                         strerror(errno));
    if (files->count)
        qsort(files->items, files->count, sizeof *files->items, compare_files);
    drop_renamed(files);
    return STATUS_OK;
}

struct splitter {
    line_visit *visit;
    void *context;
    struct buffer line; /* what came of the line so far */
    bool too_long;
    int64_t offset; /* of the line's first byte */
    int64_t next;   /* of the next byte to come */
};

static void line_append(struct splitter *splitter, const char *data, size_t bytes)
{
    size_t room = SIGNAL_LINE_BYTES_MAX - splitter->line.length;
    splitter->too_long |= bytes > room;
    buffer_append(&splitter->line, data, bytes < room ? bytes : room);
    splitter->next += (int64_t)bytes;
}

static enum status line_give(struct splitter *splitter, enum line_kind kind)
{
    if (splitter->too_long)
        kind = LINE_TOO_LONG;
    enum status status = splitter->visit(splitter->context, kind, (const char *)splitter->line.data,
                                         splitter->line.length, splitter->offset);
    buffer_clear(&splitter->line);
    splitter->too_long = false;
    return status;
}

static enum status split(struct splitter *splitter, const char *data, size_t bytes)
{
    enum status status = STATUS_OK;
    while (bytes && status == STATUS_OK) {
        const char *newline = memchr(data, '\n', bytes);
        size_t length = newline ? (size_t)(newline - data) : bytes;
        line_append(splitter, data, length);
        data += length;
        bytes -= length;
        if (!newline)
            break;
        status = line_give(splitter, LINE_WHOLE);
        splitter->offset = ++splitter->next;
        data++;
        bytes--;
    }
    return status;
}

static enum status read_lines(int descriptor, bool to_end, struct splitter *splitter)
{
    char *block = memory_allocate(READ_BYTES);
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        ssize_t got = pread(descriptor, block, READ_BYTES, splitter->next);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = STATUS_IO;
        if (got <= 0)
            break;
        status = split(splitter, block, (size_t)got);
    }
    if (status == STATUS_OK && to_end && splitter->next > splitter->offset) {
        status = line_give(splitter, LINE_TORN);
        splitter->offset = splitter->next;
    }
    free(block);
    return status;
}

enum status signal_file_read(const char *path, bool to_end, int64_t *offset, line_visit *visit, void *context)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct stat found;
    enum status status = fstat(descriptor, &found) == 0 ? STATUS_OK : STATUS_IO;
    if (status == STATUS_OK && found.st_size < *offset)
        status = STATUS_NOT_FOUND;
    if (status == STATUS_OK) {
        struct splitter splitter = {.visit = visit, .context = context, .offset = *offset, .next = *offset};
        buffer_init(&splitter.line, 0);
        status = read_lines(descriptor, to_end, &splitter);
        *offset = splitter.offset;
        buffer_finish(&splitter.line);
    }
    close(descriptor);
    return status;
}
