/* sink_driver: a journal full of signal rows, and what the stage's sink thread does with it, in one process
 * that a test can make die at a crash point. */
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "journal/journal.h"
#include "proto/control.h"
#include "proto/signal.h"
#include "stage/sink.h"
#include "tests/support/check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DRIVER_ROWS = 400, DRIVER_STREAMS = 2, DRIVER_STEP_MS = 700 };

static const char DRIVER_RUN[] = "run-1";
static const char *const DRIVER_SYMBOLS[DRIVER_STREAMS] = {"BTCUSDT", "ETHUSDT"};
static const char *const DRIVER_NAMES[DRIVER_STREAMS] = {"signal/BTCUSDT", "signal/ETHUSDT"};
static const int64_t DRIVER_BEGIN_MS = 1723161255030; /* in the middle of a minute */

/* driver_row: the i-th signal of a symbol. */
static inline struct signal_row driver_row(size_t symbol, size_t i)
{
    struct signal_row row;
    message_clear(&signal_message, &row);
    snprintf(row.run_id, sizeof row.run_id, "%s", DRIVER_RUN);
    snprintf(row.symbol, sizeof row.symbol, "%s", DRIVER_SYMBOLS[symbol]);
    row.seq = (int64_t)i + 1;
    row.ts_ms = DRIVER_BEGIN_MS + (int64_t)i * DRIVER_STEP_MS;
    row.score = i % 7 == 0 ? -0.0 : (double)i / 3 - 60;
    row.z_ofi = i % 5 ? (double)i * 1e-3 : FIELD_NULL_F64;
    row.consistency = 0.1;
    row.regime = (int8_t)(i % 3);
    row.signal_type = SIGNAL_NEUTRAL;
    snprintf(row.guard_reason, sizeof row.guard_reason, "%s", i % 4 ? "warmup,spread" : "");
    time_iso_ms(row.ts_ms, row.created_at);
    row.schema_version = 1;
    row.source = (int64_t)i * 10;
    return row;
}

static inline struct journal *driver_open(const char *folder)
{
    char path[PATH_BYTES];
    struct journal *journal;
    enum journal_beginning beginning;
    struct error error = {{0}};
    path_join(path, folder, "journal");
    struct journal_config config = {
        .folder = path, .run_id = DRIVER_RUN, .config_fingerprint = "f", .max_bytes = (size_t)64 << 20};
    if (journal_open(&config, &journal, &beginning, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return journal;
}

/* driver_append: signal rows `from`…`to`-1 of a stream, and its end if wanted, in chunks of 37. */
static inline void driver_append(struct journal *journal, size_t symbol, size_t from, size_t to, bool end)
{
    struct buffer rows;
    size_t stream = journal_stream(journal, DRIVER_NAMES[symbol]);
    buffer_init(&rows, 0);
    assert_ok(journal_begin(journal, NULL));
    for (size_t i = from; i < to;) {
        size_t first = i;
        buffer_clear(&rows);
        for (; i < to && i < first + 37; i++) {
            struct signal_row row = driver_row(symbol, i);
            row_encode(&rows, &signal_message, signal_message.field_count, &row);
        }
        journal_append(journal, stream, (int64_t)first + 1, i - first, rows.data, rows.length);
    }
    if (end) {
        struct control_row control = {.ts_ms = DRIVER_BEGIN_MS, .action = CONTROL_END_OF_STREAM};
        buffer_clear(&rows);
        row_encode(&rows, &control_message, control_message.field_count, &control);
        journal_append(journal, stream, (int64_t)to + 1, 1, rows.data, rows.length);
    }
    assert_ok(journal_commit(journal, NULL));
    buffer_finish(&rows);
}

static inline void driver_fill(const char *folder, bool end)
{
    struct journal *journal = driver_open(folder);
    for (size_t i = 0; i < DRIVER_STREAMS; i++)
        driver_append(journal, i, 0, DRIVER_ROWS, end);
    journal_close(journal);
}

/* driver_start: what the sink thread does first, where no stream came from another instance. */
static inline enum status driver_start(struct sink *sink, struct journal *journal, struct error *error)
{
    enum status status = sink->open(sink->context, journal, error);
    return status == STATUS_OK && sink->resume ? sink->resume(sink->context, error) : status;
}

/* driver_batch: what the sink thread does once: at most `rows_max` rows of every stream. *out_left: more wait. */
static inline enum status driver_batch(struct sink *sink, struct journal *journal, size_t rows_max,
                                       bool *out_left, struct error *error)
{
    struct buffer rows;
    enum status status = sink->begin(sink->context, error);
    buffer_init(&rows, 0);
    *out_left = false;
    for (size_t i = 0; status == STATUS_OK && i < DRIVER_STREAMS; i++) {
        size_t stream = journal_stream(journal, DRIVER_NAMES[i]), count;
        int64_t from = sink->position(sink->context, DRIVER_NAMES[i]) + 1;
        buffer_clear(&rows);
        status = journal_read(journal, stream, from, 1 << 20, rows_max, &rows, &count, error);
        struct sink_rows piece = {.stream = DRIVER_NAMES[i],
                                  .symbol = DRIVER_SYMBOLS[i],
                                  .first_sequence = from,
                                  .row_count = count,
                                  .data = rows.data,
                                  .bytes = rows.length};
        if (status == STATUS_OK && count)
            status = sink->write(sink->context, &piece, error);
        *out_left |= from + (int64_t)count <= journal_last(journal, stream);
    }
    if (status == STATUS_OK)
        status = sink->commit(sink->context, error);
    if (status != STATUS_OK) {
        sink->rollback(sink->context);
        *out_left = true;
    }
    buffer_finish(&rows);
    return status;
}

/* driver_run: a whole life: open, batches until nothing waits, close. */
static inline void driver_run(struct sink *sink, const char *folder, size_t rows_max)
{
    struct journal *journal = driver_open(folder);
    struct error error = {{0}};
    bool left = true;
    if (driver_start(sink, journal, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    while (left)
        if (driver_batch(sink, journal, rows_max, &left, &error) != STATUS_OK)
            fail_msg("%s", error.text);
    sink->close(sink->context);
    journal_close(journal);
}

/* driver_life: `run` in a process of its own, which dies at that crash point (NULL: none). True: it was killed. */
typedef void driver_body(const char *folder);
static inline bool driver_life(driver_body *run, const char *folder, const char *crash_point)
{
    bool was_killed;
    if (check_begin_life(&was_killed)) {
        if (crash_point)
            setenv("ORDERFLOW_CRASH_POINT", crash_point, 1);
        run(folder);
        _exit(0);
    }
    return was_killed;
}

/* driver_kill_everywhere: for n = 1, 2, … a run that dies at the n-th passing and is then finished by a second
 * life, until there is no n-th passing. `check` looks at the result each time. Returns how many deaths there
 * were. */
static inline int driver_kill_everywhere(driver_body *run, const char *crash_point, driver_body *check)
{
    for (int n = 1;; n++) {
        char folder[PATH_BYTES], point[64];
        check_folder(folder);
        snprintf(point, sizeof point, "%s:%d", crash_point, n);
        driver_fill(folder, true);
        bool killed = driver_life(run, folder, point);
        if (killed)
            assert_false(driver_life(run, folder, NULL));
        check(folder);
        check_folder_remove(folder);
        if (!killed)
            return n - 1;
    }
}

/* driver_kill_again_and_again: every life dies at its second passing, until one has none. */
static inline int driver_kill_again_and_again(driver_body *run, const char *crash_point, driver_body *check)
{
    char folder[PATH_BYTES], point[64];
    int deaths = 0;
    check_folder(folder);
    snprintf(point, sizeof point, "%s:2", crash_point);
    driver_fill(folder, true);
    while (driver_life(run, folder, point))
        deaths++;
    check(folder);
    check_folder_remove(folder);
    return deaths;
}

/* driver_limit_files: no file of this process may grow beyond so many bytes (a full disk); 0: no limit. */
static inline void driver_limit_files(size_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* driver_append_lines: the JSON lines of signals `from`…`to`-1 of a symbol. */
static inline void driver_append_lines(struct buffer *out, size_t symbol, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct signal_row row = driver_row(symbol, i);
        struct json json;
        json_init(&json, out);
        message_json(&json, &signal_message, signal_message.field_count, &row, false);
        buffer_append_byte(out, '\n');
    }
}
