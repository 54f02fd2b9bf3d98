/* subscription: what a client listens to, and the messages by which it changes that while connected:
 *   {"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}        → {"result":null,"id":1}
 *   UNSUBSCRIBE likewise; LIST_SUBSCRIPTIONS; SET_PROPERTY and GET_PROPERTY "combined". */
#include "simulator_internal.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static size_t find_unknown(const struct client *client, const char *name)
{
    size_t i = 0;
    while (i < client->unknown_count && strcmp(client->unknown[i], name) != 0)
        i++;
    return i;
}

/* listen: a client without a stream of the market has not been reading; it begins where the market is. */
static void listen_to(struct simulator *simulator, struct client *client, uint16_t stream)
{
    if (!client->subscribed_count)
        client->cursor = client->given = simulator->market.position;
    client->subscribed[stream] = true;
    client->subscribed_count++;
    uint16_t symbol = venue_catalogue(&simulator->venue)->streams[stream].symbol;
    if (symbol != SYMBOL_NONE)
        client->symbol_streams[symbol]++;
    if (symbol != SYMBOL_NONE && simulator->needed)
        simulator->needed[symbol] = true;
    if (simulator_attended(simulator))
        market_start(&simulator->market, simulator_now_ns(simulator));
    server_socket_ask(client->socket);
}

bool client_subscribe(struct simulator *simulator, struct client *client, const char *name)
{
    uint16_t stream = catalogue_stream(venue_catalogue(&simulator->venue), name);
    if (stream != STREAM_NONE && client->subscribed[stream])
        return true;
    if (stream == STREAM_NONE && find_unknown(client, name) < client->unknown_count)
        return true;
    if (client->subscribed_count + client->unknown_count >= SIMULATOR_SUBSCRIPTIONS_MAX)
        return false;
    if (stream != STREAM_NONE) {
        listen_to(simulator, client, stream);
        return true;
    }
    client->unknown = memory_resize(client->unknown, (client->unknown_count + 1) * sizeof *client->unknown);
    client->unknown[client->unknown_count++] = memory_copy_text(name);
    return true;
}

void client_unsubscribe(struct simulator *simulator, struct client *client, const char *name)
{
    uint16_t stream = catalogue_stream(venue_catalogue(&simulator->venue), name);
    if (stream == STREAM_NONE) {
        size_t found = find_unknown(client, name);
        if (found == client->unknown_count)
            return;
        free(client->unknown[found]);
        client->unknown[found] = client->unknown[--client->unknown_count];
        return;
    }
    if (!client->subscribed[stream])
        return;
    client->subscribed[stream] = false;
    client->subscribed_count--;
    uint16_t symbol = venue_catalogue(&simulator->venue)->streams[stream].symbol;
    if (symbol != SYMBOL_NONE)
        client->symbol_streams[symbol]--;
}

/* ---- commands ---- */

struct command {
    struct simulator *simulator;
    struct client *client;
    yyjson_val *params;
    struct json reply; /* inside the object, before "id" */
};

static void reply_error(struct json *reply, int code, const char *message)
{
    json_key(reply, "error");
    json_object_begin(reply);
    json_key_i64(reply, "code", code);
    json_key_text(reply, "msg", message);
    json_object_end(reply);
}

/* stream_names: whether params is a list of texts, as both subscribing methods need. */
static bool stream_names(struct command *command)
{
    size_t index, count;
    yyjson_val *name;
    bool good = yyjson_is_arr(command->params);
    yyjson_arr_foreach(command->params, index, count, name) good = good && yyjson_is_str(name);
    if (!good)
        reply_error(&command->reply, 2, "Invalid request: params must be an array of stream names");
    return good;
}

static void subscribe(struct command *command)
{
    size_t index, count;
    yyjson_val *name;
    if (!stream_names(command))
        return;
    yyjson_arr_foreach(command->params, index, count, name)
    {
        if (!client_subscribe(command->simulator, command->client, yyjson_get_str(name))) {
            reply_error(&command->reply, 2, "Invalid request: too many streams on this connection");
            return;
        }
    }
    json_key_null(&command->reply, "result");
}

static void unsubscribe(struct command *command)
{
    size_t index, count;
    yyjson_val *name;
    if (!stream_names(command))
        return;
    yyjson_arr_foreach(command->params, index, count, name)
    {
        client_unsubscribe(command->simulator, command->client, yyjson_get_str(name));
    }
    json_key_null(&command->reply, "result");
}

static void list_subscriptions(struct command *command)
{
    const struct client *client = command->client;
    const struct catalogue *catalogue = venue_catalogue(&command->simulator->venue);
    json_key(&command->reply, "result");
    json_array_begin(&command->reply);
    for (size_t i = 0; i < command->simulator->stream_count; i++)
        if (client->subscribed[i])
            json_text(&command->reply, catalogue->streams[i].name);
    for (size_t i = 0; i < client->unknown_count; i++)
        json_text(&command->reply, client->unknown[i]);
    json_array_end(&command->reply);
}

static bool names_combined(struct command *command)
{
    yyjson_val *name = yyjson_arr_get(command->params, 0);
    bool good = yyjson_is_str(name) && strcmp(yyjson_get_str(name), "combined") == 0;
    if (!good)
        reply_error(&command->reply, 0, "Unknown property: only \"combined\"");
    return good;
}

static void set_property(struct command *command)
{
    yyjson_val *value = yyjson_arr_get(command->params, 1);
    if (!names_combined(command))
        return;
    if (!yyjson_is_bool(value)) {
        reply_error(&command->reply, 1, "Invalid value type: expected Boolean");
        return;
    }
    command->client->combined = yyjson_get_bool(value);
    json_key_null(&command->reply, "result");
}

static void get_property(struct command *command)
{
    if (names_combined(command))
        json_key_bool(&command->reply, "result", command->client->combined);
}

static const struct method {
    const char *name;
    void (*run)(struct command *command);
} METHODS[] = {
    {"SUBSCRIBE", subscribe},
    {"UNSUBSCRIBE", unsubscribe},
    {"LIST_SUBSCRIPTIONS", list_subscriptions},
    {"SET_PROPERTY", set_property},
    {"GET_PROPERTY", get_property},
};

static void run_method(struct command *command, yyjson_val *root)
{
    const char *name = yyjson_get_str(yyjson_obj_get(root, "method"));
    command->params = yyjson_obj_get(root, "params");
    for (size_t i = 0; name && i < sizeof METHODS / sizeof *METHODS; i++)
        if (strcmp(name, METHODS[i].name) == 0) {
            METHODS[i].run(command);
            return;
        }
    if (yyjson_is_obj(root))
        reply_error(&command->reply, 2,
                    "Invalid request: method must be SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, "
                    "SET_PROPERTY or GET_PROPERTY");
    else
        reply_error(&command->reply, 3, "Invalid JSON");
}

static void reply_id(struct json *reply, yyjson_val *id)
{
    if (yyjson_is_int(id))
        json_key_i64(reply, "id", yyjson_get_sint(id));
    else if (yyjson_is_str(id))
        json_key_text(reply, "id", yyjson_get_str(id));
    else
        json_key_null(reply, "id");
}

void client_command(struct simulator *simulator, struct client *client, const char *text, size_t bytes)
{
    yyjson_doc *document = yyjson_read(text, bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    struct command command = {.simulator = simulator, .client = client};
    json_init(&command.reply, &client->replies);
    json_object_begin(&command.reply);
    run_method(&command, root);
    reply_id(&command.reply, yyjson_obj_get(root, "id"));
    json_object_end(&command.reply);
    buffer_append_byte(&client->replies, 0);
    yyjson_doc_free(document);
    server_socket_ask(client->socket);
}
