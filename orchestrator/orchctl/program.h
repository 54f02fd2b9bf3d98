/* program: the other programs of the house. What needs DuckDB, or is the orchestrator, is run, not linked. */
#pragma once

#include "base/file.h"

enum { PROGRAM_WORDS_MAX = 64 };

/* program_path: beside orchctl (build tree, or the orchestrator when installed), else in libexec. */
void program_path(const char *name, char out_path[PATH_BYTES]);

/* program_words: a command line that grows; the texts are borrowed, the first is the program's name. */
struct program_words {
    const char *items[PROGRAM_WORDS_MAX + 1];
    size_t count;
};
void program_add(struct program_words *words, const char *word);
/* program_add_option: name and value; nothing when there is no value. */
void program_add_option(struct program_words *words, const char *name, const char *value);

/* program_become: replaces this process; returns only with an exit code, when that failed. */
int program_become(struct program_words *words);

/* program_wait: runs it with our standard streams to its end; its exit code, 1 when it was killed or could not be started. A
 * Ctrl-C is its affair. */
int program_wait(struct program_words *words);
