/* fuzz: what every target gives. fuzz_one must neither crash, hang nor break its own assertions, whatever it gets.
 *
 * With clang's fuzzer fuzz_one is its target. Elsewhere fuzz_main.c runs the target's own seeds and some thousand seeded mutations of
 * them (a test of every build), writes the seeds as a corpus (--write FOLDER), or runs files (a finding, to be looked at). */
#pragma once

#include "base/buffer.h"
#include "base/file.h"
#include "base/random.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* fuzz_seeds: good inputs, made by the project's own encoders. */
typedef void fuzz_take(const void *data, size_t bytes);
void fuzz_seeds(fuzz_take *take);

/* fuzz_require: as assert, also where assertions are off. */
#define fuzz_require(condition)                                                       \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

/* fuzz_folder: a folder of this process, in memory where there is one; the same at every call. */
static inline const char *fuzz_folder(void)
{
    static char folder[PATH_BYTES];
    if (!*folder) {
        path_join(folder, file_exists("/dev/shm") ? "/dev/shm" : "/tmp", "orderflow-fuzz-XXXXXX");
        fuzz_require(mkdtemp(folder));
    }
    return folder;
}
