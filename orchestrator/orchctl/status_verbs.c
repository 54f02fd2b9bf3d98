/* status and health: a table for people, JSON for programs. */
#include "client.h"
#include "screen.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_json(yyjson_val *value)
{
    char *text = yyjson_val_write(value, 0, NULL);
    puts(text ? text : "null");
    free(text);
}

/* cell: a number right-aligned in its column, "-" when there is none. */
static void cell(yyjson_val *value, int width, int decimals)
{
    if (yyjson_is_num(value))
        printf(" %*.*f", width, decimals, yyjson_get_num(value));
    else
        printf(" %*s", width, "-");
}

/* print_processes: as wide as the terminal, if it is one. */
static void print_processes(yyjson_val *result)
{
    const struct screen_answers answers = {.status = result};
    struct buffer text, fitted;
    size_t columns = screen_columns();
    buffer_init(&text, 0);
    buffer_init(&fitted, 0);
    size_t hidden = screen_processes(&text, &answers, columns, false);
    screen_fit(&fitted, &text, columns, 0, 0);
    fwrite(fitted.data, 1, fitted.length, stdout);
    if (hidden)
        printf("(%zu column%s found no room: --json has all)\n", hidden, hidden == 1 ? "" : "s");
    buffer_finish(&text);
    buffer_finish(&fitted);
}

static void print_orchestrator(yyjson_val *itself)
{
    printf("orchestrator %s%s%s: pid", member_text(itself, "state"),
           *member_text(itself, "reason") ? ", " : "", member_text(itself, "reason"));
    cell(yyjson_obj_get(itself, "pid"), 1, 0);
    printf(",");
    cell(yyjson_obj_get(itself, "rss_mb"), 1, 1);
    printf(" MB,");
    cell(yyjson_obj_get(itself, "open_files"), 1, 0);
    printf(" of");
    cell(yyjson_obj_get(itself, "open_files_limit"), 1, 0);
    printf(" files, longest turn");
    cell(yyjson_obj_get(itself, "loop_ms_max"), 1, 1);
    printf(" ms\n");
}

/* print_alerts: those that are open; a figure of export only when exports fail. */
static void print_alerts(yyjson_val *result)
{
    size_t index, count;
    yyjson_val *alert, *export = yyjson_obj_get(result, "timeseries_export");
    yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(result, "alerts"), "triggered"), index, count, alert)
    {
        if (!yyjson_obj_get(alert, "recovered_at"))
            printf("alert %s %s since %s: %s\n", member_text(alert, "level"), member_text(alert, "rule"),
                   member_text(alert, "triggered_at"), member_text(alert, "message"));
    }
    int64_t failed = yyjson_get_sint(yyjson_obj_get(export, "failed_in_a_row"));
    if (failed > 0)
        printf("export failed %lld time%s in a row\n", (long long)failed, failed == 1 ? "" : "s");
}

static void print_table(yyjson_val *result)
{
    struct buffer text;
    printf("run %s, %s, sink %s\n", member_text(result, "run_id"), member_text(result, "phase"),
           member_text(result, "sink"));
    buffer_init(&text, 0);
    screen_concluding(&text, result);
    fputs(buffer_text(&text), stdout);
    buffer_finish(&text);
    print_orchestrator(yyjson_obj_get(result, "orchestrator"));
    print_processes(result);
    print_alerts(result);
}

static void print_health(yyjson_val *result)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(result, "processes"), index, count, process)
        printf("%-12s %-10s %s\n", member_text(process, "name"), member_text(process, "health"),
               member_text(process, "failed_conditions"));
}

static int ask_and_print(const struct invocation *invocation, void (*print)(yyjson_val *result))
{
    struct client *client;
    struct error error;
    struct buffer args;
    yyjson_doc *reply = NULL;
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    buffer_init(&args, 0);
    client_args(&args, "name", invocation->words[0], NULL, NULL);
    status = client_ask(client, invocation->verb->name, buffer_text(&args), &reply, &error);
    buffer_finish(&args);
    client_close(client);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    bool healthy = yyjson_is_true(yyjson_obj_get(result, "healthy"));
    if (invocation->json)
        print_json(result);
    else
        print(result);
    yyjson_doc_free(reply);
    return healthy ? EXIT_FINE : EXIT_NOT_HEALTHY;
}

int verb_status(const struct invocation *invocation)
{
    return ask_and_print(invocation, print_table);
}

int verb_health(const struct invocation *invocation)
{
    return ask_and_print(invocation, print_health);
}
