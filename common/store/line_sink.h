/* line_sink: rows of one message as JSON lines at the end of one file (mock_orders.jsonl, data.md §5.5).
 *
 * The same mechanism as jsonl_sink without its rotation: append, then journal {bytes, sequence of every stream}
 * in the record `sink/<name>`. The file may hold earlier runs; on a cold start this run's own lines, if there
 * are any, are cut off and written anew from the journal; with another run's lines behind them that is refused. */
#pragma once

#include "stage/sink.h"

#include <stdbool.h>

struct line_sink_config {
    const char *name; /* "orders" */
    const char *path;
    const char *run_id;
    const struct message *message; /* its rows become lines; it has run_id */
    bool sync;
    size_t batch_rows;
    int flush_ms;
};

struct sink *line_sink_create(const struct line_sink_config *config);
void line_sink_destroy(struct sink *sink); /* after its close; accepts NULL */
