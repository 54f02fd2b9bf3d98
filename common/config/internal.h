/* internal: what the files of this folder share. */
#pragma once

#include "base/file.h"
#include "base/map.h"
#include "config/schema.h"

#include "base/json.h"

enum { KEY_PATH_BYTES = 128 };

/* stored: one layer's value of one key, and where it was written. */
struct stored {
    bool present;
    struct config_value value; /* owns its text or list */
    char *place;
};

struct entry {
    struct stored layers[ORIGIN_COUNT];
};

/* own_value: a symbol's own value of one key. */
struct own_value {
    char *symbol;
    const struct config_key *key;
    struct entry entry;
};

struct config {
    struct entry *entries; /* one per key; layer BUILT_IN always holds the table's default */
    struct stored (*columns)[CONFIG_PROFILES_MAX]; /* parsed profile rows */
    struct own_value *own_values;
    size_t own_count, own_capacity;
    struct map own_index; /* "SYM key" → index in own_values */
    bool frozen;          /* read back by config_from_json: nothing is derived any more */
    char bus_dir[PATH_BYTES + 8];
    char curve_dir[PATH_BYTES + 8];
};

/* found: an effective value with its origin and place. */
struct found {
    struct config_value value;
    enum config_origin origin;
    const char *place;
};

struct found config_find(const struct config *config, const char *symbol, const struct config_key *key);

/* config_store: takes the value (owned) into a layer; `place` is copied. `symbol` NULL: for all. */
void config_store(struct config *config, const char *symbol, const struct config_key *key,
                  enum config_origin origin, struct config_value *take_value, const char *place);

/* config_settle: after any change, the derived texts that need memory. */
void config_settle(struct config *config);

/* config_has_own: whether a layer of the symbol's own holds the key. */
bool config_has_own(const struct config *config, const char *symbol, const struct config_key *key);

/* config_symbols: the symbols with values of their own, sorted; release with free(). */
const char **config_symbols(const struct config *config, size_t *out_count);

/* ---- values ---- */

/* notation: how the text was written decides what it may mean. */
enum notation {
    NOTATION_OPTION, /* a variable or an option: the key's type decides */
    NOTATION_PLAIN,  /* YAML without quotes: true is a truth value, 5 is a number */
    NOTATION_QUOTED, /* YAML or JSON with quotes: always text */
};

/* value_parse: one scalar of the key's (element) type; owns its text. Range and shape are value_check's. */
enum status value_parse(const struct config_key *key, const char *text, size_t length, enum notation notation,
                        struct config_value *out, struct error *error) MUST_USE;
/* value_parse_option: scalar or comma separated list, checked; as config_set takes it. */
enum status value_parse_option(const struct config_key *key, const char *text, struct config_value *out,
                               struct error *error) MUST_USE;
void value_begin_list(const struct config_key *key, struct config_value *out);
enum status value_append(const struct config_key *key, struct config_value *list, const char *text,
                         size_t length, enum notation notation, struct error *error) MUST_USE;
/* value_check: range, choices, counts, shape. The sentence continues "<key>: …". */
enum status value_check(const struct config_key *key, const struct config_value *value,
                        struct error *error) MUST_USE;
struct config_value value_copy(const struct config_value *value);
void value_finish(struct config_value *value);
bool value_equal(const struct config_value *left, const struct config_value *right);
void value_write_json(struct json *json, const struct config_value *value);
void value_write_text(struct buffer *out, const struct config_value *value); /* as config_set takes it */
bool type_is_list(enum config_type type);
/* key_expects: "a whole number from 0 to 10000 (ms)". */
void key_expects(const struct config_key *key, char *out, size_t out_bytes);

/* ---- keys ---- */

/* key_resolve: the key and the symbol a full name means ("cvd.per_symbol.BTCUSDT.z_mode"); false when unknown.
 * out_symbol becomes "" without a symbol. */
bool key_resolve(const char *path, const struct config_key **out_key, char out_symbol[CONFIG_SYMBOL_BYTES]);
/* key_is_section: whether keys lie below it ("ofi", "cvd.per_symbol.BTCUSDT"). */
bool key_is_section(const char *path);
/* key_suggest: the known key most like it, NULL when none is near. */
const char *key_suggest(const char *path);
/* key_path: the full name of a key, of a symbol's own if given. */
void key_path(const struct config_key *key, const char *symbol, char out_path[KEY_PATH_BYTES]);
bool symbol_is_valid(const char *text);

/* ---- validation ---- */

struct config_rule {
    void (*check)(const struct config *config, struct config_errors *errors);
    const char *sentence; /* for the manual */
};
size_t config_rule_count(void);
const struct config_rule *config_rule_at(size_t index);

/* hosts.c: data.md §1.1, one venue and one environment. */
void check_hosts(const struct config *config, struct config_errors *errors);
