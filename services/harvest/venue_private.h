/* venue_private: what venue.c, venue_fields.c and venue_rest.c share. */
#pragma once

#include "base/map.h"
#include "venue.h"

#include <yyjson.h>

enum { VENUE_KEY_SLOTS = 128 };

struct venue {
    enum venue_market market;
    bool raw_trades;
    bool partial_books;
    bool use_nq;
    struct map upper; /* BTCUSDT -> index */
    struct map lower; /* btcusdt -> index */
    struct venue_instrument *instruments;
    size_t symbol_count;
    char *pool;
    size_t pool_bytes;
    struct book_level *levels;
    size_t level_capacity;
    struct venue_trade *trades;
    size_t trade_capacity;
    int first_used; /* venue_first_used */
};

/* parse: what the functions share about the message at hand. */
struct parse {
    struct venue *venue;
    struct venue_message *out;
    struct error *error;
    enum venue_reason reason;
    yyjson_val *keys[VENUE_KEY_SLOTS]; /* one-letter keys of `data` by letter */
    yyjson_val *previous;              /* pu */
    yyjson_val *net_quantity;          /* nq */
};

/* venue_use: from now on the exponents of a symbol stand. */
void venue_use(struct venue *venue, int symbol);

/* venue_parse_begin: an empty message and no reason. */
void venue_parse_begin(struct parse *parse, struct venue *venue, struct venue_message *out,
                       struct error *error);

/* venue_read_json: a document in the parser's pool; *out_spare is a larger pool to free behind it, or NULL. */
yyjson_doc *venue_read_json(struct venue *venue, const char *text, size_t bytes, void **out_spare);

/* venue_refuse, venue_refuse_key: the reason and its sentence; the status that belongs to it. */
enum status venue_refuse(struct parse *parse, enum venue_reason reason, const char *what);
enum status venue_refuse_key(struct parse *parse, enum venue_reason reason, const char *key);

/* venue_collect_keys: the values of an object's keys, to be looked up by letter. */
void venue_collect_keys(struct parse *parse, yyjson_val *object);

bool venue_take_whole(yyjson_val *value, int64_t least, int64_t most, int64_t *out_number);
bool venue_take_id(yyjson_val *value, int64_t *out_id);

/* venue_take_sides: both arrays of levels of a book; false when any of it is unsound. */
bool venue_take_sides(struct parse *parse, yyjson_val *bids, yyjson_val *asks);

/* venue_take_trade_fields: of an aggTrade (WebSocket or REST) or, with `raw`, of a raw trade. */
enum status venue_take_trade_fields(struct parse *parse, bool raw, struct venue_trade *out_trade);

/* The `data` of a message whose keys are collected and whose symbol is known. */
enum status venue_take_trade(struct parse *parse);
enum status venue_take_depth(struct parse *parse);
enum status venue_take_ticker(struct parse *parse);
