#include "venue_clock.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/rest_client.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum { URL_BYTES = 1024, UNMEASURED = INT64_MIN };

struct venue_clock {
    struct clock clock;
    struct rest_client *rest;
    char url[URL_BYTES];
    int64_t due_ms; /* monotonic */
    _Atomic int64_t
        doubled_offset_ms; /* twice the offset, so that half a millisecond of the way stays; UNMEASURED */
    _Atomic int64_t failures;
};

/* server_time: the answer's serverTime, 0 when it has none. */
static int64_t server_time(const struct rest_answer *answer)
{
    yyjson_doc *document =
        answer->http_status == 200 ? yyjson_read(answer->body, answer->body_bytes, 0) : NULL;
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(document), "serverTime");
    int64_t time_ms = yyjson_is_int(value) ? yyjson_get_sint(value) : 0;
    yyjson_doc_free(document);
    return time_ms;
}

static void answered(void *context, void *data, const struct rest_answer *answer)
{
    struct venue_clock *clock = context;
    int64_t venue_ms = server_time(answer), own_ms = clock_wall_ms(&clock->clock);
    (void)data;
    bool good = venue_ms > 0;
    clock->due_ms =
        clock_monotonic_ms(&clock->clock) + (good ? VENUE_CLOCK_INTERVAL_MS : VENUE_CLOCK_RETRY_MS);
    if (good) {
        atomic_store(&clock->doubled_offset_ms, 2 * (venue_ms - own_ms) + answer->took_ms);
        return;
    }
    atomic_fetch_add(&clock->failures, 1);
    log_event(LOG_WARNING, "venue_time_failed", "url=%.200s status=%ld detail=\"%s\"", answer->url,
              answer->http_status, answer->error ? answer->error : "no serverTime in the answer");
}

enum status venue_clock_create(const struct venue_clock_config *config, struct venue_clock **out_clock,
                               struct error *error)
{
    static const char *const PATHS[] = {
        [VENUE_USDM] = "/fapi/v1/time", [VENUE_COINM] = "/dapi/v1/time", [VENUE_SPOT] = "/api/v3/time"};
    struct venue_clock *clock = memory_allocate(sizeof *clock);
    struct rest_client_config rest = {.certificate_path = config->certificate_path,
                                      .close_connections = true,
                                      .clock = config->clock,
                                      .done = answered,
                                      .context = clock};
    clock->clock = config->clock;
    atomic_store(&clock->doubled_offset_ms, UNMEASURED);
    snprintf(clock->url, sizeof clock->url, "%s%s", config->rest_url, PATHS[config->market]);
    enum status status = rest_client_create(&rest, &clock->rest, error);
    if (status == STATUS_OK)
        *out_clock = clock;
    else
        venue_clock_destroy(clock);
    return status;
}

void venue_clock_destroy(struct venue_clock *clock)
{
    if (!clock)
        return;
    rest_client_destroy(clock->rest);
    free(clock);
}

static void ask(struct venue_clock *clock)
{
    struct rest_request request = {.url = clock->url, .timeout_ms = VENUE_CLOCK_TIMEOUT_MS};
    if (rest_request_start(clock->rest, &request) == STATUS_OK)
        return;
    clock->due_ms = clock_monotonic_ms(&clock->clock) + VENUE_CLOCK_RETRY_MS;
    atomic_fetch_add(&clock->failures, 1);
}

bool venue_clock_run(struct venue_clock *clock)
{
    if (!clock)
        return false;
    if (!rest_client_pending(clock->rest) && clock_monotonic_ms(&clock->clock) >= clock->due_ms)
        ask(clock);
    if (rest_client_pending(clock->rest))
        rest_client_run(clock->rest, 0);
    return rest_client_pending(clock->rest) > 0;
}

double venue_clock_offset_ms(const struct venue_clock *clock)
{
    int64_t doubled = clock ? atomic_load(&clock->doubled_offset_ms) : UNMEASURED;
    return doubled == UNMEASURED ? NAN : (double)doubled / 2.0;
}

int64_t venue_clock_failures(const struct venue_clock *clock)
{
    return clock ? atomic_load(&clock->failures) : 0;
}
