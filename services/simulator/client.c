/* client: one WebSocket connection, reading the tape at its own pace. Nothing is queued for it: it has a place
 * on the tape, and is given the next messages when its connection takes them. */
#include "simulator_internal.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* stream_path: behind an optional route ("/public", "/market"); NULL: not a path of streams. */
static const char *stream_path(const char *path)
{
    static const char *const ROUTES[] = {"/public", "/market"};
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++)
        if (strncmp(path, ROUTES[i], strlen(ROUTES[i])) == 0)
            path += strlen(ROUTES[i]);
    bool combined = strcmp(path, "/stream") == 0;
    bool single = strcmp(path, "/ws") == 0 || strncmp(path, "/ws/", 4) == 0;
    return combined || single ? path : NULL;
}

unsigned client_accept(void *context, const struct server_target *target)
{
    struct simulator *simulator = context;
    if (!injured_cuts(simulator->injured))
        return stream_path(target->path) ? 101 : 404;
    injured_cut(simulator->injured);
    return 503;
}

/* subscribe_list: names separated by '/'. */
static bool subscribe_list(struct simulator *simulator, struct client *client, const char *list)
{
    char *names = memory_copy_text(list);
    char *rest = names;
    bool fits = true;
    for (char *name = strsep(&rest, "/"); name && fits; name = strsep(&rest, "/"))
        if (*name)
            fits = client_subscribe(simulator, client, name);
    free(names);
    return fits;
}

void client_open(void *context, struct server_socket *socket, const struct server_target *target)
{
    struct simulator *simulator = context;
    struct client *client = memory_allocate(sizeof *client);
    const char *path = stream_path(target->path);
    const char *streams = server_target_argument(target, "streams");
    *client = (struct client){
        .next = simulator->clients,
        .socket = socket,
        .combined = path && strcmp(path, "/stream") == 0,
        .idle = true,
        .cursor = simulator->market.position,
        .given = simulator->market.position,
        .subscribed = memory_allocate(simulator->stream_count * sizeof *client->subscribed),
        .symbol_streams = memory_allocate(simulator->symbol_count * sizeof *client->symbol_streams),
    };
    buffer_init(&client->replies, SIMULATOR_REPLY_BYTES_MAX);
    simulator->clients = client;
    server_socket_set_data(socket, client);
    if (path && strncmp(path, "/ws/", 4) == 0)
        streams = path + 4;
    if (streams && !subscribe_list(simulator, client, streams))
        server_socket_close(socket, 1008, "too many streams");
}

void client_message(void *context, struct server_socket *socket, const char *text, size_t bytes)
{
    struct client *client = server_socket_data(socket);
    client_command(context, client, text, bytes);
    if (client->replies.overflowed) {
        client->done = true;
        server_socket_close(socket, 1008, "too many requests");
    }
}

static bool wants(const struct client *client, const struct tape_entry *entry)
{
    if (entry->flags & TAPE_UNSENT || entry->kind == TAPE_SNAPSHOT)
        return false;
    if (entry->stream != STREAM_NONE)
        return client->subscribed[entry->stream];
    return entry->symbol == SYMBOL_NONE || client->symbol_streams[entry->symbol] > 0;
}

/* send_text: returns whether the block takes more. */
static bool send_text(struct simulator *simulator, struct client *client, const char *text, size_t bytes)
{
    simulator->messages_sent++;
    simulator->bytes_sent += (int64_t)bytes;
    return server_socket_send(client->socket, text, bytes);
}

/* send_nonsense: an ordered fault: something that is no message comes first. */
static void send_nonsense(struct simulator *simulator, struct client *client, const char *text, size_t bytes)
{
    char nonsense[1024];
    size_t length = injured_nonsense(simulator->injured, text, bytes, nonsense, sizeof nonsense);
    if (length)
        send_text(simulator, client, nonsense, length);
}

static bool deliver(struct simulator *simulator, struct client *client, const struct tape_entry *entry)
{
    bool whole = client->combined || entry->flags & TAPE_RAW;
    const char *text = whole ? entry->text : entry->text + entry->data_offset;
    size_t bytes = whole ? entry->bytes : entry->data_bytes;
    if (entry->kind == TAPE_MESSAGE) {
        send_nonsense(simulator, client, text, bytes);
        return send_text(simulator, client, text, bytes);
    }
    client->done = true;
    if (entry->kind == TAPE_CUT)
        server_socket_cut(client->socket, text, bytes);
    else
        server_socket_close(client->socket, entry->close_code, entry->bytes ? entry->text : "");
    return false;
}

static bool send_replies(struct simulator *simulator, struct client *client)
{
    bool room = true;
    const char *at = buffer_text(&client->replies), *end = at + client->replies.length;
    while (at < end) {
        size_t bytes = strlen(at);
        room = send_text(simulator, client, at, bytes);
        at += bytes + 1;
    }
    buffer_clear(&client->replies);
    return room;
}

bool client_writable(void *context, struct server_socket *socket)
{
    struct simulator *simulator = context;
    struct client *client = server_socket_data(socket);
    client->idle = true;
    if (injured_cuts(simulator->injured) && !client->done) {
        injured_cut(simulator->injured);
        client->done = true;
        server_socket_cut(socket, "{\"broken\":0}", sizeof "{\"broken\":0}" - 1);
        return false;
    }
    if (injured_stalls(simulator->injured, 0))
        return false;
    client->idle = false;
    if (!client->subscribed_count)
        client->cursor = simulator->market.position;
    bool room = send_replies(simulator, client);
    while (room && !client->done && client->subscribed_count) {
        if (client->cursor == simulator->market.position && !simulator_advance(simulator, client->cursor))
            break;
        const struct tape_entry *entry = tape_at(venue_tape(&simulator->venue), client->cursor++);
        if (wants(client, entry))
            room = deliver(simulator, client, entry);
    }
    if (!room)
        return true;
    if (!client->done && client->cursor == simulator->market.position && market_ended(&simulator->market)) {
        client->done = true;
        server_socket_close(socket, 1000, "end of recording");
    }
    client->idle = true;
    return false;
}

bool client_has_work(struct simulator *simulator, const struct client *client)
{
    if (!client->idle || client->done)
        return false;
    return client->replies.length ||
           (client->subscribed_count && client->cursor < simulator->market.position) ||
           market_ended(&simulator->market);
}

void client_closed(void *context, struct server_socket *socket)
{
    struct simulator *simulator = context;
    struct client *client = server_socket_data(socket);
    for (struct client **link = &simulator->clients; *link; link = &(*link)->next)
        if (*link == client) {
            *link = client->next;
            break;
        }
    for (size_t i = 0; i < client->unknown_count; i++)
        free(client->unknown[i]);
    free(client->unknown);
    free(client->subscribed);
    free(client->symbol_streams);
    buffer_finish(&client->replies);
    free(client);
}
