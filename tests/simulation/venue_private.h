/* venue_private: what the venue's REST interface (venue_rest.c) needs of its market (venue.c). */
#pragma once

#include "base/buffer.h"
#include "tests/simulation/venue.h"

enum { NS_PER_MS = 1000000, VENUE_SYMBOLS = 2 };

static const char *const VENUE_NAMES[VENUE_SYMBOLS] = {"BTCUSDT", "ETHUSDT"};

struct synthetic *venue_synthetic(void);

/* venue_depth: the first snapshot where the market stands in front of it, later the book as it is. False: not yet. */
bool venue_depth(size_t symbol, struct buffer *out);
