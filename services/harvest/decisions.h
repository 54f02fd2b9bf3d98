/* decisions: control inputs on their way through harvest (docs/control-protocol.md, verb control).
 *
 * The orchestrator says one again until it is answered, so each has an "id": it is appended to the capture once, by whichever life,
 * and is answered when the feed has taken it from there and its rows are committed. Which ids the capture has held is part of
 * harvest's state. */
#pragma once

#include "base/buffer.h"
#include "journal/capture.h"

#include <stdbool.h>
#include <stdint.h>

enum { DECISIONS_KEPT = 256, DECISION_ID_BYTES = 64 };

struct decisions {
    uint64_t taken[DECISIONS_KEPT];   /* hashes of ids; the lowest bit: the feed accepted it */
    uint64_t taken_count;             /* of all there ever were */
    char appended[DECISION_ID_BYTES]; /* by this life, not read from the capture yet; "": none */
};

/* decisions_note: a record that the feed has read. */
void decisions_note(struct decisions *decisions, const struct capture_record *record, bool accepted);

/* decisions_say: a command. `ready`: everything that is in the capture has been read. STATUS_OK: its rows are
 * committed; STATUS_AGAIN, with a sentence that begins "wait: ": ask again; STATUS_INVALID: it is none, or the feed has refused it. */
enum status decisions_say(struct decisions *decisions, struct capture_writer *writer,
                          const struct clock *clock, bool ready, const char *arguments_json,
                          struct error *error) MUST_USE;

void decisions_save(const struct decisions *decisions, struct buffer *out);
void decisions_load(struct decisions *decisions, struct reader *in);
