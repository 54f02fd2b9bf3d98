/* source_endpoints: the connections of a run, as its raw captures recorded them: one capture for each instance of harvest. */
#pragma once

#include "base/map.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* endpoint: one connection, from its opening to its closing. */
struct endpoint {
    char *url;
    int64_t opened_ns, closed_ns; /* closed 0: not before the end */
    int64_t messages;
    char **streams; /* that its messages named, in the order they were first heard */
    size_t stream_count, stream_capacity;
    struct map streams_known;
};

struct endpoints {
    struct endpoint *items;
    size_t count, capacity;
    size_t *open; /* by connection: index + 1, 0: none */
    int64_t first_ns, last_ns;
    int64_t first_event_ms; /* the earliest of the first messages; 0: none says a time */
    int64_t timed;          /* messages of one capture that said one */
    char *rest_origin;      /* of the first REST answer: scheme, host and port; NULL: there is none */
    char **folders;         /* that hold a capture of the run */
    size_t folder_count, folder_capacity;
    bool unknown; /* a capture could not be read to its end */
};

void endpoints_init(struct endpoints *endpoints);
void endpoints_finish(struct endpoints *endpoints);

/* endpoints_read: adds what a folder holds of the run; nothing when it holds nothing. */
void endpoints_read(struct endpoints *endpoints, const char *folder, const char *run_id);
