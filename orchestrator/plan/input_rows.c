#include "input_rows.h"

#include "base/file.h"
#include "base/memory.h"
#include "orchestrator/drivers/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

enum { LISTING_BYTES_MAX = 16 * 1024 * 1024 };
enum { OUTPUT, COMPLAINT, PIPES };

/* listing: what one run of the program says, on either pipe. */
struct listing {
    int pipes[PIPES][2]; /* to read from, to write to */
    struct buffer texts[PIPES];
};

static void close_end(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

static int start(struct listing *listing, const char *const *words, pid_t *out_pid)
{
    static const char *const environment[] = {"LANG=C", "TZ=UTC", NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    int code = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code : posix_spawn_file_actions_adddup2(&files, listing->pipes[OUTPUT][1], 1);
    code = code ? code : posix_spawn_file_actions_adddup2(&files, listing->pipes[COMPLAINT][1], 2);
    code = code ? code : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    return spawn_program(words, environment, &files, code, 0, out_pid);
}

/* read_all: to the end of a pipe; what is beyond the buffer's limit is read, too, so that nobody waits for us. */
static void read_all(int descriptor, struct buffer *text)
{
    char piece[4096];
    ssize_t got;
    while ((got = read(descriptor, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            buffer_append(text, piece, (size_t)got);
}

/* wait_for: its exit code, -1 when a signal ended it. */
static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static enum status perform(struct listing *listing, const char *const *words, struct error *error)
{
    pid_t pid;
    int code = start(listing, words, &pid);
    close_end(&listing->pipes[OUTPUT][1]);
    close_end(&listing->pipes[COMPLAINT][1]);
    if (code)
        return error_set(error, STATUS_INVALID, "%s cannot be started: %s", words[0], strerror(code));
    read_all(listing->pipes[OUTPUT][0],
             &listing->texts[OUTPUT]); /* a complaint is a line, and fits its pipe */
    read_all(listing->pipes[COMPLAINT][0], &listing->texts[COMPLAINT]);
    code = wait_for(pid);
    char *complaint = (char *)listing->texts[COMPLAINT].data;
    size_t length = listing->texts[COMPLAINT].length;
    while (length && complaint[length - 1] == '\n')
        length--;
    if (code == 0)
        return STATUS_OK;
    return length ? error_set(error, STATUS_INVALID, "%.*s", (int)length, complaint)
                  : error_set(error, STATUS_INVALID, "%s: ended with code %d and without a word", words[0],
                              code);
}

static void program_find(char out_path[PATH_BYTES])
{
    char own[PATH_BYTES];
    process_folder(own);
    path_join(out_path, own, "playback");
    if (!file_exists(out_path))
        path_join(out_path, own, "../libexec/orderflow/playback");
}

static enum status ask(const struct config *config, const char *what, struct listing *listing,
                       struct error *error)
{
    char program[PATH_BYTES], memory[24], threads[24];
    program_find(program);
    snprintf(memory, sizeof memory, "%lld", (long long)config_i64(config, "archive.duckdb_memory_mb"));
    snprintf(threads, sizeof threads, "%lld", (long long)config_i64(config, "archive.duckdb_threads"));
    const char *const words[] = {program,
                                 what,
                                 config_text(config, "run.input_dir"),
                                 "--own-root",
                                 config_text(config, "run.data_root"),
                                 "--memory-mb",
                                 memory,
                                 "--threads",
                                 threads,
                                 NULL};
    for (size_t i = OUTPUT; i < PIPES; i++)
        if (pipe2(listing->pipes[i], O_CLOEXEC) != 0)
            return error_set(error, STATUS_INVALID, "%s cannot be asked: %m", program);
    return perform(listing, words, error);
}

static enum status parse(const struct buffer *text, struct input_rows *rows, struct error *error)
{
    size_t index, count;
    yyjson_val *one;
    yyjson_doc *document = text->length ? yyjson_read((const char *)text->data, text->length, 0) : NULL;
    yyjson_val *symbols = yyjson_obj_get(yyjson_doc_get_root(document), "symbols");
    rows->symbols = memory_allocate((yyjson_arr_size(symbols) + 1) * sizeof *rows->symbols);
    yyjson_arr_foreach(symbols, index, count, one)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(one, "symbol"));
        if (name)
            rows->symbols[rows->symbol_count++] = memory_copy_text(name);
    }
    yyjson_doc_free(document);
    return rows->symbol_count ? STATUS_OK
                              : error_set(error, STATUS_INVALID, "what playback --list says names no symbol");
}

static void listing_begin(struct listing *listing)
{
    *listing = (struct listing){.pipes = {[OUTPUT] = {-1, -1}, [COMPLAINT] = {-1, -1}}};
    for (size_t i = OUTPUT; i < PIPES; i++)
        buffer_init(&listing->texts[i], LISTING_BYTES_MAX);
}

static void listing_finish(struct listing *listing)
{
    for (size_t i = OUTPUT; i < PIPES; i++) {
        close_end(&listing->pipes[i][0]);
        close_end(&listing->pipes[i][1]);
        buffer_finish(&listing->texts[i]);
    }
}

enum status input_rows_read(const struct config *config, struct input_rows *out_rows, struct error *error)
{
    struct listing listing;
    listing_begin(&listing);
    enum status status = ask(config, "--list", &listing, error);
    if (status == STATUS_OK)
        status = parse(&listing.texts[OUTPUT], out_rows, error);
    listing_finish(&listing);
    return status;
}

enum status input_rows_hashes(const struct config *config, struct buffer *out_json, struct error *error)
{
    struct listing listing;
    listing_begin(&listing);
    struct buffer *text = &listing.texts[OUTPUT];
    enum status status = ask(config, "--hashes", &listing, error);
    while (text->length && text->data[text->length - 1] == '\n')
        text->length--;
    if (status == STATUS_OK && (text->overflowed || !text->length))
        status =
            error_set(error, STATUS_LIMIT, "what playback --hashes says is more than %d bytes, or nothing",
                      LISTING_BYTES_MAX);
    if (status == STATUS_OK)
        buffer_append(out_json, text->data, text->length);
    listing_finish(&listing);
    return status;
}

void input_rows_finish(struct input_rows *rows)
{
    for (size_t i = 0; i < rows->symbol_count; i++)
        free(rows->symbols[i]);
    free(rows->symbols);
    *rows = (struct input_rows){0};
}
