/* settings: the configuration keys of harvest as the feed's plain struct. */
#pragma once

#include "config/config.h"
#include "feed.h"
#include "receiver.h"

/* feed_settings: `symbols` is borrowed. harvest.trade_stream must not be auto any more: the orchestrator resolves it from
 * what the venue offers, a replay by hand from its captures (intake.h); a harvest by hand on a venue: aggTrade. */
void feed_settings(const struct config *config, const char *const *symbols, size_t symbol_count,
                   struct feed_config *out);

/* receiver_settings: everything but writer, clock and wake. Texts are borrowed from `config` and `feed`. */
void receiver_settings(const struct config *config, const struct feed_config *feed,
                       struct receiver_config *out);

/* feed_metadata: the first record of each capture file: what a replay needs to make the same rows, the whole effective
 * configuration included (its secrets are left out). `symbols` are those of this capture: with several instances of harvest
 * the configuration names more. */
void feed_metadata(const struct config *config, const char *run_id, const char *fingerprint,
                   const char *const *symbols, size_t symbol_count, struct buffer *out);
