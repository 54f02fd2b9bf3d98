// links: report store base proto

#include "proto/book.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/order.h"
#include "proto/quote_audit.h"
#include "proto/strategy_state.h"
#include "proto/trade.h"
#include "report_fixture.h"
#include "services/report/figures.h"
#include "services/report/report_store.h"
#include "services/report/symbol_json.h"

/* feed: the row as it would come from the stream. */
static void feed(struct figures *figures, const char *service, const char *symbol, int64_t sequence,
                 const struct message *message, const void *row)
{
    struct buffer encoded;
    struct row_view view;
    struct error error = {{0}};
    size_t offset = 0;
    buffer_init(&encoded, 0);
    row_encode(&encoded, message, message->field_count_default, row);
    assert_ok(rows_next(encoded.data, encoded.length, &offset, &view));
    view.sequence = sequence;
    assert_ok(figures_row(figures, service, symbol, &view, &error));
    buffer_finish(&encoded);
}

static struct trade_row trade(int64_t units, int32_t exponent, bool buyer_is_maker)
{
    return (struct trade_row){
        .ts_ms = FIXTURE_START_MS,
        .price = {616597, 1},
        .qty = {units, exponent},
        .is_buyer_maker = buyer_is_maker,
        .is_market = 1,
        .contract_size = NAN,
    };
}

static void assert_sum(const struct decimal_sum *sum, const char *expected)
{
    char text[DECIMAL_TEXT_BYTES];
    decimal_sum_text(sum, text);
    assert_string_equal(text, expected);
}

static void volumes_are_exact_decimal_sums_of_all_prints(void **state)
{
    (void)state;
    struct figures figures;
    figures_init(&figures);
    struct trade_row rows[] = {trade(1, 1, false), trade(2, 1, false), trade(3, 8, true),
                               trade(INT64_MAX, 0, true), trade(INT64_MAX, 0, true)};
    rows[1].is_market = 0; /* venue-internal: a print all the same */
    for (int i = 0; i < 5; i++)
        feed(&figures, "harvest", "BTCUSDT", i + 1, &trade_message, &rows[i]);
    const struct symbol_figures *symbol = &figures.symbols[0];
    assert_int_equal(symbol->trades, 5);
    assert_int_equal(symbol->internal_trades, 1);
    assert_sum(&symbol->taker_buy, "0.3"); /* 0.1 + 0.2 in doubles is not */
    assert_sum(&symbol->taker_sell, "18446744073709551614.00000003");
    assert_sum(&symbol->total, "18446744073709551614.30000003");
    figures_finish(&figures);
}

static void sums_survive_as_text(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"0", "0.3", "-12.5", "18446744073709551614.30000003"};
    static const char *const BAD[] = {"",
                                      "-",
                                      ".5",
                                      "5.",
                                      "1e5",
                                      "1.2.3",
                                      "nan",
                                      "0.1234567890123456789",
                                      "999999999999999999999999999999999999999"};
    struct decimal_sum sum;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        assert_ok(sum_parse(GOOD[i], &sum));
        assert_sum(&sum, GOOD[i]);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_int_equal(sum_parse(BAD[i], &sum), STATUS_MALFORMED);
}

static void counts_audits_gaps_orders_and_ends(void **state)
{
    (void)state;
    struct figures figures;
    figures_init(&figures);
    struct quote_audit_row audit;
    message_clear(&quote_audit_message, &audit);
    for (int i = 0; i < 4; i++) {
        audit.agrees = i != 2;
        feed(&figures, "harvest", "BTCUSDT", i + 1, &quote_audit_message, &audit);
    }
    struct event_row gap = {.ts_ms = 7,
                            .event_type = EVENT_GAP,
                            .strength = FIELD_NULL_ENUM,
                            .meta_json = "{}",
                            .pivot_ts_ms = FIELD_NULL_I64,
                            .event_score = NAN};
    feed(&figures, "harvest", "BTCUSDT", 5, &event_message, &gap);
    struct order_row order;
    message_clear(&order_message, &order);
    order.order_ts_ms = FIXTURE_START_MS;
    order.side = ORDER_SELL;
    order.strength = ORDER_STRONG;
    order.status = ORDER_REJECTED;
    feed(&figures, "broker", "BTCUSDT", 1, &order_message, &order);
    struct control_row end = {.action = CONTROL_END_OF_STREAM};
    feed(&figures, "broker", "BTCUSDT", 2, &control_message, &end);

    assert_int_equal(figures.symbols[0].audit_equal, 3);
    assert_int_equal(figures.symbols[0].audit_different, 1);
    assert_int_equal(figures.symbols[0].gaps, 1);
    assert_int_equal(figures.kept_count, 1);
    assert_int_equal(figures.minute_count, 1);
    assert_int_equal(figures.minutes[0].minute, FIXTURE_MINUTE);
    assert_int_equal(figures.minutes[0].sell, 1);
    assert_int_equal(figures.minutes[0].strong, 1);
    assert_int_equal(figures.minutes[0].rejected, 1);
    assert_true(figures_find_stream(&figures, "broker/BTCUSDT")->ended);
    assert_false(figures_find_stream(&figures, "harvest/BTCUSDT")->ended);
    assert_true(figures_heard(&figures, "broker"));
    assert_false(figures_heard(&figures, "features"));
    figures_finish(&figures);
}

static void a_row_given_twice_counts_once(void **state)
{
    (void)state;
    struct figures figures;
    struct trade_row row = trade(5, 1, false);
    figures_init(&figures);
    for (int i = 0; i < 3; i++)
        feed(&figures, "harvest", "BTCUSDT", 1, &trade_message, &row);
    assert_int_equal(figures.symbols[0].trades, 1);
    figures_finish(&figures);
}

static void a_row_that_cannot_be_read_is_named_and_passed(void **state)
{
    (void)state;
    static const uint8_t BYTES[] = {0x92, ROW_TRADE, 0xc0};
    struct figures figures;
    struct row_view view = {.kind = ROW_TRADE, .sequence = 1, .data = BYTES, .bytes = sizeof BYTES};
    struct error error = {{0}};
    figures_init(&figures);
    assert_int_equal(figures_row(&figures, "harvest", "BTCUSDT", &view, &error), STATUS_MALFORMED);
    assert_true(error.text[0]);
    assert_int_equal(figures.symbols[0].trades, 0);
    assert_int_equal(figures_find_stream(&figures, "harvest/BTCUSDT")->position, 1);
    figures_finish(&figures);
}

static void counters_are_summed_over_instances_and_null_when_never_heard(void **state)
{
    (void)state;
    struct figures figures;
    figures_init(&figures);
    instance_counter(figures_instance(&figures, "harvest.1"), "dedup_hits_total", 3);
    instance_counter(figures_instance(&figures, "harvest.2"), "dedup_hits_total", 4);
    instance_counter(figures_instance(&figures, "harvester"), "dedup_hits_total", 100); /* another name */
    assert_int_equal(figures_counter(&figures, "harvest", "dedup_hits_total"), 7);
    instance_counter(figures_instance(&figures, "harvest.1"), "dedup_hits_total", 5);
    assert_int_equal(figures_counter(&figures, "harvest", "dedup_hits_total"), 9);
    assert_int_equal(figures_counter(&figures, "harvest", "queue_dropped"), FIELD_NULL_I64);
    assert_int_equal(figures_counter(&figures, "signal", "dedup_hits_total"), FIELD_NULL_I64);
    figures_finish(&figures);
}

/* ---- restarts ---- */

enum { ROWS = 3000, SIGNALS = 600 };

static struct decimal any_decimal(struct random *random)
{
    return (struct decimal){(int64_t)(random_u64(random) >> (random_below(random, 50) + 1)),
                            (int32_t)random_below(random, 9)};
}

/* feed_random: row `sequence` of the stream; the same for the same seed and sequence. */
static void feed_random(struct figures *figures, const char *symbol, uint64_t seed, int64_t sequence)
{
    struct random random;
    random_seed(&random, seed + (uint64_t)sequence * 2 + (symbol[0] == 'E'));
    int64_t ts_ms = FIXTURE_START_MS + sequence * 37;
    if (random_below(&random, 10) < 5) {
        struct trade_row row = trade(0, 0, random_below(&random, 2));
        row.qty = any_decimal(&random);
        row.ts_ms = ts_ms;
        feed(figures, "harvest", symbol, sequence, &trade_message, &row);
    } else if (random_below(&random, 10) < 8) {
        struct book_row row;
        message_clear(&book_message, &row);
        row.ts_ms = ts_ms;
        row.best_bid = row.best_ask = any_decimal(&random);
        row.mid = row.spread_bps = 1;
        for (size_t i = 0; i < random_below(&random, 6); i++) {
            row.bid_price[i] = row.ask_price[i] = any_decimal(&random);
            row.bid_qty[i] = row.ask_qty[i] = any_decimal(&random);
        }
        feed(figures, "harvest", symbol, sequence, &book_message, &row);
    } else {
        struct event_row row = {.ts_ms = ts_ms,
                                .event_type = (int8_t)random_below(&random, EVENT_TYPE_COUNT),
                                .strength = FIELD_NULL_ENUM,
                                .meta_json = "{}",
                                .pivot_ts_ms = FIELD_NULL_I64,
                                .event_score = NAN};
        feed(figures, "harvest", symbol, sequence, &event_message, &row);
    }
}

static void feed_state(struct figures *figures, const char *symbol, int64_t sequence)
{
    struct strategy_state_row row = {.ts_ms = FIXTURE_START_MS + sequence * 10000,
                                     .mode = sequence % 3 == 0,
                                     .trades_per_min = 1.0 / (double)sequence,
                                     .quotes_per_sec = NAN,
                                     .spread_bps = 0.5,
                                     .volatility_bps = NAN,
                                     .volume_usd = NAN,
                                     .last_transition_ms = FIELD_NULL_I64};
    feed(figures, "features", symbol, sequence, &strategy_state_message, &row);
}

/* feed_signal: a row of one of three kinds, each its minute, confirmation and reasons. */
static void feed_signal(struct figures *figures, const char *symbol, int64_t sequence)
{
    static const char *const REASONS[] = {"weak_signal", "low_consistency,warmup", ""};
    int64_t ts_ms = FIXTURE_START_MS + sequence * 7000;
    struct signal_row row =
        sequence % 3 == 2
            ? fixture_confirmed(symbol, ts_ms, sequence, sequence % 2 ? SIGNAL_STRONG_BUY : SIGNAL_SELL)
            : fixture_row(symbol, ts_ms, sequence);
    snprintf(row.guard_reason, sizeof row.guard_reason, "%s", REASONS[sequence % 3]);
    feed(figures, "signal", symbol, sequence, &signal_message, &row);
}

static struct report_store *open_store(const struct fixture *fixture, const char *run_id, int64_t now_ms)
{
    char path[PATH_BYTES];
    struct report_store *store;
    struct error error = {{0}};
    path_join(path, fixture->folder, "report.db");
    struct report_store_config config = {
        .path = path, .run_id = run_id, .fingerprint = "f", .now_ms = now_ms};
    if (report_store_open(&config, &store, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return store;
}

/* stored_text: everything the database holds, as one text. */
static char *stored_text(const struct fixture *fixture)
{
    char path[PATH_BYTES];
    struct stored stored;
    struct error error = {{0}};
    struct buffer out;
    buffer_init(&out, 0);
    path_join(path, fixture->folder, "report.db");
    assert_ok(report_store_read(path, &stored, &error));
    for (size_t i = 0; i < stored.figures.symbol_count; i++) {
        buffer_append_text(&out, stored.figures.symbols[i].symbol);
        symbol_to_json(&stored.figures.symbols[i], &out);
    }
    const struct minutes *minutes = &stored.figures.event_minutes;
    for (size_t i = 0; i < minutes->count; i++)
        buffer_format(&out, "%lld: %lld %lld %lld %lld %lld\n", (long long)minutes->items[i].minute,
                      (long long)minutes->items[i].books, (long long)minutes->items[i].signals,
                      (long long)minutes->items[i].confirmed, (long long)minutes->items[i].strong,
                      (long long)minutes->items[i].low_consistency);
    for (size_t i = 0; i < minutes->reason_count; i++)
        buffer_format(&out, "%s %lld\n", minutes->reasons[i].name, (long long)minutes->reasons[i].rows);
    for (size_t i = 0; i < stored.event_symbol_count; i++)
        for (int type = 0; type < EVENT_TYPE_COUNT; type++)
            for (size_t k = 0; k < stored.events[i].count[type]; k++)
                buffer_format(&out, "%s %d %lld\n", stored.events[i].symbol, type,
                              (long long)stored.events[i].ts_ms[type][k]);
    for (size_t i = 0; i < stored.state_count; i++)
        buffer_format(&out, "%s %lld %d %.17g %.17g\n", stored.states[i].symbol,
                      (long long)stored.states[i].row.ts_ms, stored.states[i].row.mode,
                      stored.states[i].row.trades_per_min, stored.states[i].row.quotes_per_sec);
    stored_finish(&stored);
    char *text = memory_copy_text(buffer_text(&out));
    buffer_finish(&out);
    return text;
}

static int64_t position(const struct figures *figures, const char *stream)
{
    const struct stream_figures *found = figures_find_stream(figures, stream);
    return found ? found->position : 0;
}

enum may_die { NEVER, ANYWHERE, HALF_WAY_AT_THE_LATEST };

/* run_life: reads from where the database stands until the end or the kill; commits now and then. True at
 * the end. */
static bool run_life(const struct fixture *fixture, uint64_t seed, struct random *random, enum may_die dies)
{
    struct figures figures;
    struct error error = {{0}};
    struct report_store *store = open_store(fixture, "run-1", 1000);
    figures_init(&figures);
    assert_ok(report_store_load(store, &figures, &error));
    int64_t btc = position(&figures, "harvest/BTCUSDT"), eth = position(&figures, "harvest/ETHUSDT");
    int64_t states = position(&figures, "features/ETHUSDT"), signals = position(&figures, "signal/ETHUSDT");
    bool done = false;
    for (;;) {
        done = btc == ROWS && eth == ROWS && states == 50 && signals == SIGNALS;
        if (done || random_below(random, 200) == 0)
            assert_ok(report_store_commit(store, &figures, done, &error));
        if (done || (dies != NEVER && random_below(random, 700) == 0) ||
            (dies == HALF_WAY_AT_THE_LATEST && btc >= ROWS / 2))
            break;
        if (btc < ROWS && random_below(random, 2))
            feed_random(&figures, "BTCUSDT", seed, ++btc);
        if (eth < ROWS && random_below(random, 3))
            feed_random(&figures, "ETHUSDT", seed, ++eth);
        if (states < 50 && random_below(random, 60) == 0)
            feed_state(&figures, "ETHUSDT", ++states);
        if (signals < SIGNALS && random_below(random, 8) == 0)
            feed_signal(&figures, "ETHUSDT", ++signals);
    }
    figures_finish(&figures);
    report_store_close(store);
    return done;
}

static void counters_of_a_thousand_streams_leave_room_for_all_others(void **state)
{
    (void)state;
    struct figures figures;
    figures_init(&figures);
    struct instance_figures *harvest = figures_instance(&figures, "harvest");
    for (int i = 0; i < 1000; i++) {
        char name[64];
        snprintf(name, sizeof name, "dedup_hits_total/harvest/S%dUSDT", i);
        instance_counter(harvest, name, i);
    }
    instance_counter(harvest, "dedup_hits_total", 7);
    assert_int_equal(figures_counter(&figures, "harvest", "dedup_hits_total"), 7);
    assert_int_equal(harvest->counter_count, 1);
    figures_finish(&figures);
}

static void figures_after_any_number_of_kills_equal_an_undisturbed_life(void **state)
{
    (void)state;
    struct random random = check_random();
    uint64_t seed = random_u64(&random);
    struct fixture calm, killed;
    fixture_open(&calm);
    fixture_open(&killed);
    assert_true(run_life(&calm, seed, &random, NEVER));
    assert_false(run_life(&killed, seed, &random, HALF_WAY_AT_THE_LATEST));
    int lives = 2;
    while (!run_life(&killed, seed, &random, ANYWHERE))
        lives++;
    print_message("%d lives\n", lives);
    char *expected = stored_text(&calm), *found = stored_text(&killed);
    assert_true(strlen(expected) > 1000);
    assert_non_null(strstr(expected, "low_consistency 200\n"));
    assert_non_null(strstr(expected, "\"confirmed_signals\":200,\"strong_signals\":100"));
    assert_string_equal(found, expected);
    free(expected);
    free(found);
    fixture_close(&calm);
    fixture_close(&killed);
}

static void another_runs_database_is_set_aside_and_the_start_of_the_same_run_kept(void **state)
{
    (void)state;
    struct fixture fixture;
    char aside[PATH_BYTES], text[64];
    struct error error;
    fixture_open(&fixture);
    path_join(aside, fixture.folder, "report.db.aside");
    struct report_store *store = open_store(&fixture, "run-1", 1000);
    assert_int_equal(report_store_started_ms(store), 1000);
    assert_ok(report_store_text(store, "summary_number", "3", text, sizeof text, &error));
    report_store_close(store);
    store = open_store(&fixture, "run-1", 2000);
    assert_int_equal(report_store_started_ms(store), 1000);
    assert_ok(report_store_text(store, "summary_number", "4", text, sizeof text, &error));
    assert_string_equal(text, "3");
    report_store_close(store);
    assert_false(file_exists(aside));
    store = open_store(&fixture, "run-2", 3000);
    assert_int_equal(report_store_started_ms(store), 3000);
    assert_true(file_exists(aside));
    report_store_close(store);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_are_exact_decimal_sums_of_all_prints),
        cmocka_unit_test(sums_survive_as_text),
        cmocka_unit_test(counts_audits_gaps_orders_and_ends),
        cmocka_unit_test(a_row_given_twice_counts_once),
        cmocka_unit_test(a_row_that_cannot_be_read_is_named_and_passed),
        cmocka_unit_test(counters_are_summed_over_instances_and_null_when_never_heard),
        cmocka_unit_test(counters_of_a_thousand_streams_leave_room_for_all_others),
        cmocka_unit_test(figures_after_any_number_of_kills_equal_an_undisturbed_life),
        cmocka_unit_test(another_runs_database_is_set_aside_and_the_start_of_the_same_run_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
