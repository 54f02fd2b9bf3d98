/* order: what may be done to a process on purpose, and the words for it. One table of kinds for orchctl, the orchestrator,
 * the daemons and the simulator; one JSON object for an order on its way to its victim. */
#pragma once

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    INJURY_LINK_BYTES = 64,
    INJURY_TTL_MS_MIN = 20,
    INJURY_TTL_MS_MAX = 600000,
    INJURY_TTL_MS_DEFAULT = 2000,
    INJURY_LATE_MS_MAX = 100, /* so soon behind its end a lease is undone */
};

enum injury_kind {
    INJURY_KILL,
    INJURY_HANG,
    INJURY_STUCK,
    INJURY_SLOW,
    INJURY_CPU,
    INJURY_PARTITION,
    INJURY_DROP,
    INJURY_DUPLICATE,
    INJURY_DELAY,
    INJURY_CORRUPT,
    INJURY_DISK_FULL,
    INJURY_WRITE_ERROR,
    INJURY_DESCRIPTORS,
    INJURY_MEMORY,
    INJURY_CLOCK,
    INJURY_STALL,
    INJURY_CUT,
    INJURY_REST_ERROR,
    INJURY_REST_SLOW,
    INJURY_MALFORMED,
    INJURY_KIND_COUNT,
};

/* injury_place: who does it, and who undoes it. */
enum injury_place {
    INJURY_BY_SIGNAL,  /* the orchestrator; nothing to undo */
    INJURY_BY_KEEPER,  /* the victim's keeper, which outlives the orchestrator */
    INJURY_IN_LOOP,    /* the victim's own loop */
    INJURY_IN_PROCESS, /* a resource of the victim's process */
    INJURY_ON_LINK,    /* what the victim hears of an upstream, and tells it */
    INJURY_AT_VENUE,   /* what the simulator serves */
};

struct injury_row {
    const char *name;
    enum injury_place place;
    const char *summary;
    const char *amount_name; /* NULL: takes none */
    int64_t amount_default, amount_min, amount_max;
    double share_default; /* of what passes; 0: takes none */
    int restarts_max;     /* of the victim that are no failure of it */
    const char *touched;  /* what is counted; for a sentence: injury_touched */
    const char *touched_one;
};

const struct injury_row *injury_row(enum injury_kind kind);
/* injury_touched: the words behind a number of what was touched: "1 turn", "2 turns". */
const char *injury_touched(enum injury_kind kind, int64_t count);
/* injury_kind_of: INJURY_KIND_COUNT: there is none of that name. */
enum injury_kind injury_kind_of(const char *name);
/* injury_kind_names: "kill, hang, …", for sentences; of the victims that take what happens in `places` (a bit each). */
void injury_kind_names(unsigned places, char *out_text, size_t size);

struct injury_order {
    int64_t id; /* from 1; the same id is the same lease */
    enum injury_kind kind;
    char link[INJURY_LINK_BYTES]; /* upstream instance; "": every one */
    double share;
    int64_t count; /* touches at most so much; 0: no limit */
    int64_t seed;
    int64_t amount;
    int64_t ttl_ms;
};

/* injury_order_check: ranges; fills in nothing. */
enum status injury_order_check(const struct injury_order *order, struct error *error) MUST_USE;
void injury_order_json(const struct injury_order *order, struct json *json);
/* injury_order_read: strict: STATUS_INVALID names the member. */
enum status injury_order_read(const char *text, struct injury_order *out_order, struct error *error) MUST_USE;
/* injury_id_read: {"id": n} → n. */
enum status injury_id_read(const char *text, int64_t *out_id, struct error *error) MUST_USE;
