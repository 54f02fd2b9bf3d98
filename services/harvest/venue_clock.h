/* venue_clock: how far the venue's clock is from this machine's, asked through REST every five minutes
 * (operations.md §9, clock_offset_ms).
 *
 * It is a figure, no input: neither question nor answer enters the capture, and nothing that makes rows knows of it.
 * The time of the question's way is shared equally between both directions. Belongs to the receiver's thread; only
 * venue_clock_offset_ms and venue_clock_failures may be called from elsewhere. */
#pragma once

#include "base/clock.h"
#include "base/status.h"
#include "venue.h"

#include <stdbool.h>
#include <stdint.h>

enum { VENUE_CLOCK_INTERVAL_MS = 300000, VENUE_CLOCK_RETRY_MS = 10000, VENUE_CLOCK_TIMEOUT_MS = 5000 };

struct venue_clock_config {
    const char *rest_url; /* scheme, host, port; copied */
    enum venue_market market;
    const char *certificate_path; /* NULL: the system's */
    struct clock clock;
};

struct venue_clock;

enum status venue_clock_create(const struct venue_clock_config *config, struct venue_clock **out_clock,
                               struct error *error) MUST_USE;
void venue_clock_destroy(struct venue_clock *clock); /* accepts NULL */

/* venue_clock_run: asks when it is time, takes the answer when it has come; never waits. Returns whether an answer is
 * awaited: then it should be called again soon. Accepts NULL. */
bool venue_clock_run(struct venue_clock *clock);

/* venue_clock_offset_ms: venue's time minus ours at the last answer, NaN: not measured. Accepts NULL. */
double venue_clock_offset_ms(const struct venue_clock *clock);

/* venue_clock_failures: questions that got no usable answer. */
int64_t venue_clock_failures(const struct venue_clock *clock);
