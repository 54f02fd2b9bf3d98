/* positions: per stream, the newest row a sink holds durably and the newest one it has in hand.
 *
 * Only the sink's own thread changes them; positions_durable may be called from any thread. */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "proto/kind.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct position {
    char stream[STREAM_BYTES];
    int64_t durable;
    int64_t pending;
};

struct positions {
    pthread_mutex_t mutex; /* guards the array against readers of other threads */
    struct map index;
    struct position *items;
    size_t count, capacity;
};

void positions_init(struct positions *positions);
void positions_finish(struct positions *positions);
void positions_clear(struct positions *positions);

/* positions_find: the slot of a stream, a new one at 0 when it is unknown. */
size_t positions_find(struct positions *positions, const char *stream);
int64_t positions_durable(struct positions *positions, const char *stream);

void positions_set(struct positions *positions, size_t slot, int64_t sequence); /* pending */
void positions_commit(struct positions *positions);                             /* pending becomes durable */
/* positions_moved: the stream came here, or left (0): durable and pending at once. */
void positions_moved(struct positions *positions, size_t slot, int64_t sequence);
void positions_rollback(struct positions *positions);

/* record_put_text, record_take_text: texts inside a sink's journaled record. Taking one that does not fit marks
 * the reader as failed. */
void record_put_text(struct buffer *out, const char *text);
void record_take_text(struct reader *in, char *out_text, size_t size);
