#include "fault_scenario_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* reading: the file at work. */
struct reading {
    const char *path;
    struct error *error;
    size_t faults; /* begun by the steps so far */
};

static enum status wrong(struct reading *reading, const struct tree *at, const char *format, ...)
    PRINTF_LIKE(3, 4);

static enum status wrong(struct reading *reading, const struct tree *at, const char *format, ...)
{
    char reason[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return error_set(reading->error, STATUS_INVALID, "%s:%zu:%zu: %s", reading->path, at->line, at->column,
                     reason);
}

/* wrong_key: where the key stands, not its value; and which there are. */
static enum status wrong_key(struct reading *reading, const struct tree *member, const char *where,
                             const char *const *keys, size_t key_count)
{
    char known[160] = "";
    for (size_t i = 0, length = 0; i < key_count && length < sizeof known; i++)
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", keys[i]);
    return error_set(reading->error, STATUS_INVALID, "%s:%zu:%zu: %.80s: no such key in a %s; there are: %s",
                     reading->path, member->key_line, member->key_column, member->key, where, known);
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

static enum status keys_check(struct reading *reading, const struct tree *step)
{
    size_t actions = 0;
    if (step->type != TREE_MAP)
        return wrong(reading, step, "a step must be a map");
    for (size_t i = 0; i < step->count; i++) {
        const struct tree *member = &step->children[i];
        if (!is_step_key(member->key))
            return wrong_key(reading, member, "step", STEP_KEYS, sizeof STEP_KEYS / sizeof *STEP_KEYS);
        if (member->type != TREE_TEXT)
            return wrong(reading, member, "%s: must be a text", member->key);
    }
    for (size_t i = 0; i < ACTIONS; i++)
        actions += tree_member(step, STEP_KEYS[i]) != NULL;
    bool fault = tree_member(step, "fault");
    if (actions != 1 && !(fault && actions == 2 && tree_member(step, "expect")))
        return wrong(reading, step,
                     "a step does one thing: fault (with or without expect), wait, clear or expect");
    if (!fault && step->count > 1)
        return wrong(reading, step, "only a fault takes more than one key");
    return STATUS_OK;
}

/* --- times and words --- */

/* within: cuts " within T" off the end of a text. */
static enum status within(struct reading *reading, const struct tree *at, char *text, int64_t *out_ms)
{
    struct error error;
    char *found = strstr(text, " within ");
    if (!found)
        return wrong(reading, at, "'%s': needs 'within' and a time, as in 'caught_up within 12s'", text);
    *found = 0;
    if (duration_read(found + 8, out_ms, &error) != STATUS_OK)
        return wrong(reading, at, "%s", error.text);
    return STATUS_OK;
}

static enum status fault_begun(struct reading *reading, const struct tree *at)
{
    return reading->faults ? STATUS_OK : wrong(reading, at, "no fault has been begun");
}

/* yes_read: false when the step says nothing of it. */
static enum status yes_read(struct reading *reading, const struct tree *step, const char *key, bool *out_yes)
{
    const struct tree *at = tree_member(step, key);
    *out_yes = at && (strcmp(at->text, "yes") == 0 || strcmp(at->text, "true") == 0);
    if (at && !*out_yes && strcmp(at->text, "no") != 0 && strcmp(at->text, "false") != 0)
        return wrong(reading, at, "%s: '%.40s' must be yes or no", key, at->text);
    return STATUS_OK;
}

/* --- waiting --- */

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* fault_wait_read: "fault touched", also "fault touched 5": so much at least. False: these words are no wait for a fault. */
static bool fault_wait_read(int words, const char *number, struct scenario_wait *wait)
{
    static const char *const OF_FAULTS[] = {"touched", "over", "recovered"};
    bool touched = strcmp(wait->state, "touched") == 0;
    char *end = NULL;
    wait->kind = SCENARIO_WAIT_FAULT;
    wait->least = 1;
    if (words < 2 || strcmp(wait->subject, "fault") != 0 ||
        !is_one_of(wait->state, OF_FAULTS, sizeof OF_FAULTS / sizeof *OF_FAULTS))
        return false;
    if (words == 2)
        return true;
    errno = 0;
    wait->least = strtoll(number, &end, 10);
    return touched && words == 3 && !*end && !errno && wait->least >= 1;
}

static enum status wait_read(struct reading *reading, const struct tree *at, struct scenario_wait *wait)
{
    static const char *const OF_PROCESSES[] = {"healthy", "unhealthy", "degraded", "up"};
    char text[SCENARIO_WORD_BYTES], number[SCENARIO_WORD_BYTES] = "", surplus[2];
    if (strlen(at->text) >= sizeof text)
        return wrong(reading, at, "'%.40s…': is too long", at->text);
    snprintf(text, sizeof text, "%s", at->text);
    enum status status = within(reading, at, text, &wait->limit_ms);
    if (status != STATUS_OK)
        return status;
    int words = sscanf(text, "%127s %127s %127s %1s", wait->subject, wait->state, number, surplus);
    if (words == 1 && strcmp(wait->subject, "steady") == 0) {
        wait->kind = SCENARIO_WAIT_STEADY;
        return STATUS_OK;
    }
    if (fault_wait_read(words, number, wait))
        return fault_begun(reading, at);
    wait->kind = SCENARIO_WAIT_PROCESS;
    if (words == 2 && is_one_of(wait->state, OF_PROCESSES, sizeof OF_PROCESSES / sizeof *OF_PROCESSES))
        return STATUS_OK;
    return wrong(reading, at,
                 "'%s': waits are for 'steady', 'fault touched' (or 'fault touched 5'), 'fault over', "
                 "'fault recovered', or a process being healthy, unhealthy, degraded or up",
                 text);
}

/* --- expecting --- */

/* expected_row: one that may be expected. */
struct expected_row {
    const char *name;
    enum scenario_expected_kind kind;
    bool is_within; /* NAME within T; else NAME: VALUE */
    bool of_fault;  /* of the newest fault, or of all: there must be one */
};

static const struct expected_row EXPECTED[] = {
    {"recovered", SCENARIO_RECOVERED, true, true}, {"caught_up", SCENARIO_CAUGHT_UP, true, false},
    {"verdict", SCENARIO_VERDICT, false, true},    {"refused", SCENARIO_REFUSED, false, true},
    {"lost", SCENARIO_LOST, false, false},         {"doubled", SCENARIO_DOUBLED, false, false},
    {"restarts", SCENARIO_RESTARTS, false, false}, {"touched", SCENARIO_TOUCHED, false, true},
};

static const struct expected_row *expected_row(const char *name, bool is_within)
{
    for (size_t i = 0; i < sizeof EXPECTED / sizeof *EXPECTED; i++)
        if (EXPECTED[i].is_within == is_within && strcmp(EXPECTED[i].name, name) == 0)
            return &EXPECTED[i];
    return NULL;
}

static enum status value_read(struct reading *reading, const struct tree *at, const char *name,
                              const char *text, struct scenario_expected *expected)
{
    static const char *const VERDICTS[] = {"PASS", "FAIL", "UNKNOWN"};
    char *end;
    if (expected->kind == SCENARIO_VERDICT) {
        for (size_t i = 0; i < sizeof VERDICTS / sizeof *VERDICTS; i++)
            if (strcmp(text, VERDICTS[i]) == 0)
                expected->value = VERDICTS[i];
        return expected->value ? STATUS_OK
                               : wrong(reading, at, "%s: '%s' must be PASS, FAIL or UNKNOWN", name, text);
    }
    if (expected->kind == SCENARIO_REFUSED)
        return strcmp(text, "yes") == 0 ? STATUS_OK : wrong(reading, at, "%s: '%s' must be yes", name, text);
    errno = 0;
    expected->figure = strtoll(text, &end, 10);
    if (end == text || *end || errno || expected->figure < 0)
        return wrong(reading, at, "%s: '%s' must be a whole number", name, text);
    return STATUS_OK;
}

static enum status expected_one(struct reading *reading, const struct tree *at, const char *one,
                                struct scenario_expected *expected)
{
    char text[SCENARIO_WORD_BYTES];
    if (strlen(one) >= sizeof text)
        return wrong(reading, at, "'%.40s…': is too long", one);
    snprintf(text, sizeof text, "%s", one);
    snprintf(expected->text, sizeof expected->text, "%s", one);
    expected->at = (struct scenario_place){at->line, at->column};
    char *colon = strchr(text, ':');
    if (colon)
        *colon = 0;
    enum status status = colon ? STATUS_OK : within(reading, at, text, &expected->limit_ms);
    if (status != STATUS_OK)
        return status;
    const struct expected_row *row = expected_row(text, !colon);
    if (!row && colon)
        return wrong(reading, at, "'%s': there is no such expectation", text);
    if (!row)
        return wrong(reading, at, "'%s': expected can be 'recovered' and 'caught_up' within a time", text);
    expected->kind = row->kind;
    if (colon)
        status = value_read(reading, at, text, colon + 1 + strspn(colon + 1, " "), expected);
    return status == STATUS_OK && row->of_fault ? fault_begun(reading, at) : status;
}

static enum status expected_read(struct reading *reading, const struct tree *at, struct scenario_step *step)
{
    char *text = strdup(at->text), *rest = text;
    enum status status = text ? STATUS_OK : error_set(reading->error, STATUS_LIMIT, "no memory");
    for (char *one; status == STATUS_OK && (one = strsep(&rest, ","));) {
        one += strspn(one, " ");
        for (size_t length = strlen(one); length && isspace((unsigned char)one[length - 1]); length--)
            one[length - 1] = 0;
        if (step->expected_count == SCENARIO_EXPECTED_MAX)
            status = wrong(reading, at, "more than %d expectations", SCENARIO_EXPECTED_MAX);
        else
            status = expected_one(reading, at, one, &step->expected[step->expected_count++]);
    }
    free(text);
    return status;
}

/* --- hurting --- */

/* settings_read: each is checked by itself, so that a mistake is told where it stands. */
static enum status settings_read(struct reading *reading, const struct tree *node, struct fault_asked *asked)
{
    const struct {
        const char *key;
        size_t place;
    } SETTINGS[] = {
        {"for", offsetof(struct fault_asked, lasts)},    {"link", offsetof(struct fault_asked, link)},
        {"share", offsetof(struct fault_asked, share)},  {"count", offsetof(struct fault_asked, count)},
        {"seed", offsetof(struct fault_asked, seed)},    {"amount", offsetof(struct fault_asked, amount)},
        {"signal", offsetof(struct fault_asked, signal)}};
    for (size_t i = 0; i < sizeof SETTINGS / sizeof *SETTINGS; i++) {
        const struct tree *at = tree_member(node, SETTINGS[i].key);
        struct fault_asked alone = {.kind = asked->kind, .target = asked->target};
        struct error error;
        if (!at)
            continue;
        *(const char **)((char *)&alone + SETTINGS[i].place) = at->text;
        *(const char **)((char *)asked + SETTINGS[i].place) = at->text;
        if (fault_check(&alone, &error) != STATUS_OK)
            return wrong(reading, at, "%s", error.text);
    }
    return STATUS_OK;
}

static enum status fault_read(struct reading *reading, const struct tree *node, struct scenario_step *step)
{
    const struct tree *at = tree_member(node, "fault"), *expects = tree_member(node, "expect");
    char surplus[2];
    struct error error;
    if (sscanf(at->text, "%127s %127s %1s", step->kind, step->target, surplus) != 2)
        return wrong(reading, at, "'%s': must be a kind and a target", at->text);
    step->asked = (struct fault_asked){.kind = step->kind, .target = step->target};
    if (fault_check(&step->asked, &error) != STATUS_OK)
        return wrong(reading, at, "%s", error.text);
    enum status status = settings_read(reading, node, &step->asked);
    if (status == STATUS_OK)
        status = yes_read(reading, node, "force", &step->asked.force);
    if (status == STATUS_OK)
        status = yes_read(reading, node, "background", &step->background);
    reading->faults++;
    return status == STATUS_OK && expects ? expected_read(reading, expects, step) : status;
}

static enum status clear_read(struct reading *reading, const struct tree *at, size_t *out_clear)
{
    char *end;
    long long number = strtoll(at->text, &end, 10);
    bool all = strcmp(at->text, "all") == 0;
    if (!all && (*end || number < 1 || (size_t)number > reading->faults))
        return wrong(reading, at, "'%s': must be 'all', or which fault of this scenario", at->text);
    *out_clear = all ? 0 : (size_t)number;
    return STATUS_OK;
}

/* --- the file --- */

static enum status step_read(struct reading *reading, const struct tree *node, struct scenario_step *step)
{
    enum status status = keys_check(reading, node);
    if (status != STATUS_OK)
        return status;
    while (!tree_member(node,
                        STEP_KEYS[step->action])) /* one of them is there; a fault's expect comes behind it */
        step->action++;
    const struct tree *at = tree_member(node, STEP_KEYS[step->action]);
    step->text = at->text;
    step->at = (struct scenario_place){at->line, at->column};
    switch (step->action) {
    case SCENARIO_FAULT: return fault_read(reading, node, step);
    case SCENARIO_WAIT: return wait_read(reading, at, &step->wait);
    case SCENARIO_CLEAR: return clear_read(reading, at, &step->clear);
    case SCENARIO_EXPECT: return expected_read(reading, at, step);
    }
    return STATUS_INVALID;
}

static const char *const FILE_KEYS[] = {"name", "about", "steps"};

static bool is_file_key(const char *key)
{
    for (size_t i = 0; i < sizeof FILE_KEYS / sizeof *FILE_KEYS; i++)
        if (strcmp(FILE_KEYS[i], key) == 0)
            return true;
    return false;
}

static enum status file_read(struct reading *reading, struct scenario_file *file)
{
    const struct tree *root = &file->root, *steps = tree_member(root, "steps"),
                      *name = tree_member(root, "name");
    for (size_t i = 0; root->type == TREE_MAP && i < root->count; i++)
        if (!is_file_key(root->children[i].key))
            return wrong_key(reading, &root->children[i], "scenario", FILE_KEYS,
                             sizeof FILE_KEYS / sizeof *FILE_KEYS);
    if (root->type != TREE_MAP || !name || name->type != TREE_TEXT || !steps || steps->type != TREE_LIST)
        return wrong(reading, root, "a scenario has a name (a text) and steps (a list)");
    if (!steps->count || steps->count > SCENARIO_STEPS_MAX)
        return wrong(reading, steps, "must have 1 to %d steps", SCENARIO_STEPS_MAX);
    file->steps = calloc(steps->count, sizeof *file->steps);
    if (!file->steps)
        return error_set(reading->error, STATUS_LIMIT, "no memory");
    file->name = name->text;
    file->step_count = steps->count;
    for (size_t i = 0; i < steps->count; i++) {
        enum status status = step_read(reading, &steps->children[i], &file->steps[i]);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status scenario_read(const char *path, struct scenario_file *out_file, struct error *error)
{
    struct reading reading = {.path = path, .error = error};
    *out_file = (struct scenario_file){.root = {.type = TREE_TEXT}};
    enum status status = tree_read(path, &out_file->root, error);
    return status == STATUS_OK ? file_read(&reading, out_file) : status;
}

void scenario_finish(struct scenario_file *file)
{
    free(file->steps);
    tree_finish(&file->root);
}
