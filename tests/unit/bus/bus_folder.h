/* bus_folder: a folder for sockets, made and removed by the set-up and tear-down of each test. */
#pragma once

#include "tests/support/check.h"

#include <string.h>

static char folder[PATH_BYTES];

static int begin(void **state)
{
    (void)state;
    check_folder(folder);
    path_join(folder, folder, "bus");
    return 0;
}

static int end(void **state)
{
    (void)state;
    *strrchr(folder, '/') = 0;
    check_folder_remove(folder);
    return 0;
}
