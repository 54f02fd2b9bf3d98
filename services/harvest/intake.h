/* intake: where harvest's records come from: a receiver that appends to the raw capture and a reader that follows it, or, in a
 * replay, a reader of given files alone. */
#pragma once

#include "decisions.h"
#include "journal/capture.h"
#include "journal/capture_chain.h"
#include "meeting.h"
#include "receiver.h"
#include "settings.h"
#include "stage/stage.h"

/* intake_loss: what never gets into the capture. No record says it, so it is kept beside the feed's state: a kill forgets at most
 * what was counted since the newest saved state. */
enum intake_loss { INTAKE_QUEUE_DROPPED, INTAKE_TOO_LARGE, INTAKE_SUBSTREAM_TIMEOUTS, INTAKE_LOSSES };
const char *intake_loss_name(enum intake_loss loss);

struct intake {
    struct stage *stage;
    struct capture_writer *writer; /* NULL in a replay */
    struct capture_reader *reader; /* NULL in a replay … */
    struct capture_chain *chain;   /* … which reads this */
    int64_t *expected;        /* by symbol: the newest move by which this life has said that it is, 0: none */
    uint64_t *leaving;        /* by symbol: number of the record of this life by which it leaves, 0: none */
    struct meeting *meetings; /* by symbol: with its next owner */
    struct receiver *receiver;            /* NULL in a replay */
    uint64_t first_record;                /* number of the first record this life may append */
    int64_t losses_before[INTAKE_LOSSES]; /* of earlier lives */
    int64_t losses[INTAKE_LOSSES];        /* of all, as of the newest intake_count_losses */
    int64_t *dropped_before;              /* by symbol: messages dropped in earlier lives */
    struct decisions decisions;
};

/* capture_folder: where an instance keeps its raw capture: data/raw, of further instances data/raw-harvest.2, … */
void capture_folder(const struct stage *stage, char *out_path, size_t size);

/* intake_owners: where each symbol of the run is fed at the beginning (feed_config.owners): here when it is ours, in a replay in the
 * capture whose first record names it. Release with free. */
enum status intake_owners(const struct stage *stage, const struct feed_config *settings, int16_t **out_owners,
                          struct error *error) MUST_USE;

/* intake_open: `feed` is borrowed for the call. intake_close: safe on a zeroed or half opened intake. */
enum status intake_open(struct intake *intake, struct stage *stage, const struct feed_config *feed,
                        struct error *error) MUST_USE;
void intake_close(struct intake *intake);

/* intake_resolve_trades: harvest.trade_stream auto in a replay of captures that say nothing of it: aggregate trades where
 * the captures have any or asked for them, else raw trades. */
void intake_resolve_trades(const struct stage *stage, struct feed_config *settings);

/* intake_feed: the next record into the feed. STATUS_AGAIN: there is none yet; STATUS_END: nor will there be; what the feed
 * refuses is logged. */
enum status intake_feed(struct intake *intake, struct feed *feed, struct error *error) MUST_USE;

/* intake_is_over: behind what can be read now nothing will come: end of a replay, or intake was stopped. */
bool intake_is_over(const struct intake *intake);

/* intake_end: ends the feed; tells of symbols whose beginning lies in a capture that was not given. */
void intake_end(const struct intake *intake, struct feed *feed);

/* intake_ask: what the feed waits for and only the venue can answer. */
void intake_ask(struct intake *intake, const struct feed *feed);

/* intake_order: `at_end`: the feed has read all there was. */
struct intake_order {
    const char *verb;
    const char *arguments_json;
    bool at_end;
};

/* intake_command: go, stop_intake, and control (decisions_say); go after the end changes nothing. STATUS_UNSUPPORTED: none of them. */
enum status intake_command(struct intake *intake, const struct feed *feed, const struct intake_order *order,
                           struct error *error) MUST_USE;

/* intake_losses_now: of all lives. Whoever tells their parts, too, reads those first: the receiver goes on counting. */
void intake_losses_now(const struct intake *intake, int64_t out_losses[INTAKE_LOSSES]);

/* intake_count_losses: once a turn: they make no row that would have the state saved. */
void intake_count_losses(struct intake *intake);

/* intake_dropped: messages of a symbol that are in no capture, of all lives of this instance: also of a symbol that has left it since. */
int64_t intake_dropped(const struct intake *intake, size_t symbol);

/* intake_halt: nothing is received any more; until `until_ms` (monotonic) the disk may take what it has not taken yet. */
void intake_halt(struct intake *intake, int64_t until_ms);

/* intake_make_room: at the end of what can be read: where more of an expected symbol has arrived than is kept, the capture says that it begins
 * anew. Not said again before the feed has read it. */
void intake_make_room(struct intake *intake, const struct feed *feed);

/* intake_expect, intake_forget, intake_may_leave, intake_leave, intake_left: a symbol that moves (stage.h: symbol_expect, …). */
enum status intake_expect(struct intake *intake, const struct feed *feed, size_t symbol, int64_t version,
                          struct error *error) MUST_USE;
void intake_forget(struct intake *intake, const struct feed *feed, size_t symbol, int64_t version);
enum status intake_may_leave(struct intake *intake, const struct feed *feed, size_t symbol, const char *heard,
                             struct error *error) MUST_USE;
enum status intake_leave(struct intake *intake, const struct feed *feed, size_t symbol, int64_t version,
                         struct error *error) MUST_USE;
void intake_left(struct intake *intake, struct feed *feed, size_t symbol);

/* intake_heard: what its owner is told of a symbol that is expected: "open:" and since which record when every socket it needs is and the
 * feed has read so far, and feed_heard. */
void intake_heard(const struct intake *intake, const struct feed *feed, size_t symbol,
                  char out_heard[HEARD_BYTES]);

/* intake_save, intake_load: the record of the capture it goes on with, losses, and the feed's state beside its symbols'. */
void intake_save(const struct intake *intake, const struct feed *feed, struct buffer *out);
enum status intake_load(struct intake *intake, struct feed *feed, struct reader *in) MUST_USE;
