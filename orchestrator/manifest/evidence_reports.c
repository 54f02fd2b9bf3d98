/* What the reports of a run say: its summaries, the source manifest, the data quality report. */
#include "evidence_private.h"
#include "gates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- summaries --- */

enum { SUMMARIES_MAX = 2 };

struct summaries {
    const struct evidence_places *places;
    int64_t found, markdown, missing_fields;
    int64_t total, confirmed; /* the least of any; -1: one does not say */
    int64_t named_ids;        /* trade ids the newest one names as missing; -1: it does not say */
    yyjson_doc *documents[SUMMARIES_MAX];
    char markdowns[SUMMARIES_MAX][PATH_BYTES];
    char newest[PATH_BYTES];
};

/* named_ids: Σ volumes.*.missing_trade_ids, which report adds up from the rows; -1 when one does not say. */
static int64_t named_ids(yyjson_val *volumes)
{
    size_t index, count;
    yyjson_val *symbol, *volume;
    int64_t sum = yyjson_is_obj(volumes) ? 0 : -1;
    yyjson_obj_foreach(volumes, index, count, symbol, volume)
    {
        yyjson_val *missing = yyjson_obj_get(volume, "missing_trade_ids");
        if (!yyjson_is_int(missing))
            return -1;
        sum += yyjson_get_sint(missing);
    }
    return sum;
}

static int64_t missing_fields(yyjson_val *root)
{
    static const char *const FIELDS[] = {"total",      "buy_ratio", "strong_ratio",
                                         "per_minute", "dropped",   "warnings"};
    bool confirmed = yyjson_get_sint(yyjson_obj_get(root, "confirmed")) > 0;
    int64_t missing = 0;
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        yyjson_val *value = yyjson_obj_get(root, FIELDS[i]);
        bool ratio = strstr(FIELDS[i], "_ratio") != NULL; /* null by definition while nothing is confirmed */
        missing += !value || (yyjson_is_null(value) && (!ratio || confirmed));
    }
    return missing;
}

/* least: of what was found so far and this one; -1 once one does not say. */
static int64_t least(int64_t so_far, yyjson_val *value, bool first)
{
    if (!yyjson_is_int(value) || so_far < 0)
        return -1;
    int64_t number = yyjson_get_sint(value);
    return first || number < so_far ? number : so_far;
}

static void summary_take(struct summaries *summaries, const char *path, yyjson_doc *document)
{
    yyjson_val *root = yyjson_doc_get_root(document);
    char markdown[PATH_BYTES];
    bool first = summaries->found == 0;
    summaries->total = least(summaries->total, yyjson_obj_get(root, "total"), first);
    summaries->confirmed = least(summaries->confirmed, yyjson_obj_get(root, "confirmed"), first);
    summaries->missing_fields += missing_fields(root);
    summaries->named_ids = named_ids(yyjson_obj_get(root, "volumes"));
    snprintf(markdown, sizeof markdown, "%.*s.md", (int)(strlen(path) - strlen(".json")), path);
    summaries->markdown += file_bytes(markdown) > 0;
    if (summaries->found < SUMMARIES_MAX) {
        summaries->documents[summaries->found] = document;
        memcpy(summaries->markdowns[summaries->found], markdown, sizeof markdown);
    } else {
        yyjson_doc_free(document);
    }
    summaries->found++;
    snprintf(summaries->newest, sizeof summaries->newest, "%s", path);
}

static enum status summary_visit(void *context, const char *path)
{
    struct summaries *summaries = context;
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name, "/summary_", 9) != 0 || !evidence_ends(path, ".json"))
        return STATUS_OK;
    yyjson_doc *document = evidence_json(path);
    if (evidence_is_of(summaries->places, yyjson_doc_get_root(document)))
        summary_take(summaries, path, document);
    else
        yyjson_doc_free(document);
    return STATUS_OK;
}

/* members_missing: of `left` that `right` has not equally, less those that name the sink. */
static int64_t members_differing(yyjson_val *left, yyjson_val *right)
{
    static const char *const OWN[] = {"sink", "files_read", "timestamp"};
    size_t index, count;
    yyjson_val *key, *value;
    int64_t differing = 0;
    yyjson_obj_foreach(left, index, count, key, value)
    {
        bool own = false;
        for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
            own = own || yyjson_equals_str(key, OWN[i]);
        yyjson_val *other = yyjson_obj_get(right, yyjson_get_str(key));
        differing += !own && !(other && yyjson_equals(value, other));
    }
    return differing;
}

static void compare_summaries(const struct summaries *summaries, const char *root, struct evidence *evidence)
{
    if (summaries->found != SUMMARIES_MAX)
        return;
    yyjson_val *left = yyjson_doc_get_root(summaries->documents[0]),
               *right = yyjson_doc_get_root(summaries->documents[1]);
    bool same_sink = yyjson_equals(yyjson_obj_get(left, "sink"), yyjson_obj_get(right, "sink"));
    int64_t differing = members_differing(left, right) + members_differing(right, left) + same_sink;
    int64_t lines = evidence_markdown_differences(summaries->markdowns[0], summaries->markdowns[1]);
    if (lines >= 0)
        evidence_add(
            evidence, "summary_differences", (double)(differing + lines), root,
            "members of both summaries, less sink, files_read, timestamp; lines of both Markdown files");
}

static void summaries_say(const struct summaries *summaries, const char *root, struct evidence *evidence)
{
    evidence_add(evidence, "summaries", (double)summaries->found, root, "JSON files of this run");
    evidence_add(evidence, "summaries_markdown", (double)summaries->markdown, root,
                 "Markdown files beside them");
    if (!summaries->found)
        return;
    evidence_add(evidence, "summary_fields_missing", (double)summaries->missing_fields, summaries->newest,
                 "total, buy_ratio, strong_ratio, per_minute, dropped, warnings");
    if (summaries->total >= 0)
        evidence_add(evidence, "signals_total", (double)summaries->total, summaries->newest, "total");
    if (summaries->confirmed >= 0)
        evidence_add(evidence, "signals_confirmed", (double)summaries->confirmed, summaries->newest,
                     "confirmed");
    const struct evidence_fact *counted = evidence_find(evidence, "trade_gap_ids");
    if (counted && summaries->named_ids >= 0)
        evidence_add(evidence, "gap_ids_unnamed", counted->value - (double)summaries->named_ids,
                     summaries->newest, "trade_gap_ids_total of harvest - volumes.*.missing_trade_ids");
    compare_summaries(summaries, root, evidence);
}

static void from_summaries(const struct evidence_places *places, struct evidence *evidence)
{
    struct summaries summaries = {.places = places};
    if (!(places->modules & module_bit(MODULE_REPORT)))
        return;
    if (folder_walk(places->report_dir, summary_visit, &summaries) == STATUS_OK)
        summaries_say(&summaries, places->report_dir, evidence);
    for (size_t i = 0; i < SUMMARIES_MAX; i++)
        yyjson_doc_free(summaries.documents[i]);
}

/* --- where the data came from --- */

static int64_t endpoints_wrong(yyjson_val *endpoints)
{
    size_t index, count;
    yyjson_val *endpoint;
    int64_t wrong = yyjson_arr_size(endpoints) == 0;
    yyjson_arr_foreach(endpoints, index, count, endpoint)
    {
        wrong += !yyjson_is_str(yyjson_obj_get(endpoint, "url"));
        wrong += !yyjson_is_str(yyjson_obj_get(endpoint, "opened_at"));
        wrong += yyjson_arr_size(yyjson_obj_get(endpoint, "streams")) == 0;
    }
    return wrong;
}

/* source_incomplete: members that are missing or null, symbols that are none, endpoints that were never opened. */
static void from_source(const struct evidence_places *places, struct evidence *evidence)
{
    static const char *const MEMBERS[] = {"session_start",
                                          "session_end",
                                          "session_start_event_ms",
                                          "session_end_event_ms",
                                          "symbols",
                                          "ws_endpoints",
                                          "ws_region",
                                          "rest_base",
                                          "input_mode",
                                          "replay_mode",
                                          "watch_enabled",
                                          "features_dir",
                                          "data_root",
                                          "config_snapshot",
                                          "config_fingerprint",
                                          "capture_dir"};
    yyjson_doc *document = evidence_json(places->source_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (evidence_is_of(places, root)) {
        int64_t missing = yyjson_arr_size(yyjson_obj_get(root, "symbols")) == 0;
        for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++) {
            yyjson_val *value = yyjson_obj_get(root, MEMBERS[i]);
            missing += !value || yyjson_is_null(value);
        }
        missing += endpoints_wrong(yyjson_obj_get(root, "ws_endpoints"));
        evidence_add(evidence, "source_incomplete", (double)missing, places->source_path,
                     "members, symbols, ws_endpoints");
    }
    yyjson_doc_free(document);
}

/* --- data quality --- */

struct quality {
    const struct evidence_places *places;
    char path[PATH_BYTES];
    int64_t not_passed; /* -1: no report of this run */
};

/* check_passes: the report's own verdict, and the same once more from its figures. A check that does not apply to the run
 * says so and has no verdict. */
static bool check_passes(yyjson_val *check)
{
    yyjson_val *measured = yyjson_obj_get(check, "measured"), *threshold = yyjson_obj_get(check, "threshold");
    const char *op = yyjson_get_str(yyjson_obj_get(check, "op"));
    if (!yyjson_equals_str(yyjson_obj_get(check, "verdict"), "PASS"))
        return false;
    return yyjson_is_num(measured) && yyjson_is_num(threshold) && op &&
           gate_compare(op, yyjson_get_num(measured), yyjson_get_num(threshold)) == GATE_PASS;
}

static yyjson_val *check_find(yyjson_val *checks, const char *id)
{
    size_t index, count;
    yyjson_val *check;
    yyjson_arr_foreach(checks, index, count, check)
    {
        if (yyjson_equals_str(yyjson_obj_get(check, "id"), id))
            return check;
    }
    return NULL;
}

/* checks_not_passed: those that must be there and are not, and those that have not passed. */
static int64_t checks_not_passed(yyjson_val *checks)
{
    static const char *const GATED[] = {"completeness", "rotation",   "deduplication", "latency",
                                        "latency_p50",  "clock",      "signals",       "consistency",
                                        "conservation", "trade_gaps", "schema"};
    int64_t not_passed = 0;
    for (size_t i = 0; i < sizeof GATED / sizeof *GATED; i++) {
        yyjson_val *check = check_find(checks, GATED[i]);
        const char *verdict = yyjson_get_str(yyjson_obj_get(check, "verdict"));
        bool apart = verdict && strcmp(verdict, "NOT_APPLICABLE") == 0 &&
                     (strncmp(GATED[i], "latency", 7) == 0 || strcmp(GATED[i], "clock") == 0);
        not_passed += !apart && !check_passes(check);
    }
    return not_passed;
}

static enum status quality_visit(void *context, const char *path)
{
    struct quality *quality = context;
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name, "/dq_", 4) != 0 || !evidence_ends(path, ".json"))
        return STATUS_OK;
    yyjson_doc *document = evidence_json(path);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (evidence_is_of(quality->places, root) && yyjson_is_true(yyjson_obj_get(root, "final"))) {
        quality->not_passed = checks_not_passed(yyjson_obj_get(root, "checks"));
        snprintf(quality->path, sizeof quality->path, "%s", path);
    }
    yyjson_doc_free(document);
    return STATUS_OK;
}

static void from_quality(const struct evidence_places *places, struct evidence *evidence)
{
    struct quality quality = {.places = places, .not_passed = -1};
    if (folder_walk(places->quality_dir, quality_visit, &quality) == STATUS_OK && quality.not_passed >= 0)
        evidence_add(evidence, "dq_not_passed", (double)quality.not_passed, quality.path, "checks");
}

/* from_canary: how many gates of its final report do not pass. A report whose own verdict is UNKNOWN (too short, not all measured) is no
 * figure at all; one that failed for another reason than a gate has at least one. */
static void from_canary(const struct evidence_places *places, struct evidence *evidence)
{
    yyjson_doc *document = evidence_json(places->canary_path);
    yyjson_val *root = yyjson_doc_get_root(document), *verdict = yyjson_obj_get(root, "verdict"), *gate;
    bool passed = yyjson_equals_str(verdict, "PASS");
    size_t index, count, failed = 0;
    yyjson_arr_foreach(yyjson_obj_get(root, "slo"), index, count, gate) failed +=
        !yyjson_equals_str(yyjson_obj_get(gate, "verdict"), "PASS");
    if (evidence_is_of(places, root) && (passed || yyjson_equals_str(verdict, "FAIL")))
        evidence_add(evidence, "canary_not_passed",
                     passed   ? 0
                     : failed ? (double)failed
                              : 1,
                     places->canary_path, "slo");
    yyjson_doc_free(document);
}

void evidence_from_reports(const struct evidence_places *places, struct evidence *evidence)
{
    from_summaries(places, evidence);
    from_source(places, evidence);
    from_quality(places, evidence);
    from_canary(places, evidence);
}
