/* input: what the command line and the documents of a run say about what is to be looked at. */
#pragma once

#include "config/config.h"
#include "orchestrator/manifest/evidence.h"
#include "quality.h"

enum { VALIDATE_SYMBOLS_MAX = 1000 };

struct validate_options {
    const char *effective_path;
    const char *run_id;    /* NULL: none named */
    const char *data_root; /* NULL: that of the folder */
    const char *from, *to; /* event time, ms; NULL: not given */
    char *symbols;         /* comma separated, is cut up; NULL: the run's, or all */
    const char *out_dir;   /* NULL: artifacts/dq_reports */
    const char *pack_dir;  /* documents lie in this evidence pack; NULL: where the run wrote them */
    bool final, precheck, print, json, help, version;
};

/* validate_input: texts are borrowed from here; finish in any case. */
struct validate_input {
    struct config *config;
    struct evidence_places places;
    char run_id[RUN_ID_BYTES];
    char data_root[PATH_BYTES], out_dir[PATH_BYTES];
    char fingerprint[SHA256_HEX_BYTES];
    char event_clock[16];
    const char *symbols[VALIDATE_SYMBOLS_MAX];
    char symbol_texts[VALIDATE_SYMBOLS_MAX][SYMBOL_BYTES];
    struct quality_input quality;
};

/* validate_input_read: STATUS_INVALID: wrong use; STATUS_NOT_FOUND: no such run here; with a sentence. */
enum status validate_input_read(const struct validate_options *options, struct validate_input *out_input,
                                struct error *error) MUST_USE;
void validate_input_finish(struct validate_input *input);
