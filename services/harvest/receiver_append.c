/* Records into the capture. What the disk does not take waits in memory, in order, up to a limit. */
#include "receiver_private.h"

#include "base/log.h"

#include <string.h>

/* queued: a record the disk did not take; its payload follows. */
struct queued {
    int64_t recv_ns, mono_ns;
    uint64_t bytes;
    uint16_t kind, conn_id;
};

int64_t receiver_now_ms(const struct receiver *receiver)
{
    return clock_monotonic_ms(&receiver->config.clock);
}

void receiver_add(_Atomic int64_t *figure, int64_t amount)
{
    atomic_fetch_add_explicit(figure, amount, memory_order_relaxed);
}

/* note_dropped: a record that the capture will never have; a message is one of its symbol's. The sum comes first: who has seen the
 * part sees it in the sum. */
static void note_dropped(void *context, enum capture_kind kind, const void *payload, size_t bytes)
{
    struct receiver *receiver = context;
    size_t stream = kind == CAPTURE_MESSAGE ? streams_find(&receiver->streams, payload, bytes) : MAP_ABSENT;
    receiver_add(&receiver->figures.queue_dropped, 1);
    if (stream != MAP_ABSENT)
        atomic_fetch_add_explicit(&receiver->dropped[receiver->streams.items[stream].symbol], 1,
                                  memory_order_release);
}

static void enqueue(struct receiver *receiver, const struct queued *head, const void *payload)
{
    struct buffer *queue = &receiver->queue;
    if (queue->length + sizeof *head + head->bytes > RECEIVER_QUEUE_BYTES_MAX) {
        note_dropped(receiver, (enum capture_kind)head->kind, payload, head->bytes);
        return;
    }
    buffer_append(queue, head, sizeof *head);
    buffer_append(queue, payload, head->bytes);
}

void receiver_append(struct receiver *receiver, enum capture_kind kind, uint16_t conn_id, const void *payload,
                     size_t bytes)
{
    struct queued head = {
        .recv_ns = clock_wall_ns(&receiver->config.clock),
        .mono_ns = clock_monotonic_ns(&receiver->config.clock),
        .bytes = bytes,
        .kind = (uint16_t)kind,
        .conn_id = conn_id,
    };
    enum status status = bytes > CAPTURE_PAYLOAD_BYTES_MAX ? STATUS_LIMIT : STATUS_IO;
    if (status == STATUS_IO && receiver->queue.length == 0)
        status = capture_append(receiver->config.writer, kind, conn_id, head.recv_ns, head.mono_ns, payload,
                                bytes, NULL);
    if (status == STATUS_LIMIT)
        receiver_add(&receiver->figures.messages_too_large, 1);
    else if (status != STATUS_OK)
        enqueue(receiver, &head, payload);
}

/* dequeue: what the disk refused before; the rest stays when it still refuses. */
static void dequeue(struct receiver *receiver)
{
    struct buffer *queue = &receiver->queue;
    size_t at = 0;
    if (queue->length == 0 || receiver_now_ms(receiver) < receiver->queue_retry_ms)
        return;
    while (at < queue->length) {
        struct queued head;
        memcpy(&head, queue->data + at, sizeof head);
        if (capture_append(receiver->config.writer, (enum capture_kind)head.kind, head.conn_id, head.recv_ns,
                           head.mono_ns, queue->data + at + sizeof head, head.bytes, NULL) != STATUS_OK)
            break;
        at += sizeof head + head.bytes;
    }
    memmove(queue->data, queue->data + at, queue->length - at);
    queue->length -= at;
    receiver->queue_retry_ms = receiver_now_ms(receiver) + QUEUE_RETRY_MS;
    if (queue->length == 0)
        receiver_note_served(receiver);
}

void receiver_flush(struct receiver *receiver)
{
    dequeue(receiver);
    if (capture_flush(receiver->config.writer) != STATUS_OK)
        log_event(LOG_ERROR, "capture_write_failed", "queued_bytes=%zu what=\"kept in memory, tried again\"",
                  receiver->queue.length);
    uint64_t flushed_seq = capture_flushed_seq(receiver->config.writer);
    if (flushed_seq != receiver->flushed_seq) {
        receiver->flushed_seq = flushed_seq;
        receiver->config.wake(receiver->config.wake_context);
    }
}

void receiver_give_up(struct receiver *receiver)
{
    struct buffer *queue = &receiver->queue;
    int64_t records = capture_discard(receiver->config.writer, note_dropped, receiver);
    for (size_t at = 0; at < queue->length; records++) {
        struct queued head;
        memcpy(&head, queue->data + at, sizeof head);
        note_dropped(receiver, (enum capture_kind)head.kind, queue->data + at + sizeof head, head.bytes);
        at += sizeof head + head.bytes;
    }
    buffer_clear(queue);
    log_event(LOG_ERROR, "records_dropped", "records=%lld what=\"the disk did not take them before the end\"",
              (long long)records);
}
