/* sync: the local book of one symbol and whether it may be believed (data.md §1.4).
 *
 *               snapshot                 bridging diff           broken link
 *     FIRST ──────────────▶ has snapshot ───────────────▶ LIVE ───────────────▶ INVALID
 *       ▲                        │                          ▲                      │ snapshot, bridging diff
 *       └─ too old: next try ────┘                          └──────────────────────┘ (too old: next try)
 *
 * FIRST: never synchronised, the feed holds all messages back. INVALID: lost again, only diffs are kept. After
 * SYNC_TRIES_MAX snapshots that did not fit (or error answers) no more are asked for until a socket was
 * re-opened; one that comes all the same is taken.
 *
 *              older, dropped        bridges                                          link
 *     futures  u < L                 U ≤ L ≤ u, or pu = L                             pu = previous u
 *     spot     u ≤ L                 U ≤ L + 1 ≤ u                                    U = previous u + 1     */
#pragma once

#include "base/buffer.h"
#include "market/book.h"
#include "venue.h"

#include <stdbool.h>
#include <stdint.h>

enum { SYNC_TRIES_MAX = 5 };

enum sync_state { SYNC_FIRST, SYNC_INVALID, SYNC_LIVE };
enum sync_fit { SYNC_OLDER, SYNC_BRIDGES, SYNC_BEYOND };
enum sync_verdict { SYNC_APPLIED, SYNC_BEFORE_SNAPSHOT, SYNC_BACKWARD, SYNC_BROKEN };

struct sync {
    bool is_spot;
    enum sync_state state;
    struct book book;
    bool has_snapshot; /* loaded into the book, not yet bridged */
    int64_t snapshot_id;
    bool has_last; /* a diff was applied since the snapshot */
    int64_t last_id;
    int64_t tries;  /* failed ones since the last success or re-opening */
    int64_t ticket; /* number of the snapshot wanted; a new one after each failure */
    int64_t synchronisations;
    int64_t snapshots_refused;
    int64_t snapshots_unused;
    int64_t diffs_applied;
};

void sync_init(struct sync *sync, bool is_spot, size_t side_levels_max);
void sync_finish(struct sync *sync);

/* sync_wants: ticket (≥ 1) of the snapshot the book waits for, 0 when it waits for none. */
int64_t sync_wants(const struct sync *sync);

/* sync_gave_up: SYNC_TRIES_MAX was reached. */
bool sync_gave_up(const struct sync *sync);

/* sync_take_snapshot: false when the book is live and needs none (counted). */
bool sync_take_snapshot(struct sync *sync, const struct venue_message *snapshot);

/* sync_refuse: the snapshot, or the answer instead of it, was of no use: next try. */
void sync_refuse(struct sync *sync);

/* sync_fit: how a diff lies to the snapshot; there must be one. */
enum sync_fit sync_fit(const struct sync *sync, const struct venue_depth *diff);

/* sync_start: the snapshot bridges: from now on diffs are applied. */
void sync_start(struct sync *sync);

/* sync_apply: one diff of a live book. SYNC_BROKEN makes it INVALID. */
enum sync_verdict sync_apply(struct sync *sync, const struct venue_message *diff);

/* sync_last_id: what a broken link refers to: the last u, or lastUpdateId before the first diff. */
int64_t sync_last_id(const struct sync *sync);

/* sync_reopened: tries count from zero again. */
void sync_reopened(struct sync *sync);

void sync_save(const struct sync *sync, struct buffer *out);
enum status sync_load(struct sync *sync, struct reader *in) MUST_USE;
