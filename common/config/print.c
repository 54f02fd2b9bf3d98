/* print: the two generated files, config/defaults.yaml and docs/configuration.md. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

enum { LINE_COLUMNS = 100 };

/* ---- shared ---- */

static bool is_dependent(const struct config_key *key)
{
    return key->derive || config_profile_row_of(key);
}

static void key_section(const struct config_key *key, char out[KEY_PATH_BYTES])
{
    const char *dot = strchr(key->name, '.');
    snprintf(out, KEY_PATH_BYTES, "%.*s", dot ? (int)(dot - key->name) : 0, key->name);
}

static bool is_in(const struct config_key *key, const struct config_section *section)
{
    char name[KEY_PATH_BYTES];
    key_section(key, name);
    return strcmp(name, section->name) == 0;
}

/* columns_of: how wide UTF-8 text is. */
static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* append_wrapped: `# text`, broken between words. */
static void append_wrapped(struct buffer *out, const char *indent, const char *text)
{
    size_t used = 0, start = strlen(indent) + 1;
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, " "), columns = columns_of(at, length);
        if (!used || used + 1 + columns > LINE_COLUMNS) {
            buffer_format(out, "%s%s#", used ? "\n" : "", indent);
            used = start;
        }
        buffer_append_byte(out, ' ');
        buffer_append(out, at, length);
        used += 1 + columns;
        at += length + (at[length] == ' ');
    }
    buffer_append_byte(out, '\n');
}

/* ---- YAML ---- */

static bool is_plain_yaml(const char *text)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char *const WORDS[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", NULL};
    size_t length = strlen(text);
    if (!length || (!strchr(LETTERS, *text) && strncmp(text, "./", 2) != 0))
        return false;
    for (const char *const *word = WORDS; *word; word++)
        if (strcmp(*word, text) == 0)
            return false;
    return strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-") ==
           length - 1;
}

static void append_yaml_text(struct buffer *out, const char *text)
{
    if (is_plain_yaml(text))
        buffer_append_text(out, text);
    else
        buffer_format(out, "\"%s\"", text);
}

static void append_yaml_value(struct buffer *out, const struct config_value *value)
{
    if (value->is_null || value->type < CONFIG_TEXT) {
        value_write_text(out, value);
        return;
    }
    if (value->type == CONFIG_TEXT) {
        append_yaml_text(out, value->text);
        return;
    }
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < value->list.count; i++) {
        char number[F64_TEXT_BYTES];
        buffer_append_text(out, i ? ", " : "");
        if (value->list.texts)
            append_yaml_text(out, value->list.texts[i]);
        else if (value->list.integers)
            buffer_format(out, "%lld", (long long)value->list.integers[i]);
        else
            buffer_append(out, number, f64_text(value->list.numbers[i], number));
    }
    buffer_append_byte(out, ']');
}

/* append_expects: "one of a, b" or "from 0 to 10 (ms)", nothing when everything goes. */
static void append_expects(struct buffer *out, const struct config_key *key)
{
    char expected[512];
    bool limits = key->minimum != 0 || key->maximum != 0, unit = strcmp(key->unit, "–") != 0;
    if (key->choices) {
        key_expects(key, expected, sizeof expected);
        buffer_format(out, "%s%s", type_is_list(key->type) ? "each " : "", expected);
    } else if (limits) {
        char least[F64_TEXT_BYTES], most[F64_TEXT_BYTES];
        f64_text(key->minimum, least);
        f64_text(key->maximum, most);
        buffer_format(out, "%s…%s%s%s", least, most, unit ? " " : "", unit ? key->unit : "");
    } else if (unit) {
        buffer_append_text(out, key->unit);
    }
}

static void append_comment(struct buffer *out, const char *indent, const struct config_key *key)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_append_text(&text, key->meaning);
    size_t before = text.length;
    buffer_append_text(&text, " [");
    append_expects(&text, key);
    if (text.length == before + 2)
        text.length = before;
    else
        buffer_append_byte(&text, ']');
    if (key->derive)
        buffer_format(&text, "; default: %s", key->rule);
    else if (config_profile_row_of(key))
        buffer_format(&text, "; default: from %s", config_profile_row_of(key)->selector);
    if (key->environment)
        buffer_format(&text, "; environment: %s", key->environment);
    append_wrapped(out, indent, buffer_text(&text));
    buffer_finish(&text);
}

static void indent_of(int depth, char out[32])
{
    snprintf(out, 32, "%*s", depth * 2, "");
}

/* open_groups: the heading lines of the blocks that this key opens after the previous one. */
static int open_groups(struct buffer *out, const char *previous, const char *name)
{
    int depth = 0;
    bool same = true;
    for (const char *at = name, *dot; (dot = strchr(at, '.')); at = dot + 1, depth++) {
        size_t length = (size_t)(dot + 1 - name);
        same = same && strncmp(previous, name, length) == 0;
        char indent[32];
        indent_of(depth, indent);
        if (!same)
            buffer_format(out, "%s%.*s:\n", indent, (int)(dot - at), at);
    }
    return depth;
}

static void append_yaml_key(struct buffer *out, const struct config *config, const struct config_key *key,
                            const char *previous)
{
    const char *dot = strrchr(key->name, '.');
    struct config_value value = config_get(config, key->name);
    char indent[32];
    int depth = open_groups(out, previous, key->name);
    indent_of(depth, indent);
    append_comment(out, indent, key);
    if (key->flags & CONFIG_SECRET) {
        append_wrapped(out, indent, "(a secret: only from the environment)");
        return;
    }
    buffer_format(out, "%s%s%s: ", indent, is_dependent(key) ? "# " : "", dot ? dot + 1 : key->name);
    append_yaml_value(out, &value);
    buffer_append_byte(out, '\n');
}

void config_print_defaults_yaml(struct buffer *out)
{
    struct config *config = config_create();
    append_wrapped(
        out, "",
        "Every key of the configuration with its default value. Generated from the schema "
        "(common/config/schema_*.c); docs/configuration.md explains. Lines that are commented out have a "
        "default that depends on another key or on a profile; writing them in overrides that.");
    append_wrapped(out, "", "Order: command line, environment, file, profile, built-in.");
    for (size_t s = 0; s < config_section_count(); s++) {
        const struct config_section *section = config_section_at(s);
        const char *previous = "";
        buffer_format(out, "\n# ---- %s ----\n", section->title);
        for (size_t i = 0; i < config_key_count(); i++) {
            const struct config_key *key = config_key_at(i);
            if (!is_in(key, section))
                continue;
            append_yaml_key(out, config, key, previous);
            previous = key->name;
        }
    }
    config_destroy(config);
}

/* ---- Markdown ---- */

/* append_cell: text in a table cell. */
static void append_cell(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, (uint8_t)*text);
    }
}

static void append_set_by(struct buffer *out, const struct config_key *key)
{
    size_t before = out->length;
    if (key->option)
        buffer_format(out, "`%s`", key->option);
    if (key->environment) {
        buffer_format(out, "%s`%s`", out->length > before ? ", " : "", key->environment);
        if (key->environment_scale != 0)
            buffer_format(out, " ·%.15g", key->environment_scale);
        if (key->environment_constant)
            buffer_format(out, " → %s", key->environment_constant);
    }
    if (out->length == before)
        buffer_append_text(out, "–");
}

static void append_default(struct buffer *out, const struct config *config, const struct config_key *key)
{
    struct config_value value = config_get(config, key->name);
    struct buffer text;
    buffer_init(&text, 0);
    append_yaml_value(&text, &value);
    buffer_append_text(out, "`");
    append_cell(out, buffer_text(&text));
    buffer_append_text(out, "`");
    buffer_finish(&text);
    if (key->derive)
        buffer_format(out, " (%s)", key->rule);
    else if (config_profile_row_of(key))
        buffer_append_text(out, " (profile)");
}

static void append_markdown_key(struct buffer *out, const struct config *config, const struct config_key *key)
{
    struct buffer range;
    buffer_init(&range, 0);
    append_expects(&range, key);
    buffer_format(out, "| `%s` | %s%s | ", key->name, config_type_name(key->type),
                  key->flags & CONFIG_NULLABLE ? " or null" : "");
    append_default(out, config, key);
    buffer_append_text(out, " | ");
    append_cell(out, range.length ? buffer_text(&range) : "–");
    buffer_append_text(out, " | ");
    append_cell(out, key->meaning);
    buffer_append_text(out, " | ");
    append_set_by(out, key);
    buffer_format(out, " | %s |\n", key->flags & CONFIG_OPERATIONAL ? "no" : "yes");
    buffer_finish(&range);
}

static void append_profiles(struct buffer *out, const struct config_key *selector)
{
    buffer_format(out, "\n`%s`:\n\n| key |", selector->name);
    for (const char *const *name = selector->choices; *name; name++)
        buffer_format(out, " %s |", *name);
    buffer_append_text(out, "\n|---|");
    for (const char *const *name = selector->choices; *name; name++)
        buffer_append_text(out, "---|");
    buffer_append_text(out, "\n");
    for (size_t i = 0; i < config_profile_row_count(); i++) {
        const struct config_profile_row *row = config_profile_row_at(i);
        if (strcmp(row->selector, selector->name) != 0)
            continue;
        buffer_format(out, "| `%s` |", row->key);
        for (size_t column = 0; selector->choices[column]; column++)
            buffer_format(out, " %s |", row->values[column] ? row->values[column] : "–");
        buffer_append_text(out, "\n");
    }
}

static bool is_selector(const struct config_key *key)
{
    for (size_t i = 0; i < config_profile_row_count(); i++)
        if (strcmp(config_profile_row_at(i)->selector, key->name) == 0)
            return true;
    return false;
}

static void append_markdown_section(struct buffer *out, const struct config *config,
                                    const struct config_section *section)
{
    buffer_format(out, "\n## %s%s%s%s\n\n", *section->name ? "`" : "", section->name,
                  *section->name ? "`: " : "", section->title);
    buffer_append_text(out, "| key | type | default | allowed | meaning | set by | fingerprint |\n"
                            "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < config_key_count(); i++)
        if (is_in(config_key_at(i), section))
            append_markdown_key(out, config, config_key_at(i));
    for (size_t i = 0; i < config_key_count(); i++)
        if (is_in(config_key_at(i), section) && is_selector(config_key_at(i)))
            append_profiles(out, config_key_at(i));
}

static void append_environment(struct buffer *out)
{
    const struct config_environment_variable *rows;
    size_t count = config_environment_variables(&rows);
    buffer_append_text(out,
                       "\n## Environment\n\nNothing else is read from the environment. A child gets only the "
                       "variables passed to it.\n\n| variable | key | passed to |\n|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        buffer_format(out, "| `%s` | `%s` | %s |\n", rows[i].name, rows[i].key,
                      rows[i].passed_to ? rows[i].passed_to : "–");
}

static const char INTRODUCTION[] =
    "# Configuration\n"
    "\n"
    "Printed from the schema (`common/config/schema_*.c`); a test compares. `config/defaults.yaml` is the "
    "same list as a\n"
    "file to start from; `config/live.yaml` and `config/profiles/` show what differs for a purpose.\n"
    "\n"
    "**Which value holds.** Per key: command line, then environment, then file, then profile, then built-in. "
    "A symbol's\n"
    "own value, `cvd.per_symbol.<SYM>.<key>`, goes before the value for all symbols whatever its origin;\n"
    "`cvd.per_symbol.<SYM>.profile` gives a symbol its own column, which stands below every value written "
    "out.\n"
    "`orchctl config show` prints each value with its origin.\n"
    "\n"
    "**The file is strict.** YAML in UTF-8, at most 1 MiB, one document of sections. Unknown and repeated "
    "keys, wrong\n"
    "types, values out of range, anchors, aliases, tags, merge keys and `${…}` are errors; all are listed "
    "as\n"
    "`file:line:column: key: sentence`, and nothing is started. Truth values are `true` and `false`; numbers "
    "are written\n"
    "as in JSON; a text that looks like a number, a truth value or null needs quotes.\n"
    "\n"
    "**As text** (environment, options) a list is separated by commas, null is `null`, and a truth value may "
    "also be `1`\n"
    "or `0`.\n"
    "\n"
    "**Fingerprint.** Keys marked yes can change a row. The fingerprint is the SHA-256 of one flat JSON "
    "object of them,\n"
    "full names sorted bytewise, no spaces, numbers as everywhere in JSON output (the shortest of 15, 16 or "
    "17 digits\n"
    "that reads back the same); symbols' own values are included where they differ from the common ones. The "
    "others\n"
    "(folders, speed, sinks, instances, limits, export, secrets) can be changed without a cold start.\n"
    "\n"
    "**The effective configuration**, `runtime/effective_config.json`, is what all processes of a run read: "
    "every key but\n"
    "the secrets, nested by section, with `origins` as its first member. It can be given as `--config` like "
    "any file; what\n"
    "was computed or came from a profile is then fixed.\n";

void config_print_markdown(struct buffer *out)
{
    struct config *config = config_create();
    buffer_append_text(out, INTRODUCTION);
    for (size_t i = 0; i < config_section_count(); i++)
        append_markdown_section(out, config, config_section_at(i));
    buffer_append_text(out, "\n## Rules between keys\n\n");
    for (size_t i = 0; i < config_rule_count(); i++)
        buffer_format(out, "- %s\n", config_rule_at(i)->sentence);
    append_environment(out);
    config_destroy(config);
}
