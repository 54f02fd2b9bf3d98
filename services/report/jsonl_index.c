#include "jsonl_index.h"

#include "base/memory.h"
#include "proto/signal.h"
#include "row_text.h"
#include "sink_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void jsonl_index_init(struct jsonl_index *index)
{
    *index = (struct jsonl_index){0};
    signal_files_init(&index->files);
    map_init(&index->symbol_numbers);
    for (int i = 0; i < JSONL_READINGS; i++)
        index->readings[i].descriptor = -1;
}

void jsonl_index_finish(struct jsonl_index *index)
{
    for (int i = 0; i < JSONL_READINGS; i++)
        if (index->readings[i].descriptor >= 0)
            close(index->readings[i].descriptor);
    signal_files_finish(&index->files);
    map_finish(&index->symbol_numbers);
    free(index->entries);
    free(index->symbols);
    jsonl_index_init(index);
}

static uint32_t symbol_number(struct jsonl_index *index, const char *symbol)
{
    size_t number = map_get(&index->symbol_numbers, symbol);
    if (number != MAP_ABSENT)
        return (uint32_t)number;
    number = index->symbol_count++;
    index->symbols =
        memory_grow(index->symbols, &index->symbol_capacity, index->symbol_count, sizeof *index->symbols);
    memcpy(index->symbols[number], symbol, strnlen(symbol, SYMBOL_BYTES - 1) + 1);
    map_put(&index->symbol_numbers, symbol, number);
    return (uint32_t)number;
}

static enum status add_line(void *context, enum line_kind kind, const char *text, size_t length,
                            int64_t offset)
{
    struct jsonl_index *index = context;
    struct signal_row row;
    if (!signal_from_line(kind, text, length, &row)) {
        index->bad_lines++;
        return STATUS_OK;
    }
    if (strcmp(row.run_id, index->run_id) != 0)
        return STATUS_OK;
    index->entries = memory_grow(index->entries, &index->capacity, index->count + 1, sizeof *index->entries);
    index->entries[index->count++] = (struct jsonl_entry){
        .ts_ms = row.ts_ms,
        .offset = offset,
        .length = (uint32_t)length,
        .file = index->indexing,
        .symbol = symbol_number(index, row.symbol),
        .confirm = row.confirm,
        .strong = row.signal_type == SIGNAL_STRONG_BUY || row.signal_type == SIGNAL_STRONG_SELL,
    };
    return STATUS_OK;
}

static int compare_entries(const void *left, const void *right, void *context)
{
    const struct jsonl_index *index = context;
    const struct jsonl_entry *a = left, *b = right;
    if (a->ts_ms != b->ts_ms)
        return a->ts_ms < b->ts_ms ? -1 : 1;
    if (a->symbol != b->symbol)
        return strcmp(index->symbols[a->symbol], index->symbols[b->symbol]);
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

enum status jsonl_index_build(struct jsonl_index *index, const char *output_dir, const char *run_id,
                              struct error *error)
{
    index->run_id = run_id;
    enum status status = signal_files_find(&index->files, output_dir, run_id, error);
    for (uint32_t i = 0; status == STATUS_OK && i < index->files.count; i++) {
        const struct signal_file *file = &index->files.items[i];
        int64_t offset = 0;
        index->indexing = i;
        if (!file->other_run)
            status = signal_file_read(file->path, true, &offset, add_line, index);
        if (status != STATUS_OK)
            error_set(error, status, "%s: cannot be read", file->path);
    }
    if (index->count)
        qsort_r(index->entries, index->count, sizeof *index->entries, compare_entries, index);
    return status;
}

const char *jsonl_index_symbol(const struct jsonl_index *index, const struct jsonl_entry *entry)
{
    return index->symbols[entry->symbol];
}

static struct jsonl_reading *reading_of(struct jsonl_index *index, const struct jsonl_entry *entry)
{
    struct jsonl_reading *reading = &index->readings[entry->symbol % JSONL_READINGS];
    if (reading->descriptor >= 0 && reading->file == entry->file)
        return reading;
    if (reading->descriptor >= 0)
        close(reading->descriptor);
    reading->file = entry->file;
    reading->descriptor = open(index->files.items[entry->file].path, O_RDONLY | O_CLOEXEC);
    return reading;
}

enum status jsonl_index_line(struct jsonl_index *index, const struct jsonl_entry *entry, struct buffer *out,
                             struct error *error)
{
    const char *path = index->files.items[entry->file].path;
    const struct jsonl_reading *reading = reading_of(index, entry);
    buffer_clear(out);
    uint8_t *room = buffer_reserve(out, entry->length);
    if (reading->descriptor < 0 || !room)
        return error_set(error, STATUS_IO, "%s: cannot be read again: %m", path);
    if (pread(reading->descriptor, room, entry->length, entry->offset) != (ssize_t)entry->length)
        return error_set(error, STATUS_IO, "%s: changed while it was compared", path);
    out->length = entry->length;
    return STATUS_OK;
}
