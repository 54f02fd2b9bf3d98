#include "journal/capture_chain.h"
#include "journal/capture_moves.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* chain_source: one capture; `head` is its next record, read but not given yet. */
struct chain_source {
    struct capture_reader *reader;
    struct capture_reader *ahead; /* of the same files; closed when they have been searched for moves */
    struct capture_record head;
    struct capture_move *move; /* that `head` is the record of; NULL: none */
    bool has_head;
    bool waits; /* for a record of another capture */
    bool is_over;
};

struct capture_chain {
    struct chain_source *sources;
    size_t source_count;
    struct capture_moves moves;
    bool knows_moves; /* all captures have been searched */
    bool is_changed;  /* who waits is to be found again */
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
    for (size_t i = 0; i < chain->source_count; i++) {
        capture_reader_close(chain->sources[i].reader);
        capture_reader_close(chain->sources[i].ahead);
    }
    capture_moves_finish(&chain->moves);
    free(chain->sources);
    free(chain);
}

/* add: a source whose readers have been opened, as far as `status` says. */
static enum status add(struct capture_chain *chain, struct chain_source *source, enum status status)
{
    if (status == STATUS_OK)
        chain->sources[chain->source_count++] = *source;
    else
        capture_reader_close(source->reader);
    return status;
}

static enum status open_folder(struct capture_chain *chain, const char *folder, const char *run_id,
                               struct error *error)
{
    struct chain_source source = {0};
    enum status status = capture_reader_open(folder, run_id, NULL, &source.reader, error);
    if (status == STATUS_OK)
        status = capture_reader_open(folder, run_id, NULL, &source.ahead, error);
    return add(chain, &source, status);
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
        status = open_folder(chain, folders[i], run_id, error);
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
    struct chain_source source = {0};
    enum status status = capture_reader_open_files(mine, count, &source.reader, error);
    if (status == STATUS_OK)
        status = capture_reader_open_files(mine, count, &source.ahead, error);
    free(mine);
    return add(chain, &source, status);
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

/* --- the next record --- */

/* search: all captures, once, for the moves of their symbols. One that is damaged is searched as far as it goes: whoever reads it is told. */
static void search(struct capture_chain *chain)
{
    struct capture_record record;
    struct error error;
    for (size_t i = 0; i < chain->source_count; i++) {
        struct chain_source *source = &chain->sources[i];
        while (capture_next(source->ahead, &record, &error) == STATUS_OK)
            capture_moves_note(&chain->moves, i, &record);
        capture_reader_close(source->ahead);
        source->ahead = NULL;
    }
    capture_moves_pair(&chain->moves);
    chain->knows_moves = true;
}

static enum status look(struct capture_chain *chain, struct chain_source *source, struct error *error)
{
    if (source->has_head || source->is_over)
        return STATUS_OK;
    enum status status = capture_next(source->reader, &source->head, error);
    source->has_head = status == STATUS_OK;
    source->is_over = status == STATUS_END;
    source->waits = false;
    bool is_move = source->has_head && source->head.kind == CAPTURE_MOVE && chain->source_count > 1;
    if (is_move && !chain->knows_moves)
        search(chain);
    source->move =
        is_move ? capture_moves_at(&chain->moves, (size_t)(source - chain->sources), &source->head) : NULL;
    chain->is_changed = chain->is_changed || is_move;
    return status == STATUS_END ? STATUS_OK : status;
}

static bool is_next(const struct capture_chain *chain, const struct capture_move *move)
{
    return move && chain->sources[move->source].has_head && chain->sources[move->source].move == move;
}

/* find_waiting: a record of a move is next in some capture, or has been given. */
static void find_waiting(struct capture_chain *chain)
{
    for (size_t i = 0; i < chain->source_count; i++) {
        struct chain_source *source = &chain->sources[i];
        const struct capture_move *move = source->has_head ? source->move : NULL;
        source->waits =
            move && capture_moves_waits(&chain->moves, move,
                                        is_next(chain, capture_moves_partner(&chain->moves, move)));
    }
    chain->is_changed = false;
}

/* completes: the other record of its move has been given: nothing comes between them. */
static bool completes(const struct capture_chain *chain, const struct chain_source *source)
{
    const struct capture_move *move = source->move;
    const struct capture_move *partner = move ? capture_moves_partner(&chain->moves, move) : NULL;
    return move && move->leaves && partner && partner->is_given;
}

/* is_before: what completes a move, then what waits for nothing, by receive time. Where all wait (captures that are not of one run, or not
 * whole) time alone decides. */
static bool is_before(const struct capture_chain *chain, const struct chain_source *source,
                      const struct chain_source *other)
{
    bool here = completes(chain, source), there = completes(chain, other);
    if (here != there)
        return here;
    if (source->waits != other->waits)
        return other->waits;
    return source->head.recv_ns < other->head.recv_ns;
}

enum status capture_chain_next(struct capture_chain *chain, struct capture_record *out_record,
                               struct error *error)
{
    struct chain_source *next = NULL;
    for (size_t i = 0; i < chain->source_count; i++) {
        enum status status = look(chain, &chain->sources[i], error);
        if (status != STATUS_OK)
            return status;
    }
    if (chain->is_changed)
        find_waiting(chain);
    for (size_t i = 0; i < chain->source_count; i++) {
        struct chain_source *source = &chain->sources[i];
        if (source->has_head && (!next || is_before(chain, source, next)))
            next = source;
    }
    if (!next)
        return STATUS_END;
    *out_record = next->head;
    out_record->source = (uint16_t)(next - chain->sources);
    out_record->seq += out_record->source * CAPTURE_CHAIN_STEP;
    next->has_head = false; /* its bytes stay until the reader is asked again */
    if (next->move)
        next->move->is_given = chain->is_changed = true;
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
