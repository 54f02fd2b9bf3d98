#include "market.h"

void market_init(struct market *market, struct venue *venue, double speed,
                 bool (*wanted)(void *context, uint16_t symbol), void *context)
{
    *market = (struct market){.venue = venue, .speed = speed, .wanted = wanted, .context = context};
}

static const struct tape_entry *next_entry(struct market *market)
{
    return venue_extend(market->venue, market->position)
               ? tape_at(venue_tape(market->venue), market->position)
               : NULL;
}

bool market_ended(struct market *market)
{
    return !next_entry(market);
}

/* set_clock: from now on the clock runs on from this market time. */
static void set_clock(struct market *market, int64_t market_ns, int64_t now_ns)
{
    market->base_market_ns = market_ns;
    market->base_mono_ns = market->follows_wall ? market_ns + market->wall_to_mono_ns : now_ns;
}

void market_follow_wall(struct market *market, int64_t mono_ns, int64_t wall_ns)
{
    market->follows_wall = true;
    market->wall_to_mono_ns = mono_ns - wall_ns;
}

void market_start(struct market *market, int64_t now_ns)
{
    const struct tape_entry *entry = next_entry(market);
    if (market->started || !entry)
        return;
    market->started = true;
    set_clock(market, entry->recv_ns, now_ns);
}

/* RESUME_STEP: so much of a synthetic market is made at once on the way to where it was; what lies behind is
 * forgotten. */
enum { RESUME_STEP = 10000 };

void market_resume(struct market *market, uint64_t number, bool held, int64_t base_market_ns, int64_t away_ns,
                   int64_t now_ns)
{
    while (market->position < number && next_entry(market)) {
        uint64_t step = number - market->position < RESUME_STEP ? number - market->position : RESUME_STEP;
        venue_extend(market->venue, market->position + step - 1);
        uint64_t end = tape_end(venue_tape(market->venue));
        market->position = market->position + step < end ? market->position + step : end;
        if (market->venue->synthetic)
            tape_forget(venue_tape(market->venue), market->position - 1);
    }
    market->started = true;
    market->held = held;
    market->beyond_snapshot = market->position;
    set_clock(market, base_market_ns, now_ns - away_ns);
}

const struct tape_entry *market_snapshot(struct market *market)
{
    const struct tape_entry *entry = next_entry(market);
    return entry && entry->kind == TAPE_SNAPSHOT && entry->flags & TAPE_NEEDED ? entry : NULL;
}

static int64_t running_ns(const struct market *market, int64_t now_ns)
{
    return market->base_market_ns + (int64_t)((double)(now_ns - market->base_mono_ns) * market->speed);
}

int64_t market_time_ns(struct market *market, int64_t now_ns)
{
    const struct tape_entry *entry = next_entry(market);
    if (!entry)
        return venue_tape(market->venue)->count
                   ? tape_at(venue_tape(market->venue), market->position - 1)->recv_ns
                   : market->venue->first_ns;
    if (market->follows_wall)
        return now_ns - market->wall_to_mono_ns; /* a venue's clock does not wait for anybody */
    if (!market->started || market->held || market->speed == 0)
        return entry->recv_ns;
    int64_t running = running_ns(market, now_ns);
    return running < entry->recv_ns ? running : entry->recv_ns;
}

bool market_run(struct market *market, int64_t now_ns, uint64_t limit)
{
    uint64_t before = market->position;
    while (market->started && market->position < limit) {
        const struct tape_entry *entry = next_entry(market);
        if (!entry || (market->speed > 0 && entry->recv_ns > running_ns(market, now_ns)))
            break;
        bool stops = market_snapshot(market) && market->wanted(market->context, entry->symbol);
        if (market->held && !stops)
            set_clock(market, entry->recv_ns, now_ns); /* nobody wants it any more */
        market->held = stops;
        if (stops)
            break;
        market->position++;
        if (entry->kind == TAPE_SNAPSHOT)
            market->beyond_snapshot = market->position;
    }
    return market->position > before;
}

int64_t market_due_ns(struct market *market)
{
    const struct tape_entry *entry = next_entry(market);
    if (!entry || !market->started || market->held || market->speed == 0)
        return MARKET_NEVER;
    return market->base_mono_ns +
           (int64_t)((double)(entry->recv_ns - market->base_market_ns) / market->speed) + 1;
}

void market_fetched(struct market *market, int64_t now_ns)
{
    const struct tape_entry *snapshot = market_snapshot(market);
    if (!snapshot)
        return;
    if (market->held && market->speed > 0)
        set_clock(market, snapshot->recv_ns, now_ns);
    market->held = false;
    market->position++;
    market->beyond_snapshot = market->position;
}
