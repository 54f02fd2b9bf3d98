// links: orchctl orchestrator canary export net bus injury store journal config proto base yyjson
/* Files of faults and expectations, played as `orchctl fault run` plays them, on an orchestrator that is this file: it answers what it is asked a
 * hundred times, and then no more. */
#include "fuzz.h"

#include "base/memory.h"
#include "orchestrator/orchctl/fault_scenario.h"
#include "orchestrator/orchctl/verb.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { ANSWERS_MAX = 100 };

struct client {
    int answers;
    char sentence[512]; /* complained of last */
};

static struct client only_client;

static const char *result_of(const char *verb)
{
    static const char *const STEADY[] = {"{\"steady\":false,\"reason\":\"archive is paused\"}",
                                         "{\"steady\":true}"};
    static const char *const FAULTS[] = {
        "{\"faults\":[]}",
        "{\"faults\":[{\"id\":1,\"kind\":\"drop\",\"process\":\"features\",\"end\":\"lasts\",\"touched\":0}]"
        "}",
        "{\"faults\":[{\"id\":1,\"kind\":\"drop\",\"process\":\"features\",\"end\":\"expired\",\"touched\":7,"
        "\"touched_what\":\"frames\","
        "\"healthy_at\":\"now\",\"recovery_ms\":12.5,\"restart_count_before\":0,\"restart_count_after\":1,"
        "\"verdict\":\"PASS\"}]}",
        "{\"faults\":[{\"id\":1,\"end\":\"refused\",\"reason\":\"no\",\"verdict\":\"FAIL\"}]}"};
    static const char STATUS[] =
        "{\"processes\":[{\"name\":\"signal\",\"state\":\"running\",\"health\":\"healthy\",\"restart_count\":"
        "1,"
        "\"counters\":{\"stage_rows_lost\":0}},{\"name\":\"features\",\"state\":\"running\"}],"
        "\"orchestrator\":{\"state\":\"running\"}}";
    if (strcmp(verb, "steady") == 0)
        return STEADY[only_client.answers % 2];
    if (strcmp(verb, "fault_list") == 0)
        return FAULTS[only_client.answers % 4];
    return strcmp(verb, "status") == 0 ? STATUS : "{\"fault\":1}";
}

enum status client_ask(struct client *client, const char *verb, const char *args_json, yyjson_doc **out_reply,
                       struct error *error)
{
    struct buffer text;
    yyjson_doc *arguments = yyjson_read(args_json, strlen(args_json), 0);
    fuzz_require(yyjson_is_obj(yyjson_doc_get_root(arguments)));
    yyjson_doc_free(arguments);
    if (client->answers++ == ANSWERS_MAX)
        return error_set(error, STATUS_CLOSED, "no orchestrator is running");
    buffer_init(&text, 0);
    buffer_format(&text, "{\"result\":%s}", result_of(verb));
    *out_reply = yyjson_read(buffer_text(&text), text.length, 0);
    fuzz_require(*out_reply);
    buffer_finish(&text);
    return STATUS_OK;
}

void client_wait(struct client *client, int wait_ms)
{
    (void)client, (void)wait_ms;
}

const char *member_text(yyjson_val *object, const char *member)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, member));
    return text ? text : "-";
}

int complain(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(only_client.sentence, sizeof only_client.sentence, format, arguments);
    va_end(arguments);
    return code;
}

/* play: what it prints goes nowhere. */
static int play(const char *path)
{
    fflush(stdout);
    int before = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fuzz_require(before >= 0 && nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0);
    int code = scenario_run(&only_client, path, false);
    fflush(stdout);
    fuzz_require(dup2(before, STDOUT_FILENO) >= 0);
    close(before);
    close(nowhere);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[PATH_BYTES];
    path_join(path, fuzz_folder(), "scenario.yaml");
    fuzz_require(file_replace(path, data, bytes, false) == STATUS_OK);
    only_client = (struct client){0};
    int code = play(path);
    fuzz_require(code == EXIT_FINE || code == EXIT_WRONG_USE || code == EXIT_NOT_EVEN ||
                 code == EXIT_REFUSED);
    fuzz_require(code != EXIT_WRONG_USE || *only_client.sentence); /* where, and what */
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    static const char *const TEXTS[] = {
        "name: a lossy link\nabout: x\nsteps:\n  - fault: drop features\n    for: 2s\n    link: harvest\n    "
        "share: 0.5\n    count: 3\n"
        "    seed: 7\n    expect: \"recovered within 12s, lost: 0, doubled: 0, touched: 1, verdict: PASS\"\n"
        "  - wait: \"signal healthy within 5s\"\n  - wait: steady within 500ms\n  - clear: all\n"
        "  - expect: \"caught_up within 12s, restarts: 1\"\n",
        "name: x\nsteps:\n  - fault: hang signal\n    for: 1m\n    background: yes\n    force: yes\n    "
        "amount: 200\n"
        "  - wait: fault touched within 1s\n  - wait: fault touched 5 within 1s\n  - wait: fault over within "
        "1s\n  - wait: \"orchestrator "
        "degraded within 1ms\"\n  - clear: 1\n",
        "name: x\nsteps:\n  - fault: kill orchestrator\n    signal: TERM\n    expect: \"refused: yes\"\n",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        take(TEXTS[i], strlen(TEXTS[i]));
}
