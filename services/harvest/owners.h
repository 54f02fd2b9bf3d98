/* owners: in which capture each symbol of a run begins: in the one whose first record, the metadata, names it. */
#pragma once

#include "journal/capture_chain.h"

/* owners_read: by symbol, the number of the capture; FEED_ELSEWHERE: in none of these. Of a capture whose metadata names none at all
 * (it is not ours) everything is fed. */
enum status owners_read(const struct capture_chain *chain, const char *const *symbols, size_t symbol_count,
                        int16_t *out_owners, struct error *error) MUST_USE;
