#include "intake.h"

#include "owners.h"
#include "state.h"

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status open_replay(struct intake *intake, const char *const *files, struct error *error)
{
    size_t count = 0;
    while (files[count])
        count++;
    return capture_chain_open_files(files, count, &intake->chain, error);
}

void capture_folder(const struct stage *stage, char *out_path, size_t size)
{
    const char *root = config_text(stage_config(stage), "run.data_root"), *instance = stage_instance(stage);
    bool first = !strchr(instance, '.');
    snprintf(out_path, size, "%.400s/raw%s%s", root, first ? "" : "-", first ? "" : instance);
}

enum status intake_owners(const struct stage *stage, const struct feed_config *settings, int16_t **out_owners,
                          struct error *error)
{
    struct intake intake = {0};
    int16_t *owners = memory_allocate(settings->symbol_count * sizeof *owners);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < settings->symbol_count; i++)
        owners[i] = stage_owns(stage, i) ? 0 : FEED_ELSEWHERE;
    if (stage_replay_files(stage))
        status = open_replay(&intake, stage_replay_files(stage), error);
    if (status == STATUS_OK && intake.chain)
        status = owners_read(intake.chain, settings->symbols, settings->symbol_count, owners, error);
    capture_chain_close(intake.chain);
    if (status == STATUS_OK)
        *out_owners = owners;
    else
        free(owners);
    return status;
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
        status = capture_chain_next(intake.chain, &record, &error);
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
    const char **names = memory_allocate(feed->symbol_count * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < feed->symbol_count; i++)
        if (stage_owns(stage, i))
            names[count++] = feed->symbols[i];
    feed_metadata(config, stage_run_id(stage), stage_fingerprint(stage), names, count, &metadata);
    free(names);
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
    bool *is_heard = memory_allocate(feed->symbol_count * sizeof *is_heard);
    for (size_t i = 0; i < feed->symbol_count; i++)
        is_heard[i] = stage_owns(stage, i);
    receiver.is_heard = is_heard;
    receiver.writer = intake->writer;
    receiver.clock = *stage_clock(stage);
    receiver.wake = wake;
    receiver.wake_context = stage;
    enum status status = receiver_create(&receiver, &intake->receiver, error);
    free(is_heard);
    return status;
}

enum status intake_open(struct intake *intake, struct stage *stage, const struct feed_config *feed,
                        struct error *error)
{
    char folder[PATH_BYTES];
    intake->expected = memory_allocate(feed->symbol_count * sizeof *intake->expected);
    intake->leaving = memory_allocate(feed->symbol_count * sizeof *intake->leaving);
    intake->meetings = memory_allocate(feed->symbol_count * sizeof *intake->meetings);
    intake->dropped_before = memory_allocate(feed->symbol_count * sizeof *intake->dropped_before);
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
    capture_chain_close(intake->chain);
    capture_writer_close(intake->writer);
    free(intake->expected);
    free(intake->leaving);
    free(intake->meetings);
    free(intake->dropped_before);
    *intake = (struct intake){.stage = intake->stage};
}

enum status intake_feed(struct intake *intake, struct feed *feed, struct error *error)
{
    struct capture_record record;
    struct error refused;
    enum status status = intake->chain ? capture_chain_next(intake->chain, &record, error)
                                       : capture_next(intake->reader, &record, error);
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

void intake_end(const struct intake *intake, struct feed *feed)
{
    for (size_t i = 0; intake->chain && i < stage_symbol_count(intake->stage); i++)
        if (feed_expects(feed, i) && !feed_has(feed, i)) /* one whose move the end overtook is where it was */
            log_event(LOG_ERROR, "capture_missing",
                      "symbol=%s reason=\"it came from another instance of harvest: give the files of its "
                      "capture, too\"",
                      stage_symbol(intake->stage, i));
    feed_end(feed);
}

void intake_ask(struct intake *intake, const struct feed *feed)
{
    for (size_t i = 0; i < stage_symbol_count(intake->stage); i++) {
        if (intake->receiver)
            receiver_ask(intake->receiver, i, feed);
        stage_event_time(intake->stage, feed_event_ms(feed, i));
    }
}

/* decide: a control input. */
static enum status decide(struct intake *intake, const struct feed *feed, const struct intake_order *order,
                          struct error *error)
{
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
    if (!intake->receiver || (!go && !stop))
        return STATUS_UNSUPPORTED;
    if (go && !feed_ended(feed))
        receiver_go(intake->receiver);
    else if (stop)
        receiver_stop_intake(intake->receiver);
    return STATUS_OK;
}

/* --- a symbol that moves --- */

/* move_json: `more`: what stands behind it, or "". */
static void move_json(const struct intake *intake, const char *move, size_t symbol, int64_t version,
                      const char *more, char out_json[META_BYTES])
{
    snprintf(out_json, META_BYTES, "{\"move\":\"%s\",\"symbol\":\"%s\",\"version\":%" PRId64 "%s}", move,
             stage_symbol(intake->stage, symbol), version, more);
}

/* expected_version: of the newest move by which the capture says that a symbol is expected, or will in a moment. */
static int64_t expected_version(const struct intake *intake, const struct feed *feed, size_t symbol)
{
    int64_t said = intake->expected[symbol], read = feed_expected_version(feed, symbol);
    return said > read ? said : read;
}

/* intake_expect: the record of an older move is not enough: once the plan has passed its number, the next life would take the symbol for one
 * that does not come. */
enum status intake_expect(struct intake *intake, const struct feed *feed, size_t symbol, int64_t version,
                          struct error *error)
{
    char json[META_BYTES];
    if (!intake->receiver)
        return error_set(error, STATUS_UNSUPPORTED, "a replay receives nothing");
    if (receiver_listens(intake->receiver, symbol) && expected_version(intake, feed, symbol) >= version)
        return STATUS_OK;
    move_json(intake, "expect", symbol, version, "", json);
    receiver_listen(intake->receiver, symbol, json);
    intake->expected[symbol] = version;
    return STATUS_OK;
}

void intake_forget(struct intake *intake, const struct feed *feed, size_t symbol, int64_t version)
{
    char json[META_BYTES];
    if (!intake->receiver || !receiver_listens(intake->receiver, symbol) || feed_has(feed, symbol) ||
        expected_version(intake, feed, symbol) > version)
        return;
    move_json(intake, "forget", symbol, version, "", json);
    receiver_forget(intake->receiver, symbol, json);
    intake->expected[symbol] = 0;
    log_event(LOG_WARNING, "forgotten", "symbol=%s version=%lld reason=\"the plan has passed its move\"",
              stage_symbol(intake->stage, symbol), (long long)version);
}

static void begin_anew(struct intake *intake, const struct feed *feed, size_t symbol)
{
    char json[META_BYTES];
    const struct clock *clock = stage_clock(intake->stage);
    move_json(intake, "expect", symbol, expected_version(intake, feed, symbol), ",\"anew\":true", json);
    enum status status = capture_append(intake->writer, CAPTURE_MOVE, 0, clock_wall_ns(clock),
                                        clock_monotonic_ns(clock), json, strlen(json), NULL);
    if (status == STATUS_OK)
        status = capture_flush(intake->writer);
    (void)status; /* a full disk: said again with the next turn, or not in time */
}

void intake_make_room(struct intake *intake, const struct feed *feed)
{
    for (size_t i = 0; intake->writer && i < stage_symbol_count(intake->stage); i++)
        if (feed_expects(feed, i) && feed_has_too_much(feed, i) && receiver_listens(intake->receiver, i))
            begin_anew(intake, feed, i);
}

void intake_heard(const struct intake *intake, const struct feed *feed, size_t symbol,
                  char out_heard[HEARD_BYTES])
{
    char heard[FEED_HEARD_BYTES];
    size_t length = 0;
    uint64_t since = intake->receiver ? receiver_serves(intake->receiver, symbol) : 0;
    if (feed_position(feed) < since) /* it may not know yet of a socket that was lost before */
        since = 0;
    feed_heard(feed, symbol, heard);
    if (since)
        length = (size_t)snprintf(out_heard, HEARD_BYTES, "%s%" PRIu64 "%s", MEETING_OPEN, since,
                                  *heard ? " " : "");
    snprintf(out_heard + length, HEARD_BYTES - length, "%.90s", heard);
}

static uint64_t open_since(const char *heard)
{
    size_t length = sizeof MEETING_OPEN - 1;
    return strncmp(heard, MEETING_OPEN, length) == 0 ? strtoull(heard + length, NULL, 10) : 0;
}

/* meet: whether it may go as far as its next owner is concerned. */
static enum status meet(struct intake *intake, const struct feed *feed, size_t symbol, const char *heard,
                        struct error *error)
{
    struct error differs = {{0}};
    struct meeting *meeting = &intake->meetings[symbol];
    struct meeting_facts facts = {
        .is_simulator = strcmp(config_text(stage_config(intake->stage), "harvest.venue"), "simulator") == 0,
        .is_owed = feed_is_owed(feed, symbol),
        .open_since = open_since(heard),
        .any_heard = strchr(heard, '=') != NULL,
        .all_heard = feed_all_heard(feed, heard),
        .overlaps = feed_overlaps(feed, symbol, heard, &differs) == STATUS_OK,
    };
    enum meeting_verdict verdict =
        meeting_judge(meeting, &facts, clock_monotonic_ms(stage_clock(intake->stage)));
    const char *why = meeting_lacks(&facts);
    meeting->is_cut = verdict == MEETING_IS_CUT;
    snprintf(meeting->lacks, sizeof meeting->lacks, "%.120s", why ? why : differs.text);
    return verdict == MEETING_GOES_ON ? error_set(error, STATUS_AGAIN, "%s", meeting->lacks) : STATUS_OK;
}

static enum status append_leave(struct intake *intake, size_t symbol, int64_t version, struct error *error)
{
    char json[META_BYTES];
    const struct clock *clock = stage_clock(intake->stage);
    const struct meeting *meeting = &intake->meetings[symbol];
    move_json(intake, "leave", symbol, version, meeting->is_cut ? ",\"unmet\":true" : "", json);
    if (capture_append(intake->writer, CAPTURE_MOVE, 0, clock_wall_ns(clock), clock_monotonic_ns(clock), json,
                       strlen(json), &intake->leaving[symbol]) != STATUS_OK ||
        capture_flush(intake->writer) != STATUS_OK)
        return error_set(error, STATUS_AGAIN, "the disk does not take the capture just now");
    if (meeting->is_cut)
        log_event(LOG_WARNING, "left_unmet",
                  "symbol=%s waited_s=%d reason=\"%s\" what=\"what is missed is fetched or told\"",
                  stage_symbol(intake->stage, symbol), MEETING_PATIENCE_MS / 1000, meeting->lacks);
    crash_point("after_leave");
    return STATUS_AGAIN; /* until the feed has read it */
}

/* is_leaving: the record that says so is in the capture; the feed has read it, or will. */
static bool is_leaving(const struct intake *intake, const struct feed *feed, size_t symbol)
{
    return !feed_has(feed, symbol) || intake->leaving[symbol] > feed_position(feed);
}

enum status intake_may_leave(struct intake *intake, const struct feed *feed, size_t symbol, const char *heard,
                             struct error *error)
{
    if (is_leaving(intake, feed, symbol))
        return STATUS_END;
    if (!intake->receiver)
        return error_set(error, STATUS_UNSUPPORTED, "a replay has nothing to give");
    enum status status = feed_may_leave(feed, symbol, error);
    return status == STATUS_OK ? meet(intake, feed, symbol, heard, error) : status;
}

enum status intake_leave(struct intake *intake, const struct feed *feed, size_t symbol, int64_t version,
                         struct error *error)
{
    if (!feed_has(feed, symbol))
        return STATUS_OK;
    if (is_leaving(intake, feed, symbol))
        return STATUS_AGAIN; /* until the feed has read it */
    return append_leave(intake, symbol, version, error);
}

void intake_left(struct intake *intake, struct feed *feed, size_t symbol)
{
    receiver_forget(intake->receiver, symbol, NULL);
    feed_forget(feed, symbol);
    intake->expected[symbol] = 0;
    intake->leaving[symbol] = 0;
    intake->meetings[symbol] = (struct meeting){0};
}

/* --- losses, and the saved state --- */

const char *intake_loss_name(enum intake_loss loss)
{
    static const char *const NAMES[] = {[INTAKE_QUEUE_DROPPED] = "queue_dropped",
                                        [INTAKE_TOO_LARGE] = "messages_too_large",
                                        [INTAKE_SUBSTREAM_TIMEOUTS] = "substream_timeout_detected"};
    return NAMES[loss];
}

void intake_losses_now(const struct intake *intake, int64_t out_losses[INTAKE_LOSSES])
{
    struct receiver_figures figures = {.messages = 0};
    if (intake->receiver)
        figures = receiver_figures(intake->receiver);
    const int64_t here[] = {[INTAKE_QUEUE_DROPPED] = figures.queue_dropped,
                            [INTAKE_TOO_LARGE] = figures.messages_too_large,
                            [INTAKE_SUBSTREAM_TIMEOUTS] = figures.substream_timeouts};
    for (size_t i = 0; i < INTAKE_LOSSES; i++)
        out_losses[i] = intake->losses_before[i] + here[i];
}

void intake_count_losses(struct intake *intake)
{
    int64_t now[INTAKE_LOSSES];
    intake_losses_now(intake, now);
    if (memcmp(now, intake->losses, sizeof now) != 0)
        stage_note_loss(intake->stage);
    memcpy(intake->losses, now, sizeof now);
}

int64_t intake_dropped(const struct intake *intake, size_t symbol)
{
    int64_t here = intake->receiver ? receiver_dropped(intake->receiver, symbol) : 0;
    return intake->dropped_before[symbol] + here;
}

void intake_halt(struct intake *intake, int64_t until_ms)
{
    if (intake->receiver)
        receiver_halt(intake->receiver, until_ms);
    intake_count_losses(intake);
}

/* dropped_save: of the symbols that have lost anything, each behind its number from 1, up to a 0. */
static void dropped_save(const struct intake *intake, struct buffer *out)
{
    for (size_t i = 0; i < stage_symbol_count(intake->stage); i++) {
        int64_t dropped = intake_dropped(intake, i);
        if (!dropped)
            continue;
        buffer_append_u64(out, i + 1);
        buffer_append_i64(out, dropped);
    }
    buffer_append_u64(out, 0);
}

/* losses_save: the receiver goes on counting meanwhile: the sums come last, so that they are no less than their parts. */
static void losses_save(const struct intake *intake, struct buffer *out)
{
    int64_t losses[INTAKE_LOSSES];
    dropped_save(intake, out);
    intake_losses_now(intake, losses);
    for (size_t i = 0; i < INTAKE_LOSSES; i++)
        buffer_append_i64(out, losses[i]);
}

static void dropped_load(struct intake *intake, struct reader *in)
{
    for (uint64_t number; !in->failed && (number = reader_u64(in)) != 0;) {
        int64_t dropped = state_count(in);
        if (number > stage_symbol_count(intake->stage))
            in->failed = true;
        else
            intake->dropped_before[number - 1] = dropped;
    }
}

void intake_save(const struct intake *intake, const struct feed *feed, struct buffer *out)
{
    uint64_t seq = 0, offset = 0;
    if (intake->reader)
        capture_place(intake->reader, &seq, &offset);
    buffer_append_u64(out, seq);
    buffer_append_u64(out, offset);
    losses_save(intake, out);
    decisions_save(&intake->decisions, out);
    feed_save_rest(feed, out);
}

/* listen_on: to what was on its way here when the last life ended. */
static void listen_on(struct intake *intake, const struct feed *feed)
{
    for (size_t i = 0; intake->receiver && i < stage_symbol_count(intake->stage); i++)
        if (feed_expects(feed, i) && !receiver_listens(intake->receiver, i))
            receiver_listen(intake->receiver, i, NULL);
}

enum status intake_load(struct intake *intake, struct feed *feed, struct reader *in)
{
    struct error error = {{0}};
    uint64_t seq = reader_u64(in), offset = reader_u64(in);
    dropped_load(intake, in);
    for (size_t i = 0; i < INTAKE_LOSSES; i++)
        intake->losses_before[i] = intake->losses[i] = state_count(in);
    decisions_load(&intake->decisions, in);
    enum status status = feed_load_rest(feed, in, &error);
    if (status == STATUS_OK && intake->reader)
        status = capture_seek(intake->reader, seq, offset, &error);
    if (status == STATUS_OK)
        listen_on(intake, feed);
    else
        log_event(LOG_ERROR, "state_refused", "reason=\"%s\"", error.text);
    return status;
}
