#include "store/database.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char WRITER_PRAGMAS[] = "PRAGMA journal_mode=WAL;"
                                     "PRAGMA synchronous=NORMAL;"
                                     "PRAGMA temp_store=MEMORY;"
                                     "PRAGMA cache_size=-20000;";

/* A life that was killed inside its last commit may have left it in the page cache only: the checkpoint synchronises the
 * log before anybody is told of what it holds. */
static const char DURABLE_PRAGMAS[] = "PRAGMA synchronous=FULL;"
                                      "PRAGMA wal_checkpoint(TRUNCATE);";

enum { BUSY_TIMEOUT_MS = 5000 };

struct database {
    sqlite3 *handle;
    enum database_mode mode;
    char path[PATH_BYTES];
};

struct statement {
    struct database *database;
    sqlite3_stmt *handle;
    int bind_code; /* first failed bind since the last step */
};

static enum status failed(struct database *database, int code, const char *doing, struct error *error)
{
    enum status status = STATUS_IO;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        status = STATUS_MALFORMED;
    else if (code == SQLITE_ERROR || code == SQLITE_RANGE || code == SQLITE_MISMATCH ||
             code == SQLITE_CONSTRAINT)
        status = STATUS_INVALID;
    return error_set(error, status, "%s: %.120s%s: %s", database->path, doing, strlen(doing) > 120 ? "…" : "",
                     sqlite3_errmsg(database->handle));
}

/* --- connection --- */

enum status database_open(const char *path, enum database_mode mode, struct database **out_database,
                          struct error *error)
{
    bool writer = mode != DATABASE_READ;
    if (writer && folder_make_for(path) != STATUS_OK)
        return error_set(error, STATUS_IO, "the folder of %s cannot be made: %m", path);
    if (!writer && !file_exists(path))
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    struct database *database = memory_allocate(sizeof *database);
    database->mode = mode;
    snprintf(database->path, sizeof database->path, "%s", path);
    int flags =
        SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    enum status status = STATUS_OK;
    int code = sqlite3_open_v2(path, &database->handle, flags, NULL);
    if (code != SQLITE_OK)
        status = failed(database, code, "cannot be opened", error);
    if (status == STATUS_OK)
        sqlite3_busy_timeout(database->handle, BUSY_TIMEOUT_MS);
    if (status == STATUS_OK && writer)
        status = database_execute(database, WRITER_PRAGMAS, error);
    if (status == STATUS_OK && mode == DATABASE_WRITE_DURABLE)
        status = database_execute(database, DURABLE_PRAGMAS, error);
    if (status == STATUS_OK && mode == DATABASE_WRITE_DURABLE && folder_sync_of(path) != STATUS_OK)
        status = error_set(error, STATUS_IO, "the folder of %s cannot be synchronised: %m", path);
    if (status != STATUS_OK) {
        sqlite3_close(database->handle);
        free(database);
        return status;
    }
    *out_database = database;
    return STATUS_OK;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    if (database->mode != DATABASE_READ)
        sqlite3_wal_checkpoint_v2(database->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(database->handle);
    free(database);
}

const char *database_path(const struct database *database)
{
    return database->path;
}

enum status database_execute(struct database *database, const char *sql, struct error *error)
{
    int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STATUS_OK : failed(database, code, sql, error);
}

enum status database_begin(struct database *database, struct error *error)
{
    return database_execute(database, "BEGIN IMMEDIATE", error);
}

enum status database_commit(struct database *database, struct error *error)
{
    return database_execute(database, "COMMIT", error);
}

void database_rollback(struct database *database)
{
    if (!sqlite3_get_autocommit(database->handle))
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
}

int64_t database_changes(const struct database *database)
{
    return sqlite3_changes(database->handle);
}

/* --- statements --- */

enum status statement_prepare(struct database *database, const char *sql, struct statement **out_statement,
                              struct error *error)
{
    sqlite3_stmt *handle;
    int code = sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
    if (code != SQLITE_OK)
        return failed(database, code, sql, error);
    struct statement *statement = memory_allocate(sizeof *statement);
    *statement = (struct statement){.database = database, .handle = handle};
    *out_statement = statement;
    return STATUS_OK;
}

void statement_finish(struct statement *statement)
{
    if (!statement)
        return;
    sqlite3_finalize(statement->handle);
    free(statement);
}

static void note(struct statement *statement, int code)
{
    if (statement->bind_code == SQLITE_OK)
        statement->bind_code = code;
}

void statement_bind_i64(struct statement *statement, int parameter, int64_t value)
{
    note(statement, sqlite3_bind_int64(statement->handle, parameter, value));
}

void statement_bind_f64(struct statement *statement, int parameter, double value)
{
    note(statement, isnan(value)
                        ? sqlite3_bind_null(statement->handle, parameter)
                        : sqlite3_bind_double(statement->handle, parameter, value == 0 ? 0.0 : value));
}

void statement_bind_text(struct statement *statement, int parameter, const char *text)
{
    note(statement, sqlite3_bind_text(statement->handle, parameter, text, -1, SQLITE_STATIC));
}

void statement_bind_null(struct statement *statement, int parameter)
{
    note(statement, sqlite3_bind_null(statement->handle, parameter));
}

void statement_reset(struct statement *statement)
{
    sqlite3_reset(statement->handle);
    sqlite3_clear_bindings(statement->handle);
    statement->bind_code = SQLITE_OK;
}

enum status statement_step(struct statement *statement, struct error *error)
{
    int code = statement->bind_code == SQLITE_OK ? sqlite3_step(statement->handle) : statement->bind_code;
    if (code == SQLITE_ROW)
        return STATUS_OK;
    enum status status = STATUS_END;
    if (code != SQLITE_DONE)
        status = failed(statement->database, code, sqlite3_sql(statement->handle), error);
    statement_reset(statement);
    return status;
}

enum status statement_run(struct statement *statement, struct error *error)
{
    enum status status;
    while ((status = statement_step(statement, error)) == STATUS_OK)
        continue;
    return status == STATUS_END ? STATUS_OK : status;
}

int statement_columns(const struct statement *statement)
{
    return sqlite3_column_count(statement->handle);
}

const char *statement_column_name(const struct statement *statement, int column)
{
    return sqlite3_column_name(statement->handle, column);
}

bool statement_is_null(const struct statement *statement, int column)
{
    return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

int64_t statement_i64(const struct statement *statement, int column)
{
    return sqlite3_column_int64(statement->handle, column);
}

double statement_f64(const struct statement *statement, int column)
{
    return statement_is_null(statement, column) ? NAN : sqlite3_column_double(statement->handle, column);
}

const char *statement_text(const struct statement *statement, int column)
{
    return (const char *)sqlite3_column_text(statement->handle, column);
}

enum value_type statement_type(const struct statement *statement, int column)
{
    switch (sqlite3_column_type(statement->handle, column)) {
    case SQLITE_NULL: return VALUE_NULL;
    case SQLITE_INTEGER: return VALUE_INTEGER;
    case SQLITE_FLOAT: return VALUE_REAL;
    case SQLITE_TEXT: return VALUE_TEXT;
    default: return VALUE_OTHER;
    }
}

const char *database_library_version(void)
{
    return sqlite3_libversion();
}
