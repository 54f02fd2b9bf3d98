#include "report_store.h"

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "row_text.h"
#include "store/database.h"
#include "symbol_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum put {
    PUT_META,
    PUT_POSITION,
    PUT_SYMBOL,
    PUT_EVENT,
    PUT_STATE,
    PUT_ORDER_MINUTE,
    PUT_EVENT_MINUTE,
    PUT_REASON,
    PUT_INSTANCE,
    PUT_COUNTER,
    PUT_SINK,
    PUT_COUNT,
};

struct report_store {
    struct database *database;
    struct statement *puts[PUT_COUNT];
    struct statement *get_meta;
    int64_t started_ms;
};

static const char SCHEMA[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS positions(stream TEXT PRIMARY KEY, position INTEGER NOT NULL,"
    " ended INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS symbols(symbol TEXT PRIMARY KEY, figures TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS events(stream TEXT NOT NULL, sequence INTEGER NOT NULL, symbol TEXT NOT NULL,"
    " event_type INTEGER NOT NULL, ts_ms INTEGER NOT NULL, PRIMARY KEY(stream, sequence)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS strategy_states(stream TEXT NOT NULL, sequence INTEGER NOT NULL,"
    " symbol TEXT NOT NULL, ts_ms INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY(stream, sequence))"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS order_minutes(minute INTEGER PRIMARY KEY, buy INTEGER NOT NULL,"
    " sell INTEGER NOT NULL, strong INTEGER NOT NULL, normal INTEGER NOT NULL, rejected INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS event_minutes(minute INTEGER PRIMARY KEY, books INTEGER NOT NULL,"
    " signals INTEGER NOT NULL, confirmed INTEGER NOT NULL, strong INTEGER NOT NULL,"
    " low_consistency INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS reasons(number INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT "
    "NULL);"
    "CREATE TABLE IF NOT EXISTS instances(instance TEXT PRIMARY KEY, generation INTEGER NOT NULL,"
    " state TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS counters(instance TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
    " PRIMARY KEY(instance, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS sinks(instance TEXT NOT NULL, sink TEXT NOT NULL, status TEXT NOT NULL,"
    " PRIMARY KEY(instance, sink)) WITHOUT ROWID;";

static const char *const PUTS[PUT_COUNT] = {
    [PUT_META] = "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT DO NOTHING",
    [PUT_POSITION] = "INSERT OR REPLACE INTO positions VALUES(?1, ?2, ?3)",
    [PUT_SYMBOL] = "INSERT OR REPLACE INTO symbols VALUES(?1, ?2)",
    [PUT_EVENT] = "INSERT OR REPLACE INTO events VALUES(?1, ?2, ?3, ?4, ?5)",
    [PUT_STATE] = "INSERT OR REPLACE INTO strategy_states VALUES(?1, ?2, ?3, ?4, ?5)",
    [PUT_ORDER_MINUTE] = "INSERT OR REPLACE INTO order_minutes VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [PUT_EVENT_MINUTE] = "INSERT OR REPLACE INTO event_minutes VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [PUT_REASON] = "INSERT OR REPLACE INTO reasons VALUES(?1, ?2, ?3)",
    [PUT_INSTANCE] = "INSERT OR REPLACE INTO instances VALUES(?1, ?2, ?3)",
    [PUT_COUNTER] = "INSERT OR REPLACE INTO counters VALUES(?1, ?2, ?3)",
    [PUT_SINK] = "INSERT OR REPLACE INTO sinks VALUES(?1, ?2, ?3)",
};

/* ---- open ---- */

static void boot_id(char out[64])
{
    struct buffer text;
    buffer_init(&text, 0);
    if (file_read("/proc/sys/kernel/random/boot_id", &text) != STATUS_OK)
        buffer_clear(&text);
    snprintf(out, 64, "%.*s", (int)strcspn(buffer_text(&text), "\n"), buffer_text(&text));
    buffer_finish(&text);
}

static enum status prepare(struct report_store *store, struct error *error)
{
    enum status status = database_execute(store->database, SCHEMA, error);
    for (int i = 0; status == STATUS_OK && i < PUT_COUNT; i++)
        status = statement_prepare(store->database, PUTS[i], &store->puts[i], error);
    if (status == STATUS_OK)
        status = statement_prepare(store->database, "SELECT value FROM meta WHERE key = ?1", &store->get_meta,
                                   error);
    return status;
}

static enum status open_file(const struct report_store_config *config, struct report_store **out_store,
                             struct error *error)
{
    struct report_store *store = memory_allocate(sizeof *store);
    enum status status = database_open(config->path, config->sync ? DATABASE_WRITE_DURABLE : DATABASE_WRITE,
                                       &store->database, error);
    if (status ==
        STATUS_OK) /* it is hardly ever read: a small cache, so that memory is flat from the first hour on */
        status = database_execute(store->database, "PRAGMA cache_size=-2000", error);
    if (status == STATUS_OK)
        status = prepare(store, error);
    if (status == STATUS_OK)
        *out_store = store;
    else
        report_store_close(store);
    return status;
}

enum status report_store_text(struct report_store *store, const char *key, const char *value, char *out_value,
                              size_t size, struct error *error)
{
    statement_bind_text(store->puts[PUT_META], 1, key);
    statement_bind_text(store->puts[PUT_META], 2, value);
    enum status status = statement_run(store->puts[PUT_META], error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(store->get_meta, 1, key);
    status = statement_step(store->get_meta, error);
    if (status == STATUS_OK)
        snprintf(out_value, size, "%s", statement_text(store->get_meta, 0));
    statement_reset(store->get_meta);
    return status;
}

/* claim: writes who this database belongs to, or finds that it belongs to somebody else. */
static enum status claim(struct report_store *store, const struct report_store_config *config,
                         bool *out_same_run, bool *out_ours, struct error *error)
{
    char boot[64], started[32], found[128];
    if (config->sync)
        snprintf(boot, sizeof boot, "durable");
    else
        boot_id(boot);
    snprintf(started, sizeof started, "%" PRId64, config->now_ms);
    const struct {
        const char *key, *value;
    } owner[] = {{"run_id", config->run_id}, {"fingerprint", config->fingerprint}, {"boot_id", boot}};
    bool same[3] = {false};
    for (size_t i = 0; i < 3; i++) {
        enum status status =
            report_store_text(store, owner[i].key, owner[i].value, found, sizeof found, error);
        if (status != STATUS_OK)
            return status;
        same[i] = strcmp(found, owner[i].value) == 0;
    }
    enum status status = report_store_text(store, "started_ms", started, found, sizeof found, error);
    store->started_ms = strtoll(found, NULL, 10);
    *out_same_run = same[0];
    *out_ours = same[0] && same[1] && same[2];
    return status;
}

static enum status set_aside(const char *path, struct error *error)
{
    char aside[PATH_BYTES];
    if (snprintf(aside, sizeof aside, "%s.aside", path) >= (int)sizeof aside || rename(path, aside) != 0)
        return error_set(error, STATUS_IO, "%s belongs to another run and cannot be set aside: %m", path);
    log_event(LOG_WARNING, "set_aside", "path=%s reason=\"another run, configuration or boot\"", path);
    return STATUS_OK;
}

enum status report_store_open(const struct report_store_config *config, struct report_store **out_store,
                              struct error *error)
{
    struct report_store_config own = *config;
    struct report_store *store = NULL;
    bool same_run = false, ours = false;
    enum status status = open_file(&own, &store, error);
    if (status == STATUS_OK)
        status = claim(store, &own, &same_run, &ours, error);
    if (status == STATUS_OK && !ours) {
        if (same_run)
            own.now_ms = store->started_ms;
        report_store_close(store);
        store = NULL;
        status = set_aside(own.path, error);
        if (status == STATUS_OK)
            status = open_file(&own, &store, error);
        if (status == STATUS_OK)
            status = claim(store, &own, &same_run, &ours, error);
    }
    if (status == STATUS_OK)
        *out_store = store;
    else
        report_store_close(store);
    return status;
}

void report_store_close(struct report_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < PUT_COUNT; i++)
        statement_finish(store->puts[i]);
    statement_finish(store->get_meta);
    crash_point("before_close");
    database_close(store->database);
    free(store);
}

struct database *report_store_database(struct report_store *store)
{
    return store->database;
}

int64_t report_store_started_ms(const struct report_store *store)
{
    return store->started_ms;
}

/* ---- commit ---- */

static enum status put_streams(struct report_store *store, const struct figures *figures, struct error *error)
{
    struct statement *put = store->puts[PUT_POSITION];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < figures->stream_count; i++) {
        const struct stream_figures *stream = &figures->streams[i];
        if (!stream->dirty)
            continue;
        statement_bind_text(put, 1, stream->stream);
        statement_bind_i64(put, 2, stream->position);
        statement_bind_i64(put, 3, stream->ended);
        status = statement_run(put, error);
    }
    return status;
}

static enum status put_symbols(struct report_store *store, const struct figures *figures, struct error *error)
{
    struct statement *put = store->puts[PUT_SYMBOL];
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        if (!symbol->dirty)
            continue;
        buffer_clear(&text);
        symbol_to_json(symbol, &text);
        statement_bind_text(put, 1, symbol->symbol);
        statement_bind_text(put, 2, buffer_text(&text));
        status = statement_run(put, error);
    }
    buffer_finish(&text);
    return status;
}

static enum status put_kept(struct report_store *store, const struct figures *figures,
                            const struct kept_row *kept, struct buffer *text, struct error *error)
{
    struct statement *put = store->puts[kept->kind == ROW_EVENT ? PUT_EVENT : PUT_STATE];
    statement_bind_text(put, 1, figures->streams[kept->stream].stream);
    statement_bind_i64(put, 2, kept->sequence);
    statement_bind_text(put, 3, figures->symbols[kept->symbol].symbol);
    if (kept->kind == ROW_EVENT) {
        statement_bind_i64(put, 4, kept->event_type);
        statement_bind_i64(put, 5, kept->ts_ms);
    } else {
        buffer_clear(text);
        row_line(&strategy_state_message, &kept->state, text);
        statement_bind_i64(put, 4, kept->ts_ms);
        statement_bind_text(put, 5, buffer_text(text));
    }
    return statement_run(put, error);
}

static enum status put_rows(struct report_store *store, const struct figures *figures, struct error *error)
{
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < figures->kept_count; i++)
        status = put_kept(store, figures, &figures->kept[i], &text, error);
    buffer_finish(&text);
    return status;
}

static enum status put_minutes(struct report_store *store, const struct figures *figures, struct error *error)
{
    struct statement *put = store->puts[PUT_ORDER_MINUTE];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < figures->minute_count; i++) {
        const struct order_minute *minute = &figures->minutes[i];
        if (!minute->dirty)
            continue;
        const int64_t values[] = {minute->minute, minute->buy,    minute->sell,
                                  minute->strong, minute->normal, minute->rejected};
        for (int k = 0; k < 6; k++)
            statement_bind_i64(put, k + 1, values[k]);
        status = statement_run(put, error);
    }
    return status;
}

static enum status put_event_minutes(struct report_store *store, const struct minutes *minutes,
                                     struct error *error)
{
    struct statement *put = store->puts[PUT_EVENT_MINUTE];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < minutes->count; i++) {
        const struct minute_figures *minute = &minutes->items[i];
        if (!minute->dirty)
            continue;
        const int64_t values[] = {minute->minute,    minute->books,  minute->signals,
                                  minute->confirmed, minute->strong, minute->low_consistency};
        for (int k = 0; k < 6; k++)
            statement_bind_i64(put, k + 1, values[k]);
        status = statement_run(put, error);
    }
    return status;
}

static enum status put_reasons(struct report_store *store, const struct minutes *minutes, struct error *error)
{
    struct statement *put = store->puts[PUT_REASON];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < minutes->reason_count; i++) {
        if (!minutes->reasons[i].dirty)
            continue;
        statement_bind_i64(put, 1, (int64_t)i);
        statement_bind_text(put, 2, minutes->reasons[i].name);
        statement_bind_i64(put, 3, minutes->reasons[i].rows);
        status = statement_run(put, error);
    }
    return status;
}

static enum status put_counters(struct report_store *store, const struct instance_figures *instance,
                                struct error *error)
{
    struct statement *put = store->puts[PUT_COUNTER];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < instance->counter_count; i++) {
        statement_bind_text(put, 1, instance->instance);
        statement_bind_text(put, 2, instance->counters[i].name);
        statement_bind_i64(put, 3, instance->counters[i].value);
        status = statement_run(put, error);
    }
    return status;
}

static enum status put_sinks(struct report_store *store, const struct instance_figures *instance,
                             struct error *error)
{
    struct statement *put = store->puts[PUT_SINK];
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < instance->sink_count; i++) {
        buffer_clear(&text);
        row_line(&sink_status_message, &instance->sinks[i], &text);
        statement_bind_text(put, 1, instance->instance);
        statement_bind_text(put, 2, instance->sinks[i].sink);
        statement_bind_text(put, 3, buffer_text(&text));
        status = statement_run(put, error);
    }
    buffer_finish(&text);
    return status;
}

static enum status put_beats(struct report_store *store, const struct figures *figures, struct error *error)
{
    struct statement *put = store->puts[PUT_INSTANCE];
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < figures->instance_count; i++) {
        const struct instance_figures *instance = &figures->instances[i];
        statement_bind_text(put, 1, instance->instance);
        statement_bind_i64(put, 2, instance->generation);
        statement_bind_text(put, 3, instance->state);
        status = statement_run(put, error);
        if (status == STATUS_OK)
            status = put_counters(store, instance, error);
        if (status == STATUS_OK)
            status = put_sinks(store, instance, error);
    }
    return status;
}

static void mark_clean(struct figures *figures, bool beats)
{
    for (size_t i = 0; i < figures->stream_count; i++) {
        figures->streams[i].dirty = false;
        figures->streams[i].durable = figures->streams[i].position;
    }
    for (size_t i = 0; i < figures->symbol_count; i++)
        figures->symbols[i].dirty = false;
    for (size_t i = 0; i < figures->minute_count; i++)
        figures->minutes[i].dirty = false;
    for (size_t i = 0; i < figures->event_minutes.count; i++)
        figures->event_minutes.items[i].dirty = false;
    for (size_t i = 0; i < figures->event_minutes.reason_count; i++)
        figures->event_minutes.reasons[i].dirty = false;
    figures->kept_count = 0;
    figures->dirty = false;
    figures->beats_dirty = figures->beats_dirty && !beats;
}

enum status report_store_commit(struct report_store *store, struct figures *figures, bool beats,
                                struct error *error)
{
    enum status status = database_begin(store->database, error);
    if (status != STATUS_OK)
        return status;
    status = put_rows(store, figures, error);
    if (status == STATUS_OK)
        status = put_symbols(store, figures, error);
    if (status == STATUS_OK)
        status = put_minutes(store, figures, error);
    if (status == STATUS_OK)
        status = put_event_minutes(store, &figures->event_minutes, error);
    if (status == STATUS_OK)
        status = put_reasons(store, &figures->event_minutes, error);
    if (status == STATUS_OK && beats)
        status = put_beats(store, figures, error);
    if (status == STATUS_OK)
        status = put_streams(store, figures, error);
    crash_point("before_commit");
    if (status == STATUS_OK)
        status = database_commit(store->database, error);
    if (status != STATUS_OK) {
        database_rollback(store->database);
        return status;
    }
    crash_point("after_commit");
    mark_clean(figures, beats);
    return STATUS_OK;
}
