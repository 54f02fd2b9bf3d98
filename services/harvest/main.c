/* harvest: receives the venue's messages into the raw capture, and makes ordered, de-duplicated, audited rows of it. The receiver (a
 * thread) only appends; this loop reads the capture through the pure feed, so that recovery and replay are the same code. */
#include "base/memory.h"
#include "figures.h"
#include "own_symbols.h"
#include "stage/stage.h"

#include <stdlib.h>
#include <string.h>

struct harvest {
    struct stage *stage;
    struct own_symbols symbols;
    struct feed *feed; /* NULL: no symbol is ours */
    struct row_figures rows;
    struct intake intake; /* capture, its reader, the receiver */
    bool at_end;          /* nothing more is readable just now */
};

static void emit(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harvest *harvest = context;
    row_figures_add(&harvest->rows, symbol, message, row);
    stage_emit(harvest->stage, harvest->symbols.places[symbol], message, row);
}

static void harvest_close(void *service)
{
    struct harvest *harvest = service;
    intake_close(&harvest->intake);
    feed_destroy(harvest->feed);
    row_figures_finish(&harvest->rows);
    own_symbols_finish(&harvest->symbols);
    free(harvest);
}

static enum status harvest_open(struct stage *stage, void **out_service, struct error *error)
{
    struct harvest *harvest = memory_allocate(sizeof *harvest);
    struct feed_config settings;
    enum status status = STATUS_OK;
    harvest->stage = harvest->intake.stage = stage;
    own_symbols_take(stage, &harvest->symbols);
    row_figures_init(&harvest->rows, harvest->symbols.count);
    feed_settings(stage_config(stage), harvest->symbols.names, harvest->symbols.count, &settings);
    intake_resolve_trades(stage, &settings);
    if (harvest->symbols.count) {
        harvest->feed = feed_create(&settings, emit, harvest, error);
        status = harvest->feed ? intake_open(&harvest->intake, stage, &settings, error) : STATUS_INVALID;
    }
    if (status == STATUS_OK)
        *out_service = harvest;
    else
        harvest_close(harvest);
    return status;
}

static enum status harvest_pull(void *service, size_t budget, int wait_ms, bool *out_more,
                                struct error *error)
{
    struct harvest *harvest = service;
    struct feed *feed = harvest->feed;
    enum status status = feed ? STATUS_OK : STATUS_END;
    (void)wait_ms;                                /* the receiver wakes the loop */
    bool over = intake_is_over(&harvest->intake); /* asked first: then what is unread is all there is */
    for (size_t i = 0; status == STATUS_OK && i < budget; i++)
        status = intake_feed(&harvest->intake, feed, error);
    *out_more = status == STATUS_OK;
    harvest->at_end = status == STATUS_AGAIN || status == STATUS_END;
    if (feed && harvest->at_end && over && !feed_ended(feed))
        feed_end(feed);
    if (feed && feed_ended(feed))
        stage_end(harvest->stage);
    intake_ask(&harvest->intake, feed, harvest->symbols.count);
    return harvest->at_end ? STATUS_OK : status;
}

static enum status harvest_turn(void *service, struct error *error)
{
    (void)error;
    intake_count_losses(&((struct harvest *)service)->intake);
    return STATUS_OK;
}

static void harvest_halt(void *service, int64_t until_ms)
{
    intake_halt(&((struct harvest *)service)->intake, until_ms);
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
    const struct intake_order order = {verb, arguments_json, harvest->at_end};
    return intake_command(&harvest->intake, harvest->feed, &order, error);
}

static void harvest_report(void *service, struct stage_report *report)
{
    struct harvest *harvest = service;
    figures_report(harvest->feed, &harvest->intake, &harvest->rows, report);
}

static void harvest_ledger(void *service, struct stage_ledger *ledger)
{
    struct harvest *harvest = service;
    figures_ledger(harvest->feed, &harvest->symbols, &harvest->intake, ledger);
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
    .turn = harvest_turn,
    .halt = harvest_halt,
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
