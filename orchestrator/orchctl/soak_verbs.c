/* doctor, precheck, smoke, soak: runs that are there to be judged. Each is a chain of programs, the next only when the one before
 * went well enough; what they print is what one sees. */
#include "base/clock.h"
#include "base/json.h"
#include "place.h"
#include "program.h"
#include "verb.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOAK_MINUTES = 60, SMOKE_MINUTES = 30, PRECHECK_MINUTES = 10 };

/* chain: what was run, one program after the other, and how each ended. */
enum { CHAIN_MAX = 8 };
struct chain {
    struct {
        const char *step;
        char run_id[80]; /* "": none yet */
        int code;
    } items[CHAIN_MAX];
    size_t count;
};

static int chain_note(struct chain *chain, const char *step, const char *run_id, int code)
{
    chain->items[chain->count].step = step;
    chain->items[chain->count].code = code;
    snprintf(chain->items[chain->count].run_id, sizeof chain->items->run_id, "%s", run_id);
    chain->count++;
    return code;
}

static void chain_print(const struct chain *chain, int code)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key(&json, "steps");
    json_array_begin(&json);
    for (size_t i = 0; i < chain->count; i++) {
        json_object_begin(&json);
        json_key_text(&json, "step", chain->items[i].step);
        json_key_text(&json, "run_id", *chain->items[i].run_id ? chain->items[i].run_id : NULL);
        json_key_i64(&json, "exit_code", chain->items[i].code);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_key_i64(&json, "exit_code", code);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

/* chained: with --json what the programs print goes to standard error, and the chain, when it has ended, to standard output. */
static int chained(const struct invocation *invocation,
                   int (*perform)(const struct invocation *invocation, struct chain *chain))
{
    struct chain chain = {.count = 0};
    int out = invocation->json ? dup(STDOUT_FILENO) : -1;
    if (out >= 0)
        dup2(STDERR_FILENO, STDOUT_FILENO);
    int code = perform(invocation, &chain);
    fflush(stdout);
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
        close(out);
        chain_print(&chain, code);
    }
    return code;
}

/* trial: what is common to them. */
struct trial {
    const struct invocation *invocation;
    double minutes;
    char minutes_text[32];
    char run_id[80];
};

static bool positive(const char *option, const char *text, double *out_value)
{
    char *end;
    errno = 0;
    *out_value = strtod(text, &end);
    if (end != text && !*end && !errno && isfinite(*out_value) && *out_value > 0)
        return true;
    complain(EXIT_WRONG_USE, "%s %s: must be a number above 0", option, text);
    return false;
}

/* trial_begin: false, and a sentence, when an option is wrong. The run gets a name here, so that what follows it finds it. prefix:
 * of the name, "" where the artefacts say what they are. */
static bool trial_begin(struct trial *trial, const struct invocation *invocation, const char *prefix,
                        double minutes)
{
    const char *asked = invocation_value(invocation, "--minutes"),
               *run_id = invocation_value(invocation, "--run-id");
    struct clock clock = clock_system();
    char stamp[TIME_TEXT_BYTES];
    *trial = (struct trial){.invocation = invocation, .minutes = minutes};
    if (asked && !positive("--minutes", asked, &trial->minutes))
        return false;
    snprintf(trial->minutes_text, sizeof trial->minutes_text, "%.15g", trial->minutes);
    time_stamp(clock_wall_ms(&clock), "%Y%m%d_%H%M%S", stamp);
    if (run_id)
        snprintf(trial->run_id, sizeof trial->run_id, "%.64s", run_id);
    else
        snprintf(trial->run_id, sizeof trial->run_id, "%s%s-%04x", prefix, stamp,
                 (unsigned)getpid() & 0xffff);
    return true;
}

/* conditions: of configuration, the same for doctor and run. */
static void add_conditions(struct program_words *words, const struct trial *trial)
{
    program_add_option(words, "--config", invocation_value(trial->invocation, "--config"));
    program_add_option(words, "--symbols", invocation_value(trial->invocation, "--symbols"));
    program_add_option(words, "--time-scale", invocation_value(trial->invocation, "--time-scale"));
}

static int doctor(const struct trial *trial, const char *gates)
{
    struct program_words words = {.count = 0};
    program_add(&words, "orchestrator");
    program_add(&words, "--doctor");
    add_conditions(&words, trial);
    program_add_option(&words, "--gates", gates);
    return program_wait(&words);
}

/* run_words: the market is the embedded simulator's unless the configuration says otherwise. It begins now, so that receive times
 * mean something, and has the tail of sizes that real markets have, so that what bounds outliers has some. */
static struct program_words run_words(const struct trial *trial, const char *enable, const char *sink,
                                      const char *gates)
{
    struct program_words words = {.count = 0};
    program_add(&words, "orchestrator");
    add_conditions(&words, trial);
    program_add_option(&words, "--enable", enable);
    program_add_option(&words, "--sink", sink);
    program_add_option(&words, "--minutes", trial->minutes_text);
    program_add_option(&words, "--gates", gates);
    program_add_option(&words, "--run-id", trial->run_id);
    program_add_option(&words, "--set", "simulator.start=now");
    program_add_option(&words, "--set", "simulator.size_sigma=2.5");
    return words;
}

/* worse: 1 and 2 win, then 4, then 3 (operations.md §20). */
static int worse(int left, int right)
{
    static const int ORDER[] = {EXIT_FINE, EXIT_NOT_EVEN, EXIT_NOT_HEALTHY, EXIT_REFUSED, EXIT_WRONG_USE};
    size_t place_left = 3, place_right = 3;
    for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) {
        place_left = ORDER[i] == left ? i : place_left;
        place_right = ORDER[i] == right ? i : place_right;
    }
    return place_left > place_right ? left : right;
}

static int run_program(const char *program, const char *verb, const struct trial *trial)
{
    struct program_words words = {.count = 0};
    program_add(&words, program);
    program_add(&words, verb);
    program_add_option(&words, "--run-id", trial->run_id);
    printf("\n== %s %s\n", program, verb);
    return program_wait(&words);
}

int verb_doctor(const struct invocation *invocation)
{
    struct program_words words = {.count = 0};
    program_add(&words, "orchestrator");
    program_add(&words, "--doctor");
    program_add_option(&words, "--config", invocation_value(invocation, "--config"));
    program_add_option(&words, "--gates", invocation_value(invocation, "--gates"));
    program_add_option(&words, "--symbols", invocation_value(invocation, "--symbols"));
    program_add_option(&words, "--time-scale", invocation_value(invocation, "--time-scale"));
    if (invocation->json)
        program_add(&words, "--json");
    return program_become(&words);
}

static int soak(const struct invocation *invocation, struct chain *chain)
{
    struct trial trial;
    char fault[64];
    if (!trial_begin(&trial, invocation, "soak_", SOAK_MINUTES))
        return EXIT_WRONG_USE;
    puts("== doctor");
    int code = chain_note(chain, "doctor", "", doctor(&trial, "soak"));
    if (code != EXIT_FINE)
        return code;
    snprintf(fault, sizeof fault, "signal@%.15g", trial.minutes * 30);
    struct program_words words = run_words(&trial, "harvest,signal,broker,report", "dual", "soak");
    program_add_option(&words, "--fault", fault);
    printf("\n== run %s, %s minutes\n", trial.run_id, trial.minutes_text);
    code = chain_note(chain, "run", trial.run_id, program_wait(&words));
    if (code == EXIT_REFUSED || code == EXIT_WRONG_USE)
        return code; /* there is nothing to pack */
    code = worse(code,
                 chain_note(chain, "evidence build", trial.run_id, run_program("evidence", "build", &trial)));
    return worse(
        code, chain_note(chain, "evidence verify", trial.run_id, run_program("evidence", "verify", &trial)));
}

static int smoke(const struct invocation *invocation, struct chain *chain)
{
    static const char *const SINKS[] = {"jsonl", "sqlite"};
    int code = EXIT_FINE;
    struct trial trial;
    for (size_t i = 0; i < sizeof SINKS / sizeof *SINKS; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "%s_", SINKS[i]);
        if (!trial_begin(&trial, invocation, prefix, SMOKE_MINUTES))
            return EXIT_WRONG_USE;
        struct program_words words = run_words(&trial, "harvest,signal,broker,report", SINKS[i], "smoke");
        printf("%s== run %s, %s minutes\n", i ? "\n" : "", trial.run_id, trial.minutes_text);
        code = worse(code, chain_note(chain, "run", trial.run_id, program_wait(&words)));
        if (code == EXIT_REFUSED || code == EXIT_WRONG_USE)
            return code;
    }
    return code;
}

static int precheck(const struct invocation *invocation, struct chain *chain)
{
    struct trial trial;
    if (!trial_begin(&trial, invocation, "", PRECHECK_MINUTES))
        return EXIT_WRONG_USE;
    puts("== doctor");
    int code = chain_note(chain, "doctor", "", doctor(&trial, NULL));
    if (code != EXIT_FINE)
        return code;
    struct program_words words = run_words(&trial, "harvest,features", NULL, "none");
    printf("\n== run %s, %s minutes\n", trial.run_id, trial.minutes_text);
    code = chain_note(chain, "run", trial.run_id, program_wait(&words));
    return code == EXIT_FINE
               ? chain_note(chain, "validate", trial.run_id, run_program("validate", "--precheck", &trial))
               : code;
}

int verb_soak(const struct invocation *invocation)
{
    return chained(invocation, soak);
}

int verb_smoke(const struct invocation *invocation)
{
    return chained(invocation, smoke);
}

int verb_precheck(const struct invocation *invocation)
{
    return chained(invocation, precheck);
}
