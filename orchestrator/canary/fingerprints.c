#include "fingerprints.h"

#include "base/json.h"
#include "document.h"

#include <stdio.h>
#include <string.h>

static void store_path(const char *state_dir, char out_path[PATH_BYTES])
{
    path_join(out_path, state_dir, "fingerprints.json");
}

/* --- reading --- */

static bool is_fingerprint(const char *text)
{
    return strlen(text) == SHA256_HEX_BYTES - 1 && strspn(text, "0123456789abcdef") == SHA256_HEX_BYTES - 1;
}

/* take_text: a member that a file of an earlier version does not have. */
static bool take_text(yyjson_val *object, const char *name, char *out_text, size_t bytes)
{
    return !yyjson_obj_get(object, name) || document_text(object, name, out_text, bytes);
}

static bool take_stable(yyjson_val *object, struct stable_fingerprint *out)
{
    return document_text(object, "fingerprint", out->fingerprint, sizeof out->fingerprint) &&
           document_text(object, "config_tag", out->config_tag, sizeof out->config_tag) &&
           document_text(object, "config_file", out->config_file, sizeof out->config_file) &&
           document_text(object, "marked_at", out->marked_at, sizeof out->marked_at) &&
           document_text(object, "evidence", out->evidence, sizeof out->evidence) &&
           take_text(object, "evidence_sha256", out->evidence_sha256, sizeof out->evidence_sha256) &&
           take_text(object, "run_tag", out->run_tag, sizeof out->run_tag) &&
           is_fingerprint(out->fingerprint);
}

static bool take_all(yyjson_val *root, struct fingerprints *out)
{
    yyjson_val *stable = yyjson_obj_get(root, "stable"), *entry;
    size_t index, count;
    if (!document_text(root, "current", out->current, sizeof out->current) || !yyjson_is_arr(stable) ||
        yyjson_arr_size(stable) > FINGERPRINTS_STABLE_MAX || (*out->current && !is_fingerprint(out->current)))
        return false;
    yyjson_arr_foreach(stable, index, count, entry)
    {
        if (!take_stable(entry, &out->stable[out->stable_count++]))
            return false;
    }
    return true;
}

enum status fingerprints_read(const char *state_dir, struct fingerprints *out_fingerprints,
                              struct error *error)
{
    struct fingerprints fingerprints = {0};
    yyjson_doc *document = NULL;
    char path[PATH_BYTES];
    store_path(state_dir, path);
    enum status status = document_read(path, &document, error);
    if (status == STATUS_NOT_FOUND)
        status = STATUS_OK;
    else if (status == STATUS_OK && !take_all(yyjson_doc_get_root(document), &fingerprints))
        status = error_set(
            error, STATUS_MALFORMED,
            "%s does not hold a current and at most %d stable fingerprints; mend it or move it away", path,
            FINGERPRINTS_STABLE_MAX);
    yyjson_doc_free(document);
    if (status == STATUS_OK)
        *out_fingerprints = fingerprints;
    return status;
}

/* --- writing --- */

static void stable_json(const struct stable_fingerprint *entry, struct json *json)
{
    json_object_begin(json);
    json_key_text(json, "fingerprint", entry->fingerprint);
    json_key_text(json, "config_tag", entry->config_tag);
    json_key_text(json, "config_file", entry->config_file);
    json_key_text(json, "marked_at", entry->marked_at);
    json_key_text(json, "evidence", entry->evidence);
    json_key_text(json, "evidence_sha256", entry->evidence_sha256);
    json_key_text(json, "run_tag", entry->run_tag);
    json_object_end(json);
}

enum status fingerprints_write(const char *state_dir, const struct fingerprints *fingerprints,
                               struct error *error)
{
    struct buffer text;
    struct json json;
    char path[PATH_BYTES];
    store_path(state_dir, path);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "current", fingerprints->current);
    json_key(&json, "stable");
    json_array_begin(&json);
    for (size_t i = 0; i < fingerprints->stable_count; i++)
        stable_json(&fingerprints->stable[i], &json);
    json_array_end(&json);
    json_object_end(&json);
    enum status status = document_write(path, &text, error);
    buffer_finish(&text);
    return status;
}

void fingerprints_mark(struct fingerprints *fingerprints, const struct stable_fingerprint *entry)
{
    struct fingerprints before = *fingerprints;
    fingerprints->stable[0] = *entry;
    fingerprints->stable_count = 1;
    for (size_t i = 0; i < before.stable_count && fingerprints->stable_count < FINGERPRINTS_STABLE_MAX; i++)
        if (strcmp(before.stable[i].fingerprint, entry->fingerprint) != 0)
            fingerprints->stable[fingerprints->stable_count++] = before.stable[i];
}

/* --- the target of a rollback --- */

static const struct stable_fingerprint *stable_asked(const struct fingerprints *fingerprints,
                                                     const char *asked, size_t *out_matches)
{
    const struct stable_fingerprint *found = NULL;
    *out_matches = 0;
    for (size_t i = 0; i < fingerprints->stable_count; i++)
        if (strncmp(fingerprints->stable[i].fingerprint, asked, strlen(asked)) == 0) {
            found = &fingerprints->stable[i];
            ++*out_matches;
        }
    return found;
}

static enum status target_asked(const struct fingerprints *fingerprints, const char *current,
                                const char *asked, const struct stable_fingerprint **out_target,
                                struct error *error)
{
    size_t matches;
    if (strlen(asked) < FINGERPRINT_PREFIX_MIN)
        return error_set(error, STATUS_INVALID,
                         "'%s' names no fingerprint: give at least its first %d digits", asked,
                         FINGERPRINT_PREFIX_MIN);
    if (strncmp(current, asked, strlen(asked)) == 0)
        return error_set(error, STATUS_INVALID,
                         "%.16s is the present configuration: there is nothing to go back to", current);
    const struct stable_fingerprint *found = stable_asked(fingerprints, asked, &matches);
    if (matches != 1)
        return error_set(error, STATUS_INVALID,
                         matches ? "%.64s begins several stable fingerprints: give more digits"
                                 : "%.64s is not marked stable; `orchctl canary status` lists those that are",
                         asked);
    *out_target = found;
    return STATUS_OK;
}

enum status fingerprints_target(const struct fingerprints *fingerprints, const char *current,
                                const char *asked, const struct stable_fingerprint **out_target,
                                struct error *error)
{
    if (asked)
        return target_asked(fingerprints, current, asked, out_target, error);
    for (size_t i = 0; i < fingerprints->stable_count; i++)
        if (strcmp(fingerprints->stable[i].fingerprint, current) != 0) {
            *out_target = &fingerprints->stable[i];
            return STATUS_OK;
        }
    return error_set(error, STATUS_INVALID,
                     fingerprints->stable_count ? "the only configuration marked stable is the present one"
                                                : "no configuration is marked stable");
}

/* --- configurations --- */

void fingerprints_config_path(const char *state_dir, const char *fingerprint, char out_path[PATH_BYTES])
{
    path_join(out_path, state_dir, "configs/%s.json", fingerprint);
}

enum status fingerprints_config_load(const char *state_dir, const char *fingerprint,
                                     struct config **out_config, struct error *error)
{
    struct config_errors mistakes;
    struct config *config = config_create();
    char path[PATH_BYTES], found[SHA256_HEX_BYTES] = "";
    fingerprints_config_path(state_dir, fingerprint, path);
    config_errors_init(&mistakes);
    enum status status = config_load_file(config, path, &mistakes);
    if (status == STATUS_OK)
        config_fingerprint(config, found);
    if (status != STATUS_OK || mistakes.count)
        status = error_set(error, STATUS_INVALID, "%s cannot be used: %.200s", path,
                           mistakes.count ? mistakes.items[0].reason : status_name(status));
    else if (strcmp(found, fingerprint) != 0)
        status = error_set(error, STATUS_INVALID,
                           "%s holds the configuration %.16s, not the one it is named after", path, found);
    config_errors_finish(&mistakes);
    if (status == STATUS_OK)
        *out_config = config;
    else
        config_destroy(config);
    return status;
}

enum status fingerprints_note(const struct config *config, const char *fingerprint, struct error *error)
{
    struct fingerprints fingerprints;
    struct buffer text;
    char path[PATH_BYTES];
    const char *state_dir = config_text(config, "run.state_dir");
    enum status status = fingerprints_read(state_dir, &fingerprints, error);
    if (status != STATUS_OK)
        return status;
    buffer_init(&text, 0);
    config_json(config, &text);
    fingerprints_config_path(state_dir, fingerprint, path);
    status = document_write(path, &text, error);
    buffer_finish(&text);
    snprintf(fingerprints.current, sizeof fingerprints.current, "%s", fingerprint);
    return status == STATUS_OK ? fingerprints_write(state_dir, &fingerprints, error) : status;
}
