#include "resolve.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/recorded.h"
#include "config/schema.h"
#include "preview.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char DEFAULT_CONFIG[] = "./config/defaults.yaml";

/* keep: the loader has put its sentences into `errors`; only silence would be wrong. */
static void keep(enum status status, struct config_errors *errors, const char *place)
{
    if (status != STATUS_OK && !errors->count)
        config_errors_add(errors, place, "", "cannot be used (%s)", status_name(status));
}

static void set_override(struct config *config, const struct option_override *override,
                         struct config_errors *errors)
{
    struct error wrong = {{0}};
    char place[96];
    snprintf(place, sizeof place, "option %s", override->option);
    if (config_set(config, override->key, override->value, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, place, "", "%s", wrong.text);
}

const char *resolve_config_path(const struct options *options)
{
    if (options->config_path)
        return options->config_path;
    return file_exists(DEFAULT_CONFIG) ? DEFAULT_CONFIG : NULL;
}

/* check_captures: a recording that cannot be read is a mistake of the command line, told before anything starts. */
static void check_captures(const struct config *config, struct config_errors *errors)
{
    struct config_list captures = config_list(config, "simulator.captures");
    for (size_t i = 0; i < captures.count; i++)
        if (access(captures.texts[i], R_OK) != 0)
            config_errors_add(errors, config_place(config, "simulator.captures"), "simulator.captures",
                              "%s cannot be read: %s", captures.texts[i], strerror(errno));
}

static void load_layers(const struct options *options, config_environment_get *get, void *context,
                        struct config *config, struct config_errors *errors)
{
    struct error wrong = {{0}};
    const char *path = resolve_config_path(options);
    if (path)
        keep(config_load_file(config, path, errors), errors, path);
    keep(config_load_environment(config, get, context, errors), errors, "environment");
    for (size_t i = 0; i < options->override_count; i++)
        set_override(config, &options->overrides[i], errors);
    if (options->capture_count && config_set_texts(config, "simulator.captures", options->captures,
                                                   options->capture_count, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, "option --capture", "", "%s", wrong.text);
    preview_resolve(config, errors);
    check_captures(config, errors);
    if (!errors->count)
        keep(config_validate(config, errors), errors, "configuration");
}

/* run_id_make: from the time and chance, so that two starts in one second differ. */
static void run_id_make(struct config *config, int64_t now_ms, struct config_errors *errors)
{
    char stamp[TIME_TEXT_BYTES], text[TIME_TEXT_BYTES + 8];
    uint16_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        chance = (uint16_t)(now_ms & 0xffff);
    time_stamp(now_ms, "%Y%m%d_%H%M%S", stamp);
    snprintf(text, sizeof text, "%s-%04x", stamp, chance);
    struct error wrong = {{0}};
    if (config_set(config, "run.run_id", text, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, "run id", "", "%s", wrong.text);
}

enum status resolve_config(const struct options *options, config_environment_get *get, void *context,
                           int64_t now_ms, struct config **out_config, struct buffer *out_mistakes)
{
    struct config_errors errors;
    config_errors_init(&errors);
    struct config *config = config_create();
    load_layers(options, get, context, config, &errors);
    if (!errors.count && !*config_text(config, "run.run_id"))
        run_id_make(config, now_ms, &errors);
    bool good = !errors.count;
    config_errors_print(&errors, out_mistakes);
    config_errors_finish(&errors);
    if (!good) {
        config_destroy(config);
        return STATUS_INVALID;
    }
    *out_config = config;
    return STATUS_OK;
}

bool resolve_recorded(const struct config *config)
{
    if (strcmp(config_text(config, "run.input_mode"), "preview") == 0)
        return true;
    return strcmp(config_text(config, "harvest.venue"), "simulator") == 0 &&
           config_list(config, "simulator.captures").count > 0;
}

enum status resolve_modules(struct config *config, struct module_choice *out_choice, struct error *error)
{
    struct module_conditions conditions = {
        .venue_is_simulator = strcmp(config_text(config, "harvest.venue"), "simulator") == 0,
        .paper_enabled = config_bool(config, "broker.paper_enable"),
        .plays_rows = recorded_plays_rows(config),
    };
    struct config_list names = config_list(config, "run.enable");
    struct module_choice choice;
    enum status status = module_choose(names.texts, names.count, &conditions, &choice, error);
    if (status != STATUS_OK)
        return status;
    const char *all[MODULE_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if ((choice.enabled | choice.implied) & module_bit(i))
            all[count++] = module_at(i)->name;
    status = config_set_texts(config, "run.enable", all, count, ORIGIN_CLI, error);
    if (status == STATUS_OK)
        *out_choice = choice;
    return status;
}

static enum status take_over(struct config *config, const char *key, const char *text, struct error *error)
{
    if (!*text || config_is_chosen(config, key))
        return STATUS_OK;
    return config_set(config, key, text, ORIGIN_CLI, error);
}

static enum status take_symbols(struct config *config, const struct venue_streams *streams,
                                struct error *error)
{
    if (!config_is_chosen(config, "run.symbols"))
        return config_set_texts(config, "run.symbols", (const char *const *)streams->symbols,
                                streams->symbol_count, ORIGIN_CLI, error);
    struct config_list wanted = config_list(config, "run.symbols");
    for (size_t i = 0; i < wanted.count; i++)
        if (!venue_streams_have(streams, wanted.texts[i]))
            return error_set(error, STATUS_INVALID, "run.symbols: %s is not in what the simulator serves",
                             wanted.texts[i]);
    return STATUS_OK;
}

static enum status take_market(struct config *config, const struct venue_streams *streams,
                               struct error *error)
{
    if (config_is_chosen(config, "harvest.market") && *streams->market &&
        strcmp(config_text(config, "harvest.market"), streams->market) != 0)
        return error_set(error, STATUS_INVALID, "harvest.market: is %s, but the simulator serves %s",
                         config_text(config, "harvest.market"), streams->market);
    return take_over(config, "harvest.market", streams->market, error);
}

static enum status take_addresses(struct config *config, int64_t port, struct error *error)
{
    bool tls = config_bool(config, "simulator.tls");
    const char *host = config_text(config, "simulator.host");
    char socket_url[288], rest_url[288], port_text[16];
    snprintf(socket_url, sizeof socket_url, "%s://%.250s:%lld", tls ? "wss" : "ws", host, (long long)port);
    snprintf(rest_url, sizeof rest_url, "%s://%.250s:%lld", tls ? "https" : "http", host, (long long)port);
    snprintf(port_text, sizeof port_text, "%lld", (long long)port);
    enum status status = take_over(config, "harvest.combined_url", socket_url, error);
    status = status == STATUS_OK ? take_over(config, "harvest.rest_url", rest_url, error) : status;
    /* A simulator that has to be started again must come back where harvest looks for it. */
    return status == STATUS_OK ? config_set(config, "simulator.port", port_text, ORIGIN_CLI, error) : status;
}

enum status resolve_venue(struct config *config, const struct venue_streams *streams, int64_t port,
                          struct error *error)
{
    enum status status = take_market(config, streams, error);
    status = status == STATUS_OK ? take_symbols(config, streams, error) : status;
    status = status == STATUS_OK ? take_over(config, "harvest.trade_stream", streams->trade_stream, error)
                                 : status;
    status = status == STATUS_OK ? take_over(config, "harvest.depth_stream", streams->depth_stream, error)
                                 : status;
    status = status == STATUS_OK ? take_addresses(config, port, error) : status;
    if (status != STATUS_OK)
        return status;
    struct config_errors errors;
    config_errors_init(&errors);
    if (config_validate(config, &errors) != STATUS_OK && errors.count)
        status = error_set(error, STATUS_INVALID, "%s: %s: %s", errors.items[0].place, errors.items[0].key,
                           errors.items[0].reason);
    config_errors_finish(&errors);
    return status;
}

enum status resolve_write(const struct config *config, const char *path, struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    config_json(config, &text);
    buffer_append_byte(&text, '\n');
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length,
                              strcmp(config_text(config, "journal.durability"), "power") == 0);
    buffer_finish(&text);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}

/* passed: whether the list "signal broker report" (or "all") names the process. */
static bool passed(const char *list, const char *process)
{
    if (!list)
        return false;
    if (strcmp(list, "all") == 0)
        return true;
    size_t length = strlen(process);
    for (const char *at = list; (at = strstr(at, process)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == 0 || at[length] == ' '))
            return true;
    return false;
}

static char *assignment(const char *name, const char *value)
{
    size_t bytes = strlen(name) + strlen(value) + 2;
    char *text = memory_allocate(bytes);
    snprintf(text, bytes, "%s=%s", name, value);
    return text;
}

char **resolve_environment(const char *process, config_environment_get *get, void *context)
{
    static const char *const MINIMUM[] = {"PATH", "HOME", "LANG",
                                          "ORDERFLOW_CRASH_POINT"}; /* the last: a hook of the tests (0039) */
    const struct config_environment_variable *variables;
    size_t variable_count = config_environment_variables(&variables), count = 0;
    size_t minimum_count = sizeof MINIMUM / sizeof *MINIMUM;
    char **environment = memory_allocate((variable_count + minimum_count + 2) * sizeof *environment);
    for (size_t i = 0; i < minimum_count; i++)
        if (get(context, MINIMUM[i]))
            environment[count++] = assignment(MINIMUM[i], get(context, MINIMUM[i]));
    environment[count++] = assignment("TZ", "UTC");
    for (size_t i = 0; i < variable_count; i++)
        if (passed(variables[i].passed_to, process) && get(context, variables[i].name))
            environment[count++] = assignment(variables[i].name, get(context, variables[i].name));
    return environment;
}

void resolve_environment_free(char **environment)
{
    for (char **at = environment; at && *at; at++)
        free(*at);
    free(environment);
}

const char *resolve_event_clock(const struct config *config)
{
    bool simulator = strcmp(config_text(config, "harvest.venue"), "simulator") == 0;
    if (strcmp(config_text(config, "run.input_mode"), "preview") == 0)
        return "recorded";
    if (!simulator)
        return "wall";
    if (strcmp(config_text(config, "simulator.start"), "now") != 0)
        return "recorded";
    return config_f64(config, "simulator.speed") == 1 ? "wall" : "scaled";
}

int64_t resolve_overrides(const struct config *config)
{
    int64_t count = 0;
    for (size_t i = 0; i < config_key_count(); i++) {
        enum config_origin origin = config_origin_of(config, config_key_at(i)->name);
        count += origin == ORIGIN_CLI || origin == ORIGIN_ENVIRONMENT;
    }
    return count;
}
