#include "player.h"

#include "base/log.h"
#include "base/memory.h"
#include "input.h"
#include "market/state.h"
#include "proto/control.h"

#include <stdlib.h>
#include <string.h>

/* --- life --- */

static struct input_config input_settings(const struct stage *stage)
{
    const struct config *config = stage_config(stage);
    return (struct input_config){
        .folder = config_text(config, "run.input_dir"),
        .own_root = config_text(config, "run.data_root"),
        .limits = {.memory_mb = config_i64(config, "archive.duckdb_memory_mb"),
                   .threads = config_i64(config, "archive.duckdb_threads")},
        .symbol_count = stage_symbol_count(stage),
    };
}

static void tell_track(const struct player *player, size_t symbol)
{
    const struct track *track = &player->tracks[symbol];
    log_event(
        track_rejected(track) ? LOG_WARNING : LOG_INFO, "played",
        "symbol=%s found=%lld played=%lld repeated=%lld left=%lld missing_required=%lld invalid_time=%lld "
        "non_finite=%lld parse_error=%lld",
        stage_symbol(player->stage, symbol), (long long)track->found, (long long)track->played,
        (long long)track->repeated, (long long)track->left, (long long)track->rejected[ROW_MISSING_REQUIRED],
        (long long)track->rejected[ROW_INVALID_TIME], (long long)track->rejected[ROW_NON_FINITE],
        (long long)track->rejected[ROW_PARSE_ERROR]);
}

enum status player_open(struct stage *stage, struct player **out_player, struct error *error)
{
    struct player *player = memory_allocate(sizeof *player);
    struct input_config input = input_settings(stage);
    size_t count = stage_symbol_count(stage);
    player->stage = stage;
    player->due_ms = INT64_MAX;
    player->pace.speed = config_f64(stage_config(stage), "run.replay_speed");
    player->reads = memory_allocate(count * sizeof *player->reads);
    player->tracks = memory_allocate(count * sizeof *player->tracks);
    enum status status = input_open(&input, &player->files, error);
    if (status != STATUS_OK) {
        player_close(player);
        return status == STATUS_NOT_FOUND || status == STATUS_CONFLICT ? STATUS_INVALID : status;
    }
    for (size_t i = 0; i < count; i++)
        player->tracks[i] = track_begin(row_files_find(player->files, stage_symbol(stage, i)));
    *out_player = player;
    return STATUS_OK;
}

void player_close(struct player *player)
{
    reading_stop(player->reading);
    row_files_close(player->files);
    free(player->reads);
    free(player->tracks);
    free(player);
}

bool player_rereads(const struct player *player)
{
    for (size_t i = 0; i < stage_symbol_count(player->stage); i++)
        if (stage_owns(player->stage, i) && stage_rereads(player->stage, i))
            return true;
    return false;
}

/* --- what is read --- */

static bool is_read(const struct player *player, size_t symbol)
{
    return stage_owns(player->stage, symbol) && !player->tracks[symbol].ended;
}

static void wake(void *stage)
{
    stage_wake(stage);
}

/* read_on: from where the tracks are; what the reader had ahead of them is read again. */
static enum status read_on(struct player *player, struct error *error)
{
    size_t symbol_count = stage_symbol_count(player->stage), count = 0;
    struct reading_track *tracks = memory_allocate(symbol_count * sizeof *tracks);
    reading_stop(player->reading);
    player->reading = NULL;
    for (size_t i = 0; i < symbol_count; i++) {
        player->reads[i] = is_read(player, i);
        if (player->reads[i])
            tracks[count++] = (struct reading_track){.symbol = i,
                                                     .name = stage_symbol(player->stage, i),
                                                     .behind_ts_ms = player->tracks[i].last_ts_ms};
    }
    enum status status =
        count ? reading_start(player->files, tracks, count, wake, player->stage, &player->reading, error)
              : STATUS_OK;
    free(tracks);
    return status;
}

/* follow: symbols have come or gone (scale). */
static enum status follow(struct player *player, struct error *error)
{
    for (size_t i = 0; i < stage_symbol_count(player->stage); i++)
        if (player->reads[i] != is_read(player, i))
            return read_on(player, error);
    return STATUS_OK;
}

/* --- playing --- */

static void end(struct player *player, size_t symbol)
{
    const struct track *track = &player->tracks[symbol];
    const struct control_row row = {.ts_ms = track->last_ts_ms,
                                    .source = stage_emitted(player->stage, symbol) + 1,
                                    .action = CONTROL_END_OF_STREAM,
                                    .value_json = "null",
                                    .decision = DECISION_NONE,
                                    .value = FIELD_NULL_F64};
    stage_emit(player->stage, symbol, &control_message, &row);
    player->tracks[symbol].ended = true;
    player->reads[symbol] = false; /* the reader has nothing more of it */
    tell_track(player, symbol);
}

static void play(struct player *player, const struct played *played)
{
    struct track *track = &player->tracks[played->symbol];
    if (played->end) {
        end(player, played->symbol);
        return;
    }
    track_take(track, played);
    stage_touch(player->stage); /* rows that are not fit to be played move it, too */
    if (!played->has_row)
        return;
    struct feature_row row = played->row;
    row.source = stage_emitted(player->stage, played->symbol) + 1; /* nobody else says anything of it */
    stage_emit(player->stage, played->symbol, &feature_message, &row);
}

/* play_next: one step. STATUS_AGAIN: it is not there yet, or not due; STATUS_END: all has been played. */
static enum status play_next(struct player *player, struct error *error)
{
    const struct played *played;
    player->due_ms = INT64_MAX;
    if (!player->reading)
        return STATUS_END;
    enum status status = reading_peek(player->reading, &played, error);
    if (status != STATUS_OK)
        return status;
    if (!played->end && !player->rereads) {
        int64_t now_ms = clock_monotonic_ms(stage_clock(player->stage));
        int64_t due_ms = pace_due_ms(&player->pace, played->ts_ms, now_ms);
        if (due_ms > now_ms) {
            player->due_ms = due_ms;
            return STATUS_AGAIN;
        }
    }
    play(player, played);
    reading_take(player->reading);
    return STATUS_OK;
}

static void end_all(struct player *player)
{
    for (size_t i = 0; i < stage_symbol_count(player->stage); i++)
        if (is_read(player, i)) {
            track_stop(&player->tracks[i]);
            end(player, i);
        }
}

enum status player_play(struct player *player, size_t budget, bool *out_more, struct error *error)
{
    bool plays = player->going && player->stop == PLAYER_PLAYS;
    if (player->stop == PLAYER_STOPPED)
        end_all(player);
    else if (player->stop == PLAYER_ASKED)
        stage_touch(player->stage); /* until it is saved */
    player->rereads = player_rereads(player);
    if (!plays && !player->rereads)
        return STATUS_OK;
    enum status status = follow(player, error);
    for (size_t i = 0; status == STATUS_OK && i < budget && (plays || player->rereads); i++) {
        status = play_next(player, error);
        player->rereads = player->rereads && player_rereads(player);
    }
    *out_more = status == STATUS_OK;
    return status == STATUS_AGAIN || status == STATUS_END ? STATUS_OK : status;
}

void player_halt(struct player *player)
{
    if (player->stop == PLAYER_STOPPED)
        end_all(player);
}

enum status player_command(struct player *player, const char *verb)
{
    if (strcmp(verb, "go") == 0) {
        player->going = true;
        return STATUS_OK;
    }
    if (strcmp(verb, "stop_intake") != 0)
        return STATUS_UNSUPPORTED;
    if (player->stop == PLAYER_PLAYS)
        player->stop = PLAYER_ASKED;
    stage_touch(player->stage);
    return STATUS_OK;
}

/* --- state --- */

/* The state is saved in the transaction that makes it durable, and nothing is played before that one is through: from here on a life after a
 * kill knows, too, that it plays nothing more. Not while rows come out again: those that an earlier life has journaled come first. */
void player_save(struct player *player, struct buffer *out)
{
    if (player->stop == PLAYER_ASKED && !player_rereads(player))
        player->stop = PLAYER_STOPPED;
    buffer_append_i64(out, player->stop == PLAYER_STOPPED);
}

enum status player_load(struct player *player, struct reader *in)
{
    bool stopped = state_take_flag(in);
    player->stop = stopped ? PLAYER_STOPPED : PLAYER_PLAYS;
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}

void player_report(const struct player *player, struct stage_report *report)
{
    int64_t first_ts_ms = 0;
    for (size_t i = 0; i < stage_symbol_count(player->stage); i++) {
        const struct row_files_symbol *symbol = row_files_find(player->files, stage_symbol(player->stage, i));
        if (symbol && symbol->first_ts_ms && (!first_ts_ms || symbol->first_ts_ms < first_ts_ms))
            first_ts_ms = symbol->first_ts_ms;
    }
    stage_report_counter(report, "input_files", (int64_t)row_files_count(player->files));
    stage_report_counter(report, "first_ts_ms", first_ts_ms);
    tracks_report(player->tracks, player->stage, report);
}
