// links: service_harvest market journal proto base yyjson
/* Records of one or two captures as harvest's feed and a replay read them: messages, openings, REST answers, decisions, symbols that leave and
 * are expected. Whatever they say, a state saved behind any record continues to the same rows. The input:
 *
 *     settings (u8), place of the save (u8), then records: kind (u8), source and connection (u8), steps of 100 ms (u8), length (u16), payload */
#include "fuzz.h"

#include "base/log.h"
#include "proto/frame.h"
#include "services/harvest/feed.h"

#include <string.h>

enum { RECORDS_MAX = 64, HEAD_BYTES = 5, STEP_MS = 100 };

static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSDT"};
static const int16_t OWNERS[] = {0, 1}, ELSEWHERE[] = {0, FEED_ELSEWHERE};

/* side: a feed, and what it wrote. */
struct side {
    struct feed *feed;
    struct buffer rows;
};

static void collect(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct side *side = context;
    fuzz_require(symbol < 2);
    buffer_append_byte(&side->rows, (uint8_t)symbol);
    row_encode(&side->rows, message, message->field_count, row);
}

static void side_open(struct side *side, uint8_t settings)
{
    struct feed_config config;
    struct error error = {{0}};
    feed_config_defaults(&config);
    config.market = (enum venue_market)(settings % 3);
    config.symbols = SYMBOLS;
    config.symbol_count = 2;
    config.raw_trades = settings & 4;
    config.book_source = settings & 8 ? BOOK_SOURCE_PARTIAL : BOOK_SOURCE_DIFF;
    config.backfill = settings & 16;
    config.max_clock_skew_ms = settings & 32 ? 200 : 0;
    config.owners = settings & 64 ? OWNERS : settings & 128 ? ELSEWHERE : NULL;
    buffer_init(&side->rows, 0);
    side->feed = feed_create(&config, collect, side, &error);
    fuzz_require(side->feed);
}

static void side_close(struct side *side)
{
    feed_destroy(side->feed);
    buffer_finish(&side->rows);
}

/* continue_as: another feed, from the state of the first. */
static void continue_as(const struct side *first, struct side *second, uint8_t settings)
{
    struct buffer state, again;
    struct reader in;
    struct error error = {{0}};
    buffer_init(&state, 0);
    buffer_init(&again, 0);
    feed_save(first->feed, &state);
    side_open(second, settings);
    reader_init(&in, state.data, state.length);
    fuzz_require(feed_load(second->feed, &in, &error) == STATUS_OK);
    feed_save(second->feed, &again);
    fuzz_require(state.length == again.length && memcmp(state.data, again.data, state.length) == 0);
    if (first->rows.length)
        buffer_append(&second->rows, first->rows.data, first->rows.length);
    buffer_finish(&state);
    buffer_finish(&again);
}

static void give(struct side *side, const struct capture_record *record)
{
    struct error error = {{0}};
    char heard[FEED_HEARD_BYTES];
    int64_t first, last, ticket;
    enum status status = feed_record(side->feed, record, &error);
    fuzz_require(status == STATUS_OK || *error.text);
    fuzz_require(feed_position(side->feed) == record->seq);
    for (size_t symbol = 0; symbol < 2; symbol++) {
        (void)feed_wants_snapshot(side->feed, symbol);
        (void)feed_wants_reconnect(side->feed, symbol);
        if (feed_wants_trades(side->feed, symbol, &first, &last, &ticket))
            fuzz_require(first <= last);
        if (!feed_expects(side->feed, symbol))
            continue;
        feed_heard(side->feed, symbol, heard);
        fuzz_require(feed_may_leave(side->feed, symbol, &error) == STATUS_OK || *error.text);
        fuzz_require(feed_overlaps(side->feed, symbol, heard, &error) == STATUS_OK || *error.text);
        (void)feed_all_heard(side->feed, heard);
    }
}

static bool next_record(const uint8_t **at, const uint8_t *end, struct capture_record *record)
{
    const uint8_t *head = *at;
    if (end - head < HEAD_BYTES)
        return false;
    size_t bytes = (size_t)(head[3] | head[4] << 8), left = (size_t)(end - head) - HEAD_BYTES;
    record->seq++;
    record->kind = head[0] % 10;
    record->source = head[1] & 1;
    record->conn_id = head[1] == 255 ? CAPTURE_ALL_CONNECTIONS : (uint16_t)(head[1] >> 1 & 3);
    record->recv_ns += (int64_t)head[2] * STEP_MS * 1000000;
    record->payload = head + HEAD_BYTES;
    record->payload_bytes = bytes < left ? bytes : left;
    *at = head + HEAD_BYTES + record->payload_bytes;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    log_configure("reader", "run-1", (enum log_level)(LOG_ERROR + 1));
    struct capture_record record = {.recv_ns = 1723161255030 * 1000000};
    struct side whole, resumed = {0};
    if (bytes < 2)
        return 0;
    const uint8_t *at = data + 2, *end = data + bytes;
    side_open(&whole, data[0]);
    for (unsigned i = 0; i < RECORDS_MAX && next_record(&at, end, &record); i++) {
        if (i == data[1] % 8)
            continue_as(&whole, &resumed, data[0]);
        give(&whole, &record);
        if (resumed.feed)
            give(&resumed, &record);
    }
    feed_end(whole.feed);
    if (resumed.feed) {
        feed_end(resumed.feed);
        fuzz_require(whole.rows.length == resumed.rows.length);
        fuzz_require(!whole.rows.length ||
                     memcmp(whole.rows.data, resumed.rows.data, whole.rows.length) == 0);
        side_close(&resumed);
    }
    side_close(&whole);
    return 0;
}

static void add(struct buffer *input, enum capture_kind kind, uint8_t where, const char *payload)
{
    size_t bytes = strlen(payload);
    const uint8_t head[HEAD_BYTES] = {(uint8_t)kind, where, 1, (uint8_t)bytes, (uint8_t)(bytes >> 8)};
    buffer_append(input, head, sizeof head);
    buffer_append(input, payload, bytes);
}

static const char URL[] =
    "ws://h/stream?streams=btcusdt@depth/btcusdt@trade/btcusdt@bookTicker/ethusdt@trade";

static void add_market(struct buffer *input, uint8_t where, int64_t from)
{
    char text[400];
    for (int64_t i = from; i < from + 3; i++) {
        snprintf(text, sizeof text,
                 "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":1723161255%03d,\"T\":1723161255%03d,\"U\":%d,"
                 "\"u\":%d,\"pu\":%d,"
                 "\"b\":[[\"100\",\"%d\"]],\"a\":[]}}",
                 (int)i, (int)i, (int)(2 * i), (int)(2 * i + 1), (int)(2 * i - 1), (int)i);
        add(input, CAPTURE_MESSAGE, where, text);
        snprintf(text, sizeof text,
                 "{\"stream\":\"%s@trade\",\"data\":{\"E\":1723161255%03d,\"T\":1723161255%03d,\"t\":%d,"
                 "\"p\":\"100.5\",\"q\":\"2\","
                 "\"X\":\"MARKET\",\"m\":true}}",
                 i % 3 ? "btcusdt" : "ethusdt", (int)i, (int)i, (int)i);
        add(input, CAPTURE_MESSAGE, where, text);
        snprintf(text, sizeof text,
                 "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%d,\"b\":\"100\",\"B\":\"%d\",\"a\":"
                 "\"101\",\"A\":\"7\"}}",
                 (int)(2 * i + 1), (int)i);
        add(input, CAPTURE_MESSAGE, where, text);
    }
}

void fuzz_seeds(fuzz_take *take)
{
    for (unsigned settings = 0; settings < 256; settings += 36) { /* each of its bits, in some way */
        struct buffer input;
        buffer_init(&input, 0);
        buffer_append_byte(&input, (uint8_t)(settings | 4));
        buffer_append_byte(&input, (uint8_t)(settings / 36));
        add(&input, CAPTURE_METADATA, 0, "{\"run_id\":\"r\"}");
        add(&input, CAPTURE_OPENED, 2, URL);
        add_market(&input, 2, 5);
        add(&input, CAPTURE_REST, 2,
            "/fapi/v1/"
            "depth?symbol=BTCUSDT&limit=1000\n{\"lastUpdateId\":10,\"bids\":[[\"100\",\"1\"]],\"asks\":[["
            "\"101\",\"7\"]]}");
        add_market(&input, 2, 8);
        add(&input, CAPTURE_MOVE, 1, "{\"move\":\"expect\",\"symbol\":\"BTCUSDT\",\"version\":2}");
        add(&input, CAPTURE_OPENED, 5, URL);
        add_market(&input, 5, 10);
        add_market(&input, 2, 11);
        add(&input, CAPTURE_CONTROL, 0, "{\"decision\":\"lock_direction\",\"symbol\":\"BTCUSDT\"}");
        add(&input, CAPTURE_MOVE, 0, "{\"move\":\"leave\",\"symbol\":\"BTCUSDT\",\"version\":2}");
        add(&input, CAPTURE_CLOSED, 255, "harvest was restarted");
        take(input.data, input.length);
        buffer_finish(&input);
    }
}
