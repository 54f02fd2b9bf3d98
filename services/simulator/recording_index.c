/* recording_index: tables over a finished tape, and the REST answers that come from them. */
#include "recording_internal.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static struct span entry_data(const struct tape_entry *entry)
{
    return (struct span){entry->text + entry->data_offset, entry->data_bytes};
}

/* ---- decimals ---- */

static void observe_pairs(struct symbol *symbol, struct span pairs)
{
    struct span_walk walk, inner;
    struct span pair, price, quantity;
    if (!span_walk_begin(pairs, '[', &walk))
        return;
    while (span_next_element(&walk, &pair))
        if (span_walk_begin(pair, '[', &inner) && span_next_element(&inner, &price) &&
            span_next_element(&inner, &quantity) && span_text(price, &price) &&
            span_text(quantity, &quantity)) {
            symbol_observe_price(symbol, price);
            symbol_observe_quantity(symbol, quantity);
        }
}

/* observe_member: `b` and `a` are price levels in depth messages, prices in a book ticker. */
static void observe_member(struct symbol *symbol, enum stream_kind kind, struct span key, struct span value)
{
    struct span text;
    bool trade = kind == STREAM_TRADE || kind == STREAM_AGG_TRADE;
    bool ticker = kind == STREAM_BOOK_TICKER;
    if (*value.text == '[')
        observe_pairs(symbol, value);
    else if (!span_text(value, &text))
        return;
    else if ((trade && span_equals(key, "p")) || (ticker && (span_equals(key, "b") || span_equals(key, "a"))))
        symbol_observe_price(symbol, text);
    else if ((trade && span_equals(key, "q")) || (ticker && (span_equals(key, "B") || span_equals(key, "A"))))
        symbol_observe_quantity(symbol, text);
}

static void observe_decimals(struct recording *recording, const struct tape_entry *entry)
{
    enum stream_kind kind =
        entry->kind == TAPE_SNAPSHOT ? STREAM_DEPTH_DIFF : recording->catalogue.streams[entry->stream].kind;
    struct span_walk walk;
    struct span key, value;
    if (entry->symbol == SYMBOL_NONE || kind == STREAM_OTHER ||
        !span_walk_begin(entry_data(entry), '{', &walk))
        return;
    while (span_next_member(&walk, &key, &value))
        observe_member(&recording->catalogue.symbols[entry->symbol], kind, key, value);
}

/* ---- tables ---- */

static void add_number(uint64_t **numbers, size_t *count, size_t *capacity, uint64_t number)
{
    *numbers = memory_grow(*numbers, capacity, *count + 1, sizeof **numbers);
    (*numbers)[(*count)++] = number;
}

static void add_trade(struct recorded_symbol *symbol, struct span data, uint64_t available)
{
    struct span value;
    int64_t id;
    if (!span_member(data, "a", &value) || !span_integer(value, &id))
        return;
    symbol->trades =
        memory_grow(symbol->trades, &symbol->trade_capacity, symbol->trade_count + 1, sizeof *symbol->trades);
    symbol->trades[symbol->trade_count++] = (struct recorded_trade){id, available, data};
}

static void index_entry(struct recording *recording, uint64_t number, const struct tape_entry *entry)
{
    struct recorded_symbol *symbol = entry->symbol == SYMBOL_NONE ? NULL : &recording->symbols[entry->symbol];
    observe_decimals(recording, entry);
    if (entry->kind == TAPE_SNAPSHOT) {
        if (symbol)
            add_number(&symbol->snapshots, &symbol->snapshot_count, &symbol->snapshot_capacity, number);
        return;
    }
    struct stream *stream = &recording->catalogue.streams[entry->stream];
    stream->messages++;
    if (!symbol) /* of a name that is none */
        return;
    if (stream->kind == STREAM_AGG_TRADE)
        add_trade(symbol, entry_data(entry), number);
    if (stream->kind != STREAM_DEPTH_DIFF)
        return;
    if (symbol->diff_stream == STREAM_NONE)
        symbol->diff_stream = entry->stream;
    if (symbol->diff_stream == entry->stream)
        add_number(&symbol->diffs, &symbol->diff_count, &symbol->diff_capacity, number);
}

static int compare_trades(const void *left, const void *right)
{
    const struct recorded_trade *a = left, *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->available < b->available ? -1 : a->available > b->available;
}

/* join_trades: sorts, drops repeated ids, and lets a trade out of a REST answer appear with the next streamed
 * one. */
static void join_trades(struct recorded_symbol *symbol)
{
    if (!symbol->trade_count)
        return;
    qsort(symbol->trades, symbol->trade_count, sizeof *symbol->trades, compare_trades);
    size_t kept = 0;
    for (size_t i = 0; i < symbol->trade_count; i++)
        if (!kept || symbol->trades[kept - 1].id != symbol->trades[i].id)
            symbol->trades[kept++] = symbol->trades[i];
    symbol->trade_count = kept;
    for (size_t i = kept - 1; i-- > 0;)
        if (symbol->trades[i].available > symbol->trades[i + 1].available)
            symbol->trades[i].available = symbol->trades[i + 1].available;
}

static void add_backfills(struct recording *recording)
{
    for (size_t i = 0; i < recording->backfill_count; i++) {
        struct span_walk walk;
        struct span trade;
        if (span_walk_begin(recording->backfills[i].array, '[', &walk))
            while (span_next_element(&walk, &trade))
                add_trade(&recording->symbols[recording->backfills[i].symbol], trade, UINT64_MAX);
    }
}

/* ---- which snapshots a client has to fetch ---- */

struct diff_ids {
    int64_t first, last, previous; /* U, u, pu */
    bool has_previous;
};

static bool read_ids(struct span data, struct diff_ids *out_ids)
{
    struct diff_ids ids = {0};
    struct span_walk walk;
    struct span key, value;
    bool first = false, last = false;
    if (!span_walk_begin(data, '{', &walk))
        return false;
    while (span_next_member(&walk, &key, &value)) {
        if (span_equals(key, "U"))
            first = span_integer(value, &ids.first);
        else if (span_equals(key, "u"))
            last = span_integer(value, &ids.last);
        else if (span_equals(key, "pu"))
            ids.has_previous = span_integer(value, &ids.previous);
    }
    *out_ids = ids;
    return first && last;
}

static int64_t snapshot_id(const struct tape_entry *entry)
{
    struct span value;
    int64_t id = 0;
    return span_member(entry_data(entry), "lastUpdateId", &value) && span_integer(value, &id) ? id : -1;
}

/* chain_holds: whether a book begun with the snapshot `first` is still in step when the tape reaches `until`:
 * every diff continues the one before (data.md §1.4), or comes again: of the same recording twice, say. Nobody
 * who is in step asks for a snapshot then, so the market must not wait for that. */
static bool chain_holds(const struct recording *recording, const struct recorded_symbol *symbol,
                        uint64_t first, uint64_t until)
{
    int64_t id = snapshot_id(tape_at(&recording->tape, first));
    bool started = false;
    for (size_t i = 0; i < symbol->diff_count && symbol->diffs[i] < until; i++) {
        struct diff_ids ids;
        if (!read_ids(entry_data(tape_at(&recording->tape, symbol->diffs[i])), &ids))
            continue;
        bool old = ids.has_previous && !started ? ids.last < id : ids.last <= id;
        if (old)
            continue;
        int64_t bridge = ids.has_previous ? id : id + 1;
        bool continues = !started ? ids.first <= bridge && bridge <= ids.last
                                  : (ids.has_previous ? ids.previous == id : ids.first == id + 1);
        if (!continues)
            return false;
        id = ids.last;
        started = true;
    }
    return true;
}

/* mark_needed: the first snapshot, and each later one before which the diffs broke off. */
static void mark_needed(struct recording *recording, const struct recorded_symbol *symbol)
{
    uint64_t begun = 0;
    for (size_t i = 0; i < symbol->snapshot_count; i++) {
        uint64_t number = symbol->snapshots[i];
        if (i > 0 && chain_holds(recording, symbol, begun, number))
            continue;
        recording->tape.entries[number - recording->tape.first].flags |= TAPE_NEEDED;
        begun = number;
    }
}

void recording_index(struct recording *recording)
{
    size_t count = recording->catalogue.symbol_count;
    recording->symbols = memory_allocate(count * sizeof *recording->symbols);
    for (size_t i = 0; i < count; i++)
        recording->symbols[i].diff_stream = STREAM_NONE;
    for (uint64_t number = 0; number < tape_end(&recording->tape); number++) {
        const struct tape_entry *entry = tape_at(&recording->tape, number);
        bool market_event = entry->kind == TAPE_MESSAGE || entry->kind == TAPE_SNAPSHOT;
        if (market_event && !(entry->flags & TAPE_EXTRA))
            index_entry(recording, number, entry);
    }
    add_backfills(recording);
    for (size_t i = 0; i < count; i++) {
        join_trades(&recording->symbols[i]);
        mark_needed(recording, &recording->symbols[i]);
    }
}

/* ---- answers ---- */

/* passed_snapshot: the newest needed snapshot before `position`, SIZE_MAX when there is none. */
static size_t passed_snapshot(const struct recording *recording, const struct recorded_symbol *symbol,
                              uint64_t position)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < symbol->snapshot_count && symbol->snapshots[i] < position; i++)
        if (tape_at(&recording->tape, symbol->snapshots[i])->flags & TAPE_NEEDED)
            found = i;
    return found;
}

enum status recording_depth(struct recording *recording, uint16_t index, uint64_t position, size_t limit,
                            struct buffer *out)
{
    struct recorded_symbol *symbol = &recording->symbols[index];
    size_t snapshot = passed_snapshot(recording, symbol, position);
    if (snapshot == SIZE_MAX)
        return STATUS_NOT_FOUND;
    if (!symbol->book_valid || symbol->book_snapshot != snapshot) {
        const struct tape_entry *entry = tape_at(&recording->tape, symbol->snapshots[snapshot]);
        if (full_book_load(&symbol->book, entry_data(entry)) != STATUS_OK)
            return STATUS_NOT_FOUND;
        symbol->book_snapshot = snapshot;
        symbol->book_diffs = 0;
        symbol->book_valid = true;
    }
    for (; symbol->book_diffs < symbol->diff_count && symbol->diffs[symbol->book_diffs] < position;
         symbol->book_diffs++) {
        const struct tape_entry *diff = tape_at(&recording->tape, symbol->diffs[symbol->book_diffs]);
        if (full_book_apply(&symbol->book, entry_data(diff)) == STATUS_MALFORMED)
            symbol->book.unreadable_levels++;
    }
    full_book_answer(&symbol->book, recording->market, recording->catalogue.symbols[index].name, limit, out);
    return STATUS_OK;
}

/* write_trade: the REST form leaves out the event's own fields. */
static void write_trade(struct span data, struct buffer *out)
{
    struct span_walk walk;
    struct span key, value;
    bool comma = false;
    if (!span_walk_begin(data, '{', &walk))
        return;
    buffer_append_byte(out, '{');
    while (span_next_member(&walk, &key, &value)) {
        if (span_equals(key, "e") || span_equals(key, "E") || span_equals(key, "s"))
            continue;
        buffer_format(out, "%s\"%.*s\":%.*s", comma ? "," : "", (int)key.bytes, key.text, (int)value.bytes,
                      value.text);
        comma = true;
    }
    buffer_append_byte(out, '}');
}

void recording_agg_trades(const struct recording *recording, uint16_t index, int64_t from_id, size_t limit,
                          uint64_t position, struct buffer *out)
{
    const struct recorded_symbol *symbol = &recording->symbols[index];
    size_t end = 0, first = 0;
    while (end < symbol->trade_count && symbol->trades[end].available < position)
        end++;
    if (from_id < 0)
        first = end > limit ? end - limit : 0;
    else
        while (first < end && symbol->trades[first].id < from_id)
            first++;
    buffer_append_byte(out, '[');
    for (size_t i = first; i < end && i - first < limit; i++) {
        if (i > first)
            buffer_append_byte(out, ',');
        write_trade(symbol->trades[i].data, out);
    }
    buffer_append_byte(out, ']');
}

/* ---- another start ---- */

/* shift_integer: rewrites a time in place; false when it would need more digits. */
static bool shift_integer(struct span value, int64_t shift)
{
    int64_t integer;
    if (!value.bytes || *value.text == '"' || !span_integer(value, &integer))
        return false;
    int64_t shifted = integer + shift;
    if (shifted < 0)
        return false;
    char *digits = (char *)value.text; /* our own copy of the file */
    for (size_t i = value.bytes; i-- > 0; shifted /= 10)
        if (i == 0 && shifted > 9)
            return false;
    shifted = integer + shift;
    for (size_t i = value.bytes; i-- > 0; shifted /= 10)
        digits[i] = (char)('0' + shifted % 10);
    return true;
}

void recording_shift(struct recording *recording, int64_t shift_ms)
{
    for (size_t i = 0; i < recording->tape.count; i++) {
        struct tape_entry *entry = &recording->tape.entries[i];
        entry->recv_ns += shift_ms * 1000000;
        struct span_walk walk;
        struct span key, value;
        if (!span_walk_begin(entry_data(entry), '{', &walk))
            continue;
        while (span_next_member(&walk, &key, &value))
            if (span_equals(key, "E") || span_equals(key, "T"))
                shift_integer(value, shift_ms);
    }
}
