// links: store base
/* Which files of signals are a run's: by their names. */
#include "tests/support/check.h"

#include "store/shard.h"

static void a_file_belongs_to_the_run_whose_whole_name_it_has(void **state)
{
    (void)state;
    assert_true(shard_of_run("out/ready/signal/BTCUSDT/signals_20240808_2354_a.jsonl", "a", ".jsonl"));
    assert_true(shard_of_run("signals_20240808_2354_x_a.jsonl", "x_a", ".jsonl"));
    assert_true(shard_of_run("spool/signals_20240808_2354_a-r2.part", "a-r2", ".part"));
    assert_false(shard_of_run("signals_20240808_2354_x_a.jsonl", "a", ".jsonl"));
    assert_false(shard_of_run("signals_20240808_2354_a-r2.jsonl", "a", ".jsonl"));
    assert_false(shard_of_run("signals_20240808_2354_a.part", "a", ".jsonl"));
    assert_false(shard_of_run("signals_20240808_2354_a.jsonl.tmp", "a", ".jsonl"));
    assert_false(shard_of_run("signals_2024_a.jsonl", "a", ".jsonl"));
    assert_false(shard_of_run("signals_", "a", ".jsonl"));
    assert_false(shard_of_run("mock_orders.jsonl", "orders", ".jsonl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_belongs_to_the_run_whose_whole_name_it_has),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
