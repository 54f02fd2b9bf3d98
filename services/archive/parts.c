#include "parts.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void parts_init(struct parts *parts, const char *root, const char *run_id, bool sync)
{
    char hash[SHA256_HEX_BYTES];
    *parts = (struct parts){.sync = sync};
    snprintf(parts->root, sizeof parts->root, "%s", root);
    sha256_hex(run_id, strlen(run_id), hash);
    snprintf(parts->writer, sizeof parts->writer, "%.8s", hash);
}

void parts_finish(struct parts *parts)
{
    free(parts->items);
    parts->items = NULL;
    parts->count = parts->capacity = 0;
}

void part_path(const struct parts *parts, const struct part *part, char out_path[PATH_BYTES])
{
    char date[TIME_TEXT_BYTES];
    time_date(part->first_ts_ms, date);
    path_join(out_path, parts->root, "date=%s/symbol=%s/kind=%s/part-%lld-%lld-%lld-%s-%lld%s.parquet", date,
              part->symbol, KINDS[part->kind].name, (long long)part->first_ts_ms, (long long)part->last_ts_ms,
              (long long)part->rows, parts->writer, (long long)part->number, part->is_hour ? "-h" : "");
}

bool part_parse(const struct parts *parts, const char *path, struct part *out_part)
{
    struct part part = {0};
    char kind[16], writer[WRITER_HEX_BYTES], suffix[16], again[PATH_BYTES];
    long long first, last, rows, number;
    size_t root = strlen(parts->root);
    if (strncmp(path, parts->root, root) != 0 ||
        sscanf(path + root,
               "/date=%*10[0-9-]/symbol=%31[^/]/kind=%15[a-z]/part-%lld-%lld-%lld-%8[0-9a-f]-%lld%15s",
               part.symbol, kind, &first, &last, &rows, writer, &number, suffix) != 8)
        return false;
    part.kind = kind_of_name(kind, strlen(kind));
    part.first_ts_ms = first;
    part.last_ts_ms = last;
    part.rows = rows;
    part.number = number;
    part.is_hour = strcmp(suffix, "-h.parquet") == 0;
    if (part.kind == KIND_NONE || strcmp(writer, parts->writer) != 0 ||
        (!part.is_hour && strcmp(suffix, ".parquet") != 0))
        return false;
    part_path(parts, &part, again);
    if (strcmp(again, path) != 0)
        return false;
    *out_part = part;
    return true;
}

void parts_add(struct parts *parts, const struct part *part)
{
    parts->items = memory_grow(parts->items, &parts->capacity, parts->count + 1, sizeof *parts->items);
    parts->items[parts->count++] = *part;
}

void parts_remove(struct parts *parts, int64_t number)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->items[i].number == number) {
            parts->items[i] = parts->items[--parts->count];
            return;
        }
}

/* is_unfinished: ".part-…-<writer>-<n>….tmp" of this writer. */
static bool is_unfinished(const struct parts *parts, const char *name)
{
    char writer[WRITER_HEX_BYTES + 2];
    snprintf(writer, sizeof writer, "-%s-", parts->writer);
    return strncmp(name, ".part-", 6) == 0 && strstr(name, writer) && strstr(name, ".parquet.tmp");
}

static bool remove_file(const struct parts *parts, const char *path)
{
    return unlink(path) == 0 && (!parts->sync || folder_sync_of(path) == STATUS_OK);
}

static bool scan_file(struct parts *parts, const FTSENT *entry, int64_t next_file, size_t *out_removed)
{
    struct part part;
    if (is_unfinished(parts, entry->fts_name))
        return remove_file(parts, entry->fts_path);
    if (!part_parse(parts, entry->fts_path, &part))
        return true;
    if (part.number < next_file) {
        parts_add(parts, &part);
        return true;
    }
    ++*out_removed;
    return remove_file(parts, entry->fts_path);
}

enum status parts_scan(struct parts *parts, int64_t next_file, size_t *out_removed, struct error *error)
{
    char *const folders[] = {parts->root, NULL};
    *out_removed = 0;
    if (!file_exists(parts->root))
        return STATUS_OK;
    FTS *walk = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return error_set(error, STATUS_IO, "%s cannot be read: %m", parts->root);
    enum status status = STATUS_OK;
    FTSENT *entry;
    while (status == STATUS_OK && (entry = fts_read(walk)))
        if (entry->fts_info == FTS_F && !scan_file(parts, entry, next_file, out_removed))
            status = error_set(error, STATUS_IO, "%s cannot be removed: %m", entry->fts_path);
    fts_close(walk);
    return status;
}

static bool belongs(const struct part *part, const char *symbol, enum data_kind kind)
{
    return part->kind == kind && strcmp(part->symbol, symbol) == 0;
}

bool parts_hour(const struct parts *parts, const char *symbol, enum data_kind kind, int64_t below_ms,
                int64_t *out_hour_ms)
{
    bool found = false;
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->items[i];
        int64_t hour_ms = floor_multiple(part->first_ts_ms, HOUR_MS);
        if (part->is_hour || hour_ms >= below_ms || !belongs(part, symbol, kind))
            continue;
        if (!found || hour_ms < *out_hour_ms)
            *out_hour_ms = hour_ms;
        found = true;
    }
    return found;
}

static int compare_parts(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    if (a->is_hour != b->is_hour)
        return a->is_hour ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

struct part *parts_of_hour(const struct parts *parts, const char *symbol, enum data_kind kind,
                           int64_t hour_ms, size_t *out_count)
{
    struct part *chosen = NULL;
    size_t capacity = 0;
    *out_count = 0;
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->items[i];
        if (!belongs(part, symbol, kind) || floor_multiple(part->first_ts_ms, HOUR_MS) != hour_ms)
            continue;
        chosen = memory_grow(chosen, &capacity, *out_count + 1, sizeof *chosen);
        chosen[(*out_count)++] = *part;
    }
    if (*out_count)
        qsort(chosen, *out_count, sizeof *chosen, compare_parts);
    return chosen;
}
