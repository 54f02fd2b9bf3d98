/* config: every setting of the system, typed, with the place it came from.
 *
 * The schema (schema.h) is one table of all keys; nothing else knows a key's type, default, range, unit, meaning,
 * environment variable or command line option. A value comes from the first layer that has one:
 *
 *   command line > environment > file > profile column > built-in
 *
 * and a symbol's own value (`cvd.per_symbol.<SYM>.<key>`) from file, environment or command line goes before the
 * value for all symbols (algorithms.md §0.3); `cvd.per_symbol.<SYM>.profile` gives a symbol its own column.
 * Some built-in values depend on other keys ("combined with the simulator, else routed"); they are computed when
 * read and shown like any other.
 *
 * Life: create → load file, environment, options (in any order) → validate → read. Errors of a person's input are
 * collected, all of them, as `place: key: sentence`; an unknown key in a getter is our own mistake and aborts.
 * Not thread-safe while being changed; reading from several threads is fine. */
#pragma once

#include "base/buffer.h"
#include "base/hash.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONFIG_FILE_BYTES_MAX = 1024 * 1024,
    CONFIG_ERRORS_MAX = 200,      /* more are counted, not kept */
    CONFIG_TEXT_BYTES_MAX = 1023, /* of one text value */
    CONFIG_LIST_MAX = 1000,       /* elements of one list; a key may allow fewer */
    CONFIG_SYMBOL_BYTES = 32,     /* with the NUL */
};

enum config_type {
    CONFIG_BOOL,
    CONFIG_I64,
    CONFIG_F64,
    CONFIG_TEXT, /* one of the key's choices, if it has any */
    CONFIG_I64_LIST,
    CONFIG_F64_LIST,
    CONFIG_TEXT_LIST,
};

/* config_origin: the layers, weakest first. */
enum config_origin {
    ORIGIN_BUILT_IN,
    ORIGIN_PROFILE,
    ORIGIN_FILE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_CLI,
    ORIGIN_COUNT,
};

struct config_list {
    size_t count;
    const char *const *texts; /* the member of the key's element type is set, the others are NULL */
    const int64_t *integers;
    const double *numbers;
};

/* config_value: one typed value. Texts and lists are borrowed from the config until it is changed or destroyed. */
struct config_value {
    enum config_type type;
    bool is_null; /* only keys that allow it (fusion.weights_active) */
    bool boolean;
    int64_t integer;
    double number;
    const char *text;
    struct config_list list;
};

struct config;
struct config_key;

/* ---- errors ---- */

struct config_error {
    char *place; /* "file.yaml:12:5", "environment variable RUN_HOURS", "option --minutes" */
    char *key;   /* "" when the place as a whole is wrong */
    char *reason;
};

struct config_errors {
    struct config_error *items;
    size_t count;
    size_t capacity;
    size_t not_kept; /* beyond CONFIG_ERRORS_MAX */
};

void config_errors_init(struct config_errors *errors);
void config_errors_finish(struct config_errors *errors);
void config_errors_add(struct config_errors *errors, const char *place, const char *key, const char *format,
                       ...) PRINTF_LIKE(4, 5);
/* config_errors_print: one line "place: key: reason" for each, in the order found. */
void config_errors_print(const struct config_errors *errors, struct buffer *out);

/* ---- life ---- */

struct config *config_create(void); /* all keys at their built-in values */
struct config *config_copy(const struct config *config);
void config_destroy(struct config *config); /* NULL is fine */

/* ---- loading ---- */

/* config_load_file: a strict YAML file, or a file written by config_json (known by its first key `origins`, see
 * config_from_json). STATUS_OK when nothing was wrong; else all mistakes are in `errors` and the right values have
 * been taken. STATUS_NOT_FOUND, STATUS_IO, STATUS_LIMIT also leave one error. A second file goes before the first. */
enum status config_load_file(struct config *config, const char *path, struct config_errors *errors) MUST_USE;

/* config_load_text: the same from memory; `name` stands for the file in errors. */
enum status config_load_text(struct config *config, const char *name, const void *data, size_t bytes,
                             struct config_errors *errors) MUST_USE;

/* config_load_environment: every variable of the schema that `get` knows; unset (NULL) ones change nothing. */
typedef const char *config_environment_get(void *context, const char *name);
enum status config_load_environment(struct config *config, config_environment_get *get, void *context,
                                    struct config_errors *errors) MUST_USE;
const char *config_environment_process(void *unused, const char *name); /* getenv, for the call above */

/* config_set: one key from text, as an option gives it: lists are comma separated, "null" is null where allowed.
 * `key` may name a symbol's own value. STATUS_INVALID with a sentence naming the key; nothing changed then. */
enum status config_set(struct config *config, const char *key, const char *text, enum config_origin origin,
                       struct error *error) MUST_USE;

/* config_set_texts: the same for a list whose texts may hold commas (--capture FILE, repeated). */
enum status config_set_texts(struct config *config, const char *key, const char *const *texts, size_t count,
                             enum config_origin origin, struct error *error) MUST_USE;

/* config_option_key: the key an option of operations.md §2 sets ("--sink" → "run.sink"), NULL when it is none. An
 * option without a value (--debug) sets its key to "true". */
const char *config_option_key(const char *option);

/* ---- reading: aborts on a key that is not in the schema or has another type ---- */

bool config_bool(const struct config *config, const char *key);
int64_t config_i64(const struct config *config, const char *key);
double config_f64(const struct config *config, const char *key);
const char *config_text(const struct config *config, const char *key);
/* config_choice: the index of the text among the key's choices, in the order the schema lists them. */
size_t config_choice(const struct config *config, const char *key);
struct config_list config_list(const struct config *config, const char *key);
bool config_is_null(const struct config *config, const char *key);
struct config_value config_get(const struct config *config, const char *key);

bool config_symbol_bool(const struct config *config, const char *symbol, const char *key);
int64_t config_symbol_i64(const struct config *config, const char *symbol, const char *key);
double config_symbol_f64(const struct config *config, const char *symbol, const char *key);
const char *config_symbol_text(const struct config *config, const char *symbol, const char *key);
size_t config_symbol_choice(const struct config *config, const char *symbol, const char *key);
/* config_symbol_get: any key may be asked for; those without symbols' own values answer for all. `symbol` may be
 * NULL: the value for all symbols. */
struct config_value config_symbol_get(const struct config *config, const char *symbol, const char *key);

enum config_origin config_origin_of(const struct config *config, const char *key);
const char *config_origin_name(enum config_origin origin); /* "built-in", "profile", "file", "env", "cli" */

/* config_is_chosen: a person wants this value: it is from an option, the environment, or a file where it differs from the
 * built-in one. A file that lists the defaults has chosen nothing; a recording may say otherwise. */
bool config_is_chosen(const struct config *config, const char *key);

/* config_place: where the value was written ("file.yaml:12:5"), "built-in" when nowhere. */
const char *config_place(const struct config *config, const char *key);

/* config_wall_ms: a span of wall time, in ms, as this run counts it: divided by run.time_scale, at least 1 ms. Everything
 * that happens at intervals, or is judged over a window, of wall time goes through here; what a machine needs to do its
 * work (readiness, heartbeats, drain, back-off, network) does not (docs/decisions/0020-evidence.md). */
int64_t config_wall_ms(const struct config *config, double span_ms);

/* config_adopt_rows: everything that can change a row as `from` has it, over whatever any layer says; what is operational stays. The
 * fingerprints are equal then. */
void config_adopt_rows(struct config *config, const struct config *from);

/* ---- checks ---- */

/* config_validate: what one key alone cannot show (docs/configuration.md lists the rules). Call once after loading.
 * Looks for time zone files below $TZDIR or /usr/share/zoneinfo, nothing else outside. */
enum status config_validate(const struct config *config, struct config_errors *errors) MUST_USE;

/* config_window_parse: "HH:MM-HH:MM" to minutes of the day, end exclusive (24:00 allowed as end), start ≠ end.
 * config_date_parse: "YYYY-MM-DD" to days since 1970-01-01. False, outputs untouched, when it is neither. */
bool config_window_parse(const char *text, int *out_start_minute, int *out_end_minute);
bool config_date_parse(const char *text, int64_t *out_days);

/* ---- identity and text forms ---- */

/* config_fingerprint_json: canonical JSON, one flat object, keys sorted bytewise, of all keys that can change a row
 * (data.md S5); symbols' own values where they differ. config_fingerprint: its SHA-256, 64 hex digits. */
void config_fingerprint_json(const struct config *config, struct buffer *out);
void config_fingerprint(const struct config *config, char out_hex[SHA256_HEX_BYTES]);

/* config_json: the effective configuration, one object nested by section, {"origins": {key: origin of what is not
 * built-in}, "schema_version": 1, "run": {...}, ...}; secrets are left out. */
void config_json(const struct config *config, struct buffer *out);
/* config_json_section: one section's object as above ({"watermark_ms": 50, ...}), for the source manifest. */
void config_json_section(const struct config *config, const char *section, struct buffer *out);

/* config_from_json: reads back what config_json wrote, into a config fresh from config_create: every key, exactly,
 * with its origin. Unknown, missing and repeated keys are errors. What was computed or came from a profile is
 * then a stored value: choosing another profile afterwards selects nothing. */
enum status config_from_json(struct config *config, const char *name, const void *data, size_t bytes,
                             struct config_errors *errors) MUST_USE;

/* config_show: `key = value  # unit, origin` for every key. config_diff: `key: left -> right` where effective
 * values differ; returns how many do. Secrets appear as "set" or "". */
void config_show(const struct config *config, struct buffer *out);
size_t config_diff(const struct config *left, const struct config *right, struct buffer *out);

/* config_value_text: one key's effective value as config_set would take it. */
void config_value_text(const struct config *config, const char *key, struct buffer *out);

/* ---- generated files ---- */

void config_print_defaults_yaml(struct buffer *out); /* config/defaults.yaml */
void config_print_markdown(struct buffer *out);      /* docs/configuration.md */

/* config_library_version: of the libyaml that is loaded. */
const char *config_library_version(void);
