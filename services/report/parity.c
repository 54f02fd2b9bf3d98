#include "parity.h"

#include "base/clock.h"
#include "base/memory.h"
#include "jsonl_index.h"
#include "proto/signal.h"
#include "row_text.h"
#include "sink_reader.h"
#include "store/database.h"
#include "tally.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

const char *const VERDICT_NAMES[] = {"PASS", "FAIL", "UNKNOWN", NULL};
const char *const PARITY_DIFFERENCE_NAMES[] = {"content", "only_jsonl", "only_sqlite", "duplicate_jsonl",
                                               NULL};

/* hashes: of both contents. As long as they are equal, which is nearly always to the end, one is computed. */
struct hashes {
    struct sha256 jsonl, sqlite;
    bool parted;
};

struct comparison {
    struct parity *parity;
    struct hashes hashes;

    struct jsonl_index jsonl;
    size_t at;                /* entry in turn */
    bool loaded;              /* its line is in jsonl_line */
    struct buffer jsonl_line; /* as written; our own form once it was found to differ from the other side */

    struct database *database;
    struct statement *select;
    struct signal_row row; /* in turn on the SQLite side */
    bool at_end;
    struct buffer sqlite_line;
};

/* ---- counting ---- */

static void hash_line(struct sha256 *hash, const struct buffer *line)
{
    sha256_update(hash, line->data, line->length);
    sha256_update(hash, "\n", 1);
}

static void part(struct hashes *hashes)
{
    if (!hashes->parted)
        hashes->sqlite = hashes->jsonl;
    hashes->parted = true;
}

/* minute_of: rows come by rising time, so it is the newest minute or a new one. */
static struct parity_minute *minute_of(struct parity *parity, int64_t ts_ms)
{
    int64_t minute = floor_div(ts_ms, MINUTE_MS);
    size_t count = parity->minute_count;
    if (count > 0 && parity->minutes[count - 1].minute == minute)
        return &parity->minutes[count - 1];
    parity->minutes =
        memory_grow(parity->minutes, &parity->minute_capacity, count + 1, sizeof *parity->minutes);
    parity->minutes[count] = (struct parity_minute){.minute = minute};
    parity->minute_count++;
    return &parity->minutes[count];
}

static void count_row(struct parity_stats *stats, bool confirm, bool strong)
{
    stats->total++;
    stats->confirmed += confirm;
    stats->strong += confirm && strong;
}

static void count_jsonl(struct comparison *comparison, const struct jsonl_entry *entry)
{
    count_row(&comparison->parity->jsonl, entry->confirm, entry->strong);
    minute_of(comparison->parity, entry->ts_ms)->jsonl++;
    hash_line(&comparison->hashes.jsonl, &comparison->jsonl_line);
}

static void count_sqlite(struct comparison *comparison)
{
    const struct signal_row *row = &comparison->row;
    bool strong = row->signal_type == SIGNAL_STRONG_BUY || row->signal_type == SIGNAL_STRONG_SELL;
    count_row(&comparison->parity->sqlite, row->confirm, strong);
    minute_of(comparison->parity, row->ts_ms)->sqlite++;
    if (comparison->hashes.parted)
        hash_line(&comparison->hashes.sqlite, &comparison->sqlite_line);
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

/* ---- the two sides ---- */

static enum status load_jsonl(struct comparison *comparison, struct error *error)
{
    if (comparison->loaded || comparison->at == comparison->jsonl.count)
        return STATUS_OK;
    comparison->loaded = true;
    return jsonl_index_line(&comparison->jsonl, &comparison->jsonl.entries[comparison->at],
                            &comparison->jsonl_line, error);
}

/* normalise: brings the line into our own form, so that only what it says counts, not how it is written. */
static enum status normalise(struct buffer *line, struct error *error)
{
    struct signal_row row;
    enum status status = row_from_json(&signal_message, (const char *)line->data, line->length, &row, error);
    buffer_clear(line);
    if (status == STATUS_OK)
        row_line(&signal_message, &row, line);
    return status;
}

static enum status next_sqlite(struct comparison *comparison, struct error *error)
{
    struct error ignored;
    enum status status = STATUS_END;
    while (comparison->select && (status = statement_step(comparison->select, error)) == STATUS_OK) {
        if (row_from_statement(&signal_message, comparison->select, &comparison->row, &ignored) ==
                STATUS_OK &&
            signal_time_valid(comparison->row.ts_ms))
            break;
        comparison->parity->bad_sqlite++;
    }
    comparison->at_end = status == STATUS_END;
    if (status != STATUS_OK)
        return comparison->at_end ? STATUS_OK : status;
    buffer_clear(&comparison->sqlite_line);
    row_line(&signal_message, &comparison->row, &comparison->sqlite_line);
    return STATUS_OK;
}

static enum status open_sqlite(struct comparison *comparison, const char *output_dir, struct error *error)
{
    enum status status = signals_database_open(output_dir, &comparison->database, error);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT ");
    row_columns(&signal_message, &sql);
    buffer_append_text(&sql, " FROM signals WHERE run_id = ?1 ORDER BY ts_ms, symbol");
    status = statement_prepare(comparison->database, buffer_text(&sql), &comparison->select, error);
    buffer_finish(&sql);
    if (status == STATUS_OK)
        statement_bind_text(comparison->select, 1, comparison->jsonl.run_id);
    return status;
}

/* ---- the join ---- */

/* order_of: which side is in turn: <0 JSONL, >0 SQLite, 0 both. */
static int order_of(const struct comparison *comparison)
{
    if (comparison->at == comparison->jsonl.count)
        return 1;
    if (comparison->at_end)
        return -1;
    const struct jsonl_entry *entry = &comparison->jsonl.entries[comparison->at];
    if (entry->ts_ms != comparison->row.ts_ms)
        return entry->ts_ms < comparison->row.ts_ms ? -1 : 1;
    return strcmp(jsonl_index_symbol(&comparison->jsonl, entry), comparison->row.symbol);
}

static bool same_line(const struct buffer *left, const struct buffer *right)
{
    return left->length == right->length && memcmp(left->data, right->data, left->length) == 0;
}

static enum status judge(struct comparison *comparison, int order, struct error *error)
{
    struct parity *parity = comparison->parity;
    struct buffer *jsonl = &comparison->jsonl_line, *sqlite = &comparison->sqlite_line;
    const struct signal_row *row = &comparison->row;
    if (order > 0) {
        part(&comparison->hashes);
        parity->only_sqlite++;
        add_example(parity, PARITY_ONLY_SQLITE, row->ts_ms, row->symbol, NULL, sqlite);
        return STATUS_OK;
    }
    if (order == 0 && same_line(jsonl, sqlite))
        return STATUS_OK;
    enum status status = normalise(jsonl, error);
    if (status != STATUS_OK || (order == 0 && same_line(jsonl, sqlite)))
        return status;
    const struct jsonl_entry *entry = &comparison->jsonl.entries[comparison->at];
    const char *symbol = jsonl_index_symbol(&comparison->jsonl, entry);
    part(&comparison->hashes);
    parity->only_jsonl += order < 0;
    parity->content_mismatch += order == 0;
    add_example(parity, order ? PARITY_ONLY_JSONL : PARITY_CONTENT, entry->ts_ms, symbol, jsonl,
                order ? NULL : sqlite);
    return STATUS_OK;
}

static bool is_duplicate(const struct comparison *comparison)
{
    size_t at = comparison->at;
    if (at == 0 || at == comparison->jsonl.count)
        return false;
    const struct jsonl_entry *entry = &comparison->jsonl.entries[at];
    return entry->ts_ms == entry[-1].ts_ms && entry->symbol == entry[-1].symbol;
}

/* take_duplicates: lines whose key is that of the line before; `kept` is the first of them. */
static enum status take_duplicates(struct comparison *comparison, const struct buffer *kept,
                                   struct error *error)
{
    struct parity *parity = comparison->parity;
    enum status status = STATUS_OK;
    for (; is_duplicate(comparison); comparison->at++) {
        const struct jsonl_entry *entry = &comparison->jsonl.entries[comparison->at];
        comparison->loaded = false;
        status = load_jsonl(comparison, error);
        if (status == STATUS_OK)
            status = normalise(&comparison->jsonl_line, error);
        if (status != STATUS_OK)
            break;
        count_jsonl(comparison, entry);
        parity->duplicates_jsonl++;
        parity->key_conflict += !same_line(kept, &comparison->jsonl_line);
        add_example(parity, PARITY_DUPLICATE, entry->ts_ms, jsonl_index_symbol(&comparison->jsonl, entry),
                    &comparison->jsonl_line, NULL);
    }
    comparison->loaded = false;
    return status;
}

static enum status take_jsonl(struct comparison *comparison, struct error *error)
{
    count_jsonl(comparison, &comparison->jsonl.entries[comparison->at]);
    comparison->at++;
    comparison->loaded = false;
    if (!is_duplicate(comparison))
        return STATUS_OK;
    struct buffer kept = comparison->jsonl_line;
    buffer_init(&comparison->jsonl_line, 0);
    part(&comparison->hashes);
    enum status status = take_duplicates(comparison, &kept, error);
    buffer_finish(&kept);
    return status;
}

/* The SQLite side is counted first: parting the hashes because of duplicates must come behind the row they
 * share. */
static enum status step(struct comparison *comparison, struct error *error)
{
    enum status status = load_jsonl(comparison, error);
    if (status != STATUS_OK)
        return status;
    int order = order_of(comparison);
    status = judge(comparison, order, error);
    if (status == STATUS_OK && order >= 0)
        count_sqlite(comparison);
    if (status == STATUS_OK && order <= 0)
        status = take_jsonl(comparison, error);
    if (status == STATUS_OK && order >= 0)
        status = next_sqlite(comparison, error);
    return status;
}

static enum status join(struct comparison *comparison, struct error *error)
{
    enum status status = next_sqlite(comparison, error);
    while (status == STATUS_OK && (comparison->at < comparison->jsonl.count || !comparison->at_end))
        status = step(comparison, error);
    return status;
}

/* ---- the result ---- */

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

static void finish_result(struct comparison *comparison)
{
    struct parity *parity = comparison->parity;
    part(&comparison->hashes);
    finish_stats(&parity->jsonl, &comparison->hashes.jsonl);
    finish_stats(&parity->sqlite, &comparison->hashes.sqlite);
    parity->bad_jsonl = comparison->jsonl.bad_lines;
    parity->verdict = verdict_of(parity);
}

enum status parity_compare(const char *output_dir, const char *run_id, struct parity *out_parity,
                           struct error *error)
{
    struct parity parity = {0};
    struct comparison comparison = {.parity = &parity};
    memcpy(parity.run_id, run_id, strnlen(run_id, sizeof parity.run_id - 1));
    jsonl_index_init(&comparison.jsonl);
    buffer_init(&comparison.jsonl_line, 0);
    buffer_init(&comparison.sqlite_line, 0);
    sha256_init(&comparison.hashes.jsonl);
    enum status status = jsonl_index_build(&comparison.jsonl, output_dir, run_id, error);
    if (status == STATUS_OK)
        status = open_sqlite(&comparison, output_dir, error);
    if (status == STATUS_OK)
        status = join(&comparison, error);
    finish_result(&comparison);
    statement_finish(comparison.select);
    database_close(comparison.database);
    jsonl_index_finish(&comparison.jsonl);
    buffer_finish(&comparison.jsonl_line);
    buffer_finish(&comparison.sqlite_line);
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
