#include "database.h"

#include "base/memory.h"
#include "proto/field.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

struct database {
    sqlite3 *handle;
    char *path;
};

struct query {
    struct database *database;
    sqlite3_stmt *statement;
};

static enum status classify(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return STATUS_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return STATUS_MALFORMED;
    case SQLITE_CONSTRAINT: return STATUS_CONFLICT;
    case SQLITE_ERROR: return STATUS_INVALID;
    default: return STATUS_IO;
    }
}

static enum status failed(const struct database *database, const char *doing, struct error *error)
{
    int code = sqlite3_extended_errcode(database->handle);
    return error_set(error, classify(code), "%s: %s: %s (SQLite code %d)", database->path, doing,
                     sqlite3_errmsg(database->handle), code);
}

static enum status tune(struct database *database, enum database_mode mode, struct error *error)
{
    sqlite3_busy_timeout(database->handle, DATABASE_BUSY_MS);
    if (mode == DATABASE_READ)
        return STATUS_OK;
    return database_execute(database, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;", error);
}

enum status database_open(const char *path, enum database_mode mode, struct database **out_database,
                          struct error *error)
{
    if (mode == DATABASE_READ && access(path, F_OK) != 0)
        return error_set(error, STATUS_NOT_FOUND, "%s: there is no such file", path);
    struct database *database = memory_allocate(sizeof *database);
    database->path = memory_copy_text(path);
    int flags = mode == DATABASE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    enum status status = STATUS_OK;
    if (sqlite3_open_v2(path, &database->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        status = database->handle ? failed(database, "cannot be opened", error)
                                  : error_set(error, STATUS_IO, "%s: cannot be opened", path);
    if (status == STATUS_OK)
        status = tune(database, mode, error);
    if (status != STATUS_OK)
        database_close(database);
    else
        *out_database = database;
    return status;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    sqlite3_close(database->handle);
    free(database->path);
    free(database);
}

enum status database_execute(struct database *database, const char *sql, struct error *error)
{
    if (sqlite3_exec(database->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return failed(database, "a statement failed", error);
    return STATUS_OK;
}

enum status database_has_table(struct database *database, const char *name, bool *out_has, struct error *error)
{
    struct query *query;
    enum status status = query_create(database, "SELECT 1 FROM sqlite_schema WHERE name = ?1", &query, error);
    if (status != STATUS_OK)
        return status;
    query_bind_text(query, 1, name);
    status = query_step(query, error);
    if (status == STATUS_OK || status == STATUS_END) {
        *out_has = status == STATUS_OK;
        status = STATUS_OK;
    }
    query_destroy(query);
    return status;
}

enum status query_create(struct database *database, const char *sql, struct query **out_query, struct error *error)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL) != SQLITE_OK)
        return failed(database, "a statement cannot be prepared", error);
    struct query *query = memory_allocate(sizeof *query);
    *query = (struct query){.database = database, .statement = statement};
    *out_query = query;
    return STATUS_OK;
}

void query_destroy(struct query *query)
{
    if (!query)
        return;
    sqlite3_finalize(query->statement);
    free(query);
}

void query_bind_i64(struct query *query, int parameter, int64_t value)
{
    if (value == FIELD_NULL_I64)
        sqlite3_bind_null(query->statement, parameter);
    else
        sqlite3_bind_int64(query->statement, parameter, value);
}

void query_bind_f64(struct query *query, int parameter, double value)
{
    if (isnan(value))
        sqlite3_bind_null(query->statement, parameter);
    else
        sqlite3_bind_double(query->statement, parameter, value);
}

void query_bind_text(struct query *query, int parameter, const char *value)
{
    if (value)
        sqlite3_bind_text(query->statement, parameter, value, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(query->statement, parameter);
}

enum status query_step(struct query *query, struct error *error)
{
    int code = sqlite3_step(query->statement);
    if (code == SQLITE_ROW)
        return STATUS_OK;
    if (code == SQLITE_DONE)
        return STATUS_END;
    return failed(query->database, "a statement failed", error);
}

enum status query_run(struct query *query, struct error *error)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK)
        status = query_step(query, error);
    query_reset(query);
    return status == STATUS_END ? STATUS_OK : status;
}

void query_reset(struct query *query)
{
    sqlite3_reset(query->statement);
}

enum column_type query_type(const struct query *query, int column)
{
    switch (sqlite3_column_type(query->statement, column)) {
    case SQLITE_NULL: return COLUMN_NULL;
    case SQLITE_INTEGER: return COLUMN_INTEGER;
    case SQLITE_FLOAT: return COLUMN_REAL;
    case SQLITE_TEXT: return COLUMN_TEXT;
    default: return COLUMN_OTHER;
    }
}

int64_t query_i64(const struct query *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

double query_f64(const struct query *query, int column)
{
    return sqlite3_column_double(query->statement, column);
}

const char *query_text(const struct query *query, int column)
{
    return (const char *)sqlite3_column_text(query->statement, column);
}
