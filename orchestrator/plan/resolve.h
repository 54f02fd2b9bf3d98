/* resolve: from options, environment and file to the one configuration that all processes of a run share
 * (operations.md §4, §5). */
#pragma once

#include "base/buffer.h"
#include "config/config.h"
#include "module.h"
#include "orchestrator/options.h"
#include "venue.h"

/* resolve_config: file, environment, command line; all mistakes of all three are printed to `out_mistakes`,
 * one line each. STATUS_INVALID when there is one. The run id is generated when nobody gave one. */
enum status resolve_config(const struct options *options, config_environment_get *get, void *context,
                           int64_t now_ms, struct config **out_config, struct buffer *out_mistakes) MUST_USE;

/* resolve_config_path: the file it reads, NULL when there is none. */
const char *resolve_config_path(const struct options *options);

/* resolve_overrides: how many keys the command line and the environment have set. */
int64_t resolve_overrides(const struct config *config);

/* resolve_modules: what to start; afterwards run.enable names all of it, for the children. */
enum status resolve_modules(struct config *config, struct module_choice *out_choice,
                            struct error *error) MUST_USE;

/* resolve_recorded: the input is recorded, and so ends by itself. */
bool resolve_recorded(const struct config *config);

/* resolve_venue: takes over what the simulator serves and where; what a person set himself stays.
 * STATUS_INVALID when the two contradict each other. */
enum status resolve_venue(struct config *config, const struct venue_streams *streams, int64_t port,
                          struct error *error) MUST_USE;

/* resolve_write: the effective configuration as one file, atomically. */
enum status resolve_write(const struct config *config, const char *path, struct error *error) MUST_USE;

/* resolve_environment: "NAME=value" for a child: the minimum and the variables listed for that process, in a
 * NULL-terminated array; free with resolve_environment_free. */
char **resolve_environment(const char *process, config_environment_get *get, void *context);
void resolve_environment_free(char **environment);

/* resolve_event_clock: "wall", "recorded" or "scaled": only where event time is wall time do ages and latencies mean anything. */
const char *resolve_event_clock(const struct config *config);
