/* fault KIND TARGET | list | clear [ID] | kinds | run FILE. */
#include "base/json.h"
#include "fault_client.h"
#include "fault_scenario.h"
#include "injury/order.h"
#include "verb.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refused(const struct error *error)
{
    return complain(EXIT_REFUSED, "%s", error->text);
}

static void print_json(yyjson_val *value)
{
    char *text = yyjson_val_write(value, 0, NULL);
    puts(text ? text : "null");
    free(text);
}

static int print_kinds(void)
{
    printf("%-12s %-46s %s\n", "KIND", "TAKES", "WHAT");
    for (enum injury_kind kind = 0; kind < INJURY_KIND_COUNT; kind++) {
        const struct injury_row *row = injury_row(kind);
        char takes[64] = "";
        size_t length = 0;
        if (row->amount_name)
            length = (size_t)snprintf(takes, sizeof takes, "--amount %s (%lld)", row->amount_name,
                                      (long long)row->amount_default);
        if (row->share_default > 0)
            length += (size_t)snprintf(takes + length, sizeof takes - length, "%s--share (%g)",
                                       length ? ", " : "", row->share_default);
        if (row->place == INJURY_ON_LINK)
            snprintf(takes + length, sizeof takes - length, "%s--link", length ? ", " : "");
        if (kind == INJURY_KILL)
            snprintf(takes, sizeof takes, "-s (KILL)");
        printf("%-12s %-46s %s\n", row->name, takes, row->summary);
    }
    return EXIT_FINE;
}

/* kind_json: what a kind does not take is null. */
static void kind_json(struct json *json, enum injury_kind kind)
{
    const struct injury_row *row = injury_row(kind);
    json_object_begin(json);
    json_key_text(json, "kind", row->name);
    json_key_text(json, "summary", row->summary);
    json_key(json, "amount");
    if (row->amount_name) {
        json_object_begin(json);
        json_key_text(json, "name", row->amount_name);
        json_key_i64(json, "default", row->amount_default);
        json_key_i64(json, "min", row->amount_min);
        json_key_i64(json, "max", row->amount_max);
        json_object_end(json);
    } else {
        json_null(json);
    }
    json_key_f64(json, "share_default", row->share_default > 0 ? row->share_default : NAN);
    json_key_bool(json, "link", row->place == INJURY_ON_LINK);
    json_key_text(json, "signal_default", kind == INJURY_KILL ? "KILL" : NULL);
    json_object_end(json);
}

static int print_kinds_json(void)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key(&json, "kinds");
    json_array_begin(&json);
    for (enum injury_kind kind = 0; kind < INJURY_KIND_COUNT; kind++)
        kind_json(&json, kind);
    json_array_end(&json);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
    return EXIT_FINE;
}

static void print_fault(yyjson_val *fault)
{
    yyjson_val *recovery = yyjson_obj_get(fault, "recovery_ms");
    char recovered[32] = "-";
    if (yyjson_is_num(recovery))
        snprintf(recovered, sizeof recovered, "%.0f ms", yyjson_get_num(recovery));
    printf("%4lld %-12s %-12s %-8s %10lld %-12s %s\n",
           (long long)yyjson_get_sint(yyjson_obj_get(fault, "id")), member_text(fault, "kind"),
           member_text(fault, "process"), member_text(fault, "end"),
           (long long)yyjson_get_sint(yyjson_obj_get(fault, "touched")), recovered,
           member_text(fault, "reason"));
}

static void print_table(yyjson_val *faults)
{
    yyjson_val *fault;
    size_t index, count;
    printf("%4s %-12s %-12s %-8s %10s %-12s %s\n", "ID", "KIND", "TARGET", "END", "TOUCHED", "RECOVERED",
           "REASON");
    yyjson_arr_foreach(faults, index, count, fault) print_fault(fault);
}

/* print_list: faults by themselves; a table of none says so. */
static void print_list(yyjson_val *result)
{
    yyjson_val *faults = yyjson_obj_get(result, "faults");
    if (yyjson_arr_size(faults))
        print_table(faults);
    else
        puts("this run has had no fault");
}

/* print_cleared: none may have lasted; one that is over already may still be on its way to recovery. */
static void print_cleared(yyjson_val *result)
{
    if (yyjson_get_sint(yyjson_obj_get(result, "cleared")) == 0)
        puts("no fault is open that could be cleared");
    if (yyjson_arr_size(yyjson_obj_get(result, "faults")))
        print_table(yyjson_obj_get(result, "faults"));
}

static int ask_and_print(struct client *client, const struct invocation *invocation, const char *verb,
                         const char *arguments, void (*print)(yyjson_val *result))
{
    struct error error = {{0}};
    yyjson_doc *reply;
    if (client_ask(client, verb, arguments, &reply, &error) != STATUS_OK)
        return refused(&error);
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    if (invocation->json)
        print_json(result);
    else
        print(result);
    yyjson_doc_free(reply);
    return EXIT_FINE;
}

static int clear(struct client *client, const struct invocation *invocation)
{
    char arguments[40] = "{}";
    if (invocation->words[1])
        snprintf(arguments, sizeof arguments, "{\"id\":%lld}", strtoll(invocation->words[1], NULL, 10));
    return ask_and_print(client, invocation, "fault_clear", arguments, print_cleared);
}

/* print_count: below 0 nobody has counted it, for lack of a figure from before. */
static void print_count(const char *name, int64_t count)
{
    if (count < 0)
        printf("%s not measured", name);
    else
        printf("%s %lld", name, (long long)count);
}

static void print_seen(const struct fault_seen *seen, const struct fault_losses *losses, const char *verdict)
{
    if (seen->refused) {
        printf("fault %lld: %s on %s was refused: %s\n", (long long)seen->id, seen->kind, seen->process,
               seen->reason);
        return;
    }
    printf("fault %lld: %s on %s%s%s; %lld %s; ", (long long)seen->id, seen->kind, seen->process,
           *seen->end ? " " : "", seen->end, (long long)seen->touched, fault_seen_touched(seen));
    if (seen->recovered)
        printf("caught up after %.0f ms", seen->recovery_ms);
    else
        printf("NOT recovered");
    printf("; restarts %lld; ", (long long)seen->restarts);
    print_count("lost", losses->lost);
    printf(", ");
    print_count("doubled", losses->doubled);
    printf(": %s\n", verdict);
}

static struct fault_asked asked_of(const struct invocation *invocation)
{
    return (struct fault_asked){.kind = invocation->words[0],
                                .target = invocation->words[1],
                                .lasts = invocation_value(invocation, "--for"),
                                .link = invocation_value(invocation, "--link"),
                                .share = invocation_value(invocation, "--share"),
                                .count = invocation_value(invocation, "--count"),
                                .seed = invocation_value(invocation, "--seed"),
                                .amount = invocation_value(invocation, "--amount"),
                                .signal = invocation_value(invocation, "-s"),
                                .steady = invocation_value(invocation, "--steady"),
                                .force = invocation_value(invocation, "--force")};
}

/* print_group: the evidence of what one wish began, as fault_list gives it. */
static int print_group(struct client *client, struct fault_group group)
{
    struct error error = {{0}};
    yyjson_doc *reply;
    if (client_ask(client, "fault_list", "{}", &reply, &error) != STATUS_OK)
        return refused(&error);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document), *mine = yyjson_mut_arr(document);
    yyjson_val *fault;
    size_t index, count;
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_val(document, root, "faults", mine);
    yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(reply), "result"), "faults"), index,
                       count, fault)
    {
        int64_t id = yyjson_get_sint(yyjson_obj_get(fault, "id"));
        if (id >= group.first && id < group.first + (int64_t)group.count)
            yyjson_mut_arr_append(mine, yyjson_val_mut_copy(document, fault));
    }
    char *text = yyjson_mut_write(document, 0, NULL);
    puts(text ? text : "null");
    free(text);
    yyjson_mut_doc_free(document);
    yyjson_doc_free(reply);
    return EXIT_FINE;
}

/* tell_ordered: of --no-wait: which faults there are, not yet what becomes of them. */
static int tell_ordered(struct client *client, const struct invocation *invocation, struct fault_group group)
{
    struct error error = {{0}};
    struct fault_seen seen;
    if (invocation->json)
        return print_group(client, group);
    for (size_t i = 0; i < group.count; i++) {
        struct fault_group one = {group.first + (int64_t)i, 1};
        if (fault_look(client, one, &seen, &error) != STATUS_OK)
            return refused(&error);
        printf("fault %lld: %s on %s is ordered\n", (long long)seen.id, seen.kind, seen.process);
    }
    return EXIT_FINE;
}

static int inject(struct client *client, const struct invocation *invocation)
{
    struct fault_asked asked = asked_of(invocation);
    struct fault_seen seen = {.recovery_ms = NAN};
    struct fault_losses losses = {-1, -1, -1};
    struct error error = {{0}};
    struct fault_group group;
    if (fault_ask(client, &asked, &group, &error) != STATUS_OK)
        return refused(&error);
    if (invocation_value(invocation, "--no-wait"))
        return tell_ordered(client, invocation, group);
    enum status status = fault_wait(client, group, fault_wait_ms(&asked), &seen, &error);
    status = status == STATUS_OK ? fault_measure(client, &losses, &error) : status;
    const char *verdict = status == STATUS_OK ? fault_verdict_now(&seen, &losses) : "";
    bool hurt_nobody = strcmp(seen.end, "refused") == 0;
    for (size_t i = 0; status == STATUS_OK && !invocation->json && i < group.count; i++) {
        struct fault_group one = {group.first + (int64_t)i, 1};
        status = fault_look(client, one, &seen, &error);
        print_seen(&seen, &losses, fault_verdict_now(&seen, &losses));
    }
    if (status != STATUS_OK)
        return refused(&error);
    if (invocation->json)
        print_group(client, group);
    if (hurt_nobody) /* so there is nothing to judge */
        return EXIT_REFUSED;
    return strcmp(verdict, "PASS") == 0 ? EXIT_FINE : EXIT_NOT_EVEN;
}

/* words_good: everything that is wrong whatever runs here; asked before anybody is spoken to. */
static enum status words_good(const struct invocation *invocation, bool injects, struct error *error)
{
    static const char *const OPTIONS[] = {"--for", "--steady"};
    const struct fault_asked asked = asked_of(invocation);
    int64_t ms;
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        const char *text = invocation_value(invocation, OPTIONS[i]);
        enum status status = text ? duration_read(text, &ms, error) : STATUS_OK;
        if (status != STATUS_OK)
            return status;
    }
    return injects ? fault_check(&asked, error) : STATUS_OK;
}

/* id_good: of `fault clear ID`. */
static bool id_good(const char *text)
{
    char *end;
    errno = 0;
    return !text || (strtoll(text, &end, 10) >= 1 && !*end && !errno);
}

int verb_fault(const struct invocation *invocation)
{
    struct client *client;
    struct error error = {{0}};
    const char *word = invocation->words[0], *second = invocation->words[1];
    if (strcmp(word, "kinds") == 0)
        return invocation->json ? print_kinds_json() : print_kinds();
    bool alone = strcmp(word, "list") == 0 || strcmp(word, "clear") == 0;
    if (!alone && !second)
        return complain(EXIT_WRONG_USE, "fault %s: needs %s", word,
                        strcmp(word, "run") == 0 ? "a FILE" : "a TARGET");
    if (strcmp(word, "clear") == 0 && !id_good(second))
        return complain(EXIT_WRONG_USE, "fault clear %s: must be the number of a fault", second);
    if (words_good(invocation, !alone && strcmp(word, "run") != 0, &error) != STATUS_OK)
        return complain(EXIT_WRONG_USE, "%s", error.text);
    if (strcmp(word, "run") == 0 && scenario_check(second, &error) != STATUS_OK)
        return complain(EXIT_WRONG_USE, "%s", error.text);
    if (client_open(invocation->timeout_ms, &client, &error) != STATUS_OK)
        return refused(&error);
    int code = strcmp(word, "list") == 0 ? ask_and_print(client, invocation, "fault_list", "{}", print_list)
               : strcmp(word, "clear") == 0 ? clear(client, invocation)
               : strcmp(word, "run") == 0   ? scenario_run(client, second, invocation->json)
                                            : inject(client, invocation);
    client_close(client);
    return code;
}
