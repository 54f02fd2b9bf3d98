/* report_again: the comparison of the sinks and the summaries of a run, made once more from the files that report made them
 * from. Run by `orchctl parity`, `orchctl report` and `orchctl evidence verify`. */
#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "config/recorded.h"
#include "services/report/parity.h"
#include "services/report/report_store.h"
#include "services/report/reporter.h"
#include "services/report/sink_reader.h"
#include "services/report/summary_given.h"
#include "store/database.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct arguments {
    const char *what; /* parity, summary, given */
    const char *effective_path, *run_id, *output_dir, *given_path, *called;
    bool print, quiet, unlisted;
};

static int usage(FILE *out, int code)
{
    fprintf(out,
            "usage: report_again parity|summary|given [options]\n\n"
            "  --effective FILE   configuration of the folder (default runtime/effective_config.json)\n"
            "  --run-id ID        a run of this folder (default: the last one); summary, given: only that\n"
            "  --output-dir DIR   parity: where the sinks are (default: the folder's output folder)\n"
            "  --given FILE       summary, given: what the orchestrator knows (default "
            "runtime/summary_given.json)\n"
            "  --unlisted         summary: leave runtime/report.json as it is: another run has begun\n"
            "  --print            parity: print the JSON, write nothing\n"
            "  --called NAME      who asks, as complaints name it (default report_again)\n"
            "  --quiet            summary: do not say where it is\n\n");
    exits_print(out);
    return code;
}

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    if (argc < 2 ||
        (strcmp(argv[1], "parity") != 0 && strcmp(argv[1], "summary") != 0 && strcmp(argv[1], "given") != 0))
        return false;
    arguments->what = argv[1];
    for (int i = 2; i < argc; i++) {
        const char **value = strcmp(argv[i], "--effective") == 0    ? &arguments->effective_path
                             : strcmp(argv[i], "--run-id") == 0     ? &arguments->run_id
                             : strcmp(argv[i], "--output-dir") == 0 ? &arguments->output_dir
                             : strcmp(argv[i], "--given") == 0      ? &arguments->given_path
                             : strcmp(argv[i], "--called") == 0     ? &arguments->called
                                                                    : NULL;
        if (strcmp(argv[i], "--print") == 0)
            arguments->print = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            arguments->quiet = true;
        else if (strcmp(argv[i], "--unlisted") == 0)
            arguments->unlisted = true;
        else if (!value || i + 1 >= argc)
            return false;
        else
            *value = argv[++i];
    }
    return true;
}

static int complain(const struct arguments *arguments, const struct error *error)
{
    fprintf(stderr, "%s: %s\n", arguments->called, error->text);
    return EXIT_REFUSED;
}

static struct config *load(const struct arguments *arguments)
{
    const char *path = arguments->effective_path;
    struct config *config = config_create();
    struct error error;
    enum status status = file_exists(path) ? recorded_config(config, path, &error) : recorded_none(&error);
    if (status != STATUS_OK) {
        complain(arguments, &error);
        config_destroy(config);
        config = NULL;
    }
    return config;
}

/* --- parity --- */

static void parity_print(const struct parity *parity, bool as_json)
{
    struct buffer text;
    struct json json;
    if (!as_json) {
        printf("JSONL rows %lld, SQLite rows %lld; only JSONL %lld, only SQLite %lld, different %lld, "
               "repeated %lld, bad "
               "%lld: %s\n",
               (long long)parity->jsonl.total, (long long)parity->sqlite.total, (long long)parity->only_jsonl,
               (long long)parity->only_sqlite, (long long)parity->content_mismatch,
               (long long)parity->duplicates_jsonl, (long long)parity->bad_jsonl + parity->bad_sqlite,
               VERDICT_NAMES[parity->verdict]);
        return;
    }
    buffer_init(&text, 0);
    json_init(&json, &text);
    parity_json(parity, &json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int make_parity(const struct arguments *arguments, const struct config *config)
{
    struct parity parity;
    struct error error = {{0}};
    const char *run_id = arguments->run_id ? arguments->run_id : config_text(config, "run.run_id");
    const char *output =
        arguments->output_dir ? arguments->output_dir : config_text(config, "run.output_dir");
    bool sync = strcmp(config_text(config, "journal.durability"), "power") == 0;
    enum status status = parity_compare(output, run_id, &parity, &error);
    if (status == STATUS_OK && !arguments->print)
        status = parity_write(&parity, config_text(config, "run.artifacts_dir"), sync, &error);
    if (status != STATUS_OK)
        return complain(arguments, &error);
    parity_print(&parity, arguments->print);
    int code = parity.verdict == VERDICT_PASS ? EXIT_FINE : EXIT_NOT_EVEN;
    parity_finish(&parity);
    return code;
}

/* --- summary --- */

/* meta_read: a text report.db keeps of its run; STATUS_NOT_FOUND when it has none. */
static enum status meta_read(struct database *database, const char *key, char *out_value, size_t size,
                             struct error *error)
{
    struct statement *statement;
    enum status status =
        statement_prepare(database, "SELECT value FROM meta WHERE key = ?1", &statement, error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(statement, 1, key);
    status = statement_step(statement, error);
    const char *value = status == STATUS_OK ? statement_text(statement, 0) : NULL;
    if (value)
        snprintf(out_value, size, "%s", value);
    statement_finish(statement);
    return value ? STATUS_OK : error_set(error, STATUS_NOT_FOUND, "report.db does not say %s", key);
}

/* names_read: how the summaries of this run are called, as report.db has it. */
static enum status names_read(const char *store_path, const char *run_id, struct summary_names *names,
                              struct error *error)
{
    struct database *database = NULL;
    char owner[128] = "", started[32] = "", number[32] = "";
    if (!file_exists(store_path))
        return error_set(
            error, STATUS_NOT_FOUND,
            "run %s has no day report: report was not part of it (--enable), or ended before it had "
            "counted anything, or %s has been removed; `orchctl manifest` shows what ran",
            run_id, store_path);
    enum status status = database_open(store_path, DATABASE_READ, &database, error);
    if (status == STATUS_OK)
        status = meta_read(database, "run_id", owner, sizeof owner, error);
    if (status == STATUS_OK && strcmp(owner, run_id) != 0)
        status = error_set(
            error, STATUS_CONFLICT,
            "run %s has no day report: %s is of run %s; report was not part of run %s (--enable), or "
            "a later run has begun since",
            run_id, store_path, owner, run_id);
    if (status == STATUS_OK)
        status = meta_read(database, "started_ms", started, sizeof started, error);
    if (status == STATUS_OK)
        status = meta_read(database, "summary_number", number, sizeof number, error);
    database_close(database);
    names->started_ms = strtoll(started, NULL, 10);
    names->number = strtoll(number, NULL, 10);
    return status;
}

/* take_given: what the orchestrator gave. STATUS_NOT_FOUND: nothing. */
static enum status take_given(const struct arguments *arguments, struct given *given, struct error *error)
{
    const char *path = arguments->given_path;
    struct buffer text;
    struct json json;
    if (!file_exists(path))
        return error_set(error, STATUS_NOT_FOUND, "%s: is not there; the summaries stay as they are", path);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "file", path);
    json_object_end(&json);
    enum status status = given_take(given, buffer_text(&text), error);
    buffer_finish(&text);
    return status;
}

static int write_summaries(const struct reporter_config *reporter_config, const struct arguments *arguments)
{
    struct reporter *reporter = reporter_create(reporter_config);
    struct clock clock = clock_system();
    struct given given;
    struct error error = {{0}};
    char path[PATH_BYTES];
    given_init(&given);
    enum status status = take_given(arguments, &given, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        complain(arguments, &error);
    struct reporter_job job = {.now_ms = clock_wall_ms(&clock), .final = true, .given = &given};
    status = reporter_write(reporter, &job, &error);
    reporter_destroy(reporter);
    given_finish(&given);
    if (status != STATUS_OK)
        return complain(arguments, &error);
    summary_file_path(&reporter_config->names,
                      strcmp(reporter_config->sink, "dual") == 0 ? "sqlite" : reporter_config->sink, "md",
                      path);
    if (!arguments->quiet)
        puts(path);
    return EXIT_FINE;
}

/* counts_read: what report had heard of every daemon, and in its place what the orchestrator knows of it. */
static enum status counts_read(const struct reporter_config *config, const struct given *given,
                               struct summary_counts *out_counts, struct error *error)
{
    struct figures figures;
    figures_init(&figures);
    enum status status = report_store_figures(config->store_path, &figures, error);
    given_counts(given, &figures);
    summary_counts_compute(&figures, out_counts);
    figures_finish(&figures);
    return status;
}

/* replace_side: of a run whose report was ended before it wrote any summary there is none. */
static enum status replace_side(const struct reporter_config *config, const char *sink,
                                const struct summary_counts *counts, const struct given *given,
                                struct error *error)
{
    char json_path[PATH_BYTES], markdown_path[PATH_BYTES];
    summary_file_path(&config->names, sink, "json", json_path);
    summary_file_path(&config->names, sink, "md", markdown_path);
    if (!file_exists(markdown_path))
        return STATUS_OK;
    return summary_given_replace(json_path, markdown_path, counts, given, config->sync, error);
}

/* replace_given: the parts of the summaries that only the end of the run decides. Where it is not known what was given they stay: nothing
 * given would read as if there had been neither gates nor alerts nor faults. */
static int replace_given(const struct reporter_config *config, const struct arguments *arguments)
{
    struct given given;
    struct summary_counts counts;
    struct error error = {{0}};
    given_init(&given);
    bool known = take_given(arguments, &given, &error) == STATUS_OK &&
                 counts_read(config, &given, &counts, &error) == STATUS_OK;
    int code = known ? EXIT_FINE : complain(arguments, &error);
    for (size_t i = 0; known && SINK_KIND_NAMES[i]; i++) {
        bool has = strcmp(config->sink, "dual") == 0 || strcmp(config->sink, SINK_KIND_NAMES[i]) == 0;
        if (has && replace_side(config, SINK_KIND_NAMES[i], &counts, &given, &error) != STATUS_OK)
            code = complain(arguments, &error);
    }
    given_finish(&given);
    return code;
}

static int make_summaries(const struct arguments *arguments, const struct config *config)
{
    char store_path[PATH_BYTES];
    struct error error = {{0}};
    path_join(store_path, config_text(config, "run.state_dir"), "report.db");
    struct reporter_config reporter = reporter_config_read(
        config, arguments->run_id ? arguments->run_id : config_text(config, "run.run_id"), store_path);
    reporter.unlisted = arguments->unlisted;
    if (names_read(store_path, reporter.run_id, &reporter.names, &error) != STATUS_OK)
        return complain(arguments, &error);
    setenv("TZ", reporter.report_tz, 1); /* for minute_human */
    tzset();
    return strcmp(arguments->what, "given") == 0 ? replace_given(&reporter, arguments)
                                                 : write_summaries(&reporter, arguments);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.effective_path = "runtime/effective_config.json",
                                  .given_path = "runtime/summary_given.json",
                                  .called = "report_again"};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, EXIT_FINE);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("report_again %s\n", ORDERFLOW_VERSION_LINE);
        return EXIT_FINE;
    }
    if (!parse(&arguments, argc, argv))
        return usage(stderr, EXIT_WRONG_USE);
    struct config *config = load(&arguments);
    if (!config)
        return EXIT_REFUSED;
    /* What the daemon says of its work is nothing that somebody at a terminal has asked for. */
    log_configure("report_again", arguments.run_id ? arguments.run_id : config_text(config, "run.run_id"),
                  LOG_WARNING);
    int code = strcmp(arguments.what, "parity") == 0 ? make_parity(&arguments, config)
                                                     : make_summaries(&arguments, config);
    config_destroy(config);
    return code;
}
