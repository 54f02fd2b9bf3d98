#include "parity.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void write_stats(struct json *json, const char *key, const struct parity_stats *stats)
{
    json_key(json, key);
    json_object_begin(json);
    json_key_i64(json, "total", stats->total);
    json_key_i64(json, "confirmed", stats->confirmed);
    json_key_i64(json, "strong", stats->strong);
    json_key_f64(json, "strong_ratio", stats->strong_ratio);
    json_key_text(json, "content_hash", stats->content_hash);
    json_object_end(json);
}

static void write_line(struct json *json, const char *key, const char *line)
{
    json_key(json, key);
    if (line)
        json_raw(json, line, strlen(line));
    else
        json_null(json);
}

static void write_examples(struct json *json, const struct parity *parity)
{
    json_key(json, "mismatch_examples");
    json_array_begin(json);
    for (size_t i = 0; i < parity->example_count; i++) {
        const struct parity_example *example = &parity->examples[i];
        json_object_begin(json);
        json_key_text(json, "kind", PARITY_DIFFERENCE_NAMES[example->kind]);
        json_key_i64(json, "ts_ms", example->ts_ms);
        json_key_text(json, "symbol", example->symbol);
        write_line(json, "jsonl", example->jsonl);
        write_line(json, "sqlite", example->sqlite);
        json_object_end(json);
    }
    json_array_end(json);
}

/* percent: of the JSONL side, which counts at least 1. */
static double percent(int64_t jsonl, int64_t sqlite)
{
    return 100.0 * (double)llabs(jsonl - sqlite) / (double)(jsonl > 1 ? jsonl : 1);
}

static void write_differences(struct json *json, const struct parity *parity)
{
    const struct parity_stats *jsonl = &parity->jsonl, *sqlite = &parity->sqlite;
    json_key(json, "differences");
    json_object_begin(json);
    json_key_f64(json, "total_diff_pct", percent(jsonl->total, sqlite->total));
    json_key_f64(json, "confirm_diff_pct", percent(jsonl->confirmed, sqlite->confirmed));
    json_key_f64(json, "strong_ratio_diff_pct", 100.0 * fabs(jsonl->strong_ratio - sqlite->strong_ratio));
    json_object_end(json);
    json_key_i64(json, "threshold_pct", 0);
}

static void write_alignment(struct json *json, const struct parity *parity)
{
    int64_t both = 0, jsonl = 0, sqlite = 0;
    for (size_t i = 0; i < parity->minute_count; i++) {
        const struct parity_minute *minute = &parity->minutes[i];
        both += minute->jsonl && minute->sqlite;
        jsonl += minute->jsonl > 0;
        sqlite += minute->sqlite > 0;
    }
    size_t count = parity->minute_count;
    const char *status = !count                  ? "empty"
                         : !both                 ? "no_overlap"
                         : (size_t)both == count ? "full_overlap"
                                                 : "partial_overlap";
    json_key(json, "window_alignment");
    json_object_begin(json);
    json_key_text(json, "status", status);
    json_key(json, "first_minute");
    if (count)
        json_i64(json, parity->minutes[0].minute);
    else
        json_null(json);
    json_key(json, "last_minute");
    if (count)
        json_i64(json, parity->minutes[count - 1].minute);
    else
        json_null(json);
    json_key_i64(json, "overlap_minutes", both);
    json_key_i64(json, "jsonl_only_minutes", jsonl - both);
    json_key_i64(json, "sqlite_only_minutes", sqlite - both);
    json_key_i64(json, "jsonl_total_minutes", jsonl);
    json_key_i64(json, "sqlite_total_minutes", sqlite);
    json_object_end(json);
}

static int compare_minutes(const void *left, const void *right)
{
    const struct parity_minute *a = left, *b = right;
    int64_t a_size = llabs(a->jsonl - a->sqlite), b_size = llabs(b->jsonl - b->sqlite);
    if (a_size != b_size)
        return a_size < b_size ? 1 : -1;
    return (a->minute > b->minute) - (a->minute < b->minute);
}

static void write_top_minutes(struct json *json, const struct parity_minute *sorted, size_t count)
{
    json_key(json, "top_minute_diffs");
    json_array_begin(json);
    for (size_t i = 0; i < count && i < PARITY_TOP_MINUTES; i++) {
        json_object_begin(json);
        json_key_i64(json, "minute", sorted[i].minute);
        json_key_i64(json, "jsonl_count", sorted[i].jsonl);
        json_key_i64(json, "sqlite_count", sorted[i].sqlite);
        json_key_i64(json, "diff", sorted[i].jsonl - sorted[i].sqlite);
        json_key_f64(json, "diff_pct", percent(sorted[i].jsonl, sorted[i].sqlite));
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_minutes(struct json *json, const struct parity *parity)
{
    struct parity_minute *differing = memory_allocate((parity->minute_count + 1) * sizeof *differing);
    size_t count = 0;
    for (size_t i = 0; i < parity->minute_count; i++)
        if (parity->minutes[i].jsonl != parity->minutes[i].sqlite)
            differing[count++] = parity->minutes[i];
    struct parity_minute *sorted = memory_copy(differing, count * sizeof *differing);
    if (count)
        qsort(sorted, count, sizeof *sorted, compare_minutes);
    write_top_minutes(json, sorted, count);
    json_key(json, "threshold_exceeded_minutes");
    json_array_begin(json);
    for (size_t i = 0; i < count; i++)
        json_i64(json, differing[i].minute);
    json_array_end(json);
    free(sorted);
    free(differing);
}

void parity_json(const struct parity *parity, struct json *json)
{
    json_object_begin(json);
    json_key_text(json, "run_id", parity->run_id);
    write_stats(json, "jsonl_stats", &parity->jsonl);
    write_stats(json, "sqlite_stats", &parity->sqlite);
    json_key_i64(json, "only_jsonl", parity->only_jsonl);
    json_key_i64(json, "only_sqlite", parity->only_sqlite);
    json_key_i64(json, "content_mismatch", parity->content_mismatch);
    write_examples(json, parity);
    json_key_i64(json, "duplicates_jsonl", parity->duplicates_jsonl);
    json_key_i64(json, "key_conflict", parity->key_conflict);
    write_differences(json, parity);
    write_alignment(json, parity);
    write_minutes(json, parity);
    json_key_text(json, "verdict", VERDICT_NAMES[parity->verdict]);
    json_key_i64(json, "jsonl_bad_lines", parity->bad_jsonl);
    json_key_i64(json, "sqlite_bad_rows", parity->bad_sqlite);
    json_object_end(json);
}

enum status parity_write(const struct parity *parity, const char *artifacts_dir, bool sync,
                         struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    parity_json(parity, &json);
    buffer_append_byte(&text, '\n');
    path_join(path, artifacts_dir, "parity_diff_%s.json", parity->run_id);
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text.data, text.length, sync);
    buffer_finish(&text);
    if (status != STATUS_OK)
        error_set(error, status, "%s: cannot be written: %s", path, strerror(errno));
    return status;
}
