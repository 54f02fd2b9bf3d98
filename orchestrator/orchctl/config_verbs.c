/* config check | show | fingerprint | diff: without any process; the same loader as everybody's. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/config.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A YAML file or a written effective configuration. NULL: that of the run in this folder, else the
 * defaults. The environment counts as for the orchestrator, unless the file is an effective one. */
struct config *config_verbs_load(const char *path)
{
    static const char EFFECTIVE[] = "runtime/effective_config.json";
    struct config *config = config_create();
    struct config_errors errors;
    struct buffer text;
    enum status status = STATUS_OK;
    config_errors_init(&errors);
    if (!path && file_exists(EFFECTIVE))
        path = EFFECTIVE;
    bool effective = path && strlen(path) > 5 && strcmp(path + strlen(path) - 5, ".json") == 0;
    if (path)
        status = config_load_file(config, path, &errors);
    if (!effective && config_load_environment(config, config_environment_process, NULL, &errors) != STATUS_OK)
        status = STATUS_INVALID;
    if (status == STATUS_OK)
        status = config_validate(config, &errors);
    buffer_init(&text, 0);
    config_errors_print(&errors, &text);
    fputs(buffer_text(&text), stderr);
    buffer_finish(&text);
    config_errors_finish(&errors);
    if (status == STATUS_OK)
        return config;
    config_destroy(config);
    return NULL;
}

/* print_json_fingerprint: of check and fingerprint. */
static void print_json_fingerprint(const char *what, const char *hex, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    if (strcmp(what, "check") == 0)
        json_key_bool(&json, "good", true);
    json_key_text(&json, "fingerprint", hex);
    json_object_end(&json);
    buffer_append_text(out, "\n");
}

static int print_one(const char *path, const char *what, bool as_json)
{
    struct config *config = config_verbs_load(path);
    char hex[SHA256_HEX_BYTES];
    struct buffer text;
    if (!config)
        return complain(EXIT_WRONG_USE, "config %s: the mistakes are listed above", what);
    buffer_init(&text, 0);
    config_fingerprint(config, hex);
    if (as_json)
        print_json_fingerprint(what, hex, &text);
    else if (strcmp(what, "check") == 0)
        buffer_format(&text, "good, fingerprint %.16s\n", hex);
    else if (strcmp(what, "fingerprint") == 0)
        buffer_format(&text, "%s\n", hex);
    else
        config_show(config, &text);
    fputs(buffer_text(&text), stdout);
    buffer_finish(&text);
    config_destroy(config);
    return EXIT_FINE;
}

static int print_json(const char *path)
{
    struct config *config = config_verbs_load(path);
    struct buffer text;
    if (!config)
        return complain(EXIT_WRONG_USE, "config show: the mistakes are listed above");
    buffer_init(&text, 0);
    config_json(config, &text);
    puts(buffer_text(&text));
    buffer_finish(&text);
    config_destroy(config);
    return EXIT_FINE;
}

/* print_json_difference: config_diff's lines, `key: left -> right`, as an object each. */
static void print_json_difference(char *lines)
{
    static const char TO[] = " -> ";
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key(&json, "differences");
    json_array_begin(&json);
    for (char *line = lines, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        char *left = strstr(line, ": "), *right = left ? strstr(left + 2, TO) : NULL;
        if (!right)
            continue;
        *left = *right = 0;
        json_object_begin(&json);
        json_key_text(&json, "key", line);
        json_key_text(&json, "left", left + 2);
        json_key_text(&json, "right", right + strlen(TO));
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int print_difference(const struct invocation *invocation)
{
    const char *left_path = invocation->words[1], *right_path = invocation->words[2];
    if (!left_path || !right_path)
        return complain(EXIT_WRONG_USE, "config diff needs two files");
    struct config *left = config_verbs_load(left_path), *right = config_verbs_load(right_path);
    int code = EXIT_WRONG_USE;
    if (left && right) {
        struct buffer text;
        buffer_init(&text, 0);
        size_t count = config_diff(left, right, &text);
        if (invocation->json) {
            char *lines = memory_copy_text(buffer_text(&text));
            print_json_difference(lines);
            free(lines);
        } else {
            fputs(buffer_text(&text), stdout);
            printf("%zu %s\n", count, plural((int64_t)count, "key differs", "keys differ"));
        }
        buffer_finish(&text);
        code = EXIT_FINE;
    }
    config_destroy(left);
    config_destroy(right);
    return code;
}

int verb_config(const struct invocation *invocation)
{
    const char *what = invocation->words[0];
    if (strcmp(what, "diff") == 0)
        return print_difference(invocation);
    if (invocation->word_count > 2)
        return complain(EXIT_WRONG_USE, "config %s takes one file", what);
    if (strcmp(what, "show") == 0 && invocation->json)
        return print_json(invocation->words[1]);
    if (strcmp(what, "check") == 0 || strcmp(what, "show") == 0 || strcmp(what, "fingerprint") == 0)
        return print_one(invocation->words[1], what, invocation->json);
    return complain(EXIT_WRONG_USE, "config %s: must be check, show, fingerprint or diff", what);
}
