#include "chain.h"

#include "base/memory.h"
#include "proto/control.h"
#include "proto/order.h"
#include "services/broker/paper.h"
#include "services/features/settings.h"
#include "services/features/symbol.h"
#include "services/features/zone.h"
#include "services/harvest/settings.h"
#include "services/signal/settings.h"

#include <stdlib.h>
#include <string.h>

const char *const CHAIN_SERVICE_NAMES[] = {"harvest", "features", "signal", "broker", NULL};

struct chain_symbol {
    char name[SYMBOL_BYTES];
    struct features_symbol *features;
    struct signal_decision decision;
    struct paper_broker paper;
    int64_t sequences[CHAIN_SERVICES];
};

struct chain {
    struct feed *feed;
    struct feed_config feed_config; /* its symbols point at `names` */
    const char **names;
    struct chain_symbol *symbols;
    size_t symbol_count;
    struct zone zone;
    size_t only; /* SIZE_MAX: all */
    size_t books_counter, trades_counter;
    chain_visit *visit;
    void *context;
    uint64_t record; /* in turn */
    int64_t source;  /* harvest row in turn */
    size_t symbol;   /* its symbol */
};

static void tell(struct chain *chain, enum chain_service service, size_t symbol,
                 const struct message *message, const void *row)
{
    const struct chain_row told = {
        .service = service,
        .symbol = symbol,
        .message = message,
        .row = row,
        .sequence = ++chain->symbols[symbol].sequences[service],
        .source = chain->source,
        .record = chain->record,
    };
    chain->visit(chain->context, &told);
}

/* --- from one engine to the next --- */

static void take_signal(struct chain *chain, size_t symbol, const struct signal_row *signal)
{
    struct paper_orders orders;
    tell(chain, CHAIN_SIGNAL, symbol, &signal_message, signal);
    if (!paper_broker_feed(&chain->symbols[symbol].paper, signal, &orders))
        return;
    tell(chain, CHAIN_BROKER, symbol, &order_message, &orders.order);
    if (!orders.has_fill)
        return;
    tell(chain, CHAIN_BROKER, symbol, &fill_message, &orders.fill);
    tell(chain, CHAIN_BROKER, symbol, &position_message, &orders.position);
}

static void take_features(void *context, const struct message *message, const void *row)
{
    struct chain *chain = context;
    size_t symbol = chain->symbol;
    struct signal_row signal;
    tell(chain, CHAIN_FEATURES, symbol, message, row);
    if (message == &feature_message && signal_decision_feed(&chain->symbols[symbol].decision, row, &signal)) {
        take_signal(chain, symbol, &signal);
    } else if (message == &control_message) {
        signal_decision_control(&chain->symbols[symbol].decision, row);
        tell(chain, CHAIN_SIGNAL, symbol, message, row);
        tell(chain, CHAIN_BROKER, symbol, message, row);
    }
}

static void take_harvest(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct chain *chain = context;
    const struct features_sink sink = {chain, take_features, NULL, NULL};
    chain->symbol = symbol;
    chain->source = feed_sequence(chain->feed, symbol);
    tell(chain, CHAIN_HARVEST, symbol, message, row);
    if (chain->only == SIZE_MAX || chain->only == symbol)
        features_symbol_feed(chain->symbols[symbol].features, message->kind, row, chain->source, &sink);
}

/* --- life --- */

static enum status open_symbol(struct chain *chain, const struct config *config, const char *run_id,
                               const struct paper_config *paper, size_t index, struct error *error)
{
    struct chain_symbol *symbol = &chain->symbols[index];
    struct features_config features;
    struct signal_config signal;
    memcpy(symbol->name, chain->names[index], strnlen(chain->names[index], sizeof symbol->name - 1));
    enum status status = features_settings(config, symbol->name, &chain->zone, &features, error);
    if (status == STATUS_OK)
        status = signal_settings(config, run_id, symbol->name, &signal, error);
    if (status != STATUS_OK)
        return status;
    symbol->features = features_symbol_create(&features);
    signal_decision_init(&symbol->decision, &signal);
    paper_broker_init(&symbol->paper, paper);
    return STATUS_OK;
}

static size_t counter_index(const struct features_symbol *features, const char *wanted)
{
    const char *name;
    int64_t value;
    for (size_t i = 0; features_symbol_counter(features, i, &name, &value); i++)
        if (strcmp(name, wanted) == 0)
            return i;
    abort(); /* it is the engine's own table */
}

static enum status open_symbols(struct chain *chain, const struct config *config, const char *run_id,
                                struct error *error)
{
    const struct paper_config paper = {
        .sample_rate = config_f64(config, "broker.sample_rate"),
        .slippage_bps = config_f64(config, "broker.slippage_bps"),
        .fee_bps = config_f64(config, "broker.fee_bps"),
        .order_qty = config_f64(config, "broker.order_qty"),
    };
    enum status status = paper_config_check(&paper, error);
    if (status == STATUS_OK)
        status = zone_load(config_text(config, "strategy_mode.schedule.timezone"), &chain->zone, error);
    for (size_t i = 0; status == STATUS_OK && i < chain->symbol_count; i++)
        status = open_symbol(chain, config, run_id, &paper, i, error);
    if (status == STATUS_OK) {
        chain->books_counter = counter_index(chain->symbols[0].features, "books");
        chain->trades_counter = counter_index(chain->symbols[0].features, "trades");
    }
    return status;
}

struct chain *chain_create(const struct config *config, const int16_t *owners, const char *run_id,
                           chain_visit *visit, void *context, struct error *error)
{
    struct config_list list = config_list(config, "run.symbols");
    struct chain *chain = memory_allocate(sizeof *chain);
    chain->visit = visit;
    chain->context = context;
    chain->only = SIZE_MAX;
    chain->symbol_count = list.count;
    chain->names = memory_allocate((list.count + 1) * sizeof *chain->names);
    chain->symbols = memory_allocate((list.count + 1) * sizeof *chain->symbols);
    zone_init_utc(&chain->zone);
    for (size_t i = 0; i < list.count; i++)
        chain->names[i] = list.texts[i];
    feed_settings(config, chain->names, list.count, &chain->feed_config);
    chain->feed_config.owners = owners;
    chain->feed = feed_create(&chain->feed_config, take_harvest, chain, error);
    if (!chain->feed || open_symbols(chain, config, run_id, error) != STATUS_OK) {
        chain_destroy(chain);
        return NULL;
    }
    for (size_t i = 0; i < list.count;
         i++) /* the configuration's own texts were borrowed for the call only */
        chain->names[i] = chain->symbols[i].name;
    return chain;
}

void chain_destroy(struct chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->symbol_count; i++)
        features_symbol_destroy(chain->symbols[i].features);
    feed_destroy(chain->feed);
    zone_finish(&chain->zone);
    free(chain->symbols);
    free(chain->names);
    free(chain);
}

void chain_only(struct chain *chain, size_t symbol)
{
    chain->only = symbol;
}

void chain_record(struct chain *chain, const struct capture_record *record)
{
    chain->record = record->seq;
    enum status counted = feed_record(chain->feed, record, NULL);
    (void)counted;
}

void chain_end(struct chain *chain)
{
    feed_end(chain->feed);
}

/* --- questions --- */

size_t chain_symbol_count(const struct chain *chain)
{
    return chain->symbol_count;
}

const char *chain_symbol(const struct chain *chain, size_t index)
{
    return chain->names[index];
}

size_t chain_symbol_index(const struct chain *chain, const char *symbol)
{
    for (size_t i = 0; i < chain->symbol_count; i++)
        if (strcmp(chain->names[i], symbol) == 0)
            return i;
    return SIZE_MAX;
}

int chain_levels(const struct chain *chain)
{
    return chain->feed_config.levels;
}

struct venue *chain_parser(const struct chain *chain)
{
    const struct feed_config *feed = &chain->feed_config;
    const struct venue_config config = {
        .market = feed->market,
        .symbols = chain->names,
        .symbol_count = chain->symbol_count,
        .raw_trades = feed->raw_trades,
        .partial_books = feed->book_source == BOOK_SOURCE_PARTIAL,
        .use_nq = feed->use_nq,
    };
    return venue_create(&config);
}

int64_t chain_synchronisations(const struct chain *chain, size_t symbol)
{
    return feed_count(chain->feed, symbol, FEED_SYNCHRONISATIONS);
}

static int64_t counter(const struct chain *chain, size_t symbol, size_t index)
{
    const char *name;
    int64_t value = 0;
    features_symbol_counter(chain->symbols[symbol].features, index, &name, &value);
    return value;
}

int64_t chain_books_taken(const struct chain *chain, size_t symbol)
{
    return counter(chain, symbol, chain->books_counter);
}

int64_t chain_trades_taken(const struct chain *chain, size_t symbol)
{
    return counter(chain, symbol, chain->trades_counter);
}

const struct signal_decision *chain_decision(const struct chain *chain, size_t symbol)
{
    return &chain->symbols[symbol].decision;
}
