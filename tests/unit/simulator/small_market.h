/* small_market: the market of USDM_LINES: entries at 0, 100, 200 (snapshot), 300, 400 µs. */
#pragma once

#include "captures.h"
#include "services/simulator/market.h"
#include "tests/support/in_folder.h"

enum { ENTRIES = 5, SNAPSHOT_AT = 2 };

static inline bool is_wanted(void *context, uint16_t symbol)
{
    (void)symbol;
    return *(bool *)context;
}

/* small_market_open: `wanted`: whether anybody listens; borrowed. */
static inline void small_market_open(struct venue *venue, struct market *market, double speed, bool *wanted)
{
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    struct error error = {""};
    write_capture(folder, "abcusdt_1.dat", USDM_LINES, path);
    struct venue_config config = {.captures = paths, .capture_count = 1};
    if (venue_open(venue, &config, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    market_init(market, venue, speed, is_wanted, wanted);
}
