/* sqlite_positions: the table `positions` of a database: how far each stream has been stored, moved in the
 * transaction of the rows.
 *
 * `journal` names the journal the sequences were read from (sqlite_positions_journal), so that positions taken
 * from a journal which has since been begun anew do not count; readers of other services' streams pass "". */
#pragma once

#include "base/status.h"
#include "store/database.h"
#include "store/positions.h"

struct journal;
struct sqlite_positions;

/* sqlite_positions_open: makes the table and fills `positions` with what it says for this run and journal. */
enum status sqlite_positions_open(struct database *database, const char *run_id, const char *journal,
                                  struct positions *positions, struct sqlite_positions **out_table,
                                  struct error *error) MUST_USE;
void sqlite_positions_close(struct sqlite_positions *table); /* accepts NULL; before database_close */

/* sqlite_positions_store: writes those that are pending; inside the transaction of the rows. */
enum status sqlite_positions_store(struct sqlite_positions *table, const struct positions *positions,
                                   struct error *error) MUST_USE;

/* sqlite_positions_journal: the journal's own name, made and put into it at the first call. */
enum { JOURNAL_NAME_BYTES = 40 };
enum status sqlite_positions_journal(struct journal *journal, char out_name[JOURNAL_NAME_BYTES],
                                     struct error *error) MUST_USE;
