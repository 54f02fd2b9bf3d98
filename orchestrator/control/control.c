#include "control.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* request: a parsed one; texts are borrowed from its document. */
struct request {
    char id[CONTROL_ID_BYTES]; /* "" until it is known */
    const struct control_verb *verb;
    struct control_values values;
};

void control_init(struct control *control)
{
    *control = (struct control){0};
}

static void kept_drop(struct control *control, struct control_kept *kept)
{
    control->kept_bytes -= kept->bytes;
    free(kept->answer);
    *kept = (struct control_kept){0};
}

void control_finish(struct control *control)
{
    for (size_t i = 0; i < CONTROL_ANSWERS_KEPT; i++)
        kept_drop(control, &control->kept[i]);
}

/* depth_of: nesting of brackets outside strings; never more than the bytes say, so deep texts are refused
 * before a parser sees them. */
static int depth_of(const char *text, size_t bytes)
{
    int depth = 0, deepest = 0;
    bool quoted = false;
    for (size_t i = 0; i < bytes; i++) {
        char at = text[i];
        if (quoted && at == '\\')
            i++;
        else if (at == '"')
            quoted = !quoted;
        else if (!quoted && (at == '{' || at == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!quoted && (at == '}' || at == ']'))
            depth--;
    }
    return deepest;
}

static enum status check_members(yyjson_val *object, const char *const *names, size_t count,
                                 const char *where, struct error *error)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    yyjson_val *key;
    unsigned seen = 0;
    while ((key = yyjson_obj_iter_next(&iter))) {
        size_t i = 0;
        while (i < count && !yyjson_equals_str(key, names[i]))
            i++;
        if (i == count)
            return error_set(error, STATUS_INVALID, "%s: unknown member '%.60s'", where, yyjson_get_str(key));
        if (seen & (1u << i))
            return error_set(error, STATUS_INVALID, "%s: member '%s' comes twice", where, names[i]);
        seen |= 1u << i;
    }
    return STATUS_OK;
}

static bool id_good(const char *id)
{
    size_t length = id ? strlen(id) : 0;
    if (length == 0 || length >= CONTROL_ID_BYTES)
        return false;
    for (; *id; id++)
        if (*id < 0x21 || *id > 0x7e)
            return false;
    return true;
}

static const struct control_verb *verb_find(const struct control_verb *verbs, const char *name)
{
    for (; verbs->name; verbs++)
        if (strcmp(verbs->name, name) == 0)
            return verbs;
    return NULL;
}

static size_t argument_count(const struct control_verb *verb)
{
    size_t count = 0;
    while (count < CONTROL_ARGUMENTS_MAX && verb->arguments[count].name)
        count++;
    return count;
}

static enum status read_argument(const struct control_argument *argument, yyjson_val *value, size_t index,
                                 struct control_values *values, struct error *error)
{
    if (argument->type == CONTROL_TEXT && yyjson_is_str(value) &&
        !memchr(yyjson_get_str(value), 0, yyjson_get_len(value))) {
        values->texts[index] = yyjson_get_str(value);
    } else if (argument->type == CONTROL_INTEGER && yyjson_is_int(value) &&
               (!yyjson_is_uint(value) || yyjson_get_uint(value) <= INT64_MAX)) {
        values->integers[index] = yyjson_get_sint(value);
    } else if (argument->type == CONTROL_NUMBER && yyjson_is_num(value)) {
        values->numbers[index] = yyjson_get_num(value);
    } else {
        return error_set(error, STATUS_INVALID, "args: '%s' must be %s", argument->name,
                         argument->type == CONTROL_TEXT     ? "a text"
                         : argument->type == CONTROL_NUMBER ? "a number"
                                                            : "an integer");
    }
    values->given[index] = true;
    return STATUS_OK;
}

static enum status read_arguments(struct request *request, yyjson_val *arguments, struct error *error)
{
    const struct control_verb *verb = request->verb;
    size_t count = argument_count(verb);
    const char *names[CONTROL_ARGUMENTS_MAX] = {NULL};
    for (size_t i = 0; i < count; i++)
        names[i] = verb->arguments[i].name;
    enum status status = check_members(arguments, names, count, "args", error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        yyjson_val *value = yyjson_obj_get(arguments, names[i]);
        if (value)
            status = read_argument(&verb->arguments[i], value, i, &request->values, error);
        else if (verb->arguments[i].required)
            status = error_set(error, STATUS_INVALID, "args: %s needs '%s'", verb->name, names[i]);
    }
    return status;
}

static enum status read_request(struct request *request, const struct control_verb *verbs, yyjson_val *root,
                                struct error *error)
{
    static const char *const MEMBERS[] = {"id", "verb", "args"};
    if (!yyjson_is_obj(root))
        return error_set(error, STATUS_MALFORMED, "the request is not a JSON object");
    const char *id = yyjson_get_str(yyjson_obj_get(root, "id"));
    if (!id_good(id))
        return error_set(error, STATUS_INVALID,
                         "id: must be a text of 1 to 64 printable characters without blanks");
    snprintf(request->id, sizeof request->id, "%s", id);
    enum status status = check_members(root, MEMBERS, 3, "request", error);
    if (status != STATUS_OK)
        return status;
    const char *name = yyjson_get_str(yyjson_obj_get(root, "verb"));
    yyjson_val *arguments = yyjson_obj_get(root, "args");
    if (!name)
        return error_set(error, STATUS_INVALID, "verb: must be a text");
    if (!yyjson_is_obj(arguments))
        return error_set(error, STATUS_INVALID, "args: must be an object");
    request->verb = verb_find(verbs, name);
    if (!request->verb)
        return error_set(error, STATUS_UNSUPPORTED, "there is no verb '%.60s'", name);
    return read_arguments(request, arguments, error);
}

static void answer_write(const struct request *request, const struct buffer *result,
                         const struct error *error, struct buffer *out_answer)
{
    struct json json;
    buffer_clear(out_answer);
    json_init(&json, out_answer);
    json_object_begin(&json);
    json_key_text(&json, "id", *request->id ? request->id : NULL);
    json_key_bool(&json, "ok", !error);
    json_key_text(&json, "error", error ? error->text : NULL);
    json_key(&json, "result");
    if (!error && result->length)
        json_raw(&json, (const char *)result->data, result->length);
    else
        json_null(&json);
    json_object_end(&json);
}

/* kept_find: a fresh answer under this id, NULL when there is none. */
static struct control_kept *kept_find(struct control *control, const char *id, int64_t now_ms)
{
    for (size_t i = 0; i < CONTROL_ANSWERS_KEPT; i++)
        if (control->kept[i].answer && strcmp(control->kept[i].id, id) == 0 &&
            now_ms - control->kept[i].at_ms <= CONTROL_KEEP_MS)
            return &control->kept[i];
    return NULL;
}

static void kept_add(struct control *control, const char *id, const uint8_t digest[32], struct buffer *answer,
                     int64_t now_ms)
{
    if (answer->length > CONTROL_ANSWER_BYTES_KEPT)
        return;
    for (size_t i = 0;
         i < CONTROL_ANSWERS_KEPT && control->kept_bytes + answer->length > CONTROL_ANSWER_BYTES_KEPT; i++)
        kept_drop(control, &control->kept[(control->next + i) % CONTROL_ANSWERS_KEPT]);
    struct control_kept *kept = &control->kept[control->next];
    control->next = (control->next + 1) % CONTROL_ANSWERS_KEPT;
    kept_drop(control, kept);
    snprintf(kept->id, sizeof kept->id, "%s", id);
    memcpy(kept->digest, digest, sizeof kept->digest);
    kept->answer = memory_copy_text(buffer_text(answer));
    kept->bytes = answer->length;
    kept->at_ms = now_ms;
    control->kept_bytes += kept->bytes;
}

/* answer_again: true when this id was answered before. */
static bool answer_again(struct control *control, const struct request *request, const uint8_t digest[32],
                         int64_t now_ms, struct buffer *out_answer)
{
    struct control_kept *kept = kept_find(control, request->id, now_ms);
    if (!kept)
        return false;
    struct error error;
    control->repeated++;
    if (memcmp(kept->digest, digest, sizeof kept->digest) == 0) {
        buffer_clear(out_answer);
        buffer_append(out_answer, kept->answer, kept->bytes);
        return true;
    }
    (void)error_set(&error, STATUS_CONFLICT,
                    "id '%s' was used for another request less than five minutes ago", request->id);
    answer_write(request, NULL, &error, out_answer);
    return true;
}

static enum status perform(const struct request *request, void *context, struct buffer *result,
                           struct error *error)
{
    struct json json;
    json_init(&json, result);
    return request->verb->perform(context, &request->values, &json, error);
}

const struct control_verb *control_handle(struct control *control, const struct control_verb *verbs,
                                          void *context, const void *request_text, size_t bytes,
                                          int64_t now_ms, struct buffer *out_answer)
{
    struct request request = {0};
    struct error error = {{0}};
    struct buffer result;
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, request_text, bytes);
    sha256_finish(&hash, digest);
    buffer_init(&result, 0);
    control->requests++;
    yyjson_doc *document = NULL;
    enum status status = STATUS_OK;
    if (bytes > CONTROL_REQUEST_BYTES_MAX)
        status = error_set(&error, STATUS_LIMIT, "a request may have %d bytes", CONTROL_REQUEST_BYTES_MAX);
    else if (depth_of(request_text, bytes) > CONTROL_DEPTH_MAX)
        status = error_set(&error, STATUS_LIMIT, "a request may be nested %d deep", CONTROL_DEPTH_MAX);
    else if (!(document = yyjson_read(request_text, bytes, 0)))
        status = error_set(&error, STATUS_MALFORMED, "the request is not JSON");
    if (status == STATUS_OK)
        status = read_request(&request, verbs, yyjson_doc_get_root(document), &error);
    control->malformed += status != STATUS_OK;
    bool again = *request.id && answer_again(control, &request, digest, now_ms, out_answer);
    bool performs = !again && status == STATUS_OK;
    if (!again) {
        if (performs)
            status = perform(&request, context, &result, &error);
        answer_write(&request, &result, status == STATUS_OK ? NULL : &error, out_answer);
        if (*request.id)
            kept_add(control, request.id, digest, out_answer, now_ms);
    }
    buffer_finish(&result);
    yyjson_doc_free(document);
    return performs ? request.verb : NULL;
}
