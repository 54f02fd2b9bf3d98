#include "store/sqlite_sink.h"

#include "base/crash_point.h"
#include "base/memory.h"
#include "store/sqlite_positions.h"
#include "store/sqlite_table.h"

#include <stdatomic.h>
#include <stdlib.h>

struct sqlite_sink {
    struct sink sink;
    struct sqlite_sink_config config;
    struct database *database;
    struct sqlite_table *table;
    struct sqlite_positions *stored;
    struct positions positions;
    void *row;
    int64_t batch_repeated, batch_conflicts; /* of the open transaction */
    atomic_llong repeated, conflicts, open_files;
};

static void sqlite_close(void *context)
{
    struct sqlite_sink *sink = context;
    sqlite_table_close(sink->table);
    sqlite_positions_close(sink->stored);
    database_close(sink->database);
    sink->table = NULL;
    sink->stored = NULL;
    sink->database = NULL;
    atomic_store(&sink->open_files, 0);
}

static enum status sqlite_open(void *context, struct journal *journal, struct error *error)
{
    struct sqlite_sink *sink = context;
    const struct sqlite_sink_config *config = &sink->config;
    struct sqlite_table_config table = {
        .name = config->table,
        .message = config->message,
        .field_count = config->message->field_count,
        .key = config->key,
        .required = config->required,
        .index = config->index,
    };
    char journal_name[JOURNAL_NAME_BYTES];
    sqlite_close(sink);
    enum status status = sqlite_positions_journal(journal, journal_name, error);
    if (status == STATUS_OK)
        status = database_open(config->path, config->sync ? DATABASE_WRITE_DURABLE : DATABASE_WRITE,
                               &sink->database, error);
    if (status == STATUS_OK)
        status = sqlite_table_open(sink->database, &table, &sink->table, error);
    if (status == STATUS_OK)
        status = sqlite_positions_open(sink->database, config->run_id, journal_name, &sink->positions,
                                       &sink->stored, error);
    if (status == STATUS_OK)
        atomic_store(&sink->open_files, 1);
    else
        sqlite_close(sink);
    return status;
}

static enum status sqlite_begin(void *context, struct error *error)
{
    struct sqlite_sink *sink = context;
    sink->batch_repeated = sink->batch_conflicts = 0;
    return database_begin(sink->database, error);
}

static enum status insert(struct sqlite_sink *sink, const struct row_view *view, struct error *error)
{
    enum sqlite_insert result;
    enum status status = row_decode(view, sink->config.message, sink->row, error);
    if (status == STATUS_OK)
        status = sqlite_table_insert(sink->table, NULL, sink->row, &result, error);
    if (status == STATUS_OK) {
        sink->batch_repeated += result == SQLITE_REPEATED;
        sink->batch_conflicts += result == SQLITE_DIFFERENT;
    }
    return status;
}

static enum status sqlite_write(void *context, const struct sink_rows *rows, struct error *error)
{
    struct sqlite_sink *sink = context;
    struct row_view view = {.sequence = rows->first_sequence};
    size_t offset = 0;
    enum status status;
    while ((status = rows_next(rows->data, rows->bytes, &offset, &view)) == STATUS_OK) {
        if (view.kind == sink->config.message->kind)
            status = insert(sink, &view, error);
        if (status != STATUS_OK)
            return status;
        view.sequence++;
    }
    if (status != STATUS_END)
        return error_set(error, status, "%s: a journaled row is damaged", rows->stream);
    positions_set(&sink->positions, positions_find(&sink->positions, rows->stream),
                  rows->first_sequence + (int64_t)rows->row_count - 1);
    return STATUS_OK;
}

static enum status sqlite_commit(void *context, struct error *error)
{
    struct sqlite_sink *sink = context;
    enum status status = sqlite_positions_store(sink->stored, &sink->positions, error);
    crash_point("after_write");
    if (status == STATUS_OK)
        status = database_commit(sink->database, error);
    if (status != STATUS_OK)
        return status;
    positions_commit(&sink->positions);
    atomic_fetch_add(&sink->repeated, sink->batch_repeated);
    atomic_fetch_add(&sink->conflicts, sink->batch_conflicts);
    return STATUS_OK;
}

static void sqlite_rollback(void *context)
{
    struct sqlite_sink *sink = context;
    database_rollback(sink->database);
    positions_rollback(&sink->positions);
}

static int64_t sqlite_position(void *context, const char *stream)
{
    return positions_durable(&((struct sqlite_sink *)context)->positions, stream);
}

/* --- hand-over: rows and position are in the database already; only who goes on from there changes --- */

static void sqlite_give(void *context, const char *stream, struct buffer *out)
{
    buffer_append_i64(out, sqlite_position(context, stream));
}

static enum status sqlite_take(void *context, const char *stream, struct reader *in, struct error *error)
{
    struct sqlite_sink *sink = context;
    int64_t position = reader_i64(in);
    if (reader_done(in) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "sink sqlite: what was handed over of %s is damaged",
                         stream);
    if (position > sqlite_position(sink, stream))
        positions_moved(&sink->positions, positions_find(&sink->positions, stream), position);
    return STATUS_OK;
}

static void sqlite_forget(void *context, const char *stream)
{
    struct sqlite_sink *sink = context;
    positions_moved(&sink->positions, positions_find(&sink->positions, stream), 0);
}

static void sqlite_figures(void *context, struct sink_status_row *status)
{
    struct sqlite_sink *sink = context;
    status->dedup = atomic_load(&sink->repeated);
    status->key_conflict = atomic_load(&sink->conflicts);
    status->open_files = atomic_load(&sink->open_files);
}

struct sink *sqlite_sink_create(const struct sqlite_sink_config *config)
{
    struct sqlite_sink *sink = memory_allocate(sizeof *sink);
    sink->config = *config;
    sink->row = memory_allocate(config->message->row_bytes);
    positions_init(&sink->positions);
    sink->sink = (struct sink){
        .name = "sqlite",
        .context = sink,
        .batch_rows = config->batch_rows,
        .flush_ms = config->flush_ms,
        .open = sqlite_open,
        .position = sqlite_position,
        .begin = sqlite_begin,
        .write = sqlite_write,
        .commit = sqlite_commit,
        .rollback = sqlite_rollback,
        .give = sqlite_give,
        .take = sqlite_take,
        .forget = sqlite_forget,
        .close = sqlite_close,
        .figures = sqlite_figures,
    };
    return &sink->sink;
}

void sqlite_sink_destroy(struct sink *handle)
{
    if (!handle)
        return;
    struct sqlite_sink *sink = handle->context;
    sqlite_close(sink);
    positions_finish(&sink->positions);
    free(sink->row);
    free(sink);
}
