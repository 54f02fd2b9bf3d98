#include "tests/simulation/journals.h"

#include "base/file.h"
#include "tests/simulation/trace.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>

enum { JOURNAL_BYTES = 1024 * 1024 * 1024 };

/* word_after: what follows a word in the file that says whom a journal belongs to. */
static void word_after(const char *text, const char *word, char out_text[128])
{
    const char *at = strstr(text, word);
    snprintf(out_text, 128, "%.*s", at ? (int)strcspn(at + strlen(word), "\n") : 0,
             at ? at + strlen(word) : "");
}

struct journal *journals_open(const char *instance)
{
    char folder[PATH_BYTES], path[PATH_BYTES], run_id[128], fingerprint[128];
    struct buffer identity;
    struct journal *journal = NULL;
    enum journal_beginning beginning;
    struct error error;
    path_join(folder, "state/journal", "%s", instance);
    path_join(path, folder, "identity");
    buffer_init(&identity, 0);
    if (file_read(path, &identity) != STATUS_OK) {
        trace_complain("%s: there is no journal", instance);
        return NULL;
    }
    word_after(buffer_text(&identity), "run_id ", run_id);
    word_after(buffer_text(&identity), "fingerprint ", fingerprint);
    bool synced = strstr(buffer_text(&identity), "\ndurable") != NULL;
    buffer_finish(&identity);
    const struct journal_config config = {.folder = folder,
                                          .run_id = run_id,
                                          .config_fingerprint = fingerprint,
                                          .max_bytes = JOURNAL_BYTES,
                                          .sync = synced};
    if (journal_open(&config, &journal, &beginning, &error) != STATUS_OK)
        trace_complain("%s: %s", instance, error.text);
    else if (beginning != JOURNAL_WARM)
        trace_complain("%s: its journal was set aside", instance);
    return journal;
}

void journals_audit(const char *instance, const char *stream, int64_t published)
{
    struct journal *journal = published ? journals_open(instance) : NULL;
    int64_t last = journal ? journal_last(journal, journal_stream(journal, stream)) : 0;
    if (journal && last < published)
        trace_complain("%s: row %lld was published, but when it died %s had journaled only %lld", stream,
                       (long long)published, instance, (long long)last);
    journal_close(journal);
}

bool journals_is_empty(const char *folder)
{
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi rows;
    MDB_stat found = {0};
    char path[PATH_BYTES];
    path_join(path, folder, "data.mdb");
    if (!file_exists(path) || mdb_env_create(&environment) != 0)
        return !file_exists(path);
    bool opened = mdb_env_set_maxdbs(environment, 3) == 0 &&
                  mdb_env_open(environment, folder, MDB_RDONLY, 0600) == 0 &&
                  mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction) == 0;
    if (opened) {
        if (mdb_dbi_open(transaction, "rows", 0, &rows) == 0 && mdb_stat(transaction, rows, &found) != 0)
            found.ms_entries = 1;
        mdb_txn_abort(transaction);
    }
    mdb_env_close(environment);
    return !opened || found.ms_entries == 0;
}
