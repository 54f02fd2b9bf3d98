#include "net/rest_client.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "curl_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS_DEFAULT = 10000, CONNECT_TIMEOUT_MS_MAX = 5000 };

struct transfer {
    struct rest_client *client;
    struct transfer *next;
    CURL *easy;
    struct curl_slist *headers;
    char *url;
    char *method;
    struct buffer request_body;
    struct buffer body;
    int timeout_ms;
    int attempts_allowed;
    int attempts;
    int64_t begun_ms;
    int64_t due_ms; /* monotonic, of the next attempt; 0: under way */
    void *data;
    char error[CURL_ERROR_SIZE];
};

struct rest_client {
    struct rest_client_config config;
    char *user_agent;
    char *unix_socket_path;
    char *certificate_path;
    const struct curl_library *curl; /* NULL until the first request */
    CURLM *multi;
    struct transfer *transfers;
    size_t count;
};

static char *copy_or_null(const char *text)
{
    return text ? memory_copy_text(text) : NULL;
}

enum status rest_client_create(const struct rest_client_config *config, struct rest_client **out_client,
                               struct error *error)
{
    (void)error; /* what can fail waits for the first request */
    struct rest_client *client = memory_allocate(sizeof *client);
    client->config = *config;
    client->user_agent = memory_copy_text(config->user_agent ? config->user_agent : "orderflow");
    client->unix_socket_path = copy_or_null(config->unix_socket_path);
    client->certificate_path = copy_or_null(config->certificate_path);
    *out_client = client;
    return STATUS_OK;
}

/* client_begin: libcurl is loaded for the first request, not for a client that may never have any. */
static bool client_begin(struct rest_client *client)
{
    client->curl = client->curl ? client->curl : curl_library();
    if (client->curl && !client->multi)
        client->multi = client->curl->multi_init();
    return client->multi != NULL;
}

/* --- one transfer
 * ----------------------------------------------------------------------------------------------- */

static void transfer_free(struct transfer *transfer)
{
    const struct curl_library *curl = transfer->client->curl;
    if (transfer->easy) {
        curl->multi_remove_handle(transfer->client->multi, transfer->easy);
        curl->easy_cleanup(transfer->easy);
    }
    curl->slist_free_all(transfer->headers);
    buffer_finish(&transfer->request_body);
    buffer_finish(&transfer->body);
    free(transfer->url);
    free(transfer->method);
    free(transfer);
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    buffer_append(&transfer->body, data, size * count);
    return transfer->body.overflowed ? 0 : size * count; /* fewer than given: libcurl gives the transfer up */
}

static CURLcode describe(struct transfer *transfer)
{
    const struct rest_client *client = transfer->client;
    CURL *easy = transfer->easy;
    long timeout_ms = transfer->timeout_ms;
    long connect_ms = timeout_ms < CONNECT_TIMEOUT_MS_MAX ? timeout_ms : CONNECT_TIMEOUT_MS_MAX;
    CURLcode code = CURLE_OK;
#define SET(option, value) code = code == CURLE_OK ? client->curl->easy_setopt(easy, option, value) : code
    SET(CURLOPT_URL, transfer->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, client->user_agent);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_FORBID_REUSE, (long)client->config.close_connections);
    SET(CURLOPT_FRESH_CONNECT, (long)client->config.close_connections);
    if (transfer->headers)
        SET(CURLOPT_HTTPHEADER, transfer->headers);
    if (client->unix_socket_path)
        SET(CURLOPT_UNIX_SOCKET_PATH, client->unix_socket_path);
    if (client->certificate_path)
        SET(CURLOPT_CAINFO, client->certificate_path);
    if (transfer->method)
        SET(CURLOPT_CUSTOMREQUEST, transfer->method);
    if (transfer->request_body.length) {
        SET(CURLOPT_POSTFIELDS, (char *)transfer->request_body.data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->request_body.length);
    }
#undef SET
    return code;
}

static int64_t now_ms(const struct rest_client *client)
{
    return clock_monotonic_ms(&client->config.clock);
}

static bool transfer_begin(struct transfer *transfer)
{
    const struct curl_library *curl = transfer->client->curl;
    transfer->attempts++;
    transfer->due_ms = 0;
    transfer->error[0] = 0;
    buffer_clear(&transfer->body);
    transfer->easy = curl->easy_init();
    return transfer->easy && describe(transfer) == CURLE_OK &&
           curl->multi_add_handle(transfer->client->multi, transfer->easy) == CURLM_OK;
}

enum status rest_request_start(struct rest_client *client, const struct rest_request *request)
{
    bool is_url = strncmp(request->url, "http://", 7) == 0 || strncmp(request->url, "https://", 8) == 0;
    if (!is_url)
        return STATUS_INVALID;
    if (client->count >= REST_REQUESTS_MAX)
        return STATUS_LIMIT;
    if (!client_begin(client))
        return STATUS_IO;
    struct transfer *transfer = memory_allocate(sizeof *transfer);
    transfer->client = client;
    transfer->url = memory_copy_text(request->url);
    transfer->method = copy_or_null(request->method);
    transfer->timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS_DEFAULT;
    transfer->attempts_allowed = request->attempts > 0 ? request->attempts : 1;
    transfer->data = request->data;
    transfer->begun_ms = now_ms(client);
    buffer_init(&transfer->request_body, 0);
    buffer_init(&transfer->body, REST_BODY_BYTES_MAX);
    buffer_append(&transfer->request_body, request->body, request->body_bytes);
    for (size_t i = 0; i < REST_HEADERS_MAX && request->headers[i]; i++)
        transfer->headers = client->curl->slist_append(transfer->headers, request->headers[i]);
    if (!transfer_begin(transfer)) {
        transfer_free(transfer);
        return STATUS_INVALID;
    }
    transfer->next = client->transfers;
    client->transfers = transfer;
    client->count++;
    return STATUS_OK;
}

/* --- endings
 * ---------------------------------------------------------------------------------------------------- */

static void transfer_tell(struct transfer *transfer, long http_status, const char *error)
{
    struct rest_client *client = transfer->client;
    struct transfer **link = &client->transfers;
    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
    client->count--;
    struct rest_answer answer = {
        .url = transfer->url,
        .http_status = http_status,
        .body = buffer_text(&transfer->body),
        .body_bytes = transfer->body.length,
        .error = error,
        .attempts = transfer->attempts,
        .took_ms = now_ms(client) - transfer->begun_ms,
    };
    client->config.done(client->config.context, transfer->data, &answer);
    transfer_free(transfer);
}

static int64_t delay_ms(int attempts)
{
    int64_t delay = REST_BACKOFF_INITIAL_MS;
    for (int i = 1; i < attempts && delay < REST_BACKOFF_CAP_MS; i++)
        delay *= 2;
    return delay < REST_BACKOFF_CAP_MS ? delay : REST_BACKOFF_CAP_MS;
}

static void transfer_over(struct transfer *transfer, CURLcode code)
{
    struct rest_client *client = transfer->client;
    long http_status = 0;
    if (code == CURLE_OK)
        client->curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http_status);
    client->curl->multi_remove_handle(client->multi, transfer->easy);
    client->curl->easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    if (code == CURLE_OK) {
        transfer_tell(transfer, http_status, NULL);
    } else if (transfer->attempts < transfer->attempts_allowed) {
        transfer->due_ms = now_ms(client) + delay_ms(transfer->attempts);
    } else {
        char error[CURL_ERROR_SIZE + 64];
        snprintf(error, sizeof error, "%s",
                 transfer->body.overflowed ? "the answer is longer than 8 MiB"
                 : transfer->error[0]      ? transfer->error
                                           : client->curl->easy_strerror(code));
        buffer_clear(&transfer->body);
        transfer_tell(transfer, 0, error);
    }
}

static void begin_due(struct rest_client *client)
{
    int64_t now = now_ms(client);
    for (struct transfer *transfer = client->transfers, *next; transfer; transfer = next) {
        next = transfer->next;
        if (transfer->due_ms && transfer->due_ms <= now && !transfer_begin(transfer))
            transfer_tell(transfer, 0, "libcurl takes no further request");
    }
}

void rest_client_run(struct rest_client *client, int timeout_ms)
{
    int running, left;
    if (!client->multi)
        return;
    begin_due(client);
    client->curl->multi_perform(client->multi, &running);
    if (timeout_ms > 0 && running) {
        client->curl->multi_poll(client->multi, NULL, 0, timeout_ms, NULL);
        client->curl->multi_perform(client->multi, &running);
    }
    CURLMsg *message;
    while ((message = client->curl->multi_info_read(client->multi, &left))) {
        char *private_data = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        client->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data);
        transfer_over((struct transfer *)(void *)private_data, code);
    }
}

size_t rest_client_pending(const struct rest_client *client)
{
    return client->count;
}

int64_t rest_client_due_ms(const struct rest_client *client)
{
    int64_t now = now_ms(client), least = -1;
    for (const struct transfer *transfer = client->transfers; transfer; transfer = transfer->next) {
        if (!transfer->due_ms)
            continue;
        int64_t wait = transfer->due_ms > now ? transfer->due_ms - now : 0;
        if (least < 0 || wait < least)
            least = wait;
    }
    return least;
}

void rest_client_destroy(struct rest_client *client)
{
    if (!client)
        return;
    while (client->transfers) {
        struct transfer *transfer = client->transfers;
        client->transfers = transfer->next;
        transfer_free(transfer);
    }
    if (client->multi)
        client->curl->multi_cleanup(client->multi);
    free(client->user_agent);
    free(client->unix_socket_path);
    free(client->certificate_path);
    free(client);
}
