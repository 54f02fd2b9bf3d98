/* The other files of a run: Parquet parts, orders, summaries, the comparison of the sinks, the loss ledger,
 * manifest and log. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "config/plan.h"
#include "evidence.h"
#include "proto/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { JSON_BYTES_MAX = 64 * 1024 * 1024, DATA_KINDS = 7 };

static const char *const KIND_NAMES[DATA_KINDS] = {"prices", "orderbook", "ofi",     "cvd",
                                                   "fusion", "events",    "features"};

static yyjson_doc *json_open(const char *path)
{
    struct buffer text;
    buffer_init(&text, JSON_BYTES_MAX);
    yyjson_doc *document = NULL;
    if (file_read(path, &text) == STATUS_OK)
        document = yyjson_read((const char *)text.data, text.length, 0);
    buffer_finish(&text);
    return document;
}

/* --- Parquet: the file names carry their rows --- */

struct parts {
    char writer[9]; /* of this run */
    int64_t rows[DATA_KINDS];
};

static enum status part_visit(void *context, const char *path)
{
    struct parts *parts = context;
    const char *kind = strstr(path, "/kind="), *name = strrchr(path, '/');
    long long first, last, rows;
    char writer[9];
    if (!kind || sscanf(name, "/part-%lld-%lld-%lld-%8[0-9a-f]-", &first, &last, &rows, writer) != 4 ||
        strcmp(writer, parts->writer) != 0)
        return STATUS_OK;
    for (size_t i = 0; i < DATA_KINDS; i++) {
        size_t length = strlen(KIND_NAMES[i]);
        if (strncmp(kind + 6, KIND_NAMES[i], length) == 0 && kind[6 + length] == '/')
            parts->rows[i] += rows;
    }
    return STATUS_OK;
}

static void from_parquet(const struct evidence_places *places, struct evidence *evidence)
{
    struct parts parts = {.rows = {0}};
    char hex[SHA256_HEX_BYTES], root[PATH_BYTES], name[EVIDENCE_NAME_BYTES];
    if (!(places->modules & module_bit(MODULE_ARCHIVE)))
        return;
    sha256_hex(places->run_id, strlen(places->run_id), hex);
    memcpy(parts.writer, hex, 8);
    path_join(root, places->data_root, "ofi_cvd");
    enum status status = folder_walk(root, part_visit, &parts);
    for (size_t i = 0; i < DATA_KINDS && (status == STATUS_OK || status == STATUS_NOT_FOUND); i++) {
        snprintf(name, sizeof name, "rows_%s", KIND_NAMES[i]);
        evidence_add(evidence, name, (double)parts.rows[i], root, "rows in the names of this run's parts");
    }
}

/* --- orders --- */

struct orders {
    int64_t total, buy, sell, repeated;
};

static void order_take(struct orders *orders, struct map *ids, const char *run_id, char *line, size_t length)
{
    yyjson_doc *document = yyjson_read(line, length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *id = yyjson_get_str(yyjson_obj_get(root, "order_id"));
    if (id && yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id)) {
        orders->total++;
        orders->buy += yyjson_equals_str(yyjson_obj_get(root, "side"), "BUY");
        orders->sell += yyjson_equals_str(yyjson_obj_get(root, "side"), "SELL");
        orders->repeated += map_get(ids, id) != MAP_ABSENT;
        map_put(ids, id, 1);
    }
    yyjson_doc_free(document);
}

static void from_orders(const struct evidence_places *places, struct evidence *evidence)
{
    struct orders orders = {0};
    struct map ids;
    char path[PATH_BYTES], *line = NULL;
    size_t room = 0;
    ssize_t got;
    path_join(path, places->output_dir, "mock_orders.jsonl");
    FILE *file = places->modules & module_bit(MODULE_BROKER) ? fopen(path, "re") : NULL;
    if (!file)
        return;
    map_init(&ids);
    while ((got = getline(&line, &room, file)) > 0)
        order_take(&orders, &ids, places->run_id, line, (size_t)got);
    map_finish(&ids);
    free(line);
    fclose(file);
    evidence_add(evidence, "orders", (double)orders.total, path, "lines");
    evidence_add(evidence, "orders_buy", (double)orders.buy, path, "side");
    evidence_add(evidence, "orders_sell", (double)orders.sell, path, "side");
    evidence_add(evidence, "orders_repeated", (double)orders.repeated, path, "order_id");
}

/* --- summaries --- */

struct summaries {
    const char *run_id;
    int64_t found, missing_fields;
    int64_t named_ids; /* trade ids the newest one names as missing; -1: it does not say */
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

static enum status summary_visit(void *context, const char *path)
{
    static const char *const FIELDS[] = {"total",      "buy_ratio", "strong_ratio",
                                         "per_minute", "dropped",   "warnings"};
    struct summaries *summaries = context;
    const char *name = strrchr(path, '/');
    size_t length = strlen(path);
    if (!name || strncmp(name, "/summary_", 9) != 0 || length < 5 || strcmp(path + length - 5, ".json") != 0)
        return STATUS_OK;
    yyjson_doc *document = json_open(path);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (yyjson_equals_str(yyjson_obj_get(root, "run_id"), summaries->run_id)) {
        bool confirmed = yyjson_get_sint(yyjson_obj_get(root, "confirmed")) > 0;
        for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
            yyjson_val *value = yyjson_obj_get(root, FIELDS[i]);
            bool ratio =
                strstr(FIELDS[i], "_ratio") != NULL; /* null by definition while nothing is confirmed */
            summaries->missing_fields += !value || (yyjson_is_null(value) && (!ratio || confirmed));
        }
        summaries->named_ids = named_ids(yyjson_obj_get(root, "volumes"));
        summaries->found++;
        snprintf(summaries->newest, sizeof summaries->newest, "%s", path);
    }
    yyjson_doc_free(document);
    return STATUS_OK;
}

static void from_summaries(const struct evidence_places *places, struct evidence *evidence)
{
    struct summaries summaries = {.run_id = places->run_id};
    char root[PATH_BYTES];
    path_join(root, places->logs_dir, "report");
    if (!(places->modules & module_bit(MODULE_REPORT)) ||
        folder_walk(root, summary_visit, &summaries) != STATUS_OK)
        return;
    evidence_add(evidence, "summaries", (double)summaries.found, root, "files of this run");
    if (summaries.found)
        evidence_add(evidence, "summary_fields_missing", (double)summaries.missing_fields, summaries.newest,
                     "total, buy_ratio, strong_ratio, per_minute, dropped, warnings");
    const struct evidence_fact *counted = evidence_find(evidence, "trade_gap_ids");
    if (summaries.found && counted && summaries.named_ids >= 0)
        evidence_add(evidence, "gap_ids_unnamed", counted->value - (double)summaries.named_ids,
                     summaries.newest, "trade_gap_ids_total of harvest - volumes.*.missing_trade_ids");
}

/* --- comparison of the sinks --- */

static void from_parity(const struct evidence_places *places, struct evidence *evidence)
{
    static const char *const FIELDS[] = {"only_jsonl", "only_sqlite", "content_mismatch", "duplicates_jsonl",
                                         "key_conflict"};
    char path[PATH_BYTES];
    path_join(path, places->artifacts_dir, "parity_diff_%s.json", places->run_id);
    yyjson_doc *document = json_open(path);
    yyjson_val *root = yyjson_doc_get_root(document);
    int64_t different = 0;
    bool known = root != NULL && yyjson_equals_str(yyjson_obj_get(root, "run_id"), places->run_id);
    for (size_t i = 0; known && i < sizeof FIELDS / sizeof *FIELDS; i++) {
        yyjson_val *value = yyjson_obj_get(root, FIELDS[i]);
        known = yyjson_is_int(value);
        different += yyjson_get_sint(value);
    }
    const char *left = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "jsonl_stats"), "content_hash"));
    const char *right = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "sqlite_stats"), "content_hash"));
    if (known && left && right)
        evidence_add(
            evidence, "sink_differences", (double)(different + (strcmp(left, right) != 0)), path,
            "only_jsonl + only_sqlite + content_mismatch + duplicates_jsonl + key_conflict, content_hash");
    yyjson_doc_free(document);
}

/* --- loss ledger --- */

/* from_ledger: lines that do not balance; not known while there is one that could not be judged and none that
 * failed. */
static void from_ledger(const struct evidence_places *places, struct evidence *evidence)
{
    yyjson_doc *document = json_open(places->ledger_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *unbalanced = yyjson_obj_get(root, "unbalanced"), *unknown = yyjson_obj_get(root, "unknown");
    if (yyjson_equals_str(yyjson_obj_get(root, "run_id"), places->run_id) && yyjson_is_int(unbalanced) &&
        yyjson_is_int(unknown) && yyjson_arr_size(yyjson_obj_get(root, "lines")) > 0 &&
        (yyjson_get_sint(unbalanced) > 0 || yyjson_get_sint(unknown) == 0))
        evidence_add(evidence, "ledger_unbalanced", (double)yyjson_get_sint(unbalanced), places->ledger_path,
                     "unbalanced");
    yyjson_doc_free(document);
}

/* --- manifest and log --- */

/* number_at: which instance of a module stands at a place of the list, 0: none. */
static size_t number_at(yyjson_val *order, size_t place, size_t module)
{
    const char *name = yyjson_get_str(yyjson_arr_get(order, place));
    return name ? plan_instance_number(module_at(module)->name, name) : 0;
}

/* order_mistakes: names of shutdown_order that are not where the reverse start order has them; of a module with several
 * instances at least one has to be there. */
static int64_t order_mistakes(yyjson_val *order, module_set modules)
{
    int64_t mistakes = 0;
    size_t place = 0;
    for (size_t i = MODULE_COUNT; i > 0; i--) {
        if (!(modules & module_bit(i - 1)))
            continue;
        size_t number = number_at(order, place++, i - 1);
        mistakes += !number;
        for (size_t next; number > 1 && (next = number_at(order, place, i - 1)) && next < number; place++)
            number = next;
    }
    return mistakes + (yyjson_arr_size(order) > place);
}

static int64_t stop_kills(yyjson_val *processes)
{
    size_t index, count;
    yyjson_val *name, *process;
    int64_t kills = 0;
    yyjson_obj_foreach(processes, index, count, name, process) kills +=
        yyjson_is_true(yyjson_obj_get(process, "killed_on_stop"));
    return kills;
}

static void from_manifest(const struct evidence_places *places, struct evidence *evidence)
{
    yyjson_doc *document = json_open(places->manifest_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    bool ours = yyjson_equals_str(yyjson_obj_get(root, "run_id"), places->run_id);
    evidence_add(evidence, "manifests", ours, places->manifest_path, "run_id");
    if (ours) {
        yyjson_val *usage = yyjson_obj_get(root, "resource_usage");
        yyjson_val *rss = yyjson_obj_get(usage, "max_rss_mb"),
                   *files = yyjson_obj_get(usage, "max_open_files");
        evidence_add(evidence, "shutdown_mistakes",
                     (double)order_mistakes(yyjson_obj_get(root, "shutdown_order"), places->modules),
                     places->manifest_path, "shutdown_order");
        evidence_add(evidence, "shutdown_kills", (double)stop_kills(yyjson_obj_get(root, "processes")),
                     places->manifest_path, "processes.*.killed_on_stop");
        if (yyjson_is_num(rss))
            evidence_add(evidence, "max_rss_mb", yyjson_get_num(rss), places->manifest_path,
                         "resource_usage.max_rss_mb");
        if (yyjson_is_int(files))
            evidence_add(evidence, "max_open_files", (double)yyjson_get_sint(files), places->manifest_path,
                         "resource_usage.max_open_files");
    }
    yyjson_doc_free(document);
}

static void from_log(const struct evidence_places *places, struct evidence *evidence)
{
    static const char *const EVENTS[] = {"Start", "Ready", "Health", "Stop"};
    bool seen[sizeof EVENTS / sizeof *EVENTS][MODULE_COUNT] = {{0}};
    FILE *file = fopen(places->log_path, "re");
    if (!file)
        return;
    char *line = NULL, run[RUN_ID_BYTES + 16];
    size_t room = 0;
    snprintf(run, sizeof run, " run_id=%s ", places->run_id);
    while (getline(&line, &room, file) > 0) {
        char event[32], name[64];
        const char *at = strstr(line, run);
        if (!at || sscanf(line, "%*s %*s %*s %31s", event) != 1 ||
            sscanf(at + strlen(run), "name=%63s", name) != 1)
            continue;
        for (size_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++)
            if (strcmp(event, EVENTS[i]) == 0 && module_of(name) < MODULE_COUNT)
                seen[i][module_of(name)] = true;
    }
    free(line);
    fclose(file);
    int64_t missing = 0;
    for (size_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++)
        for (size_t j = 0; j < MODULE_COUNT; j++)
            missing += (places->modules & module_bit(j)) && !seen[i][j];
    evidence_add(evidence, "log_events_missing", (double)missing, places->log_path,
                 "Start, Ready, Health, Stop");
}

void evidence_from_files(const struct evidence_places *places, struct evidence *evidence)
{
    from_parquet(places, evidence);
    from_orders(places, evidence);
    from_summaries(places, evidence);
    from_parity(places, evidence);
    from_ledger(places, evidence);
    from_manifest(places, evidence);
    from_log(places, evidence);
}
