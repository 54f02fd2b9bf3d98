/* run: one run of orderflow as the orchestrator sees it: its processes, its phase, its loop.
 *
 *   process.c    one process: started, watched, stepped through the supervisor's table, heard
 *   scale.c      instances come and go, symbols move
 *   command.c    go, stop_intake, drain: said to daemons until they have answered
 *   lifecycle.c  the run: start in order, go, end of streams, shutdown in reverse order
 *   instances.c  which processes there are, what they are called, what the plan gives them
 *   inspect.c    health ticks, resources, progress lines
 *   faults.c     injuries: ordered, watched, written down
 *   verbs.c      what orchctl may ask
 *   status.c     the answer to `status`
 *
 * Everything happens in one thread and one loop (run_loop.c): the bus, the children's descriptors and signals wake
 * it, or the nearest deadline. Nothing sleeps. */
#pragma once

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "config/config.h"
#include "config/plan.h"
#include "control/console.h"
#include "control/control.h"
#include "control/feed.h"
#include "control/own_log.h"
#include "drivers/docker.h"
#include "drivers/driver.h"
#include "faults/fault.h"
#include "health/health.h"
#include "health/quality_watch.h"
#include "health/self.h"
#include "health/telemetry.h"
#include "health/usage.h"
#include "interventions/canary_watch.h"
#include "interventions/control_inputs.h"
#include "interventions/rolling_back.h"
#include "manifest/conclusions.h"
#include "options.h"
#include "plan/module.h"
#include "plan/venue.h"
#include "preflight/lock.h"
#include "supervision/record_file.h"
#include "supervision/supervisor.h"
#include "supervision/suspicion.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct exporter;
struct alerting;
struct judging;
struct injury_table;

#define NEVER_MS INT64_MAX

/* What the loop's epoll says beside the numbers of processes. */
#define RUN_SIGNAL_EVENT     UINT64_MAX
#define RUN_DOCKER_EVENT     (UINT64_MAX - 1)
#define RUN_ERRAND_EVENT     (UINT64_MAX - 2) /* asked for where it was begun */
#define RUN_CONCLUSION_EVENT (UINT64_MAX - 3)

/* Fixed places in the run's folder, so that orchctl finds them whatever else is configured. */
#define RUN_LOCK_PATH      "runtime/orchestrator.lock"
#define RUN_EFFECTIVE_PATH "runtime/effective_config.json"
#define RUN_PORT_PATH      "runtime/simulator.port"
#define RUN_STREAMS_PATH   "runtime/simulator.streams"
#define RUN_POSITION_PATH  "runtime/simulator.position"
#define RUN_GIVEN_PATH     "runtime/summary_given.json"
#define RUN_PLAN_PATH      "runtime/plan.json"

enum {
    RUN_FAULTS_MAX = 256,
    RUN_RESTARTS_KEPT = 1000,
    RUN_PROCESSES_MAX = 4 + 3 * PLAN_INSTANCES_MAX, /* three services can be scaled */
};

/* daemon_verb: what daemons are told (docs/control-protocol.md). */
enum daemon_verb { VERB_STATUS, VERB_GO, VERB_STOP_INTAKE, VERB_DRAIN, VERB_SUMMARY, VERB_PLAN, VERB_COUNT };

/* daemon_command: wanted until the present generation has answered; a new generation is told again. */
struct daemon_command {
    bool wanted;
    int64_t answered_generation;
    int64_t sent_generation;
    int64_t sent_ms;
    int64_t answered_wall_ms; /* by the daemon's clock: only a later heartbeat tells of its effect */
};

struct restart_record {
    int64_t at_wall_ms;
    int64_t pid;
    int exit_code, exit_signal;
    int64_t delay_ms; /* -1: none followed */
};

struct process {
    const struct module *module;
    size_t module_index;
    size_t number; /* which instance of its module, from 1 */
    char name[INSTANCE_BYTES];
    struct supervisor supervisor;
    struct driver_child child;
    struct telemetry telemetry;
    struct daemon_command commands[VERB_COUNT];
    size_t connection;    /* of the bus */
    int64_t timer_due_ms; /* NEVER_MS: no timer */
    bool announced;       /* the readiness line has come */
    bool paused;          /* a person stopped it with `pause` */
    bool wanted;          /* has been started as part of the run */
    bool retired;         /* scaled away: no part of the plan any more */
    int64_t last_pid;
    int64_t spawned_ms, progress_at_ready;
    bool progressed;                                         /* its position has moved since READY */
    int64_t started_wall_ms, ready_wall_ms, stopped_wall_ms; /* newest generation; 0: not yet */
    struct driver_exit last_exit;
    bool exited;           /* last_exit is of the newest generation */
    int64_t exits;         /* of all generations */
    int64_t untold_losses; /* of them such as had counted a loss that no saved state tells of */
    bool kill_on_stop;     /* did not end in time and was killed while being stopped */
    struct restart_record *restarts;
    size_t restart_count, restart_capacity;
    int64_t symbols_ms;         /* when symbols came or went last */
    struct suspicion suspicion; /* of a hang */
    struct health health;
    struct usage usage;
    double max_rss_mb;
    int64_t max_open_files;
    int64_t caught_up_ms;       /* when it last said so; 0: never */
    int64_t rate_rows, rate_ms; /* sample that rows_per_s was computed from */
    double rows_per_s;
    char stdout_path[256], stderr_path[256];
};

enum run_phase {
    PHASE_STARTING, /* processes come up, in order */
    PHASE_FEEDING,  /* go has been said */
    PHASE_STOPPING_INTAKE,
    PHASE_DRAINING,
    PHASE_REPORTING, /* report writes its final summaries and compares the sinks … */
    PHASE_JUDGING,   /* … and writes them again with the gates that can be judged by now */
    PHASE_STOPPING,  /* TERM, one after the other */
    PHASE_ENDED,
};

const char *run_phase_name(enum run_phase phase);

enum { RECORD_BOOT_BYTES = 64 };

/* record: what an earlier orchestrator left (record.h), as it was read, before anything in it is believed. */
struct record {
    struct buffer bytes;
    char run_id[RUN_ID_BYTES];
    char boot_id[RECORD_BOOT_BYTES];
    int argument_count;
    char **arguments; /* into bytes */
    size_t state_offset;
};

/* scaling: what `orchctl scale` asked for, as far as it has come (scale.c). One service after the other, one symbol at a
 * time. */
enum scale_step { SCALE_IDLE, SCALE_STARTING, SCALE_MOVING, SCALE_RETIRING };

struct scaling {
    enum scale_step step;
    size_t targets[MODULE_COUNT]; /* instances wanted, 0: nothing was asked */
    size_t module;                /* whose turn it is */
    bool unstarted;               /* instances are wanted that are not in the plan, or not started yet */
    bool moving;
    struct plan_move move;
    int64_t move_ms, begun_ms; /* monotonic */
    int64_t sent_ms, sent_generations;
    int64_t moves; /* symbols that have moved for this module */
    bool is_over;  /* the market has ended before all of them had */
    char refusal[128];
};

struct run {
    struct clock clock;
    const struct options *options;
    struct config *config;
    char run_id[RUN_ID_BYTES];
    char fingerprint[SHA256_HEX_BYTES];
    char run_tag
        [FINGERPRINT_TAG_BYTES]; /* as asked for; behind a rollback that of the configuration it leads to */
    char program_folder[PATH_BYTES];
    struct module_choice choice;
    bool recorded;
    enum gate_set gates;
    const struct driver *driver;
    struct docker *docker; /* the docker driver's own; NULL with another */
    struct restart_policy policy;
    struct supervisor_limits limits;
    struct random random;

    struct bus *bus;
    int epoll_descriptor, signal_descriptor;
    struct run_lock lock;
    struct feed feed;
    struct console console;
    struct control control;
    struct own_log own_log;

    struct process processes[RUN_PROCESSES_MAX]; /* never moved, never removed */
    size_t process_count;
    size_t order[RUN_PROCESSES_MAX]; /* of processes: as they start; they stop in reverse */
    struct plan *plan;               /* NULL until the symbols are known */
    struct scaling scaling;
    bool
        plan_unwritten; /* the disk did not take the newest plan: nobody is told of it, nothing is done by it */
    int64_t plan_retry_ms;

    enum run_phase phase;
    bool failed_start; /* the input could not be brought up: nothing was fed */
    bool venue_resolved;
    size_t stop_index; /* PHASE_STOPPING: processes[order[stop_index - 1]] is being stopped */
    int64_t phase_ms, deadline_ms;
    bool fed_to_the_end;   /* whoever takes the feed had ended his streams before the others were drained */
    int64_t progress_seen; /* for deadlines that follow progress */
    int64_t started_ms, started_wall_ms, go_ms, go_wall_ms, fed_until_wall_ms, ended_wall_ms;
    int64_t end_due_ms; /* --minutes */
    struct quality_watch quality;
    int64_t stalled_ms; /* since when nothing moves although a process has given up */
    char end_reason[ERROR_TEXT_BYTES];
    int interrupts;
    bool skipped_drain;
    bool unconcluded; /* a file of the run did not answer: there is no verdict (manifest/conclude.h) */
    bool
        leads_on; /* another run follows at once: this one is concluded behind its back (manifest/behind.h) */
    bool left_behind;        /* all that its conclusion needs lies in a folder of its own */
    char behind[PATH_BYTES]; /* that folder, in the process that concludes it; "": any other orchestrator */
    bool bad_configuration;  /* found only when the simulator was being started */

    struct rolling_back rolling_back;
    int64_t exports_ok, exports_failed; /* when it was left: its exporter is gone when it is concluded */
    struct conclusions conclusions;     /* of runs before this one */
    struct control_inputs control_inputs;
    struct canary_watch canary;
    struct injury_table *injuries; /* the orchestrator's own */
    struct fault faults[RUN_FAULTS_MAX];
    size_t fault_count;
    size_t faults_started;       /* of options->faults, in order of time */
    size_t share_faults_started; /* a bit for each of options->faults that waits for a share of the market */
    struct venue_streams market; /* its extent; symbols are not kept */
    size_t shutdown_order[RUN_PROCESSES_MAX]; /* of processes */
    size_t shutdown_count;

    int64_t tick_due_ms, resource_due_ms, progress_due_ms;
    char boot_id[RECORD_BOOT_BYTES];
    struct record left;                     /* of an orchestrator that died, when there is one */
    struct options *adopted;                /* its command line; NULL: ours counts */
    int64_t adoptions;                      /* orchestrators before this one that died */
    int64_t adopted_ms;                     /* when this one went on with it; monotonic, 0: it did not */
    struct buffer recorded_last, recording; /* record.h: as it was written last, and as it is being made */
    struct record_file record_file;
    struct self self;
    struct judging *judging;   /* manifest/conclude.h; NULL: not begun, or over */
    struct exporter *exporter; /* exporting.h */
    struct alerting *alerting; /* alerting.h */
    bool ended_by_alert;
    int64_t own_status_due_ms;
    double own_max_rss_mb;
    int64_t own_max_open_files;
    bool unhealthy; /* ticks come faster */
};

static inline int64_t run_now_ms(const struct run *run)
{
    return clock_monotonic_ms(&run->clock);
}

/* run.c, run_create.c, run_prepare.c, run_loop.c */
/* run_main: one run, to its exit code; *out_again: a rollback leads to another one. */
int run_main(const struct options *options, bool *out_again);
/* run_create: nothing is opened yet. run_take_config: what the configuration decides. run_watch_open: what only looks on. */
struct run *run_create(const struct options *options);
void run_take_config(struct run *run);
enum status run_watch_open(struct run *run, struct error *error) MUST_USE;

/* instances.c */
/* run_process: by its name; `signal.1` is `signal`. NULL: not part of this run. */
struct process *run_process(struct run *run, const char *name);
/* run_meant: whether a name that a person gave means this process: its own name, or its service's. */
bool run_meant(const struct process *process, const char *name);
struct process *run_process_add(struct run *run, size_t module, size_t number);
enum status run_process_connect(struct run *run, struct process *process, struct error *error) MUST_USE;
void run_processes_make(struct run *run); /* as the configuration's scale.* says */
/* run_plan_make: the first plan, once the symbols are known. run_plan_read: that of a run that goes on. */
enum status run_plan_make(struct run *run, struct error *error) MUST_USE;
enum status run_plan_read(struct run *run, struct error *error) MUST_USE;
/* run_symbols_of: how many symbols the plan gives a process. */
size_t run_symbols_of(const struct run *run, const struct process *process);
/* run_capture_folder: where an instance of harvest keeps its raw capture. */
void run_capture_folder(const struct run *run, const struct process *harvest, char out_path[PATH_BYTES]);
/* run_counter: a counter summed over the instances of a module; false when nobody that has symbols reports it. */
bool run_counter(const struct run *run, size_t module, const char *name, int64_t *out_value);
/* run_fed_event_ms: the newest event time that any instance taking the feed has told, also one that was scaled away or that had no
 * symbols to begin with; FIELD_NULL_I64: none. */
int64_t run_fed_event_ms(const struct run *run);

/* process.c */
void process_init(struct process *process, size_t module, size_t number);
void process_finish(const struct run *run, struct process *process);
void process_step(struct run *run, struct process *process, enum process_event event);
void process_take_frame(struct run *run, struct process *process, const void *data, size_t bytes);
/* process_exists: it has been started, as far as the driver tells. */
bool process_exists(const struct run *run, const struct process *process);
void process_take_news(struct run *run, struct process *process); /* of its keeper */
void process_timers(struct run *run, struct process *process);
int64_t process_due_ms(const struct run *run, const struct process *process);
/* process_adopt: of a restored run: its process as its keeper has it, or its end, or its start if that had only been
 * decided. */
void process_adopt(struct run *run, struct process *process);
int64_t process_progress(const struct process *process);
/* process_signal: a person's signal, recorded as a fault. STATUS_CLOSED when there is no process. */
enum status process_signal(struct run *run, struct process *process, int signal_number, int64_t *out_fault_id,
                           struct error *error) MUST_USE;
enum status process_pause(struct run *run, struct process *process, bool pause, struct error *error) MUST_USE;

/* hang.c */
/* hang_check: true when it hangs: told, and its evidence written. hang_due_ms: when to look. */
bool hang_check(struct run *run, struct process *process);
int64_t hang_due_ms(const struct run *run, const struct process *process);

/* command.c */
void command_say(struct run *run, struct process *process, const char *request_id, const char *verb,
                 const char *arguments); /* once, whatever becomes of it */
void command_want(struct process *process, enum daemon_verb verb);
void commands_send(struct run *run, struct process *process);
/* command_answered: the present generation has, and a heartbeat has come since. */
bool command_answered(const struct process *process, enum daemon_verb verb);
int64_t commands_due_ms(const struct run *run, const struct process *process);
void commands_take_answer(struct run *run, struct process *process, const void *data, size_t bytes);

/* scale.c */
/* scale_begin: `targets` by module, 0: as it is. STATUS_CONFLICT, STATUS_INVALID with a sentence. */
enum status scale_begin(struct run *run, const size_t targets[MODULE_COUNT], struct error *error) MUST_USE;
/* scale_is_so: every service has that many instances already, and nothing is on its way. */
bool scale_is_so(const struct run *run, const size_t targets[MODULE_COUNT]);
void scale_step(struct run *run);
int64_t scale_due_ms(const struct run *run);
void scale_take_refusal(struct run *run, const struct process *process, const char *verb, const char *reason);

/* lifecycle.c */
void lifecycle_step(struct run *run);
int64_t lifecycle_due_ms(const struct run *run);
void lifecycle_end(struct run *run, const char *reason); /* begins the shutdown; later calls change nothing */
void lifecycle_interrupt(struct run *run);               /* SIGINT, SIGTERM */
int64_t
run_fed_rows(const struct run *run); /* sequence of whoever opens the feed, all its streams together */

/* inspect.c */
void inspect_step(struct run *run);
int64_t inspect_due_ms(const struct run *run);
int64_t run_lag_rows(const struct run *run, const struct process *process);
void inspect_health(struct run *run, struct process *process);
bool process_degraded(const struct process *process); /* given up, failed, or it lacks what it needs */
bool process_is_idle(const struct run *run, const struct process *process); /* no symbol is its own */
const char *process_health_name(const struct process *process); /* nobody judges who has been scaled away */

/* status.c */
void status_json(struct run *run, const char *name, struct json *json);
bool status_healthy(struct run *run, const char *name);
enum status status_write(struct run *run, const char *path) MUST_USE;

/* verbs.c */
extern const struct control_verb RUN_VERBS[];
