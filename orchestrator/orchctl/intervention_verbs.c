/* rollback, direction: what people decide about a running system. Both return when it has come true, or tell why not. */
#include "base/json.h"
#include "events.h"
#include "orchestrator/canary/document.h"
#include "orchestrator/canary/rollback.h"
#include "place.h"
#include "verb.h"

#include <math.h>
#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    POLL_MS = 50,
    VACANT_MS_MAX = 10000,     /* nobody holds the folder between two runs */
    ROLLBACK_GRACE_MS = 60000, /* the orchestrator gives up by itself, if it is there to do so */
    COMMIT_PATIENCE_MS = 10000,
    FINGERPRINT_DIGITS_MIN = 8, /* of a fingerprint that is cut short */
};

static void args_make(const struct invocation *invocation, const char *const names[], struct buffer *out)
{
    struct json json;
    char user[WHO_BYTES];
    const char *why = invocation_value(invocation, "--why");
    if (!why && invocation_value(invocation, "--drill"))
        why = "a drill";
    buffer_init(out, 0);
    json_init(&json, out);
    json_object_begin(&json);
    for (size_t i = 0; names[i] && invocation->words[i]; i++)
        json_key_text(&json, names[i], invocation->words[i]);
    json_key_text(&json, "who", invocation_who(invocation, user));
    if (why)
        json_key_text(&json, "why", why);
    json_object_end(&json);
}

/* --- rollback --- */

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* watched: a rollback as its record tells it. */
struct watched {
    char path[PATH_BYTES], state_dir[PATH_BYTES], incident[INCIDENT_ID_BYTES];
    struct rollback record;
};

static bool is_over(struct watched *watched)
{
    struct rollback record;
    if (rollback_read(watched->path, &record, NULL) != STATUS_OK ||
        strcmp(record.incident, watched->incident) != 0)
        return false;
    watched->record = record;
    return record.state >= ROLLBACK_DONE;
}

/* wait_for_end: true when it is over; false when nobody is there any more to end it. */
static bool wait_for_end(struct watched *watched)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    int64_t begun_ms = now_ms(), seen_ms = begun_ms;
    while (!is_over(watched)) {
        int64_t at_ms = now_ms();
        if (place_orchestrator_lives())
            seen_ms = at_ms;
        if (at_ms - seen_ms > VACANT_MS_MAX ||
            at_ms - begun_ms > watched->record.limit_ms + ROLLBACK_GRACE_MS)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* drill_passed: back, and in time. */
static bool drill_passed(const struct watched *watched, bool over)
{
    const struct rollback *record = &watched->record;
    return over && record->state == ROLLBACK_DONE && record->ended_ms - record->begun_ms <= record->limit_ms;
}

/* tell_drill: the last line of a drill. */
static void tell_drill(const struct watched *watched, bool over)
{
    const struct rollback *record = &watched->record;
    printf("drill %s", drill_passed(watched, over) ? "PASS" : "FAIL");
    if (over)
        printf(": %.1f s of at most %.0f s", (double)(record->ended_ms - record->begun_ms) / 1000.0,
               (double)record->limit_ms / 1000.0);
    puts("; recorded in rollback_drill.json beside the incidents");
}

/* print_end: as JSON: `concluding` is the run that has ended and has no verdict yet, null: it is concluded. */
static void print_end(const struct watched *watched, bool over, bool is_concluding, bool drills)
{
    const struct rollback *record = &watched->record;
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "state", over ? ROLLBACK_STATE_NAMES[record->state] : "abandoned");
    json_key_text(&json, "incident", watched->incident);
    json_key_text(&json, "from", record->from);
    json_key_text(&json, "to", record->to);
    json_key_text(&json, "run_id", record->to_run);
    json_key_i64(&json, "took_ms", over ? record->ended_ms - record->begun_ms : -1);
    json_key_text(&json, "concluding", is_concluding ? record->from_run : NULL);
    if (drills)
        json_key_text(&json, "drill", drill_passed(watched, over) ? "PASS" : "FAIL");
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int tell_end(const struct invocation *invocation, const struct watched *watched, bool over)
{
    const struct rollback *record = &watched->record;
    bool done = over && record->state == ROLLBACK_DONE, drills = invocation_value(invocation, "--drill");
    bool is_concluding = place_concluding(watched->state_dir, record->from_run);
    const char *reason = over ? record->reason : "the orchestrator is gone; nothing was confirmed";
    if (invocation->json)
        print_end(watched, over, is_concluding, drills);
    else if (done)
        printf("rolled back from %.16s to %.16s in %.1f s; run %s is live; %s\n", record->from, record->to,
               (double)(record->ended_ms - record->begun_ms) / 1000.0, record->to_run, watched->incident);
    if (!invocation->json && is_concluding)
        printf("run %s is still being concluded: its manifest is not final yet; `orchctl status` names it "
               "until it is\n",
               record->from_run);
    if (drills && !invocation->json)
        tell_drill(watched, over);
    if (!done)
        return complain(EXIT_NOT_EVEN, "rollback: %s; %s stays open", reason, watched->incident);
    return drills && !drill_passed(watched, over) ? EXIT_NOT_EVEN : EXIT_FINE;
}

/* drill_write: that a way back was tried, and how long it took: artifacts/runtime/canary_report/rollback_drill.json, the newest one. */
static void drill_write(const struct watched *watched, bool over)
{
    const struct rollback *record = &watched->record;
    double took_ms = over ? (double)(record->ended_ms - record->begun_ms) : NAN;
    char path[PATH_BYTES], at[TIME_TEXT_BYTES];
    struct clock clock = clock_system();
    struct config *config;
    struct error error = {{0}};
    struct buffer text;
    struct json json;
    if (place_config(&config, &error) != STATUS_OK) {
        complain(EXIT_NOT_EVEN, "the drill is not recorded: %s", error.text);
        return;
    }
    path_join(path, config_text(config, "run.artifacts_dir"), "runtime/canary_report/rollback_drill.json");
    config_destroy(config);
    time_iso_ms(clock_wall_ms(&clock), at);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "at", at);
    json_key_text(&json, "version", ORDERFLOW_VERSION_LINE);
    json_key_text(&json, "incident", watched->incident);
    json_key_text(&json, "from_run", record->from_run);
    json_key_text(&json, "to_run", record->to_run);
    json_key_text(&json, "fingerprint_from", record->from);
    json_key_text(&json, "fingerprint_to", record->to);
    json_key_f64(&json, "took_ms", took_ms);
    json_key_i64(&json, "limit_ms", record->limit_ms);
    json_key_text(&json, "verdict", drill_passed(watched, over) ? "PASS" : "FAIL");
    json_object_end(&json);
    if (document_write(path, &text, &error) != STATUS_OK)
        complain(EXIT_NOT_EVEN, "the drill is not recorded: %s", error.text);
    buffer_finish(&text);
}

/* tell_refused: a target that cannot be; programs get the answer itself. */
static int tell_refused(const struct invocation *invocation, yyjson_val *result)
{
    char *text = invocation->json ? yyjson_val_write(result, 0, NULL) : NULL;
    if (text)
        puts(text);
    free(text);
    return complain(EXIT_NOT_EVEN,
                    "rollback refused, nothing was changed: %s (%s, closed, keeps a record of it)",
                    member_text(result, "reason"), member_text(result, "incident"));
}

static int follow_rollback(const struct invocation *invocation, yyjson_val *result)
{
    struct watched watched = {0};
    if (yyjson_equals_str(yyjson_obj_get(result, "state"), "refused"))
        return tell_refused(invocation, result);
    rollback_path(member_text(result, "state_dir"), watched.path);
    snprintf(watched.state_dir, sizeof watched.state_dir, "%s", member_text(result, "state_dir"));
    snprintf(watched.incident, sizeof watched.incident, "%s", member_text(result, "incident"));
    if (!invocation->json) {
        printf("rolling back from %.16s to %.16s: the run drains (%s)\n", member_text(result, "from"),
               member_text(result, "to"), watched.incident);
        fflush(stdout);
    }
    bool over = wait_for_end(&watched);
    if (invocation_value(invocation, "--drill"))
        drill_write(&watched, over);
    return tell_end(invocation, &watched, over);
}

/* is_fingerprint: one could be called so. What is none is wrong use; what is one, and leads nowhere, is an incident. */
static bool is_fingerprint(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef");
    return !text[length] && length >= FINGERPRINT_DIGITS_MIN && length < SHA256_HEX_BYTES;
}

int verb_rollback(const struct invocation *invocation)
{
    static const char *const NAMES[] = {"fingerprint", NULL};
    struct client *client = NULL;
    struct error error = {{0}};
    struct buffer args;
    yyjson_doc *reply = NULL;
    if (invocation->words[0] && !is_fingerprint(invocation->words[0]))
        return complain(EXIT_WRONG_USE, "rollback %s: write a fingerprint: its %d to %d hexadecimal digits",
                        invocation->words[0], FINGERPRINT_DIGITS_MIN, SHA256_HEX_BYTES - 1);
    args_make(invocation, NAMES, &args);
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status == STATUS_OK)
        status = client_ask(client, "rollback", buffer_text(&args), &reply, &error);
    buffer_finish(&args);
    client_close(client);
    int code = status == STATUS_OK
                   ? follow_rollback(invocation, yyjson_obj_get(yyjson_doc_get_root(reply), "result"))
                   : complain(EXIT_REFUSED, "%s", error.text);
    yyjson_doc_free(reply);
    return code;
}

/* --- direction --- */

struct committing {
    const char *id;
    bool json;
    bool refused;
    char reason[160];
};

static bool watch(void *context, yyjson_val *event)
{
    struct committing *committing = context;
    if (!yyjson_equals_str(yyjson_obj_get(event, "event"), "control_input") ||
        !yyjson_equals_str(yyjson_obj_get(event, "id"), committing->id))
        return true;
    committing->refused = !yyjson_equals_str(yyjson_obj_get(event, "state"), "committed");
    snprintf(committing->reason, sizeof committing->reason, "%s", member_text(event, "reason"));
    char *text = committing->json ? yyjson_val_write(event, 0, NULL) : NULL;
    if (text)
        puts(text);
    else if (!committing->json && !committing->refused)
        printf("%s: in the stream after %lld ms\n", member_text(event, "decision"),
               (long long)yyjson_get_sint(yyjson_obj_get(event, "took_ms")));
    free(text);
    return false;
}

static int follow_commit(const struct invocation *invocation, struct client *client, int64_t serial,
                         yyjson_val *result)
{
    struct committing committing = {.id = member_text(result, "id"), .json = invocation->json};
    struct error error = {{0}};
    if (events_follow(client, serial, COMMIT_PATIENCE_MS, watch, &committing, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "direction: not committed: %s", error.text);
    return committing.refused ? complain(EXIT_REFUSED, "direction: refused: %s", committing.reason)
                              : EXIT_FINE;
}

int verb_direction(const struct invocation *invocation)
{
    static const char *const NAMES[] = {"action", "symbol", NULL};
    struct client *client = NULL;
    struct error error = {{0}};
    struct buffer args;
    yyjson_doc *reply = NULL;
    int64_t serial = 0;
    const char *action = invocation->words[0];
    if (strcmp(action, "lock") != 0 && strcmp(action, "unlock") != 0)
        return complain(EXIT_WRONG_USE, "direction %s: must be lock or unlock", action);
    args_make(invocation, NAMES, &args);
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status == STATUS_OK)
        status = events_serial(client, &serial, &error);
    if (status == STATUS_OK)
        status = client_ask(client, "direction", buffer_text(&args), &reply, &error);
    buffer_finish(&args);
    int code = status == STATUS_OK ? follow_commit(invocation, client, serial,
                                                   yyjson_obj_get(yyjson_doc_get_root(reply), "result"))
                                   : complain(EXIT_REFUSED, "%s", error.text);
    yyjson_doc_free(reply);
    client_close(client);
    return code;
}
