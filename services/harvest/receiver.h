/* receiver: the thread that owns harvest's sockets and REST requests and does nothing with what arrives but
 * append it to the raw capture (data.md §1.6, §2).
 *
 *     go ─▶ (simulator: which streams are offered?) ─▶ exchangeInfo ─▶ sockets open ─▶ messages ─▶ capture ─▶ wake
 *                                           stage loop ── receiver_ask: snapshots, missing trades, position ──▶
 *
 * Also recorded: each opening (kind 2, its URL) and each end of a connection (kind 3, its reason), and REST
 * answers the venue gave (kind 4; error bodies too). A snapshot that could not be had at all is asked for again
 * and not recorded; missed trades that could not be had after REST_ATTEMPTS tries are recorded with an empty
 * body, since the feed waits for them.
 *
 * Limits: with `waits_when_full` reading stops while more than RECEIVER_BACKLOG_MAX records wait for the
 * stage loop, or while the disk takes nothing; messages read before that wait in memory up to
 * RECEIVER_QUEUE_BYTES_MAX, what is beyond is dropped and counted. */
#pragma once

#include "feed.h"
#include "journal/capture.h"
#include "venue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECEIVER_BACKLOG_MAX = 100000,
    RECEIVER_QUEUE_BYTES_MAX = 64 * 1024 * 1024,
    RECEIVER_STREAMS_PER_SOCKET = 200, /* of the real venue; the simulator gets one socket for all */
    RECEIVER_SOCKETS_MAX = 64,
    RECEIVER_URL_BYTES = 512, /* of an endpoint's URL as it is shown */
};

struct receiver_config {
    struct capture_writer *writer; /* must outlive the receiver */
    enum venue_market market;
    const char *const *symbols; /* upper case, copied: all of the run */
    size_t symbol_count;
    const bool *is_heard; /* by symbol: whether it is listened to from the beginning; NULL: all; copied */
    bool raw_trades;
    bool partial_books;
    bool backfill;
    bool is_simulator;      /* asks it for its streams; one combined socket; no watchdog */
    bool is_routed;         /* public_url and market_url instead of combined_url */
    const char *public_url; /* up to but without /stream */
    const char *market_url;
    const char *combined_url;
    const char *rest_url; /* scheme, host, port */
    const char
        *depth_stream;   /* "@depth@100ms", "@depth@0ms", "@depth", or "@depth5@100ms" with partial_books */
    bool measures_clock; /* the venue's time is the time of day: its distance from ours is a figure */
    bool waits_when_full;
    int ping_interval_s;
    int pong_timeout_s;
    int64_t backoff_initial_ms;
    double backoff_factor;
    int64_t backoff_cap_ms;
    double backoff_jitter;
    int64_t backoff_reset_s;
    int64_t trade_idle_ms; /* watchdogs; not used with the simulator */
    int64_t book_idle_ms;
    int64_t max_connection_ms;    /* a pre-emptive reconnection after so long; 0: never */
    const char *certificate_path; /* NULL, or the PEM of a simulator with TLS */
    struct clock clock;
    void (*wake)(void *context); /* called from the receiver's thread when something became readable */
    void *wake_context;
};

struct receiver;

/* receiver_create: resolves the venue's hosts and starts the thread, which waits for go. STATUS_IO: a host is
 * unknown or a library cannot begin; STATUS_INVALID: a URL that is none. */
enum status receiver_create(const struct receiver_config *config, struct receiver **out_receiver,
                            struct error *error) MUST_USE;

/* receiver_destroy: ends the thread at once; NULL-safe. */
void receiver_destroy(struct receiver *receiver);

/* receiver_halt: ends the thread in good order: nothing more is received; what the disk has not taken is tried again until
 * `until_ms` (monotonic), then dropped and counted. Only figures may be asked afterwards. */
void receiver_halt(struct receiver *receiver, int64_t until_ms);

/* The following may be called from any thread. */

void receiver_go(struct receiver *receiver);
void receiver_stop_intake(struct receiver *receiver);

/* receiver_listen: a symbol is listened to from now on; before its first message the record of a move is appended (NULL: it is there).
 * receiver_forget: it is not any more; likewise with the record of a move, or NULL: there is one. receiver_listens: what was asked for last. From one thread. */
void receiver_listen(struct receiver *receiver, size_t symbol, const char *move_json);
void receiver_forget(struct receiver *receiver, size_t symbol, const char *move_json);
bool receiver_listens(const struct receiver *receiver, size_t symbol);

/* receiver_serves: every socket that a symbol needs is open and has been asked for it without being refused: number of the newest record of
 * the capture when that began, behind those of the sockets that were lost before; 0: it is not so. */
uint64_t receiver_serves(const struct receiver *receiver, size_t symbol);

/* receiver_stopped: nothing more will come: intake was stopped, or the recording is at its end; all of it is
 * in the capture and readable. */
bool receiver_stopped(const struct receiver *receiver);

/* receiver_ask: takes over what the feed wants for a symbol and, with the last symbol, how far it has got. Cheap;
 * call it every turn for all of them, in order. */
void receiver_ask(struct receiver *receiver, size_t symbol, const struct feed *feed);

struct receiver_figures {
    int64_t messages;
    int64_t message_bytes;
    int64_t queue_dropped;      /* could not be appended; must be 0 */
    int64_t messages_too_large; /* above 8 MiB, skipped */
    int64_t connections_open;
    int64_t openings;
    int64_t planned_reconnects;
    int64_t refused_attempts;
    int64_t substream_timeouts; /* watchdog: streams that stayed silent */
    int64_t rest_requests;
    int64_t rest_failures; /* no answer, or none a venue gives */
    int64_t snapshots_asked;
    int64_t pauses;           /* how often reading was stopped */
    int64_t requests_refused; /* SUBSCRIBE or UNSUBSCRIBE: the venue said no */
    int64_t requests_unsaid;  /* likewise: the socket took no more of them */
    int64_t backlog;          /* records appended and not yet processed */
    double clock_offset_ms;   /* venue_clock.h; NaN: not measured */
    int64_t clock_failures;
};
struct receiver_figures receiver_figures(const struct receiver *receiver);

/* receiver_dropped: the messages of a symbol among those of queue_dropped. What else was to be recorded is nobody's. */
int64_t receiver_dropped(const struct receiver *receiver, size_t symbol);

/* receiver_endpoint: the sockets really used, for the source manifest; false behind the last. Times: wall, 0:
 * never. */
struct receiver_endpoint {
    char url[RECEIVER_URL_BYTES];
    int64_t opened_ms;
    int64_t closed_ms;
    int64_t messages;
};
bool receiver_endpoint(struct receiver *receiver, size_t index, struct receiver_endpoint *out_endpoint);
