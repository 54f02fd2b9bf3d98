/* Symbols that come and go while it runs: their streams are put on a socket that has room, or on one more; on an open one by the
 * venue's own SUBSCRIBE and UNSUBSCRIBE. Others on the same socket are not disturbed. */
#include "receiver_private.h"

#include "base/crash_point.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* --- which socket --- */

static bool is_of_route(const struct link *link, bool is_market)
{
    return link->used && link->is_market == is_market && !link->has_ended;
}

/* link_for: one with room, else a free one, else, at RECEIVER_SOCKETS_MAX, any of the route. */
static size_t link_for(const struct receiver *receiver, bool is_market)
{
    size_t per_socket = receiver->config.is_simulator ? SIZE_MAX : RECEIVER_STREAMS_PER_SOCKET;
    for (size_t i = 0; i < receiver->link_count; i++)
        if (is_of_route(&receiver->links[i], is_market) && receiver->links[i].used < per_socket)
            return i;
    for (size_t i = 0; i < RECEIVER_SOCKETS_MAX; i++)
        if (!receiver->links[i].used)
            return i;
    for (size_t i = 0; i < receiver->link_count; i++)
        if (is_of_route(&receiver->links[i], is_market))
            return i;
    return 0;
}

size_t receiver_assign(struct receiver *receiver, struct stream *stream)
{
    bool is_market = receiver->config.is_routed && stream->use == STREAM_TRADE;
    size_t index = link_for(receiver, is_market);
    struct link *link = &receiver->links[index];
    link->is_market = is_market;
    link->used++;
    stream->link = index;
    stream->last_ms = receiver_now_ms(receiver);
    if (index >= receiver->link_count)
        receiver->link_count = index + 1;
    atomic_store(&receiver->endpoint_count, (int64_t)receiver->link_count);
    return index;
}

/* --- coming and going --- */

static void symbol_add(struct receiver *receiver, size_t symbol)
{
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->streams.items[i].symbol == symbol && receiver->streams.items[i].link == STREAM_UNHEARD)
            receiver_assign(receiver, &receiver->streams.items[i]);
    for (size_t i = 0; i < receiver->link_count; i++)
        if (receiver_request(receiver, symbol, i, true))
            receiver_connect(receiver, i);
}

static void link_close(struct receiver *receiver, size_t index)
{
    struct link *link = &receiver->links[index];
    receiver_drop(receiver, &link->current, "1000 its symbols have moved");
    receiver_drop(receiver, &link->successor, "1000 its symbols have moved");
    receiver_endpoint_closed(receiver, index);
    receiver_forget_requests(receiver, index);
    link->has_ended = link->is_lacking = false;
    receiver_begin_end(receiver); /* it may have been the last one that the recording's end was awaited on */
}

static void symbol_remove(struct receiver *receiver, size_t symbol)
{
    for (size_t i = 0; i < receiver->link_count; i++) {
        if (!receiver_request(receiver, symbol, i, false))
            continue;
        for (size_t k = 0; k < receiver->streams.count; k++) {
            struct stream *stream = &receiver->streams.items[k];
            if (stream->symbol != symbol || stream->link != i)
                continue;
            stream->link = STREAM_UNHEARD;
            receiver->links[i].used--;
        }
        if (receiver->links[i].used)
            receiver_connect(receiver, i);
        else
            link_close(receiver, i);
    }
}

static void obey(struct receiver *receiver, const struct order *order)
{
    if (order->move_json) {
        receiver_append(receiver, CAPTURE_MOVE, 0, order->move_json, strlen(order->move_json));
        receiver_flush(receiver);
        if (order->listen)
            crash_point("after_expect");
    }
    if (receiver->is_heard[order->symbol] == order->listen)
        return;
    receiver->is_heard[order->symbol] = order->listen;
    log_event(LOG_INFO, order->listen ? "listen" : "unlisten", "symbol=%s",
              receiver->config.symbols[order->symbol]);
    if (receiver->phase != PHASE_OPEN)
        return; /* before it is open, the sockets are opened with it; behind the end nothing comes */
    if (order->listen)
        symbol_add(receiver, order->symbol);
    else
        symbol_remove(receiver, order->symbol);
    receiver_note_served(receiver);
}

/* --- orders --- */

static struct order *take_order(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    struct order *order = receiver->orders;
    if (order)
        receiver->orders = order->next;
    pthread_mutex_unlock(&receiver->mutex);
    return order;
}

static void order_free(struct order *order)
{
    free(order->move_json);
    free(order);
}

void receiver_obey_orders(struct receiver *receiver)
{
    for (struct order *order; (order = take_order(receiver)); order_free(order))
        obey(receiver, order);
}

void receiver_orders_drop(struct receiver *receiver)
{
    for (struct order *order; (order = take_order(receiver));)
        order_free(order);
}

static void give_order(struct receiver *receiver, size_t symbol, bool listen, const char *move_json)
{
    struct order *order = memory_allocate(sizeof *order), **last = &receiver->orders;
    *order = (struct order){
        .symbol = symbol, .listen = listen, .move_json = move_json ? memory_copy_text(move_json) : NULL};
    receiver->is_wanted[symbol] = listen;
    pthread_mutex_lock(&receiver->mutex);
    while (*last)
        last = &(*last)->next;
    *last = order;
    pthread_mutex_unlock(&receiver->mutex);
    websocket_client_wake(receiver->sockets);
}

void receiver_listen(struct receiver *receiver, size_t symbol, const char *move_json)
{
    give_order(receiver, symbol, true, move_json);
}

void receiver_forget(struct receiver *receiver, size_t symbol, const char *move_json)
{
    give_order(receiver, symbol, false, move_json);
}

bool receiver_listens(const struct receiver *receiver, size_t symbol)
{
    return receiver->is_wanted[symbol];
}

uint64_t receiver_serves(const struct receiver *receiver, size_t symbol)
{
    return atomic_load(&receiver->served_since[symbol]);
}
