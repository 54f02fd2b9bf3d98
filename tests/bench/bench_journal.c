/* What one commit costs: our journal (chunk of rows, position, checksums, one transaction) against a bare LMDB transaction
 * that puts the same bytes under an 8-byte key, both with MDB_NOSYNC. Best and median of the passes, in µs per commit.
 *
 * And what a saved state costs whose table (stage/table.c) is that of one symbol's calibration, 7,200 rows of 24 bytes of which
 * one has changed: put whole, and as the pages that differ from a copy.
 *
 * usage: bench_journal FOLDER     an empty folder on the disk to measure
 *
 * links: journal base lmdb */
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "measure.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ROW_BYTES = 120, MAP_BYTES = 1 << 30, PASS_BYTES = 8 << 20, COMMITS_MAX = 4000 };
enum { TABLE_ROWS = 7200, TABLE_BYTES = TABLE_ROWS * 24, PAGE_BYTES = 4096 - 24, STATES = 400 };

struct bench {
    const char *folder;
    size_t rows; /* per commit */
    uint8_t *data;
    struct journal *journal;
    size_t stream;
    int64_t sequence;
    MDB_env *environment;
    MDB_dbi database;
    uint64_t key;
    uint8_t *table, *written; /* as it is, and as the journal holds it */
    size_t row;
};

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench_journal: %s failed\n", what);
        exit(1);
    }
}

/* rows_make: a row is msgpack, an array of its kind and one text that fills it. */
static uint8_t *rows_make(size_t rows)
{
    struct buffer buffer;
    buffer_init(&buffer, 0);
    for (size_t i = 0; i < rows; i++) {
        static const uint8_t HEAD[] = {0x92, 0x01, 0xd9, ROW_BYTES - 4};
        buffer_append(&buffer, HEAD, sizeof HEAD);
        for (size_t k = 0; k < ROW_BYTES - sizeof HEAD; k++)
            buffer_append_byte(&buffer, (uint8_t)('a' + (i + k) % 26));
    }
    return buffer.data;
}

static size_t commits_of(const struct bench *bench)
{
    size_t commits = PASS_BYTES / (bench->rows * ROW_BYTES);
    return commits > COMMITS_MAX ? COMMITS_MAX : commits;
}

static size_t pass_journal(void *context)
{
    struct bench *bench = context;
    size_t commits = commits_of(bench);
    struct error error = {{0}};
    for (size_t i = 0; i < commits; i++) {
        must(journal_begin(bench->journal, &error) == STATUS_OK, "journal_begin");
        journal_append(bench->journal, bench->stream, bench->sequence + 1, bench->rows, bench->data,
                       bench->rows * ROW_BYTES);
        must(journal_commit(bench->journal, &error) == STATUS_OK, error.text);
        bench->sequence += (int64_t)bench->rows;
    }
    return commits;
}

static size_t pass_bare(void *context)
{
    struct bench *bench = context;
    size_t commits = commits_of(bench);
    for (size_t i = 0; i < commits; i++) {
        MDB_txn *transaction;
        uint64_t key = bench->key++;
        MDB_val name = {sizeof key, &key}, value = {bench->rows * ROW_BYTES, bench->data};
        must(mdb_txn_begin(bench->environment, NULL, 0, &transaction) == 0, "mdb_txn_begin");
        must(mdb_put(transaction, bench->database, &name, &value, MDB_APPEND) == 0, "mdb_put");
        must(mdb_txn_commit(transaction) == 0, "mdb_txn_commit");
    }
    return commits;
}

/* One row changes, as with every step of event time. */
static void table_step(struct bench *bench)
{
    bench->row = (bench->row + 1) % TABLE_ROWS;
    memset(bench->table + bench->row * 24, (int)(bench->row % 251) + 1, 24);
}

static size_t pass_whole(void *context)
{
    struct bench *bench = context;
    for (int i = 0; i < STATES; i++) {
        table_step(bench);
        must(journal_begin(bench->journal, NULL) == STATUS_OK, "journal_begin");
        journal_put(bench->journal, "table", bench->table, TABLE_BYTES);
        must(journal_commit(bench->journal, NULL) == STATUS_OK, "journal_commit");
    }
    return STATES;
}

static size_t pass_pages(void *context)
{
    struct bench *bench = context;
    for (int i = 0; i < STATES; i++) {
        table_step(bench);
        must(journal_begin(bench->journal, NULL) == STATUS_OK, "journal_begin");
        for (size_t at = 0; at < TABLE_BYTES; at += PAGE_BYTES) {
            size_t length = TABLE_BYTES - at < PAGE_BYTES ? TABLE_BYTES - at : PAGE_BYTES;
            char key[32];
            if (memcmp(bench->table + at, bench->written + at, length) == 0)
                continue;
            snprintf(key, sizeof key, "table/%zu", at / PAGE_BYTES);
            journal_put(bench->journal, key, bench->table + at, length);
            memcpy(bench->written + at, bench->table + at, length);
        }
        must(journal_commit(bench->journal, NULL) == STATUS_OK, "journal_commit");
    }
    return STATES;
}

static void bare_open(struct bench *bench)
{
    char path[PATH_BYTES];
    MDB_txn *transaction;
    path_join(path, bench->folder, "bare-%zu", bench->rows);
    must(mkdir(path, 0700) == 0, path);
    must(mdb_env_create(&bench->environment) == 0, "mdb_env_create");
    mdb_env_set_mapsize(bench->environment, MAP_BYTES);
    must(mdb_env_open(bench->environment, path, MDB_NOSYNC, 0600) == 0, "mdb_env_open");
    must(mdb_txn_begin(bench->environment, NULL, 0, &transaction) == 0, "mdb_txn_begin");
    must(mdb_dbi_open(transaction, NULL, MDB_INTEGERKEY, &bench->database) == 0, "mdb_dbi_open");
    must(mdb_txn_commit(transaction) == 0, "mdb_txn_commit");
}

static void journal_begin_empty(struct bench *bench)
{
    char path[PATH_BYTES];
    struct error error = {{0}};
    enum journal_beginning beginning;
    path_join(path, bench->folder, "journal-%zu", bench->rows);
    struct journal_config config = {
        .folder = path, .run_id = "bench", .config_fingerprint = "bench", .max_bytes = MAP_BYTES};
    must(journal_open(&config, &bench->journal, &beginning, &error) == STATUS_OK, error.text);
    bench->stream = journal_stream(bench->journal, "harvest/BTCUSDT");
}

int main(int argc, char **argv)
{
    static const size_t ROWS[] = {1, 16, 128, 1024};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_journal FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct bench bench = {.folder = argv[1], .rows = ROWS[i], .data = rows_make(ROWS[i])};
        bare_open(&bench);
        journal_begin_empty(&bench);
        struct measured bare = measure(pass_bare, &bench), ours = measure(pass_journal, &bench);
        printf("journal   %4zu rows, %6zu bytes: bare LMDB %6.1f µs, journal %6.1f µs/commit (median %.1f), "
               "%.2f times "
               "bare, %.0f ns/row\n",
               bench.rows, bench.rows * ROW_BYTES, bare.best_ns / 1e3, ours.best_ns / 1e3,
               ours.median_ns / 1e3, ours.best_ns / bare.best_ns, ours.best_ns / (double)bench.rows);
        if (i == 0) {
            bench.table = memory_allocate(TABLE_BYTES);
            bench.written = memory_allocate(TABLE_BYTES);
            struct measured whole = measure(pass_whole, &bench), pages = measure(pass_pages, &bench);
            printf("state     table of %d rows, %d bytes: whole %.1f µs, changed pages %.1f µs/commit "
                   "(median %.1f)\n",
                   TABLE_ROWS, TABLE_BYTES, whole.best_ns / 1e3, pages.best_ns / 1e3, pages.median_ns / 1e3);
            free(bench.table);
            free(bench.written);
        }
        journal_close(bench.journal);
        mdb_env_close(bench.environment);
        free(bench.data);
    }
    return 0;
}
