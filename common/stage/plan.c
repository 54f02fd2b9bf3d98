#include "base/log.h"
#include "base/memory.h"
#include "stage/stage_private.h"

#include <string.h>

/* What the orchestrator's plan means here: whom we read for which symbol, and, at our very first start, which symbols are
 * ours. Later that is what our own journal says: symbols come and go by hand-over only. */

bool stage_owns(const struct stage *stage, size_t index)
{
    return atomic_load_explicit(&stage->owned[index], memory_order_relaxed);
}

const char *stage_upstream_of(const struct stage *stage, const char *service, const char *symbol)
{
    const char *owner = stage->plan ? plan_owner(stage->plan, service, symbol) : NULL;
    return owner ? owner : service;
}

const char *stage_consumer_name(const struct stage *stage)
{
    bool planned = stage->plan && plan_service(stage->plan, stage->service->name);
    return planned ? stage->service->name : stage->instance;
}

static enum status plan_take(struct stage *stage, struct plan **out_plan, struct error *error)
{
    enum status status = plan_read(stage->options.plan_path, out_plan, error);
    if (status != STATUS_OK)
        return status;
    if (strcmp((*out_plan)->run_id, stage->run_id) == 0)
        return STATUS_OK;
    error_set(error, STATUS_INVALID, "%s: is of run %.64s, not %s", stage->options.plan_path,
              (*out_plan)->run_id, stage->run_id);
    plan_destroy(*out_plan);
    return STATUS_INVALID;
}

/* is_given: whether the plan gives a symbol to this instance; by hand everything is its. */
static bool is_given(const struct stage *stage, const char *symbol)
{
    const char *owner = stage->plan ? plan_owner(stage->plan, stage->service->name, symbol) : NULL;
    return !owner || strcmp(owner, stage->instance) == 0;
}

enum status stage_plan_open(struct stage *stage, struct error *error)
{
    enum status status = STATUS_OK;
    if (stage->options.plan_path && !stage->options.replay_count)
        status = plan_take(stage, &stage->plan, error);
    stage->owned = memory_allocate(stage->symbol_count * sizeof *stage->owned);
    for (size_t i = 0; i < stage->symbol_count; i++)
        atomic_init(&stage->owned[i], is_given(stage, stage->symbols[i]));
    return status;
}

enum status stage_plan_renew(struct stage *stage, struct error *error)
{
    struct plan *plan;
    if (!stage->plan)
        return error_set(error, STATUS_INVALID, "%s was started without --plan", stage->instance);
    enum status status = plan_take(stage, &plan, error);
    if (status != STATUS_OK)
        return status;
    if (plan->version <= stage->plan->version) {
        plan_destroy(plan);
        return STATUS_OK;
    }
    plan_destroy(stage->plan);
    stage->plan = plan;
    log_event(LOG_INFO, "plan", "version=%lld", (long long)plan->version);
    return stage_inputs_follow(stage, error);
}
