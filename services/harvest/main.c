/* harvest: receives the venue's messages into the raw capture, and makes ordered, de-duplicated, audited rows of it. The receiver (a
 * thread) only appends; this loop reads the capture through the pure feed, so that recovery and replay are the same code. */
#include "base/memory.h"
#include "service.h"

#include <stdlib.h>

static void emit(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harvest *harvest = context;
    row_figures_add(&harvest->rows, symbol, stage_symbol(harvest->stage, symbol), message, row);
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

static enum status open_feed(struct harvest *harvest, struct feed_config *settings, struct error *error)
{
    struct stage *stage = harvest->stage;
    size_t count = stage_symbol_count(stage);
    const char **names = memory_allocate(count * sizeof *names);
    int16_t *owners = NULL;
    for (size_t i = 0; i < count; i++)
        names[i] = stage_symbol(stage, i);
    feed_settings(stage_config(stage), names, count, settings);
    intake_resolve_trades(stage, settings);
    enum status status = intake_owners(stage, settings, &owners, error);
    settings->owners = owners;
    if (status == STATUS_OK)
        harvest->feed = feed_create(settings, emit, harvest, error);
    if (status == STATUS_OK)
        status = harvest->feed ? intake_open(&harvest->intake, stage, settings, error) : STATUS_INVALID;
    if (status == STATUS_OK && harvest->intake.receiver)
        feed_hear_from(harvest->feed, harvest->intake.first_record - 1);
    free(owners);
    free(names);
    return status;
}

static enum status harvest_open(struct stage *stage, void **out_service, struct error *error)
{
    struct harvest *harvest = memory_allocate(sizeof *harvest);
    struct feed_config settings;
    harvest->stage = harvest->intake.stage = stage;
    row_figures_init(&harvest->rows, stage_symbol_count(stage));
    enum status status = open_feed(harvest, &settings, error);
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
    enum status status = STATUS_OK;
    (void)wait_ms;                                /* the receiver wakes the loop */
    bool over = intake_is_over(&harvest->intake); /* asked first: then what is unread is all there is */
    for (size_t i = 0; i < stage_symbol_count(harvest->stage); i++)
        if (stage_owns(harvest->stage, i)) /* its rows may be emitted */
            feed_settle(feed, i);
    for (size_t i = 0; status == STATUS_OK && i < budget; i++)
        status = intake_feed(&harvest->intake, feed, error);
    *out_more = status == STATUS_OK;
    harvest->at_end = status == STATUS_AGAIN || status == STATUS_END;
    if (harvest->at_end && over && !feed_ended(feed))
        intake_end(&harvest->intake, feed);
    if (feed_ended(feed))
        stage_end(harvest->stage);
    if (harvest->at_end)
        intake_make_room(&harvest->intake, feed);
    intake_ask(&harvest->intake, feed);
    return harvest->at_end ? STATUS_OK : status;
}

static enum status harvest_turn(void *service, struct error *error)
{
    (void)error;
    intake_count_losses(&((struct harvest *)service)->intake);
    return STATUS_OK;
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
    for (size_t i = 0; i < stage_symbol_count(harvest->stage); i++)
        row_figures_elsewhere(&harvest->rows, i, !stage_owns(harvest->stage, i));
    figures_report(harvest->stage, harvest->feed, &harvest->intake, &harvest->rows, report);
}

static void harvest_ledger(void *service, struct stage_ledger *ledger)
{
    struct harvest *harvest = service;
    figures_ledger(harvest->stage, harvest->feed, &harvest->intake, ledger);
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
    .symbol_save = harvest_symbol_save,
    .symbol_load = harvest_symbol_load,
    .symbol_expect = harvest_symbol_expect,
    .symbol_forget = harvest_symbol_forget,
    .symbol_heard = harvest_symbol_heard,
    .symbol_may_leave = harvest_symbol_may_leave,
    .symbol_leave = harvest_symbol_leave,
    .symbol_left = harvest_symbol_left,
    .command = harvest_command,
    .report = harvest_report,
    .ledger = harvest_ledger,
    .caught_up = harvest_caught_up,
};

int main(int argc, char **argv)
{
    return stage_main(&HARVEST, argc, argv);
}
