#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "stage/stage_private.h"

#include <errno.h>
#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct stage_option STAGE_OPTIONS[] = {
    {"config", "FILE", NULL, "YAML configuration; environment variables and --set go before it"},
    {"effective", "FILE", NULL, "the orchestrator's resolved configuration, taken as it is"},
    {"plan", "FILE", NULL, "the orchestrator's plan: which symbols are this instance's, and whom it reads"},
    {"set", "KEY=VALUE", NULL, "one configuration key (repeatable)"},
    {"run-id", "ID", "run.run_id", "run to belong to"},
    {"symbols", "A,B", "run.symbols", "symbols"},
    {"instance", "NAME", NULL, "name of this instance (default: the service's)"},
    {"generation", "N", NULL, "which life of the instance this is"},
    {"restarts", "N", NULL, "starts before it that followed an end nobody asked for, for the heartbeat"},
    {"replay", "FILE", NULL, "recompute from a raw capture (repeatable) and print rows as JSON lines"},
    {"replay-link", NULL, NULL, "with --replay: upstream daemons are already there (used between daemons)"},
    {"debug", NULL, "run.debug", "more log"},
    {"help", NULL, NULL, "this text"},
    {"version", NULL, NULL, "version, compiler, git revision"},
    {0},
};

static void print_options(const struct stage_option *options)
{
    for (; options && options->name; options++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", options->name, options->argument ? " " : "",
                 options->argument ? options->argument : "");
        printf("  %-24s %s\n", left, options->help);
    }
}

static const char *program_name(const struct stage_service *service)
{
    return service->program ? service->program : service->name;
}

static void print_help(const struct stage_service *service)
{
    printf("usage: %s [options]\n\n%s\n\n", program_name(service), service->summary);
    printf("reads:");
    for (const char *const *input = service->inputs; input && *input; input++)
        printf(" %s", *input);
    printf("%s\npublishes: %s\n\n", service->inputs ? "" : " nothing from the bus",
           service->publishes ? "one stream per symbol" : "nothing");
    print_options(service->options);
    print_options(STAGE_OPTIONS);
    printf("\nexit codes: 0 clean stop, 1 internal error, 2 configuration or usage, 5 temporary external "
           "failure\n");
}

static const struct stage_option *find(const struct stage_option *options, const char *name, size_t length)
{
    for (; options && options->name; options++)
        if (strlen(options->name) == length && memcmp(options->name, name, length) == 0)
            return options;
    return NULL;
}

static enum status add(struct stage_override *list, size_t *count, const char *key, const char *value,
                       struct error *error)
{
    if (*count == STAGE_OVERRIDES_MAX)
        return error_set(error, STATUS_LIMIT, "more than %d options", STAGE_OVERRIDES_MAX);
    list[(*count)++] = (struct stage_override){key, value};
    return STATUS_OK;
}

char *stage_options_keep(struct stage_options *options, char *text)
{
    options->texts =
        memory_grow(options->texts, &options->text_capacity, options->text_count + 1, sizeof *options->texts);
    options->texts[options->text_count++] = text;
    return text;
}

void stage_options_finish(struct stage_options *options)
{
    for (size_t i = 0; i < options->text_count; i++)
        free(options->texts[i]);
    free(options->texts);
}

static enum status take_set(struct stage_options *options, const char *text, struct error *error)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return error_set(error, STATUS_INVALID, "--set %s: write it as --set key=value", text);
    char *key = stage_options_keep(options, memory_copy_text(text));
    key[equals - text] = 0;
    return add(options->overrides, &options->override_count, key, equals + 1, error);
}

/* take_instance: the name becomes part of file and socket names. */
static enum status take_instance(struct stage_options *options, const char *text, struct error *error)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t length = strspn(text, ALLOWED);
    if (!length || text[length] || length >= INSTANCE_BYTES || *text == '.')
        return error_set(
            error, STATUS_INVALID,
            "--instance %.80s: must be 1 to %d letters, digits, '_', '-', '.', not beginning with '.'", text,
            INSTANCE_BYTES - 1);
    options->instance = text;
    return STATUS_OK;
}

static enum status take_number(const char *option, const char *text, int64_t *out_value, struct error *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < 0)
        return error_set(error, STATUS_INVALID, "--%s %.80s: must be a whole number from 0", option, text);
    *out_value = value;
    return STATUS_OK;
}

static enum status take(struct stage_options *options, const struct stage_option *option, const char *value,
                        struct error *error)
{
    const char *name = option->name;
    if (strcmp(name, "config") == 0)
        options->config_path = value;
    else if (strcmp(name, "effective") == 0)
        options->effective_path = value;
    else if (strcmp(name, "plan") == 0)
        options->plan_path = value;
    else if (strcmp(name, "instance") == 0)
        return take_instance(options, value, error);
    else if (strcmp(name, "generation") == 0)
        return take_number(name, value, &options->generation, error);
    else if (strcmp(name, "restarts") == 0)
        return take_number(name, value, &options->restarts, error);
    else if (strcmp(name, "replay-link") == 0)
        options->replay_link = true;
    else if (strcmp(name, "set") == 0)
        return take_set(options, value, error);
    else if (strcmp(name, "replay") == 0) {
        if (options->replay_count == STAGE_OVERRIDES_MAX)
            return error_set(error, STATUS_LIMIT, "more than %d captures", STAGE_OVERRIDES_MAX);
        options->replay_files[options->replay_count++] = value;
    } else if (option->key)
        return add(options->overrides, &options->override_count, option->key,
                   option->argument ? value : "true", error);
    else
        return add(options->service_values, &options->service_value_count, name, value, error);
    return STATUS_OK;
}

enum status stage_options_parse(struct stage *stage, int argc, char **argv, bool *out_done,
                                struct error *error)
{
    *out_done = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (strncmp(text, "--", 2) != 0)
            return error_set(error, STATUS_INVALID, "%s: not an option; see --help", text);
        const char *equals = strchr(text, '=');
        size_t length = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
        const struct stage_option *option = find(stage->service->options, text + 2, length);
        option = option ? option : find(STAGE_OPTIONS, text + 2, length);
        if (!option)
            return error_set(error, STATUS_INVALID, "%s: unknown option; see --help", text);
        if (strcmp(option->name, "help") == 0 || strcmp(option->name, "version") == 0) {
            *out_done = true;
            if (option->name[0] == 'h')
                print_help(stage->service);
            else
                printf("%s %s\n", program_name(stage->service), ORDERFLOW_VERSION_LINE);
            return STATUS_OK;
        }
        const char *value = "";
        if (option->argument) {
            value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : "";
            if (!*value && !equals)
                return error_set(error, STATUS_INVALID, "--%s: needs a value (%s)", option->name,
                                 option->argument);
        } else if (equals) {
            return error_set(error, STATUS_INVALID, "--%s: takes no value", option->name);
        }
        enum status status = take(&stage->options, option, value, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status errors_to_sentence(const struct config_errors *errors, struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    config_errors_print(errors, &text);
    fputs(buffer_text(&text), stderr);
    buffer_finish(&text);
    return error_set(error, STATUS_INVALID, "%zu mistake%s in the configuration, listed above",
                     errors->count + errors->not_kept, errors->count + errors->not_kept == 1 ? "" : "s");
}

/* load_layers: file, environment, options; every mistake is kept. */
static void load_layers(struct stage *stage, struct config_errors *errors)
{
    struct stage_options *options = &stage->options;
    const char *path = options->effective_path ? options->effective_path : options->config_path;
    enum status ignored;
    if (!path && options->replay_count)
        stage_replay_config(stage, errors);
    if (path && (ignored = config_load_file(stage->config, path, errors)) != STATUS_OK && !errors->count)
        config_errors_add(errors, path, "", "cannot be read (%s)", status_name(ignored));
    if (!options->effective_path)
        ignored = config_load_environment(stage->config, config_environment_process, NULL, errors);
    for (size_t i = 0; i < options->override_count; i++) {
        struct error wrong;
        if (config_set(stage->config, options->overrides[i].key, options->overrides[i].value, ORIGIN_CLI,
                       &wrong) != STATUS_OK)
            config_errors_add(errors, "command line", "", "%s", wrong.text);
    }
    if (options->config_path && !options->effective_path && options->replay_count)
        stage_replay_facts(stage, errors);
    if (!errors->count)
        ignored = config_validate(stage->config, errors);
    (void)ignored;
}

static void symbols_take(struct stage *stage)
{
    struct config_list list = config_list(stage->config, "run.symbols");
    stage->symbols = memory_allocate(list.count * sizeof *stage->symbols);
    stage->symbol_indexes = memory_allocate(sizeof *stage->symbol_indexes);
    map_init(stage->symbol_indexes);
    for (size_t i = 0; i < list.count; i++) {
        stage->symbols[i] = memory_copy_text(list.texts[i]);
        map_put(stage->symbol_indexes, stage->symbols[i], i);
    }
    stage->symbol_count = list.count;
}

enum status stage_config_load(struct stage *stage, struct error *error)
{
    struct config_errors errors;
    config_errors_init(&errors);
    stage->config = config_create();
    load_layers(stage, &errors);
    enum status status = errors.count ? errors_to_sentence(&errors, error) : STATUS_OK;
    config_errors_finish(&errors);
    if (status != STATUS_OK)
        return status;
    const char *run_id = config_text(stage->config, "run.run_id");
    snprintf(stage->run_id, sizeof stage->run_id, "%s", *run_id ? run_id : "by-hand");
    snprintf(stage->instance, sizeof stage->instance, "%s",
             stage->options.instance ? stage->options.instance : stage->service->name);
    config_fingerprint(stage->config, stage->fingerprint);
    stage->levels = (int)config_i64(stage->config, "ofi.levels");
    symbols_take(stage);
    log_configure(stage->instance, stage->run_id,
                  config_bool(stage->config, "run.debug") ? LOG_DEBUG : LOG_INFO);
    return STATUS_OK;
}
