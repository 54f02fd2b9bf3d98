/* account: the program of that name does the work, since it loads DuckDB and reads every file of a run; here is decided whether
 * the run still lives. */
#include "base/file.h"
#include "place.h"
#include "program.h"
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 8 };

/* is_running: the run meant is the one that an orchestrator of this folder leads. */
static bool is_running(const struct config *config, const char *run_id)
{
    return place_orchestrator_lives() && (!run_id || strcmp(run_id, config_text(config, "run.run_id")) == 0);
}

int verb_account(const struct invocation *invocation)
{
    char program[PATH_BYTES], timeout[24];
    const char *run_id = invocation_value(invocation, "--run-id");
    const char *words[WORDS_MAX + 1] = {program};
    size_t count = 1;
    struct config *config;
    struct error error;
    if (place_config(&config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    if (!*config_text(config, "run.run_id")) {
        config_destroy(config);
        return complain(EXIT_NOT_EVEN, "no run has been started in this folder");
    }
    if (run_id) {
        words[count++] = "--run-id";
        words[count++] = run_id;
    }
    if (is_running(config, run_id)) {
        snprintf(timeout, sizeof timeout, "%lld", (long long)invocation->timeout_ms);
        words[count++] = "--live";
        words[count++] = "--timeout-ms";
        words[count++] = timeout;
    }
    if (invocation->json)
        words[count++] = "--json";
    config_destroy(config);
    program_path("account", program);
    execv(program, (char *const *)words);
    return complain(EXIT_REFUSED, "%s cannot be run: %s", program, strerror(errno));
}
