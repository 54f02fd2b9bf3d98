#include "base/memory.h"
#include "journal/journal_private.h"
#include "proto/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    LOCK_FILE_BYTES = 16384
}; /* twice what LMDB needs for its 126 readers: it takes a larger file as it is */

static void boot_identity(char out_text[64])
{
    struct buffer text;
    buffer_init(&text, 4096);
    out_text[0] = 0;
    if (file_read("/proc/sys/kernel/random/boot_id", &text) == STATUS_OK)
        snprintf(out_text, 64, "%s", buffer_text(&text));
    buffer_finish(&text);
}

/* identity: what a journal belongs to; under `sync` it outlives a boot. */
static void identity(const struct journal_config *config, struct buffer *out)
{
    char boot[64];
    boot_identity(boot);
    buffer_format(out, "orderflow journal 1\nrun_id %s\nfingerprint %s\n%s%s", config->run_id,
                  config->config_fingerprint, config->sync ? "durable" : "boot ", config->sync ? "" : boot);
}

/* set_aside_if_foreign: moves a journal of another run, configuration or boot out of the way. */
static enum status set_aside_if_foreign(const struct journal_config *config,
                                        enum journal_beginning *out_beginning, struct error *error)
{
    char path[PATH_BYTES], aside[PATH_BYTES];
    struct buffer want, have;
    buffer_init(&want, 0);
    buffer_init(&have, 65536);
    identity(config, &want);
    path_join(path, config->folder, "data.mdb");
    bool something = file_exists(path);
    path_join(path, config->folder, "identity");
    *out_beginning = JOURNAL_COLD;
    enum status status = file_read(path, &have);
    bool same =
        status == STATUS_OK && have.length == want.length && memcmp(have.data, want.data, want.length) == 0;
    if (same && something)
        *out_beginning = JOURNAL_WARM;
    else if (!same && (something || status != STATUS_NOT_FOUND))
        *out_beginning = JOURNAL_SET_ASIDE;
    status = STATUS_OK;
    if (*out_beginning == JOURNAL_SET_ASIDE) {
        snprintf(aside, sizeof aside, "%s.aside", config->folder);
        if (folder_remove(aside) != STATUS_OK || rename(config->folder, aside) != 0)
            status = error_set(error, STATUS_IO, "journal %s of another run cannot be moved to %s: %m",
                               config->folder, aside);
    }
    if (status == STATUS_OK && folder_make(config->folder, 0700) != STATUS_OK)
        status = error_set(error, STATUS_IO, "journal folder %s cannot be made: %m", config->folder);
    buffer_finish(&want);
    buffer_finish(&have);
    return status;
}

/* write_identity: last of all. A journal without one is of a beginning that was cut off: nothing has come out of it. */
static enum status write_identity(const struct journal_config *config, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer want;
    buffer_init(&want, 0);
    identity(config, &want);
    path_join(path, config->folder, "identity");
    enum status status = file_replace(path, want.data, want.length, config->sync);
    if (status != STATUS_OK)
        error_set(error, status, "%s cannot be written: %m", path);
    buffer_finish(&want);
    return status;
}

/* open_tables: made only where a journal begins: one that is continued and lacks a table is damaged. */
static int open_tables(struct journal *journal, bool begins)
{
    MDB_txn *transaction;
    unsigned flags = begins ? MDB_CREATE : 0;
    int code = mdb_txn_begin(journal->environment, NULL, 0, &transaction);
    if (code)
        return code;
    code = mdb_dbi_open(transaction, "rows", flags, &journal->rows);
    if (!code)
        code = mdb_dbi_open(transaction, "records", flags, &journal->records);
    if (!code)
        code = mdb_dbi_open(transaction, "streams", flags, &journal->streams);
    if (code) {
        mdb_txn_abort(transaction);
        return code;
    }
    return mdb_txn_commit(transaction);
}

static int load_streams(struct journal *journal, MDB_txn *transaction)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_cursor_open(transaction, journal->streams, &cursor);
    if (code)
        return code;
    while (!(code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        uint32_t number = UINT32_MAX;
        char name[STREAM_BYTES];
        if (value.mv_size == sizeof number)
            memcpy(&number, value.mv_data, sizeof number);
        if (number >= JOURNAL_STREAMS_MAX || key.mv_size >= sizeof name || journal->stream_names[number]) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(name, key.mv_data, key.mv_size);
        name[key.mv_size] = 0;
        journal->stream_names[number] = memory_copy_text(name);
        map_put(&journal->stream_numbers, name, number);
        journal->stream_count = number >= journal->stream_count ? number + 1 : journal->stream_count;
    }
    mdb_cursor_close(cursor);
    journal->streams_persisted = journal->stream_count;
    return code == MDB_NOTFOUND ? 0 : code;
}

/* load_range: oldest and newest row of one stream, from its first and last chunk. */
static int load_range(struct journal *journal, MDB_cursor *cursor, size_t stream)
{
    uint8_t bytes[ROW_KEY_BYTES];
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes}, value;
    size_t found;
    int64_t first;
    journal_row_key(bytes, stream, 0);
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (code == MDB_NOTFOUND || (!code && (!journal_key_parse(&key, &found, &first) || found != stream)))
        return 0;
    if (code)
        return code;
    int64_t oldest = first;
    journal_row_key(bytes, stream + 1, 0);
    key = (MDB_val){.mv_size = sizeof bytes, .mv_data = bytes};
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!code || code == MDB_NOTFOUND)
        code = mdb_cursor_get(cursor, &key, &value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    if (code)
        return code;
    if (!journal_key_parse(&key, &found, &first) || found != stream || oldest < 1 ||
        !journal_chunk_rows(&value) || first > INT64_MAX - UINT32_MAX || !journal_value_intact(&key, &value))
        return MDB_CORRUPTED;
    atomic_store(&journal->ranges[stream].first, oldest);
    atomic_store(&journal->ranges[stream].last, first + journal_chunk_rows(&value) - 1);
    return 0;
}

static int load_ranges(struct journal *journal)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    int code = mdb_txn_begin(journal->environment, NULL, MDB_RDONLY, &transaction);
    if (code)
        return code;
    code = load_streams(journal, transaction);
    if (!code)
        code = mdb_cursor_open(transaction, journal->rows, &cursor);
    if (!code) {
        for (size_t i = 0; !code && i < journal->stream_count; i++)
            code = load_range(journal, cursor, i);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(transaction);
    return code;
}

/* find_map: where LMDB has mapped its data file; it does not say. */
static void find_map(struct journal *journal)
{
    struct stat file;
    mdb_filehandle_t descriptor;
    char line[PATH_BYTES + 128];
    FILE *maps = fopen("/proc/self/maps", "re");
    bool known =
        maps && mdb_env_get_fd(journal->environment, &descriptor) == 0 && fstat(descriptor, &file) == 0;
    while (known && !journal->map && fgets(line, sizeof line, maps)) {
        uintptr_t begin, end;
        unsigned device_major, device_minor;
        unsigned long long inode;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*x %x:%x %llu", &begin, &end, &device_major,
                   &device_minor, &inode) == 5 &&
            inode == file.st_ino && makedev(device_major, device_minor) == file.st_dev) {
            journal->map = (void *)begin;
            journal->map_bytes = end - begin;
        }
    }
    if (maps)
        fclose(maps);
}

void journal_relax(struct journal *journal)
{
    if (journal->map && madvise(journal->map, journal->map_bytes, MADV_DONTNEED) != 0)
        journal->map = NULL; /* this system does not do that: nothing but a figure suffers */
}

/* lay_out_lock_file: LMDB lets its lock file grow by a hole and writes to it through a mapping: on a full disk that is a SIGBUS.
 * With its blocks taken beforehand a full disk is an error. */
static int lay_out_lock_file(const char *folder)
{
    char path[PATH_BYTES];
    path_join(path, folder, "lock.mdb");
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int code = descriptor < 0 ? errno : posix_fallocate(descriptor, 0, LOCK_FILE_BYTES);
    if (descriptor >= 0)
        close(descriptor);
    return code;
}

static int open_environment(struct journal *journal, const struct journal_config *config)
{
    int code = lay_out_lock_file(config->folder);
    if (!code)
        code = mdb_env_create(&journal->environment);
    if (!code)
        code = mdb_env_set_maxdbs(journal->environment, 3);
    if (!code)
        code = mdb_env_set_mapsize(journal->environment, config->max_bytes);
    if (!code)
        code = mdb_env_open(journal->environment, config->folder, MDB_NOTLS | (config->sync ? 0 : MDB_NOSYNC),
                            0600);
    return code;
}

/* opening_failed: a damaged journal is begun anew; what a disk or a right refuses is not mended that way. */
static enum status opening_failed(struct error *error, const struct journal *journal, int code)
{
    enum status status = journal_failed(error, journal, "cannot be opened", code);
    if (status != STATUS_IO)
        return journal_failed(error, journal, "cannot be opened; remove the folder to begin anew", code);
    return status;
}

enum status journal_open(const struct journal_config *config, struct journal **out_journal,
                         enum journal_beginning *out_beginning, struct error *error)
{
    enum journal_beginning beginning;
    enum status status = set_aside_if_foreign(config, &beginning, error);
    if (status != STATUS_OK)
        return status;
    struct journal *journal = memory_allocate(sizeof *journal);
    snprintf(journal->folder, sizeof journal->folder, "%s", config->folder);
    map_init(&journal->stream_numbers);
    pthread_mutex_init(&journal->fairness, NULL);
    pthread_cond_init(&journal->served, NULL);
    int code = open_environment(journal, config);
    if (!code)
        code = journal_file_whole(journal);
    if (!code)
        code = open_tables(journal, beginning != JOURNAL_WARM);
    if (!code)
        code = load_ranges(journal);
    /* A life that was killed inside its last commit may have left it in the page cache only. */
    if (!code && config->sync)
        code = mdb_env_sync(journal->environment, 1);
    if (code)
        status = opening_failed(error, journal, code);
    else if (beginning != JOURNAL_WARM)
        status = write_identity(config, error);
    if (status != STATUS_OK) {
        journal_close(journal);
        return status;
    }
    find_map(journal);
    *out_journal = journal;
    *out_beginning = beginning;
    return STATUS_OK;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    journal_abort(journal);
    if (journal->environment)
        mdb_env_close(journal->environment);
    for (size_t i = 0; i < journal->stream_count; i++)
        free(journal->stream_names[i]);
    map_finish(&journal->stream_numbers);
    pthread_cond_destroy(&journal->served);
    pthread_mutex_destroy(&journal->fairness);
    free(journal);
}

size_t journal_stream(struct journal *journal, const char *name)
{
    size_t number = map_get(&journal->stream_numbers, name);
    if (number != MAP_ABSENT)
        return number;
    if (journal->stream_count == JOURNAL_STREAMS_MAX) {
        fprintf(stderr, "journal %s: more than %d streams\n", journal->folder, JOURNAL_STREAMS_MAX);
        abort();
    }
    number = journal->stream_count++;
    journal->stream_names[number] = memory_copy_text(name);
    map_put(&journal->stream_numbers, name, number);
    return number;
}

int64_t journal_first(const struct journal *journal, size_t stream)
{
    return atomic_load(&journal->ranges[stream].first);
}

int64_t journal_last(const struct journal *journal, size_t stream)
{
    return atomic_load(&journal->ranges[stream].last);
}
