#include "parity.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "base/memory.h"
#include "proto/signal.h"
#include "row_text.h"
#include "signal_files.h"
#include "sink_reader.h"
#include "store/database.h"
#include "tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MINUTE_MS = 60000 };

const char *const VERDICT_NAMES[] = {"PASS", "FAIL", "UNKNOWN", NULL};
const char *const PARITY_DIFFERENCE_NAMES[] = {"content", "only_jsonl", "only_sqlite", "duplicate_jsonl",
                                               NULL};

/* entry: where one JSONL row lies. Rows are sorted by these and read again in that order. */
struct entry {
    int64_t ts_ms;
    int64_t offset;
    uint32_t length;
    uint32_t file;
    uint32_t symbol; /* into symbols */
};

struct comparison {
    struct parity *parity;
    const char *run_id;
    struct signal_files files;
    struct entry *entries;
    size_t entry_count, entry_capacity;
    struct map symbol_index;
    char (*symbols)[SYMBOL_BYTES];
    size_t symbol_count, symbol_capacity;
    uint32_t file; /* being indexed, or open for reading again */
    int descriptor;
    struct sha256 jsonl_hash, sqlite_hash;
    struct buffer jsonl_line, sqlite_line, block;
};

/* ---- counting ---- */

static struct parity_minute *minute_of(struct parity *parity, int64_t ts_ms)
{
    int64_t minute = floor_div(ts_ms, MINUTE_MS);
    size_t at = parity->minute_count;
    /* The rows come by rising time: it is the newest minute or a new one. */
    if (at > 0 && parity->minutes[at - 1].minute == minute)
        return &parity->minutes[at - 1];
    parity->minutes = memory_grow(parity->minutes, &parity->minute_capacity, at + 1, sizeof *parity->minutes);
    parity->minutes[at] = (struct parity_minute){.minute = minute};
    parity->minute_count++;
    return &parity->minutes[at];
}

static void count_row(struct parity_stats *stats, struct sha256 *hash, const struct signal_row *row,
                      const struct buffer *line)
{
    bool strong = row->signal_type == SIGNAL_STRONG_BUY || row->signal_type == SIGNAL_STRONG_SELL;
    stats->total++;
    stats->confirmed += row->confirm;
    stats->strong += row->confirm && strong;
    sha256_update(hash, line->data, line->length);
    sha256_update(hash, "\n", 1);
}

static void add_example(struct parity *parity, enum parity_difference kind, int64_t ts_ms, const char *symbol,
                        struct buffer *jsonl, struct buffer *sqlite)
{
    if (parity->example_count == PARITY_EXAMPLES_MAX)
        return;
    struct parity_example *example = &parity->examples[parity->example_count++];
    *example = (struct parity_example){.kind = kind, .ts_ms = ts_ms};
    memcpy(example->symbol, symbol, strnlen(symbol, sizeof example->symbol - 1));
    example->jsonl = jsonl ? memory_copy_text(buffer_text(jsonl)) : NULL;
    example->sqlite = sqlite ? memory_copy_text(buffer_text(sqlite)) : NULL;
}

/* ---- the JSONL side: index, sort, read again ---- */

static uint32_t symbol_number(struct comparison *comparison, const char *symbol)
{
    size_t number = map_get(&comparison->symbol_index, symbol);
    if (number != MAP_ABSENT)
        return (uint32_t)number;
    number = comparison->symbol_count++;
    comparison->symbols = memory_grow(comparison->symbols, &comparison->symbol_capacity, number + 1,
                                      sizeof *comparison->symbols);
    memcpy(comparison->symbols[number], symbol, strnlen(symbol, SYMBOL_BYTES - 1) + 1);
    map_put(&comparison->symbol_index, symbol, number);
    return (uint32_t)number;
}

static enum status index_line(void *context, enum line_kind kind, const char *text, size_t length,
                              int64_t offset)
{
    struct comparison *comparison = context;
    struct signal_row row;
    struct error ignored;
    bool fits = kind != LINE_TOO_LONG &&
                row_from_json(&signal_message, text, length, &row, &ignored) == STATUS_OK &&
                signal_time_valid(row.ts_ms);
    comparison->parity->bad_jsonl += !fits;
    if (!fits || strcmp(row.run_id, comparison->run_id) != 0)
        return STATUS_OK;
    comparison->entries = memory_grow(comparison->entries, &comparison->entry_capacity,
                                      comparison->entry_count + 1, sizeof *comparison->entries);
    comparison->entries[comparison->entry_count++] = (struct entry){
        .ts_ms = row.ts_ms,
        .offset = offset,
        .length = (uint32_t)length,
        .file = comparison->file,
        .symbol = symbol_number(comparison, row.symbol),
    };
    return STATUS_OK;
}

static int compare_entries(const void *left, const void *right, void *context)
{
    const struct comparison *comparison = context;
    const struct entry *a = left, *b = right;
    if (a->ts_ms != b->ts_ms)
        return a->ts_ms < b->ts_ms ? -1 : 1;
    if (a->symbol != b->symbol)
        return strcmp(comparison->symbols[a->symbol], comparison->symbols[b->symbol]);
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static enum status index_files(struct comparison *comparison, const char *output_dir, struct error *error)
{
    enum status status = signal_files_find(&comparison->files, output_dir, comparison->run_id, error);
    for (uint32_t i = 0; status == STATUS_OK && i < comparison->files.count; i++) {
        const struct signal_file *file = &comparison->files.items[i];
        int64_t offset = 0;
        comparison->file = i;
        if (!file->other_run)
            status = signal_file_read(file->path, true, &offset, index_line, comparison);
        if (status != STATUS_OK)
            error_set(error, status, "%s: cannot be read", file->path);
    }
    if (comparison->entry_count)
        qsort_r(comparison->entries, comparison->entry_count, sizeof *comparison->entries, compare_entries,
                comparison);
    return status;
}

static enum status open_file(struct comparison *comparison, uint32_t file, struct error *error)
{
    if (comparison->descriptor >= 0 && comparison->file == file)
        return STATUS_OK;
    if (comparison->descriptor >= 0)
        close(comparison->descriptor);
    comparison->file = file;
    comparison->descriptor = open(comparison->files.items[file].path, O_RDONLY | O_CLOEXEC);
    if (comparison->descriptor >= 0)
        return STATUS_OK;
    return error_set(error, STATUS_IO, "%s: %s", comparison->files.items[file].path, strerror(errno));
}

/* load_entry: the row once more, and its line in our own form. */
static enum status load_entry(struct comparison *comparison, const struct entry *entry,
                              struct signal_row *out_row, struct error *error)
{
    enum status status = open_file(comparison, entry->file, error);
    if (status != STATUS_OK)
        return status;
    buffer_clear(&comparison->block);
    uint8_t *room = buffer_reserve(&comparison->block, entry->length);
    ssize_t got = pread(comparison->descriptor, room, entry->length, entry->offset);
    if (got != (ssize_t)entry->length)
        return error_set(error, STATUS_IO, "%s: changed while it was compared",
                         comparison->files.items[entry->file].path);
    status = row_from_json(&signal_message, (const char *)room, entry->length, out_row, error);
    buffer_clear(&comparison->jsonl_line);
    row_line(&signal_message, out_row, &comparison->jsonl_line);
    return status;
}

/* ---- the SQLite side: a cursor in key order ---- */

struct cursor {
    struct database *database;
    struct statement *statement;
    struct signal_row row;
    bool at_end;
};

static enum status cursor_next(struct comparison *comparison, struct cursor *cursor, struct error *error)
{
    struct error ignored;
    enum status status = STATUS_END;
    while (cursor->statement && (status = statement_step(cursor->statement, error)) == STATUS_OK) {
        if (row_from_statement(&signal_message, cursor->statement, &cursor->row, &ignored) == STATUS_OK &&
            signal_time_valid(cursor->row.ts_ms))
            break;
        comparison->parity->bad_sqlite++;
    }
    cursor->at_end = status == STATUS_END;
    if (status != STATUS_OK)
        return cursor->at_end ? STATUS_OK : status;
    buffer_clear(&comparison->sqlite_line);
    row_line(&signal_message, &cursor->row, &comparison->sqlite_line);
    return STATUS_OK;
}

static enum status cursor_open(struct comparison *comparison, struct cursor *cursor, const char *output_dir,
                               struct error *error)
{
    enum status status = signals_database_open(output_dir, &cursor->database, error);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT ");
    row_columns(&signal_message, &sql);
    buffer_append_text(&sql, " FROM signals WHERE run_id = ?1 ORDER BY ts_ms, symbol");
    status = statement_prepare(cursor->database, buffer_text(&sql), &cursor->statement, error);
    buffer_finish(&sql);
    if (status == STATUS_OK)
        statement_bind_text(cursor->statement, 1, comparison->run_id);
    return status;
}

static void cursor_close(struct cursor *cursor)
{
    statement_finish(cursor->statement);
    database_close(cursor->database);
}

/* ---- the join ---- */

static bool same_key(const struct entry *a, const struct entry *b)
{
    return a->ts_ms == b->ts_ms && a->symbol == b->symbol;
}

static int compare_key(const struct signal_row *jsonl, const struct signal_row *sqlite)
{
    if (jsonl->ts_ms != sqlite->ts_ms)
        return jsonl->ts_ms < sqlite->ts_ms ? -1 : 1;
    return strcmp(jsonl->symbol, sqlite->symbol);
}

static bool same_line(const struct buffer *left, const struct buffer *right)
{
    return left->length == right->length && memcmp(left->data, right->data, left->length) == 0;
}

/* take_duplicates: the lines behind *at that have its key; they count, and are compared with the first. */
static enum status take_duplicates(struct comparison *comparison, size_t *at, struct error *error)
{
    struct parity *parity = comparison->parity;
    const struct entry *first = &comparison->entries[*at];
    struct signal_row row;
    struct buffer kept;
    buffer_init(&kept, 0);
    buffer_append(&kept, comparison->jsonl_line.data, comparison->jsonl_line.length);
    enum status status = STATUS_OK;
    while (++*at < comparison->entry_count && same_key(first, &comparison->entries[*at])) {
        status = load_entry(comparison, &comparison->entries[*at], &row, error);
        if (status != STATUS_OK)
            break;
        count_row(&parity->jsonl, &comparison->jsonl_hash, &row, &comparison->jsonl_line);
        minute_of(parity, row.ts_ms)->jsonl++;
        parity->duplicates_jsonl++;
        parity->key_conflict += !same_line(&kept, &comparison->jsonl_line);
        add_example(parity, PARITY_DUPLICATE, row.ts_ms, row.symbol, &comparison->jsonl_line, NULL);
    }
    buffer_finish(&kept);
    return status;
}

static enum status take_sqlite(struct comparison *comparison, struct cursor *cursor, struct error *error)
{
    struct parity *parity = comparison->parity;
    count_row(&parity->sqlite, &comparison->sqlite_hash, &cursor->row, &comparison->sqlite_line);
    minute_of(parity, cursor->row.ts_ms)->sqlite++;
    return cursor_next(comparison, cursor, error);
}

static void judge(struct comparison *comparison, const struct cursor *cursor, int order,
                  const struct signal_row *row)
{
    struct parity *parity = comparison->parity;
    if (order < 0) {
        parity->only_jsonl++;
        add_example(parity, PARITY_ONLY_JSONL, row->ts_ms, row->symbol, &comparison->jsonl_line, NULL);
    } else if (order > 0) {
        parity->only_sqlite++;
        add_example(parity, PARITY_ONLY_SQLITE, cursor->row.ts_ms, cursor->row.symbol, NULL,
                    &comparison->sqlite_line);
    } else if (!same_line(&comparison->jsonl_line, &comparison->sqlite_line)) {
        parity->content_mismatch++;
        add_example(parity, PARITY_CONTENT, row->ts_ms, row->symbol, &comparison->jsonl_line,
                    &comparison->sqlite_line);
    }
}

static enum status join(struct comparison *comparison, struct cursor *cursor, struct error *error)
{
    struct parity *parity = comparison->parity;
    size_t at = 0;
    bool loaded = false;
    struct signal_row row;
    enum status status = cursor_next(comparison, cursor, error);
    while (status == STATUS_OK && (at < comparison->entry_count || !cursor->at_end)) {
        if (at < comparison->entry_count && !loaded) {
            status = load_entry(comparison, &comparison->entries[at], &row, error);
            loaded = true;
            if (status != STATUS_OK)
                break;
        }
        int order = !loaded ? 1 : cursor->at_end ? -1 : compare_key(&row, &cursor->row);
        judge(comparison, cursor, order, &row);
        if (order <= 0) {
            count_row(&parity->jsonl, &comparison->jsonl_hash, &row, &comparison->jsonl_line);
            minute_of(parity, row.ts_ms)->jsonl++;
            status = take_duplicates(comparison, &at, error);
            loaded = false;
        }
        if (order >= 0 && status == STATUS_OK)
            status = take_sqlite(comparison, cursor, error);
    }
    return status;
}

static void finish_stats(struct parity_stats *stats, struct sha256 *hash)
{
    uint8_t digest[SHA256_BYTES];
    stats->strong_ratio = ratio(stats->strong, stats->confirmed);
    sha256_finish(hash, digest);
    sha256_hex_of(digest, stats->content_hash);
}

static enum verdict verdict_of(const struct parity *parity)
{
    if (parity->jsonl.total == 0 && parity->sqlite.total == 0)
        return VERDICT_UNKNOWN;
    bool equal = parity->jsonl.total > 0 && parity->sqlite.total > 0 &&
                 strcmp(parity->jsonl.content_hash, parity->sqlite.content_hash) == 0;
    int64_t differences =
        parity->only_jsonl + parity->only_sqlite + parity->content_mismatch + parity->duplicates_jsonl;
    int64_t bad = parity->bad_jsonl + parity->bad_sqlite;
    return equal && differences == 0 && bad == 0 ? VERDICT_PASS : VERDICT_FAIL;
}

static void comparison_finish(struct comparison *comparison)
{
    signal_files_finish(&comparison->files);
    map_finish(&comparison->symbol_index);
    free(comparison->entries);
    free(comparison->symbols);
    buffer_finish(&comparison->jsonl_line);
    buffer_finish(&comparison->sqlite_line);
    buffer_finish(&comparison->block);
    if (comparison->descriptor >= 0)
        close(comparison->descriptor);
}

enum status parity_compare(const char *output_dir, const char *run_id, struct parity *out_parity,
                           struct error *error)
{
    struct parity parity = {0};
    struct comparison comparison = {.parity = &parity, .run_id = run_id, .descriptor = -1};
    struct cursor cursor = {0};
    memcpy(parity.run_id, run_id, strnlen(run_id, sizeof parity.run_id - 1));
    signal_files_init(&comparison.files);
    map_init(&comparison.symbol_index);
    buffer_init(&comparison.jsonl_line, 0);
    buffer_init(&comparison.sqlite_line, 0);
    buffer_init(&comparison.block, 0);
    sha256_init(&comparison.jsonl_hash);
    sha256_init(&comparison.sqlite_hash);
    enum status status = index_files(&comparison, output_dir, error);
    if (status == STATUS_OK)
        status = cursor_open(&comparison, &cursor, output_dir, error);
    if (status == STATUS_OK)
        status = join(&comparison, &cursor, error);
    finish_stats(&parity.jsonl, &comparison.jsonl_hash);
    finish_stats(&parity.sqlite, &comparison.sqlite_hash);
    parity.verdict = verdict_of(&parity);
    cursor_close(&cursor);
    comparison_finish(&comparison);
    if (status == STATUS_OK)
        *out_parity = parity;
    else
        parity_finish(&parity);
    return status;
}

void parity_finish(struct parity *parity)
{
    for (size_t i = 0; i < parity->example_count; i++) {
        free(parity->examples[i].jsonl);
        free(parity->examples[i].sqlite);
    }
    free(parity->minutes);
    *parity = (struct parity){0};
}
