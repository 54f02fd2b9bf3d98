#include "tests/simulation/journals.h"

#include "base/file.h"
#include "tests/simulation/trace.h"

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

struct journal *journals_open(const char *service)
{
    char folder[PATH_BYTES], path[PATH_BYTES], run_id[128], fingerprint[128];
    struct buffer identity;
    struct journal *journal = NULL;
    enum journal_beginning beginning;
    struct error error;
    path_join(folder, "state/journal", "%s", service);
    path_join(path, folder, "identity");
    buffer_init(&identity, 0);
    if (file_read(path, &identity) != STATUS_OK) {
        trace_complain("%s: there is no journal", service);
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
        trace_complain("%s: %s", service, error.text);
    else if (beginning != JOURNAL_WARM)
        trace_complain("%s: its journal was set aside", service);
    return journal;
}

void journals_audit(const char *service, const char *stream, int64_t published)
{
    struct journal *journal = published ? journals_open(service) : NULL;
    int64_t last = journal ? journal_last(journal, journal_stream(journal, stream)) : 0;
    if (journal && last < published)
        trace_complain("%s: row %lld was published, but when it died %s had journaled only %lld", stream,
                       (long long)published, service, (long long)last);
    journal_close(journal);
}
