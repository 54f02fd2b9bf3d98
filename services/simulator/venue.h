/* venue: what the server part knows about its market, recorded or synthetic: a tape to play and REST
 * answers. */
#pragma once

#include "catalogue.h"
#include "inject.h"
#include "recording.h"
#include "synthetic.h"
#include "tape.h"

struct venue {
    struct recording recording;  /* its tape and catalogue serve the synthetic market too */
    struct synthetic *synthetic; /* NULL: recorded */
    struct inject *inject;       /* borrowed; NULL: no faults */
    bool *snapshot_said;         /* synthetic, by symbol */
    uint16_t *stream_of;         /* synthetic, by symbol and stream kind */
    int64_t first_ns, last_ns;   /* market time of the first and last entry; last INT64_MAX when unknown */
    uint64_t messages;           /* of a recording; of a synthetic market so far */
};

struct venue_config {
    const char *const *captures;
    size_t capture_count;
    bool shift; /* move a recording so that it starts at synthetic.start_ms */
    struct synthetic_config
        synthetic; /* used without captures; symbols are also the choice among the captures' */
    struct inject *inject;
};

enum status venue_open(struct venue *venue, const struct venue_config *config, struct error *error) MUST_USE;
void venue_close(struct venue *venue);

static inline struct tape *venue_tape(struct venue *venue)
{
    return &venue->recording.tape;
}

static inline const struct catalogue *venue_catalogue(const struct venue *venue)
{
    return &venue->recording.catalogue;
}

static inline enum market_kind venue_market(const struct venue *venue)
{
    return venue->recording.market;
}

/* venue_extend: makes the tape reach beyond `number`, if anything comes there at all. */
bool venue_extend(struct venue *venue, uint64_t number);

/* venue_snapshot_ahead: whether a snapshot of the symbol that has to be fetched stands at `position` or
 * later. */
bool venue_snapshot_ahead(const struct venue *venue, uint16_t symbol, uint64_t position);

/* venue_depth: STATUS_NOT_FOUND when the symbol has no snapshot before `position`. */
enum status venue_depth(struct venue *venue, uint16_t symbol, uint64_t position, size_t limit,
                        struct buffer *out) MUST_USE;
void venue_agg_trades(const struct venue *venue, uint16_t symbol, int64_t from_id, size_t limit,
                      uint64_t position, struct buffer *out);
void venue_exchange_info(const struct venue *venue, int64_t now_ms, struct buffer *out);
