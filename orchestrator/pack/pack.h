/* pack: the evidence of a run in one folder, artifacts/evidence/<run_id>/ (operations.md §13).
 *
 *   index.json     what belongs to it: {run_id, created_at, files[] {path, bytes, sha256, role, scope}, gates[], …}
 *   SHA256SUMS     of everything in the folder, the index too; `sha256sum -c` reads it
 *   documents      copies of manifests, status, ledger, comparison, summaries, quality report, log lines of the run
 *
 * Data stay where they are and are named with their hashes. `scope` says what was hashed: "pack": a copy in the folder;
 * "file": a file of this run alone; "run": the rows of this run in a file that later runs also write to. */
#pragma once

#include "base/exits.h"
#include "base/hash.h"
#include "base/json.h"
#include "orchestrator/manifest/conditions.h"
#include "orchestrator/manifest/evidence.h"
#include "proto/kind.h"

#include <stdint.h>
#include <yyjson.h>

enum { PACK_ROLE_BYTES = 32 };

enum pack_scope { SCOPE_PACK, SCOPE_FILE, SCOPE_RUN, SCOPE_COUNT };
const char *pack_scope_name(enum pack_scope scope);

struct pack_file {
    char path[PATH_BYTES]; /* SCOPE_PACK: below the pack; else as the run names it */
    char role[PACK_ROLE_BYTES];
    enum pack_scope scope;
    int64_t bytes;
    char sha256[SHA256_HEX_BYTES];
};

/* pack: a run, where its things are, and what belongs to the pack. */
struct pack {
    char run_id[RUN_ID_BYTES];
    char artifacts_dir[PATH_BYTES], logs_dir[PATH_BYTES], output_dir[PATH_BYTES], data_root[PATH_BYTES];
    char folder[PATH_BYTES]; /* of the pack */
    bool goes_on;            /* an orchestrator of this folder leads the run */
    bool is_left;            /* it has ended, and is concluded beside the run that followed it */
    bool is_led;             /* an orchestrator is here */
    struct pack_file *files;
    size_t file_count, file_capacity;
};

/* pack_folders: where the run of this folder kept its things, from the given document's member "folders". STATUS_MALFORMED. */
enum status pack_folders_take(struct pack *pack, yyjson_val *manifest, struct error *error) MUST_USE;
void pack_finish(struct pack *pack);

/* pack_is_final: a run manifest with a verdict; false while the run goes on, and of one that was never concluded. */
bool pack_is_final(yyjson_val *manifest);

/* pack_add: hashes a file that is there and names it. STATUS_NOT_FOUND, STATUS_IO with a sentence. */
enum status pack_add(struct pack *pack, const char *path, const char *role, enum pack_scope scope,
                     struct error *error) MUST_USE;

/* pack_hash: bytes and hash of what a file holds now, within its scope. */
enum status pack_hash(const struct pack *pack, struct pack_file *file, struct error *error) MUST_USE;

/* pack_judge: conditions, figures and gates from the pack's documents and the run's data. STATUS_…: the conditions cannot be
 * read. */
enum status pack_judge(const struct pack *pack, struct gate_conditions *out_conditions,
                       struct gate_results *out_gates, struct error *error) MUST_USE;

/* pack_release_refusal: NULL: the run is evidence for a release: a soak of at least an hour at real speed that passed every gate. Else
 * why it is none. */
const char *pack_release_refusal(const struct gate_conditions *conditions, const struct gate_results *gates);

/* pack_print_none: as JSON that there is no pack, built or to be verified, and why. */
void pack_print_none(const char *why);

/* build.c: makes the pack anew; prints what it does. Exit code of the program. */
int pack_build(struct pack *pack, bool as_json);

/* verify.c: prints every finding; 0 only when the pack is whole, everything recomputed agrees and every gate passes. */
int pack_verify(struct pack *pack, bool as_json);
