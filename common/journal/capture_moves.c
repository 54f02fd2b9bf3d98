#include "journal/capture_moves.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* --- noting --- */

/* forget: what was expected in this capture since the symbol left it last came to nothing: had it come, it would have left again. */
static void forget(struct capture_moves *moves, const struct capture_move *end)
{
    for (size_t i = moves->count; i > 0; i--) {
        struct capture_move *move = &moves->items[i - 1];
        if (move->source != end->source || strcmp(move->symbol, end->symbol) != 0)
            continue;
        if (move->leaves)
            return;
        move->is_forgotten = true;
    }
}

static void add(struct capture_moves *moves, const struct capture_move *move)
{
    moves->items = memory_grow(moves->items, &moves->capacity, moves->count + 1, sizeof *moves->items);
    moves->items[moves->count++] = *move;
}

/* note: what is written otherwise is left to the feed, which tells it. */
static void note(struct capture_moves *moves, struct capture_move *move, yyjson_val *root)
{
    yyjson_val *kind = yyjson_obj_get(root, "move"), *symbol = yyjson_obj_get(root, "symbol");
    if (!yyjson_is_str(symbol) || yyjson_get_len(symbol) >= sizeof move->symbol)
        return;
    memcpy(move->symbol, yyjson_get_str(symbol), yyjson_get_len(symbol));
    move->version = yyjson_get_sint(yyjson_obj_get(root, "version"));
    move->leaves = yyjson_equals_str(kind, "leave");
    move->begins_anew = yyjson_is_true(yyjson_obj_get(root, "anew"));
    if (yyjson_equals_str(kind, "forget"))
        forget(moves, move);
    else if (move->leaves || yyjson_equals_str(kind, "expect"))
        add(moves, move);
}

void capture_moves_note(struct capture_moves *moves, size_t source, const struct capture_record *record)
{
    struct capture_move move = {.source = source, .seq = record->seq, .partner = SIZE_MAX};
    if (record->kind != CAPTURE_MOVE)
        return;
    yyjson_doc *document = yyjson_read(record->payload, record->payload_bytes, 0);
    note(moves, &move, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
}

/* --- pairing --- */

/* is_better: of two records that expect it, the newer move's; of one move's, that behind which nothing began anew, else the first: a
 * later life only said it again. */
static bool is_better(const struct capture_move *move, const struct capture_move *than)
{
    if (!than || move->version != than->version)
        return !than || move->version > than->version;
    return move->source == than->source && move->begins_anew;
}

/* pair: with the record by which the symbol was expected when it left. */
static void pair(struct capture_moves *moves, size_t index, int64_t oldest_version)
{
    struct capture_move *leave = &moves->items[index], *best = NULL;
    for (size_t i = 0; i < moves->count; i++) {
        struct capture_move *move = &moves->items[i];
        if (!move->leaves && !move->is_forgotten && move->partner == SIZE_MAX &&
            move->source != leave->source && move->version <= leave->version &&
            move->version >= oldest_version && strcmp(move->symbol, leave->symbol) == 0 &&
            is_better(move, best))
            best = move;
    }
    if (!best)
        return;
    leave->partner = (size_t)(best - moves->items);
    best->partner = index;
}

/* capture_moves_pair: of the same number first; then of an earlier one: where an orchestrator forgot a move, and the next one named the same
 * instance again, it was not said again that the symbol is expected there. */
void capture_moves_pair(struct capture_moves *moves)
{
    for (size_t i = 0; i < moves->count; i++)
        if (moves->items[i].leaves)
            pair(moves, i, moves->items[i].version);
    for (size_t i = 0; i < moves->count; i++)
        if (moves->items[i].leaves && moves->items[i].partner == SIZE_MAX)
            pair(moves, i, 0);
}

void capture_moves_finish(struct capture_moves *moves)
{
    free(moves->items);
    *moves = (struct capture_moves){0};
}

/* --- asking --- */

struct capture_move *capture_moves_at(struct capture_moves *moves, size_t source,
                                      const struct capture_record *record)
{
    if (record->kind != CAPTURE_MOVE)
        return NULL;
    for (size_t i = 0; i < moves->count; i++)
        if (moves->items[i].source == source && moves->items[i].seq == record->seq)
            return &moves->items[i];
    return NULL;
}

const struct capture_move *capture_moves_partner(const struct capture_moves *moves,
                                                 const struct capture_move *move)
{
    return move->partner == SIZE_MAX ? NULL : &moves->items[move->partner];
}

/* follows: an earlier move of the symbol, out of another capture, has not been read yet. */
static bool follows(const struct capture_moves *moves, const struct capture_move *move)
{
    for (size_t i = 0; i < moves->count; i++) {
        const struct capture_move *other = &moves->items[i];
        // NOLINTNEXTLINE: there are items where there is a count
        if (other->leaves && !other->is_given && other->source != move->source &&
            other->version < move->version && strcmp(other->symbol, move->symbol) == 0)
            return true;
    }
    return false;
}

bool capture_moves_waits(const struct capture_moves *moves, const struct capture_move *move,
                         bool partner_is_next)
{
    const struct capture_move *partner = capture_moves_partner(moves, move);
    if (move->leaves)
        return partner && !partner->is_given;
    return (partner && !partner->is_given && !partner_is_next) || follows(moves, move);
}
