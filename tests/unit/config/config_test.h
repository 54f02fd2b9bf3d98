/* config_test: what the tests of this folder share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

/* loaded: a config with what was complained about as one text. */
struct loaded {
    struct config *config;
    enum status status;
    struct buffer errors;
    size_t error_count;
};

static UNUSED struct loaded load_bytes(const void *data, size_t bytes)
{
    struct loaded loaded = {.config = config_create()};
    struct config_errors errors;
    config_errors_init(&errors);
    buffer_init(&loaded.errors, 0);
    loaded.status = config_load_text(loaded.config, "test.yaml", data, bytes, &errors);
    loaded.error_count = errors.count + errors.not_kept;
    config_errors_print(&errors, &loaded.errors);
    config_errors_finish(&errors);
    assert_int_equal(loaded.status == STATUS_OK, loaded.error_count == 0);
    return loaded;
}

static UNUSED struct loaded load_yaml(const char *text)
{
    return load_bytes(text, strlen(text));
}

static UNUSED void loaded_finish(struct loaded *loaded)
{
    config_destroy(loaded->config);
    buffer_finish(&loaded->errors);
}

/* load_good: a config from text that must be without fault. */
static UNUSED struct config *load_good(const char *text)
{
    struct loaded loaded = load_yaml(text);
    if (loaded.status != STATUS_OK)
        fail_msg("unexpected: %s", buffer_text(&loaded.errors));
    buffer_finish(&loaded.errors);
    return loaded.config;
}

/* refuse: the text must give exactly this one complaint. */
static UNUSED void refuse(const char *text, const char *complaint)
{
    struct loaded loaded = load_yaml(text);
    char expected[2048];
    snprintf(expected, sizeof expected, "%s\n", complaint);
    assert_string_equal(buffer_text(&loaded.errors), expected);
    loaded_finish(&loaded);
}

static UNUSED void set(struct config *config, const char *key, const char *text)
{
    struct error error = {""};
    if (config_set(config, key, text, ORIGIN_CLI, &error) != STATUS_OK)
        fail_msg("unexpected: %s", error.text);
}

/* set_other: gives the key some other valid value; false when it can have only one. */
static UNUSED bool set_other(struct config *config, const char *key)
{
    static const char *const CANDIDATES[] = {
        "true",        "false",     "0",   "1",       "2",    "3",          "20",    "30",
        "60",          "100",       "250", "0.5",     "0.25", "-0.5",       "now",   "ws://localhost",
        "http://host", "127.0.0.2", "UTC", "Etc/UTC", "mon",  "2025-01-01", "other", "09:00-10:00",
        "0.5,0.25",    "5,10",      "A",   "128",     "1000", "99999",      "a=b",   NULL,
    };
    const struct config_key *row = config_key_find(key);
    struct buffer before, after;
    bool changed = false;
    buffer_init(&before, 0);
    buffer_init(&after, 0);
    config_value_text(config, key, &before);
    for (size_t i = 0; !changed; i++) {
        const char *text = row->choices ? row->choices[i] : CANDIDATES[i];
        if (!text)
            break;
        enum config_origin origin = row->flags & CONFIG_SECRET ? ORIGIN_ENVIRONMENT : ORIGIN_CLI;
        if (config_set(config, key, text, origin, NULL) != STATUS_OK)
            continue;
        buffer_clear(&after);
        config_value_text(config, key, &after);
        changed = strcmp(buffer_text(&before), buffer_text(&after)) != 0;
    }
    buffer_finish(&before);
    buffer_finish(&after);
    return changed;
}

static UNUSED const char *fingerprint(const struct config *config, char out[SHA256_HEX_BYTES])
{
    config_fingerprint(config, out);
    return out;
}

/* root_path: a path below the source tree. */
static UNUSED const char *root_path(const char *name, char out[1024])
{
    const char *root = getenv("ORDERFLOW_ROOT");
    snprintf(out, 1024, "%s/%s", root ? root : ".", name);
    return out;
}
