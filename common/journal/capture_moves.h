/* capture_moves: where the captures of a run belong together: the records of symbols that move between its instances of harvest.
 *
 *     data/raw             A A A A leave 5 │ A … │ expect 6 A A        both records of a move carry its number, the version of the
 *     data/raw-harvest.2          expect 5 │ B … B leave 6             plan; numbers only grow, and moves follow each other
 *
 * Receive times say this only while the clocks of all instances agree. Here it is said without a clock: a move is a place where two
 * captures meet. Whoever reads them together gives the EXPECT of a move when the next record of the other capture is its LEAVE, then that
 * LEAVE, then whatever comes; so nothing of a symbol is read before what made it possible, however far a clock is behind. */
#pragma once

#include "journal/capture.h"

enum { CAPTURE_MOVE_SYMBOL_BYTES = 32 };

/* capture_move: one of these records. */
struct capture_move {
    size_t source; /* number of its capture */
    uint64_t seq;  /* and in it */
    char symbol[CAPTURE_MOVE_SYMBOL_BYTES];
    int64_t version;
    bool leaves;       /* false: it is expected */
    bool begins_anew;  /* expected still, but nothing that came before */
    bool is_forgotten; /* expected in vain */
    bool is_given;
    size_t partner; /* the other record of the move; SIZE_MAX: none */
};

/* capture_moves: all of them, each capture's in its order. */
struct capture_moves {
    struct capture_move *items;
    size_t count, capacity;
};

/* capture_moves_note: a record met in a capture; the captures one after the other, each from its beginning. What is no record of a move is
 * passed over. capture_moves_pair: behind the last of all: finds which belong together. */
void capture_moves_note(struct capture_moves *moves, size_t source, const struct capture_record *record);
void capture_moves_pair(struct capture_moves *moves);
void capture_moves_finish(struct capture_moves *moves);

/* capture_moves_at: the record that is next in a capture; NULL: it is none of a move, or was not there when they were noted. */
struct capture_move *capture_moves_at(struct capture_moves *moves, size_t source,
                                      const struct capture_record *record);

/* capture_moves_partner: the other record of its move, NULL: there is none. */
const struct capture_move *capture_moves_partner(const struct capture_moves *moves,
                                                 const struct capture_move *move);

/* capture_moves_waits: for the record before it of the same symbol in another capture. An EXPECT waits, besides, until
 * `partner_is_next`. */
bool capture_moves_waits(const struct capture_moves *moves, const struct capture_move *move,
                         bool partner_is_next);
