#include "evidence.h"

#include "base/buffer.h"
#include "base/file.h"
#include "evidence_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { JSON_BYTES_MAX = 256 * 1024 * 1024 };

void evidence_add(struct evidence *evidence, const char *name, double value, const char *source_file,
                  const char *source_field)
{
    assert(evidence->count < EVIDENCE_FACTS_MAX && !evidence_find(evidence, name));
    struct evidence_fact *fact = &evidence->facts[evidence->count++];
    fact->value = value;
    snprintf(fact->name, sizeof fact->name, "%s", name);
    snprintf(fact->source_file, sizeof fact->source_file, "%s", source_file);
    snprintf(fact->source_field, sizeof fact->source_field, "%s", source_field);
}

const struct evidence_fact *evidence_find(const struct evidence *evidence, const char *name)
{
    for (size_t i = 0; i < evidence->count; i++)
        if (strcmp(evidence->facts[i].name, name) == 0)
            return &evidence->facts[i];
    return NULL;
}

/* most_of: the largest of the figures "jsonl_<what>" and "sqlite_<what>" of the run's sinks; -1: one is not known. */
static int64_t most_of(const struct evidence *evidence, const char *sink, const char *what)
{
    static const char *const SINKS[] = {"jsonl", "sqlite"};
    char name[EVIDENCE_NAME_BYTES];
    int64_t most = 0;
    for (size_t i = 0; i < sizeof SINKS / sizeof *SINKS; i++) {
        if (strcmp(sink, SINKS[i]) != 0 && strcmp(sink, "dual") != 0)
            continue;
        snprintf(name, sizeof name, "%s_%s", SINKS[i], what);
        const struct evidence_fact *fact = evidence_find(evidence, name);
        if (!fact)
            return -1;
        most = fact->value > (double)most ? (int64_t)fact->value : most;
    }
    return most;
}

int64_t evidence_rows_lost(const struct evidence *evidence, const char *sink)
{
    int64_t holes = most_of(evidence, sink, "missing"), unsignalled = most_of(evidence, sink, "unsignalled");
    if (holes < 0 || unsignalled < 0)
        return holes > 0 || unsignalled > 0 ? (holes > unsignalled ? holes : unsignalled) : -1;
    return holes > unsignalled ? holes : unsignalled;
}

int64_t evidence_rows_repeated(const struct evidence *evidence, const char *sink)
{
    return most_of(evidence, sink, "repeated");
}

yyjson_doc *evidence_json(const char *path)
{
    struct buffer text;
    buffer_init(&text, JSON_BYTES_MAX);
    yyjson_doc *document = NULL;
    if (file_read(path, &text) == STATUS_OK)
        document = yyjson_read((const char *)text.data, text.length, 0);
    buffer_finish(&text);
    return document;
}

bool evidence_is_of(const struct evidence_places *places, yyjson_val *object)
{
    return yyjson_equals_str(yyjson_obj_get(object, "run_id"), places->run_id);
}

bool evidence_ends(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && strcmp(path + length - tail, ending) == 0;
}

static void places_set(struct evidence_places *places, const char *documents, const char *sources)
{
    const char *run_id = places->run_id;
    path_join(places->status_path, documents, "status_%s.json", run_id);
    path_join(places->manifest_path, documents, "run_manifest_%s.json", run_id);
    path_join(places->ledger_path, documents, "ledger_%s.json", run_id);
    path_join(places->source_path, sources, "source_manifest_%s.json", run_id);
    path_join(places->parity_path, sources, "parity_diff_%s.json", run_id);
}

void evidence_places_live(struct evidence_places *places, const char *artifacts_dir, const char *logs_dir)
{
    char documents[PATH_BYTES];
    path_join(documents, artifacts_dir, "run_logs");
    places_set(places, documents, artifacts_dir);
    path_join(places->log_path, logs_dir, "orchestrator/orchestrator.log");
    path_join(places->report_dir, logs_dir, "report");
    path_join(places->quality_dir, artifacts_dir, "dq_reports");
    path_join(places->canary_path, artifacts_dir, "runtime/canary_report/%s/T+0_final_report.json",
              places->run_id);
    if (!file_exists(places->canary_path)) /* else another canary follows, and writes where this one did */
        path_join(places->canary_path, artifacts_dir, "runtime/canary_report/T+0_final_report.json");
}

void evidence_places_pack(struct evidence_places *places, const char *folder)
{
    places_set(places, folder, folder);
    path_join(places->log_path, folder, "orchestrator.log");
    snprintf(places->report_dir, sizeof places->report_dir, "%s", folder);
    snprintf(places->quality_dir, sizeof places->quality_dir, "%s", folder);
    path_join(places->canary_path, folder, "T+0_final_report.json");
}

void evidence_gather_rows(const struct evidence_places *places, struct evidence *evidence)
{
    evidence_from_signals(places, evidence);
    evidence_from_files(places, evidence);
    evidence_from_status(places, evidence);
}

void evidence_gather_documents(const struct evidence_places *places, struct evidence *evidence)
{
    evidence_from_reports(places, evidence);
    evidence_from_manifest(places, evidence);
}

void evidence_gather(const struct evidence_places *places, struct evidence *out_evidence)
{
    *out_evidence = (struct evidence){0};
    evidence_gather_rows(places, out_evidence);
    evidence_gather_documents(places, out_evidence);
}
