/* schema: the one table of all configuration keys.
 *
 * A new key is one line in one of the schema_*.c files. The loader, the getters, the fingerprint, the printed
 * defaults and the manual follow from it. */
#pragma once

#include "config/config.h"

enum config_flag {
    CONFIG_OPERATIONAL = 1, /* cannot change a row: not in the fingerprint (data.md S5) */
    CONFIG_SECRET = 2,      /* never written or shown; only from the environment; always operational */
    CONFIG_PER_SYMBOL = 4,  /* a symbol may have its own value under <section>.per_symbol.<SYM> */
    CONFIG_NULLABLE = 8,
    CONFIG_UNIQUE = 16, /* list: no element twice */
};

/* config_derive: the built-in value when it depends on other keys. Writes it to `out` and returns true, or returns
 * false: the table's default holds. */
typedef bool config_derive(const struct config *config, const char *symbol, struct config_value *out);

/* config_check: NULL when the value is good, else the rest of the sentence ("must …"). */
typedef const char *config_check(const struct config_value *value);

struct config_key {
    const char *name; /* "ofi.levels" */
    enum config_type type;
    unsigned flags;
    const char *standard;        /* the default as config_set would take it */
    double minimum, maximum;     /* numbers, and every number of a list; both 0: no limit is checked */
    const char *const *choices;  /* texts, and every text of a list; NULL-terminated */
    size_t count_min, count_max; /* lists */
    config_check *check;
    config_derive *derive;
    const char *rule; /* with derive: what the default depends on, for people */
    const char *unit; /* "–" when it has none */
    const char *meaning;
    const char *environment;          /* variable that sets it, NULL: none */
    double environment_scale;         /* the variable's number times this (RUN_HOURS); 0: as it is */
    const char *environment_constant; /* the variable being set sets the key to this (WS_ENDPOINT) */
    const char *passed_to;            /* processes that get the variable passed on; NULL: none */
    const char *option;               /* orchestrator option that sets it, NULL: none */
};

size_t config_key_count(void);
const struct config_key *config_key_at(size_t index);       /* in the order of the manual */
const struct config_key *config_key_find(const char *name); /* NULL: unknown */
size_t config_key_index(const struct config_key *key);
const char *config_type_name(enum config_type type);

/* config_environment_variables: the whole environment the system reads (operations.md §5), one row per variable. */
struct config_environment_variable {
    const char *name;
    const char *key;       /* the first key it sets */
    const char *passed_to; /* "all", "signal broker report", NULL: resolved by the orchestrator only */
};
size_t config_environment_variables(const struct config_environment_variable **out_rows);

/* A profile column: the text each key takes when `selector` names it; NULL: the column says nothing. */
enum { CONFIG_PROFILES_MAX = 5 };

struct config_profile_row {
    const char *selector; /* "cvd.profile" */
    const char *key;
    const char *values[CONFIG_PROFILES_MAX]; /* in the order of the selector's choices */
};

size_t config_profile_row_count(void);
const struct config_profile_row *config_profile_row_at(size_t index);
/* config_profile_row_of: the row of a key, NULL when no profile touches it. */
const struct config_profile_row *config_profile_row_of(const struct config_key *key);

/* config_section: a heading of the printed defaults and the manual. */
struct config_section {
    const char *name; /* "ofi"; "" for keys without a section */
    const char *title;
};
size_t config_section_count(void);
const struct config_section *config_section_at(size_t index);
