/* load: a strict reader of YAML on libyaml's events.
 *
 * Events are handled as they come and never expanded, so an alias is an error and not a bomb; nesting is bounded; a
 * node under a key that is wrong is skipped and reading goes on, so that one reading tells all mistakes. Only text
 * that is not YAML ends it early. JSON is YAML: what config_json wrote is read by the same code, with `origins` as
 * its first key telling which layer each value belongs to. */
#include "internal.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum { DEPTH_MAX = 12, WORD_BYTES = 80 };

struct loader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    bool stopped; /* not YAML from here on */
    int depth;
    const char *name;
    const uint8_t *data;
    size_t bytes;
    struct config *config;
    struct config_errors *errors;
    struct map seen;    /* full path → line */
    bool effective;     /* a file written by config_json */
    struct map origins; /* full path → enum config_origin, of such a file */
};

static void complain(struct loader *loader, yaml_mark_t mark, const char *key, const char *format, ...)
    PRINTF_LIKE(4, 5);

static void format_place(const struct loader *loader, yaml_mark_t mark, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s:%zu:%zu", loader->name, mark.line + 1, mark.column + 1);
}

static void complain(struct loader *loader, yaml_mark_t mark, const char *key, const char *format, ...)
{
    char place[PATH_BYTES + 64], reason[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    format_place(loader, mark, place, sizeof place);
    config_errors_add(loader->errors, place, key, "%s", reason);
}

/* mark_at: line and column of a byte, for problems that libyaml places by offset. */
static yaml_mark_t mark_at(const struct loader *loader, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < loader->bytes; i++) {
        mark.column += (loader->data[i] & 0xc0) != 0x80;
        if (loader->data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static void complain_syntax(struct loader *loader)
{
    const yaml_parser_t *parser = &loader->parser;
    const char *problem = parser->problem ? parser->problem : "unreadable";
    if (parser->error == YAML_READER_ERROR)
        complain(loader, mark_at(loader, parser->problem_offset), "", "not UTF-8 text (%s)", problem);
    else if (parser->context)
        complain(loader, parser->problem_mark, "", "not YAML: %s (%s)", problem, parser->context);
    else
        complain(loader, parser->problem_mark, "", "not YAML: %s", problem);
}

static void stop(struct loader *loader)
{
    loader->stopped = true;
    if (loader->has_event)
        yaml_event_delete(&loader->event);
    loader->has_event = false;
    memset(&loader->event, 0, sizeof loader->event);
}

/* refuse_extras: what YAML has and a configuration does not. */
static void refuse_extras(struct loader *loader)
{
    const yaml_event_t *event = &loader->event;
    const yaml_char_t *anchor = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
                                : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.anchor
                                                                           : NULL;
    const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.tag
                             : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
                             : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.tag
                                                                        : NULL;
    if (anchor)
        complain(loader, event->start_mark, "",
                 "anchors (&) are not taken; write the value where it is needed");
    if (tag)
        complain(loader, event->start_mark, "",
                 "tags (!) are not taken; a value's type follows from its key");
}

/* next: the next event, false when reading has stopped. */
static bool next(struct loader *loader)
{
    if (loader->stopped)
        return false;
    if (loader->has_event)
        yaml_event_delete(&loader->event);
    loader->has_event = false;
    if (!yaml_parser_parse(&loader->parser, &loader->event)) {
        complain_syntax(loader);
        stop(loader);
        return false;
    }
    loader->has_event = true;
    yaml_event_type_t type = loader->event.type;
    if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
        loader->depth++;
    if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
        loader->depth--;
    if (loader->depth > DEPTH_MAX) {
        complain(loader, loader->event.start_mark, "", "nested deeper than %d levels; reading stops here",
                 DEPTH_MAX);
        stop(loader);
        return false;
    }
    refuse_extras(loader);
    return true;
}

/* skip: past the node whose first event is the current one. */
static void skip(struct loader *loader)
{
    yaml_event_type_t type = loader->event.type;
    if (type != YAML_SEQUENCE_START_EVENT && type != YAML_MAPPING_START_EVENT)
        return;
    int outside = loader->depth - 1;
    while (loader->depth > outside)
        if (!next(loader))
            return;
}

static enum notation scalar_notation(const struct loader *loader)
{
    return loader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? NOTATION_PLAIN : NOTATION_QUOTED;
}

static const char *scalar_text(const struct loader *loader)
{
    return (const char *)loader->event.data.scalar.value;
}

static const char *event_noun(yaml_event_type_t type)
{
    return type == YAML_SEQUENCE_START_EVENT  ? "a list"
           : type == YAML_MAPPING_START_EVENT ? "a section"
           : type == YAML_ALIAS_EVENT         ? "an alias (*); aliases are not taken, write the value itself"
                                              : "a single value";
}

static bool is_null_scalar(const struct loader *loader)
{
    if (loader->event.type != YAML_SCALAR_EVENT || scalar_notation(loader) != NOTATION_PLAIN)
        return false;
    const char *text = scalar_text(loader);
    return strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || strcmp(text, "") == 0;
}

/* load_list: the elements of the sequence that has just begun; false when one was wrong. */
static bool load_list(struct loader *loader, const struct config_key *key, const char *path,
                      struct config_value *out)
{
    bool good = true;
    value_begin_list(key, out);
    while (next(loader) && loader->event.type != YAML_SEQUENCE_END_EVENT) {
        struct error error = {""};
        if (loader->event.type != YAML_SCALAR_EVENT) {
            complain(loader, loader->event.start_mark, path, "its elements are single values, this is %s",
                     event_noun(loader->event.type));
            skip(loader);
            good = false;
        } else if (value_append(key, out, scalar_text(loader), loader->event.data.scalar.length,
                                scalar_notation(loader), &error) != STATUS_OK) {
            complain(loader, loader->event.start_mark, path, "%s", error.text);
            good = false;
        }
    }
    return good && !loader->stopped;
}

static void wrong_kind(struct loader *loader, const struct config_key *key, const char *path)
{
    char expected[512];
    key_expects(key, expected, sizeof expected);
    if (type_is_list(key->type))
        complain(loader, loader->event.start_mark, path,
                 "must be a list [a, b] whose elements are %s, this is %s", expected,
                 event_noun(loader->event.type));
    else
        complain(loader, loader->event.start_mark, path, "must be %s, this is %s", expected,
                 event_noun(loader->event.type));
    skip(loader);
}

/* parse_value: the current node as the key's type; false when it was complained about. */
static bool parse_value(struct loader *loader, const struct config_key *key, const char *path,
                        struct config_value *out)
{
    yaml_event_type_t type = loader->event.type;
    *out = (struct config_value){.type = key->type};
    if ((key->flags & CONFIG_NULLABLE) && is_null_scalar(loader)) {
        out->is_null = true;
        return true;
    }
    if (type != (type_is_list(key->type) ? YAML_SEQUENCE_START_EVENT : YAML_SCALAR_EVENT)) {
        wrong_kind(loader, key, path);
        return false;
    }
    if (type_is_list(key->type))
        return load_list(loader, key, path, out);
    struct error error = {""};
    enum status status = value_parse(key, scalar_text(loader), loader->event.data.scalar.length,
                                     scalar_notation(loader), out, &error);
    if (status != STATUS_OK)
        complain(loader, loader->event.start_mark, path, "%s", error.text);
    return status == STATUS_OK;
}

static enum config_origin layer_of(const struct loader *loader, const char *path)
{
    if (!loader->effective)
        return ORIGIN_FILE;
    size_t origin = map_get(&loader->origins, path);
    return origin == MAP_ABSENT ? ORIGIN_BUILT_IN : (enum config_origin)origin;
}

static void load_value(struct loader *loader, const struct config_key *key, const char *symbol,
                       const char *path)
{
    yaml_mark_t mark = loader->event.start_mark;
    struct config_value value;
    struct error error = {""};
    if (key->flags & CONFIG_SECRET) {
        complain(loader, mark, path, "is a secret; set the environment variable %s instead",
                 key->environment);
        skip(loader);
        return;
    }
    bool good = parse_value(loader, key, path, &value);
    if (good && value_check(key, &value, &error) != STATUS_OK) {
        complain(loader, mark, path, "%s", error.text);
        good = false;
    }
    if (good) {
        char place[PATH_BYTES + 64];
        format_place(loader, mark, place, sizeof place);
        config_store(loader->config, *symbol ? symbol : NULL, key, layer_of(loader, path), &value, place);
    } else {
        value_finish(&value);
    }
}

static void load_section(struct loader *loader, const char *prefix);

static void unknown(struct loader *loader, yaml_mark_t mark, const char *path)
{
    /* Looking for the nearest key takes time: not for errors that nobody will see. */
    const char *near = loader->errors->count < CONFIG_ERRORS_MAX ? key_suggest(path) : NULL;
    if (strstr(path, ".per_symbol."))
        complain(loader, mark, path,
                 "there is no such key for a symbol (symbols are upper case, as BTCUSDT)");
    else if (near)
        complain(loader, mark, path, "there is no such key; did you mean %s?", near);
    else
        complain(loader, mark, path, "there is no such key");
    skip(loader);
}

static void load_node(struct loader *loader, const char *path, yaml_mark_t key_mark)
{
    const struct config_key *key;
    char symbol[CONFIG_SYMBOL_BYTES];
    if (key_resolve(path, &key, symbol)) {
        load_value(loader, key, symbol, path);
    } else if (!key_is_section(path)) {
        unknown(loader, key_mark, path);
    } else if (loader->event.type != YAML_MAPPING_START_EVENT) {
        complain(loader, loader->event.start_mark, path, "must be a section with keys below it, this is %s",
                 event_noun(loader->event.type));
        skip(loader);
    } else {
        load_section(loader, path);
    }
}

/* origin_named: the layer of that name, ORIGIN_COUNT when there is none. */
static enum config_origin origin_named(const struct loader *loader)
{
    enum config_origin origin = ORIGIN_BUILT_IN;
    if (loader->event.type != YAML_SCALAR_EVENT)
        return ORIGIN_COUNT;
    while (origin < ORIGIN_COUNT && strcmp(config_origin_name(origin), scalar_text(loader)) != 0)
        origin++;
    return origin;
}

/* load_origins: the first object of an effective configuration. */
static void load_origins(struct loader *loader)
{
    while (next(loader) && loader->event.type != YAML_MAPPING_END_EVENT) {
        char path[KEY_PATH_BYTES] = "", symbol[CONFIG_SYMBOL_BYTES];
        const struct config_key *key;
        yaml_mark_t mark = loader->event.start_mark;
        if (loader->event.type == YAML_SCALAR_EVENT)
            snprintf(path, sizeof path, "%s", scalar_text(loader));
        bool known = key_resolve(path, &key, symbol) && map_get(&loader->origins, path) == MAP_ABSENT;
        skip(loader);
        if (!next(loader))
            return;
        enum config_origin origin = origin_named(loader);
        if (!known || origin == ORIGIN_COUNT)
            complain(loader, mark, "origins", "unknown or repeated key, or unknown origin");
        else
            map_put(&loader->origins, path, (size_t)origin);
        skip(loader);
    }
}

/* take_key: checks the key of a pair and writes its full path; false when the pair has to be skipped. */
static bool take_key(struct loader *loader, const char *prefix, char out_path[KEY_PATH_BYTES])
{
    yaml_mark_t mark = loader->event.start_mark;
    if (loader->event.type != YAML_SCALAR_EVENT) {
        complain(loader, mark, prefix, "a key must be a word, this is %s", event_noun(loader->event.type));
        skip(loader);
        return false;
    }
    char word[WORD_BYTES];
    size_t length = strlen(scalar_text(loader));
    if (length != loader->event.data.scalar.length || length >= sizeof word || length == 0 ||
        strlen(prefix) + length + 2 > KEY_PATH_BYTES) {
        complain(loader, mark, prefix, "a key must be a word of 1 to %d characters", WORD_BYTES - 1);
        return false;
    }
    snprintf(word, sizeof word, "%s", scalar_text(loader));
    for (char *at = word; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    snprintf(out_path, KEY_PATH_BYTES, "%s%s%s", prefix, *prefix ? "." : "", word);
    if (strcmp(word, "<<") == 0) {
        complain(loader, mark, prefix, "merge keys (<<) are not taken; write the keys out");
        return false;
    }
    if (strchr(word, '.')) {
        complain(loader, mark, out_path, "a key has no dots here; write sections as indented blocks");
        return false;
    }
    size_t line = map_get(&loader->seen, out_path);
    if (line != MAP_ABSENT) {
        complain(loader, mark, out_path, "is given twice; the first is in line %zu", line);
        return false;
    }
    map_put(&loader->seen, out_path, mark.line + 1);
    return true;
}

/* load_section: the pairs of the mapping that has just begun, to its end. */
static void load_section(struct loader *loader, const char *prefix)
{
    bool first = true;
    while (next(loader) && loader->event.type != YAML_MAPPING_END_EVENT) {
        char path[KEY_PATH_BYTES];
        yaml_mark_t mark = loader->event.start_mark;
        bool good = take_key(loader, prefix, path);
        if (!next(loader))
            return;
        bool origins = good && first && !*prefix && strcmp(path, "origins") == 0;
        first = false;
        if (!good) {
            skip(loader);
        } else if (origins && loader->event.type == YAML_MAPPING_START_EVENT) {
            loader->effective = true;
            load_origins(loader);
        } else {
            load_node(loader, path, mark);
        }
    }
}

/* next_is_end: moves on; true at the end of the stream, or when reading has stopped. */
static bool next_is_end(struct loader *loader)
{
    return !next(loader) || loader->event.type == YAML_STREAM_END_EVENT;
}

static void load_document(struct loader *loader)
{
    bool started = next(loader);
    if (!started || next_is_end(loader) || !next(loader))
        return;
    if (loader->event.type == YAML_MAPPING_START_EVENT) {
        load_section(loader, "");
    } else {
        complain(loader, loader->event.start_mark, "", "the file must consist of sections, this is %s",
                 event_noun(loader->event.type));
        skip(loader);
    }
    bool document_ended = next(loader);
    if (document_ended && !next_is_end(loader))
        complain(loader, loader->event.start_mark, "", "a second document begins here; a file has one");
}

/* require_all: an effective configuration names every key but the secrets. */
static void require_all(struct loader *loader)
{
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        if (!(key->flags & CONFIG_SECRET) && map_get(&loader->seen, key->name) == MAP_ABSENT)
            config_errors_add(loader->errors, loader->name, key->name, "is missing");
    }
}

static enum status load(struct config *config, const char *name, const void *data, size_t bytes,
                        bool effective, struct config_errors *errors)
{
    size_t before = errors->count + errors->not_kept;
    struct loader loader = {.name = name, .data = data, .bytes = bytes, .config = config, .errors = errors};
    map_init(&loader.seen);
    map_init(&loader.origins);
    if (bytes > CONFIG_FILE_BYTES_MAX) {
        config_errors_add(errors, name, "", "is larger than %d bytes", CONFIG_FILE_BYTES_MAX);
    } else if (!yaml_parser_initialize(&loader.parser)) {
        config_errors_add(errors, name, "", "no memory to read it");
    } else {
        yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
        static const uint8_t NOTHING[1]; /* libyaml aborts on NULL, which is what an empty file is read as */
        yaml_parser_set_input_string(&loader.parser, loader.data ? loader.data : NOTHING, bytes);
        load_document(&loader);
        if (loader.has_event)
            yaml_event_delete(&loader.event);
        yaml_parser_delete(&loader.parser);
    }
    if (effective && !loader.effective)
        config_errors_add(errors, name, "",
                          "is not an effective configuration: its first key is not `origins`");
    if (loader.effective && !loader.stopped)
        require_all(&loader);
    config->frozen = config->frozen || loader.effective;
    config_settle(config);
    map_finish(&loader.seen);
    map_finish(&loader.origins);
    return errors->count + errors->not_kept == before ? STATUS_OK : STATUS_INVALID;
}

enum status config_load_text(struct config *config, const char *name, const void *data, size_t bytes,
                             struct config_errors *errors)
{
    return load(config, name, data, bytes, false, errors);
}

enum status config_from_json(struct config *config, const char *name, const void *data, size_t bytes,
                             struct config_errors *errors)
{
    return load(config, name, data, bytes, true, errors);
}

/* read_file: a regular file of at most CONFIG_FILE_BYTES_MAX bytes. */
static enum status read_file(const char *path, struct buffer *out, struct config_errors *errors)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        config_errors_add(errors, path, "", "cannot be opened: %m");
        return STATUS_NOT_FOUND;
    }
    if (!S_ISREG(found.st_mode)) {
        config_errors_add(errors, path, "", "is not a file");
        return STATUS_IO;
    }
    enum status status = file_read(path, out);
    if (status == STATUS_OK && out->length <= CONFIG_FILE_BYTES_MAX)
        return STATUS_OK;
    if (status == STATUS_OK || status == STATUS_LIMIT) {
        config_errors_add(errors, path, "", "is larger than %d bytes", CONFIG_FILE_BYTES_MAX);
        return STATUS_LIMIT;
    }
    config_errors_add(errors, path, "", "cannot be read: %m");
    return status;
}

enum status config_load_file(struct config *config, const char *path, struct config_errors *errors)
{
    struct buffer data;
    buffer_init(&data, CONFIG_FILE_BYTES_MAX + 2);
    enum status status = read_file(path, &data, errors);
    if (status == STATUS_OK)
        status = load(config, path, data.data, data.length, false, errors);
    buffer_finish(&data);
    return status;
}
