// links: harvest market proto base
/* The venue's JSON: one message, REST answer, control input or move; the first byte chooses market and kind. */
#include "fuzz.h"

#include "services/harvest/venue.h"

#include <string.h>

static const char *const SYMBOLS[] = {"BTCUSDT", "BTCUSD_PERP"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct error error = {{0}};
    struct venue_message message = {0};
    enum venue_reason reason = 0;
    struct venue_control control;
    struct venue_move move;
    if (!bytes)
        return 0;
    struct venue_config config = {.market = (enum venue_market)(data[0] % 3),
                                  .symbols = SYMBOLS,
                                  .symbol_count = 2,
                                  .raw_trades = data[0] & 64,
                                  .partial_books = data[0] & 32,
                                  .use_nq = data[0] & 16};
    struct venue *venue = venue_create(&config);
    enum status status;
    switch (data[0] / 3 % 4) {
    case 0: status = venue_parse_text(venue, data + 1, bytes - 1, &message, &reason, &error); break;
    case 1: status = venue_parse_rest(venue, data + 1, bytes - 1, &message, &reason, &error); break;
    case 2: status = venue_parse_control(venue, data + 1, bytes - 1, &control, &error); break;
    default:
        status = venue_parse_move(venue, data + 1, bytes - 1, &move, &error);
        fuzz_require(status != STATUS_OK || (move.symbol >= 0 && move.symbol < 2));
    }
    fuzz_require(status == STATUS_OK ||
                 (status == STATUS_MALFORMED || status == STATUS_UNSUPPORTED || status == STATUS_INVALID));
    fuzz_require(status != STATUS_OK || message.symbol < 2);
    if (status == STATUS_OK && message.trades)
        for (size_t i = 0; i < message.trade_count; i++)
            fuzz_require(message.trades[i].id >= 0 || message.trades[i].id < 0); /* readable */
    venue_destroy(venue);
    return 0;
}

static const struct {
    uint8_t choice;
    const char *text;
} SEEDS[] = {
    {0, "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1723161255030,\"s\":\"BTCUSDT\","
        "\"a\":26129,"
        "\"p\":\"61659.70\",\"q\":\"0.002\",\"f\":100,\"l\":105,\"T\":1723161255028,\"m\":true}}"},
    {64, "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161255030,\"s\":\"BTCUSDT\","
         "\"t\":26129,"
         "\"p\":\"61659.70\",\"q\":\"0.002\",\"X\":\"MARKET\",\"T\":1723161255028,\"m\":true}}"},
    {1, "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1723161255030,\"T\":"
        "1723161255028,\"s\":"
        "\"BTCUSDT\",\"U\":157,\"u\":160,\"pu\":149,\"b\":[[\"61659.70\",\"10\"]],\"a\":[[\"61659.80\",\"0\"]"
        "]}}"},
    {32, "{\"stream\":\"btcusdt@depth5@100ms\",\"data\":{\"lastUpdateId\":160,\"bids\":[[\"0.0024\",\"10\"]],"
         "\"asks\":[[\"0.0026\",\"100\"]]}}"},
    {0, "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":400900217,\"s\":\"BTCUSDT\",\"b\":\"25."
        "35190000\",\"B\":"
        "\"31.21000000\",\"a\":\"25.36520000\",\"A\":\"40.66000000\"}}"},
    {0, "{\"result\":null,\"id\":1}"},
    {0, "{\"error\":{\"code\":2,\"msg\":\"Invalid request\"},\"id\":1}"},
    {3,
     "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000\n{\"lastUpdateId\":1027024,\"bids\":[["
     "\"4.00000000\",\"431.00000000\"]],\"asks\":[[\"4.00000200\",\"12.00000000\"]]}"},
    {4, "https://fapi.binance.com/fapi/v1/"
        "aggTrades?symbol=BTCUSDT&fromId=1\n[{\"a\":26129,\"p\":\"0.01633102\",\"q\":"
        "\"4.70443515\",\"f\":27781,\"l\":27781,\"T\":1498793709153,\"m\":true}]"},
    {3,
     "https://api.binance.com/api/v3/"
     "exchangeInfo?symbol=BTCUSDT\n{\"symbols\":[{\"symbol\":\"BTCUSDT\",\"filters\":[{"
     "\"filterType\":\"PRICE_FILTER\",\"tickSize\":\"0.01000000\"},{\"filterType\":\"LOT_SIZE\",\"stepSize\":"
     "\"0.00001000\"}]}]}"},
    {5, "https://dapi.binance.com/dapi/v1/"
        "exchangeInfo\n{\"symbols\":[{\"symbol\":\"BTCUSD_PERP\",\"contractSize\":100,"
        "\"pricePrecision\":1,\"quantityPrecision\":0}]}"},
    {3, "https://api.binance.com/api/v3/depth?symbol=BTCUSDT\n{\"code\":-1121,\"msg\":\"Invalid symbol.\"}"},
    {9, "{\"move\":\"expect\",\"symbol\":\"BTCUSDT\",\"version\":2,\"from\":\"harvest\"}"},
    {6, "{\"decision\":\"slice_weight\",\"value\":0.5,\"symbol\":\"BTCUSDT\"}"},
};

void fuzz_seeds(fuzz_take *take)
{
    for (size_t i = 0; i < sizeof SEEDS / sizeof SEEDS[0]; i++) {
        char text[2048];
        size_t length = strlen(SEEDS[i].text);
        text[0] = (char)SEEDS[i].choice;
        memcpy(text + 1, SEEDS[i].text, length);
        take(text, length + 1);
    }
}
