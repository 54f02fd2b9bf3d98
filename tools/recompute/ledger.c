#include "ledger.h"

#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <yyjson.h>

static enum status check_file(yyjson_val *entry, struct error *error)
{
    const char *path = yyjson_get_str(yyjson_obj_get(entry, "path"));
    yyjson_val *bytes = yyjson_obj_get(entry, "bytes");
    if (!path || !yyjson_is_int(bytes))
        return error_set(error, STATUS_MALFORMED, "an entry of raw_files has no path or no bytes");
    int64_t found = file_bytes(path), wanted = yyjson_get_sint(bytes);
    if (found < 0)
        return error_set(error, STATUS_CONFLICT,
                         "capture file %s is missing (the run manifest names it, %" PRId64 " %s)", path,
                         wanted, plural(wanted, "byte", "bytes"));
    if (found != wanted)
        return error_set(error, STATUS_CONFLICT,
                         "capture file %s has %" PRId64 " %s, at the end of the run it had %" PRId64, path,
                         found, plural(found, "byte", "bytes"), wanted);
    return STATUS_OK;
}

static enum status read_root(yyjson_val *root, struct ledger *ledger, struct error *error)
{
    const char *state = yyjson_get_str(yyjson_obj_get(root, "state"));
    enum status status = STATUS_OK;
    yyjson_val *entry;
    yyjson_arr_iter files;
    if (!state)
        return error_set(error, STATUS_MALFORMED, "it has no state");
    ledger->known = true;
    ledger->running = strcmp(state, "running") == 0;
    ledger->finished = strcmp(state, "finished") == 0;
    yyjson_arr_iter_init(yyjson_obj_get(root, "raw_files"), &files);
    while (ledger->finished && status == STATUS_OK && (entry = yyjson_arr_iter_next(&files))) {
        ledger->raw_files++;
        status = check_file(entry, error);
    }
    return status;
}

enum status ledger_read(const char *path, struct ledger *out, struct error *error)
{
    struct ledger ledger = {0};
    struct buffer text;
    struct error reason = {{0}};
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK) {
        yyjson_doc *document = yyjson_read((const char *)text.data, text.length, 0);
        status = read_root(yyjson_doc_get_root(document), &ledger, &reason);
        yyjson_doc_free(document);
        if (status == STATUS_MALFORMED)
            error_set(error, status, "%s is no run manifest: %s", path, reason.text);
        else if (status != STATUS_OK && error)
            *error = reason;
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    } else {
        error_set(error, status, "%s cannot be read (%s)", path, status_name(status));
    }
    buffer_finish(&text);
    if (status == STATUS_OK)
        *out = ledger;
    return status;
}
