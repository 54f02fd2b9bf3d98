#include "data_files.h"

#include "base/hash.h"
#include "base/memory.h"
#include "proto/book.h"
#include "proto/cvd.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/ofi.h"
#include "proto/trade.h"
#include "store/sql_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITER_HEX = 8 };

const struct data_set_info DATA_SETS_INFO[SET_COUNT] = {
    [SET_PRICES] = {"prices", &trade_message, "agg_trade_id"},
    [SET_ORDERBOOK] = {"orderbook", &book_message, "row_id"},
    [SET_OFI] = {"ofi", &ofi_message, "row_id"},
    [SET_CVD] = {"cvd", &cvd_message, "agg_trade_id"},
    [SET_FUSION] = {"fusion", &fusion_message, "row_id"},
    [SET_EVENTS] = {"events", &event_message, "row_id"},
    [SET_FEATURES] = {"features", &feature_message, "row_id"},
};

struct search {
    const struct data_filter *filter;
    char writer[WRITER_HEX + 1]; /* "" for any */
    struct data_files *files;
};

/* part_of_path: "…/symbol=BTCUSDT/…" → BTCUSDT; false when there is no such folder. */
static bool part_of_path(const char *path, const char *key, char *out_value, size_t size)
{
    const char *at = strstr(path, key);
    if (!at)
        return false;
    at += strlen(key);
    size_t length = strcspn(at, "/");
    if (length == 0 || length >= size)
        return false;
    memcpy(out_value, at, length);
    out_value[length] = 0;
    return true;
}

static bool symbol_wanted(const struct data_filter *filter, const char *symbol)
{
    for (size_t i = 0; i < filter->symbol_count; i++)
        if (strcmp(filter->symbols[i], symbol) == 0)
            return true;
    return filter->symbol_count == 0;
}

static enum data_set set_of(const char *kind)
{
    enum data_set set = 0;
    while (set < SET_COUNT && strcmp(DATA_SETS_INFO[set].name, kind) != 0)
        set++;
    return set;
}

static void keep(struct data_files *files, enum data_set set, const char *path)
{
    files->paths[set] =
        memory_grow(files->paths[set], &files->capacities[set], files->counts[set] + 1, sizeof(char *));
    files->paths[set][files->counts[set]++] = memory_copy_text(path);
    if (files->quoted[set].length)
        buffer_append_byte(&files->quoted[set], ',');
    sql_file(&files->quoted[set], path);
}

static enum status file_visit(void *context, const char *path)
{
    struct search *search = context;
    char symbol[SYMBOL_BYTES], kind[32], writer[WRITER_HEX + 1];
    const char *name = strrchr(path, '/');
    size_t length = strlen(path);
    long long last_ms = 0, number = 0;
    if (!name || length < 8 || strcmp(path + length - 8, ".parquet") != 0 ||
        sscanf(name, "/part-%*[0-9]-%lld-%*[0-9]-%8[0-9a-f]-%lld", &last_ms, writer, &number) < 2 ||
        !part_of_path(path, "/symbol=", symbol, sizeof symbol) ||
        !part_of_path(path, "/kind=", kind, sizeof kind))
        return STATUS_OK;
    enum data_set set = set_of(kind);
    bool ours = !*search->writer || strcmp(search->writer, writer) == 0;
    const struct data_filter *filter = search->filter;
    bool wanted = !filter->wanted || filter->wanted(filter->wanted_context, last_ms, number);
    if (set < SET_COUNT && ours && wanted && symbol_wanted(filter, symbol))
        keep(search->files, set, path);
    return STATUS_OK;
}

enum status data_files_find(const char *root, const struct data_filter *filter, struct data_files *out_files,
                            struct error *error)
{
    struct search search = {.filter = filter, .files = out_files};
    *out_files = (struct data_files){.counts = {0}};
    for (size_t i = 0; i < SET_COUNT; i++)
        buffer_init(&out_files->quoted[i], 0);
    if (filter->run_id) {
        char hex[SHA256_HEX_BYTES];
        sha256_hex(filter->run_id, strlen(filter->run_id), hex);
        memcpy(search.writer, hex, WRITER_HEX);
    }
    enum status status = folder_walk(root, file_visit, &search);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return STATUS_OK;
    data_files_finish(out_files);
    return error_set(error, status, "%s cannot be read: %m", root);
}

void data_files_finish(struct data_files *files)
{
    for (size_t i = 0; i < SET_COUNT; i++) {
        for (size_t j = 0; j < files->counts[i]; j++)
            free(files->paths[i][j]);
        free(files->paths[i]);
        files->paths[i] = NULL;
        files->counts[i] = 0;
        buffer_finish(&files->quoted[i]);
    }
}
