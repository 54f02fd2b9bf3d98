/* Signal rows as the sinks hold them: counted, checked for holes and repetitions in their numbers, and for
 * types. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/map.h"
#include "base/memory.h"
#include "evidence.h"
#include "proto/signal.h"
#include "store/database.h"
#include "store/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

enum { LINE_BYTES_MAX = 64 * 1024, SAMPLE_ROWS = 100 };

struct lines {
    const char *run_id;
    struct map symbols; /* → index into last */
    int64_t *last;      /* newest seq of a symbol */
    size_t last_capacity;
    int64_t files, rows, repeated, missing, violations;
    int64_t *minutes; /* event minute of every file, in the order they were found */
    size_t minute_capacity;
};

static size_t symbol_index(struct lines *lines, const char *symbol)
{
    size_t index = map_get(&lines->symbols, symbol);
    if (index != MAP_ABSENT)
        return index;
    index = lines->symbols.count;
    lines->last = memory_grow(lines->last, &lines->last_capacity, index + 1, sizeof *lines->last);
    lines->last[index] = 0;
    map_put(&lines->symbols, symbol, index);
    return index;
}

/* json_fits: the value is what the field table says (data.md §5.1). */
static bool json_fits(const struct field *field, yyjson_val *value)
{
    if (yyjson_is_null(value))
        return field->flags & FIELD_NULLABLE;
    switch (field->type) {
    case FIELD_I64:
    case FIELD_I32: return yyjson_is_int(value);
    case FIELD_F64:
    case FIELD_DECIMAL: return yyjson_is_num(value);
    case FIELD_BOOL: return yyjson_is_bool(value);
    case FIELD_ENUM:
        return yyjson_is_str(value) &&
               enum_from_name(field->names, yyjson_get_str(value), yyjson_get_len(value)) >= 0;
    case FIELD_TEXT: return yyjson_is_str(value);
    default: return false;
    }
}

/* line_fits: exactly the fields of the table, in their order. */
static bool line_fits(yyjson_val *root)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(root);
    for (size_t i = 0; i < signal_message.field_count; i++) {
        const struct field *field = &signal_message.fields[i];
        if (field->flags & FIELD_WIRE)
            continue;
        yyjson_val *key = yyjson_obj_iter_next(&iter);
        if (!key || !yyjson_equals_str(key, field->name) || !json_fits(field, yyjson_obj_iter_get_val(key)))
            return false;
    }
    bool confirmed = yyjson_is_true(yyjson_obj_get(root, "confirm"));
    return !yyjson_obj_iter_has_next(&iter) &&
           confirmed == yyjson_is_null(yyjson_obj_get(root, "guard_reason"));
}

static void line_take(struct lines *lines, char *text, size_t length)
{
    yyjson_doc *document = yyjson_read(text, length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *symbol = yyjson_get_str(yyjson_obj_get(root, "symbol"));
    lines->rows++;
    lines->violations +=
        !line_fits(root) || !yyjson_equals_str(yyjson_obj_get(root, "run_id"), lines->run_id);
    if (symbol) {
        size_t index = symbol_index(lines, symbol); /* may move the array */
        int64_t *last = &lines->last[index];
        int64_t seq = yyjson_get_sint(yyjson_obj_get(root, "seq"));
        lines->repeated += seq <= *last;
        lines->missing += seq > *last + 1 ? seq - *last - 1 : 0;
        *last = seq > *last ? seq : *last;
    }
    yyjson_doc_free(document);
}

/* minute_of: the event minute in a shard's name (data.md §5.2), since 1970. */
static int64_t minute_of(const char *path)
{
    struct tm at = {0};
    const char *name = strrchr(path, '/');
    if (!name || sscanf(name, "/signals_%4d%2d%2d_%2d%2d_", &at.tm_year, &at.tm_mon, &at.tm_mday, &at.tm_hour,
                        &at.tm_min) != 5)
        return 0;
    at.tm_year -= 1900;
    at.tm_mon -= 1;
    return (int64_t)timegm(&at) / 60;
}

static int by_minute(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* rotation_minutes: the longest way from one rotation to the next, in event minutes; of one minute alone 0. */
static int64_t rotation_minutes(const struct lines *lines)
{
    int64_t longest = 0;
    qsort(lines->minutes, (size_t)lines->files, sizeof *lines->minutes, by_minute);
    for (int64_t i = 1; i < lines->files; i++)
        if (lines->minutes[i] - lines->minutes[i - 1] > longest)
            longest = lines->minutes[i] - lines->minutes[i - 1];
    return longest;
}

/* shard_visit: the finished files of this run, in the order of their minutes. */
static enum status shard_visit(void *context, const char *path)
{
    struct lines *lines = context;
    if (!strstr(path, "/ready/signal/") || !shard_of_run(path, lines->run_id, ".jsonl"))
        return STATUS_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return STATUS_IO;
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    while ((got = getline(&line, &room, file)) > 0)
        line_take(lines, line, (size_t)got);
    free(line);
    fclose(file);
    lines->minutes = memory_grow(lines->minutes, &lines->minute_capacity, (size_t)lines->files + 1,
                                 sizeof *lines->minutes);
    lines->minutes[lines->files++] = minute_of(path);
    return STATUS_OK;
}

static void from_jsonl(const struct evidence_places *places, struct evidence *evidence)
{
    struct lines lines = {.run_id = places->run_id};
    char source[PATH_BYTES];
    path_join(source, places->output_dir, "ready/signal");
    map_init(&lines.symbols);
    enum status status = folder_walk(places->output_dir, shard_visit, &lines);
    if (status == STATUS_OK) {
        evidence_add(evidence, "jsonl_shards", (double)lines.files, source, "files");
        evidence_add(evidence, "jsonl_rows", (double)lines.rows, source, "lines");
    }
    if (status == STATUS_OK && lines.rows) { /* of no rows at all nothing is known */
        evidence_add(evidence, "jsonl_missing", (double)lines.missing, source, "seq");
        evidence_add(evidence, "jsonl_repeated", (double)lines.repeated, source, "seq");
        evidence_add(evidence, "jsonl_violations", (double)lines.violations, source, "all fields");
        evidence_add(evidence, "jsonl_rotation_minutes", (double)rotation_minutes(&lines), source,
                     "minutes in the files' names");
    }
    map_finish(&lines.symbols);
    free(lines.last);
    free(lines.minutes);
}

static enum status query_numbers(struct database *database, const char *sql, const char *run_id,
                                 int64_t *out_first, int64_t *out_second)
{
    struct statement *statement;
    struct error error;
    enum status status = statement_prepare(database, sql, &statement, &error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(statement, 1, run_id);
    status = statement_step(statement, &error);
    if (status == STATUS_OK) {
        *out_first = statement_i64(statement, 0);
        *out_second = statement_i64(statement, 1);
    }
    statement_finish(statement);
    return status;
}

static bool column_fits(const struct field *field, const struct statement *statement, int column)
{
    enum value_type type = statement_type(statement, column);
    if (type == VALUE_NULL)
        return field->flags & FIELD_NULLABLE;
    switch (field->type) {
    case FIELD_I64:
    case FIELD_I32: return type == VALUE_INTEGER;
    case FIELD_F64:
    case FIELD_DECIMAL: return type == VALUE_REAL;
    case FIELD_BOOL: return type == VALUE_INTEGER && (uint64_t)statement_i64(statement, column) <= 1;
    case FIELD_ENUM: {
        const char *text = statement_text(statement, column);
        return text && enum_from_name(field->names, text, strlen(text)) >= 0;
    }
    default: return type == VALUE_TEXT;
    }
}

static bool row_fits(const struct statement *statement)
{
    int column = 0;
    for (size_t i = 0; i < signal_message.field_count; i++) {
        const struct field *field = &signal_message.fields[i];
        if (field->flags & FIELD_WIRE)
            continue;
        if (column >= statement_columns(statement) ||
            strcmp(statement_column_name(statement, column), field->name) != 0 ||
            !column_fits(field, statement, column))
            return false;
        column++;
    }
    return true;
}

/* sample_violations: about SAMPLE_ROWS rows, drawn evenly; -1: could not be read. */
static int64_t sample_violations(struct database *database, const char *run_id, int64_t rows)
{
    struct statement *statement;
    struct error error;
    int64_t violations = 0;
    if (statement_prepare(database, "SELECT * FROM signals WHERE run_id = ?1 AND seq % ?2 = 0 LIMIT 1000",
                          &statement, &error) != STATUS_OK)
        return -1;
    statement_bind_text(statement, 1, run_id);
    statement_bind_i64(statement, 2, rows > SAMPLE_ROWS ? rows / SAMPLE_ROWS : 1);
    enum status status;
    while ((status = statement_step(statement, &error)) == STATUS_OK)
        violations += !row_fits(statement);
    statement_finish(statement);
    return status == STATUS_END ? violations : -1;
}

static void from_sqlite(const struct evidence_places *places, struct evidence *evidence)
{
    static const char COUNTS[] =
        "SELECT COALESCE(SUM(n), 0), COALESCE(SUM(m - n), 0) FROM (SELECT COUNT(*) AS n, "
        "MAX(seq) AS m FROM signals WHERE run_id = ?1 GROUP BY symbol)";
    static const char REPEATED[] =
        "SELECT COUNT(*), 0 FROM (SELECT 1 FROM signals WHERE run_id = ?1 GROUP BY symbol, "
        "seq HAVING COUNT(*) > 1)";
    char path[PATH_BYTES];
    struct database *database = NULL;
    struct error error;
    int64_t rows = 0, missing = 0, repeated = 0, unused = 0;
    path_join(path, places->output_dir, "signals.db");
    if (database_open(path, DATABASE_READ, &database, &error) != STATUS_OK)
        return;
    bool known = query_numbers(database, COUNTS, places->run_id, &rows, &missing) == STATUS_OK &&
                 query_numbers(database, REPEATED, places->run_id, &repeated, &unused) == STATUS_OK;
    if (known)
        evidence_add(evidence, "sqlite_rows", (double)rows, path, "signals.run_id");
    if (known && rows) {
        int64_t violations = sample_violations(database, places->run_id, rows);
        evidence_add(evidence, "sqlite_missing", (double)missing, path, "signals.seq");
        evidence_add(evidence, "sqlite_repeated", (double)repeated, path, "signals.seq");
        if (violations >= 0)
            evidence_add(evidence, "sqlite_violations", (double)violations, path, "signals.*");
    }
    database_close(database);
}

void evidence_from_signals(const struct evidence_places *places, struct evidence *evidence)
{
    if (!(places->modules & module_bit(MODULE_SIGNAL)))
        return;
    if (strcmp(places->sink, "sqlite") != 0)
        from_jsonl(places, evidence);
    if (strcmp(places->sink, "jsonl") != 0)
        from_sqlite(places, evidence);
}
