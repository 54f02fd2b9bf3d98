#include "recording.h"

#include "base/memory.h"
#include "services/harvest/feed.h"
#include "services/harvest/owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* metadata: what the first record of a file says (services/harvest/settings.c writes it). `config` is borrowed. */
struct metadata {
    char run_id[RUN_ID_BYTES];
    char fingerprint[SHA256_HEX_BYTES];
};

static enum status damaged(const struct capture_record *record, const char *what, struct error *error)
{
    return error_set(error, STATUS_MALFORMED, "capture record %llu: %s", (unsigned long long)record->seq,
                     what);
}

static bool take_text(yyjson_val *root, const char *key, char *out_text, size_t size)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!yyjson_is_str(value) || yyjson_get_len(value) >= size)
        return false;
    snprintf(out_text, size, "%s", yyjson_get_str(value));
    return true;
}

static enum status metadata_read(const struct capture_record *record, struct metadata *out,
                                 struct error *error)
{
    if (record->kind != CAPTURE_METADATA)
        return damaged(record, "a capture begins with the run's metadata, this does not", error);
    yyjson_doc *document = yyjson_read(record->payload, record->payload_bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    bool fits = take_text(root, "run_id", out->run_id, sizeof out->run_id) &&
                take_text(root, "config_fingerprint", out->fingerprint, sizeof out->fingerprint);
    yyjson_doc_free(document);
    return fits ? STATUS_OK : damaged(record, "its metadata names no run and no config_fingerprint", error);
}

static enum status config_read(const struct capture_record *record, struct config *config,
                               struct error *error)
{
    yyjson_doc *document = yyjson_read(record->payload, record->payload_bytes, 0);
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(document), "config");
    size_t bytes = 0;
    char *text = value ? yyjson_val_write(value, 0, &bytes) : NULL;
    struct config_errors errors;
    config_errors_init(&errors);
    enum status status = text ? config_load_text(config, "the capture's metadata", text, bytes, &errors)
                              : damaged(record, "its metadata holds no configuration", error);
    if (text && status != STATUS_OK)
        status = error_set(error, STATUS_MALFORMED,
                           "capture record %llu: its configuration cannot be read: %s: %s",
                           (unsigned long long)record->seq, errors.count ? errors.items[0].key : "",
                           errors.count ? errors.items[0].reason : status_name(status));
    config_errors_finish(&errors);
    free(text);
    yyjson_doc_free(document);
    return status;
}

/* symbols_take: those that begin in these captures, or, of several captures, all of the run; other instances of harvest had the
 * others. */
static enum status symbols_take(struct recording *recording, struct error *error)
{
    struct config *config = recording->config;
    struct config_list list = config_list(config, "run.symbols");
    const char **names = memory_allocate((list.count + 1) * sizeof *names);
    int16_t *owners = memory_allocate((list.count + 1) * sizeof *owners);
    size_t taken = 0;
    enum status status = owners_read(recording->captures, list.texts, list.count, owners, error);
    bool is_whole = capture_chain_source(recording->captures, 1) != NULL;
    for (size_t i = 0; status == STATUS_OK && i < list.count; i++)
        if (owners[i] != FEED_ELSEWHERE || is_whole) {
            owners[taken] = owners[i];
            names[taken++] = list.texts[i];
        }
    if (status == STATUS_OK && taken && taken < list.count)
        status = config_set_texts(config, "run.symbols", names, taken, ORIGIN_CLI, error);
    free(names);
    recording->owners = owners;
    return status;
}

static enum status take_first(struct recording *recording, struct error *error)
{
    struct metadata metadata;
    char found[SHA256_HEX_BYTES];
    recording->config = config_create();
    enum status status = capture_chain_next(recording->captures, &recording->first, error);
    if (status == STATUS_END)
        return error_set(error, STATUS_NOT_FOUND, "%s: no whole record is in it",
                         capture_chain_file_path(recording->captures, 0));
    if (status == STATUS_OK)
        status = metadata_read(&recording->first, &metadata, error);
    if (status == STATUS_OK)
        status = config_read(&recording->first, recording->config, error);
    if (status != STATUS_OK)
        return status;
    config_fingerprint(recording->config, found);
    memcpy(recording->run_id, metadata.run_id, sizeof recording->run_id);
    memcpy(recording->fingerprint, metadata.fingerprint, sizeof recording->fingerprint);
    if (strcmp(found, metadata.fingerprint) == 0)
        return symbols_take(recording, error);
    return error_set(
        error, STATUS_CONFLICT,
        "%s: its configuration has the fingerprint %.16s here, the run had %.16s: it was made by "
        "another version of orderflow, and has to be recomputed by that one",
        capture_chain_file_path(recording->captures, 0), found, metadata.fingerprint);
}

enum status recording_open(struct recording *recording, const char *const *folders, size_t folder_count,
                           const char *run_id, struct error *error)
{
    *recording = (struct recording){0};
    enum status status = capture_chain_open(folders, folder_count, run_id, &recording->captures, error);
    return status == STATUS_OK ? take_first(recording, error) : status;
}

enum status recording_open_files(struct recording *recording, const char *const *paths, size_t path_count,
                                 struct error *error)
{
    *recording = (struct recording){0};
    enum status status = capture_chain_open_files(paths, path_count, &recording->captures, error);
    return status == STATUS_OK ? take_first(recording, error) : status;
}

void recording_close(struct recording *recording)
{
    capture_chain_close(recording->captures);
    free(recording->owners);
    config_destroy(recording->config);
    *recording = (struct recording){0};
}

enum status recording_next(struct recording *recording, struct capture_record *out_record,
                           struct error *error)
{
    struct metadata metadata;
    enum status status = STATUS_OK;
    if (recording->first_given)
        status = capture_chain_next(recording->captures, out_record, error);
    else
        *out_record = recording->first;
    recording->first_given = true;
    if (status != STATUS_OK)
        return status;
    recording->records++;
    if (out_record->kind != CAPTURE_METADATA)
        return STATUS_OK;
    status = metadata_read(out_record, &metadata, error);
    if (status == STATUS_OK && strcmp(metadata.fingerprint, recording->fingerprint) != 0)
        status = error_set(error, STATUS_CONFLICT,
                           "capture record %llu: the run went on under another configuration (fingerprint "
                           "%.16s, before %.16s)",
                           (unsigned long long)out_record->seq, metadata.fingerprint, recording->fingerprint);
    return status;
}
