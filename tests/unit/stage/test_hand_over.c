// links: stage journal bus injury config proto base
// timeout: 300
/* A hand-over on a disk that now and then takes nothing, in a journal that is short of room. Two stages with real journals and a real
 * bus in one process; the test is their loop, so that it chooses between which two commits something happens. */
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
enum { PATIENCE_MS = 10000, MOVE_VERSION = 2, ROWS_PER_COMMIT = 100, COMMITS = 10, COMMITS_MAX = 2000 };

static const char *const SYMBOL_NAMES[SYMBOLS] = {"AAA", "BBB"};

/* --- the service: numbers every row of a symbol; the newest numbers are a table --- */

enum { KEPT = 4096, KEPT_PAGES = 9 };

struct numbers {
    struct stage *stage;
    int64_t last[SYMBOLS];
    int64_t kept[SYMBOLS][KEPT]; /* number n at n % KEPT */
    int loads;                   /* of symbols */
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

static void *numbers_table(void *service, size_t symbol, size_t *out_bytes)
{
    struct numbers *numbers = service;
    *out_bytes = sizeof numbers->kept[symbol];
    return numbers->kept[symbol];
}

/* The table must be of the same moment as the rest of the state: no older, and not ahead of it. */
static bool table_agrees(const struct numbers *numbers, size_t symbol)
{
    int64_t last = numbers->last[symbol];
    for (int64_t slot = 0; slot < KEPT; slot++) {
        int64_t newest = last - (last - slot) % KEPT;
        if (numbers->kept[symbol][slot] != (slot > last ? 0 : newest))
            return false;
    }
    return true;
}

static enum status numbers_load(void *service, size_t symbol, struct reader *in)
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
static void emit(struct stage *stage, size_t symbol, int count)
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
static void place_plan(const struct place *place, int64_t version, size_t moved)
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

static void place_begin(struct place *place)
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

static void order_acquire(struct stage *stage, size_t symbol)
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
static void await_package(struct place *place, struct stage *from, struct stage *to, size_t symbol)
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

static void fetch(struct place *place, struct stage *from, struct stage *to, size_t symbol)
{
    order_acquire(to, symbol);
    await_package(place, from, to, symbol);
}

/* hold: a reader says that it has a symbol's rows up to there. */
static void hold(struct stage *stage, size_t symbol, int64_t sequence)
{
    struct register_row entry = {.consumer = "reader", .durable_sequence = sequence};
    snprintf(entry.stream, sizeof entry.stream, "%s", stage->outputs[symbol].stream);
    stage_consumer_note(stage, &entry);
    assert_int_equal(stage->counts.malformed_requests, 0);
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

static int64_t table_pages_of_a_step(struct place *place, struct stage *stage)
{
    int64_t before = stage->counts.table_pages;
    clock_manual_advance(&place->time, INT64_C(1000000000)); /* journal.state_interval_ms: a state is due */
    step(stage);
    return stage->counts.table_pages - before;
}

static void only_pages_of_a_table_that_changed_are_written(void **state)
{
    (void)state;
    struct place place;
    place_begin(&place);
    struct stage *stage = life(&place, "numbers");
    emit(stage, AAA, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), SYMBOLS * KEPT_PAGES); /* the first ones */
    emit(stage, AAA, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), 1);
    emit(stage, AAA, 600);
    emit(stage, BBB, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), 3);
    emit(stage, BBB, 1);
    clock_manual_advance(&place.time, INT64_C(1000000000));
    step_refused(stage);
    wait_for_retry(&place);
    assert_int_equal(table_pages_of_a_step(&place, stage), 1); /* what the disk refused comes again */
    death(stage);

    stage = life(&place, "numbers"); /* numbers_load compares the whole table */
    assert_int_equal(((struct numbers *)stage->state)->loads, SYMBOLS);
    assert_int_equal(((struct numbers *)stage->state)->last[AAA], 602);
    emit(stage, AAA, 1);
    assert_int_equal(table_pages_of_a_step(&place, stage), 1); /* what was read is known to be there */
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

/* hand_over_refused: the stage's own commit is taken, that of the hand-over behind it is not. */
static void hand_over_refused(struct stage *stage)
{
    struct error error = {{0}};
    int64_t failures = stage->counts.commit_failures;
    assert_ok(stage_commit(stage, true, &error));
    disk_takes(false);
    enum status status = stage_hand_over_turn(stage, &error);
    disk_takes(true);
    assert_ok(status);
    assert_int_equal(stage->counts.commit_failures, failures + 1);
    assert_true(stage->unwritten);
}

/* move_through_refusals: until the symbol has changed hands; each commit of the hand-over is refused so many times before. */
static void move_through_refusals(struct place *place, struct stage *from, struct stage *to, size_t symbol,
                                  int refusals)
{
    order_release(from, symbol);
    for (int i = 0; i < refusals; i++) {
        hand_over_refused(from);
        assert_true(stage_owns(from, symbol));
        step(from); /* not yet time */
        assert_true(stage_owns(from, symbol));
        wait_for_retry(place);
    }
    step(from);
    assert_false(stage_owns(from, symbol));
    fetch(place, from, to, symbol);
    for (int i = 0; i < refusals; i++) {
        hand_over_refused(to);
        assert_false(stage_owns(to, symbol));
        step(to);
        assert_false(stage_owns(to, symbol));
        wait_for_retry(place);
    }
    step(to);
    assert_true(stage_owns(to, symbol));
    assert_false(to->unwritten);
}

static void commits_of_a_hand_over_are_tried_again(void **state)
{
    (void)state;
    struct place place;
    place_begin(&place);
    struct stage *from = life(&place, "numbers"), *to = life(&place, "numbers.2");
    hold(from, AAA, 0);
    emit(from, AAA, 10);
    emit(from, BBB, 10);
    step(from);
    move_through_refusals(&place, from, to, AAA, 3);
    assert_int_equal(((struct numbers *)to->state)->loads, 1);
    assert_int_equal(to->outputs[AAA].emitted, 10);
    emit(to, AAA, 5);
    step(to);
    death(from);
    death(to);
    from = life(&place, "numbers");
    to = life(&place, "numbers.2");
    assert_false(stage_owns(from, AAA));
    assert_true(stage_owns(from, BBB));
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, 15);
    expect_rows(from, BBB, 10);
    death(from);
    death(to);
    place_end(&place);
}

/* pair: an instance with ten rows that a reader has not got yet, and another one. */
static void pair(struct place *place, struct stage **out_one, struct stage **out_other)
{
    place_begin(place);
    *out_one = life(place, "numbers");
    *out_other = life(place, "numbers.2");
    hold(*out_one, AAA, 0);
    emit(*out_one, AAA, 10);
    step(*out_one);
}

/* pair_end: both die, and nothing is left. */
static void pair_end(struct place *place, struct stage *one, struct stage *other)
{
    death(one);
    death(other);
    place_end(place);
}

/* carry: one move from its order to the new owner's commit. */
static void carry(struct place *place, struct stage *from, struct stage *to, size_t symbol, int64_t version)
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

/* The plan that says where it is may reach its old owner later than the symbol comes back. */
static void a_symbol_that_comes_back_and_goes_again_is_handed_over_as_it_is_by_then(void **state)
{
    (void)state;
    struct place place;
    struct stage *one, *other;
    pair(&place, &one, &other);
    carry(&place, one, other, AAA, MOVE_VERSION);
    carry(&place, other, one, AAA, MOVE_VERSION + 1);
    emit(one, AAA, 5);
    step(one);
    carry(&place, one, other, AAA, MOVE_VERSION + 2);
    expect_rows(other, AAA, 15);
    pair_end(&place, one, other);
}

/* Its orchestrator died, without a record of the move; the next one counts on from the plan that it knows. */
static void a_symbol_given_up_for_a_forgotten_move_goes_with_the_next_one(void **state)
{
    (void)state;
    struct place place;
    struct stage *from, *to;
    pair(&place, &from, &to);
    order_release(from, AAA);
    step(from);
    assert_false(stage_owns(from, AAA));
    struct plan_move move = move_of(AAA);
    move.version = MOVE_VERSION + 1;
    assert_ok(stage_release(from, &move, NULL));
    assert_ok(stage_acquire(to, &move, NULL));
    await_package(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    assert_int_equal(to->acquired_version, MOVE_VERSION + 1);
    expect_rows(to, AAA, 10);
    pair_end(&place, from, to);
}

/* Which rows a reader needs is known only when it has said how far it is. */
static void a_symbol_stays_until_every_reader_has_registered(void **state)
{
    (void)state;
    struct place place;
    struct error error = {{0}};
    place_begin(&place);
    struct stage *from = life(&place, "numbers"), *to = life(&place, "numbers.2");
    struct plan_move move = move_of(AAA);
    snprintf(move.readers, sizeof move.readers, "reader");
    emit(from, AAA, 10);
    step(from);
    assert_int_equal(stage_release(from, &move, &error), STATUS_AGAIN);
    assert_non_null(strstr(error.text, "reader has not said yet how far it is with numbers/AAA"));
    assert_true(stage_owns(from, AAA));
    hold(from, AAA, 0);
    assert_ok(stage_release(from, &move, &error));
    step(from);
    fetch(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, 10); /* from the first one on */
    assert_int_equal(journal_first(to->journal, to->outputs[AAA].journal_stream), 1);
    pair_end(&place, from, to);
}

/* Between two tries the stage's own commits go on; none of them may tell of a symbol whose rows are not here. */
static void a_death_between_two_tries_leaves_the_symbol_to_be_fetched_again(void **state)
{
    (void)state;
    struct place place;
    struct stage *from, *to;
    pair(&place, &from, &to);
    order_release(from, AAA);
    step(from);
    fetch(&place, from, to, AAA);
    hand_over_refused(to);
    wait_for_retry(&place);
    struct error error = {{0}};
    assert_ok(
        stage_commit(to, true, &error)); /* the disk is back, and it is killed behind its first commit */
    assert_false(to->unwritten);
    death(to);
    to = life(&place, "numbers.2");
    assert_false(stage_owns(to, AAA));
    fetch(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, 10);
    pair_end(&place, from, to);
}

/* --- a journal short of room --- */

/* fill: rows that a reader needs, until the journal has no room for more. */
static void fill(struct place *place, struct stage *stage, size_t symbol)
{
    for (int i = 0; !stage->full; i++) {
        assert_true(i < COMMITS_MAX);
        emit(stage, symbol, ROWS_PER_COMMIT);
        clock_manual_advance(&place->time, 20000000);
        step(stage);
    }
}

/* rows_wait: for their next owner, however much of them the reader has by then. */
static void rows_wait(int64_t held)
{
    struct place place;
    place_begin(&place);
    struct stage *from = life(&place, "numbers"), *to = life(&place, "numbers.2");
    hold(from, AAA, 0);
    hold(from, BBB, 0);
    for (int i = 0; i < COMMITS; i++) {
        emit(from, AAA, ROWS_PER_COMMIT);
        step(from);
    }
    order_release(from, AAA);
    step(from);
    assert_false(stage_owns(from, AAA));
    hold(from, AAA, held);
    fill(&place, from, BBB);
    fetch(&place, from, to, AAA);
    step(to);
    assert_true(stage_owns(to, AAA));
    expect_rows(to, AAA, COMMITS * ROWS_PER_COMMIT);
    assert_int_equal(from->counts.retention_unread, 0);

    place_plan(&place, MOVE_VERSION, AAA);
    assert_ok(stage_plan_renew(from, NULL));
    clock_manual_advance(&place.time, (int64_t)STAGE_RETENTION_MS * 1000000);
    step(from);
    assert_true(journal_first(from->journal, from->outputs[AAA].journal_stream) > 1); /* and go then */
    pair_end(&place, from, to);
}

static void rows_that_a_reader_needs_wait_in_a_full_journal_for_their_next_owner(void **state)
{
    (void)state;
    rows_wait(0);
}

static void rows_that_all_readers_have_wait_for_their_next_owner_too(void **state)
{
    (void)state;
    rows_wait(COMMITS * ROWS_PER_COMMIT);
}

/* log_lines: how many lines of the log are of an event; the newest one of them. */
static int log_lines(const struct place *place, const char *event, char out_newest[512])
{
    char path[PATH_BYTES], line[512];
    int count = 0;
    path_join(path, place->folder, "log");
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log))
        if (strstr(line, event)) {
            count++;
            memcpy(out_newest, line, sizeof line);
        }
    fclose(log);
    return count;
}

static void what_retention_drops_is_told_once_and_behind_the_commit(void **state)
{
    (void)state;
    struct place place;
    struct stage_service hasty = SERVICE;
    char path[PATH_BYTES], line[512] = "", wanted[64];
    hasty.cannot_wait = true;
    place_begin(&place);
    snprintf(place.settings[4], sizeof place.settings[4], "harvest.on_full=drop");
    struct stage *stage = life(&place, "numbers");
    stage->service = &hasty;
    hold(stage, AAA, 0);
    fill(&place, stage, AAA);
    stage->alert_sent = true; /* as a heartbeat has told */
    path_join(path, place.folder, "log");
    int log = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    log_redirect(log);
    step_refused(stage);
    assert_int_equal(stage->counts.retention_dropped, 0);
    assert_int_equal(log_lines(&place, " data_dropped ", line), 0);
    wait_for_retry(&place);
    step(stage);
    log_redirect(STDERR_FILENO);
    close(log);
    int64_t first = journal_first(stage->journal, stage->outputs[AAA].journal_stream);
    assert_true(first > 1);
    assert_int_equal(stage->counts.retention_dropped, first - 1);
    assert_int_equal(log_lines(&place, " data_dropped ", line), 1);
    snprintf(wanted, sizeof wanted, "from=1 to=%lld", (long long)first - 1);
    assert_non_null(strstr(line, wanted));
    death(stage);
    place_end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_over_waits_for_rows_that_the_disk_has_not_taken),
        cmocka_unit_test(only_pages_of_a_table_that_changed_are_written),
        cmocka_unit_test(a_state_ahead_of_its_journal_is_refused_with_a_sentence),
        cmocka_unit_test(commits_of_a_hand_over_are_tried_again),
        cmocka_unit_test(a_symbol_that_comes_back_and_goes_again_is_handed_over_as_it_is_by_then),
        cmocka_unit_test(a_symbol_given_up_for_a_forgotten_move_goes_with_the_next_one),
        cmocka_unit_test(a_symbol_stays_until_every_reader_has_registered),
        cmocka_unit_test(a_death_between_two_tries_leaves_the_symbol_to_be_fetched_again),
        cmocka_unit_test(rows_that_a_reader_needs_wait_in_a_full_journal_for_their_next_owner),
        cmocka_unit_test(rows_that_all_readers_have_wait_for_their_next_owner_too),
        cmocka_unit_test(what_retention_drops_is_told_once_and_behind_the_commit),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
