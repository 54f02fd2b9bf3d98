/* events: a snapshot of the processes, then everything that happens. */
#include "events.h"
#include "place.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct printing {
    bool json;
    int64_t left; /* events still to print; -1: no limit */
};

/* print_members: what an event says beside its name and time. */
static void print_members(yyjson_val *event)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(event, index, count, key, value)
    {
        const char *name = yyjson_get_str(key);
        if (strcmp(name, "serial") == 0 || strcmp(name, "at") == 0 || strcmp(name, "event") == 0 ||
            strcmp(name, "name") == 0)
            continue;
        char *text = yyjson_val_write(value, 0, NULL);
        printf(" %s=%s", name, text ? text : "?");
        free(text);
    }
}

static bool print_event(void *context, yyjson_val *event)
{
    struct printing *printing = context;
    if (printing->json) {
        char *text = yyjson_val_write(event, 0, NULL);
        puts(text ? text : "{}");
        free(text);
    } else {
        printf("%s %-16s %-10s", member_text(event, "at"), member_text(event, "event"),
               member_text(event, "name"));
        print_members(event);
        putchar('\n');
    }
    fflush(stdout);
    return printing->left < 0 || --printing->left > 0;
}

/* print_snapshot: one line per process as it is now; *out_serial is the newest event contained in it. */
static enum status print_snapshot(struct client *client, bool json, int64_t *out_serial, struct error *error)
{
    yyjson_doc *reply;
    enum status status = client_ask(client, "status", "{}", &reply, error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result"), *process;
    const char *at = member_text(result, "at");
    size_t index, count;
    *out_serial = yyjson_get_sint(yyjson_obj_get(result, "serial"));
    yyjson_arr_foreach(yyjson_obj_get(result, "processes"), index, count, process)
    {
        const char *name = member_text(process, "name"), *state = member_text(process, "state");
        if (json)
            printf(
                "{\"serial\":%lld,\"at\":\"%s\",\"event\":\"snapshot\",\"name\":\"%s\",\"state\":\"%s\"}\n",
                (long long)*out_serial, at, name, state);
        else
            printf("%s %-16s %-10s state=\"%s\"\n", at, "snapshot", name, state);
    }
    fflush(stdout);
    yyjson_doc_free(reply);
    return STATUS_OK;
}

int verb_events(const struct invocation *invocation)
{
    struct client *client;
    struct error error = {{0}};
    int64_t since = 0;
    struct printing printing = {.json = invocation->json, .left = -1};
    if (!invocation_number(invocation, "--count", -1, &printing.left) ||
        !invocation_number(invocation, "--since", 0, &since))
        return EXIT_WRONG_USE;
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    if (!invocation_value(invocation, "--since"))
        status = print_snapshot(client, printing.json, &since, &error);
    if (status == STATUS_OK && printing.left != 0)
        status = events_follow(client, since, -1, print_event, &printing, &error);
    client_close(client);
    if (status == STATUS_AGAIN && !place_orchestrator_lives())
        return EXIT_FINE; /* the run is over, and so is its history */
    return status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "%s", error.text);
}
