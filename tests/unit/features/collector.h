/* collector: a features_symbol with a sink that keeps every row, fed as harvest would feed it. */
#pragma once

#include "base/memory.h"
#include "market_rows.h"
#include "proto/control.h"
#include "proto/frame.h"
#include "services/features/symbol.h"

#include <stdlib.h>

struct kept_row {
    int kind;
    int64_t ts_ms;
    union {
        struct ofi_row ofi;
        struct cvd_row cvd;
        struct fusion_row fusion;
        struct feature_row feature;
        struct strategy_state_row state;
        struct event_row event;
        struct control_row control;
    } row;
};

struct collector {
    struct features_symbol *symbol;
    struct kept_row *rows;
    size_t count;
    size_t capacity;
    struct buffer
        encoded; /* all rows as they go over the wire; the encoder asserts that required values are there */
    int changes; /* of mode */
    int64_t newest_ms; /* C */
    int64_t watermark_lag_ms;
    int64_t sequence;
    bool discard; /* count and encode only */
};

static inline void collect_row(void *context, const struct message *message, const void *row)
{
    struct collector *collector = context;
    row_encode(&collector->encoded, message, message->field_count, row);
    if (collector->discard) {
        collector->encoded.length = 0;
        collector->count++;
        return;
    }
    collector->rows =
        memory_grow(collector->rows, &collector->capacity, collector->count + 1, sizeof *collector->rows);
    struct kept_row *kept = &collector->rows[collector->count++];
    kept->kind = message->kind;
    assert_true(message->row_bytes <= sizeof kept->row);
    memcpy(&kept->row, row, message->row_bytes);
    kept->ts_ms = *(const int64_t *)row;
}

static inline void collect_change(void *context, const struct mode_change *change)
{
    (void)change;
    ((struct collector *)context)->changes++;
}

static inline struct collector collector_open(const struct features_config *config)
{
    struct error error = {0};
    if (features_config_check(config, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return (struct collector){.symbol = features_symbol_create(config), .watermark_lag_ms = 50};
}

static inline void collector_close(struct collector *collector)
{
    features_symbol_destroy(collector->symbol);
    free(collector->rows);
    buffer_finish(&collector->encoded);
}

static inline void feed_any(struct collector *collector, int kind, const void *row)
{
    const struct features_sink sink = {
        .context = collector, .emit = collect_row, .mode_changed = collect_change};
    features_symbol_feed(collector->symbol, kind, row, ++collector->sequence, &sink);
}

/* A book moves C first; a trade is released first and moves C afterwards (algorithms.md §1 rule 6a). */
static inline void stamp_book(struct collector *collector, struct book_row *book)
{
    if (book->ts_ms > collector->newest_ms)
        collector->newest_ms = book->ts_ms;
    book->watermark_ms = collector->newest_ms - collector->watermark_lag_ms;
}

static inline void stamp_trade(struct collector *collector, struct trade_row *trade)
{
    trade->watermark_ms =
        collector->newest_ms ? collector->newest_ms - collector->watermark_lag_ms : INT64_MIN;
    if (trade->ts_ms > collector->newest_ms)
        collector->newest_ms = trade->ts_ms;
    trade->watermark_after_ms = collector->newest_ms - collector->watermark_lag_ms;
}

static inline void feed_book_row(struct collector *collector, struct book_row book)
{
    stamp_book(collector, &book);
    feed_any(collector, ROW_BOOK, &book);
}

static inline void feed_trade_row(struct collector *collector, struct trade_row trade)
{
    stamp_trade(collector, &trade);
    feed_any(collector, ROW_TRADE, &trade);
}

static inline void feed_end(struct collector *collector)
{
    struct control_row control = {.ts_ms = collector->newest_ms, .action = CONTROL_END_OF_STREAM};
    feed_any(collector, ROW_CONTROL, &control);
}

/* The index-th kept row of a kind, NULL behind the last. */
static inline const struct kept_row *row_of_kind(const struct collector *collector, int kind, size_t index)
{
    for (size_t i = 0; i < collector->count; i++)
        if (collector->rows[i].kind == kind && index-- == 0)
            return &collector->rows[i];
    return NULL;
}

static inline size_t count_of_kind(const struct collector *collector, int kind)
{
    size_t count = 0;
    for (size_t i = 0; i < collector->count; i++)
        count += collector->rows[i].kind == kind;
    return count;
}

static inline int64_t counter_of(const struct collector *collector, const char *wanted)
{
    const char *name;
    int64_t value;
    for (size_t i = 0; features_symbol_counter(collector->symbol, i, &name, &value); i++)
        if (strcmp(name, wanted) == 0)
            return value;
    fail_msg("no counter %s", wanted);
    return -1;
}
