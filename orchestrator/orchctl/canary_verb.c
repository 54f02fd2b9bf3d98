/* canary: a run that is watched until its configuration may be marked stable (docs/canary.md). */
#include "client.h"
#include "orchestrator/canary/document.h"
#include "orchestrator/canary/fingerprints.h"
#include "orchestrator/canary/incidents.h"
#include "orchestrator/canary/proof.h"
#include "place.h"
#include "program.h"
#include "verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MARGIN_MINUTES: the first and the last minute are not whole, and none is measured before all of it is on the disk. */
enum { MARGIN_MINUTES = 5 };

/* --- start --- */

/* start: becomes the orchestrator. The direction may change by itself in a canary (algorithms.md §11). */
static int start(const struct invocation *invocation)
{
    const char *out = invocation_value(invocation, "--out"), *file = invocation_value(invocation, "--config");
    struct program_words words = {.count = 0};
    const char *defaults = file_exists("config/defaults.yaml") ? "config/defaults.yaml" : NULL;
    struct config *config = file || defaults ? config_verbs_load(file ? file : defaults) : config_create();
    char minutes[32], artifacts[PATH_BYTES];
    if (!config)
        return EXIT_WRONG_USE;
    double planned = 60 * config_f64(config, "canary.hours") + MARGIN_MINUTES;
    snprintf(minutes, sizeof minutes, "%.9g", planned);
    config_destroy(config);
    program_add(&words, "orchestrator");
    program_add_option(&words, "--config", file);
    program_add_option(&words, "--symbols", invocation_value(invocation, "--symbols"));
    program_add_option(&words, "--run-tag", invocation_value(invocation, "--run-tag"));
    program_add_option(&words, "--run-id", invocation_value(invocation, "--run-id"));
    program_add_option(&words, "--time-scale", invocation_value(invocation, "--time-scale"));
    program_add_option(&words, "--gates", "canary");
    program_add_option(&words, "--minutes", minutes);
    program_add_option(&words, "--set", "eval.auto_flip=true");
    if (out)
        snprintf(artifacts, sizeof artifacts, "run.artifacts_dir=%s", out);
    program_add_option(&words, "--set", out ? artifacts : NULL);
    return program_become(&words);
}

/* --- report --- */

/* run_named: of `canary report` and `mark-stable`, whose second word may be it. */
static const char *run_named(const struct invocation *invocation)
{
    const char *value = invocation_value(invocation, "--run-id");
    return value ? value : invocation->words[1];
}

static int report(const struct invocation *invocation)
{
    struct program_words words = {.count = 0};
    program_add(&words, "evaluation");
    program_add_option(&words, "--run-id", run_named(invocation));
    program_add_option(&words, "--out", invocation_value(invocation, "--out"));
    if (invocation->json)
        program_add(&words, "--json");
    return program_become(&words);
}

/* --- status --- */

static void print_fingerprints(const struct fingerprints *fingerprints)
{
    printf("current %.16s\n", *fingerprints->current ? fingerprints->current : "-");
    for (size_t i = 0; i < fingerprints->stable_count; i++)
        printf("stable  %.16s  %s  marked %s  evidence %s: %s\n", fingerprints->stable[i].fingerprint,
               fingerprints->stable[i].config_tag, fingerprints->stable[i].marked_at,
               proof_state(&fingerprints->stable[i]), fingerprints->stable[i].evidence);
}

/* judge: as people and programs are told alike. */
static int judge(yyjson_val *gates)
{
    size_t index, count;
    yyjson_val *gate;
    int code = yyjson_arr_size(gates) ? EXIT_FINE : EXIT_NOT_EVEN;
    yyjson_arr_foreach(gates, index, count, gate)
    {
        if (!yyjson_equals_str(yyjson_obj_get(gate, "verdict"), "PASS"))
            code = EXIT_NOT_EVEN;
    }
    return code;
}

static void print_gates(yyjson_val *gates)
{
    size_t index, count;
    yyjson_val *gate;
    yyjson_arr_foreach(gates, index, count, gate)
    {
        yyjson_val *measured = yyjson_obj_get(gate, "measured");
        char value[32] = "not measured";
        if (yyjson_is_num(measured))
            snprintf(value, sizeof value, "%.6g", yyjson_get_num(measured));
        const char *due = yyjson_get_str(yyjson_obj_get(gate, "action_due"));
        printf("%-17s %-12s %12s  %-2s %-8.6g %-8s fired %lld%s%s\n", member_text(gate, "id"),
               member_text(gate, "symbol"), value, member_text(gate, "op"),
               yyjson_get_num(yyjson_obj_get(gate, "threshold")), member_text(gate, "verdict"),
               (long long)yyjson_get_sint(yyjson_obj_get(gate, "fired")), due ? "  " : "", due ? due : "");
    }
}

/* print_open: what `canary resolve` wants an id of. */
static void print_open(const struct incidents *incidents)
{
    for (size_t i = 0; i < incidents->count; i++) {
        const struct incident *incident = &incidents->items[i];
        char opened_at[TIME_TEXT_BYTES];
        if (incident->closed_ms)
            continue;
        time_iso_ms(incident->opened_ms, opened_at);
        printf("open    %s  %s %s  %s  since %s: %s\n", incident->id, incident->severity, incident->rule,
               incident->action, opened_at, incident->why);
    }
}

static void text_or_null(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *text)
{
    if (*text)
        yyjson_mut_obj_add_str(document, object, key, text);
    else
        yyjson_mut_obj_add_null(document, object, key);
}

static void add_fingerprints(yyjson_mut_doc *document, yyjson_mut_val *root,
                             const struct fingerprints *fingerprints)
{
    text_or_null(document, root, "current", fingerprints->current);
    yyjson_mut_val *stable = yyjson_mut_obj_add_arr(document, root, "stable");
    for (size_t i = 0; i < fingerprints->stable_count; i++) {
        const struct stable_fingerprint *entry = &fingerprints->stable[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, stable);
        yyjson_mut_obj_add_str(document, object, "fingerprint", entry->fingerprint);
        yyjson_mut_obj_add_str(document, object, "config_tag", entry->config_tag);
        yyjson_mut_obj_add_str(document, object, "marked_at", entry->marked_at);
        yyjson_mut_obj_add_str(document, object, "evidence", entry->evidence);
        yyjson_mut_obj_add_str(document, object, "evidence_state", proof_state(entry));
    }
}

static void add_open(yyjson_mut_doc *document, yyjson_mut_val *root, const struct incidents *incidents)
{
    yyjson_mut_val *open = yyjson_mut_obj_add_arr(document, root, "incidents_open");
    for (size_t i = 0; i < incidents->count; i++) {
        const struct incident *incident = &incidents->items[i];
        if (incident->closed_ms)
            continue;
        yyjson_mut_val *entry = yyjson_mut_arr_add_obj(document, open);
        yyjson_mut_obj_add_str(document, entry, "id", incident->id);
        yyjson_mut_obj_add_str(document, entry, "severity", incident->severity);
        yyjson_mut_obj_add_str(document, entry, "rule", incident->rule);
        yyjson_mut_obj_add_str(document, entry, "action", incident->action);
        yyjson_mut_obj_add_int(document, entry, "opened_ms", incident->opened_ms);
        yyjson_mut_obj_add_str(document, entry, "why", incident->why);
    }
}

/* report_copy: what has been measured; before that its members without anything in them. */
static yyjson_mut_val *report_copy(yyjson_mut_doc *document, yyjson_val *report)
{
    if (report)
        return yyjson_val_mut_copy(document, report);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_obj_add_null(document, root, "run_id");
    yyjson_mut_obj_add_arr(document, root, "gates");
    return root;
}

/* print_json: the report (NULL: nothing has been measured), and what else the text shows. */
static void print_json(yyjson_val *report, const struct fingerprints *fingerprints,
                       const struct incidents *incidents)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = report_copy(document, report);
    add_fingerprints(document, root, fingerprints);
    add_open(document, root, incidents);
    char *text = yyjson_mut_val_write(root, 0, NULL);
    puts(text ? text : "null");
    free(text);
    yyjson_mut_doc_free(document);
}

/* status_print: `report` is that of a run that has been measured. */
static int status_print(const struct invocation *invocation, yyjson_val *report)
{
    if (!report)
        return complain(EXIT_NOT_EVEN, "no gate has been measured yet: `orchctl canary report` does");
    yyjson_val *gates = yyjson_obj_get(report, "gates");
    if (!invocation->json) {
        printf("gates of run %s\n", member_text(report, "run_id"));
        print_gates(gates);
    }
    return judge(gates);
}

/* status: fingerprints, open incidents, and the gates as the newest report has them; exit 3 unless all pass. */
static int status_of(const struct invocation *invocation, const struct config *config)
{
    const char *artifacts = config_text(config, "run.artifacts_dir");
    struct fingerprints fingerprints;
    struct incidents incidents = {0};
    struct error error = {{0}};
    yyjson_doc *document = NULL;
    char path[PATH_BYTES];
    incidents_path(artifacts, path);
    if (fingerprints_read(config_text(config, "run.state_dir"), &fingerprints, &error) != STATUS_OK ||
        incidents_read(path, &incidents, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    path_join(path, artifacts, "runtime/canary_report/monitoring_report.json");
    yyjson_val *report =
        document_read(path, &document, &error) == STATUS_OK ? yyjson_doc_get_root(document) : NULL;
    if (invocation->json) {
        print_json(report, &fingerprints, &incidents);
    } else {
        print_fingerprints(&fingerprints);
        print_open(&incidents);
    }
    int code = status_print(invocation, report);
    incidents_finish(&incidents);
    yyjson_doc_free(document);
    return code;
}

/* --- mark-stable --- */

/* entry_make: from the final report in `folder`, if it says PASS. */
static bool entry_make(const struct config *config, const char *folder, yyjson_val *final_report,
                       struct stable_fingerprint *out, struct error *error)
{
    struct clock clock = clock_system();
    char verdict[16] = "";
    *out = (struct stable_fingerprint){.config_tag = ""};
    if (!document_text(final_report, "config_fingerprint", out->fingerprint, sizeof out->fingerprint) ||
        !document_text(final_report, "verdict", verdict, sizeof verdict)) {
        error_set(error, STATUS_MALFORMED, "%s/T+0_final_report.json is no final report of a canary", folder);
        return false;
    }
    if (strcmp(verdict, "PASS") != 0) {
        error_set(error, STATUS_INVALID, "the final report of %.16s says %s, not PASS", out->fingerprint,
                  verdict);
        return false;
    }
    struct config *kept = NULL;
    const char *state_dir = config_text(config, "run.state_dir");
    if (fingerprints_config_load(state_dir, out->fingerprint, &kept, error) != STATUS_OK)
        return false;
    snprintf(out->config_tag, sizeof out->config_tag, "%.127s", config_text(kept, "config_tag"));
    config_destroy(kept);
    fingerprints_config_path(state_dir, out->fingerprint, out->config_file);
    if (!document_text(final_report, "run_tag", out->run_tag, sizeof out->run_tag))
        out->run_tag[0] = 0;
    if (proof_keep(config_text(config, "run.artifacts_dir"), folder, out, error) != STATUS_OK)
        return false;
    time_iso_ms(clock_wall_ms(&clock), out->marked_at);
    return true;
}

static int mark(const struct config *config, const char *run_id)
{
    const char *state_dir = config_text(config, "run.state_dir");
    struct stable_fingerprint entry;
    struct fingerprints fingerprints;
    struct error error = {{0}};
    yyjson_doc *document = NULL;
    char folder[PATH_BYTES], path[PATH_BYTES];
    proof_report_folder(config_text(config, "run.artifacts_dir"), run_id, config_text(config, "run.run_id"),
                        folder);
    path_join(path, folder, "T+0_final_report.json");
    if (document_read(path, &document, &error) != STATUS_OK)
        return *error.text ? complain(EXIT_NOT_EVEN, "%s", error.text)
                           : complain(EXIT_NOT_EVEN, "there is no final report of a canary here: %s", path);
    bool good = entry_make(config, folder, yyjson_doc_get_root(document), &entry, &error);
    yyjson_doc_free(document);
    if (good && fingerprints_read(state_dir, &fingerprints, &error) == STATUS_OK) {
        fingerprints_mark(&fingerprints, &entry);
        if (fingerprints_write(state_dir, &fingerprints, &error) == STATUS_OK) {
            printf("%.16s is stable; its evidence is kept: %s\n", entry.fingerprint, entry.evidence);
            return EXIT_FINE;
        }
    }
    return complain(EXIT_NOT_EVEN, "%s", error.text);
}

int verb_canary(const struct invocation *invocation)
{
    const char *what = invocation->words[0];
    struct config *config;
    struct error error = {{0}};
    char run_id[RUN_ID_BYTES];
    if (strcmp(what, "resolve") == 0)
        return canary_resolve(invocation);
    bool marks = strcmp(what, "mark-stable") == 0, starts = strcmp(what, "start") == 0,
         reports = strcmp(what, "report") == 0;
    if (!marks && !starts && !reports && strcmp(what, "status") != 0)
        return complain(EXIT_WRONG_USE, "canary %s: must be start, status, report, mark-stable or resolve",
                        what);
    bool names = reports || marks; /* a run */
    if (invocation->words[1] && (!names || invocation_value(invocation, "--run-id")))
        return complain(EXIT_WRONG_USE, "canary %s: takes no further word (%s)", what, invocation->words[1]);
    if (starts)
        return start(invocation);
    enum status status = place_run(names ? run_named(invocation) : NULL, run_id, &config, &error);
    if (status != STATUS_OK)
        return complain(exit_of(status), "%s", error.text);
    int code = reports ? report(invocation) : marks ? mark(config, run_id) : status_of(invocation, config);
    config_destroy(config);
    return code;
}
