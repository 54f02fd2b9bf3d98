#include "intake.h"

#include "own_symbols.h"
#include "state.h"

#include "base/file.h"
#include "base/log.h"

#include <string.h>

static enum status open_replay(struct intake *intake, const char *const *files, struct error *error)
{
    size_t count = 0;
    while (files[count])
        count++;
    return capture_reader_open_files(files, count, &intake->reader, error);
}

/* names_aggregates: a message of an aggTrade stream, or a URL that asks for one. */
static bool names_aggregates(const struct capture_record *record)
{
    static const char NAME[] = "aggTrade";
    return (record->kind == CAPTURE_MESSAGE || record->kind == CAPTURE_OPENED) &&
           memmem(record->payload, record->payload_bytes, NAME, sizeof NAME - 1);
}

void intake_resolve_trades(const struct stage *stage, struct feed_config *settings)
{
    const char *const *files = stage_replay_files(stage);
    if (!files || strcmp(config_text(stage_config(stage), "harvest.trade_stream"), "auto") != 0)
        return;
    struct intake intake = {0};
    struct capture_record record;
    struct error error = {{0}}; /* a capture that cannot be read is told when it is read for its rows */
    bool found = false;
    enum status status = open_replay(&intake, files, &error);
    while (status == STATUS_OK && !found) {
        status = capture_next(intake.reader, &record, &error);
        found = status == STATUS_OK && names_aggregates(&record);
    }
    settings->raw_trades = !found;
    intake_close(&intake);
}

static enum status open_writer(struct intake *intake, struct stage *stage, const struct feed_config *feed,
                               const char *folder, struct error *error)
{
    const struct config *config = stage_config(stage);
    struct buffer metadata;
    buffer_init(&metadata, 0);
    feed_metadata(config, stage_run_id(stage), stage_fingerprint(stage), feed->symbols, feed->symbol_count,
                  &metadata);
    struct capture_writer_config writer = {
        .folder = folder,
        .run_id = stage_run_id(stage),
        .metadata_json = buffer_text(&metadata),
        .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
        .clock = *stage_clock(stage),
    };
    enum status status = capture_writer_open(&writer, &intake->writer, error);
    buffer_finish(&metadata);
    return status;
}

static void wake(void *context)
{
    stage_wake(context);
}

static enum status open_receiver(struct intake *intake, struct stage *stage, const struct feed_config *feed,
                                 struct error *error)
{
    struct receiver_config receiver;
    char certificate[PATH_BYTES];
    receiver_settings(stage_config(stage), feed, &receiver);
    if (receiver.is_simulator && config_bool(stage_config(stage), "simulator.tls")) {
        path_join(certificate, config_text(stage_config(stage), "run.state_dir"),
                  "simulator/certificate.pem");
        receiver.certificate_path = certificate;
    }
    receiver.writer = intake->writer;
    receiver.clock = *stage_clock(stage);
    receiver.wake = wake;
    receiver.wake_context = stage;
    return receiver_create(&receiver, &intake->receiver, error);
}

enum status intake_open(struct intake *intake, struct stage *stage, const struct feed_config *feed,
                        struct error *error)
{
    char folder[PATH_BYTES];
    if (stage_replay_files(stage))
        return open_replay(intake, stage_replay_files(stage), error);
    capture_folder(stage, folder, sizeof folder);
    enum status status = open_writer(intake, stage, feed, folder, error);
    if (status == STATUS_OK)
        status = capture_reader_open(folder, stage_run_id(stage), intake->writer, &intake->reader, error);
    if (status != STATUS_OK)
        return status;
    intake->first_record = capture_appended_seq(intake->writer) + 1;
    return open_receiver(intake, stage, feed, error);
}

void intake_close(struct intake *intake)
{
    receiver_destroy(intake->receiver);
    capture_reader_close(intake->reader);
    capture_writer_close(intake->writer);
    *intake = (struct intake){.stage = intake->stage};
}

enum status intake_feed(struct intake *intake, struct feed *feed, struct error *error)
{
    struct capture_record record;
    struct error refused;
    enum status status = capture_next(intake->reader, &record, error);
    if (status != STATUS_OK)
        return status;
    bool in_time = !feed_ended(feed), accepted = feed_record(feed, &record, &refused) == STATUS_OK;
    decisions_note(&intake->decisions, &record, accepted && in_time);
    if (!accepted)
        log_event(LOG_WARNING, "record_refused", "record=%llu reason=\"%s\"", (unsigned long long)record.seq,
                  refused.text);
    return status;
}

bool intake_is_over(const struct intake *intake)
{
    return !intake->receiver || receiver_stopped(intake->receiver);
}

void intake_ask(struct intake *intake, const struct feed *feed, size_t symbol_count)
{
    for (size_t i = 0; i < symbol_count; i++) {
        if (intake->receiver)
            receiver_ask(intake->receiver, i, feed);
        stage_event_time(intake->stage, feed_event_ms(feed, i));
    }
}

/* decide: a control input. */
static enum status decide(struct intake *intake, const struct feed *feed, const struct intake_order *order,
                          struct error *error)
{
    if (!feed)
        return error_set(error, STATUS_INVALID, "this instance has no symbol");
    if (!intake->writer)
        return error_set(error, STATUS_INVALID, "a replay takes no decisions: they are in its capture");
    if (feed_ended(feed) || intake_is_over(intake))
        return error_set(error, STATUS_INVALID,
                         "the feed has ended; a decision would change nothing any more");
    return decisions_say(&intake->decisions, intake->writer, stage_clock(intake->stage), order->at_end,
                         order->arguments_json, error);
}

enum status intake_command(struct intake *intake, const struct feed *feed, const struct intake_order *order,
                           struct error *error)
{
    bool go = strcmp(order->verb, "go") == 0, stop = strcmp(order->verb, "stop_intake") == 0;
    if (strcmp(order->verb, "control") == 0)
        return decide(intake, feed, order, error);
    if (!feed && stop)
        stage_end(intake->stage); /* nothing of it has ever begun */
    if (!feed)
        return STATUS_OK;
    if (!intake->receiver || (!go && !stop))
        return STATUS_UNSUPPORTED;
    if (go && !feed_ended(feed))
        receiver_go(intake->receiver);
    else if (stop)
        receiver_stop_intake(intake->receiver);
    return STATUS_OK;
}

/* --- losses, and the saved state --- */

const char *intake_loss_name(enum intake_loss loss)
{
    static const char *const NAMES[] = {[INTAKE_QUEUE_DROPPED] = "queue_dropped",
                                        [INTAKE_TOO_LARGE] = "messages_too_large",
                                        [INTAKE_SUBSTREAM_TIMEOUTS] = "substream_timeout_detected"};
    return NAMES[loss];
}

void intake_count_losses(struct intake *intake)
{
    if (!intake->receiver)
        return;
    struct receiver_figures figures = receiver_figures(intake->receiver);
    const int64_t here[] = {[INTAKE_QUEUE_DROPPED] = figures.queue_dropped,
                            [INTAKE_TOO_LARGE] = figures.messages_too_large,
                            [INTAKE_SUBSTREAM_TIMEOUTS] = figures.substream_timeouts};
    for (size_t i = 0; i < INTAKE_LOSSES; i++) {
        int64_t now = intake->losses_before[i] + here[i];
        if (now != intake->losses[i])
            stage_note_loss(intake->stage);
        intake->losses[i] = now;
    }
}

void intake_halt(struct intake *intake, int64_t until_ms)
{
    if (intake->receiver)
        receiver_halt(intake->receiver, until_ms);
    intake_count_losses(intake);
}

void intake_save(const struct intake *intake, const struct feed *feed, struct buffer *out)
{
    uint64_t seq, offset;
    if (!feed)
        return;
    capture_place(intake->reader, &seq, &offset);
    buffer_append_u64(out, seq);
    buffer_append_u64(out, offset);
    for (size_t i = 0; i < INTAKE_LOSSES; i++)
        buffer_append_i64(out, intake->losses[i]);
    decisions_save(&intake->decisions, out);
    feed_save(feed, out);
}

enum status intake_load(struct intake *intake, struct feed *feed, struct reader *in)
{
    struct error error = {{0}};
    if (!feed)
        return STATUS_OK;
    uint64_t seq = reader_u64(in), offset = reader_u64(in);
    for (size_t i = 0; i < INTAKE_LOSSES; i++)
        intake->losses_before[i] = intake->losses[i] = state_count(in);
    decisions_load(&intake->decisions, in);
    enum status status = feed_load(feed, in, &error);
    if (status == STATUS_OK)
        status = capture_seek(intake->reader, seq, offset, &error);
    if (status != STATUS_OK)
        log_event(LOG_ERROR, "state_refused", "reason=\"%s\"", error.text);
    return status;
}
