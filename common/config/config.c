#include "base/memory.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* must: our own tables have to be right; a mistake in them ends the program with its place. */
static void must(enum status status, const char *key, const struct error *error)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "configuration schema: %s: %s\n", key, error->text);
    abort();
}

static struct config_value parse_standard(const struct config_key *key, const char *text)
{
    struct config_value value = {.type = key->type};
    struct error error = {""};
    must(value_parse_option(key, text, &value, &error), key->name, &error);
    return value;
}

static void parse_columns(struct config *config)
{
    config->columns = memory_allocate(config_profile_row_count() * sizeof *config->columns);
    for (size_t row = 0; row < config_profile_row_count(); row++) {
        const struct config_profile_row *profile = config_profile_row_at(row);
        for (size_t column = 0; column < CONFIG_PROFILES_MAX; column++) {
            if (!profile->values[column])
                continue;
            struct stored *stored = &config->columns[row][column];
            stored->value = parse_standard(config_key_find(profile->key), profile->values[column]);
            stored->present = true;
        }
    }
}

struct config *config_create(void)
{
    struct config *config = memory_allocate(sizeof *config);
    config->entries = memory_allocate(config_key_count() * sizeof *config->entries);
    map_init(&config->own_index);
    for (size_t i = 0; i < config_key_count(); i++) {
        struct stored *stored = &config->entries[i].layers[ORIGIN_BUILT_IN];
        stored->value = parse_standard(config_key_at(i), config_key_at(i)->standard);
        stored->present = true;
    }
    parse_columns(config);
    config_settle(config);
    return config;
}

static void stored_finish(struct stored *stored)
{
    if (stored->present)
        value_finish(&stored->value);
    free(stored->place);
    *stored = (struct stored){0};
}

static void entry_finish(struct entry *entry)
{
    for (size_t layer = 0; layer < ORIGIN_COUNT; layer++)
        stored_finish(&entry->layers[layer]);
}

void config_destroy(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config_key_count(); i++)
        entry_finish(&config->entries[i]);
    for (size_t i = 0; i < config->own_count; i++) {
        entry_finish(&config->own_values[i].entry);
        free(config->own_values[i].symbol);
    }
    for (size_t row = 0; row < config_profile_row_count(); row++)
        for (size_t column = 0; column < CONFIG_PROFILES_MAX; column++)
            stored_finish(&config->columns[row][column]);
    map_finish(&config->own_index);
    free(config->columns);
    free(config->own_values);
    free(config->entries);
    free(config);
}

static void copy_entry(struct config *to, const char *symbol, const struct config_key *key,
                       const struct entry *entry)
{
    for (enum config_origin layer = 0; layer < ORIGIN_COUNT; layer++) {
        if (!entry->layers[layer].present)
            continue;
        struct config_value value = value_copy(&entry->layers[layer].value);
        config_store(to, symbol, key, layer, &value, entry->layers[layer].place);
    }
}

struct config *config_copy(const struct config *config)
{
    struct config *copy = config_create();
    copy->frozen = config->frozen;
    for (size_t i = 0; i < config_key_count(); i++)
        copy_entry(copy, NULL, config_key_at(i), &config->entries[i]);
    for (size_t i = 0; i < config->own_count; i++)
        copy_entry(copy, config->own_values[i].symbol, config->own_values[i].key,
                   &config->own_values[i].entry);
    config_settle(copy);
    return copy;
}

/* ---- layers ---- */

static void own_name(char out[KEY_PATH_BYTES], const char *symbol, const struct config_key *key)
{
    snprintf(out, KEY_PATH_BYTES, "%s %s", symbol, key->name);
}

static const struct entry *own_entry(const struct config *config, const char *symbol,
                                     const struct config_key *key)
{
    if (!symbol || !(key->flags & CONFIG_PER_SYMBOL) || !config->own_count)
        return NULL;
    char name[KEY_PATH_BYTES];
    own_name(name, symbol, key);
    size_t index = map_get(&config->own_index, name);
    return index == MAP_ABSENT ? NULL : &config->own_values[index].entry;
}

static struct entry *own_entry_make(struct config *config, const char *symbol, const struct config_key *key)
{
    char name[KEY_PATH_BYTES];
    own_name(name, symbol, key);
    size_t index = map_get(&config->own_index, name);
    if (index == MAP_ABSENT) {
        index = config->own_count++;
        config->own_values = memory_grow(config->own_values, &config->own_capacity, config->own_count,
                                         sizeof *config->own_values);
        config->own_values[index] = (struct own_value){.symbol = memory_copy_text(symbol), .key = key};
        map_put(&config->own_index, name, index);
    }
    return &config->own_values[index].entry;
}

bool config_has_own(const struct config *config, const char *symbol, const struct config_key *key)
{
    return own_entry(config, symbol, key) != NULL;
}

void config_store(struct config *config, const char *symbol, const struct config_key *key,
                  enum config_origin origin, struct config_value *take_value, const char *place)
{
    struct entry *entry =
        symbol ? own_entry_make(config, symbol, key) : &config->entries[config_key_index(key)];
    struct stored *stored = &entry->layers[origin];
    stored_finish(stored);
    *stored = (struct stored){true, *take_value, place ? memory_copy_text(place) : NULL};
    *take_value = (struct config_value){.type = key->type};
}

static const char *place_of(const struct stored *stored, enum config_origin origin)
{
    return stored->place ? stored->place : config_origin_name(origin);
}

/* find_layer: the strongest layer from `strongest` down to `weakest`. */
static bool find_layer(const struct entry *entry, enum config_origin strongest, enum config_origin weakest,
                       struct found *out)
{
    for (int layer = (int)strongest; entry && layer >= (int)weakest; layer--) {
        const struct stored *stored = &entry->layers[layer];
        if (!stored->present)
            continue;
        *out = (struct found){stored->value, (enum config_origin)layer,
                              place_of(stored, (enum config_origin)layer)};
        return true;
    }
    return false;
}

/* find_column: the profile's value. A symbol's own profile replaces the common one wholly. */
static bool find_column(const struct config *config, const char *symbol, const struct config_key *key,
                        struct found *out)
{
    const struct config_profile_row *row = config_profile_row_of(key);
    if (!row)
        return false;
    size_t column = config_symbol_choice(config, symbol, row->selector);
    for (size_t i = 0; i < config_profile_row_count(); i++) {
        const struct stored *stored = &config->columns[i][column];
        if (config_profile_row_at(i) != row || !stored->present)
            continue;
        *out = (struct found){stored->value, ORIGIN_PROFILE, "profile"};
        return true;
    }
    return false;
}

struct found config_find(const struct config *config, const char *symbol, const struct config_key *key)
{
    const struct entry *own = own_entry(config, symbol, key);
    const struct entry *common = &config->entries[config_key_index(key)];
    struct found found = {.origin = ORIGIN_BUILT_IN, .place = "built-in"};
    if (find_layer(own, ORIGIN_CLI, ORIGIN_FILE, &found) ||
        find_layer(common, ORIGIN_CLI, ORIGIN_FILE, &found))
        return found;
    if (find_layer(own, ORIGIN_PROFILE, ORIGIN_BUILT_IN, &found))
        return found;
    if (!config->frozen && find_column(config, symbol, key, &found))
        return found;
    if (!config->frozen && key->derive && key->derive(config, symbol, &found.value))
        return found;
    (void)find_layer(common, ORIGIN_PROFILE, ORIGIN_BUILT_IN, &found);
    return found;
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char **config_symbols(const struct config *config, size_t *out_count)
{
    const char **symbols = memory_allocate((config->own_count + 1) * sizeof *symbols);
    for (size_t i = 0; i < config->own_count; i++)
        symbols[i] = config->own_values[i].symbol;
    qsort(symbols, config->own_count, sizeof *symbols, compare_texts);
    size_t count = 0;
    for (size_t i = 0; i < config->own_count; i++)
        if (!count || strcmp(symbols[count - 1], symbols[i]) != 0)
            symbols[count++] = symbols[i];
    *out_count = count;
    return symbols;
}

/* ---- getters ---- */

static const struct config_key *key_or_abort(const char *name)
{
    const struct config_key *key = config_key_find(name);
    if (!key) {
        fprintf(stderr, "configuration: the program asks for `%s`, which is not in the schema\n", name);
        abort();
    }
    return key;
}

static struct config_value typed(const struct config *config, const char *symbol, const char *name, bool fits,
                                 const char *wanted)
{
    const struct config_key *key = key_or_abort(name);
    if (!fits) {
        fprintf(stderr, "configuration: the program asks for `%s` as %s; it is %s\n", name, wanted,
                config_type_name(key->type));
        abort();
    }
    return config_find(config, symbol, key).value;
}

struct config_value config_symbol_get(const struct config *config, const char *symbol, const char *key)
{
    return typed(config, symbol, key, true, "");
}

bool config_symbol_bool(const struct config *config, const char *symbol, const char *key)
{
    return typed(config, symbol, key, key_or_abort(key)->type == CONFIG_BOOL, "bool").boolean;
}

int64_t config_symbol_i64(const struct config *config, const char *symbol, const char *key)
{
    return typed(config, symbol, key, key_or_abort(key)->type == CONFIG_I64, "i64").integer;
}

double config_symbol_f64(const struct config *config, const char *symbol, const char *key)
{
    return typed(config, symbol, key, key_or_abort(key)->type == CONFIG_F64, "f64").number;
}

const char *config_symbol_text(const struct config *config, const char *symbol, const char *key)
{
    return typed(config, symbol, key, key_or_abort(key)->type == CONFIG_TEXT, "text").text;
}

size_t config_symbol_choice(const struct config *config, const char *symbol, const char *key)
{
    const struct config_key *row = key_or_abort(key);
    const char *text = typed(config, symbol, key, row->type == CONFIG_TEXT && row->choices, "a choice").text;
    size_t index = 0;
    while (strcmp(row->choices[index], text) != 0)
        index++;
    return index;
}

bool config_bool(const struct config *config, const char *key)
{
    return config_symbol_bool(config, NULL, key);
}

int64_t config_i64(const struct config *config, const char *key)
{
    return config_symbol_i64(config, NULL, key);
}

double config_f64(const struct config *config, const char *key)
{
    return config_symbol_f64(config, NULL, key);
}

const char *config_text(const struct config *config, const char *key)
{
    return config_symbol_text(config, NULL, key);
}

size_t config_choice(const struct config *config, const char *key)
{
    return config_symbol_choice(config, NULL, key);
}

struct config_list config_list(const struct config *config, const char *key)
{
    return typed(config, NULL, key, type_is_list(key_or_abort(key)->type), "a list").list;
}

bool config_is_null(const struct config *config, const char *key)
{
    return typed(config, NULL, key, true, "").is_null;
}

struct config_value config_get(const struct config *config, const char *key)
{
    return config_symbol_get(config, NULL, key);
}

enum config_origin config_origin_of(const struct config *config, const char *key)
{
    return config_find(config, NULL, key_or_abort(key)).origin;
}

const char *config_place(const struct config *config, const char *key)
{
    return config_find(config, NULL, key_or_abort(key)).place;
}
