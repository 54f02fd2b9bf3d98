#include "tests/simulation/storage.h"

#include "tests/simulation/fault.h"
#include "tests/simulation/posix.h"

#include <errno.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <string.h>

#define REAL(result, name, ...)        \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

enum { BUSY_STEP_NS = 1000000, BUSY_TRIES_PER_MS = 1 };

/* --- LMDB --- */

REAL(int, mdb_env_create, MDB_env **out_environment)
{
    int code = __real_mdb_env_create(out_environment);
    if (!code)
        process_own(HANDLE_LMDB, *out_environment, NULL);
    return code;
}

REAL(void, mdb_env_close, MDB_env *environment)
{
    process_disown(environment);
    __real_mdb_env_close(environment);
}

/* The library's own lock between writers would stop the whole simulation: the second one waits here. */
REAL(int, mdb_txn_begin, MDB_env *environment, MDB_txn *parent, unsigned flags, MDB_txn **out_transaction)
{
    bool writes = !(flags & MDB_RDONLY);
    fault_interleave();
    while (writes && process_writes_to(environment))
        fiber_wait(environment, FIBER_NEVER);
    int code = __real_mdb_txn_begin(environment, parent, flags, out_transaction);
    if (!code)
        process_own(HANDLE_TRANSACTION, *out_transaction, writes ? environment : NULL);
    return code;
}

REAL(void, mdb_txn_abort, MDB_txn *transaction)
{
    MDB_env *environment = mdb_txn_env(transaction);
    process_disown(transaction);
    __real_mdb_txn_abort(transaction);
    if (fiber_process())
        fiber_wake(environment, false);
}

REAL(int, mdb_txn_commit, MDB_txn *transaction)
{
    MDB_env *environment = mdb_txn_env(transaction);
    fault_point("commit");
    process_disown(transaction);
    bool refused = posix_refuses();
    if (refused)
        __real_mdb_txn_abort(transaction);
    int code = refused ? ENOSPC : __real_mdb_txn_commit(transaction);
    if (fiber_process())
        fiber_wake(environment, false);
    fault_point("commit done");
    return code;
}

/* --- SQLite --- */

REAL(int, sqlite3_open_v2, const char *path, sqlite3 **out_handle, int flags, const char *vfs)
{
    int code = __real_sqlite3_open_v2(path, out_handle, flags, vfs);
    if (*out_handle)
        process_own(HANDLE_SQLITE, *out_handle, NULL);
    return code;
}

REAL(int, sqlite3_close, sqlite3 *handle)
{
    process_disown(handle);
    return __real_sqlite3_close(handle);
}

static bool logs_are_synced;

/* busy: another connection holds a lock: its fiber gets the time to let go. The library is on this fiber's stack: a kill
 * waits until it has returned. */
static int busy(void *context, int tries)
{
    if (tries > (int)(intptr_t)context * BUSY_TRIES_PER_MS)
        return 0;
    process_enter_library();
    fiber_wait(context, fiber_now_ns() + BUSY_STEP_NS);
    fiber_process()->inside_library--;
    return 1;
}

REAL(int, sqlite3_busy_timeout, sqlite3 *handle, int milliseconds)
{
    if (!fiber_process())
        return __real_sqlite3_busy_timeout(handle, milliseconds);
    return sqlite3_busy_handler(handle, busy, (void *)(intptr_t)milliseconds);
}

REAL(int, sqlite3_exec, sqlite3 *handle, const char *sql, int (*row)(void *, int, char **, char **),
     void *context, char **out_error)
{
    bool commits = strcmp(sql, "COMMIT") == 0;
    if (strstr(sql, "PRAGMA synchronous"))
        logs_are_synced = strstr(sql, "synchronous=FULL") != NULL;
    if (commits)
        fault_point("sqlite commit");
    else
        fault_interleave();
    int code =
        commits && posix_refuses() ? SQLITE_FULL : __real_sqlite3_exec(handle, sql, row, context, out_error);
    if (commits)
        fault_point("sqlite commit done");
    if (fiber_process() && fiber_process()->kill_later)
        process_kill(fiber_process(), "leaving SQLite");
    return code;
}

bool storage_logs_are_synced(void)
{
    return logs_are_synced;
}

/* The end of the last connection would check-point and remove the log: a killed one does neither. */
static void abandon_sqlite(sqlite3 *handle)
{
    sqlite3_stmt *statement;
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    while ((statement = sqlite3_next_stmt(handle, NULL)))
        sqlite3_finalize(statement);
    if (!sqlite3_get_autocommit(handle))
        __real_sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
    __real_sqlite3_close(handle);
}

void storage_abandon(const struct handle *handle)
{
    switch (handle->kind) {
    case HANDLE_TRANSACTION: __real_mdb_txn_abort(handle->handle); break;
    case HANDLE_LMDB: __real_mdb_env_close(handle->handle); break;
    case HANDLE_SQLITE: abandon_sqlite(handle->handle); break;
    }
}
