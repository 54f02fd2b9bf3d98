#include "module.h"

#include "dependency.h"

#include "config/plan.h"

#include <string.h>

#define BIT(id) ((module_set)1 << (id))

static const struct module MODULES[MODULE_COUNT] = {
    [MODULE_SIMULATOR] = {.name = "simulator"},
    [MODULE_HARVEST] = {.name = "harvest", .takes_feed = true, .drains = true, .scales = true, .beats = true},
    [MODULE_ARCHIVE] = {.name = "archive",
                        .inputs = BIT(MODULE_HARVEST) | BIT(MODULE_FEATURES),
                        .drains = true,
                        .beats = true},
    [MODULE_FEATURES] =
        {.name = "features", .inputs = BIT(MODULE_HARVEST), .drains = true, .scales = true, .beats = true},
    [MODULE_SIGNAL] =
        {.name = "signal", .inputs = BIT(MODULE_FEATURES), .drains = true, .scales = true, .beats = true},
    [MODULE_BROKER] = {.name = "broker", .inputs = BIT(MODULE_SIGNAL), .drains = true, .beats = true},
    [MODULE_REPORT] = {.name = "report",
                       .inputs = BIT(MODULE_HARVEST) | BIT(MODULE_FEATURES) | BIT(MODULE_SIGNAL) |
                                 BIT(MODULE_BROKER),
                       .drains = true,
                       .drains_last = true,
                       .beats = true},
};

static const struct module PLAYING = {.name = "features",
                                      .program = "playback",
                                      .takes_feed = true,
                                      .drains = true,
                                      .scales = true,
                                      .beats = true};

static const module_set BEFORE_ROWS = BIT(MODULE_SIMULATOR) | BIT(MODULE_HARVEST) | BIT(MODULE_ARCHIVE);

const struct module *module_playing(void)
{
    return &PLAYING;
}

const struct module *module_at(size_t index)
{
    return &MODULES[index];
}

size_t module_index(const char *name)
{
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (strcmp(MODULES[i].name, name) == 0)
            return i;
    return MODULE_COUNT;
}

size_t module_of(const char *instance)
{
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        size_t number = plan_instance_number(MODULES[i].name, instance);
        if (number == 1 || (number && MODULES[i].scales))
            return i;
    }
    return MODULE_COUNT;
}

/* needed_by: what a set cannot work without, one step further. */
static module_set needed_by(module_set set, const struct module_conditions *conditions)
{
    module_set needed = 0;
    if (set & BIT(MODULE_SIGNAL))
        needed |= BIT(MODULE_FEATURES);
    if ((set & BIT(MODULE_FEATURES)) && !conditions->plays_rows)
        needed |= BIT(MODULE_HARVEST);
    if (set & BIT(MODULE_HARVEST)) {
        needed |= BIT(MODULE_ARCHIVE);
        if (conditions->venue_is_simulator)
            needed |= BIT(MODULE_SIMULATOR);
    }
    return needed;
}

/* table_check: the table above could be written so that nobody starts. */
static enum status table_check(struct error *error)
{
    const char *names[MODULE_COUNT];
    uint32_t needs[MODULE_COUNT];
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        names[i] = MODULES[i].name;
        needs[i] = MODULES[i].inputs;
    }
    return dependency_check(names, needs, MODULE_COUNT, error);
}

enum status module_choose(const char *const *names, size_t count, const struct module_conditions *conditions,
                          struct module_choice *out_choice, struct error *error)
{
    struct module_choice choice = {0};
    if (table_check(error) != STATUS_OK)
        return STATUS_CONFLICT;
    for (size_t i = 0; i < count; i++) {
        size_t index = module_index(names[i]);
        if (index == MODULE_COUNT)
            return error_set(
                error, STATUS_INVALID,
                "--enable: there is no module '%s'; known are simulator, harvest, archive, features, "
                "signal, broker, report",
                names[i]);
        choice.enabled |= BIT(index);
    }
    if (!conditions->paper_enabled)
        choice.enabled &= ~BIT(MODULE_BROKER);
    module_set all = choice.enabled;
    if (conditions->plays_rows && all) {
        choice.left_out = choice.enabled & BEFORE_ROWS;
        choice.enabled &= ~BEFORE_ROWS;
        all = choice.enabled | BIT(MODULE_FEATURES);
    }
    for (module_set before = 0; before != all;) {
        before = all;
        all |= needed_by(all, conditions);
    }
    choice.implied = all & ~choice.enabled;
    *out_choice = choice;
    return STATUS_OK;
}
