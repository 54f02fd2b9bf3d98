// links: stage journal bus injury config proto base
// timeout: 120
/* A hand-over on a disk that now and then takes nothing, in a journal that is short of room. Two stages with real journals and a real
 * bus in one process; the test is their loop, so that it chooses between which two commits something happens. */
#include "tests/support/check.h"

#include "base/memory.h"
#include "proto/cvd.h"
#include "stage/stage_private.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { AAA, BBB, SYMBOLS };
enum { MOVE_VERSION = 2 };

static const char *const SYMBOL_NAMES[SYMBOLS] = {"AAA", "BBB"};

/* --- the service: numbers every row of a symbol --- */

struct numbers {
    struct stage *stage;
    int64_t last[SYMBOLS];
    int loads; /* of symbols */
};

static enum status numbers_open(struct stage *stage, void **out_service, struct error *error)
{
    struct numbers *numbers = memory_allocate(sizeof *numbers);
    (void)error;
    *numbers = (struct numbers){.stage = stage};
    *out_service = numbers;
    return STATUS_OK;
}

static void numbers_save(void *service, size_t symbol, struct buffer *out)
{
    buffer_append_i64(out, ((struct numbers *)service)->last[symbol]);
}

static enum status numbers_load(void *service, size_t symbol, struct reader *in)
{
    struct numbers *numbers = service;
    numbers->last[symbol] = reader_i64(in);
    numbers->loads++;
    return in->failed ? STATUS_MALFORMED : STATUS_OK;
}

static const struct stage_service SERVICE = {
    .name = "numbers",
    .summary = "Numbers rows, for tests.",
    .publishes = true,
    .open = numbers_open,
    .close = free,
    .symbol_save = numbers_save,
    .symbol_load = numbers_load,
};

/* emit: rows that are a function of their number alone. */
static void emit(struct stage *stage, size_t symbol, int count)
{
    struct numbers *numbers = stage->state;
    for (; count; count--) {
        struct cvd_row row;
        message_clear(&cvd_message, &row);
        row.ts_ms = 1700000000000 + ++numbers->last[symbol];
        row.source = row.agg_trade_id = numbers->last[symbol];
        row.cvd = (double)numbers->last[symbol] / 7;
        stage_emit(stage, symbol, &cvd_message, &row);
    }
}

/* --- the place --- */

struct place {
    char folder[PATH_BYTES], plan[PATH_BYTES];
    char settings[4][PATH_BYTES + 32];
    struct clock_manual time;
};

static void place_begin(struct place *place)
{
    struct plan *plan = plan_create("run-1", SYMBOL_NAMES, SYMBOLS);
    struct plan_service *service = plan_add(plan, SERVICE.name, 2);
    *place = (struct place){.time = {.wall_ns = 1723161255030314667, .monotonic_ns = 5000000000}};
    check_folder(place->folder);
    memset(service->owners, 0, sizeof service->owners); /* all are the first instance's */
    plan->version = MOVE_VERSION - 1;
    path_join(place->plan, place->folder, "plan.json");
    assert_ok(plan_write(plan, place->plan, false, NULL));
    plan_destroy(plan);
    snprintf(place->settings[0], sizeof place->settings[0], "run.state_dir=%s/state", place->folder);
    snprintf(place->settings[1], sizeof place->settings[1], "run.output_dir=%s/artifacts", place->folder);
    snprintf(place->settings[2], sizeof place->settings[2], "bus.dir=%s/bus", place->folder);
    snprintf(place->settings[3], sizeof place->settings[3], "journal.max_mb=1");
}

static void place_end(struct place *place)
{
    check_folder_remove(place->folder);
}

/* life_try: a stage as stage_main begins one. */
static enum status life_try(struct place *place, const char *instance, struct stage **out_stage,
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

static struct stage *life(struct place *place, const char *instance)
{
    struct stage *stage;
    struct error error = {{0}};
    if (life_try(place, instance, &stage, &error) != STATUS_OK)
        fail_msg("%s cannot be opened: %s (folder %s)", instance, error.text, place->folder);
    return stage;
}

/* death: what is not in the journal is gone. */
static void death(struct stage *stage)
{
    if (stage->signal_descriptor >= 0)
        close(stage->signal_descriptor);
    if (stage->wake_descriptor >= 0)
        close(stage->wake_descriptor);
    stage_close(stage);
    free(stage);
}

static void step(struct stage *stage)
{
    stage_step(stage);
    assert_int_equal(stage->exit_code, EXIT_CLEAN);
}

/* disk_takes: what the operating system says to every write of this process from now on (EFBIG, or nothing). */
static void disk_takes(bool takes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = takes ? limit.rlim_max : 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* step_refused: a step whose commit the disk does not take. */
static void step_refused(struct stage *stage)
{
    int64_t failures = stage->counts.commit_failures;
    disk_takes(false);
    stage_step(stage);
    disk_takes(true);
    assert_int_equal(stage->exit_code, EXIT_CLEAN);
    assert_int_equal(stage->counts.commit_failures, failures + 1);
    assert_true(stage->unwritten);
}

static void wait_for_retry(struct place *place)
{
    clock_manual_advance(&place->time, (int64_t)STAGE_COMMIT_RETRY_MS * 1000000);
}

/* --- moves --- */

static struct plan_move move_of(size_t symbol)
{
    struct plan_move move = {
        .service = "numbers", .from = "numbers", .to = "numbers.2", .version = MOVE_VERSION};
    snprintf(move.symbol, sizeof move.symbol, "%s", SYMBOL_NAMES[symbol]);
    return move;
}

static void order_release(struct stage *stage, size_t symbol)
{
    struct plan_move move = move_of(symbol);
    assert_ok(stage_release(stage, &move, NULL));
}

/* expect_rows: the journal holds rows 1 … last of a symbol, each as it was made. */
static void expect_rows(struct stage *stage, size_t symbol, int64_t last)
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

/* --- a disk that takes nothing --- */

static void a_hand_over_waits_for_rows_that_the_disk_has_not_taken(void **state)
{
    (void)state;
    struct place place;
    place_begin(&place);
    struct stage *stage = life(&place, "numbers");
    emit(stage, AAA, 10);
    emit(stage, BBB, 10);
    step(stage);
    emit(stage, BBB, 5);
    step_refused(stage);
    order_release(stage, AAA);
    step(stage); /* the disk takes everything again, but it is not yet time for the next try */
    death(stage);

    stage = life(&place, "numbers");
    assert_true(stage_owns(stage, AAA)); /* nobody has given it up */
    emit(stage, BBB, 5);                 /* the rows that were lost come out again */
    step(stage);
    expect_rows(stage, BBB, 15);
    emit(stage, BBB, 5);
    step_refused(stage);
    order_release(stage, AAA);
    wait_for_retry(&place);
    step(stage);
    assert_false(stage_owns(stage, AAA));
    death(stage);

    stage = life(&place, "numbers");
    assert_false(stage_owns(stage, AAA));
    expect_rows(stage, AAA, 10);
    expect_rows(stage, BBB, 20);
    death(stage);
    place_end(&place);
}

static void a_state_ahead_of_its_journal_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct place place;
    struct error error = {{0}};
    place_begin(&place);
    struct stage *stage = life(&place, "numbers");
    emit(stage, BBB, 10);
    step(stage);
    emit(stage, BBB, 5);
    assert_ok(journal_begin(stage->journal, NULL));
    stage_state_put(stage);
    assert_ok(journal_commit(stage->journal, NULL));
    death(stage);
    assert_int_equal(life_try(&place, "numbers", &stage, &error), STATUS_MALFORMED);
    assert_string_equal(error.text, "the saved state of numbers is at row 15 of numbers/BBB, but its journal "
                                    "ends at 10; remove its journal to begin anew");
    death(stage);
    place_end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_over_waits_for_rows_that_the_disk_has_not_taken),
        cmocka_unit_test(a_state_ahead_of_its_journal_is_refused_with_a_sentence),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
