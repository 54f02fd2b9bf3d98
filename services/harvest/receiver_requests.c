/* What is asked of an open socket, and what the venue answers:
 *
 *     {"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":7}  →  {"result":null,"id":7}
 *                                                               →  {"error":{"code":2,"msg":"…"},"id":7}, or without "error"
 *
 * A request that is refused, or that the socket does not take, is told and counted, and the socket is relieved as an old one is: by
 * one whose URL asks for all it is to carry, while the present one goes on. */
#include "receiver_private.h"

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static const char *method_of(bool subscribes)
{
    return subscribes ? "SUBSCRIBE" : "UNSUBSCRIBE";
}

/* --- asking --- */

/* request_make: the streams of one symbol on one link; false: there are none. */
static bool request_make(const struct receiver *receiver, const struct asking *asking, struct buffer *out)
{
    struct json json;
    bool any = false;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "method", method_of(asking->subscribes));
    json_key(&json, "params");
    json_array_begin(&json);
    for (size_t i = 0; i < receiver->streams.count; i++) {
        const struct stream *stream = &receiver->streams.items[i];
        if (stream->symbol != asking->symbol || stream->link != asking->link)
            continue;
        json_text(&json, stream->name);
        any = true;
    }
    json_array_end(&json);
    json_key_i64(&json, "id", asking->id);
    json_object_end(&json);
    return any;
}

static void forget(struct receiver *receiver, size_t index)
{
    receiver->asking_count--;
    memmove(&receiver->askings[index], &receiver->askings[index + 1],
            (receiver->asking_count - index) * sizeof *receiver->askings);
}

static void await_answer(struct receiver *receiver, const struct asking *asking, uint16_t conn_id)
{
    if (receiver->asking_count == REQUESTS_MAX)
        forget(receiver, 0);
    receiver->askings[receiver->asking_count] = *asking;
    receiver->askings[receiver->asking_count++].conn_id = conn_id;
}

/* say: false: the socket does not take it. One that is not open asks by its URL when it opens. */
static bool say(struct receiver *receiver, const struct connection *connection, const struct asking *asking,
                const char *text)
{
    if (!connection || !websocket_is_open(connection->socket))
        return true;
    if (websocket_say(connection->socket, text) == STATUS_OK) {
        await_answer(receiver, asking, connection->conn_id);
        return true;
    }
    receiver_add(&receiver->figures.requests_unsaid, 1);
    log_event(LOG_WARNING, "request_unsaid",
              "symbol=%s method=%s socket=%.200s what=\"the venue does not read: another socket takes over\"",
              receiver->config.symbols[asking->symbol], method_of(asking->subscribes),
              websocket_url(connection->socket));
    return false;
}

bool receiver_request(struct receiver *receiver, size_t symbol, size_t index, bool subscribes)
{
    struct link *link = &receiver->links[index];
    struct asking asking = {
        .id = receiver->subscriptions + 1, .symbol = symbol, .link = index, .subscribes = subscribes};
    struct buffer text;
    buffer_init(&text, 0);
    bool any = request_make(receiver, &asking, &text);
    if (any) {
        receiver->subscriptions++;
        bool current = say(receiver, link->current, &asking, buffer_text(&text));
        bool successor = say(receiver, link->successor, &asking, buffer_text(&text));
        link->is_lacking = link->is_lacking || !current || !successor;
    }
    buffer_finish(&text);
    return any;
}

void receiver_forget_requests(struct receiver *receiver, size_t link)
{
    for (size_t i = receiver->asking_count; i > 0; i--)
        if (receiver->askings[i - 1].link == link)
            forget(receiver, i - 1);
}

void receiver_forget_answers(struct receiver *receiver, uint16_t conn_id)
{
    for (size_t i = receiver->asking_count; i > 0; i--)
        if (receiver->askings[i - 1].conn_id == conn_id)
            forget(receiver, i - 1);
}

/* --- answers --- */

/* asking_of: which request an answer is to; one that names none is to the oldest on its socket. */
static size_t asking_of(const struct receiver *receiver, uint16_t conn_id, yyjson_val *id)
{
    for (size_t i = 0; i < receiver->asking_count; i++)
        if (receiver->askings[i].conn_id == conn_id &&
            (!yyjson_is_int(id) || yyjson_get_sint(id) == receiver->askings[i].id))
            return i;
    return SIZE_MAX;
}

/* plain: a text of the venue's as a value of a log line. */
static void plain(yyjson_val *text, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s", yyjson_is_str(text) ? yyjson_get_str(text) : "");
    for (char *at = out; *at; at++)
        if ((unsigned char)*at < ' ' || *at == '"')
            *at = '\'';
}

static void take_refusal(struct receiver *receiver, const struct asking *asking, yyjson_val *refusal)
{
    char text[200];
    plain(yyjson_obj_get(refusal, "msg"), text, sizeof text);
    receiver_add(&receiver->figures.requests_refused, 1);
    log_event(LOG_WARNING, "request_refused",
              "symbol=%s method=%s code=%" PRId64 " detail=\"%s\" socket=%.200s what=\"a socket whose URL "
              "asks for it takes over\"",
              receiver->config.symbols[asking->symbol], method_of(asking->subscribes),
              yyjson_get_sint(yyjson_obj_get(refusal, "code")), text, receiver->links[asking->link].url);
    receiver_make_whole(receiver, asking->link);
}

bool receiver_take_answer(struct receiver *receiver, uint16_t conn_id, const char *text, size_t bytes)
{
    static const char STREAM[] = "{\"stream\"";
    if (bytes > ANSWER_BYTES_MAX || (bytes >= sizeof STREAM && memcmp(text, STREAM, sizeof STREAM - 1) == 0))
        return false;
    yyjson_doc *document = yyjson_read(text, bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *error = yyjson_obj_get(root, "error");
    yyjson_val *refusal = error ? error : root;
    bool is_refusal = yyjson_is_int(yyjson_obj_get(refusal, "code"));
    size_t index = is_refusal || yyjson_obj_get(root, "result")
                       ? asking_of(receiver, conn_id, yyjson_obj_get(root, "id"))
                       : SIZE_MAX;
    if (index != SIZE_MAX && is_refusal)
        take_refusal(receiver, &receiver->askings[index],
                     refusal); /* it stays: until the other socket is open */
    else if (index != SIZE_MAX)
        forget(receiver, index);
    if (index != SIZE_MAX)
        receiver_note_served(receiver);
    yyjson_doc_free(document);
    return index != SIZE_MAX;
}

/* --- what is served --- */

static bool is_carried(const struct receiver *receiver, const struct stream *stream)
{
    return stream->link != STREAM_UNHEARD && receiver_link_is_open(&receiver->links[stream->link]);
}

void receiver_note_served(struct receiver *receiver)
{
    bool changes = false, *lacks = memory_allocate(receiver->config.symbol_count * sizeof *lacks);
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (!is_carried(receiver, &receiver->streams.items[i]))
            lacks[receiver->streams.items[i].symbol] = true;
    for (size_t i = 0; i < receiver->asking_count; i++)
        lacks[receiver->askings[i].symbol] = true;
    bool is_recorded = receiver->queue.length == 0; /* else what has been lost has no number yet */
    for (size_t i = 0; i < receiver->config.symbol_count; i++) {
        bool is_served = receiver->is_heard[i] && !lacks[i] && is_recorded;
        if (is_served == (receiver_serves(receiver, i) != 0))
            continue;
        atomic_store(&receiver->served_since[i],
                     is_served ? capture_appended_seq(receiver->config.writer) : 0);
        changes = true;
    }
    free(lacks);
    if (changes)
        receiver->config.wake(receiver->config.wake_context);
}
