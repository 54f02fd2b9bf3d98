#include "reporter.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "parity.h"
#include "sink_reader.h"
#include "sink_stamp.h"
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDES_MAX = 2 };

/* side: one sink being read. */
struct side {
    enum sink_kind kind;
    struct sink_reader *reader;
    struct tally tally;
    struct tracks tracks;
};

/* basis: what a final summary is made of, beside what was given: the sinks' files, and the rows of all streams. */
struct basis {
    struct sink_stamp sinks;
    int64_t positions;
};

struct reporter {
    struct reporter_config config;
    struct side sides[SIDES_MAX];
    size_t side_count;
    bool has_final; /* sides and parity are those of this basis, read to the end */
    struct basis final;
    struct parity parity; /* with both sinks */
    int64_t readings;     /* of the sinks, to the end */
};

static void side_begin(const struct reporter *reporter, struct side *side)
{
    struct sink_reader_config config = {
        .kind = side->kind,
        .output_dir = reporter->config.output_dir,
        .run_id = reporter->config.run_id,
    };
    side->reader = sink_reader_create(&config);
    tally_init(&side->tally);
    tracks_init(&side->tracks);
}

static void side_end(struct side *side)
{
    sink_reader_destroy(side->reader);
    tally_finish(&side->tally);
    tracks_finish(&side->tracks);
}

struct reporter *reporter_create(const struct reporter_config *config)
{
    struct reporter *reporter = memory_allocate(sizeof *reporter);
    reporter->config = *config;
    for (int kind = SINK_JSONL; kind <= SINK_SQLITE; kind++) {
        if (strcmp(config->sink, "dual") != 0 && strcmp(config->sink, SINK_KIND_NAMES[kind]) != 0)
            continue;
        struct side *side = &reporter->sides[reporter->side_count++];
        side->kind = kind;
        side_begin(reporter, side);
    }
    return reporter;
}

void reporter_destroy(struct reporter *reporter)
{
    if (!reporter)
        return;
    for (size_t i = 0; i < reporter->side_count; i++)
        side_end(&reporter->sides[i]);
    parity_finish(&reporter->parity);
    free(reporter);
}

int64_t reporter_readings(const struct reporter *reporter)
{
    return reporter->readings;
}

/* ---- reading ---- */

static enum status basis_take(const struct reporter *reporter, const struct stored *stored,
                              struct basis *out_basis, struct error *error)
{
    out_basis->positions = 0;
    for (size_t i = 0; i < stored->figures.stream_count; i++)
        out_basis->positions += stored->figures.streams[i].position;
    return sink_stamp_take(reporter->config.output_dir, reporter->config.run_id, &out_basis->sinks, error);
}

static bool basis_equal(const struct basis *left, const struct basis *right)
{
    return left->positions == right->positions && sink_stamp_equal(&left->sinks, &right->sinks);
}

/* reading: of one sink, for one summary. */
struct reading {
    struct side *side;
    struct event_knowledge knowledge;
};

static enum status add_row(void *context, const struct signal_row *row)
{
    struct reading *reading = context;
    tally_add(&reading->side->tally, row);
    tracks_add(&reading->side->tracks, &reading->knowledge, row->symbol, row->ts_ms, row->confirm);
    return STATUS_OK;
}

static void side_again(const struct reporter *reporter, struct side *side)
{
    side_end(side);
    side_begin(reporter, side);
}

static enum status read_side(const struct reporter *reporter, struct side *side,
                             const struct event_knowledge *knowledge, struct error *error)
{
    struct reading reading = {.side = side, .knowledge = *knowledge};
    bool holds = tracks_hold(&side->tracks, knowledge);
    if (!holds)
        log_event(LOG_INFO, "sink_read_anew", "sink=%s reason=\"events came late\"",
                  SINK_KIND_NAMES[side->kind]);
    if (knowledge->is_complete || !holds)
        side_again(reporter, side);
    enum status status = sink_reader_poll(side->reader, knowledge->is_complete, add_row, &reading, error);
    if (status == STATUS_OK)
        tracks_settle(&side->tracks, knowledge);
    else
        side_again(reporter, side);
    return status;
}

static enum status read_sides(struct reporter *reporter, const struct stored *stored, bool final,
                              struct error *error)
{
    const struct event_knowledge knowledge = stored_knowledge(stored, final);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < reporter->side_count; i++)
        status = read_side(reporter, &reporter->sides[i], &knowledge, error);
    return status;
}

static bool sinks_are_behind(const struct reporter *reporter, const struct stored *stored)
{
    int64_t published = 0;
    for (size_t i = 0; i < stored->figures.symbol_count; i++)
        published += stored->figures.symbols[i].signals;
    for (size_t i = 0; i < reporter->side_count; i++) {
        struct sink_reader_figures figures = sink_reader_figures(reporter->sides[i].reader);
        if (figures.rows + figures.bad_rows < published)
            return true;
    }
    return false;
}

/* ---- writing ---- */

static enum status write_text(const struct reporter *reporter, const char *path, struct buffer *text,
                              struct error *error)
{
    enum status status = folder_make_for(path);
    if (status == STATUS_OK)
        status = file_replace(path, text->data, text->length, reporter->config.sync);
    if (status != STATUS_OK)
        error_set(error, status, "%s: cannot be written: %m", path);
    return status;
}

static enum status write_side(const struct reporter *reporter, const struct side *side,
                              const struct summary_input *input, struct error *error)
{
    struct summary summary;
    struct buffer text;
    char path[PATH_BYTES];
    summary_compute(input, &summary);
    buffer_init(&text, 0);
    summary_markdown(&summary, &text);
    summary_file_path(&reporter->config.names, SINK_KIND_NAMES[side->kind], "md", path);
    enum status status = write_text(reporter, path, &text, error);
    if (status == STATUS_OK) {
        buffer_clear(&text);
        summary_json(&summary, &text);
        summary_file_path(&reporter->config.names, SINK_KIND_NAMES[side->kind], "json", path);
        status = write_text(reporter, path, &text, error);
    }
    buffer_finish(&text);
    return status;
}

static enum status write_sides(const struct reporter *reporter, const struct reporter_job *job,
                               const struct stored *stored, const struct parity *parity, struct error *error)
{
    char parity_file[PATH_BYTES];
    path_join(parity_file, reporter->config.artifacts_dir, "parity_diff_%s.json", reporter->config.run_id);
    struct summary_input input = {
        .run_id = reporter->config.run_id,
        .input_mode = reporter->config.input_mode,
        .report_tz = reporter->config.report_tz,
        .broker_sample_rate = reporter->config.broker_sample_rate,
        .started_ms = reporter->config.names.started_ms,
        .now_ms = job->now_ms,
        .final = job->final,
        .stored = stored,
        .given = job->given,
        .parity_known = parity != NULL,
        .parity = parity ? parity->verdict : VERDICT_UNKNOWN,
        .parity_file = parity_file,
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < reporter->side_count; i++) {
        const struct side *side = &reporter->sides[i];
        input.sink = SINK_KIND_NAMES[side->kind];
        input.tally = &side->tally;
        input.tracks = &side->tracks;
        input.sink_figures = sink_reader_figures(side->reader);
        status = write_side(reporter, side, &input, error);
    }
    return status;
}

static void index_side(const struct reporter *reporter, const struct side *side, struct json *json)
{
    static const char *const ENDINGS[] = {"json", "md"};
    json_object_begin(json);
    json_key_text(json, "sink", SINK_KIND_NAMES[side->kind]);
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        summary_file_path(&reporter->config.names, SINK_KIND_NAMES[side->kind], ENDINGS[i], path);
        json_key_text(json, ENDINGS[i], path);
    }
    json_object_end(json);
}

/* write_index: where everything is, for whoever has to find it. */
static enum status write_index(const struct reporter *reporter, const struct reporter_job *job, bool parity,
                               struct error *error)
{
    char path[PATH_BYTES], now[TIME_TEXT_BYTES];
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    time_iso_ms(job->now_ms, now);
    json_object_begin(&json);
    json_key_i64(&json, "schema_version", 1);
    json_key_text(&json, "run_id", reporter->config.run_id);
    json_key_text(&json, "written_at", now);
    json_key_bool(&json, "final", job->final);
    json_key(&json, "summaries");
    json_array_begin(&json);
    for (size_t i = 0; i < reporter->side_count; i++)
        index_side(reporter, &reporter->sides[i], &json);
    json_array_end(&json);
    path_join(path, reporter->config.artifacts_dir, "parity_diff_%s.json", reporter->config.run_id);
    json_key_text(&json, "parity_diff", parity ? path : NULL);
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    path_join(path, reporter->config.output_dir, "report.json");
    enum status status = write_text(reporter, path, &text, error);
    buffer_finish(&text);
    return status;
}

/* read_to_end: all rows, and what both sinks differ in. What has been read is kept for the next final summary, which mostly differs only in
 * what was given (the gates): unless a file or a stream has moved meanwhile. */
static enum status read_to_end(struct reporter *reporter, const struct reporter_job *job,
                               const struct stored *stored, struct error *error)
{
    struct basis before, after;
    enum status status = basis_take(reporter, stored, &before, error);
    if (status != STATUS_OK || (reporter->has_final && basis_equal(&reporter->final, &before)))
        return status;
    reporter->has_final = false;
    reporter->readings++;
    log_event(LOG_INFO, "sinks_read", "reading=%lld", (long long)reporter->readings);
    parity_finish(&reporter->parity);
    status = read_sides(reporter, stored, true, error);
    if (status == STATUS_OK && job->patient && sinks_are_behind(reporter, stored))
        return STATUS_AGAIN;
    if (status == STATUS_OK && reporter->side_count == SIDES_MAX)
        status =
            parity_compare(reporter->config.output_dir, reporter->config.run_id, &reporter->parity, error);
    if (status == STATUS_OK)
        status = basis_take(reporter, stored, &after, error);
    reporter->has_final = status == STATUS_OK && basis_equal(&before, &after);
    reporter->final = before;
    return status;
}

static enum status write_final(struct reporter *reporter, const struct reporter_job *job,
                               const struct stored *stored, struct error *error)
{
    bool dual = reporter->side_count == SIDES_MAX;
    const struct parity *parity = dual ? &reporter->parity : NULL;
    enum status status = read_to_end(reporter, job, stored, error);
    if (status == STATUS_OK && dual)
        status = parity_write(parity, reporter->config.artifacts_dir, reporter->config.sync, error);
    return status == STATUS_OK ? write_sides(reporter, job, stored, parity, error) : status;
}

/* write_running: of a run that goes on; what was read to the end is read on from there. */
static enum status write_running(struct reporter *reporter, const struct reporter_job *job,
                                 const struct stored *stored, struct error *error)
{
    reporter->has_final = false;
    enum status status = read_sides(reporter, stored, false, error);
    return status == STATUS_OK ? write_sides(reporter, job, stored, NULL, error) : status;
}

enum status reporter_write(struct reporter *reporter, const struct reporter_job *job, struct error *error)
{
    struct stored stored;
    enum status status = report_store_read(reporter->config.store_path, &stored, error);
    if (status != STATUS_OK)
        return status;
    if (job->final)
        given_counts(job->given, &stored.figures);
    status = job->final ? write_final(reporter, job, &stored, error)
                        : write_running(reporter, job, &stored, error);
    if (status == STATUS_OK && !reporter->config.unlisted)
        status = write_index(reporter, job, job->final && reporter->side_count == SIDES_MAX, error);
    stored_finish(&stored);
    return status;
}
