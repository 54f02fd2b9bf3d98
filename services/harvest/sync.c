#include "sync.h"

#include "state.h"

#include <string.h>

void sync_init(struct sync *sync, bool is_spot, size_t side_levels_max)
{
    *sync = (struct sync){.is_spot = is_spot, .ticket = 1};
    book_init(&sync->book, side_levels_max);
}

void sync_finish(struct sync *sync)
{
    book_finish(&sync->book);
}

bool sync_gave_up(const struct sync *sync)
{
    return sync->tries >= SYNC_TRIES_MAX;
}

int64_t sync_wants(const struct sync *sync)
{
    bool waits = sync->state != SYNC_LIVE && !sync->has_snapshot && !sync_gave_up(sync);
    return waits ? sync->ticket : 0;
}

bool sync_take_snapshot(struct sync *sync, const struct venue_message *snapshot)
{
    if (sync->state == SYNC_LIVE) {
        sync->snapshots_unused++;
        return false;
    }
    const struct venue_depth *depth = &snapshot->depth;
    book_replace(&sync->book, snapshot->bids, depth->bid_count, snapshot->asks, depth->ask_count);
    sync->has_snapshot = true;
    sync->snapshot_id = depth->last_id;
    return true;
}

void sync_refuse(struct sync *sync)
{
    sync->has_snapshot = false;
    sync->snapshots_refused++;
    sync->tries++;
    sync->ticket++;
}

enum sync_fit sync_fit(const struct sync *sync, const struct venue_depth *diff)
{
    int64_t wanted = sync->snapshot_id + sync->is_spot; /* the first id that is news */
    if (diff->last_id < wanted)
        return SYNC_OLDER;
    bool joins = !sync->is_spot && diff->prev_last_id == sync->snapshot_id;
    return diff->first_id <= wanted || joins ? SYNC_BRIDGES : SYNC_BEYOND;
}

void sync_start(struct sync *sync)
{
    sync->state = SYNC_LIVE;
    sync->has_snapshot = false;
    sync->has_last = false;
    sync->tries = 0;
    sync->synchronisations++;
}

int64_t sync_last_id(const struct sync *sync)
{
    return sync->has_last ? sync->last_id : sync->snapshot_id;
}

static enum sync_verdict broken(struct sync *sync)
{
    sync->state = SYNC_INVALID;
    sync->tries = 0;
    sync->ticket++;
    return SYNC_BROKEN;
}

enum sync_verdict sync_apply(struct sync *sync, const struct venue_message *diff)
{
    const struct venue_depth *depth = &diff->depth;
    if (!sync->has_last) {
        enum sync_fit fit = sync_fit(sync, depth);
        if (fit != SYNC_BRIDGES)
            return fit == SYNC_OLDER ? SYNC_BEFORE_SNAPSHOT : broken(sync);
    } else {
        if (depth->last_id <= sync->last_id)
            return SYNC_BACKWARD;
        bool linked =
            sync->is_spot ? depth->first_id == sync->last_id + 1 : depth->prev_last_id == sync->last_id;
        if (!linked)
            return broken(sync);
    }
    book_apply(&sync->book, diff->bids, depth->bid_count, diff->asks, depth->ask_count);
    sync->has_last = true;
    sync->last_id = depth->last_id;
    sync->diffs_applied++;
    return SYNC_APPLIED;
}

void sync_reopened(struct sync *sync)
{
    if (sync_gave_up(sync))
        sync->ticket++;
    sync->tries = 0;
}

void sync_save(const struct sync *sync, struct buffer *out)
{
    buffer_append_byte(out, (uint8_t)sync->state);
    buffer_append_byte(out, sync->has_snapshot);
    buffer_append_byte(out, sync->has_last);
    buffer_append_i64(out, sync->snapshot_id);
    buffer_append_i64(out, sync->last_id);
    buffer_append_i64(out, sync->tries);
    buffer_append_i64(out, sync->ticket);
    buffer_append_i64(out, sync->synchronisations);
    buffer_append_i64(out, sync->snapshots_refused);
    buffer_append_i64(out, sync->snapshots_unused);
    buffer_append_i64(out, sync->diffs_applied);
    book_save(&sync->book, out);
}

enum status sync_load(struct sync *sync, struct reader *in)
{
    uint8_t state = 0;
    reader_take(in, &state, 1);
    if (state > SYNC_LIVE)
        in->failed = true;
    sync->state = in->failed ? SYNC_FIRST : (enum sync_state)state;
    sync->has_snapshot = state_flag(in);
    sync->has_last = state_flag(in);
    sync->snapshot_id = state_id(in);
    sync->last_id = state_id(in);
    sync->tries = state_count(in);
    sync->ticket = state_count(in);
    in->failed = in->failed || sync->ticket < 1;
    sync->synchronisations = state_count(in);
    sync->snapshots_refused = state_count(in);
    sync->snapshots_unused = state_count(in);
    sync->diffs_applied = state_count(in);
    return book_load(&sync->book, in);
}
