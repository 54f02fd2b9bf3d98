#include "tests/simulation/outcome.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "proto/frame.h"
#include "store/database.h"
#include "tests/simulation/journals.h"
#include "tests/simulation/moves.h"
#include "tests/simulation/parts.h"
#include "tests/simulation/trace.h"

#include <fts.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSDT"};
enum { SYMBOL_COUNT = 2 };

static struct buffer *piece(struct outcome *outcome, enum outcome_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
static struct buffer *piece(struct outcome *outcome, enum outcome_kind kind, const char *format, ...)
{
    outcome->pieces =
        memory_grow(outcome->pieces, &outcome->capacity, outcome->count + 1, sizeof *outcome->pieces);
    struct outcome_piece *added = &outcome->pieces[outcome->count++];
    va_list arguments;
    memset(added, 0, sizeof *added);
    added->kind = kind;
    va_start(arguments, format);
    vsnprintf(added->name, sizeof added->name, format, arguments);
    va_end(arguments);
    buffer_init(&added->content, 0);
    return &added->content;
}

/* --- journals --- */

static void read_stream(struct outcome *outcome, struct journal *journal, const char *stream)
{
    struct buffer *rows = piece(outcome, OUTCOME_ROWS, "journal %s", stream);
    size_t number = journal_stream(journal, stream), count = 1;
    int64_t first = journal_first(journal, number);
    struct error error;
    outcome->pieces[outcome->count - 1].first = first ? first : 1;
    for (int64_t next = first ? first : 1; count; next += (int64_t)count)
        if (journal_read(journal, number, next, 256 * 1024, SIZE_MAX, rows, &count, &error) != STATUS_OK) {
            trace_complain("%s: %s", stream, error.text);
            break;
        }
}

/* read_journals: of a service; each stream from the instance that has it. */
static void read_journals(struct outcome *outcome, int first)
{
    for (int process = first; process <= moves_owner(first, 0) || process <= moves_owner(first, 1);
         process++) {
        struct journal *journal = journals_open(processes[process].name);
        for (size_t i = 0; journal && i < SYMBOL_COUNT; i++) {
            char stream[64];
            snprintf(stream, sizeof stream, "%s/%s", processes[first].name, SYMBOLS[i]);
            if (moves_owner(first, i) == process)
                read_stream(outcome, journal, stream);
        }
        journal_close(journal);
    }
}

/* --- files --- */

static enum status read_shard(void *context, const char *path)
{
    return file_read(path, piece(context, OUTCOME_TEXT, "%s", path));
}

/* of_symbol: order lines of one symbol, in their order. */
static void read_orders(struct outcome *outcome)
{
    struct buffer whole;
    buffer_init(&whole, 0);
    if (file_read("runtime/mock_orders.jsonl", &whole) != STATUS_OK)
        trace_complain("there is no mock_orders.jsonl");
    for (size_t i = 0; i < SYMBOL_COUNT; i++) {
        struct buffer *lines = piece(outcome, OUTCOME_TEXT, "orders %s", SYMBOLS[i]);
        char *text = memory_copy_text(buffer_text(&whole)), *rest = text, *line;
        while ((line = strsep(&rest, "\n")))
            if (strstr(line, SYMBOLS[i]))
                buffer_format(lines, "%s\n", line);
        free(text);
    }
    buffer_finish(&whole);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* sort_lines: in place; a line that is there twice is a row that is there twice. */
static void sort_lines(struct buffer *content, const char *name)
{
    char *text = memory_copy_text(buffer_text(content)), *rest = text, *line, **lines = NULL;
    size_t count = 0, capacity = 0;
    while ((line = strsep(&rest, "\n"))) {
        lines = memory_grow(lines, &capacity, count + 1, sizeof *lines);
        if (*line)
            lines[count++] = line;
    }
    if (count)
        qsort(lines, count, sizeof *lines, by_text);
    buffer_clear(content);
    for (size_t i = 0; i < count; i++) {
        if (i && strcmp(lines[i], lines[i - 1]) == 0)
            trace_complain("%s: a row is there twice: %.300s", name, lines[i]);
        buffer_format(content, "%s\n", lines[i]);
    }
    free(lines);
    free(text);
}

/* part_piece: the data set a part belongs to: ".../symbol=S/kind=K/part-….parquet". */
static struct buffer *part_piece(struct outcome *outcome, const char *path)
{
    char name[160];
    const char *at = strstr(path, "symbol=");
    snprintf(name, sizeof name, "parquet %.*s", at ? (int)(strrchr(at, '/') - at) : 0, at ? at : "");
    for (size_t i = 0; i < outcome->count; i++)
        if (strcmp(outcome->pieces[i].name, name) == 0)
            return &outcome->pieces[i].content;
    return piece(outcome, OUTCOME_TEXT, "%s", name);
}

static enum status read_part(void *context, const char *path)
{
    struct error error;
    if (!strstr(path, ".parquet"))
        return STATUS_OK;
    if (parts_read(path, part_piece(context, path), &error) != STATUS_OK)
        trace_complain("%s: %s", path, error.text);
    return STATUS_OK;
}

static void read_parts(struct outcome *outcome)
{
    size_t first = outcome->count;
    enum status ignored = folder_walk("data/ofi_cvd", read_part, outcome);
    (void)ignored; /* nothing there is a difference */
    for (size_t i = first; i < outcome->count; i++)
        sort_lines(&outcome->pieces[i].content, outcome->pieces[i].name);
}

/* --- SQLite --- */

static void read_table(struct outcome *outcome, const char *path, const char *name, const char *sql)
{
    struct database *database;
    struct statement *statement;
    struct error error;
    struct buffer *lines = piece(outcome, OUTCOME_TEXT, "sqlite %s", name);
    enum status status = database_open(path, DATABASE_READ, &database, &error);
    if (status == STATUS_OK) {
        status = statement_prepare(database, sql, &statement, &error);
        while (status == STATUS_OK && (status = statement_step(statement, &error)) == STATUS_OK) {
            for (int i = 0; i < statement_columns(statement); i++)
                buffer_format(lines, "%s|",
                              statement_is_null(statement, i) ? "" : statement_text(statement, i));
            buffer_append_byte(lines, '\n');
        }
        if (status == STATUS_END)
            statement_finish(statement);
        database_close(database);
    }
    if (status != STATUS_END)
        trace_complain("%s: %s", path, error.text);
}

/* --- what must not be there --- */

static bool ends(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_length = strlen(ending);
    return length >= ending_length && strcmp(name + length - ending_length, ending) == 0;
}

/* is_leftover: a temporary status or ledger file is none: a life cut short in the middle of writing it leaves it to the next one; nor is
 * a journal without a row that was set aside, because its first life died before it had said whose it is. */
static bool is_leftover(const FTSENT *entry)
{
    bool temporary = entry->fts_name[0] == '.' && ends(entry->fts_name, ".tmp");
    if (ends(entry->fts_name, ".aside") && strstr(entry->fts_path, "state/journal/"))
        return !journals_is_empty(entry->fts_path);
    return ends(entry->fts_name, ".part") || ends(entry->fts_name, ".aside") ||
           (temporary && !strstr(entry->fts_path, "runtime/status/") &&
            !strstr(entry->fts_path, "artifacts/run_logs/"));
}

static void find_leftovers(void)
{
    char *roots[] = {"runtime", "data", "state", "artifacts", "logs", NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree && (entry = fts_read(tree));) {
        if (is_leftover(entry))
            trace_complain("left behind: %s", entry->fts_path);
        if (ends(entry->fts_name, ".aside"))
            fts_set(tree, entry, FTS_SKIP);
    }
    if (tree)
        fts_close(tree);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct outcome_piece *)left)->name, ((const struct outcome_piece *)right)->name);
}

void outcome_read(struct outcome *outcome)
{
    static const int PUBLISHERS[] = {PROCESS_HARVEST, PROCESS_FEATURES, PROCESS_SIGNAL, PROCESS_BROKER};
    *outcome = (struct outcome){0};
    for (size_t i = 0; i < sizeof PUBLISHERS / sizeof PUBLISHERS[0]; i++)
        read_journals(outcome, PUBLISHERS[i]);
    if (folder_walk("runtime/ready", read_shard, outcome) != STATUS_OK)
        trace_complain("there are no JSONL shards");
    read_orders(outcome);
    read_table(outcome, "runtime/signals.db", "signals", "SELECT * FROM signals ORDER BY symbol, ts_ms");
    read_table(outcome, "state/report.db", "report symbols", "SELECT * FROM symbols ORDER BY 1");
    read_table(outcome, "state/report.db", "report events", "SELECT * FROM events ORDER BY 1, 2");
    read_table(outcome, "state/report.db", "report states", "SELECT * FROM strategy_states ORDER BY 1, 2");
    read_table(outcome, "state/report.db", "report minutes", "SELECT * FROM order_minutes ORDER BY 1");
    read_table(outcome, "state/report.db", "report positions", "SELECT * FROM positions ORDER BY 1");
    read_parts(outcome);
    find_leftovers();
    qsort(outcome->pieces, outcome->count, sizeof *outcome->pieces, by_name);
}

void outcome_finish(struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->count; i++)
        buffer_finish(&outcome->pieces[i].content);
    free(outcome->pieces);
    *outcome = (struct outcome){0};
}

/* --- comparing --- */

static void row_text(const struct row_view *view, struct buffer *out)
{
    const struct message *message = message_of_kind(view->kind);
    void *row = message ? memory_allocate(message->row_bytes) : NULL;
    struct json json;
    json_init(&json, out);
    if (message && row_decode(view, message, row, NULL) == STATUS_OK)
        message_json(&json, message, message->field_count, row, true);
    free(row);
}

/* skip_rows: what of one run's rows lies behind those that the other one has given back. */
static struct buffer skip_rows(const struct outcome_piece *piece, int64_t first)
{
    struct row_view row;
    struct buffer rest = piece->content;
    size_t offset = 0;
    for (int64_t number = piece->first; number < first; number++)
        if (rows_next(rest.data, rest.length, &offset, &row) != STATUS_OK)
            break;
    rest.data += offset;
    rest.length -= offset;
    return rest;
}

static bool equal(const struct buffer *left, const struct buffer *right)
{
    return left->length == right->length && memcmp(left->data, right->data, left->length) == 0;
}

/* first_difference: of two texts, and a little before it. */
static size_t first_difference(const char *left, const char *right)
{
    enum { BEFORE = 60 };
    size_t same = 0;
    while (left[same] && left[same] == right[same])
        same++;
    return same > BEFORE ? same - BEFORE : 0;
}

static void differ_rows(const struct outcome_piece *expected, const struct outcome_piece *found)
{
    struct row_view left = {0}, right = {0};
    int64_t first = expected->first > found->first ? expected->first : found->first;
    struct buffer expected_rows = skip_rows(expected, first), found_rows = skip_rows(found, first);
    size_t at_left = 0, at_right = 0, number = (size_t)first;
    if (equal(&expected_rows, &found_rows))
        return;
    struct buffer left_text, right_text;
    const struct buffer *a = &expected_rows, *b = &found_rows;
    for (;; number++) {
        bool has_left = rows_next(a->data, a->length, &at_left, &left) == STATUS_OK;
        bool has_right = rows_next(b->data, b->length, &at_right, &right) == STATUS_OK;
        if (!has_left || !has_right) {
            trace_complain("%s: %s row %zu", expected->name, has_left ? "lacks" : "has a surplus", number);
            return;
        }
        if (left.bytes != right.bytes || memcmp(left.data, right.data, left.bytes) != 0)
            break;
    }
    buffer_init(&left_text, 0);
    buffer_init(&right_text, 0);
    row_text(&left, &left_text);
    row_text(&right, &right_text);
    size_t from = first_difference(buffer_text(&left_text), buffer_text(&right_text));
    trace_complain("%s: row %zu differs:\n      expected %.60s … %.600s\n      found    %.60s … %.600s",
                   expected->name, number, buffer_text(&left_text), buffer_text(&left_text) + from,
                   buffer_text(&right_text), buffer_text(&right_text) + from);
}

static void differ_lines(const struct outcome_piece *expected, const struct outcome_piece *found)
{
    const char *left = buffer_text((struct buffer *)(uintptr_t)&expected->content);
    const char *right = buffer_text((struct buffer *)(uintptr_t)&found->content);
    size_t number = 1;
    while (*left && *right) {
        size_t left_bytes = strcspn(left, "\n"), right_bytes = strcspn(right, "\n");
        if (left_bytes != right_bytes || memcmp(left, right, left_bytes) != 0)
            break;
        left += left_bytes + (left[left_bytes] == '\n');
        right += right_bytes + (right[right_bytes] == '\n');
        number++;
    }
    trace_complain("%s: line %zu differs:\n      expected %.*s\n      found    %.*s", expected->name, number,
                   (int)strcspn(left, "\n"), left, (int)strcspn(right, "\n"), right);
}

static const struct outcome_piece *find_piece(const struct outcome *outcome, const char *name)
{
    for (size_t i = 0; i < outcome->count; i++)
        if (strcmp(outcome->pieces[i].name, name) == 0)
            return &outcome->pieces[i];
    return NULL;
}

/* compare_first: what all else is made from: a difference there explains the others. */
static void compare_first(const struct outcome *expected, const struct outcome *found)
{
    for (size_t i = 0; i < SYMBOL_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "journal harvest/%s", SYMBOLS[i]);
        const struct outcome_piece *left = find_piece(expected, name), *right = find_piece(found, name);
        if (left && right)
            differ_rows(left, right);
    }
}

void outcome_compare(const struct outcome *expected, const struct outcome *found)
{
    compare_first(expected, found);
    for (size_t i = 0, k = 0; i < expected->count || k < found->count; i++, k++) {
        const struct outcome_piece *left = i < expected->count ? &expected->pieces[i] : NULL;
        const struct outcome_piece *right = k < found->count ? &found->pieces[k] : NULL;
        int order = !left ? 1 : !right ? -1 : strcmp(left->name, right->name);
        if (order != 0) {
            trace_complain("%s %s", order < 0 ? "there is no" : "there should be no",
                           order < 0 ? left->name : right->name);
            return;
        }
        if (left->kind == OUTCOME_ROWS)
            differ_rows(left, right);
        else if (!equal(&left->content, &right->content))
            differ_lines(left, right);
    }
}

/* --- between processes --- */

enum status outcome_save(const struct outcome *outcome, const char *path)
{
    struct buffer whole;
    buffer_init(&whole, 0);
    for (size_t i = 0; i < outcome->count; i++) {
        const struct outcome_piece *saved = &outcome->pieces[i];
        buffer_append(&whole, saved->name, sizeof saved->name);
        buffer_append_u32(&whole, saved->kind);
        buffer_append_i64(&whole, saved->first);
        buffer_append_u64(&whole, saved->content.length);
        buffer_append(&whole, saved->content.data, saved->content.length);
    }
    enum status status = file_replace(path, whole.data, whole.length, false);
    buffer_finish(&whole);
    return status;
}

enum status outcome_load(struct outcome *outcome, const char *path)
{
    struct buffer whole;
    struct reader in;
    *outcome = (struct outcome){0};
    buffer_init(&whole, 0);
    enum status status = file_read(path, &whole);
    reader_init(&in, whole.data, whole.length);
    while (status == STATUS_OK && reader_done(&in) != STATUS_OK && !in.failed) {
        char name[160];
        reader_take(&in, name, sizeof name);
        enum outcome_kind kind = (enum outcome_kind)reader_u32(&in);
        int64_t first = reader_i64(&in);
        size_t bytes = reader_count(&in, 1);
        struct buffer *content = piece(outcome, kind, "%s", name);
        outcome->pieces[outcome->count - 1].first = first;
        buffer_append(content, reader_borrow(&in, bytes), bytes);
    }
    buffer_finish(&whole);
    return in.failed ? STATUS_MALFORMED : status;
}
