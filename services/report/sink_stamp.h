/* sink_stamp: whether the files of a run's sinks are those that were read before: names, sizes and times of all of them, without
 * opening one. */
#pragma once

#include "base/hash.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct sink_stamp {
    uint8_t digest[SHA256_BYTES];
};

/* sink_stamp_take: of the JSON lines files and of signals.db with its log; one that is not there counts as such. STATUS_IO with a sentence. */
enum status sink_stamp_take(const char *output_dir, const char *run_id, struct sink_stamp *out_stamp,
                            struct error *error) MUST_USE;
bool sink_stamp_equal(const struct sink_stamp *left, const struct sink_stamp *right);
