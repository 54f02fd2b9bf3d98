#include "incidents.h"

#include "base/json.h"
#include "base/memory.h"
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void incidents_path(const char *artifacts_dir, char out_path[PATH_BYTES])
{
    path_join(out_path, artifacts_dir, "runtime/canary_report/incidents.json");
}

void incidents_finish(struct incidents *incidents)
{
    free(incidents->items);
    *incidents = (struct incidents){0};
}

struct incident *incident_find(struct incidents *incidents, const char *id)
{
    for (size_t i = 0; i < incidents->count; i++)
        if (strcmp(incidents->items[i].id, id) == 0)
            return &incidents->items[i];
    return NULL;
}

struct incident *incident_of_cause(struct incidents *incidents, const char *cause)
{
    for (size_t i = 0; i < incidents->count; i++)
        if (strcmp(incidents->items[i].cause, cause) == 0)
            return &incidents->items[i];
    return NULL;
}

/* --- writing --- */

/* text_or_null: an empty text is one that is not known. */
static void text_or_null(struct json *json, const char *name, const char *text)
{
    json_key_text(json, name, *text ? text : NULL);
}

static void at_json(struct json *json, const char *name, int64_t wall_ms)
{
    char text[TIME_TEXT_BYTES];
    if (wall_ms)
        time_iso_ms(wall_ms, text);
    json_key_text(json, name, wall_ms ? text : NULL);
}

static void metrics_json(const struct incident *incident, struct json *json)
{
    json_key(json, "metrics_before_after");
    json_object_begin(json);
    for (size_t i = 0; i < incident->metric_count; i++) {
        json_key(json, incident->metrics[i].name);
        json_object_begin(json);
        json_key_f64(json, "before", incident->metrics[i].before);
        json_key_f64(json, "after", incident->metrics[i].after);
        if (*incident->metrics[i].reason)
            json_key_text(json, "reason", incident->metrics[i].reason);
        json_object_end(json);
    }
    json_object_end(json);
}

static void incident_json(const struct incident *incident, struct json *json)
{
    json_object_begin(json);
    json_key_text(json, "id", incident->id);
    json_key_text(json, "severity", incident->severity);
    json_key_text(json, "rule", incident->rule);
    at_json(json, "when", incident->opened_ms);
    if (incident->event_ms == INT64_MIN)
        json_key_null(json, "when_event_ms");
    else
        json_key_i64(json, "when_event_ms", incident->event_ms);
    json_key_text(json, "who", incident->who);
    json_key_text(json, "why", incident->why);
    metrics_json(incident, json);
    json_key_text(json, "action", incident->action);
    text_or_null(json, "cause", incident->cause);
    text_or_null(json, "fingerprint_from", incident->fingerprint_from);
    text_or_null(json, "fingerprint_to", incident->fingerprint_to);
    json_key_i64(json, "opened_ms", incident->opened_ms);
    at_json(json, "opened_at", incident->opened_ms);
    json_key_i64(json, "closed_ms", incident->closed_ms);
    at_json(json, "closed_at", incident->closed_ms);
    text_or_null(json, "closed_by", incident->closed_by);
    text_or_null(json, "closed_why", incident->closed_why);
    json_object_end(json);
}

enum status incidents_write(const char *path, const struct incidents *incidents, struct error *error)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_array_begin(&json);
    for (size_t i = 0; i < incidents->count; i++)
        incident_json(&incidents->items[i], &json);
    json_array_end(&json);
    enum status status = document_write(path, &text, error);
    buffer_finish(&text);
    return status;
}

/* --- reading --- */

static double number_or_nan(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_num(value) ? yyjson_get_num(value) : NAN;
}

static bool take_metrics(yyjson_val *object, struct incident *incident)
{
    size_t index, count;
    yyjson_val *name, *pair;
    if (!yyjson_is_obj(object) || yyjson_obj_size(object) > INCIDENT_METRICS_MAX)
        return false;
    yyjson_obj_foreach(object, index, count, name, pair)
    {
        struct incident_metric *metric = &incident->metrics[incident->metric_count++];
        snprintf(metric->name, sizeof metric->name, "%.63s", yyjson_get_str(name));
        metric->before = number_or_nan(pair, "before");
        metric->after = number_or_nan(pair, "after");
        const char *reason = yyjson_get_str(yyjson_obj_get(pair, "reason"));
        snprintf(metric->reason, sizeof metric->reason, "%.127s", reason ? reason : "");
    }
    return true;
}

/* take_text: a member that a file of an earlier version does not have. */
static bool take_text(yyjson_val *object, const char *name, char *out_text, size_t bytes)
{
    return !yyjson_obj_get(object, name) || document_text_or_null(object, name, out_text, bytes);
}

static bool take_incident(yyjson_val *object, struct incident *incident)
{
    yyjson_val *event = yyjson_obj_get(object, "when_event_ms");
    *incident = (struct incident){.event_ms = yyjson_is_int(event) ? yyjson_get_sint(event) : INT64_MIN};
    incident->opened_ms = yyjson_get_sint(yyjson_obj_get(object, "opened_ms"));
    incident->closed_ms = yyjson_get_sint(yyjson_obj_get(object, "closed_ms"));
    return document_text(object, "id", incident->id, sizeof incident->id) &&
           document_text(object, "severity", incident->severity, sizeof incident->severity) &&
           document_text(object, "rule", incident->rule, sizeof incident->rule) &&
           document_text(object, "who", incident->who, sizeof incident->who) &&
           document_text(object, "why", incident->why, sizeof incident->why) &&
           document_text(object, "action", incident->action, sizeof incident->action) &&
           take_text(object, "cause", incident->cause, sizeof incident->cause) &&
           take_text(object, "closed_by", incident->closed_by, sizeof incident->closed_by) &&
           take_text(object, "closed_why", incident->closed_why, sizeof incident->closed_why) &&
           document_text_or_null(object, "fingerprint_from", incident->fingerprint_from,
                                 sizeof incident->fingerprint_from) &&
           document_text_or_null(object, "fingerprint_to", incident->fingerprint_to,
                                 sizeof incident->fingerprint_to) &&
           take_metrics(yyjson_obj_get(object, "metrics_before_after"), incident) && incident->opened_ms > 0;
}

static struct incident *add(struct incidents *incidents)
{
    incidents->items =
        memory_grow(incidents->items, &incidents->capacity, incidents->count + 1, sizeof *incidents->items);
    return &incidents->items[incidents->count++];
}

enum status incidents_read(const char *path, struct incidents *out_incidents, struct error *error)
{
    struct incidents incidents = {0};
    yyjson_doc *document = NULL;
    size_t index, count;
    yyjson_val *object;
    enum status status = document_read(path, &document, error);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (status == STATUS_OK && (!yyjson_is_arr(root) || yyjson_arr_size(root) > INCIDENTS_MAX))
        status = STATUS_MALFORMED;
    yyjson_arr_foreach(root, index, count, object)
    {
        if (status == STATUS_OK && !take_incident(object, add(&incidents)))
            status = STATUS_MALFORMED;
    }
    yyjson_doc_free(document);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        *out_incidents = incidents;
        return STATUS_OK;
    }
    incidents_finish(&incidents);
    return error && *error->text ? status
                                 : error_set(error, status, "%s is no list of incidents; move it away", path);
}

/* --- changing --- */

/* list_lock: of who reads the list to write it anew; waited for, as a list is written in one go. -1: it cannot be had (the folder is not there
 * yet, the disk is full): then it is done without. */
static int list_lock(const char *path)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char lock[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    path_join(lock, ".", ".incidents.lock");
    if (slash)
        snprintf(lock, sizeof lock, "%.*s/.incidents.lock", (int)(slash - path), path);
    if (folder_make_for(path) != STATUS_OK)
        return -1;
    int descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (descriptor >= 0 && fcntl(descriptor, F_OFD_SETLKW, &whole) != 0 && errno == EINTR)
        ;
    return descriptor;
}

static void list_unlock(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

/* id_make: one more than the greatest. */
static void id_make(const struct incidents *incidents, char out_id[INCIDENT_ID_BYTES])
{
    long long greatest = 0, number;
    for (size_t i = 0; i < incidents->count; i++)
        if (sscanf(incidents->items[i].id, "incident-%lld", &number) == 1 && number > greatest)
            greatest = number;
    snprintf(out_id, INCIDENT_ID_BYTES, "incident-%06lld", greatest + 1);
}

/* make_room: false when all are open. */
static bool make_room(struct incidents *incidents)
{
    if (incidents->count < INCIDENTS_MAX)
        return true;
    for (size_t i = 0; i < incidents->count; i++)
        if (incidents->items[i].closed_ms) {
            incidents->count--;
            memmove(&incidents->items[i], &incidents->items[i + 1],
                    (incidents->count - i) * sizeof *incidents->items);
            return true;
        }
    return false;
}

static enum status open_locked(const char *path, struct incident *incident, struct error *error)
{
    struct incidents incidents;
    enum status status = incidents_read(path, &incidents, error);
    if (status != STATUS_OK)
        return status;
    id_make(&incidents, incident->id);
    if (make_room(&incidents))
        *add(&incidents) = *incident;
    else
        status = error_set(error, STATUS_LIMIT, "%s: %d incidents are open; close some", path, INCIDENTS_MAX);
    if (status == STATUS_OK)
        status = incidents_write(path, &incidents, error);
    incidents_finish(&incidents);
    return status;
}

enum status incidents_open(const char *path, struct incident *incident, struct error *error)
{
    int lock = list_lock(path);
    enum status status = open_locked(path, incident, error);
    list_unlock(lock);
    return status;
}

static enum status change_locked(const char *path, const char *id, incident_change *change,
                                 const void *context, struct error *error)
{
    struct incidents incidents;
    enum status status = incidents_read(path, &incidents, error);
    if (status != STATUS_OK)
        return status;
    struct incident *incident = incident_find(&incidents, id);
    if (incident) {
        change(incident, context);
        status = incidents_write(path, &incidents, error);
    } else {
        status = error_set(error, STATUS_NOT_FOUND, "%s: there is no %s", path, id);
    }
    incidents_finish(&incidents);
    return status;
}

enum status incidents_change(const char *path, const char *id, incident_change *change, const void *context,
                             struct error *error)
{
    int lock = list_lock(path);
    enum status status = change_locked(path, id, change, context, error);
    list_unlock(lock);
    return status;
}

enum status incidents_change_all(const char *path, incident_change_some *change, const void *context,
                                 struct error *error)
{
    struct incidents incidents;
    bool any = false;
    int lock = list_lock(path);
    enum status status = incidents_read(path, &incidents, error);
    for (size_t i = 0; status == STATUS_OK && i < incidents.count; i++)
        any = change(&incidents.items[i], context) || any;
    if (status == STATUS_OK && any)
        status = incidents_write(path, &incidents, error);
    if (status == STATUS_OK)
        incidents_finish(&incidents);
    list_unlock(lock);
    return status;
}

static void close_one(struct incident *incident, const void *context)
{
    if (!incident->closed_ms)
        incident->closed_ms = *(const int64_t *)context;
}

enum status incidents_close(const char *path, const char *id, int64_t wall_ms, struct error *error)
{
    return incidents_change(path, id, close_one, &wall_ms, error);
}

static enum status resolve(struct incident *incident, const struct incident_resolution *resolution,
                           struct error *error)
{
    char at[TIME_TEXT_BYTES];
    if (incident->closed_ms) {
        time_iso_ms(incident->closed_ms, at);
        return error_set(error, STATUS_CONFLICT, "%s is closed since %s%s%s", incident->id, at,
                         *incident->closed_by ? ", by " : "", incident->closed_by);
    }
    incident->closed_ms = resolution->wall_ms;
    snprintf(incident->closed_by, sizeof incident->closed_by, "%.63s", resolution->who);
    snprintf(incident->closed_why, sizeof incident->closed_why, "%.511s", resolution->why);
    return STATUS_OK;
}

static enum status resolve_locked(const char *path, const char *id,
                                  const struct incident_resolution *resolution, struct incident *out_incident,
                                  struct error *error)
{
    struct incidents incidents;
    enum status status = incidents_read(path, &incidents, error);
    if (status != STATUS_OK)
        return status;
    struct incident *incident = incident_find(&incidents, id);
    status = incident ? resolve(incident, resolution, error)
                      : error_set(error, STATUS_NOT_FOUND, "there is no incident %.40s in %s", id, path);
    if (status == STATUS_OK)
        status = incidents_write(path, &incidents, error);
    if (status == STATUS_OK)
        *out_incident = *incident;
    incidents_finish(&incidents);
    return status;
}

enum status incidents_resolve(const char *path, const char *id, const struct incident_resolution *resolution,
                              struct incident *out_incident, struct error *error)
{
    int lock = list_lock(path);
    enum status status = resolve_locked(path, id, resolution, out_incident, error);
    list_unlock(lock);
    return status;
}
