/* resume: what makes a killed simulator go on as a venue would. At N× market time has passed meanwhile, as
 * wall time has; at max it goes on where its readers had been given everything. */
#include "simulator_internal.h"

#include "base/hash.h"
#include "base/log.h"

#include <stdio.h>

/* digest_market: what is played and how. Where it begins (start_ms) is kept beside it; what a recording says of
 * itself may be in the configuration only after the first start, and is left out. */
static void digest_market(const struct simulator_config *config, char out_text[POSITION_MARKET_BYTES])
{
    const struct venue_config *venue = &config->venue;
    const struct synthetic_config *made = &venue->synthetic;
    char hex[SHA256_HEX_BYTES];
    struct buffer text;
    buffer_init(&text, 0);
    buffer_format(&text, "speed %.17g shift %d inject %s", config->speed, venue->shift,
                  config->inject_path ? config->inject_path : "");
    if (venue->capture_count == 0)
        buffer_format(&text, "\nseed %llu market %d rate %.17g flow %.17g sizes %.17g length %lld",
                      (unsigned long long)made->seed, (int)made->market, made->rate_per_s,
                      made->flow_strength, made->size_sigma, (long long)made->length_ms);
    for (size_t i = 0; i < venue->capture_count; i++)
        buffer_format(&text, "\ncapture %s", venue->captures[i]);
    for (size_t i = 0; i < made->symbol_count; i++)
        buffer_format(&text, "\nsymbol %s", made->symbols[i]);
    sha256_hex(text.data, text.length, hex);
    snprintf(out_text, POSITION_MARKET_BYTES, "%.*s", POSITION_MARKET_BYTES - 1, hex);
    buffer_finish(&text);
}

enum status resume_open(struct simulator *simulator, const struct simulator_config *config,
                        struct position *out_position, bool *out_found, struct error *error)
{
    char market[POSITION_MARKET_BYTES];
    simulator->start_ms = config->venue.synthetic.start_ms;
    *out_found = false;
    if (!config->position_path)
        return STATUS_OK;
    digest_market(config, market);
    enum status status = position_open(config->position_path, config->run_id ? config->run_id : "", market,
                                       &simulator->position, out_position, out_found, error);
    if (status == STATUS_OK && *out_found)
        simulator->start_ms = out_position->start_ms;
    return status;
}

void resume_market(struct simulator *simulator, const struct position *position)
{
    struct market *market = &simulator->market;
    int64_t away_ns = clock_wall_ns(&simulator->clock) - position->base_wall_ns;
    bool paced = simulator->speed > 0;
    if (!paced || away_ns < 0) /* somebody has set the clock back: no time has passed */
        away_ns = 0;
    market_resume(market, position->number, position->held, position->base_market_ns, away_ns,
                  simulator_now_ns(simulator));
    log_event(LOG_INFO, "resumed", "position=%llu market_time_ms=%lld", (unsigned long long)market->position,
              (long long)(market_time_ns(market, simulator_now_ns(simulator)) / 1000000));
}

/* base_wall_ns: the wall time of the market's base, worked out once for each base. */
static int64_t base_wall_ns(struct simulator *simulator, int64_t now_ns)
{
    int64_t base_mono_ns = simulator->market.base_mono_ns;
    if (!simulator->base_wall_ns || simulator->base_mono_ns != base_mono_ns)
        simulator->base_wall_ns = clock_wall_ns(&simulator->clock) - (now_ns - base_mono_ns);
    simulator->base_mono_ns = base_mono_ns;
    return simulator->base_wall_ns;
}

/* is_behind: it is to be given something yet. One that is done (closed or cut) gets nothing more than it has been sent, however long it takes to
 * hang up. */
static bool is_behind(const struct client *client, uint64_t number)
{
    return client->subscribed_count && client->given < number &&
           !(client->done && client->given == client->cursor);
}

uint64_t resume_given(struct simulator *simulator)
{
    uint64_t given = simulator->market.position;
    for (struct client *client = simulator->clients; client; client = client->next) {
        if (server_socket_is_clear(client->socket))
            client->given = client->cursor;
        if (is_behind(client, given))
            given = client->given;
    }
    return given;
}

/* resume_keep: called between two turns, so what the kernel does not have yet is said again. It never goes back
 * in front of a snapshot that was passed: nobody would fetch that any more. */
void resume_keep(struct simulator *simulator, int64_t now_ns)
{
    const struct market *market = &simulator->market;
    if (!simulator->position || !market->started)
        return;
    struct position position = {
        .start_ms = simulator->start_ms, .number = market->position, .held = market->held};
    if (simulator->speed > 0) {
        position.base_market_ns = market->base_market_ns;
        position.base_wall_ns = base_wall_ns(simulator, now_ns);
    } else {
        uint64_t given = resume_given(simulator);
        position.number = given < market->beyond_snapshot ? market->beyond_snapshot : given;
        if (rest_awaits_read(simulator)) { /* it has been answered: nobody asks the next life for it */
            position.number = simulator->unread;
            position.held = false;
        }
    }
    position_keep(simulator->position, &position);
}
