/* why --all: the run is recomputed once; each signal and order is compared with what each sink holds, both ways. Sinks and
 * recomputation rise alike in time, per symbol, so one walk beside the other is enough. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "chain.h"
#include "finding.h"
#include "ledger.h"
#include "recording.h"
#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAID_MAX = 20 }; /* differences told one by one */

/* walk: one sink of one symbol. */
struct walk {
    bool used;
    struct stored_cursor *cursor; /* NULL: nothing is stored */
    union stored_row row;         /* in turn */
    bool at_end;
    int64_t last_ms; /* key of the row before, INT64_MIN: none */
    int64_t counts[FINDING_COUNT];
    int64_t read; /* rows and bad lines read */
};

struct all {
    const struct request *request;
    const struct companion *companion; /* NULL: none */
    struct recording recording;
    struct ledger ledger;
    struct chain *chain;
    struct walk *walks; /* symbols × sinks */
    size_t symbol_count;
    const char *passed_over;
    int64_t rows[CHAIN_SERVICES]; /* recomputed, of all kinds */
    int64_t said;
    struct status_error {
        enum status status;
        struct error error;
    } failed; /* of a sink, while the chain runs */
};

static struct walk *walk_of(const struct all *all, size_t symbol, enum stored_sink sink)
{
    return &all->walks[symbol * STORED_SINKS + sink];
}

/* --- telling --- */

static bool may_say(struct all *all)
{
    return all->said++ < SAID_MAX;
}

static void say(struct all *all, size_t symbol, enum stored_sink sink, enum finding finding, int64_t ts_ms)
{
    if (may_say(all))
        fprintf(stderr, "%s, %s/%s/%" PRId64 ": %s\n", STORED_SINK_NAMES[sink], all->request->run_id,
                chain_symbol(all->chain, symbol), ts_ms, FINDING_NAMES[finding]);
}

static void say_fields(const struct all *all, enum stored_sink sink, const void *recomputed,
                       const void *stored)
{
    struct difference difference;
    struct buffer text;
    buffer_init(&text, 0);
    difference_of(stored_message(sink), recomputed, stored, all->passed_over, &difference);
    for (size_t i = 0; i < difference.count; i++) {
        buffer_format(&text, "  %s: recomputed ", difference.fields[i]->name);
        difference_value(difference.fields[i], recomputed, &text);
        buffer_append_text(&text, ", stored ");
        difference_value(difference.fields[i], stored, &text);
        buffer_append_text(&text, "\n");
    }
    fputs(buffer_text(&text), stderr);
    buffer_finish(&text);
}

/* --- one step beside the other --- */

static void count(struct all *all, size_t symbol, enum stored_sink sink, enum finding finding, int64_t ts_ms)
{
    walk_of(all, symbol, sink)->counts[finding]++;
    if (finding_is_bad(finding))
        say(all, symbol, sink, finding, ts_ms);
}

/* advance: the next stored row; what cannot be read is counted and passed over. */
static void advance(struct all *all, size_t symbol, enum stored_sink sink)
{
    struct walk *walk = walk_of(all, symbol, sink);
    for (;;) {
        struct error error;
        enum status status = stored_next(walk->cursor, &walk->row, &error);
        walk->at_end = status != STATUS_OK && status != STATUS_MALFORMED;
        walk->read += !walk->at_end;
        if (status == STATUS_MALFORMED) {
            walk->counts[FINDING_UNREADABLE]++;
            if (may_say(all))
                fprintf(stderr, "%s, unreadable: %s\n", STORED_SINK_NAMES[sink], error.text);
            continue;
        }
        if (walk->at_end && status != STATUS_END && all->failed.status == STATUS_OK)
            all->failed = (struct status_error){status, error};
        return;
    }
}

/* pass: the stored row in turn has no recomputed one: it stands alone, or repeats the one before. */
static void pass(struct all *all, size_t symbol, enum stored_sink sink)
{
    struct walk *walk = walk_of(all, symbol, sink);
    int64_t ts_ms = stored_key(sink, &walk->row);
    count(all, symbol, sink, ts_ms == walk->last_ms ? FINDING_DOUBLED : FINDING_NOT_RECOMPUTED, ts_ms);
    advance(all, symbol, sink);
}

static void compare(struct all *all, size_t symbol, enum stored_sink sink, const void *recomputed)
{
    struct walk *walk = walk_of(all, symbol, sink);
    int64_t ts_ms = stored_key(sink, recomputed);
    struct difference difference;
    if (!walk->used)
        return;
    while (!walk->at_end && stored_key(sink, &walk->row) < ts_ms)
        pass(all, symbol, sink);
    if (walk->at_end || stored_key(sink, &walk->row) > ts_ms) {
        bool is_ahead = walk->at_end && all->ledger.running;
        count(all, symbol, sink, is_ahead ? FINDING_NOT_YET : FINDING_NOT_STORED, ts_ms);
        return;
    }
    difference_of(stored_message(sink), recomputed, &walk->row, all->passed_over, &difference);
    bool told = all->said < SAID_MAX;
    count(all, symbol, sink, difference.count ? FINDING_DIFFERENT : FINDING_SAME, ts_ms);
    if (difference.count && told)
        say_fields(all, sink, recomputed, &walk->row);
    walk->last_ms = ts_ms;
    advance(all, symbol, sink);
}

static void visit(void *context, const struct chain_row *told)
{
    struct all *all = context;
    all->rows[told->service]++;
    if (all->companion)
        all->companion->row(all->companion->context, told);
    if (told->message->kind == ROW_SIGNAL) {
        compare(all, told->symbol, STORED_SQLITE, told->row);
        compare(all, told->symbol, STORED_JSONL, told->row);
    } else if (told->message->kind == ROW_ORDER) {
        compare(all, told->symbol, STORED_ORDERS, told->row);
    }
}

/* --- life --- */

static enum status open_walk(struct all *all, size_t symbol, enum stored_sink sink, struct error *error)
{
    struct walk *walk = walk_of(all, symbol, sink);
    const struct stored_range range = {.output_dir = config_text(all->recording.config, "run.output_dir"),
                                       .run_id = all->request->run_id,
                                       .symbol = chain_symbol(all->chain, symbol),
                                       .to_ms = INT64_MAX,
                                       .bad_orders = symbol == 0};
    walk->used = finding_sink_used(all->recording.config, sink);
    walk->at_end = true;
    walk->last_ms = INT64_MIN;
    if (!walk->used)
        return STATUS_OK;
    enum status status = stored_open(sink, &range, &walk->cursor, error);
    if (status == STATUS_OK)
        advance(all, symbol, sink);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status open_all(struct all *all, struct error *error)
{
    const struct request *request = all->request;
    enum status status = ledger_read(request_manifest(request), &all->ledger, error);
    if (status == STATUS_OK)
        status = request->file_count
                     ? recording_open_files(&all->recording, request->files, request->file_count, error)
                     : recording_open(&all->recording, request->raw_folders, request->raw_folder_count,
                                      request->run_id, error);
    if (status != STATUS_OK)
        return status;
    all->passed_over = strcmp(all->recording.run_id, request->run_id) == 0 ? NULL : "run_id";
    all->chain =
        chain_create(all->recording.config, all->recording.owners, all->recording.run_id, visit, all, error);
    if (!all->chain)
        return STATUS_INVALID;
    all->symbol_count = chain_symbol_count(all->chain);
    all->walks = memory_allocate(all->symbol_count * STORED_SINKS * sizeof *all->walks);
    for (size_t i = 0; status == STATUS_OK && i < all->symbol_count * STORED_SINKS; i++)
        status = open_walk(all, i / STORED_SINKS, (enum stored_sink)(i % STORED_SINKS), error);
    if (status == STATUS_OK && all->companion)
        status = all->companion->open(all->companion->context, request, &all->recording, all->chain,
                                      all->ledger.running, error);
    return status;
}

static void close_all(struct all *all)
{
    for (size_t i = 0; all->walks && i < all->symbol_count * STORED_SINKS; i++)
        stored_close(all->walks[i].cursor);
    free(all->walks);
    chain_destroy(all->chain);
    recording_close(&all->recording);
}

static enum status run_chain(struct all *all, struct error *error)
{
    struct capture_record record;
    enum status status;
    while ((status = recording_next(&all->recording, &record, error)) == STATUS_OK)
        chain_record(all->chain, &record);
    if (status != STATUS_END)
        return status;
    const char *path;
    uint64_t torn;
    if (all->ledger.finished && capture_chain_torn(all->recording.captures, &path, &torn))
        return error_set(error, STATUS_MALFORMED, "%s: its last record, at offset %" PRIu64 ", is damaged",
                         path, torn);
    if (!all->ledger.running)
        chain_end(all->chain);
    for (size_t i = 0; i < all->symbol_count * STORED_SINKS; i++)
        while (!all->walks[i].at_end)
            pass(all, i / STORED_SINKS, (enum stored_sink)(i % STORED_SINKS));
    if (all->failed.status != STATUS_OK)
        *error = all->failed.error;
    return all->failed.status;
}

/* --- the result --- */

/* strangers: rows the sink holds of this run, of symbols the run does not know. */
static int64_t strangers(struct all *all, enum stored_sink sink)
{
    int64_t stored = 0, read = 0;
    struct error error;
    for (size_t i = 0; i < all->symbol_count; i++)
        read += walk_of(all, i, sink)->read -
                (sink == STORED_ORDERS ? walk_of(all, i, sink)->counts[FINDING_UNREADABLE] : 0);
    if (all->request->part || all->ledger.running || !walk_of(all, 0, sink)->cursor ||
        stored_count(sink, config_text(all->recording.config, "run.output_dir"), all->request->run_id,
                     &stored, &error) != STATUS_OK)
        return 0;
    if (stored > read)
        fprintf(stderr, "%s: %" PRId64 " %s of no symbol of it\n", STORED_SINK_NAMES[sink], stored - read,
                plural(stored - read, "row of this run is", "rows of this run are"));
    return stored - read;
}

struct sums {
    int64_t same, bad, not_yet;
};

static struct sums sum_of(const struct walk *walk)
{
    struct sums sums = {.same = walk->counts[FINDING_SAME], .not_yet = walk->counts[FINDING_NOT_YET]};
    for (int i = FINDING_DIFFERENT; i < FINDING_COUNT; i++)
        sums.bad += walk->counts[i];
    return sums;
}

static void print_text(const struct all *all, const struct sums *total)
{
    printf("%-12s %-8s %10s %10s %10s %14s %8s %10s %8s\n", "symbol", "sink", "same", "different",
           "not_stored", "not_recomputed", "doubled", "unreadable", "not_yet");
    for (size_t i = 0; i < all->symbol_count * STORED_SINKS; i++) {
        const struct walk *walk = &all->walks[i];
        if (!walk->used)
            continue;
        printf("%-12s %-8s %10" PRId64 " %10" PRId64 " %10" PRId64 " %14" PRId64 " %8" PRId64 " %10" PRId64
               " %8" PRId64 "\n",
               chain_symbol(all->chain, i / STORED_SINKS), STORED_SINK_NAMES[i % STORED_SINKS],
               walk->counts[FINDING_SAME], walk->counts[FINDING_DIFFERENT], walk->counts[FINDING_NOT_STORED],
               walk->counts[FINDING_NOT_RECOMPUTED], walk->counts[FINDING_DOUBLED],
               walk->counts[FINDING_UNREADABLE], walk->counts[FINDING_NOT_YET]);
    }
    size_t files = capture_chain_file_count(all->recording.captures);
    printf("run %s: %" PRIu64 " %s in %zu %s; recomputed rows: harvest %" PRId64 ", features %" PRId64
           ", signal %" PRId64 ", broker %" PRId64 "\n",
           all->request->run_id, all->recording.records,
           plural((int64_t)all->recording.records, "record", "records"), files,
           plural((int64_t)files, "file", "files"), all->rows[CHAIN_HARVEST], all->rows[CHAIN_FEATURES],
           all->rows[CHAIN_SIGNAL], all->rows[CHAIN_BROKER]);
    int64_t stored = total->same + total->bad;
    printf("verdict: %s: %" PRId64 " of %" PRId64 " (%.2f %%) bit-equal%s\n",
           total->bad    ? "DIFFERENT"
           : total->same ? "same bits"
                         : "UNKNOWN, nothing was compared",
           total->same, stored, stored ? 100.0 * (double)total->same / (double)stored : 0.0,
           all->ledger.running ? "; the run has not been concluded" : "");
}

static void print_json(const struct all *all, const struct sums *total)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "run_id", all->request->run_id);
    json_key_text(&json, "verdict", total->bad ? "different" : total->same ? "same" : "unknown");
    json_key_i64(&json, "same", total->same);
    json_key_i64(&json, "bad", total->bad);
    json_key_i64(&json, "records", (int64_t)all->recording.records);
    json_key_i64(&json, "files", (int64_t)capture_chain_file_count(all->recording.captures));
    json_key(&json, "sinks");
    json_array_begin(&json);
    for (size_t i = 0; i < all->symbol_count * STORED_SINKS; i++) {
        if (!all->walks[i].used)
            continue;
        json_object_begin(&json);
        json_key_text(&json, "symbol", chain_symbol(all->chain, i / STORED_SINKS));
        json_key_text(&json, "sink", STORED_SINK_NAMES[i % STORED_SINKS]);
        for (int finding = FINDING_SAME; finding < FINDING_COUNT; finding++)
            json_key_i64(&json, FINDING_NAMES[finding], all->walks[i].counts[finding]);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static int conclude(struct all *all)
{
    struct sums total = {0};
    for (size_t i = 0; i < all->symbol_count * STORED_SINKS; i++) {
        struct sums sums = sum_of(&all->walks[i]);
        total.same += sums.same;
        total.bad += sums.bad;
        total.not_yet += sums.not_yet;
    }
    for (enum stored_sink sink = 0; sink < STORED_SINKS; sink++)
        total.bad += strangers(all, sink);
    if (all->said > SAID_MAX)
        fprintf(stderr, "… and %" PRId64 " more\n", all->said - SAID_MAX);
    (all->request->json ? print_json : print_text)(all, &total);
    if (!all->ledger.finished && !all->ledger.running)
        fprintf(stderr,
                "note: the run did not end in good order; its sinks may lack rows that its journals hold\n");
    return total.bad == 0 && total.same > 0 ? EXIT_SAME : EXIT_DIFFERENT;
}

int why_all(const struct request *request, const struct companion *companion)
{
    struct all all = {.request = request, .companion = companion};
    struct error error;
    enum status status = open_all(&all, &error);
    if (status == STATUS_OK)
        status = run_chain(&all, &error);
    int code = status == STATUS_OK ? conclude(&all) : complain(code_of(status), "%s", error.text);
    if (status == STATUS_OK && companion) {
        int other = companion->conclude(companion->context);
        code = code == EXIT_SAME ? other : code;
    }
    close_all(&all);
    return code;
}
