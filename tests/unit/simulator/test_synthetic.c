// links: simulator base
// timeout: 120
/* What the synthetic market must show, whatever its parameters are tuned to. */
#include "services/simulator/full_book.h"
#include "services/simulator/synthetic.h"

#include "base/decimal.h"
#include "base/hash.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const TWO_SYMBOLS[] = {"BTCUSDT", "ETHUSDT"};

static struct synthetic_config config_of(uint64_t seed, int64_t minutes)
{
    return (struct synthetic_config){.seed = seed,
                                     .symbols = TWO_SYMBOLS,
                                     .symbol_count = 2,
                                     .market = MARKET_USDM,
                                     .rate_per_s = 50,
                                     .flow_strength = 0.5,
                                     .start_ms = SYNTHETIC_START_MS,
                                     .length_ms = minutes * 60000};
}

static struct synthetic *create(const struct synthetic_config *config)
{
    struct synthetic *synthetic = NULL;
    struct error error = {""};
    if (synthetic_create(config, &synthetic, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return synthetic;
}

static void run(const struct synthetic_config *config, synthetic_say *say, void *context)
{
    struct synthetic *synthetic = create(config);
    while (synthetic_step(synthetic, say, context) == STATUS_OK)
        continue;
    synthetic_destroy(synthetic);
}

static int64_t integer_of(struct span object, const char *key)
{
    struct span value;
    int64_t integer = 0;
    assert_true(span_member(object, key, &value));
    assert_true(span_integer(value, &integer));
    return integer;
}

static double number_of(struct span object, const char *key)
{
    struct span value;
    int64_t units;
    assert_true(span_member(object, key, &value));
    assert_true(span_text(value, &value));
    assert_ok(decimal_parse(value.text, value.bytes, 8, &units));
    return decimal_double((struct decimal){units, 8});
}

static struct span data_of(const struct synthetic_message *message)
{
    return (struct span){message->text + message->data_offset, message->data_bytes};
}

/* ---- same seed, same bytes ---- */

static void hash_message(void *context, const struct synthetic_message *message, bool snapshot)
{
    (void)snapshot;
    sha256_update(context, &message->recv_ns, sizeof message->recv_ns);
    sha256_update(context, message->text, message->bytes);
}

static void digest(const struct synthetic_config *config, uint8_t out_digest[SHA256_BYTES])
{
    struct sha256 hash;
    sha256_init(&hash);
    run(config, hash_message, &hash);
    sha256_finish(&hash, out_digest);
}

static void same_seed_same_bytes(void **state)
{
    (void)state;
    struct synthetic_config config = config_of(5, 3), other = config_of(6, 3);
    uint8_t first[SHA256_BYTES], second[SHA256_BYTES], third[SHA256_BYTES];
    digest(&config, first);
    digest(&config, second);
    digest(&other, third);
    assert_memory_equal(first, second, SHA256_BYTES);
    assert_memory_not_equal(first, third, SHA256_BYTES);
}

static void questions_change_nothing(void **state)
{
    (void)state;
    struct synthetic_config config = config_of(5, 2);
    struct synthetic *synthetic = create(&config);
    struct sha256 hash;
    struct buffer answer;
    uint8_t asked[SHA256_BYTES], unasked[SHA256_BYTES];
    sha256_init(&hash);
    buffer_init(&answer, 0);
    while (synthetic_step(synthetic, hash_message, &hash) == STATUS_OK) {
        buffer_clear(&answer);
        synthetic_depth(synthetic, 0, 20, &answer);
        synthetic_agg_trades(synthetic, 1, -1, 5, &answer);
    }
    sha256_finish(&hash, asked);
    digest(&config, unasked);
    assert_memory_equal(asked, unasked, SHA256_BYTES);
    buffer_finish(&answer);
    synthetic_destroy(synthetic);
}

/* A symbol's market does not depend on who else is there. */
struct one_symbol {
    uint16_t symbol;
    struct sha256 hash;
};

static void hash_one(void *context, const struct synthetic_message *message, bool snapshot)
{
    struct one_symbol *one = context;
    if (message->symbol == one->symbol)
        hash_message(&one->hash, message, snapshot);
}

static void symbols_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct synthetic_config both = config_of(5, 2), alone = config_of(5, 2);
    alone.symbols = &TWO_SYMBOLS[1];
    alone.symbol_count = 1;
    struct one_symbol among = {.symbol = 1}, single = {.symbol = 0};
    sha256_init(&among.hash);
    sha256_init(&single.hash);
    run(&both, hash_one, &among);
    run(&alone, hash_one, &single);
    uint8_t first[SHA256_BYTES], second[SHA256_BYTES];
    sha256_finish(&among.hash, first);
    sha256_finish(&single.hash, second);
    assert_memory_equal(first, second, SHA256_BYTES);
}

/* ---- a real book ---- */

struct watcher {
    struct full_book book; /* snapshot and diffs, as a client would keep it */
    struct buffer kept;    /* texts the book points to */
    bool synchronised;
    int64_t previous_u, agg_trade_id, trade_id;
    int64_t ticker_u; /* newest book ticker */
    char ticker[4][DECIMAL_TEXT_BYTES];
    int64_t recv_ns;
    size_t diffs, trades, tickers, compared;
    double last_bid, last_ask; /* from the ticker: what a trade may hit */
};

static const char *const TICKER_KEYS[] = {"b", "B", "a", "A"};

static void watch_trade(struct watcher *watcher, struct span data)
{
    assert_int_equal(integer_of(data, "a"), watcher->agg_trade_id + 1);
    assert_int_equal(integer_of(data, "f"), watcher->trade_id + 1);
    assert_true(integer_of(data, "l") >= integer_of(data, "f"));
    watcher->agg_trade_id = integer_of(data, "a");
    watcher->trade_id = integer_of(data, "l");
    watcher->trades++;
    struct span maker;
    assert_true(span_member(data, "m", &maker));
    /* An execution: a buy at or above the best ask, a sale at or below the best bid, as last said. */
    double price = number_of(data, "p");
    if (watcher->tickers && span_equals(maker, "false"))
        assert_true(price >= watcher->last_ask);
    if (watcher->tickers && span_equals(maker, "true"))
        assert_true(price <= watcher->last_bid);
}

static void watch_ticker(struct watcher *watcher, struct span data)
{
    assert_true(integer_of(data, "u") > watcher->ticker_u);
    watcher->ticker_u = integer_of(data, "u");
    for (size_t i = 0; i < 4; i++) {
        struct span value;
        assert_true(span_member(data, TICKER_KEYS[i], &value) && span_text(value, &value));
        memcpy(watcher->ticker[i], value.text, value.bytes);
        watcher->ticker[i][value.bytes] = 0;
    }
    watcher->last_bid = number_of(data, "b");
    watcher->last_ask = number_of(data, "a");
    assert_true(watcher->last_bid < watcher->last_ask);
    watcher->tickers++;
}

/* compare_top: the client's book against the last ticker (data.md §1.2a). */
static void compare_top(struct watcher *watcher)
{
    struct buffer answer;
    char expected[4 * DECIMAL_TEXT_BYTES + 32];
    buffer_init(&answer, 0);
    full_book_answer(&watcher->book, MARKET_SPOT, "", 1, &answer);
    snprintf(expected, sizeof expected, "\"bids\":[[\"%s\",\"%s\"]],\"asks\":[[\"%s\",\"%s\"]]}",
             watcher->ticker[0], watcher->ticker[1], watcher->ticker[2], watcher->ticker[3]);
    assert_non_null(strstr(buffer_text(&answer), expected));
    buffer_finish(&answer);
    watcher->compared++;
}

static struct span keep(struct watcher *watcher, struct span text)
{
    uint8_t *place = buffer_reserve(&watcher->kept, text.bytes);
    assert_non_null(place);
    memcpy(place, text.text, text.bytes);
    watcher->kept.length += text.bytes;
    return (struct span){(char *)place, text.bytes};
}

static void watch_diff(struct watcher *watcher, struct span data)
{
    if (watcher->diffs) {
        assert_int_equal(integer_of(data, "pu"), watcher->previous_u);
        assert_int_equal(integer_of(data, "U"), watcher->previous_u + 1);
    }
    watcher->previous_u = integer_of(data, "u");
    watcher->diffs++;
    if (!watcher->synchronised)
        return;
    assert_ok(full_book_apply(&watcher->book, keep(watcher, data)));
    if (watcher->tickers)
        compare_top(watcher);
}

static void watch(void *context, const struct synthetic_message *message, bool snapshot)
{
    struct watcher *watcher = context;
    assert_true(message->recv_ns >= watcher->recv_ns);
    watcher->recv_ns = message->recv_ns;
    if (message->symbol != 0)
        return;
    if (snapshot) {
        assert_false(watcher->synchronised);
        assert_int_equal(watcher->diffs, 1);
        struct span body = {message->text, message->bytes};
        assert_int_equal(integer_of(body, "lastUpdateId"), watcher->previous_u);
        assert_ok(full_book_load(&watcher->book, keep(watcher, body)));
        watcher->synchronised = true;
        return;
    }
    assert_true(span_is_object((struct span){message->text, message->bytes}));
    struct span data = data_of(message);
    assert_true(span_is_object(data));
    if (message->kind == STREAM_AGG_TRADE)
        watch_trade(watcher, data);
    else if (message->kind == STREAM_BOOK_TICKER)
        watch_ticker(watcher, data);
    else
        watch_diff(watcher, data);
}

static void diffs_rebuild_the_book_and_trades_are_its_executions(void **state)
{
    (void)state;
    struct synthetic_config config = config_of(3, 10);
    struct synthetic *synthetic = create(&config);
    struct watcher watcher = {0};
    full_book_init(&watcher.book);
    buffer_init(&watcher.kept, 0);
    /* Room first: the book points into it. */
    assert_non_null(buffer_reserve(&watcher.kept, 64 << 20));
    while (synthetic_step(synthetic, watch, &watcher) == STATUS_OK)
        continue;
    assert_true(watcher.diffs > 5000 && watcher.trades > 5000 && watcher.tickers > 5000);
    assert_true(watcher.compared > 5000);
    assert_int_equal(watcher.book.unreadable_levels, 0);
    synthetic_destroy(synthetic);
    full_book_finish(&watcher.book);
    buffer_finish(&watcher.kept);
}

/* ---- order flow explains price changes ---- */

struct flow {
    double bid, bid_quantity, ask, ask_quantity;
    double imbalance[4000], middle[4000]; /* by second: sum of OFI, last mid */
    size_t seconds;
};

static void add_flow(void *context, const struct synthetic_message *message, bool snapshot)
{
    struct flow *flow = context;
    if (snapshot || message->symbol != 0 || message->kind != STREAM_BOOK_TICKER)
        return;
    struct span data = data_of(message);
    double bid = number_of(data, "b"), bid_quantity = number_of(data, "B");
    double ask = number_of(data, "a"), ask_quantity = number_of(data, "A");
    size_t second = (size_t)(integer_of(data, "T") / 1000 - SYNTHETIC_START_MS / 1000);
    assert_in_range(second, 0, 3999);
    double bought = bid > flow->bid   ? bid_quantity
                    : bid < flow->bid ? -flow->bid_quantity
                                      : bid_quantity - flow->bid_quantity;
    double sold = ask < flow->ask   ? ask_quantity
                  : ask > flow->ask ? -flow->ask_quantity
                                    : ask_quantity - flow->ask_quantity;
    if (flow->bid > 0)
        flow->imbalance[second] += bought - sold;
    for (size_t i = flow->seconds; i < second; i++)
        flow->middle[i] = (flow->bid + flow->ask) / 2;
    flow->bid = bid;
    flow->bid_quantity = bid_quantity;
    flow->ask = ask;
    flow->ask_quantity = ask_quantity;
    flow->seconds = second;
    flow->middle[second] = (bid + ask) / 2;
}

/* explained: R² of the regression of mid changes on OFI, both over one second. */
static double explained(const struct flow *flow)
{
    double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 1; i <= flow->seconds; i++) {
        double change = flow->middle[i] - flow->middle[i - 1];
        n++;
        x += flow->imbalance[i];
        y += change;
        xx += flow->imbalance[i] * flow->imbalance[i];
        yy += change * change;
        xy += flow->imbalance[i] * change;
    }
    double covariance = n * xy - x * y;
    return covariance * covariance / ((n * xx - x * x) * (n * yy - y * y));
}

static void order_flow_moves_the_price(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct synthetic_config config = config_of(seed, 20);
        struct flow *flow = calloc(1, sizeof *flow);
        run(&config, add_flow, flow);
        double share = explained(flow);
        print_message("seed %d: R² of mid changes on OFI over 1 s: %.3f\n", (int)seed, share);
        assert_true(flow->seconds > 1190);
        assert_true(share >= 0.3); /* asked for: 0.2 */
        free(flow);
    }
}

/* ---- rate, forms, limits ---- */

static void count_message(void *context, const struct synthetic_message *message, bool snapshot)
{
    size_t *counts = context;
    if (!snapshot)
        counts[message->symbol]++;
}

static void keeps_its_rate(void **state)
{
    (void)state;
    static const double RATES[] = {5, 50, 400};
    for (size_t i = 0; i < 3; i++) {
        struct synthetic_config config = config_of(9, 5);
        config.rate_per_s = RATES[i];
        size_t counts[2] = {0};
        run(&config, count_message, counts);
        for (size_t symbol = 0; symbol < 2; symbol++) {
            double rate = (double)counts[symbol] / 300;
            if (rate < 0.85 * RATES[i] || rate > 1.15 * RATES[i])
                fail_msg("asked for %.0f messages a second, %s has %.1f", RATES[i], TWO_SYMBOLS[symbol],
                         rate);
        }
    }
}

struct forms {
    enum market_kind market;
    size_t seen;
};

static bool has(struct span object, const char *key)
{
    struct span value;
    return span_member(object, key, &value);
}

static void check_form(void *context, const struct synthetic_message *message, bool snapshot)
{
    struct forms *forms = context;
    bool spot = forms->market == MARKET_SPOT, coin = forms->market == MARKET_COINM;
    struct span data = snapshot ? (struct span){message->text, message->bytes} : data_of(message);
    forms->seen++;
    if (snapshot) {
        assert_int_equal(has(data, "T"), !spot);
        assert_int_equal(has(data, "symbol"), coin);
    } else if (message->kind == STREAM_DEPTH_DIFF) {
        assert_int_equal(has(data, "pu"), !spot);
        assert_int_equal(has(data, "ps"), coin);
    } else if (message->kind == STREAM_BOOK_TICKER) {
        assert_int_equal(has(data, "e"), !spot);
        assert_int_equal(has(data, "ps"), coin);
        struct span value;
        assert_true(span_member(data, "B", &value) && span_text(value, &value));
        const char *point = memchr(value.text, '.', value.bytes);
        assert_int_equal(point ? value.text + value.bytes - point - 1 : 0, spot ? 8 : coin ? 0 : 3);
    } else {
        assert_int_equal(has(data, "M"), spot);
    }
}

static void each_market_has_its_own_words(void **state)
{
    (void)state;
    static const char *const COIN_SYMBOL[] = {"BTCUSD_PERP"};
    for (int market = MARKET_USDM; market <= MARKET_SPOT; market++) {
        struct synthetic_config config = config_of(1, 1);
        config.market = (enum market_kind)market;
        config.symbols = market == MARKET_COINM ? COIN_SYMBOL : TWO_SYMBOLS;
        config.symbol_count = 1;
        struct forms forms = {.market = config.market};
        run(&config, check_form, &forms);
        assert_true(forms.seen > 1000);
    }
}

static void rest_trades_are_the_streamed_ones(void **state)
{
    (void)state;
    struct synthetic_config config = config_of(2, 1);
    struct synthetic *synthetic = create(&config);
    size_t counts[2] = {0};
    while (synthetic_step(synthetic, count_message, counts) == STATUS_OK)
        continue;
    struct buffer answer;
    buffer_init(&answer, 0);
    synthetic_agg_trades(synthetic, 0, 10, 3, &answer);
    struct span_walk walk;
    struct span trade;
    assert_true(span_walk_begin(span_of(buffer_text(&answer)), '[', &walk));
    for (int64_t id = 10; id < 13; id++) {
        assert_true(span_next_element(&walk, &trade));
        assert_int_equal(integer_of(trade, "a"), id);
        assert_false(has(trade, "s"));
    }
    assert_false(span_next_element(&walk, &trade));
    buffer_finish(&answer);
    synthetic_destroy(synthetic);
}

static void wrong_settings_are_said(void **state)
{
    (void)state;
    struct synthetic *synthetic;
    struct error error;
    static const char *const BAD_NAME[] = {"BTC/USDT"};
    struct synthetic_config config = config_of(1, 1);
    config.symbols = BAD_NAME;
    config.symbol_count = 1;
    assert_int_equal(synthetic_create(&config, &synthetic, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "BTC/USDT"));
    config = config_of(1, 1);
    config.rate_per_s = 0;
    assert_int_equal(synthetic_create(&config, &synthetic, &error), STATUS_INVALID);
    config = config_of(1, 1);
    config.flow_strength = NAN;
    assert_int_equal(synthetic_create(&config, &synthetic, &error), STATUS_INVALID);
    config = config_of(1, 1);
    config.size_sigma = NAN;
    assert_int_equal(synthetic_create(&config, &synthetic, &error), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(questions_change_nothing),
        cmocka_unit_test(symbols_do_not_disturb_each_other),
        cmocka_unit_test(diffs_rebuild_the_book_and_trades_are_its_executions),
        cmocka_unit_test(order_flow_moves_the_price),
        cmocka_unit_test(keeps_its_rate),
        cmocka_unit_test(each_market_has_its_own_words),
        cmocka_unit_test(rest_trades_are_the_streamed_ones),
        cmocka_unit_test(wrong_settings_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
