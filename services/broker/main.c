/* broker: paper orders for confirmed signals: order, fill and position rows on its streams, and one line per
 * order in mock_orders.jsonl. One pure engine per symbol (paper.h); the file is a reader of the daemon's own
 * journal. */
#include "figures.h"

#include "base/file.h"
#include "base/memory.h"
#include "proto/control.h"
#include "stage/sink.h"
#include "stage/stage.h"
#include "store/line_sink.h"

#include <stdlib.h>
#include <string.h>

struct broker {
    struct stage *stage;
    struct paper_broker *papers; /* one per symbol */
    struct sink *orders;
    char orders_path[PATH_BYTES];
};

static void broker_close(void *service)
{
    struct broker *broker = service;
    line_sink_destroy(broker->orders);
    free(broker->papers);
    free(broker);
}

static void open_orders(struct broker *broker)
{
    const struct config *config = stage_config(broker->stage);
    path_join(broker->orders_path, config_text(config, "run.output_dir"), "mock_orders.jsonl");
    const struct line_sink_config settings = {
        .name = "orders",
        .path = broker->orders_path,
        .run_id = stage_run_id(broker->stage),
        .message = &order_message,
        .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
        .batch_rows = (size_t)config_i64(config, "sink.fsync_every_n"),
        .flush_ms = (int)config_i64(config, "sink.fsync_interval_ms"),
    };
    broker->orders = line_sink_create(&settings);
    stage_add_sink(broker->stage, broker->orders);
}

static enum status broker_open(struct stage *stage, void **out_service, struct error *error)
{
    const struct config *config = stage_config(stage);
    const struct paper_config settings = {
        .sample_rate = config_f64(config, "broker.sample_rate"),
        .slippage_bps = config_f64(config, "broker.slippage_bps"),
        .fee_bps = config_f64(config, "broker.fee_bps"),
        .order_qty = config_f64(config, "broker.order_qty"),
    };
    enum status status = paper_config_check(&settings, error);
    if (status == STATUS_OK && !config_bool(config, "broker.paper_enable"))
        status = error_set(error, STATUS_INVALID,
                           "broker.paper_enable is false (PAPER_ENABLE=0): the broker may not run");
    if (status != STATUS_OK)
        return status;
    struct broker *broker = memory_allocate(sizeof *broker);
    broker->stage = stage;
    broker->papers = memory_allocate(stage_symbol_count(stage) * sizeof *broker->papers);
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        paper_broker_init(&broker->papers[i], &settings);
    open_orders(broker);
    *out_service = broker;
    return STATUS_OK;
}

static void emit_orders(struct broker *broker, size_t symbol, const struct paper_orders *orders)
{
    stage_emit(broker->stage, symbol, &order_message, &orders->order);
    if (!orders->has_fill)
        return;
    stage_emit(broker->stage, symbol, &fill_message, &orders->fill);
    stage_emit(broker->stage, symbol, &position_message, &orders->position);
}

static enum status broker_row(void *service, const struct stage_input *input, const struct row_view *view,
                              struct error *error)
{
    struct broker *broker = service;
    struct signal_row signal;
    struct control_row control;
    struct paper_orders orders;
    enum status status = STATUS_OK;
    if (view->kind == ROW_SIGNAL) {
        status = row_decode(view, &signal_message, &signal, error);
        if (status == STATUS_OK && paper_broker_feed(&broker->papers[input->symbol_index], &signal, &orders))
            emit_orders(broker, input->symbol_index, &orders);
    } else if (view->kind == ROW_CONTROL) {
        status = row_decode(view, &control_message, &control, error);
        if (status == STATUS_OK)
            stage_emit(broker->stage, input->symbol_index, &control_message, &control);
    }
    return status;
}

static void broker_save(void *service, struct buffer *out)
{
    struct broker *broker = service;
    for (size_t i = 0; i < stage_symbol_count(broker->stage); i++)
        paper_broker_save(&broker->papers[i], out);
}

static enum status broker_load(void *service, struct reader *in)
{
    struct broker *broker = service;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < stage_symbol_count(broker->stage); i++)
        status = paper_broker_load(&broker->papers[i], in);
    return status;
}

static void broker_report(void *service, struct stage_report *report)
{
    struct broker *broker = service;
    figures_report(broker->papers, stage_symbol_count(broker->stage), report);
}

static void broker_ledger(void *service, struct stage_ledger *ledger)
{
    struct broker *broker = service;
    figures_ledger(broker->papers, stage_symbol_count(broker->stage), ledger);
}

static const char *const INPUTS[] = {"signal", NULL};

static const struct stage_service BROKER = {
    .name = "broker",
    .summary = "Writes down the orders that confirmed signals would have become.",
    .inputs = INPUTS,
    .publishes = true,
    .open = broker_open,
    .close = broker_close,
    .row = broker_row,
    .save = broker_save,
    .load = broker_load,
    .report = broker_report,
    .ledger = broker_ledger,
};

int main(int argc, char **argv)
{
    return stage_main(&BROKER, argc, argv);
}
