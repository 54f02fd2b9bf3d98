/* why and replay: what a run stored against what its capture gives. The computing is done by the programs of tools/recompute, which this
 * one becomes; here the words and the places of the run in this folder are found. */
#include "base/file.h"
#include "config/plan.h"
#include "journal/capture.h"
#include "place.h"
#include "program.h"
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = VERB_WORDS_MAX * 2 + PLAN_INSTANCES_MAX * 2 + 16, KEY_BYTES = 256 };

/* command: the command line of recompute. */
struct command {
    const char *arguments[ARGUMENTS_MAX + 1];
    size_t count;
    char root[PATH_BYTES], raw[PLAN_INSTANCES_MAX][PATH_BYTES], manifest[PATH_BYTES], run_id[128], symbol[64],
        time[32];
    size_t raw_count; /* of captures that are to be read as one */
};

/* key: what a key says; empty what it leaves out. */
struct key {
    char run_id[128], symbol[64], time[32];
};

static void add(struct command *command, const char *argument)
{
    command->arguments[command->count++] = argument;
}

/* take_part: false when it is empty or too long. */
static bool take_part(const char *from, const char *to, char *out, size_t size)
{
    size_t length = (size_t)(to - from);
    if (length == 0 || length >= size)
        return false;
    memcpy(out, from, length);
    out[length] = 0;
    return true;
}

/* parse_key: RUN/SYMBOL/TS_MS or SYMBOL/TS_MS. */
static bool parse_key(const char *text, struct key *out)
{
    const char *last = strrchr(text, '/');
    const char *first = strchr(text, '/');
    if (!last || !take_part(last + 1, text + strlen(text), out->time, sizeof out->time))
        return false;
    if (first == last)
        return take_part(text, last, out->symbol, sizeof out->symbol);
    return take_part(text, first, out->run_id, sizeof out->run_id) &&
           take_part(first + 1, last, out->symbol, sizeof out->symbol) && !strchr(out->symbol, '/');
}

/* parse_words: the key of one word, or SYMBOL TS_MS; with --all at most a run. */
static bool parse_words(const struct invocation *invocation, bool all, struct key *out)
{
    const char *const *words = invocation->words;
    if (all) /* the one word there may be is a run */
        return invocation->word_count == 0 ||
               (invocation->word_count == 1 && !invocation_value(invocation, "--run-id") &&
                take_part(words[0], words[0] + strlen(words[0]), out->run_id, sizeof out->run_id));
    if (invocation->word_count == 1)
        return parse_key(words[0], out);
    return invocation->word_count == 2 &&
           take_part(words[0], words[0] + strlen(words[0]), out->symbol, sizeof out->symbol) &&
           take_part(words[1], words[1] + strlen(words[1]), out->time, sizeof out->time);
}

/* The captures of a run: every instance of harvest has its own. As long as no symbol has moved, each holds all of its own symbols and
 * can be read by itself; then a symbol's history may lie in several, and they are read as one (journal/capture_chain.h). */

/* raw_folder: of an instance by its number; false: it has none. */
static bool raw_folder(const char *root, size_t number, char out_path[PATH_BYTES])
{
    char name[PLAN_NAME_BYTES];
    plan_instance_name("harvest", number, name);
    if (number == 1)
        path_join(out_path, root, "raw");
    else
        path_join(out_path, root, "raw-%s", name);
    return number == 1 || file_exists(out_path);
}

/* raw_all: the captures of all instances there were. */
static void raw_all(struct command *command)
{
    command->raw_count = 0;
    for (size_t number = 1; number <= PLAN_INSTANCES_MAX; number++)
        command->raw_count += raw_folder(command->root, number, command->raw[command->raw_count]);
}

/* unmoved: the run's plan when it says that nothing has moved; NULL: nobody knows. */
static struct plan *unmoved(const struct command *command)
{
    struct plan *plan = NULL;
    struct error error;
    if (plan_read("runtime/plan.json", &plan, &error) != STATUS_OK)
        return NULL;
    if (strcmp(plan->run_id, command->run_id) == 0 && plan->version == 1)
        return plan;
    plan_destroy(plan);
    return NULL;
}

/* raw_of_symbol: of its owner, when it never had another. */
static void raw_of_symbol(struct command *command, const char *symbol)
{
    struct plan *plan = unmoved(command);
    const char *owner = plan ? plan_owner(plan, "harvest", symbol) : NULL;
    raw_all(command);
    if (owner && raw_folder(command->root, plan_instance_number("harvest", owner), command->raw[0]))
        command->raw_count = 1;
    else if (owner)
        raw_folder(command->root, 1, command->raw[0]);
    plan_destroy(plan);
}

/* run_meant: the newest one, or one that is named: it can be asked about as long as its capture lies here, whatever has been cleaned. */
static enum status run_meant(const char *run_id, char out_id[RUN_ID_BYTES], struct config **out_config,
                             struct error *error)
{
    enum status status = place_run(run_id, out_id, out_config, error);
    if (status != STATUS_NOT_FOUND || !run_id)
        return status;
    snprintf(out_id, RUN_ID_BYTES, "%s", run_id);
    return place_config(out_config, error);
}

/* find_places: of the run in this folder; of an earlier one that lies beside it too. STATUS_… of place_run. */
static enum status find_places(struct command *command, const char *run_id, struct error *error)
{
    struct config *config = NULL;
    char found[RUN_ID_BYTES];
    enum status status = run_meant(run_id && *run_id ? run_id : NULL, found, &config, error);
    if (status != STATUS_OK)
        return status;
    snprintf(command->run_id, sizeof command->run_id, "%s", found);
    snprintf(command->root, sizeof command->root, "%s", config_text(config, "run.data_root"));
    status = place_market(config, command->run_id, "capture", error);
    raw_all(command);
    path_join(command->manifest, config_text(config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              command->run_id);
    if (place_concluding(config_text(config, "run.state_dir"), command->run_id))
        complain(EXIT_FINE, "run %s is still being concluded: its manifest is not final", command->run_id);
    config_destroy(config);
    return status;
}

static int become(struct command *command, const char *name)
{
    char program[PATH_BYTES];
    program_path(name, program);
    command->arguments[0] = program;
    command->arguments[command->count] = NULL;
    fflush(NULL);
    execv(program, (char *const *)(uintptr_t)command->arguments);
    return complain(EXIT_REFUSED, "%s cannot be started: %s", program, strerror(errno));
}

static void begin(struct command *command, const struct invocation *invocation)
{
    command->count = 0;
    add(command, "recompute");
    add(command, "--run");
    add(command, command->run_id);
    for (size_t i = 0; i < command->raw_count; i++) {
        add(command, "--raw");
        add(command, command->raw[i]);
    }
    add(command, "--manifest");
    add(command, command->manifest);
    if (invocation->json)
        add(command, "--json");
}

/* part: one capture of several, in a process of its own. */
static int part(struct command *command, const struct invocation *invocation)
{
    int how;
    begin(command, invocation);
    add(command, "--all");
    add(command, "--part");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(become(command, "recompute"));
    if (child < 0 || waitpid(child, &how, 0) != child)
        return complain(EXIT_REFUSED, "recompute cannot be started: %s", strerror(errno));
    return WIFEXITED(how) ? WEXITSTATUS(how) : EXIT_REFUSED;
}

/* each_capture: captures that share no symbol, one after the other; the worst exit code counts. */
static int each_capture(struct command *command, struct plan *plan, const struct invocation *invocation)
{
    int worst = EXIT_FINE;
    command->raw_count = 1;
    for (size_t number = 1; number <= PLAN_INSTANCES_MAX; number++) {
        char name[PLAN_NAME_BYTES];
        plan_instance_name("harvest", number, name);
        if (!plan_owned(plan, "harvest", name) || !raw_folder(command->root, number, command->raw[0]))
            continue; /* one without a symbol has received nothing */
        int code = part(command, invocation);
        worst = code > worst ? code : worst;
    }
    return worst;
}

static int whole_run(struct command *command, const struct invocation *invocation)
{
    struct plan *plan = command->raw_count > 1 ? unmoved(command) : NULL;
    if (plan) {
        int code = each_capture(command, plan, invocation);
        plan_destroy(plan);
        return code;
    }
    begin(command, invocation);
    add(command, "--all");
    return become(command, "recompute");
}

int verb_why(const struct invocation *invocation)
{
    bool all = invocation_value(invocation, "--all") != NULL;
    const char *run_id = invocation_value(invocation, "--run-id");
    struct command command;
    struct key key = {.run_id = ""};
    struct error error = {{0}};
    if (!parse_words(invocation, all, &key))
        return complain(EXIT_WRONG_USE, "why: write RUN/SYMBOL/TS_MS, or SYMBOL TS_MS [RUN], or --all [RUN]");
    if (key.run_id[0] && run_id && strcmp(key.run_id, run_id) != 0)
        return complain(EXIT_WRONG_USE, "why: the key names run %s, --run-id names %s", key.run_id, run_id);
    enum status status = find_places(&command, run_id ? run_id : key.run_id, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    if (all)
        return whole_run(&command, invocation);
    raw_of_symbol(&command, key.symbol);
    begin(&command, invocation);
    add(&command, key.symbol);
    add(&command, key.time);
    return become(&command, "recompute");
}

/* capture_left: of a run whose manifest has been cleaned away; its data sets may be here too. */
static bool capture_left(const struct command *command)
{
    for (size_t i = 0; i < command->raw_count; i++) {
        struct capture_reader *reader;
        struct error error;
        if (capture_reader_open(command->raw[i], command->run_id, NULL, &reader, &error) == STATUS_OK) {
            capture_reader_close(reader);
            return true;
        }
    }
    return false;
}

int verb_replay(const struct invocation *invocation)
{
    const char *run_id = invocation_value(invocation, "--run-id");
    struct command command;
    struct error error = {{0}};
    if (!run_id)
        return complain(EXIT_WRONG_USE,
                        "replay: --run-id RUN (or --compare RUN) says whose stored rows are compared");
    for (size_t i = 0; i < invocation->word_count; i++)
        if (!file_exists(invocation->words[i]))
            return complain(EXIT_WRONG_USE, "replay %s: there is no such file", invocation->words[i]);
    char known[RUN_ID_BYTES];
    struct error unknown = {{0}};
    bool cleaned = place_run(run_id, known, NULL, &unknown) == STATUS_NOT_FOUND;
    enum status status = find_places(&command, run_id, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    if (cleaned && !capture_left(&command))
        return complain(EXIT_REFUSED, "%s", unknown.text);
    if (cleaned)
        fprintf(stderr, "orchctl replay: %s; its capture lies here: whatever is stored of it is compared\n",
                unknown.text);
    begin(&command, invocation);
    for (size_t i = 0; i < invocation->word_count; i++) {
        add(&command, "--capture");
        add(&command, invocation->words[i]);
    }
    add(&command, "--all");
    return become(&command, "recompute_replay");
}
