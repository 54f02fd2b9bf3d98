#include "collector.h"

#include "base/clock.h"
#include "base/memory.h"
#include "parts.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/feature.h"
#include "proto/fusion.h"
#include "proto/strategy_state.h"
#include "proto/trade.h"
#include "window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_NOTED_EVERY_ROWS = 64 };

struct symbol_state {
    char symbol[SYMBOL_BYTES];
    int64_t merged_below_ms[KIND_COUNT];
};

struct stream {
    char service[16];
    size_t symbol; /* index of its symbol_state */
    int64_t position;
    int64_t newest_ts_ms; /* of any good row */
    int64_t watermark_ms; /* INT64_MIN: none yet */
    struct checkpoint_stream durable_at_start;
    struct checkpoint_stream after; /* as it will be when all that was handed over is durable */
    struct windows kinds[KIND_COUNT + 1];
};

struct collector {
    struct collector_config config;
    struct writer *writer;
    struct stream *streams;
    size_t stream_count;
    struct symbol_state *symbols;
    size_t symbol_count;
    void *row; /* the decoded row */
    size_t field_counts[KIND_COUNT];
    int64_t last_ts_ms_at_start;
    struct collector_figures figures;
};

/* --- life --- */

struct collector *collector_create(const struct collector_config *config, struct writer *writer)
{
    struct collector *collector = memory_allocate(sizeof *collector);
    struct writer_figures written;
    size_t row_bytes = sizeof(struct strategy_state_row);
    writer_figures(writer, &written);
    collector->config = *config;
    collector->writer = writer;
    collector->last_ts_ms_at_start = written.last_ts_ms;
    collector->figures.restart_gap_ms = FIELD_NULL_I64;
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++) {
        collector->field_counts[kind] = message_fields_in_use(KINDS[kind].message, config->levels);
        if (KINDS[kind].message->row_bytes > row_bytes)
            row_bytes = KINDS[kind].message->row_bytes;
    }
    collector->row = memory_allocate(row_bytes);
    return collector;
}

void collector_destroy(struct collector *collector)
{
    if (!collector)
        return;
    for (size_t i = 0; i < collector->stream_count; i++)
        for (size_t kind = 0; kind <= KIND_COUNT; kind++)
            windows_finish(&collector->streams[i].kinds[kind]);
    free(collector->streams);
    free(collector->symbols);
    free(collector->row);
    free(collector);
}

static size_t find_symbol(struct collector *collector, const char *symbol)
{
    for (size_t i = 0; i < collector->symbol_count; i++)
        if (strcmp(collector->symbols[i].symbol, symbol) == 0)
            return i;
    size_t index = collector->symbol_count++;
    collector->symbols =
        memory_resize(collector->symbols, collector->symbol_count * sizeof *collector->symbols);
    struct symbol_state *state = &collector->symbols[index];
    *state = (struct symbol_state){0};
    snprintf(state->symbol, sizeof state->symbol, "%s", symbol);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        state->merged_below_ms[kind] = INT64_MIN;
    return index;
}

size_t collector_stream(struct collector *collector, const char *service, const char *symbol)
{
    char name[STREAM_BYTES];
    snprintf(name, sizeof name, "%s/%s", service, symbol);
    size_t index = collector->stream_count++;
    collector->streams =
        memory_resize(collector->streams, collector->stream_count * sizeof *collector->streams);
    struct stream *stream = &collector->streams[index];
    *stream = (struct stream){.watermark_ms = INT64_MIN, .newest_ts_ms = INT64_MIN};
    snprintf(stream->service, sizeof stream->service, "%s", service);
    stream->symbol = find_symbol(collector, symbol);
    stream->durable_at_start = stream->after = writer_stream(collector->writer, name);
    stream->position = collector_resume(collector, name);
    return index;
}

/* collector_resume: the end of an ended stream is read once more, so that this life too knows that it ended. */
int64_t collector_resume(const struct collector *collector, const char *stream)
{
    struct checkpoint_stream durable = writer_stream(collector->writer, stream);
    return durable.resume - (durable.ended && durable.resume > 0);
}

int64_t collector_durable(const struct collector *collector, const char *stream)
{
    return writer_stream(collector->writer, stream).resume;
}

/* --- handing over --- */

static void set_resume(struct stream *stream)
{
    int64_t first = stream->position + 1;
    for (size_t kind = 0; kind <= KIND_COUNT; kind++) {
        int64_t waiting = windows_first_sequence(&stream->kinds[kind]);
        first = waiting < first ? waiting : first;
    }
    stream->after.resume = first - 1;
}

static void hand_over(struct collector *collector, struct stream *stream, struct flush *flush)
{
    for (size_t i = 0; i < flush->item_count; i++)
        if (flush->items[i].columns)
            collector->figures.open_rows -= (int64_t)flush->items[i].columns->rows;
    set_resume(stream);
    flush->after = stream->after;
    flush->event_ts_ms = stream->newest_ts_ms;
    memcpy(flush->symbol, collector->symbols[stream->symbol].symbol, sizeof flush->symbol);
    writer_flush(collector->writer, flush);
}

/* flush_windows: all kinds of the stream, windows that ended before `below_ms`. */
static void flush_windows(struct collector *collector, struct stream *stream, int64_t below_ms)
{
    struct flush flush = {0};
    size_t bytes = 0;
    for (size_t kind = 0; kind <= KIND_COUNT; kind++)
        windows_take(&stream->kinds[kind], kind, below_ms, &flush, &bytes);
    collector->figures.open_bytes -= bytes;
    stream->after.through = stream->position;
    stream->after.below_ms = below_ms;
    hand_over(collector, stream, &flush);
}

static void flush_kind(struct collector *collector, struct stream *stream, enum data_kind kind)
{
    struct flush flush = {0};
    size_t bytes = 0;
    windows_take(&stream->kinds[kind], kind, INT64_MAX, &flush, &bytes);
    collector->figures.open_bytes -= bytes;
    collector->figures.early_flushes++;
    stream->after.whole[kind] = stream->position;
    hand_over(collector, stream, &flush);
}

/* --- merging --- */

static bool feeds(const struct stream *stream, enum data_kind kind)
{
    if (kind == KIND_EVENTS)
        return true;
    return (kind == KIND_PRICES || kind == KIND_ORDERBOOK) == (strcmp(stream->service, "harvest") == 0);
}

/* complete_below: hours before it are complete in every stream that feeds the kind and has said anything. */
static int64_t complete_below(const struct collector *collector, size_t symbol, enum data_kind kind)
{
    int64_t watermark_ms = INT64_MAX;
    for (size_t i = 0; i < collector->stream_count; i++) {
        const struct stream *stream = &collector->streams[i];
        if (stream->symbol != symbol || !stream->position || !feeds(stream, kind))
            continue;
        watermark_ms = stream->watermark_ms < watermark_ms ? stream->watermark_ms : watermark_ms;
    }
    return watermark_ms == INT64_MIN ? INT64_MIN : floor_multiple(watermark_ms - MERGE_DELAY_MS, HOUR_MS);
}

static void merge_complete_hours(struct collector *collector, const struct stream *stream)
{
    struct symbol_state *state = &collector->symbols[stream->symbol];
    for (enum data_kind kind = 0; collector->config.merge_hours && kind < KIND_COUNT; kind++) {
        int64_t below_ms = feeds(stream, kind) ? complete_below(collector, stream->symbol, kind) : INT64_MIN;
        if (below_ms <= state->merged_below_ms[kind])
            continue;
        state->merged_below_ms[kind] = below_ms;
        writer_merge(collector->writer, state->symbol, kind, below_ms);
    }
}

/* --- rows --- */

static int64_t rotate_ms(const struct collector *collector)
{
    return collector->config.rotate_s * 1000;
}

/* advance: rows read again up to `through` cannot end a window that was not ended before. */
static void advance(struct collector *collector, struct stream *stream)
{
    int64_t least_ms =
        stream->newest_ts_ms == INT64_MIN ? INT64_MIN : stream->newest_ts_ms - rotate_ms(collector);
    if (least_ms > stream->watermark_ms)
        stream->watermark_ms = least_ms;
    if (stream->watermark_ms == INT64_MIN || stream->position < stream->after.through)
        return;
    int64_t below_ms = floor_multiple(stream->watermark_ms, rotate_ms(collector));
    if (below_ms <= stream->after.below_ms)
        return;
    flush_windows(collector, stream, below_ms);
    merge_complete_hours(collector, stream);
}

static void end_stream(struct collector *collector, struct stream *stream)
{
    stream->watermark_ms = INT64_MAX;
    stream->after.ended = true;
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        stream->after.whole[kind] = stream->position;
    flush_windows(collector, stream, INT64_MAX);
    merge_complete_hours(collector, stream);
}

static void move_watermark(struct stream *stream, int64_t watermark_ms)
{
    if (watermark_ms > stream->watermark_ms)
        stream->watermark_ms = watermark_ms;
}

/* note_watermark: what a good row says about event time. */
static void note_watermark(struct stream *stream, int row_kind, const void *row)
{
    switch (row_kind) {
    case ROW_TRADE: move_watermark(stream, ((const struct trade_row *)row)->watermark_after_ms); break;
    case ROW_BOOK: move_watermark(stream, ((const struct book_row *)row)->watermark_ms); break;
    case ROW_FEATURE: move_watermark(stream, ((const struct feature_row *)row)->ts_ms); break;
    case ROW_FUSION: move_watermark(stream, ((const struct fusion_row *)row)->ts_ms); break;
    case ROW_STRATEGY_STATE: move_watermark(stream, ((const struct strategy_state_row *)row)->ts_ms); break;
    default: break;
    }
}

static void note_bytes(struct collector *collector, struct window *window)
{
    size_t bytes = (window->columns ? columns_bytes(window->columns) : 0) + window->rejects.length;
    collector->figures.open_bytes += bytes - window->bytes;
    window->bytes = bytes;
}

static void note_first_row(struct collector *collector, int64_t ts_ms)
{
    if (collector->last_ts_ms_at_start)
        collector->figures.restart_gap_ms = ts_ms - collector->last_ts_ms_at_start;
    collector->last_ts_ms_at_start = 0;
}

static void add_row(struct collector *collector, const struct stream *stream, enum data_kind kind,
                    struct window *window, int64_t sequence)
{
    const char *symbol = collector->symbols[stream->symbol].symbol;
    char row_id[ROW_ID_BYTES];
    struct row_key key = kind_row_key(kind, collector->row);
    if (!key_set_add(&window->keys, key)) {
        window->duplicates++;
        return;
    }
    if (!window->columns)
        window->columns = columns_create(KINDS[kind].message, collector->field_counts[kind], symbol);
    kind_row_id(kind, symbol, collector->row, row_id);
    struct column_order order = {.id = KINDS[kind].order_column ? key.id : 0, .sequence = sequence};
    columns_append(window->columns, row_id, order, collector->row);
    collector->figures.open_rows++;
    if (window->columns->rows % BYTES_NOTED_EVERY_ROWS == 0)
        note_bytes(collector, window);
}

static bool wants_flush(const struct collector *collector, const struct window *window)
{
    return collector->figures.open_bytes > COLLECTOR_BYTES_MAX ||
           (window->columns && window->columns->rows >= collector->config.max_rows);
}

/* reject_undecoded: a row whose time and fields are not known. */
static void reject_undecoded(struct collector *collector, struct stream *stream, enum data_kind kind,
                             const struct row_view *view)
{
    if (checkpoint_is_durable(&stream->durable_at_start, kind, view->sequence, WINDOW_OF_NO_TIME))
        return;
    struct window *window = windows_find(&stream->kinds[kind], WINDOW_OF_NO_TIME, view->sequence);
    int64_t day_ts_ms = stream->newest_ts_ms == INT64_MIN ? 0 : stream->newest_ts_ms;
    window_reject(window, kind, QUALITY_PARSE_ERROR, collector->symbols[stream->symbol].symbol, day_ts_ms,
                  view, NULL);
}

/* keep_row: the decoded row into its window, or its dead letter. */
static void keep_row(struct collector *collector, struct stream *stream, enum data_kind kind,
                     enum quality quality, int64_t ts_ms, const struct row_view *view)
{
    struct window *window =
        windows_find(&stream->kinds[kind], floor_multiple(ts_ms, rotate_ms(collector)), view->sequence);
    collector->figures.late_rows += ts_ms < stream->after.below_ms;
    if (quality == QUALITY_GOOD) {
        note_first_row(collector, ts_ms);
        add_row(collector, stream, kind, window, view->sequence);
    } else {
        window_reject(window, kind, quality, collector->symbols[stream->symbol].symbol, ts_ms, view,
                      collector->row);
        note_bytes(collector, window);
    }
    if (wants_flush(collector, window))
        flush_kind(collector, stream, kind);
}

static void take_data(struct collector *collector, struct stream *stream, enum data_kind kind,
                      const struct row_view *view)
{
    const struct message *message = KINDS[kind].message;
    if (row_decode(view, message, collector->row, NULL) != STATUS_OK) {
        reject_undecoded(collector, stream, kind, view);
        return;
    }
    int64_t ts_ms = field_as_i64(message_field(message, "ts_ms"), collector->row);
    enum quality quality = quality_check(kind, collector->field_counts[kind], collector->row);
    if (quality == QUALITY_GOOD) {
        stream->newest_ts_ms = ts_ms > stream->newest_ts_ms ? ts_ms : stream->newest_ts_ms;
        note_watermark(stream, view->kind, collector->row);
    }
    if (checkpoint_is_durable(&stream->durable_at_start, kind, view->sequence, ts_ms))
        collector->figures.rows_passed_over++;
    else
        keep_row(collector, stream, kind, quality, ts_ms, view);
}

static void take_other(struct collector *collector, struct stream *stream, const struct row_view *view)
{
    struct control_row control;
    if (view->kind == ROW_CONTROL && row_decode(view, &control_message, &control, NULL) == STATUS_OK) {
        if (control.action == CONTROL_END_OF_STREAM)
            end_stream(collector, stream);
    } else if (view->kind == ROW_STRATEGY_STATE &&
               row_decode(view, &strategy_state_message, collector->row, NULL) == STATUS_OK) {
        note_watermark(stream, view->kind, collector->row);
    } else if (view->kind != ROW_QUOTE_AUDIT) {
        reject_undecoded(collector, stream, KIND_NONE, view);
    }
}

void collector_row(struct collector *collector, size_t index, const struct row_view *view)
{
    struct stream *stream = &collector->streams[index];
    enum data_kind kind = kind_of_row(view->kind);
    stream->position = view->sequence;
    collector->figures.rows_read++;
    if (kind == KIND_NONE)
        take_other(collector, stream, view);
    else
        take_data(collector, stream, kind, view);
    if (!stream->after.ended)
        advance(collector, stream);
}

void collector_figures(const struct collector *collector, struct collector_figures *out_figures)
{
    *out_figures = collector->figures;
    for (size_t i = 0; i < collector->stream_count; i++) {
        out_figures->position_sequences += collector->streams[i].position;
        out_figures->durable_sequences +=
            writer_stream(collector->writer, collector->streams[i].after.name).resume;
    }
}
