#include "stage/stage_private.h"

/* What the loop may sleep until: the nearest of all that is done by the clock. Everything else wakes it: the bus, a signal, a
 * thread of the service or of a sink (stage_wake). A deadline that has passed and still stands could not be met in its turn (a
 * queue is full, say): it is tried again after STAGE_AGAIN_MS, as is what nobody tells of. */

static int64_t earlier(int64_t one_ms, int64_t other_ms)
{
    return one_ms < other_ms ? one_ms : other_ms;
}

/* upstream_due_ms: one that is silent is connected anew. */
static int64_t upstream_due_ms(const struct upstream *upstream)
{
    return *upstream->instance ? upstream->heard_ms + STAGE_SILENCE_MS + 1 : INT64_MAX;
}

/* request_due_ms: an answer that did not come is asked for again; of a producer that is silent it still lies in its queue. */
static int64_t request_due_ms(const struct stage *stage, const struct input *input, int64_t now_ms)
{
    bool waits = input->upstream != SIZE_MAX && input->requested_from &&
                 stage_owns(stage, input->public.symbol_index) &&
                 now_ms - stage->upstreams[input->upstream].heard_ms < STAGE_SILENCE_MS / 2;
    return waits ? input->requested_ms + STAGE_REQUEST_TIMEOUT_MS + 1 : INT64_MAX;
}

static int64_t inputs_due_ms(const struct stage *stage, int64_t now_ms)
{
    int64_t due_ms = stage->register_due_ms;
    for (size_t i = 0; i < stage->upstream_count; i++)
        due_ms = earlier(due_ms, upstream_due_ms(&stage->upstreams[i]));
    for (size_t i = 0; i < stage->input_count; i++)
        due_ms = earlier(due_ms, request_due_ms(stage, &stage->inputs[i], now_ms));
    return due_ms;
}

/* journal_due_ms: a commit that the disk refused, a state that is old enough, rows that may be given back. */
static int64_t journal_due_ms(const struct stage *stage)
{
    if (!stage->journal)
        return INT64_MAX;
    if (stage->unwritten)
        return stage->commit_retry_ms;
    int64_t due_ms = earlier(stage->relax_due_ms, stage_retention_due_ms(stage));
    return earlier(due_ms, stage_state_due_ms(stage));
}

/* untold: what changes without a word: leases that end, a symbol that moves, a replay whose daemons may have died. */
static bool untold(const struct stage *stage)
{
    return stage->moving || injury_any(stage->injuries) || stage->options.replay_count ||
           stage->options.replay_link;
}

int stage_poll_timeout(const struct stage *stage)
{
    bool goes_on = stage->pull_held && stage_may_consume(stage);
    if (stage->pull_more || goes_on || stage->service->pull_blocks)
        return 0;
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    if (stage->beat_due_ms <= now_ms)
        return 0;
    int64_t due_ms = earlier(inputs_due_ms(stage, now_ms), journal_due_ms(stage));
    if (stage->service->due_ms)
        due_ms = earlier(due_ms, stage->service->due_ms(stage->state));
    if (due_ms <= now_ms || (due_ms > now_ms + STAGE_AGAIN_MS && untold(stage)))
        due_ms = now_ms + STAGE_AGAIN_MS;
    return (int)(earlier(due_ms, stage->beat_due_ms) - now_ms);
}
