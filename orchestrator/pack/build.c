/* Building the pack: copies and names, then the verdict over the copies, then index and sums. In a folder of its own beside the
 * place, renamed at the end: a pack is whole or not there. */
#include "pack.h"

#include "base/clock.h"
#include "base/text.h"
#include "config/plan.h"
#include "journal/capture_files.h"
#include "orchestrator/manifest/evidence_private.h"
#include "store/shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct building {
    struct pack *pack;
    struct evidence_places live; /* where the run wrote its documents */
    enum status status;          /* of the first thing that went wrong */
    struct error error;
};

static void note(struct building *building, enum status status, const struct error *error)
{
    if (building->status == STATUS_OK && status != STATUS_OK) {
        building->status = status;
        building->error = *error;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void put(struct building *building, const char *name, const char *role, const void *data, size_t bytes)
{
    char path[PATH_BYTES];
    struct error error = {{0}};
    path_join(path, building->pack->folder, "%s", name);
    enum status status = file_replace(path, data, bytes, false);
    if (status != STATUS_OK)
        error_set(&error, status, "%s cannot be written: %m", path);
    else
        status = pack_add(building->pack, name, role, SCOPE_PACK, &error);
    note(building, status, &error);
}

/* copy: a document; one that is not there is left out: its gates will be UNKNOWN. */
static void copy(struct building *building, const char *path, const char *role)
{
    struct buffer text;
    struct error error = {{0}};
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK)
        put(building, base_name(path), role, text.data, text.length);
    else if (status != STATUS_NOT_FOUND)
        note(building, error_set(&error, status, "%s cannot be read: %m", path), &error);
    buffer_finish(&text);
}

static bool is_ours(const struct building *building, const char *path)
{
    yyjson_doc *document = evidence_json(path);
    bool ours = evidence_is_of(&building->live, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return ours;
}

static enum status summary_visit(void *context, const char *path)
{
    struct building *building = context;
    char markdown[PATH_BYTES];
    if (strncmp(base_name(path), "summary_", 8) != 0 || !evidence_ends(path, ".json") ||
        !is_ours(building, path))
        return STATUS_OK;
    copy(building, path, "summary_json");
    snprintf(markdown, sizeof markdown, "%.*s.md", (int)(strlen(path) - strlen(".json")), path);
    copy(building, markdown, "summary_md");
    return STATUS_OK;
}

/* canary_copy: the final report, if it is this run's. */
static void canary_copy(struct building *building, const struct evidence_places *live)
{
    yyjson_doc *document = evidence_json(live->canary_path);
    if (evidence_is_of(live, yyjson_doc_get_root(document)))
        copy(building, live->canary_path, "canary_report");
    yyjson_doc_free(document);
}

static enum status quality_visit(void *context, const char *path)
{
    struct building *building = context;
    if (evidence_ends(path, ".json") && is_ours(building, path))
        copy(building, path, "dq_report");
    return STATUS_OK;
}

static enum status status_visit(void *context, const char *path)
{
    struct building *building = context;
    struct buffer text;
    char name[PATH_BYTES];
    if (!evidence_ends(path, ".json") || !is_ours(building, path))
        return STATUS_OK;
    buffer_init(&text, 0);
    path_join(name, "snapshot", "%s", base_name(path));
    name[strlen("snapshot")] = '_'; /* snapshot_harvest.json */
    if (file_read(path, &text) == STATUS_OK)
        put(building, name, "status_snapshot", text.data, text.length);
    buffer_finish(&text);
    return STATUS_OK;
}

static void line_append(void *context, const char *line)
{
    buffer_append_text(context, line);
}

/* copy_log: the lines of this run, from the oldest file that is left; later runs write to the same. */
static void copy_log(struct building *building)
{
    struct buffer text;
    int turns = 0;
    while (evidence_log_read(&building->live, turns, NULL, NULL))
        turns++;
    if (!turns)
        return;
    buffer_init(&text, 0);
    while (turns-- > 0)
        (void)!evidence_log_read(&building->live, turns, line_append, &text);
    put(building, "orchestrator.log", "orchestrator_log", text.data, text.length);
    buffer_finish(&text);
}

/* copy_faults: the manifest's fault evidence as a file of its own. */
static void copy_faults(struct building *building, yyjson_val *manifest)
{
    size_t length = 0;
    char *text = yyjson_val_write(yyjson_obj_get(manifest, "fault_injection"), 0, &length);
    if (text)
        put(building, "fault_injection.json", "fault_evidence", text, length);
    free(text);
}

/* --- data --- */

struct naming {
    struct building *building;
    const char *role;
    bool (*is_of_run)(const char *path, const char *run_id);
};

static bool is_raw(const char *path, const char *run_id)
{
    return capture_file_number(path, run_id) > 0;
}

static bool is_part(const char *path, const char *run_id)
{
    char hex[SHA256_HEX_BYTES], part[16];
    sha256_hex(run_id, strlen(run_id), hex);
    snprintf(part, sizeof part, "-%.8s-", hex);
    return strstr(base_name(path), part) != NULL;
}

static bool is_shard(const char *path, const char *run_id)
{
    return shard_of_run(path, run_id, ".jsonl");
}

static enum status name_visit(void *context, const char *path)
{
    struct naming *naming = context;
    struct error error = {{0}};
    if (naming->is_of_run(path, naming->building->pack->run_id))
        note(naming->building, pack_add(naming->building->pack, path, naming->role, SCOPE_FILE, &error),
             &error);
    return STATUS_OK;
}

static void name_all(struct building *building, const char *folder, const char *role,
                     bool (*is_of_run)(const char *path, const char *run_id))
{
    struct naming naming = {.building = building, .role = role, .is_of_run = is_of_run};
    struct error error = {{0}};
    enum status status = folder_walk(folder, name_visit, &naming);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        note(building, error_set(&error, status, "%s cannot be read: %m", folder), &error);
}

static void name_shared(struct building *building, const char *name, const char *role)
{
    char path[PATH_BYTES];
    struct error error = {{0}};
    path_join(path, building->pack->output_dir, "%s", name);
    if (file_exists(path))
        note(building, pack_add(building->pack, path, role, SCOPE_RUN, &error), &error);
}

/* name_captures: of every instance of harvest that ever lived, each in its own folder. */
static void name_captures(struct building *building)
{
    char folder[PATH_BYTES], instance[PLAN_NAME_BYTES];
    for (size_t number = 1; number <= PLAN_INSTANCES_MAX; number++) {
        plan_instance_name("harvest", number, instance);
        path_join(folder, building->pack->data_root, "raw%s%s", number > 1 ? "-" : "",
                  number > 1 ? instance : "");
        name_all(building, folder, "raw_capture", is_raw);
    }
}

/* name_inputs: rows that were played, as the source manifest names them. */
static void name_inputs(struct building *building)
{
    yyjson_doc *document = evidence_json(building->live.source_path);
    yyjson_val *rows = yyjson_obj_get(yyjson_doc_get_root(document), "input_rows"), *input;
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(rows, "inputs"), index, count, input)
    {
        const char *path = yyjson_get_str(yyjson_obj_get(input, "path"));
        struct error error = {{0}};
        if (path)
            note(building, pack_add(building->pack, path, "input_rows", SCOPE_FILE, &error), &error);
    }
    yyjson_doc_free(document);
}

static void name_data(struct building *building)
{
    const struct pack *pack = building->pack;
    char folder[PATH_BYTES];
    name_captures(building);
    name_inputs(building);
    path_join(folder, pack->data_root, "ofi_cvd");
    name_all(building, folder, "data_set", is_part);
    name_all(building, pack->output_dir, "signals_jsonl", is_shard);
    name_shared(building, "signals.db", "signals_sqlite");
    name_shared(building, "mock_orders.jsonl", "orders");
}

/* --- index --- */

static void write_files(struct json *json, const struct pack *pack)
{
    json_key(json, "files");
    json_array_begin(json);
    for (size_t i = 0; i < pack->file_count; i++) {
        const struct pack_file *file = &pack->files[i];
        json_object_begin(json);
        json_key_text(json, "path", file->path);
        json_key_i64(json, "bytes", file->bytes);
        json_key_text(json, "sha256", file->sha256);
        json_key_text(json, "role", file->role);
        json_key_text(json, "scope", pack_scope_name(file->scope));
        json_object_end(json);
    }
    json_array_end(json);
}

/* sources_shorten: documents of the pack by their names, wherever the pack lies. */
static void sources_shorten(const struct pack *pack, struct gate_results *gates)
{
    size_t length = strlen(pack->folder);
    for (size_t i = 0; i < gates->count; i++) {
        char *source = gates->items[i].source_file;
        if (strncmp(source, pack->folder, length) != 0)
            continue;
        const char *rest = source[length] == '/' ? source + length + 1 : ".";
        memmove(source, rest, strlen(rest) + 1);
    }
}

static void write_index(struct building *building, const struct gate_conditions *conditions,
                        const struct gate_results *gates, bool is_final)
{
    struct clock clock = clock_system();
    struct buffer text;
    struct json json;
    char now[TIME_TEXT_BYTES];
    const char *refusal = pack_release_refusal(conditions, gates);
    time_iso_ms(clock_wall_ms(&clock), now);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_i64(&json, "schema_version", 1);
    json_key_text(&json, "run_id", building->pack->run_id);
    json_key_text(&json, "created_at", now);
    json_key_bool(&json, "final", is_final);
    json_key_text(&json, "gate_set", gate_set_name(conditions->set));
    json_key_f64(&json, "time_scale", conditions->time_scale);
    json_key_bool(&json, "release_evidence", is_final && !refusal);
    json_key_text(&json, "release_refusal",
                  refusal    ? refusal
                  : is_final ? NULL
                             : "the run was never concluded");
    write_files(&json, building->pack);
    json_key(&json, "gates");
    gates_json(gates, &json);
    json_key_text(&json, "overall_verdict", gate_verdict_name(gates_overall(gates)));
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    put(building, "index.json", "index", text.data, text.length);
    buffer_finish(&text);
}

/* write_sums: of everything in the folder; the index is the last file that was put there. */
static void write_sums(struct building *building)
{
    const struct pack *pack = building->pack;
    char path[PATH_BYTES];
    struct buffer text;
    struct error error = {{0}};
    buffer_init(&text, 0);
    for (size_t i = 0; i < pack->file_count; i++)
        if (pack->files[i].scope == SCOPE_PACK)
            buffer_format(&text, "%s  %s\n", pack->files[i].sha256, pack->files[i].path);
    path_join(path, pack->folder, "SHA256SUMS");
    enum status status = file_replace(path, text.data, text.length, false);
    if (status != STATUS_OK)
        note(building, error_set(&error, status, "%s cannot be written: %m", path), &error);
    buffer_finish(&text);
}

static void fill(struct building *building, yyjson_val *manifest)
{
    const struct evidence_places *live = &building->live;
    char folder[PATH_BYTES];
    struct gate_conditions conditions = {.set = GATES_NONE};
    struct gate_results gates = {.count = 0};
    struct error error = {{0}};
    bool is_final = pack_is_final(manifest);
    copy(building, live->manifest_path, "run_manifest");
    copy(building, live->source_path, "source_manifest");
    copy(building, live->parity_path, "parity_diff");
    copy(building, live->ledger_path, "ledger");
    copy(building, live->status_path, "status_snapshot");
    (void)!folder_walk(live->report_dir, summary_visit, building);
    (void)!folder_walk(live->quality_dir, quality_visit, building);
    canary_copy(building, live);
    path_join(folder, building->pack->output_dir, "status");
    (void)!folder_walk(folder, status_visit, building);
    copy_log(building);
    copy_faults(building, manifest);
    name_data(building);
    note(building, pack_judge(building->pack, &conditions, &gates, &error), &error);
    sources_shorten(building->pack, &gates);
    if (building->status == STATUS_OK)
        write_index(building, &conditions, &gates, is_final);
    write_sums(building);
}

/* replace: the new folder under the name of the pack; an older pack of the run goes. */
static void replace(struct building *building, const char *made, const char *place)
{
    struct error error = {{0}};
    enum status status = folder_remove(place);
    if (status == STATUS_OK && rename(made, place) != 0)
        status = STATUS_IO;
    if (status != STATUS_OK)
        note(building, error_set(&error, status, "%s cannot take its place: %s", place, strerror(errno)),
             &error);
}

static int tell(const struct building *building, const char *place, bool as_json)
{
    char path[PATH_BYTES];
    if (building->status != STATUS_OK) {
        if (as_json)
            pack_print_none(building->error.text);
        fprintf(stderr, "evidence: %s\n", building->error.text);
        return EXIT_REFUSED;
    }
    path_join(path, place, "index.json");
    yyjson_doc *index = evidence_json(path);
    yyjson_val *root = yyjson_doc_get_root(index);
    const char *verdict = yyjson_get_str(yyjson_obj_get(root, "overall_verdict"));
    bool is_final = yyjson_is_true(yyjson_obj_get(root, "final"));
    bool passed = is_final && verdict && strcmp(verdict, "PASS") == 0;
    const char *refusal = yyjson_get_str(yyjson_obj_get(root, "release_refusal"));
    size_t files = yyjson_arr_size(yyjson_obj_get(root, "files")),
           gates = yyjson_arr_size(yyjson_obj_get(root, "gates"));
    if (as_json)
        printf("{\"pack\":\"%s\",\"files\":%zu,\"final\":%s,\"overall_verdict\":\"%s\"}\n", place, files,
               is_final ? "true" : "false", verdict ? verdict : "UNKNOWN");
    else
        printf("%s: %zu %s, %zu %s, %s%s%s%s\n", place, files, plural((int64_t)files, "file", "files"), gates,
               plural((int64_t)gates, "gate", "gates"), verdict ? verdict : "UNKNOWN",
               is_final ? "" : "; UNFINISHED: the run was never concluded",
               yyjson_is_true(yyjson_obj_get(root, "release_evidence")) ? ""
                                                                        : "; no evidence for a release: ",
               refusal ? refusal : "");
    yyjson_doc_free(index);
    return passed ? EXIT_FINE : EXIT_NOT_EVEN;
}

/* refuse_unfinished: what is not written yet cannot be packed; a pack of it would look like one. A run whose orchestrator has
 * died can be packed as it lies there, and says of itself that it is not whole. */
static int refuse_unfinished(const struct pack *pack, bool ended, bool as_json)
{
    static const char LEFT[] =
        "wait until `orchctl status` names it no more under `concluding`, or for the event "
        "`concluded` (`orchctl events`); it needs nobody's help",
                      ABANDONED[] = "an orchestrator started here goes on with that",
                      ENDED[] = "wait until its orchestrator has ended",
                      FED[] =
                          "its evidence can be built when it has been concluded (`orchctl shutdown` ends it)";
    char why[RUN_ID_BYTES + 64];
    const char *remedy = !ended ? FED : !pack->is_left ? ENDED : pack->is_led ? LEFT : ABANDONED;
    snprintf(why, sizeof why, "run %s %s", pack->run_id,
             ended ? "has ended and is still being concluded" : "is still going on");
    if (as_json)
        pack_print_none(why);
    fprintf(stderr, "evidence: %s: %s\n", why, remedy);
    return EXIT_REFUSED;
}

int pack_build(struct pack *pack, bool as_json)
{
    struct building building = {.pack = pack, .live = {.run_id = pack->run_id}};
    char place[PATH_BYTES];
    evidence_places_live(&building.live, pack->artifacts_dir, pack->logs_dir);
    yyjson_doc *manifest = evidence_json(building.live.manifest_path);
    yyjson_val *root = yyjson_doc_get_root(manifest);
    if ((pack->goes_on || pack->is_left) && !pack_is_final(root)) {
        bool ended = pack->is_left || !yyjson_equals_str(yyjson_obj_get(root, "state"), "running");
        yyjson_doc_free(manifest);
        return refuse_unfinished(pack, ended, as_json);
    }
    building.status = pack_folders_take(pack, yyjson_doc_get_root(manifest), &building.error);
    if (building.status == STATUS_OK) {
        memcpy(place, pack->folder, sizeof place);
        path_join(pack->folder, pack->artifacts_dir, "evidence/.%s.tmp", pack->run_id);
        note(&building, folder_remove(pack->folder), &building.error);
        note(&building, folder_make(pack->folder, 0755), &building.error);
        fill(&building, yyjson_doc_get_root(manifest));
        if (building.status == STATUS_OK)
            replace(&building, pack->folder, place);
    }
    yyjson_doc_free(manifest);
    return tell(&building, place, as_json);
}
