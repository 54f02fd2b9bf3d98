#include "quality.h"

#include "base/json.h"
#include "orchestrator/manifest/gates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thread: sums of doubles depend on their order, and the report must come out the same when it is made again. */
enum { MEMORY_MB = 512, THREADS = 1, PROBLEM_BYTES_MAX = 64 * 1024 };

struct quality_check *quality_add(struct quality *quality, const char *id, double measured, const char *op,
                                  double threshold, int64_t n)
{
    struct quality_check *check = &quality->checks[quality->check_count++];
    *check = (struct quality_check){
        .id = id, .measured = measured, .op = op, .threshold = threshold, .n = n, .not_apply = NULL};
    buffer_init(&check->detail, 0);
    return check;
}

void quality_number(struct quality_check *check, const char *key, double value)
{
    char text[F64_TEXT_BYTES];
    f64_text(value, text);
    buffer_format(&check->detail, "%s\"%s\":%s", check->detail.length ? "," : "", key, text);
}

const char *check_verdict(const struct quality_check *check)
{
    if (check->not_apply)
        return "NOT_APPLICABLE";
    if (!check->op)
        return isnan(check->measured) ? "UNKNOWN" : "REPORTED";
    return gate_verdict_name(gate_compare(check->op, check->measured, check->threshold));
}

const char *check_reason(const struct quality_check *check)
{
    return check->not_apply                            ? check->not_apply
           : isnan(check->measured) && *check->unknown ? check->unknown
                                                       : NULL;
}

static size_t files_of(const struct quality *quality, enum data_set first, enum data_set end)
{
    size_t files = 0;
    for (enum data_set set = first; set < end; set++)
        files += quality->files.counts[set];
    return files;
}

void quality_unknown(const struct quality *quality, struct quality_check *check, enum data_set first,
                     enum data_set second, const char *otherwise)
{
    const enum data_set needed[] = {first, second};
    if (!isnan(check->measured))
        return;
    if (!files_of(quality, 0, SET_COUNT)) {
        snprintf(check->unknown, sizeof check->unknown, "the data folder has no file of what is asked for");
        return;
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i] == SET_COUNT || quality->view_made[needed[i]])
            continue;
        snprintf(check->unknown, sizeof check->unknown,
                 quality->files.counts[needed[i]] ? "files of kind %s cannot be read"
                                                  : "there is no file of kind %s",
                 DATA_SETS_INFO[needed[i]].name);
        return;
    }
    snprintf(check->unknown, sizeof check->unknown, "%s", otherwise);
}

void quality_source_unknown(const struct quality *quality, struct quality_check *check)
{
    if (isnan(check->measured))
        snprintf(check->unknown, sizeof check->unknown, "%s",
                 quality->input->run_id
                     ? "the last heartbeats of this run do not tell it, or tell of no trade"
                     : "only heartbeats tell it, and no run is named (--run-id)");
}

const char *quality_overall(const struct quality *quality)
{
    const char *overall = quality->check_count ? "PASS" : "UNKNOWN";
    for (size_t i = 0; i < quality->check_count; i++) {
        const struct quality_check *check = &quality->checks[i];
        const char *verdict = check_verdict(check);
        if (check->op && strcmp(verdict, "FAIL") == 0)
            return "FAIL";
        if (check->op && strcmp(verdict, "UNKNOWN") == 0)
            overall = "UNKNOWN";
    }
    return overall;
}

static void problem(struct quality *quality, const char *place, const struct error *error)
{
    buffer_format(&quality->problems, "%s: ", place);
    for (const char *at = error->text; *at; at++)
        buffer_append_byte(&quality->problems, *at == '\n' ? ' ' : (uint8_t)*at);
    buffer_append_byte(&quality->problems, '\n');
}

/* range_clause: rows of the asked range; of a run all its rows are looked at. */
static void range_clause(const struct quality_input *input, struct buffer *sql)
{
    if (input->range_known && strcmp(input->range_source, "option") == 0)
        buffer_format(sql, " WHERE ts_ms BETWEEN %lld AND %lld", (long long)input->from_ms,
                      (long long)input->to_ms);
}

/* view_make: one view per kind; `writer` tells rows of several runs apart. */
static void view_make(struct quality *quality, enum data_set set)
{
    struct buffer sql;
    struct error error = {{0}};
    if (!quality->files.counts[set])
        return;
    buffer_init(&sql, 0);
    buffer_format(&sql,
                  "CREATE VIEW %s AS SELECT *, regexp_extract(filename, "
                  "'/part-\\d+-\\d+-\\d+-([0-9a-f]{8})-', 1) AS writer FROM read_parquet([",
                  DATA_SETS_INFO[set].name);
    buffer_append(&sql, quality->files.quoted[set].data, quality->files.quoted[set].length);
    buffer_append_text(&sql, "], hive_partitioning = false, filename = true)");
    range_clause(quality->input, &sql);
    if (query_session_run(quality->session, buffer_text(&sql), &error) == STATUS_OK)
        quality->view_made[set] = true;
    else
        problem(quality, DATA_SETS_INFO[set].name, &error);
    buffer_finish(&sql);
}

enum status quality_open(const struct quality_input *input, struct quality *out_quality, struct error *error)
{
    const struct query_limits limits = {.memory_mb = MEMORY_MB, .threads = THREADS};
    struct data_filter filter = {.run_id = input->run_id,
                                 .symbols = input->symbols,
                                 .symbol_count = input->symbol_count,
                                 .wanted = input->wanted,
                                 .wanted_context = input->wanted_context};
    *out_quality = (struct quality){.input = input};
    buffer_init(&out_quality->rows, 0);
    buffer_init(&out_quality->minutes, 0);
    buffer_init(&out_quality->coverage, 0);
    buffer_init(&out_quality->problems, PROBLEM_BYTES_MAX);
    enum status status = data_files_find(input->data_root, &filter, &out_quality->files, error);
    if (status == STATUS_OK)
        status = query_session_open(&limits, &out_quality->session, error);
    for (enum data_set set = 0; status == STATUS_OK && set < SET_COUNT; set++)
        view_make(out_quality, set);
    return status;
}

void quality_close(struct quality *quality)
{
    query_session_close(quality->session);
    data_files_finish(&quality->files);
    for (size_t i = 0; i < quality->check_count; i++)
        buffer_finish(&quality->checks[i].detail);
    buffer_finish(&quality->rows);
    buffer_finish(&quality->minutes);
    buffer_finish(&quality->coverage);
    buffer_finish(&quality->problems);
}

struct numbers {
    double *out;
    size_t count;
};

static void numbers_take(void *context, const struct query_cell *cells, size_t count)
{
    struct numbers *numbers = context;
    for (size_t i = 0; i < numbers->count && i < count; i++)
        numbers->out[i] = cells[i].is_null || cells[i].text ? NAN : cells[i].number;
}

bool quality_each(struct quality *quality, enum data_set set, const char *sql, query_row *take, void *context)
{
    struct error error = {{0}};
    if (set < SET_COUNT && !quality->view_made[set])
        return false;
    if (query_session_rows(quality->session, sql, take, context, &error) == STATUS_OK)
        return true;
    problem(quality, set < SET_COUNT ? DATA_SETS_INFO[set].name : "files", &error);
    return false;
}

void quality_query(struct quality *quality, enum data_set first, enum data_set second, const char *sql,
                   double *out_numbers, size_t count)
{
    struct numbers numbers = {out_numbers, count};
    for (size_t i = 0; i < count; i++)
        out_numbers[i] = NAN;
    if (second == SET_COUNT || quality->view_made[second])
        (void)quality_each(quality, first, sql, numbers_take, &numbers);
}

bool quality_range(const struct quality *quality, int64_t *out_first_ms, int64_t *out_end_ms)
{
    const struct quality_input *input = quality->input;
    if (!input->range_known)
        return false;
    *out_first_ms = (input->from_ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS;
    *out_end_ms = (input->to_ms + 1) / MINUTE_MS * MINUTE_MS;
    return *out_end_ms > *out_first_ms;
}

void quality_judge(struct quality *quality)
{
    quality_rows_judge(quality);
    quality_latency_judge(quality, false);
    quality_values_judge(quality);
    quality_gaps_judge(quality, false);
    quality_describe(quality);
}

void quality_judge_precheck(struct quality *quality)
{
    const struct quality_input *input = quality->input;
    quality_direction_judge(quality);
    quality_source_unknown(quality, quality_add(quality, "reconnects", input->reconnects, "<=", 3, 1));
    double share = input->received_trades > 0 ? input->dedup_hits / input->received_trades : NAN;
    quality_source_unknown(quality, quality_add(quality, "duplicates", share, "<", 0.002,
                                                (int64_t)fmax(0, input->received_trades)));
    quality_latency_judge(quality, true);
    quality_files_judge(quality);
    quality_gaps_judge(quality, true);
    quality_describe(quality);
}
