/* features: from the rows of harvest to order-flow imbalance, cumulative volume delta, the feature grid and the fused
 * score. One pure engine per symbol (symbol.h); this file connects it to the stage. */
#include "base/memory.h"
#include "figures.h"
#include "proto/book.h"
#include "proto/control.h"
#include "proto/trade.h"
#include "settings.h"
#include "stage/stage.h"
#include "telling.h"

#include <stdlib.h>

struct symbol_context {
    struct stage *stage;
    size_t index;
    const char *name;
    struct features_symbol *engine;
};

struct features {
    struct stage *stage;
    struct zone zone;
    size_t symbol_count;
    struct symbol_context *symbols;
};

static void emit(void *context, const struct message *message, const void *row)
{
    struct symbol_context *symbol = context;
    telling_row(symbol->name, message, row);
    stage_emit(symbol->stage, symbol->index, message, row);
}

static void mode_changed(void *context, const struct mode_change *change)
{
    telling_mode(((struct symbol_context *)context)->name, change);
}

static void calibrated(void *context, const struct calibration_training *training)
{
    telling_calibration(((struct symbol_context *)context)->name, training);
}

static void features_close(void *service)
{
    struct features *features = service;
    for (size_t i = 0; i < features->symbol_count; i++)
        features_symbol_destroy(features->symbols[i].engine);
    zone_finish(&features->zone);
    free(features->symbols);
    free(features);
}

static enum status features_open(struct stage *stage, void **out_service, struct error *error)
{
    struct features *features = memory_allocate(sizeof *features);
    features->stage = stage;
    features->symbols = memory_allocate(stage_symbol_count(stage) * sizeof *features->symbols);
    zone_init_utc(&features->zone);
    enum status status = zone_load(config_text(stage_config(stage), "strategy_mode.schedule.timezone"),
                                   &features->zone, error);
    for (size_t i = 0; status == STATUS_OK && i < stage_symbol_count(stage); i++) {
        const char *name = stage_symbol(stage, i);
        struct features_config settings;
        status = features_settings(stage_config(stage), name, &features->zone, &settings, error);
        if (status == STATUS_OK)
            features->symbols[features->symbol_count++] =
                (struct symbol_context){stage, i, name, features_symbol_create(&settings)};
    }
    if (status == STATUS_OK)
        *out_service = features;
    else
        features_close(features);
    return status;
}

static enum status features_row(void *service, const struct stage_input *input, const struct row_view *view,
                                struct error *error)
{
    struct features *features = service;
    struct symbol_context *symbol = &features->symbols[input->symbol_index];
    const struct features_sink sink = {symbol, emit, mode_changed, calibrated};
    union {
        struct trade_row trade;
        struct book_row book;
        struct control_row control;
    } row;
    const struct message *message = message_of_kind(view->kind);
    if (message != &trade_message && message != &book_message && message != &control_message)
        return STATUS_OK; /* audits and events of harvest are for archive and report */
    enum status status = row_decode(view, message, &row, error);
    if (status == STATUS_OK)
        features_symbol_feed(symbol->engine, view->kind, &row, view->sequence, &sink);
    return status;
}

static void features_save(void *service, size_t symbol, struct buffer *out)
{
    features_symbol_save(((struct features *)service)->symbols[symbol].engine, out);
}

static void *features_table(void *service, size_t symbol, size_t *out_bytes)
{
    return features_symbol_table(((struct features *)service)->symbols[symbol].engine, out_bytes);
}

static enum status features_load(void *service, size_t symbol, struct reader *in)
{
    return features_symbol_load(((struct features *)service)->symbols[symbol].engine, in);
}

static void features_report(void *service, struct stage_report *report)
{
    struct features *features = service;
    struct figures figures;
    figures_init(&figures);
    for (size_t i = 0; i < features->symbol_count; i++)
        if (stage_owns(features->stage, i))
            figures_add(&figures, features->symbols[i].engine, stage_symbol(features->stage, i), report);
    figures_report(&figures, report);
}

static void features_ledger(void *service, struct stage_ledger *ledger)
{
    struct features *features = service;
    for (size_t i = 0; i < features->symbol_count; i++)
        if (stage_owns(features->stage, i))
            figures_ledger(features->symbols[i].engine, i, ledger);
}

static const struct stage_service FEATURES = {
    .name = "features",
    .summary = "Computes OFI, CVD, the feature grid, fusion and StrategyMode from the rows of harvest.",
    .inputs = (const char *const[]){"harvest", NULL},
    .publishes = true,
    .open = features_open,
    .close = features_close,
    .row = features_row,
    .symbol_save = features_save,
    .symbol_load = features_load,
    .symbol_table = features_table,
    .report = features_report,
    .ledger = features_ledger,
};

int main(int argc, char **argv)
{
    return stage_main(&FEATURES, argc, argv);
}
