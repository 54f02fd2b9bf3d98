/* reporter: writes the summaries of one run, from files alone: report.db, the sinks, and what the
 * orchestrator gave.
 *
 * A summary while the run goes on reads only what the sinks got since the last one; the final one reads
 * everything again from the beginning and, when both sinks are on, compares them. Another final one, as it is asked for when the gates
 * have come, reads them only if a file or a stream has moved since. Beside the summaries it
 * keeps <output_dir>/report.json, which says where they are. Not thread-safe: one thread at a time. */
#pragma once

#include "base/status.h"
#include "config/config.h"
#include "given.h"
#include "summary_file.h"

#include <stdbool.h>
#include <stdint.h>

struct reporter_config { /* texts are borrowed as long as the reporter lives */
    const char *run_id;
    const char *sink; /* "jsonl", "sqlite", "dual" */
    const char *input_mode;
    const char *report_tz;
    const char *store_path; /* report.db */
    const char *output_dir;
    const char *artifacts_dir;
    struct summary_names names;
    double broker_sample_rate;
    bool sync;     /* journal.durability: power */
    bool unlisted; /* another run's are what <output_dir>/report.json tells of */
};

/* reporter_config_read: what the configuration says of them. */
struct reporter_config reporter_config_read(const struct config *config, const char *run_id,
                                            const char *store_path);

struct reporter;

struct reporter *reporter_create(const struct reporter_config *config);
void reporter_destroy(struct reporter *reporter); /* accepts NULL */

struct reporter_job {
    int64_t now_ms; /* wall time */
    bool final;
    bool
        patient; /* final: a sink with fewer rows than the signal stream is STATUS_AGAIN, nothing is written */
    const struct given *given;
};

/* reporter_write: one summary per sink, and the parity file when final. STATUS_AGAIN: see patient. Others
 * come with a sentence; what was written stays written, the rest can be tried again. */
enum status reporter_write(struct reporter *reporter, const struct reporter_job *job,
                           struct error *error) MUST_USE;

/* reporter_readings: how often the sinks have been read to their end, for a final summary. */
int64_t reporter_readings(const struct reporter *reporter);
