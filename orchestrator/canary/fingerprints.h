/* fingerprints: which configurations have proved themselves (operations.md §14.2).
 *
 *     state/fingerprints.json            {current, stable[≤ 2, newest first] {fingerprint, config_tag, config_file, marked_at,
 *                                         evidence, evidence_sha256, run_tag}}
 *     state/configs/<fingerprint>.json   the configuration itself, as config_json writes it
 *
 * Only the orchestrator writes `current` and the configurations, at the start of a run; `canary mark-stable` writes `stable`
 * while no run is on its way, or asks the orchestrator to. */
#pragma once

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "config/config.h"

enum { FINGERPRINTS_STABLE_MAX = 2, FINGERPRINT_TAG_BYTES = 132, FINGERPRINT_PREFIX_MIN = 8 };

struct stable_fingerprint {
    char fingerprint[SHA256_HEX_BYTES];
    char config_tag[FINGERPRINT_TAG_BYTES];
    char run_tag[FINGERPRINT_TAG_BYTES]; /* of the run that proved it; "": it had none */
    char config_file[PATH_BYTES];
    char marked_at[TIME_TEXT_BYTES];
    char evidence[PATH_BYTES]; /* the final report that passed, in a place of its own (canary/proof.h) */
    char evidence_sha256[SHA256_HEX_BYTES]; /* "": of an earlier version */
};

struct fingerprints {
    char current[SHA256_HEX_BYTES]; /* "": no run yet */
    struct stable_fingerprint stable[FINGERPRINTS_STABLE_MAX];
    size_t stable_count;
};

/* fingerprints_read: none yet is an empty store. STATUS_MALFORMED with a sentence. */
enum status fingerprints_read(const char *state_dir, struct fingerprints *out_fingerprints,
                              struct error *error) MUST_USE;
enum status fingerprints_write(const char *state_dir, const struct fingerprints *fingerprints,
                               struct error *error) MUST_USE;

/* fingerprints_mark: the newest stable one; an older entry of the same goes, and so does the oldest beyond two. */
void fingerprints_mark(struct fingerprints *fingerprints, const struct stable_fingerprint *entry);

/* fingerprints_target: where a rollback leads (§14.3.1): the one asked for (all of its digits, or at least
 * FINGERPRINT_PREFIX_MIN first ones), else the newest stable one different from `current`. STATUS_INVALID with a sentence: none,
 * the present one, or one not marked stable. */
enum status fingerprints_target(const struct fingerprints *fingerprints, const char *current,
                                const char *asked, const struct stable_fingerprint **out_target,
                                struct error *error) MUST_USE;

/* fingerprints_config_path: state/configs/<fingerprint>.json. */
void fingerprints_config_path(const char *state_dir, const char *fingerprint, char out_path[PATH_BYTES]);

/* fingerprints_config_load: that file, and whether it still is what its name says. */
enum status fingerprints_config_load(const char *state_dir, const char *fingerprint,
                                     struct config **out_config, struct error *error) MUST_USE;

/* fingerprints_note: keeps a run's configuration and makes it the current one. */
enum status fingerprints_note(const struct config *config, const char *fingerprint,
                              struct error *error) MUST_USE;
