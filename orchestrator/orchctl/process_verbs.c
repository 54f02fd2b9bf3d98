/* What can be done to one process, and to the run. With --wait a verb returns when it has come true. */
#include "events.h"
#include "orchestrator/supervision/signal_name.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* waiting: for which event of which process. */
struct waiting {
    const char *name;
    const char *verb;
    int64_t generation; /* before the verb */
    int64_t fault;      /* of kill: its own, not one that was not over yet */
    char text[256];     /* what to say about it */
    bool failed;
};

static bool is(yyjson_val *event, const char *member, const char *text)
{
    return yyjson_equals_str(yyjson_obj_get(event, member), text);
}

/* came_true: a process that is wanted has caught up, one that is not has stopped, a killed one has
 * recovered. */
static bool came_true(const struct waiting *waiting, yyjson_val *event)
{
    if (strcmp(waiting->verb, "kill") == 0)
        return is(event, "event", "fault_recovered") &&
               yyjson_get_sint(yyjson_obj_get(event, "fault")) == waiting->fault;
    if (strcmp(waiting->verb, "stop") == 0 || strcmp(waiting->verb, "drain") == 0)
        return is(event, "event", "state") && is(event, "state", "stopped");
    bool newer = yyjson_get_sint(yyjson_obj_get(event, "generation")) > waiting->generation;
    return is(event, "event", "Ready") && newer;
}

static bool watch(void *context, yyjson_val *event)
{
    struct waiting *waiting = context;
    if (!is(event, "name", waiting->name))
        return true;
    if (is(event, "event", "Degraded")) {
        snprintf(waiting->text, sizeof waiting->text, "%s gave up", waiting->name);
        waiting->failed = true;
        return false;
    }
    if (!came_true(waiting, event))
        return true;
    yyjson_val *recovery = yyjson_obj_get(event, "recovery_ms"), *ready = yyjson_obj_get(event, "ready_ms");
    if (recovery)
        snprintf(waiting->text, sizeof waiting->text, "%s caught up after %lld ms", waiting->name,
                 (long long)yyjson_get_sint(recovery));
    else if (ready)
        snprintf(waiting->text, sizeof waiting->text, "%s ready in %lld ms", waiting->name,
                 (long long)yyjson_get_sint(ready));
    else
        snprintf(waiting->text, sizeof waiting->text, "%s stopped", waiting->name);
    return false;
}

/* wait_for: until it has come true for one process, which a verb's result tells of. */
static int wait_for(const struct invocation *invocation, struct client *client, int64_t serial,
                    yyjson_val *result, int64_t wait_s)
{
    int64_t generation = yyjson_get_sint(yyjson_obj_get(result, "generation"));
    bool idle = yyjson_equals_str(yyjson_obj_get(result, "note"), "nothing to do");
    bool begun = yyjson_equals_str(yyjson_obj_get(result, "state"), "starting");
    struct waiting waiting = {.name = member_text(result, "name"),
                              .verb = invocation->verb->name,
                              .generation = begun ? generation - 1 : generation,
                              .fault = yyjson_get_sint(yyjson_obj_get(result, "fault"))};
    if (idle)
        return EXIT_FINE;
    struct error error = {{0}};
    enum status status = events_follow(client, serial, wait_s * 1000, watch, &waiting, &error);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s %s: %s", waiting.verb, waiting.name, error.text);
    if (!invocation->json)
        puts(waiting.text);
    return waiting.failed ? EXIT_REFUSED : EXIT_FINE;
}

static void print_result(yyjson_val *result)
{
    const char *note = yyjson_get_str(yyjson_obj_get(result, "note"));
    const char *signal = yyjson_get_str(yyjson_obj_get(result, "signal"));
    if (signal)
        printf("%s (pid %lld) got signal %s; fault %lld\n", member_text(result, "name"),
               (long long)yyjson_get_sint(yyjson_obj_get(result, "pid")), signal,
               (long long)yyjson_get_sint(yyjson_obj_get(result, "fault")));
    else
        printf("%s is %s%s%s%s\n", member_text(result, "name"), member_text(result, "state"),
               note ? " (" : "", note ? note : "", note ? ")" : "");
    fflush(stdout);
}

static void print_results(const struct invocation *invocation, yyjson_val *result)
{
    size_t index, count;
    yyjson_val *more;
    if (invocation->json) {
        char *text = yyjson_val_write(result, 0, NULL);
        puts(text ? text : "null");
        free(text);
        return;
    }
    print_result(result);
    yyjson_arr_foreach(yyjson_obj_get(result, "more"), index, count, more) print_result(more);
}

/* wait_for_all: a service's name meant all its instances. */
static int wait_for_all(const struct invocation *invocation, struct client *client, int64_t serial,
                        yyjson_val *result, int64_t wait_s)
{
    size_t index, count;
    yyjson_val *more;
    int code = wait_for(invocation, client, serial, result, wait_s);
    yyjson_arr_foreach(yyjson_obj_get(result, "more"), index, count, more)
    {
        if (code == EXIT_FINE)
            code = wait_for(invocation, client, serial, more, wait_s);
    }
    return code;
}

/* act: serial first, so that no event of what follows can be missed. */
static int act(const struct invocation *invocation, const char *signal, int64_t wait_s)
{
    struct client *client;
    struct error error = {{0}};
    struct buffer args;
    yyjson_doc *reply = NULL;
    int64_t serial = 0;
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    buffer_init(&args, 0);
    client_args(&args, "name", invocation->words[0], "signal", signal);
    if (wait_s >= 0)
        status = events_serial(client, &serial, &error);
    if (status == STATUS_OK)
        status = client_ask(client, invocation->verb->name, buffer_text(&args), &reply, &error);
    buffer_finish(&args);
    int code = status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "%s", error.text);
    if (code == EXIT_FINE) {
        yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
        print_results(invocation, result);
        if (wait_s >= 0)
            code = wait_for_all(invocation, client, serial, result, wait_s);
    }
    yyjson_doc_free(reply);
    client_close(client);
    return code;
}

int verb_wish(const struct invocation *invocation)
{
    int64_t wait_s;
    if (!invocation_number(invocation, "--wait", -1, &wait_s))
        return EXIT_WRONG_USE;
    return act(invocation, NULL, wait_s);
}

int verb_kill(const struct invocation *invocation)
{
    int64_t wait_s;
    const char *signal = invocation_value(invocation, "-s");
    if (!invocation_number(invocation, "--wait", -1, &wait_s))
        return EXIT_WRONG_USE;
    if (signal && !signal_number_of(signal))
        return complain(EXIT_WRONG_USE,
                        "kill -s %s: there is no such signal; write a name, e.g. TERM, or a number", signal);
    return act(invocation, signal ? signal : "KILL", wait_s);
}

int verb_shutdown(const struct invocation *invocation)
{
    struct client *client;
    struct error error = {{0}};
    yyjson_doc *reply = NULL;
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status == STATUS_OK)
        status = client_ask(client, "shutdown", "{}", &reply, &error);
    else
        client = NULL;
    if (status == STATUS_OK) {
        yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
        char *text = yyjson_val_write(result, 0, NULL);
        if (invocation->json)
            puts(text ? text : "null");
        else
            printf("run %s is %s\n", member_text(result, "run_id"), member_text(result, "phase"));
        free(text);
    }
    yyjson_doc_free(reply);
    client_close(client);
    return status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "%s", error.text);
}
