/* ticks: the exports of a run so far: in memory, and one JSON line each in a file. */
#pragma once

#include "exporter.h"

struct ticks {
    struct export_tick *items;
    size_t count, capacity;
    int64_t ok, failed, retries, failed_in_a_row;
    int64_t next_number;
    bool final_made;
    int64_t write_errors;
};

void ticks_finish(struct ticks *ticks);

/* ticks_load: what the file holds; a torn last line is cut off. A missing file is fine. An empty path: they are kept in
 * memory only. */
enum status ticks_load(struct ticks *ticks, const char *path, struct error *error) MUST_USE;

/* ticks_add: into memory and file. A file that cannot be written is told and counted; the tick counts all the same. */
void ticks_add(struct ticks *ticks, const char *path, const struct export_tick *tick);

void ticks_json(const struct ticks *ticks, struct json *json); /* the array */
