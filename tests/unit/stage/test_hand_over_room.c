// links: stage journal bus injury config proto base
// timeout: 300
/* A hand-over in a journal that is short of room. */
#include "hand_over_place.h"

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
        cmocka_unit_test(rows_that_a_reader_needs_wait_in_a_full_journal_for_their_next_owner),
        cmocka_unit_test(rows_that_all_readers_have_wait_for_their_next_owner_too),
        cmocka_unit_test(what_retention_drops_is_told_once_and_behind_the_commit),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
