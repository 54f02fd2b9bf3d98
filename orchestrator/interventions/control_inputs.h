/* control_inputs: decisions of people and gates on their way into the raw capture (data.md §2 kind 5).
 *
 * harvest alone writes the capture, so a decision is a command to it (`control`), said again until it has answered that the rows it
 * became are committed: to every instance for a decision about all symbols, else to the one that has the symbol. It carries an id,
 * so that one that is said twice is recorded once. */
#pragma once

#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;
struct process;

enum { CONTROL_INPUTS_MAX = 64, CONTROL_INPUT_ID_BYTES = 48, CONTROL_INPUT_TARGETS = 64 };

enum control_input_state { CONTROL_INPUT_OPEN, CONTROL_INPUT_COMMITTED, CONTROL_INPUT_REFUSED };

/* control_wish: what is to be decided; the names are harvest's (proto's, once it knows them). */
struct control_wish {
    const char *decision; /* lock_direction, … */
    const char *symbol;   /* NULL: all */
    double value;         /* NaN: none */
    const char *who, *why;
    const char *id;   /* NULL: one is made up; else harvest records what is said twice under it once */
    bool is_incident; /* of its own: opened and closed when it is committed */
};

struct control_input {
    char id[CONTROL_INPUT_ID_BYTES];
    char json[META_BYTES];
    char decision[32], symbol[SYMBOL_BYTES];
    char who[64], why[256];
    bool is_incident;
    enum control_input_state state;
    uint64_t
        answered; /* a bit per process of the run that has committed it, by its number among harvest's instances */
    int64_t begun_ms, sent_ms;
    int64_t opened_wall_ms;
    char reason[128];
};

/* control_inputs: a ring of the newest; the run's. */
struct control_inputs {
    struct control_input *items;
    size_t count; /* of all that ever were */
};

void control_inputs_finish(struct control_inputs *inputs);

/* control_inputs_add: STATUS_LIMIT: too many are under way; STATUS_INVALID: an unknown symbol, a text too long; STATUS_CONFLICT: the
 * feed is not open. *out_id lives as long as the input is kept. */
enum status control_inputs_add(struct run *run, const struct control_wish *wish, const char **out_id,
                               struct error *error) MUST_USE;

/* control_inputs_find: the newest of that id that is still kept; NULL: none. */
const struct control_input *control_inputs_find(const struct run *run, const char *id);

void control_inputs_step(struct run *run);
int64_t control_inputs_due_ms(const struct run *run);

/* control_inputs_under_way: one is not answered by all: until then no symbol of harvest begins to move, and while one moves none is
 * begun to be said. */
bool control_inputs_under_way(const struct run *run);

/* control_inputs_take_answer: true when the answer is to one of them. */
bool control_inputs_take_answer(struct run *run, struct process *process,
                                const struct command_answer_row *row);
