// links: features evaluate market proto base cmocka
/* The whole engine of one symbol: golden.md §6, the order of rows, late items, counters, end of stream. */
#include "collector.h"
#include "market/state.h"

static struct features_config plain_config(void)
{
    struct features_config config = features_config_default();
    config.strategy_mode.enabled = false;
    return config;
}

static struct book_row any_book(int64_t ts_ms)
{
    return simple_book(ts_ms, 100, 5 + (double)(ts_ms / 10 % 7), 100.1, 6);
}

static struct trade_row any_trade(int64_t ts_ms, int64_t id)
{
    return trade_of(ts_ms, id, 100.05, 1 + (double)(id % 5), id % 2 == 0);
}

static void golden_grid_rows(void **state)
{
    (void)state;
    static const struct {
        int64_t ts_ms, age_ofi_ms, age_cvd_ms, lag_ms;
        double cvd;
    } ROWS[] = {{1100, 20, 0, 20, 2}, {1200, 20, 0, 20, 3}, {1300, 120, 100, 20, 3}};
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(1000));
    feed_book_row(&collector, any_book(1080));
    feed_trade_row(&collector, any_trade(1100, 1));
    feed_book_row(&collector, any_book(1180));
    feed_trade_row(&collector, any_trade(1200, 2));
    feed_trade_row(&collector, any_trade(1200, 3));
    feed_book_row(&collector, any_book(1310));
    feed_end(&collector);
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct feature_row *row = &row_of_kind(&collector, ROW_FEATURE, i)->row.feature;
        assert_int_equal(row->ts_ms, ROWS[i].ts_ms);
        assert_int_equal(row->age_ofi_ms, ROWS[i].age_ofi_ms);
        assert_int_equal(row->age_cvd_ms, ROWS[i].age_cvd_ms);
        assert_int_equal(row->lag_ms, ROWS[i].lag_ms);
        assert_agrees(row->lag_sec, (double)ROWS[i].lag_ms / 1000);
        assert_agrees(row->cvd, ROWS[i].cvd);
        assert_int_equal(row->div_type, FIELD_NULL_ENUM);
    }
    assert_int_equal(counter_of(&collector, "feature_rows"), 3);
    assert_int_equal(counter_of(&collector, "grid_rows_skipped"), 0);
    assert_int_equal(counter_of(&collector, "late_for_grid"), 0);
    collector_close(&collector);
}

/* Rules 5 and 6a of §1: what is due precedes the book; boundary before grid row; fusion before feature row. */
static void rows_come_in_the_order_of_the_spec(void **state)
{
    (void)state;
    static const struct {
        int kind;
        int64_t ts_ms, source;
    } EXPECTED[] = {
        {ROW_OFI, 9960, 2},      {ROW_CVD, 9970, 3},      {ROW_STRATEGY_STATE, 10000, 4},
        {ROW_FUSION, 10000, 4},  {ROW_FEATURE, 10000, 4}, {ROW_OFI, 10060, 4},
        {ROW_CVD, 10155, 5},     {ROW_FUSION, 10100, 5},  {ROW_FEATURE, 10100, 5},
        {ROW_CVD, 10155, 6},     {ROW_FUSION, 10200, 7},  {ROW_FEATURE, 10200, 7},
        {ROW_CONTROL, 10200, 7},
    };
    struct features_config config = features_config_default();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(9900));
    feed_book_row(&collector, any_book(9960));
    feed_trade_row(&collector, any_trade(9970, 1));
    feed_book_row(&collector, any_book(10060));
    feed_trade_row(&collector, any_trade(10155, 2));
    feed_trade_row(&collector, any_trade(10155, 3));
    collector.newest_ms = 10200;
    feed_end(&collector);
    assert_int_equal(collector.count, sizeof EXPECTED / sizeof EXPECTED[0]);
    for (size_t i = 0; i < collector.count; i++) {
        const struct kept_row *kept = &collector.rows[i];
        assert_int_equal(kept->kind, EXPECTED[i].kind);
        assert_int_equal(kept->ts_ms, EXPECTED[i].ts_ms);
        int64_t source;
        memcpy(&source, (const char *)&kept->row + sizeof(int64_t), sizeof source);
        assert_int_equal(source, EXPECTED[i].source);
    }
    collector_close(&collector);
}

/* Lesson 24: every snapshot feeds OFI, with or without trades. */
static void ofi_rows_are_accepted_snapshots_minus_primings(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    int primings = 0;
    int64_t t = EPOCH_MS;
    for (int i = 0; i < 1000; i++) {
        bool gap = i % 100 == 99;
        t += gap ? 2500 : 100;
        primings += gap || i == 0;
        feed_book_row(&collector, any_book(t));
    }
    struct book_row crossed = simple_book(t + 100, 101, 1, 100, 1);
    feed_book_row(&collector, crossed);
    assert_int_equal(counter_of(&collector, "books"), 1000);
    assert_int_equal(counter_of(&collector, "book_crossed"), 1);
    assert_int_equal(count_of_kind(&collector, ROW_OFI), 1000 - primings);
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 0); /* lesson 12: no trade, no made-up row */
    collector_close(&collector);
}

/* Lesson 19: none lost for sharing a millisecond, none fed twice. */
static void every_trade_of_one_millisecond_is_fed_once(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    for (int i = 0; i < 500; i++)
        feed_trade_row(&collector, trade_of(EPOCH_MS + 10, i, 100, 0.25, 0));
    feed_book_row(&collector, any_book(EPOCH_MS + 300));
    assert_int_equal(count_of_kind(&collector, ROW_CVD), 500);
    const struct feature_row *row = &row_of_kind(&collector, ROW_FEATURE, 0)->row.feature;
    assert_agrees(row->trade_rate, 500);
    assert_agrees(row->cvd, 125);
    assert_agrees(row->volume_usd, 12500);
    collector_close(&collector);
}

static void late_items_are_fed_and_counted(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    feed_trade_row(&collector, any_trade(EPOCH_MS + 10, 1));
    feed_book_row(&collector, any_book(EPOCH_MS + 250)); /* row at +100 and +200 */
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 2);
    feed_trade_row(&collector, trade_of(EPOCH_MS + 200, 2, 77, 1, 0));
    assert_int_equal(counter_of(&collector, "late_for_grid"), 1);
    feed_trade_row(&collector, trade_of(EPOCH_MS + 201, 3, 78, 1, 0));
    assert_int_equal(counter_of(&collector, "late_for_grid"), 1);
    feed_trade_row(&collector, trade_of(EPOCH_MS + 150, 4, 79, 1, 0));
    assert_int_equal(counter_of(&collector, "late_for_grid"), 2);
    feed_book_row(&collector, any_book(EPOCH_MS + 350));
    assert_int_equal(count_of_kind(&collector, ROW_CVD), 4);
    const struct feature_row *row = &row_of_kind(&collector, ROW_FEATURE, 2)->row.feature;
    assert_int_equal(row->ts_ms, EPOCH_MS + 300);
    assert_agrees(row->price, 79); /* the last in the order fed */
    assert_int_equal(row->age_cvd_ms, 150);
    assert_agrees(row->trade_rate, 4);
    collector_close(&collector);
}

/* W lags behind: the grid at g uses what was the last with T ≤ g, although later items are in already. */
static void rows_are_as_of_their_time_however_far_the_watermark_lags(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    collector.watermark_lag_ms = 2000;
    for (int i = 0; i < 40; i++) {
        feed_book_row(&collector, simple_book(EPOCH_MS + 100 * i, 100 + i, 5, 101 + i, 5));
        feed_trade_row(&collector, trade_of(EPOCH_MS + 100 * i + 20, i, 100.5 + i, 1, 0));
    }
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 19);
    for (size_t i = 0; i < 19; i++) {
        const struct feature_row *row = &row_of_kind(&collector, ROW_FEATURE, i)->row.feature;
        int64_t step = (row->ts_ms - EPOCH_MS) / 100;
        assert_int_equal(row->ts_ms, EPOCH_MS + 100 * (int64_t)(i + 1));
        assert_agrees(row->best_bid, 100 + (double)step);
        assert_agrees(row->price, 100.5 + (double)(step - 1));
        assert_agrees(row->trade_rate, (double)step);
        assert_agrees(row->quote_rate, (double)(step + 1) / 60);
    }
    collector_close(&collector);
}

static void silence_has_no_rows_and_is_counted(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    feed_trade_row(&collector, any_trade(EPOCH_MS, 1));
    feed_book_row(&collector, any_book(EPOCH_MS + 20000));
    feed_end(&collector);
    /* 0 … 5000 after the first, then one at 20000 */
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 52);
    assert_int_equal(counter_of(&collector, "grid_rows_skipped"), 149);
    const struct feature_row *last = &row_of_kind(&collector, ROW_FEATURE, 51)->row.feature;
    assert_int_equal(last->ts_ms, EPOCH_MS + 20000);
    assert_string_equal(last->reason_codes, "stale_cvd");
    assert_no_value(last->z_cvd);
    collector_close(&collector);
}

/* Warms both engines up: 100 ms books, 100 ms trades. Returns the time behind the last. */
static int64_t warm_up(struct collector *collector, int64_t t)
{
    for (int i = 0; i < 120; i++, t += 100) {
        feed_book_row(collector, any_book(t));
        feed_trade_row(collector, any_trade(t + 10, i));
    }
    return t;
}

static const struct feature_row *last_feature(const struct collector *collector)
{
    return &row_of_kind(collector, ROW_FEATURE, count_of_kind(collector, ROW_FEATURE) - 1)->row.feature;
}

static void quality_codes_are_independent_of_each_other(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    int64_t t = warm_up(&collector, EPOCH_MS);
    assert_string_equal(last_feature(&collector)->reason_codes, "");
    assert_int_equal(last_feature(&collector)->warmup, 0);
    assert_true(isfinite(last_feature(&collector)->z_cvd));

    /* Books go on, trades pause: first too far apart, then stale. */
    for (int i = 0; i < 4; i++, t += 100)
        feed_book_row(&collector, any_book(t));
    assert_string_equal(last_feature(&collector)->reason_codes, "lag_exceeded");
    for (int i = 0; i < 55; i++, t += 100)
        feed_book_row(&collector, any_book(t));
    assert_string_equal(last_feature(&collector)->reason_codes, "stale_cvd");
    assert_no_value(last_feature(&collector)->z_cvd);
    assert_true(isfinite(last_feature(&collector)->z_raw));

    /* The first trade after the gap is silenced. */
    feed_trade_row(&collector, any_trade(t, 1000));
    feed_book_row(&collector, any_book(t + 100));
    feed_book_row(&collector, any_book(t + 200));
    assert_string_equal(last_feature(&collector)->reason_codes, "cvd_frozen");
    assert_no_value(last_feature(&collector)->z_cvd);
    collector_close(&collector);
}

/* Lesson 36: nulls in the warm-up are valid rows and are encoded as such. */
static void warm_up_rows_hold_nulls_and_say_so(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    feed_trade_row(&collector, any_trade(EPOCH_MS, 1));
    feed_book_row(&collector, any_book(EPOCH_MS + 100));
    const struct feature_row *row = last_feature(&collector);
    assert_int_equal(row->warmup, 1);
    assert_no_value(row->ofi_value);
    assert_no_value(row->z_ofi);
    assert_no_value(row->z_cvd);
    assert_no_value(row->score_z);
    assert_no_value(row->return_1s);
    assert_no_value(row->realized_vol_bps);
    assert_string_equal(row->reason_codes, "");
    const struct fusion_row *fused = &row_of_kind(&collector, ROW_FUSION, 0)->row.fusion;
    assert_string_equal(fused->reason_codes, "invalid_input");
    collector_close(&collector);
}

static void non_market_trades_move_time_and_nothing_else(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    feed_trade_row(&collector, any_trade(EPOCH_MS, 1));
    struct trade_row fund = trade_of(EPOCH_MS + 250, 2, 1, 1000, 0);
    fund.is_market = 0;
    feed_trade_row(&collector, fund);
    assert_int_equal(count_of_kind(&collector, ROW_CVD), 1);
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 3); /* its T made rows due */
    assert_agrees(last_feature(&collector)->price, 100.05);
    assert_agrees(last_feature(&collector)->trade_rate, 1);
    assert_int_equal(counter_of(&collector, "non_market_trades"), 1);
    assert_int_equal(count_of_kind(&collector, ROW_EVENT), 0);
    collector_close(&collector);
}

static void coin_margined_volume_counts_contracts(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    for (int i = 0; i < 4; i++) {
        struct trade_row trade = trade_of(EPOCH_MS + i, i, 2700.5, 3, 0);
        trade.contract_size = 10;
        feed_trade_row(&collector, trade);
    }
    feed_book_row(&collector, any_book(EPOCH_MS + 200));
    assert_agrees(last_feature(&collector)->volume_usd, 120);
    collector_close(&collector);
}

static void end_of_stream_closes_the_grid_and_is_passed_on(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    struct collector collector = collector_open(&config);
    int64_t t = EPOCH_MS + 9990;
    feed_book_row(&collector, any_book(t));
    feed_trade_row(&collector, any_trade(t + 5, 1));
    feed_book_row(&collector, any_book(t + 10));
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 0);
    struct control_row end = {
        .ts_ms = t + 10, .source = 999, .action = CONTROL_END_OF_STREAM, .value_json = "{}"};
    feed_any(&collector, ROW_CONTROL, &end);
    const struct kept_row *last = &collector.rows[collector.count - 1];
    assert_int_equal(count_of_kind(&collector, ROW_STRATEGY_STATE), 1);
    assert_int_equal(count_of_kind(&collector, ROW_FEATURE), 1);
    assert_int_equal(last_feature(&collector)->ts_ms, EPOCH_MS + 10000);
    assert_int_equal(last->kind, ROW_CONTROL);
    assert_int_equal(last->row.control.ts_ms, end.ts_ms);
    assert_int_equal(last->row.control.source, collector.sequence);
    assert_int_equal(last->row.control.action, CONTROL_END_OF_STREAM);
    assert_string_equal(last->row.control.value_json, "{}");
    collector_close(&collector);
}

static void other_controls_are_passed_on_in_their_place(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    struct control_row input = {.ts_ms = EPOCH_MS, .action = CONTROL_INPUT, .value_json = "{\"lock\":true}"};
    feed_any(&collector, ROW_CONTROL, &input);
    assert_int_equal(collector.count, 1);
    assert_string_equal(collector.rows[0].row.control.value_json, "{\"lock\":true}");
    struct event_row event = {.ts_ms = EPOCH_MS, .event_type = EVENT_GAP};
    feed_any(&collector, ROW_EVENT, &event); /* harvest's own events are not repeated */
    feed_any(&collector, ROW_QUOTE_AUDIT, &event);
    assert_int_equal(collector.count, 1);
    collector_close(&collector);
}

static void without_strategy_mode_the_regime_follows_the_trade_rate(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    feed_book_row(&collector, any_book(EPOCH_MS));
    feed_book_row(&collector, any_book(EPOCH_MS + 50));
    for (int i = 1; i < 300; i++) {
        feed_trade_row(&collector, any_trade(EPOCH_MS + 100 * i, i));
        feed_book_row(&collector, any_book(EPOCH_MS + 100 * i + 50));
    }
    for (size_t i = 0; i < count_of_kind(&collector, ROW_FEATURE); i++) {
        const struct feature_row *row = &row_of_kind(&collector, ROW_FEATURE, i)->row.feature;
        assert_int_equal(row->regime, row->tps >= 3   ? REGIME_ACTIVE
                                      : row->tps >= 1 ? REGIME_NORMAL
                                                      : REGIME_QUIET);
    }
    assert_int_equal(last_feature(&collector)->regime, REGIME_ACTIVE);
    assert_int_equal(count_of_kind(&collector, ROW_STRATEGY_STATE), 0);
    /* The other rows by the trades up to their own T, themselves included. */
    int trades = 0;
    for (size_t i = 0; i < collector.count; i++) {
        const struct kept_row *kept = &collector.rows[i];
        trades += kept->kind == ROW_CVD;
        int wanted = trades >= 180 ? REGIME_ACTIVE : trades >= 60 ? REGIME_NORMAL : REGIME_QUIET;
        if (kept->kind == ROW_CVD)
            assert_int_equal(kept->row.cvd.regime, wanted);
        else if (kept->kind == ROW_OFI)
            assert_int_equal(kept->row.ofi.regime, wanted);
    }
    collector_close(&collector);
}

/* (t - 60000, t]: the item at the start is out, the one at the end is in, a late one likewise. */
static void windows_exclude_their_start_and_include_their_end(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    struct collector collector = collector_open(&config);
    int64_t end = EPOCH_MS + 70000;
    feed_book_row(&collector, any_book(end - 60000));
    feed_trade_row(&collector, trade_of(end - 60000, 1, 100, 1, 0));
    feed_trade_row(&collector, trade_of(end - 59999, 2, 100, 2, 0));
    feed_book_row(&collector, any_book(end - 59999));
    feed_trade_row(&collector, trade_of(end, 3, 100, 4, 0));
    feed_book_row(&collector, any_book(end));
    feed_book_row(&collector, any_book(end + 60)); /* the boundary and the row at `end` */
    assert_int_equal(last_feature(&collector)->ts_ms, end);
    assert_agrees(last_feature(&collector)->trade_rate, 2);
    assert_agrees(last_feature(&collector)->volume_usd, 600);
    assert_agrees(last_feature(&collector)->quote_rate, 2 / 60.0);
    size_t last = count_of_kind(&collector, ROW_STRATEGY_STATE) - 1;
    const struct strategy_state_row *row = &row_of_kind(&collector, ROW_STRATEGY_STATE, last)->row.state;
    assert_int_equal(row->ts_ms, end);
    assert_agrees(row->trades_per_min, 2);
    assert_agrees(row->volume_usd, 600);
    assert_agrees(row->quotes_per_sec, 2 / 60.0);

    feed_trade_row(&collector, trade_of(end - 59900, 4, 100, 8, 0));
    feed_trade_row(&collector, trade_of(end - 59899, 5, 100, 16, 0));
    feed_trade_row(&collector, trade_of(end - 60000, 6, 100, 32, 0));
    feed_trade_row(&collector, trade_of(end - 59999, 7, 100, 64, 0));
    feed_book_row(&collector, any_book(end + 160)); /* window (end - 59900, end + 100] */
    assert_int_equal(last_feature(&collector)->ts_ms, end + 100);
    assert_agrees(last_feature(&collector)->trade_rate, 2);
    assert_agrees(last_feature(&collector)->volume_usd, 2000);
    collector_close(&collector);
}

/* The exact place of a late trade at the start of the window that the last row used. */
static void a_late_trade_at_the_start_of_the_window_is_out_for_good(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    int64_t end = EPOCH_MS + 70000;
    feed_book_row(&collector, any_book(end - 10));
    feed_trade_row(&collector, trade_of(end - 5, 1, 100, 1, 0));
    feed_book_row(&collector, any_book(end + 50)); /* W = end: the window is (end - 60000, end] */
    feed_trade_row(&collector, trade_of(end - 60000, 2, 100, 2, 0));
    feed_trade_row(&collector, trade_of(end - 59950, 3, 100, 4, 0));
    feed_book_row(&collector, any_book(end + 60));
    feed_book_row(&collector, any_book(end + 150));
    assert_int_equal(last_feature(&collector)->ts_ms, end + 100);
    assert_agrees(last_feature(&collector)->trade_rate, 1);
    assert_agrees(last_feature(&collector)->volume_usd, 100);
    collector_close(&collector);
}

/* A book that comes more than a minute late, after a synchronisation, is still the newest before times that
 * realized_vol_bps asks for. */
static void a_book_late_by_more_than_a_minute_counts_as_of_its_time(void **state)
{
    (void)state;
    struct features_config config = plain_config();
    struct collector collector = collector_open(&config);
    int64_t end = EPOCH_MS + 200000;
    feed_book_row(&collector, simple_book(EPOCH_MS, 100, 1, 102, 1));
    feed_trade_row(&collector, any_trade(EPOCH_MS + 10, 1));
    feed_trade_row(&collector, any_trade(end, 2)); /* W = end - 50 */
    feed_book_row(&collector, simple_book(end - 80000, 200, 1, 202, 1));
    feed_book_row(&collector, simple_book(end - 10, 200, 1, 202, 1));
    feed_trade_row(&collector, any_trade(end + 50, 3));
    assert_int_equal(last_feature(&collector)->ts_ms, end);
    assert_agrees(last_feature(&collector)->realized_vol_bps, 0); /* 201 all the minute, never 101 */
    collector_close(&collector);
}

static void a_market_younger_than_the_look_back_is_unknown(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    config.strategy_mode.lookback_ms = 120000;
    struct collector collector = collector_open(&config);
    int64_t t = EPOCH_MS + 5000;
    for (int i = 0; i < 1300; i++, t += 100) {
        feed_book_row(&collector, any_book(t));
        feed_trade_row(&collector, any_trade(t, i));
    }
    for (size_t i = 0; i < count_of_kind(&collector, ROW_STRATEGY_STATE); i++) {
        const struct strategy_state_row *row = &row_of_kind(&collector, ROW_STRATEGY_STATE, i)->row.state;
        assert_int_equal(row->market_unknown, row->ts_ms - EPOCH_MS - 5000 < 120000);
        assert_true(i < 7 || isfinite(row->volatility_bps));
    }
    assert_true(count_of_kind(&collector, ROW_STRATEGY_STATE) >= 13);
    collector_close(&collector);
}

static void a_silence_of_years_is_bounded(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    struct collector collector = collector_open(&config);
    collector.discard = true;
    feed_book_row(&collector, any_book(EPOCH_MS));
    feed_trade_row(&collector, any_trade(EPOCH_MS, 1));
    feed_book_row(&collector, any_book(EVENT_TIME_MAX_MS));
    assert_int_equal(counter_of(&collector, "boundaries"), BOUNDARIES_MAX);
    int64_t boundaries = (EVENT_TIME_MAX_MS - 50 - EPOCH_MS) / 10000 + 1;
    assert_int_equal(counter_of(&collector, "boundaries_skipped"), boundaries - BOUNDARIES_MAX);
    assert_int_equal(counter_of(&collector, "feature_rows"), 51);
    collector_close(&collector);
}

static void absurd_times_are_rejected_and_counted(void **state)
{
    (void)state;
    static const int64_t TIMES[] = {0, -1, INT64_MIN + 1, INT64_MAX, EVENT_TIME_MAX_MS + 1};
    struct features_config config = features_config_default();
    struct collector collector = collector_open(&config);
    collector.discard = true;
    for (size_t i = 0; i < 5; i++) {
        struct book_row book = any_book(EPOCH_MS);
        struct trade_row trade = any_trade(EPOCH_MS, 1);
        book.ts_ms = trade.ts_ms = TIMES[i];
        book.watermark_ms = trade.watermark_ms = trade.watermark_after_ms = TIMES[i];
        feed_any(&collector, ROW_BOOK, &book);
        feed_any(&collector, ROW_TRADE, &trade);
        struct control_row end = {.ts_ms = TIMES[i], .action = CONTROL_END_OF_STREAM};
        feed_any(&collector, ROW_CONTROL, &end);
    }
    assert_int_equal(counter_of(&collector, "invalid_time_trades"), 5);
    assert_int_equal(counter_of(&collector, "invalid_time_books"), 5);
    assert_int_equal(collector.count, 5);
    collector_close(&collector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_grid_rows),
        cmocka_unit_test(rows_come_in_the_order_of_the_spec),
        cmocka_unit_test(ofi_rows_are_accepted_snapshots_minus_primings),
        cmocka_unit_test(every_trade_of_one_millisecond_is_fed_once),
        cmocka_unit_test(late_items_are_fed_and_counted),
        cmocka_unit_test(rows_are_as_of_their_time_however_far_the_watermark_lags),
        cmocka_unit_test(silence_has_no_rows_and_is_counted),
        cmocka_unit_test(quality_codes_are_independent_of_each_other),
        cmocka_unit_test(warm_up_rows_hold_nulls_and_say_so),
        cmocka_unit_test(non_market_trades_move_time_and_nothing_else),
        cmocka_unit_test(coin_margined_volume_counts_contracts),
        cmocka_unit_test(end_of_stream_closes_the_grid_and_is_passed_on),
        cmocka_unit_test(other_controls_are_passed_on_in_their_place),
        cmocka_unit_test(without_strategy_mode_the_regime_follows_the_trade_rate),
        cmocka_unit_test(windows_exclude_their_start_and_include_their_end),
        cmocka_unit_test(a_late_trade_at_the_start_of_the_window_is_out_for_good),
        cmocka_unit_test(a_book_late_by_more_than_a_minute_counts_as_of_its_time),
        cmocka_unit_test(a_market_younger_than_the_look_back_is_unknown),
        cmocka_unit_test(a_silence_of_years_is_bounded),
        cmocka_unit_test(absurd_times_are_rejected_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
