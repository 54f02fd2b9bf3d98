// links: proto base
/* One frame of every important message, byte for byte as docs/wire-protocol.md shows it (tests/vectors/<name>.hex): the same
 * rows encoded here must give these bytes, and these bytes these rows. After a wanted change the files are written anew with
 * ORDERFLOW_VECTORS_WRITE=1. */
#include "tests/support/check.h"
#include "tests/support/rows.h"

#include "base/memory.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/cvd.h"
#include "proto/describe.h"
#include "proto/event.h"
#include "proto/feature.h"
#include "proto/frame.h"
#include "proto/fusion.h"
#include "proto/heartbeat.h"
#include "proto/ofi.h"
#include "proto/order.h"
#include "proto/quote_audit.h"
#include "proto/request.h"
#include "proto/signal.h"
#include "proto/strategy_state.h"
#include "proto/trade.h"

#include <stdlib.h>
#include <string.h>

#define NONE FIELD_NULL_F64
#define NO_DECIMAL                  \
    {                               \
        .units = DECIMAL_NULL_UNITS \
    }

static const struct trade_row TRADE = {.ts_ms = 1723161255025,
                                       .event_ts_ms = 1723161255030,
                                       .recv_ts_ms = 1723161255031,
                                       .price = {6165970, 2},
                                       .qty = {2, 3},
                                       .agg_trade_id = 2264515511,
                                       .first_trade_id = 5276493011,
                                       .last_trade_id = 5276493012,
                                       .is_buyer_maker = 1,
                                       .is_market = 1,
                                       .latency_ms = 1,
                                       .recv_rate_tps = 12.5,
                                       .gap_before = 0,
                                       .backfilled = 0,
                                       .watermark_ms = 1723161254900,
                                       .watermark_after_ms = 1723161255000,
                                       .contract_size = NONE};

static const struct book_row BOOK = {
    .ts_ms = 1723161255022,
    .event_ts_ms = 1723161255028,
    .recv_ts_ms = 1723161255029,
    .latency_ms = 1,
    .first_id = 5067425110001,
    .last_id = 5067425110417,
    .prev_last_id = 5067425109988,
    .source = BOOK_SOURCE_DIFF,
    .book_reset = 0,
    .levels = 5,
    .best_bid = {6165960, 2},
    .best_ask = {6165970, 2},
    .mid = 61659.65,
    .spread_bps = 0.01621806025269751,
    .bid_price =
        {{6165960, 2}, {6165950, 2}, {6165900, 2}, {6165850, 2}, {6165800, 2}, [5 ... 19] = NO_DECIMAL},
    .bid_qty = {{4021, 3}, {2, 3}, {15, 3}, {812, 3}, {4, 3}, [5 ... 19] = NO_DECIMAL},
    .ask_price =
        {{6165970, 2}, {6165980, 2}, {6166000, 2}, {6166010, 2}, NO_DECIMAL, [5 ... 19] = NO_DECIMAL},
    .ask_qty = {{7333, 3}, {5, 3}, {120, 3}, {2, 3}, NO_DECIMAL, [5 ... 19] = NO_DECIMAL},
    .watermark_ms = 1723161254900};

static const struct quote_audit_row QUOTE_AUDIT = {.ts_ms = 1723161255022,
                                                   .last_id = 5067425110417,
                                                   .ticker_id = 5067425110398,
                                                   .agrees = 1,
                                                   .book_bid_price = {6165960, 2},
                                                   .book_bid_qty = {4021, 3},
                                                   .book_ask_price = {6165970, 2},
                                                   .book_ask_qty = {7333, 3},
                                                   .ticker_bid_price = {6165960, 2},
                                                   .ticker_bid_qty = {4021, 3},
                                                   .ticker_ask_price = {6165970, 2},
                                                   .ticker_ask_qty = {7333, 3}};

static const struct event_row EVENT = {
    .ts_ms = 1723161260000,
    .source = 4711,
    .event_type = EVENT_GAP,
    .detected_ts_ms = 1723161260000,
    .pivot_ts_ms = FIELD_NULL_I64,
    .channel = CHANNEL_TRADE,
    .direction = DIRECTION_NEUTRAL,
    .event_score = NONE,
    .strength = FIELD_NULL_ENUM,
    .meta_json = "{\"from\":2264515511,\"gap_kind\":\"trade_id\",\"missing\":2,\"to\":2264515514}",
    .ordinal = 1};

static const struct control_row CONTROL = {
    .ts_ms = 1723161899970, .source = 21314, .action = CONTROL_END_OF_STREAM, .value = FIELD_NULL_F64};

static const struct control_row SLICE_WEIGHT = {
    .ts_ms = 1723161899970,
    .source = 21313,
    .action = CONTROL_INPUT,
    .value_json = "{\"decision\":\"slice_weight\",\"value\":0.5,\"why\":\"canary_auc\"}",
    .decision = DECISION_SLICE_WEIGHT,
    .value = 0.5};

static const struct ofi_row OFI = {.ts_ms = 1723161255022,
                                   .source = 4712,
                                   .last_id = 5067425110417,
                                   .ofi_value = 2.2,
                                   .ema_ofi = 1.6,
                                   .ofi_z = 3,
                                   .ofi_z_raw = 3.2093613071762426,
                                   .scale = 0.6855,
                                   .components = {1.6, 0.25, 0.2, 0.1, 0.05},
                                   .regime = REGIME_NORMAL,
                                   .ofi_mode = OFI_CKS};

static const struct cvd_row CVD = {.ts_ms = 1723161255025,
                                   .source = 4713,
                                   .agg_trade_id = 2264515511,
                                   .cvd = -17.9,
                                   .delta = -0.002,
                                   .ema_cvd = -18.5,
                                   .z_raw = NONE,
                                   .z_cvd = NONE,
                                   .scale = NONE,
                                   .sigma_floor = NONE,
                                   .floor_used = FIELD_NULL_BOOL,
                                   .ewma_fast = 0.3285806968932863,
                                   .ewma_slow = 0.12530677496041104,
                                   .ewma_mix = NONE,
                                   .boost = NONE,
                                   .tps = 12.5,
                                   .regime = REGIME_ACTIVE,
                                   .warmup = 1,
                                   .side_source = SIDE_VENUE};

static const struct fusion_row FUSION = {.ts_ms = 1723161255100,
                                         .source = 4713,
                                         .score = 1.8,
                                         .score_z = NONE,
                                         .regime = REGIME_NORMAL,
                                         .signal = FUSION_STRONG_BUY,
                                         .consistency = 0.75,
                                         .dispersion = 0.5,
                                         .sign_agree = 1,
                                         .comp_ofi = 1.2,
                                         .comp_cvd = 0.6,
                                         .w_ofi = 0.6,
                                         .w_cvd = 0.4,
                                         .lag_ms = 3,
                                         .proba = NONE,
                                         .calibration_state = CALIBRATION_NONE,
                                         .cvd_direction = CVD_AS_IS,
                                         .reason_codes = "flip_rearm"};

static const struct feature_row FEATURE = {.ts_ms = 1723161255100,
                                           .source = 4713,
                                           .price = 61659.7,
                                           .mid = 61659.65,
                                           .best_bid = 61659.6,
                                           .best_ask = 61659.7,
                                           .spread_bps = 0.01621806025269751,
                                           .z_ofi = 2,
                                           .ofi_z_raw = 2,
                                           .ofi_value = 2.2,
                                           .ema_ofi = 1.6,
                                           .z_cvd = 1.5,
                                           .z_raw = 1.5,
                                           .cvd = -17.9,
                                           .floor_used = 0,
                                           .fusion_score = 1.8,
                                           .consistency = 0.75,
                                           .dispersion = 0.5,
                                           .score_z = NONE,
                                           .sign_agree = 1,
                                           .div_type = FIELD_NULL_ENUM,
                                           .regime = REGIME_NORMAL,
                                           .tps = 12.5,
                                           .trade_rate = 750,
                                           .quote_rate = 9.5,
                                           .volume_usd = 1234567.25,
                                           .realized_vol_bps = 4.5,
                                           .return_1s = 1e-7,
                                           .age_ofi_ms = 78,
                                           .age_cvd_ms = 75,
                                           .lag_ms = 3,
                                           .lag_sec = 0.003};

static const struct strategy_state_row STRATEGY_STATE = {.ts_ms = 1723161260000,
                                                         .source = 4801,
                                                         .mode = MODE_QUIET,
                                                         .trades_per_min = 750,
                                                         .quotes_per_sec = 9.5,
                                                         .spread_bps = 0.0162,
                                                         .volatility_bps = NONE,
                                                         .volume_usd = 1234567.25,
                                                         .schedule_active = 1,
                                                         .market_active = 0,
                                                         .market_unknown = 1,
                                                         .history_size = 3,
                                                         .last_transition_ms = FIELD_NULL_I64};

static const struct signal_row SIGNAL = {.run_id = "20240808_235415-1f2e",
                                         .seq = 1,
                                         .ts_ms = 1723161255100,
                                         .symbol = "BTCUSDT",
                                         .score = 1.8,
                                         .z_ofi = 2,
                                         .z_cvd = 1.5,
                                         .consistency = 0.75,
                                         .regime = REGIME_NORMAL,
                                         .div_type = FIELD_NULL_ENUM,
                                         .confirm = 1,
                                         .gating = 0,
                                         .signal_type = SIGNAL_STRONG_BUY,
                                         .best_bid = 61659.6,
                                         .best_ask = 61659.7,
                                         .created_at = "2024-08-08T23:54:15.100Z",
                                         .schema_version = 1,
                                         .source = 4713};

static const struct order_row ORDER = {.order_id = "MOCK-BTCUSDT-1723161255100",
                                       .run_id = "20240808_235415-1f2e",
                                       .symbol = "BTCUSDT",
                                       .side = ORDER_BUY,
                                       .strength = ORDER_STRONG,
                                       .signal_type = SIGNAL_STRONG_BUY,
                                       .signal_score = 1.8,
                                       .signal_ts_ms = 1723161255100,
                                       .order_ts_ms = 1723161255100,
                                       .status = ORDER_FILLED,
                                       .filled_qty = 0.001,
                                       .filled_price = 61665.86597,
                                       .mid = 61659.65,
                                       .notional = 61.66586597,
                                       .slippage_bps = 1,
                                       .fee_bps = 2,
                                       .fee = 0.012333173194,
                                       .seq = 1,
                                       .source = 4713};
static const struct fill_row FILL = {.ts_ms = 1723161255100,
                                     .source = 4713,
                                     .order_id = "MOCK-BTCUSDT-1723161255100",
                                     .side = ORDER_BUY,
                                     .qty = 0.001,
                                     .price = 61665.86597,
                                     .fee = 0.012333173194};
static const struct position_row POSITION = {.ts_ms = 1723161255100,
                                             .source = 4713,
                                             .qty = 0.001,
                                             .cash = -61.678199143194,
                                             .fees = 0.012333173194,
                                             .orders = 1};

static const struct heartbeat_row HEARTBEAT = {
    .name = "signal",
    .pid = 901,
    .generation = 2,
    .seq = 17,
    .state = "running",
    .wall_ms = 1735689600000,
    .mono_ms = 5212298,
    .event_ts_ms = 1723161255100,
    .config_fingerprint = "9a0364b9e99bb480dd25e1f0284c8555a1c6a1e1a2b1e0f1d2c3b4a5f6071829",
    .progress = 812,
    .caught_up = 1,
    .rss_mb = 7.25,
    .open_files = 24,
    .queue_len = 0,
    .queue_cap = 0};
static const struct stream_status_row OWN_STREAM = {.stream = "signal/BTCUSDT",
                                                    .published = 1,
                                                    .first_sequence = 1,
                                                    .last_sequence = 406,
                                                    .source = 4713,
                                                    .ended = 0,
                                                    .durable_sequence = 0};
static const struct stream_status_row READ_STREAM = {.stream = "features/BTCUSDT",
                                                     .published = 0,
                                                     .first_sequence = 0,
                                                     .last_sequence = 9021,
                                                     .source = 4713,
                                                     .ended = 0,
                                                     .durable_sequence = 8977};
static const struct counter_row COUNTER = {.name = "signals", .value = 406};
static const struct gauge_row GAUGE = {.name = "cvd_scale_median", .value = NONE};
static const struct sink_status_row SINK_STATUS = {.sink = "sqlite",
                                                   .position = 402,
                                                   .lag_rows = 4,
                                                   .written = 402,
                                                   .last_write_ms = 1735689599950,
                                                   .open_files = 2};

static const struct catch_up_request_row CATCH_UP_REQUEST = {
    .consumer = "features", .stream = "harvest/BTCUSDT", .from = 4711};
static const struct catch_up_answer_row CATCH_UP_ANSWER = {
    .stream = "harvest/BTCUSDT", .from = 4711, .oldest = 1, .last = 4714, .row_count = 4};
static const struct register_row REGISTER = {
    .consumer = "features", .stream = "harvest/BTCUSDT", .durable_sequence = 4500};
static const struct command_row COMMAND = {.request_id = "7f3a-12",
                                           .run_id = "20240808_235415-1f2e",
                                           .generation = 2,
                                           .verb = "drain",
                                           .arguments = "{}"};
static const struct command_answer_row COMMAND_ANSWER = {.request_id = "7f3a-12", .ok = 1};

struct vector {
    const char *name;
    const char *topic; /* or what part of which message it is */
    const char *instance;
    int64_t first_sequence;
    int64_t publish_ns;
    struct {
        const struct message *message;
        const void *row;
    } rows[6];
};

static const struct vector VECTORS[] = {
    {"trade", "topic harvest/BTCUSDT", "harvest", 4711, 1735689600000000000, {{&trade_message, &TRADE}}},
    {"book", "topic harvest/BTCUSDT", "harvest", 4712, 1735689600000000000, {{&book_message, &BOOK}}},
    {"quote_audit",
     "topic harvest/BTCUSDT",
     "harvest",
     4713,
     1735689600000000000,
     {{&quote_audit_message, &QUOTE_AUDIT}}},
    {"event", "topic harvest/BTCUSDT", "harvest", 4711, 1735689600000000000, {{&event_message, &EVENT}}},
    {"control",
     "topic harvest/BTCUSDT",
     "harvest",
     21313,
     1735689600000000000,
     {{&control_message, &SLICE_WEIGHT}, {&control_message, &CONTROL}}},
    {"ofi", "topic features/BTCUSDT", "features", 9001, 1735689600000000000, {{&ofi_message, &OFI}}},
    {"cvd", "topic features/BTCUSDT", "features", 9002, 1735689600000000000, {{&cvd_message, &CVD}}},
    {"fusion", "topic features/BTCUSDT", "features", 9003, 1735689600000000000, {{&fusion_message, &FUSION}}},
    {"feature",
     "topic features/BTCUSDT",
     "features",
     9004,
     1735689600000000000,
     {{&feature_message, &FEATURE}}},
    {"strategy_state",
     "topic features/BTCUSDT",
     "features",
     9005,
     1735689600000000000,
     {{&strategy_state_message, &STRATEGY_STATE}}},
    {"signal", "topic signal/BTCUSDT", "signal", 1, 1735689600000000000, {{&signal_message, &SIGNAL}}},
    {"order",
     "topic broker/BTCUSDT",
     "broker",
     1,
     1735689600000000000,
     {{&order_message, &ORDER}, {&fill_message, &FILL}, {&position_message, &POSITION}}},
    {"heartbeat",
     "topic heartbeat/signal",
     "signal",
     0,
     1735689600000000000,
     {{&heartbeat_message, &HEARTBEAT},
      {&stream_status_message, &OWN_STREAM},
      {&stream_status_message, &READ_STREAM},
      {&counter_message, &COUNTER},
      {&gauge_message, &GAUGE},
      {&sink_status_message, &SINK_STATUS}}},
    {"catch_up_request",
     "request to harvest.ctl",
     "features",
     0,
     0,
     {{&catch_up_request_message, &CATCH_UP_REQUEST}}},
    {"catch_up_answer",
     "answer, part 1 (part 2 is a frame of 4 rows)",
     "harvest",
     0,
     1735689600000000000,
     {{&catch_up_answer_message, &CATCH_UP_ANSWER}}},
    {"register", "request to harvest.ctl", "features", 0, 0, {{&register_message, &REGISTER}}},
    {"command",
     "request to signal.ctl",
     "orchestrator",
     0,
     1735689600000000000,
     {{&command_message, &COMMAND}}},
    {"command_answer",
     "answer",
     "signal",
     0,
     1735689600000000000,
     {{&command_answer_message, &COMMAND_ANSWER}}},
};
enum { VECTOR_COUNT = sizeof VECTORS / sizeof VECTORS[0] };

static void vector_path(const struct vector *vector, char out_path[PATH_BYTES])
{
    const char *root = getenv("ORDERFLOW_ROOT");
    path_join(out_path, root ? root : ".", "tests/vectors/%s.hex", vector->name);
}

static size_t row_count(const struct vector *vector)
{
    size_t count = 0;
    while (count < 6 && vector->rows[count].message)
        count++;
    return count;
}

static void encode(const struct vector *vector, struct buffer *out)
{
    struct buffer rows;
    struct frame_header header = {.run_id = "20240808_235415-1f2e",
                                  .generation = 2,
                                  .first_sequence = vector->first_sequence,
                                  .publish_ns = vector->publish_ns,
                                  .row_count = row_count(vector)};
    snprintf(header.instance, sizeof header.instance, "%s", vector->instance);
    buffer_init(&rows, 0);
    for (size_t i = 0; i < header.row_count; i++)
        row_encode(&rows, vector->rows[i].message, vector->rows[i].message->field_count_default,
                   vector->rows[i].row);
    frame_encode(out, &header, rows.data, rows.length);
    buffer_finish(&rows);
}

static void rows_give_the_bytes_shown(void **state)
{
    (void)state;
    struct buffer bytes, text, shown;
    buffer_init(&bytes, 0);
    buffer_init(&text, 0);
    buffer_init(&shown, 0);
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        char path[PATH_BYTES];
        vector_path(&VECTORS[i], path);
        buffer_clear(&bytes);
        buffer_clear(&text);
        buffer_clear(&shown);
        encode(&VECTORS[i], &bytes);
        buffer_format(&text, "%s\n", VECTORS[i].topic);
        describe_hexdump(&text, bytes.data, bytes.length);
        if (getenv("ORDERFLOW_VECTORS_WRITE"))
            assert_ok(file_replace(path, text.data, text.length, false));
        assert_ok(file_read(path, &shown));
        assert_string_equal(buffer_text(&shown), buffer_text(&text));
    }
    buffer_finish(&bytes);
    buffer_finish(&text);
    buffer_finish(&shown);
}

static void expect_row(const struct vector *vector, size_t index, const struct row_view *view)
{
    const struct message *message = vector->rows[index].message;
    void *row = memory_allocate(message->row_bytes),
         *wanted = memory_copy(vector->rows[index].row, message->row_bytes);
    struct error error;
    assert_int_equal(view->kind, message->kind);
    assert_int_equal(view->sequence, vector->first_sequence + (int64_t)index);
    if (row_decode(view, message, row, &error) != STATUS_OK)
        fail_msg("%s: %s", vector->name, error.text);
    /* Levels beyond the default are not in the frame: there "no value" is what must come. */
    for (size_t i = message->field_count_default; i < message->field_count; i++)
        field_clear(&message->fields[i], wanted);
    const char *difference = row_difference(message, wanted, row);
    if (difference)
        fail_msg("%s: %s differs", vector->name, difference);
    free(row);
    free(wanted);
}

static void bytes_shown_give_the_rows(void **state)
{
    (void)state;
    struct buffer text, bytes;
    buffer_init(&text, 0);
    buffer_init(&bytes, 0);
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        char path[PATH_BYTES];
        struct frame frame;
        struct row_view view;
        struct error error = {{0}};
        vector_path(&VECTORS[i], path);
        buffer_clear(&text);
        buffer_clear(&bytes);
        assert_ok(file_read(path, &text));
        assert_ok(hexdump_read(buffer_text(&text), text.length, &bytes, &error));
        assert_ok(frame_open(&frame, bytes.data, bytes.length, &error));
        assert_int_equal(frame.header.row_count, row_count(&VECTORS[i]));
        for (size_t k = 0; frame_next(&frame, &view); k++)
            expect_row(&VECTORS[i], k, &view);
    }
    buffer_finish(&text);
    buffer_finish(&bytes);
}

static void every_message_is_shown(void **state)
{
    (void)state;
    const struct message *message;
    for (size_t m = 0; (message = message_at(m)); m++) {
        bool shown = false;
        for (size_t i = 0; i < VECTOR_COUNT; i++)
            for (size_t k = 0; k < row_count(&VECTORS[i]); k++)
                shown = shown || VECTORS[i].rows[k].message == message;
        if (!shown)
            fail_msg("no vector shows a %s", message->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_the_bytes_shown),
        cmocka_unit_test(bytes_shown_give_the_rows),
        cmocka_unit_test(every_message_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
