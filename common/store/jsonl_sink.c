#include "store/jsonl_sink.h"

#include "base/crash_point.h"
#include "base/log.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "proto/control.h"
#include "store/append_file.h"
#include "store/positions.h"
#include "store/shard.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_VERSION = 2, OPEN_FILES_MAX = 64, RECORD_BYTES_MAX = 16 * 1024 * 1024 };

static const char RECORD_KEY[] = "sink/jsonl";

/* progress: what a stream's file is at: nothing, or open with so many bytes. */
struct progress {
    bool open;
    struct shard shard;
};

struct jsonl_stream {
    struct progress durable; /* as journaled */
    struct progress pending; /* as it will be journaled next */
    struct append_file file; /* of pending; may be closed in between */
    bool touched;            /* pending differs from durable */
};

struct shard_list {
    struct shard *items;
    size_t count, capacity;
};

struct jsonl_sink {
    struct sink sink;
    struct jsonl_sink_config config;
    struct journal *journal;
    struct positions positions;
    struct jsonl_stream *streams; /* parallel to positions */
    size_t stream_count, stream_capacity;
    struct shard_list finished; /* of this batch: closed, not journaled */
    struct shard_list renames;  /* journaled as finished, not renamed yet */
    struct buffer lines;        /* of the stream being written, not in its file yet */
    void *row;
    int64_t finished_total; /* files finished over all lives, as journaled */
    int64_t shard_count;    /* files of this service; -1: not counted yet */
    bool large_file;
    bool told_pressure;
    atomic_llong open_files, repeated;
    atomic_llong rotations, ready_files, largest_bytes; /* for jsonl_sink_figures */
    atomic_bool unnamed;                                /* renames is not empty */
};

static void shard_list_add(struct shard_list *list, const struct shard *shard)
{
    list->items = memory_grow(list->items, &list->capacity, list->count + 1, sizeof *list->items);
    list->items[list->count++] = *shard;
}

static size_t find_stream(struct jsonl_sink *sink, const char *name)
{
    size_t slot = positions_find(&sink->positions, name);
    sink->streams =
        memory_grow(sink->streams, &sink->stream_capacity, sink->positions.count, sizeof *sink->streams);
    for (; sink->stream_count < sink->positions.count; sink->stream_count++) {
        sink->streams[sink->stream_count] = (struct jsonl_stream){0};
        append_file_init(&sink->streams[sink->stream_count].file);
    }
    return slot;
}

static void close_file(struct jsonl_sink *sink, struct jsonl_stream *stream)
{
    if (stream->file.descriptor >= 0)
        atomic_fetch_sub(&sink->open_files, 1);
    append_file_close(&stream->file);
}

/* reopen_file: takes the open shard's file up again where its bytes end. */
static enum status reopen_file(struct jsonl_sink *sink, struct jsonl_stream *stream, struct error *error)
{
    char path[PATH_BYTES];
    if (stream->file.descriptor >= 0)
        return STATUS_OK;
    shard_part_path(&stream->pending.shard, sink->config.output_dir, path);
    enum status status = append_file_resume(&stream->file, path, stream->pending.shard.bytes, error);
    if (status == STATUS_OK)
        atomic_fetch_add(&sink->open_files, 1);
    return status;
}

/* --- writing --- */

static enum status flush_lines(struct jsonl_sink *sink, struct jsonl_stream *stream, struct error *error)
{
    if (!sink->lines.length)
        return STATUS_OK;
    enum status status = reopen_file(sink, stream, error);
    if (status == STATUS_OK &&
        append_file_write(&stream->file, sink->lines.data, sink->lines.length) != STATUS_OK)
        status = error_set(error, STATUS_IO, "spool/%s.part: %m", stream->pending.shard.stem);
    if (status == STATUS_OK) {
        stream->pending.shard.bytes = stream->file.bytes;
        buffer_clear(&sink->lines);
    }
    return status;
}

static enum status sync_file(struct jsonl_sink *sink, struct jsonl_stream *stream, struct error *error)
{
    if (!sink->config.sync || stream->file.descriptor < 0 || append_file_sync(&stream->file) == STATUS_OK)
        return STATUS_OK;
    return error_set(error, STATUS_IO, "spool/%s.part cannot be synchronised: %m",
                     stream->pending.shard.stem);
}

static enum status finish_shard(struct jsonl_sink *sink, struct jsonl_stream *stream, struct error *error)
{
    enum status status = flush_lines(sink, stream, error);
    if (status == STATUS_OK)
        status = sync_file(sink, stream, error);
    if (status != STATUS_OK)
        return status;
    close_file(sink, stream);
    sink->large_file |= stream->pending.shard.bytes > sink->config.max_file_bytes;
    if (stream->pending.shard.bytes > atomic_load(&sink->largest_bytes))
        atomic_store(&sink->largest_bytes, stream->pending.shard.bytes);
    shard_list_add(&sink->finished, &stream->pending.shard);
    stream->pending.open = false;
    return STATUS_OK;
}

/* wants_day_folder: the output folder has too many files, or one that is too large. */
static bool wants_day_folder(struct jsonl_sink *sink)
{
    if (sink->shard_count < 0) {
        sink->shard_count = shard_count_ready(&sink->config);
        atomic_store(&sink->ready_files, sink->shard_count);
    }
    bool wanted = sink->large_file || sink->shard_count >= sink->config.max_shards;
    if (wanted && !sink->told_pressure) {
        log_event(LOG_WARNING, "disk_pressure", "sink=jsonl files=%lld limit=%lld large_file=%d",
                  (long long)sink->shard_count, (long long)sink->config.max_shards, sink->large_file);
        sink->told_pressure = true;
    }
    return wanted;
}

static enum status begin_shard(struct jsonl_sink *sink, struct jsonl_stream *stream, const char *symbol,
                               int64_t minute, struct error *error)
{
    char path[PATH_BYTES];
    struct shard shard;
    shard_name(&shard, &sink->config, symbol, minute, wants_day_folder(sink));
    shard_part_path(&shard, sink->config.output_dir, path);
    enum status status = append_file_create(&stream->file, path, error);
    if (status == STATUS_OK && sink->config.sync && folder_sync_of(path) != STATUS_OK)
        status = error_set(error, STATUS_IO, "the folder of %s cannot be synchronised: %m", path);
    if (stream->file.descriptor >= 0)
        atomic_fetch_add(&sink->open_files, 1);
    if (status == STATUS_OK)
        stream->pending = (struct progress){.open = true, .shard = shard};
    return status;
}

/* add_row: rows of a symbol never go back in time; one that did would stay in the minute that is open. */
static enum status add_row(struct jsonl_sink *sink, struct jsonl_stream *stream, const char *symbol,
                           struct error *error)
{
    const struct message *message = sink->config.message;
    int64_t minute = floor_div(field_as_i64(message_field(message, "ts_ms"), sink->row), 60000);
    enum status status = STATUS_OK;
    if (stream->pending.open && minute > stream->pending.shard.minute)
        status = finish_shard(sink, stream, error);
    if (status == STATUS_OK && !stream->pending.open)
        status = begin_shard(sink, stream, symbol, minute, error);
    if (status != STATUS_OK)
        return status;
    struct json json;
    json_init(&json, &sink->lines);
    message_json(&json, message, message->field_count, sink->row, false);
    buffer_append_byte(&sink->lines, '\n');
    return STATUS_OK;
}

static enum status take_row(struct jsonl_sink *sink, struct jsonl_stream *stream, const char *symbol,
                            const struct row_view *view, struct error *error)
{
    struct control_row control;
    enum status status = STATUS_OK;
    if (view->kind == sink->config.message->kind) {
        status = row_decode(view, sink->config.message, sink->row, error);
        return status == STATUS_OK ? add_row(sink, stream, symbol, error) : status;
    }
    if (view->kind == ROW_CONTROL)
        status = row_decode(view, &control_message, &control, error);
    if (status == STATUS_OK && view->kind == ROW_CONTROL && control.action == CONTROL_END_OF_STREAM &&
        stream->pending.open)
        status = finish_shard(sink, stream, error);
    return status;
}

static enum status jsonl_write(void *context, const struct sink_rows *rows, struct error *error)
{
    struct jsonl_sink *sink = context;
    size_t slot = find_stream(sink, rows->stream), offset = 0;
    struct jsonl_stream *stream = &sink->streams[slot];
    struct row_view view = {.sequence = rows->first_sequence};
    stream->touched = true;
    buffer_clear(&sink->lines);
    enum status status;
    while ((status = rows_next(rows->data, rows->bytes, &offset, &view)) == STATUS_OK) {
        status = take_row(sink, stream, rows->symbol, &view, error);
        if (status != STATUS_OK)
            return status;
        view.sequence++;
    }
    if (status != STATUS_END)
        return error_set(error, status, "%s: a journaled row is damaged", rows->stream);
    positions_set(&sink->positions, slot, rows->first_sequence + (int64_t)rows->row_count - 1);
    return flush_lines(sink, stream, error);
}

/* --- the record --- */

static void save_renames(const struct shard_list *list, struct buffer *out)
{
    for (size_t i = 0; i < list->count; i++)
        shard_save(&list->items[i], out);
}

static enum status put_record(struct jsonl_sink *sink, struct error *error)
{
    struct buffer record;
    buffer_init(&record, RECORD_BYTES_MAX);
    buffer_append_u32(&record, RECORD_VERSION);
    buffer_append_i64(&record, sink->finished_total + (int64_t)sink->finished.count);
    buffer_append_u64(&record, sink->positions.count);
    for (size_t i = 0; i < sink->positions.count; i++) {
        record_put_text(&record, sink->positions.items[i].stream);
        buffer_append_i64(&record, sink->positions.items[i].pending);
        buffer_append_byte(&record, sink->streams[i].pending.open);
        shard_save(&sink->streams[i].pending.shard, &record);
    }
    buffer_append_u64(&record, sink->renames.count + sink->finished.count);
    save_renames(&sink->renames, &record);
    save_renames(&sink->finished, &record);
    enum status status = STATUS_LIMIT;
    if (record.overflowed)
        error_set(error, status, "sink jsonl: too many streams for one record");
    else
        status = journal_put_now(sink->journal, RECORD_KEY, record.data, record.length, error);
    buffer_finish(&record);
    return status;
}

static enum status parse_record(struct jsonl_sink *sink, struct reader *in, struct error *error)
{
    char name[STREAM_BYTES];
    uint32_t version = reader_u32(in);
    sink->finished_total = reader_i64(in);
    size_t count = reader_count(in, 1);
    for (size_t i = 0; i < count && !in->failed && version == RECORD_VERSION; i++) {
        record_take_text(in, name, sizeof name);
        size_t slot = find_stream(sink, name);
        struct progress *progress = &sink->streams[slot].pending;
        positions_set(&sink->positions, slot, reader_i64(in));
        uint8_t open = 0;
        reader_take(in, &open, 1);
        progress->open = open;
        shard_load(&progress->shard, in);
        sink->streams[slot].durable = *progress;
    }
    count = reader_count(in, 1);
    for (size_t i = 0; i < count && !in->failed; i++) {
        struct shard shard;
        shard_load(&shard, in);
        shard_list_add(&sink->renames, &shard);
    }
    if (version != RECORD_VERSION || reader_done(in) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "the journal's record %s is damaged", RECORD_KEY);
    atomic_store(&sink->rotations, sink->finished_total);
    positions_commit(&sink->positions);
    return STATUS_OK;
}

static enum status load_record(struct jsonl_sink *sink, struct error *error)
{
    struct buffer record;
    struct reader in;
    buffer_init(&record, RECORD_BYTES_MAX);
    enum status status = journal_get(sink->journal, RECORD_KEY, &record);
    reader_init(&in, record.data, record.length);
    if (status == STATUS_OK)
        status = parse_record(sink, &in, error);
    else if (status == STATUS_NOT_FOUND)
        status = STATUS_OK;
    else
        error_set(error, status, "the journal's record %s cannot be read", RECORD_KEY);
    buffer_finish(&record);
    return status;
}

/* --- begin, commit, rollback --- */

/* publish_finished: renames what is journaled as finished; what is left stays for the next attempt. */
static enum status publish_finished(struct jsonl_sink *sink, struct error *error)
{
    while (sink->renames.count) {
        bool repeated;
        const struct shard *shard = &sink->renames.items[sink->renames.count - 1];
        enum status status = shard_publish(shard, &sink->config, &repeated, error);
        if (status != STATUS_OK)
            return status;
        sink->renames.count--;
        atomic_store(&sink->unnamed, sink->renames.count > 0);
        atomic_fetch_add(&sink->repeated, repeated);
        if (sink->shard_count >= 0)
            sink->shard_count++;
        atomic_store(&sink->ready_files, sink->shard_count);
    }
    return STATUS_OK;
}

static enum status jsonl_begin(void *context, struct error *error)
{
    return publish_finished(context, error);
}

static enum status sync_touched(struct jsonl_sink *sink, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sink->stream_count && status == STATUS_OK; i++)
        if (sink->streams[i].touched)
            status = sync_file(sink, &sink->streams[i], error);
    return status;
}

/* accept: the record is in the journal: what was pending is durable. */
static void accept(struct jsonl_sink *sink)
{
    for (size_t i = 0; i < sink->stream_count; i++) {
        struct jsonl_stream *stream = &sink->streams[i];
        if (stream->touched)
            stream->durable = stream->pending;
        stream->touched = false;
        if (atomic_load(&sink->open_files) > OPEN_FILES_MAX)
            close_file(sink, stream);
    }
    for (size_t i = 0; i < sink->finished.count; i++)
        shard_list_add(&sink->renames, &sink->finished.items[i]);
    sink->finished_total += (int64_t)sink->finished.count;
    atomic_store(&sink->rotations, sink->finished_total);
    sink->finished.count = 0;
    atomic_store(&sink->unnamed,
                 sink->renames.count > 0); /* before the position says that these rows are done */
    positions_commit(&sink->positions);
}

static enum status jsonl_commit(void *context, struct error *error)
{
    struct jsonl_sink *sink = context;
    enum status status = sync_touched(sink, error);
    crash_point("after_write");
    if (status == STATUS_OK)
        status = put_record(sink, error);
    if (status != STATUS_OK)
        return status;
    accept(sink);
    return publish_finished(sink, error);
}

static void jsonl_rollback(void *context)
{
    struct jsonl_sink *sink = context;
    for (size_t i = 0; i < sink->stream_count; i++) {
        struct jsonl_stream *stream = &sink->streams[i];
        if (!stream->touched)
            continue;
        close_file(sink, stream);
        stream->pending = stream->durable;
        stream->touched = false;
    }
    sink->finished.count = 0;
    positions_rollback(&sink->positions);
}

/* --- life --- */

static void forget(struct jsonl_sink *sink)
{
    for (size_t i = 0; i < sink->stream_count; i++)
        close_file(sink, &sink->streams[i]);
    sink->stream_count = 0;
    sink->finished_total = 0;
    sink->finished.count = sink->renames.count = 0;
    atomic_store(&sink->unnamed, false);
    sink->shard_count = -1;
    positions_clear(&sink->positions);
}

/* forget_stream: its file is another instance's. */
static void forget_stream(struct jsonl_sink *sink, size_t slot)
{
    struct jsonl_stream *stream = &sink->streams[slot];
    close_file(sink, stream);
    stream->pending = stream->durable = (struct progress){.open = false};
    stream->touched = false;
    positions_moved(&sink->positions, slot, 0);
}

/* forget_foreign: what the record still says of streams that have been handed over. */
static void forget_foreign(struct jsonl_sink *sink)
{
    for (size_t i = 0; sink->sink.owns && i < sink->stream_count; i++)
        if (!sink->sink.owns(sink->sink.owner, sink->positions.items[i].stream))
            forget_stream(sink, i);
}

static enum status jsonl_open(void *context, struct journal *journal, struct error *error)
{
    struct jsonl_sink *sink = context;
    forget(sink);
    sink->journal = journal;
    enum status status = load_record(sink, error);
    forget_foreign(sink);
    return status == STATUS_OK ? publish_finished(sink, error) : status;
}

/* jsonl_resume: not in open: what the record says of a stream that left and came back is of a file that its other owner has
 * written on, or finished, since; take has put that right by now. */
static enum status jsonl_resume(void *context, struct error *error)
{
    struct jsonl_sink *sink = context;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sink->stream_count && status == STATUS_OK; i++)
        if (sink->streams[i].pending.open) {
            status = reopen_file(sink, &sink->streams[i], error);
            if (atomic_load(&sink->open_files) > OPEN_FILES_MAX)
                close_file(sink, &sink->streams[i]);
        }
    return status;
}

static void jsonl_close(void *context)
{
    struct jsonl_sink *sink = context;
    struct error error = {{0}};
    if (publish_finished(sink, &error) != STATUS_OK)
        log_event(LOG_ERROR, "write_error", "sink=jsonl left for the next start: %s", error.text);
    forget(sink);
}

static int64_t jsonl_position(void *context, const char *stream)
{
    return positions_durable(&((struct jsonl_sink *)context)->positions, stream);
}

/* --- hand-over: the open file goes on where its bytes end, in other hands --- */

static void jsonl_give(void *context, const char *name, struct buffer *out)
{
    struct jsonl_sink *sink = context;
    size_t slot = find_stream(sink, name); /* may be new: then the streams lie elsewhere now */
    const struct progress *progress = &sink->streams[slot].durable;
    buffer_append_i64(out, jsonl_position(context, name));
    buffer_append_byte(out, progress->open);
    shard_save(&progress->shard, out);
}

static enum status jsonl_take(void *context, const char *name, struct reader *in, struct error *error)
{
    struct jsonl_sink *sink = context;
    struct progress progress = {.open = false};
    uint8_t open = 0;
    int64_t position = reader_i64(in);
    reader_take(in, &open, 1);
    shard_load(&progress.shard, in);
    progress.open = open != 0;
    if (reader_done(in) != STATUS_OK)
        return error_set(error, STATUS_MALFORMED, "sink jsonl: what was handed over of %s is damaged", name);
    if (position <= jsonl_position(sink, name))
        return STATUS_OK;
    size_t slot = find_stream(sink, name);
    close_file(sink, &sink->streams[slot]);
    sink->streams[slot].durable = sink->streams[slot].pending = progress;
    positions_moved(&sink->positions, slot, position);
    return STATUS_OK;
}

static void jsonl_forget(void *context, const char *name)
{
    struct jsonl_sink *sink = context;
    forget_stream(sink, find_stream(sink, name));
}

static bool jsonl_unfinished(void *context)
{
    return atomic_load(&((struct jsonl_sink *)context)->unnamed);
}

static void jsonl_figures(void *context, struct sink_status_row *status)
{
    struct jsonl_sink *sink = context;
    status->open_files = atomic_load(&sink->open_files);
    status->dedup = atomic_load(&sink->repeated);
}

struct jsonl_sink_figures jsonl_sink_figures(const struct sink *handle)
{
    const struct jsonl_sink *sink = handle->context;
    return (struct jsonl_sink_figures){
        .rotations = atomic_load(&sink->rotations),
        .ready_files = atomic_load(&sink->ready_files),
        .largest_bytes = atomic_load(&sink->largest_bytes),
    };
}

struct sink *jsonl_sink_create(const struct jsonl_sink_config *config)
{
    struct jsonl_sink *sink = memory_allocate(sizeof *sink);
    sink->config = *config;
    sink->row = memory_allocate(config->message->row_bytes);
    sink->shard_count = -1;
    atomic_store(&sink->ready_files, -1);
    positions_init(&sink->positions);
    buffer_init(&sink->lines, 0);
    sink->sink = (struct sink){
        .name = "jsonl",
        .context = sink,
        .batch_rows = config->batch_rows,
        .flush_ms = config->flush_ms,
        .open = jsonl_open,
        .resume = jsonl_resume,
        .position = jsonl_position,
        .begin = jsonl_begin,
        .write = jsonl_write,
        .commit = jsonl_commit,
        .rollback = jsonl_rollback,
        .unfinished = jsonl_unfinished,
        .give = jsonl_give,
        .take = jsonl_take,
        .forget = jsonl_forget,
        .close = jsonl_close,
        .figures = jsonl_figures,
    };
    return &sink->sink;
}

void jsonl_sink_destroy(struct sink *handle)
{
    if (!handle)
        return;
    struct jsonl_sink *sink = handle->context;
    forget(sink);
    positions_finish(&sink->positions);
    buffer_finish(&sink->lines);
    free(sink->streams);
    free(sink->finished.items);
    free(sink->renames.items);
    free(sink->row);
    free(sink);
}
