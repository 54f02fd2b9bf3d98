/* recording: the raw capture of a run and the configuration it was made under.
 *
 * The configuration is the one harvest wrote into the first record of every file: the whole effective configuration of the run,
 * keys of signal and broker included. Its fingerprint, written beside it, must come out again, so that nothing of it was lost. */
#pragma once

#include "config/config.h"
#include "journal/capture_chain.h"
#include "proto/kind.h"

struct recording {
    struct capture_chain *captures;
    int16_t *owners; /* by symbol of the configuration: in which capture it begins (feed_config.owners) */
    struct config *config;
    char run_id[RUN_ID_BYTES];
    char fingerprint[SHA256_HEX_BYTES];
    struct capture_record first; /* the metadata, given by the first recording_next */
    bool first_given;
    uint64_t records; /* given so far */
};

/* recording_open: all files of a run below these folders, one for each instance of harvest, in the order in which they were written,
 * through restarts.
 * STATUS_NOT_FOUND: there is none; STATUS_MALFORMED: damaged, with file and offset; STATUS_CONFLICT: the configuration is not what
 * its fingerprint says. recording_open_files: these files. recording_close: also when opening failed. */
enum status recording_open(struct recording *recording, const char *const *folders, size_t folder_count,
                           const char *run_id, struct error *error) MUST_USE;
enum status recording_open_files(struct recording *recording, const char *const *paths, size_t path_count,
                                 struct error *error) MUST_USE;
void recording_close(struct recording *recording);

/* recording_next: the next record, borrowed until the next call. STATUS_END at the end. A file that was written under another
 * configuration is STATUS_CONFLICT. */
enum status recording_next(struct recording *recording, struct capture_record *out_record,
                           struct error *error) MUST_USE;
