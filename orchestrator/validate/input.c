#include "input.h"

#include "config/plan.h"
#include "config/recorded.h"
#include "orchestrator/manifest/evidence_private.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status take_time(const char *option, const char *text, int64_t *out_ms, struct error *error)
{
    char *end;
    errno = 0;
    *out_ms = strtoll(text, &end, 10);
    return end != text && !*end && !errno && *out_ms > 0
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "%s %s: must be milliseconds since 1970", option, text);
}

static enum status take_range(const struct validate_options *options, struct quality_input *quality,
                              struct error *error)
{
    if (!options->from != !options->to)
        return error_set(error, STATUS_INVALID, "--from and --to go together");
    if (!options->from)
        return STATUS_OK;
    enum status status = take_time("--from", options->from, &quality->from_ms, error);
    if (status == STATUS_OK)
        status = take_time("--to", options->to, &quality->to_ms, error);
    if (status == STATUS_OK && quality->to_ms < quality->from_ms)
        status = error_set(error, STATUS_INVALID, "--to lies before --from");
    quality->range_known = true;
    quality->range_source = "option";
    return status;
}

static enum status symbol_add(struct validate_input *input, const char *text, struct error *error)
{
    struct quality_input *quality = &input->quality;
    if (quality->symbol_count == VALIDATE_SYMBOLS_MAX || !*text || strlen(text) >= SYMBOL_BYTES)
        return error_set(error, STATUS_INVALID, "'%.40s' is no symbol, or one too many", text);
    char *kept = input->symbol_texts[quality->symbol_count];
    snprintf(kept, SYMBOL_BYTES, "%s", text);
    input->symbols[quality->symbol_count++] = kept;
    return STATUS_OK;
}

/* take_symbols: those of the command line, else the run's. */
static enum status take_symbols(const struct validate_options *options, yyjson_val *of_run,
                                struct validate_input *input, struct error *error)
{
    enum status status = STATUS_OK;
    size_t index, count;
    yyjson_val *symbol;
    if (options->symbols) {
        char *rest = NULL;
        for (char *text = strtok_r(options->symbols, ",", &rest); text && status == STATUS_OK;
             text = strtok_r(NULL, ",", &rest))
            status = symbol_add(input, text, error);
        return status;
    }
    yyjson_arr_foreach(of_run, index, count, symbol)
    {
        if (status == STATUS_OK)
            status = symbol_add(input, yyjson_is_str(symbol) ? yyjson_get_str(symbol) : "", error);
    }
    return status;
}

/* counter: over all instances of harvest; NaN when one does not tell it. */
static double counter(yyjson_val *status, const char *counter_name)
{
    size_t index, count;
    yyjson_val *process;
    double sum = NAN;
    yyjson_arr_foreach(yyjson_obj_get(status, "processes"), index, count, process)
    {
        const char *name = yyjson_get_str(yyjson_obj_get(process, "name"));
        yyjson_val *value = yyjson_obj_get(yyjson_obj_get(process, "counters"), counter_name);
        if (!name || !plan_instance_number("harvest", name))
            continue;
        if (!yyjson_is_int(value))
            return NAN;
        sum = (isnan(sum) ? 0 : sum) + (double)yyjson_get_sint(value);
    }
    return sum;
}

static void take_counters(struct validate_input *input)
{
    yyjson_doc *document = evidence_json(input->places.status_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (evidence_is_of(&input->places, root)) {
        input->quality.dedup_hits = counter(root, "dedup_hits_total");
        input->quality.received_trades = counter(root, "received_trades");
        input->quality.reconnects = counter(root, "reconnect_count");
    }
    yyjson_doc_free(document);
}

/* take_session: the event time the run covered, and under which configuration its files were written. */
static void take_session(struct validate_input *input)
{
    struct quality_input *quality = &input->quality;
    yyjson_doc *document = evidence_json(input->places.source_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *from = yyjson_obj_get(root, "session_start_event_ms"),
               *to = yyjson_obj_get(root, "session_end_event_ms");
    const char *fingerprint = yyjson_get_str(yyjson_obj_get(root, "config_fingerprint"));
    bool ours = evidence_is_of(&input->places, root);
    if (ours && fingerprint) {
        snprintf(input->fingerprint, sizeof input->fingerprint, "%s", fingerprint);
        quality->fingerprint = input->fingerprint;
    }
    if (ours && !quality->range_known && yyjson_is_int(from) && yyjson_is_int(to)) {
        quality->from_ms = yyjson_get_sint(from);
        quality->to_ms = yyjson_get_sint(to);
        quality->range_known = quality->to_ms >= quality->from_ms;
        quality->range_source = "manifest";
    }
    yyjson_doc_free(document);
}

/* take_run: everything the documents of the run say. */
static enum status take_run(const struct validate_options *options, struct validate_input *input,
                            struct error *error)
{
    yyjson_doc *document = evidence_json(input->places.manifest_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    enum status status = evidence_is_of(&input->places, root)
                             ? take_symbols(options, yyjson_obj_get(root, "symbols"), input, error)
                             : error_set(error, STATUS_NOT_FOUND,
                                         "%s is not there or is another run's: there is no run %s here",
                                         input->places.manifest_path, input->run_id);
    const char *clock = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "conditions"), "event_clock"));
    if (clock) {
        snprintf(input->event_clock, sizeof input->event_clock, "%s", clock);
        input->quality.event_clock = input->event_clock;
    }
    input->quality.sizes_without_tail =
        yyjson_is_false(yyjson_obj_get(yyjson_obj_get(root, "conditions"), "sizes_have_tail"));
    yyjson_doc_free(document);
    if (status == STATUS_OK) {
        take_session(input);
        take_counters(input);
    }
    return status;
}

/* take_folders: the run meant: the one named, or, when neither data nor range are, the newest of the folder. */
static void take_folders(const struct validate_options *options, struct validate_input *input)
{
    const char *artifacts = config_text(input->config, "run.artifacts_dir");
    const char *here = config_text(input->config, "run.run_id");
    bool loose = options->data_root || options->from;
    snprintf(input->run_id, sizeof input->run_id, "%s",
             options->run_id ? options->run_id
             : loose         ? ""
                             : here);
    if (options->data_root)
        snprintf(input->data_root, sizeof input->data_root, "%s", options->data_root);
    else
        path_join(input->data_root, config_text(input->config, "run.data_root"), "ofi_cvd");
    if (options->out_dir)
        snprintf(input->out_dir, sizeof input->out_dir, "%s", options->out_dir);
    else
        path_join(input->out_dir, artifacts, "dq_reports");
    input->places.run_id = input->run_id;
    if (options->pack_dir)
        evidence_places_pack(&input->places, options->pack_dir);
    else
        evidence_places_live(&input->places, artifacts, config_text(input->config, "run.logs_dir"));
}

/* check_data_root: a folder that is not there is a mistyped word, not data that lack everything. */
static enum status check_data_root(const char *path, struct error *error)
{
    struct stat found;
    return !path || (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "--data-root %s: there is no such folder", path);
}

enum status validate_input_read(const struct validate_options *options, struct validate_input *out_input,
                                struct error *error)
{
    *out_input = (struct validate_input){.config = config_create()};
    enum status status = check_data_root(options->data_root, error);
    if (status != STATUS_OK)
        return status;
    status = recorded_config(out_input->config, options->effective_path, error);
    if (status != STATUS_OK)
        return status;
    take_folders(options, out_input);
    out_input->quality = (struct quality_input){.run_id = *out_input->run_id ? out_input->run_id : NULL,
                                                .data_root = out_input->data_root,
                                                .range_source = "data",
                                                .symbols = out_input->symbols,
                                                .levels = (int)config_i64(out_input->config, "ofi.levels"),
                                                .dedup_hits = NAN,
                                                .received_trades = NAN,
                                                .reconnects = NAN};
    status = take_range(options, &out_input->quality, error);
    if (status == STATUS_OK)
        status = out_input->quality.run_id ? take_run(options, out_input, error)
                                           : take_symbols(options, NULL, out_input, error);
    return status;
}

void validate_input_finish(struct validate_input *input)
{
    config_destroy(input->config);
    input->config = NULL;
}
