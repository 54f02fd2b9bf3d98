#include "options.h"

#include "base/exits.h"
#include "base/memory.h"
#include "config/config.h"
#include "plan/module.h"
#include "supervision/signal_name.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name;
    const char *argument; /* NULL: a switch */
    enum status (*take)(struct options *options, const char *value, struct error *error);
    const char *help;
};

const char *gate_set_name(enum gate_set set)
{
    static const char *const NAMES[] = {"none", "replay", "smoke", "soak", "canary", "default"};
    return NAMES[set];
}

enum gate_set gate_set_of(const char *name)
{
    enum gate_set set = GATES_NONE;
    while (set < GATES_DEFAULT && strcmp(name, gate_set_name(set)) != 0)
        set++;
    return set;
}

static enum status add_override(struct options *options, const char *option, const char *key,
                                const char *value, struct error *error)
{
    if (options->override_count == OPTIONS_OVERRIDES_MAX)
        return error_set(error, STATUS_LIMIT, "%s: more than %d options", option, OPTIONS_OVERRIDES_MAX);
    options->overrides[options->override_count++] = (struct option_override){option, key, value};
    return STATUS_OK;
}

static enum status take_config(struct options *options, const char *value, struct error *error)
{
    (void)error;
    options->config_path = value;
    return STATUS_OK;
}

static enum status take_set(struct options *options, const char *value, struct error *error)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value)
        return error_set(error, STATUS_INVALID, "--set %s: write it as --set key=value", value);
    if (options->owned_count == OPTIONS_OVERRIDES_MAX)
        return error_set(error, STATUS_LIMIT, "--set: more than %d of them", OPTIONS_OVERRIDES_MAX);
    char *key = memory_copy_text(value);
    key[equals - value] = 0;
    options->owned[options->owned_count++] = key;
    return add_override(options, "--set", key, equals + 1, error);
}

static enum status take_capture(struct options *options, const char *value, struct error *error)
{
    if (options->capture_count == OPTIONS_CAPTURES_MAX)
        return error_set(error, STATUS_LIMIT, "--capture: more than %d files", OPTIONS_CAPTURES_MAX);
    options->captures[options->capture_count++] = value;
    return STATUS_OK;
}

static enum status take_speed(struct options *options, const char *value, struct error *error)
{
    return add_override(options, "--speed", "simulator.speed", strcmp(value, "max") == 0 ? "0" : value,
                        error);
}

static enum status take_gates(struct options *options, const char *value, struct error *error)
{
    enum gate_set set = gate_set_of(value);
    if (set == GATES_DEFAULT)
        return error_set(error, STATUS_INVALID, "--gates %s: must be none, replay, smoke, soak or canary",
                         value);
    options->gates = set;
    return STATUS_OK;
}

static enum status take_fault(struct options *options, const char *value, struct error *error)
{
    static const char FORM[] = "write it as PROCESS@SECONDS or PROCESS@PERCENT% of the simulator's market, "
                               "perhaps with :SIGNAL, for example signal@30 or signal@50%:TERM";
    struct option_fault fault = {.share = NAN, .signal = SIGKILL};
    const char *at = strchr(value, '@');
    if (!at || at == value || (size_t)(at - value) >= sizeof fault.process)
        return error_set(error, STATUS_INVALID, "--fault %s: %s", value, FORM);
    memcpy(fault.process, value, (size_t)(at - value));
    char *end;
    fault.seconds = strtod(at + 1, &end);
    bool is_share = end != at + 1 && *end == '%' && fault.seconds <= 100;
    end += is_share;
    if (end == at + 1 || (*end && *end != ':') || !isfinite(fault.seconds) || fault.seconds < 0)
        return error_set(error, STATUS_INVALID, "--fault %s: %s", value, FORM);
    if (is_share) {
        fault.share = fault.seconds / 100;
        fault.seconds = INFINITY;
    }
    if (*end == ':')
        fault.signal = signal_number_of(end + 1);
    if (!fault.signal)
        return error_set(error, STATUS_INVALID, "--fault %s: there is no signal '%s'", value, end + 1);
    if (module_of(fault.process) == MODULE_COUNT)
        return error_set(error, STATUS_INVALID, "--fault %s: there is no process '%s'", value, fault.process);
    if (options->fault_count == OPTIONS_FAULTS_MAX)
        return error_set(error, STATUS_LIMIT, "--fault: more than %d of them", OPTIONS_FAULTS_MAX);
    size_t place = options->fault_count++; /* in order of time */
    for (; place > 0 && options->faults[place - 1].seconds > fault.seconds; place--)
        options->faults[place] = options->faults[place - 1];
    options->faults[place] = fault;
    return STATUS_OK;
}

static enum status take_run_tag(struct options *options, const char *value, struct error *error)
{
    if (strpbrk(value, "\n=") || strlen(value) > 128)
        return error_set(error, STATUS_INVALID,
                         "--run-tag: at most 128 characters, no '=' and no line break");
    options->run_tag = value;
    return STATUS_OK;
}

static enum status take_help(struct options *options, const char *value, struct error *error)
{
    (void)value, (void)error;
    options->help = true;
    return STATUS_OK;
}

static enum status take_version(struct options *options, const char *value, struct error *error)
{
    (void)value, (void)error;
    options->version = true;
    return STATUS_OK;
}

static enum status take_roll_back(struct options *options, const char *value, struct error *error)
{
    (void)value, (void)error;
    options->rolls_back = true;
    return STATUS_OK;
}

static enum status take_conclude(struct options *options, const char *value, struct error *error)
{
    (void)error;
    options->conclude = value;
    return STATUS_OK;
}

static enum status take_doctor(struct options *options, const char *value, struct error *error)
{
    (void)value, (void)error;
    options->doctor = true;
    return STATUS_OK;
}

static enum status take_json(struct options *options, const char *value, struct error *error)
{
    (void)value, (void)error;
    options->json = true;
    return STATUS_OK;
}

/* Without a function of its own an option sets the key that the configuration's schema names for it. */
static const struct option OPTIONS[] = {
    {"--config", "FILE", take_config,
     "configuration (default ./config/defaults.yaml, built-in values without it)"},
    {"--enable", "LIST", NULL,
     "services, comma separated; what they need is added; empty: only the pre-flight check"},
    {"--sink", "KIND", NULL, "where signals go: jsonl, sqlite, dual"},
    {"--minutes", "N", NULL,
     "wall time after go; 0: until signalled; recorded input otherwise runs to its end"},
    {"--time-scale", "K", NULL,
     "divides every wall timer and threshold; the simulator runs K times as fast (only K = 1 is evidence)"},
    {"--symbols", "A,B", NULL, "symbols of the run"},
    {"--output-dir", "DIR", NULL, "folder of sockets, status, signals, orders (default ./runtime)"},
    {"--debug", NULL, NULL, "log at debug level"},
    {"--run-id", "ID", NULL, "name of the run (default: made from the time)"},
    {"--input-mode", "MODE", NULL,
     "raw: the venue's or the simulator's sockets; preview: recorded input, captures or rows of features"},
    {"--input-dir", "DIR", NULL, "folder of the recorded input of preview mode"},
    {"--gates", "SET", take_gates,
     "none, replay, smoke, soak or canary: decides the exit code (default: replay for recordings, else "
     "smoke)"},
    {"--fault", "PROC@SECONDS[:SIGNAL]", take_fault,
     "hurt a process so long after go; repeatable; signal KILL"},
    {"--run-tag", "TAG", take_run_tag, "label in the manifest"},
    {"--capture", "FILE", take_capture, "recording for the simulator; repeatable"},
    {"--speed", "N|max", take_speed, "pace of the simulator"},
    {"--set", "KEY=VALUE", take_set, "any configuration key; repeatable"},
    {"--roll-back", NULL, take_roll_back,
     "the run that state/rollback.json leads to; the orchestrator says this to itself"},
    {"--conclude", "FOLDER", take_conclude,
     "conclude the run that state/concluding/RUN was left by; the orchestrator says this to itself"},
    {"--doctor", NULL, take_doctor, "only check whether a run can be started here, with cause and remedy"},
    {"--json", NULL, take_json, "with --doctor: JSON instead of a table"},
    {"--help", NULL, take_help, "this text"},
    {"--version", NULL, take_version, "version, compiler, git revision"},
};

static const struct option *option_find(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++)
        if (strlen(OPTIONS[i].name) == length && memcmp(OPTIONS[i].name, text, length) == 0)
            return &OPTIONS[i];
    return NULL;
}

static enum status option_take(struct options *options, const struct option *option, const char *value,
                               struct error *error)
{
    if (option->take)
        return option->take(options, value, error);
    return add_override(options, option->name, config_option_key(option->name), value ? value : "true",
                        error);
}

enum status options_parse(int argc, char **argv, struct options *out_options, struct error *error)
{
    *out_options =
        (struct options){.gates = GATES_DEFAULT, .run_tag = "", .argument_count = argc, .arguments = argv};
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i], *equals = strncmp(text, "--", 2) == 0 ? strchr(text, '=') : NULL;
        const struct option *option = option_find(text, equals ? (size_t)(equals - text) : strlen(text));
        if (!option)
            return error_set(error, STATUS_INVALID, "%s: unknown option; --help lists them", text);
        const char *value = equals ? equals + 1 : NULL;
        if (option->argument && !value && i + 1 < argc)
            value = argv[++i];
        if (option->argument && !value)
            return error_set(error, STATUS_INVALID, "%s: needs a value (%s)", option->name, option->argument);
        if (!option->argument && value)
            return error_set(error, STATUS_INVALID, "%s: takes no value", option->name);
        enum status status = option_take(out_options, option, value, error);
        if (status != STATUS_OK)
            return status;
    }
    if (out_options->rolls_back)
        out_options->fault_count = 0; /* they were for the run that was rolled back */
    return STATUS_OK;
}

void options_finish(struct options *options)
{
    for (size_t i = 0; i < options->owned_count; i++)
        free(options->owned[i]);
    options->owned_count = 0;
}

void options_print_help(void)
{
    printf("usage: orchestrator [options]\n\n"
           "Starts the processes of a run in the current folder, watches over them, and ends with a "
           "verdict.\n\n");
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", OPTIONS[i].name, OPTIONS[i].argument ? OPTIONS[i].argument : "");
        printf("  %-30s %s\n", left, OPTIONS[i].help);
    }
    putchar('\n');
    exits_print(stdout);
}
