#include "store/shard.h"

#include "base/crash_point.h"
#include "store/append_file.h"
#include "store/positions.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void shard_name(struct shard *shard, const struct jsonl_sink_config *config, const char *symbol,
                int64_t minute, bool in_day_folder)
{
    char stamp[TIME_TEXT_BYTES];
    *shard = (struct shard){.minute = minute};
    time_stamp(minute * 60000, "%Y%m%d_%H%M", stamp);
    if (in_day_folder)
        time_stamp(minute * 60000, "%Y%m%d", shard->day);
    snprintf(shard->stem, sizeof shard->stem, "%s/%s/%s_%s_%s", config->service, symbol, config->prefix,
             stamp, config->run_id);
}

static void shard_path(const struct shard *shard, const char *output_dir, const char *state,
                       const char *suffix, char out_path[PATH_BYTES])
{
    path_join(out_path, output_dir, "%s%s%s/%s%s", shard->day, *shard->day ? "/" : "", state, shard->stem,
              suffix);
}

void shard_part_path(const struct shard *shard, const char *output_dir, char out_path[PATH_BYTES])
{
    shard_path(shard, output_dir, "spool", ".part", out_path);
}

void shard_ready_path(const struct shard *shard, const char *output_dir, char out_path[PATH_BYTES])
{
    shard_path(shard, output_dir, "ready", ".jsonl", out_path);
}

bool shard_of_run(const char *path, const char *run_id, const char *suffix)
{
    static const char PREFIX[] = "signals_", STAMP[] = "dddddddd_dddd_";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
        return false;
    name += sizeof PREFIX - 1;
    for (const char *shape = STAMP; *shape; shape++, name++)
        if (*shape == 'd' ? !isdigit((unsigned char)*name) : *name != *shape)
            return false;
    size_t run_bytes = strlen(run_id);
    return strncmp(name, run_id, run_bytes) == 0 && strcmp(name + run_bytes, suffix) == 0;
}

/* prepare_folder: a new name must not be durable, and the old one gone, while the folders on the way to it are not. */
static enum status prepare_folder(const char *ready, struct error *error)
{
    enum status status = folder_make_for(ready);
    if (status == STATUS_OK)
        status = folder_sync_of(ready);
    return status == STATUS_OK
               ? status
               : error_set(error, status, "the folder of %s cannot be made durable: %m", ready);
}

enum status shard_publish(const struct shard *shard, const struct jsonl_sink_config *config,
                          bool *out_repeated, struct error *error)
{
    char part[PATH_BYTES], ready[PATH_BYTES];
    shard_part_path(shard, config->output_dir, part);
    shard_ready_path(shard, config->output_dir, ready);
    *out_repeated = false;
    enum status status = STATUS_OK;
    if (file_exists(part) || file_bytes(ready) != shard->bytes) {
        struct append_file file;
        status = append_file_resume(&file, part, shard->bytes, error);
        if (status != STATUS_OK)
            return status;
        append_file_close(&file);
        if (config->sync)
            status = prepare_folder(ready, error);
        if (status == STATUS_OK)
            status = file_rename_once(part, ready, out_repeated, error);
        crash_point("after_rename");
    }
    /* Also when an earlier life renamed it: that one may have died before it could do this. */
    if (status == STATUS_OK && config->sync &&
        (folder_sync_of(ready) != STATUS_OK || folder_sync_of(part) != STATUS_OK))
        status = error_set(error, STATUS_IO, "the folder of %s cannot be synchronised: %m", ready);
    return status;
}

void shard_save(const struct shard *shard, struct buffer *out)
{
    record_put_text(out, shard->day);
    record_put_text(out, shard->stem);
    buffer_append_i64(out, shard->minute);
    buffer_append_i64(out, shard->bytes);
}

void shard_load(struct shard *shard, struct reader *in)
{
    record_take_text(in, shard->day, sizeof shard->day);
    record_take_text(in, shard->stem, sizeof shard->stem);
    shard->minute = reader_i64(in);
    shard->bytes = reader_i64(in);
}

static enum status count_file(void *context, const char *path)
{
    (void)path;
    ++*(int64_t *)context;
    return STATUS_OK;
}

int64_t shard_count_ready(const struct jsonl_sink_config *config)
{
    char folder[PATH_BYTES];
    int64_t count = 0;
    path_join(folder, config->output_dir, "ready/%s", config->service);
    if (folder_walk(folder, count_file, &count) == STATUS_OK)
        return count;
    return count;
}
