/* evaluation: the canary's figures, gates and final report of a run, from its Parquet data sets (operations.md §14, data.md §7). Run by
 * `orchctl canary report`, which measures the whole run, and by the orchestrator every minute (--live), which goes on from the minute
 * it has come to. Both give the same files of the same rows. */
#include "arguments.h"
#include "canary_report.h"
#include "config/recorded.h"
#include "orchestrator/canary/proof.h"
#include "orchestrator/validate/give.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

/* run_facts: which configuration the run had, and what it was called. */
static enum status run_facts(const struct validate_input *input, struct canary_report *report, char *out_tag,
                             size_t bytes, struct config **out_config, struct error *error)
{
    yyjson_doc *document = yyjson_read_file(input->places.manifest_path, 0, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *fingerprint = yyjson_get_str(yyjson_obj_get(root, "config_fingerprint"));
    const char *tag = yyjson_get_str(yyjson_obj_get(root, "run_tag"));
    enum status status = STATUS_OK;
    snprintf(out_tag, bytes, "%s", tag ? tag : "");
    config_fingerprint(input->config, report->fingerprint);
    if (fingerprint && *fingerprint && strcmp(fingerprint, report->fingerprint) != 0 &&
        strcmp(config_text(input->config, "run.run_id"), input->run_id) != 0) {
        status = fingerprints_config_load(config_text(input->config, "run.state_dir"), fingerprint,
                                          out_config, error);
        if (status == STATUS_OK)
            snprintf(report->fingerprint, sizeof report->fingerprint, "%s", fingerprint);
    }
    yyjson_doc_free(document);
    return status;
}

static int print_final(const struct canary_report *report, bool as_json)
{
    struct buffer text;
    char path[PATH_BYTES];
    path_join(path, report->folder, as_json ? "T+0_final_report.json" : "T+0_final_report.md");
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK)
        fwrite(text.data, 1, text.length, stdout);
    buffer_finish(&text);
    return status == STATUS_OK ? EXIT_FINE : EXIT_REFUSED;
}

static int evaluate(const struct validate_options *options, bool live, struct validate_input *input,
                    struct canary_report *report)
{
    struct error error = {{0}};
    enum canary_verdict verdict;
    if (canary_report_make(&input->quality, live, report, &verdict, &error) != STATUS_OK) {
        fprintf(stderr, "evaluation: %s\n", error.text);
        return EXIT_REFUSED;
    }
    int code = live ? EXIT_FINE : print_final(report, options->json);
    return code == EXIT_FINE && verdict != CANARY_PASS ? EXIT_NOT_EVEN : code;
}

int main(int argc, char **argv)
{
    static struct validate_input input;
    static struct canary_report report;
    struct validate_options options = {.effective_path = "runtime/effective_config.json"};
    struct config *of_run = NULL;
    struct error error = {{0}};
    char folder[PATH_BYTES], tag[256];
    bool live = false;
    if (!arguments_parse(&options, &live, argc, argv))
        return arguments_usage(stderr, EXIT_WRONG_USE);
    if (options.help)
        return arguments_usage(stdout, EXIT_FINE);
    if (options.version)
        return printf("evaluation %s\n", ORDERFLOW_VERSION_LINE) < 0;
    enum status status = validate_input_read(&options, &input, &error);
    if (status == STATUS_OK && !*input.run_id)
        status = recorded_none(&error);
    if (status == STATUS_OK)
        status = run_facts(&input, &report, tag, sizeof tag, &of_run, &error);
    int code = exit_of(status);
    if (status == STATUS_OK) {
        proof_report_folder(config_text(input.config, "run.artifacts_dir"), input.run_id,
                            config_text(input.config, "run.run_id"), folder);
        report.config = of_run ? of_run : input.config;
        report.run_id = input.run_id;
        report.run_tag = tag;
        report.artifacts_dir = config_text(input.config, "run.artifacts_dir");
        report.folder = options.out_dir ? options.out_dir : folder;
        canary_report_begin(&report);
        code = evaluate(&options, live, &input, &report);
        canary_report_finish(&report);
    } else {
        fprintf(stderr, "evaluation: %s\n", error.text);
    }
    config_destroy(of_run);
    validate_input_finish(&input);
    return code;
}
