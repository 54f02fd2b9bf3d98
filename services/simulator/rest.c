/* rest: the venue's REST interface, and two pages of our own.
 *
 * Depth requests may have to wait: for the market to reach the symbol's recorded snapshot, then for
 * --rest-delay-ms. The market stands in front of the snapshot until one answer with it has gone out
 * completely. */
#include "simulator_internal.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pending {
    struct pending *next;
    struct server_request *request;
    uint16_t symbol;
    size_t limit;
    bool ready;       /* the answer is in `body` */
    bool answered;    /* and given to the server */
    int64_t due_ns;   /* when to give it */
    bool is_snapshot; /* it is the recorded one, tape number `snapshot` */
    bool says_read;   /* who asks says so when it has read the answer */
    uint64_t snapshot;
    unsigned status;
    int64_t retry_after_s;
    struct buffer body;
};

/* ---- answers ---- */

static void answer_json(struct server_request *request, unsigned status, const struct buffer *body,
                        int64_t retry_after_s)
{
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)retry_after_s);
    server_answer(request, &(struct server_answer){.status = status,
                                                   .content_type = "application/json",
                                                   .header_name = retry_after_s ? "Retry-After" : NULL,
                                                   .header_value = seconds,
                                                   .body = body->data,
                                                   .body_bytes = body->length});
}

static void write_error(struct buffer *out, int code, const char *message)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_i64(&json, "code", code);
    json_key_text(&json, "msg", message);
    json_object_end(&json);
}

static void answer_error(struct server_request *request, unsigned status, int code, const char *message)
{
    struct buffer body;
    buffer_init(&body, 0);
    write_error(&body, code, message);
    answer_json(request, status, &body, 0);
    buffer_finish(&body);
}

/* ---- depth requests ---- */

bool rest_wants(const struct simulator *simulator, uint16_t symbol)
{
    for (const struct pending *pending = simulator->pendings; pending; pending = pending->next)
        if (pending->symbol == symbol && (!pending->ready || pending->is_snapshot))
            return true;
    return false;
}

static void make_ready(struct simulator *simulator, struct pending *pending, unsigned status, int64_t now_ns)
{
    pending->ready = true;
    pending->status = status;
    pending->due_ns = now_ns + simulator->rest_delay_ns + injured_rest_delay_ns(simulator->injured);
}

bool rest_awaits_read(const struct simulator *simulator)
{
    return simulator->unread && simulator->unread == simulator->market.position + 1;
}

/* is_at: whether the market stands in front of a snapshot of the symbol. At max readers may be behind it still: what was recorded before the
 * snapshot is theirs before the answer is; one that is done has got all that it gets (resume_given). */
static bool is_at(struct simulator *simulator, uint16_t symbol)
{
    const struct tape_entry *snapshot = market_snapshot(&simulator->market);
    return snapshot && snapshot->symbol == symbol &&
           (simulator->speed > 0 || resume_given(simulator) >= simulator->market.position);
}

/* resolve: finds the answer, if the market is far enough. */
static void resolve(struct simulator *simulator, struct pending *pending, int64_t now_ns)
{
    struct venue *venue = &simulator->venue;
    const struct tape_entry *snapshot = market_snapshot(&simulator->market);
    if (is_at(simulator, pending->symbol)) {
        buffer_append(&pending->body, snapshot->text, snapshot->bytes);
        pending->is_snapshot = true;
        pending->snapshot = simulator->market.position;
        make_ready(simulator, pending, 200, now_ns);
        return;
    }
    if ((snapshot && snapshot->symbol == pending->symbol) ||
        venue_snapshot_ahead(venue, pending->symbol, simulator->market.position))
        return;
    if (venue_depth(venue, pending->symbol, simulator->market.position, pending->limit, &pending->body) ==
        STATUS_OK) {
        make_ready(simulator, pending, 200, now_ns);
        return;
    }
    write_error(&pending->body, -1130, "The recording holds no depth snapshot of this symbol.");
    make_ready(simulator, pending, 400, now_ns);
}

void rest_tick(struct simulator *simulator, int64_t now_ns)
{
    for (struct pending *pending = simulator->pendings; pending; pending = pending->next) {
        if (!pending->ready)
            resolve(simulator, pending, now_ns);
        if (!pending->ready || pending->answered || pending->due_ns > now_ns)
            continue;
        pending->answered = true;
        answer_json(pending->request, pending->status, &pending->body, pending->retry_after_s);
    }
}

int64_t rest_due_ns(const struct simulator *simulator)
{
    int64_t due = MARKET_NEVER;
    for (const struct pending *pending = simulator->pendings; pending; pending = pending->next)
        if (pending->ready && !pending->answered && pending->due_ns < due)
            due = pending->due_ns;
    return due;
}

static void drop_pending(struct simulator *simulator, struct pending *pending)
{
    struct pending **link = &simulator->pendings;
    while (*link != pending)
        link = &(*link)->next;
    *link = pending->next;
    simulator->pending_count--;
    buffer_finish(&pending->body);
    free(pending);
}

void rest_drop_all(struct simulator *simulator)
{
    while (simulator->pendings)
        drop_pending(simulator, simulator->pendings);
}

void rest_finished(void *context, struct server_request *request, bool delivered)
{
    struct simulator *simulator = context;
    struct pending *pending = server_request_data(request);
    if (!pending)
        return;
    bool fetched = delivered && pending->is_snapshot && pending->snapshot == simulator->market.position;
    bool is_unread = pending->says_read && simulator->speed == 0;
    drop_pending(simulator, pending);
    if (fetched && is_unread)
        simulator->unread = simulator->market.position + 1;
    else if (fetched)
        market_fetched(&simulator->market, simulator_now_ns(simulator));
}

static struct pending *add_pending(struct simulator *simulator, struct server_request *request)
{
    struct pending *pending = memory_allocate(sizeof *pending);
    pending->request = request;
    buffer_init(&pending->body, 0);
    struct pending **link = &simulator->pendings;
    while (*link)
        link = &(*link)->next;
    *link = pending;
    simulator->pending_count++;
    server_request_set_data(request, pending);
    return pending;
}

/* ---- parameters ---- */

static bool read_number(const struct server_request *request, const char *name, int64_t fallback,
                        int64_t least, int64_t most, int64_t *out_number)
{
    const char *text = server_target_argument(server_request_target(request), name);
    int64_t number = fallback;
    if (text && (!span_integer(span_of(text), &number) || number < least || number > most))
        return false;
    *out_number = number;
    return true;
}

/* read_symbol: SYMBOL_NONE when an error has been answered. */
static uint16_t read_symbol(struct simulator *simulator, struct server_request *request)
{
    const char *name = server_target_argument(server_request_target(request), "symbol");
    if (!name || !*name) {
        answer_error(request, 400, -1102,
                     "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
        return SYMBOL_NONE;
    }
    uint16_t symbol = catalogue_symbol(venue_catalogue(&simulator->venue), name);
    if (symbol != SYMBOL_NONE && venue_catalogue(&simulator->venue)->symbols[symbol].offered)
        return symbol;
    answer_error(request, 400, -1121, "Invalid symbol.");
    return SYMBOL_NONE;
}

/* ---- endpoints ---- */

static void get_depth(struct simulator *simulator, struct server_request *request)
{
    bool spot = venue_market(&simulator->venue) == MARKET_SPOT;
    int64_t limit;
    uint16_t symbol = read_symbol(simulator, request);
    if (symbol == SYMBOL_NONE)
        return;
    if (!read_number(request, "limit", spot ? 100 : 500, 1, spot ? 5000 : 1000, &limit)) {
        answer_error(request, 400, -1130, "Data sent for parameter 'limit' is not valid.");
        return;
    }
    if (simulator->pending_count >= SIMULATOR_REQUESTS_MAX) {
        answer_error(request, 429, -1003, "Too many requests waiting.");
        return;
    }
    struct pending *pending = add_pending(simulator, request);
    pending->symbol = symbol;
    pending->limit = (size_t)limit;
    pending->says_read = server_target_argument(server_request_target(request), "read") != NULL;
}

static void get_agg_trades(struct simulator *simulator, struct server_request *request)
{
    int64_t limit, from_id;
    uint16_t symbol = read_symbol(simulator, request);
    if (symbol == SYMBOL_NONE)
        return;
    if (!read_number(request, "limit", 500, 1, 1000, &limit) ||
        !read_number(request, "fromId", -1, 0, INT64_MAX, &from_id)) {
        answer_error(request, 400, -1130, "Data sent for parameter 'limit' or 'fromId' is not valid.");
        return;
    }
    struct buffer body;
    buffer_init(&body, 0);
    venue_agg_trades(&simulator->venue, symbol, from_id, (size_t)limit, simulator->market.position, &body);
    answer_json(request, 200, &body, 0);
    buffer_finish(&body);
}

static int64_t market_ms(struct simulator *simulator)
{
    return market_time_ns(&simulator->market, simulator_now_ns(simulator)) / 1000000;
}

static void get_exchange_info(struct simulator *simulator, struct server_request *request)
{
    struct buffer body;
    buffer_init(&body, 0);
    venue_exchange_info(&simulator->venue, market_ms(simulator), &body);
    answer_json(request, 200, &body, 0);
    buffer_finish(&body);
}

static void get_time(struct simulator *simulator, struct server_request *request)
{
    struct buffer body;
    buffer_init(&body, 0);
    buffer_format(&body, "{\"serverTime\":%lld}", (long long)market_ms(simulator));
    answer_json(request, 200, &body, 0);
    buffer_finish(&body);
}

static void get_ping(struct simulator *simulator, struct server_request *request)
{
    (void)simulator;
    struct buffer body;
    buffer_init(&body, 0);
    buffer_append_text(&body, "{}");
    answer_json(request, 200, &body, 0);
    buffer_finish(&body);
}

/* ---- our own pages ---- */

/* get_read: an answer has been read: at max, where the market moves as fast as it is read, it goes on only now. Else what was recorded behind the
 * snapshot could overtake the answer on another connection. */
static void get_read(struct simulator *simulator, struct server_request *request)
{
    if (rest_awaits_read(simulator))
        market_fetched(&simulator->market, simulator_now_ns(simulator));
    simulator->unread = 0;
    get_ping(simulator, request);
}

static void write_streams(struct simulator *simulator, struct json *json)
{
    const struct venue *venue = &simulator->venue;
    const struct catalogue *catalogue = venue_catalogue(venue);
    json_key_text(json, "market", market_name(venue_market(venue)));
    json_key_text(json, "source", venue->synthetic ? "synthetic" : "recorded");
    json_key_f64(json, "speed", simulator->speed);
    json_key_bool(json, "awaits_read", simulator->speed == 0);
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < simulator->symbol_count; i++)
        if (catalogue->symbols[i].offered)
            json_text(json, catalogue->symbols[i].name);
    json_array_end(json);
    json_key(json, "streams");
    json_array_begin(json);
    for (size_t i = 0; i < simulator->stream_count; i++)
        if (catalogue->streams[i].messages || venue->synthetic)
            json_text(json, catalogue->streams[i].name);
    json_array_end(json);
    json_key_i64(json, "first_recv_ms", venue->first_ns / 1000000);
    json_key(json, "last_recv_ms");
    if (venue->last_ns == INT64_MAX)
        json_null(json);
    else
        json_i64(json, venue->last_ns / 1000000);
    json_key(json, "messages");
    if (venue->synthetic)
        json_null(json);
    else
        json_i64(json, (int64_t)venue->messages);
    json_key_i64(json, "skipped", (int64_t)venue->recording.skipped);
}

static void write_state(struct simulator *simulator, struct json *json)
{
    struct simulator_figures figures = simulator_figures(simulator);
    const struct tape_entry *snapshot = simulator->market.held ? market_snapshot(&simulator->market) : NULL;
    json_key_text(json, "state", simulator_state_name(figures.state));
    json_key_text(json, "waits_for",
                  snapshot ? venue_catalogue(&simulator->venue)->symbols[snapshot->symbol].name : NULL);
    json_key_i64(json, "market_time_ms", figures.market_time_ms);
    json_key_i64(json, "position", figures.position);
    json_key_i64(json, "clients", figures.clients);
    json_key_i64(json, "messages_sent", figures.messages_sent);
    json_key_i64(json, "bytes_sent", figures.bytes_sent);
    json_key_i64(json, "requests", figures.requests);
    json_key_i64(json, "requests_waiting", figures.requests_waiting);
    json_key_i64(json, "faults", figures.faults);
    json_key_i64(json, "faults_applied", figures.faults_applied);
}

static void write_page(struct simulator *simulator, struct buffer *out,
                       void (*write)(struct simulator *simulator, struct json *json))
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    write(simulator, &json);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

void simulator_streams(struct simulator *simulator, struct buffer *out_json)
{
    write_page(simulator, out_json, write_streams);
}

static void answer_page(struct simulator *simulator, struct server_request *request,
                        void (*write)(struct simulator *simulator, struct json *json))
{
    struct buffer body;
    buffer_init(&body, 0);
    write_page(simulator, &body, write);
    answer_json(request, 200, &body, 0);
    buffer_finish(&body);
}

static void get_streams(struct simulator *simulator, struct server_request *request)
{
    answer_page(simulator, request, write_streams);
}

static void get_state(struct simulator *simulator, struct server_request *request)
{
    answer_page(simulator, request, write_state);
}

/* ---- routes ---- */

static const struct endpoint {
    const char *name;
    void (*get)(struct simulator *simulator, struct server_request *request);
} ENDPOINTS[] = {
    {"depth", get_depth},
    {"aggTrades", get_agg_trades},
    {"exchangeInfo", get_exchange_info},
    {"time", get_time},
    {"ping", get_ping},
};

static const struct endpoint OWN_PAGES[] = {
    {"/simulator/streams", get_streams}, {"/simulator/read", get_read}, {"/simulator/state", get_state}};

static const char *const PREFIXES[] = {[MARKET_UNKNOWN] = "/",
                                       [MARKET_USDM] = "/fapi/v1/",
                                       [MARKET_COINM] = "/dapi/v1/",
                                       [MARKET_SPOT] = "/api/v3/"};

static const struct endpoint *find_endpoint(const struct simulator *simulator, const char *path)
{
    for (size_t i = 0; i < sizeof OWN_PAGES / sizeof *OWN_PAGES; i++)
        if (strcmp(path, OWN_PAGES[i].name) == 0)
            return &OWN_PAGES[i];
    const char *prefix = PREFIXES[venue_market(&simulator->venue)];
    if (strncmp(path, prefix, strlen(prefix)) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof ENDPOINTS / sizeof *ENDPOINTS; i++)
        if (strcmp(path + strlen(prefix), ENDPOINTS[i].name) == 0)
            return &ENDPOINTS[i];
    return NULL;
}

/* answer_fault: an answer out of the fault file instead; delayed like any other. */
static bool answer_fault(struct simulator *simulator, struct server_request *request, const char *endpoint)
{
    const char *symbol = server_target_argument(server_request_target(request), "symbol");
    struct rest_fault fault;
    if (!simulator->inject || !inject_rest(simulator->inject, endpoint, symbol ? symbol : "", &fault))
        return false;
    struct pending *pending = add_pending(simulator, request);
    pending->symbol = SYMBOL_NONE;
    pending->retry_after_s = fault.retry_after_s;
    buffer_append(&pending->body, fault.body, fault.body_bytes);
    make_ready(simulator, pending, fault.status, simulator_now_ns(simulator));
    return true;
}

/* answer_injured: an ordered fault: an error in place of the answer. Our own pages are not the venue's. */
static bool answer_injured(struct simulator *simulator, struct server_request *request, const char *endpoint)
{
    unsigned status = *endpoint == '/' ? 0 : injured_rest_status(simulator->injured);
    if (!status)
        return false;
    struct buffer body;
    buffer_init(&body, 0);
    write_error(&body, -1000, "An unknown error occurred while processing the request.");
    answer_json(request, status, &body, status == 429 || status == 418);
    buffer_finish(&body);
    return true;
}

void rest_request(void *context, struct server_request *request)
{
    struct simulator *simulator = context;
    simulator->requests++;
    const struct endpoint *endpoint = find_endpoint(simulator, server_request_target(request)->path);
    const char *method = server_request_method(request);
    if (!endpoint)
        answer_error(request, 404, -5000,
                     "Path not found; the market's own interface and /simulator/streams are served.");
    else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        answer_error(request, 405, -1000, "Only GET is served.");
    else if (!answer_injured(simulator, request, endpoint->name) &&
             !answer_fault(simulator, request, endpoint->name))
        endpoint->get(simulator, request);
}
