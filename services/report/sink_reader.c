#include "sink_reader.h"

#include "base/file.h"
#include "base/map.h"
#include "base/memory.h"
#include "row_text.h"
#include "store/database.h"

#include <stdlib.h>
#include <string.h>

const char *const SINK_KIND_NAMES[] = {"jsonl", "sqlite", NULL};

/* progress: how far a file or a symbol of the table has been read. */
struct progress {
    int64_t position; /* offset, or the newest ts_ms read */
    bool done;        /* closed and read to its end */
    bool counted;     /* in files_read */
};

struct sink_reader {
    enum sink_kind kind;
    char *output_dir;
    char *run_id;
    struct sink_reader_figures figures;
    int64_t rows_of_others;
    struct map index; /* file key or symbol → progress */
    struct progress *progress;
    size_t count, capacity;
};

bool signal_time_valid(int64_t ts_ms)
{
    return ts_ms >= 0 && ts_ms < 253402300800000;
}

struct sink_reader *sink_reader_create(const struct sink_reader_config *config)
{
    struct sink_reader *reader = memory_allocate(sizeof *reader);
    reader->kind = config->kind;
    reader->output_dir = memory_copy_text(config->output_dir);
    reader->run_id = memory_copy_text(config->run_id);
    map_init(&reader->index);
    return reader;
}

void sink_reader_destroy(struct sink_reader *reader)
{
    if (!reader)
        return;
    map_finish(&reader->index);
    free(reader->progress);
    free(reader->output_dir);
    free(reader->run_id);
    free(reader);
}

struct sink_reader_figures sink_reader_figures(const struct sink_reader *reader)
{
    struct sink_reader_figures figures = reader->figures;
    if (figures.rows == 0)
        figures.run_id_mismatch += reader->rows_of_others;
    return figures;
}

static size_t progress_of(struct sink_reader *reader, const char *key, int64_t start)
{
    size_t slot = map_get(&reader->index, key);
    if (slot != MAP_ABSENT)
        return slot;
    slot = reader->count++;
    reader->progress =
        memory_grow(reader->progress, &reader->capacity, reader->count, sizeof *reader->progress);
    reader->progress[slot] = (struct progress){.position = start};
    map_put(&reader->index, key, slot);
    return slot;
}

struct visitor {
    struct sink_reader *reader;
    sink_visit *visit;
    void *context;
};

static enum status take_row(struct visitor *visitor, const struct signal_row *row)
{
    if (strcmp(row->run_id, visitor->reader->run_id) != 0) {
        visitor->reader->figures.run_id_mismatch++;
        return STATUS_OK;
    }
    visitor->reader->figures.rows++;
    return visitor->visit(visitor->context, row);
}

/* ---- JSONL ---- */

bool signal_from_line(enum line_kind kind, const char *text, size_t length, struct signal_row *out_row)
{
    struct error ignored;
    return kind != LINE_TOO_LONG &&
           row_from_json(&signal_message, text, length, out_row, &ignored) == STATUS_OK &&
           signal_time_valid(out_row->ts_ms);
}

static enum status take_line(void *context, enum line_kind kind, const char *text, size_t length,
                             int64_t offset)
{
    struct visitor *visitor = context;
    struct signal_row row;
    (void)offset;
    if (signal_from_line(kind, text, length, &row))
        return take_row(visitor, &row);
    visitor->reader->figures.bad_rows++;
    return STATUS_OK;
}

static enum status count_line(void *context, enum line_kind kind, const char *text, size_t length,
                              int64_t offset)
{
    struct sink_reader *reader = context;
    (void)kind;
    (void)text;
    (void)offset;
    reader->rows_of_others += length > 0;
    return STATUS_OK;
}

static enum status read_file(struct visitor *visitor, const struct signal_file *file, bool to_end)
{
    struct sink_reader *reader = visitor->reader;
    size_t slot = progress_of(reader, file->key, 0);
    struct progress *progress = &reader->progress[slot];
    if (progress->done)
        return STATUS_OK;
    bool whole = to_end || !file->open;
    enum status status = file->other_run
                             ? signal_file_read(file->path, whole, &progress->position, count_line, reader)
                             : signal_file_read(file->path, whole, &progress->position, take_line, visitor);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK; /* renamed since it was listed: the next poll finds it */
    progress->done = status == STATUS_OK && !file->open;
    if (progress->position > 0 && !progress->counted && !file->other_run) {
        progress->counted = true;
        reader->figures.files_read++;
    }
    return status;
}

static enum status read_files(struct visitor *visitor, const struct signal_files *files, bool other_runs,
                              bool to_end, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < files->count; i++) {
        if (files->items[i].other_run != other_runs)
            continue;
        status = read_file(visitor, &files->items[i], to_end);
        if (status != STATUS_OK)
            error_set(error, status, "%s: cannot be read", files->items[i].path);
    }
    return status;
}

/* poll_jsonl: files of other runs are only looked at while this one has no row at all. */
static enum status poll_jsonl(struct visitor *visitor, bool to_end, struct error *error)
{
    struct sink_reader *reader = visitor->reader;
    struct signal_files files;
    signal_files_init(&files);
    enum status status = signal_files_find(&files, reader->output_dir, reader->run_id, error);
    if (status == STATUS_OK)
        status = read_files(visitor, &files, false, to_end, error);
    if (status == STATUS_OK && reader->figures.rows == 0)
        status = read_files(visitor, &files, true, to_end, error);
    signal_files_finish(&files);
    return status;
}

/* ---- SQLite ---- */

struct rows_statement {
    struct statement *statement;
    int time_column; /* ts_ms once more, behind the row's own columns */
};

static enum status take_columns(struct visitor *visitor, const struct rows_statement *rows,
                                struct progress *progress)
{
    struct signal_row row;
    struct error ignored;
    if (statement_type(rows->statement, rows->time_column) == VALUE_INTEGER)
        progress->position = statement_i64(rows->statement, rows->time_column);
    if (row_from_statement(&signal_message, rows->statement, &row, &ignored) == STATUS_OK &&
        signal_time_valid(row.ts_ms))
        return take_row(visitor, &row);
    visitor->reader->figures.bad_rows++;
    return STATUS_OK;
}

static enum status read_symbol(struct visitor *visitor, const struct rows_statement *rows, const char *symbol,
                               struct error *error)
{
    struct sink_reader *reader = visitor->reader;
    size_t slot = progress_of(reader, symbol, INT64_MIN + 1);
    struct progress *progress = &reader->progress[slot];
    statement_bind_text(rows->statement, 1, reader->run_id);
    statement_bind_text(rows->statement, 2, symbol);
    statement_bind_i64(rows->statement, 3, progress->position);
    enum status status;
    while ((status = statement_step(rows->statement, error)) == STATUS_OK) {
        status = take_columns(visitor, rows, progress);
        if (status != STATUS_OK)
            break;
    }
    statement_reset(rows->statement);
    return status == STATUS_END ? STATUS_OK : status;
}

/* The unary plus keeps SQLite on the index (symbol, ts_ms): by the primary key it would pass all other
 * symbols. */
static enum status prepare_rows(struct database *database, struct rows_statement *out_rows,
                                struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT ");
    out_rows->time_column = row_columns(&signal_message, &sql);
    buffer_append_text(&sql, ", ts_ms FROM signals WHERE +run_id = ?1 AND symbol = ?2 AND ts_ms > ?3"
                             " ORDER BY symbol, ts_ms");
    enum status status = statement_prepare(database, buffer_text(&sql), &out_rows->statement, error);
    buffer_finish(&sql);
    return status;
}

/* read_symbols: from one symbol to the next by the index, without passing over their rows. */
static enum status read_symbols(struct visitor *visitor, struct statement *next,
                                const struct rows_statement *rows, struct error *error)
{
    char symbol[SYMBOL_BYTES] = "";
    enum status status;
    for (;;) {
        statement_bind_text(next, 1, symbol);
        status = statement_step(next, error);
        if (status != STATUS_OK || statement_type(next, 0) != VALUE_TEXT)
            break;
        const char *found = statement_text(next, 0);
        if (strlen(found) >= sizeof symbol)
            return error_set(error, STATUS_MALFORMED, "signals.db: a symbol is longer than %zu bytes",
                             sizeof symbol - 1);
        memcpy(symbol, found, strlen(found) + 1);
        statement_reset(next);
        status = read_symbol(visitor, rows, symbol, error);
        if (status != STATUS_OK)
            break;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status count_others(struct sink_reader *reader, struct database *database, struct error *error)
{
    struct statement *statement;
    enum status status =
        statement_prepare(database, "SELECT count(*) FROM signals WHERE run_id <> ?1", &statement, error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(statement, 1, reader->run_id);
    status = statement_step(statement, error);
    if (status == STATUS_OK)
        reader->rows_of_others = statement_i64(statement, 0);
    statement_finish(statement);
    return status;
}

static enum status read_table(struct visitor *visitor, struct database *database, struct error *error)
{
    struct statement *next = NULL;
    struct rows_statement rows = {0};
    enum status status =
        statement_prepare(database, "SELECT min(symbol) FROM signals WHERE symbol > ?1", &next, error);
    if (status == STATUS_OK)
        status = prepare_rows(database, &rows, error);
    if (status == STATUS_OK)
        status = read_symbols(visitor, next, &rows, error);
    statement_finish(next);
    statement_finish(rows.statement);
    visitor->reader->figures.files_read = visitor->reader->figures.rows > 0;
    if (status == STATUS_OK && visitor->reader->figures.rows == 0)
        status = count_others(visitor->reader, database, error);
    return status;
}

static enum status find_table(struct database *database, struct error *error)
{
    struct statement *statement;
    enum status status =
        statement_prepare(database, "SELECT 1 FROM sqlite_schema WHERE name = 'signals'", &statement, error);
    if (status != STATUS_OK)
        return status;
    status = statement_step(statement, error);
    statement_finish(statement);
    return status == STATUS_END ? STATUS_NOT_FOUND : status;
}

enum status signals_database_open(const char *output_dir, struct database **out_database, struct error *error)
{
    char path[PATH_BYTES];
    struct database *database;
    path_join(path, output_dir, "signals.db");
    enum status status = database_open(path, DATABASE_READ, &database, error);
    if (status != STATUS_OK)
        return status;
    status = find_table(database, error);
    if (status == STATUS_OK)
        *out_database = database;
    else
        database_close(database);
    return status;
}

static enum status poll_sqlite(struct visitor *visitor, struct error *error)
{
    struct database *database;
    enum status status = signals_database_open(visitor->reader->output_dir, &database, error);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    status = read_table(visitor, database, error);
    database_close(database);
    return status;
}

enum status sink_reader_poll(struct sink_reader *reader, bool to_end, sink_visit *visit, void *context,
                             struct error *error)
{
    struct visitor visitor = {.reader = reader, .visit = visit, .context = context};
    return reader->kind == SINK_JSONL ? poll_jsonl(&visitor, to_end, error) : poll_sqlite(&visitor, error);
}
