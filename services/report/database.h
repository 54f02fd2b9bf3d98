/* database: the little of SQLite that report needs: open, prepare, bind, step, read.
 *
 * The only file of this folder that sees SQLite. Not thread-safe: one connection belongs to one thread. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { DATABASE_BUSY_MS = 5000 };

enum database_mode {
    DATABASE_READ,  /* an existing file; STATUS_NOT_FOUND when there is none */
    DATABASE_WRITE, /* created if absent; WAL, no fsync: survives any kill of the process */
};

struct database;
struct query;

enum status database_open(const char *path, enum database_mode mode, struct database **out_database,
                          struct error *error) MUST_USE;
void database_close(struct database *database); /* accepts NULL; its queries must be destroyed before */

/* database_execute: one or more statements without result. */
enum status database_execute(struct database *database, const char *sql, struct error *error) MUST_USE;

/* database_has_table: whether a table (or view) of that name exists. */
enum status database_has_table(struct database *database, const char *name, bool *out_has,
                               struct error *error) MUST_USE;

/* query_create: a prepared statement; borrows the database. */
enum status query_create(struct database *database, const char *sql, struct query **out_query,
                         struct error *error) MUST_USE;
void query_destroy(struct query *query); /* accepts NULL */

/* query_bind_*: parameter numbers count from 1; NaN, FIELD_NULL_I64 and a NULL text become NULL. Texts are copied. */
void query_bind_i64(struct query *query, int parameter, int64_t value);
void query_bind_f64(struct query *query, int parameter, double value);
void query_bind_text(struct query *query, int parameter, const char *value);

/* query_step: STATUS_OK: a row is there; STATUS_END: none left. */
enum status query_step(struct query *query, struct error *error) MUST_USE;

/* query_run: steps to the end and resets: for statements that write. */
enum status query_run(struct query *query, struct error *error) MUST_USE;

/* query_reset: ready to be bound and stepped again; parameters stay. */
void query_reset(struct query *query);

enum column_type { COLUMN_NULL, COLUMN_INTEGER, COLUMN_REAL, COLUMN_TEXT, COLUMN_OTHER };

/* Columns of the present row count from 0; texts are borrowed until the next step. */
enum column_type query_type(const struct query *query, int column);
int64_t query_i64(const struct query *query, int column);
double query_f64(const struct query *query, int column);
const char *query_text(const struct query *query, int column); /* NULL for NULL */
