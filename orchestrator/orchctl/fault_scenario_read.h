/* fault_scenario_read: a scenario file as steps. All of it is read before the first step is played: a mistake in the last line hurts nobody. */
#pragma once

#include "base/status.h"
#include "config/tree.h"
#include "fault_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCENARIO_STEPS_MAX = 200, SCENARIO_EXPECTED_MAX = 16, SCENARIO_WORD_BYTES = 128 };

/* scenario_place: in the file, from 1; line 0: nowhere. */
struct scenario_place {
    size_t line, column;
};

enum scenario_action { SCENARIO_FAULT, SCENARIO_WAIT, SCENARIO_CLEAR, SCENARIO_EXPECT };

enum scenario_wait_kind { SCENARIO_WAIT_STEADY, SCENARIO_WAIT_FAULT, SCENARIO_WAIT_PROCESS };

struct scenario_wait {
    enum scenario_wait_kind kind;
    char subject[SCENARIO_WORD_BYTES], state[SCENARIO_WORD_BYTES]; /* "signal", "healthy"; "fault", "over" */
    int64_t least;                                                 /* of "fault touched" */
    int64_t limit_ms;
};

enum scenario_expected_kind {
    SCENARIO_RECOVERED,
    SCENARIO_CAUGHT_UP,
    SCENARIO_VERDICT,
    SCENARIO_REFUSED,
    SCENARIO_LOST,
    SCENARIO_DOUBLED,
    SCENARIO_RESTARTS,
    SCENARIO_TOUCHED,
};

struct scenario_expected {
    enum scenario_expected_kind kind;
    struct scenario_place at;
    int64_t limit_ms;               /* of what is expected within a time */
    int64_t figure;                 /* of what is counted */
    const char *value;              /* of a verdict */
    char text[SCENARIO_WORD_BYTES]; /* as it stands in the file */
};

struct scenario_step {
    enum scenario_action action;
    struct scenario_place at;
    const char *text; /* the action's own, as it stands in the file */
    char kind[SCENARIO_WORD_BYTES], target[SCENARIO_WORD_BYTES];
    struct fault_asked asked;
    bool background;
    struct scenario_wait wait;
    size_t clear; /* which fault of the scenario, from 1; 0: all */
    struct scenario_expected expected[SCENARIO_EXPECTED_MAX];
    size_t expected_count;
};

struct scenario_file {
    struct tree root; /* the texts of the steps */
    const char *name;
    struct scenario_step *steps;
    size_t step_count;
};

/* scenario_read: anything but STATUS_OK with "file:line:column: reason"; scenario_finish in any case. */
enum status scenario_read(const char *path, struct scenario_file *out_file, struct error *error) MUST_USE;
void scenario_finish(struct scenario_file *file);
