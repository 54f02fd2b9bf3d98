#include "config/plan.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plan *plan_create(const char *run_id, const char *const *symbols, size_t symbol_count)
{
    struct plan *plan = memory_allocate(sizeof *plan);
    assert(symbol_count <= PLAN_SYMBOLS_MAX);
    snprintf(plan->run_id, sizeof plan->run_id, "%s", run_id);
    for (size_t i = 0; i < symbol_count; i++)
        snprintf(plan->symbols[i], sizeof plan->symbols[i], "%s", symbols[i]);
    plan->symbol_count = symbol_count;
    return plan;
}

void plan_destroy(struct plan *plan)
{
    free(plan);
}

struct plan_service *plan_add(struct plan *plan, const char *name, size_t count)
{
    assert(plan->service_count < PLAN_SERVICES_MAX && count >= 1 && count <= PLAN_INSTANCES_MAX);
    struct plan_service *service = &plan->services[plan->service_count++];
    snprintf(service->name, sizeof service->name, "%s", name);
    for (size_t i = 0; i < count; i++)
        plan_instance_name(name, i + 1, service->instances[i]);
    service->instance_count = count;
    for (size_t i = 0; i < plan->symbol_count; i++)
        service->owners[i] = (uint8_t)plan_rendezvous((const char(*)[PLAN_NAME_BYTES])service->instances,
                                                      count, plan->symbols[i]);
    return service;
}

/* --- asking --- */

struct plan_service *plan_service(struct plan *plan, const char *name)
{
    for (size_t i = 0; plan && i < plan->service_count; i++)
        if (strcmp(plan->services[i].name, name) == 0)
            return &plan->services[i];
    return NULL;
}

static const struct plan_service *service_of(const struct plan *plan, const char *name)
{
    return plan_service((struct plan *)(uintptr_t)plan, name);
}

size_t plan_symbol(const struct plan *plan, const char *symbol)
{
    for (size_t i = 0; i < plan->symbol_count; i++)
        if (strcmp(plan->symbols[i], symbol) == 0)
            return i;
    return SIZE_MAX;
}

const char *plan_owner(const struct plan *plan, const char *service, const char *symbol)
{
    const struct plan_service *found = service_of(plan, service);
    size_t index = found ? plan_symbol(plan, symbol) : SIZE_MAX;
    return index == SIZE_MAX ? NULL : found->instances[found->owners[index]];
}

size_t plan_owned(const struct plan *plan, const char *service, const char *instance)
{
    const struct plan_service *found = service_of(plan, service);
    size_t index = found ? plan_instance(found, instance) : SIZE_MAX, count = 0;
    for (size_t i = 0; index != SIZE_MAX && i < plan->symbol_count; i++)
        count += found->owners[i] == index;
    return count;
}

size_t plan_instance(const struct plan_service *service, const char *name)
{
    for (size_t i = 0; i < service->instance_count; i++)
        if (strcmp(service->instances[i], name) == 0)
            return i;
    return SIZE_MAX;
}

size_t plan_instance_add(struct plan_service *service, const char *name)
{
    assert(service->instance_count < PLAN_INSTANCES_MAX);
    snprintf(service->instances[service->instance_count], PLAN_NAME_BYTES, "%s", name);
    return service->instance_count++;
}

void plan_instance_remove(struct plan_service *service, size_t index)
{
    memmove(service->instances[index], service->instances[index + 1],
            (service->instance_count - index - 1) * sizeof service->instances[0]);
    service->instance_count--;
    for (size_t i = 0; i < PLAN_SYMBOLS_MAX; i++)
        service->owners[i] = (uint8_t)(service->owners[i] - (service->owners[i] > index));
}

void plan_instance_name(const char *service, size_t number, char out_name[PLAN_NAME_BYTES])
{
    if (number == 1)
        snprintf(out_name, PLAN_NAME_BYTES, "%s", service);
    else
        snprintf(out_name, PLAN_NAME_BYTES, "%.40s.%zu", service, number);
}

size_t plan_instance_number(const char *service, const char *name)
{
    size_t length = strlen(service), number = 0;
    if (strncmp(name, service, length) != 0)
        return 0;
    if (!name[length])
        return 1;
    if (name[length] != '.' || name[length + 1] == '0')
        return 0;
    for (const char *at = name + length + 1; *at; at++) {
        if (*at < '0' || *at > '9' || number > PLAN_INSTANCES_MAX)
            return 0;
        number = number * 10 + (size_t)(*at - '0');
    }
    return number <= PLAN_INSTANCES_MAX ? number : 0;
}

/* mix: the bits of FNV-1a hardly reach the top when only the last bytes differ; this finisher (MurmurHash3's) spreads
 * them, so that "greatest" is fair. */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

size_t plan_rendezvous(const char (*instances)[PLAN_NAME_BYTES], size_t count, const char *symbol)
{
    size_t best = 0;
    uint64_t greatest = 0;
    for (size_t i = 0; i < count; i++) {
        char text[PLAN_NAME_BYTES + PLAN_SYMBOL_BYTES + 1];
        int length = snprintf(text, sizeof text, "%s/%s", instances[i], symbol);
        uint64_t hash = mix(hash_fnv1a(text, (size_t)length));
        if (i == 0 || hash > greatest) {
            best = i;
            greatest = hash;
        }
    }
    return best;
}

/* --- writing --- */

static void service_json(const struct plan *plan, const struct plan_service *service, struct json *json)
{
    json_key(json, service->name);
    json_object_begin(json);
    json_key(json, "instances");
    json_array_begin(json);
    for (size_t i = 0; i < service->instance_count; i++)
        json_text(json, service->instances[i]);
    json_array_end(json);
    json_key(json, "owners");
    json_object_begin(json);
    for (size_t i = 0; i < plan->symbol_count; i++)
        json_key_text(json, plan->symbols[i], service->instances[service->owners[i]]);
    json_object_end(json);
    json_object_end(json);
}

void plan_json(const struct plan *plan, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_i64(&json, "schema_version", 1);
    json_key_text(&json, "run_id", plan->run_id);
    json_key_i64(&json, "version", plan->version);
    json_key(&json, "symbols");
    json_array_begin(&json);
    for (size_t i = 0; i < plan->symbol_count; i++)
        json_text(&json, plan->symbols[i]);
    json_array_end(&json);
    json_key(&json, "services");
    json_object_begin(&json);
    for (size_t i = 0; i < plan->service_count; i++)
        service_json(plan, &plan->services[i], &json);
    json_object_end(&json);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

void plan_move_json(const struct plan_move *move, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "service", move->service);
    json_key_text(&json, "symbol", move->symbol);
    json_key_text(&json, "from", move->from);
    json_key_text(&json, "to", move->to);
    json_key_i64(&json, "version", move->version);
    json_key_text(&json, "readers", move->readers);
    json_object_end(&json);
}

enum status plan_write(const struct plan *plan, const char *path, bool sync, struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    plan_json(plan, &text);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length, sync);
    buffer_finish(&text);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}
