/* stored: what the sinks of a run hold: signals.db, JSONL shards, mock_orders.jsonl (data.md §5). Purely from files. */
#pragma once

#include "base/buffer.h"
#include "proto/order.h"
#include "proto/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stored_sink { STORED_SQLITE, STORED_JSONL, STORED_ORDERS, STORED_SINKS };
extern const char *const STORED_SINK_NAMES[]; /* "sqlite", "jsonl", "orders", NULL */

const struct message *stored_message(enum stored_sink sink);

union stored_row {
    struct signal_row signal;
    struct order_row order;
};

/* stored_key: event time of a row: ts_ms of a signal, signal_ts_ms of an order. */
int64_t stored_key(enum stored_sink sink, const void *row);

struct stored_range {
    const char *output_dir; /* run.output_dir of the run */
    const char *run_id;
    const char *symbol;
    int64_t from_ms, to_ms; /* both included */
    bool bad_orders;        /* give lines of mock_orders.jsonl that are no order, which tell no symbol */
};

/* stored_cursor: rows of one sink and symbol, ascending as the sink holds them. */
struct stored_cursor;

/* stored_open: STATUS_NOT_FOUND: the sink has left nothing at all (no file, no table). The texts of `range` are borrowed as long as
 * the cursor lives. */
enum status stored_open(enum stored_sink sink, const struct stored_range *range,
                        struct stored_cursor **out_cursor, struct error *error) MUST_USE;
void stored_close(struct stored_cursor *cursor); /* accepts NULL */

/* stored_next: STATUS_END behind the last. STATUS_MALFORMED: what is stored there is not a row; `error` says where and why, and the
 * next call goes on behind it. */
enum status stored_next(struct stored_cursor *cursor, union stored_row *out_row,
                        struct error *error) MUST_USE;

/* stored_count: rows that sink holds of the run, of all symbols; lines that cannot be read count too. Of orders: those of the run. */
enum status stored_count(enum stored_sink sink, const char *output_dir, const char *run_id, int64_t *out_rows,
                         struct error *error) MUST_USE;
