#include "figures.h"

#include "base/clock.h"
#include "base/memory.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/event.h"
#include "proto/order.h"
#include "proto/quote_audit.h"
#include "proto/signal.h"
#include "proto/trade.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { MINUTE_MS = 60000 };

void figures_init(struct figures *figures)
{
    *figures = (struct figures){0};
    map_init(&figures->symbol_index);
    map_init(&figures->stream_index);
}

void figures_finish(struct figures *figures)
{
    for (size_t i = 0; i < figures->instance_count; i++)
        free(figures->instances[i].counters);
    free(figures->instances);
    free(figures->symbols);
    free(figures->streams);
    free(figures->minutes);
    free(figures->kept);
    map_finish(&figures->symbol_index);
    map_finish(&figures->stream_index);
    figures_init(figures);
}

static void copy_text(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = 0;
}

/* ---- the tables ---- */

static void clear_book(struct symbol_figures *symbol)
{
    for (int i = 0; i < FIGURES_TOP_LEVELS; i++) {
        symbol->bids[i] = (struct book_level){decimal_null(), decimal_null()};
        symbol->asks[i] = symbol->bids[i];
    }
}

struct symbol_figures *figures_symbol(struct figures *figures, const char *symbol)
{
    size_t index = map_get(&figures->symbol_index, symbol);
    if (index != MAP_ABSENT)
        return &figures->symbols[index];
    index = figures->symbol_count++;
    figures->symbols = memory_grow(figures->symbols, &figures->symbol_capacity, figures->symbol_count,
                                   sizeof *figures->symbols);
    struct symbol_figures *added = &figures->symbols[index];
    *added = (struct symbol_figures){.first_ts_ms = FIELD_NULL_I64,
                                     .last_ts_ms = FIELD_NULL_I64,
                                     .recv_rate_tps = NAN,
                                     .regime = FIELD_NULL_ENUM};
    copy_text(added->symbol, sizeof added->symbol, symbol);
    clear_book(added);
    map_put(&figures->symbol_index, symbol, index);
    return added;
}

struct stream_figures *figures_stream(struct figures *figures, const char *stream)
{
    size_t index = map_get(&figures->stream_index, stream);
    if (index != MAP_ABSENT)
        return &figures->streams[index];
    index = figures->stream_count++;
    figures->streams = memory_grow(figures->streams, &figures->stream_capacity, figures->stream_count,
                                   sizeof *figures->streams);
    figures->streams[index] = (struct stream_figures){0};
    copy_text(figures->streams[index].stream, sizeof figures->streams[index].stream, stream);
    map_put(&figures->stream_index, stream, index);
    return &figures->streams[index];
}

const struct stream_figures *figures_find_stream(const struct figures *figures, const char *stream)
{
    size_t index = map_get(&figures->stream_index, stream);
    return index == MAP_ABSENT ? NULL : &figures->streams[index];
}

struct order_minute *figures_minute(struct figures *figures, int64_t minute)
{
    size_t at = figures->minute_count;
    while (at > 0 && figures->minutes[at - 1].minute > minute)
        at--;
    if (at > 0 && figures->minutes[at - 1].minute == minute)
        return &figures->minutes[at - 1];
    figures->minutes = memory_grow(figures->minutes, &figures->minute_capacity, figures->minute_count + 1,
                                   sizeof *figures->minutes);
    memmove(&figures->minutes[at + 1], &figures->minutes[at],
            (figures->minute_count - at) * sizeof *figures->minutes);
    figures->minute_count++;
    figures->minutes[at] = (struct order_minute){.minute = minute};
    return &figures->minutes[at];
}

struct instance_figures *figures_instance(struct figures *figures, const char *instance)
{
    for (size_t i = 0; i < figures->instance_count; i++)
        if (strcmp(figures->instances[i].instance, instance) == 0)
            return &figures->instances[i];
    figures->instances = memory_grow(figures->instances, &figures->instance_capacity,
                                     figures->instance_count + 1, sizeof *figures->instances);
    struct instance_figures *added = &figures->instances[figures->instance_count++];
    *added = (struct instance_figures){0};
    copy_text(added->instance, sizeof added->instance, instance);
    return added;
}

/* ---- rows of harvest ---- */

static void note_time(struct symbol_figures *symbol, int64_t ts_ms)
{
    if (symbol->first_ts_ms == FIELD_NULL_I64 || ts_ms < symbol->first_ts_ms)
        symbol->first_ts_ms = ts_ms;
    if (symbol->last_ts_ms == FIELD_NULL_I64 || ts_ms > symbol->last_ts_ms)
        symbol->last_ts_ms = ts_ms;
}

static void take_trade(struct symbol_figures *symbol, const struct trade_row *trade)
{
    symbol->trades++;
    symbol->internal_trades += trade->is_market == 0;
    symbol->recv_rate_tps = trade->recv_rate_tps;
    trade_minutes_add(&symbol->trade_minutes, trade->ts_ms);
    note_time(symbol, trade->ts_ms);
    decimal_sum_add(&symbol->total, trade->qty);
    if (trade->is_buyer_maker == 0)
        decimal_sum_add(&symbol->taker_buy, trade->qty);
    else if (trade->is_buyer_maker == 1)
        decimal_sum_add(&symbol->taker_sell, trade->qty);
}

static void take_book(struct figures *figures, struct symbol_figures *symbol, const struct book_row *book)
{
    minutes_book(&figures->event_minutes, book->ts_ms);
    symbol->diffs_applied++;
    symbol->book_resets += book->book_reset == 1;
    note_time(symbol, book->ts_ms);
    for (int i = 0; i < FIGURES_TOP_LEVELS; i++) {
        symbol->bids[i] = (struct book_level){book->bid_price[i], book->bid_qty[i]};
        symbol->asks[i] = (struct book_level){book->ask_price[i], book->ask_qty[i]};
    }
}

static void take_order(struct figures *figures, struct symbol_figures *symbol, const struct order_row *order)
{
    struct order_minute *minute = figures_minute(figures, floor_div(order->order_ts_ms, MINUTE_MS));
    symbol->orders++;
    minute->buy += order->side == ORDER_BUY;
    minute->sell += order->side == ORDER_SELL;
    minute->strong += order->strength == ORDER_STRONG;
    minute->normal += order->strength == ORDER_NORMAL;
    minute->rejected += order->status == ORDER_REJECTED;
    minute->dirty = true;
}

static void take_signal(struct figures *figures, struct symbol_figures *symbol,
                        const struct signal_row *signal)
{
    bool strong = signal->signal_type == SIGNAL_STRONG_BUY || signal->signal_type == SIGNAL_STRONG_SELL;
    symbol->confirmed_signals += signal->confirm == 1;
    symbol->strong_signals += signal->confirm == 1 && strong;
    symbol->regime = signal->regime;
    minutes_signal(&figures->event_minutes, signal);
}

/* missing_ids: those that a gap of trade ids names; 0 for every other event. Not `gap_before` of the next trade row: a
 * trade that shows a hole may itself be unfit to be a row. */
static int64_t missing_ids(const struct event_row *event)
{
    yyjson_doc *meta = yyjson_read(event->meta_json, strlen(event->meta_json), 0);
    yyjson_val *root = yyjson_doc_get_root(meta), *missing = yyjson_obj_get(root, "missing");
    bool is_hole = yyjson_equals_str(yyjson_obj_get(root, "gap_kind"), "trade_id") && yyjson_is_int(missing);
    int64_t count = is_hole ? yyjson_get_sint(missing) : 0;
    yyjson_doc_free(meta);
    return count;
}

static void take_event(struct symbol_figures *symbol, const struct event_row *event)
{
    if (event->event_type != EVENT_GAP)
        return;
    symbol->gaps++;
    symbol->missing_trade_ids += missing_ids(event);
}

/* ---- taking one row ---- */

union any_row {
    struct trade_row trade;
    struct book_row book;
    struct quote_audit_row audit;
    struct event_row event;
    struct strategy_state_row state;
    struct order_row order;
    struct signal_row signal;
    struct control_row control;
};

static void keep(struct figures *figures, const struct stream_figures *stream,
                 const struct symbol_figures *symbol, const struct row_view *view, const union any_row *row)
{
    figures->kept =
        memory_grow(figures->kept, &figures->kept_capacity, figures->kept_count + 1, sizeof *figures->kept);
    struct kept_row *kept = &figures->kept[figures->kept_count++];
    *kept = (struct kept_row){
        .stream = (size_t)(stream - figures->streams),
        .sequence = view->sequence,
        .kind = view->kind,
        .symbol = (size_t)(symbol - figures->symbols),
        .ts_ms = view->kind == ROW_EVENT ? row->event.ts_ms : row->state.ts_ms,
    };
    if (view->kind == ROW_EVENT)
        kept->event_type = row->event.event_type;
    else
        kept->state = row->state;
}

static bool is_wanted(int kind)
{
    switch (kind) {
    case ROW_TRADE:
    case ROW_BOOK:
    case ROW_QUOTE_AUDIT:
    case ROW_EVENT:
    case ROW_CONTROL:
    case ROW_STRATEGY_STATE:
    case ROW_SIGNAL:
    case ROW_ORDER: return true;
    default: return false;
    }
}

static void take(struct figures *figures, struct stream_figures *stream, struct symbol_figures *symbol,
                 const struct row_view *view, const union any_row *row)
{
    switch (view->kind) {
    case ROW_TRADE: take_trade(symbol, &row->trade); break;
    case ROW_BOOK: take_book(figures, symbol, &row->book); break;
    case ROW_SIGNAL: take_signal(figures, symbol, &row->signal); break;
    case ROW_ORDER: take_order(figures, symbol, &row->order); break;
    case ROW_CONTROL: stream->ended |= row->control.action == CONTROL_END_OF_STREAM; break;
    case ROW_QUOTE_AUDIT:
        symbol->audit_equal += row->audit.agrees == 1;
        symbol->audit_different += row->audit.agrees == 0;
        break;
    case ROW_EVENT:
        take_event(symbol, &row->event);
        keep(figures, stream, symbol, view, row);
        break;
    case ROW_STRATEGY_STATE: keep(figures, stream, symbol, view, row); break;
    default: break;
    }
}

enum status figures_row(struct figures *figures, const char *service, const char *symbol,
                        const struct row_view *row, struct error *error)
{
    char name[STREAM_BYTES];
    snprintf(name, sizeof name, "%s/%s", service, symbol);
    struct stream_figures *stream = figures_stream(figures, name);
    if (row->sequence <= stream->position)
        return STATUS_OK;
    stream->position = row->sequence;
    stream->dirty = figures->dirty = true;

    struct symbol_figures *own = figures_symbol(figures, symbol);
    own->dirty = true;
    own->signals += row->kind == ROW_SIGNAL;
    if (!is_wanted(row->kind))
        return STATUS_OK;
    union any_row decoded;
    enum status status = row_decode(row, message_of_kind(row->kind), &decoded, error);
    if (status == STATUS_OK)
        take(figures, stream, own, row, &decoded);
    return status;
}

/* ---- heartbeats ---- */

void instance_counter(struct instance_figures *instance, const char *name, int64_t value)
{
    size_t at = 0;
    if (figure_is_of_stream(name))
        return;
    while (at < instance->counter_count && strcmp(instance->counters[at].name, name) != 0)
        at++;
    if (at == FIGURES_COUNTERS_MAX)
        return;
    if (at == instance->counter_count) {
        instance->counters =
            memory_grow(instance->counters, &instance->counter_capacity, at + 1, sizeof *instance->counters);
        copy_text(instance->counters[at].name, sizeof instance->counters[at].name, name);
        instance->counter_count++;
    }
    instance->counters[at].value = value;
}

struct sink_status_row *instance_sink(struct instance_figures *instance, const char *name)
{
    size_t at = 0;
    while (at < instance->sink_count && strcmp(instance->sinks[at].sink, name) != 0)
        at++;
    if (at == FIGURES_SINKS_MAX)
        return NULL;
    if (at == instance->sink_count) {
        instance->sinks[at] = (struct sink_status_row){0};
        copy_text(instance->sinks[at].sink, sizeof instance->sinks[at].sink, name);
        instance->sink_count++;
    }
    return &instance->sinks[at];
}

static void take_sink(struct instance_figures *instance, const struct sink_status_row *sink)
{
    struct sink_status_row *known = instance_sink(instance, sink->sink);
    if (known)
        *known = *sink;
}

void figures_beat(struct figures *figures, const struct heartbeat_row *beat, struct frame *rest)
{
    if (figures->instance_count == FIGURES_INSTANCES_MAX)
        return;
    struct instance_figures *instance = figures_instance(figures, beat->name);
    copy_text(instance->state, sizeof instance->state, beat->state);
    instance->generation = beat->generation;
    figures->beats_dirty = true;
    struct row_view view;
    struct error ignored;
    while (frame_next(rest, &view)) {
        struct counter_row counter;
        struct sink_status_row sink;
        if (view.kind == ROW_COUNTER && row_decode(&view, &counter_message, &counter, &ignored) == STATUS_OK)
            instance_counter(instance, counter.name, counter.value);
        if (view.kind == ROW_SINK_STATUS &&
            row_decode(&view, &sink_status_message, &sink, &ignored) == STATUS_OK)
            take_sink(instance, &sink);
    }
}

static bool is_of_service(const char *name, const char *service, char separator)
{
    size_t length = strlen(service);
    return strncmp(name, service, length) == 0 && (name[length] == separator || name[length] == 0);
}

int64_t figures_counter(const struct figures *figures, const char *service, const char *name)
{
    int64_t sum = FIELD_NULL_I64;
    for (size_t i = 0; i < figures->instance_count; i++) {
        const struct instance_figures *instance = &figures->instances[i];
        if (service && !is_of_service(instance->instance, service, '.'))
            continue;
        for (size_t j = 0; j < instance->counter_count; j++)
            if (strcmp(instance->counters[j].name, name) == 0)
                sum = (sum == FIELD_NULL_I64 ? 0 : sum) + instance->counters[j].value;
    }
    return sum;
}

bool figures_heard(const struct figures *figures, const char *service)
{
    for (size_t i = 0; i < figures->instance_count; i++)
        if (is_of_service(figures->instances[i].instance, service, '.'))
            return true;
    for (size_t i = 0; i < figures->stream_count; i++)
        if (figures->streams[i].position > 0 && is_of_service(figures->streams[i].stream, service, '/'))
            return true;
    return false;
}

enum status sum_parse(const char *text, struct decimal_sum *out_sum)
{
    struct decimal_sum sum = {0};
    bool negative = *text == '-', point = false;
    const char *at = text + negative;
    size_t digits = 0;
    for (; *at; at++) {
        if (*at == '.' && !point && digits) {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9' || ++digits > 38)
            return STATUS_MALFORMED;
        sum.units = sum.units * 10 + (*at - '0');
        sum.exponent += point;
    }
    if (!digits || at[-1] == '.' || sum.exponent > DECIMAL_EXPONENT_MAX)
        return STATUS_MALFORMED;
    if (negative)
        sum.units = -sum.units;
    *out_sum = sum;
    return STATUS_OK;
}
