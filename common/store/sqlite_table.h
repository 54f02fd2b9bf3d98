/* sqlite_table: a table of one message's rows, made from its field table.
 *
 * Columns: the leads (what the row itself does not hold, such as its symbol), then every field that is not
 * wire-only: i64, i32, bool → INTEGER, f64, decimal → REAL, the rest → TEXT. A table found with another key or
 * another type of a column is refused, never rebuilt; columns it does not have yet are added. */
#pragma once

#include "proto/field.h"
#include "store/database.h"

#include <stddef.h>
#include <stdint.h>

/* sqlite_lead: a column before the message's own. */
struct sqlite_lead {
    const char *name; /* NULL ends a list */
    bool is_text;     /* else INTEGER; both NOT NULL */
};

struct sqlite_value {
    int64_t integer;
    const char *text;
};

struct sqlite_table_config {
    const char *name;
    const struct message *message;
    size_t field_count;              /* message_fields_in_use */
    const struct sqlite_lead *leads; /* NULL: none */
    const char *const *key;          /* columns of the PRIMARY KEY, in order, NULL-terminated */
    const char *const *required;     /* further NOT NULL columns, NULL-terminated; NULL: none */
    const char *index;               /* "symbol, ts_ms"; NULL: none */
};

enum sqlite_insert {
    SQLITE_INSERTED,
    SQLITE_REPEATED, /* the same row was there */
    SQLITE_DIFFERENT /* another row was there under that key; it stays */
};

struct sqlite_table;

/* sqlite_table_open: makes or checks the table; the config's texts are borrowed as long as it is open.
 * STATUS_INVALID: there is a table of another shape. */
enum status sqlite_table_open(struct database *database, const struct sqlite_table_config *config,
                              struct sqlite_table **out_table, struct error *error) MUST_USE;
void sqlite_table_close(struct sqlite_table *table); /* accepts NULL; before database_close */

/* sqlite_table_insert: `leads` in the order of the config, NULL when it has none. */
enum status sqlite_table_insert(struct sqlite_table *table, const struct sqlite_value *leads, const void *row,
                                enum sqlite_insert *out_result, struct error *error) MUST_USE;
