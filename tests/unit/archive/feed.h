/* feed: two streams of one symbol as harvest and features would send them, with everything the archive must
 * cope with: late rows, bad rows, rows it does not store; and what must be on disk afterwards. */
#pragma once

#include "base/memory.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/cvd.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/frame.h"
#include "proto/fusion.h"
#include "proto/ofi.h"
#include "proto/quote_audit.h"
#include "proto/strategy_state.h"
#include "proto/trade.h"
#include "services/archive/kinds.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

enum { FEED_HARVEST, FEED_FEATURES, FEED_STREAMS };

struct feed_stream {
    struct buffer rows; /* encoded, one behind the other */
    size_t *offsets;
    size_t count, capacity;
};

struct feed_expected {
    char **row_ids; /* of rows that must be stored, once each */
    size_t count, capacity;
};

struct feed {
    struct feed_stream streams[FEED_STREAMS];
    struct feed_expected expected[KIND_COUNT];
    int64_t bad_rows;
    struct random random;
    int64_t ts_ms;
};

static inline void feed_put(struct feed *feed, size_t stream, const struct message *message, const void *row)
{
    struct feed_stream *to = &feed->streams[stream];
    to->offsets = memory_grow(to->offsets, &to->capacity, to->count + 1, sizeof *to->offsets);
    to->offsets[to->count++] = to->rows.length;
    row_encode(&to->rows, message, message_fields_in_use(message, BOOK_LEVELS_DEFAULT), row);
}

/* feed_data: a row that must be stored. */
static inline void feed_data(struct feed *feed, size_t stream, enum data_kind kind, const void *row)
{
    struct feed_expected *expected = &feed->expected[kind];
    char row_id[ROW_ID_BYTES];
    kind_row_id(kind, "BTCUSDT", row, row_id);
    expected->row_ids =
        memory_grow(expected->row_ids, &expected->capacity, expected->count + 1, sizeof *expected->row_ids);
    expected->row_ids[expected->count++] = memory_copy_text(row_id);
    feed_put(feed, stream, KINDS[kind].message, row);
}

static inline void feed_trade(struct feed *feed, int64_t id)
{
    struct trade_row row;
    message_clear(&trade_message, &row);
    row.ts_ms = feed->ts_ms;
    if (random_below(&feed->random, 20) == 0)
        row.ts_ms -= 15000; /* late: its window may have been written */
    row.price = (struct decimal){6165970 + id, 2};
    row.qty = (struct decimal){2, 3};
    row.agg_trade_id = id;
    row.is_market = 1;
    row.watermark_ms = row.watermark_after_ms = feed->ts_ms - 50;
    feed_data(feed, FEED_HARVEST, KIND_PRICES, &row);
}

static inline void feed_book(struct feed *feed, int64_t id, bool bad)
{
    struct book_row row;
    message_clear(&book_message, &row);
    row.ts_ms = feed->ts_ms;
    row.last_id = id;
    row.best_bid = (struct decimal){6165970, 2};
    row.best_ask = (struct decimal){bad ? 6165960 : 6165980, 2};
    row.mid = 61659.75;
    row.watermark_ms = feed->ts_ms - 50;
    if (bad)
        feed_put(feed, FEED_HARVEST, &book_message, &row);
    else
        feed_data(feed, FEED_HARVEST, KIND_ORDERBOOK, &row);
    feed->bad_rows += bad;
}

static inline void feed_event(struct feed *feed, size_t stream, int type, int channel)
{
    struct event_row row;
    message_clear(&event_message, &row);
    row.ts_ms = row.detected_ts_ms = feed->ts_ms;
    row.event_type = (int8_t)type;
    row.channel = (int8_t)channel;
    row.ordinal = 1;
    snprintf(row.meta_json, sizeof row.meta_json, "{}");
    feed_data(feed, stream, KIND_EVENTS, &row);
}

static inline void feed_derived(struct feed *feed, int64_t id)
{
    struct ofi_row ofi;
    struct cvd_row cvd;
    message_clear(&ofi_message, &ofi);
    message_clear(&cvd_message, &cvd);
    ofi.ts_ms = cvd.ts_ms = feed->ts_ms;
    ofi.last_id = cvd.agg_trade_id = id;
    feed_data(feed, FEED_FEATURES, KIND_OFI, &ofi);
    feed_data(feed, FEED_FEATURES, KIND_CVD, &cvd);
}

static inline void feed_grid(struct feed *feed)
{
    struct feature_row feature;
    struct fusion_row fusion;
    struct strategy_state_row state;
    message_clear(&feature_message, &feature);
    message_clear(&fusion_message, &fusion);
    message_clear(&strategy_state_message, &state);
    feature.ts_ms = fusion.ts_ms = state.ts_ms = feed->ts_ms;
    feed_put(feed, FEED_FEATURES, &strategy_state_message, &state);
    feed_data(feed, FEED_FEATURES, KIND_FUSION, &fusion);
    feed_data(feed, FEED_FEATURES, KIND_FEATURES, &feature);
}

/* feed_undecodable: a row of a known kind with nothing in it that could be decoded. */
static inline void feed_undecodable(struct feed *feed)
{
    static const uint8_t ROW[] = {0x92, ROW_TRADE, 0xa1, 'x'};
    struct feed_stream *to = &feed->streams[FEED_HARVEST];
    to->offsets = memory_grow(to->offsets, &to->capacity, to->count + 1, sizeof *to->offsets);
    to->offsets[to->count++] = to->rows.length;
    buffer_append(&to->rows, ROW, sizeof ROW);
    feed->bad_rows++;
}

static inline void feed_end(struct feed *feed)
{
    struct control_row control = {.ts_ms = feed->ts_ms, .action = CONTROL_END_OF_STREAM};
    for (size_t i = 0; i < FEED_STREAMS; i++)
        feed_put(feed, i, &control_message, &control);
}

/* feed_make: `steps` moments, about `step_ms` apart, from 2024-08-08 23:40 on, then the end of both streams. */
static inline void feed_make(struct feed *feed, uint64_t seed, int steps, int64_t step_ms)
{
    struct quote_audit_row audit;
    *feed = (struct feed){.ts_ms = 1723160400000};
    random_seed(&feed->random, seed);
    message_clear(&quote_audit_message, &audit);
    for (int i = 1; i <= steps; i++) {
        feed->ts_ms += 1 + (int64_t)random_below(&feed->random, (uint64_t)(2 * step_ms));
        feed_trade(feed, i);
        feed_book(feed, i, random_below(&feed->random, 60) == 0);
        feed_put(feed, FEED_HARVEST, &quote_audit_message, &audit);
        feed_derived(feed, i);
        if (i % 3 == 0)
            feed_grid(feed);
        if (i % 40 == 0)
            feed_event(feed, FEED_HARVEST, EVENT_GAP, CHANNEL_TRADE);
        if (i % 25 == 0)
            feed_event(feed, FEED_FEATURES, EVENT_ANOMALY_Z, CHANNEL_OFI);
        if (i % 90 == 0)
            feed_undecodable(feed);
    }
    feed_end(feed);
}

static inline void feed_finish(struct feed *feed)
{
    for (size_t i = 0; i < FEED_STREAMS; i++) {
        buffer_finish(&feed->streams[i].rows);
        free(feed->streams[i].offsets);
    }
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t i = 0; i < feed->expected[kind].count; i++)
            free(feed->expected[kind].row_ids[i]);
        free(feed->expected[kind].row_ids);
    }
}

/* feed_view: the row with that sequence. */
static inline struct row_view feed_view(const struct feed *feed, size_t stream, int64_t sequence)
{
    const struct feed_stream *from = &feed->streams[stream];
    size_t offset = from->offsets[sequence - 1];
    struct row_view view;
    assert_ok(rows_next(from->rows.data, from->rows.length, &offset, &view));
    view.sequence = sequence;
    return view;
}
