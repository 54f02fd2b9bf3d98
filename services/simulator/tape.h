/* tape: everything a market says, in order, numbered from 0.
 *
 *      forgotten │ first … … position … … end
 *
 * A recording's tape is complete from the start; the synthetic market writes its tape as it goes and forgets
 * what all readers have behind them. Entries point into text blocks that the tape owns; a block goes with its
 * last entry. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tape_kind {
    TAPE_MESSAGE,  /* text of a stream */
    TAPE_SNAPSHOT, /* a REST depth answer stands here: body of `symbol` */
    TAPE_CUT,      /* fault: the message breaks off in its middle, the connection is dropped */
    TAPE_CLOSE,    /* fault: close frame with `close_code` */
};

enum tape_flag {
    TAPE_UNSENT = 1, /* fault: it happened at the venue, but is not delivered */
    TAPE_EXTRA = 2,  /* fault: delivered, but it did not happen at the venue */
    TAPE_RAW = 4,    /* not an envelope: the same bytes for combined and single-stream connections */
    TAPE_NEEDED = 8, /* snapshot: a client in step with the market has to fetch it */
};

struct tape_entry {
    int64_t recv_ns; /* market time of its arrival */
    const char *text;
    uint32_t bytes;
    uint32_t data_offset, data_bytes; /* the envelope's "data" value */
    uint16_t stream;                  /* STREAM_NONE: everybody's (or everybody's of `symbol`) */
    uint16_t symbol;                  /* SYMBOL_NONE: of no symbol */
    uint8_t kind;                     /* enum tape_kind */
    uint8_t flags;
    uint16_t close_code;
};

struct tape {
    struct tape_entry *entries; /* entries[0] has number `first` */
    size_t count, capacity;
    uint64_t first;
    struct tape_block *blocks; /* in order of filling */
    size_t block_count, block_capacity;
    size_t text_bytes; /* held at present */
    bool complete;     /* nothing will be added */
};

void tape_init(struct tape *tape);
void tape_finish(struct tape *tape);

uint64_t tape_end(const struct tape *tape); /* number behind the newest entry */
static inline const struct tape_entry *tape_at(const struct tape *tape, uint64_t number)
{
    return &tape->entries[number - tape->first];
}

/* tape_keep_text: copies text into the tape's memory; it lives as long as the entries appended next. */
const char *tape_keep_text(struct tape *tape, const char *text, size_t bytes);
/* tape_take_block: the tape now owns this malloc'd block, for its whole life. */
void tape_take_block(struct tape *tape, void *memory, size_t bytes);
void tape_append(struct tape *tape, const struct tape_entry *entry);
/* tape_forget: entries before `number` are not needed any more. */
void tape_forget(struct tape *tape, uint64_t number);
