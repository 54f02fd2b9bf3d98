/* Reading report.db back: for the running report after a restart, and for each summary. */
#include "base/memory.h"
#include "report_store.h"
#include "row_text.h"
#include "store/database.h"
#include "symbol_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* each_row: calls `take` for every row of a SELECT. */
typedef enum status row_taker(void *context, const struct statement *row, struct error *error);

static enum status each_row(struct database *database, const char *sql, row_taker *take, void *context,
                            struct error *error)
{
    struct statement *statement;
    enum status status = statement_prepare(database, sql, &statement, error);
    if (status != STATUS_OK)
        return status;
    while ((status = statement_step(statement, error)) == STATUS_OK) {
        status = take(context, statement, error);
        if (status != STATUS_OK)
            break;
    }
    statement_finish(statement);
    return status == STATUS_END ? STATUS_OK : status;
}

static const char *text_of(const struct statement *row, int column)
{
    const char *text = statement_text(row, column);
    return text ? text : "";
}

static enum status take_stream(void *context, const struct statement *row, struct error *error)
{
    (void)error;
    struct stream_figures *stream = figures_stream(context, text_of(row, 0));
    stream->position = stream->durable = statement_i64(row, 1);
    stream->ended = statement_i64(row, 2) != 0;
    return STATUS_OK;
}

static enum status take_symbol(void *context, const struct statement *row, struct error *error)
{
    struct symbol_figures *symbol = figures_symbol(context, text_of(row, 0));
    if (symbol_from_json(text_of(row, 1), symbol) == STATUS_OK)
        return STATUS_OK;
    return error_set(error, STATUS_MALFORMED, "report.db: the figures of %s cannot be read", symbol->symbol);
}

static enum status take_minute(void *context, const struct statement *row, struct error *error)
{
    (void)error;
    struct order_minute *minute = figures_minute(context, statement_i64(row, 0));
    minute->buy = statement_i64(row, 1);
    minute->sell = statement_i64(row, 2);
    minute->strong = statement_i64(row, 3);
    minute->normal = statement_i64(row, 4);
    minute->rejected = statement_i64(row, 5);
    return STATUS_OK;
}

static enum status take_event_minute(void *context, const struct statement *row, struct error *error)
{
    (void)error;
    struct figures *figures = context;
    struct minute_figures *minute = minutes_at(&figures->event_minutes, statement_i64(row, 0));
    if (!minute)
        return STATUS_OK; /* cannot be: they come in rising order */
    minute->books = statement_i64(row, 1);
    minute->signals = statement_i64(row, 2);
    minute->confirmed = statement_i64(row, 3);
    minute->strong = statement_i64(row, 4);
    minute->low_consistency = statement_i64(row, 5);
    return STATUS_OK;
}

static enum status take_reason(void *context, const struct statement *row, struct error *error)
{
    (void)error;
    struct figures *figures = context;
    const char *name = text_of(row, 0);
    minutes_reason(&figures->event_minutes, name, strlen(name))->rows = statement_i64(row, 1);
    return STATUS_OK;
}

static enum status take_instance(void *context, const struct statement *row, struct error *error)
{
    (void)error;
    struct instance_figures *instance = figures_instance(context, text_of(row, 0));
    instance->generation = statement_i64(row, 1);
    snprintf(instance->state, sizeof instance->state, "%s", text_of(row, 2));
    return STATUS_OK;
}

static enum status take_counter(void *context, const struct statement *row, struct error *error)
{
    (void)error;
    instance_counter(figures_instance(context, text_of(row, 0)), text_of(row, 1), statement_i64(row, 2));
    return STATUS_OK;
}

static enum status take_sink(void *context, const struct statement *row, struct error *error)
{
    struct instance_figures *instance = figures_instance(context, text_of(row, 0));
    const char *text = text_of(row, 2);
    if (instance->sink_count == FIGURES_SINKS_MAX)
        return STATUS_OK;
    return row_from_json(&sink_status_message, text, strlen(text), &instance->sinks[instance->sink_count++],
                         error);
}

static enum status load(struct database *database, struct figures *figures, struct error *error)
{
    static const struct {
        const char *sql;
        row_taker *take;
    } TABLES[] = {
        {"SELECT stream, position, ended FROM positions", take_stream},
        {"SELECT symbol, figures FROM symbols ORDER BY symbol", take_symbol},
        {"SELECT minute, buy, sell, strong, normal, rejected FROM order_minutes ORDER BY minute",
         take_minute},
        {"SELECT minute, books, signals, confirmed, strong, low_consistency FROM event_minutes ORDER BY "
         "minute",
         take_event_minute},
        {"SELECT name, rows FROM reasons ORDER BY number", take_reason},
        {"SELECT instance, generation, state FROM instances ORDER BY instance", take_instance},
        {"SELECT instance, name, value FROM counters", take_counter},
        {"SELECT instance, sink, status FROM sinks ORDER BY instance, sink", take_sink},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof TABLES / sizeof TABLES[0]; i++)
        status = each_row(database, TABLES[i].sql, TABLES[i].take, figures, error);
    return status;
}

enum status report_store_load(struct report_store *store, struct figures *figures, struct error *error)
{
    return load(report_store_database(store), figures, error);
}

enum status report_store_figures(const char *path, struct figures *figures, struct error *error)
{
    struct database *database = NULL;
    enum status status = database_open(path, DATABASE_READ, &database, error);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status == STATUS_OK)
        status = load(database, figures, error);
    database_close(database);
    return status;
}

static enum status take_event(void *context, const struct statement *row, struct error *error)
{
    struct stored *stored = context;
    const char *symbol = text_of(row, 0);
    int64_t type = statement_i64(row, 1);
    if (type < 0 || type >= EVENT_TYPE_COUNT)
        return error_set(error, STATUS_MALFORMED, "report.db: %lld is not an event type", (long long)type);
    size_t count = stored->event_symbol_count;
    if (count == 0 || strcmp(stored->events[count - 1].symbol, symbol) != 0) {
        stored->events =
            memory_grow(stored->events, &stored->event_symbol_capacity, count + 1, sizeof *stored->events);
        event_times_init(&stored->events[count], symbol);
        stored->event_symbol_count = ++count;
    }
    event_times_add(&stored->events[count - 1], (int)type, statement_i64(row, 2));
    return STATUS_OK;
}

static enum status take_state(void *context, const struct statement *row, struct error *error)
{
    struct stored *stored = context;
    const char *text = text_of(row, 1);
    stored->states =
        memory_grow(stored->states, &stored->state_capacity, stored->state_count + 1, sizeof *stored->states);
    struct state_snapshot *state = &stored->states[stored->state_count++];
    *state = (struct state_snapshot){0};
    snprintf(state->symbol, sizeof state->symbol, "%s", text_of(row, 0));
    return row_from_json(&strategy_state_message, text, strlen(text), &state->row, error);
}

/* events_of: of a symbol that may have had none. */
static struct event_times *events_of(struct stored *stored, const char *symbol)
{
    for (size_t i = 0; i < stored->event_symbol_count; i++)
        if (strcmp(stored->events[i].symbol, symbol) == 0)
            return &stored->events[i];
    size_t count = stored->event_symbol_count++;
    stored->events =
        memory_grow(stored->events, &stored->event_symbol_capacity, count + 1, sizeof *stored->events);
    event_times_init(&stored->events[count], symbol);
    return &stored->events[count];
}

/* newest_state: time of a symbol's newest strategy_state row; INT64_MAX: it has none. Rows lie by time: it is close to the end. */
static int64_t newest_state(const struct stored *stored, const char *symbol)
{
    for (size_t i = stored->state_count; i > 0; i--)
        if (strcmp(stored->states[i - 1].symbol, symbol) == 0)
            return stored->states[i - 1].row.ts_ms;
    return INT64_MAX;
}

/* mark_known: a symbol's events are known about as far as both streams that have any have been read: harvest's by its trades and
 * books, features' by its strategy_state rows. */
static void mark_known(struct stored *stored)
{
    for (size_t i = 0; i < stored->figures.symbol_count; i++) {
        const struct symbol_figures *symbol = &stored->figures.symbols[i];
        int64_t state_ms = newest_state(stored, symbol->symbol);
        events_of(stored, symbol->symbol)->known_ms =
            symbol->last_ts_ms < state_ms ? symbol->last_ts_ms : state_ms;
    }
}

/* read_all: inside one read transaction, so that all tables are of the same commit. */
static enum status read_all(struct database *database, struct stored *stored, struct error *error)
{
    enum status status = database_execute(database, "BEGIN", error);
    if (status == STATUS_OK)
        status = load(database, &stored->figures, error);
    if (status == STATUS_OK)
        status = each_row(database,
                          "SELECT symbol, event_type, ts_ms FROM events ORDER BY symbol, event_type, ts_ms",
                          take_event, stored, error);
    if (status == STATUS_OK)
        status =
            each_row(database, "SELECT symbol, state FROM strategy_states ORDER BY ts_ms, symbol, sequence",
                     take_state, stored, error);
    if (status == STATUS_OK)
        mark_known(stored);
    database_rollback(database);
    return status;
}

enum status report_store_read(const char *path, struct stored *out_stored, struct error *error)
{
    struct stored stored = {0};
    struct database *database;
    figures_init(&stored.figures);
    enum status status = database_open(path, DATABASE_READ, &database, error);
    if (status == STATUS_OK) {
        status = read_all(database, &stored, error);
        database_close(database);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    if (status == STATUS_OK)
        *out_stored = stored;
    else
        stored_finish(&stored);
    return status;
}

void stored_finish(struct stored *stored)
{
    figures_finish(&stored->figures);
    for (size_t i = 0; i < stored->event_symbol_count; i++)
        event_times_finish(&stored->events[i]);
    free(stored->events);
    free(stored->states);
    *stored = (struct stored){0};
    figures_init(&stored->figures);
}

struct event_knowledge stored_knowledge(const struct stored *stored, bool is_complete)
{
    return (struct event_knowledge){
        .times = stored->events, .count = stored->event_symbol_count, .is_complete = is_complete};
}
