/* scale: how many instances share the symbols of a service, while the run goes on. */
#include "base/json.h"
#include "base/text.h"
#include "config/plan.h"
#include "events.h"
#include "orchestrator/plan/module.h"
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* scalable_names: "harvest, features, signal". */
static void scalable_names(char *out_text, size_t size)
{
    size_t length = 0;
    *out_text = 0;
    for (size_t i = 0; i < MODULE_COUNT && length < size; i++)
        if (module_at(i)->scales)
            length += (size_t)snprintf(out_text + length, size - length, "%s%s", length ? ", " : "",
                                       module_at(i)->name);
}

/* module_take: which service is meant, each once. EXIT_FINE, or what the mistake is worth. */
static int module_take(const char *name, module_set *taken)
{
    char names[128];
    size_t module = module_index(name);
    if (module == MODULE_COUNT || !module_at(module)->scales) {
        scalable_names(names, sizeof names);
        return complain(module == MODULE_COUNT ? EXIT_REFUSED : EXIT_WRONG_USE,
                        "scale: '%s' has no instances to choose; these have: %s", name, names);
    }
    if (*taken & module_bit(module))
        return complain(EXIT_WRONG_USE, "scale: %s is named twice", name);
    *taken |= module_bit(module);
    return EXIT_FINE;
}

static int word_wrong(const char *word)
{
    return complain(EXIT_WRONG_USE, "scale: '%s': write SERVICE=N with N from 1 to %d, e.g. signal=3", word,
                    PLAN_INSTANCES_MAX);
}

/* take_word: "signal=3"; EXIT_FINE, or a sentence and what the mistake is worth. */
static int take_word(const char *word, module_set *taken, struct json *args)
{
    char name[PLAN_NAME_BYTES], *end;
    const char *equals = strchr(word, '=');
    if (!equals || equals == word || (size_t)(equals - word) >= sizeof name)
        return word_wrong(word);
    memcpy(name, word, (size_t)(equals - word));
    name[equals - word] = 0;
    int code = module_take(name, taken);
    if (code != EXIT_FINE)
        return code;
    errno = 0;
    long long count = strtoll(equals + 1, &end, 10);
    if (errno || end == equals + 1 || *end || count < 1 || count > PLAN_INSTANCES_MAX)
        return word_wrong(word);
    json_key_i64(args, name, count);
    return EXIT_FINE;
}

struct following {
    bool json;
    bool failed;
};

static bool is(yyjson_val *event, const char *name)
{
    return yyjson_equals_str(yyjson_obj_get(event, "event"), name);
}

static long long number(yyjson_val *event, const char *member)
{
    return (long long)yyjson_get_sint(yyjson_obj_get(event, member));
}

static void print_json(yyjson_val *value)
{
    char *text = yyjson_val_write(value, 0, NULL);
    puts(text ? text : "null");
    free(text);
}

static bool watch(void *context, yyjson_val *event)
{
    struct following *following = context;
    bool stopped = is(event, "ScaleStopped");
    following->failed = following->failed || stopped;
    if (following->json) {
        if (is(event, "Moved") || is(event, "Scaled") || stopped || is(event, "ScaleDone"))
            print_json(event);
    } else if (is(event, "Moved")) {
        printf("%s/%s: %s → %s in %lld ms\n", member_text(event, "service"), member_text(event, "symbol"),
               member_text(event, "from"), member_text(event, "name"), number(event, "pause_ms"));
    } else if (is(event, "Scaled") || stopped) {
        printf("%s has %lld %s now: %lld %s moved in %lld ms%s%s\n", member_text(event, "name"),
               number(event, "instances"), plural(number(event, "instances"), "instance", "instances"),
               number(event, "moved"), plural(number(event, "moved"), "symbol", "symbols"),
               number(event, "took_ms"), stopped ? "; no more, " : "",
               stopped ? member_text(event, "reason") : "");
    }
    fflush(stdout);
    return !is(event, "ScaleDone");
}

static int follow(const struct invocation *invocation, struct client *client, int64_t serial, int64_t wait_s)
{
    struct following following = {.json = invocation->json};
    struct error error = {{0}};
    if (events_follow(client, serial, wait_s * 1000, watch, &following, &error) == STATUS_OK)
        return following.failed ? EXIT_REFUSED : EXIT_FINE;
    return complain(EXIT_REFUSED, "scale: not done yet: %s", error.text);
}

/* print_begun: what was asked for is so already, or begins. */
static void print_begun(const struct invocation *invocation, yyjson_val *result, bool is_so)
{
    if (invocation->json)
        print_json(result);
    else if (is_so)
        for (size_t i = 0; i < invocation->word_count; i++) {
            const char *word = invocation->words[i], *equals = strchr(word, '=');
            long long instances = strtoll(equals + 1, NULL, 10);
            printf("%.*s already has %lld %s: nothing to do\n", (int)(equals - word), word, instances,
                   plural(instances, "instance", "instances"));
        }
    else
        puts("scaling has begun; `orchctl events` tells how it goes, --wait SECONDS waits for it");
}

int verb_scale(const struct invocation *invocation)
{
    struct client *client = NULL;
    struct error error = {{0}};
    struct buffer args;
    struct json json;
    yyjson_doc *reply = NULL;
    int64_t wait_s, serial = 0;
    module_set taken = 0;
    if (!invocation_number(invocation, "--wait", -1, &wait_s))
        return EXIT_WRONG_USE;
    buffer_init(&args, 0);
    json_init(&json, &args);
    json_object_begin(&json);
    int code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < invocation->word_count; i++)
        code = take_word(invocation->words[i], &taken, &json);
    if (code != EXIT_FINE) {
        buffer_finish(&args);
        return code;
    }
    json_object_end(&json);
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status == STATUS_OK && wait_s >= 0)
        status = events_serial(client, &serial, &error);
    if (status == STATUS_OK)
        status = client_ask(client, "scale", buffer_text(&args), &reply, &error);
    buffer_finish(&args);
    code = status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "%s", error.text);
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    bool is_so = yyjson_equals_str(yyjson_obj_get(result, "note"), "nothing to do");
    if (code == EXIT_FINE && wait_s >= 0 && !is_so)
        code = follow(invocation, client, serial, wait_s);
    else if (code == EXIT_FINE)
        print_begun(invocation, result, is_so);
    yyjson_doc_free(reply);
    client_close(client);
    return code;
}
