#include "checkpoint.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { CHECKPOINT_BYTES_MAX = 64 * 1024 * 1024 };

void checkpoint_init(struct checkpoint *checkpoint, const char *run_id, const char *config_fingerprint)
{
    *checkpoint = (struct checkpoint){.next_file = 1};
    snprintf(checkpoint->run_id, sizeof checkpoint->run_id, "%s", run_id);
    snprintf(checkpoint->config_fingerprint, sizeof checkpoint->config_fingerprint, "%s", config_fingerprint);
}

void checkpoint_finish(struct checkpoint *checkpoint)
{
    checkpoint_deleted(checkpoint);
    free(checkpoint->deleting);
    free(checkpoint->streams);
    free(checkpoint->sets);
    *checkpoint = (struct checkpoint){0};
}

struct checkpoint_stream *checkpoint_stream(struct checkpoint *checkpoint, const char *name)
{
    for (size_t i = 0; i < checkpoint->stream_count; i++)
        if (strcmp(checkpoint->streams[i].name, name) == 0)
            return &checkpoint->streams[i];
    checkpoint->streams =
        memory_resize(checkpoint->streams, (checkpoint->stream_count + 1) * sizeof *checkpoint->streams);
    struct checkpoint_stream *stream = &checkpoint->streams[checkpoint->stream_count++];
    *stream = (struct checkpoint_stream){.below_ms = INT64_MIN};
    snprintf(stream->name, sizeof stream->name, "%s", name);
    return stream;
}

struct checkpoint_set *checkpoint_set(struct checkpoint *checkpoint, const char *symbol, enum data_kind kind)
{
    for (size_t i = 0; i < checkpoint->set_count; i++)
        if (checkpoint->sets[i].kind == kind && strcmp(checkpoint->sets[i].symbol, symbol) == 0)
            return &checkpoint->sets[i];
    checkpoint->sets =
        memory_resize(checkpoint->sets, (checkpoint->set_count + 1) * sizeof *checkpoint->sets);
    struct checkpoint_set *set = &checkpoint->sets[checkpoint->set_count++];
    *set = (struct checkpoint_set){
        .kind = kind, .last_agg_trade_id = FIELD_NULL_I64, .last_update_id = FIELD_NULL_I64};
    snprintf(set->symbol, sizeof set->symbol, "%s", symbol);
    return set;
}

void checkpoint_deleting(struct checkpoint *checkpoint, const char *path)
{
    checkpoint->deleting =
        memory_resize(checkpoint->deleting, (checkpoint->deleting_count + 1) * sizeof *checkpoint->deleting);
    checkpoint->deleting[checkpoint->deleting_count++] = memory_copy_text(path);
}

void checkpoint_deleted(struct checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->deleting_count; i++)
        free(checkpoint->deleting[i]);
    checkpoint->deleting_count = 0;
}

bool checkpoint_is_durable(const struct checkpoint_stream *stream, enum data_kind kind, int64_t sequence,
                           int64_t ts_ms)
{
    return (kind != KIND_NONE && sequence <= stream->whole[kind]) ||
           (sequence <= stream->through && ts_ms < stream->below_ms);
}

/* --- writing --- */

static void i64_or_null(struct json *json, const char *key, int64_t value)
{
    if (value == FIELD_NULL_I64)
        json_key_null(json, key);
    else
        json_key_i64(json, key, value);
}

static void write_set(struct json *json, const struct checkpoint_set *set)
{
    char key[SYMBOL_BYTES + 16];
    snprintf(key, sizeof key, "%s/%s", set->symbol, KINDS[set->kind].name);
    json_key(json, key);
    json_object_begin(json);
    json_key_i64(json, "last_ts_ms", set->last_ts_ms);
    i64_or_null(json, "last_agg_trade_id", set->last_agg_trade_id);
    i64_or_null(json, "last_update_id", set->last_update_id);
    json_key_text(json, "last_file", set->last_file);
    json_key_i64(json, "rows", set->rows);
    json_key_i64(json, "duplicates", set->duplicates);
    json_object_end(json);
}

static void write_stream(struct json *json, const struct checkpoint_stream *stream)
{
    json_key(json, stream->name);
    json_object_begin(json);
    json_key_i64(json, "resume", stream->resume);
    json_key_i64(json, "through", stream->through);
    json_key_i64(json, "below_ms", stream->below_ms);
    json_key_bool(json, "ended", stream->ended);
    json_key(json, "whole");
    json_object_begin(json);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        if (stream->whole[kind])
            json_key_i64(json, KINDS[kind].name, stream->whole[kind]);
    json_object_end(json);
    json_object_end(json);
}

static void write_counts(struct json *json, const struct checkpoint_counts *counts)
{
    json_object_begin(json);
    json_key_i64(json, "files_written", counts->files_written);
    json_key_i64(json, "compactions", counts->compactions);
    json_key_i64(json, "deadletter_rows", counts->deadletter_rows);
    json_key_i64(json, "duplicate_row_ids", counts->duplicate_row_ids);
    json_key_i64(json, "write_errors_total", counts->write_errors_total);
    json_object_end(json);
}

static void write_json(const struct checkpoint *checkpoint, struct json *json)
{
    json_object_begin(json);
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "run_id", checkpoint->run_id);
    json_key_text(json, "config_fingerprint", checkpoint->config_fingerprint);
    json_key_i64(json, "updated_ts_ms", checkpoint->updated_ts_ms);
    json_key(json, "streams");
    json_object_begin(json);
    for (size_t i = 0; i < checkpoint->set_count; i++)
        write_set(json, &checkpoint->sets[i]);
    json_object_end(json);
    json_key(json, "positions");
    json_object_begin(json);
    for (size_t i = 0; i < checkpoint->stream_count; i++)
        write_stream(json, &checkpoint->streams[i]);
    json_object_end(json);
    json_key_i64(json, "next_file", checkpoint->next_file);
    json_key(json, "counters");
    write_counts(json, &checkpoint->counts);
    json_key(json, "deleting");
    json_array_begin(json);
    for (size_t i = 0; i < checkpoint->deleting_count; i++)
        json_text(json, checkpoint->deleting[i]);
    json_array_end(json);
    json_object_end(json);
}

/* The checksum stands last and covers every byte before it: a flipped bit in a number would still be a number. */
static const char CHECKSUM_KEY[] = ",\"checksum\":\"";
enum { CHECKSUM_BYTES = sizeof CHECKSUM_KEY - 1 + 8 + sizeof "\"}\n" - 1 };

static void add_checksum(struct buffer *text)
{
    text->length--; /* the closing brace */
    buffer_format(text, "%s%08x\"}\n", CHECKSUM_KEY, crc32c(0, text->data, text->length));
}

static bool checksum_fits(const struct buffer *text)
{
    char wanted[CHECKSUM_BYTES + 1];
    if (text->length < CHECKSUM_BYTES)
        return false;
    size_t covered = text->length - CHECKSUM_BYTES;
    snprintf(wanted, sizeof wanted, "%s%08x\"}\n", CHECKSUM_KEY, crc32c(0, text->data, covered));
    return memcmp(text->data + covered, wanted, CHECKSUM_BYTES) == 0;
}

enum status checkpoint_write(const struct checkpoint *checkpoint, const char *path, bool sync)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, CHECKPOINT_BYTES_MAX);
    json_init(&json, &text);
    write_json(checkpoint, &json);
    if (!text.overflowed)
        add_checksum(&text);
    enum status status = text.overflowed ? STATUS_LIMIT : folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length, sync);
    buffer_finish(&text);
    return status;
}

/* --- reading --- */

/* take_i64, take_text: false when the key is not there or not of that type. */
static bool take_i64(yyjson_val *object, const char *key, int64_t *out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *out = yyjson_is_null(value) ? FIELD_NULL_I64 : yyjson_get_sint(value);
    return yyjson_is_int(value) || yyjson_is_null(value);
}

static bool take_text(yyjson_val *object, const char *key, char *out, size_t size)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_str(value) || yyjson_get_len(value) >= size)
        return false;
    snprintf(out, size, "%s", yyjson_get_str(value));
    return true;
}

static bool read_set(struct checkpoint *checkpoint, const char *key, yyjson_val *value)
{
    char symbol[SYMBOL_BYTES];
    const char *slash = strchr(key, '/');
    enum data_kind kind = slash ? kind_of_name(slash + 1, strlen(slash + 1)) : KIND_NONE;
    if (kind == KIND_NONE || (size_t)(slash - key) >= sizeof symbol)
        return false;
    snprintf(symbol, sizeof symbol, "%.*s", (int)(slash - key), key);
    struct checkpoint_set *set = checkpoint_set(checkpoint, symbol, kind);
    return take_i64(value, "last_ts_ms", &set->last_ts_ms) &&
           take_i64(value, "last_agg_trade_id", &set->last_agg_trade_id) &&
           take_i64(value, "last_update_id", &set->last_update_id) &&
           take_text(value, "last_file", set->last_file, sizeof set->last_file) &&
           take_i64(value, "rows", &set->rows) &&
           (!yyjson_obj_get(value, "duplicates") || take_i64(value, "duplicates", &set->duplicates));
}

static bool read_stream(struct checkpoint *checkpoint, const char *name, yyjson_val *value)
{
    if (strlen(name) >= STREAM_BYTES)
        return false;
    struct checkpoint_stream *stream = checkpoint_stream(checkpoint, name);
    yyjson_val *whole = yyjson_obj_get(value, "whole"), *ended = yyjson_obj_get(value, "ended"), *key;
    yyjson_obj_iter kinds;
    if (!yyjson_obj_iter_init(whole, &kinds) || !yyjson_is_bool(ended))
        return false;
    stream->ended = yyjson_get_bool(ended);
    while ((key = yyjson_obj_iter_next(&kinds))) {
        enum data_kind kind = kind_of_name(yyjson_get_str(key), yyjson_get_len(key));
        if (kind == KIND_NONE || !yyjson_is_int(yyjson_obj_iter_get_val(key)))
            return false;
        stream->whole[kind] = yyjson_get_sint(yyjson_obj_iter_get_val(key));
    }
    return take_i64(value, "resume", &stream->resume) && take_i64(value, "through", &stream->through) &&
           take_i64(value, "below_ms", &stream->below_ms);
}

typedef bool entry_reader(struct checkpoint *checkpoint, const char *key, yyjson_val *value);

static bool read_entries(struct checkpoint *checkpoint, yyjson_val *object, entry_reader *read)
{
    yyjson_obj_iter entries;
    yyjson_val *key;
    if (!yyjson_obj_iter_init(object, &entries))
        return yyjson_is_obj(object);
    while ((key = yyjson_obj_iter_next(&entries)))
        if (!read(checkpoint, yyjson_get_str(key), yyjson_obj_iter_get_val(key)))
            return false;
    return true;
}

static bool read_counts(struct checkpoint_counts *counts, yyjson_val *value)
{
    return take_i64(value, "files_written", &counts->files_written) &&
           take_i64(value, "compactions", &counts->compactions) &&
           take_i64(value, "deadletter_rows", &counts->deadletter_rows) &&
           take_i64(value, "duplicate_row_ids", &counts->duplicate_row_ids) &&
           take_i64(value, "write_errors_total", &counts->write_errors_total);
}

static bool read_deleting(struct checkpoint *checkpoint, yyjson_val *list)
{
    yyjson_arr_iter entries;
    yyjson_val *entry;
    if (!yyjson_arr_iter_init(list, &entries))
        return yyjson_is_arr(list);
    while ((entry = yyjson_arr_iter_next(&entries))) {
        if (!yyjson_is_str(entry))
            return false;
        checkpoint_deleting(checkpoint, yyjson_get_str(entry));
    }
    return true;
}

static bool read_root(struct checkpoint *checkpoint, yyjson_val *root)
{
    int64_t version;
    return yyjson_is_obj(root) && take_i64(root, "schema_version", &version) && version == 1 &&
           take_text(root, "run_id", checkpoint->run_id, sizeof checkpoint->run_id) &&
           take_text(root, "config_fingerprint", checkpoint->config_fingerprint,
                     sizeof checkpoint->config_fingerprint) &&
           take_i64(root, "updated_ts_ms", &checkpoint->updated_ts_ms) &&
           take_i64(root, "next_file", &checkpoint->next_file) && checkpoint->next_file > 0 &&
           read_entries(checkpoint, yyjson_obj_get(root, "streams"), read_set) &&
           read_entries(checkpoint, yyjson_obj_get(root, "positions"), read_stream) &&
           read_counts(&checkpoint->counts, yyjson_obj_get(root, "counters")) &&
           read_deleting(checkpoint, yyjson_obj_get(root, "deleting"));
}

enum status checkpoint_read(struct checkpoint *checkpoint, const char *path, struct error *error)
{
    struct buffer text;
    buffer_init(&text, CHECKPOINT_BYTES_MAX);
    checkpoint_init(checkpoint, "", "");
    enum status status = file_read(path, &text);
    if (status == STATUS_OK) {
        yyjson_doc *document =
            checksum_fits(&text) ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
        if (!read_root(checkpoint, yyjson_doc_get_root(document)))
            status = error_set(error, STATUS_MALFORMED,
                               "%s is not a checkpoint of the archive, or damaged: restore it, or begin a "
                               "new run with another "
                               "run id and data root",
                               path);
        yyjson_doc_free(document);
    } else if (status != STATUS_NOT_FOUND) {
        error_set(error, status, "%s cannot be read: %m", path);
    }
    buffer_finish(&text);
    if (status != STATUS_OK)
        checkpoint_finish(checkpoint);
    return status;
}
