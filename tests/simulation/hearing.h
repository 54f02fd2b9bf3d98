/* hearing: that no symbol of harvest leaves its owner for one who no longer hears it (docs/decisions/0035).
 *
 *     next owner   ── hears ──┤ dies
 *     owner        ── question ─┤          LEAVE: right: when it was asked last it heard
 *     owner                     ├── question, LEAVE: wrong: it went by what a dead life had heard
 *
 * Nobody can know of a death behind the answer. Not so what lies before the question. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* hearing_begin: a run. hearing_note_answer: an answer of the running process that may put a question. hearing_judge: the running
 * process has just let the symbol go that is on its way. */
void hearing_begin(void);
void hearing_note_answer(const void *data, size_t bytes);
void hearing_judge(void);

/* hearing_deaf_count: symbols of this run that went to one who had died, or lost its connection, behind its answer. */
int64_t hearing_deaf_count(void);
