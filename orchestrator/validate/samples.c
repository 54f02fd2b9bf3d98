#include "samples.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { HOUR_MS = 3600000, FINGERPRINT_SHOWN = 16, FOLDERS_MAX = 1000 };

struct sampling {
    char folder[PATH_BYTES];
    struct json json; /* of the index, in its array */
};

/* is_meant: it holds rows of the first or of the last hour. */
static bool is_meant(const struct quality_input *quality, const char *path)
{
    long long first_ms, last_ms;
    const char *name = strrchr(path, '/');
    return name && sscanf(name, "/part-%lld-%lld-", &first_ms, &last_ms) == 2 &&
           (first_ms < quality->from_ms + HOUR_MS || last_ms > quality->to_ms - HOUR_MS);
}

static enum status put(struct sampling *sampling, const char *name, const void *data, size_t bytes)
{
    char path[PATH_BYTES], hex[SHA256_HEX_BYTES];
    path_join(path, sampling->folder, "%s", name);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, data, bytes, false);
    sha256_hex(data, bytes, hex);
    json_object_begin(&sampling->json);
    json_key_text(&sampling->json, "path", name);
    json_key_i64(&sampling->json, "bytes", (int64_t)bytes);
    json_key_text(&sampling->json, "sha256", hex);
    json_object_end(&sampling->json);
    return status;
}

/* copy: under its name from `symbol=` on. */
static enum status copy(struct sampling *sampling, const char *path)
{
    struct buffer bytes;
    const char *name = strstr(path, "/symbol=");
    buffer_init(&bytes, 0);
    enum status status = name ? file_read(path, &bytes) : STATUS_INVALID;
    if (status == STATUS_OK)
        status = put(sampling, name + 1, bytes.data, bytes.length);
    buffer_finish(&bytes);
    return status;
}

static void folder_choose(const struct validate_input *input, char out_folder[PATH_BYTES])
{
    char date[TIME_TEXT_BYTES];
    const char *artifacts = config_text(input->config, "run.artifacts_dir");
    time_stamp(input->quality.to_ms, "%Y%m%d", date);
    path_join(out_folder, artifacts, "samples/%s_%.*s", date, FINGERPRINT_SHOWN, input->fingerprint);
    for (int number = 2; file_exists(out_folder) && number < FOLDERS_MAX; number++)
        path_join(out_folder, artifacts, "samples/%s_%.*s_%d", date, FINGERPRINT_SHOWN, input->fingerprint,
                  number);
}

static enum status fill(struct sampling *sampling, const struct quality *quality, const struct buffer *report)
{
    enum status status = put(sampling, "dq.json", report->data, report->length);
    for (size_t set = 0; set < SET_COUNT; set++)
        for (size_t i = 0; status == STATUS_OK && i < quality->files.counts[set]; i++)
            if (is_meant(quality->input, quality->files.paths[set][i]))
                status = copy(sampling, quality->files.paths[set][i]);
    return status;
}

enum status samples_write(const struct validate_input *input, const struct quality *quality,
                          const struct buffer *report, struct error *error)
{
    struct sampling sampling;
    struct buffer index;
    char path[PATH_BYTES];
    folder_choose(input, sampling.folder);
    buffer_init(&index, 0);
    json_init(&sampling.json, &index);
    json_object_begin(&sampling.json);
    json_key_text(&sampling.json, "run_id", input->run_id);
    json_key(&sampling.json, "files");
    json_array_begin(&sampling.json);
    enum status status = fill(&sampling, quality, report);
    json_array_end(&sampling.json);
    json_object_end(&sampling.json);
    buffer_append_byte(&index, '\n');
    path_join(path, sampling.folder, "index.json"); /* last: with it the samples are whole */
    if (status == STATUS_OK)
        status = file_replace(path, index.data, index.length, false);
    buffer_finish(&index);
    return status == STATUS_OK ? status
                               : error_set(error, status, "%s cannot be filled: %m", sampling.folder);
}
