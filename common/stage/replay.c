#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "journal/capture_chain.h"
#include "stage/stage_private.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A daemon by hand on a capture: `features --replay X.ofr` starts, in a folder of its own, the daemons it reads from
 * with the same configuration, reads their streams as always, and prints its own rows as JSON lines. */

enum { CHILD_ARGUMENTS_MAX = 1024, CHILDREN_MAX = 8 };

static struct {
    char folder[PATH_BYTES];
    pid_t children[CHILDREN_MAX];
    size_t child_count;
} replay; /* of the process: a replay is one command */

/* configuration_in: harvest writes the effective configuration as the last key of a capture's first record. */
static const char *configuration_in(const struct capture_record *record, size_t *out_bytes)
{
    static const char KEY[] = "\"config\":";
    const char *at = memmem(record->payload, record->payload_bytes, KEY, sizeof KEY - 1);
    if (record->kind != CAPTURE_METADATA || !at)
        return NULL;
    at += sizeof KEY - 1;
    *out_bytes = (size_t)((const char *)record->payload + record->payload_bytes - at) - 1;
    return at;
}

/* add_symbols: of a capture's own symbols, `"symbols":["A","B"]` before the configuration, to the list "A,B"; the run may have had
 * more, which other instances of harvest received. */
static void add_symbols(const struct capture_record *record, struct buffer *list)
{
    static const char KEY[] = "\"symbols\":[";
    const char *at = memmem(record->payload, record->payload_bytes, KEY, sizeof KEY - 1);
    const char *end =
        at ? memchr(at, ']', (size_t)((const char *)record->payload + record->payload_bytes - at)) : NULL;
    if (end && end > at + sizeof KEY - 1 && list->length)
        buffer_append_byte(list, ',');
    for (at = end ? at + sizeof KEY - 1 : NULL; at && at < end; at++)
        if (*at != '"')
            buffer_append_byte(list, (uint8_t)*at);
}

/* drop_repeated: names of "A,B,A" that stood before. */
static void drop_repeated(struct buffer *list)
{
    struct map seen;
    struct buffer once;
    map_init(&seen);
    buffer_init(&once, 0);
    for (const char *at = buffer_text(list); *at;) {
        size_t bytes = strcspn(at, ",");
        if (map_get_bytes(&seen, at, bytes) == MAP_ABSENT) {
            buffer_format(&once, "%s%.*s", once.length ? "," : "", (int)bytes, at);
            map_put(&seen, buffer_text(&once) + once.length - bytes, 0);
        }
        at += bytes + (at[bytes] == ',');
    }
    map_finish(&seen);
    buffer_finish(list);
    *list = once;
}

/* take_symbols: those of all captures given: each file tells its own. One that has none yet is of an instance to which symbols came:
 * then the run's. */
static void take_symbols(const struct stage_options *options, struct config *out,
                         struct config_errors *errors)
{
    struct buffer list;
    struct error error;
    buffer_init(&list, 0);
    for (size_t i = 0; i < options->replay_count; i++) {
        struct capture_reader *reader;
        struct capture_record record;
        if (capture_reader_open_files(&options->replay_files[i], 1, &reader, &error) != STATUS_OK)
            continue; /* told when it is read for its rows */
        if (capture_next(reader, &record, &error) == STATUS_OK && record.kind == CAPTURE_METADATA)
            add_symbols(&record, &list);
        capture_reader_close(reader);
    }
    drop_repeated(&list);
    if (list.length && config_set(out, "run.symbols", buffer_text(&list), ORIGIN_CLI, &error) != STATUS_OK)
        config_errors_add(errors, "the capture's metadata", "run.symbols", "%s", error.text);
    buffer_finish(&list);
}

/* recorded_configuration: into `out` what the run that made the capture was configured with, if the capture tells. */
static void recorded_configuration(const struct stage *stage, struct config *out,
                                   struct config_errors *errors)
{
    struct capture_reader *reader;
    struct capture_record record;
    struct error error = {{0}};
    const struct stage_options *options = &stage->options;
    struct capture_chain *captures = NULL; /* they must fit together */
    enum status status =
        capture_chain_open_files(options->replay_files, options->replay_count, &captures, &error);
    capture_chain_close(captures);
    if (status == STATUS_OK)
        status = capture_reader_open_files(options->replay_files, 1, &reader, &error);
    if (status != STATUS_OK) {
        config_errors_add(errors, "option --replay", "", "%s", error.text);
        return;
    }
    size_t bytes = 0;
    const char *text =
        capture_next(reader, &record, &error) == STATUS_OK ? configuration_in(&record, &bytes) : NULL;
    if (text && config_load_text(out, options->replay_files[0], text, bytes, errors) != STATUS_OK &&
        !errors->count)
        config_errors_add(errors, options->replay_files[0], "", "its configuration cannot be read");
    if (text && !errors->count)
        take_symbols(options, out, errors);
    capture_reader_close(reader);
}

void stage_replay_config(struct stage *stage, struct config_errors *errors)
{
    recorded_configuration(stage, stage->config, errors);
}

void stage_replay_facts(struct stage *stage, struct config_errors *errors)
{
    static const char *const FACTS[] = {"run.run_id",           "run.symbols",
                                        "harvest.market",       "harvest.trade_stream",
                                        "harvest.depth_stream", "harvest.book_source"};
    struct config *recorded = config_create();
    recorded_configuration(stage, recorded, errors);
    for (size_t i = 0; i < sizeof FACTS / sizeof FACTS[0]; i++) {
        struct buffer text;
        struct error error = {{0}};
        if (config_is_chosen(stage->config, FACTS[i]) ||
            config_origin_of(recorded, FACTS[i]) == ORIGIN_BUILT_IN)
            continue;
        buffer_init(&text, 0);
        config_value_text(recorded, FACTS[i], &text);
        if (config_set(stage->config, FACTS[i], buffer_text(&text), ORIGIN_CLI, &error) != STATUS_OK)
            config_errors_add(errors, stage->options.replay_files[0], "", "%s", error.text);
        buffer_finish(&text);
    }
    config_destroy(recorded);
}

/* reads_from: the services a service that prints rows needs, nearest last. The stage knows the picture of design.md §1 here only. */
static const struct {
    const char *service;
    const char *needs[5];
} READS_FROM[] = {
    {"harvest", {NULL}},
    {"features", {"harvest", NULL}},
    {"signal", {"harvest", "features", NULL}},
    {"broker", {"harvest", "features", "signal", NULL}},
};

static enum status set(struct stage *stage, const char *key, const char *format, const char *argument,
                       struct error *error)
{
    char *value = stage_options_keep(&stage->options, memory_allocate(PATH_BYTES));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(value, PATH_BYTES, format, argument);
#pragma GCC diagnostic pop
    struct stage_options *options = &stage->options;
    if (options->override_count == STAGE_OVERRIDES_MAX)
        return error_set(error, STATUS_LIMIT, "more than %d options", STAGE_OVERRIDES_MAX);
    options->overrides[options->override_count++] = (struct stage_override){key, value};
    return config_set(stage->config, key, value, ORIGIN_CLI, error);
}

/* own_folders: a replay never writes where a live run writes (data.md §3.1). */
static enum status own_folders(struct stage *stage, struct error *error)
{
    snprintf(replay.folder, sizeof replay.folder, "/tmp/orderflow-replay-XXXXXX");
    if (!mkdtemp(replay.folder))
        return error_set(error, STATUS_IO, "no temporary folder %s: %m", replay.folder);
    enum status status = set(stage, "bus.dir", "%s/bus", replay.folder, error);
    if (status == STATUS_OK)
        status = set(stage, "run.state_dir", "%s/state", replay.folder, error);
    if (status == STATUS_OK)
        status = set(stage, "run.output_dir", "%s/runtime", replay.folder, error);
    if (status == STATUS_OK)
        status = set(stage, "run.data_root", "%s/data", replay.folder, error);
    if (status == STATUS_OK)
        status = set(stage, "run.artifacts_dir", "%s/artifacts", replay.folder, error);
    if (status == STATUS_OK)
        status = set(stage, "run.logs_dir", "%s/logs", replay.folder, error);
    return status;
}

static enum status start_child(struct stage *stage, const char *name, struct error *error)
{
    char program[PATH_BYTES], here[PATH_BYTES];
    const char *arguments[CHILD_ARGUMENTS_MAX];
    size_t count = 0;
    const struct stage_options *options = &stage->options;
    process_folder(here);
    path_join(program, here, "%s", name);
    arguments[count++] = program;
    arguments[count++] = "--replay-link";
    if (options->config_path || options->effective_path) {
        arguments[count++] = options->effective_path ? "--effective" : "--config";
        arguments[count++] = options->effective_path ? options->effective_path : options->config_path;
    }
    for (size_t i = 0; i < options->override_count; i++) {
        char *text = stage_options_keep(&stage->options, memory_allocate((size_t)2 * PATH_BYTES));
        snprintf(text, (size_t)2 * PATH_BYTES, "%s=%s", options->overrides[i].key,
                 options->overrides[i].value);
        arguments[count++] = "--set";
        arguments[count++] = text;
    }
    for (size_t i = 0; i < options->replay_count; i++) {
        arguments[count++] = "--replay";
        arguments[count++] = options->replay_files[i];
    }
    arguments[count] = NULL;
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            execv(program, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    if (child < 0)
        return error_set(error, STATUS_IO, "%s cannot be started: %m", program);
    replay.children[replay.child_count++] = child;
    return STATUS_OK;
}

enum status stage_replay_start(struct stage *stage, struct error *error)
{
    struct stage_options *options = &stage->options;
    if (!options->replay_count || options->replay_link)
        return STATUS_OK;
    if (!stage->service->publishes)
        return error_set(error, STATUS_INVALID,
                         "--replay prints rows, and %s makes none: replay the capture through a whole run "
                         "(orchestrator --capture FILE)",
                         stage->service->name);
    options->print_rows = true;
    enum status status = own_folders(stage, error);
    for (size_t i = 0; status == STATUS_OK && i < sizeof READS_FROM / sizeof READS_FROM[0]; i++)
        for (const char *const *need = READS_FROM[i].needs;
             strcmp(READS_FROM[i].service, stage->service->name) == 0 && status == STATUS_OK && *need; need++)
            status = start_child(stage, *need, error);
    return status;
}

void stage_replay_print(struct stage *stage, size_t symbol_index, const struct message *message,
                        const void *row)
{
    struct buffer text, body;
    struct json json;
    buffer_init(&text, 0);
    buffer_init(&body, 0);
    json_init(&json, &body);
    message_json(&json, message, message_fields_in_use(message, stage->levels), row, true);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "kind", message->name);
    json_key_text(&json, "symbol", stage->symbols[symbol_index]);
    json_key_i64(&json, "sequence", stage->outputs[symbol_index].emitted);
    json_key(&json, "row");
    json_raw(&json, (const char *)body.data, body.length);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
    buffer_finish(&body);
}

enum status stage_replay_check(struct stage *stage, struct error *error)
{
    int how;
    (void)stage;
    for (size_t i = 0; i < replay.child_count; i++)
        if (waitpid(replay.children[i], &how, WNOHANG) == replay.children[i]) {
            replay.children[i] = replay.children[--replay.child_count];
            return error_set(error, STATUS_CLOSED,
                             "a daemon this replay reads from has ended (%s %d); it says above why",
                             WIFSIGNALED(how) ? "signal" : "exit code",
                             WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
        }
    return STATUS_OK;
}

void stage_replay_finish(struct stage *stage)
{
    (void)stage;
    for (size_t i = 0; i < replay.child_count; i++)
        kill(replay.children[i], SIGTERM);
    for (size_t i = 0; i < replay.child_count; i++)
        while (waitpid(replay.children[i], NULL, 0) < 0 && errno == EINTR)
            ;
    if (replay.folder[0] && folder_remove(replay.folder) != STATUS_OK)
        log_event(LOG_WARNING, "left_behind", "folder=%s", replay.folder);
}
