#include "document.h"

#include "base/file.h"

#include <string.h>

enum status document_read(const char *path, yyjson_doc **out_document, struct error *error)
{
    struct buffer text;
    yyjson_read_err reason;
    buffer_init(&text, DOCUMENT_BYTES_MAX);
    enum status status = file_read(path, &text);
    if (status == STATUS_OK) {
        yyjson_doc *document = yyjson_read_opts((char *)text.data, text.length, 0, NULL, &reason);
        if (document)
            *out_document = document;
        else
            status = error_set(error, STATUS_MALFORMED, "%s: %s at byte %zu", path, reason.msg, reason.pos);
    } else if (status != STATUS_NOT_FOUND) {
        error_set(error, status, "%s cannot be read: %s", path, status_name(status));
    }
    buffer_finish(&text);
    return status;
}

enum status document_write(const char *path, struct buffer *text, struct error *error)
{
    buffer_append_byte(text, '\n');
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text->data, text->length, true);
    return status == STATUS_OK ? status : error_set(error, status, "%s cannot be written: %m", path);
}

bool document_text(yyjson_val *object, const char *name, char *out_text, size_t bytes)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!yyjson_is_str(value) || yyjson_get_len(value) >= bytes)
        return false;
    memcpy(out_text, yyjson_get_str(value), yyjson_get_len(value) + 1);
    return true;
}

bool document_text_or_null(yyjson_val *object, const char *name, char *out_text, size_t bytes)
{
    if (!yyjson_is_null(yyjson_obj_get(object, name)))
        return document_text(object, name, out_text, bytes);
    out_text[0] = 0;
    return true;
}
