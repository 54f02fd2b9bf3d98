/* journals: the daemons' journals as files, read while nobody has them open. */
#pragma once

#include "journal/journal.h"

/* journals_open: the journal of an instance below the current folder; NULL, with a complaint, when it cannot be read. */
struct journal *journals_open(const char *instance);

/* journals_audit: a row is journaled before it is published: what a daemon that has just died had said must be there. (Its
 * next life says the same rows again, so that the run's end would not show it.) */
void journals_audit(const char *instance, const char *stream, int64_t published);

/* journals_is_empty: a journal's folder that holds no row (its first life died before it could say whose it is). */
bool journals_is_empty(const char *folder);
