/* document: small JSON files that are read whole and replaced whole. */
#pragma once

#include "base/buffer.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

enum { DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 };

/* document_read: STATUS_NOT_FOUND (no sentence), STATUS_MALFORMED, STATUS_IO with one. */
enum status document_read(const char *path, yyjson_doc **out_document, struct error *error) MUST_USE;

/* document_write: replaces the file durably, with a line break at its end; its folder is made. */
enum status document_write(const char *path, struct buffer *text, struct error *error) MUST_USE;

/* document_text: a text member that fits; false when it is not there, is no text or is too long. document_text_or_null: null gives
 * "". */
bool document_text(yyjson_val *object, const char *name, char *out_text, size_t bytes);
bool document_text_or_null(yyjson_val *object, const char *name, char *out_text, size_t bytes);
