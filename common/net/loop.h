/* loop: one turn of a libwebsockets loop that waits at most so long; what client and server of this folder share. */
#pragma once

#include "base/status.h"

#include <libwebsockets.h>

/* loop: set `lws` once its context is there. */
struct loop {
    struct lws_context *lws;
    lws_sorted_usec_list_t timer;
};

/* loop_run_once: serves what is due and waits up to timeout_ms for it (0: does not wait). CLOSED: the loop is broken. */
enum status loop_run_once(struct loop *loop, int timeout_ms);

/* loop_arm and loop_serve: its two halves, for tests: between them a thread may lose its processor for any time. */
void loop_arm(struct loop *loop, int timeout_ms);
enum status loop_serve(struct loop *loop, int timeout_ms);

/* loop_wake: from any thread: the wait of now, or the next one, ends. */
void loop_wake(struct loop *loop);

/* loop_finish: before the context is destroyed. */
void loop_finish(struct loop *loop);
