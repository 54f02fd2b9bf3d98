#include "store/line_sink.h"

#include "base/crash_point.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "store/append_file.h"
#include "store/positions.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_VERSION = 1, RECORD_BYTES_MAX = 16 * 1024 * 1024 };

struct line_sink {
    struct sink sink;
    struct line_sink_config config;
    char record_key[64];
    struct journal *journal;
    struct positions positions;
    struct append_file file;
    int64_t durable_bytes;
    struct buffer lines;
    void *row;
    atomic_llong open_files;
};

/* --- the record --- */

static enum status put_record(struct line_sink *sink, struct error *error)
{
    struct buffer record;
    buffer_init(&record, RECORD_BYTES_MAX);
    buffer_append_u32(&record, RECORD_VERSION);
    buffer_append_i64(&record, sink->file.bytes);
    buffer_append_u64(&record, sink->positions.count);
    for (size_t i = 0; i < sink->positions.count; i++) {
        record_put_text(&record, sink->positions.items[i].stream);
        buffer_append_i64(&record, sink->positions.items[i].pending);
    }
    enum status status = journal_put_now(sink->journal, sink->record_key, record.data, record.length, error);
    buffer_finish(&record);
    if (status == STATUS_OK) {
        sink->durable_bytes = sink->file.bytes;
        positions_commit(&sink->positions);
    }
    return status;
}

static enum status parse_record(struct line_sink *sink, struct reader *in, struct error *error)
{
    char name[STREAM_BYTES];
    uint32_t version = reader_u32(in);
    sink->durable_bytes = reader_i64(in);
    size_t count = reader_count(in, 12);
    for (size_t i = 0; i < count && !in->failed; i++) {
        record_take_text(in, name, sizeof name);
        positions_set(&sink->positions, positions_find(&sink->positions, name), reader_i64(in));
    }
    if (version != RECORD_VERSION || reader_done(in) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "the journal's record %s is damaged", sink->record_key);
    positions_commit(&sink->positions);
    return STATUS_OK;
}

/* --- opening --- */

/* find_own_lines: where this run's first line begins, else the end of the last whole line. Runs follow one another: what lies
 * behind that place is cut, so a later run's whole line there is refused. */
static enum status find_own_lines(const struct line_sink_config *config, int64_t *out_begin,
                                  struct error *error)
{
    char wanted[RUN_ID_BYTES + 16], *line = NULL;
    size_t capacity = 0;
    bool found = false, foreign = false;
    ssize_t length;
    *out_begin = 0;
    FILE *file = fopen(config->path, "re");
    if (!file)
        return error_set(error, STATUS_IO, "%s cannot be read: %m", config->path);
    snprintf(wanted, sizeof wanted, "\"run_id\":\"%s\"", config->run_id);
    while (!foreign && (length = getline(&line, &capacity, file)) > 0 && line[length - 1] == '\n') {
        bool own = strstr(line, wanted) != NULL;
        foreign = found && !own && strstr(line, "\"run_id\":\"");
        found |= own;
        *out_begin += found ? 0 : length;
    }
    enum status status = STATUS_OK;
    if (ferror(file))
        status = error_set(error, STATUS_IO, "%s cannot be read: %m", config->path);
    else if (foreign)
        status = error_set(
            error, STATUS_CONFLICT,
            "%s: another run's lines follow those of run %s, which would be written anew: begin with another "
            "run id, or move the file away",
            config->path, config->run_id);
    free(line);
    fclose(file);
    return status;
}

static enum status resume_cold(struct line_sink *sink, struct error *error)
{
    int64_t begin;
    enum status status = find_own_lines(&sink->config, &begin, error);
    return status == STATUS_OK ? append_file_resume(&sink->file, sink->config.path, begin, error) : status;
}

static enum status open_cold(struct line_sink *sink, struct error *error)
{
    const char *path = sink->config.path;
    enum status status =
        file_exists(path) ? resume_cold(sink, error) : append_file_create(&sink->file, path, error);
    if (status == STATUS_OK && sink->config.sync && folder_sync_of(path) != STATUS_OK)
        status = error_set(error, STATUS_IO, "the folder of %s cannot be synchronised: %m", path);
    return status == STATUS_OK ? put_record(sink, error) : status;
}

static void line_close(void *context)
{
    struct line_sink *sink = context;
    append_file_close(&sink->file);
    atomic_store(&sink->open_files, 0);
}

static enum status line_open(void *context, struct journal *journal, struct error *error)
{
    struct line_sink *sink = context;
    struct buffer record;
    struct reader in;
    line_close(sink);
    positions_clear(&sink->positions);
    sink->journal = journal;
    buffer_init(&record, RECORD_BYTES_MAX);
    enum status status = journal_get(journal, sink->record_key, &record);
    reader_init(&in, record.data, record.length);
    if (status == STATUS_NOT_FOUND)
        status = open_cold(sink, error);
    else if (status != STATUS_OK)
        error_set(error, status, "the journal's record %s cannot be read", sink->record_key);
    else if ((status = parse_record(sink, &in, error)) == STATUS_OK)
        status = append_file_resume(&sink->file, sink->config.path, sink->durable_bytes, error);
    buffer_finish(&record);
    atomic_store(&sink->open_files, sink->file.descriptor >= 0);
    return status;
}

/* --- writing --- */

static enum status line_begin(void *context, struct error *error)
{
    struct line_sink *sink = context;
    if (sink->file.descriptor >= 0)
        return STATUS_OK;
    return append_file_resume(&sink->file, sink->config.path, sink->durable_bytes, error);
}

static enum status line_write(void *context, const struct sink_rows *rows, struct error *error)
{
    struct line_sink *sink = context;
    const struct message *message = sink->config.message;
    struct row_view view = {.sequence = rows->first_sequence};
    struct json json;
    size_t offset = 0;
    enum status status;
    buffer_clear(&sink->lines);
    while ((status = rows_next(rows->data, rows->bytes, &offset, &view)) == STATUS_OK) {
        if (view.kind == message->kind) {
            status = row_decode(&view, message, sink->row, error);
            if (status != STATUS_OK)
                return status;
            json_init(&json, &sink->lines);
            message_json(&json, message, message->field_count, sink->row, false);
            buffer_append_byte(&sink->lines, '\n');
        }
        view.sequence++;
    }
    if (status != STATUS_END)
        return error_set(error, status, "%s: a journaled row is damaged", rows->stream);
    if (append_file_write(&sink->file, sink->lines.data, sink->lines.length) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s: %m", sink->config.path);
    positions_set(&sink->positions, positions_find(&sink->positions, rows->stream),
                  rows->first_sequence + (int64_t)rows->row_count - 1);
    return STATUS_OK;
}

static enum status line_commit(void *context, struct error *error)
{
    struct line_sink *sink = context;
    if (sink->config.sync && append_file_sync(&sink->file) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s cannot be synchronised: %m", sink->config.path);
    crash_point("after_write");
    return put_record(sink, error);
}

static void line_rollback(void *context)
{
    struct line_sink *sink = context;
    append_file_close(&sink->file); /* begin opens it again and cuts it */
    positions_rollback(&sink->positions);
}

static int64_t line_position(void *context, const char *stream)
{
    return positions_durable(&((struct line_sink *)context)->positions, stream);
}

static void line_figures(void *context, struct sink_status_row *status)
{
    status->open_files = atomic_load(&((struct line_sink *)context)->open_files);
}

struct sink *line_sink_create(const struct line_sink_config *config)
{
    struct line_sink *sink = memory_allocate(sizeof *sink);
    sink->config = *config;
    sink->row = memory_allocate(config->message->row_bytes);
    snprintf(sink->record_key, sizeof sink->record_key, "sink/%s", config->name);
    append_file_init(&sink->file);
    positions_init(&sink->positions);
    buffer_init(&sink->lines, 0);
    sink->sink = (struct sink){
        .name = config->name,
        .context = sink,
        .batch_rows = config->batch_rows,
        .flush_ms = config->flush_ms,
        .open = line_open,
        .position = line_position,
        .begin = line_begin,
        .write = line_write,
        .commit = line_commit,
        .rollback = line_rollback,
        .close = line_close,
        .figures = line_figures,
    };
    return &sink->sink;
}

void line_sink_destroy(struct sink *handle)
{
    if (!handle)
        return;
    struct line_sink *sink = handle->context;
    line_close(sink);
    positions_finish(&sink->positions);
    buffer_finish(&sink->lines);
    free(sink->row);
    free(sink);
}
