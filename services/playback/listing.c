#include "listing.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "input.h"
#include "stage/stage.h"
#include "tracks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sums {
    int64_t rows, played, repeated, rejected[ROW_REJECTS];
};

/* parse: *out_hashes: only what the files are is asked for, not what they hold. */
static bool parse(int argc, char **argv, struct input_config *config, bool *out_hashes)
{
    bool good = argc >= 3 && argc % 2 == 1;
    for (int i = 1; good && i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--list") == 0 || strcmp(name, "--hashes") == 0) {
            config->folder = value;
            *out_hashes = strcmp(name, "--hashes") == 0;
        } else if (strcmp(name, "--own-root") == 0)
            config->own_root = value;
        else if (strcmp(name, "--memory-mb") == 0)
            config->limits.memory_mb = strtoll(value, NULL, 10);
        else if (strcmp(name, "--threads") == 0)
            config->limits.threads = strtoll(value, NULL, 10);
        else
            good = false;
    }
    return good && config->limits.memory_mb > 0 && config->limits.threads > 0;
}

static enum status read_symbol(struct row_files *files, const struct row_files_symbol *symbol,
                               struct sums *sums, struct error *error)
{
    struct row_stream *stream = row_stream_create(files, symbol->name, 0);
    struct row_step step;
    enum status status;
    sums->rows += symbol->rows;
    sums->rejected[ROW_INVALID_TIME] += symbol->invalid_time;
    while ((status = row_stream_next(stream, &step, error)) == STATUS_OK) {
        sums->played += step.row != NULL;
        sums->repeated += step.repeated;
        for (size_t i = 0; i < ROW_REJECTS; i++)
            sums->rejected[i] += step.rejected[i];
    }
    row_stream_destroy(stream);
    return status == STATUS_END ? STATUS_OK : status;
}

static void write_symbols(struct json *json, const struct row_files *files)
{
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < row_files_symbol_count(files); i++) {
        const struct row_files_symbol *symbol = row_files_symbol(files, i);
        json_object_begin(json);
        json_key_text(json, "symbol", symbol->name);
        json_key_i64(json, "rows", symbol->rows);
        json_key_i64(json, "first_ts_ms", symbol->first_ts_ms);
        json_key_i64(json, "last_ts_ms", symbol->last_ts_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write(const struct row_files *files, const struct sums *sums)
{
    struct buffer text;
    struct json json;
    int64_t rejected = 0;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_i64(&json, "files", (int64_t)row_files_count(files));
    json_key_i64(&json, "rows", sums->rows);
    json_key_i64(&json, "played", sums->played);
    json_key_i64(&json, "repeated", sums->repeated);
    for (size_t i = 0; i < ROW_REJECTS; i++)
        rejected += sums->rejected[i];
    json_key_i64(&json, "rejected", rejected);
    json_key(&json, "reasons");
    json_object_begin(&json);
    for (size_t i = 0; i < ROW_REJECTS; i++)
        if (sums->rejected[i])
            json_key_i64(&json, row_reject_name(i), sums->rejected[i]);
    json_object_end(&json);
    write_symbols(&json, files);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static enum status list(const struct input_config *config, struct error *error)
{
    struct row_files *files = NULL;
    struct sums sums = {0};
    enum status status = input_open(config, &files, error);
    for (size_t i = 0; status == STATUS_OK && i < row_files_symbol_count(files); i++)
        status = read_symbol(files, row_files_symbol(files, i), &sums, error);
    if (status == STATUS_OK)
        write(files, &sums);
    row_files_close(files);
    return status;
}

/* hashing: the files so far. */
struct hashing {
    struct json json;
    struct error *error;
};

static enum status hash_one(void *context, const char *path)
{
    struct hashing *hashing = context;
    char sha256[SHA256_HEX_BYTES];
    int64_t bytes = file_bytes(path);
    enum status status = bytes < 0 ? STATUS_IO : file_sha256(path, sha256);
    if (status != STATUS_OK)
        return error_set(hashing->error, STATUS_INVALID, "%s cannot be read: %m", path);
    json_object_begin(&hashing->json);
    json_key_text(&hashing->json, "path", path);
    json_key_i64(&hashing->json, "bytes", bytes);
    json_key_text(&hashing->json, "sha256", sha256);
    json_object_end(&hashing->json);
    return STATUS_OK;
}

static enum status hash_all(const struct input_config *config, struct error *error)
{
    struct buffer text;
    struct hashing hashing = {.error = error};
    buffer_init(&text, 0);
    json_init(&hashing.json, &text);
    json_array_begin(&hashing.json);
    enum status status = input_walk(config, hash_one, &hashing, error);
    json_array_end(&hashing.json);
    if (status == STATUS_OK)
        puts(buffer_text(&text));
    buffer_finish(&text);
    return status;
}

int listing_main(int argc, char **argv)
{
    bool hashes = false;
    struct input_config config = {.own_root = "", .limits = {.memory_mb = 192, .threads = 2}};
    struct error error = {{0}};
    if (!parse(argc, argv, &config, &hashes)) {
        fprintf(stderr,
                "usage: playback --list|--hashes FOLDER [--own-root FOLDER] [--memory-mb N] [--threads N]\n");
        return EXIT_CONFIGURATION;
    }
    enum status status = hashes ? hash_all(&config, &error) : list(&config, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", error.text);
    return status == STATUS_OK ? EXIT_CLEAN : status == STATUS_IO ? EXIT_INTERNAL : EXIT_CONFIGURATION;
}
