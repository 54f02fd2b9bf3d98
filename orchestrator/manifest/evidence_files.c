/* The other files of a run: Parquet parts, orders, the comparison of the sinks, the loss ledger, the log. */
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "evidence_private.h"
#include "proto/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_KINDS = 7 };

static const char *const KIND_NAMES[DATA_KINDS] = {"prices", "orderbook", "ofi",     "cvd",
                                                   "fusion", "events",    "features"};

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
    evidence_add(evidence, "orders_sides", (double)((orders.buy > 0) + (orders.sell > 0)), path, "side");
    evidence_add(evidence, "orders_repeated", (double)orders.repeated, path, "order_id");
}

/* --- comparison of the sinks --- */

static void from_parity(const struct evidence_places *places, struct evidence *evidence)
{
    static const char *const FIELDS[] = {"only_jsonl",       "only_sqlite",  "content_mismatch",
                                         "duplicates_jsonl", "key_conflict", "jsonl_bad_lines",
                                         "sqlite_bad_rows"};
    const char *path = places->parity_path;
    yyjson_doc *document = evidence_json(path);
    yyjson_val *root = yyjson_doc_get_root(document);
    int64_t different = 0;
    bool known = root != NULL && yyjson_equals_str(yyjson_obj_get(root, "run_id"), places->run_id);
    for (size_t i = 0; known && i < sizeof FIELDS / sizeof *FIELDS; i++) {
        yyjson_val *value = yyjson_obj_get(root, FIELDS[i]);
        known = yyjson_is_int(value);
        different += yyjson_get_sint(value);
    }
    yyjson_val *jsonl = yyjson_obj_get(yyjson_obj_get(root, "jsonl_stats"), "total"),
               *sqlite = yyjson_obj_get(yyjson_obj_get(root, "sqlite_stats"), "total");
    if (known && yyjson_is_int(jsonl) && yyjson_is_int(sqlite)) /* the smaller: neither may be empty */
        evidence_add(evidence, "parity_rows",
                     (double)(yyjson_get_sint(jsonl) < yyjson_get_sint(sqlite) ? yyjson_get_sint(jsonl)
                                                                               : yyjson_get_sint(sqlite)),
                     path, "jsonl_stats.total, sqlite_stats.total");
    const char *left = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "jsonl_stats"), "content_hash"));
    const char *right = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "sqlite_stats"), "content_hash"));
    if (known && left && right)
        evidence_add(
            evidence, "sink_differences", (double)(different + (strcmp(left, right) != 0)), path,
            "only_* + content_mismatch + duplicates_jsonl + key_conflict + bad lines and rows, content_hash");
    yyjson_doc_free(document);
}

/* --- loss ledger --- */

/* from_ledger: lines that do not balance; not known while there is one that could not be judged and none that
 * failed. */
static void from_ledger(const struct evidence_places *places, struct evidence *evidence)
{
    yyjson_doc *document = evidence_json(places->ledger_path);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *unbalanced = yyjson_obj_get(root, "unbalanced"), *unknown = yyjson_obj_get(root, "unknown");
    if (yyjson_equals_str(yyjson_obj_get(root, "run_id"), places->run_id) && yyjson_is_int(unbalanced) &&
        yyjson_is_int(unknown) && yyjson_arr_size(yyjson_obj_get(root, "lines")) > 0 &&
        (yyjson_get_sint(unbalanced) > 0 || yyjson_get_sint(unknown) == 0))
        evidence_add(evidence, "ledger_unbalanced", (double)yyjson_get_sint(unbalanced), places->ledger_path,
                     "unbalanced");
    yyjson_doc_free(document);
}

/* --- log --- */

bool evidence_log_read(const struct evidence_places *places, int turns, evidence_line *take, void *context)
{
    char path[PATH_BYTES + 16], *line = NULL, run[RUN_ID_BYTES + 16];
    size_t room = 0;
    snprintf(path, sizeof path, turns ? "%s.%d" : "%s", places->log_path, turns);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    snprintf(run, sizeof run, " run_id=%s ", places->run_id);
    while (take && getline(&line, &room, file) > 0)
        if (strstr(line, run))
            take(context, line);
    free(line);
    fclose(file);
    return true;
}

static const char *const LOG_EVENTS[] = {"Start", "Ready", "Health", "Stop"};

enum { LOG_EVENT_COUNT = sizeof LOG_EVENTS / sizeof *LOG_EVENTS };

struct log_events {
    bool seen[LOG_EVENT_COUNT][MODULE_COUNT];
};

static void log_take(void *context, const char *line)
{
    struct log_events *events = context;
    char event[32], name[64];
    if (sscanf(line, "%*s %*s %*s %31s", event) != 1 ||
        sscanf(strstr(line, " run_id=") + 1, "%*s name=%63s", name) != 1 || module_of(name) == MODULE_COUNT)
        return;
    for (size_t i = 0; i < LOG_EVENT_COUNT; i++)
        if (strcmp(event, LOG_EVENTS[i]) == 0)
            events->seen[i][module_of(name)] = true;
}

/* from_log: the newest file first: one that is turned over meanwhile is seen twice, not missed. */
static void from_log(const struct evidence_places *places, struct evidence *evidence)
{
    struct log_events events = {0};
    int turns = 0;
    while (evidence_log_read(places, turns, log_take, &events))
        turns++;
    if (!turns)
        return;
    int64_t missing = 0;
    for (size_t i = 0; i < LOG_EVENT_COUNT; i++)
        for (size_t j = 0; j < MODULE_COUNT; j++)
            missing += (places->modules & module_bit(j)) && !events.seen[i][j];
    evidence_add(evidence, "log_events_missing", (double)missing, places->log_path,
                 "Start, Ready, Health, Stop");
}

void evidence_from_files(const struct evidence_places *places, struct evidence *evidence)
{
    from_parquet(places, evidence);
    from_orders(places, evidence);
    from_parity(places, evidence);
    from_ledger(places, evidence);
    from_log(places, evidence);
}
