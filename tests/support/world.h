/* world: a folder with real stage processes (tests/support/services) in it, and an ear on their heartbeats.
 *
 * Tests that use it link bus and journal. */
#pragma once

#include "tests/support/check.h"

#include "bus/bus.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"
#include "proto/request.h"

#include <sys/types.h>

enum { WORLD_SYMBOLS = 2, WORLD_STREAMS = 16, WORLD_ARGUMENTS = 24, WORLD_PATIENCE_MS = 120000 };

enum who { COUNTER, ADDER, SERVICES };
extern const char *const SERVICE_NAMES[SERVICES];

/* service: one daemon through its lives. */
struct service {
    const char *arguments[WORLD_ARGUMENTS]; /* NULL-terminated, given again in every life */
    const char *crash;                      /* ORDERFLOW_CRASH_POINT of the next `crashes` lives */
    int crashes;
    bool armed; /* this life has the crash point */
    pid_t pid;  /* 0: not running */
    int lives;
    int exit_code; /* of the last life that ended by itself, -1: none yet */
    /* Of the newest heartbeat of this life: */
    struct heartbeat_row beat;
    struct sink_status_row sink;
    struct {
        char name[64];
        int64_t value;
    } counters[64];
    size_t counter_count, connection;
    /* The answer to the newest command: */
    bool answered;
    struct command_answer_row answer;
};

struct world {
    char folder[PATH_BYTES], home[PATH_BYTES];
    struct bus *ear;
    struct service services[SERVICES];
    struct stream_status_row streams[WORLD_STREAMS]; /* published ones, as newly told */
    size_t stream_count;
    bool revive; /* start again who was killed */
};

void world_begin(struct world *world);
void world_end(struct world *world); /* kills who still lives and removes the folder */

/* world_spawn: starts a service. world_start: and waits for its READY. */
void world_spawn(struct world *world, enum who who);
void world_start(struct world *world, enum who who);
/* world_signal: to a running service. world_wait: until it has ended; returns its exit code, -signal when it was killed. */
void world_signal(struct world *world, enum who who, int signal);
int world_wait(struct world *world, enum who who);

/* world_disarm: from now on the service lives without its crash point. */
void world_disarm(struct world *world, enum who who);

/* world_step: hears one message, reaps, revives; call it until something has come true. */
void world_step(struct world *world);

/* world_tell: a command and its answer. */
const struct command_answer_row *world_tell(struct world *world, enum who who, const char *verb);
/* world_send: any bytes to a service's ROUTER. */
void world_send(struct world *world, enum who who, const void *data, size_t bytes);

/* What is known: */
const struct stream_status_row *world_stream(const struct world *world,
                                             const char *stream); /* NULL: not told yet */
bool world_ended(const struct world *world, enum who who); /* every stream of the service has told its end */
int64_t world_counter(const struct world *world, enum who who, const char *name);
bool world_logged(const struct world *world, enum who who, const char *text); /* in any life */

/* world_digest: SHA-256 over all journaled rows of a service, whose process must not be running. */
void world_digest(const struct world *world, enum who who, char out_hex[65]);

int64_t world_now_ms(void);

/* UNTIL: steps until the condition holds; fails the test when it never does. UNTIL_DOING: the same with something done
 * before each step. */
#define UNTIL_DOING(world, condition, doing)                                                           \
    for (int64_t until_ms = world_now_ms() + WORLD_PATIENCE_MS; !(condition);) {                       \
        if (world_now_ms() > until_ms)                                                                 \
            fail_msg("%s:%d: never: %s (folder %s)", __FILE__, __LINE__, #condition, (world)->folder); \
        doing;                                                                                         \
        world_step(world);                                                                             \
    }
#define UNTIL(world, condition) UNTIL_DOING(world, condition, (void)0)
