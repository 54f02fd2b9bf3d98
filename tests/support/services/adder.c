#include "tests/support/services/services.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "proto/control.h"
#include "proto/cvd.h"
#include "proto/order.h"
#include "stage/sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sum {
    int64_t rows;
    double total;
};

/* lines: the sink. Its file is its position: a line is there or it is not. */
struct lines {
    const char *path;
    int64_t failures_left;
    int descriptor;
    pthread_mutex_t mutex; /* guards the positions */
    size_t stream_count;
    struct {
        char stream[STREAM_BYTES];
        int64_t position;
    } streams[16];
    struct buffer batch;
};

struct adder {
    struct stage *stage;
    struct sum *sums;
    int64_t work_us; /* of each row */
    struct lines lines;
    struct sink sink;
};

/* --- the sink --- */

static int64_t *lines_slot(struct lines *lines, const char *stream)
{
    for (size_t i = 0; i < lines->stream_count; i++)
        if (strcmp(lines->streams[i].stream, stream) == 0)
            return &lines->streams[i].position;
    if (lines->stream_count == 16)
        abort();
    snprintf(lines->streams[lines->stream_count].stream, STREAM_BYTES, "%s", stream);
    return &lines->streams[lines->stream_count++].position;
}

static void lines_recount(struct lines *lines)
{
    struct buffer text;
    char stream[STREAM_BYTES];
    long long sequence;
    int length;
    buffer_init(&text, 0);
    pthread_mutex_lock(&lines->mutex);
    for (size_t i = 0; i < lines->stream_count; i++)
        lines->streams[i].position = 0;
    if (file_read(lines->path, &text) == STATUS_OK)
        for (const char *at = buffer_text(&text);
             sscanf(at, "%95s %lld\n%n", stream, &sequence, &length) == 2; at += length)
            *lines_slot(lines, stream) = sequence;
    pthread_mutex_unlock(&lines->mutex);
    buffer_finish(&text);
}

/* lines_mend: a kill in the middle of a write leaves half a line, behind which no other may be written. */
static enum status lines_mend(const struct lines *lines)
{
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = file_read(lines->path, &text);
    while (status == STATUS_OK && text.length > 0 && text.data[text.length - 1] != '\n')
        text.length--;
    if (status == STATUS_OK && ftruncate(lines->descriptor, (off_t)text.length) != 0)
        status = STATUS_IO;
    buffer_finish(&text);
    return status;
}

static enum status lines_open(void *context, struct journal *journal, struct error *error)
{
    struct lines *lines = context;
    (void)journal;
    lines->descriptor = open(lines->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (lines->descriptor < 0 || lines_mend(lines) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s cannot be opened: %m", lines->path);
    lines_recount(lines);
    return STATUS_OK;
}

static int64_t lines_position(void *context, const char *stream)
{
    struct lines *lines = context;
    pthread_mutex_lock(&lines->mutex);
    int64_t position = *lines_slot(lines, stream);
    pthread_mutex_unlock(&lines->mutex);
    return position;
}

static enum status lines_begin(void *context, struct error *error)
{
    (void)error;
    buffer_clear(&((struct lines *)context)->batch);
    return STATUS_OK;
}

static enum status lines_write(void *context, const struct sink_rows *rows, struct error *error)
{
    struct lines *lines = context;
    (void)error;
    for (size_t i = 0; i < rows->row_count; i++)
        buffer_format(&lines->batch, "%s %lld\n", rows->stream,
                      (long long)rows->first_sequence + (long long)i);
    return STATUS_OK;
}

static enum status lines_commit(void *context, struct error *error)
{
    struct lines *lines = context;
    if (lines->failures_left-- > 0)
        return error_set(error, STATUS_IO, "%s: no space left, says the test", lines->path);
    enum status status = file_write_all(lines->descriptor, lines->batch.data, lines->batch.length);
    lines_recount(lines);
    return status;
}

static void lines_rollback(void *context)
{
    buffer_clear(&((struct lines *)context)->batch);
}

static void lines_close(void *context)
{
    struct lines *lines = context;
    close(lines->descriptor);
    buffer_finish(&lines->batch);
}

static void add_sink(struct adder *adder, const char *path)
{
    const char *failures = stage_option_value(adder->stage, "lines-fail");
    adder->lines.path = path;
    adder->lines.failures_left = failures ? strtoll(failures, NULL, 10) : 0;
    pthread_mutex_init(&adder->lines.mutex, NULL);
    buffer_init(&adder->lines.batch, 0);
    adder->sink = (struct sink){.name = "lines",
                                .context = &adder->lines,
                                .batch_rows = 100,
                                .flush_ms = 50,
                                .open = lines_open,
                                .position = lines_position,
                                .begin = lines_begin,
                                .write = lines_write,
                                .commit = lines_commit,
                                .rollback = lines_rollback,
                                .close = lines_close};
    stage_add_sink(adder->stage, &adder->sink);
}

/* --- the service --- */

static enum status adder_open(struct stage *stage, void **out_service, struct error *error)
{
    struct adder *adder = memory_allocate(sizeof *adder);
    (void)error;
    adder->stage = stage;
    adder->sums = memory_allocate(stage_symbol_count(stage) * sizeof *adder->sums);
    const char *work = stage_option_value(stage, "work-us");
    adder->work_us = work ? strtoll(work, NULL, 10) : 0;
    if (stage_option_value(stage, "lines"))
        add_sink(adder, stage_option_value(stage, "lines"));
    *out_service = adder;
    return STATUS_OK;
}

static void adder_close(void *service)
{
    struct adder *adder = service;
    free(adder->sums);
    free(adder);
}

static void emit_sum(struct adder *adder, const struct stage_input *input)
{
    const struct sum *sum = &adder->sums[input->symbol_index];
    struct fill_row row;
    message_clear(&fill_message, &row);
    row.ts_ms = 1700000000000 + sum->rows;
    row.source = input->position;
    snprintf(row.order_id, sizeof row.order_id, "%s-%lld", input->symbol, (long long)sum->rows);
    row.price = sum->total;
    stage_emit(adder->stage, input->symbol_index, &fill_message, &row);
}

/* work: keeps the processor busy for so long. */
static void work(int64_t work_us)
{
    struct clock clock = clock_system();
    int64_t until_ns = clock_monotonic_ns(&clock) + work_us * 1000;
    while (work_us && clock_monotonic_ns(&clock) < until_ns)
        ;
}

static enum status adder_row(void *service, const struct stage_input *input, const struct row_view *view,
                             struct error *error)
{
    struct adder *adder = service;
    struct sum *sum = &adder->sums[input->symbol_index];
    struct cvd_row number;
    struct control_row control;
    if (view->kind == ROW_CONTROL) {
        enum status status = row_decode(view, &control_message, &control, error);
        if (status == STATUS_OK)
            stage_emit(adder->stage, input->symbol_index, &control_message, &control);
        return status;
    }
    enum status status = row_decode(view, &cvd_message, &number, error);
    if (status != STATUS_OK)
        return status;
    if (number.agg_trade_id != ++sum->rows)
        return error_set(error, STATUS_CONFLICT, "row %lld of %s where %lld should be",
                         (long long)number.agg_trade_id, input->symbol, (long long)sum->rows);
    sum->total += number.cvd;
    work(adder->work_us);
    if (sum->rows % 3 == 0)
        emit_sum(adder, input);
    return STATUS_OK;
}

static void adder_save(void *service, struct buffer *out)
{
    struct adder *adder = service;
    buffer_append(out, adder->sums, stage_symbol_count(adder->stage) * sizeof *adder->sums);
}

static enum status adder_load(void *service, struct reader *in)
{
    struct adder *adder = service;
    reader_take(in, adder->sums, stage_symbol_count(adder->stage) * sizeof *adder->sums);
    return reader_done(in);
}

static void adder_report(void *service, struct stage_report *report)
{
    struct adder *adder = service;
    stage_report_counter(report, "sums", adder->sums[0].rows / 3);
    stage_report_gauge(report, "unmeasured", FIELD_NULL_F64);
}

static void adder_ledger(void *service, struct stage_ledger *ledger)
{
    struct adder *adder = service;
    for (size_t i = 0; i < stage_symbol_count(adder->stage); i++)
        stage_ledger_count(ledger, i, "sums", adder->sums[i].rows / 3);
}

static const char *const INPUTS[] = {"counter", NULL};
static const struct stage_option OPTIONS[] = {
    {"lines", "FILE", NULL, "a sink that appends to this file"},
    {"lines-fail", "N", NULL, "the sink's first N writes fail"},
    {"work-us", "N", NULL, "each row takes so long"},
    {0},
};

const struct stage_service adder_service = {
    .name = "adder",
    .summary = "Adds the numbers of counter, for tests.",
    .inputs = INPUTS,
    .publishes = true,
    .options = OPTIONS,
    .open = adder_open,
    .close = adder_close,
    .row = adder_row,
    .save = adder_save,
    .load = adder_load,
    .report = adder_report,
    .ledger = adder_ledger,
};
