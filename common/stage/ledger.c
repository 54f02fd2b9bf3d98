#include "base/memory.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>

/* What this instance's counters say, for the loss ledger: artifacts/run_logs/ledger_<run>/<instance>.json, written when
 * asked for (the command `ledger`) and as the last thing of a life. Everything in it is state: after a kill the next life
 * goes on from the newest saved one and counts again what it makes again. No time and no pid is in it, so that an
 * undisturbed run and a disturbed one leave the same bytes. */

struct ledger_part {
    struct buffer text;
    struct json json;
};

struct stage_ledger {
    struct ledger_part *parts; /* by symbol; the last is of no symbol */
    size_t count;
};

static void ledger_init(struct stage_ledger *ledger, size_t symbol_count)
{
    ledger->count = symbol_count + 1;
    ledger->parts = memory_allocate(ledger->count * sizeof *ledger->parts);
    for (size_t i = 0; i < ledger->count; i++) {
        buffer_init(&ledger->parts[i].text, 0);
        json_init(&ledger->parts[i].json, &ledger->parts[i].text);
    }
}

static void ledger_finish(struct stage_ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        buffer_finish(&ledger->parts[i].text);
    free(ledger->parts);
}

void stage_ledger_count(struct stage_ledger *ledger, size_t symbol_index, const char *name, int64_t value)
{
    size_t part = symbol_index == STAGE_NO_SYMBOL ? ledger->count - 1 : symbol_index;
    json_key_i64(&ledger->parts[part].json, name, value);
}

/* count_output: how far the journal goes, and what its rows are. */
static void count_output(const struct stage *stage, size_t symbol, struct stage_ledger *ledger)
{
    const struct output *output = &stage->outputs[symbol];
    const struct message *message;
    char name[64];
    stage_ledger_count(ledger, symbol, "last_sequence", journal_last(stage->journal, output->journal_stream));
    for (size_t i = 0; (message = message_at(i)); i++) {
        if (message->kind >= DATA_KINDS_LIMIT)
            continue;
        snprintf(name, sizeof name, "rows.%s", message->name);
        stage_ledger_count(ledger, symbol, name, output->kinds[message->kind]);
    }
}

static void count_input(const struct input *input, struct stage_ledger *ledger)
{
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {{"position", input->public.position},
                  {"consumed", input->consumed},
                  {"malformed", input->malformed},
                  {"lost", input->lost}};
    char name[64];
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf(name, sizeof name, "%s.%s", counts[i].name, input->public.service);
        stage_ledger_count(ledger, input->public.symbol_index, name, counts[i].value);
    }
}

static void write_part(struct json *json, const char *key, const struct ledger_part *part)
{
    json_key(json, key);
    json_object_begin(json);
    if (part->text.length)
        json_raw(json, (const char *)part->text.data, part->text.length);
    json_object_end(json);
}

static void ledger_json(const struct stage *stage, const struct stage_ledger *ledger, struct json *json)
{
    json_object_begin(json);
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "run_id", stage->run_id);
    json_key_text(json, "instance", stage->instance);
    json_key_text(json, "service", stage->service->name);
    write_part(json, "run", &ledger->parts[ledger->count - 1]);
    json_key(json, "symbols");
    json_object_begin(json);
    for (size_t i = 0; i + 1 < ledger->count; i++)
        if (stage_owns(stage, i))
            write_part(json, stage->symbols[i], &ledger->parts[i]);
    json_object_end(json);
    json_object_end(json);
}

enum status stage_ledger_write(struct stage *stage, struct error *error)
{
    struct stage_ledger ledger;
    struct buffer text;
    struct json json;
    char path[PATH_BYTES];
    if (stage->options.replay_count)
        return STATUS_OK; /* by hand: there is no run to account for */
    ledger_init(&ledger, stage->symbol_count);
    for (size_t i = 0; stage->outputs && i < stage->symbol_count; i++)
        count_output(stage, i, &ledger);
    for (size_t i = 0; i < stage->input_count; i++)
        count_input(&stage->inputs[i], &ledger);
    if (stage->service->ledger)
        stage->service->ledger(stage->state, &ledger);
    buffer_init(&text, 0);
    json_init(&json, &text);
    ledger_json(stage, &ledger, &json);
    buffer_append_byte(&text, '\n');
    path_join(path, config_text(stage->config, "run.artifacts_dir"), "run_logs/ledger_%s/%s.json",
              stage->run_id, stage->instance);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length, false);
    buffer_finish(&text);
    ledger_finish(&ledger);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}
