/* The named reference of the end-to-end figure: a client that does nothing but take every WebSocket message of a simulator
 * off its socket and parse it with yyjson. No library in between, no book, no row, no disk.
 *
 * usage: bench_reader PORT REST_PATH SYMBOL,... STREAM/STREAM...      REST_PATH e.g. /fapi/v1/depth
 *
 * The snapshots are asked for at once, as harvest does, since the simulator waits for that. Prints one JSON object: messages,
 * bytes and the seconds from the first message's arrival to the last one's end.
 *
 * links: base yyjson */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yyjson.h>

enum { READ_BYTES = 1 << 20, SYMBOLS_MAX = 64, POOL_BYTES = 64 << 20 };

struct client {
    struct buffer in; /* bytes not yet used, from `used` on */
    size_t used;
    struct buffer message; /* a message that came in fragments */
    bool upgraded, closed;
    void *pool;
    int64_t first_ns, last_ns;
    uint64_t messages, bytes, values;
};

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static int connect_to(int port, const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("connect");
    if (write(descriptor, request, strlen(request)) != (ssize_t)strlen(request))
        give_up("write");
    return descriptor;
}

static void take_message(struct client *client, const uint8_t *text, size_t bytes)
{
    yyjson_alc allocator;
    yyjson_alc_pool_init(&allocator, client->pool, POOL_BYTES);
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text, bytes, 0, &allocator, NULL);
    client->values += yyjson_doc_get_val_count(document);
    client->messages++;
    client->bytes += bytes;
}

/* take_frame: one WebSocket frame (RFC 6455 §5.2; a server's are not masked) when it is complete. */
static bool take_frame(struct client *client)
{
    const uint8_t *at = client->in.data + client->used;
    size_t left = client->in.length - client->used, head = 2;
    if (left < head)
        return false;
    uint64_t length = at[1] & 0x7f;
    if (length >= 126) {
        size_t more = length == 126 ? 2 : 8;
        if (left < head + more)
            return false;
        length = 0;
        for (size_t i = 0; i < more; i++)
            length = length << 8 | at[head + i];
        head += more;
    }
    if (left < head + length)
        return false;
    int opcode = at[0] & 0x0f;
    bool whole = at[0] & 0x80;
    if (opcode == 8)
        client->closed = true;
    else if (opcode == 1 && whole)
        take_message(client, at + head, length);
    else if (opcode <= 1)
        buffer_append(&client->message, at + head, length);
    if (opcode == 0 && whole) {
        take_message(client, client->message.data, client->message.length);
        buffer_clear(&client->message);
    }
    client->used += head + length;
    return true;
}

static void take_bytes(struct client *client, int descriptor)
{
    struct clock clock = clock_system();
    memmove(client->in.data, client->in.data + client->used, client->in.length - client->used);
    client->in.length -= client->used;
    client->used = 0;
    uint8_t *room = buffer_reserve(&client->in, READ_BYTES);
    ssize_t got = read(descriptor, room, READ_BYTES);
    if (got <= 0) {
        client->closed = true;
        return;
    }
    client->in.length += (size_t)got;
    if (!client->upgraded) {
        const char *text = buffer_text(&client->in), *end = strstr(text, "\r\n\r\n");
        if (!end)
            return;
        client->upgraded = true;
        client->used = (size_t)(end - text) + 4;
    }
    if (!client->first_ns && client->in.length > client->used)
        client->first_ns = clock_monotonic_ns(&clock);
    while (!client->closed && take_frame(client))
        ;
    client->last_ns = clock_monotonic_ns(&clock);
}

/* ask_snapshots: one connection per symbol; an answer is read and forgotten. */
static size_t ask_snapshots(int port, const char *path, char *symbols, struct pollfd *out_waiting)
{
    size_t count = 0;
    char *rest = symbols;
    for (char *symbol; count < SYMBOLS_MAX && (symbol = strsep(&rest, ","));) {
        char request[256];
        snprintf(request, sizeof request,
                 "GET %s?symbol=%s&limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path,
                 symbol);
        out_waiting[count++] = (struct pollfd){.fd = connect_to(port, request), .events = POLLIN};
    }
    return count;
}

static void read_all(struct client *client, struct pollfd *waiting, size_t count)
{
    static uint8_t ignored[1 << 16];
    while (!client->closed) {
        if (poll(waiting, count, 30000) <= 0)
            give_up("poll");
        if (waiting[0].revents)
            take_bytes(client, waiting[0].fd);
        for (size_t i = 1; i < count; i++)
            if (waiting[i].revents && read(waiting[i].fd, ignored, sizeof ignored) <= 0) {
                close(waiting[i].fd);
                waiting[i].fd = -1;
            }
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_reader PORT REST_PATH SYMBOL,... STREAM/STREAM...\n");
        return 2;
    }
    struct client client = {.pool = memory_allocate(POOL_BYTES)};
    struct pollfd waiting[SYMBOLS_MAX + 1];
    struct buffer request;
    buffer_init(&client.in, 0);
    buffer_init(&client.message, 0);
    buffer_init(&request, 0);
    buffer_format(
        &request,
        "GET /stream?streams=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        argv[4]);
    waiting[0] = (struct pollfd){.fd = connect_to(atoi(argv[1]), buffer_text(&request)), .events = POLLIN};
    size_t count = 1 + ask_snapshots(atoi(argv[1]), argv[2], argv[3], waiting + 1);
    read_all(&client, waiting, count);
    printf("{\"messages\":%llu,\"bytes\":%llu,\"values\":%llu,\"seconds\":%.6f}\n",
           (unsigned long long)client.messages, (unsigned long long)client.bytes,
           (unsigned long long)client.values, (double)(client.last_ns - client.first_ns) / 1e9);
    buffer_finish(&client.in);
    buffer_finish(&client.message);
    buffer_finish(&request);
    free(client.pool);
    return client.messages == 0;
}
