/* fault: what a seed does to a run, decided beforehand and printed first.
 *
 * A point is a moment at which a daemon could die and leave something behind: before and after each commit, publish,
 * write, rename, removal, cut and sync, and each crash_point of the product. They are counted per daemon over all its
 * lives; a kill happens at the n-th. */
#pragma once

#include "base/random.h"
#include "tests/simulation/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum fault_kind {
    FAULT_KILL_AT_POINT,
    FAULT_KILL_AT_TIME,
    FAULT_KILL_IN_RECOVERY, /* so many points into the life that follows a kill */
    FAULT_KILL_IN_MOVE,     /* so many points behind the first word of a hand-over to one of its two sides */
    FAULT_KILL_AT_END,      /* once its streams have ended */
    FAULT_STOP,             /* not scheduled for a while */
    FAULT_TERM,             /* a planned restart */
    FAULT_DISK_FULL,        /* its writes fail for a while */
    FAULT_DISCONNECT,       /* the venue cuts a socket of harvest's */
    FAULT_KILL_ALL,         /* everything at once */
    FAULT_POWER_CUT,        /* the same, and files lose what was not synchronised (power.h) */
    FAULT_KINDS,
};

enum { FAULTS_MAX = 12, FAULT_SYMBOLS = 2, FAULT_SERVICES = 3 };

struct fault {
    enum fault_kind kind;
    int process; /* PROCESS_… */
    int64_t point;
    size_t move; /* FAULT_KILL_IN_MOVE: which */
    int64_t at_ns;
    int64_t length_ns;
    bool torn; /* a kill at a write leaves a part of it */
    bool done;
};

/* planned_move: a symbol goes from one instance of a service to the other. */
struct planned_move {
    int from, to; /* PROCESS_… */
    size_t symbol;
    int64_t at_ns;
    bool in_vain; /* once before, of harvest: `to` alone is asked, and the move is given up */
};

/* fault_plan: everything drawn from a seed before its run begins. */
struct fault_plan {
    struct fault faults[FAULTS_MAX];
    size_t count;
    /* two instances of harvest, features and signal, and who begins with which symbol of which of them */
    bool scaled;
    bool second_owns[FAULT_SERVICES][FAULT_SYMBOLS];
    struct planned_move moves[PROCESS_MOVES_MAX];
    size_t move_count;
    /* the network's and the scheduler's manners */
    int loss_permille;         /* of frames, at a subscriber */
    int request_loss_permille; /* of requests and answers */
    int64_t delay_ns_max;
    int yield_one_in; /* a point or a lock lets others run first */
    int64_t restart_ns_max;
    int64_t read_messages; /* of the venue, that the wire may bring at once */
    /* how far the clock of each instance of harvest is ahead of the venue's, from this moment on */
    int64_t skew_ns[2], skew_from_ns;
    bool power; /* journal.durability power */
    /* settings that change no row */
    int64_t state_interval_ms, high_water_mark, recut_seed, sink_rows, sink_ms, part_rows, heartbeat_ms,
        journal_mb, journal_age_s;
};

/* fault_plan_quiet: no fault, for the undisturbed run. fault_plan_draw: from the seed; `points`: how many each daemon
 * passes in an undisturbed run, `length_ns` how long that takes. */
void fault_plan_quiet(struct fault_plan *plan);
void fault_plan_draw(struct fault_plan *plan, struct random *random, const int64_t points[PROCESS_COUNT],
                     int64_t length_ns);
void fault_plan_print(const struct fault_plan *plan, FILE *out);

/* faults_begin: the plan that holds from now on (borrowed, its `done` marks are set), and where chance comes from. */
void faults_begin(struct fault_plan *plan, struct random *random);
const struct fault_plan *faults_plan(void);
bool fault_chance_permille(int permille);
int64_t fault_delay_ns(void); /* of a message */
int64_t fault_below(int64_t bound);

/* fault_point: passes one; may not return. */
void fault_point(const char *name);
/* fault_write: passes the point before a write of so many bytes. Less than `bytes` comes back: the writer dies having
 * written only so much. */
size_t fault_write(const char *name, size_t bytes);
/* fault_interleave: a place where another thread may come first. */
void fault_interleave(void);

/* faults_due: carries out those whose time has come; from the operator. faults_cut_power: a power cut has killed all: the
 * files follow; before anything is started again. */
void faults_due(void);
void faults_cut_power(void);
/* fault_skew_ns: how far a harvest's clock is ahead of the venue's just now. fault_skews: whether any ever is. */
int64_t fault_skew_ns(const struct process *process);
bool fault_skews(const struct fault_plan *plan);
/* fault_disconnect_due: the venue is to cut the connection; once per fault. */
bool fault_disconnect_due(void);
/* fault_kill_at_end: a process whose streams have ended. */
void fault_kill_at_end(struct process *process);
