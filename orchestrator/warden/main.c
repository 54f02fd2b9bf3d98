/* warden NAME: the first process of the container of the instance NAME. See warden.h and docs/operations.md. */
#include "warden.h"

#include "base/file.h"
#include "base/log.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_PATH_DEFAULT "/tmp/warden.state"

struct given {
    const char *name, *config_path, *state_path;
    bool check, stays, stays_killed;
};

static void print_help(void)
{
    puts("usage: warden [--config FILE] [--state FILE] [--stay|--again] NAME\n"
         "       warden [--config FILE] [--state FILE] --check\n\n"
         "The first process of a daemon's container: waits for the orchestrator's order, runs the daemon, "
         "ends with it.\n\n"
         "  --config FILE  where the bus is (default ./config/defaults.yaml, when there is one)\n"
         "  --stay         outlive the daemon and wait for the next order (a stack on many hosts)\n"
         "  --again        outlive a daemon that a signal ended; one that ends by itself ends the container\n"
         "  --check        healthcheck: 0 when it waits for an order, or its daemon is up\n"
         "  --state FILE   what --check reads (default " STATE_PATH_DEFAULT ")\n\n"
         "exit codes: the daemon's, 128 and the signal's number when one ended it, 2 configuration or usage");
}

static int wrong(const char *text, const char *why)
{
    fprintf(stderr, "warden: %s: %s; see --help\n", text, why);
    return WARDEN_EXIT_USAGE;
}

/* take: 0, or the exit code; -1: done. */
static int take(int argc, char **argv, struct given *given)
{
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--config") == 0  ? &given->config_path
                             : strcmp(argv[i], "--state") == 0 ? &given->state_path
                                                               : NULL;
        if (value && i + 1 >= argc)
            return wrong(argv[i], "needs a file");
        if (value)
            *value = argv[++i];
        else if (strcmp(argv[i], "--help") == 0)
            return print_help(), -1;
        else if (strcmp(argv[i], "--version") == 0)
            return puts("warden " ORDERFLOW_VERSION_LINE), -1;
        else if (strcmp(argv[i], "--check") == 0)
            given->check = true;
        else if (strcmp(argv[i], "--stay") == 0)
            given->stays = true;
        else if (strcmp(argv[i], "--again") == 0)
            given->stays_killed = true;
        else if (argv[i][0] == '-')
            return wrong(argv[i], "unknown option");
        else if (given->name)
            return wrong(argv[i], "one name is enough");
        else
            given->name = argv[i];
    }
    if (given->check)
        return 0;
    if (!given->name || strlen(given->name) >= INSTANCE_BYTES || strchr(given->name, '/'))
        return wrong("NAME", "the name of an instance is needed, as signal");
    return 0;
}

static int load(const struct given *given, struct config *config)
{
    struct config_errors errors;
    struct buffer text;
    config_errors_init(&errors);
    enum status status =
        given->config_path ? config_load_file(config, given->config_path, &errors) : STATUS_OK;
    if (status != STATUS_OK && !errors.count)
        config_errors_add(&errors, given->config_path, "", "cannot be read (%s)", status_name(status));
    buffer_init(&text, 0);
    config_errors_print(&errors, &text);
    fputs(buffer_text(&text), stderr);
    buffer_finish(&text);
    int code = errors.count ? WARDEN_EXIT_USAGE : 0;
    config_errors_finish(&errors);
    return code;
}

static int keep(struct config *config, const struct given *given)
{
    static struct warden warden;
    struct error error = {{0}};
    warden.stays = given->stays;
    warden.stays_killed = given->stays_killed;
    warden.state_path = given->state_path;
    log_configure("warden", "-", LOG_INFO);
    enum status status = warden_open(&warden, config, given->name, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "warden: %s\n", error.text);
        return status == STATUS_INVALID ? WARDEN_EXIT_USAGE : WARDEN_EXIT_TEMPORARY;
    }
    log_event(LOG_INFO, "waiting", "name=%s container=%s", given->name, warden.report.container);
    while (!warden_is_done(&warden))
        warden_turn(&warden);
    warden_close(&warden);
    return warden.exit_code;
}

int main(int argc, char **argv)
{
    struct given given = {.state_path = STATE_PATH_DEFAULT};
    int code = take(argc, argv, &given);
    if (code)
        return code < 0 ? 0 : code;
    struct config *config = config_create();
    code = load(&given, config);
    if (!code && given.check) {
        char path[PATH_BYTES];
        path_join(path, config_text(config, "run.output_dir"), "status");
        code = warden_check(given.state_path, path);
    } else if (!code) {
        code = keep(config, &given);
    }
    config_destroy(config);
    return code;
}
