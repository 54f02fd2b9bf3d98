/* SQLite is stepped row by row; of JSONL one shard at a time is in memory, of orders those of the symbol. */
#include "stored.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "services/report/row_text.h"
#include "services/report/signal_files.h"
#include "services/report/sink_reader.h"
#include "store/database.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const STORED_SINK_NAMES[] = {"sqlite", "jsonl", "orders", NULL};

enum { STAMP_BYTES = 13, REASON_BYTES = 200 };

/* line: one line read back, or why it is no row. */
struct line {
    union stored_row row;
    int64_t offset;
    bool bad;
    char reason[REASON_BYTES];
};

struct lines {
    struct line *items;
    size_t count, capacity;
    size_t next;
    char path[PATH_BYTES];
};

struct stored_cursor {
    enum stored_sink sink;
    struct stored_range range;
    struct database *database;
    struct statement *select;
    int time_column;
    struct signal_files files;
    size_t file;
    struct lines lines;
};

const struct message *stored_message(enum stored_sink sink)
{
    return sink == STORED_ORDERS ? &order_message : &signal_message;
}

int64_t stored_key(enum stored_sink sink, const void *row)
{
    return sink == STORED_ORDERS ? ((const struct order_row *)row)->signal_ts_ms
                                 : ((const struct signal_row *)row)->ts_ms;
}

/* --- SQLite --- */

/* The unary plus keeps SQLite on the index (symbol, ts_ms). */
static enum status open_table(struct stored_cursor *cursor, struct error *error)
{
    struct buffer sql;
    enum status status = signals_database_open(cursor->range.output_dir, &cursor->database, error);
    if (status != STATUS_OK)
        return status;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT ");
    cursor->time_column = row_columns(&signal_message, &sql);
    buffer_append_text(&sql,
                       ", ts_ms FROM signals WHERE +run_id = ?1 AND symbol = ?2 AND ts_ms BETWEEN ?3 AND ?4"
                       " ORDER BY symbol, ts_ms");
    status = statement_prepare(cursor->database, buffer_text(&sql), &cursor->select, error);
    buffer_finish(&sql);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(cursor->select, 1, cursor->range.run_id);
    statement_bind_text(cursor->select, 2, cursor->range.symbol);
    statement_bind_i64(cursor->select, 3, cursor->range.from_ms);
    statement_bind_i64(cursor->select, 4, cursor->range.to_ms);
    return STATUS_OK;
}

static enum status next_of_table(struct stored_cursor *cursor, union stored_row *out_row, struct error *error)
{
    struct error reason;
    enum status status = statement_step(cursor->select, error);
    if (status != STATUS_OK)
        return status;
    if (row_from_statement(&signal_message, cursor->select, &out_row->signal, &reason) == STATUS_OK)
        return STATUS_OK;
    return error_set(error, STATUS_MALFORMED, "%s, symbol %s, ts_ms %" PRId64 ": %s",
                     database_path(cursor->database), cursor->range.symbol,
                     statement_i64(cursor->select, cursor->time_column), reason.text);
}

/* --- lines --- */

static void lines_clear(struct lines *lines)
{
    lines->count = lines->next = 0;
}

static struct line *lines_add(struct lines *lines, int64_t offset)
{
    lines->items = memory_grow(lines->items, &lines->capacity, lines->count + 1, sizeof *lines->items);
    struct line *line = &lines->items[lines->count++];
    line->offset = offset;
    line->bad = false;
    return line;
}

/* parse: false: of another run, or outside the range. A line that is no row is of interest wherever it stands. */
static bool parse(struct stored_cursor *cursor, enum line_kind kind, const char *text, size_t length,
                  struct line *line)
{
    const struct stored_range *range = &cursor->range;
    const struct message *message = stored_message(cursor->sink);
    struct error reason = {"the line is too long"};
    line->bad =
        kind == LINE_TOO_LONG || row_from_json(message, text, length, &line->row, &reason) != STATUS_OK;
    snprintf(line->reason, sizeof line->reason, "%.199s", reason.text);
    bool is_order = cursor->sink == STORED_ORDERS;
    if (line->bad)
        return !is_order || range->bad_orders;
    const char *run_id = is_order ? line->row.order.run_id : line->row.signal.run_id;
    const char *symbol = is_order ? line->row.order.symbol : line->row.signal.symbol;
    int64_t key_ms = stored_key(cursor->sink, &line->row);
    return strcmp(run_id, range->run_id) == 0 && strcmp(symbol, range->symbol) == 0 &&
           key_ms >= range->from_ms && key_ms <= range->to_ms;
}

static enum status take_line(void *context, enum line_kind kind, const char *text, size_t length,
                             int64_t offset)
{
    struct stored_cursor *cursor = context;
    struct line *line = lines_add(&cursor->lines, offset);
    if (!parse(cursor, kind, text, length, line))
        cursor->lines.count--;
    return STATUS_OK;
}

/* read_lines: a torn last line is given only by a closed file: the writer of an open one is still at it. */
static enum status read_lines(struct stored_cursor *cursor, const char *path, bool is_open,
                              struct error *error)
{
    int64_t offset = 0;
    lines_clear(&cursor->lines);
    snprintf(cursor->lines.path, sizeof cursor->lines.path, "%s", path);
    enum status status = signal_file_read(path, !is_open, &offset, take_line, cursor);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return status;
    return error_set(error, status, "%s cannot be read", path);
}

static enum status next_line(struct lines *lines, union stored_row *out_row, struct error *error)
{
    if (lines->next == lines->count)
        return STATUS_END;
    const struct line *line = &lines->items[lines->next++];
    if (line->bad)
        return error_set(error, STATUS_MALFORMED, "%s at offset %" PRId64 ": %s", lines->path, line->offset,
                         line->reason);
    *out_row = line->row;
    return STATUS_OK;
}

/* --- JSONL --- */

/* is_wanted: whether a shard may hold rows of the range: its folder names the symbol, its name the minute. */
static bool is_wanted(const struct stored_range *range, const struct signal_file *file)
{
    char folder[SYMBOL_BYTES + 16], from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    int length = snprintf(folder, sizeof folder, "/signal/%s/signals_", range->symbol);
    const char *name = strrchr(file->key, '/');
    if (!name || file->other_run || name + strlen("/signals_") < file->key + length ||
        strncmp(name + strlen("/signals_") - length, folder, (size_t)length) != 0)
        return false;
    const char *stamp = name + strlen("/signals_");
    if (range->from_ms > 0) {
        time_stamp(range->from_ms, "%Y%m%d_%H%M", from);
        time_stamp(range->to_ms, "%Y%m%d_%H%M", to);
        return strncmp(stamp, from, STAMP_BYTES) >= 0 && strncmp(stamp, to, STAMP_BYTES) <= 0;
    }
    return true;
}

/* by_minute: shards of one symbol in the order of their names, whatever folder they were put into. */
static int by_minute(const void *left, const void *right)
{
    const struct signal_file *a = left, *b = right;
    return strcmp(strrchr(a->key, '/'), strrchr(b->key, '/'));
}

static enum status open_shards(struct stored_cursor *cursor, struct error *error)
{
    const struct stored_range *range = &cursor->range;
    enum status status = signal_files_find(&cursor->files, range->output_dir, range->run_id, error);
    if (status == STATUS_OK && cursor->files.count == 0)
        return error_set(error, STATUS_NOT_FOUND, "%s holds no JSONL shards", range->output_dir);
    if (status == STATUS_OK)
        qsort(cursor->files.items, cursor->files.count, sizeof *cursor->files.items, by_minute);
    return status;
}

/* read_shard: one that was renamed since it was listed is looked for once more, under its new name. */
static enum status read_shard(struct stored_cursor *cursor, const struct signal_file *file,
                              struct error *error)
{
    struct signal_files again;
    enum status status = read_lines(cursor, file->path, file->open, error);
    if (status != STATUS_NOT_FOUND)
        return status;
    signal_files_init(&again);
    status = signal_files_find(&again, cursor->range.output_dir, cursor->range.run_id, error);
    for (size_t i = 0; status == STATUS_OK && i < again.count; i++)
        if (strcmp(again.items[i].key, file->key) == 0) {
            status = read_lines(cursor, again.items[i].path, again.items[i].open, error);
            break;
        }
    signal_files_finish(&again);
    return status;
}

static enum status next_of_shards(struct stored_cursor *cursor, union stored_row *out_row,
                                  struct error *error)
{
    for (;;) {
        enum status status = next_line(&cursor->lines, out_row, error);
        if (status != STATUS_END)
            return status;
        while (cursor->file < cursor->files.count &&
               !is_wanted(&cursor->range, &cursor->files.items[cursor->file]))
            cursor->file++;
        if (cursor->file == cursor->files.count)
            return STATUS_END;
        status = read_shard(cursor, &cursor->files.items[cursor->file++], error);
        if (status != STATUS_OK)
            return status;
    }
}

/* --- orders --- */

static int by_key(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    if (a->bad != b->bad)
        return a->bad ? -1 : 1;
    int64_t a_ms = a->bad ? a->offset : a->row.order.signal_ts_ms;
    int64_t b_ms = b->bad ? b->offset : b->row.order.signal_ts_ms;
    return (a_ms > b_ms) - (a_ms < b_ms);
}

static enum status open_orders(struct stored_cursor *cursor, struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, cursor->range.output_dir, "mock_orders.jsonl");
    enum status status = read_lines(cursor, path, true, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "%s is not there", path);
    if (status == STATUS_OK && cursor->lines.count)
        qsort(cursor->lines.items, cursor->lines.count, sizeof *cursor->lines.items, by_key);
    return status;
}

/* --- all --- */

enum status stored_open(enum stored_sink sink, const struct stored_range *range,
                        struct stored_cursor **out_cursor, struct error *error)
{
    struct stored_cursor *cursor = memory_allocate(sizeof *cursor);
    enum status status = STATUS_INVALID;
    cursor->sink = sink;
    cursor->range = *range;
    signal_files_init(&cursor->files);
    switch (sink) {
    case STORED_SQLITE: status = open_table(cursor, error); break;
    case STORED_JSONL: status = open_shards(cursor, error); break;
    default: status = open_orders(cursor, error); break;
    }
    if (status == STATUS_OK)
        *out_cursor = cursor;
    else
        stored_close(cursor);
    return status;
}

void stored_close(struct stored_cursor *cursor)
{
    if (!cursor)
        return;
    statement_finish(cursor->select);
    database_close(cursor->database);
    signal_files_finish(&cursor->files);
    free(cursor->lines.items);
    free(cursor);
}

enum status stored_next(struct stored_cursor *cursor, union stored_row *out_row, struct error *error)
{
    switch (cursor->sink) {
    case STORED_SQLITE: return next_of_table(cursor, out_row, error);
    case STORED_JSONL: return next_of_shards(cursor, out_row, error);
    default: return next_line(&cursor->lines, out_row, error);
    }
}

/* --- counting --- */

static enum status count_table(const char *output_dir, const char *run_id, int64_t *out_rows,
                               struct error *error)
{
    struct database *database = NULL;
    struct statement *statement = NULL;
    enum status status = signals_database_open(output_dir, &database, error);
    if (status == STATUS_OK)
        status =
            statement_prepare(database, "SELECT count(*) FROM signals WHERE run_id = ?1", &statement, error);
    if (status == STATUS_OK) {
        statement_bind_text(statement, 1, run_id);
        status = statement_step(statement, error);
    }
    if (status == STATUS_OK)
        *out_rows = statement_i64(statement, 0);
    statement_finish(statement);
    database_close(database);
    return status;
}

static enum status count_line(void *context, enum line_kind kind, const char *text, size_t length,
                              int64_t offset)
{
    (void)kind, (void)text, (void)length, (void)offset;
    ++*(int64_t *)context;
    return STATUS_OK;
}

static enum status count_shards(const char *output_dir, const char *run_id, int64_t *out_rows,
                                struct error *error)
{
    struct signal_files files;
    int64_t rows = 0;
    signal_files_init(&files);
    enum status status = signal_files_find(&files, output_dir, run_id, error);
    for (size_t i = 0; status == STATUS_OK && i < files.count; i++) {
        int64_t offset = 0;
        if (!files.items[i].other_run)
            status = signal_file_read(files.items[i].path, true, &offset, count_line, &rows);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    signal_files_finish(&files);
    if (status == STATUS_OK)
        *out_rows = rows;
    return status;
}

struct order_count {
    const char *run_id;
    int64_t rows;
};

static enum status count_order(void *context, enum line_kind kind, const char *text, size_t length,
                               int64_t offset)
{
    struct order_count *count = context;
    struct order_row row;
    (void)kind, (void)offset;
    count->rows += row_from_json(&order_message, text, length, &row, NULL) == STATUS_OK &&
                   strcmp(row.run_id, count->run_id) == 0;
    return STATUS_OK;
}

static enum status count_orders(const char *output_dir, const char *run_id, int64_t *out_rows,
                                struct error *error)
{
    struct order_count count = {.run_id = run_id};
    char path[PATH_BYTES];
    int64_t offset = 0;
    path_join(path, output_dir, "mock_orders.jsonl");
    enum status status = signal_file_read(path, true, &offset, count_order, &count);
    if (status != STATUS_OK)
        return error_set(error, status, "%s cannot be read", path);
    *out_rows = count.rows;
    return STATUS_OK;
}

enum status stored_count(enum stored_sink sink, const char *output_dir, const char *run_id, int64_t *out_rows,
                         struct error *error)
{
    switch (sink) {
    case STORED_SQLITE: return count_table(output_dir, run_id, out_rows, error);
    case STORED_JSONL: return count_shards(output_dir, run_id, out_rows, error);
    default: return count_orders(output_dir, run_id, out_rows, error);
    }
}
