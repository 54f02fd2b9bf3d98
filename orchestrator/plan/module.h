/* module: the processes of orderflow, which of them a run needs, and in which order they start (operations.md
 * §1).
 *
 * A set of modules is a bit per table index. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* module_id: the table's order is the start order; the stop order is exactly the reverse. */
enum module_id {
    MODULE_SIMULATOR,
    MODULE_HARVEST,
    MODULE_ARCHIVE,
    MODULE_FEATURES,
    MODULE_SIGNAL,
    MODULE_BROKER,
    MODULE_REPORT,
    MODULE_COUNT,
};

typedef uint32_t module_set;

struct module {
    const char *name;    /* with one instance, also the instance's */
    const char *program; /* its file name; NULL: as its name */
    module_set inputs;   /* whose streams it reads */
    bool takes_feed;     /* opens the feed at `go` and closes it at `stop_intake` */
    bool drains_last;    /* drains behind all others: it reads their files */
    bool drains;         /* knows the end of its input; others are only stopped */
    bool scales;         /* can have several instances, with the symbols divided among them */
    bool beats;          /* has heartbeats and takes commands; the simulator is no part of the bus */
};

const struct module *module_at(size_t index);

/* module_playing: features in a run that plays rows instead of computing them (preview.h): another program, which is the feed itself. */
const struct module *module_playing(void);
size_t module_index(const char *name);  /* MODULE_COUNT: no such module */
size_t module_of(const char *instance); /* of a process by its name; MODULE_COUNT: no process has it */
static inline module_set module_bit(size_t index)
{
    return (module_set)1 << index;
}

/* module_conditions: what decides whether one module implies another. */
struct module_conditions {
    bool venue_is_simulator;
    bool paper_enabled; /* false: the broker may not run */
    bool
        plays_rows; /* rows of features are the input: there is nothing before them, and nothing new to archive */
};

struct module_choice {
    module_set enabled;  /* named, less what conditions forbid */
    module_set implied;  /* added because another needs it */
    module_set left_out; /* named, but without work where rows are played */
};

/* module_choose: names → sets. STATUS_INVALID names the unknown module, STATUS_CONFLICT a cycle of dependencies in the table. No names:
 * both sets are empty. */
enum status module_choose(const char *const *names, size_t count, const struct module_conditions *conditions,
                          struct module_choice *out_choice, struct error *error) MUST_USE;
