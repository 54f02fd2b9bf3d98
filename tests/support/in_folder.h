/* in_folder: tests that each have an empty folder of their own. */
#pragma once

#include "tests/support/check.h"

static char folder[PATH_BYTES];

static inline int make_folder(void **state)
{
    (void)state;
    check_folder(folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    check_folder_remove(folder);
    return 0;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
