/* Events of harvest: gaps, silences, reconnects; and the small things every step uses. */
#include "feed_symbol.h"

#include "proto/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void feed_symbol_counts(struct feed_symbol *symbol, enum feed_counter counter)
{
    symbol->state.counters[counter]++;
}

void feed_symbol_emits(struct feed_symbol *symbol, const struct message *message, const void *row)
{
    symbol->feed->emit(symbol->feed->context, symbol->index, message, row);
}

const struct venue_instrument *feed_symbol_scale(const struct feed_symbol *symbol)
{
    return venue_instrument(symbol->feed->venue, symbol->index);
}

static void emit_event(struct feed_symbol *symbol, int ordinal_slot, int64_t ts_ms, const char *meta_json)
{
    static const int8_t CHANNELS[FEED_ORDINALS] = {CHANNEL_TRADE, CHANNEL_BOOK, CHANNEL_SOCKET};
    struct feed_ordinal *ordinal = &symbol->state.ordinals[ordinal_slot];
    if (ordinal->ts_ms != ts_ms)
        *ordinal = (struct feed_ordinal){.ts_ms = ts_ms};
    ordinal->count++;
    struct event_row row;
    message_clear(&event_message, &row);
    row.ts_ms = row.detected_ts_ms = ts_ms;
    row.source = ++symbol->state.sequence;
    row.event_type = ordinal_slot == FEED_ORDINAL_RECONNECT ? EVENT_RECONNECT : EVENT_GAP;
    row.channel = CHANNELS[ordinal_slot];
    row.direction = DIRECTION_NEUTRAL;
    snprintf(row.meta_json, sizeof row.meta_json, "%s", meta_json);
    row.ordinal = (int32_t)ordinal->count;
    feed_symbol_counts(symbol, FEED_EMITTED_EVENTS);
    feed_symbol_emits(symbol, &event_message, &row);
}

/* feed_symbol_gap: canonical meta of data.md §3.4; missing < 0 means null. */
void feed_symbol_gap(struct feed_symbol *symbol, int ordinal_slot, int64_t ts_ms, const char *gap_kind,
                     int64_t from, int64_t to, int64_t missing)
{
    char number[24] = "null", meta[160];
    if (missing >= 0)
        snprintf(number, sizeof number, "%" PRId64, missing);
    snprintf(meta, sizeof meta,
             "{\"from\":%" PRId64 ",\"gap_kind\":\"%s\",\"missing\":%s,\"to\":%" PRId64 "}", from, gap_kind,
             number, to);
    emit_event(symbol, ordinal_slot, ts_ms, meta);
}

/* feed_symbol_silence: when the item ends a pause longer than the limit. */
void feed_symbol_silence(struct feed_symbol *symbol, int ordinal_slot, int64_t from_ms, int64_t ts_ms,
                         int64_t idle_s)
{
    if (from_ms == FIELD_NULL_I64 || ts_ms - from_ms <= idle_s * 1000)
        return;
    feed_symbol_counts(symbol, FEED_SILENCES);
    feed_symbol_gap(symbol, ordinal_slot, ts_ms, "silence", from_ms, ts_ms, -1);
}

void feed_symbol_tell_reopened(struct feed_symbol *symbol, int64_t ts_ms)
{
    int64_t waiting = symbol->state.reopened_count;
    symbol->state.reopened_count = 0;
    for (int64_t i = 0; i < waiting; i++)
        emit_event(symbol, FEED_ORDINAL_RECONNECT, ts_ms, symbol->state.reopened[i]);
    if (waiting)
        memset(symbol->state.reopened, 0, sizeof symbol->state.reopened);
}

void feed_symbol_note_reopened(struct feed_symbol *symbol, const struct venue_message *message)
{
    struct feed_symbol_state *state = &symbol->state;
    if (state->reopened_count == FEED_REOPENED_MAX)
        state->reopened_count--;
    char *text = state->reopened[state->reopened_count++];
    memset(text, 0, META_BYTES);
    memcpy(text, message->text, message->text_bytes < META_BYTES ? message->text_bytes : META_BYTES - 1);
    /* Between the sockets bookTickers may have been missed. */
    audit_restart(&symbol->audit);
}
