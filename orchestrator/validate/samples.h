/* samples: the first and the last hour of every kind, kept beside a run's last quality report (data.md §4.3):
 *
 *   artifacts/samples/<YYYYMMDD>_<first 16 digits of the configuration's fingerprint>/
 *       symbol=…/kind=…/part-….parquet, dq.json, index.json {run_id, files[] {path, bytes, sha256}} */
#pragma once

#include "input.h"

/* samples_write: whole parts; a folder that is there already is another run's, the name then gets a number. STATUS_IO with a
 * sentence. */
enum status samples_write(const struct validate_input *input, const struct quality *quality,
                          const struct buffer *report, struct error *error) MUST_USE;
