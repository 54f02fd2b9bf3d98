/* synthetic: the flow of orders. */
#include "synthetic_internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The shape of the market, found by trial (tests/unit/simulator/test_synthetic.c holds what it must show). */
static const double MARKET_ORDER_SHARE = 0.14; /* of all events */
static const double INSIDE_SHARE = 0.9;        /* of limit orders while the spread is open */
static const double JOIN_SHARE = 0.15;         /* of the others: at the best price itself */
static const double DISTANCE_MEAN_TICKS = 22;
static const double PRESSURE_KEPT = 0.9969; /* from event to event: a time of 320 events */
static const double PRESSURE_SHARPNESS = 2;
static const double TILT_MAX = 0.95; /* the other side never falls silent */
static const double LIMIT_ORDER_MEAN_LOTS = 11, MARKET_ORDER_MEAN_LOTS = 16;
enum {
    RESTING_ORDERS = 320, /* both sides, about which their number swings */
    SIDE_ORDERS_MIN = 30,
    BURN_IN_EVENTS = 4000,
    DEPTH_PERIOD_MS = 100,
};

/* Messages per event as this shape gives them, to meet simulator.rate. */
static const double TRADES_PER_EVENT = 0.21;
static const double TICKERS_PER_EVENT = 0.29;

static enum book_side_name other_side(enum book_side_name side)
{
    return side == SIDE_BID ? SIDE_ASK : SIDE_BID;
}

/* buy_share: how likely the next event of a kind is on the buyers' side. */
static double buy_share(const struct synthetic *synthetic, const struct symbol_market *market)
{
    double tilt = synthetic->flow_strength * tanh(PRESSURE_SHARPNESS * market->pressure);
    return (1 + fmin(fmax(tilt, -TILT_MAX), TILT_MAX)) / 2;
}

static void move_pressure(struct symbol_market *market)
{
    double fresh = sqrt(1 - PRESSURE_KEPT * PRESSURE_KEPT);
    market->pressure = PRESSURE_KEPT * market->pressure + fresh * random_normal(&market->random);
}

static int64_t draw_lots(const struct synthetic *synthetic, struct random *random, double mean_lots)
{
    double sigma = synthetic->size_sigma;
    return 1 + (int64_t)(sigma > 0 ? mean_lots * exp(sigma * random_normal(random) - sigma * sigma / 2)
                                   : random_exponential(random, mean_lots));
}

static size_t side_orders(const struct order_book *book, enum book_side_name side)
{
    size_t orders = 0;
    for (size_t i = 0; i < book->sides[side].count && orders < SIDE_ORDERS_MIN; i++)
        orders += book->sides[side].levels[book->sides[side].count - 1 - i].orders;
    return orders;
}

static void place_order(const struct synthetic *synthetic, struct symbol_market *market,
                        enum book_side_name side)
{
    struct order_book *book = &market->book;
    struct random *random = &market->random;
    if (order_book_full(book))
        return;
    int64_t direction = side == SIDE_BID ? 1 : -1;
    int64_t own = order_book_best(book, side)->price_ticks;
    int64_t opposite = order_book_best(book, other_side(side))->price_ticks;
    int64_t open_ticks = (opposite - own) * direction - 1;
    bool joins = random_unit(random) < JOIN_SHARE;
    int64_t price = joins ? own : own - direction * (int64_t)random_exponential(random, DISTANCE_MEAN_TICKS);
    if (open_ticks > 0 && random_unit(random) < INSIDE_SHARE)
        price = own + direction * (1 + (int64_t)random_below(random, (uint64_t)open_ticks));
    if (price > 0)
        order_book_add(book, side, price, draw_lots(synthetic, random, LIMIT_ORDER_MEAN_LOTS));
}

/* cancel_order: one of two random orders, the one on the side that is to shrink if they differ. */
static void cancel_order(struct symbol_market *market, enum book_side_name shrinking)
{
    struct order_book *book = &market->book;
    uint32_t first = (uint32_t)random_below(&market->random, book->order_count);
    uint32_t second = (uint32_t)random_below(&market->random, book->order_count);
    enum book_side_name side;
    int64_t price;
    order_book_order(book, first, &side, &price);
    uint32_t chosen = side == shrinking ? first : second;
    order_book_order(book, chosen, &side, &price);
    if (side_orders(book, side) >= SIDE_ORDERS_MIN)
        order_book_cancel(book, chosen);
}

static void execute_order(struct synthetic *synthetic, uint16_t index, bool buys, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    struct fill fills[FILLS_MAX];
    enum book_side_name side = buys ? SIDE_ASK : SIDE_BID;
    size_t levels = market->book.sides[side].count;
    if (side_orders(&market->book, side) < SIDE_ORDERS_MIN)
        return;
    int64_t lots = draw_lots(synthetic, &market->random, MARKET_ORDER_MEAN_LOTS);
    /* The last level stays: no side is ever empty. */
    size_t count =
        order_book_execute(&market->book, side, lots, fills, levels <= FILLS_MAX ? levels - 1 : FILLS_MAX);
    market->update_id += (int64_t)count;
    say_trades(synthetic, index, fills, count, !buys, target);
}

/* act: one event of the symbol's flow. */
static void act(struct synthetic *synthetic, uint16_t index, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    struct order_book *book = &market->book;
    double kind = random_unit(&market->random);
    bool buys = random_unit(&market->random) < buy_share(synthetic, market);
    uint64_t changes = book->change_total;
    if (kind < MARKET_ORDER_SHARE) {
        execute_order(synthetic, index, buys, target);
        return;
    }
    if (random_unit(&market->random) * 2 * RESTING_ORDERS < book->order_count)
        cancel_order(market, buys ? SIDE_ASK : SIDE_BID);
    else
        place_order(synthetic, market, buys ? SIDE_BID : SIDE_ASK);
    market->update_id += (int64_t)(book->change_total - changes);
}

static void schedule_event(struct synthetic *synthetic, struct symbol_market *market)
{
    double seconds = random_exponential(&market->random, 1 / synthetic->event_rate_per_s);
    market->next_event_ns = market->event_ns + 1 + (int64_t)(seconds * 1e9);
}

static void step_event(struct synthetic *synthetic, uint16_t index, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    move_pressure(market);
    market->event_ns = market->next_event_ns;
    act(synthetic, index, target);
    say_ticker(synthetic, index, target);
    schedule_event(synthetic, market);
}

static void step_depth(struct synthetic *synthetic, uint16_t index, struct say_target target)
{
    struct symbol_market *market = &synthetic->markets[index];
    int64_t boundary_ns = market->next_depth_ns;
    market->next_depth_ns += DEPTH_PERIOD_MS * 1000000LL;
    if (market->update_id == market->depth_update_id)
        return;
    say_depth(synthetic, index, boundary_ns, target);
    if (!market->snapshot_said)
        say_snapshot(synthetic, index, boundary_ns, target);
    market->snapshot_said = true;
}

static int64_t next_ns(const struct symbol_market *market)
{
    return market->next_event_ns < market->next_depth_ns ? market->next_event_ns : market->next_depth_ns;
}

enum status synthetic_step(struct synthetic *synthetic, synthetic_say *say, void *context)
{
    size_t chosen = 0;
    for (size_t i = 1; i < synthetic->market_count; i++)
        if (next_ns(&synthetic->markets[i]) < next_ns(&synthetic->markets[chosen]))
            chosen = i;
    struct symbol_market *market = &synthetic->markets[chosen];
    if (next_ns(market) > synthetic->end_ns)
        return STATUS_END;
    struct say_target target = {say, context};
    if (market->next_event_ns < market->next_depth_ns)
        step_event(synthetic, (uint16_t)chosen, target);
    else
        step_depth(synthetic, (uint16_t)chosen, target);
    return STATUS_OK;
}

/* ---- beginning ---- */

/* event_rate: how many events a second give `rate` messages a second; depth updates saturate at ten. */
static double event_rate(double rate)
{
    double low = 0, high = rate / TRADES_PER_EVENT;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        double messages = middle * (TRADES_PER_EVENT + TICKERS_PER_EVENT) +
                          10 * (1 - exp(-middle * DEPTH_PERIOD_MS / 1000));
        if (messages < rate)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* known_symbols: prices of the time the market pretends to be in; others get one from their name. */
static const struct known_symbol {
    const char *base;
    int64_t price_ticks;
    struct synthetic_scale scale;
    int64_t lot_units;
} KNOWN_SYMBOLS[] = {
    {"BTC", 36500, {.price_decimals = 1, .quantity_decimals = 3, .tick_units = 10}, 2},
    {"ETH", 39600, {.price_decimals = 2, .quantity_decimals = 3, .tick_units = 5}, 40},
};

static struct known_symbol describe_symbol(const char *name)
{
    for (size_t i = 0; i < sizeof KNOWN_SYMBOLS / sizeof *KNOWN_SYMBOLS; i++)
        if (strncmp(name, KNOWN_SYMBOLS[i].base, 3) == 0)
            return KNOWN_SYMBOLS[i];
    uint64_t hash = hash_fnv1a(name, strlen(name));
    return (struct known_symbol){.price_ticks = 20000 + (int64_t)(hash % 20000),
                                 .scale = {.price_decimals = 4, .quantity_decimals = 1, .tick_units = 1},
                                 .lot_units = 250};
}

static bool symbol_name_is_good(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    return length > 0 && length < SYMBOL_TEXT_BYTES;
}

static void ignore(void *context, const struct synthetic_message *message, bool snapshot)
{
    (void)context;
    (void)message;
    (void)snapshot;
}

/* open_market: a book around the price, then some thousand events before anybody listens. */
static void open_market(struct synthetic *synthetic, uint16_t index, const char *name, uint64_t seed)
{
    struct symbol_market *market = &synthetic->markets[index];
    for (size_t i = 0; name[i]; i++) {
        market->name[i] = (char)toupper((unsigned char)name[i]);
        market->lower[i] = (char)tolower((unsigned char)name[i]);
    }
    struct known_symbol known = describe_symbol(market->name);
    market->scale = known.scale;
    market->lot_units = known.lot_units;
    if (synthetic->market == MARKET_COINM) {
        market->scale.quantity_decimals = 0; /* contracts */
        market->lot_units = 1;
    }
    random_seed(&market->random, seed ^ hash_fnv1a(market->name, strlen(market->name)));
    order_book_init(&market->book);
    market->event_ns = synthetic->start_ns;
    market->trades = memory_allocate(SYNTHETIC_TRADES_KEPT * sizeof *market->trades);
    order_book_add(&market->book, SIDE_BID, known.price_ticks - 1, 10);
    order_book_add(&market->book, SIDE_ASK, known.price_ticks + 1, 10);
    for (int i = 0; i < RESTING_ORDERS; i++)
        place_order(synthetic, market, i % 2 ? SIDE_BID : SIDE_ASK);
    for (int i = 0; i < BURN_IN_EVENTS; i++) {
        move_pressure(market);
        act(synthetic, index, (struct say_target){ignore, NULL});
    }
    size_t changes;
    order_book_take_changes(&market->book, &changes);
    say_ticker(synthetic, index, (struct say_target){ignore, NULL});
    market->depth_update_id = market->update_id;
    market->agg_trade_id = 0;
    market->trade_id = 0;
    market->next_depth_ns =
        floor_multiple(synthetic->start_ns, DEPTH_PERIOD_MS * 1000000LL) + DEPTH_PERIOD_MS * 1000000LL;
    schedule_event(synthetic, market);
}

static enum status check(const struct synthetic_config *config, struct error *error)
{
    if (!config->symbol_count || config->symbol_count > SYNTHETIC_SYMBOLS_MAX)
        return error_set(error, STATUS_INVALID, "simulator.symbols: 1 to %d symbols, not %zu",
                         SYNTHETIC_SYMBOLS_MAX, config->symbol_count);
    for (size_t i = 0; i < config->symbol_count; i++)
        if (!symbol_name_is_good(config->symbols[i]))
            return error_set(error, STATUS_INVALID,
                             "simulator.symbols: '%s' is no symbol (letters, digits, _)", config->symbols[i]);
    if (!(config->rate_per_s > 0) || config->rate_per_s > 1e6)
        return error_set(error, STATUS_INVALID,
                         "simulator.rate: more than 0 and at most 1000000 messages per second");
    if (!(config->size_sigma >= 0 && config->size_sigma <= 4))
        return error_set(error, STATUS_INVALID, "simulator.size_sigma: must be between 0 and 4");
    if (!(config->flow_strength >= 0 && config->flow_strength <= 10))
        return error_set(error, STATUS_INVALID, "simulator.flow_strength: between 0 and 10");
    return STATUS_OK;
}

enum status synthetic_create(const struct synthetic_config *config, struct synthetic **out_synthetic,
                             struct error *error)
{
    enum status status = check(config, error);
    if (status != STATUS_OK)
        return status;
    struct synthetic *synthetic = memory_allocate(sizeof *synthetic);
    synthetic->market = config->market;
    synthetic->market_count = config->symbol_count;
    synthetic->markets = memory_allocate(config->symbol_count * sizeof *synthetic->markets);
    synthetic->event_rate_per_s = event_rate(config->rate_per_s);
    synthetic->flow_strength = config->flow_strength;
    synthetic->size_sigma = config->size_sigma;
    synthetic->start_ns = config->start_ms * 1000000;
    synthetic->end_ns = config->length_ms ? synthetic->start_ns + config->length_ms * 1000000 : INT64_MAX;
    buffer_init(&synthetic->text, 0);
    for (size_t i = 0; i < config->symbol_count; i++)
        open_market(synthetic, (uint16_t)i, config->symbols[i], config->seed);
    *out_synthetic = synthetic;
    return STATUS_OK;
}

void synthetic_destroy(struct synthetic *synthetic)
{
    if (!synthetic)
        return;
    for (size_t i = 0; i < synthetic->market_count; i++) {
        order_book_finish(&synthetic->markets[i].book);
        free(synthetic->markets[i].trades);
    }
    free(synthetic->markets);
    buffer_finish(&synthetic->text);
    free(synthetic);
}

struct synthetic_scale synthetic_scale(const struct synthetic *synthetic, uint16_t symbol)
{
    return synthetic->markets[symbol].scale;
}
