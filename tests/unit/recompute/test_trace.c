// The lineage of one signal on small made-up captures: which message, which record, which row (data.md §1.4, algorithms.md §1).
// links: recompute harvest features signal broker journal market config proto base yyjson
#include "proto/book.h"
#include "tools/recompute/trace.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS_MAX = 64 };

#define T0 INT64_C(1700000000000)

/* bench: a chain with a trace, and the records it was given, each with a receive time of its own. */
struct bench {
    struct chain *chain;
    struct trace trace;
    struct capture_record records[RECORDS_MAX];
    char *payloads[RECORDS_MAX];
    size_t count;
};

static void visit(void *context, const struct chain_row *row)
{
    trace_row(&((struct bench *)context)->trace, row);
}

static struct bench *bench_open(int64_t ts_ms)
{
    static const struct {
        const char *key, *text;
    } SETTINGS[] = {{"run.symbols", "BTCUSDT,ETHUSDT"},
                    {"harvest.trade_stream", "aggTrade"},
                    {"harvest.watermark_ms", "50"}};
    struct bench *bench = calloc(1, sizeof *bench);
    struct config *config = config_create();
    struct error error;
    for (size_t i = 0; i < sizeof SETTINGS / sizeof SETTINGS[0]; i++)
        assert_int_equal(config_set(config, SETTINGS[i].key, SETTINGS[i].text, ORIGIN_CLI, &error),
                         STATUS_OK);
    bench->chain = chain_create(config, NULL, "unit", visit, bench, &error);
    assert_non_null(bench->chain);
    config_destroy(config);
    trace_begin(&bench->trace, bench->chain, 0, ts_ms);
    return bench;
}

static void bench_close(struct bench *bench)
{
    trace_finish(&bench->trace);
    chain_destroy(bench->chain);
    for (size_t i = 0; i < bench->count; i++)
        free(bench->payloads[i]);
    free(bench);
}

/* give: the next record; its number is returned. */
static uint64_t give(struct bench *bench, enum capture_kind kind, char *payload)
{
    assert_true(bench->count < RECORDS_MAX);
    struct capture_record *record = &bench->records[bench->count];
    bench->payloads[bench->count++] = payload;
    *record = (struct capture_record){
        .seq = bench->count,
        .recv_ns = (T0 + 1000 * (int64_t)bench->count) * 1000000,
        .kind = (uint16_t)kind,
        .conn_id = 1,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
    trace_record(&bench->trace, record);
    chain_record(bench->chain, record);
    return record->seq;
}

static char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *text, ...)
{
    va_list arguments;
    char *out = NULL;
    va_start(arguments, text);
    assert_true(vasprintf(&out, text, arguments) > 0);
    va_end(arguments);
    return out;
}

static uint64_t opened(struct bench *bench)
{
    return give(bench, CAPTURE_OPENED, format("wss://venue/stream?streams=btcusdt@aggTrade/btcusdt@depth"));
}

static uint64_t trade_of(struct bench *bench, const char *wire, int64_t id, int64_t ts_ms)
{
    char symbol[16];
    size_t length = strlen(wire);
    for (size_t i = 0; i <= length; i++)
        symbol[i] = (char)(wire[i] >= 'a' ? wire[i] - 32 : wire[i]);
    return give(bench, CAPTURE_MESSAGE,
                format("{\"stream\":\"%s@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":%" PRId64
                       ",\"s\":\"%s\",\"a\":%" PRId64 ",\"p\":\"100.0\",\"q\":\"1\",\"f\":%" PRId64
                       ",\"l\":%" PRId64 ",\"T\":%" PRId64 ",\"m\":false}}",
                       wire, ts_ms, symbol, id, id, id, ts_ms));
}

static uint64_t trade(struct bench *bench, int64_t id, int64_t ts_ms)
{
    return trade_of(bench, "btcusdt", id, ts_ms);
}

static uint64_t diff(struct bench *bench, int64_t first, int64_t last, int64_t before, int64_t ts_ms)
{
    return give(bench, CAPTURE_MESSAGE,
                format("{\"stream\":\"btcusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":%" PRId64
                       ",\"T\":%" PRId64 ",\"s\":\"BTCUSDT\",\"U\":%" PRId64 ",\"u\":%" PRId64
                       ",\"pu\":%" PRId64 ",\"b\":[[\"99.9\",\"%" PRId64 "\"]],\"a\":[[\"100.1\",\"5\"]]}}",
                       ts_ms, ts_ms, first, last, before, last));
}

static uint64_t snapshot(struct bench *bench, int64_t id)
{
    return give(bench, CAPTURE_REST,
                format("http://venue/fapi/v1/depth?symbol=BTCUSDT&limit=1000\n{\"lastUpdateId\":%" PRId64
                       ",\"E\":%" PRId64 ",\"T\":%" PRId64
                       ",\"bids\":[[\"99.8\",\"1\"]],\"asks\":[[\"100.2\",\"1\"]]}",
                       id, T0, T0));
}

/* begun: the ids are known from trade 0 on (the very first trade waits for the watermark, algorithms.md §1 rule 3). */
static void begun(struct bench *bench)
{
    opened(bench);
    trade(bench, 0, T0 - 500);
}

/* carrier: number of the record that the trace names as the message; 0: none; more than one fails. */
static uint64_t carrier(const struct bench *bench,
                        bool (*carries)(const struct trace *trace, const struct capture_record *record))
{
    uint64_t found = 0;
    for (size_t i = 0; i < bench->count; i++)
        if (carries(&bench->trace, &bench->records[i])) {
            assert_int_equal(found, 0);
            found = bench->records[i].seq;
        }
    return found;
}

static void assert_sound(const struct bench *bench)
{
    struct error error = {{0}};
    assert_true(trace_is_found(&bench->trace));
    assert_int_equal(trace_check(&bench->trace, &error), STATUS_OK);
    assert_int_equal(bench->trace.signal.ts_ms, bench->trace.ts_ms);
    assert_int_equal(bench->trace.feature.source, bench->trace.due.place.sequence);
}

static void held_messages_are_told_from_the_snapshot_that_brought_them_out(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 100);
    begun(bench);
    uint64_t held_diff = diff(bench, 100, 110, 99, T0 + 10);
    uint64_t held_trade = trade(bench, 1, T0 + 20);
    uint64_t answer = snapshot(bench, 105);
    trade(bench, 2, T0 + 120); /* W = 70: not yet due */
    assert_false(trace_is_over(&bench->trace));
    uint64_t due = trade(bench, 3, T0 + 160); /* W = 110 */
    assert_sound(bench);
    assert_int_equal(carrier(bench, trace_carries_book), held_diff);
    assert_int_equal(carrier(bench, trace_carries_trade), held_trade);
    assert_int_equal(bench->trace.book.place.record, answer);
    assert_int_equal(bench->trace.trade.place.record, answer);
    assert_int_equal(bench->trace.due.place.record, due);
    assert_int_equal(bench->trace.book.snapshot_record, answer);
    assert_int_equal(bench->trace.book.snapshot_id, 105);
    assert_int_equal(bench->trace.book.synchronisation, 1);
    bench_close(bench);
}

static void a_trade_behind_a_hole_is_released_by_its_filler_but_carried_by_itself(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 100);
    begun(bench);
    diff(bench, 100, 110, 99, T0 + 10);
    snapshot(bench, 105);
    trade(bench, 1, T0 + 20);
    uint64_t waiting = trade(bench, 3, T0 + 60);
    uint64_t filler = trade(bench, 2, T0 + 50);
    trade(bench, 4, T0 + 160);
    assert_sound(bench);
    assert_int_equal(bench->trace.trade.row.agg_trade_id, 3);
    assert_int_equal(carrier(bench, trace_carries_trade), waiting);
    assert_int_equal(bench->trace.trade.place.record, filler);
    bench_close(bench);
}

static void of_a_repeated_message_the_first_is_named(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 100);
    begun(bench);
    diff(bench, 100, 110, 99, T0 + 10);
    snapshot(bench, 105);
    uint64_t first = trade(bench, 1, T0 + 20);
    trade(bench, 1, T0 + 20);
    uint64_t first_diff = diff(bench, 111, 120, 110, T0 + 30);
    diff(bench, 111, 120, 110, T0 + 30);
    trade(bench, 2, T0 + 160);
    assert_sound(bench);
    assert_int_equal(carrier(bench, trace_carries_trade), first);
    assert_int_equal(carrier(bench, trace_carries_book), first_diff);
    bench_close(bench);
}

static void what_lies_behind_the_grid_time_is_not_what_the_row_saw(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 100);
    begun(bench);
    diff(bench, 100, 110, 99, T0 + 10);
    snapshot(bench, 105);
    uint64_t seen_trade = trade(bench, 1, T0 + 90);
    uint64_t seen_diff = diff(bench, 111, 120, 110, T0 + 100);
    trade(bench, 2, T0 + 110);
    diff(bench, 121, 130, 120, T0 + 120);
    uint64_t due = diff(bench, 131, 140, 130, T0 + 155);
    assert_sound(bench);
    assert_int_equal(carrier(bench, trace_carries_trade), seen_trade);
    assert_int_equal(carrier(bench, trace_carries_book), seen_diff);
    assert_int_equal(bench->trace.due.place.record, due);
    assert_ptr_equal(bench->trace.due.message, &book_message);
    bench_close(bench);
}

static void a_lost_book_descends_from_the_snapshot_it_was_found_again_with(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 200);
    begun(bench);
    diff(bench, 100, 110, 99, T0 + 10);
    snapshot(bench, 105);
    trade(bench, 1, T0 + 20);
    snapshot(bench, 108); /* nobody had asked: of no use */
    diff(bench, 131, 140, 130, T0 + 60);
    uint64_t second = snapshot(bench, 135);
    uint64_t seen = diff(bench, 141, 150, 140, T0 + 80);
    trade(bench, 2, T0 + 260);
    assert_sound(bench);
    assert_int_equal(bench->trace.book.snapshot_record, second);
    assert_int_equal(bench->trace.book.snapshot_id, 135);
    assert_int_equal(bench->trace.book.synchronisation, 2);
    assert_int_equal(carrier(bench, trace_carries_book), seen);
    bench_close(bench);
}

static void messages_of_another_symbol_change_nothing(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 100);
    begun(bench);
    diff(bench, 100, 110, 99, T0 + 10);
    snapshot(bench, 105);
    uint64_t own = trade(bench, 1, T0 + 20);
    trade_of(bench, "ethusdt", 1, T0 + 30);
    trade_of(bench, "ethusdt", 2, T0 + 5000);
    assert_false(trace_is_over(&bench->trace));
    trade(bench, 2, T0 + 160);
    assert_sound(bench);
    assert_int_equal(carrier(bench, trace_carries_trade), own);
    bench_close(bench);
}

static void a_time_without_a_signal_ends_with_its_neighbours(void **state)
{
    (void)state;
    struct bench *bench = bench_open(T0 + 150); /* no grid time */
    begun(bench);
    diff(bench, 100, 110, 99, T0 + 10);
    snapshot(bench, 105);
    trade(bench, 1, T0 + 20);
    trade(bench, 2, T0 + 160);
    assert_false(trace_is_over(&bench->trace));
    trade(bench, 3, T0 + 260);
    assert_true(trace_is_over(&bench->trace));
    assert_false(trace_is_found(&bench->trace));
    assert_int_equal(bench->trace.nearest_before_ms, T0 + 100);
    assert_int_equal(bench->trace.nearest_after_ms, T0 + 200);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_messages_are_told_from_the_snapshot_that_brought_them_out),
        cmocka_unit_test(a_trade_behind_a_hole_is_released_by_its_filler_but_carried_by_itself),
        cmocka_unit_test(of_a_repeated_message_the_first_is_named),
        cmocka_unit_test(what_lies_behind_the_grid_time_is_not_what_the_row_saw),
        cmocka_unit_test(a_lost_book_descends_from_the_snapshot_it_was_found_again_with),
        cmocka_unit_test(messages_of_another_symbol_change_nothing),
        cmocka_unit_test(a_time_without_a_signal_ends_with_its_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
