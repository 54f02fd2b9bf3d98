#include "base/memory.h"
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void config_errors_init(struct config_errors *errors)
{
    *errors = (struct config_errors){0};
}

void config_errors_finish(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        free(errors->items[i].place);
        free(errors->items[i].key);
        free(errors->items[i].reason);
    }
    free(errors->items);
    config_errors_init(errors);
}

void config_errors_add(struct config_errors *errors, const char *place, const char *key, const char *format,
                       ...)
{
    if (errors->count >= CONFIG_ERRORS_MAX) {
        errors->not_kept++;
        return;
    }
    char reason[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    errors->items = memory_grow(errors->items, &errors->capacity, errors->count + 1, sizeof *errors->items);
    errors->items[errors->count++] = (struct config_error){
        .place = memory_copy_text(place),
        .key = memory_copy_text(key),
        .reason = memory_copy_text(reason),
    };
}

void config_errors_print(const struct config_errors *errors, struct buffer *out)
{
    for (size_t i = 0; i < errors->count; i++) {
        const struct config_error *error = &errors->items[i];
        buffer_format(out, "%s: %s%s%s\n", error->place, error->key, *error->key ? ": " : "", error->reason);
    }
    if (errors->not_kept)
        buffer_format(out, "and %zu more\n", errors->not_kept);
}
