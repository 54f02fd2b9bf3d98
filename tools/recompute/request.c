#include "request.h"

#include <errno.h>
#include <orderflow_version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(FILE *out, int code)
{
    fprintf(
        out,
        "usage: recompute --run RUN [options] (--all | SYMBOL TS_MS)\n\n"
        "Recomputes the signals of a run from its raw capture and compares them, bit for bit, with what is\n"
        "stored. With SYMBOL TS_MS it tells the chain behind that one signal.\n\n"
        "  --run RUN        the run whose sinks are compared\n"
        "  --raw FOLDER     where its capture lies (default: data/raw); once for each instance of harvest\n"
        "  --capture FILE   this capture instead (repeat for several files)\n"
        "  --manifest FILE  the run manifest (default: artifacts/run_logs/run_manifest_RUN.json)\n"
        "  --all            every signal and order of the run\n"
        "  --part           with --all: the capture has only some of the run's symbols\n"
        "  --json           JSON instead of text\n"
        "  --help, --version\n\n");
    exits_print(out);
    return code;
}

int complain(int code, const char *format, ...)
{
    va_list arguments;
    fputs("recompute: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

int code_of(enum status status)
{
    return status == STATUS_NOT_FOUND || status == STATUS_INVALID ? EXIT_UNKNOWN : EXIT_DIFFERENT;
}

struct parsing {
    struct request request;
    const char *time_text;
};

static bool take_value(struct parsing *parsing, const char *name, const char *value)
{
    struct request *request = &parsing->request;
    if (strcmp(name, "--run") == 0)
        request->run_id = value;
    else if (strcmp(name, "--raw") == 0 && request->raw_folder_count < CAPTURE_CHAIN_MAX)
        request->raw_folders[request->raw_folder_count++] = value;
    else if (strcmp(name, "--manifest") == 0)
        request->manifest_path = value;
    else if (strcmp(name, "--capture") == 0 && request->file_count < REQUEST_FILES_MAX)
        request->files[request->file_count++] = value;
    else
        return false;
    return true;
}

static bool take_switch(struct request *request, const char *name)
{
    if (strcmp(name, "--all") == 0)
        request->all = true;
    else if (strcmp(name, "--part") == 0)
        request->part = true;
    else if (strcmp(name, "--json") == 0)
        request->json = true;
    else
        return false;
    return true;
}

static bool take_word(struct parsing *parsing, const char *word)
{
    if (parsing->time_text)
        return false;
    if (parsing->request.symbol)
        parsing->time_text = word;
    else
        parsing->request.symbol = word;
    return true;
}

static int parse(struct parsing *parsing, int argc, char **argv)
{
    struct request *request = &parsing->request;
    for (int i = 1; i < argc; i++) {
        bool is_option = strncmp(argv[i], "--", 2) == 0;
        bool taken = is_option ? take_switch(request, argv[i]) : take_word(parsing, argv[i]);
        if (!taken && is_option && i + 1 < argc)
            taken = take_value(parsing, argv[i], argv[i + 1]) && ++i;
        if (!taken)
            return complain(EXIT_WRONG_USE, "%s: not understood, or its value is missing; see --help",
                            argv[i]);
    }
    if (!request->run_id || request->all == (parsing->time_text != NULL))
        return usage(stderr, EXIT_WRONG_USE);
    if (request->all)
        return EXIT_SAME;
    char *end;
    errno = 0;
    request->ts_ms = strtoll(parsing->time_text, &end, 10);
    if (errno || *end || end == parsing->time_text || request->ts_ms <= 0)
        return complain(EXIT_WRONG_USE, "%s: must be a time in ms since 1970", parsing->time_text);
    return EXIT_SAME;
}

bool request_take(struct request *request, const char *program, int argc, char **argv, int *out_code)
{
    struct parsing parsing = {.request.raw_folder_count = 0};
    *out_code = EXIT_SAME;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program, ORDERFLOW_VERSION_LINE);
        return false;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        *out_code = usage(stdout, EXIT_SAME);
        return false;
    }
    *out_code = parse(&parsing, argc, argv);
    *request = parsing.request;
    if (!request->raw_folder_count)
        request->raw_folders[request->raw_folder_count++] = "data/raw";
    if (!request->manifest_path && request->run_id)
        snprintf(request->manifest_default, sizeof request->manifest_default,
                 "artifacts/run_logs/run_manifest_%.200s.json", request->run_id);
    return *out_code == EXIT_SAME;
}

const char *request_manifest(const struct request *request)
{
    return request->manifest_path ? request->manifest_path : request->manifest_default;
}
