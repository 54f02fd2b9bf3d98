/* hand_over_place: two stages with real journals and a real bus in one process; the test is their loop, so that it chooses between which two
 * commits something happens. */
#pragma once

#include "tests/support/check.h"

#include "base/log.h"
#include "base/memory.h"
#include "proto/cvd.h"
#include "stage/stage_private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { AAA, BBB, SYMBOLS };
enum { PATIENCE_MS = 60000, MOVE_VERSION = 2, ROWS_PER_COMMIT = 100, COMMITS = 10, COMMITS_MAX = 2000 };

static const char *const SYMBOL_NAMES[SYMBOLS] = {"AAA", "BBB"};

/* --- the service: numbers every row of a symbol; the newest numbers are a table --- */

enum { KEPT = 4096, KEPT_PAGES = 9 };

struct numbers {
    struct stage *stage;
    int64_t last[SYMBOLS];
    int64_t kept[SYMBOLS][KEPT]; /* number n at n % KEPT */
    int loads;                   /* of symbols */
};

static inline enum status numbers_open(struct stage *stage, void **out_service, struct error *error)
{
    struct numbers *numbers = memory_allocate(sizeof *numbers);
    (void)error;
    *numbers = (struct numbers){.stage = stage};
    *out_service = numbers;
    return STATUS_OK;
}

static inline void numbers_save(void *service, size_t symbol, struct buffer *out)
{
    buffer_append_i64(out, ((struct numbers *)service)->last[symbol]);
}

static inline void *numbers_table(void *service, size_t symbol, size_t *out_bytes)
{
    struct numbers *numbers = service;
    *out_bytes = sizeof numbers->kept[symbol];
    return numbers->kept[symbol];
}

/* The table must be of the same moment as the rest of the state: no older, and not ahead of it. */
static inline bool table_agrees(const struct numbers *numbers, size_t symbol)
{
    int64_t last = numbers->last[symbol];
    for (int64_t slot = 0; slot < KEPT; slot++) {
        int64_t newest = last - (last - slot) % KEPT;
        if (numbers->kept[symbol][slot] != (slot > last ? 0 : newest))
            return false;
    }
    return true;
}

static inline enum status numbers_load(void *service, size_t symbol, struct reader *in)
{
    struct numbers *numbers = service;
    numbers->last[symbol] = reader_i64(in);
    numbers->loads++;
    return in->failed || !table_agrees(numbers, symbol) ? STATUS_MALFORMED : STATUS_OK;
}

static const struct stage_service SERVICE = {
    .name = "numbers",
    .summary = "Numbers rows, for tests.",
    .publishes = true,
    .open = numbers_open,
    .close = free,
    .symbol_save = numbers_save,
    .symbol_load = numbers_load,
    .symbol_table = numbers_table,
};

/* emit: rows that are a function of their number alone. */
static inline void emit(struct stage *stage, size_t symbol, int count)
{
    struct numbers *numbers = stage->state;
    for (; count; count--) {
        struct cvd_row row;
        message_clear(&cvd_message, &row);
        row.ts_ms = 1700000000000 + ++numbers->last[symbol];
        numbers->kept[symbol][numbers->last[symbol] % KEPT] = numbers->last[symbol];
        row.source = row.agg_trade_id = numbers->last[symbol];
        row.cvd = (double)numbers->last[symbol] / 7;
        stage_emit(stage, symbol, &cvd_message, &row);
    }
}

/* --- the place --- */

struct place {
    char folder[PATH_BYTES], plan[PATH_BYTES];
    char settings[5][PATH_BYTES + 32];
    struct clock_manual time;
};

/* place_plan: the plan of a version; all symbols are the first instance's but those that have moved. */
static inline void place_plan(const struct place *place, int64_t version, size_t moved)
{
    struct plan *plan = plan_create("run-1", SYMBOL_NAMES, SYMBOLS);
    struct plan_service *service = plan_add(plan, SERVICE.name, 2);
    memset(service->owners, 0, sizeof service->owners);
    if (moved < SYMBOLS)
        service->owners[moved] = 1;
    plan->version = version;
    assert_ok(plan_write(plan, place->plan, false, NULL));
    plan_destroy(plan);
}

static inline void place_begin(struct place *place)
{
    *place = (struct place){.time = {.wall_ns = 1723161255030314667, .monotonic_ns = 5000000000}};
    check_folder(place->folder);
    path_join(place->plan, place->folder, "plan.json");
    place_plan(place, MOVE_VERSION - 1, SYMBOLS);
    snprintf(place->settings[0], sizeof place->settings[0], "run.state_dir=%s/state", place->folder);
    snprintf(place->settings[1], sizeof place->settings[1], "run.output_dir=%s/artifacts", place->folder);
    snprintf(place->settings[2], sizeof place->settings[2], "bus.dir=%s/bus", place->folder);
    snprintf(place->settings[3], sizeof place->settings[3], "journal.max_mb=1");
    snprintf(place->settings[4], sizeof place->settings[4], "harvest.on_full=wait");
}

static inline void place_end(struct place *place)
{
    check_folder_remove(place->folder);
}

/* life_try: a stage as stage_main begins one. */
static inline enum status life_try(struct place *place, const char *instance, struct stage **out_stage,
                                   struct error *error)
{
    struct stage *stage = memory_allocate(sizeof *stage);
    char *arguments[] = {"numbers",
                         "--run-id",
                         "run-1",
                         "--symbols",
                         "AAA,BBB",
                         "--plan",
                         place->plan,
                         "--instance",
                         (char *)(uintptr_t)instance,
                         "--set",
                         place->settings[0],
                         "--set",
                         place->settings[1],
                         "--set",
                         place->settings[2],
                         "--set",
                         place->settings[3],
                         "--set",
                         place->settings[4],
                         NULL};
    bool done;
    *stage = (struct stage){.service = &SERVICE,
                            .clock = clock_from_manual(&place->time),
                            .injuries = injury_table_create(),
                            .wake_descriptor = -1,
                            .signal_descriptor = -1,
                            .ready_descriptor = -1};
    *out_stage = stage;
    enum status status =
        stage_options_parse(stage, sizeof arguments / sizeof arguments[0] - 1, arguments, &done, error);
    if (status == STATUS_OK)
        status = stage_config_load(stage, error);
    return status == STATUS_OK ? stage_open(stage, error) : status;
}

static inline struct stage *life(struct place *place, const char *instance)
{
    struct stage *stage;
    struct error error = {{0}};
    if (life_try(place, instance, &stage, &error) != STATUS_OK)
        fail_msg("%s cannot be opened: %s (folder %s)", instance, error.text, place->folder);
    return stage;
}

/* death: what is not in the journal is gone. */
static inline void death(struct stage *stage)
{
    if (stage->signal_descriptor >= 0)
        close(stage->signal_descriptor);
    if (stage->wake_descriptor >= 0)
        close(stage->wake_descriptor);
    stage_close(stage);
    free(stage);
}

static inline void step(struct stage *stage)
{
    stage_step(stage);
    assert_int_equal(stage->exit_code, EXIT_CLEAN);
}

/* disk_takes: what the operating system says to every write of this process from now on (EFBIG, or nothing). */
static inline void disk_takes(bool takes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = takes ? limit.rlim_max : 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* step_refused: a step whose commit the disk does not take. */
static inline void step_refused(struct stage *stage)
{
    int64_t failures = stage->counts.commit_failures;
    disk_takes(false);
    stage_step(stage);
    disk_takes(true);
    assert_int_equal(stage->exit_code, EXIT_CLEAN);
    assert_int_equal(stage->counts.commit_failures, failures + 1);
    assert_true(stage->unwritten);
}

static inline void wait_for_retry(struct place *place)
{
    clock_manual_advance(&place->time, (int64_t)STAGE_COMMIT_RETRY_MS * 1000000);
}

/* --- moves --- */

static inline struct plan_move move_of(size_t symbol)
{
    struct plan_move move = {
        .service = "numbers", .from = "numbers", .to = "numbers.2", .version = MOVE_VERSION};
    snprintf(move.symbol, sizeof move.symbol, "%s", SYMBOL_NAMES[symbol]);
    return move;
}

static inline void order_release(struct stage *stage, size_t symbol)
{
    struct plan_move move = move_of(symbol);
    assert_ok(stage_release(stage, &move, NULL));
}

static inline void order_acquire(struct stage *stage, size_t symbol)
{
    struct plan_move move = move_of(symbol);
    assert_ok(stage_acquire(stage, &move, NULL));
}

static int64_t now_ms(void)
{
    struct clock clock = clock_system();
    return clock_monotonic_ms(&clock);
}

/* await_package: steps both until the whole package is at its new owner; his next step is the commit. */
static inline void await_package(struct place *place, struct stage *from, struct stage *to, size_t symbol)
{
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !to->hand_overs[symbol].arriving.complete;) {
        if (now_ms() > until_ms)
            fail_msg("the package of %s never came (folder %s)", SYMBOL_NAMES[symbol], place->folder);
        clock_manual_advance(&place->time, 5000000);
        stage_inputs_poll(from, 1);
        step(from);
        stage_inputs_poll(to, 1);
        if (!to->hand_overs[symbol].arriving.complete)
            step(to);
    }
}

static inline void fetch(struct place *place, struct stage *from, struct stage *to, size_t symbol)
{
    order_acquire(to, symbol);
    await_package(place, from, to, symbol);
}

/* hold: a reader says that it has a symbol's rows up to there. */
static inline void hold(struct stage *stage, size_t symbol, int64_t sequence)
{
    struct register_row entry = {.consumer = "reader", .durable_sequence = sequence};
    snprintf(entry.stream, sizeof entry.stream, "%s", stage->outputs[symbol].stream);
    stage_consumer_note(stage, &entry);
    assert_int_equal(stage->counts.malformed_requests, 0);
}

/* expect_rows: the journal holds rows 1 … last of a symbol, each as it was made. */
static inline void expect_rows(struct stage *stage, size_t symbol, int64_t last)
{
    size_t stream = stage->outputs[symbol].journal_stream, count = 1, offset;
    struct buffer rows;
    struct row_view view;
    struct cvd_row row;
    int64_t next = 1;
    buffer_init(&rows, 0);
    while (count) {
        buffer_clear(&rows);
        assert_ok(journal_read(stage->journal, stream, next, 1 << 20, SIZE_MAX, &rows, &count, NULL));
        for (offset = 0; offset < rows.length; next++) {
            assert_ok(rows_next(rows.data, rows.length, &offset, &view));
            assert_ok(row_decode(&view, &cvd_message, &row, NULL));
            assert_int_equal(row.agg_trade_id, next);
            assert_true(row.cvd == (double)next / 7);
        }
    }
    assert_int_equal(next - 1, last);
    buffer_finish(&rows);
}

/* pair: an instance with ten rows that a reader has not got yet, and another one. */
static inline void pair(struct place *place, struct stage **out_one, struct stage **out_other)
{
    place_begin(place);
    *out_one = life(place, "numbers");
    *out_other = life(place, "numbers.2");
    hold(*out_one, AAA, 0);
    emit(*out_one, AAA, 10);
    step(*out_one);
}

/* pair_end: both die, and nothing is left. */
static inline void pair_end(struct place *place, struct stage *one, struct stage *other)
{
    death(one);
    death(other);
    place_end(place);
}

/* carry: one move from its order to the new owner's commit. */
static inline void carry(struct place *place, struct stage *from, struct stage *to, size_t symbol,
                         int64_t version)
{
    struct plan_move move = move_of(symbol);
    move.version = version;
    snprintf(move.from, sizeof move.from, "%s", from->instance);
    snprintf(move.to, sizeof move.to, "%s", to->instance);
    assert_ok(stage_release(from, &move, NULL));
    step(from);
    assert_false(stage_owns(from, symbol));
    assert_ok(stage_acquire(to, &move, NULL));
    await_package(place, from, to, symbol);
    step(to);
    assert_true(stage_owns(to, symbol));
}
