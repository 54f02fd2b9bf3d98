#include "venue.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { PORT_BYTES_MAX = 32, STREAMS_BYTES_MAX = 8 * 1024 * 1024 };

static void copy_text(yyjson_val *value, char *out_text, size_t size)
{
    if (yyjson_is_str(value))
        snprintf(out_text, size, "%s", yyjson_get_str(value));
}

/* take_stream_names: which trades and which depth stream there are, from names like "btcusdt@depth@0ms".
 * Aggregated trades are taken where they are offered (algorithms.md §1). */
static void take_stream_names(yyjson_val *names, struct venue_streams *streams)
{
    size_t index, count;
    yyjson_val *name;
    yyjson_arr_foreach(names, index, count, name)
    {
        const char *kind = yyjson_is_str(name) ? strchr(yyjson_get_str(name), '@') : NULL;
        if (!kind)
            continue;
        bool first_depth = !*streams->depth_stream;
        if (strcmp(kind, "@aggTrade") == 0)
            snprintf(streams->trade_stream, sizeof streams->trade_stream, "aggTrade");
        else if (strcmp(kind, "@trade") == 0 && !*streams->trade_stream)
            snprintf(streams->trade_stream, sizeof streams->trade_stream, "trade");
        else if (first_depth && (strcmp(kind, "@depth") == 0 || strncmp(kind, "@depth@", 7) == 0))
            snprintf(streams->depth_stream, sizeof streams->depth_stream, "%s", kind);
    }
}

static enum status take_symbols(yyjson_val *symbols, struct venue_streams *streams, struct error *error)
{
    size_t index, count;
    yyjson_val *symbol;
    if (!yyjson_is_arr(symbols) || yyjson_arr_size(symbols) == 0 ||
        yyjson_arr_size(symbols) > VENUE_SYMBOLS_MAX)
        return error_set(error, STATUS_MALFORMED, "the simulator names %zu symbols; 1 to %d are possible",
                         yyjson_arr_size(symbols), VENUE_SYMBOLS_MAX);
    streams->symbols = memory_allocate(yyjson_arr_size(symbols) * sizeof *streams->symbols);
    yyjson_arr_foreach(symbols, index, count, symbol)
    {
        if (!yyjson_is_str(symbol))
            return error_set(error, STATUS_MALFORMED, "the simulator's symbol %zu is not a text", index + 1);
        streams->symbols[streams->symbol_count++] = memory_copy_text(yyjson_get_str(symbol));
    }
    return STATUS_OK;
}

enum status venue_streams_parse(const void *json, size_t bytes, struct venue_streams *out_streams,
                                struct error *error)
{
    struct venue_streams streams = {0};
    yyjson_doc *document = bytes ? yyjson_read(json, bytes, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    enum status status = STATUS_OK;
    if (!yyjson_is_obj(root))
        status = error_set(error, STATUS_MALFORMED, "the simulator's list of streams is not a JSON object");
    copy_text(yyjson_obj_get(root, "market"), streams.market, sizeof streams.market);
    copy_text(yyjson_obj_get(root, "trade_stream"), streams.trade_stream, sizeof streams.trade_stream);
    copy_text(yyjson_obj_get(root, "depth_stream"), streams.depth_stream, sizeof streams.depth_stream);
    streams.messages = yyjson_get_sint(yyjson_obj_get(root, "messages"));
    streams.skipped = yyjson_get_sint(yyjson_obj_get(root, "skipped"));
    streams.first_recv_ms = yyjson_get_sint(yyjson_obj_get(root, "first_recv_ms"));
    streams.last_recv_ms = yyjson_get_sint(yyjson_obj_get(root, "last_recv_ms"));
    take_stream_names(yyjson_obj_get(root, "streams"), &streams);
    if (status == STATUS_OK)
        status = take_symbols(yyjson_obj_get(root, "symbols"), &streams, error);
    yyjson_doc_free(document);
    if (status == STATUS_OK)
        *out_streams = streams;
    else
        venue_streams_finish(&streams);
    return status;
}

enum status venue_streams_read(const char *path, struct venue_streams *out_streams, struct error *error)
{
    struct buffer text;
    buffer_init(&text, STREAMS_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK)
        status = venue_streams_parse(text.data, text.length, out_streams, error);
    else
        error_set(error, status, "%s: the simulator has not written what it serves (%s)", path,
                  status_name(status));
    buffer_finish(&text);
    return status;
}

double venue_share(const struct venue_streams *streams, int64_t messages, int64_t event_ms)
{
    if (streams->messages > 0)
        return messages < 0 ? NAN : (double)messages / (double)streams->messages;
    if (streams->last_recv_ms <= streams->first_recv_ms || event_ms < 0)
        return NAN;
    return (double)(event_ms - streams->first_recv_ms) /
           (double)(streams->last_recv_ms - streams->first_recv_ms);
}

void venue_streams_finish(struct venue_streams *streams)
{
    for (size_t i = 0; i < streams->symbol_count; i++)
        free(streams->symbols[i]);
    free(streams->symbols);
    *streams = (struct venue_streams){0};
}

bool venue_streams_have(const struct venue_streams *streams, const char *symbol)
{
    for (size_t i = 0; i < streams->symbol_count; i++)
        if (strcmp(streams->symbols[i], symbol) == 0)
            return true;
    return false;
}

enum status venue_port_read(const char *path, int64_t *out_port, struct error *error)
{
    struct buffer text;
    buffer_init(&text, PORT_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status != STATUS_OK) {
        buffer_finish(&text);
        return error_set(error, STATUS_IO, "%s: the simulator has not written its port (%s)", path,
                         status_name(status));
    }
    char *end;
    long long port = strtoll(buffer_text(&text), &end, 10);
    bool good = end != buffer_text(&text) && port > 0 && port < 65536;
    buffer_finish(&text);
    if (!good)
        return error_set(error, STATUS_MALFORMED, "%s does not hold a port number", path);
    *out_port = port;
    return STATUS_OK;
}
