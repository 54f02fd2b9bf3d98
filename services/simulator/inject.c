#include "inject.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum fault_action {
    FAULT_RAW,
    FAULT_TRUNCATE,
    FAULT_CLOSE,
    FAULT_DROP,
    FAULT_DUPLICATE,
    FAULT_SWAP,
    FAULT_REST,
};

struct fault {
    enum fault_action action;
    int64_t after;
    int64_t count;                               /* messages to drop or repeat; REST answers to give */
    char stream[NAME_BYTES], symbol[NAME_BYTES]; /* empty: any */
    char *text;                                  /* raw message, REST body, close reason */
    size_t text_bytes;
    unsigned code; /* close code, HTTP status */
    int64_t retry_after_s;
    char endpoint[NAME_BYTES];
    int64_t seen;
    bool applied;
    struct tape_entry held; /* swap: the message that waits for the next one */
};

struct inject {
    struct fault *faults;
    size_t count, capacity;
};

/* ---- the file ---- */

static const char *copy_name(yyjson_val *object, const char *key, char out_name[NAME_BYTES])
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value)
        return NULL;
    if (!yyjson_is_str(value) || yyjson_get_len(value) >= NAME_BYTES)
        return "must be a short text";
    memcpy(out_name, yyjson_get_str(value), yyjson_get_len(value));
    return NULL;
}

static const char *copy_integer(yyjson_val *object, const char *key, int64_t least, int64_t *out_integer)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value)
        return NULL;
    if (!yyjson_is_int(value) || yyjson_get_sint(value) < least || yyjson_get_sint(value) > INT32_MAX)
        return "must be a whole number in range";
    *out_integer = yyjson_get_sint(value);
    return NULL;
}

static const char *copy_text(yyjson_val *object, const char *key, struct fault *fault)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value)
        return NULL;
    if (!yyjson_is_str(value))
        return "must be a text";
    free(fault->text);
    fault->text_bytes = yyjson_get_len(value);
    fault->text = memory_allocate(fault->text_bytes + 1);
    memcpy(fault->text, yyjson_get_str(value), fault->text_bytes);
    return NULL;
}

/* read_amount: `"drop": n` both names the action and says how many. */
static const char *read_amount(yyjson_val *object, const char *key, struct fault *fault)
{
    fault->count = 1;
    return copy_integer(object, key, 1, &fault->count);
}

static const char *read_raw(yyjson_val *object, const char *key, struct fault *fault)
{
    return copy_text(object, key, fault);
}

static const char *read_switch(yyjson_val *object, const char *key, struct fault *fault)
{
    (void)fault;
    return yyjson_is_true(yyjson_obj_get(object, key)) ? NULL : "must be true";
}

static const char *read_close(yyjson_val *object, const char *key, struct fault *fault)
{
    int64_t code = 1000;
    const char *wrong = copy_integer(object, key, 1000, &code);
    fault->code = (unsigned)code;
    if (!wrong && code > 4999)
        wrong = "must be a close code, 1000 to 4999";
    return wrong ? wrong : copy_text(object, "reason", fault);
}

static const char *read_rest(yyjson_val *object, const char *key, struct fault *fault)
{
    int64_t status = 200;
    const char *wrong = copy_name(object, key, fault->endpoint);
    wrong = wrong ? wrong : copy_integer(object, "status", 200, &status);
    wrong = wrong ? wrong : copy_integer(object, "times", 1, &fault->count);
    wrong = wrong ? wrong : copy_integer(object, "retry_after_s", 0, &fault->retry_after_s);
    fault->code = (unsigned)status;
    if (!wrong && status > 599)
        wrong = "status must be below 600";
    return wrong ? wrong : copy_text(object, "body", fault);
}

static const struct action_key {
    const char *key;
    enum fault_action action;
    const char *(*read)(yyjson_val *object, const char *key, struct fault *fault);
} ACTION_KEYS[] = {
    {"raw", FAULT_RAW, read_raw},
    {"truncate", FAULT_TRUNCATE, read_switch},
    {"close", FAULT_CLOSE, read_close},
    {"drop", FAULT_DROP, read_amount},
    {"duplicate", FAULT_DUPLICATE, read_amount},
    {"swap", FAULT_SWAP, read_switch},
    {"rest", FAULT_REST, read_rest},
};

static const char *const OTHER_KEYS[] = {"after",  "stream", "symbol", "reason",
                                         "status", "times",  "body",   "retry_after_s"};

static bool key_is_known(const char *key)
{
    for (size_t i = 0; i < sizeof ACTION_KEYS / sizeof *ACTION_KEYS; i++)
        if (strcmp(key, ACTION_KEYS[i].key) == 0)
            return true;
    for (size_t i = 0; i < sizeof OTHER_KEYS / sizeof *OTHER_KEYS; i++)
        if (strcmp(key, OTHER_KEYS[i]) == 0)
            return true;
    return false;
}

/* read_fault: what is wrong, or NULL; *out_key is the key it is about. */
static const char *read_fault(yyjson_val *object, struct fault *fault, const char **out_key)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        *out_key = yyjson_get_str(key);
        if (!key_is_known(*out_key))
            return "is not a key of a fault";
    }
    const struct action_key *action = NULL;
    for (size_t i = 0; i < sizeof ACTION_KEYS / sizeof *ACTION_KEYS; i++) {
        if (!yyjson_obj_get(object, ACTION_KEYS[i].key))
            continue;
        *out_key = ACTION_KEYS[i].key;
        if (action)
            return "is a second action: one line does one thing";
        action = &ACTION_KEYS[i];
    }
    *out_key = "action";
    if (!action)
        return "is missing: one of raw, truncate, close, drop, duplicate, swap, rest";
    const char *wrong = copy_integer(object, *out_key = "after", 0, &fault->after);
    wrong = wrong ? wrong : copy_name(object, *out_key = "stream", fault->stream);
    wrong = wrong ? wrong : copy_name(object, *out_key = "symbol", fault->symbol);
    fault->action = action->action;
    return wrong ? wrong : action->read(object, *out_key = action->key, fault);
}

static enum status add_line(struct inject *inject, const char *path, size_t number, const char *line,
                            size_t bytes, struct error *error)
{
    yyjson_read_err problem;
    yyjson_doc *document = yyjson_read_opts((char *)line, bytes, 0, NULL, &problem);
    yyjson_val *object = yyjson_doc_get_root(document);
    if (!yyjson_is_obj(object)) {
        yyjson_doc_free(document);
        return error_set(error, STATUS_INVALID, "%s:%zu: not a JSON object", path, number);
    }
    struct fault fault = {.count = 1};
    const char *key = "";
    const char *wrong = read_fault(object, &fault, &key);
    enum status status = STATUS_OK;
    if (inject->count == INJECT_FAULTS_MAX)
        status =
            error_set(error, STATUS_LIMIT, "%s:%zu: more than %d faults", path, number, INJECT_FAULTS_MAX);
    else if (wrong)
        status = error_set(error, STATUS_INVALID, "%s:%zu: %s: %s", path, number, key, wrong);
    yyjson_doc_free(document);
    if (status != STATUS_OK) {
        free(fault.text);
        return status;
    }
    inject->faults = memory_grow(inject->faults, &inject->capacity, inject->count + 1, sizeof fault);
    inject->faults[inject->count++] = fault;
    return STATUS_OK;
}

static enum status add_lines(struct inject *inject, const char *path, const struct buffer *file,
                             struct error *error)
{
    const char *at = (const char *)file->data, *end = at + file->length;
    enum status status = STATUS_OK;
    for (size_t number = 1; at < end && status == STATUS_OK; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)((newline ? newline : end) - at);
        if (strspn(at, " \t\r") < bytes && *at != '#')
            status = add_line(inject, path, number, at, bytes, error);
        at += bytes + 1;
    }
    return status;
}

enum status inject_load(const char *path, struct inject **out_inject, struct error *error)
{
    struct buffer file;
    buffer_init(&file, 64 << 20);
    if (file_read(path, &file) != STATUS_OK) {
        buffer_finish(&file);
        return error_set(error, STATUS_INVALID, "%s: cannot be read, or is longer than 64 MiB", path);
    }
    buffer_text(&file); /* a NUL behind the end */
    struct inject *inject = memory_allocate(sizeof *inject);
    enum status status = file.length ? add_lines(inject, path, &file, error) : STATUS_OK;
    buffer_finish(&file);
    if (status != STATUS_OK) {
        inject_destroy(inject);
        return status;
    }
    *out_inject = inject;
    return STATUS_OK;
}

void inject_destroy(struct inject *inject)
{
    if (!inject)
        return;
    for (size_t i = 0; i < inject->count; i++)
        free(inject->faults[i].text);
    free(inject->faults);
    free(inject);
}

/* ---- messages ---- */

static bool concerns(const struct fault *fault, const struct catalogue *catalogue,
                     const struct tape_entry *entry)
{
    if (fault->action == FAULT_REST || entry->kind != TAPE_MESSAGE)
        return false;
    if (*fault->stream)
        return strcmp(catalogue->streams[entry->stream].name, fault->stream) == 0;
    if (*fault->symbol)
        return entry->symbol != SYMBOL_NONE &&
               strcmp(catalogue->symbols[entry->symbol].name, fault->symbol) == 0;
    return true;
}

/* added: an entry that did not happen at the venue, for whom the fault concerns. */
static struct tape_entry added(const struct fault *fault, const struct catalogue *catalogue, int64_t recv_ns,
                               enum tape_kind kind)
{
    struct tape_entry entry = {.recv_ns = recv_ns,
                               .text = fault->text ? fault->text : "",
                               .bytes = (uint32_t)fault->text_bytes,
                               .stream = STREAM_NONE,
                               .symbol = SYMBOL_NONE,
                               .kind = (uint8_t)kind,
                               .flags = TAPE_EXTRA | TAPE_RAW,
                               .close_code = (uint16_t)fault->code};
    if (*fault->stream)
        entry.stream = catalogue_stream(catalogue, fault->stream);
    else if (*fault->symbol)
        entry.symbol = catalogue_symbol(catalogue, fault->symbol);
    return entry;
}

static struct tape_entry copy_of(const struct tape_entry *entry, int64_t recv_ns, enum tape_kind kind)
{
    struct tape_entry copy = *entry;
    copy.recv_ns = recv_ns;
    copy.kind = (uint8_t)kind;
    copy.flags = TAPE_EXTRA;
    return copy;
}

/* before: what the fault does ahead of the entry; may mark the entry as not delivered. */
static void before(struct fault *fault, const struct catalogue *catalogue, struct tape_entry *entry,
                   inject_emit *emit, void *context)
{
    int64_t beyond = ++fault->seen - fault->after; /* 1: the first message behind `after` */
    if (beyond < 1)
        return;
    if (beyond == 1 && (fault->action == FAULT_RAW || fault->action == FAULT_CLOSE)) {
        struct tape_entry extra =
            added(fault, catalogue, entry->recv_ns, fault->action == FAULT_RAW ? TAPE_MESSAGE : TAPE_CLOSE);
        emit(context, &extra);
    } else if (beyond == 1 && fault->action == FAULT_TRUNCATE) {
        struct tape_entry cut = copy_of(entry, entry->recv_ns, TAPE_CUT);
        entry->flags |= TAPE_UNSENT;
        emit(context, &cut);
    } else if (beyond == 1 && fault->action == FAULT_SWAP) {
        fault->held = *entry;
        fault->text = memory_copy(entry->text, entry->bytes); /* the tape may have forgotten it by then */
        fault->held.text = fault->text;
        entry->flags |= TAPE_UNSENT;
    } else if (beyond <= fault->count && fault->action == FAULT_DROP) {
        entry->flags |= TAPE_UNSENT;
    }
    fault->applied = true;
}

/* after: what follows the entry. */
static void after(struct fault *fault, const struct tape_entry *entry, inject_emit *emit, void *context)
{
    int64_t beyond = fault->seen - fault->after;
    bool repeats = fault->action == FAULT_DUPLICATE && beyond >= 1 && beyond <= fault->count;
    bool releases = fault->action == FAULT_SWAP && beyond == 2;
    if (!repeats && !releases)
        return;
    struct tape_entry extra = copy_of(repeats ? entry : &fault->held, entry->recv_ns, TAPE_MESSAGE);
    emit(context, &extra);
}

void inject_pass(struct inject *inject, const struct catalogue *catalogue, const struct tape_entry *entry,
                 inject_emit *emit, void *context)
{
    struct tape_entry passing = *entry;
    for (size_t i = 0; i < inject->count; i++)
        if (concerns(&inject->faults[i], catalogue, entry))
            before(&inject->faults[i], catalogue, &passing, emit, context);
    emit(context, &passing);
    for (size_t i = 0; i < inject->count; i++)
        if (concerns(&inject->faults[i], catalogue, entry))
            after(&inject->faults[i], &passing, emit, context);
}

/* ---- REST ---- */

bool inject_rest(struct inject *inject, const char *endpoint, const char *symbol,
                 struct rest_fault *out_fault)
{
    for (size_t i = 0; i < inject->count; i++) {
        struct fault *fault = &inject->faults[i];
        if (fault->action != FAULT_REST || strcmp(fault->endpoint, endpoint) != 0 ||
            (*fault->symbol && strcmp(fault->symbol, symbol) != 0) ||
            fault->seen - fault->after >= fault->count)
            continue;
        if (fault->seen++ < fault->after)
            continue;
        fault->applied = true;
        *out_fault = (struct rest_fault){fault->code, fault->text ? fault->text : "", fault->text_bytes,
                                         fault->retry_after_s};
        return true;
    }
    return false;
}

size_t inject_count(const struct inject *inject)
{
    return inject->count;
}

size_t inject_applied(const struct inject *inject)
{
    size_t applied = 0;
    for (size_t i = 0; i < inject->count; i++)
        applied += inject->faults[i].applied;
    return applied;
}
