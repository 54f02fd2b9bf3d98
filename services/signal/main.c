/* signal: decides on every feature row, says why it did not confirm, and stores what it decided as JSON lines, in
 * SQLite, or both. One pure engine per symbol (decision.h); the sinks read the daemon's own journal. */
#include "figures.h"
#include "settings.h"

#include "base/file.h"
#include "base/memory.h"
#include "proto/control.h"
#include "stage/stage.h"
#include "store/jsonl_sink.h"
#include "store/sqlite_sink.h"

#include <stdlib.h>

struct signal {
    struct stage *stage;
    struct signal_decision *decisions; /* one per symbol */
    struct sink *jsonl, *sqlite;       /* NULL: not wanted */
    char database_path[PATH_BYTES];
};

static void signal_close(void *service)
{
    struct signal *signal = service;
    jsonl_sink_destroy(signal->jsonl);
    sqlite_sink_destroy(signal->sqlite);
    free(signal->decisions);
    free(signal);
}

static void open_sinks(struct signal *signal)
{
    struct stage *stage = signal->stage;
    signal_sinks(stage_config(stage), stage_run_id(stage), signal->database_path,
                 sizeof signal->database_path, &signal->jsonl, &signal->sqlite);
    if (signal->jsonl)
        stage_add_sink(stage, signal->jsonl);
    if (signal->sqlite)
        stage_add_sink(stage, signal->sqlite);
}

static enum status signal_open(struct stage *stage, void **out_service, struct error *error)
{
    struct signal *signal = memory_allocate(sizeof *signal);
    enum status status = STATUS_OK;
    signal->stage = stage;
    signal->decisions = memory_allocate(stage_symbol_count(stage) * sizeof *signal->decisions);
    for (size_t i = 0; status == STATUS_OK && i < stage_symbol_count(stage); i++) {
        struct signal_config settings;
        status = signal_settings(stage_config(stage), stage_run_id(stage), stage_symbol(stage, i), &settings,
                                 error);
        if (status == STATUS_OK)
            signal_decision_init(&signal->decisions[i], &settings);
    }
    if (status != STATUS_OK) {
        signal_close(signal);
        return status;
    }
    open_sinks(signal);
    *out_service = signal;
    return STATUS_OK;
}

static enum status signal_row(void *service, const struct stage_input *input, const struct row_view *view,
                              struct error *error)
{
    struct signal *signal = service;
    struct feature_row feature;
    struct control_row control;
    struct signal_row row;
    enum status status = STATUS_OK;
    if (view->kind == ROW_FEATURE) {
        status = row_decode(view, &feature_message, &feature, error);
        if (status == STATUS_OK &&
            signal_decision_feed(&signal->decisions[input->symbol_index], &feature, &row))
            stage_emit(signal->stage, input->symbol_index, &signal_message, &row);
    } else if (view->kind == ROW_CONTROL) {
        status = row_decode(view, &control_message, &control, error);
        if (status == STATUS_OK) {
            signal_decision_control(&signal->decisions[input->symbol_index], &control);
            stage_emit(signal->stage, input->symbol_index, &control_message, &control);
        }
    }
    return status;
}

static void signal_save(void *service, size_t symbol, struct buffer *out)
{
    signal_decision_save(&((struct signal *)service)->decisions[symbol], out);
}

static enum status signal_load(void *service, size_t symbol, struct reader *in)
{
    return signal_decision_load(&((struct signal *)service)->decisions[symbol], in);
}

static void signal_report(void *service, struct stage_report *report)
{
    struct signal *signal = service;
    figures_report(signal->decisions, signal->stage, report);
    if (signal->jsonl)
        figures_report_shards(signal->jsonl, report);
}

static void signal_ledger(void *service, struct stage_ledger *ledger)
{
    struct signal *signal = service;
    figures_ledger(signal->decisions, signal->stage, ledger);
}

static const char *const INPUTS[] = {"features", NULL};

static const struct stage_service SIGNAL = {
    .name = "signal",
    .summary = "Decides on every feature row and stores the signals as JSON lines and in SQLite.",
    .inputs = INPUTS,
    .publishes = true,
    .open = signal_open,
    .close = signal_close,
    .row = signal_row,
    .symbol_save = signal_save,
    .symbol_load = signal_load,
    .report = signal_report,
    .ledger = signal_ledger,
};

int main(int argc, char **argv)
{
    return stage_main(&SIGNAL, argc, argv);
}
