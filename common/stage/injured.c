#include "base/log.h"
#include "stage/stage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a stage that is hurt on purpose, or by its machine, still does: faults are leases of its own process (common/injury), ordered
 * by commands; what it lacks is told as the state "degraded", and it goes on when it has it again. */

enum status stage_injury_command(struct stage *stage, const struct command_row *command, struct error *answer)
{
    struct injury_order order;
    struct error error;
    bool orders = strcmp(command->verb, "fault") == 0 &&
                  injury_order_read(command->arguments, &order, &error) == STATUS_OK;
    if (orders && injury_row(order.kind)->place == INJURY_AT_VENUE)
        return error_set(answer, STATUS_INVALID, "%s: only the simulator is a venue",
                         injury_row(order.kind)->name);
    if (orders && injury_row(order.kind)->place == INJURY_ON_LINK &&
        (*order.link ? !bus_has_connection(stage->bus, order.link) : stage->upstream_count == 0))
        return error_set(answer, STATUS_INVALID, "%s has no link to %s", stage->instance,
                         *order.link ? order.link : "anybody");
    return injury_command(stage->injuries, command->verb, command->arguments, answer);
}

static void note(struct stage *stage, const char *lacks)
{
    if (strcmp(stage->lacks, lacks) == 0)
        return;
    log_event(*lacks ? LOG_WARNING : LOG_INFO, *lacks ? "degraded" : "sound_again", "lacks=%s",
              *lacks ? lacks : stage->lacks);
    snprintf(stage->lacks, sizeof stage->lacks, "%s", lacks);
}

/* has_descriptor: whether another one can be had; the bus turns connections away before that (bus/headroom.h). */
static bool has_descriptor(void)
{
    int got = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (got < 0)
        return errno != EMFILE;
    close(got);
    return true;
}

void stage_look_at_itself(struct stage *stage)
{
    note(stage, stage->unwritten ? "room_for_the_journal" : !has_descriptor() ? "descriptors" : "");
}

void stage_report_injuries(struct stage *stage, struct stage_report *report)
{
    int64_t active, touched;
    injury_figures(stage->injuries, &active, &touched);
    stage_report_counter(report, "stage_faults_active", active);
    stage_report_counter(report, "stage_faults_touched", touched);
    stage_report_counter(report, "stage_commit_failures", stage->counts.commit_failures);
}

/* --- a commit that the disk did not take --- */

/* kept: what a turn changes besides the journal, and must not have changed when the journal has not. */
struct stage_turn stage_turn_begin(const struct stage *stage)
{
    return (struct stage_turn){.consumers_dirty = stage->consumers_dirty,
                               .consumer_added = stage->consumer_added,
                               .full = stage->full,
                               .appended_bytes = stage->appended_bytes,
                               .retention_due_ms = stage->retention_due_ms,
                               .retention_dropped = stage->counts.retention_dropped,
                               .retention_unread = stage->counts.retention_unread};
}

static void turn_undo(struct stage *stage, const struct stage_turn *turn)
{
    stage->consumers_dirty = turn->consumers_dirty;
    stage->consumer_added = turn->consumer_added;
    stage->full = turn->full;
    stage->appended_bytes = turn->appended_bytes;
    stage->retention_due_ms = turn->retention_due_ms;
    stage->counts.retention_dropped = turn->retention_dropped;
    stage->counts.retention_unread = turn->retention_unread;
    stage_retention_undone(stage);
}

/* stage_commit_refused: rows stay pending and nothing is published; no more is consumed until a later try succeeds. What cannot get
 * better by itself (a damaged journal, a full map) is given back, and ends the daemon; so does a replay by hand, where somebody
 * waits for an exit code. */
enum status stage_commit_refused(struct stage *stage, const struct stage_turn *turn, enum status status,
                                 const struct error *error)
{
    if (status != STATUS_IO || stage->options.replay_count)
        return status;
    turn_undo(stage, turn);
    stage->unwritten = true;
    stage->commit_retry_ms = clock_monotonic_ms(&stage->clock) + STAGE_COMMIT_RETRY_MS;
    stage->counts.commit_failures++;
    snprintf(stage->last_error, sizeof stage->last_error, "%.255s", error->text);
    log_event(LOG_ERROR, "write_error", "what=journal reason=\"%s\" retry_in_ms=%d", error->text,
              STAGE_COMMIT_RETRY_MS);
    return STATUS_AGAIN;
}

bool stage_commit_waits(const struct stage *stage)
{
    return stage->unwritten && clock_monotonic_ms(&stage->clock) < stage->commit_retry_ms;
}
