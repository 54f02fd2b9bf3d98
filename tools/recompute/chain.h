/* chain: the engines of harvest, features, signal and broker one behind the other in one process.
 *
 *     capture record ─▶ feed ─▶ rows of harvest ─▶ features_symbol ─▶ rows ─▶ decision ─▶ signal ─▶ paper ─▶ order …
 *
 * What goes from one engine to the next is what goes from one daemon to the next: every row of the stream, in its order. So the
 * rows are those of the run, with the sequences they have in its streams (docs/architecture.md, "The promises"). Records and rows
 * pass through memory only; beside the configuration nothing but the time zone it names is read. */
#pragma once

#include "config/config.h"
#include "journal/capture.h"
#include "proto/kind.h"
#include "services/harvest/feed.h"
#include "services/signal/decision.h"

#include <stddef.h>
#include <stdint.h>

enum chain_service { CHAIN_HARVEST, CHAIN_FEATURES, CHAIN_SIGNAL, CHAIN_BROKER, CHAIN_SERVICES };
extern const char *const CHAIN_SERVICE_NAMES[];

/* chain_row: one row of a stream and what caused it. */
struct chain_row {
    enum chain_service service;
    size_t symbol;
    const struct message *message;
    const void *row;  /* the struct of `message`, good during the call */
    int64_t sequence; /* in its own stream */
    int64_t source;   /* sequence of the harvest row at whose processing it was made; a harvest row's own */
    uint64_t record;  /* capture record at whose processing it was made */
};

typedef void chain_visit(void *context, const struct chain_row *row);

struct chain;

/* chain_create: `config` is the run's own, and like `owners` (feed_config.owners) borrowed for the call. NULL with a sentence when the engines refuse it. */
struct chain *chain_create(const struct config *config, const int16_t *owners, const char *run_id,
                           chain_visit *visit, void *context, struct error *error);
void chain_destroy(struct chain *chain); /* accepts NULL */

/* chain_only: behind harvest nothing but this symbol is computed any more. Call before the first record. */
void chain_only(struct chain *chain, size_t symbol);

/* chain_record: one record. A record the feed refuses is no error here: the run counted it and went on, too. */
void chain_record(struct chain *chain, const struct capture_record *record);

/* chain_end: the capture is at its end (feed_end). */
void chain_end(struct chain *chain);

size_t chain_symbol_count(const struct chain *chain);
const char *chain_symbol(const struct chain *chain, size_t index);
size_t chain_symbol_index(const struct chain *chain, const char *symbol); /* SIZE_MAX: not in the run */
int chain_levels(const struct chain *chain);                              /* published book levels */

/* chain_parser: a parser of the run's messages with a memory of its own. Release with venue_destroy. */
struct venue *chain_parser(const struct chain *chain);

/* For a visitor, about what was processed up to this very row. */
int64_t chain_synchronisations(const struct chain *chain, size_t symbol); /* of the local book */
int64_t chain_books_taken(const struct chain *chain,
                          size_t symbol); /* accepted by features, priming ones too */
int64_t chain_trades_taken(const struct chain *chain, size_t symbol);
const struct signal_decision *chain_decision(const struct chain *chain, size_t symbol);
