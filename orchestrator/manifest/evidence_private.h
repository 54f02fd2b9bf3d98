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

/* evidence_log_read: gives the lines of this run in the orchestrator's log, `turns` files back (keeper/log.h), to whom wants them;
 * false: there are not so many. */
typedef void evidence_line(void *context, const char *line);
bool evidence_log_read(const struct evidence_places *places, int turns, evidence_line *take, void *context);

/* evidence_markdown_differences: lines that differ between the Markdown reports of both sinks, in anything but what names the sink;
 * -1: one is missing or empty. */
int64_t evidence_markdown_differences(const char *left_path, const char *right_path);
