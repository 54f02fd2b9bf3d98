/* database: SQLite as orderflow uses it; together with sqlite_table the only part that sees it.
 *
 * A connection belongs to one thread. Writers open in WAL mode with synchronous NORMAL, temp_store MEMORY,
 * cache_size -20000 and busy_timeout 5000 (data.md §5.3). A durable writer (journal.durability: power) has synchronous
 * FULL: with NORMAL a power cut takes the newest transactions back, and with them a position that others have acted on. Errors come back as STATUS_IO (disk full, locked,
 * refused), STATUS_MALFORMED (not a database, damaged) or STATUS_INVALID (a statement that does not fit), with
 * a sentence that names the file. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;
struct statement;

enum database_mode { DATABASE_WRITE, DATABASE_WRITE_DURABLE, DATABASE_READ };

/* database_open: the writing modes make file and folder; DATABASE_READ needs them (STATUS_NOT_FOUND). */
enum status database_open(const char *path, enum database_mode mode, struct database **out_database,
                          struct error *error) MUST_USE;

/* database_close: of a writer, after moving the write-ahead log into the file. Accepts NULL. All queries must
 * have been finished. */
void database_close(struct database *database);

const char *database_path(const struct database *database);
enum status database_execute(struct database *database, const char *sql, struct error *error) MUST_USE;
enum status database_begin(struct database *database, struct error *error) MUST_USE; /* BEGIN IMMEDIATE */
enum status database_commit(struct database *database, struct error *error) MUST_USE;
void database_rollback(struct database *database);         /* no transaction open: nothing */
int64_t database_changes(const struct database *database); /* rows of the last statement */

/* statement: a prepared statement. Parameters count from 1, columns from 0. */
enum status statement_prepare(struct database *database, const char *sql, struct statement **out_statement,
                              struct error *error) MUST_USE;
void statement_finish(struct statement *statement); /* accepts NULL */

/* Bound texts are borrowed until the next statement_step. NaN, NULL and statement_bind_null bind NULL; -0
 * becomes 0. */
void statement_bind_i64(struct statement *statement, int parameter, int64_t value);
void statement_bind_f64(struct statement *statement, int parameter, double value);
void statement_bind_text(struct statement *statement, int parameter, const char *text);
void statement_bind_null(struct statement *statement, int parameter);

/* statement_step: STATUS_OK: a row is there; STATUS_END: done, and ready to be bound and stepped anew. */
enum status statement_step(struct statement *statement, struct error *error) MUST_USE;
void statement_reset(struct statement *statement); /* to leave a statement before its end */

/* statement_run: steps a statement that gives no rows. */
enum status statement_run(struct statement *statement, struct error *error) MUST_USE;

int statement_columns(const struct statement *statement);
const char *statement_column_name(const struct statement *statement, int column);
bool statement_is_null(const struct statement *statement, int column);
int64_t statement_i64(const struct statement *statement, int column);
double statement_f64(const struct statement *statement, int column); /* NaN for NULL */
/* statement_text: NULL for NULL; valid until the next step. */
const char *statement_text(const struct statement *statement, int column);

/* statement_type: what the row really holds there, whatever the column was declared as. */
enum value_type { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT, VALUE_OTHER };
enum value_type statement_type(const struct statement *statement, int column);

/* database_library_version: of the SQLite that is loaded. */
const char *database_library_version(void);
