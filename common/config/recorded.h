/* recorded: what a run has left in its folder, for whoever asks about it: how runs are called, the configuration all its processes
 * shared, and what is said where there is none. */
#pragma once

#include "config/config.h"

/* run_id_valid: 1 to 64 letters, digits, '_' and '-'. run_id_check: else STATUS_INVALID with a sentence. */
bool run_id_valid(const char *text);
enum status run_id_check(const char *text, struct error *error) MUST_USE;

/* recorded_plays_rows: of a run's own configuration: it plays rows that another run wrote (input_mode preview without captures): it harvests
 * nothing, computes no features, and stores none. */
bool recorded_plays_rows(const struct config *config);

/* recorded_none: STATUS_NOT_FOUND with the sentence for a folder in which no run is recorded. */
enum status recorded_none(struct error *error) MUST_USE;

/* recorded_config: reads an effective configuration into `config`; no file leaves it as it is. STATUS_MALFORMED with a sentence that
 * names file and key, and what to do: an earlier build's has not the keys of this one. */
enum status recorded_config(struct config *config, const char *path, struct error *error) MUST_USE;
