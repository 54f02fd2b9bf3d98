#include "fault_scenario.h"

#include "base/clock.h"
#include "config/tree.h"
#include "fault_client.h"
#include "orchestrator/faults/fault.h"
#include "verb.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 200, FAULTS_MAX = 256, WORD_BYTES = 128, GLANCE_MS = 50 };

struct scenario {
    struct client *client;
    const char *path;
    struct error error;
    int64_t faults[FAULTS_MAX]; /* begun by this scenario, in order */
    size_t fault_count;
    struct fault_losses before; /* as it was when the scenario began */
    size_t step, failed;
    const struct tree *node; /* the step at work */
};

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* --- the table --- */

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
    printf("| %4zu | %-44s | %-56s | %s |\n", scenario->step, what, measured, good ? "PASS" : "FAIL");
    fflush(stdout);
}

static void table_begin(const char *name)
{
    printf("scenario: %s\n\n| step | %-44s | %-56s | verdict |\n|---|---|---|---|\n", name, "what",
           "measured");
}

/* --- reading --- */

static enum status wrong(struct scenario *scenario, const struct tree *at, const char *format, ...)
    PRINTF_LIKE(3, 4);

static enum status wrong(struct scenario *scenario, const struct tree *at, const char *format, ...)
{
    char reason[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return error_set(&scenario->error, STATUS_INVALID, "%s:%zu:%zu: %s", scenario->path, at->line, at->column,
                     reason);
}

/* wrong_key: where the key stands, not its value; and which there are. */
static enum status wrong_key(struct scenario *scenario, const struct tree *member, const char *where,
                             const char *const *keys, size_t key_count)
{
    char known[160] = "";
    for (size_t i = 0, length = 0; i < key_count && length < sizeof known; i++)
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", keys[i]);
    return error_set(&scenario->error, STATUS_INVALID,
                     "%s:%zu:%zu: %.80s: no such key in a %s; there are: %s", scenario->path,
                     member->key_line, member->key_column, member->key, where, known);
}

static const char *text_of(const struct tree *step, const char *key)
{
    const struct tree *member = tree_member(step, key);
    return member ? member->text : NULL;
}

static const char *const STEP_KEYS[] = {"fault", "wait", "clear",  "expect", "for",   "link",      "share",
                                        "count", "seed", "amount", "signal", "force", "background"};

enum { ACTIONS = 4 }; /* of STEP_KEYS; expect may stand beside a fault */

static bool is_step_key(const char *key)
{
    for (size_t i = 0; i < sizeof STEP_KEYS / sizeof *STEP_KEYS; i++)
        if (strcmp(STEP_KEYS[i], key) == 0)
            return true;
    return false;
}

static enum status step_check(struct scenario *scenario, const struct tree *step)
{
    size_t actions = 0;
    if (step->type != TREE_MAP)
        return wrong(scenario, step, "a step must be a map");
    for (size_t i = 0; i < step->count; i++) {
        const struct tree *member = &step->children[i];
        if (!is_step_key(member->key))
            return wrong_key(scenario, member, "step", STEP_KEYS, sizeof STEP_KEYS / sizeof *STEP_KEYS);
        if (member->type != TREE_TEXT)
            return wrong(scenario, member, "%s: must be a text", member->key);
    }
    for (size_t i = 0; i < ACTIONS; i++)
        actions += tree_member(step, STEP_KEYS[i]) != NULL;
    bool fault = tree_member(step, "fault");
    if (actions != 1 && !(fault && actions == 2 && tree_member(step, "expect")))
        return wrong(scenario, step,
                     "a step does one thing: fault (with or without expect), wait, clear or expect");
    if (!fault && step->count > 1)
        return wrong(scenario, step, "only a fault takes more than one key");
    return STATUS_OK;
}

static const char *const FILE_KEYS[] = {"name", "about", "steps"};

static bool is_file_key(const char *key)
{
    for (size_t i = 0; i < sizeof FILE_KEYS / sizeof *FILE_KEYS; i++)
        if (strcmp(FILE_KEYS[i], key) == 0)
            return true;
    return false;
}

static enum status file_check(struct scenario *scenario, const struct tree *root)
{
    const struct tree *steps = tree_member(root, "steps"), *name = tree_member(root, "name");
    for (size_t i = 0; root->type == TREE_MAP && i < root->count; i++)
        if (!is_file_key(root->children[i].key))
            return wrong_key(scenario, &root->children[i], "scenario", FILE_KEYS,
                             sizeof FILE_KEYS / sizeof *FILE_KEYS);
    if (root->type != TREE_MAP || !name || name->type != TREE_TEXT || !steps || steps->type != TREE_LIST)
        return wrong(scenario, root, "a scenario has a name (a text) and steps (a list)");
    if (!steps->count || steps->count > STEPS_MAX)
        return wrong(scenario, steps, "must have 1 to %d steps", STEPS_MAX);
    for (size_t i = 0; i < steps->count; i++) {
        enum status status = step_check(scenario, &steps->children[i]);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* within: cuts " within T" off the end of a text. STATUS_NOT_FOUND: there is none. */
static enum status within(struct scenario *scenario, const struct tree *at, char *text, int64_t *out_ms)
{
    struct error error;
    char *found = strstr(text, " within ");
    if (!found)
        return wrong(scenario, at, "'%s': needs 'within' and a time, as in 'caught_up within 12s'", text);
    *found = 0;
    if (duration_read(found + 8, out_ms, &error) != STATUS_OK)
        return wrong(scenario, at, "%s", error.text);
    return STATUS_OK;
}

/* --- waiting --- */

typedef enum status ask_state(struct scenario *scenario, const char *subject, const char *state, bool *out_so,
                              char out_now[WORD_BYTES]);

static enum status ask_steady(struct scenario *scenario, const char *subject, const char *state, bool *out_so,
                              char out_now[WORD_BYTES])
{
    (void)subject, (void)state;
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

static enum status ask_fault(struct scenario *scenario, const char *subject, const char *state, bool *out_so,
                             char out_now[WORD_BYTES])
{
    (void)subject;
    struct fault_seen seen;
    if (!scenario->fault_count)
        return wrong(scenario, scenario->node, "no fault has been begun");
    enum status status =
        fault_look(scenario->client, scenario->faults[scenario->fault_count - 1], &seen, &scenario->error);
    if (status != STATUS_OK)
        return status;
    bool over = strcmp(seen.end, "lasts") != 0;
    *out_so = strcmp(state, "recovered") == 0 ? seen.recovered
              : strcmp(state, "touched") == 0 ? seen.touched > 0
                                              : over;
    snprintf(out_now, WORD_BYTES, "%s", seen.recovered ? "recovered" : seen.end);
    return STATUS_OK;
}

static enum status ask_process(struct scenario *scenario, const char *subject, const char *state,
                               bool *out_so, char out_now[WORD_BYTES])
{
    char arguments[WORD_BYTES + 16] = "{}";
    yyjson_doc *reply;
    bool own = strcmp(subject, "orchestrator") == 0;
    if (!own)
        snprintf(arguments, sizeof arguments, "{\"name\":\"%.100s\"}", subject);
    enum status status = client_ask(scenario->client, "status", arguments, &reply, &scenario->error);
    if (status != STATUS_OK)
        return status;
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    yyjson_val *process = yyjson_arr_get_first(yyjson_obj_get(result, "processes"));
    const char *health = member_text(process, "health"), *now = member_text(process, "state");
    if (own) { /* it speaks of itself where it speaks of all */
        now = member_text(yyjson_obj_get(result, "orchestrator"), "state");
        health = strcmp(now, "degraded") == 0 ? now : "healthy";
    }
    bool up = strcmp(now, "ready") == 0 || strcmp(now, "running") == 0;
    *out_so = strcmp(state, "up") == 0 ? up : strcmp(health, state) == 0;
    snprintf(out_now, WORD_BYTES, "%.40s, %.40s", now, health);
    yyjson_doc_free(reply);
    return STATUS_OK;
}

/* wait_for: asks until it is so; a moment without an answer (no descriptor for us) is no answer, not an end. */
static enum status wait_for(struct scenario *scenario, ask_state *ask, const char *subject, const char *state,
                            int64_t limit_ms, const char *what)
{
    int64_t begun_ms = now_ms();
    char now[WORD_BYTES] = "no answer";
    bool so = false;
    for (;;) {
        enum status status = ask(scenario, subject, state, &so, now);
        if (status != STATUS_OK && status != STATUS_AGAIN)
            return status;
        int64_t took_ms = now_ms() - begun_ms;
        if (so || took_ms >= limit_ms) {
            row(scenario, so, what, "%s after %lld ms", now, (long long)took_ms);
            return STATUS_OK;
        }
        client_wait(scenario->client, GLANCE_MS);
    }
}

static enum status do_wait(struct scenario *scenario, const struct tree *at)
{
    static const char *const STATES[] = {"healthy", "unhealthy", "degraded", "up"};
    char text[WORD_BYTES], subject[WORD_BYTES] = "", state[WORD_BYTES] = "";
    int64_t limit_ms = 0;
    snprintf(text, sizeof text, "%.127s", at->text);
    enum status status = within(scenario, at, text, &limit_ms);
    if (status != STATUS_OK)
        return status;
    if (strcmp(text, "steady") == 0)
        return wait_for(scenario, ask_steady, "", "", limit_ms, at->text);
    if (strcmp(text, "fault over") == 0 || strcmp(text, "fault recovered") == 0 ||
        strcmp(text, "fault touched") == 0)
        return wait_for(scenario, ask_fault, "", text + 6, limit_ms, at->text);
    if (sscanf(text, "%127s %127s", subject, state) == 2)
        for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
            if (strcmp(state, STATES[i]) == 0)
                return wait_for(scenario, ask_process, subject, state, limit_ms, at->text);
    return wrong(scenario, at,
                 "'%s': waits are for 'steady', 'fault touched', 'fault over', 'fault recovered', or a "
                 "process being healthy, "
                 "unhealthy, degraded or up",
                 text);
}

/* --- expecting --- */

/* last_seen: the newest fault of the scenario. */
static enum status last_seen(struct scenario *scenario, const struct tree *at, struct fault_seen *out_seen)
{
    if (!scenario->fault_count)
        return wrong(scenario, at, "no fault has been begun");
    return fault_look(scenario->client, scenario->faults[scenario->fault_count - 1], out_seen,
                      &scenario->error);
}

/* expect_recovered: every fault of the scenario, each within the time. */
static enum status expect_recovered(struct scenario *scenario, int64_t limit_ms, const char *what)
{
    double longest = 0;
    size_t recovered = 0;
    for (size_t i = 0; i < scenario->fault_count; i++) {
        struct fault_seen seen;
        enum status status = fault_wait(scenario->client, scenario->faults[i],
                                        limit_ms + FAULT_RECOVERY_MAX_MS, &seen, &scenario->error);
        if (status != STATUS_OK)
            return status;
        recovered += seen.recovered;
        longest = seen.recovery_ms > longest ? seen.recovery_ms : longest;
    }
    row(scenario, recovered == scenario->fault_count && longest <= (double)limit_ms, what,
        "%zu of %zu recovered, longest %.0f ms", recovered, scenario->fault_count, longest);
    return STATUS_OK;
}

static enum status expect_verdict(struct scenario *scenario, const struct tree *at, const char *value,
                                  const char *what)
{
    struct fault_seen seen;
    struct fault_losses losses;
    enum status status = last_seen(scenario, at, &seen);
    if (status == STATUS_OK)
        status = fault_measure(scenario->client, &losses, &scenario->error);
    if (status != STATUS_OK)
        return status;
    const char *verdict = fault_verdict_now(&seen, &losses);
    row(scenario, strcmp(verdict, value) == 0, what, "%s", verdict);
    return STATUS_OK;
}

static enum status expect_refused(struct scenario *scenario, const struct tree *at, const char *what)
{
    struct fault_seen seen;
    enum status status = last_seen(scenario, at, &seen);
    if (status == STATUS_OK)
        row(scenario, seen.refused, what, "%s", seen.refused ? seen.reason : "not refused");
    return status;
}

/* expect_figure: what has come since the scenario began. */
static enum status expect_figure(struct scenario *scenario, const struct tree *at, const char *name,
                                 const char *value, const char *what)
{
    struct fault_losses now;
    struct fault_seen seen = {0};
    char *end;
    long long wanted = strtoll(value, &end, 10);
    if (end == value || *end || wanted < 0)
        return wrong(scenario, at, "%s: '%s' must be a whole number", name, value);
    bool touched = strcmp(name, "touched") == 0;
    enum status status = touched ? last_seen(scenario, at, &seen) : STATUS_OK;
    if (status == STATUS_OK)
        status = fault_measure(scenario->client, &now, &scenario->error);
    if (status != STATUS_OK)
        return status;
    int64_t found = touched                        ? seen.touched
                    : strcmp(name, "lost") == 0    ? now.lost
                    : strcmp(name, "doubled") == 0 ? now.doubled
                                                   : now.restarts - scenario->before.restarts;
    if (found < 0)
        row(scenario, false, what, "not known: there are no rows in the sinks yet");
    else
        row(scenario, touched ? found >= wanted : found == wanted, what, "%lld", (long long)found);
    return STATUS_OK;
}

static enum status expect_one(struct scenario *scenario, const struct tree *at, char *text)
{
    static const char *const FIGURES[] = {"lost", "doubled", "restarts", "touched"};
    char what[WORD_BYTES], *colon = strchr(text, ':');
    int64_t limit_ms = 0;
    snprintf(what, sizeof what, "%.127s", text);
    if (!colon) {
        enum status status = within(scenario, at, text, &limit_ms);
        if (status != STATUS_OK)
            return status;
        if (strcmp(text, "recovered") == 0)
            return expect_recovered(scenario, limit_ms, what);
        if (strcmp(text, "caught_up") == 0)
            return wait_for(scenario, ask_steady, "", "", limit_ms, what);
        return wrong(scenario, at, "'%s': expected can be 'recovered' and 'caught_up' within a time", text);
    }
    *colon = 0;
    const char *value = colon + 1 + strspn(colon + 1, " ");
    if (strcmp(text, "verdict") == 0)
        return expect_verdict(scenario, at, value, what);
    if (strcmp(text, "refused") == 0 && strcmp(value, "yes") == 0)
        return expect_refused(scenario, at, what);
    for (size_t i = 0; i < sizeof FIGURES / sizeof *FIGURES; i++)
        if (strcmp(text, FIGURES[i]) == 0)
            return expect_figure(scenario, at, text, value, what);
    return wrong(scenario, at, "'%s': there is no such expectation", text);
}

static enum status do_expect(struct scenario *scenario, const struct tree *at)
{
    char text[1024], *rest = text;
    enum status status = STATUS_OK;
    snprintf(text, sizeof text, "%.1023s", at->text);
    for (char *one; status == STATUS_OK && (one = strsep(&rest, ","));) {
        one += strspn(one, " ");
        for (size_t length = strlen(one); length && isspace((unsigned char)one[length - 1]); length--)
            one[length - 1] = 0;
        status = expect_one(scenario, at, one);
    }
    return status;
}

/* --- hurting --- */

static bool said_yes(const struct tree *step, const char *key)
{
    const char *text = text_of(step, key);
    return text && (strcmp(text, "yes") == 0 || strcmp(text, "true") == 0);
}

static enum status do_fault(struct scenario *scenario, const struct tree *step)
{
    char kind[WORD_BYTES], target[WORD_BYTES], surplus[2], what[2 * WORD_BYTES];
    const struct tree *at = tree_member(step, "fault"), *expects = tree_member(step, "expect");
    struct fault_seen seen = {.recovery_ms = NAN};
    if (sscanf(at->text, "%127s %127s %1s", kind, target, surplus) != 2)
        return wrong(scenario, at, "'%s': must be a kind and a target", at->text);
    struct fault_asked asked = {.kind = kind,
                                .target = target,
                                .lasts = text_of(step, "for"),
                                .link = text_of(step, "link"),
                                .share = text_of(step, "share"),
                                .count = text_of(step, "count"),
                                .seed = text_of(step, "seed"),
                                .amount = text_of(step, "amount"),
                                .signal = text_of(step, "signal"),
                                .force = said_yes(step, "force")};
    if (scenario->fault_count == FAULTS_MAX)
        return wrong(scenario, at, "more than %d faults", FAULTS_MAX);
    int64_t *id = &scenario->faults[scenario->fault_count];
    enum status status = fault_ask(scenario->client, &asked, id, &scenario->error);
    if (status != STATUS_OK)
        return status;
    scenario->fault_count++;
    snprintf(what, sizeof what, "fault %.100s %.100s%s%.20s", kind, target, asked.lasts ? " for " : "",
             asked.lasts ? asked.lasts : "");
    if (said_yes(step, "background")) {
        row(scenario, true, what, "number %lld, in the background", (long long)*id);
        return STATUS_OK;
    }
    status = fault_wait(scenario->client, *id, fault_wait_ms(&asked), &seen, &scenario->error);
    if (status != STATUS_OK)
        return status;
    bool wants_refusal = expects && strstr(expects->text, "refused");
    row(scenario, seen.refused ? wants_refusal : seen.recovered && !seen.failed, what,
        "%s, %lld %s, recovery %.0f ms", *seen.end ? seen.end : "done", (long long)seen.touched,
        fault_seen_touched(&seen), seen.recovery_ms);
    return expects ? do_expect(scenario, expects) : STATUS_OK;
}

static enum status do_clear(struct scenario *scenario, const struct tree *at)
{
    char arguments[48] = "{}", *end;
    yyjson_doc *reply;
    long long number = strtoll(at->text, &end, 10);
    bool all = strcmp(at->text, "all") == 0;
    if (!all && (*end || number < 1 || (size_t)number > scenario->fault_count))
        return wrong(scenario, at, "'%s': must be 'all', or which fault of this scenario", at->text);
    if (!all)
        snprintf(arguments, sizeof arguments, "{\"id\":%lld}", (long long)scenario->faults[number - 1]);
    enum status status = client_ask(scenario->client, "fault_clear", arguments, &reply, &scenario->error);
    if (status != STATUS_OK)
        return status;
    yyjson_doc_free(reply);
    row(scenario, true, "clear", "%s", at->text);
    return STATUS_OK;
}

static enum status do_step(struct scenario *scenario, const struct tree *step)
{
    const struct tree *wait = tree_member(step, "wait"), *clear = tree_member(step, "clear"),
                      *expects = tree_member(step, "expect");
    scenario->step++;
    scenario->node = step;
    if (tree_member(step, "fault"))
        return do_fault(scenario, step);
    return wait ? do_wait(scenario, wait) : clear ? do_clear(scenario, clear) : do_expect(scenario, expects);
}

enum status scenario_check(const char *path, struct error *error)
{
    struct scenario scenario = {.path = path};
    struct tree root = {.type = TREE_TEXT};
    enum status status = tree_read(path, &root, &scenario.error);
    if (status == STATUS_OK)
        status = file_check(&scenario, &root);
    if (status != STATUS_OK)
        *error = scenario.error;
    tree_finish(&root);
    return status;
}

int scenario_run(struct client *client, const char *path)
{
    struct scenario *scenario = calloc(1, sizeof *scenario);
    struct tree root = {.type = TREE_TEXT};
    if (!scenario)
        return complain(EXIT_REFUSED, "no memory");
    scenario->client = client;
    scenario->path = path;
    enum status status = tree_read(path, &root, &scenario->error);
    if (status == STATUS_OK)
        status = file_check(scenario, &root);
    int code = status == STATUS_OK ? EXIT_FINE : EXIT_WRONG_USE;
    if (status == STATUS_OK) {
        const struct tree *steps = tree_member(&root, "steps");
        table_begin(tree_member(&root, "name")->text);
        status = fault_measure(client, &scenario->before, &scenario->error);
        for (size_t i = 0; status == STATUS_OK && i < steps->count; i++)
            status = do_step(scenario, &steps->children[i]);
        code = status == STATUS_OK && !scenario->failed ? EXIT_FINE : EXIT_NOT_EVEN;
        printf("\n%s: %s\n", tree_member(&root, "name")->text, code == EXIT_FINE ? "PASS" : "FAIL");
    }
    if (status != STATUS_OK)
        complain(code, "%s", scenario->error.text);
    tree_finish(&root);
    free(scenario);
    return code;
}
