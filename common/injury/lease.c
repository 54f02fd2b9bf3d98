#include "injury/lease.h"

#include "base/memory.h"
#include "injury/effect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct injury_table {
    struct clock clock; /* the machine's own */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a lease begins or ends */
    pthread_t thread;
    bool has_thread, leaving;
    _Atomic int lasting; /* leases that are active */
    struct effects effects;
    struct injury_lease leases[INJURY_LEASES_KEPT]; /* a ring; only what is over is written over */
    size_t next;
    int64_t touched_before; /* by leases that are no longer kept */
};

static int64_t now_ns(const struct injury_table *table)
{
    return clock_monotonic_ns(&table->clock);
}

/* --- the thread that ends them --- */

static void end(struct injury_table *table, struct injury_lease *lease, enum injury_end how)
{
    if (!atomic_exchange(&lease->active, false))
        return;
    effect_end(&table->effects, lease);
    atomic_fetch_sub(&table->lasting, 1);
    lease->over_ns = now_ns(table);
    lease->end = how;
    pthread_cond_broadcast(&table->changed);
}

/* look: ends what is due, lets effects tick; returns when to look again. */
static int64_t look(struct injury_table *table)
{
    int64_t due_ns = INT64_MAX;
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++) {
        struct injury_lease *lease = &table->leases[i];
        if (!atomic_load(&lease->active))
            continue;
        if (now_ns(table) >= lease->deadline_ns) {
            end(table, lease, INJURY_EXPIRED);
            continue;
        }
        int64_t tick_ms = effect_tick(&table->effects, lease);
        int64_t next_ns = tick_ms < 0 ? lease->deadline_ns : now_ns(table) + tick_ms * 1000000;
        next_ns = next_ns < lease->deadline_ns ? next_ns : lease->deadline_ns;
        due_ns = next_ns < due_ns ? next_ns : due_ns;
    }
    return due_ns;
}

static void wait_until(struct injury_table *table, int64_t due_ns)
{
    if (due_ns == INT64_MAX) {
        pthread_cond_wait(&table->changed, &table->mutex);
        return;
    }
    struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
    pthread_cond_timedwait(&table->changed, &table->mutex, &due);
}

static void *keep(void *context)
{
    struct injury_table *table = context;
    pthread_mutex_lock(&table->mutex);
    while (!table->leaving) {
        int64_t due_ns = look(table);
        if (!table->leaving)
            wait_until(table, due_ns);
    }
    pthread_mutex_unlock(&table->mutex);
    return NULL;
}

/* --- life --- */

struct injury_table *injury_table_create(void)
{
    struct injury_table *table = memory_allocate(sizeof *table);
    pthread_condattr_t attributes;
    table->clock = clock_system();
    pthread_mutex_init(&table->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&table->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return table;
}

void injury_table_destroy(struct injury_table *table)
{
    if (!table)
        return;
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++)
        end(table, &table->leases[i], INJURY_CLEARED);
    table->leaving = true;
    pthread_cond_broadcast(&table->changed);
    pthread_mutex_unlock(&table->mutex);
    if (table->has_thread)
        pthread_join(table->thread, NULL);
    pthread_cond_destroy(&table->changed);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

static int64_t skewed_wall(void *context)
{
    struct injury_table *table = context;
    int64_t skew_ns = atomic_load_explicit(&table->effects.skew_ns, memory_order_relaxed);
    if (skew_ns)
        atomic_fetch_add(&atomic_load(&table->effects.skewed)->touched, 1);
    return clock_wall_ns(&table->clock) + skew_ns;
}

static int64_t plain_monotonic(void *context)
{
    return now_ns(context);
}

struct clock injury_clock(struct injury_table *table)
{
    return (struct clock){.wall_ns = skewed_wall, .monotonic_ns = plain_monotonic, .context = table};
}

/* --- beginning --- */

static struct injury_lease *find(struct injury_table *table, int64_t id)
{
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++)
        if (id && table->leases[i].order.id == id)
            return &table->leases[i];
    return NULL;
}

static enum status find_conflict(struct injury_table *table, const struct injury_order *order,
                                 struct error *error)
{
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++) {
        const struct injury_lease *other = &table->leases[i];
        if (atomic_load(&other->active) && effect_conflicts(other->order.kind, order->kind))
            return error_set(error, STATUS_CONFLICT, "%s: fault %lld (%s) lasts here already",
                             injury_row(order->kind)->name, (long long)other->order.id,
                             injury_row(other->order.kind)->name);
    }
    return STATUS_OK;
}

static struct injury_lease *place_of(struct injury_table *table)
{
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++) {
        struct injury_lease *place = &table->leases[(table->next + i) % INJURY_LEASES_KEPT];
        if (atomic_load(&place->active))
            continue;
        table->next = (size_t)(place - table->leases + 1) % INJURY_LEASES_KEPT;
        table->touched_before += atomic_load(&place->touched);
        return place;
    }
    return NULL;
}

/* need_thread: before anything is done that nobody would undo. It takes no signal: those belong to the loop. */
static enum status need_thread(struct injury_table *table, struct error *error)
{
    if (table->has_thread)
        return STATUS_OK;
    int code = pthread_create(&table->thread, NULL, keep, table);
    if (code)
        return error_set(error, STATUS_IO, "no thread that would end the fault: %s", strerror(code));
    table->has_thread = true;
    return STATUS_OK;
}

static enum status begin(struct injury_table *table, const struct injury_order *order, struct error *error)
{
    enum status status = find_conflict(table, order, error);
    if (status == STATUS_OK)
        status = need_thread(table, error);
    struct injury_lease *lease = status == STATUS_OK ? place_of(table) : NULL;
    if (status == STATUS_OK && !lease)
        status = error_set(error, STATUS_LIMIT, "%d faults last here already", INJURY_LEASES_KEPT);
    if (status != STATUS_OK)
        return status;
    lease->order = *order;
    lease->begun_ns = now_ns(table);
    lease->deadline_ns = lease->begun_ns + order->ttl_ms * 1000000;
    lease->over_ns = 0;
    lease->end = INJURY_LASTS;
    atomic_store(&lease->touched, 0);
    atomic_store(&lease->active, true);
    status = effect_begin(&table->effects, lease, error);
    if (status == STATUS_OK) {
        atomic_fetch_add(&table->lasting, 1);
    } else {
        atomic_store(&lease->active, false);
        lease->order.id = 0;
    }
    pthread_cond_broadcast(&table->changed);
    return status;
}

enum status injury_begin(struct injury_table *table, const struct injury_order *order, struct error *error)
{
    pthread_mutex_lock(&table->mutex);
    enum status status = find(table, order->id) ? STATUS_OK : begin(table, order, error);
    pthread_mutex_unlock(&table->mutex);
    return status;
}

enum status injury_clear(struct injury_table *table, int64_t id, struct error *error)
{
    pthread_mutex_lock(&table->mutex);
    struct injury_lease *lease = find(table, id);
    for (size_t i = 0; !id && i < INJURY_LEASES_KEPT; i++)
        end(table, &table->leases[i], INJURY_CLEARED);
    if (lease)
        end(table, lease, INJURY_CLEARED);
    pthread_mutex_unlock(&table->mutex);
    return lease || !id
               ? STATUS_OK
               : error_set(error, STATUS_NOT_FOUND, "nothing is known here of fault %lld", (long long)id);
}

/* --- what loops ask --- */

struct injury_lease *injury_next(struct injury_table *table, enum injury_kind kind, size_t *at)
{
    while (*at < INJURY_LEASES_KEPT) {
        struct injury_lease *lease = &table->leases[(*at)++];
        if (atomic_load_explicit(&lease->active, memory_order_relaxed) && lease->order.kind == kind)
            return lease;
    }
    return NULL;
}

bool injury_any(const struct injury_table *table)
{
    return atomic_load_explicit(&table->lasting, memory_order_relaxed) > 0;
}

struct injury_lease *injury_active(struct injury_table *table, enum injury_kind kind)
{
    size_t at = 0;
    return injury_next(table, kind, &at);
}

bool injury_touch(struct injury_lease *lease)
{
    if (lease->order.count && atomic_load(&lease->touched) >= lease->order.count)
        return false;
    atomic_fetch_add(&lease->touched, 1);
    return true;
}

/* stand: until the lease is over, or the time has passed. */
static void stand(struct injury_table *table, const struct injury_lease *lease, int64_t until_ns)
{
    pthread_mutex_lock(&table->mutex);
    while (atomic_load(&lease->active) && now_ns(table) < until_ns)
        wait_until(table, until_ns);
    pthread_mutex_unlock(&table->mutex);
}

void injury_turn(struct injury_table *table)
{
    if (!injury_any(table))
        return;
    struct injury_lease *slow = injury_active(table, INJURY_SLOW),
                        *stuck = injury_active(table, INJURY_STUCK);
    if (slow && injury_touch(slow))
        stand(table, slow, now_ns(table) + slow->order.amount * 1000000);
    if (stuck && injury_touch(stuck))
        stand(table, stuck, INT64_MAX);
}

/* --- telling --- */

enum status injury_json(struct injury_table *table, int64_t id, struct json *json, struct error *error)
{
    static const char *const ENDS[] = {"", "expired", "cleared"};
    pthread_mutex_lock(&table->mutex);
    const struct injury_lease *lease = find(table, id);
    if (lease) {
        bool expired = lease->end == INJURY_EXPIRED;
        json_object_begin(json);
        json_key_i64(json, "id", id);
        json_key_bool(json, "active", atomic_load(&lease->active));
        json_key_text(json, "end", ENDS[lease->end]);
        json_key_i64(json, "touched", atomic_load(&lease->touched));
        json_key_i64(json, "late_ms", expired ? (lease->over_ns - lease->deadline_ns) / 1000000 : 0);
        json_object_end(json);
    }
    pthread_mutex_unlock(&table->mutex);
    return lease ? STATUS_OK
                 : error_set(error, STATUS_NOT_FOUND, "nothing is known here of fault %lld", (long long)id);
}

void injury_figures(struct injury_table *table, int64_t *out_active, int64_t *out_touched)
{
    pthread_mutex_lock(&table->mutex);
    *out_active = 0;
    *out_touched = table->touched_before;
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++) {
        *out_active += atomic_load(&table->leases[i].active);
        *out_touched += atomic_load(&table->leases[i].touched);
    }
    pthread_mutex_unlock(&table->mutex);
}

static enum status perform(struct injury_table *table, const char *verb, const char *arguments,
                           int64_t *out_id, struct error *error)
{
    struct injury_order order;
    enum status status;
    if (strcmp(verb, "fault") == 0) {
        status = injury_order_read(arguments, &order, error);
        *out_id = status == STATUS_OK ? order.id : 0;
        return status == STATUS_OK ? injury_begin(table, &order, error) : status;
    }
    if (strcmp(verb, "fault_clear") != 0 && strcmp(verb, "fault_status") != 0)
        return STATUS_UNSUPPORTED;
    status = injury_id_read(arguments, out_id, error);
    return status == STATUS_OK && strcmp(verb, "fault_clear") == 0 ? injury_clear(table, *out_id, error)
                                                                   : status;
}

enum status injury_command(struct injury_table *table, const char *verb, const char *arguments,
                           struct error *answer)
{
    struct buffer text;
    struct json json;
    int64_t id = 0;
    enum status status = perform(table, verb, arguments, &id, answer);
    if (status != STATUS_OK || !id)
        return status;
    buffer_init(&text, 0);
    json_init(&json, &text);
    status = injury_json(table, id, &json, answer);
    if (status == STATUS_OK)
        snprintf(answer->text, sizeof answer->text, "%s", buffer_text(&text));
    buffer_finish(&text);
    return status;
}
