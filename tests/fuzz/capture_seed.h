/* capture_seed: a raw capture as harvest writes one, of messages of a target's own. */
#pragma once

#include "fuzz.h"

#include "journal/capture.h"

#include <string.h>

enum { CAPTURE_SEED_S = 1723161255 };
#define CAPTURE_SEED_NAME \
    "date=2024-08-08/raw-run-1-1723161255030-000001.ofr" /* of a capture that is begun then */

/* capture_seed_clock: stands still, at the time that the name says. */
static inline struct clock capture_seed_clock(void)
{
    static struct clock_manual manual = {.wall_ns = CAPTURE_SEED_S * 1000000000ll + 30314667,
                                         .monotonic_ns = 5000000000};
    return clock_from_manual(&manual);
}

/* capture_seed: appends the file to out_file. */
static inline void capture_seed(const char *metadata_json, const char *const *messages, size_t count,
                                struct buffer *out_file)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct capture_writer *writer;
    path_join(folder, fuzz_folder(), "seed");
    struct capture_writer_config config = {
        .folder = folder, .run_id = "run-1", .metadata_json = metadata_json, .clock = capture_seed_clock()};
    fuzz_require(capture_writer_open(&config, &writer, NULL) == STATUS_OK);
    for (size_t i = 0; i < count; i++)
        fuzz_require(capture_append(writer, CAPTURE_MESSAGE, 1, clock_wall_ns(&config.clock), 1, messages[i],
                                    strlen(messages[i]), NULL) == STATUS_OK);
    capture_writer_close(writer);
    path_join(path, folder, CAPTURE_SEED_NAME);
    fuzz_require(file_read(path, out_file) == STATUS_OK);
    fuzz_require(folder_remove(folder) == STATUS_OK);
}
