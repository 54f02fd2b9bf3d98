#include "internal.h"
#include "schema_rows.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_COUNT = 3, KEYS_MAX = 512, VARIABLES_MAX = 64 };

static const struct config_table *const TABLES[TABLE_COUNT] = {
    &CONFIG_GENERAL_KEYS,
    &CONFIG_ENGINE_KEYS,
    &CONFIG_OPERATIONS_KEYS,
};

static const struct config_section SECTIONS[] = {
    {"", "The file"},
    {"run", "The run"},
    {"harvest", "Venue, streams and ordering"},
    {"simulator", "The embedded venue"},
    {"ofi", "Order-flow imbalance (algorithms §2)"},
    {"cvd", "Cumulative volume delta (algorithms §3)"},
    {"features", "Feature grid (algorithms §4)"},
    {"fusion", "Fusion (algorithms §5)"},
    {"divergence", "Divergence and pivots (algorithms §6)"},
    {"events", "Other events (algorithms §6.4)"},
    {"strategy_mode", "Active and quiet markets (algorithms §7)"},
    {"signal", "Signal decision (algorithms §8)"},
    {"eval", "Labels, evaluation, calibration (algorithms §9–11)"},
    {"broker", "Paper orders (algorithms §12)"},
    {"archive", "Parquet data sets"},
    {"sink", "Signal sinks"},
    {"journal", "Journals"},
    {"bus", "Bus"},
    {"docker", "Containers"},
    {"scale", "Instances"},
    {"report", "Summaries and web page"},
    {"health", "Health checks"},
    {"supervisor", "Restarts and stops"},
    {"limits", "Resource limits"},
    {"logs", "Logs of processes"},
    {"export", "Time-series export"},
    {"canary", "Canary gates"},
};

/* The tables joined, and their index by name: constant once built. */
static struct {
    const struct config_key *keys[KEYS_MAX];
    size_t count;
    struct map by_name;
    struct config_environment_variable variables[VARIABLES_MAX];
    size_t variable_count;
} schema;
static pthread_once_t schema_once = PTHREAD_ONCE_INIT;

static void add_variable(const struct config_key *key)
{
    for (size_t i = 0; i < schema.variable_count; i++)
        if (strcmp(schema.variables[i].name, key->environment) == 0)
            return;
    assert(schema.variable_count < VARIABLES_MAX);
    schema.variables[schema.variable_count++] =
        (struct config_environment_variable){key->environment, key->name, key->passed_to};
}

static void schema_build(void)
{
    map_init(&schema.by_name);
    for (size_t table = 0; table < TABLE_COUNT; table++)
        for (size_t row = 0; row < TABLES[table]->count; row++) {
            const struct config_key *key = &TABLES[table]->rows[row];
            assert(schema.count < KEYS_MAX);
            map_put(&schema.by_name, key->name, schema.count);
            schema.keys[schema.count++] = key;
            if (key->environment)
                add_variable(key);
        }
}

size_t config_key_count(void)
{
    pthread_once(&schema_once, schema_build);
    return schema.count;
}

const struct config_key *config_key_at(size_t index)
{
    return index < config_key_count() ? schema.keys[index] : NULL;
}

const struct config_key *config_key_find(const char *name)
{
    pthread_once(&schema_once, schema_build);
    size_t index = map_get(&schema.by_name, name);
    return index == MAP_ABSENT ? NULL : schema.keys[index];
}

size_t config_key_index(const struct config_key *key)
{
    pthread_once(&schema_once, schema_build);
    return map_get(&schema.by_name, key->name);
}

size_t config_environment_variables(const struct config_environment_variable **out_rows)
{
    pthread_once(&schema_once, schema_build);
    *out_rows = schema.variables;
    return schema.variable_count;
}

const struct config_profile_row *config_profile_row_of(const struct config_key *key)
{
    for (size_t i = 0; i < config_profile_row_count(); i++)
        if (strcmp(config_profile_row_at(i)->key, key->name) == 0)
            return config_profile_row_at(i);
    return NULL;
}

size_t config_section_count(void)
{
    return sizeof SECTIONS / sizeof *SECTIONS;
}

const struct config_section *config_section_at(size_t index)
{
    return &SECTIONS[index];
}

const char *config_option_key(const char *option)
{
    for (size_t i = 0; i < config_key_count(); i++)
        if (schema.keys[i]->option && strcmp(schema.keys[i]->option, option) == 0)
            return schema.keys[i]->name;
    return NULL;
}

const char *config_type_name(enum config_type type)
{
    static const char *const NAMES[] = {"bool",        "i64",         "f64",         "text",
                                        "list of i64", "list of f64", "list of text"};
    return NAMES[type];
}

const char *config_origin_name(enum config_origin origin)
{
    static const char *const NAMES[ORIGIN_COUNT] = {"built-in", "profile", "file", "env", "cli"};
    return NAMES[origin];
}

bool symbol_is_valid(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length < CONFIG_SYMBOL_BYTES &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

void key_path(const struct config_key *key, const char *symbol, char out_path[KEY_PATH_BYTES])
{
    const char *dot = strchr(key->name, '.');
    if (symbol && dot)
        snprintf(out_path, KEY_PATH_BYTES, "%.*s.per_symbol.%s%s", (int)(dot - key->name), key->name, symbol,
                 dot);
    else
        snprintf(out_path, KEY_PATH_BYTES, "%s", key->name);
}

/* split_own: cuts "<section>.per_symbol[.<SYM>[.<rest>]]"; false when it has no such form. */
static bool split_own(const char *path, char out_section[KEY_PATH_BYTES],
                      char out_symbol[CONFIG_SYMBOL_BYTES], const char **out_rest)
{
    static const char WORD[] = ".per_symbol";
    const char *word = strstr(path, WORD);
    if (!word || word - path >= KEY_PATH_BYTES || (word[sizeof WORD - 1] && word[sizeof WORD - 1] != '.'))
        return false;
    snprintf(out_section, KEY_PATH_BYTES, "%.*s", (int)(word - path), path);
    const char *symbol = word + sizeof WORD - 1;
    symbol += *symbol == '.';
    size_t length = strcspn(symbol, ".");
    if (length >= CONFIG_SYMBOL_BYTES)
        return false;
    snprintf(out_symbol, CONFIG_SYMBOL_BYTES, "%.*s", (int)length, symbol);
    *out_rest = symbol[length] ? symbol + length + 1 : "";
    return *symbol == 0 || symbol_is_valid(out_symbol);
}

bool key_resolve(const char *path, const struct config_key **out_key, char out_symbol[CONFIG_SYMBOL_BYTES])
{
    const struct config_key *key = config_key_find(path);
    if (key) {
        *out_key = key;
        out_symbol[0] = 0;
        return true;
    }
    char section[KEY_PATH_BYTES], symbol[CONFIG_SYMBOL_BYTES], name[2 * KEY_PATH_BYTES];
    const char *rest;
    if (strlen(path) >= KEY_PATH_BYTES || !split_own(path, section, symbol, &rest))
        return false;
    snprintf(name, sizeof name, "%s.%s", section, rest);
    key = config_key_find(name);
    if (!key || !(key->flags & CONFIG_PER_SYMBOL) || !*symbol)
        return false;
    *out_key = key;
    memcpy(out_symbol, symbol, CONFIG_SYMBOL_BYTES);
    return true;
}

static bool section_has(const char *section, unsigned flag)
{
    size_t length = strlen(section);
    for (size_t i = 0; i < config_key_count(); i++)
        if (strncmp(schema.keys[i]->name, section, length) == 0 && schema.keys[i]->name[length] == '.' &&
            (!flag || (schema.keys[i]->flags & flag)))
            return true;
    return false;
}

bool key_is_section(const char *path)
{
    if (section_has(path, 0))
        return true;
    char section[KEY_PATH_BYTES], symbol[CONFIG_SYMBOL_BYTES];
    const char *rest;
    return split_own(path, section, symbol, &rest) && !*rest && section_has(section, CONFIG_PER_SYMBOL);
}

/* edit_distance: Levenshtein, two rows; longer words than the rows are far from everything. */
static size_t edit_distance(const char *left, const char *right)
{
    size_t rows[2][KEY_PATH_BYTES + 1];
    size_t left_length = strlen(left), right_length = strlen(right);
    if (left_length > KEY_PATH_BYTES || right_length > KEY_PATH_BYTES)
        return KEY_PATH_BYTES;
    for (size_t j = 0; j <= right_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= left_length; i++) {
        size_t *above = rows[(i + 1) % 2], *row = rows[i % 2];
        row[0] = i;
        for (size_t j = 1; j <= right_length; j++) {
            size_t best = above[j - 1] + (left[i - 1] != right[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return rows[left_length % 2][right_length];
}

static const char *last_word(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

const char *key_suggest(const char *path)
{
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < config_key_count(); i++) {
        const char *name = schema.keys[i]->name;
        size_t distance = strcmp(last_word(path), last_word(name)) == 0 ? 1 : edit_distance(path, name);
        if (distance < least) {
            least = distance;
            best = name;
        }
    }
    return best;
}
