/* options: the command line of the orchestrator (operations.md §2), taken apart but not yet believed: values
 * of configuration keys are checked by the configuration. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { OPTIONS_OVERRIDES_MAX = 256, OPTIONS_CAPTURES_MAX = 1000, OPTIONS_FAULTS_MAX = 64 };

enum gate_set { GATES_NONE, GATES_REPLAY, GATES_SMOKE, GATES_SOAK, GATES_CANARY, GATES_DEFAULT };

const char *gate_set_name(enum gate_set set);
enum gate_set gate_set_of(const char *name); /* GATES_DEFAULT: no such set */

/* option_override: one configuration key from the command line; texts are borrowed from argv or owned by
 * options. */
struct option_override {
    const char *option; /* "--sink", for error messages */
    const char *key;
    const char *value;
};

/* option_fault: --fault PROC@SECONDS[:SIGNAL] or PROC@PERCENT%[:SIGNAL] */
struct option_fault {
    char process[64];
    double seconds; /* after go; of a share: infinite */
    double share;   /* of the simulator's market, 0…1; NaN: by seconds */
    int signal;
};

struct options {
    const char *config_path; /* NULL: not given */
    struct option_override overrides[OPTIONS_OVERRIDES_MAX];
    size_t override_count;
    const char *captures[OPTIONS_CAPTURES_MAX];
    size_t capture_count;
    struct option_fault faults[OPTIONS_FAULTS_MAX];
    size_t fault_count;
    enum gate_set gates;
    const char *run_tag; /* "" when not given */
    bool help, version;
    bool rolls_back;      /* the run that a rollback leads to (state/rollback.json) */
    const char *conclude; /* NULL, or the folder of a run that was left to be concluded (manifest/behind.h) */
    bool doctor, json;    /* only examine, and how to say it */
    int argument_count;   /* as they were given, borrowed */
    char **arguments;
    char *owned[OPTIONS_OVERRIDES_MAX]; /* texts cut out of arguments */
    size_t owned_count;
};

/* options_parse: STATUS_INVALID with a sentence naming the option. Nothing is opened or printed. */
enum status options_parse(int argc, char **argv, struct options *out_options, struct error *error) MUST_USE;
void options_finish(struct options *options);

/* options_print_help: to stdout. */
void options_print_help(void);
