/* What the engines cost on recorded messages, each beside the raw cost of the same bytes in the same run:
 *
 *   decode     venue_parse_text            against  yyjson_read_opts of the same messages
 *   feed       feed_record, all of harvest's reckoning
 *   book       book_apply, per diff        against  copying the diff's levels once
 *   features   features_symbol_feed        against  row_decode of the same rows
 *
 * usage: bench_engines SYMBOL RECORDING.gz...     USD-M recordings of one symbol, in order, beginning with a snapshot
 *
 * links: service_harvest service_features market journal proto base yyjson zlib */
#include "measure.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/frame.h"
#include "proto/trade.h"
#include "services/features/symbol.h"
#include "services/harvest/feed.h"
#include "tests/unit/harvest/recording.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { LEVELS_IN_USE = 5, POOL_BYTES = 64 * 1024 * 1024 };

/* fed_row: one row of harvest, as features reads it and as it lies on the wire. */
struct fed_row {
    int kind;
    size_t struct_offset, wire_offset, wire_bytes;
};

struct diff {
    size_t bid_offset, bid_count, ask_offset, ask_count;
};

struct bench {
    const char *symbol;
    struct recording recording;
    const char *stream; /* part of the stream's name; NULL: all */
    struct feed_config feed;
    struct venue *venue;
    void *pool;
    /* rows of harvest */
    struct fed_row *rows;
    size_t row_count, row_capacity;
    struct buffer structs, wire;
    /* the book's input: a snapshot, then diffs */
    struct diff *diffs;
    size_t diff_count, diff_capacity;
    struct buffer levels;
    struct book_level *copy;
    /* kept so that no work can be left out */
    uint64_t checksum;
};

/* --- decode --- */

static bool chosen(const struct bench *bench, const struct capture_record *record)
{
    return record->kind == CAPTURE_MESSAGE && (!bench->stream || strstr(record->payload, bench->stream));
}

static size_t parse_bare(void *context)
{
    struct bench *bench = context;
    size_t count = 0;
    for (size_t i = 0; i < bench->recording.count; i++) {
        const struct capture_record *record = &bench->recording.records[i];
        if (!chosen(bench, record))
            continue;
        yyjson_alc allocator;
        yyjson_alc_pool_init(&allocator, bench->pool, POOL_BYTES);
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)record->payload, record->payload_bytes, 0, &allocator, NULL);
        bench->checksum += yyjson_doc_get_val_count(document);
        count++;
    }
    return count;
}

static size_t parse_venue(void *context)
{
    struct bench *bench = context;
    size_t count = 0;
    for (size_t i = 0; i < bench->recording.count; i++) {
        const struct capture_record *record = &bench->recording.records[i];
        struct venue_message message;
        enum venue_reason reason;
        if (!chosen(bench, record))
            continue;
        if (venue_parse_text(bench->venue, record->payload, record->payload_bytes, &message, &reason, NULL) ==
            STATUS_OK)
            bench->checksum += (uint64_t)message.event_ms;
        count++;
    }
    return count;
}

/* select_only: what choosing the messages costs, to be taken off both. */
static size_t select_only(void *context)
{
    struct bench *bench = context;
    size_t count = 0;
    for (size_t i = 0; i < bench->recording.count; i++)
        count += chosen(bench, &bench->recording.records[i]);
    return count;
}

static size_t bytes_of(const struct bench *bench)
{
    size_t bytes = 0;
    for (size_t i = 0; i < bench->recording.count; i++)
        if (chosen(bench, &bench->recording.records[i]))
            bytes += bench->recording.records[i].payload_bytes;
    return bytes;
}

static void say_decode(struct bench *bench, const char *name, const char *stream)
{
    bench->stream = stream;
    size_t count = select_only(bench);
    if (!count)
        return;
    double selecting = measure(select_only, bench).best_ns;
    double bare = measure(parse_bare, bench).best_ns - selecting;
    struct measured ours = measure(parse_venue, bench);
    printf("decode    %-12s %7zu messages of %5zu bytes: bare yyjson %6.0f ns, venue %6.0f ns/message "
           "(median %.0f), "
           "%.2f times bare\n",
           name, count, bytes_of(bench) / count, bare, ours.best_ns - selecting, ours.median_ns - selecting,
           (ours.best_ns - selecting) / bare);
}

/* --- feed --- */

static void keep_row(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct bench *bench = context;
    (void)symbol;
    bench->rows = memory_grow(bench->rows, &bench->row_capacity, bench->row_count + 1, sizeof *bench->rows);
    struct fed_row *kept = &bench->rows[bench->row_count++];
    *kept = (struct fed_row){message->kind, bench->structs.length, bench->wire.length, 0};
    buffer_append(&bench->structs, row, (message->row_bytes + 15) / 16 * 16);
    row_encode(&bench->wire, message, message_fields_in_use(message, LEVELS_IN_USE), row);
    kept->wire_bytes = bench->wire.length - kept->wire_offset;
}

static void count_row(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct bench *bench = context;
    (void)symbol, (void)row;
    bench->checksum += (uint64_t)message->kind;
}

static size_t run_feed(struct bench *bench, feed_emit *emit)
{
    struct error error = {{0}};
    struct feed *feed = feed_create(&bench->feed, emit, bench, &error);
    if (!feed) {
        fprintf(stderr, "bench_engines: %s\n", error.text);
        exit(1);
    }
    for (size_t i = 0; i < bench->recording.count; i++)
        if (feed_record(feed, &bench->recording.records[i], NULL) != STATUS_OK)
            bench->checksum++;
    feed_end(feed);
    feed_destroy(feed);
    return bench->recording.count;
}

static size_t pass_feed(void *context)
{
    return run_feed(context, count_row);
}

static void say_feed(struct bench *bench)
{
    bench->row_count = 0;
    run_feed(bench, keep_row);
    struct measured ours = measure(pass_feed, bench);
    printf("feed      %-12s %7zu records → %zu rows: %.0f ns/message (median %.0f), parsing included\n",
           "all", bench->recording.count, bench->row_count, ours.best_ns, ours.median_ns);
}

/* --- book --- */

static void keep_levels(struct bench *bench, const struct venue_message *message)
{
    const struct venue_depth *depth = &message->depth;
    bench->diffs =
        memory_grow(bench->diffs, &bench->diff_capacity, bench->diff_count + 1, sizeof *bench->diffs);
    struct diff *diff = &bench->diffs[bench->diff_count++];
    *diff = (struct diff){.bid_offset = bench->levels.length / sizeof(struct book_level),
                          .bid_count = depth->bid_count,
                          .ask_count = depth->ask_count};
    buffer_append(&bench->levels, message->bids, depth->bid_count * sizeof(struct book_level));
    diff->ask_offset = bench->levels.length / sizeof(struct book_level);
    buffer_append(&bench->levels, message->asks, depth->ask_count * sizeof(struct book_level));
}

static void collect_diffs(struct bench *bench)
{
    for (size_t i = 0; i < bench->recording.count; i++) {
        const struct capture_record *record = &bench->recording.records[i];
        struct venue_message message;
        enum venue_reason reason;
        enum status status = STATUS_UNSUPPORTED;
        if (record->kind == CAPTURE_REST)
            status = venue_parse_rest(bench->venue, record->payload, record->payload_bytes, &message, &reason,
                                      NULL);
        else if (strstr(record->payload, "@depth"))
            status = venue_parse_text(bench->venue, record->payload, record->payload_bytes, &message, &reason,
                                      NULL);
        if (status == STATUS_OK && (message.kind == VENUE_SNAPSHOT || message.kind == VENUE_DIFF))
            keep_levels(bench, &message);
    }
    bench->copy = memory_allocate(bench->levels.length + 1);
}

static size_t pass_book(void *context)
{
    struct bench *bench = context;
    const struct book_level *levels = (const struct book_level *)bench->levels.data;
    struct book book;
    book_init(&book, 0);
    for (size_t i = 0; i < bench->diff_count; i++) {
        const struct diff *diff = &bench->diffs[i];
        book_apply(&book, levels + diff->bid_offset, diff->bid_count, levels + diff->ask_offset,
                   diff->ask_count);
    }
    bench->checksum += book.bids.count;
    book_finish(&book);
    return bench->diff_count;
}

static size_t pass_copy(void *context)
{
    struct bench *bench = context;
    const struct book_level *levels = (const struct book_level *)bench->levels.data;
    for (size_t i = 0; i < bench->diff_count; i++) {
        const struct diff *diff = &bench->diffs[i];
        memcpy(bench->copy, levels + diff->bid_offset, diff->bid_count * sizeof *levels);
        memcpy(bench->copy + diff->bid_count, levels + diff->ask_offset, diff->ask_count * sizeof *levels);
        bench->checksum += (uint64_t)bench->copy[0].price_units;
    }
    return bench->diff_count;
}

static void say_book(struct bench *bench)
{
    collect_diffs(bench);
    if (!bench->diff_count)
        return;
    double per_diff = (double)bench->levels.length / sizeof(struct book_level) / (double)bench->diff_count;
    double copying = measure(pass_copy, bench).best_ns;
    struct measured ours = measure(pass_book, bench);
    printf("book      %-12s %7zu diffs of %5.1f levels: copying them %.0f ns, book_apply %.0f ns/diff "
           "(median %.0f), "
           "%.1f ns/level\n",
           "full depth", bench->diff_count, per_diff, copying, ours.best_ns, ours.median_ns,
           ours.best_ns / per_diff);
}

/* --- features --- */

static void count_feature(void *context, const struct message *message, const void *row)
{
    struct bench *bench = context;
    (void)row;
    bench->checksum += (uint64_t)message->kind;
}

static bool is_fed(int kind)
{
    return kind == ROW_TRADE || kind == ROW_BOOK || kind == ROW_CONTROL;
}

static size_t pass_features(void *context)
{
    struct bench *bench = context;
    struct features_config config = features_config_default();
    struct zone zone;
    zone_init_utc(&zone);
    config.strategy_mode.schedule.zone = &zone;
    struct features_symbol *symbol = features_symbol_create(&config);
    const struct features_sink sink = {.context = bench, .emit = count_feature};
    size_t count = 0;
    for (size_t i = 0; i < bench->row_count; i++) {
        const struct fed_row *row = &bench->rows[i];
        if (!is_fed(row->kind))
            continue;
        features_symbol_feed(symbol, row->kind, bench->structs.data + row->struct_offset, (int64_t)i + 1,
                             &sink);
        count++;
    }
    features_symbol_destroy(symbol);
    zone_finish(&zone);
    return count;
}

static size_t pass_decode_rows(void *context)
{
    struct bench *bench = context;
    union {
        struct trade_row trade;
        struct book_row book;
        struct control_row control;
    } decoded;
    size_t count = 0;
    for (size_t i = 0; i < bench->row_count; i++) {
        const struct fed_row *row = &bench->rows[i];
        if (!is_fed(row->kind))
            continue;
        struct row_view view = {
            .kind = row->kind, .data = bench->wire.data + row->wire_offset, .bytes = row->wire_bytes};
        if (row_decode(&view, message_of_kind(row->kind), &decoded, NULL) != STATUS_OK)
            abort();
        bench->checksum += (uint64_t)decoded.trade.ts_ms;
        count++;
    }
    return count;
}

static void say_features(struct bench *bench)
{
    double decoding = measure(pass_decode_rows, bench).best_ns;
    struct measured ours = measure(pass_features, bench);
    printf("features  %-12s %7zu rows of trades and books: row_decode alone %.0f ns, features_symbol_feed "
           "%.0f ns/row "
           "(median %.0f)\n",
           "all", pass_decode_rows(bench), decoding, ours.best_ns, ours.median_ns);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_engines SYMBOL RECORDING.gz...\n");
        return 2;
    }
    struct bench bench = {.symbol = argv[1]};
    buffer_init(&bench.structs, 0);
    buffer_init(&bench.wire, 0);
    buffer_init(&bench.levels, 0);
    bench.pool = memory_allocate(POOL_BYTES);
    for (int i = 2; i < argc; i++)
        if (!recording_read(&bench.recording, argv[i], false, bench.symbol)) {
            fprintf(stderr, "bench_engines: %s cannot be read\n", argv[i]);
            return 1;
        }
    feed_config_defaults(&bench.feed);
    bench.feed.market = VENUE_USDM;
    bench.feed.symbols = &bench.symbol;
    bench.feed.symbol_count = 1;
    bench.feed.raw_trades = !bench.recording.has_aggregate_trades;
    struct venue_config venue = {.market = VENUE_USDM,
                                 .symbols = &bench.symbol,
                                 .symbol_count = 1,
                                 .raw_trades = bench.feed.raw_trades};
    bench.venue = venue_create(&venue);

    say_decode(&bench, "trade", "@trade\"");
    say_decode(&bench, "bookTicker", "@bookTicker\"");
    say_decode(&bench, "depth", "@depth");
    say_decode(&bench, "all", NULL);
    say_feed(&bench);
    say_book(&bench);
    say_features(&bench);

    venue_destroy(bench.venue);
    recording_finish(&bench.recording);
    buffer_finish(&bench.structs);
    buffer_finish(&bench.wire);
    buffer_finish(&bench.levels);
    free(bench.rows);
    free(bench.diffs);
    free(bench.copy);
    free(bench.pool);
    return bench.checksum == 0; /* never: something was counted */
}
