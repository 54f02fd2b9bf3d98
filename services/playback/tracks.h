/* tracks: how far each symbol has been played, and what became of its rows; part of the saved state, and handed over with the
 * symbol. */
#pragma once

#include "base/buffer.h"
#include "reading.h"
#include "stage/stage.h"

struct track {
    int64_t last_ts_ms; /* of what was played last; 0: nothing yet */
    bool ended;         /* its end of stream has been emitted */
    /* found = played + repeated + Σ rejected + left, once it has ended. */
    int64_t found;
    int64_t played;
    int64_t repeated;
    int64_t rejected[ROW_REJECTS];
    int64_t left; /* it was stopped before them */
};

/* track_begin: `symbol` as row_files_find has it. Rows without a valid time have no place in the stream: they count at once. */
struct track track_begin(const struct row_files_symbol *symbol);

/* track_take: one step that was taken from the reader; the caller emits its row. */
void track_take(struct track *track, const struct played *played);

/* track_stop: what has not been taken will not be. */
void track_stop(struct track *track);

int64_t track_rejected(const struct track *track);

void track_save(const struct track *track, struct buffer *out);
enum status track_load(struct track *track, struct reader *in) MUST_USE;

/* track_ledger: its counters as symbol `index` (docs/ledger.md). tracks_report: the sums over those that are owned. */
void track_ledger(const struct track *track, size_t index, struct stage_ledger *ledger);
void tracks_report(const struct track *tracks, const struct stage *stage, struct stage_report *report);
