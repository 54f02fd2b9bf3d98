/* power: what a power cut leaves of the files, in a run with journal.durability power.
 *
 * What was not synchronised may be gone: of a file any part behind its last fsync, of a folder the renames behind its last
 * fsync (the newest ones first), of a SQLite log whatever was appended. LMDB synchronises every commit by itself then. The
 * machine comes up with another boot id. */
#pragma once

#include <stdbool.h>

void power_begin(bool matters);
bool power_matters(void);

/* Noted by posix.c: a descriptor was written to or cut, was synchronised (also a folder), a file was renamed. */
void power_note_change(int descriptor);
void power_note_sync(int descriptor);
void power_will_rename(const char *to); /* something of that name may be about to be replaced */
void power_note_rename(const char *from, const char *to);

/* power_cut: the files become what is left; nobody may have any of them open. power_was_cut: it happened in this run. */
void power_cut(void);
bool power_was_cut(void);

/* power_boot_path: the file that holds the boot id of this run's machine. */
extern const char POWER_BOOT_PATH[];
