#include "give.h"

#include "base/clock.h"
#include "samples.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { NAMES_MAX = 1000 };

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

int give_report(const struct validate_options *options, const struct validate_input *input,
                const struct quality *quality)
{
    struct buffer text;
    char path[PATH_BYTES] = "";
    enum status status = STATUS_OK;
    struct error error = {{0}};
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
    if (status != STATUS_OK)
        error_set(&error, status, "%s cannot be written: %s", path, strerror(errno));
    else if (options->final && !options->print && input->quality.range_known && *input->fingerprint)
        status = samples_write(input, quality, &text, &error);
    buffer_finish(&text);
    if (status != STATUS_OK) {
        fprintf(stderr, "validate: %s\n", error.text);
        return EXIT_REFUSED;
    }
    const char *overall = quality_overall(quality);
    if (!options->print && !options->json)
        printf("%s: %s\n", overall, path);
    return strcmp(overall, "PASS") == 0 ? EXIT_FINE : EXIT_NOT_EVEN;
}
