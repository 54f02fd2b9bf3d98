#include "proto/kind.h"

#include "proto/book.h"
#include "proto/control.h"
#include "proto/cvd.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/heartbeat.h"
#include "proto/ofi.h"
#include "proto/order.h"
#include "proto/quote_audit.h"
#include "proto/request.h"
#include "proto/signal.h"
#include "proto/strategy_state.h"
#include "proto/trade.h"

#include <string.h>

const char *const BOOK_SOURCE_NAMES[] = {"partial", "diff", NULL};
const char *const REGIME_NAMES[] = {"active", "normal", "quiet", NULL};
const char *const OFI_MODE_NAMES[] = {"cks", "mlofi", "legacy", NULL};
const char *const SIDE_SOURCE_NAMES[] = {"venue", "tick", NULL};
const char *const FUSION_SIGNAL_NAMES[] = {"neutral", "buy", "strong_buy", "sell", "strong_sell", NULL};
const char *const SIGNAL_TYPE_NAMES[] = {"strong_buy", "buy",     "sell", "strong_sell",
                                         "pending",    "neutral", NULL};
const char *const CALIBRATION_STATE_NAMES[] = {"active",        "suspended", "insufficient",
                                               "not_converged", "none",      NULL};
const char *const CVD_DIRECTION_NAMES[] = {"as_is", "flipped", NULL};
const char *const EVENT_TYPE_NAMES[] = {"bull_div",      "bear_div",  "hidden_bull",      "hidden_bear",
                                        "pivot_high",    "pivot_low", "ofi_cvd_conflict", "anomaly_z",
                                        "price_anomaly", "gap",       "reconnect",        "incident",
                                        NULL};
const char *const EVENT_CHANNEL_NAMES[] = {"price", "ofi", "cvd", "fusion", "trade", "book", "socket", NULL};
const char *const EVENT_DIRECTION_NAMES[] = {"bullish", "bearish", "neutral", NULL};
const char *const EVENT_STRENGTH_NAMES[] = {"strong", "normal", "weak", NULL};
const char *const STRATEGY_MODE_NAMES[] = {"active", "quiet", NULL};
const char *const ORDER_SIDE_NAMES[] = {"BUY", "SELL", NULL};
const char *const ORDER_STRENGTH_NAMES[] = {"STRONG", "NORMAL", NULL};
const char *const ORDER_STATUS_NAMES[] = {"FILLED", "REJECTED", NULL};
const char *const CONTROL_ACTION_NAMES[] = {"end_of_stream", "input", NULL};
const char *const CONTROL_DECISION_NAMES[] = {"none",
                                              "suspend_calibration",
                                              "resume_calibration",
                                              "lock_direction",
                                              "unlock_direction",
                                              "slice_weight",
                                              "adjust_merge_tol",
                                              NULL};

static const struct message *const MESSAGES[] = {
    &trade_message,
    &book_message,
    &quote_audit_message,
    &event_message,
    &control_message,
    &ofi_message,
    &cvd_message,
    &fusion_message,
    &feature_message,
    &strategy_state_message,
    &signal_message,
    &order_message,
    &fill_message,
    &position_message,
    &heartbeat_message,
    &stream_status_message,
    &counter_message,
    &gauge_message,
    &sink_status_message,
    &catch_up_request_message,
    &catch_up_answer_message,
    &register_message,
    &command_message,
    &command_answer_message,
};

const struct message *message_at(size_t index)
{
    return index < sizeof MESSAGES / sizeof MESSAGES[0] ? MESSAGES[index] : NULL;
}

const struct message *message_of_kind(int kind)
{
    const struct message *message;
    for (size_t i = 0; (message = message_at(i)); i++)
        if (message->kind == kind)
            return message;
    return NULL;
}

const struct message *message_of_name(const char *name)
{
    const struct message *message;
    for (size_t i = 0; (message = message_at(i)); i++)
        if (strcmp(message->name, name) == 0)
            return message;
    return NULL;
}

size_t message_fields_in_use(const struct message *message, int levels)
{
    size_t per_level = message->fields_per_level, first = message->field_count_default;
    if (message->field_count > first + per_level * (BOOK_LEVELS_MAX - BOOK_LEVELS_DEFAULT))
        return message->field_count;
    return levels > BOOK_LEVELS_DEFAULT ? first + per_level * (size_t)(levels - BOOK_LEVELS_DEFAULT) : first;
}
