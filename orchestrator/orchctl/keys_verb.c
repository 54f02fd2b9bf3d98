/* orchctl keys: the CURVE keys that every daemon of a stack needs when the bus goes over TCP. */
#include "base/json.h"
#include "place.h"
#include "verb.h"

#include "bus/keys.h"

#include <stdio.h>

static void tell(const char *path, bool made, bool as_json)
{
    if (!as_json) {
        printf(
            made
                ? "%s made; copy it, mode 0600, to every machine of the stack\n"
                : "%s is there already and stays; remove it, and start the whole stack again, for new keys\n",
            path);
        return;
    }
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "path", path);
    json_key_bool(&json, "made", made);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int make(const char *folder, bool as_json)
{
    struct error error = {{0}};
    char path[PATH_BYTES];
    bus_keys_path(folder, path);
    enum status status = bus_keys_make(folder, &error);
    if (status != STATUS_OK && status != STATUS_EXISTS)
        return complain(EXIT_REFUSED, "keys: %s", error.text);
    tell(path, status == STATUS_OK, as_json);
    struct bus_keys keys;
    status = bus_keys_read(folder, &keys, &error);
    return status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "keys: %s", error.text);
}

int verb_keys(const struct invocation *invocation)
{
    struct config *config;
    struct error error = {{0}};
    if (invocation->word_count)
        return make(invocation->words[0], invocation->json);
    if (place_config(&config, &error) != STATUS_OK)
        return complain(EXIT_WRONG_USE, "%s", error.text);
    int code = make(config_text(config, "bus.curve_dir"), invocation->json);
    config_destroy(config);
    return code;
}
