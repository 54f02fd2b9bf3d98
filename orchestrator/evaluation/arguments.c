#include "arguments.h"

#include "base/exits.h"

#include <string.h>

int arguments_usage(FILE *out, int code)
{
    fprintf(
        out,
        "usage: evaluation [options]\n\n"
        "Measures the canary's gates minute by minute from the Parquet data sets of a run, and writes the\n"
        "canary report.\n\n"
        "  --effective FILE   configuration of the folder (default runtime/effective_config.json)\n"
        "  --run-id ID        a run of this folder (default: the last one)\n"
        "  --out DIR          where the report goes (default: runtime/canary_report below the artefacts; of "
        "a\n"
        "                     run that is not the last one a folder of its name in that)\n"
        "  --live             go on from where the last evaluation of the run came to, and print nothing\n"
        "  --json             print the final report as JSON\n\n");
    exits_print(out);
    return code;
}

bool arguments_parse(struct validate_options *options, bool *out_live, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0)
            options->help = true;
        else if (strcmp(argv[i], "--version") == 0)
            options->version = true;
        else if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (strcmp(argv[i], "--live") == 0)
            *out_live = true;
        else if (has_value && strcmp(argv[i], "--effective") == 0)
            options->effective_path = argv[++i];
        else if (has_value && strcmp(argv[i], "--run-id") == 0)
            options->run_id = argv[++i];
        else if (has_value && strcmp(argv[i], "--out") == 0)
            options->out_dir = argv[++i];
        else {
            fprintf(stderr, "evaluation: '%s' is not understood\n", argv[i]);
            return false;
        }
    }
    return true;
}
