#include "archived.h"

#include "base/file.h"
#include "base/memory.h"
#include "orchestrator/canary/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The streams that all rows looked at come from; a symbol is whole as far as both are. */
static const char *const SERVICES[] = {"harvest/", "features/"};
enum { SERVICE_COUNT = sizeof SERVICES / sizeof *SERVICES };

static int64_t below_of(yyjson_val *positions, const char *service, const char *symbol)
{
    char name[STREAM_BYTES];
    snprintf(name, sizeof name, "%s%s", service, symbol);
    yyjson_val *below = yyjson_obj_get(yyjson_obj_get(positions, name), "below_ms");
    return yyjson_is_int(below) ? yyjson_get_sint(below) : INT64_MIN;
}

static void take_symbols(yyjson_val *positions, struct archived *out)
{
    size_t index, count, length = strlen(SERVICES[0]);
    yyjson_val *key, *position;
    yyjson_obj_foreach(positions, index, count, key, position)
    {
        const char *name = yyjson_get_str(key);
        if (strncmp(name, SERVICES[0], length) != 0)
            continue;
        out->symbols =
            memory_grow(out->symbols, &out->symbol_capacity, out->symbol_count + 1, sizeof *out->symbols);
        struct archived_symbol *symbol = &out->symbols[out->symbol_count++];
        *symbol = (struct archived_symbol){.below_ms = INT64_MAX};
        snprintf(symbol->symbol, sizeof symbol->symbol, "%s", name + length);
        for (size_t i = 0; i < SERVICE_COUNT; i++) {
            int64_t below_ms = below_of(positions, SERVICES[i], symbol->symbol);
            symbol->below_ms = below_ms < symbol->below_ms ? below_ms : symbol->below_ms;
        }
    }
}

/* file_number: of "…/part-<first>-<last>-<rows>-<writer>-<n>…"; -1: it is no such name. */
static int64_t file_number(const char *path)
{
    long long number;
    const char *name = path ? strrchr(path, '/') : NULL;
    bool fits = name && sscanf(name, "/part-%*[0-9]-%*[0-9]-%*[0-9]-%*[0-9a-f]-%lld", &number) == 1;
    return fits ? number : -1;
}

static void take_files(yyjson_val *root, struct archived *out)
{
    yyjson_val *list = yyjson_obj_get(root, "deleting"), *path;
    size_t index, count;
    out->next_file = yyjson_get_sint(yyjson_obj_get(root, "next_file"));
    out->deleting = memory_allocate((yyjson_arr_size(list) + 1) * sizeof *out->deleting);
    yyjson_arr_foreach(list, index, count, path) out->deleting[out->deleting_count++] =
        file_number(yyjson_get_str(path));
}

void archived_read(const struct config *config, const char *run_id, struct archived *out)
{
    yyjson_doc *document = NULL;
    char path[PATH_BYTES];
    *out = (struct archived){.from_ms = INT64_MIN};
    path_join(path, config_text(config, "run.state_dir"), "checkpoint.json");
    if (document_read(path, &document, NULL) != STATUS_OK)
        return;
    yyjson_val *root = yyjson_doc_get_root(document);
    out->known = yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id);
    if (out->known) {
        take_symbols(yyjson_obj_get(root, "positions"), out);
        take_files(root, out);
    }
    yyjson_doc_free(document);
}

void archived_finish(struct archived *archived)
{
    free(archived->symbols);
    free(archived->deleting);
    *archived = (struct archived){.known = false};
}

int64_t archived_below_ms(const struct archived *archived, const char *symbol)
{
    for (size_t i = 0; i < archived->symbol_count; i++)
        if (strcmp(archived->symbols[i].symbol, symbol) == 0)
            return archived->symbols[i].below_ms;
    return archived->known ? INT64_MIN : INT64_MAX;
}

bool archived_wanted(const void *context, int64_t last_ms, int64_t number)
{
    const struct archived *archived = context;
    if (last_ms < archived->from_ms)
        return false;
    if (!archived->known)
        return true;
    for (size_t i = 0; i < archived->deleting_count; i++)
        if (archived->deleting[i] == number)
            return false;
    return number < archived->next_file;
}
