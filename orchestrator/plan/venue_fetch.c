/* Asks the simulator what it serves. One short request on loopback, while nothing else runs yet. */
#include "net/rest_client.h"
#include "venue.h"

#include <stdio.h>

enum { FETCH_TIMEOUT_MS = 5000, FETCH_ATTEMPTS = 3 };

struct fetch {
    struct venue_streams *streams;
    struct error *error;
    enum status status;
};

static void fetched(void *context, void *data, const struct rest_answer *answer)
{
    (void)data;
    struct fetch *fetch = context;
    if (answer->http_status == 200)
        fetch->status = venue_streams_parse(answer->body, answer->body_bytes, fetch->streams, fetch->error);
    else if (answer->http_status)
        fetch->status = error_set(fetch->error, STATUS_IO, "%s answered with HTTP status %ld", answer->url,
                                  answer->http_status);
    else
        fetch->status =
            error_set(fetch->error, STATUS_IO, "%s does not answer: %s", answer->url, answer->error);
}

enum status venue_streams_fetch(const char *host, int64_t port, const char *certificate_path,
                                struct venue_streams *out_streams, struct error *error)
{
    char url[352];
    struct fetch fetch = {.streams = out_streams, .error = error, .status = STATUS_IO};
    struct rest_client_config config = {.user_agent = "orderflow-orchestrator",
                                        .certificate_path = certificate_path,
                                        .close_connections = true,
                                        .clock = clock_system(),
                                        .done = fetched,
                                        .context = &fetch};
    struct rest_client *client;
    snprintf(url, sizeof url, "%s://%.250s:%lld/simulator/streams", certificate_path ? "https" : "http", host,
             (long long)port);
    enum status status = rest_client_create(&config, &client, error);
    if (status != STATUS_OK)
        return status;
    struct rest_request request = {.url = url, .timeout_ms = FETCH_TIMEOUT_MS, .attempts = FETCH_ATTEMPTS};
    status = rest_request_start(client, &request);
    while (status == STATUS_OK && rest_client_pending(client))
        rest_client_run(client, FETCH_TIMEOUT_MS);
    rest_client_destroy(client);
    return status == STATUS_OK ? fetch.status : error_set(error, status, "%s cannot be asked for", url);
}
