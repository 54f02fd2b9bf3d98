#include "docker.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "bus/bus.h"
#include "engine.h"
#include "orchestrator/warden/protocol.h"
#include "swarm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_BY_SIGNAL = 128,
    SLOTS_MAX = 1024,
    WARDEN_LOST_MS = 5000, /* without an engine: a warden says something every second */
};

/* slot: one instance: what is wanted of it, and what is known of its container. */
struct slot {
    char name[INSTANCE_BYTES];
    /* wanted */
    bool lives; /* a process has been ordered, and its end has not been told */
    int64_t generation;
    struct buffer order; /* WARDEN_START, as it is sent */
    int signal;          /* KILL or TERM not yet known to have worked, without an engine; 0: none */
    bool paused;
    int64_t lease, lease_ms; /* of a suspension not yet heard of by the warden; 0: none */
    /* known */
    bool taken; /* a warden runs it */
    bool announced;
    bool stands;                       /* still, by its warden's word; only as long as it is known */
    int64_t late_ms;                   /* the end of its newest suspension; -1: not known */
    struct engine_container container; /* empty id: the engine has none, or makes it */
    int64_t changed_ns;                /* when the order or the engine's news changed it last, monotonic */
    char warden[WARDEN_CONTAINER_BYTES];
    struct bus_peer_id peer; /* of its warden; length 0: none has been heard */
    bool waits;              /* that warden waits for an order */
    int64_t heard_ms;
    /* news */
    bool tell_announced, tell_end;
    struct driver_exit end;
};

struct docker {
    struct clock clock;
    struct bus *bus;
    struct engine *engine; /* NULL: none */
    struct swarm *swarm;   /* where the swarm keeps the containers and we may make services; NULL: not so */
    char run_id[RUN_ID_BYTES];
    struct slot **slots;
    size_t count, capacity;
};

/* --- slots --- */

static struct slot *slot_find(const struct docker *docker, const char *name)
{
    for (size_t i = 0; i < docker->count; i++)
        if (strcmp(docker->slots[i]->name, name) == 0)
            return docker->slots[i];
    return NULL;
}

static struct slot *slot_of(struct docker *docker, const char *name)
{
    struct slot *slot = slot_find(docker, name);
    if (slot)
        return slot;
    docker->slots = memory_grow(docker->slots, &docker->capacity, docker->count + 1, sizeof *docker->slots);
    slot = memory_allocate(sizeof *slot);
    snprintf(slot->name, sizeof slot->name, "%s", name);
    snprintf(slot->container.instance, sizeof slot->container.instance, "%s", name);
    slot->late_ms = -1;
    buffer_init(&slot->order, WARDEN_MESSAGE_BYTES_MAX);
    docker->slots[docker->count++] = slot;
    return slot;
}

/* slot_end: once per life, whoever tells it. */
static void slot_end(struct slot *slot, int code, int signal_number)
{
    if (!slot->lives)
        return;
    slot->lives = slot->taken = slot->announced = slot->paused = slot->tell_announced = false;
    slot->signal = 0;
    slot->end = (struct driver_exit){.code = code, .signal = signal_number, .cpu_ms = -1, .max_rss_kb = -1};
    slot->tell_end = true;
}

/* slot_end_code: of a container: what a shell would say of its first process. */
static void slot_end_code(struct slot *slot, int code)
{
    if (code > EXIT_BY_SIGNAL && code < EXIT_BY_SIGNAL + NSIG)
        slot_end(slot, -1, code - EXIT_BY_SIGNAL);
    else
        slot_end(slot, code, 0);
}

static void slot_announce(struct slot *slot)
{
    slot->tell_announced = slot->tell_announced || !slot->announced;
    slot->announced = true;
}

/* --- the engine --- */

static void note_container(void *context, const struct engine_container *container)
{
    struct docker *docker = context;
    slot_of(docker, container->instance)->container = *container;
}

/* is_of: one that somebody else has made for the same instance is not ours to believe. */
static bool is_of(const struct slot *slot, const struct engine_container *container)
{
    return !*slot->container.id || strcmp(slot->container.id, container->id) == 0;
}

static void take_failure(struct slot *slot, const struct engine_news *news)
{
    log_event(LOG_ERROR, "engine_refused", "instance=%s reason=\"%s\"", slot->name, news->reason);
    if (news->verb == ENGINE_START || news->verb == ENGINE_MAKE)
        slot_end(slot, -1, 0);
}

/* take_seen: how a container was when it was looked at; what has been heard of it since is newer. */
static void take_seen(struct docker *docker, const struct engine_news *news)
{
    struct slot *slot = slot_of(docker, news->container.instance);
    if (slot->changed_ns > news->asked_ns)
        return;
    slot->container = news->container;
    if (slot->lives && slot->taken && !slot->container.running)
        slot_end_code(slot, news->exit_code);
}

/* take_container: what happened to a container of a slot. */
static void take_container(const struct docker *docker, struct slot *slot, const struct engine_news *news)
{
    bool ours = is_of(slot, &news->container);
    bool starts = news->kind == ENGINE_STARTED && (ours || !slot->container.running);
    if (!starts && !(news->kind == ENGINE_DIED && ours) && !(news->kind == ENGINE_MADE && ours))
        return;
    slot->changed_ns = clock_monotonic_ns(&docker->clock);
    slot->container = news->container;
    if (news->kind != ENGINE_DIED)
        return;
    slot->waits = false;
    slot_end_code(slot, news->exit_code);
}

static void take_news(struct docker *docker, const struct engine_news *news)
{
    struct slot *slot = slot_find(docker, news->container.instance);
    if (news->kind == ENGINE_OPENED)
        engine_ask_all(docker->engine); /* some may have been missed */
    else if (news->kind == ENGINE_SEEN)
        take_seen(docker, news);
    else if (news->kind == ENGINE_FAILED && news->verb == ENGINE_LOOK)
        log_event(LOG_WARNING, "engine_silent", "reason=\"%s\"", news->reason);
    else if (slot && news->kind == ENGINE_FAILED)
        take_failure(slot, news);
    else if (slot)
        take_container(docker, slot, news);
}

void docker_turn(struct docker *docker)
{
    struct engine_news news;
    while (docker->engine && engine_take(docker->engine, &news))
        take_news(docker, &news);
    while (docker->swarm && swarm_take(docker->swarm, &news))
        take_news(docker, &news);
}

int docker_descriptor(const struct docker *docker)
{
    return docker->engine  ? engine_descriptor(docker->engine)
           : docker->swarm ? swarm_descriptor(docker->swarm)
                           : -1;
}

/* --- wardens --- */

static void answer_verb(struct docker *docker, enum warden_verb verb, const struct slot *slot,
                        struct buffer *out)
{
    struct warden_order order = {.verb = verb};
    snprintf(order.run_id, sizeof order.run_id, "%s", docker->run_id);
    order.generation = slot ? slot->generation : 0;
    order.signal = slot ? slot->signal : 0;
    order.lease = slot ? slot->lease : 0;
    order.lease_ms = slot ? slot->lease_ms : 0;
    warden_order_write(&order, out);
}

/* take_waiting: it holds the slot, so whatever was believed to live there does not. */
static void take_waiting(struct docker *docker, struct slot *slot, struct buffer *out)
{
    if (slot->lives && slot->taken && !docker->engine)
        slot_end(slot, -1, 0);
    slot->waits = true;
    if (slot->lives && !slot->taken && slot->order.length)
        buffer_append(out, slot->order.data, slot->order.length);
    else
        answer_verb(docker, WARDEN_NOTHING, slot, out);
}

/* take_stand: while a suspension is on its way, what the warden says is of the one before. */
static void take_stand(struct slot *slot, const struct warden_report *report)
{
    if (slot->lease && report->lease != slot->lease)
        return;
    slot->lease = 0;
    slot->stands = report->stands;
    slot->late_ms = report->late_ms;
}

static void take_running(struct docker *docker, struct slot *slot, const struct warden_report *report,
                         struct buffer *out)
{
    bool ours =
        slot->lives && report->generation == slot->generation && strcmp(report->run_id, docker->run_id) == 0;
    slot->waits = false;
    slot->taken = slot->taken || ours;
    if (ours && report->state == WARDEN_ANNOUNCED)
        slot_announce(slot);
    if (ours)
        take_stand(slot, report);
    answer_verb(docker,
                !ours          ? WARDEN_END
                : slot->signal ? WARDEN_SIGNAL
                : slot->lease  ? WARDEN_SUSPEND
                               : WARDEN_NOTHING,
                slot, out);
}

/* take_ended: of a container that ends too its engine tells, where there is one. */
static void take_ended(struct docker *docker, struct slot *slot, const struct warden_report *report,
                       struct buffer *out)
{
    bool ours =
        slot->lives && report->generation == slot->generation && strcmp(report->run_id, docker->run_id) == 0;
    if (ours && (!docker->engine || !report->leaving))
        slot_end(slot, (int)report->code, (int)report->signal);
    answer_verb(docker, WARDEN_NOTHING, slot, out);
}

static void take_report(struct docker *docker, const struct bus_peer_id *peer,
                        const struct warden_report *report, struct buffer *out)
{
    struct slot *slot = slot_of(docker, report->name);
    slot->peer = *peer;
    slot->heard_ms = clock_monotonic_ms(&docker->clock);
    memcpy(slot->warden, report->container, sizeof slot->warden);
    switch (report->state) {
    case WARDEN_WAITING: take_waiting(docker, slot, out); break;
    case WARDEN_RUNNING:
    case WARDEN_ANNOUNCED: take_running(docker, slot, report, out); break;
    default: take_ended(docker, slot, report, out); break;
    }
}

bool docker_hear(struct docker *docker, const struct bus_peer_id *peer, const void *data, size_t bytes,
                 struct buffer *out_answer)
{
    struct warden_report report;
    struct error error;
    if (!warden_is_report(data, bytes))
        return false;
    if (warden_report_read(data, bytes, &report, &error) == STATUS_OK && docker->count < SLOTS_MAX) {
        take_report(docker, peer, &report, out_answer);
    } else {
        log_event(LOG_WARNING, "report_rejected", "reason=\"%s\"", error.text);
        answer_verb(docker, WARDEN_NOTHING, NULL, out_answer);
    }
    return true;
}

static void push(struct docker *docker, const struct slot *slot, const struct buffer *order)
{
    if (slot->peer.length)
        bus_answer(docker->bus, &slot->peer, order->data, order->length, NULL, 0);
}

/* --- the driver --- */

static void order_write(const struct docker *docker, const struct driver_order *wanted, struct buffer *out)
{
    struct warden_order order = {.verb = WARDEN_START,
                                 .generation = wanted->generation,
                                 .stdout_path = wanted->stdout_path,
                                 .stderr_path = wanted->stderr_path,
                                 .log_bytes_max = wanted->log_bytes_max,
                                 .log_bytes_per_s = wanted->log_bytes_per_s,
                                 .log_files = wanted->log_files};
    snprintf(order.run_id, sizeof order.run_id, "%s", docker->run_id);
    for (size_t i = 0; i < WARDEN_TEXTS_MAX && wanted->arguments[i]; i++)
        order.arguments[i] = wanted->arguments[i];
    for (size_t i = 0; i < WARDEN_TEXTS_MAX && wanted->environment[i]; i++)
        order.environment[i] = wanted->environment[i];
    buffer_clear(out);
    warden_order_write(&order, out);
}

/* container_make: for an instance that compose knows nothing of, like that of the service's first one. */
static enum status container_make(struct docker *docker, const struct slot *slot, struct error *error)
{
    char service[INSTANCE_BYTES];
    snprintf(service, sizeof service, "%.*s", (int)strcspn(slot->name, "."), slot->name);
    const struct slot *model = slot_find(docker, service);
    if (!model || !*model->container.id)
        return error_set(error, STATUS_IO, "there is no container for %s, and none of %s to make one like it",
                         slot->name, service);
    engine_ask_like(docker->engine, model->container.id, slot->name);
    return STATUS_OK;
}

/* container_start: news tell whether it worked, and of its end. */
static enum status container_start(struct docker *docker, struct slot *slot, struct error *error)
{
    if (!*slot->container.id)
        return container_make(docker, slot, error);
    if (!slot->container.running)
        engine_ask(docker->engine, ENGINE_START, &slot->container, 0);
    return STATUS_OK;
}

/* place_make: somewhere to run, if nobody has made it yet. */
static enum status place_make(struct docker *docker, struct slot *slot, struct error *error)
{
    if (docker->engine)
        return container_start(docker, slot, error);
    if (docker->swarm && !slot->peer.length)
        swarm_need(docker->swarm, slot->name);
    return STATUS_OK;
}

static enum status docker_start(const struct driver_order *order, struct driver_child *child,
                                struct error *error)
{
    struct docker *docker = order->context;
    struct slot *slot = slot_of(docker, order->slot);
    order_write(docker, order, &slot->order);
    if (slot->order.overflowed)
        return error_set(error, STATUS_LIMIT, "%s: arguments and environment are more than %d bytes",
                         order->slot, WARDEN_MESSAGE_BYTES_MAX);
    enum status status = place_make(docker, slot, error);
    if (status != STATUS_OK)
        return status;
    slot->lives = true;
    slot->taken = slot->announced = slot->paused = slot->tell_announced = slot->tell_end = false;
    slot->signal = 0;
    slot->lease = 0;
    slot->stands = false;
    slot->late_ms = -1;
    slot->generation = order->generation;
    slot->changed_ns = clock_monotonic_ns(&docker->clock);
    driver_child_init(child);
    child->context = docker;
    child->lives = true;
    child->generation = order->generation;
    snprintf(child->slot, sizeof child->slot, "%s", order->slot);
    if (slot->waits)
        push(docker, slot, &slot->order); /* lost: it asks again within a second */
    return STATUS_OK;
}

/* docker_adopt: what holds the slot writes its generation into it. Whether it has announced itself its warden says. */
static enum status docker_adopt(const char *name, const char *folder, struct driver_child *child,
                                struct error *error)
{
    struct docker *docker = child->context;
    struct slot *slot = slot_of(docker, name);
    struct buffer text;
    char path[PATH_BYTES];
    path_join(path, folder, "%s.slot", name);
    buffer_init(&text, 0);
    bool read = driver_slot_kept(name, folder) && file_read(path, &text) == STATUS_OK;
    int64_t generation = read ? strtoll(buffer_text(&text), NULL, 10) : 0;
    buffer_finish(&text);
    driver_child_init(child);
    child->context = docker;
    if (generation <= 0)
        return error_set(error, STATUS_NOT_FOUND, "no container runs %s", name);
    slot->lives = slot->taken = true;
    slot->generation = child->generation = generation;
    child->lives = true;
    snprintf(child->slot, sizeof child->slot, "%s", name);
    return STATUS_OK;
}

static enum driver_news docker_news(struct driver_child *child, struct driver_exit *out_exit)
{
    struct slot *slot = child->context ? slot_find(child->context, child->slot) : NULL;
    if (!slot || !child->lives)
        return DRIVER_NOTHING;
    child->suspend_late_ms = slot->late_ms;
    if (slot->tell_announced) {
        slot->tell_announced = false;
        child->announced = true;
        return DRIVER_ANNOUNCED;
    }
    if (!slot->tell_end)
        return DRIVER_NOTHING;
    slot->tell_end = false;
    child->lives = child->announced = false;
    *out_exit = slot->end;
    return DRIVER_EXITED;
}

/* signal_engine: STOP and CONT are pauses of the whole container: its first process alone would not be enough. */
static void signal_engine(struct docker *docker, struct slot *slot, int number)
{
    bool pause = number == SIGSTOP, go_on = slot->paused && (number == SIGCONT || number == SIGKILL);
    if (go_on)
        engine_ask(docker->engine, ENGINE_UNPAUSE, &slot->container, 0);
    if (pause && !slot->paused)
        engine_ask(docker->engine, ENGINE_PAUSE, &slot->container, 0);
    else if (!pause && number != SIGCONT)
        engine_ask(docker->engine, ENGINE_KILL, &slot->container, number);
    slot->paused = pause || (slot->paused && !go_on);
}

/* signal_warden: KILL and TERM are said until they have worked. A warden that has not been heard for long is gone, and its
 * machine with it. */
static void signal_warden(struct docker *docker, struct slot *slot, int number)
{
    struct buffer order;
    if (number == SIGKILL && clock_monotonic_ms(&docker->clock) - slot->heard_ms > WARDEN_LOST_MS) {
        log_event(LOG_WARNING, "warden_lost", "instance=%s container=%s", slot->name, slot->warden);
        slot_end(slot, -1, 0);
        return;
    }
    int before = slot->signal;
    buffer_init(&order, 0);
    slot->signal = number;
    answer_verb(docker, WARDEN_SIGNAL, slot, &order);
    push(docker, slot, &order);
    buffer_finish(&order);
    if (number != SIGKILL && number != SIGTERM)
        slot->signal = before;
}

static enum status docker_signal(struct driver_child *child, int number)
{
    struct docker *docker = child->context;
    struct slot *slot = docker ? slot_find(docker, child->slot) : NULL;
    if (!slot || !slot->lives || !child->lives)
        return STATUS_CLOSED;
    if (docker->engine)
        signal_engine(docker, slot, number);
    else
        signal_warden(docker, slot, number);
    return STATUS_OK;
}

/* docker_suspend: through the warden, with an engine too: a lease must end although we may be dead then. Said until it has been
 * heard of. */
static enum status docker_suspend(const struct driver_child *child, int64_t lease_ms)
{
    struct docker *docker = child->context;
    struct slot *slot = docker ? slot_find(docker, child->slot) : NULL;
    struct buffer order;
    if (!slot || !slot->lives || !child->lives)
        return STATUS_CLOSED;
    slot->lease = clock_wall_ns(&docker->clock); /* no two alike, whoever of us orders them */
    slot->lease_ms = lease_ms;
    slot->late_ms = -1;
    buffer_init(&order, 0);
    answer_verb(docker, WARDEN_SUSPEND, slot, &order);
    push(docker, slot, &order);
    buffer_finish(&order);
    return STATUS_OK;
}

static bool docker_stands(const struct driver_child *child, bool *out_stands)
{
    const struct docker *docker = child->context;
    const struct slot *slot = docker ? slot_find(docker, child->slot) : NULL;
    *out_stands = slot && slot->stands;
    return slot && slot->lives && slot->peer.length && !slot->lease;
}

/* docker_release: containers are the engine's; one whose process has ended ends too. */
static void docker_release(struct driver_child *child)
{
    struct docker *docker = child->context;
    const struct slot *slot = docker && docker->engine ? slot_find(docker, child->slot) : NULL;
    if (slot && !slot->lives && slot->container.running)
        engine_ask(docker->engine, ENGINE_KILL, &slot->container, SIGTERM);
    child->lives = false;
}

const struct driver docker_driver = {
    .name = "docker",
    .start = docker_start,
    .kept = driver_slot_kept,
    .adopt = docker_adopt,
    .news = docker_news,
    .signal = docker_signal,
    .suspend = docker_suspend,
    .stands = docker_stands,
    .release = docker_release,
};

/* --- life --- */

/* engine_find: of a compose project, or, in a stack, for services alone. */
static enum status engine_find(struct docker *docker, const char *socket_path, struct error *error)
{
    enum status status = engine_open(socket_path, &docker->engine, error);
    if (status == STATUS_OK)
        return engine_list(docker->engine, note_container, docker, error);
    return status == STATUS_NOT_FOUND ? swarm_open(socket_path, &docker->swarm, error) : status;
}

enum status docker_open(const char *socket_path, const char *run_id, struct bus *bus,
                        struct docker **out_docker, struct error *error)
{
    struct docker *docker = memory_allocate(sizeof *docker);
    docker->clock = clock_system();
    docker->bus = bus;
    snprintf(docker->run_id, sizeof docker->run_id, "%s", run_id);
    enum status status = *socket_path ? engine_find(docker, socket_path, error) : STATUS_OK;
    if (status == STATUS_OK)
        *out_docker = docker;
    else
        docker_close(docker);
    return status;
}

void docker_close(struct docker *docker)
{
    if (!docker)
        return;
    engine_close(docker->engine);
    swarm_close(docker->swarm);
    for (size_t i = 0; i < docker->count; i++) {
        buffer_finish(&docker->slots[i]->order);
        free(docker->slots[i]);
    }
    free(docker->slots);
    free(docker);
}
