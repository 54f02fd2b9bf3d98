/* What was found, as JSON and as a table. */
#include "base/clock.h"
#include "base/json.h"
#include "quality.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void write_check(struct json *json, const struct quality_check *check)
{
    const char *verdict = check_verdict(check);
    json_object_begin(json);
    json_key_text(json, "id", check->id);
    json_key_bool(json, "passed", strcmp(verdict, "PASS") == 0);
    json_key_text(json, "verdict", verdict);
    json_key_f64(json, "measured", check->measured);
    json_key_f64(json, "threshold", check->op ? check->threshold : NAN);
    json_key_text(json, "op", check->op);
    json_key_i64(json, "n", check->n);
    json_key(json, "detail");
    json_object_begin(json);
    if (check_reason(check))
        json_key_text(json, "reason", check_reason(check));
    if (check->detail.length)
        json_raw(json, (const char *)check->detail.data, check->detail.length);
    json_object_end(json);
    json_object_end(json);
}

static void write_object(struct json *json, const char *key, const struct buffer *members)
{
    json_key(json, key);
    json_object_begin(json);
    if (members->length)
        json_raw(json, (const char *)members->data, members->length);
    json_object_end(json);
}

static void write_range(struct json *json, const struct quality_input *input)
{
    json_key(json, "range");
    json_object_begin(json);
    if (input->range_known) {
        json_key_i64(json, "from_ms", input->from_ms);
        json_key_i64(json, "to_ms", input->to_ms);
    } else {
        json_key_null(json, "from_ms");
        json_key_null(json, "to_ms");
    }
    json_key_text(json, "source", input->range_source);
    json_object_end(json);
}

static void write_summary(struct json *json, const struct quality *quality)
{
    int64_t total = 0, passed = 0, failed = 0, unknown = 0;
    for (size_t i = 0; i < quality->check_count; i++) {
        const char *verdict = check_verdict(&quality->checks[i]);
        if (!quality->checks[i].op || quality->checks[i].not_apply)
            continue;
        total++;
        passed += strcmp(verdict, "PASS") == 0;
        failed += strcmp(verdict, "FAIL") == 0;
        unknown += strcmp(verdict, "UNKNOWN") == 0;
    }
    json_key(json, "summary");
    json_object_begin(json);
    json_key_i64(json, "total", total);
    json_key_i64(json, "passed", passed);
    json_key_i64(json, "failed", failed);
    json_key_i64(json, "unknown", unknown);
    json_object_end(json);
}

static void write_head(struct json *json, const struct quality *quality, const char *kind, bool final)
{
    const struct quality_input *input = quality->input;
    char created[TIME_TEXT_BYTES];
    int64_t files = 0;
    for (size_t i = 0; i < SET_COUNT; i++)
        files += (int64_t)quality->files.counts[i];
    if (input->range_known)
        time_iso_ms(input->to_ms, created);
    json_key_i64(json, "schema_version", 1);
    json_key_text(json, "kind", kind);
    json_key_bool(json, "final", final);
    json_key_text(json, "created_at", input->range_known ? created : NULL);
    json_key_text(json, "run_id", input->run_id);
    json_key_text(json, "data_root", input->data_root);
    write_range(json, input);
    json_key(json, "symbols");
    json_array_begin(json);
    for (size_t i = 0; i < input->symbol_count; i++)
        json_text(json, input->symbols[i]);
    json_array_end(json);
    json_key_i64(json, "files", files);
}

static void write_problems(struct json *json, const struct quality *quality)
{
    json_key(json, "problems");
    json_array_begin(json);
    const char *at = (const char *)quality->problems.data;
    for (size_t left = quality->problems.length; left;) {
        const char *end = memchr(at, '\n', left);
        size_t length = end ? (size_t)(end - at) : left;
        json_text_bytes(json, at, length);
        left -= end ? length + 1 : length;
        at += length + 1;
    }
    json_array_end(json);
}

void quality_json(const struct quality *quality, const char *kind, bool final, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    write_head(&json, quality, kind, final);
    write_object(&json, "rows", &quality->rows);
    write_object(&json, "minutes", &quality->minutes);
    write_object(&json, "coverage", &quality->coverage);
    json_key(&json, "checks");
    json_array_begin(&json);
    for (size_t i = 0; i < quality->check_count; i++)
        write_check(&json, &quality->checks[i]);
    json_array_end(&json);
    json_key_text(&json, "overall_verdict", quality_overall(quality));
    write_summary(&json, quality);
    write_problems(&json, quality);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

/* rounded_text: as people write figures: whole numbers whole, fractions to what is read. */
static void rounded_text(double value, char text[F64_TEXT_BYTES])
{
    bool whole = isnan(value) || value == floor(value), large = fabs(value) >= 1e5;
    if (whole)
        f64_text(value, text);
    else
        snprintf(text, F64_TEXT_BYTES, "%.*g", large ? 12 : 6, value);
}

/* figure_text: of a check that does not apply none: it would be read as one that says something. The JSON has it. */
static const char *figure_text(const struct quality_check *check, const char *threshold,
                               char text[F64_TEXT_BYTES])
{
    if (check->not_apply)
        return "-";
    rounded_text(check->measured, text);
    if (check->op && strcmp(text, threshold) == 0)
        f64_text(check->measured, text); /* it is on one side of the line, and must be read so */
    return isnan(check->measured) ? "not measured" : text;
}

void quality_print(const struct quality *quality)
{
    char measured[F64_TEXT_BYTES], threshold[F64_TEXT_BYTES];
    for (size_t i = 0; i < quality->check_count; i++) {
        const struct quality_check *check = &quality->checks[i];
        rounded_text(check->threshold, threshold);
        printf("%-18s %-15s %20s", check->id, check_verdict(check), figure_text(check, threshold, measured));
        if (check->op)
            printf("  must be %s %s", check->op, threshold);
        if (check_reason(check))
            printf("  (%s)", check_reason(check));
        printf("\n");
    }
    fwrite(quality->problems.data, 1, quality->problems.length, stdout);
}
