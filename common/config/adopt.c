/* The part of a configuration that can change a row, taken from another one. */
#include "internal.h"

#include <stdlib.h>

static void adopt_one(struct config *config, const struct config *from, const char *symbol,
                      const struct config_key *key)
{
    struct config_value value = config_find(from, symbol, key).value;
    struct config_value copy = value_copy(&value);
    config_store(config, symbol, key, ORIGIN_CLI, &copy, "adopted");
}

/* adopt_symbol: a symbol that has values of its own on either side: all of them are written out, since what stood below them may
 * differ. */
static void adopt_symbol(struct config *config, const struct config *from, const char *symbol)
{
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        if (!(key->flags & CONFIG_OPERATIONAL) && (key->flags & CONFIG_PER_SYMBOL))
            adopt_one(config, from, symbol, key);
    }
}

void config_adopt_rows(struct config *config, const struct config *from)
{
    size_t count;
    for (size_t i = 0; i < config_key_count(); i++)
        if (!(config_key_at(i)->flags & CONFIG_OPERATIONAL))
            adopt_one(config, from, NULL, config_key_at(i));
    const struct config *const sides[] = {from, config};
    for (size_t side = 0; side < 2; side++) {
        const char **symbols = config_symbols(sides[side], &count);
        for (size_t i = 0; i < count; i++)
            adopt_symbol(config, from, symbols[i]);
        free(symbols);
    }
    config_settle(config);
}
