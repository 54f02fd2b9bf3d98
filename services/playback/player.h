/* player: the service: takes what the reader has, at its pace, counts it and emits it; ends the streams. */
#pragma once

#include "pace.h"
#include "reading.h"
#include "stage/stage.h"
#include "tracks.h"

/* player_stop: stop_intake is asked for, then part of the saved state, and only then are the ends emitted: a life after a kill never has
 * rows where an earlier one had an end, nor the other way round. */
enum player_stop { PLAYER_PLAYS, PLAYER_ASKED, PLAYER_STOPPED };

struct player {
    struct stage *stage;
    struct row_files *files;
    struct reading *reading; /* NULL: nothing is read at the moment */
    bool *reads;             /* by symbol: it is the reader's */
    struct track *tracks;    /* by symbol */
    struct pace pace;
    bool going;
    bool rereads; /* rows come out again that an earlier life has journaled: they wait for nothing */
    enum player_stop stop;
    int64_t due_ms; /* monotonic; INT64_MAX: nothing waits for its time */
};

enum status player_open(struct stage *stage, struct player **out_player, struct error *error) MUST_USE;
void player_close(struct player *player);

/* player_play: at most `budget` steps; see stage_service.pull. */
enum status player_play(struct player *player, size_t budget, bool *out_more, struct error *error) MUST_USE;

/* player_halt: TERM has come: streams that are to end, end. */
void player_halt(struct player *player);

/* player_rereads: rows of an earlier life are still to come out again. */
bool player_rereads(const struct player *player);

/* player_command: go, stop_intake; STATUS_UNSUPPORTED: another one. */
enum status player_command(struct player *player, const char *verb) MUST_USE;

/* player_save, player_load: what belongs to no symbol. */
void player_save(struct player *player, struct buffer *out);
enum status player_load(struct player *player, struct reader *in) MUST_USE;

void player_report(const struct player *player, struct stage_report *report);
