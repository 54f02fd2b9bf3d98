/* hosts: all sockets of a run belong to one venue and one environment (data.md §1.1). */
#include "internal.h"

#include <stdio.h>
#include <string.h>

enum { HOST_BYTES = 256 };
enum environment { ENVIRONMENT_LIVE, ENVIRONMENT_TEST, ENVIRONMENT_LOCAL, ENVIRONMENT_OTHER };

static const char *const ENVIRONMENT_NAMES[] = {"a live host", "a test host", "a loopback host",
                                                "an unknown host"};

/* Hosts whose market is known; markets are separated by spaces. */
static const struct {
    const char *host;
    const char *markets;
} KNOWN[] = {
    {"fstream.binance.com", "usdm"},
    {"fapi.binance.com", "usdm"},
    {"demo-fapi.binance.com", "usdm"},
    {"fstream.binancefuture.com", "usdm"},
    {"stream.binancefuture.com", "usdm"},
    {"dstream.binance.com", "coinm"},
    {"dapi.binance.com", "coinm"},
    {"demo-dapi.binance.com", "coinm"},
    {"dstream.binancefuture.com", "coinm"},
    {"testnet.binancefuture.com", "usdm coinm"},
    {"stream.binance.com", "spot"},
    {"data-stream.binance.vision", "spot"},
    {"data-api.binance.vision", "spot"},
    {"api.binance.com", "spot"},
    {"api1.binance.com", "spot"},
    {"api2.binance.com", "spot"},
    {"api3.binance.com", "spot"},
    {"api4.binance.com", "spot"},
    {"api-gcp.binance.com", "spot"},
    {"testnet.binance.vision", "spot"},
    {"stream.testnet.binance.vision", "spot"},
};

static void url_host(const char *url, char out_host[HOST_BYTES])
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    const char *at = strchr(start, '@');
    if (at && at < start + strcspn(start, "/"))
        start = at + 1;
    size_t length = *start == '[' ? strcspn(start, "]") + 1 : strcspn(start, ":/");
    snprintf(out_host, HOST_BYTES, "%.*s", (int)length, start);
    for (char *letter = out_host; *letter; letter++)
        if (*letter >= 'A' && *letter <= 'Z')
            *letter = (char)(*letter - 'A' + 'a');
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static enum environment host_environment(const char *host)
{
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || strncmp(host, "127.", 4) == 0)
        return ENVIRONMENT_LOCAL;
    if (strstr(host, "testnet.binance") || strncmp(host, "demo-", 5) == 0 ||
        ends_with(host, "binancefuture.com"))
        return ENVIRONMENT_TEST;
    if (ends_with(host, ".binance.com") || ends_with(host, ".binance.vision"))
        return ENVIRONMENT_LIVE;
    return ENVIRONMENT_OTHER;
}

static const char *host_markets(const char *host)
{
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcmp(KNOWN[i].host, host) == 0)
            return KNOWN[i].markets;
    return NULL;
}

/* used_urls: the keys of the addresses that the url_mode uses; returns how many. */
static size_t used_urls(const struct config *config, const char *out_keys[3])
{
    size_t count = 0;
    if (strcmp(config_text(config, "harvest.url_mode"), "combined") == 0) {
        out_keys[count++] = "harvest.combined_url";
    } else {
        out_keys[count++] = "harvest.public_url";
        out_keys[count++] = "harvest.market_url";
    }
    out_keys[count++] = "harvest.rest_url";
    return count;
}

static void check_simulator_host(const struct config *config, const char *key, const char *host,
                                 struct config_errors *errors)
{
    enum environment environment = host_environment(host);
    if (environment == ENVIRONMENT_LIVE || environment == ENVIRONMENT_TEST)
        config_errors_add(errors, config_place(config, key), key,
                          "is on %s, which is Binance; with harvest.venue simulator leave it out", host);
}

static void check_market(const struct config *config, const char *key, const char *host,
                         struct config_errors *errors)
{
    const char *markets = host_markets(host), *market = config_text(config, "harvest.market");
    if (markets && !strstr(markets, market))
        config_errors_add(errors, config_place(config, key), key, "%s serves %s, but harvest.market is %s",
                          host, markets, market);
}

/* check_pair: the place of what a person wrote is named, not that of the built-in it clashes with. */
static void check_pair(const struct config *config, const char *first, const char *second,
                       struct config_errors *errors)
{
    const char *keys[2] = {first, second};
    char hosts[2][HOST_BYTES];
    enum environment environments[2];
    for (size_t i = 0; i < 2; i++) {
        url_host(config_text(config, keys[i]), hosts[i]);
        environments[i] = host_environment(hosts[i]);
    }
    if (environments[0] == environments[1])
        return;
    size_t mine = config_origin_of(config, keys[1]) > ORIGIN_PROFILE ? 1 : 0, other = 1 - mine;
    config_errors_add(errors, config_place(config, keys[mine]), keys[mine],
                      "%s is %s, but %s is %s (%s); a run has one environment, set both", hosts[mine],
                      ENVIRONMENT_NAMES[environments[mine]], keys[other],
                      ENVIRONMENT_NAMES[environments[other]], hosts[other]);
}

void check_hosts(const struct config *config, struct config_errors *errors)
{
    const char *keys[3];
    size_t count = used_urls(config, keys);
    bool simulator = strcmp(config_text(config, "harvest.venue"), "simulator") == 0;
    bool complete = true;
    for (size_t i = 0; i < count; i++) {
        char host[HOST_BYTES];
        url_host(config_text(config, keys[i]), host);
        if (simulator)
            check_simulator_host(config, keys[i], host, errors);
        else if (!*host)
            config_errors_add(errors, config_place(config, keys[i]), keys[i],
                              "must not be empty with harvest.venue %s",
                              config_text(config, "harvest.venue"));
        else
            check_market(config, keys[i], host, errors);
        complete = complete && *host;
    }
    for (size_t i = 1; !simulator && complete && i < count; i++)
        check_pair(config, keys[i - 1], keys[i], errors);
}
