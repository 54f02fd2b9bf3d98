// links: injury base
/* Leases: what they do to their process, that they end by themselves, and that what they did is undone and counted. */
#include "injury/lease.h"
#include "tests/support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONG_MS = 600000, SHORT_MS = 60, TENTH_MS = 100 };

static char folder[PATH_BYTES];

static struct injury_order order_of(int64_t id, enum injury_kind kind, int64_t ttl_ms)
{
    const struct injury_row *row = injury_row(kind);
    return (struct injury_order){.id = id,
                                 .kind = kind,
                                 .share = row->share_default,
                                 .seed = 7,
                                 .amount = row->amount_default,
                                 .ttl_ms = ttl_ms};
}

static void begin(struct injury_table *table, struct injury_order order)
{
    struct error error = {{0}};
    if (injury_begin(table, &order, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static void clear(struct injury_table *table, int64_t id)
{
    assert_int_equal(injury_clear(table, id, NULL), STATUS_OK);
}

/* lasts: waits, with a deadline, until a lease has ended by itself; how late it was undone. */
static int64_t wait_over(struct injury_table *table, int64_t id)
{
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + 60000;
    for (;;) {
        struct error said = {{0}};
        char arguments[32];
        snprintf(arguments, sizeof arguments, "{\"id\":%d}", (int)id);
        assert_int_equal(injury_command(table, "fault_status", arguments, &said), STATUS_OK);
        if (strstr(said.text, "\"active\":false")) {
            assert_non_null(strstr(said.text, "\"end\":\"expired\""));
            return strtoll(strstr(said.text, "late_ms\":") + 9, NULL, 10);
        }
        if (clock_monotonic_ms(&clock) > until_ms)
            fail_msg("it lasts: %s", said.text);
        sched_yield();
    }
}

static int write_some(int file)
{
    return write(file, "12345678", 8) == 8 ? 0 : errno;
}

/* A busy machine may let one wait: not five in a row. */
static void a_lease_ends_by_itself_within_a_tenth_of_a_second(void **unused)
{
    (void)unused;
    enum { TRIES = 5 };
    struct injury_table *table = injury_table_create();
    int64_t least_ms = INT64_MAX;
    for (int64_t id = 1; id <= TRIES; id++) {
        begin(table, order_of(id, INJURY_DROP, SHORT_MS));
        int64_t late_ms = wait_over(table, id);
        assert_true(late_ms >= 0);
        least_ms = late_ms < least_ms ? late_ms : least_ms;
        assert_false(injury_any(table));
    }
    assert_true(least_ms <= TENTH_MS);
    injury_table_destroy(table);
}

static void the_same_order_again_is_the_same_lease(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    int64_t active, touched;
    begin(table, order_of(1, INJURY_MEMORY, LONG_MS));
    begin(table, order_of(1, INJURY_MEMORY, LONG_MS));
    injury_figures(table, &active, &touched);
    assert_int_equal(active, 1);
    assert_int_equal(touched, injury_row(INJURY_MEMORY)->amount_default);
    clear(table, 1);
    begin(table, order_of(1, INJURY_MEMORY, LONG_MS)); /* an order that comes late does not begin it anew */
    assert_false(injury_any(table));
    injury_table_destroy(table);
}

static void a_resource_has_one_lease_at_a_time(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    struct injury_order second = order_of(2, INJURY_WRITE_ERROR, LONG_MS);
    struct error error = {{0}};
    begin(table, order_of(1, INJURY_DISK_FULL, LONG_MS));
    assert_int_equal(injury_begin(table, &second, &error), STATUS_CONFLICT);
    assert_non_null(strstr(error.text, "fault 1 (disk_full) lasts here already"));
    clear(table, 0);
    begin(table, second);
    injury_table_destroy(table);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max); /* a table that goes undoes what lasts */
}

static void a_full_disk_refuses_every_write_and_takes_them_again(void **unused)
{
    (void)unused;
    char path[PATH_BYTES];
    struct injury_table *table = injury_table_create();
    path_join(path, folder, "file");
    int file = open(path, O_RDWR | O_CREAT, 0600), pair[2];
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(write_some(file), 0);
    begin(table, order_of(1, INJURY_DISK_FULL, LONG_MS));
    assert_int_equal(write_some(file), EFBIG);
    assert_int_equal(pwrite(file, "1", 1, 0), -1); /* not even over what is there */
    assert_int_equal(write_some(pair[1]), 0);      /* what is no file is no disk */
    clear(table, 1);
    assert_int_equal(write_some(file), 0);
    assert_int_equal(lseek(file, 0, SEEK_END), 16);
    struct injury_lease *lease = injury_active(table, INJURY_DISK_FULL);
    assert_null(lease);
    int64_t active, touched;
    injury_figures(table, &active, &touched);
    assert_int_equal(touched, 2);
    close(file);
    close(pair[0]);
    close(pair[1]);
    injury_table_destroy(table);
}

static void write_errors_come_and_go(void **unused)
{
    (void)unused;
    char path[PATH_BYTES];
    struct injury_table *table = injury_table_create();
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + 60000;
    bool failed = false, worked = false;
    path_join(path, folder, "sometimes");
    int file = open(path, O_RDWR | O_CREAT, 0600);
    begin(table, order_of(1, INJURY_WRITE_ERROR, LONG_MS));
    while (!(failed && worked) && clock_monotonic_ms(&clock) < until_ms) {
        int code = write_some(file);
        failed = failed || code == EFBIG;
        worked = worked || code == 0;
        lseek(file, 0, SEEK_SET);
    }
    assert_true(failed && worked);
    clear(table, 1);
    assert_int_equal(write_some(file), 0);
    close(file);
    injury_table_destroy(table);
}

static void descriptors_run_out_and_come_back(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    begin(table, order_of(1, INJURY_DESCRIPTORS, LONG_MS));
    assert_int_equal(dup(0), -1);
    assert_int_equal(errno, EMFILE);
    clear(table, 1);
    int got = dup(0);
    assert_true(got >= 0);
    close(got);
    struct injury_order some = order_of(2, INJURY_DESCRIPTORS, LONG_MS);
    some.amount = 1;
    begin(table, some);
    got = dup(0);
    assert_true(got >= 0);
    assert_int_equal(dup(0), -1);
    close(got);
    injury_table_destroy(table);
}

static void the_wall_clock_is_wrong_and_the_other_is_not(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    struct clock right = clock_system(), wrong = injury_clock(table);
    struct injury_order order = order_of(1, INJURY_CLOCK, LONG_MS);
    order.amount = -7200000;
    begin(table, order);
    int64_t before_ms = clock_wall_ms(&right), told_ms = clock_wall_ms(&wrong),
            after_ms = clock_wall_ms(&right);
    assert_in_range(told_ms, before_ms - 7200000, after_ms - 7200000);
    before_ms = clock_monotonic_ms(&right), told_ms = clock_monotonic_ms(&wrong),
    after_ms = clock_monotonic_ms(&right);
    assert_in_range(told_ms, before_ms, after_ms);
    assert_int_equal(atomic_load(&injury_active(table, INJURY_CLOCK)->touched), 1);
    clear(table, 1);
    before_ms = clock_wall_ms(&right), told_ms = clock_wall_ms(&wrong), after_ms = clock_wall_ms(&right);
    assert_in_range(told_ms, before_ms, after_ms);
    injury_table_destroy(table);
}

static void processor_time_is_burned_and_counted(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    struct clock clock = clock_system();
    int64_t until_ms = clock_monotonic_ms(&clock) + 60000;
    begin(table, order_of(1, INJURY_CPU, LONG_MS));
    while (atomic_load(&injury_active(table, INJURY_CPU)->touched) < 5 &&
           clock_monotonic_ms(&clock) < until_ms)
        sched_yield();
    assert_true(atomic_load(&injury_active(table, INJURY_CPU)->touched) >= 5);
    clear(table, 1);
    injury_table_destroy(table);
}

static void a_stuck_turn_comes_back_when_its_lease_is_over(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    struct clock clock = clock_system();
    /* The lease's time runs from its own beginning, not from that of the turn. */
    int64_t before_ns = clock_monotonic_ns(&clock);
    begin(table, order_of(1, INJURY_STUCK, SHORT_MS));
    injury_turn(table);
    assert_true(clock_monotonic_ns(&clock) - before_ns >= (int64_t)SHORT_MS * 1000000);
    assert_false(injury_any(table));
    injury_turn(table); /* nothing holds it any more */
    injury_table_destroy(table);
}

static void what_was_touched_stops_at_the_count(void **unused)
{
    (void)unused;
    struct injury_table *table = injury_table_create();
    struct injury_order order = order_of(1, INJURY_DROP, LONG_MS);
    order.count = 2;
    begin(table, order);
    struct injury_lease *lease = injury_active(table, INJURY_DROP);
    assert_true(injury_touch(lease) && injury_touch(lease));
    assert_false(injury_touch(lease));
    assert_int_equal(atomic_load(&lease->touched), 2);
    injury_table_destroy(table);
}

static void a_bad_order_is_refused_with_its_member(void **unused)
{
    (void)unused;
    static const char *const BAD[][2] = {
        {"", "JSON object"},
        {"[]", "JSON object"},
        {"{\"id\":1}", "needs a kind"},
        {"{\"id\":1,\"kind\":\"dance\"}", "kind"},
        {"{\"id\":1,\"kind\":\"drop\",\"ttl_ms\":100,\"share\":0}", "share"},
        {"{\"id\":1,\"kind\":\"drop\",\"ttl_ms\":5,\"share\":0.5}", "must last"},
        {"{\"id\":0,\"kind\":\"memory\",\"ttl_ms\":100,\"amount\":1}", "id"},
        {"{\"id\":1,\"kind\":\"memory\",\"ttl_ms\":100,\"amount\":0}", "mb must be from 1"},
        {"{\"id\":1,\"kind\":\"memory\",\"ttl_ms\":100,\"amount\":1,\"link\":\"a\"}", "link"},
        {"{\"id\":1,\"kind\":\"partition\",\"ttl_ms\":100,\"amount\":3}", "takes no amount"},
        {"{\"id\":1,\"kind\":\"partition\",\"ttl_ms\":100,\"share\":0.5}", "takes no share"},
        {"{\"id\":1,\"kind\":\"hang\",\"ttl_ms\":100,\"colour\":3}", "colour"},
        {"{\"id\":\"1\",\"kind\":\"hang\",\"ttl_ms\":100}", "id"},
    };
    struct injury_table *table = injury_table_create();
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct error said = {{0}};
        assert_int_equal(injury_command(table, "fault", BAD[i][0], &said), STATUS_INVALID);
        if (!strstr(said.text, BAD[i][1]))
            fail_msg("%s: %s", BAD[i][0], said.text);
    }
    struct error said = {{0}};
    assert_int_equal(injury_command(table, "fault_clear", "{\"id\":9}", &said), STATUS_NOT_FOUND);
    assert_int_equal(injury_command(table, "drain", "{}", &said), STATUS_UNSUPPORTED);
    injury_table_destroy(table);
}

static void an_order_survives_its_text(void **unused)
{
    (void)unused;
    for (enum injury_kind kind = 0; kind < INJURY_KIND_COUNT; kind++) {
        struct injury_order order = order_of(3, kind, kind == INJURY_KILL ? 0 : 1500), again;
        struct buffer text;
        struct json json;
        struct error error = {{0}};
        if (injury_row(kind)->place == INJURY_ON_LINK)
            memcpy(order.link, "harvest", 8);
        buffer_init(&text, 0);
        json_init(&json, &text);
        injury_order_json(&order, &json);
        if (injury_order_read(buffer_text(&text), &again, &error) != STATUS_OK)
            fail_msg("%s", error.text);
        assert_int_equal(again.kind, order.kind);
        assert_int_equal(again.amount, order.amount);
        assert_true(again.share == order.share && again.seed == order.seed && again.ttl_ms == order.ttl_ms);
        assert_string_equal(again.link, order.link);
        assert_int_equal(injury_kind_of(injury_row(kind)->name), kind);
        buffer_finish(&text);
    }
}

static int begin_group(void **unused)
{
    (void)unused;
    check_folder(folder);
    return 0;
}

static int end_group(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_ends_by_itself_within_a_tenth_of_a_second),
        cmocka_unit_test(the_same_order_again_is_the_same_lease),
        cmocka_unit_test(a_resource_has_one_lease_at_a_time),
        cmocka_unit_test(a_full_disk_refuses_every_write_and_takes_them_again),
        cmocka_unit_test(write_errors_come_and_go),
        cmocka_unit_test(descriptors_run_out_and_come_back),
        cmocka_unit_test(the_wall_clock_is_wrong_and_the_other_is_not),
        cmocka_unit_test(processor_time_is_burned_and_counted),
        cmocka_unit_test(a_stuck_turn_comes_back_when_its_lease_is_over),
        cmocka_unit_test(what_was_touched_stops_at_the_count),
        cmocka_unit_test(a_bad_order_is_refused_with_its_member),
        cmocka_unit_test(an_order_survives_its_text),
    };
    check_filter();
    return cmocka_run_group_tests(tests, begin_group, end_group);
}
