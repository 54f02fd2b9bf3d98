#include "tracks.h"

#include "market/state.h"

#include <stdio.h>

enum { STATE_TAG = 0x4b435254 };

struct track track_begin(const struct row_files_symbol *symbol)
{
    struct track track = {.found = symbol ? symbol->rows : 0};
    track.rejected[ROW_INVALID_TIME] = symbol ? symbol->invalid_time : 0;
    return track;
}

void track_take(struct track *track, const struct played *played)
{
    track->last_ts_ms = played->ts_ms;
    track->played += played->has_row;
    track->repeated += played->repeated;
    for (size_t i = 0; i < ROW_REJECTS; i++)
        track->rejected[i] += played->rejected[i];
}

int64_t track_rejected(const struct track *track)
{
    int64_t sum = 0;
    for (size_t i = 0; i < ROW_REJECTS; i++)
        sum += track->rejected[i];
    return sum;
}

void track_stop(struct track *track)
{
    track->left = track->found - track->played - track->repeated - track_rejected(track);
}

void track_save(const struct track *track, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    buffer_append_i64(out, track->last_ts_ms);
    buffer_append_i64(out, track->ended);
    buffer_append_i64(out, track->found);
    buffer_append_i64(out, track->played);
    buffer_append_i64(out, track->repeated);
    buffer_append_i64(out, track->left);
    for (size_t i = 0; i < ROW_REJECTS; i++)
        buffer_append_i64(out, track->rejected[i]);
}

enum status track_load(struct track *track, struct reader *in)
{
    struct track loaded = {.found = 0};
    state_expect(in, STATE_TAG);
    loaded.last_ts_ms = state_take_between(in, 0, EVENT_TIME_MAX_MS);
    loaded.ended = state_take_flag(in);
    loaded.found = state_take_count(in);
    loaded.played = state_take_count(in);
    loaded.repeated = state_take_count(in);
    loaded.left = state_take_count(in);
    for (size_t i = 0; i < ROW_REJECTS; i++)
        loaded.rejected[i] = state_take_count(in);
    if (in->failed)
        return STATUS_MALFORMED;
    *track = loaded;
    return STATUS_OK;
}

/* figure: one of a track's, in a fixed order; false behind the last. */
static bool figure(const struct track *track, size_t index, const char **out_name, int64_t *out_value)
{
    const struct {
        const char *name;
        int64_t value;
    } figures[] = {
        {"rows_found", track->found},
        {"feature_rows", track->played},
        {"rows_repeated", track->repeated},
        {"rows_rejected", track_rejected(track)},
        {"rows_left", track->left},
        {"rejected_missing_required", track->rejected[ROW_MISSING_REQUIRED]},
        {"rejected_invalid_time", track->rejected[ROW_INVALID_TIME]},
        {"rejected_non_finite", track->rejected[ROW_NON_FINITE]},
        {"rejected_parse_error", track->rejected[ROW_PARSE_ERROR]},
        {"rows", track->played + track->ended},
    };
    if (index >= sizeof figures / sizeof *figures)
        return false;
    *out_name = figures[index].name;
    *out_value = figures[index].value;
    return true;
}

void track_ledger(const struct track *track, size_t index, struct stage_ledger *ledger)
{
    const char *name;
    int64_t value;
    for (size_t i = 0; figure(track, i, &name, &value); i++)
        stage_ledger_count(ledger, index, name, value);
}

void tracks_report(const struct track *tracks, const struct stage *stage, struct stage_report *report)
{
    static const struct track NOTHING;
    const char *name;
    int64_t value;
    for (size_t k = 0; figure(&NOTHING, k, &name, &value); k++) {
        int64_t sum = 0;
        for (size_t i = 0; i < stage_symbol_count(stage); i++)
            if (stage_owns(stage, i) && figure(&tracks[i], k, &name, &value))
                sum += value;
        stage_report_counter(report, name, sum);
    }
}
