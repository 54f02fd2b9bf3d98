#include "preview.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data_root.h"
#include "input_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char DATA_ROOT[] = "./preview"; /* live data and recomputed data do not share a folder */

struct captures {
    char **paths;
    size_t count, capacity;
    char own[PATH_BYTES]; /* what earlier previews recorded is no input */
};

static enum status take(void *context, const char *path)
{
    struct captures *captures = context;
    if (!text_ends_in(path, ".ofr") || path_is_below(path, captures->own))
        return STATUS_OK;
    captures->paths =
        memory_grow(captures->paths, &captures->capacity, captures->count + 1, sizeof *captures->paths);
    captures->paths[captures->count++] = memory_copy_text(path);
    return STATUS_OK;
}

static void find(const struct config *config, struct captures *captures, struct config_errors *errors)
{
    const char *folder = config_text(config, "run.input_dir");
    char *own = realpath(config_text(config, "run.data_root"), NULL);
    struct stat found;
    snprintf(captures->own, sizeof captures->own, "%s", own ? own : "");
    free(own);
    const char *place = config_place(config, "run.input_dir");
    if (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode))
        config_errors_add(errors, place, "run.input_dir", "%s: there is no such folder", folder);
    else if (folder_walk(folder, take, captures) != STATUS_OK)
        config_errors_add(errors, place, "run.input_dir", "%s cannot be read: %m", folder);
}

static void set(struct config *config, const char *key, const char *text, struct config_errors *errors)
{
    struct error wrong = {{0}};
    if (config_set(config, key, text, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, "option --input-mode", key, "%s", wrong.text);
}

static void set_default(struct config *config, const char *key, const char *text,
                        struct config_errors *errors)
{
    if (!config_is_chosen(config, key))
        set(config, key, text, errors);
}

/* take_symbols: those of the rows; of those that were chosen every one has to be there. */
static void take_symbols(struct config *config, const struct input_rows *rows, struct config_errors *errors)
{
    struct error wrong = {{0}};
    const char *key = "run.symbols";
    struct config_list wanted = config_list(config, key);
    if (!config_is_chosen(config, key)) {
        if (config_set_texts(config, key, (const char *const *)rows->symbols, rows->symbol_count, ORIGIN_CLI,
                             &wrong) != STATUS_OK)
            config_errors_add(errors, config_place(config, "run.input_dir"), key, "%s", wrong.text);
        return;
    }
    for (size_t i = 0; i < wanted.count; i++) {
        bool found = false;
        for (size_t k = 0; k < rows->symbol_count; k++)
            found = found || strcmp(rows->symbols[k], wanted.texts[i]) == 0;
        if (!found)
            config_errors_add(errors, config_place(config, key), key, "there is no row of %s below %s",
                              wanted.texts[i], config_text(config, "run.input_dir"));
    }
}

/* find_rows: where there are no captures. */
static void find_rows(struct config *config, struct config_errors *errors)
{
    struct input_rows rows = {0};
    struct error wrong = {{0}};
    if (input_rows_read(config, &rows, &wrong) != STATUS_OK)
        config_errors_add(errors, config_place(config, "run.input_dir"), "run.input_dir", "%s", wrong.text);
    else
        take_symbols(config, &rows, errors);
    input_rows_finish(&rows);
}

/* set_pace: of captures the simulator's, of rows the run's: whichever a person has chosen is meant. */
static void set_pace(struct config *config, struct config_errors *errors)
{
    static const char *const KEYS[] = {"simulator.speed", "run.replay_speed"};
    struct buffer speed;
    bool chosen = config_is_chosen(config, KEYS[0]);
    buffer_init(&speed, 0);
    config_value_text(config, KEYS[!chosen], &speed);
    set(config, KEYS[chosen], buffer_text(&speed), errors);
    buffer_finish(&speed);
}

void preview_resolve(struct config *config, struct config_errors *errors)
{
    struct captures captures = {0};
    struct error wrong = {{0}};
    if (strcmp(config_text(config, "run.input_mode"), "preview") != 0 ||
        !*config_text(config, "run.input_dir"))
        return; /* without a folder: config_validate tells */
    if (config_list(config, "simulator.captures").count)
        config_errors_add(errors, config_place(config, "simulator.captures"), "simulator.captures",
                          "and run.input_dir exclude each other: both are the recording");
    set_default(config, "run.data_root", DATA_ROOT, errors);
    set_pace(config, errors);
    data_root_check(config, errors);
    set(config, "harvest.venue", "simulator", errors);
    set(config, "harvest.on_full", "wait", errors); /* also with a live configuration: nothing is lost */
    find(config, &captures, errors);
    if (!captures.count && !errors->count)
        find_rows(config, errors);
    if (captures.count && config_set_texts(config, "simulator.captures", (const char *const *)captures.paths,
                                           captures.count, ORIGIN_CLI, &wrong) != STATUS_OK)
        config_errors_add(errors, config_place(config, "run.input_dir"), "run.input_dir", "%s", wrong.text);
    for (size_t i = 0; i < captures.count; i++)
        free(captures.paths[i]);
    free(captures.paths);
}
