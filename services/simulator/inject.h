/* inject: faults for tests of receivers, read from a file of JSON lines (README.md has the table).
 *
 * A fault waits until `after` messages of its stream, its symbol or the whole market have passed, then does
 * one thing: sends raw text, breaks a frame off, closes, drops, repeats or swaps messages. The market itself
 * (books, REST trades) stays what it is: only what is delivered changes. REST faults answer a request in place
 * of the venue. */
#pragma once

#include "catalogue.h"
#include "tape.h"

#include "base/status.h"

enum { INJECT_FAULTS_MAX = 1000 };

struct inject;

/* rest_fault: the answer to give instead. */
struct rest_fault {
    unsigned status;
    const char *body;
    size_t body_bytes;
    int64_t retry_after_s; /* 0: no such header */
};

/* inject_load: STATUS_INVALID names file, line and key. */
enum status inject_load(const char *path, struct inject **out_inject, struct error *error) MUST_USE;
void inject_destroy(struct inject *inject);

/* inject_pass: one entry of the market on its way to the tape; calls `emit` for it (perhaps marked
 * TAPE_UNSENT) and for what the faults add. Texts of added entries belong to the inject. */
typedef void inject_emit(void *context, const struct tape_entry *entry);
void inject_pass(struct inject *inject, const struct catalogue *catalogue, const struct tape_entry *entry,
                 inject_emit *emit, void *context);

/* inject_rest: whether a request for this endpoint ("depth") and symbol ("": none) is to be answered
 * otherwise; counts it as done. */
bool inject_rest(struct inject *inject, const char *endpoint, const char *symbol,
                 struct rest_fault *out_fault);

/* inject_count, inject_applied: faults in the file; how many have acted so far. */
size_t inject_count(const struct inject *inject);
size_t inject_applied(const struct inject *inject);
