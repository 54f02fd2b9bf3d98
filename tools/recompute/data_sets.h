/* data_sets: the Parquet kinds of a run (data.md §3), recomputed into files of their own and compared with the archive's as sets of
 * rows, both ways (data.md §8: names, boundaries and metadata of files are left out). A companion of why_all. */
#pragma once

#include "request.h"

struct data_sets;

struct data_sets *data_sets_create(void);
void data_sets_destroy(struct data_sets *sets); /* accepts NULL */
struct companion data_sets_companion(struct data_sets *sets);
