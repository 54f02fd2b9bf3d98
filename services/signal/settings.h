/* settings: the configuration of the signal daemon as its parts want it. */
#pragma once

#include "config/config.h"
#include "decision.h"
#include "stage/sink.h"

/* signal_settings: keys signal.* for one symbol. STATUS_INVALID with a sentence that names the key. */
enum status signal_settings(const struct config *config, const char *run_id, const char *symbol,
                            struct signal_config *out_settings, struct error *error) MUST_USE;

/* signal_sinks: what run.sink says: *out_jsonl, *out_sqlite or both; the other is NULL. Release them with
 * jsonl_sink_destroy and sqlite_sink_destroy. `path` is where the database's path is kept, as long as the sink. */
void signal_sinks(const struct config *config, const char *run_id, char path[], size_t path_bytes,
                  struct sink **out_jsonl, struct sink **out_sqlite);
