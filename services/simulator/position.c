#include "position.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

struct position_file {
    int descriptor;
    char run_id[POSITION_RUN_BYTES];
    char market[POSITION_MARKET_BYTES];
    struct position written;
    bool any_written;
    bool failed; /* said once */
};

static bool whole(yyjson_val *root, const char *key, int64_t *out)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    *out = yyjson_get_sint(value);
    return yyjson_is_int(value) && *out >= 0;
}

static bool parse(yyjson_val *root, struct position *out)
{
    int64_t number;
    yyjson_val *held = yyjson_obj_get(root, "held");
    bool good = whole(root, "start_ms", &out->start_ms) && whole(root, "position", &number) &&
                whole(root, "base_market_ns", &out->base_market_ns) &&
                whole(root, "base_wall_ns", &out->base_wall_ns) && yyjson_is_bool(held);
    out->number = good ? (uint64_t)number : 0;
    out->held = yyjson_get_bool(held);
    return good;
}

/* read_position: *out_found: the file holds a position of this run. STATUS_INVALID: but of another market. */
static enum status read_position(const struct position_file *file, const char *path, struct position *out,
                                 bool *out_found, struct error *error)
{
    char text[POSITION_BYTES];
    enum status status = STATUS_OK;
    ssize_t got = pread(file->descriptor, text, sizeof text, 0);
    *out_found = false;
    if (got <= 0)
        return STATUS_OK;
    yyjson_doc *document = yyjson_read(text, (size_t)got, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    bool own_run = yyjson_equals_str(yyjson_obj_get(root, "run_id"), file->run_id);
    if (own_run && !yyjson_equals_str(yyjson_obj_get(root, "market"), file->market))
        status = error_set(
            error, STATUS_INVALID,
            "%s: run %s began on another market (captures, symbols, seed, rate, speed or faults differ)",
            path, file->run_id);
    else if (own_run)
        *out_found = parse(root, out);
    if (status == STATUS_OK && (!document || (own_run && !*out_found)))
        log_event(LOG_WARNING, "position_damaged", "file=%.200s what=\"the market begins anew\"", path);
    yyjson_doc_free(document);
    return status;
}

enum status position_open(const char *path, const char *run_id, const char *market,
                          struct position_file **out_file, struct position *out_position, bool *out_found,
                          struct error *error)
{
    if (strlen(run_id) >= POSITION_RUN_BYTES || strlen(market) >= POSITION_MARKET_BYTES)
        return error_set(error, STATUS_INVALID, "%s: a run id longer than %d bytes", path,
                         POSITION_RUN_BYTES - 1);
    struct position_file *file = memory_allocate(sizeof *file);
    snprintf(file->run_id, sizeof file->run_id, "%s", run_id);
    snprintf(file->market, sizeof file->market, "%s", market);
    file->descriptor =
        folder_make_for(path) == STATUS_OK ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (file->descriptor < 0) {
        enum status status =
            error_set(error, STATUS_IO, "%s: the position cannot be kept: %s", path, strerror(errno));
        free(file);
        return status;
    }
    enum status status = read_position(file, path, out_position, out_found, error);
    if (status == STATUS_OK)
        *out_file = file;
    else
        position_close(file);
    return status;
}

void position_close(struct position_file *file)
{
    if (!file)
        return;
    close(file->descriptor);
    free(file);
}

static void write_json(const struct position_file *file, const struct position *position, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "run_id", file->run_id);
    json_key_text(&json, "market", file->market);
    json_key_i64(&json, "start_ms", position->start_ms);
    json_key_i64(&json, "position", (int64_t)position->number);
    json_key_i64(&json, "base_market_ns", position->base_market_ns);
    json_key_i64(&json, "base_wall_ns", position->base_wall_ns);
    json_key_bool(&json, "held", position->held);
    json_object_end(&json);
    while (out->length < POSITION_BYTES - 1)
        buffer_append_byte(out, ' ');
    buffer_append_byte(out, '\n');
}

static bool is_equal(const struct position *a, const struct position *b)
{
    return a->start_ms == b->start_ms && a->number == b->number && a->base_market_ns == b->base_market_ns &&
           a->base_wall_ns == b->base_wall_ns && a->held == b->held;
}

void position_keep(struct position_file *file, const struct position *position)
{
    struct buffer text;
    if (!file || (file->any_written && is_equal(&file->written, position)))
        return;
    buffer_init(&text, 0);
    write_json(file, position, &text);
    bool good = text.length == POSITION_BYTES &&
                pwrite(file->descriptor, text.data, text.length, 0) == (ssize_t)text.length;
    buffer_finish(&text);
    if (!good && !file->failed)
        log_event(LOG_ERROR, "position_not_kept", "reason=\"%s\" what=\"tried again\"", strerror(errno));
    file->failed = !good;
    file->any_written = good;
    file->written = *position;
}
