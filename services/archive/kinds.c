#include "kinds.h"

#include "proto/book.h"
#include "proto/cvd.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/ofi.h"
#include "proto/trade.h"

#include <stdio.h>
#include <string.h>

static const char *const PRICES_REQUIRED[] = {"price", "qty", "agg_trade_id", NULL};
static const char *const ORDERBOOK_REQUIRED[] = {"best_bid", "best_ask", NULL};
static const char *const OFI_REQUIRED[] = {"ofi_value", NULL};
static const char *const CVD_REQUIRED[] = {"cvd", "delta", NULL};
static const char *const FUSION_REQUIRED[] = {"score", NULL};
static const char *const EVENTS_REQUIRED[] = {"event_type", NULL};
static const char *const FEATURES_REQUIRED[] = {"mid", NULL};

const struct kind_info KINDS[KIND_COUNT] = {
    [KIND_PRICES] = {"prices", &trade_message, "agg_trade_id", "agg_trade_id", PRICES_REQUIRED},
    [KIND_ORDERBOOK] = {"orderbook", &book_message, "last_id", "last_id", ORDERBOOK_REQUIRED},
    [KIND_OFI] = {"ofi", &ofi_message, "last_id", "last_id", OFI_REQUIRED},
    [KIND_CVD] = {"cvd", &cvd_message, "agg_trade_id", "agg_trade_id", CVD_REQUIRED},
    [KIND_FUSION] = {"fusion", &fusion_message, "ts_ms", NULL, FUSION_REQUIRED},
    [KIND_EVENTS] = {"events", &event_message, NULL, NULL, EVENTS_REQUIRED},
    [KIND_FEATURES] = {"features", &feature_message, "ts_ms", NULL, FEATURES_REQUIRED},
};

enum data_kind kind_of_row(int row_kind)
{
    enum data_kind kind = 0;
    while (kind < KIND_COUNT && KINDS[kind].message->kind != row_kind)
        kind++;
    return kind;
}

enum data_kind kind_of_name(const char *name, size_t length)
{
    enum data_kind kind = 0;
    while (kind < KIND_COUNT &&
           (strlen(KINDS[kind].name) != length || memcmp(KINDS[kind].name, name, length) != 0))
        kind++;
    return kind;
}

static struct row_key event_key(const struct event_row *event)
{
    return (struct row_key){.id = event->ts_ms,
                            .detail = (int64_t)event->event_type << 40 | (int64_t)event->channel << 32 |
                                      (int64_t)(uint32_t)event->ordinal};
}

struct row_key kind_row_key(enum data_kind kind, const void *row)
{
    switch (kind) {
    case KIND_PRICES: return (struct row_key){.id = ((const struct trade_row *)row)->agg_trade_id};
    case KIND_ORDERBOOK: return (struct row_key){.id = ((const struct book_row *)row)->last_id};
    case KIND_OFI: return (struct row_key){.id = ((const struct ofi_row *)row)->last_id};
    case KIND_CVD: return (struct row_key){.id = ((const struct cvd_row *)row)->agg_trade_id};
    case KIND_FUSION: return (struct row_key){.id = ((const struct fusion_row *)row)->ts_ms};
    case KIND_EVENTS: return event_key(row);
    default: return (struct row_key){.id = ((const struct feature_row *)row)->ts_ms};
    }
}

void kind_row_id(enum data_kind kind, const char *symbol, const void *row, char out_text[ROW_ID_BYTES])
{
    long long id = (long long)kind_row_key(kind, row).id;
    if (kind == KIND_EVENTS) {
        const struct event_row *event = row;
        snprintf(out_text, ROW_ID_BYTES, "%s|events|%s|%s|%lld|%d", symbol,
                 EVENT_TYPE_NAMES[event->event_type], EVENT_CHANNEL_NAMES[event->channel], id,
                 event->ordinal);
    } else {
        snprintf(out_text, ROW_ID_BYTES, "%s|%s|%lld", symbol, KINDS[kind].name, id);
    }
}
