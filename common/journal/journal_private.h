/* journal_private: what the files of the journal share.
 *
 *   journal_open.c    opening, identity, streams       journal.c   writing and reading
 *   journal_value.c   keys, heads, checksums         journal_whole.c   whether the data file has its pages
 *
 * Three tables: rows (stream number, first sequence) → {head, rows}; records key → {head, bytes}; streams name → u32
 * number. Numbers in keys are big endian, so that byte order is order. A head is a count (of rows; 0 for a record) and a
 * CRC-32C of count, key and content: what the disk returns wrong is refused, never taken for a row. */
#pragma once

#include "base/file.h"
#include "base/map.h"
#include "journal/journal.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

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
    void *map; /* of the data file; NULL: not found */
    size_t map_bytes;
    /* LMDB's write lock favours whoever has just let it go: a loop that commits turn after turn would keep the others out
     * for seconds. It begins a turn only when those that came before have had theirs. */
    pthread_mutex_t fairness;
    pthread_cond_t served;
    uint64_t arrived, finished; /* calls of journal_put_now; under fairness */
};

/* journal_failed: LMDB's code as status and sentence. */
enum status journal_failed(struct error *error, const struct journal *journal, const char *doing, int code);

/* journal_file_whole: MDB_CORRUPTED when the data file lacks a page that is in use: reading it would be a SIGBUS. */
int journal_file_whole(const struct journal *journal);

void journal_row_key(uint8_t key[ROW_KEY_BYTES], size_t stream, int64_t first);
bool journal_key_parse(const MDB_val *key, size_t *out_stream, int64_t *out_first);

/* journal_value_put: head and content under a key. journal_value_intact: whether a value is what was written under its
 * key. journal_chunk_rows: the count of its head. */
int journal_value_put(MDB_txn *transaction, MDB_dbi table, MDB_val *key, uint32_t count, const void *data,
                      size_t bytes);
bool journal_value_intact(const MDB_val *key, const MDB_val *value);
int64_t journal_chunk_rows(const MDB_val *value);
