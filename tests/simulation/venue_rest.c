/* The venue's REST interface: what stands in for net/rest_client.h. */
#include "base/memory.h"
#include "net/rest_client.h"
#include "tests/simulation/fault.h"
#include "tests/simulation/venue_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS_MAX = 64 };

struct pending_request {
    bool used, ready;
    char url[512];
    void *data;
    int64_t due_ns;
    long status;
    struct buffer body;
};

struct rest_client {
    struct rest_client_config config;
    struct pending_request requests[REQUESTS_MAX];
    size_t pending;
};

enum status rest_client_create(const struct rest_client_config *config, struct rest_client **out_client,
                               struct error *error)
{
    (void)error;
    *out_client = memory_allocate(sizeof **out_client);
    (*out_client)->config = *config;
    return STATUS_OK;
}

void rest_client_destroy(struct rest_client *client)
{
    free(client);
}

size_t rest_client_pending(const struct rest_client *client)
{
    return client->pending;
}

int64_t rest_client_due_ms(const struct rest_client *client)
{
    (void)client;
    return -1;
}

enum status rest_request_start(struct rest_client *client, const struct rest_request *request)
{
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        struct pending_request *pending = &client->requests[i];
        if (pending->used)
            continue;
        *pending = (struct pending_request){.used = true,
                                            .data = request->data,
                                            .due_ns = fiber_now_ns() + NS_PER_MS +
                                                      fault_below(40 * (int64_t)NS_PER_MS)};
        snprintf(pending->url, sizeof pending->url, "%s", request->url);
        buffer_init(&pending->body, 0);
        client->pending++;
        return STATUS_OK;
    }
    return STATUS_LIMIT;
}

static void answer_streams(struct buffer *out)
{
    buffer_append_text(out, "{\"market\":\"usdm\",\"streams\":[");
    for (size_t i = 0; i < VENUE_SYMBOLS; i++) {
        char name[16] = "";
        for (size_t k = 0; VENUE_NAMES[i][k]; k++)
            name[k] = (char)tolower((unsigned char)VENUE_NAMES[i][k]);
        buffer_format(out, "%s\"%s@aggTrade\",\"%s@bookTicker\",\"%s@depth@100ms\"", i ? "," : "", name, name,
                      name);
    }
    buffer_append_text(out, "]}");
}

static void answer_instruments(struct buffer *out)
{
    buffer_append_text(out, "{\"symbols\":[");
    for (uint16_t i = 0; i < VENUE_SYMBOLS; i++) {
        struct synthetic_scale scale = synthetic_scale(venue_synthetic(), i);
        buffer_format(out,
                      "%s{\"symbol\":\"%s\",\"pricePrecision\":%d,\"quantityPrecision\":%d,\"filters\":[{"
                      "\"filterType\":"
                      "\"PRICE_FILTER\",\"tickSize\":\"0.%0*d\"},{\"filterType\":\"LOT_SIZE\",\"stepSize\":"
                      "\"0.%0*d\"}]}",
                      i ? "," : "", VENUE_NAMES[i], scale.price_decimals, scale.quantity_decimals,
                      scale.price_decimals, 1, scale.quantity_decimals, 1);
    }
    buffer_append_text(out, "]}");
}

static size_t symbol_in(const char *url)
{
    for (size_t i = 0; i < VENUE_SYMBOLS; i++)
        if (strstr(url, VENUE_NAMES[i]))
            return i;
    return 0;
}

static int64_t number_in(const char *url, const char *key)
{
    const char *at = strstr(url, key);
    return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static bool answer(struct pending_request *pending)
{
    pending->status = 200;
    if (strstr(pending->url, "/simulator/streams"))
        answer_streams(&pending->body);
    else if (strstr(pending->url, "/exchangeInfo"))
        answer_instruments(&pending->body);
    else if (strstr(pending->url, "/aggTrades"))
        synthetic_agg_trades(venue_synthetic(), (uint16_t)symbol_in(pending->url),
                             number_in(pending->url, "fromId="), (size_t)number_in(pending->url, "limit="),
                             &pending->body);
    else
        return venue_depth(symbol_in(pending->url), &pending->body);
    return true;
}

static void finish(struct rest_client *client, struct pending_request *pending)
{
    struct buffer body = pending->body;
    struct rest_answer given = {
        .url = pending->url,
        .http_status = pending->status,
        .body = buffer_text(&body),
        .body_bytes = body.length,
        .attempts = 1,
    };
    client->pending--;
    client->config.done(client->config.context, pending->data, &given);
    pending->used = false;
    buffer_finish(&body);
}

void rest_client_run(struct rest_client *client, int timeout_ms)
{
    (void)timeout_ms;
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        struct pending_request *pending = &client->requests[i];
        if (!pending->used || fiber_now_ns() < pending->due_ns)
            continue;
        if (!pending->ready && !(pending->ready = answer(pending)))
            continue;
        finish(client, pending);
    }
}
