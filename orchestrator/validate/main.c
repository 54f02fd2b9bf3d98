/* validate: the data quality gate over the Parquet data sets of a run or a range (data.md §4.3), and the ten-minute pre-check
 * (operations.md §16). Run by `orchctl validate`, by `orchctl precheck`, and by the orchestrator at the end of a soak run. */
#include "give.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        "  --json             print JSON instead of a table\n\n");
    exits_print(out);
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
    int code = give_report(options, input, &quality);
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
    enum status status = validate_input_read(&options, &input, &error);
    int code = exit_of(status);
    if (status == STATUS_OK)
        code = validate(&options, &input);
    else
        fprintf(stderr, "validate: %s\n", error.text);
    validate_input_finish(&input);
    return code;
}
