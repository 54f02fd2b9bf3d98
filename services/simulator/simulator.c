/* simulator: the loop and the pace. */
#include "simulator_internal.h"

#include "certificate.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { PING_INTERVAL_S = 180, PONG_TIMEOUT_S = 600, SEND_BUFFER_BYTES = 512 * 1024 };

int64_t simulator_now_ns(const struct simulator *simulator)
{
    return clock_monotonic_ns(&simulator->clock);
}

/* ---- the pace ---- */

/* slowest: the place of the reader farthest behind; UINT64_MAX when nobody reads. */
static uint64_t slowest(const struct simulator *simulator)
{
    uint64_t least = UINT64_MAX;
    for (const struct client *client = simulator->clients; client; client = client->next)
        if (client->subscribed_count && !client->done && client->cursor < least)
            least = client->cursor;
    return least;
}

static bool is_heard(const struct simulator *simulator, size_t symbol)
{
    for (const struct client *client = simulator->clients; client; client = client->next)
        if (client->symbol_streams[symbol] && !client->done)
            return true;
    return false;
}

bool simulator_attended(const struct simulator *simulator)
{
    for (size_t i = 0; simulator->needed && i < simulator->symbol_count; i++)
        if (simulator->needed[i] && !is_heard(simulator, i))
            return false;
    return true;
}

static bool is_wanted(void *context, uint16_t symbol)
{
    const struct simulator *simulator = context;
    if (rest_wants(simulator, symbol))
        return true;
    if (simulator->pass_snapshots)
        return false;
    for (const struct client *client = simulator->clients; client; client = client->next)
        if (client->symbol_streams[symbol])
            return true;
    return false;
}

/* run_market: as market_run, and says when the market begins to wait. */
static void run_market(struct simulator *simulator, int64_t now_ns, uint64_t limit)
{
    struct market *market = &simulator->market;
    bool was_held = market->held;
    market_run(market, now_ns, limit);
    if (market->held && !was_held)
        log_event(LOG_INFO, "held", "position=%llu until=\"the depth of %s is fetched\"",
                  (unsigned long long)market->position,
                  venue_catalogue(&simulator->venue)->symbols[market_snapshot(market)->symbol].name);
}

bool simulator_advance(struct simulator *simulator, uint64_t number)
{
    uint64_t behind = slowest(simulator);
    if (simulator->speed > 0 || behind == UINT64_MAX || number >= behind + SIMULATOR_LEAD_MAX ||
        !simulator_attended(simulator))
        return false;
    run_market(simulator, 0, number + 1);
    return simulator->market.position > number;
}

/* run_clock: at N× everything due; the synthetic market waits for readers too far behind, a recording needs
 * not. */
static void run_clock(struct simulator *simulator, int64_t now_ns)
{
    if (simulator->speed == 0)
        return;
    uint64_t behind = slowest(simulator);
    if (behind == UINT64_MAX) /* nobody waits for it; a long way is gone in steps, forgetting */
        behind = simulator->market.position;
    run_market(simulator, now_ns, simulator->venue.synthetic ? behind + SIMULATOR_LAG_MAX : UINT64_MAX);
}

/* can_advance: at max a reader at the end of what is said may make the market say more. */
static bool can_advance(struct simulator *simulator, const struct client *client, uint64_t behind)
{
    return simulator->speed == 0 && client->subscribed_count && !simulator->market.held &&
           client->cursor < behind + SIMULATOR_LEAD_MAX;
}

/* stalls: an ordered fault: nobody is sent anything; what is said meanwhile, and at max may not be said, waits. */
static bool stalls(struct simulator *simulator, uint64_t behind)
{
    uint64_t held = 0;
    for (const struct client *client = simulator->clients; client; client = client->next)
        if (client->subscribed_count && !client->done)
            held += simulator->market.position - client->cursor + can_advance(simulator, client, behind);
    return injured_stalls(simulator->injured, held);
}

static void wake_clients(struct simulator *simulator)
{
    uint64_t behind = slowest(simulator);
    if (stalls(simulator, behind))
        return;
    if (simulator->speed == 0 && simulator->market.held)
        market_run(&simulator->market, 0, simulator->market.position + 1); /* nobody may want it any more */
    bool attended = simulator_attended(simulator), cuts = injured_cuts(simulator->injured);
    for (struct client *client = simulator->clients; client; client = client->next)
        if ((cuts && !client->done) || client_has_work(simulator, client) ||
            (attended && client->idle && !client->done && can_advance(simulator, client, behind)))
            server_socket_ask(client->socket);
}

/* forget: what no reader needs any more of a synthetic market's tape. */
static void forget(struct simulator *simulator)
{
    uint64_t behind = slowest(simulator);
    uint64_t position = simulator->market.position;
    uint64_t needed = behind < position ? behind : position;
    if (simulator->venue.synthetic && needed > 0)
        tape_forget(venue_tape(&simulator->venue), needed - 1);
}

static int wait_ms(int64_t due_ns, int64_t now_ns, int timeout_ms)
{
    if (due_ns == MARKET_NEVER)
        return timeout_ms;
    int64_t milliseconds = due_ns <= now_ns ? 0 : (due_ns - now_ns + 999999) / 1000000;
    return milliseconds < timeout_ms ? (int)milliseconds : timeout_ms;
}

enum status simulator_run_once(struct simulator *simulator, int timeout_ms)
{
    injured_turn(simulator->injured);
    int64_t now_ns = simulator_now_ns(simulator);
    run_clock(simulator, now_ns);
    rest_tick(simulator, now_ns);
    wake_clients(simulator);
    forget(simulator);
    resume_keep(simulator, now_ns);
    int64_t due_ns = market_due_ns(&simulator->market);
    int64_t rest_ns = rest_due_ns(simulator);
    return server_run_once(simulator->server,
                           wait_ms(due_ns < rest_ns ? due_ns : rest_ns, now_ns, timeout_ms));
}

void simulator_stop(struct simulator *simulator, int timeout_ms)
{
    for (struct client *client = simulator->clients; client; client = client->next) {
        client->done = true;
        server_socket_close(client->socket, 1001, "going away");
    }
    int64_t end_ns = simulator_now_ns(simulator) + (int64_t)timeout_ms * 1000000;
    while (simulator->clients && simulator_now_ns(simulator) < end_ns)
        if (server_run_once(simulator->server, 10) != STATUS_OK)
            break;
}

/* ---- figures ---- */

const char *simulator_state_name(enum simulator_state state)
{
    static const char *const NAMES[] = {"idle", "running", "held", "ended"};
    return NAMES[state];
}

struct simulator_figures simulator_figures(struct simulator *simulator)
{
    struct market *market = &simulator->market;
    struct simulator_figures figures = {
        .state = SIMULATOR_RUNNING,
        .market_time_ms = market_time_ns(market, simulator_now_ns(simulator)) / 1000000,
        .position = (int64_t)market->position,
        .messages_sent = simulator->messages_sent,
        .bytes_sent = simulator->bytes_sent,
        .requests = simulator->requests,
        .requests_waiting = (int64_t)simulator->pending_count,
        .skipped = (int64_t)simulator->venue.recording.skipped,
    };
    for (const struct client *client = simulator->clients; client; client = client->next)
        figures.clients++;
    if (simulator->inject) {
        figures.faults = (int64_t)inject_count(simulator->inject);
        figures.faults_applied = (int64_t)inject_applied(simulator->inject);
    }
    if (market_ended(market))
        figures.state = SIMULATOR_ENDED;
    else if (market->held)
        figures.state = SIMULATOR_HELD;
    else if (!market->started || (simulator->speed == 0 && slowest(simulator) == UINT64_MAX))
        figures.state = SIMULATOR_IDLE;
    return figures;
}

/* ---- life ---- */

/* need_first: symbols without a stream can have no listener. */
static void need_first(struct simulator *simulator, const struct simulator_config *config)
{
    const struct catalogue *catalogue = venue_catalogue(&simulator->venue);
    if (config->attended)
        simulator->needed = memory_allocate(simulator->symbol_count * sizeof *simulator->needed);
    for (size_t i = 0; simulator->needed && i < catalogue->stream_count; i++) {
        uint16_t symbol = catalogue->streams[i].symbol;
        if (symbol == SYMBOL_NONE)
            continue;
        bool first = config->first_all;
        for (size_t k = 0; k < config->first_symbol_count; k++)
            first = first || strcmp(catalogue->symbols[symbol].name, config->first_symbols[k]) == 0;
        simulator->needed[symbol] = first;
    }
}

static enum status listen_on(struct simulator *simulator, const struct simulator_config *config,
                             struct error *error)
{
    if (config->tls) {
        enum status status = certificate_create(config->state_dir, config->host, &simulator->certificate_path,
                                                &simulator->key_path, error);
        if (status != STATUS_OK)
            return status;
    }
    struct in_addr address;
    struct server_config server = {
        .host = inet_pton(AF_INET, config->host, &address) == 1 ? config->host : "0.0.0.0",
        .port = config->port,
        .certificate_path = simulator->certificate_path,
        .key_path = simulator->key_path,
        .connections_max = SIMULATOR_CONNECTIONS_MAX,
        .ping_interval_s = config->ping_interval_s ? config->ping_interval_s : PING_INTERVAL_S,
        .pong_timeout_s = PONG_TIMEOUT_S,
        .send_buffer_bytes = SEND_BUFFER_BYTES,
        .handlers = {.accept = client_accept,
                     .open = client_open,
                     .message = client_message,
                     .writable = client_writable,
                     .closed = client_closed,
                     .request = rest_request,
                     .finished = rest_finished},
        .context = simulator,
    };
    return server_create(&server, &simulator->server, error);
}

static enum status open_all(struct simulator *simulator, const struct simulator_config *config,
                            struct error *error)
{
    struct venue_config venue = config->venue;
    struct position position;
    bool resumes;
    enum status status = resume_open(simulator, config, &position, &resumes, error);
    if (status == STATUS_OK && config->inject_path)
        status = inject_load(config->inject_path, &simulator->inject, error);
    if (status != STATUS_OK)
        return status;
    venue.inject = simulator->inject;
    venue.synthetic.start_ms = simulator->start_ms;
    status = venue_open(&simulator->venue, &venue, error);
    if (status != STATUS_OK)
        return status;
    simulator->stream_count = venue_catalogue(&simulator->venue)->stream_count;
    simulator->symbol_count = venue_catalogue(&simulator->venue)->symbol_count;
    need_first(simulator, config);
    market_init(&simulator->market, &simulator->venue, config->speed, is_wanted, simulator);
    if (config->follows_wall)
        market_follow_wall(&simulator->market, simulator_now_ns(simulator), clock_wall_ns(&config->clock));
    if (resumes)
        resume_market(simulator, &position);
    return listen_on(simulator, config, error);
}

enum status simulator_create(const struct simulator_config *config, struct simulator **out_simulator,
                             struct error *error)
{
    struct simulator *simulator = memory_allocate(sizeof *simulator);
    simulator->clock = config->clock;
    simulator->speed = config->speed;
    simulator->pass_snapshots = config->pass_snapshots;
    simulator->rest_delay_ns = config->rest_delay_ms * 1000000;
    enum status status = injured_open(config, &simulator->injured, &simulator->clock, error);
    if (status == STATUS_OK)
        status = open_all(simulator, config, error);
    if (status != STATUS_OK) {
        simulator_destroy(simulator);
        return status;
    }
    *out_simulator = simulator;
    return STATUS_OK;
}

void simulator_destroy(struct simulator *simulator)
{
    if (!simulator)
        return;
    server_destroy(simulator->server); /* its handlers still use what follows */
    rest_drop_all(simulator);
    venue_close(&simulator->venue);
    inject_destroy(simulator->inject);
    position_close(simulator->position);
    free(simulator->needed);
    injured_close(simulator->injured);
    free(simulator->certificate_path);
    free(simulator->key_path);
    free(simulator);
}

int simulator_port(const struct simulator *simulator)
{
    return server_port(simulator->server);
}

const char *simulator_certificate(const struct simulator *simulator)
{
    return simulator->certificate_path;
}
