#include "tests/support/services/services.h"

#include "base/memory.h"
#include "base/random.h"
#include "proto/control.h"
#include "proto/cvd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one symbol has come to; saved and restored as it is. */
struct count {
    struct random random;
    int64_t rows;
    double sum;
};

struct counter {
    struct stage *stage;
    int64_t rows, hold, flaw, largest;
    bool released, over;
    struct random shape; /* of this life's turns */
    struct count *counts;
};

static int64_t option(struct stage *stage, const char *name, int64_t otherwise)
{
    const char *text = stage_option_value(stage, name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static enum status counter_open(struct stage *stage, void **out_service, struct error *error)
{
    struct counter *counter = memory_allocate(sizeof *counter);
    (void)error;
    *counter = (struct counter){.stage = stage,
                                .rows = option(stage, "rows", 1000),
                                .hold = option(stage, "hold", INT64_MAX),
                                .flaw = option(stage, "flaw", 0),
                                .largest = option(stage, "largest", 50)};
    random_seed(&counter->shape, (uint64_t)getpid());
    counter->counts = memory_allocate(stage_symbol_count(stage) * sizeof *counter->counts);
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        random_seed(&counter->counts[i].random, i);
    *out_service = counter;
    return STATUS_OK;
}

static void counter_close(void *service)
{
    struct counter *counter = service;
    free(counter->counts);
    free(counter);
}

static void emit_end(struct counter *counter, size_t symbol)
{
    struct control_row row;
    message_clear(&control_message, &row);
    row.ts_ms = 1700000000000 + counter->counts[symbol].rows;
    row.source = stage_emitted(counter->stage, symbol) + 1;
    row.action = CONTROL_END_OF_STREAM;
    stage_emit(counter->stage, symbol, &control_message, &row);
}

static void emit_row(struct counter *counter, size_t symbol)
{
    struct count *count = &counter->counts[symbol];
    struct cvd_row row;
    count->rows++;
    count->sum += random_normal(&count->random) / 3;
    message_clear(&cvd_message, &row);
    row.ts_ms = 1700000000000 + count->rows;
    row.source = stage_emitted(counter->stage, symbol) + 1;
    row.agg_trade_id = count->rows;
    row.cvd = count->rows == counter->flaw ? (double)getpid() : count->sum;
    stage_emit(counter->stage, symbol, &cvd_message, &row);
}

/* counter_pull: how many rows a turn gets depends on the life, not on the data: turns mean nothing. */
static enum status counter_pull(void *service, size_t budget, int wait_ms, bool *out_more,
                                struct error *error)
{
    struct counter *counter = service;
    (void)wait_ms;
    (void)error;
    (void)budget;
    size_t symbols = stage_symbol_count(counter->stage), ended = 0;
    int64_t until = counter->released || counter->hold > counter->rows ? counter->rows : counter->hold;
    for (size_t i = 0; i < symbols; i++) {
        for (uint64_t left = random_below(&counter->shape, (uint64_t)counter->largest + 1); left; left--)
            if (counter->counts[i].rows < until)
                emit_row(counter, i);
        ended += counter->counts[i].rows == counter->rows;
    }
    *out_more = false;
    for (size_t i = 0; i < symbols; i++)
        *out_more = *out_more || counter->counts[i].rows < until;
    if (ended == symbols && !counter->over) {
        for (size_t i = 0; i < symbols; i++)
            emit_end(counter, i);
        counter->over = true;
        stage_end(counter->stage);
    }
    return STATUS_OK;
}

static void counter_save(void *service, struct buffer *out)
{
    struct counter *counter = service;
    buffer_append_byte(out, counter->over);
    buffer_append(out, counter->counts, stage_symbol_count(counter->stage) * sizeof *counter->counts);
}

static enum status counter_load(void *service, struct reader *in)
{
    struct counter *counter = service;
    uint8_t over;
    reader_take(in, &over, 1);
    counter->over = over;
    reader_take(in, counter->counts, stage_symbol_count(counter->stage) * sizeof *counter->counts);
    return reader_done(in);
}

static enum status counter_command(void *service, const char *verb, const char *arguments_json,
                                   struct error *error)
{
    struct counter *counter = service;
    (void)arguments_json;
    (void)error;
    if (strcmp(verb, "release") != 0)
        return STATUS_UNSUPPORTED;
    counter->released = true;
    return STATUS_OK;
}

static void counter_report(void *service, struct stage_report *report)
{
    struct counter *counter = service;
    char name[STREAM_BYTES + 8];
    for (size_t i = 0; !stage_report_is_brief(report) && i < stage_symbol_count(counter->stage); i++) {
        snprintf(name, sizeof name, "rows/counter/%.32s", stage_symbol(counter->stage, i));
        stage_report_counter(report, name, counter->counts[i].rows);
    }
}

static bool counter_caught_up(void *service)
{
    return ((struct counter *)service)->over;
}

static const struct stage_option OPTIONS[] = {
    {"rows", "N", NULL, "rows per symbol"},
    {"hold", "N", NULL, "wait for `release` after so many rows"},
    {"flaw", "N", NULL, "this row differs from life to life"},
    {"largest", "N", NULL, "most rows per turn and symbol"},
    {0},
};

const struct stage_service counter_service = {
    .name = "counter",
    .summary = "Publishes numbers, for tests.",
    .publishes = true,
    .cannot_wait = true,
    .options = OPTIONS,
    .open = counter_open,
    .close = counter_close,
    .pull = counter_pull,
    .save = counter_save,
    .load = counter_load,
    .command = counter_command,
    .report = counter_report,
    .caught_up = counter_caught_up,
};
