#include "summary_given.h"

#include "base/file.h"
#include "markdown.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define TITLES(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { SUMMARY_BYTES_MAX = 64 * 1024 * 1024 };

static const char VERDICT_ROW[] = "| verdict |", NEXT_HEADING[] = "\n## ";

static const char *const HEADINGS[SECTION_COUNT] = {
    [SECTION_COUNTS] = "\n## Harvester and sinks\n",
    [SECTION_EXPORT] = "\n## Export\n",
    [SECTION_FAULTS] = "\n## Fault injection\n",
    [SECTION_ALERTS] = "\n## Alerts\n",
    [SECTION_GATES] = "\n## Gates\n",
};

/* --- Markdown --- */

void summary_given_verdict(struct buffer *out, const struct given *given)
{
    const char *verdict = given->overall_verdict;
    buffer_format(out, "%s **%s**%s |\n", VERDICT_ROW, verdict ? verdict : "UNKNOWN",
                  verdict ? "" : " (its gates have not been evaluated)");
}

static void write_export(struct buffer *out, const struct given *given)
{
    if (given->timeseries_export)
        buffer_format(out, "`%s`\n", given->timeseries_export);
    else
        buffer_append_text(out, "Not measured by this process.\n");
}

static void write_faults(struct buffer *out, const struct given *given)
{
    markdown_array(out, given->fault_injection,
                   TITLES("kind", "process", "signal_sent", "touched", "restart_ms", "recovery_ms",
                          "rows_lost", "rows_duplicated", "verdict"),
                   "None reported.");
}

static void write_alerts(struct buffer *out, const struct given *given)
{
    markdown_array(out, given->alerts, TITLES("level", "rule", "message", "triggered_at", "recovered_at"),
                   "None reported.");
}

static void write_gates(struct buffer *out, const struct given *given)
{
    markdown_array(out, given->gates,
                   TITLES("id", "measured", "unit", "op", "threshold", "source_file", "verdict"),
                   given->overall_verdict ? "The run has none." /* --gates none */
                                          : "Not evaluated: without gates the verdict is UNKNOWN.");
}

void summary_given_section(struct buffer *out, enum summary_section section,
                           const struct summary_counts *counts, const struct given *given)
{
    buffer_format(out, "%s\n", HEADINGS[section]);
    switch (section) {
    case SECTION_COUNTS: summary_counts_table(out, counts); break;
    case SECTION_EXPORT: write_export(out, given); break;
    case SECTION_FAULTS: write_faults(out, given); break;
    case SECTION_ALERTS: write_alerts(out, given); break;
    case SECTION_GATES: write_gates(out, given); break;
    case SECTION_COUNT: break;
    }
}

/* --- JSON --- */

/* key_given: JSON that came from the orchestrator, or what stands for "nothing given". */
static void key_given(struct json *json, const char *key, const char *text, const char *otherwise)
{
    json_key(json, key);
    const char *written = text ? text : otherwise;
    json_raw(json, written, strlen(written));
}

void summary_given_json(struct json *json, const struct given *given)
{
    key_given(json, "timeseries_export", given->timeseries_export,
              "{\"export_count\":null,\"error_count\":null}");
    key_given(json, "fault_injection", given->fault_injection, "[]");
    key_given(json, "alerts", given->alerts, "[]");
}

void summary_given_gates_json(struct json *json, const struct given *given)
{
    key_given(json, "gates", given->gates, "[]");
    json_key_text(json, "overall_verdict", given->overall_verdict ? given->overall_verdict : "UNKNOWN");
}

/* --- the parts anew --- */

static enum status not_ours(const char *path, struct error *error)
{
    return error_set(error, STATUS_MALFORMED, "%s: is no summary; it is left as it is", path);
}

/* make_markdown: what lies before, between and behind the parts is copied. */
static enum status make_markdown(const char *text, const char *path, const struct summary_counts *counts,
                                 const struct given *given, struct buffer *out, struct error *error)
{
    const char *row = strstr(text, VERDICT_ROW), *rest = row ? strchr(row, '\n') : NULL;
    if (!rest)
        return not_ours(path, error);
    buffer_append(out, text, (size_t)(row - text));
    summary_given_verdict(out, given);
    rest++;
    for (int section = 0; section < SECTION_COUNT; section++) {
        const char *begin = strstr(rest, HEADINGS[section]);
        if (!begin)
            return not_ours(path, error);
        buffer_append(out, rest, (size_t)(begin - rest));
        summary_given_section(out, section, counts, given);
        rest = strstr(begin + 1, NEXT_HEADING);
        rest = rest ? rest : "";
    }
    buffer_append_text(out, rest);
    return STATUS_OK;
}

/* parts_json: an object of the members that are written anew. */
static void parts_json(const struct summary_counts *counts, const struct given *given, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    summary_counts_json(&json, counts);
    summary_counts_metrics_json(&json, counts);
    summary_given_json(&json, given);
    summary_given_gates_json(&json, given);
    json_object_end(&json);
}

/* take_parts: false: it lacks one of them, so it is no summary. */
static bool take_parts(yyjson_mut_doc *made, yyjson_val *parts)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(made);
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(parts, index, count, key, value)
    {
        yyjson_mut_val *name = yyjson_val_mut_copy(made, key);
        if (!yyjson_mut_obj_replace(root, name, yyjson_val_mut_copy(made, value)))
            return false;
    }
    return true;
}

/* make_json: numbers stay the text they are. */
static enum status make_json(const struct buffer *text, const char *path, const struct summary_counts *counts,
                             const struct given *given, struct buffer *out, struct error *error)
{
    struct buffer parts;
    buffer_init(&parts, 0);
    parts_json(counts, given, &parts);
    yyjson_doc *there = yyjson_read((const char *)text->data, text->length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_doc *anew = yyjson_read((const char *)parts.data, parts.length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_mut_doc *made = yyjson_doc_mut_copy(there, NULL);
    bool ours = made && take_parts(made, yyjson_doc_get_root(anew));
    char *written = ours ? yyjson_mut_write(made, 0, NULL) : NULL;
    ours = written != NULL;
    buffer_append_text(out, ours ? written : "");
    buffer_append_byte(out, '\n');
    free(written);
    yyjson_mut_doc_free(made);
    yyjson_doc_free(anew);
    yyjson_doc_free(there);
    buffer_finish(&parts);
    return ours ? STATUS_OK : not_ours(path, error);
}

/* make: both texts; nothing is written before both are good. */
static enum status make(const char *json_path, const char *markdown_path, const struct summary_counts *counts,
                        const struct given *given, struct buffer *out_json, struct buffer *out_markdown,
                        struct error *error)
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
        status = make_json(&json, json_path, counts, given, out_json, error);
    if (status == STATUS_OK)
        status = make_markdown(buffer_text(&markdown), markdown_path, counts, given, out_markdown, error);
    buffer_finish(&json);
    buffer_finish(&markdown);
    return status;
}

enum status summary_given_replace(const char *json_path, const char *markdown_path,
                                  const struct summary_counts *counts, const struct given *given, bool sync,
                                  struct error *error)
{
    struct buffer json, markdown;
    const char *path = json_path;
    buffer_init(&json, 0);
    buffer_init(&markdown, 0);
    enum status status = make(json_path, markdown_path, counts, given, &json, &markdown, error);
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
