// How long the old and the next owner of a symbol both listen to it.
// links: service_harvest market journal net proto base yyjson
#include "services/harvest/meeting.h"
#include "tests/support/check.h"

static const struct meeting_facts NOTHING = {0};
static const struct meeting_facts FIRST_SOCKET = {.any_heard = true, .overlaps = true};
static const struct meeting_facts BOTH_SOCKETS = {.open_since = 7, .any_heard = true, .overlaps = true};
static const struct meeting_facts ALL = {
    .open_since = 7, .any_heard = true, .all_heard = true, .overlaps = true};
static const struct meeting_facts QUIET = {.open_since = 7};

static void test_a_second_socket_is_waited_for_however_long_the_first_one_has_heard(void **unused)
{
    (void)unused;
    struct meeting meeting = {0};
    assert_int_equal(meeting_judge(&meeting, &FIRST_SOCKET, 1000), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &FIRST_SOCKET, 1000 + 5 * MEETING_OVERLAP_MS), MEETING_GOES_ON);
    assert_string_equal(meeting_lacks(&FIRST_SOCKET),
                        "its next owner has not opened every socket that it needs");
    assert_int_equal(meeting_judge(&meeting, &BOTH_SOCKETS, 1001 + 5 * MEETING_OVERLAP_MS), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &BOTH_SOCKETS, 1001 + 6 * MEETING_OVERLAP_MS), MEETING_IS_MET);
}

static void test_every_stream_that_has_spoken_ends_the_wait_and_time_ends_that_for_a_quiet_one(void **unused)
{
    (void)unused;
    struct meeting meeting = {0};
    assert_int_equal(meeting_judge(&meeting, &ALL, 1000), MEETING_IS_MET);
    meeting = (struct meeting){0};
    assert_int_equal(meeting_judge(&meeting, &BOTH_SOCKETS, 1000), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &BOTH_SOCKETS, 999 + MEETING_OVERLAP_MS), MEETING_GOES_ON);
    assert_string_equal(meeting_lacks(&BOTH_SOCKETS), "its next owner has not heard long enough of it");
    assert_int_equal(meeting_judge(&meeting, &BOTH_SOCKETS, 1000 + MEETING_OVERLAP_MS), MEETING_IS_MET);
}

/* A life that is over, or a socket that was lost and is open again, has not listened for those that are there now. */
static void test_what_another_opening_has_listened_for_does_not_count(void **unused)
{
    (void)unused;
    struct meeting_facts again = BOTH_SOCKETS;
    struct meeting meeting = {0};
    again.open_since = 8;
    assert_int_equal(meeting_judge(&meeting, &BOTH_SOCKETS, 1000), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &again, 999 + MEETING_OVERLAP_MS), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &again, 998 + 2 * MEETING_OVERLAP_MS), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &again, 999 + 2 * MEETING_OVERLAP_MS), MEETING_IS_MET);
}

static void test_what_cannot_be_had_is_waited_for_only_so_long(void **unused)
{
    (void)unused;
    static const struct meeting_facts MISSED = {.open_since = 7, .any_heard = true, .all_heard = true};
    static const struct meeting_facts OWED = {
        .is_owed = true, .open_since = 7, .any_heard = true, .all_heard = true, .overlaps = true};
    static const struct meeting_facts QUIET_AND_OWED = {.is_owed = true, .open_since = 7};
    static const struct meeting_facts LOST = {.any_heard = true, .all_heard = true, .overlaps = true};
    static const struct meeting_facts *const CASES[] = {&FIRST_SOCKET, &QUIET, &MISSED,
                                                        &OWED,         &LOST,  &QUIET_AND_OWED};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct meeting meeting = {0};
        assert_int_equal(meeting_judge(&meeting, CASES[i], 1000), MEETING_GOES_ON);
        assert_int_equal(meeting_judge(&meeting, CASES[i], 999 + MEETING_PATIENCE_MS), MEETING_GOES_ON);
        assert_int_equal(meeting_judge(&meeting, CASES[i], 1000 + MEETING_PATIENCE_MS), MEETING_IS_CUT);
    }
    assert_string_equal(meeting_lacks(&QUIET), "its next owner hears nothing of it yet");
    assert_null(meeting_lacks(&MISSED)); /* the feed names the message */
    assert_string_equal(meeting_lacks(&OWED), "an answer of the venue is awaited");
}

static void test_a_next_owner_that_is_gone_begins_anew(void **unused)
{
    (void)unused;
    struct meeting meeting = {0};
    assert_int_equal(meeting_judge(&meeting, &NOTHING, 1000), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &NOTHING, 1000 + 9 * MEETING_PATIENCE_MS), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &FIRST_SOCKET, 500000), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &NOTHING, 501000), MEETING_GOES_ON);
    assert_int_equal(meeting_judge(&meeting, &FIRST_SOCKET, 500000 + MEETING_PATIENCE_MS), MEETING_GOES_ON);
}

static void test_a_simulator_s_streams_speak_for_each_other_and_are_waited_for_without_an_end(void **unused)
{
    (void)unused;
    static const struct meeting_facts MET = {
        .is_simulator = true, .open_since = 7, .any_heard = true, .overlaps = true};
    struct meeting_facts apart = MET, owed = MET, lost = MET;
    struct meeting_facts *const WAITS[] = {&apart, &owed, &lost};
    struct meeting meeting = {0};
    assert_int_equal(meeting_judge(&meeting, &MET, 1000), MEETING_IS_MET);
    apart.overlaps = false;
    owed.is_owed = true;
    lost.open_since = 0;
    for (size_t i = 0; i < sizeof WAITS / sizeof *WAITS; i++) {
        assert_int_equal(meeting_judge(&meeting, WAITS[i], 1000), MEETING_GOES_ON);
        assert_int_equal(meeting_judge(&meeting, WAITS[i], 1000 + 9 * MEETING_PATIENCE_MS), MEETING_GOES_ON);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_socket_is_waited_for_however_long_the_first_one_has_heard),
        cmocka_unit_test(test_every_stream_that_has_spoken_ends_the_wait_and_time_ends_that_for_a_quiet_one),
        cmocka_unit_test(test_what_another_opening_has_listened_for_does_not_count),
        cmocka_unit_test(test_what_cannot_be_had_is_waited_for_only_so_long),
        cmocka_unit_test(test_a_next_owner_that_is_gone_begins_anew),
        cmocka_unit_test(test_a_simulator_s_streams_speak_for_each_other_and_are_waited_for_without_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
