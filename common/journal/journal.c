#include "journal/journal_private.h"
#include "proto/frame.h"

#include <assert.h>
#include <string.h>

/* --- writing --- */

static void remember(struct journal *journal, const char *doing, int code)
{
    if (code && journal->pending_status == STATUS_OK)
        journal->pending_status = journal_failed(&journal->pending_error, journal, doing, code);
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

static void let_others_first(struct journal *journal)
{
    pthread_mutex_lock(&journal->fairness);
    for (uint64_t before = journal->arrived; journal->finished < before;)
        pthread_cond_wait(&journal->served, &journal->fairness);
    pthread_mutex_unlock(&journal->fairness);
}

enum status journal_begin(struct journal *journal, struct error *error)
{
    let_others_first(journal);
    int code = mdb_txn_begin(journal->environment, NULL, 0, &journal->transaction);
    if (code)
        return journal_failed(error, journal, "begin", code);
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
    journal_row_key(key_bytes, stream, first_sequence);
    MDB_val key = {.mv_size = sizeof key_bytes, .mv_data = key_bytes};
    int code = journal_value_put(journal->transaction, journal->rows, &key, (uint32_t)row_count, rows, bytes);
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
    return journal_value_put(transaction, journal->records, &key, 0, data, bytes);
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
        if (journal_first(journal, i) && journal->staged[i].last &&
            journal->staged[i].first != journal_first(journal, i))
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
        return journal_failed(error, journal, "commit", code);
    }
    journal->streams_persisted = journal->stream_count;
    for (size_t i = 0; i < journal->stream_count; i++) {
        bool forgotten = journal->staged[i].last == 0 && journal_last(journal, i);
        if (forgotten)
            atomic_store(&journal->ranges[i].first, 0);
        else if (!journal_first(journal, i))
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

static enum status put_alone(struct journal *journal, const char *key, const void *data, size_t bytes,
                             struct error *error)
{
    MDB_txn *transaction;
    int code = mdb_txn_begin(journal->environment, NULL, 0, &transaction);
    if (code)
        return journal_failed(error, journal, "begin", code);
    code = put_record(journal, transaction, key, data, bytes);
    if (code) {
        mdb_txn_abort(transaction);
        return journal_failed(error, journal, "put", code);
    }
    code = mdb_txn_commit(transaction);
    return code ? journal_failed(error, journal, "commit", code) : STATUS_OK;
}

enum status journal_put_now(struct journal *journal, const char *key, const void *data, size_t bytes,
                            struct error *error)
{
    pthread_mutex_lock(&journal->fairness);
    journal->arrived++;
    pthread_mutex_unlock(&journal->fairness);
    enum status status = put_alone(journal, key, data, bytes, error);
    pthread_mutex_lock(&journal->fairness);
    journal->finished++;
    pthread_cond_broadcast(&journal->served);
    pthread_mutex_unlock(&journal->fairness);
    return status;
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
        journal_row_key(bytes, stream, 0);
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code || !journal_key_parse(&key, &found, &first) || found != stream)
            break;
        int64_t rows = journal_chunk_rows(&value);
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

void journal_forget(struct journal *journal, size_t stream)
{
    MDB_cursor *cursor;
    uint8_t bytes[ROW_KEY_BYTES];
    MDB_val key, value;
    size_t found;
    int64_t first;
    int code = journal->pending_status == STATUS_OK
                   ? mdb_cursor_open(journal->transaction, journal->rows, &cursor)
                   : MDB_BAD_TXN;
    if (code) {
        remember(journal, "forget", code);
        return;
    }
    while (!code) {
        key = (MDB_val){.mv_size = sizeof bytes, .mv_data = bytes};
        journal_row_key(bytes, stream, 0);
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code || !journal_key_parse(&key, &found, &first) || found != stream)
            break;
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    remember(journal, "forget", code == MDB_NOTFOUND ? 0 : code);
    journal->staged[stream].first = journal->staged[stream].last = 0;
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
    if (!code && !journal_value_intact(&key, &value))
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
    journal_row_key(bytes, stream, from);
    int code = mdb_cursor_get(cursor, &key, out_value, MDB_SET_RANGE);
    if (code && code != MDB_NOTFOUND)
        return code;
    bool exact = !code && journal_key_parse(&key, &found, &first) && found == stream && first == from;
    if (!exact) {
        code = mdb_cursor_get(cursor, &key, out_value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
        if (code)
            return code;
        if (!journal_key_parse(&key, &found, &first) || found != stream ||
            from >= first + journal_chunk_rows(out_value))
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
    if (!journal_key_parse(key, &found, &first) || found != stream || first > copy->next ||
        !journal_value_intact(key, value))
        return STATUS_MALFORMED;
    const uint8_t *data = (const uint8_t *)value->mv_data + HEAD_BYTES;
    for (int64_t at = first, end = first + journal_chunk_rows(value); at < end; at++) {
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
    return !code || code == MDB_NOTFOUND ? STATUS_OK : journal_failed(error, journal, "read", code);
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
        return journal_failed(error, journal, "read", code);
    code = mdb_cursor_open(transaction, journal->rows, &cursor);
    if (code) {
        mdb_txn_abort(transaction);
        return journal_failed(error, journal, "read", code);
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
    MDB_txn *transaction = journal->transaction;
    MDB_stat stat = {0};
    if (!transaction && mdb_txn_begin(journal->environment, NULL, MDB_RDONLY, &transaction))
        return 0;
    int code = mdb_stat(transaction, journal->rows, &stat);
    if (transaction != journal->transaction)
        mdb_txn_abort(transaction);
    return code ? 0 : stat.ms_psize * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
}
