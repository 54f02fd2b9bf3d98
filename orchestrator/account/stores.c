/* Rows as they lie in the stores of lines and in signals.db, counted one by one. A row that stands twice counts once as
 * distinct: numbers of a symbol rise from row to row in these files. */
#include "base/memory.h"
#include "run_files.h"
#include "store/database.h"
#include "store/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

const char *const DATA_SET_NAMES[DATA_SETS] = {"prices", "orderbook", "ofi",     "cvd",
                                               "fusion", "events",    "features"};

/* lines: files of JSON lines being counted. */
struct lines {
    struct run_files *run;
    const char *rows, *distinct; /* names of the figures */
    const char *order;           /* member that rises within a symbol */
    struct map symbols;          /* → index into last */
    int64_t *last;
    size_t last_capacity;
};

static int64_t *last_of(struct lines *lines, const char *symbol)
{
    size_t index = map_get(&lines->symbols, symbol);
    if (index == MAP_ABSENT) {
        index = lines->symbols.count;
        lines->last = memory_grow(lines->last, &lines->last_capacity, index + 1, sizeof *lines->last);
        lines->last[index] = INT64_MIN;
        map_put(&lines->symbols, symbol, index);
    }
    return &lines->last[index];
}

static void take_line(struct lines *lines, char *text, size_t length)
{
    yyjson_doc *document = text[length - 1] == '\n' ? yyjson_read(text, length, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *symbol = yyjson_get_str(yyjson_obj_get(root, "symbol"));
    if (symbol && yyjson_equals_str(yyjson_obj_get(root, "run_id"), lines->run->run_id)) {
        int64_t *last = last_of(lines, symbol), order = yyjson_get_sint(yyjson_obj_get(root, lines->order));
        figures_add(&lines->run->figures, symbol, lines->rows, 1);
        figures_add(&lines->run->figures, symbol, lines->distinct, order > *last);
        *last = order > *last ? order : *last;
    }
    yyjson_doc_free(document);
}

static enum status take_file(struct lines *lines, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return STATUS_NOT_FOUND; /* renamed since: a running service has gone on */
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    while ((got = getline(&line, &room, file)) > 0)
        take_line(lines, line, (size_t)got);
    bool failed = ferror(file) != 0;
    free(line);
    fclose(file);
    return failed ? STATUS_IO : STATUS_OK;
}

/* shard_visit: finished shards and open ones; "ready" comes before "spool", so that one renamed meanwhile is not seen twice. */
static enum status shard_visit(void *context, const char *path)
{
    struct lines *lines = context;
    bool ready = strstr(path, "/ready/signal/") && shard_of_run(path, lines->run->run_id, ".jsonl");
    bool open = strstr(path, "/spool/signal/") && shard_of_run(path, lines->run->run_id, ".part");
    enum status status = ready || open ? take_file(lines, path) : STATUS_OK;
    if (status == STATUS_IO)
        run_files_problem(lines->run, "%s cannot be read", path);
    return status == STATUS_IO ? STATUS_IO : STATUS_OK;
}

static void lines_finish(struct lines *lines)
{
    map_finish(&lines->symbols);
    free(lines->last);
}

/* known: the store could be read to its end; otherwise it is left UNKNOWN by a figure nobody has. */
static void known(const struct lines *lines)
{
    run_files_known(lines->run, lines->rows);
    run_files_known(lines->run, lines->distinct);
}

static void read_jsonl(struct run_files *run)
{
    struct lines lines = {
        .run = run, .rows = "jsonl:rows.signals", .distinct = "jsonl:distinct.signals", .order = "seq"};
    map_init(&lines.symbols);
    enum status status = folder_walk(config_text(run->config, "run.output_dir"), shard_visit, &lines);
    if (status == STATUS_OK)
        known(&lines);
    else
        run_files_problem(run, "the JSONL files below %s cannot be counted (%s)",
                          config_text(run->config, "run.output_dir"), status_name(status));
    lines_finish(&lines);
}

static void read_orders(struct run_files *run)
{
    struct lines lines = {.run = run,
                          .rows = "orders:rows.orders",
                          .distinct = "orders:distinct.orders",
                          .order = "signal_ts_ms"};
    char path[PATH_BYTES];
    path_join(path, config_text(run->config, "run.output_dir"), "mock_orders.jsonl");
    map_init(&lines.symbols);
    enum status status = take_file(&lines, path);
    if (status == STATUS_OK)
        known(&lines);
    else
        run_files_problem(run, "%s cannot be read (%s)", path, status_name(status));
    lines_finish(&lines);
}

/* --- dead letters --- */

static int64_t line_count(const char *path)
{
    char block[65536];
    size_t got;
    int64_t lines = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while ((got = fread(block, 1, sizeof block, file)) > 0)
        for (size_t i = 0; i < got; i++)
            lines += block[i] == '\n';
    bool failed = ferror(file) != 0;
    fclose(file);
    return failed ? -1 : lines;
}

static enum status letter_visit(void *context, const char *path)
{
    struct run_files *run = context;
    char symbol[SYMBOL_BYTES], kind[16], figure[48], prefix[RUN_ID_BYTES + 8];
    const char *at = strstr(path, "/symbol="), *name = strrchr(path, '/') + 1;
    snprintf(prefix, sizeof prefix, "bad-%s-", run->run_id);
    size_t length = strlen(prefix);
    if (!at || sscanf(at, "/symbol=%31[^/]/kind=%15[^/]/", symbol, kind) != 2 ||
        strncmp(name, prefix, length) != 0 ||
        strspn(name + length, "0123456789") != strcspn(name + length, "."))
        return STATUS_OK;
    int64_t lines = line_count(path);
    if (lines < 0) {
        run_files_problem(run, "%s cannot be read", path);
        return STATUS_IO;
    }
    snprintf(figure, sizeof figure, "deadletter:%s", kind);
    figures_add(&run->figures, symbol, figure, lines);
    return STATUS_OK;
}

static void read_deadletters(struct run_files *run)
{
    char root[PATH_BYTES], figure[48];
    path_join(root, config_text(run->config, "run.artifacts_dir"), "deadletter");
    enum status status = folder_walk(root, letter_visit, run);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        run_files_problem(run, "the dead letters below %s cannot be counted (%s)", root, status_name(status));
        return;
    }
    for (size_t i = 0; i < DATA_SETS; i++) {
        snprintf(figure, sizeof figure, "deadletter:%s", DATA_SET_NAMES[i]);
        run_files_known(run, figure);
    }
}

/* --- SQLite --- */

static enum status count_signals(struct run_files *run, struct database *database, struct error *error)
{
    struct statement *statement;
    enum status status = statement_prepare(
        database,
        "SELECT symbol, COUNT(*), COUNT(DISTINCT seq) FROM signals WHERE run_id = ?1 GROUP BY symbol",
        &statement, error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(statement, 1, run->run_id);
    while ((status = statement_step(statement, error)) == STATUS_OK) {
        figures_add(&run->figures, statement_text(statement, 0), "sqlite:rows.signals",
                    statement_i64(statement, 1));
        figures_add(&run->figures, statement_text(statement, 0), "sqlite:distinct.signals",
                    statement_i64(statement, 2));
    }
    statement_finish(statement);
    return status == STATUS_END ? STATUS_OK : status;
}

static void read_sqlite(struct run_files *run)
{
    char path[PATH_BYTES];
    struct database *database = NULL;
    struct error error;
    path_join(path, config_text(run->config, "run.output_dir"), "signals.db");
    enum status status = database_open(path, DATABASE_READ, &database, &error);
    if (status == STATUS_OK)
        status = count_signals(run, database, &error);
    if (status == STATUS_OK) {
        run_files_known(run, "sqlite:rows.signals");
        run_files_known(run, "sqlite:distinct.signals");
    } else {
        run_files_problem(run, "%s: %s", path, error.text);
    }
    database_close(database);
}

void read_stores(struct run_files *run)
{
    module_set modules = run->conditions.modules;
    if ((modules & module_bit(MODULE_SIGNAL)) && strcmp(run->sink, "sqlite") != 0)
        read_jsonl(run);
    if ((modules & module_bit(MODULE_SIGNAL)) && strcmp(run->sink, "jsonl") != 0)
        read_sqlite(run);
    if (modules & module_bit(MODULE_BROKER))
        read_orders(run);
    if (modules & module_bit(MODULE_ARCHIVE))
        read_deadletters(run);
}
