/* validate: the data quality gate over the Parquet data sets of a run or a range (data.md §4.3), and the ten-minute pre-check
 * (operations.md §16). Run by `orchctl validate`, by `orchctl precheck`, and by the orchestrator at the end of a soak run. */
#include "base/clock.h"
#include "input.h"

#include <errno.h>
#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { EXIT_FINE = 0, EXIT_REFUSED = 1, EXIT_WRONG_USE = 2, EXIT_NOT_GOOD = 3, NAMES_MAX = 1000 };

static int usage(FILE *out, int code)
{
    fprintf(
        out,
        "usage: validate [options]\n\n"
        "Checks the Parquet data sets of a run or of a range of event time and writes a report.\n\n"
        "  --effective FILE   configuration of the folder (default runtime/effective_config.json)\n"
        "  --run-id ID        a run of this folder (default: the last one, unless data or range are named)\n"
        "  --data-root DIR    data sets (default: ofi_cvd below the folder's data root)\n"
        "  --from MS --to MS  range of event time\n"
        "  --symbols A,B      only these\n"
        "  --out DIR          where the report goes (default: dq_reports below the artefacts)\n"
        "  --final            the run is over: the report of its last day\n"
        "  --precheck         the ten-minute pre-check instead\n"
        "  --pack DIR         documents of the run lie in this evidence pack\n"
        "  --print            print the JSON report, write nothing\n"
        "  --json             print JSON instead of a table\n\n"
        "Exit codes: 0 every check passes, 1 cannot be written, 2 wrong use, 3 a check fails or is "
        "unknown\n");
    return code;
}

struct option {
    const char *name;
    const char **value; /* NULL: a switch */
    bool *flag;
};

static bool parse(struct validate_options *options, int argc, char **argv)
{
    const char *symbols = NULL;
    const struct option table[] = {{"--effective", &options->effective_path, NULL},
                                   {"--run-id", &options->run_id, NULL},
                                   {"--data-root", &options->data_root, NULL},
                                   {"--from", &options->from, NULL},
                                   {"--to", &options->to, NULL},
                                   {"--symbols", &symbols, NULL},
                                   {"--out", &options->out_dir, NULL},
                                   {"--pack", &options->pack_dir, NULL},
                                   {"--final", NULL, &options->final},
                                   {"--precheck", NULL, &options->precheck},
                                   {"--print", NULL, &options->print},
                                   {"--json", NULL, &options->json},
                                   {"--help", NULL, &options->help},
                                   {"--version", NULL, &options->version}};
    for (int i = 1; i < argc; i++) {
        const struct option *found = NULL;
        for (size_t j = 0; j < sizeof table / sizeof *table; j++)
            found = strcmp(table[j].name, argv[i]) == 0 ? &table[j] : found;
        if (!found || (found->value && i + 1 >= argc)) {
            fprintf(stderr, "validate: '%s' is not understood\n", argv[i]);
            return false;
        }
        if (found->flag)
            *found->flag = true;
        else
            *found->value = argv[++i];
    }
    options->symbols = symbols ? (char *)(uintptr_t)symbols : NULL; /* of argv, which may be written to */
    return true;
}

/* taken_by_other: there is such a report, and it is not this run's. */
static bool taken_by_other(const char *path, const char *run_id)
{
    yyjson_doc *document = yyjson_read_file(path, 0, NULL, NULL);
    yyjson_val *owner = yyjson_obj_get(yyjson_doc_get_root(document), "run_id");
    bool same = run_id ? yyjson_equals_str(owner, run_id) : yyjson_is_null(owner);
    yyjson_doc_free(document);
    return file_exists(path) && !same;
}

/* name_of: dq_<date>.json of the last report, dq_<date>_<minute>.json of one in between, precheck_<run>.json; a name that
 * another run has taken gets a number. */
static void name_of(const struct validate_options *options, const struct validate_input *input,
                    char out_path[PATH_BYTES])
{
    struct clock clock = clock_system();
    const struct quality_input *quality = &input->quality;
    char stamp[TIME_TEXT_BYTES];
    time_stamp(quality->range_known ? quality->to_ms : clock_wall_ms(&clock),
               options->final ? "%Y%m%d" : "%Y%m%d_%H%M", stamp);
    if (options->precheck)
        path_join(out_path, input->out_dir, "precheck_%s.json", input->run_id);
    else
        path_join(out_path, input->out_dir, "dq_%s.json", stamp);
    for (int number = 2; taken_by_other(out_path, quality->run_id) && number < NAMES_MAX; number++)
        path_join(out_path, input->out_dir, "dq_%s_%d.json", stamp, number);
}

static int give(const struct validate_options *options, const struct validate_input *input,
                const struct quality *quality)
{
    struct buffer text;
    char path[PATH_BYTES] = "";
    enum status status = STATUS_OK;
    buffer_init(&text, 0);
    quality_json(quality, options->precheck ? "precheck" : "validate", options->final, &text);
    if (options->print || options->json)
        fwrite(text.data, 1, text.length, stdout);
    else
        quality_print(quality);
    if (!options->print) {
        name_of(options, input, path);
        status = folder_make_for(path);
        status = status == STATUS_OK ? file_replace(path, text.data, text.length, false) : status;
    }
    buffer_finish(&text);
    if (status != STATUS_OK) {
        fprintf(stderr, "validate: %s cannot be written: %s\n", path, strerror(errno));
        return EXIT_REFUSED;
    }
    const char *overall = quality_overall(quality);
    if (!options->print && !options->json)
        printf("%s: %s\n", overall, path);
    return strcmp(overall, "PASS") == 0 ? EXIT_FINE : EXIT_NOT_GOOD;
}

static int validate(const struct validate_options *options, const struct validate_input *input)
{
    static struct quality quality;
    struct error error = {{0}};
    if (quality_open(&input->quality, &quality, &error) != STATUS_OK) {
        fprintf(stderr, "validate: %s\n", error.text);
        quality_close(&quality);
        return EXIT_REFUSED;
    }
    if (options->precheck)
        quality_judge_precheck(&quality);
    else
        quality_judge(&quality);
    int code = give(options, input, &quality);
    quality_close(&quality);
    return code;
}

int main(int argc, char **argv)
{
    static struct validate_input input;
    struct validate_options options = {.effective_path = "runtime/effective_config.json"};
    struct error error = {{0}};
    if (!parse(&options, argc, argv))
        return usage(stderr, EXIT_WRONG_USE);
    if (options.help)
        return usage(stdout, EXIT_FINE);
    if (options.version) {
        printf("validate %s\n", ORDERFLOW_VERSION_LINE);
        return EXIT_FINE;
    }
    int code = EXIT_NOT_GOOD;
    enum status status = validate_input_read(&options, &input, &error);
    if (status == STATUS_OK)
        code = validate(&options, &input);
    else
        fprintf(stderr, "validate: %s\n", error.text);
    validate_input_finish(&input);
    return status == STATUS_INVALID ? EXIT_WRONG_USE : code;
}
