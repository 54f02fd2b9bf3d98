/* Reading runtime/plan.json: everything that is not a whole, consistent plan is refused with its place. */
#include "base/file.h"
#include "base/memory.h"
#include "config/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define WRONG(error, ...) error_set(error, STATUS_MALFORMED, __VA_ARGS__)

/* take_text: a text that fits, and is not empty. */
static bool take_text(yyjson_val *value, char *out_text, size_t size)
{
    if (!yyjson_is_str(value) || !yyjson_get_len(value) || yyjson_get_len(value) >= size ||
        strlen(yyjson_get_str(value)) != yyjson_get_len(value))
        return false;
    memcpy(out_text, yyjson_get_str(value), yyjson_get_len(value) + 1);
    return true;
}

static enum status take_symbols(struct plan *plan, yyjson_val *symbols, struct error *error)
{
    size_t index, count;
    yyjson_val *symbol;
    if (!yyjson_is_arr(symbols) || !yyjson_arr_size(symbols) || yyjson_arr_size(symbols) > PLAN_SYMBOLS_MAX)
        return WRONG(error, "symbols: must be a list of 1 to %d names", PLAN_SYMBOLS_MAX);
    yyjson_arr_foreach(symbols, index, count, symbol)
    {
        char *name = plan->symbols[plan->symbol_count];
        if (!take_text(symbol, name, PLAN_SYMBOL_BYTES))
            return WRONG(error, "symbols[%zu]: must be a text of at most %d bytes", index,
                         PLAN_SYMBOL_BYTES - 1);
        if (plan_symbol(plan, name) != SIZE_MAX)
            return WRONG(error, "symbols[%zu]: %s is named twice", index, name);
        plan->symbol_count++;
    }
    return STATUS_OK;
}

static enum status take_instances(struct plan_service *service, yyjson_val *instances, struct error *error)
{
    size_t index, count;
    yyjson_val *instance;
    if (!yyjson_is_arr(instances) || !yyjson_arr_size(instances) ||
        yyjson_arr_size(instances) > PLAN_INSTANCES_MAX)
        return WRONG(error, "services.%s.instances: must be a list of 1 to %d names", service->name,
                     PLAN_INSTANCES_MAX);
    yyjson_arr_foreach(instances, index, count, instance)
    {
        char name[PLAN_NAME_BYTES];
        if (!take_text(instance, name, sizeof name) || !plan_instance_number(service->name, name))
            return WRONG(error, "services.%s.instances[%zu]: must be %s, %s.2 … %s.%d", service->name, index,
                         service->name, service->name, service->name, PLAN_INSTANCES_MAX);
        if (plan_instance(service, name) != SIZE_MAX)
            return WRONG(error, "services.%s.instances[%zu]: %s is named twice", service->name, index, name);
        plan_instance_add(service, name);
    }
    return STATUS_OK;
}

static enum status take_owners(const struct plan *plan, struct plan_service *service, yyjson_val *owners,
                               struct error *error)
{
    if (!yyjson_is_obj(owners) || yyjson_obj_size(owners) != plan->symbol_count)
        return WRONG(error, "services.%s.owners: must name an instance for each of the %zu symbols",
                     service->name, plan->symbol_count);
    for (size_t i = 0; i < plan->symbol_count; i++) {
        const char *owner = yyjson_get_str(yyjson_obj_get(owners, plan->symbols[i]));
        size_t index = owner ? plan_instance(service, owner) : SIZE_MAX;
        if (index == SIZE_MAX)
            return WRONG(error, "services.%s.owners.%s: must be one of the service's instances",
                         service->name, plan->symbols[i]);
        service->owners[i] = (uint8_t)index;
    }
    return STATUS_OK;
}

static enum status take_services(struct plan *plan, yyjson_val *services, struct error *error)
{
    size_t index, count;
    yyjson_val *name, *value;
    enum status status = STATUS_OK;
    if (!yyjson_is_obj(services) || yyjson_obj_size(services) > PLAN_SERVICES_MAX)
        return WRONG(error, "services: must be an object of at most %d services", PLAN_SERVICES_MAX);
    yyjson_obj_foreach(services, index, count, name, value)
    {
        struct plan_service *service = &plan->services[plan->service_count];
        if (!take_text(name, service->name, sizeof service->name))
            return WRONG(error, "services: a name must have 1 to %d bytes", PLAN_NAME_BYTES - 1);
        if (plan_service(plan, service->name))
            return WRONG(error, "services.%s: is there twice", service->name);
        plan->service_count++;
        status = take_instances(service, yyjson_obj_get(value, "instances"), error);
        if (status == STATUS_OK)
            status = take_owners(plan, service, yyjson_obj_get(value, "owners"), error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status take_plan(struct plan *plan, yyjson_val *root, struct error *error)
{
    yyjson_val *version = yyjson_obj_get(root, "version");
    if (!yyjson_is_obj(root) || !yyjson_is_int(yyjson_obj_get(root, "schema_version")) ||
        yyjson_get_sint(yyjson_obj_get(root, "schema_version")) != 1)
        return WRONG(error, "schema_version: must be 1");
    if (!take_text(yyjson_obj_get(root, "run_id"), plan->run_id, sizeof plan->run_id))
        return WRONG(error, "run_id: must be a text of 1 to %d bytes", PLAN_RUN_BYTES - 1);
    if (!yyjson_is_int(version) || yyjson_get_sint(version) < 1)
        return WRONG(error, "version: must be a whole number from 1");
    plan->version = yyjson_get_sint(version);
    enum status status = take_symbols(plan, yyjson_obj_get(root, "symbols"), error);
    return status == STATUS_OK ? take_services(plan, yyjson_obj_get(root, "services"), error) : status;
}

enum status plan_parse(const void *data, size_t bytes, struct plan **out_plan, struct error *error)
{
    yyjson_read_err wrong;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)data, bytes, 0, NULL, &wrong);
    if (!document)
        return WRONG(error, "byte %zu: %s", wrong.pos, wrong.msg);
    struct plan *plan = memory_allocate(sizeof *plan);
    enum status status = take_plan(plan, yyjson_doc_get_root(document), error);
    yyjson_doc_free(document);
    if (status == STATUS_OK)
        *out_plan = plan;
    else
        plan_destroy(plan);
    return status;
}

enum status plan_read(const char *path, struct plan **out_plan, struct error *error)
{
    struct buffer text;
    struct error wrong = {{0}};
    buffer_init(&text, PLAN_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status != STATUS_OK) {
        error_set(error, status, "%s cannot be read (%s)", path, status_name(status));
    } else {
        status = plan_parse(text.data, text.length, out_plan, &wrong);
        if (status != STATUS_OK)
            error_set(error, status, "%s: %s", path, wrong.text);
    }
    buffer_finish(&text);
    return status;
}

enum status plan_move_parse(const char *text, struct plan_move *out_move, struct error *error)
{
    struct plan_move move = {.version = 0};
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    yyjson_val *root = yyjson_doc_get_root(document), *version = yyjson_obj_get(root, "version");
    const struct {
        const char *key;
        char *text;
        size_t size;
    } texts[] = {{"service", move.service, sizeof move.service},
                 {"symbol", move.symbol, sizeof move.symbol},
                 {"from", move.from, sizeof move.from},
                 {"to", move.to, sizeof move.to}};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof texts / sizeof *texts; i++)
        if (!take_text(yyjson_obj_get(root, texts[i].key), texts[i].text, texts[i].size))
            status = WRONG(error, "%s: must be a text of 1 to %zu bytes", texts[i].key, texts[i].size - 1);
    if (status == STATUS_OK && (!yyjson_is_int(version) || yyjson_get_sint(version) < 1))
        status = WRONG(error, "version: must be a whole number from 1");
    if (status == STATUS_OK)
        move.version = yyjson_get_sint(version);
    const char *readers = yyjson_get_str(yyjson_obj_get(root, "readers"));
    if (status == STATUS_OK && readers && *readers &&
        !take_text(yyjson_obj_get(root, "readers"), move.readers, sizeof move.readers))
        status = WRONG(error, "readers: must be a text of at most %zu bytes", sizeof move.readers - 1);
    yyjson_doc_free(document);
    if (status == STATUS_OK)
        *out_move = move;
    return status;
}
