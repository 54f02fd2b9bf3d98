/* orchctl: asks and tells the orchestrator of a folder, reads streams and files of its run. */
#include "base/clock.h"
#include "verb.h"

#include <errno.h>
#include <orderflow_version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_DEFAULT_MS = 2000 };

/* Common options that a verb has no use for are neither listed with it nor taken. */
#define NO_JSON              \
    {                        \
        "--json", NULL, NULL \
    }
#define NO_TIMEOUT              \
    {                           \
        "--timeout", NULL, NULL \
    }

#define WAIT                                                                       \
    {                                                                              \
        "--wait", "SECONDS", "return when it has come true, or fail after so long" \
    }

#define WHO                                                \
    {                                                      \
        "--who", "NAME", "who decides (default: the user)" \
    }
#define WHY                                             \
    {                                                   \
        "--why", "TEXT", "the reason, for the incident" \
    }

/* RUN: how every verb names a run of the folder: by this option, or as the last word of all. */
#define RUN_ID                                                                                   \
    {                                                                                            \
        "--run-id", "RUN", "a run of this folder (default: the last one); also as the last word" \
    }
#define TRIAL                                                               \
    {"--minutes", "N", "length of the run"},                                \
        {"--time-scale", "K", "divides all wall time; only 1 is evidence"}, \
        {"--config", "FILE", "configuration"},                              \
    {                                                                       \
        "--symbols", "A,B", "symbols"                                       \
    }
#define DOCTOR                                                                                           \
    {                                                                                                    \
        {"--config", "FILE", "configuration"}, {"--symbols", "A,B", "symbols"},                          \
            {"--time-scale", "K", "as for a run whose wall time is divided"},                            \
            {"--gates", "SET", "as for a run judged by these gates: none, replay, smoke, soak, canary"}, \
            NO_TIMEOUT                                                                                   \
    }

static const struct verb VERBS[] = {
    {"status", "[NAME]", 0, 1, "processes, their states and figures", {{0}}, verb_status},
    {"health", "[NAME]", 0, 1, "who is healthy, and if not, why", {{0}}, verb_health},
    {"monitor",
     "",
     0,
     0,
     "the run at a glance, again every two seconds",
     {{"--once", NULL, "only once"}},
     verb_monitor},
    {"top",
     "",
     0,
     0,
     "the same in place, for a terminal of any size; j and k move, c shows columns without room, q leaves",
     {NO_JSON},
     verb_top},
    {"start", "NAME", 1, 1, "start a stopped, degraded or failed process", {WAIT}, verb_wish},
    {"stop", "NAME", 1, 1, "stop a process", {WAIT}, verb_wish},
    {"restart", "NAME", 1, 1, "stop and start a process", {WAIT}, verb_wish},
    {"kill",
     "NAME",
     1,
     1,
     "send a signal; recorded as a fault",
     {{"-s", "SIGNAL", "name or number (default KILL)"}, WAIT},
     verb_kill},
    {"pause",
     "NAME",
     1,
     1,
     "halt a process where it stands (SIGSTOP) until `resume`: unhealthy, not taken for hung",
     {{0}},
     verb_wish},
    {"resume", "NAME", 1, 1, "let a paused process go on from where it stands (SIGCONT)", {{0}}, verb_wish},
    {"scale",
     "NAME=N…",
     1,
     3,
     "instances of harvest, features and signal, live: symbols are handed over",
     {WAIT},
     verb_scale},
    {"events",
     "",
     0,
     0,
     "what happens: a snapshot, then live",
     {{"--since", "SERIAL", "no snapshot; all events above this serial"},
      {"--count", "N", "stop after so many, the snapshot not counted"}},
     verb_events},
    {"tail",
     "TOPIC",
     1,
     1,
     "rows of a stream as JSON lines, e.g. signal/BTCUSDT",
     {{"--from", "N", "begin with row N, waiting for it if need be (default: with the next)"},
      {"--count", "N", "stop after so many"}},
     verb_tail},
    {"why",
     "[RUN/]SYMBOL/TS_MS | SYMBOL TS_MS | --all",
     0,
     2,
     "the chain behind one signal, recomputed from the capture and compared bit for bit",
     {{"--all", NULL, "compare every signal and order of the run"}, RUN_ID, NO_TIMEOUT},
     verb_why},
    {"replay",
     "CAPTURE… --run-id RUN",
     1,
     VERB_WORDS_MAX,
     "recompute a capture and compare all with what a run has stored",
     {{"--run-id", "RUN", "the run whose stored rows are compared; needed (--compare RUN is the same)"},
      NO_TIMEOUT},
     verb_replay},
    {"account",
     "",
     0,
     0,
     "the loss ledger: every stream balanced from the socket to each sink",
     {RUN_ID},
     verb_account},
    {"config",
     "check|show|fingerprint|diff [FILE [FILE]]",
     1,
     3,
     "a configuration file, or that of the run here",
     {NO_TIMEOUT},
     verb_config},
    {"export",
     "test [FILE]",
     1,
     2,
     "one export to the target that a configuration file, or the run here, names; exit 3: it failed",
     {NO_TIMEOUT},
     verb_export},
    {"manifest",
     "",
     0,
     0,
     "the run manifest; while the run goes on as it stands now: \"final\": false, and said",
     {RUN_ID},
     verb_manifest},
    {"logs",
     "NAME",
     1,
     1,
     "log of a process or of the orchestrator; --json: an object per line",
     {{"-f", NULL, "follow it"}, {"--stdout", NULL, "its standard output instead"}, NO_TIMEOUT},
     verb_logs},
    {"fault",
     "KIND TARGET | list | clear [ID] | kinds | run FILE",
     1,
     2,
     "hurt a process for a limited time, with evidence; play a file of faults and expectations",
     {{"--for", "T", "how long: 500ms, 2s, 1m (default 2s)"},
      {"--link", "NAME", "the upstream concerned (default: all)"},
      {"--share", "X", "of what passes, above 0 to 1"},
      {"--count", "N", "at most so many, from 1 (default: no limit)"},
      {"--seed", "N", "of its chance (default: the fault's number)"},
      {"--amount", "N", "what `fault kinds` names for the kind"},
      {"-s", "SIGNAL", "of kind kill (default KILL)"},
      {"--force", NULL, "although the pipeline is not healthy and caught up"},
      {"--steady", "T", "wait at most so long until it is (default 20s)"},
      {"--no-wait", NULL, "do not wait for the recovery"}},
     verb_fault},
    {"shutdown", "", 0, 0, "end the run in good order", {{0}}, verb_shutdown},
    {"completion",
     "bash|zsh|man",
     1,
     1,
     "what a shell or man needs to know of orchctl",
     {NO_JSON, NO_TIMEOUT},
     verb_completion},
    {"keys",
     "[FOLDER]",
     0,
     1,
     "make CURVE keys for a bus over TCP, unless there are some",
     {NO_TIMEOUT},
     verb_keys},
    {"drain",
     "NAME",
     1,
     1,
     "work off what has arrived, flush, stop; harvest: end the feed",
     {WAIT},
     verb_wish},
    {"doctor", "", 0, 0, "whether a run can be started here; each failed check with cause and remedy", DOCTOR,
     verb_doctor},
    {"preflight", "", 0, 0, "the same as doctor", DOCTOR, verb_doctor},
    {"precheck",
     "",
     0,
     0,
     "ten minutes of market, judged before harvesting begins",
     {TRIAL, NO_TIMEOUT},
     verb_precheck},
    {"smoke", "", 0, 0, "one run per sink, judged by the smoke gates", {TRIAL, NO_TIMEOUT}, verb_smoke},
    {"soak",
     "",
     0,
     0,
     "doctor, a dual run with a fault in the middle, its evidence built and verified",
     {TRIAL, {"--run-id", "ID", "name of the run (default: made of the time)"}, NO_TIMEOUT},
     verb_soak},
    {"validate",
     "",
     0,
     0,
     "the data quality gate over the Parquet data sets",
     {RUN_ID,
      {"--data-root", "DIR", "data sets (default: the folder's)"},
      {"--from", "MS", "range of event time"},
      {"--to", "MS", "its end"},
      {"--symbols", "A,B", "only these"},
      {"--out", "DIR", "where the report goes (default: dq_reports below the artefacts)"},
      NO_TIMEOUT},
     verb_validate},
    {"parity", "", 0, 0, "compare both sinks row by row, anew", {RUN_ID, NO_TIMEOUT}, verb_parity},
    {"report",
     "",
     0,
     0,
     "the day report of every sink, made anew when the run is over; --json: a line per sink",
     {RUN_ID, NO_TIMEOUT},
     verb_report},
    {"evidence",
     "build|verify",
     1,
     1,
     "the evidence pack of a run: build it; verify it from its files alone",
     {RUN_ID, {"--pack", "DIR", "verify: the pack's folder, when it has been moved"}, NO_TIMEOUT},
     verb_evidence},
    {"rollback",
     "[FINGERPRINT]",
     0,
     1,
     "go back to a configuration that was marked stable: end the run, begin the next with it, until all "
     "confirm",
     {WHO, WHY, {"--drill", NULL, "of a release: also writes canary_report/rollback_drill.json"}},
     verb_rollback},
    {"canary",
     "start|status|report [RUN]|mark-stable [RUN]|resolve ID",
     1,
     2,
     "a run judged by the canary's gates: begin it, look at it, measure it, mark its configuration stable, "
     "close an incident",
     {{"--symbols", "A,B", "start: symbols"},
      {"--config", "FILE", "start: configuration"},
      {"--out", "DIR", "start: folder of artefacts; report: where it goes"},
      {"--run-tag", "TAG", "start: label"},
      {"--time-scale", "K", "start: divides all wall time; only 1 is evidence"},
      {"--reason", "TEXT", "resolve: why the incident is over; kept with it"},
      {"--who", "NAME", "resolve: who decides (default: the user)"},
      {"--run-id", "ID",
       "report, mark-stable: the run that is meant (default: the last one); start: its name"}},
     verb_canary},
    {"direction",
     "lock|unlock [SYMBOL]",
     1,
     2,
     "keep the direction of CVD from changing by itself, or let it; returns when it is in the stream",
     {WHO, WHY},
     verb_direction},
    {"clean",
     "",
     0,
     0,
     "remove what finished runs left in runtime, logs and artifacts",
     {{"--keep", "N", "leave the newest N runs (default 0)"},
      {"--dry-run", NULL, "only say what would go"},
      NO_TIMEOUT},
     verb_clean},
};

/* For every verb that has a use for them, before or behind it. */
static const struct verb_option COMMON[] = {
    {"--dir", "DIR", "folder of the run (default: here)"},
    {"--timeout", "SECONDS", "patience with the orchestrator (default 2)"},
    {"--json", NULL, "JSON instead of text"},
    {"--help", NULL, "this text; also -h, and `orchctl help VERB`"},
    {"--version", NULL, "version, compiler, git revision"},
    {0},
};

const struct verb *verbs_all(size_t *out_count)
{
    *out_count = sizeof VERBS / sizeof *VERBS;
    return VERBS;
}

const struct verb_option *options_common(void)
{
    return COMMON;
}

int complain(int code, const char *format, ...)
{
    va_list arguments;
    fputs("orchctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

static const struct verb_option *option_find(const struct verb_option *options, const char *name,
                                             size_t *out_index)
{
    for (size_t i = 0; options && options[i].name; i++)
        if (options[i].help && strcmp(options[i].name, name) == 0) {
            *out_index = i;
            return &options[i];
        }
    return NULL;
}

const char *invocation_value(const struct invocation *invocation, const char *option)
{
    size_t index;
    return option_find(invocation->verb->options, option, &index) ? invocation->values[index] : NULL;
}

bool invocation_number(const struct invocation *invocation, const char *option, int64_t otherwise,
                       int64_t *out_value)
{
    const char *text = invocation_value(invocation, option);
    *out_value = otherwise;
    if (!text)
        return true;
    char *end;
    errno = 0;
    *out_value = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && *out_value >= 0)
        return true;
    complain(EXIT_WRONG_USE, "%s %s: must be a whole number of at least 0", option, text);
    return false;
}

bool verb_takes_run(const struct verb *verb, size_t *out_option)
{
    const struct verb_option *option = option_find(verb->options, "--run-id", out_option);
    return option && strcmp(option->argument, "RUN") == 0 && verb->words_most < VERB_WORDS_MAX;
}

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof *VERBS; i++)
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    return NULL;
}

bool verb_takes(const struct verb *verb, const char *option)
{
    for (const struct verb_option *own = verb->options; own->name; own++)
        if (strcmp(own->name, option) == 0)
            return own->help != NULL;
    return true;
}

static void print_options(const struct verb *verb, const struct verb_option *options)
{
    for (; options->name; options++) {
        char left[64];
        if (!verb_takes(verb, options->name))
            continue;
        snprintf(left, sizeof left, "%s %s", options->name, options->argument ? options->argument : "");
        printf("  %-20s %s\n", left, options->help);
    }
}

static int print_help(const struct verb *verb)
{
    if (verb) {
        size_t unused;
        printf("usage: orchctl %s%s%s%s\n\n%s\n\n", verb->name, *verb->words ? " " : "", verb->words,
               verb_takes_run(verb, &unused) ? " [RUN]" : "", verb->summary);
        print_options(verb, verb->options);
        print_options(verb, COMMON);
        return EXIT_FINE;
    }
    printf("usage: orchctl [--dir DIR] VERB [arguments]\n\n");
    for (size_t i = 0; i < sizeof VERBS / sizeof *VERBS; i++)
        printf("  %-10s %s\n", VERBS[i].name, VERBS[i].summary);
    printf("\norchctl help VERB tells more, as do orchctl VERB --help and -h. ");
    exits_print(stdout);
    return EXIT_FINE;
}

/* parsing: what the command line has said so far. */
struct parsing {
    struct invocation invocation;
    const char *folder;
    bool help, version, timeout;
};

static int take_common(struct parsing *parsing, const char *name, const char *value)
{
    if (strcmp(name, "--json") == 0)
        parsing->invocation.json = true;
    else if (strcmp(name, "--help") == 0)
        parsing->help = true;
    else if (strcmp(name, "--version") == 0)
        parsing->version = true;
    else if (strcmp(name, "--dir") == 0)
        parsing->folder = value;
    else {
        char *end;
        double seconds = strtod(value, &end);
        if (end == value || *end || !(seconds > 0) || seconds > 3600)
            return complain(EXIT_WRONG_USE, "--timeout %s: must be seconds above 0", value);
        parsing->invocation.timeout_ms = (int64_t)(seconds * 1000.0);
        parsing->timeout = true;
    }
    return EXIT_FINE;
}

/* as_now: what an option that had another name is called now. */
static const char *as_now(const struct verb *verb, const char *name)
{
    static const struct {
        const char *verb, *before, *now;
    } RENAMED[] = {{"why", "--run", "--run-id"}, {"replay", "--compare", "--run-id"}};
    for (size_t i = 0; verb && i < sizeof RENAMED / sizeof *RENAMED; i++)
        if (strcmp(RENAMED[i].verb, verb->name) == 0 && strcmp(RENAMED[i].before, name) == 0)
            return RENAMED[i].now;
    return name;
}

/* take_option: "--name value", "--name=value" or a switch. */
static int take_option(struct parsing *parsing, char **argv, int argc, int *at)
{
    char name[32];
    size_t index = 0;
    const char *text = argv[*at], *equals = strncmp(text, "--", 2) == 0 ? strchr(text, '=') : NULL;
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - text) : (int)strlen(text), text);
    const struct verb *verb = parsing->invocation.verb;
    if (strcmp(name, "-h") == 0)
        snprintf(name, sizeof name, "--help");
    const struct verb_option *own = verb ? option_find(verb->options, as_now(verb, name), &index) : NULL;
    size_t unused;
    const struct verb_option *option = own ? own : option_find(COMMON, name, &unused);
    if (!option)
        return complain(EXIT_WRONG_USE, "%s: unknown option; see orchctl %s%s--help", text,
                        verb ? verb->name : "", verb ? " " : "");
    const char *value = equals ? equals + 1 : "";
    if (equals && !option->argument)
        return complain(EXIT_WRONG_USE, "%s: takes no value", name);
    if (option->argument && !equals) {
        if (*at + 1 >= argc)
            return complain(EXIT_WRONG_USE, "%s: needs a value (%s)", name, option->argument);
        value = argv[++*at];
    }
    if (!own)
        return take_common(parsing, name, value);
    size_t run;
    if (verb_takes_run(verb, &run) && run == index && parsing->invocation.values[run])
        return complain(EXIT_WRONG_USE, "%s: a run is named twice: %s and %s", verb->name,
                        parsing->invocation.values[run], value);
    parsing->invocation.values[index] = value;
    return EXIT_FINE;
}

static int take_word(struct parsing *parsing, const char *word)
{
    struct invocation *invocation = &parsing->invocation;
    if (!invocation->verb && !parsing->help && strcmp(word, "help") == 0) {
        parsing->help = true; /* the next word, if there is one, is the verb */
        return EXIT_FINE;
    }
    if (!invocation->verb) {
        invocation->verb = verb_find(word);
        return invocation->verb
                   ? EXIT_FINE
                   : complain(EXIT_WRONG_USE, "there is no verb '%s'; orchctl --help lists them", word);
    }
    size_t run;
    bool full = invocation->word_count == invocation->verb->words_most;
    if (full && verb_takes_run(invocation->verb, &run) && !invocation->values[run]) {
        invocation->values[run] = word;
        return EXIT_FINE;
    }
    if (full)
        return complain(EXIT_WRONG_USE, "%s: '%s' is too much; see orchctl %s --help", invocation->verb->name,
                        word, invocation->verb->name);
    invocation->words[invocation->word_count++] = word;
    return EXIT_FINE;
}

static int parse(struct parsing *parsing, int argc, char **argv)
{
    int code = EXIT_FINE;
    for (int i = 1; code == EXIT_FINE && i < argc; i++)
        code = argv[i][0] == '-' ? take_option(parsing, argv, argc, &i) : take_word(parsing, argv[i]);
    return code;
}

/* useless: a common option that was given to a verb which has no use for it; NULL: none. */
static const char *useless(const struct parsing *parsing)
{
    const struct verb *verb = parsing->invocation.verb;
    if (parsing->invocation.json && !verb_takes(verb, "--json"))
        return "--json";
    return parsing->timeout && !verb_takes(verb, "--timeout") ? "--timeout" : NULL;
}

int main(int argc, char **argv)
{
    struct parsing parsing = {.invocation.timeout_ms = TIMEOUT_DEFAULT_MS};
    int code = parse(&parsing, argc, argv);
    const struct verb *verb = parsing.invocation.verb;
    if (code != EXIT_FINE)
        return code;
    if (parsing.version) {
        printf("orchctl %s\n", ORDERFLOW_VERSION_LINE);
        return EXIT_FINE;
    }
    if (parsing.help || !verb) {
        print_help(verb);
        return parsing.help ? EXIT_FINE : EXIT_WRONG_USE;
    }
    if (useless(&parsing))
        return complain(EXIT_WRONG_USE, "%s: takes no %s; see orchctl %s --help", verb->name,
                        useless(&parsing), verb->name);
    if (parsing.invocation.word_count < verb->words_least)
        return complain(EXIT_WRONG_USE, "%s: needs %s", verb->name, verb->words);
    if (parsing.folder && chdir(parsing.folder) != 0)
        return complain(EXIT_WRONG_USE, "--dir %s: %s", parsing.folder, strerror(errno));
    return verb->perform(&parsing.invocation);
}
