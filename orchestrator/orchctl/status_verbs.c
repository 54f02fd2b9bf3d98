/* status and health: a table for people, JSON for programs. */
#include "client.h"
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

static void print_process(yyjson_val *process)
{
    yyjson_val *beat = yyjson_obj_get(process, "heartbeat");
    printf("%-12s", member_text(process, "name"));
    cell(yyjson_obj_get(process, "pid"), 8, 0);
    printf(" %-11s %-10s", member_text(process, "state"), member_text(process, "health"));
    cell(yyjson_obj_get(process, "restart_count"), 8, 0);
    cell(yyjson_obj_get(beat, "rss_mb"), 8, 1);
    cell(yyjson_obj_get(beat, "open_files"), 6, 0);
    cell(yyjson_obj_get(process, "rows_per_s"), 10, 1);
    cell(yyjson_obj_get(process, "lag_rows"), 9, 0);
    cell(yyjson_obj_get(process, "heartbeat_age_ms"), 8, 0);
    const char *failed = member_text(process, "failed_conditions");
    printf("  %s", failed);
    if (yyjson_is_str(yyjson_obj_get(process, "last_exit")))
        printf("%slast end: %s", *failed ? "; " : "", member_text(process, "last_exit"));
    putchar('\n');
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
        printf("export failed %lld times in a row\n", (long long)failed);
}

static void print_table(yyjson_val *result)
{
    size_t index, count;
    yyjson_val *process;
    printf("run %s, %s, sink %s\n", member_text(result, "run_id"), member_text(result, "phase"),
           member_text(result, "sink"));
    print_orchestrator(yyjson_obj_get(result, "orchestrator"));
    printf("%-12s %8s %-11s %-10s %8s %8s %6s %10s %9s %8s  %s\n", "name", "pid", "state", "health",
           "restarts", "rss MB", "files", "rows/s", "lag rows", "beat ms", "failed conditions");
    yyjson_arr_foreach(yyjson_obj_get(result, "processes"), index, count, process) print_process(process);
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
