// links: features evaluate market proto base cmocka
// timeout: 120
/* Random streams: the engine of a symbol against a naive reading of algorithms.md §4 and §7, against itself after a
 * restart at any row, and against damaged state. */
#include "base/clock.h"
#include "base/random.h"
#include "collector.h"
#include "market/statistics.h"

/* item: what has been accepted, in the order fed. */
struct item {
    int64_t ts_ms;
    double price; /* trade price or mid */
    double value; /* traded USD or spread_bps */
};

struct items {
    struct item *items;
    size_t count;
    size_t capacity;
};

static void keep(struct items *items, struct item item)
{
    items->items = memory_grow(items->items, &items->capacity, items->count + 1, sizeof item);
    items->items[items->count++] = item;
}

/* The last in the order fed with T ≤ t. */
static const struct item *last_until(const struct items *items, int64_t t)
{
    for (size_t i = items->count; i > 0; i--)
        if (items->items[i - 1].ts_ms <= t)
            return &items->items[i - 1];
    return NULL;
}

static int64_t count_within(const struct items *items, int64_t from, int64_t until, double *out_sum)
{
    int64_t count = 0;
    *out_sum = 0;
    for (size_t i = 0; i < items->count; i++) {
        if (items->items[i].ts_ms <= from || items->items[i].ts_ms > until)
            continue;
        count++;
        *out_sum += items->items[i].value;
    }
    return count;
}

static double naive_volatility(const struct items *books, int64_t g)
{
    double sum = 0;
    int64_t s = g / 1000 * 1000;
    for (int j = 1; j <= 60; j++) {
        const struct item *before = last_until(books, s - 60000 + 1000 * (j - 1));
        const struct item *after = last_until(books, s - 60000 + 1000 * j);
        if (!before || !after)
            return NAN;
        sum += log(after->price / before->price) * log(after->price / before->price);
    }
    return 1e4 * sqrt(sum);
}

static void check_feature(const struct feature_row *row, const struct items *books,
                          const struct items *trades)
{
    int64_t g = row->ts_ms;
    const struct item *book = last_until(books, g), *trade = last_until(trades, g);
    const struct item *second_ago = last_until(books, g - 1000);
    double volume, unused;
    assert_non_null(book);
    assert_non_null(trade);
    assert_int_equal(row->age_ofi_ms, g - book->ts_ms);
    assert_int_equal(row->age_cvd_ms, g - trade->ts_ms);
    assert_int_equal(row->lag_ms, llabs(book->ts_ms - trade->ts_ms));
    assert_agrees(row->price, trade->price);
    assert_agrees(row->mid, book->price);
    assert_agrees(row->spread_bps, book->value);
    assert_agrees(row->trade_rate, (double)count_within(trades, g - 60000, g, &volume));
    assert_agrees(row->volume_usd, volume);
    assert_agrees(row->tps, row->trade_rate / 60);
    assert_agrees(row->quote_rate, (double)count_within(books, g - 60000, g, &unused) / 60);
    double volatility = naive_volatility(books, g);
    if (isnan(volatility))
        assert_no_value(row->realized_vol_bps);
    else
        assert_agrees(row->realized_vol_bps, volatility);
    if (second_ago)
        assert_agrees(row->return_1s, book->price / second_ago->price - 1);
    else
        assert_no_value(row->return_1s);
    bool stale_ofi = row->age_ofi_ms > 5000, stale_cvd = row->age_cvd_ms > 5000;
    assert_int_equal(strstr(row->reason_codes, "stale_ofi") != NULL, stale_ofi);
    assert_int_equal(strstr(row->reason_codes, "stale_cvd") != NULL, stale_cvd);
    assert_true(!stale_ofi || isnan(row->z_ofi));
    assert_true(!stale_cvd || isnan(row->z_cvd));
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void check_state(const struct strategy_state_row *row, const struct items *books,
                        const struct items *trades, int64_t first_ms)
{
    int64_t c = row->ts_ms;
    double volume, unused, spreads[8192];
    size_t count = 0;
    for (size_t i = 0; i < books->count; i++)
        if (books->items[i].ts_ms > c - 60000 && books->items[i].ts_ms <= c)
            spreads[count++] = books->items[i].value;
    qsort(spreads, count, sizeof *spreads, compare_doubles);
    assert_agrees(row->trades_per_min, (double)count_within(trades, c - 60000, c, &volume));
    assert_agrees(row->volume_usd, volume);
    assert_agrees(row->quotes_per_sec, (double)count_within(books, c - 60000, c, &unused) / 60);
    if (count == 0)
        assert_no_value(row->spread_bps);
    else
        assert_agrees(row->spread_bps, (spreads[(count - 1) / 2] + spreads[count / 2]) / 2);
    double volatility = naive_volatility(books, c);
    assert_int_equal(isnan(row->volatility_bps), isnan(volatility));
    if (!isnan(volatility))
        assert_agrees(row->volatility_bps, volatility);
    assert_int_equal(row->market_unknown, c - first_ms < 60000 || count == 0 || isnan(volatility));
}

/* market: a random stream. Books never go back in time, trades may be late. */
struct market {
    struct random random;
    int64_t book_ms;
    int64_t trade_ms;
    int64_t id;
    double mid;
};

static struct market market_of(uint64_t seed)
{
    struct market market = {.book_ms = EPOCH_MS + (int64_t)(seed * 7919 % 100000), .mid = 60000};
    market.trade_ms = market.book_ms;
    random_seed(&market.random, seed);
    return market;
}

static struct book_row next_book(struct market *market)
{
    struct random *random = &market->random;
    struct level bids[5], asks[5];
    uint64_t kind = random_below(random, 400);
    market->book_ms += kind == 0 ? 3000 + (int64_t)random_below(random, 70000)
                                 : (int64_t)random_below(random, kind % 3 ? 120 : 2);
    market->mid *= 1 + 0.0002 * random_normal(random);
    double middle = floor(market->mid * 10) / 10;
    for (int i = 0; i < 5; i++) {
        bids[i] = (struct level){middle - 0.1 * (1 + i), (double)(1 + random_below(random, 9000)) / 1000};
        asks[i] = (struct level){middle + 0.1 * (1 + i), (double)(1 + random_below(random, 9000)) / 1000};
    }
    struct book_row book = book_of(market->book_ms, bids, 5, asks, 5);
    book.book_reset = kind == 1;
    return book;
}

static struct trade_row next_trade(struct market *market)
{
    struct random *random = &market->random;
    if (market->book_ms > market->trade_ms)
        market->trade_ms = market->book_ms;
    market->trade_ms += (int64_t)random_below(random, 30);
    int64_t ts_ms = market->trade_ms;
    if (random_below(random, 50) == 0)
        ts_ms -= (int64_t)random_below(random, 4000);
    double quantity = exp(random_normal(random)) / 10 + 1e-6;
    return trade_of(ts_ms, ++market->id, market->mid, quantity, (int)random_below(random, 2));
}

/* What must come out of a stream, computed the slow way: due times are passed one by one. */
struct naive {
    struct items books, trades;
    int64_t passed_ms; /* grid times up to here */
    int64_t next_boundary_ms;
    int64_t first_ms;
    size_t checked; /* rows of the collector */
};

static const struct kept_row *next_kept(struct naive *naive, const struct collector *collector, int kind)
{
    while (naive->checked < collector->count) {
        const struct kept_row *kept = &collector->rows[naive->checked++];
        if (kept->kind == kind)
            return kept;
        if (kept->kind == ROW_FEATURE || kept->kind == ROW_STRATEGY_STATE)
            break;
    }
    fail_msg("a row of kind %d is missing", kind);
    return NULL;
}

static bool naive_has_row(const struct naive *naive, int64_t g)
{
    const struct item *book = last_until(&naive->books, g), *trade = last_until(&naive->trades, g);
    return book && trade && (g - book->ts_ms <= 5000 || g - trade->ts_ms <= 5000);
}

static void naive_advance(struct naive *naive, const struct collector *collector, int64_t until_ms)
{
    if (naive->first_ms == 0)
        return;
    int64_t g = naive->passed_ms ? naive->passed_ms : naive->first_ms / 100 * 100;
    for (g += 100; g <= until_ms || naive->next_boundary_ms <= until_ms; g += 100) {
        for (; naive->next_boundary_ms <= g && naive->next_boundary_ms <= until_ms;
             naive->next_boundary_ms += 10000) {
            const struct kept_row *kept = next_kept(naive, collector, ROW_STRATEGY_STATE);
            assert_int_equal(kept->ts_ms, naive->next_boundary_ms);
            check_state(&kept->row.state, &naive->books, &naive->trades, naive->first_ms);
        }
        if (g > until_ms)
            break;
        naive->passed_ms = g;
        if (!naive_has_row(naive, g))
            continue;
        const struct kept_row *kept = next_kept(naive, collector, ROW_FEATURE);
        assert_int_equal(kept->ts_ms, g);
        check_feature(&kept->row.feature, &naive->books, &naive->trades);
    }
}

static void note_first(struct naive *naive, int64_t ts_ms)
{
    if (naive->first_ms)
        return;
    naive->first_ms = ts_ms;
    naive->passed_ms = (ts_ms - 1) / 100 * 100;
    naive->next_boundary_ms = (ts_ms + 9999) / 10000 * 10000;
}

static void rows_equal_a_naive_reading_of_the_spec(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        struct features_config config = features_config_default();
        struct collector collector = collector_open(&config);
        struct market market = market_of(seed);
        struct naive naive = {0};
        collector.watermark_lag_ms = seed % 3 == 0 ? 1500 : seed % 3 == 1 ? 50 : 0;
        for (int i = 0; i < 5000; i++) {
            if (random_below(&market.random, 2)) {
                struct book_row book = next_book(&market);
                stamp_book(&collector, &book);
                feed_any(&collector, ROW_BOOK, &book);
                naive_advance(&naive, &collector, book.watermark_ms);
                note_first(&naive, book.ts_ms);
                keep(&naive.books, (struct item){book.ts_ms, book.mid, book.spread_bps});
            } else {
                struct trade_row trade = next_trade(&market);
                stamp_trade(&collector, &trade);
                feed_any(&collector, ROW_TRADE, &trade);
                naive_advance(&naive, &collector, trade.watermark_ms);
                note_first(&naive, trade.ts_ms);
                double price = decimal_double(trade.price), quantity = decimal_double(trade.qty);
                keep(&naive.trades, (struct item){trade.ts_ms, price, price * quantity});
                naive_advance(&naive, &collector, trade.watermark_after_ms);
            }
        }
        feed_end(&collector);
        naive_advance(&naive, &collector, collector.newest_ms);
        assert_true(count_of_kind(&collector, ROW_FEATURE) > 500);
        assert_true(count_of_kind(&collector, ROW_STRATEGY_STATE) > 5);
        assert_true(counter_of(&collector, "late_for_grid") > 0);
        while (naive.checked < collector.count) {
            int kind = collector.rows[naive.checked++].kind;
            assert_true(kind != ROW_FEATURE && kind != ROW_STRATEGY_STATE);
        }
        free(naive.books.items);
        free(naive.trades.items);
        collector_close(&collector);
    }
}

static void feed_random(struct collector *collector, struct market *market)
{
    if (random_below(&market->random, 2))
        feed_book_row(collector, next_book(market));
    else
        feed_trade_row(collector, next_trade(market));
}

static void save_symbol(const struct collector *collector, struct buffer *saved)
{
    size_t bytes;
    const void *table = features_symbol_table(collector->symbol, &bytes);
    buffer_init(saved, 0);
    buffer_append(saved, table, bytes);
    features_symbol_save(collector->symbol, saved);
}

/* As the stage does it: the table is filled, then judged with the rest. */
static enum status load_symbol(struct collector *collector, struct reader *in)
{
    size_t bytes;
    void *table = features_symbol_table(collector->symbol, &bytes);
    reader_take(in, table, bytes);
    return features_symbol_load(collector->symbol, in);
}

/* Windows so short that the calibration comes and goes within a test. */
static struct features_config short_windows(void)
{
    struct features_config config = features_config_default();
    config.auto_flip = true;
    config.calibration = (struct calibration_config){.step_ms = 100,
                                                     .train_ms = 120000,
                                                     .test_ms = 10000,
                                                     .rule = {.horizon_ms = 5000, .tol_ms = 1500},
                                                     .wants_auc = true};
    return config;
}

static size_t rows_with_probability(const struct collector *collector)
{
    size_t count = 0;
    for (size_t i = 0; i < collector->count; i++)
        count += collector->rows[i].kind == ROW_FUSION && !isnan(collector->rows[i].row.fusion.proba);
    return count;
}

/* Lesson 23 and promise 2: a restart at any row, as often as you like, changes no byte. */
static void restarts_at_random_rows_change_no_byte(void **state)
{
    (void)state;
    size_t probabilities = 0;
    for (uint64_t seed = 100; seed < 106; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        struct features_config config = seed % 2 ? short_windows() : features_config_default();
        struct collector steady = collector_open(&config), restarted = collector_open(&config);
        struct market market = market_of(seed), same = market_of(seed);
        struct random cuts;
        random_seed(&cuts, seed);
        for (int i = 0; i < 6000; i++) {
            feed_random(&steady, &market);
            feed_random(&restarted, &same);
            if (random_below(&cuts, 300))
                continue;
            struct buffer saved, again;
            struct reader in;
            save_symbol(&restarted, &saved);
            features_symbol_destroy(restarted.symbol);
            restarted.symbol = features_symbol_create(&config);
            reader_init(&in, saved.data, saved.length);
            assert_int_equal(load_symbol(&restarted, &in), STATUS_OK);
            assert_int_equal(reader_done(&in), STATUS_OK);
            save_symbol(&restarted, &again);
            assert_int_equal(saved.length, again.length);
            assert_memory_equal(saved.data, again.data, saved.length);
            buffer_finish(&saved);
            buffer_finish(&again);
        }
        feed_end(&steady);
        feed_end(&restarted);
        assert_int_equal(steady.encoded.length, restarted.encoded.length);
        assert_memory_equal(steady.encoded.data, restarted.encoded.data, steady.encoded.length);
        const char *name;
        int64_t value;
        for (size_t i = 0; features_symbol_counter(steady.symbol, i, &name, &value); i++)
            assert_int_equal(counter_of(&restarted, name), value);
        probabilities += rows_with_probability(&steady);
        collector_close(&steady);
        collector_close(&restarted);
    }
    assert_true(probabilities > 500); /* else the calibration's state has not been tested */
}

/* Lesson 22: no row is earlier than its last input, and event rows carry the time at which they were seen. */
static void no_row_looks_ahead(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    config.events.anomaly_z_ofi = 1;
    struct collector collector = collector_open(&config);
    struct market market = market_of(22);
    for (int i = 0; i < 5000; i++)
        feed_random(&collector, &market);
    for (size_t i = 0; i < collector.count; i++) {
        const struct kept_row *kept = &collector.rows[i];
        if (kept->kind == ROW_EVENT)
            assert_int_equal(kept->row.event.detected_ts_ms, kept->ts_ms);
        if (kept->kind == ROW_FEATURE)
            assert_true(kept->row.feature.age_ofi_ms >= 0 && kept->row.feature.age_cvd_ms >= 0);
    }
    assert_true(count_of_kind(&collector, ROW_EVENT) > 0);
    collector_close(&collector);
}

/* Damage that goes unnoticed may change numbers, but must not crash, hang or give a row that cannot be encoded. */
static void damaged_state_is_refused_or_harmless(void **state)
{
    (void)state;
    uint64_t seed = 200;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct features_config config = short_windows();
    struct collector collector = collector_open(&config);
    struct market market = market_of(seed);
    for (int i = 0; i < 1200; i++)
        feed_random(&collector, &market);
    struct buffer saved;
    save_symbol(&collector, &saved);
    struct random random;
    random_seed(&random, seed);
    size_t refused = 0;
    for (int i = 0; i < 600; i++) {
        struct buffer damaged;
        struct reader in;
        buffer_init(&damaged, 0);
        buffer_append(&damaged, saved.data, i % 3 ? saved.length : random_below(&random, saved.length));
        for (uint64_t k = i % 3 ? 1 + random_below(&random, 4) : 0; k > 0; k--)
            damaged.data[random_below(&random, damaged.length)] = (uint8_t)random_u64(&random);
        struct collector victim = collector_open(&config);
        victim.discard = true;
        victim.newest_ms = collector.newest_ms;
        reader_init(&in, damaged.data, damaged.length);
        refused += load_symbol(&victim, &in) != STATUS_OK;
        struct market rest = market;
        for (int k = 0; k < 60; k++)
            feed_random(&victim, &rest);
        feed_end(&victim);
        collector_close(&victim);
        buffer_finish(&damaged);
    }
    assert_true(refused >= 200); /* every cut one at least */
    buffer_finish(&saved);
    collector_close(&collector);
}

static void a_refused_state_leaves_a_cold_engine(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    struct collector collector = collector_open(&config), cold = collector_open(&config);
    struct market market = market_of(7);
    for (int i = 0; i < 300; i++)
        feed_random(&collector, &market);
    struct buffer saved, after, fresh;
    struct reader in;
    save_symbol(&collector, &saved);
    reader_init(&in, saved.data, saved.length - 1);
    assert_int_equal(load_symbol(&collector, &in), STATUS_MALFORMED);
    save_symbol(&collector, &after);
    save_symbol(&cold, &fresh);
    assert_int_equal(after.length, fresh.length);
    assert_memory_equal(after.data, fresh.data, after.length);
    buffer_finish(&saved);
    buffer_finish(&after);
    buffer_finish(&fresh);
    collector_close(&collector);
    collector_close(&cold);
}

/* A day in which the market wakes up and goes to sleep: every `period_ms` a new phase; `repeats` times the rows. */
static void feed_phases(struct collector *collector, int repeats)
{
    struct random random;
    random_seed(&random, 26);
    int64_t id = 0, t = EPOCH_MS;
    double mid = 60000;
    for (int second = 0; second < 3600; second++) {
        bool busy = second / 300 % 2 == 1;
        for (int step = 0; step < 10; step++, t += 100) {
            mid *= 1 + (busy ? 1e-4 : 1e-6) * random_normal(&random);
            for (int k = 0; k < repeats; k++)
                feed_book_row(collector, simple_book(t + k, mid - 0.1, 5 + (step + k) % 7, mid + 0.1, 6));
            bool trade = busy || random_below(&random, 50) == 0;
            for (int k = 0; trade && k < repeats; k++)
                feed_trade_row(collector, trade_of(t + 20 + k, ++id, mid, busy ? 0.05 : 0.001, step % 2));
        }
    }
    feed_end(collector);
}

struct transitions {
    int64_t at_ms[64];
    size_t count;
    double active_share;
};

static struct transitions transitions_of(const struct collector *collector)
{
    struct transitions found = {0};
    size_t states = 0, active = 0;
    for (size_t i = 0; i < collector->count; i++) {
        const struct strategy_state_row *row = &collector->rows[i].row.state;
        if (collector->rows[i].kind != ROW_STRATEGY_STATE)
            continue;
        states++;
        active += row->mode == MODE_ACTIVE;
        if (row->last_transition_ms == row->ts_ms && found.count < 64)
            found.at_ms[found.count++] = row->ts_ms;
    }
    found.active_share = (double)active / (double)states;
    return found;
}

/* Lesson 27: ten-fold row rate, same transitions. Lesson 26: neither always quiet nor always active. */
static void ten_times_the_rows_give_the_same_transitions(void **state)
{
    (void)state;
    struct features_config config = features_config_default();
    struct collector once = collector_open(&config), tenfold = collector_open(&config);
    feed_phases(&once, 1);
    feed_phases(&tenfold, 10);
    struct transitions first = transitions_of(&once), second = transitions_of(&tenfold);
    assert_true(first.count >= 8);
    assert_int_equal(first.count, second.count);
    for (size_t i = 0; i < first.count; i++)
        assert_int_equal(first.at_ms[i], second.at_ms[i]);
    assert_int_equal(once.changes, (int)first.count);
    print_message("active share %.3f\n", first.active_share);
    assert_true(first.active_share > 0.2 && first.active_share < 0.8);
    collector_close(&once);
    collector_close(&tenfold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_equal_a_naive_reading_of_the_spec),
        cmocka_unit_test(restarts_at_random_rows_change_no_byte),
        cmocka_unit_test(no_row_looks_ahead),
        cmocka_unit_test(damaged_state_is_refused_or_harmless),
        cmocka_unit_test(a_refused_state_leaves_a_cold_engine),
        cmocka_unit_test(ten_times_the_rows_give_the_same_transitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
