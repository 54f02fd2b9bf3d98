/* stage_private: the stage's own parts, shared by its files only.
 *
 *   stage.c      life and loop                           options.c    command line and configuration
 *   input.c      upstream streams, gaps, catch-up        request.c    what comes in on the ROUTER
 *   output.c     emit → commit → publish                 state.c      the saved state, symbol by symbol
 *   retention.c  consumers, what the journal may drop    holes.c      rows passed over, of services without a journal
 *   sink_thread.c  one thread per sink                   sink_job.c   what it does when a symbol moves
 *   plan.c       which symbols are ours, whom we read    hand_over.c  a symbol that moves: release.c gives, acquire.c takes
 *   beat.c       heartbeats and status file              producer.c   heartbeats of those we read
 *   ledger.c     counters for the loss ledger
 *   injured.c    faults, and what it lacks: degraded     replay.c     a daemon by hand on a capture
 *   due.c        what the loop may sleep until           room.c       a start that finds the disk full
 *   table.c      the long part of a symbol's state, page by page */
#pragma once

#include "base/file.h"
#include "bus/bus.h"
#include "config/plan.h"
#include "injury/lease.h"
#include "journal/journal.h"
#include "proto/request.h"
#include "stage/sink.h"
#include "stage/stage.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    STAGE_UPSTREAMS_MAX = 256,
    STAGE_SINKS_MAX = 4,
    STAGE_CONSUMERS_MAX = 64,      /* names, each with every stream */
    STAGE_MESSAGES_PER_TURN = 512, /* then commit */
    STAGE_PULL_BUDGET = 2048,      /* items of one pull */
    STAGE_CHUNK_BYTES =
        128 * 1024, /* rows of one stream are journaled and published in chunks of about so much */
    STAGE_ROWS_PER_GLANCE = 16,     /* so often a turn looks whether a heartbeat is due */
    STAGE_TURN_BYTES = 512 * 1024,  /* so much pending is committed before more is consumed */
    STAGE_REQUEST_TIMEOUT_MS = 250, /* an unanswered catch-up request is sent again */
    STAGE_REGISTER_MS = 1000,
    STAGE_RETENTION_MS = 1000,
    STAGE_RELAX_MS = 10000,     /* so often the journal's pages are given back to the machine */
    STAGE_RETENTION_PARTS = 64, /* of the limit: so much appended is reason enough to look again */
    STAGE_AGE_MARKS = 8,     /* points in time at which the newest rows are noted, within journal.max_age_s */
    STAGE_SILENCE_MS = 3000, /* an upstream without a sign of life for so long is connected anew */
    STAGE_DRAIN_MS = 5000,   /* TERM: wait so long for sinks */
    STAGE_FORK_BEATS = 10,
    STAGE_AGAIN_MS = 50,        /* what could not be done when it was due, or what nobody tells of */
    STAGE_COMMIT_RETRY_MS = 20, /* after a commit that the disk did not take */
    STAGE_OVERRIDES_MAX = 256,
    DATA_KINDS_LIMIT = ROW_HEARTBEAT, /* kinds below it are data */
};

/* output_chunk: encoded rows of one stream, a piece of output.rows. */
struct output_chunk {
    int64_t first_sequence;
    size_t row_count;
    size_t offset, bytes;
};

struct output {
    char stream[STREAM_BYTES];
    size_t journal_stream;
    int64_t emitted;                 /* sequence of the newest row emitted in this life */
    bool end_emitted;                /* its end_of_stream is among them */
    int64_t kinds[DATA_KINDS_LIMIT]; /* how many of the rows emitted are of each kind */
    /* As of the last commit, hence what may be told to others: */
    int64_t source; /* harvest sequence up to which the stream is complete */
    bool ended;
    int64_t age_marks[STAGE_AGE_MARKS]; /* newest row at the retention's points in time */
    int64_t first; /* oldest row, as the open transaction will leave it; the retention's */
    int64_t
        dropped_from; /* the open transaction drops rows from there to `first` that were needed; 0: none */
    int64_t dropped;  /* rows that were needed, in all lives; without those of the open transaction */
    char needed_by[INSTANCE_BYTES];
    struct buffer rows;
    struct output_chunk *chunks;
    size_t chunk_count, chunk_capacity;
};

struct input {
    struct stage_input public;
    char stream[STREAM_BYTES];
    size_t upstream;        /* into stage.upstreams; SIZE_MAX: not read */
    int64_t producer_last;  /* newest row its producer told of, 0 = none yet */
    int64_t source;         /* source up to which what has been consumed is complete */
    bool producer_seen;     /* it has told what its newest row is */
    int64_t requested_from; /* open catch-up request, 0 = none */
    int64_t requested_ms;
    int64_t state_position; /* position in the newest saved state */
    /* Since the stream's first row; part of the state. */
    int64_t consumed;        /* rows the service has taken */
    int64_t malformed;       /* rows it could not read */
    int64_t lost;            /* rows their producer no longer held */
    int beats_behind;        /* heartbeats in a row that told of fewer rows than we hold */
    int64_t rows_generation; /* the producer's life that said the newest of them; 0: not known */
};

struct upstream {
    const char *service;
    char instance[INSTANCE_BYTES]; /* "": a free place */
    size_t connection;
    int64_t heard_ms;        /* monotonic; anything it sent */
    int64_t generation, pid; /* the life that its newest heartbeat was of; 0: not known */
};

struct consumer {
    char name[INSTANCE_BYTES];
    size_t output;
    int64_t durable_sequence;
};

/* sink_job: what a sink's thread is to do between two batches when a symbol moves. */
enum sink_job_kind { SINK_GIVE = 1, SINK_TAKE, SINK_FORGET };

struct sink_job {
    enum sink_job_kind kind; /* 0: none */
    char stream[STREAM_BYTES];
    struct buffer bytes; /* given, or to be taken */
    bool done;
    enum status status;
    struct error error;
};

/* sink_drop: rows of a stream that retention took before a batch could have them; from 0: none. */
struct sink_drop {
    int64_t from, first; /* the first one gone, the first one there */
};

struct sink_runner {
    struct sink *sink;
    struct stage *stage;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool started, opened, stop;
    atomic_bool hurry; /* what waits is written at once */
    struct sink_job job;
    enum status open_status;
    struct error open_error;
    struct sink_status_row status; /* under mutex */
    struct sink_drop *drops;       /* by symbol, of the batch; its thread's own */
};

/* leaving: a symbol on its way to another instance (hand_over.c). */
enum leaving_step {
    LEAVING_NOT,
    LEAVING_ASKED,    /* the service has been asked to come to its end */
    LEAVING_STOPPED,  /* nothing of it is consumed any more; sinks write what is left */
    LEAVING_RELEASED, /* journaled as no longer ours; what the next owner needs lies ready for him */
};

/* next_owner: what the owner of a symbol that leaves knows of the one it goes to (release.c); times are monotonic. */
struct next_owner {
    char instance[INSTANCE_BYTES];
    int64_t generation;      /* of its newest life that has spoken; what another one heard counts no more */
    char heard[HEARD_BYTES]; /* as that life said last … */
    int64_t heard_ms;        /* … then */
    bool waits;              /* what it said last has had no answer yet */
    int64_t question;        /* put to that life last, 0: none … */
    int64_t question_ms;     /* … then */
    bool has_answered;       /* what it said last was said behind that question */
};

struct leaving {
    enum leaving_step step;
    int64_t version; /* of the plan that will say so */
    struct next_owner next;
    int64_t asked_ms;       /* LEAVING_ASKED since; monotonic */
    struct error waits_for; /* LEAVING_ASKED: what for */
    int64_t stopped_ns;     /* wall */
    struct buffer record;
    struct buffer package; /* record and rows; empty: not made yet */
    bool forget_sinks;     /* their threads have not been told yet */
    bool asked;            /* somebody waits for it: */
    struct bus_peer_id peer;
    int64_t from;
};

/* arriving: a symbol on its way to us. */
struct arriving {
    bool active;
    int64_t version;
    size_t upstream; /* its owner until now */
    struct buffer package;
    bool complete;
    bool taken; /* our sinks and our memory have their part; what is lacking is the commit */
    int64_t asked_ms;
    char heard[HEARD_BYTES]; /* as the owner was told */
    int64_t question;        /* the owner's newest, 0: none */
};

struct hand_over {
    struct leaving leaving;
    struct arriving arriving;
};

struct stage_override {
    const char *key, *value;
};

struct stage_options {
    const char *config_path;
    const char *effective_path;
    const char *plan_path;
    const char *instance;
    const char *bus_folder;
    int64_t generation;
    int64_t restarts;
    struct stage_override overrides[STAGE_OVERRIDES_MAX];
    size_t override_count;
    struct stage_override service_values[STAGE_OVERRIDES_MAX];
    size_t service_value_count;
    const char *replay_files[STAGE_OVERRIDES_MAX + 1];
    size_t replay_count;
    char **texts; /* made here, released by stage_options_finish */
    size_t text_count, text_capacity;
    bool print_rows;  /* with --replay: own rows as JSON lines on stdout */
    bool replay_link; /* a replay whose upstreams someone else started */
};

struct stage {
    const struct stage_service *service;
    void *state; /* the service's */
    struct stage_options options;
    struct config *config;
    struct clock clock;
    struct bus *bus;
    struct journal *journal;
    char run_id[RUN_ID_BYTES];
    char fingerprint[SHA256_HEX_BYTES];
    char instance[INSTANCE_BYTES];
    int levels;

    const char **symbols;
    size_t symbol_count;
    struct map *symbol_indexes;
    struct plan *plan;            /* NULL: by hand, everything is ours */
    atomic_bool *owned;           /* by symbol */
    struct hand_over *hand_overs; /* by symbol */
    struct table *tables;         /* by symbol; NULL until one is saved or read */
    int64_t acquired_version;     /* of the newest move that brought a symbol */
    size_t moving;                /* of these, how many there is something to do for */
    bool forgets;                 /* the plan is another one: what it has passed by comes no more */

    struct output *outputs; /* one per symbol, of publishing services */
    size_t pending_bytes;
    size_t appended_bytes; /* since the retention looked last */
    struct input *inputs;
    size_t input_count;
    struct upstream upstreams[STAGE_UPSTREAMS_MAX];
    size_t upstream_count;
    struct consumer *consumers;
    size_t consumer_count, consumer_capacity;
    bool consumers_dirty; /* not as journaled */
    bool
        consumer_added; /* one of them is not journaled at all: at once, lest its rows go while both are dead */
    struct sink_runner sinks[STAGE_SINKS_MAX];
    size_t sink_count;

    int wake_descriptor, signal_descriptor;
    int64_t state_saved_ms;
    bool state_dirty;
    bool loss_unsaved;                                 /* stage_note_loss since the newest saved state */
    const struct field *time_fields[ROW_KIND_LIMIT];   /* ts_ms of the kinds that have it */
    const struct field *source_fields[ROW_KIND_LIMIT]; /* source likewise */
    int64_t beat_due_ms, status_due_ms, register_due_ms, retention_due_ms, relax_due_ms, age_mark_due_ms;
    int64_t beat_seq, progress;
    bool told_caught_up, told_progress; /* a heartbeat of this life has said so */
    char told_state[16]; /* of the newest heartbeat that was not brief; "": the next one is not */
    int64_t event_ts_ms;
    int64_t open_files;
    struct buffer scratch, frame_scratch;
    struct buffer newest_beat; /* its frame: goes with the answer to `status` */
    char last_error[256];

    bool stopping;               /* TERM or stop: leave the loop */
    bool draining;               /* drain: to the end of the streams */
    bool own_end;                /* stage_end was called */
    bool going;                  /* go has come (pull services) */
    bool full;                   /* the journal is at its limit: nothing is consumed */
    bool alert_told, alert_sent; /* the journal's pressure is in the log; … and in a heartbeat */
    bool pull_more;
    bool pull_held; /* the last turn might not pull */
    bool unwritten; /* the newest commit failed: its rows are still pending, nothing is consumed */
    int64_t commit_retry_ms;
    char lacks[32]; /* what it is degraded by; "": nothing */
    struct injury_table *injuries;
    bool rereading;       /* rows come out again that were journaled in an earlier life */
    int ready_descriptor; /* a pipe to say READY on, -1: none */
    int exit_code;

    struct {
        int64_t frames, foreign_frames, malformed_frames, malformed_rows, gaps_seen, catch_up_requests,
            catch_up_rows, rows_lost, forks, commits, rows_emitted, rows_compared, rows_reread, requests,
            malformed_requests, retention_dropped, retention_unread, retention_alerts, reconnects,
            commit_failures, table_pages;
    } counts;
};

/* injured.c */
enum status stage_injury_command(struct stage *stage, const struct command_row *command,
                                 struct error *answer); /* STATUS_UNSUPPORTED: no fault's command */
void stage_look_at_itself(struct stage *stage);         /* before a heartbeat: is anything lacking? */
void stage_report_injuries(struct stage *stage, struct stage_report *report);
/* stage_turn: what a commit changes in memory, as it was before. */
struct stage_turn {
    bool consumers_dirty, consumer_added, full;
    size_t appended_bytes;
    int64_t retention_due_ms, retention_dropped, retention_unread;
};
struct stage_turn stage_turn_begin(const struct stage *stage);
enum status stage_commit_refused(struct stage *stage, const struct stage_turn *turn, enum status status,
                                 const struct error *error); /* STATUS_AGAIN: tried again later */
bool stage_commit_waits(const struct stage *stage);          /* it is not yet time for the next try */
static inline bool stage_may_consume(const struct stage *stage)
{
    return !stage->full && !stage->unwritten;
}

/* options.c */
enum status stage_options_parse(struct stage *stage, int argc, char **argv, bool *out_done,
                                struct error *error);
char *stage_options_keep(struct stage_options *options,
                         char *text); /* adopts it for the stage's life; returns it */
void stage_options_finish(struct stage_options *options);
enum status stage_config_load(struct stage *stage, struct error *error);

/* hand_over.c: symbols that leave, release.c; symbols that come, acquire.c */
enum status stage_hand_over_open(struct stage *stage, struct error *error);
void stage_hand_over_close(struct stage *stage);
enum status stage_hand_over_turn(struct stage *stage, struct error *error);
void stage_hand_over_settle(struct stage *stage); /* the plan has changed */
void stage_arriving_forget(
    struct stage *stage); /* what was to come by a move that the plan has passed does not */
enum status stage_release(struct stage *stage, const struct plan_move *move, struct error *error);
enum status stage_acquire(struct stage *stage, const struct plan_move *move, struct error *error);
enum status stage_release_turn(struct stage *stage, size_t symbol, struct error *error);
enum status stage_acquire_turn(struct stage *stage, size_t symbol, struct error *error);
enum { PACKAGE_BYTES_MAX = 256 * 1024 * 1024 }; /* what one symbol may hand over */
/* stage_package_asked: a request for a package on the ROUTER, in a frame of that header; its answer may come later.
 * stage_package_answered: at the DEALER. */
bool stage_is_package(const char *stream);
void stage_package_asked(struct stage *stage, const struct bus_peer_id *peer,
                         const struct frame_header *header, const struct catch_up_request_row *request);
void stage_package_answered(struct stage *stage, const struct catch_up_answer_row *answer, const void *body,
                            size_t bytes);
void stage_package_stream(const struct stage *stage, size_t symbol, char out_stream[STREAM_BYTES]);
/* stage_record_key: of what the journal keeps about a symbol's moves: "released" or "given". */
void stage_record_key(const char *what, const char *symbol, char out_key[STREAM_BYTES]);

/* holes.c: rows that a service without a journal has passed over. */
enum hole_kind { HOLE_LOST, HOLE_MALFORMED };
void stage_hole_note(struct stage *stage, const struct input *input, enum hole_kind kind, int64_t first,
                     int64_t last);
enum status stage_holes_count(struct stage *stage,
                              struct error *error) MUST_USE; /* behind the positions that came back */

/* input.c */
enum status stage_upstream_open(struct stage *stage, const char *service, const char *instance,
                                size_t *out_index, struct error *error);
size_t stage_upstream_at(const struct stage *stage, size_t connection); /* SIZE_MAX: none */
struct input *stage_input_of(struct stage *stage, size_t connection,
                             const char *stream);                /* NULL: not read, or not from there */
void stage_input_join(struct stage *stage, struct input *input); /* asks its producer for what it has */
/* stage_input_request: of `request` what is the caller's to say: stream, from, of a hand-over heard and question. */
bool stage_input_request(struct stage *stage, size_t connection, struct catch_up_request_row *request);
enum status stage_inputs_open(struct stage *stage, struct error *error);
enum status stage_inputs_follow(struct stage *stage, struct error *error); /* the plan has changed */
enum status stage_input_attach(struct stage *stage, struct input *input, struct error *error);
void stage_input_detach(struct stage *stage, struct input *input);
void stage_inputs_poll(struct stage *stage, int timeout_ms);
void stage_inputs_join(struct stage *stage);     /* asks every producer where it is */
void stage_inputs_retry(struct stage *stage);    /* overdue requests */
void stage_inputs_register(struct stage *stage); /* durable positions to the producers */
int64_t stage_source_consumed(const struct stage *stage,
                              size_t symbol); /* complete up to here, INT64_MAX: no input */
bool stage_inputs_ended(const struct stage *stage);
bool stage_caught_up(const struct stage *stage);

/* producer.c: a heartbeat of somebody we read */
void stage_heartbeat_take(struct stage *stage, size_t connection, struct frame *frame);

/* plan.c */
enum status stage_plan_open(struct stage *stage, struct error *error);
/* stage_plan_renew: reads the plan anew; one that is not newer changes nothing. */
enum status stage_plan_renew(struct stage *stage, struct error *error);
/* stage_upstream_of: the instance that says a service's rows of a symbol. */
const char *stage_upstream_of(const struct stage *stage, const char *service, const char *symbol);
/* stage_consumer_name: under which producers know whoever reads a symbol here: the service's, whichever instance it is. */
const char *stage_consumer_name(const struct stage *stage);

/* state.c */
/* stage_record_read: a record of the journal, by `read`; STATUS_OK also when there is none. */
typedef enum status stage_record_reader(struct stage *stage, struct reader *in);
enum status stage_record_read(struct stage *stage, const char *key, stage_record_reader *read);
enum status stage_state_owned(struct stage *stage,
                              struct error *error); /* which symbols the saved state holds */
enum status stage_state_load(struct stage *stage, bool warm, struct error *error);
void stage_state_put(struct stage *stage); /* inside the transaction */
void stage_symbol_save(struct stage *stage, size_t symbol, struct buffer *out);
enum status stage_symbol_load(struct stage *stage, size_t symbol, struct reader *in);
bool stage_state_is_behind(const struct stage *stage);

/* table.c: stage_tables_put: of our symbols, inside the transaction; stage_tables_settle: it was taken. stage_table_read: from the journal, before
 * the symbol's state. stage_table_save, stage_table_load: the whole of it, for a hand-over. */
void stage_tables_put(struct stage *stage);
void stage_tables_settle(struct stage *stage);
enum status stage_table_read(struct stage *stage, size_t symbol) MUST_USE;
void stage_table_save(struct stage *stage, size_t symbol, struct buffer *out);
void stage_table_load(struct stage *stage, size_t symbol, struct reader *in);
void stage_tables_close(struct stage *stage);

/* output.c */
enum status stage_outputs_open(struct stage *stage, struct error *error);
/* stage_commit: STATUS_OK with stage->unwritten set: the disk did not take it, nothing was published, it is tried again. */
enum status stage_commit(struct stage *stage, bool force_state, struct error *error);
int64_t stage_state_due_ms(const struct stage *stage); /* when it is to be saved; INT64_MAX: as it was */

/* retention.c */
void stage_consumer_note(struct stage *stage, const struct register_row *entry);
void stage_consumers_drop(struct stage *stage, size_t output); /* all of an output */
void stage_consumers_save(struct stage *stage);                /* inside the transaction */
enum status stage_retention_load(struct stage *stage, struct error *error);
double stage_journal_fill(const struct stage *stage);      /* share of journal.max_mb that rows take */
int64_t stage_retention_due_ms(const struct stage *stage); /* when it looks again; 0: in the next turn */
bool stage_retention_urgent(struct stage *stage);          /* reason enough for a commit of its own */
void stage_retain(
    struct stage *stage); /* inside the transaction: gives back what nobody needs, notes when full */
/* stage_retention_committed: behind it: tells what it has dropped. stage_retention_undone: the disk did not take it. */
void stage_retention_committed(struct stage *stage, bool was_full);
void stage_retention_undone(struct stage *stage);

/* sink_job.c */
/* stage_sinks_ask: has every sink's thread do one thing for a symbol; true when all have. Called again until then; one thing
 * at a time. `blobs`: what SINK_GIVE gives, and SINK_TAKE takes: count × (sink's name, bytes). */
bool stage_sinks_ask(struct stage *stage, enum sink_job_kind kind, size_t symbol, struct buffer *blobs,
                     enum status *out_status, struct error *error);
void stage_sinks_hurry(struct stage *stage, bool hurry);
bool stage_sinks_can_move(const struct stage *stage);
void stage_sink_job_run(struct sink_runner *runner); /* in the sink's thread, the mutex held */
/* stage_sink_restore: in the sink's thread behind open: what came with symbols, where the sink has not got further since. */
enum status stage_sink_restore(struct sink_runner *runner, struct error *error);

/* request.c */
void stage_answer(struct stage *stage, const struct bus_peer_id *peer, const struct message *message,
                  const void *row, const struct buffer *body);
void stage_request_handle(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes);

/* beat.c */
void stage_beat(struct stage *stage, bool at_once);

/* due.c */
int stage_poll_timeout(const struct stage *stage);

/* ledger.c */
enum status stage_ledger_write(struct stage *stage, struct error *error); /* as of the last commit */

/* sink_thread.c */
enum status stage_sinks_open(struct stage *stage, struct error *error);
void stage_sinks_notify(struct stage *stage);
bool stage_sinks_idle(struct stage *stage);
void stage_sinks_close(struct stage *stage);
void stage_sink_status(struct stage *stage, size_t index, struct sink_status_row *out_status);

/* room.c: "" or what to add to the sentence of a start that failed: which folder's disk is full, and what to do */
void stage_room_missing(const struct stage *stage, char *out_text, size_t size);

/* replay.c */
void stage_replay_config(struct stage *stage, struct config_errors *errors); /* from the capture's metadata */
/* stage_replay_facts: what is so in the recording whatever a --config says: run, symbols, market, kinds of streams. */
void stage_replay_facts(struct stage *stage, struct config_errors *errors);
enum status stage_replay_start(struct stage *stage, struct error *error);
void stage_replay_print(struct stage *stage, size_t symbol_index, const struct message *message,
                        const void *row);
enum status stage_replay_check(struct stage *stage,
                               struct error *error); /* that the daemons it started live */
void stage_replay_finish(struct stage *stage);

/* stage.c: the parts of stage_main, for tests that are the loop themselves */
enum status stage_open(struct stage *stage, struct error *error);
void stage_step(struct stage *stage); /* one turn behind the rows: what is overdue, commit, hand-over */
void stage_close(struct stage *stage);
void stage_fail(struct stage *stage, const struct error *error); /* logs, sets exit code 1, stops */
