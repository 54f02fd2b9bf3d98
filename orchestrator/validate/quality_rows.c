/* Checks on which rows there are. */
#include "base/json.h"
#include "base/memory.h"
#include "quality.h"
#include "store/columns.h"
#include "store/sql_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* symbol_minutes: of one kind. */
struct symbol_minutes {
    double present;           /* whole minutes of the range with a row */
    double first_ms, last_ms; /* of its rows; NaN: there are none */
};

struct per_symbol {
    const struct quality_input *input;
    struct symbol_minutes *items; /* as input->symbols */
};

static void per_symbol_take(void *context, const struct query_cell *cells, size_t count)
{
    struct per_symbol *per = context;
    (void)count;
    for (size_t i = 0; cells[0].text && i < per->input->symbol_count; i++)
        if (strcmp(per->input->symbols[i], cells[0].text) == 0)
            per->items[i] = (struct symbol_minutes){cells[1].is_null ? 0 : cells[1].number, cells[2].number,
                                                    cells[3].number};
}

/* ---- completeness ---- */

struct completeness {
    int64_t first_ms, end_ms; /* whole minutes of the range */
    double worst;             /* share of the minutes that has no row */
    double late_ms;           /* the latest first row behind the beginning of the range */
    double early_ms;          /* the earliest last row before its end */
    struct symbol_minutes *items[SET_COUNT];
};

static double minutes_expected(const struct completeness *completeness)
{
    return (double)(completeness->end_ms - completeness->first_ms) / MINUTE_MS;
}

/* completeness_take: one kind. */
static void completeness_take(struct quality *quality, enum data_set set, struct completeness *out)
{
    const struct quality_input *input = quality->input;
    struct per_symbol per = {input, memory_allocate((input->symbol_count + 1) * sizeof *per.items)};
    char sql[512];
    for (size_t i = 0; i < input->symbol_count; i++)
        per.items[i] = (struct symbol_minutes){0, NAN, NAN};
    snprintf(sql, sizeof sql,
             "SELECT symbol, count(DISTINCT ts_ms // 60000) FILTER (WHERE ts_ms >= %lld AND ts_ms < %lld), "
             "min(ts_ms), max(ts_ms) FROM %s GROUP BY symbol",
             (long long)out->first_ms, (long long)out->end_ms, DATA_SETS_INFO[set].name);
    (void)quality_each(quality, set, sql, per_symbol_take, &per);
    for (size_t i = 0; i < input->symbol_count; i++) {
        out->worst = fmax(out->worst, 1 - per.items[i].present / minutes_expected(out));
        out->late_ms = fmax(out->late_ms, per.items[i].first_ms - (double)input->from_ms);
        out->early_ms = fmax(out->early_ms, (double)input->to_ms - per.items[i].last_ms);
    }
    out->items[set] = per.items;
}

/* minutes_tell: {symbol: {kind: {present, expected}}} for the report. */
static void minutes_tell(struct quality *quality, const struct completeness *completeness)
{
    struct json json;
    json_init(&json, &quality->minutes);
    for (size_t i = 0; i < quality->input->symbol_count; i++) {
        json_key(&json, quality->input->symbols[i]);
        json_object_begin(&json);
        for (enum data_set set = 0; set < SET_COUNT; set++) {
            if (!completeness->items[set])
                continue;
            json_key(&json, DATA_SETS_INFO[set].name);
            json_object_begin(&json);
            json_key_f64(&json, "present", completeness->items[set][i].present);
            json_key_f64(&json, "expected", minutes_expected(completeness));
            json_object_end(&json);
        }
        json_object_end(&json);
    }
}

/* completeness_of: NaN in `worst` when there is no range, or no whole minute in it. */
static struct completeness completeness_of(struct quality *quality, const enum data_set *sets, size_t count)
{
    struct completeness found = {.worst = NAN};
    if (!quality_range(quality, &found.first_ms, &found.end_ms) || !quality->input->symbol_count)
        return found;
    found.worst = 0;
    for (size_t i = 0; i < count; i++)
        completeness_take(quality, sets[i], &found);
    minutes_tell(quality, &found);
    for (size_t i = 0; i < SET_COUNT; i++)
        free(found.items[i]);
    return found;
}

/* minutes_unknown: why completeness_of found nothing to count. */
static const char *minutes_unknown(const struct quality *quality)
{
    int64_t first_ms, end_ms;
    return !quality->input->range_known
               ? "no range of event time is known: name a run (--run-id), or --from and --to"
           : !quality_range(quality, &first_ms, &end_ms) ? "too short: the range has no whole minute"
                                                         : "no symbol is known: name a run, or --symbols";
}

static void judge_completeness(struct quality *quality)
{
    static const enum data_set SETS[] = {SET_PRICES, SET_ORDERBOOK, SET_OFI, SET_CVD};
    struct completeness found = completeness_of(quality, SETS, sizeof SETS / sizeof *SETS);
    struct quality_check *check = quality_add(quality, "completeness", found.worst, "<", 0.001,
                                              (found.end_ms - found.first_ms) / MINUTE_MS);
    quality_unknown(quality, check, SET_COUNT, SET_COUNT, minutes_unknown(quality));
    if (isnan(found.worst))
        return;
    quality_number(check, "first_row_behind_start_ms", found.late_ms);
    quality_number(check, "last_row_before_end_ms", found.early_ms);
}

/* ---- rotation ---- */

static void minutes_lacking_sql(struct quality *quality, const char *of, const char *filter, const char *in,
                                struct buffer *sql)
{
    int64_t first_ms, end_ms;
    bool ranged = quality_range(quality, &first_ms, &end_ms);
    buffer_format(sql,
                  "SELECT count(*), (SELECT count(DISTINCT (symbol, ts_ms // 60000)) FROM %s) FROM (SELECT "
                  "DISTINCT symbol, ts_ms // 60000 FROM %s WHERE %s",
                  of, of, filter);
    if (ranged)
        buffer_format(sql, " AND ts_ms >= %lld AND ts_ms < %lld", (long long)first_ms, (long long)end_ms);
    buffer_format(sql, " EXCEPT SELECT DISTINCT symbol, ts_ms // 60000 FROM %s)", in);
}

/* minutes_lacking: whole minutes with rows of one kind and none of the other. */
static double minutes_lacking(struct quality *quality, enum data_set of, const char *filter, enum data_set in,
                              int64_t *n)
{
    struct buffer sql;
    double numbers[2];
    buffer_init(&sql, 0);
    minutes_lacking_sql(quality, DATA_SETS_INFO[of].name, filter, DATA_SETS_INFO[in].name, &sql);
    quality_query(quality, of, in, buffer_text(&sql), numbers, 2);
    buffer_finish(&sql);
    *n += isnan(numbers[1]) ? 0 : (int64_t)numbers[1];
    return numbers[1] > 0 ? numbers[0] : NAN;
}

static void judge_rotation(struct quality *quality)
{
    int64_t n = 0;
    double trades = minutes_lacking(quality, SET_PRICES, "is_market", SET_CVD, &n);
    double books = minutes_lacking(quality, SET_ORDERBOOK, "true", SET_OFI, &n);
    struct quality_check *check = quality_add(quality, "rotation", trades + books, "==", 0, n);
    const char *none = "no whole minute has trades, or none has books";
    quality_unknown(quality, check, SET_PRICES, SET_CVD, none);
    if (!isnan(trades))
        quality_unknown(quality, check, SET_ORDERBOOK, SET_OFI, none);
    quality_number(check, "prices_without_cvd", trades);
    quality_number(check, "orderbook_without_ofi", books);
}

/* ---- deduplication ---- */

static void judge_duplicates(struct quality *quality)
{
    double worst = NAN;
    int64_t n = 0;
    struct quality_check *check = quality_add(quality, "deduplication", NAN, "<", 0.005, 0);
    for (enum data_set set = 0; set < SET_COUNT; set++) {
        char sql[256];
        double numbers[2];
        snprintf(sql, sizeof sql,
                 "SELECT max(1 - u / n), sum(n)::DOUBLE FROM (SELECT count(*)::DOUBLE AS n, count(DISTINCT "
                 "%s)::DOUBLE AS u FROM %s GROUP BY symbol, writer)",
                 DATA_SETS_INFO[set].id, DATA_SETS_INFO[set].name);
        quality_query(quality, set, SET_COUNT, sql, numbers, 2);
        if (isnan(numbers[0]))
            continue;
        worst = isnan(worst) ? numbers[0] : fmax(worst, numbers[0]);
        n += (int64_t)numbers[1];
        quality_number(check, DATA_SETS_INFO[set].name, numbers[0]);
    }
    check->measured = worst;
    check->n = n;
    quality_unknown(quality, check, SET_COUNT, SET_COUNT, "there is no row");
}

void quality_gaps_judge(struct quality *quality, bool report_only)
{
    double numbers[2];
    quality_query(quality, SET_PRICES, SET_COUNT,
                  "SELECT sum(gap_before)::DOUBLE, count(*)::DOUBLE FROM prices", numbers, 2);
    bool known = numbers[1] > 0;
    struct quality_check *check =
        quality_add(quality, "trade_gaps", known ? numbers[0] / numbers[1] : NAN, report_only ? NULL : "<",
                    report_only ? NAN : 0.001, known ? (int64_t)numbers[1] : 0);
    quality_unknown(quality, check, SET_PRICES, SET_COUNT, "there is no trade");
    quality_number(check, "missing_ids", numbers[0]);
}

/* ---- schema ---- */

/* columns_expected: "ts_ms BIGINT,symbol VARCHAR,…" as the archive writes this kind. */
static void columns_expected(enum data_set set, int levels, struct buffer *out)
{
    const struct message *message = DATA_SETS_INFO[set].message;
    struct columns *columns = columns_create(message, message_fields_in_use(message, levels), "-");
    buffer_clear(out);
    for (size_t i = 0; i < columns->item_count; i++) {
        buffer_format(out, "%s%s %s", i ? "," : "", columns->items[i].name,
                      columns_type_sql(columns->items[i].type));
        if (i == COLUMN_TS)
            buffer_append_text(out, ",symbol VARCHAR");
    }
    columns_destroy(columns);
}

struct schema {
    const char *expected;
    bool right;
};

static void columns_take(void *context, const struct query_cell *cells, size_t count)
{
    struct schema *schema = context;
    (void)count;
    schema->right = cells[0].text && strcmp(cells[0].text, schema->expected) == 0;
}

static bool columns_right(struct quality *quality, const char *path, const char *expected)
{
    struct schema schema = {.expected = expected};
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql,
                       "SELECT string_agg(column_name || ' ' || column_type, ',') FROM (DESCRIBE SELECT "
                       "* FROM read_parquet(");
    sql_file(&sql, path);
    buffer_append_text(&sql, ", hive_partitioning = false))");
    (void)quality_each(quality, SET_COUNT, buffer_text(&sql), columns_take, &schema);
    buffer_finish(&sql);
    return schema.right;
}

/* metadata_wrong: files of a kind whose key-value metadata are not the archive's. */
static double metadata_wrong(struct quality *quality, enum data_set set)
{
    struct buffer sql;
    double number[1];
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT count(*) FROM (SELECT file_name, count(*) FILTER (WHERE decode(key) = "
                             "'orderflow_schema' AND decode(value) = '1') AS s, count(*) FILTER (WHERE "
                             "decode(key) = 'config_fingerprint'");
    if (quality->input->fingerprint) {
        buffer_append_text(&sql, " AND decode(value) = ");
        sql_literal(&sql, quality->input->fingerprint);
    }
    buffer_append_text(&sql, ") AS f FROM parquet_kv_metadata([");
    buffer_append(&sql, quality->files.quoted[set].data, quality->files.quoted[set].length);
    buffer_append_text(&sql, "]) GROUP BY file_name) WHERE s = 1 AND f = 1");
    quality_query(quality, SET_COUNT, SET_COUNT, buffer_text(&sql), number, 1);
    buffer_finish(&sql);
    return (double)quality->files.counts[set] -
           (isnan(number[0]) ? 0 : number[0]); /* unreadable ones are wrong */
}

static void judge_schema(struct quality *quality)
{
    struct buffer expected;
    double wrong = 0, metadata = 0;
    int64_t files = 0;
    const char *first = NULL;
    buffer_init(&expected, 0);
    for (enum data_set set = 0; set < SET_COUNT; set++) {
        columns_expected(set, quality->input->levels, &expected);
        for (size_t i = 0; i < quality->files.counts[set]; i++) {
            bool right = columns_right(quality, quality->files.paths[set][i], buffer_text(&expected));
            wrong += !right;
            first = right || first ? first : quality->files.paths[set][i];
        }
        files += (int64_t)quality->files.counts[set];
        metadata += quality->files.counts[set] ? metadata_wrong(quality, set) : 0;
    }
    buffer_finish(&expected);
    struct quality_check *check =
        quality_add(quality, "schema", files ? wrong + metadata : NAN, "==", 0, files);
    quality_unknown(quality, check, SET_COUNT, SET_COUNT, "there is no file");
    quality_number(check, "columns_wrong", wrong);
    quality_number(check, "metadata_wrong", metadata);
    if (first) {
        struct json json;
        json_init(&json, &check->detail);
        json.need_comma = true;
        json_key_text(&json, "first_wrong", first);
    }
}

/* ---- the whole ---- */

void quality_rows_judge(struct quality *quality)
{
    const struct quality_input *input = quality->input;
    judge_completeness(quality);
    judge_rotation(quality);
    judge_duplicates(quality);
    quality_source_unknown(
        quality, quality_add(quality, "source_duplicates",
                             input->received_trades > 0 ? input->dedup_hits / input->received_trades : NAN,
                             NULL, NAN, (int64_t)fmax(0, input->received_trades)));
    judge_schema(quality);
}

void quality_files_judge(struct quality *quality)
{
    static const enum data_set SETS[] = {SET_PRICES, SET_CVD};
    struct completeness prices = completeness_of(quality, SETS, 1);
    buffer_clear(&quality->minutes);
    struct completeness both = completeness_of(quality, SETS, 2);
    int64_t n = (both.end_ms - both.first_ms) / MINUTE_MS;
    quality_unknown(quality, quality_add(quality, "files", both.worst, "==", 0, n), SET_COUNT, SET_COUNT,
                    minutes_unknown(quality));
    judge_schema(quality);
    quality_unknown(quality, quality_add(quality, "continuity", prices.worst, "==", 0, n), SET_COUNT,
                    SET_COUNT, minutes_unknown(quality));
}

static void rows_take(void *context, const struct query_cell *cells, size_t count)
{
    struct buffer *out = context;
    (void)count;
    buffer_format(out, "%s\"%s\":%.0f", out->length ? "," : "", cells[0].text ? cells[0].text : "?",
                  cells[1].number);
}

static void coverage_take(void *context, const struct query_cell *cells, size_t count)
{
    static const char *const NAMES[] = {"tokyo", "london", "ny", "active", "quiet"};
    struct buffer *out = context;
    buffer_format(out, "%s\"%s\":{", out->length ? "," : "", cells[0].text ? cells[0].text : "?");
    for (size_t i = 1; i < count; i++)
        buffer_format(out, "%s\"%s\":%.0f", i > 1 ? "," : "", NAMES[i - 1], cells[i].number);
    buffer_append_byte(out, '}');
}

void quality_describe(struct quality *quality)
{
    for (enum data_set set = 0; set < SET_COUNT; set++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT '%s', count(*) FROM %s", DATA_SETS_INFO[set].name,
                 DATA_SETS_INFO[set].name);
        if (!quality_each(quality, set, sql, rows_take, &quality->rows))
            buffer_format(&quality->rows, "%s\"%s\":%s", quality->rows.length ? "," : "",
                          DATA_SETS_INFO[set].name, quality->files.counts[set] ? "null" : "0");
    }
    (void)quality_each(
        quality, SET_FEATURES,
        "SELECT symbol, count(DISTINCT m) FILTER (WHERE h < 8), count(DISTINCT m) FILTER (WHERE h >= 8 AND h "
        "< 16), count(DISTINCT m) FILTER (WHERE h >= 16), count(DISTINCT m) FILTER (WHERE regime = "
        "'active'), "
        "count(DISTINCT m) FILTER (WHERE regime = 'quiet') FROM (SELECT symbol, regime, ts_ms // 60000 AS m, "
        "ts_ms // 3600000 % 24 AS h FROM features) GROUP BY symbol ORDER BY symbol",
        coverage_take, &quality->coverage);
}
