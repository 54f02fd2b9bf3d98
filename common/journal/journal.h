/* journal: what a publishing instance has said, kept before it is said (design.md §3).
 *
 * One LMDB environment per instance, `<state>/journal/<instance>/`. Rows lie in chunks by (stream, first sequence);
 * beside them named records hold state, positions and counters. One write transaction per loop turn makes rows,
 * positions and state move together. LMDB is opened with MDB_NOSYNC and without MDB_WRITEMAP: a commit survives any
 * kill of the process; with `sync` every commit is also flushed to the device. Rows and records carry a CRC-32C, and a
 * data file that lacks a page in use is refused at open; damage to LMDB's own pages is not guarded, see
 * docs/decisions/0008-damaged-journal.md.
 *
 * Threads: the stage's loop writes; readers (sinks, catch-up) may read from any thread; journal_put_now may be
 * called from any thread. */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

struct journal_config {
    const char *folder;             /* created if absent */
    const char *run_id;             /* a journal of another run … */
    const char *config_fingerprint; /* … or another configuration is set aside, not continued */
    size_t max_bytes;               /* size of the map: what the journal may hold at most */
    bool sync;                      /* journal.durability: power */
};

enum journal_beginning {
    JOURNAL_COLD,     /* nothing was there */
    JOURNAL_WARM,     /* continues */
    JOURNAL_SET_ASIDE /* something of another run, configuration or boot was there: renamed to <folder>.aside */
};

/* journal_open: opens or begins. STATUS_IO, STATUS_MALFORMED (not a journal, damaged) with a sentence. */
enum status journal_open(const struct journal_config *config, struct journal **out_journal,
                         enum journal_beginning *out_beginning, struct error *error) MUST_USE;
void journal_close(struct journal *journal); /* accepts NULL */

/* journal_stream: the number of a stream, known or new (persisted at the next commit). At most
 * JOURNAL_STREAMS_MAX. Called at open, not per row. */
enum { JOURNAL_STREAMS_MAX = 4096 };
size_t journal_stream(struct journal *journal, const char *name);

/* journal_first, journal_last: oldest and newest committed row of a stream, 0 when it has none. Any thread. */
int64_t journal_first(const struct journal *journal, size_t stream);
int64_t journal_last(const struct journal *journal, size_t stream);

/* One transaction at a time, from the loop's thread. Rows of a stream must continue its sequence. An error of
 * append or put is remembered and given by journal_commit, which then has changed nothing. */
enum status journal_begin(struct journal *journal, struct error *error) MUST_USE;
void journal_append(struct journal *journal, size_t stream, int64_t first_sequence, size_t row_count,
                    const void *rows, size_t bytes);
void journal_put(struct journal *journal, const char *key, const void *data, size_t bytes);
enum status journal_commit(struct journal *journal, struct error *error) MUST_USE;
void journal_abort(struct journal *journal);

/* journal_put_now: one record in a transaction of its own; waits for the loop's, and the loop's next waits for it. Not
 * inside the loop's own transaction. */
enum status journal_put_now(struct journal *journal, const char *key, const void *data, size_t bytes,
                            struct error *error) MUST_USE;

/* journal_get: appends a record to `out`; STATUS_NOT_FOUND when there is none, STATUS_MALFORMED when it is damaged. */
enum status journal_get(const struct journal *journal, const char *key, struct buffer *out) MUST_USE;

/* journal_read: appends encoded rows of `stream` from `from` on, whole rows, at least one if there is one, then
 * while `bytes_max` is not passed and at most `rows_max`. *out_count = 0 behind the newest. STATUS_NOT_FOUND when
 * `from` is older than what is held, STATUS_MALFORMED when the rows are damaged; `out_rows` is then as it was. */
enum status journal_read(const struct journal *journal, size_t stream, int64_t from, size_t bytes_max,
                         size_t rows_max, struct buffer *out_rows, size_t *out_count,
                         struct error *error) MUST_USE;

/* journal_trim: drops chunks that lie wholly before `before` (inside the loop's transaction); the newest always stays,
 * so that the stream remembers how far it is. Returns rows dropped. Their pages are free again two commits later. */
int64_t journal_trim(struct journal *journal, size_t stream, int64_t before);

/* journal_forget: drops all rows of a stream, the newest too, so that it can begin anew at any sequence (inside the loop's
 * transaction): it was another instance's in between. Readers of the stream must know: until the commit they see its old rows. */
void journal_forget(struct journal *journal, size_t stream);

/* journal_relax: pages of the file that lie in this process's memory, and only in the machine's page cache from now on: a
 * journal is read and written all day, and what was once touched would count as ours for ever. Any thread, any time. */
void journal_relax(struct journal *journal);

/* journal_bytes_used: pages that hold rows; free ones are not counted. Inside the loop's transaction: as that will leave it. The
 * loop's thread only. */
size_t journal_bytes_used(const struct journal *journal);
