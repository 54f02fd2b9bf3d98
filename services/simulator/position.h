/* position: where a market is, kept in a small file, so that a simulator that died goes on as a venue would.
 *
 * The file holds one line of JSON, padded to POSITION_BYTES and overwritten in place: what a process wrote
 * before it was killed is there. It says which run and which market it is of; with another run it means
 * nothing. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { POSITION_BYTES = 512, POSITION_RUN_BYTES = 68, POSITION_MARKET_BYTES = 17 };

struct position {
    int64_t start_ms; /* where simulator.start put the market when it began */
    uint64_t number;  /* the next entry of the tape that not every reader has been given */
    int64_t base_market_ns, base_wall_ns; /* N×: market time at a moment of wall time */
    bool held;                            /* stood in front of the snapshot `number` */
};

struct position_file; /* NULL: nothing is kept */

/* position_open: creates the file, or reads it. `run_id` and `market` (a digest of what is played) say whose
 * it has to be; *out_found: it was theirs, and *out_position is what it said. STATUS_IO: it cannot be written;
 * STATUS_INVALID: the run began on another market, or its name is too long. */
enum status position_open(const char *path, const char *run_id, const char *market,
                          struct position_file **out_file, struct position *out_position, bool *out_found,
                          struct error *error) MUST_USE;
void position_close(struct position_file *file); /* NULL is fine */

/* position_keep: writes it when it differs from what was written last. */
void position_keep(struct position_file *file, const struct position *position);
