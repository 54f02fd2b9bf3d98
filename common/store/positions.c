#include "store/positions.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void positions_init(struct positions *positions)
{
    *positions = (struct positions){.mutex = PTHREAD_MUTEX_INITIALIZER};
    map_init(&positions->index);
}

void positions_clear(struct positions *positions)
{
    pthread_mutex_lock(&positions->mutex);
    map_finish(&positions->index);
    map_init(&positions->index);
    positions->count = 0;
    pthread_mutex_unlock(&positions->mutex);
}

void positions_finish(struct positions *positions)
{
    positions_clear(positions);
    free(positions->items);
    pthread_mutex_destroy(&positions->mutex);
}

size_t positions_find(struct positions *positions, const char *stream)
{
    pthread_mutex_lock(&positions->mutex);
    size_t slot = map_get(&positions->index, stream);
    if (slot == MAP_ABSENT) {
        slot = positions->count++;
        positions->items =
            memory_grow(positions->items, &positions->capacity, positions->count, sizeof *positions->items);
        positions->items[slot] = (struct position){0};
        snprintf(positions->items[slot].stream, sizeof positions->items[slot].stream, "%s", stream);
        map_put(&positions->index, stream, slot);
    }
    pthread_mutex_unlock(&positions->mutex);
    return slot;
}

int64_t positions_durable(struct positions *positions, const char *stream)
{
    pthread_mutex_lock(&positions->mutex);
    size_t slot = map_get(&positions->index, stream);
    int64_t durable = slot == MAP_ABSENT ? 0 : positions->items[slot].durable;
    pthread_mutex_unlock(&positions->mutex);
    return durable;
}

void positions_set(struct positions *positions, size_t slot, int64_t sequence)
{
    positions->items[slot].pending = sequence;
}

void positions_commit(struct positions *positions)
{
    pthread_mutex_lock(&positions->mutex);
    for (size_t i = 0; i < positions->count; i++)
        positions->items[i].durable = positions->items[i].pending;
    pthread_mutex_unlock(&positions->mutex);
}

void positions_moved(struct positions *positions, size_t slot, int64_t sequence)
{
    pthread_mutex_lock(&positions->mutex);
    positions->items[slot].durable = positions->items[slot].pending = sequence;
    pthread_mutex_unlock(&positions->mutex);
}

void positions_rollback(struct positions *positions)
{
    for (size_t i = 0; i < positions->count; i++)
        positions->items[i].pending = positions->items[i].durable;
}

void record_put_text(struct buffer *out, const char *text)
{
    buffer_append_u32(out, (uint32_t)strlen(text));
    buffer_append_text(out, text);
}

void record_take_text(struct reader *in, char *out_text, size_t size)
{
    size_t length = reader_u32(in);
    const char *text = length < size ? reader_borrow(in, length) : NULL;
    if (length >= size)
        in->failed = true;
    if (text && length)
        memcpy(out_text, text, length);
    out_text[text ? length : 0] = 0;
}
