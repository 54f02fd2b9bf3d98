#include "report_store.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "database.h"
#include "row_text.h"
#include "store_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum statement {
    PUT_META,
    PUT_POSITION,
    PUT_SYMBOL,
    PUT_EVENT,
    PUT_STATE,
    PUT_ORDER_MINUTE,
    PUT_INSTANCE,
    PUT_COUNTER,
    PUT_SINK,
    STATEMENT_COUNT,
};

struct report_store {
    struct database *database;
    struct query *statements[STATEMENT_COUNT];
    int64_t started_ms;
};

static const char SCHEMA[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS positions(stream TEXT PRIMARY KEY, position INTEGER NOT NULL, ended INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS symbols(symbol TEXT PRIMARY KEY, figures TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS events(stream TEXT NOT NULL, sequence INTEGER NOT NULL, symbol TEXT NOT NULL,"
    " event_type TEXT NOT NULL, ts_ms INTEGER NOT NULL, PRIMARY KEY(stream, sequence)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS strategy_states(stream TEXT NOT NULL, sequence INTEGER NOT NULL, symbol TEXT NOT NULL,"
    " ts_ms INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY(stream, sequence)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS order_minutes(minute INTEGER PRIMARY KEY, buy INTEGER NOT NULL, sell INTEGER NOT NULL,"
    " strong INTEGER NOT NULL, normal INTEGER NOT NULL, rejected INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS instances(instance TEXT PRIMARY KEY, generation INTEGER NOT NULL, state TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS counters(instance TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
    " PRIMARY KEY(instance, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS sinks(instance TEXT NOT NULL, sink TEXT NOT NULL, status TEXT NOT NULL,"
    " PRIMARY KEY(instance, sink)) WITHOUT ROWID;";

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [PUT_META] = "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT DO NOTHING",
    [PUT_POSITION] = "INSERT OR REPLACE INTO positions VALUES(?1, ?2, ?3)",
    [PUT_SYMBOL] = "INSERT OR REPLACE INTO symbols VALUES(?1, ?2)",
    [PUT_EVENT] = "INSERT OR REPLACE INTO events VALUES(?1, ?2, ?3, ?4, ?5)",
    [PUT_STATE] = "INSERT OR REPLACE INTO strategy_states VALUES(?1, ?2, ?3, ?4, ?5)",
    [PUT_ORDER_MINUTE] = "INSERT OR REPLACE INTO order_minutes VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [PUT_INSTANCE] = "INSERT OR REPLACE INTO instances VALUES(?1, ?2, ?3)",
    [PUT_COUNTER] = "INSERT OR REPLACE INTO counters VALUES(?1, ?2, ?3)",
    [PUT_SINK] = "INSERT OR REPLACE INTO sinks VALUES(?1, ?2, ?3)",
};
