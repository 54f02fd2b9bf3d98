/* receiver_private: what the receiver's parts share. Everything here belongs to the receiver's own
 * thread, except what is atomic or said to be under the mutex.
 *
 *   receiver.c        the thread, its life, what other threads may call
 *   receiver_append.c records into the capture, or into memory while the disk takes nothing
 *   receiver_links.c  sockets: opening, losing, relieving, watching, pausing
 *   receiver_orders.c symbols that come and go while it runs
 *   receiver_requests.c what is asked of an open socket, and the venue's answers
 *   receiver_rest.c   REST: streams, instruments, and what the feed wants */
#pragma once

#include "net/rest_client.h"
#include "net/websocket_client.h"
#include "receiver.h"
#include "streams.h"
#include "venue_clock.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    IDLE_TURN_MS = 100,  /* while something is to be tried again … */
    CALM_TURN_MS = 1000, /* … and while nothing is; what is wanted wakes, as do the sockets */
    REST_TURN_MS = 1,    /* while answers are awaited */
    DRAIN_TURNS =
        8, /* reads before an answer is looked at, so that what was sent before it comes before it … */
    DRAIN_TURNS_STANDING = 1024, /* … all of it, where the market stands until the answer has been read */
    ASK_AGAIN_MS = 1000,         /* between two tries for one snapshot (data.md §1.4.4) */
    SLOWER_MS = 10000,           /* after 429 */
    BANNED_MS = 120000,          /* after 418 */
    REST_TIMEOUT_MS = 10000,
    SIMULATOR_TIMEOUT_MS = 3600 * 1000, /* its market may be far from the snapshot */
    REST_ATTEMPTS = 5,
    SNAPSHOT_LEVELS = 1000,
    SNAPSHOT_LEVELS_SPOT = 5000,
    QUEUE_RETRY_MS = 100,
    CONN_ID_MAX = CAPTURE_ALL_CONNECTIONS - 1,
    REQUESTS_MAX = 1024,     /* requests whose answer is awaited; beyond it the oldest is forgotten */
    ANSWER_BYTES_MAX = 4096, /* of an answer to one */
};

/* PHASE_ENDING: the recording is at its end, but answers are still on their way: they belong before the end. */
enum phase { PHASE_WAITING, PHASE_STREAMS, PHASE_INSTRUMENTS, PHASE_OPEN, PHASE_ENDING, PHASE_STOPPED };

/* connection: one websocket of a link. */
struct connection {
    struct receiver *receiver;
    size_t link;
    struct websocket *socket;
    uint16_t conn_id;  /* of the present opening */
    int64_t opened_ms; /* monotonic */
};

/* link: a set of streams on one URL; for a moment two connections while one relieves the other. */
struct link {
    char *url;
    struct connection *current;
    struct connection *successor;
    bool has_ended; /* the recording's end was reached */
    bool is_market; /* routed: it carries trades */
    size_t used;    /* streams on it; 0: it is free */
    bool
        is_lacking; /* a request on it came to nothing: a connection whose URL says it all is to relieve it */
    _Atomic int64_t messages;
};

struct want {
    _Atomic int64_t snapshot_ticket; /* wanted by the feed, 0: none */
    _Atomic int64_t hole_first;
    _Atomic int64_t hole_last; /* 0: none */
    _Atomic int64_t hole_ticket;
    _Atomic bool reconnect;
    /* The thread's own. */
    int64_t asked_ticket;
    int64_t not_before_ms;
    int64_t asked_hole_first;
    int64_t asked_hole_ticket;
    int64_t hole_not_before_ms; /* for the same ids again */
    bool asked_at_end;          /* PHASE_ENDING: the one snapshot that may still be asked for */
    bool has_reconnected;
};

/* order: of another thread, about one symbol. */
struct order {
    struct order *next;
    size_t symbol;
    bool listen;
    char *move_json; /* NULL: no record */
};

/* asking: a SUBSCRIBE or UNSUBSCRIBE that the venue has not answered. */
struct asking {
    int64_t id;
    size_t symbol;
    size_t link;
    uint16_t conn_id; /* which of its connections owes the answer */
    bool subscribes;
};

enum rest_purpose { REST_STREAMS, REST_INSTRUMENTS, REST_SNAPSHOT, REST_BACKFILL, REST_READ, REST_PURPOSES };

struct receiver {
    struct receiver_config config; /* its texts are copies */
    char *texts[6 + 1];
    char **symbols;
    pthread_t thread;
    bool has_thread;
    struct websocket_client *sockets;
    struct rest_client *rest;
    struct venue_clock *venue_clock; /* NULL: not measured */
    bool awaits_time;                /* its answer is on the way */
    struct streams streams;
    struct link links[RECEIVER_SOCKETS_MAX];
    size_t link_count;
    struct want *wants;
    bool *is_heard;       /* by symbol */
    bool *is_wanted;      /* by symbol, as asked for last; of the thread that asks */
    struct order *orders; /* oldest first; under the mutex */
    _Atomic uint64_t
        *served_since;     /* by symbol (receiver_serves): its sockets are open, and owe no answer about it */
    int64_t subscriptions; /* number of the newest request on a socket */
    struct asking askings[REQUESTS_MAX];
    size_t asking_count;
    enum phase phase;
    uint16_t next_conn_id;
    int64_t watched_ms;
    int64_t next_snapshot_ms; /* spacing of snapshots over all symbols */
    int64_t next_streams_ms;  /* asking the simulator again */
    bool is_paused;
    uint16_t last_conn_id; /* PHASE_ENDING: of the connection whose end is not recorded yet */
    char last_reason[WEBSOCKET_REASON_BYTES];
    uint64_t flushed_seq; /* at the last wake */
    struct buffer queue;  /* records the disk did not take: struct queued, payload, … */
    int64_t queue_retry_ms;
    pthread_mutex_t mutex; /* endpoints, orders */
    struct receiver_endpoint endpoints[RECEIVER_SOCKETS_MAX];
    _Atomic bool is_going;
    _Atomic bool is_stopping;
    _Atomic bool is_quitting;
    _Atomic bool is_stopped;
    _Atomic bool shows_pause;
    _Atomic uint64_t consumed_seq;
    _Atomic int64_t endpoint_count;
    _Atomic int64_t *dropped; /* by symbol: those of queue_dropped that are messages of it */
    struct receiver_atomics {
        _Atomic int64_t messages, message_bytes, queue_dropped, messages_too_large, connections_open,
            openings, planned_reconnects, refused_attempts, substream_timeouts, rest_requests, rest_failures,
            snapshots_asked, pauses, requests_refused, requests_unsaid;
    } figures;
};

int64_t receiver_now_ms(const struct receiver *receiver); /* monotonic */
void receiver_add(_Atomic int64_t *figure, int64_t amount);

/* receiver_append: one record under the present time. receiver_flush: makes what was appended readable, and
 * wakes. */
void receiver_append(struct receiver *receiver, enum capture_kind kind, uint16_t conn_id, const void *payload,
                     size_t bytes);
void receiver_flush(struct receiver *receiver);

/* receiver_give_up: drops and counts what the disk has not taken. */
void receiver_give_up(struct receiver *receiver);

void receiver_endpoint_closed(struct receiver *receiver, size_t link);
void receiver_drop(struct receiver *receiver, struct connection **connection, const char *reason);
bool receiver_link_is_open(const struct link *link);
void receiver_open_sockets(struct receiver *receiver);
void receiver_connect(struct receiver *receiver, size_t link);

/* receiver_obey_orders: what was asked of symbols since. receiver_assign: a stream to a socket with room; its index. */
void receiver_obey_orders(struct receiver *receiver);
size_t receiver_assign(struct receiver *receiver, struct stream *stream);
void receiver_orders_drop(struct receiver *receiver);

/* receiver_begin_end: when every socket in use has seen the recording's end. */
void receiver_begin_end(struct receiver *receiver);

/* receiver_request: asks the connections of a link for a symbol's streams on it, or to leave them; false: there are none.
 * receiver_take_answer: a message; true: it is the venue's answer to one. receiver_forget_requests: of a link that is closed, or opened anew: its
 * URL has asked. receiver_forget_answers: of a connection that has ended: it gives none any more. receiver_note_served: something of that has changed. (receiver_requests.c) */
bool receiver_request(struct receiver *receiver, size_t symbol, size_t link, bool subscribes);
bool receiver_take_answer(struct receiver *receiver, uint16_t conn_id, const char *text, size_t bytes);
void receiver_forget_requests(struct receiver *receiver, size_t link);
void receiver_forget_answers(struct receiver *receiver, uint16_t conn_id);
void receiver_note_served(struct receiver *receiver);

/* receiver_make_whole: a link that lacks something is relieved by a connection whose URL says all it is to carry. */
void receiver_make_whole(struct receiver *receiver, size_t link);
void receiver_watch(struct receiver *receiver);
void receiver_set_pause(struct receiver *receiver);
int64_t receiver_backlog(const struct receiver *receiver);

/* The websocket client's handlers. */
void receiver_opened(void *context, struct websocket *socket);
void receiver_message(void *context, struct websocket *socket, const char *text, size_t bytes);
void receiver_skipped(void *context, struct websocket *socket, size_t bytes);
bool receiver_lost(void *context, struct websocket *socket, const char *reason);
bool receiver_refused(void *context, struct websocket *socket, const char *reason);

void receiver_ask_streams(struct receiver *receiver);
void receiver_ask_instruments(struct receiver *receiver);
void receiver_serve_wants(struct receiver *receiver);

/* receiver_wants_more: the stage loop has not seen all records yet, or the feed wants something that is to be
 * asked for. */
bool receiver_wants_more(const struct receiver *receiver);
void receiver_answered(void *context, void *data, const struct rest_answer *answer);
