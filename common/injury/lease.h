/* lease: faults that a process has taken upon itself, each for a limited time. The process undoes them itself, by its own
 * monotonic clock and in a thread of its own, whatever becomes of who ordered them and of its own loop.
 *
 * What happens to the process (limits, memory, processor, clock) is done here (effect.c). What happens in a loop, on a link or
 * at the venue is done by whoever runs those: it asks for the active lease of a kind, and counts what it touches.
 *
 * Leases begin in the loop's thread and are used there; they end in any. Nothing is started before the first lease. */
#pragma once

#include "base/clock.h"
#include "injury/order.h"

#include <stdatomic.h>

enum { INJURY_LEASES_KEPT = 32 };

enum injury_end { INJURY_LASTS, INJURY_EXPIRED, INJURY_CLEARED };

struct injury_lease {
    struct injury_order order; /* id 0: a free place */
    int64_t begun_ns, deadline_ns;
    _Atomic bool active;
    _Atomic int64_t touched;
    int64_t over_ns; /* with `end`, under the table's mutex */
    enum injury_end end;
};

struct injury_table;

struct injury_table *injury_table_create(void);
void injury_table_destroy(struct injury_table *table); /* ends what lasts; accepts NULL */

/* injury_clock: the machine's clock, with its wall time wrong while an INJURY_CLOCK lasts. Borrows the table. */
struct clock injury_clock(struct injury_table *table);

/* injury_begin: an id that is known is the lease it was, and changes nothing. STATUS_CONFLICT: another one of its kind, or on
 * the same resource, lasts; STATUS_LIMIT, STATUS_IO: it cannot be done here. */
enum status injury_begin(struct injury_table *table, const struct injury_order *order,
                         struct error *error) MUST_USE;

/* injury_clear: ends one, or with id 0 all. STATUS_NOT_FOUND: nothing is known of that id. */
enum status injury_clear(struct injury_table *table, int64_t id, struct error *error) MUST_USE;

/* injury_any: whether any lasts; cheap. */
bool injury_any(const struct injury_table *table);

/* injury_next: active leases of a kind, one after the other: begin with *at = 0; NULL: no more. Loop's thread. */
struct injury_lease *injury_next(struct injury_table *table, enum injury_kind kind, size_t *at);
struct injury_lease *injury_active(struct injury_table *table, enum injury_kind kind); /* the first */

/* injury_touch: counts; false when the lease's count is used up: leave it alone then. */
bool injury_touch(struct injury_lease *lease);

/* injury_turn: once per turn of the loop: slow and stuck happen here. */
void injury_turn(struct injury_table *table);

/* injury_json: {"id", "active", "end", "touched", "late_ms"} of one lease. STATUS_NOT_FOUND. */
enum status injury_json(struct injury_table *table, int64_t id, struct json *json,
                        struct error *error) MUST_USE;

/* injury_figures: leases that last; all that was ever touched. */
void injury_figures(struct injury_table *table, int64_t *out_active, int64_t *out_touched);

/* injury_command: the commands fault {order}, fault_clear {id}, fault_status {id}; the answer's text on success is injury_json's.
 * STATUS_UNSUPPORTED: another verb. */
enum status injury_command(struct injury_table *table, const char *verb, const char *arguments,
                           struct error *answer) MUST_USE;
