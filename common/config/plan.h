/* plan: which instances a run has, and which of them each symbol belongs to, service by service (design.md §3).
 *
 * The orchestrator alone makes it, under a version that only grows, as runtime/plan.json; daemons read it at their start
 * and when they are told that there is a newer one, and keep the last one while the orchestrator is away. The first
 * instance of a service has the service's plain name, further ones are <service>.2, <service>.3, …; `<service>.1` means
 * the first.
 *
 * A symbol's owner is chosen by rendezvous hashing: the instance whose hash with the symbol is greatest. One instance more
 * takes symbols only to itself, one less gives away only its own. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PLAN_INSTANCES_MAX = 64, /* of a service */
    PLAN_SERVICES_MAX = 16,
    PLAN_SYMBOLS_MAX = 1000,
    PLAN_NAME_BYTES = 64,
    PLAN_SYMBOL_BYTES = 32,
    PLAN_RUN_BYTES = 68,
    PLAN_READERS_BYTES = 256,
    PLAN_BYTES_MAX = 8 * 1024 * 1024,
};

struct plan_service {
    char name[PLAN_NAME_BYTES];
    char instances[PLAN_INSTANCES_MAX][PLAN_NAME_BYTES];
    size_t instance_count;
    uint8_t owners[PLAN_SYMBOLS_MAX]; /* by symbol: into instances */
};

struct plan {
    char run_id[PLAN_RUN_BYTES];
    int64_t version;
    char symbols[PLAN_SYMBOLS_MAX][PLAN_SYMBOL_BYTES];
    size_t symbol_count;
    struct plan_service services[PLAN_SERVICES_MAX];
    size_t service_count;
};

/* plan_create: version 0, without services. */
struct plan *plan_create(const char *run_id, const char *const *symbols, size_t symbol_count);
void plan_destroy(struct plan *plan); /* accepts NULL */

/* plan_add: a service with instances 1 … count, every symbol with its rendezvous owner. */
struct plan_service *plan_add(struct plan *plan, const char *service, size_t count);

struct plan_service *plan_service(struct plan *plan, const char *name); /* NULL: not in the plan */
size_t plan_symbol(const struct plan *plan, const char *symbol);        /* SIZE_MAX: not in the plan */

/* plan_owner: the instance a symbol belongs to, NULL when service or symbol are not in the plan. */
const char *plan_owner(const struct plan *plan, const char *service, const char *symbol);
/* plan_owned: how many symbols belong to an instance. */
size_t plan_owned(const struct plan *plan, const char *service, const char *instance);

/* plan_instance, plan_instance_add: index of an instance, SIZE_MAX: not in the plan. add: at the end, owning nothing.
 * plan_instance_remove: one that owns nothing. */
size_t plan_instance(const struct plan_service *service, const char *name);
size_t plan_instance_add(struct plan_service *service, const char *name);
void plan_instance_remove(struct plan_service *service, size_t index);

/* plan_instance_name: "signal" for number 1, else "signal.2". */
void plan_instance_name(const char *service, size_t number, char out_name[PLAN_NAME_BYTES]);
/* plan_instance_number: of a name the service's instances can have ("signal", "signal.1", "signal.2" …), 0: of none. */
size_t plan_instance_number(const char *service, const char *name);

/* plan_rendezvous: which of `count` instance names a symbol belongs to. */
size_t plan_rendezvous(const char (*instances)[PLAN_NAME_BYTES], size_t count, const char *symbol);

/* plan_move: one symbol from one instance to another; `version`: of the plan that will say so. Travels as JSON in a command's
 * arguments. */
struct plan_move {
    char service[PLAN_NAME_BYTES];
    char symbol[PLAN_SYMBOL_BYTES];
    char from[PLAN_NAME_BYTES];
    char to[PLAN_NAME_BYTES];
    int64_t version;
    char readers
        [PLAN_READERS_BYTES]; /* services that read it, "signal,archive": whom its rows must be kept for */
};
void plan_move_json(const struct plan_move *move, struct buffer *out);
enum status plan_move_parse(const char *text, struct plan_move *out_move, struct error *error) MUST_USE;

/* plan_json, plan_parse, plan_read: the file. A sentence with the place for everything that is not a whole plan: STATUS_MALFORMED;
 * STATUS_NOT_FOUND and STATUS_IO of reading the file. plan_write: atomically. */
void plan_json(const struct plan *plan, struct buffer *out);
enum status plan_parse(const void *data, size_t bytes, struct plan **out_plan, struct error *error) MUST_USE;
enum status plan_read(const char *path, struct plan **out_plan, struct error *error) MUST_USE;
enum status plan_write(const struct plan *plan, const char *path, bool sync, struct error *error) MUST_USE;
