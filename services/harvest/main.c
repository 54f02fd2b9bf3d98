/* harvest: receives the venue's messages into the raw capture, and turns that capture into ordered, de-duplicated,
 * audited rows. The receiver (a thread, receiver.h) only appends; this loop reads the capture at its own position through
 * the pure feed (feed.h), so that recovery and replay are the same code. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "receiver.h"
#include "report.h"
#include "settings.h"
#include "stage/stage.h"

#include <stdlib.h>
#include <string.h>

struct harvest {
    struct stage *stage;
    struct feed *feed;
    struct capture_writer *writer; /* NULL in a replay */
    struct capture_reader *reader;
    struct receiver *receiver; /* NULL in a replay */
    bool at_end;               /* nothing more is readable just now */
};

static void emit(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct harvest *harvest = context;
    stage_emit(harvest->stage, symbol, message, row);
}

static void harvest_close(void *service)
{
    struct harvest *harvest = service;
    receiver_destroy(harvest->receiver);
    capture_reader_close(harvest->reader);
    capture_writer_close(harvest->writer);
    feed_destroy(harvest->feed);
    free(harvest);
}

static enum status open_capture(struct harvest *harvest, struct error *error)
{
    struct stage *stage = harvest->stage;
    const struct config *config = stage_config(stage);
    char folder[PATH_BYTES];
    struct buffer metadata;
    if (stage_replay_files(stage)) {
        size_t count = 0;
        while (stage_replay_files(stage)[count])
            count++;
        return capture_reader_open_files(stage_replay_files(stage), count, &harvest->reader, error);
    }
    path_join(folder, config_text(config, "run.data_root"), "raw");
    buffer_init(&metadata, 0);
    feed_metadata(config, stage_run_id(stage), stage_fingerprint(stage), &metadata);
    struct capture_writer_config writer = {
        .folder = folder,
        .run_id = stage_run_id(stage),
        .metadata_json = buffer_text(&metadata),
        .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
        .clock = *stage_clock(stage),
    };
    enum status status = capture_writer_open(&writer, &harvest->writer, error);
    buffer_finish(&metadata);
    if (status == STATUS_OK)
        status = capture_reader_open(folder, stage_run_id(stage), harvest->writer, &harvest->reader, error);
    return status;
}

static enum status harvest_open(struct stage *stage, void **out_service, struct error *error)
{
    struct harvest *harvest = memory_allocate(sizeof *harvest);
    struct feed_config settings;
    const char **symbols = memory_allocate(stage_symbol_count(stage) * sizeof *symbols);
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        symbols[i] = stage_symbol(stage, i);
    harvest->stage = stage;
    feed_settings(stage_config(stage), symbols, stage_symbol_count(stage), &settings);
    harvest->feed = feed_create(&settings, emit, harvest, error);
    enum status status = harvest->feed ? open_capture(harvest, error) : STATUS_INVALID;
    if (status == STATUS_OK && harvest->writer)
        status = open_receiver(harvest->stage, harvest->writer, &settings, &harvest->receiver, error);
    free(symbols);
    if (status == STATUS_OK)
        *out_service = harvest;
    else
        harvest_close(harvest);
    return status;
}

/* ask: what the feed waits for and only the venue can answer. */
static void ask(struct harvest *harvest)
{
    for (size_t i = 0; harvest->receiver && i < stage_symbol_count(harvest->stage); i++)
        receiver_ask(harvest->receiver, i, harvest->feed);
}

static enum status harvest_pull(void *service, size_t budget, int wait_ms, bool *out_more, struct error *error)
{
    struct harvest *harvest = service;
    struct capture_record record;
    enum status status = STATUS_OK;
    (void)wait_ms; /* the receiver wakes the loop */
    for (size_t i = 0; status == STATUS_OK && i < budget; i++) {
        status = capture_next(harvest->reader, &record, error);
        if (status != STATUS_OK)
            break;
        struct error refused;
        if (feed_record(harvest->feed, &record, &refused) != STATUS_OK)
            log_event(LOG_WARNING, "record_refused", "record=%llu reason=\"%s\"", (unsigned long long)record.seq,
                      refused.text);
    }
    *out_more = status == STATUS_OK;
    harvest->at_end = status == STATUS_AGAIN || status == STATUS_END;
    bool over = status == STATUS_END || (status == STATUS_AGAIN && harvest->receiver &&
                                         receiver_stopped(harvest->receiver));
    if (over && !feed_ended(harvest->feed))
        feed_end(harvest->feed);
    if (feed_ended(harvest->feed))
        stage_end(harvest->stage);
    ask(harvest);
    return harvest->at_end ? STATUS_OK : status;
}

static void harvest_save(void *service, struct buffer *out)
{
    struct harvest *harvest = service;
    uint64_t seq, offset;
    capture_place(harvest->reader, &seq, &offset);
    buffer_append_u64(out, seq);
    buffer_append_u64(out, offset);
    feed_save(harvest->feed, out);
}

static enum status harvest_load(void *service, struct reader *in)
{
    struct harvest *harvest = service;
    struct error error = {{0}};
    uint64_t seq = reader_u64(in), offset = reader_u64(in);
    enum status status = feed_load(harvest->feed, in, &error);
    if (status == STATUS_OK)
        status = capture_seek(harvest->reader, seq, offset, &error);
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "state_refused", "reason=\"%s\"", error.text);
    return status;
}

static enum status harvest_command(void *service, const char *verb, const char *arguments_json, struct error *error)
{
    struct harvest *harvest = service;
    (void)arguments_json;
    (void)error;
    if (harvest->receiver && strcmp(verb, "go") == 0)
        receiver_go(harvest->receiver);
    else if (harvest->receiver && strcmp(verb, "stop_intake") == 0)
        receiver_stop_intake(harvest->receiver);
    else
        return STATUS_UNSUPPORTED;
    return STATUS_OK;
}

static void harvest_report(void *service, struct stage_report *report)
{
    struct harvest *harvest = service;
    report_figures(harvest->feed, harvest->receiver, harvest->writer, stage_symbol_count(harvest->stage), report);
}

static bool harvest_caught_up(void *service)
{
    return ((struct harvest *)service)->at_end;
}

static const struct stage_service HARVEST = {
    .name = "harvest",
    .summary = "Receives the venue's messages, keeps them in the raw capture, publishes ordered trades and books.",
    .publishes = true,
    .open = harvest_open,
    .close = harvest_close,
    .pull = harvest_pull,
    .save = harvest_save,
    .load = harvest_load,
    .command = harvest_command,
    .report = harvest_report,
    .caught_up = harvest_caught_up,
};

int main(int argc, char **argv)
{
    return stage_main(&HARVEST, argc, argv);
}
