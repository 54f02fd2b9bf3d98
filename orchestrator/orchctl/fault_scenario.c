#include "fault_scenario.h"

#include "base/clock.h"
#include "base/json.h"
#include "fault_client.h"
#include "fault_scenario_read.h"
#include "orchestrator/faults/fault.h"
#include "orchestrator/faults/faults.h"
#include "verb.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES = SCENARIO_WORD_BYTES, GLANCE_MS = 50 };

struct scenario {
    struct client *client;
    const char *path;
    struct scenario_place at; /* what is being played */
    struct error error;
    struct fault_group faults[SCENARIO_STEPS_MAX]; /* begun by this scenario, in order */
    size_t fault_count;
    struct fault_losses before; /* as it was when the scenario began */
    size_t step, failed;
    const char *name;
    bool as_json, headed; /* the table's head has been printed */
    struct buffer told;   /* the rows as JSON */
    struct json json;
};

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* --- the table --- */

static void row_json(struct scenario *scenario, bool good, const char *what, const char *measured)
{
    struct json *json = &scenario->json;
    json_object_begin(json);
    json_key_i64(json, "step", (int64_t)scenario->step);
    json_key_text(json, "what", what);
    json_key_text(json, "measured", measured);
    json_key_text(json, "verdict", good ? "PASS" : "FAIL");
    json_object_end(json);
}

/* head_print: with the first row: a scenario that comes to none has no table. */
static void head_print(struct scenario *scenario)
{
    if (!scenario->headed)
        printf("scenario: %s\n\n| step | %-44s | %-56s | verdict |\n|---|---|---|---|\n", scenario->name,
               "what", "measured");
    scenario->headed = true;
}

static void row(struct scenario *scenario, bool good, const char *what, const char *format, ...)
    PRINTF_LIKE(4, 5);

static void row(struct scenario *scenario, bool good, const char *what, const char *format, ...)
{
    char measured[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(measured, sizeof measured, format, arguments);
    va_end(arguments);
    scenario->failed += !good;
    row_json(scenario, good, what, measured);
    if (!scenario->as_json) {
        head_print(scenario);
        printf("| %4zu | %-44s | %-56s | %s |\n", scenario->step, what, measured, good ? "PASS" : "FAIL");
    }
    fflush(stdout);
    if (!good)
        complain(EXIT_NOT_EVEN, "%s:%zu:%zu: did not come true: %s: %s", scenario->path, scenario->at.line,
                 scenario->at.column, what, measured);
}

static void table_begin(struct scenario *scenario)
{
    buffer_init(&scenario->told, 0);
    json_init(&scenario->json, &scenario->told);
    json_object_begin(&scenario->json);
    json_key_text(&scenario->json, "scenario", scenario->name);
    json_key(&scenario->json, "steps");
    json_array_begin(&scenario->json);
}

static void table_end(struct scenario *scenario, bool good)
{
    json_array_end(&scenario->json);
    json_key_text(&scenario->json, "verdict", good ? "PASS" : "FAIL");
    json_object_end(&scenario->json);
    if (scenario->as_json)
        puts(buffer_text(&scenario->told));
    else
        printf("%s%s: %s\n", scenario->headed ? "\n" : "", scenario->name, good ? "PASS" : "FAIL");
    buffer_finish(&scenario->told);
}

/* --- whom it speaks of --- */

/* is_instance: "signal.3" of "signal": there may be such a one when its step is played. */
static bool is_instance(const char *name, const char *service)
{
    size_t length = strlen(service);
    const char *number = name + length;
    return strncmp(name, service, length) == 0 && number[0] == '.' && number[1] &&
           strspn(number + 1, "0123456789") == strlen(number + 1);
}

/* is_somebody: what the processes of the run can be called, one that has been scaled away or is yet to come too. */
static bool is_somebody(yyjson_val *processes, const char *name)
{
    size_t index, count;
    yyjson_val *process;
    bool found = strcmp(name, FAULT_OWN_NAME) == 0;
    yyjson_arr_foreach(processes, index, count, process)
    {
        const char *other = member_text(process, "name");
        found = found || strcmp(name, other) == 0 || is_instance(name, other) || is_instance(other, name);
    }
    return found;
}

/* named_by: the process that a step speaks of; NULL: none. */
static const char *named_by(const struct scenario_step *step)
{
    bool waits = step->action == SCENARIO_WAIT && step->wait.kind == SCENARIO_WAIT_PROCESS;
    return step->action == SCENARIO_FAULT ? step->target : waits ? step->wait.subject : NULL;
}

/* names_check: before the first step. STATUS_INVALID: the run has nobody of a name; scenario->at is where it stands. */
static enum status names_check(struct scenario *scenario, const struct scenario_file *file)
{
    yyjson_doc *reply;
    enum status status = client_ask(scenario->client, "status", "{}", &reply, &scenario->error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *processes = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(reply), "result"), "processes");
    for (size_t i = 0; status == STATUS_OK && i < file->step_count; i++) {
        const char *name = named_by(&file->steps[i]);
        if (!name || is_somebody(processes, name))
            continue;
        scenario->at = file->steps[i].at;
        status = error_set(&scenario->error, STATUS_INVALID,
                           "there is no process '%.60s' in this run; `orchctl status` lists them", name);
    }
    yyjson_doc_free(reply);
    return status;
}

/* --- waiting --- */

typedef enum status ask_state(struct scenario *scenario, const struct scenario_wait *wait, bool *out_so,
                              char out_now[WORD_BYTES]);

static enum status ask_steady(struct scenario *scenario, const struct scenario_wait *wait, bool *out_so,
                              char out_now[WORD_BYTES])
{
    (void)wait;
    yyjson_doc *reply;
    enum status status = client_ask(scenario->client, "steady", "{}", &reply, &scenario->error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    *out_so = yyjson_is_true(yyjson_obj_get(result, "steady"));
    snprintf(out_now, WORD_BYTES, "%.127s", *out_so ? "steady" : member_text(result, "reason"));
    yyjson_doc_free(reply);
    return STATUS_OK;
}

static enum status ask_fault(struct scenario *scenario, const struct scenario_wait *wait, bool *out_so,
                             char out_now[WORD_BYTES])
{
    struct fault_seen seen;
    enum status status =
        fault_look(scenario->client, scenario->faults[scenario->fault_count - 1], &seen, &scenario->error);
    if (status != STATUS_OK)
        return status;
    bool over = strcmp(seen.end, "lasts") != 0;
    *out_so = strcmp(wait->state, "recovered") == 0 ? seen.recovered
              : strcmp(wait->state, "touched") == 0 ? seen.touched >= wait->least
                                                    : over;
    snprintf(out_now, WORD_BYTES, "%s, %lld touched", seen.recovered ? "recovered" : seen.end,
             (long long)seen.touched);
    return STATUS_OK;
}

/* is_in: one process; what it is now, in words. */
static bool is_in(const char *state, const char *now, const char *health, char out_now[WORD_BYTES])
{
    bool up = strcmp(now, "ready") == 0 || strcmp(now, "running") == 0;
    snprintf(out_now, WORD_BYTES, "%.40s, %.40s", now, health);
    return strcmp(state, "up") == 0 ? up : strcmp(health, state) == 0;
}

/* is_asked: who has been scaled away is in no state; nor does anything become short for who has no symbol to write for. */
static bool is_asked(yyjson_val *process, const char *state)
{
    bool idle = yyjson_is_true(yyjson_obj_get(process, "idle"));
    return !yyjson_is_true(yyjson_obj_get(process, "retired")) && !(idle && strcmp(state, "degraded") == 0);
}

/* ask_process: of a service every instance that is asked must be in the state; told is the first that is not. */
static enum status ask_process(struct scenario *scenario, const struct scenario_wait *wait, bool *out_so,
                               char out_now[WORD_BYTES])
{
    const char *state = wait->state;
    char arguments[WORD_BYTES + 16] = "{}";
    yyjson_doc *reply;
    yyjson_val *process;
    size_t index, count, asked = 0;
    bool own = strcmp(wait->subject, "orchestrator") == 0;
    if (!own)
        snprintf(arguments, sizeof arguments, "{\"name\":\"%.100s\"}", wait->subject);
    enum status status = client_ask(scenario->client, "status", arguments, &reply, &scenario->error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    *out_so = true;
    if (own) { /* it speaks of itself where it speaks of all */
        const char *now = member_text(yyjson_obj_get(result, "orchestrator"), "state");
        *out_so = is_in(state, now, strcmp(now, "degraded") == 0 ? now : "healthy", out_now);
    } else {
        yyjson_arr_foreach(yyjson_obj_get(result, "processes"), index, count, process)
        {
            if (*out_so && is_asked(process, state) && ++asked)
                *out_so =
                    is_in(state, member_text(process, "state"), member_text(process, "health"), out_now);
        }
        *out_so = *out_so && asked;
    }
    yyjson_doc_free(reply);
    return STATUS_OK;
}

/* wait_for: asks until it is so; a moment without an answer (no descriptor for us) is no answer, not an end. */
static enum status wait_for(struct scenario *scenario, ask_state *ask, const struct scenario_wait *wait,
                            const char *what)
{
    int64_t begun_ms = now_ms();
    char now[WORD_BYTES] = "no answer";
    bool so = false;
    for (;;) {
        enum status status = ask(scenario, wait, &so, now);
        if (status != STATUS_OK && status != STATUS_AGAIN)
            return status;
        int64_t took_ms = now_ms() - begun_ms;
        if (so || took_ms >= wait->limit_ms) {
            row(scenario, so, what, "%s after %lld ms", now, (long long)took_ms);
            return STATUS_OK;
        }
        client_wait(scenario->client, GLANCE_MS);
    }
}

static enum status do_wait(struct scenario *scenario, const struct scenario_step *step)
{
    static ask_state *const ASKS[] = {[SCENARIO_WAIT_STEADY] = ask_steady,
                                      [SCENARIO_WAIT_FAULT] = ask_fault,
                                      [SCENARIO_WAIT_PROCESS] = ask_process};
    return wait_for(scenario, ASKS[step->wait.kind], &step->wait, step->text);
}

/* --- expecting --- */

/* last_seen: the newest fault of the scenario; the file's reader has seen to it that there is one. */
static enum status last_seen(struct scenario *scenario, struct fault_seen *out_seen)
{
    return fault_look(scenario->client, scenario->faults[scenario->fault_count - 1], out_seen,
                      &scenario->error);
}

/* did_nothing: a fault that hurt nobody proves nothing. Of a kill its restart tells. */
static bool did_nothing(const struct fault_seen *seen)
{
    return injury_kind_of(seen->kind) != INJURY_KILL && seen->touched == 0;
}

/* expect_recovered: every fault of the scenario, each within the time. */
static enum status expect_recovered(struct scenario *scenario, const struct scenario_expected *expected)
{
    double longest = 0;
    size_t recovered = 0, idle = 0;
    char nothing[48] = "";
    for (size_t i = 0; i < scenario->fault_count; i++) {
        struct fault_seen seen;
        enum status status = fault_wait(scenario->client, scenario->faults[i],
                                        expected->limit_ms + FAULT_RECOVERY_MAX_MS, &seen, &scenario->error);
        if (status != STATUS_OK)
            return status;
        recovered += seen.recovered;
        idle += did_nothing(&seen);
        longest = seen.recovery_ms > longest ? seen.recovery_ms : longest;
    }
    if (idle)
        snprintf(nothing, sizeof nothing, ", %zu touched nothing", idle);
    row(scenario, recovered == scenario->fault_count && !idle && longest <= (double)expected->limit_ms,
        expected->text, "%zu of %zu recovered, longest %.0f ms%s", recovered, scenario->fault_count, longest,
        nothing);
    return STATUS_OK;
}

static enum status expect_caught_up(struct scenario *scenario, const struct scenario_expected *expected)
{
    const struct scenario_wait wait = {.kind = SCENARIO_WAIT_STEADY, .limit_ms = expected->limit_ms};
    return wait_for(scenario, ask_steady, &wait, expected->text);
}

static enum status expect_verdict(struct scenario *scenario, const struct scenario_expected *expected)
{
    struct fault_seen seen;
    struct fault_losses losses;
    enum status status = last_seen(scenario, &seen);
    if (status == STATUS_OK)
        status = fault_measure(scenario->client, &losses, &scenario->error);
    if (status != STATUS_OK)
        return status;
    const char *verdict = fault_verdict_now(&seen, &losses);
    row(scenario, strcmp(verdict, expected->value) == 0, expected->text, "%s", verdict);
    return STATUS_OK;
}

static enum status expect_refused(struct scenario *scenario, const struct scenario_expected *expected)
{
    struct fault_seen seen;
    enum status status = last_seen(scenario, &seen);
    if (status == STATUS_OK)
        row(scenario, seen.refused, expected->text, "%s", seen.refused ? seen.reason : "not refused");
    return status;
}

/* expect_figure: what has come since the scenario began. */
static enum status expect_figure(struct scenario *scenario, const struct scenario_expected *expected)
{
    struct fault_losses now;
    struct fault_seen seen = {0};
    bool touched = expected->kind == SCENARIO_TOUCHED;
    enum status status = touched ? last_seen(scenario, &seen) : STATUS_OK;
    if (status == STATUS_OK)
        status = fault_measure(scenario->client, &now, &scenario->error);
    if (status != STATUS_OK)
        return status;
    int64_t found = touched                              ? seen.touched
                    : expected->kind == SCENARIO_LOST    ? now.lost
                    : expected->kind == SCENARIO_DOUBLED ? now.doubled
                                                         : now.restarts - scenario->before.restarts;
    if (found < 0)
        row(scenario, false, expected->text, "not known: there are no rows in the sinks yet");
    else
        row(scenario, touched ? found >= expected->figure : found == expected->figure, expected->text, "%lld",
            (long long)found);
    return STATUS_OK;
}

static enum status do_expect(struct scenario *scenario, const struct scenario_step *step)
{
    static enum status (*const EXPECTS[])(struct scenario *, const struct scenario_expected *) = {
        [SCENARIO_RECOVERED] = expect_recovered, [SCENARIO_CAUGHT_UP] = expect_caught_up,
        [SCENARIO_VERDICT] = expect_verdict,     [SCENARIO_REFUSED] = expect_refused,
        [SCENARIO_LOST] = expect_figure,         [SCENARIO_DOUBLED] = expect_figure,
        [SCENARIO_RESTARTS] = expect_figure,     [SCENARIO_TOUCHED] = expect_figure,
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < step->expected_count; i++) {
        scenario->at = step->expected[i].at;
        status = EXPECTS[step->expected[i].kind](scenario, &step->expected[i]);
    }
    return status;
}

/* --- hurting --- */

static bool wants_refusal(const struct scenario_step *step)
{
    for (size_t i = 0; i < step->expected_count; i++)
        if (step->expected[i].kind == SCENARIO_REFUSED)
            return true;
    return false;
}

static enum status do_fault(struct scenario *scenario, const struct scenario_step *step)
{
    char what[2 * WORD_BYTES];
    struct fault_seen seen = {.recovery_ms = NAN};
    const struct fault_asked *asked = &step->asked;
    struct fault_group *group = &scenario->faults[scenario->fault_count];
    enum status status = fault_ask(scenario->client, asked, group, &scenario->error);
    if (status != STATUS_OK)
        return status;
    scenario->fault_count++;
    snprintf(what, sizeof what, "fault %.100s %.100s%s%.20s", asked->kind, asked->target,
             asked->lasts ? " for " : "", asked->lasts ? asked->lasts : "");
    if (step->background) {
        row(scenario, true, what, "number %lld, in the background", (long long)group->first);
        return STATUS_OK;
    }
    status = fault_wait(scenario->client, *group, fault_wait_ms(asked), &seen, &scenario->error);
    if (status != STATUS_OK)
        return status;
    row(scenario, seen.refused ? wants_refusal(step) : seen.recovered && !seen.failed, what,
        "%s, %lld %s, recovery %.0f ms", *seen.end ? seen.end : "done", (long long)seen.touched,
        fault_seen_touched(&seen), seen.recovery_ms);
    return do_expect(scenario, step);
}

static enum status do_clear(struct scenario *scenario, const struct scenario_step *step)
{
    char arguments[48] = "{}";
    enum status status = STATUS_OK;
    struct fault_group group = step->clear ? scenario->faults[step->clear - 1] : (struct fault_group){0, 1};
    for (size_t i = 0; status == STATUS_OK && i < group.count; i++) {
        yyjson_doc *reply = NULL;
        if (step->clear)
            snprintf(arguments, sizeof arguments, "{\"id\":%lld}", (long long)group.first + (long long)i);
        status = client_ask(scenario->client, "fault_clear", arguments, &reply, &scenario->error);
        yyjson_doc_free(reply);
    }
    if (status == STATUS_OK)
        row(scenario, true, "clear", "%s", step->text);
    return status;
}

static enum status play(struct scenario *scenario, const struct scenario_file *file)
{
    static enum status (*const ACTIONS[])(struct scenario *,
                                          const struct scenario_step *) = {[SCENARIO_FAULT] = do_fault,
                                                                           [SCENARIO_WAIT] = do_wait,
                                                                           [SCENARIO_CLEAR] = do_clear,
                                                                           [SCENARIO_EXPECT] = do_expect};
    enum status status = fault_measure(scenario->client, &scenario->before, &scenario->error);
    for (size_t i = 0; status == STATUS_OK && i < file->step_count; i++) {
        scenario->step++;
        scenario->at = file->steps[i].at;
        status = ACTIONS[file->steps[i].action](scenario, &file->steps[i]);
    }
    return status;
}

enum status scenario_check(const char *path, struct error *error)
{
    struct scenario_file file;
    enum status status = scenario_read(path, &file, error);
    scenario_finish(&file);
    return status;
}

int scenario_run(struct client *client, const char *path, bool as_json)
{
    struct scenario scenario = {.client = client, .path = path, .as_json = as_json};
    struct scenario_file file;
    enum status status = scenario_read(path, &file, &scenario.error);
    int code = EXIT_WRONG_USE;
    if (status == STATUS_OK) {
        status = names_check(&scenario, &file);
        code = scenario.at.line ? EXIT_WRONG_USE : EXIT_REFUSED;
    }
    if (status == STATUS_OK) {
        scenario.name = file.name;
        table_begin(&scenario);
        status = play(&scenario, &file);
        code = status == STATUS_OK && !scenario.failed ? EXIT_FINE : EXIT_NOT_EVEN;
        table_end(&scenario, code == EXIT_FINE);
    }
    if (status != STATUS_OK && scenario.at.line)
        complain(code, "%s:%zu:%zu: %s", path, scenario.at.line, scenario.at.column, scenario.error.text);
    else if (status != STATUS_OK)
        complain(code, "%s",
                 scenario.error.text); /* of the file's reader, which says where; or nobody answers */
    scenario_finish(&file);
    return code;
}
