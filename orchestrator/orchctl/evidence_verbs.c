/* validate, parity, evidence: what can be said about a run from its files; programs of their own do the work. */
#include "config/config.h"
#include "place.h"
#include "program.h"
#include "verb.h"

#include <stdio.h>
#include <string.h>

/* begin: the program, and the options of the verb that it takes under the same names. */
static struct program_words begin(const struct invocation *invocation, const char *program)
{
    struct program_words words = {.count = 0};
    program_add(&words, program);
    for (const struct verb_option *option = invocation->verb->options; option->name; option++)
        program_add_option(&words, option->name, invocation_value(invocation, option->name));
    if (invocation->json)
        program_add(&words, "--json");
    return words;
}

/* run_known: EXIT_FINE, or the code of a run that is not here, said. */
static int run_known(const struct invocation *invocation)
{
    char run_id[RUN_ID_BYTES];
    struct error error = {{0}};
    enum status status = place_run(invocation_value(invocation, "--run-id"), run_id, NULL, &error);
    return status == STATUS_OK ? EXIT_FINE : complain(exit_of(status), "%s", error.text);
}

/* say_unfinished: what is looked at while a run is being written is not the last word. "": or where the run that is being concluded has its
 * configuration. */
static void say_unfinished(const struct invocation *invocation, char out_effective[PATH_BYTES])
{
    struct config *config = NULL;
    struct error error;
    char run_id[RUN_ID_BYTES];
    if (place_run(invocation_value(invocation, "--run-id"), run_id, &config, &error) == STATUS_OK &&
        place_daemons_live() && strcmp(run_id, config_text(config, "run.run_id")) == 0)
        fprintf(stderr, "orchctl: run %s goes on: what is on its way to a sink counts as missing\n", run_id);
    else if (config && place_concluding(config_text(config, "run.state_dir"), run_id))
        place_say_concluding(run_id);
    if (!config || !place_left_effective(config, run_id, out_effective))
        out_effective[0] = 0;
    config_destroy(config);
}

/* has_market: EXIT_FINE when the run stored rows of its own. */
static int has_market(const struct invocation *invocation)
{
    char run_id[RUN_ID_BYTES];
    struct config *config = NULL;
    struct error error = {{0}};
    enum status status = place_run(invocation_value(invocation, "--run-id"), run_id, &config, &error);
    status = status == STATUS_OK ? place_market(config, run_id, "data sets of its own", &error) : status;
    config_destroy(config);
    return status == STATUS_OK ? EXIT_FINE : complain(exit_of(status), "%s", error.text);
}

int verb_validate(const struct invocation *invocation)
{
    bool loose = invocation_value(invocation, "--data-root") || invocation_value(invocation, "--from");
    int code = loose && !invocation_value(invocation, "--run-id") ? EXIT_FINE : has_market(invocation);
    if (code != EXIT_FINE)
        return code;
    char effective[PATH_BYTES];
    say_unfinished(invocation, effective);
    struct program_words words = begin(invocation, "validate");
    program_add_option(&words, "--effective", *effective ? effective : NULL);
    return program_become(&words);
}

int verb_evidence(const struct invocation *invocation)
{
    const char *what = invocation->words[0];
    if (strcmp(what, "build") != 0 && strcmp(what, "verify") != 0)
        return complain(EXIT_WRONG_USE, "evidence %s: must be build or verify", what);
    /* A pack that has been moved is verified where no run ever was. */
    int code = invocation_value(invocation, "--pack") ? EXIT_FINE : run_known(invocation);
    if (code != EXIT_FINE)
        return code;
    struct program_words words = begin(invocation, "evidence"), rest = words;
    words.items[1] = what;
    memcpy(&words.items[2], &rest.items[1], (rest.count - 1) * sizeof *rest.items);
    words.count++;
    return program_become(&words);
}

int verb_parity(const struct invocation *invocation)
{
    struct program_words words = {.count = 0};
    int code = run_known(invocation);
    if (code != EXIT_FINE)
        return code;
    char effective[PATH_BYTES];
    say_unfinished(invocation, effective);
    program_add(&words, "report_again");
    program_add(&words, "parity");
    program_add_option(&words, "--effective", *effective ? effective : NULL);
    program_add_option(&words, "--called", "orchctl parity");
    program_add_option(&words, "--run-id", invocation_value(invocation, "--run-id"));
    if (invocation->json)
        program_add(&words, "--print");
    return program_become(&words);
}
