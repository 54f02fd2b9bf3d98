#include "writer_private.h"

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* begin_checkpoint: none of this run and configuration is there. The first one is written before the first
 * file, so files of this run without any checkpoint mean that someone took it away: deleting or doubling them
 * is not ours to choose. Under a new configuration the earlier one's files stay, and numbers go on behind
 * theirs. */
static enum status begin_checkpoint(struct writer *writer, bool had_one, struct error *error)
{
    size_t removed;
    struct parts *parts = &writer->parts;
    enum status status = parts_scan(parts, INT64_MAX, &removed, error);
    if (status != STATUS_OK)
        return status;
    if (parts->count && !had_one)
        return error_set(
            error, STATUS_INVALID,
            "%s holds %zu %s of run %s, but %s is missing: restore it, or choose another run id or "
            "data root",
            parts->root, parts->count, plural((int64_t)parts->count, "file", "files"), writer->config.run_id,
            writer->config.checkpoint_path);
    checkpoint_init(&writer->checkpoint, writer->config.run_id, writer->config.parquet.config_fingerprint);
    for (size_t i = 0; i < parts->count; i++)
        if (parts->items[i].number >= writer->checkpoint.next_file)
            writer->checkpoint.next_file = parts->items[i].number + 1;
    if (had_one && parts->count)
        log_event(LOG_WARNING, "checkpoint_set_aside", "files=%zu reason=\"another configuration\"",
                  parts->count);
    parts->count = 0;
    writer->next_file = writer->checkpoint.next_file;
    return writer_write_checkpoint(writer, NULL, error);
}

enum status writer_remove_merged(struct writer *writer, void *unused, struct error *error)
{
    struct checkpoint *checkpoint = &writer->checkpoint;
    struct part part;
    (void)unused;
    for (size_t i = 0; i < checkpoint->deleting_count; i++) {
        const char *path = checkpoint->deleting[i];
        if (!part_parse(&writer->parts, path, &part))
            return error_set(error, STATUS_INVALID, "%s names %s to be deleted, which is no file of this run",
                             writer->config.checkpoint_path, path);
        crash_point("before_remove");
        if (unlink(path) != 0 && errno != ENOENT)
            return error_set(error, STATUS_IO, "%s cannot be removed: %m", path);
    }
    for (size_t i = 0; writer->config.parquet.sync && i < checkpoint->deleting_count; i++)
        if (folder_sync_of(checkpoint->deleting[i]) != STATUS_OK && errno != ENOENT)
            return error_set(error, STATUS_IO, "the folder of %s cannot be synchronised: %m",
                             checkpoint->deleting[i]);
    pthread_mutex_lock(&writer->mutex);
    checkpoint_deleted(checkpoint);
    pthread_mutex_unlock(&writer->mutex);
    return STATUS_OK;
}

/* remove_unnamed_letter: dead letters of a job that no checkpoint names. */
static enum status remove_unnamed_letter(void *context, const char *path)
{
    const struct writer *writer = context;
    char wanted[RUN_ID_BYTES + 8];
    const char *name = strrchr(path, '/') + 1;
    snprintf(wanted, sizeof wanted, "bad-%s-", writer->config.run_id);
    size_t length = strlen(wanted);
    if (strncmp(name, wanted, length) == 0 &&
        strtoll(name + length, NULL, 10) >= writer->checkpoint.next_file) {
        if (unlink(path) != 0)
            return STATUS_IO;
        return writer->config.parquet.sync ? folder_sync_of(path) : STATUS_OK;
    }
    return STATUS_OK;
}

static enum status continue_checkpoint(struct writer *writer, struct error *error)
{
    size_t removed;
    enum status status = writer_remove_merged(writer, NULL, error);
    if (status != STATUS_OK)
        return status;
    status = parts_scan(&writer->parts, writer->checkpoint.next_file, &removed, error);
    if (status != STATUS_OK)
        return status;
    status = folder_walk(writer->config.deadletter_root, remove_unnamed_letter, writer);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return error_set(error, status, "%s cannot be cleaned: %m", writer->config.deadletter_root);
    if (removed)
        log_event(LOG_WARNING, "parts_removed", "files=%zu reason=\"not named by the checkpoint\"", removed);
    writer->next_file = writer->checkpoint.next_file;
    return STATUS_OK;
}

enum status writer_open_checkpoint(struct writer *writer, struct error *error)
{
    const struct writer_config *config = &writer->config;
    enum status status = checkpoint_read(&writer->checkpoint, config->checkpoint_path, error);
    if (status == STATUS_NOT_FOUND)
        return begin_checkpoint(writer, false, error);
    if (status == STATUS_MALFORMED)
        return STATUS_INVALID; /* for a person to mend: a restart would not */
    if (status != STATUS_OK)
        return status;
    if (strcmp(writer->checkpoint.run_id, config->run_id) == 0 &&
        strcmp(writer->checkpoint.config_fingerprint, config->parquet.config_fingerprint) == 0)
        return continue_checkpoint(writer, error);
    bool same_run = strcmp(writer->checkpoint.run_id, config->run_id) == 0;
    checkpoint_finish(&writer->checkpoint);
    return begin_checkpoint(writer, same_run, error);
}
