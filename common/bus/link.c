#include "link.h"

#include "base/memory.h"
#include "base/random.h"
#include "injury/lease.h"

#include <stdlib.h>
#include <string.h>

enum {
    HELD_MAX = 20000, /* messages held back; beyond that one passes in time */
    GLANCE_MS = 5,
};

/* chances: the generator of one lease. */
struct chances {
    const struct injury_lease *lease;
    int64_t id;
    struct random random;
};

struct held {
    struct held *next;
    const struct injury_lease *lease;
    int64_t id;
    int64_t due_ms;
    enum link_side side;
    size_t connection;
    struct parts parts;
};

struct link {
    struct injury_table *table;
    struct clock clock;
    struct chances chances[INJURY_LEASES_KEPT];
    struct held *first, *last; /* in the order in which they came; one lease, one delay */
    size_t held_count;
};

struct link *link_create(struct injury_table *table)
{
    if (!table)
        return NULL;
    struct link *link = memory_allocate(sizeof *link);
    link->table = table;
    link->clock = clock_system();
    return link;
}

static void forget(struct held *held)
{
    parts_close(&held->parts);
    free(held);
}

void link_destroy(struct link *link)
{
    if (!link)
        return;
    for (struct held *held = link->first, *next; held; held = next) {
        next = held->next;
        forget(held);
    }
    free(link);
}

/* --- whom it hits --- */

static struct random *random_of(struct link *link, const struct injury_lease *lease)
{
    struct chances *place = NULL;
    for (size_t i = 0; i < INJURY_LEASES_KEPT; i++) {
        struct chances *chances = &link->chances[i];
        if (chances->lease == lease && chances->id == lease->order.id)
            return &chances->random;
        if (chances->lease == lease || (!place && !chances->lease))
            place = chances;
    }
    *place =
        (struct chances){.lease = lease, .id = lease->order.id}; /* one place for each lease there can be */
    random_seed(&place->random, (uint64_t)lease->order.seed);
    return &place->random;
}

static bool concerns(const struct injury_lease *lease, const char *instance)
{
    return !*lease->order.link || strcmp(lease->order.link, instance) == 0;
}

/* hits: the lease of this kind that acts on this message, counted; NULL: none does. */
static struct injury_lease *hits(struct link *link, enum injury_kind kind, const char *instance)
{
    size_t at = 0;
    for (struct injury_lease *lease; (lease = injury_next(link->table, kind, &at));) {
        if (!concerns(lease, instance))
            continue;
        bool chosen = kind == INJURY_PARTITION || random_unit(random_of(link, lease)) < lease->order.share;
        if (chosen && injury_touch(lease))
            return lease;
    }
    return NULL;
}

/* --- what is done --- */

static void part_replace(zmq_msg_t *part, const void *data, size_t bytes)
{
    zmq_msg_t changed;
    zmq_msg_init_size(&changed, bytes);
    if (bytes)
        memcpy(zmq_msg_data(&changed), data, bytes);
    zmq_msg_move(part, &changed);
    zmq_msg_close(&changed);
}

/* damage: what a reader can tell from a frame: cut off, empty, not msgpack, or with something behind its end. Frames carry no
 * checksum, so a flipped bit inside a number would be another number; nothing on the way of a local socket does that. */
static void damage(struct link *link, const struct injury_lease *lease, struct parts *parts)
{
    struct random *random = random_of(link, lease);
    zmq_msg_t *part = &parts->part[parts->count - 1];
    size_t bytes = zmq_msg_size(part);
    uint8_t *copy = memory_allocate(bytes + 1);
    if (bytes)
        memcpy(copy, zmq_msg_data(part), bytes);
    switch (random_below(random, 4)) {
    case 0: part_replace(part, copy, bytes ? random_below(random, bytes) : 0); break;
    case 1: part_replace(part, NULL, 0); break;
    case 2:
        copy[0] = 0xc1; /* the one byte msgpack never uses */
        part_replace(part, copy, bytes);
        break;
    default: copy[bytes] = (uint8_t)random_below(random, 256); part_replace(part, copy, bytes + 1);
    }
    free(copy);
}

static void hold(struct link *link, const struct injury_lease *lease, enum link_side side, size_t connection,
                 struct parts *parts)
{
    struct held *held = memory_allocate(sizeof *held);
    *held = (struct held){.lease = lease,
                          .id = lease->order.id,
                          .due_ms = clock_monotonic_ms(&link->clock) + lease->order.amount,
                          .side = side,
                          .connection = connection};
    held->parts.count = parts->count;
    for (size_t i = 0; i < parts->count; i++) {
        zmq_msg_init(&held->parts.part[i]);
        zmq_msg_move(&held->parts.part[i], &parts->part[i]);
    }
    if (link->last)
        link->last->next = held;
    else
        link->first = held;
    link->last = held;
    link->held_count++;
}

int link_pass(struct link *link, const char *instance, enum link_side side, size_t connection,
              struct parts *parts)
{
    struct injury_lease *lease;
    if (!injury_any(link->table))
        return 1;
    if (hits(link, INJURY_PARTITION, instance) || hits(link, INJURY_DROP, instance))
        return 0;
    if ((lease = hits(link, INJURY_CORRUPT, instance)))
        damage(link, lease, parts);
    if (link->held_count < HELD_MAX && (lease = hits(link, INJURY_DELAY, instance))) {
        hold(link, lease, side, connection, parts);
        return 0;
    }
    return hits(link, INJURY_DUPLICATE, instance) ? 2 : 1;
}

bool link_request(struct link *link, const char *instance)
{
    return injury_any(link->table) && hits(link, INJURY_PARTITION, instance);
}

bool link_due(struct link *link, enum link_side *out_side, size_t *out_connection, struct parts *out_parts)
{
    int64_t now_ms = link->first ? clock_monotonic_ms(&link->clock) : 0;
    struct held *before = NULL;
    for (struct held *held = link->first; held; before = held, held = held->next) {
        bool over = held->lease->order.id != held->id || !atomic_load(&held->lease->active);
        if (!over && now_ms < held->due_ms)
            continue;
        if (before)
            before->next = held->next;
        else
            link->first = held->next;
        if (link->last == held)
            link->last = before;
        *out_side = held->side;
        *out_connection = held->connection;
        *out_parts = held->parts;
        link->held_count--;
        free(held);
        return true;
    }
    return false;
}

int link_timeout(const struct link *link, int timeout_ms)
{
    return link->first && timeout_ms > GLANCE_MS ? GLANCE_MS : timeout_ms;
}
