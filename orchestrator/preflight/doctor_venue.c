#include "base/clock.h"
#include "base/text.h"
#include "doctor_private.h"
#include "net/rest_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { ASK_TIMEOUT_MS = 5000, CLOCK_WARN_MS = 200, CLOCK_FAIL_MS = 1000, URL_BYTES = 512 };

struct asking {
    struct buffer *out;
    struct error *error;
    long http_status;
};

static void answered(void *context, void *data, const struct rest_answer *answer)
{
    (void)data;
    struct asking *asking = context;
    asking->http_status = answer->http_status;
    if (answer->http_status)
        buffer_append(asking->out, answer->body, answer->body_bytes);
    else
        (void)!error_set(asking->error, STATUS_IO, "%s", answer->error);
}

long doctor_ask(const char *url, struct buffer *out, struct error *error)
{
    struct asking asking = {.out = out, .error = error};
    struct rest_client_config config = {.user_agent = "orderflow-doctor",
                                        .close_connections = true,
                                        .clock = clock_system(),
                                        .done = answered,
                                        .context = &asking};
    struct rest_client *client;
    struct rest_request request = {.url = url, .timeout_ms = ASK_TIMEOUT_MS, .attempts = 1};
    if (rest_client_create(&config, &client, error) != STATUS_OK)
        return 0;
    if (rest_request_start(client, &request) != STATUS_OK)
        (void)!error_set(error, STATUS_INVALID, "it is no URL that can be asked");
    while (rest_client_pending(client))
        rest_client_run(client, ASK_TIMEOUT_MS);
    rest_client_destroy(client);
    return asking.http_status;
}

/* --- venue --- */

/* api_path: "/fapi/v1/time" of USD-margined futures. */
static void api_url(const struct config *config, const char *what, char out_url[URL_BYTES])
{
    const char *market = config_text(config, "harvest.market");
    const char *path = strcmp(market, "spot") == 0    ? "/api/v3/"
                       : strcmp(market, "coinm") == 0 ? "/dapi/v1/"
                                                      : "/fapi/v1/";
    snprintf(out_url, URL_BYTES, "%s%s%s", config_text(config, "harvest.rest_url"), path, what);
}

static void check_clock(const struct config *config, struct preflight *preflight)
{
    struct clock clock = clock_system();
    struct buffer body;
    struct error error = {{0}};
    char url[URL_BYTES];
    buffer_init(&body, 0);
    api_url(config, "time", url);
    int64_t before_ms = clock_wall_ms(&clock);
    long http_status = doctor_ask(url, &body, &error);
    int64_t middle_ms = before_ms + (clock_wall_ms(&clock) - before_ms) / 2;
    yyjson_doc *document = http_status == 200 ? yyjson_read((const char *)body.data, body.length, 0) : NULL;
    yyjson_val *server = yyjson_obj_get(yyjson_doc_get_root(document), "serverTime");
    if (!yyjson_is_int(server)) {
        preflight_add(preflight, "clock", PREFLIGHT_FAILED,
                      "is the network there, and harvest.rest_url the venue's?", "%s: HTTP status %ld %s",
                      url, http_status, error.text);
    } else {
        int64_t offset_ms = yyjson_get_sint(server) - middle_ms, distance_ms = llabs(offset_ms);
        preflight_add(preflight, "clock",
                      distance_ms > CLOCK_FAIL_MS   ? PREFLIGHT_FAILED
                      : distance_ms > CLOCK_WARN_MS ? PREFLIGHT_WARNING
                                                    : PREFLIGHT_OK,
                      "synchronise this machine's clock (chronyd, systemd-timesyncd)",
                      "the venue's clock is %lld ms from this machine's", (long long)offset_ms);
    }
    yyjson_doc_free(document);
    buffer_finish(&body);
}

static bool trades(yyjson_val *symbols, const char *name)
{
    size_t index, count;
    yyjson_val *symbol;
    yyjson_arr_foreach(symbols, index, count, symbol)
    {
        yyjson_val *status = yyjson_obj_get(symbol, "status");
        if (!status)
            status = yyjson_obj_get(symbol, "contractStatus");
        if (yyjson_equals_str(yyjson_obj_get(symbol, "symbol"), name))
            return yyjson_equals_str(status, "TRADING");
    }
    return false;
}

static void check_symbols(const struct config *config, struct preflight *preflight)
{
    struct config_list wanted = config_list(config, "run.symbols");
    struct buffer body;
    struct error error = {{0}};
    char url[URL_BYTES];
    const char *missing = NULL;
    buffer_init(&body, 0);
    api_url(config, "exchangeInfo", url);
    long http_status = doctor_ask(url, &body, &error);
    yyjson_doc *document = http_status == 200 ? yyjson_read((const char *)body.data, body.length, 0) : NULL;
    yyjson_val *symbols = yyjson_obj_get(yyjson_doc_get_root(document), "symbols");
    for (size_t i = 0; i < wanted.count && !missing; i++)
        missing = trades(symbols, wanted.texts[i]) ? NULL : wanted.texts[i];
    if (!yyjson_is_arr(symbols))
        preflight_add(preflight, "venue", PREFLIGHT_FAILED,
                      "is the network there, and harvest.rest_url the venue's?", "%s: HTTP status %ld %s",
                      url, http_status, error.text);
    else if (missing)
        preflight_add(preflight, "venue", PREFLIGHT_FAILED, "correct run.symbols (--symbols)",
                      "%s is not traded there now", missing);
    else
        preflight_add(preflight, "venue", PREFLIGHT_OK, NULL, "%zu %s traded at %s", wanted.count,
                      plural((int64_t)wanted.count, "symbol is", "symbols are"),
                      config_text(config, "harvest.rest_url"));
    yyjson_doc_free(document);
    buffer_finish(&body);
}

void doctor_venue(const struct config *config, struct preflight *preflight)
{
    if (strcmp(config_text(config, "harvest.venue"), "simulator") == 0 ||
        strcmp(config_text(config, "run.input_mode"), "preview") == 0) {
        preflight_add(preflight, "clock", PREFLIGHT_OK, NULL, "the embedded venue has this machine's clock");
        preflight_add(preflight, "venue", PREFLIGHT_OK, NULL, "the embedded simulator, or recorded input");
        return;
    }
    check_clock(config, preflight);
    check_symbols(config, preflight);
}

/* --- export --- */

static void export_url(const struct config *config, char out_url[URL_BYTES])
{
    const char *type = config_text(config, "export.type"), *url = config_text(config, "export.url");
    bool prometheus = strcmp(type, "prometheus") == 0;
    if (!prometheus && *config_text(config, "export.influx_url"))
        url = config_text(config, "export.influx_url");
    size_t length = strlen(url);
    while (length && url[length - 1] == '/')
        length--;
    snprintf(out_url, URL_BYTES, "%.*s%s", (int)length, url,
             prometheus                       ? "/-/ready"
             : strcmp(type, "influxdb1") == 0 ? "/ping"
                                              : "/health");
}

void doctor_export(const struct config *config, bool needed, struct preflight *preflight)
{
    enum preflight_verdict bad = needed ? PREFLIGHT_FAILED : PREFLIGHT_WARNING;
    struct buffer body;
    struct error error = {{0}};
    char url[URL_BYTES];
    if (!config_bool(config, "export.enabled")) {
        preflight_add(
            preflight, "export", needed ? PREFLIGHT_WARNING : PREFLIGHT_OK,
            "set export.type and export.url (TIMESERIES_TYPE, TIMESERIES_URL): without them the gate export "
            "of a soak run fails",
            "figures are not exported");
        return;
    }
    buffer_init(&body, 0);
    export_url(config, url);
    long http_status = doctor_ask(url, &body, &error);
    bool good = http_status >= 200 && http_status < 300;
    preflight_add(preflight, "export", good ? PREFLIGHT_OK : bad, "start it, or correct export.url",
                  good ? "%s answers (HTTP status %ld)%s" : "%s: HTTP status %ld %s", url, http_status,
                  error.text);
    buffer_finish(&body);
}
