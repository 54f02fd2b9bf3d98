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

enum { WORDS_MAX = 12 };

int verb_account(const struct invocation *invocation)
{
    char program[PATH_BYTES], timeout[24], run_id[RUN_ID_BYTES], effective[PATH_BYTES];
    const char *words[WORDS_MAX + 1] = {program};
    size_t count = 1;
    struct config *config;
    struct error error;
    enum status status = place_run(invocation_value(invocation, "--run-id"), run_id, &config, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    words[count++] = "--run-id";
    words[count++] = run_id;
    if (place_run_goes_on(config, run_id)) {
        snprintf(timeout, sizeof timeout, "%lld", (long long)invocation->timeout_ms);
        words[count++] = "--live";
        words[count++] = "--timeout-ms";
        words[count++] = timeout;
    }
    if (place_concluding(config_text(config, "run.state_dir"), run_id))
        place_say_concluding(run_id);
    if (place_left_effective(config, run_id, effective)) {
        words[count++] = "--effective";
        words[count++] = effective;
    }
    if (invocation->json)
        words[count++] = "--json";
    config_destroy(config);
    program_path("account", program);
    execv(program, (char *const *)words);
    return complain(EXIT_REFUSED, "%s cannot be run: %s", program, strerror(errno));
}
