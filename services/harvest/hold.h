/* hold: messages kept back in arrival order until a book is synchronised (data.md §1.4, algorithms.md §1 rule 11).
 *
 * Items lie one behind the other in one block of memory, levels included. The bound counts diffs: the oldest
 * diff goes, everything else stays. */
#pragma once

#include "base/buffer.h"
#include "venue.h"

#include <stddef.h>
#include <stdint.h>

/* HOLD_DIFFS_MAX: diffs held per symbol. HOLD_BYTES_MAX: all of it, per symbol. */
enum { HOLD_DIFFS_MAX = 10000, HOLD_BYTES_MAX = 64 * 1024 * 1024 };

struct hold {
    struct buffer items;
    size_t dead_bytes; /* of dropped items that still lie there */
    size_t diffs_from; /* no living diff lies before this offset */
    size_t diff_count;
    size_t count; /* all living items */
};

void hold_init(struct hold *hold);
void hold_finish(struct hold *hold);
void hold_clear(struct hold *hold); /* memory kept */

/* hold_push: copies a message with all it borrows. STATUS_LIMIT: HOLD_BYTES_MAX is reached, nothing was kept. */
enum status hold_push(struct hold *hold, const struct venue_message *message) MUST_USE;

/* hold_drop_oldest_diff: does nothing when there is none. */
void hold_drop_oldest_diff(struct hold *hold);

/* hold_next: the living item at or behind *offset (begin with 0), which moves behind it; false at the end.
 * The message borrows from the hold until the next change of it. */
bool hold_next(const struct hold *hold, size_t *offset, struct venue_message *out_message);

/* hold_swap: exchanges two holds, to walk one while the other is filled. */
void hold_swap(struct hold *left, struct hold *right);

void hold_save(const struct hold *hold, struct buffer *out);
/* hold_load: `symbol` is the index every item must carry. */
enum status hold_load(struct hold *hold, int32_t symbol, struct reader *in) MUST_USE;
