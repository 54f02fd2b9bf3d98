/* Options and environment: values given as text. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *place_name(enum config_origin origin)
{
    static const char *const NAMES[ORIGIN_COUNT] = {"built-in", "profile", "file", "environment",
                                                    "command line"};
    return NAMES[origin];
}

static enum status unknown_key(const char *name, struct error *error)
{
    const char *near = key_suggest(name);
    return error_set(error, STATUS_INVALID, "%.100s: there is no such key%s%s%s", name,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum status resolve(const char *name, enum config_origin origin, const struct config_key **out_key,
                           char out_symbol[CONFIG_SYMBOL_BYTES], struct error *error)
{
    const struct config_key *key;
    if (!key_resolve(name, &key, out_symbol))
        return unknown_key(name, error);
    if ((key->flags & CONFIG_SECRET) && origin != ORIGIN_ENVIRONMENT)
        return error_set(error, STATUS_INVALID, "%s: is a secret; set the environment variable %s instead",
                         name, key->environment);
    *out_key = key;
    return STATUS_OK;
}

static enum status set_done(struct config *config, const char *name, const char *symbol,
                            const struct config_key *key, enum config_origin origin, enum status status,
                            struct config_value *take_value, const struct error *reason, struct error *error)
{
    if (status != STATUS_OK)
        return error_set(error, STATUS_INVALID, "%s: %.900s", name, reason->text);
    config_store(config, *symbol ? symbol : NULL, key, origin, take_value, place_name(origin));
    config_settle(config);
    return STATUS_OK;
}

enum status config_set(struct config *config, const char *key_name, const char *text,
                       enum config_origin origin, struct error *error)
{
    const struct config_key *key = NULL;
    char symbol[CONFIG_SYMBOL_BYTES];
    enum status status = resolve(key_name, origin, &key, symbol, error);
    if (status != STATUS_OK || !key)
        return status;
    struct config_value value = {0};
    struct error reason = {""};
    status = value_parse_option(key, text, &value, &reason);
    return set_done(config, key_name, symbol, key, origin, status, &value, &reason, error);
}

enum status config_set_texts(struct config *config, const char *key_name, const char *const *texts,
                             size_t count, enum config_origin origin, struct error *error)
{
    const struct config_key *key = NULL;
    char symbol[CONFIG_SYMBOL_BYTES];
    enum status status = resolve(key_name, origin, &key, symbol, error);
    if (status != STATUS_OK || !key)
        return status;
    if (!type_is_list(key->type))
        return error_set(error, STATUS_INVALID, "%s: takes one value, not a list", key_name);
    struct config_value value;
    struct error reason = {""};
    value_begin_list(key, &value);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = value_append(key, &value, texts[i], strlen(texts[i]), NOTATION_OPTION, &reason);
    if (status == STATUS_OK)
        status = value_check(key, &value, &reason);
    if (status != STATUS_OK)
        value_finish(&value);
    return set_done(config, key_name, symbol, key, origin, status, &value, &reason, error);
}

/* ---- environment ---- */

const char *config_environment_process(void *unused, const char *name)
{
    (void)unused;
    return getenv(name);
}

/* parse_scaled: the variable's number times the key's scale (RUN_HOURS). */
static enum status parse_scaled(const struct config_key *key, const char *text, struct config_value *out,
                                struct error *error)
{
    struct config_value value;
    enum status status = value_parse(key, text, strlen(text), NOTATION_OPTION, &value, error);
    if (status != STATUS_OK)
        return status;
    value.number *= key->environment_scale;
    status = value_check(key, &value, error);
    if (status == STATUS_OK)
        *out = value;
    return status;
}

static enum status parse_variable(const struct config_key *key, const char *text, struct config_value *out,
                                  struct error *error)
{
    if (key->environment_constant)
        return value_parse_option(key, key->environment_constant, out, error);
    if (key->environment_scale != 0)
        return parse_scaled(key, text, out, error);
    return value_parse_option(key, text, out, error);
}

enum status config_load_environment(struct config *config, config_environment_get *get, void *context,
                                    struct config_errors *errors)
{
    size_t before = errors->count + errors->not_kept;
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        const char *text = key->environment ? get(context, key->environment) : NULL;
        if (!text)
            continue;
        char place[128];
        snprintf(place, sizeof place, "environment variable %s", key->environment);
        struct config_value value = {0};
        struct error error = {""};
        if (parse_variable(key, text, &value, &error) != STATUS_OK)
            config_errors_add(errors, place, key->name, "%s",
                              key->flags & CONFIG_SECRET ? "is not a well-formed text" : error.text);
        else
            config_store(config, NULL, key, ORIGIN_ENVIRONMENT, &value, place);
    }
    config_settle(config);
    return errors->count + errors->not_kept == before ? STATUS_OK : STATUS_INVALID;
}
