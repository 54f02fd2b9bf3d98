/* REST: what is asked before the sockets open, and what the feed wants afterwards. */
#include "receiver_private.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *api_prefix(enum venue_market market)
{
    static const char *const PREFIXES[] = {
        [VENUE_USDM] = "/fapi/v1", [VENUE_COINM] = "/dapi/v1", [VENUE_SPOT] = "/api/v3"};
    return PREFIXES[market];
}

static bool request(struct receiver *receiver, enum rest_purpose purpose, size_t symbol, const char *url)
{
    struct rest_request wanted = {
        .url = url,
        .timeout_ms = receiver->config.is_simulator && purpose == REST_SNAPSHOT ? SIMULATOR_TIMEOUT_MS
                                                                                : REST_TIMEOUT_MS,
        .attempts = purpose == REST_STREAMS ? 1 : REST_ATTEMPTS,
        .data = (void *)(uintptr_t)(symbol * REST_PURPOSES + purpose),
    };
    if (rest_request_start(receiver->rest, &wanted) != STATUS_OK)
        return false;
    receiver_add(&receiver->figures.rest_requests, purpose != REST_READ);
    return true;
}

/* SAYS_READ: behind the address of a snapshot, and left out of the capture: of a simulator whose market moves as fast as it is read, and stands
 * until it hears that the answer has been. Else what it sends behind the snapshot could overtake the answer, which comes another way. */
static const char SAYS_READ[] = "&read=1";

static void say_read(struct receiver *receiver)
{
    char url[1024];
    snprintf(url, sizeof url, "%s/simulator/read", receiver->config.rest_url);
    if (receiver->streams.awaits_read && !request(receiver, REST_READ, 0, url))
        log_event(LOG_WARNING, "read_unsaid", "what=\"the simulator's market may stand\"");
}

void receiver_ask_streams(struct receiver *receiver)
{
    char url[1024];
    snprintf(url, sizeof url, "%s/simulator/streams", receiver->config.rest_url);
    if (receiver_now_ms(receiver) < receiver->next_streams_ms || rest_client_pending(receiver->rest))
        return;
    receiver->next_streams_ms = receiver_now_ms(receiver) + ASK_AGAIN_MS / 4;
    request(receiver, REST_STREAMS, 0, url);
}

static bool hears_any(const struct receiver *receiver)
{
    bool any = false;
    for (size_t i = 0; i < receiver->config.symbol_count; i++)
        any = any || receiver->is_heard[i];
    return any;
}

/* receiver_ask_instruments: a symbol that comes later brings its own. */
void receiver_ask_instruments(struct receiver *receiver)
{
    struct buffer url;
    if (!hears_any(receiver)) {
        receiver_open_sockets(receiver);
        return;
    }
    buffer_init(&url, 0);
    buffer_format(&url, "%s%s/exchangeInfo", receiver->config.rest_url, api_prefix(receiver->config.market));
    if (receiver->config.market == VENUE_SPOT) { /* all of spot would be more than a payload may have */
        buffer_append_text(&url, "?symbols=%5B");
        const char *comma = "";
        for (size_t i = 0; i < receiver->config.symbol_count; i++) {
            if (!receiver->is_heard[i])
                continue;
            buffer_format(&url, "%s%%22%s%%22", comma, receiver->config.symbols[i]);
            comma = "%2C";
        }
        buffer_append_text(&url, "%5D");
    }
    receiver->phase = PHASE_INSTRUMENTS;
    if (!request(receiver, REST_INSTRUMENTS, 0, buffer_text(&url)))
        receiver_open_sockets(receiver);
    buffer_finish(&url);
}

/* is_venue_answer: an answer with a JSON body; what a proxy says in HTML is none. */
static bool is_venue_answer(const struct rest_answer *answer)
{
    return answer->http_status != 0 && answer->body_bytes > 0 &&
           (answer->body[0] == '{' || answer->body[0] == '[');
}

/* append_answer: without a body when the venue gave none. */
static void append_answer(struct receiver *receiver, const struct rest_answer *answer, bool is_answer)
{
    struct buffer payload;
    buffer_init(&payload, CAPTURE_PAYLOAD_BYTES_MAX);
    size_t url_bytes = strlen(answer->url), said_bytes = sizeof SAYS_READ - 1;
    if (url_bytes > said_bytes && strcmp(answer->url + url_bytes - said_bytes, SAYS_READ) == 0)
        url_bytes -= said_bytes;
    buffer_append(&payload, answer->url, url_bytes);
    buffer_append_byte(&payload, '\n');
    if (is_answer)
        buffer_append(&payload, answer->body, answer->body_bytes);
    if (payload.overflowed)
        receiver_add(&receiver->figures.messages_too_large, 1);
    else
        receiver_append(receiver, CAPTURE_REST, 0, payload.data, payload.length);
    buffer_finish(&payload);
}

static void streams_answered(struct receiver *receiver, const struct rest_answer *answer)
{
    struct error error;
    if (answer->http_status != 200)
        return; /* asked again by the next turn */
    if (streams_choose_offered(&receiver->streams, &receiver->config, answer->body, answer->body_bytes,
                               &error) != STATUS_OK) {
        log_event(LOG_ERROR, "simulator_streams", "reason=\"%s\"", error.text);
        return;
    }
    say_read(receiver); /* an earlier life may have got an answer and not come to say so */
    receiver_ask_instruments(receiver);
}

/* next_try_ms: how long to leave the venue alone after this answer. */
static int64_t next_try_ms(const struct receiver *receiver, const struct rest_answer *answer)
{
    int64_t pause_ms = answer->http_status == 418   ? BANNED_MS
                       : answer->http_status == 429 ? SLOWER_MS
                                                    : ASK_AGAIN_MS;
    return receiver_now_ms(receiver) + pause_ms;
}

static void snapshot_answered(struct receiver *receiver, size_t symbol, const struct rest_answer *answer)
{
    struct want *want = &receiver->wants[symbol];
    want->not_before_ms = next_try_ms(receiver, answer);
    if (!is_venue_answer(answer))
        want->asked_ticket = 0; /* nothing was recorded, so the feed still wants the same */
    say_read(receiver);
}

void receiver_answered(void *context, void *data, const struct rest_answer *answer)
{
    struct receiver *receiver = context;
    enum rest_purpose purpose = (enum rest_purpose)((uintptr_t)data % REST_PURPOSES);
    size_t symbol = (uintptr_t)data / REST_PURPOSES;
    bool is_answer = is_venue_answer(answer);
    if (!is_answer && purpose != REST_READ) {
        receiver_add(&receiver->figures.rest_failures, 1);
        log_event(LOG_WARNING, "rest_failed", "url=%.200s status=%ld detail=\"%s\"", answer->url,
                  answer->http_status, answer->error ? answer->error : "not an answer of the venue");
    }
    if (receiver->phase == PHASE_STOPPED)
        return;
    if ((is_answer && purpose != REST_STREAMS && purpose != REST_READ) || purpose == REST_BACKFILL)
        append_answer(receiver, answer, is_answer);
    switch (purpose) {
    case REST_STREAMS: streams_answered(receiver, answer); break;
    case REST_INSTRUMENTS: receiver_open_sockets(receiver); break;
    case REST_SNAPSHOT: snapshot_answered(receiver, symbol, answer); break;
    case REST_BACKFILL: receiver->wants[symbol].hole_not_before_ms = next_try_ms(receiver, answer); break;
    case REST_READ:
    case REST_PURPOSES: break;
    }
}

/* --- what the feed wants
 * ---------------------------------------------------------------------------------------- */

/* book_link: the link that carries a symbol's books; the first one when none does. */
static struct link *book_link(struct receiver *receiver, size_t symbol)
{
    for (size_t i = 0; i < receiver->streams.count; i++)
        if (receiver->streams.items[i].symbol == symbol && receiver->streams.items[i].use == STREAM_BOOK &&
            receiver->streams.items[i].link != STREAM_UNHEARD)
            return &receiver->links[receiver->streams.items[i].link];
    return &receiver->links[0];
}

/* snapshot_spacing_ms: the venue's request weights allow so many snapshots. */
static int64_t snapshot_spacing_ms(const struct receiver *receiver)
{
    if (receiver->config.is_simulator)
        return 0;
    return receiver->config.market == VENUE_SPOT ? 2600 : 520;
}

/* wants_snapshot: one is wanted that has not been asked for. When the recording is at its end the feed may find
 * a last one missing: that is asked for once. */
static bool wants_snapshot(const struct receiver *receiver, const struct want *want)
{
    int64_t ticket = atomic_load_explicit(&want->snapshot_ticket, memory_order_acquire);
    return ticket && ticket != want->asked_ticket &&
           (receiver->phase == PHASE_OPEN || (receiver->phase == PHASE_ENDING && !want->asked_at_end));
}

static void ask_snapshot(struct receiver *receiver, size_t symbol)
{
    struct want *want = &receiver->wants[symbol];
    int64_t now = receiver_now_ms(receiver);
    bool is_ending = receiver->phase == PHASE_ENDING;
    if (!wants_snapshot(receiver, want) || now < want->not_before_ms || now < receiver->next_snapshot_ms ||
        !(is_ending || receiver_link_is_open(book_link(receiver, symbol))))
        return;
    int64_t ticket = atomic_load_explicit(&want->snapshot_ticket, memory_order_acquire);
    char url[1024];
    snprintf(url, sizeof url, "%s%s/depth?symbol=%s&limit=%d%s", receiver->config.rest_url,
             api_prefix(receiver->config.market), receiver->config.symbols[symbol],
             receiver->config.market == VENUE_SPOT ? SNAPSHOT_LEVELS_SPOT : SNAPSHOT_LEVELS,
             receiver->streams.awaits_read ? SAYS_READ : "");
    want->not_before_ms = now + ASK_AGAIN_MS;
    if (!request(receiver, REST_SNAPSHOT, symbol, url))
        return;
    want->asked_ticket = ticket;
    want->asked_at_end = is_ending;
    receiver->next_snapshot_ms = now + snapshot_spacing_ms(receiver);
    receiver_add(&receiver->figures.snapshots_asked, 1);
}

/* wants_trades: ids are missing that have not been asked for, or not under this ticket. */
static bool wants_trades(const struct receiver *receiver, const struct want *want)
{
    int64_t last = atomic_load_explicit(&want->hole_last, memory_order_acquire);
    int64_t first = atomic_load_explicit(&want->hole_first, memory_order_acquire);
    int64_t ticket = atomic_load_explicit(&want->hole_ticket, memory_order_acquire);
    return receiver->config.backfill && last && first <= last &&
           (first != want->asked_hole_first || ticket != want->asked_hole_ticket);
}

static void ask_backfill(struct receiver *receiver, size_t symbol)
{
    struct want *want = &receiver->wants[symbol];
    int64_t now = receiver_now_ms(receiver);
    if (!wants_trades(receiver, want) || now < receiver->next_snapshot_ms)
        return;
    int64_t last = atomic_load_explicit(&want->hole_last, memory_order_acquire);
    int64_t first = atomic_load_explicit(&want->hole_first, memory_order_acquire);
    int64_t ticket = atomic_load_explicit(&want->hole_ticket, memory_order_acquire);
    if (first > last || (first == want->asked_hole_first && now < want->hole_not_before_ms))
        return;
    int64_t limit = last - first + 1 < FEED_PAGE_TRADES ? last - first + 1 : FEED_PAGE_TRADES;
    char url[1024];
    snprintf(url, sizeof url, "%s%s/aggTrades?symbol=%s&fromId=%" PRId64 "&limit=%" PRId64,
             receiver->config.rest_url, api_prefix(receiver->config.market), receiver->config.symbols[symbol],
             first, limit);
    if (!request(receiver, REST_BACKFILL, symbol, url))
        return;
    want->asked_hole_first = first;
    want->asked_hole_ticket = ticket;
    receiver->next_snapshot_ms = now + snapshot_spacing_ms(receiver); /* both weigh the same */
}

/* reconnect_for: five snapshots did not fit: one re-opening of the book socket for each such time. */
static void reconnect_for(struct receiver *receiver, size_t symbol)
{
    struct want *want = &receiver->wants[symbol];
    bool wanted = atomic_load_explicit(&want->reconnect, memory_order_acquire);
    struct link *link = book_link(receiver, symbol);
    if (wanted && !want->has_reconnected && !receiver->config.is_simulator && receiver_link_is_open(link)) {
        want->has_reconnected = true;
        websocket_restart(link->current->socket, "4000 no snapshot fits");
    } else if (!wanted) {
        want->has_reconnected = false;
    }
}

void receiver_serve_wants(struct receiver *receiver)
{
    if (receiver->phase != PHASE_OPEN && receiver->phase != PHASE_ENDING)
        return;
    for (size_t i = 0; i < receiver->config.symbol_count; i++) {
        ask_snapshot(receiver, i);
        ask_backfill(receiver, i);
        if (receiver->phase == PHASE_OPEN)
            reconnect_for(receiver, i);
    }
}

bool receiver_wants_more(const struct receiver *receiver)
{
    bool wants = receiver_backlog(receiver) > 0 || receiver->queue.length > 0;
    for (size_t i = 0; i < receiver->config.symbol_count && !wants; i++)
        wants = wants_snapshot(receiver, &receiver->wants[i]) || wants_trades(receiver, &receiver->wants[i]);
    return wants;
}
