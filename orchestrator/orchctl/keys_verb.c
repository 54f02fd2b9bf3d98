/* orchctl keys: the CURVE keys that every daemon of a stack needs when the bus goes over TCP. */
#include "place.h"
#include "verb.h"

#include "bus/keys.h"

#include <stdio.h>

static int make(const char *folder)
{
    struct error error = {{0}};
    char path[PATH_BYTES];
    bus_keys_path(folder, path);
    enum status status = bus_keys_make(folder, &error);
    if (status == STATUS_OK)
        printf("%s made; copy it, mode 0600, to every machine of the stack\n", path);
    else if (status == STATUS_EXISTS)
        printf("%s is there already and stays; remove it, and start the whole stack again, for new keys\n",
               path);
    else
        return complain(EXIT_REFUSED, "keys: %s", error.text);
    struct bus_keys keys;
    status = bus_keys_read(folder, &keys, &error);
    return status == STATUS_OK ? EXIT_FINE : complain(EXIT_REFUSED, "keys: %s", error.text);
}

int verb_keys(const struct invocation *invocation)
{
    struct config *config;
    struct error error = {{0}};
    if (invocation->word_count)
        return make(invocation->words[0]);
    if (place_config(&config, &error) != STATUS_OK)
        return complain(EXIT_WRONG_USE, "%s", error.text);
    int code = make(config_text(config, "bus.curve_dir"));
    config_destroy(config);
    return code;
}
