/* moving_side: one feed of two symbols that takes over, or gives away, what comes of them (docs/decisions/0030), fed by hand. */
#pragma once

#include "base/memory.h"
#include "proto/frame.h"
#include "services/harvest/feed.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 400 };

static const char *const SYMBOLS[] = {"ETHUSDT", "BTCUSDT"};
static const char SNAPSHOT[] =
    "/fapi/v1/depth?symbol=BTCUSDT&limit=1000\n{\"lastUpdateId\":10,\"bids\":[[\"100\",\"1\"]],"
    "\"asks\":[[\"101\",\"7\"]]}";
static const char URL[] = "ws://h/stream?streams=btcusdt@depth/btcusdt@trade/btcusdt@bookTicker";

/* side: one feed, and what it wrote. */
struct side {
    struct feed *feed;
    struct buffer *rows;
    uint64_t seq;
};

static inline void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct side *side = context;
    if (symbol == 0)
        return; /* never anything but its end */
    buffer_append_u32(side->rows, message->kind);
    row_encode(side->rows, message, message->field_count, row);
}

static inline struct feed_config side_config(const int16_t *owners)
{
    struct feed_config config;
    feed_config_defaults(&config);
    config.symbols = SYMBOLS;
    config.symbol_count = 2;
    config.raw_trades = true;
    config.max_clock_skew_ms = 0;
    config.owners = owners;
    return config;
}

static inline void side_open(struct side *side, struct buffer *rows, const int16_t *owners)
{
    struct feed_config config = side_config(owners);
    *side = (struct side){.rows = rows};
    side->feed = feed_create(&config, collect, side, NULL);
    assert_non_null(side->feed);
}

static inline void give_on(struct side *side, uint16_t source, uint16_t conn_id, enum capture_kind kind,
                           const char *payload)
{
    struct capture_record record = {.seq = ++side->seq,
                                    .recv_ns = 5000 * (int64_t)1000000,
                                    .kind = (uint16_t)kind,
                                    .conn_id = conn_id,
                                    .source = source,
                                    .payload = payload,
                                    .payload_bytes = strlen(payload)};
    assert_ok(feed_record(side->feed, &record, NULL));
}

static inline void give(struct side *side, uint16_t source, enum capture_kind kind, const char *payload)
{
    give_on(side, source, 1, kind, payload);
}

static inline void give_move(struct side *side, uint16_t source, const char *move)
{
    char text[100];
    snprintf(text, sizeof text, "{\"move\":\"%s\",\"symbol\":\"BTCUSDT\",\"version\":2}", move);
    give(side, source, CAPTURE_MOVE, text);
}

static inline void balance(const struct side *side)
{
    struct error error = {{0}};
    if (feed_imbalance(side->feed, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}
