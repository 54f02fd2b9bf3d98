#include "base/log.h"
#include "stage/stage_private.h"

/* What producers tell of themselves, five times a second: how far their streams are, and which of their lives speaks. A stream that is
 * ahead of us is asked for, one that stays behind what we hold is a fork. */

/* note_life: of whom a heartbeat is. By hand a producer may be started again under the same number: what the life before it said is then
 * no more the word of this one. */
static void note_life(struct stage *stage, size_t connection, const struct heartbeat_row *beat)
{
    size_t index = stage_upstream_at(stage, connection);
    if (index == SIZE_MAX)
        return;
    struct upstream *upstream = &stage->upstreams[index];
    bool again = beat->pid != upstream->pid && beat->generation == upstream->generation;
    for (size_t i = 0; again && i < stage->input_count; i++)
        if (stage->inputs[i].upstream == index && stage->inputs[i].rows_generation == beat->generation)
            stage->inputs[i].rows_generation = 0;
    upstream->generation = beat->generation;
    upstream->pid = beat->pid;
}

/* note_ahead: we hold rows that their producer does not tell of. Of the life that said them, or an earlier one, that is old news: a catch-up
 * answer overtakes all heartbeats that wait in our queue, and within a life no row is taken back. When a later life stays so, the
 * producer has begun anew under the same run: a fork, never followed. */
static void note_ahead(struct stage *stage, struct input *input, const struct heartbeat_row *beat,
                       int64_t producer_last)
{
    if (beat->generation <= input->rows_generation || ++input->beats_behind != STAGE_FORK_BEATS)
        return;
    stage->counts.forks++;
    log_event(LOG_ERROR, "fork", "stream=%s position=%lld producer_last=%lld", input->stream,
              (long long)input->public.position, (long long)producer_last);
}

static void note_stream_status(struct stage *stage, size_t connection, const struct heartbeat_row *beat,
                               const struct row_view *view)
{
    struct stream_status_row status;
    if (row_decode(view, &stream_status_message, &status, NULL) != STATUS_OK || !status.published)
        return;
    struct input *input = stage_input_of(stage, connection, status.stream);
    if (!input)
        return;
    input->producer_seen = true;
    if (status.last_sequence > input->producer_last)
        input->producer_last = status.last_sequence;
    if (input->public.position > status.last_sequence) {
        note_ahead(stage, input, beat, status.last_sequence);
        return;
    }
    input->beats_behind = 0;
    if (input->public.position < status.last_sequence) {
        stage_input_join(stage, input);
    } else if (status.source >
               input->source) { /* a restarted producer tells less at first: once complete, complete */
        input->source = status.source;
    }
}

void stage_heartbeat_take(struct stage *stage, size_t connection, struct frame *frame)
{
    struct heartbeat_row beat;
    struct row_view view;
    if (!frame_next(frame, &view) || row_decode(&view, &heartbeat_message, &beat, NULL) != STATUS_OK) {
        stage->counts.malformed_frames++;
        return;
    }
    note_life(stage, connection, &beat);
    struct frame rest = *frame;
    while (frame_next(frame, &view))
        if (view.kind == ROW_STREAM_STATUS)
            note_stream_status(stage, connection, &beat, &view);
    if (stage->service->heartbeat)
        stage->service->heartbeat(stage->state, &beat, &rest);
}
