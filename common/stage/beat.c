#include "stage/stage_private.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A heartbeat is built once, as rows of one frame, and goes out twice: on the bus and, once a second, as
 * runtime/status/<instance>.json. Between two files it is brief, so that it does not grow with the symbols' figures. */

struct stage_report {
    bool is_brief;
    struct buffer rows;
    size_t row_count;
    struct buffer counters_json, gauges_json, sinks_json, streams_json;
    struct json counters, gauges, sinks, streams;
};

static void report_init(struct stage_report *report, bool is_brief)
{
    report->is_brief = is_brief;
    buffer_init(&report->rows, 0);
    report->row_count = 0;
    struct {
        struct buffer *buffer;
        struct json *json;
    } parts[] = {{&report->counters_json, &report->counters},
                 {&report->gauges_json, &report->gauges},
                 {&report->sinks_json, &report->sinks},
                 {&report->streams_json, &report->streams}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buffer_init(parts[i].buffer, 0);
        json_init(parts[i].json, parts[i].buffer);
    }
}

static void report_finish(struct stage_report *report)
{
    buffer_finish(&report->rows);
    buffer_finish(&report->counters_json);
    buffer_finish(&report->gauges_json);
    buffer_finish(&report->sinks_json);
    buffer_finish(&report->streams_json);
}

static void report_row(struct stage_report *report, const struct message *message, const void *row)
{
    row_encode(&report->rows, message, message->field_count, row);
    report->row_count++;
}

bool stage_report_is_brief(const struct stage_report *report)
{
    return report->is_brief;
}

void stage_report_counter(struct stage_report *report, const char *name, int64_t value)
{
    struct counter_row row = {.value = value};
    snprintf(row.name, sizeof row.name, "%s", name);
    report_row(report, &counter_message, &row);
    json_key_i64(&report->counters, row.name, value);
}

void stage_report_gauge(struct stage_report *report, const char *name, double value)
{
    struct gauge_row row = {.value = value};
    snprintf(row.name, sizeof row.name, "%s", name);
    report_row(report, &gauge_message, &row);
    json_key_f64(&report->gauges, row.name, value);
}

void stage_report_library(struct stage_report *report, const char *name, const char *version)
{
    char gauge[sizeof((struct gauge_row *)0)->name];
    int major = 0, minor = 0, patch = 0;
    const char *digits = version ? version + strcspn(version, "0123456789") : ""; /* DuckDB says v1.3.2 */
    bool known = sscanf(digits, "%d.%d.%d", &major, &minor, &patch) >= 2;
    snprintf(gauge, sizeof gauge, "library_%s", name);
    stage_report_gauge(report, gauge, known ? major * 1e6 + minor * 1e3 + patch : NAN);
}

void stage_report_sink(struct stage_report *report, const struct sink_status_row *status)
{
    report_row(report, &sink_status_message, status);
    message_json(&report->sinks, &sink_status_message, sink_status_message.field_count, status, true);
}

static void report_stream(struct stage_report *report, const struct stream_status_row *status)
{
    report_row(report, &stream_status_message, status);
    message_json(&report->streams, &stream_status_message, stream_status_message.field_count, status, true);
}

/* --- what the stage itself knows --- */

/* resident_mb: NaN when it cannot be read, as there is no descriptor left to read it with. */
static double resident_mb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return NAN;
    bool known = fscanf(file, "%*s %ld", &pages) == 1;
    fclose(file);
    return known ? (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0) : NAN;
}

/* open_descriptors: the former figure when there is no descriptor left to count them with. */
static int64_t open_descriptors(int64_t former)
{
    int64_t count = -3; /* ".", ".." and the folder's own */
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return former;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void report_streams(struct stage *stage, struct stage_report *report)
{
    for (size_t i = 0; stage->outputs && i < stage->symbol_count; i++) {
        const struct output *output = &stage->outputs[i];
        if (!stage_owns(stage, i))
            continue;
        struct stream_status_row row = {
            .published = 1,
            .first_sequence = journal_first(stage->journal, output->journal_stream),
            .last_sequence = journal_last(stage->journal, output->journal_stream),
            .source = output->source,
            .ended = output->ended,
        };
        memcpy(row.stream, output->stream, sizeof row.stream);
        report_stream(report, &row);
    }
    for (size_t i = 0; i < stage->input_count; i++) {
        const struct input *input = &stage->inputs[i];
        if (!stage_owns(stage, input->public.symbol_index))
            continue;
        struct stream_status_row row = {
            .last_sequence = input->public.position,
            .source = input->source,
            .ended = input->public.ended,
            .durable_sequence = stage->service->durable ? stage->service->durable(stage->state, input->stream)
                                                        : input->state_position,
        };
        memcpy(row.stream, input->stream, sizeof row.stream);
        report_stream(report, &row);
    }
}

/* report_dropped: rows of a stream that retention took before somebody had them; also of one that has gone to another instance: it was here
 * that they were lost. */
static void report_dropped(const struct stage *stage, struct stage_report *report)
{
    char name[sizeof((struct counter_row *)0)->name];
    for (size_t i = 0; stage->outputs && i < stage->symbol_count; i++) {
        if (!stage->outputs[i].dropped)
            continue;
        snprintf(name, sizeof name, "stage_retention_dropped/%.39s", stage->outputs[i].stream);
        stage_report_counter(report, name, stage->outputs[i].dropped);
    }
}

static void report_stage_counters(const struct stage *stage, struct stage_report *report)
{
    const struct {
        const char *name;
        int64_t value;
    } counters[] = {
        {"restart_count", stage->options.restarts},
        {"stage_frames", stage->counts.frames},
        {"stage_plan_version", stage->plan ? stage->plan->version : 0},
        {"stage_acquired_version", stage->acquired_version},
        {"stage_foreign_frames", stage->counts.foreign_frames},
        {"stage_malformed_frames", stage->counts.malformed_frames},
        {"stage_malformed_rows", stage->counts.malformed_rows},
        {"stage_gaps_seen", stage->counts.gaps_seen},
        {"stage_catch_up_requests", stage->counts.catch_up_requests},
        {"stage_catch_up_rows", stage->counts.catch_up_rows},
        {"stage_rows_lost", stage->counts.rows_lost},
        {"stage_forks", stage->counts.forks},
        {"stage_commits", stage->counts.commits},
        {"stage_rows_emitted", stage->counts.rows_emitted},
        {"stage_rows_compared", stage->counts.rows_compared},
        {"stage_rows_reread", stage->counts.rows_reread},
        {"stage_retention_dropped", stage->counts.retention_dropped},
        {"stage_retention_unread", stage->counts.retention_unread},
        {"stage_retention_alerts", stage->counts.retention_alerts},
        {"stage_reconnects", stage->counts.reconnects},
        {"stage_requests", stage->counts.requests},
        {"stage_malformed_requests", stage->counts.malformed_requests},
        {"stage_refused_peers", bus_refused(stage->bus)},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        stage_report_counter(report, counters[i].name, counters[i].value);
}

/* nothing_to_read: a reader of streams in a run without anybody who publishes one: there is no end to wait for. */
static bool nothing_to_read(const struct stage *stage)
{
    return stage->service->inputs && !stage->input_count;
}

static const char *state_name(struct stage *stage)
{
    bool ended = stage->own_end || stage_inputs_ended(stage) || nothing_to_read(stage);
    bool idle = !stage->service->idle || stage->service->idle(stage->state);
    if (stage->draining)
        return ended && idle && !stage->pending_bytes && stage_sinks_idle(stage) ? "drained" : "draining";
    if (*stage->lacks)
        return "degraded";
    return stage->service->pull && !stage->going ? "ready" : "running";
}

static int64_t queue_length(const struct stage *stage)
{
    int64_t waiting = 0;
    for (size_t i = 0; i < stage->input_count; i++)
        if (stage_owns(stage, stage->inputs[i].public.symbol_index) &&
            stage->inputs[i].producer_last > stage->inputs[i].public.position)
            waiting += stage->inputs[i].producer_last - stage->inputs[i].public.position;
    return waiting;
}

static void beat_row(struct stage *stage, struct heartbeat_row *row)
{
    message_clear(&heartbeat_message, row);
    memcpy(row->name, stage->instance, sizeof row->name);
    row->pid = getpid();
    row->generation = stage->options.generation;
    row->seq = ++stage->beat_seq;
    snprintf(row->state, sizeof row->state, "%s", state_name(stage));
    row->wall_ms = clock_wall_ms(&stage->clock);
    row->mono_ms = clock_monotonic_ms(&stage->clock);
    if (stage->event_ts_ms)
        row->event_ts_ms = stage->event_ts_ms;
    snprintf(row->config_fingerprint, sizeof row->config_fingerprint, "%s", stage->fingerprint);
    row->progress = stage->progress;
    row->caught_up = stage_caught_up(stage);
    row->rss_mb = resident_mb();
    row->open_files = stage->open_files ? stage->open_files : FIELD_NULL_I64; /* some always are */
    row->queue_len = queue_length(stage);
    row->queue_cap =
        FIELD_NULL_I64; /* rows wait in the journal of their producer, as long as it keeps them */
    memcpy(row->last_error, stage->last_error, sizeof row->last_error);
}

static void publish_beat(struct stage *stage, const struct heartbeat_row *beat,
                         const struct stage_report *report)
{
    char topic[STREAM_BYTES];
    struct buffer rows, *frame = &stage->newest_beat;
    struct frame_header header = {.generation = stage->options.generation,
                                  .publish_ns = clock_wall_ns(&stage->clock),
                                  .row_count = report->row_count + 1};
    memcpy(header.run_id, stage->run_id, sizeof header.run_id);
    memcpy(header.instance, stage->instance, sizeof header.instance);
    buffer_init(&rows, 0);
    buffer_clear(frame);
    row_encode(&rows, &heartbeat_message, heartbeat_message.field_count, beat);
    buffer_append(&rows, report->rows.data, report->rows.length);
    frame_encode(frame, &header, rows.data, rows.length);
    snprintf(topic, sizeof topic, "heartbeat/%s", stage->instance);
    bus_publish(stage->bus, topic, frame->data, frame->length);
    buffer_finish(&rows);
}

static void json_key_part(struct json *json, const char *key, const char *open, const struct buffer *part,
                          const char *close)
{
    json_key(json, key);
    buffer_append_text(json->out, open);
    buffer_append(json->out, part->data, part->length);
    buffer_append_text(json->out, close);
    json->need_comma = true;
}

static void write_status(struct stage *stage, const struct heartbeat_row *beat,
                         const struct stage_report *report)
{
    char path[PATH_BYTES];
    struct buffer text;
    struct json json;
    path_join(path, config_text(stage->config, "run.output_dir"), "status/%s.json", stage->instance);
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_i64(&json, "schema_version", 1);
    json_key_text(&json, "run_id", stage->run_id);
    for (size_t i = 0; i < heartbeat_message.field_count; i++) {
        json_key(&json, heartbeat_message.fields[i].name);
        field_json(&json, &heartbeat_message.fields[i], beat);
    }
    json_key_i64(&json, "restart_count", stage->options.restarts);
    json_key_part(&json, "counters", "{", &report->counters_json, "}");
    json_key_part(&json, "gauges", "{", &report->gauges_json, "}");
    json_key_part(&json, "sinks", "[", &report->sinks_json, "]");
    json_key_part(&json, "streams", "[", &report->streams_json, "]");
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    if (folder_make_for(path) != STATUS_OK || file_replace(path, text.data, text.length, false) != STATUS_OK)
        snprintf(stage->last_error, sizeof stage->last_error, "%.200s cannot be written: %m", path);
    buffer_finish(&text);
}

/* news: each once per life: who waits for it need not wait longer. Of one that dies behind its first progress the
 * supervisor must know that it had made some. */
static bool news(struct stage *stage)
{
    bool caught_up = !stage->told_caught_up && stage_caught_up(stage);
    bool progress = !stage->told_progress && stage->progress > 0;
    stage->told_caught_up = stage->told_caught_up || caught_up;
    stage->told_progress = stage->told_progress || progress;
    return caught_up || progress;
}

/* tells_all: with the status file, to who asks, and with every other state: so what a process that has drained, or ends, says
 * last of a stream is how it stands. */
static bool tells_all(struct stage *stage, bool file_due, const char *state)
{
    bool all = file_due || strcmp(state, stage->told_state) != 0;
    if (all)
        snprintf(stage->told_state, sizeof stage->told_state, "%s", state);
    return all;
}

void stage_beat(struct stage *stage, bool at_once)
{
    int64_t now_ms = clock_monotonic_ms(&stage->clock);
    if (!news(stage) && !at_once && now_ms < stage->beat_due_ms)
        return;
    stage->beat_due_ms = now_ms + config_i64(stage->config, "health.heartbeat_ms");
    bool file_due = now_ms >= stage->status_due_ms;
    if (file_due) {
        stage->status_due_ms = now_ms + 1000;
        stage->open_files = open_descriptors(stage->open_files);
    }
    stage_look_at_itself(stage);
    struct heartbeat_row beat;
    struct stage_report report;
    beat_row(stage, &beat); /* first: what is told behind it is of that state, or newer */
    beat.brief = !tells_all(stage, file_due, beat.state);
    report_init(&report, beat.brief);
    report_streams(stage, &report);
    report_stage_counters(stage, &report);
    if (!report.is_brief)
        report_dropped(stage, &report);
    stage_report_injuries(stage, &report);
    if (stage->journal)
        stage_report_gauge(&report, "stage_journal_fill", stage_journal_fill(stage));
    if (stage->service->report)
        stage->service->report(stage->state, &report);
    int64_t dropped = 0;
    for (size_t i = 0; i < stage->sink_count; i++) {
        struct sink_status_row status;
        stage_sink_status(stage, i, &status);
        stage_report_sink(&report, &status);
        dropped += status.dropped;
    }
    if (stage->sink_count)
        stage_report_counter(&report, "dropped", dropped);
    publish_beat(stage, &beat, &report);
    stage->alert_sent = stage->alert_told;
    if (file_due && !stage->options.replay_count)
        write_status(stage, &beat, &report);
    report_finish(&report);
}
