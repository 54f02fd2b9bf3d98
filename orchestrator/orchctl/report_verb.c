/* report: the day report of a run. Of the run of this folder it is made anew when it is over; of an earlier one what lies in logs/report. */
#include "base/buffer.h"
#include "config/config.h"
#include "place.h"
#include "program.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* print_json_line: a document in one line, so that several are JSON lines. */
static enum status print_json_line(const char *path)
{
    yyjson_doc *document = yyjson_read_file(path, 0, NULL, NULL);
    char *line = yyjson_write(document, 0, NULL);
    if (line)
        puts(line);
    free(line);
    yyjson_doc_free(document);
    return line ? STATUS_OK : STATUS_IO;
}

static enum status print_text(const char *path, bool is_first)
{
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK && !is_first)
        putchar('\n');
    if (status == STATUS_OK)
        fwrite(text.data, 1, text.length, stdout);
    buffer_finish(&text);
    return status;
}

/* --- of the run of this folder --- */

static int none_yet(const struct config *config, const char *run_id)
{
    return complain(
        EXIT_REFUSED,
        "run %s has no day report yet: report writes one every %lld s (report.interval_s) while it "
        "runs; `orchctl status report` shows whether it does",
        run_id, (long long)config_i64(config, "report.interval_s"));
}

/* print_newest: of each sink, as <output_dir>/report.json says where they are. */
static int print_newest(const struct config *config, const char *run_id, bool as_json)
{
    char path[PATH_BYTES];
    path_join(path, config_text(config, "run.output_dir"), "report.json");
    yyjson_doc *index = yyjson_read_file(path, 0, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(index), *summaries = yyjson_obj_get(root, "summaries"), *summary;
    size_t at, count;
    bool ours = yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id) && yyjson_arr_size(summaries);
    int code = ours ? EXIT_FINE : none_yet(config, run_id);
    yyjson_arr_foreach(ours ? summaries : NULL, at, count, summary)
    {
        const char *file = yyjson_get_str(yyjson_obj_get(summary, as_json ? "json" : "md"));
        enum status status = !file     ? STATUS_NOT_FOUND
                             : as_json ? print_json_line(file)
                                       : print_text(file, at == 0);
        if (status != STATUS_OK)
            code = complain(EXIT_REFUSED, "%s names %s, which cannot be read", path, file ? file : "nothing");
    }
    yyjson_doc_free(index);
    return code;
}

/* make_again: from the same files; the run is over. */
static int make_again(void)
{
    struct program_words words = {.count = 0};
    program_add(&words, "report_again");
    program_add(&words, "summary");
    program_add(&words, "--quiet");
    program_add_option(&words, "--called", "orchctl report");
    return program_wait(&words);
}

/* --- of an earlier run --- */

struct kept {
    const char *run_id;
    bool as_json;
    size_t printed;
};

/* kept_visit: a summary of that run, or the same for people that lies beside it. */
static enum status kept_visit(void *context, const char *path)
{
    struct kept *kept = context;
    const char *name = strrchr(path, '/');
    size_t length = strlen(path);
    char markdown[PATH_BYTES];
    if (!name || strncmp(name, "/summary_", 9) != 0 || length < 5 || strcmp(path + length - 5, ".json") != 0)
        return STATUS_OK;
    yyjson_doc *document = yyjson_read_file(path, 0, NULL, NULL);
    bool ours = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "run_id"), kept->run_id);
    yyjson_doc_free(document);
    path_join(markdown, ".", "%.*s.md", (int)(length - 5), path);
    if (ours &&
        (kept->as_json ? print_json_line(path)
                       : print_text(*path == '/' ? markdown + 2 : markdown, kept->printed == 0)) == STATUS_OK)
        kept->printed++;
    return STATUS_OK;
}

static int print_kept(const struct config *config, const char *run_id, bool as_json)
{
    struct kept kept = {.run_id = run_id, .as_json = as_json};
    char folder[PATH_BYTES];
    path_join(folder, config_text(config, "run.logs_dir"), "report");
    (void)!folder_walk(folder, kept_visit, &kept);
    return kept.printed
               ? EXIT_FINE
               : complain(
                     EXIT_REFUSED,
                     "run %s has no day report in %s: it wrote none, or it has been cleaned away; a later "
                     "run has begun here, so it cannot be made anew",
                     run_id, folder);
}

static int print_report(const struct config *config, const char *run_id, bool as_json)
{
    if (strcmp(run_id, config_text(config, "run.run_id")) != 0)
        return print_kept(config, run_id, as_json);
    /* While the run goes on report writes it itself, every minute. */
    int code = place_run_goes_on(config, run_id) ? EXIT_FINE : make_again();
    return code == EXIT_FINE ? print_newest(config, run_id, as_json) : code;
}

int verb_report(const struct invocation *invocation)
{
    struct config *config;
    struct error error = {{0}};
    char run_id[RUN_ID_BYTES];
    enum status status = place_run(invocation_value(invocation, "--run-id"), run_id, &config, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    int code = print_report(config, run_id, invocation->json);
    config_destroy(config);
    return code;
}
