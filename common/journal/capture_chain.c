#include "journal/capture_chain.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* chain_source: one capture; `head` is its next record, read but not given yet. */
struct chain_source {
    struct capture_reader *reader;
    struct capture_record head;
    bool has_head;
    bool is_over;
};

struct capture_chain {
    struct chain_source *sources;
    size_t source_count;
};

static struct capture_chain *chain_create(size_t sources_max)
{
    struct capture_chain *chain = memory_allocate(sizeof *chain);
    chain->sources = memory_allocate(sources_max * sizeof *chain->sources);
    return chain;
}

void capture_chain_close(struct capture_chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->source_count; i++)
        capture_reader_close(chain->sources[i].reader);
    free(chain->sources);
    free(chain);
}

static enum status give(struct capture_chain *chain, enum status status, struct capture_chain **out_chain)
{
    if (status == STATUS_OK)
        *out_chain = chain;
    else
        capture_chain_close(chain);
    return status;
}

enum status capture_chain_open(const char *const *folders, size_t folder_count, const char *run_id,
                               struct capture_chain **out_chain, struct error *error)
{
    struct capture_chain *chain = chain_create(folder_count);
    struct error first = {{0}};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < folder_count; i++) {
        struct capture_reader **reader = &chain->sources[chain->source_count].reader;
        status = capture_reader_open(folders[i], run_id, NULL, reader, error);
        chain->source_count += status == STATUS_OK;
        if (status == STATUS_NOT_FOUND) {
            first = first.text[0] ? first : *error;
            status = STATUS_OK;
        }
    }
    if (status == STATUS_OK && chain->source_count == 0) {
        *error = first;
        status = STATUS_NOT_FOUND;
    }
    return give(chain, status, out_chain);
}

/* capture_of: the length of a path's beginning that names a capture of a further instance, 0: of the first, or of none of ours. */
static size_t capture_of(const char *path)
{
    static const char FOLDER[] = "raw-harvest.";
    const char *at = strstr(path, FOLDER);
    while (at && at != path && at[-1] != '/')
        at = strstr(at + 1, FOLDER);
    const char *end = at ? strchr(at, '/') : NULL;
    return end ? (size_t)(end - path) : 0;
}

static bool is_same_capture(const char *left, const char *right)
{
    size_t bytes = capture_of(left);
    return bytes == capture_of(right) && memcmp(left, right, bytes) == 0;
}

static enum status open_those_like(struct capture_chain *chain, const char *const *paths, size_t path_count,
                                   size_t like, struct error *error)
{
    const char **mine = memory_allocate(path_count * sizeof *mine);
    size_t count = 0;
    for (size_t i = 0; i < path_count; i++)
        if (is_same_capture(paths[like], paths[i]))
            mine[count++] = paths[i];
    struct capture_reader **reader = &chain->sources[chain->source_count].reader;
    enum status status = capture_reader_open_files(mine, count, reader, error);
    chain->source_count += status == STATUS_OK;
    free(mine);
    return status;
}

enum status capture_chain_open_files(const char *const *paths, size_t path_count,
                                     struct capture_chain **out_chain, struct error *error)
{
    struct capture_chain *chain = chain_create(CAPTURE_CHAIN_MAX);
    enum status status =
        path_count ? STATUS_OK : error_set(error, STATUS_INVALID, "capture: no file to replay was named");
    for (size_t i = 0; status == STATUS_OK && i < path_count; i++) {
        bool is_seen = false;
        for (size_t k = 0; k < i; k++)
            is_seen = is_seen || is_same_capture(paths[k], paths[i]);
        if (!is_seen && chain->source_count == CAPTURE_CHAIN_MAX)
            status =
                error_set(error, STATUS_LIMIT, "capture: files of more than %d captures", CAPTURE_CHAIN_MAX);
        else if (!is_seen)
            status = open_those_like(chain, paths, path_count, i, error);
    }
    return give(chain, status, out_chain);
}

static enum status look(struct chain_source *source, struct error *error)
{
    if (source->has_head || source->is_over)
        return STATUS_OK;
    enum status status = capture_next(source->reader, &source->head, error);
    source->has_head = status == STATUS_OK;
    source->is_over = status == STATUS_END;
    return status == STATUS_END ? STATUS_OK : status;
}

enum status capture_chain_next(struct capture_chain *chain, struct capture_record *out_record,
                               struct error *error)
{
    struct chain_source *next = NULL;
    for (size_t i = 0; i < chain->source_count; i++) {
        struct chain_source *source = &chain->sources[i];
        enum status status = look(source, error);
        if (status != STATUS_OK)
            return status;
        if (source->has_head && (!next || source->head.recv_ns < next->head.recv_ns))
            next = source;
    }
    if (!next)
        return STATUS_END;
    *out_record = next->head;
    out_record->source = (uint16_t)(next - chain->sources);
    out_record->seq += out_record->source * CAPTURE_CHAIN_STEP;
    next->has_head = false; /* its bytes stay until the reader is asked again */
    return STATUS_OK;
}

const struct capture_reader *capture_chain_source(const struct capture_chain *chain, size_t index)
{
    return index < chain->source_count ? chain->sources[index].reader : NULL;
}

size_t capture_chain_file_count(const struct capture_chain *chain)
{
    size_t count = 0;
    for (size_t i = 0; i < chain->source_count; i++)
        count += capture_file_count(chain->sources[i].reader);
    return count;
}

const char *capture_chain_file_path(const struct capture_chain *chain, size_t index)
{
    for (size_t i = 0; i < chain->source_count; i++) {
        size_t count = capture_file_count(chain->sources[i].reader);
        if (index < count)
            return capture_file_path(chain->sources[i].reader, index);
        index -= count;
    }
    return NULL;
}

bool capture_chain_torn(const struct capture_chain *chain, const char **out_path, uint64_t *out_offset)
{
    for (size_t i = 0; i < chain->source_count; i++) {
        const struct capture_reader *reader = chain->sources[i].reader;
        *out_offset = capture_torn_offset(reader);
        *out_path = *out_offset ? capture_file_path(reader, capture_file_count(reader) - 1) : NULL;
        if (*out_offset)
            return true;
    }
    return false;
}

void capture_chain_record_place(const struct capture_chain *chain, const struct capture_record *record,
                                const char **out_path, uint64_t *out_offset)
{
    struct capture_record own = *record;
    own.seq %= CAPTURE_CHAIN_STEP;
    capture_record_place(chain->sources[record->source].reader, &own, out_path, out_offset);
}
