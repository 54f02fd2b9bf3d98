// links: config base
/* runtime/plan.json and the arguments of a move. What is taken for a plan must be written and read the same again, and every
 * symbol must have an owner that is there. */
#include "fuzz.h"

#include "config/plan.h"

#include <string.h>

static void check_whole(struct plan *plan)
{
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];
        size_t owned = 0;
        fuzz_require(service->instance_count >= 1 && service->instance_count <= PLAN_INSTANCES_MAX);
        for (size_t k = 0; k < service->instance_count; k++)
            owned += plan_owned(plan, service->name, service->instances[k]);
        fuzz_require(owned == plan->symbol_count);
    }
}

static void read_and_write_again(const uint8_t *data, size_t bytes)
{
    struct plan *plan = NULL, *again = NULL;
    struct buffer first, second;
    struct error error = {{0}};
    if (plan_parse(data, bytes, &plan, &error) != STATUS_OK) {
        fuzz_require(!plan && *error.text);
        return;
    }
    check_whole(plan);
    buffer_init(&first, 0);
    buffer_init(&second, 0);
    plan_json(plan, &first);
    fuzz_require(plan_parse(first.data, first.length, &again, &error) == STATUS_OK);
    plan_json(again, &second);
    fuzz_require(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
    buffer_finish(&first);
    buffer_finish(&second);
    plan_destroy(plan);
    plan_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer text;
    struct plan_move move;
    struct error error = {{0}};
    read_and_write_again(data, bytes);
    buffer_init(&text, 0);
    buffer_append(&text, data, bytes);
    if (plan_move_parse(buffer_text(&text), &move, &error) == STATUS_OK)
        fuzz_require(move.version >= 1 && *move.symbol && *move.from && *move.to && *move.service);
    buffer_finish(&text);
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSDT", "XRPUSDT"};
    struct plan_move move = {.service = "signal",
                             .symbol = "BTCUSDT",
                             .from = "signal",
                             .to = "signal.2",
                             .version = 3,
                             .readers = "broker,report"};
    struct plan *plan = plan_create("run-1", SYMBOLS, 3);
    struct buffer text;
    plan->version = 2;
    plan_add(plan, "harvest", 1);
    plan_add(plan, "signal", 3);
    buffer_init(&text, 0);
    plan_json(plan, &text);
    take(text.data, text.length);
    buffer_clear(&text);
    plan_move_json(&move, &text);
    take(text.data, text.length);
    buffer_finish(&text);
    plan_destroy(plan);
}
