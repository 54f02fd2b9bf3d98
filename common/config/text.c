/* text: fingerprint, JSON, show and diff. */
#include "internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* own_is_written: whether a symbol's own value belongs into the text forms. */
static bool own_is_written(const struct config *config, const char *symbol, const struct config_key *key)
{
    if (!(key->flags & CONFIG_PER_SYMBOL))
        return false;
    struct config_value own = config_find(config, symbol, key).value,
                        common = config_find(config, NULL, key).value;
    return config_has_own(config, symbol, key) || !value_equal(&own, &common);
}

/* ---- fingerprint ---- */

struct item {
    char name[KEY_PATH_BYTES];
    struct config_value value;
};

struct items {
    struct item *list;
    size_t count, capacity;
};

static void add_item(struct items *items, const struct config_key *key, const char *symbol,
                     struct config_value value)
{
    items->list = memory_grow(items->list, &items->capacity, items->count + 1, sizeof *items->list);
    struct item *item = &items->list[items->count++];
    key_path(key, symbol, item->name);
    item->value = value;
}

static void add_symbol_items(const struct config *config, const char *symbol, struct items *items)
{
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        if ((key->flags & CONFIG_OPERATIONAL) || !(key->flags & CONFIG_PER_SYMBOL))
            continue;
        struct config_value own = config_find(config, symbol, key).value,
                            common = config_find(config, NULL, key).value;
        if (!value_equal(&own, &common))
            add_item(items, key, symbol, own);
    }
}

static int compare_items(const void *left, const void *right)
{
    return strcmp(((const struct item *)left)->name, ((const struct item *)right)->name);
}

void config_fingerprint_json(const struct config *config, struct buffer *out)
{
    struct items items = {0};
    size_t symbol_count;
    const char **symbols = config_symbols(config, &symbol_count);
    for (size_t i = 0; i < config_key_count(); i++)
        if (!(config_key_at(i)->flags & CONFIG_OPERATIONAL))
            add_item(&items, config_key_at(i), NULL, config_find(config, NULL, config_key_at(i)).value);
    for (size_t i = 0; i < symbol_count; i++)
        add_symbol_items(config, symbols[i], &items);
    if (items.count)
        qsort(items.list, items.count, sizeof *items.list, compare_items);
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    for (size_t i = 0; i < items.count; i++) {
        json_key(&json, items.list[i].name);
        value_write_json(&json, &items.list[i].value);
    }
    json_object_end(&json);
    free(items.list);
    free(symbols);
}

void config_fingerprint(const struct config *config, char out_hex[SHA256_HEX_BYTES])
{
    struct buffer text;
    buffer_init(&text, 0);
    config_fingerprint_json(config, &text);
    sha256_hex(text.data, text.length, out_hex);
    buffer_finish(&text);
}

/* ---- JSON ---- */

static void write_own_values(const struct config *config, const char *section, size_t section_bytes,
                             const char *symbol, struct json *json)
{
    json_key(json, symbol);
    json_object_begin(json);
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        if (strncmp(key->name, section, section_bytes) != 0 || !own_is_written(config, symbol, key))
            continue;
        struct config_value value = config_find(config, symbol, key).value;
        json_key(json, key->name + section_bytes);
        value_write_json(json, &value);
    }
    json_object_end(json);
}

/* write_symbols: "per_symbol" of a section (its name with the dot), if any symbol has values there. */
static void write_symbols(const struct config *config, const char *section, size_t section_bytes,
                          struct json *json)
{
    size_t count;
    const char **symbols = config_symbols(config, &count);
    bool any = false;
    for (size_t i = 0; i < config->own_count; i++)
        any = any || strncmp(config->own_values[i].key->name, section, section_bytes) == 0;
    if (any) {
        json_key(json, "per_symbol");
        json_object_begin(json);
        for (size_t i = 0; i < count; i++)
            write_own_values(config, section, section_bytes, symbols[i], json);
        json_object_end(json);
    }
    free(symbols);
}

/* write_group: the members of the object whose keys share the first `prefix` bytes with key `at`; returns the
 * first key behind it. Keys of a section stand together in the schema. */
static size_t write_group(const struct config *config, size_t at, size_t prefix, struct json *json)
{
    const char *first = config_key_at(at)->name;
    while (at < config_key_count() && strncmp(config_key_at(at)->name, first, prefix) == 0) {
        const struct config_key *key = config_key_at(at);
        const char *rest = key->name + prefix, *dot = strchr(rest, '.');
        if (dot) {
            char word[KEY_PATH_BYTES];
            snprintf(word, sizeof word, "%.*s", (int)(dot - rest), rest);
            json_key(json, word);
            json_object_begin(json);
            at = write_group(config, at, (size_t)(dot + 1 - key->name), json);
            json_object_end(json);
            continue;
        }
        at++;
        if (key->flags & CONFIG_SECRET)
            continue;
        struct config_value value = config_find(config, NULL, key).value;
        json_key(json, rest);
        value_write_json(json, &value);
    }
    if (prefix && strchr(first, '.') + 1 == first + prefix)
        write_symbols(config, first, prefix, json);
    return at;
}

static void write_origin(struct json *json, const char *name, enum config_origin origin)
{
    if (origin != ORIGIN_BUILT_IN)
        json_key_text(json, name, config_origin_name(origin));
}

static void write_origins(const struct config *config, struct json *json)
{
    size_t symbol_count;
    const char **symbols = config_symbols(config, &symbol_count);
    json_key(json, "origins");
    json_object_begin(json);
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        if (!(key->flags & CONFIG_SECRET))
            write_origin(json, key->name, config_find(config, NULL, key).origin);
        for (size_t s = 0; s < symbol_count; s++) {
            char name[KEY_PATH_BYTES];
            key_path(key, symbols[s], name);
            if (own_is_written(config, symbols[s], key))
                write_origin(json, name, config_find(config, symbols[s], key).origin);
        }
    }
    json_object_end(json);
    free(symbols);
}

void config_json(const struct config *config, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    write_origins(config, &json);
    (void)write_group(config, 0, 0, &json);
    json_object_end(&json);
}

void config_json_section(const struct config *config, const char *section, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    size_t length = strlen(section);
    for (size_t i = 0; i < config_key_count(); i++) {
        const char *name = config_key_at(i)->name;
        if (strncmp(name, section, length) == 0 && name[length] == '.') {
            (void)write_group(config, i, length + 1, &json);
            break;
        }
    }
    json_object_end(&json);
}

/* ---- for people ---- */

static void write_shown(struct buffer *out, const struct config_key *key, const struct config_value *value)
{
    if (key->flags & CONFIG_SECRET)
        buffer_append_text(out, *value->text ? "set" : "");
    else
        value_write_text(out, value);
}

void config_value_text(const struct config *config, const char *key, struct buffer *out)
{
    struct config_value value = config_get(config, key);
    value_write_text(out, &value);
}

bool config_is_chosen(const struct config *config, const char *key)
{
    enum config_origin origin = config_origin_of(config, key);
    if (origin != ORIGIN_FILE)
        return origin > ORIGIN_FILE;
    struct config *untouched = config_create();
    struct buffer ours, standard;
    buffer_init(&ours, 0);
    buffer_init(&standard, 0);
    config_value_text(config, key, &ours);
    config_value_text(untouched, key, &standard);
    bool differs = strcmp(buffer_text(&ours), buffer_text(&standard)) != 0;
    buffer_finish(&ours);
    buffer_finish(&standard);
    config_destroy(untouched);
    return differs;
}

static void show_one(const struct config *config, const char *symbol, const struct config_key *key,
                     struct buffer *out)
{
    char name[KEY_PATH_BYTES];
    struct found found = config_find(config, symbol, key);
    key_path(key, symbol, name);
    buffer_format(out, "%s = ", name);
    write_shown(out, key, &found.value);
    bool unit = strcmp(key->unit, "–") != 0;
    buffer_format(out, "  # %s%s%s", unit ? key->unit : "", unit ? ", " : "",
                  config_origin_name(found.origin));
    /* Where something stands in a written effective configuration tells nobody anything. */
    if (!config->frozen && strcmp(found.place, config_origin_name(found.origin)) != 0)
        buffer_format(out, " (%s)", found.place);
    buffer_append_text(out, "\n");
}

void config_show(const struct config *config, struct buffer *out)
{
    size_t count;
    const char **symbols = config_symbols(config, &count);
    for (size_t i = 0; i < config_key_count(); i++) {
        show_one(config, NULL, config_key_at(i), out);
        for (size_t s = 0; s < count; s++)
            if (own_is_written(config, symbols[s], config_key_at(i)))
                show_one(config, symbols[s], config_key_at(i), out);
    }
    free(symbols);
}

static size_t diff_one(const struct config *left, const struct config *right, const char *symbol,
                       const struct config_key *key, struct buffer *out)
{
    char name[KEY_PATH_BYTES];
    struct config_value before = config_find(left, symbol, key).value,
                        after = config_find(right, symbol, key).value;
    if (value_equal(&before, &after))
        return 0;
    key_path(key, symbol, name);
    buffer_format(out, "%s: ", name);
    write_shown(out, key, &before);
    buffer_append_text(out, " -> ");
    write_shown(out, key, &after);
    buffer_append_text(out, "\n");
    return 1;
}

static size_t diff_symbols(const struct config *left, const struct config *right, const struct config *source,
                           struct buffer *out)
{
    size_t count, different = 0;
    const char **symbols = config_symbols(source, &count);
    for (size_t i = 0; i < config_key_count(); i++)
        for (size_t s = 0; s < count; s++) {
            const struct config_key *key = config_key_at(i);
            bool told = source == right && own_is_written(left, symbols[s], key);
            if (own_is_written(source, symbols[s], key) && !told)
                different += diff_one(left, right, symbols[s], key, out);
        }
    free(symbols);
    return different;
}

size_t config_diff(const struct config *left, const struct config *right, struct buffer *out)
{
    size_t different = 0;
    for (size_t i = 0; i < config_key_count(); i++)
        different += diff_one(left, right, NULL, config_key_at(i), out);
    different += diff_symbols(left, right, left, out);
    return different + diff_symbols(left, right, right, out);
}
