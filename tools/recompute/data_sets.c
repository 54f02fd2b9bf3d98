/* Rows are kept column by column and written as Parquet files of some 100,000 rows by the writer the archive has; DuckDB then
 * compares them with the archive's. What the archive's quality gate turns away is turned away here too. */
#include "data_sets.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "chain.h"
#include "recording.h"
#include "services/archive/kinds.h"
#include "services/archive/quality.h"
#include "store/columns.h"
#include "store/parquet.h"
#include "store/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { FILE_ROWS = 100000, WRITER_HEX = 8, EXAMPLES = 3 };

/* data_set: one kind of one symbol. */
struct data_set {
    struct columns *columns; /* not yet written */
    int64_t rows, files;
    int64_t stored, only_recomputed, only_stored;
};

struct data_sets {
    const struct request *request;
    const struct chain *chain;
    struct data_set *sets; /* symbols × kinds */
    size_t symbol_count;
    size_t field_counts[KIND_COUNT];
    struct parquet *parquet;
    char fingerprint[SHA256_HEX_BYTES];
    char stored_root[PATH_BYTES], folder[PATH_BYTES], duckdb[PATH_BYTES];
    char writer[WRITER_HEX + 1]; /* as the archive marks its files */
    bool running;
    bool fed_apart;     /* the capture is another run's: when a message was received differs (data.md §8) */
    enum status status; /* of a write that failed; then nothing is compared */
    struct error error;
};

struct data_sets *data_sets_create(void)
{
    return memory_allocate(sizeof(struct data_sets));
}

void data_sets_destroy(struct data_sets *sets)
{
    if (!sets)
        return;
    for (size_t i = 0; sets->sets && i < sets->symbol_count * KIND_COUNT; i++)
        columns_destroy(sets->sets[i].columns);
    parquet_close(sets->parquet);
    if (sets->folder[0] && folder_remove(sets->folder) != STATUS_OK)
        complain(0, "%s was left behind", sets->folder);
    free(sets->sets);
    free(sets);
}

static struct data_set *set_of(const struct data_sets *sets, size_t symbol, enum data_kind kind)
{
    return &sets->sets[symbol * KIND_COUNT + kind];
}

static enum status make_folder(struct data_sets *sets, struct error *error)
{
    const char *base = getenv("TMPDIR");
    char folder[PATH_BYTES];
    path_join(folder, base && *base ? base : "/tmp", "orderflow-recompute-XXXXXX");
    if (!mkdtemp(folder))
        return error_set(error, STATUS_IO, "no temporary folder %s: %m", folder);
    memcpy(sets->folder, folder, sizeof sets->folder);
    path_join(sets->duckdb, folder, "duckdb");
    return STATUS_OK;
}

static enum status open_sets(void *context, const struct request *request, const struct recording *recording,
                             const struct chain *chain, bool running, struct error *error)
{
    struct data_sets *sets = context;
    const struct config *config = recording->config;
    char hash[SHA256_HEX_BYTES];
    sets->request = request;
    sets->running = running;
    sets->fed_apart = strcmp(recording->run_id, request->run_id) != 0;
    sets->chain = chain;
    sets->symbol_count = chain_symbol_count(chain);
    sets->sets = memory_allocate(sets->symbol_count * KIND_COUNT * sizeof *sets->sets);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        sets->field_counts[kind] = message_fields_in_use(KINDS[kind].message, chain_levels(chain));
    memcpy(sets->fingerprint, recording->fingerprint, sizeof sets->fingerprint);
    path_join(sets->stored_root, config_text(config, "run.data_root"), "ofi_cvd");
    sha256_hex(request->run_id, strlen(request->run_id), hash);
    snprintf(sets->writer, sizeof sets->writer, "%.*s", WRITER_HEX, hash);
    enum status status = make_folder(sets, error);
    if (status != STATUS_OK)
        return status;
    const struct parquet_config settings = {
        .memory_mb = config_i64(config, "archive.duckdb_memory_mb"),
        .threads = config_i64(config, "archive.duckdb_threads"),
        .temp_folder = sets->duckdb,
        .config_fingerprint = sets->fingerprint,
    };
    return parquet_open(&settings, &sets->parquet, error);
}

/* --- rows --- */

static void set_folder(const struct data_sets *sets, size_t symbol, enum data_kind kind,
                       char out_path[PATH_BYTES])
{
    path_join(out_path, sets->folder, "%s/%s", chain_symbol(sets->chain, symbol), KINDS[kind].name);
}

static void write_set(struct data_sets *sets, size_t symbol, enum data_kind kind)
{
    struct data_set *set = set_of(sets, symbol, kind);
    char folder[PATH_BYTES], path[PATH_BYTES];
    if (!set->columns || sets->status != STATUS_OK)
        return;
    set_folder(sets, symbol, kind, folder);
    path_join(path, folder, "%06" PRId64 ".parquet", ++set->files);
    sets->status = folder_make_for(path);
    if (sets->status != STATUS_OK)
        error_set(&sets->error, sets->status, "%s cannot be made", folder);
    else
        sets->status = parquet_write(sets->parquet, set->columns, path, &sets->error);
    columns_destroy(set->columns);
    set->columns = NULL;
}

static void take_row(void *context, const struct chain_row *told)
{
    struct data_sets *sets = context;
    enum data_kind kind = kind_of_row(told->message->kind);
    char row_id[ROW_ID_BYTES];
    if (told->service > CHAIN_FEATURES || kind == KIND_NONE || sets->status != STATUS_OK ||
        quality_check(kind, sets->field_counts[kind], told->row) != QUALITY_GOOD)
        return;
    struct data_set *set = set_of(sets, told->symbol, kind);
    if (!set->columns)
        set->columns =
            columns_create(told->message, sets->field_counts[kind], chain_symbol(sets->chain, told->symbol));
    kind_row_id(kind, chain_symbol(sets->chain, told->symbol), told->row, row_id);
    columns_append(set->columns, row_id, (struct column_order){.sequence = told->sequence}, told->row);
    set->rows++;
    if (set->columns->rows >= FILE_ROWS)
        write_set(sets, told->symbol, kind);
}

/* --- comparing --- */

/* add_path: inside an SQL text. */
static void add_path(struct buffer *out, const char *path)
{
    for (; *path; path++) {
        if (*path == '\'')
            buffer_append_byte(out, '\'');
        buffer_append_byte(out, (uint8_t)*path);
    }
}

/* tables: SQL that names both sides, `mine` and `theirs`. */
static void tables(const struct data_sets *sets, size_t symbol, enum data_kind kind, struct buffer *out)
{
    bool is_received = message_field(KINDS[kind].message, "recv_ts_ms") != NULL;
    const char *columns = sets->fed_apart && is_received ? "* EXCLUDE (recv_ts_ms, latency_ms)" : "*";
    char folder[PATH_BYTES];
    set_folder(sets, symbol, kind, folder);
    buffer_format(out, "WITH mine AS (SELECT %s FROM read_parquet('", columns);
    add_path(out, folder);
    buffer_format(out, "/*.parquet')), theirs AS (SELECT %s FROM read_parquet('", columns);
    add_path(out, sets->stored_root);
    buffer_format(out, "/date=*/symbol=%s/kind=%s/part-*-%s-*.parquet', hive_partitioning = false)) ",
                  chain_symbol(sets->chain, symbol), KINDS[kind].name, sets->writer);
}

/* numbers_of: what a query's one row holds under each of `names`. */
static enum status numbers_of(const struct data_sets *sets, const char *sql, const char *const *names,
                              int64_t *const *out, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    path_join(path, sets->folder, "answer.json");
    enum status status = query_to_file(sql, QUERY_JSON, path, error);
    if (status != STATUS_OK)
        return status;
    buffer_init(&text, 0);
    status = file_read(path, &text);
    yyjson_doc *document = status == STATUS_OK
                               ? yyjson_read((const char *)text.data, text.length, YYJSON_READ_STOP_WHEN_DONE)
                               : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    for (size_t i = 0; names[i]; i++)
        *out[i] = yyjson_get_sint(yyjson_obj_get(root, names[i]));
    if (!root)
        status = error_set(error, STATUS_IO, "%s: DuckDB's answer cannot be read", path);
    yyjson_doc_free(document);
    buffer_finish(&text);
    return status;
}

/* search: for a file of one set. */
struct search {
    char middle[64], writer[WRITER_HEX + 3];
    bool found;
};

static enum status look_at(void *context, const char *path)
{
    struct search *search = context;
    search->found =
        search->found || (strstr(path, search->middle) && strstr(strrchr(path, '/'), search->writer));
    return STATUS_OK;
}

/* has_parts: whether the archive holds a file of the set; DuckDB would take none for a mistake. */
static bool has_parts(const struct data_sets *sets, size_t symbol, enum data_kind kind)
{
    struct search search = {.found = false};
    snprintf(search.middle, sizeof search.middle, "/symbol=%s/kind=%s/", chain_symbol(sets->chain, symbol),
             KINDS[kind].name);
    snprintf(search.writer, sizeof search.writer, "-%s-", sets->writer);
    enum status status = folder_walk(sets->stored_root, look_at, &search);
    return status == STATUS_OK && search.found;
}

static void print_examples(const struct data_sets *sets, size_t symbol, enum data_kind kind, const char *side,
                           const char *difference)
{
    struct buffer sql, text;
    struct error error;
    char path[PATH_BYTES];
    path_join(path, sets->folder, "examples.json");
    buffer_init(&sql, 0);
    buffer_init(&text, 0);
    tables(sets, symbol, kind, &sql);
    buffer_format(&sql, "SELECT * FROM (%s) ORDER BY ts_ms, row_id LIMIT %d", difference, EXAMPLES);
    if (query_to_file(buffer_text(&sql), QUERY_JSON, path, &error) == STATUS_OK &&
        file_read(path, &text) == STATUS_OK && text.length)
        fprintf(stderr, "parquet %s, %s only:\n%s", KINDS[kind].name, side, buffer_text(&text));
    buffer_finish(&sql);
    buffer_finish(&text);
}

static enum status compare_set(const struct data_sets *sets, size_t symbol, enum data_kind kind,
                               struct error *error)
{
    static const char MINE[] = "SELECT * FROM mine EXCEPT ALL SELECT * FROM theirs";
    static const char THEIRS[] = "SELECT * FROM theirs EXCEPT ALL SELECT * FROM mine";
    static const char *const NAMES[] = {"stored", "only_recomputed", "only_stored", NULL};
    struct data_set *set = set_of(sets, symbol, kind);
    int64_t *const numbers[] = {&set->stored, &set->only_recomputed, &set->only_stored};
    struct buffer sql;
    bool has_stored = has_parts(sets, symbol, kind);
    if (!set->rows && !has_stored)
        return STATUS_OK;
    if (!set->rows || !has_stored) {
        set->only_recomputed = set->rows;
        set->only_stored = has_stored; /* at least */
        return STATUS_OK;
    }
    buffer_init(&sql, 0);
    tables(sets, symbol, kind, &sql);
    buffer_format(
        &sql,
        "SELECT (SELECT count(*) FROM theirs) AS stored, (SELECT count(*) FROM (%s)) AS only_recomputed, "
        "(SELECT count(*) FROM (%s)) AS only_stored",
        MINE, THEIRS);
    enum status status = numbers_of(sets, buffer_text(&sql), NAMES, numbers, error);
    buffer_finish(&sql);
    if (status == STATUS_OK && set->only_recomputed && !sets->running)
        print_examples(sets, symbol, kind, "recomputed", MINE);
    if (status == STATUS_OK && set->only_stored)
        print_examples(sets, symbol, kind, "stored", THEIRS);
    return status;
}

static bool is_bad(const struct data_sets *sets, const struct data_set *set)
{
    return set->only_stored > 0 || (set->only_recomputed > 0 && !sets->running);
}

static void print_text(const struct data_sets *sets)
{
    printf("%-12s %-10s %10s %10s %16s %12s\n", "symbol", "parquet", "recomputed", "stored",
           "only_recomputed", "only_stored");
    for (size_t i = 0; i < sets->symbol_count * KIND_COUNT; i++) {
        const struct data_set *set = &sets->sets[i];
        printf("%-12s %-10s %10" PRId64 " %10" PRId64 " %16" PRId64 " %12" PRId64 "%s\n",
               chain_symbol(sets->chain, i / KIND_COUNT), KINDS[i % KIND_COUNT].name, set->rows, set->stored,
               set->only_recomputed, set->only_stored, is_bad(sets, set) ? "  DIFFERENT" : "");
    }
}

static void print_json(const struct data_sets *sets)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key(&json, "parquet");
    json_array_begin(&json);
    for (size_t i = 0; i < sets->symbol_count * KIND_COUNT; i++) {
        const struct data_set *set = &sets->sets[i];
        json_object_begin(&json);
        json_key_text(&json, "symbol", chain_symbol(sets->chain, i / KIND_COUNT));
        json_key_text(&json, "kind", KINDS[i % KIND_COUNT].name);
        json_key_i64(&json, "recomputed", set->rows);
        json_key_i64(&json, "stored", set->stored);
        json_key_i64(&json, "only_recomputed", set->only_recomputed);
        json_key_i64(&json, "only_stored", set->only_stored);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int conclude(void *context)
{
    struct data_sets *sets = context;
    size_t count = sets->symbol_count * KIND_COUNT;
    bool bad = false;
    int64_t rows = 0;
    for (size_t i = 0; i < count; i++)
        write_set(sets, i / KIND_COUNT, (enum data_kind)(i % KIND_COUNT));
    for (size_t i = 0; sets->status == STATUS_OK && i < count; i++) {
        sets->status = compare_set(sets, i / KIND_COUNT, (enum data_kind)(i % KIND_COUNT), &sets->error);
        bad = bad || is_bad(sets, &sets->sets[i]);
        rows += sets->sets[i].stored;
    }
    if (sets->status != STATUS_OK)
        return complain(EXIT_DIFFERENT, "%s", sets->error.text);
    (sets->request->json ? print_json : print_text)(sets);
    if (!sets->request->json)
        printf("verdict: Parquet: %s, %" PRId64 " %s\n",
               bad    ? "DIFFERENT"
               : rows ? "equal"
                      : "UNKNOWN, nothing is stored",
               rows, plural(rows, "row", "rows"));
    return bad || !rows ? EXIT_DIFFERENT : EXIT_SAME;
}

struct companion data_sets_companion(struct data_sets *sets)
{
    return (struct companion){sets, open_sets, take_row, conclude};
}
