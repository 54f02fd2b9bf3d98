/* fault, fault_list, fault_clear: what may be asked about injuries. */
#include "fault_verbs.h"

#include "faults.h"
#include "orchestrator/run.h"
#include "orchestrator/supervision/signal_name.h"

#include <signal.h>
#include <stdio.h>

/* In the order of FAULT_ARGUMENTS. */
enum { KIND, NAME, TTL_MS, LINK, SHARE, COUNT, SEED, AMOUNT, SIGNAL, FORCE };

static enum status wish_read(const struct control_values *values, struct fault_wish *wish,
                             struct error *error)
{
    enum injury_kind kind = injury_kind_of(values->texts[KIND]);
    char names[512];
    injury_kind_names(~0u, names, sizeof names);
    if (kind == INJURY_KIND_COUNT)
        return error_set(error, STATUS_INVALID, "there is no fault '%.40s'; there are: %s",
                         values->texts[KIND], names);
    const struct injury_row *row = injury_row(kind);
    *wish = (struct fault_wish){
        .target = values->texts[NAME],
        .order = {.id = 1,
                  .kind = kind,
                  .share = values->given[SHARE] ? values->numbers[SHARE] : row->share_default,
                  .count = values->integers[COUNT],
                  .seed = values->given[SEED] ? values->integers[SEED] : -1,
                  .amount = values->given[AMOUNT] ? values->integers[AMOUNT] : row->amount_default,
                  .ttl_ms = values->given[TTL_MS] ? values->integers[TTL_MS] : INJURY_TTL_MS_DEFAULT},
        .signal = kind != INJURY_KILL     ? 0
                  : values->given[SIGNAL] ? signal_number_of(values->texts[SIGNAL])
                                          : SIGKILL,
        .forced = values->integers[FORCE] != 0};
    if (kind == INJURY_KILL && !wish->signal)
        return error_set(error, STATUS_INVALID, "there is no signal '%.40s'", values->texts[SIGNAL]);
    if (kind == INJURY_KILL)
        wish->order.ttl_ms = 0;
    snprintf(wish->order.link, sizeof wish->order.link, "%s", values->given[LINK] ? values->texts[LINK] : "");
    if (values->given[SEED] && values->integers[SEED] < 0)
        return error_set(error, STATUS_INVALID, "seed must be at least 0");
    return STATUS_OK;
}

/* ordered_json: what is said of one fault, into an open object. */
static void ordered_json(const struct run *run, int64_t id, const struct fault_wish *wish, struct json *json)
{
    json_key_i64(json, "fault", id);
    json_key_text(json, "kind", injury_row(wish->order.kind)->name);
    json_key_text(json, "name", run->faults[id - 1].process);
    json_key_i64(json, "ttl_ms", wish->order.ttl_ms);
}

enum status perform_fault(void *context, const struct control_values *values, struct json *result,
                          struct error *error)
{
    struct run *run = context;
    struct fault_wish wish;
    int64_t first = 0;
    size_t count = 0;
    enum status status = wish_read(values, &wish, error);
    if (status == STATUS_OK)
        status = faults_inject(run, &wish, &first, &count, error);
    if (status != STATUS_OK)
        return status;
    json_object_begin(result);
    ordered_json(run, first, &wish, result);
    if (count > 1) {
        json_key(result, "more");
        json_array_begin(result);
    }
    for (size_t i = 1; i < count; i++) {
        json_object_begin(result);
        ordered_json(run, first + (int64_t)i, &wish, result);
        json_object_end(result);
    }
    if (count > 1)
        json_array_end(result);
    json_object_end(result);
    return STATUS_OK;
}

enum status perform_fault_list(void *context, const struct control_values *values, struct json *result,
                               struct error *error)
{
    (void)error;
    json_object_begin(result);
    faults_list(context, values->integers[0], result);
    json_object_end(result);
    return STATUS_OK;
}

enum status perform_fault_clear(void *context, const struct control_values *values, struct json *result,
                                struct error *error)
{
    size_t lasting = faults_lasting(context, values->integers[0]);
    enum status status = faults_clear(context, values->integers[0], error);
    if (status != STATUS_OK)
        return status;
    json_object_begin(result);
    json_key_i64(result, "cleared", (int64_t)lasting);
    faults_list(context, values->integers[0], result);
    json_object_end(result);
    return STATUS_OK;
}

enum status perform_steady(void *context, const struct control_values *values, struct json *result,
                           struct error *error)
{
    (void)values, (void)error;
    struct error why = {{0}};
    bool steady = faults_steady(context, &why);
    json_object_begin(result);
    json_key_bool(result, "steady", steady);
    json_key_text(result, "reason", steady ? NULL : why.text);
    json_object_end(result);
    return STATUS_OK;
}
