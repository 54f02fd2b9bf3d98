// links: injury base
/* The words of a kind of fault. */
#include "injury/order.h"
#include "tests/support/check.h"

#include <string.h>

static void one_of_what_was_touched_is_not_many(void **state)
{
    (void)state;
    assert_string_equal(injury_touched(INJURY_STUCK, 1), "turn");
    assert_string_equal(injury_touched(INJURY_STUCK, 0), "turns");
    assert_string_equal(injury_touched(INJURY_KILL, 1), "process");
    assert_string_equal(injury_touched(INJURY_DISK_FULL, 2), "writes refused");
    assert_string_equal(injury_touched(INJURY_STALL, 1), "message held back");
    for (enum injury_kind kind = 0; kind < INJURY_KIND_COUNT; kind++) {
        bool same = strcmp(injury_touched(kind, 1), injury_touched(kind, 2)) == 0;
        assert_int_equal(same, kind == INJURY_CPU || kind == INJURY_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_of_what_was_touched_is_not_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
