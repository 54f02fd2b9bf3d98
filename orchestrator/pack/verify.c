/* Verifying a pack, from files alone: nothing in it has changed, nothing it names has changed, the comparison of the sinks and
 * the quality report come out the same when they are made again, and every gate, judged again, is what index and manifest say
 * and passes. A missing figure fails. */
#include "pack.h"

#include "base/text.h"
#include "orchestrator/manifest/evidence_private.h"
#include "program.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINDINGS_MAX = 1000 };

struct verifying {
    struct pack *pack;
    struct buffer findings; /* JSON texts, comma-joined */
    size_t finding_count;
    const char *refusal; /* why it is no evidence for a release; NULL: it is */
    bool as_json;
};

static void find(struct verifying *verifying, const char *format, ...) PRINTF_LIKE(2, 3);

static void find(struct verifying *verifying, const char *format, ...)
{
    char text[2048];
    struct json json;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (verifying->finding_count++ >= FINDINGS_MAX)
        return;
    json_init(&json, &verifying->findings);
    json.need_comma = verifying->findings.length > 0;
    json_text(&json, text);
    if (!verifying->as_json)
        printf("FAIL  %s\n", text);
}

/* --- hashes --- */

static bool sum_line(char *line, char **out_hex, char **out_name)
{
    size_t length = strcspn(line, "\n");
    line[length] = 0;
    *out_hex = line;
    *out_name = line + SHA256_HEX_BYTES + 1;
    return length > SHA256_HEX_BYTES + 1 && strncmp(line + SHA256_HEX_BYTES - 1, "  ", 2) == 0;
}

/* sums_have: whether the list names the file, with this hash. */
struct sums {
    struct verifying *verifying;
    struct buffer text;
};

static bool sums_name(const struct sums *sums, const char *name)
{
    char line[PATH_BYTES + 8];
    int length = snprintf(line, sizeof line, "  %s\n", name);
    for (const char *at = (const char *)sums->text.data, *end = at + sums->text.length; at < end; at++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            return false;
        if (stop - at == SHA256_HEX_BYTES - 1 + length - 1 &&
            memcmp(at + SHA256_HEX_BYTES - 1, line, (size_t)length) == 0)
            return true;
        at = stop;
    }
    return false;
}

static void check_sums(struct sums *sums)
{
    struct verifying *verifying = sums->verifying;
    struct pack *pack = verifying->pack;
    char path[PATH_BYTES], *line = NULL, *hex, *name;
    size_t room = 0;
    path_join(path, pack->folder, "SHA256SUMS");
    FILE *file = fopen(path, "re");
    if (!file) {
        find(verifying, "%s is missing", path);
        return;
    }
    while (getline(&line, &room, file) > 0) {
        struct pack_file now = {.scope = SCOPE_PACK};
        struct error error = {{0}};
        buffer_append_text(&sums->text, line);
        if (!sum_line(line, &hex, &name) || strchr(name, '/')) {
            find(verifying, "SHA256SUMS: '%.80s' is not understood", line);
            continue;
        }
        snprintf(now.path, sizeof now.path, "%s", name);
        if (pack_hash(pack, &now, &error) != STATUS_OK)
            find(verifying, "%s", error.text);
        else if (strncmp(now.sha256, hex, SHA256_HEX_BYTES - 1) != 0)
            find(verifying, "%s has changed since the pack was built", name);
    }
    free(line);
    fclose(file);
    if (!sums_name(sums, "index.json"))
        find(verifying, "SHA256SUMS does not name index.json");
}

static enum status listed_visit(void *context, const char *path)
{
    struct sums *sums = context;
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (strcmp(name, "SHA256SUMS") != 0 && !sums_name(sums, name))
        find(sums->verifying, "%s is in the pack, but SHA256SUMS does not name it", name);
    return STATUS_OK;
}

static bool file_take(yyjson_val *entry, struct pack_file *out_file)
{
    const char *path = yyjson_get_str(yyjson_obj_get(entry, "path")),
               *scope = yyjson_get_str(yyjson_obj_get(entry, "scope"));
    *out_file = (struct pack_file){.scope = SCOPE_COUNT};
    for (enum pack_scope i = 0; scope && i < SCOPE_COUNT; i++)
        if (strcmp(scope, pack_scope_name(i)) == 0)
            out_file->scope = i;
    if (path)
        snprintf(out_file->path, sizeof out_file->path, "%s", path);
    return path && out_file->scope != SCOPE_COUNT;
}

static void check_file(struct verifying *verifying, yyjson_val *entry)
{
    struct pack_file now;
    struct error error = {{0}};
    if (!file_take(entry, &now)) {
        find(verifying, "index.json: an entry of files has no path or scope");
        return;
    }
    yyjson_val *bytes = yyjson_obj_get(entry, "bytes");
    if (pack_hash(verifying->pack, &now, &error) != STATUS_OK)
        find(verifying, "%s", error.text);
    else if (!yyjson_equals_str(yyjson_obj_get(entry, "sha256"), now.sha256) || !yyjson_is_int(bytes) ||
             yyjson_get_sint(bytes) != now.bytes)
        find(verifying, "%s is not what the index says (%lld %s, %s)", now.path, (long long)now.bytes,
             plural(now.bytes, "byte", "bytes"), now.sha256);
}

static const char *role_of(yyjson_val *entry)
{
    const char *role = yyjson_get_str(yyjson_obj_get(entry, "role"));
    return role ? role : "";
}

/* plays_rows: without harvest there is no capture: rows were the input. */
static bool plays_rows(const struct verifying *verifying)
{
    struct evidence_places places = {.run_id = verifying->pack->run_id};
    struct gate_conditions conditions = {.set = GATES_NONE};
    struct error error = {{0}};
    evidence_places_pack(&places, verifying->pack->folder);
    return conditions_read(places.manifest_path, verifying->pack->run_id, &conditions, &error) == STATUS_OK &&
           (conditions.modules & module_bit(MODULE_FEATURES)) &&
           !(conditions.modules & module_bit(MODULE_HARVEST));
}

/* check_roles: the kinds of documents a pack cannot do without. */
static void check_roles(struct verifying *verifying, yyjson_val *files)
{
    static const char *const ROLES[] = {"run_manifest",     "source_manifest", "status_snapshot",
                                        "orchestrator_log", "fault_evidence",  "raw_capture"};
    size_t role_count =
        sizeof ROLES / sizeof *ROLES - plays_rows(verifying); /* the last one is the capture */
    for (size_t i = 0; i < role_count; i++) {
        size_t index, count, found = 0;
        yyjson_val *entry;
        yyjson_arr_foreach(files, index, count, entry)
        {
            found += strcmp(role_of(entry), ROLES[i]) == 0;
        }
        if (!found)
            find(verifying, "index.json names no file of the role %s", ROLES[i]);
    }
}

/* is_named: the index names this file of a manifest as it was when the run was concluded. */
static bool is_named(yyjson_val *files, const char *role, yyjson_val *raw)
{
    size_t index, count;
    yyjson_val *entry;
    yyjson_arr_foreach(files, index, count, entry)
    {
        if (strcmp(role_of(entry), role) == 0 &&
            yyjson_equals(yyjson_obj_get(entry, "path"), yyjson_obj_get(raw, "path")) &&
            yyjson_equals(yyjson_obj_get(entry, "sha256"), yyjson_obj_get(raw, "sha256")))
            return true;
    }
    return false;
}

/* check_captures: what the run manifest counts as the run's raw capture is all there, of every instance of harvest. */
static void check_captures(struct verifying *verifying, yyjson_val *files, yyjson_val *raw_files)
{
    size_t index, count;
    yyjson_val *raw;
    yyjson_arr_foreach(raw_files, index, count, raw)
    {
        const char *path = yyjson_get_str(yyjson_obj_get(raw, "path"));
        if (!is_named(files, "raw_capture", raw))
            find(verifying, "%s belongs to the raw capture of the run: index.json does not name it as it was",
                 path ? path : "a file without a path");
    }
    if (!yyjson_arr_size(raw_files) && !plays_rows(verifying))
        find(verifying, "the run manifest names no raw capture");
}

/* check_inputs: what the source manifest names as the rows that were played is all there, and as it was. */
static void check_inputs(struct verifying *verifying, yyjson_val *files)
{
    struct evidence_places places = {.run_id = verifying->pack->run_id};
    size_t index, count;
    yyjson_val *input;
    evidence_places_pack(&places, verifying->pack->folder);
    yyjson_doc *document = evidence_json(places.source_path);
    yyjson_val *rows = yyjson_obj_get(yyjson_doc_get_root(document), "input_rows"),
               *inputs = yyjson_obj_get(rows, "inputs");
    yyjson_arr_foreach(inputs, index, count, input)
    {
        const char *path = yyjson_get_str(yyjson_obj_get(input, "path"));
        if (!is_named(files, "input_rows", input))
            find(verifying, "%s holds rows that were played: index.json does not name it as it was",
                 path ? path : "a file without a path");
    }
    int64_t played = yyjson_get_sint(yyjson_obj_get(rows, "files")); /* 0: nothing was, or nobody told */
    if (played && (int64_t)yyjson_arr_size(inputs) != played)
        find(verifying, "the source manifest does not name what was played: %zu of %lld",
             yyjson_arr_size(inputs), (long long)played);
    yyjson_doc_free(document);
}

static void check_files(struct verifying *verifying, yyjson_val *files)
{
    struct sums sums = {.verifying = verifying};
    size_t index, count;
    yyjson_val *entry;
    buffer_init(&sums.text, 0);
    check_sums(&sums);
    if (folder_walk(verifying->pack->folder, listed_visit, &sums) != STATUS_OK)
        find(verifying, "%s cannot be read", verifying->pack->folder);
    buffer_finish(&sums.text);
    if (!yyjson_arr_size(files))
        find(verifying, "index.json names no files");
    check_roles(verifying, files);
    check_inputs(verifying, files);
    yyjson_arr_foreach(files, index, count, entry)
    {
        check_file(verifying, entry);
    }
}

/* --- made again --- */

/* check_made_again: what a program prints equals a document of the pack. */
static void check_made_again(struct verifying *verifying, const char **words, const char *name,
                             yyjson_val *there)
{
    struct buffer text;
    struct error error = {{0}};
    int code = -1;
    buffer_init(&text, 0);
    if (program_run(words, &text, &code, &error) != STATUS_OK) {
        find(verifying, "%s could not be made again: %s", name, error.text);
    } else {
        yyjson_doc *made = yyjson_read((const char *)text.data, text.length, 0);
        if (!made)
            find(verifying, "%s could not be made again (exit code %d)", name, code);
        else if (!there || !yyjson_equals(yyjson_doc_get_root(made), there))
            find(verifying, "%s: made again from the data it comes out differently", name);
        yyjson_doc_free(made);
    }
    buffer_finish(&text);
}

static void check_parity(struct verifying *verifying)
{
    struct pack *pack = verifying->pack;
    struct evidence_places places = {.run_id = pack->run_id};
    evidence_places_pack(&places, pack->folder);
    if (!file_exists(places.parity_path))
        return; /* its gate says so */
    const char *words[] = {"report_again", "parity",         "--run-id", pack->run_id,
                           "--output-dir", pack->output_dir, "--print",  NULL};
    yyjson_doc *there = evidence_json(places.parity_path);
    check_made_again(verifying, words, "the comparison of the sinks", yyjson_doc_get_root(there));
    yyjson_doc_free(there);
}

static enum status quality_visit(void *context, const char *path)
{
    struct verifying *verifying = context;
    struct pack *pack = verifying->pack;
    char root[PATH_BYTES];
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name, "/dq_", 4) != 0)
        return STATUS_OK;
    path_join(root, pack->data_root, "ofi_cvd");
    yyjson_doc *there = evidence_json(path);
    yyjson_val *document = yyjson_doc_get_root(there);
    const char *words[] = {"validate",    "--run-id", pack->run_id, "--pack",  pack->folder,
                           "--data-root", root,       "--print",    "--final", NULL};
    if (yyjson_is_true(yyjson_obj_get(document, "final")))
        check_made_again(verifying, words, name + 1, document);
    yyjson_doc_free(there);
    return STATUS_OK;
}

/* --- gates --- */

static bool same_number(yyjson_val *value, double number)
{
    return isnan(number) ? yyjson_is_null(value) : yyjson_is_num(value) && yyjson_get_num(value) == number;
}

static yyjson_val *gate_find(yyjson_val *gates, const char *id)
{
    size_t index, count;
    yyjson_val *gate;
    yyjson_arr_foreach(gates, index, count, gate)
    {
        if (yyjson_equals_str(yyjson_obj_get(gate, "id"), id))
            return gate;
    }
    return NULL;
}

/* check_printed: what a document prints of the gates is what comes out now. */
static void check_printed(struct verifying *verifying, const char *document, yyjson_val *root,
                          const struct gate_results *now)
{
    yyjson_val *gates = yyjson_obj_get(root, "gates");
    for (size_t i = 0; i < now->count; i++) {
        const struct gate_result *gate = &now->items[i];
        yyjson_val *printed = gate_find(gates, gate->id);
        if (!printed)
            find(verifying, "%s does not have gate %s", document, gate->id);
        else if (!same_number(yyjson_obj_get(printed, "measured"), gate->measured) ||
                 !same_number(yyjson_obj_get(printed, "threshold"), gate->threshold) ||
                 !yyjson_equals_str(yyjson_obj_get(printed, "op"), gate->op) ||
                 !yyjson_equals_str(yyjson_obj_get(printed, "verdict"), gate_verdict_name(gate->verdict)))
            find(verifying, "%s prints another gate %s than its files give", document, gate->id);
    }
    if (yyjson_arr_size(gates) != now->count)
        find(verifying, "%s has %zu %s, the run has %zu", document, yyjson_arr_size(gates),
             plural((int64_t)yyjson_arr_size(gates), "gate", "gates"), now->count);
    if (!yyjson_equals_str(yyjson_obj_get(root, "overall_verdict"), gate_verdict_name(gates_overall(now))))
        find(verifying, "%s prints another verdict than its gates give", document);
}

/* printing: where all gates are printed, and what they are now. */
struct printing {
    struct verifying *verifying;
    const struct gate_results *now;
};

static enum status summary_visit(void *context, const char *path)
{
    struct printing *printing = context;
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name, "/summary_", 9) != 0 || !evidence_ends(name, ".json"))
        return STATUS_OK;
    yyjson_doc *there = evidence_json(path);
    check_printed(printing->verifying, name + 1, yyjson_doc_get_root(there), printing->now);
    yyjson_doc_free(there);
    return STATUS_OK;
}

static void check_passed(struct verifying *verifying, const struct gate_results *gates)
{
    char measured[F64_TEXT_BYTES], threshold[F64_TEXT_BYTES];
    if (!gates->count)
        find(verifying, "the run was judged by no gate");
    for (size_t i = 0; i < gates->count; i++) {
        const struct gate_result *gate = &gates->items[i];
        f64_text(gate->measured, measured);
        f64_text(gate->threshold, threshold);
        if (gate->verdict != GATE_PASS)
            find(verifying, "gate %s: %s %s, must be %s %s", gate->id,
                 isnan(gate->measured) ? "not measured" : measured, gate->unit, gate->op, threshold);
        else if (!verifying->as_json)
            printf("ok    gate %s: %s %s %s %s\n", gate->id, measured, gate->unit, gate->op, threshold);
    }
}

static void check_gates(struct verifying *verifying, yyjson_val *index, yyjson_val *manifest)
{
    struct gate_conditions conditions = {.set = GATES_NONE};
    struct gate_results gates = {.count = 0};
    struct error error = {{0}};
    if (pack_judge(verifying->pack, &conditions, &gates, &error) != STATUS_OK) {
        find(verifying, "%s", error.text);
        return;
    }
    check_printed(verifying, "index.json", index, &gates);
    check_printed(verifying, "the run manifest", manifest, &gates);
    struct printing printing = {verifying, &gates};
    (void)!folder_walk(verifying->pack->folder, summary_visit, &printing);
    check_passed(verifying, &gates);
    verifying->refusal = pack_release_refusal(&conditions, &gates);
    yyjson_val *release = yyjson_obj_get(index, "release_evidence"),
               *refusal = yyjson_obj_get(index, "release_refusal");
    bool said = verifying->refusal ? yyjson_equals_str(refusal, verifying->refusal) : yyjson_is_null(refusal);
    if (!yyjson_is_bool(release) || yyjson_get_bool(release) != !verifying->refusal || !said)
        find(verifying, "index.json is wrong about being evidence for a release");
}

/* --- the whole --- */

static int tell(const struct verifying *verifying)
{
    bool good = verifying->finding_count == 0, release = good && !verifying->refusal;
    if (verifying->as_json) {
        printf("{\"run_id\":\"%s\",\"verdict\":\"%s\",\"release_evidence\":%s,\"findings\":[%.*s]}\n",
               verifying->pack->run_id, good ? "PASS" : "FAIL", release ? "true" : "false",
               (int)verifying->findings.length,
               verifying->findings.data ? (const char *)verifying->findings.data : "");
    } else {
        printf("%s: %s, %zu %s%s%s\n", verifying->pack->folder, good ? "PASS" : "FAIL",
               verifying->finding_count, plural((int64_t)verifying->finding_count, "finding", "findings"),
               good && !release ? "; no evidence for a release: " : "",
               good && !release ? verifying->refusal : "");
    }
    return good ? EXIT_FINE : EXIT_NOT_EVEN;
}

int pack_verify(struct pack *pack, bool as_json)
{
    struct verifying verifying = {.pack = pack, .as_json = as_json, .refusal = "a gate does not pass"};
    struct evidence_places places = {.run_id = pack->run_id};
    struct error error = {{0}};
    char path[PATH_BYTES];
    evidence_places_pack(&places, pack->folder);
    path_join(path, pack->folder, "index.json");
    yyjson_doc *index = evidence_json(path), *manifest = evidence_json(places.manifest_path);
    buffer_init(&verifying.findings, 0);
    if (!yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(index), "run_id"), pack->run_id))
        find(&verifying, "%s is missing, damaged or another run's: build it with orchctl evidence build",
             path);
    check_files(&verifying, yyjson_obj_get(yyjson_doc_get_root(index), "files"));
    check_captures(&verifying, yyjson_obj_get(yyjson_doc_get_root(index), "files"),
                   yyjson_obj_get(yyjson_doc_get_root(manifest), "raw_files"));
    if (!pack_is_final(yyjson_doc_get_root(manifest)) ||
        !yyjson_is_true(yyjson_obj_get(yyjson_doc_get_root(index), "final")))
        find(&verifying, "the run was not concluded when this pack was built: it is unfinished, and no "
                         "verdict stands in it");
    if (pack_folders_take(pack, yyjson_doc_get_root(manifest), &error) != STATUS_OK) {
        find(&verifying, "%s", error.text);
    } else {
        check_parity(&verifying);
        (void)!folder_walk(pack->folder, quality_visit, &verifying);
        check_gates(&verifying, yyjson_doc_get_root(index), yyjson_doc_get_root(manifest));
    }
    yyjson_doc_free(index);
    yyjson_doc_free(manifest);
    int code = tell(&verifying);
    buffer_finish(&verifying.findings);
    return code;
}
