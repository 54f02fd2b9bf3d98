#include "dependency.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* walk: the way from where a search began to where it is. */
struct walk {
    size_t steps[DEPENDENCIES_MAX + 1];
    size_t count;
    uint32_t on_it, done;
};

static void say_cycle(const char *const *names, const struct walk *walk, struct error *error)
{
    char text[512] = "";
    size_t from = 0, last = walk->steps[walk->count - 1];
    while (walk->steps[from] != last)
        from++;
    for (size_t i = from; i < walk->count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s", i > from ? " needs " : "",
                 names[walk->steps[i]]);
    }
    (void)error_set(error, STATUS_CONFLICT, "nobody of these could start: %s", text);
}

/* visit: false when the walk has come back to itself. As deep as there are processes. */
static bool visit(const uint32_t *needs, size_t count, size_t at, struct walk *walk)
{
    walk->steps[walk->count++] = at;
    if (walk->on_it >> at & 1)
        return false;
    walk->on_it |= 1u << at;
    for (size_t i = 0; i < count; i++)
        if ((needs[at] >> i & 1) && !(walk->done >> i & 1) && !visit(needs, count, i, walk))
            return false;
    walk->on_it &= ~(1u << at);
    walk->done |= 1u << at;
    walk->count--;
    return true;
}

enum status dependency_check(const char *const *names, const uint32_t *needs, size_t count,
                             struct error *error)
{
    struct walk walk = {.count = 0};
    assert(count <= DEPENDENCIES_MAX);
    for (size_t i = 0; i < count; i++)
        if (!(walk.done >> i & 1) && !visit(needs, count, i, &walk)) {
            say_cycle(names, &walk, error);
            return STATUS_CONFLICT;
        }
    return STATUS_OK;
}
