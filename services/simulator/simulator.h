/* simulator: a venue to practise on. It serves a recorded or a synthetic market as Binance does: combined and
 * single WebSocket streams with live subscriptions, and the REST interface (README.md). One thread, one
 * loop. */
#pragma once

#include "venue.h"

#include "base/clock.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SIMULATOR_SUBSCRIPTIONS_MAX = 1024,     /* of one connection; more are refused with an error */
    SIMULATOR_REPLY_BYTES_MAX = 256 * 1024, /* answers a client did not read; then it is closed with 1008 */
    SIMULATOR_REQUESTS_MAX = 256,           /* depth requests waiting; more get 429 */
    SIMULATOR_CONNECTIONS_MAX = 256,
    SIMULATOR_LEAD_MAX = 1024,  /* at max: messages one reader may be ahead of the slowest */
    SIMULATOR_LAG_MAX = 200000, /* synthetic at N×: messages a reader may be behind before the market waits */
};

struct buffer;
struct config;

struct simulator_config {
    const char *host;
    int port; /* 0: any free one */
    bool tls;
    const char *state_dir; /* holds the certificate; needed with tls */
    bool follows_wall;     /* market.h */
    double speed;          /* 0: max */
    struct venue_config venue;
    const char *inject_path; /* NULL: no faults */
    int64_t rest_delay_ms;   /* added to every depth answer, wall time */
    int ping_interval_s;     /* 0: 180, as the venue does */
    bool pass_snapshots;     /* do not stop at snapshots nobody asked for */
    /* attended: the market moves only while every symbol that was listened to has a listener: several instances of harvest share
     * it. With first_symbols, or first_all, it does not begin before these, or all, have one; else when anybody
     * listens. */
    bool attended;
    bool first_all;
    const char *const *first_symbols;
    size_t first_symbol_count;
    const char *position_path;    /* NULL: where the market is is not kept */
    const char *run_id;           /* whose position that is */
    const struct config *control; /* of the bus, where faults are ordered; NULL: nobody may */
    int64_t generation;           /* which life this is; only orders for it count */
    struct clock clock;
};

struct simulator;

/* simulator_create: loads the market and listens. Texts of the configuration are not needed afterwards. */
enum status simulator_create(const struct simulator_config *config, struct simulator **out_simulator,
                             struct error *error) MUST_USE;
void simulator_destroy(struct simulator *simulator); /* NULL is fine */

/* simulator_run_once: waits at most timeout_ms, sends what is due and readable. */
enum status simulator_run_once(struct simulator *simulator, int timeout_ms) MUST_USE;

/* simulator_stop: says good-bye to all clients (1001) and waits for them, at most timeout_ms. */
void simulator_stop(struct simulator *simulator, int timeout_ms);

int simulator_port(const struct simulator *simulator);
void simulator_streams(struct simulator *simulator, struct buffer *out_json); /* as /simulator/streams answers */
const char *simulator_certificate(const struct simulator *simulator); /* path; NULL without TLS */

enum simulator_state {
    SIMULATOR_IDLE, /* nobody has subscribed yet, or at max nobody is there */
    SIMULATOR_RUNNING,
    SIMULATOR_HELD,  /* waits until a snapshot is fetched */
    SIMULATOR_ENDED, /* all is said; clients are being closed */
};

struct simulator_figures {
    enum simulator_state state;
    int64_t clients;
    int64_t market_time_ms;
    int64_t position;      /* entries of the tape said */
    int64_t messages_sent; /* over all clients */
    int64_t bytes_sent;
    int64_t requests; /* HTTP */
    int64_t requests_waiting;
    int64_t faults, faults_applied;
    int64_t skipped; /* lines of the captures not understood */
};

struct simulator_figures simulator_figures(struct simulator *simulator);
const char *simulator_state_name(enum simulator_state state);
