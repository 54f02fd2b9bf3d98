/* playback: a run that plays rows (preview.h), as people and files are told of it. What was played is what features says it has played. */
#pragma once

#include "orchestrator/run.h"

/* playback_say_begin, playback_say_end: a line each, which says what is left out, and what was played. Nothing in any other run. */
void playback_say_begin(const struct run *run);
void playback_say_end(const struct run *run);

/* playback_share: of the rows that were found, how much has been played; NaN: not known. */
double playback_share(const struct run *run);

/* playback_first_ms: event time of the first row; 0: not known, or nothing is played. */
int64_t playback_first_ms(const struct run *run);

/* playback_write: member `input_rows` of the source manifest: {folder, files, rows, played, repeated, rejected, left, inputs[] {path,
 * bytes, sha256}}; null in any other run. The files are hashed now; inputs is null when they cannot be. */
void playback_write(const struct run *run, struct json *json);
