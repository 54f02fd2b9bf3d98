/* kind: the kinds of rows, and the enumerations their fields use. The numbers are the wire's; none is reused. */
#pragma once

#include "proto/field.h"

enum row_kind {
    /* harvest */
    ROW_TRADE = 1,
    ROW_BOOK = 2,
    ROW_QUOTE_AUDIT = 3,
    ROW_EVENT = 4,   /* also features */
    ROW_CONTROL = 5, /* passed on by every service */
    /* features */
    ROW_OFI = 10,
    ROW_CVD = 11,
    ROW_FUSION = 12,
    ROW_FEATURE = 13,
    ROW_STRATEGY_STATE = 14,
    /* signal, broker */
    ROW_SIGNAL = 20,
    ROW_ORDER = 30,
    ROW_FILL = 31,
    ROW_POSITION = 32,
    /* not data: heartbeats and requests */
    ROW_HEARTBEAT = 60,
    ROW_STREAM_STATUS = 61,
    ROW_COUNTER = 62,
    ROW_GAUGE = 63,
    ROW_SINK_STATUS = 64,
    ROW_CATCH_UP_REQUEST = 70,
    ROW_CATCH_UP_ANSWER = 71,
    ROW_REGISTER = 72,
    ROW_COMMAND = 73,
    ROW_COMMAND_ANSWER = 74,
    ROW_KIND_LIMIT = 96,
};

enum {
    BOOK_LEVELS_MAX = 20,
    BOOK_LEVELS_DEFAULT = 5,
    SYMBOL_BYTES = 32,
    RUN_ID_BYTES = 68,
    INSTANCE_BYTES = 64,
    STREAM_BYTES = 96, /* "service/SYMBOL" */
    REASONS_BYTES = 256,
    META_BYTES = 1024,
};

enum book_source { BOOK_SOURCE_PARTIAL, BOOK_SOURCE_DIFF };
extern const char *const BOOK_SOURCE_NAMES[];

enum regime { REGIME_ACTIVE, REGIME_NORMAL, REGIME_QUIET };
extern const char *const REGIME_NAMES[];

enum ofi_mode { OFI_CKS, OFI_MLOFI, OFI_LEGACY };
extern const char *const OFI_MODE_NAMES[];

enum side_source { SIDE_VENUE, SIDE_TICK };
extern const char *const SIDE_SOURCE_NAMES[];

/* fusion output; signal_type adds pending */
enum fusion_signal { FUSION_NEUTRAL, FUSION_BUY, FUSION_STRONG_BUY, FUSION_SELL, FUSION_STRONG_SELL };
extern const char *const FUSION_SIGNAL_NAMES[];

enum signal_type { SIGNAL_STRONG_BUY, SIGNAL_BUY, SIGNAL_SELL, SIGNAL_STRONG_SELL, SIGNAL_PENDING, SIGNAL_NEUTRAL };
extern const char *const SIGNAL_TYPE_NAMES[];

enum calibration_state {
    CALIBRATION_ACTIVE,
    CALIBRATION_SUSPENDED,
    CALIBRATION_INSUFFICIENT,
    CALIBRATION_NOT_CONVERGED,
    CALIBRATION_NONE
};
extern const char *const CALIBRATION_STATE_NAMES[];

enum cvd_direction { CVD_AS_IS, CVD_FLIPPED };
extern const char *const CVD_DIRECTION_NAMES[];

enum event_type {
    EVENT_BULL_DIV,
    EVENT_BEAR_DIV,
    EVENT_HIDDEN_BULL,
    EVENT_HIDDEN_BEAR,
    EVENT_PIVOT_HIGH,
    EVENT_PIVOT_LOW,
    EVENT_OFI_CVD_CONFLICT,
    EVENT_ANOMALY_Z,
    EVENT_PRICE_ANOMALY,
    EVENT_GAP,
    EVENT_RECONNECT,
    EVENT_INCIDENT, /* not of the market: what people, gates or an engine's own rule changed */
};
extern const char *const EVENT_TYPE_NAMES[];

enum event_channel {
    CHANNEL_PRICE,
    CHANNEL_OFI,
    CHANNEL_CVD,
    CHANNEL_FUSION,
    CHANNEL_TRADE,
    CHANNEL_BOOK,
    CHANNEL_SOCKET
};
extern const char *const EVENT_CHANNEL_NAMES[];

enum event_direction { DIRECTION_BULLISH, DIRECTION_BEARISH, DIRECTION_NEUTRAL };
extern const char *const EVENT_DIRECTION_NAMES[];

enum event_strength { STRENGTH_STRONG, STRENGTH_NORMAL, STRENGTH_WEAK };
extern const char *const EVENT_STRENGTH_NAMES[];

enum strategy_mode { MODE_ACTIVE, MODE_QUIET };
extern const char *const STRATEGY_MODE_NAMES[];

enum order_side { ORDER_BUY, ORDER_SELL };
extern const char *const ORDER_SIDE_NAMES[];
enum order_strength { ORDER_STRONG, ORDER_NORMAL };
extern const char *const ORDER_STRENGTH_NAMES[];
enum order_status { ORDER_FILLED, ORDER_REJECTED };
extern const char *const ORDER_STATUS_NAMES[];

enum control_action { CONTROL_END_OF_STREAM, CONTROL_INPUT };
extern const char *const CONTROL_ACTION_NAMES[];

enum control_decision {
    DECISION_NONE,
    DECISION_SUSPEND_CALIBRATION,
    DECISION_RESUME_CALIBRATION,
    DECISION_LOCK_DIRECTION,
    DECISION_UNLOCK_DIRECTION,
    DECISION_SLICE_WEIGHT,    /* value: factor of the scores of active rows, 0…1 */
    DECISION_ADJUST_MERGE_TOL /* value: the merge tolerance in ms, whole, 0…60000 */
};
extern const char *const CONTROL_DECISION_NAMES[];

/* message_of_kind: the table of a kind, NULL when unknown. message_of_name: likewise by name. */
const struct message *message_of_kind(int kind);
const struct message *message_of_name(const char *name);

/* message_at: the i-th known message (for docs), NULL behind the last. */
const struct message *message_at(size_t index);

/* message_fields_in_use: how many leading fields of the table are in use with `levels` book levels. Levels beyond
 * the fifth follow the default fields, one group per level, so more levels only append columns. A field that was added
 * behind the last level is sent like any other, and with it all levels. */
size_t message_fields_in_use(const struct message *message, int levels);
