/* place: where the run of this folder keeps its things, as its effective configuration says. */
#pragma once

#include "base/file.h"
#include "config/config.h"
#include "proto/kind.h"

/* place_config: runtime/effective_config.json, or the built-in values when there is none. STATUS_MALFORMED with
 * a sentence when it cannot be read. */
enum status place_config(struct config **out_config, struct error *error) MUST_USE;
/* place_has_config: there is that file. An orchestrator that begins holds the folder before it has written it. */
bool place_has_config(void);

/* place_run: the id of the run that is meant, run_id or when it is NULL the newest here; out_config (may be NULL) gets what place_config
 * gives. STATUS_NOT_FOUND: none was started in this folder, or none of that name; STATUS_INVALID: no run is called so; STATUS_MALFORMED
 * as place_config. */
enum status place_run(const char *run_id, char out_id[RUN_ID_BYTES], struct config **out_config,
                      struct error *error) MUST_USE;

/* place_run_goes_on: just this run is being worked on, by an orchestrator, or by daemons that one left. */
bool place_run_goes_on(const struct config *config, const char *run_id);

/* place_market: STATUS_NOT_FOUND for the run of `config` when it played the rows of another: with a sentence that says what is `lacking`
 * therefore, and where to ask instead. */
enum status place_market(const struct config *config, const char *run_id, const char *lacking,
                         struct error *error) MUST_USE;

/* place_concluding: it has ended, and is being concluded behind the run that followed it. */
bool place_concluding(const char *state_dir, const char *run_id);

/* place_say_concluding: on stderr: that it is, and how to wait for the end of that. */
void place_say_concluding(const char *run_id);

/* place_left_effective: its configuration for programs, which names where what the next run would have written over lies; false: it is not being
 * concluded, or nobody has begun to. */
bool place_left_effective(const struct config *config, const char *run_id, char out_path[PATH_BYTES]);

/* place_any_concluding: the first of them by name; false: there is none. */
bool place_any_concluding(const char *state_dir, char out_run_id[RUN_ID_BYTES]);

/* place_orchestrator_lives: somebody holds the lock of this folder. */
bool place_orchestrator_lives(void);

/* place_daemons_live: somebody holds the lock of a daemon of this folder's run. place_daemons_of: wherever its bus is. */
bool place_daemons_live(void);
bool place_daemons_of(const struct config *config);
