#include "journal/journal.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/memory.h"
#include "proto/frame.h"

#include <assert.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three tables: rows (stream number, first sequence) → {head, rows}; records key → {head, bytes}; streams name → u32
 * number. Numbers in keys are big endian, so that byte order is order. A head is a count (of rows; 0 for a record) and a
 * CRC-32C of count, key and content: what the disk returns wrong is refused, never taken for a row. */

enum { ROW_KEY_BYTES = 12, HEAD_BYTES = 8 };

struct stream_range {
    _Atomic int64_t first;
    _Atomic int64_t last;
};

struct journal {
    MDB_env *environment;
    MDB_dbi rows, records, streams;
    MDB_txn *transaction; /* the loop's, while open */
    struct error pending_error;
    enum status pending_status;
    struct map stream_numbers;
    size_t stream_count, streams_persisted;
    char *stream_names[JOURNAL_STREAMS_MAX];
    struct stream_range ranges[JOURNAL_STREAMS_MAX];
    struct {
        int64_t first, last;
    } staged[JOURNAL_STREAMS_MAX]; /* what the open transaction will make of ranges */
    char folder[PATH_BYTES];
};

static enum status failed(struct error *error, const struct journal *journal, const char *doing, int code)
{
    enum status status = code == MDB_MAP_FULL || code == MDB_TXN_FULL ? STATUS_LIMIT
                         : code == MDB_CORRUPTED || code == MDB_INVALID || code == MDB_VERSION_MISMATCH ||
                                 code == MDB_PAGE_NOTFOUND || code == MDB_PANIC || code == MDB_BAD_TXN
                             ? STATUS_MALFORMED
                             : STATUS_IO;
    return error_set(error, status, "journal %s: %s: %s", journal->folder, doing, mdb_strerror(code));
}

static void row_key(uint8_t key[ROW_KEY_BYTES], size_t stream, int64_t first)
{
    for (int i = 0; i < 4; i++)
        key[i] = (uint8_t)(stream >> (24 - 8 * i));
    for (int i = 0; i < 8; i++)
        key[4 + i] = (uint8_t)((uint64_t)first >> (56 - 8 * i));
}

static bool key_parse(const MDB_val *key, size_t *out_stream, int64_t *out_first)
{
    if (key->mv_size != ROW_KEY_BYTES)
        return false;
    const uint8_t *at = key->mv_data;
    uint64_t first = 0;
    *out_stream = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    for (int i = 0; i < 8; i++)
        first = first << 8 | at[4 + i];
    *out_first = (int64_t)first;
    return true;
}

static uint32_t content_crc(uint32_t count, const MDB_val *key, const void *data, size_t bytes)
{
    uint32_t crc = crc32c(crc32c(0, &count, sizeof count), key->mv_data, key->mv_size);
    return crc32c(crc, data, bytes);
}

/* put_value: head and content under a key. */
static int put_value(MDB_txn *transaction, MDB_dbi table, MDB_val *key, uint32_t count, const void *data,
                     size_t bytes)
{
    MDB_val value = {.mv_size = HEAD_BYTES + bytes};
    uint32_t crc = content_crc(count, key, data, bytes);
    int code = mdb_put(transaction, table, key, &value, MDB_RESERVE);
    if (code)
        return code;
    uint8_t *at = value.mv_data;
    memcpy(at, &count, sizeof count);
    memcpy(at + sizeof count, &crc, sizeof crc);
    if (bytes)
        memcpy(at + HEAD_BYTES, data, bytes);
    return 0;
}

/* value_intact: whether a value is what was written under its key. */
static bool value_intact(const MDB_val *key, const MDB_val *value)
{
    uint32_t head[2];
    if (value->mv_size < HEAD_BYTES)
        return false;
    memcpy(head, value->mv_data, sizeof head);
    const uint8_t *content = (const uint8_t *)value->mv_data + HEAD_BYTES;
    return head[1] == content_crc(head[0], key, content, value->mv_size - HEAD_BYTES);
}

static int64_t chunk_rows(const MDB_val *value)
{
    uint32_t count = 0;
    if (value->mv_size >= HEAD_BYTES)
        memcpy(&count, value->mv_data, sizeof count);
    return count;
}

/* --- opening --- */

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
    if (status == STATUS_OK && !same) {
        if (folder_make(config->folder, 0700) != STATUS_OK)
            status = error_set(error, STATUS_IO, "journal folder %s cannot be made: %m", config->folder);
        else if (file_replace(path, want.data, want.length, config->sync) != STATUS_OK)
            status = error_set(error, STATUS_IO, "%s cannot be written: %m", path);
    }
    buffer_finish(&want);
    buffer_finish(&have);
    return status;
}

static int open_tables(struct journal *journal)
{
    MDB_txn *transaction;
    int code = mdb_txn_begin(journal->environment, NULL, 0, &transaction);
    if (code)
        return code;
    code = mdb_dbi_open(transaction, "rows", MDB_CREATE, &journal->rows);
    if (!code)
        code = mdb_dbi_open(transaction, "records", MDB_CREATE, &journal->records);
    if (!code)
        code = mdb_dbi_open(transaction, "streams", MDB_CREATE, &journal->streams);
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
    row_key(bytes, stream, 0);
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (code == MDB_NOTFOUND || (!code && (!key_parse(&key, &found, &first) || found != stream)))
        return 0;
    if (code)
        return code;
    int64_t oldest = first;
    row_key(bytes, stream + 1, 0);
    key = (MDB_val){.mv_size = sizeof bytes, .mv_data = bytes};
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!code || code == MDB_NOTFOUND)
        code = mdb_cursor_get(cursor, &key, &value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    if (code)
        return code;
    if (!key_parse(&key, &found, &first) || found != stream || oldest < 1 || !chunk_rows(&value) ||
        first > INT64_MAX - UINT32_MAX || !value_intact(&key, &value))
        return MDB_CORRUPTED;
    atomic_store(&journal->ranges[stream].first, oldest);
    atomic_store(&journal->ranges[stream].last, first + chunk_rows(&value) - 1);
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

/* file_whole: a data file shorter than its newest meta page says would end in SIGBUS at the first missing page. */
static int file_whole(struct journal *journal)
{
    MDB_envinfo info;
    MDB_stat stat;
    char path[PATH_BYTES];
    int code = mdb_env_info(journal->environment, &info);
    if (!code)
        code = mdb_env_stat(journal->environment, &stat);
    if (code)
        return code;
    path_join(path, journal->folder, "data.mdb");
    int64_t pages = file_bytes(path) / (int64_t)stat.ms_psize;
    return info.me_last_pgno < (size_t)(pages < 0 ? 0 : pages) ? 0 : MDB_CORRUPTED;
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
    int code = mdb_env_create(&journal->environment);
    if (!code)
        code = mdb_env_set_maxdbs(journal->environment, 3);
    if (!code)
        code = mdb_env_set_mapsize(journal->environment, config->max_bytes);
    if (!code)
        code = mdb_env_open(journal->environment, config->folder, MDB_NOTLS | (config->sync ? 0 : MDB_NOSYNC),
                            0600);
    if (!code)
        code = file_whole(journal);
    if (!code)
        code = open_tables(journal);
    if (!code)
        code = load_ranges(journal);
    if (code) {
        status = failed(error, journal, "cannot be opened; remove the folder to begin anew", code);
        journal_close(journal);
        return status;
    }
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

/* --- writing --- */

static void remember(struct journal *journal, const char *doing, int code)
{
    if (code && journal->pending_status == STATUS_OK)
        journal->pending_status = failed(&journal->pending_error, journal, doing, code);
}

/* persist_streams: names given out since the last commit. */
static void persist_streams(struct journal *journal)
{
    for (size_t i = journal->streams_persisted; i < journal->stream_count; i++) {
        uint32_t number = (uint32_t)i;
        MDB_val key = {.mv_size = strlen(journal->stream_names[i]), .mv_data = journal->stream_names[i]};
        MDB_val value = {.mv_size = sizeof number, .mv_data = &number};
        remember(journal, "stream name", mdb_put(journal->transaction, journal->streams, &key, &value, 0));
    }
}

enum status journal_begin(struct journal *journal, struct error *error)
{
    int code = mdb_txn_begin(journal->environment, NULL, 0, &journal->transaction);
    if (code)
        return failed(error, journal, "begin", code);
    journal->pending_status = STATUS_OK;
    for (size_t i = 0; i < journal->stream_count; i++) {
        journal->staged[i].first = journal_first(journal, i);
        journal->staged[i].last = journal_last(journal, i);
    }
    persist_streams(journal);
    return STATUS_OK;
}

void journal_append(struct journal *journal, size_t stream, int64_t first_sequence, size_t row_count,
                    const void *rows, size_t bytes)
{
    uint8_t key_bytes[ROW_KEY_BYTES];
    assert(first_sequence > 0 && row_count > 0 && row_count <= UINT32_MAX);
    if (journal->pending_status != STATUS_OK)
        return; /* the transaction is lost already */
    if (journal->staged[stream].last && first_sequence != journal->staged[stream].last + 1) {
        journal->pending_status = error_set(
            &journal->pending_error, STATUS_CONFLICT, "journal %s: stream %s continues at %lld, not at %lld",
            journal->folder, journal->stream_names[stream], (long long)journal->staged[stream].last + 1,
            (long long)first_sequence);
        return;
    }
    row_key(key_bytes, stream, first_sequence);
    MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = key_bytes};
    int code = put_value(journal->transaction, journal->rows, &key, (uint32_t)row_count, rows, bytes);
    if (!code) {
        if (!journal->staged[stream].first)
            journal->staged[stream].first = first_sequence;
        journal->staged[stream].last = first_sequence + (int64_t)row_count - 1;
    }
    remember(journal, "append", code);
}

static int put_record(struct journal *journal, MDB_txn *transaction, const char *name, const void *data,
                      size_t bytes)
{
    MDB_val key = {.mv_size = strlen(name), .mv_data = (void *)(uintptr_t)name};
    return put_value(transaction, journal->records, &key, 0, data, bytes);
}

void journal_put(struct journal *journal, const char *key, const void *data, size_t bytes)
{
    if (journal->pending_status == STATUS_OK)
        remember(journal, "put", put_record(journal, journal->transaction, key, data, bytes));
}

/* swap_first: of streams that have been trimmed, the oldest row shown and the one that is to be. */
static void swap_first(struct journal *journal)
{
    for (size_t i = 0; i < journal->stream_count; i++)
        if (journal_first(journal, i) && journal->staged[i].first != journal_first(journal, i))
            journal->staged[i].first = atomic_exchange(&journal->ranges[i].first, journal->staged[i].first);
}

enum status journal_commit(struct journal *journal, struct error *error)
{
    if (journal->pending_status != STATUS_OK) {
        journal_abort(journal);
        if (error)
            *error = journal->pending_error;
        return journal->pending_status;
    }
    /* A reader may see the trimmed snapshot before this thread goes on: `first` moves before it, `last` behind it. */
    swap_first(journal);
    int code = mdb_txn_commit(journal->transaction);
    journal->transaction = NULL;
    if (code) {
        swap_first(journal);
        return failed(error, journal, "commit", code);
    }
    journal->streams_persisted = journal->stream_count;
    for (size_t i = 0; i < journal->stream_count; i++) {
        if (!journal_first(journal, i))
            atomic_store(&journal->ranges[i].first, journal->staged[i].first);
        atomic_store(&journal->ranges[i].last, journal->staged[i].last);
    }
    return STATUS_OK;
}

void journal_abort(struct journal *journal)
{
    if (journal->transaction)
        mdb_txn_abort(journal->transaction);
    journal->transaction = NULL;
}

enum status journal_put_now(struct journal *journal, const char *key, const void *data, size_t bytes,
                            struct error *error)
{
    MDB_txn *transaction;
    int code = mdb_txn_begin(journal->environment, NULL, 0, &transaction);
    if (code)
        return failed(error, journal, "begin", code);
    code = put_record(journal, transaction, key, data, bytes);
    if (code) {
        mdb_txn_abort(transaction);
        return failed(error, journal, "put", code);
    }
    code = mdb_txn_commit(transaction);
    return code ? failed(error, journal, "commit", code) : STATUS_OK;
}

int64_t journal_trim(struct journal *journal, size_t stream, int64_t before)
{
    MDB_cursor *cursor;
    int64_t dropped = 0;
    int code = journal->pending_status == STATUS_OK
                   ? mdb_cursor_open(journal->transaction, journal->rows, &cursor)
                   : MDB_BAD_TXN;
    if (code) {
        remember(journal, "trim", code);
        return 0;
    }
    while (!code) {
        uint8_t bytes[ROW_KEY_BYTES];
        MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes}, value;
        size_t found;
        int64_t first;
        row_key(bytes, stream, 0);
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code || !key_parse(&key, &found, &first) || found != stream)
            break;
        int64_t rows = chunk_rows(&value);
        if (!rows || first + rows > before || first + rows > journal->staged[stream].last)
            break;
        dropped += rows;
        journal->staged[stream].first = first + rows;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    remember(journal, "trim", code == MDB_NOTFOUND ? 0 : code);
    return dropped;
}

/* --- reading --- */

enum status journal_get(const struct journal *journal, const char *name, struct buffer *out)
{
    MDB_txn *transaction;
    MDB_val key = {.mv_size = strlen(name), .mv_data = (void *)(uintptr_t)name}, value;
    if (mdb_txn_begin(journal->environment, NULL, MDB_RDONLY, &transaction))
        return STATUS_IO;
    int code = mdb_get(transaction, journal->records, &key, &value);
    enum status status = code == MDB_NOTFOUND ? STATUS_NOT_FOUND : code ? STATUS_IO : STATUS_OK;
    if (!code && !value_intact(&key, &value))
        status = STATUS_MALFORMED;
    if (status == STATUS_OK)
        buffer_append(out, (const uint8_t *)value.mv_data + HEAD_BYTES, value.mv_size - HEAD_BYTES);
    mdb_txn_abort(transaction);
    return status;
}

/* seek: the chunk that holds row `from`; MDB_NOTFOUND when none does. */
static int seek(MDB_cursor *cursor, size_t stream, int64_t from, MDB_val *out_key, MDB_val *out_value)
{
    uint8_t bytes[ROW_KEY_BYTES];
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes};
    size_t found;
    int64_t first;
    row_key(bytes, stream, from);
    int code = mdb_cursor_get(cursor, &key, out_value, MDB_SET_RANGE);
    if (code && code != MDB_NOTFOUND)
        return code;
    bool exact = !code && key_parse(&key, &found, &first) && found == stream && first == from;
    if (!exact) {
        code = mdb_cursor_get(cursor, &key, out_value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
        if (code)
            return code;
        if (!key_parse(&key, &found, &first) || found != stream || from >= first + chunk_rows(out_value))
            return MDB_NOTFOUND;
    }
    *out_key = key; /* now LMDB's own bytes, no longer ours */
    return 0;
}

struct chunk_copy {
    struct buffer *out;
    size_t bytes_max, rows_max, rows;
    int64_t next; /* row to come */
    bool full;
};

/* copy_chunk: appends the rows of one chunk from `next` on; sets full when a limit is met. */
static enum status copy_chunk(struct chunk_copy *copy, size_t stream, const MDB_val *key,
                              const MDB_val *value)
{
    size_t found, offset = 0;
    int64_t first;
    if (!key_parse(key, &found, &first) || found != stream || first > copy->next || !value_intact(key, value))
        return STATUS_MALFORMED;
    const uint8_t *data = (const uint8_t *)value->mv_data + HEAD_BYTES;
    for (int64_t at = first, end = first + chunk_rows(value); at < end; at++) {
        struct row_view row;
        if (rows_next(data, value->mv_size - HEAD_BYTES, &offset, &row) != STATUS_OK)
            return STATUS_MALFORMED;
        if (at < copy->next)
            continue;
        if (copy->rows && (copy->rows == copy->rows_max || copy->out->length + row.bytes > copy->bytes_max)) {
            copy->full = true;
            return STATUS_OK;
        }
        buffer_append(copy->out, row.data, row.bytes);
        copy->rows++;
        copy->next++;
    }
    return STATUS_OK;
}

static enum status read_chunks(const struct journal *journal, MDB_cursor *cursor, size_t stream, int64_t last,
                               struct chunk_copy *copy, struct error *error)
{
    MDB_val key, value;
    int code = seek(cursor, stream, copy->next, &key, &value);
    if (code == MDB_NOTFOUND && journal_first(journal, stream) <= copy->next)
        return error_set(error, STATUS_MALFORMED, "journal %s: stream %s: row %lld is missing",
                         journal->folder, journal->stream_names[stream], (long long)copy->next);
    if (code == MDB_NOTFOUND)
        return error_set(error, STATUS_NOT_FOUND, "journal %s: stream %s: row %lld is no longer held",
                         journal->folder, journal->stream_names[stream], (long long)copy->next);
    while (!code && !copy->full) {
        if (copy_chunk(copy, stream, &key, &value) != STATUS_OK) {
            if (copy->rows)
                return STATUS_OK; /* whoever asks for the next row is told */
            return error_set(error, STATUS_MALFORMED, "journal %s: stream %s: rows at %lld are damaged",
                             journal->folder, journal->stream_names[stream], (long long)copy->next);
        }
        if (copy->next > last)
            break;
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return !code || code == MDB_NOTFOUND ? STATUS_OK : failed(error, journal, "read", code);
}

enum status journal_read(const struct journal *journal, size_t stream, int64_t from, size_t bytes_max,
                         size_t rows_max, struct buffer *out_rows, size_t *out_count, struct error *error)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    /* Asked before the snapshot is taken: what was committed by then is in it. */
    int64_t last = journal_last(journal, stream);
    if (from > last) {
        *out_count = 0;
        return STATUS_OK;
    }
    int code = mdb_txn_begin(journal->environment, NULL, MDB_RDONLY, &transaction);
    if (code)
        return failed(error, journal, "read", code);
    code = mdb_cursor_open(transaction, journal->rows, &cursor);
    if (code) {
        mdb_txn_abort(transaction);
        return failed(error, journal, "read", code);
    }
    size_t before = out_rows->length;
    struct chunk_copy copy = {
        .out = out_rows, .bytes_max = before + bytes_max, .rows_max = rows_max, .next = from};
    enum status status = read_chunks(journal, cursor, stream, last, &copy, error);
    mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
    if (status == STATUS_OK && out_rows->overflowed)
        status = error_set(error, STATUS_LIMIT, "journal %s: rows do not fit their buffer", journal->folder);
    if (status == STATUS_OK)
        *out_count = copy.rows;
    else
        out_rows->length = before;
    return status;
}

size_t journal_bytes_used(const struct journal *journal)
{
    MDB_txn *transaction;
    MDB_stat stat = {0};
    if (mdb_txn_begin(journal->environment, NULL, MDB_RDONLY, &transaction))
        return 0;
    int code = mdb_stat(transaction, journal->rows, &stat);
    mdb_txn_abort(transaction);
    return code ? 0 : stat.ms_psize * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
}
