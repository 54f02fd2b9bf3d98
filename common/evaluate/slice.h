/* slice: parts of the rows that are measured apart (algorithms.md §10.6): trading sessions by the UTC hour of t,
 * half-open, and the regimes active and quiet (normal is in neither). */
#pragma once

#include "proto/kind.h"

#include <stdbool.h>
#include <stdint.h>

enum slice { SLICE_TOKYO, SLICE_LONDON, SLICE_NY, SLICE_ACTIVE, SLICE_QUIET, SLICE_COUNT };
extern const char *const SLICE_NAMES[]; /* NULL-terminated */

/* slice_session: the one of SLICE_TOKYO (00–08), SLICE_LONDON (08–16), SLICE_NY (16–24) that t lies in. */
enum slice slice_session(int64_t t_ms);

/* slice_has: whether a row of that time and regime (enum regime) belongs to the slice. */
bool slice_has(enum slice slice, int64_t t_ms, int regime);
