/* meeting: how long the old and the next owner of a symbol both listen to it (docs/decisions/0030).
 *
 *     next owner: ── socket opens ── second socket opens ── trade ── book ── ticker ──▶
 *     old owner:  ── asked ──────────────────────────────────────────────────┤ LEAVE    or at MEETING_PATIENCE_MS
 *
 * A venue's connections promise an order within a stream only, so each stream must have spoken to the next owner, or every socket must
 * have been open for MEETING_OVERLAP_MS; in either case all are open now. Where that cannot be had, or the old owner waits for an answer
 * or for what fills a hole and nothing comes, the symbol goes all the same, and it is told: ids show what was missed, and the hole goes
 * with the symbol (docs/decisions/0035). A simulator's connections all say one order: one stream speaks for all, and it is waited for until
 * the recording ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    MEETING_OVERLAP_MS = 2000,
    MEETING_PATIENCE_MS =
        30000, /* then a socket that does not open, a quiet stream or a hole is no longer waited for */
};
/* In what a next owner says it has heard: every socket the symbol needs is open, since the record of its capture of this number. */
#define MEETING_OPEN "open:"

struct meeting {
    int64_t since_ms;   /* monotonic: the next owner hears something, or could; 0: not yet */
    uint64_t opening;   /* facts.open_since, as said first … */
    int64_t opening_ms; /* … then; another one is another life, or a socket that was lost meanwhile */
    bool is_cut;        /* the newest verdict */
    char lacks[128];    /* what was waited for then */
};

struct meeting_facts {
    bool is_simulator;
    bool is_owed;        /* an answer of the venue, or what fills a hole, is still awaited by the old owner */
    uint64_t open_since; /* of the next owner: every socket that it needs is open; 0: not so */
    bool any_heard;      /* it has heard of a stream; of all */
    bool all_heard;
    bool overlaps; /* what it heard first of each has been fed by the old one */
};

enum meeting_verdict { MEETING_GOES_ON, MEETING_IS_MET, MEETING_IS_CUT };

enum meeting_verdict meeting_judge(struct meeting *meeting, const struct meeting_facts *facts,
                                   int64_t now_ms);

/* meeting_lacks: what is waited for, as a sentence; NULL: nothing but `overlaps`. */
const char *meeting_lacks(const struct meeting_facts *facts);
