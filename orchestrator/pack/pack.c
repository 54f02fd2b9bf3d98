#include "pack.h"

#include "base/json.h"
#include "base/memory.h"
#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pack_scope_name(enum pack_scope scope)
{
    static const char *const NAMES[SCOPE_COUNT] = {"pack", "file", "run"};
    return NAMES[scope];
}

static bool take_folder(yyjson_val *folders, const char *name, char out_path[PATH_BYTES])
{
    const char *text = yyjson_get_str(yyjson_obj_get(folders, name));
    return text && *text && snprintf(out_path, PATH_BYTES, "%s", text) < PATH_BYTES;
}

enum status pack_folders_take(struct pack *pack, yyjson_val *manifest, struct error *error)
{
    yyjson_val *folders = yyjson_obj_get(manifest, "folders");
    if (!yyjson_equals_str(yyjson_obj_get(manifest, "run_id"), pack->run_id) ||
        !take_folder(folders, "artifacts_dir", pack->artifacts_dir) ||
        !take_folder(folders, "logs_dir", pack->logs_dir) ||
        !take_folder(folders, "output_dir", pack->output_dir) ||
        !take_folder(folders, "data_root", pack->data_root))
        return error_set(error, STATUS_MALFORMED,
                         "the manifest is not run %s's, or does not say where its files lie", pack->run_id);
    return STATUS_OK;
}

bool pack_is_final(yyjson_val *manifest)
{
    return yyjson_is_true(yyjson_obj_get(manifest, "final")) &&
           yyjson_is_str(yyjson_obj_get(manifest, "overall_verdict"));
}

void pack_finish(struct pack *pack)
{
    free(pack->files);
    pack->files = NULL;
    pack->file_count = 0;
}

/* --- what belongs to a run in files that several runs write to --- */

static void column_hash(struct sha256 *hash, const struct statement *statement, int column)
{
    char number[F64_TEXT_BYTES];
    const char *text = "null";
    switch (statement_type(statement, column)) {
    case VALUE_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)statement_i64(statement, column));
        text = number;
        break;
    case VALUE_REAL:
        f64_text(statement_f64(statement, column), number);
        text = number;
        break;
    case VALUE_TEXT: text = statement_text(statement, column); break;
    default: break;
    }
    sha256_update(hash, text, strlen(text) + 1); /* the NUL tells values apart */
}

/* rows_hash: rows of signals in the order of (symbol, seq); `bytes` counts them. */
static enum status rows_hash(const char *path, const char *run_id, struct sha256 *hash, int64_t *out_rows,
                             struct error *error)
{
    struct database *database = NULL;
    struct statement *statement = NULL;
    enum status status = database_open(path, DATABASE_READ, &database, error);
    if (status != STATUS_OK)
        return status;
    status = statement_prepare(
        database, "SELECT * FROM signals WHERE run_id = ?1 ORDER BY symbol, seq, ts_ms", &statement, error);
    if (status == STATUS_OK) {
        statement_bind_text(statement, 1, run_id);
        while ((status = statement_step(statement, error)) == STATUS_OK) {
            for (int i = 0; i < statement_columns(statement); i++)
                column_hash(hash, statement, i);
            ++*out_rows;
        }
    }
    statement_finish(statement);
    database_close(database);
    return status == STATUS_END ? STATUS_OK : status;
}

/* lines_hash: lines that carry the run's id. */
static enum status lines_hash(const char *path, const char *run_id, struct sha256 *hash, int64_t *out_bytes,
                              struct error *error)
{
    char wanted[RUN_ID_BYTES + 16], *line = NULL;
    size_t room = 0;
    ssize_t got;
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s cannot be read: %m",
                         path);
    snprintf(wanted, sizeof wanted, "\"run_id\":\"%s\"", run_id);
    while ((got = getline(&line, &room, file)) > 0) {
        if (!strstr(line, wanted))
            continue;
        sha256_update(hash, line, (size_t)got);
        *out_bytes += got;
    }
    bool failed = ferror(file);
    free(line);
    fclose(file);
    return failed ? error_set(error, STATUS_IO, "%s cannot be read", path) : STATUS_OK;
}

static bool is_database(const char *path)
{
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".db") == 0;
}

static enum status share_hash(const struct pack *pack, struct pack_file *file, struct error *error)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;
    sha256_init(&hash);
    file->bytes = 0;
    enum status status = is_database(file->path)
                             ? rows_hash(file->path, pack->run_id, &hash, &file->bytes, error)
                             : lines_hash(file->path, pack->run_id, &hash, &file->bytes, error);
    sha256_finish(&hash, digest);
    sha256_hex_of(digest, file->sha256);
    return status;
}

enum status pack_hash(const struct pack *pack, struct pack_file *file, struct error *error)
{
    char path[PATH_BYTES];
    if (file->scope == SCOPE_RUN)
        return share_hash(pack, file, error);
    if (file->scope == SCOPE_PACK)
        path_join(path, pack->folder, "%s", file->path);
    else
        snprintf(path, sizeof path, "%s", file->path);
    file->bytes = file_bytes(path);
    enum status status = file->bytes < 0 ? STATUS_NOT_FOUND : file_sha256(path, file->sha256);
    return status == STATUS_OK ? status : error_set(error, status, "%s is missing or cannot be read", path);
}

enum status pack_add(struct pack *pack, const char *path, const char *role, enum pack_scope scope,
                     struct error *error)
{
    struct pack_file file = {.scope = scope};
    snprintf(file.path, sizeof file.path, "%s", path);
    snprintf(file.role, sizeof file.role, "%s", role);
    enum status status = pack_hash(pack, &file, error);
    if (status != STATUS_OK)
        return status;
    pack->files = memory_grow(pack->files, &pack->file_capacity, pack->file_count + 1, sizeof *pack->files);
    pack->files[pack->file_count++] = file;
    return STATUS_OK;
}

/* --- the verdict --- */

enum status pack_judge(const struct pack *pack, struct gate_conditions *out_conditions,
                       struct gate_results *out_gates, struct error *error)
{
    struct evidence evidence;
    struct evidence_places places = {
        .run_id = pack->run_id, .output_dir = pack->output_dir, .data_root = pack->data_root};
    evidence_places_pack(&places, pack->folder);
    enum status status = conditions_read(places.manifest_path, pack->run_id, out_conditions, error);
    if (status != STATUS_OK)
        return status;
    places.sink = out_conditions->sink;
    places.modules = out_conditions->modules;
    evidence_gather(&places, &evidence);
    gates_judge(out_conditions, &evidence, out_gates);
    return STATUS_OK;
}

const char *pack_release_refusal(const struct gate_conditions *conditions, const struct gate_results *gates)
{
    bool whole = conditions->planned_minutes == 0 || conditions->planned_minutes >= GATES_SOAK_MINUTES;
    if (conditions->set != GATES_SOAK || conditions->time_scale != 1 || !whole)
        return "that takes a soak of 60 minutes at time scale 1";
    return !gates->count || gates_overall(gates) != GATE_PASS ? "a gate does not pass" : NULL;
}

void pack_print_none(const char *why)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_null(&json, "pack");
    json_key_bool(&json, "final", false);
    json_key_text(&json, "error", why);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}
