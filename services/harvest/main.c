/* harvest: receives the venue's messages into the raw capture, and turns that capture into ordered, de-duplicated,
 * audited rows. The receiver (a thread, receiver.h) only appends; this loop reads the capture at its own position through
 * the pure feed (feed.h), so that recovery and replay are the same code. */
#include "base/log.h"
#include "base/memory.h"
#include "figures.h"
#include "stage/stage.h"

#include <stdlib.h>

struct harvest {
    struct stage *stage;
    struct feed *feed;
    struct row_figures rows;
    struct intake intake; /* capture, its reader, the receiver */
    bool at_end;          /* nothing more is readable just now */
};

static void emit(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harvest *harvest = context;
    row_figures_add(&harvest->rows, symbol, message, row);
    stage_emit(harvest->stage, symbol, message, row);
}

static void harvest_close(void *service)
{
    struct harvest *harvest = service;
    intake_close(&harvest->intake);
    feed_destroy(harvest->feed);
    row_figures_finish(&harvest->rows);
    free(harvest);
}

static enum status harvest_open(struct stage *stage, void **out_service, struct error *error)
{
    struct harvest *harvest = memory_allocate(sizeof *harvest);
    struct feed_config settings;
    const char **symbols = memory_allocate(stage_symbol_count(stage) * sizeof *symbols);
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        symbols[i] = stage_symbol(stage, i);
    harvest->stage = stage;
    row_figures_init(&harvest->rows, stage_symbol_count(stage));
    feed_settings(stage_config(stage), symbols, stage_symbol_count(stage), &settings);
    intake_resolve_trades(stage, &settings);
    harvest->feed = feed_create(&settings, emit, harvest, error);
    enum status status =
        harvest->feed ? intake_open(&harvest->intake, stage, &settings, error) : STATUS_INVALID;
    free(symbols);
    if (status == STATUS_OK)
        *out_service = harvest;
    else
        harvest_close(harvest);
    return status;
}

static void take_record(struct harvest *harvest, const struct capture_record *record)
{
    struct error refused;
    if (feed_record(harvest->feed, record, &refused) != STATUS_OK)
        log_event(LOG_WARNING, "record_refused", "record=%llu reason=\"%s\"", (unsigned long long)record->seq,
                  refused.text);
}

static enum status harvest_pull(void *service, size_t budget, int wait_ms, bool *out_more,
                                struct error *error)
{
    struct harvest *harvest = service;
    struct capture_record record;
    enum status status = STATUS_OK;
    (void)wait_ms;                                /* the receiver wakes the loop */
    bool over = intake_is_over(&harvest->intake); /* asked first: then what is unread is all there is */
    for (size_t i = 0; status == STATUS_OK && i < budget; i++) {
        status = capture_next(harvest->intake.reader, &record, error);
        if (status == STATUS_OK)
            take_record(harvest, &record);
    }
    *out_more = status == STATUS_OK;
    harvest->at_end = status == STATUS_AGAIN || status == STATUS_END;
    if (harvest->at_end && over && !feed_ended(harvest->feed))
        feed_end(harvest->feed);
    if (feed_ended(harvest->feed))
        stage_end(harvest->stage);
    for (size_t i = 0; i < stage_symbol_count(harvest->stage); i++) {
        intake_ask(&harvest->intake, i, harvest->feed);
        stage_event_time(harvest->stage, feed_event_ms(harvest->feed, i));
    }
    return harvest->at_end ? STATUS_OK : status;
}

static void harvest_save(void *service, struct buffer *out)
{
    struct harvest *harvest = service;
    intake_save(&harvest->intake, harvest->feed, out);
}

static enum status harvest_load(void *service, struct reader *in)
{
    struct harvest *harvest = service;
    return intake_load(&harvest->intake, harvest->feed, in);
}

static enum status harvest_command(void *service, const char *verb, const char *arguments_json,
                                   struct error *error)
{
    struct harvest *harvest = service;
    (void)arguments_json;
    (void)error;
    return intake_command(&harvest->intake, verb, feed_ended(harvest->feed));
}

static void harvest_report(void *service, struct stage_report *report)
{
    struct harvest *harvest = service;
    figures_report(harvest->feed, harvest->intake.receiver, harvest->intake.writer, &harvest->rows, report);
}

static void harvest_ledger(void *service, struct stage_ledger *ledger)
{
    struct harvest *harvest = service;
    figures_ledger(harvest->feed, stage_symbol_count(harvest->stage), &harvest->intake, ledger);
}

static bool harvest_caught_up(void *service)
{
    return ((struct harvest *)service)->at_end;
}

static const struct stage_service HARVEST = {
    .name = "harvest",
    .summary =
        "Receives the venue's messages, keeps them in the raw capture, publishes ordered trades and books.",
    .publishes = true,
    .cannot_wait = true,
    .open = harvest_open,
    .close = harvest_close,
    .pull = harvest_pull,
    .save = harvest_save,
    .load = harvest_load,
    .command = harvest_command,
    .report = harvest_report,
    .ledger = harvest_ledger,
    .caught_up = harvest_caught_up,
};

int main(int argc, char **argv)
{
    return stage_main(&HARVEST, argc, argv);
}
