/* catalogue: which symbols and streams a market has.
 *
 * A stream's name is the venue's ("btcusdt@depth@0ms"); its symbol is the part before the first '@' in upper
 * case. */
#pragma once

#include "span.h"

#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAMS_MAX = 4096, NAME_BYTES = 64, STREAM_NONE = UINT16_MAX, SYMBOL_NONE = UINT16_MAX };

enum market_kind { MARKET_UNKNOWN, MARKET_USDM, MARKET_COINM, MARKET_SPOT };

/* market_name: "usdm", "coinm", "spot", "unknown". */
const char *market_name(enum market_kind market);
bool market_parse(const char *name, enum market_kind *out_market);

enum stream_kind {
    STREAM_OTHER,
    STREAM_DEPTH_DIFF,    /* @depth, @depth@0ms, @depth@100ms */
    STREAM_DEPTH_PARTIAL, /* @depth5 … */
    STREAM_TRADE,
    STREAM_AGG_TRADE,
    STREAM_BOOK_TICKER,
};

struct stream {
    char name[NAME_BYTES];
    uint16_t symbol; /* SYMBOL_NONE for streams of the whole market ("!bookTicker") */
    enum stream_kind kind;
    uint64_t messages;
};

struct symbol {
    char name[NAME_BYTES];
    bool offered;       /* false: left out by simulator.symbols */
    int price_decimals; /* most decimals written … */
    int quantity_decimals;
    int price_significant; /* … and most without the zeros at the end */
    int quantity_significant;
};

struct catalogue {
    struct stream *streams;
    size_t stream_count, stream_capacity;
    struct symbol *symbols;
    size_t symbol_count, symbol_capacity;
    struct map stream_index, symbol_index;
};

void catalogue_init(struct catalogue *catalogue);
void catalogue_finish(struct catalogue *catalogue);

/* catalogue_add_symbol: index of the symbol (upper case), new or known; SYMBOL_NONE when the name or their
 * number is too long. catalogue_add_stream likewise, STREAM_NONE. */
uint16_t catalogue_add_symbol(struct catalogue *catalogue, struct span name);
uint16_t catalogue_add_stream(struct catalogue *catalogue, struct span name);
uint16_t catalogue_symbol(const struct catalogue *catalogue, const char *name); /* any case; SYMBOL_NONE */
uint16_t catalogue_stream(const struct catalogue *catalogue, const char *name); /* STREAM_NONE */

enum stream_kind stream_kind_of(struct span name);

/* symbol_is_coin_margined: BTCUSD_PERP, ETHUSD_240927: '_' behind a pair in USD. */
bool symbol_is_coin_margined(const char *symbol);

/* symbol_observe_price, …_quantity: widens the symbol's decimals to a text seen. */
void symbol_observe_price(struct symbol *symbol, struct span text);
void symbol_observe_quantity(struct symbol *symbol, struct span text);
