/* evidence_private: what the gatherers share. */
#pragma once

#include "evidence.h"

#include <yyjson.h>

/* evidence_json: a file as JSON, to be freed with yyjson_doc_free; NULL when it is not there or is none. */
yyjson_doc *evidence_json(const char *path);

/* evidence_is_of: the object says that it belongs to this run. */
bool evidence_is_of(const struct evidence_places *places, yyjson_val *object);

/* evidence_ends: whether the path ends so. */
bool evidence_ends(const char *path, const char *ending);
