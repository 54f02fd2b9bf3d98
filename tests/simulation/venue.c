#include "tests/simulation/venue_private.h"

#include "base/json.h"
#include "base/memory.h"
#include "net/websocket_client.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/trace.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOCKETS_MAX = 4,
    OPEN_MAX = 8,   /* connections of all harvests */
    LEAD_MAX = 200, /* messages that one of them may be ahead of another */
    ANSWERS_MAX = 8,
    LOST_MESSAGES = 30, /* that a broken connection may swallow */
    HOUR_MS = 3600000,
};

/* said: one message of the market on its way. */
struct said {
    struct said *next;
    int64_t number; /* from 0, without holes */
    int64_t recv_ns;
    uint16_t symbol;
    bool snapshot;
    size_t bytes;
    char text[];
};

static struct {
    struct venue_market *market;
    struct said *first, *last; /* what some connection has still to read */
    int64_t front, front_ns; /* the first message that no connection has read; when the one before it came */
    bool ended;
    bool fetched[VENUE_SYMBOLS]; /* the first snapshot */
    int64_t begin_ns;
    int64_t wall_ns[PROCESS_COUNT]; /* of each harvest: of the newest message that it has read */
    int64_t deaf_ns[PROCESS_COUNT][VENUE_SYMBOLS]; /* a connection that heard the symbol was lost then */
    int64_t count, numbers, read;
    struct websocket *open[OPEN_MAX];
    size_t open_count;
} world;

/* --- the market --- */

void venue_market_open(struct venue_market *market, uint64_t number)
{
    struct error error;
    *market = (struct venue_market){
        .number = number, .rough = number % 8 == 7, .length_ms = 110000 + 1000 * (int64_t)(number % 7)};
    market->start_ms =
        SYNTHETIC_START_MS / HOUR_MS * HOUR_MS + HOUR_MS - 50000 + 1000 * (int64_t)(number % 11);
    struct synthetic_config config = {
        .seed = 1000 + number,
        .symbols = VENUE_NAMES,
        .symbol_count = VENUE_SYMBOLS,
        .market = MARKET_USDM,
        .rate_per_s = 3,
        .flow_strength = 1,
        .start_ms = market->start_ms,
        .length_ms = market->length_ms,
    };
    if (synthetic_create(&config, &market->synthetic, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
}

void venue_market_close(struct venue_market *market)
{
    synthetic_destroy(market->synthetic);
    market->synthetic = NULL;
}

void venue_begin(struct venue_market *market)
{
    while (world.first) {
        struct said *said = world.first;
        world.first = said->next;
        free(said);
    }
    memset(&world, 0, sizeof world);
    world.market = market;
    world.begin_ns = market ? market->start_ms * NS_PER_MS : SYNTHETIC_START_MS * NS_PER_MS;
    for (size_t i = 0; i < PROCESS_COUNT; i++)
        world.wall_ns[i] = world.begin_ns;
}

int64_t venue_begin_ns(void)
{
    return world.begin_ns;
}

int64_t venue_wall_ns(const struct process *process)
{
    return world.wall_ns[process - processes];
}

/* pass_time: for the harvest that runs. */
static void pass_time(int64_t wall_ns)
{
    int64_t *own_ns = &world.wall_ns[fiber_process() - processes];
    if (wall_ns > *own_ns)
        *own_ns = wall_ns;
}

int64_t venue_messages(void)
{
    return world.read;
}

static struct said *say_text(const struct synthetic_message *message, bool snapshot)
{
    struct said *said = memory_allocate(sizeof *said + message->bytes);
    said->number = world.numbers++;
    said->recv_ns = message->recv_ns;
    said->symbol = message->symbol;
    said->snapshot = snapshot;
    said->bytes = message->bytes;
    memcpy(said->text, message->text, message->bytes);
    if (world.last && world.first)
        world.last->next = said;
    else
        world.first = said;
    return world.last = said;
}

/* say: what a rough market does to a message depends on the message's number alone. */
static void say(void *context, const struct synthetic_message *message, bool snapshot)
{
    struct random random;
    (void)context;
    random_seed(&random, world.market->number * 1000003 + (uint64_t)world.count++);
    uint64_t lot = world.market->rough && !snapshot ? random_below(&random, 400) : 1000;
    if (lot == 0)
        return; /* withheld: a hole */
    struct said *said = say_text(message, snapshot);
    if (lot == 1)
        said->text[said->bytes / 2] = '\\';
    else if (lot < 6)
        say_text(message, snapshot);
}

static struct said *find(int64_t number)
{
    struct said *said = world.first;
    while (said && said->number < number)
        said = said->next;
    return said;
}

/* item: the message of a number, said if it has not been; NULL: the market is over. */
static struct said *item(int64_t number)
{
    struct said *said;
    while (!(said = find(number)) && !world.ended)
        if (synthetic_step(world.market->synthetic, say, NULL) != STATUS_OK)
            world.ended = true;
    return said;
}

/* --- net/websocket_client.h --- */

enum socket_state { SOCKET_NONE, SOCKET_WAITING, SOCKET_OPEN, SOCKET_GIVEN_UP };

struct websocket {
    struct websocket_client *client;
    enum socket_state state;
    int64_t due_ns; /* waiting: the next attempt; open: the next message */
    bool paused;
    void *data;
    char url[1024];
    const struct process *process;
    bool hears[VENUE_SYMBOLS]; /* open … */
    int64_t next;              /* … number of the message it reads next */
    int64_t answers[ANSWERS_MAX];
    size_t answer_count;
};

struct websocket_client {
    struct websocket_client_config config;
    struct websocket sockets[SOCKETS_MAX];
    bool woken;
};

/* --- connections and the market --- */

static bool is_heard(size_t symbol)
{
    for (size_t i = 0; i < world.open_count; i++)
        if (world.open[i]->hears[symbol])
            return true;
    return false;
}

static int64_t slowest(void)
{
    int64_t least = world.front;
    for (size_t i = 0; i < world.open_count; i++)
        if (world.open[i]->next < least)
            least = world.open[i]->next;
    return least;
}

static void drop_read(void)
{
    int64_t least = slowest();
    while (world.first && world.first->number < least) {
        struct said *said = world.first;
        world.first = said->next;
        free(said);
    }
}

static void pass(struct websocket *socket, const struct said *said)
{
    socket->next = said->number + 1;
    if (socket->next > world.front) {
        world.front = socket->next;
        world.front_ns = said->recv_ns;
    }
    drop_read();
}

/* next_message: the one that a connection reads next; NULL: the market stands, or is over. It stands in front of a symbol's first
 * snapshot, of what nobody hears, and when somebody is far behind. */
static struct said *next_message(struct websocket *socket)
{
    struct said *said;
    while ((said = item(socket->next))) {
        bool is_passed = said->snapshot ? world.fetched[said->symbol]
                                        : !socket->hears[said->symbol] &&
                                              (said->number < world.front || is_heard(said->symbol));
        if (!is_passed)
            break;
        pass(socket, said);
    }
    bool stands =
        !said || said->snapshot || !socket->hears[said->symbol] || socket->next - slowest() > LEAD_MAX;
    return stands ? NULL : said;
}

static bool is_over(void)
{
    return !item(world.front) && world.ended;
}

static void note_deaf(const struct websocket *socket, size_t symbol)
{
    if (socket->hears[symbol])
        world.deaf_ns[socket->process - processes][symbol] = fiber_now_ns();
}

int64_t venue_deaf_since_ns(const struct process *process, size_t symbol)
{
    for (size_t i = 0; i < world.open_count; i++)
        if (world.open[i]->process == process && world.open[i]->hears[symbol])
            return INT64_MAX;
    return world.deaf_ns[process - processes][symbol];
}

static void hear(struct websocket *socket, const char *text, bool hears)
{
    for (size_t i = 0; i < VENUE_SYMBOLS; i++) {
        char name[16] = "";
        for (size_t k = 0; VENUE_NAMES[i][k]; k++)
            name[k] = (char)tolower((unsigned char)VENUE_NAMES[i][k]);
        if (!strstr(text, name))
            continue;
        if (!hears)
            note_deaf(socket, i);
        socket->hears[i] = hears;
    }
}

static void open_socket(struct websocket *socket)
{
    if (world.open_count == OPEN_MAX)
        abort();
    socket->state = SOCKET_OPEN;
    socket->next = world.front;
    socket->answer_count = 0;
    memset(socket->hears, 0, sizeof socket->hears);
    hear(socket, socket->url, true);
    world.open[world.open_count++] = socket;
    pass_time(world.front_ns);
}

static void close_socket(const struct websocket *socket)
{
    for (size_t i = world.open_count; i > 0; i--) {
        if (world.open[i - 1] != socket)
            continue;
        for (size_t symbol = 0; symbol < VENUE_SYMBOLS; symbol++)
            note_deaf(socket, symbol);
        memmove(&world.open[i - 1], &world.open[i], (--world.open_count - (i - 1)) * sizeof *world.open);
    }
    drop_read();
}

void venue_bury(const struct process *process)
{
    for (size_t i = world.open_count; i > 0; i--)
        if (world.open[i - 1]->process == process)
            close_socket(world.open[i - 1]);
}

enum status websocket_client_create(const struct websocket_client_config *config,
                                    struct websocket_client **out_client, struct error *error)
{
    (void)error;
    *out_client = memory_allocate(sizeof **out_client);
    (*out_client)->config = *config;
    return STATUS_OK;
}

void websocket_client_destroy(struct websocket_client *client)
{
    for (size_t i = 0; client && i < SOCKETS_MAX; i++)
        close_socket(&client->sockets[i]);
    free(client);
}

void websocket_client_wake(struct websocket_client *client)
{
    client->woken = true;
    fiber_wake(client, true);
}

enum status websocket_add(struct websocket_client *client, const char *url, void *data,
                          struct websocket **out_socket, struct error *error)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        struct websocket *socket = &client->sockets[i];
        if (socket->state != SOCKET_NONE)
            continue;
        *socket =
            (struct websocket){.client = client,
                               .state = SOCKET_WAITING,
                               .process = fiber_process(),
                               .data = data,
                               .due_ns = fiber_now_ns() + NS_PER_MS + fault_below(20 * (int64_t)NS_PER_MS)};
        snprintf(socket->url, sizeof socket->url, "%s", url);
        *out_socket = socket;
        return STATUS_OK;
    }
    return error_set(error, STATUS_LIMIT, "more than %d sockets", SOCKETS_MAX);
}

void websocket_remove(struct websocket *socket)
{
    close_socket(socket);
    socket->state = SOCKET_NONE;
}

enum status websocket_move(struct websocket *socket, const char *url, struct error *error)
{
    (void)error;
    snprintf(socket->url, sizeof socket->url, "%s", url);
    return STATUS_OK;
}

/* websocket_say: SUBSCRIBE or UNSUBSCRIBE; answered in front of the next message. */
enum status websocket_say(struct websocket *socket, const char *text)
{
    const char *id = strstr(text, "\"id\":");
    if (socket->state != SOCKET_OPEN)
        return STATUS_OK;
    if (!id || socket->answer_count == ANSWERS_MAX)
        return STATUS_LIMIT;
    hear(socket, text, !strstr(text, "UNSUBSCRIBE"));
    socket->answers[socket->answer_count++] = strtoll(id + strlen("\"id\":"), NULL, 10);
    return STATUS_OK;
}

void websocket_pause(struct websocket *socket, bool paused)
{
    socket->paused = paused;
}

bool websocket_is_open(const struct websocket *socket)
{
    return socket->state == SOCKET_OPEN;
}

const char *websocket_url(const struct websocket *socket)
{
    return socket->url;
}

void *websocket_data(const struct websocket *socket)
{
    return socket->data;
}

/* lose: the connection is gone, with what was under way in it. */
static void lose(struct websocket *socket, const char *reason, int64_t swallowed)
{
    struct said *said;
    for (; swallowed > 0 && (said = next_message(socket)); swallowed--)
        pass(socket, said);
    close_socket(socket);
    socket->state = SOCKET_GIVEN_UP;
    trace_event("disconnect", "reason=\"%s\"", reason);
    if (socket->client->config.handlers.lost(socket->client->config.context, socket, reason)) {
        socket->state = SOCKET_WAITING;
        socket->due_ns = fiber_now_ns() + socket->client->config.backoff_initial_ms * NS_PER_MS;
    }
}

void websocket_restart(struct websocket *socket, const char *reason)
{
    lose(socket, reason, 0);
    socket->due_ns = fiber_now_ns();
}

static void answer_requests(struct websocket *socket)
{
    const struct websocket_handlers *handlers = &socket->client->config.handlers;
    size_t count = socket->answer_count;
    socket->answer_count = 0;
    for (size_t i = 0; i < count; i++) {
        char text[64];
        int length =
            snprintf(text, sizeof text, "{\"result\":null,\"id\":%lld}", (long long)socket->answers[i]);
        handlers->message(socket->client->config.context, socket, text, (size_t)length);
    }
}

static bool deliver(struct websocket *socket)
{
    const struct websocket_handlers *handlers = &socket->client->config.handlers;
    struct said *said;
    bool did = socket->answer_count > 0;
    int64_t count = 1 + fault_below(faults_plan()->read_messages);
    answer_requests(socket);
    for (; count > 0 && socket->state == SOCKET_OPEN && (said = next_message(socket)); count--) {
        struct said *read = memory_copy(said, sizeof *said + said->bytes); /* who handles it may hang up */
        pass_time(said->recv_ns);
        world.read++;
        pass(socket, said);
        handlers->message(socket->client->config.context, socket, read->text, read->bytes);
        free(read);
        did = true;
    }
    socket->due_ns = fiber_now_ns() + fault_below(20 * (int64_t)NS_PER_MS);
    return did;
}

/* step: what one socket has to do by now. */
static bool step(struct websocket *socket)
{
    const struct websocket_handlers *handlers = &socket->client->config.handlers;
    if (fiber_now_ns() < socket->due_ns || socket->paused)
        return false;
    if (socket->state == SOCKET_WAITING) {
        open_socket(socket);
        handlers->opened(socket->client->config.context, socket);
        return true;
    }
    if (socket->state != SOCKET_OPEN)
        return false;
    if (fault_disconnect_due()) {
        lose(socket, "1006 the connection was cut", fault_below(LOST_MESSAGES));
        return true;
    }
    if (!next_message(socket) && !item(socket->next) && is_over()) {
        lose(socket, "1000 end of recording", 0);
        return true;
    }
    return deliver(socket);
}

static int64_t due_ns(const struct websocket_client *client)
{
    int64_t due = FIBER_NEVER;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        const struct websocket *socket = &client->sockets[i];
        bool waits = socket->state == SOCKET_WAITING || socket->state == SOCKET_OPEN;
        if (waits && !socket->paused && socket->due_ns < due)
            due = socket->due_ns;
    }
    return due;
}

enum status websocket_client_run_once(struct websocket_client *client, int timeout_ms)
{
    int64_t until_ns = fiber_now_ns() + (int64_t)timeout_ms * NS_PER_MS;
    for (;;) {
        bool did = client->woken;
        client->woken = false;
        for (size_t i = 0; i < SOCKETS_MAX; i++)
            did = (client->sockets[i].state != SOCKET_NONE && step(&client->sockets[i])) || did;
        if (did || fiber_now_ns() >= until_ns)
            return STATUS_OK;
        int64_t due = due_ns(client);
        fiber_wait(client, due < until_ns ? due : until_ns);
    }
}

/* --- what its REST interface tells (venue_rest.c) --- */

struct synthetic *venue_synthetic(void)
{
    return world.market->synthetic;
}

/* has_read: the harvest that runs has read what lies before this message. */
static bool has_read(int64_t number)
{
    bool all = true;
    for (size_t i = 0; i < world.open_count; i++)
        if (world.open[i]->process == fiber_process())
            all = all && !next_message(world.open[i]) && world.open[i]->next >= number;
    return all;
}

bool venue_depth(size_t symbol, struct buffer *out)
{
    if (!world.fetched[symbol] && !is_over()) {
        const struct said *said = item(world.front);
        if (!said || !said->snapshot || said->symbol != symbol || !has_read(said->number))
            return false;
        buffer_append(out, said->text, said->bytes);
        pass_time(said->recv_ns);
        world.fetched[symbol] = true;
        return true;
    }
    synthetic_depth(world.market->synthetic, (uint16_t)symbol, 1000, out);
    return true;
}

const char *websocket_library_version(void)
{
    return NULL;
}
