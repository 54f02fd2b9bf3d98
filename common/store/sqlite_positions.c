#include "store/sqlite_positions.h"

#include "base/memory.h"
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct sqlite_positions {
    struct statement *store;
    char run_id[RUN_ID_BYTES];
    char journal[JOURNAL_NAME_BYTES];
};

static const char CREATE[] =
    "CREATE TABLE IF NOT EXISTS positions (run_id TEXT NOT NULL, stream TEXT NOT NULL, "
    "sequence INTEGER NOT NULL, journal TEXT NOT NULL, PRIMARY KEY (run_id, stream))";
static const char LOAD[] = "SELECT stream, sequence FROM positions WHERE run_id = ?1 AND journal = ?2";
static const char STORE[] =
    "INSERT INTO positions (run_id, stream, sequence, journal) VALUES (?1, ?2, ?3, ?4) "
    "ON CONFLICT DO UPDATE SET sequence = excluded.sequence, journal = excluded.journal";

static enum status load(struct sqlite_positions *table, struct database *database,
                        struct positions *positions, struct error *error)
{
    struct statement *statement;
    enum status status = statement_prepare(database, LOAD, &statement, error);
    if (status != STATUS_OK)
        return status;
    statement_bind_text(statement, 1, table->run_id);
    statement_bind_text(statement, 2, table->journal);
    while ((status = statement_step(statement, error)) == STATUS_OK)
        positions_set(positions, positions_find(positions, statement_text(statement, 0)),
                      statement_i64(statement, 1));
    statement_finish(statement);
    if (status != STATUS_END)
        return status;
    positions_commit(positions);
    return STATUS_OK;
}

enum status sqlite_positions_open(struct database *database, const char *run_id, const char *journal,
                                  struct positions *positions, struct sqlite_positions **out_table,
                                  struct error *error)
{
    struct sqlite_positions *table = memory_allocate(sizeof *table);
    snprintf(table->run_id, sizeof table->run_id, "%s", run_id);
    snprintf(table->journal, sizeof table->journal, "%s", journal);
    positions_clear(positions);
    enum status status = database_execute(database, CREATE, error);
    if (status == STATUS_OK)
        status = load(table, database, positions, error);
    if (status == STATUS_OK)
        status = statement_prepare(database, STORE, &table->store, error);
    if (status != STATUS_OK) {
        sqlite_positions_close(table);
        return status;
    }
    *out_table = table;
    return STATUS_OK;
}

void sqlite_positions_close(struct sqlite_positions *table)
{
    if (!table)
        return;
    statement_finish(table->store);
    free(table);
}

enum status sqlite_positions_store(struct sqlite_positions *table, const struct positions *positions,
                                   struct error *error)
{
    for (size_t i = 0; i < positions->count; i++) {
        const struct position *position = &positions->items[i];
        if (position->pending == position->durable)
            continue;
        statement_bind_text(table->store, 1, table->run_id);
        statement_bind_text(table->store, 2, position->stream);
        statement_bind_i64(table->store, 3, position->pending);
        statement_bind_text(table->store, 4, table->journal);
        enum status status = statement_run(table->store, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status sqlite_positions_journal(struct journal *journal, char out_name[JOURNAL_NAME_BYTES],
                                     struct error *error)
{
    static const char KEY[] = "sink/journal_name";
    struct buffer name;
    uint64_t random[2];
    buffer_init(&name, JOURNAL_NAME_BYTES - 1);
    enum status status = journal_get(journal, KEY, &name);
    if (status == STATUS_NOT_FOUND && getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        status = error_set(error, STATUS_IO, "the journal gets no name: %m");
    else if (status == STATUS_NOT_FOUND) {
        buffer_format(&name, "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
        status = journal_put_now(journal, KEY, name.data, name.length, error);
    } else if (status != STATUS_OK)
        error_set(error, status, "the journal's record %s cannot be read", KEY);
    if (status == STATUS_OK)
        snprintf(out_name, JOURNAL_NAME_BYTES, "%s", buffer_text(&name));
    buffer_finish(&name);
    return status;
}
