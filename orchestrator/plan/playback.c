#include "playback.h"

#include "base/log.h"
#include "base/text.h"
#include "config/recorded.h"
#include "input_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* counter: -1 when it is not known. */
static int64_t counter(const struct run *run, const char *name)
{
    int64_t value = -1;
    return run_counter(run, MODULE_FEATURES, name, &value) ? value : -1;
}

/* names_of: "harvest and archive". */
static void names_of(module_set set, char *out_text, size_t size)
{
    size_t length = 0, left = (size_t)__builtin_popcount(set);
    out_text[0] = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        if (!(set & module_bit(i)))
            continue;
        left--;
        length += (size_t)snprintf(out_text + length, size - length, "%s%s", module_at(i)->name,
                                   left > 1    ? ", "
                                   : left == 1 ? " and "
                                               : "");
    }
}

void playback_say_begin(const struct run *run)
{
    char names[96];
    if (!recorded_plays_rows(run->config))
        return;
    module_set left_out = run->choice.left_out;
    console_say(&run->console, "features plays the rows of kind=features below %s",
                config_text(run->config, "run.input_dir"));
    names_of(left_out, names, sizeof names);
    if (left_out)
        console_say(&run->console,
                    "%s %s not started: rows are the input, and there are no new ones to store", names,
                    plural(__builtin_popcount(left_out), "is", "are"));
}

void playback_say_end(const struct run *run)
{
    static const char *const OTHERS[][2] = {{"rows_repeated", "repeated"},
                                            {"rows_rejected", "rejected"},
                                            {"rows_left", "left where it was stopped"}};
    char line[256], text[COUNT_TEXT_BYTES];
    int64_t played = counter(run, "feature_rows");
    if (!recorded_plays_rows(run->config) || played < 0)
        return;
    int length =
        snprintf(line, sizeof line, "%s %s", count_text(played, text), plural(played, "row", "rows"));
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (counter(run, OTHERS[i][0]) > 0)
            length += snprintf(line + length, sizeof line - (size_t)length, ", %s %s",
                               count_text(counter(run, OTHERS[i][0]), text), OTHERS[i][1]);
    console_say(&run->console, "played     %s, from %s", line, config_text(run->config, "run.input_dir"));
}

double playback_share(const struct run *run)
{
    int64_t found = counter(run, "rows_found"), played = counter(run, "feature_rows"),
            repeated = counter(run, "rows_repeated"), rejected = counter(run, "rows_rejected");
    if (found <= 0 || played < 0 || repeated < 0 || rejected < 0)
        return NAN;
    return (double)(played + repeated + rejected) / (double)found;
}

int64_t playback_first_ms(const struct run *run)
{
    int64_t first_ms = 0;
    for (size_t i = 0; recorded_plays_rows(run->config) && i < run->process_count; i++) {
        int64_t value;
        if (run->processes[i].module_index == MODULE_FEATURES &&
            telemetry_counter(&run->processes[i].telemetry, "first_ts_ms", &value) && value > 0 &&
            (!first_ms || value < first_ms))
            first_ms = value;
    }
    return first_ms;
}

static void key_counter(struct json *json, const char *key, int64_t value)
{
    if (value < 0)
        json_key_null(json, key);
    else
        json_key_i64(json, key, value);
}

/* files_of: every instance has seen all of them. */
static int64_t files_of(const struct run *run)
{
    int64_t most = -1, value;
    for (size_t i = 0; i < run->process_count; i++)
        if (run->processes[i].module_index == MODULE_FEATURES &&
            telemetry_counter(&run->processes[i].telemetry, "input_files", &value) && value > most)
            most = value;
    return most;
}

/* write_inputs: what the evidence pack names, and its verification looks at again. */
static void write_inputs(const struct run *run, struct json *json)
{
    struct buffer text;
    struct error error = {{0}};
    buffer_init(&text, 0);
    json_key(json, "inputs");
    if (input_rows_hashes(run->config, &text, &error) == STATUS_OK) {
        json_raw(json, (const char *)text.data, text.length);
    } else {
        json_null(json);
        log_event(LOG_WARNING, "input_not_hashed", "reason=\"%s\"", error.text);
    }
    buffer_finish(&text);
}

void playback_write(const struct run *run, struct json *json)
{
    json_key(json, "input_rows");
    if (!recorded_plays_rows(run->config)) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    json_key_text(json, "folder", config_text(run->config, "run.input_dir"));
    key_counter(json, "files", files_of(run));
    key_counter(json, "rows", counter(run, "rows_found"));
    key_counter(json, "played", counter(run, "feature_rows"));
    key_counter(json, "repeated", counter(run, "rows_repeated"));
    key_counter(json, "rejected", counter(run, "rows_rejected"));
    key_counter(json, "left", counter(run, "rows_left"));
    write_inputs(run, json);
    json_object_end(json);
}
