/* How a run was concluded, as its manifest says, in a line. */
#include "base/exits.h"
#include "behind.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { NAMED_MAX = 3 };

/* listing: what speaks against a run: the first by name, the others by number. */
struct listing {
    char text[160];
    size_t count;
};

static void name(struct listing *listing, const char *what, const char *subject, const char *how)
{
    size_t length = strlen(listing->text);
    if (listing->count++ < NAMED_MAX)
        snprintf(listing->text + length, sizeof listing->text - length, "%s%s%.28s %.12s", length ? ", " : "",
                 what, subject ? subject : "?", how ? how : "?");
}

static void name_gates(yyjson_val *root, struct listing *listing)
{
    size_t index, count;
    yyjson_val *gate;
    yyjson_arr_foreach(yyjson_obj_get(root, "gates"), index, count, gate)
    {
        if (!yyjson_equals_str(yyjson_obj_get(gate, "verdict"), "PASS"))
            name(listing, "gate ", yyjson_get_str(yyjson_obj_get(gate, "id")),
                 yyjson_get_str(yyjson_obj_get(gate, "verdict")));
    }
}

static void name_processes(yyjson_val *root, struct listing *listing)
{
    size_t index, count;
    yyjson_val *key, *process;
    yyjson_obj_foreach(yyjson_obj_get(root, "processes"), index, count, key, process)
    {
        if (yyjson_is_true(yyjson_obj_get(process, "gave_up")))
            name(listing, "", yyjson_get_str(key), "was given up");
    }
}

/* against: "" when nothing speaks against it. */
static void against(yyjson_val *root, int exit_code, char *out_text, size_t size)
{
    const char *ended = yyjson_get_str(yyjson_obj_get(root, "end_reason"));
    struct listing listing = {.text = ""};
    name_processes(root, &listing);
    name_gates(root, &listing);
    out_text[0] = 0;
    if (listing.count > NAMED_MAX)
        snprintf(out_text, size, "%s and %zu more", listing.text, listing.count - NAMED_MAX);
    else if (listing.count)
        snprintf(out_text, size, "%s", listing.text);
    else if (exit_code != EXIT_FINE && ended) /* an alert ended it, or it never began */
        snprintf(out_text, size, "%.160s", ended);
}

bool behind_verdict_read(const struct run *run, const char *run_id, struct behind_verdict *out_verdict)
{
    char path[PATH_BYTES];
    path_join(path, config_text(run->config, "run.artifacts_dir"), "run_logs/run_manifest_%s.json", run_id);
    yyjson_doc *document = yyjson_read_file(path, 0, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(document);
    bool is_final = yyjson_is_true(yyjson_obj_get(root, "final"));
    const char *overall = yyjson_get_str(yyjson_obj_get(root, "overall_verdict")),
               *reason = yyjson_get_str(yyjson_obj_get(root, "end_reason"));
    *out_verdict = (struct behind_verdict){.exit_code = EXIT_REFUSED};
    if (is_final)
        out_verdict->exit_code = (int)yyjson_get_sint(yyjson_obj_get(root, "exit_code"));
    snprintf(out_verdict->overall, sizeof out_verdict->overall, "%s", overall ? overall : "");
    if (is_final)
        against(root, out_verdict->exit_code, out_verdict->reason, sizeof out_verdict->reason);
    else
        snprintf(out_verdict->reason, sizeof out_verdict->reason, "%s", reason ? reason : "");
    yyjson_doc_free(document);
    return is_final;
}
