/* evidence: what the files of a run say, as named figures. Nothing here comes from memory: a figure whose
 * file is missing or says nothing is absent, and the gate that needs it is UNKNOWN.
 *
 *   evidence_status.c   the final status file: counters, positions, sinks
 *   evidence_signals.c  signal rows as JSONL and SQLite hold them
 *   evidence_files.c    Parquet parts, orders, summaries, comparison of the sinks, ledger, manifest, log */
#pragma once

#include "module.h"

#include <stddef.h>
#include <stdint.h>

enum { EVIDENCE_FACTS_MAX = 64, EVIDENCE_NAME_BYTES = 48, EVIDENCE_SOURCE_BYTES = 256 };

struct evidence_fact {
    char name[EVIDENCE_NAME_BYTES];
    double value;
    char source_file[EVIDENCE_SOURCE_BYTES];
    char source_field[EVIDENCE_SOURCE_BYTES];
};

struct evidence {
    struct evidence_fact facts[EVIDENCE_FACTS_MAX];
    size_t count;
};

/* evidence_places: where to look. */
struct evidence_places {
    const char *run_id;
    const char *status_path;
    const char *manifest_path;
    const char *log_path;
    const char *ledger_path;
    const char *output_dir, *data_root, *artifacts_dir, *logs_dir;
    const char *sink; /* jsonl, sqlite, dual */
    module_set modules;
};

/* evidence_gather: everything that can be found. */
void evidence_gather(const struct evidence_places *places, struct evidence *out_evidence);

/* evidence_find: NULL when the figure is not known. */
const struct evidence_fact *evidence_find(const struct evidence *evidence, const char *name);

/* evidence_add: for the gatherers. */
void evidence_add(struct evidence *evidence, const char *name, double value, const char *source_file,
                  const char *source_field);

void evidence_from_status(const struct evidence_places *places, struct evidence *evidence);
void evidence_from_signals(const struct evidence_places *places, struct evidence *evidence);
void evidence_from_files(const struct evidence_places *places, struct evidence *evidence);
