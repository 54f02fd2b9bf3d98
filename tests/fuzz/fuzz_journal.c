// links: journal proto base lmdb
/* What stands in the journal's tables, whoever put it there: wrong rows and records are refused with a word, never given out. */
#include "fuzz.h"

#include "journal/journal.h"
#include "proto/frame.h"

#include <lmdb.h>
#include <string.h>

enum { MAP_BYTES = 16 << 20 };

static void journal_path(char out_path[PATH_BYTES])
{
    path_join(out_path, fuzz_folder(), "journal");
}

static struct journal *open_journal(struct error *error)
{
    char path[PATH_BYTES];
    struct journal *journal;
    enum journal_beginning beginning;
    journal_path(path);
    struct journal_config config = {
        .folder = path, .run_id = "run-1", .config_fingerprint = "f", .max_bytes = MAP_BYTES};
    return journal_open(&config, &journal, &beginning, error) == STATUS_OK ? journal : NULL;
}

/* put: one key and value into a table, past the journal. */
static void put(const char *table, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi number;
    char path[PATH_BYTES];
    MDB_val name = {key_bytes, (void *)(uintptr_t)key}, content = {value_bytes, (void *)(uintptr_t)value};
    journal_path(path);
    fuzz_require(
        !mdb_env_create(&environment) && !mdb_env_set_maxdbs(environment, 3) &&
        !mdb_env_set_mapsize(environment, MAP_BYTES) && !mdb_env_open(environment, path, MDB_NOSYNC, 0600) &&
        !mdb_txn_begin(environment, NULL, 0, &transaction) && !mdb_dbi_open(transaction, table, 0, &number));
    (void)mdb_put(transaction, number, &name, &content, 0);
    fuzz_require(!mdb_txn_commit(transaction));
    mdb_env_close(environment);
}

static void begin_anew(void)
{
    char path[PATH_BYTES];
    struct error error = {{0}};
    journal_path(path);
    fuzz_require(folder_remove(path) == STATUS_OK);
    struct journal *journal = open_journal(&error);
    fuzz_require(journal);
    size_t stream = journal_stream(journal, "harvest/BTCUSDT");
    static const uint8_t ROWS[] = {0x92, 1, 1, 0x92, 1, 2};
    fuzz_require(journal_begin(journal, &error) == STATUS_OK);
    journal_append(journal, stream, 1, 2, ROWS, sizeof ROWS);
    journal_put(journal, "state", "state", 5);
    fuzz_require(journal_commit(journal, &error) == STATUS_OK);
    journal_close(journal);
}

static void read_all(struct journal *journal)
{
    struct buffer out;
    struct error error = {{0}};
    size_t count, stream = journal_stream(journal, "harvest/BTCUSDT");
    buffer_init(&out, 1 << 20);
    for (int64_t from = journal_first(journal, stream); from <= journal_last(journal, stream);
         from += (int64_t)count) {
        size_t before = out.length, offset = 0, rows = 0;
        struct row_view view;
        if (journal_read(journal, stream, from, 4096, SIZE_MAX, &out, &count, &error) != STATUS_OK) {
            fuzz_require(out.length == before && *error.text);
            break;
        }
        while (rows_next(out.data + before, out.length - before, &offset, &view) == STATUS_OK)
            rows++;
        fuzz_require(count > 0 && rows == count && offset == out.length - before);
        if (count > 100000)
            break;
    }
    buffer_clear(&out);
    if (journal_get(journal, "state", &out) == STATUS_OK)
        fuzz_require(out.length == 5 && memcmp(out.data, "state", 5) == 0);
    buffer_finish(&out);
}

/* The input: table, length of the key, key, value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const TABLES[] = {"rows", "records", "streams"};
    struct error error = {{0}};
    if (bytes < 3 || !data[1] || data[1] > 64 || bytes < 2u + data[1] || bytes > 65536)
        return 0;
    begin_anew();
    put(TABLES[data[0] % 3], data + 2, data[1], data + 2 + data[1], bytes - 2 - data[1]);
    struct journal *journal = open_journal(&error);
    fuzz_require(journal || *error.text);
    if (journal)
        read_all(journal);
    journal_close(journal);
    return 0;
}

static void take_entry(fuzz_take *take, uint8_t table, const char *key, size_t key_bytes, const char *value,
                       size_t value_bytes)
{
    uint8_t text[256];
    text[0] = table;
    text[1] = (uint8_t)key_bytes;
    memcpy(text + 2, key, key_bytes);
    memcpy(text + 2 + key_bytes, value, value_bytes);
    take(text, 2 + key_bytes + value_bytes);
}

void fuzz_seeds(fuzz_take *take)
{
    take_entry(take, 0, "\0\0\0\0\0\0\0\0\0\0\0\1", 12, "\2\0\0\0abcd\x92\1\1\x92\1\2", 14);
    take_entry(take, 0, "\0\0\0\0\0\0\0\0\0\0\0\3", 12, "\1\0\0\0abcd\x92\1\3", 11);
    take_entry(take, 1, "state", 5, "\0\0\0\0abcdstate", 13);
    take_entry(take, 2, "harvest/ETHUSDT", 15, "\1\0\0\0", 4);
    take_entry(take, 2, "harvest/BTCUSDT", 15, "\xff\xff\xff\xff", 4);
}
