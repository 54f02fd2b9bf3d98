/* why of one key: recompute until its signal is complete, tell the chain, compare with what is stored. */
#include "base/clock.h"
#include "base/memory.h"
#include "ledger.h"
#include "request.h"
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct one {
    const struct request *request;
    struct recording recording;
    struct ledger ledger;
    struct chain *chain;
    struct trace trace;
    size_t symbol;
};

static int unknown_symbol(const struct one *one)
{
    struct buffer names;
    buffer_init(&names, 0);
    for (size_t i = 0; i < chain_symbol_count(one->chain); i++)
        buffer_format(&names, "%s%s", i ? ", " : "", chain_symbol(one->chain, i));
    int code = complain(EXIT_UNKNOWN, "run %s has no symbol %s; it has %s", one->recording.run_id,
                        one->request->symbol, buffer_text(&names));
    buffer_finish(&names);
    return code;
}

/* run_chain: until the signal, or one behind it, has come, or the capture is at its end. */
static enum status run_chain(struct one *one, struct error *error)
{
    struct capture_record record;
    const char *path;
    uint64_t offset;
    enum status status = STATUS_OK;
    while (!trace_is_over(&one->trace)) {
        status = recording_next(&one->recording, &record, error);
        if (status != STATUS_OK)
            break;
        trace_record(&one->trace, &record);
        chain_record(one->chain, &record);
    }
    if (status == STATUS_END && one->ledger.finished &&
        capture_chain_torn(one->recording.captures, &path, &offset))
        return error_set(error, STATUS_MALFORMED, "%s: its last record, at offset %" PRIu64 ", is damaged",
                         path, offset);
    if (status == STATUS_END && !one->ledger.running)
        chain_end(one->chain);
    return status == STATUS_END ? STATUS_OK : status;
}

/* --- the key was not found --- */

static void nearest(struct buffer *out, const struct one *one, const char *word, int64_t ts_ms)
{
    char time[TIME_TEXT_BYTES];
    if (ts_ms == FIELD_NULL_I64)
        return;
    time_iso_ms(ts_ms, time);
    buffer_format(out, "\n  %s %s/%s/%" PRId64 " (%s)", word, one->request->run_id, one->request->symbol,
                  ts_ms, time);
}

static bool is_stored(const struct one *one, enum stored_sink sink, const struct stored_range *range)
{
    struct finding_row found;
    if (!finding_sink_used(one->recording.config, sink))
        return false;
    finding_look(sink, range, NULL, false, NULL, &found);
    return found.finding != FINDING_NONE;
}

static int not_found(const struct one *one, const struct stored_range *range)
{
    const struct request *request = one->request;
    struct buffer text;
    /* Of a run that goes on a sink may hold by now what the capture did not when it was read. */
    bool may_come = one->ledger.running && !trace_is_over(&one->trace);
    for (enum stored_sink sink = 0; sink < STORED_SINKS && !may_come; sink++)
        if (is_stored(one, sink, range))
            return complain(EXIT_DIFFERENT,
                            "%s/%s/%" PRId64
                            " is stored (%s) but does not come out of the capture: not_recomputed",
                            request->run_id, request->symbol, request->ts_ms, STORED_SINK_NAMES[sink]);
    buffer_init(&text, 0);
    nearest(&text, one, "before:", one->trace.nearest_before_ms);
    nearest(&text, one, "behind:", one->trace.nearest_after_ms);
    int code =
        complain(EXIT_UNKNOWN, "there is no signal %s/%s/%" PRId64 "%s%s%s", request->run_id, request->symbol,
                 request->ts_ms, may_come ? " yet; the run has not been concluded" : "",
                 text.length ? "; the nearest keys are" : "", buffer_text(&text));
    buffer_finish(&text);
    return code;
}

/* --- the key was found --- */

static void look_into_sinks(const struct one *one, const struct stored_range *range, struct story *story)
{
    /* A run_id is equal unless another capture was named; data.md §8 leaves it out. */
    const char *passed_over = strcmp(one->recording.run_id, one->request->run_id) == 0 ? NULL : "run_id";
    size_t compared = 0;
    bool is_bad = false;
    for (enum stored_sink sink = 0; sink < STORED_SINKS; sink++) {
        const struct trace *trace = &one->trace;
        bool is_order = sink == STORED_ORDERS;
        const void *row = is_order ? (const void *)&trace->order : (const void *)&trace->signal;
        bool is_there = !is_order || trace->order_place.sequence;
        struct finding_row *found = &story->sinks[sink];
        if (!finding_sink_used(one->recording.config, sink))
            continue;
        finding_look(sink, range, is_there ? row : NULL, one->ledger.running, passed_over, found);
        is_bad = is_bad || finding_is_bad(found->finding);
        compared += found->finding == FINDING_SAME;
    }
    story->is_same = !is_bad && compared > 0;
}

static enum status collect(const struct one *one, struct story *story, struct error *error)
{
    const struct request *request = one->request;
    struct capture_chain *captures = NULL;
    enum status status = trace_check(&one->trace, error);
    if (status == STATUS_OK)
        status = request->file_count
                     ? capture_chain_open_files(request->files, request->file_count, &captures, error)
                     : capture_chain_open(request->raw_folders, request->raw_folder_count, request->run_id,
                                          &captures, error);
    if (status == STATUS_OK)
        status = story_collect(story, captures, error);
    capture_chain_close(captures);
    return status;
}

static int print(const struct one *one, const struct story *story)
{
    struct buffer text, differences;
    buffer_init(&text, 0);
    buffer_init(&differences, 0);
    (one->request->json ? story_json : story_text)(story, &text);
    story_differences(story, &differences);
    fputs(buffer_text(&text), stdout);
    fputs(buffer_text(&differences), stderr);
    if (!story->is_same && !differences.length)
        complain(EXIT_DIFFERENT, "no sink holds it%s: nothing was compared",
                 one->ledger.running ? " yet" : "");
    buffer_finish(&text);
    buffer_finish(&differences);
    return story->is_same ? EXIT_SAME : EXIT_DIFFERENT;
}

static int tell(const struct one *one, const struct stored_range *range)
{
    struct story *story = memory_allocate(sizeof *story);
    struct error error;
    story->run_id = one->request->run_id;
    story->symbol = one->request->symbol;
    story->ts_ms = one->request->ts_ms;
    story->levels = chain_levels(one->chain);
    story->recording = &one->recording;
    story->trace = &one->trace;
    enum status status = collect(one, story, &error);
    if (status == STATUS_OK)
        look_into_sinks(one, range, story);
    int code = status == STATUS_OK ? print(one, story) : complain(code_of(status), "%s", error.text);
    free(story);
    return code;
}

static enum status open_all(struct one *one, struct error *error)
{
    const struct request *request = one->request;
    enum status status = ledger_read(request_manifest(request), &one->ledger, error);
    if (status == STATUS_OK)
        status = request->file_count
                     ? recording_open_files(&one->recording, request->files, request->file_count, error)
                     : recording_open(&one->recording, request->raw_folders, request->raw_folder_count,
                                      request->run_id, error);
    if (status != STATUS_OK)
        return status;
    one->chain = chain_create(one->recording.config, one->recording.owners, one->recording.run_id, trace_row,
                              &one->trace, error);
    return one->chain ? STATUS_OK : STATUS_INVALID;
}

int why_one(const struct request *request)
{
    struct one one = {.request = request};
    struct error error;
    int code = EXIT_SAME;
    enum status status = open_all(&one, &error);
    if (status == STATUS_OK) {
        one.symbol = chain_symbol_index(one.chain, request->symbol);
        if (one.symbol == SIZE_MAX) {
            code = unknown_symbol(&one);
        } else {
            trace_begin(&one.trace, one.chain, one.symbol, request->ts_ms);
            chain_only(one.chain, one.symbol);
            status = run_chain(&one, &error);
        }
    }
    if (status != STATUS_OK) {
        code = complain(code_of(status), "%s", error.text);
    } else if (code == EXIT_SAME) {
        const struct stored_range range = {.output_dir = config_text(one.recording.config, "run.output_dir"),
                                           .run_id = request->run_id,
                                           .symbol = request->symbol,
                                           .from_ms = request->ts_ms,
                                           .to_ms = request->ts_ms};
        code = trace_is_found(&one.trace) ? tell(&one, &range) : not_found(&one, &range);
    }
    trace_finish(&one.trace);
    chain_destroy(one.chain);
    recording_close(&one.recording);
    return code;
}
