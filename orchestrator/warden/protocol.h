/* protocol: what wardens and the orchestrator say to each other, over the bus, one JSON object per message
 * (docs/control-protocol.md).
 *
 *   warden → orchestrator.ctl   {"warden":2,"name":"signal","container":"3f2a…","state":"waiting","run_id":"","generation":0,…}
 *   orchestrator → warden       {"warden":2,"order":"start","run_id":"…","generation":3,"arguments":[…],…}
 *
 * A warden says how things are whenever they change, and once a second; every word of it is answered. Both sides may be
 * told a thing twice, or miss it once: what counts is the newest state and the generation. */
#pragma once

#include "base/buffer.h"
#include "proto/kind.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WARDEN_VERSION = 2,
    WARDEN_CONTAINER_BYTES = 80,
    WARDEN_TEXTS_MAX = 64,
    WARDEN_MESSAGE_BYTES_MAX = 60 * 1024
};

enum warden_state {
    WARDEN_WAITING,   /* no process: ready for an order */
    WARDEN_RUNNING,   /* its process lives … */
    WARDEN_ANNOUNCED, /* … and has written its readiness line */
    WARDEN_ENDED,     /* its process has ended; said until it has been heard, then it waits again */
    WARDEN_STATE_COUNT,
};

const char *warden_state_name(enum warden_state state);

struct warden_report {
    char name[INSTANCE_BYTES];
    char container[WARDEN_CONTAINER_BYTES];
    enum warden_state state;
    char run_id[RUN_ID_BYTES];
    int64_t generation;
    int64_t code, signal; /* WARDEN_ENDED */
    bool leaving;         /* its container ends, with its process or now */
    int64_t lease;        /* the newest WARDEN_SUSPEND it has heard of, of this process; 0: none */
    bool stands;          /* its process stands still, as the kernel says */
    int64_t late_ms;      /* so much behind its time that lease was over; -1: it lasts, or was ended early */
};

enum warden_verb {
    WARDEN_NOTHING,
    WARDEN_START,  /* run this */
    WARDEN_SIGNAL, /* send the process a signal, if it is of this generation */
    WARDEN_SUSPEND, /* let it stand still for so long, then go on; 0: let it go on now */
    WARDEN_END,    /* what you run belongs to no run of mine: end it */
    WARDEN_VERB_COUNT,
};

/* warden_order: texts lie in the message they were read from, which must live as long. */
struct warden_order {
    enum warden_verb verb;
    char run_id[RUN_ID_BYTES];
    int64_t generation;
    int64_t signal;
    int64_t lease, lease_ms; /* WARDEN_SUSPEND: which one it is, and how long */
    const char *stdout_path, *stderr_path;
    int64_t log_bytes_max, log_bytes_per_s, log_files; /* of each of the two (orchestrator/keeper/log.h) */
    const char *arguments[WARDEN_TEXTS_MAX + 1];       /* NULL-terminated */
    const char *environment[WARDEN_TEXTS_MAX + 1];
};

void warden_report_write(const struct warden_report *report, struct buffer *out);
void warden_order_write(const struct warden_order *order, struct buffer *out);

/* warden_is_report: whether bytes that came in are meant to be one; the parse may still refuse them. */
bool warden_is_report(const void *data, size_t bytes);

/* STATUS_MALFORMED, STATUS_UNSUPPORTED (another version), each with a sentence. */
enum status warden_report_read(const void *data, size_t bytes, struct warden_report *out_report,
                               struct error *error) MUST_USE;

struct warden_message; /* a parsed order's memory */
enum status warden_order_read(const void *data, size_t bytes, struct warden_order *out_order,
                              struct warden_message **out_message, struct error *error) MUST_USE;
void warden_message_free(struct warden_message *message);
