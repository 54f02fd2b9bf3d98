/* manifest: of a run that goes on as its orchestrator has it now; else the file. One that is not the last says so of itself: so does this
 * verb, beside it. */
#include "base/file.h"
#include "client.h"
#include "place.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

/* say_unfinished: on stderr, so that what is printed stays one JSON document. */
static void say_unfinished(const struct buffer *text, const char *run_id, bool goes_on, bool is_concluding)
{
    yyjson_doc *document = yyjson_read((const char *)text->data, text->length, 0);
    bool is_final = yyjson_is_true(yyjson_obj_get(yyjson_doc_get_root(document), "final"));
    yyjson_doc_free(document);
    if (!is_final && goes_on)
        complain(EXIT_FINE,
                 "run %s is still going on: this is not its final manifest, but as it was at written_at",
                 run_id);
    else if (!is_final && is_concluding)
        complain(EXIT_FINE, "run %s is still being concluded: this is not its final manifest", run_id);
    else if (!is_final)
        complain(EXIT_FINE,
                 "run %s was never concluded, its orchestrator is gone: this is not its final manifest; an "
                 "orchestrator started here again concludes the newest run",
                 run_id);
}

static int print_file(const char *path, const char *run_id, bool goes_on, bool is_concluding)
{
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK) {
        fwrite(text.data, 1, text.length, stdout);
        fflush(stdout);
        say_unfinished(&text, run_id, goes_on, is_concluding);
    }
    buffer_finish(&text);
    return status == STATUS_OK ? EXIT_FINE
                               : complain(EXIT_REFUSED, "%s cannot be read (%s)", path, status_name(status));
}

/* print_live: of the run that goes on. false: nobody answers; the file then says what it said last. */
static bool print_live(const struct invocation *invocation, const char *run_id)
{
    struct client *client = NULL;
    struct error error = {{0}};
    yyjson_doc *reply = NULL;
    enum status status = client_open(invocation->timeout_ms, &client, &error);
    if (status == STATUS_OK)
        status = client_ask(client, "manifest", "{}", &reply, &error);
    yyjson_val *result = yyjson_obj_get(yyjson_doc_get_root(reply), "result");
    bool ours = status == STATUS_OK && yyjson_equals_str(yyjson_obj_get(result, "run_id"), run_id);
    char *text = ours ? yyjson_val_write(result, 0, NULL) : NULL;
    if (text) {
        puts(text);
        fflush(stdout);
        complain(EXIT_FINE, "run %s is still going on: this is not its final manifest, but how it stands now",
                 run_id);
    } else {
        complain(EXIT_FINE, "run %s goes on, but its orchestrator does not tell how it stands: %s", run_id,
                 ours ? "its answer cannot be read" : error.text);
    }
    free(text);
    yyjson_doc_free(reply);
    client_close(client);
    return text;
}

int verb_manifest(const struct invocation *invocation)
{
    struct config *config;
    struct error error;
    char path[PATH_BYTES], run_id[RUN_ID_BYTES];
    enum status status = place_run(invocation_value(invocation, "--run-id"), run_id, &config, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    path_join(path, config_text(config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json", run_id);
    bool goes_on = place_run_goes_on(config, run_id);
    bool is_concluding = place_concluding(config_text(config, "run.state_dir"), run_id);
    config_destroy(config);
    if (goes_on && place_orchestrator_lives() && print_live(invocation, run_id))
        return EXIT_FINE;
    return print_file(path, run_id, goes_on, is_concluding);
}
