/* venue: what the simulator says it serves: the file of its --streams-file, which holds what it answers to
 * GET /simulator/streams. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VENUE_SYMBOLS_MAX = 1000 };

struct venue_streams {
    char market[16];       /* usdm, coinm, spot; "" when it does not say */
    char trade_stream[16]; /* trade, aggTrade */
    char depth_stream[32]; /* @depth@0ms … */
    char **symbols;
    size_t symbol_count;
    int64_t messages;      /* of a recording; 0: not known beforehand */
    int64_t skipped;       /* lines and records of it that could not be read */
    int64_t first_recv_ms; /* where the market begins and ends; 0: endless */
    int64_t last_recv_ms;
};

/* venue_share: how much of the market has passed, 0…1, by messages where they are known, else by market time;
 * NaN when neither is. `messages` and `event_ms` are what harvest has seen, negative when it has not told. */
double venue_share(const struct venue_streams *streams, int64_t messages, int64_t event_ms);

/* venue_streams_parse: the text. STATUS_MALFORMED with a sentence. */
enum status venue_streams_parse(const void *json, size_t bytes, struct venue_streams *out_streams,
                                struct error *error) MUST_USE;
void venue_streams_finish(struct venue_streams *streams);
bool venue_streams_have(const struct venue_streams *streams, const char *symbol);

/* venue_streams_read: what the simulator wrote to its streams file. */
enum status venue_streams_read(const char *path, struct venue_streams *out_streams,
                               struct error *error) MUST_USE;

/* venue_port_read: the port the simulator wrote to its port file. */
enum status venue_port_read(const char *path, int64_t *out_port, struct error *error) MUST_USE;
