/* evidence: what the files of a run say, as named figures. Nothing here comes from memory: a figure whose
 * file is missing or says nothing is absent, and the gate that needs it is UNKNOWN.
 *
 *   evidence_status.c   the final status file: counters, positions, sinks
 *   evidence_signals.c  signal rows as JSONL and SQLite hold them
 *   evidence_files.c    Parquet parts, orders, comparison of the sinks, ledger, log
 *   evidence_reports.c  summaries, source manifest, data quality report
 *   evidence_manifest.c the run manifest */
#pragma once

#include "base/file.h"
#include "orchestrator/plan/module.h"

#include <stddef.h>
#include <stdint.h>

enum { EVIDENCE_FACTS_MAX = 128, EVIDENCE_NAME_BYTES = 48, EVIDENCE_SOURCE_BYTES = 256 };

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

/* evidence_places: where to look: data in the run's own folders, documents there too or in an evidence pack. */
struct evidence_places {
    const char *run_id;
    char status_path[PATH_BYTES], manifest_path[PATH_BYTES], log_path[PATH_BYTES], ledger_path[PATH_BYTES];
    char source_path[PATH_BYTES], parity_path[PATH_BYTES];
    char report_dir[PATH_BYTES], quality_dir[PATH_BYTES]; /* of summaries and of data quality reports */
    char canary_path[PATH_BYTES];                         /* the canary's final report */
    const char *output_dir, *data_root;
    const char *sink; /* jsonl, sqlite, dual */
    module_set modules;
};

/* evidence_places_live: the paths of documents, run_id being set, as a run writes them; evidence_places_pack: as they lie in
 * an evidence pack. */
void evidence_places_live(struct evidence_places *places, const char *artifacts_dir, const char *logs_dir);
void evidence_places_pack(struct evidence_places *places, const char *folder);

/* evidence_gather: everything that can be found: what the sinks and data sets hold and the processes said last, then what other
 * documents say. */
void evidence_gather(const struct evidence_places *places, struct evidence *out_evidence);
void evidence_gather_rows(const struct evidence_places *places, struct evidence *evidence);
void evidence_gather_documents(const struct evidence_places *places, struct evidence *evidence);

/* evidence_find: NULL when the figure is not known. */
const struct evidence_fact *evidence_find(const struct evidence *evidence, const char *name);

/* evidence_rows_lost: the most feature rows of the run that a sink has no signal row of, or numbers it lacks; in dual mode of either
 * sink. evidence_rows_repeated: likewise rows that stand twice. -1: not measured. */
int64_t evidence_rows_lost(const struct evidence *evidence, const char *sink);
int64_t evidence_rows_repeated(const struct evidence *evidence, const char *sink);

/* evidence_add: for the gatherers. */
void evidence_add(struct evidence *evidence, const char *name, double value, const char *source_file,
                  const char *source_field);

void evidence_from_status(const struct evidence_places *places, struct evidence *evidence);
void evidence_from_signals(const struct evidence_places *places, struct evidence *evidence);
void evidence_from_reports(const struct evidence_places *places, struct evidence *evidence);
void evidence_from_manifest(const struct evidence_places *places, struct evidence *evidence);
void evidence_from_files(const struct evidence_places *places, struct evidence *evidence);
