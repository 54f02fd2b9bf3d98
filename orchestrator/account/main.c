/* account: the loss ledger of a run (docs/ledger.md): reads what every service says it counted, counts what lies in capture
 * and stores itself, and balances both. Run by `orchctl account`, and by the orchestrator behind the last exit. */
#include "base/exits.h"
#include "ledger.h"

#include <errno.h>
#include <orderflow_version.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_DEFAULT_MS = 2000 };

struct arguments {
    const char *effective_path, *run_id, *out_path;
    int64_t timeout_ms;
    bool live, json, help, version;
};

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: account [options]\n\n"
                 "Balances every stream of a run, from the socket to each sink.\n\n"
                 "  --effective FILE   configuration of the folder (default runtime/effective_config.json)\n"
                 "  --run-id ID        a run of this folder (default: the last one)\n"
                 "  --live             it is running: ask its services first\n"
                 "  --timeout-ms MS    patience with each of them (default 2000)\n"
                 "  --out FILE         write JSON there, print nothing\n"
                 "  --json             JSON instead of text\n\n");
    exits_print(out);
    return code;
}

static bool take_value(struct arguments *arguments, const char *name, const char *value)
{
    char *end;
    if (strcmp(name, "--effective") == 0)
        arguments->effective_path = value;
    else if (strcmp(name, "--run-id") == 0)
        arguments->run_id = value;
    else if (strcmp(name, "--out") == 0)
        arguments->out_path = value;
    else if (strcmp(name, "--timeout-ms") == 0) {
        errno = 0;
        arguments->timeout_ms = strtoll(value, &end, 10);
        return end != value && !*end && !errno && arguments->timeout_ms > 0;
    } else
        return false;
    return true;
}

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool *flag = strcmp(word, "--live") == 0      ? &arguments->live
                     : strcmp(word, "--json") == 0    ? &arguments->json
                     : strcmp(word, "--help") == 0    ? &arguments->help
                     : strcmp(word, "--version") == 0 ? &arguments->version
                                                      : NULL;
        if (flag)
            *flag = true;
        else if (i + 1 >= argc || !take_value(arguments, word, argv[++i])) {
            fprintf(stderr, "account: '%s' is not understood\n", word);
            return false;
        }
    }
    return true;
}

/* read_run: stores before services before the capture: while it lives, what is downstream is never ahead. */
static void read_run(struct run_files *run, const struct arguments *arguments)
{
    run->conditions.live = arguments->live;
    read_stores(run);
    read_parquet(run);
    if (arguments->live)
        ask_daemons(run, arguments->timeout_ms);
    else
        read_daemons(run);
    read_capture(run);
}

static int give(const struct ledger *ledger, const struct arguments *arguments)
{
    struct buffer text;
    enum status status = STATUS_OK;
    buffer_init(&text, 0);
    if (arguments->json || arguments->out_path)
        ledger_json(ledger, &text);
    if (arguments->out_path)
        status = file_replace(arguments->out_path, text.data, text.length, false);
    else if (arguments->json)
        fwrite(text.data, 1, text.length, stdout);
    else
        ledger_print(ledger, stdout);
    buffer_finish(&text);
    if (status == STATUS_OK)
        return strcmp(ledger_verdict(ledger), "PASS") == 0 ? EXIT_FINE : EXIT_NOT_EVEN;
    fprintf(stderr, "account: %s cannot be written: %s\n", arguments->out_path, strerror(errno));
    return EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.effective_path = "runtime/effective_config.json",
                                  .timeout_ms = TIMEOUT_DEFAULT_MS};
    struct run_files run;
    struct ledger ledger;
    struct error error;
    int code;
    if (!parse(&arguments, argc, argv))
        return usage(stderr, EXIT_WRONG_USE);
    if (arguments.version) {
        printf("account %s\n", ORDERFLOW_VERSION_LINE);
        return EXIT_FINE;
    }
    if (arguments.help)
        return usage(stdout, EXIT_FINE);
    enum status status = run_files_open(&run, arguments.effective_path, arguments.run_id, &error);
    if (status == STATUS_OK) {
        read_run(&run, &arguments);
        ledger_judge(&ledger, &run);
        code = give(&ledger, &arguments);
        ledger_finish(&ledger);
    } else {
        fprintf(stderr, "account: %s\n", error.text);
        code = exit_of(status);
    }
    run_files_close(&run);
    return code;
}
