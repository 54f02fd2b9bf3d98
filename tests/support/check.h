/* check: what every C test needs: cmocka with its own includes, a seed that is printed, a folder of one's own. */
#pragma once

#include "base/file.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* check_seed: $ORDERFLOW_TEST_SEED, else one from the clock; printed, so that a failure can be repeated. */
uint64_t check_seed(void);

/* check_random: a generator begun with check_seed. */
struct random check_random(void);

/* check_filter: $ORDERFLOW_TEST_FILTER, a pattern like "rows_survive*", chooses among the tests of one program. */
void check_filter(void);

/* check_folder: a new empty folder below $TMPDIR or /tmp. check_folder_remove: removes it with all in it, unless
 * $ORDERFLOW_TEST_KEEP is set. */
void check_folder(char out_path[PATH_BYTES]);
void check_folder_remove(const char *path);

/* check_begin_life: begins a process of its own; true in it, which ends with `_exit(0)` or is killed on the way. False in the test
 * itself, once it is over: `*was_killed` tells how. Any other end fails the test. */
bool check_begin_life(bool *was_killed);

#define assert_ok(call) assert_int_equal((call), STATUS_OK)
