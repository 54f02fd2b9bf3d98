#include "owners.h"

#include "feed.h"

#include <string.h>
#include <yyjson.h>

/* claim: those symbols of the list that nobody had before. */
static void claim(yyjson_val *names, const char *const *symbols, size_t symbol_count, int16_t source,
                  int16_t *owners)
{
    size_t index, count;
    yyjson_val *name;
    yyjson_arr_foreach(names, index, count, name)
    {
        for (size_t i = 0; i < symbol_count; i++)
            if (owners[i] == FEED_ELSEWHERE && yyjson_equals_str(name, symbols[i]))
                owners[i] = source;
    }
}

static enum status read_one(const struct capture_reader *capture, const char *const *symbols,
                            size_t symbol_count, int16_t source, int16_t *owners, struct error *error)
{
    const char *path = capture_file_path(capture, 0);
    struct capture_reader *reader;
    struct capture_record record;
    enum status status = capture_reader_open_files(&path, 1, &reader, error);
    if (status != STATUS_OK)
        return status;
    status = capture_next(reader, &record, error);
    bool has_metadata = status == STATUS_OK && record.kind == CAPTURE_METADATA;
    yyjson_doc *document = has_metadata ? yyjson_read(record.payload, record.payload_bytes, 0) : NULL;
    yyjson_val *names = yyjson_obj_get(yyjson_doc_get_root(document), "symbols");
    if (yyjson_is_arr(names))
        claim(names, symbols, symbol_count, source, owners);
    else
        for (size_t i = 0; i < symbol_count; i++)
            owners[i] = owners[i] == FEED_ELSEWHERE ? source : owners[i];
    yyjson_doc_free(document);
    capture_reader_close(reader);
    return status == STATUS_END ? STATUS_OK : status;
}

enum status owners_read(const struct capture_chain *chain, const char *const *symbols, size_t symbol_count,
                        int16_t *out_owners, struct error *error)
{
    const struct capture_reader *capture;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < symbol_count; i++)
        out_owners[i] = FEED_ELSEWHERE;
    for (size_t i = 0; status == STATUS_OK && (capture = capture_chain_source(chain, i)); i++)
        status = read_one(capture, symbols, symbol_count, (int16_t)i, out_owners, error);
    return status;
}
