/* stage: the runtime every daemon shares.
 *
 * It owns main: options, configuration, log, bus, journal, recovery, the loop
 *      consume → compute → commit {rows, positions, counters, every so often state} → publish,
 * catch-up, heartbeats, readiness, commands, sinks, drain on SIGTERM, exit codes. A service is a descriptor; its
 * main.c ends in
 *      int main(int argc, char **argv) { return stage_main(&features_service, argc, argv); }
 *
 * Recovery: the newest state is loaded, inputs are read again from that state's positions, and rows come out again;
 * those already journaled are compared, encoded row against encoded row. A difference stops the daemon with both
 * shown.
 *
 * Nothing here is global: clock, bus and journal are injected through struct stage. */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "config/config.h"
#include "proto/frame.h"
#include "proto/heartbeat.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stage;
struct journal;

/* EXIT_LOSS_UNTOLD: as EXIT_INTERNAL, and a loss it had counted (stage_note_loss) is in no saved state. */
enum {
    EXIT_CLEAN = 0,
    EXIT_INTERNAL = 1,
    EXIT_CONFIGURATION = 2,
    EXIT_TEMPORARY = 5,
    EXIT_LOSS_UNTOLD = 6,
};

/* stage_input: one stream being read, as handed to the row handler. */
struct stage_input {
    const char *service; /* "harvest" */
    const char *symbol;
    size_t symbol_index; /* into stage_symbols */
    int64_t position;    /* sequence of the newest row consumed */
    bool ended;          /* its end_of_stream has been consumed */
};

/* stage_report: where a service writes its figures, once per heartbeat. */
struct stage_report;
/* stage_report_is_brief: this beat tells nothing of single streams (figures named name/service/SYMBOL): once a second is enough. */
bool stage_report_is_brief(const struct stage_report *report);
void stage_report_counter(struct stage_report *report, const char *name, int64_t value);
void stage_report_gauge(struct stage_report *report, const char *name, double value); /* NaN: not measured */
/* stage_report_library: gauge library_<name>: 4.1.6 as 4001006; NULL: not known. */
void stage_report_library(struct stage_report *report, const char *name, const char *version);
void stage_report_sink(struct stage_report *report, const struct sink_status_row *status);

/* stage_ledger: where a service writes the counters that the loss ledger balances (docs/ledger.md): of one symbol, or of
 * what belongs to none (STAGE_NO_SYMBOL). */
struct stage_ledger;
#define STAGE_NO_SYMBOL SIZE_MAX
void stage_ledger_count(struct stage_ledger *ledger, size_t symbol_index, const char *name, int64_t value);

struct stage_service {
    const char *name;
    const char *program;                /* what it is called on the command line; NULL: as its name */
    const char *summary;                /* one sentence for --help */
    const char *const *inputs;          /* services read, NULL-terminated; NULL: none */
    bool publishes;                     /* has streams of its own, hence a journal */
    const struct stage_option *options; /* more long options, ended by an empty name; NULL: none */

    /* open: builds the service from the configuration. On failure the sentence names the key or file. */
    enum status (*open)(struct stage *stage, void **out_service, struct error *error);
    void (*close)(void *service);

    /* row: one input row, in sequence, each exactly once per life and state. Emits with stage_emit. NULL: no input.
     * A malformed row returns its status and sentence: it is counted, logged and dead-lettered, and the stage goes
     * on. */
    enum status (*row)(void *service, const struct stage_input *input, const struct row_view *row,
                       struct error *error);

    /* pull: for services whose input is not the bus (harvest: its capture; simulator: its sockets). Consumes at most
     * about `budget` items, sets *out_more when it stopped with more waiting. May block up to `wait_ms`. */
    enum status (*pull)(void *service, size_t budget, int wait_ms, bool *out_more, struct error *error);

    /* pull_blocks: pull waits by itself (its descriptors are not the stage's); commands are seen between calls. */
    bool pull_blocks;

    /* cannot_wait: what comes in does not wait while the journal is full: with harvest.on_full: drop, the oldest rows go instead, even
     * those that somebody needs. */
    bool cannot_wait;

    /* heartbeat: one beat of an upstream instance; `rest` holds its stream, counter, gauge and sink rows. */
    void (*heartbeat)(void *service, const struct heartbeat_row *beat, struct frame *rest);

    /* accepts: for services without a journal: whether rows may be handed over now; false (a writer thread is behind):
     * what comes is left alone and asked for later. Asked once per loop turn. NULL: yes. */
    bool (*accepts)(void *service);

    /* turn: once per loop turn behind all rows, before the commit (timers of wall time, writer threads). */
    enum status (*turn)(void *service, struct error *error);

    /* due_ms: when `turn` has something to do next, by the monotonic clock alone; INT64_MAX: nothing. NULL: nothing, ever. What
     * comes from threads of the service is told with stage_wake. */
    int64_t (*due_ms)(void *service);

    /* halt: TERM or stop has come, before the last commit: what came from outside and is not durable yet becomes so, or is counted as
     * lost, by `until_ms` (monotonic). NULL: there is none. */
    void (*halt)(void *service, int64_t until_ms);

    /* save, load: the service's state, bit for bit. Only for publishing services. */
    void (*save)(void *service, struct buffer *out);
    enum status (*load)(void *service, struct reader *in);

    /* symbol_save, symbol_load: likewise what belongs to one symbol, of services whose instances can hand symbols over; then
     * save and load are for the rest, and may be NULL. Only symbols that this instance owns are saved. Loading replaces
     * whatever the symbol held. */
    void (*symbol_save)(void *service, size_t symbol_index, struct buffer *out);
    enum status (*symbol_load)(void *service, size_t symbol_index, struct reader *in);

    /* For services whose input is not the bus, and which have to hear of a symbol before it is theirs (docs/decisions/0030); NULL
     * elsewhere. They are asked again and again while the symbol moves.
     * symbol_expect: it is on its way here: begin to listen. symbol_forget: by the move of this version or an older one it does not come
     * any more; said of every symbol that is not ours, so that a life hears of what an earlier one expected. symbol_heard: what has been heard of it, in the service's own words;
     * its owner is told with each request. symbol_may_leave: STATUS_OK: as far as the next owner goes, who has said `heard`;
     * STATUS_AGAIN: not yet, and why; STATUS_END: it is leaving already. symbol_leave: the next owner has been asked once more, and hears
     * it still: STATUS_OK: no row of it will be emitted any more; STATUS_AGAIN: not yet. symbol_left: it is not ours any more. */
    enum status (*symbol_expect)(void *service, size_t symbol_index, int64_t version, struct error *error);
    void (*symbol_forget)(void *service, size_t symbol_index, int64_t version);
    void (*symbol_heard)(void *service, size_t symbol_index, char out_heard[HEARD_BYTES]);
    enum status (*symbol_may_leave)(void *service, size_t symbol_index, const char *heard,
                                    struct error *error);
    enum status (*symbol_leave)(void *service, size_t symbol_index, int64_t version, struct error *error);
    void (*symbol_left)(void *service, size_t symbol_index);

    /* symbol_table: of services whose symbols have a long state of which little changes at a time (rows of hours): memory of a
     * fixed size, saved as it lies, page by page, and only pages that changed. It is filled before symbol_load is called, which
     * judges it. NULL: none. */
    void *(*symbol_table)(void *service, size_t symbol_index, size_t *out_bytes);

    /* resume: for services without a journal: the newest row of the stream they hold durably (0: none). */
    int64_t (*resume)(void *service, const char *stream);

    /* durable: the same while running, for registration at the producer; NULL: the stage's state positions. */
    int64_t (*durable)(void *service, const char *stream);

    /* report: counters and gauges for the heartbeat. */
    void (*report)(void *service, struct stage_report *report);

    /* ledger: what the service's counters say of each symbol and of all (stage_ledger_count). They are part of its saved
     * state, so that no restart loses or doubles them. */
    void (*ledger)(void *service, struct stage_ledger *ledger);

    /* command: verbs beside the stage's own (drain, status, …); go and stop_intake come here. STATUS_UNSUPPORTED:
     * unknown verb. */
    enum status (*command)(void *service, const char *verb, const char *arguments_json, struct error *error);

    /* idle: whether everything consumed is also durable (writer threads done); asked while draining. NULL: yes. */
    bool (*idle)(void *service);

    /* caught_up: for pull services: own input is at its end. NULL: yes. */
    bool (*caught_up)(void *service);
};

/* stage_option: `--name VALUE` or `--name`; sets a configuration key, or is kept for stage_option_value when
 * `key` is NULL. */
struct stage_option {
    const char *name;
    const char *argument; /* "FILE", or NULL for a switch */
    const char *key;      /* configuration key it sets */
    const char *help;
};

int stage_main(const struct stage_service *service, int argc, char **argv);

/* For services. All texts live as long as the stage. */
const struct config *stage_config(const struct stage *stage);
const char *stage_run_id(const struct stage *stage);
const char *stage_fingerprint(const struct stage *stage); /* 64 hex digits */
const char *stage_instance(const struct stage *stage);
const struct clock *stage_clock(const struct stage *stage);
size_t stage_symbol_count(const struct stage *stage);
const char *stage_symbol(const struct stage *stage, size_t index);
size_t stage_symbol_index(const struct stage *stage, const char *symbol); /* SIZE_MAX: not ours */
/* stage_owns: whether a symbol is this instance's; another instance of the service may have it. Rows come, and may be emitted,
 * only for owned symbols; counters are told of them only. */
bool stage_owns(const struct stage *stage, size_t index);
int stage_levels(const struct stage *stage);                                 /* ofi.levels, at least 5 */
const char *stage_option_value(const struct stage *stage, const char *name); /* NULL: not given */
/* stage_replay_files: captures given with --replay, NULL-terminated; NULL when not replaying. */
const char *const *stage_replay_files(const struct stage *stage);

/* stage_emit: one row of the own stream of a symbol; encoded at once, committed and published at the turn's end. */
void stage_emit(struct stage *stage, size_t symbol_index, const struct message *message, const void *row);

/* stage_emitted: sequence of the newest row emitted for the symbol (0: none). */
int64_t stage_emitted(const struct stage *stage, size_t symbol_index);

/* stage_event_time: newest event time seen, for the heartbeat. */
void stage_event_time(struct stage *stage, int64_t event_ts_ms);

/* stage_watch: a descriptor that wakes the loop. stage_wake: wakes it from any thread. */
void stage_watch(struct stage *stage, int descriptor);
void stage_wake(struct stage *stage);

/* stage_end: the service's own input is over; the stage drains and reports "drained" (harvest in replay, simulator). */
void stage_end(struct stage *stage);

/* stage_touch: the service's state has changed without a row: it is saved when that is next due. */
void stage_touch(struct stage *stage);

/* stage_note_loss: as stage_touch, of a loss that the saved state alone will tell of: a process that ends without having saved it says
 * so with its exit code. */
void stage_note_loss(struct stage *stage);

/* stage_rereads: whether the next row of the symbol was journaled in an earlier life, so that it is compared. */
bool stage_rereads(const struct stage *stage, size_t symbol_index);

/* stage_draining: SIGTERM or drain came. */
bool stage_draining(const struct stage *stage);

/* stage_journal: the own journal (NULL for services without one), for sinks. */
struct journal *stage_journal(const struct stage *stage);

/* stage_add_sink: a reader of the own journal with a thread of its own (stage/sink.h); call in open(). */
struct sink;
void stage_add_sink(struct stage *stage, struct sink *sink);
