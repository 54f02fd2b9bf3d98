/* manifest: a file of the run, also after it. */
#include "base/file.h"
#include "place.h"
#include "verb.h"

#include <stdio.h>
#include <string.h>

static int print_file(const char *path)
{
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK)
        fwrite(text.data, 1, text.length, stdout);
    buffer_finish(&text);
    return status == STATUS_OK ? EXIT_FINE
                               : complain(EXIT_REFUSED, "%s cannot be read (%s)", path, status_name(status));
}

int verb_manifest(const struct invocation *invocation)
{
    (void)invocation;
    struct config *config;
    struct error error;
    char path[PATH_BYTES];
    if (place_config(&config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    path_join(path, config_text(config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json",
              config_text(config, "run.run_id"));
    bool run_known = *config_text(config, "run.run_id");
    config_destroy(config);
    return run_known ? print_file(path) : complain(EXIT_REFUSED, "no run has been started in this folder");
}
