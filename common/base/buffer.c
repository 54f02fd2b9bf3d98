#include "base/buffer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_finish(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->limit);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->overflowed = false;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes)
{
    if (buffer->overflowed || (buffer->limit && bytes > buffer->limit - buffer->length)) {
        buffer->overflowed = true;
        return NULL;
    }
    buffer->data = memory_grow(buffer->data, &buffer->capacity, buffer->length + bytes + 1, 1);
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    uint8_t *room = buffer_reserve(buffer, bytes);
    if (!room)
        return;
    if (bytes)
        memcpy(room, data, bytes);
    buffer->length += bytes;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    buffer_append(buffer, &byte, 1);
}

void buffer_append_u32(struct buffer *buffer, uint32_t value)
{
    buffer_append(buffer, &value, sizeof value);
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    buffer_append(buffer, &value, sizeof value);
}

void buffer_append_i64(struct buffer *buffer, int64_t value)
{
    buffer_append(buffer, &value, sizeof value);
}

void buffer_append_f64(struct buffer *buffer, double value)
{
    buffer_append(buffer, &value, sizeof value);
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    uint8_t *room = needed >= 0 ? buffer_reserve(buffer, (size_t)needed) : NULL;
    if (room) {
        vsnprintf((char *)room, (size_t)needed + 1, format, again);
        buffer->length += (size_t)needed;
    }
    va_end(again);
}

const char *buffer_text(struct buffer *buffer)
{
    buffer->data = memory_grow(buffer->data, &buffer->capacity, buffer->length + 1, 1);
    buffer->data[buffer->length] = 0;
    return (const char *)buffer->data;
}

void reader_init(struct reader *reader, const void *data, size_t bytes)
{
    /* Nothing to read may come as NULL; a pointer to no bytes keeps the arithmetic below defined. */
    *reader = (struct reader){.data = data ? data : (const void *)"", .length = data ? bytes : 0};
}

const void *reader_borrow(struct reader *reader, size_t bytes)
{
    if (reader->failed || bytes > reader->length - reader->offset) {
        reader->failed = true;
        return NULL;
    }
    const void *at = reader->data + reader->offset;
    reader->offset += bytes;
    return at;
}

void reader_take(struct reader *reader, void *out, size_t bytes)
{
    const void *at = reader_borrow(reader, bytes);
    if (at && bytes)
        memcpy(out, at, bytes);
    else if (bytes)
        memset(out, 0, bytes);
}

uint32_t reader_u32(struct reader *reader)
{
    uint32_t value;
    reader_take(reader, &value, sizeof value);
    return value;
}

uint64_t reader_u64(struct reader *reader)
{
    uint64_t value;
    reader_take(reader, &value, sizeof value);
    return value;
}

int64_t reader_i64(struct reader *reader)
{
    int64_t value;
    reader_take(reader, &value, sizeof value);
    return value;
}

double reader_f64(struct reader *reader)
{
    double value;
    reader_take(reader, &value, sizeof value);
    return value;
}

size_t reader_count(struct reader *reader, size_t element_bytes)
{
    uint64_t count = reader_u64(reader);
    if (count > (reader->length - reader->offset) / (element_bytes ? element_bytes : 1)) {
        reader->failed = true;
        return 0;
    }
    return (size_t)count;
}

enum status reader_done(const struct reader *reader)
{
    return reader->failed || reader->offset != reader->length ? STATUS_MALFORMED : STATUS_OK;
}
