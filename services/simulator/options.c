#include "options.h"

#include "settings.h"

#include "base/memory.h"
#include "orderflow_version.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPTURES_MAX = 1000 };

/* option_row: an option that sets a configuration key, or one of our own (key NULL). */
static const struct option_row {
    const char *name;
    const char *argument; /* NULL: a switch */
    const char *key;
    const char *help;
} OPTIONS[] = {
    {"config", "FILE", NULL, "configuration file"},
    {"capture", "FILE", NULL, "recording to serve; repeat for several (default: a synthetic market)"},
    {"speed", "N", "simulator.speed", "N times market time; max: as fast as it is read"},
    {"start", "WHEN", "simulator.start", "recorded, now, or milliseconds since 1970"},
    {"minutes", "M", "simulator.minutes", "length of the synthetic market in market time; 0: endless"},
    {"seed", "N", "simulator.seed", "of the synthetic market"},
    {"rate", "N", "simulator.rate", "messages per second and symbol of the synthetic market"},
    {"flow-strength", "X", "simulator.flow_strength", "how strongly its order flow is one-sided"},
    {"size-sigma", "X", "simulator.size_sigma", "spread of its order sizes"},
    {"market", "NAME", "harvest.market", "usdm, coinm or spot, for the synthetic market"},
    {"symbols", "A,B", "simulator.symbols", "of the synthetic market; of recordings: only these"},
    {"host", "ADDRESS", NULL, "where to listen (simulator.host; beyond 127.… only with --tls)"},
    {"port", "N", "simulator.port", "0: any free one"},
    {"port-file", "FILE", NULL, "receives the port when listening"},
    {"streams-file", "FILE", NULL, "receives what /simulator/streams answers, before the port"},
    {"position-file", "FILE", NULL,
     "keeps where the market is: a simulator that died goes on as a venue would"},
    {"control", "N", NULL, "takes faults on the bus (simulator.ctl), as life N of the simulator"},
    {"tls", NULL, "simulator.tls", "wss and https, with a certificate made at start"},
    {"state-dir", "DIR", "run.state_dir", "where that certificate goes"},
    {"rest-delay-ms", "N", "simulator.rest_delay_ms", "delays every depth answer"},
    {"inject", "FILE", "simulator.inject", "faults to send (services/simulator/README.md)"},
    {"ping-interval", "S", NULL, "seconds between pings (default 180)"},
    {"pass-snapshots", NULL, NULL, "do not stop at recorded snapshots nobody has asked for"},
    {"attended", NULL, NULL, "the market moves only while every symbol that was listened to has a listener"},
    {"help", NULL, NULL, "this"},
    {"version", NULL, NULL, "version"},
};
enum { OPTION_COUNT = sizeof OPTIONS / sizeof *OPTIONS };

struct given {
    const char *config_file;
    const char *host;
    const char *position_file;
    const char *captures[CAPTURES_MAX];
    size_t capture_count;
    int ping_interval_s;
    int64_t control; /* generation; 0: not given */
    bool pass_snapshots, attended, help, version;
};

static void print_help(void)
{
    puts("usage: simulator [options]\nServes a recorded or synthetic market as Binance does, on this "
         "machine.\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        printf("  --%-15s %-8s %s\n", OPTIONS[i].name, OPTIONS[i].argument ? OPTIONS[i].argument : "",
               OPTIONS[i].help);
}

static bool complain(const char *option, const char *text)
{
    fprintf(stderr, "simulator: option --%s: %s\n", option, text);
    return false;
}

static bool take_ping_interval(const char *text, struct given *given)
{
    char *end;
    long seconds = strtol(text, &end, 10);
    if (*end || seconds < 1 || seconds > 3600)
        return complain("ping-interval", "must be 1 to 3600 seconds");
    given->ping_interval_s = (int)seconds;
    return true;
}

static bool take_control(const char *text, struct given *given)
{
    char *end;
    given->control = strtoll(text, &end, 10);
    return *text && !*end && given->control > 0 ? true : complain("control", "must be a whole number from 1");
}

/* take_own: an option that is no configuration key. */
static bool take_own(const char *name, const char *value, struct given *given, struct options *options)
{
    if (strcmp(name, "config") == 0)
        given->config_file = value;
    else if (strcmp(name, "host") == 0)
        given->host = value;
    else if (strcmp(name, "port-file") == 0)
        options->port_file = value;
    else if (strcmp(name, "streams-file") == 0)
        options->streams_file = value;
    else if (strcmp(name, "position-file") == 0)
        given->position_file = value;
    else if (strcmp(name, "ping-interval") == 0)
        return take_ping_interval(value, given);
    else if (strcmp(name, "control") == 0)
        return take_control(value, given);
    else if (strcmp(name, "pass-snapshots") == 0)
        given->pass_snapshots = true;
    else if (strcmp(name, "attended") == 0)
        given->attended = true;
    else if (strcmp(name, "help") == 0)
        given->help = true;
    else if (strcmp(name, "version") == 0)
        given->version = true;
    else if (given->capture_count == CAPTURES_MAX)
        return complain(name, "is there too often");
    else
        given->captures[given->capture_count++] = value;
    return true;
}

static bool take_option(const struct option_row *row, const char *value, struct given *given,
                        struct options *options)
{
    if (!row->key)
        return take_own(row->name, value, given, options);
    if (!row->argument)
        value = "true";
    else if (strcmp(row->name, "speed") == 0 && strcmp(value, "max") == 0)
        value = "0";
    struct error error;
    if (config_set(options->config, row->key, value, ORIGIN_CLI, &error) == STATUS_OK)
        return true;
    return complain(row->name, error.text);
}

static bool take_options(int argc, char **argv, struct given *given, struct options *options)
{
    struct option long_options[OPTION_COUNT + 1] = {{0}};
    for (size_t i = 0; i < OPTION_COUNT; i++)
        long_options[i] =
            (struct option){OPTIONS[i].name, OPTIONS[i].argument ? required_argument : no_argument, NULL, 0};
    bool good = true;
    int index, result;
    while ((result = getopt_long(argc, argv, "", long_options, &index)) != -1)
        good = result == 0 && take_option(&OPTIONS[index], optarg, given, options) && good;
    if (optind < argc)
        fprintf(stderr, "simulator: '%s' is no option; see --help\n", argv[optind]);
    return good && optind == argc;
}

static bool print_errors(struct config_errors *errors, enum status status)
{
    struct buffer text;
    buffer_init(&text, 0);
    config_errors_print(errors, &text);
    if (status != STATUS_OK)
        fputs(buffer_text(&text), stderr);
    buffer_finish(&text);
    config_errors_finish(errors);
    return status == STATUS_OK;
}

static bool load_config(const struct given *given, struct options *options)
{
    struct config_errors errors;
    config_errors_init(&errors);
    enum status status = STATUS_OK, environment;
    if (given->config_file)
        status = config_load_file(options->config, given->config_file, &errors);
    environment = config_load_environment(options->config, config_environment_process, NULL, &errors);
    struct error error;
    if (given->capture_count && config_set_texts(options->config, "simulator.captures", given->captures,
                                                 given->capture_count, ORIGIN_CLI, &error) != STATUS_OK) {
        config_errors_add(&errors, "option --capture", "simulator.captures", "%s", error.text);
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK && environment == STATUS_OK)
        status = config_validate(options->config, &errors);
    return print_errors(&errors, status == STATUS_OK ? environment : status);
}

static bool is_loopback(const char *host)
{
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool describe(const struct given *given, struct options *options)
{
    struct simulator_config *simulator = &options->simulator;
    simulator_settings(options->config, simulator);
    simulator->ping_interval_s = given->ping_interval_s;
    simulator->pass_snapshots = given->pass_snapshots;
    simulator->attended = given->attended;
    simulator->position_path = given->position_file;
    simulator->run_id = config_text(options->config, "run.run_id");
    simulator->generation = given->control;
    simulator->control = given->control ? options->config : NULL;
    if (given->host)
        simulator->host = given->host;
    if (!is_loopback(simulator->host) && !simulator->tls)
        return complain("host", "beyond this machine (127.…) only with --tls");
    return true;
}

enum options_result options_read(int argc, char **argv, struct options *out_options)
{
    struct given *given = memory_allocate(sizeof *given);
    *out_options = (struct options){.config = config_create()};
    bool good = take_options(argc, argv, given, out_options);
    enum options_result result = good ? OPTIONS_RUN : OPTIONS_WRONG;
    if (good && given->help)
        print_help();
    else if (good && given->version)
        puts("simulator " ORDERFLOW_VERSION_LINE);
    else if (good && (!load_config(given, out_options) || !describe(given, out_options)))
        result = OPTIONS_WRONG;
    if (good && (given->help || given->version))
        result = OPTIONS_DONE;
    free(given);
    return result;
}

void options_finish(struct options *options)
{
    config_destroy(options->config);
    *options = (struct options){0};
}
