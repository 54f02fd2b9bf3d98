/* Symbols that move from one instance of harvest to another (docs/decisions/0030).
 *
 *     its capture     … messages … LEAVE │ …           what follows here is not fed any more
 *     the next one    EXPECT … messages …│… messages   what came before it left has been fed there
 *     one in vain     EXPECT … messages … FORGET
 *
 * Two records say all there is to say; where in the overlap the new owner begins follows from the symbol's own state: it knows the
 * ids of the trades that were fed, and the newest of its books and of its tickers. Something newer ends the overlap of its
 * stream. In a daemon the state comes with the hand-over, in a replay of all captures it is there already;
 * what is done with it is the same.
 *
 * A replay is given both records one behind the other (journal/capture_moves.h), and what the new owner received from the first on. Where
 * they come otherwise, more of the new capture may come before LEAVE than did in the run: answers of REST that it asked for as the owner, even its
 * own LEAVE. All of it is kept in its order. */
#include "feed_symbol.h"

#include "base/memory.h"
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const STREAM_NAMES[FEED_STREAMS] = {"trade", "book", "ticker"};

/* stream_of: of a parsed message; FEED_STREAMS: a mark. */
static enum feed_stream stream_of(const struct venue_message *message)
{
    switch ((enum venue_kind)message->kind) {
    case VENUE_TRADE: return FEED_TRADE;
    case VENUE_DIFF:
    case VENUE_PARTIAL: return FEED_BOOK;
    case VENUE_TICKER: return FEED_TICKER;
    default: return FEED_STREAMS;
    }
}

static int64_t id_of(const struct venue_message *message)
{
    switch (stream_of(message)) {
    case FEED_TRADE: return message->trade.id;
    case FEED_BOOK: return message->depth.last_id;
    case FEED_TICKER: return message->ticker.update_id;
    default: return -1;
    }
}

static void note_service(int64_t served[FEED_SERVICES], const struct venue_message *message)
{
    enum feed_stream stream = stream_of(message);
    size_t service = stream == FEED_TICKER ? FEED_BOOK : stream;
    if (service < FEED_SERVICES && message->connection > served[service])
        served[service] = message->connection;
}

static void count_moved(struct feed_symbol *symbol, int64_t messages)
{
    symbol->feed->state.counters[FEED_MOVED] += messages;
}

/* --- whose it is: fed here --- */

static void reopened(struct feed_symbol *symbol, const struct venue_message *mark)
{
    feed_symbol_counts(symbol, FEED_RECONNECTS);
    feed_symbol_message(symbol, mark);
    sync_reopened(&symbol->sync);
}

/* take_mark: the hole before it is none when the last owner has fed what came behind it. */
static void take_mark(struct feed_symbol *symbol, const struct venue_message *mark)
{
    struct feed_symbol_state *state = &symbol->state;
    if (!state->is_fresh) {
        reopened(symbol, mark);
        return;
    }
    memset(state->reopened_before, 0, sizeof state->reopened_before);
    memcpy(state->reopened_before, mark->text,
           mark->text_bytes < META_BYTES ? mark->text_bytes : META_BYTES - 1);
}

static void tell_mark(struct feed_symbol *symbol)
{
    struct venue_message mark;
    char text[META_BYTES];
    memcpy(text, symbol->state.reopened_before, sizeof text);
    memset(symbol->state.reopened_before, 0, sizeof text);
    if (!text[0])
        return;
    memset(&mark, 0, sizeof mark);
    mark.kind = VENUE_REOPENED;
    mark.symbol = (int32_t)symbol->index;
    mark.text = text;
    mark.text_bytes = strlen(text);
    reopened(symbol, &mark);
}

/* trade_was_fed: trades may come in any order; each is known by its id. */
static bool trade_was_fed(struct feed_symbol *symbol, int64_t id)
{
    bool is_known = ordering_knows(&symbol->ordering, id);
    if (!is_known && id > symbol->state.fed[FEED_TRADE])
        symbol->state.overlaps[FEED_TRADE] = 0;
    return is_known;
}

/* was_fed: by the last owner. The order of books and tickers is that of their ids; where it is not, one comes twice rather than not at
 * all, and is refused as one that is old. */
static bool was_fed(struct feed_symbol *symbol, enum feed_stream stream, int64_t id)
{
    struct feed_symbol_state *state = &symbol->state;
    if (!state->overlaps[stream])
        return false;
    if (stream == FEED_TRADE)
        return trade_was_fed(symbol, id);
    state->overlaps[stream] = id < state->fed[stream];
    return id <= state->fed[stream];
}

static void take(struct feed_symbol *symbol, const struct venue_message *message)
{
    struct feed_symbol_state *state = &symbol->state;
    enum feed_stream stream = stream_of(message);
    if (stream >= FEED_STREAMS) {
        take_mark(symbol, message);
        return;
    }
    if (state->is_joined && stream == FEED_BOOK) { /* the connection that goes on is not a re-opened one */
        state->depth_connection = message->connection;
        state->is_joined = 0;
    }
    note_service(state->served, message);
    if (state->has_ended || was_fed(symbol, stream, id_of(message))) {
        memset(state->reopened_before, 0, sizeof state->reopened_before);
        count_moved(symbol, 1);
        return;
    }
    state->is_fresh = 0;
    tell_mark(symbol);
    if (stream != FEED_TRADE || id_of(message) > state->fed[stream])
        state->fed[stream] = id_of(message);
    feed_symbol_message(symbol, message);
}

/* --- expected: kept --- */

static void hear_nothing(struct feed_symbol *symbol)
{
    for (size_t i = 0; i < FEED_STREAMS; i++)
        symbol->heard[i] = -1;
}

static bool parse_kept(const struct feed_symbol *symbol, const struct venue_message *kept,
                       struct venue_message *out)
{
    enum venue_reason reason;
    return venue_parse_text(symbol->feed->venue, kept->text, kept->text_bytes, out, &reason, NULL) ==
               STATUS_OK &&
           out->symbol == (int32_t)symbol->index;
}

static void note_dropped(struct feed_dropped *dropped, int64_t id)
{
    dropped->count++;
    dropped->newest = id > dropped->newest ? id : dropped->newest;
}

/* make_room: more has come than may be kept: it begins anew. The capture says where, so that a replay does so at the same place; one that could
 * not say so in time has to, too. Whoever has the symbol still will be told of a later beginning; whether
 * he has fed what is dropped is known when its state comes (count_dropped). */
static void make_room(struct feed_symbol *symbol)
{
    struct venue_message kept, message;
    size_t offset = 0;
    while (hold_next(&symbol->arrivals, &offset, &kept)) {
        enum feed_stream stream = FEED_STREAMS;
        if (kept.kind == VENUE_RAW && parse_kept(symbol, &kept, &message))
            stream = stream_of(&message);
        venue_unuse(symbol->feed->venue);
        if (stream < FEED_STREAMS)
            note_dropped(&symbol->expected.dropped[stream], id_of(&message));
        else
            count_moved(symbol, kept.kind == VENUE_RAW);
    }
    hold_clear(&symbol->arrivals);
    hear_nothing(symbol);
}

/* count_dropped: of a stream whose newest dropped message the last owner has fed, he has fed all; of another it is not known how many,
 * and they are lost. */
static void count_dropped(struct feed_symbol *symbol)
{
    for (size_t i = 0; i < FEED_STREAMS; i++) {
        const struct feed_dropped *dropped = &symbol->expected.dropped[i];
        bool is_fed = dropped->newest <= symbol->state.fed[i];
        symbol->feed->state.counters[is_fed ? FEED_MOVED : FEED_ARRIVED_LOST] += dropped->count;
    }
}

static void push(struct feed_symbol *symbol, const struct venue_message *kept)
{
    if (hold_push(&symbol->arrivals, kept) == STATUS_OK)
        return;
    make_room(symbol);
    enum status fits = hold_push(&symbol->arrivals, kept); /* a record is far smaller than a hold */
    (void)fits;
}

/* keep_record: an answer of REST, or a LEAVE. */
static void keep_record(struct feed_symbol *symbol, enum venue_kind kind, const struct capture_record *record)
{
    struct venue_message kept;
    memset(&kept, 0, sizeof kept);
    kept.kind = (int32_t)kind;
    kept.symbol = (int32_t)symbol->index;
    kept.recv_ms = record->recv_ns / 1000000;
    kept.text = record->payload;
    kept.text_bytes = record->payload_bytes;
    push(symbol, &kept);
}

static void keep(struct feed_symbol *symbol, const struct venue_message *message,
                 const struct capture_record *record)
{
    enum feed_stream stream = stream_of(message);
    struct venue_message kept;
    memset(&kept, 0, sizeof kept);
    kept.kind = record ? VENUE_RAW : VENUE_REOPENED;
    kept.symbol = (int32_t)symbol->index;
    kept.recv_ms = message->recv_ms;
    kept.connection = message->connection;
    kept.text = record ? record->payload : message->text;
    kept.text_bytes = record ? record->payload_bytes : message->text_bytes;
    push(symbol, &kept);
    note_service(symbol->expected.served, message);
    if (stream == FEED_STREAMS)
        hear_nothing(symbol);
    else if (record && symbol->heard[stream] < 0 && record->seq > symbol->feed->hear_from)
        symbol->heard[stream] = id_of(message);
}

void feed_symbol_arrives(struct feed_symbol *symbol, int64_t source, const struct venue_message *message,
                         const struct capture_record *record)
{
    if (symbol->state.owner == source)
        take(symbol, message);
    else if (symbol->expected.source == source && !symbol->departs)
        keep(symbol, message, record);
    else if (record)
        count_moved(symbol, 1);
}

static void take_answer(struct feed_symbol *symbol, const struct venue_message *answer, bool is_good)
{
    if (answer->kind == VENUE_SNAPSHOT && is_good)
        feed_symbol_snapshot(symbol, answer);
    else if (answer->kind == VENUE_SNAPSHOT)
        feed_symbol_snapshot_failed(symbol);
    else if (answer->kind == VENUE_TRADES && !symbol->feed->config.raw_trades)
        feed_symbol_backfill(symbol, answer, is_good, answer->recv_ms);
}

/* feed_symbol_answered: where the symbol has left it is passed over: it is asked for where that has gone to. */
void feed_symbol_answered(struct feed_symbol *symbol, const struct capture_record *record,
                          const struct venue_message *answer, bool is_good)
{
    if (symbol->state.owner == record->source)
        take_answer(symbol, answer, is_good);
    else if (symbol->expected.source == record->source && !symbol->departs)
        keep_record(symbol, VENUE_RAW_REST, record);
}

/* --- the move --- */

/* take_raw: parsed again: now with the scale that its last owner used. It was sound when it came. */
static void take_raw(struct feed_symbol *symbol, const struct venue_message *kept)
{
    struct venue_message message;
    if (!parse_kept(symbol, kept, &message)) {
        count_moved(symbol, 1);
        return;
    }
    message.recv_ms = kept->recv_ms;
    message.connection = kept->connection;
    if (message.kind == VENUE_TRADE)
        message.trade.recv_ms = message.recv_ms;
    take(symbol, &message);
}

/* take_raw_rest: counted when it came. */
static void take_raw_rest(struct feed_symbol *symbol, const struct venue_message *kept)
{
    struct venue_message answer;
    enum venue_reason reason;
    bool is_good = venue_parse_rest(symbol->feed->venue, kept->text, kept->text_bytes, &answer, &reason,
                                    NULL) == STATUS_OK;
    answer.recv_ms = kept->recv_ms;
    if (answer.symbol == (int32_t)symbol->index)
        take_answer(symbol, &answer, is_good);
}

static void leave(struct feed_symbol *symbol, const struct venue_move *move)
{
    symbol->state.owner = FEED_ELSEWHERE;
    symbol->state.has_left = 1;
    symbol->feed->state.counters[FEED_MOVES_UNMET] += move->is_unmet;
}

static void take_left(struct feed_symbol *symbol, const struct venue_message *kept)
{
    struct venue_move move;
    if (venue_parse_move(symbol->feed->venue, kept->text, kept->text_bytes, &move, NULL) == STATUS_OK)
        leave(symbol, &move);
}

/* take_kept: of what is kept behind a LEAVE nothing is fed here. */
static void take_kept(struct feed_symbol *symbol, const struct venue_message *kept, int64_t source)
{
    if (symbol->state.owner != source)
        count_moved(symbol, kept->kind == VENUE_RAW);
    else if (kept->kind == VENUE_RAW)
        take_raw(symbol, kept);
    else if (kept->kind == VENUE_RAW_REST)
        take_raw_rest(symbol, kept);
    else if (kept->kind == VENUE_LEFT)
        take_left(symbol, kept);
    else
        take(symbol, kept);
}

/* expect_nothing: it is not, or no longer, on its way here. */
static void expect_nothing(struct feed_symbol *symbol)
{
    symbol->expected = (struct feed_expected){.source = FEED_ELSEWHERE};
    symbol->departs = false;
    for (size_t i = 0; i < FEED_STREAMS; i++)
        symbol->expected.dropped[i].newest = -1;
    hear_nothing(symbol);
}

static void join(struct feed_symbol *symbol)
{
    struct feed_symbol_state *state = &symbol->state;
    const int64_t source = symbol->expected.source;
    struct venue_message message;
    struct hold walked;
    size_t offset = 0;
    state->owner = source;
    state->has_left = 0;
    state->is_fresh = state->is_joined = 1;
    memset(state->reopened_before, 0, sizeof state->reopened_before);
    for (size_t i = 0; i < FEED_STREAMS; i++)
        state->overlaps[i] = state->fed[i] >= 0;
    memcpy(state->served, symbol->expected.served, sizeof state->served);
    hold_init(&walked);
    hold_swap(&walked, &symbol->arrivals);
    count_dropped(symbol);
    expect_nothing(symbol);
    while (hold_next(&walked, &offset, &message))
        take_kept(symbol, &message, source);
    hold_finish(&walked);
    if (symbol->feed->state.has_ended) /* the recording was over before the state came */
        feed_symbol_end(symbol);
}

/* settle: it is expected here, and its state is here. */
static void settle(struct feed_symbol *symbol)
{
    if (symbol->state.has_left && symbol->expected.source != FEED_ELSEWHERE)
        join(symbol);
}

void feed_settle(struct feed *feed, size_t symbol)
{
    settle(&feed->symbols[symbol]);
}

void feed_symbol_begin(struct feed_symbol *symbol, int64_t owner)
{
    struct feed_symbol_state *state = &symbol->state;
    state->owner = owner;
    for (size_t i = 0; i < FEED_STREAMS; i++)
        state->fed[i] = -1;
    hold_init(&symbol->arrivals);
    expect_nothing(symbol);
}

static void take_leave(struct feed_symbol *symbol, const struct capture_record *record,
                       const struct venue_move *move)
{
    if (symbol->state.owner == record->source) {
        leave(symbol, move);
    } else if (symbol->expected.source == record->source && !symbol->departs) {
        keep_record(symbol, VENUE_LEFT, record);
        symbol->departs = true;
    }
}

/* take_expect: said twice it is as said once, unless it begins anew. */
static void take_expect(struct feed_symbol *symbol, int64_t source, const struct venue_move *move)
{
    if (symbol->state.owner != source && symbol->expected.source == FEED_ELSEWHERE) {
        symbol->expected.source = source;
        hold_clear(&symbol->arrivals);
    }
    if (symbol->expected.source != source)
        return;
    if (move->version > symbol->expected.version)
        symbol->expected.version = move->version;
    if (move->begins_anew && !symbol->departs)
        make_room(symbol);
}

/* take_forget: what has arrived is another's. */
static void take_forget(struct feed_symbol *symbol, int64_t source)
{
    if (symbol->expected.source != source)
        return;
    count_moved(symbol, feed_symbol_arrived(symbol));
    hold_clear(&symbol->arrivals);
    expect_nothing(symbol);
}

/* feed_symbol_move: in a replay whoever expects a symbol that has left goes on at once. */
void feed_symbol_move(struct feed_symbol *symbol, const struct capture_record *record,
                      const struct venue_move *move)
{
    switch (move->kind) {
    case VENUE_MOVE_LEAVE: take_leave(symbol, record, move); break;
    case VENUE_MOVE_EXPECT: take_expect(symbol, record->source, move); break;
    case VENUE_MOVE_FORGET: take_forget(symbol, record->source); break;
    }
    settle(symbol);
}

void feed_symbol_unheard(struct feed_symbol *symbol, int64_t connection)
{
    for (size_t i = 0; i < FEED_SERVICES; i++)
        if (symbol->expected.served[i] == connection)
            hear_nothing(symbol);
}

int64_t feed_symbol_arrived(const struct feed_symbol *symbol)
{
    struct venue_message message;
    size_t offset = 0;
    int64_t count = 0;
    while (hold_next(&symbol->arrivals, &offset, &message))
        count += message.kind == VENUE_RAW;
    for (size_t i = 0; i < FEED_STREAMS; i++)
        count += symbol->expected.dropped[i].count;
    return count;
}

/* --- questions --- */

bool feed_has(const struct feed *feed, size_t symbol)
{
    return feed->symbols[symbol].state.owner != FEED_ELSEWHERE;
}

bool feed_expects(const struct feed *feed, size_t symbol)
{
    return feed->symbols[symbol].expected.source != FEED_ELSEWHERE;
}

int64_t feed_expected_version(const struct feed *feed, size_t symbol)
{
    return feed->symbols[symbol].expected.version;
}

bool feed_has_too_much(const struct feed *feed, size_t symbol)
{
    return feed->symbols[symbol].arrivals.items.length >= FEED_ARRIVALS_BYTES_MAX;
}

void feed_hear_from(struct feed *feed, uint64_t record)
{
    feed->hear_from = record;
}

void feed_heard(const struct feed *feed, size_t symbol, char out_heard[FEED_HEARD_BYTES])
{
    size_t length = 0;
    out_heard[0] = 0;
    for (size_t i = 0; i < FEED_STREAMS; i++)
        if (feed->symbols[symbol].heard[i] >= 0)
            length += (size_t)snprintf(out_heard + length, FEED_HEARD_BYTES - length, "%s%s=%" PRId64,
                                       length ? " " : "", STREAM_NAMES[i], feed->symbols[symbol].heard[i]);
}

/* has_fed: a message of this id has come here, or a newer one. While a trade is missing before one that has come it does not leave
 * (feed_is_owed), so a newer one says enough: of the trade itself, if it was refused (its time was absurd) and is not
 * remembered, nothing else ever would. Where a hole is no longer waited for, what the next owner heard of it is fed there. */
static bool has_fed(const struct feed_symbol *symbol, enum feed_stream stream, int64_t id)
{
    return symbol->state.fed[stream] >= id || (stream == FEED_TRADE && ordering_knows(&symbol->ordering, id));
}

static bool is_heard(const char *heard, enum feed_stream stream, int64_t *out_id)
{
    const char *at = strstr(heard, STREAM_NAMES[stream]);
    return at && sscanf(at + strlen(STREAM_NAMES[stream]), "=%" SCNd64, out_id) == 1;
}

bool feed_all_heard(const struct feed *feed, const char *heard)
{
    int64_t id;
    bool has_tickers = !feed_books_are_whole(feed);
    return is_heard(heard, FEED_TRADE, &id) && is_heard(heard, FEED_BOOK, &id) &&
           (!has_tickers || is_heard(heard, FEED_TICKER, &id));
}

enum status feed_overlaps(const struct feed *feed, size_t index, const char *heard, struct error *error)
{
    const struct feed_symbol *symbol = &feed->symbols[index];
    size_t count = 0;
    for (enum feed_stream i = 0; i < FEED_STREAMS; i++) {
        int64_t id;
        if (!is_heard(heard, i, &id))
            continue;
        count++;
        if (!has_fed(symbol, i, id))
            return error_set(error, STATUS_AGAIN, "the %s %" PRId64 " that its next owner hears has not come",
                             STREAM_NAMES[i], id);
    }
    return count ? STATUS_OK : error_set(error, STATUS_AGAIN, "its next owner hears nothing of it yet");
}

enum status feed_may_leave(const struct feed *feed, size_t index, struct error *error)
{
    if (feed->state.has_ended || feed->symbols[index].state.has_ended)
        return error_set(error, STATUS_AGAIN, "the recording is at its end");
    return STATUS_OK;
}

bool feed_is_owed(const struct feed *feed, size_t index)
{
    const struct feed_symbol *symbol = &feed->symbols[index];
    int64_t first, last;
    return feed_wants_snapshot(feed, index) || symbol->state.catches_up ||
           ordering_hole(&symbol->ordering, &first, &last);
}

void feed_forget(struct feed *feed, size_t symbol)
{
    feed_symbol_finish(&feed->symbols[symbol]);
    feed_symbol_init(&feed->symbols[symbol], feed, symbol);
    feed->symbols[symbol].state.owner = FEED_ELSEWHERE;
}

/* --- state --- */

void feed_expected_save(const struct feed *feed, struct buffer *out)
{
    uint64_t count = 0;
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        count += feed_expects(feed, i);
    buffer_append_u64(out, count);
    for (size_t i = 0; i < feed->config.symbol_count; i++) {
        if (!feed_expects(feed, i))
            continue;
        buffer_append_u64(out, i);
        buffer_append(out, &feed->symbols[i].expected, sizeof feed->symbols[i].expected);
        hold_save(&feed->symbols[i].arrivals, out);
    }
}

static bool dropped_are_sound(const struct feed_expected *expected)
{
    bool are_sound = true;
    for (size_t i = 0; i < FEED_STREAMS; i++)
        are_sound = are_sound && state_is_count(expected->dropped[i].count) &&
                    state_is_id(expected->dropped[i].newest);
    return are_sound;
}

enum status feed_expected_load(struct feed *feed, struct reader *in)
{
    uint64_t count = reader_u64(in);
    for (size_t i = 0; i < feed->config.symbol_count; i++)
        expect_nothing(&feed->symbols[i]);
    for (uint64_t n = 0; n < count && !in->failed; n++) {
        uint64_t index = reader_u64(in);
        if (index >= feed->config.symbol_count) {
            in->failed = true;
            break;
        }
        struct feed_expected *expected = &feed->symbols[index].expected;
        reader_take(in, expected, sizeof *expected);
        if (!feed_source_is_sound(expected->source) || !state_is_count(expected->version) ||
            !state_is_count(expected->served[0]) || !state_is_count(expected->served[1]) ||
            !dropped_are_sound(expected) ||
            hold_load(&feed->symbols[index].arrivals, (int32_t)index, in) != STATUS_OK)
            in->failed = true;
    }
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}
