/* recording: reading the files, merging them, and what the messages tell about the market. */
#include "recording_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPS_LOGGED_PER_FILE = 5 };

void recording_init(struct recording *recording)
{
    *recording = (struct recording){0};
    tape_init(&recording->tape);
    catalogue_init(&recording->catalogue);
}

void recording_finish(struct recording *recording)
{
    for (size_t i = 0; recording->symbols && i < recording->catalogue.symbol_count; i++) {
        free(recording->symbols[i].snapshots);
        free(recording->symbols[i].diffs);
        free(recording->symbols[i].trades);
        full_book_finish(&recording->symbols[i].book);
    }
    free(recording->symbols);
    free(recording->backfills);
    catalogue_finish(&recording->catalogue);
    tape_finish(&recording->tape);
    recording_init(recording);
}

void capture_skip(struct capture *capture, uint64_t number, const char *reason)
{
    capture->recording->skipped++;
    if (capture->skipped++ < SKIPS_LOGGED_PER_FILE)
        log_event(LOG_WARNING, "capture_skipped", "place=%s:%llu reason=\"%s\"", capture->path,
                  (unsigned long long)number, reason);
}

/* ---- which market ---- */

static bool has(struct span object, const char *key)
{
    struct span value;
    return span_member(object, key, &value);
}

/* market_of_message: futures and spot differ in a few fields (data/README "Message variants"). */
static enum market_kind market_of_message(enum stream_kind kind, struct span data)
{
    switch (kind) {
    case STREAM_DEPTH_DIFF: return has(data, "pu") ? MARKET_USDM : MARKET_SPOT;
    case STREAM_DEPTH_PARTIAL: return has(data, "pu") ? MARKET_USDM : MARKET_SPOT;
    case STREAM_TRADE:
    case STREAM_AGG_TRADE: return has(data, "M") ? MARKET_SPOT : MARKET_USDM;
    case STREAM_BOOK_TICKER: return has(data, "e") ? MARKET_USDM : MARKET_SPOT;
    default: return MARKET_UNKNOWN;
    }
}

static void note_market(struct capture *capture, enum market_kind market, uint16_t symbol)
{
    if (market == MARKET_UNKNOWN || symbol == SYMBOL_NONE)
        return;
    if (market == MARKET_USDM && symbol_is_coin_margined(capture->recording->catalogue.symbols[symbol].name))
        market = MARKET_COINM;
    if (capture->market == MARKET_UNKNOWN)
        capture->market = market;
    capture->two_markets |= capture->market != market;
}

/* judge_stream: the first message of each stream is enough. */
static void judge_stream(struct capture *capture, uint16_t stream, struct span data)
{
    if (stream >= capture->judged_count) {
        capture->judged = memory_resize(capture->judged, (size_t)stream + 1);
        memset(capture->judged + capture->judged_count, 0, (size_t)stream + 1 - capture->judged_count);
        capture->judged_count = (size_t)stream + 1;
    }
    if (capture->judged[stream])
        return;
    capture->judged[stream] = 1;
    const struct stream *known = &capture->recording->catalogue.streams[stream];
    note_market(capture, market_of_message(known->kind, data), known->symbol);
}

/* ---- messages and answers ---- */

static void add_entry(struct capture *capture, const struct tape_entry *entry)
{
    capture->entries =
        memory_grow(capture->entries, &capture->capacity, capture->count + 1, sizeof *capture->entries);
    capture->entries[capture->count++] = *entry;
}

bool capture_message(struct capture *capture, int64_t recv_ns, struct span text)
{
    struct catalogue *catalogue = &capture->recording->catalogue;
    struct span_walk walk;
    struct span key, value, name = {0}, data = {0};
    if (!span_walk_begin(text, '{', &walk))
        return false;
    while (span_next_member(&walk, &key, &value)) {
        if (span_equals(key, "stream"))
            span_text(value, &name);
        else if (span_equals(key, "data"))
            data = value;
    }
    uint16_t stream =
        name.bytes && data.bytes && !walk.malformed ? catalogue_add_stream(catalogue, name) : STREAM_NONE;
    if (stream == STREAM_NONE)
        return false;
    judge_stream(capture, stream, data);
    add_entry(capture, &(struct tape_entry){.recv_ns = recv_ns,
                                            .text = text.text,
                                            .bytes = (uint32_t)text.bytes,
                                            .data_offset = (uint32_t)(data.text - text.text),
                                            .data_bytes = (uint32_t)data.bytes,
                                            .stream = stream,
                                            .symbol = catalogue->streams[stream].symbol,
                                            .kind = TAPE_MESSAGE});
    return true;
}

/* file_symbol: "…/btcusdt_20240808.gz" is about BTCUSDT, "ethusd_perp_20240808.gz" about ETHUSD_PERP. */
static struct span file_symbol(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_of(slash ? slash + 1 : path);
    const char *dot = memchr(name.text, '.', name.bytes);
    if (dot)
        name.bytes = (size_t)(dot - name.text);
    size_t bytes = name.bytes;
    while (bytes && isdigit((unsigned char)name.text[bytes - 1]))
        bytes--;
    if (bytes > 1 && bytes < name.bytes && name.text[bytes - 1] == '_')
        name.bytes = bytes - 1;
    return name;
}

static struct span url_symbol(struct span url)
{
    const char *found = memmem(url.text, url.bytes, "symbol=", 7);
    if (!found)
        return (struct span){0};
    const char *end = url.text + url.bytes;
    struct span symbol = {found + 7, 0};
    while (symbol.text + symbol.bytes < end && symbol.text[symbol.bytes] != '&')
        symbol.bytes++;
    return symbol;
}

static bool url_has(struct span url, const char *part)
{
    return memmem(url.text, url.bytes, part, strlen(part)) != NULL;
}

/* answer_symbol: out of the answer itself or the URL; else SYMBOL_NONE. */
static uint16_t answer_symbol(struct capture *capture, struct span url, struct span body)
{
    struct span value, name = url_symbol(url);
    if (!name.bytes && span_is_object(body) && span_member(body, "symbol", &value))
        span_text(value, &name);
    return catalogue_add_symbol(&capture->recording->catalogue, name);
}

static bool add_snapshot(struct capture *capture, int64_t recv_ns, struct span url, struct span body)
{
    uint16_t symbol = answer_symbol(capture, url, body);
    note_market(capture, has(body, "E") ? MARKET_USDM : MARKET_SPOT, symbol);
    add_entry(capture, &(struct tape_entry){.recv_ns = recv_ns,
                                            .text = body.text,
                                            .bytes = (uint32_t)body.bytes,
                                            .data_bytes = (uint32_t)body.bytes,
                                            .stream = STREAM_NONE,
                                            .symbol = symbol,
                                            .kind = TAPE_SNAPSHOT});
    return true;
}

static bool add_backfill(struct capture *capture, struct span url, struct span body)
{
    struct recording *recording = capture->recording;
    uint16_t symbol = answer_symbol(capture, url, body);
    if (symbol == SYMBOL_NONE || !body.bytes || *body.text != '[')
        return false;
    recording->backfills = memory_grow(recording->backfills, &recording->backfill_capacity,
                                       recording->backfill_count + 1, sizeof *recording->backfills);
    recording->backfills[recording->backfill_count++] = (struct backfill){symbol, body};
    return true;
}

bool capture_rest(struct capture *capture, int64_t recv_ns, struct span url, struct span body)
{
    if (url_has(url, "/aggTrades"))
        return add_backfill(capture, url, body);
    if (url_has(url, "/exchangeInfo") && span_is_object(body) && has(body, "symbols")) {
        capture->recording->exchange_info = body;
        return true;
    }
    if (!span_is_object(body) || !has(body, "lastUpdateId"))
        return false;
    return add_snapshot(capture, recv_ns, url, body);
}

/* ---- files ---- */

/* sole_symbol: the one all the file's messages are about, SYMBOL_NONE when there are several. `named` wins if
 * it is among them. */
static uint16_t sole_symbol(const struct capture *capture, uint16_t named)
{
    uint16_t sole = SYMBOL_NONE;
    bool several = false;
    for (size_t i = 0; i < capture->count; i++) {
        uint16_t symbol = capture->entries[i].symbol;
        if (symbol == SYMBOL_NONE)
            continue;
        if (symbol == named)
            return named;
        several |= sole != SYMBOL_NONE && sole != symbol;
        sole = symbol;
    }
    return several ? SYMBOL_NONE : sole;
}

/* name_snapshots: gives the snapshots that do not say their symbol the one of the file. */
static void name_snapshots(struct capture *capture)
{
    const struct catalogue *catalogue = &capture->recording->catalogue;
    struct span name = file_symbol(capture->path);
    char text[NAME_BYTES] = "";
    if (name.bytes < NAME_BYTES)
        memcpy(text, name.text, name.bytes);
    uint16_t symbol = sole_symbol(capture, catalogue_symbol(catalogue, text));
    size_t kept = 0;
    for (size_t i = 0; i < capture->count; i++) {
        struct tape_entry entry = capture->entries[i];
        if (entry.kind == TAPE_SNAPSHOT && entry.symbol == SYMBOL_NONE) {
            if (symbol == SYMBOL_NONE) {
                capture_skip(capture, i + 1, "a REST snapshot, but of which symbol? Name the file after it");
                continue;
            }
            entry.symbol = symbol;
        }
        capture->entries[kept++] = entry;
    }
    capture->count = kept;
}

static uint64_t bytes_held(const struct recording *recording)
{
    return recording->tape.text_bytes + recording->tape.count * sizeof(struct tape_entry);
}

uint64_t capture_bytes_held(const struct capture *capture)
{
    return bytes_held(capture->recording) + capture->count * sizeof *capture->entries;
}

static uint64_t line_count(struct span content)
{
    uint64_t count = 0;
    for (const char *at = content.text, *end = at + content.bytes;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        count++;
    return count;
}

static enum status read_text(struct capture *capture, struct error *error)
{
    uint64_t held = bytes_held(capture->recording);
    uint64_t limit = held < RECORDING_BYTES_MAX ? RECORDING_BYTES_MAX - held : 1;
    char *text;
    size_t bytes;
    bool cut = false;
    enum status status = content_load(capture->path, limit, &text, &bytes, &cut, error);
    if (status != STATUS_OK)
        return status;
    tape_take_block(&capture->recording->tape, text, bytes);
    struct span content = {text, bytes};
    if (capture_has_records(content))
        return error_set(error, STATUS_UNSUPPORTED, "%s: a compressed raw capture; unpack it first (gunzip)",
                         capture->path);
    capture_read_lines(capture, content);
    if (cut)
        capture_skip(capture, line_count(content) + 1, "the gzip data breaks off here");
    return STATUS_OK;
}

static enum status read_capture(struct capture *capture, struct error *error)
{
    enum status status =
        capture_is_raw(capture->path) ? capture_read_records(capture, error) : read_text(capture, error);
    if (status != STATUS_OK)
        return status;
    name_snapshots(capture);
    if (capture->two_markets)
        return error_set(error, STATUS_CONFLICT,
                         "%s holds messages of two markets: one run can have one market only", capture->path);
    if (!capture->count)
        return error_set(error, STATUS_INVALID,
                         "%s: no message of a known format in it (%llu %s not understood)", capture->path,
                         (unsigned long long)capture->skipped,
                         plural((int64_t)capture->skipped, "line", "lines"));
    return STATUS_OK;
}

static enum status agree_on_market(struct recording *recording, const struct capture *captures, size_t count,
                                   struct error *error)
{
    const struct capture *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (captures[i].market == MARKET_UNKNOWN)
            continue;
        if (first && captures[i].market != first->market)
            return error_set(error, STATUS_CONFLICT,
                             "%s is %s and %s is %s: one run can have one market only", first->path,
                             market_name(first->market), captures[i].path, market_name(captures[i].market));
        first = first ? first : &captures[i];
    }
    recording->market = first ? first->market : MARKET_USDM;
    return STATUS_OK;
}

static bool entry_wanted(const struct recording *recording, const struct tape_entry *entry)
{
    return entry->symbol == SYMBOL_NONE || recording->catalogue.symbols[entry->symbol].offered;
}

/* merge_captures: the earliest head first; files keep their own order inside. */
static void merge_captures(struct recording *recording, const struct capture *captures, size_t count)
{
    size_t *next = memory_allocate(count * sizeof *next);
    for (;;) {
        size_t earliest = count;
        for (size_t i = 0; i < count; i++)
            if (next[i] < captures[i].count &&
                (earliest == count ||
                 captures[i].entries[next[i]].recv_ns < captures[earliest].entries[next[earliest]].recv_ns))
                earliest = i;
        if (earliest == count)
            break;
        const struct tape_entry *entry = &captures[earliest].entries[next[earliest]++];
        if (entry_wanted(recording, entry))
            tape_append(&recording->tape, entry);
    }
    free(next);
}

static enum status choose_symbols(struct recording *recording, const char *const *names, size_t count,
                                  struct error *error)
{
    struct catalogue *catalogue = &recording->catalogue;
    for (size_t i = 0; i < catalogue->symbol_count; i++)
        catalogue->symbols[i].offered = count == 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t symbol = catalogue_symbol(catalogue, names[i]);
        if (symbol == SYMBOL_NONE)
            return error_set(error, STATUS_INVALID, "simulator.symbols: the captures have no %s", names[i]);
        catalogue->symbols[symbol].offered = true;
    }
    return STATUS_OK;
}

static enum status read_captures(struct recording *recording, struct capture *captures, size_t count,
                                 struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        enum status status = read_capture(&captures[i], error);
        if (status != STATUS_OK)
            return status;
    }
    return agree_on_market(recording, captures, count, error);
}

enum status recording_load(struct recording *recording, const char *const *paths, size_t path_count,
                           const char *const *symbols, size_t symbol_count, struct error *error)
{
    struct capture *captures = memory_allocate(path_count * sizeof *captures);
    for (size_t i = 0; i < path_count; i++)
        captures[i] = (struct capture){.recording = recording, .path = paths[i]};
    enum status status = read_captures(recording, captures, path_count, error);
    if (status == STATUS_OK)
        status = choose_symbols(recording, symbols, symbol_count, error);
    if (status == STATUS_OK) {
        merge_captures(recording, captures, path_count);
        recording->tape.complete = true;
        if (bytes_held(recording) > RECORDING_BYTES_MAX)
            status = error_set(error, STATUS_LIMIT, "the captures need more than %llu MiB; use fewer at once",
                               RECORDING_BYTES_MAX >> 20);
    }
    for (size_t i = 0; i < path_count; i++) {
        free(captures[i].entries);
        free(captures[i].judged);
    }
    free(captures);
    return status;
}
