#include "summary_gates.h"

#include "base/file.h"
#include "markdown.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { SUMMARY_BYTES_MAX = 64 * 1024 * 1024 };

static const char VERDICT_ROW[] = "| verdict |", HEADING[] = "\n## Gates\n", NEXT_HEADING[] = "\n## ";

void summary_gates_verdict(struct buffer *out, const struct given *given)
{
    const char *verdict = given->overall_verdict;
    buffer_format(out, "%s **%s**%s |\n", VERDICT_ROW, verdict ? verdict : "UNKNOWN",
                  verdict ? "" : " (its gates have not been evaluated)");
}

void summary_gates_table(struct buffer *out, const struct given *given)
{
    static const char *const MEMBERS[] = {"id",        "measured",    "unit",    "op",
                                          "threshold", "source_file", "verdict", NULL};
    buffer_format(out, "%s\n", HEADING);
    markdown_array(out, given->gates, MEMBERS, "Not evaluated: without gates the verdict is UNKNOWN.");
}

/* --- one part anew --- */

static enum status not_ours(const char *path, struct error *error)
{
    return error_set(error, STATUS_MALFORMED, "%s: is no summary; it is left as it is", path);
}

/* make_markdown: what lies before, between and behind the two parts is copied. */
static enum status make_markdown(const char *text, const char *path, const struct given *given,
                                 struct buffer *out, struct error *error)
{
    const char *row = strstr(text, VERDICT_ROW), *row_end = row ? strchr(row, '\n') : NULL;
    const char *table = row_end ? strstr(row_end, HEADING) : NULL;
    if (!table)
        return not_ours(path, error);
    const char *behind = strstr(table + 1, NEXT_HEADING);
    buffer_append(out, text, (size_t)(row - text));
    summary_gates_verdict(out, given);
    buffer_append(out, row_end + 1, (size_t)(table - row_end - 1));
    summary_gates_table(out, given);
    buffer_append_text(out, behind ? behind : "");
    return STATUS_OK;
}

static void replace(yyjson_mut_doc *document, const char *key, yyjson_mut_val *value)
{
    yyjson_mut_obj_replace(yyjson_mut_doc_get_root(document), yyjson_mut_str(document, key), value);
}

/* make_json: numbers stay the text they are. */
static enum status make_json(const struct buffer *text, const char *path, const struct given *given,
                             struct buffer *out, struct error *error)
{
    yyjson_doc *there = yyjson_read((const char *)text->data, text->length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_doc *gates =
        given->gates ? yyjson_read(given->gates, strlen(given->gates), YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_mut_doc *made = yyjson_doc_mut_copy(there, NULL);
    enum status status = STATUS_OK;
    if (!yyjson_obj_get(yyjson_doc_get_root(there), "gates")) {
        status = not_ours(path, error);
    } else {
        replace(made, "gates",
                gates ? yyjson_val_mut_copy(made, yyjson_doc_get_root(gates)) : yyjson_mut_arr(made));
        replace(made, "overall_verdict",
                yyjson_mut_strcpy(made, given->overall_verdict ? given->overall_verdict : "UNKNOWN"));
        char *written = yyjson_mut_write(made, 0, NULL);
        buffer_append_text(out, written ? written : "");
        buffer_append_byte(out, '\n');
        free(written);
    }
    yyjson_mut_doc_free(made);
    yyjson_doc_free(gates);
    yyjson_doc_free(there);
    return status;
}

/* make: both texts; nothing is written before both are good. */
static enum status make(const char *json_path, const char *markdown_path, const struct given *given,
                        struct buffer *out_json, struct buffer *out_markdown, struct error *error)
{
    struct buffer json, markdown;
    const char *path = json_path;
    buffer_init(&json, SUMMARY_BYTES_MAX);
    buffer_init(&markdown, SUMMARY_BYTES_MAX);
    enum status status = file_read(json_path, &json);
    if (status == STATUS_OK) {
        path = markdown_path;
        status = file_read(markdown_path, &markdown);
    }
    if (status != STATUS_OK)
        error_set(error, status, "%s: cannot be read (%s)", path, status_name(status));
    if (status == STATUS_OK)
        status = make_json(&json, json_path, given, out_json, error);
    if (status == STATUS_OK)
        status = make_markdown(buffer_text(&markdown), markdown_path, given, out_markdown, error);
    buffer_finish(&json);
    buffer_finish(&markdown);
    return status;
}

enum status summary_gates_replace(const char *json_path, const char *markdown_path, const struct given *given,
                                  bool sync, struct error *error)
{
    struct buffer json, markdown;
    const char *path = json_path;
    buffer_init(&json, 0);
    buffer_init(&markdown, 0);
    enum status status = make(json_path, markdown_path, given, &json, &markdown, error);
    bool made = status == STATUS_OK;
    if (made)
        status = file_replace(json_path, json.data, json.length, sync);
    if (made && status == STATUS_OK) {
        path = markdown_path;
        status = file_replace(markdown_path, markdown.data, markdown.length, sync);
    }
    if (made && status != STATUS_OK)
        error_set(error, status, "%s: cannot be written: %m", path);
    buffer_finish(&json);
    buffer_finish(&markdown);
    return status;
}
