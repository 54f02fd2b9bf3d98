/* archive: writes what harvest and features say as Parquet data sets, after the quality gate (data.md §3, §4).
 *
 * The loop sorts rows into windows of event time (collector); a thread writes them (writer) and keeps the
 * checkpoint, from which the next life goes on. It publishes nothing. */
#include "collector.h"
#include "figures.h"
#include "settings.h"

#include "base/memory.h"
#include "stage/stage.h"
#include "store/origin.h"
#include "store/parquet.h"

#include <stdlib.h>
#include <string.h>

static const char *const INPUTS[] = {"harvest", "features", NULL};

struct archive {
    struct stage *stage;
    struct writer *writer;
    struct collector *collector;
    size_t *streams; /* collector's number of input service × symbols + symbol */
    struct archive_paths paths;
};

static enum status open_writer(struct archive *archive, struct error *error)
{
    struct writer_config settings;
    bool is_replay =
        config_i64(stage_config(archive->stage), "run.replay_mode") || stage_replay_files(archive->stage);
    writer_settings(archive->stage, &archive->paths, &settings);
    enum status status = origin_claim(archive->paths.root, is_replay, error);
    return status == STATUS_OK ? writer_open(&settings, &archive->writer, error) : status;
}

static void open_collector(struct archive *archive)
{
    const struct config *config = stage_config(archive->stage);
    struct collector_config settings = {
        .levels = stage_levels(archive->stage),
        .rotate_s = config_i64(config, "archive.rotate_s"),
        .max_rows = (size_t)config_i64(config, "archive.max_rows"),
        .merge_hours = config_bool(config, "archive.compact_hourly"),
    };
    size_t symbols = stage_symbol_count(archive->stage);
    archive->collector = collector_create(&settings, archive->writer);
    archive->streams = memory_allocate(2 * symbols * sizeof *archive->streams);
    for (size_t i = 0; i < 2 * symbols; i++)
        archive->streams[i] = collector_stream(archive->collector, INPUTS[i / symbols],
                                               stage_symbol(archive->stage, i % symbols));
}

static void archive_close(void *service)
{
    struct archive *archive = service;
    writer_close(archive->writer);
    collector_destroy(archive->collector);
    free(archive->streams);
    free(archive);
}

static enum status archive_open(struct stage *stage, void **out_service, struct error *error)
{
    struct archive *archive = memory_allocate(sizeof *archive);
    archive->stage = stage;
    enum status status = open_writer(archive, error);
    if (status != STATUS_OK) {
        archive_close(archive);
        return status;
    }
    open_collector(archive);
    *out_service = archive;
    return STATUS_OK;
}

static enum status archive_row(void *service, const struct stage_input *input, const struct row_view *row,
                               struct error *error)
{
    struct archive *archive = service;
    size_t first = strcmp(input->service, INPUTS[0]) == 0 ? 0 : stage_symbol_count(archive->stage);
    (void)error; /* a bad row becomes a dead letter here */
    collector_row(archive->collector, archive->streams[first + input->symbol_index], row);
    return STATUS_OK;
}

static bool archive_accepts(void *service)
{
    return !writer_full(((struct archive *)service)->writer);
}

static bool archive_idle(void *service)
{
    return writer_idle(((struct archive *)service)->writer);
}

static int64_t archive_resume(void *service, const char *stream)
{
    return collector_resume(((struct archive *)service)->collector, stream);
}

static int64_t archive_durable(void *service, const char *stream)
{
    return collector_durable(((struct archive *)service)->collector, stream);
}

static void archive_report(void *service, struct stage_report *report)
{
    const struct archive *archive = service;
    figures_report(archive->collector, archive->writer, report);
    stage_report_library(report, "duckdb", parquet_library_version());
}

static void archive_ledger(void *service, struct stage_ledger *ledger)
{
    const struct archive *archive = service;
    figures_ledger(archive->writer, archive->stage, ledger);
}

static const struct stage_service ARCHIVE = {
    .name = "archive",
    .summary = "Writes trades, books, features and events as Parquet data sets.",
    .inputs = INPUTS,
    .open = archive_open,
    .close = archive_close,
    .row = archive_row,
    .accepts = archive_accepts,
    .resume = archive_resume,
    .durable = archive_durable,
    .report = archive_report,
    .ledger = archive_ledger,
    .idle = archive_idle,
};

int main(int argc, char **argv)
{
    return stage_main(&ARCHIVE, argc, argv);
}
