#include "engine_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define LABEL_PROJECT  "com.docker.compose.project"
#define LABEL_SERVICE  "com.docker.compose.service"
#define LABEL_NUMBER   "com.docker.compose.container-number"
#define LABEL_STACK    "com.docker.stack.namespace"
#define LABEL_INSTANCE "orderflow.instance"

static yyjson_doc *open_text(struct buffer *text)
{
    return text->length ? yyjson_read((const char *)text->data, text->length, YYJSON_READ_NOFLAG) : NULL;
}

static bool text_copy(yyjson_val *value, char *out_text, size_t size)
{
    if (!yyjson_is_str(value) || yyjson_get_len(value) >= size)
        return false;
    memcpy(out_text, yyjson_get_str(value), yyjson_get_len(value) + 1);
    return true;
}

static bool instance_of(yyjson_val *labels, char out_instance[INSTANCE_BYTES])
{
    return text_copy(yyjson_obj_get(labels, LABEL_INSTANCE), out_instance, INSTANCE_BYTES) ||
           text_copy(yyjson_obj_get(labels, LABEL_SERVICE), out_instance, INSTANCE_BYTES);
}

/* label_of: of an inspected container. It becomes part of a URL; compose and swarm allow no more than `letters` either. */
static bool label_of(struct buffer *inspected, const char *label, const char *letters, char *out_text,
                     size_t size)
{
    yyjson_doc *document = open_text(inspected);
    yyjson_val *labels = yyjson_ptr_get(yyjson_doc_get_root(document), "/Config/Labels");
    bool good = text_copy(yyjson_obj_get(labels, label), out_text, size);
    yyjson_doc_free(document);
    return good && strspn(out_text, letters) == strlen(out_text);
}

bool engine_text_project(struct buffer *inspected, char *out_project, size_t size)
{
    return label_of(inspected, LABEL_PROJECT, "abcdefghijklmnopqrstuvwxyz0123456789_-", out_project, size);
}

bool engine_text_stack(struct buffer *inspected, char *out_stack, size_t size)
{
    return label_of(inspected, LABEL_STACK,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", out_stack, size);
}

void engine_text_host(const char *instance, char out_host[INSTANCE_BYTES])
{
    snprintf(out_host, INSTANCE_BYTES, "%s", instance);
    for (char *at = out_host; *at; at++)
        *at = *at == '.' ? '-' : *at;
}

bool engine_text_event(const char *line, struct engine_news *out_news)
{
    struct engine_news news = {.exit_code = -1};
    yyjson_doc *document = yyjson_read(line, strlen(line), YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(document), *actor = yyjson_obj_get(root, "Actor");
    yyjson_val *attributes = yyjson_obj_get(actor, "Attributes"), *action = yyjson_obj_get(root, "Action");
    bool started = yyjson_equals_str(action, "start"), died = yyjson_equals_str(action, "die");
    const char *code = yyjson_get_str(yyjson_obj_get(attributes, "exitCode"));
    bool good = (started || died) &&
                text_copy(yyjson_obj_get(actor, "ID"), news.container.id, sizeof news.container.id) &&
                instance_of(attributes, news.container.instance);
    news.kind = started ? ENGINE_STARTED : ENGINE_DIED;
    news.container.running = started;
    if (died && code)
        news.exit_code = atoi(code);
    yyjson_doc_free(document);
    if (good)
        *out_news = news;
    return good;
}

bool engine_text_list(struct buffer *list, engine_visit *visit, void *context)
{
    yyjson_doc *document = open_text(list);
    yyjson_val *root = yyjson_doc_get_root(document), *one;
    bool good = yyjson_is_arr(root);
    yyjson_arr_iter iter = yyjson_arr_iter_with(root);
    while ((one = yyjson_arr_iter_next(&iter))) {
        struct engine_container container = {0};
        yyjson_val *state = yyjson_obj_get(one, "State");
        container.running = yyjson_equals_str(state, "running") || yyjson_equals_str(state, "paused");
        if (text_copy(yyjson_obj_get(one, "Id"), container.id, sizeof container.id) &&
            instance_of(yyjson_obj_get(one, "Labels"), container.instance))
            visit(context, &container);
    }
    yyjson_doc_free(document);
    return good;
}

int engine_text_exit_code(struct buffer *inspected)
{
    yyjson_doc *document = open_text(inspected);
    yyjson_val *state = yyjson_obj_get(yyjson_doc_get_root(document), "State");
    yyjson_val *code = yyjson_obj_get(state, "ExitCode");
    bool known = yyjson_is_int(code) && !yyjson_is_true(yyjson_obj_get(state, "Running"));
    int result = known ? (int)yyjson_get_int(code) : -1;
    yyjson_doc_free(document);
    return result;
}

/* last_word: replaces the end of a command line, which is the instance's name. */
static bool last_word(yyjson_mut_doc *document, yyjson_mut_val *words, const char *instance)
{
    size_t count = yyjson_mut_arr_size(words);
    return count > 0 &&
           yyjson_mut_arr_replace(words, count - 1, yyjson_mut_strcpy(document, instance)) != NULL;
}

static void set_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *text)
{
    yyjson_mut_obj_remove_key(object, key);
    yyjson_mut_obj_add_strcpy(document, object, key, text);
}

/* alias_of: a list of one name. */
static yyjson_mut_val *alias_of(yyjson_mut_doc *document, const char *instance)
{
    char host[INSTANCE_BYTES];
    yyjson_mut_val *aliases = yyjson_mut_arr(document);
    engine_text_host(instance, host);
    yyjson_mut_arr_add_strcpy(document, aliases, host);
    return aliases;
}

/* networks_add: the model's networks, in which the new one is called as the instance is. */
static void networks_add(yyjson_mut_doc *document, yyjson_mut_val *config, yyjson_val *networks,
                         const char *instance)
{
    yyjson_obj_iter iter =
        yyjson_obj_iter_with(networks); /* of none: nothing; a foreach would reckon with NULL */
    yyjson_val *name;
    yyjson_mut_val *endpoints = yyjson_mut_obj(document), *networking = yyjson_mut_obj(document);
    while ((name = yyjson_obj_iter_next(&iter))) {
        yyjson_mut_val *endpoint = yyjson_mut_obj(document);
        yyjson_mut_obj_add_val(document, endpoint, "Aliases", alias_of(document, instance));
        yyjson_mut_obj_add(endpoints, yyjson_mut_strcpy(document, yyjson_get_str(name)), endpoint);
    }
    yyjson_mut_obj_add_val(document, networking, "EndpointsConfig", endpoints);
    yyjson_mut_obj_add_val(document, config, "NetworkingConfig", networking);
}

static bool request_write(yyjson_mut_doc *document, yyjson_mut_val *root, struct buffer *out_request)
{
    size_t bytes = 0;
    yyjson_mut_doc_set_root(document, root);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_NOFLAG, &bytes);
    buffer_append(out_request, text, bytes);
    free(text);
    return bytes > 0;
}

bool engine_text_like(struct buffer *inspected, const char *instance, struct buffer *out_request)
{
    yyjson_doc *document = open_text(inspected);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *config = yyjson_val_mut_copy(made, yyjson_obj_get(root, "Config"));
    yyjson_mut_val *host = yyjson_val_mut_copy(made, yyjson_obj_get(root, "HostConfig"));
    yyjson_mut_val *labels = yyjson_mut_obj_get(config, "Labels");
    const char *number = strrchr(instance, '.');
    bool good = config && host && labels && last_word(made, yyjson_mut_obj_get(config, "Cmd"), instance);
    if (good) {
        yyjson_mut_obj_remove_key(config, "Hostname"); /* the model's own */
        set_text(made, labels, LABEL_INSTANCE, instance);
        set_text(made, labels, LABEL_NUMBER, number ? number + 1 : "1");
        yyjson_mut_obj_add_val(made, config, "HostConfig", host);
        networks_add(made, config, yyjson_ptr_get(root, "/NetworkSettings/Networks"), instance);
        good = request_write(made, config, out_request);
    }
    yyjson_mut_doc_free(made);
    yyjson_doc_free(document);
    return good;
}

/* service_rename: name, label, command and names in the networks become the instance's; all else stays as it is. */
static bool service_rename(yyjson_mut_doc *document, yyjson_mut_val *spec, const char *stack,
                           const char *instance)
{
    size_t index, count;
    char name[STACK_BYTES + INSTANCE_BYTES], host[INSTANCE_BYTES];
    yyjson_mut_val *network, *labels = yyjson_mut_obj_get(spec, "Labels"),
                             *task = yyjson_mut_obj_get(spec, "TaskTemplate"),
                             *networks = yyjson_mut_obj_get(task, "Networks");
    yyjson_mut_val *container = yyjson_mut_obj_get(task, "ContainerSpec");
    if (!labels || !networks || !last_word(document, yyjson_mut_obj_get(container, "Args"), instance))
        return false;
    engine_text_host(instance, host);
    snprintf(name, sizeof name, "%s_%s", stack, host);
    set_text(document, spec, "Name", name);
    set_text(document, labels, LABEL_INSTANCE, instance);
    yyjson_mut_arr_foreach(networks, index, count, network)
    {
        yyjson_mut_obj_remove_key(network, "Aliases");
        yyjson_mut_obj_add_val(document, network, "Aliases", alias_of(document, instance));
    }
    return true;
}

bool engine_text_service_like(struct buffer *inspected, const char *stack, const char *instance,
                              struct buffer *out_request)
{
    yyjson_doc *document = open_text(inspected);
    yyjson_mut_doc *made = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *spec = yyjson_val_mut_copy(made, yyjson_obj_get(yyjson_doc_get_root(document), "Spec"));
    bool good = spec && service_rename(made, spec, stack, instance) && request_write(made, spec, out_request);
    yyjson_mut_doc_free(made);
    yyjson_doc_free(document);
    return good;
}

bool engine_text_id(struct buffer *created, char out_id[CONTAINER_ID_BYTES])
{
    yyjson_doc *document = open_text(created);
    bool good = text_copy(yyjson_obj_get(yyjson_doc_get_root(document), "Id"), out_id, CONTAINER_ID_BYTES);
    yyjson_doc_free(document);
    return good;
}
